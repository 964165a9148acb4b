//! Holds back changes once the lease may be over: this process may have been stopped, swapped out
//! or cut off from the database for longer than the lease, and somebody else may be at work.
//!
//! The records are safe without it, since each write proves the lease in its own transaction. A
//! change that is on its way to Microsoft asks no database, so it asks here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use signpost_graph::WriteGuard;
use signpost_model::{Clock, Timestamp};

use super::LEASE_MS;

/// A call that is sent this long before the end of the lease has arrived when it ends.
const MARGIN_MS: i64 = 5_000;

/// How long a lease surely still holds.
#[derive(Debug)]
pub(super) struct Lifeline {
    clock: Arc<dyn Clock>,
    renewed: Mutex<Moment>,
}

/// An instant by both clocks: one may be set, the other may stand still while the machine sleeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    steady: Instant,
    wall: Timestamp,
}

impl Lifeline {
    /// Of a lease that was just claimed.
    pub(super) fn begin(clock: Arc<dyn Clock>) -> Self {
        let now = moment(clock.as_ref());
        Self {
            clock,
            renewed: Mutex::new(now),
        }
    }

    /// Now: to be taken before the lease is renewed.
    pub(super) fn now(&self) -> Moment {
        moment(self.clock.as_ref())
    }

    /// The lease was renewed at `moment` or later.
    pub(super) fn renew(&self, moment: Moment) {
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        // Who waited for the database may come later with an earlier moment.
        if moment.steady > renewed.steady {
            *renewed = moment;
        }
    }

    fn holds(&self, now: Moment) -> bool {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let most = LEASE_MS - MARGIN_MS;
        let passed = now.steady.saturating_duration_since(renewed.steady);
        passed < Duration::from_millis(most.unsigned_abs())
            && now.wall.millis_since(renewed.wall) < most
    }
}

fn moment(clock: &dyn Clock) -> Moment {
    Moment {
        steady: Instant::now(),
        wall: clock.now(),
    }
}

impl WriteGuard for Lifeline {
    fn may_write(&self) -> bool {
        self.holds(self.now())
    }
}

#[cfg(test)]
mod tests {
    use signpost_model::time::StoppedClock;

    use super::*;

    #[test]
    fn changes_are_held_back_before_the_lease_is_over_by_either_clock() {
        let clock = Arc::new(StoppedClock::at(Timestamp::from_millis(1_795_000_000_000)));
        let lifeline = Lifeline::begin(clock);
        let begin = lifeline.now();
        let later = |steady: u64, wall: i64| Moment {
            steady: begin.steady + Duration::from_millis(steady),
            wall: begin.wall.plus_millis(wall),
        };
        assert!(lifeline.holds(later(0, 0)));
        assert!(lifeline.holds(later(20_000, 20_000)));
        assert!(!lifeline.holds(later(25_001, 0)));
        assert!(!lifeline.holds(later(0, 25_001)));
        // A clock that was set back tells nothing; the other one does.
        assert!(lifeline.holds(later(1_000, -3_600_000)));
        lifeline.renew(later(25_001, 25_001));
        assert!(lifeline.holds(later(26_000, 26_000)));
    }
}
