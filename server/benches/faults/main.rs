//! What survives which faults, many times: `make faults`.
//!
//! The first argument is the share of the full number of accidents, 1 when left out; the second a
//! file with the rows of the part between us and Microsoft. Everything happens to the real binary.
//! Prints the table and writes it into `BENCHMARKS.md`.
#![expect(
    dead_code,
    reason = "the tests that share these modules need more of them"
)]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal, which stops at the first thing that goes wrong"
)]

#[path = "../../tests/survival/clock.rs"]
mod clock;
#[path = "../../tests/survival/holders.rs"]
mod holders;
#[path = "../../tests/survival/killing.rs"]
mod killing;
#[path = "../../tests/survival/kills.rs"]
mod kills;
mod page;
#[path = "../../tests/survival/processes.rs"]
mod processes;
#[path = "../../tests/survival/sources.rs"]
mod sources;
#[path = "../../tests/survival/storage.rs"]
mod storage;
#[path = "../../tests/survival/tenant.rs"]
mod tenant;
#[path = "../../tests/survival/tenant_changes.rs"]
mod tenant_changes;
#[path = "../../tests/survival/world.rs"]
mod world;

use std::future::Future;
use std::pin::Pin;

use kills::{Killed, Point, Victim};
use signpost_store::Engine;

/// A run of a few hundred actions.
pub(crate) const PEOPLE: u128 = 100;

const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

/// An accident: `false` when the run had no such point.
type Accident = Pin<Box<dyn Future<Output = bool>>>;

/// What happened of one kind.
pub(crate) struct Tally {
    pub(crate) row: u8,
    pub(crate) name: &'static str,
    pub(crate) tried: u64,
    pub(crate) survived: u64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    tokio::task::LocalSet::new().run_until(all()).await;
}

async fn all() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let share: f64 = words
        .first()
        .and_then(|word| word.parse().ok())
        .unwrap_or(1.0);
    let rows = words
        .get(1)
        .map(|file| std::fs::read_to_string(file).unwrap());
    let times = |full: u64| ((full as f64 * share).ceil() as u64).max(1);
    let tallies = vec![
        happen(
            1,
            "SIGKILL at a call: before it, unanswered, unrecorded, late",
            calls(times(1_600)),
        )
        .await,
        happen(
            1,
            "SIGKILL at every write of a run, one process after the other",
            every_write(times(20)),
        )
        .await,
        happen(
            1,
            "SIGKILL at a call of a change to the tenant itself",
            tenant(times(160)),
        )
        .await,
        happen(
            2,
            "SIGKILL at a random statement, SQLite and PostgreSQL",
            statements(times(1_000)),
        )
        .await,
        happen(
            3,
            "power cut: unsynced writes are gone (SQLite)",
            power_cuts(times(500)),
        )
        .await,
        happen(
            13,
            "the same wish ten times, two workers at once",
            both(times(500), |engine| {
                Box::pin(yes(holders::two_workers_never_work_on_one_tenant_at_once(
                    engine,
                )))
            }),
        )
        .await,
        happen(
            14,
            "database locked until the worker complains; restarted",
            databases(times(200)),
        )
        .await,
        happen(15, "disk full, and room again", disks(times(100))).await,
        happen(
            16,
            "the clock jumps by 0, 1 h, -1 h, 1 d, -1 d",
            clocks(times(250)),
        )
        .await,
        happen(
            17,
            "the holder of a lease is stopped, replaced and woken up",
            both(times(200), |engine| {
                Box::pin(yes(
                    holders::a_worker_that_was_stopped_writes_nothing_when_it_wakes_up(engine),
                ))
            }),
        )
        .await,
        happen(
            17,
            "a dead worker that nobody sees",
            both(times(20), |engine| {
                Box::pin(yes(
                    holders::a_dead_worker_that_nobody_sees_is_replaced_within_its_lease(engine),
                ))
            }),
        )
        .await,
        happen(19, "a source that is empty or halved", shrunk(times(20))).await,
    ];
    page::write(&tallies, rows.as_deref());
}

async fn yes(story: impl Future<Output = ()>) -> bool {
    story.await;
    true
}

/// Lets accidents happen four at a time: most of their time is waiting.
async fn happen(row: u8, name: &'static str, accidents: Vec<Accident>) -> Tally {
    eprintln!("row {row}: {name}, {} times", accidents.len());
    let mut tally = Tally {
        row,
        name,
        tried: 0,
        survived: 0,
    };
    let mut accidents = accidents.into_iter();
    let mut under_way = tokio::task::JoinSet::new();
    loop {
        while under_way.len() < 4 {
            let Some(accident) = accidents.next() else {
                break;
            };
            under_way.spawn_local(accident);
        }
        let Some(ended) = under_way.join_next().await else {
            return tally;
        };
        // What went wrong was said by the panic.
        match ended {
            Ok(true) => (tally.tried, tally.survived) = (tally.tried + 1, tally.survived + 1),
            Ok(false) => {}
            Err(_) => tally.tried += 1,
        }
    }
}

fn both(times: u64, story: fn(Engine) -> Accident) -> Vec<Accident> {
    (0..times).map(|n| story(engine(n))).collect()
}

fn engine(number: u64) -> Engine {
    ENGINES[usize::from(number % 2 == 1)]
}

fn kill(number: u64, point: Point) -> Accident {
    let victims = [Victim::Sync, Victim::Worker, Victim::Portal];
    // Only a sync ends by itself when the run has no such point.
    let victim = match point {
        Point::Statement(_) => Victim::Sync,
        Point::Before(call)
        | Point::Unanswered(call)
        | Point::Unrecorded(call)
        | Point::Late(call)
            if call > 5 =>
        {
            Victim::Sync
        }
        _ => victims[usize::try_from(number / 2 % 3).unwrap()],
    };
    let day = if (number / 6).is_multiple_of(2) { 1 } else { 2 };
    let engine = engine(number);
    Box::pin(async move { killing::survives(engine, victim, point, day).await == Killed::There })
}

fn calls(times: u64) -> Vec<Accident> {
    let point = |number: u64| {
        let call = 1 + number / 8 % 20;
        match number / 2 % 4 {
            0 => Point::Before(call),
            1 => Point::Unanswered(call),
            2 => Point::Unrecorded(call),
            _ => Point::Late(call),
        }
    };
    (0..times)
        .map(|number| kill(number, point(number)))
        .collect()
}

fn statements(times: u64) -> Vec<Accident> {
    // A multiplier that visits every remainder: other statements each time.
    let point = |number: u64| Point::Statement(1 + usize::try_from(number * 37 % 251).unwrap());
    (0..times)
        .map(|number| kill(number, point(number)))
        .collect()
}

fn every_write(times: u64) -> Vec<Accident> {
    both(times, |engine| {
        Box::pin(async move { killing::survives_every_write(engine).await > 0 })
    })
}

fn tenant(times: u64) -> Vec<Accident> {
    (0..times)
        .map(|number| {
            let (call, after) = (1 + number / 4 % 6, number / 2 % 2 == 0);
            Box::pin(tenant_changes::killed(engine(number), call, after)) as Accident
        })
        .collect()
}

fn power_cuts(times: u64) -> Vec<Accident> {
    (0..times)
        .map(|number| Box::pin(yes(storage::power_cut(2 + number % 10))) as Accident)
        .collect()
}

fn databases(times: u64) -> Vec<Accident> {
    (0..times)
        .map(|number| match number % 4 {
            0 => Box::pin(yes(storage::locked())) as Accident,
            _ => Box::pin(yes(storage::restarted(number % 5))),
        })
        .collect()
}

fn disks(times: u64) -> Vec<Accident> {
    (0..times)
        .map(|number| Box::pin(yes(storage::disk_full(number % 5))) as Accident)
        .collect()
}

fn clocks(times: u64) -> Vec<Accident> {
    let jump = |number: u64| clock::JUMPS_MS[usize::try_from(number % 5).unwrap()];
    (0..times)
        .map(|number| Box::pin(yes(clock::jumped(engine(number / 5), jump(number)))) as Accident)
        .collect()
}

fn shrunk(times: u64) -> Vec<Accident> {
    (0..times)
        .map(|number| {
            let gone = storage::FEW - u128::from(number % 20);
            Box::pin(yes(sources::shrunk(engine(number), gone))) as Accident
        })
        .collect()
}
