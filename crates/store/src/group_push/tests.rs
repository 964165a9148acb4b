//! Pushed groups in the store: what is looked at again, what is ours, what an outcome leaves.

use signpost_model::group_push::{
    GroupAction, GroupMember, OnRemoval, PlannedGroupAction, PushDecision, PushState, Standing,
    TenantGroup,
};
use signpost_model::plan::{ObjectId, Reason};
use signpost_model::run::{Outcome, RunScope};
use signpost_model::{Application, Policy, RunId};

use super::inputs::{GroupScope, MemberScope, find, list_members, list_next};
use super::outcomes::{self, GroupEffect, Recorded};
use super::plan::{PlannedGroup, finish_group, write_actions};
use super::tenant::{self, SeenGroup};
use super::{Choice, Chosen, choose, decide, end, list, list_of_user};
use crate::fixtures::{
    NOW, account, add_connected, add_group, add_users, alice, connect, group, random, settle_all,
    start, user,
};
use crate::runs::RunLease;
use crate::{Store, accounts, both_engines, memberships, snapshots};

const CHANGED: GroupScope = GroupScope {
    everyone: false,
    choices_too: true,
};
const EVERYONE: GroupScope = GroupScope {
    everyone: true,
    choices_too: true,
};

fn tenant_group(id: &str, name: &str) -> TenantGroup {
    TenantGroup {
        object_id: ObjectId::new(id),
        name: name.to_owned(),
        description: String::new(),
        mail_nickname: id.to_owned(),
        mail_enabled: false,
        security_enabled: true,
        dynamic: false,
        synchronised: false,
        role_assignable: false,
        licenses: Vec::new(),
    }
}

fn seen(group: TenantGroup, members: &[u32]) -> SeenGroup {
    SeenGroup {
        object_id: group.object_id.clone(),
        group: Some(group),
        entered: members.iter().map(|n| account(*n, "x").object_id).collect(),
        left: Vec::new(),
    }
}

async fn link_accounts(store: &Store, lease: &RunLease, application: &Application, users: &[u32]) {
    let observations: Vec<_> = users
        .iter()
        .map(|number| account(*number, &format!("person{number}")))
        .collect();
    accounts::store_observations(store, lease, None, &observations, NOW)
        .await
        .unwrap();
    let mut tx = store.write().await.unwrap();
    for number in users {
        sqlx::query(
            "insert into links (application_id, user_id, object_id, method, linked_at)
             values ($1, $2, $3, 'created', 0)",
        )
        .bind(application.id.to_string())
        .bind(user(u128::from(*number)).to_string())
        .bind(account(*number, "x").object_id.to_string())
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
}

async fn push(store: &Store, application: &Application, number: u128) {
    let mut tx = store.write().await.unwrap();
    let on_removal = OnRemoval::DeleteGroup;
    let new = choose(
        &mut tx,
        application.id,
        &[group(number)],
        on_removal,
        &alice(),
        NOW,
    )
    .await
    .unwrap();
    assert_eq!(new, 1);
    tx.commit().await.unwrap();
}

async fn due(store: &Store, application: &Application) -> usize {
    let mut db = store.read().await.unwrap();
    list_next(&mut db, application.id, CHANGED, NOW)
        .await
        .unwrap()
        .len()
}

/// Settles the group as a plan without actions does.
async fn settle_group(store: &Store, lease: &RunLease, application: &Application) {
    let revision = {
        let mut db = store.read().await.unwrap();
        let all = list_next(&mut db, application.id, EVERYONE, NOW)
            .await
            .unwrap();
        all[0].1
    };
    let planned = PlannedGroup {
        group_id: group(1),
        name: "Sales".to_owned(),
        object_id: None,
        revision,
        state_after: PushState::InSync,
        blockers: Vec::new(),
        ends: false,
    };
    sqlx_delete_plan(store, lease.run_id).await;
    finish_group(store, lease, &planned, NOW).await.unwrap();
}

async fn sqlx_delete_plan(store: &Store, run: RunId) {
    let mut tx = store.write().await.unwrap();
    for sql in [
        "delete from plan_groups where run_id = $1",
        "delete from tenant_actions where run_id = $1",
    ] {
        sqlx::query(sql)
            .bind(run.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

both_engines! {
    async fn a_pushed_group_is_looked_at_when_something_happens_to_it(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        add_group(&store, 1, "Sales", &[1]).await;
        let application = add_connected(&store).await;
        push(&store, &application, 1).await;
        let lease = start(&store, application.id, RunScope::Everyone).await.lease;
        assert_eq!(due(&store, &application).await, 1);
        settle_group(&store, &lease, &application).await;
        assert_eq!(due(&store, &application).await, 0);
        let mut tx = store.write().await.unwrap();
        memberships::add(&mut tx, group(1), &[user(2)], &alice(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(due(&store, &application).await, 1);
        settle_group(&store, &lease, &application).await;
        let found = seen(tenant_group("g1", "Sales"), &[1]);
        let stored = std::slice::from_ref(&found);
        tenant::store_groups(&store, &lease, None, stored, NOW).await.unwrap();
        assert_eq!(due(&store, &application).await, 0, "a group that is not linked is no news");
        let mut tx = store.write().await.unwrap();
        let choice = Choice::Link(ObjectId::new("g1"));
        let chosen = decide(&mut tx, application.id, group(1), &choice, &alice(), NOW).await.unwrap();
        assert_eq!(chosen, Chosen::Done);
        tx.commit().await.unwrap();
        settle_group(&store, &lease, &application).await;
        tenant::store_groups(&store, &lease, None, stored, NOW).await.unwrap();
        assert_eq!(due(&store, &application).await, 1, "a member is news");
        settle_group(&store, &lease, &application).await;
        tenant::store_groups(&store, &lease, None, &[found], NOW).await.unwrap();
        assert_eq!(due(&store, &application).await, 0, "the same again is none");
    }

    async fn only_members_about_whom_something_is_to_decide_are_listed(store: Store) {
        add_users(&store, 1, &["Ada", "Bob", "Carla", "Dora"]).await;
        add_group(&store, 1, "Sales", &[1, 2, 4]).await;
        let application = add_connected(&store).await;
        push(&store, &application, 1).await;
        let lease = start(&store, application.id, RunScope::Everyone).await.lease;
        settle_all(&store, &application).await;
        link_accounts(&store, &lease, &application, &[1, 2, 3]).await;
        let found = seen(tenant_group("g1", "Sales"), &[]);
        tenant::store_groups(&store, &lease, None, &[found], NOW).await.unwrap();
        let mut tx = store.write().await.unwrap();
        let choice = Choice::Link(ObjectId::new("g1"));
        decide(&mut tx, application.id, group(1), &choice, &alice(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        let members: Vec<_> = [1, 3].map(|n| account(n, "x").object_id).to_vec();
        tenant::store_all_members(&store, &lease, &ObjectId::new("g1"), &members, NOW).await.unwrap();
        let mut tx = store.write().await.unwrap();
        for number in [1, 3] {
            sqlx::query(
                "insert into ownership (application_id, object_id, kind, key, value, since)
                 values ($1, $2, 'membership', 'g1', '', 0)",
            )
            .bind(application.id.to_string())
            .bind(account(number, "x").object_id.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();
        let policy = Policy::default();
        let target = ObjectId::new("g1");
        let scope = MemberScope {
            run: lease.run_id, group: group(1), object_id: Some(&target), ends: false,
            only_user: None, policy: &policy,
        };
        let mut db = store.read().await.unwrap();
        let (listed, next) = list_members(&mut db, application.id, scope, None, NOW).await.unwrap();
        assert_eq!(next, None);
        let listed: Vec<_> = listed
            .iter()
            .map(|one| (one.member.user_id, one.standing, one.observed, one.owned))
            .collect();
        // Ada is there on both sides, and Dora has no account.
        assert_eq!(listed, [
            (user(2), Standing::Wanted, false, false),
            (user(3), Standing::Unwanted, true, true),
        ]);
        drop(db);
        let mut db = store.read().await.unwrap();
        let of_carla = list_of_user(&mut db, application.id, user(3)).await.unwrap();
        assert!(of_carla[0].observed && of_carla[0].owned && !of_carla[0].in_group);
    }

    async fn an_outcome_is_stored_with_everything_that_follows_from_it(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        add_group(&store, 1, "Sales", &[1]).await;
        let application = add_connected(&store).await;
        push(&store, &application, 1).await;
        let lease = start(&store, application.id, RunScope::Everyone).await.lease;
        settle_all(&store, &application).await;
        link_accounts(&store, &lease, &application, &[1, 2]).await;
        let member = |number: u32| GroupMember {
            user_id: user(u128::from(number)),
            display_name: "x".to_owned(),
            object_id: Some(account(number, "x").object_id),
        };
        let actions = [
            GroupAction::CreateGroup {
                name: "Sales".to_owned(), description: String::new(), mail_nickname: "s".to_owned(),
            },
            GroupAction::AddMembers { members: vec![member(1), member(2)] },
            GroupAction::RemoveMember { member: member(2) },
        ];
        let planned: Vec<_> = actions
            .iter()
            .map(|action| PlannedGroupAction { action: action.clone(), reason: Reason::GroupPushed })
            .collect();
        write_actions(&store, &lease, (group(1), "Sales", None), &planned, NOW).await.unwrap();
        let revision = {
            let mut db = store.read().await.unwrap();
            list_next(&mut db, application.id, EVERYONE, NOW).await.unwrap()[0].1
        };
        let head = PlannedGroup {
            group_id: group(1), name: "Sales".to_owned(), object_id: None, revision,
            state_after: PushState::InSync, blockers: Vec::new(), ends: false,
        };
        finish_group(&store, &lease, &head, NOW).await.unwrap();
        let mut tx = store.write().await.unwrap();
        sqlx::query("update runs set state = 'applying' where id = $1")
            .bind(lease.run_id.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let mut db = store.read().await.unwrap();
        let open = outcomes::list_actions(&mut db, lease.run_id, group(1), -1, 10).await.unwrap();
        assert_eq!(open.len(), 3);
        assert_eq!(outcomes::list_open(&mut db, application.id, lease.run_id, None, 10).await.unwrap().len(), 1);
        drop(db);
        let made = ObjectId::new("g1");
        let ids = |numbers: &[u32]| numbers.iter().map(|n| account(*n, "x").object_id).collect::<Vec<_>>();
        let record = |at: usize, effects| Recorded {
            sequence: open[at].sequence, group_id: group(1), effects,
            outcome: Outcome::Applied { request_id: Some("r".to_owned()) },
        };
        outcomes::mark_sent(&store, &lease, &[open[0].sequence, open[1].sequence], NOW).await.unwrap();
        let created = record(0, vec![GroupEffect::Created(tenant_group("g1", "Sales"))]);
        let entered = GroupEffect::Entered { group: made.clone(), accounts: ids(&[1, 2]), ours: true };
        outcomes::record(&store, &lease, &[created, record(1, vec![entered])], NOW).await.unwrap();
        let mut db = store.read().await.unwrap();
        let row = &list(&mut db, application.id).await.unwrap()[0];
        assert_eq!((row.created, row.there, row.ours, row.waiting), (true, 2, 2, 0));
        assert_eq!(row.state, PushState::NotPushed, "one action is still open");
        drop(db);
        // Before somebody is taken out, their account is kept as it was.
        outcomes::mark_sent(&store, &lease, &[open[2].sequence], NOW).await.unwrap();
        let mut db = store.read().await.unwrap();
        let kept = snapshots::list(&mut db, application.id, user(2), 10).await.unwrap();
        assert!(kept[0].owned.iter().any(|line| line.key == "g1"));
        drop(db);
        let left = GroupEffect::Left { group: made, accounts: ids(&[2]) };
        outcomes::record(&store, &lease, &[record(2, vec![left])], NOW).await.unwrap();
        let mut db = store.read().await.unwrap();
        let row = &list(&mut db, application.id).await.unwrap()[0];
        assert_eq!((row.there, row.ours, row.state), (1, 1, PushState::InSync));
        assert!(!row.is_dirty);
    }

    async fn a_group_that_cannot_be_linked_is_not(store: Store) {
        add_group(&store, 1, "Sales", &[]).await;
        add_group(&store, 2, "Staff", &[]).await;
        let application = add_connected(&store).await;
        push(&store, &application, 1).await;
        push(&store, &application, 2).await;
        let lease = start(&store, application.id, RunScope::Everyone).await.lease;
        let mut dynamic = tenant_group("g1", "Sales");
        dynamic.dynamic = true;
        let found = [seen(dynamic, &[]), seen(tenant_group("g2", "Sales"), &[])];
        tenant::store_groups(&store, &lease, None, &found, NOW).await.unwrap();
        let mut tx = store.write().await.unwrap();
        let mut link = async |number, id: &str| {
            let choice = Choice::Link(ObjectId::new(id));
            decide(&mut tx, application.id, group(number), &choice, &alice(), NOW).await.unwrap()
        };
        assert!(matches!(link(1, "g1").await, Chosen::Untouchable(_)));
        assert_eq!(link(1, "g3").await, Chosen::Unknown);
        assert_eq!(link(1, "g2").await, Chosen::Done);
        assert_eq!(link(2, "g2").await, Chosen::Taken);
        let choice = Choice::LeaveOut;
        decide(&mut tx, application.id, group(2), &choice, &alice(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        let mut db = store.read().await.unwrap();
        let input = find(&mut db, application.id, group(2), &[], &[]).await.unwrap().unwrap();
        assert_eq!(input.decision, Some(PushDecision::LeaveOut));
        assert_eq!(input.same_name, []);
    }

    async fn a_full_read_forgets_what_it_did_not_show(store: Store) {
        add_group(&store, 1, "Sales", &[]).await;
        let application = add_connected(&store).await;
        push(&store, &application, 1).await;
        let lease = start(&store, application.id, RunScope::Everyone).await.lease;
        let both = [seen(tenant_group("g1", "Sales"), &[]), seen(tenant_group("g2", "Old"), &[])];
        let round = tenant::begin_read(&store, &lease, NOW).await.unwrap();
        tenant::store_groups(&store, &lease, Some(round), &both, NOW).await.unwrap();
        tenant::finish_read(&store, &lease, round, NOW).await.unwrap();
        let round = tenant::begin_read(&store, &lease, NOW).await.unwrap();
        tenant::store_groups(&store, &lease, Some(round), &both[..1], NOW).await.unwrap();
        tenant::finish_read(&store, &lease, round, NOW).await.unwrap();
        let mut db = store.read().await.unwrap();
        assert_eq!(tenant::count(&mut db, application.id).await.unwrap(), 1);
        assert_eq!(tenant::search(&mut db, application.id, "sal", 5).await.unwrap().len(), 1);
        drop(db);
        let link = signpost_model::Secret::new("https://graph/delta?token=1");
        tenant::save_delta_link(&store, &random(), &lease, Some(&link), NOW).await.unwrap();
        let mut db = store.read().await.unwrap();
        let opened = tenant::open_delta_link(&mut db, store.sealer(), application.id).await.unwrap();
        assert_eq!(opened.unwrap().expose(), link.expose());
    }

    async fn in_another_tenant_no_group_is_linked_any_more(store: Store) {
        add_group(&store, 1, "Sales", &[]).await;
        let application = add_connected(&store).await;
        push(&store, &application, 1).await;
        let lease = start(&store, application.id, RunScope::Everyone).await.lease;
        let found = [seen(tenant_group("g1", "Sales"), &[])];
        tenant::store_groups(&store, &lease, None, &found, NOW).await.unwrap();
        let mut tx = store.write().await.unwrap();
        let choice = Choice::Link(ObjectId::new("g1"));
        decide(&mut tx, application.id, group(1), &choice, &alice(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        connect(&store, &application, "33333333-3333-3333-3333-333333333333").await;
        let mut db = store.read().await.unwrap();
        assert_eq!(tenant::count(&mut db, application.id).await.unwrap(), 0);
        let row = &list(&mut db, application.id).await.unwrap()[0];
        assert_eq!((row.object_id.clone(), row.state), (None, PushState::NotPushed));
    }

    async fn a_group_that_is_no_longer_chosen_is_looked_at_and_forgotten(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        add_group(&store, 1, "Sales", &[1]).await;
        let application = add_connected(&store).await;
        push(&store, &application, 1).await;
        let lease = start(&store, application.id, RunScope::Everyone).await.lease;
        settle_group(&store, &lease, &application).await;
        let mut tx = store.write().await.unwrap();
        end(&mut tx, application.id, group(1), OnRemoval::Keep, &alice(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        let (due, input) = {
            let mut db = store.read().await.unwrap();
            let due = list_next(&mut db, application.id, CHANGED, NOW).await.unwrap();
            (due, find(&mut db, application.id, group(1), &[], &[]).await.unwrap().unwrap())
        };
        assert!(!input.wanted);
        let planned = PlannedGroup {
            group_id: group(1), name: "Sales".to_owned(), object_id: None, revision: due[0].1,
            state_after: PushState::InSync, blockers: Vec::new(), ends: true,
        };
        sqlx_delete_plan(&store, lease.run_id).await;
        finish_group(&store, &lease, &planned, NOW).await.unwrap();
        let mut db = store.read().await.unwrap();
        assert_eq!(list(&mut db, application.id).await.unwrap(), []);
    }
}
