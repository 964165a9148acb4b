//! Readiness: what must hold in a tenant before and while its people sign in through Signpost,
//! how it was found, and what operators answered for by hand.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::time::{DAY_MS, HOUR_MS};

/// The text names no check, state, mark or feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

macro_rules! words {
    ($name:ident { $($(#[$doc:meta])* $variant:ident = $key:literal, $label:literal;)* }) => {
        impl $name {
            /// All of them, in the order of the page.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word in the database and in forms.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)* }
            }

            /// The words on the page.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|one| one.key() == text).ok_or(UnknownWord)
            }
        }
    };
}

/// What checks are about; the page groups them so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    Registration,
    Domain,
    BreakGlass,
    SecurityDefaults,
    PerUserMfa,
    PasswordReset,
    Handover,
    OwnSide,
}

words! { Area {
    Registration = "registration", "Registration and permissions";
    Domain = "domain", "Domain";
    BreakGlass = "break_glass", "Emergency accounts";
    SecurityDefaults = "security_defaults", "Security defaults";
    PerUserMfa = "per_user_mfa", "Per-user MFA";
    PasswordReset = "password_reset", "Password reset and registration";
    Handover = "handover", "MFA hand-over";
    OwnSide = "own_side", "Signpost’s own side";
} }

/// One thing that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKey {
    /// Signpost gets a token from the tenant.
    SignIn,
    /// The permissions are those that the chosen features need, and no others.
    Permissions,
    /// The secret or certificate lasts.
    CredentialEnd,
    /// The domain belongs to the tenant, and may be handed over.
    DomainVerified,
    /// New users of the tenant do not get the domain without being asked.
    DomainNotDefault,
    /// The domain decides for itself who checks its passwords.
    DomainRoot,
    /// Everybody's user name can exist in the tenant.
    UserNames,
    /// Somebody can sign in when Signpost cannot.
    BreakGlass,
    /// Microsoft does not ask everybody for its own second factor.
    SecurityDefaults,
    /// Something still asks for a second factor.
    MfaRemains,
    /// Nobody is asked twice because of a setting of their account.
    PerUserMfa,
    /// Users reset their password at Signpost, not at Microsoft.
    PasswordReset,
    /// Microsoft asks nobody to register ways to sign in.
    Registration,
    /// A second factor proven here counts at Microsoft, and nobody is sent in circles.
    MfaHandover,
    /// The portal has the address that Microsoft sends people to.
    PublicAddress,
    /// The certificate of that address.
    Tls,
    /// The metadata is served there.
    Metadata,
    /// Our clock and Microsoft's agree.
    Clock,
}

words! { CheckKey {
    SignIn = "sign_in", "Sign-in to the tenant";
    Permissions = "permissions", "Permissions";
    CredentialEnd = "credential_end", "Secret or certificate";
    DomainVerified = "domain_verified", "Domain is verified";
    DomainNotDefault = "domain_not_default", "Domain is not the default";
    DomainRoot = "domain_root", "Domain stands on its own";
    UserNames = "user_names", "User names";
    BreakGlass = "break_glass", "Two emergency administrators";
    SecurityDefaults = "security_defaults", "Security defaults are off";
    MfaRemains = "mfa_remains", "Something asks for a second factor";
    PerUserMfa = "per_user_mfa", "Nobody is asked twice";
    PasswordReset = "password_reset", "Self-service password reset is off";
    Registration = "registration", "Registration at sign-in is off";
    MfaHandover = "mfa_handover", "Second factors count at Microsoft";
    PublicAddress = "public_address", "Public address";
    Tls = "tls", "TLS certificate";
    Metadata = "metadata", "Metadata is served";
    Clock = "clock", "Clock";
} }

impl CheckKey {
    /// What it is about.
    pub const fn area(self) -> Area {
        match self {
            Self::SignIn | Self::Permissions | Self::CredentialEnd => Area::Registration,
            Self::DomainVerified | Self::DomainNotDefault | Self::DomainRoot | Self::UserNames => {
                Area::Domain
            }
            Self::BreakGlass => Area::BreakGlass,
            Self::SecurityDefaults | Self::MfaRemains => Area::SecurityDefaults,
            Self::PerUserMfa => Area::PerUserMfa,
            Self::PasswordReset | Self::Registration => Area::PasswordReset,
            Self::MfaHandover => Area::Handover,
            Self::PublicAddress | Self::Tls | Self::Metadata | Self::Clock => Area::OwnSide,
        }
    }

    /// Whether people would be locked out if the domain were handed over while this fails. Only
    /// these block, and nobody can wave them through.
    pub const fn locks_out(self) -> bool {
        matches!(
            self,
            Self::DomainVerified
                | Self::DomainNotDefault
                | Self::BreakGlass
                | Self::PublicAddress
                | Self::Metadata
        )
    }

    /// The mark that an operator sets by hand when the tenant does not tell.
    pub const fn hand_mark(self) -> Option<HandMark> {
        match self {
            Self::PasswordReset => Some(HandMark::PasswordResetOff),
            Self::Registration => Some(HandMark::RegistrationOff),
            _ => None,
        }
    }
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// As it should be.
    Passed,
    /// An operator answers for it.
    Waived,
    /// It could not be found out.
    Unknown,
    /// It works, and somebody should look.
    Attention,
    /// It does not work.
    Failed,
}

words! { CheckState {
    Passed = "passed", "Passed";
    Waived = "waived", "Waived";
    Unknown = "unknown", "Unknown";
    Attention = "attention", "Attention";
    Failed = "failed", "Failed";
} }

impl CheckState {
    /// Whether nobody has to do anything.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Passed | Self::Waived)
    }
}

/// One check as it was last made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub key: CheckKey,
    /// As it was found; what operators answer for is laid over it by [`Check::state_under`].
    pub state: CheckState,
    /// What is, in one plain sentence.
    pub sentence: String,
    /// What to do next; empty when there is nothing to do.
    #[serde(default)]
    pub next: String,
    /// More to know: numbers, names, limits of what was seen.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The permission without which it could not be found out.
    #[serde(default)]
    pub missing: Option<String>,
}

impl Check {
    /// A check that is as it should be.
    pub fn passed(key: CheckKey, sentence: impl Into<String>) -> Self {
        Self::new(key, CheckState::Passed, sentence, "")
    }

    /// A check in this state, with what to do next.
    pub fn new(
        key: CheckKey,
        state: CheckState,
        sentence: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            key,
            state,
            sentence: sentence.into(),
            next: next.into(),
            notes: Vec::new(),
            missing: None,
        }
    }

    /// With more to know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The state that counts. A waiver covers what was seen when it was given and what is milder:
    /// never something worse, and never what would lock people out.
    pub fn state_under(&self, waiver: Option<&Waiver>) -> CheckState {
        match waiver {
            Some(waiver)
                if self.state != CheckState::Passed
                    && self.may_be_waived()
                    && self.state <= waiver.state =>
            {
                CheckState::Waived
            }
            _ => self.state,
        }
    }

    /// Whether an operator may answer for it.
    pub fn may_be_waived(&self) -> bool {
        match self.state {
            CheckState::Passed | CheckState::Waived => false,
            CheckState::Failed => !self.key.locks_out(),
            CheckState::Unknown | CheckState::Attention => true,
        }
    }
}

/// An operator answers for a check that did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// The state it was given for.
    pub state: CheckState,
    pub reason: String,
    pub by: String,
    pub at: Timestamp,
}

/// What Microsoft shows nobody but a person: an operator looked, and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandMark {
    PasswordResetOff,
    RegistrationOff,
}

words! { HandMark {
    PasswordResetOff = "password_reset_off", "Self service password reset enabled: None";
    RegistrationOff = "registration_off", "Require users to register when signing in: No";
} }

/// Who ticked a mark, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    pub by: String,
    pub at: Timestamp,
}

impl Marked {
    /// Until when Microsoft may still do as before.
    pub const fn settles_at(&self) -> Timestamp {
        self.at.plus_millis(HOUR_MS)
    }
}

/// What Signpost is to do with a tenant; each needs permissions of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    Sync,
    Expiry,
    Groups,
    Checks,
    SwitchSecurityDefaults,
    SwitchPerUserMfa,
    Federate,
    Rotate,
}

words! { Feature {
    Sync = "sync", "Keep accounts and licenses";
    Expiry = "expiry", "Know when the secret ends";
    Groups = "groups", "Keep group memberships";
    Checks = "checks", "Check policies and registrations";
    SwitchSecurityDefaults = "switch_security_defaults", "Switch security defaults";
    SwitchPerUserMfa = "switch_per_user_mfa", "Switch per-user MFA";
    Federate = "federate", "Federate the domain without a script";
    Rotate = "rotate", "Renew its own secret";
} }

impl Feature {
    /// What is on until an operator chooses.
    pub const USUAL: &[Self] = &[Self::Sync, Self::Expiry, Self::Groups, Self::Checks];
}

/// Days before the end of a secret or certificate on which people are reminded, the last first.
pub const REMINDER_DAYS: [i64; 4] = [1, 7, 30, 60];

/// The reminder that is due: the smallest number of days that the end is within. `None` while
/// there is time, and `Some(0)` once it has ended.
pub fn reminder_due(ends_at: Timestamp, now: Timestamp) -> Option<i64> {
    let left = ends_at.millis_since(now);
    if left <= 0 {
        return Some(0);
    }
    REMINDER_DAYS.into_iter().find(|days| left <= days * DAY_MS)
}

/// Whether Microsoft asks one account for a second factor at every sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerUserMfa {
    Disabled,
    Enabled,
    Enforced,
}

words! { PerUserMfa {
    Disabled = "disabled", "Disabled";
    Enabled = "enabled", "Enabled";
    Enforced = "enforced", "Enforced";
} }

/// How many accounts are in which state, as far as they have been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MfaTally {
    /// Accounts of the domain.
    pub accounts: i64,
    /// Enabled or enforced, without administrators.
    pub asked: i64,
    /// Enabled or enforced administrators.
    pub administrators_asked: i64,
    pub disabled: i64,
    /// Could not be read.
    pub unreadable: i64,
    /// Not read yet.
    pub unread: i64,
}

/// What users of the domain have registered at Microsoft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RegistrationTally {
    /// Users without administrators.
    pub users: i64,
    /// May reset their password by themselves.
    pub password_reset: i64,
    /// Have a second factor at Microsoft.
    pub second_factor: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn check(key: CheckKey, state: CheckState) -> Check {
        Check::new(key, state, "It is so.", "Do this.")
    }

    fn waiver(state: CheckState) -> Waiver {
        Waiver {
            state,
            reason: "Known".to_owned(),
            by: "Alice".to_owned(),
            at: NOW,
        }
    }

    #[test]
    fn a_waiver_covers_what_was_seen_and_never_something_worse() {
        let given = waiver(CheckState::Attention);
        for (state, counts) in [
            (CheckState::Passed, CheckState::Passed),
            (CheckState::Unknown, CheckState::Waived),
            (CheckState::Attention, CheckState::Waived),
            (CheckState::Failed, CheckState::Failed),
        ] {
            let found = check(CheckKey::SecurityDefaults, state);
            assert_eq!(found.state_under(Some(&given)), counts);
            assert_eq!(found.state_under(None), state);
        }
    }

    #[test]
    fn nobody_can_wave_through_what_locks_people_out() {
        for key in CheckKey::ALL {
            let failed = check(*key, CheckState::Failed);
            let given = waiver(CheckState::Failed);
            let counts = failed.state_under(Some(&given));
            assert_eq!(counts == CheckState::Failed, key.locks_out(), "{key:?}");
        }
    }

    #[test]
    fn reminders_come_60_30_7_and_1_days_before_the_end() {
        for (days, due) in [
            (61, None),
            (60, Some(60)),
            (31, Some(60)),
            (30, Some(30)),
            (8, Some(30)),
            (7, Some(7)),
            (2, Some(7)),
            (1, Some(1)),
            (0, Some(0)),
            (-5, Some(0)),
        ] {
            assert_eq!(reminder_due(NOW.plus_days(days), NOW), due, "{days}");
        }
    }

    #[test]
    fn every_word_leads_back_and_every_check_has_an_area() {
        for key in CheckKey::ALL {
            assert_eq!(key.key().parse(), Ok(*key));
            assert!(Area::ALL.contains(&key.area()));
        }
        for feature in Feature::ALL {
            assert_eq!(feature.key().parse(), Ok(*feature));
        }
        assert_eq!("Passed".parse::<CheckState>(), Err(UnknownWord));
    }
}
