//! Where users stand with an application, and which of them have to be looked at again.
//!
//! Whatever happens to a user's desired side or account counts their `revision` up; a plan settles
//! the revision it was made from. A change made in between leaves the two different, so it is
//! never lost.
//!
//! What happens to a user starts a run by itself. A change of an application's settings concerns
//! everyone and does not: until `quiet_revision` a revision waits for Sync Users or the schedule.

use serde_json::json;
use signpost_model::audit::Subject;
use signpost_model::plan::ObjectId;
use signpost_model::provisioning::{Decision, LastOutcome};
use signpost_model::{
    ApplicationId, Author, GroupId, Principal, Provisioning, ProvisioningState, RunId, Timestamp,
    UserId,
};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::rows::{TableRow, json_keys, to_json};
use crate::scope::IN_SCOPE_OF_ASSIGNMENT;
use crate::{Error, Result, Write, applications, audit, group_push};

/// Notes that these users changed, so that applications plan them again.
pub(crate) async fn touch_users(tx: &mut Write, users: &[UserId]) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let which = "u.id in (select key from json_each(json($1)))";
    touch(tx, which, json_keys(users), None, Wakes::AtOnce).await
}

/// Notes that every member of this group changed.
pub(crate) async fn touch_all_of_group(tx: &mut Write, group: GroupId) -> Result<()> {
    let which = "u.id in (select user_id from memberships where group_id = $1)";
    touch(tx, which, group.to_string(), None, Wakes::AtOnce).await
}

/// Notes that an application gives everyone something else from now on. It starts no run: an
/// operator looks at the plan first.
pub(crate) async fn touch_application(tx: &mut Write, application: ApplicationId) -> Result<()> {
    sqlx::query("update applications set desired_revision = desired_revision + 1 where id = $1")
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    let id = application.to_string();
    touch(tx, "a.id = $1", id, None, Wakes::WhenAsked).await
}

/// Notes that these users and the members of these groups have the application now, or no more.
pub(crate) async fn touch_principals(
    tx: &mut Write,
    application: ApplicationId,
    principals: &[Principal],
) -> Result<()> {
    let which = "u.id in (select key from json_each(json($1)))
        or u.id in (select m.user_id from memberships m
                    where m.group_id in (select key from json_each(json($1))))";
    let ids = json_keys(principals.iter().map(|principal| principal.id()));
    touch(tx, which, ids, Some(application), Wakes::AtOnce).await
}

/// Whether a change starts a run by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wakes {
    AtOnce,
    WhenAsked,
}

impl Wakes {
    /// The quiet revision of a row that is counted up: a change that waits for its run already
    /// stays one that starts it.
    const fn quiet_revision(self) -> &'static str {
        match self {
            Self::AtOnce => "provisioning.quiet_revision",
            Self::WhenAsked => {
                "case when provisioning.revision <> provisioning.settled_revision
                   and provisioning.revision > provisioning.quiet_revision
                 then provisioning.quiet_revision else provisioning.revision + 1 end"
            }
        }
    }
}

/// Counts up the revision of everyone chosen who stands in an application or could come into it.
async fn touch(
    tx: &mut Write,
    which: &str,
    argument: String,
    application: Option<ApplicationId>,
    wakes: Wakes,
) -> Result<()> {
    let quiet = wakes.quiet_revision();
    let first = i64::from(wakes == Wakes::WhenAsked);
    let only = if application.is_some() {
        "and a.id = $2"
    } else {
        ""
    };
    let sql = format!(
        "insert into provisioning
           (application_id, user_id, revision, settled_revision, state, attempts, quiet_revision)
         select a.id, u.id, 1, 0, 'pending', 0, {first} from users u cross join applications a
         where a.deleted_at is null and ({which}) {only}
           and (exists (select 1 from provisioning p
                        where p.application_id = a.id and p.user_id = u.id)
             or (u.deleted_at is null
                 and (a.access_type <> 'assigned' or {IN_SCOPE_OF_ASSIGNMENT})))
         order by a.id, u.id
         on conflict (application_id, user_id) do update
           set revision = provisioning.revision + 1, quiet_revision = {quiet}"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(argument);
    if let Some(application) = application {
        query = query.bind(application.to_string());
    }
    query.execute(&mut **tx).await?;
    Ok(())
}

/// Forgets users that are removed for good, given as keys.
pub(crate) async fn forget_users(tx: &mut Write, users: &str) -> Result<()> {
    for sql in [
        "delete from provisioning where user_id in (select key from json_each(json($1)))",
        "delete from links where user_id in (select key from json_each(json($1)))",
        "delete from decisions where user_id in (select key from json_each(json($1)))",
        "delete from snapshots where user_id in (select key from json_each(json($1)))",
        "delete from restorations where user_id in (select key from json_each(json($1)))",
        "delete from unanswered where user_id in (select key from json_each(json($1)))",
        "delete from drifts where user_id in (select key from json_each(json($1)))",
        "delete from membership_drifts where user_id in (select key from json_each(json($1)))",
        "delete from assignments where principal_kind = 'user'
           and principal_id in (select key from json_each(json($1)))",
    ] {
        sqlx::query(sql).bind(users).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Forgets groups that are removed for good.
pub(crate) async fn forget_groups(tx: &mut Write, groups: &[GroupId]) -> Result<()> {
    for sql in [
        "delete from assignments where principal_kind = 'group'
           and principal_id in (select key from json_each(json($1)))",
        "delete from grants where group_id in (select key from json_each(json($1)))",
    ] {
        sqlx::query(sql)
            .bind(json_keys(groups))
            .execute(&mut **tx)
            .await?;
    }
    group_push::forget_groups(tx, &json_keys(groups)).await
}

/// Notes that the accounts of these users changed; users that the application does not follow
/// stay out of it.
pub(crate) async fn bump(
    db: &mut AnyConnection,
    application: ApplicationId,
    users: &[UserId],
) -> Result<u64> {
    count_up(db, application, users, Wakes::AtOnce).await
}

/// Notes that a plan over these users is made anew by whoever asked for it: no other run has to
/// start for them.
pub(crate) async fn bump_quietly(
    db: &mut AnyConnection,
    application: ApplicationId,
    users: &[UserId],
) -> Result<u64> {
    count_up(db, application, users, Wakes::WhenAsked).await
}

async fn count_up(
    db: &mut AnyConnection,
    application: ApplicationId,
    users: &[UserId],
    wakes: Wakes,
) -> Result<u64> {
    if users.is_empty() {
        return Ok(0);
    }
    // Rows are taken in the order of their ids, as everywhere: two writers that meet wait for each
    // other once, and never in a circle. An `update` takes them as it finds them.
    let quiet = wakes.quiet_revision();
    let sql = format!(
        "insert into provisioning
           (application_id, user_id, revision, settled_revision, state, attempts)
         select p.application_id, p.user_id, 1, 0, 'pending', 0 from provisioning p
         where p.application_id = $1 and p.user_id in (select key from json_each(json($2)))
         order by p.user_id
         on conflict (application_id, user_id) do update
           set revision = provisioning.revision + 1, quiet_revision = {quiet}"
    );
    let changed = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(json_keys(users))
        .execute(db)
        .await?;
    Ok(changed.rows_affected())
}

/// Marks users to be looked at again because an operator asked for it, at once and with their
/// failures forgotten.
pub async fn look_again(
    tx: &mut Write,
    application: ApplicationId,
    users: &[UserId],
    now: Timestamp,
) -> Result<u64> {
    let changed = sqlx::query(
        "update provisioning set revision = revision + 1, attempts = 0,
           due_at = case when due_at is null then null else $3 end
         where application_id = $1 and user_id in (select key from json_each(json($2)))",
    )
    .bind(application.to_string())
    .bind(json_keys(users))
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected())
}

/// How many users wait for Sync Users or the schedule, because settings changed since their plan.
pub async fn count_quiet(db: &mut AnyConnection, application: ApplicationId) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "select count(*) from provisioning where application_id = $1
           and revision <> settled_revision and revision <= quiet_revision",
    )
    .bind(application.to_string())
    .fetch_one(db)
    .await?)
}

/// How many users have to be looked at: changed, due for another try, or at a date.
pub async fn count_dirty(
    db: &mut AnyConnection,
    application: ApplicationId,
    now: Timestamp,
) -> Result<i64> {
    // Two counts, each with its own index; a user in both is rare and counted twice for a moment.
    Ok(sqlx::query_scalar(
        "select (select count(*) from provisioning
                 where application_id = $1 and revision <> settled_revision)
              + (select count(*) from provisioning
                 where application_id = $1 and due_at is not null and due_at <= $2
                   and revision = settled_revision)",
    )
    .bind(application.to_string())
    .bind(now.as_millis())
    .fetch_one(db)
    .await?)
}

/// The users that have to be looked at, in the order of their ids.
pub async fn next_dirty(
    db: &mut AnyConnection,
    application: ApplicationId,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<UserId>> {
    let rows = sqlx::query(
        "select user_id from provisioning where application_id = $1
           and (revision <> settled_revision or (due_at is not null and due_at <= $2))
         order by user_id limit $3",
    )
    .bind(application.to_string())
    .bind(now.as_millis())
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| TableRow::new("provisioning", row).parsed("user_id"))
        .collect()
}

/// What a run leaves on a user's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub user_id: UserId,
    /// The revision that the plan was made from.
    pub revision: i64,
    pub state: ProvisioningState,
    pub removed_at: Option<Timestamp>,
    pub last_outcome: Option<LastOutcome>,
    pub attempts: i64,
    pub due_at: Option<Timestamp>,
    /// The user name the user is to have.
    pub desired_name: Option<String>,
}

impl Settled {
    /// Whether the row says all this already, so that nothing has to be written.
    pub fn is_as_before(&self, before: &Provisioning) -> bool {
        self.revision == before.settled_revision
            && self.state == before.state
            && self.removed_at == before.removed_at
            && self.last_outcome == before.last_outcome
            && self.attempts == before.attempts
            && self.due_at == before.due_at
            && self.desired_name == before.desired_name
    }
}

/// Settles the revisions that a run has dealt with. Whoever changed since stays to be looked at.
pub(crate) async fn settle(
    db: &mut AnyConnection,
    application: ApplicationId,
    run: Option<RunId>,
    settled: &[Settled],
    now: Timestamp,
) -> Result<()> {
    for chunk in settled.chunks(1_000) {
        let mut rows = serde_json::Map::with_capacity(chunk.len());
        for one in chunk {
            let outcome = one.last_outcome.as_ref().map(to_json).transpose()?;
            let row = json!([
                one.revision,
                one.state.key(),
                one.removed_at,
                outcome,
                one.attempts,
                one.due_at,
                one.desired_name,
            ]);
            rows.insert(one.user_id.to_string(), row);
        }
        sqlx::query(
            "insert into provisioning (application_id, user_id, revision, settled_revision, state,
               removed_at, last_outcome, attempts, due_at, desired_name, last_run, waits_since)
             select $1, e.key, cast(e.value ->> 0 as bigint), cast(e.value ->> 0 as bigint),
               e.value ->> 1, cast(e.value ->> 2 as bigint), e.value ->> 3,
               cast(e.value ->> 4 as bigint), cast(e.value ->> 5 as bigint), e.value ->> 6, $3,
               case when e.value ->> 3 like '%\"no_seats\"%' then cast($4 as bigint) end
             from json_each(json($2)) e where true
             on conflict (application_id, user_id) do update set
               settled_revision = excluded.settled_revision, state = excluded.state,
               removed_at = excluded.removed_at, last_outcome = excluded.last_outcome,
               attempts = excluded.attempts, due_at = excluded.due_at,
               desired_name = excluded.desired_name,
               last_run = coalesce(excluded.last_run, provisioning.last_run),
               waits_since = case when excluded.waits_since is not null
                 then coalesce(provisioning.waits_since, excluded.waits_since) end",
        )
        .bind(application.to_string())
        .bind(serde_json::Value::Object(rows).to_string())
        .bind(run.map(|run| run.to_string()))
        .bind(now.as_millis())
        .execute(&mut *db)
        .await?;
        forget_fulfilled(db, application, chunk).await?;
    }
    Ok(())
}

/// A wish to restore is over once a plan that knew it was carried out; a failure is tried again.
async fn forget_fulfilled(
    db: &mut AnyConnection,
    application: ApplicationId,
    settled: &[Settled],
) -> Result<()> {
    let done = settled
        .iter()
        .filter(|one| one.state != ProvisioningState::Failed)
        .map(|one| (one.user_id.to_string(), json!([one.revision])));
    let done: serde_json::Map<_, _> = done.collect();
    sqlx::query(
        "delete from restorations where application_id = $1
           and user_id in (select key from json_each(json($2)))
           and exists (select 1 from json_each(json($2)) e where e.key = restorations.user_id
             and cast(e.value ->> 0 as bigint) >= restorations.revision)",
    )
    .bind(application.to_string())
    .bind(serde_json::Value::Object(done).to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// How many users stand where.
pub async fn count_states(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Vec<(ProvisioningState, i64)>> {
    let rows = sqlx::query(
        "select state, count(*) as number from provisioning where application_id = $1
         group by state order by state",
    )
    .bind(application.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("provisioning", row);
            Ok((columns.parsed("state")?, columns.number("number")?))
        })
        .collect()
}

/// Which other users are planned to have one of these user names: none may be given twice.
pub async fn find_desired_names(
    db: &mut AnyConnection,
    application: ApplicationId,
    names: &[&str],
) -> Result<Vec<(String, UserId)>> {
    let rows = sqlx::query(
        "select user_id, desired_name from provisioning where application_id = $1
           and state not in ('left', 'left_out')
           and desired_name in (select key from json_each(json($2)))
         order by user_id",
    )
    .bind(application.to_string())
    .bind(json_keys(
        names.iter().map(|name| signpost_model::text::fold(name)),
    ))
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("provisioning", row);
            Ok((columns.text("desired_name")?, columns.parsed("user_id")?))
        })
        .collect()
}

/// Keeps what an operator chose for a user, or forgets it; the user is looked at again.
pub async fn decide(
    tx: &mut Write,
    application: ApplicationId,
    user: UserId,
    decision: Option<&Decision>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let names: Option<(String, String)> = sqlx::query_as(
        "select u.display_name, a.name from users u cross join applications a
         where u.id = $1 and a.id = $2 and a.deleted_at is null",
    )
    .bind(user.to_string())
    .bind(application.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    let Some((user_name, application_name)) = names else {
        return Err(Error::NotFound("user"));
    };
    write_decision(tx, application, user, decision, by, now).await?;
    touch(
        tx,
        "u.id = $1",
        user.to_string(),
        Some(application),
        Wakes::WhenAsked,
    )
    .await?;
    let action = match decision {
        Some(Decision::Link(_)) => "match.linked",
        Some(Decision::LeaveOut) => "match.left_out",
        None => "match.reopened",
    };
    let mut entry = by.entry(action, Subject::new("user", user, user_name));
    let account = match decision {
        Some(Decision::Link(id)) => Some(id.as_str()),
        _ => None,
    };
    entry.after = Some(json!({ "application": application_name, "account": account }));
    audit::append(tx, &entry, now);
    Ok(())
}

async fn write_decision(
    tx: &mut Write,
    application: ApplicationId,
    user: UserId,
    decision: Option<&Decision>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let Some(decision) = decision else {
        sqlx::query("delete from decisions where application_id = $1 and user_id = $2")
            .bind(application.to_string())
            .bind(user.to_string())
            .execute(&mut **tx)
            .await?;
        return Ok(());
    };
    let object_id = match decision {
        Decision::Link(id) => id.as_str(),
        Decision::LeaveOut => "",
    };
    sqlx::query(
        "insert into decisions (application_id, user_id, object_id, decided_by, decided_at)
         values ($1, $2, $3, $4, $5)
         on conflict (application_id, user_id) do update set object_id = excluded.object_id,
           decided_by = excluded.decided_by, decided_at = excluded.decided_at",
    )
    .bind(application.to_string())
    .bind(user.to_string())
    .bind(object_id)
    .bind(by.name())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Reads the decision's column: an account's id, or nothing for leaving the user out.
pub(crate) fn decision(object_id: &str) -> Decision {
    if object_id.is_empty() {
        Decision::LeaveOut
    } else {
        Decision::Link(ObjectId::new(object_id))
    }
}

/// An application's settings changed: everyone is looked at again, and the trail says what.
pub(crate) async fn settings_changed(
    tx: &mut Write,
    application: ApplicationId,
    action: &'static str,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    touch_application(tx, application).await?;
    let subject = applications::subject_of(tx, application).await?;
    let mut entry = by.entry(action, subject);
    (entry.before, entry.after) = (before, after);
    audit::append(tx, &entry, now);
    Ok(())
}
