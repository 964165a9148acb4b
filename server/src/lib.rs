//! The server of Signpost: settings, router, sign-in gate, worker and command line.

// Leptos' views are deeply nested types.
#![recursion_limit = "512"]

pub mod address;
pub mod ambient;
pub mod command;
pub mod config;
mod error_page;
mod gate;
mod headers;
pub mod metrics;
mod probes;
pub mod router;
pub mod serve;
mod sessions;
