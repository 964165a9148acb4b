//! Applying: what was sent, what came of it, and everything that follows from an outcome, in the
//! same transaction.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value, json};
use signpost_model::observation::Observation;
use signpost_model::plan::{Blocker, LinkMethod, ObjectId};
use signpost_model::provisioning::{LastOutcome, Owned, OwnedKind, retry_delay_ms};
use signpost_model::run::{Outcome, SkipReason};
use signpost_model::{ProvisioningState, RunId, Timestamp, UserId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::lease::{self, Held, RunLease};
use super::plan::IS_LINKED;
use crate::provisioning::{Settled, settle};
use crate::rows::{TableRow, json_keys, to_json};
use crate::{Result, Store, accounts, snapshots, unanswered};

/// What became of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub sequence: i64,
    pub outcome: Outcome,
    /// What follows from it in our records.
    pub effects: Vec<Effect>,
}

/// Something that an applied action changes in our records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The user is this account now.
    Linked {
        user_id: UserId,
        object_id: ObjectId,
        method: LinkMethod,
    },
    /// The user has no account any more.
    Unlinked(UserId),
    /// Signpost put this on the account.
    Owned { object_id: ObjectId, owned: Owned },
    /// What Signpost had put on the account is gone.
    Disowned {
        object_id: ObjectId,
        kind: OwnedKind,
        key: String,
    },
    /// The account is like this now.
    Observed(Box<Observation>),
    /// The account is gone for good.
    Gone(ObjectId),
    /// The action may have happened although its outcome says that it failed.
    Unanswered,
}

/// Notes that these actions are being sent: after a crash they are unknown and are read back
/// before anything is repeated. Before the first removal of a user their account is kept as it is.
pub async fn mark_sent(
    store: &Store,
    lease: &RunLease,
    sequences: &[i64],
    now: Timestamp,
) -> Result<Held> {
    let mut tx = store.write().await?;
    let held = lease::hold(&mut tx, lease, now).await?;
    let keys = json_keys(sequences);
    snapshots::take(&mut tx, lease, &keys, now).await?;
    sqlx::query(
        "update actions set state = 'sent', changed_at = $1
         where run_id = $2 and state = 'planned'
           and sequence in (select cast(key as bigint) from json_each(json($3)))",
    )
    .bind(now.as_millis())
    .bind(lease.run_id.to_string())
    .bind(keys)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(held)
}

/// Records outcomes with all that follows from them. An action that has its outcome already keeps
/// it. Users with nothing left to do are settled.
pub async fn record(
    store: &Store,
    lease: &RunLease,
    recorded: &[Recorded],
    now: Timestamp,
) -> Result<Held> {
    let mut tx = store.write().await?;
    let held = lease::hold(&mut tx, lease, now).await?;
    let users = write_outcomes(&mut tx, lease, recorded, now).await?;
    let unanswered: Vec<i64> = recorded
        .iter()
        .filter(|one| one.effects.contains(&Effect::Unanswered))
        .map(|one| one.sequence)
        .collect();
    unanswered::note(&mut tx, lease, &unanswered).await?;
    let effects: Vec<_> = recorded.iter().flat_map(|one| &one.effects).collect();
    write_effects(&mut tx, lease, &effects, now).await?;
    let users = json_keys(&users);
    settle_done(&mut tx, lease, &users, now).await?;
    tx.commit().await?;
    Ok(held)
}

/// Writes the outcomes and the run's tally; returns the users they are about, without those whose
/// actions were skipped because the run stopped: they are not done.
async fn write_outcomes(
    db: &mut AnyConnection,
    lease: &RunLease,
    recorded: &[Recorded],
    now: Timestamp,
) -> Result<Vec<String>> {
    let mut rows = Map::with_capacity(recorded.len());
    let mut undone = BTreeSet::new();
    for one in recorded {
        if let Outcome::Skipped {
            because: SkipReason::Cancelled | SkipReason::RunEnded,
        } = one.outcome
        {
            undone.insert(one.sequence);
        }
        let (state, rank, request_id) = match &one.outcome {
            Outcome::Applied { request_id } => ("applied", 3, request_id.as_ref()),
            Outcome::Failed(failure) => ("failed", 0, failure.request_id.as_ref()),
            Outcome::Skipped { .. } => ("skipped", 1, None),
        };
        let row = json!([state, rank, to_json(&one.outcome)?, request_id]);
        rows.insert(one.sequence.to_string(), row);
    }
    let written = sqlx::query(
        "update actions set state = e.value ->> 0, rank = cast(e.value ->> 1 as bigint),
           outcome = e.value ->> 2, request_id = e.value ->> 3, changed_at = $1
         from json_each(json($2)) e
         where actions.run_id = $3 and actions.sequence = cast(e.key as bigint)
           and actions.sequence in (select cast(k.key as bigint) from json_each(json($2)) k)
           and actions.state in ('planned', 'sent')
         returning actions.sequence, actions.user_id, actions.state",
    )
    .bind(now.as_millis())
    .bind(Value::Object(rows).to_string())
    .bind(lease.run_id.to_string())
    .fetch_all(&mut *db)
    .await?;
    let (mut users, mut stopped) = (BTreeSet::new(), BTreeSet::new());
    let (mut applied, mut failed, mut skipped) = (0i64, 0i64, 0i64);
    for row in &written {
        let columns = TableRow::new("actions", row);
        let user = columns.text("user_id")?;
        if undone.contains(&columns.number("sequence")?) {
            stopped.insert(user.clone());
        }
        users.insert(user);
        match columns.text("state")?.as_str() {
            "applied" => applied += 1,
            "failed" => failed += 1,
            _ => skipped += 1,
        }
    }
    sqlx::query(
        "update runs set applied = applied + $1, failed = failed + $2, skipped = skipped + $3
         where id = $4",
    )
    .bind(applied)
    .bind(failed)
    .bind(skipped)
    .bind(lease.run_id.to_string())
    .execute(db)
    .await?;
    Ok(users.difference(&stopped).cloned().collect())
}

pub(crate) async fn write_effects(
    db: &mut AnyConnection,
    lease: &RunLease,
    effects: &[&Effect],
    now: Timestamp,
) -> Result<()> {
    let (mut links, mut unlinked) = (Map::new(), Vec::new());
    let (mut owned, mut disowned) = (Map::new(), Map::new());
    let (mut observed, mut gone) = (Vec::new(), Vec::new());
    for effect in effects {
        match effect {
            Effect::Linked {
                user_id,
                object_id,
                method,
            } => {
                links.insert(user_id.to_string(), json!([object_id, method.key()]));
            }
            Effect::Unlinked(user_id) => unlinked.push(*user_id),
            Effect::Owned {
                object_id,
                owned: line,
            } => {
                let key = format!("{object_id} {} {}", line.kind.key(), line.key);
                disowned.remove(&key);
                owned.insert(
                    key,
                    json!([object_id, line.kind.key(), line.key, line.value]),
                );
            }
            Effect::Disowned {
                object_id,
                kind,
                key: name,
            } => {
                let key = format!("{object_id} {} {name}", kind.key());
                owned.remove(&key);
                disowned.insert(key, json!([object_id, kind.key(), name]));
            }
            Effect::Observed(observation) => observed.push(&**observation),
            Effect::Gone(object_id) => gone.push(object_id.clone()),
            // About the action, not the account.
            Effect::Unanswered => {}
        }
    }
    write_links(db, lease, links, &unlinked, now).await?;
    write_ownership(db, lease, owned, disowned, now).await?;
    accounts::upsert_observations(db, lease.application_id, &observed, now).await?;
    accounts::forget(db, lease.application_id, &gone).await
}

async fn write_links(
    db: &mut AnyConnection,
    lease: &RunLease,
    links: Map<String, Value>,
    unlinked: &[UserId],
    now: Timestamp,
) -> Result<()> {
    let application = lease.application_id.to_string();
    if !unlinked.is_empty() {
        sqlx::query(
            "delete from links where application_id = $1
               and user_id in (select key from json_each(json($2)))",
        )
        .bind(&application)
        .bind(json_keys(unlinked))
        .execute(&mut *db)
        .await?;
    }
    if links.is_empty() {
        return Ok(());
    }
    let links = Value::Object(links).to_string();
    sqlx::query(
        "insert into links (application_id, user_id, object_id, method, linked_at)
         select $1, e.key, e.value ->> 0, e.value ->> 1, $3 from json_each(json($2)) e where true
         on conflict (application_id, user_id) do update set object_id = excluded.object_id,
           method = excluded.method, linked_at = excluded.linked_at",
    )
    .bind(&application)
    .bind(&links)
    .bind(now.as_millis())
    .execute(&mut *db)
    .await?;
    // Reports of a manager whose account is known only now; those in the plan know it already.
    sqlx::query(
        "update provisioning set revision = revision + 1
         where application_id = $1 and user_id in (
           select u.id from users u
           where u.manager_id in (select key from json_each(json($2)))
             and not exists (select 1 from plan_users p where p.run_id = $3 and p.user_id = u.id))",
    )
    .bind(&application)
    .bind(&links)
    .bind(lease.run_id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

async fn write_ownership(
    db: &mut AnyConnection,
    lease: &RunLease,
    owned: Map<String, Value>,
    disowned: Map<String, Value>,
    now: Timestamp,
) -> Result<()> {
    if !owned.is_empty() {
        sqlx::query(
            "insert into ownership (application_id, object_id, kind, key, value, since, run_id)
             select $1, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, $3, $4
             from json_each(json($2)) e where true
             on conflict (application_id, object_id, kind, key) do update
             set value = excluded.value, run_id = excluded.run_id",
        )
        .bind(lease.application_id.to_string())
        .bind(Value::Object(owned).to_string())
        .bind(now.as_millis())
        .bind(lease.run_id.to_string())
        .execute(&mut *db)
        .await?;
    }
    if !disowned.is_empty() {
        sqlx::query(
            "delete from ownership where application_id = $1 and exists (
               select 1 from json_each(json($2)) e where e.value ->> 0 = ownership.object_id
                 and e.value ->> 1 = ownership.kind and e.value ->> 2 = ownership.key)
               and object_id in (select e.value ->> 0 from json_each(json($2)) e)",
        )
        .bind(lease.application_id.to_string())
        .bind(Value::Object(disowned).to_string())
        .execute(db)
        .await?;
    }
    Ok(())
}

/// The most users that are settled at once: memory does not grow with the plan.
const STRETCH: i64 = 2_000;

/// Settles these users of the plan as far as their actions all have an outcome.
pub(crate) async fn settle_done(
    db: &mut AnyConnection,
    lease: &RunLease,
    users: &str,
    now: Timestamp,
) -> Result<()> {
    let which = "p.user_id in (select key from json_each(json($3)))";
    let rows = unsettled(db, lease, which, users).await?;
    let results = results_of_users(db, lease.run_id, users).await?;
    let mut settled = Vec::with_capacity(rows.len());
    for row in &rows {
        let user: String = TableRow::new("plan_users", row).text("user_id")?;
        let result = results.get(&user).cloned().unwrap_or_default();
        if !result.is_open {
            settled.push(settled_row(row, result, now)?);
        }
    }
    note_settled(db, lease, &settled, now).await
}

/// Settles everyone in the plan for whom nothing is to be done.
pub(crate) async fn settle_idle(
    db: &mut AnyConnection,
    lease: &RunLease,
    now: Timestamp,
) -> Result<()> {
    let which = format!(
        "p.user_id > $3 and p.actions = 0 and (p.object_id is null or {IS_LINKED})
         order by p.user_id limit {STRETCH}"
    );
    let mut after = String::new();
    loop {
        let rows = unsettled(db, lease, &which, &after).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = TableRow::new("plan_users", last).text("user_id")?;
        let settled = (rows.iter())
            .map(|row| settled_row(row, UserResult::default(), now))
            .collect::<Result<Vec<_>>>()?;
        note_settled(db, lease, &settled, now).await?;
    }
}

/// Users of the plan that are not settled, as [`settled_row`] reads them; `which` asks for `$3`.
async fn unsettled(
    db: &mut AnyConnection,
    lease: &RunLease,
    which: &str,
    argument: &str,
) -> Result<Vec<AnyRow>> {
    let sql = format!(
        "select p.user_id, p.revision, p.state_after, p.blockers, p.removed_at, p.due_at,
           p.desired_name, coalesce(v.attempts, 0) as attempts
         from plan_users p
         left join provisioning v on v.application_id = $1 and v.user_id = p.user_id
         where p.run_id = $2 and p.settled = 0 and {which}"
    );
    Ok(sqlx::query(AssertSqlSafe(sql))
        .bind(lease.application_id.to_string())
        .bind(lease.run_id.to_string())
        .bind(argument)
        .fetch_all(db)
        .await?)
}

async fn note_settled(
    db: &mut AnyConnection,
    lease: &RunLease,
    settled: &[Settled],
    now: Timestamp,
) -> Result<()> {
    if settled.is_empty() {
        return Ok(());
    }
    settle(db, lease.application_id, Some(lease.run_id), settled, now).await?;
    let keys = json_keys(settled.iter().map(|one| one.user_id));
    sqlx::query(
        "update plan_users set settled = 1
         where run_id = $1 and user_id in (select key from json_each(json($2)))",
    )
    .bind(lease.run_id.to_string())
    .bind(&keys)
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "update provisioning set applied_at = $1
         where application_id = $2 and user_id in (select key from json_each(json($3)))",
    )
    .bind(now.as_millis())
    .bind(lease.application_id.to_string())
    .bind(&keys)
    .execute(db)
    .await?;
    Ok(())
}

/// What became of a user's actions, taken together.
#[derive(Debug, Clone, Default)]
struct UserResult {
    /// Some action has no outcome yet.
    is_open: bool,
    has_failed: bool,
    /// The failure, else the last outcome.
    outcome: Option<Outcome>,
}

async fn results_of_users(
    db: &mut AnyConnection,
    run: RunId,
    users: &str,
) -> Result<HashMap<String, UserResult>> {
    let rows = sqlx::query(
        "select user_id, sequence, state, outcome from actions
         where run_id = $1 and user_id in (select key from json_each(json($2)))
         order by user_id, sequence",
    )
    .bind(run.to_string())
    .bind(users)
    .fetch_all(db)
    .await?;
    let mut results: HashMap<String, UserResult> = HashMap::new();
    for row in &rows {
        let columns = TableRow::new("actions", row);
        let result = results.entry(columns.text("user_id")?).or_default();
        let outcome: Option<Outcome> = columns.optional_json("outcome")?;
        match outcome {
            None => result.is_open = true,
            Some(_) if result.has_failed => {}
            Some(outcome) => {
                result.has_failed = matches!(outcome, Outcome::Failed(_));
                result.outcome = Some(outcome);
            }
        }
    }
    Ok(results)
}

/// What a user's row says after all their actions: the first failure decides.
fn settled_row(row: &AnyRow, result: UserResult, now: Timestamp) -> Result<Settled> {
    let columns = TableRow::new("plan_users", row);
    let blockers: Vec<Blocker> = columns.optional_json("blockers")?.unwrap_or_default();
    let mut settled = Settled {
        user_id: columns.parsed("user_id")?,
        revision: columns.number("revision")?,
        state: columns.parsed("state_after")?,
        removed_at: columns.optional_time("removed_at")?,
        last_outcome: None,
        attempts: 0,
        due_at: columns.optional_time("due_at")?,
        desired_name: columns.optional_text("desired_name")?,
    };
    if result.has_failed {
        settled.state = ProvisioningState::Failed;
        settled.attempts = columns.number("attempts")? + 1;
        settled.due_at = retry_delay_ms(settled.attempts).map(|delay| now.plus_millis(delay));
    }
    settled.last_outcome = if blockers.is_empty() || result.has_failed {
        result.outcome.map(LastOutcome::Done)
    } else {
        Some(LastOutcome::Blocked(blockers))
    };
    Ok(settled)
}

/// Skips what was planned and never sent; returns how many actions that is. Their users are not
/// settled, so that the next run plans them again.
pub(crate) async fn skip_rest(
    db: &mut AnyConnection,
    run: RunId,
    because: SkipReason,
    now: Timestamp,
) -> Result<i64> {
    let skipped = sqlx::query(
        "update actions set state = 'skipped', rank = 1, outcome = $1, changed_at = $2
         where run_id = $3 and state = 'planned'",
    )
    .bind(to_json(&Outcome::Skipped { because })?)
    .bind(now.as_millis())
    .bind(run.to_string())
    .execute(db)
    .await?;
    Ok(i64::try_from(skipped.rows_affected()).unwrap_or(i64::MAX))
}
