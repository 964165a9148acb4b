//! What becomes of actions on groups, with everything that follows from it, in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};
use signpost_model::group_push::{GroupAction, GroupBlocker, PushState, TenantGroup};
use signpost_model::plan::{ObjectId, PlannedLicense};
use signpost_model::provisioning::retry_delay_ms;
use signpost_model::run::{Outcome, SkipReason};
use signpost_model::tenant::TenantAction;
use signpost_model::{ApplicationId, GroupId, RunId, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::tenant;
use crate::rows::{TableRow, json_keys, to_json};
use crate::runs::actions::ActionState;
use crate::runs::lease::{self, Held, RunLease};
use crate::{Result, Store, snapshots};

/// An action on a group without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenGroupAction {
    pub sequence: i64,
    pub action: GroupAction,
    /// It was sent by a worker that died: nobody knows whether it happened.
    pub sent: bool,
}

/// A group with actions that have no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenGroup {
    pub group_id: GroupId,
    /// The tenant's group; `None` until it is created.
    pub object_id: Option<ObjectId>,
    /// The tenant's group as last seen.
    pub group: Option<TenantGroup>,
}

/// The next groups of a run that have actions without an outcome, by id.
pub async fn list_open(
    db: &mut AnyConnection,
    application: ApplicationId,
    run: RunId,
    after: Option<GroupId>,
    limit: i64,
) -> Result<Vec<OpenGroup>> {
    let rows = sqlx::query(
        "select x.subject_id, coalesce(p.object_id, '') as object_id, t.properties from (
           select distinct subject_id from tenant_actions
           where run_id = $1 and subject_kind = 'group' and state in ('planned', 'sent')
             and subject_id > $2) x
         left join pushed_groups p on p.application_id = $3 and p.group_id = x.subject_id
         left join tenant_groups t on t.application_id = $3 and t.object_id = p.object_id
         order by x.subject_id limit $4",
    )
    .bind(run.to_string())
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(application.to_string())
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("tenant_actions", row);
            let id = columns.text("object_id")?;
            let group: Option<TenantGroup> = columns.optional_json("properties")?;
            Ok(OpenGroup {
                group_id: columns.parsed("subject_id")?,
                // What is gone is created anew: it has no id yet.
                object_id: group.as_ref().map(|_| ObjectId::new(&id)),
                group,
            })
        })
        .collect()
}

/// The next actions of a group without an outcome, in order.
pub async fn list_actions(
    db: &mut AnyConnection,
    run: RunId,
    group: GroupId,
    after: i64,
    limit: i64,
) -> Result<Vec<OpenGroupAction>> {
    let rows = sqlx::query(
        "select sequence, body, state from tenant_actions
         where run_id = $1 and subject_kind = 'group' and subject_id = $2 and sequence > $3
           and state in ('planned', 'sent')
         order by sequence limit $4",
    )
    .bind(run.to_string())
    .bind(group.to_string())
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await?;
    let mut open = Vec::with_capacity(rows.len());
    for row in &rows {
        let columns = TableRow::new("tenant_actions", row);
        let state: ActionState = columns.parsed("state")?;
        if let TenantAction::Group { change, .. } = columns.json("body")? {
            open.push(OpenGroupAction {
                sequence: columns.number("sequence")?,
                action: change,
                sent: state == ActionState::Sent,
            });
        }
    }
    Ok(open)
}

/// The outcome of one action, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub sequence: i64,
    pub group_id: GroupId,
    pub outcome: Outcome,
    pub effects: Vec<GroupEffect>,
}

/// What an action on a group changes in our records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEffect {
    /// The pushed group is this group of the tenant, which Signpost made.
    Created(TenantGroup),
    /// The tenant's group is like this now.
    Changed(TenantGroup),
    /// These accounts are in the group; `ours`: because Signpost put them there.
    Entered {
        group: ObjectId,
        accounts: Vec<ObjectId>,
        ours: bool,
    },
    /// These accounts are not in the group.
    Left {
        group: ObjectId,
        accounts: Vec<ObjectId>,
    },
    /// The group gives these, and no longer gives those.
    Licensed {
        group: ObjectId,
        gained: Vec<PlannedLicense>,
        lost: Vec<String>,
    },
    /// The tenant's group is gone.
    Deleted(ObjectId),
}

/// Notes that these actions are being sent. Before somebody is taken out of a group their account
/// is kept as it is.
pub async fn mark_sent(
    store: &Store,
    lease: &RunLease,
    sequences: &[i64],
    now: Timestamp,
) -> Result<Held> {
    let mut tx = store.write().await?;
    let held = lease::hold(&mut tx, lease, now).await?;
    let keys = json_keys(sequences);
    let rows = sqlx::query(
        "select sequence, body from tenant_actions
         where run_id = $1 and state = 'planned' and removal = 1
           and sequence in (select cast(key as bigint) from json_each(json($2)))",
    )
    .bind(lease.run_id.to_string())
    .bind(&keys)
    .fetch_all(&mut *tx)
    .await?;
    let mut losers = BTreeMap::new();
    for row in &rows {
        if let TenantAction::Group {
            change: GroupAction::RemoveMember { member },
            ..
        } = TableRow::new("tenant_actions", row).json("body")?
            && let Some(account) = member.object_id
        {
            losers.insert(member.user_id.to_string(), account);
        }
    }
    snapshots::take_of(&mut tx, lease, losers, now).await?;
    sqlx::query(
        "update tenant_actions set state = 'sent', changed_at = $1
         where run_id = $2 and state = 'planned'
           and sequence in (select cast(key as bigint) from json_each(json($3)))",
    )
    .bind(now.as_millis())
    .bind(lease.run_id.to_string())
    .bind(&keys)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(held)
}

/// Records outcomes with all that follows from them. An action that has its outcome already keeps
/// it. Groups with nothing left to do are settled.
pub async fn record(
    store: &Store,
    lease: &RunLease,
    recorded: &[Recorded],
    now: Timestamp,
) -> Result<Held> {
    let mut tx = store.write().await?;
    let held = lease::hold(&mut tx, lease, now).await?;
    write_outcomes(&mut tx, lease, recorded, now).await?;
    for one in recorded {
        for effect in &one.effects {
            write_effect(&mut tx, lease, one.group_id, effect, now).await?;
        }
    }
    let groups: BTreeSet<GroupId> = recorded.iter().map(|one| one.group_id).collect();
    settle_done(&mut tx, lease, &groups, now).await?;
    tx.commit().await?;
    Ok(held)
}

async fn write_outcomes(
    db: &mut AnyConnection,
    lease: &RunLease,
    recorded: &[Recorded],
    now: Timestamp,
) -> Result<()> {
    let mut rows = Map::with_capacity(recorded.len());
    for one in recorded {
        let (state, request_id) = match &one.outcome {
            Outcome::Applied { request_id } => ("applied", request_id.as_ref()),
            Outcome::Failed(failure) => ("failed", failure.request_id.as_ref()),
            Outcome::Skipped { .. } => ("skipped", None),
        };
        let row = json!([state, to_json(&one.outcome)?, request_id]);
        rows.insert(one.sequence.to_string(), row);
    }
    let written = sqlx::query(
        "update tenant_actions set state = e.value ->> 0, outcome = e.value ->> 1,
           request_id = e.value ->> 2, changed_at = $1
         from json_each(json($2)) e
         where tenant_actions.run_id = $3 and tenant_actions.sequence = cast(e.key as bigint)
           and tenant_actions.sequence in (select cast(k.key as bigint) from json_each(json($2)) k)
           and tenant_actions.state in ('planned', 'sent')
         returning tenant_actions.sequence, tenant_actions.state",
    )
    .bind(now.as_millis())
    .bind(Value::Object(rows).to_string())
    .bind(lease.run_id.to_string())
    .fetch_all(&mut *db)
    .await?;
    let (mut applied, mut failed, mut skipped) = (0i64, 0i64, 0i64);
    for row in &written {
        match TableRow::new("tenant_actions", row).parsed("state")? {
            ActionState::Applied => applied += 1,
            ActionState::Failed => failed += 1,
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
    Ok(())
}

async fn write_effect(
    db: &mut AnyConnection,
    lease: &RunLease,
    group: GroupId,
    effect: &GroupEffect,
    now: Timestamp,
) -> Result<()> {
    let application = lease.application_id;
    match effect {
        GroupEffect::Created(made) => {
            // Nobody is in a group that was just made.
            sqlx::query(
                "update pushed_groups set object_id = $3, created = 1, members_read_at = $4,
                   decision = ''
                 where application_id = $1 and group_id = $2",
            )
            .bind(application.to_string())
            .bind(group.to_string())
            .bind(made.object_id.as_str())
            .bind(now.as_millis())
            .execute(&mut *db)
            .await?;
            tenant::upsert(db, application, &[made]).await
        }
        GroupEffect::Changed(changed) => tenant::upsert(db, application, &[changed]).await,
        GroupEffect::Entered {
            group,
            accounts,
            ours,
        } => {
            tenant::enter(db, application, group, accounts).await?;
            if *ours {
                own_memberships(db, lease, group, accounts, now).await?;
            }
            Ok(())
        }
        GroupEffect::Left { group, accounts } => {
            tenant::leave(db, application, group, accounts).await?;
            sqlx::query(
                "delete from ownership where application_id = $1 and kind = 'membership'
                   and key = $2 and object_id in (select e.key from json_each(json($3)) e)",
            )
            .bind(application.to_string())
            .bind(group.as_str())
            .bind(json_keys(accounts))
            .execute(db)
            .await?;
            Ok(())
        }
        GroupEffect::Licensed {
            group,
            gained,
            lost,
        } => own_licenses(db, lease, group, (gained, lost), now).await,
        GroupEffect::Deleted(gone) => {
            // First the link: what we ourselves did is no news for the group.
            sqlx::query(
                "update pushed_groups set object_id = null, created = 0
                 where application_id = $1 and group_id = $2",
            )
            .bind(application.to_string())
            .bind(group.to_string())
            .execute(&mut *db)
            .await?;
            tenant::forget(db, application, std::slice::from_ref(gone)).await
        }
    }
}

async fn own_memberships(
    db: &mut AnyConnection,
    lease: &RunLease,
    group: &ObjectId,
    accounts: &[ObjectId],
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "insert into ownership (application_id, object_id, kind, key, value, since, run_id)
         select $1, e.key, 'membership', $3, '', $4, $5 from json_each(json($2)) e where true
         on conflict (application_id, object_id, kind, key) do update
         set run_id = excluded.run_id",
    )
    .bind(lease.application_id.to_string())
    .bind(json_keys(accounts))
    .bind(group.as_str())
    .bind(now.as_millis())
    .bind(lease.run_id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

async fn own_licenses(
    db: &mut AnyConnection,
    lease: &RunLease,
    group: &ObjectId,
    (gained, lost): (&[PlannedLicense], &[String]),
    now: Timestamp,
) -> Result<()> {
    let application = lease.application_id.to_string();
    for license in gained {
        sqlx::query(
            "insert into ownership (application_id, object_id, kind, key, value, since, run_id)
             values ($1, $2, 'license', $3, $4, $5, $6)
             on conflict (application_id, object_id, kind, key) do update
             set value = excluded.value, run_id = excluded.run_id",
        )
        .bind(&application)
        .bind(group.as_str())
        .bind(&license.sku_id)
        .bind(to_json(&license.disabled_plans)?)
        .bind(now.as_millis())
        .bind(lease.run_id.to_string())
        .execute(&mut *db)
        .await?;
    }
    for sku_id in lost {
        sqlx::query(
            "delete from ownership where application_id = $1 and object_id = $2
               and kind = 'license' and key = $3",
        )
        .bind(&application)
        .bind(group.as_str())
        .bind(sku_id)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Settles those of the groups whose actions all have an outcome.
async fn settle_done(
    db: &mut AnyConnection,
    lease: &RunLease,
    groups: &BTreeSet<GroupId>,
    now: Timestamp,
) -> Result<()> {
    let rows = sqlx::query(
        "select p.group_id from plan_groups p
         where p.run_id = $1 and p.settled = 0
           and p.group_id in (select key from json_each(json($2)))
           and not exists (select 1 from tenant_actions t where t.run_id = p.run_id
             and t.subject_kind = 'group' and t.subject_id = p.group_id
             and (t.state in ('planned', 'sent') or (t.state = 'skipped'
               and (t.outcome like $3 or t.outcome like $4))))",
    )
    .bind(lease.run_id.to_string())
    .bind(json_keys(groups))
    .bind(stopped_like(SkipReason::Cancelled)?)
    .bind(stopped_like(SkipReason::RunEnded)?)
    .fetch_all(&mut *db)
    .await?;
    let done = rows
        .iter()
        .map(|row| TableRow::new("plan_groups", row).parsed("group_id"))
        .collect::<Result<Vec<GroupId>>>()?;
    settle(db, lease, &done, now).await
}

/// Finds outcomes of actions that a stopped run left undone.
fn stopped_like(because: SkipReason) -> Result<String> {
    Ok(format!("%{}%", to_json(&because)?))
}

/// Settles groups of the plan: notes where each stands now.
pub(crate) async fn settle(
    db: &mut AnyConnection,
    lease: &RunLease,
    groups: &[GroupId],
    now: Timestamp,
) -> Result<()> {
    if groups.is_empty() {
        return Ok(());
    }
    let results = results(db, lease.run_id, groups).await?;
    let rows = sqlx::query(
        "select p.group_id, p.revision, p.state_after, p.blockers, p.ends, g.attempts,
           g.last_outcome, coalesce(d.name, '') as name,
           coalesce(d.description, '') as description
         from plan_groups p
         join pushed_groups g on g.application_id = $1 and g.group_id = p.group_id
         left join groups d on d.id = p.group_id
         where p.run_id = $2 and p.group_id in (select key from json_each(json($3)))",
    )
    .bind(lease.application_id.to_string())
    .bind(lease.run_id.to_string())
    .bind(json_keys(groups))
    .fetch_all(&mut *db)
    .await?;
    for row in &rows {
        settle_one(db, lease, row, &results, now).await?;
    }
    Ok(())
}

async fn settle_one(
    db: &mut AnyConnection,
    lease: &RunLease,
    row: &AnyRow,
    results: &HashMap<GroupId, GroupResult>,
    now: Timestamp,
) -> Result<()> {
    let columns = TableRow::new("plan_groups", row);
    let group: GroupId = columns.parsed("group_id")?;
    let result = results.get(&group).cloned().unwrap_or_default();
    let application = lease.application_id.to_string();
    if columns.flag("ends")? && !result.has_failed {
        sqlx::query(
            "delete from pushed_groups
             where application_id = $1 and group_id = $2 and revision = $3",
        )
        .bind(&application)
        .bind(group.to_string())
        .bind(columns.number("revision")?)
        .execute(&mut *db)
        .await?;
    }
    let mut state: PushState = columns.parsed("state_after")?;
    let (mut attempts, mut due_at) = (0, None);
    if result.has_failed {
        state = PushState::Failed;
        attempts = columns.number("attempts")? + 1;
        due_at = retry_delay_ms(attempts).map(|delay| now.plus_millis(delay).as_millis());
    }
    let blockers: Option<Vec<GroupBlocker>> = columns.optional_json("blockers")?;
    let outcome = match result.outcome {
        Some(outcome) => Some(to_json(&outcome)?),
        // What once was applied stays true; a failure is over.
        None => columns
            .optional_text("last_outcome")?
            .filter(|text| text.contains("\"applied\"")),
    };
    sqlx::query(
        "update pushed_groups set settled_revision = $3, state = $4, blockers = $5,
           last_outcome = $6, attempts = $7, due_at = $8,
           last_run = case when $9 = 1 then $10 else last_run end,
           written_name = case when $11 = 1 then written_name else $12 end,
           written_description = case when $11 = 1 then written_description else $13 end
         where application_id = $1 and group_id = $2",
    )
    .bind(&application)
    .bind(group.to_string())
    .bind(columns.number("revision")?)
    .bind(state.key())
    .bind(blockers.map(|list| to_json(&list)).transpose()?)
    .bind(outcome)
    .bind(attempts)
    .bind(due_at)
    .bind(i64::from(result.is_any))
    .bind(lease.run_id.to_string())
    .bind(i64::from(result.has_failed || state != PushState::InSync))
    .bind(columns.text("name")?)
    .bind(columns.text("description")?)
    .execute(&mut *db)
    .await?;
    sqlx::query("update plan_groups set settled = 1 where run_id = $1 and group_id = $2")
        .bind(lease.run_id.to_string())
        .bind(group.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// What became of a group's actions, taken together.
#[derive(Debug, Clone, Default)]
struct GroupResult {
    is_any: bool,
    has_failed: bool,
    /// The first failure, else the last outcome.
    outcome: Option<Outcome>,
}

async fn results(
    db: &mut AnyConnection,
    run: RunId,
    groups: &[GroupId],
) -> Result<HashMap<GroupId, GroupResult>> {
    // The first failure, or the last outcome, of each: not thousands of rows.
    let rows = sqlx::query(
        "select t.subject_id, t.state, t.outcome from tenant_actions t
         join (select subject_id,
             min(case when state = 'failed' then sequence end) as failed,
             max(sequence) as last
           from tenant_actions where run_id = $1 and subject_kind = 'group'
             and subject_id in (select key from json_each(json($2)))
           group by subject_id) x
         on x.subject_id = t.subject_id and t.sequence = coalesce(x.failed, x.last)
         where t.run_id = $1 and t.subject_kind = 'group'",
    )
    .bind(run.to_string())
    .bind(json_keys(groups))
    .fetch_all(db)
    .await?;
    let mut results = HashMap::with_capacity(rows.len());
    for row in &rows {
        let columns = TableRow::new("tenant_actions", row);
        let state: ActionState = columns.parsed("state")?;
        let result = GroupResult {
            is_any: true,
            has_failed: state == ActionState::Failed,
            outcome: columns.optional_json("outcome")?,
        };
        results.insert(columns.parsed("subject_id")?, result);
    }
    Ok(results)
}
