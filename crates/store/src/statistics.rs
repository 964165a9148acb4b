//! What PostgreSQL knows of the size and spread of tables.

use sqlx::AssertSqlSafe;

use crate::{Engine, Result, Write};

/// Tells PostgreSQL how tables look after many rows came at once. It would find out by itself
/// within minutes; until then it takes them for nearly empty and walks them for every look-up.
/// SQLite chooses the indexes without.
pub(crate) async fn refresh(tx: &mut Write, tables: &[&'static str]) -> Result<()> {
    if tx.engine() == Engine::Sqlite {
        return Ok(());
    }
    for table in tables {
        sqlx::query(AssertSqlSafe(format!("analyze {table}")))
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
