//! What a group's members owe when they sign in, in place of what the application says of
//! everybody.

use serde_json::json;
use signpost_model::sign_on::FactorPolicy;
use signpost_model::{ApplicationId, Author, GroupId, Timestamp, UserId};
use sqlx::AnyConnection;

use crate::rows::TableRow;
use crate::{Error, Result, Write, applications, audit, groups, sign_on};

/// The most groups of one application with a rule of their own.
pub const MOST: usize = 100;

/// A group with a rule of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPolicy {
    pub group_id: GroupId,
    pub group_name: String,
    pub factor_policy: FactorPolicy,
}

/// The groups with a rule of their own, by name.
pub async fn list(db: &mut AnyConnection, application: ApplicationId) -> Result<Vec<GroupPolicy>> {
    let rows = sqlx::query(
        "select p.group_id, g.name, p.factor_policy
         from sign_on_group_policies p join groups g on g.id = p.group_id
         where p.application_id = $1 and g.deleted_at is null order by g.name_folded, g.id",
    )
    .bind(application.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("sign_on_group_policies", row);
            Ok(GroupPolicy {
                group_id: row.parsed("group_id")?,
                group_name: row.text("name")?,
                factor_policy: row.parsed("factor_policy")?,
            })
        })
        .collect()
}

/// What this user owes when they sign in to this application: the strictest rule of their groups,
/// and the application's own where none of their groups has one. To their own page, which changes
/// factors, whoever has one uses it.
pub async fn of_user(
    db: &mut AnyConnection,
    application: Option<ApplicationId>,
    user: UserId,
) -> Result<FactorPolicy> {
    let Some(application) = application else {
        return Ok(FactorPolicy::Optional);
    };
    let rows = sqlx::query(
        "select p.group_id, p.factor_policy
         from sign_on_group_policies p
         join groups g on g.id = p.group_id
         join memberships m on m.group_id = p.group_id
         where p.application_id = $1 and m.user_id = $2 and g.deleted_at is null",
    )
    .bind(application.to_string())
    .bind(user.to_string())
    .fetch_all(&mut *db)
    .await?;
    let mut strictest: Option<FactorPolicy> = None;
    for row in &rows {
        let policy = TableRow::new("sign_on_group_policies", row).parsed("factor_policy")?;
        strictest = strictest.max(Some(policy));
    }
    match strictest {
        Some(policy) => Ok(policy),
        None => Ok(sign_on::find(db, application).await?.factor_policy),
    }
}

/// Gives a group a rule of its own, or another one.
pub async fn set(
    tx: &mut Write,
    application: ApplicationId,
    group: GroupId,
    policy: FactorPolicy,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let known = list(tx, application).await?;
    let before = known.iter().find(|known| known.group_id == group);
    if before.is_some_and(|before| before.factor_policy == policy) {
        return Ok(());
    }
    let found = groups::find(tx, group).await?;
    let found = found
        .filter(|found| found.deleted_at.is_none())
        .ok_or(Error::NotFound("group"))?;
    sqlx::query(
        "insert into sign_on_group_policies (application_id, group_id, factor_policy, created_at)
         values ($1, $2, $3, $4)
         on conflict (application_id, group_id)
           do update set factor_policy = excluded.factor_policy",
    )
    .bind(application.to_string())
    .bind(group.to_string())
    .bind(policy.key())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    let rule = |policy: FactorPolicy| json!({ found.name.as_str(): policy.key() });
    let subject = applications::subject_of(tx, application).await?;
    let entry = by
        .entry("application.group_second_factor_changed", subject)
        .changed(
            before.map(|before| rule(before.factor_policy)),
            Some(rule(policy)),
        );
    audit::append(tx, &entry, now);
    Ok(())
}

/// Takes a group's rule away: what the application says holds for its members again.
pub async fn remove(
    tx: &mut Write,
    application: ApplicationId,
    group: GroupId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let known = list(tx, application).await?;
    let Some(before) = known.into_iter().find(|known| known.group_id == group) else {
        return Ok(());
    };
    sqlx::query("delete from sign_on_group_policies where application_id = $1 and group_id = $2")
        .bind(application.to_string())
        .bind(group.to_string())
        .execute(&mut **tx)
        .await?;
    let subject = applications::subject_of(tx, application).await?;
    let entry = by
        .entry("application.group_second_factor_changed", subject)
        .changed(
            Some(json!({ before.group_name.as_str(): before.factor_policy.key() })),
            None,
        );
    audit::append(tx, &entry, now);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, add_connected, add_group, add_users, alice, group, user};

    both_engines! {
        async fn the_strictest_rule_of_a_users_groups_holds(store: Store) {
            add_users(&store, 1, &["Ada", "Bob", "Carla"]).await;
            add_group(&store, 1, "Kiosk", &[1, 2]).await;
            add_group(&store, 2, "Finance", &[2]).await;
            let application = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            let of = async |tx: &mut Write, number| of_user(tx, Some(application), user(number)).await.unwrap();
            assert_eq!(of(&mut tx, 1).await, FactorPolicy::Optional, "the application's own");
            for (number, policy) in [(1, FactorPolicy::Off), (2, FactorPolicy::Required)] {
                set(&mut tx, application, group(number), policy, &alice(), NOW).await.unwrap();
            }
            assert_eq!(of(&mut tx, 1).await, FactorPolicy::Off);
            assert_eq!(of(&mut tx, 2).await, FactorPolicy::Required);
            assert_eq!(of(&mut tx, 3).await, FactorPolicy::Optional);
            let names: Vec<_> = list(&mut tx, application).await.unwrap()
                .into_iter().map(|known| known.group_name).collect();
            assert_eq!(names, ["Finance", "Kiosk"]);
            remove(&mut tx, application, group(2), &alice(), NOW).await.unwrap();
            assert_eq!(of(&mut tx, 2).await, FactorPolicy::Off);
            let nobody = set(&mut tx, application, group(9), FactorPolicy::Off, &alice(), NOW).await;
            assert!(matches!(nobody, Err(Error::NotFound(_))));
        }
    }
}
