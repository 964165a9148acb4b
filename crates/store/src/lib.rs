//! The only SQL of Signpost: one text for SQLite and PostgreSQL.
//!
//! Nothing here reads a clock or draws random numbers: `now` and `random` are arguments. Rows are
//! private and are converted at the edge; constraint violations become values ([`Constraint`]).

pub mod account_readings;
pub mod accounts;
pub mod applications;
pub mod asked_people;
pub mod assignments;
pub mod audit;
pub mod backup;
pub mod claims;
pub mod connection_certificates;
pub mod connections;
pub mod credentials;
pub mod database;
pub mod drifts;
pub mod error;
pub mod factors;
pub mod federations;
pub mod following;
pub mod group_policies;
pub mod group_push;
pub mod groups;
pub mod health;
pub mod identity_providers;
pub mod immutable_ids;
pub mod imports;
pub mod kept_values;
pub mod licenses;
pub mod logos;
pub mod mail_settings;
pub mod mails;
pub mod memberships;
pub mod one_time_links;
pub mod operator_links;
pub mod operators;
pub mod paging;
pub mod passkeys;
pub mod password_requests;
pub mod plan_inputs;
pub mod policies;
pub mod provisioning;
pub mod readiness;
pub mod remembered_devices;
pub mod rotation;
pub mod runs;
pub mod schedule;
pub mod scope;
pub mod sealing;
pub mod sessions;
pub mod settings;
pub mod setup;
pub mod sign_ins;
pub mod sign_on;
pub mod signing_keys;
pub mod snapshots;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod throttles;
pub mod token;
pub mod unanswered;
pub mod user_applications;
pub mod user_sessions;
pub mod users;
pub mod wishes;

mod bulk;
#[cfg(test)]
mod control_tests;
mod counts;
#[cfg(test)]
mod fixtures;
mod packed;
mod readers;
mod rows;
mod statement;
mod statistics;
#[cfg(test)]
mod touching_tests;

pub use counts::Total;
pub use database::{DatabaseSettings, Engine, Read, Store, Write};
pub use error::{Constraint, Error, Result};
pub use paging::{Cursor, Page, PageRequest};
pub use sealing::{MasterKey, RowIdentity, Sealer};
pub use token::TokenHash;
