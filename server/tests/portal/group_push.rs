//! Pushed groups: from the page that chooses them to the groups of the practice tenant.

use serde_json::{Value, json};
use signpost_model::policy::DriftRule;
use signpost_model::run::{Run, RunState};
use signpost_model::{GroupId, Policy, Role, UserId};
use signpost_store::groups::{self, NewGroup};
use signpost_store::licenses::{self, NewGrant};
use signpost_store::testing::{AUTHOR, NOW};
use signpost_store::{both_engines, memberships, policies, runs};

use crate::support::Answer;
use crate::syncing::{E3, Rehearsal, has_license};

const ANA: &str = "ana.silva@contoso.example";
const BEN: &str = "ben.okafor@contoso.example";

impl Rehearsal {
    /// Connected, and allowed to write groups.
    async fn begin_with_groups(store: signpost_store::Store) -> Self {
        let rehearsal = Self::begin(store).await;
        rehearsal
            .permit(&["Group.ReadWrite.All", "GroupMember.ReadWrite.All"])
            .await;
        rehearsal
    }

    async fn add_group(&self, number: u128, name: &str, members: &[UserId]) -> GroupId {
        let id = GroupId::from_number(number);
        let new = NewGroup {
            id,
            name: name.to_owned(),
            description: "Who sells".to_owned(),
        };
        let mut tx = self.app.portal.store.write().await.unwrap();
        groups::create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
        memberships::add(&mut tx, id, members, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn join(&self, group: GroupId, users: &[UserId]) {
        let mut tx = self.app.portal.store.write().await.unwrap();
        memberships::add(&mut tx, group, users, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn quit(&self, group: GroupId, users: &[UserId]) {
        let mut tx = self.app.portal.store.write().await.unwrap();
        memberships::remove(&mut tx, group, users, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn post_control(&self, endpoint: &str, fields: &[(&str, &str)]) -> Answer {
        let application = self.application.to_string();
        let mut all = vec![("application", application.as_str())];
        all.extend_from_slice(fields);
        self.browser
            .submit(&format!("/api/control/{endpoint}"), &all)
            .await
    }

    /// Ticks the group on the page and pushes it.
    async fn push(&self, group: GroupId, on_removal: &str) {
        let group = group.to_string();
        let fields = [("group", group.as_str()), ("on_removal", on_removal)];
        let answer = self.post_control("push-groups", &fields).await;
        assert!(
            answer.body.contains("pushed by the next sync"),
            "{}",
            answer.body
        );
    }

    async fn choose(&self, group: GroupId, choice: &str) -> Answer {
        let (id, field) = (group.to_string(), format!("choice-{group}"));
        let fields = [("group", id.as_str()), (field.as_str(), choice)];
        self.post_control("group-choice", &fields).await
    }

    async fn groups_page(&self) -> Answer {
        let address = format!("/applications/{}/groups", self.application);
        self.browser.get(&address).await
    }

    /// The live groups of this name in the tenant.
    async fn tenant_groups(&self, name: &str) -> Vec<Value> {
        let all = self.practice("groups").await;
        let all = all["groups"].as_array().unwrap().clone();
        all.into_iter()
            .filter(|group| group["displayName"] == name && group["deletedDateTime"].is_null())
            .collect()
    }

    async fn tenant_group(&self, name: &str) -> Value {
        let mut found = self.tenant_groups(name).await;
        assert_eq!(found.len(), 1, "{name}: {found:#?}");
        found.remove(0)
    }

    async fn is_in(&self, user: &str, group: &Value) -> bool {
        let account = self.account(user).await.unwrap();
        let groups = account["memberOf"].as_array().unwrap().clone();
        groups.contains(&group["id"])
    }

    /// Syncs, and expects that nothing went wrong.
    async fn sync_well(&self) -> Run {
        let run = self.sync().await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        run
    }

    /// The run that waits for an answer.
    async fn waiting(&self) -> Run {
        let mut read = self.app.portal.store.read().await.unwrap();
        let open = runs::list_open(&mut read, self.application).await.unwrap();
        let waits = |run: &Run| run.state == RunState::AwaitingApproval;
        open.into_iter().find(waits).unwrap()
    }

    async fn set_rules(&self, policy: Policy) {
        let mut tx = self.app.portal.store.write().await.unwrap();
        policies::set_policy(&mut tx, self.application, &policy, &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// Gives E3 to the members of this group, by the group itself or to each of them.
    async fn grant_to(&self, group: GroupId, by_group: bool) {
        let portal = &self.app.portal;
        let grant = NewGrant {
            sku_id: E3.to_owned(),
            group_id: Some(group),
            by_group,
            disabled_plans: Vec::new(),
        };
        let mut tx = portal.store.write().await.unwrap();
        let random = portal.random.as_ref();
        licenses::set_grants(&mut tx, random, self.application, &[grant], &AUTHOR, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
}

fn says(page: &Answer, words: &[&str]) {
    for word in words {
        let main = page.body.split("<main").nth(1).unwrap_or(&page.body);
        assert!(page.body.contains(word), "«{word}» in {main}");
    }
}

both_engines! {
    async fn a_pushed_group_is_created_with_its_members_in_the_run_that_creates_their_accounts(store: Store) {
        let rehearsal = Rehearsal::begin_with_groups(store).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        let ben = rehearsal.add(2, "Ben", "Okafor").await;
        let group = rehearsal.add_group(1, "Field Sales", &[ana]).await;
        rehearsal.push(group, "delete_group").await;
        says(&rehearsal.groups_page().await, &["Field Sales", "Not pushed", "Not there yet"]);
        let run = rehearsal.sync_well().await;
        let made = rehearsal.tenant_group("Field Sales").await;
        assert_eq!(made["description"], "Who sells");
        assert!(rehearsal.is_in(ANA, &made).await);
        assert!(!rehearsal.is_in(BEN, &made).await);
        says(&rehearsal.groups_page().await, &["Created by Signpost", "Active", "1 there, 0 waiting"]);
        let page = rehearsal.browser.get(&format!("/runs/{}", run.id)).await;
        says(&page, &["Create group", "Add members", "Ana Silva", "The application pushes this group"]);
        let csv = rehearsal.browser.get(&format!("/runs/{}/actions.csv", run.id)).await;
        assert!(csv.body.contains("Add members"), "{}", csv.body);
        let exported = rehearsal.browser.get(&format!("/runs/{}/actions.json", run.id)).await;
        assert!(exported.body.contains("create_group"), "{}", exported.body);

        rehearsal.sync_well().await;
        rehearsal.control("reset", json!({"what": "calls"})).await;
        let quiet = rehearsal.sync_well().await;
        assert_eq!(quiet.tally.actions, 0);
        let calls = rehearsal.calls().await;
        assert_eq!(calls["writes"], 0, "{calls:#}");
        assert!(calls["total"].as_i64().unwrap() <= 3, "{calls:#}");

        rehearsal.join(group, &[ben]).await;
        rehearsal.quit(group, &[ana]).await;
        rehearsal.sync_well().await;
        assert!(rehearsal.is_in(BEN, &made).await);
        assert!(!rehearsal.is_in(ANA, &made).await);
        let why = format!("/applications/{}/users/{ben}/why", rehearsal.application);
        says(&rehearsal.browser.get(&why).await, &["Field Sales: a member here, and put into"]);
        rehearsal.assert_clean();
    }

    async fn a_group_that_is_no_longer_pushed_ends_as_was_chosen(store: Store) {
        let rehearsal = Rehearsal::begin_with_groups(store).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        let (kept, emptied, deleted) = (
            rehearsal.add_group(1, "Kept", &[ana]).await,
            rehearsal.add_group(2, "Emptied", &[ana]).await,
            rehearsal.add_group(3, "Deleted", &[ana]).await,
        );
        for group in [kept, emptied, deleted] {
            rehearsal.push(group, "keep").await;
        }
        rehearsal.sync_well().await;
        for (group, end) in [(kept, "keep"), (emptied, "remove_members"), (deleted, "delete_group")] {
            let (id, field) = (group.to_string(), format!("on_removal-{group}"));
            let fields = [("group", id.as_str()), (field.as_str(), end)];
            let answer = rehearsal.post_control("end-push", &fields).await;
            says(&answer, &["no longer pushed"]);
        }
        rehearsal.sync_well().await;
        assert!(rehearsal.is_in(ANA, &rehearsal.tenant_group("Kept").await).await);
        assert!(!rehearsal.is_in(ANA, &rehearsal.tenant_group("Emptied").await).await);
        assert_eq!(rehearsal.tenant_groups("Deleted").await, Vec::<Value>::new());
        says(&rehearsal.groups_page().await, &["No groups are pushed"]);
    }

    async fn a_group_of_the_same_name_is_linked_only_by_review_and_keeps_what_it_had(store: Store) {
        let rehearsal = Rehearsal::begin_with_groups(store).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        let ben = rehearsal.add(2, "Ben", "Okafor").await;
        rehearsal.sync_well().await;
        let sales = rehearsal.tenant_group("Sales Team").await;
        rehearsal.control("groups", json!({"id": sales["id"], "members": [BEN]})).await;
        let group = rehearsal.add_group(1, "Sales team", &[ana]).await;
        rehearsal.push(group, "delete_group").await;
        rehearsal.sync_well().await;
        assert!(!rehearsal.is_in(ANA, &sales).await, "nobody has chosen yet");
        let page = rehearsal.groups_page().await;
        says(&page, &["Needs review", "The tenant has a group of this name", "Link to Sales Team"]);
        let link = format!("link:{}", sales["id"].as_str().unwrap());
        says(&rehearsal.choose(group, &link).await, &["The choice is saved."]);
        rehearsal.sync_well().await;
        let linked = rehearsal.tenant_group("Sales Team").await;
        assert_eq!(linked["description"], sales["description"], "its own words stay");
        assert!(rehearsal.is_in(ANA, &linked).await);
        assert!(rehearsal.is_in(BEN, &linked).await);
        says(&rehearsal.groups_page().await, &["Linked to Sales Team", "1 was there before"]);
        // Whoever others put there is not ours to take, and the group is not ours to delete.
        rehearsal.join(group, &[ben]).await;
        rehearsal.sync_well().await;
        rehearsal.quit(group, &[ana, ben]).await;
        rehearsal.sync_well().await;
        assert!(!rehearsal.is_in(ANA, &linked).await);
        assert!(rehearsal.is_in(BEN, &linked).await);
        let (id, field) = (group.to_string(), format!("on_removal-{group}"));
        let fields = [("group", id.as_str()), (field.as_str(), "delete_group")];
        rehearsal.post_control("end-push", &fields).await;
        rehearsal.sync_well().await;
        assert!(rehearsal.is_in(BEN, &rehearsal.tenant_group("Sales Team").await).await);
    }

    async fn groups_of_other_kinds_are_never_linked(store: Store) {
        let rehearsal = Rehearsal::begin_with_groups(store).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        let kinds = [
            ("All Company", json!(null), "mailbox"),
            ("Everyone in Germany", json!(null), "A rule decides"),
            ("Admins", json!({"displayName": "Admins", "isAssignableToRole": true}), "directory roles"),
            ("From elsewhere", json!({"displayName": "From elsewhere", "onPremisesSyncEnabled": true}), "another directory"),
        ];
        let mut number = 0;
        for (name, make, _) in &kinds {
            if !make.is_null() {
                rehearsal.control("groups", make.clone()).await;
            }
            number += 1;
            let group = rehearsal.add_group(number, name, &[ana]).await;
            rehearsal.push(group, "delete_group").await;
        }
        rehearsal.sync_well().await;
        let page = rehearsal.groups_page().await;
        for (name, _, why) in &kinds {
            says(&page, &[name, why]);
            let there = rehearsal.tenant_group(name).await;
            assert!(!rehearsal.is_in(ANA, &there).await, "{name}");
            let link = format!("link:{}", there["id"].as_str().unwrap());
            assert!(!page.body.contains(&link), "{name} is offered");
        }
        let there = rehearsal.tenant_group("Admins").await;
        let link = format!("link:{}", there["id"].as_str().unwrap());
        let refused = rehearsal.choose(GroupId::from_number(3), &link).await;
        says(&refused, &["Signpost does not touch this group."]);
        let saved = rehearsal.choose(GroupId::from_number(3), "create").await;
        says(&saved, &["The choice is saved."]);
        rehearsal.sync_well().await;
        let admins = rehearsal.tenant_groups("Admins").await;
        assert_eq!(admins.len(), 2);
    }

    async fn a_license_is_given_by_the_group_and_never_fought(store: Store) {
        let rehearsal = Rehearsal::begin_with_groups(store).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        let group = rehearsal.add_group(1, "Licensed", &[ana]).await;
        rehearsal.push(group, "remove_members").await;
        rehearsal.grant_to(group, true).await;
        rehearsal.sync_well().await;
        rehearsal.sync_well().await;
        let account = rehearsal.account(ANA).await.unwrap();
        assert!(has_license(&account, E3), "{account:#}");
        let calls = rehearsal.calls().await;
        let direct = &calls["by_route"]["POST /users/{id}/assignLicense"];
        assert!(direct.is_null(), "{calls:#}");
        assert_eq!(calls["by_route"]["POST /groups/{id}/assignLicense"], 1, "{calls:#}");

        // Given directly from now on: first to each member, then away from the group.
        rehearsal.grant_to(group, false).await;
        rehearsal.sync_well().await;
        rehearsal.sync_well().await;
        let account = rehearsal.account(ANA).await.unwrap();
        assert!(has_license(&account, E3), "{account:#}");
        let there = rehearsal.tenant_group("Licensed").await;
        assert_eq!(there["assignedLicenses"], json!([]));

        // And back: the direct one goes when the group's has come.
        rehearsal.grant_to(group, true).await;
        for _ in 0..3 {
            rehearsal.sync_well().await;
        }
        let account = rehearsal.account(ANA).await.unwrap();
        assert!(has_license(&account, E3), "{account:#}");
        let states = account["licenseAssignmentStates"].as_array().unwrap();
        assert!(states.iter().all(|state| !state["assignedByGroup"].is_null()), "{account:#}");
    }

    async fn a_membership_that_others_take_back_is_decided_by_the_rule(store: Store) {
        let rehearsal = Rehearsal::begin_with_groups(store).await;
        let ana = rehearsal.add(1, "Ana", "Silva").await;
        let group = rehearsal.add_group(1, "Field Sales", &[ana]).await;
        rehearsal.push(group, "keep").await;
        rehearsal.sync_well().await;
        let made = rehearsal.tenant_group("Field Sales").await;
        let empty = json!({"id": made["id"], "members": []});
        rehearsal.control("groups", empty.clone()).await;
        rehearsal.sync_well().await;
        assert!(rehearsal.is_in(ANA, &made).await, "the default reverts");

        let mut policy = Policy::default();
        policy.drift.memberships = Some(DriftRule::Ask);
        rehearsal.set_rules(policy).await;
        rehearsal.control("groups", empty).await;
        rehearsal.sync_well().await;
        assert!(!rehearsal.is_in(ANA, &made).await);
        let address = format!("/applications/{}/drift", rehearsal.application);
        says(&rehearsal.browser.get(&address).await, &["Memberships taken back by others", "Ana Silva", "Field Sales"]);
        let which = format!("{group} {ana}");
        let fields = [("which", which.as_str()), ("choice", "revert")];
        let answer = rehearsal.post_control("membership-drift", &fields).await;
        says(&answer, &["1 membership will be given again"]);
        rehearsal.sync_well().await;
        assert!(rehearsal.is_in(ANA, &made).await);
    }

    async fn memberships_taken_from_many_wait_for_a_person(store: Store) {
        let rehearsal = Rehearsal::begin_with_groups(store).await;
        let mut users = Vec::new();
        for number in 1..=7u128 {
            users.push(rehearsal.add(number, &format!("Person{number}"), "Silva").await);
        }
        let group = rehearsal.add_group(1, "Field Sales", &users).await;
        rehearsal.push(group, "keep").await;
        rehearsal.sync_well().await;
        let made = rehearsal.tenant_group("Field Sales").await;
        assert_eq!(made["members"].as_array().unwrap().len(), 7);
        rehearsal.quit(group, &users).await;
        rehearsal.sync().await;
        // The change's own run may have come first: then that one waits.
        let run = rehearsal.waiting().await;
        assert_eq!(run.tally.removals, 7);
        let made = rehearsal.tenant_group("Field Sales").await;
        assert_eq!(made["members"].as_array().unwrap().len(), 7);
        let id = run.id.to_string();
        let hash = run.plan_hash.clone().unwrap();
        let fields = [("run", id.as_str()), ("hash", hash.as_str())];
        rehearsal.browser.submit("/api/runs/apply", &fields).await;
        let run = rehearsal.until_it_rests(run).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        let made = rehearsal.tenant_group("Field Sales").await;
        assert_eq!(made["members"], json!([]));
    }

    async fn lost_answers_make_no_group_and_no_member_twice(store: Store) {
        let rehearsal = Rehearsal::begin_with_groups(store).await;
        let mut users = Vec::new();
        for number in 1..=25u128 {
            users.push(rehearsal.add(number, &format!("Person{number}"), "Silva").await);
        }
        let group = rehearsal.add_group(1, "Field Sales", &users).await;
        rehearsal.push(group, "keep").await;
        for route in ["/groups", "/groups/{id}"] {
            let method = if route == "/groups" { "POST" } else { "PATCH" };
            let fault = json!({"method": method, "route": route, "status": 504,
                "code": "UnknownError", "message": "gateway", "after": true, "times": 1});
            rehearsal.control("faults", fault).await;
        }
        rehearsal.sync_well().await;
        let made = rehearsal.tenant_group("Field Sales").await;
        assert_eq!(made["members"].as_array().unwrap().len(), 25);
        rehearsal.quit(group, &users[..3]).await;
        rehearsal.sync_well().await;
        let made = rehearsal.tenant_group("Field Sales").await;
        assert_eq!(made["members"].as_array().unwrap().len(), 22, "what came by a lost answer is ours");
    }

    async fn somebody_already_in_the_group_holds_up_nobody(store: Store) {
        let rehearsal = Rehearsal::begin_with_groups(store).await;
        let mut users = Vec::new();
        for number in 1..=10u128 {
            users.push(rehearsal.add(number, &format!("Person{number}"), "Silva").await);
        }
        let group = rehearsal.add_group(1, "Field Sales", &[]).await;
        rehearsal.push(group, "keep").await;
        rehearsal.sync_well().await;
        let made = rehearsal.tenant_group("Field Sales").await;
        rehearsal.join(group, &users).await;
        let refusal = json!({"method": "PATCH", "route": "/groups/{id}", "status": 400,
            "code": "Request_BadRequest", "times": 1,
            "message": "One or more added object references already exist for the following modified properties: 'members'."});
        rehearsal.control("faults", refusal).await;
        rehearsal.sync_well().await;
        let made = {
            let _ = made;
            rehearsal.tenant_group("Field Sales").await
        };
        assert_eq!(made["members"].as_array().unwrap().len(), 10);
    }

    async fn the_pages_of_groups_ask_for_the_role(store: Store) {
        let rehearsal = Rehearsal::begin(store).await;
        let auditor = rehearsal.app.sign_in(Role::Auditor).await;
        let address = format!("/applications/{}/groups", rehearsal.application);
        let page = auditor.get(&address).await;
        assert!(page.body.contains("No groups are pushed"));
        assert!(!page.body.contains("Push groups"));
        assert_eq!(auditor.get(&format!("{address}/new")).await.status, 403);
        let admin = rehearsal.browser.get(&format!("{address}/new")).await;
        assert!(admin.body.contains("No group to push"), "{}", admin.body);
    }
}
