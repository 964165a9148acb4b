//! Every change of a user or a membership reaches the applications, and nothing else does.

use signpost_model::random::SeededRandom;
use signpost_model::{
    AccessType, Attribute, GroupId, ImportId, Profile, Source, SourceAnchor, UserId,
};

use crate::groups::{self, NewGroup};
use crate::imports::{self, NewImport, RowInput, StagedRow};
use crate::testing::{AUTHOR, NOW};
use crate::users::{self, NewUser};
use crate::{Store, Write, both_engines, fixtures, memberships};

const ADA: UserId = UserId::from_number(1);
const SALES: GroupId = GroupId::from_number(1);

fn ada() -> Profile {
    Profile {
        user_name: "ada@contoso.example".to_owned(),
        display_name: "Ada".to_owned(),
        ..Profile::default()
    }
}

/// How often applications were told of Ada.
async fn told(tx: &mut Write) -> i64 {
    sqlx::query_scalar(
        "select cast(coalesce(sum(revision), 0) as bigint) from provisioning where user_id = $1",
    )
    .bind(ADA.to_string())
    .fetch_one(&mut **tx)
    .await
    .unwrap()
}

/// An application that all users have, Ada, and a group.
async fn set_up(store: &Store) {
    fixtures::add_application(store, "Microsoft 365", AccessType::AllUsers).await;
    let mut tx = store.write().await.unwrap();
    let new = NewUser {
        id: ADA,
        source_anchor: SourceAnchor::mint(&SeededRandom::new(1)),
        source: Source::Local,
        profile: ada(),
        enabled: true,
    };
    users::create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
    let sales = NewGroup {
        id: SALES,
        name: "Sales".to_owned(),
        description: String::new(),
    };
    groups::create(&mut tx, &sales, &AUTHOR, NOW).await.unwrap();
    assert_eq!(told(&mut tx).await, 1);
    tx.commit().await.unwrap();
}

async fn import(store: &Store, number: u128, city: &str, group: &str) {
    let id = ImportId::from_number(number);
    let random = SeededRandom::new(u64::try_from(number).unwrap());
    let new = NewImport {
        id,
        file_name: "people.csv".to_owned(),
        mapping: "{}".to_owned(),
    };
    let row = StagedRow {
        line: 2,
        user_name: ada().user_name,
        display_name: ada().display_name,
        input: Ok(RowInput {
            values: vec![
                (Attribute::UserName, ada().user_name),
                (Attribute::City, city.to_owned()),
            ],
            groups: Some(vec![group.to_owned()]),
            ..RowInput::default()
        }),
    };
    let mut tx = store.write().await.unwrap();
    imports::create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
    imports::stage(&mut tx, id, &[row], &random, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    imports::check(store, id, &random, NOW).await.unwrap();
    imports::apply(store, id, &AUTHOR, NOW).await.unwrap();
}

both_engines! {
    async fn each_change_of_a_user_is_told_once(store: Store) {
        set_up(&store).await;
        let mut tx = store.write().await.unwrap();
        let form = Profile { city: "Lisboa".to_owned(), ..ada() };
        users::update(&mut tx, ADA, 1, &form, &AUTHOR, NOW).await.unwrap();
        assert_eq!(told(&mut tx).await, 2);
        users::update(&mut tx, ADA, 2, &form, &AUTHOR, NOW).await.unwrap();
        assert_eq!(told(&mut tx).await, 2);
        for expected in [3, 3] {
            users::disable(&mut tx, &[ADA], &AUTHOR, NOW).await.unwrap();
            assert_eq!(told(&mut tx).await, expected);
        }
        users::enable(&mut tx, &[ADA], &AUTHOR, NOW).await.unwrap();
        users::delete(&mut tx, &[ADA], &AUTHOR, NOW).await.unwrap();
        users::restore(&mut tx, &[ADA], &AUTHOR, NOW).await.unwrap();
        assert_eq!(told(&mut tx).await, 6);
    }

    async fn each_change_of_a_membership_is_told_once(store: Store) {
        set_up(&store).await;
        let mut tx = store.write().await.unwrap();
        for expected in [2, 2] {
            memberships::add(&mut tx, SALES, &[ADA], &AUTHOR, NOW).await.unwrap();
            assert_eq!(told(&mut tx).await, expected);
        }
        groups::delete(&mut tx, &[SALES], &AUTHOR, NOW).await.unwrap();
        assert_eq!(told(&mut tx).await, 3);
        groups::restore(&mut tx, &[SALES], &AUTHOR, NOW).await.unwrap();
        for expected in [5, 5] {
            memberships::remove(&mut tx, SALES, &[ADA], &AUTHOR, NOW).await.unwrap();
            assert_eq!(told(&mut tx).await, expected);
        }
    }

    async fn an_import_tells_only_of_whom_it_changes(store: Store) {
        set_up(&store).await;
        for (number, city, group, expected) in [
            (1, "Lisboa", "Sales", 2),
            (2, "Lisboa", "Sales", 2),
            (3, "Lisboa", "Research", 3),
            (4, "Porto", "Research", 4),
        ] {
            import(&store, number, city, group).await;
            let mut tx = store.write().await.unwrap();
            assert_eq!(told(&mut tx).await, expected, "import {number}");
        }
    }
}
