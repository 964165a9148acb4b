//! An installation on SQLite beside a practice tenant, each in its own process.

use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signpost_app::passwords::Passwords;
use signpost_model::connection::{ConnectionSettings, Findings, FoundDomain};
use signpost_model::group_push::OnRemoval;
use signpost_model::run::{Run, RunMode, RunScope, RunState, Trigger, WaitsFor};
use signpost_model::{
    AccessType, ApplicationId, Clock, Cloud, ConnectionState, GroupId, OperatorId, Policy, Role,
    RunId, Secret,
};
use signpost_server::ambient::{SystemClock, SystemRandom};
use signpost_server::config::DataArgs;
use signpost_server::serve::open_store;
use signpost_store::connections::ConnectionUpdate;
use signpost_store::licenses::NewGrant;
use signpost_store::operators::{self, NewOperator};
use signpost_store::runs::{NewRun, approval};
use signpost_store::testing::AUTHOR;
use signpost_store::{
    Store, Write, applications, connections, group_push, licenses, policies, runs,
};
use tempfile::TempDir;

use crate::directory::{self, E3, control};
use crate::processes::Process;

/// Who signs in to the portal.
pub(crate) const EMAIL: &str = "owner@contoso.example";
pub(crate) const PASSWORD: &str = "a few words in a row";

/// The longest that a run may take: none that is as it should be comes near it.
const LONGEST_RUN: Duration = Duration::from_secs(300);

/// Whether the tenant knows the people already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tenant {
    Empty,
    Filled,
}

/// A database with people, an application that all of them have, and its connection.
pub(crate) struct Beginning {
    pub(crate) store: Store,
    pub(crate) folder: TempDir,
    pub(crate) application: ApplicationId,
    pub(crate) connection: (ConnectionSettings, Secret),
    http: reqwest::Client,
    tenant: String,
}

/// One installation.
pub(crate) struct Rehearsal {
    // Ends before its folder does.
    pub(crate) portal: Process,
    pub(crate) practice: Process,
    pub(crate) beginning: Beginning,
    /// How long filling took: not what is measured, but good to know.
    pub(crate) filled_in: Duration,
}

/// What a run was, and its calls.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) run: Run,
    /// As the practice tenant counts them.
    calls: Value,
}

/// The same, and what it cost the portal's process.
#[derive(Debug)]
pub(crate) struct Measured {
    counted: Counted,
    pub(crate) cpu: f64,
    pub(crate) peak_mib: f64,
}

impl Deref for Measured {
    type Target = Counted;

    fn deref(&self) -> &Counted {
        &self.counted
    }
}

impl Counted {
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

impl Beginning {
    /// This many people who all have the application, which grants each one license, beside the
    /// practice tenant at this address.
    pub(crate) async fn of(people: i64, filled: Tenant, tenant: &str, clock: &dyn Clock) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(120))
            .build()
            .unwrap();
        let seats = json!({"skuId": E3, "enabled": 2_000_000});
        control(&http, tenant, "skus", seats).await;
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        directory::fill(&store, people, &SystemRandom, clock.now()).await;
        if filled == Tenant::Filled {
            directory::fill_tenant(&store, &http, tenant).await;
        }
        let url = format!("{tenant}/_practice/credentials");
        let credentials = http.get(url).send().await.unwrap().json().await.unwrap();
        let (application, connection) = connect(&store, &credentials, clock).await;
        Self {
            store,
            folder,
            application,
            connection,
            http,
            tenant: tenant.to_owned(),
        }
    }

    /// A run that is queued together with what this transaction changed; a plan that waits for a
    /// person because of the limit on removals is approved.
    pub(crate) async fn run_with(
        &self,
        scope: RunScope,
        mut tx: Write,
        clock: &dyn Clock,
    ) -> Counted {
        let calls = json!({"what": "calls"});
        control(&self.http, &self.tenant, "reset", calls).await;
        let new = NewRun {
            application_id: self.application,
            // Whatever the schedule calls everyone is read from the tenant too.
            trigger: match scope {
                RunScope::Everyone => Trigger::Schedule,
                RunScope::Changed | RunScope::Tenant => Trigger::Operator,
            },
            scope,
            mode: RunMode::Sync,
            only_user: None,
            request: None,
        };
        let queued = runs::queue(&mut tx, &SystemRandom, &new, &AUTHOR, clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let run = self.until_over(queued.run().id, clock).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        let url = format!("{}/_practice/calls", self.tenant);
        let answer = self.http.get(url).send().await.unwrap();
        Counted {
            run,
            calls: answer.json().await.unwrap(),
        }
    }

    async fn until_over(&self, id: RunId, clock: &dyn Clock) -> Run {
        let watch = Instant::now();
        loop {
            let mut read = self.store.read().await.unwrap();
            let run = runs::find(&mut read, id).await.unwrap().unwrap();
            drop(read);
            if run.state.is_over() {
                return run;
            }
            if run.state == RunState::AwaitingApproval {
                self.approve(&run, clock).await;
            }
            assert!(
                watch.elapsed() < LONGEST_RUN,
                "this takes too long: {run:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn approve(&self, run: &Run, clock: &dyn Clock) {
        assert!(
            matches!(run.waits_for, Some(WaitsFor::Limit { .. })),
            "{run:#?}"
        );
        let hash = run.plan_hash.as_deref().unwrap();
        let mut tx = self.store.write().await.unwrap();
        let approved = approval::approve(&mut tx, run.id, hash, &AUTHOR, clock.now())
            .await
            .unwrap();
        assert_eq!(approved, approval::Approval::Approved);
        tx.commit().await.unwrap();
    }

    /// Pushes as many groups of equal size as given, two of them for everyone; with `licensed` the
    /// groups give the license, and nothing else does.
    pub(crate) async fn push_groups(&self, count: usize, licensed: bool) {
        let (random, now) = (SystemRandom, SystemClock.now());
        let groups = directory::make_groups(&self.store, count, &random, now).await;
        let mut tx = self.store.write().await.unwrap();
        let keep = OnRemoval::default();
        group_push::choose(&mut tx, self.application, &groups, keep, &AUTHOR, now)
            .await
            .unwrap();
        if licensed {
            let grant = |group: &GroupId| NewGrant {
                sku_id: E3.to_owned(),
                group_id: Some(*group),
                by_group: true,
                disabled_plans: vec![],
            };
            let grants: Vec<_> = groups.iter().map(grant).collect();
            licenses::set_grants(&mut tx, &random, self.application, &grants, &AUTHOR, now)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Takes the application from everyone, under these Actions.
    pub(crate) async fn unassign_all(&self, tx: &mut Write, policy: &Policy) {
        let now = SystemClock.now();
        policies::set_policy(tx, self.application, policy, &AUTHOR, now)
            .await
            .unwrap();
        let application = applications::find(tx, self.application).await.unwrap();
        let version = application.unwrap().version;
        let access = AccessType::Assigned;
        applications::set_access(tx, self.application, version, &access, &AUTHOR, now)
            .await
            .unwrap();
    }
}

impl Rehearsal {
    /// This many people and their tenant, with the portal at work.
    pub(crate) async fn begin(people: i64, tenant: Tenant) -> Self {
        let watch = Instant::now();
        let practice = Process::practice_tenant();
        let beginning = Beginning::of(people, tenant, &practice.url, &SystemClock).await;
        let portal = Process::portal(beginning.folder.path(), Some(&practice));
        portal.wait_for("/healthz");
        Self {
            portal,
            practice,
            beginning,
            filled_in: watch.elapsed(),
        }
    }

    /// A run of everything that changed, or of everyone.
    pub(crate) async fn run(&self, scope: RunScope) -> Measured {
        let tx = self.beginning.store.write().await.unwrap();
        self.run_with(scope, tx).await
    }

    /// A run that is queued together with what this transaction changed.
    pub(crate) async fn run_with(&self, scope: RunScope, tx: Write) -> Measured {
        self.portal.forget_peak();
        let before = self.portal.cpu();
        let counted = self.beginning.run_with(scope, tx, &SystemClock).await;
        Measured {
            counted,
            cpu: self.portal.cpu() - before,
            peak_mib: self.portal.peak_mib(),
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

async fn connect(
    store: &Store,
    credentials: &Value,
    clock: &dyn Clock,
) -> (ApplicationId, (ConnectionSettings, Secret)) {
    let (random, now) = (SystemRandom, clock.now());
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
    (made.id, (settings, secret))
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
