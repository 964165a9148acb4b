//! Killed at any instant, a run is taken over and ends as if nothing had happened.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;
use signpost_store::Engine;
use tokio::sync::{Mutex, OnceCell};

use crate::PEOPLE;
use crate::kills::{Killed, Point, Victim, kill_at, meets};
use crate::world::{World, difference};

/// The first day and the second, undisturbed.
#[derive(Debug, Clone)]
pub(crate) struct Calm {
    pub(crate) arrived: Vec<String>,
    pub(crate) changed: Vec<String>,
}

/// An undisturbed life of so many people, lived once.
pub(crate) async fn calm(engine: Engine, people: u128) -> Calm {
    type Lives = Mutex<HashMap<(Engine, u128), Arc<OnceCell<Calm>>>>;
    static LIVES: std::sync::LazyLock<Lives> = std::sync::LazyLock::new(Lives::default);
    let life = Arc::clone(LIVES.lock().await.entry((engine, people)).or_default());
    life.get_or_init(|| async {
        let world = World::begin(engine, people).await;
        world.sync().await;
        let arrived = world.state().await;
        world.change().await;
        world.sync().await;
        let changed = world.state().await;
        world.assert_settled("undisturbed").await;
        world.assert_sound("undisturbed").await;
        Calm { arrived, changed }
    })
    .await
    .clone()
}

/// Compares a world with the calm one, after a clean sync.
pub(crate) async fn assert_as_calm(world: &World, expected: &[String], what: &str) {
    world.sync().await;
    let found = world.state().await;
    let difference = difference(&found, expected);
    assert!(difference.is_empty(), "{what}:\n{difference}");
    world.assert_sound(what).await;
}

/// One kill on the first day, or on the second.
pub(crate) async fn survives(engine: Engine, victim: Victim, point: Point, day: u8) -> Killed {
    let what = format!("{engine:?}, {victim:?} killed at {point:?} on day {day}");
    let world = World::begin(engine, PEOPLE).await;
    let calm = calm(engine, PEOPLE).await;
    if day == 2 {
        world.sync().await;
        world.change().await;
    }
    if kill_at(&world, victim, point).await == Killed::Nowhere {
        return Killed::Nowhere;
    }
    if let Point::Late(_) = point {
        // Everything is over when the call of the dead process comes in after all.
        world.sync().await;
        world.tenant.tell("faults/1/release", json!({})).await;
        world.tenant.calm().await;
    }
    let expected = if day == 1 {
        &calm.arrived
    } else {
        &calm.changed
    };
    assert_as_calm(&world, expected, &what).await;
    world.assert_settled(&what).await;
    Killed::There
}

/// Killed at every change that it makes, over and over: each process gets one further.
pub(crate) async fn survives_every_write(engine: Engine) -> u64 {
    let world = World::begin(engine, PEOPLE).await;
    let calm = calm(engine, PEOPLE).await;
    let mut kills = 0;
    for day in 1..=2 {
        if day == 2 {
            world.change().await;
        }
        loop {
            let fault = json!({
                // A batch that changes something: what only looks has no bodies.
                "method": "POST", "route": "/$batch", "contains": "\"body\":", "skip": 1,
                "once": true, "hold": true, "after": kills % 2 == 0,
            });
            let fault = world.tenant.fault(fault).await;
            let mut process = world.start_sync("warn");
            if !meets(&world, fault, &mut process).await {
                break;
            }
            process.kill().await;
            world.tenant.calm().await;
            kills += 1;
            assert!(kills < 200, "{engine:?}: no end of it");
        }
        let expected = if day == 1 {
            &calm.arrived
        } else {
            &calm.changed
        };
        let what = format!("{engine:?}, killed {kills} times by day {day}");
        assert_as_calm(&world, expected, &what).await;
    }
    kills
}
