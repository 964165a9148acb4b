//! The table of users with its acts on ticked rows.

use leptos::prelude::*;
use signpost_model::Role;
use signpost_store::users::{Direction, UserListItem, UserSort, UserState};

use crate::components::{
    Badge, BulkBar, Button, ButtonSize, Column, DataTable, EmptyState, Form, Icon, LinkButton,
    Look, Order, Person, RowCheck, Status, StatusBadge, Time, Tone,
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
    let rows = items
        .into_iter()
        .map(|item| row(item, may_write))
        .collect_view();
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

fn row(item: UserListItem, may_write: bool) -> AnyView {
    let check = may_write.then(|| {
        view! {
            <td>
                <RowCheck name="ids" value=item.id.to_string() label=item.display_name.clone() />
            </td>
        }
    });
    let status = status(item.enabled, item.deleted_at.is_some());
    view! {
        <tr>
            {check}
            <th scope="row">
                <Person name=item.display_name detail=item.user_name href=urls::user(item.id) />
            </th>
            <td>{item.department}</td>
            <td>{status}</td>
            <td class="nowrap">{item.updated_at.to_jiff().map(|at| view! { <Time at=at /> })}</td>
        </tr>
    }
    .into_any()
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
