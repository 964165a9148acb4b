//! Failures, named by what the caller can do about them.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use crate::refusal::{Detail, Refusal};
use crate::route::Route;
use crate::token_error::TokenError;

/// A call that did not succeed: which one, why, and Graph's own reference for it.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    call: Call,
    request_id: Option<String>,
    tries: u32,
}

/// The call an error or an observation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Method and route template.
    pub route: &'static Route,
    /// The id the client gave this very request; Microsoft's support finds it by that.
    pub client_request_id: Uuid,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub enum ErrorKind {
    /// No token, or Graph refuses a fresh one: nothing works until the credential does.
    Unauthorized(TokenError),
    /// The token does not allow this call.
    Forbidden {
        /// The least permission that would allow it, when the token has none that suffices;
        /// `None` when one is granted and the target itself is protected (an administrator).
        missing: Option<&'static str>,
        /// Graph's code.
        code: String,
        /// Graph's text, for people.
        message: String,
    },
    /// The object does not exist, or not yet on the replica that answered.
    NotFound {
        /// Graph's code.
        code: String,
        /// Graph's text, for people.
        message: String,
    },
    /// Another object stands in the way.
    Conflict(Rejection),
    /// Too many calls; nothing was done.
    Throttled {
        /// How long Graph asked to wait.
        retry_after: Option<Duration>,
    },
    /// Somebody is writing to the same object at this moment; nothing was done.
    ConcurrentWrite {
        /// How long Graph asked to wait.
        retry_after: Option<Duration>,
    },
    /// Graph understood and will not do it; the same request will fail again.
    Rejected(Rejection),
    /// Graph is not well.
    Unavailable {
        /// HTTP status.
        status: u16,
        /// Graph's code, empty when the answer was not Graph's.
        code: String,
    },
    /// The answer is not what Graph's documents promise.
    Decode {
        /// Where in the JSON.
        path: String,
        /// What is wrong there.
        problem: String,
    },
    /// The network failed.
    Transport {
        /// How far the request got.
        phase: Phase,
        /// What happened.
        problem: String,
    },
    /// A link led to another host; following it would hand the token to a stranger.
    ForeignLink {
        /// Where it led.
        host: String,
    },
    /// The delta token is no longer known: read everything again.
    DeltaExpired,
    /// Not tried because a request it depended on failed.
    NotTried,
    /// The batch's answer has no part for this request.
    NoAnswer,
    /// Not sent: the guard of the client's writes did not allow it.
    Withheld,
}

/// How far a request got before the network failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was sent.
    Connecting,
    /// The request may have arrived.
    Sent,
}

/// A refusal with everything Graph said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// HTTP status.
    pub status: u16,
    /// Graph's code.
    pub code: String,
    /// Graph's text, for people.
    pub message: String,
    /// Further codes, when there are.
    pub details: Vec<Detail>,
    /// The reason, as far as it is a known one.
    pub refusal: Refusal,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, call: Call, request_id: Option<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            call,
            request_id,
            tries: 1,
        }))
    }

    /// The same, after this many tries in all.
    pub(crate) fn after(mut self, tries: u32) -> Self {
        self.0.tries = tries;
        self
    }

    /// How often the request was sent before this was all there is to say.
    pub fn tries(&self) -> u32 {
        self.0.tries
    }

    /// Why it failed.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Which call failed.
    pub fn call(&self) -> Call {
        self.0.call
    }

    /// Graph's id of the request, if Graph answered.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Whether the same call may succeed later without anybody changing anything.
    /// After [`Error::outcome_unknown`] read back before repeating.
    pub fn is_retryable(&self) -> bool {
        match self.kind() {
            ErrorKind::Throttled { .. }
            | ErrorKind::ConcurrentWrite { .. }
            | ErrorKind::Unavailable { .. }
            | ErrorKind::Transport { .. }
            | ErrorKind::NotTried
            | ErrorKind::Withheld
            | ErrorKind::NoAnswer => true,
            ErrorKind::Unauthorized(token) => token.is_retryable(),
            _ => false,
        }
    }

    /// Whether the change may have happened although no answer says so.
    pub fn outcome_unknown(&self) -> bool {
        self.call().route.is_write()
            && matches!(
                self.kind(),
                ErrorKind::Unavailable { .. }
                    | ErrorKind::Decode { .. }
                    | ErrorKind::Transport {
                        phase: Phase::Sent,
                        ..
                    }
                    | ErrorKind::NoAnswer
            )
    }

    /// How long Graph asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind() {
            ErrorKind::Throttled { retry_after } | ErrorKind::ConcurrentWrite { retry_after } => {
                *retry_after
            }
            _ => None,
        }
    }

    /// The known reason of a refusal or a conflict.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self.kind() {
            ErrorKind::Conflict(rejection) | ErrorKind::Rejected(rejection) => {
                Some(&rejection.refusal)
            }
            _ => None,
        }
    }

    /// Whether the object was not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind(), ErrorKind::NotFound { .. })
    }
}

/// Turns "there is no such object" into `None`, for reads of a single object.
pub(crate) fn absent_as_none<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            ErrorKind::Unauthorized(token) => Some(token),
            _ => None,
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("call", &format_args!("{}", self.0.call.route))
            .field("client_request_id", &self.0.call.client_request_id)
            .field("request_id", &self.0.request_id)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.0.call.route)?;
        match self.kind() {
            ErrorKind::Unauthorized(_) => f.write_str("no access token"),
            ErrorKind::Forbidden {
                missing: Some(missing),
                ..
            } => {
                write!(f, "not allowed, permission {missing} is missing")
            }
            ErrorKind::Forbidden {
                missing: None,
                message,
                ..
            } => {
                write!(f, "not allowed on this object: {message}")
            }
            ErrorKind::NotFound { message, .. } => write!(f, "not found: {message}"),
            ErrorKind::Conflict(r) => write!(f, "conflict: {}: {}", r.code, r.message),
            ErrorKind::Throttled { .. } => f.write_str("too many calls"),
            ErrorKind::ConcurrentWrite { .. } => f.write_str("concurrent write on the same object"),
            ErrorKind::Rejected(r) => {
                write!(
                    f,
                    "refused with status {}: {}: {}",
                    r.status, r.code, r.message
                )
            }
            ErrorKind::Unavailable { status, code } => {
                write!(f, "unavailable, status {status} {code}")
            }
            ErrorKind::Decode { path, problem } => {
                write!(f, "unexpected answer at {path}: {problem}")
            }
            ErrorKind::Transport { problem, .. } => write!(f, "network: {problem}"),
            ErrorKind::ForeignLink { host } => write!(f, "refused to follow a link to {host}"),
            ErrorKind::DeltaExpired => f.write_str("the delta token has expired"),
            ErrorKind::NotTried => f.write_str("not tried, an earlier request failed"),
            ErrorKind::Withheld => f.write_str("not sent, the lease may be over"),
            ErrorKind::NoAnswer => f.write_str("the batch has no answer for this request"),
        }?;
        match self.request_id() {
            Some(id) => write!(f, " (request-id {id})"),
            None => Ok(()),
        }
    }
}

/// Graph's error body, read leniently: a proxy's HTML must not hide the status.
#[derive(Debug, Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    error: Body,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    code: Option<String>,
    message: Option<String>,
    details: Option<Vec<Detail>>,
    #[serde(rename = "innerError", alias = "innererror")]
    inner: Option<InnerBody>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InnerBody {
    #[serde(rename = "request-id")]
    request_id: Option<String>,
}

/// What an unsuccessful answer says, apart from its headers.
#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) status: u16,
    pub(crate) code: String,
    message: String,
    details: Vec<Detail>,
    pub(crate) request_id: Option<String>,
}

/// Longest piece of Graph's text that is kept.
const MESSAGE_LIMIT: usize = 2_000;

impl Complaint {
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let body = serde_json::from_slice::<Envelope>(body)
            .unwrap_or_default()
            .error;
        let mut message = body.message.unwrap_or_default();
        truncate(&mut message, MESSAGE_LIMIT);
        let mut code = body.code.unwrap_or_default();
        truncate(&mut code, 200);
        Self {
            status,
            code,
            message,
            details: body.details.unwrap_or_default(),
            request_id: body.inner.and_then(|inner| inner.request_id),
        }
    }

    /// Names the failure. The code counts before the status: Graph has sent the same code with
    /// different statuses over the years.
    pub(crate) fn into_kind(
        self,
        route: &'static Route,
        retry_after: Option<Duration>,
        granted: &[String],
    ) -> ErrorKind {
        let Self {
            status,
            code,
            message,
            details,
            ..
        } = self;
        if code == "Directory_ConcurrencyViolation" {
            return ErrorKind::ConcurrentWrite { retry_after };
        }
        if route.template.ends_with("/delta") && (status == 410 || is_lost_delta(&code)) {
            return ErrorKind::DeltaExpired;
        }
        match status {
            403 if code != "Directory_QuotaExceeded" => {
                let least = route.permissions.first().copied();
                let missing = least.filter(|_| !route.is_allowed_by(granted));
                ErrorKind::Forbidden {
                    missing,
                    code,
                    message,
                }
            }
            404 => ErrorKind::NotFound { code, message },
            424 => ErrorKind::NotTried,
            429 => ErrorKind::Throttled { retry_after },
            503 if retry_after.is_some() => ErrorKind::Throttled { retry_after },
            408 | 500 | 502 | 503 | 504 => ErrorKind::Unavailable { status, code },
            _ => {
                let refusal = Refusal::recognise(&code, &message, &details);
                let taken = matches!(refusal, Refusal::ValueTaken { .. });
                let rejection = Rejection {
                    status,
                    code,
                    message,
                    details,
                    refusal,
                };
                if taken || status == 409 {
                    ErrorKind::Conflict(rejection)
                } else {
                    ErrorKind::Rejected(rejection)
                }
            }
        }
    }
}

fn is_lost_delta(code: &str) -> bool {
    [
        "syncStateNotFound",
        "syncStateInvalid",
        "resyncRequired",
        "Directory_ExpiredPageToken",
    ]
    .iter()
    .any(|known| known.eq_ignore_ascii_case(code))
}

pub(crate) fn truncate(text: &mut String, limit: usize) {
    if text.len() > limit {
        let end = (0..=limit)
            .rev()
            .find(|&i| text.is_char_boundary(i))
            .unwrap_or(0);
        text.truncate(end);
    }
}
