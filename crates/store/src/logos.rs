//! Pictures on login pages, one per application: PNGs that the program made itself.

use signpost_model::{ApplicationId, Author, Timestamp};
use sqlx::AnyConnection;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::rows::TableRow;
use crate::token::sha256_hex;
use crate::{Result, Write, applications, audit};

/// What a page needs to show the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logo {
    /// Names these bytes.
    pub digest: String,
    pub width: i64,
    pub height: i64,
}

/// The picture of an application, without its bytes.
pub async fn find(db: &mut AnyConnection, application: ApplicationId) -> Result<Option<Logo>> {
    let row = sqlx::query(
        "select application_id, digest, width, height from sign_on_logos where application_id = $1",
    )
    .bind(application.to_string())
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        let row = TableRow::new("sign_on_logos", &row);
        Ok(Logo {
            digest: row.text("digest")?,
            width: row.number("width")?,
            height: row.number("height")?,
        })
    })
    .transpose()
}

/// The bytes under this digest: a PNG.
pub async fn find_picture(
    db: &mut AnyConnection,
    application: ApplicationId,
    digest: &str,
) -> Result<Option<Vec<u8>>> {
    let row = sqlx::query(
        "select application_id, body from sign_on_logos where application_id = $1 and digest = $2",
    )
    .bind(application.to_string())
    .bind(digest)
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        let row = TableRow::new("sign_on_logos", &row);
        STANDARD
            .decode(row.text("body")?)
            .map_err(|_| row.inconsistent("body"))
    })
    .transpose()
}

/// Sets the picture: a PNG of this size.
pub async fn set(
    tx: &mut Write,
    application: ApplicationId,
    png: &[u8],
    (width, height): (u32, u32),
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let mut digest = sha256_hex(&[b"logo\0", png]);
    digest.truncate(32);
    sqlx::query(
        "insert into sign_on_logos (application_id, body, digest, width, height, updated_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (application_id) do update set body = excluded.body,
           digest = excluded.digest, width = excluded.width, height = excluded.height,
           updated_at = excluded.updated_at",
    )
    .bind(application.to_string())
    .bind(STANDARD.encode(png))
    .bind(digest)
    .bind(i64::from(width))
    .bind(i64::from(height))
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    note(tx, application, "application.logo_changed", by, now).await
}

/// Takes the picture away; nothing happens when there is none.
pub async fn remove(
    tx: &mut Write,
    application: ApplicationId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let removed = sqlx::query("delete from sign_on_logos where application_id = $1")
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    if removed.rows_affected() == 0 {
        return Ok(());
    }
    note(tx, application, "application.logo_removed", by, now).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, add_connected, alice};

    both_engines! {
        async fn a_picture_is_found_by_what_it_is(store: Store) {
            let application = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            assert_eq!(find(&mut tx, application).await.unwrap(), None);
            set(&mut tx, application, b"one", (40, 20), &alice(), NOW).await.unwrap();
            let first = find(&mut tx, application).await.unwrap().unwrap();
            assert_eq!((first.width, first.height), (40, 20));
            set(&mut tx, application, b"two", (40, 20), &alice(), NOW).await.unwrap();
            let second = find(&mut tx, application).await.unwrap().unwrap();
            assert_ne!(first.digest, second.digest);
            let old = find_picture(&mut tx, application, &first.digest).await.unwrap();
            assert_eq!(old, None);
            let new = find_picture(&mut tx, application, &second.digest).await.unwrap();
            assert_eq!(new.as_deref(), Some(b"two".as_slice()));
            for _ in 0..2 {
                remove(&mut tx, application, &alice(), NOW).await.unwrap();
            }
            assert_eq!(find(&mut tx, application).await.unwrap(), None);
        }
    }
}
