//! The client over real HTTP.
#![expect(
    clippy::unwrap_used,
    reason = "a broken test set-up should stop the test"
)]

mod faults;
mod support;
mod tokens;
