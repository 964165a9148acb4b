//! What Microsoft says when it turns an answer down, and why in plain words.

/// A code of Microsoft's sign-in.
/// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    WsFedResponse,
    WsFedMessage,
    SamlToken,
    EmailClaim,
    Signature,
    Certificate,
    Assertion,
    TimeRange,
    WeakKey,
    NotInDirectory,
    Disabled,
    SecondFactor,
    SignOut,
    UnknownRealm,
    Stale,
}

impl Code {
    pub(super) const fn number(self) -> &'static str {
        match self {
            Self::WsFedResponse => "AADSTS20001",
            Self::WsFedMessage => "AADSTS20012",
            Self::SamlToken => "AADSTS50008",
            Self::EmailClaim => "AADSTS5000819",
            Self::Signature => "AADSTS50006",
            Self::Certificate => "AADSTS50012",
            Self::Assertion => "AADSTS50013",
            Self::TimeRange => "AADSTS500133",
            Self::WeakKey => "AADSTS50032",
            Self::NotInDirectory => "AADSTS51004",
            Self::Disabled => "AADSTS50057",
            Self::SecondFactor => "AADSTS50074",
            Self::SignOut => "AADSTS50068",
            Self::UnknownRealm => "AADSTS50107",
            Self::Stale => "AADSTS70044",
        }
    }

    /// Microsoft's own sentence.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::WsFedResponse => "There is an issue with your federated identity provider.",
            Self::WsFedMessage => {
                "The WS-Federation message is invalid. Contact your identity provider to resolve this issue."
            }
            Self::SamlToken => {
                "SAML assertion is missing or misconfigured in the token. Contact your federation provider."
            }
            Self::EmailClaim => {
                "SAML assertion is invalid. Email address claim is missing or does not match domain from an external realm."
            }
            Self::Signature => "Signature verification failed because of an invalid signature.",
            Self::Certificate => {
                "Authentication failed: a matching trusted signing certificate was not found."
            }
            Self::Assertion => "Assertion is invalid.",
            Self::TimeRange => "Assertion is not within its valid time range.",
            Self::WeakKey => "The attempt used a weak RSA key.",
            Self::NotInDirectory => "The user account does not exist in the directory.",
            Self::Disabled => "The user account is disabled.",
            Self::SecondFactor => {
                "Strong authentication is required and the user did not pass the MFA challenge."
            }
            Self::SignOut => "Unable to complete sign-out. The request was invalid.",
            Self::UnknownRealm => "The requested federation realm object does not exist.",
            Self::Stale => {
                "The session has expired or is invalid due to sign-in frequency checks by Conditional Access."
            }
        }
    }
}

/// One thing that Microsoft would not have taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: Code,
    /// What is wrong with this answer, for the person who set the provider up.
    pub(super) because: String,
}

impl Refused {
    pub(super) fn new(code: Code, because: impl Into<String>) -> Self {
        Self {
            code,
            because: because.into(),
        }
    }
}
