//! Who is in a group: the table, adding by search, removing.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use signpost_model::{Group, GroupId, Role, UserId};
use signpost_store::users::{self, Direction, UserFilter, UserListItem, UserSort};
use signpost_store::{Page as ListPage, groups, memberships};

use crate::components::plural::count;
use crate::components::{
    BulkBar, Button, ButtonSize, Column, Crumb, DataTable, EmptyState, ErrorSummary, FilterBar,
    Form, Icon, LinkButton, Look, PageHeader, Pager, Person, RowCheck,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, respond};
use crate::listing::Query;
use crate::pages::users::{joined, ticked};
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The members on the group's page.
#[component]
pub(super) fn Members(
    query: Query,
    group: Group,
    members: ListPage<UserListItem>,
) -> impl IntoView {
    let address = urls::group(group.id);
    let searched = !query.get("q").is_empty();
    let pages = query.pages(&address, &members);
    let words = count(members.items.len() as u64, "member", "members") + " on this page";
    let body = match (members.items.is_empty(), searched) {
        (false, _) => {
            view! { <MemberTable query=query.clone() group=group items=members.items /> }.into_any()
        }
        (true, true) => view! {
            <EmptyState icon=Icon::SearchX title="Nobody matches" why="No member fits the search." />
        }
        .into_any(),
        (true, false) => view! {
            <EmptyState
                icon=Icon::UsersRound
                title="No members yet"
                why="Whoever is added here gets what the group gives: applications and licenses."
            />
        }
        .into_any(),
    };
    view! {
        <section class="card" aria-label="Members">
            <h2 class="hidden-words">"Members"</h2>
            <FilterBar
                label="Members"
                action=address.clone()
                search_label="Search members"
                search=query.get("q")
                clear=searched.then_some(address)
            />
            {body}
            <footer class="card__foot">
                <Pager summary=words pages=pages label="Pages of members" />
            </footer>
        </section>
    }
    .into_any()
}

#[component]
fn MemberTable(query: Query, group: Group, items: Vec<UserListItem>) -> impl IntoView {
    let may_write = visit().may(Role::Administrator) && group.deleted_at.is_none();
    let table = people("Members", items, may_write);
    if !may_write {
        return table;
    }
    view! {
        <Form action="/api/groups/remove-members">
            <input type="hidden" name="group" value=group.id.to_string() />
            <input type="hidden" name="list" value=query.text() />
            <BulkBar rows="members">
                <Button size=ButtonSize::Small look=Look::Danger icon=Icon::X>
                    "Remove from group"
                </Button>
            </BulkBar>
            {table}
        </Form>
    }
    .into_any()
}

fn people(caption: &str, items: Vec<UserListItem>, may_write: bool) -> AnyView {
    let mut columns = vec![Column::new("Name"), Column::new("Department")];
    if may_write {
        columns.insert(0, Column::hidden("Choose"));
    }
    let rows = items
        .into_iter()
        .map(|item| {
            let check = may_write.then(|| {
                view! {
                    <td>
                        <RowCheck name="ids" value=item.id.to_string() label=item.display_name.clone() />
                    </td>
                }
            });
            view! {
                <tr>
                    {check}
                    <th scope="row">
                        <Person name=item.display_name detail=item.user_name href=urls::user(item.id) />
                    </th>
                    <td>{item.department}</td>
                </tr>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <DataTable caption=caption columns=columns>
            {rows}
        </DataTable>
    }
    .into_any()
}

/// Users to search and tick.
#[component]
pub fn AddMembersPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    page(async move {
        require(Role::Administrator)?;
        let id: GroupId = id.parse().map_err(|_| PortalError::NotFound)?;
        let query = Query::current();
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let group = groups::find(&mut read, id).await?;
        let group = group
            .filter(|group| group.deleted_at.is_none())
            .ok_or(PortalError::NotFound)?;
        let filter = UserFilter {
            search: query.get("q").chars().take(200).collect(),
            ..UserFilter::default()
        };
        let order = (UserSort::DisplayName, Direction::Ascending);
        let found = users::list(&mut read, &filter, order, &query.page()).await?;
        drop(read);
        let above = vec![
            Crumb::link("Groups", urls::GROUPS),
            Crumb::link(group.name.clone(), urls::group(id)),
        ];
        let title = format!("Add members to {}", group.name);
        Ok(view! {
            <Page title="Add members" section=Section::Groups above=above>
                <PageHeader title=title />
                <Notices />
                <ErrorSummary errors=visit().form_state().problems() />
                <Candidates query=query id=id found=found />
            </Page>
        })
    })
}

#[component]
fn Candidates(query: Query, id: GroupId, found: ListPage<UserListItem>) -> impl IntoView {
    let address = urls::group_new_members(id);
    let searched = !query.get("q").is_empty();
    let pages = query.pages(&address, &found);
    let words = count(found.items.len() as u64, "user", "users") + " on this page";
    let body = if found.items.is_empty() {
        view! {
            <EmptyState icon=Icon::SearchX title="Nobody to add" why="No user fits the search.">
                <LinkButton href=urls::group(id)>"Back to the group"</LinkButton>
            </EmptyState>
        }
        .into_any()
    } else {
        let table = people("Users", found.items, true);
        let list = query.text();
        view! {
            <Form action="/api/groups/add-members">
                <input type="hidden" name="group" value=id.to_string() />
                <input type="hidden" name="list" value=list />
                <BulkBar rows="users">
                    <Button size=ButtonSize::Small look=Look::Primary>
                        "Add selected"
                    </Button>
                </BulkBar>
                {table}
            </Form>
        }
        .into_any()
    };
    view! {
        <section class="card" aria-label="Users">
            <h2 class="hidden-words">"Users"</h2>
            <FilterBar
                label="Users"
                action=address.clone()
                search_label="Search users"
                search=query.get("q")
                clear=searched.then_some(address)
            />
            {body}
            <footer class="card__foot">
                <Pager summary=words pages=pages label="Pages of users" />
            </footer>
        </section>
    }
    .into_any()
}

/// Adds the ticked users.
#[server(prefix = "/api", endpoint = "groups/add-members")]
pub async fn add_members(
    #[server(default)] group: String,
    #[server(default)] list: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id: GroupId = group.parse().map_err(|_| PortalError::NotFound)?;
        let ids = ticked();
        if ids.is_empty() {
            let back = Query::parse(&list).address(&urls::group_new_members(id));
            return Err(FormErrors::summary("Tick the users first.").refuse(back));
        }
        let (portal, author) = (portal()?, visit().author());
        let mut tx = portal.store.write().await?;
        let found = groups::find(&mut tx, id).await?;
        let name = found.ok_or(PortalError::NotFound)?.name;
        let now = portal.clock.now();
        let added = memberships::add(&mut tx, id, &ids, &author, now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        let mut notice = Notice::success(joined(ids.len(), added.len(), &name));
        if !added.is_empty() {
            notice = notice.undo("/api/groups/remove-members", fields(id, &added));
        }
        Ok(Answer::to(urls::group(id)).notice(notice))
    })
    .await
}

/// Removes the ticked members.
#[server(prefix = "/api", endpoint = "groups/remove-members")]
pub async fn remove_members(
    #[server(default)] group: String,
    #[server(default)] list: String,
    #[server(default)] user: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id: GroupId = group.parse().map_err(|_| PortalError::NotFound)?;
        let back = match user.parse::<UserId>() {
            Ok(user) => urls::user(user),
            Err(_) => Query::parse(&list).address(&urls::group(id)),
        };
        let ids = ticked();
        if ids.is_empty() {
            return Err(FormErrors::summary("Tick the members first.").refuse(back));
        }
        let (portal, author) = (portal()?, visit().author());
        let mut tx = portal.store.write().await?;
        let found = groups::find(&mut tx, id).await?;
        let name = found.ok_or(PortalError::NotFound)?.name;
        let now = portal.clock.now();
        let removed = memberships::remove(&mut tx, id, &ids, &author, now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        let words = match removed.len() {
            0 => format!("Nobody to remove: {name} has none of them as a member."),
            n => format!(
                "{} removed from {name}.",
                count(n as u64, "user was", "users were")
            ),
        };
        let mut notice = Notice::success(words);
        if !removed.is_empty() {
            notice = notice.undo("/api/groups/add-members", fields(id, &removed));
        }
        Ok(Answer::to(back).notice(notice))
    })
    .await
}

fn fields(group: GroupId, ids: &[UserId]) -> Vec<(&'static str, String)> {
    ids.iter()
        .map(|id| ("ids", id.to_string()))
        .chain([("group", group.to_string())])
        .collect()
}
