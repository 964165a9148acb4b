//! Runs about a tenant itself: what was asked is planned from what is there, then carried out.

use std::sync::Arc;

use app::portal::Portal;
use signpost_app as app;
use signpost_graph::Client;
use signpost_model::run::{Outcome, Run, RunMode, WaitsFor};
use signpost_model::{KeptValue, PlannedTenantAction, TenantRequest, Timestamp};
use signpost_store::runs::actions::ActionState;
use signpost_store::runs::tenant_actions::{self, StoredTenantAction};
use signpost_store::runs::{self, RunLease};
use signpost_store::{Error, Result, kept_values};
use signpost_sync::tenant::{
    self, Ended, GraphSettings, Signal, Step, Surroundings, TenantJournal, TenantPlan,
};
use signpost_sync::translate::run_failure;

use super::clients::GraphClock;
use super::journal::signal;
use super::{Interrupted, Worker};

/// Remembered values read at a time.
const CHUNK: i64 = 200;

/// Plans what the run's request asks for and closes the plan; afterwards it waits for a person, or
/// is applied at once when nobody has to look at it.
pub(super) async fn make(
    worker: &Worker,
    lease: &RunLease,
    run: &Run,
    client: &Client,
) -> std::result::Result<Run, Interrupted> {
    let store = &worker.portal.store;
    let Some(request) = &run.request else {
        return Err(Interrupted::Cancelled);
    };
    let changes = match plan(worker, lease, request, client).await? {
        TenantPlan::Changes(changes) => changes,
        TenantPlan::Refused(failure) => return Err(Interrupted::Failed(failure)),
    };
    tenant_actions::write(store, lease, &changes, worker.now()).await?;
    let waits = run.mode == RunMode::Preview && !changes.is_empty();
    let (hash, waits_for) = (tenant::hash(&changes), waits.then_some(WaitsFor::Preview));
    let now = worker.now();
    Ok(runs::plan::finish(store, lease, &hash, waits_for.as_ref(), now).await?)
}

async fn plan(
    worker: &Worker,
    lease: &RunLease,
    request: &TenantRequest,
    client: &Client,
) -> std::result::Result<TenantPlan, Interrupted> {
    match request {
        TenantRequest::SetSecurityDefaults { enabled } => {
            let now = client.security_defaults().await.map_err(unread)?;
            Ok(tenant::set_security_defaults(now.is_enabled, *enabled))
        }
        TenantRequest::PutBack => Ok(TenantPlan::Changes(put_back(worker, lease, client).await?)),
    }
}

/// The changes that put every remembered value back; what already is as it was is noted.
async fn put_back(
    worker: &Worker,
    lease: &RunLease,
    client: &Client,
) -> std::result::Result<Vec<PlannedTenantAction>, Interrupted> {
    let store = &worker.portal.store;
    let (mut changes, mut after) = (Vec::new(), None);
    loop {
        let kept = {
            let mut db = store.read().await?;
            let application = lease.application_id;
            kept_values::list_open(&mut db, application, after.as_ref(), CHUNK).await?
        };
        let Some(last) = kept.last() else {
            return Ok(changes);
        };
        after = Some(last.subject.clone());
        let read = read_now(client, kept).await?;
        let plan = tenant::put_back(&read);
        let mut tx = store.write().await?;
        let now = worker.now();
        kept_values::mark_put_back(&mut tx, lease.application_id, &plan.settled, now).await?;
        tx.commit().await?;
        changes.extend(plan.changes);
    }
}

/// Each remembered value beside the one that the tenant holds now.
async fn read_now(
    client: &Client,
    kept: Vec<KeptValue>,
) -> std::result::Result<Vec<(KeptValue, Option<serde_json::Value>)>, Interrupted> {
    let mut read = Vec::with_capacity(kept.len());
    for kept in kept {
        let now = match kept.subject.kind.as_str() {
            "security_defaults" => {
                let found = client.security_defaults().await.map_err(unread)?;
                Some(found.is_enabled.into())
            }
            _ => None,
        };
        read.push((kept, now));
    }
    Ok(read)
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn unread(error: signpost_graph::Error) -> Interrupted {
    Interrupted::Failed(run_failure(&error))
}

/// Carries out what the plan still has to do to the tenant itself.
pub(super) async fn apply(worker: &Worker, lease: &RunLease, client: Client) -> Result<Ended> {
    let portal = &worker.portal;
    let journal = Journal {
        portal: portal.clone(),
        lease: lease.clone(),
    };
    let clock = GraphClock(Arc::clone(&portal.clock));
    let surroundings = Surroundings {
        clock: &clock,
        random: portal.random.as_ref(),
    };
    tenant::apply(&GraphSettings::new(client), &journal, surroundings).await
}

/// The stored changes of one run, under its lease.
#[derive(Debug)]
struct Journal {
    portal: Portal,
    lease: RunLease,
}

impl Journal {
    fn now(&self) -> Timestamp {
        self.portal.clock.now()
    }
}

impl TenantJournal for Journal {
    type Error = Error;

    async fn next(&self, after: i64, limit: usize) -> Result<Vec<Step>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut db = self.portal.store.read().await?;
        let open = tenant_actions::list_open(&mut db, self.lease.run_id, after, limit).await?;
        Ok(open.into_iter().map(step).collect())
    }

    async fn mark_sent(&self, sequences: &[i64]) -> Result<Signal> {
        let store = &self.portal.store;
        tenant_actions::mark_sent(store, &self.lease, sequences, self.now())
            .await
            .map(signal)
    }

    async fn record(&self, outcomes: &[(i64, Outcome)]) -> Result<Signal> {
        let store = &self.portal.store;
        tenant_actions::record(store, &self.lease, outcomes, self.now())
            .await
            .map(signal)
    }
}

fn step(stored: StoredTenantAction) -> Step {
    Step {
        sequence: stored.sequence,
        sent: stored.state == ActionState::Sent,
        action: stored.action,
    }
}
