//! `$batch`, throttling and faults (`graph.md` 3).

use reqwest::Method;
use serde_json::{Value, json};
use signpost_practice_tenant::{Options, Throttle};

use crate::harness::{World, new_user, options};

/// The parts of a batch's answer by id.
fn part<'a>(body: &'a Value, id: &str) -> Option<&'a Value> {
    body["responses"]
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["id"] == id)
}

fn create(id: &str, name: &str) -> Value {
    json!({"id": id, "method": "POST", "url": "/users", "headers": {"Content-Type": "application/json"}, "body": new_user(name)})
}

#[tokio::test]
async fn each_part_is_answered_by_itself() {
    let world = World::start().await;
    let batch = json!({"requests": [
        create("1", "bob"),
        create("2", "bob"),
        {"id": "3", "method": "GET", "url": "/users/alice.martins@contoso.example?$select=id"},
        {"id": "4", "method": "GET", "url": "/organization", "dependsOn": ["2"]},
        {"id": "5", "method": "GET", "url": "/organization", "dependsOn": ["1"]},
    ]});
    let answer = world.post("/$batch", batch).await.expect(200);
    let status = |id: &str| part(&answer.body, id).unwrap()["status"].as_u64().unwrap();
    let mut two = [status("1"), status("2")];
    two.sort_unstable();
    assert_eq!(two, [201, 400]);
    assert_eq!((status("3"), status("4"), status("5")), (200, 424, 200));
    let calls = world.calls().await;
    assert_eq!(
        (
            calls["total"].as_u64(),
            calls["batches"].as_u64(),
            calls["parts"].as_u64(),
            calls["writes"].as_u64()
        ),
        (Some(1), Some(1), Some(5), Some(1))
    );
    assert_eq!(calls["by_route"]["POST /users"], 2);
}

#[tokio::test]
async fn a_batch_that_is_not_one_is_refused_whole() {
    let world = World::start().await;
    let many: Vec<Value> = (0..21)
        .map(|id| json!({"id": id.to_string(), "method": "GET", "url": "/organization"}))
        .collect();
    let get = |id: &str| json!({"id": id, "method": "GET", "url": "/organization"});
    let cases = [
        json!({"requests": many}),
        json!({"requests": [get("a"), get("A")]}),
        json!({"requests": []}),
        json!({"requests": [{"id": "1", "method": "POST", "url": "/users", "body": {}}]}),
        json!({"requests": [{"id": "1", "method": "GET", "url": "/organization", "dependsOn": ["9"]}]}),
        json!({"requests": [{"id": "1", "method": "GET", "url": "/a", "dependsOn": ["2"]}, {"id": "2", "method": "GET", "url": "/b", "dependsOn": ["1"]}]}),
    ];
    for case in cases {
        world.post("/$batch", case).await.expect(400);
    }
    let nested = json!({"requests": [{"id": "1", "method": "POST", "url": "/$batch", "headers": {"Content-Type": "application/json"}, "body": {"requests": []}}]});
    let answer = world.post("/$batch", nested).await.expect(200);
    assert_eq!(part(&answer.body, "1").unwrap()["status"], 400);
}

#[tokio::test]
async fn the_write_quota_refills_with_the_clock() {
    let world = World::with(Options {
        throttle: Throttle::Documented,
        ..options()
    })
    .await;
    let id = world.user("bob").await;
    let batch = |round: usize| {
        let parts: Vec<Value> = (0..20)
            .map(|part| json!({"id": part.to_string(), "method": "PATCH", "url": format!("/users/{id}"), "headers": {"Content-Type": "application/json"}, "body": {"jobTitle": format!("{round}.{part}")}}))
            .collect();
        json!({"requests": parts})
    };
    for round in 0..149 {
        world.post("/$batch", batch(round)).await.expect(200);
    }
    assert_eq!(world.calls().await["throttled"], 0);
    let full = world.post("/$batch", batch(149)).await.expect(200);
    assert!(
        part(&full.body, "1").unwrap()["headers"]["x-ms-throttle-limit-percentage"].is_string()
    );
    let refused = world
        .patch(&format!("/users/{id}"), json!({"jobTitle": "x"}))
        .await
        .expect(429);
    assert_eq!(refused.code(), "TooManyRequests");
    let seconds: f64 = refused.header("retry-after").parse().unwrap();
    assert!(seconds > 0.0 && seconds < 10.0);
    assert!(
        refused
            .header("x-ms-throttle-scope")
            .starts_with("Tenant_Application/Write/")
    );
    world
        .get(&format!("/users/{id}?$select=id"))
        .await
        .expect(200);
    world.tell("clock", json!({"advance_ms": 10_000})).await;
    world
        .patch(&format!("/users/{id}"), json!({"jobTitle": "y"}))
        .await
        .expect(204);
}

#[tokio::test]
async fn low_priority_is_throttled_first() {
    let world = World::with(Options {
        throttle: Throttle::Documented,
        ..options()
    })
    .await;
    let id = world.user("bob").await;
    for round in 0..149 {
        let parts: Vec<Value> = (0..20)
            .map(|part| json!({"id": part.to_string(), "method": "PATCH", "url": format!("/users/{id}"), "headers": {"Content-Type": "application/json"}, "body": {"jobTitle": format!("{round}.{part}")}}))
            .collect();
        world
            .post("/$batch", json!({"requests": parts}))
            .await
            .expect(200);
    }
    let with = async |priority: &str| {
        let request = world
            .request(Method::PATCH, &format!("/users/{id}"))
            .header("x-ms-throttle-priority", priority);
        request
            .json(&json!({"city": priority}))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(with("low").await, 429);
    assert_eq!(with("high").await, 204);
}

#[tokio::test]
async fn a_fault_happens_as_often_as_it_was_asked_for() {
    let world = World::start().await;
    let id = world.user("bob").await;
    let url = format!("/users/{id}");
    world.tell("faults", json!({"method": "PATCH", "route": "/users/{user-id}", "times": 2, "skip": 1, "status": 503, "headers": {"Retry-After": "2"}})).await;
    let mut statuses = Vec::new();
    for title in ["a", "b", "c", "d"] {
        let answer = world.patch(&url, json!({"jobTitle": title})).await;
        if answer.status == 503 {
            assert_eq!(
                (answer.header("retry-after"), answer.code()),
                ("2", "serviceNotAvailable")
            );
            assert_eq!(answer.header("x-practice-fault"), "1");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [204, 503, 503, 204]);
    let faults = world.practice_call(Method::GET, "faults", None).await.body;
    assert_eq!(
        (
            faults["faults"][0]["matched"].as_u64(),
            faults["faults"][0]["happened"].as_u64()
        ),
        (Some(4), Some(2))
    );
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_write_happened_or_before() {
    let world = World::start().await;
    let post = async |name: &str| {
        world
            .request(Method::POST, "/users")
            .json(&new_user(name))
            .send()
            .await
    };
    world
        .tell(
            "faults",
            json!({"method": "POST", "route": "/users", "contains": "after", "drop_after": true}),
        )
        .await;
    world
        .tell(
            "faults",
            json!({"method": "POST", "route": "/users", "contains": "before", "drop_before": true}),
        )
        .await;
    world.tell("faults", json!({"method": "POST", "route": "/users", "contains": "late", "status": 504, "after": true})).await;
    assert!(post("after").await.is_err());
    assert!(post("before").await.is_err());
    assert_eq!(post("late").await.unwrap().status(), 504);
    world
        .practice_call(Method::DELETE, "faults", None)
        .await
        .expect(200);
    assert!(world.account("after@contoso.example").await.is_object());
    assert!(world.account("late@contoso.example").await.is_object());
    assert!(world.account("before@contoso.example").await.is_null());
}

#[tokio::test]
async fn a_write_can_land_after_its_caller_gave_up() {
    let world = World::start().await;
    world
        .tell(
            "faults",
            json!({"method": "POST", "route": "/users", "once": true, "late_ms": 1}),
        )
        .await;
    assert!(
        world
            .request(Method::POST, "/users")
            .json(&new_user("late"))
            .send()
            .await
            .is_err()
    );
    let landed = async {
        while world.account("late@contoso.example").await.is_null() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), landed)
        .await
        .unwrap();
}

#[tokio::test]
async fn one_part_of_a_batch_can_fail_vanish_or_be_garbage() {
    let world = World::start().await;
    world.tell("faults", json!({"faults": [
        {"route": "/users", "contains": "lost", "missing": true},
        {"route": "/users", "contains": "slow", "status": 429, "headers": {"Retry-After": "7"}},
        {"route": "/users", "contains": "odd", "garbage": true},
    ]})).await;
    let batch = json!({"requests": [create("1", "lost"), create("2", "slow"), create("3", "fine"), create("4", "odd")]});
    let answer = world.post("/$batch", batch).await.expect(200);
    assert!(part(&answer.body, "1").is_none());
    assert_eq!(
        part(&answer.body, "2").unwrap()["headers"]["Retry-After"],
        "7"
    );
    assert_eq!(part(&answer.body, "3").unwrap()["status"], 201);
    assert!(part(&answer.body, "4").unwrap()["body"].is_string());
    assert!(world.account("lost@contoso.example").await.is_object());
    assert!(world.account("slow@contoso.example").await.is_null());
}

#[tokio::test]
async fn a_share_of_requests_fails_the_same_way_for_the_same_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let world = World::start().await;
        world
            .tell(
                "faults",
                json!({"route": "/organization", "share": 0.4, "seed": 7, "status": 500}),
            )
            .await;
        let mut statuses = Vec::new();
        for _ in 0..30 {
            statuses.push(world.get("/organization").await.status);
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&200) && runs[0].contains(&500));
}
