//! How long to wait, and how often.

use std::time::Duration;

use signpost_model::Random;

/// A write is tried this often at most: more would only repeat what an operator has to see.
pub(crate) const TRIES: u32 = 4;

/// An account is read back this often before its write counts as failed.
pub(crate) const LOOKS: u32 = 4;

/// How often to wait for a new account to reach every replica: a minute and a half together.
pub(crate) const REPLICATION_WAITS: u32 = 7;

const CAP: Duration = Duration::from_secs(60);

/// Full jitter over a cap that doubles with every try, and never less than was asked for.
pub(crate) fn retry(tries: u32, asked: Option<Duration>, random: &dyn Random) -> Duration {
    let cap = Duration::from_secs(1 << tries.min(6)).min(CAP);
    asked.unwrap_or_default().max(cap.mul_f64(share(random)))
}

/// The time that replicas get to catch up: 1, 2, 4, … 30 seconds, give or take.
pub(crate) fn replication(waits: u32, random: &dyn Random) -> Duration {
    let base = Duration::from_secs(1 << waits.min(5)).min(Duration::from_secs(30));
    base.mul_f64(0.5 + share(random) / 2.0)
}

fn share(random: &dyn Random) -> f64 {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use signpost_model::random::SeededRandom;

    #[test]
    fn a_retry_never_comes_before_it_was_asked_for_and_never_after_the_cap() {
        let random = SeededRandom::new(7);
        for tries in 0..40 {
            assert!(retry(tries, None, &random) <= CAP);
            let asked = Duration::from_secs(90);
            assert!(retry(tries, Some(asked), &random) >= asked);
        }
    }

    #[test]
    fn replicas_get_more_than_half_a_minute_to_catch_up() {
        let random = SeededRandom::new(7);
        let waits = (0..REPLICATION_WAITS).map(|waits| replication(waits, &random));
        assert!(waits.sum::<Duration>() > Duration::from_secs(40));
    }
}
