//! Who may reach which route: the one table that the gate asks and the role test walks.
//!
//! A route without an entry is refused, and a test fails. Server functions ask for the role
//! again themselves ([`crate::visit::require`]): they are public endpoints.

use signpost_model::Role;

use crate::pages;

/// What a route asks of its visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, signed in or not.
    Public,
    /// Whoever is signed in with a role that includes this one.
    Role(Role),
    /// A user of the directory who is signed in, about themselves.
    User,
}

/// One route: method, path as the router knows it, and what it asks.
pub type Route = (&'static str, &'static str, Access);

/// Shorthands for the tables.
pub const PUBLIC: Access = Access::Public;
/// Any operator.
pub const READ: Access = Access::Role(Role::Auditor);
/// Administrators and owners.
pub const WRITE: Access = Access::Role(Role::Administrator);
/// Owners only.
pub const OWN: Access = Access::Role(Role::Owner);

/// Every route, in tables that stand beside their pages.
pub const TABLES: &[&[Route]] = &[
    BASE,
    pages::applications::ROUTES,
    pages::control::ROUTES,
    pages::federation::ROUTES,
    pages::groups::ROUTES,
    pages::import::ROUTES,
    pages::join::ROUTES,
    pages::login::ROUTES,
    pages::overview::ROUTES,
    pages::own::ROUTES,
    pages::account::ROUTES,
    pages::settings::ROUTES,
    pages::audit_log::ROUTES,
    pages::readiness::ROUTES,
    pages::runs::ROUTES,
    pages::setup::ROUTES,
    pages::sign_in::ROUTES,
    pages::users::ROUTES,
];

const BASE: &[Route] = &[
    ("GET", "/assets/{*path}", PUBLIC),
    ("GET", "/favicon.ico", PUBLIC),
    ("GET", "/styleguide", READ),
    ("GET", "/healthz", PUBLIC),
    ("GET", "/readyz", PUBLIC),
    ("GET", "/metrics", PUBLIC),
    ("GET", "/federation/{id}", PUBLIC),
    ("GET", "/federation/{id}/sign-in", PUBLIC),
    ("POST", "/federation/{id}/sign-in", PUBLIC),
    ("GET", "/federation/{id}/sign-out", PUBLIC),
    ("POST", "/federation/{id}/sign-out", PUBLIC),
    ("GET", "/federation/{id}/metadata.xml", PUBLIC),
    ("GET", "/federation/{id}/logo/{name}", PUBLIC),
];

/// Every route once.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// What the route asks; `None` when it has no entry and is refused.
pub fn access_of(method: &http::Method, route: &str) -> Option<Access> {
    let method = if method == http::Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    routes()
        .find(|(known, path, _)| *known == method && *path == route)
        .map(|(_, _, access)| *access)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_route_stands_twice() {
        let mut seen = HashSet::new();
        for (method, path, _) in routes() {
            assert!(seen.insert((method, path)), "{method} {path}");
        }
    }

    #[test]
    fn nothing_that_changes_something_is_open_to_auditors_but_their_own_session() {
        for (method, path, access) in routes() {
            let own = ["/api/sign-out", "/api/account/", "/api/theme"];
            if *method == "POST" && !own.iter().any(|prefix| path.starts_with(prefix)) {
                assert_ne!(*access, READ, "{path}");
            }
        }
    }
}
