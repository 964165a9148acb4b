//! One request by one person: who they are, and what the last post left for this page.
//!
//! The server's gate builds a [`Visit`] before anything else runs and puts it among the
//! request's extensions; pages and server functions read it with [`visit`].

use std::sync::Arc;

use leptos::prelude::use_context;
use serde::{Deserialize, Serialize};
use signpost_model::{Actor, Author, Operator, Role};

use crate::error::PortalError;
use crate::forms::FormState;
use crate::login::session::SignedInUser;
use crate::shell::{Banner, Shortcuts, Theme};

/// Who is asking, and in which circumstances.
#[derive(Debug, Clone, Default)]
pub struct Visit(Arc<Inner>);

/// The parts of a [`Visit`]; the server's gate fills them in.
#[derive(Debug, Clone, Default)]
pub struct Inner {
    pub operator: Option<Operator>,
    /// The user who is signed in, on their own pages.
    pub user: Option<SignedInUser>,
    /// The token that every form of this session carries.
    pub csrf: String,
    /// The path of the page, without the query.
    pub path: String,
    /// The organisation's name and time zone.
    pub organisation: Organisation,
    /// What the last post left for this page.
    pub notice: Option<Notice>,
    pub form: Option<FormState>,
    /// What stands above every page until it is settled.
    pub banners: Vec<Banner>,
    pub theme: Theme,
    pub shortcuts: Shortcuts,
    /// The client's network address.
    pub address: String,
    /// Stands in the log and on error pages.
    pub reference: String,
}

/// Whose portal this is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Organisation {
    pub name: String,
    /// An IANA name; empty means UTC.
    pub time_zone: String,
}

/// An inline message that stays: the result of a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub kind: NoticeKind,
    pub text: String,
    /// The post that takes it back.
    #[serde(default)]
    pub undo: Option<Undo>,
}

/// A post that takes back what the notice tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Where it is posted to.
    pub action: String,
    /// Its fields, beside the token.
    pub fields: Vec<(String, String)>,
}

/// How a notice is shown and announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeKind {
    /// `role=status`.
    Success,
    /// `role=status`, calm.
    Info,
    /// `role=alert`: done, but look.
    Warning,
    /// `role=alert`.
    Error,
}

impl Notice {
    /// "It worked."
    pub fn success(text: impl Into<String>) -> Self {
        Self {
            kind: NoticeKind::Success,
            text: text.into(),
            undo: None,
        }
    }

    /// Something to know.
    pub fn info(text: impl Into<String>) -> Self {
        Self {
            kind: NoticeKind::Info,
            text: text.into(),
            undo: None,
        }
    }

    /// Done, but look.
    pub fn warning(text: impl Into<String>) -> Self {
        Self {
            kind: NoticeKind::Warning,
            text: text.into(),
            undo: None,
        }
    }

    /// It did not work.
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            kind: NoticeKind::Error,
            text: text.into(),
            undo: None,
        }
    }

    /// With a button **Undo** that posts these fields to `action`.
    #[must_use]
    pub fn undo(
        mut self,
        action: impl Into<String>,
        fields: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        self.undo = Some(Undo {
            action: action.into(),
            fields: fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        });
        self
    }
}

/// The visit of the request being answered. Outside of a request: nobody.
pub fn visit() -> Visit {
    use_context::<Visit>()
        .or_else(|| {
            use_context::<http::request::Parts>()
                .and_then(|parts| parts.extensions.get::<Visit>().cloned())
        })
        .unwrap_or_default()
}

/// The operator, when their role includes `needed`. Every server function and page asks first.
pub fn require(needed: Role) -> Result<Operator, PortalError> {
    match &visit().operator {
        None => Err(PortalError::SignedOut),
        Some(operator) if operator.role.includes(needed) => Ok(operator.clone()),
        Some(_) => Err(PortalError::Forbidden { needed }),
    }
}

/// The signed-in user. Every server function and page of their own asks first.
pub fn require_user() -> Result<SignedInUser, PortalError> {
    visit().user.clone().ok_or(PortalError::SignedOut)
}

impl Visit {
    /// A visit of these parts.
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Whether the signed-in operator's role includes `role`: for showing or hiding buttons.
    pub fn may(&self, role: Role) -> bool {
        self.operator
            .as_ref()
            .is_some_and(|operator| operator.role.includes(role))
    }

    /// What a refused post left for this page; empty when there was none.
    pub fn form_state(&self) -> FormState {
        self.form.clone().unwrap_or_default()
    }

    /// Who stands in the audit trail for what this visit does.
    pub fn author(&self) -> Author {
        let actor = match &self.operator {
            Some(operator) => Actor::Operator {
                id: operator.id,
                name: operator.name.clone(),
            },
            None => Actor::Anonymous,
        };
        Author {
            actor,
            address: Some(self.address.clone()),
        }
    }
}

impl std::ops::Deref for Visit {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
