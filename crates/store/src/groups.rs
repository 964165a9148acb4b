//! Groups of the directory.

use serde_json::json;
use signpost_model::audit::Subject;
use signpost_model::text::fold;
use signpost_model::{Author, Group, GroupId, Timestamp, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::counts::{self, Counted};
use crate::packed::printable;
use crate::paging::{SortValue, page};
use crate::rows::{TableRow, json_keys};
use crate::statement::{Statement, containing};
use crate::users::{DAYS_IN_BIN, MAX_AT_ONCE};
use crate::{Error, Page, PageRequest, Result, Total, Write, audit, group_push, provisioning};

/// A group to create.
#[derive(Debug, Clone)]
pub struct NewGroup {
    pub id: GroupId,
    pub name: String,
    pub description: String,
}

/// Which groups are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupFilter {
    /// Part of the name or description.
    pub search: String,
    /// Those in the recycle bin instead of the others.
    pub deleted: bool,
}

/// Creates a group; [`crate::Constraint::GroupName`] when the name is taken.
pub async fn create(tx: &mut Write, new: &NewGroup, author: &Author, now: Timestamp) -> Result<()> {
    let name = printable(&new.name).into_owned();
    sqlx::query(
        "insert into groups (id, name, name_folded, description, search, created_at, updated_at,
           version)
         values ($1, $2, $3, $4, $5, $6, $6, 1)",
    )
    .bind(new.id.to_string())
    .bind(&name)
    .bind(fold(&name))
    .bind(&new.description)
    .bind(search_text(&name, &new.description))
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    counts::add(tx, Counted::Groups, 1).await?;
    let entry = author
        .entry("group.created", Subject::new("group", new.id, &name))
        .changed(
            None,
            Some(json!({ "name": name, "description": new.description })),
        );
    audit::append(tx, &entry, now);
    Ok(())
}

/// Changes a group that is still at `version`.
pub async fn update(
    tx: &mut Write,
    new: &NewGroup,
    version: i64,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    let before = find(tx, new.id).await?.filter(|g| g.deleted_at.is_none());
    let before = before.ok_or(Error::NotFound("group"))?;
    let name = printable(&new.name).into_owned();
    let changed = sqlx::query(
        "update groups set name = $3, name_folded = $4, description = $5, search = $6,
           updated_at = $7, version = version + 1
         where id = $1 and version = $2 and deleted_at is null",
    )
    .bind(new.id.to_string())
    .bind(version)
    .bind(&name)
    .bind(fold(&name))
    .bind(&new.description)
    .bind(search_text(&name, &new.description))
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(Error::Stale("group"));
    }
    group_push::touch(tx, new.id).await?;
    let entry = author
        .entry("group.updated", Subject::new("group", new.id, &name))
        .changed(
            Some(json!({ "name": before.name, "description": before.description })),
            Some(json!({ "name": name, "description": new.description })),
        );
    audit::append(tx, &entry, now);
    Ok(())
}

/// The group with this id, from the recycle bin too.
pub async fn find(connection: &mut AnyConnection, id: GroupId) -> Result<Option<Group>> {
    let mut sql = Statement::new(SELECT);
    sql.and("g.id = ").bind(id.to_string())?;
    let rows = sql.fetch_all(connection).await?;
    rows.first().map(read_group).transpose()
}

/// The group with this name, however it is typed; not from the recycle bin.
pub async fn find_by_name(connection: &mut AnyConnection, name: &str) -> Result<Option<Group>> {
    let mut sql = Statement::new(SELECT);
    sql.and("g.deleted_at is null and g.name_folded = ")
        .bind(fold(name))?;
    let rows = sql.fetch_all(connection).await?;
    rows.first().map(read_group).transpose()
}

/// A page of the groups, by name.
pub async fn list(
    connection: &mut AnyConnection,
    filter: &GroupFilter,
    request: &PageRequest,
) -> Result<Page<Group>> {
    let (before, order) = if request.is_backward() {
        ("(g.name_folded, g.id) < (", " desc")
    } else {
        ("(g.name_folded, g.id) > (", "")
    };
    let mut sql = Statement::new(SELECT);
    apply(&mut sql, filter)?;
    if let Some(cursor) = &request.cursor {
        sql.and(before).bind(cursor.text()?)?;
        sql.push(", ").bind(cursor.id())?;
        sql.push(")");
    }
    sql.push(" order by g.name_folded").push(order);
    sql.push(", g.id").push(order);
    sql.push(" limit ").bind(request.fetch())?;
    let rows = sql.fetch_all(connection).await?;
    let rows = rows
        .iter()
        .map(|row| {
            Ok((
                TableRow::new("groups", row).text("name_folded")?,
                read_group(row)?,
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    let page = page(request, rows, |(folded, group)| {
        (SortValue::Text(folded.clone()), group.id.to_string())
    });
    Ok(page.map(|(_, group)| group))
}

/// Names of groups, in order, at most `limit`: for choices, without counting members.
pub async fn list_names(
    connection: &mut AnyConnection,
    limit: u32,
) -> Result<Vec<(GroupId, String)>> {
    let rows = sqlx::query(
        "select id, name from groups where deleted_at is null order by name_folded, id limit $1",
    )
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("groups", row);
            Ok((row.parsed("id")?, row.text("name")?))
        })
        .collect()
}

/// How many groups the filter finds.
pub async fn count(connection: &mut AnyConnection, filter: &GroupFilter) -> Result<Total> {
    if *filter == GroupFilter::default() {
        return counts::find(connection, Counted::Groups).await;
    }
    let mut sql = Statement::new("select count(*) from (select 1 as found from groups g");
    apply(&mut sql, filter)?;
    counts::count(connection, sql).await
}

/// The groups a user is in, by name, at most [`MAX_AT_ONCE`].
pub async fn list_of_user(connection: &mut AnyConnection, user: UserId) -> Result<Vec<Group>> {
    let mut sql = Statement::new(SELECT);
    sql.and("g.deleted_at is null and g.id in (select group_id from memberships where user_id = ")
        .bind(user.to_string())?;
    sql.push(") order by g.name_folded, g.id limit 1000");
    let rows = sql.fetch_all(connection).await?;
    rows.iter().map(read_group).collect()
}

/// Puts groups into the recycle bin: what they gave their members ends; returns those that were
/// not in it.
pub async fn delete(
    tx: &mut Write,
    ids: &[GroupId],
    author: &Author,
    now: Timestamp,
) -> Result<Vec<GroupId>> {
    let rows = sqlx::query(
        "update groups set deleted_at = $2, updated_at = $2, version = version + 1
         where id in (select key from json_each(json($1))) and deleted_at is null
         returning id, name",
    )
    .bind(json_keys(ids.iter().take(MAX_AT_ONCE)))
    .bind(now.as_millis())
    .fetch_all(&mut **tx)
    .await?;
    let changed = note_change(tx, &rows, ("group.deleted", author, now)).await?;
    counts::add(tx, Counted::Groups, -length(&changed)).await?;
    Ok(changed)
}

/// Takes groups out of the recycle bin with their members; [`crate::Constraint::GroupName`] when
/// a name was given to another group meanwhile.
pub async fn restore(
    tx: &mut Write,
    ids: &[GroupId],
    author: &Author,
    now: Timestamp,
) -> Result<Vec<GroupId>> {
    let rows = sqlx::query(
        "update groups set deleted_at = null, updated_at = $2, version = version + 1
         where id in (select key from json_each(json($1))) and deleted_at is not null
         returning id, name",
    )
    .bind(json_keys(ids.iter().take(MAX_AT_ONCE)))
    .bind(now.as_millis())
    .fetch_all(&mut **tx)
    .await?;
    let changed = note_change(tx, &rows, ("group.restored", author, now)).await?;
    counts::add(tx, Counted::Groups, length(&changed)).await?;
    Ok(changed)
}

/// Removes for good what has been in the bin for [`DAYS_IN_BIN`] days; returns how many.
pub async fn purge(tx: &mut Write, author: &Author, now: Timestamp) -> Result<usize> {
    let rows = sqlx::query(
        "delete from groups where id in (
           select id from groups where deleted_at is not null and deleted_at <= $1
           order by deleted_at, id limit 1000)
         returning id, name",
    )
    .bind(now.plus_days(-DAYS_IN_BIN).as_millis())
    .fetch_all(&mut **tx)
    .await?;
    let mut gone = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = TableRow::new("groups", row);
        let id: GroupId = row.parsed("id")?;
        let subject = Subject::new("group", id, row.text("name")?);
        audit::append(tx, &author.entry("group.purged", subject), now);
        gone.push(id);
    }
    provisioning::forget_groups(tx, &gone).await?;
    Ok(rows.len())
}

async fn note_change(
    tx: &mut Write,
    rows: &[AnyRow],
    (action, author, now): (&'static str, &Author, Timestamp),
) -> Result<Vec<GroupId>> {
    let mut changed = Vec::with_capacity(rows.len());
    for row in rows {
        let row = TableRow::new("groups", row);
        let id: GroupId = row.parsed("id")?;
        provisioning::touch_all_of_group(tx, id).await?;
        group_push::touch(tx, id).await?;
        let subject = Subject::new("group", id, row.text("name")?);
        audit::append(tx, &author.entry(action, subject), now);
        changed.push(id);
    }
    Ok(changed)
}

fn apply(sql: &mut Statement, filter: &GroupFilter) -> Result<()> {
    sql.and(if filter.deleted {
        "g.deleted_at is not null"
    } else {
        "g.deleted_at is null"
    });
    for word in fold(&filter.search).split_whitespace().take(8) {
        sql.and("g.search like ").bind(containing(word))?;
        sql.push(" escape '\\'");
    }
    Ok(())
}

fn search_text(name: &str, description: &str) -> String {
    fold(&format!("{name} {description}"))
}

fn length<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}

/// Members are counted without reading a user per membership: the few in the recycle bin are
/// taken off instead.
const SELECT: &str = "select g.id, g.name, g.name_folded, g.description, g.created_at,
    g.updated_at, g.deleted_at, g.version,
    (select count(*) from memberships m where m.group_id = g.id)
      - (select count(*) from users u where u.deleted_at is not null
         and exists (select 1 from memberships m where m.group_id = g.id and m.user_id = u.id))
      as members
  from groups g";

fn read_group(row: &AnyRow) -> Result<Group> {
    let row = TableRow::new("groups", row);
    Ok(Group {
        id: row.parsed("id")?,
        name: row.text("name")?,
        description: row.text("description")?,
        members: row.number("members")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        deleted_at: row.optional_time("deleted_at")?,
        version: row.number("version")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::memberships;
    use crate::testing::{AUTHOR, NOW};
    use crate::users::{self, NewUser};
    use crate::{Constraint, Store};
    use signpost_model::random::SeededRandom;
    use signpost_model::{Profile, Source, SourceAnchor};

    fn group(number: u128, name: &str) -> NewGroup {
        NewGroup {
            id: GroupId::from_number(number),
            name: name.to_owned(),
            description: "Of Contoso".to_owned(),
        }
    }

    async fn add_user(tx: &mut Write, number: u64) -> UserId {
        let new = NewUser {
            id: UserId::from_number(number.into()),
            source_anchor: SourceAnchor::mint(&SeededRandom::new(number)),
            source: Source::Local,
            profile: Profile {
                user_name: format!("user{number}@contoso.example"),
                ..Profile::default()
            },
            enabled: true,
        };
        users::create(tx, &new, &AUTHOR, NOW).await.unwrap();
        new.id
    }

    async fn names(store: &Store, request: &PageRequest) -> (Vec<String>, Page<Group>) {
        let mut connection = store.read().await.unwrap();
        let page = list(&mut connection, &GroupFilter::default(), request)
            .await
            .unwrap();
        (page.items.iter().map(|g| g.name.clone()).collect(), page)
    }

    both_engines! {
        async fn groups_are_paged_by_name_both_ways(store: Store) {
            let mut tx = store.write().await.unwrap();
            for (number, name) in [(1, "Sales"), (2, "all staff"), (3, "Öffice"), (4, "Board")] {
                create(&mut tx, &group(number, name), &AUTHOR, NOW).await.unwrap();
            }
            let taken = create(&mut tx, &group(5, "SALES"), &AUTHOR, NOW).await.unwrap_err();
            assert!(taken.is_conflict(Constraint::GroupName));
            drop(tx);
            let mut tx = store.write().await.unwrap();
            for (number, name) in [(1, "Sales"), (2, "all staff"), (3, "Öffice"), (4, "Board")] {
                create(&mut tx, &group(number, name), &AUTHOR, NOW).await.unwrap();
            }
            tx.commit().await.unwrap();
            let (first, page) = names(&store, &PageRequest::first(2)).await;
            assert_eq!(first, ["all staff", "Board"]);
            let (second, page) = names(&store, &PageRequest::at(2, page.next.unwrap())).await;
            assert_eq!(second, ["Sales", "Öffice"]);
            assert!(page.next.is_none());
            let (back, _) = names(&store, &PageRequest::at(2, page.previous.unwrap())).await;
            assert_eq!(back, first);
            let mut connection = store.read().await.unwrap();
            let filter = GroupFilter { search: "contoso öff".into(), deleted: false };
            assert_eq!(count(&mut connection, &filter).await.unwrap(), Total::Exactly(1));
            assert_eq!(find_by_name(&mut connection, "BOARD").await.unwrap().unwrap().name, "Board");
        }

        async fn members_are_counted_without_the_deleted(store: Store) {
            let mut tx = store.write().await.unwrap();
            let sales = group(1, "Sales");
            create(&mut tx, &sales, &AUTHOR, NOW).await.unwrap();
            let (ada, bob) = (add_user(&mut tx, 1).await, add_user(&mut tx, 2).await);
            let ids = [ada, bob, UserId::from_number(9)];
            let added = memberships::add(&mut tx, sales.id, &ids, &AUTHOR, NOW).await.unwrap();
            assert_eq!(added.len(), 2);
            assert_eq!(memberships::add(&mut tx, sales.id, &ids, &AUTHOR, NOW).await.unwrap(), []);
            users::delete(&mut tx, &[bob], &AUTHOR, NOW).await.unwrap();
            assert_eq!(find(&mut tx, sales.id).await.unwrap().unwrap().members, 1);
            assert_eq!(list_of_user(&mut tx, ada).await.unwrap().len(), 1);
            assert_eq!(memberships::remove(&mut tx, sales.id, &ids, &AUTHOR, NOW).await.unwrap().len(), 2);
            assert_eq!(memberships::remove(&mut tx, sales.id, &ids, &AUTHOR, NOW).await.unwrap(), []);
        }

        async fn a_group_comes_back_with_its_members(store: Store) {
            let mut tx = store.write().await.unwrap();
            let sales = group(1, "Sales");
            create(&mut tx, &sales, &AUTHOR, NOW).await.unwrap();
            let ada = add_user(&mut tx, 1).await;
            memberships::add(&mut tx, sales.id, &[ada], &AUTHOR, NOW).await.unwrap();
            assert_eq!(delete(&mut tx, &[sales.id], &AUTHOR, NOW).await.unwrap(), [sales.id]);
            assert_eq!(delete(&mut tx, &[sales.id], &AUTHOR, NOW).await.unwrap(), []);
            assert_eq!(count(&mut tx, &GroupFilter::default()).await.unwrap(), Total::Exactly(0));
            assert_eq!(list_of_user(&mut tx, ada).await.unwrap(), []);
            let shut = memberships::add(&mut tx, sales.id, &[ada], &AUTHOR, NOW).await;
            assert!(matches!(shut, Err(Error::NotFound("group"))));
            restore(&mut tx, &[sales.id], &AUTHOR, NOW).await.unwrap();
            assert_eq!(find(&mut tx, sales.id).await.unwrap().unwrap().members, 1);
            delete(&mut tx, &[sales.id], &AUTHOR, NOW).await.unwrap();
            assert_eq!(purge(&mut tx, &AUTHOR, NOW.plus_days(30)).await.unwrap(), 1);
            assert_eq!(find(&mut tx, sales.id).await.unwrap(), None);
        }

        async fn a_group_form_from_an_older_version_is_refused(store: Store) {
            let mut tx = store.write().await.unwrap();
            create(&mut tx, &group(1, "Sales"), &AUTHOR, NOW).await.unwrap();
            update(&mut tx, &group(1, "Sellers"), 1, &AUTHOR, NOW).await.unwrap();
            let late = update(&mut tx, &group(1, "Sold"), 1, &AUTHOR, NOW).await;
            assert!(matches!(late, Err(Error::Stale("group"))));
        }
    }
}
