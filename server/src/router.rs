//! The whole server as one router: pages, server functions, assets, probes, in one order of
//! layers. Tests drive exactly this.

use std::sync::Arc;
use std::time::Duration;

use app::App;
use app::portal::Portal;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use leptos::config::LeptosOptions;
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes, generate_route_list};
use signpost_app as app;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time;
use tower_sessions::{Expiry, SessionManagerLayer};

use crate::address::Network;
use crate::gate::{self, Gate};
use crate::headers::{self, Secure};
use crate::sessions::DatabaseSessions;
use crate::{federation, metrics, probes};

/// The largest body of any request: a CSV file of 100,000 people with long values.
const MOST_BODY_BYTES: usize = 64 * 1024 * 1024;

/// The longest an answer may take. Uploads of large files are the slowest.
const LONGEST_ANSWER: Duration = Duration::from_secs(120);

/// Builds the router of the portal.
pub fn build(portal: Portal, trusted_proxies: Vec<Network>) -> Router {
    let secure = portal.settings.public_url.starts_with("https://");
    let options = LeptosOptions::builder().output_name("signpost").build();
    let pages = generate_route_list(App);
    let gate = Gate {
        portal: portal.clone(),
        trusted_proxies: Arc::new(trusted_proxies),
    };

    let sessions = SessionManagerLayer::new(DatabaseSessions::new(portal.clone()))
        .with_name(if secure {
            "__Host-signpost"
        } else {
            "signpost"
        })
        .with_secure(secure)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(time::Duration::milliseconds(
            app::session::IDLE_MS,
        )));

    let context = {
        let portal = portal.clone();
        move || provide_context(portal.clone())
    };
    Router::new()
        .route("/assets/{*path}", get(asset))
        .route(
            "/favicon.ico",
            get(|| async { Redirect::permanent(app::assets::favicon_url()) }),
        )
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(metrics::show))
        .route(
            "/applications/{id}/powershell/{script}",
            get(app::pages::applications::script_file),
        )
        .route(
            "/applications/{id}/immutable-ids.csv",
            get(app::pages::federation::immutable_ids_file),
        )
        .route("/federation/{id}", get(federation::metadata))
        .route(
            "/federation/{id}/sign-in",
            get(federation::sign_in).post(federation::sign_in_by_post),
        )
        .route(
            "/federation/{id}/sign-out",
            get(federation::sign_out).post(federation::sign_out_by_post),
        )
        .route("/federation/{id}/metadata.xml", get(federation::metadata))
        .route(
            "/federation/{id}/logo/{name}",
            get(app::pages::applications::logo_file),
        )
        .route("/import/sample.csv", get(app::pages::import::sample))
        .route("/import/{id}/events", get(app::pages::import::events))
        .route(
            "/import/{id}/problems.csv",
            get(app::pages::import::problems),
        )
        .route(
            "/audit-log/events.csv",
            get(app::pages::audit_log::events_csv),
        )
        .route(
            "/applications/{id}/readiness/events",
            get(app::pages::readiness::events),
        )
        .route(
            "/applications/{id}/readiness/files/{file}",
            get(app::pages::readiness::file),
        )
        .route("/runs/{id}/events", get(app::pages::runs::events))
        .route("/runs/{id}/actions.csv", get(app::pages::runs::actions_csv))
        .route(
            "/runs/{id}/actions.json",
            get(app::pages::runs::actions_json),
        )
        .route("/api/{*function}", post(server_function))
        .leptos_routes_with_context(&options, pages, context, app::document)
        .fallback(|| async { StatusCode::NOT_FOUND })
        .with_state(options)
        .layer(axum::Extension(portal))
        // Innermost first. The gate runs after routing: it asks which route was matched.
        .layer(from_fn_with_state(gate, gate::pass))
        .layer(sessions)
        .layer(RequestBodyLimitLayer::new(MOST_BODY_BYTES))
        .layer(CompressionLayer::new())
        .layer(from_fn(metrics::count))
        .layer(from_fn_with_state(Secure(secure), headers::protect))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            LONGEST_ANSWER,
        ))
}

async fn server_function(
    axum::Extension(portal): axum::Extension<Portal>,
    request: Request,
) -> Response {
    leptos_axum::handle_server_fns_with_context(move || provide_context(portal.clone()), request)
        .await
        .into_response()
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = app::assets::asset(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let accepts_brotli = headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accepted| accepted.contains("br"));
    let compressed = asset.brotli().filter(|_| accepts_brotli);
    let mut response = Response::new(Body::from(compressed.unwrap_or(&asset.body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static(app::assets::CACHE_CONTROL),
    );
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if compressed.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    response
}
