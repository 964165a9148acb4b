//! Memberships in pushed groups that others took back in the tenant.

use leptos::prelude::*;
use signpost_model::provisioning::DriftChoice;
use signpost_model::{ApplicationId, GroupId, Role, UserId};
use signpost_store::group_push::drifts::{self, MembershipDrift as Missing};

use crate::components::plural::count;
use crate::components::{
    Button, Card, Column, DataTable, Expander, Form, Narrow, Person, RowCheck, Time,
};
use crate::error::PortalError;
use crate::forms::{Answer, Posted, respond};
use crate::pages::applications::id_of_form;
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Decisions in one post.
const MOST_AT_ONCE: usize = 500;

/// The card on the Drift page; nothing while no membership is missing.
#[component]
pub(super) fn MembershipDrift(
    application: ApplicationId,
    open: Vec<Missing>,
    ignored: Vec<Missing>,
    may: bool,
) -> impl IntoView {
    if open.is_empty() && ignored.is_empty() {
        return ().into_any();
    }
    let summary = count(
        ignored.len() as u64,
        "ignored membership",
        "ignored memberships",
    );
    let list = (!open.is_empty()).then(|| {
        let buttons = may.then(|| {
            let buttons = DriftChoice::ALL
                .into_iter()
                .map(|choice| {
                    let label = format!("{} memberships", choice.label());
                    view! {
                        <Button name="choice" value=choice.key() label=label>
                            {choice.label()}
                        </Button>
                    }
                })
                .collect_view();
            view! { <p class="row">{buttons}</p> }
        });
        view! {
            <Form action="/api/control/membership-drift">
                <input type="hidden" name="application" value=application.to_string() />
                <Table caption="Memberships taken back by others" rows=open may=may />
                <div class="card__body">{buttons}</div>
            </Form>
        }
    });
    let ignored = (!ignored.is_empty()).then(|| {
        let button = may.then(|| {
            view! {
                <Button name="choice" value="reopen" label="Look at memberships again".to_owned()>
                    "Look at them again"
                </Button>
            }
        });
        view! {
            <Expander summary=summary>
                <Form action="/api/control/membership-drift">
                    <input type="hidden" name="application" value=application.to_string() />
                    <Table caption="Ignored memberships" rows=ignored may=may />
                    {button}
                </Form>
            </Expander>
        }
    });
    view! {
        <Card
            id="memberships"
            title="Memberships taken back by others"
            hint="Signpost put these members into a group, and somebody else took them out.".to_owned()
        >
            {list}
            {ignored}
        </Card>
    }
    .into_any()
}

#[component]
fn Table(caption: &'static str, rows: Vec<Missing>, may: bool) -> impl IntoView {
    let columns = vec![
        Column::hidden("Choose"),
        Column::new("User"),
        Column::new("Group"),
        Column::new("Found"),
    ];
    let rows = rows
        .into_iter()
        .map(|row| {
            let value = format!("{} {}", row.group_id, row.user_id);
            let label = format!("{} in {}", row.display_name, row.group_name);
            let by = row
                .decided_by
                .clone()
                .map(|by| view! { <p class="hint">"Ignored by " {by}</p> });
            view! {
                <tr>
                    <td>
                        <RowCheck name="which" value=value label=label disabled=!may />
                    </td>
                    <th scope="row">
                        <Person
                            name=row.display_name
                            detail=row.user_name
                            href=urls::user(row.user_id)
                        />
                    </th>
                    <td>
                        <a href=urls::group(row.group_id)>{row.group_name}</a>
                        {by}
                    </td>
                    <td>{row.found_at.to_jiff().map(|at| view! { <Time at=at /> })}</td>
                </tr>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <DataTable caption=caption columns=columns narrow=Narrow::Stacks>
            {rows}
        </DataTable>
    }
    .into_any()
}

/// Decides about the ticked memberships.
#[server(prefix = "/api", endpoint = "control/membership-drift")]
pub async fn decide_membership_drift(#[server(default)] choice: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let posted = Posted::current();
        let id = id_of_form(&posted)?;
        let back = urls::application_drift(id);
        let which: Vec<(GroupId, UserId)> = posted
            .all("which")
            .take(MOST_AT_ONCE)
            .filter_map(|value| {
                let (group, user) = value.split_once(' ')?;
                Some((group.parse().ok()?, user.parse().ok()?))
            })
            .collect();
        if which.is_empty() {
            return Ok(Answer::to(back).notice(Notice::error("Tick the memberships first.")));
        }
        let choice: Option<DriftChoice> = match choice.as_str() {
            "reopen" => None,
            word => Some(word.parse().map_err(|_| PortalError::BadRequest)?),
        };
        let portal = portal()?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let decided = drifts::decide(&mut tx, id, &which, choice, &visit().author(), now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        let memberships = count(decided as u64, "membership", "memberships");
        let words = match choice {
            Some(DriftChoice::Accept) => format!("{memberships} accepted. They stay away."),
            Some(DriftChoice::Revert) => {
                format!("{memberships} will be given again by the next plan.")
            }
            Some(DriftChoice::Ignore) => format!("{memberships} ignored from now on."),
            None => format!("{memberships} looked at again."),
        };
        Ok(Answer::to(back).notice(Notice::success(words)))
    })
    .await
}
