//! How the users of an application sign in: addresses, second factor, looks, certificates.

mod certificates;
mod groups;
mod logo;
mod own_key;
mod settings;

use leptos::prelude::*;
use signpost_model::{ApplicationId, Role};
use signpost_store::runs::actions::ActionState;
use signpost_store::runs::{self, tenant_actions};
use signpost_store::{
    connections, group_policies, groups as stored_groups, identity_providers, logos, sign_on,
    signing_keys,
};

use super::frame::{ApplicationPage, Part};
use super::{found, id_of_page};
use crate::components::{
    Card, CopyField, EmptyState, ErrorSummary, Icon, LinkButton, Look, Notice as Note, Tone,
};
use crate::error::PortalError;
use crate::identity::{Addresses, current_certificate};
use crate::pages::federation::{REMIND_DAYS, certificate_ends, days_left};
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::urls;
use crate::visit::{require, visit};

pub use certificates::{
    create_next_certificate, discard_next_certificate, retire_certificate, switch_back_certificate,
    switch_certificate,
};
pub use groups::{remove_group_factor, save_group_factor};
pub use logo::{logo_file, remove_logo, upload_logo};
pub use own_key::{import_key_file, import_next_certificate};
pub use settings::save_sign_on;

/// Groups to choose from, at most.
const MOST_CHOICES: u32 = 500;

/// The page.
#[component]
pub fn SignOn() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let settings = sign_on::find(&mut read, id).await?;
        let by_group = group_policies::list(&mut read, id).await?;
        let groups = stored_groups::list_names(&mut read, MOST_CHOICES).await?;
        let logo = logos::find(&mut read, id).await?;
        drop(read);
        let form = visit().form_state();
        let may = visit().may(Role::Administrator);
        let body = match &connection {
            None => view! { <NoDomain href=urls::application_provisioning(id) /> }.into_any(),
            Some(connection) => {
                let domain = &connection.settings.domain;
                current_certificate(&portal, id, domain).await?;
                let known = signing_keys::list(&mut *portal.store.read().await?, id).await?;
                let addresses = Addresses::of(&portal, connection.settings.cloud, id);
                let now = portal.clock.now();
                let ends = known.first().map(|current| current.not_after);
                let soon = ends.filter(|ends| days_left(*ends, now) <= REMIND_DAYS);
                let ending = soon.map(|ends| certificate_ends(&application.name, ends, now));
                let external =
                    identity_providers::find(&mut *portal.store.read().await?, id).await?;
                let told = told(&portal, id).await?;
                let insecure = addresses.issuer.starts_with("http://");
                view! {
                    {external.is_none().then_some(ending).flatten().map(|title| view! { <Ending title=title /> })}
                    {external.is_some().then(|| view! { <External id=id /> })}
                    {insecure.then(|| view! { <Insecure /> })}
                    <ErrorSummary errors=form.problems() />
                    <settings::SettingsCard id=id settings=settings form=form.clone() may=may />
                    <groups::GroupsCard id=id known=by_group groups=groups form=form.clone() may=may />
                    <logo::LogoCard id=id logo=logo form=form.clone() may=may />
                    <FederationCard id=id />
                    <certificates::CertificatesCard id=id known=known told=told form=form may=may />
                    <AddressesCard addresses=addresses />
                }
                .into_any()
            }
        };
        Ok(view! {
            <ApplicationPage application=application connection=connection part=Part::SignOn>
                {body}
            </ApplicationPage>
        }
        .into_any())
    })
}

#[component]
fn NoDomain(href: String) -> impl IntoView {
    view! {
        <Card id="sign-on" title="Sign-on">
            <EmptyState
                icon=Icon::KeyRound
                title="No domain yet"
                why="Users sign in for one domain of a tenant. Fill in the connection first."
            >
                <LinkButton href=href>"Open Provisioning"</LinkButton>
            </EmptyState>
        </Card>
    }
    .into_any()
}

#[component]
fn Ending(title: String) -> impl IntoView {
    view! {
        <Note tone=Tone::Warn title=title>
            "Create the next certificate below, and follow the steps."
        </Note>
    }
    .into_any()
}

#[component]
fn External(id: ApplicationId) -> impl IntoView {
    view! {
        <Note tone=Tone::Info title="Another identity provider signs people in.">
            "The protocol and Microsoft's second factor below count for it too; the login page and the certificates here do not. "
            <a href=urls::application_identity_provider(id)>"Identity provider"</a>
            " says which."
        </Note>
    }
    .into_any()
}

/// The ways to the pages around the switch.
#[component]
fn FederationCard(id: ApplicationId) -> impl IntoView {
    let links = [
        (urls::application_federation(id), "Federation"),
        (urls::application_immutable_ids(id), "ImmutableIds"),
        (urls::application_identity_provider(id), "Identity provider"),
        (urls::application_powershell(id), "PowerShell script"),
    ]
    .into_iter()
    .map(|(href, words)| view! { <LinkButton href=href look=Look::Quiet>{words}</LinkButton> })
    .collect_view();
    view! {
        <Card
            id="federation"
            title="Federation"
            hint="Whether the domain signs in here, what must be true first, and the way back.".to_owned()
        >
            <div class="card__body row">{links}</div>
        </Card>
    }
    .into_any()
}

#[component]
fn Insecure() -> impl IntoView {
    view! {
        <Note tone=Tone::Info title="These addresses are for the practice tenant.">
            "Microsoft sends people to https addresses only."
        </Note>
    }
    .into_any()
}

#[component]
fn AddressesCard(addresses: Addresses) -> impl IntoView {
    view! {
        <Card
            id="addresses"
            title="Addresses"
            hint="The script carries them; here they are for other tools.".to_owned()
        >
            <div class="card__body stack">
                <CopyField name="issuer" label="Issuer" value=addresses.issuer />
                <CopyField name="sign-in-address" label="Sign-in address" value=addresses.sign_in />
                <CopyField name="sign-out-address" label="Sign-out address" value=addresses.sign_out />
                <CopyField name="metadata-address" label="Metadata address" value=addresses.metadata />
            </div>
        </Card>
    }
    .into_any()
}

/// The certificates that Microsoft was last told, as far as Signpost told it. An update mentions
/// only what differed, so that what came before it counts, too.
async fn told(portal: &Portal, id: ApplicationId) -> Result<certificates::Told, PortalError> {
    let mut read = portal.store.read().await?;
    let mut told = certificates::Told::default();
    for run in runs::list_of_tenant(&mut read, id, 50).await? {
        let actions = tenant_actions::list(&mut read, run.id, 0, 1).await?;
        let applied = actions
            .into_iter()
            .find(|action| action.state == ActionState::Applied);
        if applied.is_some_and(|applied| told.learn(&applied.action)) {
            break;
        }
    }
    Ok(told)
}
