//! A clock that jumps or stands still doubles nothing and keeps nothing waiting for ever.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::json;
use signpost_app::identity::Providers;
use signpost_app::passwords::Passwords;
use signpost_app::portal::{Portal, PortalSettings, Practice};
use signpost_model::Clock as _;
use signpost_model::run::RunState;
use signpost_model::time::{DAY_MS, HOUR_MS, StoppedClock};
use signpost_server::ambient::SystemRandom;
use signpost_server::worker::{self, Presence};
use signpost_store::{Engine, runs};
use tokio::sync::Notify;

use crate::killing::{assert_as_calm, calm};
use crate::storage::FEW;
use crate::world::{World, now, until};

/// Not at all, by an hour and by a day, either way.
pub(crate) const JUMPS_MS: [i64; 5] = [0, HOUR_MS, -HOUR_MS, DAY_MS, -DAY_MS];

/// Tells the clock that jumps, and waits in real time.
#[derive(Debug)]
struct Waiting(Arc<StoppedClock>);

impl signpost_graph::Clock for Waiting {
    fn now_ms(&self) -> i64 {
        self.0.now().as_millis()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

fn portal(world: &World, clock: &Arc<StoppedClock>) -> Portal {
    let (tenant, credentials) = (&world.tenant, world.tenant.credentials.clone());
    Portal {
        store: world.store.clone(),
        clock: Arc::<StoppedClock>::clone(clock),
        graph_clock: Arc::new(Waiting(Arc::clone(clock))),
        random: Arc::new(SystemRandom),
        passwords: Passwords::default(),
        settings: Arc::new(PortalSettings {
            public_url: String::new(),
            practice: Some(Practice {
                authority: tenant.url.clone(),
                graph: tenant.url.clone(),
                page: String::new(),
                tenant_id: credentials.tenant_id,
                client_id: credentials.client_id,
                secret: credentials.secret,
                domain: credentials.domain,
                throttled: false,
            }),
        }),
        set_up: Arc::new(AtomicBool::new(true)),
        providers: Providers::default(),
        worker: Arc::new(Notify::new()),
        mailer: Arc::new(Notify::new()),
    }
}

/// The clock jumps in the middle of a run, with two workers at hand.
pub(crate) async fn jumped(engine: Engine, by_ms: i64) {
    let what = format!("{engine:?}, the clock jumped by {by_ms} ms");
    let world = World::begin(engine, FEW).await;
    let clock = Arc::new(StoppedClock::at(now()));
    let hold = json!({"hold": true, "once": true, "skip": 1, "after": true});
    let fault = world.tenant.fault_on("POST /$batch", hold).await;
    let run = world.queue().await;
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let presence = Presence::unseen(&SystemRandom);
            tokio::spawn(worker::run(portal(&world, &clock), presence))
        })
        .collect();
    world.tenant.happened(fault).await;
    clock.advance_millis(by_ms);
    world.tenant.release(fault).await;
    let over = until(&world, &run, RunState::is_over).await;
    assert_eq!(over.state, RunState::Succeeded, "{what}: {over:#?}");
    for worker in workers {
        worker.abort();
    }
    // What the schedule wants is wanted once.
    let mut tx = world.store.write().await.unwrap();
    let later = now().plus_millis(by_ms);
    runs::queue_due(&mut tx, &SystemRandom, later)
        .await
        .unwrap();
    let again = runs::queue_due(&mut tx, &SystemRandom, later)
        .await
        .unwrap();
    drop(tx);
    assert!(again.is_empty(), "{what}: {again:#?}");
    let expected = calm(engine, FEW).await.arrived;
    assert_as_calm(&world, &expected, &what).await;
}
