//! When a tenant is looked at by itself: the intervals, pausing, and what keeps it from working.

use leptos::prelude::*;
use signpost_model::run::{RunMode, RunScope, Trigger};
use signpost_model::{ApplicationId, Role, Timestamp};
use signpost_store::runs::{self, NewRun};
use signpost_store::schedule::{self, AlertKind, FULL_HOURS, LOOK_MINUTES, Schedule};

use crate::components::{
    Button, Card, Crumb, Form, Look, Notice as Note, TextField, TextKind, Time, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, respond};
use crate::pages::applications::id_of_form;
use crate::portal::{Portal, portal};
use crate::shell::Banner;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// What every page says about applications that do not sync by themselves.
pub async fn banners(portal: &Portal) -> Result<Vec<Banner>, PortalError> {
    let mut read = portal.store.read().await?;
    let alerts = schedule::list_alerts(&mut read).await?;
    Ok(alerts
        .into_iter()
        .map(|alert| {
            let link = format!(
                "{}#schedule",
                urls::application_settings(alert.application_id)
            );
            match alert.kind {
                AlertKind::Paused { by } => Banner {
                    tone: Tone::Warn,
                    text: format!("{} is paused by {by}: nothing syncs by itself.", alert.name),
                    link: Some(Crumb::link("Resume", link)),
                },
                AlertKind::Quarantined { failures, why, .. } => Banner {
                    tone: Tone::Bad,
                    text: format!(
                        "{} failed {failures} times in a row and is tried ever more rarely. {why}",
                        alert.name
                    ),
                    link: Some(Crumb::link("Look at it", link)),
                },
            }
        })
        .collect())
}

/// The card on an application's Settings.
#[component]
pub(crate) fn ScheduleCard(
    id: ApplicationId,
    schedule: Schedule,
    form: FormState,
    may: bool,
) -> impl IntoView {
    let look = form
        .typed("look_minutes")
        .map_or_else(|| schedule.look_minutes.to_string(), str::to_owned);
    let full = form
        .typed("full_hours")
        .map_or_else(|| schedule.full_hours.to_string(), str::to_owned);
    let (look_error, full_error) = (form.error("look_minutes"), form.error("full_hours"));
    let state = view! { <State id=id schedule=schedule may=may /> };
    let save = may.then(|| view! { <Button look=Look::Primary>"Save schedule"</Button> });
    view! {
        <Card
            id="schedule"
            title="Schedule"
            hint="Changes in the directory follow within seconds. The schedule notices what changed in Microsoft 365.".to_owned()
        >
            <div class="card__body stack">
                {state}
                <Form action="/api/control/schedule" class="stack">
                    <input type="hidden" name="application" value=id.to_string() />
                    <div class="fields">
                        <TextField
                            name="look_minutes"
                            label="Minutes between two looks"
                            kind=TextKind::Number
                            value=look
                            error=look_error
                            hint="Reads only what changed: one call when nothing did.".to_owned()
                        />
                        <TextField
                            name="full_hours"
                            label="Hours between two full reads"
                            kind=TextKind::Number
                            value=full
                            error=full_error
                            hint="Reads the whole tenant and plans everyone.".to_owned()
                        />
                    </div>
                    <p class="row">{save}</p>
                </Form>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn State(id: ApplicationId, schedule: Schedule, may: bool) -> impl IntoView {
    let next = |words: &'static str, at: Option<Timestamp>| {
        at.and_then(Timestamp::to_jiff)
            .map(|at| view! { <p>{words} <Time at=at /></p> })
    };
    let failing = (schedule.failures > 0).then(|| {
        let retry = schedule.retry_at.and_then(Timestamp::to_jiff);
        let title = format!(
            "{} in a row.",
            signpost_model::text::count(schedule.failures, "run failed", "runs failed")
        );
        view! {
            <Note tone=Tone::Bad title=title>
                {retry.map(|at| view! { <span>"Signpost tries again by itself " <Time at=at /> ". "</span> })}
                "It clears itself once a run succeeds."
                {may.then(|| view! { <Post action="/api/control/try-again" id=id words="Try now" /> })}
            </Note>
        }
    });
    let waits = schedule
        .first_synced_at
        .is_none()
        .then_some("Nothing starts by itself before the first sync.");
    let paused = schedule.paused.clone().map(|(at, by)| {
        view! {
            <Note tone=Tone::Warn title=format!("Paused by {by}.")>
                {at.to_jiff().map(|at| view! { <span>"Since " <Time at=at /> ". "</span> })}
                "Nothing syncs by itself. Sync Users and Sync now still work."
            </Note>
        }
    });
    let button = may.then(|| {
        if schedule.paused.is_some() {
            view! { <Post action="/api/control/resume" id=id words="Resume" /> }
        } else {
            view! { <Post action="/api/control/pause" id=id words="Pause" /> }
        }
    });
    view! {
        {failing}
        {paused}
        {waits}
        {next("Next look ", schedule.next_look())}
        {next("Next full read ", schedule.next_full())}
        {button}
    }
    .into_any()
}

#[component]
fn Post(action: &'static str, id: ApplicationId, words: &'static str) -> impl IntoView {
    view! {
        <Form action=action>
            <input type="hidden" name="application" value=id.to_string() />
            <Button>{words}</Button>
        </Form>
    }
    .into_any()
}

fn back(id: ApplicationId) -> String {
    urls::application_settings(id)
}

/// Saves how often the tenant is looked at.
#[server(prefix = "/api", endpoint = "control/schedule")]
pub async fn save_schedule(
    #[server(default)] look_minutes: String,
    #[server(default)] full_hours: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id = id_of_form(&Posted::current())?;
        let mut errors = FormErrors::new();
        let mut number = |name: &str, typed: &str, range: std::ops::RangeInclusive<i64>| {
            let value = typed
                .trim()
                .parse()
                .ok()
                .filter(|value| range.contains(value));
            if value.is_none() {
                let text = format!("Enter a number from {} to {}", range.start(), range.end());
                errors.add(name, text);
            }
            value.unwrap_or(*range.start())
        };
        let look = number("look_minutes", &look_minutes, LOOK_MINUTES);
        let full = number("full_hours", &full_hours, FULL_HOURS);
        errors.check(back(id))?;
        let portal = portal()?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        schedule::set(&mut tx, id, (look, full), &visit().author(), now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(Answer::to(back(id)).notice(Notice::success("Schedule saved.")))
    })
    .await
}

/// Lets nothing start by itself any more.
#[server(prefix = "/api", endpoint = "control/pause")]
pub async fn pause_schedule() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id = id_of_form(&Posted::current())?;
        let portal = portal()?;
        let mut tx = portal.store.write().await?;
        schedule::pause(&mut tx, id, &visit().author(), portal.clock.now()).await?;
        tx.commit().await?;
        let notice = Notice::success("Paused. Nothing syncs by itself until you resume.");
        Ok(Answer::to(back(id)).notice(notice))
    })
    .await
}

/// Lets runs start by themselves again.
#[server(prefix = "/api", endpoint = "control/resume")]
pub async fn resume_schedule() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id = id_of_form(&Posted::current())?;
        let portal = portal()?;
        let mut tx = portal.store.write().await?;
        schedule::resume(&mut tx, id, &visit().author(), portal.clock.now()).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(Answer::to(back(id)).notice(Notice::success("Resumed.")))
    })
    .await
}

/// Forgets that the connection failed, and tries it now.
#[server(prefix = "/api", endpoint = "control/try-again")]
pub async fn try_connection_again() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id = id_of_form(&Posted::current())?;
        let portal = portal()?;
        let (now, author) = (portal.clock.now(), visit().author());
        let mut tx = portal.store.write().await?;
        schedule::try_again(&mut tx, id, &author, now).await?;
        let wish = NewRun {
            application_id: id,
            trigger: Trigger::Operator,
            scope: RunScope::Changed,
            mode: RunMode::Sync,
            only_user: None,
            request: None,
        };
        let queued = runs::queue(&mut tx, portal.random.as_ref(), &wish, &author, now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(Answer::to(urls::run(queued.run().id)))
    })
    .await
}
