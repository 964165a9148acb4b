//! Users and their groups: the card on a user's page, and adding many to one group.

use leptos::prelude::*;
use signpost_model::{Group, Role, User, UserId};
use signpost_store::{groups, memberships, users};

use crate::components::plural::count;
use crate::components::{
    Button, ButtonSize, Card, CheckBox, Crumb, ErrorSummary, Form, Icon, LinkButton, Look,
    PageHeader, TextField,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, respond};
use crate::listing::Query;
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Where ticked users are added to a group.
const ADDRESS: &str = "/users/add-to-group";
/// Ticked users that fit into an address.
const MOST_IDS: usize = 200;

/// The page for these users.
pub(super) fn address(ids: &[UserId]) -> String {
    let ids: Vec<_> = ids.iter().take(MOST_IDS).map(ToString::to_string).collect();
    urls::with_query(ADDRESS, &[("users", &ids.join("."))])
}

/// The page that asks for the group.
#[component]
pub fn JoinGroup() -> impl IntoView {
    page(async {
        require(Role::Administrator)?;
        let ids: Vec<UserId> = Query::current()
            .get("users")
            .split('.')
            .take(MOST_IDS)
            .filter_map(|id| id.parse().ok())
            .collect();
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let mut chosen = users::find_many(&mut read, &ids).await?;
        chosen.retain(|user| user.deleted_at.is_none());
        if chosen.is_empty() {
            return Err(PortalError::NotFound);
        }
        let names = groups::list_names(&mut read, 500).await?;
        let names = names.into_iter().map(|(_, name)| name).collect();
        let form = visit().form_state();
        let above = vec![Crumb::link("Users", urls::USERS)];
        Ok(view! {
            <Page title="Add to group" section=Section::Users above=above>
                <PageHeader title="Add to group" />
                <Notices />
                <ErrorSummary errors=form.problems() />
                <Form action="/api/users/add-to-group">
                    <Card id="join" title=count(chosen.len() as u64, "user", "users") footer=|| view! { <Buttons /> }>
                        <div class="card__body stack">
                            <GroupField names=names form=form />
                            <Chosen users=chosen />
                        </div>
                    </Card>
                </Form>
            </Page>
        })
    })
}

#[component]
fn Buttons() -> impl IntoView {
    view! {
        <Button look=Look::Primary>"Add to group"</Button>
        <LinkButton href=urls::USERS look=Look::Quiet>
            "Cancel"
        </LinkButton>
    }
    .into_any()
}

#[component]
fn Chosen(users: Vec<User>) -> impl IntoView {
    let boxes = users
        .into_iter()
        .map(|user| {
            let label = format!("{} ({})", user.profile.display_name, user.profile.user_name);
            view! { <CheckBox name="ids" value=user.id.to_string() label=label checked=true /> }
                .into_any()
        })
        .collect_view();
    view! { <div class="stack stack--tight">{boxes}</div> }.into_any()
}

/// The field for a group's name, with the names there are.
#[component]
fn GroupField(names: Vec<String>, form: FormState) -> impl IntoView {
    let options = names
        .into_iter()
        .map(|name| view! { <option value=name></option> })
        .collect_view();
    view! {
        <TextField
            name="group"
            label="Group"
            value=form.value("group", "")
            error=form.error("group")
            proposals="groups"
            required=true
        />
        <datalist id="groups">{options}</datalist>
    }
    .into_any()
}

/// The groups of one user.
#[component]
pub(super) fn GroupsCard(
    user: User,
    groups: Vec<Group>,
    names: Vec<String>,
    form: FormState,
) -> impl IntoView {
    let may_write = visit().may(Role::Administrator) && user.deleted_at.is_none();
    let empty = groups.is_empty();
    let items = groups
        .into_iter()
        .map(|group| {
            let leave = may_write.then(|| view! { <Leave user=user.id group=group.clone() /> });
            view! {
                <li class="row">
                    <a class="grow" href=urls::group(group.id)>{group.name}</a>
                    {leave}
                </li>
            }
            .into_any()
        })
        .collect_view();
    let add = may_write.then(|| {
        view! {
            <Form action="/api/users/add-to-group" class="stack">
                <input type="hidden" name="ids" value=user.id.to_string() />
                <input type="hidden" name="user" value=user.id.to_string() />
                <GroupField names=names form=form />
                <div>
                    <Button icon=Icon::Plus>"Add to group"</Button>
                </div>
            </Form>
        }
    });
    view! {
        <Card id="groups-of-user" title="Groups">
            <div class="card__body stack">
                {empty.then(|| view! { <p class="hint">"In no group yet."</p> })}
                <ul class="stack stack--tight" role="list">{items}</ul>
                {add}
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn Leave(user: UserId, group: Group) -> impl IntoView {
    let label = format!("Remove from {}", group.name);
    view! {
        <Form action="/api/groups/remove-members">
            <input type="hidden" name="group" value=group.id.to_string() />
            <input type="hidden" name="ids" value=user.to_string() />
            <input type="hidden" name="user" value=user.to_string() />
            <Button size=ButtonSize::Small look=Look::Quiet label=label>"Remove"</Button>
        </Form>
    }
    .into_any()
}

/// Adds the ticked users to the group of this name.
#[server(prefix = "/api", endpoint = "users/add-to-group")]
pub async fn add_users_to_group(
    #[server(default)] group: String,
    #[server(default)] user: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let ids = super::acts::ticked();
        let back = match user.parse::<UserId>() {
            Ok(id) => urls::user(id),
            Err(_) if ids.is_empty() => {
                return Err(FormErrors::summary("Tick the users first.").refuse(urls::USERS));
            }
            Err(_) => address(&ids),
        };
        let (portal, author) = (portal()?, visit().author());
        let mut tx = portal.store.write().await?;
        let Some(found) = groups::find_by_name(&mut tx, group.trim()).await? else {
            let text = match group.trim() {
                "" => "Enter the name of a group".to_owned(),
                name => format!("No group is called “{name}”. Enter the name of a group, or add the group first."),
            };
            return Err(FormErrors::field("group", text).refuse(back));
        };
        let now = portal.clock.now();
        let added = memberships::add(&mut tx, found.id, &ids, &author, now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        let to = match user.parse::<UserId>() {
            Ok(id) => urls::user(id),
            Err(_) => urls::group(found.id),
        };
        let notice = Notice::success(joined(ids.len(), added.len(), &found.name));
        Ok(Answer::to(to).notice(notice))
    })
    .await
}

/// What adding did; who was a member already is passed over.
pub(crate) fn joined(wanted: usize, added: usize, group: &str) -> String {
    let already = wanted.saturating_sub(added);
    match (added, already) {
        (0, 1) => format!("The user is in {group}."),
        (0, n) => format!("All {n} users are in {group}."),
        (n, 0) => format!(
            "{} added to {group}.",
            count(n as u64, "user was", "users were")
        ),
        (n, m) => format!(
            "{} added to {group}; {} in it already.",
            count(n as u64, "user was", "users were"),
            count(m as u64, "was", "were")
        ),
    }
}
