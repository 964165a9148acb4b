//! What operators steer beyond a run: why a user stands where they stand, bringing back, leaving,
//! matching, drift, seats and the schedule.

mod drift;
mod explain;
mod leavers;
mod matches;
mod membership_drift;
mod pushed_groups;
mod restore;
mod schedule;
mod seats;
mod user;
mod why;

pub use drift::{DriftPage, decide_drift, set_drift_rules};
pub use leavers::{LeaversPage, postpone_leaving};
pub use matches::{MatchesPage, decide_matches, set_adoption_rule};
pub use membership_drift::decide_membership_drift;
pub use pushed_groups::{
    PushGroupsPage, PushedGroupsPage, choose_for_group, end_push, push_groups,
};
pub use restore::{RestorePage, restore_account};
pub(crate) use schedule::ScheduleCard;
pub use schedule::banners;
pub use schedule::{pause_schedule, resume_schedule, save_schedule, try_connection_again};
pub use seats::{SeatsPage, save_fallbacks};
pub(crate) use user::UserAccounts;
pub use user::sync_user;
pub use why::WhyPage;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use signpost_model::{ApplicationId, UserId};
use signpost_store::{Read, drifts, following, group_push};

use crate::access::{READ, Route, WRITE};
use crate::components::{Card, LinkButton, Look};
use crate::error::PortalError;
use crate::forms::Posted;
use crate::urls;

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/applications/{id}/leavers", READ),
    ("GET", "/applications/{id}/matches", READ),
    ("GET", "/applications/{id}/drift", READ),
    ("GET", "/applications/{id}/groups", READ),
    ("GET", "/applications/{id}/groups/new", WRITE),
    ("GET", "/applications/{id}/seats", READ),
    ("GET", "/applications/{id}/users/{user}/why", READ),
    ("GET", "/applications/{id}/users/{user}/restore", READ),
    ("POST", "/api/control/sync-user", WRITE),
    ("POST", "/api/control/restore", WRITE),
    ("POST", "/api/control/postpone", WRITE),
    ("POST", "/api/control/match", WRITE),
    ("POST", "/api/control/adoption", WRITE),
    ("POST", "/api/control/drift", WRITE),
    ("POST", "/api/control/membership-drift", WRITE),
    ("POST", "/api/control/push-groups", WRITE),
    ("POST", "/api/control/end-push", WRITE),
    ("POST", "/api/control/group-choice", WRITE),
    ("POST", "/api/control/drift-rules", WRITE),
    ("POST", "/api/control/fallbacks", WRITE),
    ("POST", "/api/control/schedule", WRITE),
    ("POST", "/api/control/pause", WRITE),
    ("POST", "/api/control/resume", WRITE),
    ("POST", "/api/control/try-again", WRITE),
];

/// Application and user in the address of this page.
fn ids_of_page() -> Result<(ApplicationId, UserId), PortalError> {
    use_params_map()
        .with_untracked(|params| {
            let application = params.get("id")?.parse().ok()?;
            Some((application, params.get("user")?.parse().ok()?))
        })
        .ok_or(PortalError::NotFound)
}

/// Application and user of the posted form.
fn ids_of_form(posted: &Posted) -> Result<(ApplicationId, UserId), PortalError> {
    let user = posted.first("user");
    Ok((
        crate::pages::applications::id_of_form(posted)?,
        user.parse().map_err(|_| PortalError::NotFound)?,
    ))
}

/// How much waits for a person on each of these pages.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    drifts: i64,
    waiting: usize,
    groups: i64,
}

impl Attention {
    /// Counts it.
    pub async fn load(db: &mut Read, id: ApplicationId) -> Result<Self, PortalError> {
        Ok(Self {
            drifts: drifts::count_open(db, id).await?
                + group_push::drifts::count_open(db, id).await?,
            groups: group_push::count_to_review(db, id).await?,
            waiting: following::list_waiting(db, id, 100).await?.len(),
        })
    }
}

/// The ways to these pages, on the application's Provisioning page.
#[component]
pub(crate) fn ReviewCard(id: ApplicationId, attention: Attention) -> impl IntoView {
    let numbered = |words: &str, number: i64| match number {
        0 => words.to_owned(),
        number => format!("{words} ({number})"),
    };
    let waiting = i64::try_from(attention.waiting).unwrap_or(0);
    let links = [
        (urls::application_matches(id), "Match review".to_owned()),
        (urls::application_leavers(id), "Leavers".to_owned()),
        (
            urls::application_drift(id),
            numbered("Drift", attention.drifts),
        ),
        (urls::application_seats(id), numbered("Seats", waiting)),
        (
            urls::application_groups(id),
            numbered("Groups", attention.groups),
        ),
    ];
    let links = links
        .into_iter()
        .map(|(href, words)| view! { <LinkButton href=href look=Look::Quiet>{words}</LinkButton> })
        .collect_view();
    view! {
        <Card
            id="review"
            title="Review"
            hint="Who is matched with which account, who leaves when, what others changed, who waits for a seat, which groups are pushed.".to_owned()
        >
            <div class="card__body row">{links}</div>
        </Card>
    }
    .into_any()
}
