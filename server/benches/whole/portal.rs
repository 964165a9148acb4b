//! The portal under load: pages of a large directory, memory, start, bytes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::json;
use signpost_app::passwords::Passwords;
use signpost_model::Secret;
use signpost_server::ambient::SystemRandom;
use signpost_store::users::{self, Direction, UserFilter, UserSort};
use signpost_store::{PageRequest, Store};

use crate::Scale;
use crate::load::{self, Answer, Round};
use crate::processes::{BINARY, Process};
use crate::rehearsal::{Beginning, EMAIL, PASSWORD};
use crate::report::{Line, Section, Unit, median};

/// Connections of a load.
const CONNECTIONS: usize = 16;

/// Connections of the flood.
const FLOOD: usize = 64;

/// Rounds, of which the median counts.
const ROUNDS: usize = 3;

/// How many at once sign in with the right password.
const SIGNING_IN: usize = 4;

/// The bare answers that others are compared with: a word, and a password that is checked.
pub(crate) async fn serve_bare(address: &str) {
    let passwords = Passwords::default();
    let password = Secret::new(PASSWORD);
    let hash = passwords.hash(&password, &SystemRandom).await.unwrap();
    let check = move || async move {
        let is_right = passwords.verify(&password, Some(&hash)).await.unwrap();
        assert!(is_right);
        "ok"
    };
    let router = Router::new()
        .route("/", get(|| async { "ok" }))
        .route("/password", get(check));
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    axum::serve(listener, router).await.unwrap();
}

/// Everything about the portal, on the directory of this beginning.
pub(crate) async fn measure(beginning: Beginning, scale: Scale) -> Vec<Section> {
    eprintln!("portal");
    let Beginning { store, folder, .. } = beginning;
    let deep = deep_page(&store, scale.large / 2).await;
    store.close().await;
    let starts = starts(folder.path());
    let portal = Process::portal(folder.path(), None);
    portal.wait_for("/sign-in");
    std::thread::sleep(Duration::from_secs(2));
    let idle = portal.pss_mib();
    let visit = first_visit(portal.address);
    let cookie = sign_in(portal.address);
    let bare = Process::bare();
    let pages = pages(&portal, &bare, &cookie, &deep, scale);
    let loaded = portal.pss_mib();
    let sign_ins = sign_ins(&portal, &bare, scale);
    let (flood, flooded) = flood(&portal, &cookie, scale);
    let memory = Section {
        title: "Memory of the portal".to_owned(),
        note: format!(
            "Proportional set size of the process with its worker, {} users in the directory.",
            scale.large
        ),
        lines: vec![
            Line::at_most("idle, after its start", Unit::MiB, idle, 40.0, 20.0),
            Line::at_most("after the load above", Unit::MiB, loaded, 80.0, 40.0),
            Line::at_most(
                "largest during the flood of sign-ins",
                Unit::MiB,
                flooded,
                120.0,
                70.0,
            ),
        ],
    };
    vec![pages, sign_ins, flood, memory, starts, visit]
}

/// The address of a page this many rows into the list.
async fn deep_page(store: &Store, rows: i64) -> String {
    let order = (UserSort::DisplayName, Direction::Ascending);
    let mut read = store.read().await.unwrap();
    let mut request = PageRequest::first(200);
    for _ in 0..rows / 200 {
        let page = users::list(&mut read, &UserFilter::default(), order, &request)
            .await
            .unwrap();
        request = PageRequest::at(200, page.next.unwrap());
    }
    format!("/users?at={}", request.cursor.unwrap())
}

/// The form that signs the owner in, sent from this address.
fn right_password(address: SocketAddr, from: &str) -> Vec<u8> {
    let form = format!(
        "email={}&password={}",
        EMAIL.replace('@', "%40"),
        PASSWORD.replace(' ', "+")
    );
    load::post(address, "/api/sign-in", &[("x-forwarded-for", from)], &form)
}

fn sign_in(address: SocketAddr) -> String {
    let request = right_password(address, "192.0.2.1");
    let answer = load::fetch(address, &request).unwrap();
    let cookie = answer.header("set-cookie");
    let cookie = cookie.unwrap_or_else(|| panic!("nobody is signed in: {}", answer.text()));
    cookie.split(';').next().unwrap().to_owned()
}

/// What one address did under load.
struct Target {
    name: &'static str,
    rates: Vec<f64>,
    halves: Vec<f64>,
    tails: Vec<f64>,
    /// Microseconds of processor time per answer.
    cpu: Vec<f64>,
}

fn pages(portal: &Process, bare: &Process, cookie: &str, deep: &str, scale: Scale) -> Section {
    let address = portal.address;
    let signed_in = |path: &str| load::get(address, path, &[("cookie", cookie)]);
    let browser = [("cookie", cookie), ("accept-encoding", "gzip, deflate, br")];
    let requests = [
        ("bare axum answer", bare, load::get(bare.address, "/", &[])),
        ("first page", portal, signed_in("/users")),
        ("deep page", portal, signed_in(deep)),
        ("search, many found", portal, signed_in("/users?q=ada")),
        (
            "search, one found",
            portal,
            signed_in("/users?q=person777%40"),
        ),
        ("search, nobody found", portal, signed_in("/users?q=zzzz")),
        (
            "first page, compressed",
            portal,
            load::get(address, "/users", &browser),
        ),
    ];
    let mut targets: Vec<Target> = Vec::new();
    for (name, process, request) in &requests {
        let answer = load::fetch(process.address, request).unwrap();
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        targets.push(Target {
            name,
            rates: Vec::new(),
            halves: Vec::new(),
            tails: Vec::new(),
            cpu: Vec::new(),
        });
    }
    let time = Duration::from_secs(scale.seconds);
    for _ in 0..ROUNDS {
        for (target, (name, process, request)) in targets.iter_mut().zip(&requests) {
            let before = process.cpu();
            let make = |_| request.clone();
            let mut round = load::run(process.address, CONNECTIONS, time, &is_200, &make);
            assert_eq!(round.failures, 0, "{name}");
            let answers = round.latencies.len() as f64;
            target.cpu.push((process.cpu() - before) * 1e6 / answers);
            target.rates.push(round.rate());
            target.halves.push(round.percentile(0.5));
            target.tails.push(round.percentile(0.99));
        }
    }
    let plain = load::fetch(address, &signed_in("/users")).unwrap();
    let packed = load::fetch(address, &load::get(address, "/users", &browser)).unwrap();
    let sizes = format!(
        "{:.1} kB, compressed {:.1} kB",
        plain.bytes.len() as f64 / 1_000.0,
        packed.bytes.len() as f64 / 1_000.0
    );
    Section {
        title: format!("List of {} users", scale.large),
        note: format!(
            "Signed in, 50 rows a page, {CONNECTIONS} connections, {ROUNDS} interleaved rounds, \
             medians; not compressed unless said, as the peers in the comparison were measured. \
             Each round lasts {} s per address.",
            scale.seconds
        ),
        lines: page_lines(&targets, sizes),
    }
}

fn is_200(answer: &Answer<'_>) -> bool {
    answer.status == 200
}

/// The right password against the bare work of checking it.
fn sign_ins(portal: &Process, bare: &Process, scale: Scale) -> Section {
    let time = Duration::from_secs(scale.seconds);
    let begins_a_session =
        |answer: &Answer<'_>| answer.status == 303 && answer.header("set-cookie").is_some();
    let (mut own, mut bare_rates, mut tails) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let request = load::get(bare.address, "/password", &[]);
        let make = |_| request.clone();
        let round = load::run(bare.address, SIGNING_IN, time, &is_200, &make);
        assert_eq!(round.failures, 0, "the bare route fails");
        bare_rates.push(round.rate());
        // Each connection is another office: what waits for its answer counts as a mistake.
        let make = |number| {
            let from = format!("198.51.100.{}", number % SIGNING_IN + 1);
            right_password(portal.address, &from)
        };
        let mut round = load::run(portal.address, SIGNING_IN, time, &begins_a_session, &make);
        assert_eq!(round.failures, 0, "sign-ins fail");
        own.push(round.rate());
        tails.push(round.percentile(0.99));
    }
    let (own, bare_rate) = (median(&own), median(&bare_rates));
    Section {
        title: "Sign-ins of operators".to_owned(),
        note: format!(
            "The right password, {SIGNING_IN} connections, {ROUNDS} interleaved rounds, medians; \
             the bare route does nothing but check it (argon2id, 19 MiB, two passes)."
        ),
        lines: vec![
            Line::at_least(
                "share of the bare route's checks per second",
                Unit::Percent,
                100.0 * own / bare_rate,
                90.0,
                97.0,
            ),
            Line::told(
                "rates",
                format!(
                    "{own:.1} /s, p99 {:.0} ms; bare {bare_rate:.1} /s",
                    median(&tails)
                ),
            ),
        ],
    }
}

fn page_lines(targets: &[Target], sizes: String) -> Vec<Line> {
    let bare = median(&targets[0].rates);
    let bare_cpu = median(&targets[0].cpu);
    let first = &targets[1];
    let tail = median(&first.tails);
    let mut lines = vec![
        Line::at_least(
            "first page: share of the bare answer's requests per second",
            Unit::Percent,
            100.0 * median(&first.rates) / bare,
            5.0,
            12.0,
        ),
        Line::at_most("first page: p99", Unit::Millis, tail, 25.0, 12.0),
        Line::at_most(
            "deep page: p99 against the first page's",
            Unit::Times,
            median(&targets[2].tails) / tail,
            1.5,
            1.2,
        ),
        Line::told(
            "processor time per bare answer",
            format!("{bare_cpu:.0} µs"),
        ),
        Line::told("first page: size", sizes),
    ];
    lines.extend(targets.iter().map(|target| {
        let measured = format!(
            "{:.0} /s, {:.0} µs of processor time each, p50 {:.1} ms, p99 {:.1} ms",
            median(&target.rates),
            median(&target.cpu),
            median(&target.halves),
            median(&target.tails)
        );
        Line::told(target.name, measured)
    }));
    lines
}

/// Wrong passwords from everywhere, and what others notice of it.
fn flood(portal: &Process, cookie: &str, scale: Scale) -> (Section, f64) {
    let address = portal.address;
    let list = load::get(address, "/users", &[("cookie", cookie)]);
    let time = Duration::from_secs(3 * scale.seconds);
    let few = |time| load::run(address, 4, time, &is_200, &|_| list.clone());
    let mut calm = few(time);
    let is_over = AtomicBool::new(false);
    let ((mut flooded, tries), largest) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut largest: f64 = 0.0;
            while !is_over.load(Ordering::Relaxed) {
                largest = largest.max(portal.pss_mib());
                std::thread::sleep(Duration::from_millis(100));
            }
            largest
        });
        let flooding = scope.spawn(|| wrong_passwords(address, 2 * time));
        // The queue fills first.
        std::thread::sleep(time / 2);
        let flooded = few(time);
        let tries = flooding.join().unwrap();
        is_over.store(true, Ordering::Relaxed);
        ((flooded, tries), watching.join().unwrap())
    });
    assert_eq!(calm.failures + flooded.failures, 0, "pages failed");
    let (before, during) = (calm.percentile(0.99), flooded.percentile(0.99));
    let answers = json!({"refused": tries.latencies.len(), "failed": tries.failures});
    let lines = vec![
        Line::at_most(
            "p99 of the list during the flood against before",
            Unit::Times,
            during / before,
            3.0,
            2.0,
        ),
        Line::told(
            "p99 of the list, 4 connections",
            format!("{before:.1} ms before, {during:.1} ms during"),
        ),
        Line::told(
            "answers to the flood",
            format!("{:.1} /s, {answers}", tries.rate()),
        ),
    ];
    let section = Section {
        title: "Flood of sign-ins".to_owned(),
        note: format!(
            "{FLOOD} connections that try wrong passwords, each try from another address and for \
             another name, so that no limit but the processor slows them."
        ),
        lines,
    };
    (section, largest)
}

fn wrong_passwords(address: SocketAddr, time: Duration) -> Round {
    let is_refused = |answer: &Answer<'_>| answer.status == 303;
    load::run(address, FLOOD, time, &is_refused, &|number| {
        let from = format!(
            "10.{}.{}.{}",
            number >> 16 & 255,
            number >> 8 & 255,
            number & 255
        );
        let form = format!("email=nobody{number}%40contoso.example&password=guess");
        load::post(
            address,
            "/api/sign-in",
            &[("x-forwarded-for", &from)],
            &form,
        )
    })
}

/// From the start of the process to its first page.
fn starts(large: &Path) -> Section {
    let cold = |folder: &Path, path: &str| {
        let times: Vec<f64> = (0..5)
            .map(|_| {
                let watch = std::time::Instant::now();
                let portal = Process::portal(folder, None);
                portal.wait_for(path);
                watch.elapsed().as_secs_f64() * 1_000.0
            })
            .collect();
        median(&times)
    };
    let folder = tempfile::tempdir().unwrap();
    let watch = std::time::Instant::now();
    drop({
        let portal = Process::portal(folder.path(), None);
        portal.wait_for("/setup");
        portal
    });
    let very_first = watch.elapsed().as_secs_f64() * 1_000.0;
    let empty = cold(folder.path(), "/setup");
    let large = cold(large, "/sign-in");
    let binary = std::fs::metadata(BINARY).unwrap().len() as f64 / 1e6;
    Section {
        title: "Start".to_owned(),
        note: "From the start of the process to the first 200; medians of five.".to_owned(),
        lines: vec![
            Line::plain(
                "very first start: key, database, every migration",
                Unit::Millis,
                very_first,
            ),
            Line::at_most(
                "empty database, to the page of the setup",
                Unit::Millis,
                empty,
                300.0,
                100.0,
            ),
            Line::at_most(
                "large directory, to the sign-in page",
                Unit::Millis,
                large,
                300.0,
                100.0,
            ),
            Line::at_most(
                "release binary with everything in it",
                Unit::Megabytes,
                binary,
                40.0,
                25.0,
            ),
        ],
    }
}

/// What a browser loads that was never here.
fn first_visit(address: SocketAddr) -> Section {
    let packed = [("accept-encoding", "gzip, deflate, br")];
    let page = load::fetch(address, &load::get(address, "/sign-in", &[])).unwrap();
    let first = load::fetch(address, &load::get(address, "/sign-in", &packed)).unwrap();
    let mut lines = vec![Line::plain("page", Unit::Kilobytes, kilobytes(&first))];
    let (mut sum, mut fonts, mut requests, mut styles) = (kilobytes(&first), 0.0, 1, 0);
    for path in assets(&page.text()) {
        let answer = load::fetch(address, &load::get(address, &path, &packed)).unwrap();
        assert_eq!(answer.status, 200, "{path}");
        let size = kilobytes(&answer);
        let extension = path.rsplit('.').next().unwrap_or_default();
        if extension == "woff2" {
            fonts += size;
        } else {
            sum += size;
        }
        requests += 1;
        styles += u32::from(extension == "css");
        lines.push(Line::plain(extension, Unit::Kilobytes, size));
    }
    lines.insert(
        0,
        Line::at_most(
            "sign-in page with all it names, without fonts",
            Unit::Kilobytes,
            sum,
            60.0,
            30.0,
        ),
    );
    lines.push(Line::exactly("style sheets", styles.into(), 1.0));
    lines.push(Line::plain("fonts", Unit::Kilobytes, fonts));
    lines.push(Line::plain("requests", Unit::Count, requests.into()));
    Section {
        title: "First visit".to_owned(),
        note: "Bytes over the wire with their headers, brotli where the server offers it."
            .to_owned(),
        lines,
    }
}

fn kilobytes(answer: &Answer<'_>) -> f64 {
    answer.bytes.len() as f64 / 1_000.0
}

/// The assets that a page names.
fn assets(html: &str) -> BTreeSet<String> {
    html.split('"')
        .filter(|text| text.starts_with("/assets/"))
        .map(|text| text.split('#').next().unwrap_or_default().to_owned())
        .collect()
}
