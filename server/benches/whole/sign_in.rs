//! Users who come from Microsoft, sign in on Signpost's page and go back with a token.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signpost_app::passwords::Passwords;
use signpost_model::{Clock, Secret};
use signpost_server::ambient::{SystemClock, SystemRandom};
use signpost_store::testing::AUTHOR;
use signpost_store::{Store, credentials, users};

use crate::Scale;
use crate::load::{self, Connection, Round};
use crate::processes::Process;
use crate::rehearsal::{Beginning, PASSWORD, Tenant};
use crate::report::{Line, Section, Unit, median};

/// Users who sign in, each from a network of their own.
const USERS: usize = 64;

/// Connections on which a password is given again and again; with the session there are more.
const WITH_PASSWORD: usize = 8;
const WITH_SESSION: usize = 16;

/// Password checks at once.
const AT_ONCE: usize = 500;

const ROUNDS: usize = 3;

/// Sign-ins with a password and with a live session, and the memory of many checks at once.
pub(crate) async fn measure(scale: Scale) -> Vec<Section> {
    eprintln!("sign-ins of users");
    let practice = Process::practice_tenant();
    let people = i64::try_from(USERS).unwrap();
    let beginning = Beginning::of(people, Tenant::Empty, &practice.url, &SystemClock).await;
    set_passwords(&beginning.store).await;
    let portal = Process::portal(beginning.folder.path(), Some(&practice));
    portal.wait_for("/sign-in");
    let visitors = Visitors {
        address: portal.address,
        path: format!("/federation/{}/sign-in", beginning.application),
    };
    let sections = tokio::task::block_in_place(|| {
        vec![
            rates(&portal, &visitors, scale),
            at_once(&portal, &visitors),
        ]
    });
    drop(portal);
    beginning.store.close().await;
    sections
}

async fn set_passwords(store: &Store) {
    let random = SystemRandom;
    let hash = Passwords::default()
        .hash(&Secret::new(PASSWORD), &random)
        .await
        .unwrap();
    let mut read = store.read().await.unwrap();
    let people = users::list_after(&mut read, None, 1_000).await.unwrap();
    drop(read);
    let mut tx = store.write().await.unwrap();
    for user in people {
        credentials::set_password(&mut tx, &user, &hash, None, &AUTHOR, SystemClock.now())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

/// People on their way through the portal.
struct Visitors {
    address: SocketAddr,
    path: String,
}

/// A login page that waits for a password.
struct LoginPage {
    request: String,
    proof: String,
    browser: String,
}

impl Visitors {
    /// Comes from Microsoft with these cookies; says where the portal sends the browser.
    fn arrive(&self, connection: &mut Connection, cookies: &str) -> Result<String> {
        let query = "wa=wsignin1.0&wtrealm=urn%3Afederation%3AMicrosoftOnline&wctx=bench";
        let path = format!("{}?{query}", self.path);
        let request = load::get(self.address, &path, &[("cookie", cookies)]);
        let answer = connection.exchange(&request)?;
        answer
            .header("location")
            .ok_or_else(|| unexpected("no way to the login page"))
    }

    /// A user without a session, up to the page that asks for the password.
    fn ask(&self, connection: &mut Connection) -> Result<LoginPage> {
        let page = self.arrive(connection, "")?;
        let request = load::get(self.address, &page, &[]);
        let answer = connection.exchange(&request)?;
        let browser = answer.header("set-cookie").and_then(first_pair);
        let field = |name: &str| hidden_value(&answer.text(), name);
        match (field("request"), field("proof"), browser) {
            (Some(request), Some(proof), Some(browser)) => Ok(LoginPage {
                request,
                proof,
                browser,
            }),
            _ => Err(unexpected("no login page")),
        }
    }

    /// The form with this user's password, sent from a network of their own.
    fn password(&self, page: &LoginPage, user: usize, password: &str) -> Vec<u8> {
        let form = format!(
            "request={}&proof={}&user_name=person{user}%40contoso.example&password={}",
            page.request,
            page.proof,
            password.replace(' ', "+")
        );
        let from = format!("198.51.{}.{}", user / 256, user % 256);
        let headers = [
            ("cookie", page.browser.as_str()),
            ("x-forwarded-for", from.as_str()),
        ];
        load::post(self.address, "/api/login/password", &headers, &form)
    }

    /// From Microsoft to the token by password; returns the cookies of the session.
    fn sign_in(&self, connection: &mut Connection, user: usize) -> Result<String> {
        let page = self.ask(connection)?;
        let answer = connection.exchange(&self.password(&page, user, PASSWORD))?;
        let cookies: Vec<String> = (answer.text().lines())
            .filter_map(|line| first_pair(line.strip_prefix("set-cookie: ")?.to_owned()))
            .collect();
        let cookies = cookies.join("; ");
        let to = answer.header("location").unwrap_or_default();
        self.take_token(connection, &to, &cookies)?;
        Ok(cookies)
    }

    /// From Microsoft to the token with a live session.
    fn come_back(&self, connection: &mut Connection, cookies: &str) -> Result<()> {
        let to = self.arrive(connection, cookies)?;
        self.take_token(connection, &to, cookies)
    }

    fn take_token(&self, connection: &mut Connection, to: &str, cookies: &str) -> Result<()> {
        let request = load::get(self.address, to, &[("cookie", cookies)]);
        let answer = connection.exchange(&request)?;
        if answer.status == 200 && answer.text().contains("name=\"wresult\"") {
            return Ok(());
        }
        Err(unexpected("no token"))
    }
}

fn rates(portal: &Process, visitors: &Visitors, scale: Scale) -> Section {
    let time = Duration::from_secs(scale.seconds);
    let mut connection = Connection::open(visitors.address).unwrap();
    let cookies = visitors.sign_in(&mut connection, 1).unwrap();
    // Each connection has users of its own: a user's check under way counts as a mistake.
    let with_password = |number: usize, connection: &mut Connection| {
        let user = number % USERS + 1;
        visitors.sign_in(connection, user).map(|_| true)
    };
    let with_session =
        |_, connection: &mut Connection| visitors.come_back(connection, &cookies).map(|()| true);
    let (mut password, mut session) = (Figures::default(), Figures::default());
    for _ in 0..ROUNDS {
        password.add(portal, || {
            load::repeat(visitors.address, WITH_PASSWORD, time, &with_password)
        });
        session.add(portal, || {
            load::repeat(visitors.address, WITH_SESSION, time, &with_session)
        });
    }
    Section {
        title: "Sign-ins of users".to_owned(),
        note: format!(
            "From Microsoft's request to the page that posts the token back, over WS-Federation: \
             four requests and a password check on {WITH_PASSWORD} connections, two requests with \
             a live session on {WITH_SESSION}. {ROUNDS} interleaved rounds, medians."
        ),
        lines: vec![
            Line::told("with a password", password.words()),
            Line::told("with a live session", session.words()),
        ],
    }
}

/// What several rounds showed.
#[derive(Default)]
struct Figures {
    rates: Vec<f64>,
    halves: Vec<f64>,
    tails: Vec<f64>,
    cpu: Vec<f64>,
}

impl Figures {
    fn add(&mut self, portal: &Process, round: impl FnOnce() -> Round) {
        let before = portal.cpu();
        let mut round = round();
        assert_eq!(round.failures, 0, "sign-ins fail");
        let answers = round.latencies.len() as f64;
        self.cpu.push((portal.cpu() - before) * 1e3 / answers);
        self.rates.push(round.rate());
        self.halves.push(round.percentile(0.5));
        self.tails.push(round.percentile(0.99));
    }

    fn words(&self) -> String {
        format!(
            "{:.1} /s, {:.1} ms of processor time each, p50 {:.0} ms, p99 {:.0} ms",
            median(&self.rates),
            median(&self.cpu),
            median(&self.halves),
            median(&self.tails)
        )
    }
}

/// Many passwords at once: every check waits for its turn, and memory stays bounded.
fn at_once(portal: &Process, visitors: &Visitors) -> Section {
    let before = portal.pss_mib();
    let is_over = AtomicBool::new(false);
    let together = Barrier::new(AT_ONCE + 1);
    let (largest, answers, seconds) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|number| {
                let together = &together;
                scope.spawn(move || {
                    let mut connection = Connection::open(visitors.address).unwrap();
                    let page = visitors.ask(&mut connection);
                    together.wait();
                    // A guess at somebody who is not there costs the same.
                    let form = visitors.password(&page?, 10_000 + number, "a wrong guess");
                    connection.exchange(&form).map(|answer| answer.status)
                })
            })
            .collect();
        together.wait();
        let watch = Instant::now();
        let watching = scope.spawn(|| {
            let mut largest: f64 = 0.0;
            while !is_over.load(Ordering::Relaxed) {
                largest = largest.max(portal.pss_mib());
                std::thread::sleep(Duration::from_millis(50));
            }
            largest
        });
        let answers: Vec<Result<u16>> = (threads.into_iter())
            .map(|thread| thread.join().unwrap())
            .collect();
        let seconds = watch.elapsed().as_secs_f64();
        is_over.store(true, Ordering::Relaxed);
        (watching.join().unwrap(), answers, seconds)
    });
    let is_answer = |answer: &&Result<u16>| matches!(answer, Ok(303));
    let answered = answers.iter().filter(is_answer).count();
    if let Some(other) = answers.iter().find(|answer| !is_answer(answer)) {
        eprintln!("  not answered as it should be: {other:?}");
    }
    Section {
        title: format!("{AT_ONCE} password checks at once"),
        note: "Each on a connection of its own, from a network of its own, for a user of its own."
            .to_owned(),
        lines: vec![
            Line::at_most(
                "largest proportional set size meanwhile",
                Unit::MiB,
                largest,
                120.0,
                70.0,
            ),
            Line::plain("before", Unit::MiB, before),
            Line::exactly("answered", answered as f64, AT_ONCE as f64),
            Line::plain("until the last answer", Unit::Seconds, seconds),
        ],
    }
}

/// A cookie's name and value, without its attributes.
fn first_pair(cookie: String) -> Option<String> {
    cookie.split(';').next().map(str::to_owned)
}

/// The value of a hidden field that holds nothing to be unescaped.
fn hidden_value(html: &str, name: &str) -> Option<String> {
    let field = format!("name=\"{name}\"");
    let tag = html.split('<').find(|tag| tag.contains(&field))?;
    let value = tag.split_once("value=\"")?.1.split('"').next()?;
    Some(value.to_owned())
}

fn unexpected(what: &str) -> Error {
    Error::other(what.to_owned())
}
