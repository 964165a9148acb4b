//! The one way every form works without script: post, 303, and the page shows what happened.
//!
//! A server function wraps its work in [`respond`]. On success it answers 303 to a page, with a
//! notice kept in the session. When a field is wrong, the typed values (never a secret) and the
//! errors wait in the session for the page and are shown once; nothing of it stands in a URL.

use std::future::Future;
use std::sync::Arc;

use http::StatusCode;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use crate::components::FieldError;
use crate::error::PortalError;
use crate::visit::{Notice, visit};

/// Where to go after a post, and what to say there.
#[derive(Debug, Clone)]
pub struct Answer {
    to: String,
    notice: Option<Notice>,
}

impl Answer {
    /// Goes to a page (from [`crate::urls`]).
    pub fn to(url: impl Into<String>) -> Self {
        Self {
            to: url.into(),
            notice: None,
        }
    }

    /// Says something there.
    #[must_use]
    pub fn notice(mut self, notice: Notice) -> Self {
        self.notice = Some(notice);
        self
    }
}

/// Why a post was not done.
#[derive(Debug)]
pub enum Refusal {
    /// The person can fix it: back to the form with the values and these errors.
    Form { to: String, errors: FormErrors },
    /// The request as a whole is refused: an error page.
    Error(PortalError),
}

impl From<PortalError> for Refusal {
    fn from(error: PortalError) -> Self {
        Self::Error(error)
    }
}

/// What is wrong with a form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormErrors {
    /// Said above the form when no single field is the cause.
    pub summary: Option<String>,
    /// Field name and text, in the order of the form.
    pub fields: Vec<(String, String)>,
}

impl FormErrors {
    /// Nothing wrong yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only a sentence above the form.
    pub fn summary(text: impl Into<String>) -> Self {
        Self {
            summary: Some(text.into()),
            fields: Vec::new(),
        }
    }

    /// One wrong field.
    pub fn field(name: impl Into<String>, text: impl Into<String>) -> Self {
        let mut errors = Self::new();
        errors.add(name, text);
        errors
    }

    /// Another wrong field.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.fields.push((name.into(), text.into()));
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.summary.is_none() && self.fields.is_empty()
    }

    /// The refusal that shows them on the form at `to`.
    pub fn refuse(self, to: impl Into<String>) -> Refusal {
        Refusal::Form {
            to: to.into(),
            errors: self,
        }
    }

    /// Refuses when anything is wrong.
    pub fn check(self, to: impl Into<String>) -> Result<(), Refusal> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.refuse(to))
        }
    }
}

/// What a refused post left for its page: typed values and errors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormState {
    pub values: Vec<(String, String)>,
    pub errors: FormErrors,
}

impl FormState {
    /// Whether a refused post led here.
    pub fn is_refused(&self) -> bool {
        !self.errors.is_empty()
    }

    /// What was typed into the field, or `stored` when nothing was refused.
    pub fn value(&self, name: &str, stored: &str) -> String {
        if !self.is_refused() {
            return stored.to_owned();
        }
        self.typed(name).unwrap_or(stored).to_owned()
    }

    /// What was typed into the field, if it was sent at all.
    pub fn typed(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a check box was on: as typed after a refusal, else as stored.
    pub fn checked(&self, name: &str, stored: bool) -> bool {
        if self.is_refused() {
            self.typed(name).is_some()
        } else {
            stored
        }
    }

    /// Whether a box of a list of this name was on.
    pub fn includes(&self, name: &str, value: &str, stored: bool) -> bool {
        if self.is_refused() {
            self.values
                .iter()
                .any(|(key, typed)| key == name && typed == value)
        } else {
            stored
        }
    }

    /// All that is wrong, for the summary above the form.
    pub fn problems(&self) -> Vec<FieldError> {
        let summary = self
            .errors
            .summary
            .iter()
            .map(|text| FieldError::new("", text));
        let fields = self
            .errors
            .fields
            .iter()
            .map(|(name, text)| FieldError::new(name, text));
        summary.chain(fields).collect()
    }

    /// The error of a field.
    pub fn error(&self, name: &str) -> Option<String> {
        self.errors
            .fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, text)| text.clone())
    }
}

/// Every field of the posted form, in order, as the browser sent them.
///
/// The server's gate reads the body once and puts this among the request's extensions. Use it
/// for lists of check boxes; plain fields are arguments of the server function.
#[derive(Debug, Clone, Default)]
pub struct Posted(pub Arc<Vec<(String, String)>>);

impl Posted {
    /// The form of the request being answered.
    pub fn current() -> Self {
        use_context::<http::request::Parts>()
            .and_then(|parts| parts.extensions.get::<Self>().cloned())
            .unwrap_or_default()
    }

    /// Every value of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a field; empty when it was not sent.
    pub fn first(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// Whether the field was sent: a check box that is on.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// The values that may be shown again: no secrets, no token, bounded.
    pub(crate) fn showable(&self) -> Vec<(String, String)> {
        let mut left = MOST_KEPT_BYTES;
        let mut kept = Vec::new();
        for (key, value) in self.0.iter() {
            if key.ends_with("password") || SECRET_FIELDS.contains(&key.as_str()) {
                continue;
            }
            let size = key.len() + value.len();
            if size > left {
                break;
            }
            left -= size;
            kept.push((key.clone(), value.clone()));
        }
        kept
    }
}

/// Fields whose values never enter the session or a page, beside passwords.
const SECRET_FIELDS: [&str; 9] = [
    "csrf",
    "secret",
    "code",
    "setup_code",
    "recovery_code",
    // Of users' forms: their token, the token of a one-time link, the answer of a passkey.
    "proof",
    "link",
    "passkey",
    "private_key",
];

/// What a session keeps of one refused form: more than our largest form, less than an abuse.
const MOST_KEPT_BYTES: usize = 32 * 1024;

/// Notices and forms that wait in a session at the same time, one per page.
const MOST_FLASHES: usize = 4;

/// The session key under which flashes wait.
pub const FLASH_KEY: &str = "flash";

/// What waits in the session for the next visit of a page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Flash {
    pub path: String,
    pub notice: Option<Notice>,
    pub form: Option<FormState>,
}

/// Runs the work of a server function and answers as a form needs it.
pub async fn respond(
    work: impl Future<Output = Result<Answer, Refusal>>,
) -> Result<(), PortalError> {
    match work.await {
        Ok(answer) => {
            if let Some(notice) = answer.notice {
                leave(Flash {
                    path: path_of(&answer.to),
                    notice: Some(notice),
                    form: None,
                })
                .await?;
            }
            see_other(&answer.to);
            Ok(())
        }
        Err(Refusal::Form { to, errors }) => {
            let form = FormState {
                values: Posted::current().showable(),
                errors,
            };
            leave(Flash {
                path: path_of(&to),
                notice: None,
                form: Some(form),
            })
            .await?;
            see_other(&to);
            Ok(())
        }
        Err(Refusal::Error(error)) => {
            // The gate prints an error page for a status of 400 or more.
            if let Some(options) = use_context::<ResponseOptions>() {
                options.set_status(error.status());
            }
            Err(error)
        }
    }
}

/// 303 to a page. The framework's own redirect says 302, which may repeat the post.
fn see_other(url: &str) {
    leptos_axum::redirect(url);
    if let Some(options) = use_context::<ResponseOptions>() {
        options.set_status(StatusCode::SEE_OTHER);
    }
}

/// The session of the request being answered.
pub fn session() -> Result<Session, PortalError> {
    use_context::<http::request::Parts>()
        .and_then(|parts| parts.extensions.get::<Session>().cloned())
        .ok_or(PortalError::BadRequest)
}

async fn leave(flash: Flash) -> Result<(), PortalError> {
    let session = session()?;
    let mut flashes: Vec<Flash> = session
        .get(FLASH_KEY)
        .await
        .ok()
        .flatten()
        .unwrap_or_default();
    flashes.retain(|waiting| waiting.path != flash.path);
    if flashes.len() >= MOST_FLASHES {
        flashes.remove(0);
    }
    flashes.push(flash);
    session
        .insert(FLASH_KEY, flashes)
        .await
        .map_err(|error| internal(&error))
}

impl From<signpost_store::Error> for Refusal {
    fn from(error: signpost_store::Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<signpost_store::Error> for PortalError {
    /// What pages have no better words for; they turn conflicts into field errors before.
    fn from(error: signpost_store::Error) -> Self {
        match error {
            signpost_store::Error::NotFound(_) => Self::NotFound,
            signpost_store::Error::Stale(_) => Self::Stale,
            signpost_store::Error::Busy(_) => Self::Busy,
            signpost_store::Error::InvalidCursor => Self::BadRequest,
            other => internal(&other),
        }
    }
}

/// Logs the whole chain once, under the reference that the error page shows.
pub fn internal(error: &(dyn std::error::Error + 'static)) -> PortalError {
    let reference = visit().reference.clone();
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    tracing::error!(reference, error = chain, "request failed");
    PortalError::Internal { reference }
}

fn path_of(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_tokens_are_never_kept_for_the_page() {
        let posted = Posted(Arc::new(vec![
            ("csrf".into(), "t".into()),
            ("email".into(), "ada@contoso.example".into()),
            ("password".into(), "hunter2".into()),
            ("secret".into(), "s".into()),
        ]));
        assert_eq!(
            posted.showable(),
            [("email".to_owned(), "ada@contoso.example".to_owned())]
        );
    }

    #[test]
    fn a_refused_form_shows_what_was_typed_not_what_is_stored() {
        let state = FormState {
            values: vec![("name".into(), "Typed".into())],
            errors: FormErrors::field("name", "Another application has this name"),
        };
        assert_eq!(state.value("name", "Stored"), "Typed");
        assert!(!state.checked("create_accounts", true));
        assert_eq!(FormState::default().value("name", "Stored"), "Stored");
    }
}
