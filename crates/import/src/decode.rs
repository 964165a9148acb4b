//! Bytes of unknown encoding to text, chunk by chunk.

use std::io::{ErrorKind, Read};

use encoding_rs::{Decoder as Converter, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::ReadError;

const CHUNK: usize = 64 * 1024;

/// How the file's characters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    /// Nothing says so; it is what is left when the bytes are not UTF-8. Worth telling people.
    Windows1252,
}

impl Encoding {
    /// The name on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Windows1252 => "Windows-1252",
        }
    }

    fn converter(self) -> Converter {
        match self {
            Self::Utf8 => UTF_8,
            Self::Utf16Le => UTF_16LE,
            Self::Utf16Be => UTF_16BE,
            Self::Windows1252 => WINDOWS_1252,
        }
        .new_decoder_without_bom_handling()
    }
}

/// Reads a source as text.
pub(crate) struct TextSource<R> {
    source: R,
    chunk: Vec<u8>,
    state: State,
    bytes_read: u64,
    max_bytes: u64,
}

enum State {
    Start,
    /// Only ASCII so far, which every 8-bit encoding writes alike: the choice can wait.
    Ascii,
    Decoding(Encoding, Converter),
    End(Encoding),
}

impl<R: Read> TextSource<R> {
    pub(crate) const fn new(source: R, max_bytes: u64) -> Self {
        Self {
            source,
            chunk: Vec::new(),
            state: State::Start,
            bytes_read: 0,
            max_bytes,
        }
    }

    pub(crate) const fn encoding(&self) -> Encoding {
        match self.state {
            State::Start | State::Ascii => Encoding::Utf8,
            State::Decoding(encoding, _) | State::End(encoding) => encoding,
        }
    }

    pub(crate) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Appends the next piece of text; `false` when there is no more.
    pub(crate) fn read_into(&mut self, text: &mut String) -> Result<bool, ReadError> {
        if let State::End(_) = self.state {
            return Ok(false);
        }
        self.fill_chunk()?;
        let last = self.chunk.len() < CHUNK;
        let mut bytes = self.chunk.as_slice();
        if let State::Start = self.state {
            if let Some(error) = foreign_format(bytes) {
                return Err(error);
            }
            let (encoding, mark) = detect_utf16_or_mark(bytes);
            bytes = bytes.get(mark..).unwrap_or_default();
            self.state = encoding.map_or(State::Ascii, |e| State::Decoding(e, e.converter()));
        }
        if let State::Ascii = self.state
            && !bytes.is_ascii()
        {
            let encoding = detect_8_bit(bytes, last);
            self.state = State::Decoding(encoding, encoding.converter());
        }
        match &mut self.state {
            State::Decoding(_, converter) => {
                text.reserve(
                    converter
                        .max_utf8_buffer_length(bytes.len())
                        .unwrap_or(bytes.len()),
                );
                // Malformed bytes become U+FFFD, which the row check names line by line.
                let (_result, _read, _malformed) = converter.decode_to_string(bytes, text, last);
            }
            State::Start | State::Ascii | State::End(_) => {
                text.push_str(std::str::from_utf8(bytes).unwrap_or_default());
            }
        }
        if last {
            self.state = State::End(self.encoding());
        }
        Ok(true)
    }

    /// Fills the whole chunk, so that what is detected does not depend on how bytes arrive.
    fn fill_chunk(&mut self) -> Result<(), ReadError> {
        self.chunk.resize(CHUNK, 0);
        let mut filled = 0;
        while filled < CHUNK {
            match self.source.read(&mut self.chunk[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Source(error)),
            }
        }
        self.chunk.truncate(filled);
        self.bytes_read += filled as u64;
        if self.bytes_read > self.max_bytes {
            return Err(ReadError::FileTooLarge {
                max_bytes: self.max_bytes,
            });
        }
        Ok(())
    }
}

/// Files that people pick by mistake and that are no text at all.
fn foreign_format(bytes: &[u8]) -> Option<ReadError> {
    const ZIP: &[u8] = b"PK\x03\x04";
    const OLD_EXCEL: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0];
    (bytes.starts_with(ZIP) || bytes.starts_with(OLD_EXCEL)).then_some(ReadError::Workbook)
}

/// The encoding told by a byte order mark or by UTF-16's zero bytes, and the mark's length.
fn detect_utf16_or_mark(bytes: &[u8]) -> (Option<Encoding>, usize) {
    match bytes {
        [0xEF, 0xBB, 0xBF, ..] => return (Some(Encoding::Utf8), 3),
        [0xFF, 0xFE, ..] => return (Some(Encoding::Utf16Le), 2),
        [0xFE, 0xFF, ..] => return (Some(Encoding::Utf16Be), 2),
        _ => {}
    }
    let (mut pairs, mut high_zero, mut low_zero) = (0_usize, 0_usize, 0_usize);
    for pair in bytes.chunks_exact(2) {
        pairs += 1;
        match pair {
            [0, 0] => {}
            [_, 0] => high_zero += 1,
            [0, _] => low_zero += 1,
            _ => {}
        }
    }
    // Delimiters, line ends and Latin letters have one zero byte each, always on the same side.
    let many = |count: usize, other: usize| count * 10 >= pairs && count > 4 * other;
    if pairs == 0 {
        (None, 0)
    } else if many(high_zero, low_zero) {
        (Some(Encoding::Utf16Le), 0)
    } else if many(low_zero, high_zero) {
        (Some(Encoding::Utf16Be), 0)
    } else {
        (None, 0)
    }
}

/// UTF-8 unless more is broken than whole: one damaged name must not garble all the others.
fn detect_8_bit(bytes: &[u8], last: bool) -> Encoding {
    let (mut whole, mut broken) = (0_usize, 0_usize);
    for piece in bytes.utf8_chunks() {
        whole += piece.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!piece.invalid().is_empty());
    }
    // A character may be cut off at the end of the chunk, though not at the end of the file.
    let cut = !last && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none());
    if broken - usize::from(cut) <= whole && (whole > 0 || cut) {
        Encoding::Utf8
    } else {
        Encoding::Windows1252
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> (String, Encoding) {
        let mut source = TextSource::new(bytes, u64::MAX);
        let mut text = String::new();
        while source.read_into(&mut text).unwrap() {}
        (text, source.encoding())
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn byte_order_marks_decide_and_are_not_text() {
        let text = "name,city\nZoë,Łódź\n";
        assert_eq!(
            read_all(&[b"\xEF\xBB\xBF", text.as_bytes()].concat()).0,
            text
        );
        for (to_bytes, expected) in [
            (u16::to_le_bytes as fn(u16) -> [u8; 2], Encoding::Utf16Le),
            (u16::to_be_bytes, Encoding::Utf16Be),
        ] {
            let marked = utf16(&format!("\u{FEFF}{text}"), to_bytes);
            assert_eq!(read_all(&marked), (text.to_owned(), expected));
            assert_eq!(
                read_all(&utf16(text, to_bytes)),
                (text.to_owned(), expected)
            );
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_windows_1252() {
        let (text, encoding) = read_all(b"name\nM\xFCller \x80\n");
        assert_eq!(
            (text.as_str(), encoding),
            ("name\nMüller €\n", Encoding::Windows1252)
        );
    }

    #[test]
    fn one_broken_character_does_not_garble_the_others() {
        let (text, encoding) = read_all(b"Zo\xC3\xAB\nJos\xC3\xA9\n\xFF\n");
        assert_eq!(
            (text.as_str(), encoding),
            ("Zoë\nJosé\n\u{FFFD}\n", Encoding::Utf8)
        );
    }

    #[test]
    fn a_choice_after_a_long_ascii_start_is_still_right() {
        let mut bytes = vec![b'a'; 3 * CHUNK - 1];
        bytes.extend("é".as_bytes());
        let (text, encoding) = read_all(&bytes);
        assert!(text.ends_with("aé"));
        assert_eq!(encoding, Encoding::Utf8);
        let mut bytes = vec![b'a'; 2 * CHUNK];
        bytes.push(0xE9);
        assert_eq!(read_all(&bytes).1, Encoding::Windows1252);
    }

    #[test]
    fn workbooks_and_files_over_the_limit_are_refused() {
        let read = |bytes: &[u8], max| TextSource::new(bytes, max).read_into(&mut String::new());
        assert!(matches!(
            read(b"PK\x03\x04...", 100),
            Err(ReadError::Workbook)
        ));
        assert!(matches!(
            read(b"12345", 4),
            Err(ReadError::FileTooLarge { max_bytes: 4 })
        ));
        assert!(matches!(read(b"1234", 4), Ok(true)));
    }
}
