//! What follows in our records from changes to a domain or to an account's ImmutableId, in the
//! transaction that notes them.

use signpost_model::federation::FederationField;
use signpost_model::run::{ActionFailure, FailureKind, Outcome, SkipReason};
use signpost_model::{Author, Observation, TenantAction, Timestamp};

use super::lease::RunLease;
use super::tenant_actions::StoredTenantAction;
use crate::federations::{self, NewFederation};
use crate::{Result, Write, accounts};

/// Before a change is sent: from here on somebody takes the domain back unless it is confirmed.
pub(super) async fn sent(
    tx: &mut Write,
    lease: &RunLease,
    action: &TenantAction,
    now: Timestamp,
) -> Result<()> {
    let TenantAction::Federate {
        domain,
        after,
        tester,
        confirm_minutes,
    } = action
    else {
        return Ok(());
    };
    let new = NewFederation {
        domain: domain.clone(),
        issuer: after.get(FederationField::IssuerUri).to_owned(),
        run_id: lease.run_id,
        tester: tester.clone(),
        confirm_minutes: *confirm_minutes,
    };
    federations::begin(tx, lease.application_id, &new, &Author::SIGNPOST, now).await
}

/// After a change has its outcome.
pub(super) async fn settled(
    tx: &mut Write,
    lease: &RunLease,
    stored: &StoredTenantAction,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<()> {
    let application = lease.application_id;
    match (&stored.action, outcome) {
        (TenantAction::Federate { .. }, Outcome::Failed(failure)) => {
            if was_not_let(failure) {
                federations::set_reverted(tx, application, &Author::SIGNPOST, now).await
            } else {
                // It may be federated all the same, and wrongly: it is taken back at once.
                federations::end_time(tx, application, lease.run_id, now).await
            }
        }
        // Somebody asked to stop in the moment in which it was to be sent: it was not.
        (
            TenantAction::Federate { .. },
            Outcome::Skipped {
                because: SkipReason::Cancelled,
            },
        ) => federations::set_reverted(tx, application, &Author::SIGNPOST, now).await,
        (TenantAction::RevertFederation { .. }, Outcome::Failed(failure)) => {
            federations::set_trouble(tx, application, &said(failure)).await
        }
        (TenantAction::RevertFederation { .. }, done) if is_done(done) => {
            federations::set_reverted(tx, application, &Author::SIGNPOST, now).await
        }
        (
            TenantAction::SetAccountImmutableId {
                object_id, after, ..
            },
            done,
        ) if is_done(done) => {
            let ids = std::slice::from_ref(object_id);
            let known = accounts::find_many(tx, application, ids).await?;
            let Some(known) = known.into_iter().next() else {
                return Ok(());
            };
            let changed = Observation {
                immutable_id: Some(after.clone()),
                ..known.observation
            };
            accounts::upsert_observations(tx, application, &[&changed], now).await
        }
        _ => Ok(()),
    }
}

const fn is_done(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Applied { .. }
            | Outcome::Skipped {
                because: SkipReason::AlreadyDone
            }
    )
}

/// Whether Microsoft refused before anything could happen.
const fn was_not_let(failure: &ActionFailure) -> bool {
    matches!(
        failure.kind,
        FailureKind::PermissionMissing | FailureKind::NotForApplications
    )
}

fn said(failure: &ActionFailure) -> String {
    if failure.message.is_empty() {
        failure.kind.text().to_owned()
    } else {
        format!("{} ({})", failure.kind.text(), failure.message)
    }
}
