//! Argon2id on threads of its own, in bounded memory.
//!
//! Default allocation per hash took a small process to 4.9 GiB under a flood of sign-ins; few
//! threads, each with blocks that it uses again, hold it at 19 MiB each at the same rate. They
//! leave a core for pages. They do not step back behind other programs: on a busy machine signing
//! in would take seconds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Argon2, Block};
use signpost_model::Secret;
use tokio::sync::oneshot;

use super::{OUTPUT_BYTES, Waiting};

/// Hashes at the same time, at most: each takes one core and 19 MiB.
const MOST_THREADS: usize = 2;

/// What there is to derive.
pub(super) struct Job {
    pub(super) argon2: Argon2<'static>,
    pub(super) password: Secret,
    pub(super) salt: Vec<u8>,
    /// Its place in the queue, given back when it is done with: also when nobody waits any more.
    pub(super) _place: Waiting,
}

struct Order {
    job: Job,
    answer: oneshot::Sender<argon2::Result<Vec<u8>>>,
}

/// The queue of the hashing threads, which end with it.
#[derive(Clone)]
pub(super) struct Hashing {
    orders: Sender<Order>,
}

impl Hashing {
    /// Starts the threads.
    pub(super) fn start() -> std::io::Result<Self> {
        let (orders, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads() {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || work(&queue))?;
        }
        Ok(Self { orders })
    }

    /// Waits for a thread and for what it derives; `None` when there is none any more.
    pub(super) async fn derive(&self, job: Job) -> Option<argon2::Result<Vec<u8>>> {
        let (answer, derived) = oneshot::channel();
        self.orders.send(Order { job, answer }).ok()?;
        derived.await.ok()
    }
}

/// One core stays free for pages where there is more than one.
fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.saturating_sub(1).clamp(1, MOST_THREADS)
}

fn work(queue: &Mutex<Receiver<Order>>) {
    let mut blocks = Vec::new();
    while let Some(Order { job, answer }) = next(queue) {
        // Who has gone meanwhile costs nothing more.
        if answer.is_closed() {
            continue;
        }
        // A thread that ended would be missing for ever.
        let derived = catch_unwind(AssertUnwindSafe(|| derive(&job, &mut blocks)));
        drop(job);
        if let Ok(derived) = derived {
            // Nobody may be waiting any more.
            let _ = answer.send(derived);
        }
    }
}

fn next(queue: &Mutex<Receiver<Order>>) -> Option<Order> {
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.recv().ok()
}

fn derive(job: &Job, blocks: &mut Vec<Block>) -> argon2::Result<Vec<u8>> {
    blocks.resize(job.argon2.params().block_count(), Block::default());
    let mut output = vec![0; OUTPUT_BYTES];
    job.argon2.hash_password_into_with_memory(
        job.password.expose().as_bytes(),
        &job.salt,
        &mut output,
        blocks,
    )?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Params, Version};

    use super::*;

    fn job(password: &str) -> Job {
        let params = Params::new(1_024, 1, 1, Some(32)).unwrap();
        Job {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            password: Secret::new(password),
            salt: vec![7; 16],
            _place: Waiting::default(),
        }
    }

    #[test]
    fn memory_of_a_hash_is_used_again() {
        let mut blocks = Vec::new();
        let first = derive(&job("a few words"), &mut blocks).unwrap();
        let memory = blocks.as_ptr();
        let other = derive(&job("other words"), &mut blocks).unwrap();
        let again = derive(&job("a few words"), &mut blocks).unwrap();
        assert_eq!(blocks.as_ptr(), memory);
        assert_ne!(first, other);
        assert_eq!(first, again);
    }

    #[tokio::test]
    async fn many_at_once_are_all_answered() {
        let hashing = Hashing::start().unwrap();
        let all = (0..50).map(|number| {
            let hashing = hashing.clone();
            async move { hashing.derive(job(&number.to_string())).await }
        });
        let mut hashes: Vec<_> = futures::future::join_all(all)
            .await
            .into_iter()
            .map(|derived| derived.unwrap().unwrap())
            .collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 50);
    }
}
