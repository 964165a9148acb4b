//! The laws of pushed groups, over generated directories, tenants and choices.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use signpost_model::group_push::{
    GroupAction, GroupLink, GroupMember, KnownGroup, MEMBERS_PER_ACTION, MemberInput, OnRemoval,
    PlannedGroupAction, PushDecision, PushInput, PushState, Standing, TenantGroup,
};
use signpost_model::plan::{ObjectId, PlannedLicense};
use signpost_model::policy::DriftRule;
use signpost_model::{GroupId, UserId};
use signpost_sync::group_planner::{GroupHead, GroupPlanner};

/// A tenant, and what Signpost remembers of it, for one pushed group.
#[derive(Debug, Clone)]
struct World {
    wanted: bool,
    on_removal: OnRemoval,
    decision: Option<PushDecision>,
    /// The linked group, and whether Signpost created it.
    link: Option<(ObjectId, bool)>,
    written: (String, String),
    groups: BTreeMap<ObjectId, (TenantGroup, BTreeSet<ObjectId>)>,
    owned: BTreeSet<ObjectId>,
    owned_licenses: BTreeMap<String, Vec<String>>,
    licenses: BTreeMap<String, Vec<String>>,
    people: Vec<(Standing, bool)>,
    rule: DriftRule,
}

const NAME: &str = "Sales";

fn account(number: usize) -> ObjectId {
    ObjectId::new(&format!("account-{number:04}"))
}

fn tenant_group(id: &str, kind: usize) -> TenantGroup {
    TenantGroup {
        object_id: ObjectId::new(id),
        name: NAME.to_owned(),
        description: String::new(),
        mail_nickname: id.to_owned(),
        mail_enabled: kind == 1,
        security_enabled: kind != 2,
        dynamic: kind == 3,
        synchronised: kind == 4,
        role_assignable: kind == 5,
        licenses: Vec::new(),
    }
}

impl World {
    fn input(&self) -> PushInput {
        let link = self.link.clone();
        let group = link
            .as_ref()
            .and_then(|(id, _)| self.groups.get(id))
            .map(|(group, _)| group.clone());
        let license = |(sku, off): (&String, &Vec<String>)| PlannedLicense {
            sku_id: sku.clone(),
            name: sku.clone(),
            disabled_plans: off.clone(),
        };
        PushInput {
            group_id: GroupId::from_number(1),
            name: NAME.to_owned(),
            description: "All who sell".to_owned(),
            wanted: self.wanted,
            on_removal: self.on_removal,
            decision: self.decision,
            written_name: self.written.0.clone(),
            written_description: self.written.1.clone(),
            group,
            same_name: match link {
                Some(_) => Vec::new(),
                None => self
                    .groups
                    .values()
                    .map(|(group, _)| KnownGroup {
                        group: group.clone(),
                        taken: false,
                    })
                    .collect(),
            },
            licenses: self.licenses.iter().map(license).collect(),
            owned_licenses: self.owned_licenses.iter().map(license).collect(),
            owned_members: i64::try_from(self.owned.len()).unwrap(),
            link: self
                .link
                .clone()
                .map(|(object_id, created)| GroupLink { object_id, created }),
        }
    }

    fn members(&self) -> Vec<MemberInput> {
        let in_group = self
            .link
            .as_ref()
            .and_then(|(id, _)| self.groups.get(id))
            .map(|(_, members)| members.clone())
            .unwrap_or_default();
        let member = |(number, (standing, has_account)): (usize, &(Standing, bool))| MemberInput {
            member: GroupMember {
                user_id: UserId::from_number(number as u128 + 1),
                display_name: format!("Person {number}"),
                object_id: has_account.then(|| account(number)),
            },
            standing: *standing,
            observed: in_group.contains(&account(number)),
            owned: self.owned.contains(&account(number)),
            drift: None,
        };
        self.people.iter().enumerate().map(member).collect()
    }

    fn plan(&self) -> (GroupHead, Vec<PlannedGroupAction>) {
        let mut planner = GroupPlanner::new(&self.input(), self.rule);
        let mut actions = planner.drain().actions;
        if planner.wants_members() {
            for member in self.members() {
                planner.member(&member);
                actions.extend(planner.drain().actions);
            }
        }
        let (head, rest) = planner.finish();
        actions.extend(rest.actions);
        (head, actions)
    }

    /// What an apply leaves behind, for as many actions as `most`.
    fn apply(&mut self, actions: &[PlannedGroupAction], most: usize) {
        for planned in actions.iter().take(most) {
            if let GroupAction::CreateGroup {
                name, description, ..
            } = &planned.action
            {
                let id = ObjectId::new("made");
                let mut made = tenant_group("made", 0);
                made.name.clone_from(name);
                made.description.clone_from(description);
                self.groups.insert(id.clone(), (made, BTreeSet::new()));
                self.link = Some((id, true));
                self.decision = None;
                self.owned.clear();
                self.owned_licenses.clear();
                continue;
            }
            let id = self.link.clone().unwrap().0;
            if matches!(planned.action, GroupAction::DeleteGroup { .. }) {
                self.groups.remove(&id);
                self.owned.clear();
                self.link = None;
                continue;
            }
            let (group, members) = self.groups.get_mut(&id).unwrap();
            match &planned.action {
                GroupAction::UpdateGroup { name, description } => {
                    if let Some((_, after)) = name {
                        group.name.clone_from(after);
                    }
                    if let Some((_, after)) = description {
                        group.description.clone_from(after);
                    }
                }
                GroupAction::AddMembers { members: added } => {
                    for one in added.iter().filter_map(|one| one.object_id.clone()) {
                        assert!(members.insert(one.clone()), "nobody is added twice");
                        self.owned.insert(one);
                    }
                }
                GroupAction::RemoveMember { member } => {
                    let one = member.object_id.clone().unwrap();
                    assert!(members.remove(&one), "only members are removed");
                    self.owned.remove(&one);
                }
                GroupAction::AssignLicenses { add, remove, .. } => {
                    for one in remove {
                        group.licenses.retain(|held| held.sku_id != one.sku_id);
                        self.owned_licenses.remove(&one.sku_id);
                    }
                    for one in add {
                        group.licenses.retain(|held| held.sku_id != one.sku_id);
                        group
                            .licenses
                            .push(signpost_model::group_push::GroupLicense {
                                sku_id: one.sku_id.clone(),
                                disabled_plans: one.disabled_plans.clone(),
                            });
                        self.owned_licenses
                            .insert(one.sku_id.clone(), one.disabled_plans.clone());
                    }
                    group.licenses.sort();
                }
                GroupAction::CreateGroup { .. } | GroupAction::DeleteGroup { .. } => {}
            }
        }
    }

    /// Everything the tenant holds.
    fn tenant(&self) -> BTreeMap<ObjectId, (TenantGroup, BTreeSet<ObjectId>)> {
        self.groups.clone()
    }
}

prop_compose! {
    fn world()(
        wanted in proptest::bool::weighted(0.8),
        on_removal in proptest::sample::select(OnRemoval::ALL.to_vec()),
        decision in proptest::option::of(proptest::sample::select(PushDecision::ALL.to_vec())),
        linked in 0..4usize, kind in 0..8usize, others in 0..2usize,
        written in any::<bool>(), license in 0..4usize,
        rule in proptest::sample::select(DriftRule::ALL.to_vec()),
        people in proptest::collection::vec((0..4usize, any::<bool>(), any::<bool>(), any::<bool>()), 0..60),
    ) -> World {
        let mut groups = BTreeMap::new();
        let mut link = None;
        let mut owned = BTreeSet::new();
        let mut members = BTreeSet::new();
        for (number, (_, observed, is_owned, has_account)) in people.iter().enumerate() {
            if !has_account {
                continue;
            }
            if *observed {
                members.insert(account(number));
            }
            if *is_owned {
                owned.insert(account(number));
            }
        }
        if linked > 0 {
            link = Some((ObjectId::new("linked"), linked == 1));
            if linked != 3 {
                groups.insert(ObjectId::new("linked"), (tenant_group("linked", kind), members));
            }
        } else {
            owned.clear();
            for number in 0..others {
                let id = format!("other{number}");
                groups.insert(ObjectId::new(&id), (tenant_group(&id, kind), BTreeSet::new()));
            }
        }
        let licenses = match license {
            0 => BTreeMap::new(),
            _ => BTreeMap::from([("e3".to_owned(), Vec::new())]),
        };
        let owned_licenses = match (license, link.is_some()) {
            (2 | 3, true) => BTreeMap::from([("e5".to_owned(), Vec::new())]),
            _ => BTreeMap::new(),
        };
        for (group, _) in groups.values_mut() {
            for sku in owned_licenses.keys() {
                group.licenses.push(signpost_model::group_push::GroupLicense {
                    sku_id: sku.clone(), disabled_plans: Vec::new(),
                });
            }
        }
        let standing = |number| match number {
            0 => Standing::Wanted,
            1 => Standing::Returning,
            2 => Standing::Untouched,
            _ => Standing::Unwanted,
        };
        World {
            wanted, on_removal, decision, link, groups, owned, owned_licenses, licenses, rule,
            written: if written {
                (NAME.to_owned(), "All who sell".to_owned())
            } else {
                (String::new(), String::new())
            },
            people: people.iter().map(|(n, _, _, has)| (standing(*n), *has)).collect(),
        }
    }
}

proptest! {
    #[test]
    fn the_plan_of_an_applied_plan_is_empty(mut world in world()) {
        let (head, actions) = world.plan();
        world.apply(&actions, usize::MAX);
        if head.ends {
            return Ok(());
        }
        world.written = (NAME.to_owned(), "All who sell".to_owned());
        // Whoever has no account yet is asked for again until they have one.
        for (_, has_account) in &mut world.people {
            *has_account = true;
        }
        let (_, more) = world.plan();
        world.apply(&more, usize::MAX);
        let (_, none) = world.plan();
        prop_assert_eq!(none, Vec::new());
    }

    #[test]
    fn nothing_unowned_is_removed(world in world()) {
        let (_, actions) = world.plan();
        for planned in &actions {
            match &planned.action {
                GroupAction::RemoveMember { member } => {
                    prop_assert!(world.owned.contains(member.object_id.as_ref().unwrap()));
                }
                GroupAction::DeleteGroup { .. } => {
                    prop_assert!(world.link.as_ref().unwrap().1, "not created by us");
                }
                GroupAction::AssignLicenses { remove, .. } => {
                    prop_assert!(remove.iter().all(|one| world.owned_licenses.contains_key(&one.sku_id)));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn groups_of_other_kinds_are_never_touched(world in world()) {
        let linked = world.link.as_ref().and_then(|(id, _)| world.groups.get(id));
        if linked.is_some_and(|(group, _)| group.untouchable().is_some()) {
            let (head, actions) = world.plan();
            prop_assert_eq!(actions, Vec::new());
            prop_assert!(head.ends || head.state_after != PushState::InSync);
        }
    }

    #[test]
    fn a_group_of_the_same_name_is_never_guessed(mut world in world()) {
        world.link = None;
        world.decision = None;
        world.wanted = true;
        let (head, actions) = world.plan();
        if world.groups.is_empty() {
            let creates = matches!(actions[0].action, GroupAction::CreateGroup { .. });
            prop_assert!(creates);
        } else {
            prop_assert_eq!(head.state_after, PushState::NeedsReview);
            prop_assert_eq!(actions, Vec::new());
        }
    }

    #[test]
    fn an_action_adds_twenty_members_at_most_and_only_those_who_are_wanted(world in world()) {
        let (_, actions) = world.plan();
        let members = world.members();
        for planned in &actions {
            if let GroupAction::AddMembers { members: added } = &planned.action {
                prop_assert!(!added.is_empty() && added.len() <= MEMBERS_PER_ACTION);
                for one in added {
                    let input = members.iter().find(|known| known.member == *one).unwrap();
                    prop_assert!(matches!(input.standing, Standing::Wanted | Standing::Returning));
                    prop_assert!(!input.observed);
                }
            }
        }
    }

    #[test]
    fn any_prefix_of_an_apply_and_a_new_plan_end_in_the_same_tenant(world in world(), most in 0..12usize) {
        let mut whole = world.clone();
        let (head, actions) = whole.plan();
        whole.apply(&actions, usize::MAX);
        let mut stopped = world;
        stopped.apply(&actions, most);
        let (_, rest) = stopped.plan();
        stopped.apply(&rest, usize::MAX);
        if !head.ends {
            prop_assert_eq!(stopped.tenant(), whole.tenant());
        }
    }
}
