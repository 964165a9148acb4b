//! Handing a domain's sign-in over and taking it back: checks, accounts, provider, countdown.

mod banners;
mod checks_card;
mod confirm;
mod doctor;
mod overview;
mod provider;
mod repair;
mod switch;

use signpost_model::federation::{Federation, FederationState};
use signpost_model::run::{Outcome, Run, RunMode, RunState, Trigger};
use signpost_model::{ApplicationId, Author, TenantRequest};
use signpost_store::runs::{self, NewRun, tenant_actions};
use signpost_store::{Read, Write, federations};

use crate::access::{READ, Route, WRITE};
use crate::error::PortalError;
use crate::federation::SetUp;
use crate::federation::checks::Checked;
use crate::forms::{Answer, Refusal};
use crate::portal::Portal;
use crate::urls;

pub use banners::{REMIND_DAYS, banners};
pub(crate) use banners::{certificate_ends, days_left};
pub use checks_card::check_federation;
pub use confirm::confirm_federation;
pub use doctor::{DoctorPage, change_immutable_ids, immutable_ids_file};
pub use overview::FederationPage;
pub use provider::{ProviderPage, read_metadata, save_provider, use_own_provider};
pub use switch::{federate_domain, revert_federation, update_federation};

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/applications/{id}/federation", READ),
    ("GET", "/applications/{id}/immutable-ids", READ),
    ("GET", "/applications/{id}/immutable-ids.csv", READ),
    ("GET", "/applications/{id}/identity-provider", READ),
    ("POST", "/api/federation/check", WRITE),
    ("POST", "/api/federation/federate", WRITE),
    ("POST", "/api/federation/confirm", WRITE),
    ("POST", "/api/federation/update", WRITE),
    ("POST", "/api/federation/revert", WRITE),
    ("POST", "/api/federation/immutable-ids", WRITE),
    ("POST", "/api/federation/provider", WRITE),
    ("POST", "/api/federation/provider/metadata", WRITE),
    ("POST", "/api/federation/provider/own", WRITE),
];

/// Permissions, either of which lets Signpost federate a domain by itself.
const PERMISSIONS: [&str; 2] = [
    "Domain-InternalFederation.ReadWrite.All",
    "Domain.ReadWrite.All",
];

/// Where the domain stands, as far as Signpost knows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Microsoft signs people in.
    Managed,
    /// Federated by Signpost, and waiting for somebody to say that it works.
    Confirming(Box<Federation>),
    /// Federated with the provider that is set up here, by Signpost or by a script.
    Federated(Option<Box<Federation>>),
}

fn standing(federation: Option<Federation>, checked: Option<&Checked>, set_up: &SetUp) -> Standing {
    let issuer = set_up
        .settings()
        .map(|settings| &settings.values().issuer_uri);
    let seen = checked
        .zip(issuer)
        .is_some_and(|(checked, issuer)| checked.is_federated_with(issuer));
    match federation {
        Some(known) if known.state == FederationState::Confirming => {
            Standing::Confirming(Box::new(known))
        }
        Some(known) if known.state == FederationState::Confirmed => {
            Standing::Federated(Some(Box::new(known)))
        }
        // What was seen before it was taken back is over.
        Some(known) if known.reverted_at >= checked.map(|checked| checked.at) => Standing::Managed,
        _ if seen => Standing::Federated(None),
        _ => Standing::Managed,
    }
}

/// Why the last try to federate did not succeed, when it was the last thing that happened.
async fn last_refusal(
    db: &mut Read,
    application: ApplicationId,
) -> Result<Option<(Run, String)>, PortalError> {
    let runs = runs::list_of_tenant(db, application, 20).await?;
    let last = runs.into_iter().find(|run| {
        matches!(
            run.request,
            Some(TenantRequest::Federate { .. } | TenantRequest::RevertFederation { .. })
        )
    });
    let Some(run) = last.filter(|run| {
        let federates = matches!(run.request, Some(TenantRequest::Federate { .. }));
        let failed = [RunState::Failed, RunState::CompletedWithFailures];
        federates && failed.contains(&run.state)
    }) else {
        return Ok(None);
    };
    let outcome = tenant_actions::list(db, run.id, 0, 1)
        .await?
        .into_iter()
        .next();
    let said = match outcome.and_then(|action| action.outcome) {
        Some(Outcome::Failed(failure)) => {
            let code = failure.code.map(|code| format!(" ({code})"));
            format!("{}{}", failure.kind.text(), code.unwrap_or_default())
        }
        _ => String::new(),
    };
    let why = match &run.failure {
        Some(failure) => failure.text.clone(),
        None => said,
    };
    Ok(Some((run, why)))
}

/// Queues a run about the domain, and goes to its page.
async fn queue(
    portal: &Portal,
    application: ApplicationId,
    request: TenantRequest,
    mode: RunMode,
    author: &Author,
) -> Result<Answer, Refusal> {
    let new = NewRun::of_tenant(application, request, Trigger::Operator, mode);
    let mut tx = portal.store.write().await?;
    let now = portal.clock.now();
    let queued = runs::queue(&mut tx, portal.random.as_ref(), &new, author, now).await?;
    tx.commit().await?;
    portal.worker.notify_one();
    Ok(Answer::to(urls::run(queued.run().id)))
}

/// Whether an application cannot be deleted now: nobody would sign its people in.
pub(crate) async fn keeps_application(
    tx: &mut Write,
    application: ApplicationId,
) -> Result<bool, PortalError> {
    let known = federations::find(tx, application).await?;
    Ok(known.is_some_and(|known| known.state != FederationState::Reverted))
}
