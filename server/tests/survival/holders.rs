//! One worker at a time: two of them share the work, a dead one is replaced, a stopped one that
//! wakes up again writes nothing, and a cancelled run can be resumed.

use std::time::{Duration, Instant};

use serde_json::json;
use signpost_model::run::{Run, RunMode, RunScope, RunState, Trigger};
use signpost_server::ambient::SystemRandom;
use signpost_store::runs::approval::{cancel, retry};
use signpost_store::runs::{self, NewRun};
use signpost_store::testing::{AUTHOR, block_runs};
use signpost_store::{Engine, Store};

use crate::killing::{assert_as_calm, calm};
use crate::kills::{Killed, Point, Victim, kill_at};
use crate::storage::FEW;
use crate::world::{World, now, until};

/// How long a worker may be silent, and how often others look.
const LEASE: Duration = Duration::from_secs(30);
const PACE: Duration = Duration::from_secs(1);

async fn queue(store: &Store, world: &World, scope: RunScope) -> Run {
    let new = NewRun {
        application_id: world.application,
        trigger: Trigger::Operator,
        scope,
        mode: RunMode::Sync,
        only_user: None,
        request: None,
    };
    let mut tx = store.write().await.unwrap();
    let queued = runs::queue(&mut tx, &SystemRandom, &new, &AUTHOR, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    queued.run().clone()
}

pub(crate) async fn two_workers_never_work_on_one_tenant_at_once(engine: Engine) {
    let world = World::begin(engine, FEW).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let held = world
        .tenant
        .fault_on("POST /$batch", json!({"hold": true, "once": true}))
        .await;
    let first = queue(&world.store, &world, RunScope::Changed).await;
    // The same wish ten times is one run.
    for _ in 0..10 {
        queue(&world.store, &world, RunScope::Everyone).await;
    }
    let second = queue(&world.store, &world, RunScope::Everyone).await;
    let workers = [
        world.start_worker("warn"),
        world.start_worker_elsewhere(&elsewhere, "warn"),
    ];
    world.tenant.happened(held).await;
    let states = |runs: Vec<Run>| {
        runs.iter()
            .filter(|run| matches!(run.state, RunState::Planning | RunState::Applying))
            .count()
    };
    for _ in 0..20 {
        let mut db = world.store.read().await.unwrap();
        let open = runs::list_open(&mut db, world.application).await.unwrap();
        assert_eq!(states(open), 1, "{engine:?}");
    }
    world.tenant.release(held).await;
    for run in [&first, &second] {
        let over = until(&world, run, RunState::is_over).await;
        assert_eq!(over.state, RunState::Succeeded, "{engine:?}: {over:#?}");
    }
    for worker in workers {
        worker.kill().await;
    }
    let calls = world.tenant.ask("calls").await;
    assert_eq!(calls["unchanged_writes"], 0, "{engine:?}: {calls}");
    let expected = calm(engine, FEW).await.arrived;
    assert_as_calm(&world, &expected, &format!("{engine:?}, two workers")).await;
}

pub(crate) async fn a_dead_worker_that_nobody_sees_is_replaced_within_its_lease(engine: Engine) {
    let world = World::begin(engine, FEW).await;
    let killed = kill_at(&world, Victim::Worker, Point::Unanswered(9)).await;
    assert_eq!(killed, Killed::There);
    let begin = Instant::now();
    let elsewhere = tempfile::tempdir().unwrap();
    let run = world.latest_run().await;
    let call = world
        .tenant
        .fault(json!({"delay_ms": 0, "once": true}))
        .await;
    let there = world.start_worker_elsewhere(&elsewhere, "warn");
    world.tenant.happened(call).await;
    let silence = begin.elapsed();
    assert!(silence <= LEASE + 5 * PACE, "{engine:?}: {silence:?}");
    let over = until(&world, &run, RunState::is_over).await;
    assert_eq!(over.state, RunState::Succeeded, "{engine:?}: {over:#?}");
    there.kill().await;
    let expected = calm(engine, FEW).await.arrived;
    assert_as_calm(&world, &expected, &format!("{engine:?}, dead worker")).await;
}

pub(crate) async fn a_worker_that_was_stopped_writes_nothing_when_it_wakes_up(engine: Engine) {
    let world = World::begin(engine, FEW).await;
    let run = world.queue().await;
    // It waits inside a call, which it would repeat.
    let throttled = json!({
        "status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "2"},
        "within": "batch", "times": 20, "skip": 5,
    });
    let fault = world.tenant.fault(throttled).await;
    let mut stopped = world.start_worker("info,signpost_graph=debug");
    world.tenant.happened(fault).await;
    // SQLite's lock would stay with a process that is stopped while it holds it.
    let nobody_writes = block_runs(&world.store).await;
    stopped.signal("STOP").await;
    drop(nobody_writes);
    world.tenant.calm().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let there = world.start_worker_elsewhere(&elsewhere, "warn");
    let over = until(&world, &run, RunState::is_over).await;
    assert_eq!(over.state, RunState::Succeeded, "{engine:?}: {over:#?}");
    world.tenant.tell("reset", json!({"what": "calls"})).await;
    stopped.signal("CONT").await;
    assert!(stopped.says("run interrupted", 1).await);
    let calls = world.tenant.ask("calls").await;
    assert_eq!(calls["writes"], 0, "{engine:?}: {calls}");
    assert_eq!(calls["refused"], 0, "{engine:?}: {calls}");
    assert_eq!(
        calls["by_route"]["POST /$batch"],
        json!(null),
        "{engine:?}: {calls}"
    );
    there.kill().await;
    stopped.kill().await;
    let expected = calm(engine, FEW).await.arrived;
    assert_as_calm(&world, &expected, &format!("{engine:?}, stopped worker")).await;
}

pub(crate) async fn a_cancelled_run_stops_at_the_next_action_and_can_be_resumed(engine: Engine) {
    let world = World::begin(engine, 100).await;
    let run = world.queue().await;
    let held = world
        .tenant
        .fault_on(
            "POST /$batch",
            json!({"hold": true, "once": true, "skip": 2}),
        )
        .await;
    let worker = world.start_worker("warn");
    world.tenant.happened(held).await;
    let mut tx = world.store.write().await.unwrap();
    cancel(&mut tx, run.id, &AUTHOR, now()).await.unwrap();
    tx.commit().await.unwrap();
    let before = world.tenant.ask("calls").await["batches"].as_u64().unwrap();
    world.tenant.release(held).await;
    let over = until(&world, &run, RunState::is_over).await;
    assert_eq!(over.state, RunState::Cancelled, "{engine:?}: {over:#?}");
    assert!(
        over.tally.applied > 0 && over.tally.skipped > 0,
        "{over:#?}"
    );
    let after = world.tenant.ask("calls").await["batches"].as_u64().unwrap();
    assert!(
        after <= before + 8,
        "{engine:?}: only what was on the wire came in"
    );
    let mut tx = world.store.write().await.unwrap();
    let queued = retry(&mut tx, &SystemRandom, run.id, &AUTHOR, now()).await;
    tx.commit().await.unwrap();
    let again = queued.unwrap().unwrap().run().clone();
    let over = until(&world, &again, RunState::is_over).await;
    assert_eq!(over.state, RunState::Succeeded, "{engine:?}: {over:#?}");
    worker.kill().await;
    let expected = calm(engine, 100).await.arrived;
    assert_as_calm(&world, &expected, &format!("{engine:?}, resumed")).await;
}
