//! `$batch`: up to twenty requests in one, each carried out and throttled by itself (`graph.md` 3.4).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::answer::{Body, Refusal};
use crate::faults::{Held, Within};
use crate::graph::{Fate, Processed, Received};
use crate::practice::PracticeTenant;
use crate::registrations::Access;
use crate::request::{Incoming, Payload, Query, Verb, Version, Wishes, segments};

const MAX_PARTS: usize = 20;

/// What a batch came to.
#[derive(Debug)]
pub(crate) struct BatchAnswer {
    pub(crate) body: Vec<u8>,
    pub(crate) delay_ms: u64,
    pub(crate) fate: Fate,
    pub(crate) faulted: bool,
    pub(crate) held: Option<Held>,
}

struct Part<'a> {
    id: &'a str,
    depends_on: Vec<&'a str>,
    url: &'a str,
    incoming: Result<Incoming, Refusal>,
}

impl PracticeTenant {
    /// Carries out a whole batch; a refusal concerns the batch as such.
    pub(crate) fn batch(
        self: &Arc<Self>,
        version: Version,
        payload: Payload,
        access: &Access,
        base: &str,
    ) -> Result<BatchAnswer, Refusal> {
        let Payload::Json(mut body) = payload else {
            return Err(Refusal::new(
                400,
                "BadRequest",
                "Invalid batch payload format.",
            ));
        };
        let requests = body
            .get_mut("requests")
            .and_then(Value::as_array_mut)
            .map(std::mem::take);
        let mut requests = requests
            .ok_or_else(|| Refusal::new(400, "BadRequest", "Invalid batch payload format."))?;
        if requests.is_empty() || requests.len() > MAX_PARTS {
            return Err(Refusal::new(
                400,
                "BadRequest",
                format!("Number of batch request steps exceeds the maximum value of {MAX_PARTS}."),
            ));
        }
        let bodies: Vec<Option<Value>> = requests
            .iter_mut()
            .map(|request| request.get_mut("body").map(Value::take))
            .collect();
        let parts: Vec<Part<'_>> = requests
            .iter()
            .zip(bodies)
            .map(|(request, body)| Part::parse(request, body, version))
            .collect::<Result<_, _>>()?;
        check_ids(&parts)?;
        let mut run = Run {
            practice: self,
            access,
            base,
            statuses: HashMap::new(),
            answers: Vec::new(),
            delay_ms: 0,
            fate: Fate::Sent,
            faulted: false,
            held: None,
        };
        for part in &parts {
            run.carry_out(part, &parts, 0)?;
        }
        {
            let counts = &mut self.calls().counts;
            counts.parts += parts.len() as u64;
        }
        Ok(run.finish())
    }
}

fn check_ids(parts: &[Part<'_>]) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    for part in parts {
        if !seen.insert(part.id.to_lowercase()) {
            return Err(Refusal::new(
                400,
                "BadRequest",
                format!("Duplicate request id '{}' in the batch.", part.id),
            ));
        }
    }
    let unknown = parts
        .iter()
        .flat_map(|part| &part.depends_on)
        .find(|id| !seen.contains(&id.to_lowercase()));
    match unknown {
        Some(id) => Err(Refusal::new(
            400,
            "BadRequest",
            format!("Request id '{id}' in dependsOn does not exist."),
        )),
        None => Ok(()),
    }
}

impl<'a> Part<'a> {
    fn parse(request: &'a Value, body: Option<Value>, version: Version) -> Result<Self, Refusal> {
        let text = |name: &str| request.get(name).and_then(Value::as_str);
        let id = text("id").filter(|id| !id.is_empty()).ok_or_else(|| {
            Refusal::new(
                400,
                "BadRequest",
                "Invalid batch payload format: a request has no id.",
            )
        })?;
        let (Some(method), Some(url)) = (text("method"), text("url")) else {
            return Err(Refusal::new(
                400,
                "BadRequest",
                format!("Invalid batch payload format: request {id} has no method or url."),
            ));
        };
        let headers = request.get("headers").and_then(Value::as_object);
        let header = |name: &str| {
            headers
                .and_then(|all| {
                    all.iter()
                        .find(|(known, _)| known.eq_ignore_ascii_case(name))
                })
                .and_then(|(_, value)| value.as_str())
        };
        let has_body = body.as_ref().is_some_and(|body| !body.is_null());
        if has_body && header("content-type").is_none() {
            return Err(Refusal::new(
                400,
                "BadRequest",
                format!("Write request id : {id} does not contain Content-Type header or body."),
            ));
        }
        let depends_on = request
            .get("dependsOn")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let incoming = incoming(
            method,
            url,
            headers,
            header("content-type"),
            body.filter(|_| has_body),
            version,
        );
        Ok(Self {
            id,
            depends_on,
            url,
            incoming,
        })
    }
}

fn incoming(
    method: &str,
    url: &str,
    headers: Option<&Map<String, Value>>,
    content_type: Option<&str>,
    body: Option<Value>,
    version: Version,
) -> Result<Incoming, Refusal> {
    let verb = Verb::parse(method).ok_or_else(|| {
        Refusal::new(
            400,
            "BadRequest",
            format!("Invalid batch request method '{method}'."),
        )
    })?;
    if url.contains("://") {
        return Err(Refusal::new(
            400,
            "BadRequest",
            "Invalid batch request URL: it must be relative.",
        ));
    }
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let segments = segments(path);
    if segments.first().is_some_and(|first| first == "$batch") {
        return Err(Refusal::new(
            400,
            "BadRequest",
            "A batch cannot hold another batch.",
        ));
    }
    let mut wishes = Wishes::default();
    for (name, value) in headers.into_iter().flatten() {
        wishes.note(name, value.as_str().unwrap_or_default());
    }
    let payload = match body {
        None => Payload::Empty,
        Some(Value::String(text))
            if !content_type.is_some_and(|kind| kind.starts_with("application/json")) =>
        {
            Payload::Bytes(Bytes::from(STANDARD.decode(text).unwrap_or_default()))
        }
        Some(value) => Payload::Json(value),
    };
    Ok(Incoming {
        verb,
        version,
        segments,
        query: Query::parse(query),
        wishes,
        payload,
    })
}

struct Run<'a> {
    practice: &'a Arc<PracticeTenant>,
    access: &'a Access,
    base: &'a str,
    /// Status by lower-case id, of parts already carried out.
    statuses: HashMap<String, u16>,
    answers: Vec<Vec<u8>>,
    delay_ms: u64,
    fate: Fate,
    faulted: bool,
    held: Option<Held>,
}

impl Run<'_> {
    /// Carries out a part after those it depends on.
    fn carry_out(
        &mut self,
        part: &Part<'_>,
        all: &[Part<'_>],
        depth: usize,
    ) -> Result<u16, Refusal> {
        let key = part.id.to_lowercase();
        if let Some(status) = self.statuses.get(&key) {
            return Ok(*status);
        }
        if depth > all.len() {
            return Err(Refusal::new(
                400,
                "BadRequest",
                "The requests of the batch depend on each other in a circle.",
            ));
        }
        let mut failed = false;
        for id in &part.depends_on {
            let before = all.iter().find(|other| other.id.eq_ignore_ascii_case(id));
            if let Some(before) = before {
                failed |= self.carry_out(before, all, depth + 1)? >= 400;
            }
        }
        let processed = match &part.incoming {
            _ if failed => self.refused(&Refusal::new(
                424,
                "FailedDependency",
                "A request this one depends on failed.",
            )),
            Err(refusal) => self.refused(refusal),
            Ok(incoming) => {
                let received = Received {
                    incoming,
                    url: part.url,
                    within: Within::Batch,
                };
                self.practice.process(&received, self.access, self.base)
            }
        };
        self.statuses.insert(key, processed.status);
        self.keep(part.id, &processed);
        Ok(processed.status)
    }

    fn refused(&self, refusal: &Refusal) -> Processed {
        let id = self.practice.calls().request_id().to_string();
        let body = refusal.body(self.practice.clock.now_ms(), &id, &id);
        Processed {
            status: refusal.status,
            headers: Vec::new(),
            body: Body::Json(body.to_string().into_bytes()),
            delay_ms: 0,
            fate: Fate::Sent,
            faulted: false,
            held: None,
        }
    }

    fn keep(&mut self, id: &str, processed: &Processed) {
        self.delay_ms = self.delay_ms.max(processed.delay_ms);
        self.faulted |= processed.faulted;
        self.held = self.held.take().or_else(|| processed.held.clone());
        match processed.fate {
            Fate::Missing => {
                self.faulted = true;
                return;
            }
            Fate::Cut => self.fate = Fate::Cut,
            Fate::Doubled => self.faulted = true,
            Fate::Sent => {}
        }
        let mut headers = Map::new();
        for (name, value) in &processed.headers {
            headers.insert(name.clone(), json!(value));
        }
        let mut answer =
            format!("{{\"id\":{},\"status\":{}", json!(id), processed.status).into_bytes();
        let content: Option<(&str, Vec<u8>)> = match &processed.body {
            Body::Empty => None,
            Body::Json(bytes) => {
                let is_json = !processed.faulted || serde_json::from_slice::<Value>(bytes).is_ok();
                // Garbage inside a batch arrives as text: the batch itself is still JSON.
                Some((
                    "application/json",
                    if is_json {
                        bytes.clone()
                    } else {
                        json!(String::from_utf8_lossy(bytes))
                            .to_string()
                            .into_bytes()
                    },
                ))
            }
            Body::Raw {
                content_type,
                bytes,
            } if content_type.starts_with("text/") => Some((
                content_type.as_str(),
                json!(String::from_utf8_lossy(bytes))
                    .to_string()
                    .into_bytes(),
            )),
            Body::Raw {
                content_type,
                bytes,
            } => Some((
                content_type.as_str(),
                json!(STANDARD.encode(bytes)).to_string().into_bytes(),
            )),
        };
        if let Some((content_type, _)) = &content {
            headers.insert("Content-Type".to_owned(), json!(content_type));
        }
        answer.extend_from_slice(format!(",\"headers\":{}", Value::Object(headers)).as_bytes());
        if let Some((_, bytes)) = content {
            answer.extend_from_slice(b",\"body\":");
            answer.extend_from_slice(&bytes);
        }
        answer.push(b'}');
        if processed.fate == Fate::Doubled {
            self.answers.push(answer.clone());
        }
        self.answers.push(answer);
    }

    /// Answers come in any order, so callers must match them by id.
    fn finish(mut self) -> BatchAnswer {
        let mut body = b"{\"responses\":[".to_vec();
        let mut is_first = true;
        while !self.answers.is_empty() {
            let at = self.practice.calls().draw(self.answers.len());
            if !is_first {
                body.push(b',');
            }
            is_first = false;
            body.extend_from_slice(&self.answers.swap_remove(at));
        }
        body.extend_from_slice(b"]}");
        BatchAnswer {
            body,
            delay_ms: self.delay_ms,
            fate: self.fate,
            faulted: self.faulted,
            held: self.held,
        }
    }
}
