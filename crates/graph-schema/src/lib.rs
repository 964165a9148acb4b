//! Checks HTTP exchanges with Microsoft Graph against its OpenAPI description. Used by tests only.
//!
//! `data/graph-openapi.json` is the slice of Microsoft's description that Signpost speaks, without
//! its prose. [`check`] judges one exchange; [`Conformance`] records every exchange of an
//! `axum::Router` and judges it on the way:
//!
//! ```no_run
//! # async fn run(router: axum::Router) {
//! let conformance = signpost_graph_schema::Conformance::new();
//! let router = conformance.record(router);
//! // … serve the router, run the test …
//! conformance.assert_clean();
//! # }
//! ```
//! Judged are: that the path and method exist, query options, names in `$select`, request bodies
//! with unknown properties refused, the status, and the body of the answer. Every part of a `$batch`
//! is judged as a request of its own. An answer with the header `x-practice-fault` was broken on
//! purpose: only its request is judged.

mod check;
mod document;
mod names;
mod record;

pub use check::{Exchange, Side, Violation, check};
pub use record::Conformance;
