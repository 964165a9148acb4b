//! What operators steer: restoring, holding back, the steps of leaving, drift, who waits.

use signpost_model::plan::{
    Action, ActionKind, Blocker, Disposition, ManagerRef, ObjectId, Reason, TargetAttribute,
};
use signpost_model::policy::{AdoptionRule, DriftRule};
use signpost_model::provisioning::{
    Decision, DriftChoice, DriftDecision, ManagerInput, RestoreWish,
};
use signpost_model::{Timestamp, UserId};
use signpost_sync::Plan;
use signpost_sync::planner::LeavingDates;

use crate::support::{E1, E3, NOW, World, account_of, direct, user};

const ALICE: u128 = 1;
const BOB: u128 = 2;

fn with_alice() -> World {
    let mut world = World::contoso();
    let mut alice = user(ALICE, "Alice", "Moreau");
    alice.profile.city = "Porto".to_owned();
    world.add(alice);
    world.link_created(ALICE);
    world
}

fn alice_leaves() -> World {
    let mut world = with_alice();
    world.policy.remove_licenses = true;
    world.policy.delete_accounts = true;
    world.person(ALICE).in_scope = false;
    world
}

fn kinds(plan: &Plan) -> Vec<ActionKind> {
    let actions = &plan.users[0].actions;
    actions.iter().map(|one| one.action.kind()).collect()
}

fn wish(world: &mut World) -> RestoreWish {
    let seen = world.account(ALICE).clone();
    RestoreWish {
        object_id: seen.object_id.clone(),
        enabled: true,
        licenses: vec![direct(E3), direct(E1)],
        groups: vec![ObjectId::new("g1")],
        manager: Some(ManagerInput {
            user_id: UserId::from_number(BOB),
            display_name: "Bob Silva".to_owned(),
            object_id: Some(ObjectId::new("bob")),
            expected: false,
        }),
    }
}

#[test]
fn a_wish_brings_back_what_was_there_also_from_the_deleted_items() {
    let mut world = alice_leaves();
    let wish = wish(&mut world);
    world.policy.days_before_deletion = 0;
    let plan = world.plan();
    assert_eq!(kinds(&plan), [ActionKind::Delete]);
    world.apply(&plan, usize::MAX);
    world.account(ALICE).enabled = false;
    world.facts.products[1].service_plans.clear();
    let person = world.person(ALICE);
    person.wishes.restore = Some(wish);
    person.wishes.held_until = Some(NOW.plus_days(30));
    let plan = world.plan();
    assert_eq!(
        kinds(&plan),
        [
            ActionKind::Restore,
            ActionKind::Enable,
            ActionKind::AssignLicenses,
            ActionKind::AddToGroup,
            ActionKind::SetManager
        ]
    );
    let actions = &plan.users[0].actions;
    assert!(actions.iter().all(|one| one.reason == Reason::Restored));
    let Action::AssignLicenses { add, remove } = &actions[2].action else {
        panic!("licenses come third");
    };
    assert_eq!((add.len(), remove.len()), (2, 0));
    let after = ManagerRef {
        user_id: UserId::from_number(BOB),
        display_name: "Bob Silva".to_owned(),
    };
    assert!(
        matches!(&actions[4].action, Action::SetManager { after: Some(set), .. } if *set == after)
    );
    assert_eq!(
        plan.users[0].due_at,
        Some(NOW),
        "the records are looked at again at once"
    );
}

#[test]
fn what_came_back_stays_while_it_is_held_and_goes_when_the_days_are_over() {
    let mut world = alice_leaves();
    world.person(ALICE).wishes.held_until = Some(NOW.plus_days(7));
    let plan = world.plan();
    assert_eq!(kinds(&plan), []);
    assert_eq!(plan.users[0].due_at, Some(NOW.plus_days(7)));
    world.apply(&plan, usize::MAX);
    world.now = NOW.plus_days(7);
    assert_eq!(
        kinds(&world.plan()),
        [
            ActionKind::BlockSignIn,
            ActionKind::RevokeSessions,
            ActionKind::RemoveLicenses
        ]
    );
}

#[test]
fn who_is_held_keeps_licenses_that_nobody_grants_any_more() {
    let mut world = with_alice();
    world.grants.clear();
    world.person(ALICE).wishes.held_until = Some(NOW.plus_days(7));
    assert_eq!(kinds(&world.plan()), []);
    world.person(ALICE).wishes.held_until = None;
    assert_eq!(kinds(&world.plan()), [ActionKind::RemoveLicenses]);
}

#[test]
fn each_step_of_leaving_has_its_day() {
    let mut world = alice_leaves();
    world.policy.days_before_license_removal = 10;
    let plan = world.plan();
    assert_eq!(
        kinds(&plan),
        [ActionKind::BlockSignIn, ActionKind::RevokeSessions]
    );
    assert_eq!(plan.users[0].due_at, Some(NOW.plus_days(10)));
    world.apply(&plan, usize::MAX);
    world.now = NOW.plus_days(10);
    let plan = world.plan();
    assert_eq!(kinds(&plan), [ActionKind::RemoveLicenses]);
    assert_eq!(plan.users[0].due_at, Some(NOW.plus_days(30)));
    world.apply(&plan, usize::MAX);
    world.now = NOW.plus_days(30);
    assert_eq!(kinds(&world.plan()), [ActionKind::Delete]);
}

#[test]
fn deleting_that_is_switched_on_late_counts_its_days_from_then() {
    let mut world = alice_leaves();
    world.person(ALICE).removed_at = Some(Timestamp::from_millis(0));
    world.policy.deletes_since = Some(NOW);
    let plan = world.plan();
    assert!(!kinds(&plan).contains(&ActionKind::Delete));
    assert_eq!(plan.users[0].due_at, Some(NOW.plus_days(30)));
    let dates = LeavingDates::of(&world.policy, Timestamp::from_millis(0), None);
    assert_eq!(dates.delete_at, Some(NOW.plus_days(30)));
    assert_eq!(dates.block_at, Some(Timestamp::from_millis(0)));
}

fn drifted(rule: DriftRule) -> World {
    let mut world = with_alice();
    world.policy.drift.rule = rule;
    let values = &mut world.account(ALICE).values;
    values.insert(TargetAttribute::City, "Lisbon".to_owned());
    world
}

#[test]
fn the_policy_decides_about_what_others_changed() {
    for (rule, expected) in [
        (DriftRule::Revert, vec![ActionKind::UpdateProfile]),
        (DriftRule::Ask, vec![]),
        (DriftRule::Accept, vec![]),
    ] {
        let mut world = drifted(rule);
        let plan = world.plan();
        assert_eq!(kinds(&plan), expected);
        let drift = &plan.users[0].drifts[0];
        assert_eq!(
            (drift.ours.as_str(), drift.tenant.as_str()),
            ("Porto", "Lisbon")
        );
        assert_eq!(drift.rule, rule);
        world.apply(&plan, usize::MAX);
        let open = world.plan().users[0].drifts.len();
        assert_eq!(
            open,
            usize::from(rule == DriftRule::Ask),
            "{rule:?} settles it or not"
        );
        // What the directory says later is newer than any change in the tenant.
        world.person(ALICE).user.profile.city = "Faro".to_owned();
        assert_eq!(
            kinds(&world.plan()),
            [ActionKind::UpdateProfile],
            "{rule:?}"
        );
    }
}

#[test]
fn a_decision_holds_for_the_value_it_was_about() {
    let mut world = drifted(DriftRule::Ask);
    let decided = |tenant: &str, choice| DriftDecision {
        tenant: tenant.to_owned(),
        choice,
    };
    let city = TargetAttribute::City;
    let mut plan_with = |decision| {
        world.person(ALICE).wishes.drift.insert(city, decision);
        let plan = world.plan();
        (kinds(&plan).len(), plan.users[0].drifts.len())
    };
    assert_eq!(plan_with(decided("Lisbon", DriftChoice::Revert)), (1, 1));
    assert_eq!(plan_with(decided("Elsewhere", DriftChoice::Revert)), (0, 1));
    assert_eq!(plan_with(decided("Elsewhere", DriftChoice::Ignore)), (0, 0));
}

#[test]
fn matches_wait_for_a_person_where_the_policy_says_so() {
    let alice = user(ALICE, "Alice", "Moreau");
    let by_mail = |world: &mut World| {
        let mut seen = account_of(&alice, "a1");
        seen.user_principal_name = "front.desk@contoso.com".to_owned();
        world.tenant.insert(seen.object_id.clone(), seen);
    };
    for (rule, probable_asks, exact_asks) in [
        (AdoptionRule::Automatic, false, false),
        (AdoptionRule::AskProbable, true, false),
        (AdoptionRule::AskAlways, true, true),
    ] {
        for (is_exact, asks) in [(false, probable_asks), (true, exact_asks)] {
            let mut world = World::contoso();
            world.policy.adoption = rule;
            by_mail(&mut world);
            if is_exact {
                let exact = account_of(&alice, "a1");
                world.tenant.insert(exact.object_id.clone(), exact);
            }
            world.add(alice.clone());
            let plan = world.plan();
            let blockers = &plan.users[0].blockers;
            let waits = matches!(blockers.as_slice(), [Blocker::NeedsReview { .. }]);
            assert_eq!(waits, asks, "{rule:?}, exact: {is_exact}");
            assert_eq!(plan.summary.waits_for, None, "nobody else waits for it");
            world.person(ALICE).decision = Some(Decision::Link(ObjectId::new("a1")));
            assert_eq!(world.plan().users[0].disposition, Disposition::Adopt);
        }
    }
}

#[test]
fn an_accepted_value_stays_also_when_it_is_empty() {
    let mut world = drifted(DriftRule::Accept);
    world.account(ALICE).values.remove(&TargetAttribute::City);
    let plan = world.plan();
    world.apply(&plan, usize::MAX);
    assert_eq!(kinds(&world.plan()), []);
}

#[test]
fn whoever_waits_for_a_seat_is_served_before_newcomers() {
    let mut world = World::contoso();
    world.facts.products[0].seats.total = 1;
    world.add(user(ALICE, "Alice", "Moreau"));
    world.add(user(BOB, "Bob", "Silva"));
    let licensed = |world: &World, waiting| -> Vec<bool> {
        let plans = world.plan_with_supply(waiting, false);
        plans.iter().map(|plan| plan.blockers.is_empty()).collect()
    };
    assert_eq!(licensed(&world, 0), [true, false]);
    world.person(BOB).waits_for_seat = true;
    assert_eq!(licensed(&world, 1), [false, true]);
}

#[test]
fn a_fallback_is_given_while_seats_are_short_and_swapped_in_one_call_afterwards() {
    let mut world = World::contoso();
    world.facts.products[0].seats.total = 0;
    world.add(user(ALICE, "Alice", "Moreau"));
    let licenses = |plans: &[signpost_model::plan::UserPlan]| -> Vec<(Vec<String>, Vec<String>)> {
        let skus = |list: &[signpost_model::plan::PlannedLicense]| -> Vec<String> {
            list.iter().map(|one| one.sku_id.clone()).collect()
        };
        let actions = plans[0].actions.iter();
        actions
            .filter_map(|one| match &one.action {
                Action::AssignLicenses { add, remove } => Some((skus(add), skus(remove))),
                _ => None,
            })
            .collect()
    };
    let plans = world.plan_with_supply(0, true);
    assert_eq!(licenses(&plans), [(vec![E1.to_owned()], vec![])]);
    assert!(plans[0].blockers.is_empty());
    let plan = Plan {
        users: plans,
        summary: world.plan().summary,
    };
    world.apply(&plan, usize::MAX);
    assert_eq!(licenses(&world.plan_with_supply(0, true)), []);
    world.facts.products[0].seats.total = 5;
    assert_eq!(
        licenses(&world.plan_with_supply(0, true)),
        [(vec![E3.to_owned()], vec![E1.to_owned()])]
    );
}
