//! A sync at Microsoft's documented quotas, on a clock that portal and practice tenant share and
//! that nobody waits for: ten minutes of theirs take seconds of ours.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use signpost_app::connector::{Connector, Credential};
use signpost_app::identity::Providers;
use signpost_app::passwords::Passwords;
use signpost_app::portal::{Portal, PortalSettings, Practice};
use signpost_graph as graph;
use signpost_model::run::RunScope;
use signpost_model::{Clock, Timestamp};
use signpost_practice_tenant::{Clock as TenantClock, Options, PracticeTenant, Throttle};
use signpost_server::ambient::SystemRandom;
use signpost_server::worker::{self, Presence};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use crate::Scale;
use crate::rehearsal::{Beginning, Tenant};
use crate::report::{Line, Section, Unit};

/// The documented quota of writes: so many at once, and so many come back every second.
const BURST: i64 = 3_000;
const PER_SECOND: i64 = 20;

/// A person asks for something so often, by the shared clock.
const BETWEEN_QUESTIONS_MS: i64 = 5_000;

/// First sync of as many users as the quota allows in ten minutes.
pub(crate) async fn measure(scale: Scale) -> Section {
    let seconds = if scale.is_full() { 600 } else { 20 };
    let writes = BURST + PER_SECOND * seconds;
    let people = writes / 2;
    eprintln!("first sync of {people} users at the documented quota");
    let world = World::begin(people).await;
    let questions = Arc::new(Questions::default());
    let asking = tokio::spawn(ask(world.clone(), Arc::clone(&questions)));
    let watch = Instant::now();
    let begin = world.clock.now();
    let tx = world.beginning.store.write().await.unwrap();
    let clock = world.clock.as_ref();
    let measured = world.beginning.run_with(RunScope::Changed, tx, clock).await;
    let real = watch.elapsed();
    asking.abort();
    let run = &measured.run;
    let took = run
        .finished_at
        .map_or(f64::NAN, |end| end.millis_since(begin) as f64 / 1_000.0);
    let requests = measured.count("total") - measured.count("batches") + measured.count("parts");
    let count = |number: &AtomicUsize| number.load(Ordering::Relaxed) as f64;
    Section {
        title: format!("Sync of {people} users at the documented quota"),
        note: format!(
            "`--throttle documented`: {BURST} writes at once, then {PER_SECOND} a second. Portal \
             and practice tenant share one clock, which jumps to the next moment that anybody \
             waits for; seconds are that clock's. It took {:.0} s of ours. Meanwhile a person asks \
             for something every {} s.",
            real.as_secs_f64(),
            BETWEEN_QUESTIONS_MS / 1_000
        ),
        lines: vec![
            Line::at_most(
                "time against (writes − burst) / rate",
                Unit::Times,
                took / seconds as f64,
                1.05,
                1.02,
            ),
            Line::plain("time", Unit::Seconds, took),
            Line::at_most(
                "writes",
                Unit::Count,
                measured.count("writes"),
                1.1 * writes as f64,
                writes as f64,
            ),
            Line::at_most(
                "requests answered 429",
                Unit::Percent,
                100.0 * measured.count("throttled") / requests,
                1.0,
                0.1,
            ),
            Line::exactly("actions that failed", run.tally.failed as f64, 0.0),
            Line::exactly("actions applied", run.tally.applied as f64, writes as f64),
            Line::plain(
                "questions of a person",
                Unit::Count,
                count(&questions.asked),
            ),
            Line::exactly(
                "of them refused, or kept waiting by the quota",
                count(&questions.held_up),
                0.0,
            ),
        ],
    }
}

/// Portal and practice tenant in this process, on one clock.
#[derive(Clone)]
struct World {
    clock: Arc<SharedClock>,
    portal: Portal,
    beginning: Arc<Beginning>,
}

impl World {
    async fn begin(people: i64) -> Self {
        let clock = Arc::new(SharedClock::new());
        let options = Options {
            throttle: Throttle::Documented,
            clock: clock.tenant.clone(),
            ..Options::default()
        };
        let tenant = PracticeTenant::new(options);
        let credentials = tenant.credentials().unwrap();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { tenant.serve(listener, std::future::pending()).await });
        let beginning = Beginning::of(people, Tenant::Empty, &url, clock.as_ref()).await;
        let portal = Portal {
            store: beginning.store.clone(),
            clock: clock.clone(),
            graph_clock: clock.clone(),
            random: Arc::new(SystemRandom),
            passwords: Passwords::default(),
            settings: Arc::new(PortalSettings {
                public_url: "http://127.0.0.1".to_owned(),
                practice: Some(Practice {
                    authority: url.clone(),
                    graph: url.clone(),
                    page: String::new(),
                    tenant_id: credentials.tenant_id,
                    client_id: credentials.client_id,
                    secret: credentials.secret,
                    domain: credentials.domain,
                    throttled: true,
                }),
            }),
            set_up: Arc::default(),
            providers: Providers::default(),
            worker: Arc::new(Notify::new()),
            mailer: Arc::new(Notify::new()),
        };
        let presence = Presence::unseen(portal.random.as_ref());
        tokio::spawn(worker::run(portal.clone(), presence));
        tokio::spawn(turn(Arc::clone(&clock)));
        Self {
            clock,
            portal,
            beginning: Arc::new(beginning),
        }
    }
}

/// A clock that stands until everybody has gone as far as they can.
#[derive(Debug)]
struct SharedClock {
    tenant: TenantClock,
    sleepers: Mutex<Vec<(i64, oneshot::Sender<()>)>>,
}

impl SharedClock {
    fn new() -> Self {
        Self {
            // The first of September 2026.
            tenant: TenantClock::simulated(1_788_220_800_000),
            sleepers: Mutex::default(),
        }
    }

    /// Jumps to the moment that the next sleeper waits for.
    fn jump(&self) {
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (0..sleepers.len()).min_by_key(|at| sleepers[*at].0);
        let Some(next) = next else { return };
        let (until, sleeper) = sleepers.swap_remove(next);
        self.tenant.advance((until - self.tenant.now_ms()).max(0));
        // Whoever does not wait any more needs no waking.
        let _ = sleeper.send(());
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.tenant.now_ms())
    }
}

impl graph::Clock for SharedClock {
    fn now_ms(&self) -> i64 {
        self.tenant.now_ms()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (wake, woken) = oneshot::channel();
        let millis = duration.as_micros().div_ceil(1_000);
        let until = self.tenant.now_ms() + i64::try_from(millis).unwrap_or(i64::MAX / 2);
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.push((until, wake));
        Box::pin(async move {
            let _ = woken.await;
        })
    }
}

/// Moves the clock on, a moment of ours after each jump: what was woken begins meanwhile.
async fn turn(clock: Arc<SharedClock>) {
    loop {
        tokio::time::sleep(Duration::from_millis(2)).await;
        clock.jump();
    }
}

/// What a person asked, and how it was answered.
#[derive(Debug, Default)]
struct Questions {
    asked: AtomicUsize,
    held_up: AtomicUsize,
}

impl graph::Observer for Questions {
    fn observe(&self, observation: &graph::Observation<'_>) {
        let is_good = observation.status.is_some_and(|status| status < 400);
        if !is_good || observation.attempt > 0 {
            self.held_up.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A page that reads the tenant, again and again, as Update Settings does.
async fn ask(world: World, questions: Arc<Questions>) {
    let (settings, secret) = &world.beginning.connection;
    let credential = Credential::Secret(secret.clone());
    let mut config = Connector::of(&world.portal)
        .config(settings, &credential)
        .unwrap();
    config.observer = Arc::clone(&questions) as Arc<dyn graph::Observer>;
    let client = graph::Client::new(config).unwrap().interactive();
    let mut next = world.clock.now();
    loop {
        // Looks at the clock instead of sleeping by it: a person does not move the time on.
        tokio::time::sleep(Duration::from_millis(2)).await;
        if world.clock.now() < next {
            continue;
        }
        next = world.clock.now().plus_millis(BETWEEN_QUESTIONS_MS);
        questions.asked.fetch_add(1, Ordering::Relaxed);
        if client.organization().await.is_err() {
            questions.held_up.fetch_add(1, Ordering::Relaxed);
        }
    }
}
