//! A page of rows as one value.
//!
//! Handing over a row costs SQLite's driver more than finding it, so lists that are looked at
//! often join their rows in the database, with separators that no value contains: control
//! characters are taken out of everything that is stored in such a column ([`printable`]).

use std::borrow::Cow;
use std::str::FromStr;

use signpost_model::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::{Error, Result};

/// Between the values of a row.
pub(crate) const FIELD_END: &str = "\u{1f}";
/// Between rows.
pub(crate) const ROW_END: &str = "\u{1e}";

/// The text without control characters.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.replace(char::is_control, ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// Reads the rows of a page out of its one value.
pub(crate) fn unpack<T>(
    table: &'static str,
    row: &AnyRow,
    read: impl Fn(&mut Fields<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let packed: &str = row.try_get(0)?;
    if packed.is_empty() {
        return Ok(Vec::new());
    }
    packed
        .split(ROW_END)
        .map(|line| {
            read(&mut Fields {
                table,
                line,
                fields: line.split(FIELD_END),
            })
        })
        .collect()
}

/// The values of one row, read in the order of the statement.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    table: &'static str,
    line: &'a str,
    fields: std::str::Split<'a, &'static str>,
}

impl<'a> Fields<'a> {
    pub(crate) fn str(&mut self, column: &'static str) -> Result<&'a str> {
        self.fields.next().ok_or_else(|| self.inconsistent(column))
    }

    pub(crate) fn text(&mut self, column: &'static str) -> Result<String> {
        self.str(column).map(str::to_owned)
    }

    pub(crate) fn parsed<T: FromStr>(&mut self, column: &'static str) -> Result<T> {
        let text = self.str(column)?;
        text.parse().map_err(|_| self.inconsistent(column))
    }

    pub(crate) fn flag(&mut self, column: &'static str) -> Result<bool> {
        Ok(self.parsed::<u8>(column)? == 1)
    }

    pub(crate) fn time(&mut self, column: &'static str) -> Result<Timestamp> {
        self.parsed(column).map(Timestamp::from_millis)
    }

    /// An instant that may be missing: then the text is empty.
    pub(crate) fn optional_time(&mut self, column: &'static str) -> Result<Option<Timestamp>> {
        match self.str(column)? {
            "" => Ok(None),
            text => text
                .parse()
                .map(|millis| Some(Timestamp::from_millis(millis)))
                .map_err(|_| self.inconsistent(column)),
        }
    }

    fn inconsistent(&self, column: &'static str) -> Error {
        Error::Inconsistent {
            table: self.table,
            column,
            row: self
                .line
                .split(FIELD_END)
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }
}
