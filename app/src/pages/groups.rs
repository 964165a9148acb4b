//! Groups: the list, one group with its members, and what is done to them.

mod acts;
mod members;
mod one;

use leptos::prelude::*;
use signpost_model::{Group, GroupId, Role};
use signpost_store::groups::{self, GroupFilter, NewGroup};
use signpost_store::{Constraint, Error, Page as ListPage, Total};

use crate::access::{READ, Route, WRITE};
use crate::components::plural::digits;
use crate::components::{
    BulkBar, Button, ButtonSize, Card, Choice, Column, Crumb, DataTable, EmptyState, ErrorSummary,
    FilterBar, FilterSelect, Form, Guard, Icon, LinkButton, Look, PageHeader, Pager, RowCheck,
    TextArea, TextField, Time,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, respond};
use crate::listing::{Query, summary};
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

pub use acts::ChangeGroups;
pub use members::{AddMembers, AddMembersPage, RemoveMembers};
pub use one::{GroupPage, UpdateGroup};

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/groups", READ),
    ("GET", "/groups/new", WRITE),
    ("GET", "/groups/{id}", READ),
    ("GET", "/groups/{id}/members/new", WRITE),
    ("POST", "/api/groups/create", WRITE),
    ("POST", "/api/groups/update", WRITE),
    ("POST", "/api/groups/change", WRITE),
    ("POST", "/api/groups/add-members", WRITE),
    ("POST", "/api/groups/remove-members", WRITE),
];

const LONGEST_NAME: usize = 256;
const LONGEST_DESCRIPTION: usize = 1_024;

/// The list.
#[component]
pub fn GroupsPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let query = Query::current();
        let filter = GroupFilter {
            search: query.get("q").chars().take(200).collect(),
            deleted: query.get("state") == "deleted",
        };
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let found = groups::list(&mut read, &filter, &query.page()).await?;
        let total = groups::count(&mut read, &filter).await?;
        drop(read);
        let may_write = visit().may(Role::Administrator);
        let actions = move || may_write.then(|| view! { <Add /> });
        Ok(view! {
            <Page title="Groups" section=Section::Groups>
                <PageHeader title="Groups" actions=actions />
                <Notices />
                <ErrorSummary errors=visit().form_state().problems() />
                <List query=query filter=filter found=found total=total />
            </Page>
        })
    })
}

#[component]
fn Add() -> impl IntoView {
    view! {
        <LinkButton href=urls::NEW_GROUP look=Look::Primary icon=Icon::Plus>
            "Add group"
        </LinkButton>
    }
    .into_any()
}

#[component]
fn List(query: Query, filter: GroupFilter, found: ListPage<Group>, total: Total) -> impl IntoView {
    let filtered = filter != GroupFilter::default();
    let may_write = visit().may(Role::Administrator);
    if !filtered && found.items.is_empty() && found.previous.is_none() {
        return view! {
            <section class="card" aria-label="Groups">
                <h2 class="hidden-words">"Groups"</h2>
                <EmptyState
                    icon=Icon::Blocks
                    title="No groups yet"
                    why="A group gives applications and licenses to all its members. An import can bring groups too."
                >
                    {may_write.then(|| view! { <Add /> })}
                </EmptyState>
            </section>
        }
        .into_any();
    }
    let states = vec![
        Choice::new("", "Groups"),
        Choice::new("deleted", "Recently deleted"),
    ];
    let pages = query.pages(urls::GROUPS, &found);
    let words = summary(found.items.len(), total, "group", "groups");
    let state = query.get("state").to_owned();
    view! {
        <section class="card" aria-label="Groups">
            <h2 class="hidden-words">"Groups"</h2>
            <FilterBar
                label="Groups"
                action=urls::GROUPS
                search_label="Search groups"
                search=query.get("q")
                clear=filtered.then(|| urls::GROUPS.to_owned())
            >
                <FilterSelect name="state" label="State" choices=states chosen=state />
            </FilterBar>
            <GroupTable query=query deleted=filter.deleted items=found.items />
            <footer class="card__foot">
                <Pager summary=words pages=pages label="Pages of groups" />
            </footer>
        </section>
    }
    .into_any()
}

#[component]
fn GroupTable(query: Query, deleted: bool, items: Vec<Group>) -> impl IntoView {
    if items.is_empty() {
        return view! {
            <EmptyState icon=Icon::SearchX title="No group matches" why="No group fits the search and the filter.">
                <LinkButton href=urls::GROUPS>"Show all groups"</LinkButton>
            </EmptyState>
        }
        .into_any();
    }
    let may_write = visit().may(Role::Administrator);
    let mut columns = vec![
        Column::new("Name"),
        Column::new("Description"),
        Column::numeric("Members"),
        Column::new("Changed"),
    ];
    if may_write {
        columns.insert(0, Column::hidden("Choose"));
    }
    let rows = items
        .into_iter()
        .map(|group| row(group, may_write))
        .collect_view();
    let table = view! {
        <DataTable caption="Groups" columns=columns>{rows}</DataTable>
    }
    .into_any();
    if !may_write {
        return table;
    }
    let act = if deleted {
        view! { <Button size=ButtonSize::Small icon=Icon::Undo2 name="act" value="restore">"Restore"</Button> }
            .into_any()
    } else {
        view! {
            <Button size=ButtonSize::Small look=Look::Danger icon=Icon::Trash2 name="act" value="delete">
                "Delete"
            </Button>
        }
        .into_any()
    };
    view! {
        <Form action="/api/groups/change">
            <input type="hidden" name="list" value=query.text() />
            <BulkBar rows="groups">{act}</BulkBar>
            {table}
        </Form>
    }
    .into_any()
}

fn row(group: Group, may_write: bool) -> AnyView {
    let check = may_write.then(|| {
        view! {
            <td>
                <RowCheck name="ids" value=group.id.to_string() label=group.name.clone() />
            </td>
        }
    });
    view! {
        <tr>
            {check}
            <th scope="row">
                <a href=urls::group(group.id)>{group.name}</a>
            </th>
            <td>{group.description}</td>
            <td class="end">{digits(u64::try_from(group.members).unwrap_or(0))}</td>
            <td class="nowrap">{group.updated_at.to_jiff().map(|at| view! { <Time at=at /> })}</td>
        </tr>
    }
    .into_any()
}

/// The form of a new group.
#[component]
pub fn NewGroupPage() -> impl IntoView {
    page(async {
        require(Role::Administrator)?;
        let portal = portal()?;
        let form = visit().form_state();
        // The same post twice makes one group: the id is chosen here.
        let id = match form.typed("id").and_then(|id| id.parse().ok()) {
            Some(id) => id,
            None => GroupId::mint(portal.clock.now(), portal.random.as_ref()),
        };
        let buttons = || {
            view! {
                <Button look=Look::Primary>"Add group"</Button>
                <LinkButton href=urls::GROUPS look=Look::Quiet>"Cancel"</LinkButton>
            }
        };
        Ok(view! {
            <Page title="Add group" section=Section::Groups above=vec![Crumb::link("Groups", urls::GROUPS)]>
                <PageHeader title="Add group" />
                <Notices />
                <ErrorSummary errors=form.problems() />
                <Form action="/api/groups/create" guard=Guard::Unsaved>
                    <input type="hidden" name="id" value=id.to_string() />
                    <Card id="group" title="Group" footer=buttons>
                        <div class="card__body">
                            <GroupFields form=form name=String::new() description=String::new() />
                        </div>
                    </Card>
                </Form>
            </Page>
        })
    })
}

/// Name and description; with what is stored beside them when somebody else changed it.
#[component]
fn GroupFields(
    form: FormState,
    name: String,
    description: String,
    #[prop(optional)] version: i64,
) -> impl IntoView {
    let newer = version > 0
        && form.is_refused()
        && form.typed("version") != Some(version.to_string().as_str());
    let stored = |typed: &str, stored: &str| {
        (newer && typed != stored).then(|| format!("Stored now: {stored}"))
    };
    let (typed_name, typed_description) = (
        form.value("name", &name),
        form.value("description", &description),
    );
    view! {
        <div class="stack">
            <TextField
                name="name"
                label="Name"
                hint=stored(&typed_name, &name)
                value=typed_name.clone()
                error=form.error("name")
                required=true
            />
            <TextArea
                name="description"
                label="Description"
                hint=stored(&typed_description, &description)
                value=typed_description.clone()
                error=form.error("description")
                max_length=1024
                rows=3
            />
        </div>
    }
    .into_any()
}

/// Creates the group.
#[server(prefix = "/api", endpoint = "groups/create")]
pub async fn create_group(
    #[server(default)] id: String,
    #[server(default)] name: String,
    #[server(default)] description: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id: GroupId = id.parse().map_err(|_| PortalError::BadRequest)?;
        let new = checked(id, &name, &description, urls::NEW_GROUP)?;
        let (portal, author) = (portal()?, visit().author());
        let mut tx = portal.store.write().await?;
        if groups::find(&mut tx, id).await?.is_none() {
            let now = portal.clock.now();
            let created = groups::create(&mut tx, &new, &author, now).await;
            match created {
                Ok(()) => tx.commit().await?,
                Err(error) => {
                    drop(tx);
                    // Two clicks at once: the slower one fails, and the group is there.
                    let mut read = portal.store.read().await?;
                    let added = groups::find(&mut read, id).await?.is_some();
                    match error {
                        _ if added => {}
                        Error::Conflict(Constraint::GroupName) => {
                            return Err(taken(urls::NEW_GROUP));
                        }
                        other => return Err(other.into()),
                    }
                }
            }
        }
        let notice = Notice::success(format!("{} was added. Add its members now.", new.name));
        Ok(Answer::to(urls::group(id)).notice(notice))
    })
    .await
}

/// What was typed, if it is good.
fn checked(
    id: GroupId,
    name: &str,
    description: &str,
    to: impl Into<String>,
) -> Result<NewGroup, crate::forms::Refusal> {
    let mut errors = FormErrors::new();
    let (name, description) = (name.trim(), description.trim());
    let unprintable = |text: &str| {
        text.chars()
            .any(|c| c.is_control() && c != '\n' && c != '\r')
    };
    if name.is_empty() {
        errors.add("name", "Enter a name");
    } else if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        errors.add("name", "Enter a name of up to 256 printable characters");
    }
    if description.chars().count() > LONGEST_DESCRIPTION || unprintable(description) {
        errors.add(
            "description",
            "Enter a description of up to 1,024 printable characters",
        );
    }
    errors.check(to)?;
    Ok(NewGroup {
        id,
        name: name.to_owned(),
        description: description.to_owned(),
    })
}

fn taken(to: impl Into<String>) -> crate::forms::Refusal {
    let text = "Another group has this name. Choose a different one.";
    FormErrors::field("name", text).refuse(to)
}
