//! Staying just under Microsoft's quotas: a token bucket per tenant that learns from the answers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as Line;

use crate::clock::Clock;
use crate::route::Cost;

/// Who waits for a call: the quota keeps a reserve for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Priority {
    /// A person is waiting for this call.
    Interactive,
    /// A worker; Microsoft throttles these first too.
    Background,
}

impl Priority {
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Interactive => "high",
            Self::Background => "low",
        }
    }
}

/// Size class of a tenant, which decides its resource units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TenantSize {
    /// Fewer than 50 users; assumed until somebody knows better.
    #[default]
    Small,
    /// 50 to 500 users.
    Medium,
    /// More than 500 users.
    Large,
}

impl TenantSize {
    /// The class of a tenant with this many users.
    pub fn of(users: u64) -> Self {
        match users {
            0..50 => Self::Small,
            50..=500 => Self::Medium,
            _ => Self::Large,
        }
    }

    fn units_per_10_s(self) -> f64 {
        match self {
            Self::Small => 3_500.0,
            Self::Medium => 5_000.0,
            Self::Large => 8_000.0,
        }
    }
}

/// One quota as a token bucket: `capacity` at once, refilled at `per_second`.
/// A plain value, so that it can also live in a row that several processes share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Most tokens it can hold.
    pub capacity: f64,
    /// Tokens that come back every second.
    pub per_second: f64,
    /// Tokens it holds at `at_ms`; below zero after an answer cost more than expected.
    pub level: f64,
    /// When `level` was true.
    pub at_ms: i64,
}

impl Bucket {
    /// A full bucket.
    pub fn full(capacity: f64, per_second: f64, now_ms: i64) -> Self {
        Self {
            capacity,
            per_second,
            level: capacity,
            at_ms: now_ms,
        }
    }

    /// Takes `cost` and leaves `reserve`, or says how long to wait until that is possible.
    /// `share` of the refill is used: less than 1 keeps a distance from the limit.
    pub fn take(
        &mut self,
        cost: f64,
        reserve: f64,
        share: f64,
        now_ms: i64,
    ) -> Result<(), Duration> {
        self.refill(share, now_ms);
        // A request larger than the bucket passes when the bucket is full, or it never would.
        let needed = (cost + reserve).min(self.capacity);
        if self.level >= needed {
            self.level -= cost;
            return Ok(());
        }
        let seconds = (needed - self.level) / (self.per_second * share);
        Err(Duration::from_secs_f64(seconds).max(Duration::from_millis(1)))
    }

    fn refill(&mut self, share: f64, now_ms: i64) {
        // A clock that was set back must not empty the bucket.
        let passed = now_ms.saturating_sub(self.at_ms).max(0) as f64 / 1_000.0;
        self.level = (self.level + passed * self.per_second * share).min(self.capacity);
        self.at_ms = now_ms;
    }
}

/// Documented limits of one application in one tenant (graph throttling page, 2025-26).
const WRITES_PER_WINDOW: f64 = 3_000.0;
const WRITE_WINDOW_S: f64 = 150.0;

/// Kept back for calls that a person waits for.
const RESERVE: f64 = 0.05;

/// Share of the refill that is used: at first, at most, and at least.
const SHARE_START: f64 = 0.95;
const SHARE_MOST: f64 = 0.99;
const SHARE_LEAST: f64 = 0.2;

/// How often the share may move up or down.
const STEP_MS: i64 = 10_000;

/// Refusals in a row after which the quota is taken to be exhausted, whatever the headers say.
const REFUSALS_IN_A_ROW: u32 = 20;

/// No refusal closes the quota for longer than this.
const LONGEST_PAUSE_MS: i64 = 10 * 60 * 1_000;

/// The quotas of one application in one tenant. Clones share the same state: give one to every
/// client of the same tenant.
#[derive(Clone)]
pub struct Throttle(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Background calls queue here, so that they are served in order and people pass them.
    line: Line<()>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    writes: Bucket,
    units: Bucket,
    share: f64,
    share_moved_ms: i64,
    paused_until_ms: i64,
    refusals_in_a_row: u32,
}

/// What an answer says about the quota.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// `x-ms-resource-unit`: what the call cost.
    pub units: Option<f64>,
    /// `x-ms-throttle-limit-percentage`: 1.0 is the limit.
    pub percentage: Option<f64>,
    /// Whether the call was refused with 429.
    pub refused: bool,
    /// Whether the refusal names the exhausted quota (`x-ms-throttle-scope` or `-information`).
    pub names_quota: bool,
    /// How long the refusal asks to wait.
    pub retry_after: Option<Duration>,
}

impl Throttle {
    /// Full buckets for a tenant of this size.
    pub fn new(size: TenantSize, now_ms: i64) -> Self {
        let units = size.units_per_10_s();
        let state = State {
            writes: Bucket::full(
                WRITES_PER_WINDOW,
                WRITES_PER_WINDOW / WRITE_WINDOW_S,
                now_ms,
            ),
            units: Bucket::full(units, units / 10.0, now_ms),
            share: SHARE_START,
            share_moved_ms: now_ms,
            paused_until_ms: now_ms,
            refusals_in_a_row: 0,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            line: Line::new(()),
        }))
    }

    /// Corrects the resource units once the number of users is known.
    pub fn set_tenant_size(&self, size: TenantSize) {
        self.with(|state| {
            let units = size.units_per_10_s();
            state.units.level += units - state.units.capacity;
            state.units.capacity = units;
            state.units.per_second = units / 10.0;
        });
    }

    /// Waits until `cost` fits under the quota, and takes it.
    pub async fn take(&self, cost: Cost, priority: Priority, clock: &dyn Clock) {
        let _turn = match priority {
            Priority::Background => Some(self.0.line.lock().await),
            Priority::Interactive => None,
        };
        while let Err(wait) = self.with(|state| state.take(cost, priority, clock.now_ms())) {
            clock.sleep(wait).await;
        }
    }

    /// Learns from an answer to a call that was expected to cost `cost`.
    pub fn learn(&self, cost: Cost, usage: &Usage, now_ms: i64) {
        self.with(|state| state.learn(cost, usage, now_ms));
    }

    /// The write bucket as it is, for metrics.
    pub fn writes(&self) -> Bucket {
        self.with(|state| state.writes)
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|state| state.fmt(f))
    }
}

impl State {
    fn take(&mut self, cost: Cost, priority: Priority, now_ms: i64) -> Result<(), Duration> {
        self.recover(now_ms);
        let reserve = match priority {
            Priority::Interactive => 0.0,
            Priority::Background if now_ms < self.paused_until_ms => {
                let left = self.paused_until_ms.saturating_sub(now_ms);
                return Err(Duration::from_millis(left.unsigned_abs()));
            }
            Priority::Background => RESERVE,
        };
        let before = self.writes;
        if cost.writes > 0 {
            let kept = reserve * self.writes.capacity;
            self.writes
                .take(f64::from(cost.writes), kept, self.share, now_ms)?;
        }
        let kept = reserve * self.units.capacity;
        let units = self
            .units
            .take(f64::from(cost.units), kept, self.share, now_ms);
        if units.is_err() {
            self.writes = before;
        }
        units
    }

    fn learn(&mut self, cost: Cost, usage: &Usage, now_ms: i64) {
        if let Some(units) = usage.units {
            self.units.level -= units - f64::from(cost.units);
        }
        if !usage.refused {
            self.refusals_in_a_row = 0;
            if usage.percentage.is_some_and(|p| p > 1.0) {
                self.slow_down(0.95, now_ms);
            }
            return;
        }
        self.refusals_in_a_row += 1;
        if !usage.names_quota && self.refusals_in_a_row < REFUSALS_IN_A_ROW {
            return;
        }
        // The server's bucket is empty, so ours is.
        self.slow_down(0.9, now_ms);
        if cost.writes > 0 {
            self.writes.level = self.writes.level.min(0.0);
        } else {
            self.units.level = self.units.level.min(0.0);
        }
        let pause = usage
            .retry_after
            .map_or(0, |wait| wait.as_millis() as i64)
            .min(LONGEST_PAUSE_MS);
        self.paused_until_ms = self.paused_until_ms.max(now_ms.saturating_add(pause));
    }

    fn slow_down(&mut self, factor: f64, now_ms: i64) {
        if now_ms.saturating_sub(self.share_moved_ms) >= STEP_MS || self.share >= SHARE_START {
            self.share = (self.share * factor).max(SHARE_LEAST);
            self.share_moved_ms = now_ms;
        }
    }

    fn recover(&mut self, now_ms: i64) {
        let steps = now_ms.saturating_sub(self.share_moved_ms) / STEP_MS;
        if steps > 0 {
            self.share = (self.share + 0.01 * steps.min(100) as f64).min(SHARE_MOST);
            self.share_moved_ms = now_ms;
        }
    }
}

/// How many background calls may be under way: grows while all is well, halves on a refusal.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    freed: tokio::sync::Notify,
}

#[derive(Debug)]
struct GateState {
    limit: usize,
    most: usize,
    in_flight: usize,
    successes: usize,
}

impl Gate {
    pub(crate) fn new(start: usize, most: usize) -> Self {
        let (limit, most) = (start.max(1).min(most.max(1)), most.max(1));
        let state = GateState {
            limit,
            most,
            in_flight: 0,
            successes: 0,
        };
        Self {
            state: Mutex::new(state),
            freed: tokio::sync::Notify::new(),
        }
    }

    pub(crate) async fn enter(&self) -> Pass<'_> {
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.lock();
                if state.in_flight < state.limit {
                    state.in_flight += 1;
                    if state.in_flight < state.limit {
                        // Two places freed at once wake one waiter: pass it on.
                        self.freed.notify_one();
                    }
                    return Pass(self);
                }
            }
            freed.await;
        }
    }

    pub(crate) fn succeed(&self) {
        let mut state = self.lock();
        state.successes += 1;
        if state.successes >= state.limit && state.in_flight >= state.limit {
            state.successes = 0;
            state.limit = (state.limit + 1).min(state.most);
            self.freed.notify_one();
        }
    }

    pub(crate) fn halve(&self) {
        let mut state = self.lock();
        state.limit = (state.limit / 2).max(1);
        state.successes = 0;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the calls under way, given back when dropped.
#[derive(Debug)]
pub(crate) struct Pass<'a>(&'a Gate);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
        self.0.freed.notify_one();
    }
}
