//! One module per page.

pub mod applications;
pub mod overview;
pub mod problem;
pub mod runs;
pub mod setup;
pub mod sign_in;
pub mod styleguide;
