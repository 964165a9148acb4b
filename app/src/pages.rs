//! One module per page.

pub mod account;
pub mod applications;
pub mod audit_log;
pub mod control;
pub mod federation;
pub mod groups;
pub mod import;
pub mod join;
pub mod login;
pub mod overview;
pub mod own;
pub mod problem;
pub mod readiness;
pub mod runs;
pub mod settings;
pub mod setup;
pub mod sign_in;
pub mod styleguide;
pub mod users;
