//! What holds for every sign-in.

use leptos::prelude::*;
use serde_json::json;
use signpost_model::Role;
use signpost_model::audit::Subject;
use signpost_store::audit;
use signpost_store::settings::{self, SECOND_FACTOR_FROM};

use super::SettingsHeader;
use crate::components::{
    Badge, Button, Card, ErrorSummary, Form, Look, RadioCard, RadioGroup, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, internal, respond};
use crate::passwords;
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::shell::{Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

async fn second_factor_from(portal: &Portal) -> Result<Option<Role>, PortalError> {
    let found =
        async { settings::find(&mut *portal.store.read().await?, &SECOND_FACTOR_FROM).await };
    let found = found
        .await
        .map_err(|error: signpost_store::Error| internal(&error))?;
    Ok(found.flatten())
}

/// The page.
#[component]
pub fn Security() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let portal = portal()?;
        let from = second_factor_from(&portal).await?;
        let visit = visit();
        let may_change = visit.may(Role::Owner);
        Ok(view! {
            <Page title="Security" section=Section::Settings>
                <SettingsHeader current=urls::SECURITY />
                <ErrorSummary errors=visit.form_state().problems() />
                <SecondFactorCard from=from may_change=may_change />
                <RulesCard />
            </Page>
        }
        .into_any())
    })
}

/// What is posted, its words and what it means.
const CHOICES: [(&str, &str, Option<Role>); 4] = [
    ("nobody", "Nobody has to", None),
    ("owner", "Owners", Some(Role::Owner)),
    (
        "administrator",
        "Owners and administrators",
        Some(Role::Administrator),
    ),
    ("auditor", "Everybody", Some(Role::Auditor)),
];

#[component]
fn SecondFactorCard(from: Option<Role>, may_change: bool) -> impl IntoView {
    let hint = "Who has none yet is asked to set it up before anything else.".to_owned();
    if !may_change {
        let words = CHOICES.iter().find(|choice| choice.2 == from);
        return view! {
            <Card id="second-factor" title="Who needs a second factor" hint=hint>
                <p class="card__body">
                    <Badge tone=Tone::Info>{words.map(|choice| choice.1)}</Badge>
                </p>
            </Card>
        }
        .into_any();
    }
    let choices = CHOICES
        .iter()
        .map(|(value, label, role)| {
            view! { <RadioCard name="second_factor" value=*value label=*label checked=*role == from /> }
        })
        .collect_view();
    view! {
        <Card id="second-factor" title="Second factor" hint=hint>
            <Form action="/api/settings/security" class="card__body stack">
                <RadioGroup name="second_factor" label="Who needs a second factor">
                    {choices}
                </RadioGroup>
                <div class="row">
                    <Button look=Look::Primary>"Save security"</Button>
                </div>
            </Form>
        </Card>
    }
    .into_any()
}

#[component]
fn RulesCard() -> impl IntoView {
    let rules = [
        format!("Passwords have at least {} characters.", passwords::SHORTEST),
        "Wrong passwords and codes are slowed down per person and per network, up to a quarter of an hour.".to_owned(),
        "A session ends after 30 minutes without use, after 12 hours in any case, and at once when its operator is disabled, gets another role or changes the password.".to_owned(),
    ]
    .map(|rule| view! { <li>{rule}</li> });
    view! {
        <Card id="rules" title="What always holds">
            <ul class="card__body">{rules.into_iter().collect_view()}</ul>
        </Card>
    }
    .into_any()
}

/// Saves who needs a second factor.
#[server(prefix = "/api", endpoint = "settings/security")]
pub async fn save_security(#[server(default)] second_factor: String) -> Result<(), PortalError> {
    respond(async move {
        let operator = require(Role::Owner)?;
        let portal = portal()?;
        let choice = CHOICES.iter().find(|choice| choice.0 == second_factor);
        let Some((_, label, wanted)) = choice else {
            let text = "Choose who needs a second factor";
            return Err(FormErrors::field("second_factor", text).refuse(urls::SECURITY));
        };
        if wanted.is_some() && !operator.has_second_factor {
            let text = "Set up your own second factor first, on your account page.";
            return Err(FormErrors::summary(text).refuse(urls::SECURITY));
        }
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let before = settings::find(&mut tx, &SECOND_FACTOR_FROM)
            .await?
            .flatten();
        if before != *wanted {
            settings::set(&mut tx, &SECOND_FACTOR_FROM, wanted, now).await?;
            let entry = visit()
                .author()
                .entry(
                    "security.updated",
                    Subject::new("security", "", "Second factor"),
                )
                .changed(
                    Some(json!({ "second_factor_from": before })),
                    Some(json!({ "second_factor_from": wanted })),
                );
            audit::append(&mut tx, &entry, now);
            tx.commit().await?;
        }
        Ok(Answer::to(urls::SECURITY).notice(Notice::success(format!(
            "Saved. Second factor: {}.",
            label.to_lowercase()
        ))))
    })
    .await
}
