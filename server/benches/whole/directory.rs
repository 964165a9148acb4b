//! People by the thousand: into the directory by an import, into the tenant by its control API.

use serde_json::{Value, json};
use signpost_model::{Attribute, GroupId, ImportId, Profile, Random, Timestamp, User, UserId};
use signpost_store::groups::{self, NewGroup};
use signpost_store::imports::{self, NewImport, RowInput, StagedRow};
use signpost_store::testing::AUTHOR;
use signpost_store::{Store, Write, memberships, users};

/// Microsoft 365 E3.
pub(crate) const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";

/// Imports this many people, as from a file.
pub(crate) async fn fill(store: &Store, people: i64, random: &dyn Random, now: Timestamp) {
    let id = ImportId::mint(now, random);
    let new = NewImport {
        id,
        file_name: "people.csv".to_owned(),
        mapping: "{}".to_owned(),
    };
    let mut tx = store.write().await.unwrap();
    imports::create(&mut tx, &new, &AUTHOR, now).await.unwrap();
    tx.commit().await.unwrap();
    let lines: Vec<i64> = (1..=people).collect();
    for lines in lines.chunks(1_000) {
        let rows: Vec<_> = lines.iter().map(|line| row(*line)).collect();
        let mut tx = store.write().await.unwrap();
        imports::stage(&mut tx, id, &rows, random, now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    imports::check(store, id, random, now).await.unwrap();
    let counts = imports::apply(store, id, &AUTHOR, now).await.unwrap();
    assert_eq!(counts.create, people);
}

fn row(line: i64) -> StagedRow {
    let profile = person(line);
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
            ..RowInput::default()
        }),
    }
}

/// The person with this number.
pub(crate) fn person(number: i64) -> Profile {
    const GIVEN: [&str; 7] = ["Ada", "Bob", "Carol", "Dave", "Emil", "Fatma", "Grace"];
    const SURNAME: [&str; 6] = ["Kaya", "Brown", "Silva", "Novak", "Meyer", "Rossi"];
    const DEPARTMENT: [&str; 4] = ["Sales", "Research", "Finance", "Support"];
    const CITY: [&str; 4] = ["Lisboa", "Porto", "Berlin", "Wien"];
    let pick = |from: &[&str], by: i64| from[usize::try_from(by).unwrap() % from.len()].to_owned();
    let mut profile = Profile {
        user_name: format!("person{number}@contoso.example"),
        given_name: pick(&GIVEN, number),
        surname: format!("{}{number}", pick(&SURNAME, number / 7)),
        department: pick(&DEPARTMENT, number / 3),
        city: pick(&CITY, number),
        mail: format!("person{number}@contoso.example"),
        job_title: "Engineer".to_owned(),
        usage_location: "PT".to_owned(),
        ..Profile::default()
    };
    profile.normalize();
    profile
}

/// Makes groups of equal size, and puts everyone into two of them.
pub(crate) async fn make_groups(
    store: &Store,
    count: usize,
    random: &dyn Random,
    now: Timestamp,
) -> Vec<GroupId> {
    let mut made = Vec::new();
    let mut tx = store.write().await.unwrap();
    for number in 0..count {
        let new = NewGroup {
            id: GroupId::mint(now, random),
            name: format!("Team {number}"),
            description: String::new(),
        };
        groups::create(&mut tx, &new, &AUTHOR, now).await.unwrap();
        made.push(new.id);
    }
    tx.commit().await.unwrap();
    let (mut after, mut met) = (None, 0);
    loop {
        let page = after_page(store, after).await;
        let Some(last) = page.last() else { return made };
        after = Some(last.id);
        let mut tx = store.write().await.unwrap();
        for (at, group) in made.iter().enumerate() {
            let is_in = |number: &usize| {
                let first = (met + number) % count;
                at == first || at == (first + count / 2) % count
            };
            let users: Vec<_> = (0..page.len()).filter(is_in).map(|n| page[n].id).collect();
            memberships::add(&mut tx, *group, &users, &AUTHOR, now)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        met += page.len();
    }
}

/// Gives every hundredth person another job title; returns how many.
pub(crate) async fn promote_one_percent(
    store: &Store,
    tx: &mut Write,
    title: &str,
    now: Timestamp,
) -> i64 {
    let (mut after, mut changed) = (None, 0);
    loop {
        let page = after_page(store, after).await;
        for user in page.iter().step_by(100) {
            let profile = Profile {
                job_title: title.to_owned(),
                ..user.profile.clone()
            };
            users::update(tx, user.id, user.version, &profile, &AUTHOR, now)
                .await
                .unwrap();
            changed += 1;
        }
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return changed,
        }
    }
}

async fn after_page(store: &Store, after: Option<UserId>) -> Vec<User> {
    let mut read = store.read().await.unwrap();
    users::list_after(&mut read, after, 1_000).await.unwrap()
}

/// Makes an account with a license for everyone, as if they had been synced long ago.
pub(crate) async fn fill_tenant(store: &Store, http: &reqwest::Client, tenant: &str) {
    let mut after = None;
    loop {
        let page = after_page(store, after).await;
        let Some(last) = page.last() else { return };
        after = Some(last.id);
        let accounts: Vec<Value> = page.iter().map(account).collect();
        control(http, tenant, "accounts", json!({"accounts": accounts})).await;
    }
}

fn account(user: &User) -> Value {
    let profile = &user.profile;
    let nickname = profile.user_name.split('@').next().unwrap_or_default();
    json!({
        "userPrincipalName": profile.user_name,
        "mailNickname": nickname,
        "displayName": profile.display_name,
        "givenName": profile.given_name,
        "surname": profile.surname,
        "mail": profile.mail,
        "jobTitle": profile.job_title,
        "department": profile.department,
        "city": profile.city,
        "usageLocation": profile.usage_location,
        "onPremisesImmutableId": user.source_anchor.as_str(),
        "assignedLicenses": [{"skuId": E3}],
    })
}

/// Posts to the practice tenant's control API.
pub(crate) async fn control(http: &reqwest::Client, tenant: &str, path: &str, body: Value) {
    let request = http.post(format!("{tenant}/_practice/{path}")).json(&body);
    let answer = request.send().await.unwrap();
    let is_fine = answer.status().is_success();
    assert!(is_fine, "{path}: {}", answer.text().await.unwrap());
}
