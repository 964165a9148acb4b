//! Who leaves an application: each step with its date, and the way to put it off.

use leptos::prelude::*;
use signpost_model::{Policy, Role, Timestamp};
use signpost_store::following::{self, Leaver};
use signpost_store::{connections, policies, wishes};
use signpost_sync::planner::LeavingDates;

use super::ids_of_form;
use crate::components::plural::count;
use crate::components::{
    Badge, Button, ButtonSize, Card, Column, DataTable, EmptyState, ErrorSummary, Expander, Form,
    Icon, LinkButton, Look, Narrow, Pager, Person, Precision, TextField, TextKind, Time, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Posted, respond};
use crate::listing::Query;
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::{found, id_of_page};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The page.
#[component]
pub fn LeaversPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let query = Query::current();
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let policy = policies::find_policy(&mut read, id).await?;
        let leavers = following::list_leavers(&mut read, id, &query.page()).await?;
        drop(read);
        let pages = query.pages(&urls::application_leavers(id), &leavers);
        let summary = count(leavers.items.len() as u64, "leaver", "leavers");
        let now = portal.clock.now();
        let form = visit().form_state();
        let body = if leavers.items.is_empty() {
            view! {
                <EmptyState
                    icon=Icon::UserRoundCheck
                    title="Nobody is leaving"
                    why="Who loses the application appears here, with the day of each step."
                />
            }
            .into_any()
        } else {
            let rows = leavers
                .items
                .into_iter()
                .map(|leaver| view! { <Row application=id leaver=leaver policy=policy.clone() now=now /> })
                .collect_view();
            let columns = [
                "User", "Left", "Sign-in", "Licenses", "Deletion", "Postpone",
            ];
            view! {
                <DataTable
                    caption="Leavers"
                    columns=columns.map(Column::new).to_vec()
                    narrow=Narrow::Stacks
                >
                    {rows}
                </DataTable>
                <footer class="card__foot">
                    <Pager summary=summary pages=pages label="Pages of leavers" />
                </footer>
            }
            .into_any()
        };
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::Provisioning
                below="Leavers"
            >
                <ErrorSummary errors=form.problems() />
                <Card
                    id="leavers"
                    title="Leavers"
                    hint="The Actions on Provisioning say which steps there are. Who gets the application again comes back by itself.".to_owned()
                >
                    {body}
                </Card>
            </ApplicationPage>
        })
    })
}

#[component]
fn Row(
    application: signpost_model::ApplicationId,
    leaver: Leaver,
    policy: Policy,
    now: Timestamp,
) -> impl IntoView {
    let held = leaver.held_until.filter(|until| *until > now);
    let dates = LeavingDates::of(&policy, leaver.removed_at, held);
    let account = leaver.account.as_ref();
    let gone = account.is_none_or(|account| account.deleted);
    let is_blocked = account.is_some_and(|account| !account.enabled);
    let sign_in = step(gone || is_blocked, "Blocked", dates.block_at, now);
    let licenses = if leaver.licenses == 0 {
        view! { <Badge>"None given"</Badge> }.into_any()
    } else {
        step(gone, "Removed", dates.licenses_at, now)
    };
    let deletion = step(gone, "Deleted", dates.delete_at, now);
    let left = leaver.removed_at.to_jiff();
    let until = held.and_then(Timestamp::to_jiff).map(|at| {
        view! { <p class="hint">"Postponed until " <Time at=at precision=Precision::Day /></p> }
    });
    let postpone = (!gone).then(|| {
        view! { <Postpone application=application leaver=leaver.clone() held=held.is_some() /> }
    });
    view! {
        <tr>
            <th scope="row">
                <Person
                    name=leaver.display_name.clone()
                    detail=leaver.user_name.clone()
                    href=urls::user(leaver.user_id)
                />
            </th>
            <td data-label="Left">{left.map(|at| view! { <Time at=at precision=Precision::Day /> })}</td>
            <td data-label="Sign-in">{sign_in}</td>
            <td data-label="Licenses">{licenses}</td>
            <td data-label="Deletion">{deletion}</td>
            <td data-label="Postpone">
                {until}
                {postpone}
                <LinkButton
                    href=urls::application_user_restore(application, leaver.user_id)
                    size=ButtonSize::Small
                    look=Look::Quiet
                    label=format!("Restore {}", leaver.display_name)
                >
                    "Restore"
                </LinkButton>
            </td>
        </tr>
    }
    .into_any()
}

/// A step that is done, is due, has its day, or is switched off.
fn step(done: bool, word: &'static str, at: Option<Timestamp>, now: Timestamp) -> AnyView {
    if done {
        return view! { <Badge tone=Tone::Ok icon=Icon::Check>{word}</Badge> }.into_any();
    }
    match at.map(|at| (at > now, at.to_jiff())) {
        None => view! { <Badge>"Switched off"</Badge> }.into_any(),
        Some((true, Some(at))) => view! { <Time at=at precision=Precision::Day /> }.into_any(),
        Some(_) => {
            view! { <Badge tone=Tone::Warn icon=Icon::Clock>"At the next sync"</Badge> }.into_any()
        }
    }
}

#[component]
fn Postpone(
    application: signpost_model::ApplicationId,
    leaver: Leaver,
    held: bool,
) -> impl IntoView {
    if !visit().may(Role::Administrator) {
        return ().into_any();
    }
    let name = leaver.display_name.clone();
    let go_on = held.then(|| {
        view! {
            <Button
                size=ButtonSize::Small
                name="act"
                value="go_on"
                label=format!("Go on with {name}")
            >
                "Go on"
            </Button>
        }
    });
    view! {
        <Expander summary=format!("Postpone {name}")>
            <Form action="/api/control/postpone" class="stack">
                <input type="hidden" name="application" value=application.to_string() />
                <input type="hidden" name="user" value=leaver.user_id.to_string() />
                <TextField
                    name=format!("days-{}", leaver.user_id)
                    label=format!("Days from now for {name}")
                    kind=TextKind::Number
                    value="14"
                />
                <p class="row">
                    <Button size=ButtonSize::Small name="act" value="postpone" label=format!("Postpone {name}")>
                        "Postpone"
                    </Button>
                    {go_on}
                </p>
            </Form>
        </Expander>
    }
    .into_any()
}

/// Puts off everything that would be taken from a leaver, or goes on with it.
#[server(prefix = "/api", endpoint = "control/postpone")]
pub async fn postpone_leaving(#[server(default)] act: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let posted = Posted::current();
        let (application, user) = ids_of_form(&posted)?;
        let (portal, author) = (portal()?, visit().author());
        let now = portal.clock.now();
        let back = if posted.first("back") == "restore" {
            urls::application_user_restore(application, user)
        } else {
            urls::application_leavers(application)
        };
        let until = match act.as_str() {
            "go_on" => None,
            "postpone" => {
                let typed = posted.first(&format!("days-{user}")).trim().parse().ok();
                let Some(days) = typed.filter(|days| (1..=3_650).contains(days)) else {
                    let text = "Enter the days as a number from 1 to 3650.";
                    return Err(FormErrors::summary(text).refuse(back));
                };
                Some(now.plus_days(days))
            }
            _ => return Err(PortalError::BadRequest.into()),
        };
        let mut tx = portal.store.write().await?;
        wishes::hold(&mut tx, application, user, until, &author, now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        let words = match until {
            Some(_) => "Postponed. Nothing is taken from the account before that day.",
            None => "The steps of leaving go on as the Actions say.",
        };
        Ok(Answer::to(back).notice(Notice::success(words)))
    })
    .await
}
