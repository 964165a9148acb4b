//! The practice tenant over real HTTP: it behaves like `graph.md`, statement by statement.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

mod batches;
mod control;
mod directory;
mod every_route;
mod federation;
mod groups;
mod harness;
mod licensing;
mod tokens;
