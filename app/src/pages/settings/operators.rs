//! Who runs the portal: the list, and adding one.

use leptos::prelude::*;
use signpost_model::random::random_text;
use signpost_model::{Operator, OperatorId, Random, Role, Secret};
use signpost_store::Constraint;
use signpost_store::operators::{self, NewOperator};

use super::SettingsHeader;
use crate::components::{
    Badge, Button, Card, Column, Crumb, DataTable, ErrorSummary, Form, Guard, LinkButton, Look,
    Narrow, PageHeader, Person, RadioCard, RadioGroup, TextField, TextKind, Time, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, respond, session};
use crate::pages::join::{issue_link, unknown_password};
use crate::pages::setup::check_person;
use crate::passwords;
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::shown_once::{self, Kind};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The page.
#[component]
pub fn Operators() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let portal = portal()?;
        let all = operators::list(&mut *portal.store.read().await?).await?;
        let may_change = visit().may(Role::Owner);
        Ok(view! {
            <Page title="Settings" section=Section::Settings>
                <SettingsHeader current=urls::SETTINGS />
                <OperatorsCard all=all may_change=may_change />
            </Page>
        }
        .into_any())
    })
}

#[component]
fn OperatorsCard(all: Vec<Operator>, may_change: bool) -> impl IntoView {
    let rows = all
        .into_iter()
        .map(|operator| view! { <OperatorRow operator=operator may_change=may_change /> })
        .collect_view();
    let columns = vec![
        Column::new("Operator"),
        Column::new("Role"),
        Column::new("Second factor"),
        Column::new("Last signed in"),
    ];
    let add = move || {
        may_change.then(|| view! { <LinkButton href=urls::NEW_OPERATOR look=Look::Primary>"Add operator"</LinkButton> })
    };
    view! {
        <Card
            id="operators"
            title="Operators"
            hint="Owners do everything, administrators everything but this page, auditors read.".to_owned()
            actions=add
        >
            <DataTable caption="Operators" columns=columns narrow=Narrow::Stacks>
                {rows}
            </DataTable>
        </Card>
    }
    .into_any()
}

#[component]
fn OperatorRow(operator: Operator, may_change: bool) -> impl IntoView {
    let name = operator.name.clone();
    let person = if may_change {
        view! { <Person name=name detail=operator.email.clone() href=urls::operator(operator.id) /> }.into_any()
    } else {
        view! { <Person name=name detail=operator.email.clone() /> }.into_any()
    };
    let state = operator
        .disabled_at
        .map(|_| view! { " " <Badge tone=Tone::Bad>"Disabled"</Badge> });
    let factor = if operator.has_second_factor {
        view! { <Badge tone=Tone::Ok>"On"</Badge> }.into_any()
    } else {
        view! { <Badge tone=Tone::Warn>"Off"</Badge> }.into_any()
    };
    let seen = match operator.signed_in_at.and_then(|at| at.to_jiff()) {
        Some(at) => view! { <Time at=at /> }.into_any(),
        None => "Never".into_any(),
    };
    view! {
        <tr>
            <th scope="row">{person}</th>
            <td data-label="Role">{operator.role.label()} {state}</td>
            <td data-label="Second factor">{factor}</td>
            <td data-label="Last signed in">{seen}</td>
        </tr>
    }
    .into_any()
}

/// The page for a new one.
#[component]
pub fn NewOperatorPage() -> impl IntoView {
    page(async {
        require(Role::Owner)?;
        let form = visit().form_state();
        Ok(view! {
            <Page title="Add operator" section=Section::Settings above=vec![Crumb::link("Settings", urls::SETTINGS)]>
                <PageHeader title="Add operator" />
                <Notices />
                <ErrorSummary errors=form.problems() />
                <NewOperatorCard form=form />
            </Page>
        }
        .into_any())
    })
}

#[component]
fn NewOperatorCard(form: FormState) -> impl IntoView {
    let chosen = form.value("role", Role::Administrator.key());
    let role_error = form.error("role");
    view! {
        <Card id="operator" title="Operator">
            <Form action="/api/operators/create" class="card__body stack" guard=Guard::Unsaved>
                <TextField name="name" label="Name" value=form.value("name", "") error=form.error("name") required=true />
                <TextField
                    name="email"
                    label="Email"
                    kind=TextKind::Email
                    value=form.value("email", "")
                    error=form.error("email")
                    required=true
                />
                <RoleChoice chosen=chosen error=role_error />
                <TextField
                    name="password"
                    label="Initial password"
                    kind=TextKind::Password
                    autocomplete="new-password"
                    hint="Leave it empty for a link, shown to you once, with which they choose their own.".to_owned()
                    error=form.error("password")
                />
                <div class="row">
                    <Button look=Look::Primary>"Add operator"</Button>
                    <LinkButton href=urls::SETTINGS look=Look::Quiet>"Cancel"</LinkButton>
                </div>
            </Form>
        </Card>
    }
    .into_any()
}

#[component]
pub(super) fn RoleChoice(chosen: String, error: Option<String>) -> impl IntoView {
    let hint = |role| match role {
        Role::Auditor => "Reads everything, changes nothing.",
        Role::Administrator => "Everything about applications and users.",
        Role::Owner => "Everything, operators included.",
    };
    let cards = Role::ALL
        .into_iter()
        .rev()
        .map(|role| {
            let hint = hint(role).to_owned();
            view! {
                <RadioCard name="role" value=role.key() label=role.label() hint=hint checked=role.key() == chosen />
            }
        })
        .collect_view();
    view! {
        <RadioGroup name="role" label="Role" error=error>
            {cards}
        </RadioGroup>
    }
    .into_any()
}

/// A password to hand over: long enough to guess in no lifetime, short enough to read aloud.
pub fn initial_password(random: &dyn Random) -> Secret {
    const LETTERS: &[u8] = b"23456789abcdefghjklmnpqrstuvwxyz";
    let groups: Vec<String> = (0..4).map(|_| random_text(random, LETTERS, 4)).collect();
    Secret::new(groups.join("-"))
}

/// Adds an operator.
#[server(prefix = "/api", endpoint = "operators/create")]
pub async fn create_operator(
    #[server(default)] name: String,
    #[server(default)] email: String,
    #[server(default)] role: String,
    #[server(default)] password: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Owner)?;
        let (portal, session) = (portal()?, session()?);
        let here = urls::NEW_OPERATOR;
        let mut errors = FormErrors::new();
        check_person(&mut errors, &name, &email);
        let role = role.parse::<Role>();
        if role.is_err() {
            errors.add("role", "Choose a role");
        }
        let typed = Secret::new(password);
        if !typed.is_empty()
            && let Err(text) = passwords::check_new(&typed, &[&name, &email])
        {
            errors.add("password", text);
        }
        let Ok(role) = role else {
            return Err(errors.refuse(here));
        };
        errors.check(here)?;
        let random = portal.random.as_ref();
        let password = if typed.is_empty() {
            unknown_password(random)
        } else {
            typed.clone()
        };
        let now = portal.clock.now();
        let new = NewOperator {
            id: OperatorId::mint(now, random),
            email: email.trim().to_owned(),
            name: name.trim().to_owned(),
            role,
            password_hash: portal.passwords.hash(&password, random).await?,
        };
        let author = visit().author();
        let mut tx = portal.store.write().await?;
        match operators::create(&mut tx, &new, &author, now).await {
            Err(error) if error.is_conflict(Constraint::OperatorEmail) => {
                let text = "Another operator has this email";
                return Err(FormErrors::field("email", text).refuse(here));
            }
            other => other?,
        }
        let notice = Notice::success(format!("{} was added.", new.name));
        if !typed.is_empty() {
            tx.commit().await?;
            return Ok(Answer::to(urls::SETTINGS).notice(notice));
        }
        let operator = operators::find(&mut tx, new.id).await?;
        let operator = operator.ok_or(PortalError::NotFound)?;
        let link = issue_link(&portal, &mut tx, &operator, &author, now).await?;
        tx.commit().await?;
        let whom = new.id.to_string();
        shown_once::keep(&portal, &session, Kind::OneTimeLink, &whom, &link).await?;
        Ok(Answer::to(urls::operator(new.id)).notice(notice))
    })
    .await
}
