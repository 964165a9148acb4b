//! Who did what to what, when and from where; newest first.

mod file;
mod words;

pub use file::events_csv;
pub(crate) use words::{address_of, happened, subject_name};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use signpost_model::audit::AuditEvent;
use signpost_model::{Operator, Role, Timestamp};
use signpost_store::audit::{self, AuditFilter, Verdict};
use signpost_store::{Cursor, Page as StoredPage, PageRequest, operators};

use crate::access::{READ, Route, WRITE};
use crate::components::{
    Button, Card, Choice, Column, DataTable, DiffList, EmptyState, Expander, FilterBar,
    FilterSelect, Form, Icon, LinkButton, Narrow, PageHeader, Pager, Pages, Precision, Time,
};
use crate::error::PortalError;
use crate::forms::{Answer, respond};
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    ("GET", "/audit-log", READ),
    ("GET", "/audit-log/events.csv", READ),
    ("POST", "/api/audit-log/verify", WRITE),
];

/// Events on one page.
const PAGE_SIZE: u32 = 50;

/// What the address asks for.
#[derive(Debug, Clone, Default)]
struct Query {
    text: String,
    action: String,
    actor: String,
    from: String,
    to: String,
    at: String,
}

impl Query {
    fn of_address() -> Self {
        use_query_map()
            .with_untracked(|query| Self::parse(|name| query.get(name).unwrap_or_default()))
    }

    /// Reads the query by a look-up of its parts.
    fn parse(get: impl Fn(&str) -> String) -> Self {
        Self {
            text: get("q"),
            action: get("action"),
            actor: get("actor"),
            from: get("from"),
            to: get("to"),
            at: get("at"),
        }
    }

    fn is_filtered(&self) -> bool {
        [&self.text, &self.action, &self.actor, &self.from, &self.to]
            .iter()
            .any(|value| !value.is_empty())
    }

    /// The same filter at another place of the list.
    fn address(&self, at: &str) -> String {
        self.address_of(urls::AUDIT_LOG, at)
    }

    fn address_of(&self, page: &str, at: &str) -> String {
        urls::with_query(
            page,
            &[
                ("q", &self.text),
                ("action", &self.action),
                ("actor", &self.actor),
                ("from", &self.from),
                ("to", &self.to),
                ("at", at),
            ],
        )
    }

    /// What is not a day is left out, like an empty field.
    fn filter(&self, zone: &TimeZone) -> AuditFilter {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        AuditFilter {
            text: some(self.text.trim()),
            action: some(&self.action),
            actor_id: some(&self.actor),
            from: start_of(&self.from, zone, 0),
            to: start_of(&self.to, zone, 1),
            ..AuditFilter::default()
        }
    }
}

/// When the day begins that lies this many days after the one of a date field.
fn start_of(text: &str, zone: &TimeZone, days_later: i64) -> Option<Timestamp> {
    let day: Date = text.parse().ok()?;
    let day = day.checked_add(jiff::Span::new().days(days_later)).ok()?;
    let start = day.to_zoned(zone.clone()).ok()?;
    Some(Timestamp::from_millis(start.timestamp().as_millisecond()))
}

/// The page.
#[component]
pub fn AuditLog() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let (portal, visit) = (portal()?, visit());
        let query = Query::of_address();
        let zone = TimeZone::get(&visit.organisation.time_zone).unwrap_or(TimeZone::UTC);
        // A place that no list of ours made is the first page.
        let request = match query.at.parse::<Cursor>() {
            Ok(cursor) => PageRequest::at(PAGE_SIZE, cursor),
            Err(_) => PageRequest::first(PAGE_SIZE),
        };
        let mut read = portal.store.read().await?;
        let events = match audit::list(&mut read, &query.filter(&zone), &request).await {
            Err(signpost_store::Error::InvalidCursor) => {
                let first = PageRequest::first(PAGE_SIZE);
                audit::list(&mut read, &query.filter(&zone), &first).await?
            }
            other => other?,
        };
        let actors = operators::list(&mut read).await?;
        drop(read);
        let file = query.address_of(urls::AUDIT_LOG_FILE, "");
        let download = move || {
            view! { <LinkButton href=file icon=Icon::Download>"Download CSV"</LinkButton> }
        };
        Ok(view! {
            <Page title="Audit log" section=Section::AuditLog>
                <PageHeader title="Audit log" />
                <Notices />
                <Card id="events" title="Events" hint="Newest first.".to_owned() actions=download>
                    <Filters query=query.clone() actors=actors />
                    <Events events=events query=query />
                </Card>
                <Chain may_check=visit.may(Role::Administrator) />
            </Page>
        }
        .into_any())
    })
}

#[component]
fn Filters(query: Query, actors: Vec<Operator>) -> impl IntoView {
    let mut people = vec![Choice::new("", "Everybody")];
    people.extend(
        actors
            .into_iter()
            .map(|operator| Choice::new(operator.id.to_string(), operator.name)),
    );
    let mut kinds = vec![Choice::new("", "Everything")];
    kinds.extend(words::KINDS.map(|(key, label)| Choice::new(key, label)));
    let clear = query.is_filtered().then(|| urls::AUDIT_LOG.to_owned());
    view! {
        <FilterBar label="Audit log" action=urls::AUDIT_LOG search_label="Search the audit log" search=query.text clear=clear>
            <FilterSelect name="action" label="About" choices=kinds chosen=query.action />
            <FilterSelect name="actor" label="By" choices=people chosen=query.actor />
            <Day name="from" label="From" value=query.from />
            <Day name="to" label="To" value=query.to />
        </FilterBar>
    }
    .into_any()
}

#[component]
fn Day(name: &'static str, label: &'static str, value: String) -> impl IntoView {
    let id = format!("filter-{name}");
    view! {
        <span class="row">
            <label for=id.clone()>{label}</label>
            <input class="input" id=id name=name type="date" value=value />
        </span>
    }
    .into_any()
}

#[component]
fn Events(events: StoredPage<AuditEvent>, query: Query) -> impl IntoView {
    if events.items.is_empty() {
        let why = if query.is_filtered() {
            "Nothing matches these filters. Choose other days, or clear the filters."
        } else {
            "Whatever somebody changes or tries is written down here."
        };
        return view! { <EmptyState icon=Icon::ScrollText title="No events" why=why /> }.into_any();
    }
    let pages = Pages {
        first: events.previous.as_ref().map(|_| query.address("")),
        previous: events
            .previous
            .map(|place| query.address(&place.to_string())),
        next: events.next.map(|place| query.address(&place.to_string())),
    };
    let summary = match events.items.len() {
        1 => "1 event".to_owned(),
        count => format!("{count} events"),
    };
    let rows = events
        .items
        .into_iter()
        .map(|event| view! { <Row event=event /> })
        .collect_view();
    let columns = vec![
        Column::new("When"),
        Column::new("What"),
        Column::new("On what"),
        Column::new("Who"),
        Column::new("From"),
    ];
    view! {
        <DataTable caption="Events" columns=columns narrow=Narrow::Stacks>
            {rows}
        </DataTable>
        <footer class="card__foot">
            <Pager summary=summary pages=pages />
        </footer>
    }
    .into_any()
}

#[component]
fn Row(event: AuditEvent) -> impl IntoView {
    let at = event.at.to_jiff();
    let changes = words::changes(event.before.as_deref(), event.after.as_deref());
    let details = (!changes.is_empty()).then(|| {
        view! {
            <Expander summary="Details">
                <DiffList changes=changes />
            </Expander>
        }
    });
    let name = words::subject_name(&event.subject);
    let subject = match words::address_of(&event.subject) {
        Some(href) => view! { <a href=href>{name}</a> }.into_any(),
        None => name.into_any(),
    };
    view! {
        <tr>
            <th scope="row">{at.map(|at| view! { <Time at=at precision=Precision::Second /> })}</th>
            <td data-label="What">{words::action(&event.action)} {details}</td>
            <td data-label="On what">{subject}</td>
            <td data-label="Who">{event.actor_name}</td>
            <td data-label="From" class="mono">{event.address.unwrap_or_else(|| "This server".to_owned())}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Chain(may_check: bool) -> impl IntoView {
    let check = may_check.then(|| {
        view! {
            <Form action="/api/audit-log/verify">
                <Button>"Check the chain"</Button>
            </Form>
        }
    });
    view! {
        <Card
            id="chain"
            title="Can it be trusted?"
            hint="Nothing in Signpost changes or deletes an event. Each carries a hash over the one before, so that a change from outside shows.".to_owned()
        >
            <div class="card__body row">
                <span class="grow">"On the server: " <code class="mono">"signpost audit verify"</code></span>
                {check}
            </div>
        </Card>
    }
    .into_any()
}

/// Checks every event against its hash and the one before.
#[server(prefix = "/api", endpoint = "audit-log/verify")]
pub async fn verify_chain() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let verdict = audit::verify(&portal()?.store).await?;
        let notice = match verdict {
            Verdict::Whole { events } => {
                Notice::success(format!("The chain is whole: {events} events checked."))
            }
            Verdict::Broken { sequence } => Notice::error(format!(
                "The chain is broken at event {sequence}: it or one before it was changed from outside."
            )),
        };
        Ok(Answer::to(urls::AUDIT_LOG).notice(notice))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_where_the_organisation_is() {
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        let start = |text, later| start_of(text, &berlin, later).map(|at| at.to_string());
        assert_eq!(
            start("2026-11-24", 0).as_deref(),
            Some("2026-11-23T23:00:00Z")
        );
        assert_eq!(
            start("2026-11-24", 1).as_deref(),
            Some("2026-11-24T23:00:00Z")
        );
        assert_eq!(start("yesterday", 0), None);
    }
}
