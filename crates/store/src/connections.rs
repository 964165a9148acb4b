//! An application's way into its tenant: settings, the sealed secret, what the last check found.

use serde_json::json;
use signpost_model::connection::{ConnectionSettings, Findings};
use signpost_model::{ApplicationId, Author, ConnectionState, Random, Secret, Timestamp};
use sqlx::AnyConnection;

use crate::provisioning::settings_changed;
use crate::rows::{TableRow, to_json};
use crate::{Result, RowIdentity, Sealer, Write};

/// A connection without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    pub settings: ConnectionSettings,
    /// When the secret was saved; `None` when there is none.
    pub secret_saved_at: Option<Timestamp>,
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
        "select application_id, cloud, domain, tenant_id, client_id, secret_saved_at, state,
           findings, checked_at, full_read_at, failures, retry_at
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
            "update connections set secret_sealed = $1, secret_saved_at = $2
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
        "delete from snapshots where application_id = $1",
        "delete from decisions where application_id = $1",
        "delete from products where application_id = $1",
        "update provisioning set state = 'pending', removed_at = null, last_outcome = null,
           attempts = 0, due_at = null where application_id = $1",
        "update connections set delta_link_sealed = null, full_read_at = null
         where application_id = $1",
        "update applications set first_synced_at = null where id = $1",
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
