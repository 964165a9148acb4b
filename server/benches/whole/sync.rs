//! Syncs: calls, writes, processor time, memory and wall time of the portal's process.

use signpost_model::run::RunScope;
use signpost_model::{Clock, Policy};
use signpost_server::ambient::SystemClock;

use crate::processes::Process;
use crate::rehearsal::{Beginning, Measured, Rehearsal, Tenant};
use crate::report::{Line, Section, Unit};
use crate::{Scale, directory};

/// Accounts that the practice tenant has on its first day: one more page at most.
const ON_FIRST_DAY: i64 = 9;

/// The most objects on a page of a full read.
const PAGE: i64 = 999;

/// Parts of a batch.
const BATCH: i64 = 20;

/// From an empty tenant: first sync, a sync without changes, one percent changed, everyone again,
/// everyone removed.
pub(crate) async fn first(people: i64) -> Section {
    eprintln!("first sync of {people} users");
    let rehearsal = Rehearsal::begin(people, Tenant::Empty).await;
    let first = rehearsal.run(RunScope::Changed).await;
    assert_eq!(first.run.tally.applied, 2 * people, "{:#?}", first.run);
    let mut lines = first_lines(people, &first);
    lines.extend(later(people, &rehearsal).await);
    lines.extend(removed(people, &rehearsal).await);
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

/// Groups that are pushed, of which everyone is in two.
const GROUPS: usize = 11;

/// From an empty tenant: first sync of users with a license and two groups each.
pub(crate) async fn with_groups(people: i64) -> Section {
    let mut lines = Vec::new();
    for (how, licensed) in [("license directly", false), ("license by group", true)] {
        eprintln!("first sync of {people} users with two groups each, {how}");
        let rehearsal = Rehearsal::begin(people, Tenant::Empty).await;
        rehearsal.beginning.push_groups(GROUPS, licensed).await;
        let first = rehearsal.run(RunScope::Changed).await;
        assert_eq!(first.run.tally.failed, 0, "{:#?}", first.run);
        // performance.md's floor: creates, twenty memberships to a write, and the license.
        let creates = pages(people, BATCH);
        let direct = if licensed { 0 } else { people };
        let floor = (2 + creates + pages(2 * people, BATCH * BATCH) + pages(direct, BATCH)) as f64;
        let writes = (people + pages(2 * people, BATCH) + direct) as f64;
        let name = |what: &str| format!("{how}: {what}");
        lines.extend([
            Line::at_most(
                &name("HTTP calls"),
                Unit::Count,
                first.count("total"),
                (1.1 * floor).floor(),
                floor,
            ),
            Line::at_most(
                &name("writes"),
                Unit::Count,
                first.count("writes"),
                (1.1 * writes).floor(),
                writes,
            ),
            Line::at_most(
                &name("processor time per 1,000 users"),
                Unit::Seconds,
                first.cpu * 1_000.0 / people as f64,
                1.0,
                0.3,
            ),
            Line::plain(&name("wall time"), Unit::Seconds, first.seconds()),
            Line::told(&name("calls by kind"), first.by_route()),
        ]);
        rehearsal.run(RunScope::Changed).await;
        let nothing = rehearsal.run(RunScope::Changed).await;
        lines.push(Line::at_most(
            &name("no changes: HTTP calls"),
            Unit::Count,
            nothing.count("total"),
            3.0,
            2.0,
        ));
        lines.push(Line::exactly(
            &name("no changes: writes"),
            nothing.count("writes"),
            0.0,
        ));
    }
    Section {
        title: format!("Sync of {people} users with groups"),
        note: format!(
            "First sync of users with one license and two of {GROUPS} pushed groups each; the \
             groups are created too. The floor counts twenty creates to a call, twenty members \
             to a write, and nothing for the groups themselves."
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
    let mut lines = first_contact(people, &rehearsal).await;
    lines.extend(later(people, &rehearsal).await);
    let note = format!(
        "The tenant holds every account with its license before Signpost meets it, matched by \
         ImmutableId: nothing is to be written. Filling both took {:.0} s.",
        rehearsal.filled_in.as_secs_f64()
    );
    let title = format!("Sync of {people} users that are there");
    (Section { title, note, lines }, rehearsal)
}

/// The database of such an installation, without what Signpost learns of its tenant.
pub(crate) async fn filled(people: i64) -> Beginning {
    eprintln!("a directory of {people} users");
    let practice = Process::practice_tenant();
    Beginning::of(people, Tenant::Empty, &practice.url, &SystemClock).await
}

async fn first_contact(people: i64, rehearsal: &Rehearsal) -> Vec<Line> {
    let first = rehearsal.run(RunScope::Changed).await;
    assert_eq!(first.run.tally.users, people, "{:#?}", first.run);
    let floor = full_read(people);
    vec![
        Line::at_most(
            "first contact: HTTP calls",
            Unit::Count,
            first.count("total"),
            floor + 5.0,
            floor + 3.0,
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
    ]
}

/// Whether memory grows with the directory: everyone read and planned, nothing to be done.
pub(crate) async fn flat(scale: Scale) -> Section {
    let (few, many) = (scale.middle, 3 * scale.large);
    let mut lines = Vec::new();
    let mut peaks = Vec::new();
    for people in [few, many] {
        eprintln!("full reconcile of {people} users");
        let rehearsal = Rehearsal::begin(people, Tenant::Filled).await;
        rehearsal.run(RunScope::Changed).await;
        let before = rehearsal.run(RunScope::Everyone).await;
        let everyone = rehearsal.run(RunScope::Everyone).await;
        assert_eq!(everyone.run.tally.in_sync, people, "{:#?}", everyone.run);
        let largest = everyone.peak_mib.max(before.peak_mib);
        let what = format!("{people} users");
        lines.push(Line::at_most(
            &format!("{what}: HTTP calls"),
            Unit::Count,
            everyone.count("total"),
            full_read(people) + 5.0,
            full_read(people) + 3.0,
        ));
        lines.push(Line::exactly(
            &format!("{what}: writes"),
            everyone.count("writes"),
            0.0,
        ));
        lines.push(Line::plain(
            &format!("{what}: wall time"),
            Unit::Seconds,
            everyone.seconds(),
        ));
        lines.push(Line::at_most(
            &format!("{what}: peak resident memory"),
            Unit::MiB,
            largest,
            150.0,
            80.0,
        ));
        peaks.push(largest);
    }
    lines.push(Line::at_most(
        &format!("memory, {many} users against {few}"),
        Unit::Times,
        peaks[1] / peaks[0],
        1.25,
        1.1,
    ));
    Section {
        title: "Full reconcile of small and large directories".to_owned(),
        note: "Everyone is read from the tenant and planned again, twice over in the same \
               process; nothing is to be done. The calls are the floor's pages and five more."
            .to_owned(),
        lines,
    }
}

/// Syncs of users that are in sync.
async fn later(people: i64, rehearsal: &Rehearsal) -> Vec<Line> {
    // What the first sync wrote comes back in the next delta, once.
    let echo = rehearsal.run(RunScope::Changed).await;
    let nothing = rehearsal.run(RunScope::Changed).await;
    let store = &rehearsal.beginning.store;
    let mut tx = store.write().await.unwrap();
    let now = SystemClock.now();
    let promoted = directory::promote_one_percent(store, &mut tx, "Director", now).await;
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
    let floor = full_read(people);
    let seconds = 15.0 * (people as f64 / 100_000.0).max(0.1);
    vec![
        Line::at_most(
            &name("HTTP calls"),
            Unit::Count,
            everyone.count("total"),
            floor + 5.0,
            floor + 3.0,
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

/// Everyone loses the application: sign-in blocked, sessions ended, licenses taken back.
async fn removed(people: i64, rehearsal: &Rehearsal) -> Vec<Line> {
    const WRITES_EACH: i64 = 3;
    let policy = Policy {
        remove_licenses: true,
        ..Policy::default()
    };
    let mut tx = rehearsal.beginning.store.write().await.unwrap();
    rehearsal.beginning.unassign_all(&mut tx, &policy).await;
    let removed = rehearsal.run_with(RunScope::Changed, tx).await;
    let writes = (WRITES_EACH * people) as f64;
    assert!(
        (removed.run.tally.applied as f64 - writes).abs() < 0.5,
        "{:#?}",
        removed.run
    );
    // The delta and the products, then three writes for each, twenty to a call.
    let floor = (2 + WRITES_EACH * pages(people, BATCH)) as f64;
    let name = |what: &str| format!("all removed: {what}");
    vec![
        Line::at_most(
            &name("HTTP calls"),
            Unit::Count,
            removed.count("total"),
            (1.1 * floor).floor(),
            floor,
        ),
        Line::at_most(
            &name("writes (block sign-in, end sessions, remove license)"),
            Unit::Count,
            removed.count("writes"),
            1.1 * writes,
            writes,
        ),
        Line::at_most(
            &name("processor time per 1,000 users"),
            Unit::Seconds,
            removed.cpu * 1_000.0 / people as f64,
            1.0,
            0.3,
        ),
        Line::plain(&name("wall time"), Unit::Seconds, removed.seconds()),
    ]
}

/// Pages of a full read of a tenant with these accounts.
fn full_read(people: i64) -> f64 {
    pages(people + ON_FIRST_DAY, PAGE) as f64
}

/// How many pages of this size hold so many.
fn pages(count: i64, size: i64) -> i64 {
    (count + size - 1) / size
}
