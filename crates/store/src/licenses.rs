//! Products of the tenant as last read, and which of them an application grants to whom.

use serde_json::json;
use signpost_model::license::{Grant, Product};
use signpost_model::{ApplicationId, Author, GrantId, GroupId, Random, Timestamp};
use sqlx::AnyConnection;

use crate::provisioning::settings_changed;
use crate::rows::{TableRow, flag, json_keys, to_json};
use crate::{Result, Write, following, group_push};

/// A license that an application is to grant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct NewGrant {
    pub sku_id: String,
    /// `None`: everyone who has the application.
    pub group_id: Option<GroupId>,
    /// The tenant's group gives it: for a group that the application pushes.
    pub by_group: bool,
    pub disabled_plans: Vec<String>,
}

/// The products of the tenant, in the order in which they were read.
pub async fn list_products(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Vec<Product>> {
    let rows = sqlx::query(
        "select sku_id, body from products where application_id = $1 order by position, sku_id",
    )
    .bind(application.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| TableRow::new("products", row).json("body"))
        .collect()
}

/// Replaces the products by what was read now. Who waits for a seat is looked at again as soon as
/// one appears.
pub async fn set_products(
    tx: &mut Write,
    application: ApplicationId,
    products: &[Product],
) -> Result<()> {
    let before = list_products(tx, application).await?;
    if before == products {
        return Ok(());
    }
    sqlx::query("delete from products where application_id = $1")
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    for (position, product) in (0i64..).zip(products) {
        sqlx::query(
            "insert into products (application_id, sku_id, body, position) values ($1, $2, $3, $4)",
        )
        .bind(application.to_string())
        .bind(&product.sku_id)
        .bind(to_json(product)?)
        .bind(position)
        .execute(&mut **tx)
        .await?;
    }
    let free = |list: &[Product], sku: &str| {
        list.iter()
            .find(|product| product.sku_id == sku)
            .map_or(0, |product| product.seats.free())
    };
    let appeared = products
        .iter()
        .any(|p| p.seats.free() > 0 && p.seats.free() > free(&before, &p.sku_id));
    if appeared {
        sqlx::query(
            "update provisioning set revision = revision + 1
             where application_id = $1 and last_outcome like '%\"no_seats\"%'",
        )
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
        look_at_fallbacks(tx, application).await?;
    }
    Ok(())
}

/// Whoever was given something else while seats were short is looked at when one appears.
async fn look_at_fallbacks(tx: &mut Write, application: ApplicationId) -> Result<()> {
    let fallbacks = following::find_fallbacks(tx, application).await?;
    if fallbacks.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update provisioning set revision = revision + 1
         where application_id = $1 and user_id in (
           select l.user_id from links l
           join ownership o on o.application_id = l.application_id and o.object_id = l.object_id
           where l.application_id = $1 and o.kind = 'license'
             and o.key in (select key from json_each(json($2))))",
    )
    .bind(application.to_string())
    .bind(json_keys(fallbacks.values().flatten()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What the application grants, in the operator's order.
pub async fn list_grants(db: &mut AnyConnection, application: ApplicationId) -> Result<Vec<Grant>> {
    let rows = sqlx::query(
        "select id, application_id, sku_id, group_id, by_group, disabled_plans from grants
         where application_id = $1 order by position, id",
    )
    .bind(application.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("grants", row);
            let group = columns.text("group_id")?;
            Ok(Grant {
                id: columns.parsed("id")?,
                application_id: columns.parsed("application_id")?,
                sku_id: columns.text("sku_id")?,
                group_id: if group.is_empty() {
                    None
                } else {
                    Some(columns.parsed("group_id")?)
                },
                by_group: columns.flag("by_group")?,
                disabled_plans: columns.json("disabled_plans")?,
            })
        })
        .collect()
}

/// Sets what the application grants. The same grants again change nothing.
pub async fn set_grants(
    tx: &mut Write,
    random: &dyn Random,
    application: ApplicationId,
    grants: &[NewGrant],
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let before: Vec<_> = list_grants(tx, application)
        .await?
        .into_iter()
        .map(|grant| NewGrant {
            sku_id: grant.sku_id,
            group_id: grant.group_id,
            by_group: grant.by_group,
            disabled_plans: grant.disabled_plans,
        })
        .collect();
    if before == grants {
        return Ok(());
    }
    sqlx::query("delete from grants where application_id = $1")
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    for (position, grant) in (0i64..).zip(grants) {
        sqlx::query(
            "insert into grants (id, application_id, sku_id, group_id, disabled_plans, position,
               by_group)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (application_id, sku_id, group_id) do nothing",
        )
        .bind(GrantId::mint(now, random).to_string())
        .bind(application.to_string())
        .bind(&grant.sku_id)
        .bind(grant.group_id.map(|id| id.to_string()).unwrap_or_default())
        .bind(to_json(&grant.disabled_plans)?)
        .bind(position)
        .bind(flag(grant.by_group && grant.group_id.is_some()))
        .execute(&mut **tx)
        .await?;
    }
    // Groups that give licenses, or gave some, are looked at again.
    group_push::touch_quietly(tx, application).await?;
    let (before, after) = (json!({ "grants": before }), json!({ "grants": grants }));
    let action = "licenses.changed";
    settings_changed(tx, application, action, Some(before), Some(after), by, now).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, add_connected, add_users, alice, dirty, random, settle_all, user};
    use crate::{Store, both_engines};
    use signpost_model::license::Seats;

    fn product(total: i64) -> Product {
        Product {
            sku_id: "sku".to_owned(),
            part_number: "E3".to_owned(),
            name: "Microsoft 365 E3".to_owned(),
            assignable: true,
            seats: Seats { total, used: 5 },
            service_plans: Vec::new(),
        }
    }

    async fn read(store: &Store, application: ApplicationId, total: i64) {
        let mut tx = store.write().await.unwrap();
        set_products(&mut tx, application, &[product(total)])
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    both_engines! {
        async fn who_waits_for_a_seat_is_looked_at_when_one_appears(store: Store) {
            add_users(&store, 1, &["Ada", "Bob"]).await;
            let application = add_connected(&store).await;
            read(&store, application.id, 5).await;
            settle_all(&store, &application).await;
            let mut tx = store.write().await.unwrap();
            let blocked = r#"{"blocked":[{"blocker":"no_seats","product":"E3"}]}"#;
            sqlx::query("update provisioning set last_outcome = $1 where user_id = $2")
                .bind(blocked)
                .bind(user(2).to_string())
                .execute(&mut *tx)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            read(&store, application.id, 4).await;
            assert_eq!(dirty(&store, application.id).await, []);
            read(&store, application.id, 6).await;
            assert_eq!(dirty(&store, application.id).await, [user(2)]);
        }

        async fn the_same_grants_again_change_nothing(store: Store) {
            add_users(&store, 1, &["Ada"]).await;
            let application = add_connected(&store).await;
            settle_all(&store, &application).await;
            let grants = ["b", "a"].map(|sku| NewGrant {
                sku_id: sku.to_owned(),
                group_id: None,
                by_group: false,
                disabled_plans: vec!["plan".to_owned()],
            });
            let id = application.id;
            for expected in [vec![user(1)], Vec::new()] {
                let mut tx = store.write().await.unwrap();
                set_grants(&mut tx, &random(), id, &grants, &alice(), NOW).await.unwrap();
                tx.commit().await.unwrap();
                assert_eq!(dirty(&store, id).await, expected);
                settle_all(&store, &application).await;
            }
            let mut db = store.read().await.unwrap();
            let kept = list_grants(&mut db, id).await.unwrap();
            let order: Vec<_> = kept.iter().map(|grant| grant.sku_id.as_str()).collect();
            assert_eq!(order, ["b", "a"]);
        }
    }
}
