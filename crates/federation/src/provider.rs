//! Who issues tokens, to whom, and about whom.

use signpost_model::random::random_text;
use signpost_model::text::check_user_name;
use signpost_model::{Cloud, Random, Timestamp};
use url::Url;

use crate::Signer;
use crate::signature::SignatureProblem;
use crate::xml::UnwritableText;

/// How long before its issue a token is already valid, against clocks that are behind.
pub(crate) const EARLY_MS: i64 = 5 * signpost_model::time::MINUTE_MS;
/// How long the answer to a request may take.
pub(crate) const ANSWER_MS: i64 = 5 * signpost_model::time::MINUTE_MS;
/// How long a token is valid.
pub(crate) const LIFE_MS: i64 = 60 * signpost_model::time::MINUTE_MS;

/// Microsoft's side of the sign-in: a fixed list, never taken from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    realm: &'static str,
    reply_address: String,
}

impl RelyingParty {
    /// Microsoft in one of its clouds; nothing for the practice tenant, which has no fixed address.
    pub fn of(cloud: Cloud) -> Option<Self> {
        let (realm, reply_address) = match cloud {
            Cloud::Microsoft365 => (GLOBAL_REALM, "https://login.microsoftonline.com/login.srf"),
            Cloud::GccHigh | Cloud::Dod => {
                (GLOBAL_REALM, "https://login.microsoftonline.us/login.srf")
            }
            Cloud::China => (
                "urn:federation:partner.microsoftonline.cn",
                "https://login.partner.microsoftonline.cn/login.srf",
            ),
            Cloud::Practice => return None,
        };
        Some(Self {
            realm,
            reply_address: reply_address.to_owned(),
        })
    }

    /// The practice tenant, at the address that the server's own configuration gives it.
    pub fn practice(base: &Url) -> Option<Self> {
        let reply = base.join("/login.srf").ok()?;
        Some(Self {
            realm: GLOBAL_REALM,
            reply_address: reply.into(),
        })
    }

    /// Its name: entity id, realm and audience in one.
    pub const fn realm(&self) -> &str {
        self.realm
    }

    /// The only address that tokens are posted to.
    pub fn reply_address(&self) -> &str {
        &self.reply_address
    }

    /// Whether people may be sent there after signing out: same scheme, host and port exactly.
    pub fn is_own_address(&self, address: &str) -> bool {
        // Parsers drop line breaks and blanks, headers do not.
        if !address.bytes().all(|b| b.is_ascii_graphic()) {
            return false;
        }
        let (Ok(address), Ok(own)) = (Url::parse(address), Url::parse(&self.reply_address)) else {
            return false;
        };
        address.origin() == own.origin()
            && address.username().is_empty()
            && address.password().is_none()
    }
}

const GLOBAL_REALM: &str = "urn:federation:MicrosoftOnline";

/// The identity provider of one domain.
#[derive(Debug)]
pub struct IdentityProvider {
    pub domain: String,
    pub issuer_uri: String,
    pub relying_party: RelyingParty,
    pub signer: Signer,
}

/// How a person has proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    Password,
    /// A second factor, or a passkey, was really used in this session.
    MultiFactor,
}

/// A person's live session, as tokens tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    pub user_name: String,
    /// The account's ImmutableId in the tenant.
    pub immutable_id: String,
    /// When they proved it, not when this token is made.
    pub authenticated_at: Timestamp,
    pub strength: Strength,
}

/// What Microsoft wants of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demands {
    /// The sign-in may be this old at most; 0 is now.
    pub max_age_minutes: Option<u32>,
    /// A second factor.
    pub multi_factor: bool,
    /// Nothing may be asked of the person.
    pub passive: bool,
}

impl Demands {
    /// Whether a session will do for a request that came at `requested_at`.
    pub fn are_met_by(&self, sign_in: &SignIn, requested_at: Timestamp) -> bool {
        let fresh = self.max_age_minutes.is_none_or(|minutes| {
            let age = i64::from(minutes) * signpost_model::time::MINUTE_MS;
            sign_in.authenticated_at >= requested_at.plus_millis(-age)
        });
        fresh && (!self.multi_factor || sign_in.strength == Strength::MultiFactor)
    }
}

/// Fields that the browser posts to Microsoft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostForm {
    pub action: String,
    /// Names and values, to be escaped by whoever writes the HTML.
    pub fields: Vec<(&'static str, String)>,
}

/// Why no token is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssueProblem {
    #[error("the user name is not of the domain that this issuer speaks for")]
    OtherDomain,
    #[error("the ImmutableId is missing or has characters that Microsoft would not take")]
    ImmutableId,
    #[error("the sign-in lies in the future")]
    NotYetSignedIn,
    #[error("a second factor was asked for and not used")]
    StrengthMissing,
    #[error(transparent)]
    Signature(#[from] SignatureProblem),
}

impl From<UnwritableText> for IssueProblem {
    fn from(problem: UnwritableText) -> Self {
        Self::Signature(SignatureProblem::Text(problem))
    }
}

impl IdentityProvider {
    /// Refuses to speak for anybody but the people of its own domain.
    pub(crate) fn check(
        &self,
        sign_in: &SignIn,
        demands: &Demands,
        now: Timestamp,
    ) -> Result<(), IssueProblem> {
        let of_domain = check_user_name(&sign_in.user_name).is_ok()
            && sign_in
                .user_name
                .rsplit_once('@')
                .is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(&self.domain));
        if !of_domain {
            return Err(IssueProblem::OtherDomain);
        }
        let id = &sign_in.immutable_id;
        // Ours are alphanumeric; those of an on-premises directory are base64.
        let sound = (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
        if !sound {
            return Err(IssueProblem::ImmutableId);
        }
        if sign_in.authenticated_at > now {
            return Err(IssueProblem::NotYetSignedIn);
        }
        if demands.multi_factor && sign_in.strength != Strength::MultiFactor {
            return Err(IssueProblem::StrengthMissing);
        }
        Ok(())
    }
}

/// A fresh id of 160 bits that XML accepts as one.
pub(crate) fn mint_id(random: &dyn Random) -> String {
    format!("_{}", random_text(random, b"0123456789abcdef", 40))
}

/// The instant as SAML writes it; the year 1970 for one that no calendar knows.
pub(crate) fn instant(at: Timestamp) -> String {
    at.to_jiff()
        .unwrap_or_default()
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_microsofts_own_addresses_are_followed_after_sign_out() {
        let microsoft = RelyingParty::of(Cloud::Microsoft365).unwrap();
        assert!(microsoft.is_own_address("https://login.microsoftonline.com/common/oauth2/logout"));
        assert!(microsoft.is_own_address("https://LOGIN.microsoftonline.com:443/x?y=z"));
        for address in [
            "https://login.microsoftonline.com.evil.example/",
            "https://login.microsoftonline.com@evil.example/",
            "https://user@login.microsoftonline.com/",
            "https://login.microsoftonline.com./",
            "https://login.microsoftonline.com:8443/",
            "http://login.microsoftonline.com/",
            "//login.microsoftonline.com/",
            "https:\\\\evil.example\\login.microsoftonline.com",
            "javascript:alert(1)",
            "/relative",
            " https://login.microsoftonline.com/",
            "https://login.microsoftonline.com/\r\nX: y",
            "ht\ttps://login.microsoftonline.com/",
            "https://login\u{ff0e}microsoftonline.com/",
            "",
        ] {
            assert!(!microsoft.is_own_address(address), "{address}");
        }
    }

    #[test]
    fn a_session_meets_a_demand_only_when_it_is_fresh_and_strong_enough() {
        let at = Timestamp::from_millis(1_795_000_000_000);
        let sign_in = SignIn {
            user_name: "ada@contoso.example".into(),
            immutable_id: "a".into(),
            authenticated_at: at,
            strength: Strength::Password,
        };
        let met = |demands: Demands, requested_at| demands.are_met_by(&sign_in, requested_at);
        let aged = |minutes| Demands {
            max_age_minutes: Some(minutes),
            ..Demands::default()
        };
        assert!(met(Demands::default(), at.plus_days(9)));
        assert!(met(aged(0), at) && !met(aged(0), at.plus_millis(1)));
        assert!(met(aged(5), at.plus_millis(300_000)) && !met(aged(5), at.plus_millis(300_001)));
        assert!(!met(
            Demands {
                multi_factor: true,
                ..Demands::default()
            },
            at
        ));
    }

    #[test]
    fn instants_have_milliseconds_and_end_in_z() {
        assert_eq!(
            instant(Timestamp::from_millis(1_795_000_000_007)),
            "2026-11-18T11:06:40.007Z"
        );
    }
}
