//! Settings of the installation: who runs it, how they sign in, whose it is.

mod about;
mod mail;
mod operator;
mod operator_acts;
mod operators;
mod organisation;
mod security;

use leptos::prelude::*;

use crate::access::{OWN, READ, Route};
use crate::components::{PageHeader, Tab, TabPlace, Tabs};
use crate::shell::Notices;
use crate::urls;

pub use about::About;
pub(crate) use mail::Outcome as MailOutcome;
pub use mail::{MailPage, remove_mail, save_mail, send_test_mail};
pub use operator::{OperatorPage, RemoveOperator, update_operator};
pub use operator_acts::{
    disable_operator, enable_operator, remove_operator, reset_operator_factor,
    reset_operator_password,
};
pub use operators::{NewOperatorPage, Operators, create_operator, initial_password};
pub use organisation::{OrganisationPage, save_organisation};
pub use security::{Security, save_security};

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/settings", READ),
    ("GET", "/settings/security", READ),
    ("GET", "/settings/organisation", READ),
    ("GET", "/settings/mail", READ),
    ("GET", "/settings/about", READ),
    ("GET", "/settings/operators/new", OWN),
    ("GET", "/settings/operators/{id}", OWN),
    ("GET", "/settings/operators/{id}/remove", OWN),
    ("POST", "/api/operators/create", OWN),
    ("POST", "/api/operators/update", OWN),
    ("POST", "/api/operators/disable", OWN),
    ("POST", "/api/operators/enable", OWN),
    ("POST", "/api/operators/remove", OWN),
    ("POST", "/api/operators/reset-password", OWN),
    ("POST", "/api/operators/reset-second-factor", OWN),
    ("POST", "/api/settings/security", OWN),
    ("POST", "/api/settings/organisation", OWN),
    ("POST", "/api/settings/mail", OWN),
    ("POST", "/api/settings/mail/test", OWN),
    ("POST", "/api/settings/mail/remove", OWN),
];

/// The header that the tabs share, with what the last post left.
#[component]
fn SettingsHeader(current: &'static str) -> impl IntoView {
    let tabs = [
        ("Operators", urls::SETTINGS),
        ("Security", urls::SECURITY),
        ("Organisation", urls::ORGANISATION),
        ("Mail", urls::MAIL),
        ("About", urls::ABOUT),
    ]
    .map(|(label, href)| Tab {
        label,
        href: href.to_owned(),
        place: TabPlace::here(href == current),
    });
    view! {
        <PageHeader title="Settings" />
        <Tabs label="Settings" tabs=tabs.to_vec() />
        <Notices />
    }
    .into_any()
}
