//! The list of users: searched, filtered, sorted and paged by key in the database.

use std::str::FromStr;

use signpost_model::text::fold;
use signpost_model::{GroupId, Source, Timestamp, UserId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::counts::{self, Counted};
use crate::packed::{Fields, unpack};
use crate::paging::{SortValue, page};
use crate::statement::{Statement, containing};
use crate::{Page, PageRequest, Result, Total};

/// Which users are wanted; an empty filter wants all that are not deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Part of the name, user name, mail address, department or employee id.
    pub search: String,
    pub state: Option<UserState>,
    pub department: Option<String>,
    pub source: Option<Source>,
    pub group: Option<GroupId>,
}

/// What can be asked of a user's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserState {
    Enabled,
    Disabled,
    /// In the recycle bin.
    Deleted,
}

impl UserState {
    /// Every state, in the order of the form.
    pub const ALL: [Self; 3] = [Self::Enabled, Self::Disabled, Self::Deleted];

    /// The word in URLs.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
        }
    }
}

/// What the list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UserSort {
    #[default]
    DisplayName,
    UserName,
    Department,
    Updated,
}

impl UserSort {
    /// Every order.
    pub const ALL: [Self; 4] = [
        Self::DisplayName,
        Self::UserName,
        Self::Department,
        Self::Updated,
    ];

    /// The word in URLs.
    pub const fn key(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::UserName => "user_name",
            Self::Department => "department",
            Self::Updated => "updated",
        }
    }

    const fn column(self) -> &'static str {
        match self {
            Self::DisplayName => "u.display_name_folded",
            Self::UserName => "u.user_name_folded",
            Self::Department => "u.department_folded",
            Self::Updated => "u.updated_at",
        }
    }
}

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    #[default]
    Ascending,
    Descending,
}

impl Direction {
    /// Every direction.
    pub const ALL: [Self; 2] = [Self::Ascending, Self::Descending];

    /// The word in URLs.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
        }
    }
}

/// The text is not one of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of the words of this list")]
pub struct UnknownWord;

macro_rules! words {
    ($($name:ident),+) => {$(
        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.into_iter().find(|word| word.key() == text).ok_or(UnknownWord)
            }
        }
    )+};
}
words!(UserState, UserSort, Direction);

/// One row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserListItem {
    pub id: UserId,
    pub display_name: String,
    pub user_name: String,
    pub department: String,
    pub source: Source,
    pub enabled: bool,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
}

/// A page of the list.
pub async fn list(
    connection: &mut AnyConnection,
    filter: &UserFilter,
    order: (UserSort, Direction),
    request: &PageRequest,
) -> Result<Page<UserListItem>> {
    let row = statement(filter, order, request)?
        .fetch_one(connection)
        .await?;
    read_page(&row, order.0, request)
}

/// A page of the list, and how many users the filter finds.
pub async fn list_and_count(
    connection: &mut AnyConnection,
    filter: &UserFilter,
    order: (UserSort, Direction),
    request: &PageRequest,
) -> Result<(Page<UserListItem>, Total)> {
    let row = statement(filter, order, request)?
        .fetch_one(&mut *connection)
        .await?;
    let page = read_page(&row, order.0, request)?;
    // The statement counts for the list that is looked at most, and a list of one page is counted;
    // others have to be.
    let is_all = request.cursor.is_none() && page.next.is_none();
    let total = match i64::try_from(page.items.len()) {
        _ if *filter == UserFilter::default() => Total::Exactly(row.try_get(1)?),
        Ok(found) if is_all => Total::Exactly(found),
        _ => count(connection, filter).await?,
    };
    Ok((page, total))
}

fn read_page(row: &AnyRow, sort: UserSort, request: &PageRequest) -> Result<Page<UserListItem>> {
    let rows = unpack("users", row, |fields| read_item(fields, sort))?;
    let page = page(request, rows, |(item, key)| {
        (key.clone(), item.id.to_string())
    });
    Ok(page.map(|(item, _)| item))
}

/// One row: the page in its first column, the number of all users in its second.
fn statement(
    filter: &UserFilter,
    (sort, direction): (UserSort, Direction),
    request: &PageRequest,
) -> Result<Statement> {
    // Read backwards, a page before a place starts at the place.
    let descending = (direction == Direction::Descending) != request.is_backward();
    let order = if descending { " desc" } else { "" };
    let mut sql = Statement::new("select coalesce(string_agg(p.line, '\u{1e}' order by p.k");
    sql.push(order);
    sql.push(", p.id").push(order);
    sql.push("), ''), (select c.value from counts c where c.name = 'users')");
    sql.push(" from (select ").push(sort.column());
    sql.push(" as k, u.id, ");
    push_line(&mut sql, sort);
    sql.push(" as line from users u");
    apply(&mut sql, filter, Some(sort))?;
    if let Some(cursor) = &request.cursor {
        sql.and("(").push(sort.column());
        sql.push(if descending {
            ", u.id) < ("
        } else {
            ", u.id) > ("
        });
        match sort {
            UserSort::Updated => sql.bind(cursor.number()?)?,
            _ => sql.bind(cursor.text()?)?,
        };
        sql.push(", ").bind(cursor.id())?;
        sql.push(")");
    }
    sql.push(" order by ").push(sort.column()).push(order);
    sql.push(", u.id").push(order);
    sql.push(" limit ").bind(request.fetch())?;
    sql.push(") p");
    Ok(sql)
}

/// How many users the filter finds.
pub async fn count(connection: &mut AnyConnection, filter: &UserFilter) -> Result<Total> {
    if *filter == UserFilter::default() {
        return counts::find(connection, Counted::Users).await;
    }
    let mut sql = Statement::new("select count(*) from (select 1 as found from users u");
    apply(&mut sql, filter, None)?;
    counts::count(connection, sql).await
}

/// The departments that users have, by name, at most 500: for the filter's choices.
pub async fn list_departments(connection: &mut AnyConnection) -> Result<Vec<String>> {
    // Jumps from one department to the next in the index, instead of reading every user.
    let rows = sqlx::query(
        "with recursive names (folded) as (
           select min(department_folded) from users
             where department_folded > '' and deleted_at is null
           union all
           select (select min(u.department_folded) from users u
                   where u.department_folded > n.folded and u.deleted_at is null)
           from names n where n.folded is not null)
         select (select u.department from users u
                 where u.department_folded = n.folded and u.deleted_at is null
                 order by u.id limit 1) as name
         from names n where n.folded is not null limit 500",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

fn apply(sql: &mut Statement, filter: &UserFilter, order: Option<UserSort>) -> Result<()> {
    match filter.state {
        None => sql.and("u.deleted_at is null"),
        Some(UserState::Enabled) => sql.and("u.deleted_at is null and u.enabled = 1"),
        Some(UserState::Disabled) if order == Some(UserSort::DisplayName) => {
            sql.and("u.deleted_at is null and u.enabled = 0")
        }
        // Few are: they have an index of their own by name, which the comparison asks for.
        Some(UserState::Disabled) => sql.and(
            "u.id in (select d.id from users d
               where d.display_name_folded >= '' and d.enabled = 0 and d.deleted_at is null)
             and u.deleted_at is null",
        ),
        Some(UserState::Deleted) => sql.and("u.deleted_at is not null"),
    };
    search(sql, filter, order)?;
    if let Some(department) = &filter.department {
        sql.and("u.department_folded = ").bind(fold(department))?;
    }
    if let Some(source) = filter.source {
        sql.and("u.source = ").bind(source.key())?;
    }
    if let Some(group) = filter.group {
        sql.and("u.id in (select m.user_id from memberships m where m.group_id = ")
            .bind(group.to_string())?;
        sql.push(")");
    }
    Ok(())
}

/// Each word has to be somewhere: "kaya ada" finds Ada Kaya.
fn search(sql: &mut Statement, filter: &UserFilter, order: Option<UserSort>) -> Result<()> {
    let text = fold(&filter.search);
    let words: Vec<_> = text.split_whitespace().take(8).map(containing).collect();
    let deleted = filter.state == Some(UserState::Deleted);
    if deleted || order == Some(UserSort::DisplayName) {
        // Found in the order of the list, which ends when the page is full.
        for word in words {
            sql.and("u.search like ").bind(word)?;
            sql.push(" escape '\\'");
        }
        return Ok(());
    }
    if !words.is_empty() {
        // The index by name holds the search text too: looking through it alone, which the
        // comparison asks for, is faster than looking at every user in another order.
        sql.and(
            "u.id in (select s.id from users s
               where s.display_name_folded >= '' and s.deleted_at is null",
        );
        for word in words {
            sql.push(" and s.search like ").bind(word)?;
            sql.push(" escape '\\'");
        }
        sql.push(")");
    }
    Ok(())
}

/// The columns of a row as [`read_item`] reads them, the sort column last.
fn push_line(sql: &mut Statement, sort: UserSort) {
    // The separators of `packed`, as text: each argument would cost a look-up of its name.
    const AND_THEN: &str = " || '\u{1f}' || ";
    const COLUMNS: [&str; 8] = [
        "u.id",
        "u.display_name",
        "u.user_name",
        "u.department",
        "u.source",
        "cast(u.enabled as text)",
        "cast(u.updated_at as text)",
        "coalesce(cast(u.deleted_at as text), '')",
    ];
    for column in COLUMNS {
        sql.push(column).push(AND_THEN);
    }
    sql.push("cast(").push(sort.column()).push(" as text)");
}

fn read_item(fields: &mut Fields<'_>, sort: UserSort) -> Result<(UserListItem, SortValue)> {
    let item = UserListItem {
        id: fields.parsed("id")?,
        display_name: fields.text("display_name")?,
        user_name: fields.text("user_name")?,
        department: fields.text("department")?,
        source: fields.parsed("source")?,
        enabled: fields.flag("enabled")?,
        updated_at: fields.time("updated_at")?,
        deleted_at: fields.optional_time("deleted_at")?,
    };
    let key = match sort {
        UserSort::Updated => SortValue::Number(item.updated_at.as_millis()),
        _ => SortValue::Text(fields.text("sort")?),
    };
    Ok((item, key))
}
