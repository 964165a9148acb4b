//! People and applications for tests.

use signpost_model::audit::Actor;
use signpost_model::random::{SeededRandom, random_text};
use signpost_model::text::fold;
use signpost_model::{
    AccessType, Application, ApplicationId, Author, GroupId, Principal, Timestamp, UserId,
};

use crate::{Store, applications, assignments, provisioning};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// The operator that does everything.
pub(crate) fn alice() -> Author {
    Author {
        actor: Actor::Operator {
            id: signpost_model::OperatorId::from_number(1),
            name: "Alice".to_owned(),
        },
        address: None,
    }
}

/// A source of randomness that draws other ids in each call.
pub(crate) fn random() -> SeededRandom {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SEED: AtomicU64 = AtomicU64::new(1);
    SeededRandom::new(SEED.fetch_add(1, Ordering::Relaxed))
}

pub(crate) const fn user(number: u128) -> UserId {
    UserId::from_number(number)
}

pub(crate) const fn group(number: u128) -> GroupId {
    GroupId::from_number(number)
}

/// Puts users with these names into the directory; their ids are counted from `first`.
pub(crate) async fn add_users(store: &Store, first: u128, names: &[&str]) {
    let mut tx = store.write().await.unwrap();
    for (number, name) in (first..).zip(names) {
        let user_name = format!("{}@contoso.example", fold(name));
        sqlx::query(
            "insert into users (id, source_anchor, source, user_name, user_name_folded,
               display_name, display_name_folded, given_name, surname, mail, job_title,
               department, department_folded, company_name, office_location, mobile_phone,
               business_phone, street_address, city, state, postal_code, country, usage_location,
               preferred_language, employee_id, search, enabled, created_at, updated_at, version)
             values ($1, $2, 'local', $3, $3, $4, $5, '', '', $3, '', '', '', '', '', '', '', '',
               '', '', '', '', 'PT', '', '', $5, 1, 0, 0, 1)",
        )
        .bind(user(number).to_string())
        .bind(random_text(&random(), b"abcdefghijklmnopqrstuvwxyz", 32))
        .bind(user_name)
        .bind(*name)
        .bind(fold(name))
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
}

/// Puts a group with these members into the directory.
pub(crate) async fn add_group(store: &Store, number: u128, name: &str, members: &[u128]) {
    let mut tx = store.write().await.unwrap();
    sqlx::query(
        "insert into groups (id, name, name_folded, description, search, created_at, updated_at,
           version) values ($1, $2, $3, '', $3, 0, 0, 1)",
    )
    .bind(group(number).to_string())
    .bind(name)
    .bind(fold(name))
    .execute(&mut *tx)
    .await
    .unwrap();
    for member in members {
        sqlx::query("insert into memberships (group_id, user_id, created_at) values ($1, $2, 0)")
            .bind(group(number).to_string())
            .bind(user(*member).to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

/// An application of this name.
pub(crate) async fn add_application(store: &Store, name: &str, access: AccessType) -> Application {
    let mut tx = store.write().await.unwrap();
    let application = applications::create(&mut tx, &random(), name, &access, &alice(), NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    application
}

/// Assigns the application; returns how many were new.
pub(crate) async fn assign(
    store: &Store,
    application: ApplicationId,
    principals: &[Principal],
) -> usize {
    let mut tx = store.write().await.unwrap();
    let count = assignments::assign(&mut tx, &random(), application, principals, &alice(), NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    count
}

/// Who has to be looked at.
pub(crate) async fn dirty(store: &Store, application: ApplicationId) -> Vec<UserId> {
    let mut db = store.read().await.unwrap();
    provisioning::next_dirty(&mut db, application, NOW, 1_000)
        .await
        .unwrap()
}
