//! Pushed groups: groups of the directory that an application keeps as security groups of its
//! tenant, with their members.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::plan::{ObjectId, PlannedLicense, Reason};
use crate::provisioning::DriftChoice;
use crate::run::UnknownWord;
use crate::{GroupId, UserId};

/// The most members one write may add: Graph's own limit.
pub const MEMBERS_PER_ACTION: usize = 20;

/// A group of the tenant as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantGroup {
    pub object_id: ObjectId,
    pub name: String,
    /// Empty when there is none.
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub mail_nickname: String,
    #[serde(default)]
    pub mail_enabled: bool,
    #[serde(default)]
    pub security_enabled: bool,
    #[serde(default)]
    pub dynamic: bool,
    #[serde(default)]
    pub synchronised: bool,
    #[serde(default)]
    pub role_assignable: bool,
    /// Licenses its members inherit, sorted.
    #[serde(default)]
    pub licenses: Vec<GroupLicense>,
}

/// A license that a group gives its members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupLicense {
    pub sku_id: String,
    /// Sorted.
    pub disabled_plans: Vec<String>,
}

/// Why a group of the tenant is never touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Untouchable {
    Synchronised,
    RoleAssignable,
    Dynamic,
    MailEnabled,
    NotForSecurity,
}

impl Untouchable {
    /// The words on the page.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Synchronised => "It is synchronised from another directory.",
            Self::RoleAssignable => "Its members can get directory roles through it.",
            Self::Dynamic => "A rule decides who is in it.",
            Self::MailEnabled => "It has a mailbox or is a distribution list.",
            Self::NotForSecurity => "It is no security group.",
        }
    }
}

impl TenantGroup {
    /// Why Signpost leaves the group alone; `None`: it may be linked and written.
    pub const fn untouchable(&self) -> Option<Untouchable> {
        if self.synchronised {
            Some(Untouchable::Synchronised)
        } else if self.role_assignable {
            Some(Untouchable::RoleAssignable)
        } else if self.dynamic {
            Some(Untouchable::Dynamic)
        } else if self.mail_enabled {
            Some(Untouchable::MailEnabled)
        } else if !self.security_enabled {
            Some(Untouchable::NotForSecurity)
        } else {
            None
        }
    }

    /// The plans-off of a license that the group gives.
    pub fn license(&self, sku_id: &str) -> Option<&GroupLicense> {
        self.licenses
            .iter()
            .find(|license| license.sku_id == sku_id)
    }
}

/// The mail alias of a group that Signpost creates: no two are alike, so that a create whose
/// answer was lost is found again.
pub fn mail_nickname(group: GroupId) -> String {
    format!("signpost-{}", group.to_string().replace('-', ""))
}

/// What becomes of the tenant's group when it is no longer pushed, or its group is deleted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRemoval {
    /// It stays as it is.
    Keep,
    /// The members whom Signpost added leave it, and the licenses that Signpost gave it.
    #[default]
    RemoveMembers,
    /// It is deleted if Signpost created it; else as [`OnRemoval::RemoveMembers`].
    DeleteGroup,
}

impl OnRemoval {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Keep, Self::RemoveMembers, Self::DeleteGroup];

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Keep => "Keep the group and its members",
            Self::RemoveMembers => "Remove the members Signpost added",
            Self::DeleteGroup => "Delete the group if Signpost created it",
        }
    }

    /// The word in the database and in forms.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::RemoveMembers => "remove_members",
            Self::DeleteGroup => "delete_group",
        }
    }
}

impl FromStr for OnRemoval {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|choice| choice.key() == text)
            .ok_or(UnknownWord)
    }
}

/// What an operator chose for a pushed group whose name the tenant knows already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushDecision {
    /// Another group of the same name is made.
    Create,
    /// Nothing is pushed.
    LeaveOut,
}

impl PushDecision {
    /// Every decision.
    pub const ALL: [Self; 2] = [Self::Create, Self::LeaveOut];

    /// The word in the database and in forms.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::LeaveOut => "leave_out",
        }
    }
}

impl FromStr for PushDecision {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|decision| decision.key() == text)
            .ok_or(UnknownWord)
    }
}

/// Where a pushed group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushState {
    /// Chosen, and no run has looked at it yet.
    NotPushed,
    /// The tenant's group is as desired.
    InSync,
    /// Something is still to be done.
    Waiting,
    /// A group of the same name exists: somebody chooses.
    NeedsReview,
    /// Left alone; the blocker says why.
    Blocked,
    Failed,
    LeftOut,
}

impl PushState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::NotPushed,
        Self::InSync,
        Self::Waiting,
        Self::NeedsReview,
        Self::Blocked,
        Self::Failed,
        Self::LeftOut,
    ];

    /// The word in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::NotPushed => "not_pushed",
            Self::InSync => "in_sync",
            Self::Waiting => "waiting",
            Self::NeedsReview => "needs_review",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::LeftOut => "left_out",
        }
    }

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotPushed => "Not pushed",
            Self::InSync => "Active",
            Self::Waiting => "Waiting",
            Self::NeedsReview => "Needs review",
            Self::Blocked => "Blocked",
            Self::Failed => "Failed",
            Self::LeftOut => "Left out",
        }
    }
}

impl FromStr for PushState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|state| state.key() == text)
            .ok_or(UnknownWord)
    }
}

/// Why a pushed group is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "blocker")]
pub enum GroupBlocker {
    /// The tenant has groups of this name: a person chooses.
    SameName { candidates: Vec<GroupCandidate> },
    /// The group that was linked by hand is gone from the tenant.
    LinkedGroupGone,
    /// The linked group is of a kind that Signpost never touches.
    Untouchable { name: String, why: Untouchable },
    /// The tenant's groups cannot be read or written: a permission is missing.
    MissingPermission { permission: String },
}

/// A group of the tenant that a pushed group could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCandidate {
    pub object_id: ObjectId,
    pub name: String,
    pub description: String,
    /// Why it cannot be linked.
    pub untouchable: Option<Untouchable>,
    /// Another group is pushed to it already.
    pub taken: bool,
}

impl GroupCandidate {
    /// Whether it may be linked.
    pub const fn is_linkable(&self) -> bool {
        self.untouchable.is_none() && !self.taken
    }
}

impl GroupBlocker {
    /// What is wrong, in plain words.
    pub fn text(&self) -> String {
        match self {
            Self::SameName { candidates } if candidates.len() == 1 => {
                "The tenant has a group of this name. Link it, create a new one, or leave it out."
                    .to_owned()
            }
            Self::SameName { candidates } => format!(
                "The tenant has {} groups of this name. Link one, create a new one, or leave it out.",
                candidates.len()
            ),
            Self::LinkedGroupGone => {
                "The group it was linked with is gone from the tenant. Link another one or create a new one."
                    .to_owned()
            }
            Self::Untouchable { name, why } => {
                format!("Signpost does not touch the group {name}. {}", why.text())
            }
            Self::MissingPermission { permission } => format!(
                "Permission {permission} is missing in the tenant. Grant it on the Provisioning page."
            ),
        }
    }
}

/// A member inside an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    pub user_id: UserId,
    pub display_name: String,
    /// The account; `None` while it only comes into being in the same run.
    #[serde(default)]
    pub object_id: Option<ObjectId>,
}

/// One change to a group of the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum GroupAction {
    CreateGroup {
        name: String,
        description: String,
        mail_nickname: String,
    },
    UpdateGroup {
        /// Before and after, where it changes.
        name: Option<(String, String)>,
        description: Option<(String, String)>,
    },
    /// At most [`MEMBERS_PER_ACTION`].
    AddMembers {
        members: Vec<GroupMember>,
    },
    RemoveMember {
        member: GroupMember,
    },
    /// Gives and takes licenses of the group; its members inherit them.
    AssignLicenses {
        add: Vec<PlannedLicense>,
        remove: Vec<PlannedLicense>,
        /// Who inherits what is taken.
        members: i64,
    },
    DeleteGroup {
        /// Whom Signpost had put into it.
        members: i64,
    },
}

impl GroupAction {
    /// The word in the database and in exports.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::CreateGroup { .. } => "create_group",
            Self::UpdateGroup { .. } => "update_group",
            Self::AddMembers { .. } => "add_members",
            Self::RemoveMember { .. } => "remove_member",
            Self::AssignLicenses { .. } => "assign_group_licenses",
            Self::DeleteGroup { .. } => "delete_group",
        }
    }

    /// The words on the page.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::CreateGroup { .. } => "Create group",
            Self::UpdateGroup { .. } => "Update group",
            Self::AddMembers { .. } => "Add members",
            Self::RemoveMember { .. } => "Remove member",
            Self::AssignLicenses { .. } => "Assign licenses to group",
            Self::DeleteGroup { .. } => "Delete group",
        }
    }

    /// Whether it takes memberships or licenses away: counts to the limit.
    pub const fn is_removal(&self) -> bool {
        match self {
            Self::RemoveMember { .. } | Self::DeleteGroup { .. } => true,
            Self::AssignLicenses { remove, .. } => !remove.is_empty(),
            Self::CreateGroup { .. } | Self::UpdateGroup { .. } | Self::AddMembers { .. } => false,
        }
    }

    /// From how many accounts it takes something.
    pub fn losers(&self) -> i64 {
        match self {
            Self::RemoveMember { .. } => 1,
            Self::DeleteGroup { members } => *members,
            Self::AssignLicenses {
                remove, members, ..
            } if !remove.is_empty() => *members,
            _ => 0,
        }
    }
}

/// An action with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedGroupAction {
    pub action: GroupAction,
    pub reason: Reason,
}

/// This pushed group is that group of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLink {
    pub object_id: ObjectId,
    /// Signpost created it.
    pub created: bool,
}

/// A group of the tenant beside what our own records say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownGroup {
    pub group: TenantGroup,
    /// Another group is pushed to it.
    pub taken: bool,
}

/// Everything a planner needs to know of a pushed group, apart from its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushInput {
    pub group_id: GroupId,
    pub name: String,
    pub description: String,
    /// Chosen, and not in the recycle bin.
    pub wanted: bool,
    pub on_removal: OnRemoval,
    pub decision: Option<PushDecision>,
    pub link: Option<GroupLink>,
    /// What the directory said when the tenant's group was last brought to it.
    pub written_name: String,
    pub written_description: String,
    /// The linked group as last seen; `None`: there is no link, or the group is gone.
    pub group: Option<TenantGroup>,
    /// Groups of the tenant with the same name, by object id.
    pub same_name: Vec<KnownGroup>,
    /// Licenses that the group is to give its members.
    pub licenses: Vec<PlannedLicense>,
    /// Licenses of the group that Signpost gave it.
    pub owned_licenses: Vec<PlannedLicense>,
    /// How many members Signpost put into it.
    pub owned_members: i64,
}

/// What our records say about a user's membership of a pushed group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Is in the group and has the application.
    Wanted,
    /// The same, and the account comes back in this run: whatever is missing is nobody's drift.
    Returning,
    /// Left as it is: protected, left out, held, or leaving and not yet at that step.
    Untouched,
    /// Is not in the group, or does not have the application any more.
    Unwanted,
}

/// One user beside one pushed group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInput {
    pub member: GroupMember,
    pub standing: Standing,
    /// The tenant shows the account in its group.
    pub observed: bool,
    /// Signpost put it there.
    pub owned: bool,
    /// What somebody decided about it missing in the tenant.
    pub drift: Option<DriftChoice>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> TenantGroup {
        TenantGroup {
            object_id: ObjectId::new("g"),
            name: "Sales".to_owned(),
            description: String::new(),
            mail_nickname: "sales".to_owned(),
            mail_enabled: false,
            security_enabled: true,
            dynamic: false,
            synchronised: false,
            role_assignable: false,
            licenses: Vec::new(),
        }
    }

    #[test]
    fn only_plain_security_groups_are_touched() {
        assert_eq!(group().untouchable(), None);
        type Change = fn(&mut TenantGroup);
        let cases: [(Change, Untouchable); 5] = [
            (|g| g.synchronised = true, Untouchable::Synchronised),
            (|g| g.role_assignable = true, Untouchable::RoleAssignable),
            (|g| g.dynamic = true, Untouchable::Dynamic),
            (|g| g.mail_enabled = true, Untouchable::MailEnabled),
            (|g| g.security_enabled = false, Untouchable::NotForSecurity),
        ];
        for (change, why) in cases {
            let mut group = group();
            change(&mut group);
            assert_eq!(group.untouchable(), Some(why));
        }
    }

    #[test]
    fn a_mail_nickname_is_one_that_microsoft_accepts() {
        let nickname = mail_nickname(GroupId::from_number(7));
        assert!(nickname.len() <= 64);
        assert!(
            nickname
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        );
        assert_ne!(nickname, mail_nickname(GroupId::from_number(8)));
    }
}
