//! How users sign in: the browser they use, the request that waits, and what comes next.

pub mod ask;
pub mod cookies;
pub mod flow;
pub mod session;

pub use ask::Ask;
