//! The client over real HTTP.
#![expect(
    clippy::unwrap_used,
    reason = "a broken test set-up should stop the test"
)]

mod every_call;
mod faults;
mod practice;
mod support;
mod tokens;
