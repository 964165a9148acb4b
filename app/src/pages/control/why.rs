//! Why a user stands where they stand with an application: step by step, from who has it to the
//! last call to Microsoft.

use leptos::prelude::*;
use signpost_model::plan::{Blocker, LinkMethod, TargetAttribute, UserPlan};
use signpost_model::provisioning::{Decision, LastOutcome};
use signpost_model::{ProvisioningState, Timestamp};
use signpost_store::group_push::{self, Membership};
use signpost_store::runs::actions::{self, StoredAction};
use signpost_store::user_applications::{self, AssignedBy};
use signpost_store::{connections, users};
use signpost_sync::DesiredAccount;
use signpost_sync::mapping::default_template;

use super::explain::{Basis, Explained};
use super::ids_of_page;
use super::user::{AccountActs, outcome_words};
use crate::components::{
    Card, Check, Checklist, Column, DataTable, DiffList, EmptyState, Expander, Icon, Narrow,
    Precision, Status, Time, moment,
};
use crate::error::PortalError;
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::runs::{OutcomeOf, differences};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::require;

/// Findings of one step that stand open.
const MOST_OPEN: usize = 6;

/// Actions of earlier runs on the page.
const LAST_CALLS: i64 = 20;

/// The page.
#[component]
pub fn WhyPage() -> impl IntoView {
    page(async {
        require(signpost_model::Role::Auditor)?;
        let (id, user) = ids_of_page()?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let basis = Basis::load(&mut read, id, portal.clock.now()).await?;
        let connection = connections::find(&mut read, id).await?;
        let person = users::find(&mut read, user)
            .await?
            .ok_or(PortalError::NotFound)?;
        let explained = basis.explain(&mut read, &[user]).await?.pop();
        let assigned = user_applications::assigned_by(&mut read, id, user).await?;
        let memberships = group_push::list_of_user(&mut read, id, user).await?;
        let calls = actions::list_of_user(&mut read, id, user, LAST_CALLS).await?;
        drop(read);
        let name = person.profile.display_name.clone();
        let application = basis.application.clone();
        let failed = explained
            .as_ref()
            .is_some_and(|one| one.input.provisioning.state == ProvisioningState::Failed);
        let application_name = application.name.clone();
        let acts = move || {
            view! { <AccountActs application=id user=user name=application_name failed=failed /> }
        };
        let steps = match explained {
            Some(explained) => {
                view! {
                    <Steps
                        basis=basis
                        explained=explained
                        assigned=assigned
                        memberships=memberships
                    />
                }
                .into_any()
            }
            None => view! {
                <EmptyState
                    icon=Icon::Ban
                    title="Not of this application"
                    why="The user does not have the application, and never had it: nothing is planned."
                />
            }
            .into_any(),
        };
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::Assignments
                below="Why?"
                actions=acts
            >
                <Card id="why" title=format!("Why? {name}")>
                    <div class="card__body">
                        {steps}
                        <p>
                            <a href=urls::user(user)>{format!("Show {name}")}</a>
                        </p>
                    </div>
                </Card>
                <Calls calls=calls />
            </ApplicationPage>
        })
    })
}

/// One step: whether it is fine, what it is about, and what was found.
struct Step {
    status: Status,
    title: &'static str,
    detail: String,
    more: Vec<String>,
}

impl Step {
    fn new(is_fine: bool, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status: if is_fine {
                Status::PASSED
            } else {
                Status::ATTENTION
            },
            title,
            detail: detail.into(),
            more: Vec::new(),
        }
    }
}

#[component]
fn Steps(
    basis: Basis,
    explained: Explained,
    assigned: Vec<AssignedBy>,
    memberships: Vec<Membership>,
) -> impl IntoView {
    let steps = [
        source(&explained),
        assignment(&basis, &explained, &assigned),
        matched(&explained),
        mapped(&basis, &explained),
        licensed(&basis, &explained),
        grouped(&memberships),
        blocked(&explained),
        next(&explained),
        last(&explained),
    ];
    let steps = steps
        .into_iter()
        .map(|step| {
            let more = (!step.more.is_empty()).then(|| findings(step.more));
            view! { <Check status=step.status title=step.title detail=step.detail more=move || more /> }
                .into_any()
        })
        .collect_view();
    let changes = explained
        .plan
        .actions
        .iter()
        .flat_map(|planned| differences(&planned.action))
        .collect::<Vec<_>>();
    let changes = (!changes.is_empty()).then(|| view! { <DiffList changes=changes /> });
    view! {
        <Checklist label="Step by step">{steps}</Checklist>
        {changes}
    }
    .into_any()
}

/// The findings of a step; many of them behind a line that opens.
fn findings(lines: Vec<String>) -> AnyView {
    let many = lines.len() > MOST_OPEN;
    let items = lines
        .into_iter()
        .map(|line| view! { <li>{line}</li> })
        .collect_view();
    let list = view! { <ul class="checklist__findings">{items}</ul> };
    if many {
        view! { <Expander summary="Show all">{list}</Expander> }.into_any()
    } else {
        list.into_any()
    }
}

/// A moment in the organisation's zone.
fn when(at: Timestamp) -> String {
    at.to_jiff()
        .map(|at| moment(at, Precision::Minute))
        .unwrap_or_default()
}

fn source(explained: &Explained) -> Step {
    let user = &explained.input.user;
    let state = if user.deleted_at.is_some() {
        "deleted from the directory"
    } else if user.enabled {
        "active"
    } else {
        "switched off"
    };
    let is_fine = user.enabled && user.deleted_at.is_none();
    let detail = format!(
        "{} comes from {} and is {state}.",
        user.profile.user_name,
        user.source.label()
    );
    Step::new(is_fine, "Source", detail)
}

fn assignment(basis: &Basis, explained: &Explained, assigned: &[AssignedBy]) -> Step {
    let input = &explained.input;
    let mut step = Step::new(input.in_scope, "Assignment", basis.access_words(input));
    step.more = assigned
        .iter()
        .map(|by| match by {
            AssignedBy::User => "Assigned directly.".to_owned(),
            AssignedBy::Group(name) => format!("Through the group {name}."),
        })
        .collect();
    if let Some(removed_at) = input.provisioning.removed_at.filter(|_| !input.in_scope) {
        step.more
            .push(format!("No longer has it since {}.", when(removed_at)));
    }
    if let Some(until) = input.wishes.held_until {
        step.more.push(format!(
            "Nothing is taken from the account before {}.",
            when(until)
        ));
    }
    step
}

fn matched(explained: &Explained) -> Step {
    let (input, plan) = (&explained.input, &explained.plan);
    let name_of = |object_id: &signpost_model::plan::ObjectId| {
        (explained.candidates.iter().chain(&input.account))
            .find(|known| known.observation.object_id == *object_id)
            .map_or_else(
                || object_id.to_string(),
                |known| known.observation.user_principal_name.clone(),
            )
    };
    let mut step = match (&input.link, plan.link, &plan.object_id) {
        (_, Some(method), Some(object_id)) => Step::new(
            true,
            "Match",
            format!(
                "The next plan links {} ({}, by {}).",
                name_of(object_id),
                certainty(method),
                method.label()
            ),
        ),
        (Some(link), _, _) => Step::new(
            true,
            "Match",
            match link.method {
                LinkMethod::Created => {
                    format!(
                        "Linked with {}, created by Signpost.",
                        name_of(&link.object_id)
                    )
                }
                method => {
                    let by = method.label();
                    format!("Linked with {}, by {by}.", name_of(&link.object_id))
                }
            },
        ),
        _ => Step::new(
            plan.blockers.iter().all(|blocker| !blocker.blocks_user()),
            "Match",
            "No account is linked.",
        ),
    };
    match &input.decision {
        Some(Decision::LeaveOut) => step
            .more
            .push("An operator chose to leave the user out.".to_owned()),
        Some(Decision::Link(id)) => step
            .more
            .push(format!("An operator chose the account {}.", name_of(id))),
        None => {}
    }
    if let Some(account) = &input.account {
        let seen = &account.observation;
        let sign_in = if seen.deleted {
            "in Microsoft’s deleted items"
        } else if seen.enabled {
            "sign-in allowed"
        } else {
            "sign-in blocked"
        };
        step.more
            .push(format!("The account as last seen: {sign_in}."));
        if account.administrator {
            step.more
                .push("It holds an administrator role: never touched.".to_owned());
        }
        if seen.synchronised {
            step.more
                .push("It is synchronised from another directory: never touched.".to_owned());
        }
    }
    step
}

/// How sure a match is, in one word.
pub(super) const fn certainty(method: LinkMethod) -> &'static str {
    match method {
        LinkMethod::ImmutableId | LinkMethod::UserPrincipalName => "exact",
        LinkMethod::Mail => "probable",
        LinkMethod::Manual => "by hand",
        LinkMethod::Created => "created",
    }
}

fn mapped(basis: &Basis, explained: &Explained) -> Step {
    let user = &explained.input.user;
    match basis.mapping.render(user, &basis.facts.domain) {
        Err(problem) => Step::new(
            false,
            "Mapping",
            format!(
                "{} does not work: {}",
                problem.attribute.label(),
                problem.why
            ),
        ),
        Ok(values) => {
            let own = basis.overrides.len();
            let mut step = Step::new(
                true,
                "Mapping",
                format!(
                    "{} attributes have a value, {own} templates are your own.",
                    values.len()
                ),
            );
            step.more = TargetAttribute::ALL
                .into_iter()
                .filter_map(|attribute| {
                    let value = values.get(&attribute)?;
                    let template = basis
                        .overrides
                        .get(&attribute)
                        .map_or_else(|| default_template(attribute), String::as_str);
                    Some(format!("{}: {value}, from {template}", attribute.label()))
                })
                .collect();
            step
        }
    }
}

fn licensed(basis: &Basis, explained: &Explained) -> Step {
    let input = &explained.input;
    let desired = DesiredAccount::of(
        &input.user,
        &input.groups,
        &basis.mapping,
        &basis.facts.domain,
        &basis.grants,
    );
    let licenses = desired.map(|desired| desired.licenses).unwrap_or_default();
    let waits = explained
        .plan
        .blockers
        .iter()
        .any(|blocker| !blocker.blocks_user());
    let detail = match (input.in_scope, licenses.len()) {
        (false, _) => "Without the application no license is granted.".to_owned(),
        (true, 0) => "The application grants no license to this user.".to_owned(),
        (true, number) => signpost_model::text::count(
            i64::try_from(number).unwrap_or(0),
            "license is granted.",
            "licenses are granted.",
        ),
    };
    let mut step = Step::new(!waits, "License and seat", detail);
    let seen = input.account.as_ref().map(|known| &known.observation);
    for sku_id in licenses.keys().filter(|_| input.in_scope) {
        let product = basis.facts.product(sku_id);
        let name = product.map_or(sku_id.as_str(), |product| product.name.as_str());
        let held = seen.and_then(|seen| seen.licenses.iter().find(|held| held.sku_id == *sku_id));
        let state = match held {
            Some(held) if held.from_group.is_some() => {
                "held through a group of the tenant".to_owned()
            }
            Some(_) => "held".to_owned(),
            None => format!(
                "not held; {} of {} seats free",
                product.map_or(0, |product| product.seats.free()),
                product.map_or(0, |product| product.seats.total)
            ),
        };
        step.more.push(format!("{name}: {state}"));
    }
    step
}

/// Memberships in pushed groups, here and in the tenant.
fn grouped(memberships: &[Membership]) -> Step {
    let is_fine = memberships
        .iter()
        .all(|one| one.in_group == one.observed || (one.observed && !one.owned));
    let detail = match i64::try_from(memberships.len()).unwrap_or(0) {
        0 => "In no group that the application pushes.".to_owned(),
        number => signpost_model::text::count(number, "pushed group.", "pushed groups."),
    };
    let mut step = Step::new(is_fine, "Groups", detail);
    step.more = memberships
        .iter()
        .map(|one| {
            let words = match (one.in_group, one.observed, one.owned) {
                (true, true, true) => "a member here, and put into the tenant’s group by Signpost",
                (true, true, false) => {
                    "a member here, and was in the tenant’s group already: not Signpost’s to take"
                }
                (true, false, true) => {
                    "a member here, and taken out of the tenant’s group by others"
                }
                (true, false, false) => "a member here, and not in the tenant’s group yet",
                (false, true, true) => "no member here any more: the next plan takes it back",
                (false, true, false) => {
                    "no member here; somebody else put them into the tenant’s group"
                }
                (false, false, _) => "no member on either side",
            };
            format!("{}: {words} ({})", one.name, one.state.label())
        })
        .collect();
    step
}

fn blocked(explained: &Explained) -> Step {
    let blockers = &explained.plan.blockers;
    if blockers.is_empty() {
        return Step::new(true, "Blockers", "Nothing stands in the way.");
    }
    let words = signpost_model::text::count(
        i64::try_from(blockers.len()).unwrap_or(0),
        "thing stands in the way.",
        "things stand in the way.",
    );
    let mut step = Step::new(false, "Blockers", words);
    step.more = blockers.iter().map(Blocker::text).collect();
    step
}

fn next(explained: &Explained) -> Step {
    let plan: &UserPlan = &explained.plan;
    let detail = if plan.actions.is_empty() {
        match plan.due_at {
            Some(at) => format!(
                "The next plan does nothing; the next step is due {}.",
                when(at)
            ),
            None => "The next plan does nothing.".to_owned(),
        }
    } else {
        signpost_model::text::count(
            i64::try_from(plan.actions.len()).unwrap_or(0),
            "change is planned.",
            "changes are planned.",
        )
    };
    let mut step = Step::new(true, "What the next plan would do", detail);
    step.more = plan
        .actions
        .iter()
        .map(|planned| {
            format!(
                "{}: {}",
                planned.action.kind().label(),
                planned.reason.text()
            )
        })
        .chain(plan.kept.iter().map(|kept| {
            format!(
                "{} stays “{}”: adopted accounts keep what they have",
                kept.attribute.label(),
                kept.tenant
            )
        }))
        .chain(plan.drifts.iter().map(|drift| {
            format!(
                "{} was changed by others to “{}”",
                drift.attribute.label(),
                drift.tenant
            )
        }))
        .collect();
    step
}

fn last(explained: &Explained) -> Step {
    let row = &explained.input.provisioning;
    let is_fine = !matches!(
        row.state,
        ProvisioningState::Failed | ProvisioningState::Blocked
    );
    let detail = match &row.last_outcome {
        Some(outcome) => format!("{}: {}", row.state.label(), outcome_words(outcome.clone())),
        None => row.state.label().to_owned(),
    };
    let mut step = Step::new(is_fine, "Last outcome", detail);
    if let Some(LastOutcome::Done(_)) = &row.last_outcome
        && row.state == ProvisioningState::Failed
    {
        step.more.push(signpost_model::text::count(
            row.attempts,
            "try failed.",
            "tries failed in a row.",
        ));
        step.more.push(match row.due_at {
            Some(at) => format!("Tried again by itself {}.", when(at)),
            None => "Not tried again by itself: select Retry.".to_owned(),
        });
    }
    step
}

#[component]
fn Calls(calls: Vec<StoredAction>) -> impl IntoView {
    if calls.is_empty() {
        return view! {
            <Card id="calls" title="Last calls">
                <EmptyState
                    icon=Icon::FolderSync
                    title="No calls yet"
                    why="What was sent to Microsoft for this user appears here, with its outcome and request ID."
                />
            </Card>
        }
        .into_any();
    }
    let rows = calls
        .into_iter()
        .map(|call| {
            let at = call.changed_at.to_jiff();
            let changes = differences(&call.action);
            view! {
                <tr>
                    <th scope="row">{at.map(|at| view! { <Time at=at /> })}</th>
                    <td>{call.action.kind().label()}</td>
                    <td>
                        <DiffList changes=changes />
                    </td>
                    <td>
                        <OutcomeOf action=call />
                    </td>
                </tr>
            }
            .into_any()
        })
        .collect_view();
    let columns = ["When", "Change", "What happened", "Outcome"].map(Column::new);
    view! {
        <Card id="calls" title="Last calls">
            <DataTable caption="Last calls" columns=columns.to_vec() narrow=Narrow::Stacks>
                {rows}
            </DataTable>
        </Card>
    }
    .into_any()
}
