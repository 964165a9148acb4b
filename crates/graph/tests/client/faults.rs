//! What the client does when Graph, the network or the quota do not do what they should.

use std::time::Duration;

use crate::support::{ADA, Reply, Seen, Server, in_turn, is_token};
use futures::StreamExt;
use serde_json::{Value, json};
use signpost_graph::{
    AccountPatch, Clock as _, DeltaLink, DeltaStart, ErrorKind, NewUser, ObjectId, Phase, Profile,
    Refusal, SecretText, Selection, Write, Written,
};

fn ada() -> ObjectId {
    ADA.parse().unwrap()
}

fn object(n: usize) -> ObjectId {
    format!("8c1e0000-0000-4000-8000-{n:012}").parse().unwrap()
}

fn create() -> Write {
    Write::CreateUser(Box::new(NewUser {
        user_principal_name: "ada.kaya@contoso.com".to_owned(),
        display_name: "Ada Kaya".to_owned(),
        mail_nickname: "ada.kaya".to_owned(),
        account_enabled: true,
        password: SecretText::new("Another~Planted~1"),
        change_password: false,
        immutable_id: Some("b2f0c5d19a7e4c3d8e6f".to_owned()),
        usage_location: Some("TR".to_owned()),
        profile: Profile::default(),
    }))
}

fn block(id: ObjectId) -> Write {
    let patch = AccountPatch {
        account_enabled: Some(false),
        ..AccountPatch::default()
    };
    Write::PatchUser {
        id,
        patch: Box::new(patch),
    }
}

fn domains() -> Reply {
    Reply::json(
        200,
        json!({"value": [{"id": "contoso.com", "authenticationType": "Managed"}]}),
    )
}

#[tokio::test]
async fn read_is_repeated_after_every_failure_that_may_pass() {
    for failure in [
        Reply::HangUp,
        Reply::Half,
        Reply::error(500, "generalException"),
        Reply::error(503, "serviceNotAvailable"),
        Reply::text(504, "<html>gateway</html>"),
        Reply::text(200, "{\"value\": [garbage"),
    ] {
        let server = Server::start(in_turn(vec![failure.clone(), failure, domains()])).await;
        let (client, _) = server.client();
        assert_eq!(client.domains().await.unwrap().len(), 1);
        assert_eq!(server.calls().len(), 3);
    }
}

#[tokio::test]
async fn read_is_tried_four_times_and_for_a_person_twice() {
    let server = Server::start(in_turn(vec![Reply::empty(503)])).await;
    let (client, _) = server.client();
    let error = client.domains().await.unwrap_err();
    assert!(error.is_retryable() && !error.outcome_unknown());
    assert_eq!(server.calls().len(), 4);
    client.interactive().domains().await.unwrap_err();
    assert_eq!(server.calls().len(), 6);
}

#[tokio::test]
async fn create_that_may_have_happened_is_sent_once_and_says_so() {
    for failure in [
        Reply::HangUp,
        Reply::Half,
        Reply::empty(504),
        Reply::empty(500),
    ] {
        let server = Server::start(in_turn(vec![failure])).await;
        let (client, _) = server.client();
        let error = client.write(create()).await.unwrap_err();
        assert!(error.outcome_unknown(), "{error}");
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn create_with_a_garbled_answer_has_an_unknown_outcome() {
    let server = Server::start(in_turn(vec![Reply::text(201, "{}")])).await;
    let (client, _) = server.client();
    let error = client.write(create()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Decode { .. }) && error.outcome_unknown());
}

#[tokio::test]
async fn write_is_repeated_after_answers_that_prove_nothing_was_done() {
    for refusal in [
        Reply::error(429, "TooManyRequests").header("Retry-After", "2.128"),
        Reply::error(429, "TooManyRequests"),
        Reply::error(503, "serviceNotAvailable").header("Retry-After", "3"),
        Reply::error(409, "Directory_ConcurrencyViolation"),
        Reply::error(503, "Directory_ConcurrencyViolation"),
    ] {
        let server = Server::start(in_turn(vec![refusal, Reply::empty(204)])).await;
        let (client, _) = server.client();
        assert_eq!(client.write(block(ada())).await.unwrap().status, 204);
        assert_eq!(server.calls().len(), 2);
    }
}

#[tokio::test]
async fn retry_waits_at_least_as_long_as_graph_asks() {
    let throttled = Reply::error(429, "TooManyRequests").header("Retry-After", "17.5");
    let server = Server::start(in_turn(vec![throttled, Reply::empty(204)])).await;
    let (client, clock) = server.client();
    client.write(block(ada())).await.unwrap();
    assert!(clock.now_ms() >= 17_500);
}

#[tokio::test]
async fn person_is_told_rather_than_kept_waiting() {
    let throttled = Reply::error(429, "TooManyRequests").header("Retry-After", "90");
    let server = Server::start(in_turn(vec![throttled])).await;
    let (client, clock) = server.client();
    let error = client.interactive().domains().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
    assert_eq!((server.calls().len(), clock.now_ms()), (1, 0));
}

#[tokio::test]
async fn refusal_is_not_repeated_and_keeps_what_graph_said() {
    let server = Server::start(in_turn(vec![Reply::json(
        400,
        json!({"error": {"code": "Request_BadRequest",
            "message": "Another object with the same value for property userPrincipalName already exists.",
            "details": [{"code": "ObjectConflict", "target": "userPrincipalName", "message": "Taken."}],
            "innererror": {"request-id": "b1a7"}}}),
    )]))
    .await;
    let (client, _) = server.client();
    let error = client.write(create()).await.unwrap_err();
    let taken = Refusal::ValueTaken {
        property: Some("userPrincipalName".to_owned()),
    };
    assert_eq!(error.refusal(), Some(&taken));
    assert!(matches!(error.kind(), ErrorKind::Conflict(_)));
    assert_eq!(error.request_id(), Some("b1a7"));
    assert!(!error.is_retryable() && !error.outcome_unknown());
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn missing_permission_is_named_and_a_missing_object_is_none() {
    let server = Server::start(|seen| match () {
        () if seen.is("GET", "/v1.0/domains") => {
            Some(Reply::error(403, "Authorization_RequestDenied"))
        }
        () if seen.path.starts_with("/v1.0/users/") => {
            Some(Reply::error(404, "Request_ResourceNotFound"))
        }
        () => None,
    })
    .await;
    let (client, _) = server.client();
    let error = client.domains().await.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Forbidden {
                missing: Some("Domain.Read.All"),
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(client.user(ada()).await.unwrap(), None);
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let server = Server::start(in_turn(vec![
        Reply::empty(302).header("Location", "http://127.0.0.1:1/elsewhere"),
    ]))
    .await;
    let (client, _) = server.client();
    let error = client.domains().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Rejected(r) if r.status == 302));
}

#[tokio::test]
async fn answer_beyond_the_limit_is_cut_off() {
    let server = Server::start(in_turn(vec![Reply::text(200, &"x".repeat(5_000))])).await;
    let clock = std::sync::Arc::default();
    let mut config = server.config(&clock);
    config.limits.body_bytes = 4_096;
    let client = signpost_graph::Client::new(config).unwrap();
    let error = client.domains().await.unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::Transport {
            phase: Phase::Sent,
            ..
        }
    ));
}

#[tokio::test]
async fn next_link_to_another_host_is_refused() {
    let stranger = Server::start(in_turn(vec![domains()])).await;
    let base = stranger.base.clone();
    for link in [
        format!("{base}v1.0/users?$skiptoken=x"),
        "https://graph.microsoft.com.evil.example/v1.0/users".to_owned(),
        "not a link".to_owned(),
    ] {
        let page = json!({"value": [{"id": ADA}], "@odata.nextLink": link});
        let server = Server::start(in_turn(vec![Reply::json(200, page)])).await;
        let (client, _) = server.client();
        let pages: Vec<_> = client.list_users(Selection::Properties).collect().await;
        assert_eq!(pages.len(), 2);
        let error = pages[1].as_ref().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::ForeignLink { .. }),
            "{error}"
        );
        assert_eq!(server.calls().len(), 1);
    }
    assert!(stranger.calls().is_empty());
}

#[tokio::test]
async fn pages_are_followed_unchanged_and_may_be_empty() {
    let server = Server::start(|seen| {
        let host = seen.header("host").unwrap_or_default();
        let next = |n: u8| format!("http://{host}/v1.0/users?$top=999&$skiptoken=p%20{n}");
        match seen.path.as_str() {
            path if path.ends_with("$skiptoken=p%202") => {
                Some(Reply::json(200, json!({"value": [{"id": ADA}]})))
            }
            path if path.ends_with("$skiptoken=p%201") => Some(Reply::json(
                200,
                json!({"value": [], "@odata.nextLink": next(2)}),
            )),
            path if path.starts_with("/v1.0/users") => Some(Reply::json(
                200,
                json!({"value": [{"id": ADA}], "@odata.nextLink": next(1)}),
            )),
            _ => None,
        }
    })
    .await;
    let (client, _) = server.client();
    let pages: Vec<usize> = client
        .list_users(Selection::WithManager)
        .map(|page| page.unwrap().len())
        .collect()
        .await;
    assert_eq!(pages, [1, 0, 1]);
    assert!(server.calls()[0].path.contains("$top=999"));
}

#[tokio::test]
async fn page_that_follows_itself_ends_the_list() {
    let server = Server::start(|seen| {
        let host = seen.header("host").unwrap_or_default();
        let link = format!("http://{host}/v1.0/domains?$skiptoken=same");
        let page = json!({"value": [], "@odata.nextLink": link});
        (!is_token(seen)).then(|| Reply::json(200, page))
    })
    .await;
    let (client, _) = server.client();
    assert!(matches!(
        client.domains().await.unwrap_err().kind(),
        ErrorKind::Decode { .. }
    ));
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn answer_of_the_wrong_shape_says_where_it_is_wrong() {
    let page = json!({"value": [{"id": ADA}, {"id": ADA, "accountEnabled": "yes"}]});
    let server = Server::start(in_turn(vec![Reply::json(200, page)])).await;
    let (client, _) = server.client();
    let error = client
        .list_users(Selection::Properties)
        .next()
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Decode { path, .. } if path == "value[1].accountEnabled"),
        "{error}"
    );
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn delta_ends_in_a_link_and_an_expired_one_says_read_everything() {
    let server = Server::start(|seen| {
        let host = seen.header("host").unwrap_or_default();
        let link = format!("http://{host}/v1.0/users/delta?$deltatoken=next");
        match seen.path.as_str() {
            path if path.contains("$deltatoken=old") => {
                Some(Reply::empty(410).header("Location", &link))
            }
            path if path.contains("$deltatoken=lost") => Some(Reply::error(400, "resyncRequired")),
            path if path.starts_with("/v1.0/users/delta") => Some(Reply::json(
                200,
                json!({"value": [{"id": ADA, "@removed": {"reason": "changed"}}],
                    "@odata.deltaLink": link}),
            )),
            _ => None,
        }
    })
    .await;
    let (client, _) = server.client();
    let mut pages = client.users_delta(DeltaStart::Beginning);
    let page = pages.next().await.unwrap().unwrap();
    assert!(page.changes[0].is_removal());
    let link = page.link.unwrap();
    assert!(pages.next().await.is_none());
    assert!(
        client
            .users_delta(DeltaStart::Link(link))
            .next()
            .await
            .unwrap()
            .is_ok()
    );
    for token in ["old", "lost"] {
        let stored = format!("{}v1.0/users/delta?$deltatoken={token}", server.base);
        let start = DeltaStart::Link(DeltaLink::from_stored(stored));
        let error = client.users_delta(start).next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::DeltaExpired);
    }
}

#[tokio::test]
async fn stored_delta_link_to_another_host_is_refused() {
    let server = Server::start(in_turn(vec![domains()])).await;
    let (client, _) = server.client();
    let link = DeltaLink::from_stored("https://evil.example/v1.0/users/delta?$deltatoken=x");
    let error = client
        .users_delta(DeltaStart::Link(link))
        .next()
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ForeignLink { host } if host == "evil.example"));
}

/// Answers a batch part by part; `None` leaves the part out. Parts come back in reverse order.
fn batch(seen: &Seen, answer: impl Fn(&str, &Value) -> Option<Value>) -> Reply {
    let requests = seen.json()["requests"].as_array().unwrap().clone();
    let respond = |part: &Value| {
        let mut response = answer(part["url"].as_str().unwrap(), part)?;
        response["id"] = part["id"].clone();
        Some(response)
    };
    let responses: Vec<Value> = requests.iter().rev().filter_map(respond).collect();
    Reply::json(200, json!({ "responses": responses }))
}

fn part_error(status: u16, code: &str) -> Value {
    json!({"status": status, "headers": {"request-id": "b1a7"},
        "body": {"error": {"code": code, "message": "No."}}})
}

#[tokio::test]
async fn each_part_of_a_batch_is_judged_alone_and_only_the_throttled_one_is_repeated() {
    let round = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |seen| {
        if !seen.is("POST", "/v1.0/$batch") {
            return None;
        }
        let first = round.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        Some(batch(seen, |url, _| match url.rsplit('0').next() {
            Some("1") if first => Some(json!({"status": 429, "headers": {"Retry-After": "7"},
                "body": {"error": {"code": "TooManyRequests", "message": "Later."}}})),
            Some("2") => Some(part_error(404, "Request_ResourceNotFound")),
            Some("3") => None,
            Some("4") => Some(part_error(424, "FailedDependency")),
            Some("5") => Some(part_error(504, "UnknownError")),
            _ => Some(json!({"status": 204, "headers": {"request-id": "c0de"}, "body": null})),
        }))
    })
    .await;
    let (client, clock) = server.client();
    let writes = (1..=6).map(|n| (n, block(object(n)))).collect();
    let results = client.batch(writes).await;

    let keys: Vec<usize> = results.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, [1, 2, 3, 4, 5, 6]);
    let done = Written {
        status: 204,
        request_id: Some("c0de".to_owned()),
        created: None,
    };
    assert_eq!(results[0].1.as_ref().unwrap(), &done);
    assert!(results[1].1.as_ref().unwrap_err().is_not_found());
    let missing = results[2].1.as_ref().unwrap_err();
    assert!(missing.kind() == &ErrorKind::NoAnswer && missing.outcome_unknown());
    let not_tried = results[3].1.as_ref().unwrap_err();
    assert!(not_tried.kind() == &ErrorKind::NotTried && !not_tried.outcome_unknown());
    assert!(results[4].1.as_ref().unwrap_err().outcome_unknown());
    assert_eq!(results[5].1.as_ref().unwrap(), &done);

    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1].json()["requests"].as_array().unwrap().len(), 1);
    assert_eq!(
        calls[0].json()["requests"][0]["headers"]["x-ms-throttle-priority"],
        "low"
    );
    assert!(clock.now_ms() >= 7_000);
}

#[tokio::test]
async fn forty_writes_travel_in_two_batches_and_none_in_no_call() {
    let server = Server::start(|seen| {
        let is_batch = seen.is("POST", "/v1.0/$batch");
        is_batch.then(|| batch(seen, |_, _| Some(json!({"status": 204}))))
    })
    .await;
    let (client, _) = server.client();
    assert!(client.batch(Vec::<((), Write)>::new()).await.is_empty());
    let results = client
        .batch((0..40).map(|n| (n, block(object(n)))).collect())
        .await;
    assert!(results.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn batch_that_is_too_large_goes_in_halves() {
    let server = Server::start(|seen| {
        if !seen.is("POST", "/v1.0/$batch") {
            return None;
        }
        if seen.json()["requests"].as_array().unwrap().len() > 5 {
            return Some(Reply::empty(413));
        }
        Some(batch(seen, |_, _| Some(json!({"status": 204}))))
    })
    .await;
    let (client, _) = server.client();
    let results = client
        .batch((0..20).map(|n| (n, block(object(n)))).collect())
        .await;
    assert!(results.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(server.calls().len(), 7);
}

#[tokio::test]
async fn lost_batch_leaves_every_write_unknown_and_every_read_repeated() {
    let server = Server::start(in_turn(vec![Reply::HangUp])).await;
    let (client, _) = server.client();
    let results = client
        .batch(vec![(1, block(object(1))), (2, block(object(2)))])
        .await;
    assert!(
        results
            .iter()
            .all(|(_, r)| r.as_ref().unwrap_err().outcome_unknown())
    );
    assert_eq!(server.calls().len(), 1);

    let read = client.users_by_id(vec![ada()]).await;
    assert!(!read[0].1.as_ref().unwrap_err().outcome_unknown());
    assert_eq!(server.calls().len(), 5);
}

#[tokio::test]
async fn requests_carry_what_microsoft_asks_for() {
    let server = Server::start(in_turn(vec![Reply::json(200, json!({"value": true}))])).await;
    let (client, _) = server.client();
    client
        .write(Write::RevokeSessions { id: ada() })
        .await
        .unwrap();
    client
        .interactive()
        .write(Write::RevokeSessions { id: ada() })
        .await
        .unwrap();
    let calls = server.calls();
    assert_eq!(calls[0].header("content-length"), Some("0"));
    assert_eq!(calls[0].header("authorization"), Some("Bearer token-1"));
    assert!(
        calls[0]
            .header("user-agent")
            .unwrap()
            .starts_with("signpost/")
    );
    assert!(calls[0].header("accept-encoding").unwrap().contains("gzip"));
    assert_eq!(calls[0].header("x-ms-throttle-priority"), Some("low"));
    assert_eq!(calls[1].header("x-ms-throttle-priority"), Some("high"));
    assert_ne!(
        calls[0].header("client-request-id"),
        calls[1].header("client-request-id")
    );
}

/// Allows so many questions.
#[derive(Debug)]
struct Allows(std::sync::atomic::AtomicI32);

impl signpost_graph::WriteGuard for Allows {
    fn may_write(&self) -> bool {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) > 0
    }
}

#[tokio::test]
async fn what_its_guard_forbids_is_not_sent_nor_sent_again() {
    let later = |seen: &Seen| {
        let reply = || Reply::error(429, "TooManyRequests").header("retry-after", "2");
        (!is_token(seen)).then(reply)
    };
    let server = Server::start(later).await;
    let (client, _) = server.client();
    for allowed in 0..3 {
        let guard = std::sync::Arc::new(Allows(allowed.into()));
        let guarded = client.guarded(guard);
        let before = server.calls().len();
        let results = guarded.batch(vec![(1, block(ada()))]).await;
        let error = results[0].1.as_ref().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Withheld);
        assert!(!error.outcome_unknown() && error.is_retryable());
        assert_eq!(server.calls().len() - before, allowed as usize);
    }
}
