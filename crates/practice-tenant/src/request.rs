//! One Graph request, whether it came alone or inside a batch.

use axum::body::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::answer::Refusal;
use crate::clock::Millis;
use crate::registrations::Access;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    Get,
    Post,
    Patch,
    Put,
    Delete,
}

impl Verb {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PATCH" => Self::Patch,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    Beta,
}

impl Version {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1.0",
            Self::Beta => "beta",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Payload {
    Empty,
    Json(Value),
    Bytes(Bytes),
}

/// The request headers that change an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// `ConsistencyLevel: eventual`.
    pub(crate) eventual: bool,
    /// `Prefer: return=minimal`.
    pub(crate) minimal: bool,
    pub(crate) priority: Priority,
    pub(crate) client_request_id: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Priority {
    Low,
    #[default]
    Normal,
    High,
}

impl Wishes {
    pub(crate) fn note(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("consistencylevel") {
            self.eventual = value.eq_ignore_ascii_case("eventual");
        } else if name.eq_ignore_ascii_case("prefer") {
            self.minimal |= value.to_ascii_lowercase().contains("return=minimal");
        } else if name.eq_ignore_ascii_case("client-request-id") {
            self.client_request_id = Some(value.chars().take(64).collect());
        } else if name.eq_ignore_ascii_case("x-ms-throttle-priority") {
            self.priority = match value.to_ascii_lowercase().as_str() {
                "low" => Priority::Low,
                "high" => Priority::High,
                _ => Priority::Normal,
            };
        }
    }
}

/// A request before it is matched with a route.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) verb: Verb,
    pub(crate) version: Version,
    /// Path below the version, decoded and in canonical spelling.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Query,
    pub(crate) wishes: Wishes,
    pub(crate) payload: Payload,
}

/// A matched request with everything a handler may look at.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) version: Version,
    pub(crate) params: Vec<&'a str>,
    pub(crate) path: &'a [String],
    pub(crate) query: &'a Query,
    pub(crate) wishes: &'a Wishes,
    pub(crate) payload: &'a Payload,
    pub(crate) access: &'a Access,
    pub(crate) base: &'a str,
    pub(crate) now: Millis,
}

impl Call<'_> {
    pub(crate) fn param(&self, index: usize) -> &str {
        self.params.get(index).copied().unwrap_or_default()
    }

    pub(crate) fn object_id(&self, index: usize) -> Result<Uuid, Refusal> {
        let text = self.param(index);
        Uuid::parse_str(text).map_err(|_| Refusal::not_found(text))
    }

    /// The JSON object in the body.
    pub(crate) fn object(&self) -> Result<&Map<String, Value>, Refusal> {
        match self.payload {
            Payload::Json(Value::Object(map)) => Ok(map),
            Payload::Empty => Err(Refusal::bad_request(
                "Empty Payload. JSON content expected.",
            )),
            _ => Err(Refusal::bad_request(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            )),
        }
    }

    pub(crate) fn context(&self, of: &str) -> String {
        format!("{}/{}/$metadata#{of}", self.base, self.version.name())
    }

    /// This request's own URL without its query.
    pub(crate) fn url(&self) -> String {
        format!(
            "{}/{}/{}",
            self.base,
            self.version.name(),
            self.path.join("/")
        )
    }

    /// Both `ConsistencyLevel: eventual` and `$count=true`.
    pub(crate) fn is_advanced(&self) -> bool {
        self.wishes.eventual && self.query.flag("$count")
    }
}

/// Query options in the order given, names decoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(pub(crate) Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        Self(
            form_urlencoded::parse(text.as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The same options with one replaced, for a next link.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let mut out = String::new();
        for (known, old) in self
            .0
            .iter()
            .filter(|(known, _)| !known.eq_ignore_ascii_case(name))
        {
            push_option(&mut out, known, old);
        }
        push_option(&mut out, name, value);
        out
    }
}

fn push_option(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push('&');
    }
    out.push_str(name);
    out.push('=');
    out.extend(percent_encoding::utf8_percent_encode(value, OPTION));
}

const OPTION: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b',')
    .remove(b'$')
    .remove(b'(')
    .remove(b')')
    .remove(b'\'');

/// Splits a path below the version into canonical segments: `delta()` is `delta`,
/// `microsoft.graph.user` is `graph.user`, `users('x')` is two segments.
pub(crate) fn segments(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    for raw in path.split('/').filter(|part| !part.is_empty()) {
        let part = percent_decode_str(raw).decode_utf8_lossy();
        push_segment(&mut out, &part);
    }
    out
}

fn push_segment(out: &mut Vec<String>, part: &str) {
    let part = part
        .strip_prefix("microsoft.graph.")
        .map_or_else(|| part.to_owned(), cast_or_function);
    let Some((name, rest)) = part.split_once('(') else {
        out.push(part);
        return;
    };
    let key = rest.strip_suffix(')').unwrap_or(rest);
    if key.is_empty() {
        out.push(name.to_owned());
    } else if let Some(value) = unquote(key) {
        out.push(name.to_owned());
        out.push(value);
    } else if let Some((alternate, value)) = key.split_once('=') {
        out.push(format!("{name}({})", alternate.trim()));
        out.push(unquote(value.trim()).unwrap_or_else(|| value.trim().to_owned()));
    } else {
        out.push(part);
    }
}

fn cast_or_function(name: &str) -> String {
    match name {
        "user" | "group" | "servicePrincipal" | "directoryRole" => format!("graph.{name}"),
        function => function.to_owned(),
    }
}

fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inner.replace("''", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_path_become_one() {
        assert_eq!(segments("/users/delta()"), ["users", "delta"]);
        assert_eq!(segments("/users/microsoft.graph.delta"), ["users", "delta"]);
        assert_eq!(segments("/users('a%40b')"), ["users", "a@b"]);
        assert_eq!(
            segments("/servicePrincipals(appId='x')"),
            ["servicePrincipals(appId)", "x"]
        );
        assert_eq!(
            segments("/directory/deletedItems/microsoft.graph.user"),
            ["directory", "deletedItems", "graph.user"]
        );
    }
}
