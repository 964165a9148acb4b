//! The rows of a file, as they were read.

use serde::{Deserialize, Serialize};
use signpost_model::audit::Subject;
use signpost_model::text::fold;
use signpost_model::{Attribute, Author, ImportId, Random, SourceAnchor, Timestamp, UserId};

use super::ImportState;
use crate::packed::printable;
use crate::rows::to_json;
use crate::{Error, Result, Write, audit, bulk};

/// An import to begin.
#[derive(Debug, Clone)]
pub struct NewImport {
    pub id: ImportId,
    pub file_name: String,
    /// How columns are understood: kept for the page, not read here.
    pub mapping: String,
}

/// One row of the file.
#[derive(Debug, Clone)]
pub struct StagedRow {
    /// The line of the file on which it starts.
    pub line: i64,
    pub user_name: String,
    pub display_name: String,
    /// What it says, or why it cannot be read as a user.
    pub input: Result<RowInput, RefusedRow>,
}

/// A row that cannot be read as a user.
#[derive(Debug, Clone, Default)]
pub struct RefusedRow {
    /// The reasons as sentences.
    pub reasons: Vec<String>,
    /// The fields as they stand in the file.
    pub original: Vec<String>,
}

/// What a row says about a user. What is missing is not changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RowInput {
    /// Checked and normalized values, the user name included; empty text clears.
    pub values: Vec<(Attribute, String)>,
    /// Values for users that have none yet.
    pub fallbacks: Vec<(Attribute, String)>,
    /// The user name of the manager; empty text clears.
    pub manager: Option<String>,
    pub enabled: Option<bool>,
    /// Names of groups to be in.
    pub groups: Option<Vec<String>>,
}

/// Begins an import.
pub async fn create(
    tx: &mut Write,
    new: &NewImport,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "insert into imports (id, file_name, state, mapping, creates, updates, unchanged, refused,
           created_by, created_at)
         values ($1, $2, $3, $4, 0, 0, 0, 0, $5, $6)",
    )
    .bind(new.id.to_string())
    .bind(&new.file_name)
    .bind(ImportState::Reading.key())
    .bind(&new.mapping)
    .bind(author.name())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    let subject = Subject::new("import", new.id, &new.file_name);
    audit::append(tx, &author.entry("import.begun", subject), now);
    Ok(())
}

/// Stages a chunk of rows (some hundreds); each user name at most once in a file.
pub async fn stage(
    tx: &mut Write,
    import: ImportId,
    rows: &[StagedRow],
    random: &dyn Random,
    now: Timestamp,
) -> Result<()> {
    let reading = sqlx::query("update imports set state = state where id = $1 and state = $2")
        .bind(import.to_string())
        .bind(ImportState::Reading.key())
        .execute(&mut **tx)
        .await?;
    if reading.rows_affected() == 0 {
        return Err(Error::Stale("import"));
    }
    let values = rows
        .iter()
        .map(|row| row_values(import, row, random, now))
        .collect::<Result<Vec<_>>>()?;
    bulk::insert(
        tx,
        "insert into import_rows (import_id, line, user_name, user_name_folded, display_name,
           new_user_id, source_anchor, user_id, outcome, changes, input, reasons, original)
         values ",
        values,
        "",
    )
    .await
}

fn row_values(
    import: ImportId,
    row: &StagedRow,
    random: &dyn Random,
    now: Timestamp,
) -> Result<Vec<bulk::Value>> {
    let id = UserId::mint(now, random).to_string();
    let (outcome, input, reasons, original) = match &row.input {
        Ok(input) => ("unchanged", Some(to_json(input)?), "[]".to_owned(), None),
        Err(refused) => (
            "refused",
            None,
            to_json(&refused.reasons)?,
            Some(to_json(&refused.original)?),
        ),
    };
    Ok(vec![
        import.to_string().into(),
        row.line.into(),
        printable(&row.user_name).into_owned().into(),
        fold(&printable(&row.user_name)).into(),
        printable(&row.display_name).into_owned().into(),
        id.clone().into(),
        SourceAnchor::mint(random).to_string().into(),
        id.into(),
        outcome.to_owned().into(),
        "[]".to_owned().into(),
        input.into(),
        reasons.into(),
        original.into(),
    ])
}
