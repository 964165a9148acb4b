//! Counters and timings in Prometheus' text form, on `/metrics`.

use std::sync::LazyLock;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The labels of one kind of request. The route is the pattern, never the path: bounded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

/// The labels of one kind of Graph call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct GraphLabels {
    pub method: String,
    pub route: String,
    pub status: u16,
}

struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Histogram,
    graph_calls: Family<GraphLabels, Counter>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let mut registry = Registry::with_prefix("signpost");
    let requests = Family::default();
    registry.register("http_requests", "Requests answered", requests.clone());
    let durations = Histogram::new([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]);
    registry.register_with_unit(
        "http_request_duration",
        "Time to answer a request",
        Unit::Seconds,
        durations.clone(),
    );
    let graph_calls = Family::default();
    registry.register(
        "graph_calls",
        "Calls to Microsoft Graph",
        graph_calls.clone(),
    );
    Metrics {
        registry,
        requests,
        durations,
        graph_calls,
    }
});

/// Counts one call to Microsoft Graph.
pub fn count_graph_call(labels: &GraphLabels) {
    METRICS.graph_calls.get_or_create(labels).inc();
}

/// Counts and times each request.
pub async fn count(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "(none)".to_owned(), |path| path.as_str().to_owned());
    let method = match request.method().as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        _ => "other",
    };
    let start = tokio::time::Instant::now();
    let response = next.run(request).await;
    METRICS.durations.observe(start.elapsed().as_secs_f64());
    let status = response.status().as_u16();
    METRICS
        .requests
        .get_or_create(&RequestLabels {
            method,
            route,
            status,
        })
        .inc();
    response
}

/// The metrics of this process.
pub async fn show() -> Response {
    let mut text = String::new();
    if encode(&mut text, &METRICS.registry).is_err() {
        return http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    (
        [(
            CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    )
        .into_response()
}
