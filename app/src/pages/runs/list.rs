//! Every run, newest first, with a chart of the last ones.

use std::collections::HashMap;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use signpost_model::run::Run;
use signpost_model::{ApplicationId, Role};
use signpost_store::{Cursor, Page as StorePage, PageRequest, applications, runs};

use super::status_of;
use crate::components::PageHeader;
use crate::components::plural::count;
use crate::components::{
    Card, Column, DataTable, DurationChart, EmptyState, Icon, LinkButton, Pager, Pages, Precision,
    RunBar, RunChart, RunChartLegend, StatusBadge, Time, moment,
};
use crate::error::PortalError;
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::require;

const ROWS: u32 = 50;

/// The page of all runs.
#[component]
pub fn AllRuns() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let runs = runs_of(None).await?;
        let names = names().await?;
        Ok(view! {
            <Page title="Runs" section=Section::Runs>
                <PageHeader title="Runs" />
                <Notices />
                <RunsTable runs=runs names=names address=urls::RUNS.to_owned() />
            </Page>
        })
    })
}

/// One page of runs by the request's cursor: of one application, or of all.
pub async fn runs_of(application: Option<ApplicationId>) -> Result<StorePage<Run>, PortalError> {
    let cursor = use_query_map().with_untracked(|query| query.get("page"));
    let request = match cursor.and_then(|text| text.parse::<Cursor>().ok()) {
        Some(cursor) => PageRequest::at(ROWS, cursor),
        None => PageRequest::first(ROWS),
    };
    let portal = portal()?;
    let mut read = portal.store.read().await?;
    Ok(runs::list(&mut read, application, &request).await?)
}

async fn names() -> Result<HashMap<ApplicationId, String>, PortalError> {
    let portal = portal()?;
    let mut read = portal.store.read().await?;
    let applications = applications::list(&mut read).await?;
    Ok(applications
        .into_iter()
        .map(|summary| (summary.application.id, summary.application.name))
        .collect())
}

/// The table with its chart; on an application's own page the names are left out.
#[component]
pub fn RunsTable(
    runs: StorePage<Run>,
    #[prop(optional)] names: HashMap<ApplicationId, String>,
    address: String,
) -> impl IntoView {
    if runs.items.is_empty() {
        return view! {
            <Card id="runs" title="All runs">
                <EmptyState
                    icon=Icon::FolderSync
                    title="No runs yet"
                    why="A run begins when you select Preview changes or Sync Users on an application’s Provisioning page."
                >
                    <LinkButton href=urls::APPLICATIONS>"Go to applications"</LinkButton>
                </EmptyState>
            </Card>
        }
        .into_any();
    }
    let pages = Pages {
        first: runs.previous.is_some().then(|| address.clone()),
        previous: runs.previous.as_ref().map(|at| page_address(&address, at)),
        next: runs.next.as_ref().map(|at| page_address(&address, at)),
    };
    let summary = count(runs.items.len() as u64, "run", "runs");
    let with_names = !names.is_empty();
    let mut columns = vec![Column::new("Started")];
    if with_names {
        columns.push(Column::new("Application"));
    }
    columns.extend([
        Column::new("State"),
        Column::new("Started by"),
        Column::numeric("Changes"),
        Column::numeric("Failed"),
        Column::numeric("Left out"),
        Column::numeric("Time taken"),
    ]);
    let chart = view! { <Chart runs=runs.items.clone() /> };
    let rows = runs
        .items
        .into_iter()
        .map(|run| {
            let name = with_names.then(|| names.get(&run.application_id).cloned());
            view! { <Row run=run name=name /> }
        })
        .collect_view();
    view! {
        {chart}
        <Card
            id="runs"
            title="All runs"
            footer=move || view! { <Pager summary=summary pages=pages label="Pages of runs" /> }
        >
            <DataTable caption="Runs, newest first" columns=columns>
                {rows}
            </DataTable>
        </Card>
    }
    .into_any()
}

fn page_address(address: &str, cursor: &Cursor) -> String {
    urls::with_query(address, &[("page", &cursor.to_string())])
}

#[component]
fn Chart(runs: Vec<Run>) -> impl IntoView {
    let oldest_first: Vec<&Run> = runs.iter().rev().collect();
    let bars = oldest_first
        .iter()
        .map(|run| RunBar {
            changed: run.tally.applied.unsigned_abs(),
            failed: (run.tally.failed + run.tally.blocked).unsigned_abs(),
        })
        .collect();
    let day = |run: &&Run| {
        run.created_at
            .to_jiff()
            .map(|at| moment(at, Precision::Day))
            .unwrap_or_default()
    };
    let axis = match (oldest_first.first(), oldest_first.last()) {
        (Some(first), Some(last)) => vec![day(first), day(last)],
        _ => Vec::new(),
    };
    let seconds = oldest_first
        .iter()
        .map(|run| match (run.started_at, run.finished_at) {
            (Some(from), Some(to)) => to.millis_since(from).max(0).unsigned_abs().div_ceil(1_000),
            _ => 0,
        })
        .collect();
    let same_axis = axis.clone();
    view! {
        <Card id="chart" title="Changes per run" actions=|| view! { <RunChartLegend /> }>
            <div class="card__body">
                <RunChart bars=bars axis=axis />
            </div>
        </Card>
        <Card id="durations" title="Time taken per run">
            <div class="card__body">
                <DurationChart seconds=seconds axis=same_axis />
            </div>
        </Card>
    }
}

#[component]
fn Row(run: Run, name: Option<Option<String>>) -> impl IntoView {
    let started = run.created_at.to_jiff().map(|at| view! { <Time at=at /> });
    let by = if run.requested_by.is_empty() {
        run.trigger.label().to_owned()
    } else {
        run.requested_by.clone()
    };
    let taken = match (run.started_at, run.finished_at) {
        (Some(from), Some(to)) => duration(to.millis_since(from)),
        _ => "–".to_owned(),
    };
    let application = name.map(|name| {
        let name = name.unwrap_or_else(|| "Deleted application".to_owned());
        view! { <td>{name}</td> }
    });
    view! {
        <tr>
            <th scope="row">
                <a href=urls::run(run.id)>{started}</a>
                <small>{run.scope.label()}</small>
            </th>
            {application}
            <td>
                <StatusBadge status=status_of(run.state) />
            </td>
            <td>{by}</td>
            <td class="end num">{run.tally.applied}</td>
            <td class="end num">{run.tally.failed}</td>
            <td class="end num">{run.tally.blocked}</td>
            <td class="end num">{taken}</td>
        </tr>
    }
    .into_any()
}

/// "850 ms", "12 s", "3 min 20 s".
pub fn duration(millis: i64) -> String {
    match millis {
        ..1_000 => format!("{} ms", millis.max(0)),
        1_000..60_000 => format!("{} s", millis / 1_000),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
    }
}
