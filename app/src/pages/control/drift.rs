//! What others changed in the tenant: accept it, revert it, ignore it; and what happens by itself.

use leptos::prelude::*;
use signpost_model::plan::TargetAttribute;
use signpost_model::policy::{DriftPolicy, DriftRule};
use signpost_model::provisioning::DriftChoice;
use signpost_model::{ApplicationId, Role, UserId};
use signpost_store::drifts::{self, DriftRow};
use signpost_store::group_push::drifts as memberships;
use signpost_store::{PageRequest, applications, connections, policies};

use super::membership_drift::MembershipDrift;
use crate::components::plural::count;
use crate::components::{
    BulkBar, Button, Card, Choice, Column, DataTable, DiffList, Difference, EmptyState, Expander,
    Form, Icon, Look, Narrow, Pager, Person, RowCheck, Select, Time,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Posted, respond};
use crate::listing::Query;
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::{found, id_of_form, id_of_page, or_stale, version_of_form};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Ignored attributes on the page.
const IGNORED_SHOWN: u32 = 100;

/// Decisions in one post.
const MOST_AT_ONCE: usize = 500;

/// The page.
#[component]
pub fn DriftPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let query = Query::current();
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let policy = policies::find_policy(&mut read, id).await?.drift;
        let open = drifts::list(&mut read, id, None, &query.page()).await?;
        let all = PageRequest::first(IGNORED_SHOWN);
        let ignored = drifts::list(&mut read, id, Some(DriftChoice::Ignore), &all).await?;
        let taken = memberships::list(&mut read, id, false, IGNORED_SHOWN.into()).await?;
        let ignored_memberships =
            memberships::list(&mut read, id, true, IGNORED_SHOWN.into()).await?;
        drop(read);
        let pages = query.pages(&urls::application_drift(id), &open);
        let summary = count(open.items.len() as u64, "value", "values");
        let may = visit().may(Role::Administrator);
        let version = application.version;
        let list = if open.items.is_empty() {
            view! {
                <EmptyState
                    icon=Icon::CircleCheck
                    title="Nothing waits for a decision"
                    why="A value that somebody else changes in Microsoft 365 appears here when its rule is Ask."
                />
            }
            .into_any()
        } else {
            view! {
                <Table rows=open.items may=may />
                <footer class="card__foot">
                    <Pager summary=summary pages=pages label="Pages of changed values" />
                </footer>
            }
            .into_any()
        };
        let ignored = (!ignored.items.is_empty()).then(|| {
            view! { <Ignored application=id rows=ignored.items may=may /> }
        });
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::Provisioning
                below="Drift"
            >
                <Form action="/api/control/drift">
                    <input type="hidden" name="application" value=id.to_string() />
                    <Card
                        id="drift"
                        title="Changed by others"
                        hint="What Signpost last wrote, and what is there now.".to_owned()
                    >
                        {list}
                    </Card>
                </Form>
                {ignored}
                <MembershipDrift application=id open=taken ignored=ignored_memberships may=may />
                <RulesCard application=id version=version policy=policy may=may />
            </ApplicationPage>
        })
    })
}

#[component]
fn Table(rows: Vec<DriftRow>, may: bool) -> impl IntoView {
    let columns = vec![
        Column::hidden("Choose"),
        Column::new("User"),
        Column::new("Change"),
        Column::new("Found"),
    ];
    let rows = rows
        .into_iter()
        .map(|row| view! { <Row row=row may=may /> })
        .collect_view();
    let bar = may.then(|| {
        let buttons = DriftChoice::ALL
            .into_iter()
            .map(|choice| view! { <Button name="choice" value=choice.key()>{choice.label()}</Button> })
            .collect_view();
        view! { <BulkBar rows="values">{buttons}</BulkBar> }
    });
    view! {
        {bar}
        <DataTable caption="Values changed by others" columns=columns narrow=Narrow::Stacks>
            {rows}
        </DataTable>
    }
    .into_any()
}

#[component]
fn Row(row: DriftRow, may: bool) -> impl IntoView {
    let attribute = row.attribute.label();
    let tenant = (!row.tenant.is_empty()).then(|| row.tenant.clone());
    let change = Difference::new(attribute, Some(row.ours.clone()), tenant);
    let value = format!("{} {}", row.user_id, row.attribute.key());
    let label = format!("{attribute} of {}", row.display_name);
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
                <Person name=row.display_name detail=row.user_name href=urls::user(row.user_id) />
            </th>
            <td>
                <DiffList changes=vec![change] />
                {by}
            </td>
            <td>{row.found_at.to_jiff().map(|at| view! { <Time at=at /> })}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Ignored(application: ApplicationId, rows: Vec<DriftRow>, may: bool) -> impl IntoView {
    let summary = count(rows.len() as u64, "ignored value", "ignored values");
    let columns = vec![
        Column::hidden("Choose"),
        Column::new("User"),
        Column::new("Change"),
        Column::new("Found"),
    ];
    let rows = rows
        .into_iter()
        .map(|row| view! { <Row row=row may=may /> })
        .collect_view();
    view! {
        <Expander summary=summary>
            <Form action="/api/control/drift">
                <input type="hidden" name="application" value=application.to_string() />
                <DataTable caption="Ignored values" columns=columns narrow=Narrow::Stacks>
                    {rows}
                </DataTable>
                {may.then(|| view! { <Button name="choice" value="reopen">"Look at them again"</Button> })}
            </Form>
        </Expander>
    }
    .into_any()
}

#[component]
fn RulesCard(
    application: ApplicationId,
    version: i64,
    policy: DriftPolicy,
    may: bool,
) -> impl IntoView {
    let choices = || DriftRule::ALL.map(|rule| Choice::new(rule.key(), rule.label()));
    let fields = TargetAttribute::ALL
        .into_iter()
        .map(|attribute| {
            let mut own = vec![Choice::new("", "As all others")];
            own.extend(choices());
            let chosen = policy
                .attributes
                .get(&attribute)
                .map_or("", |rule| rule.key());
            view! {
                <Select
                    name=format!("rule-{}", attribute.key())
                    label=attribute.label()
                    choices=own
                    chosen=chosen
                    disabled=!may
                />
            }
            .into_any()
        })
        .collect_view();
    let mut of_memberships = vec![Choice::new("", "As all others")];
    of_memberships.extend(choices());
    let chosen_memberships = policy.memberships.map_or("", |rule| rule.key());
    let open = !policy.attributes.is_empty();
    view! {
        <Form action="/api/control/drift-rules">
            <input type="hidden" name="application" value=application.to_string() />
            <input type="hidden" name="version" value=version.to_string() />
            <Card
                id="rules"
                title="What happens by itself"
                hint="Only to values that Signpost wrote. When the directory says something new, that is always written.".to_owned()
            >
                <div class="card__body stack">
                    <Select
                        name="rule"
                        label="Values that others change"
                        choices=choices().to_vec()
                        chosen=policy.rule.key()
                        disabled=!may
                    />
                    <Select
                        name="rule-memberships"
                        label="Memberships in pushed groups that others take back"
                        choices=of_memberships
                        chosen=chosen_memberships
                        disabled=!may
                    />
                    <Expander summary="Rules of single attributes" open=open>
                        <div class="fields">{fields}</div>
                    </Expander>
                    {may
                        .then(|| {
                            view! {
                                <p class="row">
                                    <Button look=Look::Primary>"Save rules"</Button>
                                </p>
                            }
                        })}
                </div>
            </Card>
        </Form>
    }
    .into_any()
}

/// Decides about the ticked values.
#[server(prefix = "/api", endpoint = "control/drift")]
pub async fn decide_drift(#[server(default)] choice: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let posted = Posted::current();
        let id = id_of_form(&posted)?;
        let back = urls::application_drift(id);
        let which: Vec<(UserId, TargetAttribute)> = posted
            .all("which")
            .take(MOST_AT_ONCE)
            .filter_map(|value| {
                let (user, attribute) = value.split_once(' ')?;
                Some((user.parse().ok()?, attribute.parse().ok()?))
            })
            .collect();
        if which.is_empty() {
            return Ok(Answer::to(back).notice(Notice::error("Tick the values first.")));
        }
        let choice = match choice.as_str() {
            "reopen" => None,
            word => Some(word.parse().map_err(|_| PortalError::BadRequest)?),
        };
        let portal = portal()?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let decided = drifts::decide(&mut tx, id, &which, choice, &visit().author(), now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        let values = count(decided as u64, "value", "values");
        let words = match choice {
            Some(DriftChoice::Accept) => {
                format!("{values} accepted. They stay until the directory changes.")
            }
            Some(DriftChoice::Revert) => {
                format!("{values} will be written again by the next plan.")
            }
            Some(DriftChoice::Ignore) => format!("{values} ignored from now on."),
            None => format!("{values} looked at again."),
        };
        Ok(Answer::to(back).notice(Notice::success(words)))
    })
    .await
}

/// Saves what happens by itself to values that others change.
#[server(prefix = "/api", endpoint = "control/drift-rules")]
pub async fn set_drift_rules(#[server(default)] rule: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let posted = Posted::current();
        let (id, version) = (id_of_form(&posted)?, version_of_form(&posted)?);
        let back = urls::application_drift(id);
        let mut drift = DriftPolicy {
            rule: rule.parse().map_err(|_| {
                FormErrors::summary("Choose what happens to values that others change.")
                    .refuse(back.clone())
            })?,
            memberships: posted.first("rule-memberships").parse().ok(),
            ..DriftPolicy::default()
        };
        for attribute in TargetAttribute::ALL {
            if let Ok(rule) = posted.first(&format!("rule-{}", attribute.key())).parse() {
                drift.attributes.insert(attribute, rule);
            }
        }
        let portal = portal()?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let before = policies::find_policy(&mut tx, id).await?.drift;
        if before != drift {
            applications::begin_change(&mut tx, id, version, now)
                .await
                .map_err(|error| or_stale(error, &back))?;
            drifts::set_drift_policy(&mut tx, id, &drift, &visit().author(), now).await?;
            tx.commit().await?;
            portal.worker.notify_one();
        }
        Ok(Answer::to(back).notice(Notice::success("Rules saved.")))
    })
    .await
}
