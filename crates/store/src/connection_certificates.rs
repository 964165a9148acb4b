//! Certificates by which an application proves itself to its tenant, instead of a secret: one in
//! use, and one that is made and perhaps not known to the tenant yet.

use serde_json::json;
use signpost_model::{ApplicationId, Author, Random, Secret, SigningKeyId, Timestamp};
use sqlx::AnyConnection;

use crate::rows::TableRow;
use crate::signing_keys::SigningKey;
use crate::{Error, Result, RowIdentity, Sealer, Write, applications, audit};

/// A certificate without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionCertificate {
    /// DER as base64, without line breaks.
    pub certificate: String,
    pub not_after: Timestamp,
    pub made_at: Timestamp,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// In use.
    Current,
    /// Made, not in use yet.
    Next,
}

impl Which {
    const fn key(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Next => "next",
        }
    }
}

/// Keeps a certificate that was made, unless one waits already: the second of two clicks.
pub async fn create_next(
    tx: &mut Write,
    sealer: &Sealer,
    random: &dyn Random,
    application: ApplicationId,
    made: &SigningKey,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let id = SigningKeyId::mint(now, random).to_string();
    let sealed = sealer.seal(key_row(&id), &made.private_key, random)?;
    let kept = sqlx::query(
        "insert into connection_certificates (id, application_id, state, certificate,
           private_key_sealed, not_after, made_at)
         values ($1, $2, 'next', $3, $4, $5, $6) on conflict do nothing",
    )
    .bind(id)
    .bind(application.to_string())
    .bind(&made.certificate)
    .bind(sealed)
    .bind(made.not_after.as_millis())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    if kept.rows_affected() > 0 {
        let entry = by.entry("connection.certificate_made", subject);
        let after = json!({ "ends": made.not_after.to_string() });
        audit::append(tx, &entry.changed(None, Some(after)), now);
    }
    Ok(())
}

/// One of the two certificates.
pub async fn find(
    db: &mut AnyConnection,
    application: ApplicationId,
    which: Which,
) -> Result<Option<ConnectionCertificate>> {
    let row = sqlx::query(
        "select id, certificate, not_after, made_at from connection_certificates
         where application_id = $1 and state = $2",
    )
    .bind(application.to_string())
    .bind(which.key())
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        let row = TableRow::new("connection_certificates", &row);
        Ok(ConnectionCertificate {
            certificate: row.text("certificate")?,
            not_after: row.time("not_after")?,
            made_at: row.time("made_at")?,
        })
    })
    .transpose()
}

/// One of the two with its key, for the one who signs in to the tenant.
pub async fn open(
    db: &mut AnyConnection,
    sealer: &Sealer,
    application: ApplicationId,
    which: Which,
) -> Result<Option<(String, Secret)>> {
    let row = sqlx::query(
        "select id, certificate, private_key_sealed from connection_certificates
         where application_id = $1 and state = $2",
    )
    .bind(application.to_string())
    .bind(which.key())
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        let row = TableRow::new("connection_certificates", &row);
        let id = row.text("id")?;
        let key = sealer.open(key_row(&id), &row.text("private_key_sealed")?)?;
        Ok((row.text("certificate")?, key))
    })
    .transpose()
}

/// The next certificate is used from now on, instead of the secret or the certificate before it.
/// It must still be the one that was tried.
pub async fn switch(
    tx: &mut Write,
    application: ApplicationId,
    tried: &str,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let next = find(tx, application, Which::Next).await?;
    if next.is_none_or(|next| next.certificate != tried) {
        return Err(Error::Stale("certificate"));
    }
    for sql in [
        "delete from connection_certificates where application_id = $1 and state = 'current'",
        "update connection_certificates set state = 'current'
         where application_id = $1 and state = 'next'",
        "update connections set credential = 'certificate' where application_id = $1",
    ] {
        sqlx::query(sql)
            .bind(application.to_string())
            .execute(&mut **tx)
            .await?;
    }
    audit::append(tx, &by.entry("connection.certificate_used", subject), now);
    Ok(())
}

/// Gives the next certificate up; its key is forgotten.
pub async fn discard_next(
    tx: &mut Write,
    application: ApplicationId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let gone = sqlx::query(
        "delete from connection_certificates where application_id = $1 and state = 'next'",
    )
    .bind(application.to_string())
    .execute(&mut **tx)
    .await?;
    if gone.rows_affected() > 0 {
        let entry = by.entry("connection.certificate_discarded", subject);
        audit::append(tx, &entry, now);
    }
    Ok(())
}

const fn key_row(id: &str) -> RowIdentity<'_> {
    RowIdentity {
        table: "connection_certificates",
        column: "private_key_sealed",
        id,
    }
}

#[cfg(test)]
mod tests {
    use signpost_model::connection::CredentialKind;

    use super::*;
    use crate::fixtures::{NOW, add_connected, alice, random};
    use crate::{both_engines, connections};

    fn made(name: &str) -> SigningKey {
        SigningKey {
            private_key: Secret::new(format!("key of {name}")),
            certificate: name.to_owned(),
            not_before: NOW,
            not_after: NOW.plus_days(365),
        }
    }

    both_engines! {
        async fn the_next_certificate_replaces_secret_and_certificate_once_it_was_tried(store: Store) {
            let id = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            for name in ["one", "two"] {
                let made = made(name);
                create_next(&mut tx, store.sealer(), &random(), id, &made, &alice(), NOW)
                    .await
                    .unwrap();
                let again = self::made("later");
                create_next(&mut tx, store.sealer(), &random(), id, &again, &alice(), NOW)
                    .await
                    .unwrap();
                let wrong = switch(&mut tx, id, "later", &alice(), NOW).await;
                assert!(matches!(wrong, Err(Error::Stale(_))));
                switch(&mut tx, id, name, &alice(), NOW).await.unwrap();
                let (certificate, key) =
                    open(&mut tx, store.sealer(), id, Which::Current).await.unwrap().unwrap();
                assert_eq!((certificate.as_str(), key.expose()), (name, &*format!("key of {name}")));
                assert_eq!(find(&mut tx, id, Which::Next).await.unwrap(), None);
            }
            let connection = connections::find(&mut tx, id).await.unwrap().unwrap();
            assert_eq!(connection.credential, CredentialKind::Certificate);
            let raw: String = sqlx::query_scalar("select private_key_sealed from connection_certificates")
                .fetch_one(&mut *tx)
                .await
                .unwrap();
            assert!(!raw.contains("key of"));
            tx.commit().await.unwrap();
        }

        async fn a_certificate_that_is_given_up_is_forgotten(store: Store) {
            let id = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            create_next(&mut tx, store.sealer(), &random(), id, &made("one"), &alice(), NOW)
                .await
                .unwrap();
            discard_next(&mut tx, id, &alice(), NOW).await.unwrap();
            assert_eq!(find(&mut tx, id, Which::Next).await.unwrap(), None);
            tx.commit().await.unwrap();
        }
    }
}
