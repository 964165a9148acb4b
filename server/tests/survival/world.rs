//! A company, its tenant and its portal; and everything that must be as if nothing had happened.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use signpost_model::connection::{ConnectionSettings, Findings, FoundDomain};
use signpost_model::policy::Limits;
use signpost_model::provisioning::Owned;
use signpost_model::random::SeededRandom;
use signpost_model::run::{Run, RunMode, RunScope, RunState, Trigger};
use signpost_model::{
    AccessType, ApplicationId, Clock as _, Cloud, ConnectionState, PlanInput, Policy, Profile,
    Secret, Source, SourceAnchor, Timestamp, UserId,
};
use signpost_practice_tenant::Options;
use signpost_server::ambient::{SystemClock, SystemRandom};
use signpost_store::audit::Verdict;
use signpost_store::connections::ConnectionUpdate;
use signpost_store::licenses::NewGrant;
use signpost_store::plan_inputs::{self, InputScope};
use signpost_store::runs::NewRun;
use signpost_store::testing::{AUTHOR, Database};
use signpost_store::users::{self, NewUser};
use signpost_store::{
    Engine, MasterKey, PageRequest, Store, applications, audit, connections, licenses, policies,
    runs,
};
use tempfile::TempDir;

use crate::processes::{Process, common, free_address};
use crate::tenant::{PATIENCE, Tenant};

/// Microsoft 365 E3.
pub(crate) const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";

/// The application's name.
const NAME: &str = "Microsoft 365";

/// A company with its directory, its tenant and its portal.
pub(crate) struct World {
    pub(crate) tenant: Tenant,
    pub(crate) store: Store,
    pub(crate) application: ApplicationId,
    pub(crate) data: TempDir,
    database: Database,
    people: u128,
}

impl World {
    /// Nobody is synced yet.
    pub(crate) async fn begin(engine: Engine, people: u128) -> Self {
        Self::begin_with(engine, people, Options::default()).await
    }

    /// With another tenant than the usual one.
    pub(crate) async fn begin_with(engine: Engine, people: u128, options: Options) -> Self {
        let tenant = Tenant::start(options).await;
        let database = Database::create(engine).await;
        let store = database.store.clone();
        let data = tempfile::tempdir().unwrap();
        // The key of test databases.
        let key = MasterKey::generate(&SeededRandom::new(0));
        key.write_new(&data.path().join("master.key")).unwrap();
        let application = connect(&store, &tenant).await;
        let world = Self {
            tenant,
            store,
            application,
            data,
            database,
            people,
        };
        world.hire().await;
        world
    }

    /// Everybody arrives: some have an account already, some have a manager.
    async fn hire(&self) {
        let mut tx = self.store.write().await.unwrap();
        for number in 1..=self.people {
            let new = NewUser {
                id: UserId::from_number(number),
                source_anchor: SourceAnchor::try_from(format!("anchor{number:026}")).unwrap(),
                source: Source::Local,
                profile: profile(number),
                enabled: true,
            };
            users::create(&mut tx, &new, &AUTHOR, now()).await.unwrap();
        }
        for number in (1..=self.people).filter(|number| number % 3 == 0) {
            let id = UserId::from_number(number);
            let manager = Some(UserId::from_number(self.people + 1 - number));
            let profile = Profile {
                manager_id: manager.filter(|manager| *manager != id),
                ..profile(number)
            };
            users::update(&mut tx, id, 1, &profile, &AUTHOR, now())
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// The second day: some move, marry, leave, are disabled.
    pub(crate) async fn change(&self) {
        let mut tx = self.store.write().await.unwrap();
        let (mut leaving, mut disabled) = (Vec::new(), Vec::new());
        for number in 1..=self.people {
            let id = UserId::from_number(number);
            match number % 5 {
                1 => leaving.push(id),
                2 => disabled.push(id),
                3 | 4 => {
                    let user = users::find(&mut tx, id).await.unwrap().unwrap();
                    let mut profile = user.profile.clone();
                    profile.city = "Porto".to_owned();
                    if number % 5 == 4 {
                        profile.user_name = format!("married{number}@contoso.example");
                    }
                    profile.normalize();
                    users::update(&mut tx, id, user.version, &profile, &AUTHOR, now())
                        .await
                        .unwrap();
                }
                _ => {}
            }
        }
        users::delete(&mut tx, &leaving, &AUTHOR, now())
            .await
            .unwrap();
        users::disable(&mut tx, &disabled, &AUTHOR, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    fn arguments(&self, log: &str) -> Vec<String> {
        let (data, url) = (self.data.path(), &self.database.settings.url);
        common(data, url, &self.tenant.url, log)
    }

    /// `signpost sync`: ends when a run of its own is over.
    pub(crate) fn start_sync(&self, log: &str) -> Process {
        let mut arguments = vec!["sync".to_owned()];
        arguments.extend(["--application", NAME].map(str::to_owned));
        arguments.extend(self.arguments(log));
        Process::start(&arguments)
    }

    /// `signpost sync` with more in its environment.
    pub(crate) fn start_sync_with(&self, environment: &[(&str, &str)]) -> Process {
        let mut arguments = vec!["sync".to_owned()];
        arguments.extend(["--application", NAME].map(str::to_owned));
        arguments.extend(self.arguments("warn"));
        Process::start_with(environment, &arguments)
    }

    /// `signpost sync` that reads the whole tenant and plans everyone.
    pub(crate) fn start_sync_everyone(&self) -> Process {
        let mut arguments = vec!["sync".to_owned()];
        arguments.extend(["--everyone", "--application", NAME].map(str::to_owned));
        arguments.extend(self.arguments("warn"));
        Process::start(&arguments)
    }

    /// `signpost worker`: takes what is queued until it is ended.
    pub(crate) fn start_worker(&self, log: &str) -> Process {
        let mut arguments = vec!["worker".to_owned()];
        arguments.extend(self.arguments(log));
        Process::start(&arguments)
    }

    /// `signpost worker` on another machine: its data folder is not ours.
    pub(crate) fn start_worker_elsewhere(&self, data: &TempDir, log: &str) -> Process {
        let key = self.data.path().join("master.key");
        let mut arguments = vec!["worker".to_owned()];
        let url = &self.database.settings.url;
        arguments.extend(common(data.path(), url, &self.tenant.url, log));
        arguments.extend(["--master-key-file".to_owned(), key.display().to_string()]);
        Process::start(&arguments)
    }

    /// `signpost serve` with its worker, and its address.
    pub(crate) fn start_portal(&self, log: &str) -> (Process, String) {
        let address = free_address();
        (
            Process::start(&self.portal_arguments(address, log)),
            format!("http://{address}"),
        )
    }

    pub(crate) fn portal_arguments(&self, address: std::net::SocketAddr, log: &str) -> Vec<String> {
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend(self.arguments(log));
        arguments.extend(["--listen".to_owned(), address.to_string()]);
        arguments
    }

    /// Lets go of SQLite's file, which then is whole without its journal; returns its place.
    pub(crate) async fn close(&mut self) -> PathBuf {
        self.store.close().await;
        self.store.file().unwrap().to_owned()
    }

    /// Opens the database again.
    pub(crate) async fn reopen(&mut self) {
        let opened = Store::open(&self.database.settings, signpost_store::testing::sealer()).await;
        self.store = opened.unwrap();
    }

    /// Sets how much a run may take without a person.
    pub(crate) async fn set_limits(&self, limits: Limits) {
        let mut tx = self.store.write().await.unwrap();
        let policy = policies::find_policy(&mut tx, self.application)
            .await
            .unwrap();
        let policy = Policy { limits, ..policy };
        policies::set_policy(&mut tx, self.application, &policy, &AUTHOR, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// A clean sync to its end, which must be a good one.
    pub(crate) async fn sync(&self) {
        self.start_sync("warn").succeeds().await;
    }

    /// Queues a run as the button does.
    pub(crate) async fn queue(&self) -> Run {
        let new = NewRun {
            application_id: self.application,
            trigger: Trigger::Operator,
            scope: RunScope::Changed,
            mode: RunMode::Sync,
            only_user: None,
            request: None,
        };
        let mut tx = self.store.write().await.unwrap();
        let queued = runs::queue(&mut tx, &SystemRandom, &new, &AUTHOR, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        queued.run().clone()
    }

    /// The newest run.
    pub(crate) async fn latest_run(&self) -> Run {
        let mut db = self.store.read().await.unwrap();
        let page = runs::list(&mut db, Some(self.application), &PageRequest::first(1))
            .await
            .unwrap();
        page.items.into_iter().next().unwrap()
    }

    /// What our records say about everyone.
    pub(crate) async fn inputs(&self) -> Vec<PlanInput> {
        let mut db = self.store.read().await.unwrap();
        let application = applications::find(&mut db, self.application)
            .await
            .unwrap()
            .unwrap();
        let scope = InputScope {
            scope: RunScope::Everyone,
            only_user: None,
            settings_too: true,
        };
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = plan_inputs::list_next(&mut db, &application, scope, after, 500, now())
                .await
                .unwrap();
            all.extend(page.inputs);
            match page.next {
                Some(next) => after = Some(next),
                None => return all,
            }
        }
    }

    /// Tenant and ledger as lines to compare with those of a world where nothing went wrong.
    pub(crate) async fn state(&self) -> Vec<String> {
        let mut lines = self.tenant.digest().await;
        for input in self.inputs().await {
            lines.push(ledger_line(&input));
        }
        lines
    }

    /// The records as such: the database is whole, the audit trail is, and nothing is left over.
    pub(crate) async fn assert_sound(&self, what: &str) {
        let problems = signpost_store::testing::integrity_problems(&self.store).await;
        assert_eq!(problems, [] as [String; 0], "{what}");
        let verdict = audit::verify(&self.store).await.unwrap();
        assert!(
            matches!(verdict, Verdict::Whole { .. }),
            "{what}: {verdict:?}"
        );
        let mut db = self.store.read().await.unwrap();
        let open = runs::list_open(&mut db, self.application).await.unwrap();
        assert!(open.is_empty(), "{what}: a run is left over: {open:#?}");
    }

    /// Our copy of the tenant says what the tenant says, and there is nothing left to do.
    pub(crate) async fn assert_settled(&self, what: &str) {
        self.tenant.tell("reset", json!({"what": "calls"})).await;
        self.start_sync_everyone().succeeds().await;
        let run = self.latest_run().await;
        assert_eq!(run.tally.actions, 0, "{what}: {run:#?}");
        let calls = self.tenant.ask("calls").await;
        assert_eq!(calls["writes"], 0, "{what}: {calls}");
    }
}

/// Waits until the run is as wanted.
pub(crate) async fn until(world: &World, run: &Run, wanted: fn(RunState) -> bool) -> Run {
    let begin = Instant::now();
    loop {
        let mut db = world.store.read().await.unwrap();
        let found = runs::find(&mut db, run.id).await.unwrap().unwrap();
        drop(db);
        if wanted(found.state) {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{found:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The present.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// The person with this number. The first two have accounts in the tenant already.
fn profile(number: u128) -> Profile {
    let (given_name, surname, user_name) = match number {
        1 => (
            "Alice",
            "Martins",
            "alice.martins@contoso.example".to_owned(),
        ),
        2 => ("Bob", "Keller", "bob.keller@contoso.example".to_owned()),
        _ => ("Worker", "", format!("worker{number}@contoso.example")),
    };
    let mut profile = Profile {
        mail: user_name.clone(),
        user_name,
        given_name: given_name.to_owned(),
        surname: if surname.is_empty() {
            format!("N{number:03}")
        } else {
            surname.to_owned()
        },
        usage_location: "PT".to_owned(),
        department: "Research".to_owned(),
        ..Profile::default()
    };
    profile.normalize();
    profile
}

/// A user's records in a line, without ids and times.
fn ledger_line(input: &PlanInput) -> String {
    let provisioning = &input.provisioning;
    let owned: Vec<&Owned> = input.owned.iter().collect();
    let account = input.account.as_ref().map(|known| {
        let mut seen = known.observation.clone();
        seen.object_id = signpost_model::plan::ObjectId::new("");
        seen.manager = seen
            .manager
            .map(|_| signpost_model::plan::ObjectId::new(""));
        format!("{seen:?}")
    });
    format!(
        "user {} {:?} link {:?} owned {owned:?} removed {} due {} attempts {} waits {} account {account:?}",
        input.user.profile.user_name,
        provisioning.state,
        input.link.as_ref().map(|link| link.method),
        provisioning.removed_at.is_some(),
        provisioning.due_at.is_some(),
        provisioning.attempts,
        provisioning.revision != provisioning.settled_revision,
    )
}

async fn connect(store: &Store, tenant: &Tenant) -> ApplicationId {
    let credentials = &tenant.credentials;
    let settings = ConnectionSettings {
        cloud: Cloud::Practice,
        domain: credentials.domain.clone(),
        tenant_id: credentials.tenant_id.clone(),
        client_id: credentials.client_id.clone(),
    };
    let findings = Findings {
        domains: vec![
            domain("contoso.example", false),
            domain("contoso-practice.onmicrosoft.com", true),
        ],
        ..Findings::default()
    };
    let (random, now) = (&SystemRandom, now());
    let mut tx = store.write().await.unwrap();
    let application =
        applications::create(&mut tx, random, NAME, &AccessType::AllUsers, &AUTHOR, now)
            .await
            .unwrap()
            .id;
    let secret = Secret::new(credentials.secret.as_str());
    let update = ConnectionUpdate {
        settings: &settings,
        secret: Some(&secret),
        state: ConnectionState::Connected,
        findings: &findings,
    };
    let sealer = store.sealer().clone();
    connections::save(&mut tx, &sealer, random, application, update, &AUTHOR, now)
        .await
        .unwrap();
    let grant = NewGrant {
        sku_id: E3.to_owned(),
        group_id: None,
        disabled_plans: vec![],
        by_group: false,
    };
    licenses::set_grants(&mut tx, random, application, &[grant], &AUTHOR, now)
        .await
        .unwrap();
    let policy = Policy {
        remove_licenses: true,
        // Many leave at once here, and nobody is there to approve it.
        limits: Limits {
            floor: 1_000,
            ..Limits::default()
        },
        ..Policy::default()
    };
    policies::set_policy(&mut tx, application, &policy, &AUTHOR, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    application
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

/// What is in one list of lines and not in the other, for people.
pub(crate) fn difference(found: &[String], expected: &[String]) -> String {
    let missing = expected.iter().filter(|line| !found.contains(line));
    let extra = found.iter().filter(|line| !expected.contains(line));
    let missing = missing.map(|line| format!("- {line}"));
    let lines: Vec<String> = missing
        .chain(extra.map(|line| format!("+ {line}")))
        .collect();
    lines.join("\n")
}
