//! The list of applications, and the way from an application to its first page.

use leptos::prelude::*;
use signpost_model::{AccessType, Role};
use signpost_store::applications::{self, ApplicationSummary};

use super::frame::status_of;
use super::id_of_page;
use crate::components::{
    Badge, Card, Column, DataTable, EmptyState, Icon, LinkButton, Look, PageHeader, Precision,
    StatusBadge, Time, Tone,
};
use crate::error::PortalError;
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{require, visit};

/// The page of all applications.
#[component]
pub fn Applications() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let portal = portal()?;
        let all = applications::list(&mut *portal.store.read().await?).await?;
        let may_add = visit().may(Role::Administrator);
        let add = move || {
            may_add.then(|| {
                view! {
                    <LinkButton href=urls::NEW_APPLICATION look=Look::Primary icon=Icon::Plus>
                        "Add application"
                    </LinkButton>
                }
            })
        };
        let content = if all.is_empty() {
            view! { <NoApplications /> }.into_any()
        } else {
            view! { <Table all=all /> }.into_any()
        };
        Ok(view! {
            <Page title="Applications" section=Section::Applications>
                <PageHeader title="Applications" actions=add />
                <Notices />
                {content}
            </Page>
        })
    })
}

#[component]
fn NoApplications() -> impl IntoView {
    view! {
        <Card id="applications" title="All applications">
            <EmptyState
                icon=Icon::Layers
                title="No applications yet"
                why="An application connects your directory to a service such as Microsoft 365. Add one to begin."
            />
        </Card>
    }
    .into_any()
}

#[component]
fn Table(all: Vec<ApplicationSummary>) -> impl IntoView {
    let columns = vec![
        Column::new("Application"),
        Column::new("Connection"),
        Column::new("Who has it"),
        Column::numeric("Accounts"),
        Column::new("Needs you"),
        Column::new("First sync"),
    ];
    let rows = all
        .into_iter()
        .map(|summary| view! { <Row summary=summary /> })
        .collect_view();
    view! {
        <Card id="applications" title="All applications">
            <DataTable caption="Applications by name" columns=columns>
                {rows}
            </DataTable>
        </Card>
    }
    .into_any()
}

#[component]
fn Row(summary: ApplicationSummary) -> impl IntoView {
    let application = summary.application;
    let problems = if summary.problems > 0 {
        let words = signpost_model::text::count(summary.problems, "user", "users");
        view! { <Badge tone=Tone::Warn icon=Icon::TriangleAlert>{words}</Badge> }.into_any()
    } else {
        view! { <span class="text-3">"Nothing"</span> }.into_any()
    };
    let first = match summary.first_synced_at.and_then(|at| at.to_jiff()) {
        Some(at) => view! { <Time at=at precision=Precision::Day /> }.into_any(),
        None => view! { <span class="text-3">"Not yet"</span> }.into_any(),
    };
    view! {
        <tr>
            <th scope="row">
                <a href=urls::application(application.id)>{application.name}</a>
                <small>{summary.domain}</small>
            </th>
            <td>
                <StatusBadge status=status_of(summary.connection) />
            </td>
            <td>{access_words(&application.access)}</td>
            <td class="end num">{signpost_model::text::grouped(summary.linked)}</td>
            <td>{problems}</td>
            <td>{first}</td>
        </tr>
    }
    .into_any()
}

fn access_words(access: &AccessType) -> String {
    match access {
        AccessType::Rule(rule) => rule.sentence(),
        other => other.label().to_owned(),
    }
}

/// An application's own address leads to its assignments.
#[component]
pub fn ToAssignments() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let portal = portal()?;
        super::found(&mut portal.store.read().await?, id).await?;
        leptos_axum::redirect(&urls::application_assignments(id));
        Ok::<_, PortalError>(())
    })
}
