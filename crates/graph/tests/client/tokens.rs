//! Getting, sharing, renewing and losing the access token.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{ADA, PLANTED, Reply, Server, WaitingClock, in_turn, is_token};
use futures::future::join_all;
use serde_json::json;
use signpost_graph::{
    Client, Cloud, Credential, ErrorKind, Observation, Observer, SecretText, TokenErrorKind, Write,
};
use url::Url;

fn domains() -> Reply {
    Reply::json(200, json!({"value": []}))
}

fn refused(code: u32) -> Reply {
    Reply::json(
        401,
        json!({"error": "invalid_client", "error_codes": [code], "trace_id": "0b6e",
            "error_description": format!("AADSTS{code}: No. Trace ID: 0b6e"),
            "correlation_id": "5f2a"}),
    )
}

#[tokio::test]
async fn calls_at_once_share_one_token() {
    let server = Server::start(in_turn(vec![domains()])).await;
    let (client, _) = server.client();
    for result in join_all((0..20).map(|_| client.domains())).await {
        result.unwrap();
    }
    assert_eq!(server.token_calls().len(), 1);
    let form = &server.token_calls()[0].body;
    assert!(form.contains("grant_type=client_credentials"));
    assert!(form.contains("client_secret=Planted%7ESecret%7EValue"));
    assert!(form.contains("%2F.default"));
}

#[tokio::test]
async fn calls_at_once_share_one_refusal() {
    let server = Server::start(|seen| is_token(seen).then(|| refused(7_000_222))).await;
    let (client, _) = server.client();
    for result in join_all((0..20).map(|_| client.domains())).await {
        let error = result.unwrap_err();
        let ErrorKind::Unauthorized(token) = error.kind() else {
            panic!("{error}")
        };
        assert_eq!(token.kind, TokenErrorKind::SecretExpired);
        assert_eq!(token.trace_id.as_deref(), Some("0b6e"));
    }
    assert_eq!(server.token_calls().len(), 1);
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn refused_token_is_replaced_exactly_once() {
    let unauthorized = Reply::error(401, "InvalidAuthenticationToken");
    let server = Server::start(in_turn(vec![unauthorized.clone(), domains()])).await;
    let (client, _) = server.client();
    client.domains().await.unwrap();
    assert_eq!(server.token_calls().len(), 2);
    assert_eq!(
        server.calls()[1].header("authorization"),
        Some("Bearer token-2")
    );

    let server = Server::start(in_turn(vec![unauthorized])).await;
    let (client, _) = server.client();
    let error = client
        .write(Write::DeleteUser {
            id: ADA.parse().unwrap(),
        })
        .await
        .unwrap_err();
    let ErrorKind::Unauthorized(token) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(token.kind, TokenErrorKind::RefusedByGraph);
    assert!(!error.outcome_unknown());
    assert_eq!((server.token_calls().len(), server.calls().len()), (2, 2));
}

#[tokio::test]
async fn token_refused_inside_a_batch_is_replaced_once_for_those_parts() {
    let server = Server::start(|seen| {
        if is_token(seen) {
            return None;
        }
        let old = seen.header("authorization") == Some("Bearer token-1");
        let body = seen.json();
        let parts = body["requests"].as_array().unwrap().iter();
        let answer = |part: &serde_json::Value| {
            let refused = old && part["id"] == "0";
            let status = if refused { 401 } else { 204 };
            json!({"id": part["id"], "status": status})
        };
        Some(Reply::json(
            200,
            json!({"responses": parts.map(answer).collect::<Vec<_>>()}),
        ))
    })
    .await;
    let (client, _) = server.client();
    let id = ADA.parse().unwrap();
    let writes = vec![
        (1, Write::DeleteUser { id }),
        (2, Write::ClearManager { id }),
    ];
    let results = client.batch(writes).await;
    assert!(
        results.iter().all(|(_, result)| result.is_ok()),
        "{results:?}"
    );
    assert_eq!((server.token_calls().len(), server.calls().len()), (2, 2));
    assert_eq!(
        server.calls()[1].json()["requests"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn token_is_renewed_early_and_serves_to_its_end_while_the_endpoint_is_away() {
    let away = Arc::new(AtomicBool::new(false));
    let is_away = Arc::clone(&away);
    let server = Server::start(move |seen| match is_token(seen) {
        true => is_away.load(Ordering::Relaxed).then(|| Reply::empty(503)),
        false => Some(domains()),
    })
    .await;
    let (client, clock) = server.client();
    client.domains().await.unwrap();
    clock.advance(Duration::from_secs(54 * 60));
    client.domains().await.unwrap();
    assert_eq!(server.token_calls().len(), 1);
    clock.advance(Duration::from_secs(2 * 60));
    client.domains().await.unwrap();
    assert_eq!(server.token_calls().len(), 2);

    away.store(true, Ordering::Relaxed);
    clock.advance(Duration::from_secs(56 * 60));
    client.domains().await.unwrap();
    assert!(server.token_calls().len() > 2);
    clock.advance(Duration::from_secs(5 * 60));
    let error = client.domains().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unauthorized(token) if token.is_retryable()));
    away.store(false, Ordering::Relaxed);
    client.domains().await.unwrap();
}

#[tokio::test]
async fn secret_that_is_a_guid_is_recognised_as_the_wrong_column() {
    let server = Server::start(|seen| is_token(seen).then(|| refused(7_000_215))).await;
    let clock = Arc::new(WaitingClock::default());
    let mut config = server.config(&clock);
    let id = "d3b07384-d9a0-4c9b-8f3e-6f1c2a3b4c5d";
    config.credential = Credential::Secret(SecretText::new(id));
    let error = Client::new(config)
        .unwrap()
        .granted_roles()
        .await
        .unwrap_err();
    let ErrorKind::Unauthorized(token) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(token.kind, TokenErrorKind::SecretIsAnId);
}

#[tokio::test]
async fn unreachable_authority_is_a_matter_of_the_network() {
    let server = Server::start(in_turn(vec![domains()])).await;
    let clock = Arc::new(WaitingClock::default());
    let mut config = server.config(&clock);
    let nowhere = Url::parse("http://127.0.0.1:1").unwrap();
    config.cloud = Cloud::Custom {
        authority: nowhere.clone(),
        graph: nowhere,
    };
    let error = Client::new(config)
        .unwrap()
        .interactive()
        .domains()
        .await
        .unwrap_err();
    let ErrorKind::Unauthorized(token) = error.kind() else {
        panic!("{error}")
    };
    assert_eq!(token.kind, TokenErrorKind::Network);
    assert!(error.is_retryable());
}

#[derive(Debug, Default)]
struct Collecting(Mutex<Vec<(String, Option<u16>)>>, Mutex<Vec<String>>);

impl Observer for Collecting {
    fn observe(&self, observation: &Observation<'_>) {
        let seen = (observation.route.to_string(), observation.status);
        self.0.lock().unwrap().push(seen);
        self.1.lock().unwrap().push(format!("{observation:?}"));
    }
}

#[tokio::test]
async fn observer_sees_every_call_by_its_template_and_nothing_shows_a_secret() {
    let server = Server::start(in_turn(vec![
        Reply::error(429, "TooManyRequests").header("Retry-After", "1"),
        Reply::error(404, "Request_ResourceNotFound").header("request-id", "b1a7"),
    ]))
    .await;
    let clock = Arc::new(WaitingClock::default());
    let observer = Arc::new(Collecting::default());
    let mut config = server.config(&clock);
    config.observer = observer.clone();
    let mut shown = vec![format!("{config:?}")];
    let client = Client::new(config).unwrap();
    assert_eq!(client.user(ADA.parse().unwrap()).await.unwrap(), None);
    assert_eq!(
        *observer.0.lock().unwrap(),
        [
            ("POST /{tenant}/oauth2/v2.0/token".to_owned(), Some(200)),
            ("GET /users/{id}".to_owned(), Some(429)),
            ("GET /users/{id}".to_owned(), Some(404)),
        ]
    );
    shown.push(format!("{client:?}"));
    shown.append(&mut observer.1.lock().unwrap());
    let shown = shown.concat();
    assert!(
        !shown.contains(PLANTED) && !shown.contains("token-1"),
        "{shown}"
    );
}
