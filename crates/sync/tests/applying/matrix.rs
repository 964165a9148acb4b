//! The matrix of faults: what goes wrong between us and Microsoft, many times, each time another
//! way. Whatever a run makes of it, the next clean one ends where an undisturbed one would have.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use signpost_model::plan::ObjectId;
use signpost_model::{Observation, UserId};
use tokio::sync::OnceCell;

use crate::portal::Portal;

const WORKERS: u128 = 40;

/// A fault and everything that must hold in spite of it.
pub(crate) struct Row {
    /// Its number in the matrix.
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    /// How often the long matrix tries it.
    pub(crate) times: u64,
    pub(crate) live: fn(u64) -> BoxFuture<'static, Lived>,
}

/// What came of one life with a fault in it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Lived {
    /// Faults that happened.
    pub(crate) faults: u64,
    /// What is not as it would be without them; nothing is right.
    pub(crate) wrong: Vec<String>,
    /// Accounts that a fault of another one stopped.
    pub(crate) blocked: u64,
    /// People who left and can still sign in.
    pub(crate) forgotten: u64,
    /// Writes that changed nothing.
    pub(crate) unchanged: u64,
    /// Clean syncs until nothing was left to do.
    pub(crate) syncs: u64,
}

/// Every row.
pub(crate) fn rows() -> Vec<Row> {
    let row = |number, name, times, live| Row {
        number,
        name,
        times,
        live,
    };
    vec![
        row(
            4,
            "429 with Retry-After, without, as a date, nonsense",
            400,
            |seed| Box::pin(weather(seed, throttled)),
        ),
        row(5, "500, 502, 503, 504", 300, |seed| {
            Box::pin(weather(seed, unwell))
        }),
        row(
            6,
            "Microsoft down for a minute, an hour, three days",
            150,
            |seed| Box::pin(outage(seed)),
        ),
        row(
            7,
            "connection lost before and after the write",
            400,
            |seed| Box::pin(weather(seed, cut)),
        ),
        row(8, "the write lands after we gave up", 200, |seed| {
            Box::pin(weather(seed, late))
        }),
        row(
            9,
            "batch: parts failing, missing, doubled, 424, 413, 504",
            200,
            |seed| Box::pin(weather(seed, batch)),
        ),
        row(10, "replicas that are up to 30 s behind", 100, |seed| {
            Box::pin(replication(seed))
        }),
        row(
            11,
            "delta: repeated, reordered, empty, by one, expired, 410",
            200,
            |seed| Box::pin(delta(seed)),
        ),
        row(12, "others change the tenant", 350, |seed| {
            Box::pin(drift(seed))
        }),
        row(
            20,
            "people leave while Microsoft answers 503",
            100,
            |seed| Box::pin(leavers(seed)),
        ),
        row(21, "seats run out in the middle", 50, |seed| {
            Box::pin(seats(seed))
        }),
    ]
}

/// Draws numbers from a seed; nothing else here is random.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed);
        dice.roll(2);
        dice
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let sides = u64::try_from(from.len()).unwrap();
        from[usize::try_from(self.roll(sides)).unwrap()].clone()
    }
}

async fn company(delay_ms: u64) -> Portal {
    let portal = Portal::with_delay(delay_ms).await;
    portal.records().policy.remove_licenses = true;
    portal.add_workers(WORKERS);
    portal
}

/// Where an undisturbed company is after its second day.
async fn calm() -> &'static [String] {
    static CALM: OnceCell<Vec<String>> = OnceCell::const_new();
    CALM.get_or_init(|| async {
        let portal = company(0).await;
        portal.sync().await;
        portal.change_some(WORKERS);
        portal.sync().await;
        assert_eq!(portal.plan().await.summary.tally.actions, 0);
        portal.state().await
    })
    .await
}

/// A run in whatever weather there is. It may fail; it may not lie.
async fn struggle(portal: &Portal) {
    if portal.try_plan().await.is_ok() {
        portal.apply().await.unwrap();
    }
}

/// Clean syncs until nothing is left to do, at most three.
async fn settle(portal: &Portal) -> u64 {
    portal.practice.remove("faults").await;
    for syncs in 0..3 {
        if portal.plan().await.summary.tally.actions == 0 {
            return syncs;
        }
        portal.apply().await.unwrap();
    }
    3 + u64::from(portal.plan().await.summary.tally.actions > 0)
}

/// What became of a company after its second day.
async fn verdict(portal: &Portal, syncs: u64) -> Lived {
    let (found, expected) = (portal.state().await, calm().await);
    let missing = expected.iter().filter(|line| !found.contains(line));
    let extra = found.iter().filter(|line| !expected.contains(line));
    let mut wrong: Vec<String> = missing.map(|line| format!("- {line}")).collect();
    wrong.extend(extra.map(|line| format!("+ {line}")));
    if syncs > 1 {
        wrong.push(format!("{syncs} clean syncs were needed"));
    }
    let calls = portal.practice.calls().await;
    Lived {
        faults: calls["faults"].as_u64().unwrap(),
        wrong,
        forgotten: forgotten(portal).await,
        unchanged: calls["unchanged_writes"].as_u64().unwrap(),
        syncs,
        ..Lived::default()
    }
}

async fn forgotten(portal: &Portal) -> u64 {
    let mut forgotten = 0;
    for number in (1..=WORKERS).filter(|number| number % 4 == 0) {
        let name = format!("worker.n{number:03}@contoso.example");
        let account = portal.practice.account(&name).await;
        forgotten += u64::from(account.is_some_and(|account| account["accountEnabled"] == true));
    }
    forgotten
}

/// Two days with faults of one kind on every route.
async fn weather(seed: u64, kind: fn(&mut Dice) -> Value) -> Lived {
    let mut dice = Dice::new(seed);
    let portal = company(0).await;
    let mut syncs = 0;
    for day in 0..2 {
        if day == 1 {
            portal.change_some(WORKERS);
        }
        for _ in 0..2 {
            portal.practice.tell("faults", kind(&mut dice)).await;
        }
        struggle(&portal).await;
        everything_landed(&portal).await;
        syncs = settle(&portal).await.max(syncs);
    }
    verdict(&portal, syncs).await
}

/// Completes when every write has happened that was announced to come late.
async fn everything_landed(portal: &Portal) {
    loop {
        let (calls, faults) = (
            portal.practice.calls().await,
            portal.practice.ask("faults").await,
        );
        let armed = faults["faults"].as_array().unwrap().iter();
        let late = armed.filter(|one| one["fault"]["late_ms"].is_u64());
        let announced: u64 = late.map(|one| one["happened"].as_u64().unwrap()).sum();
        let before = portal.records().late;
        if calls["late"].as_u64().unwrap() >= before + announced {
            portal.records().late = before + announced;
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn share(dice: &mut Dice, percents: &[u64], mut fault: Value) -> Value {
    let percent = u32::try_from(dice.pick(percents)).unwrap();
    fault["share"] = json!(f64::from(percent) / 100.0);
    fault["seed"] = json!(dice.roll(1_000_000));
    fault
}

fn throttled(dice: &mut Dice) -> Value {
    let headers = dice.pick(&[
        json!({"Retry-After": "2"}),
        json!({"Retry-After": "0"}),
        json!({}),
        json!({"Retry-After": "Mon, 21 Sep 2026 13:00:00 GMT"}),
        json!({"Retry-After": "soon"}),
        json!({"Retry-After": "3", "x-ms-throttle-scope": "Tenant_Application/ReadWrite"}),
    ]);
    let fault =
        json!({"status": 429, "code": "TooManyRequests", "message": "later", "headers": headers});
    share(dice, &[1, 10, 40, 90], fault)
}

fn unwell(dice: &mut Dice) -> Value {
    let mut fault = json!({"status": dice.pick(&[500, 502, 503, 504]), "code": "UnknownError"});
    fault["after"] = json!(dice.roll(2) == 0);
    if dice.roll(4) == 0 {
        // A gateway that knows nothing of JSON.
        fault["body"] = json!("<html><body>Bad Gateway</body></html>");
    }
    share(dice, &[1, 10, 40], fault)
}

fn cut(dice: &mut Dice) -> Value {
    let when = dice.pick(&["drop_before", "drop_after"]);
    share(dice, &[3, 20], json!({when: true}))
}

fn late(dice: &mut Dice) -> Value {
    let late_ms = dice.roll(60);
    let mut fault = share(dice, &[3, 20], json!({"late_ms": late_ms}));
    fault["method"] = json!(dice.pick(&["POST", "PATCH", "PUT"]));
    fault
}

fn batch(dice: &mut Dice) -> Value {
    let whole = |status: u16, after: bool| json!({"method": "POST", "route": "/$batch", "status": status, "after": after, "times": 2});
    let fault = match dice.roll(12) {
        0 => json!({"within": "batch", "missing": true}),
        1 => json!({"within": "batch", "doubled": true}),
        2 => json!({"within": "batch", "garbage": true}),
        3 => json!({"within": "batch", "status": 424, "code": "FailedDependency"}),
        4 => json!({"within": "batch", "status": 500, "code": "UnknownError"}),
        5 => json!({"within": "batch", "status": 409, "code": "Directory_ConcurrencyViolation"}),
        6 => json!({"within": "batch", "status": 429, "code": "TooManyRequests"}),
        7 => json!({"within": "batch", "status": 401, "code": "InvalidAuthenticationToken"}),
        8 => return whole(413, false),
        9 => return whole(504, true),
        10 => return whole(504, false),
        _ => json!({"method": "POST", "route": "/$batch", "garbage": true}),
    };
    share(dice, &[3, 20], fault)
}

async fn outage(seed: u64) -> Lived {
    let mut dice = Dice::new(seed);
    let portal = company(0).await;
    let mut syncs = 0;
    for day in 0..2 {
        if day == 1 {
            portal.change_some(WORKERS);
        }
        let down = dice.pick(&[
            json!({"drop_before": true}),
            json!({"status": 503, "code": "serviceNotAvailable"}),
            json!({"status": 502, "body": "Bad Gateway"}),
        ]);
        let mut fault = down;
        // In the middle of the run.
        fault["skip"] = json!(dice.roll(60));
        portal.practice.tell("faults", fault).await;
        struggle(&portal).await;
        struggle(&portal).await;
        let minutes: i64 = dice.pick(&[1, 60, 3 * 24 * 60]);
        let wait = json!({"advance_ms": minutes * 60_000});
        portal.practice.tell("clock", wait).await;
        if minutes > 60 {
            portal.practice.tell("delta", json!({"expire": true})).await;
        }
        syncs = settle(&portal).await.max(syncs);
    }
    verdict(&portal, syncs).await
}

async fn replication(seed: u64) -> Lived {
    let mut dice = Dice::new(seed);
    let portal = company(1_000 * (1 + dice.roll(30))).await;
    let mut wrong = Vec::new();
    let also_cut = dice.roll(2) == 0;
    for day in 0..2 {
        if day == 1 {
            portal.change_some(WORKERS);
        }
        if also_cut {
            let fault = json!({"drop_after": true, "method": "POST"});
            let fault = share(&mut dice, &[3, 20], fault);
            portal.practice.tell("faults", fault).await;
        }
        struggle(&portal).await;
        if !also_cut {
            // No error is shown, and nothing is left for another sync.
            wrong.extend(portal.problems().iter().map(|one| format!("{one:?}")));
        }
        portal.practice.remove("faults").await;
        let wait = json!({"advance_ms": 60_000});
        portal.practice.tell("clock", wait).await;
    }
    let syncs = settle(&portal).await;
    let mut lived = verdict(&portal, syncs).await;
    if syncs > 0 && !also_cut {
        wrong.push("the same sync did not converge".to_owned());
    }
    lived.wrong.extend(wrong);
    lived.faults += 1;
    lived
}

async fn delta(seed: u64) -> Lived {
    let mut dice = Dice::new(seed);
    let portal = company(0).await;
    portal.sync().await;
    let shape = json!({
        "page_size": dice.pick(&[1, 2, 7, 200]), "repeat": dice.roll(2) == 0,
        "reverse": dice.roll(2) == 0, "empty_page": dice.roll(2) == 0,
    });
    portal.practice.tell("delta", shape).await;
    let mut faults = 1;
    for _ in 0..3 {
        others_play(&portal, &mut dice).await;
        match dice.roll(4) {
            0 => {
                portal.practice.tell("delta", json!({"expire": true})).await;
            }
            1 => {
                let gone = json!({"status": 410, "code": "syncStateNotFound", "once": true});
                portal.practice.fault("GET /users/delta", gone).await;
            }
            2 => {
                let cut = json!({"drop_after": true, "once": true, "skip": dice.roll(4)});
                portal.practice.fault("GET /users/delta", cut).await;
            }
            _ => portal.records().delta_link = None,
        }
        faults += 1;
        portal.observe().await;
        portal.practice.remove("faults").await;
    }
    portal.observe().await;
    let shadow = known(&portal);
    portal.records().delta_link = None;
    portal.observe().await;
    let full = known(&portal);
    let wrong = if full == shadow {
        Vec::new()
    } else {
        let full: BTreeMap<_, _> = full.iter().collect();
        let by_delta: BTreeMap<_, _> = shadow.iter().collect();
        type Seen<'a> = BTreeMap<&'a ObjectId, &'a Observation>;
        let of = |one: &Seen<'_>, other: &Seen<'_>| {
            let differs = one
                .iter()
                .filter(|(id, seen)| other.get(*id) != Some(*seen));
            differs
                .map(|(_, seen)| format!("{seen:?}"))
                .collect::<Vec<_>>()
        };
        let mut wrong = of(&by_delta, &full);
        wrong.push("- but in full -".to_owned());
        wrong.extend(of(&full, &by_delta));
        wrong
    };
    Lived {
        faults,
        wrong,
        ..Lived::default()
    }
}

/// Our copy of the tenant. Of a deleted account the delta says only that it is deleted.
fn known(portal: &Portal) -> BTreeMap<ObjectId, Observation> {
    let records = portal.records();
    let known = records.accounts.iter().map(|(id, seen)| {
        let deleted = Observation {
            deleted: true,
            ..Observation::default()
        };
        let seen = if seen.deleted { deleted } else { seen.clone() };
        (id.clone(), seen)
    });
    known.collect()
}

/// Somebody changes, deletes, purges and adds accounts.
async fn others_play(portal: &Portal, dice: &mut Dice) {
    for _ in 0..6 {
        let name = format!("worker.n{:03}@contoso.example", 1 + dice.roll(40));
        if portal.practice.account(&name).await.is_none() {
            continue;
        }
        match dice.roll(6) {
            0 => portal.practice.remove(&format!("accounts/{name}")).await,
            1 => {
                let path = format!("accounts/{name}?purge=true");
                portal.practice.remove(&path).await;
            }
            2 => {
                let guest = format!("guest{}@contoso.example", dice.roll(1_000));
                let new = json!({"userPrincipalName": guest, "displayName": "Guest"});
                portal.practice.tell("accounts", new).await;
            }
            3 => {
                let off = json!({"userPrincipalName": name, "assignedLicenses": []});
                portal.practice.tell("accounts", off).await;
            }
            _ => {
                let city = dice.pick(&["Faro", "Braga"]);
                let moved = json!({"userPrincipalName": name, "city": city, "jobTitle": null});
                portal.practice.tell("accounts", moved).await;
            }
        }
    }
}

/// One account is changed by others: it is repaired or reported, and nobody else notices.
async fn drift(seed: u64) -> Lived {
    let mut dice = Dice::new(seed);
    let portal = company(0).await;
    portal.sync().await;
    let before = portal.state().await;
    let number = 1 + dice.roll(40);
    let name = format!("worker.n{number:03}@contoso.example");
    let account = portal.practice.account(&name).await.unwrap();
    let change = |mut body: Value| {
        body["id"] = account["id"].clone();
        portal.practice.tell("accounts", body)
    };
    let kind = dice.roll(7);
    match kind {
        0 => portal.practice.remove(&format!("accounts/{name}")).await,
        1 => {
            let path = format!("accounts/{name}?purge=true");
            portal.practice.remove(&path).await;
        }
        2 => drop(change(json!({"displayName": "Somebody Else"})).await),
        3 => drop(change(json!({"accountEnabled": false})).await),
        4 => drop(change(json!({"userPrincipalName": "moved@contoso.example"})).await),
        5 => drop(change(json!({"assignedLicenses": []})).await),
        _ => drop(change(json!({"givenName": "Some", "surname": "Body"})).await),
    }
    // The others change too, and have to get theirs.
    for other in 1..=WORKERS {
        portal.change(other, |person| {
            person.user.profile.job_title = "Clerk".to_owned()
        });
    }
    struggle(&portal).await;
    let mut blocked = 0;
    for other in (1..=WORKERS).filter(|other| *other != u128::from(number)) {
        let name = format!("worker.n{other:03}@contoso.example");
        let account = portal.practice.account(&name).await;
        blocked += u64::from(account.is_none_or(|account| account["jobTitle"] != "Clerk"));
    }
    let plan = portal.plan().await;
    let id = UserId::from_number(u128::from(number));
    let reported = plan
        .users
        .iter()
        .any(|user| user.user_id == id && !user.blockers.is_empty());
    for other in 1..=WORKERS {
        portal.change(other, |person| {
            person.user.profile.job_title = String::new()
        });
    }
    portal.sync().await;
    let after = portal.state().await;
    // The account's own line: everything else must be as before.
    let is_other = |line: &&String| !line.contains(&format!("n{number:03}"));
    let others_before: Vec<_> = before.iter().filter(is_other).collect();
    let differs = others_before.iter().filter(|line| !after.contains(line));
    let mut wrong: Vec<String> = differs.map(|line| format!("- {line}")).collect();
    let repaired = before.iter().all(|line| after.contains(line));
    if !repaired && !reported {
        wrong.push(format!(
            "drift of kind {kind} is neither repaired nor reported"
        ));
        wrong.extend(before.iter().filter(|line| !after.contains(line)).cloned());
        wrong.extend(after.iter().filter(|line| !before.contains(line)).cloned());
    }
    Lived {
        faults: 1,
        wrong,
        blocked,
        ..Lived::default()
    }
}

/// Microsoft answers 503 for an hour while people leave.
async fn leavers(seed: u64) -> Lived {
    let mut dice = Dice::new(seed);
    let portal = company(0).await;
    portal.sync().await;
    portal.change_some(WORKERS);
    let skip = dice.roll(30);
    let mut down = json!({"status": 503, "code": "serviceNotAvailable", "skip": skip});
    if dice.roll(2) == 0 {
        down["within"] = json!("batch");
    }
    portal.practice.tell("faults", down).await;
    for _ in 0..6 {
        struggle(&portal).await;
        let wait = json!({"advance_ms": 600_000});
        portal.practice.tell("clock", wait).await;
    }
    let syncs = settle(&portal).await;
    verdict(&portal, syncs).await
}

/// Seats run out in the middle: the others are not stopped, and nobody gets one twice.
async fn seats(seed: u64) -> Lived {
    let mut dice = Dice::new(seed);
    let portal = company(0).await;
    let enabled = 1 + dice.roll(30);
    let seats = json!({"skuPartNumber": "SPE_E3", "enabled": enabled});
    if dice.roll(2) == 0 {
        // Others are faster than the plan.
        portal.plan().await;
        portal.practice.tell("skus", seats).await;
        portal.apply().await.unwrap();
    } else {
        portal.practice.tell("skus", seats).await;
        struggle(&portal).await;
    }
    let accounts = portal.practice.ask("accounts?state=live").await;
    let workers: Vec<&Value> = accounts["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|account| text(account).starts_with("worker."))
        .collect();
    let licensed = workers.iter().filter(|account| {
        let held = account["assignedLicenses"].as_array().unwrap();
        held.len() == 1
    });
    let skus = portal.practice.ask("skus").await;
    let e3 = skus["skus"].as_array().unwrap().iter();
    let free: i64 = e3
        .filter(|sku| sku["skuPartNumber"] == "SPE_E3")
        .map(|sku| sku["free"].as_i64().unwrap())
        .sum();
    let licensed = licensed.count();
    let mut wrong = Vec::new();
    if free > 0 && licensed < workers.len() {
        wrong.push(format!("{free} seats are left, and {licensed} have one"));
    }
    let blocked = u64::try_from(WORKERS).unwrap() - u64::try_from(workers.len()).unwrap();
    // More seats come: everybody gets theirs.
    let plenty = json!({"skuPartNumber": "SPE_E3", "enabled": 300});
    portal.practice.tell("skus", plenty).await;
    let mut syncs = settle(&portal).await;
    portal.change_some(WORKERS);
    syncs = settle(&portal).await.max(syncs);
    let mut lived = verdict(&portal, syncs).await;
    lived.wrong.extend(wrong);
    lived.blocked = blocked;
    lived.faults += 1;
    lived
}

fn text(account: &Value) -> &str {
    account["userPrincipalName"].as_str().unwrap()
}

/// Lives through a row so often and says how it went.
pub(crate) async fn try_row(row: &Row, seeds: std::ops::Range<u64>) -> Vec<(u64, Lived)> {
    let mut lived = Vec::new();
    for seed in seeds {
        lived.push((seed, (row.live)(seed).await));
    }
    lived
}
