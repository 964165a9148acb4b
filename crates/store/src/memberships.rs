//! Who is in which group. The members of a group are listed by [`crate::users::list`] with the
//! group as filter, the groups of a user by [`crate::groups::list_of_user`].

use serde_json::json;
use signpost_model::audit::Subject;
use signpost_model::{Author, GroupId, Timestamp, UserId};
use sqlx::any::AnyRow;

use crate::rows::{TableRow, json_keys};
use crate::users::MAX_AT_ONCE;
use crate::{Error, Result, Write, audit, group_push, groups, provisioning};

/// Adds users to a group; returns those who were not in it.
pub async fn add(
    tx: &mut Write,
    group: GroupId,
    users: &[UserId],
    author: &Author,
    now: Timestamp,
) -> Result<Vec<UserId>> {
    let name = find_name(tx, group).await?;
    let rows = sqlx::query(
        "insert into memberships (group_id, user_id, created_at)
         select $1, u.id, $3 from users u
         where u.id in (select key from json_each(json($2))) and u.deleted_at is null
         on conflict (group_id, user_id) do nothing
         returning user_id",
    )
    .bind(group.to_string())
    .bind(json_keys(users.iter().take(MAX_AT_ONCE)))
    .bind(now.as_millis())
    .fetch_all(&mut **tx)
    .await?;
    let added = read_ids(&rows)?;
    note_change(
        tx,
        (group, name),
        "group.members_added",
        &added,
        author,
        now,
    )
    .await?;
    Ok(added)
}

/// Removes users from a group; returns those who were in it.
pub async fn remove(
    tx: &mut Write,
    group: GroupId,
    users: &[UserId],
    author: &Author,
    now: Timestamp,
) -> Result<Vec<UserId>> {
    let name = find_name(tx, group).await?;
    let rows = sqlx::query(
        "delete from memberships
         where group_id = $1 and user_id in (select key from json_each(json($2)))
         returning user_id",
    )
    .bind(group.to_string())
    .bind(json_keys(users.iter().take(MAX_AT_ONCE)))
    .fetch_all(&mut **tx)
    .await?;
    let removed = read_ids(&rows)?;
    note_change(
        tx,
        (group, name),
        "group.members_removed",
        &removed,
        author,
        now,
    )
    .await?;
    Ok(removed)
}

async fn find_name(tx: &mut Write, group: GroupId) -> Result<String> {
    let found = groups::find(tx, group).await?;
    found
        .filter(|group| group.deleted_at.is_none())
        .map(|group| group.name)
        .ok_or(Error::NotFound("group"))
}

async fn note_change(
    tx: &mut Write,
    (group, name): (GroupId, String),
    action: &'static str,
    users: &[UserId],
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    provisioning::touch_users(tx, users).await?;
    group_push::touch(tx, group).await?;
    let ids: Vec<_> = users.iter().map(ToString::to_string).collect();
    let entry = author
        .entry(action, Subject::new("group", group, name))
        .changed(None, Some(json!({ "users": ids })));
    audit::append(tx, &entry, now);
    Ok(())
}

fn read_ids(rows: &[AnyRow]) -> Result<Vec<UserId>> {
    rows.iter()
        .map(|row| TableRow::new("memberships", row).parsed("user_id"))
        .collect()
}
