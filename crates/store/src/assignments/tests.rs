//! The rules of assignments.

use super::*;
use crate::fixtures::{
    NOW, add_application, add_group, add_users, alice, assign, dirty, group, user,
};
use crate::{Store, both_engines};
use signpost_model::Attribute;
use signpost_model::rule::{Combine, Comparison, Condition, Rule};

async fn names(store: &Store, application: &Application, search: &str) -> Vec<String> {
    let mut db = store.read().await.unwrap();
    let filter = AssignmentFilter {
        search: search.to_owned(),
        state: None,
    };
    let page = list_users(&mut db, application, &filter, &PageRequest::first(50))
        .await
        .unwrap();
    page.items
        .into_iter()
        .map(|user| user.display_name)
        .collect()
}

both_engines! {
    async fn a_double_click_assigns_once(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        add_group(&store, 1, "Sales", &[2]).await;
        let application = add_application(&store, "M365", AccessType::Assigned).await;
        let wanted = [Principal::User(user(1)), Principal::Group(group(1))];
        assert_eq!(assign(&store, application.id, &wanted).await, 2);
        assert_eq!(assign(&store, application.id, &wanted).await, 0);
        assert_eq!(names(&store, &application, "").await, ["Ada", "Bob"]);
        assert_eq!(dirty(&store, application.id).await, [user(1), user(2)]);
    }

    async fn who_does_not_exist_is_not_assigned(store: Store) {
        let application = add_application(&store, "M365", AccessType::Assigned).await;
        let nobody = [Principal::User(user(9)), Principal::Group(group(9))];
        assert_eq!(assign(&store, application.id, &nobody).await, 0);
    }

    async fn all_that_match_a_search_are_assigned_and_unassigned_beyond_a_page(store: Store) {
        add_users(&store, 1, &["Ada Sales", "Bob Sales", "Carol"]).await;
        add_group(&store, 1, "Sales", &[3]).await;
        let m365 = add_application(&store, "M365", AccessType::Assigned).await.id;
        let mut tx = store.write().await.unwrap();
        assert_eq!(count_candidates(&mut tx, m365, "").await.unwrap(), 4);
        assert_eq!(count_candidates(&mut tx, m365, "SALES").await.unwrap(), 3);
        let first = list_matching_candidates(&mut tx, m365, "sales", 2).await.unwrap();
        assert_eq!(first.len(), 2);
        tx.commit().await.unwrap();
        assert_eq!(assign(&store, m365, &first).await, 2);
        let mut tx = store.write().await.unwrap();
        let rest = list_matching_candidates(&mut tx, m365, "sales", 2).await.unwrap();
        assert_eq!(rest.len(), 1);
        tx.commit().await.unwrap();
        assert_eq!(assign(&store, m365, &rest).await, 1);

        let mut tx = store.write().await.unwrap();
        let filter = |search: &str, state| AssignmentFilter { search: search.to_owned(), state };
        assert_eq!(count_matching(&mut tx, m365, &filter("", None)).await.unwrap(), 3);
        let nobody = filter("", Some(ProvisioningState::Failed));
        assert_eq!(count_matching(&mut tx, m365, &nobody).await.unwrap(), 0);
        let bob = list_matching(&mut tx, m365, &filter("bob", None), 10).await.unwrap();
        assert_eq!(unassign(&mut tx, m365, &bob, &alice(), NOW).await.unwrap(), 1);
        assert_eq!(count_matching(&mut tx, m365, &filter("sales", None)).await.unwrap(), 2);
        tx.commit().await.unwrap();
    }

    async fn unassigning_looks_at_the_user_again(store: Store) {
        add_users(&store, 1, &["Ada"]).await;
        let application = add_application(&store, "M365", AccessType::Assigned).await;
        assign(&store, application.id, &[Principal::User(user(1))]).await;
        let mut db = store.read().await.unwrap();
        let filter = AssignmentFilter::default();
        let listed = list_users(&mut db, &application, &filter, &PageRequest::first(9))
            .await
            .unwrap();
        drop(db);
        let ids: Vec<_> = listed.items.iter().filter_map(|user| user.assignment).collect();
        let mut tx = store.write().await.unwrap();
        let settled = provisioning::Settled {
            user_id: user(1),
            revision: 1,
            state: ProvisioningState::InSync,
            removed_at: None,
            last_outcome: None,
            attempts: 0,
            due_at: None,
            desired_name: None,
        };
        provisioning::settle(&mut tx, application.id, None, &[settled], NOW).await.unwrap();
        assert_eq!(unassign(&mut tx, application.id, &ids, &alice(), NOW).await.unwrap(), 1);
        assert_eq!(unassign(&mut tx, application.id, &ids, &alice(), NOW).await.unwrap(), 0);
        tx.commit().await.unwrap();
        assert_eq!(names(&store, &application, "").await, Vec::<String>::new());
        assert_eq!(dirty(&store, application.id).await, [user(1)]);
    }

    async fn users_are_listed_by_page_and_found_by_a_part_of_their_name(store: Store) {
        add_users(&store, 1, &["Carol", "Ada", "Bob", "100% Dave"]).await;
        let application = add_application(&store, "M365", AccessType::AllUsers).await;
        assert_eq!(names(&store, &application, "RO").await, ["Carol"]);
        assert_eq!(names(&store, &application, "0%").await, ["100% Dave"]);
        let mut db = store.read().await.unwrap();
        let filter = AssignmentFilter::default();
        let first = list_users(&mut db, &application, &filter, &PageRequest::first(3))
            .await
            .unwrap();
        let shown: Vec<_> = first.items.iter().map(|u| u.display_name.as_str()).collect();
        assert_eq!(shown, ["100% Dave", "Ada", "Bob"]);
        assert_eq!(first.items[1].state, Some(ProvisioningState::Pending));
        let request = PageRequest::at(3, first.next.unwrap());
        let second = list_users(&mut db, &application, &filter, &request).await.unwrap();
        assert_eq!(second.items.len(), 1);
        assert!(second.next.is_none());
    }

    async fn a_rule_lists_whom_it_chooses(store: Store) {
        add_users(&store, 1, &["Carla", "Ada", "Bob"]).await;
        let rule = Rule {
            combine: Combine::All,
            conditions: vec![Condition {
                attribute: Attribute::DisplayName,
                comparison: Comparison::EndsWith,
                value: "A".to_owned(),
            }],
        };
        let application = add_application(&store, "M365", AccessType::Rule(rule)).await;
        assert_eq!(names(&store, &application, "").await, ["Ada", "Carla"]);
    }

    async fn candidates_are_those_without_an_assignment(store: Store) {
        add_users(&store, 1, &["Ada", "Bob"]).await;
        add_group(&store, 1, "Sales", &[1]).await;
        let application = add_application(&store, "M365", AccessType::Assigned).await;
        assign(&store, application.id, &[Principal::User(user(1))]).await;
        let mut db = store.read().await.unwrap();
        let users = list_candidate_users(&mut db, application.id, "", &PageRequest::first(9))
            .await
            .unwrap();
        assert_eq!(users.items.len(), 1);
        assert_eq!(users.items[0].name, "Bob");
        let groups = list_candidate_groups(&mut db, application.id, "sal", 9).await.unwrap();
        assert_eq!(groups[0].principal, Principal::Group(group(1)));
        drop(db);
        assign(&store, application.id, &[groups[0].principal]).await;
        let mut db = store.read().await.unwrap();
        let assigned = list_groups(&mut db, application.id, "", 9).await.unwrap();
        assert_eq!((assigned[0].name.as_str(), assigned[0].members), ("Sales", 1));
    }
}
