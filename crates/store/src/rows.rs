//! Reading values out of rows, with the place named when one cannot be read.

use std::str::FromStr;

use signpost_model::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Any, Decode, Row, Type};

use crate::{Error, Result};

/// A row of a table whose first column is its id.
#[derive(Clone, Copy)]
pub(crate) struct TableRow<'r> {
    table: &'static str,
    row: &'r AnyRow,
}

impl<'r> TableRow<'r> {
    pub(crate) fn new(table: &'static str, row: &'r AnyRow) -> Self {
        Self { table, row }
    }

    fn get<T>(&self, column: &'static str) -> Result<T>
    where
        T: Decode<'r, Any> + Type<Any>,
    {
        self.row
            .try_get(column)
            .map_err(|_| self.inconsistent(column))
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String> {
        self.get(column)
    }

    pub(crate) fn optional_text(&self, column: &'static str) -> Result<Option<String>> {
        self.get(column)
    }

    pub(crate) fn number(&self, column: &'static str) -> Result<i64> {
        self.get(column)
    }

    pub(crate) fn optional_number(&self, column: &'static str) -> Result<Option<i64>> {
        self.get(column)
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool> {
        match self.number(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.inconsistent(column)),
        }
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp> {
        self.number(column).map(Timestamp::from_millis)
    }

    pub(crate) fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>> {
        Ok(self.optional_number(column)?.map(Timestamp::from_millis))
    }

    /// A value with its own text form: an id, a role, a source.
    pub(crate) fn parsed<T: FromStr>(&self, column: &'static str) -> Result<T> {
        let text: &str = self.get(column)?;
        text.parse().map_err(|_| self.inconsistent(column))
    }

    pub(crate) fn optional_parsed<T: FromStr>(&self, column: &'static str) -> Result<Option<T>> {
        let text: Option<&str> = self.get(column)?;
        text.map(|text| text.parse().map_err(|_| self.inconsistent(column)))
            .transpose()
    }

    /// A value stored as JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        let text: &str = self.get(column)?;
        serde_json::from_str(text).map_err(|_| self.inconsistent(column))
    }

    pub(crate) fn optional_json<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>> {
        let text: Option<&str> = self.get(column)?;
        text.map(|text| serde_json::from_str(text).map_err(|_| self.inconsistent(column)))
            .transpose()
    }

    pub(crate) fn inconsistent(&self, column: &'static str) -> Error {
        Error::Inconsistent {
            table: self.table,
            column,
            row: self.row.try_get(0).unwrap_or_default(),
        }
    }
}

/// Many values as the one argument of `json_each(json($n))`, which both engines have: the keys
/// are what is asked for, and the number of placeholders does not grow with them.
pub(crate) fn json_keys<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let keys: serde_json::Map<_, _> = values
        .into_iter()
        .map(|value| (value.to_string(), 1.into()))
        .collect();
    serde_json::Value::Object(keys).to_string()
}

/// A value as JSON text, for a column.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Database(sqlx::Error::Encode(error.into())))
}

/// Booleans are stored as numbers.
pub(crate) fn flag(value: bool) -> i64 {
    i64::from(value)
}
