//! The only error a browser ever sees: kinds, no causes and no internals.

use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};
use signpost_model::Role;

/// What went wrong, as far as the browser may know. The page words it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum PortalError {
    /// Nobody is signed in.
    #[error("signed out")]
    SignedOut,
    /// The operator's role does not reach.
    #[error("forbidden")]
    Forbidden { needed: Role },
    /// There is no such thing, or it is not yours to see.
    #[error("not found")]
    NotFound,
    /// The request is not one that our pages send.
    #[error("bad request")]
    BadRequest,
    /// More was sent than is taken.
    #[error("too large")]
    TooLarge,
    /// The form was made for an older version, or in another session.
    #[error("stale form")]
    Stale,
    /// Too many tries, or too much work waiting.
    #[error("busy")]
    Busy,
    /// Something failed on our side; the log has the chain under this reference.
    #[error("internal error, reference {reference}")]
    Internal { reference: String },
}

impl PortalError {
    /// The status of the answer.
    pub const fn status(&self) -> http::StatusCode {
        match self {
            Self::SignedOut => http::StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => http::StatusCode::FORBIDDEN,
            Self::NotFound => http::StatusCode::NOT_FOUND,
            Self::BadRequest => http::StatusCode::BAD_REQUEST,
            Self::TooLarge => http::StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stale => http::StatusCode::CONFLICT,
            Self::Busy => http::StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal { .. } => http::StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl FromServerFnError for PortalError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        // The framework's own errors (a body that does not parse) carry text of the request.
        tracing::debug!(error = %error, "server function refused the request");
        Self::BadRequest
    }
}
