//! Links that let an operator choose a password once, known by the hash of their token.

use signpost_model::audit::Subject;
use signpost_model::{Author, Operator, OperatorId, Timestamp};
use sqlx::AnyConnection;

use crate::rows::TableRow;
use crate::{Result, TokenHash, Write, audit};

/// Makes a link for an operator; an earlier one of theirs stops working.
pub async fn issue(
    tx: &mut Write,
    token: &TokenHash,
    operator: &Operator,
    expires_at: Timestamp,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    revoke(tx, operator.id).await?;
    sqlx::query(
        "insert into operator_links (token_hash, operator_id, created_at, expires_at)
         values ($1, $2, $3, $4)",
    )
    .bind(token.as_str())
    .bind(operator.id.to_string())
    .bind(now.as_millis())
    .bind(expires_at.as_millis())
    .execute(&mut **tx)
    .await?;
    let subject = Subject::new("operator", operator.id, &operator.name);
    audit::append(tx, &by.entry("operator.link_issued", subject), now);
    Ok(())
}

/// Whose link this is, if it works now. Looking does not use it up: programs that read mail open
/// links before people do.
pub async fn find(
    db: &mut AnyConnection,
    token: &TokenHash,
    now: Timestamp,
) -> Result<Option<OperatorId>> {
    let row = sqlx::query(
        "select token_hash, operator_id from operator_links
         where token_hash = $1 and expires_at > $2",
    )
    .bind(token.as_str())
    .bind(now.as_millis())
    .fetch_optional(db)
    .await?;
    row.map(|row| TableRow::new("operator_links", &row).parsed("operator_id"))
        .transpose()
}

/// Uses the link up: of two at once, one gets it.
pub async fn take(tx: &mut Write, token: &TokenHash, now: Timestamp) -> Result<Option<OperatorId>> {
    let row = sqlx::query(
        "delete from operator_links where token_hash = $1 and expires_at > $2
         returning token_hash, operator_id",
    )
    .bind(token.as_str())
    .bind(now.as_millis())
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| TableRow::new("operator_links", &row).parsed("operator_id"))
        .transpose()
}

/// Until when an operator's link works, if they have one that works.
pub async fn find_expiry(
    db: &mut AnyConnection,
    operator: OperatorId,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let row = sqlx::query(
        "select token_hash, expires_at from operator_links
         where operator_id = $1 and expires_at > $2",
    )
    .bind(operator.to_string())
    .bind(now.as_millis())
    .fetch_optional(db)
    .await?;
    row.map(|row| TableRow::new("operator_links", &row).time("expires_at"))
        .transpose()
}

/// Ends the link of an operator, if there is one.
pub(crate) async fn revoke(tx: &mut Write, operator: OperatorId) -> Result<()> {
    sqlx::query("delete from operator_links where operator_id = $1")
        .bind(operator.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Removes what expired. Nothing depends on it: expiry is checked at use.
pub async fn delete_expired(tx: &mut Write, now: Timestamp) -> Result<u64> {
    let gone = sqlx::query("delete from operator_links where expires_at <= $1")
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(gone.rows_affected())
}

#[cfg(test)]
mod tests {
    use signpost_model::Role;

    use super::*;
    use crate::operators::{self, NewOperator};
    use crate::testing::{AUTHOR, NOW};
    use crate::{Store, both_engines};

    async fn add_ada(store: &Store) -> Operator {
        let new = NewOperator {
            id: OperatorId::from_number(1),
            email: "ada@contoso.example".to_owned(),
            name: "Ada".to_owned(),
            role: Role::Owner,
            password_hash: "$argon2id$1".to_owned(),
        };
        let mut tx = store.write().await.unwrap();
        operators::create(&mut tx, &new, &AUTHOR, NOW)
            .await
            .unwrap();
        let ada = operators::find(&mut tx, new.id).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        ada
    }

    fn hash(token: &str) -> TokenHash {
        TokenHash::of("link", token)
    }

    both_engines! {
        async fn a_link_works_once_until_it_expires_or_a_newer_one_is_made(store: Store) {
            let ada = add_ada(&store).await;
            let mut tx = store.write().await.unwrap();
            let until = NOW.plus_days(1);
            for token in ["first", "second"] {
                issue(&mut tx, &hash(token), &ada, until, &AUTHOR, NOW).await.unwrap();
            }
            assert_eq!(find(&mut tx, &hash("first"), NOW).await.unwrap(), None);
            assert_eq!(find(&mut tx, &hash("second"), until).await.unwrap(), None);
            assert_eq!(take(&mut tx, &hash("second"), until).await.unwrap(), None);
            assert_eq!(find(&mut tx, &hash("second"), NOW).await.unwrap(), Some(ada.id));
            assert_eq!(find_expiry(&mut tx, ada.id, NOW).await.unwrap(), Some(until));
            assert_eq!(take(&mut tx, &hash("second"), NOW).await.unwrap(), Some(ada.id));
            assert_eq!(take(&mut tx, &hash("second"), NOW).await.unwrap(), None);
            assert_eq!(find_expiry(&mut tx, ada.id, NOW).await.unwrap(), None);
        }

        async fn a_new_password_ends_the_link(store: Store) {
            let ada = add_ada(&store).await;
            let mut tx = store.write().await.unwrap();
            issue(&mut tx, &hash("token"), &ada, NOW.plus_days(1), &AUTHOR, NOW).await.unwrap();
            operators::set_password(&mut tx, ada.id, "$argon2id$2", None, &AUTHOR, NOW).await.unwrap();
            assert_eq!(find(&mut tx, &hash("token"), NOW).await.unwrap(), None);
        }

        async fn what_expired_is_removed(store: Store) {
            let ada = add_ada(&store).await;
            let mut tx = store.write().await.unwrap();
            issue(&mut tx, &hash("token"), &ada, NOW.plus_days(1), &AUTHOR, NOW).await.unwrap();
            assert_eq!(delete_expired(&mut tx, NOW).await.unwrap(), 0);
            assert_eq!(delete_expired(&mut tx, NOW.plus_days(1)).await.unwrap(), 1);
        }
    }
}
