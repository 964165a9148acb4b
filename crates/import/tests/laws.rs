//! What holds for every file.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

use proptest::prelude::*;
use signpost_import::{Defaults, Delimiter, Limits, Reader, UserNames, check_row, guess_mapping};

#[derive(Debug, Clone, Copy)]
enum Written {
    Utf8,
    Utf8Marked,
    Utf16Le,
    Utf16Be,
    Utf16LeUnmarked,
}

const WAYS: [Written; 5] = [
    Written::Utf8,
    Written::Utf8Marked,
    Written::Utf16Le,
    Written::Utf16Be,
    Written::Utf16LeUnmarked,
];

fn encode(text: &str, way: Written) -> Vec<u8> {
    let marked = format!("\u{FEFF}{text}");
    let units = |text: &str, to_bytes: fn(u16) -> [u8; 2]| {
        text.encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>()
    };
    match way {
        Written::Utf8 => text.as_bytes().to_vec(),
        Written::Utf8Marked => marked.into_bytes(),
        Written::Utf16Le => units(&marked, u16::to_le_bytes),
        Written::Utf16Be => units(&marked, u16::to_be_bytes),
        Written::Utf16LeUnmarked => units(text, u16::to_le_bytes),
    }
}

/// Writes a table as the `csv` crate does, with a header that tells the delimiter.
fn write(rows: &[Vec<String>], delimiter: u8, crlf: bool) -> String {
    let terminator = if crlf {
        csv::Terminator::CRLF
    } else {
        csv::Terminator::Any(b'\n')
    };
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .terminator(terminator)
        .from_writer(Vec::new());
    writer
        .write_record(["User name", "Display name", "City"])
        .unwrap();
    for row in rows {
        writer.write_record(row).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn read(bytes: &[u8]) -> Vec<Vec<String>> {
    let reader = Reader::new(bytes).unwrap();
    reader
        .map(|row| row.unwrap().fields().map(str::to_owned).collect())
        .collect()
}

fn rows() -> impl Strategy<Value = Vec<Vec<String>>> {
    // Any printable character, the ones that mean something, and line breaks.
    let field = prop_oneof!["\\PC{0,12}", "[a,;\t\"\n é]{0,8}"];
    let row = prop::collection::vec(field, 3).prop_filter("blank rows are left out", |row| {
        row.iter().any(|f| !f.trim().is_empty())
    });
    prop::collection::vec(row, 0..12)
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_in_every_encoding_and_delimiter(
        rows in rows(),
        crlf: bool,
    ) {
        for (byte, delimiter) in
            [b',', b';', b'\t'].into_iter().zip(Delimiter::ALL)
        {
            let text = write(&rows, byte, crlf);
            for way in WAYS {
                let bytes = encode(&text, way);
                prop_assert_eq!(Reader::new(&bytes[..]).unwrap().delimiter(), delimiter);
                prop_assert_eq!(&read(&bytes), &rows, "{:?} {:?}", way, delimiter);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_loop(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        walk(&bytes);
    }

    #[test]
    fn no_text_makes_it_panic_or_loop(
        body in "([a-z@.]{0,6}|[,;\t\r\n\"]|[é\u{0}\u{FEFF}ß])*",
    ) {
        walk(format!("upn,City,Groups,Manager,enabled,usage location\n{body}").as_bytes());
    }

    #[test]
    fn agrees_with_the_csv_crate(body in "([a-c]{1,3}|[,\n\"]){0,40}") {
        let text = format!("x,y\n{body}\n");
        let Ok(reader) = Reader::new(text.as_bytes()) else { return Ok(()) };
        let ours: Result<Vec<Vec<String>>, _> = reader
            .map(|row| row.map(|row| row.fields().map(str::to_owned).collect()))
            .collect();
        // The oracle accepts quotes that are never closed; we say so instead.
        let Ok(ours) = ours else { return Ok(()) };
        let oracle = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes())
            .records()
            .map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
            .filter(|record| record.iter().any(|field| !field.trim().is_empty()))
            .collect::<Vec<_>>();
        prop_assert_eq!(ours, oracle);
    }

    #[test]
    fn lines_are_physical_lines(blanks in prop::collection::vec(0_usize..3, 1..20)) {
        let mut text = "upn,note\n".to_owned();
        let mut expected = Vec::new();
        let mut line = 2;
        for (index, blank) in blanks.iter().enumerate() {
            text.push_str(&"\r\n".repeat(*blank));
            line += *blank as u64;
            expected.push(line);
            let breaks = index % 3;
            text.extend([format!("u{index}@c.de,"), format!("\"x{}\"\n", "\ny".repeat(breaks))]);
            line += 1 + breaks as u64;
        }
        let lines: Vec<u64> =
            Reader::new(text.as_bytes()).unwrap().map(|row| row.unwrap().line()).collect();
        prop_assert_eq!(lines, expected);
    }
}

/// Reads and checks everything, under small limits.
fn walk(bytes: &[u8]) {
    let limits = Limits {
        bytes: 1_000,
        rows: 50,
        columns: 20,
        field: 100,
    };
    let Ok(mut reader) = Reader::with_limits(bytes, limits) else {
        return;
    };
    let mappings = guess_mapping(reader.header().fields());
    let mut names = UserNames::default();
    let mut rows = 0;
    for row in reader.by_ref() {
        rows += 1;
        let Ok(row) = row else { break };
        match check_row(&mappings, &row, &Defaults::default()) {
            Ok(user) => {
                let _repeated = names.insert(&user);
            }
            Err(problems) => {
                for problem in problems {
                    assert!(problem.to_string().starts_with("Line "));
                    assert!(problem.value.chars().count() <= 40);
                }
            }
        }
    }
    assert!(rows <= 51);
    assert!(reader.next().is_none());
}

/// A source that never ends on its own.
struct Endless;

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let line = b"ada@contoso.example,Porto\n";
        let count = buffer.len().min(line.len());
        buffer[..count].copy_from_slice(&line[..count]);
        Ok(count)
    }
}

#[test]
fn an_endless_source_ends_at_the_limit() {
    let limits = Limits {
        rows: 10_000,
        ..Limits::default()
    };
    let mut reader = Reader::with_limits(Endless, limits).unwrap();
    assert_eq!(reader.by_ref().filter(Result::is_ok).count(), 10_000);
    assert!(reader.next().is_none());
}
