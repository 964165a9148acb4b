//! Who did what to what: entries of the append-only audit trail.

use serde::{Deserialize, Serialize};

use crate::{OperatorId, Timestamp, UserId};

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in operator.
    Operator { id: OperatorId, name: String },
    /// A user, about themselves.
    User { id: UserId, name: String },
    /// The command line on the server itself.
    CommandLine,
    /// Signpost by itself: the schedule, the worker.
    Signpost,
    /// Nobody known: a refused sign-in.
    Anonymous,
}

/// Who a change is done by, and from where: what every audited change takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub actor: Actor,
    /// The network address the request came from.
    pub address: Option<String>,
}

impl Author {
    /// Signpost by itself.
    pub const SIGNPOST: Self = Self {
        actor: Actor::Signpost,
        address: None,
    };

    /// The name that records keep.
    pub fn name(&self) -> &str {
        match &self.actor {
            Actor::Operator { name, .. } | Actor::User { name, .. } => name,
            Actor::CommandLine => "Command line",
            Actor::Signpost => "Signpost",
            Actor::Anonymous => "Nobody known",
        }
    }

    /// An event of this author, without its before and after.
    pub fn entry(&self, action: &'static str, subject: Subject) -> AuditEntry {
        AuditEntry {
            actor: self.actor.clone(),
            action,
            subject,
            before: None,
            after: None,
            address: self.address.clone(),
        }
    }
}

/// One event to append. Secrets never enter: a changed secret is written as "changed".
#[derive(Debug, Clone)]
pub struct AuditEntry {
    pub actor: Actor,
    /// Dotted verb in past tense, for example `user.created`.
    pub action: &'static str,
    /// The kind and id of what it was done to, and the name it had then.
    pub subject: Subject,
    /// What it was before and after, as small JSON objects of the changed fields.
    pub before: Option<serde_json::Value>,
    pub after: Option<serde_json::Value>,
    /// The network address the request came from.
    pub address: Option<String>,
}

impl AuditEntry {
    /// The same event with what it was before and after.
    #[must_use]
    pub fn changed(
        self,
        before: Option<serde_json::Value>,
        after: Option<serde_json::Value>,
    ) -> Self {
        Self {
            before,
            after,
            ..self
        }
    }
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Subject {
    /// Singular noun: `user`, `group`, `application`, `operator`, …
    pub kind: String,
    pub id: String,
    pub name: String,
}

impl Subject {
    /// The subject of an event.
    pub fn new(kind: &str, id: impl ToString, name: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.to_string(),
            name: name.into(),
        }
    }
}

/// One stored event, as read back.
#[derive(Debug, Clone)]
pub struct AuditEvent {
    pub sequence: i64,
    pub at: Timestamp,
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub actor_name: String,
    pub action: String,
    pub subject: Subject,
    pub before: Option<String>,
    pub after: Option<String>,
    pub address: Option<String>,
}
