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

/// How much one application may do in one tenant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// Writes at once.
    pub writes: f64,
    /// Writes that come back every second.
    pub writes_per_second: f64,
    /// Resource units at once.
    pub units: f64,
    /// Resource units that come back every second.
    pub units_per_second: f64,
}

impl Quota {
    /// What Microsoft documents: 3,000 writes per 150 s, resource units per 10 s by tenant size.
    /// <https://learn.microsoft.com/graph/throttling-limits#identity-and-access-service-limits>
    pub fn documented(size: TenantSize) -> Self {
        let units = size.units_per_10_s();
        Self {
            writes: 3_000.0,
            writes_per_second: 3_000.0 / 150.0,
            units,
            units_per_second: units / 10.0,
        }
    }

    /// None to speak of, for a practice tenant that does not throttle.
    pub fn unlimited() -> Self {
        // Large rather than infinite: a level that is infinite cannot be corrected.
        let plenty = 1e12;
        Self {
            writes: plenty,
            writes_per_second: plenty,
            units: plenty,
            units_per_second: plenty,
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

    fn resize(&mut self, capacity: f64, per_second: f64) {
        self.level += capacity - self.capacity;
        self.capacity = capacity;
        self.per_second = per_second;
    }

    fn refill(&mut self, share: f64, now_ms: i64) {
        // A clock that was set back refills nothing, and must not stop the refill either.
        let passed = now_ms.saturating_sub(self.at_ms).max(0) as f64 / 1_000.0;
        self.level = (self.level + passed * self.per_second * share).min(self.capacity);
        self.at_ms = now_ms;
    }
}

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
    /// Reads have a line of their own: they need not wait for the quota of writes.
    write_line: Line<()>,
    read_line: Line<()>,
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
    /// Full buckets.
    pub fn new(quota: Quota, now_ms: i64) -> Self {
        let state = State {
            writes: Bucket::full(quota.writes, quota.writes_per_second, now_ms),
            units: Bucket::full(quota.units, quota.units_per_second, now_ms),
            share: SHARE_START,
            share_moved_ms: now_ms,
            paused_until_ms: now_ms,
            refusals_in_a_row: 0,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            write_line: Line::default(),
            read_line: Line::default(),
        }))
    }

    /// Corrects the quota once more is known, such as the tenant's size. What is used stays used.
    pub fn set_quota(&self, quota: Quota) {
        self.with(|state| {
            state.writes.resize(quota.writes, quota.writes_per_second);
            state.units.resize(quota.units, quota.units_per_second);
        });
    }

    /// Waits until `cost` fits under the quota, and takes it.
    pub async fn take(&self, cost: Cost, priority: Priority, clock: &dyn Clock) {
        let line = if cost.writes > 0 {
            &self.0.write_line
        } else {
            &self.0.read_line
        };
        let _turn = match priority {
            Priority::Background => Some(line.lock().await),
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
            Priority::Background if self.pause_left_ms(now_ms) > 0 => {
                return Err(Duration::from_millis(
                    self.pause_left_ms(now_ms).unsigned_abs(),
                ));
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
        self.slow_down(0.7, now_ms);
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

    /// Bounded, so that a clock that was set back cannot turn a short pause into a long one.
    fn pause_left_ms(&self, now_ms: i64) -> i64 {
        let left = self.paused_until_ms.saturating_sub(now_ms);
        if left > LONGEST_PAUSE_MS { 0 } else { left }
    }

    fn slow_down(&mut self, factor: f64, now_ms: i64) {
        if now_ms.saturating_sub(self.share_moved_ms) >= STEP_MS || self.share >= SHARE_START {
            self.share = (self.share * factor).max(SHARE_LEAST);
            self.share_moved_ms = now_ms;
        }
    }

    fn recover(&mut self, now_ms: i64) {
        self.share_moved_ms = self.share_moved_ms.min(now_ms);
        let steps = now_ms.saturating_sub(self.share_moved_ms) / STEP_MS;
        if steps > 0 {
            self.share = (self.share + 0.01 * steps.min(100) as f64).min(SHARE_MOST);
            self.share_moved_ms = now_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use futures::future::BoxFuture;

    use super::*;

    /// Time that passes only by waiting.
    #[derive(Debug, Default)]
    struct WaitingClock(AtomicI64);

    impl Clock for WaitingClock {
        fn now_ms(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            self.0.fetch_add(
                duration.as_micros().div_ceil(1_000) as i64,
                Ordering::Relaxed,
            );
            Box::pin(std::future::ready(()))
        }
    }

    const BATCH: Cost = Cost {
        units: 20,
        writes: 20,
    };
    const WRITE: Cost = Cost {
        units: 1,
        writes: 1,
    };

    fn documented() -> Throttle {
        Throttle::new(Quota::documented(TenantSize::Large), 0)
    }

    /// A server with the documented write quota; counts what it would have refused.
    async fn run_against_server(batches: u32) -> (f64, u32) {
        let (clock, throttle) = (WaitingClock::default(), documented());
        let mut server = Bucket::full(3_000.0, 20.0, 0);
        let mut refused = 0;
        for _ in 0..batches {
            throttle.take(BATCH, Priority::Background, &clock).await;
            let now_ms = clock.now_ms();
            refused += u32::from(server.take(20.0, 0.0, 1.0, now_ms).is_err());
            // What is used of the bucket, as the header would say it.
            let percentage = Some(1.0 - server.level / server.capacity).filter(|p| *p > 0.8);
            let usage = Usage {
                percentage,
                ..Usage::default()
            };
            throttle.learn(BATCH, &usage, now_ms);
        }
        (clock.now_ms() as f64 / 1_000.0, refused)
    }

    #[tokio::test]
    async fn ten_minutes_at_the_quota_take_little_longer_than_it_allows_and_draw_no_refusal() {
        let (seconds, refused) = run_against_server(15_000 / 20).await;
        let ideal = (15_000.0 - 3_000.0) / 20.0;
        assert!(seconds <= 1.05 * ideal, "{seconds} s against {ideal} s");
        assert_eq!(refused, 0);
    }

    #[tokio::test]
    async fn background_leaves_a_reserve_that_people_use_at_once() {
        let (clock, throttle) = (WaitingClock::default(), documented());
        while clock.now_ms() == 0 {
            throttle.take(BATCH, Priority::Background, &clock).await;
        }
        let before = clock.now_ms();
        for _ in 0..100 {
            throttle.take(WRITE, Priority::Interactive, &clock).await;
        }
        assert_eq!(clock.now_ms(), before);
    }

    #[tokio::test]
    async fn refusal_that_names_the_quota_empties_the_bucket_and_closes_it_for_a_while() {
        let (clock, throttle) = (WaitingClock::default(), documented());
        let usage = Usage {
            refused: true,
            names_quota: true,
            retry_after: Some(Duration::from_secs(30)),
            ..Usage::default()
        };
        throttle.learn(WRITE, &usage, 0);
        throttle.take(WRITE, Priority::Background, &clock).await;
        assert!(clock.now_ms() >= 30_000);
        assert!(throttle.writes().level < 1_000.0);
    }

    #[tokio::test]
    async fn single_refusal_without_a_cause_does_not_stop_the_others() {
        let (clock, throttle) = (WaitingClock::default(), documented());
        let refused = Usage {
            refused: true,
            retry_after: Some(Duration::from_secs(30)),
            ..Usage::default()
        };
        throttle.learn(WRITE, &refused, 0);
        throttle.take(WRITE, Priority::Background, &clock).await;
        assert_eq!(clock.now_ms(), 0);
        for _ in 0..REFUSALS_IN_A_ROW {
            throttle.learn(WRITE, &refused, 0);
        }
        throttle.take(WRITE, Priority::Background, &clock).await;
        assert!(clock.now_ms() >= 30_000);
    }

    #[tokio::test]
    async fn over_the_limit_the_rate_falls_and_recovers() {
        let throttle = documented();
        let warned = Usage {
            percentage: Some(1.3),
            ..Usage::default()
        };
        throttle.learn(WRITE, &warned, 0);
        let slowed = throttle.with(|state| state.share);
        assert!(slowed < SHARE_START);
        throttle.with(|state| state.recover(1_000_000));
        assert_eq!(throttle.with(|state| state.share), SHARE_MOST);
    }

    #[test]
    fn clock_set_back_neither_fills_nor_blocks() {
        let mut bucket = Bucket::full(10.0, 1.0, 100_000);
        assert!(bucket.take(10.0, 0.0, 1.0, 100_000).is_ok());
        assert_eq!(
            bucket.take(1.0, 0.0, 1.0, 40_000),
            Err(Duration::from_secs(1))
        );
        assert!(bucket.take(1.0, 0.0, 1.0, 41_000).is_ok());
    }

    #[test]
    fn dearer_answers_than_expected_are_paid_for() {
        let throttle = documented();
        let usage = Usage {
            units: Some(5.0),
            ..Usage::default()
        };
        throttle.learn(WRITE, &usage, 0);
        assert_eq!(throttle.with(|state| state.units.level), 8_000.0 - 4.0);
    }

    #[test]
    fn unlimited_quota_never_waits() {
        let throttle = Throttle::new(Quota::unlimited(), 0);
        let take = || throttle.with(|state| state.take(BATCH, Priority::Background, 0));
        assert!((0..100_000).all(|_| take().is_ok()));
    }
}
