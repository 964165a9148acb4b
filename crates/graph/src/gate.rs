//! How many calls are under way at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many background calls may be under way: grows while all is well, halves on a refusal.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    freed: Notify,
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
            freed: Notify::new(),
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

    fn lock(&self) -> MutexGuard<'_, GateState> {
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn limit(gate: &Gate) -> usize {
        gate.lock().limit
    }

    #[test]
    fn only_so_many_enter_and_a_freed_place_is_taken() {
        let gate = Gate::new(2, 8);
        let first = gate.enter().now_or_never().unwrap();
        let _second = gate.enter().now_or_never().unwrap();
        let mut third = Box::pin(gate.enter());
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(third.now_or_never().is_some());
    }

    #[test]
    fn refusal_halves_and_success_at_the_limit_adds_one() {
        let gate = Gate::new(4, 5);
        gate.halve();
        assert_eq!(limit(&gate), 2);
        let _both = (
            gate.enter().now_or_never().unwrap(),
            gate.enter().now_or_never().unwrap(),
        );
        gate.succeed();
        gate.succeed();
        assert_eq!(limit(&gate), 3);
        for _ in 0..3 {
            gate.halve();
        }
        assert_eq!(limit(&gate), 1);
    }

    #[test]
    fn idle_successes_do_not_raise_the_limit() {
        let gate = Gate::new(4, 8);
        for _ in 0..100 {
            drop(gate.enter().now_or_never().unwrap());
            gate.succeed();
        }
        assert_eq!(limit(&gate), 4);
    }
}
