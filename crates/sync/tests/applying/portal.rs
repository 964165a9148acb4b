//! Signpost's records in memory: directory, links, ledger, observations, one run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};

use signpost_graph::Client;
use signpost_model::directory::{Source, SourceAnchor};
use signpost_model::license::Grant;
use signpost_model::plan::{Action, ActionKind, Disposition, LinkMethod, ObjectId};
use signpost_model::provisioning::{Decision, Link, ManagerInput, Owned, Provisioning, Wishes};
use signpost_model::random::SeededRandom;
use signpost_model::run::{FailureKind, Outcome, SkipReason};
use signpost_model::{
    ApplicationId, GrantId, KnownAccount, Observation, PlanInput, Policy, Profile, Timestamp, User,
    UserId,
};
use signpost_sync::apply::{
    Chain, Effects, Ended, GraphTenant, Journal, Recorded, Signal, Step, Surroundings, apply,
    settle_unanswered,
};
use signpost_sync::observe::{self, ObservationSink, ObserveError, Observed};
use signpost_sync::translate::NoNames;
use signpost_sync::{Context, Mapping, Plan, TenantFacts, plan};

use crate::practice::Practice;

pub(crate) const DOMAIN: &str = "contoso.example";
pub(crate) const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";

pub(crate) struct Portal {
    pub(crate) practice: Practice,
    pub(crate) client: Client,
    pub(crate) records: Mutex<Records>,
}

#[derive(Default)]
pub(crate) struct Records {
    pub(crate) people: BTreeMap<UserId, Person>,
    pub(crate) links: BTreeMap<UserId, (ObjectId, LinkMethod)>,
    pub(crate) owned: BTreeMap<ObjectId, Vec<Owned>>,
    pub(crate) accounts: BTreeMap<ObjectId, Observation>,
    pub(crate) delta_link: Option<String>,
    pub(crate) policy: Policy,
    pub(crate) grants: Vec<Grant>,
    pub(crate) actions: Vec<StoredAction>,
    full_read: Option<BTreeSet<ObjectId>>,
    /// What may have happened although nobody said so.
    unanswered: BTreeMap<UserId, Vec<Action>>,
    /// Writes of the tenant that were announced to come late, and came.
    pub(crate) late: u64,
    pub(crate) journal: Accidents,
}

pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) in_scope: bool,
    pub(crate) decision: Option<Decision>,
    pub(crate) removed_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub(crate) struct StoredAction {
    pub(crate) sequence: i64,
    pub(crate) user_id: UserId,
    pub(crate) object_id: Option<ObjectId>,
    pub(crate) action: Action,
    pub(crate) sent: bool,
    pub(crate) outcome: Option<Outcome>,
}

/// What happens to the journal, and what it has seen.
#[derive(Default)]
pub(crate) struct Accidents {
    pub(crate) calls: u32,
    /// The worker dies at this call of `mark_sent` or `record`, with it stored or not.
    pub(crate) dies_at: Option<(u32, Stored)>,
    /// Somebody cancels at this call.
    pub(crate) cancelled_at: Option<u32>,
    pub(crate) largest_batch: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Yes,
    No,
}

#[derive(Debug, thiserror::Error)]
#[error("the worker died")]
pub(crate) struct Died;

pub(crate) fn user(number: u128, name: &str) -> User {
    let (given_name, surname) = name.split_once(' ').unwrap();
    let local = name.replace(' ', ".").to_lowercase();
    let mut profile = Profile {
        user_name: format!("{local}@{DOMAIN}"),
        given_name: given_name.to_owned(),
        surname: surname.to_owned(),
        mail: format!("{local}@{DOMAIN}"),
        business_phone: "+351 1".to_owned(),
        usage_location: "PT".to_owned(),
        ..Profile::default()
    };
    profile.normalize();
    User {
        id: UserId::from_number(number),
        source_anchor: SourceAnchor::try_from(format!("anchor{number:026}")).unwrap(),
        source: Source::Local,
        profile,
        enabled: true,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        deleted_at: None,
        version: 1,
    }
}

impl Portal {
    /// Connected with a fresh practice tenant; everybody gets Microsoft 365 E3.
    pub(crate) async fn start() -> Self {
        Self::with_delay(0).await
    }

    /// Tenant, links and ledger without ids, which differ from tenant to tenant.
    pub(crate) async fn state(&self) -> Vec<String> {
        let mut lines = self.practice.digest().await;
        let records = self.records();
        for (user, (object_id, method)) in &records.links {
            let owned = records.owned.get(object_id);
            lines.push(format!("{user} {method:?} {owned:?}"));
        }
        lines
    }

    /// The second day of a company: of its workers some move, marry and leave.
    pub(crate) fn change_some(&self, workers: u128) {
        for number in 1..=workers {
            self.change(number, |person| match number % 4 {
                0 => person.in_scope = false,
                1 => {
                    person.user.profile.city = "Porto".to_owned();
                    person.user.profile.user_name = format!("new{number}@contoso.example");
                }
                2 => person.user.profile.manager_id = Some(UserId::from_number(1)),
                _ => {}
            });
        }
    }

    pub(crate) async fn with_delay(replication_delay_ms: u64) -> Self {
        let practice = Practice::start(replication_delay_ms).await;
        let client = practice.client().await;
        let records = Records {
            grants: vec![Grant {
                id: GrantId::from_number(1),
                application_id: ApplicationId::from_number(1),
                sku_id: E3.to_owned(),
                group_id: None,
                by_group: false,
                disabled_plans: Vec::new(),
            }],
            ..Records::default()
        };
        Self {
            practice,
            client,
            records: Mutex::new(records),
        }
    }

    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap()
    }

    /// Adds so many people named Worker A, Worker B, …
    pub(crate) fn add_workers(&self, count: u128) {
        for number in 1..=count {
            self.add(user(number, &format!("Worker N{number:03}")));
        }
    }

    pub(crate) fn add(&self, user: User) {
        let person = Person {
            user: user.clone(),
            in_scope: true,
            decision: None,
            removed_at: None,
        };
        self.records().people.insert(user.id, person);
    }

    pub(crate) fn change(&self, number: u128, change: impl FnOnce(&mut Person)) {
        let id = UserId::from_number(number);
        change(self.records().people.get_mut(&id).unwrap());
    }

    pub(crate) async fn observe(&self) -> Observed {
        self.try_observe().await.unwrap()
    }

    async fn try_observe(&self) -> Result<Observed, ObserveError<Died>> {
        let link = self.records().delta_link.clone();
        observe::observe(&self.client, self, link.as_deref()).await
    }

    /// Reads the tenant and makes a plan, which replaces the run before.
    pub(crate) async fn plan(&self) -> Plan {
        self.try_plan().await.unwrap()
    }

    /// As [`Portal::plan`], in bad weather.
    pub(crate) async fn try_plan(&self) -> Result<Plan, ObserveError<Died>> {
        self.try_observe().await?;
        let failed = ObserveError::Graph;
        let client = &self.client;
        let facts = TenantFacts {
            withdrawn: std::collections::BTreeSet::new(),
            domain: DOMAIN.to_owned(),
            domains: observe::read_domains(client).await.map_err(failed)?,
            products: (observe::read_products(client, &NoNames).await).map_err(failed)?,
        };
        let holders = observe::read_role_holders(client).await.map_err(failed)?;
        let now = Timestamp::from_millis(signpost_graph::Clock::now_ms(&*self.practice.clock));
        let mut records = self.records();
        records.settle_unanswered();
        let known = records.known(&holders);
        let mut inputs = records.inputs(&known);
        let mapping = Mapping::default();
        let context = || Context {
            facts: &facts,
            policy: &records.policy,
            mapping: &mapping,
            grants: &records.grants,
            now,
            linked: i64::try_from(records.links.len()).unwrap(),
        };
        let draft = plan(&inputs, &known, context());
        let gets_account = [Disposition::Create, Disposition::Adopt];
        let coming: Vec<UserId> = (draft.users.iter())
            .filter(|user| gets_account.contains(&user.disposition))
            .map(|user| user.user_id)
            .collect();
        for manager in inputs.iter_mut().filter_map(|input| input.manager.as_mut()) {
            manager.expected = coming.contains(&manager.user_id);
        }
        let made = plan(&inputs, &known, context());
        records.store(&made);
        Ok(made)
    }

    /// Carries out what the stored run still has to do, as a worker would.
    pub(crate) async fn apply(&self) -> Result<Ended, Died> {
        let random = std::sync::Arc::new(SeededRandom::new(5));
        let tenant = GraphTenant::new(self.client.clone(), random.clone());
        let surroundings = Surroundings {
            clock: &*self.practice.clock,
            random: &*random,
        };
        let ended = apply(&tenant, self, surroundings).await?;
        let because = match ended {
            Ended::Done => return Ok(ended),
            Ended::Cancelled => SkipReason::Cancelled,
            Ended::Failed(_) => SkipReason::RunEnded,
        };
        for action in &mut self.records().actions {
            assert!(
                action.outcome.is_some() || !action.sent,
                "{action:?} is unknown"
            );
            action.outcome.get_or_insert(Outcome::Skipped { because });
        }
        Ok(ended)
    }

    /// Plans and applies, and expects the run to end well.
    pub(crate) async fn sync(&self) -> Plan {
        let plan = self.plan().await;
        assert_eq!(self.apply().await.unwrap(), Ended::Done);
        plan
    }

    pub(crate) fn outcomes(&self, number: u128) -> Vec<(ActionKind, String)> {
        let id = UserId::from_number(number);
        let records = self.records();
        let mine = records.actions.iter().filter(|one| one.user_id == id);
        mine.map(|one| (one.action.kind(), word(one.outcome.as_ref())))
            .collect()
    }

    /// Every outcome that is not simply applied.
    pub(crate) fn problems(&self) -> Vec<(UserId, ActionKind, String)> {
        let records = self.records();
        (records.actions.iter())
            .map(|one| (one.user_id, one.action.kind(), word(one.outcome.as_ref())))
            .filter(|(_, _, word)| word != "applied")
            .collect()
    }

    pub(crate) fn failure(&self, number: u128) -> FailureKind {
        let id = UserId::from_number(number);
        let records = self.records();
        let failed = records.actions.iter().find_map(|one| match &one.outcome {
            Some(Outcome::Failed(failure)) if one.user_id == id => Some(failure.kind),
            _ => None,
        });
        failed.unwrap()
    }

    fn strike(&self, write: impl FnOnce(&mut Records)) -> Result<Signal, Died> {
        let mut records = self.records();
        records.journal.calls += 1;
        let calls = records.journal.calls;
        let dies = records.journal.dies_at.filter(|(at, _)| *at == calls);
        if dies.is_none_or(|(_, stored)| stored == Stored::Yes) {
            write(&mut records);
        }
        if dies.is_some() {
            return Err(Died);
        }
        let cancelled = records.journal.cancelled_at;
        Ok(if cancelled.is_some_and(|at| calls >= at) {
            Signal::Stop
        } else {
            Signal::GoOn
        })
    }
}

fn word(outcome: Option<&Outcome>) -> String {
    match outcome {
        None => "open".to_owned(),
        Some(Outcome::Applied { .. }) => "applied".to_owned(),
        Some(Outcome::Failed(failure)) => format!("failed: {:?}", failure.kind),
        Some(Outcome::Skipped { because }) => format!("skipped: {because:?}"),
    }
}

impl Records {
    fn known(&self, holders: &[ObjectId]) -> Vec<KnownAccount> {
        let owner = |id: &ObjectId| {
            let mut links = self.links.iter();
            links
                .find(|(_, (linked, _))| linked == id)
                .map(|(user, _)| *user)
        };
        let known = |seen: &Observation| KnownAccount {
            observation: seen.clone(),
            linked_with: owner(&seen.object_id),
            administrator: holders.contains(&seen.object_id),
        };
        self.accounts.values().map(known).collect()
    }

    fn inputs(&self, known: &[KnownAccount]) -> Vec<PlanInput> {
        (self.people.values())
            .map(|person| {
                let link = self.links.get(&person.user.id);
                let object_id = link.map(|(id, _)| id);
                let account = |id: &ObjectId| {
                    let mut known = known.iter();
                    known.find(|k| k.observation.object_id == *id).cloned()
                };
                PlanInput {
                    user: person.user.clone(),
                    in_scope: person.in_scope,
                    groups: Vec::new(),
                    provisioning: Provisioning {
                        removed_at: person.removed_at,
                        ..Provisioning::NEW
                    },
                    link: link.map(|(id, method)| Link {
                        object_id: id.clone(),
                        method: *method,
                        linked_at: Timestamp::default(),
                    }),
                    account: object_id.and_then(account),
                    owned: object_id
                        .and_then(|id| self.owned.get(id).cloned())
                        .unwrap_or_default(),
                    decision: person.decision.clone(),
                    manager: self.manager_of(&person.user),
                    wishes: Wishes::default(),
                }
            })
            .collect()
    }

    fn manager_of(&self, user: &User) -> Option<ManagerInput> {
        let manager = &self.people.get(&user.profile.manager_id?)?.user;
        Some(ManagerInput {
            user_id: manager.id,
            display_name: manager.profile.display_name.clone(),
            object_id: self.links.get(&manager.id).map(|(id, _)| id.clone()),
            expected: false,
        })
    }

    /// Stores a plan and records what is recorded before its first action.
    fn store(&mut self, plan: &Plan) {
        self.actions.clear();
        for user in &plan.users {
            let person = self.people.get_mut(&user.user_id).unwrap();
            person.removed_at = user.removed_at;
            if let (Some(object_id), Some(method)) = (&user.object_id, user.link) {
                let link = (object_id.clone(), method);
                self.links.insert(user.user_id, link);
            }
            if let Some(object_id) = &user.object_id {
                self.own(object_id, &user.owned);
            }
            for planned in &user.actions {
                self.actions.push(StoredAction {
                    sequence: i64::try_from(self.actions.len()).unwrap() + 1,
                    user_id: user.user_id,
                    object_id: user.object_id.clone(),
                    action: planned.action.clone(),
                    sent: false,
                    outcome: None,
                });
            }
        }
    }

    /// Looks up in the tenant what became of what was never answered.
    fn settle_unanswered(&mut self) {
        let managers: HashMap<_, _> = (self.links.iter())
            .map(|(user, (id, _))| (*user, id.clone()))
            .collect();
        for (user, actions) in std::mem::take(&mut self.unanswered) {
            let anchor = self.people[&user].user.source_anchor.as_str();
            let link = self.links.get(&user).map(|(id, _)| id);
            let account = self.accounts.values().find(|seen| match link {
                Some(id) => seen.object_id == *id,
                None => seen.immutable_id.as_deref() == Some(anchor),
            });
            let Some(account) = account.cloned() else {
                self.unanswered.insert(user, actions);
                continue;
            };
            let owned = self.owned.get(&account.object_id);
            let owned = owned.map(Vec::as_slice).unwrap_or_default();
            let is_linked = link.is_some();
            let effects = settle_unanswered(user, &actions, &account, is_linked, owned, &managers);
            self.take(&effects);
        }
    }

    fn take(&mut self, effects: &Effects) {
        if let Some(method) = effects.link {
            let link = (effects.object_id.clone(), method);
            self.links.insert(effects.user_id, link);
        }
        let lost = &effects.ledger.lost;
        let lines = self.owned.entry(effects.object_id.clone()).or_default();
        lines.retain(|line| !lost.contains(&(line.kind, line.key.clone())));
        self.own(&effects.object_id, &effects.ledger.gained);
    }

    fn own(&mut self, object_id: &ObjectId, gained: &[Owned]) {
        let lines = self.owned.entry(object_id.clone()).or_default();
        for line in gained {
            lines.retain(|known| known.kind != line.kind || known.key != line.key);
            lines.push(line.clone());
        }
        lines.sort();
    }

    fn chain(&self, user_id: UserId, steps: Vec<Step>, planned: Option<ObjectId>) -> Chain {
        let link = self.links.get(&user_id).map(|(id, _)| id.clone());
        let object_id = planned.or(link);
        Chain {
            user_id,
            observation: object_id
                .as_ref()
                .and_then(|id| self.accounts.get(id).cloned()),
            owned: object_id
                .as_ref()
                .and_then(|id| self.owned.get(id).cloned())
                .unwrap_or_default(),
            object_id,
            steps,
        }
    }

    fn record(&mut self, recorded: &[Recorded]) {
        for one in recorded {
            let index = usize::try_from(one.sequence - 1).unwrap();
            let stored = &mut self.actions[index];
            assert_eq!(stored.outcome, None, "{stored:?} is recorded twice");
            stored.outcome = Some(one.outcome.clone());
            if one.unanswered {
                let actions = self.unanswered.entry(stored.user_id).or_default();
                actions.push(stored.action.clone());
            }
            let Some(effects) = &one.effects else {
                continue;
            };
            self.take(effects);
            if let Some(seen) = &effects.observation {
                self.accounts.insert(seen.object_id.clone(), seen.clone());
                if let Some(read) = &mut self.full_read {
                    read.insert(seen.object_id.clone());
                }
            }
        }
    }
}

impl Journal for Portal {
    type Error = Died;

    async fn next_chains(&self, after: Option<i64>, limit: usize) -> Result<Vec<Chain>, Died> {
        let records = self.records();
        let mut chains: Vec<Chain> = Vec::new();
        let open = records.actions.iter().filter(|one| one.outcome.is_none());
        for one in open.filter(|one| one.sequence > after.unwrap_or(0)) {
            let step = Step {
                sequence: one.sequence,
                action: one.action.clone(),
                sent: one.sent,
            };
            let is_full = chains.len() == limit;
            match chains.last_mut() {
                Some(last) if last.user_id == one.user_id => last.steps.push(step),
                _ if is_full => break,
                _ => chains.push(records.chain(one.user_id, vec![step], one.object_id.clone())),
            }
        }
        Ok(chains)
    }

    async fn accounts_of(&self, users: &[UserId]) -> Result<HashMap<UserId, ObjectId>, Died> {
        let records = self.records();
        let link = |user: &UserId| Some((*user, records.links.get(user)?.0.clone()));
        Ok(users.iter().filter_map(link).collect())
    }

    async fn mark_sent(&self, sequences: &[i64]) -> Result<Signal, Died> {
        self.strike(|records| {
            let largest = records.journal.largest_batch.max(sequences.len());
            records.journal.largest_batch = largest;
            for sequence in sequences {
                let index = usize::try_from(sequence - 1).unwrap();
                records.actions[index].sent = true;
            }
        })
    }

    async fn record(&self, recorded: &[Recorded]) -> Result<Signal, Died> {
        self.strike(|records| records.record(recorded))
    }
}

impl ObservationSink for Portal {
    type Error = Died;

    async fn count(&self) -> Result<u64, Died> {
        Ok(self.records().accounts.len() as u64)
    }

    async fn known(&self, ids: &[ObjectId]) -> Result<Vec<Observation>, Died> {
        let records = self.records();
        Ok((ids.iter())
            .filter_map(|id| records.accounts.get(id).cloned())
            .collect())
    }

    async fn begin_full_read(&self) -> Result<(), Died> {
        self.records().full_read = Some(BTreeSet::new());
        Ok(())
    }

    async fn store(&self, accounts: &[Observation]) -> Result<(), Died> {
        let mut records = self.records();
        for seen in accounts {
            if let Some(read) = &mut records.full_read {
                read.insert(seen.object_id.clone());
            }
            records
                .accounts
                .insert(seen.object_id.clone(), seen.clone());
        }
        Ok(())
    }

    async fn remove(&self, gone: &[ObjectId]) -> Result<(), Died> {
        let mut records = self.records();
        records.accounts.retain(|id, _| !gone.contains(id));
        Ok(())
    }

    async fn finish_full_read(&self) -> Result<(), Died> {
        let mut records = self.records();
        let read = records.full_read.take().unwrap();
        records.accounts.retain(|id, _| read.contains(id));
        Ok(())
    }

    async fn save_delta_link(&self, link: &str) -> Result<(), Died> {
        self.records().delta_link = Some(link.to_owned());
        Ok(())
    }
}
