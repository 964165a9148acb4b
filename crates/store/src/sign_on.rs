//! How the users of an application sign in: its Sign-on settings.

use serde_json::{Value, json};
use signpost_model::{ApplicationId, Author, SignOnSettings, Timestamp};
use sqlx::AnyConnection;

use crate::rows::TableRow;
use crate::{Error, Result, Write, applications, audit};

/// The settings of an application; the defaults until they are first saved.
pub async fn find(db: &mut AnyConnection, application: ApplicationId) -> Result<SignOnSettings> {
    let row = sqlx::query(
        "select application_id, protocol, mfa_behavior, factor_policy, device_days, title, colour,
           version
         from sign_on_settings where application_id = $1",
    )
    .bind(application.to_string())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else {
        return Ok(SignOnSettings::default());
    };
    let row = TableRow::new("sign_on_settings", &row);
    let colour = row.text("colour")?;
    Ok(SignOnSettings {
        protocol: row.parsed("protocol")?,
        mfa_behavior: row.parsed("mfa_behavior")?,
        factor_policy: row.parsed("factor_policy")?,
        device_days: row.number("device_days")?,
        title: row.text("title")?,
        colour: match colour.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| row.inconsistent("colour"))?),
        },
        version: row.number("version")?,
    })
}

/// Saves settings that were made from the stored version.
pub async fn save(
    tx: &mut Write,
    application: ApplicationId,
    settings: &SignOnSettings,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let before = find(tx, application).await?;
    if before == *settings {
        return Ok(());
    }
    let saved = sqlx::query(
        "insert into sign_on_settings (application_id, protocol, mfa_behavior, factor_policy,
           device_days, title, colour, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9 + 1)
         on conflict (application_id) do update set protocol = excluded.protocol,
           mfa_behavior = excluded.mfa_behavior, factor_policy = excluded.factor_policy,
           device_days = excluded.device_days, title = excluded.title, colour = excluded.colour,
           updated_at = excluded.updated_at, version = excluded.version
         where sign_on_settings.version = $9",
    )
    .bind(application.to_string())
    .bind(settings.protocol.graph())
    .bind(settings.mfa_behavior.graph())
    .bind(settings.factor_policy.key())
    .bind(settings.device_days)
    .bind(&settings.title)
    .bind(colour(settings))
    .bind(now.as_millis())
    .bind(settings.version)
    .execute(&mut **tx)
    .await?;
    if saved.rows_affected() == 0 || settings.version != before.version {
        return Err(Error::Stale("sign-on settings"));
    }
    let entry = by
        .entry("application.sign_on_changed", subject)
        .changed(Some(to_value(&before)), Some(to_value(settings)));
    audit::append(tx, &entry, now);
    Ok(())
}

fn colour(settings: &SignOnSettings) -> String {
    settings
        .colour
        .map(|colour| colour.to_string())
        .unwrap_or_default()
}

fn to_value(settings: &SignOnSettings) -> Value {
    json!({
        "protocol": settings.protocol.graph(),
        "mfa_behavior": settings.mfa_behavior.graph(),
        "second_factor": settings.factor_policy.key(),
        "remembered_days": settings.device_days,
        "title": settings.title,
        "colour": colour(settings),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, add_connected, alice};
    use signpost_model::sign_on::{FactorPolicy, Protocol};

    both_engines! {
        async fn settings_are_the_defaults_until_saved_and_never_overwrite_newer_ones(store: Store) {
            let application = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            let mut settings = find(&mut tx, application).await.unwrap();
            assert_eq!(settings, SignOnSettings::default());
            settings.protocol = Protocol::Saml;
            settings.colour = Some("#1f6feb".parse().unwrap());
            save(&mut tx, application, &settings, &alice(), NOW).await.unwrap();
            let mut stored = find(&mut tx, application).await.unwrap();
            assert_eq!(stored, SignOnSettings { version: 1, ..settings.clone() });
            settings.factor_policy = FactorPolicy::Required;
            let stale = save(&mut tx, application, &settings, &alice(), NOW).await;
            assert!(matches!(stale, Err(Error::Stale(_))));
            stored.factor_policy = FactorPolicy::Required;
            save(&mut tx, application, &stored, &alice(), NOW).await.unwrap();
        }
    }
}
