//! Where a user stands with an application, and everything a planner needs to know of them.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::observation::{KnownAccount, ObservedLicense};
use crate::plan::{Blocker, LinkMethod, ObjectId, TargetAttribute};
use crate::run::{Outcome, UnknownWord};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::{GroupId, RunId, Timestamp, User, UserId};

/// Where a user stands with an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvisioningState {
    /// The account is as desired.
    InSync,
    /// Something is still to be done.
    Pending,
    /// The planner will not act; the blocker says why.
    Blocked,
    /// The last try failed.
    Failed,
    /// No longer has the application; the steps of leaving are under way.
    Leaving,
    /// No longer has the application, and nothing is left to do.
    Left,
    /// An operator chose to leave the user out.
    LeftOut,
}

impl ProvisioningState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::InSync,
        Self::Pending,
        Self::Blocked,
        Self::Failed,
        Self::Leaving,
        Self::Left,
        Self::LeftOut,
    ];

    /// The word in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Pending => "pending",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Leaving => "leaving",
            Self::Left => "left",
            Self::LeftOut => "left_out",
        }
    }

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::InSync => "Active",
            Self::Pending => "Waiting",
            Self::Blocked => "Blocked",
            Self::Failed => "Failed",
            Self::Leaving => "Leaving",
            Self::Left => "Left",
            Self::LeftOut => "Left out",
        }
    }
}

impl FromStr for ProvisioningState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|state| state.key() == text)
            .ok_or(UnknownWord)
    }
}

/// What became of a user in the last run that looked at them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastOutcome {
    Blocked(Vec<Blocker>),
    Done(Outcome),
}

/// A user's row with an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioning {
    /// Counts everything that happened to the user's desired side or account.
    pub revision: i64,
    /// The revision that was last dealt with; the user is planned again when the two differ.
    pub settled_revision: i64,
    pub state: ProvisioningState,
    /// When the user was first seen without the application; starts the days before deletion.
    pub removed_at: Option<Timestamp>,
    pub last_outcome: Option<LastOutcome>,
    pub last_run: Option<RunId>,
    /// Failures in a row.
    pub attempts: i64,
    /// When the user is looked at again by itself: a retry, or the end of a grace period.
    pub due_at: Option<Timestamp>,
    /// The user name the user was last planned to have, folded.
    pub desired_name: Option<String>,
}

impl Provisioning {
    /// A user that nobody has looked at yet.
    pub const NEW: Self = Self {
        revision: 0,
        settled_revision: 0,
        state: ProvisioningState::Pending,
        removed_at: None,
        last_outcome: None,
        last_run: None,
        attempts: 0,
        due_at: None,
        desired_name: None,
    };
}

/// How long a user that failed this many times in a row waits for the next try, in milliseconds;
/// `None` when only a person can help. First soon, since most causes pass; then ever rarer.
pub fn retry_delay_ms(attempts: i64) -> Option<i64> {
    const HOURS: [i64; 4] = [2, 6, 12, 24];
    match attempts {
        ..=1 => Some(5 * MINUTE_MS),
        2 => Some(30 * MINUTE_MS),
        3..=6 => usize::try_from(attempts - 3)
            .ok()
            .and_then(|n| HOURS.get(n))
            .map(|h| h * HOUR_MS),
        7..=33 => Some(DAY_MS),
        _ => None,
    }
}

/// This user is that account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub object_id: ObjectId,
    pub method: LinkMethod,
    pub linked_at: Timestamp,
}

/// What an operator chose for a user on the plan page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The user is this account.
    Link(ObjectId),
    /// The user is never matched and nothing is created for them.
    LeaveOut,
}

/// The kinds of things the ownership ledger holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnedKind {
    /// The account itself: Signpost created it.
    Account,
    /// A license; the key is the SKU id, the value the disabled plans as JSON.
    License,
    /// A membership; the key is the group's object id.
    Membership,
    /// Every attribute together in one line, so that a first sync writes few rows: the key is
    /// empty, the value a JSON object that the planner reads and writes.
    Attribute,
    /// Signpost blocked the sign-in; the value says whether it ended the sessions too.
    Block,
    /// Signpost deleted the account, so coming back may restore it.
    Deletion,
}

impl OwnedKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Account,
        Self::License,
        Self::Membership,
        Self::Attribute,
        Self::Block,
        Self::Deletion,
    ];

    /// The word in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::License => "license",
            Self::Membership => "membership",
            Self::Attribute => "attribute",
            Self::Block => "block",
            Self::Deletion => "deletion",
        }
    }
}

impl FromStr for OwnedKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.key() == text)
            .ok_or(UnknownWord)
    }
}

/// One line of the ownership ledger: Signpost itself put this on the account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owned {
    pub kind: OwnedKind,
    /// What exactly; empty where there can be only one.
    pub key: String,
    pub value: String,
}

/// A user's manager, as far as the application knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerInput {
    pub user_id: UserId,
    pub display_name: String,
    /// The manager's account, once they are linked.
    pub object_id: Option<ObjectId>,
    /// Whether the manager has no account yet, but the application and no blocker in the way:
    /// then one is on its way, and reports can be planned to get it.
    pub expected: bool,
}

/// Everything our records hold about one user and one application: what a plan is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanInput {
    pub user: User,
    /// Whether the user has the application now.
    pub in_scope: bool,
    /// The user's groups among those that the application's grants name.
    pub groups: Vec<GroupId>,
    pub provisioning: Provisioning,
    pub link: Option<Link>,
    /// The linked account; `None` when there is no link or the tenant no longer shows it.
    pub account: Option<KnownAccount>,
    /// What Signpost itself put on the linked account.
    pub owned: Vec<Owned>,
    pub decision: Option<Decision>,
    pub manager: Option<ManagerInput>,
    pub wishes: Wishes,
}

/// What operators asked for one user, beside the records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Until then nothing is taken from the account.
    pub held_until: Option<Timestamp>,
    /// What is to come back.
    pub restore: Option<RestoreWish>,
    /// What was decided about values that others changed.
    pub drift: BTreeMap<TargetAttribute, DriftDecision>,
}

impl Wishes {
    /// Until when nothing is taken from the account, while that is still to come.
    pub fn hold(&self, now: Timestamp) -> Option<Timestamp> {
        self.held_until.filter(|until| *until > now)
    }
}

/// What an account is to get back: taken from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreWish {
    /// The account; another one gets nothing back.
    pub object_id: ObjectId,
    /// Whether sign-in was allowed.
    pub enabled: bool,
    /// The licenses that were assigned directly.
    pub licenses: Vec<ObservedLicense>,
    /// The memberships that Signpost had given.
    pub groups: Vec<ObjectId>,
    pub manager: Option<ManagerInput>,
}

/// What an operator decided about a value that somebody else set in the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftDecision {
    /// The value it was about; empty: nothing was there.
    pub tenant: String,
    pub choice: DriftChoice,
}

/// What to do about a value that somebody else set in the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DriftChoice {
    /// Keep this value until the directory says something new.
    Accept,
    /// Write the directory's value again.
    Revert,
    /// Leave the attribute of this user alone, whatever happens to it.
    Ignore,
}

impl DriftChoice {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Accept, Self::Revert, Self::Ignore];

    /// The word in the database and in forms.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Revert => "revert",
            Self::Ignore => "ignore",
        }
    }

    /// The word on the button.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::Revert => "Revert",
            Self::Ignore => "Ignore",
        }
    }
}

impl FromStr for DriftChoice {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|choice| choice.key() == text)
            .ok_or(UnknownWord)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_come_ever_rarer_and_end() {
        let delays: Vec<_> = (1..=40).map(retry_delay_ms).collect();
        assert_eq!(delays[0], Some(5 * MINUTE_MS));
        assert!(
            delays
                .windows(2)
                .all(|pair| pair[1].is_none_or(|next| Some(next) >= pair[0]))
        );
        assert_eq!(delays[39], None);
    }
}
