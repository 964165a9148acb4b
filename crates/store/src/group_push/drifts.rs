//! Memberships that Signpost gave and somebody else took back: found by plans, decided by people.

use serde_json::json;
use signpost_model::audit::Subject;
use signpost_model::provisioning::DriftChoice;
use signpost_model::{ApplicationId, Author, GroupId, Timestamp, UserId};
use sqlx::AnyConnection;

use crate::rows::{TableRow, json_keys};
use crate::runs::lease::{self, RunLease};
use crate::{Result, Store, Write, audit};

/// A membership that is missing in the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipDrift {
    pub group_id: GroupId,
    pub group_name: String,
    pub user_id: UserId,
    pub display_name: String,
    pub user_name: String,
    pub decided: Option<DriftChoice>,
    pub decided_by: Option<String>,
    pub found_at: Timestamp,
}

/// Notes whom somebody else took out of a group; what is as it should be again is over.
pub async fn note(
    store: &Store,
    lease: &RunLease,
    group: GroupId,
    drifted: &[UserId],
    now: Timestamp,
) -> Result<()> {
    let application = lease.application_id.to_string();
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    // A decision to ignore holds whatever happens, as long as the user is in the group.
    sqlx::query(
        "delete from membership_drifts where application_id = $1 and group_id = $2
           and (not exists (select 1 from memberships m where m.group_id = $2
               and m.user_id = membership_drifts.user_id)
             or (state <> 'ignore' and exists (select 1 from links l
               join pushed_groups p on p.application_id = l.application_id and p.group_id = $2
               join tenant_members t on t.application_id = l.application_id
                 and t.group_object_id = p.object_id and t.member_object_id = l.object_id
               where l.application_id = $1 and l.user_id = membership_drifts.user_id)))",
    )
    .bind(&application)
    .bind(group.to_string())
    .execute(&mut *tx)
    .await?;
    if !drifted.is_empty() {
        sqlx::query(
            "insert into membership_drifts (application_id, group_id, user_id, state, found_at)
             select $1, $2, e.key, 'open', $4 from json_each(json($3)) e where true
             on conflict (application_id, group_id, user_id) do nothing",
        )
        .bind(&application)
        .bind(group.to_string())
        .bind(json_keys(drifted))
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await
}

/// Missing memberships: those that wait for a decision, or those that are ignored.
pub async fn list(
    db: &mut AnyConnection,
    application: ApplicationId,
    ignored: bool,
    limit: i64,
) -> Result<Vec<MembershipDrift>> {
    let rows = sqlx::query(
        "select d.group_id, d.user_id, d.state, d.found_at, d.decided_by,
           coalesce(g.name, '') as group_name, coalesce(u.display_name, '') as display_name,
           coalesce(u.user_name, '') as user_name
         from membership_drifts d left join users u on u.id = d.user_id
         left join groups g on g.id = d.group_id
         where d.application_id = $1 and d.state = $2
         order by d.user_id, d.group_id limit $3",
    )
    .bind(application.to_string())
    .bind(if ignored { "ignore" } else { "open" })
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("membership_drifts", row);
            Ok(MembershipDrift {
                group_id: columns.parsed("group_id")?,
                group_name: columns.text("group_name")?,
                user_id: columns.parsed("user_id")?,
                display_name: columns.text("display_name")?,
                user_name: columns.text("user_name")?,
                decided: columns.text("state")?.parse().ok(),
                decided_by: columns.optional_text("decided_by")?,
                found_at: columns.time("found_at")?,
            })
        })
        .collect()
}

/// How many missing memberships wait for a decision.
pub async fn count_open(db: &mut AnyConnection, application: ApplicationId) -> Result<i64> {
    let sql = "select count(*) from membership_drifts where application_id = $1 and state = 'open'";
    Ok(sqlx::query_scalar(sql)
        .bind(application.to_string())
        .fetch_one(db)
        .await?)
}

/// Decides about missing memberships; `None` takes back that one is ignored. What is no longer
/// there is passed over. Returns how many were decided.
pub async fn decide(
    tx: &mut Write,
    application: ApplicationId,
    which: &[(GroupId, UserId)],
    choice: Option<DriftChoice>,
    by: &Author,
    now: Timestamp,
) -> Result<usize> {
    let mut decided = 0;
    for (group, user) in which {
        let sql = match choice {
            Some(_) => {
                "update membership_drifts set state = $4, decided_by = $5, decided_at = $6
                 where application_id = $1 and group_id = $2 and user_id = $3 and state = 'open'"
            }
            None => {
                "delete from membership_drifts where application_id = $1 and group_id = $2
                   and user_id = $3 and state = 'ignore' and $4 = '' and $5 <> '' and $6 > 0"
            }
        };
        let changed = sqlx::query(sql)
            .bind(application.to_string())
            .bind(group.to_string())
            .bind(user.to_string())
            .bind(choice.map_or("", DriftChoice::key))
            .bind(by.name())
            .bind(now.as_millis())
            .execute(&mut **tx)
            .await?;
        if changed.rows_affected() == 0 {
            continue;
        }
        decided += 1;
        super::look_again(tx, application, *group).await?;
        let action = match choice {
            Some(DriftChoice::Accept) => "drift.accepted",
            Some(DriftChoice::Revert) => "drift.reverted",
            Some(DriftChoice::Ignore) => "drift.ignored",
            None => "drift.reopened",
        };
        let name: Option<String> =
            sqlx::query_scalar("select display_name from users where id = $1")
                .bind(user.to_string())
                .fetch_optional(&mut **tx)
                .await?;
        let subject = Subject::new("user", user, name.unwrap_or_default());
        let mut entry = by.entry(action, subject);
        entry.after = Some(json!({ "membership": group, "application": application }));
        audit::append(tx, &entry, now);
    }
    Ok(decided)
}
