//! An application's way into its tenant, and what the last check of it found.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Which Microsoft cloud the tenant lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    Microsoft365,
    GccHigh,
    Dod,
    China,
    /// The simulated tenant that the server runs for rehearsing.
    Practice,
}

impl Cloud {
    /// Every cloud, in the order of the form.
    pub const ALL: [Self; 5] = [
        Self::Microsoft365,
        Self::GccHigh,
        Self::Dod,
        Self::China,
        Self::Practice,
    ];

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Microsoft365 => "Microsoft 365",
            Self::GccHigh => "GCC High",
            Self::Dod => "DoD",
            Self::China => "China",
            Self::Practice => "Practice tenant",
        }
    }

    /// The word in the database and in forms.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Microsoft365 => "microsoft_365",
            Self::GccHigh => "gcc_high",
            Self::Dod => "dod",
            Self::China => "china",
            Self::Practice => "practice",
        }
    }
}

/// The text names no cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cloud")]
pub struct UnknownCloud;

impl FromStr for Cloud {
    type Err = UnknownCloud;

    fn from_str(text: &str) -> Result<Self, UnknownCloud> {
        Self::ALL
            .into_iter()
            .find(|cloud| cloud.key() == text)
            .ok_or(UnknownCloud)
    }
}

/// The values an operator enters; the secret is kept apart, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionSettings {
    pub cloud: Cloud,
    /// The domain whose people this application looks after.
    pub domain: String,
    pub tenant_id: String,
    pub client_id: String,
}

/// How the application proves itself to its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    Secret,
    Certificate,
}

impl CredentialKind {
    /// The word in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Certificate => "certificate",
        }
    }
}

impl FromStr for CredentialKind {
    type Err = UnknownCloud;

    fn from_str(text: &str) -> Result<Self, UnknownCloud> {
        [Self::Secret, Self::Certificate]
            .into_iter()
            .find(|kind| kind.key() == text)
            .ok_or(UnknownCloud)
    }
}

/// How a connection is doing, as one word on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    NotSetUp,
    Connected,
    WithProblems,
    Stopped,
}

impl ConnectionState {
    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotSetUp => "Not set up",
            Self::Connected => "Connected",
            Self::WithProblems => "With problems",
            Self::Stopped => "Stopped",
        }
    }

    /// The word in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::NotSetUp => "not_set_up",
            Self::Connected => "connected",
            Self::WithProblems => "with_problems",
            Self::Stopped => "stopped",
        }
    }
}

impl FromStr for ConnectionState {
    type Err = UnknownCloud;

    fn from_str(text: &str) -> Result<Self, UnknownCloud> {
        [
            Self::NotSetUp,
            Self::Connected,
            Self::WithProblems,
            Self::Stopped,
        ]
        .into_iter()
        .find(|state| state.key() == text)
        .ok_or(UnknownCloud)
    }
}

/// What the last check of a connection found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    pub tenant_name: String,
    pub domains: Vec<FoundDomain>,
    /// The application permissions in the token.
    pub granted: Vec<String>,
    /// When the secret in use ends; `None` when it could not be read.
    pub secret_expires_at: Option<Timestamp>,
    /// What went wrong, when the check did not end well.
    pub problem: Option<ConnectionProblem>,
}

/// A domain of the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundDomain {
    pub name: String,
    pub verified: bool,
    pub federated: bool,
    pub default: bool,
    pub initial: bool,
}

/// Why a connection does not work: cause and next step are worded by the page from the kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionProblem {
    pub kind: ConnectionProblemKind,
    /// Microsoft's own code (`AADSTS7000215`, `Authorization_RequestDenied`), for support.
    pub code: Option<String>,
    /// Microsoft's correlation or request id, for support.
    pub correlation_id: Option<String>,
}

/// The closed list of causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionProblemKind {
    /// Microsoft does not accept the secret.
    WrongSecret,
    /// The secret has ended.
    SecretExpired,
    /// There is no such tenant in this cloud.
    UnknownTenant,
    /// The tenant does not know the application.
    UnknownApplication,
    /// The application is switched off in the tenant.
    ApplicationDisabled,
    /// The token carries no permission at all.
    NoConsent,
    /// Some permissions are missing.
    PermissionMissing,
    /// The domain is not one of the tenant's verified domains.
    DomainNotVerified,
    /// Microsoft asked to slow down.
    Throttled,
    /// Microsoft did not answer.
    Unreachable,
    /// Microsoft refused with a code that is not on this list.
    Refused,
}

impl ConnectionProblemKind {
    /// Whether the stored settings must not be replaced by the ones that led here.
    pub const fn is_refused_credential(self) -> bool {
        matches!(
            self,
            Self::WrongSecret
                | Self::SecretExpired
                | Self::UnknownTenant
                | Self::UnknownApplication
                | Self::ApplicationDisabled
                | Self::Refused
        )
    }
}
