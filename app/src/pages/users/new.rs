//! A new user.

use leptos::prelude::*;
use signpost_model::{Role, Source, SourceAnchor, UserId};
use signpost_store::users::{self, NewUser};
use signpost_store::{Constraint, Error};

use super::manager::{self, Meant};
use super::profile::{MANAGER, ProfileFields, Stored, typed_profile};
use crate::components::{
    Button, Card, Crumb, ErrorSummary, Form, Guard, LinkButton, Look, PageHeader,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Posted, Refusal, respond};
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The page.
#[component]
pub fn NewUserPage() -> impl IntoView {
    page(async {
        require(Role::Administrator)?;
        let portal = portal()?;
        let form = visit().form_state();
        let typed = form.typed(MANAGER).unwrap_or_default().to_owned();
        let proposals = manager::propose(&mut portal.store.read().await?, &typed).await?;
        // The same post twice makes one user: the id is chosen here.
        let id = match form.typed("id").and_then(|id| id.parse().ok()) {
            Some(id) => id,
            None => UserId::mint(portal.clock.now(), portal.random.as_ref()),
        };
        let problems = form.problems();
        Ok(view! {
            <Page title="Add user" section=Section::Users above=vec![Crumb::link("Users", urls::USERS)]>
                <PageHeader title="Add user" />
                <Notices />
                <ErrorSummary errors=problems />
                <Form action="/api/users/create" guard=Guard::Unsaved>
                    <input type="hidden" name="id" value=id.to_string() />
                    <Card id="profile" title="Profile" footer=|| view! { <Buttons /> }>
                        <div class="card__body">
                            <ProfileFields stored=Stored::default() form=form proposals=proposals />
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
        <Button look=Look::Primary>"Add user"</Button>
        <LinkButton href=urls::USERS look=Look::Quiet>
            "Cancel"
        </LinkButton>
    }
    .into_any()
}

/// Creates the user.
#[server(prefix = "/api", endpoint = "users/create")]
pub async fn create_user(#[server(default)] id: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id: UserId = id.parse().map_err(|_| PortalError::BadRequest)?;
        let (portal, author) = (portal()?, visit().author());
        let now = portal.clock.now();
        let (mut profile, mut errors) = typed_profile();
        let mut read = portal.store.read().await?;
        if users::find(&mut read, id).await?.is_some() {
            // The same form again: it is done.
            return Ok(Answer::to(urls::user(id)).notice(added(&profile.display_name)));
        }
        match manager::find(&mut read, Posted::current().first(MANAGER)).await? {
            Meant::Nobody => {}
            Meant::Somebody(manager) => profile.manager_id = Some(manager),
            Meant::Unclear(text) => errors.add(MANAGER, text),
        }
        drop(read);
        errors.check(urls::NEW_USER)?;
        let new = NewUser {
            id,
            source_anchor: SourceAnchor::mint(portal.random.as_ref()),
            source: Source::Local,
            profile,
            enabled: true,
        };
        let mut tx = portal.store.write().await?;
        if users::find(&mut tx, id).await?.is_none() {
            let created = users::create(&mut tx, &new, &author, now).await;
            match created {
                Ok(()) => tx.commit().await?,
                Err(error) => {
                    drop(tx);
                    refuse_unless_added(&portal, id, error).await?;
                }
            }
            portal.worker.notify_one();
        }
        Ok(Answer::to(urls::user(id)).notice(added(&new.profile.display_name)))
    })
    .await
}

/// Two clicks at once: the slower one fails, and the user is there nevertheless.
async fn refuse_unless_added(portal: &Portal, id: UserId, error: Error) -> Result<(), Refusal> {
    let mut read = portal.store.read().await?;
    if users::find(&mut read, id).await?.is_some() {
        return Ok(());
    }
    Err(match error {
        Error::Conflict(Constraint::UserName) => taken(urls::NEW_USER.to_owned()),
        other => other.into(),
    })
}

/// The user name belongs to somebody else.
pub(super) fn taken(to: String) -> Refusal {
    let text = "Another user has this user name. Choose a different one.";
    FormErrors::field("user_name", text).refuse(to)
}

fn added(name: &str) -> Notice {
    Notice::success(format!("{name} was added."))
}
