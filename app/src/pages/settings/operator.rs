//! One operator: name, email, role, and what an owner may do about them.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use signpost_model::{Operator, OperatorId, Role, Secret};
use signpost_store::operators::{self, OperatorForm};
use signpost_store::{Constraint, Error};

use super::operators::RoleChoice;
use crate::components::{
    Button, Card, CardKind, Crumb, ErrorSummary, Form, Guard, LinkButton, Look, PageHeader,
    SecretOnce, TextField, TextKind,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Refusal, respond, session};
use crate::pages::account::CHANGED_MEANWHILE;
use crate::pages::setup::check_person;
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::shown_once::{self, Kind};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The sentence for whatever would leave nobody in charge.
pub(super) const LAST_OWNER: &str =
    "This is the last owner who can sign in. Make somebody else an owner first.";

/// The page.
#[component]
pub fn OperatorPage() -> impl IntoView {
    page(async {
        let me = require(Role::Owner)?;
        let (portal, session) = (portal()?, session()?);
        let operator = find_operator(&portal).await?;
        let whom = operator.id.to_string();
        let link = shown_once::take(&portal, &session, Kind::OneTimeLink, &whom).await?;
        let form = visit().form_state();
        let problems = form.problems();
        let is_me = me.id == operator.id;
        Ok(view! {
            <Page title=operator.name.clone() section=Section::Settings above=above()>
                <PageHeader title=operator.name.clone() />
                <Notices />
                <ErrorSummary errors=problems />
                {link.map(|link| view! { <FreshLink link=link /> })}
                <OperatorCard form=form operator=operator.clone() />
                <HelpCard operator=operator is_me=is_me />
            </Page>
        }
        .into_any())
    })
}

fn above() -> Vec<Crumb> {
    vec![Crumb::link("Settings", urls::SETTINGS)]
}

async fn find_operator(portal: &Portal) -> Result<Operator, PortalError> {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    let id: OperatorId = id.parse().map_err(|_| PortalError::NotFound)?;
    let found = operators::find(&mut *portal.store.read().await?, id).await?;
    found.ok_or(PortalError::NotFound)
}

#[component]
fn FreshLink(link: Secret) -> impl IntoView {
    view! {
        <Card
            id="link"
            title="One-time link"
            hint="Whoever has it chooses the password, once, within 4 days. Hand it over by a way that only they read.".to_owned()
        >
            <div class="card__body">
                <SecretOnce id="one-time-link" secret=link.expose() noun="link" />
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn OperatorCard(form: FormState, operator: Operator) -> impl IntoView {
    let chosen = form.value("role", operator.role.key());
    let role_error = form.error("role");
    view! {
        <Card id="operator" title="Operator">
            <Form action="/api/operators/update" class="card__body stack" guard=Guard::Unsaved>
                <Keys operator=operator.clone() />
                <TextField
                    name="name"
                    label="Name"
                    value=form.value("name", &operator.name)
                    error=form.error("name")
                    required=true
                />
                <TextField
                    name="email"
                    label="Email"
                    kind=TextKind::Email
                    value=form.value("email", &operator.email)
                    error=form.error("email")
                    required=true
                />
                <RoleChoice chosen=chosen error=role_error />
                <div class="row">
                    <Button look=Look::Primary>"Save operator"</Button>
                    <LinkButton href=urls::SETTINGS look=Look::Quiet>"Cancel"</LinkButton>
                </div>
            </Form>
        </Card>
    }
    .into_any()
}

/// Which operator the form is about, and how they were when it was made.
#[component]
fn Keys(operator: Operator) -> impl IntoView {
    view! {
        <input type="hidden" name="id" value=operator.id.to_string() />
        <input type="hidden" name="version" value=operator.version.to_string() />
    }
}

#[component]
fn Act(action: &'static str, operator: Operator, label: &'static str) -> impl IntoView {
    view! {
        <Form action=action>
            <Keys operator=operator />
            <Button>{label}</Button>
        </Form>
    }
    .into_any()
}

#[component]
fn HelpCard(operator: Operator, is_me: bool) -> impl IntoView {
    if is_me {
        return view! {
            <Card id="help" title="This is you">
                <p class="card__body">
                    "Your password, second factor and sessions are on "
                    <a href=urls::ACCOUNT>"your account page"</a>
                    ". Another owner can disable or remove you."
                </p>
            </Card>
        }
        .into_any();
    }
    let state = if operator.disabled_at.is_some() {
        view! { <Act action="/api/operators/enable" operator=operator.clone() label="Enable operator" /> }
    } else {
        view! { <Act action="/api/operators/disable" operator=operator.clone() label="Disable operator" /> }
    };
    let factor = operator.has_second_factor.then(|| {
        view! {
            <Act
                action="/api/operators/reset-second-factor"
                operator=operator.clone()
                label="Reset second factor"
            />
        }
    });
    view! {
        <Card
            id="help"
            title="Access"
            kind=CardKind::Danger
            hint="Each of these ends their sessions at once. Check by another way that it is them who asks for help.".to_owned()
        >
            <div class="card__body row">
                <Act action="/api/operators/reset-password" operator=operator.clone() label="Make one-time link" />
                {factor}
                {state}
                <LinkButton href=urls::operator_removal(operator.id) look=Look::Danger>"Remove operator"</LinkButton>
            </div>
        </Card>
    }
    .into_any()
}

/// Asks before an operator goes.
#[component]
pub fn RemoveOperator() -> impl IntoView {
    page(async {
        require(Role::Owner)?;
        let portal = portal()?;
        let operator = find_operator(&portal).await?;
        let form = visit().form_state();
        let title = format!("Remove {}", operator.name);
        let above = vec![
            Crumb::link("Settings", urls::SETTINGS),
            Crumb::link(operator.name.clone(), urls::operator(operator.id)),
        ];
        Ok(view! {
            <Page title=title.clone() section=Section::Settings above=above>
                <PageHeader title=title />
                <Notices />
                <ErrorSummary errors=form.problems() />
                <Card id="removal" title="They can no longer sign in" kind=CardKind::Danger>
                    <Form action="/api/operators/remove" class="card__body stack">
                        <Keys operator=operator.clone() />
                        <p>"The audit log keeps their name. To shut somebody out for a while, disable them instead."</p>
                        <div class="row">
                            <Button look=Look::Destroy>"Remove operator"</Button>
                            <LinkButton href=urls::operator(operator.id) look=Look::Quiet>"Cancel"</LinkButton>
                        </div>
                    </Form>
                </Card>
            </Page>
        }
        .into_any())
    })
}

/// Turns what the store refuses into words on the operator's page.
pub(super) fn refused(error: Error, here: &str) -> Refusal {
    match error {
        Error::Stale(_) => FormErrors::summary(CHANGED_MEANWHILE).refuse(here),
        Error::Conflict(Constraint::LastOwner) => FormErrors::summary(LAST_OWNER).refuse(here),
        Error::Conflict(Constraint::OperatorEmail) => {
            FormErrors::field("email", "Another operator has this email").refuse(here)
        }
        other => other.into(),
    }
}

/// Changes name, email and role.
#[server(prefix = "/api", endpoint = "operators/update")]
pub async fn update_operator(
    #[server(default)] id: String,
    #[server(default)] version: i64,
    #[server(default)] name: String,
    #[server(default)] email: String,
    #[server(default)] role: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Owner)?;
        let portal = portal()?;
        let id: OperatorId = id.parse().map_err(|_| PortalError::NotFound)?;
        let here = urls::operator(id);
        let mut errors = FormErrors::new();
        check_person(&mut errors, &name, &email);
        let Ok(role) = role.parse::<Role>() else {
            errors.add("role", "Choose a role");
            return Err(errors.refuse(here));
        };
        errors.check(here.as_str())?;
        let form = OperatorForm {
            email: email.trim().to_owned(),
            name: name.trim().to_owned(),
            role,
        };
        let mut tx = portal.store.write().await?;
        let now = portal.clock.now();
        operators::update(&mut tx, id, version, &form, &visit().author(), now)
            .await
            .map_err(|error| refused(error, &here))?;
        tx.commit().await?;
        Ok(Answer::to(urls::SETTINGS).notice(Notice::success(format!("{} was saved.", form.name))))
    })
    .await
}
