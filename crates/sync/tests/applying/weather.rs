//! Bad weather: everything goes wrong at random. Whatever a run makes of it, the next clean run
//! ends where an undisturbed one would have.

use serde_json::{Value, json};
use signpost_sync::apply::Ended;

use crate::matrix::Dice;
use crate::portal::{Portal, Stored};

const WORKERS: u128 = 40;

const KINDS: [&str; 9] = [
    r#"{"drop_after": true}"#,
    r#"{"drop_before": true}"#,
    r#"{"missing": true}"#,
    r#"{"garbage": true}"#,
    r#"{"status": 504, "code": "UnknownError", "message": "gateway", "after": true}"#,
    r#"{"status": 503, "code": "serviceNotAvailable", "message": "down"}"#,
    r#"{"status": 429, "code": "TooManyRequests", "message": "later"}"#,
    r#"{"status": 404, "code": "Request_ResourceNotFound", "message": "not yet"}"#,
    r#"{"status": 409, "code": "Directory_ConcurrencyViolation", "message": "concurrent"}"#,
];

async fn storm(portal: &Portal, dice: &mut Dice) {
    let routes = [
        "POST /users",
        "POST /users/{id}/assignLicense",
        "PATCH /users/{id}",
        "PUT /users/{id}/manager/$ref",
    ];
    for route in routes {
        for _ in 0..2 {
            let kind = KINDS[usize::try_from(dice.roll(KINDS.len() as u64)).unwrap()];
            let mut fault: Value = serde_json::from_str(kind).unwrap();
            let percent = [1, 10, 40][usize::try_from(dice.roll(3)).unwrap()];
            fault["share"] = json!(f64::from(percent) / 100.0);
            fault["seed"] = json!(dice.roll(1_000_000));
            portal.practice.fault(route, fault).await;
        }
    }
}

/// Two days of a company: everybody arrives, then some change, some leave.
async fn live_through(portal: &Portal, mut dice: Option<Dice>) {
    portal.records().policy.remove_licenses = true;
    portal.add_workers(WORKERS);
    for day in 0..2 {
        if day == 1 {
            portal.change_some(WORKERS);
        }
        portal.plan().await;
        if let Some(dice) = &mut dice {
            storm(portal, dice).await;
            let calls = portal.records().journal.calls;
            let at = calls + 1 + u32::try_from(dice.roll(12)).unwrap();
            let stored = if dice.roll(2) == 0 {
                Stored::Yes
            } else {
                Stored::No
            };
            portal.records().journal.dies_at = Some((at, stored));
        }
        // A worker that dies is followed by another one.
        let mut ended = portal.apply().await;
        while ended.is_err() {
            ended = portal.apply().await;
        }
        portal.practice.remove("faults").await;
        // The next clean sync; a manager whose account came late needs one more.
        portal.records().journal.dies_at = None;
        for _ in 0..3 {
            if portal.plan().await.summary.tally.actions == 0 {
                break;
            }
            assert_eq!(portal.apply().await.unwrap(), Ended::Done);
        }
    }
}

#[tokio::test]
async fn after_a_storm_one_clean_run_ends_as_if_there_had_been_none() {
    let calm = Portal::start().await;
    live_through(&calm, None).await;
    let expected = calm.practice.digest().await;
    for seed in 0..SEEDS {
        let portal = Portal::start().await;
        live_through(&portal, Some(Dice::new(seed))).await;
        let faults = portal.practice.calls().await["faults"].as_i64().unwrap();
        assert!(faults > 0, "seed {seed} is fair weather");
        assert_eq!(portal.practice.digest().await, expected, "seed {seed}");
        assert_eq!(portal.plan().await.summary.tally.actions, 0, "seed {seed}");
    }
}

/// Few here, and each of another kind; the long matrix is run by hand.
const SEEDS: u64 = 10;
