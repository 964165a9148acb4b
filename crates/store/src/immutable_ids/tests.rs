//! The rules of the doctor.

use super::*;
use crate::accounts::{set_role_holders, store_observations};
use crate::fixtures::{NOW, account as seen, add_connected, add_users, alice, start, user};
use crate::{Store, both_engines, users};
use signpost_model::Observation;
use signpost_model::run::RunScope;

async fn anchor(store: &Store, number: u128) -> String {
    let mut db = store.read().await.unwrap();
    let user = users::find(&mut db, user(number)).await.unwrap().unwrap();
    user.source_anchor.to_string()
}

fn ward(application: ApplicationId) -> Ward {
    Ward {
        application,
        domains: vec!["Contoso.example".to_owned()],
        provider: ProviderKind::Own,
    }
}

fn id(number: u32) -> ObjectId {
    seen(number, "").object_id
}

/// One account of each state; the user with the same number is linked with it unless it has none.
async fn prepare(store: &Store) -> Ward {
    let names = ["Ada", "Bob", "Carol", "Dave", "Eve", "Frank"];
    add_users(store, 1, &names).await;
    let application = add_connected(store).await.id;
    let run = start(store, application, RunScope::Everyone).await;
    let with = |number, name: &str, has: Option<String>| Observation {
        immutable_id: has,
        ..seen(number, name)
    };
    let other = Observation {
        user_principal_name: "dave@contoso.onmicrosoft.com".to_owned(),
        ..with(40, "dave", Some(anchor(store, 4).await))
    };
    let deleted = Observation {
        deleted: true,
        ..with(50, "zoe", None)
    };
    let synced = Observation {
        synchronised: true,
        ..with(5, "eve", Some("objectguid==".to_owned()))
    };
    let all = [
        with(1, "ada", Some(anchor(store, 1).await)),
        with(2, "bob", None),
        with(3, "carol", Some("somebody".to_owned())),
        with(4, "dave", None),
        other,
        synced,
        with(6, "frank", None),
        with(7, "gina", Some("left".to_owned())),
        deleted,
    ];
    store_observations(store, &run.lease, None, &all, NOW)
        .await
        .unwrap();
    set_role_holders(store, &run.lease, &[id(6)], NOW)
        .await
        .unwrap();
    let mut tx = store.write().await.unwrap();
    for number in 1..=6_u32 {
        sqlx::query(
            "insert into links (application_id, user_id, object_id, method, linked_at)
             values ($1, $2, $3, 'manual', 0)",
        )
        .bind(application.to_string())
        .bind(user(number.into()).to_string())
        .bind(id(number).as_str())
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    ward(application)
}

async fn states(store: &Store, ward: &Ward, shown: Shown) -> Vec<(String, ImmutableIdState)> {
    let mut db = store.read().await.unwrap();
    let page = list(&mut db, ward, shown, &PageRequest::first(50))
        .await
        .unwrap();
    page.items
        .into_iter()
        .map(|account| {
            let (name, _) = account.user_name.split_once('@').unwrap();
            (name.to_owned(), account.state)
        })
        .collect()
}

both_engines! {
    async fn each_account_of_the_domain_has_one_state(store: Store) {
        use ImmutableIdState::*;
        let ward = prepare(&store).await;
        let expected = [
            ("ada", Ready),
            ("bob", Missing),
            ("carol", Different),
            ("dave", Duplicate),
            ("eve", Synchronised),
            ("frank", Administrator),
            ("gina", NoUser),
        ].map(|(name, state)| (name.to_owned(), state));
        assert_eq!(states(&store, &ward, Shown::All).await, expected);
        assert_eq!(states(&store, &ward, Shown::Open).await, expected[1..]);
        assert_eq!(states(&store, &ward, Shown::Of(Different)).await, expected[2..3]);
        let mut db = store.read().await.unwrap();
        let counts = count(&mut db, &ward).await.unwrap();
        assert_eq!((counts.total(), counts.open(), counts.of(Ready)), (7, 6, 1));
        let nowhere = Ward { domains: Vec::new(), ..ward.clone() };
        assert_eq!(count(&mut db, &nowhere).await.unwrap().total(), 0);
        let repairable = list_repairable(&mut db, &ward, None, 10).await.unwrap();
        assert_eq!(repairable.iter().map(|account| account.user_name.as_str()).collect::<Vec<_>>(),
            ["bob@contoso.example", "carol@contoso.example"]);
        let carol = list_repairable(&mut db, &ward, Some(&repairable[0].object_id), 10).await.unwrap();
        assert_eq!(carol, repairable[1..]);
        let wanted = list_wanted(&mut db, &ward, None, 50).await.unwrap();
        assert_eq!(wanted.len(), 6, "Gina is nobody's account");
        assert!(wanted.iter().all(|account| account.wanted.is_some()));
    }

    async fn another_providers_ids_only_have_to_be_there_and_unique(store: Store) {
        use ImmutableIdState::*;
        let own = prepare(&store).await;
        let ward = Ward { provider: ProviderKind::External, ..own };
        let states = states(&store, &ward, Shown::All).await;
        let expected = [
            ("ada", Ready),
            ("bob", Missing),
            ("carol", Ready),
            ("dave", Duplicate),
            ("eve", Ready),
            ("frank", Administrator),
            ("gina", Ready),
        ].map(|(name, state)| (name.to_owned(), state));
        assert_eq!(states, expected);
    }

    async fn an_account_that_carries_a_users_id_is_ready_before_it_is_linked(store: Store) {
        let ward = prepare(&store).await;
        let mut tx = store.write().await.unwrap();
        sqlx::query("delete from links").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let states = states(&store, &ward, Shown::All).await;
        assert_eq!(states[0], ("ada".to_owned(), ImmutableIdState::Ready));
        assert_eq!(states[1], ("bob".to_owned(), ImmutableIdState::NoUser));
    }

    async fn a_waiver_counts_while_it_is_needed_and_stands_in_the_audit_trail(store: Store) {
        let ward = prepare(&store).await;
        let mut tx = store.write().await.unwrap();
        let ids = [id(1), id(6), id(7), id(40)];
        let waived = waive(&mut tx, &ward, &ids, &alice(), NOW).await.unwrap();
        assert_eq!(waived, 2, "Ada is ready, and Dave's other account is of another domain");
        assert_eq!(waive(&mut tx, &ward, &ids, &alice(), NOW).await.unwrap(), 0, "a second click");
        tx.commit().await.unwrap();
        let mut db = store.read().await.unwrap();
        let counts = count(&mut db, &ward).await.unwrap();
        assert_eq!((counts.total(), counts.open(), counts.waived), (7, 4, 2));
        let shown = list(&mut db, &ward, Shown::Waived, &PageRequest::first(50)).await.unwrap();
        assert_eq!(shown.items[0].waiver, Some(Waiver { by: "Alice".to_owned(), at: NOW }));
        let noted: i64 = sqlx::query_scalar(
            "select count(*) from audit_events where action = 'account.immutable_id_waived'
               and subject_name in ('frank@contoso.example', 'gina@contoso.example')")
            .fetch_one(&mut *db).await.unwrap();
        assert_eq!(noted, 2);
        drop(db);
        let mut tx = store.write().await.unwrap();
        assert_eq!(take_back(&mut tx, &ward, &ids, &alice(), NOW).await.unwrap(), 2);
        assert_eq!(count(&mut tx, &ward).await.unwrap().open(), 6);
    }

    async fn pages_go_both_ways(store: Store) {
        let ward = prepare(&store).await;
        let mut db = store.read().await.unwrap();
        let first = list(&mut db, &ward, Shown::All, &PageRequest::first(3)).await.unwrap();
        let second = PageRequest::at(3, first.next.clone().unwrap());
        let second = list(&mut db, &ward, Shown::All, &second).await.unwrap();
        assert_eq!(second.items[0].user_name, "dave@contoso.example");
        let back = PageRequest::at(3, second.previous.clone().unwrap());
        let back = list(&mut db, &ward, Shown::All, &back).await.unwrap();
        assert_eq!(back.items, first.items);
    }
}
