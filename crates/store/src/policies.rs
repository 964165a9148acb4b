//! The Actions of an application, and its own ways of filling attributes.

use std::collections::BTreeMap;

use serde_json::json;
use signpost_model::plan::TargetAttribute;
use signpost_model::{ApplicationId, Author, Policy, Timestamp};
use sqlx::AnyConnection;

use crate::provisioning::settings_changed;
use crate::rows::{TableRow, to_json};
use crate::{Error, Result, Write};

/// The Actions of an application.
pub async fn find_policy(db: &mut AnyConnection, application: ApplicationId) -> Result<Policy> {
    let row = sqlx::query("select id, policy from applications where id = $1")
        .bind(application.to_string())
        .fetch_optional(db)
        .await?
        .ok_or(Error::NotFound("application"))?;
    TableRow::new("applications", &row).json("policy")
}

/// Sets the Actions. The same again changes nothing.
pub async fn set_policy(
    tx: &mut Write,
    application: ApplicationId,
    policy: &Policy,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let before = find_policy(tx, application).await?;
    let mut policy = policy.clone();
    policy.deletes_since = match (before.delete_accounts, policy.delete_accounts) {
        (_, false) => None,
        // Whoever left long ago is not deleted at once: their days begin now.
        (false, true) => Some(now),
        (true, true) => before.deletes_since,
    };
    let policy = &policy;
    if before == *policy {
        return Ok(());
    }
    sqlx::query("update applications set policy = $1 where id = $2")
        .bind(to_json(policy)?)
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    let (before, after) = (json!(before), json!(policy));
    settings_changed(
        tx,
        application,
        "actions.changed",
        Some(before),
        Some(after),
        by,
        now,
    )
    .await
}

/// The templates that differ from the defaults.
pub async fn list_mappings(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<BTreeMap<TargetAttribute, String>> {
    let rows = sqlx::query("select attribute, template from mappings where application_id = $1")
        .bind(application.to_string())
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("mappings", row);
            Ok((columns.parsed("attribute")?, columns.text("template")?))
        })
        .collect()
}

/// Sets how an attribute is filled; `None` goes back to the default.
pub async fn set_mapping(
    tx: &mut Write,
    application: ApplicationId,
    attribute: TargetAttribute,
    template: Option<&str>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let before = list_mappings(tx, application).await?.remove(&attribute);
    if before.as_deref() == template {
        return Ok(());
    }
    match template {
        Some(template) => {
            sqlx::query(
                "insert into mappings (application_id, attribute, template) values ($1, $2, $3)
                 on conflict (application_id, attribute) do update
                 set template = excluded.template",
            )
            .bind(application.to_string())
            .bind(attribute.key())
            .bind(template)
            .execute(&mut **tx)
            .await?;
        }
        None => {
            sqlx::query("delete from mappings where application_id = $1 and attribute = $2")
                .bind(application.to_string())
                .bind(attribute.key())
                .execute(&mut **tx)
                .await?;
        }
    }
    let before = json!({ attribute.key(): before });
    let after = json!({ attribute.key(): template });
    settings_changed(
        tx,
        application,
        "mapping.changed",
        Some(before),
        Some(after),
        by,
        now,
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, add_connected, add_users, alice, dirty, settle_all, user};

    both_engines! {
        async fn changed_actions_look_at_everyone(store: Store) {
            add_users(&store, 1, &["Ada"]).await;
            let application = add_connected(&store).await;
            settle_all(&store, &application).await;
            let policy = Policy { delete_accounts: true, ..Policy::default() };
            for expected in [vec![user(1)], Vec::new()] {
                let mut tx = store.write().await.unwrap();
                set_policy(&mut tx, application.id, &policy, &alice(), NOW).await.unwrap();
                tx.commit().await.unwrap();
                assert_eq!(dirty(&store, application.id).await, expected);
                settle_all(&store, &application).await;
            }
            let mut db = store.read().await.unwrap();
            let policy = Policy { deletes_since: Some(NOW), ..policy };
            assert_eq!(find_policy(&mut db, application.id).await.unwrap(), policy);
        }

        async fn a_mapping_is_set_and_goes_back_to_the_default(store: Store) {
            let application = add_connected(&store).await;
            let (id, department) = (application.id, TargetAttribute::Department);
            let template = "{{ user.department }}";
            for (value, expected) in [(Some(template), 1), (None, 0)] {
                let mut tx = store.write().await.unwrap();
                set_mapping(&mut tx, id, department, value, &alice(), NOW).await.unwrap();
                tx.commit().await.unwrap();
                let mut db = store.read().await.unwrap();
                assert_eq!(list_mappings(&mut db, id).await.unwrap().len(), expected);
            }
        }
    }
}
