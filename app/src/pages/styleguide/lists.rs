//! Tables with their filters, bulk acts and pages.

use leptos::prelude::*;

use crate::components::*;

/// A plan, problems first.
#[component]
pub(super) fn Plan() -> impl IntoView {
    let chip = |label: &str, count, icon, current| Chip {
        label: label.into(),
        count,
        href: "#plan".into(),
        icon,
        current,
    };
    let chips = vec![
        chip("All changes", 38, None, true),
        chip("Can’t sync", 3, Some((Icon::CircleX, Tone::Bad)), false),
        chip("Create", 24, Some((Icon::Plus, Tone::Ok)), false),
        chip("Update", 9, Some((Icon::Pencil, Tone::Info)), false),
        chip("Block sign-in", 2, Some((Icon::Lock, Tone::Warn)), false),
    ];
    let tabs = ["Assignments", "Provisioning", "Runs", "Settings"]
        .map(|label| Tab {
            label,
            href: "#plan".into(),
            place: TabPlace::here(label == "Provisioning"),
        })
        .to_vec();
    let columns = vec![
        Column::new("User"),
        Column::new("Change"),
        Column::new("What will happen"),
    ];
    view! {
        <Tabs label="Application" tabs=tabs />
        <Card
            id="plan"
            title="Plan"
            hint="Nothing changes in Microsoft 365 until you select Sync Users.".to_owned()
            actions=|| view! { <Button look=Look::Primary icon=Icon::Play>"Sync Users"</Button> }
            footer=|| view! { <Pager summary="1 to 3 of 38" label="Pages of the plan" pages=Pages { next: Some("#plan".into()), ..Pages::default() } /> }
        >
            <Chips label="Filter the plan" chips=chips>
                <LinkButton href="#plan" look=Look::Quiet size=ButtonSize::Small icon=Icon::Download>
                    "Download CSV"
                </LinkButton>
            </Chips>
            <DataTable caption="Planned changes, problems first" columns=columns narrow=Narrow::Stacks>
                <PlanRows />
            </DataTable>
        </Card>
    }
}

#[component]
fn PlanRows() -> impl IntoView {
    let created = vec![Difference::new(
        "Account",
        None,
        Some("new, enabled".into()),
    )];
    let changed = vec![
        Difference::new(
            "Department",
            Some("Sales".into()),
            Some("Customer success".into()),
        ),
        Difference::new("Mobile", Some("+351 912 345 678".into()), None),
    ];
    view! {
        <tr>
            <th scope="row">
                <Person name="Dave Silva" detail="dave@contoso.example" />
            </th>
            <td>
                <Badge tone=Tone::Bad icon=Icon::CircleX>"Can’t sync"</Badge>
            </td>
            <td>
                "Usage location is empty. Microsoft needs a country before it gives a license."
                <div class="notice__action">
                    <a href="#plan">"Set usage location"</a>
                </div>
            </td>
        </tr>
        <tr>
            <th scope="row">
                <Person name="Bob Ferreira" detail="bob@contoso.example" />
            </th>
            <td>
                <Badge tone=Tone::Ok icon=Icon::Plus>"Create"</Badge>
            </td>
            <td>
                <DiffList changes=created />
            </td>
        </tr>
        <tr>
            <th scope="row">
                <Person name="Alice Tanaka" detail="alice@contoso.example" />
            </th>
            <td>
                <Badge tone=Tone::Info icon=Icon::Pencil>"Update"</Badge>
            </td>
            <td>
                <DiffList changes=changed />
            </td>
        </tr>
    }
}

/// A list with search, bulk acts and pages.
#[component]
pub(super) fn Users() -> impl IntoView {
    let states = vec![
        Choice::new("", "Any status"),
        Choice::new("active", "Active"),
        Choice::new("blocked", "Blocked"),
    ];
    let columns = vec![
        Column::hidden("Select"),
        Column::new("Name").sorted_by("#users", Some(Order::Ascending)),
        Column::new("Department").sorted_by("#users", None),
        Column::new("Status"),
        Column::numeric("Licenses"),
    ];
    let rows = [
        ("1", "Alice Tanaka", "Sales", Status::ACTIVE),
        ("2", "Carol Grant", "Sales UK", Status::BLOCKED),
    ]
    .into_iter()
    .map(|(id, name, department, status)| {
        view! {
            <tr>
                <td>
                    <RowCheck name="user" value=id label=name checked=id == "1" />
                </td>
                <th scope="row">
                    <Person name=name detail="sales@contoso.example" href="#users" />
                </th>
                <td>{department}</td>
                <td>
                    <StatusBadge status=status />
                </td>
                <td class="end">"2"</td>
            </tr>
        }
    })
    .collect_view();
    let actions = || {
        view! {
            <LinkButton href="#users" icon=Icon::FileUp>"Import CSV"</LinkButton>
            <LinkButton href="#users" look=Look::Primary icon=Icon::Plus>"Add user"</LinkButton>
        }
    };
    view! {
        <Card
            id="users"
            title="Users"
            hint="436 users in the directory".to_owned()
            actions=actions
            footer=|| view! { <Pager summary="1 to 2 of 14" pages=Pages { first: Some("#users".into()), ..Pages::default() } /> }
        >
            <FilterBar label="Users" action="#users" search_label="Search users" search="sales" clear="#users".to_owned()>
                <FilterSelect name="status" label="Status" choices=states />
            </FilterBar>
            <Form action="#users">
                <BulkBar rows="users" all_matching=Some(14)>
                    <Button size=ButtonSize::Small name="do" value="assign">"Assign selected"</Button>
                    <Button size=ButtonSize::Small look=Look::Danger name="do" value="block">"Block"</Button>
                </BulkBar>
                <DataTable caption="Users" columns=columns>
                    {rows}
                </DataTable>
            </Form>
        </Card>
    }
}
