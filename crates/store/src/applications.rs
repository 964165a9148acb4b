//! Applications: what users get access to, and who gets it.

use serde_json::json;
use signpost_model::audit::Subject;
use signpost_model::text::fold;
use signpost_model::{
    AccessType, Application, ApplicationId, Author, ConnectionState, Policy, Random, Timestamp,
};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::rows::{TableRow, to_json};
use crate::{Error, Result, Write, audit, provisioning};

/// The most applications an installation may have: every list of them fits one page.
pub const MAX_APPLICATIONS: i64 = 200;

/// An application with what its list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationSummary {
    pub application: Application,
    pub connection: ConnectionState,
    /// The domain it looks after; empty until it is connected.
    pub domain: String,
    /// Users linked with an account.
    pub linked: i64,
    /// Users that are blocked or whose last try failed.
    pub problems: i64,
    pub first_synced_at: Option<Timestamp>,
}

const COLUMNS: &str =
    "a.id, a.name, a.access_type, a.access_rule, a.created_at, a.updated_at, a.version";

/// Creates an application; everyone it concerns waits to be looked at.
pub async fn create(
    tx: &mut Write,
    random: &dyn Random,
    name: &str,
    access: &AccessType,
    by: &Author,
    now: Timestamp,
) -> Result<Application> {
    let application = Application {
        id: ApplicationId::mint(now, random),
        name: name.trim().to_owned(),
        access: access.clone(),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let (access_type, rule) = access_columns(access)?;
    sqlx::query(
        "insert into applications (id, name, name_folded, access_type, access_rule, policy,
           desired_revision, created_at, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, 1, $7, $7, 1)",
    )
    .bind(application.id.to_string())
    .bind(&application.name)
    .bind(fold(&application.name))
    .bind(access_type)
    .bind(rule)
    .bind(to_json(&Policy::default())?)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    provisioning::touch_application(tx, application.id).await?;
    let mut entry = by.entry("application.created", subject(&application));
    entry.after = Some(json!({ "name": application.name, "access": access }));
    audit::append(tx, &entry, now);
    Ok(application)
}

/// The application with this id, unless it was deleted.
pub async fn find(db: &mut AnyConnection, id: ApplicationId) -> Result<Option<Application>> {
    let sql = "select a.id, a.name, a.access_type, a.access_rule, a.created_at, a.updated_at,
                 a.version
               from applications a where a.id = $1 and a.deleted_at is null";
    let row = sqlx::query(sql)
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    row.map(|row| application(&row)).transpose()
}

/// Every application, by name.
pub async fn list(db: &mut AnyConnection) -> Result<Vec<ApplicationSummary>> {
    let sql = format!(
        "select {COLUMNS}, a.first_synced_at, c.state, c.domain,
           (select count(*) from links l where l.application_id = a.id) as linked,
           (select count(*) from provisioning p where p.application_id = a.id
              and p.state in ('blocked', 'failed')) as problems
         from applications a left join connections c on c.application_id = a.id
         where a.deleted_at is null order by a.name_folded, a.id limit $1"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(MAX_APPLICATIONS)
        .fetch_all(db)
        .await?;
    rows.iter().map(summary).collect()
}

fn summary(row: &AnyRow) -> Result<ApplicationSummary> {
    let columns = TableRow::new("applications", row);
    Ok(ApplicationSummary {
        application: application(row)?,
        connection: columns
            .optional_parsed("state")?
            .unwrap_or(ConnectionState::NotSetUp),
        domain: columns.optional_text("domain")?.unwrap_or_default(),
        linked: columns.number("linked")?,
        problems: columns.number("problems")?,
        first_synced_at: columns.optional_time("first_synced_at")?,
    })
}

/// Gives the application another name.
pub async fn rename(
    tx: &mut Write,
    id: ApplicationId,
    version: i64,
    name: &str,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let before = begin_change(tx, id, version, now).await?;
    let name = name.trim();
    sqlx::query("update applications set name = $1, name_folded = $2 where id = $3")
        .bind(name)
        .bind(fold(name))
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    let mut entry = by.entry("application.renamed", subject(&before));
    entry.before = Some(json!({ "name": before.name }));
    entry.after = Some(json!({ "name": name }));
    audit::append(tx, &entry, now);
    Ok(())
}

/// Changes who gets the application; everyone it concerned or concerns is looked at again.
pub async fn set_access(
    tx: &mut Write,
    id: ApplicationId,
    version: i64,
    access: &AccessType,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let before = begin_change(tx, id, version, now).await?;
    let (access_type, rule) = access_columns(access)?;
    sqlx::query("update applications set access_type = $1, access_rule = $2 where id = $3")
        .bind(access_type)
        .bind(rule)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    provisioning::touch_application(tx, id).await?;
    let mut entry = by.entry("application.access_changed", subject(&before));
    entry.before = Some(json!({ "access": before.access }));
    entry.after = Some(json!({ "access": access }));
    audit::append(tx, &entry, now);
    Ok(())
}

/// Deletes the application: its runs end, its secret is forgotten, nothing in the tenant changes.
pub async fn delete(
    tx: &mut Write,
    id: ApplicationId,
    version: i64,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let before = begin_change(tx, id, version, now).await?;
    let key = id.to_string();
    for sql in [
        "update applications set deleted_at = $1 where id = $2",
        "update runs set state = 'cancelled', finished_at = $1
         where application_id = $2 and state in ('queued', 'awaiting_approval')",
        "update connections set secret_sealed = null, secret_saved_at = null,
           delta_link_sealed = null, state = 'not_set_up', checked_at = $1
         where application_id = $2",
    ] {
        sqlx::query(sql)
            .bind(now.as_millis())
            .bind(&key)
            .execute(&mut **tx)
            .await?;
    }
    sqlx::query(
        "update runs set cancel_requested = 1
         where application_id = $1 and state in ('planning', 'applying')",
    )
    .bind(&key)
    .execute(&mut **tx)
    .await?;
    let mut entry = by.entry("application.deleted", subject(&before));
    entry.before = Some(json!({ "name": before.name }));
    audit::append(tx, &entry, now);
    Ok(())
}

/// Notes that a sync of the application has ended for the first time: from now on changes are
/// followed by themselves.
pub async fn set_first_synced(tx: &mut Write, id: ApplicationId, now: Timestamp) -> Result<()> {
    sqlx::query(
        "update applications set first_synced_at = $1 where id = $2 and first_synced_at is null",
    )
    .bind(now.as_millis())
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes the application for a change of its settings that was made from this version, and counts
/// the version up: of two operators, the second is told.
pub async fn begin_change(
    tx: &mut Write,
    id: ApplicationId,
    version: i64,
    now: Timestamp,
) -> Result<Application> {
    let before = find(tx, id).await?.ok_or(Error::NotFound("application"))?;
    let changed = sqlx::query(
        "update applications set version = version + 1, updated_at = $1
         where id = $2 and version = $3 and deleted_at is null",
    )
    .bind(now.as_millis())
    .bind(id.to_string())
    .bind(version)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    match changed {
        1 => Ok(before),
        _ => Err(Error::Stale("application")),
    }
}

/// The application, for an event of the audit trail.
pub(crate) fn subject(application: &Application) -> Subject {
    Subject::new("application", application.id, application.name.clone())
}

/// The subject of an application of which only the id is at hand.
pub(crate) async fn subject_of(tx: &mut Write, id: ApplicationId) -> Result<Subject> {
    let application = find(tx, id).await?.ok_or(Error::NotFound("application"))?;
    Ok(subject(&application))
}

fn access_columns(access: &AccessType) -> Result<(&'static str, Option<String>)> {
    Ok(match access {
        AccessType::AllUsers => ("all_users", None),
        AccessType::Assigned => ("assigned", None),
        AccessType::Rule(rule) => ("rule", Some(to_json(rule)?)),
    })
}

fn application(row: &AnyRow) -> Result<Application> {
    let columns = TableRow::new("applications", row);
    let access = match columns.text("access_type")?.as_str() {
        "all_users" => AccessType::AllUsers,
        "assigned" => AccessType::Assigned,
        "rule" => AccessType::Rule(columns.json("access_rule")?),
        _ => return Err(columns.inconsistent("access_type")),
    };
    Ok(Application {
        id: columns.parsed("id")?,
        name: columns.text("name")?,
        access,
        created_at: columns.time("created_at")?,
        updated_at: columns.time("updated_at")?,
        version: columns.number("version")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, add_application, add_users, alice, assign, dirty, random, user};
    use crate::{Constraint, both_engines};
    use signpost_model::Principal;
    use signpost_model::directory::Attribute;
    use signpost_model::rule::{Combine, Comparison, Condition, Rule};

    both_engines! {
        async fn an_application_is_found_as_it_was_made(store: Store) {
            let rule = Rule {
                combine: Combine::Any,
                conditions: vec![Condition {
                    attribute: Attribute::Department,
                    comparison: Comparison::Is,
                    value: "Sales".to_owned(),
                }],
            };
            let made = add_application(&store, " Microsoft 365 ", AccessType::Rule(rule)).await;
            let mut db = store.read().await.unwrap();
            assert_eq!(find(&mut db, made.id).await.unwrap(), Some(made.clone()));
            let all = list(&mut db).await.unwrap();
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].application.name, "Microsoft 365");
            assert_eq!(all[0].connection, ConnectionState::NotSetUp);
        }

        async fn names_are_unique_among_living_applications(store: Store) {
            let first = add_application(&store, "Microsoft 365", AccessType::AllUsers).await;
            let mut tx = store.write().await.unwrap();
            let access = AccessType::AllUsers;
            let refusal = create(&mut tx, &random(), "MICROSOFT 365", &access, &alice(), NOW).await;
            assert!(refusal.unwrap_err().is_conflict(Constraint::ApplicationName));
            drop(tx);
            let mut tx = store.write().await.unwrap();
            delete(&mut tx, first.id, 1, &alice(), NOW).await.unwrap();
            create(&mut tx, &random(), "Microsoft 365", &access, &alice(), NOW).await.unwrap();
            tx.commit().await.unwrap();
            let mut db = store.read().await.unwrap();
            assert_eq!(find(&mut db, first.id).await.unwrap(), None);
        }

        async fn of_two_operators_the_second_is_told(store: Store) {
            let application = add_application(&store, "Microsoft 365", AccessType::AllUsers).await;
            let mut tx = store.write().await.unwrap();
            rename(&mut tx, application.id, 1, "Contoso", &alice(), NOW).await.unwrap();
            tx.commit().await.unwrap();
            let mut tx = store.write().await.unwrap();
            let refusal = rename(&mut tx, application.id, 1, "Fabrikam", &alice(), NOW).await;
            assert!(matches!(refusal, Err(Error::Stale("application"))));
        }

        async fn another_access_type_looks_at_everyone_it_concerned_or_concerns(store: Store) {
            add_users(&store, 1, &["Ada", "Bob"]).await;
            let application = add_application(&store, "Microsoft 365", AccessType::Assigned).await;
            assert_eq!(dirty(&store, application.id).await, []);
            assign(&store, application.id, &[Principal::User(user(1))]).await;
            assert_eq!(dirty(&store, application.id).await, [user(1)]);
            let mut tx = store.write().await.unwrap();
            let access = AccessType::AllUsers;
            set_access(&mut tx, application.id, 1, &access, &alice(), NOW).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(dirty(&store, application.id).await, [user(1), user(2)]);
        }
    }
}
