//! The PowerShell scripts that federate the domain and take it back.

use axum::Extension;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use leptos::prelude::*;
use signpost_federation::{FederationSettings, Script};
use signpost_model::{ApplicationId, Cloud, Role};

use super::frame::{ApplicationPage, Part};
use super::id_of_page;
use crate::components::{
    Card, CodeBlock, EmptyState, Expander, Icon, LinkButton, Notice as Note, Precision, Tone,
    moment,
};
use crate::error::PortalError;
use crate::federation::{SetUp, Values};
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::urls;
use crate::visit::{Visit, require};

/// The page.
#[component]
pub fn PowerShellScripts() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let portal = portal()?;
        let SetUp {
            application,
            connection,
            values,
            external,
            ..
        } = SetUp::load(&portal, id).await?;
        let public = match external {
            // Microsoft sends people to its address, not to the portal's.
            Some(_) => String::new(),
            None => portal.settings.public_url.clone(),
        };
        let body = match values {
            Values::NoDomain => view! { <NoDomain id=id /> }.into_any(),
            Values::Refused(why) => view! { <Refused why=why id=id /> }.into_any(),
            Values::Ready(settings) => {
                view! { <Ready settings=*settings id=id public=public /> }.into_any()
            }
        };
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::Provisioning
                below="PowerShell script"
            >
                {body}
            </ApplicationPage>
        })
    })
}

#[component]
fn NoDomain(id: ApplicationId) -> impl IntoView {
    let href = urls::application_provisioning(id);
    view! {
        <Card id="scripts" title="PowerShell script">
            <EmptyState
                icon=Icon::Terminal
                title="No domain yet"
                why="The script is filled with this application's tenant and domain. Fill in the connection first."
            >
                <LinkButton href=href>"Open Provisioning"</LinkButton>
            </EmptyState>
        </Card>
    }
    .into_any()
}

#[component]
fn Refused(why: Vec<String>, id: ApplicationId) -> impl IntoView {
    let rows = why
        .into_iter()
        .map(|why| view! { <li>{why}</li> })
        .collect_view();
    view! {
        <Note tone=Tone::Bad title="No script can be made of these values.">
            <ul class="plain">{rows}</ul>
            <a href=urls::application_provisioning(id)>"Change them under Provisioning"</a>
            "."
        </Note>
    }
    .into_any()
}

#[component]
fn Ready(settings: FederationSettings, id: ApplicationId, public: String) -> impl IntoView {
    let values = settings.values().clone();
    let insecure = public.starts_with("http://").then(|| {
        view! {
            <Note tone=Tone::Warn title="This portal has no https address yet.">
                "Microsoft sends people to https addresses only. Set " <code>"SIGNPOST_PUBLIC_URL"</code>
                " to the portal's https address and download the script again."
            </Note>
        }
    });
    let practice = (values.cloud == Cloud::Practice).then(|| {
        view! {
            <Note tone=Tone::Info title="Written for the practice tenant.">
                "Microsoft does not know it: read the script here, and run it once a real tenant is connected."
            </Note>
        }
    });
    view! {
        {insecure}
        {practice}
        <Steps domain=values.domain.clone() id=id />
        <ScriptCard
            script=Script::Federate
            title="Federate"
            hint="Hands the sign-in of the domain to Signpost. It checks first, asks, saves a backup, and reads back what it changed."
            settings=settings.clone()
            id=id
        />
        <ScriptCard
            script=Script::Revert
            title="Revert"
            hint="Hands the sign-in back to Microsoft, with one command."
            settings=settings.clone()
            id=id
        />
        <Others settings=settings id=id />
    }
    .into_any()
}

#[component]
fn Steps(domain: String, id: ApplicationId) -> impl IntoView {
    let lock_out = format!(
        "After this, everyone with an @{domain} address signs in through Signpost. Keep one cloud-only administrator on the onmicrosoft.com domain, so that you cannot lock yourself out."
    );
    view! {
        <Card id="steps" title="Before you run it">
            <ol class="card__body stack stack--tight">
                <li>
                    "Sync first, so that every account carries its ImmutableId, and look into the "
                    <a href=urls::application_immutable_ids(id)>"ImmutableId doctor"</a> ". The script "
                    <b>"Set ImmutableIds"</b> " below does it for accounts that Signpost may not change."
                </li>
                <li>
                    "Run it once as a Domain Name Administrator or Hybrid Identity Administrator, in PowerShell 7 or Windows PowerShell 5.1. It installs nothing without asking."
                </li>
                <li>{lock_out}</li>
            </ol>
        </Card>
    }
    .into_any()
}

#[component]
fn ScriptCard(
    script: Script,
    title: &'static str,
    hint: &'static str,
    settings: FederationSettings,
    id: ApplicationId,
) -> impl IntoView {
    let name = script.file_name(&settings);
    let certificate = settings.values().signing_certificate.clone();
    let ends = certificate
        .not_after()
        .to_jiff()
        .map(|at| moment(at, Precision::Day))
        .unwrap_or_default();
    let facts = (script == Script::Federate).then(|| {
        view! {
            <dl class="facts">
                <div>
                    <dt>"Signing certificate, SHA-1"</dt>
                    <dd>
                        <code>{certificate.sha1_fingerprint()}</code>
                    </dd>
                </div>
                <div>
                    <dt>"It ends"</dt>
                    <dd>{ends}</dd>
                </div>
            </dl>
        }
    });
    view! {
        <Card id=script.key() title=title hint=hint.to_owned()>
            <div class="card__body stack">
                {facts}
                <CodeBlock
                    id=format!("script-{}", script.key())
                    label=name
                    code=script.render(&settings).replace("\r\n", "\n")
                    download=urls::application_script(id, script.key())
                />
            </div>
        </Card>
    }
    .into_any()
}

/// The scripts beside the two: checks, ImmutableIds, new certificates.
#[component]
fn Others(settings: FederationSettings, id: ApplicationId) -> impl IntoView {
    let others = [
        (
            Script::Check,
            "Check",
            "Looks whether everything is ready, and changes nothing.",
        ),
        (
            Script::SetImmutableIds,
            "Set ImmutableIds",
            "Gives accounts their ImmutableId while the domain is still managed.",
        ),
        (
            Script::Update,
            "Update",
            "Brings certificates and addresses up to date.",
        ),
    ];
    let rows = others
        .into_iter()
        .map(|(script, name, hint)| {
            let code = script.render(&settings).replace("\r\n", "\n");
            let file = script.file_name(&settings);
            view! {
                <Expander summary=format!("{name}: {hint}")>
                    <CodeBlock
                        id=format!("script-{}", script.key())
                        label=file
                        code=code
                        download=urls::application_script(id, script.key())
                    />
                </Expander>
            }
        })
        .collect_view();
    view! {
        <Card id="others" title="More scripts">
            <div class="card__body stack stack--tight">{rows}</div>
        </Card>
    }
    .into_any()
}

/// A script as a file.
pub async fn script_file(
    Path((id, file)): Path<(String, String)>,
    Extension(portal): Extension<Portal>,
    Extension(_visit): Extension<Visit>,
) -> Response {
    match file_of(&portal, &id, &file).await {
        Ok((name, text)) => (
            [
                (CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
                (
                    CONTENT_DISPOSITION,
                    format!("attachment; filename=\"{name}\""),
                ),
            ],
            text,
        )
            .into_response(),
        Err(error) => error.status().into_response(),
    }
}

async fn file_of(portal: &Portal, id: &str, file: &str) -> Result<(String, String), PortalError> {
    let id = id.parse().map_err(|_| PortalError::NotFound)?;
    let script = file
        .strip_suffix(".ps1")
        .and_then(Script::from_key)
        .ok_or(PortalError::NotFound)?;
    let set_up = SetUp::load(portal, id).await?;
    let settings = set_up.settings().ok_or(PortalError::NotFound)?;
    Ok((script.file_name(settings), script.render(settings)))
}
