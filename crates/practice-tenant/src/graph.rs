//! From a request to its answer: fault, throttle, permission, handler, count.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;
use uuid::Uuid;

use crate::answer::{Answer, Body, Effect, Outcome, Refusal};
use crate::calls::Noted;
use crate::faults::{self, Held, Subject, Within};
use crate::practice::PracticeTenant;
use crate::registrations::Access;
use crate::request::{Call, Incoming, Payload, Verb};
use crate::routes::{self, Found, Route};
use crate::throttle;

/// An answer ready to be sent, alone or as part of a batch.
#[derive(Debug)]
pub(crate) struct Processed {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
    pub(crate) delay_ms: u64,
    pub(crate) fate: Fate,
    /// A fault shaped the answer, so it need not conform.
    pub(crate) faulted: bool,
    /// The answer waits here before it is sent.
    pub(crate) held: Option<Held>,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Sent,
    /// The connection is cut instead.
    Cut,
    /// Left out of its batch.
    Missing,
    /// Twice in its batch.
    Doubled,
}

/// A request with what was received, for faults to look at.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) incoming: &'a Incoming,
    pub(crate) url: &'a str,
    pub(crate) within: Within,
}

/// The JSON type Graph answers with.
pub(crate) const JSON: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

impl PracticeTenant {
    /// Carries out one request and counts it.
    pub(crate) fn process(
        self: &Arc<Self>,
        received: &Received<'_>,
        access: &Access,
        base: &str,
    ) -> Processed {
        let effect = self.strike_by_route(received);
        self.process_struck(received, access, base, effect)
    }

    /// Carries out one request that this fault happens to.
    pub(crate) fn process_struck(
        self: &Arc<Self>,
        received: &Received<'_>,
        access: &Access,
        base: &str,
        effect: Option<faults::Effect>,
    ) -> Processed {
        let incoming = received.incoming;
        let found = routes::find(incoming.verb, incoming.version, &incoming.segments);
        let name = name_of(&found, incoming);
        let request_id = self.calls().request_id();
        let client_request_id = incoming
            .wishes
            .client_request_id
            .clone()
            .unwrap_or_else(|| request_id.to_string());
        let outcome = match &effect {
            Some(effect) if !effect.carries_out() => None,
            _ => Some(self.carry_out(found, incoming, access, base)),
        };
        if let Some(late_ms) = effect.as_ref().and_then(|effect| effect.late_ms) {
            self.carry_out_late(incoming.clone(), access.clone(), base.to_owned(), late_ms);
        }
        let is_write = incoming.verb != Verb::Get;
        let mut processed = self.shape(outcome, is_write, request_id, &client_request_id);
        if let Some(effect) = effect {
            self.distort(&mut processed, &effect, request_id, &client_request_id);
        }
        processed
            .headers
            .push(("request-id".to_owned(), request_id.to_string()));
        processed
            .headers
            .push(("client-request-id".to_owned(), client_request_id));
        let url: String = received.url.chars().take(300).collect();
        let in_batch = received.within == Within::Batch;
        self.calls().note(Noted {
            at: self.clock.now_ms(),
            route: name,
            url,
            status: processed.status,
            request_id,
            in_batch,
        });
        processed
    }

    /// The effect that comes after the caller has given up.
    fn carry_out_late(
        self: &Arc<Self>,
        incoming: Incoming,
        access: Access,
        base: String,
        late_ms: u64,
    ) {
        let practice = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(late_ms)).await;
            let found = routes::find(incoming.verb, incoming.version, &incoming.segments);
            let outcome = practice.carry_out(found, &incoming, &access, &base);
            let request_id = practice.calls().request_id();
            let is_write = incoming.verb != Verb::Get;
            practice.shape(Some(outcome), is_write, request_id, &request_id.to_string());
            practice.calls().counts.late += 1;
        });
    }

    /// The fault that happens to a request by its own route, if one is armed.
    pub(crate) fn strike_by_route(&self, received: &Received<'_>) -> Option<faults::Effect> {
        let incoming = received.incoming;
        let found = routes::find(incoming.verb, incoming.version, &incoming.segments);
        self.strike(&name_of(&found, incoming), received)
    }

    /// The fault that happens to a request, if one is armed.
    pub(crate) fn strike(&self, name: &str, received: &Received<'_>) -> Option<faults::Effect> {
        let mut faults = self.faults();
        if faults.is_empty() {
            return None;
        }
        let body = match &received.incoming.payload {
            Payload::Empty => Cow::Borrowed(&[][..]),
            Payload::Json(value) => Cow::Owned(value.to_string().into_bytes()),
            Payload::Bytes(bytes) => Cow::Borrowed(&bytes[..]),
        };
        let subject = Subject {
            route: name,
            url: received.url,
            body: &body,
            within: received.within,
        };
        let effect = faults.strike(&subject)?;
        drop(faults);
        self.calls().counts.faults += 1;
        Some(effect)
    }

    fn carry_out(
        &self,
        found: Found<'_>,
        incoming: &Incoming,
        access: &Access,
        base: &str,
    ) -> Result<(Answer, u32, f64), Refusal> {
        let (route, params) = match found {
            Found::Route(route, params) => (route, params),
            Found::WrongVerb => {
                return Err(Refusal::new(
                    405,
                    "Request_BadRequest",
                    "Specified HTTP method is not allowed for the request target.",
                ));
            }
            Found::Nothing => {
                let segment = incoming.segments.last().map_or("", String::as_str);
                return Err(Refusal::new(
                    400,
                    "BadRequest",
                    format!("Resource not found for the segment '{segment}'."),
                ));
            }
        };
        let now = self.clock.now_ms();
        let (units, usage) = self.charge(route, incoming, access, now)?;
        if !route.accepts.is_empty() && !access.has_any(route.accepts) {
            return Err(Refusal::denied());
        }
        check_options(incoming)?;
        let call = Call {
            version: incoming.version,
            params,
            path: &incoming.segments,
            query: &incoming.query,
            wishes: &incoming.wishes,
            payload: &incoming.payload,
            access,
            base,
            now,
        };
        let mut tenant = self.tenant();
        crate::group_licenses::settle(&mut tenant, now);
        let answer: Outcome = (route.handler)(&mut tenant, &call);
        drop(tenant);
        if route.is_write() {
            self.mark_changed();
        }
        answer.map(|answer| (answer, units, usage))
    }

    fn charge(
        &self,
        route: &Route,
        incoming: &Incoming,
        access: &Access,
        now: i64,
    ) -> Result<(u32, f64), Refusal> {
        let Some(mut quotas) = self.quotas() else {
            return Ok((throttle::cost(route, incoming), 0.0));
        };
        let (tenant_id, users) = {
            let tenant = self.tenant();
            (tenant.id, tenant.index.live)
        };
        let charge = quotas
            .charge(route, incoming, access.app_id, tenant_id, users, now)
            .map_err(|refusal| *refusal)?;
        Ok((charge.units, charge.usage))
    }

    fn shape(
        &self,
        outcome: Option<Result<(Answer, u32, f64), Refusal>>,
        is_write: bool,
        request_id: Uuid,
        client_request_id: &str,
    ) -> Processed {
        let mut headers: Vec<(String, String)> = Vec::new();
        let (status, body) = match outcome {
            None => (503, Body::Empty),
            Some(Ok((answer, units, usage))) => {
                self.count_effect(is_write, answer.effect);
                headers.push(("x-ms-resource-unit".to_owned(), units.to_string()));
                if usage >= 0.8 {
                    headers.push((
                        "x-ms-throttle-limit-percentage".to_owned(),
                        format!("{:.2}", usage.min(1.8)),
                    ));
                }
                headers.extend(
                    answer
                        .headers
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value)),
                );
                (answer.status, answer.body)
            }
            Some(Err(refusal)) => {
                let body = refusal.body(
                    self.clock.now_ms(),
                    &request_id.to_string(),
                    client_request_id,
                );
                headers.extend(
                    refusal
                        .headers
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value)),
                );
                (refusal.status, Body::Json(body.to_string().into_bytes()))
            }
        };
        Processed {
            status,
            headers,
            body,
            delay_ms: 0,
            fate: Fate::Sent,
            faulted: false,
            held: None,
        }
    }

    fn count_effect(&self, is_write: bool, effect: Effect) {
        let counts = &mut self.calls().counts;
        if !is_write {
            counts.reads += 1;
            return;
        }
        counts.writes += 1;
        if effect == Effect::Unchanged {
            counts.unchanged_writes += 1;
        }
    }

    /// Lays a fault over an answer.
    pub(crate) fn distort(
        &self,
        processed: &mut Processed,
        effect: &faults::Effect,
        request_id: Uuid,
        client_request_id: &str,
    ) {
        processed.delay_ms = effect.delay_ms;
        processed.held = processed.held.take().or_else(|| effect.held.clone());
        if effect.drop_before || effect.drop_after || effect.late_ms.is_some() {
            processed.fate = Fate::Cut;
        } else if effect.missing {
            processed.fate = Fate::Missing;
        } else if effect.doubled {
            processed.fate = Fate::Doubled;
        }
        if effect.garbage {
            processed.body = Body::Json(b"<html><body>Service Unavailable</bo".to_vec());
            processed.faulted = true;
        }
        let Some(status) = effect.status else { return };
        processed.faulted = true;
        processed.status = status;
        processed.headers = effect
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        processed.body = match &effect.body {
            Some(Value::String(text)) => Body::Json(text.clone().into_bytes()),
            Some(value) => Body::Json(value.to_string().into_bytes()),
            None if status >= 400 => {
                let code = effect.code.as_deref().unwrap_or_else(|| usual_code(status));
                let message = effect
                    .message
                    .as_deref()
                    .unwrap_or("The practice tenant was asked for this fault.");
                let mut body = Refusal::new(status, "", message).body(
                    self.clock.now_ms(),
                    &request_id.to_string(),
                    client_request_id,
                );
                body["error"]["code"] = Value::String(code.to_owned());
                Body::Json(body.to_string().into_bytes())
            }
            None => Body::Empty,
        };
    }
}

fn name_of(found: &Found<'_>, incoming: &Incoming) -> String {
    match found {
        Found::Route(route, _) => route.name.clone(),
        _ => format!("{} (unknown)", incoming.verb.name()),
    }
}

fn usual_code(status: u16) -> &'static str {
    match status {
        400 => "Request_BadRequest",
        401 => "InvalidAuthenticationToken",
        403 => "Authorization_RequestDenied",
        404 => "Request_ResourceNotFound",
        409 => "Directory_ConcurrencyViolation",
        410 => "syncStateNotFound",
        429 => "TooManyRequests",
        500 => "Service_InternalServerError",
        503 => "serviceNotAvailable",
        _ => "UnknownError",
    }
}

/// Options nobody knows are refused, as OData demands.
fn check_options(incoming: &Incoming) -> Result<(), Refusal> {
    const KNOWN: &[&str] = &[
        "$select",
        "$filter",
        "$orderby",
        "$top",
        "$skip",
        "$count",
        "$search",
        "$expand",
        "$skiptoken",
        "$deltatoken",
        "$format",
    ];
    let unknown = incoming.query.0.iter().find(|(name, _)| {
        name.starts_with('$') && !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))
    });
    match unknown {
        Some((name, _)) => Err(Refusal::bad_request(format!(
            "The query parameter '{name}' is not supported."
        ))),
        None => Ok(()),
    }
}

/// Reads a body as its content type says.
pub(crate) fn payload(content_type: Option<&str>, bytes: Bytes) -> Result<Payload, Refusal> {
    if bytes.is_empty() {
        return Ok(Payload::Empty);
    }
    if content_type.is_some_and(|kind| kind.trim_start().starts_with("application/json")) {
        let parsed = serde_json::from_slice(&bytes);
        return parsed.map(Payload::Json).map_err(|_| {
            Refusal::new(400, "BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
        });
    }
    Ok(Payload::Bytes(bytes))
}
