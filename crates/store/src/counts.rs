//! How many rows a list has, without counting what cannot be counted quickly.

use sqlx::{AnyConnection, Row as _};

use crate::statement::Statement;
use crate::{Result, Write};

/// Beyond this many rows a filtered list says "more than".
pub(crate) const COUNTED: i64 = 10_000;

/// How many rows a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// Exactly this many.
    Exactly(i64),
    /// More than this many.
    MoreThan(i64),
}

/// A table whose rows are counted as they change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counted {
    Users,
    Groups,
}

impl Counted {
    const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Groups => "groups",
        }
    }
}

/// The number of rows that are not deleted.
pub(crate) async fn find(connection: &mut AnyConnection, table: Counted) -> Result<Total> {
    let count = sqlx::query_scalar("select value from counts where name = $1")
        .bind(table.name())
        .fetch_one(connection)
        .await?;
    Ok(Total::Exactly(count))
}

/// Notes that so many rows came (or, negative, went).
pub(crate) async fn add(tx: &mut Write, table: Counted, difference: i64) -> Result<()> {
    if difference == 0 {
        return Ok(());
    }
    sqlx::query("update counts set value = value + $2 where name = $1")
        .bind(table.name())
        .bind(difference)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Counts what `rows` (`select count(*) from (select 1 … `) finds, up to the bound.
pub(crate) async fn count(connection: &mut AnyConnection, mut rows: Statement) -> Result<Total> {
    rows.push(" limit ").bind(COUNTED + 1)?;
    rows.push(") counted");
    let found: i64 = rows.fetch_one(connection).await?.try_get(0)?;
    Ok(if found > COUNTED {
        Total::MoreThan(COUNTED)
    } else {
        Total::Exactly(found)
    })
}
