//! What a handler gives back: an answer, or a refusal in Graph's error format.

use serde::Serialize;
use serde_json::{Value, json};

use crate::clock::{Millis, error_date};

/// The body of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Empty,
    Json(Vec<u8>),
    Raw {
        content_type: String,
        bytes: Vec<u8>,
    },
}

/// A successful answer of one request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    /// Whether a write changed anything; reads say `Unchanged`.
    pub(crate) effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Changed,
    Unchanged,
}

impl From<bool> for Effect {
    fn from(changed: bool) -> Self {
        if changed {
            Self::Changed
        } else {
            Self::Unchanged
        }
    }
}

impl Answer {
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        // Views are made of strings, numbers and lists: they always serialise.
        let bytes = serde_json::to_vec(body).unwrap_or_default();
        Self {
            status,
            headers: Vec::new(),
            body: Body::Json(bytes),
            effect: Effect::Unchanged,
        }
    }

    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn no_content(effect: Effect) -> Self {
        Self {
            status: 204,
            headers: Vec::new(),
            body: Body::Empty,
            effect,
        }
    }

    pub(crate) fn raw(content_type: &str, bytes: Vec<u8>) -> Self {
        let body = Body::Raw {
            content_type: content_type.to_owned(),
            bytes,
        };
        Self {
            status: 200,
            headers: Vec::new(),
            body,
            effect: Effect::Unchanged,
        }
    }

    pub(crate) fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A request the tenant does not carry out.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) details: Vec<Detail>,
    pub(crate) inner: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Detail {
    pub(crate) code: &'static str,
    pub(crate) target: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code,
            message,
            details: Vec::new(),
            inner: Vec::new(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "Request_BadRequest", message)
    }

    pub(crate) fn unsupported_query(message: impl Into<String>) -> Self {
        Self::new(400, "Request_UnsupportedQuery", message)
    }

    pub(crate) fn not_found(id: &str) -> Self {
        let message = format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
        );
        Self::new(404, "Request_ResourceNotFound", message)
    }

    pub(crate) fn denied() -> Self {
        Self::new(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    pub(crate) fn taken(property: &str) -> Self {
        let message =
            format!("Another object with the same value for property {property} already exists.");
        let mut refusal = Self::bad_request(message);
        refusal.details.push(Detail {
            code: "ObjectConflict",
            target: property.to_owned(),
        });
        refusal
    }

    pub(crate) fn missing_value(property: &str, resource: &str) -> Self {
        Self::bad_request(format!(
            "A value is required for property '{property}' of resource '{resource}'."
        ))
    }

    pub(crate) fn invalid_value(property: &str) -> Self {
        let mut refusal = Self::bad_request(format!(
            "Invalid value specified for property '{property}' of resource 'User'."
        ));
        refusal.details.push(Detail {
            code: "InvalidValue",
            target: property.to_owned(),
        });
        refusal
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Graph's error body.
    pub(crate) fn body(&self, now: Millis, request_id: &str, client_request_id: &str) -> Value {
        let mut inner = serde_json::Map::new();
        for (name, value) in &self.inner {
            inner.insert((*name).to_owned(), json!(value));
        }
        inner.insert("date".to_owned(), json!(error_date(now)));
        inner.insert("request-id".to_owned(), json!(request_id));
        inner.insert("client-request-id".to_owned(), json!(client_request_id));
        let mut error = json!({ "code": self.code, "message": self.message });
        if !self.details.is_empty() {
            let message = &self.message;
            let details = self
                .details
                .iter()
                .map(|d| json!({"code": d.code, "target": d.target, "message": message}));
            error["details"] = details.collect();
        }
        error["innerError"] = Value::Object(inner);
        json!({ "error": error })
    }
}

pub(crate) type Outcome = Result<Answer, Refusal>;
