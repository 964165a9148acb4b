//! Reads the tables of people that other products export.
//!
//! [`Reader`] turns bytes of unknown encoding and delimiter into rows with their physical line,
//! [`guess_mapping`] says which column is what, and [`check_row`] makes a user of a row or says,
//! line by line, what is wrong with it. Memory is bounded whatever the file.

mod check;
mod columns;
mod decode;
mod problem;
mod reader;
mod row;

pub use check::{Defaults, ImportedUser, MAX_GROUP_NAME, MAX_GROUPS, UserNames, check_row};
pub use columns::{Column, Mapping, MappingProblem, check_mapping, guess_mapping};
pub use decode::Encoding;
pub use problem::{ProblemKind, RowProblem};
pub use reader::{Delimiter, Limits, ReadError, Reader};
pub use row::Row;

/// A file to try the import with: 200 people of a company in several countries.
pub const SAMPLE: &str = include_str!("../samples/people-200.csv");
