//! Who has an application, how each account stands, and taking assignments back.

mod acts;

pub use acts::unassign;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use signpost_model::provisioning::LastOutcome;
use signpost_model::run::Outcome;
use signpost_model::{
    AccessType, Application, ApplicationId, AssignmentId, Policy, ProvisioningState, Role,
    Timestamp,
};
use signpost_store::assignments::{self, AssignedGroup, AssignedUser, AssignmentFilter};
use signpost_store::{Cursor, Page as StorePage, PageRequest, connections, policies, scope};

use super::frame::{ApplicationPage, Part};
use super::{found, id_of_page};
use crate::components::plural::count;
use crate::components::select::FilterSelect;
use crate::components::{
    Badge, BulkBar, Button, ButtonSize, Card, Choice, Column, DataTable, EmptyState, FilterBar,
    Form, Icon, LinkButton, Look, Notice as Note, Pager, Pages, Person, Precision, RowCheck,
    Status, StatusBadge, Time, Tone,
};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{require, visit};

const ROWS: u32 = 50;
/// Groups stand before the users, on the first page.
const MOST_GROUPS: i64 = 200;

/// The page.
#[component]
pub fn Assignments() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let wanted = Wanted::of_page();
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let policy = policies::find_policy(&mut read, id).await?;
        let users =
            assignments::list_users(&mut read, &application, &wanted.filter, &wanted.request)
                .await?;
        let groups = if wanted.request.cursor.is_none() && wanted.filter.state.is_none() {
            assignments::list_groups(&mut read, id, &wanted.filter.search, MOST_GROUPS).await?
        } else {
            Vec::new()
        };
        let number = scope::count(&mut read, &application).await?;
        let beyond = users.next.is_some() || users.previous.is_some();
        let matching = if beyond && application.access == AccessType::Assigned {
            let found = assignments::count_matching(&mut read, id, &wanted.filter).await?;
            Some(found.unsigned_abs())
        } else {
            None
        };
        drop(read);
        let facts = vec![count(number.unsigned_abs(), "user has it", "users have it")];
        let may = visit().may(Role::Administrator);
        let assign = urls::application_new_assignments(id);
        let by_hand = application.access == AccessType::Assigned;
        let actions = move || {
            (may && by_hand).then(|| {
                view! {
                    <LinkButton href=assign look=Look::Primary icon=Icon::UserRoundPlus>
                        "Assign users"
                    </LinkButton>
                }
            })
        };
        let explained = explained(&application);
        Ok(view! {
            <ApplicationPage
                application=application.clone()
                connection=connection
                part=Part::Assignments
                facts=facts
                actions=actions
            >
                {explained}
                <List
                    application=application
                    wanted=wanted
                    groups=groups
                    users=users
                    matching=matching
                    effect=effect(&policy)
                />
            </ApplicationPage>
        })
    })
}

/// What is asked for by the address.
#[derive(Debug, Clone)]
struct Wanted {
    filter: AssignmentFilter,
    request: PageRequest,
}

impl Wanted {
    fn of_page() -> Self {
        use_query_map().with_untracked(|query| {
            let text = |name| query.get(name).unwrap_or_default();
            Self {
                filter: AssignmentFilter {
                    search: text("q").chars().take(200).collect(),
                    state: text("state").parse().ok(),
                },
                request: match text("page").parse::<Cursor>() {
                    Ok(cursor) => PageRequest::at(ROWS, cursor),
                    Err(_) => PageRequest::first(ROWS),
                },
            }
        })
    }

    fn address(&self, application: &Application, cursor: Option<&Cursor>) -> String {
        let cursor = cursor.map(ToString::to_string).unwrap_or_default();
        let state = self.filter.state.map_or("", ProvisioningState::key);
        urls::with_query(
            &urls::application_assignments(application.id),
            &[
                ("q", &self.filter.search),
                ("state", state),
                ("page", &cursor),
            ],
        )
    }

    fn is_filtered(&self) -> bool {
        !self.filter.search.is_empty() || self.filter.state.is_some()
    }
}

/// Why people are on the list although nobody assigned them.
fn explained(application: &Application) -> Option<AnyView> {
    let (title, why) = match &application.access {
        AccessType::Assigned => return None,
        AccessType::AllUsers => (
            "Everyone in the directory has this application.",
            "New users get it by themselves. To choose people, change the User Access Type under "
                .to_owned(),
        ),
        AccessType::Rule(rule) => (
            "Whoever matches the rule has this application.",
            format!("The rule: {}. Change it under ", rule.sentence()),
        ),
    };
    let href = urls::application_settings(application.id);
    Some(
        view! {
            <Note tone=Tone::Info title=title>
                {why}
                <a href=href>"Settings"</a>
                "."
            </Note>
        }
        .into_any(),
    )
}

/// What removing somebody does, by the Actions.
pub fn effect(policy: &Policy) -> String {
    let mut does = Vec::new();
    if policy.block_sign_in {
        does.push("blocks their sign-in to Microsoft 365");
        if policy.end_sessions {
            does.push("ends their sessions");
        }
    }
    if policy.remove_licenses {
        does.push("removes the licenses Signpost gave");
    }
    let mut text = match does.as_slice() {
        [] => "Removing users changes nothing in Microsoft 365: every Action for it is off."
            .to_owned(),
        [one] => format!("Removing users {one} at the next sync."),
        [first @ .., last] => format!(
            "Removing users {} and {last} at the next sync.",
            first.join(", ")
        ),
    };
    if !policy.remove_licenses {
        text.push_str(" Licenses stay.");
    }
    if policy.delete_accounts {
        let days = i64::from(policy.days_before_deletion);
        let days = signpost_model::text::count(days, "day", "days");
        text.push_str(" Their accounts are deleted after ");
        text.push_str(&days);
        text.push('.');
    }
    text
}

#[component]
fn List(
    application: Application,
    wanted: Wanted,
    groups: Vec<AssignedGroup>,
    users: StorePage<AssignedUser>,
    /// How many assignments the filter finds, when there are more than on this page.
    matching: Option<u64>,
    effect: String,
) -> impl IntoView {
    let by_hand = application.access == AccessType::Assigned;
    let may = visit().may(Role::Administrator) && by_hand;
    // Groups assigned before the type was changed count again when it is changed back.
    let groups = if by_hand { groups } else { Vec::new() };
    let filters = view! { <Filters application=application.clone() wanted=wanted.clone() /> };
    if groups.is_empty() && users.items.is_empty() {
        let empty = view! { <Nobody application=application wanted=wanted may=may /> };
        return view! {
            <Card id="assignments" title="Application User Assignments">
                {filters}
                {empty}
            </Card>
        }
        .into_any();
    }
    let pages = Pages {
        first: users
            .previous
            .is_some()
            .then(|| wanted.address(&application, None)),
        previous: users
            .previous
            .as_ref()
            .map(|at| wanted.address(&application, Some(at))),
        next: users
            .next
            .as_ref()
            .map(|at| wanted.address(&application, Some(at))),
    };
    let summary = count(
        users.items.len() as u64,
        "user on this page",
        "users on this page",
    );
    let mut columns = Vec::new();
    if may {
        columns.push(Column::hidden("Choose"));
    }
    columns.extend(["User or group", "Has it through", "State", "Last outcome"].map(Column::new));
    if may {
        columns.push(Column::hidden("Act"));
    }
    let rows = view! {
        {groups
            .into_iter()
            .map(|group| view! { <GroupRow group=group may=may /> })
            .collect_view()}
        {users
            .items
            .into_iter()
            .map(|user| view! { <UserRow application=application.id user=user may=may by_hand=by_hand /> })
            .collect_view()}
    }
    .into_any();
    let search = wanted.filter.search.clone();
    let state = wanted.filter.state.map_or("", ProvisioningState::key);
    let table = view! {
        <DataTable caption="Users and groups that have the application" columns=columns>
            {rows}
        </DataTable>
    };
    let body = if may {
        view! {
            <Form action="/api/applications/unassign">
                <input type="hidden" name="application" value=application.id.to_string() />
                <input type="hidden" name="q" value=search />
                <input type="hidden" name="state" value=state />
                <BulkBar rows="users and groups" all_matching=matching>
                    <span class="hint">{effect}</span>
                    <Button name="do" value="selected" size=ButtonSize::Small look=Look::Danger>
                        "Unassign selected"
                    </Button>
                </BulkBar>
                {table}
            </Form>
        }
        .into_any()
    } else {
        table.into_any()
    };
    view! {
        <Card
            id="assignments"
            title="Application User Assignments"
            footer=move || view! { <Pager summary=summary pages=pages label="Pages of users" /> }
        >
            {filters}
            {body}
        </Card>
    }
    .into_any()
}

#[component]
fn Filters(application: Application, wanted: Wanted) -> impl IntoView {
    let action = urls::application_assignments(application.id);
    let mut choices = vec![Choice::new("", "Any state")];
    choices.extend(
        ProvisioningState::ALL
            .into_iter()
            .map(|state| Choice::new(state.key(), state.label())),
    );
    let clear = wanted.is_filtered().then(|| action.clone());
    let chosen = wanted.filter.state.map_or("", ProvisioningState::key);
    view! {
        <FilterBar
            label="Assignments"
            action=action
            search_label="Search users and groups"
            search=wanted.filter.search
            clear=clear
        >
            <FilterSelect name="state" label="State" choices=choices chosen=chosen />
        </FilterBar>
    }
    .into_any()
}

#[component]
fn Nobody(application: Application, wanted: Wanted, may: bool) -> impl IntoView {
    if wanted.is_filtered() {
        return view! {
            <EmptyState
                icon=Icon::SearchX
                title="Nobody matches"
                why="Check the spelling, or search for a user name, an email address or a department."
            />
        }
        .into_any();
    }
    let (title, why) = match application.access {
        AccessType::Assigned => (
            "Nobody is assigned yet",
            "Assign a group so that new members are added without work.",
        ),
        AccessType::AllUsers => (
            "The directory is empty",
            "Everyone in the directory has this application. Import people or add a user.",
        ),
        AccessType::Rule(_) => (
            "Nobody matches the rule",
            "Change the rule under Settings, or the people it looks at.",
        ),
    };
    let assign = (may && application.access == AccessType::Assigned).then(|| {
        let href = urls::application_new_assignments(application.id);
        view! { <LinkButton href=href>"Choose people"</LinkButton> }
    });
    view! {
        <EmptyState icon=Icon::UsersRound title=title why=why>
            {assign}
        </EmptyState>
    }
    .into_any()
}

#[component]
fn GroupRow(group: AssignedGroup, may: bool) -> impl IntoView {
    let members = count(group.members.unsigned_abs(), "member", "members");
    let name = group.name.clone();
    view! {
        <tr>
            {may.then(|| view! { <td><RowCheck name="assignment" value=group.assignment.to_string() label=name.clone() /></td> })}
            <th scope="row" id=row_id(group.assignment)>
                <a href=urls::group(group.group_id)>{group.name}</a>
                <small>"Group, " {members}</small>
            </th>
            <td>
                <AssignedBy by=Some(group.assigned_by) at=Some(group.assigned_at) />
            </td>
            <td class="text-3">"Its members are listed below"</td>
            <td></td>
            {may.then(|| view! { <UnassignCell assignment=Some(group.assignment) /> })}
        </tr>
    }
    .into_any()
}

#[component]
fn UserRow(
    application: ApplicationId,
    user: AssignedUser,
    may: bool,
    by_hand: bool,
) -> impl IntoView {
    let name = user.display_name.clone();
    let why = urls::application_user_why(application, user.user_id);
    let why_name = format!("Why? {name}");
    let through = match (user.assignment, by_hand) {
        _ if user.state == Some(ProvisioningState::Leaving) && user.assignment.is_none() => {
            view! { <span class="text-3">"No longer"</span> }.into_any()
        }
        (Some(_), true) => {
            view! { <AssignedBy by=user.assigned_by at=user.assigned_at /> }.into_any()
        }
        (None, true) => view! { "A group" }.into_any(),
        (_, false) => view! { <span class="text-2">"User Access Type"</span> }.into_any(),
    };
    let assignment = user.assignment;
    view! {
        <tr>
            {may
                .then(|| {
                    let label = name.clone();
                    view! {
                        <td>
                            {assignment
                                .map(|id| view! { <RowCheck name="assignment" value=id.to_string() label=label /> })}
                        </td>
                    }
                })}
            <th scope="row" id=assignment.map(row_id)>
                <Person name=user.display_name detail=user.user_name href=urls::user(user.user_id) />
            </th>
            <td>{through}</td>
            <td>
                <StatusBadge status=status_of(user.state) />
            </td>
            <td>
                <LastSeen outcome=user.last_outcome />
                " "
                <a href=why aria-label=why_name>"Why?"</a>
            </td>
            {may.then(|| view! { <UnassignCell assignment=assignment /> })}
        </tr>
    }
    .into_any()
}

#[component]
fn AssignedBy(by: Option<String>, at: Option<Timestamp>) -> impl IntoView {
    let at = at
        .and_then(|at| at.to_jiff())
        .map(|at| view! { <Time at=at precision=Precision::Day /> });
    view! {
        "Assigned"
        <small class="nowrap">{by} ", " {at}</small>
    }
}

/// Where the name of an assignment's row stands: it describes the button, whose own name is the same in every row.
fn row_id(assignment: AssignmentId) -> String {
    format!("assignment-{assignment}")
}

#[component]
fn UnassignCell(assignment: Option<AssignmentId>) -> impl IntoView {
    let button = assignment.map(|id| {
        view! {
            <Button
                name="do"
                value=format!("one:{id}")
                size=ButtonSize::Small
                look=Look::Quiet
                described_by=row_id(id)
            >
                "Unassign"
            </Button>
        }
    });
    view! { <td class="end">{button}</td> }
}

/// The looks of where a user stands.
pub fn status_of(state: Option<ProvisioningState>) -> Status {
    let (tone, icon) = match state {
        None => return Status::QUEUED,
        Some(ProvisioningState::InSync) => (Tone::Ok, Icon::Check),
        Some(ProvisioningState::Pending) => (Tone::Plain, Icon::Hourglass),
        Some(ProvisioningState::Blocked) => (Tone::Warn, Icon::TriangleAlert),
        Some(ProvisioningState::Failed) => (Tone::Bad, Icon::CircleX),
        Some(ProvisioningState::Leaving) => (Tone::Warn, Icon::Lock),
        Some(ProvisioningState::Left | ProvisioningState::LeftOut) => (Tone::Plain, Icon::Ban),
    };
    Status {
        tone,
        icon,
        word: state.map_or("Waiting", ProvisioningState::label),
    }
}

#[component]
fn LastSeen(outcome: Option<LastOutcome>) -> impl IntoView {
    let text = match outcome {
        None => return view! { <span class="text-3">"Not synced yet"</span> }.into_any(),
        Some(LastOutcome::Blocked(blockers)) => {
            let more = blockers.len().saturating_sub(1);
            let first = blockers
                .first()
                .map(|blocker| blocker.text())
                .unwrap_or_default();
            if more == 0 {
                first
            } else {
                format!("{first} And {more} more.")
            }
        }
        Some(LastOutcome::Done(Outcome::Applied { .. })) => {
            return view! { <Badge tone=Tone::Plain>"Done"</Badge> }.into_any();
        }
        Some(LastOutcome::Done(Outcome::Failed(failure))) => failure.kind.text().to_owned(),
        Some(LastOutcome::Done(Outcome::Skipped { because })) => because.text().to_owned(),
    };
    view! { <span>{text}</span> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effect_of_a_removal_is_said_by_the_actions() {
        let policy = Policy::default();
        assert_eq!(
            effect(&policy),
            "Removing users blocks their sign-in to Microsoft 365 and ends their sessions at the next sync. Licenses stay."
        );
        let all = Policy {
            remove_licenses: true,
            delete_accounts: true,
            ..Policy::default()
        };
        assert!(
            effect(&all).ends_with("at the next sync. Their accounts are deleted after 30 days.")
        );
        let nothing = Policy {
            block_sign_in: false,
            ..Policy::default()
        };
        assert!(effect(&nothing).starts_with("Removing users changes nothing"));
    }
}
