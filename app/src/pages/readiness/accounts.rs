//! Per-user MFA of every account: reading it with progress, and who would be asked twice.

use std::convert::Infallible;
use std::time::Duration;

use async_stream::stream;
use axum::Extension;
use axum::extract::Path;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use leptos::prelude::*;
use signpost_model::readiness::{CheckKey, MfaTally};
use signpost_model::{ApplicationId, Role, Timestamp};
use signpost_store::account_readings::{self, AccountReading, Phase};
use signpost_store::asked_people::Asked;
use signpost_store::readiness::{self, KnownCheck};

use super::acts::{back_to, posted_application};
use super::people::people_of;
use super::{Shown, time};
use crate::components::{Button, Expander, Form, LinkButton, Live, LiveStatus, Progress};
use crate::error::PortalError;
use crate::forms::{Answer, Posted, Refusal, respond};
use crate::portal::{Portal, portal};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// How often the page hears of progress.
const PACE: Duration = Duration::from_millis(500);

/// Events of one connection; the browser then connects anew, and is checked anew.
const MOST_ROUNDS: usize = 600;

/// The reading and what it found, below the check.
#[component]
pub(super) fn AccountsPart(shown: Shown) -> impl IntoView {
    let (id, may) = (shown.id, shown.may);
    let checked = checked_at(&shown.checks);
    let running = shown
        .reading
        .as_ref()
        .filter(|reading| goes_on(reading, checked, shown.now))
        .cloned();
    let state = match (&running, &shown.reading) {
        (Some(reading), _) => {
            let (bar, words) = (bar(reading), told(reading));
            view! {
                <Live events=urls::application_readiness_events(id)>
                    {bar}
                    <LiveStatus>{words}</LiveStatus>
                </Live>
            }
            .into_any()
        }
        (None, Some(reading)) => {
            view! { <Figures id=id tally=reading.tally domain=shown.domain.clone() /> }.into_any()
        }
        (None, None) => ().into_any(),
    };
    let last = shown
        .reading
        .as_ref()
        .and_then(|reading| reading.finished_at)
        .map(|at| view! { <p class="hint">"Accounts read " {time(at)} "."</p> });
    let read = (may && running.is_none()).then(|| {
        let words = if shown.reading.is_some() {
            "Read accounts again"
        } else {
            "Read accounts"
        };
        view! {
            <Form action="/api/readiness/read-accounts">
                <input type="hidden" name="application" value=id.to_string() />
                <Button>{words}</Button>
            </Form>
        }
    });
    let script = urls::application_readiness_file(id, "per-user-mfa.ps1");
    view! {
        <div class="card__body stack">
            {state}
            {last}
            {read}
            <super::plans::MfaPart shown=shown.clone() />
            <Expander summary="The same by a script">
                <p>
                    "The script reads every account of the domain, saves what is there, and turns per-user MFA off for people who are no administrators. It asks first, and puts everything back with -RestoreFile."
                </p>
                <LinkButton href=script download="">"Download script"</LinkButton>
            </Expander>
        </div>
    }
    .into_any()
}

/// When the check that a reading is for was last made.
fn checked_at(checks: &[KnownCheck]) -> Option<Timestamp> {
    let about = |known: &&KnownCheck| known.check.key == CheckKey::PerUserMfa;
    checks.iter().find(about).map(|known| known.checked_at)
}

/// The checks are made again right after a reading; until then they say what was before it.
const CHECKS_FOLLOW_MS: i64 = 60_000;

/// Whether the page has more to show soon. `checked` is when the checks were last made.
fn goes_on(reading: &AccountReading, checked: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(finished) = reading.finished_at.filter(|_| reading.phase.is_over()) else {
        return !reading.phase.is_over();
    };
    checked.is_some_and(|checked| checked < finished)
        && now.millis_since(finished) < CHECKS_FOLLOW_MS
}

#[component]
fn Figures(id: ApplicationId, tally: MfaTally, domain: String) -> impl IntoView {
    let rows = [
        (
            "People who would be asked twice",
            tally.asked,
            Some(Asked::Twice),
        ),
        (
            "Administrators with per-user MFA",
            tally.administrators_asked,
            Some(Asked::Administrators),
        ),
        ("Off", tally.disabled, None),
        (
            "Could not be read",
            tally.unreadable,
            Some(Asked::Unreadable),
        ),
    ]
    .map(|(name, number, asked)| {
        let shown = match asked.filter(|_| number > 0) {
            Some(asked) => view! { <a href=people_of(id, asked)>{number}</a> }.into_any(),
            None => number.into_any(),
        };
        view! {
            <div>
                <dt>{name}</dt>
                <dd class="num">{shown}</dd>
            </div>
        }
    });
    let heading = format!("{} accounts of {domain}", tally.accounts);
    view! {
        <p class="strong">{heading}</p>
        <dl class="facts">{rows.into_iter().collect_view()}</dl>
    }
    .into_any()
}

fn bar(reading: &AccountReading) -> AnyView {
    let number = |n: i64| u64::try_from(n).unwrap_or(0);
    let tally = reading.tally;
    let total = match reading.phase {
        Phase::Waiting | Phase::Listing => 0,
        _ => number(tally.accounts),
    };
    let done = number(tally.accounts - tally.unread);
    view! {
        <div id="reading-progress">
            <Progress label="Reading accounts" done=done total=total />
        </div>
    }
    .into_any()
}

fn told(reading: &AccountReading) -> String {
    let tally = reading.tally;
    match reading.phase {
        Phase::Waiting => "Waiting for the worker".to_owned(),
        Phase::Listing => format!("Listing accounts: {} so far", tally.accounts),
        Phase::Reading => format!(
            "{} of {} accounts read",
            tally.accounts - tally.unread,
            tally.accounts
        ),
        Phase::Registrations => "Counting what people have registered".to_owned(),
        Phase::Done => "All accounts are read; the checks are made again".to_owned(),
        Phase::Failed => "The accounts could not be read".to_owned(),
    }
}

/// Asks the worker to read every account.
#[server(prefix = "/api", endpoint = "readiness/read-accounts")]
pub async fn read_accounts() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        let (author, now) = (visit().author(), portal.clock.now());
        let mut tx = portal.store.write().await?;
        account_readings::ask(&mut tx, id, &author, now).await?;
        tx.commit().await?;
        let text = "The accounts are being read. This goes on when you leave the page.";
        Ok::<_, Refusal>(
            Answer::to(back_to(id, Some(CheckKey::PerUserMfa))).notice(Notice::success(text)),
        )
    })
    .await
}

/// The progress of a reading; at its end the page loads anew.
pub async fn events(Path(id): Path<String>, Extension(portal): Extension<Portal>) -> Response {
    let Ok(id) = id.parse::<ApplicationId>() else {
        return PortalError::NotFound.status().into_response();
    };
    Sse::new(follow(id, portal))
        .keep_alive(KeepAlive::default())
        .into_response()
}

fn follow(id: ApplicationId, portal: Portal) -> impl Stream<Item = Result<Event, Infallible>> {
    stream! {
        let mut shown = None;
        for _ in 0..MOST_ROUNDS {
            let known = async {
                let mut db = portal.store.read().await?;
                let checks = readiness::list(&mut db, id).await?;
                let reading = account_readings::find(&mut db, id).await?;
                Ok::<_, signpost_store::Error>((reading, checked_at(&checks)))
            };
            let Ok((reading, checked)) = known.await else { return };
            let now = portal.clock.now();
            let Some(reading) = reading.filter(|reading| goes_on(reading, checked, now)) else {
                yield Ok(Event::default().event("done").data("reload"));
                return;
            };
            let state = (reading.phase, reading.tally);
            if shown != Some(state) {
                shown = Some(state);
                let html = Owner::new().with(|| bar(&reading).to_html());
                yield Ok(Event::default().event("fragment").data(html));
                yield Ok(Event::default().event("status").data(told(&reading)));
            }
            tokio::time::sleep(PACE).await;
        }
    }
}
