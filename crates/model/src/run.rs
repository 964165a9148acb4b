//! Runs: one execution of a sync, its states, and the outcome of each action.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ApplicationId, RunId, TenantRequest, Timestamp, UserId};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Queued,
    Planning,
    AwaitingApproval,
    Applying,
    Succeeded,
    CompletedWithFailures,
    Failed,
    Cancelled,
}

impl RunState {
    /// Every state, in the order a run passes through them.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Planning,
        Self::AwaitingApproval,
        Self::Applying,
        Self::Succeeded,
        Self::CompletedWithFailures,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The words on the page and in `role=status`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Queued => "Waiting",
            Self::Planning => "Making the plan",
            Self::AwaitingApproval => "Needs your answer",
            Self::Applying => "Running",
            Self::Succeeded => "Succeeded",
            Self::CompletedWithFailures => "Finished with problems",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// The word in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Planning => "planning",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Applying => "applying",
            Self::Succeeded => "succeeded",
            Self::CompletedWithFailures => "completed_with_failures",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the run will never change again.
    pub const fn is_over(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::CompletedWithFailures | Self::Failed | Self::Cancelled
        )
    }
}

/// The text names no state, trigger, scope or mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

impl FromStr for RunState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|state| state.key() == text)
            .ok_or(UnknownWord)
    }
}

/// Why a run exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An operator pressed Sync Users, Preview changes or Sync now.
    Operator,
    /// An assignment, a user or a setting changed.
    Change,
    /// The schedule.
    Schedule,
    /// The command line.
    CommandLine,
    /// Failed actions are tried again.
    Retry,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 5] = [
        Self::Operator,
        Self::Change,
        Self::Schedule,
        Self::CommandLine,
        Self::Retry,
    ];

    /// The word in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Change => "change",
            Self::Schedule => "schedule",
            Self::CommandLine => "command_line",
            Self::Retry => "retry",
        }
    }

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Operator => "Started by hand",
            Self::Change => "After a change",
            Self::Schedule => "On schedule",
            Self::CommandLine => "Command line",
            Self::Retry => "Retry",
        }
    }
}

impl FromStr for Trigger {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|trigger| trigger.key() == text)
            .ok_or(UnknownWord)
    }
}

/// Which users a run plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunScope {
    /// Only users whose desired side or account changed since their last plan.
    Changed,
    /// Everyone, against a full read of the tenant.
    Everyone,
    /// No user: the tenant itself, as its request says.
    Tenant,
}

impl RunScope {
    /// The word in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Everyone => "everyone",
            Self::Tenant => "tenant",
        }
    }

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Changed => "What changed",
            Self::Everyone => "Everyone",
            Self::Tenant => "The tenant itself",
        }
    }
}

impl FromStr for RunScope {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Changed, Self::Everyone, Self::Tenant]
            .into_iter()
            .find(|s| s.key() == text)
            .ok_or(UnknownWord)
    }
}

/// What happens once the plan is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// Wait with the plan until a person applies or discards it.
    Preview,
    /// Apply at once when nothing needs an answer.
    Sync,
}

impl RunMode {
    /// The word in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::Sync => "sync",
        }
    }
}

impl FromStr for RunMode {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Preview, Self::Sync]
            .into_iter()
            .find(|m| m.key() == text)
            .ok_or(UnknownWord)
    }
}

/// One execution of a sync.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub id: RunId,
    pub application_id: ApplicationId,
    pub trigger: Trigger,
    pub scope: RunScope,
    pub mode: RunMode,
    /// Limits the run to one user ("Sync now").
    pub only_user: Option<UserId>,
    /// What is asked of the tenant itself; set for [`RunScope::Tenant`] and no other.
    pub request: Option<TenantRequest>,
    pub state: RunState,
    /// The operator who asked for it; empty when Signpost did by itself.
    pub requested_by: String,
    /// Who applied a plan that had to wait.
    pub approved_by: Option<String>,
    pub approved_at: Option<Timestamp>,
    pub tally: Tally,
    /// Binds an approval to the plan that was shown.
    pub plan_hash: Option<String>,
    /// Why the run waits for a person, when it does.
    pub waits_for: Option<WaitsFor>,
    /// Why the run as a whole failed: words for people, worded when it happened.
    pub failure: Option<RunFailure>,
    /// Set when someone asked to stop after the current action.
    pub cancel_requested: bool,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub planned_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

/// Counts of a run's actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Users the plan looked at.
    pub users: i64,
    /// Users whose account already is as desired.
    pub in_sync: i64,
    /// Users the planner will not act on.
    pub blocked: i64,
    pub actions: i64,
    pub removals: i64,
    pub applied: i64,
    pub failed: i64,
    pub skipped: i64,
}

impl Tally {
    /// From so many tried changes on, a share of failures says something about the tenant.
    const MASS: i64 = 100;
    /// More than this share of them failing is no matter of single users, in percent.
    const MASS_PERCENT: i64 = 40;

    /// Whether so much failed that something is wrong as a whole.
    pub const fn is_mass_failure(&self) -> bool {
        let tried = self.applied.saturating_add(self.failed);
        tried >= Self::MASS
            && self.failed.saturating_mul(100) > tried.saturating_mul(Self::MASS_PERCENT)
    }
}

/// Why a plan waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// It is a preview: somebody asked to look first.
    Preview,
    /// It would take sign-in, licenses or existence from more accounts than the limit, counted
    /// together with what earlier runs took unasked.
    Limit {
        removals: i64,
        #[serde(default)]
        earlier: i64,
        allowed: i64,
    },
    /// Some users need a choice on the plan page.
    Choices { users: i64 },
}

/// Why a run as a whole ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailure {
    /// One sentence: what happened and what to do next.
    pub text: String,
    pub code: Option<String>,
    pub request_id: Option<String>,
}

/// What became of one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    Applied { request_id: Option<String> },
    Failed(ActionFailure),
    Skipped { because: SkipReason },
}

/// Why an action failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionFailure {
    pub kind: FailureKind,
    /// Microsoft's code, for support.
    pub code: Option<String>,
    /// Microsoft's message, shortened.
    pub message: String,
    pub request_id: Option<String>,
}

/// What an operator can do about a failure decides its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    NoUsageLocation,
    NoSeats,
    ExclusivePlans,
    PlanDependency,
    ProhibitedInUsageLocation,
    DomainNotVerified,
    UserNameTaken,
    AddressTaken,
    TargetIsAdministrator,
    PermissionMissing,
    AccountGone,
    SynchronisedElsewhere,
    /// What a plan was made from is not so any more.
    ChangedMeanwhile,
    /// Microsoft said yes and kept the old value.
    NotKept,
    /// Granted, and refused to applications all the same.
    NotForApplications,
    Throttled,
    Unreachable,
    Rejected,
}

impl FailureKind {
    /// What happened and what to do next, in plain words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoUsageLocation => {
                "Usage location is empty or not valid. Microsoft needs a country before it gives a license. Set it on the user and sync again."
            }
            Self::NoSeats => {
                "No seats of this product are left. Buy seats or unassign somebody, then retry."
            }
            Self::ExclusivePlans => {
                "Two products contain the same service, and a user can have it only once. Choose one license or switch the service off in one of them."
            }
            Self::PlanDependency => {
                "This license needs another one first. Add the license it depends on."
            }
            Self::ProhibitedInUsageLocation => {
                "Microsoft does not sell this license in the user's country. Change the usage location or the license."
            }
            Self::DomainNotVerified => {
                "The domain of the user name is not verified in this tenant. Verify the domain or change the user name."
            }
            Self::UserNameTaken => {
                "Another Microsoft account already uses this user name. Link the user to that account or change the user name."
            }
            Self::AddressTaken => {
                "Another account already uses this mail address. Change one of the two."
            }
            Self::TargetIsAdministrator => {
                "Microsoft does not let an app change this account, because the person is an administrator there. Leave the user out, or change the account in the Entra admin center."
            }
            Self::PermissionMissing => {
                "Signpost may not do this in the tenant. Grant the missing permission on the Provisioning page."
            }
            Self::AccountGone => {
                "The account was deleted in Microsoft 365 after the plan was made. Sync again to create it anew."
            }
            Self::SynchronisedElsewhere => {
                "Another directory manages this account. Change the person there, or leave the user out."
            }
            Self::ChangedMeanwhile => {
                "Somebody changed this in the tenant after the plan was made. Make the plan again."
            }
            Self::NotKept => {
                "Microsoft accepted this change and does not show it. Look at it in the Entra admin center, then make the plan again."
            }
            Self::NotForApplications => {
                "Microsoft does not let an application do this in this tenant, although the permission is granted. An administrator can, with the PowerShell script."
            }
            Self::Throttled => "Microsoft asked us to slow down. The next sync tries again.",
            Self::Unreachable => {
                "Microsoft did not answer. Signpost looks whether the change was made before it tries again."
            }
            Self::Rejected => "Microsoft refused this change. The details name Microsoft's reason.",
        }
    }
}

/// Why an action was not carried out although it was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// An earlier action on the same account failed.
    EarlierActionFailed,
    /// The tenant already was as this action wants it.
    AlreadyDone,
    /// The manager to be set has no account.
    ManagerHasNoAccount,
    /// Nobody of those to be added has an account.
    MemberHasNoAccount,
    /// The run was cancelled.
    Cancelled,
    /// The run ended early.
    RunEnded,
}

impl SkipReason {
    /// The words on the page.
    pub const fn text(self) -> &'static str {
        match self {
            Self::EarlierActionFailed => "An earlier change to this account failed.",
            Self::AlreadyDone => "It was already so.",
            Self::ManagerHasNoAccount => "The manager has no account yet.",
            Self::MemberHasNoAccount => "None of them has an account yet.",
            Self::Cancelled => "The run was cancelled.",
            Self::RunEnded => "The run ended before its turn.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn four_in_ten_of_a_hundred_are_no_mass_failure_and_one_more_is() {
        let tally = |applied, failed| Tally {
            applied,
            failed,
            ..Tally::default()
        };
        assert!(!tally(60, 40).is_mass_failure());
        assert!(tally(59, 41).is_mass_failure());
        assert!(!tally(0, 99).is_mass_failure(), "too few to tell");
    }
}
