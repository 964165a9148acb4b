//! What a tenant looks like after a run, and what it cost.

use serde_json::{Value, json};
use signpost_model::UserId;
use signpost_model::plan::{ActionKind, LinkMethod};

use crate::portal::{E3, Portal, user};

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn has_license(account: &Value) -> bool {
    let licenses = account["assignedLicenses"].as_array().unwrap();
    licenses.iter().any(|license| license["skuId"] == E3)
}

#[tokio::test]
async fn a_first_sync_costs_the_floor_and_the_next_one_next_to_nothing() {
    let portal = Portal::start().await;
    portal.add_workers(100);
    portal.plan().await;
    portal.practice.forget_calls().await;
    portal.apply().await.unwrap();
    assert_eq!(portal.problems(), []);
    let calls = portal.practice.calls().await;
    assert_eq!(number(&calls["writes"]), 200);
    assert_eq!(number(&calls["unchanged_writes"]), 0);
    // 100 creates and 100 licenses, twenty to a call.
    assert_eq!(number(&calls["total"]), 10);
    assert_eq!(portal.records().journal.largest_batch, 20);
    let account = portal.practice.account("worker.n007@contoso.example").await;
    assert!(has_license(&account.unwrap()));

    // What we wrote comes back as nothing new.
    let predicted = portal.records().accounts.clone();
    portal.practice.forget_calls().await;
    portal.observe().await;
    assert_eq!(number(&portal.practice.calls().await["total"]), 1);
    assert_eq!(portal.records().accounts, predicted);
    assert_eq!(portal.plan().await.summary.tally.actions, 0);
}

#[tokio::test]
async fn a_change_is_one_write_however_many_attributes_it_has() {
    let portal = Portal::start().await;
    portal.add_workers(3);
    portal.sync().await;
    portal.change(2, |person| {
        let profile = &mut person.user.profile;
        profile.user_name = "renamed.worker@contoso.example".to_owned();
        profile.city = "Porto".to_owned();
        profile.postal_code = "4000-001".to_owned();
        profile.state = "Norte".to_owned();
        profile.street_address = "Rua 1".to_owned();
        profile.business_phone = String::new();
    });
    portal.plan().await;
    portal.practice.forget_calls().await;
    portal.apply().await.unwrap();
    assert_eq!(number(&portal.practice.calls().await["writes"]), 1);
    let account = portal
        .practice
        .account("renamed.worker@contoso.example")
        .await;
    let account = account.unwrap();
    assert_eq!(account["city"], "Porto");
    assert_eq!(account["postalCode"], "4000-001");
    assert_eq!(account["businessPhones"], json!([]));
    let predicted = portal.records().accounts.clone();
    portal.observe().await;
    assert_eq!(portal.records().accounts, predicted);
}

#[tokio::test]
async fn accounts_that_are_there_already_are_adopted_and_kept() {
    let portal = Portal::start().await;
    portal.add(user(1, "Alice Martins"));
    portal.add(user(2, "Bob Keller"));
    let alice = portal
        .practice
        .account("alice.martins@contoso.example")
        .await;
    let plan = portal.sync().await;
    assert_eq!(portal.problems(), []);
    let methods: Vec<_> = plan.users.iter().map(|user| user.link).collect();
    assert_eq!(methods, [Some(LinkMethod::UserPrincipalName); 2]);
    let (before, after) = (
        alice.unwrap(),
        portal
            .practice
            .account("alice.martins@contoso.example")
            .await
            .unwrap(),
    );
    assert_eq!(
        after["onPremisesImmutableId"],
        "anchor00000000000000000000000001"
    );
    for property in [
        "id",
        "jobTitle",
        "department",
        "displayName",
        "assignedLicenses",
    ] {
        assert_eq!(before[property], after[property], "{property}");
    }
    assert_eq!(portal.plan().await.summary.tally.actions, 0);
    // Alice had her license before: leaving does not take it.
    portal.records().policy.remove_licenses = true;
    portal.change(1, |alice| alice.in_scope = false);
    portal.change(2, |bob| bob.in_scope = false);
    portal.sync().await;
    let alice = portal
        .practice
        .account("alice.martins@contoso.example")
        .await;
    assert!(has_license(&alice.unwrap()));
    let bob = portal.practice.account("bob.keller@contoso.example").await;
    assert!(!has_license(&bob.unwrap()));
}

#[tokio::test]
async fn leaving_and_coming_back_ends_where_it_began() {
    let portal = Portal::start().await;
    portal.add_workers(3);
    portal.sync().await;
    let before = portal.practice.digest().await;
    {
        let mut records = portal.records();
        records.policy.remove_licenses = true;
        records.policy.delete_accounts = true;
        records.policy.days_before_deletion = 1;
    }
    portal.change(1, |person| person.in_scope = false);
    portal.change(2, |person| person.user.enabled = false);
    portal.sync().await;
    assert_eq!(portal.problems(), []);
    let blocked = portal
        .practice
        .account("worker.n001@contoso.example")
        .await
        .unwrap();
    assert_eq!(blocked["accountEnabled"], false);
    assert!(!has_license(&blocked));
    let off = portal
        .practice
        .account("worker.n002@contoso.example")
        .await
        .unwrap();
    assert!(off["accountEnabled"] == false && has_license(&off));

    portal
        .practice
        .tell("clock", json!({"advance_ms": 86_400_000}))
        .await;
    portal.sync().await;
    assert_eq!(
        portal.outcomes(1),
        [(ActionKind::Delete, "applied".to_owned())]
    );
    assert!(
        portal
            .practice
            .account("worker.n001@contoso.example")
            .await
            .is_none()
    );
    let predicted = portal.records().accounts.clone();
    portal.observe().await;
    assert_eq!(portal.records().accounts, predicted);

    portal.change(1, |person| person.in_scope = true);
    portal.change(2, |person| person.user.enabled = true);
    portal.sync().await;
    assert_eq!(portal.problems(), []);
    assert_eq!(portal.practice.digest().await, before);
    assert_eq!(portal.plan().await.summary.tally.actions, 0);
}

#[tokio::test]
async fn managers_are_set_also_when_they_come_later_in_the_same_run() {
    let portal = Portal::start().await;
    portal.add_workers(40);
    for number in 1..40 {
        portal.change(number, |person| {
            person.user.profile.manager_id = Some(UserId::from_number(number + 1));
        });
    }
    portal.sync().await;
    assert_eq!(portal.problems(), []);
    let first = portal
        .practice
        .account("worker.n001@contoso.example")
        .await
        .unwrap();
    let second = portal
        .practice
        .account("worker.n002@contoso.example")
        .await
        .unwrap();
    assert_eq!(first["manager"], second["id"]);
    let predicted = portal.records().accounts.clone();
    portal.observe().await;
    assert_eq!(portal.records().accounts, predicted);
    assert_eq!(portal.plan().await.summary.tally.actions, 0);
}

#[tokio::test]
async fn cancelling_stops_at_the_next_action_and_the_next_run_does_the_rest() {
    let portal = Portal::start().await;
    portal.add_workers(100);
    portal.plan().await;
    portal.records().journal.cancelled_at = Some(4);
    assert_eq!(
        portal.apply().await.unwrap(),
        signpost_sync::apply::Ended::Cancelled
    );
    let problems = portal.problems();
    assert!(
        problems
            .iter()
            .all(|(_, _, word)| word == "skipped: Cancelled")
    );
    assert!(problems.len() > 100 && problems.len() < 200);
    portal.records().journal.cancelled_at = None;
    portal.sync().await;
    assert_eq!(portal.problems(), []);
    assert_eq!(portal.plan().await.summary.tally.actions, 0);
}
