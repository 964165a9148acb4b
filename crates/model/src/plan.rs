//! Plans: what a sync will do, why, and what it will not do.
//!
//! The stored form is JSON; every enum is tagged and every struct tolerates missing fields that
//! have a default, so that plans of an older version stay readable.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::policy::DriftRule;
use crate::provisioning::{Owned, ProvisioningState};
use crate::run::UnknownWord;
use crate::{Timestamp, UserId};

/// The id of an account in the tenant (a GUID that Microsoft made).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(String);

impl ObjectId {
    /// Folds the case: Microsoft compares object ids without it.
    pub fn new(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// The id as Microsoft prints it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The verb of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    Restore,
    CreateAccount,
    SetImmutableId,
    Rename,
    UpdateProfile,
    Enable,
    AssignLicenses,
    AddToGroup,
    SetManager,
    RemoveFromGroup,
    BlockSignIn,
    RevokeSessions,
    RemoveLicenses,
    Delete,
}

impl ActionKind {
    /// Every kind, in the order in which actions on one account run.
    pub const ALL: [Self; 14] = [
        Self::Restore,
        Self::CreateAccount,
        Self::SetImmutableId,
        Self::Rename,
        Self::UpdateProfile,
        Self::Enable,
        Self::AssignLicenses,
        Self::AddToGroup,
        Self::SetManager,
        Self::RemoveFromGroup,
        Self::BlockSignIn,
        Self::RevokeSessions,
        Self::RemoveLicenses,
        Self::Delete,
    ];

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Restore => "Restore account",
            Self::CreateAccount => "Create account",
            Self::SetImmutableId => "Set ImmutableId",
            Self::Rename => "Rename",
            Self::UpdateProfile => "Update profile",
            Self::Enable => "Allow sign-in",
            Self::AssignLicenses => "Assign licenses",
            Self::AddToGroup => "Add to group",
            Self::SetManager => "Set manager",
            Self::RemoveFromGroup => "Remove from group",
            Self::BlockSignIn => "Block sign-in",
            Self::RevokeSessions => "End sessions",
            Self::RemoveLicenses => "Remove licenses",
            Self::Delete => "Delete account",
        }
    }

    /// The word in the database and in filters.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::CreateAccount => "create_account",
            Self::SetImmutableId => "set_immutable_id",
            Self::Rename => "rename",
            Self::UpdateProfile => "update_profile",
            Self::Enable => "enable",
            Self::AssignLicenses => "assign_licenses",
            Self::AddToGroup => "add_to_group",
            Self::SetManager => "set_manager",
            Self::RemoveFromGroup => "remove_from_group",
            Self::BlockSignIn => "block_sign_in",
            Self::RevokeSessions => "revoke_sessions",
            Self::RemoveLicenses => "remove_licenses",
            Self::Delete => "delete",
        }
    }

    /// Whether it takes sign-in, licenses, memberships or existence away: counts to the limit.
    pub const fn is_removal(self) -> bool {
        matches!(
            self,
            Self::RemoveFromGroup | Self::BlockSignIn | Self::RemoveLicenses | Self::Delete
        )
    }
}

impl FromStr for ActionKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.key() == text)
            .ok_or(UnknownWord)
    }
}

/// An attribute of an account in the tenant that Signpost may keep as desired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetAttribute {
    UserPrincipalName,
    MailNickname,
    DisplayName,
    GivenName,
    Surname,
    JobTitle,
    Department,
    CompanyName,
    OfficeLocation,
    MobilePhone,
    BusinessPhones,
    StreetAddress,
    City,
    State,
    PostalCode,
    Country,
    UsageLocation,
    PreferredLanguage,
    EmployeeId,
}

impl TargetAttribute {
    /// Every attribute, in the order of the mapping page.
    pub const ALL: [Self; 19] = [
        Self::UserPrincipalName,
        Self::MailNickname,
        Self::DisplayName,
        Self::GivenName,
        Self::Surname,
        Self::JobTitle,
        Self::Department,
        Self::CompanyName,
        Self::OfficeLocation,
        Self::MobilePhone,
        Self::BusinessPhones,
        Self::StreetAddress,
        Self::City,
        Self::State,
        Self::PostalCode,
        Self::Country,
        Self::UsageLocation,
        Self::PreferredLanguage,
        Self::EmployeeId,
    ];

    /// The word in the database and in forms.
    pub const fn key(self) -> &'static str {
        self.row().0
    }

    /// The name on the page: what Microsoft's admin center calls it.
    pub const fn label(self) -> &'static str {
        self.row().1
    }

    /// The most characters Microsoft accepts.
    pub const fn max_length(self) -> usize {
        self.row().2
    }

    const fn row(self) -> (&'static str, &'static str, usize) {
        match self {
            Self::UserPrincipalName => ("user_principal_name", "User principal name", 113),
            Self::MailNickname => ("mail_nickname", "Mail nickname", 64),
            Self::DisplayName => ("display_name", "Display name", 256),
            Self::GivenName => ("given_name", "First name", 64),
            Self::Surname => ("surname", "Last name", 64),
            Self::JobTitle => ("job_title", "Job title", 128),
            Self::Department => ("department", "Department", 64),
            Self::CompanyName => ("company_name", "Company name", 64),
            Self::OfficeLocation => ("office_location", "Office location", 128),
            Self::MobilePhone => ("mobile_phone", "Mobile phone", 64),
            Self::BusinessPhones => ("business_phones", "Business phone", 64),
            Self::StreetAddress => ("street_address", "Street address", 1024),
            Self::City => ("city", "City", 128),
            Self::State => ("state", "State or province", 128),
            Self::PostalCode => ("postal_code", "ZIP or postal code", 40),
            Self::Country => ("country", "Country or region", 128),
            Self::UsageLocation => ("usage_location", "Usage location", 2),
            Self::PreferredLanguage => ("preferred_language", "Preferred language", 35),
            Self::EmployeeId => ("employee_id", "Employee ID", 16),
        }
    }
}

impl FromStr for TargetAttribute {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|attribute| attribute.key() == text)
            .ok_or(UnknownWord)
    }
}

/// One attribute before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub attribute: TargetAttribute,
    pub before: Option<String>,
    pub after: NewValue,
}

/// Set, clear and leave alone are three different things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewValue {
    Set(String),
    Clear,
    Keep,
}

/// A license inside an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedLicense {
    pub sku_id: String,
    /// The product's name when the plan was made.
    pub name: String,
    pub disabled_plans: Vec<String>,
}

/// All that is needed to carry out one action; nothing is left to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Action {
    Restore,
    CreateAccount {
        immutable_id: String,
        enabled: bool,
        /// Every value that is set, `UserPrincipalName` and `MailNickname` among them.
        values: Vec<(TargetAttribute, String)>,
    },
    SetImmutableId {
        before: Option<String>,
        after: String,
    },
    Rename {
        before: String,
        after: String,
    },
    UpdateProfile {
        changes: Vec<Change>,
    },
    Enable,
    AssignLicenses {
        add: Vec<PlannedLicense>,
        /// Licenses given up in the same call (a swap).
        #[serde(default)]
        remove: Vec<PlannedLicense>,
    },
    AddToGroup {
        group_object_id: ObjectId,
        name: String,
    },
    SetManager {
        before: Option<ObjectId>,
        /// `None`: the person has no manager any more.
        after: Option<ManagerRef>,
    },
    RemoveFromGroup {
        group_object_id: ObjectId,
        name: String,
    },
    BlockSignIn,
    RevokeSessions,
    RemoveLicenses {
        licenses: Vec<PlannedLicense>,
    },
    Delete,
}

/// A manager by our id: their account may only come into being in the same run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagerRef {
    pub user_id: UserId,
    pub display_name: String,
}

impl Action {
    /// The verb.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::Restore => ActionKind::Restore,
            Self::CreateAccount { .. } => ActionKind::CreateAccount,
            Self::SetImmutableId { .. } => ActionKind::SetImmutableId,
            Self::Rename { .. } => ActionKind::Rename,
            Self::UpdateProfile { .. } => ActionKind::UpdateProfile,
            Self::Enable => ActionKind::Enable,
            Self::AssignLicenses { .. } => ActionKind::AssignLicenses,
            Self::AddToGroup { .. } => ActionKind::AddToGroup,
            Self::SetManager { .. } => ActionKind::SetManager,
            Self::RemoveFromGroup { .. } => ActionKind::RemoveFromGroup,
            Self::BlockSignIn => ActionKind::BlockSignIn,
            Self::RevokeSessions => ActionKind::RevokeSessions,
            Self::RemoveLicenses { .. } => ActionKind::RemoveLicenses,
            Self::Delete => ActionKind::Delete,
        }
    }

    /// Whether it takes something from the account; a license that is swapped counts too.
    pub fn is_removal(&self) -> bool {
        match self {
            Self::AssignLicenses { remove, .. } => !remove.is_empty(),
            other => other.kind().is_removal(),
        }
    }
}

/// Why an action is in the plan. It explains; it never steers the apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The user has the application and no account yet.
    Assigned,
    /// The directory has another value than the account.
    ProfileDiffers,
    /// The account was adopted and lacks this value.
    AdoptedAccountLacksIt,
    /// The user name changed.
    UserNameChanged,
    /// The account has no ImmutableId yet.
    ImmutableIdMissing,
    /// The user has the application again.
    Returned,
    /// The application grants it.
    LicenseGranted,
    /// The application no longer grants it.
    LicenseNoLongerGranted,
    ManagerChanged,
    /// The user no longer has the application.
    RemovedFromAssignment,
    /// The user is switched off in the directory.
    UserDisabled,
    /// The user was deleted from the directory.
    UserDeleted,
    /// The days before deletion are over.
    GracePeriodOver,
    /// An operator asked for it.
    AskedByOperator,
    /// An operator asked to bring back what was there before.
    Restored,
    /// The old value of something in the tenant is put back.
    PutBack,
    /// The application pushes this group.
    GroupPushed,
    /// The user is in the pushed group.
    InGroup,
    /// The user left the group, or lost the application.
    LeftGroup,
    /// Somebody else took the membership back in the tenant.
    RemovedByOthers,
    /// The application no longer pushes the group.
    GroupNoLongerPushed,
    /// Nobody said in time that the federation works.
    NotConfirmed,
}

impl Reason {
    /// The words on the page.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Assigned => "Assigned, and has no account yet",
            Self::ProfileDiffers => "Differs from the directory",
            Self::AdoptedAccountLacksIt => "The existing account lacks this",
            Self::UserNameChanged => "The user name changed",
            Self::ImmutableIdMissing => "Needed for signing in through Signpost",
            Self::Returned => "Has the application again",
            Self::LicenseGranted => "The application grants it",
            Self::LicenseNoLongerGranted => "The application no longer grants it",
            Self::ManagerChanged => "The manager changed",
            Self::RemovedFromAssignment => "No longer assigned",
            Self::UserDisabled => "Switched off in the directory",
            Self::UserDeleted => "Deleted from the directory",
            Self::GracePeriodOver => "The days before deletion are over",
            Self::AskedByOperator => "An operator asked for it",
            Self::Restored => "An operator brings back what was there before",
            Self::PutBack => "What it was before Signpost changed it",
            Self::GroupPushed => "The application pushes this group",
            Self::InGroup => "Is in the group",
            Self::LeftGroup => "Left the group, or lost the application",
            Self::RemovedByOthers => "Somebody else removed it in the tenant",
            Self::GroupNoLongerPushed => "The application no longer pushes this group",
            Self::NotConfirmed => "Nobody confirmed the federation in time",
        }
    }
}

/// How we know that this user is that account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkMethod {
    ImmutableId,
    UserPrincipalName,
    Mail,
    Manual,
    Created,
}

impl LinkMethod {
    /// Every method.
    pub const ALL: [Self; 5] = [
        Self::ImmutableId,
        Self::UserPrincipalName,
        Self::Mail,
        Self::Manual,
        Self::Created,
    ];

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ImmutableId => "ImmutableId",
            Self::UserPrincipalName => "User principal name",
            Self::Mail => "Mail",
            Self::Manual => "Linked by hand",
            Self::Created => "Created by Signpost",
        }
    }

    /// The word in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::ImmutableId => "immutable_id",
            Self::UserPrincipalName => "user_principal_name",
            Self::Mail => "mail",
            Self::Manual => "manual",
            Self::Created => "created",
        }
    }
}

impl FromStr for LinkMethod {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|method| method.key() == text)
            .ok_or(UnknownWord)
    }
}

/// An account that could be the user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub object_id: ObjectId,
    pub user_principal_name: String,
    pub display_name: String,
    pub matched_by: LinkMethod,
}

/// Why the planner will not act on a user, or not on a part of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "blocker")]
pub enum Blocker {
    /// Several accounts could be the user's: a person chooses.
    AmbiguousMatch { candidates: Vec<Candidate> },
    /// The only account that fits belongs to another ImmutableId: a person chooses.
    ImmutableIdDiffers {
        candidate: Candidate,
        immutable_id: String,
    },
    /// An account fits, and a person looks at such matches before it is adopted.
    NeedsReview { candidate: Candidate },
    /// The account that fits is already linked with another user.
    LinkedWithAnotherUser { candidate: Candidate },
    /// Another directory manages the account.
    SynchronisedElsewhere { candidate: Candidate },
    /// The account holds a directory role.
    Administrator { candidate: Candidate },
    /// The account is on the protected list or on an onmicrosoft.com name of others.
    Protected { candidate: Candidate },
    /// An account of this name is in Microsoft's deleted items.
    DeletedAccount { candidate: Candidate },
    /// Creating accounts is switched off.
    CreationSwitchedOff,
    /// The user is switched off in the directory and has no account to block.
    UserDisabled,
    /// The user name that would be given is not allowed.
    UserNameInvalid { value: String, why: String },
    /// The domain of the user name is not verified in the tenant.
    DomainNotVerified { domain: String },
    /// Another user of the directory would get the same user name.
    UserNameTwice { value: String },
    /// Another account of the tenant already has the user name this account would get.
    UserNameTaken { candidate: Candidate },
    /// A mapping failed for this user.
    MappingFailed {
        attribute: TargetAttribute,
        why: String,
    },
    /// Licenses wait: no country.
    UsageLocationMissing,
    /// Licenses wait: no seats are left.
    NoSeats {
        product: String,
        /// Empty in plans of older versions.
        #[serde(default)]
        sku_id: String,
    },
    /// Licenses wait: two products contain the same service.
    ExclusivePlans { product: String, other: String },
    /// Licenses wait: a service needs another one.
    PlanDependency { product: String, needs: String },
}

/// Where people fix a blocker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fix {
    /// Choose an account or leave the user out, on the plan page itself.
    Choose,
    /// Leave the user out, on the plan page itself.
    LeaveOut,
    EditUser,
    EditMapping,
    /// The application's Provisioning page, at Actions.
    Actions,
    /// The application's Provisioning page, at Licenses.
    Licenses,
    /// The application's Provisioning page, at the domains found.
    Domains,
}

impl Blocker {
    /// Whether the user as a whole is left alone; otherwise only their licenses wait.
    pub const fn blocks_user(&self) -> bool {
        !matches!(
            self,
            Self::UsageLocationMissing
                | Self::NoSeats { .. }
                | Self::ExclusivePlans { .. }
                | Self::PlanDependency { .. }
        )
    }

    /// Whether a run has to wait for a person because of it.
    pub const fn needs_choice(&self) -> bool {
        matches!(
            self,
            Self::AmbiguousMatch { .. } | Self::ImmutableIdDiffers { .. }
        )
    }

    /// Where people fix it.
    pub const fn fix(&self) -> Fix {
        match self {
            Self::AmbiguousMatch { .. }
            | Self::ImmutableIdDiffers { .. }
            | Self::NeedsReview { .. }
            | Self::DeletedAccount { .. } => Fix::Choose,
            Self::LinkedWithAnotherUser { .. }
            | Self::SynchronisedElsewhere { .. }
            | Self::Administrator { .. }
            | Self::Protected { .. } => Fix::LeaveOut,
            Self::CreationSwitchedOff => Fix::Actions,
            Self::UserDisabled
            | Self::UserNameInvalid { .. }
            | Self::UserNameTwice { .. }
            | Self::UserNameTaken { .. }
            | Self::UsageLocationMissing => Fix::EditUser,
            Self::DomainNotVerified { .. } => Fix::Domains,
            Self::MappingFailed { .. } => Fix::EditMapping,
            Self::NoSeats { .. } | Self::ExclusivePlans { .. } | Self::PlanDependency { .. } => {
                Fix::Licenses
            }
        }
    }

    /// What is wrong, in plain words.
    pub fn text(&self) -> String {
        match self {
            Self::AmbiguousMatch { candidates } => format!(
                "{} accounts in the tenant could be this person. Choose one, or leave the user out.",
                candidates.len()
            ),
            Self::ImmutableIdDiffers { candidate, .. } => format!(
                "{} fits, but carries the ImmutableId of somebody else. Link it if it is this person.",
                candidate.user_principal_name
            ),
            Self::NeedsReview { candidate } => format!(
                "{} fits by {}. Link it, or leave the user out.",
                candidate.user_principal_name,
                candidate.matched_by.label()
            ),
            Self::LinkedWithAnotherUser { candidate } => format!(
                "{} is already linked with another user.",
                candidate.user_principal_name
            ),
            Self::SynchronisedElsewhere { candidate } => format!(
                "{} is synchronised from another directory. Signpost does not touch it.",
                candidate.user_principal_name
            ),
            Self::Administrator { candidate } => format!(
                "{} holds an administrator role. Signpost does not touch administrators.",
                candidate.user_principal_name
            ),
            Self::Protected { candidate } => {
                format!("{} is a protected account.", candidate.user_principal_name)
            }
            Self::DeletedAccount { candidate } => format!(
                "{} was deleted in Microsoft 365 and can still be restored. Link it to restore it, or remove it there for good, then sync again.",
                candidate.user_principal_name
            ),
            Self::CreationSwitchedOff => {
                "The user has no account, and creating accounts is switched off.".to_owned()
            }
            Self::UserDisabled => {
                "The user is switched off in the directory and has no account yet.".to_owned()
            }
            Self::UserNameInvalid { value, why } => {
                format!("“{value}” cannot be a user name in Microsoft 365: {why}.")
            }
            Self::DomainNotVerified { domain } => {
                format!("The domain {domain} is not verified in this tenant.")
            }
            Self::UserNameTwice { value } => {
                format!("Another user would get the user name {value} too.")
            }
            Self::UserNameTaken { candidate } => format!(
                "The account {} already uses the user name.",
                candidate.user_principal_name
            ),
            Self::MappingFailed { attribute, why } => {
                format!(
                    "The mapping of {} does not work for this user: {why}",
                    attribute.label()
                )
            }
            Self::UsageLocationMissing => {
                "Usage location is empty. Microsoft needs a country before it gives a license."
                    .to_owned()
            }
            Self::NoSeats { product, .. } => format!("No seats of {product} are left."),
            Self::ExclusivePlans { product, other } => {
                format!("{product} and {other} contain the same service. A user can have only one.")
            }
            Self::PlanDependency { product, needs } => {
                format!("{product} needs another license first: {needs}.")
            }
        }
    }

    /// The word by which pages filter.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::AmbiguousMatch { .. } => "ambiguous_match",
            Self::ImmutableIdDiffers { .. } => "immutable_id_differs",
            Self::NeedsReview { .. } => "needs_review",
            Self::LinkedWithAnotherUser { .. } => "linked_with_another_user",
            Self::SynchronisedElsewhere { .. } => "synchronised_elsewhere",
            Self::Administrator { .. } => "administrator",
            Self::Protected { .. } => "protected",
            Self::DeletedAccount { .. } => "deleted_account",
            Self::CreationSwitchedOff => "creation_switched_off",
            Self::UserDisabled => "user_disabled",
            Self::UserNameInvalid { .. } => "user_name_invalid",
            Self::DomainNotVerified { .. } => "domain_not_verified",
            Self::UserNameTwice { .. } => "user_name_twice",
            Self::UserNameTaken { .. } => "user_name_taken",
            Self::MappingFailed { .. } => "mapping_failed",
            Self::UsageLocationMissing => "usage_location_missing",
            Self::NoSeats { .. } => "no_seats",
            Self::ExclusivePlans { .. } => "exclusive_plans",
            Self::PlanDependency { .. } => "plan_dependency",
        }
    }
}

/// One action and why it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAction {
    pub action: Action,
    pub reason: Reason,
}

/// What a plan means for one user, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Gets a new account.
    Create,
    /// Is linked with an account that already exists.
    Adopt,
    /// The account is brought to what our records say.
    Update,
    /// Had lost the application, and gets sign-in and licenses back.
    Return,
    /// The account already is as desired.
    InSync,
    /// Lost the application: a step of leaving is in this plan, or its day is still to come.
    Leaving,
    /// Lost the application, and nothing is left to do.
    Left,
    /// An operator chose to leave the user out.
    LeftOut,
    /// Left alone; the blockers say why.
    Blocked,
}

/// A value that adoption leaves as the tenant has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptValue {
    pub attribute: TargetAttribute,
    /// What the account has, and keeps.
    pub tenant: String,
    /// What the directory says; empty when it says nothing.
    pub directory: String,
}

/// An attribute that somebody else changed in the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    pub attribute: TargetAttribute,
    /// What Signpost last left there.
    pub ours: String,
    /// What was found; empty: nothing.
    pub tenant: String,
    /// What this plan does about it; `Ask` leaves it alone.
    pub rule: DriftRule,
}

/// The plan for one user: immutable, stored, and all that an apply needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPlan {
    pub user_id: UserId,
    pub display_name: String,
    pub disposition: Disposition,
    /// The account the actions are about; `None` until it is created.
    pub object_id: Option<ObjectId>,
    /// How the link is to be recorded when the plan is applied; `None`: nothing to record.
    #[serde(default)]
    pub link: Option<LinkMethod>,
    /// Lines the ledger gains when the plan is applied, before its first action.
    #[serde(default)]
    pub owned: Vec<Owned>,
    /// In the order in which they are carried out.
    #[serde(default)]
    pub actions: Vec<PlannedAction>,
    #[serde(default)]
    pub blockers: Vec<Blocker>,
    /// What adoption leaves alone, for the plan page.
    #[serde(default)]
    pub kept: Vec<KeptValue>,
    /// What others changed in the tenant since Signpost last wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drifts: Vec<Drift>,
    /// When the user lost the application; `None` while they have it.
    #[serde(default)]
    pub removed_at: Option<Timestamp>,
    /// When the next step of leaving is due.
    #[serde(default)]
    pub due_at: Option<Timestamp>,
    /// The user name the user is meant to have, folded.
    #[serde(default)]
    pub desired_name: Option<String>,
}

impl UserPlan {
    /// Where the user stands once every action is applied.
    pub fn state_after(&self) -> ProvisioningState {
        match self.disposition {
            Disposition::Blocked => ProvisioningState::Blocked,
            Disposition::LeftOut => ProvisioningState::LeftOut,
            Disposition::Left => ProvisioningState::Left,
            Disposition::Leaving if self.due_at.is_none() => ProvisioningState::Left,
            Disposition::Leaving => ProvisioningState::Leaving,
            _ if self.blockers.is_empty() => ProvisioningState::InSync,
            // The account is right, and a license waits.
            _ => ProvisioningState::Pending,
        }
    }

    /// Whether a run has to wait until a person chooses.
    pub fn needs_choice(&self) -> bool {
        self.blockers.iter().any(Blocker::needs_choice)
    }

    /// Whether the account loses sign-in, a license, a membership or its existence.
    pub fn takes_something(&self) -> bool {
        self.actions
            .iter()
            .any(|planned| planned.action.is_removal())
    }
}
