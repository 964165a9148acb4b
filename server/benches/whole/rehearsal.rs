//! An installation on SQLite beside a practice tenant, each in its own process.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use signpost_app::passwords::Passwords;
use signpost_model::connection::{ConnectionSettings, Findings, FoundDomain};
use signpost_model::run::{Run, RunMode, RunScope, RunState, Trigger};
use signpost_model::{
    AccessType, ApplicationId, Clock, Cloud, ConnectionState, OperatorId, Role, RunId, Secret,
};
use signpost_server::ambient::{SystemClock, SystemRandom};
use signpost_server::config::DataArgs;
use signpost_server::serve::open_store;
use signpost_store::connections::ConnectionUpdate;
use signpost_store::licenses::NewGrant;
use signpost_store::operators::{self, NewOperator};
use signpost_store::runs::NewRun;
use signpost_store::testing::AUTHOR;
use signpost_store::{Store, Write, applications, connections, licenses, runs};
use tempfile::TempDir;

use crate::directory::{self, E3, control};
use crate::processes::Process;

/// Who signs in to the portal.
pub(crate) const EMAIL: &str = "owner@contoso.example";
pub(crate) const PASSWORD: &str = "a few words in a row";

/// Whether the tenant knows the people already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tenant {
    Empty,
    Filled,
}

/// One installation.
pub(crate) struct Rehearsal {
    // Ends before its folder does.
    pub(crate) portal: Process,
    pub(crate) practice: Process,
    pub(crate) store: Store,
    pub(crate) folder: TempDir,
    application: ApplicationId,
    http: reqwest::Client,
    /// How long filling took: not what is measured, but good to know.
    pub(crate) filled_in: Duration,
}

/// What a run was and cost.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) run: Run,
    /// As the practice tenant counts them.
    pub(crate) calls: Value,
    pub(crate) cpu: f64,
    pub(crate) peak_mib: f64,
}

impl Measured {
    /// A count of the practice tenant.
    pub(crate) fn count(&self, name: &str) -> f64 {
        self.calls[name].as_f64().unwrap_or_default()
    }

    /// From the claim to the end, by the run's own record.
    pub(crate) fn seconds(&self) -> f64 {
        let (Some(begin), Some(end)) = (self.run.started_at, self.run.finished_at) else {
            panic!("the run is not over: {:#?}", self.run);
        };
        end.millis_since(begin) as f64 / 1_000.0
    }

    /// The part of it until the plan stood.
    pub(crate) fn seconds_of_planning(&self) -> f64 {
        let (Some(begin), Some(end)) = (self.run.started_at, self.run.planned_at) else {
            panic!("the run has no plan: {:#?}", self.run);
        };
        end.millis_since(begin) as f64 / 1_000.0
    }

    /// The calls by method and route, most first.
    pub(crate) fn by_route(&self) -> String {
        let mut routes: Vec<_> = (self.calls["by_route"].as_object().into_iter().flatten())
            .map(|(route, count)| (count.as_u64().unwrap_or_default(), route))
            .collect();
        routes.sort_unstable_by(|one, other| other.cmp(one));
        let words: Vec<String> = routes
            .iter()
            .map(|(count, route)| format!("{count} `{route}`"))
            .collect();
        words.join(", ")
    }
}

impl Rehearsal {
    /// This many people who all have the application, which grants each one license.
    pub(crate) async fn begin(people: i64, tenant: Tenant) -> Self {
        let watch = std::time::Instant::now();
        let practice = Process::practice_tenant();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let seats = json!({"skuId": E3, "enabled": 1_000_000});
        control(&http, &practice.url, "skus", seats).await;
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        directory::fill(&store, people, &SystemRandom, SystemClock.now()).await;
        if tenant == Tenant::Filled {
            directory::fill_tenant(&store, &http, &practice.url).await;
        }
        let url = format!("{}/_practice/credentials", practice.url);
        let credentials = http.get(url).send().await.unwrap().json().await.unwrap();
        let application = connect(&store, &credentials).await;
        let portal = Process::portal(folder.path(), Some(&practice));
        portal.wait_for("/healthz");
        Self {
            portal,
            practice,
            store,
            folder,
            application,
            http,
            filled_in: watch.elapsed(),
        }
    }

    /// A run of everything that changed, or of everyone.
    pub(crate) async fn run(&self, scope: RunScope) -> Measured {
        let tx = self.store.write().await.unwrap();
        self.run_with(scope, tx).await
    }

    /// A run that is queued together with what this transaction changed.
    pub(crate) async fn run_with(&self, scope: RunScope, mut tx: Write) -> Measured {
        let calls = json!({"what": "calls"});
        control(&self.http, &self.practice.url, "reset", calls).await;
        self.portal.forget_peak();
        let before = self.portal.cpu();
        let new = NewRun {
            application_id: self.application,
            trigger: Trigger::Operator,
            scope,
            mode: RunMode::Sync,
            only_user: None,
            request: None,
        };
        let queued = runs::queue(&mut tx, &SystemRandom, &new, &AUTHOR, SystemClock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let run = self.until_over(queued.run().id).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        let url = format!("{}/_practice/calls", self.practice.url);
        Measured {
            cpu: self.portal.cpu() - before,
            peak_mib: self.portal.peak_mib(),
            calls: self
                .http
                .get(url)
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap(),
            run,
        }
    }

    async fn until_over(&self, id: RunId) -> Run {
        loop {
            let mut read = self.store.read().await.unwrap();
            let run = runs::find(&mut read, id).await.unwrap().unwrap();
            drop(read);
            if run.state.is_over() || run.state == RunState::AwaitingApproval {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The database of this folder, as the server will find it.
pub(crate) async fn open(folder: &Path) -> Store {
    let data = DataArgs {
        data_dir: folder.to_owned(),
        database_url: None,
        master_key_file: None,
        master_key: None,
    };
    open_store(&data).await.unwrap()
}

async fn connect(store: &Store, credentials: &Value) -> ApplicationId {
    let (random, now) = (SystemRandom, SystemClock.now());
    let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
    let settings = ConnectionSettings {
        cloud: Cloud::Practice,
        domain: "contoso.example".to_owned(),
        tenant_id: text("tenant_id"),
        client_id: text("client_id"),
    };
    let findings = Findings {
        domains: vec![
            domain("contoso.example", false),
            domain("contoso-practice.onmicrosoft.com", true),
        ],
        ..Findings::default()
    };
    let password_hash = Passwords::default()
        .hash(&Secret::new(PASSWORD), &random)
        .await
        .unwrap();
    let owner = NewOperator {
        id: OperatorId::mint(now, &random),
        email: EMAIL.to_owned(),
        name: "Olivia Owner".to_owned(),
        role: Role::Owner,
        password_hash,
    };
    let mut tx = store.write().await.unwrap();
    operators::create(&mut tx, &owner, &AUTHOR, now)
        .await
        .unwrap();
    let access = AccessType::AllUsers;
    let made = applications::create(&mut tx, &random, "Microsoft 365", &access, &AUTHOR, now)
        .await
        .unwrap();
    let secret = Secret::new(text("secret"));
    let update = ConnectionUpdate {
        settings: &settings,
        secret: Some(&secret),
        state: ConnectionState::Connected,
        findings: &findings,
    };
    let sealer = store.sealer().clone();
    connections::save(&mut tx, &sealer, &random, made.id, update, &AUTHOR, now)
        .await
        .unwrap();
    let grant = NewGrant {
        sku_id: E3.to_owned(),
        group_id: None,
        by_group: false,
        disabled_plans: vec![],
    };
    licenses::set_grants(&mut tx, &random, made.id, &[grant], &AUTHOR, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    made.id
}

fn domain(name: &str, initial: bool) -> FoundDomain {
    FoundDomain {
        name: name.to_owned(),
        verified: true,
        federated: false,
        default: initial,
        initial,
    }
}
