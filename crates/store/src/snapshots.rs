//! What accounts held before something was taken from them, so that coming back restores it.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use signpost_model::plan::ObjectId;
use signpost_model::provisioning::Owned;
use signpost_model::{ApplicationId, Observation, RunId, Timestamp, UserId};
use sqlx::AnyConnection;

use crate::Result;
use crate::plan_inputs::owned_by_account;
use crate::rows::{TableRow, json_keys, to_json};
use crate::runs::RunLease;

/// An account as it was before the first removal of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub run_id: RunId,
    pub user_id: UserId,
    pub object_id: ObjectId,
    pub taken_at: Timestamp,
    pub observation: Observation,
    pub owned: Vec<Owned>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) observation: Observation,
    pub(crate) owned: Vec<Owned>,
}

/// The newest snapshots of a user's account first, at most `limit`.
pub async fn list(
    db: &mut AnyConnection,
    application: ApplicationId,
    user: UserId,
    limit: i64,
) -> Result<Vec<Snapshot>> {
    let rows = sqlx::query(
        "select run_id, user_id, object_id, taken_at, body from snapshots
         where application_id = $1 and user_id = $2 order by taken_at desc, run_id desc limit $3",
    )
    .bind(application.to_string())
    .bind(user.to_string())
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("snapshots", row);
            let body: Body = columns.json("body")?;
            Ok(Snapshot {
                run_id: columns.parsed("run_id")?,
                user_id: columns.parsed("user_id")?,
                object_id: ObjectId::new(&columns.text("object_id")?),
                taken_at: columns.time("taken_at")?,
                observation: body.observation,
                owned: body.owned,
            })
        })
        .collect()
}

/// Keeps the accounts of users from whom one of these actions takes something, once per run.
pub(crate) async fn take(
    db: &mut AnyConnection,
    lease: &RunLease,
    sequences: &str,
    now: Timestamp,
) -> Result<()> {
    let removals = sqlx::query(
        "select t.user_id, t.object_id from actions t
         where t.run_id = $1 and t.sequence in (select cast(key as bigint) from json_each(json($2)))
           and t.removal = 1 and t.state = 'planned' and t.object_id is not null",
    )
    .bind(lease.run_id.to_string())
    .bind(sequences)
    .fetch_all(&mut *db)
    .await?;
    let mut users = BTreeMap::new();
    for row in &removals {
        let columns = TableRow::new("actions", row);
        users.insert(
            columns.text("user_id")?,
            ObjectId::new(&columns.text("object_id")?),
        );
    }
    take_of(db, lease, users, now).await
}

/// Keeps these accounts of users as they are, once per run.
pub(crate) async fn take_of(
    db: &mut AnyConnection,
    lease: &RunLease,
    users: BTreeMap<String, ObjectId>,
    now: Timestamp,
) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let accounts = json_keys(users.values());
    let rows = sqlx::query(
        "select object_id, properties from accounts
         where application_id = $1 and object_id in (select key from json_each(json($2)))",
    )
    .bind(lease.application_id.to_string())
    .bind(&accounts)
    .fetch_all(&mut *db)
    .await?;
    let mut observations = HashMap::with_capacity(rows.len());
    for row in &rows {
        let columns = TableRow::new("accounts", row);
        let observation: Observation = columns.json("properties")?;
        observations.insert(observation.object_id.clone(), observation);
    }
    let mut owned = owned_by_account(db, lease.application_id, &accounts).await?;
    let mut snapshots = Map::with_capacity(users.len());
    for (user, object_id) in users {
        let Some(observation) = observations.remove(&object_id) else {
            continue;
        };
        let owned = owned.remove(&object_id).unwrap_or_default();
        let body = to_json(&Body { observation, owned })?;
        snapshots.insert(user, json!([object_id, body]));
    }
    sqlx::query(
        "insert into snapshots (run_id, user_id, application_id, object_id, body, taken_at)
         select $1, e.key, $2, e.value ->> 0, e.value ->> 1, $4
         from json_each(json($3)) e where true on conflict do nothing",
    )
    .bind(lease.run_id.to_string())
    .bind(lease.application_id.to_string())
    .bind(Value::Object(snapshots).to_string())
    .bind(now.as_millis())
    .execute(db)
    .await?;
    Ok(())
}
