//! The server of Signpost: settings, router, sign-in gate, worker and command line.

// Leptos' views are deeply nested types.
#![recursion_limit = "512"]

pub mod address;
pub mod ambient;
pub mod cleaning;
pub mod command;
pub mod config;
pub mod error_page;
mod federation;
pub mod gate;
pub mod headers;
pub mod jobs;
pub mod mailer;
pub mod memory;
pub mod metrics;
pub mod operators;
pub mod practice;
pub mod probes;
pub mod readings;
pub mod router;
pub mod serve;
pub mod sessions;
pub mod tls;
pub mod upkeep;
pub mod worker;
