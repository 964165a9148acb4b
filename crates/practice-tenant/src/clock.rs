//! The tenant's own time: the system's, or one that only moves when told.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Milliseconds since 1970, UTC.
pub(crate) type Millis = i64;

/// Where the tenant reads its time. Clones share it, so a test can hold the same clock as its engine.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
    offset: Arc<AtomicI64>,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    System,
    Simulated,
}

impl Clock {
    /// The machine's clock, which `POST /_practice/clock` can still move ahead.
    pub fn system() -> Self {
        Self {
            source: Source::System,
            offset: Arc::new(AtomicI64::new(0)),
        }
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    pub fn simulated(start_ms: i64) -> Self {
        Self {
            source: Source::Simulated,
            offset: Arc::new(AtomicI64::new(start_ms)),
        }
    }

    /// Now, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        let offset = self.offset.load(Ordering::Relaxed);
        match self.source {
            Source::Simulated => offset,
            Source::System => system_ms() + offset,
        }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by_ms: i64) {
        self.offset.fetch_add(by_ms, Ordering::Relaxed);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this crate reads the machine's clock"
)]
fn system_ms() -> i64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    elapsed.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// `2026-09-01T08:15:30Z`, as Graph writes instants: whole seconds.
pub(crate) fn instant(ms: Millis) -> String {
    let seconds = jiff::Timestamp::from_second(ms.div_euclid(1000)).unwrap_or_default();
    seconds.to_string()
}

/// `2026-09-01T08:15:30`: the date inside an error, UTC without saying so.
pub(crate) fn error_date(ms: Millis) -> String {
    let mut text = instant(ms);
    text.pop();
    text
}

/// Reads an instant as Graph's callers write it.
pub(crate) fn parse_instant(text: &str) -> Option<Millis> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(|at| at.as_millisecond())
}
