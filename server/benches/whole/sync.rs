//! Syncs: calls, writes, processor time, memory and wall time of the portal's process.

use signpost_model::Clock;
use signpost_model::run::RunScope;
use signpost_server::ambient::SystemClock;

use crate::directory;
use crate::rehearsal::{Measured, Rehearsal, Tenant};
use crate::report::{Line, Section, Unit};

/// Accounts that the practice tenant has on its first day: one more page at most.
const ON_FIRST_DAY: i64 = 9;

/// The most objects on a page of a full read.
const PAGE: i64 = 999;

/// Parts of a batch.
const BATCH: i64 = 20;

/// From an empty tenant: first sync, a sync without changes, one percent changed, everyone again.
pub(crate) async fn first(people: i64) -> Section {
    eprintln!("first sync of {people} users");
    let rehearsal = Rehearsal::begin(people, Tenant::Empty).await;
    let first = rehearsal.run(RunScope::Changed).await;
    assert_eq!(first.run.tally.applied, 2 * people, "{:#?}", first.run);
    let mut lines = first_lines(people, &first);
    lines.extend(later(people, &rehearsal).await);
    Section {
        title: format!("Sync of {people} users"),
        note: format!(
            "All users have the application, which grants one license directly; default actions, \
             no groups, no managers. Calls of the first sync: {}.",
            first.by_route()
        ),
        lines,
    }
}

fn first_lines(people: i64, first: &Measured) -> Vec<Line> {
    let thousands = people as f64 / 1_000.0;
    // A page of the tenant, a create and a license for each: performance.md's floor.
    let floor = (2 + 2 * pages(people, BATCH)) as f64;
    let writes = (2 * people) as f64;
    let per_second = people as f64 / first.seconds();
    vec![
        Line::at_most(
            "first sync: HTTP calls",
            Unit::Count,
            first.count("total"),
            (1.1 * floor).floor(),
            floor,
        ),
        Line::at_most(
            "first sync: writes",
            Unit::Count,
            first.count("writes"),
            1.1 * writes,
            writes,
        ),
        Line::at_most(
            "first sync: writes that changed nothing",
            Unit::Count,
            first.count("unchanged_writes"),
            0.0,
            0.0,
        ),
        Line::at_most(
            "first sync: connections",
            Unit::Count,
            first.count("connections"),
            10.0,
            8.0,
        ),
        Line::at_most(
            "first sync: processor time per 1,000 users",
            Unit::Seconds,
            first.cpu / thousands,
            1.0,
            0.2,
        ),
        Line::at_least(
            "first sync: licensed accounts per second",
            Unit::PerSecond,
            per_second,
            500.0,
            2_000.0,
        ),
        Line::plain("first sync: wall time", Unit::Seconds, first.seconds()),
        Line::plain(
            "first sync: of it reading the tenant and planning",
            Unit::Seconds,
            first.seconds_of_planning(),
        ),
        Line::at_most(
            "first sync: peak resident memory",
            Unit::MiB,
            first.peak_mib,
            150.0,
            80.0,
        ),
    ]
}

/// From a tenant that holds everyone already, as after moving from another product.
pub(crate) async fn adopted(people: i64) -> (Section, Rehearsal) {
    eprintln!("a tenant with {people} accounts");
    let rehearsal = Rehearsal::begin(people, Tenant::Filled).await;
    let first = rehearsal.run(RunScope::Changed).await;
    let mut lines = vec![
        Line::at_most(
            "first contact: HTTP calls",
            Unit::Count,
            first.count("total"),
            (pages(people + ON_FIRST_DAY, PAGE) + 5) as f64,
            (pages(people + ON_FIRST_DAY, PAGE) + 3) as f64,
        ),
        Line::exactly("first contact: writes", first.count("writes"), 0.0),
        Line::plain("first contact: wall time", Unit::Seconds, first.seconds()),
        Line::at_most(
            "first contact: peak resident memory",
            Unit::MiB,
            first.peak_mib,
            150.0,
            80.0,
        ),
    ];
    lines.extend(later(people, &rehearsal).await);
    let note = format!(
        "The tenant holds every account with its license before Signpost meets it, matched by \
         ImmutableId: nothing is to be written. Filling both took {:.0} s.",
        rehearsal.filled_in.as_secs_f64()
    );
    let title = format!("Sync of {people} users that are there");
    (Section { title, note, lines }, rehearsal)
}

/// Syncs of users that are in sync.
async fn later(people: i64, rehearsal: &Rehearsal) -> Vec<Line> {
    // What the first sync wrote comes back in the next delta, once.
    let echo = rehearsal.run(RunScope::Changed).await;
    let nothing = rehearsal.run(RunScope::Changed).await;
    let mut tx = rehearsal.store.write().await.unwrap();
    let now = SystemClock.now();
    let promoted = directory::promote_one_percent(&rehearsal.store, &mut tx, "Director", now).await;
    let changed = rehearsal.run_with(RunScope::Changed, tx).await;
    rehearsal.run(RunScope::Changed).await;
    let everyone = rehearsal.run(RunScope::Everyone).await;
    assert_eq!(everyone.run.tally.in_sync, people, "{:#?}", everyone.run);
    let echoed = format!(
        "{} calls, {} writes, {:.2} s",
        echo.count("total"),
        echo.count("writes"),
        echo.seconds()
    );
    let mut lines = vec![Line::told("sync right after it", echoed)];
    lines.extend(nothing_lines(&nothing));
    lines.extend(changed_lines(promoted, &changed));
    lines.extend(everyone_lines(people, &everyone));
    lines
}

fn nothing_lines(nothing: &Measured) -> Vec<Line> {
    let name = |what: &str| format!("no changes: {what}");
    vec![
        Line::at_most(
            &name("HTTP calls"),
            Unit::Count,
            nothing.count("total"),
            3.0,
            2.0,
        ),
        Line::exactly(&name("writes"), nothing.count("writes"), 0.0),
        Line::at_most(
            &name("wall time"),
            Unit::Seconds,
            nothing.seconds(),
            2.0,
            1.0,
        ),
        Line::at_most(
            &name("peak resident memory"),
            Unit::MiB,
            nothing.peak_mib,
            150.0,
            80.0,
        ),
    ]
}

fn changed_lines(promoted: i64, changed: &Measured) -> Vec<Line> {
    let name = |what: &str| format!("1 % changed: {what}");
    let floor = (2 + pages(promoted, BATCH)) as f64;
    vec![
        Line::at_most(
            &name("HTTP calls"),
            Unit::Count,
            changed.count("total"),
            floor + 2.0,
            floor,
        ),
        Line::exactly(&name("writes"), changed.count("writes"), promoted as f64),
        Line::plain(&name("wall time"), Unit::Seconds, changed.seconds()),
    ]
}

fn everyone_lines(people: i64, everyone: &Measured) -> Vec<Line> {
    let name = |what: &str| format!("full reconcile: {what}");
    let pages = pages(people + ON_FIRST_DAY, PAGE) as f64;
    let seconds = 15.0 * (people as f64 / 100_000.0).max(0.1);
    vec![
        Line::at_most(
            &name("HTTP calls"),
            Unit::Count,
            everyone.count("total"),
            pages + 5.0,
            pages + 3.0,
        ),
        Line::exactly(&name("writes"), everyone.count("writes"), 0.0),
        Line::at_most(
            &name("wall time"),
            Unit::Seconds,
            everyone.seconds(),
            seconds,
            seconds / 2.0,
        ),
        Line::plain(&name("processor time"), Unit::Seconds, everyone.cpu),
        Line::at_most(
            &name("peak resident memory"),
            Unit::MiB,
            everyone.peak_mib,
            150.0,
            80.0,
        ),
    ]
}

/// How many pages of this size hold so many.
fn pages(count: i64, size: i64) -> i64 {
    (count + size - 1) / size
}
