//! What is under way, as the part of the page that changes.

use std::convert::Infallible;
use std::time::Duration;

use async_stream::stream;
use axum::Extension;
use axum::extract::Path;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use leptos::prelude::*;
use signpost_model::ImportId;
use signpost_store::imports::{self, ImportState, Progress as Work};

use crate::components::{Card, Live, LiveStatus, Progress};
use crate::error::PortalError;
use crate::portal::Portal;
use crate::urls;

/// How often the page hears of progress.
const PACE: Duration = Duration::from_millis(500);

/// Events of one connection; the browser then connects anew, and is checked anew.
const MOST_ROUNDS: usize = 600;

/// What is done to the import now.
pub(super) const fn words(state: ImportState) -> &'static str {
    match state {
        ImportState::Reading => "Checking the file",
        _ => "Importing users",
    }
}

/// The card while something is done to the import.
#[component]
pub(super) fn Working(id: ImportId, state: ImportState, work: Work) -> impl IntoView {
    view! {
        <Live events=urls::import_events(id)>
            <Card id="working" title=words(state) hint="This goes on when you leave the page.".to_owned()>
                <div class="card__body stack">
                    {bar(state, work)}
                    <LiveStatus>{words(state)} "…"</LiveStatus>
                </div>
            </Card>
        </Live>
    }
    .into_any()
}

fn bar(state: ImportState, work: Work) -> AnyView {
    let number = |n: i64| u64::try_from(n).unwrap_or(0);
    view! {
        <div id="import-progress">
            <Progress label=words(state) done=number(work.done) total=number(work.total) />
        </div>
    }
    .into_any()
}

/// The progress of an import; at its end the page loads anew.
pub async fn events(Path(id): Path<String>, Extension(portal): Extension<Portal>) -> Response {
    let Ok(id) = id.parse::<ImportId>() else {
        return PortalError::NotFound.status().into_response();
    };
    Sse::new(follow(id, portal))
        .keep_alive(KeepAlive::default())
        .into_response()
}

fn follow(id: ImportId, portal: Portal) -> impl Stream<Item = Result<Event, Infallible>> {
    stream! {
        let mut shown = None;
        for _ in 0..MOST_ROUNDS {
            let now = async {
                let import = imports::find(&mut *portal.store.read().await?, id).await?;
                let work = imports::find_progress(&portal.store, id).await?;
                Ok::<_, signpost_store::Error>(import.map(|import| import.state).zip(work))
            };
            let Ok(now) = now.await else { return };
            let Some((state, work)) = now else {
                yield Ok(Event::default().event("done").data("reload"));
                return;
            };
            if shown != Some(now) {
                shown = Some(now);
                let html = Owner::new().with(|| bar(state, work).to_html());
                yield Ok(Event::default().event("fragment").data(html));
                yield Ok(Event::default().event("status").data(told(state, work)));
            }
            tokio::time::sleep(PACE).await;
        }
    }
}

fn told(state: ImportState, work: Work) -> String {
    let percent = (work.done.max(0) * 100).checked_div(work.total);
    match percent {
        // In steps of ten: a screen reader tells each.
        Some(percent) => format!("{}: {} %", words(state), percent.min(100) / 10 * 10),
        None => format!("{}…", words(state)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_without_a_total_is_told_without_a_number() {
        let work = |done, total| told(ImportState::Reading, Work { done, total });
        assert_eq!(work(5, 0), "Checking the file…");
        assert_eq!(work(5, 10), "Checking the file: 50 %");
        assert_eq!(work(50, 10), "Checking the file: 100 %");
    }
}
