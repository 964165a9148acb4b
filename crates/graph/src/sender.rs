//! What every call shares: the network, the clock, the randomness, the observer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::clock::Clock;
use crate::error::Call;
use crate::observe::{Observation, Observer};
use crate::retry::{RetryBudget, backoff};
use crate::throttle::Priority;
use crate::transport::{Answer, Limits, Lost, Outgoing, Transport};

#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) observer: Arc<dyn Observer>,
    transport: Transport,
    random: Mutex<StdRng>,
    budget: Mutex<RetryBudget>,
}

/// A person is told sooner: further tries would only keep the page waiting.
const INTERACTIVE_TRIES: u32 = 2;
const INTERACTIVE_WAIT: Duration = Duration::from_secs(10);

impl Sender {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        transport: Transport,
        limits: Limits,
        seed: u64,
    ) -> Self {
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        let budget = Mutex::new(RetryBudget::new());
        Self {
            clock,
            limits,
            observer,
            transport,
            random,
            budget,
        }
    }

    /// Sends once and tells the observer.
    pub(crate) async fn send(
        &self,
        outgoing: Outgoing,
        call: Call,
        attempt: u32,
    ) -> Result<Answer, Lost> {
        self.lock_budget().earn();
        let started_ms = self.clock.now_ms();
        let sent = self.transport.send(outgoing, started_ms).await;
        let answer = sent.as_ref().ok();
        let observation = Observation {
            route: call.route,
            status: answer.map(|a| a.status),
            duration: self.since(started_ms),
            attempt,
            in_batch: false,
            client_request_id: call.client_request_id,
            request_id: answer.and_then(|a| a.headers.request_id.as_deref()),
        };
        tracing::debug!(
            graph.route = %call.route,
            graph.status = observation.status,
            graph.request_id = observation.request_id,
            graph.client_request_id = %call.client_request_id,
            duration_ms = observation.duration.as_millis() as u64,
            attempt,
            "called Graph"
        );
        self.observer.observe(&observation);
        sent
    }

    /// How long to wait after `tried` tries, or `None` to give up.
    pub(crate) fn may_retry(
        &self,
        tried: u32,
        retry_after: Option<Duration>,
        priority: Priority,
    ) -> Option<Duration> {
        let wait = self.delay(tried, retry_after);
        self.permits(tried, wait, retry_after.is_some(), priority)
            .then_some(wait)
    }

    /// A delay that grows with the tries, and is never less than what was asked for.
    pub(crate) fn delay(&self, tried: u32, retry_after: Option<Duration>) -> Duration {
        backoff(
            tried.saturating_sub(1),
            retry_after,
            &mut *self.lock_random(),
        )
    }

    /// Whether another try after `wait` is within the limits, and affordable if nobody `asked`
    /// for it.
    pub(crate) fn permits(
        &self,
        tried: u32,
        wait: Duration,
        asked: bool,
        priority: Priority,
    ) -> bool {
        let Limits {
            tries,
            wait: longest,
            ..
        } = self.limits;
        let (tries, longest) = match priority {
            Priority::Background => (tries, longest),
            Priority::Interactive => (tries.min(INTERACTIVE_TRIES), longest.min(INTERACTIVE_WAIT)),
        };
        tried < tries && wait <= longest && (asked || self.lock_budget().spend())
    }

    /// A fresh random id.
    pub(crate) fn mint_id(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.lock_random().random()).into_uuid()
    }

    pub(crate) fn since(&self, started_ms: i64) -> Duration {
        let passed = self.clock.now_ms().saturating_sub(started_ms).max(0);
        Duration::from_millis(passed.unsigned_abs())
    }

    fn lock_random(&self) -> std::sync::MutexGuard<'_, StdRng> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_budget(&self) -> std::sync::MutexGuard<'_, RetryBudget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
