//! A call before it is sent.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use crate::route::{Cost, Route};

/// One call to Graph: the route, and what fills it.
#[derive(Clone)]
pub struct Request {
    pub(crate) route: &'static Route,
    pub(crate) target: Target,
    /// Headers beside those every request carries.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Option<Value>,
    pub(crate) cost: Cost,
    /// Whether the tenant may change; a batch of reads is sent by POST and changes nothing.
    pub(crate) writes: bool,
    /// Whether only the beta version of Graph knows the call.
    pub(crate) beta: bool,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Below Graph's version, with its query: `/users?$top=999`.
    Path(String),
    /// A link that Graph gave, followed unchanged.
    Link(String),
}

impl Request {
    pub(crate) fn new(route: &'static Route, path: impl Into<String>) -> Self {
        Self {
            route,
            target: Target::Path(path.into()),
            headers: Vec::new(),
            body: None,
            cost: route.cost(),
            writes: route.is_write(),
            beta: false,
        }
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn beta(mut self) -> Self {
        self.beta = true;
        self
    }

    /// `$expand` costs one resource unit more.
    pub(crate) fn expanded(mut self) -> Self {
        self.cost.units += 1;
        self
    }

    pub(crate) fn follow(&self, link: String) -> Self {
        Self {
            target: Target::Link(link),
            ..self.clone()
        }
    }

    /// Method and route template.
    pub fn route(&self) -> &'static Route {
        self.route
    }

    /// Path and query below Graph's version, as they are sent.
    pub fn path(&self) -> &str {
        match &self.target {
            Target::Path(path) | Target::Link(path) => path,
        }
    }
}

/// Shows no body: it may hold a password.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("route", &format_args!("{}", self.route))
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// What must be escaped inside a query value; OData's own `$ ' ( ) , / :` stay readable.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Appends query options to a path, in order.
pub(crate) fn with_query(path: &str, options: &[(&str, &str)]) -> String {
    let mut out = path.to_owned();
    for (i, (name, value)) in options.iter().enumerate() {
        out.push(if i == 0 { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        out.extend(utf8_percent_encode(value, QUERY));
    }
    out
}

/// A text as an OData literal: in quotes, with quotes inside doubled.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_cannot_break_out() {
        let filter = format!("mail eq {}", literal("o'neil&$top=1+x@contoso.com"));
        assert_eq!(
            with_query("/users", &[("$select", "id,mail"), ("$filter", &filter)]),
            "/users?$select=id,mail&$filter=mail%20eq%20'o''neil%26$top%3D1%2Bx@contoso.com'"
        );
    }

    #[test]
    fn debug_does_not_show_the_body() {
        let request = Request::new(&crate::route::CREATE_USER, "/users")
            .body(serde_json::json!({"passwordProfile": {"password": "Planted-Secret-1"}}));
        assert!(!format!("{request:?}").contains("Planted"));
    }
}
