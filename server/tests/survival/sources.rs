//! A source that suddenly lacks people takes nothing from anybody before a person says so.

use signpost_model::UserId;
use signpost_model::policy::Limits;
use signpost_model::run::RunState;
use signpost_store::Engine;
use signpost_store::testing::AUTHOR;
use signpost_store::users;

use crate::storage::FEW;
use crate::world::{World, difference, now};

/// So many people are gone from the directory at once.
pub(crate) async fn shrunk(engine: Engine, gone: u128) {
    let world = World::begin(engine, FEW).await;
    world.set_limits(Limits::default()).await;
    world.sync().await;
    let before = world.tenant.digest().await;
    let missing: Vec<UserId> = (1..=gone).map(UserId::from_number).collect();
    let mut tx = world.store.write().await.unwrap();
    users::delete(&mut tx, &missing, &AUTHOR, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.sync().await;
    let what = format!("{engine:?}, {gone} of {FEW} are gone");
    let run = world.latest_run().await;
    assert_eq!(run.state, RunState::AwaitingApproval, "{what}: {run:#?}");
    // Asking again does not help either.
    world.sync().await;
    world.start_sync_everyone().succeeds().await;
    let after = world.tenant.digest().await;
    let difference = difference(&after, &before);
    assert!(difference.is_empty(), "{what}:\n{difference}");
}
