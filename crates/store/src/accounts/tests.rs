//! The rules of accounts.

use super::*;
use crate::fixtures::{
    NOW, account, add_connected, add_users, dirty, inputs, random, settle_all, start, user,
};
use crate::runs::outcomes::Effect;
use crate::{both_engines, unanswered, users};
use signpost_model::plan::LinkMethod;
use signpost_model::provisioning::{Owned, OwnedKind};
use signpost_model::run::RunScope;

async fn observe(store: &Store, lease: &RunLease, accounts: &[Observation]) -> Observed {
    store_observations(store, lease, None, accounts, NOW)
        .await
        .unwrap()
}

both_engines! {
    async fn an_unchanged_account_changes_nothing(store: Store) {
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let many: Vec<_> = (0..1_500).map(|n| account(n, &format!("user{n}"))).collect();
        let first = observe(&store, &run.lease, &many).await;
        assert_eq!(first.changed.len(), 1_500);
        let mut again = many.clone();
        again.reverse();
        again[0].enabled = false;
        let second = observe(&store, &run.lease, &again).await;
        assert_eq!(second.changed, [account(1_499, "").object_id]);
        let mut db = store.read().await.unwrap();
        assert_eq!(count(&mut db, application.id).await.unwrap(), 1_500);
    }

    async fn an_account_that_stands_twice_is_kept_as_shown_last(store: Store) {
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let later = Observation { enabled: false, ..account(1, "ada") };
        observe(&store, &run.lease, &[account(1, "ada"), later.clone()]).await;
        let mut db = store.read().await.unwrap();
        let found = find_many(&mut db, application.id, std::slice::from_ref(&later.object_id)).await.unwrap();
        assert_eq!(found[0].observation, later);
    }

    async fn a_full_read_forgets_what_it_does_not_show(store: Store) {
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let both = [account(1, "ada"), account(2, "bob")];
        for (shown, gone) in [(&both[..], 0), (&both[..1], 1), (&both[..1], 0)] {
            let round = begin_full_read(&store, &run.lease, NOW).await.unwrap();
            store_observations(&store, &run.lease, Some(round), shown, NOW).await.unwrap();
            assert_eq!(finish_full_read(&store, &run.lease, round, NOW).await.unwrap(), gone);
        }
        let mut db = store.read().await.unwrap();
        assert_eq!(count(&mut db, application.id).await.unwrap(), 1);
    }

    async fn a_full_read_of_a_slow_replica_forgets_no_account_of_ours(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let object_id = account(1, "").object_id;
        let created = [
            Effect::Linked { user_id: user(1), object_id: object_id.clone(), method: LinkMethod::Created },
            Effect::Owned {
                object_id,
                owned: Owned { kind: OwnedKind::Account, key: String::new(), value: String::new() },
            },
            Effect::Observed(Box::new(account(1, "ada"))),
        ];
        unanswered::settle(&store, &run.lease, &[user(1)], &created, NOW).await.unwrap();
        for (minutes, gone) in [(1, 0), (16, 1)] {
            let later = NOW.plus_millis(minutes * MINUTE_MS);
            let round = begin_full_read(&store, &run.lease, later).await.unwrap();
            assert_eq!(finish_full_read(&store, &run.lease, round, later).await.unwrap(), gone);
        }
    }

    async fn accounts_are_found_by_each_key_however_it_is_written(store: Store) {
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let ada = Observation {
            immutable_id: Some("anchor".to_owned()),
            mail: Some("Ada.Lovelace@contoso.example".to_owned()),
            ..account(1, "Ada")
        };
        observe(&store, &run.lease, &[ada.clone(), account(2, "bob")]).await;
        set_role_holders(&store, &run.lease, std::slice::from_ref(&ada.object_id), NOW)
            .await
            .unwrap();
        let mut db = store.read().await.unwrap();
        let id = application.id;
        let found = [
            find_by_immutable_ids(&mut db, id, &["anchor", "other"]).await.unwrap(),
            find_by_upns(&mut db, id, &["ADA@contoso.example"]).await.unwrap(),
            find_by_mails(&mut db, id, &["ada.lovelace@CONTOSO.example"]).await.unwrap(),
            search(&mut db, id, "ADA", 10).await.unwrap(),
        ];
        for found in found {
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].observation, ada);
            assert!(found[0].administrator);
            assert_eq!(found[0].linked_with, None);
        }
        assert!(find_by_immutable_ids(&mut db, id, &["ANCHOR"]).await.unwrap().is_empty());
    }

    async fn a_changed_account_looks_at_users_it_is_or_could_be(store: Store) {
        add_users(&store, 1, &["Ada", "Bob", "Carol"]).await;
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        settle_all(&store, &application).await;
        let anchor = {
            let mut db = store.read().await.unwrap();
            users::find(&mut db, user(2)).await.unwrap().unwrap().source_anchor
        };
        let by_anchor = Observation {
            immutable_id: Some(anchor.to_string()),
            ..account(2, "somebody")
        };
        observe(&store, &run.lease, &[account(1, "ADA"), by_anchor]).await;
        assert_eq!(dirty(&store, application.id).await, [user(1), user(2)]);
        assert_eq!(inputs(&store, &application).await.len(), 3);
    }

    async fn the_delta_link_is_sealed_and_comes_back(store: Store) {
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        let link = Secret::new("https://graph.example/delta?token");
        save_delta_link(&store, &random(), &run.lease, Some(&link), NOW).await.unwrap();
        let mut db = store.read().await.unwrap();
        let raw: String = sqlx::query_scalar("select delta_link_sealed from connections")
            .fetch_one(&mut *db)
            .await
            .unwrap();
        assert!(!raw.contains("token"));
        let opened = open_delta_link(&mut db, store.sealer(), application.id).await.unwrap();
        assert_eq!(opened.unwrap().expose(), link.expose());
    }

    async fn names_with_a_zero_character_are_stored_all_the_same(store: Store) {
        let application = add_connected(&store).await;
        let run = start(&store, application.id, RunScope::Everyone).await;
        observe(&store, &run.lease, &[account(1, "a\0da")]).await;
        let mut db = store.read().await.unwrap();
        let found = find_by_upns(&mut db, application.id, &["ada@contoso.example"]).await;
        assert_eq!(found.unwrap()[0].observation, account(1, "a\0da"));
    }
}
