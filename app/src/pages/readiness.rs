//! An application's Readiness: every check with what is, what to do next, and who answers for it.

mod accounts;
mod acts;
mod check;
mod clicks;
mod credential;
mod features;
mod files;
mod history;
mod people;
mod plans;
mod registration;
mod summary;
mod ways;

pub use accounts::{events, read_accounts};
pub use acts::{check_readiness, mark_setting, waive_check, withdraw_waiver};
pub use credential::{discard_certificate, make_certificate, use_certificate};
pub use features::choose_features;
pub use files::file;
pub use history::HistoryPage;
pub use people::PeoplePage;
pub use plans::{
    plan_certificate, plan_per_user_mfa, plan_put_back, plan_renewal, plan_security_defaults,
};
pub use registration::RegistrationPage;
pub use summary::SummaryCard;

use leptos::prelude::*;
use signpost_model::readiness::{Area, CheckState, HandMark, Marked};
use signpost_model::{ApplicationId, KeptValue, Role, Timestamp};
use signpost_store::account_readings::{self, AccountReading};
use signpost_store::readiness::{self, KnownCheck};
use signpost_store::{connections, kept_values};

use crate::access::{READ, Route, WRITE};
use crate::components::{
    Card, Checklist, EmptyState, ErrorSummary, Icon, LinkButton, Status, Time,
};
use crate::forms::FormState;
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::{found, id_of_page};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{require, visit};

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/applications/{id}/readiness", READ),
    ("GET", "/applications/{id}/readiness/registration", READ),
    ("GET", "/applications/{id}/readiness/people", READ),
    ("GET", "/applications/{id}/readiness/{check}/history", READ),
    ("GET", "/applications/{id}/readiness/events", READ),
    ("GET", "/applications/{id}/readiness/files/{file}", READ),
    ("POST", "/api/readiness/check", WRITE),
    ("POST", "/api/readiness/waive", WRITE),
    ("POST", "/api/readiness/withdraw", WRITE),
    ("POST", "/api/readiness/mark", WRITE),
    ("POST", "/api/readiness/features", WRITE),
    ("POST", "/api/readiness/read-accounts", WRITE),
    ("POST", "/api/readiness/security-defaults", WRITE),
    ("POST", "/api/readiness/per-user-mfa", WRITE),
    ("POST", "/api/readiness/put-back", WRITE),
    ("POST", "/api/readiness/renew-secret", WRITE),
    ("POST", "/api/readiness/certificate", WRITE),
    ("POST", "/api/readiness/certificate/upload", WRITE),
    ("POST", "/api/readiness/certificate/use", WRITE),
    ("POST", "/api/readiness/certificate/discard", WRITE),
];

/// Remembered values that the page lists.
const KEPT_SHOWN: i64 = 100;

/// What the cards of the page share.
#[derive(Debug, Clone)]
struct Shown {
    id: ApplicationId,
    may: bool,
    /// The simulated tenant's own admin center, when the tenant is that one.
    practice: Option<String>,
    form: FormState,
    checks: Vec<KnownCheck>,
    marks: Vec<(HandMark, Marked)>,
    reading: Option<AccountReading>,
    domain: String,
    now: Timestamp,
    /// The application permissions in the last token.
    granted: Vec<String>,
    kept: Vec<KeptValue>,
}

/// The page.
#[component]
pub fn ReadinessPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let body = match &connection {
            None => view! { <NoConnection id=id /> }.into_any(),
            Some(connection) => {
                let practice = portal.settings.practice.as_ref();
                let practice = practice
                    .filter(|_| connection.settings.cloud == signpost_model::Cloud::Practice)
                    .map(|practice| format!("{}admin", practice.page));
                let shown = Shown {
                    id,
                    may: visit().may(Role::Administrator),
                    practice,
                    form: visit().form_state(),
                    checks: readiness::list(&mut read, id).await?,
                    marks: readiness::marks(&mut read, id).await?,
                    reading: account_readings::find(&mut read, id).await?,
                    domain: connection.settings.domain.clone(),
                    now: portal.clock.now(),
                    granted: connection.findings.granted.clone(),
                    kept: kept_values::list_open(&mut read, id, None, KEPT_SHOWN).await?,
                };
                view! { <Checks shown=shown /> }.into_any()
            }
        };
        drop(read);
        Ok(view! {
            <ApplicationPage application=application connection=connection part=Part::Readiness>
                {body}
            </ApplicationPage>
        }
        .into_any())
    })
}

#[component]
fn NoConnection(id: ApplicationId) -> impl IntoView {
    let (registration, provisioning) = (
        urls::application_registration(id),
        urls::application_provisioning(id),
    );
    view! {
        <Card id="readiness" title="Readiness">
            <EmptyState
                icon=Icon::ShieldCheck
                title="No tenant yet"
                why="Register Signpost in your tenant first, then enter its three values under Provisioning. The checks begin there."
            >
                <LinkButton href=registration>"Register the application"</LinkButton>
                <LinkButton href=provisioning>"Open Provisioning"</LinkButton>
            </EmptyState>
        </Card>
    }
    .into_any()
}

#[component]
fn Checks(shown: Shown) -> impl IntoView {
    let problems = shown.form.problems();
    let areas = (!shown.checks.is_empty()).then(|| {
        Area::ALL
            .iter()
            .map(|area| view! { <AreaCard area=*area shown=shown.clone() /> })
            .collect_view()
    });
    view! {
        <ErrorSummary errors=problems />
        <summary::PageSummary shown=shown.clone() />
        {areas}
        <plans::KeptCard shown=shown />
    }
    .into_any()
}

#[component]
fn AreaCard(area: Area, shown: Shown) -> impl IntoView {
    let rows = shown
        .checks
        .iter()
        .filter(|known| known.check.key.area() == area)
        .map(|known| view! { <check::OneCheck known=known.clone() shown=shown.clone() /> })
        .collect_view();
    let more = match area {
        Area::Registration => {
            let href = urls::application_registration(shown.id);
            view! {
                <div class="card__body">
                    <LinkButton href=href>"Open registration"</LinkButton>
                </div>
            }
            .into_any()
        }
        Area::SecurityDefaults => view! { <plans::DefaultsPart shown=shown.clone() /> }.into_any(),
        Area::PerUserMfa => view! { <accounts::AccountsPart shown=shown.clone() /> }.into_any(),
        _ => ().into_any(),
    };
    view! {
        <Card id=area.key() title=area.label()>
            <Checklist label=area.label()>{rows}</Checklist>
            {more}
        </Card>
    }
    .into_any()
}

/// The looks of a check's state.
pub(crate) const fn status_of(state: CheckState) -> Status {
    match state {
        CheckState::Passed => Status::PASSED,
        CheckState::Waived => Status::WAIVED,
        CheckState::Unknown => Status::UNKNOWN,
        CheckState::Attention => Status::ATTENTION,
        CheckState::Failed => Status::FAILED,
    }
}

/// An instant in a sentence.
fn time(at: Timestamp) -> Option<impl IntoView> {
    at.to_jiff().map(|at| view! { <Time at=at /> })
}
