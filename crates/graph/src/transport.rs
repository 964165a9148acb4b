//! HTTP, and nothing else: one pooled connection set, time limits, bounded bodies.

use std::error::Error as _;
use std::time::Duration;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::cloud::Cloud;
use crate::error::Phase;
use crate::retry::{parse_date, parse_retry_after};
use crate::throttle::Usage;

/// Time and size limits, and how much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest silence while an answer is awaited or read.
    pub read: Duration,
    /// Longest time for one try, from sending to the end of the answer.
    pub call: Duration,
    /// Largest answer, after decompression.
    pub body_bytes: usize,
    /// Most tries of one call.
    pub tries: u32,
    /// Longest wait between two tries; if Graph asks for more, the caller gets the error.
    pub wait: Duration,
    /// Background calls under way at the start.
    pub in_flight_start: usize,
    /// Background calls under way at most.
    pub in_flight_most: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(40),
            call: Duration::from_secs(120),
            body_bytes: 32 * 1024 * 1024,
            tries: 4,
            wait: Duration::from_secs(300),
            in_flight_start: 4,
            in_flight_most: 8,
        }
    }
}

/// The crate's name and version, as Microsoft's logs will show it.
const USER_AGENT: &str = concat!("signpost/", env!("CARGO_PKG_VERSION"));

#[derive(Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    body_bytes: usize,
}

/// A request ready to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: http::Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Signals,
    pub(crate) body: Vec<u8>,
}

/// The headers that matter, of an answer or of a part of a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) usage: Usage,
    /// When the answer was made, by the clock of whoever made it.
    pub(crate) date_ms: Option<i64>,
}

/// The network failed.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) phase: Phase,
    pub(crate) problem: String,
}

impl Transport {
    pub(crate) fn new(
        cloud: &Cloud,
        limits: &Limits,
        roots: &[Vec<u8>],
    ) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(limits.connect)
            .read_timeout(limits.read)
            .timeout(limits.call)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(limits.in_flight_most + 2)
            .gzip(true);
        if cloud.is_loopback() {
            builder = builder.no_proxy();
        }
        for root in roots {
            builder = builder.tls_certs_merge([reqwest::Certificate::from_der(root)?]);
        }
        Ok(Self {
            http: builder.build()?,
            body_bytes: limits.body_bytes,
        })
    }

    pub(crate) async fn send(&self, outgoing: Outgoing, now_ms: i64) -> Result<Answer, Lost> {
        let mut request = self
            .http
            .request(outgoing.method, outgoing.url)
            .headers(outgoing.headers);
        if let Some(body) = outgoing.body {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(Lost::from)?;
        let status = response.status().as_u16();
        let headers = Signals::read(
            |name| {
                response
                    .headers()
                    .get(name)?
                    .to_str()
                    .ok()
                    .map(str::to_owned)
            },
            status,
            now_ms,
        );
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|e| Lost::from(e).after_sending())?
        {
            if body.len() + chunk.len() > self.body_bytes {
                let problem = format!("the answer is longer than {} bytes", self.body_bytes);
                return Err(Lost {
                    phase: Phase::Sent,
                    problem,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

impl Signals {
    /// Reads the headers by lower-case name.
    pub(crate) fn read(
        header: impl Fn(&'static str) -> Option<String>,
        status: u16,
        now_ms: i64,
    ) -> Self {
        let number = |name| {
            header(name)?
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|n| n.is_finite())
        };
        let retry_after = header("retry-after").and_then(|value| parse_retry_after(&value, now_ms));
        let usage = Usage {
            units: number("x-ms-resource-unit").filter(|n| (0.0..1_000.0).contains(n)),
            percentage: number("x-ms-throttle-limit-percentage"),
            refused: status == 429,
            names_quota: header("x-ms-throttle-scope").is_some()
                || header("x-ms-throttle-information").is_some(),
            retry_after,
        };
        let request_id = header("request-id").or_else(|| header("x-ms-request-id"));
        Self {
            request_id,
            retry_after,
            usage,
            date_ms: header("date").and_then(|value| parse_date(&value)),
        }
    }
}

impl Lost {
    fn after_sending(self) -> Self {
        Self {
            phase: Phase::Sent,
            ..self
        }
    }
}

impl From<reqwest::Error> for Lost {
    fn from(error: reqwest::Error) -> Self {
        let phase = if error.is_connect() || error.is_builder() {
            Phase::Connecting
        } else {
            Phase::Sent
        };
        // The URL may name a person; the route template is in the error already.
        let error = error.without_url();
        let mut problem = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            problem.push_str(": ");
            problem.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { phase, problem }
    }
}

/// Adds a header whose value is known to be printable; anything else is left out.
pub(crate) fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
