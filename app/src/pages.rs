//! One module per page.

pub mod styleguide;
