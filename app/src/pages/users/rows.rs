//! The table of users with its acts on ticked rows.

use std::sync::LazyLock;

use leptos::prelude::*;
use signpost_model::{Role, Timestamp};
use signpost_store::users::{Direction, UserListItem, UserSort, UserState};

use crate::components::person::{initials, person};
use crate::components::{
    Badge, BulkBar, Button, ButtonSize, Column, DataTable, EmptyState, Form, Icon, LinkButton,
    Look, Moment, Order, Precision, RowCheck, Rows, Status, StatusBadge, Template, Tone, zone,
};
use crate::listing::Query;
use crate::urls;
use crate::visit::visit;

/// The table, inside the form of its bulk bar for those who may change users.
#[component]
pub(super) fn UserTable(
    query: Query,
    state: Option<UserState>,
    order: (UserSort, Direction),
    items: Vec<UserListItem>,
) -> impl IntoView {
    if items.is_empty() {
        return view! { <Nobody state=state /> }.into_any();
    }
    let may_write = visit().may(Role::Administrator);
    let columns = columns(&query, order, may_write);
    let rows = rows(&items, may_write);
    let table = view! {
        <DataTable caption="Users" columns=columns>
            {rows}
        </DataTable>
    }
    .into_any();
    if !may_write {
        return table;
    }
    view! {
        <Form action="/api/users/change">
            <input type="hidden" name="list" value=query.text() />
            <BulkBar rows="users">
                <Acts deleted=state == Some(UserState::Deleted) />
            </BulkBar>
            {table}
        </Form>
    }
    .into_any()
}

#[component]
fn Acts(deleted: bool) -> impl IntoView {
    if deleted {
        return view! {
            <Button size=ButtonSize::Small icon=Icon::Undo2 name="act" value="restore">
                "Restore"
            </Button>
        }
        .into_any();
    }
    view! {
        <Button size=ButtonSize::Small name="act" value="add_to_group">
            "Add to group"
        </Button>
        <Button size=ButtonSize::Small name="act" value="enable">
            "Enable"
        </Button>
        <Button size=ButtonSize::Small name="act" value="disable">
            "Disable"
        </Button>
        <Button size=ButtonSize::Small look=Look::Danger icon=Icon::Trash2 name="act" value="delete">
            "Delete"
        </Button>
    }
    .into_any()
}

#[component]
fn Nobody(state: Option<UserState>) -> impl IntoView {
    let (title, why) = match state {
        Some(UserState::Deleted) => (
            "Nobody was deleted",
            "Deleted users stay here for 30 days and can be restored.",
        ),
        _ => ("Nobody matches", "No user fits the search and the filters."),
    };
    view! {
        <EmptyState icon=Icon::SearchX title=title why=why>
            <LinkButton href=urls::USERS>"Show all users"</LinkButton>
        </EmptyState>
    }
    .into_any()
}

fn columns(
    query: &Query,
    (sort, direction): (UserSort, Direction),
    may_write: bool,
) -> Vec<Column> {
    let sorted = |label: &str, by: UserSort| {
        let order = (sort == by).then_some(match direction {
            Direction::Ascending => Order::Ascending,
            Direction::Descending => Order::Descending,
        });
        let turned = match order {
            Some(Order::Ascending) => Direction::Descending.key(),
            _ => "",
        };
        let key = if by == UserSort::default() {
            ""
        } else {
            by.key()
        };
        let href = query.with(urls::USERS, &[("sort", key), ("order", turned)]);
        Column::new(label).sorted_by(href, order)
    };
    let mut columns = vec![
        sorted("Name", UserSort::DisplayName),
        sorted("Department", UserSort::Department),
        Column::new("State"),
        sorted("Changed", UserSort::Updated),
    ];
    if may_write {
        columns.insert(0, Column::hidden("Choose"));
    }
    columns
}

type Row = Template<9>;

/// The rows without boxes, then those with: active, disabled, deleted.
static ROWS: LazyLock<[[Row; 3]; 2]> = LazyLock::new(|| {
    let states = [(true, false), (false, false), (true, true)];
    [false, true].map(|ticked| states.map(|state| row(ticked, state)))
});

fn row(ticked: bool, (enabled, deleted): (bool, bool)) -> Row {
    Template::new(
        |[
            id,
            name,
            href,
            letters,
            user_name,
            department,
            datetime,
            exact,
            words,
        ]| {
            let check = ticked.then(|| {
                view! {
                    <td>
                        <RowCheck name="ids" value=id label=name.clone() />
                    </td>
                }
            });
            let changed = Moment {
                datetime,
                exact,
                words,
            };
            view! {
                <tr>
                    {check}
                    <th scope="row">{person(letters, name, user_name, Some(href))}</th>
                    <td>{department}</td>
                    <td>{status(enabled, deleted)}</td>
                    <td class="nowrap">{changed.into_view()}</td>
                </tr>
            }
            .into_any()
        },
    )
}

fn rows(items: &[UserListItem], may_write: bool) -> AnyView {
    let zone = zone();
    let mut rows = Rows::default();
    // An import changes many at the same moment.
    let mut changed: Option<(Timestamp, Moment)> = None;
    for item in items {
        let (_, moment) = changed
            .take_if(|(at, _)| *at == item.updated_at)
            .unwrap_or_else(|| {
                let at = item.updated_at.to_jiff().unwrap_or_default();
                (
                    item.updated_at,
                    Moment::of(at, Precision::Minute, zone.clone()),
                )
            });
        let state = match (item.enabled, item.deleted_at) {
            (_, Some(_)) => 2,
            (false, None) => 1,
            (true, None) => 0,
        };
        let id = item.id.to_string();
        let values = [
            id.as_str(),
            &item.display_name,
            &urls::user(item.id),
            &initials(&item.display_name),
            &item.user_name,
            &item.department,
            &moment.datetime,
            &moment.exact,
            &moment.words,
        ];
        ROWS[usize::from(may_write)][state].fill(values, &mut rows);
        changed = Some((item.updated_at, moment));
    }
    rows.into_view()
}

/// The state of a user in a word.
pub(super) fn status(enabled: bool, deleted: bool) -> AnyView {
    match (enabled, deleted) {
        (_, true) => view! { <StatusBadge status=Status::DELETED /> }.into_any(),
        (true, false) => view! { <StatusBadge status=Status::ACTIVE /> }.into_any(),
        (false, false) => view! {
            <Badge tone=Tone::Warn icon=Icon::Ban>"Disabled"</Badge>
        }
        .into_any(),
    }
}
