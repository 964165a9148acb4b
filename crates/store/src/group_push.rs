//! Groups of the directory that an application pushes into its tenant: what operators choose, and
//! where each group stands.
//!
//! As with users, whatever happens to a pushed group counts its `revision` up, and a plan settles
//! the revision it was made from.

pub mod drifts;
pub mod inputs;
pub mod outcomes;
pub mod plan;
pub mod tenant;
#[cfg(test)]
mod tests;

use serde_json::json;
use signpost_model::audit::Subject;
use signpost_model::group_push::{
    GroupBlocker, OnRemoval, PushDecision, PushState, TenantGroup, Untouchable,
};
use signpost_model::plan::ObjectId;
use signpost_model::run::Outcome;
use signpost_model::{ApplicationId, Author, GroupId, RunId, Timestamp, UserId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::rows::{TableRow, json_keys};
use crate::{Error, Result, Write, applications, audit, groups, provisioning};

/// The quiet revision of a group that is counted up because of what an operator chose: it waits for
/// Sync Users or the schedule, unless something else starts a run for it already.
const QUIET: &str = "case when pushed_groups.revision <> pushed_groups.settled_revision
    and pushed_groups.revision > pushed_groups.quiet_revision
  then pushed_groups.quiet_revision else pushed_groups.revision + 1 end";

/// The most groups that one application pushes.
pub const MOST_GROUPS: i64 = 2_000;

/// A pushed group as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedGroup {
    pub group_id: GroupId,
    pub name: String,
    /// Whether the group is in the recycle bin of the directory.
    pub deleted: bool,
    pub wanted: bool,
    pub on_removal: OnRemoval,
    pub decision: Option<PushDecision>,
    /// The tenant's group; `None` until it is created or linked.
    pub object_id: Option<ObjectId>,
    /// The tenant's group as last seen.
    pub tenant_name: Option<String>,
    pub created: bool,
    pub state: PushState,
    pub blockers: Vec<GroupBlocker>,
    pub last_outcome: Option<Outcome>,
    pub last_run: Option<RunId>,
    pub attempts: i64,
    pub due_at: Option<Timestamp>,
    /// Changed since it was last looked at.
    pub is_dirty: bool,
    /// Members in the directory.
    pub members: i64,
    /// Members in the tenant.
    pub there: i64,
    /// Of those, whom Signpost put there.
    pub ours: i64,
    /// Members of the directory who are not there yet.
    pub waiting: i64,
}

/// Chooses groups to be pushed; those that are pushed already stay as they are. Returns how many
/// are new.
pub async fn choose(
    tx: &mut Write,
    application: ApplicationId,
    chosen: &[GroupId],
    on_removal: OnRemoval,
    by: &Author,
    now: Timestamp,
) -> Result<usize> {
    let subject = applications::subject_of(tx, application).await?;
    let sql = format!(
        "insert into pushed_groups (application_id, group_id, created, wanted, on_removal, decision,
           written_name, written_description, revision, settled_revision, quiet_revision, state,
           attempts, chosen_at, chosen_by)
         select $1, g.id, 0, 1, $3, '', '', '', 1, 0, 1, 'not_pushed', 0, $4, $5 from groups g
         where g.id in (select key from json_each(json($2))) and g.deleted_at is null
         order by g.id
         on conflict (application_id, group_id) do update set wanted = 1,
           on_removal = excluded.on_removal, revision = pushed_groups.revision + 1,
           quiet_revision = {QUIET}, chosen_at = excluded.chosen_at, chosen_by = excluded.chosen_by
         where pushed_groups.wanted = 0
         returning group_id"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(json_keys(chosen))
        .bind(on_removal.key())
        .bind(now.as_millis())
        .bind(by.name())
        .fetch_all(&mut **tx)
        .await?;
    let mut names = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: GroupId = TableRow::new("pushed_groups", row).parsed("group_id")?;
        let group = groups::find(tx, id)
            .await?
            .ok_or(Error::NotFound("group"))?;
        names.push(group.name);
    }
    if names.is_empty() {
        return Ok(0);
    }
    // Licenses that go to these groups may be given by them from now on.
    touch_members(tx, application, chosen).await?;
    let mut entry = by.entry("groups.pushed", subject);
    entry.after = Some(json!({ "groups": names, "on_removal": on_removal }));
    audit::append(tx, &entry, now);
    Ok(names.len())
}

/// Pushes a group no longer: the next run does what was chosen, and forgets it.
pub async fn end(
    tx: &mut Write,
    application: ApplicationId,
    group: GroupId,
    on_removal: OnRemoval,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let sql = format!(
        "update pushed_groups set wanted = 0, on_removal = $3, quiet_revision = {QUIET},
           revision = revision + 1
         where application_id = $1 and group_id = $2 and wanted = 1"
    );
    let changed = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(group.to_string())
        .bind(on_removal.key())
        .execute(&mut **tx)
        .await?;
    if changed.rows_affected() == 0 {
        return Ok(());
    }
    touch_members(tx, application, &[group]).await?;
    let name = groups::find(tx, group).await?.map(|group| group.name);
    let mut entry = by.entry("groups.push_ended", subject);
    entry.after = Some(json!({ "group": name, "on_removal": on_removal }));
    audit::append(tx, &entry, now);
    Ok(())
}

/// What an operator says about a pushed group whose name the tenant knows already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It is this group of the tenant.
    Link(ObjectId),
    Create,
    LeaveOut,
    /// Forgets what was chosen.
    Reconsider,
}

/// What came of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    Done,
    /// The tenant's group is not known (any more).
    Unknown,
    /// The tenant's group is never touched.
    Untouchable(Untouchable),
    /// Another group is pushed to it.
    Taken,
}

/// Notes what an operator chose for a pushed group.
pub async fn decide(
    tx: &mut Write,
    application: ApplicationId,
    group: GroupId,
    choice: &Choice,
    by: &Author,
    now: Timestamp,
) -> Result<Chosen> {
    let found = groups::find(tx, group).await?;
    let group_row = found.ok_or(Error::NotFound("group"))?;
    let mut link = None;
    if let Choice::Link(object_id) = choice {
        let Some(known) = tenant::find(tx, application, object_id).await? else {
            return Ok(Chosen::Unknown);
        };
        if let Some(why) = known.untouchable() {
            return Ok(Chosen::Untouchable(why));
        }
        if is_taken(tx, application, group, object_id).await? {
            return Ok(Chosen::Taken);
        }
        link = Some(known);
    }
    let decision = match choice {
        Choice::Link(_) | Choice::Reconsider => "",
        Choice::Create => PushDecision::Create.key(),
        Choice::LeaveOut => PushDecision::LeaveOut.key(),
    };
    let sql = format!(
        "update pushed_groups set decision = $3, quiet_revision = {QUIET},
           revision = revision + 1, attempts = 0, due_at = null
         where application_id = $1 and group_id = $2 and wanted = 1"
    );
    let changed = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(group.to_string())
        .bind(decision)
        .execute(&mut **tx)
        .await?;
    if changed.rows_affected() == 0 {
        return Err(Error::NotFound("group"));
    }
    if let Some(known) = &link {
        // Its own words stay until the directory says something new.
        sqlx::query(
            "update pushed_groups set object_id = $3, created = 0, members_read_at = null,
               written_name = $4, written_description = $5
             where application_id = $1 and group_id = $2",
        )
        .bind(application.to_string())
        .bind(group.to_string())
        .bind(known.object_id.as_str())
        .bind(&group_row.name)
        .bind(&group_row.description)
        .execute(&mut **tx)
        .await?;
    }
    let action = match choice {
        Choice::Link(_) => "group.linked",
        Choice::Create => "group.create_chosen",
        Choice::LeaveOut => "group.left_out",
        Choice::Reconsider => "group.choice_taken_back",
    };
    let mut entry = by.entry(action, Subject::new("group", group, group_row.name));
    entry.after = Some(json!({
        "application": application,
        "tenant_group": link.as_ref().map(|known| &known.name),
        "object_id": link.as_ref().map(|known| &known.object_id),
    }));
    audit::append(tx, &entry, now);
    Ok(Chosen::Done)
}

async fn is_taken(
    tx: &mut Write,
    application: ApplicationId,
    group: GroupId,
    object_id: &ObjectId,
) -> Result<bool> {
    let taken: i64 = sqlx::query_scalar(
        "select count(*) from pushed_groups
         where application_id = $1 and object_id = $2 and group_id <> $3",
    )
    .bind(application.to_string())
    .bind(object_id.as_str())
    .bind(group.to_string())
    .fetch_one(&mut **tx)
    .await?;
    Ok(taken > 0)
}

/// Looks at a group again at once, with its failures forgotten.
pub async fn look_again(tx: &mut Write, application: ApplicationId, group: GroupId) -> Result<()> {
    sqlx::query(
        "update pushed_groups set revision = revision + 1, attempts = 0, due_at = null
         where application_id = $1 and group_id = $2",
    )
    .bind(application.to_string())
    .bind(group.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many groups an application pushes, or is about to push no longer.
pub async fn count(db: &mut AnyConnection, application: ApplicationId) -> Result<i64> {
    Ok(
        sqlx::query_scalar("select count(*) from pushed_groups where application_id = $1")
            .bind(application.to_string())
            .fetch_one(db)
            .await?,
    )
}

/// How many pushed groups wait for a person.
pub async fn count_to_review(db: &mut AnyConnection, application: ApplicationId) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "select count(*) from pushed_groups where application_id = $1 and state = 'needs_review'",
    )
    .bind(application.to_string())
    .fetch_one(db)
    .await?)
}

/// The pushed groups of an application by name, those first that wait for a person.
pub async fn list(db: &mut AnyConnection, application: ApplicationId) -> Result<Vec<PushedGroup>> {
    let rows = sqlx::query(
        "select p.group_id, coalesce(g.name, '') as name, g.deleted_at, p.wanted, p.on_removal,
           p.decision, p.object_id, p.created, p.state, p.blockers, p.last_outcome, p.last_run,
           p.attempts, p.due_at, t.properties,
           case when p.revision <> p.settled_revision then 1 else 0 end as dirty,
           (select count(*) from memberships m join users u on u.id = m.user_id
            where m.group_id = p.group_id and u.deleted_at is null) as members,
           (select count(*) from tenant_members e where e.application_id = p.application_id
              and e.group_object_id = p.object_id) as there,
           (select count(*) from ownership o where o.application_id = p.application_id
              and o.kind = 'membership' and o.key = p.object_id) as ours,
           (select count(*) from memberships m join users u on u.id = m.user_id
            left join links l on l.application_id = p.application_id and l.user_id = m.user_id
            where m.group_id = p.group_id and u.deleted_at is null and not exists (
              select 1 from tenant_members e where e.application_id = p.application_id
                and e.group_object_id = p.object_id
                and e.member_object_id = l.object_id)) as waiting
         from pushed_groups p left join groups g on g.id = p.group_id
         left join tenant_groups t on t.application_id = p.application_id
           and t.object_id = p.object_id
         where p.application_id = $1
         order by case when p.state = 'needs_review' then 0 else 1 end, g.name_folded, p.group_id
         limit $2",
    )
    .bind(application.to_string())
    .bind(MOST_GROUPS)
    .fetch_all(db)
    .await?;
    rows.iter().map(pushed_group).collect()
}

/// One pushed group.
pub async fn find(
    db: &mut AnyConnection,
    application: ApplicationId,
    group: GroupId,
) -> Result<Option<PushedGroup>> {
    let all = list(db, application).await?;
    Ok(all.into_iter().find(|one| one.group_id == group))
}

fn pushed_group(row: &AnyRow) -> Result<PushedGroup> {
    let columns = TableRow::new("pushed_groups", row);
    let group: Option<TenantGroup> = columns.optional_json("properties")?;
    Ok(PushedGroup {
        group_id: columns.parsed("group_id")?,
        name: columns.text("name")?,
        deleted: columns.optional_time("deleted_at")?.is_some(),
        wanted: columns.flag("wanted")?,
        on_removal: columns.parsed("on_removal")?,
        decision: columns.text("decision")?.parse().ok(),
        object_id: columns
            .optional_text("object_id")?
            .map(|id| ObjectId::new(&id)),
        tenant_name: group.map(|group| group.name),
        created: columns.flag("created")?,
        state: columns.parsed("state")?,
        blockers: columns.optional_json("blockers")?.unwrap_or_default(),
        last_outcome: columns.optional_json("last_outcome")?,
        last_run: columns.optional_parsed("last_run")?,
        attempts: columns.number("attempts")?,
        due_at: columns.optional_time("due_at")?,
        is_dirty: columns.flag("dirty")?,
        members: columns.number("members")?,
        there: columns.number("there")?,
        ours: columns.number("ours")?,
        waiting: columns.number("waiting")?,
    })
}

/// A user's membership of a pushed group, for the page that explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub group_id: GroupId,
    pub name: String,
    pub state: PushState,
    /// The user is in the group of the directory.
    pub in_group: bool,
    /// The tenant shows the account in its group.
    pub observed: bool,
    /// Signpost put it there.
    pub owned: bool,
}

/// A group of the tenant, and whether an account is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMembership {
    pub group: ObjectId,
    pub name: String,
    pub is_member: bool,
}

/// The pushed groups of the tenant, and whether this account is in them.
pub async fn list_memberships(
    db: &mut AnyConnection,
    application: ApplicationId,
    account: &ObjectId,
) -> Result<Vec<KnownMembership>> {
    let rows = sqlx::query(
        "select t.object_id, t.properties,
           case when exists (select 1 from tenant_members e
             where e.application_id = t.application_id and e.group_object_id = t.object_id
               and e.member_object_id = $2) then 1 else 0 end as is_member
         from tenant_groups t join pushed_groups p on p.application_id = t.application_id
           and p.object_id = t.object_id
         where t.application_id = $1 order by t.name_folded, t.object_id",
    )
    .bind(application.to_string())
    .bind(account.as_str())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("tenant_groups", row);
            let group: TenantGroup = columns.json("properties")?;
            Ok(KnownMembership {
                group: group.object_id,
                name: group.name,
                is_member: columns.flag("is_member")?,
            })
        })
        .collect()
}

/// The pushed groups that a user is in, here or in the tenant.
pub async fn list_of_user(
    db: &mut AnyConnection,
    application: ApplicationId,
    user: UserId,
) -> Result<Vec<Membership>> {
    let rows = sqlx::query(
        "select x.group_id, x.name, x.state, x.in_group, x.observed, x.owned from (
           select p.group_id, coalesce(g.name, '') as name, p.state, g.name_folded,
             case when g.deleted_at is null and exists (select 1 from memberships m
               where m.group_id = p.group_id and m.user_id = $2) then 1 else 0 end as in_group,
             case when exists (select 1 from links l join tenant_members t
               on t.application_id = l.application_id and t.member_object_id = l.object_id
               where l.application_id = $1 and l.user_id = $2
                 and t.group_object_id = p.object_id) then 1 else 0 end as observed,
             case when exists (select 1 from links l join ownership o
               on o.application_id = l.application_id and o.object_id = l.object_id
               where l.application_id = $1 and l.user_id = $2 and o.kind = 'membership'
                 and o.key = p.object_id) then 1 else 0 end as owned
           from pushed_groups p left join groups g on g.id = p.group_id
           where p.application_id = $1 and p.wanted = 1) x
         where x.in_group = 1 or x.observed = 1 or x.owned = 1
         order by x.name_folded, x.group_id limit 200",
    )
    .bind(application.to_string())
    .bind(user.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("pushed_groups", row);
            Ok(Membership {
                group_id: columns.parsed("group_id")?,
                name: columns.text("name")?,
                state: columns.parsed("state")?,
                in_group: columns.flag("in_group")?,
                observed: columns.flag("observed")?,
                owned: columns.flag("owned")?,
            })
        })
        .collect()
}

/// The quiet revision of a group that is counted up because of something else: what waits until it
/// is asked for goes on waiting.
const STILL_QUIET: &str = "case when revision <> settled_revision and revision <= quiet_revision
  then revision + 1 else quiet_revision end";

/// Notes that a group or who is in it changed, in every application that pushes it.
pub(crate) async fn touch(tx: &mut Write, group: GroupId) -> Result<()> {
    let sql = format!(
        "update pushed_groups set quiet_revision = {STILL_QUIET}, revision = revision + 1
         where group_id = $1"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(group.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes that users stand elsewhere with an application than before, given as keys.
pub(crate) async fn touch_of_users(
    db: &mut AnyConnection,
    application: ApplicationId,
    users: &str,
) -> Result<()> {
    let sql = format!(
        "update pushed_groups set quiet_revision = {STILL_QUIET}, revision = revision + 1
         where application_id = $1 and (
           exists (select 1 from memberships m
             where m.user_id in (select key from json_each(json($2)))
               and m.group_id = pushed_groups.group_id)
           or exists (select 1 from links l join ownership o
             on o.application_id = l.application_id and o.object_id = l.object_id
             where l.application_id = $1 and l.user_id in (select key from json_each(json($2)))
               and o.kind = 'membership' and o.key = pushed_groups.object_id))"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(users)
        .execute(db)
        .await?;
    Ok(())
}

/// Notes that the application gives other licenses: its groups may have to give them.
pub(crate) async fn touch_quietly(tx: &mut Write, application: ApplicationId) -> Result<()> {
    let sql = format!(
        "update pushed_groups set quiet_revision = {QUIET}, revision = revision + 1
         where application_id = $1"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What was chosen is under way: what is left undone now starts again by itself.
pub(crate) async fn wake(db: &mut AnyConnection, run: RunId) -> Result<()> {
    sqlx::query(
        "update pushed_groups set quiet_revision = 0
         where application_id = (select r.application_id from runs r where r.id = $1)
           and group_id in (select p.group_id from plan_groups p
             where p.run_id = $1 and p.settled = 0)",
    )
    .bind(run.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Members are planned again when somebody asks: their licenses may come another way.
async fn touch_members(
    tx: &mut Write,
    application: ApplicationId,
    groups: &[GroupId],
) -> Result<()> {
    let rows = sqlx::query(
        "select distinct m.user_id from memberships m join grants r on r.group_id = m.group_id
         where r.application_id = $1 and r.by_group = 1
           and m.group_id in (select key from json_each(json($2)))",
    )
    .bind(application.to_string())
    .bind(json_keys(groups))
    .fetch_all(&mut **tx)
    .await?;
    let users = rows
        .iter()
        .map(|row| TableRow::new("memberships", row).parsed("user_id"))
        .collect::<Result<Vec<UserId>>>()?;
    provisioning::bump_quietly(tx, application, &users).await?;
    Ok(())
}

/// Forgets groups that are removed for good from the directory, given as keys: what they left in
/// the tenant stays, and nobody follows it.
pub(crate) async fn forget_groups(tx: &mut Write, groups: &str) -> Result<()> {
    for sql in [
        "delete from pushed_groups where group_id in (select key from json_each(json($1)))",
        "delete from membership_drifts where group_id in (select key from json_each(json($1)))",
    ] {
        sqlx::query(sql).bind(groups).execute(&mut **tx).await?;
    }
    Ok(())
}
