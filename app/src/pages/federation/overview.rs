//! The page of an application's federation: where the domain stands, and what can be done now.

use leptos::prelude::*;
use signpost_federation::checks::may_federate;
use signpost_model::federation::Federation;
use signpost_model::{ApplicationId, Role, Timestamp};
use signpost_store::{Read, federations};

use super::checks_card::ChecksCard;
use super::confirm::ConfirmCard;
use super::switch::{FederateCard, RevertCard, UpdateCard};
use super::{PERMISSIONS, Standing, last_refusal, standing};
use crate::components::{
    Card, EmptyState, ErrorSummary, Icon, LinkButton, Notice as Note, Precision, Tone, moment,
};
use crate::error::PortalError;
use crate::federation::checks::{self, Checked};
use crate::federation::{SetUp, Values};
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::id_of_page;
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{require, visit};

/// The page.
#[component]
pub fn FederationPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let portal = portal()?;
        let set_up = SetUp::load(&portal, id).await?;
        let now = portal.clock.now();
        let mut read = portal.store.read().await?;
        let checked = recounted(&mut read, &set_up).await?;
        let federation = federations::find(&mut read, id).await?;
        let refusal = last_refusal(&mut read, id).await?;
        drop(read);
        let standing = standing(federation.clone(), checked.as_ref(), &set_up);
        let form = visit().form_state();
        let (application, connection) = (set_up.application.clone(), set_up.connection.clone());
        let body = match &set_up.values {
            Values::NoDomain => view! { <NoDomain id=id /> }.into_any(),
            Values::Refused(why) => view! { <Refused why=why.clone() id=id /> }.into_any(),
            Values::Ready(_) => {
                let may = visit().may(Role::Administrator);
                let reverted = federation.filter(|known| known.reverted_at.is_some());
                let refusal = match standing {
                    Standing::Managed => refusal,
                    _ => None,
                };
                let refused = refusal.map(|(run, why)| {
                    view! {
                        <Note tone=Tone::Bad title="The domain was not federated.">
                            {why} " "
                            <a href=urls::run(run.id)>"The run"</a>
                            " has the details. You can federate by the "
                            <a href=urls::application_powershell(id)>"PowerShell script"</a>
                            " instead: it does the same with an administrator's own rights."
                        </Note>
                    }
                });
                let cards = cards(&set_up, standing, checked, may, now);
                view! {
                    {reverted.and_then(reverted_note)}
                    {refused}
                    {cards}
                }
                .into_any()
            }
        };
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::SignOn
                below="Federation"
            >
                <ErrorSummary errors=form.problems() />
                {body}
            </ApplicationPage>
        })
    })
}

/// What was found last, with the accounts counted anew: they change here.
async fn recounted(db: &mut Read, set_up: &SetUp) -> Result<Option<Checked>, PortalError> {
    let stored = checks::stored(db, set_up.application.id).await?;
    Ok(match stored {
        Some(checked) => Some(checks::recount(db, set_up, checked).await?),
        None => None,
    })
}

fn cards(
    set_up: &SetUp,
    standing: Standing,
    checked: Option<Checked>,
    may: bool,
    now: Timestamp,
) -> AnyView {
    let id = set_up.application.id;
    let granted = set_up.connection.as_ref().is_some_and(|connection| {
        let granted = &connection.findings.granted;
        PERMISSIONS
            .iter()
            .any(|name| granted.iter().any(|has| has == name))
    });
    match standing {
        Standing::Managed => {
            let ready = checked
                .as_ref()
                .is_some_and(|checked| may_federate(&checked.checks));
            view! {
                <ChecksCard id=id checked=checked may=may />
                <FederateCard set_up=set_up.clone() ready=ready granted=granted may=may />
            }
            .into_any()
        }
        Standing::Confirming(federation) => view! {
            <ConfirmCard id=id federation=*federation now=now may=may set_up=set_up.clone() />
        }
        .into_any(),
        Standing::Federated(federation) => view! {
            <FederatedCard set_up=set_up.clone() federation=federation.map(|known| *known) />
            <UpdateCard id=id granted=granted may=may />
            <RevertCard id=id granted=granted may=may />
        }
        .into_any(),
    }
}

#[component]
fn FederatedCard(set_up: SetUp, federation: Option<Federation>) -> impl IntoView {
    let domain = set_up
        .connection
        .as_ref()
        .map(|connection| connection.settings.domain.clone())
        .unwrap_or_default();
    let issuer = set_up
        .settings()
        .map(|settings| settings.values().issuer_uri.clone())
        .unwrap_or_default();
    let confirmed = federation.and_then(|known| {
        let at = known.confirmed_at?.to_jiff()?;
        let by = known.confirmed_by.unwrap_or_default();
        let words = format!("By {by}, {}", moment(at, Precision::Minute));
        Some(view! {
            <div>
                <dt>"Confirmed"</dt>
                <dd>{words}</dd>
            </div>
        })
    });
    let title = format!("{domain} is federated");
    view! {
        <Card id="federated" title=title hint="Its people sign in at the identity provider.".to_owned()>
            <dl class="card__body facts">
                <div>
                    <dt>"Identity provider"</dt>
                    <dd>
                        <code>{issuer}</code>
                    </dd>
                </div>
                {confirmed}
            </dl>
        </Card>
    }
    .into_any()
}

/// That the domain was taken back, and what follows for passwords.
fn reverted_note(federation: Federation) -> Option<AnyView> {
    let at = federation.reverted_at?.to_jiff()?;
    let title = format!(
        "{} was taken back on {}.",
        federation.domain,
        moment(at, Precision::Minute)
    );
    let why = match federation.confirmed_at {
        Some(_) => "",
        None => "Nobody had confirmed that people can sign in. ",
    };
    let federated = federation.reverted_at? > federation.federated_at;
    federated.then(|| {
        view! {
            <Note tone=Tone::Info title=title>
                {why}
                "Microsoft signs its people in again, with the passwords it has; who never had one gets a new one in the Microsoft 365 admin center. It can take up to two hours until it holds everywhere."
            </Note>
        }
        .into_any()
    })
}

#[component]
fn NoDomain(id: ApplicationId) -> impl IntoView {
    view! {
        <Card id="checks" title="Checks">
            <EmptyState
                icon=Icon::Waypoints
                title="No domain yet"
                why="One domain of a tenant is federated. Fill in the connection first."
            >
                <LinkButton href=urls::application_provisioning(id)>"Open Provisioning"</LinkButton>
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
        <Note tone=Tone::Bad title="The domain cannot be federated with these values.">
            <ul class="plain">{rows}</ul>
            <a href=urls::application_provisioning(id)>"Provisioning"</a>
            " and "
            <a href=urls::application_identity_provider(id)>"Identity provider"</a>
            " hold them."
        </Note>
    }
    .into_any()
}
