//! Plans carried out on a real practice tenant over HTTP, undisturbed and disturbed.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, in helpers too"
)]

mod faults;
mod laws;
mod long;
mod matrix;
mod observing;
mod portal;
mod practice;
mod stories;
mod weather;
