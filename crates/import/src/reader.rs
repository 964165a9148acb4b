//! Text to rows: delimiter, quotes and physical lines.

use std::io::Read;

use crate::columns::is_known_header;
use crate::decode::{Encoding, TextSource};
use crate::row::Row;

/// What a file may be at most; beyond it reading stops with an error, not with memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub bytes: u64,
    pub rows: u64,
    pub columns: usize,
    /// Bytes of one field in UTF-8.
    pub field: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 256 * 1024 * 1024,
            rows: 1_000_000,
            columns: 200,
            field: 16 * 1024,
        }
    }
}

/// What separates fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    Comma,
    Semicolon,
    Tab,
}

impl Delimiter {
    /// Every delimiter; on a tie the earlier one is taken.
    pub const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    /// The name on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }
}

/// Why a file cannot be read (any further).
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("The file could not be read.")]
    Source(#[source] std::io::Error),
    #[error("The file is empty.")]
    Empty,
    #[error("This is a workbook, not a CSV file. Save it as “CSV UTF-8” and choose that file.")]
    Workbook,
    #[error("The file is larger than {} MB.", .max_bytes / (1024 * 1024))]
    FileTooLarge { max_bytes: u64 },
    #[error("The file has more than {max_rows} rows. Split it.")]
    TooManyRows { max_rows: u64 },
    #[error("The first row has {columns} columns; at most {max_columns} are read.")]
    TooManyColumns { columns: usize, max_columns: usize },
    #[error(
        "Line {line}: a field is longer than {max_length} bytes. \
         Perhaps a quotation mark before it is not closed."
    )]
    FieldTooLong { line: u64, max_length: usize },
    #[error("Line {line}: a quotation mark is opened here and never closed.")]
    UnclosedQuote { line: u64 },
}

/// Yields the rows of a table after its header, without blank ones, in bounded memory.
///
/// After an error it ends. Line breaks inside quotes arrive as `\n`.
pub struct Reader<R> {
    lines: RowParser<R>,
    header: Row,
    delimiter: Delimiter,
    rows: u64,
    limits: Limits,
    ended: bool,
}

impl<R> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Reader<R> {
    /// Opens a file with the default limits and reads its header.
    pub fn new(source: R) -> Result<Self, ReadError> {
        Self::with_limits(source, Limits::default())
    }

    /// Opens a file and reads its header.
    pub fn with_limits(source: R, limits: Limits) -> Result<Self, ReadError> {
        let mut lines = RowParser::new(TextSource::new(source, limits.bytes), limits);
        loop {
            let delimiter = lines.detect_delimiter()?;
            lines.delimiter = delimiter.byte();
            let header = lines.next_row()?.ok_or(ReadError::Empty)?;
            if is_preamble(&header) {
                continue;
            }
            if header.columns() > limits.columns {
                let (columns, max_columns) = (header.columns(), limits.columns);
                return Err(ReadError::TooManyColumns {
                    columns,
                    max_columns,
                });
            }
            return Ok(Self {
                lines,
                header,
                delimiter,
                rows: 0,
                limits,
                ended: false,
            });
        }
    }

    /// The header: the first row that is not a template's preamble.
    pub const fn header(&self) -> &Row {
        &self.header
    }

    /// What separates the fields of this file.
    pub const fn delimiter(&self) -> Delimiter {
        self.delimiter
    }

    /// How the file is written. A long file may show only later that it is Windows-1252.
    pub const fn encoding(&self) -> Encoding {
        self.lines.source.encoding()
    }

    /// How many bytes of the file were taken so far, for progress.
    pub const fn bytes_read(&self) -> u64 {
        self.lines.source.bytes_read()
    }

    fn next_row(&mut self) -> Result<Option<Row>, ReadError> {
        loop {
            let Some(row) = self.lines.next_row()? else {
                return Ok(None);
            };
            self.rows += 1;
            if self.rows > self.limits.rows {
                return Err(ReadError::TooManyRows {
                    max_rows: self.limits.rows,
                });
            }
            if !row.is_blank() {
                return Ok(Some(row));
            }
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_row().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Excel's `sep=;` and the `version:v1.0` of Entra's templates stand before the header.
fn is_preamble(row: &Row) -> bool {
    let first = row.field(0).unwrap_or_default().trim().to_ascii_lowercase();
    let rest_is_empty = row.fields().skip(1).all(|field| field.trim().is_empty());
    rest_is_empty && (first.starts_with("version:v") || first.starts_with("sep="))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    RowStart,
    FieldStart,
    Plain,
    Quoted,
    /// After a quotation mark inside quotes: its twin follows, or the quotes end.
    AfterQuote,
}

enum Step {
    Continue(State),
    RowEnd,
}

/// The state machine. Lenient as spreadsheets are: a quotation mark inside a plain field is text,
/// and so is what follows closing quotes.
struct RowParser<R> {
    source: TextSource<R>,
    text: String,
    position: usize,
    line: u64,
    after_cr: bool,
    quote_line: u64,
    delimiter: u8,
    limits: Limits,
}

impl<R: Read> RowParser<R> {
    const fn new(source: TextSource<R>, limits: Limits) -> Self {
        Self {
            source,
            text: String::new(),
            position: 0,
            line: 1,
            after_cr: false,
            quote_line: 0,
            delimiter: Delimiter::Comma.byte(),
            limits,
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, ReadError> {
        let mut row = Row::starting_at(self.line);
        let mut state = State::RowStart;
        loop {
            let Some(&byte) = self.text.as_bytes().get(self.position) else {
                if self.refill()? {
                    continue;
                }
                return self.end_of_file(row, state);
            };
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                self.position += 1;
                continue;
            }
            match self.step(byte, state, &mut row)? {
                Step::Continue(next) => state = next,
                Step::RowEnd => return Ok(Some(row)),
            }
        }
    }

    fn step(&mut self, byte: u8, state: State, row: &mut Row) -> Result<Step, ReadError> {
        let is_line_end = matches!(byte, b'\n' | b'\r');
        Ok(match state {
            State::RowStart if is_line_end => {
                self.take_line_end(byte);
                *row = Row::starting_at(self.line);
                Step::Continue(State::RowStart)
            }
            State::RowStart => Step::Continue(State::FieldStart),
            State::FieldStart if byte == b'"' => {
                self.position += 1;
                self.quote_line = self.line;
                Step::Continue(State::Quoted)
            }
            State::AfterQuote if byte == b'"' => {
                self.position += 1;
                self.push(row, "\"")?;
                Step::Continue(State::Quoted)
            }
            State::Quoted if byte == b'"' => {
                self.position += 1;
                Step::Continue(State::AfterQuote)
            }
            State::Quoted if is_line_end => {
                self.take_line_end(byte);
                self.push(row, "\n")?;
                Step::Continue(State::Quoted)
            }
            State::Quoted => {
                self.take_run(row, |b| matches!(b, b'"' | b'\n' | b'\r'))?;
                Step::Continue(State::Quoted)
            }
            _ if is_line_end => {
                self.take_line_end(byte);
                self.end_field(row);
                Step::RowEnd
            }
            _ if byte == self.delimiter => {
                self.position += 1;
                self.end_field(row);
                Step::Continue(State::FieldStart)
            }
            _ => {
                let delimiter = self.delimiter;
                self.take_run(row, |b| b == delimiter || matches!(b, b'\n' | b'\r'))?;
                Step::Continue(State::Plain)
            }
        })
    }

    fn end_of_file(&self, mut row: Row, state: State) -> Result<Option<Row>, ReadError> {
        match state {
            State::RowStart => Ok(None),
            State::Quoted => Err(ReadError::UnclosedQuote {
                line: self.quote_line,
            }),
            State::FieldStart | State::Plain | State::AfterQuote => {
                self.end_field(&mut row);
                Ok(Some(row))
            }
        }
    }

    fn take_line_end(&mut self, byte: u8) {
        self.position += 1;
        self.line += 1;
        self.after_cr = byte == b'\r';
    }

    /// Takes text up to a byte that means something, or to the end of the piece at hand.
    fn take_run(&mut self, row: &mut Row, is_end: impl Fn(u8) -> bool) -> Result<(), ReadError> {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let length = rest.bytes().position(is_end).unwrap_or(rest.len());
        let run = rest.get(..length).unwrap_or_default();
        if row.open_length() + length > self.limits.field {
            return Err(self.field_too_long());
        }
        row.push_text(run);
        self.position += length;
        Ok(())
    }

    fn push(&self, row: &mut Row, text: &str) -> Result<(), ReadError> {
        if row.open_length() + text.len() > self.limits.field {
            return Err(self.field_too_long());
        }
        row.push_text(text);
        Ok(())
    }

    fn end_field(&self, row: &mut Row) {
        if row.kept() < self.limits.columns {
            row.end_field()
        } else {
            row.drop_field()
        }
    }

    const fn field_too_long(&self) -> ReadError {
        ReadError::FieldTooLong {
            line: self.line,
            max_length: self.limits.field,
        }
    }

    /// Replaces the used-up piece of text by the next one.
    fn refill(&mut self) -> Result<bool, ReadError> {
        self.text.drain(..self.position);
        self.position = 0;
        while self.text.is_empty() {
            if !self.source.read_into(&mut self.text)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The delimiter under which the row at hand has the most known headers, then most fields.
    fn detect_delimiter(&mut self) -> Result<Delimiter, ReadError> {
        if self.position >= self.text.len() {
            self.refill()?;
        }
        let text = self.text.get(self.position..).unwrap_or_default();
        let text = text.trim_start_matches(['\r', '\n']);
        let mut best = (Delimiter::Comma, (0, 0));
        for delimiter in Delimiter::ALL {
            let fields = split_first_row(text, delimiter.byte());
            let known = fields.iter().filter(|field| is_known_header(field)).count();
            if (known, fields.len()) > best.1 {
                best = (delimiter, (known, fields.len()));
            }
        }
        Ok(best.0)
    }
}

/// The fields of the first row, roughly: enough to count and recognise them.
fn split_first_row(text: &str, delimiter: u8) -> Vec<&str> {
    let mut fields = Vec::new();
    let (mut start, mut quoted, mut end) = (0, false, text.len());
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'\r' | b'\n' => {
                end = index;
                break;
            }
            _ if byte == delimiter => {
                fields.push(text.get(start..index).unwrap_or_default());
                start = index + 1;
            }
            _ => {}
        }
    }
    fields.push(text.get(start..end).unwrap_or_default());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u64, Vec<String>)> {
        Reader::new(text.as_bytes())
            .unwrap()
            .map(|row| {
                let row = row.unwrap();
                (row.line(), row.fields().map(str::to_owned).collect())
            })
            .collect()
    }

    fn first_error(text: &str, limits: Limits) -> ReadError {
        let mut reader = match Reader::with_limits(text.as_bytes(), limits) {
            Ok(reader) => reader,
            Err(error) => return error,
        };
        let error = reader.find_map(Result::err).expect("an error");
        assert!(reader.next().is_none(), "ends after an error");
        error
    }

    #[test]
    fn a_row_carries_the_physical_line_it_starts_on() {
        for end in ["\n", "\r\n", "\r"] {
            let text = [
                "name,note",
                "",
                "a,\"one",
                "two\"",
                "",
                "b,\"x\"\"y\"",
                "c",
                "",
            ]
            .join(end);
            let found = rows(&text);
            assert_eq!(
                found[0],
                (3, vec!["a".into(), "one\ntwo".into()]),
                "{end:?}"
            );
            assert_eq!(found[1], (6, vec!["b".into(), "x\"y".into()]));
            assert_eq!(found[2], (7, vec!["c".into()]));
            assert_eq!(found.len(), 3);
        }
    }

    #[test]
    fn the_delimiter_comes_from_the_header() {
        for (text, expected) in [
            ("User name,Display name\n", Delimiter::Comma),
            ("User name;Display name, full\n", Delimiter::Semicolon),
            ("User name\tDisplay name\n", Delimiter::Tab),
            ("\"a,b,c\";\"d\"\n", Delimiter::Semicolon),
            ("only\n", Delimiter::Comma),
            ("sep=;\r\nUser name;City\n", Delimiter::Semicolon),
        ] {
            let reader = Reader::new(text.as_bytes()).unwrap();
            assert_eq!(reader.delimiter(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_version_line_of_entras_templates_is_not_the_header() {
        let text =
            "version:v1.0,,\nName [displayName] Required,User name\nAda,ada@contoso.example\n";
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        assert_eq!(
            reader.header().field(0),
            Some("Name [displayName] Required")
        );
        assert_eq!(reader.next().unwrap().unwrap().line(), 3);
    }

    #[test]
    fn each_limit_ends_the_file_with_its_reason() {
        let limits = Limits {
            bytes: 60,
            rows: 2,
            columns: 3,
            field: 8,
        };
        assert!(matches!(
            first_error("a\n1\n2\n3\n", limits),
            ReadError::TooManyRows { max_rows: 2 }
        ));
        assert!(matches!(
            first_error("a,b,c,d\n", limits),
            ReadError::TooManyColumns {
                columns: 4,
                max_columns: 3
            }
        ));
        assert!(matches!(
            first_error("a\nx\n123456789\n", limits),
            ReadError::FieldTooLong { line: 3, .. }
        ));
        assert!(matches!(
            first_error(&"a\n".repeat(31), limits),
            ReadError::FileTooLarge { .. }
        ));
        assert!(matches!(
            first_error("a\n1\n\"2\n3\n", Limits::default()),
            ReadError::UnclosedQuote { line: 3 }
        ));
        assert!(matches!(
            first_error("\n\r\n", Limits::default()),
            ReadError::Empty
        ));
    }

    #[test]
    fn fields_beyond_the_limit_are_counted_but_not_kept() {
        let limits = Limits {
            columns: 2,
            ..Limits::default()
        };
        let mut reader = Reader::with_limits(&b"a,b\n1,2,3,4\n"[..], limits).unwrap();
        let row = reader.next().unwrap().unwrap();
        assert_eq!((row.columns(), row.fields().count()), (4, 2));
    }
}
