//! The rules of what operators steer: restoring, holding, the schedule, drift, who waits.

use std::collections::BTreeMap;

use signpost_model::plan::{Action, Blocker, Drift, TargetAttribute};
use signpost_model::policy::DriftRule;
use signpost_model::provisioning::{DriftChoice, LastOutcome};
use signpost_model::run::{Outcome, RunFailure, RunMode, RunScope, Trigger};
use signpost_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use signpost_model::{Application, ConnectionState, Observation, Policy, ProvisioningState};

use crate::fixtures::{
    NOW, account, add_connected, add_users, alice, dirty, inputs, planned, random, settle_all,
    start, user,
};
use crate::following::Unlinked;
use crate::runs::outcomes::{Effect, Recorded};
use crate::runs::{self, NewRun, RunEnd};
use crate::schedule::{self, AlertKind};
use crate::{
    PageRequest, accounts, both_engines, connections, drifts, following, policies, provisioning,
    snapshots, users, wishes,
};

/// Ada, linked with account 1 by an earlier run.
async fn with_ada(store: &Store) -> Application {
    add_users(store, 1, &["Ada"]).await;
    let application = add_connected(store).await;
    link(store, &application).await;
    application
}

async fn link(store: &Store, application: &Application) {
    let run = start(store, application.id, RunScope::Everyone).await;
    let seen = account(1, "ada");
    let ada = inputs(store, application).await.remove(0);
    let users = [planned(&ada, vec![Action::Enable])];
    runs::plan::write(store, &run.lease, &users, NOW)
        .await
        .unwrap();
    runs::plan::finish(store, &run.lease, "hash", None, NOW)
        .await
        .unwrap();
    runs::plan::begin_apply(store, &run.lease, NOW)
        .await
        .unwrap();
    let recorded = Recorded {
        sequence: 1,
        outcome: Outcome::Applied { request_id: None },
        effects: vec![
            Effect::Linked {
                user_id: user(1),
                object_id: seen.object_id.clone(),
                method: signpost_model::plan::LinkMethod::Created,
            },
            Effect::Observed(Box::new(seen)),
        ],
    };
    runs::outcomes::record(store, &run.lease, &[recorded], NOW)
        .await
        .unwrap();
    runs::finish(store, &run.lease, &RunEnd::Done, NOW)
        .await
        .unwrap();
}

/// A run that blocks Ada, and so keeps a snapshot; returns its id.
async fn block(store: &Store, application: &Application) -> signpost_model::RunId {
    let run = start(store, application.id, RunScope::Everyone).await;
    let ada = inputs(store, application).await.remove(0);
    let users = [planned(&ada, vec![Action::BlockSignIn])];
    runs::plan::write(store, &run.lease, &users, NOW)
        .await
        .unwrap();
    runs::plan::finish(store, &run.lease, "hash", None, NOW)
        .await
        .unwrap();
    runs::plan::begin_apply(store, &run.lease, NOW)
        .await
        .unwrap();
    runs::outcomes::mark_sent(store, &run.lease, &[1], NOW)
        .await
        .unwrap();
    let blocked = Observation {
        enabled: false,
        ..account(1, "ada")
    };
    let recorded = Recorded {
        sequence: 1,
        outcome: Outcome::Applied { request_id: None },
        effects: vec![Effect::Observed(Box::new(blocked))],
    };
    runs::outcomes::record(store, &run.lease, &[recorded], NOW)
        .await
        .unwrap();
    runs::finish(store, &run.lease, &RunEnd::Done, NOW)
        .await
        .unwrap();
    run.run.id
}

use crate::Store;

both_engines! {
    async fn a_wish_carries_the_snapshot_and_is_over_when_a_plan_that_knew_it_is_done(store: Store) {
        let application = with_ada(&store).await;
        let run = block(&store, &application).await;
        let until = NOW.plus_days(30);
        let mut tx = store.write().await.unwrap();
        assert_eq!(snapshots::list(&mut tx, application.id, user(1), 5).await.unwrap().len(), 1);
        wishes::ask_restore(&mut tx, application.id, user(1), Some(run), until, &alice(), NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let ada = inputs(&store, &application).await.remove(0);
        let wish = ada.wishes.restore.clone().unwrap();
        assert!(wish.enabled, "the snapshot was taken before sign-in was blocked");
        assert_eq!(ada.wishes.held_until, Some(until));
        assert_eq!(dirty(&store, application.id).await, [user(1)]);
        // A plan made before the wish does not fulfil it.
        let settled = |revision| provisioning::Settled {
            user_id: user(1),
            revision,
            state: ProvisioningState::InSync,
            removed_at: None,
            last_outcome: None,
            attempts: 0,
            due_at: None,
            desired_name: None,
        };
        let revision = ada.provisioning.revision;
        for (settled_revision, is_left) in [(revision - 1, true), (revision, false)] {
            let mut tx = store.write().await.unwrap();
            let settled = [settled(settled_revision)];
            provisioning::settle(&mut tx, application.id, None, &settled, NOW).await.unwrap();
            tx.commit().await.unwrap();
            let ada = inputs(&store, &application).await.remove(0);
            assert_eq!(ada.wishes.restore.is_some(), is_left);
        }
    }

    async fn a_wish_ends_with_its_own_run_and_not_with_an_older_one(store: Store) {
        let application = with_ada(&store).await;
        let id = application.id;
        let run = block(&store, &application).await;
        let new = |only_user| NewRun {
            application_id: id,
            trigger: Trigger::Operator,
            scope: RunScope::Changed,
            mode: RunMode::Sync,
            only_user,
            request: None,
        };
        let mut tx = store.write().await.unwrap();
        let older = runs::queue(&mut tx, &random(), &new(None), &alice(), NOW).await.unwrap();
        let later = NOW.plus_millis(1);
        let until = NOW.plus_days(30);
        wishes::ask_restore(&mut tx, id, user(1), Some(run), until, &alice(), later).await.unwrap();
        let one = new(Some(user(1)));
        let own = runs::queue(&mut tx, &random(), &one, &alice(), later).await.unwrap();
        for (run, is_left) in [(older.run().id, true), (own.run().id, false)] {
            runs::approval::cancel(&mut tx, run, &alice(), later).await.unwrap();
            let left: i64 = sqlx::query_scalar("select count(*) from restorations")
                .fetch_one(&mut *tx)
                .await
                .unwrap();
            assert_eq!(left == 1, is_left);
        }
    }

    async fn who_is_switched_off_is_held_no_longer(store: Store) {
        let application = with_ada(&store).await;
        let held = async || inputs(&store, &application).await.remove(0).wishes.held_until;
        let mut tx = store.write().await.unwrap();
        let until = Some(NOW.plus_days(7));
        wishes::hold(&mut tx, application.id, user(1), until, &alice(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(held().await, until);
        let mut tx = store.write().await.unwrap();
        users::disable(&mut tx, &[user(1)], &alice(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(held().await, None);
    }

    async fn a_paused_application_starts_nothing_by_itself(store: Store) {
        let application = with_ada(&store).await;
        let mut tx = store.write().await.unwrap();
        let id = application.id;
        provisioning::look_again(&mut tx, id, &[user(1)], NOW).await.unwrap();
        schedule::pause(&mut tx, id, &alice(), NOW).await.unwrap();
        schedule::pause(&mut tx, id, &alice(), NOW).await.unwrap();
        let later = NOW.plus_millis(40 * DAY_MS);
        assert_eq!(runs::queue_due(&mut tx, &random(), later).await.unwrap(), []);
        let alerts = schedule::list_alerts(&mut tx).await.unwrap();
        assert_eq!(alerts[0].kind, AlertKind::Paused { by: "Alice".to_owned() });
        assert_eq!(schedule::find(&mut tx, id).await.unwrap().next_look(), None);
        schedule::resume(&mut tx, id, &alice(), NOW).await.unwrap();
        assert_eq!(runs::queue_due(&mut tx, &random(), later).await.unwrap().len(), 1);
        assert_eq!(schedule::list_alerts(&mut tx).await.unwrap(), []);
    }

    async fn looks_and_full_reads_keep_their_own_intervals(store: Store) {
        let application = with_ada(&store).await;
        settle_all(&store, &application).await;
        let id = application.id;
        let mut tx = store.write().await.unwrap();
        schedule::set(&mut tx, id, (10, 48), &alice(), NOW).await.unwrap();
        let found = schedule::find(&mut tx, id).await.unwrap();
        assert_eq!(found.next_look(), Some(NOW.plus_millis(10 * MINUTE_MS)));
        assert_eq!(found.next_full(), Some(NOW.plus_millis(48 * HOUR_MS)));
        let before = NOW.plus_millis(10 * MINUTE_MS - 1);
        assert_eq!(runs::queue_due(&mut tx, &random(), before).await.unwrap(), []);
        let due = NOW.plus_millis(10 * MINUTE_MS);
        let queued = runs::queue_due(&mut tx, &random(), due).await.unwrap();
        assert_eq!(queued[0].scope, RunScope::Changed);
        drop(tx);
        let mut tx = store.write().await.unwrap();
        schedule::set(&mut tx, id, (10, 48), &alice(), NOW).await.unwrap();
        let due = NOW.plus_millis(48 * HOUR_MS);
        let queued = runs::queue_due(&mut tx, &random(), due).await.unwrap();
        assert_eq!(queued[0].scope, RunScope::Everyone);
    }

    async fn a_connection_that_keeps_failing_says_why_until_it_works_or_is_tried_again(store: Store) {
        let application = with_ada(&store).await;
        let id = application.id;
        let failure = RunFailure {
            text: "Microsoft did not answer.".to_owned(),
            code: None,
            request_id: None,
        };
        for count in 1..=2 {
            let run = start(&store, id, RunScope::Everyone).await;
            let end = RunEnd::Failed(failure.clone());
            runs::finish(&store, &run.lease, &end, NOW).await.unwrap();
            let mut tx = store.write().await.unwrap();
            let (state, retry_at) = (ConnectionState::WithProblems, NOW.plus_millis(MINUTE_MS));
            connections::count_failure(&mut tx, id, state, retry_at).await.unwrap();
            let alerts = schedule::list_alerts(&mut tx).await.unwrap();
            assert_eq!(alerts.len(), count - 1, "one failure passes by itself");
            tx.commit().await.unwrap();
        }
        let mut tx = store.write().await.unwrap();
        let alerts = schedule::list_alerts(&mut tx).await.unwrap();
        let expected = AlertKind::Quarantined {
            failures: 2,
            retry_at: Some(NOW.plus_millis(MINUTE_MS)),
            why: failure.text,
        };
        assert_eq!(alerts[0].kind, expected);
        schedule::try_again(&mut tx, id, &alice(), NOW).await.unwrap();
        assert_eq!(schedule::list_alerts(&mut tx).await.unwrap(), []);
    }

    async fn a_run_of_which_most_failed_slows_the_connection_down_and_says_why(store: Store) {
        let application = with_ada(&store).await;
        let id = application.id;
        let run = start(&store, id, RunScope::Everyone).await;
        let run = runs::finish(&store, &run.lease, &RunEnd::Done, NOW).await.unwrap();
        let failure = RunFailure {
            text: "41 of 100 changes failed.".to_owned(),
            code: None,
            request_id: None,
        };
        let mut tx = store.write().await.unwrap();
        let retry_at = NOW.plus_millis(MINUTE_MS);
        connections::quarantine(&mut tx, &run, &failure, retry_at).await.unwrap();
        let alerts = schedule::list_alerts(&mut tx).await.unwrap();
        let expected = AlertKind::Quarantined {
            failures: 2,
            retry_at: Some(retry_at),
            why: failure.text,
        };
        assert_eq!(alerts[0].kind, expected);
        let next = schedule::find(&mut tx, id).await.unwrap();
        assert!(next.next_look().is_none_or(|at| at >= retry_at));
        connections::forget_failures(&mut tx, id).await.unwrap();
        assert_eq!(schedule::list_alerts(&mut tx).await.unwrap(), []);
    }

    async fn drift_waits_for_a_decision_and_the_planner_hears_of_it(store: Store) {
        let application = with_ada(&store).await;
        let id = application.id;
        let drifted = |tenant: &str| Drift {
            attribute: TargetAttribute::City,
            ours: "Porto".to_owned(),
            tenant: tenant.to_owned(),
            rule: DriftRule::Ask,
        };
        let note = async |drifts: Vec<Drift>| {
            let ada = inputs(&store, &application).await.remove(0);
            let mut plan = planned(&ada, Vec::new()).plan;
            plan.drifts = drifts;
            let mut tx = store.write().await.unwrap();
            crate::drifts::note(&mut tx, id, &[&plan], NOW).await.unwrap();
            tx.commit().await.unwrap();
        };
        let open = async || {
            let mut db = store.read().await.unwrap();
            drifts::count_open(&mut db, id).await.unwrap()
        };
        note(vec![drifted("Lisbon")]).await;
        assert_eq!(open().await, 1);
        note(Vec::new()).await;
        assert_eq!(open().await, 0, "what is as it was is over");
        note(vec![drifted("Lisbon")]).await;
        note(vec![drifted("Lisbon")]).await;
        assert_eq!(open().await, 1, "what is found twice waits once");
        let which = [(user(1), TargetAttribute::City)];
        let decide = async |choice| {
            let mut tx = store.write().await.unwrap();
            let decided = drifts::decide(&mut tx, id, &which, choice, &alice(), NOW).await.unwrap();
            tx.commit().await.unwrap();
            decided
        };
        assert_eq!(decide(Some(DriftChoice::Ignore)).await, 1);
        assert_eq!(decide(Some(DriftChoice::Accept)).await, 0, "a second click decides nothing");
        let ada = inputs(&store, &application).await.remove(0);
        let decision = &ada.wishes.drift[&TargetAttribute::City];
        assert_eq!((decision.choice, decision.tenant.as_str()), (DriftChoice::Ignore, "Lisbon"));
        note(Vec::new()).await;
        let mut db = store.read().await.unwrap();
        let request = PageRequest::first(10);
        let ignored = Some(DriftChoice::Ignore);
        let listed = drifts::list(&mut db, id, ignored, &request).await.unwrap();
        assert_eq!(listed.items.len(), 1, "to ignore holds whatever happens");
        drop(db);
        assert_eq!(decide(None).await, 1);
        assert!(inputs(&store, &application).await[0].wishes.drift.is_empty());
    }

    async fn who_waits_for_a_seat_keeps_their_place(store: Store) {
        let application = with_ada(&store).await;
        let id = application.id;
        let blockers = vec![Blocker::NoSeats {
            product: "Visio".to_owned(),
            sku_id: "visio".to_owned(),
        }];
        let settled = |blockers: Option<Vec<Blocker>>| provisioning::Settled {
            user_id: user(1),
            revision: 9,
            state: ProvisioningState::Pending,
            removed_at: None,
            last_outcome: blockers.map(LastOutcome::Blocked),
            attempts: 0,
            due_at: None,
            desired_name: None,
        };
        let mut tx = store.write().await.unwrap();
        for at in [NOW, NOW.plus_days(1)] {
            let waits = [settled(Some(blockers.clone()))];
            provisioning::settle(&mut tx, id, None, &waits, at).await.unwrap();
        }
        let waiting = following::list_waiting(&mut tx, id, 10).await.unwrap();
        assert_eq!((waiting[0].since, waiting[0].products.as_slice()), (NOW, &["Visio".to_owned()][..]));
        let counted = following::count_waiting(&mut tx, id).await.unwrap();
        assert_eq!(counted, BTreeMap::from([("visio".to_owned(), 1)]));
        provisioning::settle(&mut tx, id, None, &[settled(None)], NOW).await.unwrap();
        assert_eq!(following::list_waiting(&mut tx, id, 10).await.unwrap(), []);
    }

    async fn an_account_that_takes_somebodys_mail_has_them_looked_at_again(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        let application = add_connected(&store).await;
        let mut tx = store.write().await.unwrap();
        sqlx::query("update users set mail = 'Ada.Lovelace@contoso.example' where id = $1")
            .bind(user(1).to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        settle_all(&store, &application).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let taken = Observation {
            mail: Some("ada.lovelace@contoso.example".to_owned()),
            ..account(7, "someone")
        };
        accounts::store_observations(&store, &run.lease, None, &[taken], NOW).await.unwrap();
        assert_eq!(dirty(&store, application.id).await, [user(1)]);
        let mut db = store.read().await.unwrap();
        let request = PageRequest::first(10);
        for (which, expected) in [
            (Unlinked::Everyone, vec![user(1), user(2)]),
            (Unlinked::WithCandidates, vec![user(1)]),
        ] {
            let id = application.id;
            let found = following::list_unlinked(&mut db, id, which, &request).await.unwrap();
            assert_eq!(found.items, expected);
        }
    }

    async fn leavers_are_listed_with_what_is_left_of_their_account(store: Store) {
        let application = with_ada(&store).await;
        let mut tx = store.write().await.unwrap();
        let settled = provisioning::Settled {
            user_id: user(1),
            revision: 1,
            state: ProvisioningState::Leaving,
            removed_at: Some(NOW),
            last_outcome: None,
            attempts: 0,
            due_at: Some(NOW.plus_days(30)),
            desired_name: None,
        };
        provisioning::settle(&mut tx, application.id, None, &[settled], NOW).await.unwrap();
        let request = PageRequest::first(10);
        let leavers = following::list_leavers(&mut tx, application.id, &request).await.unwrap();
        assert_eq!(leavers.items[0].display_name, "Ada");
        assert_eq!(leavers.items[0].removed_at, NOW);
        assert!(leavers.items[0].account.as_ref().unwrap().enabled);
    }

    async fn deleting_counts_from_when_it_was_switched_on(store: Store) {
        let application = add_connected(&store).await;
        let id = application.id;
        let mut tx = store.write().await.unwrap();
        let on = Policy { delete_accounts: true, ..Policy::default() };
        policies::set_policy(&mut tx, id, &on, &alice(), NOW).await.unwrap();
        let again = Policy { days_before_deletion: 3, ..on };
        policies::set_policy(&mut tx, id, &again, &alice(), NOW.plus_days(5)).await.unwrap();
        let found = policies::find_policy(&mut tx, id).await.unwrap();
        assert_eq!(found.deletes_since, Some(NOW));
        policies::set_policy(&mut tx, id, &Policy::default(), &alice(), NOW).await.unwrap();
        let found = policies::find_policy(&mut tx, id).await.unwrap();
        assert_eq!(found.deletes_since, None);
    }

    async fn fallbacks_are_kept_in_their_order(store: Store) {
        let application = add_connected(&store).await;
        let wanted = BTreeMap::from([("e5".to_owned(), vec!["e3".to_owned(), "e1".to_owned()])]);
        let mut tx = store.write().await.unwrap();
        following::set_fallbacks(&mut tx, application.id, &wanted, &alice(), NOW).await.unwrap();
        let found = following::find_fallbacks(&mut tx, application.id).await.unwrap();
        assert_eq!(found, wanted);
    }
}
