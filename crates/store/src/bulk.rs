//! Many rows in one statement.

use crate::statement::Statement;
use crate::{Result, Write};

/// Both engines take 32,766, but SQLite looks for each argument's name among all others.
const MAX_ARGUMENTS: usize = 900;

/// One value of a row.
#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    OptionalText(Option<String>),
    Number(i64),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::OptionalText(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Inserts rows of equal width by `insert` (`insert into t (a, b) values `) and `end`
/// (`on conflict …`, or nothing).
pub(crate) async fn insert(
    tx: &mut Write,
    insert: &'static str,
    rows: Vec<Vec<Value>>,
    end: &'static str,
) -> Result<()> {
    let Some(width) = rows.first().map(Vec::len) else {
        return Ok(());
    };
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut sql = Statement::new(insert);
        for (index, row) in rows.by_ref().take(MAX_ARGUMENTS / width.max(1)).enumerate() {
            sql.push(if index == 0 { "(" } else { ", (" });
            for (column, value) in row.into_iter().enumerate() {
                if column > 0 {
                    sql.push(", ");
                }
                match value {
                    Value::Text(text) => sql.bind(text)?,
                    Value::OptionalText(text) => sql.bind(text)?,
                    Value::Number(number) => sql.bind(number)?,
                };
            }
            sql.push(")");
        }
        sql.push(end);
        sql.execute(tx).await?;
    }
    Ok(())
}
