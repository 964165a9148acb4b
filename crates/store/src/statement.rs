//! Statements whose conditions depend on what is asked for, put together from fixed pieces only.

use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::{AnyConnection, Arguments as _, AssertSqlSafe, Encode, Type};

use crate::Result;

/// A statement in the making. Text comes in as constants, everything else as arguments.
pub(crate) struct Statement {
    sql: String,
    arguments: AnyArguments,
    filtered: bool,
}

impl Statement {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self {
            sql: sql.to_owned(),
            arguments: AnyArguments::default(),
            filtered: false,
        }
    }

    /// Adds text.
    pub(crate) fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds an argument, and its placeholder.
    pub(crate) fn bind<'q, T>(&mut self, value: T) -> Result<&mut Self>
    where
        T: Encode<'q, Any> + Type<Any>,
    {
        self.arguments.add(value).map_err(sqlx::Error::Encode)?;
        self.sql.push('$');
        self.sql.push_str(&self.arguments.len().to_string());
        Ok(self)
    }

    /// Starts a condition: `where` the first time, then `and`.
    pub(crate) fn and(&mut self, sql: &'static str) -> &mut Self {
        self.sql
            .push_str(if self.filtered { " and " } else { " where " });
        self.filtered = true;
        self.push(sql)
    }

    pub(crate) async fn execute(self, connection: &mut AnyConnection) -> Result<u64> {
        let done = sqlx::query_with(AssertSqlSafe(self.sql), self.arguments)
            .execute(connection)
            .await?;
        Ok(done.rows_affected())
    }

    pub(crate) async fn fetch_all(self, connection: &mut AnyConnection) -> Result<Vec<AnyRow>> {
        Ok(sqlx::query_with(AssertSqlSafe(self.sql), self.arguments)
            .fetch_all(connection)
            .await?)
    }

    pub(crate) async fn fetch_one(self, connection: &mut AnyConnection) -> Result<AnyRow> {
        Ok(sqlx::query_with(AssertSqlSafe(self.sql), self.arguments)
            .fetch_one(connection)
            .await?)
    }
}

/// A text as the pattern of `like … escape '\'` that finds it anywhere.
pub(crate) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}
