//! What a load balancer asks.

use app::portal::Portal;
use axum::Extension;
use http::StatusCode;
use signpost_app as app;

/// The process answers.
pub async fn healthz() -> &'static str {
    "ok"
}

/// The process can do its work: the database answers and can be written.
pub async fn readyz(Extension(portal): Extension<Portal>) -> (StatusCode, &'static str) {
    match portal.store.check_health(portal.clock.now()).await {
        Ok(()) => (StatusCode::OK, "ready"),
        Err(error) => {
            tracing::warn!(error = %error, "not ready: the database cannot be worked with");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the database cannot be read and written",
            )
        }
    }
}
