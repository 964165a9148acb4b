//! Assigning users and groups: a searchable list with check boxes.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use signpost_model::{AccessType, Application, ApplicationId, Principal, Role};
use signpost_store::assignments::{self, Candidate};
use signpost_store::{Cursor, Page as StorePage, PageRequest, connections};

use super::frame::{ApplicationPage, Part};
use super::{found, id_of_form, id_of_page};
use crate::components::plural::count;
use crate::components::{
    BulkBar, Button, Card, Column, DataTable, EmptyState, FilterBar, Form, Icon, LinkButton, Look,
    Notice as Note, Pager, Pages, Person, RowCheck, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, Posted, respond};
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::urls;
use crate::visit::{Notice, require, visit};

const ROWS: u32 = 100;
const MOST_GROUPS: i64 = 50;
/// Assignments in one transaction, when all that match are meant.
pub(super) const AT_ONCE: i64 = 1_000;

/// The page.
#[component]
pub fn AssignUsers() -> impl IntoView {
    page(async {
        require(Role::Administrator)?;
        let id = id_of_page()?;
        let (search, cursor) = use_query_map().with_untracked(|query| {
            let search: String = query.get("q").unwrap_or_default();
            (
                search.chars().take(200).collect::<String>(),
                query
                    .get("page")
                    .and_then(|text| text.parse::<Cursor>().ok()),
            )
        });
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let groups = if cursor.is_none() {
            assignments::list_candidate_groups(&mut read, id, &search, MOST_GROUPS).await?
        } else {
            Vec::new()
        };
        let request = cursor.map_or(PageRequest::first(ROWS), |cursor| {
            PageRequest::at(ROWS, cursor)
        });
        let users = assignments::list_candidate_users(&mut read, id, &search, &request).await?;
        let beyond = users.next.is_some() || users.previous.is_some();
        let matching = if beyond {
            Some(
                assignments::count_candidates(&mut read, id, &search)
                    .await?
                    .unsigned_abs(),
            )
        } else {
            None
        };
        drop(read);
        let by_hand = application.access == AccessType::Assigned;
        let kind = application.access.label();
        let note = (!by_hand).then(|| {
            let words = format!(
                "This application is given by its User Access Type, {kind}. Assignments count once it is Assigned users and groups."
            );
            view! {
                <Note tone=Tone::Warn title="Assignments do not decide now.">
                    {words}
                </Note>
            }
        });
        Ok(view! {
            <ApplicationPage
                application=application.clone()
                connection=connection
                part=Part::Assignments
                below="Assign users"
            >
                {note}
                <List
                    application=application
                    search=search
                    groups=groups
                    users=users
                    matching=matching
                />
            </ApplicationPage>
        })
    })
}

#[component]
fn List(
    application: Application,
    search: String,
    groups: Vec<Candidate>,
    users: StorePage<Candidate>,
    /// How many the search finds, when there are more than on this page.
    matching: Option<u64>,
) -> impl IntoView {
    let action = urls::application_new_assignments(application.id);
    let address = |cursor: Option<&Cursor>| {
        let cursor = cursor.map(ToString::to_string).unwrap_or_default();
        urls::with_query(&action, &[("q", &search), ("page", &cursor)])
    };
    let pages = Pages {
        first: users.previous.is_some().then(|| address(None)),
        previous: users.previous.as_ref().map(|at| address(Some(at))),
        next: users.next.as_ref().map(|at| address(Some(at))),
    };
    let clear = (!search.is_empty()).then(|| action.clone());
    let empty = groups.is_empty() && users.items.is_empty();
    let summary = count(
        users.items.len() as u64,
        "user on this page",
        "users on this page",
    );
    let rows = groups
        .into_iter()
        .chain(users.items)
        .map(|candidate| view! { <Row candidate=candidate /> })
        .collect_view();
    let columns = vec![
        Column::hidden("Choose"),
        Column::new("Name"),
        Column::new("Kind"),
    ];
    let back = urls::application_assignments(application.id);
    let searched = search.clone();
    let body = if empty {
        view! {
            <EmptyState
                icon=Icon::SearchX
                title="Nobody to assign"
                why="Everyone who matches is assigned already, or nobody matches the search."
            />
        }
        .into_any()
    } else {
        view! {
            <Form action="/api/applications/assign">
                <input type="hidden" name="application" value=application.id.to_string() />
                <input type="hidden" name="q" value=searched />
                <BulkBar rows="users and groups" all_matching=matching>
                    <Button look=Look::Primary icon=Icon::UserRoundPlus>
                        "Assign selected"
                    </Button>
                    <LinkButton href=back look=Look::Quiet>
                        "Cancel"
                    </LinkButton>
                </BulkBar>
                <DataTable caption="Users and groups without this application" columns=columns>
                    {rows}
                </DataTable>
            </Form>
        }
        .into_any()
    };
    view! {
        <Card
            id="candidates"
            title="Assign users"
            hint="Groups come first: their later members get the application without work.".to_owned()
            footer=move || view! { <Pager summary=summary pages=pages label="Pages of users" /> }
        >
            <FilterBar
                label="Users and groups"
                action=action
                search_label="Search users and groups"
                search=search
                clear=clear
            />
            {body}
        </Card>
    }
    .into_any()
}

#[component]
fn Row(candidate: Candidate) -> impl IntoView {
    let kind = match candidate.principal {
        Principal::User(_) => "User",
        Principal::Group(_) => "Group",
    };
    view! {
        <tr>
            <td>
                <RowCheck
                    name="principal"
                    value=candidate.principal.to_string()
                    label=candidate.name.clone()
                />
            </td>
            <th scope="row">
                <Person name=candidate.name detail=candidate.detail />
            </th>
            <td>{kind}</td>
        </tr>
    }
    .into_any()
}

/// Assigns the ticked users and groups. Who has the application already is passed over.
#[server(prefix = "/api", endpoint = "applications/assign")]
pub async fn assign_selected() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let chosen: Vec<Principal> = posted
            .all("principal")
            .filter_map(|text| text.parse().ok())
            .collect();
        if posted.has("all_matching") {
            let assigned = assign_matching(&portal, id, posted.first("q")).await?;
            return Ok(Answer::to(urls::application_assignments(id)).notice(told(assigned)));
        }
        if chosen.is_empty() {
            return Ok(Answer::to(urls::application_new_assignments(id))
                .notice(Notice::warning("Tick at least one user or group.")));
        }
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let (random, author) = (portal.random.as_ref(), visit().author());
        let assigned = assignments::assign(&mut tx, random, id, &chosen, &author, now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(Answer::to(urls::application_assignments(id)).notice(told(assigned)))
    })
    .await
}

/// Everyone the search finds, on every page. Other writers get their turn in between, and a post
/// that was cut off is finished by posting it again.
async fn assign_matching(
    portal: &Portal,
    id: ApplicationId,
    search: &str,
) -> Result<usize, PortalError> {
    let (author, random) = (visit().author(), portal.random.as_ref());
    let mut assigned = 0;
    loop {
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let some = assignments::list_matching_candidates(&mut tx, id, search, AT_ONCE).await?;
        let added = assignments::assign(&mut tx, random, id, &some, &author, now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        assigned += added;
        if added == 0 || (some.len() as i64) < AT_ONCE {
            return Ok(assigned);
        }
    }
}

fn told(assigned: usize) -> Notice {
    match assigned {
        0 => Notice::info("They have the application already."),
        n => Notice::success(format!(
            "{} added.",
            count(n as u64, "assignment was", "assignments were")
        )),
    }
}
