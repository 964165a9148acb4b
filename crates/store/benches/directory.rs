//! How long the directory takes with many users:
//! `cargo bench -p signpost-store --features testing -- [USERS]`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for the terminal that measures real time"
)]

use std::time::Instant;

use signpost_model::random::SeededRandom;
use signpost_model::{Attribute, ImportId, Profile};
use signpost_store::imports::{self, NewImport, RowInput, StagedRow};
use signpost_store::testing::{AUTHOR, Database, NOW};
use signpost_store::users::{self, Direction, UserFilter, UserSort, UserState};
use signpost_store::{Engine, PageRequest, Store};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let people = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(100_000);
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let database = Database::create(engine).await;
        println!("{engine:?}, {people} users, peak memory of this process so far in brackets");
        for number in 1..=2 {
            import(&database.store, number, people).await;
        }
        read(&database.store).await;
    }
}

async fn import(store: &Store, number: u128, people: i64) {
    let random = SeededRandom::new(7);
    let id = ImportId::from_number(number);
    let new = NewImport {
        id,
        file_name: "people.csv".to_owned(),
        mapping: "{}".to_owned(),
    };
    let mut tx = store.write().await.unwrap();
    imports::create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
    tx.commit().await.unwrap();
    let watch = Watch::start();
    let mut line = 2;
    while line < people + 2 {
        let rows: Vec<_> = (line..(line + 500).min(people + 2)).map(person).collect();
        line += 500;
        let mut tx = store.write().await.unwrap();
        imports::stage(&mut tx, id, &rows, &random, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    watch.stop(&format!("import {number}: stage"));
    let watch = Watch::start();
    let counts = imports::check(store, id, &random, NOW).await.unwrap();
    watch.stop(&format!("import {number}: check"));
    let watch = Watch::start();
    imports::apply(store, id, &AUTHOR, NOW).await.unwrap();
    watch.stop(&format!("import {number}: apply"));
    println!("  {counts:?}");
}

fn person(line: i64) -> StagedRow {
    let given = ["Ada", "Bob", "Carol", "Dave", "Emil", "Fatma", "Grace"];
    let surname = ["Kaya", "Brown", "Silva", "Novak", "Meyer", "Rossi"];
    let pick = |from: &[&str], by: i64| from[usize::try_from(by).unwrap() % from.len()].to_owned();
    let mut profile = Profile {
        user_name: format!("person{line}@contoso.example"),
        given_name: pick(&given, line),
        surname: format!("{}{line}", pick(&surname, line / 7)),
        department: pick(&["Sales", "Research", "Finance", "Support"], line / 3),
        city: pick(&["Lisboa", "Porto", "Berlin", "Wien"], line),
        mail: format!("person{line}@contoso.example"),
        job_title: "Engineer".to_owned(),
        usage_location: "PT".to_owned(),
        ..Profile::default()
    };
    profile.normalize();
    let values = Attribute::ALL
        .into_iter()
        .map(|attribute| (attribute, profile.value(attribute).to_owned()))
        .collect();
    StagedRow {
        line,
        user_name: profile.user_name,
        display_name: profile.display_name,
        input: Ok(RowInput {
            values,
            manager: Some(format!("person{}@contoso.example", 2 + line / 10)).filter(|_| line > 10),
            groups: Some(vec!["All staff".to_owned(), format!("Group {}", line % 50)]),
            ..RowInput::default()
        }),
    }
}

async fn read(store: &Store) {
    let search = |text: &str| UserFilter {
        search: text.to_owned(),
        ..UserFilter::default()
    };
    let disabled = UserFilter {
        state: Some(UserState::Disabled),
        ..UserFilter::default()
    };
    for (name, filter) in [
        ("all", UserFilter::default()),
        ("search, many found", search("ada")),
        ("search, few found", search("person77777@")),
        ("search, nobody found", search("zzzz")),
        ("disabled, nobody found", disabled),
    ] {
        for sort in [UserSort::DisplayName, UserSort::Updated] {
            let order = (sort, Direction::Ascending);
            let mut connection = store.read().await.unwrap();
            let mut request = PageRequest::first(50);
            let watch = Watch::start();
            for _ in 0..20 {
                let page = users::list(&mut connection, &filter, order, &request)
                    .await
                    .unwrap();
                if let Some(next) = page.next {
                    request = PageRequest::at(50, next);
                }
            }
            watch.stop(&format!("20 pages, {name}, by {}", sort.key()));
        }
        let mut connection = store.read().await.unwrap();
        let watch = Watch::start();
        let total = users::count(&mut connection, &filter).await.unwrap();
        watch.stop(&format!("count, {name}: {total:?}"));
    }
}

struct Watch(Instant);

impl Watch {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn stop(self, what: &str) {
        let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = peak
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .map_or("unknown", str::trim)
            .to_owned();
        println!(
            "  {:>9.1} ms  {what} [{peak}]",
            self.0.elapsed().as_secs_f64() * 1_000.0
        );
    }
}
