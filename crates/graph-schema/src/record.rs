//! Recording every exchange of a router.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};

use crate::check::{Exchange, Violation, check};

/// The practice tenant's mark on answers it broke on purpose.
const FAULT_HEADER: &str = "x-practice-fault";
const MAX_BODY: usize = 256 * 1024 * 1024;
/// One wrong property in a loop must not fill the memory.
const MAX_KEPT: usize = 500;

/// Collects the violations of every exchange that passed. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Conformance {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    exchanges: usize,
    violations: Vec<Violation>,
}

impl Conformance {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The router with every exchange recorded and judged.
    pub fn record(&self, router: Router) -> Router {
        let conformance = self.clone();
        router.layer(from_fn(move |request: Request, next: Next| {
            let conformance = conformance.clone();
            async move { conformance.pass(request, next).await }
        }))
    }

    async fn pass(&self, request: Request, next: Next) -> Response {
        let (parts, body) = request.into_parts();
        let Ok(request_body) = to_bytes(body, MAX_BODY).await else {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        };
        let mut exchange = Exchange {
            method: parts.method.to_string(),
            url: parts
                .uri
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            request_type: content_type(&parts.headers),
            request_body: request_body.to_vec(),
            ..Exchange::default()
        };
        let response = next
            .run(Request::from_parts(parts, Body::from(request_body)))
            .await;
        let (parts, body) = response.into_parts();
        exchange.status = parts.status.as_u16();
        exchange.response_type = content_type(&parts.headers);
        exchange.faulted = parts.headers.contains_key(FAULT_HEADER);
        if exchange.faulted {
            // Its body may be one that never ends well: it goes on unread.
            self.judge(&exchange);
            return Response::from_parts(parts, body);
        }
        let response_body = to_bytes(body, MAX_BODY)
            .await
            .unwrap_or_else(|_| Bytes::new());
        exchange.response_body = response_body.to_vec();
        self.judge(&exchange);
        Response::from_parts(parts, Body::from(response_body))
    }

    fn judge(&self, exchange: &Exchange) {
        let found = check(exchange);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.exchanges += 1;
        let room = MAX_KEPT.saturating_sub(seen.violations.len());
        seen.violations.extend(found.into_iter().take(room));
    }

    /// How many exchanges passed.
    pub fn exchanges(&self) -> usize {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .exchanges
    }

    /// What was wrong so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .violations
            .clone()
    }

    /// Fails the test when anything was wrong, or when nothing passed at all.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.exchanges() > 0, "no exchange was recorded");
        let violations = self.violations();
        let mut text = String::new();
        for violation in violations.iter().take(20) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {violation}");
        }
        assert!(
            violations.is_empty(),
            "{} exchanges differ from Graph's description:\n{text}",
            violations.len()
        );
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(header::CONTENT_TYPE)?.to_str().ok()?.to_owned())
}
