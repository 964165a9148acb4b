//! Links that let a user set a password once, known by the hash of their token.

use std::str::FromStr;

use signpost_model::audit::Subject;
use signpost_model::sign_on::UnknownChoice;
use signpost_model::{Author, Timestamp, User, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::rows::TableRow;
use crate::{Result, TokenHash, Write, audit};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkPurpose {
    /// The first password.
    Invitation,
    /// A new password.
    Reset,
}

impl LinkPurpose {
    const fn key(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Reset => "reset",
        }
    }
}

impl FromStr for LinkPurpose {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> std::result::Result<Self, UnknownChoice> {
        [Self::Invitation, Self::Reset]
            .into_iter()
            .find(|purpose| purpose.key() == text)
            .ok_or(UnknownChoice)
    }
}

/// A link that works now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTimeLink {
    pub user_id: UserId,
    pub purpose: LinkPurpose,
    pub expires_at: Timestamp,
}

/// Makes a link for a user; an earlier one of theirs stops working.
pub async fn issue(
    tx: &mut Write,
    token: &TokenHash,
    user: &User,
    purpose: LinkPurpose,
    expires_at: Timestamp,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    revoke(tx, user.id).await?;
    sqlx::query(
        "insert into one_time_links (token_hash, user_id, purpose, created_at, expires_at)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(token.as_str())
    .bind(user.id.to_string())
    .bind(purpose.key())
    .bind(now.as_millis())
    .bind(expires_at.as_millis())
    .execute(&mut **tx)
    .await?;
    let action = match purpose {
        LinkPurpose::Invitation => "user.invited",
        LinkPurpose::Reset => "user.password_reset_issued",
    };
    let subject = Subject::new("user", user.id, &user.profile.display_name);
    audit::append(tx, &by.entry(action, subject), now);
    Ok(())
}

/// The link of this token, if it works now. Looking does not use it up: programs that read mail
/// open links before people do.
pub async fn find(
    db: &mut AnyConnection,
    token: &TokenHash,
    now: Timestamp,
) -> Result<Option<OneTimeLink>> {
    let row = sqlx::query(
        "select token_hash, user_id, purpose, expires_at from one_time_links
         where token_hash = $1 and expires_at > $2",
    )
    .bind(token.as_str())
    .bind(now.as_millis())
    .fetch_optional(db)
    .await?;
    row.map(|row| read(&row)).transpose()
}

/// Uses the link up: of two at once, one gets it.
pub async fn take(
    tx: &mut Write,
    token: &TokenHash,
    now: Timestamp,
) -> Result<Option<OneTimeLink>> {
    let row = sqlx::query(
        "delete from one_time_links where token_hash = $1 and expires_at > $2
         returning token_hash, user_id, purpose, expires_at",
    )
    .bind(token.as_str())
    .bind(now.as_millis())
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| read(&row)).transpose()
}

/// Ends the link of a user, if there is one.
pub(crate) async fn revoke(tx: &mut Write, user: UserId) -> Result<()> {
    sqlx::query("delete from one_time_links where user_id = $1")
        .bind(user.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Removes what expired. Nothing depends on it: expiry is checked at use.
pub async fn delete_expired(tx: &mut Write, now: Timestamp) -> Result<u64> {
    let gone = sqlx::query("delete from one_time_links where expires_at <= $1")
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(gone.rows_affected())
}

fn read(row: &AnyRow) -> Result<OneTimeLink> {
    let row = TableRow::new("one_time_links", row);
    Ok(OneTimeLink {
        user_id: row.parsed("user_id")?,
        purpose: row.parsed("purpose")?,
        expires_at: row.time("expires_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NOW, add_users, alice, user};
    use crate::{both_engines, users};

    both_engines! {
        async fn a_link_works_once_until_it_expires_or_a_newer_one_is_made(store: Store) {
            add_users(&store, 1, &["Ada"]).await;
            let mut tx = store.write().await.unwrap();
            let ada = users::find(&mut tx, user(1)).await.unwrap().unwrap();
            let hash = |token: &str| TokenHash::of("link", token);
            let until = NOW.plus_days(1);
            for token in ["first", "second"] {
                let purpose = LinkPurpose::Invitation;
                issue(&mut tx, &hash(token), &ada, purpose, until, &alice(), NOW).await.unwrap();
            }
            assert!(find(&mut tx, &hash("first"), NOW).await.unwrap().is_none());
            assert!(find(&mut tx, &hash("second"), until).await.unwrap().is_none());
            assert!(take(&mut tx, &hash("second"), until).await.unwrap().is_none());
            let found = find(&mut tx, &hash("second"), NOW).await.unwrap().unwrap();
            assert_eq!((found.user_id, found.purpose), (ada.id, LinkPurpose::Invitation));
            assert!(take(&mut tx, &hash("second"), NOW).await.unwrap().is_some());
            assert!(take(&mut tx, &hash("second"), NOW).await.unwrap().is_none());
        }
    }
}
