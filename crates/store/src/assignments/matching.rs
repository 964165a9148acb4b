//! Everyone that a search finds, beyond the page that is shown: what "all that match" acts on.

use signpost_model::{ApplicationId, AssignmentId, Principal, ProvisioningState};
use sqlx::{AnyConnection, AssertSqlSafe};

use super::{AssignmentFilter, like_pattern, principal};
use crate::Result;
use crate::rows::TableRow;

/// Users and groups without an assignment that the search ($2) finds.
const CANDIDATES: &str = "select cast('user' as text) as principal_kind, u.id as principal_id
   from users u where u.deleted_at is null and ($2 = '' or u.search like $2 escape '\\')
     and not exists (select 1 from assignments s where s.application_id = $1
       and s.principal_kind = 'user' and s.principal_id = u.id)
   union all
   select cast('group' as text) as principal_kind, g.id as principal_id
   from groups g where g.deleted_at is null and ($2 = '' or g.search like $2 escape '\\')
     and not exists (select 1 from assignments s where s.application_id = $1
       and s.principal_kind = 'group' and s.principal_id = g.id)";

/// Assignments of users and groups that the search ($2) finds; with a state ($3), of users only.
const ASSIGNMENTS: &str = "select s.id from assignments s where s.application_id = $1 and (
     (s.principal_kind = 'user' and exists (
        select 1 from users u
        left join provisioning p on p.application_id = $1 and p.user_id = u.id
        where u.id = s.principal_id and u.deleted_at is null
          and ($2 = '' or u.search like $2 escape '\\') and ($3 = '' or p.state = $3)))
     or (s.principal_kind = 'group' and $3 = '' and exists (
        select 1 from groups g where g.id = s.principal_id and g.deleted_at is null
          and ($2 = '' or g.search like $2 escape '\\'))))";

/// How many users and groups could be assigned that the search finds.
pub async fn count_candidates(
    db: &mut AnyConnection,
    application: ApplicationId,
    search: &str,
) -> Result<i64> {
    let sql = format!("select count(*) from ({CANDIDATES}) found");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(like_pattern(search))
        .fetch_one(db)
        .await?)
}

/// Some of them. Whoever was assigned is no candidate any more: assigning until nobody is left
/// reaches all, however many, in transactions of a bounded size.
pub async fn list_matching_candidates(
    db: &mut AnyConnection,
    application: ApplicationId,
    search: &str,
    limit: i64,
) -> Result<Vec<Principal>> {
    let sql = format!("{CANDIDATES} limit $3");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(like_pattern(search))
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(principal).collect()
}

/// How many assignments the filter finds.
pub async fn count_matching(
    db: &mut AnyConnection,
    application: ApplicationId,
    filter: &AssignmentFilter,
) -> Result<i64> {
    let sql = format!("select count(*) from ({ASSIGNMENTS}) found");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(like_pattern(&filter.search))
        .bind(filter.state.map_or("", ProvisioningState::key))
        .fetch_one(db)
        .await?)
}

/// Some of them, to be taken back until none is left.
pub async fn list_matching(
    db: &mut AnyConnection,
    application: ApplicationId,
    filter: &AssignmentFilter,
    limit: i64,
) -> Result<Vec<AssignmentId>> {
    let sql = format!("{ASSIGNMENTS} limit $4");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(like_pattern(&filter.search))
        .bind(filter.state.map_or("", ProvisioningState::key))
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| TableRow::new("assignments", row).parsed("id"))
        .collect()
}
