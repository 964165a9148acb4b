//! What the last check found: problem, domains, permissions.

use leptos::prelude::*;
use signpost_model::Cloud;
use signpost_model::connection::FoundDomain;
use signpost_store::connections::Connection;

use super::Fields;
use super::connection::ForSupport;
use super::words::told;
use crate::components::{
    Badge, CardSection, CopyField, Expander, Icon, Notice as Note, Tone, Urgency,
};
use crate::connector::Connector;
use crate::permissions::{Judgement, Need};
use crate::portal::portal;

/// The section of findings.
#[component]
pub fn Found(connection: Connection, fields: Fields) -> impl IntoView {
    let findings = connection.findings.clone();
    let problem = findings.problem.clone().map(|problem| {
        let words = told(&problem, &connection.settings, &findings.granted).text;
        view! {
            <Note tone=Tone::Warn urgency=Urgency::Calm title="The last check found a problem.">
                {words}
            </Note>
            <ForSupport problem=problem />
        }
        .into_any()
    });
    let signed_in = !findings.granted.is_empty();
    let no_consent = findings.problem.as_ref().is_some_and(|problem| {
        problem.kind == signpost_model::connection::ConnectionProblemKind::NoConsent
    });
    let judged = Judgement::of(&findings.granted);
    let consent = consent_link(&connection);
    let domains = findings.domains;
    let page = fields.practice.map(|practice| practice.page);
    let open = !judged.missing.is_empty();
    view! {
        <CardSection id="tenant" title="Tenant" hint="What Signpost found when it last signed in.".to_owned()>
            <div class="card__body stack">
                {problem}
                <div class="grid">
                    {(!domains.is_empty()).then(|| view! { <Domains domains=domains /> })}
                    {(signed_in || no_consent)
                        .then(|| {
                            view! { <Permissions judged=judged open=open consent=consent practice_page=page /> }
                        })}
                </div>
            </div>
        </CardSection>
    }
    .into_any()
}

/// The page on which an administrator grants everything at once; the practice tenant has none.
fn consent_link(connection: &Connection) -> Option<String> {
    let settings = &connection.settings;
    if settings.cloud == Cloud::Practice {
        return None;
    }
    let cloud = Connector::of(&portal().ok()?).cloud(settings.cloud).ok()?;
    let (tenant, client) = (
        settings.tenant_id.parse().ok()?,
        settings.client_id.parse().ok()?,
    );
    Some(cloud.admin_consent_url(&tenant, client, None))
}

#[component]
fn Domains(domains: Vec<FoundDomain>) -> impl IntoView {
    let rows = domains
        .into_iter()
        .map(|domain| {
            let (tone, word) = match (domain.verified, domain.federated) {
                (false, _) => (Tone::Warn, "Not verified"),
                (true, true) => (Tone::Info, "Federated"),
                (true, false) => (Tone::Plain, "Managed"),
            };
            let default = domain
                .default
                .then(|| view! { <span class="hint">"default"</span> });
            view! {
                <li class="row">
                    <span>{domain.name}</span>
                    <Badge tone=tone>{word}</Badge>
                    {default}
                </li>
            }
        })
        .collect_view();
    view! {
        <div class="stack stack--tight">
            <h4>"Domains"</h4>
            <ul class="plain" role="list">
                {rows}
            </ul>
        </div>
    }
    .into_any()
}

#[component]
fn Permissions(
    judged: Judgement,
    open: bool,
    consent: Option<String>,
    practice_page: Option<String>,
) -> impl IntoView {
    let sentence = judged.sentence();
    let excess = judged.excess;
    let how = match (consent, practice_page) {
        (Some(link), _) => view! {
            <CopyField
                name="consent"
                label="Admin consent link"
                value=link.clone()
                hint="Add the permissions to the app registration first. A Privileged Role Administrator opens this link and accepts.".to_owned()
            />
        }
        .into_any(),
        (None, Some(page)) => view! {
            <p class="hint">
                "For a real tenant the admin consent link stands here. The practice tenant grants on "
                <a href=page>"its own page"</a> "."
            </p>
        }
        .into_any(),
        (None, None) => ().into_any(),
    };
    view! {
        <div class="stack stack--tight">
            <h4>"Permissions"</h4>
            {list("Missing", Tone::Bad, Icon::CircleX, judged.missing)}
            <Expander summary=sentence open=open>
                {list("Granted", Tone::Ok, Icon::Check, judged.granted)}
                {list("Not granted, needed for checks and switches only", Tone::Plain, Icon::CircleDashed, judged.absent)}
            </Expander>
            {(!excess.is_empty())
                .then(|| {
                    view! {
                        <p class="hint">"More than Signpost needs. Remove these in Entra under API permissions:"</p>
                        <ul class="plain" role="list">
                            {excess
                                .into_iter()
                                .map(|name| {
                                    view! {
                                        <li class="row">
                                            <Badge tone=Tone::Warn icon=Icon::TriangleAlert>"Excess"</Badge>
                                            <code>{name}</code>
                                        </li>
                                    }
                                })
                                .collect_view()}
                        </ul>
                    }
                })}
            {how}
        </div>
    }
    .into_any()
}

fn list(label: &'static str, tone: Tone, icon: Icon, needs: Vec<&'static Need>) -> Option<AnyView> {
    if needs.is_empty() {
        return None;
    }
    let word = label.split(',').next().unwrap_or(label);
    let rows = needs
        .into_iter()
        .map(|need| {
            view! {
                <li class="row">
                    <Badge tone=tone icon=icon>{word}</Badge>
                    <code>{need.name}</code>
                    <span class="hint">{need.purpose}</span>
                </li>
            }
        })
        .collect_view();
    Some(
        view! {
            <ul class="plain" role="list" aria-label=label>
                {rows}
            </ul>
        }
        .into_any(),
    )
}
