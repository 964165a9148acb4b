//! Refusals as pages: what happened and the next useful link, in the portal's own frame.

use app::portal::Portal;
use app::visit::Visit;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use leptos::prelude::{Owner, RenderHtml, provide_context};
use signpost_app as app;

/// The page for a status, for this visitor.
pub async fn render(portal: &Portal, visit: Visit, status: StatusCode) -> Response {
    let html = Owner::new().with(|| {
        provide_context(portal.clone());
        provide_context(visit.clone());
        app::error_document(status).to_html()
    });
    (status, Html(html)).into_response()
}
