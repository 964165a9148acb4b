//! What an installation costs: calls, time and memory of the real binary over real HTTP.
//!
//! `make bench` runs everything on SQLite in temporary folders and writes `BENCHMARKS.md`.
//! `cargo bench -p signpost-server --bench whole -- sync small` runs one part with fewer people
//! and writes nothing; the parts are `sync`, `planning` and `portal`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal, which stops at the first thing that goes wrong"
)]

mod directory;
mod load;
mod machine;
mod planning;
mod portal;
mod processes;
mod rehearsal;
mod report;
mod sync;

use report::Report;

/// How many people each part works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) small: i64,
    pub(crate) middle: i64,
    pub(crate) large: i64,
    /// How long each target is under load in each round.
    pub(crate) seconds: u64,
}

const FULL: Scale = Scale {
    small: 1_000,
    middle: 10_000,
    large: 100_000,
    seconds: 3,
};

const SMALL: Scale = Scale {
    small: 40,
    middle: 200,
    large: 2_000,
    seconds: 1,
};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let has = |word: &str| words.iter().any(|one| one == word);
    if has("hello") {
        return portal::serve_hello(words.last().unwrap()).await;
    }
    let scale = if has("small") { SMALL } else { FULL };
    let parts = ["planning", "sync", "portal"];
    let everything = !parts.iter().any(|part| has(part));
    let mut report = Report::begin();
    if everything || has("planning") {
        report.add(planning::measure(scale));
    }
    if everything || has("sync") {
        report.add(sync::first(scale.small).await);
        report.add(sync::first(scale.middle).await);
    }
    if everything || has("sync") || has("portal") {
        let (section, rehearsal) = sync::adopted(scale.large).await;
        report.add(section);
        if everything || has("portal") {
            report.extend(portal::measure(rehearsal, scale).await);
        }
    }
    let page = report.finish();
    println!("\n{page}");
    // Without optimisation the numbers mean nothing.
    if everything && scale.large == FULL.large && !cfg!(debug_assertions) {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../BENCHMARKS.md");
        std::fs::write(file, page).unwrap();
        eprintln!("BENCHMARKS.md is written");
    }
}
