//! The audit log as a file: every event that the filter lets through, newest first.

use std::collections::HashMap;

use async_stream::stream;
use axum::Extension;
use axum::extract::Query as Asked;
use axum::response::Response;
use jiff::tz::TimeZone;
use signpost_model::audit::AuditEvent;
use signpost_store::{PageRequest, audit};

use super::Query;
use crate::csv;
use crate::portal::Portal;
use crate::visit::Visit;

/// Events read at a time.
const CHUNK: u32 = 200;

const HEADER: [&str; 12] = [
    "Number",
    "Time (UTC)",
    "Action",
    "Subject kind",
    "Subject",
    "Subject ID",
    "Actor kind",
    "Actor",
    "Actor ID",
    "From",
    "Before",
    "After",
];

/// The events of the page's own filter, streamed.
pub async fn events_csv(
    Asked(query): Asked<HashMap<String, String>>,
    Extension(portal): Extension<Portal>,
    Extension(visit): Extension<Visit>,
) -> Response {
    let zone = TimeZone::get(&visit.organisation.time_zone).unwrap_or(TimeZone::UTC);
    let filter = Query::parse(|name| query.get(name).cloned().unwrap_or_default()).filter(&zone);
    csv::file(
        "audit-log.csv",
        stream! {
            yield Ok(csv::line(&HEADER));
            let mut request = PageRequest::first(CHUNK);
            loop {
                let page = async {
                    audit::list(&mut *portal.store.read().await?, &filter, &request).await
                };
                let page = page.await?;
                yield Ok(page.items.iter().map(line).collect::<String>());
                let Some(next) = page.next else { return };
                request = PageRequest::at(CHUNK, next);
            }
        },
    )
}

fn line(event: &AuditEvent) -> String {
    let number = event.sequence.to_string();
    let at = event.at.to_string();
    csv::line(&[
        number.as_str(),
        &at,
        &event.action,
        &event.subject.kind,
        &event.subject.name,
        &event.subject.id,
        &event.actor_kind,
        &event.actor_name,
        event.actor_id.as_deref().unwrap_or_default(),
        event.address.as_deref().unwrap_or_default(),
        event.before.as_deref().unwrap_or_default(),
        event.after.as_deref().unwrap_or_default(),
    ])
}
