//! The keys with which an application's sign-in is signed.

use signpost_model::{ApplicationId, Random, Secret, SigningKeyId, Timestamp};
use sqlx::AnyConnection;

use crate::rows::TableRow;
use crate::{Result, RowIdentity, Sealer, Write};

/// What a key is used for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigningKeyState {
    /// Signs.
    Current,
    /// Published, and signs after the current one.
    Next,
}

impl SigningKeyState {
    const fn key(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Next => "next",
        }
    }
}

/// A key and its certificate.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// PKCS #8, PEM.
    pub private_key: Secret,
    /// DER as base64, without line breaks.
    pub certificate: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

/// Keeps a key, unless there is one in this state already: two processes that both find none
/// end with one key. Returns the one that is kept.
pub async fn create(
    tx: &mut Write,
    sealer: &Sealer,
    random: &dyn Random,
    application: ApplicationId,
    state: SigningKeyState,
    key: &SigningKey,
    now: Timestamp,
) -> Result<SigningKey> {
    let id = SigningKeyId::mint(now, random).to_string();
    let sealed = sealer.seal(private_key_row(&id), &key.private_key, random)?;
    sqlx::query(
        "insert into signing_keys (id, application_id, private_key_sealed, certificate,
           not_before, not_after, state, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
    )
    .bind(id)
    .bind(application.to_string())
    .bind(sealed)
    .bind(&key.certificate)
    .bind(key.not_before.as_millis())
    .bind(key.not_after.as_millis())
    .bind(state.key())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    let kept = find(tx, sealer, application, state).await?;
    Ok(kept.unwrap_or_else(|| key.clone()))
}

/// The key of an application in this state.
pub async fn find(
    db: &mut AnyConnection,
    sealer: &Sealer,
    application: ApplicationId,
    state: SigningKeyState,
) -> Result<Option<SigningKey>> {
    let row = sqlx::query(
        "select id, private_key_sealed, certificate, not_before, not_after
         from signing_keys where application_id = $1 and state = $2",
    )
    .bind(application.to_string())
    .bind(state.key())
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let columns = TableRow::new("signing_keys", &row);
    let id = columns.text("id")?;
    let sealed = columns.text("private_key_sealed")?;
    Ok(Some(SigningKey {
        private_key: sealer.open(private_key_row(&id), &sealed)?,
        certificate: columns.text("certificate")?,
        not_before: columns.time("not_before")?,
        not_after: columns.time("not_after")?,
    }))
}

const fn private_key_row(id: &str) -> RowIdentity<'_> {
    RowIdentity {
        table: "signing_keys",
        column: "private_key_sealed",
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, add_connected, random};

    fn key(text: &str) -> SigningKey {
        SigningKey {
            private_key: Secret::new(text),
            certificate: text.to_owned(),
            not_before: NOW,
            not_after: NOW.plus_days(365),
        }
    }

    both_engines! {
        async fn the_first_key_stays_when_two_processes_make_one(store: Store) {
            let application = add_connected(&store).await;
            let (id, state) = (application.id, SigningKeyState::Current);
            for text in ["first", "second"] {
                let mut tx = store.write().await.unwrap();
                let made = key(text);
                let kept = create(&mut tx, store.sealer(), &random(), id, state, &made, NOW)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
                assert_eq!(kept.private_key.expose(), "first");
            }
            let mut db = store.read().await.unwrap();
            let next = SigningKeyState::Next;
            assert!(find(&mut db, store.sealer(), id, next).await.unwrap().is_none());
            let found = find(&mut db, store.sealer(), id, state).await.unwrap().unwrap();
            assert_eq!(found.certificate, "first");
        }
    }
}
