//! The stored changes to a tenant itself: for the worker in order, for people by page.

use serde_json::{Map, Value, json};
use signpost_model::plan::Reason;
use signpost_model::run::{Outcome, SkipReason};
use signpost_model::tenant::Subject;
use signpost_model::{PlannedTenantAction, RunId, TenantAction, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::actions::ActionState;
use super::federating;
use super::lease::{self, Held, RunLease};
use crate::rows::{TableRow, flag, json_keys, to_json};
use crate::{Result, Store, kept_values};

/// One change of a stored plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTenantAction {
    pub sequence: i64,
    pub subject: Subject,
    pub action: TenantAction,
    pub reason: Reason,
    pub state: ActionState,
    pub outcome: Option<Outcome>,
    pub request_id: Option<String>,
    pub changed_at: Timestamp,
}

const SELECT: &str = "select sequence, subject_kind, subject_id, subject_name, body, reason, state,
       outcome, request_id, changed_at from tenant_actions";

/// Adds changes to the plan of a run, behind those that it has.
pub async fn write(
    store: &Store,
    lease: &RunLease,
    planned: &[PlannedTenantAction],
    now: Timestamp,
) -> Result<()> {
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let run = lease.run_id.to_string();
    let mut sequence: i64 = sqlx::query_scalar(
        "select coalesce(max(sequence), 0) from tenant_actions where run_id = $1",
    )
    .bind(&run)
    .fetch_one(&mut *tx)
    .await?;
    let mut rows = Map::with_capacity(planned.len());
    for PlannedTenantAction { action, reason } in planned {
        sequence += 1;
        let subject = action.subject();
        let row = json!([
            subject.kind,
            subject.id,
            subject.name,
            action.key(),
            to_json(action)?,
            reason,
            flag(action.is_removal()),
        ]);
        rows.insert(sequence.to_string(), row);
    }
    sqlx::query(
        "insert into tenant_actions (run_id, sequence, subject_kind, subject_id, subject_name,
           kind, body, reason, removal, state, changed_at)
         select $1, cast(e.key as bigint), e.value ->> 0, e.value ->> 1, e.value ->> 2,
           e.value ->> 3, e.value ->> 4, e.value ->> 5, cast(e.value ->> 6 as bigint),
           'planned', $3
         from json_each(json($2)) e",
    )
    .bind(&run)
    .bind(Value::Object(rows).to_string())
    .bind(now.as_millis())
    .execute(&mut *tx)
    .await?;
    let removals = planned.iter().filter(|one| one.action.is_removal()).count();
    sqlx::query("update runs set actions = actions + $1, removals = removals + $2 where id = $3")
        .bind(i64::try_from(planned.len()).unwrap_or(i64::MAX))
        .bind(i64::try_from(removals).unwrap_or(i64::MAX))
        .bind(&run)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// The next changes after a place that have no outcome yet, in order; those to groups are another
/// matter: see [`crate::group_push::outcomes`].
pub async fn list_open(
    db: &mut AnyConnection,
    run: RunId,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredTenantAction>> {
    select(
        db,
        "and state in ('planned', 'sent') and subject_kind <> 'group'",
        run,
        after,
        limit,
    )
    .await
}

/// The next changes after a place, in order.
pub async fn list(
    db: &mut AnyConnection,
    run: RunId,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredTenantAction>> {
    select(db, "", run, after, limit).await
}

async fn select(
    db: &mut AnyConnection,
    which: &str,
    run: RunId,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredTenantAction>> {
    let sql =
        format!("{SELECT} where run_id = $1 and sequence > $2 {which} order by sequence limit $3");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(run.to_string())
        .bind(after)
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(stored).collect()
}

/// How many changes of a run there are.
pub async fn count(db: &mut AnyConnection, run: RunId) -> Result<i64> {
    Ok(
        sqlx::query_scalar("select count(*) from tenant_actions where run_id = $1")
            .bind(run.to_string())
            .fetch_one(db)
            .await?,
    )
}

/// How many changes of a run were not made: they failed, or never had their turn.
pub async fn count_undone(db: &mut AnyConnection, run: RunId) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "select count(*) from tenant_actions where run_id = $1
           and (state in ('failed', 'sent') or (state = 'skipped' and outcome not like '%\"already_done\"%'))",
    )
    .bind(run.to_string())
    .fetch_one(db)
    .await?)
}

/// Notes that these changes are being sent, and remembers the values that they replace.
pub async fn mark_sent(
    store: &Store,
    lease: &RunLease,
    sequences: &[i64],
    now: Timestamp,
) -> Result<Held> {
    let mut tx = store.write().await?;
    let held = lease::hold(&mut tx, lease, now).await?;
    let sql = format!(
        "{SELECT} where run_id = $1 and state in ('planned', 'sent')
           and sequence in (select cast(key as bigint) from json_each(json($2)))
         order by sequence"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(lease.run_id.to_string())
        .bind(json_keys(sequences))
        .fetch_all(&mut *tx)
        .await?;
    for row in &rows {
        let action = stored(row)?;
        kept_values::keep(&mut tx, lease, &action.action, now).await?;
        federating::sent(&mut tx, lease, &action.action, now).await?;
    }
    sqlx::query(
        "update tenant_actions set state = 'sent', changed_at = $1
         where run_id = $2 and state = 'planned'
           and sequence in (select cast(key as bigint) from json_each(json($3)))",
    )
    .bind(now.as_millis())
    .bind(lease.run_id.to_string())
    .bind(json_keys(sequences))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(held)
}

/// Records outcomes. A change that has its outcome already keeps it.
pub async fn record(
    store: &Store,
    lease: &RunLease,
    outcomes: &[(i64, Outcome)],
    now: Timestamp,
) -> Result<Held> {
    let mut tx = store.write().await?;
    let held = lease::hold(&mut tx, lease, now).await?;
    let (mut applied, mut failed, mut skipped) = (0i64, 0i64, 0i64);
    for (sequence, outcome) in outcomes {
        let (state, request_id) = match outcome {
            Outcome::Applied { request_id } => ("applied", request_id.as_ref()),
            Outcome::Failed(failure) => ("failed", failure.request_id.as_ref()),
            Outcome::Skipped { .. } => ("skipped", None),
        };
        let sql = "update tenant_actions set state = $1, outcome = $2, request_id = $3,
                     changed_at = $4
                   where run_id = $5 and sequence = $6 and state in ('planned', 'sent')
                   returning sequence, subject_kind, subject_id, subject_name, body, reason, state,
                     outcome, request_id, changed_at";
        let row = sqlx::query(sql)
            .bind(state)
            .bind(to_json(outcome)?)
            .bind(request_id)
            .bind(now.as_millis())
            .bind(lease.run_id.to_string())
            .bind(sequence)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else { continue };
        let action = stored(&row)?;
        match outcome {
            Outcome::Applied { .. } => applied += 1,
            Outcome::Failed(_) => failed += 1,
            Outcome::Skipped { .. } => skipped += 1,
        }
        kept_values::settle(&mut tx, lease, &action, outcome, now).await?;
        federating::settled(&mut tx, lease, &action, outcome, now).await?;
    }
    sqlx::query(
        "update runs set applied = applied + $1, failed = failed + $2, skipped = skipped + $3
         where id = $4",
    )
    .bind(applied)
    .bind(failed)
    .bind(skipped)
    .bind(lease.run_id.to_string())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(held)
}

/// Skips what was planned and never sent; returns how many changes that is.
pub(crate) async fn skip_rest(
    db: &mut AnyConnection,
    run: RunId,
    because: SkipReason,
    now: Timestamp,
) -> Result<i64> {
    let skipped = sqlx::query(
        "update tenant_actions set state = 'skipped', outcome = $1, changed_at = $2
         where run_id = $3 and state = 'planned'",
    )
    .bind(to_json(&Outcome::Skipped { because })?)
    .bind(now.as_millis())
    .bind(run.to_string())
    .execute(db)
    .await?;
    Ok(i64::try_from(skipped.rows_affected()).unwrap_or(i64::MAX))
}

fn stored(row: &AnyRow) -> Result<StoredTenantAction> {
    let columns = TableRow::new("tenant_actions", row);
    let reason = columns.text("reason")?;
    Ok(StoredTenantAction {
        sequence: columns.number("sequence")?,
        subject: Subject {
            kind: columns.text("subject_kind")?,
            id: columns.text("subject_id")?,
            name: columns.text("subject_name")?,
        },
        action: columns.json("body")?,
        reason: serde_json::from_value(reason.into())
            .map_err(|_| columns.inconsistent("reason"))?,
        state: columns.parsed("state")?,
        outcome: columns.optional_json("outcome")?,
        request_id: columns.optional_text("request_id")?,
        changed_at: columns.time("changed_at")?,
    })
}
