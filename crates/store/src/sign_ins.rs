//! Requests that wait for somebody to sign in: bounded, expiring, answered once, each in the one
//! browser that took it up.

use signpost_model::{ApplicationId, Timestamp, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::rows::TableRow;
use crate::{Result, TokenHash, Write};

/// The most requests that wait or are remembered; the oldest make room, so that nobody fills the
/// disk with them.
const MOST: i64 = 20_000;

/// Until when an answered request is remembered, so that its message is not answered again.
pub const REMEMBERED_DAYS: i64 = 1;

/// A request to keep.
#[derive(Debug, Clone)]
pub struct NewSignIn {
    /// `None`: for the user's own page.
    pub application_id: Option<ApplicationId>,
    /// The request as JSON.
    pub request: String,
    /// The id that the asker gave its message.
    pub message_id: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A request that waits.
#[derive(Clone)]
pub struct SignIn {
    pub application_id: Option<ApplicationId>,
    pub request: String,
    /// Who gave the right password in it, and when.
    pub proved: Option<Proved>,
    /// The challenge that waits for a passkey.
    pub challenge: Option<String>,
    pub created_at: Timestamp,
    pub finished: bool,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignIn({:?})", self.application_id)
    }
}

/// A first factor that was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proved {
    pub user_id: UserId,
    pub at: Timestamp,
    /// Of the user's credentials then: any change of them starts over.
    pub credentials_version: i64,
}

/// Keeps a request that nobody has taken up yet.
pub async fn create(tx: &mut Write, id: &TokenHash, new: &NewSignIn) -> Result<()> {
    make_room(tx, MOST).await?;
    sqlx::query(
        "insert into sign_ins (id_hash, application_id, request, message_id, credentials_version,
           created_at, expires_at)
         values ($1, $2, $3, $4, 0, $5, $6)",
    )
    .bind(id.as_str())
    .bind(new.application_id.map(|id| id.to_string()))
    .bind(&new.request)
    .bind(new.message_id.as_deref())
    .bind(new.created_at.as_millis())
    .bind(new.expires_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn make_room(tx: &mut Write, most: i64) -> Result<()> {
    sqlx::query(
        "delete from sign_ins where created_at <= (
           select s.created_at from sign_ins s order by s.created_at desc limit 1 offset $1)",
    )
    .bind(most - 1)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether a message of this id was answered before.
pub async fn was_answered(
    db: &mut AnyConnection,
    application: ApplicationId,
    message_id: &str,
) -> Result<bool> {
    let answered: i64 = sqlx::query_scalar(
        "select count(*) from sign_ins
         where application_id = $1 and message_id = $2 and finished_at is not null",
    )
    .bind(application.to_string())
    .bind(message_id)
    .fetch_one(db)
    .await?;
    Ok(answered > 0)
}

/// Takes a request up in this browser, unless another has it.
pub async fn claim(
    tx: &mut Write,
    id: &TokenHash,
    browser: &TokenHash,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update sign_ins set browser_hash = $2
         where id_hash = $1 and browser_hash is null and expires_at > $3",
    )
    .bind(id.as_str())
    .bind(browser.as_str())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The request with this id, if it is this browser's and has not expired.
pub async fn find(
    db: &mut AnyConnection,
    id: &TokenHash,
    browser: &TokenHash,
    now: Timestamp,
) -> Result<Option<SignIn>> {
    let row = sqlx::query(
        "select id_hash, application_id, request, user_id, authenticated_at, credentials_version,
           challenge, created_at, finished_at
         from sign_ins where id_hash = $1 and browser_hash = $2 and expires_at > $3",
    )
    .bind(id.as_str())
    .bind(browser.as_str())
    .bind(now.as_millis())
    .fetch_optional(db)
    .await?;
    row.map(|row| read(&row)).transpose()
}

/// Whether nobody has taken the request up yet.
pub async fn is_unclaimed(db: &mut AnyConnection, id: &TokenHash, now: Timestamp) -> Result<bool> {
    let waiting: i64 = sqlx::query_scalar(
        "select count(*) from sign_ins
         where id_hash = $1 and browser_hash is null and expires_at > $2",
    )
    .bind(id.as_str())
    .bind(now.as_millis())
    .fetch_one(db)
    .await?;
    Ok(waiting > 0)
}

/// Notes who gave the right password. The browser's other requests move to its new name with it:
/// what an observer knew of the browser before is worth nothing.
pub async fn prove(
    tx: &mut Write,
    id: &TokenHash,
    (before, after): (&TokenHash, &TokenHash),
    proved: &Proved,
) -> Result<()> {
    sqlx::query("update sign_ins set browser_hash = $2 where browser_hash = $1")
        .bind(before.as_str())
        .bind(after.as_str())
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "update sign_ins set user_id = $3, authenticated_at = $4, credentials_version = $5
         where id_hash = $1 and browser_hash = $2 and finished_at is null",
    )
    .bind(id.as_str())
    .bind(after.as_str())
    .bind(proved.user_id.to_string())
    .bind(proved.at.as_millis())
    .bind(proved.credentials_version)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets whose password was given.
pub async fn start_over(tx: &mut Write, id: &TokenHash, browser: &TokenHash) -> Result<()> {
    sqlx::query(
        "update sign_ins set user_id = null, authenticated_at = null, challenge = null
         where id_hash = $1 and browser_hash = $2 and finished_at is null",
    )
    .bind(id.as_str())
    .bind(browser.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps the challenge that a passkey must answer; the one before is worth nothing.
pub async fn set_challenge(
    tx: &mut Write,
    id: &TokenHash,
    browser: &TokenHash,
    challenge: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "update sign_ins set challenge = $3
         where id_hash = $1 and browser_hash = $2 and finished_at is null",
    )
    .bind(id.as_str())
    .bind(browser.as_str())
    .bind(challenge)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends a request that is answered now: `true` for one caller only. What was asked is forgotten,
/// the message's id is remembered.
pub async fn finish(
    tx: &mut Write,
    id: &TokenHash,
    browser: &TokenHash,
    now: Timestamp,
) -> Result<bool> {
    let finished = sqlx::query(
        "update sign_ins set finished_at = $3, request = '', challenge = null, user_id = null,
           authenticated_at = null,
           expires_at = case when message_id is null then expires_at else $4 end
         where id_hash = $1 and browser_hash = $2 and finished_at is null and expires_at > $3",
    )
    .bind(id.as_str())
    .bind(browser.as_str())
    .bind(now.as_millis())
    .bind(now.plus_days(REMEMBERED_DAYS).as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(finished.rows_affected() == 1)
}

/// Removes what expired. Nothing depends on it: expiry is checked at use.
pub async fn delete_expired(tx: &mut Write, now: Timestamp) -> Result<u64> {
    let gone = sqlx::query("delete from sign_ins where expires_at <= $1")
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(gone.rows_affected())
}

fn read(row: &AnyRow) -> Result<SignIn> {
    let row = TableRow::new("sign_ins", row);
    let proved = match (
        row.optional_parsed("user_id")?,
        row.optional_time("authenticated_at")?,
    ) {
        (Some(user_id), Some(at)) => Some(Proved {
            user_id,
            at,
            credentials_version: row.number("credentials_version")?,
        }),
        _ => None,
    };
    Ok(SignIn {
        application_id: row.optional_parsed("application_id")?,
        request: row.text("request")?,
        proved,
        challenge: row.optional_text("challenge")?,
        created_at: row.time("created_at")?,
        finished: row.optional_time("finished_at")?.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, add_connected, add_users, user};
    use crate::{Store, both_engines};
    use signpost_model::time::MINUTE_MS;

    fn hash(text: &str) -> TokenHash {
        TokenHash::of("test", text)
    }

    async fn keep(tx: &mut Write, id: &str, application: ApplicationId, created_at: Timestamp) {
        let new = NewSignIn {
            application_id: Some(application),
            request: "{}".to_owned(),
            message_id: Some(format!("_{id}")),
            created_at,
            expires_at: created_at.plus_millis(15 * MINUTE_MS),
        };
        create(tx, &hash(id), &new).await.unwrap();
    }

    async fn begin(store: &Store) -> (Write, ApplicationId) {
        let application = add_connected(store).await.id;
        add_users(store, 1, &["Ada"]).await;
        (store.write().await.unwrap(), application)
    }

    both_engines! {
        async fn a_request_belongs_to_the_first_browser_until_it_expires(store: Store) {
            let (mut tx, application) = begin(&store).await;
            keep(&mut tx, "1", application, NOW).await;
            assert!(is_unclaimed(&mut tx, &hash("1"), NOW).await.unwrap());
            assert!(find(&mut tx, &hash("1"), &hash("b1"), NOW).await.unwrap().is_none());
            for browser in ["b1", "b2"] {
                claim(&mut tx, &hash("1"), &hash(browser), NOW).await.unwrap();
            }
            assert!(find(&mut tx, &hash("1"), &hash("b1"), NOW).await.unwrap().is_some());
            assert!(find(&mut tx, &hash("1"), &hash("b2"), NOW).await.unwrap().is_none());
            let end = NOW.plus_millis(15 * MINUTE_MS);
            assert!(find(&mut tx, &hash("1"), &hash("b1"), end).await.unwrap().is_none());
        }

        async fn a_request_is_answered_once_and_its_message_never_again(store: Store) {
            let (mut tx, application) = begin(&store).await;
            keep(&mut tx, "1", application, NOW).await;
            claim(&mut tx, &hash("1"), &hash("b1"), NOW).await.unwrap();
            assert!(!was_answered(&mut tx, application, "_1").await.unwrap());
            assert!(!finish(&mut tx, &hash("1"), &hash("b2"), NOW).await.unwrap());
            assert!(finish(&mut tx, &hash("1"), &hash("b1"), NOW).await.unwrap());
            assert!(!finish(&mut tx, &hash("1"), &hash("b1"), NOW).await.unwrap());
            assert!(was_answered(&mut tx, application, "_1").await.unwrap());
            let later = NOW.plus_millis(20 * MINUTE_MS);
            assert_eq!(delete_expired(&mut tx, later).await.unwrap(), 0);
            let found = find(&mut tx, &hash("1"), &hash("b1"), later).await.unwrap().unwrap();
            assert!(found.finished && found.request.is_empty());
        }

        async fn a_proof_renames_the_browser_and_can_be_taken_back(store: Store) {
            let (mut tx, application) = begin(&store).await;
            for id in ["1", "2"] {
                keep(&mut tx, id, application, NOW).await;
                claim(&mut tx, &hash(id), &hash("old"), NOW).await.unwrap();
            }
            let proved = Proved { user_id: user(1), at: NOW, credentials_version: 3 };
            prove(&mut tx, &hash("1"), (&hash("old"), &hash("new")), &proved).await.unwrap();
            assert!(find(&mut tx, &hash("1"), &hash("old"), NOW).await.unwrap().is_none());
            let one = find(&mut tx, &hash("1"), &hash("new"), NOW).await.unwrap().unwrap();
            assert_eq!(one.proved, Some(proved));
            let two = find(&mut tx, &hash("2"), &hash("new"), NOW).await.unwrap().unwrap();
            assert_eq!(two.proved, None);
            start_over(&mut tx, &hash("1"), &hash("new")).await.unwrap();
            let one = find(&mut tx, &hash("1"), &hash("new"), NOW).await.unwrap().unwrap();
            assert_eq!(one.proved, None);
        }

        async fn the_oldest_requests_make_room(store: Store) {
            let (mut tx, application) = begin(&store).await;
            for number in 0..5 {
                keep(&mut tx, &number.to_string(), application, NOW.plus_millis(number)).await;
            }
            make_room(&mut tx, 3).await.unwrap();
            assert!(!is_unclaimed(&mut tx, &hash("2"), NOW).await.unwrap());
            assert!(is_unclaimed(&mut tx, &hash("3"), NOW).await.unwrap());
        }
    }
}
