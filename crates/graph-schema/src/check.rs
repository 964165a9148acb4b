//! Judging one exchange.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::document::{DOCUMENT, Found};
use crate::names;

/// A request and its answer as they went over the wire.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// HTTP method.
    pub method: String,
    /// Path and query, from the first `/` after the host.
    pub url: String,
    /// `Content-Type` of the request.
    pub request_type: Option<String>,
    /// Body of the request.
    pub request_body: Vec<u8>,
    /// Status of the answer.
    pub status: u16,
    /// `Content-Type` of the answer.
    pub response_type: Option<String>,
    /// Body of the answer.
    pub response_body: Vec<u8>,
    /// The answer was broken on purpose: only the request is judged.
    pub faulted: bool,
}

/// Which half of an exchange broke the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What the client sent.
    Request,
    /// What the server answered.
    Response,
}

/// One way in which an exchange differs from the description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Method and URL.
    pub call: String,
    /// Which half.
    pub side: Side,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Request => "request",
            Side::Response => "response",
        };
        write!(f, "{} ({side}): {}", self.call, self.problem)
    }
}

/// Paths beside Graph that its description does not hold.
fn is_outside(path: &str) -> bool {
    path == "/_practice"
        || path.starts_with("/_practice/")
        || path.ends_with("/.well-known/openid-configuration")
        || path == "/common/discovery/instance"
}

/// Everything that is wrong with an exchange; nothing when it conforms.
pub fn check(exchange: &Exchange) -> Vec<Violation> {
    let (path, query) = exchange.url.split_once('?').unwrap_or((&exchange.url, ""));
    if is_outside(path) {
        return Vec::new();
    }
    let mut judge = Judge {
        exchange,
        violations: Vec::new(),
    };
    let (below, is_beta) = match (path.strip_prefix("/v1.0"), path.strip_prefix("/beta")) {
        (Some(below), _) => (below, false),
        (None, Some(below)) => (below, true),
        (None, None) => (path, false),
    };
    match DOCUMENT.find(&exchange.method, below, is_beta) {
        Found::Nothing => judge.blame(Side::Request, "no such path in the description"),
        Found::NoMethod(route) => judge.blame(
            Side::Request,
            format!("{route} has no method {}", exchange.method),
        ),
        Found::Operation(operation) => {
            judge.query(operation, query);
            judge.request_body(operation);
            if !exchange.faulted {
                judge.response(operation);
            }
            if operation["operationId"] == "batch.post" {
                judge.parts(is_beta);
            }
        }
    }
    judge.violations
}

struct Judge<'a> {
    exchange: &'a Exchange,
    violations: Vec<Violation>,
}

impl Judge<'_> {
    fn blame(&mut self, side: Side, problem: impl Into<String>) {
        let call = format!("{} {}", self.exchange.method, self.exchange.url);
        self.violations.push(Violation {
            call,
            side,
            problem: problem.into(),
        });
    }

    fn query(&mut self, operation: &Value, query: &str) {
        let known: Vec<&str> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| one["in"] == "query")
            .filter_map(|one| one["name"].as_str())
            .collect();
        let pages = ["$skiptoken", "$deltatoken", "$format"];
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&name.as_ref()) && !pages.contains(&name.as_ref()) {
                self.blame(Side::Request, format!("unknown query option '{name}'"));
            }
            match name.as_ref() {
                "$top" | "$skip" if value.parse::<u32>().is_err() => {
                    self.blame(Side::Request, format!("{name} is not a number"))
                }
                "$count" if value != "true" && value != "false" => {
                    self.blame(Side::Request, "$count is not a boolean")
                }
                "$select" => self.select(operation, &value),
                _ => {}
            }
        }
    }

    /// Every selected name must be a property of what comes back.
    fn select(&mut self, operation: &Value, names: &str) {
        let Some(schema) = success(operation).and_then(|(_, answer)| json_schema(answer)) else {
            return;
        };
        let schema = names::property(&schema, "value")
            .and_then(|list| names::items_of(&list))
            .unwrap_or(schema);
        let is_base = schema
            .get("$ref")
            .and_then(Value::as_str)
            .is_some_and(|name| name.ends_with(".directoryObject"));
        for name in names.split(',').map(str::trim) {
            if !is_base && names::property(&schema, name).is_none() {
                self.blame(
                    Side::Request,
                    format!("$select names '{name}', which is not a property"),
                );
            }
        }
    }

    fn request_body(&mut self, operation: &Value) {
        let body = &self.exchange.request_body;
        let content = &operation["requestBody"]["content"];
        let is_empty = body.is_empty() || body.as_slice() == b"{}";
        if content.is_null() {
            if !is_empty {
                self.blame(Side::Request, "a body where none is described");
            }
            return;
        }
        if body.is_empty() {
            if operation["requestBody"]["required"] == true
                && operation["operationId"]
                    != "directory.deletedItems.directoryObject.id.restore.post"
            {
                self.blame(Side::Request, "the body is missing");
            }
            return;
        }
        let kind = self
            .exchange
            .request_type
            .as_deref()
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let Some(described) = content.get(kind) else {
            self.blame(
                Side::Request,
                format!("content type '{kind}' is not described"),
            );
            return;
        };
        let value = match kind {
            "application/json" => serde_json::from_slice(body).ok(),
            "application/x-www-form-urlencoded" => Some(form(body)),
            _ => return,
        };
        match value {
            None => self.blame(Side::Request, "the body is not JSON"),
            Some(value) => self.body(Side::Request, &described["schema"], &value),
        }
    }

    fn response(&mut self, operation: &Value) {
        let status = self.exchange.status;
        let answers = &operation["responses"];
        let class = format!("{}XX", status / 100);
        let Some(answer) = answers
            .get(status.to_string())
            .or_else(|| answers.get(class))
        else {
            self.blame(Side::Response, format!("status {status} is not described"));
            return;
        };
        let body = &self.exchange.response_body;
        let answer = DOCUMENT.resolve(answer);
        let Some(schema) = json_schema(answer) else {
            if answer.get("content").is_none() && !body.is_empty() {
                self.blame(Side::Response, "a body where none is described");
            }
            return;
        };
        let is_json = self
            .exchange
            .response_type
            .as_deref()
            .is_some_and(|kind| kind.starts_with("application/json"));
        match serde_json::from_slice(body) {
            Ok(value) if is_json => self.body(Side::Response, &schema, &value),
            _ => self.blame(Side::Response, "the body is not JSON"),
        }
    }

    fn body(&mut self, side: Side, schema: &Value, value: &Value) {
        let mut problems: Vec<String> = Vec::new();
        for error in DOCUMENT.validator(schema).iter_errors(value) {
            problems.push(format!("{}: {error}", error.instance_path));
        }
        names::problems(schema, value, "", &mut problems);
        for problem in problems {
            self.blame(side, problem);
        }
    }

    /// Judges every part of a batch as an exchange of its own.
    fn parts(&mut self, is_beta: bool) {
        let parse = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap_or_default();
        let (asked, answered) = (
            parse(&self.exchange.request_body),
            parse(&self.exchange.response_body),
        );
        let version = if is_beta { "/beta" } else { "/v1.0" };
        for request in asked["requests"].as_array().into_iter().flatten() {
            let answer = answered["responses"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|answer| answer["id"] == request["id"]);
            let refused_whole = self.exchange.status >= 400;
            let part = part(
                version,
                request,
                answer,
                self.exchange.faulted || refused_whole,
            );
            self.violations
                .extend(check(&part).into_iter().map(|found| Violation {
                    call: format!("$batch part {}", found.call),
                    ..found
                }));
        }
    }
}

fn part(version: &str, request: &Value, answer: Option<&Value>, faulted: bool) -> Exchange {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let header = |value: Option<&Value>| {
        let headers = value.and_then(|value| value["headers"].as_object());
        let found = headers.and_then(|all| {
            all.iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        });
        found
            .and_then(|(_, value)| value.as_str())
            .map(str::to_owned)
    };
    let bytes = |value: Option<&Value>| {
        value
            .filter(|body| !body.is_null())
            .map(|body| body.to_string().into_bytes())
            .unwrap_or_default()
    };
    let url = text(request, "url");
    Exchange {
        method: text(request, "method"),
        url: format!("{version}/{}", url.trim_start_matches('/')),
        request_type: header(Some(request)),
        request_body: bytes(request.get("body")),
        status: answer
            .and_then(|answer| answer["status"].as_u64())
            .and_then(|status| u16::try_from(status).ok())
            .unwrap_or_default(),
        response_type: header(answer),
        response_body: bytes(answer.and_then(|answer| answer.get("body"))),
        // A part without an answer has no answer to judge.
        faulted: faulted || answer.is_none(),
    }
}

fn form(body: &[u8]) -> Value {
    let fields: Map<String, Value> = form_urlencoded::parse(body)
        .map(|(name, value)| (name.into_owned(), json!(value)))
        .collect();
    Value::Object(fields)
}

/// The first successful answer of an operation.
fn success(operation: &Value) -> Option<(&String, &Value)> {
    operation["responses"]
        .as_object()?
        .iter()
        .find(|(status, _)| status.starts_with('2'))
}

fn json_schema(answer: &Value) -> Option<Value> {
    Some(
        DOCUMENT
            .resolve(answer)
            .get("content")?
            .get("application/json")?
            .get("schema")?
            .clone(),
    )
}
