//! What was sent to a tenant and never answered: it may have happened, and is remembered until
//! the tenant shows whether it did.

use std::collections::BTreeMap;

use signpost_model::plan::Action;
use signpost_model::{ApplicationId, RunId, Timestamp, UserId};
use sqlx::AnyConnection;

use crate::rows::{TableRow, json_keys};
use crate::runs::lease::{self, RunLease};
use crate::runs::outcomes::{Effect, write_effects};
use crate::{Result, Store};

/// Notes that nobody knows what became of these actions of a run.
pub(crate) async fn note(
    db: &mut AnyConnection,
    lease: &RunLease,
    sequences: &[i64],
) -> Result<()> {
    if sequences.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into unanswered (application_id, user_id, run_id, sequence, body)
         select $1, t.user_id, t.run_id, t.sequence, t.body from actions t
         where t.run_id = $2
           and t.sequence in (select cast(key as bigint) from json_each(json($3)))
         on conflict do nothing",
    )
    .bind(lease.application_id.to_string())
    .bind(lease.run_id.to_string())
    .bind(json_keys(sequences))
    .execute(db)
    .await?;
    Ok(())
}

/// Notes what a run that ends leaves without an outcome.
pub(crate) async fn note_rest(
    db: &mut AnyConnection,
    application: ApplicationId,
    run: RunId,
) -> Result<()> {
    sqlx::query(
        "insert into unanswered (application_id, user_id, run_id, sequence, body)
         select $1, t.user_id, t.run_id, t.sequence, t.body from actions t
         where t.run_id = $2 and t.state = 'sent'
         on conflict do nothing",
    )
    .bind(application.to_string())
    .bind(run.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// The actions of these users that were never answered, in the order in which they were sent.
pub async fn of_users(
    db: &mut AnyConnection,
    application: ApplicationId,
    users: &[UserId],
) -> Result<BTreeMap<UserId, Vec<Action>>> {
    let rows = sqlx::query(
        "select user_id, body from unanswered where application_id = $1
           and user_id in (select key from json_each(json($2)))
         order by user_id, run_id, sequence",
    )
    .bind(application.to_string())
    .bind(json_keys(users))
    .fetch_all(db)
    .await?;
    let mut unanswered: BTreeMap<UserId, Vec<Action>> = BTreeMap::new();
    for row in &rows {
        let columns = TableRow::new("unanswered", row);
        let user = columns.parsed("user_id")?;
        unanswered
            .entry(user)
            .or_default()
            .push(columns.json("body")?);
    }
    Ok(unanswered)
}

/// The tenant has shown what became of these users' actions: records what follows, and forgets
/// the question.
pub async fn settle(
    store: &Store,
    lease: &RunLease,
    users: &[UserId],
    effects: &[Effect],
    now: Timestamp,
) -> Result<()> {
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let effects: Vec<&Effect> = effects.iter().collect();
    write_effects(&mut tx, lease, &effects, now).await?;
    sqlx::query(
        "delete from unanswered where application_id = $1
           and user_id in (select key from json_each(json($2)))",
    )
    .bind(lease.application_id.to_string())
    .bind(json_keys(users))
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}
