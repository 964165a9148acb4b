//! Users: the list, one user, and what is done to them.

mod acts;
mod edit;
mod history;
mod join;
mod manager;
mod new;
mod profile;
mod rows;
mod signing_in;

use leptos::prelude::*;
use signpost_model::Role;
use signpost_store::users::{self, Direction, UserFilter, UserListItem, UserSort, UserState};
use signpost_store::{Page as ListPage, Total, groups};

use crate::access::{READ, Route, WRITE};
use crate::components::{
    Choice, EmptyState, ErrorSummary, FilterBar, FilterSelect, Icon, LinkButton, Look, PageHeader,
    Pager,
};
use crate::error::PortalError;
use crate::listing::{Query, summary};
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{require, visit};

pub use acts::ChangeUsers;
pub(crate) use acts::ticked;
pub(crate) use edit::CHANGED_MEANWHILE;
pub use edit::{UpdateUser, UserPage};
pub(crate) use join::joined;
pub use join::{AddUsersToGroup, JoinGroup};
pub use new::{CreateUser, NewUserPage};
pub use signing_in::{end_user_sessions, invite_user, remove_user_factors};

use rows::UserTable;

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/users", READ),
    ("GET", "/users/new", WRITE),
    ("GET", "/users/add-to-group", WRITE),
    ("GET", "/users/{id}", READ),
    ("POST", "/api/users/create", WRITE),
    ("POST", "/api/users/update", WRITE),
    ("POST", "/api/users/change", WRITE),
    ("POST", "/api/users/add-to-group", WRITE),
    ("POST", "/api/users/invite", WRITE),
    ("POST", "/api/users/remove-factors", WRITE),
    ("POST", "/api/users/end-sessions", WRITE),
];

/// Choices of a filter, at most.
const MOST_CHOICES: u32 = 200;

/// The list.
#[component]
pub fn UsersPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let query = Query::current();
        let (filter, order) = (filter_of(&query), order_of(&query));
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let (found, total) =
            users::list_and_count(&mut read, &filter, order, &query.page()).await?;
        let more = more_filters(&mut read, &query).await?;
        drop(read);
        let may_write = visit().may(Role::Administrator);
        let actions = move || may_write.then(|| view! { <Add /> });
        Ok(view! {
            <Page title="Users" section=Section::Users>
                <PageHeader title="Users" actions=actions />
                <Notices />
                <ErrorSummary errors=visit().form_state().problems() />
                <List query=query filter=filter order=order found=found total=total more=more />
            </Page>
        })
    })
}

#[component]
fn Add() -> impl IntoView {
    view! {
        <LinkButton href=urls::IMPORT icon=Icon::FileUp>
            "Import users"
        </LinkButton>
        <LinkButton href=urls::NEW_USER look=Look::Primary icon=Icon::UserRoundPlus>
            "Add user"
        </LinkButton>
    }
    .into_any()
}

#[component]
fn List(
    query: Query,
    filter: UserFilter,
    order: (UserSort, Direction),
    found: ListPage<UserListItem>,
    total: Total,
    more: Option<MoreFilters>,
) -> impl IntoView {
    let filtered = filter != UserFilter::default();
    if !filtered && found.items.is_empty() && found.previous.is_none() {
        return view! { <NobodyYet /> }.into_any();
    }
    let pages = query.pages(urls::USERS, &found);
    let words = summary(found.items.len(), total, "user", "users");
    view! {
        <section class="card" aria-label="Users">
            <h2 class="hidden-words">"Users"</h2>
            <Filters query=query.clone() filtered=filtered more=more />
            <UserTable query=query state=filter.state order=order items=found.items />
            <footer class="card__foot">
                <Pager summary=words pages=pages label="Pages of users" />
            </footer>
        </section>
    }
    .into_any()
}

#[component]
fn NobodyYet() -> impl IntoView {
    let may_write = visit().may(Role::Administrator);
    view! {
        <section class="card" aria-label="Users">
            <h2 class="hidden-words">"Users"</h2>
            <EmptyState
                icon=Icon::UsersRound
                title="No users yet"
                why="Users are the people who get accounts. Import them from a file of another product, or add them one by one."
            >
                {may_write.then(|| view! { <Add /> })}
            </EmptyState>
        </section>
    }
    .into_any()
}

/// What the filters beyond search and state can be set to.
#[derive(Debug)]
struct MoreFilters {
    departments: Vec<String>,
    groups: Vec<(String, String)>,
}

/// The choices cost two more questions to the database, so that they come when asked for.
async fn more_filters(
    read: &mut signpost_store::Read,
    query: &Query,
) -> Result<Option<MoreFilters>, PortalError> {
    let wanted = ["filters", "department", "source", "group"]
        .iter()
        .any(|name| !query.get(name).is_empty());
    if !wanted {
        return Ok(None);
    }
    let mut departments = users::list_departments(read).await?;
    departments.truncate(MOST_CHOICES as usize);
    let named = groups::list_names(read, MOST_CHOICES).await?;
    let mut choices: Vec<_> = named
        .into_iter()
        .map(|(id, name)| (id.to_string(), name))
        .collect();
    if let Ok(id) = query.get("group").parse() {
        let known = choices.iter().any(|(known, _)| known == query.get("group"));
        if !known && let Some(group) = groups::find(read, id).await? {
            choices.push((group.id.to_string(), group.name));
        }
    }
    Ok(Some(MoreFilters {
        departments,
        groups: choices,
    }))
}

#[component]
fn Filters(query: Query, filtered: bool, more: Option<MoreFilters>) -> impl IntoView {
    let states = vec![
        Choice::new("", "Any state"),
        Choice::new("enabled", "Active"),
        Choice::new("disabled", "Disabled"),
        Choice::new("deleted", "Recently deleted"),
    ];
    let keep = ["sort", "order"].map(|name| {
        let value = query.get(name).to_owned();
        (!value.is_empty()).then(|| view! { <input type="hidden" name=name value=value /> })
    });
    let state = query.get("state").to_owned();
    let open_more = query.with(urls::USERS, &[("filters", "more")]);
    let more = match more {
        Some(more) => view! { <More query=query.clone() more=more /> }.into_any(),
        None => view! {
            <LinkButton href=open_more look=Look::Quiet>"More filters"</LinkButton>
        }
        .into_any(),
    };
    view! {
        <FilterBar
            label="Users"
            action=urls::USERS
            search_label="Search users"
            search=query.get("q")
            clear=filtered.then(|| urls::USERS.to_owned())
        >
            {keep.into_iter().collect_view()}
            <FilterSelect name="state" label="State" choices=states chosen=state />
            {more}
        </FilterBar>
    }
    .into_any()
}

#[component]
fn More(query: Query, more: MoreFilters) -> impl IntoView {
    let mut departments = vec![Choice::new("", "Any department")];
    departments.extend(
        more.departments
            .into_iter()
            .map(|name| Choice::new(name.clone(), name)),
    );
    let mut groups = vec![Choice::new("", "Any group")];
    groups.extend(
        more.groups
            .into_iter()
            .map(|(id, name)| Choice::new(id, name)),
    );
    let sources = vec![
        Choice::new("", "Any source"),
        Choice::new("local", "Signpost"),
        Choice::new("csv", "CSV import"),
    ];
    let chosen = |name: &str| query.get(name).to_owned();
    view! {
        <input type="hidden" name="filters" value="more" />
        <FilterSelect name="department" label="Department" choices=departments chosen=chosen("department") />
        <FilterSelect name="source" label="Source" choices=sources chosen=chosen("source") />
        <FilterSelect name="group" label="Group" choices=groups chosen=chosen("group") />
    }
    .into_any()
}

/// What the address asks for; words that are not ours ask for nothing.
fn filter_of(query: &Query) -> UserFilter {
    let department = query.get("department");
    UserFilter {
        search: query.get("q").chars().take(200).collect(),
        state: query.get("state").parse::<UserState>().ok(),
        department: (!department.is_empty()).then(|| department.to_owned()),
        source: query.get("source").parse().ok(),
        group: query.get("group").parse().ok(),
    }
}

fn order_of(query: &Query) -> (UserSort, Direction) {
    (
        query.get("sort").parse().unwrap_or_default(),
        query.get("order").parse().unwrap_or_default(),
    )
}
