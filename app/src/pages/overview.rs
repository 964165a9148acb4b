//! The first page: is it working, what changed, what is next.

mod activity;

use leptos::prelude::*;
use signpost_model::connection::{CredentialKind, Findings};
use signpost_model::license::Product;
use signpost_model::readiness::reminder_due;
use signpost_model::run::Run;
use signpost_model::{ConnectionState, Role, Timestamp};
use signpost_store::applications::ApplicationSummary;
use signpost_store::readiness::{self, KnownCheck};
use signpost_store::users::{UserFilter, count as count_users};
use signpost_store::{PageRequest, Total, applications, assignments, connections, licenses, runs};

use crate::access::{READ, Route};
use crate::components::plural::{count, digits};
use crate::components::{
    Card, Check, Checklist, Column, DataTable, EmptyState, Icon, LinkButton, Look, Meter,
    PageHeader, Ring, RunBar, RunChart, RunChartLegend, StatTile, StatTiles, Status, StatusBadge,
    Time, Usage,
};
use crate::error::PortalError;
use crate::pages::readiness::SummaryCard;
use crate::pages::runs::status_of;
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::require;

/// The routes of this page.
pub const ROUTES: &[Route] = &[("GET", "/", READ)];

/// Runs in the chart and the table below it.
const RUNS_SHOWN: u32 = 60;
const RUNS_LISTED: usize = 5;

/// What the page shows of one application.
struct Shown {
    summary: ApplicationSummary,
    findings: Findings,
    assigned: bool,
    products: Vec<Product>,
    granted: usize,
    checks: Vec<KnownCheck>,
    credential: CredentialKind,
}

/// The page.
#[component]
pub fn Overview() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let (users, shown, runs) = load().await?;
        let now = portal()?.clock.now();
        let body = if shown.is_empty() {
            view! { <FirstSteps users=users /> }.into_any()
        } else {
            let tiles = tiles(users, &shown, &runs, now);
            let cards = shown.iter().map(application).collect_view();
            let readiness = shown.iter().filter_map(readiness_card).collect_view();
            let runs = view! { <LastRuns runs=runs /> };
            let events = activity::load().await?;
            view! {
                {tiles}
                <div class="cols">
                    <div class="stack">{cards}</div>
                    <activity::RecentActivity events=events />
                </div>
                <div class="grid">{readiness}</div>
                {runs}
            }
            .into_any()
        };
        Ok(view! {
            <Page title="Overview" section=Section::Overview>
                <PageHeader title="Overview" />
                <Notices />
                {body}
            </Page>
        })
    })
}

async fn load() -> Result<(Total, Vec<Shown>, Vec<Run>), PortalError> {
    let portal = portal()?;
    let mut db = portal.store.read().await?;
    let users = count_users(&mut db, &UserFilter::default()).await?;
    let mut shown = Vec::new();
    for summary in applications::list(&mut db).await? {
        let id = summary.application.id;
        let connection = connections::find(&mut db, id).await?;
        let assigned = assignments::has_any(&mut db, &summary.application).await?;
        let grants = licenses::list_grants(&mut db, id).await?;
        let mut products = licenses::list_products(&mut db, id).await?;
        products.retain(|product| grants.iter().any(|grant| grant.sku_id == product.sku_id));
        let checks = readiness::list(&mut db, id).await?;
        shown.push(Shown {
            credential: connection
                .as_ref()
                .map_or(CredentialKind::Secret, |connection| connection.credential),
            checks,
            findings: connection
                .map(|connection| connection.findings)
                .unwrap_or_default(),
            summary,
            assigned,
            products,
            granted: grants.len(),
        });
    }
    let runs = runs::list(&mut db, None, &PageRequest::first(RUNS_SHOWN)).await?;
    Ok((users, shown, runs.items))
}

fn number(total: Total) -> u64 {
    match total {
        Total::Exactly(number) | Total::MoreThan(number) => number.unsigned_abs(),
    }
}

/// Nothing is set up yet: the way to a first sync.
#[component]
fn FirstSteps(users: Total) -> impl IntoView {
    let imported = number(users) > 0;
    let (people, step) = if imported {
        (Status::PASSED, 1)
    } else {
        (Status::UNKNOWN, 0)
    };
    let detail = if imported {
        count(
            number(users),
            "user is in the directory.",
            "users are in the directory.",
        )
    } else {
        "Import a table, or take the sample of 200 people to rehearse with.".to_owned()
    };
    view! {
        <Card
            id="first-steps"
            title="First steps"
            hint="From an empty portal to synced accounts.".to_owned()
            lead=move || view! { <Ring done=step total=3 /> }
        >
            <Checklist label="First steps">
                <Check status=people title="Bring your people" detail=detail>
                    <LinkButton href=urls::IMPORT>"Import users"</LinkButton>
                </Check>
                <Check
                    status=Status::NOT_SET_UP
                    title="Add an application"
                    detail="An application connects your directory to Microsoft 365.".to_owned()
                >
                    <LinkButton href=urls::NEW_APPLICATION look=Look::Primary>
                        "Create application"
                    </LinkButton>
                </Check>
                <Check
                    status=Status::NOT_SET_UP
                    title="Sync users"
                    detail="See what would change, then let it happen.".to_owned()
                />
            </Checklist>
        </Card>
    }
    .into_any()
}

fn tiles(users: Total, shown: &[Shown], runs: &[Run], now: Timestamp) -> AnyView {
    let linked: i64 = shown.iter().map(|shown| shown.summary.linked).sum();
    let problems: i64 = shown.iter().map(|shown| shown.summary.problems).sum();
    let last = runs
        .iter()
        .find(|run| run.finished_at.is_some())
        .map(|run| {
            let at = run.finished_at.and_then(Timestamp::to_jiff);
            view! {
                <a href=urls::run(run.id)>
                    {run.state.label()} " " {at.map(|at| view! { <Time at=at /> })}
                </a>
            }
            .into_any()
        });
    let changed = runs.iter().find(|run| run.finished_at.is_some());
    let changed = changed.map_or_else(
        || "–".to_owned(),
        |run| digits(run.tally.applied.unsigned_abs()),
    );
    let secret = shown
        .iter()
        .filter_map(|shown| {
            Some((
                shown.findings.secret_expires_at?,
                shown.summary.application.id,
                shown.credential,
            ))
        })
        .min_by_key(|(ends, ..)| *ends);
    let secret = secret.map(|(ends, application, credential)| {
        let (label, href) = match credential {
            CredentialKind::Secret => {
                ("Client secret", urls::application_provisioning(application))
            }
            CredentialKind::Certificate => (
                "Client certificate",
                urls::application_registration(application),
            ),
        };
        let days = ends.millis_since(now).max(0) / signpost_model::time::DAY_MS;
        let words = match reminder_due(ends, now) {
            None => "Nothing to do yet",
            Some(0) => "It has ended: replace it now",
            Some(1 | 7) => "Replace it now",
            Some(_) => "Replace it in time",
        };
        view! {
            <StatTile
                label=label
                icon=Icon::KeyRound
                figure=digits(days.unsigned_abs())
                unit=if days == 1 { "day left" } else { "days left" }
            >
                <a href=href>{words}</a>
            </StatTile>
        }
    });
    view! {
        <StatTiles>
            <StatTile
                label="Linked accounts"
                icon=Icon::UserRoundCheck
                figure=digits(linked.unsigned_abs())
                unit=format!("of {}", count(number(users), "user", "users"))
            >
                {count(problems.unsigned_abs(), "user with a problem", "users with a problem")}
            </StatTile>
            <StatTile label="Last sync" icon=Icon::FolderSync figure=changed unit="changes">
                {last}
            </StatTile>
            {secret}
        </StatTiles>
    }
    .into_any()
}

/// One application: where it stands on the documented way, and its seats.
fn application(shown: &Shown) -> AnyView {
    let application = &shown.summary.application;
    let id = application.id;
    let connected = matches!(
        shown.summary.connection,
        ConnectionState::Connected | ConnectionState::WithProblems
    );
    let synced = shown.summary.first_synced_at.is_some();
    let steps = [
        (
            shown.assigned,
            "Assign users",
            urls::application_assignments(id),
            "Assign",
        ),
        (
            connected,
            "Connect the tenant",
            urls::application_provisioning(id),
            "Connect",
        ),
        (
            shown.granted > 0,
            "Choose licenses",
            urls::application_provisioning(id),
            "Choose",
        ),
        (
            synced,
            "Sync users",
            urls::application_provisioning(id),
            "Sync",
        ),
    ];
    let done: u32 = steps.iter().map(|(done, ..)| u32::from(*done)).sum();
    let total = 4;
    let checks = steps
        .into_iter()
        .map(|(done, title, href, verb)| {
            let status = if done {
                Status::PASSED
            } else {
                Status::NOT_SET_UP
            };
            let act = (!done).then(|| {
                view! { <LinkButton href=href label=format!("{title}: {verb}")>{verb}</LinkButton> }
            });
            view! { <Check status=status title=title>{act}</Check> }
        })
        .collect_view();
    let seats = shown
        .products
        .iter()
        .map(|product| {
            let usage = Usage {
                used: product.seats.used.max(0).unsigned_abs(),
                planned: 0,
                total: product.seats.total.max(0).unsigned_abs(),
            };
            let free = product.seats.free();
            view! {
                <tr>
                    <th scope="row">{product.name.clone()}</th>
                    <td>
                        <Meter usage=usage />
                    </td>
                    <td class="end num">{free}</td>
                </tr>
            }
        })
        .collect_view();
    let seats = (!shown.products.is_empty()).then(|| {
        let columns = vec![
            Column::new("License"),
            Column::new("Seats"),
            Column::numeric("Free"),
        ];
        view! {
            <DataTable caption=format!("Seats for {}", application.name) columns=columns>
                {seats}
            </DataTable>
        }
    });
    // The way there is of no more use once it was gone.
    let way = (done < total).then(|| {
        let label = format!("Steps of {}", application.name);
        view! { <Checklist label=label>{checks}</Checklist> }
    });
    let name = application.name.clone();
    let status = connection_status(shown.summary.connection);
    let domain = shown.summary.domain.clone();
    let provisioning = urls::application_provisioning(id);
    view! {
        <Card
            id=format!("application-{id}")
            title=name
            hint=domain
            lead=move || view! { <Ring done=done total=total /> }
            actions=move || {
                view! {
                    <StatusBadge status=status />
                    <LinkButton href=provisioning>"Open"</LinkButton>
                }
            }
        >
            {way}
            {seats}
        </Card>
    }
    .into_any()
}

/// What is open of an application's readiness, once its tenant is connected.
fn readiness_card(shown: &Shown) -> Option<AnyView> {
    if shown.summary.connection == ConnectionState::NotSetUp {
        return None;
    }
    let application = &shown.summary.application;
    Some(
        view! {
            <SummaryCard
                id=application.id
                application=application.name.clone()
                checks=shown.checks.clone()
            />
        }
        .into_any(),
    )
}

const fn connection_status(state: ConnectionState) -> Status {
    match state {
        ConnectionState::NotSetUp => Status::NOT_SET_UP,
        ConnectionState::Connected => Status::CONNECTED,
        ConnectionState::WithProblems => Status::WITH_PROBLEMS,
        ConnectionState::Stopped => Status::STOPPED,
    }
}

#[component]
fn LastRuns(runs: Vec<Run>) -> impl IntoView {
    if runs.is_empty() {
        return view! {
            <Card id="runs" title="Runs">
                <EmptyState
                    icon=Icon::FolderSync
                    title="No runs yet"
                    why="A run begins when you select Preview changes or Sync Users on an application’s Provisioning page."
                />
            </Card>
        }
        .into_any();
    }
    let bars = runs
        .iter()
        .rev()
        .map(|run| RunBar {
            changed: run.tally.applied.unsigned_abs(),
            failed: (run.tally.failed + run.tally.blocked).unsigned_abs(),
        })
        .collect();
    let rows = runs
        .into_iter()
        .take(RUNS_LISTED)
        .map(|run| {
            let at = run.created_at.to_jiff().map(|at| view! { <Time at=at /> });
            view! {
                <tr>
                    <th scope="row">
                        <a href=urls::run(run.id)>{at}</a>
                    </th>
                    <td>
                        <StatusBadge status=status_of(run.state) />
                    </td>
                    <td class="end num">{run.tally.applied}</td>
                    <td class="end num">{run.tally.failed + run.tally.blocked}</td>
                </tr>
            }
        })
        .collect_view();
    let columns = vec![
        Column::new("Started"),
        Column::new("State"),
        Column::numeric("Changes"),
        Column::numeric("Left out or failed"),
    ];
    view! {
        <Card
            id="runs"
            title="Runs"
            hint="Changes in each of the last runs".to_owned()
            actions=|| view! { <RunChartLegend /> }
            footer=|| view! { <a href=urls::RUNS>"All runs"</a> }
        >
            <div class="card__body">
                <RunChart bars=bars axis=Vec::new() />
            </div>
            <DataTable caption="Last runs" columns=columns>
                {rows}
            </DataTable>
        </Card>
    }
    .into_any()
}
