//! The copy of the tenant stays true, whatever the delta does.

use serde_json::json;
use signpost_model::plan::TargetAttribute;

use crate::portal::{Portal, user};

#[tokio::test]
async fn what_others_change_in_the_tenant_arrives_with_the_delta() {
    let portal = Portal::start().await;
    assert!(portal.observe().await.full);
    let alice = "alice.martins@contoso.example";
    portal
        .practice
        .tell(
            "accounts",
            json!({"userPrincipalName": alice, "city": "Braga"}),
        )
        .await;
    portal
        .practice
        .remove("accounts/Bob.Keller@contoso.example")
        .await;
    portal
        .practice
        .remove("accounts/dave@contoso.example?purge=true")
        .await;
    portal.practice.forget_calls().await;
    let observed = portal.observe().await;
    assert!(!observed.full);
    assert_eq!(portal.practice.calls().await["total"], 1);
    let records = portal.records();
    let find = |name: &str| {
        let mut accounts = records.accounts.values();
        accounts.find(|seen| seen.user_principal_name.eq_ignore_ascii_case(name))
    };
    assert_eq!(find(alice).unwrap().values[&TargetAttribute::City], "Braga");
    assert!(find("bob.keller@contoso.example").unwrap().deleted);
    assert!(find("dave@contoso.example").is_none());
}

#[tokio::test]
async fn a_delta_that_repeats_reorders_and_pages_by_one_ends_as_a_full_read() {
    let portal = Portal::start().await;
    portal.observe().await;
    portal.add_workers(12);
    portal.add(user(50, "Alice Martins"));
    portal.sync().await;
    portal
        .practice
        .tell(
            "delta",
            json!({"page_size": 1, "repeat": true, "reverse": true, "empty_page": true}),
        )
        .await;
    for city in ["Braga", "Faro"] {
        for worker in 1..=12 {
            let name = format!("worker.n{worker:03}@contoso.example");
            let body = json!({"userPrincipalName": name, "city": city});
            portal.practice.tell("accounts", body).await;
        }
    }
    portal.observe().await;
    let by_delta = portal.records().accounts.clone();
    portal.records().delta_link = None;
    assert!(portal.observe().await.full);
    assert_eq!(portal.records().accounts, by_delta);
}

#[tokio::test]
async fn an_expired_delta_link_leads_to_a_full_read() {
    let portal = Portal::start().await;
    portal.observe().await;
    let before = portal.records().accounts.clone();
    portal.practice.tell("delta", json!({"expire": true})).await;
    assert!(portal.observe().await.full);
    assert_eq!(portal.records().accounts, before);
    assert!(!portal.observe().await.full);
}

#[tokio::test]
async fn a_delta_link_to_where_the_tenant_was_before_leads_to_a_full_read() {
    let portal = Portal::start().await;
    portal.observe().await;
    let before = portal.records().accounts.clone();
    let elsewhere = "http://127.0.0.1:9/v1.0/users/delta?$deltatoken=x";
    portal.records().delta_link = Some(elsewhere.to_owned());
    assert!(portal.observe().await.full);
    assert_eq!(portal.records().accounts, before);
    assert!(!portal.observe().await.full);
}

#[tokio::test]
async fn a_tenant_that_suddenly_looks_empty_is_not_believed() {
    let portal = Portal::start().await;
    portal.add_workers(60);
    portal.sync().await;
    let before = portal.records().accounts.clone();
    let link = std::mem::take(&mut portal.records().delta_link);
    portal
        .practice
        .fault(
            "GET /users",
            json!({"status": 200, "body": {"value": []}, "once": true}),
        )
        .await;
    let error = signpost_sync::observe::observe(&portal.client, &portal, None).await;
    assert!(error.unwrap_err().run_failure().is_some());
    assert_eq!(portal.records().accounts, before);
    portal.records().delta_link = link;
    assert_eq!(portal.plan().await.summary.tally.actions, 0);
}

#[tokio::test]
async fn a_next_link_to_another_host_is_not_followed_and_changes_nothing() {
    let portal = Portal::start().await;
    portal.add_workers(30);
    portal.sync().await;
    let before = portal.records().accounts.clone();
    let elsewhere = json!({"value": [], "@odata.nextLink": "https://graph.example/v1.0/users"});
    let fault = json!({"status": 200, "body": elsewhere, "once": true});
    portal.practice.fault("GET /users", fault.clone()).await;
    let read = signpost_sync::observe::observe(&portal.client, &portal, None).await;
    let failure = read.unwrap_err().run_failure().unwrap();
    assert!(failure.text.contains("graph.example"), "{}", failure.text);
    assert_eq!(portal.records().accounts, before);
    // Within a delta it is of no use, and everything is read instead.
    portal.practice.fault("GET /users/delta", fault).await;
    assert!(portal.observe().await.full);
    assert_eq!(portal.records().accounts, before);
    assert_eq!(portal.plan().await.summary.tally.actions, 0);
}
