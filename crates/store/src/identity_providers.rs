//! Another identity provider instead of Signpost's own, one per application.

use serde_json::{Value, json};
use signpost_model::federation::ExternalProvider;
use signpost_model::{ApplicationId, Author, Timestamp};
use sqlx::AnyConnection;

use crate::rows::TableRow;
use crate::{Error, Result, Write, applications, audit};

/// The other provider of an application; `None` while Signpost is it.
pub async fn find(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Option<ExternalProvider>> {
    let row = sqlx::query(
        "select application_id, issuer, sign_in, sign_out, active_sign_in, metadata_exchange,
           certificate, next_certificate, version
         from identity_providers where application_id = $1",
    )
    .bind(application.to_string())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let row = TableRow::new("identity_providers", &row);
    Ok(Some(ExternalProvider {
        issuer: row.text("issuer")?,
        sign_in: row.text("sign_in")?,
        sign_out: row.text("sign_out")?,
        active_sign_in: row.text("active_sign_in")?,
        metadata_exchange: row.text("metadata_exchange")?,
        certificate: row.text("certificate")?,
        next_certificate: row.text("next_certificate")?,
        version: row.number("version")?,
    }))
}

/// A certificate by which another provider signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignCertificate {
    pub application_id: ApplicationId,
    /// The application's name.
    pub name: String,
    /// DER as base64.
    pub certificate: String,
}

/// The certificates of other providers, of applications that are in use; whether one ends soon
/// stands in the certificate itself.
pub async fn list_certificates(db: &mut AnyConnection) -> Result<Vec<ForeignCertificate>> {
    let rows = sqlx::query(
        "select p.application_id, a.name, p.certificate
         from identity_providers p join applications a on a.id = p.application_id
         where a.deleted_at is null
         order by p.application_id limit 20",
    )
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("identity_providers", row);
            Ok(ForeignCertificate {
                application_id: row.parsed("application_id")?,
                name: row.text("name")?,
                certificate: row.text("certificate")?,
            })
        })
        .collect()
}

/// Saves a provider that was made from the stored version.
pub async fn save(
    tx: &mut Write,
    application: ApplicationId,
    provider: &ExternalProvider,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let before = find(tx, application).await?;
    if before.as_ref() == Some(provider) {
        return Ok(());
    }
    let saved = sqlx::query(
        "insert into identity_providers (application_id, issuer, sign_in, sign_out,
           active_sign_in, metadata_exchange, certificate, next_certificate, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10 + 1)
         on conflict (application_id) do update set issuer = excluded.issuer,
           sign_in = excluded.sign_in, sign_out = excluded.sign_out,
           active_sign_in = excluded.active_sign_in,
           metadata_exchange = excluded.metadata_exchange, certificate = excluded.certificate,
           next_certificate = excluded.next_certificate, updated_at = excluded.updated_at,
           version = excluded.version
         where identity_providers.version = $10",
    )
    .bind(application.to_string())
    .bind(&provider.issuer)
    .bind(&provider.sign_in)
    .bind(&provider.sign_out)
    .bind(&provider.active_sign_in)
    .bind(&provider.metadata_exchange)
    .bind(&provider.certificate)
    .bind(&provider.next_certificate)
    .bind(now.as_millis())
    .bind(provider.version)
    .execute(&mut **tx)
    .await?;
    let known = before.as_ref().map_or(0, |before| before.version);
    if saved.rows_affected() == 0 || provider.version != known {
        return Err(Error::Stale("identity provider"));
    }
    let entry = by
        .entry("application.identity_provider_changed", subject)
        .changed(before.as_ref().map(to_value), Some(to_value(provider)));
    audit::append(tx, &entry, now);
    Ok(())
}

/// Makes Signpost the identity provider again.
pub async fn remove(
    tx: &mut Write,
    application: ApplicationId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let Some(before) = find(tx, application).await? else {
        return Ok(());
    };
    sqlx::query("delete from identity_providers where application_id = $1")
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    let entry = by
        .entry("application.identity_provider_changed", subject)
        .changed(Some(to_value(&before)), None);
    audit::append(tx, &entry, now);
    Ok(())
}

fn to_value(provider: &ExternalProvider) -> Value {
    json!({
        "issuer": provider.issuer,
        "sign_in": provider.sign_in,
        "sign_out": provider.sign_out,
        "certificate": provider.certificate,
        "next_certificate": provider.next_certificate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, add_connected, alice};
    use crate::settings;

    both_engines! {
        async fn another_provider_is_kept_replaced_and_given_up(store: Store) {
            let id = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            assert_eq!(find(&mut tx, id).await.unwrap(), None);
            let mut provider = ExternalProvider {
                issuer: "urn:idp:contoso".to_owned(),
                sign_in: "https://idp.example/in".to_owned(),
                sign_out: "https://idp.example/out".to_owned(),
                active_sign_in: String::new(),
                metadata_exchange: String::new(),
                certificate: "MIIC".to_owned(),
                next_certificate: String::new(),
                version: 0,
            };
            save(&mut tx, id, &provider, &alice(), NOW).await.unwrap();
            let stored = find(&mut tx, id).await.unwrap().unwrap();
            assert_eq!(stored, ExternalProvider { version: 1, ..provider.clone() });
            let listed = list_certificates(&mut tx).await.unwrap();
            assert_eq!((listed.len(), listed[0].application_id), (1, id));
            assert_eq!(listed[0].certificate, "MIIC");
            assert!(settings::of_every_page(&mut tx).await.unwrap().has_alerts);
            provider.issuer = "urn:idp:other".to_owned();
            let stale = save(&mut tx, id, &provider, &alice(), NOW).await;
            assert!(matches!(stale, Err(Error::Stale(_))));
            provider.version = 1;
            save(&mut tx, id, &provider, &alice(), NOW).await.unwrap();
            remove(&mut tx, id, &alice(), NOW).await.unwrap();
            remove(&mut tx, id, &alice(), NOW).await.unwrap();
            assert_eq!(find(&mut tx, id).await.unwrap(), None);
            assert!(!settings::of_every_page(&mut tx).await.unwrap().has_alerts);
        }
    }
}
