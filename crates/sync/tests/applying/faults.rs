//! After any accident the same tenant: nothing lost, nothing doubled, nobody else blocked.

use serde_json::{Value, json};
use signpost_model::UserId;
use signpost_model::plan::ActionKind;
use signpost_model::run::FailureKind;
use signpost_sync::apply::Ended;

use crate::portal::{Portal, Stored};

const WORKERS: u128 = 30;

/// The tenant after an undisturbed run, and the ledger with it.
async fn undisturbed() -> Vec<String> {
    let portal = Portal::start().await;
    portal.add_workers(WORKERS);
    portal.sync().await;
    assert_eq!(portal.problems(), []);
    portal.state().await
}

/// Runs with a fault, and expects the same end within the same run.
async fn survives(route: &str, fault: Value) {
    let portal = Portal::start().await;
    portal.add_workers(WORKERS);
    portal.plan().await;
    portal.practice.fault(route, fault.clone()).await;
    assert_eq!(portal.apply().await.unwrap(), Ended::Done, "{fault}");
    assert_eq!(portal.problems(), [], "{fault}");
    assert_eq!(portal.state().await, undisturbed().await, "{fault}");
    let faults = portal.practice.ask("faults").await;
    assert!(
        faults["faults"][0]["happened"].as_i64().unwrap() > 0,
        "{fault}"
    );
    assert_eq!(portal.plan().await.summary.tally.actions, 0, "{fault}");
}

const CREATE: &str = "POST /users";
const UPDATE: &str = "PATCH /users/{id}";
const LICENSE: &str = "POST /users/{id}/assignLicense";
const BATCH: &str = "POST /$batch";

#[tokio::test]
async fn lost_answers_are_read_back_and_never_repeated() {
    for route in [CREATE, LICENSE] {
        survives(route, json!({"drop_after": true, "skip": 3, "once": true})).await;
        survives(route, json!({"missing": true, "skip": 3, "times": 2})).await;
        let late = json!({"status": 504, "code": "UnknownError", "message": "gateway", "after": true, "times": 3});
        survives(route, late).await;
        survives(route, json!({"garbage": true, "times": 2})).await;
    }
    survives(BATCH, json!({"drop_after": true, "times": 2})).await;
    survives(BATCH, json!({"garbage": true, "once": true})).await;
}

#[tokio::test]
async fn refusals_for_the_moment_are_tried_again() {
    for route in [CREATE, LICENSE] {
        survives(route, json!({"drop_before": true, "skip": 3, "once": true})).await;
        let throttled = json!({"status": 429, "headers": {"Retry-After": "3"}, "code": "TooManyRequests", "message": "later", "times": 5});
        survives(route, throttled).await;
        let unasked =
            json!({"status": 429, "code": "TooManyRequests", "message": "later", "times": 5});
        survives(route, unasked).await;
        for status in [409, 503] {
            let concurrent = json!({"status": status, "code": "Directory_ConcurrencyViolation", "message": "concurrent", "times": 3});
            survives(route, concurrent).await;
        }
        let down =
            json!({"status": 503, "code": "serviceNotAvailable", "message": "down", "times": 3});
        survives(route, down).await;
        let broken =
            json!({"status": 500, "code": "generalException", "message": "broken", "times": 3});
        survives(route, broken).await;
    }
    let expired = json!({"status": 401, "code": "InvalidAuthenticationToken", "message": "Access token has expired or is not yet valid.", "once": true});
    survives(BATCH, expired).await;
}

#[tokio::test]
async fn an_account_that_replicas_do_not_know_yet_is_waited_for() {
    let gone = json!({"status": 404, "code": "Request_ResourceNotFound", "message": "does not exist", "times": 40});
    survives(LICENSE, gone).await;
    let portal = Portal::with_delay(8_000).await;
    portal.add_workers(WORKERS);
    portal.plan().await;
    assert_eq!(portal.apply().await.unwrap(), Ended::Done);
    assert_eq!(portal.problems(), []);
    assert_eq!(portal.state().await, undisturbed().await);
}

#[tokio::test]
async fn a_lost_create_on_a_slow_replica_is_found_and_not_doubled() {
    let portal = Portal::with_delay(8_000).await;
    portal.add_workers(WORKERS);
    portal.plan().await;
    let fault = json!({"drop_after": true, "once": true});
    portal.practice.fault(BATCH, fault).await;
    assert_eq!(portal.apply().await.unwrap(), Ended::Done);
    assert_eq!(portal.problems(), []);
    assert_eq!(portal.state().await, undisturbed().await);
}

#[tokio::test]
async fn one_account_that_fails_stops_nobody_else() {
    let portal = Portal::start().await;
    portal.add_workers(WORKERS);
    portal.plan().await;
    let refused = json!({"contains": "worker.n004@", "status": 400, "code": "Request_BadRequest",
        "message": "Another object with the same value for property proxyAddresses already exists."});
    portal.practice.fault(CREATE, refused).await;
    assert_eq!(portal.apply().await.unwrap(), Ended::Done);
    assert_eq!(
        portal.outcomes(4),
        [
            (ActionKind::CreateAccount, "failed: AddressTaken".to_owned()),
            (
                ActionKind::AssignLicenses,
                "skipped: EarlierActionFailed".to_owned()
            ),
        ]
    );
    assert_eq!(portal.problems().len(), 2);
}

#[tokio::test]
async fn an_account_that_is_protected_stops_nobody_else() {
    let portal = Portal::start().await;
    portal.add_workers(WORKERS);
    portal.sync().await;
    for number in 1..=WORKERS {
        portal.change(number, |person| {
            person.user.profile.city = "Porto".to_owned()
        });
    }
    portal.plan().await;
    let fourth = portal.records().links[&UserId::from_number(4)]
        .0
        .to_string();
    let refused = json!({"contains": fourth, "status": 403, "code": "Authorization_RequestDenied",
        "message": "Insufficient privileges to complete the operation."});
    portal.practice.fault(UPDATE, refused).await;
    assert_eq!(portal.apply().await.unwrap(), Ended::Done);
    let failed = "failed: TargetIsAdministrator".to_owned();
    assert_eq!(portal.outcomes(4), [(ActionKind::UpdateProfile, failed)]);
    assert_eq!(portal.problems().len(), 1);
}

#[tokio::test]
async fn a_write_is_sent_four_times_at_most() {
    let portal = Portal::start().await;
    portal.add_workers(1);
    portal.plan().await;
    for headers in [json!({}), json!({"Retry-After": "1"})] {
        let busy = json!({"status": 429, "code": "TooManyRequests", "message": "later", "headers": headers});
        portal.practice.fault(CREATE, busy).await;
        assert_eq!(portal.apply().await.unwrap(), Ended::Done);
        let sent = happened(&portal).await;
        assert!((2..=4).contains(&sent), "sent {sent} times");
        portal.practice.remove("faults").await;
        portal.plan().await;
    }
}

/// How often the first fault happened.
async fn happened(portal: &Portal) -> i64 {
    let faults = portal.practice.ask("faults").await;
    faults["faults"][0]["happened"].as_i64().unwrap_or_default()
}

#[tokio::test]
async fn seats_that_run_out_behind_our_back_are_named_and_block_nobody() {
    let portal = Portal::start().await;
    portal.add_workers(WORKERS);
    portal.plan().await;
    let seats = json!({"skuPartNumber": "SPE_E3", "enabled": 11});
    let free = portal.practice.tell("skus", seats).await["free"]
        .as_u64()
        .unwrap();
    assert_eq!(portal.apply().await.unwrap(), Ended::Done);
    let problems = portal.problems();
    assert_eq!(
        problems.len() as u64,
        u64::try_from(WORKERS).unwrap() - free
    );
    assert!(
        problems
            .iter()
            .all(|(_, _, word)| word == "failed: NoSeats")
    );
}

#[tokio::test]
async fn one_refused_change_of_several_leaves_the_others() {
    let portal = Portal::start().await;
    portal.add_workers(2);
    portal.sync().await;
    portal.change(1, |person| {
        person.user.profile.user_name = "taken@contoso.example".to_owned();
        person.user.profile.city = "Porto".to_owned();
    });
    portal.plan().await;
    let thief = json!({"userPrincipalName": "taken@contoso.example", "displayName": "Thief"});
    portal.practice.tell("accounts", thief).await;
    assert_eq!(portal.apply().await.unwrap(), Ended::Done);
    assert_eq!(portal.failure(1), FailureKind::UserNameTaken);
    let account = portal.practice.account("worker.n001@contoso.example").await;
    assert_eq!(account.unwrap()["city"], "Porto");
}

#[tokio::test]
async fn a_missing_permission_ends_the_run_with_the_way_out() {
    let portal = Portal::start().await;
    portal.add_workers(WORKERS);
    portal.plan().await;
    let none = json!({"permissions": ["User.Read.All", "Organization.Read.All"]});
    portal.practice.tell("applications", none).await;
    portal.practice.tell("tokens/expire", json!({})).await;
    let Ended::Failed(failure) = portal.apply().await.unwrap() else {
        panic!("the run went on");
    };
    assert!(
        failure.text.contains("User.ReadWrite.All"),
        "{}",
        failure.text
    );
    assert!(failure.request_id.is_some());
    let everyone = portal.problems();
    assert!(
        everyone
            .iter()
            .any(|(_, _, word)| word == "failed: PermissionMissing")
    );
    assert!(
        everyone
            .iter()
            .any(|(_, _, word)| word == "skipped: RunEnded")
    );
}

#[tokio::test]
async fn a_refused_credential_ends_the_run_with_the_way_out() {
    let portal = Portal::start().await;
    portal.add_workers(WORKERS);
    portal.plan().await;
    let expired = json!({"secret_expires_in_days": -1});
    portal.practice.tell("applications", expired).await;
    portal.practice.tell("tokens/expire", json!({})).await;
    let Ended::Failed(failure) = portal.apply().await.unwrap() else {
        panic!("the run went on");
    };
    assert!(failure.text.contains("client secret"), "{}", failure.text);
    assert_eq!(failure.code.as_deref(), Some("AADSTS7000222"));
}

#[tokio::test]
async fn a_silent_tenant_ends_the_run_before_everybody_is_marked_as_failed() {
    let portal = Portal::start().await;
    portal.add_workers(600);
    portal.plan().await;
    portal
        .practice
        .fault(BATCH, json!({"drop_before": true}))
        .await;
    let ended = portal.apply().await.unwrap();
    assert!(matches!(ended, Ended::Failed(_)), "{ended:?}");
    let failed = |(_, _, word): &&(_, _, String)| word.starts_with("failed");
    assert!(portal.problems().iter().filter(failed).count() < 400);
    let before = portal.practice.ask("faults").await;
    portal.practice.remove("faults").await;
    assert!(before["faults"][0]["happened"].as_i64().unwrap() >= 10);
    portal.sync().await;
    assert_eq!(portal.problems(), []);
}

#[tokio::test]
async fn a_worker_that_dies_at_any_call_of_the_journal_loses_and_doubles_nothing() {
    let expected = undisturbed().await;
    for stored in [Stored::Yes, Stored::No] {
        for call in 1.. {
            let portal = Portal::start().await;
            portal.add_workers(WORKERS);
            portal.plan().await;
            portal.records().journal.dies_at = Some((call, stored));
            if portal.apply().await.is_ok() {
                assert!(call > 6, "the run has more steps than that");
                break;
            }
            // Another worker takes the run over.
            assert_eq!(portal.apply().await.unwrap(), Ended::Done);
            assert_eq!(portal.problems(), [], "died at {call}, {stored:?}");
            assert_eq!(portal.state().await, expected, "died at {call}, {stored:?}");
            let calls = portal.practice.calls().await;
            assert_eq!(calls["unchanged_writes"], 0, "died at {call}, {stored:?}");
        }
    }
}

#[tokio::test]
async fn leavers_survive_accidents_too() {
    let mut ends = Vec::new();
    for fault in [
        json!(null),
        json!({"drop_after": true, "times": 2}),
        json!({"garbage": true, "times": 1}),
    ] {
        let portal = Portal::start().await;
        portal.add_workers(WORKERS);
        portal.sync().await;
        portal.records().policy.remove_licenses = true;
        for number in 1..=5 {
            portal.change(number, |person| person.in_scope = false);
        }
        portal.plan().await;
        if !fault.is_null() {
            portal.practice.fault(BATCH, fault).await;
        }
        assert_eq!(portal.apply().await.unwrap(), Ended::Done);
        assert_eq!(portal.problems(), []);
        ends.push(portal.state().await);
    }
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0], ends[2]);
}

#[tokio::test]
async fn a_restored_account_is_waited_for_like_a_new_one() {
    let portal = Portal::start().await;
    portal.add_workers(3);
    portal.sync().await;
    portal.records().policy.delete_accounts = true;
    portal.records().policy.days_before_deletion = 0;
    portal.change(1, |person| person.in_scope = false);
    portal.sync().await;
    portal.change(1, |person| {
        person.in_scope = true;
        person.user.profile.city = "Porto".to_owned();
    });
    portal.plan().await;
    let gone = json!({"status": 404, "code": "Request_ResourceNotFound", "message": "not yet", "times": 3});
    portal
        .practice
        .fault("PATCH /users/{id}", gone.clone())
        .await;
    portal.practice.fault("GET /users/{id}", gone).await;
    assert_eq!(portal.apply().await.unwrap(), Ended::Done);
    assert_eq!(portal.problems(), []);
    let account = portal.practice.account("worker.n001@contoso.example").await;
    assert_eq!(account.unwrap()["city"], "Porto");
}

#[tokio::test]
async fn an_account_deleted_behind_our_back_is_named_and_left_alone() {
    let portal = Portal::start().await;
    portal.add_workers(3);
    portal.sync().await;
    for number in 1..=3 {
        portal.change(number, |person| {
            person.user.profile.city = "Porto".to_owned()
        });
    }
    portal.plan().await;
    portal
        .practice
        .remove("accounts/worker.n002@contoso.example")
        .await;
    assert_eq!(portal.apply().await.unwrap(), Ended::Done);
    assert_eq!(portal.failure(2), FailureKind::AccountGone);
    assert_eq!(portal.problems().len(), 1);
    let blocked = portal.plan().await;
    assert_eq!(blocked.users[1].blockers[0].key(), "deleted_account");
}

#[tokio::test]
async fn an_account_purged_behind_our_back_is_made_anew_with_everything() {
    let portal = Portal::start().await;
    portal.add_workers(3);
    portal.sync().await;
    let before = portal.state().await;
    portal
        .practice
        .remove("accounts/worker.n002@contoso.example?purge=true")
        .await;
    portal.sync().await;
    assert_eq!(portal.problems(), []);
    assert_eq!(portal.state().await, before);
    assert_eq!(portal.plan().await.summary.tally.actions, 0);
}
