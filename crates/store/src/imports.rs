//! Imports of users from a file: rows are staged in chunks, checked against the directory, looked
//! at by a person, and then applied in one transaction.
//!
//! Staging and checking write in short transactions, so that others write in between. A file adds
//! people to groups and never takes them out of one: what it does not say, it does not change.

mod apply;
mod chains;
mod check;
mod files;
mod progress;
mod staging;

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use signpost_model::audit::Subject;
use signpost_model::text::fold;
use signpost_model::{Author, ImportId, Timestamp, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::paging::{SortValue, page};
use crate::rows::TableRow;
use crate::statement::{Statement, containing};
use crate::{Error, Page, PageRequest, Result, Write, audit};

pub use apply::apply;
pub use check::check;
pub use files::{describe, find_piece, keep_piece, restart};
pub use progress::{Progress, Reporter, find_progress};
pub use staging::{NewImport, RefusedRow, RowInput, StagedRow, create, stage};

/// How long the rows of an import are kept.
pub const DAYS_KEPT: i64 = 30;

/// An uploaded file and what it would do, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub id: ImportId,
    pub file_name: String,
    pub state: ImportState,
    /// How columns were understood, as the caller wrote it.
    pub mapping: String,
    pub counts: ImportCounts,
    pub created_by: String,
    pub created_at: Timestamp,
    /// When it was applied or discarded.
    pub ended_at: Option<Timestamp>,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImportState {
    /// Rows are being staged and checked.
    Reading,
    /// A person may look at it and apply it.
    Checked,
    Applied,
    Discarded,
}

impl ImportState {
    const fn key(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Checked => "checked",
            Self::Applied => "applied",
            Self::Discarded => "discarded",
        }
    }
}

impl FromStr for ImportState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Reading, Self::Checked, Self::Applied, Self::Discarded]
            .into_iter()
            .find(|state| state.key() == text)
            .ok_or(UnknownWord)
    }
}

/// How many rows do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportCounts {
    pub create: i64,
    pub update: i64,
    pub unchanged: i64,
    pub refused: i64,
}

/// What a row does to the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowOutcome {
    Create,
    Update,
    Unchanged,
    Refused,
}

impl RowOutcome {
    /// Every outcome, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Refused, Self::Create, Self::Update, Self::Unchanged];

    /// The word in URLs.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

impl FromStr for RowOutcome {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.key() == text)
            .ok_or(UnknownWord)
    }
}

/// The text is not one of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a word of imports")]
pub struct UnknownWord;

/// A row as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    pub line: i64,
    pub user_name: String,
    pub display_name: String,
    /// Who it is, or will be.
    pub user_id: UserId,
    pub outcome: RowOutcome,
    /// Why it is refused, as sentences.
    pub reasons: Vec<String>,
    /// What it changes on a user that exists.
    pub changes: Vec<RowChange>,
    /// The fields of a refused row as they stand in the file.
    pub original: Option<Vec<String>>,
}

/// One value before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowChange {
    /// The label of what changes.
    pub what: String,
    pub before: String,
    pub after: String,
}

/// The import with this id.
pub async fn find(connection: &mut AnyConnection, id: ImportId) -> Result<Option<Import>> {
    let row = sqlx::query(
        "select id, file_name, state, mapping, creates, updates, unchanged, refused, created_by,
           created_at, ended_at
         from imports where id = $1",
    )
    .bind(id.to_string())
    .fetch_optional(connection)
    .await?;
    row.map(|row| read_import(&row)).transpose()
}

/// The newest imports, at most 50.
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<Import>> {
    let rows = sqlx::query(
        "select id, file_name, state, mapping, creates, updates, unchanged, refused, created_by,
           created_at, ended_at
         from imports order by created_at desc, id desc limit 50",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_import).collect()
}

/// A page of the rows of an import, by line; of one outcome or all, with `search` in the name.
pub async fn list_rows(
    connection: &mut AnyConnection,
    import: ImportId,
    outcome: Option<RowOutcome>,
    search: &str,
    request: &PageRequest,
) -> Result<Page<ImportRow>> {
    let mut sql = Statement::new(
        "select line, user_name, display_name, user_id, outcome, reasons, changes, original
         from import_rows",
    );
    sql.and("import_id = ").bind(import.to_string())?;
    if let Some(outcome) = outcome {
        sql.and("outcome = ").bind(outcome.key())?;
    }
    let search = fold(search);
    if !search.is_empty() {
        sql.and("user_name_folded like ")
            .bind(containing(&search))?;
        sql.push(" escape '\\'");
    }
    if let Some(cursor) = &request.cursor {
        let side = if request.is_backward() {
            "line < "
        } else {
            "line > "
        };
        sql.and(side).bind(cursor.number()?)?;
    }
    let order = if request.is_backward() {
        " order by line desc limit "
    } else {
        " order by line limit "
    };
    sql.push(order).bind(request.fetch())?;
    let rows = sql.fetch_all(connection).await?;
    let rows = rows.iter().map(read_row).collect::<Result<Vec<_>>>()?;
    Ok(page(request, rows, |row| {
        (SortValue::Number(row.line), row.line.to_string())
    }))
}

/// Gives an import up; [`Error::Stale`] when it was applied.
pub async fn discard(tx: &mut Write, id: ImportId, author: &Author, now: Timestamp) -> Result<()> {
    let import = find(tx, id).await?.ok_or(Error::NotFound("import"))?;
    end(tx, id, ImportState::Discarded, now).await?;
    let subject = Subject::new("import", id, import.file_name);
    audit::append(tx, &author.entry("import.discarded", subject), now);
    Ok(())
}

/// Ends an import that has not ended: at most one caller succeeds.
pub(crate) async fn end(
    tx: &mut Write,
    id: ImportId,
    state: ImportState,
    now: Timestamp,
) -> Result<()> {
    let may_end = match state {
        ImportState::Applied => "checked",
        _ => "reading",
    };
    let ended = sqlx::query(
        "update imports set state = $2, ended_at = $3
         where id = $1 and (state = 'checked' or state = $4)",
    )
    .bind(id.to_string())
    .bind(state.key())
    .bind(now.as_millis())
    .bind(may_end)
    .execute(&mut **tx)
    .await?;
    if ended.rows_affected() == 0 {
        return Err(Error::Stale("import"));
    }
    Ok(())
}

/// Removes what is no longer needed, a bounded part per call: prepared users a day after the
/// import ended (or was left), everything after [`DAYS_KEPT`] days. Returns how many rows went.
pub async fn purge(tx: &mut Write, now: Timestamp) -> Result<u64> {
    let mut removed = 0;
    for (table, days) in [
        ("import_users", 1),
        ("import_memberships", 1),
        ("import_rows", DAYS_KEPT),
    ] {
        let done = sqlx::query(sqlx::AssertSqlSafe(format!(
            "delete from {table} where (import_id, line) in (
               select import_id, line from {table} where import_id in (
                 select id from imports where coalesce(ended_at, created_at) <= $1)
               limit 5000)"
        )))
        .bind(now.plus_days(-days).as_millis())
        .execute(&mut **tx)
        .await?;
        removed += done.rows_affected();
    }
    let done = sqlx::query(
        "delete from import_files where (import_id, piece) in (
           select import_id, piece from import_files where import_id in (
             select id from imports where coalesce(ended_at, created_at) <= $1)
           limit 100)",
    )
    .bind(now.plus_days(-1).as_millis())
    .execute(&mut **tx)
    .await?;
    removed += done.rows_affected();
    let done = sqlx::query(
        "delete from imports where coalesce(ended_at, created_at) <= $1
           and not exists (select 1 from import_rows r where r.import_id = imports.id)",
    )
    .bind(now.plus_days(-DAYS_KEPT).as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(removed + done.rows_affected())
}

fn read_import(row: &AnyRow) -> Result<Import> {
    let row = TableRow::new("imports", row);
    Ok(Import {
        id: row.parsed("id")?,
        file_name: row.text("file_name")?,
        state: row.parsed("state")?,
        mapping: row.text("mapping")?,
        counts: ImportCounts {
            create: row.number("creates")?,
            update: row.number("updates")?,
            unchanged: row.number("unchanged")?,
            refused: row.number("refused")?,
        },
        created_by: row.text("created_by")?,
        created_at: row.time("created_at")?,
        ended_at: row.optional_time("ended_at")?,
    })
}

fn read_row(row: &AnyRow) -> Result<ImportRow> {
    let row = TableRow::new("import_rows", row);
    Ok(ImportRow {
        line: row.number("line")?,
        user_name: row.text("user_name")?,
        display_name: row.text("display_name")?,
        user_id: row.parsed("user_id")?,
        outcome: row.parsed("outcome")?,
        reasons: row.json("reasons")?,
        changes: row.json("changes")?,
        original: match row.optional_text("original")? {
            Some(_) => Some(row.json("original")?),
            None => None,
        },
    })
}

#[cfg(test)]
mod tests;
