//! People who forgot their password: what they typed waits in one line, known or not, so that the
//! answer they get takes the same time and says the same for everybody.

use signpost_model::{PasswordRequestId, Random, Secret, Timestamp};

use crate::rows::TableRow;
use crate::{Result, RowIdentity, Sealer, Write};

/// The most that wait: beyond it the newest is dropped.
pub const MOST_WAITING: i64 = 1_000;

/// What somebody typed.
#[derive(Debug)]
pub struct PasswordRequest {
    /// People type passwords into the wrong field, so it is handled as one.
    pub user_name: Secret,
    pub address: String,
    pub created_at: Timestamp,
}

/// Puts a request in line; `false` when the line is full.
pub async fn add(
    tx: &mut Write,
    sealer: &Sealer,
    random: &dyn Random,
    request: &PasswordRequest,
) -> Result<bool> {
    let waiting: i64 = sqlx::query_scalar("select count(*) from password_requests")
        .fetch_one(&mut **tx)
        .await?;
    if waiting >= MOST_WAITING {
        return Ok(false);
    }
    let id = PasswordRequestId::mint(request.created_at, random).to_string();
    sqlx::query(
        "insert into password_requests (id, user_name_sealed, address, created_at)
         values ($1, $2, $3, $4)",
    )
    .bind(&id)
    .bind(sealer.seal(identity(&id), &request.user_name, random)?)
    .bind(&request.address)
    .bind(request.created_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(true)
}

/// Takes the oldest request out, for the transaction that answers it.
pub async fn take(tx: &mut Write, sealer: &Sealer) -> Result<Option<PasswordRequest>> {
    let row = sqlx::query(
        "delete from password_requests where id = (
           select r.id from password_requests r order by r.created_at, r.id limit 1)
         returning id, user_name_sealed, address, created_at",
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| {
        let row = TableRow::new("password_requests", &row);
        let sealed = row.text("user_name_sealed")?;
        Ok(PasswordRequest {
            user_name: sealer.open(identity(&row.text("id")?), &sealed)?,
            address: row.text("address")?,
            created_at: row.time("created_at")?,
        })
    })
    .transpose()
}

fn identity(id: &str) -> RowIdentity<'_> {
    RowIdentity {
        table: "password_requests",
        column: "user_name_sealed",
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, random};

    both_engines! {
        async fn requests_leave_the_line_in_the_order_they_came(store: Store) {
            let mut tx = store.write().await.unwrap();
            let random = random();
            for (at, name) in [(2, "bob"), (1, "ada")] {
                let request = PasswordRequest {
                    user_name: Secret::new(name),
                    address: "192.0.2.1".to_owned(),
                    created_at: NOW.plus_millis(at),
                };
                assert!(add(&mut tx, store.sealer(), &random, &request).await.unwrap());
            }
            let first = take(&mut tx, store.sealer()).await.unwrap().unwrap();
            assert_eq!((first.user_name.expose(), first.address.as_str()), ("ada", "192.0.2.1"));
            assert_eq!(take(&mut tx, store.sealer()).await.unwrap().unwrap().user_name.expose(), "bob");
            assert!(take(&mut tx, store.sealer()).await.unwrap().is_none());
        }
    }
}
