//! Import: a file is checked, looked at, and then applied.

mod columns;
mod details;
mod files;
mod preview;
mod progress;
mod show;
mod upload;
mod work;

use leptos::prelude::*;
use signpost_model::Role;
use signpost_store::imports::{self, Import, ImportState};

use crate::access::{READ, Route, WRITE};
use crate::components::plural::digits;
use crate::components::{
    Badge, Button, Card, Column, DataTable, EmptyState, Encoding, ErrorSummary, FileField, Form,
    Icon, LinkButton, Look, PageHeader, Time, Tone,
};
use crate::error::PortalError;
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{require, visit};

pub use columns::CheckAgain;
pub use files::{problems, sample};
pub use progress::events;
pub use show::{ApplyImport, DiscardImport, ImportPage};
pub use upload::{CheckFile, UseSample};

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/import", READ),
    ("GET", "/import/sample.csv", READ),
    ("GET", "/import/{id}", READ),
    ("GET", "/import/{id}/events", READ),
    ("GET", "/import/{id}/problems.csv", READ),
    ("POST", "/api/import/check", WRITE),
    ("POST", "/api/import/sample", WRITE),
    ("POST", "/api/import/check-again", WRITE),
    ("POST", "/api/import/apply", WRITE),
    ("POST", "/api/import/discard", WRITE),
];

/// The page where a file is chosen.
#[component]
pub fn ImportsPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let portal = portal()?;
        let earlier = imports::list(&mut *portal.store.read().await?).await?;
        let form = visit().form_state();
        let may_write = visit().may(Role::Administrator);
        let error = form.error("file");
        Ok(view! {
            <Page title="Import" section=Section::Import>
                <PageHeader title="Import" />
                <Notices />
                <ErrorSummary errors=form.problems() />
                {may_write.then(|| view! { <Choose error=error /> })}
                <Earlier imports=earlier />
            </Page>
        })
    })
}

#[component]
fn Choose(error: Option<String>) -> impl IntoView {
    let check = || view! { <Button look=Look::Primary>"Check file"</Button> };
    view! {
        <div class="cols">
            <Form action="/api/import/check" encoding=Encoding::Multipart>
                <Card
                    id="choose"
                    title="Choose a file"
                    hint="Checking changes nothing: you see first what would happen.".to_owned()
                    footer=check
                >
                    <div class="card__body">
                        <FileField
                            name="file"
                            label="CSV file"
                            accept=".csv,.tsv,.txt,text/csv,text/tab-separated-values"
                            hint="A table of users with a heading row, up to 64 MB: as Microsoft, Okta or Google export it, or your own. Comma, semicolon or tab; UTF-8 or UTF-16.".to_owned()
                            error=error
                        />
                    </div>
                </Card>
            </Form>
            <Sample />
        </div>
    }
    .into_any()
}

#[component]
fn Sample() -> impl IntoView {
    view! {
        <Card id="sample" title="No file at hand?">
            <div class="card__body stack">
                <p class="text-2">
                    "The sample holds 200 people of a company in several countries, with managers and groups."
                </p>
                <div class="row">
                    <Form action="/api/import/sample">
                        <Button icon=Icon::FlaskConical>"Use the sample"</Button>
                    </Form>
                    <LinkButton
                        href=urls::IMPORT_SAMPLE
                        look=Look::Quiet
                        icon=Icon::Download
                        download="people-200.csv"
                    >
                        "Download the sample"
                    </LinkButton>
                </div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn Earlier(imports: Vec<Import>) -> impl IntoView {
    if imports.is_empty() {
        return view! {
            <Card id="earlier" title="Earlier imports">
                <EmptyState
                    icon=Icon::FileUp
                    title="Nothing was imported yet"
                    why="Files that were checked or imported are listed here."
                />
            </Card>
        }
        .into_any();
    }
    let columns = vec![
        Column::new("File"),
        Column::new("State"),
        Column::numeric("New"),
        Column::numeric("Changed"),
        Column::numeric("Unchanged"),
        Column::numeric("Refused"),
        Column::new("By"),
        Column::new("Checked"),
    ];
    let rows = imports.into_iter().map(row).collect_view();
    view! {
        <Card id="earlier" title="Earlier imports">
            <DataTable caption="Earlier imports" columns=columns>
                {rows}
            </DataTable>
        </Card>
    }
    .into_any()
}

fn row(import: Import) -> AnyView {
    let counts = import.counts;
    let numbers = [
        counts.create,
        counts.update,
        counts.unchanged,
        counts.refused,
    ]
    .map(|n| view! { <td class="end">{number(n)}</td> })
    .into_iter()
    .collect_view();
    view! {
        <tr>
            <th scope="row">
                <a href=urls::import(import.id)>{import.file_name}</a>
            </th>
            <td>{state_badge(import.state)}</td>
            {numbers}
            <td>{import.created_by}</td>
            <td class="nowrap">{import.created_at.to_jiff().map(|at| view! { <Time at=at /> })}</td>
        </tr>
    }
    .into_any()
}

fn state_badge(state: ImportState) -> AnyView {
    let (tone, icon, word) = match state {
        ImportState::Reading => (Tone::Info, Icon::Hourglass, "Not checked yet"),
        ImportState::Checked => (Tone::Warn, Icon::SearchCheck, "Ready to import"),
        ImportState::Applied => (Tone::Ok, Icon::Check, "Imported"),
        ImportState::Discarded => (Tone::Plain, Icon::Ban, "Discarded"),
    };
    view! { <Badge tone=tone icon=icon>{word}</Badge> }.into_any()
}

/// A count of the store in digits.
fn number(n: i64) -> String {
    digits(u64::try_from(n).unwrap_or(0))
}

/// The import that a form speaks of.
fn import_id(text: &str) -> Result<signpost_model::ImportId, PortalError> {
    text.parse().map_err(|_| PortalError::NotFound)
}
