//! What the checks are made from.

use signpost_model::connection::CredentialKind;
use signpost_model::readiness::{Feature, HandMark, Marked, MfaTally, RegistrationTally};
use signpost_model::sign_on::MfaBehavior;
use signpost_model::{SignOnSettings, Timestamp};

/// Something that was to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<T> {
    /// It was read.
    Known(T),
    /// This permission is missing.
    Missing(String),
    /// It could not be read; why, as a sentence for people.
    Failed(String),
}

impl<T> Read<T> {
    /// What was read, if it was.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Missing(_) | Self::Failed(_) => None,
        }
    }

    /// The same with another content.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Known(value) => Read::Known(change(value)),
            Self::Missing(permission) => Read::Missing(permission),
            Self::Failed(why) => Read::Failed(why),
        }
    }
}

/// Everything the checks look at.
#[derive(Debug, Clone)]
pub struct Facts {
    pub now: Timestamp,
    /// The domain whose people the application looks after.
    pub domain: String,
    /// Whether the tenant is the simulated one.
    pub practice: bool,
    pub features: Vec<Feature>,
    /// The application permissions in the token.
    pub granted: Read<Vec<String>>,
    /// Whether a harmless call that needs the permission works.
    pub probes: Vec<(&'static str, Read<()>)>,
    pub credential: CredentialKind,
    /// When the credential in use ends; `None` when the tenant does not tell.
    pub credential_ends: Read<Option<Timestamp>>,
    pub domains: Read<Vec<DomainFact>>,
    pub names: NamesOutside,
    /// Who holds the role Global Administrator.
    pub administrators: Read<Vec<Administrator>>,
    pub security_defaults: Read<bool>,
    pub conditional_access: Read<Vec<ConditionalAccess>>,
    /// How the domain is federated; `None` while it is managed.
    pub federation: Read<Option<FederationFact>>,
    /// State of the campaign that asks users to set up Microsoft's app.
    pub campaign: Read<String>,
    pub reading: AccountReading,
    pub registrations: Read<RegistrationTally>,
    pub marks: Vec<(HandMark, Marked)>,
    pub sign_on: SignOnSettings,
    /// Users with the application who have no second factor here.
    pub without_factor: i64,
    pub own: OwnSide,
}

/// A domain of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainFact {
    pub name: String,
    pub verified: bool,
    pub default: bool,
    pub initial: bool,
    pub root: bool,
    pub federated: bool,
}

/// Users whose name is in no verified domain of the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamesOutside {
    pub users: i64,
    pub outside: i64,
    /// Some of them.
    pub examples: Vec<String>,
}

/// Somebody who holds the role Global Administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator {
    pub name: String,
    pub enabled: bool,
    /// Whether another directory manages the account.
    pub synchronised: bool,
    /// Whether the account is linked with a user here.
    pub linked: bool,
}

/// A conditional access policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionalAccess {
    pub name: String,
    pub enabled: bool,
    pub asks_for_mfa: bool,
}

/// How the domain is federated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederationFact {
    pub issuer: String,
    /// `None` while Microsoft was never told.
    pub mfa: Option<MfaBehavior>,
}

/// How far the accounts' own settings have been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountReading {
    Never,
    Running(MfaTally),
    Done { tally: MfaTally, at: Timestamp },
    Failed(String),
}

/// Our own side as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSide {
    pub public_url: String,
    pub metadata: Read<MetadataFact>,
    /// The certificate of the public address; `None` without TLS.
    pub tls: Read<Option<TlsFact>>,
    /// How far our clock is behind Microsoft's; `None` when Microsoft's answer had no date.
    pub clock_offset_ms: Read<Option<i64>>,
}

/// The certificate that the public address shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFact {
    /// The host that was asked for.
    pub host: String,
    /// Who signed it.
    pub issuer: String,
    /// How many certificates were sent, its own among them.
    pub chain: usize,
    pub ends_at: Timestamp,
    /// Why browsers refuse it.
    pub problem: Option<TlsProblem>,
}

/// Why browsers refuse a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsProblem {
    Ended,
    /// It begins at this instant.
    NotYet(Timestamp),
    /// It is for these hosts.
    OtherHosts(Vec<String>),
    /// Nobody but itself vouches for it.
    SelfSigned,
    /// Whoever signed it is not known; perhaps because their certificate was not sent.
    UnknownIssuer,
    /// Something else, in the words of the TLS library.
    Other(String),
}

/// What the public metadata address served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataFact {
    pub names_issuer: bool,
    pub has_certificate: bool,
}
