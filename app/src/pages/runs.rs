//! Runs: the list of all, one run with its plan, and what people do about them.

mod actions;
mod acts;
mod group_actions;
mod list;
mod run;
mod stream;
mod tenant_actions;

pub(crate) use actions::{OutcomeOf, differences};
pub use acts::*;
pub use list::{AllRuns, RunsTable, runs_of};
pub use run::RunPage;
pub use stream::{actions_csv, actions_json, events};

use crate::access::{READ, Route, WRITE};
use crate::components::Status;
use signpost_model::run::RunState;

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/runs", READ),
    ("GET", "/runs/{id}", READ),
    ("GET", "/runs/{id}/events", READ),
    ("GET", "/runs/{id}/actions.csv", READ),
    ("GET", "/runs/{id}/actions.json", READ),
    ("POST", "/api/runs/apply", WRITE),
    ("POST", "/api/runs/discard", WRITE),
    ("POST", "/api/runs/cancel", WRITE),
    ("POST", "/api/runs/retry", WRITE),
    ("POST", "/api/runs/choose", WRITE),
];

/// The looks of a run's state.
pub const fn status_of(state: RunState) -> Status {
    match state {
        RunState::Queued => Status::QUEUED,
        RunState::Planning => Status::PLANNING,
        RunState::AwaitingApproval => Status::AWAITING_APPROVAL,
        RunState::Applying => Status::APPLYING,
        RunState::Succeeded => Status::SUCCEEDED,
        RunState::CompletedWithFailures => Status::COMPLETED_WITH_FAILURES,
        RunState::Failed => Status::FAILED,
        RunState::Cancelled => Status::CANCELLED,
    }
}
