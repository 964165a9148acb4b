//! Mail on its way: a bounded queue that survives a restart, and what became of each mail.

use signpost_model::mail::{MailKind, MailState};
use signpost_model::time::{DAY_MS, MINUTE_MS};
use signpost_model::{MailId, Random, Secret, Timestamp, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::rows::TableRow;
use crate::{Result, RowIdentity, Sealer, Write};

/// The most mails that wait: beyond it the answer is "no", not a longer queue.
pub const MOST_WAITING: i64 = 1_000;
/// How long a process has for sending one before another may try.
const HELD_MS: i64 = 2 * MINUTE_MS;
/// Delays before the second try, the third, and so on; then it is given up.
const DELAYS_MS: [i64; 5] = [
    MINUTE_MS,
    5 * MINUTE_MS,
    15 * MINUTE_MS,
    60 * MINUTE_MS,
    240 * MINUTE_MS,
];
/// For how long it can be read what became of a mail.
const REMEMBERED_MS: i64 = 30 * DAY_MS;

/// A mail to send.
#[derive(Debug)]
pub struct NewMail<'a> {
    pub kind: MailKind,
    /// Whom it is about, where it is about a user.
    pub user_id: Option<UserId>,
    pub recipient: &'a str,
    pub subject: &'a str,
    /// May hold a link: sealed until it is sent.
    pub body: &'a Secret,
    /// After this it is of no use to anybody.
    pub expires_at: Timestamp,
}

/// A mail that is this process' to send now.
#[derive(Debug)]
pub struct Claimed {
    pub id: MailId,
    pub recipient: String,
    pub subject: String,
    pub body: Secret,
    /// The tries including this one.
    pub tries: i64,
}

/// What became of a mail, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub id: MailId,
    pub kind: MailKind,
    pub user_id: Option<UserId>,
    pub recipient: String,
    pub state: MailState,
    pub tries: i64,
    pub next_at: Timestamp,
    /// Why it is not sent yet, or never was.
    pub problem: String,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// Why a try did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed<'a> {
    /// In words for people; never what was sent.
    pub problem: &'a str,
    /// Trying again cannot help.
    pub for_good: bool,
}

/// Puts a mail in line; `None` when the line is full.
pub async fn queue(
    tx: &mut Write,
    sealer: &Sealer,
    random: &dyn Random,
    new: &NewMail<'_>,
    now: Timestamp,
) -> Result<Option<MailId>> {
    let waiting: i64 = sqlx::query_scalar(
        "select count(*) from mails where state = 'waiting' and expires_at > $1",
    )
    .bind(now.as_millis())
    .fetch_one(&mut **tx)
    .await?;
    if waiting >= MOST_WAITING {
        return Ok(None);
    }
    let id = MailId::mint(now, random);
    let text = id.to_string();
    sqlx::query(
        "insert into mails (id, kind, user_id, recipient, subject, body_sealed, state, tries,
           next_at, expires_at, problem, created_at)
         values ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7, $8, '', $7)",
    )
    .bind(&text)
    .bind(new.kind.key())
    .bind(new.user_id.map(|id| id.to_string()))
    .bind(new.recipient)
    .bind(new.subject)
    .bind(sealer.seal(identity(&text), new.body, random)?)
    .bind(now.as_millis())
    .bind(new.expires_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(Some(id))
}

fn identity(id: &str) -> RowIdentity<'_> {
    RowIdentity {
        table: "mails",
        column: "body_sealed",
        id,
    }
}

/// Takes the mail that has waited longest; of several processes at once, one gets it. A process
/// that dies over it gives it back after some minutes: then it may arrive twice, never not at all.
pub async fn claim(tx: &mut Write, sealer: &Sealer, now: Timestamp) -> Result<Option<Claimed>> {
    give_up_expired(tx, now).await?;
    let row = sqlx::query(
        "update mails set next_at = $2, tries = tries + 1
         where id = (select m.id from mails m where m.state = 'waiting' and m.next_at <= $1
                     order by m.next_at, m.id limit 1)
           and state = 'waiting' and next_at <= $1
         returning id, recipient, subject, body_sealed, tries",
    )
    .bind(now.as_millis())
    .bind(now.plus_millis(HELD_MS).as_millis())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let row = TableRow::new("mails", &row);
    let id: MailId = row.parsed("id")?;
    let sealed = row.optional_text("body_sealed")?.unwrap_or_default();
    Ok(Some(Claimed {
        id,
        recipient: row.text("recipient")?,
        subject: row.text("subject")?,
        body: sealer.open(identity(&id.to_string()), &sealed)?,
        tries: row.number("tries")?,
    }))
}

async fn give_up_expired(tx: &mut Write, now: Timestamp) -> Result<()> {
    sqlx::query(
        "update mails set state = 'failed', body_sealed = null, ended_at = $1,
           problem = case when problem = '' then 'It was not sent in time.' else problem end
         where state = 'waiting' and expires_at <= $1",
    )
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The server took it; its text is forgotten.
pub async fn sent(tx: &mut Write, id: MailId, now: Timestamp) -> Result<()> {
    end(tx, id, MailState::Sent, "", now).await
}

/// It could not be sent: tried again later, or given up.
pub async fn failed(
    tx: &mut Write,
    claimed: &Claimed,
    failed: Failed<'_>,
    now: Timestamp,
) -> Result<()> {
    let delay = usize::try_from(claimed.tries - 1)
        .ok()
        .and_then(|tried| DELAYS_MS.get(tried));
    match delay {
        Some(delay) if !failed.for_good => {
            sqlx::query(
                "update mails set next_at = $2, problem = $3 where id = $1 and state = 'waiting'",
            )
            .bind(claimed.id.to_string())
            .bind(now.plus_millis(*delay).as_millis())
            .bind(failed.problem)
            .execute(&mut **tx)
            .await?;
            Ok(())
        }
        _ => end(tx, claimed.id, MailState::Failed, failed.problem, now).await,
    }
}

async fn end(
    tx: &mut Write,
    id: MailId,
    state: MailState,
    problem: &str,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update mails set state = $2, body_sealed = null, problem = $3, ended_at = $4
         where id = $1 and state = 'waiting'",
    )
    .bind(id.to_string())
    .bind(state.key())
    .bind(problem)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Lets what waits be tried now: the settings changed.
pub async fn hurry(tx: &mut Write, now: Timestamp) -> Result<()> {
    sqlx::query(
        "update mails set next_at = $1 where state = 'waiting' and problem <> '' and next_at > $1",
    )
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

const LISTED: &str = "select id, kind, user_id, recipient, state, tries, next_at, problem,
    created_at, ended_at from mails";

/// The newest mails.
pub async fn list_newest(db: &mut AnyConnection, most: i64) -> Result<Vec<Mail>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{LISTED} order by created_at desc, id desc limit $1"
    )))
    .bind(most)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// The newest mail to a user with a link for their password.
pub async fn find_newest_of_user(db: &mut AnyConnection, user: UserId) -> Result<Option<Mail>> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "{LISTED} where user_id = $1 order by created_at desc, id desc limit 1"
    )))
    .bind(user.to_string())
    .fetch_optional(db)
    .await?;
    row.map(|row| read(&row)).transpose()
}

/// How many wait, and how many of the remembered were given up.
pub async fn count(db: &mut AnyConnection) -> Result<(i64, i64)> {
    let row = sqlx::query(
        "select count(*) filter (where state = 'waiting') as waiting,
           count(*) filter (where state = 'failed') as failed from mails",
    )
    .fetch_one(db)
    .await?;
    let row = TableRow::new("mails", &row);
    Ok((row.number("waiting")?, row.number("failed")?))
}

/// Forgets what became of old mails.
pub async fn delete_old(tx: &mut Write, now: Timestamp) -> Result<u64> {
    give_up_expired(tx, now).await?;
    let gone = sqlx::query("delete from mails where state <> 'waiting' and created_at < $1")
        .bind(now.plus_millis(-REMEMBERED_MS).as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(gone.rows_affected())
}

fn read(row: &AnyRow) -> Result<Mail> {
    let row = TableRow::new("mails", row);
    Ok(Mail {
        id: row.parsed("id")?,
        kind: row.parsed("kind")?,
        user_id: row.optional_parsed("user_id")?,
        recipient: row.text("recipient")?,
        state: row.parsed("state")?,
        tries: row.number("tries")?,
        next_at: row.time("next_at")?,
        problem: row.text("problem")?,
        created_at: row.time("created_at")?,
        ended_at: row.optional_time("ended_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, add_users, random, user};
    use crate::{Store, both_engines};

    async fn put(store: &Store, recipient: &str, at: Timestamp) -> MailId {
        let mut tx = store.write().await.unwrap();
        let body = Secret::new("a link");
        let new = NewMail {
            kind: MailKind::Reset,
            user_id: Some(user(1)),
            recipient,
            subject: "Your password",
            body: &body,
            expires_at: at.plus_days(1),
        };
        let id = queue(&mut tx, store.sealer(), &random(), &new, at)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        id.unwrap()
    }

    async fn take(store: &Store, at: Timestamp) -> Option<Claimed> {
        let mut tx = store.write().await.unwrap();
        let claimed = claim(&mut tx, store.sealer(), at).await.unwrap();
        tx.commit().await.unwrap();
        claimed
    }

    async fn newest(store: &Store) -> Mail {
        let mut db = store.read().await.unwrap();
        find_newest_of_user(&mut db, user(1))
            .await
            .unwrap()
            .unwrap()
    }

    const TROUBLE: Failed<'_> = Failed {
        problem: "The server does not answer.",
        for_good: false,
    };

    both_engines! {
        async fn a_mail_is_sent_by_one_and_its_text_is_forgotten(store: Store) {
            add_users(&store, 1, &["Ada"]).await;
            let (first, second) = (put(&store, "a@x.example", NOW).await, put(&store, "b@x.example", NOW.plus_millis(1)).await);
            let later = NOW.plus_millis(10);
            let claimed = take(&store, later).await.unwrap();
            assert_eq!((claimed.id, claimed.body.expose(), claimed.tries), (first, "a link", 1));
            assert_eq!(take(&store, later).await.unwrap().id, second);
            assert!(take(&store, later).await.is_none(), "both are held");
            let mut tx = store.write().await.unwrap();
            sent(&mut tx, first, later).await.unwrap();
            tx.commit().await.unwrap();
            let again = take(&store, later.plus_millis(HELD_MS)).await.unwrap();
            assert_eq!((again.id, again.tries), (second, 2), "whoever held it died");
            let mut db = store.read().await.unwrap();
            let texts: i64 = sqlx::query_scalar("select count(*) from mails where body_sealed is not null")
                .fetch_one(&mut *db).await.unwrap();
            assert_eq!(texts, 1);
        }

        async fn a_mail_that_fails_is_tried_ever_more_rarely_and_given_up(store: Store) {
            add_users(&store, 1, &["Ada"]).await;
            put(&store, "a@x.example", NOW).await;
            let mut at = NOW;
            for delay in DELAYS_MS {
                let claimed = take(&store, at).await.unwrap();
                let mut tx = store.write().await.unwrap();
                failed(&mut tx, &claimed, TROUBLE, at).await.unwrap();
                tx.commit().await.unwrap();
                assert!(take(&store, at.plus_millis(delay - 1)).await.is_none());
                assert_eq!(newest(&store).await.problem, TROUBLE.problem);
                at = at.plus_millis(delay);
            }
            let claimed = take(&store, at).await.unwrap();
            let mut tx = store.write().await.unwrap();
            failed(&mut tx, &claimed, TROUBLE, at).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(newest(&store).await.state, MailState::Failed);
            assert!(take(&store, at.plus_days(1)).await.is_none());
        }

        async fn what_cannot_help_is_not_tried_again_and_what_is_too_old_is_not_sent(store: Store) {
            add_users(&store, 1, &["Ada"]).await;
            put(&store, "a@x.example", NOW).await;
            let claimed = take(&store, NOW).await.unwrap();
            let mut tx = store.write().await.unwrap();
            failed(&mut tx, &claimed, Failed { for_good: true, ..TROUBLE }, NOW).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(newest(&store).await.state, MailState::Failed);
            put(&store, "b@x.example", NOW.plus_millis(1)).await;
            assert!(take(&store, NOW.plus_days(2)).await.is_none());
            assert_eq!(newest(&store).await.problem, "It was not sent in time.");
            let mut tx = store.write().await.unwrap();
            assert_eq!(count(&mut tx).await.unwrap(), (0, 2));
            assert_eq!(delete_old(&mut tx, NOW.plus_days(40)).await.unwrap(), 2);
        }

        async fn the_line_has_an_end(store: Store) {
            add_users(&store, 1, &["Ada"]).await;
            put(&store, "a@x.example", NOW).await;
            let mut tx = store.write().await.unwrap();
            sqlx::query(
                "insert into mails (id, kind, recipient, subject, body_sealed, state, tries, next_at,
                   expires_at, problem, created_at)
                 select m.id || '-' || u.n, 'test', 'x', 'x', 'x', 'waiting', 0, 0, m.expires_at, '', 0
                 from mails m cross join (with recursive c(n) as (
                   select 1 union all select n + 1 from c where n < 999) select n from c) u",
            ).execute(&mut *tx).await.unwrap();
            let body = Secret::new("x");
            let new = NewMail {
                kind: MailKind::Test, user_id: None, recipient: "b@x.example", subject: "x", body: &body,
                expires_at: NOW.plus_days(1),
            };
            let full = queue(&mut tx, store.sealer(), &random(), &new, NOW).await.unwrap();
            assert_eq!(full, None);
        }
    }
}
