//! What the planner decides, as an operator would read it. Alice is in sync, Bob is to be
//! created, Carol left, Dave is in conflict.

use crate::support::{E1, E3, World, account_of, direct, grant, user};
use signpost_model::plan::{
    ActionKind, Blocker, Disposition, LinkMethod, ObjectId, TargetAttribute,
};
use signpost_model::provisioning::Decision;
use signpost_model::run::WaitsFor;
use signpost_model::{GroupId, ObservedLicense, UserId};
use signpost_sync::Plan;

const ALICE: u128 = 1;
const BOB: u128 = 2;
const CAROL: u128 = 3;
const DAVE: u128 = 4;

fn kinds(plan: &Plan, number: u128) -> Vec<ActionKind> {
    let actions = &user_plan(plan, number).actions;
    actions
        .iter()
        .map(|planned| planned.action.kind())
        .collect()
}

fn user_plan(plan: &Plan, number: u128) -> &signpost_model::plan::UserPlan {
    let id = UserId::from_number(number);
    plan.users.iter().find(|plan| plan.user_id == id).unwrap()
}

/// Somebody whom Signpost created, licensed and left in sync.
fn with_alice() -> World {
    let mut world = World::contoso();
    world.add(user(ALICE, "Alice", "Moreau"));
    world.link_created(ALICE);
    world
}

#[test]
fn the_cast_gets_the_plan_an_operator_expects() {
    let mut world = with_alice();
    world.add(user(CAROL, "Carol", "Haas"));
    world.link_created(CAROL);
    world.person(CAROL).in_scope = false;
    world.policy.remove_licenses = true;
    world.policy.delete_accounts = true;
    world.add(user(BOB, "Bob", "Silva"));
    world.add(user(DAVE, "Dave", "Ng"));
    for name in ["d1", "d2"] {
        let mut seen = account_of(&user(DAVE, "Dave", "Ng"), name);
        seen.user_principal_name = format!("{name}@contoso.com");
        world.tenant.insert(seen.object_id.clone(), seen);
    }
    insta::assert_snapshot!(world.plan().text(), @r"
    Alice Moreau: InSync
    Bob Silva: Create
      Create account (Assigned, and has no account yet)
        User principal name: bob.silva@contoso.com
        Mail nickname: bob.silva
        Display name: Bob Silva
        First name: Bob
        Last name: Silva
        Usage location: PT
        ImmutableId: anchor00000000000000000000000002
      Assign licenses (The application grants it)
        + Office 365 E3
    Carol Haas: Leaving, next step 2026-10-21T14:13:20Z
      Block sign-in (No longer assigned)
      End sessions (No longer assigned)
      Remove licenses (No longer assigned)
        - Office 365 E3
    Dave Ng: Blocked
      ! 2 accounts in the tenant could be this person. Choose one, or leave the user out.
    4 users, 1 in sync, 1 blocked, 5 actions, 1 losing something
    waits: Choices { users: 1 }
    ");
}

#[test]
fn nothing_is_planned_for_an_account_that_is_as_desired() {
    let world = with_alice();
    let plan = world.plan();
    assert_eq!(user_plan(&plan, ALICE).disposition, Disposition::InSync);
    assert_eq!(plan.summary.tally.actions, 0);
}

#[test]
fn first_contact_keeps_what_the_account_has_and_adds_what_is_missing() {
    let mut world = World::contoso();
    let mut alice = user(ALICE, "Alice", "Moreau");
    alice.profile.job_title = "Engineer".to_owned();
    alice.profile.city = "Porto".to_owned();
    let mut seen = account_of(&alice, "a1");
    seen.values
        .insert(TargetAttribute::JobTitle, "Boss".to_owned());
    seen.values.remove(&TargetAttribute::City);
    seen.licenses.push(direct(E3));
    world.tenant.insert(seen.object_id.clone(), seen);
    world.add(alice);
    insta::assert_snapshot!(world.plan().text(), @r"
    Alice Moreau: Adopt, linked with a1 by User principal name
      Set ImmutableId (Needed for signing in through Signpost)
        – → anchor00000000000000000000000001
      Update profile (The existing account lacks this)
        City: – → Porto
      keeps Job title: “Boss”, not “Engineer”
    1 users, 0 in sync, 0 blocked, 2 actions, 0 losing something
    ");

    let plan = world.plan();
    world.apply(&plan, usize::MAX);
    assert_eq!(world.plan().summary.tally.actions, 0);
    // What the directory says later is newer than what adoption kept.
    world.person(ALICE).user.profile.job_title = "Architect".to_owned();
    assert_eq!(kinds(&world.plan(), ALICE), [ActionKind::UpdateProfile]);
}

#[test]
fn a_license_that_was_there_before_is_never_taken_back() {
    let mut world = World::contoso();
    let alice = user(ALICE, "Alice", "Moreau");
    let mut seen = account_of(&alice, "a1");
    seen.licenses.push(direct(E3));
    world.tenant.insert(seen.object_id.clone(), seen);
    world.add(alice);
    let plan = world.plan();
    world.apply(&plan, usize::MAX);
    world.policy.remove_licenses = true;
    world.person(ALICE).in_scope = false;
    assert_eq!(
        kinds(&world.plan(), ALICE),
        [ActionKind::BlockSignIn, ActionKind::RevokeSessions]
    );
}

#[test]
fn what_the_tenant_changed_on_our_values_is_set_back() {
    let mut world = with_alice();
    world.account(ALICE).user_principal_name = "moved@contoso.com".to_owned();
    world
        .account(ALICE)
        .values
        .insert(TargetAttribute::Surname, "Other".to_owned());
    assert_eq!(
        kinds(&world.plan(), ALICE),
        [ActionKind::Rename, ActionKind::UpdateProfile]
    );
}

#[test]
fn a_license_from_a_group_of_the_tenant_is_enough() {
    let mut world = with_alice();
    let mine = world.account(ALICE);
    mine.licenses = vec![ObservedLicense {
        from_group: Some(ObjectId::new("g1")),
        ..direct(E3)
    }];
    assert_eq!(kinds(&world.plan(), ALICE), []);
    world.grants.clear();
    assert_eq!(kinds(&world.plan(), ALICE), []);
}

#[test]
fn exchanging_a_product_gives_and_takes_in_one_call() {
    let mut world = with_alice();
    world.grants = vec![grant(2, E1, None, &[])];
    insta::assert_snapshot!(world.plan().text(), @r"
    Alice Moreau: Update
      Assign licenses (The application grants it)
        + Office 365 E1
        - Office 365 E3
    1 users, 0 in sync, 0 blocked, 1 actions, 1 losing something
    ");
}

#[test]
fn a_swap_without_a_seat_leaves_the_old_license() {
    let mut world = with_alice();
    world.grants = vec![grant(2, E1, None, &[])];
    world.facts.products[1].seats.total = 0;
    let plan = world.plan();
    assert_eq!(kinds(&plan, ALICE), []);
    let product = "Office 365 E1".to_owned();
    assert_eq!(
        user_plan(&plan, ALICE).blockers,
        [Blocker::NoSeats {
            product,
            sku_id: E1.to_owned()
        }]
    );
}

#[test]
fn seats_go_to_whoever_came_first_and_the_others_wait() {
    let mut world = World::contoso();
    world.facts.products[0].seats.total = 1;
    world.add(user(BOB, "Bob", "Silva"));
    world.add(user(ALICE, "Alice", "Moreau"));
    let plan = world.plan();
    assert_eq!(
        kinds(&plan, ALICE),
        [ActionKind::CreateAccount, ActionKind::AssignLicenses]
    );
    assert_eq!(kinds(&plan, BOB), [ActionKind::CreateAccount]);
    assert_eq!(user_plan(&plan, BOB).blockers[0].key(), "no_seats");
    assert_eq!(plan.summary.seats[E3], 1);
}

#[test]
fn a_license_waits_for_a_usage_location_but_the_account_does_not() {
    let mut world = World::contoso();
    let mut bob = user(BOB, "Bob", "Silva");
    bob.profile.usage_location = String::new();
    world.add(bob);
    let plan = world.plan();
    assert_eq!(kinds(&plan, BOB), [ActionKind::CreateAccount]);
    assert_eq!(
        user_plan(&plan, BOB).blockers,
        [Blocker::UsageLocationMissing]
    );
}

#[test]
fn products_that_exclude_each_other_are_named_before_microsoft_refuses() {
    let mut world = World::contoso();
    world.grants.push(grant(2, E1, None, &[]));
    world.add(user(BOB, "Bob", "Silva"));
    let plan = world.plan();
    assert_eq!(user_plan(&plan, BOB).blockers[0].key(), "exclusive_plans");
}

#[test]
fn a_group_grant_switches_a_plan_on_for_its_members_in_place() {
    let mut world = World::contoso();
    let staff = GroupId::from_number(7);
    world.grants = vec![
        grant(1, E3, None, &["plan-teams1"]),
        grant(2, E3, Some(staff), &[]),
    ];
    world.add(user(ALICE, "Alice", "Moreau"));
    world.link_created(ALICE);
    assert_eq!(
        world.account(ALICE).licenses[0].disabled_plans,
        ["plan-teams1"]
    );
    world.facts.products[0].seats.total = 1;
    world.person(ALICE).groups = vec![staff];
    let plan = world.plan();
    assert_eq!(kinds(&plan, ALICE), [ActionKind::AssignLicenses]);
    assert!(
        plan.summary.seats.is_empty(),
        "a replaced license takes no new seat"
    );
    assert_eq!(plan.summary.tally.removals, 0);
}

#[test]
fn leaving_goes_step_by_step_and_coming_back_restores() {
    let mut world = with_alice();
    world.policy.remove_licenses = true;
    world.policy.delete_accounts = true;
    world.person(ALICE).in_scope = false;
    let plan = world.plan();
    assert_eq!(
        kinds(&plan, ALICE),
        [
            ActionKind::BlockSignIn,
            ActionKind::RevokeSessions,
            ActionKind::RemoveLicenses
        ]
    );
    assert_eq!(
        user_plan(&plan, ALICE).due_at,
        Some(world.now.plus_days(30))
    );
    world.apply(&plan, usize::MAX);
    assert_eq!(kinds(&world.plan(), ALICE), []);

    let mut back = world.clone();
    back.person(ALICE).in_scope = true;
    assert_eq!(
        kinds(&back.plan(), ALICE),
        [ActionKind::Enable, ActionKind::AssignLicenses]
    );
    assert_eq!(
        user_plan(&back.plan(), ALICE).disposition,
        Disposition::Return
    );

    world.now = world.now.plus_days(30);
    let plan = world.plan();
    assert_eq!(kinds(&plan, ALICE), [ActionKind::Delete]);
    world.apply(&plan, usize::MAX);
    assert_eq!(
        user_plan(&world.plan(), ALICE).disposition,
        Disposition::Left
    );
    world.person(ALICE).in_scope = true;
    assert_eq!(
        kinds(&world.plan(), ALICE),
        [
            ActionKind::Restore,
            ActionKind::Enable,
            ActionKind::AssignLicenses
        ]
    );
}

#[test]
fn an_account_that_somebody_else_blocked_stays_blocked() {
    let mut world = with_alice();
    world.account(ALICE).enabled = false;
    assert_eq!(kinds(&world.plan(), ALICE), []);
}

#[test]
fn a_user_who_is_switched_off_is_blocked_and_keeps_the_rest() {
    let mut world = with_alice();
    world.policy.remove_licenses = true;
    world.person(ALICE).user.enabled = false;
    let plan = world.plan();
    assert_eq!(
        kinds(&plan, ALICE),
        [ActionKind::BlockSignIn, ActionKind::RevokeSessions]
    );
    world.apply(&plan, usize::MAX);
    world.person(ALICE).user.enabled = true;
    assert_eq!(kinds(&world.plan(), ALICE), [ActionKind::Enable]);
}

#[test]
fn nothing_happens_that_the_actions_do_not_allow() {
    let mut world = with_alice();
    world.add(user(BOB, "Bob", "Silva"));
    world.policy.create_accounts = false;
    world.policy.update_profiles = false;
    world.policy.assign_licenses = false;
    world.policy.block_sign_in = false;
    world.policy.end_sessions = false;
    world.person(ALICE).user.profile.city = "Porto".to_owned();
    world.grants.clear();
    let plan = world.plan();
    assert_eq!(plan.summary.tally.actions, 0);
    assert_eq!(
        user_plan(&plan, BOB).blockers,
        [Blocker::CreationSwitchedOff]
    );
    world.person(ALICE).in_scope = false;
    assert_eq!(kinds(&world.plan(), ALICE), []);
}

#[test]
fn accounts_that_are_off_limits_are_never_touched() {
    let blocker = |change: fn(&mut World, ObjectId)| {
        let mut world = with_alice();
        let object_id = world.account(ALICE).object_id.clone();
        change(&mut world, object_id);
        world.person(ALICE).user.profile.city = "Porto".to_owned();
        let stays = world.plan();
        world.person(ALICE).in_scope = false;
        let leaves = world.plan();
        for plan in [&stays, &leaves] {
            assert_eq!(kinds(plan, ALICE), []);
        }
        let key = |plan: &Plan| user_plan(plan, ALICE).blockers[0].key();
        assert_eq!(key(&stays), key(&leaves));
        key(&stays)
    };
    assert_eq!(
        blocker(|world, id| world.administrators.push(id)),
        "administrator"
    );
    assert_eq!(
        blocker(|world, _| world.account(ALICE).synchronised = true),
        "synchronised_elsewhere"
    );
    assert_eq!(
        blocker(|world, _| world
            .policy
            .protected
            .push("Alice.Moreau@contoso.com".to_owned())),
        "protected"
    );
    assert_eq!(
        blocker(|world, id| {
            world.account(ALICE).user_principal_name = "a@contoso.onmicrosoft.com".to_owned();
            world.person(ALICE).link = Some((id.clone(), LinkMethod::Manual));
            world.ledgers.remove(&id);
        }),
        "protected"
    );
}

fn matching(change: impl Fn(&mut World)) -> Vec<&'static str> {
    let mut world = World::contoso();
    let dave = user(DAVE, "Dave", "Ng");
    let seen = account_of(&dave, "d1");
    world.tenant.insert(seen.object_id.clone(), seen);
    world.add(dave);
    change(&mut world);
    let plan = world.plan();
    let planned = user_plan(&plan, DAVE);
    let found = match planned.link {
        Some(method) => method.key(),
        None => "nobody",
    };
    (planned.blockers.iter())
        .map(Blocker::key)
        .chain([found])
        .collect()
}

fn d1(world: &mut World) -> &mut signpost_model::Observation {
    world.tenant.get_mut(&ObjectId::new("d1")).unwrap()
}

#[test]
fn matching_goes_by_immutable_id_then_name_then_mail() {
    assert_eq!(matching(|_| {}), ["user_principal_name"]);
    let anchor = user(DAVE, "Dave", "Ng").source_anchor.as_str().to_owned();
    assert_eq!(
        matching(|world| {
            let other = account_of(&user(9, "X", "Y"), "d2");
            world.tenant.insert(other.object_id.clone(), other);
            let second = world.tenant.get_mut(&ObjectId::new("d2")).unwrap();
            second.immutable_id = Some(anchor.clone());
            d1(world).user_principal_name = "other@contoso.com".to_owned();
        }),
        ["immutable_id"]
    );
    assert_eq!(
        matching(|world| d1(world).user_principal_name = "other@contoso.com".to_owned()),
        ["mail"]
    );
    assert_eq!(
        matching(|world| {
            d1(world).user_principal_name = "other@contoso.com".to_owned();
            d1(world).mail = None;
        }),
        ["nobody"]
    );
}

#[test]
fn what_is_not_certain_is_a_blocker() {
    let two = |world: &mut World| {
        let mut second = account_of(&user(DAVE, "Dave", "Ng"), "d2");
        second.user_principal_name = "dave2@contoso.com".to_owned();
        world.tenant.insert(second.object_id.clone(), second);
    };
    assert_eq!(matching(two), ["ambiguous_match", "nobody"]);
    assert_eq!(
        matching(|world| {
            two(world);
            world.person(DAVE).decision = Some(Decision::Link(ObjectId::new("d2")));
        }),
        ["manual"]
    );
    assert_eq!(
        matching(|world| {
            two(world);
            world.person(DAVE).decision = Some(Decision::LeaveOut);
        }),
        ["nobody"]
    );
    assert_eq!(
        matching(|world| d1(world).immutable_id = Some("somebody".to_owned())),
        ["immutable_id_differs", "nobody"]
    );
    assert_eq!(
        matching(|world| d1(world).deleted = true),
        ["deleted_account", "nobody"]
    );
    assert_eq!(
        matching(|world| {
            world.add(user(BOB, "Bob", "Silva")).link =
                Some((ObjectId::new("d1"), LinkMethod::Manual));
        }),
        ["linked_with_another_user", "nobody"]
    );
    assert_eq!(
        matching(|world| world.administrators.push(ObjectId::new("d1"))),
        ["administrator", "nobody"]
    );
}

#[test]
fn an_account_that_somebody_deleted_is_not_made_again_behind_their_back() {
    let mut world = with_alice();
    world.account(ALICE).deleted = true;
    let plan = world.plan();
    assert_eq!(user_plan(&plan, ALICE).blockers[0].key(), "deleted_account");
    let object_id = world.account(ALICE).object_id.clone();
    world.person(ALICE).decision = Some(Decision::Link(object_id.clone()));
    assert_eq!(
        kinds(&world.plan(), ALICE),
        [ActionKind::Restore, ActionKind::AssignLicenses]
    );
    world.person(ALICE).decision = None;
    world.tenant.remove(&object_id);
    assert_eq!(
        kinds(&world.plan(), ALICE),
        [ActionKind::CreateAccount, ActionKind::AssignLicenses]
    );
}

#[test]
fn user_names_are_checked_before_microsoft_refuses_them() {
    let blocker = |name: &str| {
        let mut world = World::contoso();
        let mut bob = user(BOB, "Bob", "Silva");
        bob.profile.user_name = name.to_owned();
        world.add(bob);
        world.facts.domain = name.rsplit('@').next().unwrap().to_owned();
        world.plan().users[0].blockers[0].key()
    };
    assert_eq!(blocker("bob silva@contoso.com"), "user_name_invalid");
    assert_eq!(blocker("bob@fabrikam.com"), "domain_not_verified");

    let mut world = World::contoso();
    world.add(user(BOB, "Bob", "Silva"));
    world.add(user(CAROL, "Bob", "Silva"));
    let plan = world.plan();
    assert_eq!(user_plan(&plan, BOB).blockers, []);
    assert_eq!(user_plan(&plan, CAROL).blockers[0].key(), "user_name_twice");
}

#[test]
fn a_rename_to_a_name_that_is_taken_waits() {
    let mut world = with_alice();
    let other = account_of(&user(9, "New", "Name"), "n1");
    world.tenant.insert(other.object_id.clone(), other);
    world.person(ALICE).user.profile.user_name = "new.name@contoso.com".to_owned();
    let plan = world.plan();
    assert_eq!(user_plan(&plan, ALICE).blockers[0].key(), "user_name_taken");
}

#[test]
fn the_manager_is_set_once_they_have_an_account() {
    let mut world = with_alice();
    let mut bob = user(BOB, "Bob", "Silva");
    bob.profile.manager_id = Some(UserId::from_number(ALICE));
    world.add(bob);
    let plan = world.plan();
    assert!(kinds(&plan, BOB).contains(&ActionKind::SetManager));
    world.apply(&plan, usize::MAX);
    assert_eq!(world.plan().summary.tally.actions, 0);
    world.person(BOB).user.profile.manager_id = None;
    assert_eq!(kinds(&world.plan(), BOB), [ActionKind::SetManager]);
}

#[test]
fn more_removals_than_the_limit_wait_for_a_person() {
    let mut world = World::contoso();
    for number in 1..=7 {
        world.add(user(number, &format!("Person{number}"), "Test"));
    }
    let plan = world.plan();
    world.apply(&plan, usize::MAX);
    for number in 1..=5 {
        world.person(number).in_scope = false;
    }
    assert_eq!(world.plan().summary.waits_for, None);
    world.person(6).in_scope = false;
    assert_eq!(
        world.plan().summary.waits_for,
        Some(WaitsFor::Limit {
            removals: 6,
            earlier: 0,
            allowed: 5
        })
    );
}

#[test]
fn many_small_runs_together_do_not_pass_the_limit() {
    let mut world = World::contoso();
    for number in 1..=2 {
        world.add(user(number, &format!("Person{number}"), "Test"));
    }
    let plan = world.plan();
    world.apply(&plan, usize::MAX);
    assert_eq!(world.waits_after(100), None, "nothing is taken away");
    world.person(1).in_scope = false;
    assert_eq!(world.waits_after(4), None);
    assert_eq!(
        world.waits_after(5),
        Some(WaitsFor::Limit {
            removals: 1,
            earlier: 5,
            allowed: 5
        })
    );
}

#[test]
fn the_hash_changes_with_every_decision_and_with_nothing_else() {
    let mut world = with_alice();
    let before = world.plan().summary.hash;
    assert_eq!(world.plan().summary.hash, before);
    world.person(ALICE).user.profile.city = "Porto".to_owned();
    assert_ne!(world.plan().summary.hash, before);
}
