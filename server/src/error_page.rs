//! Refusals as pages: what happened and the next useful link, in the portal's own frame.

use app::portal::Portal;
use app::visit::Visit;
use axum::response::{Html, IntoResponse, Response};
use futures::stream::{self, StreamExt};
use http::StatusCode;
use leptos::prelude::{Owner, RenderHtml, provide_context};
use leptos_meta::ServerMetaContext;
use signpost_app as app;

/// The page for a status, for this visitor.
pub async fn render(portal: &Portal, visit: Visit, status: StatusCode) -> Response {
    let (meta, collected) = ServerMetaContext::new();
    let html = Owner::new().with(|| {
        provide_context(meta);
        provide_context(portal.clone());
        provide_context(visit.clone());
        app::error_document(status).to_html()
    });
    // The title was met in the body and belongs into the head.
    let page = collected
        .inject_meta_context(stream::iter([html]))
        .await
        .collect::<String>()
        .await;
    (status, Html(page)).into_response()
}
