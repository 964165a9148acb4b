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
    /// Signed before the current one, and could again until it is retired.
    Previous,
    /// Signed once; its private half is gone.
    Retired,
}

impl SigningKeyState {
    const ALL: [Self; 4] = [Self::Current, Self::Next, Self::Previous, Self::Retired];

    const fn key(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Next => "next",
            Self::Previous => "previous",
            Self::Retired => "retired",
        }
    }

    /// The word on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::Next => "Next",
            Self::Previous => "Previous",
            Self::Retired => "Retired",
        }
    }
}

impl FromStr for SigningKeyState {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> std::result::Result<Self, UnknownChoice> {
        Self::ALL
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
    /// Since when it signs, when it followed another one.
    pub switched_at: Option<Timestamp>,
    /// When somebody first signed in by it, since it followed another one.
    pub used_at: Option<Timestamp>,
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

/// The certificates of an application: current, next, previous, then the retired ones, newest
/// first. No private key is opened.
pub async fn list(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Vec<KnownCertificate>> {
    let rows = sqlx::query(
        "select id, state, certificate, not_before, not_after, created_at, switched_at, used_at
         from signing_keys where application_id = $1
         order by case state when 'current' then 0 when 'next' then 1 when 'previous' then 2
             else 3 end,
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
                switched_at: row.optional_time("switched_at")?,
                used_at: row.optional_time("used_at")?,
            })
        })
        .collect()
}

/// A certificate that signs and ends before long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndingCertificate {
    pub application_id: ApplicationId,
    /// The application's name.
    pub name: String,
    pub not_after: Timestamp,
}

/// The current certificates that end before then, of applications whose people Signpost signs in.
pub async fn list_ending(
    db: &mut AnyConnection,
    before: Timestamp,
) -> Result<Vec<EndingCertificate>> {
    let rows = sqlx::query(
        "select k.application_id, a.name, k.not_after
         from signing_keys k join applications a on a.id = k.application_id
         where k.state = 'current' and k.not_after < $1 and a.deleted_at is null
           and not exists (select 1 from identity_providers p
             where p.application_id = k.application_id)
         order by k.not_after, k.application_id limit 20",
    )
    .bind(before.as_millis())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("signing_keys", row);
            Ok(EndingCertificate {
                application_id: row.parsed("application_id")?,
                name: row.text("name")?,
                not_after: row.time("not_after")?,
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

/// Lets the next key sign. The one that signed is kept until it is retired, so that the way back is
/// open; the one before it is retired now. `expected` is the next key that the operator saw.
pub async fn switch(
    tx: &mut Write,
    application: ApplicationId,
    expected: SigningKeyId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    if !is_in_state(tx, application, expected, SigningKeyState::Next).await? {
        return Err(Error::NotFound("next certificate"));
    }
    forget_previous(tx, application).await?;
    let (current, previous) = (SigningKeyState::Current, SigningKeyState::Previous);
    change_state(tx, application, current, previous, None).await?;
    let switched = change_state(tx, application, SigningKeyState::Next, current, Some(now)).await?;
    if switched != 1 {
        return Err(Error::Stale("certificate"));
    }
    let action = "application.certificate_switched";
    note(tx, application, action, by, now).await
}

/// Lets the previous key sign again; the one that signed is the next one. `expected` is the
/// previous key that the operator saw.
pub async fn switch_back(
    tx: &mut Write,
    application: ApplicationId,
    expected: SigningKeyId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    if !is_in_state(tx, application, expected, SigningKeyState::Previous).await? {
        return Err(Error::NotFound("previous certificate"));
    }
    let (current, next) = (SigningKeyState::Current, SigningKeyState::Next);
    // One that was made meanwhile never signed.
    sqlx::query("delete from signing_keys where application_id = $1 and state = 'next'")
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    change_state(tx, application, current, next, None).await?;
    let previous = SigningKeyState::Previous;
    change_state(tx, application, previous, current, Some(now)).await?;
    let action = "application.certificate_switched_back";
    note(tx, application, action, by, now).await
}

/// Notes that somebody got a token of the current key, once after each switch.
pub async fn note_used(tx: &mut Write, application: ApplicationId, now: Timestamp) -> Result<()> {
    sqlx::query(
        "update signing_keys set used_at = $2
         where application_id = $1 and state = 'current' and used_at is null",
    )
    .bind(application.to_string())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets the private half of the previous key. `expected` is the one that the operator saw.
pub async fn retire(
    tx: &mut Write,
    application: ApplicationId,
    expected: SigningKeyId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    if !is_in_state(tx, application, expected, SigningKeyState::Previous).await? {
        return Err(Error::NotFound("previous certificate"));
    }
    forget_previous(tx, application).await?;
    note(tx, application, "application.certificate_retired", by, now).await
}

async fn is_in_state(
    db: &mut AnyConnection,
    application: ApplicationId,
    id: SigningKeyId,
    state: SigningKeyState,
) -> Result<bool> {
    let found: Option<String> = sqlx::query_scalar(
        "select id from signing_keys where application_id = $1 and state = $2 and id = $3",
    )
    .bind(application.to_string())
    .bind(state.key())
    .bind(id.to_string())
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}

/// What cannot sign any more needs no secret: an empty text is none.
async fn forget_previous(tx: &mut Write, application: ApplicationId) -> Result<()> {
    sqlx::query(
        "update signing_keys set state = 'retired', private_key_sealed = ''
         where application_id = $1 and state = 'previous'",
    )
    .bind(application.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn change_state(
    tx: &mut Write,
    application: ApplicationId,
    from: SigningKeyState,
    to: SigningKeyState,
    signs_since: Option<Timestamp>,
) -> Result<u64> {
    let changed = sqlx::query(
        "update signing_keys set state = $3, switched_at = coalesce($4, switched_at),
           used_at = null
         where application_id = $1 and state = $2",
    )
    .bind(application.to_string())
    .bind(from.key())
    .bind(to.key())
    .bind(signs_since.map(Timestamp::as_millis))
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected())
}

async fn note(
    tx: &mut Write,
    application: ApplicationId,
    action: &'static str,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    audit::append(tx, &by.entry(action, subject), now);
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
    let action = "application.next_certificate_discarded";
    note(tx, application, action, by, now).await
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

        async fn a_switch_can_be_taken_back_until_the_old_key_is_retired(store: Store) {
            let id = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            for (text, state) in [("old", SigningKeyState::Current), ("new", SigningKeyState::Next)] {
                let made = key(text);
                create(&mut tx, store.sealer(), &random(), id, state, &made, NOW).await.unwrap();
            }
            let known = list(&mut tx, id).await.unwrap();
            let (old, new) = (known[0].id, known[1].id);
            let by = crate::fixtures::alice();
            let wrong = switch(&mut tx, id, old, &by, NOW).await;
            assert!(matches!(wrong, Err(Error::NotFound(_))));
            switch(&mut tx, id, new, &by, NOW).await.unwrap();
            let again = switch(&mut tx, id, new, &by, NOW).await;
            assert!(matches!(again, Err(Error::NotFound(_))), "a second click");
            assert_eq!(signs(&mut tx, &store, id).await, "new");
            note_used(&mut tx, id, NOW).await.unwrap();
            note_used(&mut tx, id, NOW.plus_days(1)).await.unwrap();
            assert_eq!(list(&mut tx, id).await.unwrap()[0].used_at, Some(NOW));

            switch_back(&mut tx, id, old, &by, NOW).await.unwrap();
            assert_eq!(signs(&mut tx, &store, id).await, "old");
            let again = switch_back(&mut tx, id, old, &by, NOW).await;
            assert!(matches!(again, Err(Error::NotFound(_))), "a second click");
            switch(&mut tx, id, new, &by, NOW).await.unwrap();

            let wrong = retire(&mut tx, id, new, &by, NOW).await;
            assert!(matches!(wrong, Err(Error::NotFound(_))), "what signs is not retired");
            retire(&mut tx, id, old, &by, NOW).await.unwrap();
            let known = list(&mut tx, id).await.unwrap();
            assert_eq!(known.iter().map(|one| (one.state, one.switched_at)).collect::<Vec<_>>(),
                [(SigningKeyState::Current, Some(NOW)), (SigningKeyState::Retired, Some(NOW))]);
            assert_eq!(secrets(&mut tx).await, 1);
        }

        async fn a_certificate_that_signs_is_told_before_it_ends(store: Store) {
            let id = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            for (text, state) in [("old", SigningKeyState::Current), ("new", SigningKeyState::Next)] {
                let made = key(text);
                create(&mut tx, store.sealer(), &random(), id, state, &made, NOW).await.unwrap();
            }
            assert_eq!(list_ending(&mut tx, NOW.plus_days(364)).await.unwrap(), []);
            let ending = list_ending(&mut tx, NOW.plus_days(366)).await.unwrap();
            assert_eq!(ending.len(), 1);
            assert_eq!((ending[0].application_id, ending[0].name.as_str()), (id, "Microsoft 365"));
        }

        async fn a_second_switch_forgets_the_key_before(store: Store) {
            let id = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            let by = crate::fixtures::alice();
            let made = key("first");
            let current = SigningKeyState::Current;
            create(&mut tx, store.sealer(), &random(), id, current, &made, NOW).await.unwrap();
            for text in ["second", "third"] {
                let (made, next) = (key(text), SigningKeyState::Next);
                create(&mut tx, store.sealer(), &random(), id, next, &made, NOW).await.unwrap();
                let known = list(&mut tx, id).await.unwrap();
                switch(&mut tx, id, known[1].id, &by, NOW).await.unwrap();
                assert_eq!(signs(&mut tx, &store, id).await, text);
            }
            assert_eq!(secrets(&mut tx).await, 2);
        }
    }

    async fn signs(tx: &mut Write, store: &crate::Store, id: ApplicationId) -> String {
        let current = SigningKeyState::Current;
        let found = find(tx, store.sealer(), id, current).await.unwrap();
        found.unwrap().private_key.expose().to_owned()
    }

    async fn secrets(tx: &mut Write) -> i64 {
        let sql = "select count(*) from signing_keys where private_key_sealed <> ''";
        sqlx::query_scalar(sql).fetch_one(&mut **tx).await.unwrap()
    }
}
