//! What people do to runs: apply a plan, discard it, stop a run, try the failed again.

use serde_json::json;
use signpost_model::run::{Run, RunMode, RunScope, RunState, Trigger};
use signpost_model::{Author, Random, RunId, Timestamp, UserId};

use super::{NewRun, Queued, lock, plan, queue, subject};
use crate::rows::TableRow;
use crate::{Error, Result, Write, audit, group_push, provisioning, wishes};

/// What came of the wish to apply a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// A worker will carry the plan out.
    Approved,
    /// The run does not wait for an answer (any more): applied, discarded or replaced.
    NotWaiting(RunState),
    /// The plan on the page is not the one that waits.
    OtherPlan,
    /// What the plan was made from has changed since: it has to be made anew.
    Stale,
}

/// Applies a plan that waits: only the one that was shown, and only while what it was made from
/// still holds.
pub async fn approve(
    tx: &mut Write,
    id: RunId,
    hash: &str,
    by: &Author,
    now: Timestamp,
) -> Result<Approval> {
    let run = lock(tx, id).await?;
    if run.state != RunState::AwaitingApproval {
        return Ok(Approval::NotWaiting(run.state));
    }
    if run.plan_hash.as_deref() != Some(hash) {
        return Ok(Approval::OtherPlan);
    }
    if is_stale(tx, &run).await? {
        return Ok(Approval::Stale);
    }
    let changed = sqlx::query(
        "update runs set state = 'queued', approved_by = $1, approved_at = $2
         where id = $3 and state = 'awaiting_approval' and plan_hash = $4",
    )
    .bind(by.name())
    .bind(now.as_millis())
    .bind(id.to_string())
    .bind(hash)
    .execute(&mut **tx)
    .await?;
    if changed.rows_affected() != 1 {
        return Ok(Approval::NotWaiting(run.state));
    }
    let mut entry = by.entry("run.approved", subject(&run));
    entry.after = Some(json!({
        "plan": hash,
        "actions": run.tally.actions,
        "removals": run.tally.removals,
    }));
    audit::append(tx, &entry, now);
    Ok(Approval::Approved)
}

/// Whether anything that the plan was made from has changed since.
pub(crate) async fn is_stale(tx: &mut Write, run: &Run) -> Result<bool> {
    let row = sqlx::query(
        "select r.id,
           case when r.plan_revision <> a.desired_revision then 1 else 0 end as settings,
           (select count(*) from plan_users p
            left join provisioning v on v.application_id = r.application_id
              and v.user_id = p.user_id
            where p.run_id = r.id and p.settled = 0
              and (coalesce(v.revision, 0) <> p.revision
                or coalesce(v.applied_at, 0) > r.planned_at)) as users
         from runs r join applications a on a.id = r.application_id where r.id = $1",
    )
    .bind(run.id.to_string())
    .fetch_one(&mut **tx)
    .await?;
    let columns = TableRow::new("runs", &row);
    let stale = columns.flag("settings")? || columns.number("users")? > 0;
    Ok(stale || group_push::plan::count_stale(tx, run.id).await? > 0)
}

/// Discards a plan that waits. Its users are left as they are until something happens to them or
/// everyone is planned again.
pub async fn discard(tx: &mut Write, id: RunId, by: &Author, now: Timestamp) -> Result<RunState> {
    let run = lock(tx, id).await?;
    if run.state != RunState::AwaitingApproval {
        return Ok(run.state);
    }
    sqlx::query(
        "update runs set state = 'cancelled', finished_at = $1
         where id = $2 and state = 'awaiting_approval'",
    )
    .bind(now.as_millis())
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    wishes::forget_of_run(tx, id).await?;
    audit::append(tx, &by.entry("run.discarded", subject(&run)), now);
    Ok(RunState::Cancelled)
}

/// Stops a run: at once while nobody works on it, else at the next action. Returns where it
/// stands; a run that is over stays as it is.
pub async fn cancel(tx: &mut Write, id: RunId, by: &Author, now: Timestamp) -> Result<RunState> {
    let run = lock(tx, id).await?;
    match run.state {
        RunState::AwaitingApproval => return discard(tx, id, by, now).await,
        RunState::Queued => {
            sqlx::query(
                "update runs set state = 'cancelled', finished_at = $1
                 where id = $2 and state = 'queued'",
            )
            .bind(now.as_millis())
            .bind(id.to_string())
            .execute(&mut **tx)
            .await?;
            plan::hold_back(tx, id).await?;
            wishes::forget_of_run(tx, id).await?;
        }
        RunState::Planning | RunState::Applying => {
            sqlx::query("update runs set cancel_requested = 1 where id = $1")
                .bind(id.to_string())
                .execute(&mut **tx)
                .await?;
        }
        over => return Ok(over),
    }
    audit::append(tx, &by.entry("run.cancelled", subject(&run)), now);
    let run = super::find(tx, id).await?.ok_or(Error::NotFound("run"))?;
    Ok(run.state)
}

/// Tries again what failed or was left undone in a run that is over; `None` when nothing was.
pub async fn retry(
    tx: &mut Write,
    random: &dyn Random,
    id: RunId,
    by: &Author,
    now: Timestamp,
) -> Result<Option<Queued>> {
    let run = lock(tx, id).await?;
    if !run.state.is_over() {
        return Err(Error::Stale("run"));
    }
    let rows = sqlx::query(
        "select p.user_id from plan_users p where p.run_id = $1
           and (p.settled = 0 or exists (select 1 from actions a where a.run_id = p.run_id
             and a.user_id = p.user_id and a.state = 'failed'))",
    )
    .bind(id.to_string())
    .fetch_all(&mut **tx)
    .await?;
    let users = rows
        .iter()
        .map(|row| TableRow::new("plan_users", row).parsed("user_id"))
        .collect::<Result<Vec<UserId>>>()?;
    if run.scope == RunScope::Tenant && super::tenant_actions::count_undone(tx, id).await? > 0 {
        let new = NewRun {
            trigger: Trigger::Retry,
            ..again(&run)
        };
        return queue(tx, random, &new, by, now).await.map(Some);
    }
    let groups = group_push::plan::look_again(tx, id, true).await?;
    if users.is_empty() && groups == 0 {
        return Ok(None);
    }
    provisioning::look_again(tx, run.application_id, &users, now).await?;
    sqlx::query(
        "update connections set retry_at = null where application_id = $1 and retry_at is not null",
    )
    .bind(run.application_id.to_string())
    .execute(&mut **tx)
    .await?;
    let new = NewRun {
        application_id: run.application_id,
        trigger: Trigger::Retry,
        scope: RunScope::Changed,
        mode: RunMode::Sync,
        only_user: None,
        request: None,
    };
    let queued = queue(tx, random, &new, by, now).await?;
    Ok(Some(queued))
}

/// How many users of a run have failed actions or were left undone, and how many changes to the
/// tenant itself.
pub async fn count_retriable(db: &mut sqlx::AnyConnection, of: RunId) -> Result<i64> {
    let users: i64 = sqlx::query_scalar(
        "select count(*) from plan_users p where p.run_id = $1
           and (p.settled = 0 or exists (select 1 from actions a where a.run_id = p.run_id
             and a.user_id = p.user_id and a.state = 'failed'))",
    )
    .bind(of.to_string())
    .fetch_one(&mut *db)
    .await?;
    Ok(users + super::tenant_actions::count_undone(db, of).await?)
}

/// Discards a plan that waits and makes it anew: after choices on its page, or when it is stale.
pub async fn plan_again(
    tx: &mut Write,
    random: &dyn Random,
    id: RunId,
    by: &Author,
    now: Timestamp,
) -> Result<Queued> {
    let run = lock(tx, id).await?;
    look_again_at_planned(tx, &run).await?;
    // The new plan has the same wishes.
    let wished = wishes::keep_of_run(tx, &run).await?;
    discard(tx, id, by, now).await?;
    wishes::put_back(tx, &run, &wished).await?;
    queue(tx, random, &again(&run), by, now).await
}

/// The same run once more, asked for by a person.
fn again(run: &Run) -> NewRun {
    NewRun {
        application_id: run.application_id,
        trigger: Trigger::Operator,
        scope: run.scope,
        mode: run.mode,
        only_user: run.only_user,
        request: run.request.clone(),
    }
}

/// Marks everyone in a plan that is thrown away to be looked at again: while it waited they counted
/// as settled, and a run over changes would pass them by.
pub(crate) async fn look_again_at_planned(tx: &mut Write, run: &Run) -> Result<()> {
    let rows = sqlx::query("select user_id from plan_users where run_id = $1")
        .bind(run.id.to_string())
        .fetch_all(&mut **tx)
        .await?;
    let users = rows
        .iter()
        .map(|row| TableRow::new("plan_users", row).parsed("user_id"))
        .collect::<Result<Vec<UserId>>>()?;
    provisioning::bump_quietly(tx, run.application_id, &users).await?;
    group_push::plan::look_again(tx, run.id, false).await?;
    Ok(())
}
