//! A hook for metrics and "last call" pages. It sees routes and references, never a secret.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use crate::route::Route;

/// Told about every call and every part of a batch, as soon as it is answered or lost.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Must return quickly: the call waits for it.
    fn observe(&self, observation: &Observation<'_>);
}

/// One call, or one part of a batch.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// Method and route template.
    pub route: &'static Route,
    /// HTTP status; `None` when no answer came.
    pub status: Option<u16>,
    /// From sending to the end of the answer; the batch's for its parts.
    pub duration: Duration,
    /// Zero for the first try.
    pub attempt: u32,
    /// Whether this is a part of a batch.
    pub in_batch: bool,
    /// The client's own id of the request.
    pub client_request_id: Uuid,
    /// Graph's id of the request.
    pub request_id: Option<&'a str>,
}

impl Observation<'_> {
    /// Whether the quota refused the call.
    pub fn is_throttled(&self) -> bool {
        self.status == Some(429)
    }
}

/// Observes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&self, _: &Observation<'_>) {}
}
