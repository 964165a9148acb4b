//! The portal's pages, rendered on the server. Every page is complete HTML, every change a form's post; the scripts
//! in `behaviours/` only add comfort.

#![expect(
    unreachable_pub,
    reason = "the component macro makes every component that is not private fully public"
)]
// Leptos' views are deeply nested types.
#![recursion_limit = "512"]

pub mod access;
pub mod assets;
pub mod components;
pub mod connection_check;
pub mod connector;
pub mod csv;
pub mod error;
pub mod federation;
pub mod forms;
pub mod identity;
pub mod listing;
pub mod login;
pub mod logo;
pub mod mailing;
pub mod pages;
pub mod passkeys;
pub mod passwords;
pub mod permissions;
pub mod policy;
pub mod portal;
pub mod product_names;
pub mod readiness;
#[cfg(test)]
mod rendering;
mod root;
pub mod second_factor;
pub mod session;
pub mod shell;
pub mod shown_once;
pub mod throttling;
mod uploads;
pub mod urls;
pub mod visit;

pub use root::{App, document, error_document};
