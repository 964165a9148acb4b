//! What a provider says about a person, in either protocol.

use super::refusal::{Code, Refused};
use crate::clock::Millis;

/// Everything in the signed assertion and around it that is judged.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims {
    pub(super) assertion_id: String,
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    /// `NameID`, or `NameIdentifier` of each statement.
    pub(super) names: Vec<String>,
    pub(super) name_format: Option<String>,
    /// Values of the claims that name the account in the directory.
    pub(super) user_names: Vec<String>,
    /// The claim of WS-Federation that must equal the name.
    pub(super) immutable_ids: Vec<String>,
    /// How the person signed in: one class in SAML 2.0, several claims in WS-Federation.
    pub(super) methods: Vec<String>,
    pub(super) session_index: Option<String>,
    pub(super) authenticated_at: Option<Millis>,
    pub(super) issued_at: Option<Millis>,
    pub(super) not_before: Option<Millis>,
    pub(super) not_on_or_after: Option<Millis>,
    /// Where and until when the answer may be handed in; SAML 2.0 only.
    pub(super) delivery: Option<Delivery>,
}

/// What binds a SAML 2.0 response to its request.
#[derive(Debug, Clone, Default)]
pub(super) struct Delivery {
    pub(super) destination: Option<String>,
    pub(super) recipient: Option<String>,
    pub(super) until: Option<Millis>,
    /// Of the response and of the confirmation.
    pub(super) in_response_to: [Option<String>; 2],
}

impl Claims {
    pub(super) fn is_multi_factor(&self) -> bool {
        self.methods.iter().any(|one| one == super::MULTI_FACTOR)
    }

    pub(super) fn user_name(&self) -> &str {
        self.user_names.first().map_or("", String::as_str)
    }

    pub(super) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// An instant as SAML writes it: UTC, with a `Z`.
pub(super) fn instant(name: &str, value: Option<&str>) -> Result<Option<Millis>, Refused> {
    let Some(value) = value else { return Ok(None) };
    let parsed = value
        .ends_with('Z')
        .then(|| crate::clock::parse_instant(value))
        .flatten();
    parsed.map(Some).ok_or_else(|| {
        Refused::new(
            Code::TimeRange,
            format!("{name} is \"{value}\", not an instant in UTC that ends in Z."),
        )
    })
}
