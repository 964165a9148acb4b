//! Changes to a tenant itself, its policies, domains and groups, rather than to one user's account.
//!
//! They are planned, shown, applied and kept like the actions on accounts. An old value is
//! remembered before it is replaced, so that it can be put back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::federation::{FederationSetup, RevertCause};
use crate::group_push::GroupAction;
use crate::plan::{ObjectId, Reason};
use crate::readiness::PerUserMfa;
use crate::{GroupId, RunId, Timestamp};

/// What somebody asks of the tenant as a whole: kept with its run until the plan is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
pub enum TenantRequest {
    /// Security defaults on or off.
    SetSecurityDefaults { enabled: bool },
    /// Per-user MFA off for everybody whom it asks; for administrators only when chosen.
    TurnOffPerUserMfa { administrators: bool },
    /// A new secret for the registration, in use, and the old one gone.
    RenewSecret,
    /// The certificate that waits is uploaded and in use, and what was in use before is gone.
    UseCertificate,
    /// The domain signs in through this identity provider, and is taken back by itself unless
    /// somebody confirms in time.
    Federate {
        setup: FederationSetup,
        /// Where the provider's metadata answers; empty when that is not known.
        metadata: String,
        /// Who is to sign in for a test.
        tester: String,
        confirm_minutes: i64,
    },
    /// The federated domain is told what differs: a new certificate, another rule.
    UpdateFederation { setup: FederationSetup },
    /// Microsoft signs the people of the domain in again.
    RevertFederation {
        because: RevertCause,
        /// The provider that it is taken back from.
        issuer: String,
    },
    /// Accounts get the ImmutableId of their user: these, or all that can be put right.
    RepairImmutableIds { only: Option<Vec<ObjectId>> },
    /// Every value that Signpost changed and remembered becomes what it was.
    PutBack,
}

impl TenantRequest {
    /// What is asked, as the title of the run.
    pub fn title(&self) -> &'static str {
        match self {
            Self::SetSecurityDefaults { enabled: true } => "Turn on security defaults",
            Self::SetSecurityDefaults { enabled: false } => "Turn off security defaults",
            Self::TurnOffPerUserMfa { .. } => "Turn off per-user MFA",
            Self::RenewSecret => "Renew the client secret",
            Self::UseCertificate => "Upload the certificate and use it",
            Self::Federate { .. } => "Federate the domain",
            Self::UpdateFederation { .. } => "Update the federation of the domain",
            Self::RevertFederation {
                because: RevertCause::Asked,
                ..
            } => "Revert the federation of the domain",
            Self::RevertFederation {
                because: RevertCause::NotConfirmed,
                ..
            } => "Take the domain back: its federation was not confirmed",
            Self::RepairImmutableIds { .. } => "Repair ImmutableIds",
            Self::PutBack => "Put back old values",
        }
    }
}

/// One change to the tenant: nothing is left to decide. It is carried out only while the tenant
/// still is as `before` says, and counts as done when the tenant is read and is as `after` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TenantAction {
    SetSecurityDefaults {
        before: bool,
        after: bool,
    },
    /// A change to a group that an application pushes. What is recorded about it is richer, so it
    /// is carried out apart from the others.
    Group {
        group_id: GroupId,
        /// The group's name when the plan was made.
        name: String,
        /// The tenant's group; `None` until it is created.
        #[serde(default)]
        object_id: Option<ObjectId>,
        change: GroupAction,
    },
    /// Whether Microsoft asks one account for a second factor at every sign-in.
    SetPerUserMfa {
        account: String,
        name: String,
        before: PerUserMfa,
        after: PerUserMfa,
    },
    /// Makes another secret of the registration, tries it, and uses it from then on.
    AddSecret {
        /// ObjectId of the registration.
        registration: String,
        /// By which it is found again.
        name: String,
        ends_at: Timestamp,
    },
    /// Removes a secret of the registration that is not in use.
    RemoveSecret {
        registration: String,
        key_id: String,
        name: String,
    },
    /// Uploads a certificate whose key is here, tries it, and uses it from then on.
    AddCertificate {
        /// ObjectId of the registration.
        registration: String,
        /// SHA-1 of the certificate in hexadecimal: by which it is found again.
        thumbprint: String,
        /// DER as base64.
        certificate: String,
        starts_at: Timestamp,
        ends_at: Timestamp,
    },
    /// Removes a certificate of the registration that is not in use.
    RemoveCertificate {
        registration: String,
        key_id: String,
        thumbprint: String,
    },
    /// A managed domain becomes federated.
    Federate {
        domain: String,
        after: FederationSetup,
        tester: String,
        confirm_minutes: i64,
    },
    /// Only fields that differ stand in both.
    UpdateFederation {
        domain: String,
        /// Microsoft's own id of the federation.
        federation: String,
        before: FederationSetup,
        after: FederationSetup,
    },
    /// A federated domain becomes managed.
    RevertFederation {
        domain: String,
        /// What it was federated with; nothing when Microsoft does not show it.
        before: Option<FederationSetup>,
    },
    SetAccountImmutableId {
        object_id: ObjectId,
        user_name: String,
        before: Option<String>,
        after: String,
        /// The name that the account has in between: Microsoft refuses the change while its domain
        /// is federated.
        by_way_of: Option<String>,
    },
}

impl TenantAction {
    /// The word in the database and in exports.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::SetSecurityDefaults { .. } => "set_security_defaults",
            Self::Group { change, .. } => change.key(),
            Self::SetPerUserMfa { .. } => "set_per_user_mfa",
            Self::AddSecret { .. } => "add_secret",
            Self::RemoveSecret { .. } => "remove_secret",
            Self::AddCertificate { .. } => "add_certificate",
            Self::RemoveCertificate { .. } => "remove_certificate",
            Self::Federate { .. } => "federate",
            Self::UpdateFederation { .. } => "update_federation",
            Self::RevertFederation { .. } => "revert_federation",
            Self::SetAccountImmutableId { .. } => "set_account_immutable_id",
        }
    }

    /// The words on the page.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::SetSecurityDefaults { after: true, .. } => "Turn on",
            Self::SetSecurityDefaults { after: false, .. }
            | Self::SetPerUserMfa {
                after: PerUserMfa::Disabled,
                ..
            } => "Turn off",
            Self::SetPerUserMfa { .. } => "Turn on",
            Self::AddSecret { .. } => "Add and use",
            Self::AddCertificate { .. } => "Upload and use",
            Self::RemoveSecret { .. } | Self::RemoveCertificate { .. } => "Remove",
            Self::Group { change, .. } => change.label(),
            Self::Federate { .. } => "Federate",
            Self::UpdateFederation { .. } => "Update federation",
            Self::RevertFederation { .. } => "Revert",
            Self::SetAccountImmutableId { .. } => "Set ImmutableId",
        }
    }

    /// Whether it takes something away from accounts: counts to the limit.
    pub const fn is_removal(&self) -> bool {
        match self {
            Self::SetSecurityDefaults { .. }
            | Self::SetPerUserMfa { .. }
            | Self::AddSecret { .. }
            | Self::RemoveSecret { .. }
            | Self::AddCertificate { .. }
            | Self::RemoveCertificate { .. }
            | Self::Federate { .. }
            | Self::UpdateFederation { .. }
            | Self::RevertFederation { .. }
            | Self::SetAccountImmutableId { .. } => false,
            Self::Group { change, .. } => change.is_removal(),
        }
    }

    /// What is changed: actions on the same subject run in order, others side by side.
    pub fn subject(&self) -> Subject {
        match self {
            Self::SetSecurityDefaults { .. } => {
                Subject::new("security_defaults", "", "Security defaults")
            }
            Self::Group { group_id, name, .. } => {
                Subject::new("group", &group_id.to_string(), name)
            }
            Self::SetPerUserMfa { account, name, .. } => {
                Subject::new("per_user_mfa", account, name)
            }
            // One subject: the old secret goes only after the new one works.
            Self::AddSecret { registration, .. } | Self::RemoveSecret { registration, .. } => {
                Subject::new("registration_secret", registration, "Client secret")
            }
            // The same, so that nothing is removed before the certificate works.
            Self::AddCertificate { registration, .. }
            | Self::RemoveCertificate { registration, .. } => {
                Subject::new("registration_secret", registration, "Certificate")
            }
            Self::Federate { domain, .. }
            | Self::UpdateFederation { domain, .. }
            | Self::RevertFederation { domain, .. } => Subject::new("domain", domain, domain),
            Self::SetAccountImmutableId {
                object_id,
                user_name,
                ..
            } => Subject::new("account", object_id.as_str(), user_name),
        }
    }

    /// The value that has to be remembered before it is replaced, and the one that replaces it.
    pub fn keeps(&self) -> Option<(Value, Value)> {
        match self {
            Self::SetSecurityDefaults { before, after } => Some((json!(before), json!(after))),
            Self::SetPerUserMfa { before, after, .. } => Some((json!(before), json!(after))),
            // The ledger holds what is Signpost's of groups, and snapshots what was there.
            Self::Group { .. }
            | Self::AddSecret { .. }
            | Self::RemoveSecret { .. }
            | Self::AddCertificate { .. }
            | Self::RemoveCertificate { .. } => None,
            // What the domain was stands in the plan, and Revert is the way back. An ImmutableId is
            // nobody's once its user signs in by another.
            Self::Federate { .. }
            | Self::UpdateFederation { .. }
            | Self::RevertFederation { .. }
            | Self::SetAccountImmutableId { .. } => None,
        }
    }
}

/// The thing that an action is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What kind of thing it is: the first half of its key among remembered values.
    pub kind: String,
    /// Which of its kind: an object id, a domain; empty when there is only one.
    pub id: String,
    /// Its name on the page.
    pub name: String,
}

impl Subject {
    /// A subject of a kind.
    pub fn new(kind: &str, id: &str, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// An action with its reason, as a plan holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTenantAction {
    pub action: TenantAction,
    pub reason: Reason,
}

/// A value that Signpost replaced, until it is put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptValue {
    pub subject: Subject,
    /// What it was before Signpost changed it for the first time.
    pub before: Value,
    /// What Signpost last left there: another value is somebody else's and is not touched.
    pub after: Value,
    /// The run that last changed it.
    pub run_id: RunId,
    pub taken_at: Timestamp,
    pub put_back_at: Option<Timestamp>,
}
