//! A new application in two steps: its name, then who gets it.

use leptos::prelude::*;
use signpost_model::time::MINUTE_MS;
use signpost_model::{AccessType, ApplicationId, Role, Timestamp, text};
use signpost_store::{Constraint, Read, applications};

use super::access_editor::{AccessDraft, AccessFields, is_edit};
use crate::components::{
    Button, Card, Crumb, ErrorSummary, Form, LinkButton, Look, PageHeader, Stepper, TextField,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Posted, Refusal, internal, respond, session};
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The session key under which the name waits for the second step.
const NAME_KEY: &str = "new_application";

const STEPS: [&str; 2] = ["Name", "User Access Type"];

/// The longest name of an application.
const LONGEST_NAME: usize = 100;

/// What is wrong with a name, if anything.
pub fn check_name(name: &str) -> Result<String, &'static str> {
    let name = name.trim();
    if name.is_empty() {
        return Err("Enter a name");
    }
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err("Enter a name of up to 100 characters");
    }
    Ok(name.to_owned())
}

/// What to say when a name is taken.
pub fn taken(name: &str) -> String {
    format!("Another application is already called “{name}”. Choose another name.")
}

async fn named(db: &mut Read, name: &str) -> Result<Option<ApplicationId>, PortalError> {
    let folded = text::fold(name);
    let all = applications::list(db).await?;
    Ok(all
        .into_iter()
        .find(|summary| text::fold(&summary.application.name) == folded)
        .map(|summary| summary.application.id))
}

/// Step 1: the name.
#[component]
pub fn NewApplication() -> impl IntoView {
    page(async {
        require(Role::Administrator)?;
        let form = visit().form_state();
        let waiting: Option<String> = session()?.get(NAME_KEY).await.ok().flatten();
        let name = form.value("name", waiting.as_deref().unwrap_or("Microsoft 365"));
        Ok(view! {
            <Step current=0>
                <ErrorSummary errors=form.problems() />
                <Form action="/api/applications/name" class="stack">
                    <TextField
                        name="name"
                        label="Application name"
                        value=name
                        hint="Users and operators see this name.".to_owned()
                        error=form.error("name")
                        max_length=100
                        required=true
                        autofocus=true
                    />
                    <p class="row">
                        <Button look=Look::Primary>"Next"</Button>
                        <LinkButton href=urls::APPLICATIONS look=Look::Quiet>
                            "Cancel"
                        </LinkButton>
                    </p>
                </Form>
            </Step>
        })
    })
}

/// Step 2: who gets it.
#[component]
pub fn NewApplicationAccess() -> impl IntoView {
    page(async {
        require(Role::Administrator)?;
        let form = visit().form_state();
        let name: Option<String> = session()?.get(NAME_KEY).await.ok().flatten();
        if name.is_none() {
            leptos_axum::redirect(urls::NEW_APPLICATION);
        }
        let draft = if form.values.is_empty() {
            AccessDraft::of(&AccessType::Assigned)
        } else {
            AccessDraft::typed(&form.values)
        };
        let portal = portal()?;
        let matches = draft.matches(&mut portal.store.read().await?).await?;
        let error = form.error("access");
        Ok(view! {
            <Step current=1>
                <ErrorSummary errors=form.problems() />
                <Form action="/api/applications/create" class="stack">
                    <EnterPresses />
                    <p class="text-2">
                        "Who gets “" {name.unwrap_or_default()} "”? You can change this later under Settings."
                    </p>
                    <AccessFields draft=draft matches=matches error=error />
                    <p class="row">
                        <Button look=Look::Primary name="do" value="finish">
                            "Finish"
                        </Button>
                        <LinkButton href=urls::NEW_APPLICATION look=Look::Quiet>
                            "Back"
                        </LinkButton>
                    </p>
                </Form>
            </Step>
        })
    })
}

/// The first button of a form is the one that Enter presses; it must not be *Remove*.
#[component]
pub fn EnterPresses() -> impl IntoView {
    view! {
        <button class="hidden-words" type="submit" tabindex="-1" aria-hidden="true">
            "Save"
        </button>
    }
}

#[component]
fn Step(current: usize, children: Children) -> impl IntoView {
    let above = vec![Crumb::link("Applications", urls::APPLICATIONS)];
    view! {
        <Page title="New application" section=Section::Applications above=above>
            <PageHeader title="New application" />
            <Notices />
            <Stepper steps=STEPS.to_vec() current=current />
            <Card id="step" title=STEPS[current]>
                <div class="card__body stack">{children()}</div>
            </Card>
        </Page>
    }
    .into_any()
}

/// Keeps the name for the second step.
#[server(prefix = "/api", endpoint = "applications/name")]
pub async fn name_application(#[server(default)] name: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let refuse = |text: String| FormErrors::field("name", text).refuse(urls::NEW_APPLICATION);
        let name = check_name(&name).map_err(|text| refuse(text.to_owned()))?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        if named(&mut read, &name).await?.is_some() {
            return Err(refuse(taken(&name)));
        }
        if applications::list(&mut read).await?.len() as i64 >= applications::MAX_APPLICATIONS {
            return Err(refuse(
                "There are already as many applications as fit".to_owned(),
            ));
        }
        session()?
            .insert(NAME_KEY, name)
            .await
            .map_err(|error| internal(&error))?;
        Ok(Answer::to(urls::NEW_APPLICATION_ACCESS))
    })
    .await
}

/// Creates the application, or shows its rule with one condition more or less.
#[server(prefix = "/api", endpoint = "applications/create")]
pub async fn create_application() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted, session) = (portal()?, Posted::current(), session()?);
        if is_edit(posted.first("do")) {
            return Err(FormErrors::new().refuse(urls::NEW_APPLICATION_ACCESS));
        }
        let name: Option<String> = session.get(NAME_KEY).await.ok().flatten();
        let Some(name) = name else {
            return Ok(Answer::to(urls::APPLICATIONS));
        };
        let access = AccessDraft::typed(&posted.0)
            .read()
            .map_err(|errors| errors.refuse(urls::NEW_APPLICATION_ACCESS))?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let random = portal.random.as_ref();
        let created =
            applications::create(&mut tx, random, &name, &access, &visit().author(), now).await;
        let id = match created {
            Ok(application) => {
                tx.commit().await?;
                application.id
            }
            Err(error) if error.is_conflict(Constraint::ApplicationName) => {
                drop(tx);
                just_created(&name, &access, now).await?
            }
            Err(error) => return Err(error.into()),
        };
        session
            .remove::<String>(NAME_KEY)
            .await
            .map_err(|error| internal(&error))?;
        let next = match access {
            AccessType::Assigned => "Assign users, then open Provisioning.",
            _ => "Open Provisioning next to connect it.",
        };
        Ok(Answer::to(urls::application_assignments(id))
            .notice(Notice::success(format!("{name} was created. {next}"))))
    })
    .await
}

/// The application that the first click of two has made; another one of this name is in the way.
async fn just_created(
    name: &str,
    access: &AccessType,
    now: Timestamp,
) -> Result<ApplicationId, Refusal> {
    let portal = portal()?;
    let mut read = portal.store.read().await?;
    if let Some(id) = named(&mut read, name).await? {
        let found = super::found(&mut read, id).await?;
        if found.access == *access && now.millis_since(found.created_at) < MINUTE_MS {
            return Ok(id);
        }
    }
    Err(FormErrors::field("name", taken(name)).refuse(urls::NEW_APPLICATION))
}
