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

    /// How long to wait before try number `tried` (the first is 0), or `None` to give up.
    pub(crate) fn may_retry(
        &self,
        tried: u32,
        retry_after: Option<Duration>,
        priority: Priority,
    ) -> Option<Duration> {
        let (tries, longest) = match priority {
            Priority::Background => (self.limits.tries, self.limits.wait),
            Priority::Interactive => (
                self.limits.tries.min(INTERACTIVE_TRIES),
                self.limits.wait.min(INTERACTIVE_WAIT),
            ),
        };
        if tried >= tries || (retry_after.is_none() && !self.lock_budget().spend()) {
            return None;
        }
        let wait = backoff(tried - 1, retry_after, &mut *self.lock_random());
        (wait <= longest).then_some(wait)
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
