//! The registration in Entra: by a script or by hand, with the permissions that the chosen
//! features need, and a certificate instead of a secret for those who want one.

use leptos::prelude::*;
use signpost_federation::{Certificate, RegistrationValues};
use signpost_graph::app_role_id;
use signpost_model::connection::ConnectionSettings;
use signpost_model::readiness::Feature;
use signpost_model::{ApplicationId, Cloud, Role};
use signpost_store::connection_certificates::{self, ConnectionCertificate, Which};
use signpost_store::{connections, readiness};
use signpost_sync::readiness::needs_of;

use super::credential::CredentialCard;
use super::features::FeaturesCard;
use crate::components::{Card, CodeBlock, ErrorSummary, Expander, Notice as Note, Tone};
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::{found, id_of_page};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{require, visit};

/// What the registration is called in Entra.
const NAME: &str = "Signpost";

/// The page.
#[component]
pub fn RegistrationPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let chosen = readiness::features(&mut read, id).await?;
        let current = connection_certificates::find(&mut read, id, Which::Current).await?;
        let next = connection_certificates::find(&mut read, id, Which::Next).await?;
        drop(read);
        let may = visit().may(Role::Administrator);
        let granted = connection
            .as_ref()
            .map(|connection| connection.findings.granted.clone())
            .filter(|granted| !granted.is_empty());
        let settings = connection
            .as_ref()
            .map(|connection| connection.settings.clone());
        let practice = portal
            .settings
            .practice
            .as_ref()
            .filter(|_| {
                settings
                    .as_ref()
                    .is_some_and(|settings| settings.cloud == Cloud::Practice)
            })
            .map(|practice| format!("{}admin", practice.page));
        let renews = granted.as_ref().is_some_and(|granted| {
            granted
                .iter()
                .any(|name| name == "Application.ReadWrite.OwnedBy")
        });
        let script = script_of(settings.as_ref(), &chosen, next.as_ref());
        let form = visit().form_state();
        let credential = connection
            .as_ref()
            .map(|connection| (connection.credential, connection.secret_saved_at));
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::Readiness
                below="Registration"
            >
                <ErrorSummary errors=form.problems() />
                {practice.map(|href| view! { <Practice href=href /> })}
                <FeaturesCard id=id chosen=chosen.clone() granted=granted may=may />
                <Ways id=id script=script chosen=chosen />
                <CredentialCard id=id credential=credential current=current next=next renews=renews may=may />
            </ApplicationPage>
        }
        .into_any())
    })
}

/// The script for what is chosen, whatever is known of the tenant yet. A certificate that waits
/// is uploaded by it.
pub(super) fn script_of(
    settings: Option<&ConnectionSettings>,
    chosen: &[Feature],
    next: Option<&ConnectionCertificate>,
) -> String {
    RegistrationValues {
        cloud: settings.map_or(Cloud::Microsoft365, |settings| settings.cloud),
        tenant_id: settings
            .map(|settings| settings.tenant_id.clone())
            .unwrap_or_default(),
        name: NAME.to_owned(),
        permissions: needs_of(chosen)
            .filter_map(|need| Some((need.name, app_role_id(need.name)?)))
            .collect(),
        certificate: next.and_then(|next| Certificate::parse(&next.certificate).ok()),
        owns_itself: chosen.contains(&Feature::Rotate),
    }
    .script()
}

#[component]
fn Practice(href: String) -> impl IntoView {
    view! {
        <Note tone=Tone::Info title="This is the practice tenant.">
            "Its registration is there already. Grant and remove permissions, or upload the certificate, on "
            <a href=href>"its own admin center"</a> "."
        </Note>
    }
    .into_any()
}

#[component]
fn Ways(id: ApplicationId, script: String, chosen: Vec<Feature>) -> impl IntoView {
    let permissions = needs_of(&chosen)
        .map(|need| view! { <li><code>{need.name}</code></li> })
        .collect_view();
    let provisioning = urls::application_provisioning(id);
    view! {
        <Card
            id="register"
            title="Register the application"
            hint="Once per tenant: by a script, or by hand. Both end with the same three values.".to_owned()
        >
            <div class="card__body stack">
                <h3>"By a script"</h3>
                <p class="text-2">
                    "It makes the registration, grants exactly the permissions above, adds a secret (or uploads the certificate that waits below), and prints the three values. It asks before it changes anything. Run it in PowerShell as a Privileged Role Administrator."
                </p>
                <CodeBlock
                    id="script-register"
                    label="register.ps1"
                    code=script.replace("\r\n", "\n")
                    download=urls::application_readiness_file(id, "register.ps1")
                />
                <Expander summary="By hand, in the Entra admin center">
                    <ol class="stack stack--tight">
                        <li>"Open the Entra admin center, App registrations, New registration. Name it " <b>{NAME}</b> ", keep Single tenant, and register."</li>
                        <li>"Overview: copy the " <b>"Directory (tenant) ID"</b> " and the " <b>"Application (client) ID"</b> "."</li>
                        <li>
                            "API permissions, Add a permission, Microsoft Graph, Application permissions. Tick:"
                            <ul class="checklist__findings">{permissions}</ul>
                        </li>
                        <li>"Remove the delegated permission User.Read: it has no effect here. Then select " <b>"Grant admin consent"</b> "."</li>
                        <li>"Certificates & secrets, New client secret. Copy the " <b>"Value"</b> ", not the Secret ID."</li>
                        <li>"Enter the three values under " <a href=provisioning>"Provisioning"</a> " and select Update Settings."</li>
                    </ol>
                </Expander>
            </div>
        </Card>
    }
    .into_any()
}
