//! What is kept with an import for its page: the columns, and why a check did not end.

use std::io::Read;

use serde::{Deserialize, Serialize};
use signpost_import::{Column, Mapping, ReadError, Reader, guess_mapping};

/// Characters of an example that are shown.
const LONGEST_EXAMPLE: usize = 60;

/// The file as its first piece shows it, and how its columns are understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Details {
    pub columns: Vec<FileColumn>,
    pub encoding: String,
    pub delimiter: String,
    pub bytes: i64,
    /// Why the check or the import did not come to its end.
    #[serde(default)]
    pub problem: Option<String>,
}

/// One column of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileColumn {
    pub header: String,
    /// The key of what it means; `None` is not imported.
    pub meaning: Option<String>,
    /// Its value in the first row.
    pub example: String,
}

impl Details {
    /// From the beginning of the file, with the meanings guessed.
    pub(super) fn guess(beginning: impl Read) -> Result<Self, ReadError> {
        let mut reader = Reader::new(beginning)?;
        let first = reader.next().and_then(Result::ok);
        let guessed = guess_mapping(reader.header().fields());
        let columns = guessed
            .into_iter()
            .map(|mapping| FileColumn {
                example: example(first.as_ref().and_then(|row| row.field(mapping.index))),
                header: mapping.header.chars().take(256).collect(),
                meaning: mapping.column.map(|column| column.key().to_owned()),
            })
            .collect();
        Ok(Self {
            columns,
            encoding: reader.encoding().label().to_owned(),
            delimiter: reader.delimiter().label().to_owned(),
            bytes: 0,
            problem: None,
        })
    }

    /// As it is stored with an import.
    pub(super) fn parse(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    /// For the store.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The columns as the reader of rows wants them.
    pub(super) fn mapping(&self) -> Vec<Mapping> {
        self.columns
            .iter()
            .enumerate()
            .map(|(index, column)| Mapping {
                index,
                header: column.header.clone(),
                column: column.meaning.as_deref().and_then(Column::from_key),
            })
            .collect()
    }
}

fn example(value: Option<&str>) -> String {
    let text: String = value
        .unwrap_or_default()
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_EXAMPLE)
        .collect();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_guessed_with_an_example_each() {
        let details = Details::guess("Login;Shoe size\nada@contoso.com;38\n".as_bytes()).unwrap();
        assert_eq!(details.delimiter, "semicolon");
        let [login, shoes] = details.columns.as_slice() else {
            panic!("two columns");
        };
        assert_eq!(login.meaning.as_deref(), Some("user_name"));
        assert_eq!(
            (shoes.meaning.as_deref(), shoes.example.as_str()),
            (None, "38")
        );
        assert_eq!(Details::parse(&details.to_json()), details);
    }
}
