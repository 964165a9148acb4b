//! The portal's pages, rendered on the server. Every page is complete HTML, every change a form's post; the scripts
//! in `behaviours/` only add comfort.

#![expect(
    unreachable_pub,
    reason = "the component macro makes every component that is not private fully public"
)]

pub mod assets;
pub mod components;
pub mod pages;
#[cfg(test)]
mod rendering;
pub mod shell;
pub mod urls;
