//! One module per page.

pub mod problem;
pub mod styleguide;
