//! What happened last, by whom: the newest events of the audit log in one line each.

use leptos::prelude::*;
use signpost_model::audit::AuditEvent;
use signpost_store::PageRequest;
use signpost_store::audit::{self, AuditFilter};

use crate::components::{Card, Event, Icon, LinkButton, Look, Time, Timeline};
use crate::error::PortalError;
use crate::pages::audit_log::{address_of, happened, subject_name};
use crate::portal::portal;
use crate::urls;

/// Lines of the card; the audit log has the rest.
const SHOWN: u32 = 8;

/// The newest events.
pub(super) async fn load() -> Result<Vec<AuditEvent>, PortalError> {
    let mut read = portal()?.store.read().await?;
    let newest = PageRequest::first(SHOWN);
    Ok(audit::list(&mut read, &AuditFilter::default(), &newest)
        .await?
        .items)
}

/// The card.
#[component]
pub(super) fn RecentActivity(events: Vec<AuditEvent>) -> impl IntoView {
    let lines = events
        .into_iter()
        .map(|event| view! { <Line event=event /> })
        .collect_view();
    let log = || {
        view! {
            <LinkButton href=urls::AUDIT_LOG look=Look::Quiet>
                "All events"
            </LinkButton>
        }
    };
    view! {
        <Card id="activity" title="Recent activity" actions=log>
            <Timeline label="Recent activity">{lines}</Timeline>
        </Card>
    }
    .into_any()
}

#[component]
fn Line(event: AuditEvent) -> impl IntoView {
    let at = event.at.to_jiff();
    let icon = match event.subject.kind.as_str() {
        "user" | "group" | "assignment" => Icon::UsersRound,
        "import" => Icon::FileUp,
        "run" => Icon::FolderSync,
        "operator" | "security" => Icon::KeyRound,
        _ => Icon::Settings,
    };
    let name = subject_name(&event.subject);
    let subject = match address_of(&event.subject) {
        Some(href) => view! { <a href=href>{name}</a> }.into_any(),
        None => name.into_any(),
    };
    view! {
        <Event icon=icon when=move || at.map(|at| view! { <Time at=at /> })>
            <b>{event.actor_name}</b> " " {happened(&event.action)} " " {subject}
        </Event>
    }
    .into_any()
}
