//! What a run still has to do, account by account, with what our records know of each.

use std::collections::HashMap;

use signpost_model::plan::ObjectId;
use signpost_model::provisioning::Owned;
use signpost_model::{ApplicationId, Observation, RunId, UserId};
use sqlx::{AnyConnection, AssertSqlSafe};

use super::actions::{SELECT, StoredAction, stored};
use crate::rows::{TableRow, json_keys};
use crate::{Result, accounts, plan_inputs};

/// Everything of one user that has no outcome yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenActions {
    pub user_id: UserId,
    /// The account; `None` until it is created.
    pub object_id: Option<ObjectId>,
    /// The account as last observed.
    pub observation: Option<Observation>,
    pub owned: Vec<Owned>,
    /// Planned or sent, in order.
    pub actions: Vec<StoredAction>,
}

/// The next users after a place in the plan that have actions without an outcome, at most
/// `limit`; fewer mean that there are no more.
pub async fn list_open(
    db: &mut AnyConnection,
    application: ApplicationId,
    run: RunId,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<OpenActions>> {
    let mut users = read_users(db, run, after.unwrap_or(-1), limit).await?;
    let ids: Vec<ObjectId> = users
        .iter()
        .filter_map(|user| user.object_id.clone())
        .collect();
    if ids.is_empty() {
        return Ok(users);
    }
    let known = accounts::find_many(db, application, &ids).await?;
    let mut observed: HashMap<ObjectId, Observation> = known
        .into_iter()
        .map(|account| (account.observation.object_id.clone(), account.observation))
        .collect();
    let mut owned = plan_inputs::owned_by_account(db, application, &json_keys(&ids)).await?;
    for user in &mut users {
        if let Some(id) = &user.object_id {
            user.observation = observed.remove(id);
            user.owned = owned.remove(id).unwrap_or_default();
        }
    }
    Ok(users)
}

/// The actions of one user stand together in the plan, so a user is complete when another one
/// begins or the plan ends.
async fn read_users(
    db: &mut AnyConnection,
    run: RunId,
    mut after: i64,
    limit: usize,
) -> Result<Vec<OpenActions>> {
    let sql = format!(
        "{SELECT} where t.run_id = $1 and t.sequence > $2 and t.state in ('planned', 'sent')
         order by t.sequence limit $3"
    );
    let rows_at_a_time = i64::try_from(limit)
        .unwrap_or(i64::MAX)
        .saturating_mul(3)
        .max(30);
    let mut users: Vec<OpenActions> = Vec::with_capacity(limit + 1);
    loop {
        let rows = sqlx::query(AssertSqlSafe(sql.clone()))
            .bind(run.to_string())
            .bind(after)
            .bind(rows_at_a_time)
            .fetch_all(&mut *db)
            .await?;
        for row in &rows {
            let action = stored(row)?;
            after = action.sequence;
            match users.last_mut() {
                Some(user) if user.user_id == action.user_id => {
                    user.object_id = user.object_id.take().or_else(|| action.object_id.clone());
                    user.actions.push(action);
                }
                _ => users.push(OpenActions {
                    user_id: action.user_id,
                    object_id: action.object_id.clone(),
                    observation: None,
                    owned: Vec::new(),
                    actions: vec![action],
                }),
            }
        }
        if users.len() > limit {
            users.truncate(limit);
            return Ok(users);
        }
        if i64::try_from(rows.len()).unwrap_or(i64::MAX) < rows_at_a_time {
            return Ok(users);
        }
    }
}

/// The accounts of these users, of those that have one.
pub async fn find_linked(
    db: &mut AnyConnection,
    application: ApplicationId,
    users: &[UserId],
) -> Result<HashMap<UserId, ObjectId>> {
    let rows = sqlx::query(
        "select user_id, object_id from links where application_id = $1
           and user_id in (select key from json_each(json($2)))",
    )
    .bind(application.to_string())
    .bind(json_keys(users))
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("links", row);
            Ok((
                columns.parsed("user_id")?,
                ObjectId::new(&columns.text("object_id")?),
            ))
        })
        .collect()
}
