//! The portal as browsers see it: the real router, a real database, a clock that stands.

#![recursion_limit = "512"]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod applications;
mod assets;
mod attacks;
mod audit_log;
mod bad_input;
mod circle;
mod commands;
mod control;
mod cross_site;
mod federating;
mod federation;
mod group_push;
mod imports;
mod lessons;
mod mail;
mod operators;
mod own_key;
mod own_side;
mod people;
mod readiness;
mod second_factor;
mod secrets;
mod sessions;
mod sign_on;
mod signing_in;
mod syncing;
mod tenant_plans;
