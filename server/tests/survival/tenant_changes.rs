//! Changes to the tenant itself survive a kill at any of their calls: made once, and remembered
//! with what they replaced.

use serde_json::json;
use signpost_model::TenantRequest;
use signpost_model::run::{Run, RunMode, RunState, Trigger};
use signpost_server::ambient::SystemRandom;
use signpost_store::runs::{self, NewRun};
use signpost_store::testing::AUTHOR;
use signpost_store::{Engine, kept_values};

use crate::kills::hold;
use crate::world::{World, now, until};

const POLICY: &str = "PATCH /policies/identitySecurityDefaultsEnforcementPolicy";

async fn ask(world: &World, request: TenantRequest) -> Run {
    let (trigger, mode) = (Trigger::Operator, RunMode::Sync);
    let new = NewRun::of_tenant(world.application, request, trigger, mode);
    let mut tx = world.store.write().await.unwrap();
    let queued = runs::queue(&mut tx, &SystemRandom, &new, &AUTHOR, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    queued.run().clone()
}

/// The worker that turns security defaults off is killed at its nth call; `false`: it has none.
pub(crate) async fn killed(engine: Engine, call: u64, after: bool) -> bool {
    let what = format!("{engine:?}, killed at call {call} of a tenant's change, after: {after}");
    let world = World::begin(engine, 3).await;
    let grant = ["Policy.Read.All", "Policy.ReadWrite.SecurityDefaults"];
    world
        .tenant
        .tell("applications", json!({"grant": grant}))
        .await;
    let request = TenantRequest::SetSecurityDefaults { enabled: false };
    let run = ask(&world, request).await;
    let fault = hold(&world, call, after).await;
    let first = world.start_worker("warn");
    let over = tokio::select! {
        () = world.tenant.happened(fault) => None,
        over = until(&world, &run, RunState::is_over) => Some(over),
    };
    if over.is_some() {
        return false;
    }
    first.kill().await;
    world.tenant.calm().await;
    let _second = world.start_worker("warn");
    let over = until(&world, &run, RunState::is_over).await;
    assert_eq!(over.state, RunState::Succeeded, "{what}: {over:#?}");
    assert_eq!(over.tally.applied + over.tally.skipped, 1, "{what}");
    let calls = world.tenant.ask("calls").await;
    assert_eq!(calls["unchanged_writes"], 0, "{what}: {calls}");
    assert!(
        calls["by_route"][POLICY].as_u64().unwrap() <= 2,
        "{what}: {calls}"
    );
    // What it replaced is known, whoever finished it: it can be put back.
    let back = ask(&world, TenantRequest::PutBack).await;
    let over = until(&world, &back, RunState::is_over).await;
    assert_eq!(
        (over.state, over.tally.applied),
        (RunState::Succeeded, 1),
        "{what}: {over:#?}"
    );
    let mut db = world.store.read().await.unwrap();
    let open = kept_values::list_open(&mut db, world.application, None, 10).await;
    assert!(open.unwrap().is_empty(), "{what}");
    drop(db);
    world.assert_sound(&what).await;
    true
}
