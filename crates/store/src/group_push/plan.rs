//! Writing the plan of pushed groups: the head of each, its actions, and what is settled at once.

use serde_json::{Map, Value, json};
use signpost_model::group_push::{GroupBlocker, PlannedGroupAction, PushState};
use signpost_model::plan::ObjectId;
use signpost_model::tenant::TenantAction;
use signpost_model::{GroupId, RunId, Timestamp, UserId};
use sqlx::AnyConnection;

use crate::rows::{TableRow, flag, json_keys, to_json};
use crate::runs::lease::{self, RunLease};
use crate::{Result, Store};

/// What a plan says about one pushed group as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedGroup {
    pub group_id: GroupId,
    pub name: String,
    pub object_id: Option<ObjectId>,
    /// The revision that the plan was made from.
    pub revision: i64,
    pub state_after: PushState,
    pub blockers: Vec<GroupBlocker>,
    /// The group is no longer followed once its actions are done.
    pub ends: bool,
}

/// Adds actions on a group to the plan of a run, behind those that it has.
pub async fn write_actions(
    store: &Store,
    lease: &RunLease,
    (group, name, object_id): (GroupId, &str, Option<&ObjectId>),
    actions: &[PlannedGroupAction],
    now: Timestamp,
) -> Result<()> {
    if actions.is_empty() {
        return Ok(());
    }
    let run = lease.run_id.to_string();
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let mut sequence: i64 = sqlx::query_scalar(
        "select coalesce(max(sequence), 0) from tenant_actions where run_id = $1",
    )
    .bind(&run)
    .fetch_one(&mut *tx)
    .await?;
    let mut rows = Map::with_capacity(actions.len());
    for planned in actions {
        sequence += 1;
        let action = TenantAction::Group {
            group_id: group,
            name: name.to_owned(),
            object_id: object_id.cloned(),
            change: planned.action.clone(),
        };
        let row = json!([
            planned.action.key(),
            to_json(&action)?,
            planned.reason,
            flag(planned.action.is_removal()),
        ]);
        rows.insert(sequence.to_string(), row);
    }
    sqlx::query(
        "insert into tenant_actions (run_id, sequence, subject_kind, subject_id, subject_name,
           kind, body, reason, removal, state, changed_at)
         select $1, cast(e.key as bigint), 'group', $3, $4, e.value ->> 0, e.value ->> 1,
           e.value ->> 2, cast(e.value ->> 3 as bigint), 'planned', $5
         from json_each(json($2)) e",
    )
    .bind(&run)
    .bind(Value::Object(rows).to_string())
    .bind(group.to_string())
    .bind(name)
    .bind(now.as_millis())
    .execute(&mut *tx)
    .await?;
    sqlx::query("update runs set actions = actions + $1 where id = $2")
        .bind(i64::try_from(actions.len()).unwrap_or(i64::MAX))
        .bind(&run)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Writes what the plan says about a group once its actions are written. A group with nothing to do
/// is settled at once.
pub async fn finish_group(
    store: &Store,
    lease: &RunLease,
    planned: &PlannedGroup,
    now: Timestamp,
) -> Result<()> {
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let actions: i64 = sqlx::query_scalar(
        "select count(*) from tenant_actions
         where run_id = $1 and subject_kind = 'group' and subject_id = $2",
    )
    .bind(lease.run_id.to_string())
    .bind(planned.group_id.to_string())
    .fetch_one(&mut *tx)
    .await?;
    let blockers = match planned.blockers.as_slice() {
        [] => None,
        some => Some(to_json(&some)?),
    };
    sqlx::query(
        "insert into plan_groups (run_id, group_id, name, revision, state_after, blockers, ends,
           actions, settled)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (run_id, group_id) do nothing",
    )
    .bind(lease.run_id.to_string())
    .bind(planned.group_id.to_string())
    .bind(&planned.name)
    .bind(planned.revision)
    .bind(planned.state_after.key())
    .bind(blockers)
    .bind(flag(planned.ends))
    .bind(actions)
    .bind(flag(actions == 0))
    .execute(&mut *tx)
    .await?;
    if actions == 0 {
        super::outcomes::settle(&mut tx, lease, &[planned.group_id], now).await?;
    }
    tx.commit().await
}

/// Forgets ledger lines about memberships that are over on both sides.
pub async fn forget_memberships(
    store: &Store,
    lease: &RunLease,
    group: &ObjectId,
    accounts: &[ObjectId],
    now: Timestamp,
) -> Result<()> {
    if accounts.is_empty() {
        return Ok(());
    }
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    sqlx::query(
        "delete from ownership where application_id = $1 and kind = 'membership' and key = $2
           and object_id in (select e.key from json_each(json($3)) e)",
    )
    .bind(lease.application_id.to_string())
    .bind(group.as_str())
    .bind(json_keys(accounts))
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// From how many accounts the run takes something: those of its users' actions and these.
pub async fn count_losers(db: &mut AnyConnection, run: RunId, members: &[UserId]) -> Result<i64> {
    let mut also: i64 = 0;
    for part in members.chunks(1_000) {
        let known: i64 = sqlx::query_scalar(
            "select count(distinct user_id) from actions
             where run_id = $1 and removal = 1
               and user_id in (select key from json_each(json($2)))",
        )
        .bind(run.to_string())
        .bind(json_keys(part))
        .fetch_one(&mut *db)
        .await?;
        also += i64::try_from(part.len()).unwrap_or(i64::MAX) - known;
    }
    Ok(also)
}

/// Adds to the number of accounts that lose something by the run.
pub async fn add_losers(
    store: &Store,
    lease: &RunLease,
    losers: i64,
    now: Timestamp,
) -> Result<()> {
    if losers == 0 {
        return Ok(());
    }
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    sqlx::query("update runs set removals = removals + $1 where id = $2")
        .bind(losers)
        .bind(lease.run_id.to_string())
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// What is not settled yet waits for a person: it does not start again by itself.
pub(crate) async fn hold_back(db: &mut AnyConnection, run: RunId) -> Result<()> {
    sqlx::query(
        "update pushed_groups set settled_revision = p.revision, due_at = null,
           state = case when pushed_groups.state = 'in_sync' then 'waiting'
                        else pushed_groups.state end
         from plan_groups p join runs r on r.id = p.run_id
         where p.run_id = $1 and p.settled = 0
           and (r.mode = 'sync' or r.approved_at is not null)
           and pushed_groups.application_id = r.application_id
           and pushed_groups.group_id = p.group_id",
    )
    .bind(run.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// How many groups of a plan changed since it was made.
pub(crate) async fn count_stale(db: &mut AnyConnection, run: RunId) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "select count(*) from plan_groups p join runs r on r.id = p.run_id
         left join pushed_groups g on g.application_id = r.application_id
           and g.group_id = p.group_id
         where p.run_id = $1 and p.settled = 0 and coalesce(g.revision, 0) <> p.revision",
    )
    .bind(run.to_string())
    .fetch_one(db)
    .await?)
}

/// How many groups of a run have failed actions, or were left undone.
pub(crate) const RETRIABLE: &str = "select p.group_id from plan_groups p where p.run_id = $1
    and (p.settled = 0 or exists (select 1 from tenant_actions t where t.run_id = p.run_id
      and t.subject_kind = 'group' and t.subject_id = p.group_id and t.state = 'failed'))";

/// Marks groups of a run to be looked at again: all of its plan, or those that failed.
pub(crate) async fn look_again(
    db: &mut AnyConnection,
    run: RunId,
    only_failed: bool,
) -> Result<u64> {
    let which = if only_failed {
        RETRIABLE
    } else {
        "select p.group_id from plan_groups p where p.run_id = $1"
    };
    let sql = format!(
        "update pushed_groups set revision = revision + 1, attempts = 0, due_at = null
         where application_id = (select r.application_id from runs r where r.id = $1)
           and group_id in ({which})"
    );
    let changed = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(run.to_string())
        .execute(db)
        .await?;
    Ok(changed.rows_affected())
}

/// A group of a run that the planner left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedGroup {
    pub group_id: GroupId,
    pub name: String,
    pub blockers: Vec<GroupBlocker>,
}

/// Groups of a run that the planner left alone.
pub async fn list_blocked(db: &mut AnyConnection, run: RunId) -> Result<Vec<BlockedGroup>> {
    let rows = sqlx::query(
        "select group_id, name, blockers from plan_groups
         where run_id = $1 and blockers is not null order by name, group_id limit 200",
    )
    .bind(run.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("plan_groups", row);
            Ok(BlockedGroup {
                group_id: columns.parsed("group_id")?,
                name: columns.text("name")?,
                blockers: columns.json("blockers")?,
            })
        })
        .collect()
}
