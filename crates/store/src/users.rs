//! Users of the directory.

mod lifecycle;
mod listing;

use serde_json::{Map, Value};
use signpost_model::audit::Subject;
use signpost_model::text::fold;
use signpost_model::{Attribute, Author, Profile, Source, SourceAnchor, Timestamp, User, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::counts::Counted;
use crate::database::Lock;
use crate::packed::printable;
use crate::rows::{TableRow, flag, json_keys};
use crate::{Constraint, Error, Result, Write, audit, counts, provisioning};

pub use lifecycle::{DAYS_IN_BIN, delete, disable, enable, purge, restore};
pub use listing::{
    Direction, UserFilter, UserListItem, UserSort, UserState, count, list, list_and_count,
    list_departments,
};

/// The most ids that one call looks up or changes.
pub const MAX_AT_ONCE: usize = 1_000;

/// The columns that [`read_user`] wants, of a table with the alias `u`.
macro_rules! user_columns {
    () => {
        "u.id, u.source_anchor, u.source, u.user_name, u.display_name, u.given_name, u.surname, \
         u.mail, u.job_title, u.department, u.company_name, u.office_location, u.mobile_phone, \
         u.business_phone, u.street_address, u.city, u.state, u.postal_code, u.country, \
         u.usage_location, u.preferred_language, u.employee_id, u.manager_id, u.enabled, \
         u.created_at, u.updated_at, u.deleted_at, u.version"
    };
}

/// A user to create.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub id: UserId,
    pub source_anchor: SourceAnchor,
    pub source: Source,
    pub profile: Profile,
    pub enabled: bool,
}

/// Creates a user; [`Constraint::UserName`] when the name is taken.
pub async fn create(tx: &mut Write, new: &NewUser, author: &Author, now: Timestamp) -> Result<()> {
    let insert = sqlx::query(
        "insert into users (id, source_anchor, source, enabled, created_at, updated_at, version,
           manager_id, user_name, display_name, given_name, surname, mail, job_title, department,
           company_name, office_location, mobile_phone, business_phone, street_address, city,
           state, postal_code, country, usage_location, preferred_language, employee_id,
           user_name_folded, display_name_folded, department_folded, search)
         values ($1, $2, $3, $4, $5, $5, 1, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
           $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29)",
    )
    .bind(new.id.to_string())
    .bind(new.source_anchor.as_str())
    .bind(new.source.key())
    .bind(flag(new.enabled))
    .bind(now.as_millis())
    .bind(new.profile.manager_id.map(|id| id.to_string()));
    profile_values(&new.profile)
        .into_iter()
        .fold(insert, |insert, value| insert.bind(value))
        .execute(&mut **tx)
        .await?;
    counts::add(tx, Counted::Users, 1).await?;
    provisioning::touch_users(tx, &[new.id]).await?;
    let subject = Subject::new("user", new.id, &new.profile.display_name);
    let (_, after) = differences(&Profile::default(), &new.profile);
    let entry = author
        .entry("user.created", subject)
        .changed(None, Some(after));
    audit::append(tx, &entry, now);
    Ok(())
}

/// Changes a user that is still at `version`; nothing happens when nothing differs.
pub async fn update(
    tx: &mut Write,
    id: UserId,
    version: i64,
    profile: &Profile,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    if profile.manager_id.is_some() {
        tx.lock(Lock::Managers).await?;
    }
    let user = find(tx, id).await?.filter(|user| user.deleted_at.is_none());
    let user = user.ok_or(Error::NotFound("user"))?;
    if user.version != version {
        return Err(Error::Stale("user"));
    }
    if user.profile == *profile {
        return Ok(());
    }
    if let Some(manager) = profile.manager_id {
        refuse_cycle(tx, id, manager).await?;
    }
    let update = sqlx::query(
        "update users set version = version + 1, updated_at = $3, manager_id = $4,
           user_name = $5, display_name = $6, given_name = $7, surname = $8, mail = $9,
           job_title = $10, department = $11, company_name = $12, office_location = $13,
           mobile_phone = $14, business_phone = $15, street_address = $16, city = $17,
           state = $18, postal_code = $19, country = $20, usage_location = $21,
           preferred_language = $22, employee_id = $23, user_name_folded = $24,
           display_name_folded = $25, department_folded = $26, search = $27
         where id = $1 and version = $2 and deleted_at is null",
    )
    .bind(id.to_string())
    .bind(version)
    .bind(now.as_millis())
    .bind(profile.manager_id.map(|id| id.to_string()));
    let changed = profile_values(profile)
        .into_iter()
        .fold(update, |update, value| update.bind(value))
        .execute(&mut **tx)
        .await?;
    if changed.rows_affected() == 0 {
        return Err(Error::Stale("user"));
    }
    provisioning::touch_users(tx, &[id]).await?;
    let subject = Subject::new("user", id, &profile.display_name);
    let (before, after) = differences(&user.profile, profile);
    let entry = author
        .entry("user.updated", subject)
        .changed(Some(before), Some(after));
    audit::append(tx, &entry, now);
    Ok(())
}

/// The user with this id, from the recycle bin too.
pub async fn find(connection: &mut AnyConnection, id: UserId) -> Result<Option<User>> {
    let row = sqlx::query(concat!(
        "select ",
        user_columns!(),
        " from users u where u.id = $1"
    ))
    .bind(id.to_string())
    .fetch_optional(connection)
    .await?;
    row.map(|row| read_user(&row)).transpose()
}

/// The user with this user name, however it is typed; not from the recycle bin.
pub async fn find_by_user_name(
    connection: &mut AnyConnection,
    user_name: &str,
) -> Result<Option<User>> {
    let row = sqlx::query(concat!(
        "select ",
        user_columns!(),
        " from users u where u.user_name_folded = $1 and u.deleted_at is null"
    ))
    .bind(fold(user_name))
    .fetch_optional(connection)
    .await?;
    row.map(|row| read_user(&row)).transpose()
}

/// The users with these ids, by id, from the recycle bin too; at most [`MAX_AT_ONCE`].
pub async fn find_many(connection: &mut AnyConnection, ids: &[UserId]) -> Result<Vec<User>> {
    let rows = sqlx::query(concat!(
        "select ",
        user_columns!(),
        " from users u where u.id in (select key from json_each(json($1))) order by u.id"
    ))
    .bind(json_keys(ids.iter().take(MAX_AT_ONCE)))
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_user).collect()
}

/// The next users after an id, in the order of ids: for walking the whole directory.
pub async fn list_after(
    connection: &mut AnyConnection,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<User>> {
    let rows = sqlx::query(concat!(
        "select ",
        user_columns!(),
        " from users u where u.id > $1 and u.deleted_at is null order by u.id limit $2"
    ))
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(i64::from(limit).min(10_000))
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_user).collect()
}

/// The people who report to this user, by name.
pub async fn list_reports(connection: &mut AnyConnection, manager: UserId) -> Result<Vec<User>> {
    let rows = sqlx::query(concat!(
        "select ",
        user_columns!(),
        " from users u where u.manager_id = $1 and u.deleted_at is null
          order by u.display_name_folded, u.id limit 1000"
    ))
    .bind(manager.to_string())
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_user).collect()
}

/// Refuses a manager who reports to this user, directly or by way of others.
async fn refuse_cycle(tx: &mut Write, user: UserId, manager: UserId) -> Result<()> {
    // `union` (not `union all`) ends even where data from elsewhere holds a cycle already.
    let met: i64 = sqlx::query_scalar(
        "with recursive chain (id) as (
           select id from users where id = $1
           union
           select u.manager_id from users u join chain c on c.id = u.id
           where u.manager_id is not null)
         select count(*) from chain where id = $2",
    )
    .bind(manager.to_string())
    .bind(user.to_string())
    .fetch_one(&mut **tx)
    .await?;
    if met > 0 {
        return Err(Error::Conflict(Constraint::ManagerCycle));
    }
    Ok(())
}

/// What differs between two profiles, as the audit trail keeps it.
fn differences(before: &Profile, after: &Profile) -> (Value, Value) {
    let (mut old, mut new) = (Map::new(), Map::new());
    for attribute in Attribute::ALL {
        let (was, is) = (before.value(attribute), after.value(attribute));
        if was != is {
            old.insert(attribute.key().to_owned(), was.into());
            new.insert(attribute.key().to_owned(), is.into());
        }
    }
    if before.manager_id != after.manager_id {
        let id = |manager: Option<UserId>| manager.map(|id| id.to_string()).into();
        old.insert("manager_id".to_owned(), id(before.manager_id));
        new.insert("manager_id".to_owned(), id(after.manager_id));
    }
    (old.into(), new.into())
}

/// The text columns of a profile: its attributes in their order, then what is derived from them.
pub(crate) fn profile_values(profile: &Profile) -> Vec<String> {
    let mut values: Vec<String> = Attribute::ALL
        .into_iter()
        .map(|attribute| printable(profile.value(attribute)).into_owned())
        .collect();
    for attribute in [
        Attribute::UserName,
        Attribute::DisplayName,
        Attribute::Department,
    ] {
        values.push(fold(&printable(profile.value(attribute))));
    }
    values.push(search_text(profile));
    values
}

/// What a search looks through, most wanted first, since it is cut to fit an index.
fn search_text(profile: &Profile) -> String {
    let mut text = fold(&format!(
        "{} {} {} {} {}",
        profile.display_name,
        profile.user_name,
        profile.mail,
        profile.department,
        profile.employee_id
    ));
    text.truncate(text.floor_char_boundary(500));
    text
}

pub(crate) fn read_user(row: &AnyRow) -> Result<User> {
    let row = TableRow::new("users", row);
    let mut profile = Profile {
        manager_id: row.optional_parsed("manager_id")?,
        ..Profile::default()
    };
    for attribute in Attribute::ALL {
        profile.set(attribute, row.text(attribute.key())?);
    }
    let anchor = row.text("source_anchor")?;
    Ok(User {
        id: row.parsed("id")?,
        source_anchor: SourceAnchor::try_from(anchor)
            .map_err(|_| row.inconsistent("source_anchor"))?,
        source: row.parsed("source")?,
        profile,
        enabled: row.flag("enabled")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        deleted_at: row.optional_time("deleted_at")?,
        version: row.number("version")?,
    })
}

#[cfg(test)]
mod tests;
