//! The file of an import, in pieces: it is read again when somebody corrects what columns mean.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use signpost_model::ImportId;
use sqlx::{AnyConnection, Row as _};

use super::ImportState;
use crate::{Error, Result, Write};

/// Keeps the next piece (some hundred kilobytes) of a file; pieces count from 0.
pub async fn keep_piece(
    tx: &mut Write,
    import: ImportId,
    piece: i64,
    content: &[u8],
) -> Result<()> {
    sqlx::query("insert into import_files (import_id, piece, content) values ($1, $2, $3)")
        .bind(import.to_string())
        .bind(piece)
        .bind(STANDARD.encode(content))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// A piece of the file; `None` after the last one, and when the file is no longer kept.
pub async fn find_piece(
    connection: &mut AnyConnection,
    import: ImportId,
    piece: i64,
) -> Result<Option<Vec<u8>>> {
    let row = sqlx::query("select content from import_files where import_id = $1 and piece = $2")
        .bind(import.to_string())
        .bind(piece)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let content: String = row.try_get(0)?;
    let content = STANDARD.decode(content).map_err(|_| Error::Inconsistent {
        table: "import_files",
        column: "content",
        row: import.to_string(),
    })?;
    Ok(Some(content))
}

/// Forgets what was staged, so that the file can be staged anew with columns as `mapping` says;
/// [`Error::Stale`] when the import has ended.
pub async fn restart(tx: &mut Write, import: ImportId, mapping: &str) -> Result<()> {
    let open = sqlx::query(
        "update imports set state = $2, mapping = $3, creates = 0, updates = 0, unchanged = 0,
           refused = 0
         where id = $1 and state in ('reading', 'checked')",
    )
    .bind(import.to_string())
    .bind(ImportState::Reading.key())
    .bind(mapping)
    .execute(&mut **tx)
    .await?;
    if open.rows_affected() == 0 {
        return Err(Error::Stale("import"));
    }
    for table in [
        "delete from import_users where import_id = $1",
        "delete from import_memberships where import_id = $1",
        "delete from import_groups where import_id = $1",
        "delete from import_rows where import_id = $1",
    ] {
        sqlx::query(table)
            .bind(import.to_string())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Writes anew what the page keeps with an import that has not ended.
pub async fn describe(tx: &mut Write, import: ImportId, mapping: &str) -> Result<()> {
    sqlx::query(
        "update imports set mapping = $2 where id = $1 and state in ('reading', 'checked')",
    )
    .bind(import.to_string())
    .bind(mapping)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
