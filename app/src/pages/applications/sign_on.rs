//! How the users of an application sign in: addresses, second factor, looks, certificates.

mod certificates;
mod groups;
mod logo;
mod settings;

use leptos::prelude::*;
use signpost_model::Role;
use signpost_model::time::DAY_MS;
use signpost_store::{
    connections, group_policies, groups as stored_groups, logos, sign_on, signing_keys,
};

use super::frame::{ApplicationPage, Part};
use super::{found, id_of_page};
use crate::components::{
    Card, CopyField, EmptyState, ErrorSummary, Icon, LinkButton, Notice as Note, Tone,
};
use crate::identity::{Addresses, current_certificate};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{require, visit};

pub use certificates::{
    create_next_certificate, discard_next_certificate, import_next_certificate, switch_certificate,
};
pub use groups::{remove_group_factor, save_group_factor};
pub use logo::{logo_file, remove_logo, upload_logo};
pub use settings::save_sign_on;

/// From when on the page says that the certificate ends.
const REMIND_DAYS: i64 = 60;
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
                let soon = ends.is_some_and(|ends| ends.millis_since(now) < REMIND_DAYS * DAY_MS);
                let insecure = addresses.issuer.starts_with("http://");
                view! {
                    {soon.then(|| view! { <Ending /> })}
                    {insecure.then(|| view! { <Insecure /> })}
                    <ErrorSummary errors=form.problems() />
                    <settings::SettingsCard id=id settings=settings form=form.clone() may=may />
                    <groups::GroupsCard id=id known=by_group groups=groups form=form.clone() may=may />
                    <logo::LogoCard id=id logo=logo form=form.clone() may=may />
                    <certificates::CertificatesCard id=id known=known form=form may=may />
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
fn Ending() -> impl IntoView {
    view! {
        <Note tone=Tone::Warn title="The signing certificate ends soon.">
            "When it ends, nobody can sign in. Create the next certificate below, and follow the steps."
        </Note>
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
