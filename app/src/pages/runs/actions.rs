//! The rows of a plan: users that are left alone first, then every action with before and after.

use leptos::prelude::*;
use signpost_model::plan::{Action, ActionKind, Blocker, Fix, NewValue, PlannedLicense};
use signpost_model::run::Outcome;
use signpost_model::{ApplicationId, UserId};
use signpost_store::runs::actions::{ActionState, BlockedUser, StoredAction};

use crate::components::{
    Badge, Choice, Column, DataTable, DiffList, Difference, Expander, Icon, Narrow, Person, Select,
    Tone,
};
use crate::urls;

/// The users that the planner left alone, each with the way out.
#[component]
pub(super) fn Blocked(
    application: ApplicationId,
    users: Vec<BlockedUser>,
    /// Whether choices can be made: the plan waits and the operator may.
    may_choose: bool,
) -> impl IntoView {
    let columns = vec![
        Column::new("User"),
        Column::new("Problem"),
        Column::new("What to do"),
    ];
    let rows = users
        .into_iter()
        .map(|user| {
            view! { <BlockedRow application=application user=user may_choose=may_choose /> }
        })
        .collect_view();
    view! {
        <DataTable caption="Users with problems" columns=columns narrow=Narrow::Stacks>
            {rows}
        </DataTable>
    }
    .into_any()
}

#[component]
fn BlockedRow(application: ApplicationId, user: BlockedUser, may_choose: bool) -> impl IntoView {
    let id = user.user_id;
    let name = user.display_name.clone();
    let texts = user
        .blockers
        .iter()
        .map(|blocker| view! { <p>{blocker.text()}</p> })
        .collect_view();
    let fixes = user
        .blockers
        .iter()
        .map(|blocker| fix(blocker, application, id, &name, may_choose))
        .collect_view();
    view! {
        <tr>
            <th scope="row">
                <Person name=user.display_name detail=user.user_name href=urls::user(id) />
            </th>
            <td>
                <Badge tone=Tone::Bad icon=Icon::CircleX>
                    "Left out"
                </Badge>
                {texts}
            </td>
            <td class="stack">{fixes}</td>
        </tr>
    }
    .into_any()
}

fn fix(
    blocker: &Blocker,
    application: ApplicationId,
    user: UserId,
    name: &str,
    may_choose: bool,
) -> AnyView {
    let provisioning = urls::application_provisioning(application);
    let link = |href: String, words: &'static str| view! { <a href=href>{words}</a> }.into_any();
    match blocker.fix() {
        Fix::Choose | Fix::LeaveOut if may_choose => {
            view! { <ChoiceOf blocker=blocker.clone() user=user name=name.to_owned() /> }.into_any()
        }
        Fix::Choose | Fix::LeaveOut => {
            view! { <span class="hint">"Make a preview to choose."</span> }.into_any()
        }
        Fix::EditUser => link(urls::user(user), "Edit the user"),
        Fix::EditMapping => link(urls::application_mapping(application), "Edit the mapping"),
        Fix::Actions => link(format!("{provisioning}#actions"), "Change the actions"),
        Fix::Licenses => link(format!("{provisioning}#licenses"), "Show license usage"),
        Fix::Domains => link(provisioning, "Show the domains found"),
    }
}

/// A choice for one user: an account that fits, or none.
#[component]
fn ChoiceOf(blocker: Blocker, user: UserId, name: String) -> impl IntoView {
    let mut choices = vec![Choice::new("", "Decide later")];
    for candidate in candidates(&blocker) {
        choices.push(Choice::new(
            candidate.object_id.as_str(),
            format!(
                "Link to this account: {} ({}, by {})",
                candidate.user_principal_name,
                candidate.display_name,
                candidate.matched_by.label()
            ),
        ));
    }
    choices.push(Choice::new("leave_out", "Leave out"));
    view! {
        <Select name=format!("choice-{user}") label=format!("Choice for {name}") choices=choices />
    }
    .into_any()
}

fn candidates(blocker: &Blocker) -> Vec<&signpost_model::plan::Candidate> {
    match blocker {
        Blocker::AmbiguousMatch { candidates } => candidates.iter().collect(),
        Blocker::ImmutableIdDiffers { candidate, .. }
        | Blocker::NeedsReview { candidate }
        | Blocker::DeletedAccount { candidate } => vec![candidate],
        _ => Vec::new(),
    }
}

/// The planned, running or finished actions.
#[component]
pub(super) fn Actions(application: ApplicationId, actions: Vec<StoredAction>) -> impl IntoView {
    let columns = vec![
        Column::new("User"),
        Column::new("Change"),
        Column::new("What will happen"),
        Column::new("Reason"),
        Column::new("Outcome"),
    ];
    let rows = actions
        .into_iter()
        .map(|action| view! { <Row application=application action=action /> })
        .collect_view();
    view! {
        <DataTable caption="Actions" columns=columns narrow=Narrow::Stacks>
            {rows}
        </DataTable>
    }
    .into_any()
}

#[component]
fn Row(application: ApplicationId, action: StoredAction) -> impl IntoView {
    let kind = action.action.kind();
    let taken = action.action.is_removal() && action.state == ActionState::Applied;
    let restore = taken.then(|| {
        let href = urls::application_user_restore(application, action.user_id);
        let label = format!("Restore {}", action.display_name);
        view! { <a href=href aria-label=label>"Restore"</a> }
    });
    let (icon, tone) = look_of(kind);
    view! {
        <tr>
            <th scope="row">
                <Person
                    name=action.display_name.clone()
                    detail=action.user_name.clone()
                    href=urls::user(action.user_id)
                />
            </th>
            <td>
                <Badge tone=tone icon=icon>
                    {kind.label()}
                </Badge>
            </td>
            <td>
                <DiffList changes=differences(&action.action) />
            </td>
            <td>{action.reason.text()}</td>
            <td>
                <OutcomeOf action=action />
                {restore}
            </td>
        </tr>
    }
    .into_any()
}

/// What became of an action, with Microsoft's answer.
#[component]
pub(crate) fn OutcomeOf(action: StoredAction) -> impl IntoView {
    view! { <Answered outcome=action.outcome state=action.state request_id=action.request_id /> }
}

/// An outcome in words, and what Microsoft said for those who ask support.
#[component]
pub(super) fn Answered(
    outcome: Option<Outcome>,
    state: ActionState,
    request_id: Option<String>,
) -> impl IntoView {
    let details = request_id.map(|id| {
        view! {
            <Expander summary="Details for support">
                <p>"Request ID " <span class="mono">{id}</span></p>
            </Expander>
        }
    });
    match outcome {
        Some(Outcome::Failed(failure)) => view! {
            <Badge tone=Tone::Bad icon=Icon::CircleX>
                "Failed"
            </Badge>
            <p>{failure.kind.text()}</p>
            <Expander summary="Microsoft’s answer">
                <p class="mono">{failure.code.unwrap_or_default()} " " {failure.message}</p>
                {failure.request_id.map(|id| view! { <p>"Request ID " <span class="mono">{id}</span></p> })}
            </Expander>
        }
        .into_any(),
        Some(Outcome::Skipped { because }) => view! {
            <Badge>"Skipped"</Badge>
            <p>{because.text()}</p>
        }
        .into_any(),
        Some(Outcome::Applied { .. }) => view! {
            <Badge tone=Tone::Ok icon=Icon::Check>
                "Applied"
            </Badge>
            {details}
        }
        .into_any(),
        None => match state {
            ActionState::Sent => view! {
                <Badge tone=Tone::Info icon=Icon::LoaderCircle>
                    "Sent"
                </Badge>
            }
            .into_any(),
            _ => view! { <Badge>"Planned"</Badge> }.into_any(),
        },
    }
}

/// The icon and colour of a kind of action, in tables and filters.
pub(super) const fn look_of(kind: ActionKind) -> (Icon, Tone) {
    match kind {
        ActionKind::CreateAccount | ActionKind::Restore => (Icon::Plus, Tone::Ok),
        ActionKind::AssignLicenses => (Icon::IdCard, Tone::Info),
        ActionKind::Enable => (Icon::UserRoundCheck, Tone::Ok),
        ActionKind::BlockSignIn | ActionKind::RevokeSessions => (Icon::Lock, Tone::Warn),
        ActionKind::RemoveLicenses | ActionKind::RemoveFromGroup => (Icon::X, Tone::Warn),
        ActionKind::Delete => (Icon::Trash2, Tone::Bad),
        _ => (Icon::Pencil, Tone::Info),
    }
}

/// Before and after of an action, in words.
pub(crate) fn differences(action: &Action) -> Vec<Difference> {
    let gained = |label: &str, value: String| Difference::new(label, None, Some(value));
    let lost = |label: &str, value: String| Difference::new(label, Some(value), None);
    match action {
        Action::CreateAccount {
            immutable_id,
            enabled,
            values,
        } => {
            let sign_in = if *enabled { "Allowed" } else { "Blocked" };
            values
                .iter()
                .map(|(attribute, value)| gained(attribute.label(), value.clone()))
                .chain([
                    gained("ImmutableId", immutable_id.clone()),
                    gained("Sign-in", sign_in.to_owned()),
                ])
                .collect()
        }
        Action::UpdateProfile { changes } => changes
            .iter()
            .filter_map(|change| {
                let after = match &change.after {
                    NewValue::Set(value) => Some(value.clone()),
                    NewValue::Clear => None,
                    NewValue::Keep => return None,
                };
                Some(Difference::new(
                    change.attribute.label(),
                    change.before.clone(),
                    after,
                ))
            })
            .collect(),
        Action::SetImmutableId { before, after } => {
            vec![Difference::new(
                "ImmutableId",
                before.clone(),
                Some(after.clone()),
            )]
        }
        Action::Rename { before, after } => {
            let label = "User principal name";
            vec![Difference::new(
                label,
                Some(before.clone()),
                Some(after.clone()),
            )]
        }
        Action::AssignLicenses { add, remove } => licenses(add, gained)
            .chain(licenses(remove, lost))
            .collect(),
        Action::RemoveLicenses { licenses: removed } => licenses(removed, lost).collect(),
        Action::AddToGroup { name, .. } => vec![gained("Group", name.clone())],
        Action::RemoveFromGroup { name, .. } => vec![lost("Group", name.clone())],
        Action::SetManager { before, after } => vec![Difference::new(
            "Manager",
            before.as_ref().map(ToString::to_string),
            after.as_ref().map(|manager| manager.display_name.clone()),
        )],
        Action::Enable | Action::BlockSignIn => {
            let words = ["Blocked", "Allowed"].map(|word| Some(word.to_owned()));
            let [blocked, allowed] = words;
            let (before, after) = if matches!(action, Action::Enable) {
                (blocked, allowed)
            } else {
                (allowed, blocked)
            };
            vec![Difference::new("Sign-in", before, after)]
        }
        Action::RevokeSessions => vec![lost("Sessions", "All".to_owned())],
        Action::Delete => vec![lost(
            "Account",
            "Deleted; Microsoft keeps it 30 days".to_owned(),
        )],
        Action::Restore => vec![gained("Account", "Restored from deleted items".to_owned())],
    }
}

fn licenses<'a>(
    licenses: &'a [PlannedLicense],
    difference: impl Fn(&str, String) -> Difference + 'a,
) -> impl Iterator<Item = Difference> + 'a {
    licenses.iter().map(move |license| {
        let off = license.disabled_plans.len();
        let name = match off {
            0 => license.name.clone(),
            1 => format!("{}, 1 service off", license.name),
            _ => format!("{}, {off} services off", license.name),
        };
        difference("License", name)
    })
}
