//! `$batch`: up to twenty requests in one call, each judged alone.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::client::{Client, decode, is_safe_to_repeat, token_refused};
use crate::error::{Call, Complaint, Error, ErrorKind};
use crate::observe::Observation;
use crate::request::Request;
use crate::route;
use crate::transport::{Answer, Signals};
use crate::write::{Write, Written, written};

/// Most requests one batch may carry.
pub const PARTS_PER_BATCH: usize = 20;

#[derive(Deserialize)]
struct Responses {
    responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    id: String,
    status: u16,
    #[serde(default)]
    headers: Option<HashMap<String, Value>>,
    #[serde(default)]
    body: Value,
}

impl Client {
    /// Makes independent changes, twenty to a call, and says for each how it ended. `K` is
    /// whatever the caller knows a change by. Parts that were provably not done (throttled, or
    /// written concurrently) are tried again; a part without an answer has an unknown outcome.
    /// Never put two changes of the same object into one batch: they run in any order.
    pub async fn batch<K>(&self, writes: Vec<(K, Write)>) -> Vec<(K, Result<Written, Error>)> {
        let parts = writes
            .into_iter()
            .map(|(key, w)| (key, w.to_request(self.base())))
            .collect();
        let judge = |(answer, call)| written(answer, call);
        self.run(parts, Order::Any)
            .await
            .into_iter()
            .map(|(key, r)| (key, r.and_then(judge)))
            .collect()
    }

    /// Makes changes one after the other, twenty to a call: each part begins when the one before
    /// has ended, so that several may be about the same object. One that fails holds up none of
    /// those behind it: they are sent again without it.
    pub async fn batch_in_order<K>(
        &self,
        writes: Vec<(K, Write)>,
    ) -> Vec<(K, Result<Written, Error>)> {
        let parts = writes
            .into_iter()
            .map(|(key, w)| (key, w.to_request(self.base())))
            .collect();
        let judge = |(answer, call)| written(answer, call);
        self.run(parts, Order::Kept)
            .await
            .into_iter()
            .map(|(key, r)| (key, r.and_then(judge)))
            .collect()
    }

    /// Reads single objects, twenty to a call.
    pub(crate) async fn batch_read<K, T: DeserializeOwned>(
        &self,
        parts: Vec<(K, Request)>,
    ) -> Vec<(K, Result<T, Error>)> {
        let judge = |(answer, call): (Answer, Call)| decode(&answer, call);
        self.run(parts, Order::Any)
            .await
            .into_iter()
            .map(|(key, r)| (key, r.and_then(judge)))
            .collect()
    }

    async fn run<K>(&self, parts: Vec<(K, Request)>, order: Order) -> Vec<(K, PartResult)> {
        let (keys, requests): (Vec<K>, Vec<Request>) = parts.into_iter().unzip();
        let mut results = Vec::with_capacity(keys.len());
        for chunk in requests.chunks(PARTS_PER_BATCH) {
            results.extend(self.run_chunk(chunk, order).await);
        }
        keys.into_iter().zip(results).collect()
    }

    /// Sends one batch; one that is too large for Graph goes in halves.
    fn run_chunk<'a>(
        &'a self,
        requests: &'a [Request],
        order: Order,
    ) -> BoxFuture<'a, Vec<PartResult>> {
        Box::pin(async move {
            let results = self.run_rounds(requests, order).await;
            if requests.len() < 2 || !results.iter().all(is_too_large) {
                return results;
            }
            let (left, right) = requests.split_at(requests.len() / 2);
            let mut results = self.run_chunk(left, order).await;
            results.extend(self.run_chunk(right, order).await);
            results
        })
    }

    /// Sends all parts, then only those that may be repeated, until none is left.
    async fn run_rounds(&self, requests: &[Request], order: Order) -> Vec<PartResult> {
        let mut results: Vec<Option<PartResult>> = requests.iter().map(|_| None).collect();
        let mut pending: Vec<usize> = (0..requests.len()).collect();
        let mut tries = vec![0; requests.len()];
        let (mut tried, mut renewed) = (0, false);
        while !pending.is_empty() {
            let token = self.token().await.ok();
            let round = self.run_round(requests, &pending, (tried, order)).await;
            let again = round.again(requests, order);
            // Parts that were never tried cost no try.
            tried += u32::from(again.must_wait || again.token_refused);
            for (index, result) in pending.into_iter().zip(round.results) {
                results[index] = Some(result.map_err(|error| {
                    if *error.kind() != ErrorKind::NotTried {
                        tries[index] += error.tries();
                    }
                    error.after(tries[index].max(1))
                }));
            }
            if again.token_refused {
                let replaced = match token {
                    Some(token) if !renewed => self.replace(&token).await.is_ok(),
                    _ => false,
                };
                if !replaced {
                    break;
                }
                renewed = true;
            }
            if again.must_wait {
                match self
                    .sender()
                    .may_retry(tried, again.retry_after, self.priority())
                {
                    Some(wait) => self.sender().clock.sleep(wait).await,
                    None => break,
                }
            }
            pending = again.parts;
        }
        results.into_iter().flatten().collect()
    }

    async fn run_round(
        &self,
        requests: &[Request],
        pending: &[usize],
        (tried, order): (u32, Order),
    ) -> Round {
        let name = |&index: &usize| {
            let client_request_id = self.sender().mint_id();
            (
                index,
                Call {
                    route: requests[index].route,
                    client_request_id,
                },
            )
        };
        let calls: Vec<(usize, Call)> = pending.iter().map(name).collect();
        let started_ms = self.sender().clock.now_ms();
        let mut responses = match self
            .read::<Responses>(&self.envelope(requests, &calls, order))
            .await
        {
            Ok(Responses { responses }) => responses,
            Err(error) => return Round::failed(&error, &calls),
        };
        let duration = self.sender().since(started_ms);
        let granted = match self.token().await {
            Ok(token) => token.claims.roles.clone(),
            Err(_) => Vec::new(),
        };
        let mut round = Round {
            parts: pending.to_vec(),
            ..Round::default()
        };
        let mut throttled = false;
        for (index, call) in calls {
            let own_id = index.to_string();
            let found = responses.iter().position(|response| response.id == own_id);
            let now_ms = self.sender().clock.now_ms();
            let part = found.map(|at| responses.swap_remove(at).into_answer(now_ms));
            self.observe_part(part.as_ref(), call, duration, tried);
            round.results.push(match part {
                Some(part) => {
                    throttled |= part.status == 429;
                    self.learn(&requests[index], &part.headers.usage);
                    judge(part, call, &granted)
                }
                None => Err(Error::new(ErrorKind::NoAnswer, call, None)),
            });
        }
        if throttled {
            self.slow_down();
        }
        round
    }

    fn observe_part(&self, part: Option<&Answer>, call: Call, duration: Duration, attempt: u32) {
        self.sender().observer.observe(&Observation {
            route: call.route,
            status: part.map(|part| part.status),
            duration,
            attempt,
            in_batch: true,
            client_request_id: call.client_request_id,
            request_id: part.and_then(|part| part.headers.request_id.as_deref()),
        });
    }

    fn envelope(&self, requests: &[Request], calls: &[(usize, Call)], order: Order) -> Request {
        let mut before: Option<usize> = None;
        let parts: Vec<Value> = calls
            .iter()
            .map(|(index, call)| {
                let request = &requests[*index];
                let mut headers = Map::new();
                headers.insert(
                    "client-request-id".to_owned(),
                    json!(call.client_request_id),
                );
                headers.insert(
                    "x-ms-throttle-priority".to_owned(),
                    json!(self.priority().header()),
                );
                for (name, value) in &request.headers {
                    headers.insert((*name).to_owned(), json!(value));
                }
                let mut part = json!({
                    "id": index.to_string(),
                    "method": request.route.method.as_str(),
                    "url": request.path(),
                });
                if let Some(body) = &request.body {
                    headers.insert("Content-Type".to_owned(), json!("application/json"));
                    part["body"] = body.clone();
                }
                part["headers"] = Value::Object(headers);
                if let (Order::Kept, Some(before)) = (order, before.replace(*index)) {
                    part["dependsOn"] = json!([before.to_string()]);
                }
                part
            })
            .collect();
        let mut batch = Request::new(&route::BATCH, "/$batch").body(json!({ "requests": parts }));
        batch.cost = calls.iter().map(|(index, _)| requests[*index].cost).sum();
        batch.writes = calls.iter().any(|(index, _)| requests[*index].writes);
        // The version of the outer address holds for all parts.
        batch.beta = calls.iter().any(|(index, _)| requests[*index].beta);
        batch
    }
}

type PartResult = Result<(Answer, Call), Error>;

/// In which order the parts of a batch are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Side by side.
    Any,
    /// One after the other.
    Kept,
}

/// How the parts of one round ended, in the order of `parts`.
#[derive(Default)]
struct Round {
    parts: Vec<usize>,
    results: Vec<PartResult>,
    /// The batch itself failed, and its own retries are used up.
    is_whole_failure: bool,
}

/// What to send again, and after how long at least.
#[derive(Default)]
struct Again {
    parts: Vec<usize>,
    retry_after: Option<Duration>,
    must_wait: bool,
    token_refused: bool,
}

impl Round {
    /// The same failure for each part, under the part's own name.
    fn failed(error: &Error, calls: &[(usize, Call)]) -> Self {
        let request_id = error.request_id().map(str::to_owned);
        let fail = |call| {
            let failed = Error::new(error.kind().clone(), call, request_id.clone());
            Err(failed.after(error.tries()))
        };
        Self {
            parts: calls.iter().map(|(index, _)| *index).collect(),
            results: calls.iter().map(|(_, call)| fail(*call)).collect(),
            is_whole_failure: true,
        }
    }

    fn again(&self, requests: &[Request], order: Order) -> Again {
        let mut again = Again::default();
        if self.is_whole_failure {
            return again;
        }
        for (&index, result) in self.parts.iter().zip(&self.results) {
            let Err(error) = result else { continue };
            if matches!(error.kind(), ErrorKind::Unauthorized(_)) {
                again.token_refused = true;
                again.parts.push(index);
            } else if is_safe_to_repeat(&requests[index], error) {
                again.must_wait = true;
                again.retry_after = again.retry_after.max(error.retry_after());
                again.parts.push(index);
            } else if order == Order::Kept && *error.kind() == ErrorKind::NotTried {
                again.parts.push(index);
            }
        }
        // A round that ended in nothing but parts that were not tried would come for ever.
        let none_ended = again.parts.len() == self.parts.len();
        if none_ended && !again.must_wait && !again.token_refused {
            again.parts.clear();
        }
        again
    }
}

fn is_too_large(result: &PartResult) -> bool {
    let kind = result.as_ref().err().map(Error::kind);
    matches!(kind, Some(ErrorKind::Rejected(rejection)) if rejection.status == 413)
}

impl Response {
    fn into_answer(self, now_ms: i64) -> Answer {
        let header = |name: &str| {
            let headers = self.headers.as_ref()?;
            let (_, value) = headers
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
            )
        };
        let headers = Signals::read(header, self.status, now_ms);
        let body = if self.body.is_null() {
            Vec::new()
        } else {
            self.body.to_string().into_bytes()
        };
        Answer {
            status: self.status,
            headers,
            body,
        }
    }
}

fn judge(part: Answer, call: Call, granted: &[String]) -> PartResult {
    if (200..300).contains(&part.status) {
        return Ok((part, call));
    }
    let complaint = Complaint::read(part.status, &part.body);
    let request_id = part
        .headers
        .request_id
        .or_else(|| complaint.request_id.clone());
    if part.status == 401 {
        return Err(token_refused(&complaint, call, request_id));
    }
    let kind = complaint.into_kind(call.route, part.headers.retry_after, granted);
    Err(Error::new(kind, call, request_id))
}
