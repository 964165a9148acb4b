//! Attributes that somebody else changed in the tenant: found by plans, decided by people.

use serde_json::{Map, Value, json};
use signpost_model::audit::Subject;
use signpost_model::plan::{TargetAttribute, UserPlan};
use signpost_model::policy::{DriftPolicy, DriftRule};
use signpost_model::provisioning::DriftChoice;
use signpost_model::{ApplicationId, Author, Timestamp, UserId};
use sqlx::AnyConnection;

use crate::policies::{find_policy, set_policy};
use crate::rows::{TableRow, json_keys};
use crate::{Error, Page, PageRequest, Result, Write, audit, paging, provisioning};

/// A value that is not what Signpost last left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftRow {
    pub user_id: UserId,
    pub display_name: String,
    pub user_name: String,
    pub attribute: TargetAttribute,
    /// What Signpost last left there.
    pub ours: String,
    /// What was found; empty: nothing.
    pub tenant: String,
    /// `None`: nobody has decided.
    pub decided: Option<DriftChoice>,
    pub decided_by: Option<String>,
    pub found_at: Timestamp,
}

/// Notes what plans found: what still waits for a decision is open, the rest is over.
pub(crate) async fn note(
    db: &mut AnyConnection,
    application: ApplicationId,
    plans: &[&UserPlan],
    now: Timestamp,
) -> Result<()> {
    let users = json_keys(plans.iter().map(|plan| plan.user_id));
    let (mut open, mut found) = (Map::new(), Map::new());
    for plan in plans {
        for drift in &plan.drifts {
            let attribute = drift.attribute.key();
            let key = format!("{} {attribute}", plan.user_id);
            let row = json!([plan.user_id, attribute, drift.ours, drift.tenant]);
            if drift.rule == DriftRule::Ask {
                open.insert(key.clone(), row.clone());
            }
            found.insert(key, row);
        }
    }
    // What is as it was, or is found with another value, is not what waited or was decided. A
    // decision stays while its value does: the plan that follows it may still be thrown away. A
    // decision to ignore holds whatever happens.
    for (states, still) in [("('open')", &open), ("('accept', 'revert')", &found)] {
        let sql = format!(
            "delete from drifts where application_id = $1 and state in {states}
               and user_id in (select key from json_each(json($2)))
               and not exists (select 1 from json_each(json($3)) e
                 where e.value ->> 0 = drifts.user_id and e.value ->> 1 = drifts.attribute
                   and e.value ->> 3 = drifts.tenant)"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(application.to_string())
            .bind(&users)
            .bind(Value::Object(still.clone()).to_string())
            .execute(&mut *db)
            .await?;
    }
    if open.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into drifts (application_id, user_id, attribute, ours, tenant, state, found_at)
         select $1, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, 'open', $3
         from json_each(json($2)) e where true
         on conflict (application_id, user_id, attribute) do nothing",
    )
    .bind(application.to_string())
    .bind(Value::Object(open).to_string())
    .bind(now.as_millis())
    .execute(db)
    .await?;
    Ok(())
}

/// Drifted attributes: those that wait for a decision, or those that are ignored.
pub async fn list(
    db: &mut AnyConnection,
    application: ApplicationId,
    ignored: Option<DriftChoice>,
    request: &PageRequest,
) -> Result<Page<DriftRow>> {
    let backward = request.is_backward();
    let (beyond, order) = if backward {
        ("<", "desc")
    } else {
        (">", "asc")
    };
    let sql = format!(
        "select d.user_id, d.attribute, d.ours, d.tenant, d.state, d.found_at, d.decided_by,
           coalesce(u.display_name, '') as display_name, coalesce(u.user_name, '') as user_name
         from drifts d left join users u on u.id = d.user_id
         where d.application_id = $1 and d.state = $2
           and ($3 = '' or d.user_id || ' ' || d.attribute {beyond} $3)
         order by d.user_id {order}, d.attribute {order} limit $4"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(ignored.map_or("open", DriftChoice::key))
        .bind(request.cursor.as_ref().map_or("", |cursor| cursor.id()))
        .bind(request.fetch())
        .fetch_all(db)
        .await?;
    let found = rows
        .iter()
        .map(|row| {
            let columns = TableRow::new("drifts", row);
            let state = columns.text("state")?;
            Ok(DriftRow {
                user_id: columns.parsed("user_id")?,
                display_name: columns.text("display_name")?,
                user_name: columns.text("user_name")?,
                attribute: columns.parsed("attribute")?,
                ours: columns.text("ours")?,
                tenant: columns.text("tenant")?,
                decided: state.parse().ok(),
                decided_by: columns.optional_text("decided_by")?,
                found_at: columns.time("found_at")?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(paging::page(request, found, |drift| {
        let key = format!("{} {}", drift.user_id, drift.attribute.key());
        (0.into(), key)
    }))
}

/// How many drifted attributes wait for a decision.
pub async fn count_open(db: &mut AnyConnection, application: ApplicationId) -> Result<i64> {
    let sql = "select count(*) from drifts where application_id = $1 and state = 'open'";
    Ok(sqlx::query_scalar(sql)
        .bind(application.to_string())
        .fetch_one(db)
        .await?)
}

/// Decides about drifted attributes; what is no longer there is passed over. `None` takes back
/// that an attribute is ignored. Returns how many were decided.
pub async fn decide(
    tx: &mut Write,
    application: ApplicationId,
    which: &[(UserId, TargetAttribute)],
    choice: Option<DriftChoice>,
    by: &Author,
    now: Timestamp,
) -> Result<usize> {
    let mut users = Vec::new();
    for (user, attribute) in which {
        let sql = match choice {
            Some(_) => {
                "update drifts set state = $4, decided_by = $5, decided_at = $6
                 where application_id = $1 and user_id = $2 and attribute = $3 and state = 'open'
                 returning ours, tenant"
            }
            None => {
                "delete from drifts where application_id = $1 and user_id = $2 and attribute = $3
                   and state = 'ignore' and $4 = '' and $5 <> '' and $6 > 0 returning ours, tenant"
            }
        };
        let changed: Option<(String, String)> = sqlx::query_as(sql)
            .bind(application.to_string())
            .bind(user.to_string())
            .bind(attribute.key())
            .bind(choice.map_or("", DriftChoice::key))
            .bind(by.name())
            .bind(now.as_millis())
            .fetch_optional(&mut **tx)
            .await?;
        let Some((ours, tenant)) = changed else {
            continue;
        };
        users.push(*user);
        let action = match choice {
            Some(DriftChoice::Accept) => "drift.accepted",
            Some(DriftChoice::Revert) => "drift.reverted",
            Some(DriftChoice::Ignore) => "drift.ignored",
            None => "drift.reopened",
        };
        let mut entry = by.entry(action, subject(tx, *user).await?);
        entry.before = Some(json!({ attribute.key(): ours }));
        entry.after = Some(json!({ attribute.key(): tenant, "application": application }));
        audit::append(tx, &entry, now);
    }
    let decided = users.len();
    users.dedup();
    provisioning::look_again(tx, application, &users, now).await?;
    Ok(decided)
}

async fn subject(tx: &mut Write, user: UserId) -> Result<Subject> {
    let name: Option<String> = sqlx::query_scalar("select display_name from users where id = $1")
        .bind(user.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    let name = name.ok_or(Error::NotFound("user"))?;
    Ok(Subject::new("user", user, name))
}

/// Sets what becomes of attributes that others change.
pub async fn set_drift_policy(
    tx: &mut Write,
    application: ApplicationId,
    drift: &DriftPolicy,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let mut policy = find_policy(tx, application).await?;
    policy.drift.clone_from(drift);
    set_policy(tx, application, &policy, by, now).await
}
