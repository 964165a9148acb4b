//! The people whom somebody would ask for a second factor twice, or whom only Microsoft can ask.

use leptos::prelude::*;
use signpost_model::ApplicationId;
use signpost_model::Role;
use signpost_model::readiness::{MfaTally, PerUserMfa};
use signpost_store::asked_people::{self, Asked, AskedPerson};
use signpost_store::{account_readings, connections, readiness};

use super::time;
use crate::components::plural::count;
use crate::components::{
    Badge, Card, Chip, Chips, Column, DataTable, EmptyState, FilterBar, Icon, Narrow, Pager,
    Person, Status, StatusBadge, Tone,
};
use crate::listing::Query;
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::{found, id_of_page};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::require;

/// What the address says is shown.
const SHOW: &str = "show";

/// The page.
#[component]
pub fn PeoplePage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let query = Query::current();
        let asked: Asked = query.get(SHOW).parse().unwrap_or_default();
        let search = query.get("q").to_owned();
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let reading = account_readings::find(&mut read, id).await?;
        let without = readiness::count_without_factor(&mut read, id).await?;
        let people = asked_people::list(&mut read, id, asked, &search, &query.page()).await?;
        drop(read);
        let address = urls::application_asked_people(id);
        let pages = query.pages(&address, &people);
        let tally = reading.as_ref().map(|reading| reading.tally);
        let shown = count(people.items.len() as u64, "person shown", "people shown");
        let at = reading.and_then(|reading| reading.finished_at);
        let read_at = at.map(|at| view! { "Accounts were read " {time(at)} ". " });
        let clear = (!search.is_empty()).then(|| query.with(&address, &[("q", "")]));
        let body = if people.items.is_empty() {
            let unread = tally.is_none() && asked != Asked::WithoutFactor;
            view! { <Nobody unread=unread searched=!search.is_empty() /> }.into_any()
        } else {
            view! { <People people=people.items asked=asked /> }.into_any()
        };
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::Readiness
                below="People"
            >
                <Card id="people" title="Who is asked for a second factor" hint=words(asked).to_owned()>
                    <States query=query id=id tally=tally.unwrap_or_default() without=without asked=asked />
                    <FilterBar
                        label="People"
                        action=address
                        search_label="Search people"
                        search=search
                        clear=clear
                    >
                        <input type="hidden" name=SHOW value=asked.key() />
                    </FilterBar>
                    {body}
                    <footer class="card__foot">
                        <Pager summary=shown pages=pages label="Pages of people" />
                    </footer>
                </Card>
                <p class="hint">
                    {read_at} <a href=urls::application_readiness(id)>"Back to Readiness"</a>
                </p>
            </ApplicationPage>
        }
        .into_any())
    })
}

const fn words(asked: Asked) -> &'static str {
    match asked {
        Asked::Twice => {
            "Per-user MFA is on for them: Microsoft asks them again after Signpost has asked."
        }
        Asked::Administrators => {
            "Administrators with per-user MFA. It is left alone unless you choose otherwise."
        }
        Asked::Unreadable => {
            "Microsoft did not say whether it asks them. They count as unknown, never as off."
        }
        Asked::WithoutFactor => {
            "They have no second factor here yet: where Microsoft wants one, it asks for its own, or they set one up on the way."
        }
    }
}

const fn label(asked: Asked) -> &'static str {
    match asked {
        Asked::Twice => "Asked twice",
        Asked::Administrators => "Administrators",
        Asked::Unreadable => "Could not be read",
        Asked::WithoutFactor => "No second factor here",
    }
}

#[component]
fn States(
    query: Query,
    id: ApplicationId,
    tally: MfaTally,
    without: i64,
    asked: Asked,
) -> impl IntoView {
    let address = urls::application_asked_people(id);
    let chips = Asked::ALL.map(|one| {
        let number = match one {
            Asked::Twice => tally.asked,
            Asked::Administrators => tally.administrators_asked,
            Asked::Unreadable => tally.unreadable,
            Asked::WithoutFactor => without,
        };
        Chip {
            label: label(one).to_owned(),
            count: number.unsigned_abs(),
            href: query.with(&address, &[(SHOW, one.key())]),
            icon: None,
            current: one == asked,
        }
    });
    view! { <Chips label="Which people" chips=chips.to_vec() /> }.into_any()
}

#[component]
fn Nobody(unread: bool, searched: bool) -> impl IntoView {
    let (title, why) = match (unread, searched) {
        (true, _) => (
            "The accounts have not been read yet",
            "Select Read accounts on the Readiness page: whom Microsoft asks stands here afterwards.",
        ),
        (false, true) => (
            "Nobody fits",
            "Search for a part of a name or of a user name.",
        ),
        (false, false) => ("Nobody", "There is nothing to do here."),
    };
    view! { <EmptyState icon=Icon::UsersRound title=title why=why /> }.into_any()
}

#[component]
fn People(people: Vec<AskedPerson>, asked: Asked) -> impl IntoView {
    let second = match asked {
        Asked::WithoutFactor => "Second factor here",
        _ => "Per-user MFA",
    };
    let rows = people
        .into_iter()
        .map(|person| view! { <Row person=person asked=asked second=second /> })
        .collect_view();
    let columns = ["Person", second].map(Column::new);
    view! {
        <DataTable caption="People" columns=columns.to_vec() narrow=Narrow::Stacks>
            {rows}
        </DataTable>
    }
    .into_any()
}

#[component]
fn Row(person: AskedPerson, asked: Asked, second: &'static str) -> impl IntoView {
    let state = match (asked, person.state) {
        (Asked::WithoutFactor, _) => view! { <Badge tone=Tone::Warn>"None"</Badge> }.into_any(),
        (_, Some(state)) => {
            let tone = match state {
                PerUserMfa::Disabled => Tone::Plain,
                PerUserMfa::Enabled | PerUserMfa::Enforced => Tone::Warn,
            };
            view! { <Badge tone=tone>{state.label()}</Badge> }.into_any()
        }
        (_, None) => {
            let why = person.failure.unwrap_or_default();
            view! {
                <StatusBadge status=Status::UNKNOWN />
                <p class="hint">{why}</p>
            }
            .into_any()
        }
    };
    let name = person.display_name.filter(|name| !name.is_empty());
    let (name, detail) = match name {
        Some(name) => (name, person.user_name),
        None => (
            person.user_name,
            "Linked with nobody in the directory".to_owned(),
        ),
    };
    let who = match person.user_id {
        Some(user) => view! { <Person name=name detail=detail href=urls::user(user) /> }.into_any(),
        None => view! { <Person name=name detail=detail /> }.into_any(),
    };
    view! {
        <tr>
            <th scope="row">{who}</th>
            <td data-label=second>{state}</td>
        </tr>
    }
    .into_any()
}

/// The address of one of the lists.
pub(super) fn people_of(id: ApplicationId, asked: Asked) -> String {
    let address = urls::application_asked_people(id);
    urls::with_query(&address, &[(SHOW, asked.key())])
}
