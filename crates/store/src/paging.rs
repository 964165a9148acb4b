//! Pages of a list by key: the same cost for the first page and the thousandth.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The most rows a page may have.
pub const MAX_PAGE: u32 = 200;

/// One page of a list, with the places of its neighbours.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<Cursor>,
    pub previous: Option<Cursor>,
}

impl<T> Page<T> {
    /// The page with every item made into another.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(make).collect(),
            next: self.next,
            previous: self.previous,
        }
    }
}

/// Which page is wanted.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// Rows on the page, at most [`MAX_PAGE`].
    pub size: u32,
    /// `None`: the first page.
    pub cursor: Option<Cursor>,
}

impl PageRequest {
    /// The first page.
    pub const fn first(size: u32) -> Self {
        Self { size, cursor: None }
    }

    /// The page at this place.
    pub const fn at(size: u32, cursor: Cursor) -> Self {
        Self {
            size,
            cursor: Some(cursor),
        }
    }

    /// Rows to ask the database for: one more than are shown, to see whether more follow.
    pub(crate) fn fetch(&self) -> i64 {
        i64::from(self.size()) + 1
    }

    pub(crate) fn size(&self) -> u32 {
        self.size.clamp(1, MAX_PAGE)
    }

    /// Whether the page before a place is wanted, so that the list is read backwards.
    pub(crate) fn is_backward(&self) -> bool {
        matches!(&self.cursor, Some(cursor) if cursor.side == Side::Before)
    }
}

/// A place in a list: just before or after one row, named by its sort value and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    side: Side,
    value: SortValue,
    id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Side {
    #[serde(rename = "a")]
    After,
    #[serde(rename = "b")]
    Before,
}

/// The value a list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum SortValue {
    Number(i64),
    Text(String),
}

impl From<i64> for SortValue {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for SortValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Cursor {
    pub(crate) fn text(&self) -> Result<&str> {
        match &self.value {
            SortValue::Text(text) => Ok(text),
            SortValue::Number(_) => Err(Error::InvalidCursor),
        }
    }

    pub(crate) fn number(&self) -> Result<i64> {
        match self.value {
            SortValue::Number(number) => Ok(number),
            SortValue::Text(_) => Err(Error::InvalidCursor),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json =
            serde_json::to_vec(&(self.side, &self.value, &self.id)).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // Longer than any sort column: not ours.
        if text.len() > 4_096 {
            return Err(Error::InvalidCursor);
        }
        let json = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| Error::InvalidCursor)?;
        let (side, value, id) = serde_json::from_slice(&json).map_err(|_| Error::InvalidCursor)?;
        Ok(Self { side, value, id })
    }
}

/// Makes a page of the rows that were fetched in reading order (backwards for a page before).
pub(crate) fn page<T>(
    request: &PageRequest,
    mut rows: Vec<T>,
    key: impl Fn(&T) -> (SortValue, String),
) -> Page<T> {
    let more = rows.len() > request.size() as usize;
    rows.truncate(request.size() as usize);
    let backward = request.is_backward();
    if backward {
        rows.reverse();
    }
    let place = |side, row: Option<&T>| {
        row.map(|row| {
            let (value, id) = key(row);
            Cursor { side, value, id }
        })
    };
    // Coming from a neighbour proves that there is one on that side.
    let has_next = if backward { true } else { more };
    let has_previous = if backward {
        more
    } else {
        request.cursor.is_some()
    };
    Page {
        next: place(Side::After, rows.last().filter(|_| has_next)),
        previous: place(Side::Before, rows.first().filter(|_| has_previous)),
        items: rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(request: &PageRequest, rows: Vec<i64>) -> Page<i64> {
        page(request, rows, |n| (SortValue::Number(*n), n.to_string()))
    }

    #[test]
    fn a_cursor_survives_the_way_through_a_url() {
        let cursor = Cursor {
            side: Side::Before,
            value: SortValue::Text("çelik & söhne".into()),
            id: "7".into(),
        };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        assert!("%%%".parse::<Cursor>().is_err());
        assert!(URL_SAFE_NO_PAD.encode("[1]").parse::<Cursor>().is_err());
    }

    #[test]
    fn only_sides_with_rows_have_a_cursor() {
        let first = numbers(&PageRequest::first(2), vec![1, 2, 3]);
        assert_eq!(first.items, [1, 2]);
        assert!(first.previous.is_none());
        let second = numbers(&PageRequest::at(2, first.next.unwrap()), vec![3]);
        assert!(second.next.is_none());
        let back = numbers(&PageRequest::at(2, second.previous.unwrap()), vec![2, 1]);
        assert_eq!(back.items, [1, 2]);
        assert!(back.previous.is_none() && back.next.is_some());
    }
}
