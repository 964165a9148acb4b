//! An application's name, who gets it, and its end.

use leptos::prelude::*;
use signpost_model::{AccessType, Application, Role};
use signpost_store::scope::RuleMatches;
use signpost_store::{Constraint, applications, connections, schedule, scope};

use super::access_editor::{AccessDraft, AccessFields, is_edit};
use super::frame::{ApplicationPage, Part};
use super::new::{EnterPresses, check_name, taken};
use super::{found, id_of_form, id_of_page, or_stale, version_of_form};
use crate::components::plural::count;
use crate::components::{
    Button, Card, CardKind, ErrorSummary, Form, Guard, Look, Notice as Note, TextField, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, respond};
use crate::pages::control::ScheduleCard;
use crate::pages::federation;
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The page.
#[component]
pub fn ApplicationSettings() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let number = scope::count(&mut read, &application).await?;
        let schedule = schedule::find(&mut read, id).await?;
        let form = visit().form_state();
        let draft = if form.typed("combine").is_some() {
            AccessDraft::typed(&form.values)
        } else {
            AccessDraft::of(&application.access)
        };
        let matches = draft.matches(&mut read).await?;
        drop(read);
        let may = visit().may(Role::Administrator);
        let body = if may {
            let error = form.error("access");
            view! {
                <ErrorSummary errors=form.problems() />
                <Name application=application.clone() form=form.clone() />
                <ScheduleCard id=id schedule=schedule form=form.clone() may=may />
                <Access application=application.clone() draft=draft matches=matches error=error />
                <Delete application=application.clone() number=number form=form />
            }
            .into_any()
        } else {
            let number = count(number.unsigned_abs(), "user", "users");
            let words = format!("{}: {number}", application.access.label());
            view! {
                <Note tone=Tone::Info title="Only an Administrator can change these.">
                    {words}
                </Note>
                <ScheduleCard id=id schedule=schedule form=form may=may />
            }
            .into_any()
        };
        Ok(view! {
            <ApplicationPage application=application connection=connection part=Part::Settings>
                {body}
            </ApplicationPage>
        })
    })
}

#[component]
fn Versioned(application: Application) -> impl IntoView {
    view! {
        <input type="hidden" name="application" value=application.id.to_string() />
        <input type="hidden" name="version" value=application.version.to_string() />
    }
}

#[component]
fn Name(application: Application, form: FormState) -> impl IntoView {
    // The page has three forms: only what was typed into this one is shown in it again.
    let name = match form.typed("name") {
        Some(typed) => typed.to_owned(),
        None => application.name.clone(),
    };
    view! {
        <Card id="name" title="Name">
            <Form action="/api/applications/rename" class="card__body stack">
                <Versioned application=application />
                <TextField
                    name="name"
                    label="Application name"
                    value=name
                    max_length=100
                    required=true
                    error=form.error("name")
                />
                <p class="row">
                    <Button look=Look::Primary>"Rename"</Button>
                </p>
            </Form>
        </Card>
    }
    .into_any()
}

#[component]
fn Access(
    application: Application,
    draft: AccessDraft,
    matches: Option<RuleMatches>,
    error: Option<String>,
) -> impl IntoView {
    view! {
        <Card id="access" title="Who gets it">
            <Form action="/api/applications/access" class="card__body stack" guard=Guard::Unsaved>
                <EnterPresses />
                <Versioned application=application />
                <AccessFields draft=draft matches=matches error=error />
                <p class="hint">
                    "Who has it now and no longer would is removed at the next sync, as the Actions say."
                </p>
                <p class="row">
                    <Button look=Look::Primary name="do" value="save">
                        "Save access"
                    </Button>
                </p>
            </Form>
        </Card>
    }
    .into_any()
}

#[component]
fn Delete(application: Application, number: i64, form: FormState) -> impl IntoView {
    let who = count(
        number.unsigned_abs(),
        "user has it now",
        "users have it now",
    );
    view! {
        <Card id="delete" title="Delete application" kind=CardKind::Danger>
            <Form action="/api/applications/delete" class="card__body stack">
                <Versioned application=application.clone() />
                <p class="text-2">
                    "Signpost stops looking after the accounts: waiting runs end, and the secret is forgotten. "
                    {who}
                    ". In Microsoft 365 nothing changes: accounts, sign-in and licenses stay as they are. This cannot be undone."
                </p>
                <TextField
                    name="confirm"
                    label=format!("Type {} to confirm", application.name)
                    value=form.typed("confirm").unwrap_or_default().to_owned()
                    confirms=application.name.clone()
                    error=form.error("confirm")
                />
                <p class="row">
                    <Button look=Look::Destroy>"Delete application"</Button>
                </p>
            </Form>
        </Card>
    }
    .into_any()
}

/// Gives the application another name.
#[server(prefix = "/api", endpoint = "applications/rename")]
pub async fn rename_application(#[server(default)] name: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let (id, version) = (id_of_form(&posted)?, version_of_form(&posted)?);
        let back = urls::application_settings(id);
        let name = check_name(&name)
            .map_err(|text| FormErrors::field("name", text).refuse(back.clone()))?;
        let mut tx = portal.store.write().await?;
        let before = applications::find(&mut tx, id)
            .await?
            .ok_or(PortalError::NotFound)?;
        if before.name != name {
            let now = portal.clock.now();
            let renamed =
                applications::rename(&mut tx, id, version, &name, &visit().author(), now).await;
            renamed.map_err(|error| {
                if error.is_conflict(Constraint::ApplicationName) {
                    FormErrors::field("name", taken(&name)).refuse(back.clone())
                } else {
                    or_stale(error, &back)
                }
            })?;
            tx.commit().await?;
        }
        Ok(Answer::to(back).notice(Notice::success(format!("The name is {name} now."))))
    })
    .await
}

/// Changes who gets the application, or shows its rule with one condition more or less.
#[server(prefix = "/api", endpoint = "applications/access")]
pub async fn change_access() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let (id, version) = (id_of_form(&posted)?, version_of_form(&posted)?);
        let back = urls::application_settings(id);
        if is_edit(posted.first("do")) {
            return Err(FormErrors::new().refuse(back));
        }
        let access = AccessDraft::typed(&posted.0)
            .read()
            .map_err(|errors| errors.refuse(back.clone()))?;
        let mut tx = portal.store.write().await?;
        let before = applications::find(&mut tx, id)
            .await?
            .ok_or(PortalError::NotFound)?;
        if before.access != access {
            let now = portal.clock.now();
            applications::set_access(&mut tx, id, version, &access, &visit().author(), now)
                .await
                .map_err(|error| or_stale(error, &back))?;
            tx.commit().await?;
            portal.worker.notify_one();
        }
        let words = match &access {
            AccessType::Rule(rule) => format!("Whoever matches has it: {}.", rule.sentence()),
            other => format!("{} have it now.", other.label()),
        };
        Ok(Answer::to(back).notice(Notice::success(words)))
    })
    .await
}

/// Deletes the application once its name was typed.
#[server(prefix = "/api", endpoint = "applications/delete")]
pub async fn delete_application(#[server(default)] confirm: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let (id, version) = (id_of_form(&posted)?, version_of_form(&posted)?);
        let back = urls::application_settings(id);
        let mut tx = portal.store.write().await?;
        let Some(before) = applications::find(&mut tx, id).await? else {
            // The second of two clicks.
            return Ok(Answer::to(urls::APPLICATIONS));
        };
        if confirm.trim() != before.name {
            let text = format!("This does not match. Type {}.", before.name);
            return Err(FormErrors::field("confirm", text).refuse(back));
        }
        if federation::keeps_application(&mut tx, id).await? {
            let text = "Its domain is federated by Signpost. Revert that under Sign-on first: nobody would sign its people in.";
            return Err(FormErrors::summary(text).refuse(back));
        }
        let now = portal.clock.now();
        applications::delete(&mut tx, id, version, &visit().author(), now)
            .await
            .map_err(|error| or_stale(error, &back))?;
        tx.commit().await?;
        Ok(
            Answer::to(urls::APPLICATIONS).notice(Notice::success(format!(
                "{} was deleted. Nothing was changed in Microsoft 365.",
                before.name
            ))),
        )
    })
    .await
}
