//! Runs: queued once, claimed by one worker at a time, approved by people, kept as history.

pub mod actions;
pub mod approval;
pub mod chains;
mod federating;
pub mod lease;
pub mod outcomes;
pub mod plan;
pub mod removals;
pub mod reverts;
pub mod tenant_actions;
#[cfg(test)]
mod tests;

use serde_json::json;
use signpost_model::audit::{Actor, Subject};
use signpost_model::run::{Run, RunFailure, RunMode, RunScope, RunState, Tally, Trigger};
use signpost_model::time::{HOUR_MS, MINUTE_MS};
use signpost_model::{ApplicationId, Author, Random, RunId, TenantRequest, Timestamp, UserId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::paging::{Page, PageRequest, page};
use crate::rows::{TableRow, to_json};
use crate::{Constraint, Error, Result, Store, Write, applications, audit, unanswered, wishes};
pub use lease::RunLease;

pub(crate) const COLUMNS: &str = "id, application_id, run_trigger, scope, mode, only_user, state, \
     requested_by, approved_by, approved_at, users, in_sync, blocked, actions, removals, applied, failed, \
     skipped, plan_hash, waits_for, failure, cancel_requested, created_at, started_at, \
     planned_at, finished_at, request";

/// A wish for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    pub application_id: ApplicationId,
    pub trigger: Trigger,
    pub scope: RunScope,
    pub mode: RunMode,
    /// Limits the run to one user ("Sync now").
    pub only_user: Option<UserId>,
    /// What is asked of the tenant itself; for [`RunScope::Tenant`] and no other.
    pub request: Option<TenantRequest>,
}

impl NewRun {
    /// A run about the tenant itself: it waits with its plan, or goes on by itself.
    pub fn of_tenant(
        application_id: ApplicationId,
        request: TenantRequest,
        trigger: Trigger,
        mode: RunMode,
    ) -> Self {
        Self {
            application_id,
            trigger,
            scope: RunScope::Tenant,
            mode,
            only_user: None,
            request: Some(request),
        }
    }
}

/// What came of a wish for a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Queued {
    Created(Run),
    /// The same run waits already: a double click, or another operator.
    Already(Run),
}

impl Queued {
    /// The run that will answer the wish.
    pub fn run(&self) -> &Run {
        match self {
            Self::Created(run) | Self::Already(run) => run,
        }
    }
}

/// Queues a run, unless the same one waits already.
pub async fn queue(
    tx: &mut Write,
    random: &dyn Random,
    new: &NewRun,
    by: &Author,
    now: Timestamp,
) -> Result<Queued> {
    let subject = applications::subject_of(tx, new.application_id).await?;
    let requested_by = match by.actor {
        Actor::Signpost => "",
        _ => by.name(),
    };
    // A run that waits may be claimed between the two statements: then the wish is a new one.
    for _ in 0..3 {
        let id = RunId::mint(now, random);
        let created = insert(tx, id, new, requested_by, now).await?;
        let waiting = if created {
            find(tx, id).await?
        } else {
            find_queued(tx, new).await?
        };
        let Some(run) = waiting else { continue };
        if !created {
            return Ok(Queued::Already(run));
        }
        if by.actor != Actor::Signpost {
            let mut entry = by.entry("run.requested", subject);
            entry.after = Some(json!({
                "run": run.id,
                "scope": run.scope,
                "mode": run.mode,
                "request": run.request,
            }));
            audit::append(tx, &entry, now);
        }
        return Ok(Queued::Created(run));
    }
    Err(Error::Stale("run"))
}

async fn insert(
    tx: &mut Write,
    id: RunId,
    new: &NewRun,
    requested_by: &str,
    now: Timestamp,
) -> Result<bool> {
    let inserted = sqlx::query(
        "insert into runs (id, application_id, run_trigger, scope, mode, only_user, state,
           requested_by, users, in_sync, blocked, actions, removals, applied, failed, skipped,
           cancel_requested, created_at, fence, request)
         values ($1, $2, $3, $4, $5, $6, 'queued', $7, 0, 0, 0, 0, 0, 0, 0, 0, 0, $8, 0, $9)
         on conflict do nothing",
    )
    .bind(id.to_string())
    .bind(new.application_id.to_string())
    .bind(new.trigger.key())
    .bind(new.scope.key())
    .bind(new.mode.key())
    .bind(new.only_user.map(|id| id.to_string()).unwrap_or_default())
    .bind(requested_by)
    .bind(now.as_millis())
    .bind(request_text(new)?)
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

fn request_text(new: &NewRun) -> Result<String> {
    let text = new.request.as_ref().map(to_json).transpose()?;
    Ok(text.unwrap_or_default())
}

async fn find_queued(tx: &mut Write, new: &NewRun) -> Result<Option<Run>> {
    let sql = format!(
        "select {COLUMNS} from runs where application_id = $1 and scope = $2 and mode = $3
           and only_user = $4 and request = $5 and state = 'queued' and approved_at is null"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(new.application_id.to_string())
        .bind(new.scope.key())
        .bind(new.mode.key())
        .bind(new.only_user.map(|id| id.to_string()).unwrap_or_default())
        .bind(request_text(new)?)
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| run(&row)).transpose()
}

/// Queues the runs that nobody asks for: where the connection works, a first sync was done by
/// hand, and nothing is under way.
pub async fn queue_due(tx: &mut Write, random: &dyn Random, now: Timestamp) -> Result<Vec<Run>> {
    let mut wanted = list_changed(tx, now).await?;
    for scheduled in list_scheduled(tx, now).await? {
        let same = |new: &&mut NewRun| new.application_id == scheduled.application_id;
        match wanted.iter_mut().find(same) {
            None => wanted.push(scheduled),
            // Everyone includes those who changed.
            Some(changed) if scheduled.scope == RunScope::Everyone => *changed = scheduled,
            Some(_) => {}
        }
    }
    let mut queued = Vec::new();
    for new in wanted {
        if let Queued::Created(run) = queue(tx, random, &new, &Author::SIGNPOST, now).await? {
            queued.push(run);
        }
    }
    Ok(queued)
}

/// A run for each application whose users changed or are due. A connection that keeps failing rests
/// for an hour at most: one that is to rest for two was told so by a clock that has been set back.
async fn list_changed(tx: &mut Write, now: Timestamp) -> Result<Vec<NewRun>> {
    let rows = sqlx::query(
        "select a.id from applications a join connections c on c.application_id = a.id
         where a.deleted_at is null and a.first_synced_at is not null and a.paused_at is null
           and c.state in ('connected', 'with_problems')
           and (c.retry_at is null or c.retry_at <= $1 or c.retry_at > $1 + 7200000)
           and not exists (select 1 from runs r where r.application_id = a.id
             and r.state in ('planning', 'applying'))
           and not exists (select 1 from runs r where r.application_id = a.id
             and r.state = 'queued' and r.mode = 'sync' and r.only_user = ''
             and r.scope <> 'tenant')
           and (exists (select 1 from provisioning p where p.application_id = a.id
                  and p.revision <> p.settled_revision and p.revision > p.quiet_revision)
             or exists (select 1 from pushed_groups g where g.application_id = a.id
                  and ((g.revision <> g.settled_revision and g.revision > g.quiet_revision)
                    or (g.due_at is not null and g.due_at <= $1)))
             or exists (select 1 from provisioning p where p.application_id = a.id
                  and p.due_at is not null and p.due_at <= $1))
         order by a.id",
    )
    .bind(now.as_millis())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(NewRun {
                application_id: TableRow::new("applications", row).parsed("id")?,
                trigger: Trigger::Change,
                scope: RunScope::Changed,
                mode: RunMode::Sync,
                only_user: None,
                request: None,
            })
        })
        .collect()
}

/// A run for each application that was not looked at for long, over everyone when that is due: who
/// waited for a seat or a domain, whose plan was discarded, whom the retries gave up. A run that
/// failed does not count: the connection says when to try again. Nor does one of the future, which
/// a clock that has been set back left behind.
async fn list_scheduled(tx: &mut Write, now: Timestamp) -> Result<Vec<NewRun>> {
    let rows = sqlx::query(
        "select d.id, case when d.full_at + d.full_ms <= $1 then 1 else 0 end as everyone from (
           select a.id, a.look_minutes * cast($2 as bigint) as look_ms, a.full_hours * cast($3 as bigint) as full_ms,
             coalesce((select r.created_at from runs r where r.application_id = a.id
               and r.mode = 'sync' and r.only_user = '' and r.scope <> 'tenant'
               and r.state <> 'failed' and r.created_at <= $1
               order by r.id desc limit 1), 0) as looked_at,
             coalesce((select r.created_at from runs r where r.application_id = a.id
               and r.mode = 'sync' and r.only_user = '' and r.state <> 'failed'
               and r.scope = 'everyone' and r.run_trigger in ('schedule', 'command_line')
               and r.created_at <= $1 order by r.id desc limit 1), a.first_synced_at) as full_at
           from applications a join connections c on c.application_id = a.id
           where a.deleted_at is null and a.first_synced_at is not null and a.paused_at is null
             and c.state in ('connected', 'with_problems')
             and (c.retry_at is null or c.retry_at <= $1 or c.retry_at > $1 + 7200000)
             and not exists (select 1 from runs r where r.application_id = a.id
               and r.state in ('queued', 'planning', 'applying'))) d
         where d.looked_at + d.look_ms <= $1 or d.full_at + d.full_ms <= $1 order by d.id",
    )
    .bind(now.as_millis())
    .bind(MINUTE_MS)
    .bind(HOUR_MS)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("applications", row);
            Ok(NewRun {
                application_id: columns.parsed("id")?,
                trigger: Trigger::Schedule,
                scope: if columns.flag("everyone")? {
                    RunScope::Everyone
                } else {
                    RunScope::Changed
                },
                mode: RunMode::Sync,
                only_user: None,
                request: None,
            })
        })
        .collect()
}

/// The last runs about the tenant of an application itself, newest first.
pub async fn list_of_tenant(
    db: &mut AnyConnection,
    application: ApplicationId,
    limit: i64,
) -> Result<Vec<Run>> {
    let sql = format!(
        "select {COLUMNS} from runs where application_id = $1 and scope = 'tenant'
         order by id desc limit $2"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(run).collect()
}

/// A run that a worker holds now.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// In `Planning` or `Applying`: what is to be done.
    pub run: Run,
    pub lease: RunLease,
    /// Another worker held it and gave no sign of life: what it marked as sent is unknown.
    pub taken_over: bool,
}

/// Claims the next run: first those whose holder has fallen silent, then the oldest that waits
/// for a tenant nobody works on. Two workers never get the same.
pub async fn claim(
    store: &Store,
    holder: &str,
    length_ms: i64,
    now: Timestamp,
) -> Result<Option<Claim>> {
    let silent = format!(
        "select id from runs where state in ('planning', 'applying') and {} order by id limit 1",
        is_silent()
    );
    if let Some(claim) = take(store, &silent, true, holder, length_ms, now).await? {
        return Ok(Some(claim));
    }
    let waiting = "select q.id from runs q join applications a on a.id = q.application_id
                   where q.state = 'queued' and a.deleted_at is null
                     and not exists (select 1 from runs b where b.application_id = q.application_id
                       and b.state in ('planning', 'applying'))
                   order by case when q.run_trigger = 'schedule' and q.scope = 'tenant' then 0
                     when q.only_user = '' then 2 else 1 end, q.id limit 1";
    take(store, waiting, false, holder, length_ms, now).await
}

/// No lease reaches so far: one that does was given by a clock that has been set back since.
const LONGEST_LEASE_MS: i64 = 10 * MINUTE_MS;

/// Whether the holder of a run has given no sign of life by `$1`.
fn is_silent() -> String {
    format!("(lease_until < $1 or lease_until > $1 + {LONGEST_LEASE_MS})")
}

async fn take(
    store: &Store,
    which: &str,
    taken_over: bool,
    holder: &str,
    length_ms: i64,
    now: Timestamp,
) -> Result<Option<Claim>> {
    let mut tx = store.write().await?;
    let still = if taken_over {
        format!("state in ('planning', 'applying') and {}", is_silent())
    } else {
        "state = 'queued'".to_owned()
    };
    let sql = format!(
        "update runs set lease_holder = $2, lease_until = $3, heartbeat_at = $1, fence = fence + 1,
           state = case when state = 'queued' and approved_at is null then 'planning'
                        when state = 'queued' then 'applying' else state end,
           started_at = coalesce(started_at, $1)
         where id = ({which}) and {still} returning {COLUMNS}, fence"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(now.as_millis())
        .bind(holder)
        .bind(now.plus_millis(length_ms).as_millis())
        .fetch_optional(&mut *tx)
        .await
        .map_err(Error::from);
    let row = match row {
        Ok(Some(row)) => row,
        Ok(None) => return Ok(None),
        // Another worker took a run of the same tenant at this moment.
        Err(error) if error.is_conflict(Constraint::ActiveRun) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut run = run(&row)?;
    if run.state == RunState::Applying && !taken_over && approval::is_stale(&mut tx, &run).await? {
        approval::look_again_at_planned(&mut tx, &run).await?;
        run.state = RunState::Planning;
    }
    if run.state == RunState::Planning {
        plan::begin(&mut tx, &run).await?;
        (run.plan_hash, run.approved_by, run.tally) = (None, None, Tally::default());
    }
    tx.commit().await?;
    let lease = RunLease {
        run_id: run.id,
        application_id: run.application_id,
        holder: holder.to_owned(),
        fence: TableRow::new("runs", &row).number("fence")?,
        length_ms,
    };
    Ok(Some(Claim {
        run,
        lease,
        taken_over,
    }))
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// Every action has its outcome.
    Done,
    /// Somebody stopped it; what is left starts again only when asked for.
    Cancelled,
    /// What makes the rest pointless.
    Failed(RunFailure),
}

/// Ends a run. What was planned and not tried is skipped.
pub async fn finish(store: &Store, lease: &RunLease, end: &RunEnd, now: Timestamp) -> Result<Run> {
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let because = match end {
        RunEnd::Cancelled => signpost_model::run::SkipReason::Cancelled,
        RunEnd::Done | RunEnd::Failed(_) => signpost_model::run::SkipReason::RunEnded,
    };
    let skipped = outcomes::skip_rest(&mut tx, lease.run_id, because, now).await?
        + tenant_actions::skip_rest(&mut tx, lease.run_id, because, now).await?;
    unanswered::note_rest(&mut tx, lease.application_id, lease.run_id).await?;
    if *end == RunEnd::Cancelled {
        plan::hold_back(&mut tx, lease.run_id).await?;
        wishes::forget_of_run(&mut tx, lease.run_id).await?;
    }
    let (state, failure) = match end {
        RunEnd::Done => (
            "case when failed > 0 then 'completed_with_failures' else 'succeeded' end",
            None,
        ),
        RunEnd::Cancelled => ("'cancelled'", None),
        RunEnd::Failed(failure) => ("'failed'", Some(to_json(failure)?)),
    };
    let sql = format!(
        "update runs set state = {state}, failure = $1, skipped = skipped + $2, finished_at = $3,
           lease_holder = null, lease_until = null
         where id = $4 returning {COLUMNS}"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(failure)
        .bind(skipped)
        .bind(now.as_millis())
        .bind(lease.run_id.to_string())
        .fetch_one(&mut *tx)
        .await?;
    let run = run(&row)?;
    if *end == RunEnd::Done && run.scope != RunScope::Tenant {
        applications::set_first_synced(&mut tx, lease.application_id, now).await?;
    }
    tx.commit().await?;
    Ok(run)
}

/// The run with this id.
pub async fn find(db: &mut AnyConnection, id: RunId) -> Result<Option<Run>> {
    let sql = format!("select {COLUMNS} from runs where id = $1");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    row.map(|row| run(&row)).transpose()
}

/// Runs, newest first: of one application, or of all.
pub async fn list(
    db: &mut AnyConnection,
    application: Option<ApplicationId>,
    request: &PageRequest,
) -> Result<Page<Run>> {
    let backward = request.is_backward();
    let (beyond, order) = if backward {
        (">", "asc")
    } else {
        ("<", "desc")
    };
    let sql = format!(
        "select {COLUMNS} from runs where ($1 = '' or application_id = $1)
           and ($2 = '' or id {beyond} $2) order by id {order} limit $3"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.map(|id| id.to_string()).unwrap_or_default())
        .bind(request.cursor.as_ref().map_or("", |cursor| cursor.id()))
        .bind(request.fetch())
        .fetch_all(db)
        .await?;
    let runs = rows.iter().map(run).collect::<Result<Vec<_>>>()?;
    Ok(page(request, runs, |run| {
        (run.created_at.as_millis().into(), run.id.to_string())
    }))
}

/// Runs of an application that are not over, newest first.
pub async fn list_open(db: &mut AnyConnection, application: ApplicationId) -> Result<Vec<Run>> {
    let sql = format!(
        "select {COLUMNS} from runs where application_id = $1
           and state in ('queued', 'planning', 'awaiting_approval', 'applying')
         order by id desc limit 50"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(run).collect()
}

/// The newest finished run of an application with this scope: what the schedule counts from.
pub async fn find_last_finished(
    db: &mut AnyConnection,
    application: ApplicationId,
    scope: RunScope,
) -> Result<Option<Run>> {
    let sql = format!(
        "select {COLUMNS} from runs where application_id = $1 and scope = $2 and mode = 'sync'
           and only_user = '' and finished_at is not null order by id desc limit 1"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(scope.key())
        .fetch_optional(db)
        .await?;
    row.map(|row| run(&row)).transpose()
}

/// When the oldest run that still waits for a worker was queued.
pub async fn find_oldest_waiting(db: &mut AnyConnection) -> Result<Option<Timestamp>> {
    let oldest: Option<i64> =
        sqlx::query_scalar("select min(created_at) from runs where state = 'queued'")
            .fetch_one(db)
            .await?;
    Ok(oldest.map(Timestamp::from_millis))
}

/// The run, for an event of the audit trail.
pub(crate) fn subject(run: &Run) -> Subject {
    Subject::new("run", run.id, format!("{} ({})", run.id, run.scope.label()))
}

/// Takes an unfinished run for a change by a person.
pub(crate) async fn lock(tx: &mut Write, id: RunId) -> Result<Run> {
    let sql = format!("update runs set fence = fence where id = $1 returning {COLUMNS}");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(id.to_string())
        .fetch_optional(&mut **tx)
        .await?
        .ok_or(Error::NotFound("run"))?;
    run(&row)
}

pub(crate) fn run(row: &AnyRow) -> Result<Run> {
    let columns = TableRow::new("runs", row);
    let only_user = columns.text("only_user")?;
    let request = columns.text("request")?;
    Ok(Run {
        id: columns.parsed("id")?,
        application_id: columns.parsed("application_id")?,
        trigger: columns.parsed("run_trigger")?,
        scope: columns.parsed("scope")?,
        mode: columns.parsed("mode")?,
        only_user: if only_user.is_empty() {
            None
        } else {
            Some(columns.parsed("only_user")?)
        },
        request: if request.is_empty() {
            None
        } else {
            Some(columns.json("request")?)
        },
        state: columns.parsed("state")?,
        requested_by: columns.text("requested_by")?,
        approved_by: columns.optional_text("approved_by")?,
        approved_at: columns.optional_time("approved_at")?,
        tally: tally(columns)?,
        plan_hash: columns.optional_text("plan_hash")?,
        waits_for: columns.optional_json("waits_for")?,
        failure: columns.optional_json("failure")?,
        cancel_requested: columns.flag("cancel_requested")?,
        created_at: columns.time("created_at")?,
        started_at: columns.optional_time("started_at")?,
        planned_at: columns.optional_time("planned_at")?,
        finished_at: columns.optional_time("finished_at")?,
    })
}

fn tally(columns: TableRow<'_>) -> Result<Tally> {
    Ok(Tally {
        users: columns.number("users")?,
        in_sync: columns.number("in_sync")?,
        blocked: columns.number("blocked")?,
        actions: columns.number("actions")?,
        removals: columns.number("removals")?,
        applied: columns.number("applied")?,
        failed: columns.number("failed")?,
        skipped: columns.number("skipped")?,
    })
}
