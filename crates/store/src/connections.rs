//! An application's way into its tenant: settings, the sealed secret, what the last check found.

use serde_json::json;
use signpost_model::connection::{ConnectionSettings, CredentialKind, Findings};
use signpost_model::run::{Run, RunFailure};
use signpost_model::{ApplicationId, Author, ConnectionState, Random, Secret, Timestamp};
use sqlx::AnyConnection;

use crate::provisioning::settings_changed;
use crate::rows::{TableRow, to_json};
use crate::{Error, Result, RowIdentity, Sealer, Write, applications, audit};

/// A connection without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    pub settings: ConnectionSettings,
    /// When the secret was saved; `None` when there is none.
    pub secret_saved_at: Option<Timestamp>,
    /// How the application proves itself.
    pub credential: CredentialKind,
    pub state: ConnectionState,
    pub findings: Findings,
    pub checked_at: Option<Timestamp>,
    /// When the tenant's accounts were last read in full.
    pub full_read_at: Option<Timestamp>,
    /// Failed runs in a row.
    pub failures: i64,
    /// No run starts by itself before.
    pub retry_at: Option<Timestamp>,
}

/// What Update Settings saves.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionUpdate<'a> {
    pub settings: &'a ConnectionSettings,
    /// `None` keeps the secret that is there.
    pub secret: Option<&'a Secret>,
    pub state: ConnectionState,
    pub findings: &'a Findings,
}

/// The connection of an application; `None` until it is first saved.
pub async fn find(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Option<Connection>> {
    let row = sqlx::query(
        "select application_id, cloud, domain, tenant_id, client_id, secret_saved_at,
           credential, state, findings, checked_at, full_read_at, failures, retry_at
         from connections where application_id = $1",
    )
    .bind(application.to_string())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let columns = TableRow::new("connections", &row);
    Ok(Some(Connection {
        settings: ConnectionSettings {
            cloud: columns.parsed("cloud")?,
            domain: columns.text("domain")?,
            tenant_id: columns.text("tenant_id")?,
            client_id: columns.text("client_id")?,
        },
        secret_saved_at: columns.optional_time("secret_saved_at")?,
        credential: columns.parsed("credential")?,
        state: columns.parsed("state")?,
        findings: columns.json("findings")?,
        checked_at: columns.optional_time("checked_at")?,
        full_read_at: columns.optional_time("full_read_at")?,
        failures: columns.number("failures")?,
        retry_at: columns.optional_time("retry_at")?,
    }))
}

/// Saves the settings and what their check found. Another tenant forgets what was known of the
/// old one; call [`crate::applications::begin_change`] first.
pub async fn save(
    tx: &mut Write,
    sealer: &Sealer,
    random: &dyn Random,
    application: ApplicationId,
    update: ConnectionUpdate<'_>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let before = find(tx, application).await?;
    let old = before.as_ref().map(|before| &before.settings);
    if old.is_some_and(|old| !same_tenant(old, update.settings)) {
        forget_tenant(tx, application).await?;
    }
    write(tx, application, &update, now).await?;
    if let Some(secret) = update.secret {
        let sealed = sealer.seal(secret_row(&application.to_string()), secret, random)?;
        sqlx::query(
            "update connections set secret_sealed = $1, secret_saved_at = $2, credential = 'secret'
             where application_id = $3",
        )
        .bind(sealed)
        .bind(now.as_millis())
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    }
    if old == Some(update.settings) && update.secret.is_none() {
        return Ok(());
    }
    let secret = update.secret.map(|_| "changed");
    let after = json!({ "settings": update.settings, "secret": secret });
    let before = old.map(|old| json!({ "settings": old }));
    settings_changed(
        tx,
        application,
        "connection.updated",
        before,
        Some(after),
        by,
        now,
    )
    .await
}

/// A secret that takes the place of another.
#[derive(Debug, Clone, Copy)]
pub struct Renewed<'a> {
    pub used: &'a Secret,
    pub new: &'a Secret,
}

/// Uses another secret from now on, where the old one is still in use: somebody may have saved
/// another one while this was made.
pub async fn replace_secret(
    tx: &mut Write,
    sealer: &Sealer,
    random: &dyn Random,
    application: ApplicationId,
    renewed: Renewed<'_>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let stored = open_secret(tx, sealer, application).await?;
    let still = stored.is_some_and(|stored| stored.expose() == renewed.used.expose());
    let connection = find(tx, application).await?;
    let secret = connection.is_some_and(|known| known.credential == CredentialKind::Secret);
    if !still || !secret {
        return Err(Error::Stale("secret"));
    }
    let sealed = sealer.seal(secret_row(&application.to_string()), renewed.new, random)?;
    sqlx::query(
        "update connections set secret_sealed = $1, secret_saved_at = $2 where application_id = $3",
    )
    .bind(sealed)
    .bind(now.as_millis())
    .bind(application.to_string())
    .execute(&mut **tx)
    .await?;
    let subject = applications::subject_of(tx, application).await?;
    let after = json!({ "secret": "changed" });
    let entry = by.entry("connection.secret_renewed", subject);
    audit::append(tx, &entry.changed(None, Some(after)), now);
    Ok(())
}

fn same_tenant(old: &ConnectionSettings, new: &ConnectionSettings) -> bool {
    old.cloud == new.cloud && old.tenant_id.eq_ignore_ascii_case(&new.tenant_id)
}

async fn write(
    tx: &mut Write,
    application: ApplicationId,
    update: &ConnectionUpdate<'_>,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "insert into connections (application_id, cloud, domain, tenant_id, client_id, state,
           findings, checked_at, round, failures)
         values ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0)
         on conflict (application_id) do update set cloud = excluded.cloud,
           domain = excluded.domain, tenant_id = excluded.tenant_id,
           client_id = excluded.client_id, state = excluded.state, findings = excluded.findings,
           checked_at = excluded.checked_at, failures = 0, retry_at = null",
    )
    .bind(application.to_string())
    .bind(update.settings.cloud.key())
    .bind(&update.settings.domain)
    .bind(&update.settings.tenant_id)
    .bind(&update.settings.client_id)
    .bind(update.state.key())
    .bind(to_json(update.findings)?)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Accounts, links and what is owned belong to one tenant; in another the ids mean nothing, and
/// nothing may start there by itself before an operator has looked.
async fn forget_tenant(tx: &mut Write, application: ApplicationId) -> Result<()> {
    for sql in [
        "delete from accounts where application_id = $1",
        "delete from role_holders where application_id = $1",
        "delete from links where application_id = $1",
        "delete from ownership where application_id = $1",
        "delete from unanswered where application_id = $1",
        "delete from snapshots where application_id = $1",
        "delete from decisions where application_id = $1",
        "delete from restorations where application_id = $1",
        "delete from drifts where application_id = $1",
        "delete from readiness_checks where application_id = $1",
        "delete from readiness_waivers where application_id = $1",
        "delete from readiness_marks where application_id = $1",
        "delete from account_readings where application_id = $1",
        "delete from mfa_states where application_id = $1",
        "delete from connection_certificates where application_id = $1",
        "delete from products where application_id = $1",
        "delete from tenant_members where application_id = $1",
        "delete from tenant_groups where application_id = $1",
        "delete from group_readings where application_id = $1",
        "delete from membership_drifts where application_id = $1",
        "update pushed_groups set object_id = null, created = 0, decision = '', written_name = '',
           written_description = '', members_read_at = null, revision = revision + 1,
           quiet_revision = revision + 1, state = 'not_pushed', blockers = null,
           last_outcome = null, attempts = 0, due_at = null where application_id = $1",
        "update provisioning set state = 'pending', removed_at = null, last_outcome = null,
           attempts = 0, due_at = null, held_until = null, waits_since = null where application_id = $1",
        "update connections set delta_link_sealed = null, full_read_at = null
         where application_id = $1",
        "update applications set first_synced_at = null where id = $1",
        // It still works on the old tenant, and would note its accounts as those of the new one.
        "update runs set cancel_requested = 1
         where application_id = $1 and state in ('planning', 'applying')",
    ] {
        sqlx::query(sql)
            .bind(application.to_string())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Keeps what a later check found.
pub async fn save_findings(
    tx: &mut Write,
    application: ApplicationId,
    state: ConnectionState,
    findings: &Findings,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update connections set state = $1, findings = $2, checked_at = $3
         where application_id = $4",
    )
    .bind(state.key())
    .bind(to_json(findings)?)
    .bind(now.as_millis())
    .bind(application.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Counts a run that failed as a whole: nothing starts by itself before `retry_at`.
pub async fn count_failure(
    tx: &mut Write,
    application: ApplicationId,
    state: ConnectionState,
    retry_at: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update connections set failures = failures + 1, retry_at = $1, state = $2
         where application_id = $3",
    )
    .bind(retry_at.as_millis())
    .bind(state.key())
    .bind(application.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Slows a connection down and says so on every page although the run reached its end: most of its
/// changes failed.
pub async fn quarantine(
    tx: &mut Write,
    run: &Run,
    failure: &RunFailure,
    retry_at: Timestamp,
) -> Result<()> {
    sqlx::query("update runs set failure = $1 where id = $2")
        .bind(to_json(failure)?)
        .bind(run.id.to_string())
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "update connections set failures = case when failures < 2 then 2 else failures + 1 end,
           retry_at = $1, state = 'with_problems' where application_id = $2",
    )
    .bind(retry_at.as_millis())
    .bind(run.application_id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether another application signs in to the same registration of the same tenant: what one of
/// them takes out of it, the other one may use.
pub async fn shares_registration(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<bool> {
    let others: i64 = sqlx::query_scalar(
        "select count(*) from connections c
         join connections o on lower(o.tenant_id) = lower(c.tenant_id)
           and lower(o.client_id) = lower(c.client_id) and o.application_id <> c.application_id
         join applications a on a.id = o.application_id and a.deleted_at is null
         where c.application_id = $1",
    )
    .bind(application.to_string())
    .fetch_one(db)
    .await?;
    Ok(others > 0)
}

/// Forgets earlier failures: a run reached its end.
pub async fn forget_failures(tx: &mut Write, application: ApplicationId) -> Result<()> {
    sqlx::query(
        "update connections set failures = 0, retry_at = null, state = 'connected'
         where application_id = $1 and failures > 0",
    )
    .bind(application.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The secret, for the one who signs in to the tenant.
pub async fn open_secret(
    db: &mut AnyConnection,
    sealer: &Sealer,
    application: ApplicationId,
) -> Result<Option<Secret>> {
    let id = application.to_string();
    let sealed: Option<Option<String>> =
        sqlx::query_scalar("select secret_sealed from connections where application_id = $1")
            .bind(&id)
            .fetch_optional(db)
            .await?;
    sealed
        .flatten()
        .map(|sealed| sealer.open(secret_row(&id), &sealed))
        .transpose()
}

const fn secret_row(id: &str) -> RowIdentity<'_> {
    RowIdentity {
        table: "connections",
        column: "secret_sealed",
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{
        NOW, account, add_application, add_connected, add_users, alice, connect, inputs, random,
        start,
    };
    use crate::{accounts, both_engines};
    use signpost_model::AccessType;
    use signpost_model::run::RunScope;

    both_engines! {
        async fn a_secret_is_sealed_and_kept_when_none_is_given(store: Store) {
            let application = add_connected(&store).await;
            let found = {
                let mut db = store.read().await.unwrap();
                find(&mut db, application.id).await.unwrap().unwrap()
            };
            assert_eq!(found.secret_saved_at, Some(NOW));
            let settings = ConnectionSettings {
                domain: "fabrikam.example".to_owned(),
                ..found.settings
            };
            let update = ConnectionUpdate {
                settings: &settings,
                secret: None,
                state: ConnectionState::WithProblems,
                findings: &Findings::default(),
            };
            let mut tx = store.write().await.unwrap();
            let id = application.id;
            save(&mut tx, store.sealer(), &random(), id, update, &alice(), NOW).await.unwrap();
            tx.commit().await.unwrap();
            let mut db = store.read().await.unwrap();
            let raw: String = sqlx::query_scalar("select secret_sealed from connections")
                .fetch_one(&mut *db)
                .await
                .unwrap();
            assert!(!raw.contains("hunter2"));
            let opened = open_secret(&mut db, store.sealer(), id).await.unwrap();
            assert_eq!(opened.unwrap().expose(), "hunter2");
            let found = find(&mut db, id).await.unwrap().unwrap();
            assert_eq!(found.settings.domain, "fabrikam.example");
            assert_eq!(found.state, ConnectionState::WithProblems);
        }

        async fn the_audit_trail_holds_no_secret(store: Store) {
            add_connected(&store).await;
            let mut db = store.read().await.unwrap();
            let trail: Vec<(String, Option<String>)> =
                sqlx::query_as("select action, after_json from audit_events order by sequence")
                    .fetch_all(&mut *db)
                    .await
                    .unwrap();
            let (_, after) = trail.iter().find(|(a, _)| a == "connection.updated").unwrap();
            let after = after.as_deref().unwrap();
            assert!(after.contains("\"secret\":\"changed\"") && !after.contains("hunter2"));
        }

        async fn another_tenant_forgets_the_old_one(store: Store) {
            add_users(&store, 1, &["Ada"]).await;
            let application = add_connected(&store).await;
            let run = start(&store, application.id, RunScope::Everyone).await;
            let seen = [account(1, "ada")];
            accounts::store_observations(&store, &run.lease, None, &seen, NOW).await.unwrap();
            crate::runs::finish(&store, &run.lease, &crate::runs::RunEnd::Done, NOW).await.unwrap();
            connect(&store, &application, "33333333-3333-3333-3333-333333333333").await;
            let mut db = store.read().await.unwrap();
            assert_eq!(accounts::count(&mut db, application.id).await.unwrap(), 0);
            let listed = applications::list(&mut db).await.unwrap();
            assert_eq!(listed[0].first_synced_at, None);
            drop(db);
            assert_eq!(inputs(&store, &application).await[0].link, None);
        }

        async fn a_run_on_the_old_tenant_is_stopped(store: Store) {
            let application = add_connected(&store).await;
            let run = start(&store, application.id, RunScope::Everyone).await;
            connect(&store, &application, "33333333-3333-3333-3333-333333333333").await;
            let held = crate::runs::lease::heartbeat(&store, &run.lease, NOW).await.unwrap();
            assert!(held.cancel_requested);
        }

        async fn an_application_without_settings_has_no_connection(store: Store) {
            let application = add_application(&store, "M365", AccessType::AllUsers).await;
            let mut db = store.read().await.unwrap();
            assert_eq!(find(&mut db, application.id).await.unwrap(), None);
            let secret = open_secret(&mut db, store.sealer(), application.id).await.unwrap();
            assert!(secret.is_none());
        }
    }
}
