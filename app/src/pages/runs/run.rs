//! One run: its state, its plan, and the buttons that make sense now.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};
use signpost_model::plan::ActionKind;
use signpost_model::run::{Run, RunScope, RunState, WaitsFor};
use signpost_model::{Role, RunId, Timestamp};
use signpost_store::runs::actions::{self, ActionFilter, ActionState, BlockedUser, StoredAction};
use signpost_store::runs::approval;
use signpost_store::runs::tenant_actions as stored_tenant_actions;
use signpost_store::{Cursor, Page as StorePage, PageRequest, applications, runs};

use super::actions::{Actions, Blocked, look_of};
use super::list::duration;
use super::status_of;
use super::tenant_actions::{self, TenantActions, TenantPage};
use crate::components::plural::{count, digits};
use crate::components::{
    Button, Card, CardKind, Chip, Chips, EmptyState, FilterBar, Form, Icon, LinkButton, Live,
    LiveStatus, Look, Notice, PageHeader, Pager, Pages, Progress, ProgressKind, StatusBadge, Time,
    Tone, Urgency,
};
use crate::error::PortalError;
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::shell::{NoticesBesideStatus, Page, Section};
use crate::urls;
use crate::visit::{Visit, require, visit};

const ROWS: u32 = 50;

/// Changes after which the pace says something about the rest.
const LEAST_FOR_A_PACE: i64 = 20;

/// The page of one run.
#[component]
pub fn RunPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = use_params_map().with_untracked(|params| params.get("id"));
        let id: RunId = id
            .and_then(|id| id.parse().ok())
            .ok_or(PortalError::NotFound)?;
        let wanted = use_query_map()
            .with_untracked(|query| Wanted::parse(|name| query.get(name).unwrap_or_default()));
        let data = RunData::load(&portal()?, id, wanted).await?;
        let title = if data.run.state == RunState::AwaitingApproval {
            "Plan"
        } else {
            "Run"
        };
        let above = vec![crate::components::Crumb::link("Runs", urls::RUNS)];
        let under_way = !data.run.state.is_over() && data.run.state != RunState::AwaitingApproval;
        let events =
            under_way.then(|| urls::with_query(&urls::run_events(id), &data.wanted.query_pairs()));
        let application = data.application_name.clone();
        let state = data.run.state.label();
        let body = body(data, &visit());
        Ok(view! {
            <Page title=title section=Section::Runs above=above>
                <PageHeader title=format!("{title} of {application}") />
                <NoticesBesideStatus />
                <Live events=events>
                    <LiveStatus>{state}</LiveStatus>
                    {body}
                </Live>
            </Page>
        })
    })
}

/// What the request asks to see of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    filter: ActionFilter,
    problems: bool,
    page: Option<Cursor>,
    /// Where the page of changes to the tenant itself begins.
    after: i64,
}

impl Wanted {
    /// Reads the query by a look-up of its parts.
    pub(super) fn parse(get: impl Fn(&str) -> String) -> Self {
        Self {
            filter: ActionFilter {
                kind: get("kind").parse().ok(),
                state: get("outcome").parse().ok(),
                search: get("q").chars().take(200).collect(),
            },
            problems: get("show") == "problems",
            page: get("page").parse().ok(),
            after: get("after").parse().unwrap_or(0).max(0),
        }
    }

    fn query_pairs(&self) -> Vec<(&str, &str)> {
        vec![
            ("kind", self.filter.kind.map_or("", ActionKind::key)),
            ("outcome", self.filter.state.map_or("", ActionState::key)),
            ("q", self.filter.search.as_str()),
            ("show", if self.problems { "problems" } else { "" }),
        ]
    }
}

/// Everything the page of a run shows.
#[derive(Debug)]
pub(super) struct RunData {
    pub(super) run: Run,
    application_name: String,
    wanted: Wanted,
    counts: Vec<(ActionKind, ActionState, i64)>,
    actions: StorePage<StoredAction>,
    tenant: TenantPage,
    blocked: StorePage<BlockedUser>,
    retriable: i64,
    now: Timestamp,
}

impl RunData {
    /// Reads it; what the filter leaves out is not read.
    pub(super) async fn load(
        portal: &Portal,
        id: RunId,
        wanted: Wanted,
    ) -> Result<Self, PortalError> {
        let mut db = portal.store.read().await?;
        let run = runs::find(&mut db, id)
            .await?
            .ok_or(PortalError::NotFound)?;
        let application = applications::find(&mut db, run.application_id).await?;
        let request = match wanted.page.clone() {
            Some(cursor) => PageRequest::at(ROWS, cursor),
            None => PageRequest::first(ROWS),
        };
        let none = || StorePage {
            items: Vec::new(),
            next: None,
            previous: None,
        };
        let unfiltered = wanted.filter == ActionFilter::default();
        let blocked = if wanted.problems {
            actions::list_blocked(&mut db, id, &request).await?
        } else if unfiltered && wanted.page.is_none() {
            actions::list_blocked(&mut db, id, &PageRequest::first(ROWS)).await?
        } else {
            StorePage { ..none() }
        };
        let actions = if wanted.problems {
            StorePage {
                items: Vec::new(),
                next: None,
                previous: None,
            }
        } else {
            actions::list(&mut db, id, &wanted.filter, &request).await?
        };
        let counts = actions::count(&mut db, id).await?;
        let (after, rows) = (wanted.after, tenant_actions::ROWS);
        let tenant = TenantPage {
            actions: stored_tenant_actions::list(&mut db, id, after, rows).await?,
            after,
            total: stored_tenant_actions::count(&mut db, id).await?,
        };
        let retriable = if run.state.is_over() {
            approval::count_retriable(&mut db, id).await?
        } else {
            0
        };
        Ok(Self {
            application_name: application
                .map_or_else(|| "a deleted application".to_owned(), |found| found.name),
            run,
            wanted,
            counts,
            actions,
            tenant,
            blocked,
            retriable,
            now: portal.clock.now(),
        })
    }
}

/// The part of the page that changes while a run is under way.
pub(super) fn body(data: RunData, visit: &Visit) -> AnyView {
    let may = visit.may(Role::Administrator);
    let waits = data.run.state == RunState::AwaitingApproval;
    let summary =
        view! { <Summary run=data.run.clone() retriable=data.retriable may=may now=data.now /> };
    let plan = view! { <PlanOf data=data may_choose=waits && may /> };
    view! {
        <div id="run-live" class="stack">
            {summary}
            {plan}
        </div>
    }
    .into_any()
}

#[component]
fn Summary(run: Run, retriable: i64, may: bool, now: Timestamp) -> impl IntoView {
    let done = run.tally.applied + run.tally.failed + run.tally.skipped;
    let progress = matches!(run.state, RunState::Applying).then(|| {
        view! {
            <Progress
                label="Run progress"
                done=done.unsigned_abs()
                total=run.tally.actions.max(1).unsigned_abs()
                kind=ProgressKind::Running
            />
        }
    });
    let state = status_of(run.state);
    let asked = run
        .request
        .as_ref()
        .map(|request| view! { <p>{request.title()} "."</p> });
    let started = run.created_at.to_jiff().map(|at| view! { <Time at=at /> });
    let by = if run.requested_by.is_empty() {
        run.trigger.label().to_owned()
    } else {
        format!("{}, {}", run.trigger.label(), run.requested_by)
    };
    let failure = run.failure.clone().map(|failure| {
        view! {
            <Notice tone=Tone::Bad urgency=Urgency::Alert title="This run could not go on.">
                {failure.text}
                {failure.code.map(|code| view! { <p class="mono">{code}</p> })}
                {failure.request_id.map(|id| view! { <p class="mono">{id}</p> })}
            </Notice>
        }
    });
    let question = run
        .waits_for
        .clone()
        .filter(|_| run.state == RunState::AwaitingApproval)
        .map(question);
    let buttons = view! { <Buttons run=run.clone() retriable=retriable may=may /> };
    view! {
        {failure}
        {question}
        <Card
            id="summary"
            title="Summary"
            lead=move || view! { <StatusBadge status=state /> }
            footer=move || view! { {buttons} }
        >
            <div class="card__body stack">
                {asked}
                <p>{sentence(&run)}</p>
                {progress}
                {rest_of(&run, now).map(|words| view! { <p>{words}</p> })}
                <p class="hint">
                    "Started " {started} ". " {by} ". " {run.scope.label()} "."
                    {run.approved_by.clone().map(|name| format!(" Applied by {name}."))}
                    {took(&run)}
                </p>
            </div>
        </Card>
    }
    .into_any()
}

/// How long the run will still take at the pace so far; nothing before there is one.
fn rest_of(run: &Run, now: Timestamp) -> Option<String> {
    if run.state != RunState::Applying {
        return None;
    }
    let tally = run.tally;
    let done = tally.applied + tally.failed + tally.skipped;
    let began = run.planned_at?.max(run.approved_at.unwrap_or_default());
    let millis = still_takes(now.millis_since(began), done, tally.actions - done)?;
    Some(format!("About {} left.", duration(millis)))
}

/// How long `left` changes take when `done` of them took `spent` milliseconds.
fn still_takes(spent: i64, done: i64, left: i64) -> Option<i64> {
    if done < LEAST_FOR_A_PACE || left <= 0 || spent <= 0 {
        return None;
    }
    let millis = i128::from(spent) * i128::from(left) / i128::from(done);
    Some(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn took(run: &Run) -> Option<String> {
    let (from, to) = (run.started_at?, run.finished_at?);
    Some(format!(" Took {}.", duration(to.millis_since(from))))
}

fn question(waits: WaitsFor) -> AnyView {
    let (title, text) = match waits {
        WaitsFor::Preview => (
            "This is a preview.".to_owned(),
            "Nothing changes in Microsoft 365 until you select Apply.".to_owned(),
        ),
        WaitsFor::Limit {
            removals,
            earlier,
            allowed,
        } => (
            format!(
                "This plan takes something away from {}.",
                accounts(removals)
            ),
            over_the_limit(earlier, allowed),
        ),
        WaitsFor::Choices { users } => (
            format!(
                "{} a choice.",
                if users == 1 {
                    "1 user needs".to_owned()
                } else {
                    format!("{users} users need")
                }
            ),
            "Choose an account or Leave out for each of them, or apply the plan without them."
                .to_owned(),
        ),
    };
    view! { <Notice tone=Tone::Warn title=title>{text}</Notice> }.into_any()
}

fn over_the_limit(earlier: i64, allowed: i64) -> String {
    let more = if earlier == 0 {
        format!("That is more than your limit of {allowed}.")
    } else {
        format!(
            "With {} of the last 24 hours and of plans that wait, that is more than your limit of {allowed}.",
            accounts(earlier)
        )
    };
    format!("{more} Look at each of them, then apply or discard the plan.")
}

fn accounts(number: i64) -> String {
    count(number.unsigned_abs(), "account", "accounts")
}

/// One sentence: in future tense for a plan, in past tense for a run.
fn sentence(run: &Run) -> String {
    let tally = run.tally;
    let changes = |number: i64| count(number.unsigned_abs(), "change", "changes");
    let users = |number: i64| count(number.unsigned_abs(), "user", "users");
    match run.state {
        RunState::Queued => "Waiting for a worker.".to_owned(),
        RunState::Planning if run.scope == RunScope::Tenant => {
            "Reading the tenant. You can leave this page.".to_owned()
        }
        RunState::Planning => format!(
            "Reading the tenant and comparing it with the directory. {} looked at so far. You can leave this page.",
            users(tally.users)
        ),
        RunState::AwaitingApproval if run.scope == RunScope::Tenant => {
            format!("{} will be made.", changes(tally.actions))
        }
        RunState::AwaitingApproval => format!(
            "{} will be made. {} already as desired, {} left out.",
            changes(tally.actions),
            users(tally.in_sync),
            users(tally.blocked)
        ),
        RunState::Applying => format!(
            "{} of {} done, {} failed. You can leave this page. The sync keeps running.",
            digits((tally.applied + tally.failed + tally.skipped).unsigned_abs()),
            changes(tally.actions),
            tally.failed
        ),
        _ if run.scope == RunScope::Tenant && tally.actions > 0 => format!(
            "{} made, {} failed, {} skipped.",
            changes(tally.applied),
            tally.failed,
            tally.skipped
        ),
        _ if run.scope == RunScope::Tenant && run.failure.is_none() => {
            "Nothing had to change: the tenant already is as asked.".to_owned()
        }
        _ if tally.actions == 0 && tally.blocked == 0 && run.failure.is_none() => {
            format!(
                "Nothing had to change. {} already as desired.",
                users(tally.in_sync)
            )
        }
        _ => format!(
            "{} made, {} failed, {} skipped. {} already as desired, {} left out.",
            changes(tally.applied),
            tally.failed,
            tally.skipped,
            users(tally.in_sync),
            users(tally.blocked)
        ),
    }
}

#[component]
fn Buttons(run: Run, retriable: i64, may: bool) -> impl IntoView {
    let id = run.id.to_string();
    let csv = view! {
        <LinkButton href=urls::run_csv(run.id) icon=Icon::Download>
            "Download CSV"
        </LinkButton>
        <LinkButton href=urls::run_json(run.id) icon=Icon::Download>
            "Download JSON"
        </LinkButton>
    };
    let acts = may.then(|| match run.state {
        RunState::AwaitingApproval => {
            let hash = run.plan_hash.clone().unwrap_or_default();
            let discarded = id.clone();
            view! {
                <Form action="/api/runs/discard">
                    <input type="hidden" name="run" value=discarded />
                    <Button>"Discard"</Button>
                </Form>
                <Form action="/api/runs/apply">
                    <input type="hidden" name="run" value=id.clone() />
                    <input type="hidden" name="hash" value=hash />
                    <Button look=Look::Primary icon=Icon::Play>
                        "Apply"
                    </Button>
                </Form>
            }
            .into_any()
        }
        RunState::Queued | RunState::Planning | RunState::Applying => {
            let disabled = run
                .cancel_requested
                .then(|| "The run is stopping.".to_owned());
            view! {
                <Form action="/api/runs/cancel">
                    <input type="hidden" name="run" value=id.clone() />
                    <Button disabled_because=disabled>"Cancel"</Button>
                </Form>
            }
            .into_any()
        }
        _ if retriable > 0 => view! {
            <Form action="/api/runs/retry">
                <input type="hidden" name="run" value=id.clone() />
                <Button look=Look::Primary icon=Icon::RefreshCw>
                    "Retry failed"
                </Button>
            </Form>
        }
        .into_any(),
        _ => ().into_any(),
    });
    view! {
        <span class="grow">
            <a href=urls::application_provisioning(run.application_id)>"Provisioning"</a>
        </span>
        {csv}
        {acts}
    }
    .into_any()
}

#[component]
fn PlanOf(data: RunData, may_choose: bool) -> impl IntoView {
    let RunData {
        run,
        wanted,
        counts,
        actions,
        blocked,
        tenant,
        ..
    } = data;
    let of_tenant = view! { <TenantActions run=run.id page=tenant /> };
    if run.scope == RunScope::Tenant {
        return of_tenant.into_any();
    }
    let choosable = may_choose && !blocked.items.is_empty();
    let problems = (!blocked.items.is_empty()).then(|| {
        let table = view! {
            <Blocked application=run.application_id users=blocked.items may_choose=may_choose />
        };
        let pages = Pages {
            first: None,
            previous: blocked.previous.as_ref().map(|at| problem_page(&run, at)),
            next: blocked.next.as_ref().map(|at| problem_page(&run, at)),
        };
        let summary = count(
            run.tally.blocked.unsigned_abs(),
            "user left out",
            "users left out",
        );
        view! {
            <Card id="problems" title="Problems" kind=CardKind::Danger>
                <Form action="/api/runs/choose">
                    <input type="hidden" name="run" value=run.id.to_string() />
                    {table}
                    <footer class="card__foot">
                        <Pager summary=summary pages=pages label="Pages of problems" />
                        {choosable.then(|| view! { <Button>"Save choices"</Button> })}
                    </footer>
                </Form>
            </Card>
        }
    });
    let chips = view! { <Filters run=run.clone() wanted=wanted.clone() counts=counts /> };
    let table =
        (!wanted.problems).then(|| view! { <ActionList run=run wanted=wanted actions=actions /> });
    view! {
        {problems}
        {of_tenant}
        <Card id="actions" title="Actions" hint="Every change with its reason.".to_owned()>
            {chips}
            {table}
        </Card>
    }
    .into_any()
}

fn problem_page(run: &Run, cursor: &Cursor) -> String {
    urls::with_query(
        &urls::run(run.id),
        &[("show", "problems"), ("page", &cursor.to_string())],
    )
}

#[component]
fn Filters(run: Run, wanted: Wanted, counts: Vec<(ActionKind, ActionState, i64)>) -> impl IntoView {
    let address = urls::run(run.id);
    let mut by_kind: BTreeMap<ActionKind, i64> = BTreeMap::new();
    let mut failed = 0;
    for (kind, state, number) in counts {
        *by_kind.entry(kind).or_default() += number;
        if state == ActionState::Failed {
            failed += number;
        }
    }
    let all: i64 = by_kind.values().sum();
    let unfiltered =
        wanted.filter.kind.is_none() && wanted.filter.state.is_none() && !wanted.problems;
    let mut chips = vec![Chip {
        label: "All changes".to_owned(),
        count: all.unsigned_abs(),
        href: address.clone(),
        icon: None,
        current: unfiltered,
    }];
    if run.tally.blocked > 0 {
        chips.push(Chip {
            label: "Problems".to_owned(),
            count: run.tally.blocked.unsigned_abs(),
            href: urls::with_query(&address, &[("show", "problems")]),
            icon: Some((Icon::CircleX, Tone::Bad)),
            current: wanted.problems,
        });
    }
    if failed > 0 {
        chips.push(Chip {
            label: "Failed".to_owned(),
            count: failed.unsigned_abs(),
            href: urls::with_query(&address, &[("outcome", ActionState::Failed.key())]),
            icon: Some((Icon::TriangleAlert, Tone::Warn)),
            current: wanted.filter.state == Some(ActionState::Failed),
        });
    }
    chips.extend(by_kind.into_iter().map(|(kind, number)| Chip {
        label: kind.label().to_owned(),
        count: number.unsigned_abs(),
        href: urls::with_query(&address, &[("kind", kind.key())]),
        icon: Some(look_of(kind)),
        current: wanted.filter.kind == Some(kind),
    }));
    let clear = (!wanted.filter.search.is_empty()).then(|| address.clone());
    let kind = wanted.filter.kind.map_or("", ActionKind::key);
    let outcome = wanted.filter.state.map_or("", ActionState::key);
    view! {
        <Chips label="Filter the plan" chips=chips />
        <FilterBar
            label="Actions"
            action=address
            search_label="Search users of this run"
            search=wanted.filter.search
            clear=clear
        >
            <input type="hidden" name="kind" value=kind />
            <input type="hidden" name="outcome" value=outcome />
        </FilterBar>
    }
    .into_any()
}

#[component]
fn ActionList(run: Run, wanted: Wanted, actions: StorePage<StoredAction>) -> impl IntoView {
    if actions.items.is_empty() {
        let (title, why) = match run.state {
            RunState::Queued | RunState::Planning => (
                "No plan yet",
                "The actions appear here when the plan is made.",
            ),
            _ if run.tally.actions > 0 => (
                "No action matches",
                "Choose another filter or clear the search.",
            ),
            _ => ("Nothing to change", "Every account already is as desired."),
        };
        return view! { <EmptyState icon=Icon::CircleCheck title=title why=why /> }.into_any();
    }
    let address = |cursor: &Cursor| {
        let cursor = cursor.to_string();
        let mut pairs = wanted.query_pairs();
        pairs.push(("page", cursor.as_str()));
        urls::with_query(&urls::run(run.id), &pairs)
    };
    let pages = Pages {
        first: actions
            .previous
            .is_some()
            .then(|| urls::with_query(&urls::run(run.id), &wanted.query_pairs())),
        previous: actions.previous.as_ref().map(address),
        next: actions.next.as_ref().map(address),
    };
    let shown = digits(actions.items.len() as u64);
    let summary = format!(
        "{shown} of {}",
        count(run.tally.actions.unsigned_abs(), "action", "actions")
    );
    view! {
        <Actions application=run.application_id actions=actions.items />
        <footer class="card__foot">
            <Pager summary=summary pages=pages label="Pages of actions" />
        </footer>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::still_takes;

    #[test]
    fn the_rest_is_told_once_there_is_a_pace() {
        assert_eq!(still_takes(10_000, 100, 900), Some(90_000));
        assert_eq!(still_takes(10_000, 3, 900), None);
        assert_eq!(still_takes(10_000, 100, 0), None);
    }
}
