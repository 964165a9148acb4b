//! The fields of the connection.

use leptos::prelude::*;
use signpost_model::connection::{ConnectionProblem, ConnectionSettings};
use signpost_model::time::DAY_MS;
use signpost_model::{Cloud, Timestamp};
use signpost_store::connections::Connection;

use super::Fields;
use crate::components::{
    Button, ButtonSize, Choice, Expander, Notice as Note, Precision, SecretField, SecretState,
    Select, TextField, TextKind, Tone, moment,
};
use crate::portal::Practice;

/// From when on the badge says that the secret ends.
const REMIND_DAYS: i64 = 60;

/// Cloud, domain, both ids, the secret; and the practice tenant's values.
#[component]
pub fn ConnectionFields(fields: Fields) -> impl IntoView {
    let form = &fields.shown.form;
    let connection = fields.shown.stored.connection.as_ref();
    let stored = connection
        .map(|connection| connection.settings.clone())
        .unwrap_or(ConnectionSettings {
            cloud: Cloud::Microsoft365,
            domain: String::new(),
            tenant_id: String::new(),
            client_id: String::new(),
        });
    let cloud = form.value("cloud", stored.cloud.key());
    let clouds = Cloud::ALL
        .into_iter()
        .filter(|cloud| *cloud != Cloud::Practice || fields.practice.is_some())
        .map(|cloud| Choice::new(cloud.key(), cloud.label()))
        .collect();
    let secret = connection.map_or(SecretState::NotSet, |found| secret_state(found, fields.now));
    let refusal = fields.shown.refusal.clone();
    // Of use until the practice tenant is connected.
    let open = form.is_refused()
        || connection.is_none_or(|connection| connection.settings.cloud != Cloud::Practice);
    view! {
        <div class="card__body stack">
            {refusal.map(|problem| view! { <ForSupport problem=problem /> })}
            <div class="fields fields--connection">
                <Select
                    name="cloud"
                    label="Cloud"
                    choices=clouds
                    chosen=cloud
                    error=form.error("cloud")
                    hint="Where the tenant lives. Most are in Microsoft 365.".to_owned()
                />
                <TextField
                    name="domain"
                    label="Domain name"
                    value=form.value("domain", &stored.domain)
                    hint="The verified domain of these people, such as contoso.com.".to_owned()
                    error=form.error("domain")
                />
                <TextField
                    name="tenant_id"
                    label="Directory (tenant) ID"
                    kind=TextKind::Code
                    value=form.value("tenant_id", &stored.tenant_id)
                    hint="Entra admin center, Overview, Tenant ID.".to_owned()
                    error=form.error("tenant_id")
                />
                <TextField
                    name="client_id"
                    label="Application (client) ID"
                    kind=TextKind::Code
                    value=form.value("client_id", &stored.client_id)
                    hint="App registration, Overview, Application (client) ID.".to_owned()
                    error=form.error("client_id")
                />
                <SecretField
                    name="secret"
                    label="Secret Value"
                    state=secret
                    hint="Paste the Value from Entra, not the Secret ID.".to_owned()
                    error=form.error("secret")
                />
            </div>
            {fields
                .practice
                .map(|practice| view! { <PracticeValues practice=practice may=fields.may open=open /> })}
        </div>
    }
    .into_any()
}

/// When the secret was saved, and when it ends.
fn secret_state(connection: &Connection, now: Timestamp) -> SecretState {
    let day = |at: Timestamp| {
        at.to_jiff()
            .map(|at| moment(at, Precision::Day))
            .unwrap_or_default()
    };
    let Some(saved_at) = connection.secret_saved_at else {
        return SecretState::NotSet;
    };
    let saved = format!("Saved {}", day(saved_at));
    match connection.findings.secret_expires_at {
        None => SecretState::Saved {
            saved,
            expires: None,
        },
        Some(end) if end <= now => SecretState::Ended {
            ended: format!("Ended {}", day(end)),
        },
        Some(end) if end.millis_since(now) < REMIND_DAYS * DAY_MS => {
            let days = end.millis_since(now) / DAY_MS;
            let days = signpost_model::text::count(days, "day", "days");
            SecretState::EndsSoon {
                saved,
                expires: format!("expires in {days}"),
            }
        }
        Some(end) => SecretState::Saved {
            saved,
            expires: Some(format!("expires {}", day(end))),
        },
    }
}

#[component]
fn PracticeValues(practice: Practice, may: bool, open: bool) -> impl IntoView {
    let values = [
        ("Domain name", practice.domain),
        ("Directory (tenant) ID", practice.tenant_id),
        ("Application (client) ID", practice.client_id),
        ("Secret Value", practice.secret),
    ];
    let rows = values
        .into_iter()
        .map(|(name, value)| {
            view! {
                <div>
                    <dt>{name}</dt>
                    <dd>
                        <code>{value}</code>
                    </dd>
                </div>
            }
        })
        .collect_view();
    view! {
        <Note tone=Tone::Info title="This server runs a practice tenant.">
            "It stands in for Microsoft 365, so that everything can be rehearsed. "
            <a href=practice.page>"See what it holds"</a> "."
            <Expander summary="Practice values" open=open>
                <dl class="facts">{rows}</dl>
                {may
                    .then(|| {
                        view! {
                            <Button name="do" value="practice" size=ButtonSize::Small>
                                "Use practice values"
                            </Button>
                        }
                    })}
            </Expander>
        </Note>
    }
    .into_any()
}

/// Microsoft's own code and id, behind a disclosure.
#[component]
pub fn ForSupport(problem: ConnectionProblem) -> impl IntoView {
    let (code, id) = (problem.code, problem.correlation_id);
    if code.is_none() && id.is_none() {
        return None;
    }
    let row = |name: &'static str, value: Option<String>| {
        value.map(|value| {
            view! {
                <div>
                    <dt>{name}</dt>
                    <dd>
                        <code>{value}</code>
                    </dd>
                </div>
            }
        })
    };
    let rows = (row("Microsoft's code", code), row("Correlation ID", id));
    Some(
        view! {
            <Expander summary="Details for support">
                <dl class="facts">{rows.0} {rows.1}</dl>
            </Expander>
        }
        .into_any(),
    )
}
