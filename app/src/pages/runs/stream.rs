//! A run's progress as events, and its actions as a file.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use async_stream::stream;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use leptos::prelude::{Owner, RenderHtml, provide_context};
use signpost_model::RunId;
use signpost_model::run::{Outcome, Run, RunState};
use signpost_store::runs;
use signpost_store::runs::actions::{self, StoredAction};
use signpost_store::runs::tenant_actions::{self, StoredTenantAction};

use super::actions::differences;
use super::run::{RunData, Wanted, body};
use super::tenant_actions as tenant_words;
use crate::components::Difference;
use crate::csv;
use crate::error::PortalError;
use crate::portal::Portal;
use crate::root::provide_page_contexts;
use crate::visit::Visit;

/// How often the database is asked whether something changed.
const PACE: Duration = Duration::from_millis(700);

/// Events of one connection; the browser then connects anew, and is checked anew.
const MOST_ROUNDS: usize = 600;

/// Actions read at a time for the file.
const CHUNK: i64 = 1_000;

/// The progress of a run, as the HTML of the part of its page that changes.
pub async fn events(
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    Extension(portal): Extension<Portal>,
    Extension(visit): Extension<Visit>,
) -> Response {
    let Ok(id) = id.parse::<RunId>() else {
        return PortalError::NotFound.status().into_response();
    };
    let wanted = Wanted::parse(|name| query.get(name).cloned().unwrap_or_default());
    Sse::new(follow(id, wanted, portal, visit))
        .keep_alive(KeepAlive::default())
        .into_response()
}

fn follow(
    id: RunId,
    wanted: Wanted,
    portal: Portal,
    visit: Visit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream! {
        let mut shown = None;
        for _ in 0..MOST_ROUNDS {
            let Ok(data) = RunData::load(&portal, id, wanted.clone()).await else { return };
            let state = data.run.state;
            let now = (state, data.run.tally, data.run.cancel_requested);
            if shown != Some(now) {
                shown = Some(now);
                yield Ok(Event::default().event("fragment").data(render(data, &portal, &visit)));
                yield Ok(Event::default().event("status").data(state.label()));
            }
            if state.is_over() || state == RunState::AwaitingApproval {
                yield Ok(Event::default().event("done").data(""));
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    }
}

fn render(data: RunData, portal: &Portal, visit: &Visit) -> String {
    Owner::new().with(|| {
        provide_context(portal.clone());
        provide_context(visit.clone());
        provide_page_contexts();
        body(data, visit).to_html()
    })
}

/// Every action of a run as CSV, streamed.
pub async fn actions_csv(
    Path(id): Path<String>,
    Extension(portal): Extension<Portal>,
) -> Result<Response, http::StatusCode> {
    let id: RunId = id.parse().map_err(|_| http::StatusCode::NOT_FOUND)?;
    let found = async { runs::find(&mut *portal.store.read().await?, id).await }.await;
    match found {
        Ok(Some(_)) => {}
        Ok(None) => return Err(http::StatusCode::NOT_FOUND),
        Err(error) => return Err(PortalError::from(error).status()),
    }
    let lines = stream! {
        yield Ok::<_, signpost_store::Error>(csv::line(&HEADER));
        let mut after = -1;
        loop {
            let page = async {
                actions::list_all(&mut *portal.store.read().await?, id, after, CHUNK).await
            };
            let actions = page.await?;
            let Some(last) = actions.last() else { break };
            after = last.sequence;
            yield Ok(actions.iter().map(line).collect::<String>());
        }
        let mut after = -1;
        loop {
            let page = async {
                tenant_actions::list(&mut *portal.store.read().await?, id, after, CHUNK).await
            };
            let actions = page.await?;
            let Some(last) = actions.last() else { return };
            after = last.sequence;
            yield Ok(actions.iter().map(tenant_line).collect::<String>());
        }
    };
    Ok(csv::file(&format!("run-{id}.csv"), lines))
}

/// The run and every action of it as JSON, streamed.
pub async fn actions_json(
    Path(id): Path<String>,
    Extension(portal): Extension<Portal>,
) -> Result<Response, http::StatusCode> {
    let id: RunId = id.parse().map_err(|_| http::StatusCode::NOT_FOUND)?;
    let found = async { runs::find(&mut *portal.store.read().await?, id).await }.await;
    let run = match found {
        Ok(Some(run)) => run,
        Ok(None) => return Err(http::StatusCode::NOT_FOUND),
        Err(error) => return Err(PortalError::from(error).status()),
    };
    let name = format!("attachment; filename=\"run-{id}.json\"");
    let pieces = stream! {
        let mut head = facts(&run).to_string();
        // The object stays open: its last member is the list.
        head.pop();
        yield Ok::<_, signpost_store::Error>(format!("{head},\"actions\":["));
        let (mut after, mut comma) = (-1, "");
        loop {
            let page = async {
                actions::list_all(&mut *portal.store.read().await?, id, after, CHUNK).await
            };
            let actions = page.await?;
            let Some(last) = actions.last() else { break };
            after = last.sequence;
            let mut piece = String::new();
            for action in &actions {
                piece.push_str(comma);
                piece.push_str(&object(action).to_string());
                comma = ",\n";
            }
            yield Ok(piece);
        }
        yield Ok("],\"tenant_actions\":[".to_owned());
        (after, comma) = (-1, "");
        loop {
            let page = async {
                tenant_actions::list(&mut *portal.store.read().await?, id, after, CHUNK).await
            };
            let actions = page.await?;
            let Some(last) = actions.last() else { break };
            after = last.sequence;
            let mut piece = String::new();
            for action in &actions {
                piece.push_str(comma);
                piece.push_str(&tenant_object(action).to_string());
                comma = ",\n";
            }
            yield Ok(piece);
        }
        yield Ok("]}\n".to_owned());
    };
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

fn facts(run: &Run) -> serde_json::Value {
    let at = |at: Option<signpost_model::Timestamp>| at.map(|at| at.to_string());
    serde_json::json!({
        "run": run.id,
        "application": run.application_id,
        "state": run.state,
        "trigger": run.trigger,
        "scope": run.scope,
        "mode": run.mode,
        "request": run.request,
        "requested_by": run.requested_by,
        "approved_by": run.approved_by,
        "created_at": run.created_at.to_string(),
        "started_at": at(run.started_at),
        "planned_at": at(run.planned_at),
        "finished_at": at(run.finished_at),
        "tally": run.tally,
        "failure": run.failure,
    })
}

fn object(action: &StoredAction) -> serde_json::Value {
    serde_json::json!({
        "sequence": action.sequence,
        "user": action.user_id,
        "user_name": action.user_name,
        "display_name": action.display_name,
        "object_id": action.object_id,
        "action": action.action,
        "reason": action.reason,
        "state": action.state.key(),
        "outcome": action.outcome,
        "request_id": action.request_id,
        "changed_at": action.changed_at.to_string(),
    })
}

fn tenant_object(action: &StoredTenantAction) -> serde_json::Value {
    serde_json::json!({
        "sequence": action.sequence,
        "subject": action.subject,
        "action": action.action,
        "reason": action.reason,
        "state": action.state.key(),
        "outcome": action.outcome,
        "request_id": action.request_id,
        "changed_at": action.changed_at.to_string(),
    })
}

const HEADER: [&str; 9] = [
    "User name",
    "Display name",
    "Object ID",
    "Action",
    "Changes",
    "Reason",
    "Outcome",
    "Explanation",
    "Request ID",
];

fn line(action: &StoredAction) -> String {
    let (outcome, explanation) = explained(action.outcome.as_ref());
    csv::line(&[
        action.user_name.clone(),
        action.display_name.clone(),
        action
            .object_id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        action.action.kind().label().to_owned(),
        changed(&differences(&action.action)),
        action.reason.text().to_owned(),
        outcome.to_owned(),
        explanation,
        action.request_id.clone().unwrap_or_default(),
    ])
}

fn tenant_line(action: &StoredTenantAction) -> String {
    let (outcome, explanation) = explained(action.outcome.as_ref());
    csv::line(&[
        String::new(),
        action.subject.name.clone(),
        action.subject.id.clone(),
        action.action.label().to_owned(),
        changed(&tenant_words::differences(&action.action)),
        action.reason.text().to_owned(),
        outcome.to_owned(),
        explanation,
        action.request_id.clone().unwrap_or_default(),
    ])
}

fn changed(changes: &[Difference]) -> String {
    let changes: Vec<String> = changes
        .iter()
        .map(|change| {
            let before = change.before.as_deref().unwrap_or("");
            let after = change.after.as_deref().unwrap_or("");
            format!("{}: {before} → {after}", change.label)
        })
        .collect();
    changes.join("; ")
}

fn explained(outcome: Option<&Outcome>) -> (&'static str, String) {
    match outcome {
        Some(Outcome::Applied { .. }) => ("Applied", String::new()),
        Some(Outcome::Failed(failure)) => ("Failed", failure.kind.text().to_owned()),
        Some(Outcome::Skipped { because }) => ("Skipped", because.text().to_owned()),
        None => ("Planned", String::new()),
    }
}
