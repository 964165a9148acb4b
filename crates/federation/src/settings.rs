//! What Microsoft is told about the identity provider of a domain.

use std::fmt;

use signpost_model::Cloud;
use signpost_model::sign_on::{MfaBehavior, Protocol};
use signpost_model::text::{is_domain_name, is_guid};
use url::Url;

use crate::Certificate;

/// The values as people or the portal give them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederationValues {
    pub cloud: Cloud,
    pub tenant_id: String,
    pub domain: String,
    /// The name Microsoft shows for the identity provider.
    pub display_name: String,
    /// Unique per domain of the tenant.
    pub issuer_uri: String,
    /// Where browsers are sent to sign in.
    pub passive_sign_in_uri: String,
    /// Where old programs send passwords; ours has none.
    pub active_sign_in_uri: Option<String>,
    pub sign_out_uri: String,
    /// The WS-Trust description; ours has none.
    pub metadata_exchange_uri: Option<String>,
    /// The federation metadata document, for the script to compare with.
    pub metadata_uri: Option<String>,
    pub password_reset_uri: Option<String>,
    pub protocol: Protocol,
    pub signing_certificate: Certificate,
    pub next_signing_certificate: Option<Certificate>,
    pub mfa_behavior: MfaBehavior,
    pub prompt_login: PromptLogin,
}

/// Values that have been checked: nothing in them can break out of a script or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederationSettings(FederationValues);

impl FederationSettings {
    /// Checks every value and names all that are wrong.
    pub fn new(mut values: FederationValues) -> Result<Self, Vec<SettingProblem>> {
        values.domain.make_ascii_lowercase();
        values.tenant_id.make_ascii_lowercase();
        let problems: Vec<_> = SettingField::ALL
            .into_iter()
            .filter_map(|field| {
                check(&values, field)
                    .err()
                    .map(|kind| SettingProblem { field, kind })
            })
            .collect();
        if problems.is_empty() {
            Ok(Self(values))
        } else {
            Err(problems)
        }
    }

    /// The values.
    pub const fn values(&self) -> &FederationValues {
        &self.0
    }
}

/// What Microsoft does when a program wants people to sign in anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PromptLogin {
    /// Passes the wish on as it is: right for a provider with more than passwords.
    Native,
    /// Asks for a fresh password.
    FreshPassword,
    /// Ignores the wish.
    Disabled,
}

impl PromptLogin {
    /// The word of Microsoft Graph.
    pub const fn graph(self) -> &'static str {
        match self {
            Self::Native => "nativeSupport",
            Self::FreshPassword => "translateToFreshPasswordAuthentication",
            Self::Disabled => "disabled",
        }
    }
}

/// A value that can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SettingField {
    TenantId,
    Domain,
    DisplayName,
    IssuerUri,
    PassiveSignInUri,
    ActiveSignInUri,
    SignOutUri,
    MetadataExchangeUri,
    MetadataUri,
    PasswordResetUri,
    NextSigningCertificate,
}

impl SettingField {
    const ALL: [Self; 11] = [
        Self::TenantId,
        Self::Domain,
        Self::DisplayName,
        Self::IssuerUri,
        Self::PassiveSignInUri,
        Self::ActiveSignInUri,
        Self::SignOutUri,
        Self::MetadataExchangeUri,
        Self::MetadataUri,
        Self::PasswordResetUri,
        Self::NextSigningCertificate,
    ];

    /// The name on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TenantId => "Directory (tenant) ID",
            Self::Domain => "Domain name",
            Self::DisplayName => "Display name",
            Self::IssuerUri => "Issuer",
            Self::PassiveSignInUri => "Sign-in address",
            Self::ActiveSignInUri => "Active sign-in address",
            Self::SignOutUri => "Sign-out address",
            Self::MetadataExchangeUri => "Metadata exchange address",
            Self::MetadataUri => "Metadata address",
            Self::PasswordResetUri => "Password reset address",
            Self::NextSigningCertificate => "Next signing certificate",
        }
    }
}

/// One value that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingProblem {
    pub field: SettingField,
    pub kind: SettingProblemKind,
}

/// The rule that a value breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingProblemKind {
    NotAGuid,
    NotADomain,
    /// Microsoft never federates the domain a tenant begins with.
    InitialDomain,
    Empty,
    TooLong {
        max_length: usize,
    },
    ControlCharacter,
    NotHttps,
    NotAUri,
    SameAsCurrent,
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.field.label();
        match self.kind {
            SettingProblemKind::NotAGuid => {
                write!(
                    f,
                    "{label} is not an id such as 8c1ef6f0-0000-4000-8000-000000000000."
                )
            }
            SettingProblemKind::NotADomain => write!(f, "{label} is not a domain name."),
            SettingProblemKind::InitialDomain => {
                write!(f, "{label}: the tenant's first domain cannot be federated.")
            }
            SettingProblemKind::Empty => write!(f, "{label} is missing."),
            SettingProblemKind::TooLong { max_length } => {
                write!(f, "{label} is longer than {max_length} characters.")
            }
            SettingProblemKind::ControlCharacter => {
                write!(
                    f,
                    "{label} has a line break or a character that cannot be printed."
                )
            }
            SettingProblemKind::NotHttps => write!(f, "{label} is not an address with https://."),
            SettingProblemKind::NotAUri => {
                write!(
                    f,
                    "{label} is not an address or a name beginning with urn:."
                )
            }
            SettingProblemKind::SameAsCurrent => {
                write!(f, "{label} is the same as the current one.")
            }
        }
    }
}

const MAX_NAME: usize = 256;
const MAX_URI: usize = 1024;

fn check(values: &FederationValues, field: SettingField) -> Result<(), SettingProblemKind> {
    let address = |uri: &str| check_address(uri, values.cloud);
    let optional = |uri: &Option<String>| uri.as_deref().map_or(Ok(()), address);
    match field {
        SettingField::TenantId if is_guid(&values.tenant_id) => Ok(()),
        SettingField::TenantId => Err(SettingProblemKind::NotAGuid),
        SettingField::Domain => check_domain(&values.domain),
        SettingField::DisplayName => check_name(&values.display_name),
        SettingField::IssuerUri => check_issuer(&values.issuer_uri),
        SettingField::PassiveSignInUri => address(&values.passive_sign_in_uri),
        SettingField::ActiveSignInUri => optional(&values.active_sign_in_uri),
        SettingField::SignOutUri => address(&values.sign_out_uri),
        SettingField::MetadataExchangeUri => optional(&values.metadata_exchange_uri),
        SettingField::MetadataUri => optional(&values.metadata_uri),
        SettingField::PasswordResetUri => optional(&values.password_reset_uri),
        SettingField::NextSigningCertificate
            if values.next_signing_certificate.as_ref() == Some(&values.signing_certificate) =>
        {
            Err(SettingProblemKind::SameAsCurrent)
        }
        SettingField::NextSigningCertificate => Ok(()),
    }
}

fn check_domain(domain: &str) -> Result<(), SettingProblemKind> {
    const INITIAL: [&str; 3] = [".onmicrosoft.com", ".onmicrosoft.us", ".onmschina.cn"];
    if !is_domain_name(domain) {
        Err(SettingProblemKind::NotADomain)
    } else if INITIAL.iter().any(|suffix| domain.ends_with(suffix)) {
        Err(SettingProblemKind::InitialDomain)
    } else {
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), SettingProblemKind> {
    if name.trim().is_empty() {
        Err(SettingProblemKind::Empty)
    } else if name.chars().count() > MAX_NAME {
        Err(SettingProblemKind::TooLong {
            max_length: MAX_NAME,
        })
    } else if name.chars().any(is_unprintable) {
        Err(SettingProblemKind::ControlCharacter)
    } else {
        Ok(())
    }
}

/// Control characters, the line and paragraph separators, and what XML cannot carry.
const fn is_unprintable(c: char) -> bool {
    matches!(c, '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Microsoft takes `https` only; the practice tenant also what a portal on this machine has.
fn check_address(uri: &str, cloud: Cloud) -> Result<(), SettingProblemKind> {
    let plain = uri
        .strip_prefix("http://")
        .filter(|_| cloud == Cloud::Practice);
    match plain {
        Some(rest) => check_https(&format!("https://{rest}")),
        None => check_https(uri),
    }
}

/// An `https` address as it is written: with a host, without user, fragment or odd characters.
fn check_https(uri: &str) -> Result<(), SettingProblemKind> {
    check_plain(uri)?;
    let url = Url::parse(uri).map_err(|_| SettingProblemKind::NotHttps)?;
    let sound = url.scheme() == "https"
        && uri.starts_with("https://")
        && url.host_str().is_some_and(|host| !host.is_empty())
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    if sound {
        Ok(())
    } else {
        Err(SettingProblemKind::NotHttps)
    }
}

/// An issuer is compared byte by byte and never fetched: a URN will do.
fn check_issuer(uri: &str) -> Result<(), SettingProblemKind> {
    check_plain(uri)?;
    let is_urn = uri
        .strip_prefix("urn:")
        .is_some_and(|rest| rest.contains(':'));
    let is_http = uri.starts_with("http://") && Url::parse(uri).is_ok();
    if is_urn || is_http || check_https(uri).is_ok() {
        Ok(())
    } else {
        Err(SettingProblemKind::NotAUri)
    }
}

fn check_plain(uri: &str) -> Result<(), SettingProblemKind> {
    if uri.is_empty() {
        Err(SettingProblemKind::Empty)
    } else if uri.len() > MAX_URI {
        Err(SettingProblemKind::TooLong {
            max_length: MAX_URI,
        })
    } else if !uri
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&b))
    {
        Err(SettingProblemKind::NotAUri)
    } else {
        Ok(())
    }
}
