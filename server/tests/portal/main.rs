//! The portal as browsers see it: the real router, a real database, a clock that stands.

#![recursion_limit = "512"]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

#[path = "../support/mod.rs"]
mod support;

mod applications;
mod assets;
mod imports;
mod people;
mod second_factor;
mod sessions;
mod signing_in;
mod syncing;
