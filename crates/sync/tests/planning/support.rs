//! The cast (tenant Contoso) and a world in memory: directory, tenant, links and ledger.

use std::collections::BTreeMap;

use signpost_model::connection::FoundDomain;
use signpost_model::directory::{Source, SourceAnchor};
use signpost_model::license::{Grant, Product, Seats, ServicePlan};
use signpost_model::plan::{
    Action, Blocker, Disposition, LinkMethod, ObjectId, PlannedAction, TargetAttribute, UserPlan,
};
use signpost_model::provisioning::{
    Decision, LastOutcome, Link, ManagerInput, Provisioning, Wishes,
};
use signpost_model::run::WaitsFor;
use signpost_model::{
    ApplicationId, GrantId, GroupId, KnownAccount, Observation, ObservedLicense, PlanInput, Policy,
    Profile, Timestamp, User, UserId,
};
use signpost_sync::planner::Planner;
use signpost_sync::{AccountRecord, Context, Ledger, Mapping, Plan, Resolved, TenantFacts, plan};

pub(crate) const E3: &str = "sku-e3";
pub(crate) const E1: &str = "sku-e1";
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// Everything there is.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) people: BTreeMap<UserId, Person>,
    pub(crate) tenant: BTreeMap<ObjectId, Observation>,
    pub(crate) administrators: Vec<ObjectId>,
    pub(crate) ledgers: BTreeMap<ObjectId, Ledger>,
    pub(crate) facts: TenantFacts,
    pub(crate) policy: Policy,
    pub(crate) grants: Vec<Grant>,
    pub(crate) now: Timestamp,
}

/// A user and where they stand.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) in_scope: bool,
    pub(crate) groups: Vec<GroupId>,
    pub(crate) link: Option<(ObjectId, LinkMethod)>,
    pub(crate) decision: Option<Decision>,
    pub(crate) removed_at: Option<Timestamp>,
    pub(crate) wishes: Wishes,
    pub(crate) waits_for_seat: bool,
}

pub(crate) fn user(number: u128, given_name: &str, surname: &str) -> User {
    let local = format!("{given_name}.{surname}").to_lowercase();
    let mut profile = Profile {
        user_name: format!("{local}@contoso.com"),
        given_name: given_name.to_owned(),
        surname: surname.to_owned(),
        mail: format!("{local}@contoso.com"),
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
        created_at: NOW,
        updated_at: NOW,
        deleted_at: None,
        version: 1,
    }
}

/// An account as the user's own would look.
pub(crate) fn account_of(user: &User, object_id: &str) -> Observation {
    let values = Mapping::default().render(user, "contoso.com").unwrap();
    let name = values[&TargetAttribute::UserPrincipalName].clone();
    let mut values = values;
    values.remove(&TargetAttribute::UserPrincipalName);
    Observation {
        object_id: ObjectId::new(object_id),
        user_principal_name: name,
        mail: Some(user.profile.mail.clone()),
        values,
        ..Observation::default()
    }
}

pub(crate) fn product(sku_id: &str, name: &str, seats: i64, plans: &[&str]) -> Product {
    let plan = |&name: &&str| ServicePlan {
        id: format!("plan-{}", name.to_lowercase()),
        name: name.to_owned(),
        friendly_name: name.to_owned(),
        for_users: true,
    };
    Product {
        sku_id: sku_id.to_owned(),
        part_number: name.to_uppercase(),
        name: name.to_owned(),
        assignable: true,
        seats: Seats {
            total: seats,
            used: 0,
        },
        service_plans: plans.iter().map(plan).collect(),
    }
}

pub(crate) fn grant(number: u128, sku_id: &str, group: Option<GroupId>, off: &[&str]) -> Grant {
    Grant {
        id: GrantId::from_number(number),
        application_id: ApplicationId::from_number(1),
        sku_id: sku_id.to_owned(),
        group_id: group,
        by_group: false,
        disabled_plans: off.iter().map(|&plan| plan.to_owned()).collect(),
    }
}

pub(crate) fn domain(name: &str, initial: bool) -> FoundDomain {
    FoundDomain {
        name: name.to_owned(),
        verified: true,
        federated: false,
        default: initial,
        initial,
    }
}

impl World {
    /// Contoso with nobody in it: 100 seats of two products, E3 granted to all.
    pub(crate) fn contoso() -> Self {
        Self {
            people: BTreeMap::new(),
            tenant: BTreeMap::new(),
            administrators: Vec::new(),
            ledgers: BTreeMap::new(),
            facts: TenantFacts {
                withdrawn: std::collections::BTreeSet::new(),
                domain: "contoso.com".to_owned(),
                domains: vec![
                    domain("contoso.com", false),
                    domain("contoso.onmicrosoft.com", true),
                ],
                products: vec![
                    product(
                        E3,
                        "Office 365 E3",
                        100,
                        &["EXCHANGE_S_ENTERPRISE", "SHAREPOINTENTERPRISE", "TEAMS1"],
                    ),
                    product(
                        E1,
                        "Office 365 E1",
                        100,
                        &["EXCHANGE_S_STANDARD", "SHAREPOINTSTANDARD"],
                    ),
                ],
            },
            policy: Policy::default(),
            grants: vec![grant(1, E3, None, &[])],
            now: NOW,
        }
    }

    /// Adds somebody who has the application.
    pub(crate) fn add(&mut self, user: User) -> &mut Person {
        let person = Person {
            user: user.clone(),
            in_scope: true,
            groups: Vec::new(),
            link: None,
            decision: None,
            removed_at: None,
            wishes: Wishes::default(),
            waits_for_seat: false,
        };
        self.people.entry(user.id).or_insert(person)
    }

    pub(crate) fn person(&mut self, number: u128) -> &mut Person {
        self.people.get_mut(&UserId::from_number(number)).unwrap()
    }

    /// Links a user with an account that is as Signpost would have created it.
    pub(crate) fn link_created(&mut self, number: u128) -> ObjectId {
        let world = self.clone();
        let planned = world.plan();
        let id = UserId::from_number(number);
        let user_plan = planned.users.iter().find(|plan| plan.user_id == id);
        self.apply_user(user_plan.unwrap(), usize::MAX);
        self.person(number).link.clone().unwrap().0
    }

    pub(crate) fn account(&mut self, number: u128) -> &mut Observation {
        let object_id = self.person(number).link.clone().unwrap().0;
        self.tenant.get_mut(&object_id).unwrap()
    }

    pub(crate) fn known(&self, object_id: &ObjectId) -> Option<KnownAccount> {
        let linked = |person: &&Person| {
            person
                .link
                .as_ref()
                .is_some_and(|(linked, _)| linked == object_id)
        };
        Some(KnownAccount {
            observation: self.tenant.get(object_id)?.clone(),
            linked_with: self.people.values().find(linked).map(|p| p.user.id),
            administrator: self.administrators.contains(object_id),
        })
    }

    pub(crate) fn accounts(&self) -> Vec<KnownAccount> {
        self.tenant.keys().filter_map(|id| self.known(id)).collect()
    }

    pub(crate) fn input(&self, person: &Person) -> PlanInput {
        let linked = person.link.as_ref();
        PlanInput {
            user: person.user.clone(),
            in_scope: person.in_scope,
            groups: person.groups.clone(),
            provisioning: Provisioning {
                removed_at: person.removed_at,
                last_outcome: person.waits_for_seat.then(|| {
                    LastOutcome::Blocked(vec![Blocker::NoSeats {
                        product: "Office 365 E3".to_owned(),
                        sku_id: E3.to_owned(),
                    }])
                }),
                ..Provisioning::NEW
            },
            link: linked.map(|(object_id, method)| Link {
                object_id: object_id.clone(),
                method: *method,
                linked_at: NOW,
            }),
            account: linked.and_then(|(object_id, _)| self.known(object_id)),
            owned: linked
                .and_then(|(object_id, _)| self.ledgers.get(object_id))
                .map(Ledger::lines)
                .unwrap_or_default(),
            decision: person.decision.clone(),
            manager: self.manager_of(person),
            wishes: person.wishes.clone(),
        }
    }

    /// Marks the managers whose account this very plan makes.
    fn expect_managers(&self, mut inputs: Vec<PlanInput>) -> Vec<PlanInput> {
        let draft = self.plan_in_order(&inputs, &self.accounts());
        let gets_account = |plan: &&UserPlan| {
            plan.disposition == Disposition::Create || plan.disposition == Disposition::Adopt
        };
        let coming: Vec<UserId> = (draft.users.iter().filter(gets_account))
            .map(|plan| plan.user_id)
            .collect();
        for manager in inputs.iter_mut().filter_map(|input| input.manager.as_mut()) {
            manager.expected = coming.contains(&manager.user_id);
        }
        inputs
    }

    fn manager_of(&self, person: &Person) -> Option<ManagerInput> {
        let manager = self.people.get(&person.user.profile.manager_id?)?;
        Some(ManagerInput {
            user_id: manager.user.id,
            display_name: manager.user.profile.display_name.clone(),
            object_id: manager.link.as_ref().map(|(id, _)| id.clone()),
            expected: false,
        })
    }

    pub(crate) fn inputs(&self) -> Vec<PlanInput> {
        let inputs = self.people.values().map(|person| self.input(person));
        self.expect_managers(inputs.collect())
    }

    pub(crate) fn linked(&self) -> i64 {
        i64::try_from(self.people.values().filter(|p| p.link.is_some()).count()).unwrap()
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan_in_order(&self.inputs(), &self.accounts())
    }

    pub(crate) fn plan_in_order(&self, inputs: &[PlanInput], accounts: &[KnownAccount]) -> Plan {
        let mapping = Mapping::default();
        plan(
            inputs,
            accounts,
            Context {
                facts: &self.facts,
                policy: &self.policy,
                mapping: &mapping,
                grants: &self.grants,
                now: self.now,
                linked: self.linked(),
            },
        )
    }

    /// The plan when so many users wait for a seat of E3, and E1 is given instead of it.
    pub(crate) fn plan_with_supply(&self, waiting: i64, fallback: bool) -> Vec<UserPlan> {
        let mapping = Mapping::default();
        let mut planner = Planner::new(Context {
            facts: &self.facts,
            policy: &self.policy,
            mapping: &mapping,
            grants: &self.grants,
            now: self.now,
            linked: self.linked(),
        })
        .with_waiting(BTreeMap::from([(E3.to_owned(), waiting)]));
        if fallback {
            let instead = BTreeMap::from([(E3.to_owned(), vec![E1.to_owned()])]);
            planner = planner.with_fallbacks(instead);
        }
        let inputs = self.inputs();
        inputs
            .iter()
            .map(|input| planner.user(input, &[]))
            .collect()
    }

    /// What a run waits for when earlier ones took something from so many accounts unasked.
    pub(crate) fn waits_after(&self, earlier: i64) -> Option<WaitsFor> {
        let mapping = Mapping::default();
        let mut planner = Planner::new(Context {
            facts: &self.facts,
            policy: &self.policy,
            mapping: &mapping,
            grants: &self.grants,
            now: self.now,
            linked: self.linked(),
        });
        for input in self.inputs() {
            planner.user(&input, &[]);
        }
        planner.finish_after(earlier).waits_for
    }

    /// Carries out the first `steps` actions of a plan, and all that is noted without one.
    pub(crate) fn apply(&mut self, plan: &Plan, mut steps: usize) {
        for user in &plan.users {
            self.person_mut(user).removed_at = user.removed_at;
            steps -= self.apply_user(user, steps);
        }
        // Managers whose account came into being after their report's turn.
        for user in &plan.users {
            let set_manager = |planned: &&PlannedAction| {
                matches!(planned.action, Action::SetManager { after: Some(_), .. })
            };
            let account = self.person_mut(user).link.clone().map(|(id, _)| id);
            for planned in user.actions.iter().filter(set_manager).take(steps) {
                self.carry_out(user, account.clone(), &planned.action);
            }
        }
    }

    fn person_mut(&mut self, plan: &UserPlan) -> &mut Person {
        self.people.get_mut(&plan.user_id).unwrap()
    }

    fn apply_user(&mut self, plan: &UserPlan, steps: usize) -> usize {
        if let (Some(object_id), Some(method)) = (&plan.object_id, plan.link) {
            self.person_mut(plan).link = Some((object_id.clone(), method));
        }
        let mut account = self.person_mut(plan).link.clone().map(|(id, _)| id);
        if let Some(id) = account.as_ref().filter(|_| !plan.owned.is_empty()) {
            let ledger = self.ledgers.entry(id.clone()).or_default();
            let mut lines = ledger.lines();
            lines.retain(|line| {
                !plan
                    .owned
                    .iter()
                    .any(|new| new.kind == line.kind && new.key == line.key)
            });
            lines.extend(plan.owned.iter().cloned());
            *ledger = Ledger::read(&lines);
        }
        let mut done = 0;
        for planned in plan.actions.iter().take(steps) {
            account = Some(self.carry_out(plan, account, &planned.action));
            done += 1;
        }
        done
    }

    fn carry_out(
        &mut self,
        plan: &UserPlan,
        account: Option<ObjectId>,
        action: &Action,
    ) -> ObjectId {
        let (object_id, record) = if matches!(action, Action::CreateAccount { .. }) {
            let object_id = ObjectId::new(&format!("made-{}", plan.user_id));
            let record = AccountRecord::created(&object_id, action).unwrap();
            self.person_mut(plan).link = Some((object_id.clone(), LinkMethod::Created));
            (object_id, record)
        } else {
            let object_id = account.unwrap();
            let manager = match action {
                Action::SetManager {
                    after: Some(after), ..
                } => self.people[&after.user_id].link.clone().map(|(id, _)| id),
                _ => None,
            };
            let mut record = AccountRecord {
                observation: self.tenant[&object_id].clone(),
                ledger: self.ledgers.get(&object_id).cloned().unwrap_or_default(),
            };
            let waits_for_manager = matches!(action, Action::SetManager { after: Some(_), .. });
            if !waits_for_manager || manager.is_some() {
                let manager = manager.as_ref();
                record.apply(action, Resolved { manager });
            }
            (object_id, record)
        };
        self.tenant.insert(object_id.clone(), record.observation);
        self.ledgers.insert(object_id.clone(), record.ledger);
        self.recount();
        object_id
    }

    /// Counts used seats from scratch: slow, and never wrong.
    pub(crate) fn recount(&mut self) {
        for product in &mut self.facts.products {
            let holds = |seen: &&Observation| {
                !seen.deleted && seen.licenses.iter().any(|l| l.sku_id == product.sku_id)
            };
            let used = self.tenant.values().filter(holds).count();
            product.seats.used = i64::try_from(used).unwrap();
        }
    }
}

pub(crate) fn direct(sku_id: &str) -> ObservedLicense {
    ObservedLicense {
        sku_id: sku_id.to_owned(),
        disabled_plans: Vec::new(),
        from_group: None,
    }
}
