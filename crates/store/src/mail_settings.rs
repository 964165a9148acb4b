//! The server that takes our mail: one, or none.

use serde_json::{Value, json};
use signpost_model::audit::Subject;
use signpost_model::mail::MailServer;
use signpost_model::{Author, Random, Secret, Timestamp};
use sqlx::AnyConnection;

use crate::rows::{TableRow, flag};
use crate::{Error, Result, RowIdentity, Sealer, Write, audit};

/// The id of the one row.
const ROW: &str = "mail";

/// The settings without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSettings {
    pub server: MailServer,
    /// Whether people who forgot their password may have a link mailed.
    pub mails_resets: bool,
    pub password_saved_at: Option<Timestamp>,
    pub version: i64,
}

/// What is saved.
#[derive(Debug)]
pub struct MailUpdate<'a> {
    pub server: &'a MailServer,
    pub mails_resets: bool,
    /// `None` keeps the password that is there, as long as the server is the same.
    pub password: Option<&'a Secret>,
    /// Of the settings that the form was made from; 0 when there were none.
    pub version: i64,
}

/// The settings; `None` until a server is named.
pub async fn find(db: &mut AnyConnection) -> Result<Option<MailSettings>> {
    let row = sqlx::query(
        "select id, host, port, security, user_name, sender, mails_resets, password_saved_at,
           version
         from mail_settings where id = $1",
    )
    .bind(ROW)
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        let row = TableRow::new("mail_settings", &row);
        Ok(MailSettings {
            server: MailServer {
                host: row.text("host")?,
                port: u16::try_from(row.number("port")?).map_err(|_| row.inconsistent("port"))?,
                security: row.parsed("security")?,
                user_name: row.text("user_name")?,
                sender: row.text("sender")?,
            },
            mails_resets: row.flag("mails_resets")?,
            password_saved_at: row.optional_time("password_saved_at")?,
            version: row.number("version")?,
        })
    })
    .transpose()
}

/// The password, for the one place that sends.
pub async fn find_password(db: &mut AnyConnection, sealer: &Sealer) -> Result<Option<Secret>> {
    let sealed: Option<Option<String>> =
        sqlx::query_scalar("select password_sealed from mail_settings where id = $1")
            .bind(ROW)
            .fetch_optional(db)
            .await?;
    sealed
        .flatten()
        .map(|sealed| sealer.open(identity(), &sealed))
        .transpose()
}

const fn identity() -> RowIdentity<'static> {
    RowIdentity {
        table: "mail_settings",
        column: "password_sealed",
        id: ROW,
    }
}

/// Saves settings that were made from the stored version. A password goes to the server it was
/// typed for and to no other: with another host, port, guard or user name it is forgotten.
pub async fn save(
    tx: &mut Write,
    sealer: &Sealer,
    random: &dyn Random,
    update: &MailUpdate<'_>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let before = find(tx).await?;
    if before.as_ref().map_or(0, |before| before.version) != update.version {
        return Err(Error::Stale("mail settings"));
    }
    let server = update.server;
    let same = before.as_ref().is_some_and(|before| {
        let place = |of: &MailServer| (of.host.clone(), of.port, of.security, of.user_name.clone());
        place(&before.server) == place(server)
    });
    sqlx::query(
        "insert into mail_settings (id, host, port, security, user_name, sender, mails_resets,
           updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (id) do update set host = excluded.host, port = excluded.port,
           security = excluded.security, user_name = excluded.user_name,
           sender = excluded.sender, mails_resets = excluded.mails_resets,
           updated_at = excluded.updated_at, version = excluded.version",
    )
    .bind(ROW)
    .bind(&server.host)
    .bind(i64::from(server.port))
    .bind(server.security.key())
    .bind(&server.user_name)
    .bind(&server.sender)
    .bind(flag(update.mails_resets))
    .bind(now.as_millis())
    .bind(update.version + 1)
    .execute(&mut **tx)
    .await?;
    match update.password {
        Some(password) => {
            let sealed = sealer.seal(identity(), password, random)?;
            set_password(tx, Some(&sealed), Some(now)).await?;
        }
        None if same => {}
        None => set_password(tx, None, None).await?,
    }
    let entry = by
        .entry("mail.settings_changed", subject(server))
        .changed(before.as_ref().map(to_value), Some(after(update)));
    audit::append(tx, &entry, now);
    Ok(())
}

async fn set_password(
    tx: &mut Write,
    sealed: Option<&str>,
    saved_at: Option<Timestamp>,
) -> Result<()> {
    sqlx::query(
        "update mail_settings set password_sealed = $2, password_saved_at = $3 where id = $1",
    )
    .bind(ROW)
    .bind(sealed)
    .bind(saved_at.map(Timestamp::as_millis))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets the server: no mail is sent any more.
pub async fn remove(tx: &mut Write, by: &Author, now: Timestamp) -> Result<()> {
    let Some(before) = find(tx).await? else {
        return Ok(());
    };
    sqlx::query("delete from mail_settings where id = $1")
        .bind(ROW)
        .execute(&mut **tx)
        .await?;
    let entry = by
        .entry("mail.settings_removed", subject(&before.server))
        .changed(Some(to_value(&before)), None);
    audit::append(tx, &entry, now);
    Ok(())
}

fn subject(server: &MailServer) -> Subject {
    Subject::new("mail", "", &server.host)
}

fn to_value(settings: &MailSettings) -> Value {
    value(&settings.server, settings.mails_resets)
}

fn after(update: &MailUpdate<'_>) -> Value {
    let mut value = value(update.server, update.mails_resets);
    if update.password.is_some() {
        value["password"] = "changed".into();
    }
    value
}

fn value(server: &MailServer, mails_resets: bool) -> Value {
    json!({
        "host": server.host,
        "port": server.port,
        "security": server.security.key(),
        "user_name": server.user_name,
        "sender": server.sender,
        "mails_resets": mails_resets,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, alice, random};
    use signpost_model::mail::MailSecurity;

    fn server(host: &str) -> MailServer {
        MailServer {
            host: host.to_owned(),
            port: 587,
            security: MailSecurity::StartTls,
            user_name: "signpost".to_owned(),
            sender: "signpost@contoso.example".to_owned(),
        }
    }

    both_engines! {
        async fn a_password_stays_with_the_server_it_was_typed_for(store: Store) {
            let mut tx = store.write().await.unwrap();
            assert_eq!(find(&mut tx).await.unwrap(), None);
            let password = Secret::new("hunter2");
            let (ours, theirs) = (server("mail.contoso.example"), server("mail.evil.example"));
            let sealer = store.sealer().clone();
            let put = async |tx: &mut Write, server: &MailServer, password, version| {
                let update = MailUpdate { server, mails_resets: true, password, version };
                save(tx, &sealer, &random(), &update, &alice(), NOW).await
            };
            put(&mut tx, &ours, Some(&password), 0).await.unwrap();
            put(&mut tx, &ours, None, 1).await.unwrap();
            let kept = find_password(&mut tx, &sealer).await.unwrap().unwrap();
            assert_eq!(kept.expose(), "hunter2");
            let stale = put(&mut tx, &ours, None, 1).await;
            assert!(matches!(stale, Err(Error::Stale(_))));
            put(&mut tx, &theirs, None, 2).await.unwrap();
            assert!(find_password(&mut tx, &sealer).await.unwrap().is_none());
            assert_eq!(find(&mut tx).await.unwrap().unwrap().password_saved_at, None);
            remove(&mut tx, &alice(), NOW).await.unwrap();
            assert_eq!(find(&mut tx).await.unwrap(), None);
        }
    }
}
