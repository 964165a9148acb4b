//! The page for people.

use std::sync::Arc;

use axum::Router;

use crate::practice::PracticeTenant;

pub(crate) fn router() -> Router<Arc<PracticeTenant>> {
    Router::new()
}
