//! Handing the sign-in of a domain over: whose accounts are ready, who signs people in, and the
//! time in which it has to be confirmed.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sign_on::UnknownChoice;
use crate::text::fold;
use crate::{RunId, Timestamp};

/// Whether an account of the domain can sign in once it is federated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImmutableIdState {
    /// Carries the ImmutableId of its user.
    Ready,
    /// Carries none.
    Missing,
    /// Carries another than its user's.
    Different,
    /// Another account carries it, too.
    Duplicate,
    /// Another directory writes it.
    Synchronised,
    /// Holds a directory role: Signpost never changes it.
    Administrator,
    /// No user of the directory is it, so nobody would be let in.
    NoUser,
}

impl ImmutableIdState {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 7] = [
        Self::Ready,
        Self::Missing,
        Self::Different,
        Self::Duplicate,
        Self::Synchronised,
        Self::Administrator,
        Self::NoUser,
    ];

    /// The word of the database and of addresses.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Missing => "missing",
            Self::Different => "different",
            Self::Duplicate => "duplicate",
            Self::Synchronised => "synchronised",
            Self::Administrator => "administrator",
            Self::NoUser => "no_user",
        }
    }

    /// The word on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Missing => "Missing",
            Self::Different => "Different",
            Self::Duplicate => "Duplicate",
            Self::Synchronised => "Synchronised elsewhere",
            Self::Administrator => "Administrator",
            Self::NoUser => "No user",
        }
    }

    /// What there is to do about it; empty when nothing is.
    pub const fn todo(self) -> &'static str {
        match self {
            Self::Ready => "",
            Self::Missing | Self::Different => "Repair it here.",
            Self::Duplicate => "Clear the ImmutableId of the other account in Microsoft 365.",
            Self::Synchronised => "Change it in the directory that it is synchronised from.",
            Self::Administrator => {
                "Set it in Microsoft 365, or give it a name on the onmicrosoft.com domain."
            }
            Self::NoUser => "Link it with a user, or give it a name on another domain.",
        }
    }

    /// Whether Signpost can put it right.
    pub const fn is_repairable(self) -> bool {
        matches!(self, Self::Missing | Self::Different)
    }
}

impl FromStr for ImmutableIdState {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        Self::ALL
            .into_iter()
            .find(|state| state.key() == text)
            .ok_or(UnknownChoice)
    }
}

/// Who signs the people of a domain in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// Signpost's own login page.
    Own,
    /// Another identity provider.
    External,
}

/// Another identity provider instead of Signpost's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalProvider {
    pub issuer: String,
    pub sign_in: String,
    pub sign_out: String,
    /// Where old programs send passwords; most have none.
    pub active_sign_in: String,
    /// The WS-Trust description; most have none.
    pub metadata_exchange: String,
    /// DER as base64, without line breaks.
    pub certificate: String,
    /// The one that signs afterwards; empty for none.
    pub next_certificate: String,
    /// 0 until it is first saved.
    pub version: i64,
}

/// One thing that Microsoft is told of the identity provider of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FederationField {
    DisplayName,
    IssuerUri,
    PassiveSignInUri,
    ActiveSignInUri,
    SignOutUri,
    MetadataExchangeUri,
    PasswordResetUri,
    PreferredAuthenticationProtocol,
    FederatedIdpMfaBehavior,
    PromptLoginBehavior,
    SigningCertificate,
    NextSigningCertificate,
    IsSignedAuthenticationRequestRequired,
}

impl FederationField {
    /// The name on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::DisplayName => "Display name",
            Self::IssuerUri => "Issuer",
            Self::PassiveSignInUri => "Sign-in address",
            Self::ActiveSignInUri => "Active sign-in address",
            Self::SignOutUri => "Sign-out address",
            Self::MetadataExchangeUri => "Metadata exchange address",
            Self::PasswordResetUri => "Password reset address",
            Self::PreferredAuthenticationProtocol => "Protocol",
            Self::FederatedIdpMfaBehavior => "Second factor",
            Self::PromptLoginBehavior => "Demand for a fresh sign-in",
            Self::SigningCertificate => "Signing certificate",
            Self::NextSigningCertificate => "Next signing certificate",
            Self::IsSignedAuthenticationRequestRequired => "Microsoft signs its requests",
        }
    }

    /// Whether the value is a certificate, too long to be read by people.
    pub const fn is_certificate(self) -> bool {
        matches!(
            self,
            Self::SigningCertificate | Self::NextSigningCertificate
        )
    }
}

/// What Microsoft is told, in its own words; what it is not told does not stand here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FederationSetup(BTreeMap<FederationField, String>);

impl FederationSetup {
    /// The value of a field; empty when there is none.
    pub fn get(&self, field: FederationField) -> &str {
        self.0.get(&field).map_or("", String::as_str)
    }

    /// Sets a field; an empty value is none.
    pub fn set(&mut self, field: FederationField, value: impl Into<String>) {
        let value = value.into();
        if value.is_empty() {
            self.0.remove(&field);
        } else {
            self.0.insert(field, value);
        }
    }

    /// Every field that has a value, in order.
    pub fn fields(&self) -> impl Iterator<Item = (FederationField, &str)> {
        self.0.iter().map(|(field, value)| (*field, value.as_str()))
    }

    /// The fields in which `found` is not as this says; what this does not mention may be anything.
    pub fn differing(&self, found: &Self) -> Vec<FederationField> {
        self.fields()
            .filter(|(field, value)| {
                let there = found.get(*field);
                if field.is_certificate() {
                    // Some tools put line breaks into the base64.
                    there.split_whitespace().collect::<String>() != *value
                } else {
                    there != *value
                }
            })
            .map(|(field, _)| field)
            .collect()
    }

    /// Only these fields of it.
    #[must_use]
    pub fn only(&self, fields: &[FederationField]) -> Self {
        let kept = self.0.iter().filter(|(field, _)| fields.contains(field));
        Self(kept.map(|(field, value)| (*field, value.clone())).collect())
    }
}

/// Why a domain is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevertCause {
    Asked,
    /// Nobody confirmed in time, or the federation did not come out as it was meant.
    NotConfirmed,
}

/// How far the federation of a domain by Signpost is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FederationState {
    /// Microsoft was asked, and it reverts by itself unless somebody confirms in time.
    Confirming,
    /// Somebody said that it works.
    Confirmed,
    /// Taken back, or never asked for.
    Reverted,
}

impl FederationState {
    /// The word of the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Confirming => "confirming",
            Self::Confirmed => "confirmed",
            Self::Reverted => "reverted",
        }
    }
}

impl FromStr for FederationState {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        [Self::Confirming, Self::Confirmed, Self::Reverted]
            .into_iter()
            .find(|state| state.key() == text)
            .ok_or(UnknownChoice)
    }
}

/// A domain that Signpost federated by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Federation {
    pub domain: String,
    pub issuer: String,
    pub state: FederationState,
    /// The run that federated it.
    pub run_id: RunId,
    /// Who is to sign in for a test: a user name of the domain.
    pub tester: String,
    pub federated_at: Timestamp,
    /// When it reverts unless it is confirmed.
    pub confirm_until: Timestamp,
    pub confirmed_at: Option<Timestamp>,
    pub confirmed_by: Option<String>,
    pub reverted_at: Option<Timestamp>,
    /// Who was the last to get a token before it was confirmed, and when: the tester, if they came.
    pub signed_in: Option<(String, Timestamp)>,
    /// Why the last attempt to revert did not succeed.
    pub trouble: Option<String>,
}

impl Federation {
    /// Whether nobody confirmed it in time.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.state == FederationState::Confirming && self.confirm_until <= now
    }

    /// When the tester got their token.
    pub fn tested_at(&self) -> Option<Timestamp> {
        let (name, at) = self.signed_in.as_ref()?;
        (fold(name) == fold(&self.tester)).then_some(*at)
    }
}

/// The shortest time to confirm in: for who has tried it before.
pub const LEAST_CONFIRM_MINUTES: i64 = 1;
/// The longest: nobody waits a day to see whether they are locked out.
pub const MOST_CONFIRM_MINUTES: i64 = 240;
/// Microsoft shows a federated domain within minutes as a rule, and may take longer.
pub const USUAL_CONFIRM_MINUTES: i64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_meant_is_compared() {
        let mut wanted = FederationSetup::default();
        wanted.set(FederationField::IssuerUri, "urn:a:b");
        wanted.set(FederationField::SigningCertificate, "MIIC");
        wanted.set(FederationField::ActiveSignInUri, "");
        let mut found = wanted.clone();
        found.set(FederationField::SigningCertificate, "MI\nIC ");
        found.set(FederationField::ActiveSignInUri, "https://left.example");
        assert_eq!(wanted.differing(&found), []);
        found.set(FederationField::IssuerUri, "urn:A:b");
        found.set(FederationField::SigningCertificate, "");
        let differing = wanted.differing(&found);
        let expected = [
            FederationField::IssuerUri,
            FederationField::SigningCertificate,
        ];
        assert_eq!(differing, expected);
        assert_eq!(wanted.only(&differing[..1]).fields().count(), 1);
    }

    #[test]
    fn a_setup_is_written_in_microsofts_words() {
        let mut setup = FederationSetup::default();
        setup.set(
            FederationField::FederatedIdpMfaBehavior,
            "acceptIfMfaDoneByFederatedIdp",
        );
        let text = serde_json::to_string(&setup).unwrap();
        let expected = r#"{"federatedIdpMfaBehavior":"acceptIfMfaDoneByFederatedIdp"}"#;
        assert_eq!(text, expected);
        assert_eq!(
            serde_json::from_str::<FederationSetup>(&text).unwrap(),
            setup
        );
    }
}
