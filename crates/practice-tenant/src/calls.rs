//! What was called: counts for tests and benchmarks, the last calls for people.

use std::collections::{BTreeMap, VecDeque};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use uuid::Uuid;

use crate::clock::Millis;

const KEPT: usize = 200;

/// Counts since the last reset.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Counts {
    /// HTTP requests to Graph; a batch is one.
    pub(crate) total: u64,
    /// Token requests, not part of `total`.
    pub(crate) tokens: u64,
    /// Reads and writes count the parts of a batch, not the batch.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// Accepted writes that changed nothing.
    pub(crate) unchanged_writes: u64,
    /// Answers of 400 and above other than 429.
    pub(crate) refused: u64,
    pub(crate) throttled: u64,
    pub(crate) batches: u64,
    pub(crate) parts: u64,
    /// Faults that happened.
    pub(crate) faults: u64,
    /// Requests that were carried out after their connection was cut.
    pub(crate) late: u64,
    /// TCP connections accepted.
    pub(crate) connections: u64,
    pub(crate) by_route: BTreeMap<String, u64>,
    pub(crate) by_status: BTreeMap<u16, u64>,
}

/// One call as the page for people shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Noted {
    pub(crate) at: Millis,
    pub(crate) route: String,
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) request_id: Uuid,
    pub(crate) in_batch: bool,
}

#[derive(Debug)]
pub(crate) struct CallLog {
    pub(crate) counts: Counts,
    pub(crate) last: VecDeque<Noted>,
    random: StdRng,
}

impl CallLog {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            counts: Counts::default(),
            last: VecDeque::new(),
            random: StdRng::seed_from_u64(seed ^ 0x5157),
        }
    }

    pub(crate) fn reset(&mut self) {
        self.counts = Counts::default();
        self.last.clear();
    }

    pub(crate) fn request_id(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.random()).into_uuid()
    }

    pub(crate) fn draw(&mut self, below: usize) -> usize {
        self.random.random_range(0..below.max(1))
    }

    pub(crate) fn note(&mut self, noted: Noted) {
        count(&mut self.counts.by_route, noted.route.as_str());
        *self.counts.by_status.entry(noted.status).or_default() += 1;
        match noted.status {
            429 => self.counts.throttled += 1,
            400.. => self.counts.refused += 1,
            _ => {}
        }
        if self.last.len() >= KEPT {
            self.last.pop_front();
        }
        self.last.push_back(noted);
    }
}

/// Counts without making a new key for a route already known.
fn count(by_route: &mut BTreeMap<String, u64>, route: &str) {
    match by_route.get_mut(route) {
        Some(count) => *count += 1,
        None => drop(by_route.insert(route.to_owned(), 1)),
    }
}
