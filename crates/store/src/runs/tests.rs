//! The rules of runs: one at a time, claimed once, approved as shown, never lost.

use signpost_model::observation::Observation;
use signpost_model::plan::{Action, ActionKind, Blocker, LinkMethod};
use signpost_model::provisioning::{Link, Owned, OwnedKind};
use signpost_model::run::{
    ActionFailure, FailureKind, Outcome, Run, RunFailure, RunMode, RunScope, RunState, SkipReason,
    Trigger, WaitsFor,
};
use signpost_model::time::HOUR_MS;
use signpost_model::{ApplicationId, ConnectionState, ProvisioningState, Timestamp};

use super::actions::{ActionFilter, ActionState};
use super::approval::{Approval, approve, cancel, discard, retry};
use super::outcomes::{Effect, Recorded, mark_sent, record};
use super::plan::PlannedUser;
use super::{Claim, Queued, RunEnd, RunLease};
use crate::fixtures::{
    NOW, account, add_connected, add_users, alice, claim, dirty, inputs, list_inputs, planned,
    queue, random, start, user,
};
use crate::{
    Error, PageRequest, Store, both_engines, provisioning, runs, snapshots, unanswered, users,
};

/// Plans one action for each user and closes the plan.
async fn make_plan(
    store: &Store,
    application: &signpost_model::Application,
    lease: &RunLease,
    waits_for: Option<WaitsFor>,
) -> Run {
    let users: Vec<PlannedUser> = inputs(store, application)
        .await
        .iter()
        .map(|input| planned(input, vec![Action::BlockSignIn]))
        .collect();
    runs::plan::write(store, lease, &users, NOW).await.unwrap();
    runs::plan::finish(store, lease, "hash", waits_for.as_ref(), NOW)
        .await
        .unwrap()
}

fn applied(sequence: i64, effects: Vec<Effect>) -> Recorded {
    Recorded {
        sequence,
        outcome: Outcome::Applied {
            request_id: Some(format!("request {sequence}")),
        },
        effects,
    }
}

fn failed(sequence: i64) -> Recorded {
    Recorded {
        sequence,
        outcome: Outcome::Failed(ActionFailure {
            kind: FailureKind::NoSeats,
            code: None,
            message: "No seats".to_owned(),
            request_id: None,
        }),
        effects: Vec::new(),
    }
}

async fn find(store: &Store, id: signpost_model::RunId) -> Run {
    let mut db = store.read().await.unwrap();
    runs::find(&mut db, id).await.unwrap().unwrap()
}

async fn due(store: &Store, now: Timestamp) -> Vec<Run> {
    let mut tx = store.write().await.unwrap();
    let queued = runs::queue_due(&mut tx, &random(), now).await.unwrap();
    tx.commit().await.unwrap();
    queued
}

async fn approve_run(store: &Store, id: signpost_model::RunId, hash: &str) -> Approval {
    let mut tx = store.write().await.unwrap();
    let approval = approve(&mut tx, id, hash, &alice(), NOW).await.unwrap();
    tx.commit().await.unwrap();
    approval
}

async fn state_of(store: &Store, application: &signpost_model::Application) -> ProvisioningState {
    inputs(store, application).await[0].provisioning.state
}

/// A synced application with one user who is linked and in sync.
async fn synced(store: &Store) -> (signpost_model::Application, Claim) {
    add_users(store, 1, &["Ada"]).await;
    let application = add_connected(store).await;
    let first = start(store, application.id, RunScope::Everyone).await;
    let seen = account(1, "ada");
    crate::accounts::store_observations(
        store,
        &first.lease,
        None,
        std::slice::from_ref(&seen),
        NOW,
    )
    .await
    .unwrap();
    let input = &inputs(store, &application).await[0];
    let mut plan = planned(input, Vec::new());
    plan.plan.object_id = Some(seen.object_id.clone());
    plan.plan.link = Some(LinkMethod::UserPrincipalName);
    plan.plan.owned = vec![Owned {
        kind: OwnedKind::Attribute,
        key: String::new(),
        value: "{}".to_owned(),
    }];
    runs::plan::write(store, &first.lease, &[plan], NOW)
        .await
        .unwrap();
    runs::plan::finish(store, &first.lease, "hash", None, NOW)
        .await
        .unwrap();
    runs::plan::begin_apply(store, &first.lease, NOW)
        .await
        .unwrap();
    runs::finish(store, &first.lease, &RunEnd::Done, NOW)
        .await
        .unwrap();
    (application, first)
}

both_engines! {
    async fn a_double_click_queues_one_run(store: Store) {
        let application = add_connected(&store).await;
        let first = queue(&store, application.id, RunScope::Everyone).await;
        let second = queue(&store, application.id, RunScope::Everyone).await;
        assert!(matches!(first, Queued::Created(_)));
        assert!(matches!(&second, Queued::Already(run) if run.id == first.run().id));
        let other = queue(&store, application.id, RunScope::Changed).await;
        assert!(matches!(other, Queued::Created(_)));
    }

    async fn one_run_at_a_time_touches_a_tenant(store: Store) {
        let application = add_connected(&store).await;
        let first = start(&store, application.id, RunScope::Everyone).await;
        assert_eq!(first.run.state, RunState::Planning);
        queue(&store, application.id, RunScope::Changed).await;
        assert_eq!(claim(&store, "other", NOW).await, None);
        runs::finish(&store, &first.lease, &RunEnd::Done, NOW).await.unwrap();
        assert!(claim(&store, "other", NOW).await.is_some());
    }

    async fn of_many_workers_one_claims_a_run(store: Store) {
        let application = add_connected(&store).await;
        queue(&store, application.id, RunScope::Everyone).await;
        queue(&store, application.id, RunScope::Changed).await;
        let claims = (0..8).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                runs::claim(&store, &format!("worker {number}"), 30_000, NOW).await
            })
        });
        let mut won = 0;
        for claim in claims.collect::<Vec<_>>() {
            won += usize::from(claim.await.unwrap().unwrap().is_some());
        }
        assert_eq!(won, 1);
    }

    async fn a_silent_worker_is_replaced_and_can_write_no_more(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let first = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &first.lease, None).await;
        mark_sent(&store, &first.lease, &[1], NOW).await.unwrap();
        assert_eq!(claim(&store, "other", NOW.plus_millis(29_000)).await, None);
        let later = NOW.plus_millis(31_000);
        let second = claim(&store, "other", later).await.unwrap();
        assert!(second.taken_over);
        assert_eq!(second.run.state, RunState::Applying);
        let late = record(&store, &first.lease, &[applied(1, Vec::new())], later).await;
        assert!(matches!(late, Err(Error::LeaseLost)));
        let beat = runs::lease::heartbeat(&store, &first.lease, later).await;
        assert!(matches!(beat, Err(Error::LeaseLost)));
        let mut db = store.read().await.unwrap();
        let id = second.run.id;
        let unknown = runs::actions::list_next(&mut db, id, ActionState::Sent, 0, 10).await.unwrap();
        assert_eq!(unknown.len(), 1);
    }

    async fn the_run_of_a_worker_known_to_be_dead_is_free_at_once(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let first = start(&store, application.id, RunScope::Everyone).await;
        let somebody = ["somebody".to_owned()];
        runs::lease::end_leases(&store, &somebody).await.unwrap();
        assert_eq!(claim(&store, "other", NOW).await, None);
        let dead = [first.lease.holder.clone()];
        runs::lease::end_leases(&store, &dead).await.unwrap();
        assert!(claim(&store, "other", NOW).await.unwrap().taken_over);
    }

    async fn a_clock_that_was_set_back_keeps_no_run_for_ever(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let first = start(&store, application.id, RunScope::Everyone).await;
        assert_eq!(claim(&store, "other", NOW.plus_millis(-60_000)).await, None);
        let yesterday = NOW.plus_days(-1);
        let second = claim(&store, "other", yesterday).await.unwrap();
        assert_eq!((second.run.id, second.taken_over), (first.run.id, true));
    }

    async fn what_was_never_answered_is_asked_again(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let lease = &run.lease;
        make_plan(&store, &application, lease, None).await;
        mark_sent(&store, lease, &[1, 2], NOW).await.unwrap();
        let lost = Recorded { effects: vec![Effect::Unanswered], ..failed(1) };
        record(&store, lease, &[lost], NOW).await.unwrap();
        // The second has no outcome at all when the run ends.
        runs::finish(&store, lease, &RunEnd::Cancelled, NOW).await.unwrap();
        let asked = async |store: &Store| {
            let mut db = store.read().await.unwrap();
            let users = [user(1), user(2), user(3)];
            unanswered::of_users(&mut db, application.id, &users).await.unwrap()
        };
        let open = asked(&store).await;
        assert_eq!(open.keys().copied().collect::<Vec<_>>(), [user(1), user(2)]);
        assert_eq!(open[&user(1)], [Action::BlockSignIn]);
        let next = start(&store, application.id, RunScope::Changed).await;
        unanswered::settle(&store, &next.lease, &[user(1)], &[], NOW).await.unwrap();
        assert_eq!(asked(&store).await.into_keys().collect::<Vec<_>>(), [user(2)]);
    }

    async fn a_plan_that_was_cut_short_is_made_anew(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let first = start(&store, application.id, RunScope::Everyone).await;
        let users = [planned(&inputs(&store, &application).await[0], vec![Action::Enable])];
        runs::plan::write(&store, &first.lease, &users, NOW).await.unwrap();
        let second = claim(&store, "other", NOW.plus_millis(31_000)).await.unwrap();
        assert_eq!(second.run.state, RunState::Planning);
        assert_eq!(find(&store, second.run.id).await.tally.actions, 0);
        runs::plan::write(&store, &second.lease, &users, NOW).await.unwrap();
        assert_eq!(find(&store, second.run.id).await.tally.actions, 1);
    }

    async fn a_plan_is_applied_and_its_users_are_settled(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let lease = &run.lease;
        make_plan(&store, &application, lease, None).await;
        runs::plan::begin_apply(&store, lease, NOW).await.unwrap();
        mark_sent(&store, lease, &[1, 2], NOW).await.unwrap();
        let seen = account(7, "ada");
        let effects = vec![
            Effect::Linked {
                user_id: user(1),
                object_id: seen.object_id.clone(),
                method: LinkMethod::Created,
            },
            Effect::Owned {
                object_id: seen.object_id.clone(),
                owned: Owned {
                    kind: OwnedKind::Account,
                    key: String::new(),
                    value: String::new(),
                },
            },
            Effect::Observed(Box::new(seen.clone())),
        ];
        record(&store, lease, &[applied(1, effects), failed(2)], NOW).await.unwrap();
        // A repeated answer changes nothing.
        record(&store, lease, &[failed(1)], NOW).await.unwrap();
        let over = runs::finish(&store, lease, &RunEnd::Done, NOW).await.unwrap();
        assert_eq!(over.state, RunState::CompletedWithFailures);
        assert_eq!((over.tally.applied, over.tally.failed), (1, 1));
        let after = inputs(&store, &application).await;
        assert_eq!(after[0].provisioning.state, ProvisioningState::InSync);
        assert_eq!(after[0].account.as_ref().unwrap().observation, seen);
        assert_eq!(after[0].owned.len(), 1);
        assert_eq!(after[1].provisioning.state, ProvisioningState::Failed);
        assert_eq!(after[1].provisioning.attempts, 1);
        assert_eq!(after[1].provisioning.due_at, Some(NOW.plus_millis(5 * 60_000)));
        assert_eq!(dirty(&store, application.id).await, []);
    }

    async fn a_change_during_the_run_is_not_lost(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &run.lease, None).await;
        let mut tx = store.write().await.unwrap();
        provisioning::touch_users(&mut tx, &[user(1)]).await.unwrap();
        tx.commit().await.unwrap();
        record(&store, &run.lease, &[applied(1, Vec::new())], NOW).await.unwrap();
        runs::finish(&store, &run.lease, &RunEnd::Done, NOW).await.unwrap();
        assert_eq!(dirty(&store, application.id).await, [user(1)]);
    }

    async fn an_account_belongs_to_one_user(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &run.lease, None).await;
        let link = |number| Effect::Linked {
            user_id: user(number),
            object_id: account(7, "ada").object_id,
            method: LinkMethod::Created,
        };
        let first = [applied(1, vec![link(1)])];
        record(&store, &run.lease, &first, NOW).await.unwrap();
        let refusal = record(&store, &run.lease, &[applied(2, vec![link(2)])], NOW).await;
        assert!(refusal.unwrap_err().is_conflict(crate::Constraint::LinkedAccount));
        let second = inputs(&store, &application).await.remove(1);
        assert_eq!(second.link, None);
    }

    async fn a_run_that_is_taken_over_keeps_what_its_outcomes_noted(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let first = start(&store, application.id, RunScope::Everyone).await;
        let seen = account(1, "ada");
        let page = std::slice::from_ref(&seen);
        crate::accounts::store_observations(&store, &first.lease, None, page, NOW).await.unwrap();
        let line = |value: &str| Owned {
            kind: OwnedKind::Attribute,
            key: String::new(),
            value: value.to_owned(),
        };
        let input = &inputs(&store, &application).await[0];
        let mut plan = planned(input, vec![Action::Enable, Action::BlockSignIn]);
        plan.plan.object_id = Some(seen.object_id.clone());
        plan.plan.link = Some(LinkMethod::UserPrincipalName);
        plan.plan.owned = vec![line("as planned")];
        runs::plan::write(&store, &first.lease, &[plan], NOW).await.unwrap();
        runs::plan::finish(&store, &first.lease, "hash", None, NOW).await.unwrap();
        runs::plan::begin_apply(&store, &first.lease, NOW).await.unwrap();
        mark_sent(&store, &first.lease, &[1], NOW).await.unwrap();
        let noted = Effect::Owned {
            object_id: seen.object_id.clone(),
            owned: line("as it turned out"),
        };
        record(&store, &first.lease, &[applied(1, vec![noted])], NOW).await.unwrap();
        let later = NOW.plus_millis(31_000);
        let second = claim(&store, "other", later).await.unwrap();
        runs::plan::begin_apply(&store, &second.lease, later).await.unwrap();
        let input = &inputs(&store, &application).await[0];
        assert_eq!(input.owned, [line("as it turned out")]);
    }

    async fn a_link_that_was_found_is_recorded_when_the_plan_is_applied(store: Store) {
        let (application, _) = synced(&store).await;
        let input = inputs(&store, &application).await.remove(0);
        let object_id = account(1, "ada").object_id;
        let method = LinkMethod::UserPrincipalName;
        assert_eq!(input.link, Some(Link { object_id, method, linked_at: NOW }));
        assert_eq!(input.owned[0].kind, OwnedKind::Attribute);
        assert_eq!(input.provisioning.state, ProvisioningState::InSync);
        assert_eq!(dirty(&store, application.id).await, []);
    }

    async fn of_two_users_planned_for_one_account_the_second_is_left_alone(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let plans: Vec<_> = inputs(&store, &application)
            .await
            .iter()
            .map(|input| {
                let mut user = planned(input, vec![Action::Enable]);
                user.plan.object_id = Some(account(1, "ada").object_id);
                user.plan.link = Some(LinkMethod::Mail);
                user
            })
            .collect();
        runs::plan::write(&store, &run.lease, &plans, NOW).await.unwrap();
        runs::plan::finish(&store, &run.lease, "hash", None, NOW).await.unwrap();
        runs::plan::begin_apply(&store, &run.lease, NOW).await.unwrap();
        let mut db = store.read().await.unwrap();
        let open = ActionState::Planned;
        let left = runs::actions::list_next(&mut db, run.run.id, open, 0, 9).await.unwrap();
        drop(db);
        assert_eq!(left.iter().map(|action| action.user_id).collect::<Vec<_>>(), [user(1)]);
        record(&store, &run.lease, &[applied(1, Vec::new())], NOW).await.unwrap();
        let over = runs::finish(&store, &run.lease, &RunEnd::Done, NOW).await.unwrap();
        assert_eq!((over.tally.applied, over.tally.skipped), (1, 1));
        assert_eq!(dirty(&store, application.id).await, [user(2)]);
    }

    async fn changes_from_many_sides_at_once_are_all_counted(store: Store) {
        add_users(&store, 1, &["Ada", "Bob", "Carol", "Dave", "Eve", "Frank"]).await;
        let application = add_connected(&store).await;
        let before = inputs(&store, &application).await[0].provisioning.revision;
        let tasks: Vec<_> = (0..12u128)
            .map(|task| {
                let (store, id) = (store.clone(), application.id);
                tokio::spawn(async move {
                    let mut users: Vec<_> = (1..=6).map(user).collect();
                    if task % 2 == 0 {
                        users.reverse();
                    }
                    for _ in 0..10 {
                        let mut tx = store.write().await.unwrap();
                        if task % 3 == 0 {
                            provisioning::bump(&mut tx, id, &users).await.unwrap();
                        } else {
                            provisioning::touch_users(&mut tx, &users).await.unwrap();
                        }
                        tx.commit().await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let after = inputs(&store, &application).await;
        assert!(after.iter().all(|input| input.provisioning.revision == before + 120));
    }

    async fn only_the_plan_that_was_shown_is_applied_and_only_once(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let waits = Some(WaitsFor::Limit { removals: 9, earlier: 0, allowed: 5 });
        let waiting = make_plan(&store, &application, &run.lease, waits.clone()).await;
        assert_eq!(waiting.state, RunState::AwaitingApproval);
        assert_eq!(waiting.waits_for, waits);
        assert_eq!(approve_run(&store, run.run.id, "other").await, Approval::OtherPlan);
        assert_eq!(approve_run(&store, run.run.id, "hash").await, Approval::Approved);
        let again = approve_run(&store, run.run.id, "hash").await;
        assert_eq!(again, Approval::NotWaiting(RunState::Queued));
        let applying = claim(&store, "worker", NOW).await.unwrap();
        assert_eq!(applying.run.state, RunState::Applying);
        assert_eq!(applying.run.approved_by.as_deref(), Some("Alice"));
        assert_eq!(applying.run.tally.actions, 1);
    }

    async fn a_plan_made_from_older_data_is_refused(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &run.lease, Some(WaitsFor::Preview)).await;
        let mut tx = store.write().await.unwrap();
        provisioning::touch_users(&mut tx, &[user(1)]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(approve_run(&store, run.run.id, "hash").await, Approval::Stale);
    }

    async fn an_approved_plan_that_grew_old_is_planned_again(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &run.lease, Some(WaitsFor::Preview)).await;
        assert_eq!(approve_run(&store, run.run.id, "hash").await, Approval::Approved);
        let mut tx = store.write().await.unwrap();
        provisioning::touch_application(&mut tx, application.id).await.unwrap();
        tx.commit().await.unwrap();
        let again = claim(&store, "worker", NOW).await.unwrap();
        assert_eq!(again.run.state, RunState::Planning);
        assert_eq!(again.run.approved_by, None);
        assert_eq!(find(&store, again.run.id).await.tally.actions, 0);
    }

    async fn nobody_of_an_approved_plan_that_grew_old_is_forgotten(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Changed).await;
        let waits = Some(WaitsFor::Choices { users: 1 });
        make_plan(&store, &application, &run.lease, waits).await;
        assert_eq!(dirty(&store, application.id).await, []);
        assert_eq!(approve_run(&store, run.run.id, "hash").await, Approval::Approved);
        let mut tx = store.write().await.unwrap();
        provisioning::touch_users(&mut tx, &[user(1)]).await.unwrap();
        tx.commit().await.unwrap();
        let again = claim(&store, "worker", NOW).await.unwrap();
        assert_eq!(again.run.state, RunState::Planning);
        assert_eq!(dirty(&store, application.id).await, [user(1), user(2)]);
    }

    async fn nothing_starts_by_itself_before_the_first_sync(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        assert_eq!(dirty(&store, application.id).await, [user(1)]);
        assert_eq!(due(&store, NOW).await, []);
    }

    async fn a_change_queues_one_run_after_the_first_sync(store: Store) {
        let (application, _) = synced(&store).await;
        assert_eq!(due(&store, NOW).await, []);
        let mut tx = store.write().await.unwrap();
        users::disable(&mut tx, &[user(1)], &alice(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        let queued = due(&store, NOW).await;
        assert_eq!(queued.len(), 1);
        assert_eq!(queued[0].scope, RunScope::Changed);
        assert_eq!(due(&store, NOW).await, []);
        let changed = list_inputs(&store, &application, RunScope::Changed).await;
        assert_eq!(changed.len(), 1);
        assert!(!changed[0].user.enabled);
    }

    async fn a_change_of_settings_waits_until_somebody_asks(store: Store) {
        let (application, _) = synced(&store).await;
        let touch_settings = async || {
            let mut tx = store.write().await.unwrap();
            provisioning::touch_application(&mut tx, application.id).await.unwrap();
            tx.commit().await.unwrap();
        };
        touch_settings().await;
        assert_eq!(due(&store, NOW).await, [], "nothing starts by itself");
        let mut tx = store.write().await.unwrap();
        let waiting = provisioning::count_quiet(&mut tx, application.id).await.unwrap();
        assert_eq!(waiting, 1);
        provisioning::touch_users(&mut tx, &[user(1)]).await.unwrap();
        tx.commit().await.unwrap();
        // A later change of settings does not put to sleep what woke up before it.
        touch_settings().await;
        assert_eq!(due(&store, NOW).await.len(), 1, "a change of the user does");
    }

    async fn a_connection_that_does_not_work_starts_nothing_before_its_time(store: Store) {
        let (application, _) = synced(&store).await;
        let mut tx = store.write().await.unwrap();
        provisioning::touch_users(&mut tx, &[user(1)]).await.unwrap();
        let later = NOW.plus_millis(60_000);
        let state = ConnectionState::WithProblems;
        crate::connections::count_failure(&mut tx, application.id, state, later).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(due(&store, NOW).await, []);
        assert_eq!(due(&store, later).await.len(), 1);
    }

    async fn what_small_runs_took_unasked_adds_up_until_somebody_is_asked(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        let application = add_connected(&store).await;
        let first = start(&store, application.id, RunScope::Changed).await;
        make_plan(&store, &application, &first.lease, None).await;
        let done = [applied(1, Vec::new()), applied(2, Vec::new())];
        record(&store, &first.lease, &done, NOW).await.unwrap();
        runs::finish(&store, &first.lease, &RunEnd::Done, NOW).await.unwrap();
        let second = start(&store, application.id, RunScope::Changed).await;
        let lately = async |run: &Run, now| {
            let mut db = store.read().await.unwrap();
            runs::removals::count_unasked(&mut db, run, now).await.unwrap()
        };
        assert_eq!(lately(&second.run, NOW).await, 2);
        assert_eq!(lately(&second.run, NOW.plus_days(1)).await, 0);
        let waits = Some(WaitsFor::Limit { removals: 2, earlier: 2, allowed: 3 });
        make_plan(&store, &application, &second.lease, waits).await;
        let third = start(&store, application.id, RunScope::Changed).await;
        assert_eq!(lately(&third.run, NOW.plus_days(1)).await, 2, "those that wait count");
        let everyone = Run { scope: RunScope::Everyone, ..third.run.clone() };
        assert_eq!(lately(&everyone, NOW.plus_days(1)).await, 0, "it replaces the one that waits");
        assert_eq!(approve_run(&store, second.run.id, "hash").await, Approval::Approved);
        assert_eq!(lately(&third.run, NOW).await, 0);
    }

    async fn a_quiet_application_is_looked_at_every_hour_and_in_full_every_day(store: Store) {
        let (application, _) = synced(&store).await;
        let hour = NOW.plus_millis(HOUR_MS);
        assert_eq!(due(&store, hour.plus_millis(-1)).await, []);
        let queued = due(&store, hour).await;
        assert_eq!(queued.len(), 1);
        assert_eq!((queued[0].trigger, queued[0].scope), (Trigger::Schedule, RunScope::Changed));
        assert_eq!(due(&store, hour).await, []);
        let run = claim(&store, "worker", hour).await.unwrap();
        runs::finish(&store, &run.lease, &RunEnd::Done, hour).await.unwrap();
        assert_eq!(due(&store, hour).await, []);
        let queued = due(&store, NOW.plus_days(1)).await;
        assert_eq!(queued[0].scope, RunScope::Everyone);
        let run = claim(&store, "worker", NOW.plus_days(1)).await.unwrap();
        assert_eq!(run.run.application_id, application.id);
        runs::finish(&store, &run.lease, &RunEnd::Done, NOW.plus_days(1)).await.unwrap();
        assert_eq!(due(&store, NOW.plus_days(1)).await, []);
    }

    async fn a_preview_that_is_cancelled_leaves_what_changed_to_be_synced(store: Store) {
        let (application, _) = synced(&store).await;
        let preview = runs::NewRun {
            application_id: application.id,
            trigger: Trigger::Operator,
            scope: RunScope::Everyone,
            mode: RunMode::Preview,
            only_user: None,
            request: None,
        };
        let mut tx = store.write().await.unwrap();
        provisioning::touch_users(&mut tx, &[user(1)]).await.unwrap();
        runs::queue(&mut tx, &random(), &preview, &alice(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        let run = claim(&store, "worker", NOW).await.unwrap();
        let input = &inputs(&store, &application).await[0];
        let plan = planned(input, vec![Action::BlockSignIn]);
        runs::plan::write(&store, &run.lease, &[plan], NOW).await.unwrap();
        runs::finish(&store, &run.lease, &RunEnd::Cancelled, NOW).await.unwrap();
        assert_eq!(dirty(&store, application.id).await, [user(1)]);
    }

    async fn a_plan_that_waits_does_not_start_again_by_itself(store: Store) {
        let (application, _) = synced(&store).await;
        let mut tx = store.write().await.unwrap();
        provisioning::touch_users(&mut tx, &[user(1)]).await.unwrap();
        tx.commit().await.unwrap();
        let run = start(&store, application.id, RunScope::Changed).await;
        let waits = Some(WaitsFor::Limit { removals: 9, earlier: 0, allowed: 5 });
        make_plan(&store, &application, &run.lease, waits).await;
        assert_eq!(dirty(&store, application.id).await, []);
        assert_eq!(due(&store, NOW).await, []);
        assert_eq!(approve_run(&store, run.run.id, "hash").await, Approval::Approved);
    }

    async fn discarding_ends_a_plan_for_both_operators(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &run.lease, Some(WaitsFor::Preview)).await;
        let mut tx = store.write().await.unwrap();
        let id = run.run.id;
        assert_eq!(discard(&mut tx, id, &alice(), NOW).await.unwrap(), RunState::Cancelled);
        assert_eq!(discard(&mut tx, id, &alice(), NOW).await.unwrap(), RunState::Cancelled);
        tx.commit().await.unwrap();
        let refused = approve_run(&store, id, "hash").await;
        assert_eq!(refused, Approval::NotWaiting(RunState::Cancelled));
    }

    async fn a_cancelled_run_stops_at_the_next_action_and_can_be_resumed(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &run.lease, None).await;
        let mut tx = store.write().await.unwrap();
        let state = cancel(&mut tx, run.run.id, &alice(), NOW).await.unwrap();
        assert_eq!(state, RunState::Applying);
        tx.commit().await.unwrap();
        let held = record(&store, &run.lease, &[applied(1, Vec::new())], NOW).await.unwrap();
        assert!(held.cancel_requested);
        let over = runs::finish(&store, &run.lease, &RunEnd::Cancelled, NOW).await.unwrap();
        assert_eq!((over.state, over.tally.skipped), (RunState::Cancelled, 1));
        assert_eq!(dirty(&store, application.id).await, []);
        let mut tx = store.write().await.unwrap();
        let queued = retry(&mut tx, &random(), over.id, &alice(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert!(queued.is_some());
        assert_eq!(dirty(&store, application.id).await, [user(2)]);
    }

    async fn a_failed_user_is_tried_again_at_once_when_asked(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &run.lease, None).await;
        record(&store, &run.lease, &[failed(1)], NOW).await.unwrap();
        runs::finish(&store, &run.lease, &RunEnd::Done, NOW).await.unwrap();
        assert_eq!(state_of(&store, &application).await, ProvisioningState::Failed);
        assert_eq!(dirty(&store, application.id).await, []);
        let mut tx = store.write().await.unwrap();
        let queued = retry(&mut tx, &random(), run.run.id, &alice(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert!(matches!(queued, Some(Queued::Created(_))));
        assert_eq!(dirty(&store, application.id).await, [user(1)]);
    }

    async fn a_failed_user_is_due_again_by_itself(store: Store) {
        let (application, _) = synced(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &run.lease, None).await;
        record(&store, &run.lease, &[failed(1)], NOW).await.unwrap();
        runs::finish(&store, &run.lease, &RunEnd::Done, NOW).await.unwrap();
        assert_eq!(due(&store, NOW).await, []);
        assert_eq!(due(&store, NOW.plus_millis(5 * 60_000)).await.len(), 1);
    }

    async fn what_makes_the_rest_pointless_leaves_users_to_be_planned_again(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &run.lease, None).await;
        let failure = RunFailure {
            text: "Microsoft does not accept the secret.".to_owned(),
            code: None,
            request_id: None,
        };
        let end = RunEnd::Failed(failure.clone());
        let over = runs::finish(&store, &run.lease, &end, NOW).await.unwrap();
        assert_eq!((over.state, over.failure), (RunState::Failed, Some(failure)));
        assert_eq!(dirty(&store, application.id).await, [user(1)]);
    }

    async fn who_has_not_finished_leaving_outlives_the_recycle_bin(store: Store) {
        let (application, _) = synced(&store).await;
        let mut tx = store.write().await.unwrap();
        users::delete(&mut tx, &[user(1)], &alice(), NOW).await.unwrap();
        let later = NOW.plus_days(40);
        assert_eq!(users::purge(&mut tx, &alice(), later).await.unwrap(), 0);
        sqlx::query("update provisioning set state = 'left'").execute(&mut *tx).await.unwrap();
        assert_eq!(users::purge(&mut tx, &alice(), later).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(inputs(&store, &application).await, []);
        let mut db = store.read().await.unwrap();
        assert_eq!(crate::accounts::count_linked(&mut db, application.id).await.unwrap(), 0);
    }

    async fn before_a_removal_the_account_is_kept_as_it_was(store: Store) {
        let (application, _) = synced(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &run.lease, None).await;
        mark_sent(&store, &run.lease, &[1], NOW).await.unwrap();
        let blocked = Observation {
            enabled: false,
            ..account(1, "ada")
        };
        let effects = vec![Effect::Observed(Box::new(blocked))];
        record(&store, &run.lease, &[applied(1, effects)], NOW).await.unwrap();
        let mut db = store.read().await.unwrap();
        let kept = snapshots::list(&mut db, application.id, user(1), 5).await.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].observation, account(1, "ada"));
        assert_eq!(kept[0].owned.len(), 1);
    }

    async fn problems_are_listed_first_and_filtered(store: Store) {
        add_users(&store, 1, &["Ada", "Bob", "Carol"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        make_plan(&store, &application, &run.lease, None).await;
        let skipped = Recorded {
            sequence: 3,
            outcome: Outcome::Skipped { because: SkipReason::AlreadyDone },
            effects: Vec::new(),
        };
        let outcomes = [applied(1, Vec::new()), failed(2), skipped];
        record(&store, &run.lease, &outcomes, NOW).await.unwrap();
        let mut db = store.read().await.unwrap();
        let id = run.run.id;
        let mut filter = ActionFilter::default();
        let first = runs::actions::list(&mut db, id, &filter, &PageRequest::first(2)).await.unwrap();
        let sequences = |page: &crate::Page<runs::actions::StoredAction>| {
            page.items.iter().map(|action| action.sequence).collect::<Vec<_>>()
        };
        assert_eq!(sequences(&first), [2, 3]);
        assert_eq!(first.items[0].display_name, "Bob");
        let rest = PageRequest::at(2, first.next.unwrap());
        let rest = runs::actions::list(&mut db, id, &filter, &rest).await.unwrap();
        assert_eq!(sequences(&rest), [1]);
        filter.state = Some(ActionState::Applied);
        filter.search = "ADA".to_owned();
        let found = runs::actions::list(&mut db, id, &filter, &PageRequest::first(9)).await.unwrap();
        assert_eq!(sequences(&found), [1]);
        let counts = runs::actions::count(&mut db, id).await.unwrap();
        assert!(counts.contains(&(ActionKind::BlockSignIn, ActionState::Failed, 1)));
    }

    async fn blocked_users_are_listed_those_with_a_choice_first(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let mut plans: Vec<_> = inputs(&store, &application)
            .await
            .iter()
            .map(|input| planned(input, Vec::new()))
            .collect();
        plans[0].plan.blockers = vec![Blocker::CreationSwitchedOff];
        plans[1].plan.blockers = vec![Blocker::AmbiguousMatch { candidates: Vec::new() }];
        for plan in &mut plans {
            plan.plan.disposition = signpost_model::plan::Disposition::Blocked;
        }
        runs::plan::write(&store, &run.lease, &plans, NOW).await.unwrap();
        let mut db = store.read().await.unwrap();
        let request = PageRequest::first(1);
        let page = runs::actions::list_blocked(&mut db, run.run.id, &request).await.unwrap();
        assert_eq!(page.items[0].display_name, "Bob");
        let request = PageRequest::at(1, page.next.unwrap());
        let page = runs::actions::list_blocked(&mut db, run.run.id, &request).await.unwrap();
        assert_eq!(page.items[0].display_name, "Ada");
        assert!(page.next.is_none());
        drop(db);
        assert_eq!(state_of(&store, &application).await, ProvisioningState::Blocked);
        assert_eq!(dirty(&store, application.id).await, []);
        assert_eq!(find(&store, run.run.id).await.tally.blocked, 2);
    }

    async fn runs_are_listed_newest_first(store: Store) {
        let application = add_connected(&store).await;
        for scope in [RunScope::Everyone, RunScope::Changed] {
            let run = start(&store, application.id, scope).await;
            runs::finish(&store, &run.lease, &RunEnd::Done, NOW).await.unwrap();
        }
        let mut db = store.read().await.unwrap();
        let page = runs::list(&mut db, Some(application.id), &PageRequest::first(1)).await.unwrap();
        let next = PageRequest::at(1, page.next.unwrap());
        let next = runs::list(&mut db, None, &next).await.unwrap();
        assert!(page.items[0].id > next.items[0].id);
        assert!(next.next.is_none());
        let other = ApplicationId::from_number(9);
        let none = runs::list(&mut db, Some(other), &PageRequest::first(1)).await.unwrap();
        assert!(none.items.is_empty());
        let last = runs::find_last_finished(&mut db, application.id, RunScope::Changed);
        assert!(last.await.unwrap().is_some());
    }
}
