//! What the planner decides, and the laws it keeps.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, in helpers too"
)]

mod control;
mod decisions;
mod groups;
mod laws;
mod support;
