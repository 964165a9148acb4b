//! The keys with which an application's sign-in is signed.

use std::str::FromStr;

use serde_json::json;
use signpost_model::sign_on::UnknownChoice;
use signpost_model::{ApplicationId, Author, Random, Secret, SigningKeyId, Timestamp};
use sqlx::AnyConnection;

use crate::rows::TableRow;
use crate::{Error, Result, RowIdentity, Sealer, Write, applications, audit};

/// The most retired keys that are kept in sight.
const MAX_LISTED: i64 = 50;

/// What a key is used for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigningKeyState {
    /// Signs.
    Current,
    /// Published, and signs after the current one.
    Next,
    /// Signed once; its private half is gone.
    Retired,
}

impl SigningKeyState {
    const fn key(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Next => "next",
            Self::Retired => "retired",
        }
    }

    /// The word on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::Next => "Next",
            Self::Retired => "Retired",
        }
    }
}

impl FromStr for SigningKeyState {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> std::result::Result<Self, UnknownChoice> {
        [Self::Current, Self::Next, Self::Retired]
            .into_iter()
            .find(|state| state.key() == text)
            .ok_or(UnknownChoice)
    }
}

/// A certificate with what its key is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCertificate {
    pub id: SigningKeyId,
    pub state: SigningKeyState,
    /// DER as base64, without line breaks.
    pub certificate: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub created_at: Timestamp,
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

/// The certificates of an application: current, next, then the retired ones, newest first. No
/// private key is opened.
pub async fn list(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Vec<KnownCertificate>> {
    let rows = sqlx::query(
        "select id, state, certificate, not_before, not_after, created_at from signing_keys
         where application_id = $1
         order by case state when 'current' then 0 when 'next' then 1 else 2 end,
           created_at desc, id desc limit $2",
    )
    .bind(application.to_string())
    .bind(MAX_LISTED)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("signing_keys", row);
            Ok(KnownCertificate {
                id: row.parsed("id")?,
                state: row.parsed("state")?,
                certificate: row.text("certificate")?,
                not_before: row.time("not_before")?,
                not_after: row.time("not_after")?,
                created_at: row.time("created_at")?,
            })
        })
        .collect()
}

/// Notes that the next certificate was made; call it after [`create`].
pub async fn note_created(
    tx: &mut Write,
    application: ApplicationId,
    key: &SigningKey,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let entry = by
        .entry("application.next_certificate_made", subject)
        .changed(None, Some(json!({ "ends": key.not_after.to_string() })));
    audit::append(tx, &entry, now);
    Ok(())
}

/// Lets the next key sign; the one that signed is retired and its private half forgotten.
/// `expected` is the next key that the operator saw.
pub async fn switch(
    tx: &mut Write,
    application: ApplicationId,
    expected: SigningKeyId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let next: Option<String> = sqlx::query_scalar(
        "select id from signing_keys where application_id = $1 and state = 'next' and id = $2",
    )
    .bind(application.to_string())
    .bind(expected.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    if next.is_none() {
        return Err(Error::NotFound("next certificate"));
    }
    // What cannot sign any more needs no secret: an empty text is none.
    sqlx::query(
        "update signing_keys set state = 'retired', private_key_sealed = ''
         where application_id = $1 and state = 'current'",
    )
    .bind(application.to_string())
    .execute(&mut **tx)
    .await?;
    let switched = sqlx::query(
        "update signing_keys set state = 'current' where application_id = $1 and id = $2",
    )
    .bind(application.to_string())
    .bind(expected.to_string())
    .execute(&mut **tx)
    .await?;
    if switched.rows_affected() != 1 {
        return Err(Error::Stale("certificate"));
    }
    let subject = applications::subject_of(tx, application).await?;
    audit::append(
        tx,
        &by.entry("application.certificate_switched", subject),
        now,
    );
    Ok(())
}

/// Gives the next key up before it ever signed.
pub async fn discard_next(
    tx: &mut Write,
    application: ApplicationId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let gone = sqlx::query("delete from signing_keys where application_id = $1 and state = 'next'")
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    if gone.rows_affected() == 0 {
        return Ok(());
    }
    let subject = applications::subject_of(tx, application).await?;
    audit::append(
        tx,
        &by.entry("application.next_certificate_discarded", subject),
        now,
    );
    Ok(())
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

        async fn a_switch_lets_the_next_key_sign_and_forgets_the_old_one(store: Store) {
            let id = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            for (text, state) in [("old", SigningKeyState::Current), ("new", SigningKeyState::Next)] {
                let made = key(text);
                create(&mut tx, store.sealer(), &random(), id, state, &made, NOW).await.unwrap();
            }
            let known = list(&mut tx, id).await.unwrap();
            assert_eq!(known.iter().map(|one| one.state).collect::<Vec<_>>(),
                [SigningKeyState::Current, SigningKeyState::Next]);
            let by = crate::fixtures::alice();
            let wrong = switch(&mut tx, id, known[0].id, &by, NOW).await;
            assert!(matches!(wrong, Err(Error::NotFound(_))));
            switch(&mut tx, id, known[1].id, &by, NOW).await.unwrap();
            let current = find(&mut tx, store.sealer(), id, SigningKeyState::Current).await.unwrap();
            assert_eq!(current.unwrap().private_key.expose(), "new");
            let left: i64 = sqlx::query_scalar(
                "select count(*) from signing_keys where private_key_sealed <> ''")
                .fetch_one(&mut *tx).await.unwrap();
            assert_eq!(left, 1);
            let again = switch(&mut tx, id, known[1].id, &by, NOW).await;
            assert!(matches!(again, Err(Error::NotFound(_))), "a second click");
        }
    }
}
