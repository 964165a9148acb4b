//! What an installation costs: calls, time and memory of the real binary over real HTTP.
//!
//! `make bench` runs everything on SQLite in temporary folders and writes `BENCHMARKS.md`;
//! `make bench PARTS="sync portal"` runs some parts and puts their tables in place of the old ones.
//! With `small` among the parts everything is done with fewer people and nothing is written.
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
mod quota;
mod rehearsal;
mod report;
mod sign_in;
mod signing;
mod sync;

use std::time::Duration;

use report::Report;

/// Everything that can be measured alone, in the order of the page.
const PARTS: [&str; 8] = [
    "planning", "sync", "groups", "quota", "flat", "large", "portal", "sign-in",
];

/// Nothing that works takes so long: whoever waits for it learns that something does not.
const LONGEST: Duration = Duration::from_secs(40 * 60);

/// How many people each part works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Scale {
    pub(crate) fn is_full(&self) -> bool {
        *self == FULL
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    if words.first().is_some_and(|word| word == "bare") {
        return portal::serve_bare(words.last().unwrap()).await;
    }
    let scale = if words.iter().any(|word| word == "small") {
        SMALL
    } else {
        FULL
    };
    let parts: Vec<&str> = (words.iter().map(String::as_str))
        .filter(|word| *word != "small")
        .collect();
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        eprintln!("there is no part {unknown:?}, only {}", PARTS.join(", "));
        std::process::exit(2);
    }
    std::thread::spawn(|| {
        std::thread::sleep(LONGEST);
        processes::end_all();
        eprintln!("this takes longer than {} minutes", LONGEST.as_secs() / 60);
        std::process::exit(3);
    });
    let report = measure(scale, &parts).await;
    // Without optimisation the numbers mean nothing.
    if scale.is_full() && !cfg!(debug_assertions) {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../BENCHMARKS.md");
        let before = std::fs::read_to_string(file).unwrap_or_default();
        let page = report.finish(&before, !parts.is_empty());
        std::fs::write(file, &page).unwrap();
        println!("\n{page}");
        eprintln!("BENCHMARKS.md is written");
    } else {
        println!("\n{}", report.finish("", false));
    }
    report.tell_missed();
}

/// Measures these parts; without any, all.
async fn measure(scale: Scale, parts: &[&str]) -> Report {
    let wants = |part: &str| parts.is_empty() || parts.contains(&part);
    let mut report = Report::begin();
    if wants("planning") {
        report.add(planning::measure(scale));
    }
    if wants("sync") {
        report.add(sync::first(scale.small).await);
        report.add(sync::first(scale.middle).await);
    }
    if wants("groups") {
        report.add(sync::with_groups(scale.small).await);
        report.add(sync::with_groups(scale.middle).await);
    }
    if wants("quota") {
        report.add(quota::measure(scale).await);
    }
    if wants("flat") {
        report.add(sync::flat(scale).await);
    }
    if wants("large") {
        let (section, rehearsal) = sync::adopted(scale.large).await;
        report.add(section);
        // Syncs leave memory behind; the portal is measured as it starts.
        drop((rehearsal.portal, rehearsal.practice));
        if wants("portal") {
            report.extend(portal::measure(rehearsal.beginning, scale).await);
        }
    } else if wants("portal") {
        report.extend(portal::measure(sync::filled(scale.large).await, scale).await);
    }
    if wants("sign-in") {
        report.add(signing::measure(scale));
        report.extend(sign_in::measure(scale).await);
    }
    report
}
