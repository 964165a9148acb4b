//! The document of every page: contexts first, then the frame, then the page of the route.

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use jiff::tz::TimeZone;
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use leptos_meta::provide_meta_context;
use leptos_router::any_nested_route::IntoAnyNestedRoute;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::{MatchNestedRoutes, SsrMode, path};

use crate::components::{CsrfToken, Tone, Zone};
use crate::error::PortalError;
use crate::pages;
use crate::pages::applications;
use crate::pages::problem::{Problem, ProblemPage};
use crate::policy::content_security_policy;
use crate::portal::Portal;
use crate::shell::{self, Flash, Frame, SignedIn};
use crate::visit::{Notice, NoticeKind, visit};

/// The whole HTML document.
pub fn document() -> impl IntoView {
    provide_meta_context();
    provide_page_contexts();
    send_policy();
    shell::document(view! { <App /> })
}

/// The document of a refusal.
pub fn error_document(status: StatusCode) -> impl IntoView {
    provide_meta_context();
    provide_page_contexts();
    shell::document(view! { <ProblemPage problem=problem_of_status(status) /> })
}

/// Every page by its route. Each arrives complete: nothing is streamed in later.
#[component]
pub fn App() -> impl IntoView {
    view! {
        <Router>
            <FlatRoutes fallback=|| view! { <ProblemPage problem=Problem::NotFound /> }>
                <Route path=path!("/") view=pages::overview::Overview ssr=SsrMode::Async />
                <Route path=path!("/setup") view=pages::setup::Setup ssr=SsrMode::Async />
                <Route path=path!("/sign-in") view=pages::sign_in::SignIn ssr=SsrMode::Async />
                <Route path=path!("/join/:token") view=pages::join::Join ssr=SsrMode::Async />
                <ApplicationRoutes />
                <ControlRoutes />
                <AccountRoutes />
                <UserRoutes />
                <SettingsRoutes />
                <Route path=path!("/runs") view=pages::runs::AllRuns ssr=SsrMode::Async />
                <Route path=path!("/runs/:id") view=pages::runs::RunPage ssr=SsrMode::Async />
                <DirectoryRoutes />
                <Route path=path!("/styleguide") view=pages::styleguide::Styleguide ssr=SsrMode::Async />
            </FlatRoutes>
        </Router>
    }
}

#[component(transparent)]
fn ApplicationRoutes() -> impl MatchNestedRoutes + Clone {
    view! {
        <Route path=path!("/applications") view=applications::Applications ssr=SsrMode::Async />
        <Route path=path!("/applications/new") view=applications::NewApplication ssr=SsrMode::Async />
        <Route
            path=path!("/applications/new/access")
            view=applications::NewApplicationAccess
            ssr=SsrMode::Async
        />
        <Route path=path!("/applications/:id") view=applications::ToAssignments ssr=SsrMode::Async />
        <Route path=path!("/applications/:id/assignments") view=applications::Assignments ssr=SsrMode::Async />
        <Route
            path=path!("/applications/:id/assignments/new")
            view=applications::AssignUsers
            ssr=SsrMode::Async
        />
        <Route
            path=path!("/applications/:id/provisioning")
            view=applications::Provisioning
            ssr=SsrMode::Async
        />
        <Route path=path!("/applications/:id/mapping") view=applications::AttributeMapping ssr=SsrMode::Async />
        <Route
            path=path!("/applications/:id/powershell")
            view=applications::PowerShellScripts
            ssr=SsrMode::Async
        />
        <Route path=path!("/applications/:id/sign-on") view=applications::SignOn ssr=SsrMode::Async />
        <Route path=path!("/applications/:id/runs") view=applications::ApplicationRuns ssr=SsrMode::Async />
        <Route
            path=path!("/applications/:id/settings")
            view=applications::ApplicationSettings
            ssr=SsrMode::Async
        />
    }
    .into_inner()
}

/// What operators steer beyond a run.
#[component(transparent)]
fn ControlRoutes() -> impl MatchNestedRoutes + Clone {
    view! {
        <Route path=path!("/applications/:id/leavers") view=pages::control::LeaversPage ssr=SsrMode::Async />
        <Route path=path!("/applications/:id/matches") view=pages::control::MatchesPage ssr=SsrMode::Async />
        <Route path=path!("/applications/:id/drift") view=pages::control::DriftPage ssr=SsrMode::Async />
        <Route path=path!("/applications/:id/groups") view=pages::control::PushedGroupsPage ssr=SsrMode::Async />
        <Route path=path!("/applications/:id/groups/new") view=pages::control::PushGroupsPage ssr=SsrMode::Async />
        <Route path=path!("/applications/:id/seats") view=pages::control::SeatsPage ssr=SsrMode::Async />
        <Route path=path!("/applications/:id/readiness") view=pages::readiness::ReadinessPage ssr=SsrMode::Async />
        <Route
            path=path!("/applications/:id/readiness/registration")
            view=pages::readiness::RegistrationPage
            ssr=SsrMode::Async
        />
        <Route
            path=path!("/applications/:id/readiness/people")
            view=pages::readiness::PeoplePage
            ssr=SsrMode::Async
        />
        <Route
            path=path!("/applications/:id/readiness/:check/history")
            view=pages::readiness::HistoryPage
            ssr=SsrMode::Async
        />
        <Route path=path!("/applications/:id/users/:user/why") view=pages::control::WhyPage ssr=SsrMode::Async />
        <Route path=path!("/applications/:id/federation") view=pages::federation::FederationPage ssr=SsrMode::Async />
        <Route path=path!("/applications/:id/immutable-ids") view=pages::federation::DoctorPage ssr=SsrMode::Async />
        <Route
            path=path!("/applications/:id/identity-provider")
            view=pages::federation::ProviderPage
            ssr=SsrMode::Async
        />
        <Route
            path=path!("/applications/:id/users/:user/restore")
            view=pages::control::RestorePage
            ssr=SsrMode::Async
        />
    }
    .into_inner()
    .into_any_nested_route()
}

#[component(transparent)]
fn AccountRoutes() -> impl MatchNestedRoutes + Clone {
    view! {
        <Route path=path!("/account") view=pages::account::Account ssr=SsrMode::Async />
        <Route path=path!("/account/password") view=pages::account::ChangePassword ssr=SsrMode::Async />
        <Route path=path!("/account/second-factor") view=pages::account::SecondFactor ssr=SsrMode::Async />
        <Route path=path!("/account/second-factor/remove") view=pages::account::RemoveSecondFactor ssr=SsrMode::Async />
        <Route path=path!("/account/recovery-codes") view=pages::account::RecoveryCodes ssr=SsrMode::Async />
    }
    .into_inner()
}

/// Where users sign in, and their own pages.
#[component(transparent)]
fn UserRoutes() -> impl MatchNestedRoutes + Clone {
    view! {
        <Route path=path!("/login") view=pages::login::Login ssr=SsrMode::Async />
        <Route path=path!("/login/forgotten") view=pages::login::Forgotten ssr=SsrMode::Async />
        <Route path=path!("/signed-out") view=pages::login::SignedOut ssr=SsrMode::Async />
        <Route path=path!("/welcome/:token") view=pages::login::Welcome ssr=SsrMode::Async />
        <Route path=path!("/me") view=pages::own::OwnPage ssr=SsrMode::Async />
        <Route path=path!("/me/password") view=pages::own::OwnPassword ssr=SsrMode::Async />
        <Route path=path!("/me/second-factor") view=pages::own::OwnFactors ssr=SsrMode::Async />
    }
    .into_inner()
    .into_any_nested_route()
}

#[component(transparent)]
fn SettingsRoutes() -> impl MatchNestedRoutes + Clone {
    view! {
        <Route path=path!("/settings") view=pages::settings::Operators ssr=SsrMode::Async />
        <Route path=path!("/settings/security") view=pages::settings::Security ssr=SsrMode::Async />
        <Route path=path!("/settings/organisation") view=pages::settings::OrganisationPage ssr=SsrMode::Async />
        <Route path=path!("/settings/mail") view=pages::settings::MailPage ssr=SsrMode::Async />
        <Route path=path!("/settings/about") view=pages::settings::About ssr=SsrMode::Async />
        <Route path=path!("/settings/operators/new") view=pages::settings::NewOperatorPage ssr=SsrMode::Async />
        <Route path=path!("/settings/operators/:id") view=pages::settings::OperatorPage ssr=SsrMode::Async />
        <Route path=path!("/settings/operators/:id/remove") view=pages::settings::RemoveOperator ssr=SsrMode::Async />
        <Route path=path!("/audit-log") view=pages::audit_log::AuditLog ssr=SsrMode::Async />
    }
    .into_inner()
}

/// The pages of users, groups and imports: apart, since a set of routes takes only so many.
#[component(transparent)]
fn DirectoryRoutes() -> impl MatchNestedRoutes + Clone {
    view! {
        <Route path=path!("/users") view=pages::users::UsersPage ssr=SsrMode::Async />
        <Route path=path!("/users/new") view=pages::users::NewUserPage ssr=SsrMode::Async />
        <Route path=path!("/users/add-to-group") view=pages::users::JoinGroup ssr=SsrMode::Async />
        <Route path=path!("/users/:id") view=pages::users::UserPage ssr=SsrMode::Async />
        <Route path=path!("/groups") view=pages::groups::GroupsPage ssr=SsrMode::Async />
        <Route path=path!("/groups/new") view=pages::groups::NewGroupPage ssr=SsrMode::Async />
        <Route path=path!("/groups/:id") view=pages::groups::GroupPage ssr=SsrMode::Async />
        <Route path=path!("/groups/:id/members/new") view=pages::groups::AddMembersPage ssr=SsrMode::Async />
        <Route path=path!("/import") view=pages::import::ImportsPage ssr=SsrMode::Async />
        <Route path=path!("/import/:id") view=pages::import::ImportPage ssr=SsrMode::Async />
    }
    .into_inner()
    .into_any_nested_route()
}

/// What the frame and the components of a page read.
pub fn provide_page_contexts() {
    let visit = visit();
    let practice = use_context::<Portal>().is_some_and(|portal| portal.settings.practice.is_some());
    provide_context(CsrfToken(visit.csrf.clone()));
    let zone = TimeZone::get(&visit.organisation.time_zone).unwrap_or(TimeZone::UTC);
    provide_context(Zone(zone));
    provide_context(Frame {
        organisation: visit.organisation.name.clone(),
        operator: visit.operator.as_ref().map(|operator| SignedIn {
            name: operator.name.clone(),
            role: operator.role.label().to_owned(),
        }),
        theme: visit.theme,
        shortcuts: visit.shortcuts,
        practice,
        banners: visit.banners.clone(),
        notices: visit.notice.iter().map(flash).collect(),
    });
}

fn flash(notice: &Notice) -> Flash {
    let tone = match notice.kind {
        NoticeKind::Success => Tone::Ok,
        NoticeKind::Info => Tone::Info,
        NoticeKind::Warning => Tone::Warn,
        NoticeKind::Error => Tone::Bad,
    };
    Flash {
        tone,
        title: notice.text.clone(),
        detail: String::new(),
        undo: notice.undo.clone(),
    }
}

/// The page's own policy, with the nonce of the framework's two start-up scripts.
fn send_policy() {
    let Some(options) = use_context::<ResponseOptions>() else {
        return;
    };
    let nonce = use_nonce().map(|nonce| nonce.to_string());
    if let Ok(policy) = HeaderValue::from_str(&content_security_policy(nonce.as_deref())) {
        options.insert_header(CONTENT_SECURITY_POLICY, policy);
    }
}

/// Shows a page, or why there is none, with the status that says the same.
pub fn page<V: IntoView + 'static>(
    load: impl Future<Output = Result<V, PortalError>> + Send + 'static,
) -> impl IntoView {
    Suspend::new(async move {
        match load.await {
            Ok(view) => view.into_any(),
            Err(error) => {
                if let Some(options) = use_context::<ResponseOptions>() {
                    options.set_status(error.status());
                }
                view! { <ProblemPage problem=problem_of(&error) /> }.into_any()
            }
        }
    })
}

fn problem_of(error: &PortalError) -> Problem {
    match error {
        PortalError::Internal { reference } => Problem::Internal {
            reference: reference.clone(),
        },
        other => problem_of_status(other.status()),
    }
}

fn problem_of_status(status: StatusCode) -> Problem {
    let visit = visit();
    match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Problem::NotFound,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => match &visit.operator {
            Some(operator) => Problem::Forbidden {
                role: operator.role.label().to_owned(),
            },
            None => Problem::Refused,
        },
        StatusCode::BAD_REQUEST => Problem::Refused,
        StatusCode::CONFLICT => Problem::Expired,
        StatusCode::PAYLOAD_TOO_LARGE => Problem::TooLarge,
        StatusCode::TOO_MANY_REQUESTS => Problem::TooMany,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => Problem::Unavailable,
        _ => Problem::Internal {
            reference: visit.reference.clone(),
        },
    }
}
