//! When to try again: what `Retry-After` says, how long to wait without it, and how often at most.

use std::time::Duration;

use rand::Rng;

/// Longest wait that a server can ask for; more is treated as this.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Cap of the growing delay.
const CAP: Duration = Duration::from_secs(60);

/// Reads `Retry-After`: seconds, possibly fractional, or an HTTP date. Nonsense counts as absent.
pub fn parse_retry_after(value: &str, now_ms: i64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        let sane = seconds.is_finite() && seconds >= 0.0;
        return sane.then(|| Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())));
    }
    let wait = parse_date(value)?.saturating_sub(now_ms).max(0);
    Some(Duration::from_millis(wait.unsigned_abs()).min(LONGEST))
}

/// Reads an HTTP date as milliseconds.
pub(crate) fn parse_date(value: &str) -> Option<i64> {
    let date = jiff::fmt::rfc2822::parse(value.trim()).ok()?;
    Some(date.timestamp().as_millisecond())
}

/// Full jitter: anything from nothing to a cap that doubles with every try, but never less than
/// what the server asked for.
pub fn backoff(tries: u32, retry_after: Option<Duration>, random: &mut impl Rng) -> Duration {
    let cap = Duration::from_secs(1)
        .saturating_mul(1 << tries.min(10))
        .min(CAP);
    let jitter = cap.mul_f64(random.random::<f64>());
    retry_after.map_or(jitter, |least| least.max(jitter))
}

/// Keeps retries below a tenth of all calls, so that an outage is not made worse by its victims.
/// Waiting as told by `Retry-After` is not counted.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    tokens: f64,
}

impl RetryBudget {
    const FULL: f64 = 10.0;
    const PER_CALL: f64 = 0.1;

    pub(crate) fn new() -> Self {
        Self { tokens: Self::FULL }
    }

    pub(crate) fn earn(&mut self) {
        self.tokens = (self.tokens + Self::PER_CALL).min(Self::FULL);
    }

    pub(crate) fn spend(&mut self) -> bool {
        let affordable = self.tokens >= 1.0;
        if affordable {
            self.tokens -= 1.0;
        }
        affordable
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const NOW: i64 = 1_788_250_530_000; // Tue, 01 Sep 2026 08:15:30 GMT

    #[test]
    fn retry_after_is_seconds_fractions_or_a_date() {
        assert_eq!(parse_retry_after("7", NOW), Some(Duration::from_secs(7)));
        assert_eq!(
            parse_retry_after(" 2.128 ", NOW),
            Some(Duration::from_millis(2_128))
        );
        assert_eq!(
            parse_retry_after("Tue, 01 Sep 2026 08:16:00 GMT", NOW),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            parse_retry_after("Tue, 01 Sep 2026 08:00:00 GMT", NOW),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn nonsense_counts_as_absent_and_an_age_is_cut_to_a_day() {
        for nonsense in [
            "",
            "soon",
            "-3",
            "NaN",
            "inf",
            "7 seconds",
            "Tue, 99 Sep 2026",
        ] {
            assert_eq!(parse_retry_after(nonsense, NOW), None, "{nonsense}");
        }
        assert_eq!(parse_retry_after("1e300", NOW), Some(LONGEST));
    }

    #[test]
    fn budget_allows_a_tenth() {
        let mut budget = RetryBudget::new();
        while budget.spend() {}
        let retries = (0..1_000).filter(|_| {
            budget.earn();
            budget.spend()
        });
        assert!(retries.count() <= 100);
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic_and_bounded(value in ".{0,60}", now in any::<i64>()) {
            prop_assert!(parse_retry_after(&value, now).is_none_or(|wait| wait <= LONGEST));
        }

        #[test]
        fn any_seconds_are_read_as_they_are(seconds in 0.0..86_400.0f64) {
            let wait = parse_retry_after(&seconds.to_string(), NOW).unwrap();
            prop_assert!((wait.as_secs_f64() - seconds).abs() < 1e-6);
        }

        #[test]
        fn backoff_stays_between_what_was_asked_and_its_cap(
            seed: u64, tries in 0u32..40, asked in proptest::option::of(0u64..200),
        ) {
            let asked = asked.map(Duration::from_secs);
            let wait = backoff(tries, asked, &mut StdRng::seed_from_u64(seed));
            let cap = Duration::from_secs(1 << tries.min(6)).min(CAP);
            prop_assert!(wait >= asked.unwrap_or_default());
            prop_assert!(wait <= cap.max(asked.unwrap_or_default()));
        }
    }
}
