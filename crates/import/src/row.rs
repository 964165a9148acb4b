//! One row of a table, in one allocation for its text.

use std::ops::Range;

/// The fields of one row and the line of the file on which it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    line: u64,
    text: String,
    ends: Vec<usize>,
    dropped: usize,
}

impl Row {
    /// The physical line on which the row starts, counted from 1.
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// The field at `index`, or nothing when the row is shorter.
    pub fn field(&self, index: usize) -> Option<&str> {
        self.text.get(self.range(index)?)
    }

    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|index| self.field(index).unwrap_or_default())
    }

    /// How many fields the row has in the file, those beyond the limit included.
    pub const fn columns(&self) -> usize {
        self.ends.len() + self.dropped
    }

    /// Whether every field is empty, as in the `;;;;` that spreadsheets leave at the end.
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    pub(crate) fn starting_at(line: u64) -> Self {
        Self {
            line,
            ..Self::default()
        }
    }

    pub(crate) fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(crate) fn end_field(&mut self) {
        self.ends.push(self.text.len());
    }

    /// Forgets the field in progress: the row has more than it may have.
    pub(crate) fn drop_field(&mut self) {
        self.text.truncate(self.ends.last().copied().unwrap_or(0));
        self.dropped += 1;
    }

    pub(crate) fn kept(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of the field in progress.
    pub(crate) fn open_length(&self) -> usize {
        self.text.len() - self.ends.last().copied().unwrap_or(0)
    }

    fn range(&self, index: usize) -> Option<Range<usize>> {
        let end = *self.ends.get(index)?;
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied();
        Some(start.unwrap_or(0)..end)
    }
}
