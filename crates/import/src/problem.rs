//! What is wrong with a row, in plain words.

use std::fmt;

use signpost_model::text::UserNameProblem;

use crate::Column;

/// One thing that keeps a row out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// The line of the file on which the row starts.
    pub line: u64,
    /// The meaning of the column, unless the whole row is meant.
    pub column: Option<Column>,
    pub kind: ProblemKind,
    /// The value as it stands in the file, shortened and printable.
    pub value: String,
}

/// The rule that a row breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    MissingUserName,
    MalformedUserName(UserNameProblem),
    DuplicateUserName {
        first_line: u64,
    },
    MalformedMail,
    UnknownCountry,
    UnknownLanguage,
    MalformedManager,
    TooLong {
        max_length: usize,
    },
    NotYesOrNo,
    ControlCharacter,
    Undecodable,
    TooManyGroups {
        max_groups: usize,
    },
    TooManyColumns {
        found: usize,
        expected: usize,
    },
    /// The row that Microsoft's templates carry to show how it is done.
    TemplateExample,
}

impl RowProblem {
    pub(crate) fn new(line: u64, column: Option<Column>, kind: ProblemKind, value: &str) -> Self {
        Self {
            line,
            column,
            kind,
            value: shorten(value),
        }
    }
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, value, .. } = self;
        let label = self.column.map_or("the row", Column::label);
        write!(f, "Line {line}: ")?;
        match self.kind {
            ProblemKind::MissingUserName => {
                f.write_str("there is no user name. Add one, for example ada@contoso.com.")
            }
            ProblemKind::MalformedUserName(problem) => {
                write!(f, "“{value}” cannot be a user name: {problem}.")
            }
            ProblemKind::DuplicateUserName { first_line } => {
                write!(
                    f,
                    "“{value}” is already on line {first_line}. Keep one of the two."
                )
            }
            ProblemKind::MalformedMail => {
                write!(
                    f,
                    "“{value}” is not a mail address such as ada@contoso.com."
                )
            }
            ProblemKind::UnknownCountry => {
                write!(
                    f,
                    "“{value}” is not a country code. Use two letters, for example PT."
                )
            }
            ProblemKind::UnknownLanguage => {
                write!(
                    f,
                    "“{value}” is not a language. Use a tag, for example pt-PT."
                )
            }
            ProblemKind::MalformedManager => {
                write!(
                    f,
                    "“{value}” is not the user name of a manager, as in ada@contoso.com."
                )
            }
            ProblemKind::TooLong { max_length } => {
                write!(
                    f,
                    "{label} “{value}” is longer than {max_length} characters."
                )
            }
            ProblemKind::NotYesOrNo => write!(f, "{label} is “{value}”. Use Yes or No."),
            ProblemKind::ControlCharacter => {
                write!(
                    f,
                    "{label} “{value}” has a character that cannot be printed."
                )
            }
            ProblemKind::Undecodable => write!(
                f,
                "{label} “{value}” has characters that could not be read. Save the file as UTF-8."
            ),
            ProblemKind::TooManyGroups { max_groups } => {
                write!(f, "there are more than {max_groups} groups.")
            }
            ProblemKind::TooManyColumns { found, expected } => write!(
                f,
                "the row has {found} fields, but the first row has {expected}. \
                 Put quotation marks around a field that contains the delimiter."
            ),
            ProblemKind::TemplateExample => {
                f.write_str("this is the example of the template. Leave it or delete it.")
            }
        }
    }
}

/// At most 40 characters, none of which can break a page or a log.
fn shorten(value: &str) -> String {
    const MOST: usize = 40;
    let printable = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    let value = value.trim();
    if value.chars().count() <= MOST {
        return value.chars().map(printable).collect();
    }
    value
        .chars()
        .take(MOST - 1)
        .map(printable)
        .chain(['…'])
        .collect()
}
