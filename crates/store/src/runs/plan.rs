//! Writing a plan: in chunks while it is made, then closed with its hash.

use serde_json::{Map, Value, json};
use signpost_model::plan::{Disposition, LinkMethod, ObjectId, UserPlan};
use signpost_model::provisioning::{LastOutcome, Owned};
use signpost_model::run::{Outcome, Run, RunMode, RunScope, SkipReason, WaitsFor};
use signpost_model::{Provisioning, RunId, Timestamp};
use sqlx::{AnyConnection, AssertSqlSafe};

use super::lease::{self, RunLease};
use super::{COLUMNS, run};
use crate::provisioning::{Settled, settle};
use crate::rows::{json_keys, to_json};
use crate::{Result, Store, Write, drifts, group_push, statistics};

/// A plan with so many actions changes the look of its tables.
const MANY_ACTIONS: i64 = 1_000;

/// A user's plan, and the row it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedUser {
    pub plan: UserPlan,
    pub before: Provisioning,
}

impl PlannedUser {
    /// Whether the plan leaves nothing to do for the user, not even a link to record.
    fn is_settled(&self) -> bool {
        let plan = &self.plan;
        plan.actions.is_empty() && plan.link.is_none() && plan.owned.is_empty()
    }

    /// Whether the plan says something that people or the apply have to see.
    fn is_stored(&self) -> bool {
        !self.is_settled() || !self.plan.blockers.is_empty()
    }

    /// The user's row when there is nothing to do.
    fn settled(&self) -> Settled {
        let (plan, before) = (&self.plan, &self.before);
        let last_outcome = match &before.last_outcome {
            _ if !plan.blockers.is_empty() => Some(LastOutcome::Blocked(plan.blockers.clone())),
            // What once was applied stays true; a failure or a blocker is over.
            Some(LastOutcome::Done(Outcome::Applied { .. })) => before.last_outcome.clone(),
            _ => None,
        };
        Settled {
            user_id: plan.user_id,
            revision: before.revision,
            state: plan.state_after(),
            removed_at: plan.removed_at,
            last_outcome,
            attempts: 0,
            due_at: plan.due_at,
            desired_name: plan.desired_name.clone(),
        }
    }
}

/// Empties the plan of a run that is about to be planned, and notes what it is made from.
pub(crate) async fn begin(tx: &mut Write, run: &Run) -> Result<()> {
    for sql in [
        "delete from actions where run_id = $1",
        "delete from plan_users where run_id = $1",
        "delete from tenant_actions where run_id = $1",
        "delete from plan_groups where run_id = $1",
        "update runs set state = 'planning', users = 0, in_sync = 0, blocked = 0, actions = 0,
           removals = 0, applied = 0, failed = 0, skipped = 0, plan_hash = null, waits_for = null,
           approved_by = null, approved_at = null, planned_at = null,
           plan_revision = (select a.desired_revision from applications a
                            where a.id = runs.application_id)
         where id = $1",
    ] {
        sqlx::query(sql)
            .bind(run.id.to_string())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Adds users to the plan. Who needs nothing is settled at once, and stored only when there is
/// something to see.
pub async fn write(
    store: &Store,
    lease: &RunLease,
    users: &[PlannedUser],
    now: Timestamp,
) -> Result<()> {
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let first: i64 = sqlx::query_scalar("select actions from runs where id = $1")
        .bind(lease.run_id.to_string())
        .fetch_one(&mut *tx)
        .await?;
    let stored: Vec<_> = users.iter().filter(|user| user.is_stored()).collect();
    insert_users(&mut tx, lease.run_id, &stored).await?;
    let actions = insert_actions(&mut tx, lease.run_id, first, &stored, now).await?;
    let number = |wanted: fn(&UserPlan) -> bool| {
        let count = users.iter().filter(|user| wanted(&user.plan)).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    };
    sqlx::query(
        "update runs set users = users + $1, in_sync = in_sync + $2, blocked = blocked + $3,
           actions = actions + $4, removals = removals + $5 where id = $6",
    )
    .bind(number(|_| true))
    .bind(number(|plan| plan.disposition == Disposition::InSync))
    .bind(number(|plan| !plan.blockers.is_empty()))
    .bind(actions)
    .bind(number(UserPlan::takes_something))
    .bind(lease.run_id.to_string())
    .execute(&mut *tx)
    .await?;
    let settled: Vec<_> = users
        .iter()
        .filter(|user| user.is_settled())
        .map(|user| (user.settled(), &user.before))
        .filter(|(settled, before)| !settled.is_as_before(before))
        .map(|(settled, _)| settled)
        .collect();
    settle(
        &mut tx,
        lease.application_id,
        Some(lease.run_id),
        &settled,
        now,
    )
    .await?;
    let is_sync: i64 =
        sqlx::query_scalar("select count(*) from runs where id = $1 and mode = 'sync'")
            .bind(lease.run_id.to_string())
            .fetch_one(&mut *tx)
            .await?;
    if is_sync > 0 {
        let keys = json_keys(users.iter().map(|user| user.plan.user_id));
        group_push::touch_of_users(&mut tx, lease.application_id, &keys).await?;
    }
    let plans: Vec<_> = users.iter().map(|user| &user.plan).collect();
    drifts::note(&mut tx, lease.application_id, &plans, now).await?;
    tx.commit().await
}

async fn insert_users(db: &mut AnyConnection, run: RunId, users: &[&PlannedUser]) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let mut rows = Map::with_capacity(users.len());
    for user in users {
        let plan = &user.plan;
        let row = json!([
            plan.display_name,
            plan.state_after().key(),
            plan.object_id.as_ref().map(ObjectId::as_str),
            plan.link.map(LinkMethod::key),
            user.before.revision,
            list_or_none(&plan.blockers)?,
            i64::from(plan.needs_choice()),
            plan.removed_at,
            plan.due_at,
            plan.desired_name,
            plan.actions.len(),
            i64::from(user.is_settled()),
            plan.disposition,
            ledger_lines(&plan.owned)?,
            list_or_none(&plan.kept)?,
        ]);
        rows.insert(plan.user_id.to_string(), row);
    }
    sqlx::query(
        "insert into plan_users (run_id, user_id, display_name, state_after, object_id,
           link_method, revision, blockers, needs_choice, removed_at, due_at, desired_name,
           actions, settled, disposition, owned, kept)
         select $1, e.key, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3,
           cast(e.value ->> 4 as bigint), e.value ->> 5, cast(e.value ->> 6 as bigint),
           cast(e.value ->> 7 as bigint), cast(e.value ->> 8 as bigint), e.value ->> 9,
           cast(e.value ->> 10 as bigint), cast(e.value ->> 11 as bigint), e.value ->> 12,
           e.value ->> 13, e.value ->> 14
         from json_each(json($2)) e",
    )
    .bind(run.to_string())
    .bind(Value::Object(rows).to_string())
    .execute(db)
    .await?;
    Ok(())
}

fn list_or_none<T: serde::Serialize>(list: &[T]) -> Result<Option<String>> {
    (!list.is_empty()).then(|| to_json(&list)).transpose()
}

/// Ledger lines in the one shape that both engines take apart: an object, not an array.
fn ledger_lines(owned: &[Owned]) -> Result<Option<String>> {
    if owned.is_empty() {
        return Ok(None);
    }
    let lines: Map<_, _> = owned
        .iter()
        .map(|line| {
            let key = format!("{} {}", line.kind.key(), line.key);
            (key, json!([line.kind.key(), line.key, line.value]))
        })
        .collect();
    to_json(&lines).map(Some)
}

/// Inserts the actions, numbered on from `first`; returns how many there are.
async fn insert_actions(
    db: &mut AnyConnection,
    run: RunId,
    first: i64,
    users: &[&PlannedUser],
    now: Timestamp,
) -> Result<i64> {
    let mut sequence = first;
    let mut rows = Map::new();
    for plan in users.iter().map(|user| &user.plan) {
        for planned in &plan.actions {
            sequence += 1;
            let row = json!([
                plan.user_id,
                plan.object_id.as_ref().map(ObjectId::as_str),
                planned.action.kind().key(),
                to_json(&planned.action)?,
                planned.reason,
                i64::from(planned.action.is_removal()),
            ]);
            rows.insert(sequence.to_string(), row);
        }
    }
    if rows.is_empty() {
        return Ok(0);
    }
    sqlx::query(
        "insert into actions (run_id, sequence, user_id, object_id, kind, body, reason, removal,
           state, rank, changed_at)
         select $1, cast(e.key as bigint), e.value ->> 0, e.value ->> 1, e.value ->> 2,
           e.value ->> 3, e.value ->> 4, cast(e.value ->> 5 as bigint), 'planned', 2, $3
         from json_each(json($2)) e",
    )
    .bind(run.to_string())
    .bind(Value::Object(rows).to_string())
    .bind(now.as_millis())
    .execute(db)
    .await?;
    Ok(sequence - first)
}

/// Closes the plan. It waits for a person, or is applied at once by the same worker.
pub async fn finish(
    store: &Store,
    lease: &RunLease,
    hash: &str,
    waits_for: Option<&WaitsFor>,
    now: Timestamp,
) -> Result<Run> {
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let next = match waits_for {
        Some(_) => "state = 'awaiting_approval', lease_holder = null, lease_until = null",
        None => "state = 'applying'",
    };
    let sql = format!(
        "update runs set {next}, plan_hash = $1, waits_for = $2, planned_at = $3
         where id = $4 returning {COLUMNS}"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(hash)
        .bind(waits_for.map(to_json).transpose()?)
        .bind(now.as_millis())
        .bind(lease.run_id.to_string())
        .fetch_one(&mut *tx)
        .await?;
    let run = run(&row)?;
    if run.tally.actions >= MANY_ACTIONS {
        statistics::refresh(&mut tx, &["actions", "plan_users", "provisioning"]).await?;
    }
    if waits_for.is_some() && run.mode == RunMode::Sync {
        hold_back(&mut tx, run.id).await?;
    }
    if run.scope == RunScope::Everyone && run.only_user.is_none() {
        supersede(&mut tx, &run, now).await?;
    }
    tx.commit().await?;
    Ok(run)
}

/// What is not settled yet waits for a person: it does not start again by itself, unless
/// something happens to the user. A preview that nobody applied holds nothing back.
pub(crate) async fn hold_back(tx: &mut Write, run: RunId) -> Result<()> {
    sqlx::query(
        "update provisioning set settled_revision = p.revision, due_at = null,
           state = case when provisioning.state = 'in_sync' then 'pending'
                        else provisioning.state end
         from plan_users p join runs r on r.id = p.run_id
         where p.run_id = $1 and p.settled = 0
           and (r.mode = 'sync' or r.approved_at is not null)
           and provisioning.application_id = r.application_id
           and provisioning.user_id = p.user_id",
    )
    .bind(run.to_string())
    .execute(&mut **tx)
    .await?;
    group_push::plan::hold_back(tx, run).await
}

/// A plan over everyone replaces the older ones that still wait.
async fn supersede(tx: &mut Write, run: &Run, now: Timestamp) -> Result<()> {
    sqlx::query(
        "update runs set state = 'cancelled', finished_at = $1
         where application_id = $2 and state = 'awaiting_approval' and id < $3
           and scope <> 'tenant'",
    )
    .bind(now.as_millis())
    .bind(run.application_id.to_string())
    .bind(run.id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether the link that the plan of user `p` found could be recorded.
pub(crate) const IS_LINKED: &str = "exists (select 1 from links l join runs r on r.id = p.run_id
    where l.application_id = r.application_id and l.user_id = p.user_id
      and l.object_id = p.object_id)";

/// Begins to apply: records the links that the plan found, and settles who needs nothing more.
/// Doing it twice changes nothing.
pub async fn begin_apply(store: &Store, lease: &RunLease, now: Timestamp) -> Result<()> {
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    wake(&mut tx, lease).await?;
    group_push::wake(&mut tx, lease.run_id).await?;
    record_links(&mut tx, lease, now).await?;
    leave_unlinked(&mut tx, lease, now).await?;
    let (application, run) = (lease.application_id.to_string(), lease.run_id.to_string());
    // Once an action was sent, these lines are there, and its outcome may have changed them since.
    let sql = format!(
        "insert into ownership (application_id, object_id, kind, key, value, since, run_id)
         select $1, p.object_id, e.value ->> 0, e.value ->> 1, e.value ->> 2, $3, $2
         from plan_users p cross join json_each(json(p.owned)) e
         where p.run_id = $2 and p.owned is not null and p.settled = 0 and {IS_LINKED}
           and not exists (select 1 from actions t where t.run_id = $2
             and t.user_id = p.user_id and t.state <> 'planned')
         on conflict (application_id, object_id, kind, key) do update
         set value = excluded.value, run_id = excluded.run_id"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(&application)
        .bind(&run)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
    // Reports of a manager whose account is known only now; those in the plan know it already.
    sqlx::query(
        "update provisioning set revision = revision + 1
         where application_id = $1 and user_id in (
           select u.id from users u join plan_users m on m.user_id = u.manager_id
           where m.run_id = $2 and m.link_method is not null and m.settled = 0
             and not exists (select 1 from plan_users p where p.run_id = $2 and p.user_id = u.id))",
    )
    .bind(&application)
    .bind(&run)
    .execute(&mut *tx)
    .await?;
    super::outcomes::settle_idle(&mut tx, lease, now).await?;
    tx.commit().await
}

/// What is being applied was asked for: should the run break off, its rest goes on by itself.
async fn wake(tx: &mut Write, lease: &RunLease) -> Result<()> {
    sqlx::query(
        "insert into provisioning
           (application_id, user_id, revision, settled_revision, state, attempts)
         select v.application_id, v.user_id, 1, 0, 'pending', 0
         from plan_users p join provisioning v on v.user_id = p.user_id
         where v.application_id = $1 and v.quiet_revision > 0
           and p.run_id = $2 and p.settled = 0
         order by v.user_id
         on conflict (application_id, user_id) do update set quiet_revision = 0",
    )
    .bind(lease.application_id.to_string())
    .bind(lease.run_id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn record_links(tx: &mut Write, lease: &RunLease, now: Timestamp) -> Result<()> {
    let (application, run) = (lease.application_id.to_string(), lease.run_id.to_string());
    sqlx::query(
        "delete from links where application_id = $1 and exists (select 1 from plan_users p
           where p.run_id = $2 and p.user_id = links.user_id and p.link_method is not null
             and p.settled = 0 and p.object_id <> links.object_id)",
    )
    .bind(&application)
    .bind(&run)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into links (application_id, user_id, object_id, method, linked_at)
         select $1, p.user_id, p.object_id, p.link_method, $3 from plan_users p
         where p.run_id = $2 and p.link_method is not null and p.object_id is not null
           and p.settled = 0
         order by p.user_id on conflict do nothing",
    )
    .bind(&application)
    .bind(&run)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// An account belongs to one user. Who was planned to be linked with the account of another one
/// is left alone and planned again, now that the link can be seen.
async fn leave_unlinked(tx: &mut Write, lease: &RunLease, now: Timestamp) -> Result<()> {
    let because = SkipReason::EarlierActionFailed;
    let sql = format!(
        "update actions set state = 'skipped', rank = 1, outcome = $1, changed_at = $2
         where run_id = $3 and state = 'planned' and user_id in (
           select p.user_id from plan_users p where p.run_id = $3 and p.settled = 0
             and p.link_method is not null and p.object_id is not null and not {IS_LINKED})"
    );
    let skipped = sqlx::query(AssertSqlSafe(sql))
        .bind(to_json(&Outcome::Skipped { because })?)
        .bind(now.as_millis())
        .bind(lease.run_id.to_string())
        .execute(&mut **tx)
        .await?
        .rows_affected();
    sqlx::query("update runs set skipped = skipped + $1 where id = $2")
        .bind(i64::try_from(skipped).unwrap_or(i64::MAX))
        .bind(lease.run_id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
