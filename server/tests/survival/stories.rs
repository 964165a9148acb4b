//! Each kind of accident with few fixed seeds. Most of the time is waiting, so that they happen side
//! by side.

use signpost_store::Engine;
use tokio::task::{JoinSet, LocalSet};

use crate::killing::{survives, survives_every_write};
use crate::kills::{Killed, Point, Victim};
use crate::{clock, holders, sources, storage, tenant_changes};

const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

/// Tells stories side by side; the first that ends badly ends the test.
fn tell(begin: impl FnOnce(&mut JoinSet<()>)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let mut stories = JoinSet::new();
        begin(&mut stories);
        while let Some(told) = stories.join_next().await {
            if let Err(error) = told {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    });
}

/// Every kind of point, in observation, in planning and in the apply, and every command.
const KILLS: [(Victim, Point, u8); 10] = [
    (Victim::Sync, Point::Before(3), 1),
    (Victim::Worker, Point::Unrecorded(4), 1),
    (Victim::Portal, Point::Unanswered(6), 1),
    (Victim::Sync, Point::Unanswered(10), 1),
    (Victim::Worker, Point::Before(12), 1),
    (Victim::Portal, Point::Unrecorded(14), 1),
    (Victim::Sync, Point::Late(9), 1),
    (Victim::Sync, Point::Statement(60), 1),
    (Victim::Worker, Point::Unanswered(5), 2),
    (Victim::Sync, Point::Statement(90), 2),
];

#[test]
fn a_run_killed_at_any_point_ends_as_if_nothing_had_happened() {
    tell(|stories| {
        stories.spawn_local(async {
            let mut kills = 0;
            for (at, (victim, point, day)) in KILLS.into_iter().enumerate() {
                let engine = ENGINES[at % 2];
                let killed = survives(engine, victim, point, day).await;
                assert_eq!(
                    killed,
                    Killed::There,
                    "{victim:?} has no {point:?} on day {day}"
                );
                kills += 1;
            }
            println!("{kills} kills at chosen points, all survived");
        });
        for engine in ENGINES {
            stories.spawn_local(async move {
                let kills = survives_every_write(engine).await;
                assert!(kills > 5, "{engine:?}: only {kills} writes were met");
                println!("{kills} kills of one run after the other on {engine:?}, all survived");
            });
        }
    });
}

#[test]
fn a_change_to_the_tenant_killed_at_any_call_is_made_once_and_can_be_put_back() {
    tell(|stories| {
        for (call, after) in [(2, false), (3, true), (4, false), (4, true), (5, true)] {
            stories.spawn_local(async move {
                let there = tenant_changes::killed(Engine::Sqlite, call, after).await;
                println!("call {call}, after: {after}: {there}");
            });
        }
        stories.spawn_local(async {
            assert!(tenant_changes::killed(Engine::Postgres, 4, true).await);
        });
    });
}

#[test]
fn one_worker_at_a_time_whatever_happens_to_it() {
    tell(|stories| {
        for engine in ENGINES {
            stories.spawn_local(
                holders::a_dead_worker_that_nobody_sees_is_replaced_within_its_lease(engine),
            );
            stories.spawn_local(
                holders::a_worker_that_was_stopped_writes_nothing_when_it_wakes_up(engine),
            );
            stories.spawn_local(holders::two_workers_never_work_on_one_tenant_at_once(
                engine,
            ));
            stories.spawn_local(
                holders::a_cancelled_run_stops_at_the_next_action_and_can_be_resumed(engine),
            );
        }
    });
}

#[test]
fn no_accident_of_the_storage_loses_or_doubles_anything() {
    tell(|stories| {
        stories.spawn_local(storage::power_cut(9));
        stories.spawn_local(storage::power_cut(11));
        stories.spawn_local(storage::locked());
        stories.spawn_local(storage::restarted(1));
        stories.spawn_local(storage::restarted(3));
        stories.spawn_local(storage::disk_full(2));
    });
}

#[test]
fn a_source_that_is_empty_or_halved_takes_nothing_before_a_person_says_so() {
    tell(|stories| {
        stories.spawn_local(sources::shrunk(Engine::Sqlite, storage::FEW));
        stories.spawn_local(sources::shrunk(Engine::Postgres, storage::FEW / 2));
    });
}

#[test]
fn a_clock_that_jumps_doubles_nothing() {
    tell(|stories| {
        for by_ms in clock::JUMPS_MS {
            stories.spawn_local(clock::jumped(Engine::Sqlite, by_ms));
        }
        stories.spawn_local(clock::jumped(Engine::Postgres, clock::JUMPS_MS[1]));
    });
}
