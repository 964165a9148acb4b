//! One group: name, description, members.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use signpost_model::{Group, GroupId, Role};
use signpost_store::users::{self, Direction, UserFilter, UserListItem, UserSort};
use signpost_store::{Constraint, Error, Page as ListPage, groups};

use super::members::Members;
use super::{GroupFields, checked, taken};
use crate::components::plural::count;
use crate::components::{
    Button, Card, Crumb, ErrorSummary, Form, Guard, Icon, LinkButton, Look, PageHeader, Status,
    StatusBadge,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, respond};
use crate::listing::Query;
use crate::pages::users::CHANGED_MEANWHILE;
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The page.
#[component]
pub fn GroupPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    page(async move {
        require(Role::Auditor)?;
        let id: GroupId = id.parse().map_err(|_| PortalError::NotFound)?;
        let query = Query::current();
        let (group, members) = load(id, &query).await?;
        let form = visit().form_state();
        let above = vec![Crumb::link("Groups", urls::GROUPS)];
        Ok(view! {
            <Page title=group.name.clone() section=Section::Groups above=above>
                <Head group=group.clone() />
                <Notices />
                <ErrorSummary errors=form.problems() />
                <Members query=query group=group.clone() members=members />
                <Properties group=group form=form />
            </Page>
        })
    })
}

async fn load(id: GroupId, query: &Query) -> Result<(Group, ListPage<UserListItem>), PortalError> {
    let portal = portal()?;
    let mut read = portal.store.read().await?;
    let group = groups::find(&mut read, id).await?;
    let group = group.ok_or(PortalError::NotFound)?;
    let filter = UserFilter {
        search: query.get("q").chars().take(200).collect(),
        group: Some(id),
        ..UserFilter::default()
    };
    let order = (UserSort::DisplayName, Direction::Ascending);
    let members = users::list(&mut read, &filter, order, &query.page()).await?;
    Ok((group, members))
}

#[component]
fn Head(group: Group) -> impl IntoView {
    let (id, deleted) = (group.id, group.deleted_at.is_some());
    let members = count(
        u64::try_from(group.members).unwrap_or(0),
        "member",
        "members",
    );
    let facts = move || {
        view! {
            {deleted.then(|| view! { <StatusBadge status=Status::DELETED /> })}
            <span>{members}</span>
        }
    };
    let may_write = visit().may(Role::Administrator);
    let actions = move || may_write.then(|| view! { <Acts id=id deleted=deleted /> });
    view! { <PageHeader title=group.name facts=facts actions=actions /> }.into_any()
}

#[component]
fn Acts(id: GroupId, deleted: bool) -> impl IntoView {
    let button = if deleted {
        view! { <Button look=Look::Primary icon=Icon::Undo2 name="act" value="restore">"Restore group"</Button> }
            .into_any()
    } else {
        view! { <Button look=Look::Danger icon=Icon::Trash2 name="act" value="delete">"Delete group"</Button> }
            .into_any()
    };
    let add = (!deleted).then(|| {
        view! {
            <LinkButton href=urls::group_new_members(id) look=Look::Primary icon=Icon::UserRoundPlus>
                "Add members"
            </LinkButton>
        }
    });
    view! {
        {add}
        <Form action="/api/groups/change" class="row">
            <input type="hidden" name="ids" value=id.to_string() />
            {button}
        </Form>
    }
    .into_any()
}

#[component]
fn Properties(group: Group, form: FormState) -> impl IntoView {
    if !visit().may(Role::Administrator) || group.deleted_at.is_some() {
        return view! {
            <Card id="group" title="Description">
                <p class="card__body">{group.description}</p>
            </Card>
        }
        .into_any();
    }
    let save = || view! { <Button look=Look::Primary>"Save changes"</Button> };
    view! {
        <Form action="/api/groups/update" guard=Guard::Unsaved>
            <input type="hidden" name="id" value=group.id.to_string() />
            <input type="hidden" name="version" value=group.version.to_string() />
            <Card id="group" title="Name and description" footer=save>
                <div class="card__body">
                    <GroupFields form=form name=group.name description=group.description version=group.version />
                </div>
            </Card>
        </Form>
    }
    .into_any()
}

/// Saves name and description.
#[server(prefix = "/api", endpoint = "groups/update")]
pub async fn update_group(
    #[server(default)] id: String,
    #[server(default)] version: String,
    #[server(default)] name: String,
    #[server(default)] description: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id: GroupId = id.parse().map_err(|_| PortalError::NotFound)?;
        let version: i64 = version.parse().map_err(|_| PortalError::BadRequest)?;
        let to = urls::group(id);
        let new = checked(id, &name, &description, &to)?;
        let (portal, author) = (portal()?, visit().author());
        let mut tx = portal.store.write().await?;
        let now = portal.clock.now();
        match groups::update(&mut tx, &new, version, &author, now).await {
            Ok(()) => tx.commit().await?,
            Err(Error::Stale(_)) => {
                let stored = groups::find(&mut tx, id).await?;
                // Somebody (a second click) saved exactly this.
                let same = stored.is_some_and(|stored| {
                    stored.name == new.name && stored.description == new.description
                });
                if !same {
                    return Err(FormErrors::summary(CHANGED_MEANWHILE).refuse(to));
                }
            }
            Err(Error::Conflict(Constraint::GroupName)) => return Err(taken(to)),
            Err(other) => return Err(other.into()),
        }
        Ok(Answer::to(to).notice(Notice::success("Changes saved.")))
    })
    .await
}
