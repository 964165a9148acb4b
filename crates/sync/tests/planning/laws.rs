//! The laws of planning, over generated directories, tenants and policies.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use proptest::prelude::*;
use signpost_model::plan::{Action, ObjectId, TargetAttribute, UserPlan};
use signpost_model::policy::Limits;
use signpost_model::run::WaitsFor;
use signpost_model::{GroupId, Observation, ObservedLicense, Policy, UserId};
use signpost_sync::Plan;

use crate::support::{E1, E3, World, account_of, direct, grant, user};

const STAFF: GroupId = GroupId::from_number(7);

/// What a generated person is like; small numbers, so that people collide.
#[derive(Debug, Clone)]
struct Sketch {
    name: usize,
    city: Option<usize>,
    enabled: bool,
    in_scope: bool,
    staff: bool,
    located: bool,
    manager: Option<u128>,
}

/// What a generated account of the tenant is like.
#[derive(Debug, Clone)]
struct AccountSketch {
    name: usize,
    city: Option<usize>,
    enabled: bool,
    deleted: bool,
    synchronised: bool,
    administrator: bool,
    licenses: Vec<(bool, bool)>,
    mail_of: Option<usize>,
    anchor_of: Option<u128>,
}

const NAMES: [(&str, &str); 6] = [
    ("Alice", "Moreau"),
    ("Bob", "Silva"),
    ("Carol", "Haas"),
    ("Dave", "Ng"),
    ("Erin", "Okafor"),
    ("Frank", "Lund"),
];
const CITIES: [&str; 3] = ["Porto", "Faro", "Braga"];

prop_compose! {
    fn sketch()(
        name in 0..NAMES.len(), city in proptest::option::of(0..CITIES.len()),
        enabled in proptest::bool::weighted(0.85), in_scope in proptest::bool::weighted(0.8),
        staff: bool, located in proptest::bool::weighted(0.8),
        manager in proptest::option::of(1u128..7),
    ) -> Sketch {
        Sketch { name, city, enabled, in_scope, staff, located, manager }
    }
}

prop_compose! {
    fn account_sketch()(
        name in 0..NAMES.len(), city in proptest::option::of(0..CITIES.len()),
        enabled in proptest::bool::weighted(0.8), deleted in proptest::bool::weighted(0.1),
        synchronised in proptest::bool::weighted(0.1),
        administrator in proptest::bool::weighted(0.1),
        licenses in proptest::collection::vec((any::<bool>(), any::<bool>()), 0..3),
        mail_of in proptest::option::of(0..NAMES.len()),
        anchor_of in proptest::option::weighted(0.3, 1u128..9),
    ) -> AccountSketch {
        AccountSketch {
            name, city, enabled, deleted, synchronised, administrator, licenses, mail_of, anchor_of,
        }
    }
}

prop_compose! {
    fn policy()(
        create_accounts in proptest::bool::weighted(0.9), update_profiles in proptest::bool::weighted(0.9),
        assign_licenses in proptest::bool::weighted(0.9), block_sign_in: bool, end_sessions: bool,
        remove_licenses: bool, delete_accounts: bool, days_before_deletion in 0u16..3,
        floor in 0u32..4,
    ) -> Policy {
        Policy {
            create_accounts, update_profiles, assign_licenses, block_sign_in, end_sessions,
            remove_licenses, delete_accounts, days_before_deletion,
            limits: Limits { floor, ceiling: 5, percent: 10 },
            protected: vec!["frank.lund@contoso.com".to_owned()],
            ..Policy::default()
        }
    }
}

prop_compose! {
    fn world()(
        people in proptest::collection::vec(sketch(), 1..7),
        accounts in proptest::collection::vec(account_sketch(), 0..6),
        policy in policy(), grants in 0usize..4,
        // Plenty or none: with a few seats, who waits depends on who was there before.
        plenty in proptest::bool::weighted(0.8),
    ) -> World {
        let mut world = World::contoso();
        world.policy = policy;
        world.grants = grants_of(grants);
        if !plenty {
            world.facts.products[0].seats.total = 0;
        }
        for (number, sketch) in (1..).zip(&people) {
            add_person(&mut world, number, sketch);
        }
        for (number, sketch) in accounts.iter().enumerate() {
            add_account(&mut world, number, sketch);
        }
        world.recount();
        if !plenty {
            world.facts.products[0].seats.total = 0;
        }
        world
    }
}

fn grants_of(kind: usize) -> Vec<signpost_model::license::Grant> {
    match kind {
        0 => Vec::new(),
        1 => vec![grant(1, E3, None, &[])],
        2 => vec![grant(1, E1, None, &[]), grant(2, E3, Some(STAFF), &[])],
        _ => vec![
            grant(1, E3, None, &["plan-teams1"]),
            grant(2, E3, Some(STAFF), &[]),
        ],
    }
}

fn add_person(world: &mut World, number: u128, sketch: &Sketch) {
    let (given_name, surname) = NAMES[sketch.name];
    let mut made = user(number, given_name, surname);
    made.enabled = sketch.enabled;
    if let Some(city) = sketch.city {
        made.profile.city = CITIES[city].to_owned();
    }
    if !sketch.located {
        made.profile.usage_location = String::new();
    }
    made.profile.manager_id = sketch.manager.map(UserId::from_number);
    let person = world.add(made);
    person.in_scope = sketch.in_scope;
    if sketch.staff {
        person.groups = vec![STAFF];
    }
}

fn add_account(world: &mut World, number: usize, sketch: &AccountSketch) {
    let (given_name, surname) = NAMES[sketch.name];
    let mut seen = account_of(&user(99, given_name, surname), &format!("old{number}"));
    let is_taken =
        |name: &str| (world.tenant.values()).any(|known| known.user_principal_name == name);
    // User names are unique in a tenant; mail addresses of the sketch need not be.
    if is_taken(&seen.user_principal_name) {
        seen.user_principal_name = format!("old{number}@contoso.com");
    }
    seen.mail = sketch.mail_of.map(|of| {
        let (given_name, surname) = NAMES[of];
        user(99, given_name, surname).profile.mail
    });
    seen.immutable_id = sketch.anchor_of.map(|of| format!("anchor{of:026}"));
    if (world.tenant.values()).any(|known| known.immutable_id == seen.immutable_id) {
        seen.immutable_id = None;
    }
    seen.enabled = sketch.enabled;
    seen.deleted = sketch.deleted;
    seen.synchronised = sketch.synchronised;
    match sketch.city {
        Some(city) => seen
            .values
            .insert(TargetAttribute::City, CITIES[city].to_owned()),
        None => seen.values.remove(&TargetAttribute::City),
    };
    for &(is_e3, inherited) in &sketch.licenses {
        let sku_id = if is_e3 { E3 } else { E1 };
        if seen.licenses.iter().all(|held| held.sku_id != sku_id) {
            seen.licenses.push(ObservedLicense {
                from_group: inherited.then(|| ObjectId::new("g1")),
                ..direct(sku_id)
            });
        }
    }
    signpost_sync::effects::sort_licenses(&mut seen.licenses);
    if sketch.administrator {
        world.administrators.push(seen.object_id.clone());
    }
    world.tenant.insert(seen.object_id.clone(), seen);
}

/// Plans and applies until nothing is left to do, as runs of a worker would.
fn settle(world: &mut World) -> usize {
    for round in 1..=4 {
        let plan = world.plan();
        world.apply(&plan, usize::MAX);
        if is_empty(&world.plan()) {
            return round;
        }
    }
    panic!("no end of changes: {}", world.plan().text());
}

fn is_empty(plan: &Plan) -> bool {
    let quiet =
        |user: &UserPlan| user.actions.is_empty() && user.owned.is_empty() && user.link.is_none();
    plan.users.iter().all(quiet)
}

/// What somebody outside sees: ids of created accounts depend on the user only.
fn seen(world: &World) -> (BTreeMap<ObjectId, Observation>, Vec<String>) {
    let ledgers = world.ledgers.iter();
    let ledgers = ledgers.map(|(id, ledger)| format!("{id} {:?}", ledger.lines()));
    (world.tenant.clone(), ledgers.collect())
}

/// The same world some time later: directory and settings have moved on.
fn moved_on(mut world: World, changes: &[(u8, u128)]) -> World {
    for &(kind, number) in changes {
        let id = UserId::from_number(number);
        let Some(person) = world.people.get_mut(&id) else {
            continue;
        };
        match kind {
            0 => person.in_scope = !person.in_scope,
            1 => person.user.enabled = !person.user.enabled,
            2 => person.user.profile.city = "Tomar".to_owned(),
            3 => person.user.profile.city = String::new(),
            4 => person.user.profile.user_name = format!("renamed{number}@contoso.com"),
            5 => world.now = world.now.plus_days(2),
            6 => world.grants = grants_of(usize::try_from(number).unwrap() % 4),
            _ => person.user.profile.usage_location = "DE".to_owned(),
        }
    }
    world
}

fn shuffled(seed: u64, id: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, id).hash(&mut hasher);
    hasher.finish()
}

fn changes() -> impl Strategy<Value = Vec<(u8, u128)>> {
    proptest::collection::vec((0u8..8, 1u128..7), 0..8)
}

/// What real exports hold where a user name should be, and worse.
fn hostile_name() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,80}@contoso\\.com",
        "\\PC{0,20}@contoso\\.com",
        "[a-z]{1,8}@[a-z]{1,8}\\.example",
        Just("twice@contoso.com".to_owned()),
        Just("nul\0@contoso.com".to_owned()),
        Just("zoë.🦊@contoso.com".to_owned()),
        Just(format!("{}@contoso.com", "x".repeat(65_000))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bad_data_is_reported_once_and_stops_nobody_else(
        names in proptest::collection::vec(hostile_name(), 1..12),
        text in prop_oneof![any::<String>(), Just("🦊".repeat(20_000)), Just("\0".to_owned())],
    ) {
        let mut world = World::contoso();
        world.add(user(1, "Ada", "Lovelace"));
        for (number, name) in (2..).zip(&names) {
            let mut bad = user(number, "Bad", "Data");
            bad.profile.user_name.clone_from(name);
            bad.profile.display_name.clone_from(&text);
            bad.profile.city.clone_from(&text);
            bad.profile.usage_location.clone_from(&text);
            bad.profile.mail.clone_from(name);
            world.add(bad);
        }
        let plan = world.plan();
        let mut created = BTreeSet::new();
        for number in 1..=u128::try_from(names.len()).unwrap() + 1 {
            let of_user = plan.users.iter().filter(|user| user.user_id == UserId::from_number(number));
            let of_user: Vec<_> = of_user.collect();
            prop_assert_eq!(of_user.len(), 1);
            let creates = of_user[0].actions.iter().find_map(|planned| match &planned.action {
                Action::CreateAccount { values, .. } => Some(values),
                _ => None,
            });
            let Some(values) = creates else {
                prop_assert!(number > 1 && !of_user[0].blockers.is_empty(), "{:?}", of_user[0]);
                continue;
            };
            let is_name = |(target, _): &&(TargetAttribute, String)| *target == TargetAttribute::UserPrincipalName;
            let (_, name) = values.iter().find(is_name).unwrap();
            prop_assert!(signpost_model::text::check_user_name(name).is_ok(), "{name:?}");
            prop_assert!(created.insert(name.to_lowercase()), "{name} is created twice");
        }
        prop_assert!(created.contains("ada.lovelace@contoso.com"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_plan_of_an_applied_plan_is_empty(world in world(), changes in changes()) {
        let mut world = world;
        settle(&mut world);
        let mut world = moved_on(world, &changes);
        let plan = world.plan();
        let nobody_waits = plan.users.iter().all(|user| user.blockers.is_empty());
        world.apply(&plan, usize::MAX);
        // Whoever waited for a name, a seat or a person may find it free now; nobody else moves.
        prop_assert!(!nobody_waits || is_empty(&world.plan()), "{}", world.plan().text());
        settle(&mut world);
    }

    #[test]
    fn who_is_held_loses_nothing_and_goes_on_leaving_afterwards(world in world(), changes in changes()) {
        let mut world = world;
        settle(&mut world);
        let mut world = moved_on(world, &changes);
        let free = world.clone();
        let until = world.now.plus_days(9);
        for person in world.people.values_mut() {
            person.wishes.held_until = Some(until);
        }
        prop_assert_eq!(world.plan().summary.tally.removals, 0);
        world.now = until;
        let mut later = free;
        later.now = until;
        prop_assert_eq!(world.plan(), later.plan());
    }

    #[test]
    fn any_prefix_of_an_apply_and_a_new_run_end_in_the_same_tenant(
        world in world(), changes in changes(), steps in 0usize..20,
    ) {
        let mut world = world;
        settle(&mut world);
        let mut calm = moved_on(world, &changes);
        let mut interrupted = calm.clone();
        let plan = interrupted.plan();
        interrupted.apply(&plan, steps);
        settle(&mut interrupted);
        settle(&mut calm);
        prop_assert_eq!(seen(&interrupted), seen(&calm));
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        world in world(), changes in changes(), seed in any::<u64>(),
    ) {
        let mut world = world;
        settle(&mut world);
        let world = moved_on(world, &changes);
        let (mut inputs, mut accounts) = (world.inputs(), world.accounts());
        let in_order = world.plan_in_order(&inputs, &accounts);
        inputs.sort_by_key(|input| shuffled(seed, &input.user.id));
        accounts.sort_by_key(|known| shuffled(seed, &known.observation.object_id));
        prop_assert_eq!(world.plan_in_order(&inputs, &accounts), in_order);
    }

    #[test]
    fn nothing_out_of_scope_appears(world in world(), changes in changes()) {
        let mut world = world;
        settle(&mut world);
        let world = moved_on(world, &changes);
        for user in &world.plan().users {
            let person = &world.people[&user.user_id];
            let linked = person.link.as_ref().map(|(id, _)| id);
            if !person.in_scope {
                prop_assert!(user.link.is_none());
                prop_assert!(user.actions.is_empty() || user.object_id.as_ref() == linked);
                let removes = |action: &Action| action.is_removal() || *action == Action::RevokeSessions;
                prop_assert!(user.actions.iter().all(|planned| removes(&planned.action)));
            }
            let Some(object_id) = &user.object_id else { continue };
            let others = world.people.values().filter(|other| other.user.id != user.user_id);
            for other in others {
                prop_assert!(other.link.as_ref().map(|(id, _)| id) != Some(object_id));
            }
            let touched = &world.tenant[object_id];
            let off_limits = touched.synchronised
                || world.administrators.contains(object_id)
                || touched.user_principal_name == "frank.lund@contoso.com";
            prop_assert!(!off_limits || user.actions.is_empty());
        }
    }

    #[test]
    fn nothing_unowned_is_removed_or_overwritten(world in world(), changes in changes()) {
        let before = world.clone();
        let mut world = world;
        settle(&mut world);
        let mut world = moved_on(world, &changes);
        // The directory never says another city, so no city of the tenant is older than ours.
        for (id, person) in &mut world.people {
            person.user.profile.city = before.people[id].user.profile.city.clone();
        }
        settle(&mut world);
        for (object_id, old) in &before.tenant {
            let new = &world.tenant[object_id];
            for held in &old.licenses {
                prop_assert!(new.licenses.contains(held), "{held:?} is gone from {object_id}");
            }
            if let Some(city) = old.values.get(&TargetAttribute::City) {
                prop_assert_eq!(new.values.get(&TargetAttribute::City), Some(city));
            }
        }
    }

    #[test]
    fn removals_over_the_limit_wait_and_others_do_not(world in world(), changes in changes()) {
        let mut world = world;
        settle(&mut world);
        let world = moved_on(world, &changes);
        let plan = world.plan();
        let losing: BTreeSet<_> = (plan.users.iter())
            .filter(|user| user.takes_something())
            .map(|user| user.user_id)
            .collect();
        let losing = i64::try_from(losing.len()).unwrap();
        let allowed = world.policy.limits.allowed(world.linked());
        let waits = matches!(plan.summary.waits_for, Some(WaitsFor::Limit { .. }));
        prop_assert_eq!(waits, losing > allowed);
    }

    #[test]
    fn a_plan_survives_its_stored_form(world in world()) {
        for user in world.plan().users {
            let stored = serde_json::to_string(&user).unwrap();
            prop_assert_eq!(serde_json::from_str::<UserPlan>(&stored).unwrap(), user);
        }
    }
}
