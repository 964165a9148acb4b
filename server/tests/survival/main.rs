//! What a run survives: the real binary against a real practice tenant, killed, stopped, starved
//! and lied to, and compared with an undisturbed run.
//!
//! Each kind of fault happens here with few fixed seeds; `make faults` repeats them many times.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, in helpers too"
)]

mod clock;
mod holders;
mod killing;
mod kills;
mod processes;
mod sources;
mod storage;
mod stories;
mod tenant;
mod tenant_changes;
mod world;

/// A run of a few hundred actions.
pub(crate) const PEOPLE: u128 = 100;
