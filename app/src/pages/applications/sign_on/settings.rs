//! The Sign-on settings: protocol, second factor, looks of the login page.

use leptos::prelude::*;
use signpost_model::sign_on::{Colour, FactorPolicy, MOST_DEVICE_DAYS, MfaBehavior, Protocol};
use signpost_model::{ApplicationId, Role, SignOnSettings};
use signpost_store::sign_on;

use super::super::{id_of_form, or_stale, version_of_form};
use crate::components::{
    Button, Card, Choice, Form, Guard, Look, RadioCard, RadioGroup, Select, TextField, TextKind,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, Refusal, respond};
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The longest heading of the login page.
const LONGEST_TITLE: usize = 60;

#[component]
pub(super) fn SettingsCard(
    id: ApplicationId,
    settings: SignOnSettings,
    form: FormState,
    may: bool,
) -> impl IntoView {
    if !may {
        return view! { <ReadOnly settings=settings /> }.into_any();
    }
    let protocol = form.value("protocol", settings.protocol.graph());
    let protocols = Protocol::ALL
        .into_iter()
        .map(|protocol| Choice::new(protocol.graph(), protocol.label()))
        .collect();
    let behavior = form.value("mfa_behavior", settings.mfa_behavior.graph());
    let behaviors = MfaBehavior::ALL
        .into_iter()
        .map(|behavior| Choice::new(behavior.graph(), words(behavior)))
        .collect();
    let colour = settings.colour.map(|colour| colour.to_string());
    view! {
        <Card id="settings" title="Signing in">
            <Form action="/api/applications/sign-on" class="card__body stack" guard=Guard::Unsaved>
                <input type="hidden" name="application" value=id.to_string() />
                <input type="hidden" name="version" value=settings.version.to_string() />
                <FactorChoice form=form.clone() policy=settings.factor_policy />
                <div class="fields">
                    <TextField
                        name="device_days"
                        label="Days a device is remembered"
                        kind=TextKind::Number
                        value=form.value("device_days", &settings.device_days.to_string())
                        hint="0 asks for the second factor each time.".to_owned()
                        error=form.error("device_days")
                    />
                    <Select
                        name="mfa_behavior"
                        label="Microsoft's second factor"
                        choices=behaviors
                        chosen=behavior
                        error=form.error("mfa_behavior")
                        hint="Takes effect when the script Federate or Update runs.".to_owned()
                    />
                    <Select
                        name="protocol"
                        label="Protocol"
                        choices=protocols
                        chosen=protocol
                        error=form.error("protocol")
                        hint="Takes effect when the script Federate or Update runs.".to_owned()
                    />
                </div>
                <Looks form=form title=settings.title colour=colour.unwrap_or_default() />
                <div class="row">
                    <Button look=Look::Primary>"Save sign-on settings"</Button>
                </div>
            </Form>
        </Card>
    }
    .into_any()
}

#[component]
fn Looks(form: FormState, title: String, colour: String) -> impl IntoView {
    view! {
        <div class="fields">
            <TextField
                name="title"
                label="Heading of the login page"
                value=form.value("title", &title)
                hint="Empty: the organisation's name.".to_owned()
                error=form.error("title")
            />
            <TextField
                name="colour"
                label="Colour of the login page"
                kind=TextKind::Code
                value=form.value("colour", &colour)
                hint="For example #1f6feb. Text on it is black or white, whichever can be read.".to_owned()
                error=form.error("colour")
                max_length=7
            />
        </div>
    }
    .into_any()
}

#[component]
fn FactorChoice(form: FormState, policy: FactorPolicy) -> impl IntoView {
    let chosen = form.value("factor_policy", policy.key());
    let hint = |policy| match policy {
        FactorPolicy::Off => "Only the password, unless Microsoft insists.",
        FactorPolicy::Optional => "Whoever has set one up is asked for it.",
        FactorPolicy::Required => "Everybody sets one up at their next sign-in, and uses it.",
    };
    let cards = FactorPolicy::ALL
        .into_iter()
        .map(|policy| {
            view! {
                <RadioCard
                    name="factor_policy"
                    value=policy.key()
                    label=policy.label()
                    hint=hint(policy).to_owned()
                    checked=policy.key() == chosen
                />
            }
        })
        .collect_view();
    view! {
        <RadioGroup name="factor_policy" label="Second factor" error=form.error("factor_policy")>
            {cards}
        </RadioGroup>
    }
    .into_any()
}

const fn words(behavior: MfaBehavior) -> &'static str {
    match behavior {
        MfaBehavior::Accept => "Signpost's counts, else Microsoft asks",
        MfaBehavior::Enforce => "Microsoft sends people back to Signpost for it",
        MfaBehavior::Reject => "Microsoft always asks itself",
    }
}

#[component]
fn ReadOnly(settings: SignOnSettings) -> impl IntoView {
    view! {
        <Card id="settings" title="Signing in">
            <dl class="card__body facts">
                <div>
                    <dt>"Second factor"</dt>
                    <dd>{settings.factor_policy.label()}</dd>
                </div>
                <div>
                    <dt>"Days a device is remembered"</dt>
                    <dd>{settings.device_days}</dd>
                </div>
                <div>
                    <dt>"Microsoft's second factor"</dt>
                    <dd>{words(settings.mfa_behavior)}</dd>
                </div>
                <div>
                    <dt>"Protocol"</dt>
                    <dd>{settings.protocol.label()}</dd>
                </div>
            </dl>
        </Card>
    }
    .into_any()
}

/// Saves the settings.
#[server(prefix = "/api", endpoint = "applications/sign-on")]
pub async fn save_sign_on() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let back = urls::application_sign_on(id);
        let settings = typed(&posted, &back)?;
        let mut tx = portal.store.write().await?;
        let stored = sign_on::find(&mut tx, id).await?;
        // A second click saves what is there already.
        let same = SignOnSettings {
            version: stored.version,
            ..settings.clone()
        };
        if same != stored {
            let now = portal.clock.now();
            sign_on::save(&mut tx, id, &settings, &visit().author(), now)
                .await
                .map_err(|error| or_stale(error, &back))?;
            tx.commit().await?;
        }
        Ok(Answer::to(back).notice(Notice::success("The sign-on settings are saved.")))
    })
    .await
}

fn typed(posted: &Posted, back: &str) -> Result<SignOnSettings, Refusal> {
    let mut errors = FormErrors::new();
    let protocol = posted.first("protocol").parse();
    let mfa_behavior = posted.first("mfa_behavior").parse();
    let factor_policy = posted.first("factor_policy").parse();
    let device_days = posted.first("device_days").trim().parse::<i64>();
    let colour = match posted.first("colour").trim() {
        "" => Ok(None),
        text => text.parse::<Colour>().map(Some),
    };
    let title = posted.first("title").trim().to_owned();
    if protocol.is_err() {
        errors.add("protocol", "Choose a protocol");
    }
    if mfa_behavior.is_err() {
        errors.add("mfa_behavior", "Choose who asks for the second factor");
    }
    if factor_policy.is_err() {
        errors.add("factor_policy", "Choose who needs a second factor");
    }
    let device_days = device_days
        .ok()
        .filter(|days| (0..=MOST_DEVICE_DAYS).contains(days));
    if device_days.is_none() {
        errors.add(
            "device_days",
            format!("Enter a number of days from 0 to {MOST_DEVICE_DAYS}"),
        );
    }
    if colour.is_err() {
        errors.add(
            "colour",
            "Enter a colour as # and six digits, such as #1f6feb",
        );
    }
    if title.chars().count() > LONGEST_TITLE || title.chars().any(char::is_control) {
        let text = format!("Use at most {LONGEST_TITLE} characters");
        errors.add("title", text);
    }
    errors.check(back)?;
    let missing = |_| Refusal::Error(PortalError::BadRequest);
    Ok(SignOnSettings {
        protocol: protocol.map_err(missing)?,
        mfa_behavior: mfa_behavior.map_err(missing)?,
        factor_policy: factor_policy.map_err(missing)?,
        device_days: device_days.unwrap_or_default(),
        title,
        colour: colour.map_err(missing)?,
        version: version_of_form(posted)?,
    })
}
