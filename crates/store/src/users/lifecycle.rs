//! Disabling, enabling, deleting with undo, and removing for good.
//!
//! All take several users, and leave alone those that are in the wanted state already: a double
//! click changes nothing twice.

use signpost_model::audit::Subject;
use signpost_model::{Author, Timestamp, UserId};

use super::MAX_AT_ONCE;
use crate::counts::Counted;
use crate::rows::{TableRow, json_keys};
use crate::statement::Statement;
use crate::{Result, Write, audit, counts, provisioning, user_sessions, wishes};

/// How long a deleted user can be brought back.
pub const DAYS_IN_BIN: i64 = 30;

/// Disables users; returns those that were enabled.
pub async fn disable(
    tx: &mut Write,
    ids: &[UserId],
    author: &Author,
    now: Timestamp,
) -> Result<Vec<UserId>> {
    let set = "update users set enabled = 0";
    let when = "enabled = 1 and deleted_at is null";
    let disabled = change(tx, ids, set, when, ("user.disabled", author, now)).await?;
    wishes::end_holds(tx, &disabled).await?;
    // Enabled again, they sign in anew.
    user_sessions::end_of_all(tx, &disabled).await?;
    Ok(disabled)
}

/// Enables users; returns those that were disabled.
pub async fn enable(
    tx: &mut Write,
    ids: &[UserId],
    author: &Author,
    now: Timestamp,
) -> Result<Vec<UserId>> {
    let set = "update users set enabled = 1";
    let when = "enabled = 0 and deleted_at is null";
    change(tx, ids, set, when, ("user.enabled", author, now)).await
}

/// Puts users into the recycle bin; returns those that were not in it.
pub async fn delete(
    tx: &mut Write,
    ids: &[UserId],
    author: &Author,
    now: Timestamp,
) -> Result<Vec<UserId>> {
    let set = "update users set deleted_at = ";
    let when = "deleted_at is null";
    let deleted = change(tx, ids, set, when, ("user.deleted", author, now)).await?;
    wishes::end_holds(tx, &deleted).await?;
    counts::add(tx, Counted::Users, -difference(&deleted)).await?;
    user_sessions::end_of_all(tx, &deleted).await?;
    Ok(deleted)
}

/// Takes users out of the recycle bin, with their groups and manager as they were;
/// [`crate::Constraint::UserName`] when a name was given to someone else meanwhile.
pub async fn restore(
    tx: &mut Write,
    ids: &[UserId],
    author: &Author,
    now: Timestamp,
) -> Result<Vec<UserId>> {
    let set = "update users set deleted_at = null";
    let when = "deleted_at is not null";
    let restored = change(tx, ids, set, when, ("user.restored", author, now)).await?;
    counts::add(tx, Counted::Users, difference(&restored)).await?;
    Ok(restored)
}

/// Removes for good who has been in the bin for [`DAYS_IN_BIN`] days, at most
/// [`MAX_AT_ONCE`] of them; returns how many. Whose account has not finished leaving stays: without
/// the user nobody would know what is still to be done.
pub async fn purge(tx: &mut Write, author: &Author, now: Timestamp) -> Result<usize> {
    let rows = sqlx::query(
        "select id, display_name from users
         where deleted_at is not null and deleted_at <= $1
           and not exists (select 1 from links l
             join applications a on a.id = l.application_id and a.deleted_at is null
             left join provisioning p on p.application_id = l.application_id
               and p.user_id = l.user_id
             where l.user_id = users.id and coalesce(p.state, '') <> 'left')
         order by deleted_at, id limit $2",
    )
    .bind(now.plus_days(-DAYS_IN_BIN).as_millis())
    .bind(difference(&[(); MAX_AT_ONCE]))
    .fetch_all(&mut **tx)
    .await?;
    let gone = rows
        .iter()
        .map(|row| {
            let row = TableRow::new("users", row);
            Ok((row.parsed::<UserId>("id")?, row.text("display_name")?))
        })
        .collect::<Result<Vec<_>>>()?;
    let keys = json_keys(gone.iter().map(|(id, _)| id));
    let reports = sqlx::query(
        "update users set manager_id = null, version = version + 1, updated_at = $2
         where manager_id in (select key from json_each(json($1))) returning id",
    )
    .bind(&keys)
    .bind(now.as_millis())
    .fetch_all(&mut **tx)
    .await?;
    let reports = reports
        .iter()
        .map(|row| TableRow::new("users", row).parsed("id"))
        .collect::<Result<Vec<UserId>>>()?;
    provisioning::touch_users(tx, &reports).await?;
    provisioning::forget_users(tx, &keys).await?;
    sqlx::query("delete from users where id in (select key from json_each(json($1)))")
        .bind(&keys)
        .execute(&mut **tx)
        .await?;
    for (id, name) in &gone {
        let entry = author.entry("user.purged", Subject::new("user", id, name));
        audit::append(tx, &entry, now);
    }
    Ok(gone.len())
}

/// Changes the users for whom `when` holds, and writes an event for each.
async fn change(
    tx: &mut Write,
    ids: &[UserId],
    set: &'static str,
    when: &'static str,
    (action, author, now): (&'static str, &Author, Timestamp),
) -> Result<Vec<UserId>> {
    let mut sql = Statement::new(set);
    if set.ends_with("= ") {
        sql.bind(now.as_millis())?;
    }
    sql.push(", version = version + 1, updated_at = ")
        .bind(now.as_millis())?;
    sql.and("id in (select key from json_each(json(")
        .bind(json_keys(ids.iter().take(MAX_AT_ONCE)))?;
    sql.push("))) and ").push(when);
    sql.push(" returning id, display_name");
    let rows = sql.fetch_all(tx).await?;
    let mut changed = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = TableRow::new("users", row);
        let id: UserId = row.parsed("id")?;
        let subject = Subject::new("user", id, row.text("display_name")?);
        audit::append(tx, &author.entry(action, subject), now);
        changed.push(id);
    }
    provisioning::touch_users(tx, &changed).await?;
    Ok(changed)
}

fn difference<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}
