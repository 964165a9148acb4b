//! The worker: takes queued runs by their lease, plans them, carries them out, and ends them.
//!
//! One runs in every process that serves, or alone as `signpost worker`. Any number may share a
//! database: a run is claimed by one of them, with a lease that others take over when its holder
//! gives no sign of life. Dropping the future of [`run`] at any point loses nothing: what was
//! sent without an answer is read back by whoever takes the run over.

mod clients;
mod federation;
mod groups;
mod journal;
mod lifeline;
mod own_credential;
mod plan;
mod presence;
mod renewing;
mod sink;
mod tenant;
mod unanswered;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app::portal::Portal;
use futures::FutureExt;
use signpost_app as app;
use signpost_model::run::{Run, RunFailure, RunScope, RunState, Trigger};
use signpost_model::time::MINUTE_MS;
use signpost_model::{ApplicationId, Author, ConnectionState, TenantRequest, Timestamp};
use signpost_store::runs::lease::{end_leases, heartbeat, release};
use signpost_store::runs::{self, Claim, RunEnd, RunLease};
use signpost_store::schedule::FAILURES_TO_TELL;
use signpost_store::{applications, connections, federations};
use signpost_sync::apply::{Ended, GraphTenant, Surroundings, apply};
use signpost_sync::observe::ObserveError;
use tokio::sync::Semaphore;

use clients::Clients;
use journal::RunJournal;
use lifeline::Lifeline;
pub use presence::Presence;

/// A worker that gives no sign of life for this long has lost its run.
const LEASE_MS: i64 = 30_000;

/// Signs of life, well within the lease.
const HEARTBEAT: Duration = Duration::from_secs(8);

/// How often the database is asked for work that another process queued.
const PACE: Duration = Duration::from_secs(1);

/// Administrators change rarely; an action on a fresh one is refused by Microsoft itself.
const ROLES_FRESH_MS: i64 = 15 * MINUTE_MS;

/// A run that our own records have failed so often is ended: it would block its tenant for ever.
const MOST_CLAIMS: i64 = 5;

/// Runs at the same time, each on a tenant of its own.
const MOST_RUNS: usize = 4;

/// Takes runs and carries them out until it is dropped.
pub async fn run(portal: Portal, presence: Presence) {
    let worker = Arc::new(Worker {
        clients: Clients::new(&portal),
        presence,
        roles: Mutex::default(),
        portal,
    });
    let permits = Arc::new(Semaphore::new(MOST_RUNS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        match worker.claim().await {
            Ok(Some(claim)) => {
                let worker = Arc::clone(&worker);
                tokio::spawn(async move {
                    let _permit = permit;
                    worker.work(claim).await;
                });
            }
            Ok(None) => {
                drop(permit);
                worker.wait().await;
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "cannot ask the database for runs");
                drop(permit);
                worker.wait().await;
            }
        }
    }
}

#[derive(Debug)]
struct Worker {
    portal: Portal,
    clients: Clients,
    /// Names this process in leases, and knows which others of this machine are dead.
    presence: Presence,
    /// When the holders of directory roles were last read, by application.
    roles: Mutex<HashMap<ApplicationId, Timestamp>>,
}

/// Why a run ends before its plan is carried out.
#[derive(Debug)]
enum Interrupted {
    /// With words for people.
    Failed(RunFailure),
    /// Somebody asked it to stop.
    Cancelled,
    /// Our own records failed, or the lease is lost: nothing more is written.
    Store(signpost_store::Error),
}

impl From<signpost_store::Error> for Interrupted {
    fn from(error: signpost_store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<ObserveError<signpost_store::Error>> for Interrupted {
    fn from(error: ObserveError<signpost_store::Error>) -> Self {
        match error.run_failure() {
            Some(failure) => Self::Failed(failure),
            None => match error {
                ObserveError::Sink(error) => Self::Store(error),
                other => Self::Failed(RunFailure {
                    text: other.to_string(),
                    code: None,
                    request_id: None,
                }),
            },
        }
    }
}

impl Worker {
    fn now(&self) -> Timestamp {
        self.portal.clock.now()
    }

    /// Whether the holders of directory roles have to be read again.
    fn roles_due(&self, application: ApplicationId) -> bool {
        let roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        roles
            .get(&application)
            .is_none_or(|read_at| self.now().millis_since(*read_at) > ROLES_FRESH_MS)
    }

    fn roles_read(&self, application: ApplicationId) {
        let mut roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        roles.insert(application, self.now());
    }

    async fn claim(&self) -> signpost_store::Result<Option<Claim>> {
        let store = &self.portal.store;
        let mut tx = store.write().await?;
        let random = self.portal.random.as_ref();
        runs::reverts::queue_overdue(&mut tx, random, self.now()).await?;
        runs::queue_due(&mut tx, random, self.now()).await?;
        tx.commit().await?;
        let dead = self.presence.find_dead();
        if !dead.is_empty() {
            // Nobody has to wait for leases that nobody will prolong.
            end_leases(store, dead.holders()).await?;
            dead.bury();
        }
        runs::claim(store, self.presence.holder(), LEASE_MS, self.now()).await
    }

    /// Until somebody in this process queues a run, or it is time to look.
    async fn wait(&self) {
        let _ = tokio::time::timeout(PACE, self.portal.worker.notified()).await;
    }

    /// Carries a run out while giving signs of life; without the lease it stops at once.
    async fn work(&self, claim: Claim) {
        let (id, lease) = (claim.run.id, claim.lease.clone());
        tracing::info!(run.id = %id, taken_over = claim.taken_over, "run claimed");
        let lifeline = Arc::new(Lifeline::begin(Arc::clone(&self.portal.clock)));
        let carried = AssertUnwindSafe(self.carry_out(&claim, &lifeline)).catch_unwind();
        let ended = tokio::select! {
            ended = carried => ended.unwrap_or_else(|_| Err(Interrupted::Failed(own_error()))),
            error = self.keep_alive(&lease, &lifeline) => Err(Interrupted::Store(error)),
        };
        let end = match ended {
            Ok(None) => return,
            Ok(Some(end)) => end,
            Err(Interrupted::Failed(failure)) => RunEnd::Failed(failure),
            Err(Interrupted::Cancelled) => RunEnd::Cancelled,
            Err(Interrupted::Store(error)) if gives_up(&lease, &error) => {
                tracing::error!(run.id = %id, error = chain(&error), "run given up");
                RunEnd::Failed(own_error())
            }
            Err(Interrupted::Store(error)) => {
                tracing::error!(run.id = %id, error = chain(&error), "run interrupted");
                return self.let_go(&lease).await;
            }
        };
        if let Err(error) = self.finish(&lease, &end).await {
            tracing::error!(run.id = %id, error = chain(&error), "run cannot be ended");
        }
        // Users may have changed meanwhile.
        self.portal.worker.notify_one();
    }

    /// The run is taken up again where it stands: soon, or when the lease runs out.
    async fn let_go(&self, lease: &RunLease) {
        // Ever later: what failed may need longer than a second to pass.
        let waits = 1 << lease.fence.clamp(0, 5);
        tokio::time::sleep(PACE * waits).await;
        if let Err(error) = release(&self.portal.store, lease).await {
            tracing::warn!(error = chain(&error), "the lease cannot be given back");
        }
    }

    async fn keep_alive(&self, lease: &RunLease, lifeline: &Lifeline) -> signpost_store::Error {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let moment = lifeline.now();
            match heartbeat(&self.portal.store, lease, self.now()).await {
                Ok(_) => lifeline.renew(moment),
                Err(error) if matches!(error, signpost_store::Error::LeaseLost) => return error,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "no sign of life could be given");
                }
            }
        }
    }

    /// `None`: the run waits for a person and is not ours any more.
    async fn carry_out(
        &self,
        claim: &Claim,
        lifeline: &Arc<Lifeline>,
    ) -> Result<Option<RunEnd>, Interrupted> {
        let lease = &claim.lease;
        if claim.run.cancel_requested && claim.run.state == RunState::Planning {
            return Err(Interrupted::Cancelled);
        }
        let client = self.clients.of(&self.portal, lease.application_id).await?;
        let mut run = claim.run.clone();
        if run.state == RunState::Planning {
            let planned = if run.scope == RunScope::Tenant {
                tenant::make(self, lease, &run, &client).await?
            } else {
                self.plan(lease, &run, &client).await?
            };
            run = match planned {
                planned if planned.state == RunState::Applying => planned,
                _ => return Ok(None),
            };
        }
        self.apply(lease, &run, client, lifeline).await.map(Some)
    }

    async fn apply(
        &self,
        lease: &RunLease,
        run: &Run,
        client: signpost_graph::Client,
        lifeline: &Arc<Lifeline>,
    ) -> Result<RunEnd, Interrupted> {
        let store = &self.portal.store;
        runs::plan::begin_apply(store, lease, self.now()).await?;
        if run.tally.actions == 0 {
            return Ok(RunEnd::Done);
        }
        let client = client.guarded(Arc::<Lifeline>::clone(lifeline));
        let ended = if run.scope == RunScope::Tenant {
            Ended::Done
        } else {
            let journal = RunJournal::new(self.portal.clone(), lease.clone(), Arc::clone(lifeline));
            self.apply_to_accounts(&journal, client.clone()).await?
        };
        let ended = match ended {
            Ended::Done if run.scope != RunScope::Tenant => {
                groups::apply(self, lease, client.clone()).await?
            }
            other => other,
        };
        let ended = match ended {
            Ended::Done => tenant::apply(self, lease, client.clone()).await?,
            early => early,
        };
        plan::notice_seats_taken(self, lease, &client).await?;
        Ok(match ended {
            Ended::Done => RunEnd::Done,
            Ended::Cancelled => RunEnd::Cancelled,
            Ended::Failed(failure) => RunEnd::Failed(failure),
        })
    }

    async fn apply_to_accounts(
        &self,
        journal: &RunJournal,
        client: signpost_graph::Client,
    ) -> signpost_store::Result<Ended> {
        let tenant = GraphTenant::new(client, Arc::clone(&self.portal.random));
        let surroundings = Surroundings {
            clock: self.portal.graph_clock.as_ref(),
            random: self.portal.random.as_ref(),
        };
        apply(&tenant, journal, surroundings).await
    }

    async fn finish(&self, lease: &RunLease, end: &RunEnd) -> signpost_store::Result<()> {
        let now = self.now();
        let run = runs::finish(&self.portal.store, lease, end, now).await?;
        tracing::info!(
            run.id = %run.id,
            run.state = run.state.key(),
            applied = run.tally.applied,
            failed = run.tally.failed,
            "run ended"
        );
        let mut tx = self.portal.store.write().await?;
        if let Some(TenantRequest::RevertFederation { .. }) = run.request {
            settle_revert(&mut tx, &run, end, now).await?;
        }
        let mut told = false;
        match end {
            // What stands in the way of a change to the tenant itself says nothing of syncs.
            RunEnd::Failed(failure) if run.scope == RunScope::Tenant => {
                tracing::warn!(run.id = %run.id, cause = failure.text, "run failed");
            }
            RunEnd::Failed(failure) => {
                tracing::warn!(run.id = %run.id, cause = failure.text, "run failed");
                let failures = failures_of(&mut tx, lease.application_id).await?;
                let retry_at = now.plus_millis(retry_after_ms(failures));
                let state = ConnectionState::WithProblems;
                connections::count_failure(&mut tx, lease.application_id, state, retry_at).await?;
                if failures + 1 == FAILURES_TO_TELL {
                    self.tell(&mut tx, &run, failure).await?;
                    told = true;
                }
            }
            RunEnd::Done if run.tally.is_mass_failure() => {
                let failures = failures_of(&mut tx, lease.application_id).await?;
                let retry_at = now.plus_millis(retry_after_ms(failures.max(4)));
                let failure = mass_failure(&run);
                tracing::warn!(run.id = %run.id, cause = failure.text, "most changes failed");
                connections::quarantine(&mut tx, &run, &failure, retry_at).await?;
                if failures < FAILURES_TO_TELL {
                    self.tell(&mut tx, &run, &failure).await?;
                    told = true;
                }
            }
            RunEnd::Done => connections::forget_failures(&mut tx, lease.application_id).await?,
            RunEnd::Cancelled => {}
        }
        tx.commit().await?;
        if told {
            self.portal.mailer.notify_one();
        }
        if run.request.is_some() {
            tenant::look_again(self, lease, &run).await?;
        }
        Ok(())
    }

    /// Mails the operators once that a connection keeps failing.
    async fn tell(
        &self,
        tx: &mut signpost_store::Write,
        run: &Run,
        failure: &RunFailure,
    ) -> signpost_store::Result<()> {
        let (portal, now) = (&self.portal, self.now());
        app::mailing::queue_quarantine(tx, portal, run.application_id, &failure.text, now).await?;
        Ok(())
    }
}

/// Failed runs in a row so far.
async fn failures_of(
    tx: &mut signpost_store::Write,
    application: ApplicationId,
) -> signpost_store::Result<i64> {
    let connection = connections::find(tx, application).await?;
    Ok(connection.map_or(0, |connection| connection.failures))
}

/// A domain that was managed already is settled without a change; one that could not be taken back
/// says why, until the next attempt.
async fn settle_revert(
    tx: &mut signpost_store::Write,
    run: &Run,
    end: &RunEnd,
    now: Timestamp,
) -> signpost_store::Result<()> {
    let application = run.application_id;
    match end {
        RunEnd::Done if run.tally.actions == 0 => {
            federations::set_reverted(tx, application, &Author::SIGNPOST, now).await
        }
        RunEnd::Failed(failure) => federations::set_trouble(tx, application, &failure.text).await,
        _ => Ok(()),
    }
}

/// A connection that keeps failing is tried ever more rarely: one minute at first, one hour at
/// last. A person may start a run at any time.
fn retry_after_ms(failures: i64) -> i64 {
    let doublings = u32::try_from(failures).unwrap_or(0).min(6);
    (MINUTE_MS << doublings).min(60 * MINUTE_MS)
}

/// What people read when most of a run's changes failed.
fn mass_failure(run: &Run) -> RunFailure {
    let tally = run.tally;
    RunFailure {
        text: format!(
            "{} of {} changes failed. Look at the failures of the last run, mend the cause, and select Retry failed.",
            tally.failed,
            tally.applied + tally.failed
        ),
        code: None,
        request_id: None,
    }
}

/// Whether the tenant is read in full: what the schedule does now and then, and the command line
/// on demand. A person who presses Sync Users gets everyone planned against what the delta says,
/// which costs a handful of calls when nothing changed.
fn reads_everything(run: &Run) -> bool {
    run.scope == RunScope::Everyone
        && matches!(run.trigger, Trigger::Schedule | Trigger::CommandLine)
}

/// Whether the run was taken over so often that the error will not go away by itself.
fn gives_up(lease: &RunLease, error: &signpost_store::Error) -> bool {
    lease.fence > MOST_CLAIMS && !matches!(error, signpost_store::Error::LeaseLost)
}

/// What people read when it is our own fault: the log has the rest.
fn own_error() -> RunFailure {
    RunFailure {
        text: "Signpost itself failed while working on this run. Its log says why, under the number of the run."
            .to_owned(),
        code: None,
        request_id: None,
    }
}

/// The error with all its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Worker {
    /// Reads the tenant, decides everything, and stores the plan.
    async fn plan(
        &self,
        lease: &RunLease,
        run: &Run,
        client: &signpost_graph::Client,
    ) -> Result<Run, Interrupted> {
        let store = &self.portal.store;
        let application = {
            let mut db = store.read().await?;
            applications::find(&mut db, lease.application_id).await?
        };
        let Some(application) = application else {
            return Err(Interrupted::Cancelled);
        };
        self.observe(lease, run, client).await?;
        groups::observe(self, lease, run, client).await?;
        plan::make(self, lease, run, &application, client).await
    }

    async fn observe(
        &self,
        lease: &RunLease,
        run: &Run,
        client: &signpost_graph::Client,
    ) -> Result<(), Interrupted> {
        let sink = sink::Sink::new(self.portal.clone(), lease.clone());
        let link = if reads_everything(run) {
            None
        } else {
            sink.delta_link().await?
        };
        let link = link.as_ref().map(signpost_model::Secret::expose);
        let observed = signpost_sync::observe::observe(client, &sink, link).await?;
        tracing::debug!(
            full = observed.full,
            accounts = observed.accounts,
            "tenant observed"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_always_fails_by_our_own_fault_is_given_up() {
        let lease = |fence| RunLease {
            run_id: signpost_model::RunId::from_number(1),
            application_id: ApplicationId::from_number(1),
            holder: String::new(),
            fence,
            length_ms: LEASE_MS,
        };
        let broken = signpost_store::Error::NotFound("run");
        assert!(!gives_up(&lease(1), &broken));
        assert!(gives_up(&lease(MOST_CLAIMS + 1), &broken));
        let lost = signpost_store::Error::LeaseLost;
        assert!(!gives_up(&lease(MOST_CLAIMS + 1), &lost));
    }

    #[test]
    fn a_failing_connection_is_tried_ever_more_rarely() {
        assert_eq!(retry_after_ms(0), MINUTE_MS);
        assert_eq!(retry_after_ms(3), 8 * MINUTE_MS);
        assert_eq!(retry_after_ms(1_000), 60 * MINUTE_MS);
    }
}
