//! Who has an application by assignment: the list, the candidates, assigning and unassigning.

mod matching;
#[cfg(test)]
mod tests;

pub use matching::{count_candidates, count_matching, list_matching, list_matching_candidates};

use serde_json::json;
use signpost_model::audit::Subject;
use signpost_model::plan::ObjectId;
use signpost_model::provisioning::LastOutcome;
use signpost_model::text::fold;
use signpost_model::{
    AccessType, Application, ApplicationId, AssignmentId, Author, GroupId, Principal,
    ProvisioningState, Random, Timestamp, UserId,
};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::paging::{Page, PageRequest, page};
use crate::rows::{TableRow, json_keys};
use crate::scope::{IN_SCOPE_OF_ASSIGNMENT, chooses, rule_columns};
use crate::{Error, Result, Write, applications, audit, provisioning};

/// Narrows the list of users of an application.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssignmentFilter {
    /// Part of a name, user name or whatever else the directory searches.
    pub search: String,
    pub state: Option<ProvisioningState>,
}

/// A user that has the application, or is leaving it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedUser {
    pub user_id: UserId,
    pub display_name: String,
    pub user_name: String,
    pub enabled: bool,
    /// The direct assignment, which can be taken back; `None` through a group or by rule.
    pub assignment: Option<AssignmentId>,
    pub assigned_at: Option<Timestamp>,
    pub assigned_by: Option<String>,
    /// `None`: nobody has looked at the user yet.
    pub state: Option<ProvisioningState>,
    pub last_outcome: Option<LastOutcome>,
    pub object_id: Option<ObjectId>,
}

/// A group that has the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedGroup {
    pub assignment: AssignmentId,
    pub group_id: GroupId,
    pub name: String,
    pub members: i64,
    pub assigned_at: Timestamp,
    pub assigned_by: String,
}

/// A user or group that could be assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub principal: Principal,
    pub name: String,
    /// The user name of a user, the description of a group.
    pub detail: String,
}

/// Users that are read at once while a rule is judged.
const STRETCH: i64 = 1_000;

/// The users of an application, by name: in scope now, or still leaving it.
pub async fn list_users(
    db: &mut AnyConnection,
    application: &Application,
    filter: &AssignmentFilter,
    request: &PageRequest,
) -> Result<Page<AssignedUser>> {
    let (sql, limit) = users_statement(application, filter, request);
    let mut place = place(request)?;
    let mut users: Vec<(String, AssignedUser)> = Vec::new();
    loop {
        let rows = sqlx::query(AssertSqlSafe(sql.clone()))
            .bind(application.id.to_string())
            .bind(like_pattern(&filter.search))
            .bind(i64::from(place.is_some()))
            .bind(place.as_ref().map_or("", |(name, _)| name))
            .bind(place.as_ref().map_or("", |(_, id)| id))
            .bind(filter.state.map_or("", ProvisioningState::key))
            .bind(limit)
            .fetch_all(&mut *db)
            .await?;
        for row in &rows {
            let user = assigned_user(row)?;
            let listed = match &application.access {
                AccessType::Rule(rule) => {
                    user.state == Some(ProvisioningState::Leaving) || chooses(rule, row)?
                }
                AccessType::AllUsers | AccessType::Assigned => true,
            };
            if listed {
                let name = TableRow::new("users", row).text("display_name_folded")?;
                users.push((name, user));
            }
        }
        // A rule is judged in the program, so a page may need several stretches of the directory.
        let enough = i64::try_from(users.len()).unwrap_or(i64::MAX) >= request.fetch();
        if enough || i64::try_from(rows.len()) != Ok(limit) {
            break;
        }
        place = rows.last().map(place_of).transpose()?;
    }
    users.truncate(request.size() as usize + 1);
    let key =
        |(folded, user): &(String, AssignedUser)| (folded.clone().into(), user.user_id.to_string());
    Ok(page(request, users, key).map(|(_, user)| user))
}

/// The statement for a stretch of users, and how many rows it is to bring.
fn users_statement(
    application: &Application,
    filter: &AssignmentFilter,
    request: &PageRequest,
) -> (String, i64) {
    let (scope, columns, limit) = match &application.access {
        AccessType::AllUsers => (
            "u.deleted_at is null".to_owned(),
            String::new(),
            request.fetch(),
        ),
        AccessType::Assigned => (
            format!("((u.deleted_at is null and {IN_SCOPE_OF_ASSIGNMENT}) or p.state = 'leaving')"),
            String::new(),
            request.fetch(),
        ),
        AccessType::Rule(rule) => (
            "(u.deleted_at is null or p.state = 'leaving')".to_owned(),
            rule_columns(rule),
            STRETCH,
        ),
    };
    let state = if filter.state.is_some() {
        "p.state = $6"
    } else {
        "$6 = ''"
    };
    let (direction, order) = direction(request);
    let sql = format!(
        "select u.id, u.display_name, u.display_name_folded, u.user_name, u.enabled,
           d.id as assignment_id, d.created_at as assigned_at, d.created_by as assigned_by,
           p.state as provisioning_state, p.last_outcome, l.object_id{columns}
         from users u join applications a on a.id = $1
         left join provisioning p on p.application_id = a.id and p.user_id = u.id
         left join links l on l.application_id = a.id and l.user_id = u.id
         left join assignments d on d.application_id = a.id and d.principal_kind = 'user'
           and d.principal_id = u.id
         where {scope} and {state} and ($2 = '' or u.search like $2 escape '\\')
           and ($3 = 0 or (u.display_name_folded, u.id) {direction} ($4, $5))
         order by u.display_name_folded {order}, u.id {order} limit $7"
    );
    (sql, limit)
}

fn place_of(row: &AnyRow) -> Result<(String, String)> {
    let columns = TableRow::new("users", row);
    Ok((columns.text("display_name_folded")?, columns.text("id")?))
}

fn assigned_user(row: &AnyRow) -> Result<AssignedUser> {
    let columns = TableRow::new("users", row);
    Ok(AssignedUser {
        user_id: columns.parsed("id")?,
        display_name: columns.text("display_name")?,
        user_name: columns.text("user_name")?,
        enabled: columns.flag("enabled")?,
        assignment: columns.optional_parsed("assignment_id")?,
        assigned_at: columns.optional_time("assigned_at")?,
        assigned_by: columns.optional_text("assigned_by")?,
        state: columns.optional_parsed("provisioning_state")?,
        last_outcome: columns.optional_json("last_outcome")?,
        object_id: columns
            .optional_text("object_id")?
            .map(|id| ObjectId::new(&id)),
    })
}

/// The groups that have the application, by name, at most `limit`.
pub async fn list_groups(
    db: &mut AnyConnection,
    application: ApplicationId,
    search: &str,
    limit: i64,
) -> Result<Vec<AssignedGroup>> {
    let rows = sqlx::query(
        "select s.id, s.principal_id, s.created_at, s.created_by, g.name,
           (select count(*) from memberships m join users u on u.id = m.user_id
            where m.group_id = g.id and u.deleted_at is null) as members
         from assignments s join groups g on g.id = s.principal_id and g.deleted_at is null
         where s.application_id = $1 and s.principal_kind = 'group'
           and ($2 = '' or g.search like $2 escape '\\')
         order by g.name_folded, g.id limit $3",
    )
    .bind(application.to_string())
    .bind(like_pattern(search))
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("assignments", row);
            Ok(AssignedGroup {
                assignment: columns.parsed("id")?,
                group_id: columns.parsed("principal_id")?,
                name: columns.text("name")?,
                members: columns.number("members")?,
                assigned_at: columns.time("created_at")?,
                assigned_by: columns.text("created_by")?,
            })
        })
        .collect()
}

/// Users that are not assigned directly yet, by name.
pub async fn list_candidate_users(
    db: &mut AnyConnection,
    application: ApplicationId,
    search: &str,
    request: &PageRequest,
) -> Result<Page<Candidate>> {
    let (direction, order) = direction(request);
    let sql = format!(
        "select u.id, u.display_name, u.display_name_folded, u.user_name from users u
         where u.deleted_at is null and ($2 = '' or u.search like $2 escape '\\')
           and not exists (select 1 from assignments s where s.application_id = $1
             and s.principal_kind = 'user' and s.principal_id = u.id)
           and ($5 = 0 or (u.display_name_folded, u.id) {direction} ($3, $4))
         order by u.display_name_folded {order}, u.id {order} limit $6"
    );
    let (name, id) = place(request)?.unwrap_or_default();
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(like_pattern(search))
        .bind(name)
        .bind(id)
        .bind(i64::from(request.cursor.is_some()))
        .bind(request.fetch())
        .fetch_all(db)
        .await?;
    let candidates = rows
        .iter()
        .map(|row| {
            let columns = TableRow::new("users", row);
            let candidate = Candidate {
                principal: Principal::User(columns.parsed("id")?),
                name: columns.text("display_name")?,
                detail: columns.text("user_name")?,
            };
            Ok((columns.text("display_name_folded")?, candidate))
        })
        .collect::<Result<Vec<_>>>()?;
    let key = |(folded, candidate): &(String, Candidate)| {
        (folded.clone().into(), candidate.principal.id())
    };
    Ok(page(request, candidates, key).map(|(_, candidate)| candidate))
}

/// Groups that are not assigned yet, by name, at most `limit`.
pub async fn list_candidate_groups(
    db: &mut AnyConnection,
    application: ApplicationId,
    search: &str,
    limit: i64,
) -> Result<Vec<Candidate>> {
    let rows = sqlx::query(
        "select g.id, g.name, g.description from groups g
         where g.deleted_at is null and ($2 = '' or g.search like $2 escape '\\')
           and not exists (select 1 from assignments s where s.application_id = $1
             and s.principal_kind = 'group' and s.principal_id = g.id)
         order by g.name_folded, g.id limit $3",
    )
    .bind(application.to_string())
    .bind(like_pattern(search))
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("groups", row);
            Ok(Candidate {
                principal: Principal::Group(columns.parsed("id")?),
                name: columns.text("name")?,
                detail: columns.text("description")?,
            })
        })
        .collect()
}

/// Whether anybody was given the application: by its access type, or by an assignment.
pub async fn has_any(db: &mut AnyConnection, application: &Application) -> Result<bool> {
    if application.access != AccessType::Assigned {
        return Ok(true);
    }
    let found: Option<i64> = sqlx::query_scalar(
        "select cast(1 as bigint) from assignments where application_id = $1 limit 1",
    )
    .bind(application.id.to_string())
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}

/// Assigns users and groups. Who has the application already, or does not exist any more, is
/// passed over; returns how many were assigned.
pub async fn assign(
    tx: &mut Write,
    random: &dyn Random,
    application: ApplicationId,
    principals: &[Principal],
    by: &Author,
    now: Timestamp,
) -> Result<usize> {
    let name = applications::find(tx, application)
        .await?
        .ok_or(Error::NotFound("application"))?
        .name;
    let mut wanted = serde_json::Map::new();
    for principal in principals {
        let id = AssignmentId::mint(now, random).to_string();
        wanted.insert(
            principal.to_string(),
            json!([principal.kind(), principal.id(), id]),
        );
    }
    let rows = sqlx::query(
        "insert into assignments
           (id, application_id, principal_kind, principal_id, created_at, created_by)
         select e.value ->> 2, $1, e.value ->> 0, e.value ->> 1, $3, $4
         from json_each(json($2)) e
         where exists (select 1 from users u where e.value ->> 0 = 'user'
             and u.id = e.value ->> 1 and u.deleted_at is null)
           or exists (select 1 from groups g where e.value ->> 0 = 'group'
             and g.id = e.value ->> 1 and g.deleted_at is null)
         on conflict (application_id, principal_kind, principal_id) do nothing
         returning id, principal_kind, principal_id",
    )
    .bind(application.to_string())
    .bind(serde_json::Value::Object(wanted).to_string())
    .bind(now.as_millis())
    .bind(by.name())
    .fetch_all(&mut **tx)
    .await?;
    let assigned = rows.iter().map(principal).collect::<Result<Vec<_>>>()?;
    note(
        tx,
        application,
        &name,
        &assigned,
        "assignment.created",
        by,
        now,
    )
    .await?;
    Ok(assigned.len())
}

/// Takes assignments back; returns how many there were.
pub async fn unassign(
    tx: &mut Write,
    application: ApplicationId,
    assignments: &[AssignmentId],
    by: &Author,
    now: Timestamp,
) -> Result<usize> {
    let name = applications::find(tx, application)
        .await?
        .ok_or(Error::NotFound("application"))?
        .name;
    let rows = sqlx::query(
        "delete from assignments
         where application_id = $1 and id in (select key from json_each(json($2)))
         returning id, principal_kind, principal_id",
    )
    .bind(application.to_string())
    .bind(json_keys(assignments))
    .fetch_all(&mut **tx)
    .await?;
    let removed = rows.iter().map(principal).collect::<Result<Vec<_>>>()?;
    note(
        tx,
        application,
        &name,
        &removed,
        "assignment.removed",
        by,
        now,
    )
    .await?;
    Ok(removed.len())
}

fn principal(row: &AnyRow) -> Result<Principal> {
    let columns = TableRow::new("assignments", row);
    Ok(match columns.text("principal_kind")?.as_str() {
        "user" => Principal::User(columns.parsed("principal_id")?),
        _ => Principal::Group(columns.parsed("principal_id")?),
    })
}

/// Marks everyone concerned to be looked at, and writes the trail.
async fn note(
    tx: &mut Write,
    application: ApplicationId,
    application_name: &str,
    principals: &[Principal],
    action: &'static str,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    if principals.is_empty() {
        return Ok(());
    }
    provisioning::touch_principals(tx, application, principals).await?;
    let names: Vec<(String, String)> = sqlx::query_as(
        "select id, display_name from users where id in (select key from json_each(json($1)))
         union all
         select id, name from groups where id in (select key from json_each(json($1)))",
    )
    .bind(json_keys(principals.iter().map(|principal| principal.id())))
    .fetch_all(&mut **tx)
    .await?;
    let names: std::collections::HashMap<_, _> = names.into_iter().collect();
    for principal in principals {
        let id = principal.id();
        let name = names.get(&id).cloned().unwrap_or_default();
        let mut entry = by.entry(action, Subject::new(principal.kind(), id, name));
        entry.after = Some(json!({ "application": application_name }));
        audit::append(tx, &entry, now);
    }
    Ok(())
}

/// How the rows beyond the cursor compare with it, and in which order they are read.
fn direction(request: &PageRequest) -> (&'static str, &'static str) {
    if request.is_backward() {
        ("<", "desc")
    } else {
        (">", "asc")
    }
}

fn place(request: &PageRequest) -> Result<Option<(String, String)>> {
    request
        .cursor
        .as_ref()
        .map(|cursor| Ok((cursor.text()?.to_owned(), cursor.id().to_owned())))
        .transpose()
}

/// A pattern for `like … escape '\'` that finds the text anywhere; empty for no search.
pub(crate) fn like_pattern(search: &str) -> String {
    let folded = fold(search);
    if folded.is_empty() {
        return folded;
    }
    let mut pattern = String::from("%");
    for character in folded.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
