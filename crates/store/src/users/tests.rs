use signpost_model::GroupId;
use signpost_model::random::SeededRandom;

use super::*;
use crate::groups::{self, NewGroup};
use crate::testing::{AUTHOR, NOW};
use crate::{Page, PageRequest, Store, Total, both_engines, memberships};

fn profile(name: &str, department: &str) -> Profile {
    let mut profile = Profile {
        user_name: format!("{}@contoso.example", name.to_lowercase().replace(' ', ".")),
        display_name: name.to_owned(),
        department: department.to_owned(),
        ..Profile::default()
    };
    profile.normalize();
    profile
}

async fn add(tx: &mut Write, number: u128, name: &str, department: &str) -> UserId {
    let new = NewUser {
        id: UserId::from_number(number),
        source_anchor: SourceAnchor::mint(&SeededRandom::new(u64::try_from(number).unwrap())),
        source: Source::Local,
        profile: profile(name, department),
        enabled: true,
    };
    let at = NOW.plus_millis(i64::try_from(number).unwrap());
    create(tx, &new, &AUTHOR, at).await.unwrap();
    new.id
}

async fn get(tx: &mut Write, id: UserId) -> User {
    find(tx, id).await.unwrap().unwrap()
}

/// Six people in two departments, Ada in a group.
async fn people(store: &Store) -> GroupId {
    let mut tx = store.write().await.unwrap();
    for (number, name, department) in [
        (1, "Ada Kaya", "Sales"),
        (2, "ada Lovelace", "Research"),
        (3, "Bob 100%", "Sales"),
        (4, "Émile Zola", ""),
        (5, "Carol", "research"),
        (6, "Dave", "Sales"),
    ] {
        add(&mut tx, number, name, department).await;
    }
    let group = NewGroup {
        id: GroupId::from_number(1),
        name: "Readers".to_owned(),
        description: String::new(),
    };
    groups::create(&mut tx, &group, &AUTHOR, NOW).await.unwrap();
    let ada = [UserId::from_number(1)];
    memberships::add(&mut tx, group.id, &ada, &AUTHOR, NOW)
        .await
        .unwrap();
    disable(&mut tx, &[UserId::from_number(6)], &AUTHOR, NOW)
        .await
        .unwrap();
    delete(&mut tx, &[UserId::from_number(5)], &AUTHOR, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    group.id
}

async fn names(store: &Store, filter: &UserFilter, order: (UserSort, Direction)) -> Vec<String> {
    let mut connection = store.read().await.unwrap();
    let page = list(&mut connection, filter, order, &PageRequest::first(50)).await;
    to_names(&page.unwrap())
}

fn to_names(page: &Page<UserListItem>) -> Vec<String> {
    page.items
        .iter()
        .map(|item| item.display_name.clone())
        .collect()
}

const BY_NAME: (UserSort, Direction) = (UserSort::DisplayName, Direction::Ascending);

both_engines! {
    async fn a_user_is_read_back_as_written(store: Store) {
        let mut tx = store.write().await.unwrap();
        let manager = add(&mut tx, 1, "Ada Kaya", "").await;
        let mut everything = profile("Bob Brown", "Sales");
        for attribute in Attribute::ALL {
            if everything.value(attribute).is_empty() {
                everything.set(attribute, attribute.key());
            }
        }
        everything.manager_id = Some(manager);
        let new = NewUser {
            id: UserId::from_number(2),
            source_anchor: SourceAnchor::mint(&SeededRandom::new(2)),
            source: Source::Csv,
            profile: everything,
            enabled: false,
        };
        create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
        let found = find_by_user_name(&mut tx, "BOB.BROWN@contoso.example").await.unwrap().unwrap();
        assert_eq!(found, User {
            id: new.id,
            source_anchor: new.source_anchor,
            source: Source::Csv,
            profile: new.profile,
            enabled: false,
            created_at: NOW,
            updated_at: NOW,
            deleted_at: None,
            version: 1,
        });
        let both = find_many(&mut tx, &[new.id, manager, UserId::from_number(9)]).await.unwrap();
        assert_eq!(both.len(), 2);
        assert_eq!(list_after(&mut tx, Some(manager), 10).await.unwrap(), std::slice::from_ref(&found));
        assert_eq!(list_reports(&mut tx, manager).await.unwrap(), [found]);
    }

    async fn two_users_never_share_a_user_name_but_one_may_inherit_it(store: Store) {
        let mut tx = store.write().await.unwrap();
        let ada = add(&mut tx, 1, "Ada Kaya", "").await;
        delete(&mut tx, &[ada], &AUTHOR, NOW).await.unwrap();
        let heir = add(&mut tx, 2, "Ada Kaya", "").await;
        tx.commit().await.unwrap();
        let mut tx = store.write().await.unwrap();
        let refusal = restore(&mut tx, &[ada], &AUTHOR, NOW).await.unwrap_err();
        assert!(refusal.is_conflict(Constraint::UserName));
        drop(tx);
        let mut tx = store.write().await.unwrap();
        let bob = add(&mut tx, 3, "Bob", "").await;
        let mut renamed = get(&mut tx, bob).await.profile;
        renamed.user_name = "ADA.Kaya@contoso.example".to_owned();
        let refusal = update(&mut tx, bob, 1, &renamed, &AUTHOR, NOW).await.unwrap_err();
        assert!(refusal.is_conflict(Constraint::UserName));
        assert_eq!(heir, UserId::from_number(2));
    }

    async fn an_update_made_from_an_older_version_is_refused(store: Store) {
        let mut tx = store.write().await.unwrap();
        let ada = add(&mut tx, 1, "Ada Kaya", "Sales").await;
        let mut form = get(&mut tx, ada).await.profile;
        form.city = "Lisboa".to_owned();
        update(&mut tx, ada, 1, &form, &AUTHOR, NOW.plus_millis(5)).await.unwrap();
        let user = get(&mut tx, ada).await;
        assert_eq!((user.version, user.updated_at), (2, NOW.plus_millis(5)));
        form.city = "Porto".to_owned();
        let late = update(&mut tx, ada, 1, &form, &AUTHOR, NOW).await;
        assert!(matches!(late, Err(Error::Stale("user"))));
    }

    async fn an_update_without_a_difference_changes_nothing(store: Store) {
        let mut tx = store.write().await.unwrap();
        let ada = add(&mut tx, 1, "Ada Kaya", "Sales").await;
        let before = get(&mut tx, ada).await;
        update(&mut tx, ada, 1, &before.profile, &AUTHOR, NOW.plus_days(1)).await.unwrap();
        assert_eq!(get(&mut tx, ada).await, before);
    }

    async fn nobody_reports_to_themselves_by_any_way(store: Store) {
        let mut tx = store.write().await.unwrap();
        let mut ids = Vec::new();
        for number in 1..=3 {
            ids.push(add(&mut tx, number, &format!("Person {number}"), "").await);
        }
        for (report, manager) in [(1, 0), (2, 1)] {
            let mut form = get(&mut tx, ids[report]).await.profile;
            form.manager_id = Some(ids[manager]);
            update(&mut tx, ids[report], 1, &form, &AUTHOR, NOW).await.unwrap();
        }
        for manager in [0, 1, 2] {
            let mut form = get(&mut tx, ids[0]).await.profile;
            form.manager_id = Some(ids[manager]);
            let refusal = update(&mut tx, ids[0], 1, &form, &AUTHOR, NOW).await.unwrap_err();
            assert!(refusal.is_conflict(Constraint::ManagerCycle));
        }
        let mut form = get(&mut tx, ids[2]).await.profile;
        form.manager_id = Some(UserId::from_number(99));
        update(&mut tx, ids[2], 2, &form, &AUTHOR, NOW).await.unwrap();
        let refusal = tx.commit().await.unwrap_err();
        assert!(refusal.is_conflict(Constraint::Reference), "{refusal:?}");
    }

    async fn a_state_is_changed_once_however_often_it_is_asked(store: Store) {
        let mut tx = store.write().await.unwrap();
        let ids = [add(&mut tx, 1, "Ada", "").await, add(&mut tx, 2, "Bob", "").await];
        assert_eq!(disable(&mut tx, &ids[..1], &AUTHOR, NOW).await.unwrap(), ids[..1]);
        assert_eq!(disable(&mut tx, &ids, &AUTHOR, NOW).await.unwrap(), ids[1..]);
        assert_eq!(enable(&mut tx, &ids, &AUTHOR, NOW).await.unwrap().len(), 2);
        assert_eq!(delete(&mut tx, &ids, &AUTHOR, NOW).await.unwrap().len(), 2);
        assert_eq!(delete(&mut tx, &ids, &AUTHOR, NOW).await.unwrap(), []);
        assert_eq!(disable(&mut tx, &ids, &AUTHOR, NOW).await.unwrap(), []);
        assert_eq!(restore(&mut tx, &ids[..1], &AUTHOR, NOW).await.unwrap(), ids[..1]);
        let total = count(&mut tx, &UserFilter::default()).await.unwrap();
        assert_eq!(total, Total::Exactly(1));
        tx.commit().await.unwrap();
        let mut connection = store.read().await.unwrap();
        let filter = audit::AuditFilter::default();
        let events = audit::list(&mut connection, &filter, &PageRequest::first(50)).await.unwrap();
        let actions: Vec<_> = events.items.into_iter().map(|event| event.action).collect();
        assert_eq!(actions.len(), 2 + 1 + 1 + 2 + 2 + 1);
    }

    async fn the_bin_is_emptied_after_thirty_days(store: Store) {
        let mut tx = store.write().await.unwrap();
        let boss = add(&mut tx, 1, "Ada", "").await;
        let bob = add(&mut tx, 2, "Bob", "").await;
        let mut form = get(&mut tx, bob).await.profile;
        form.manager_id = Some(boss);
        update(&mut tx, bob, 1, &form, &AUTHOR, NOW).await.unwrap();
        delete(&mut tx, &[boss], &AUTHOR, NOW).await.unwrap();
        assert_eq!(purge(&mut tx, &AUTHOR, NOW.plus_days(30).plus_millis(-1)).await.unwrap(), 0);
        assert_eq!(purge(&mut tx, &AUTHOR, NOW.plus_days(30)).await.unwrap(), 1);
        assert_eq!(find(&mut tx, boss).await.unwrap(), None);
        assert_eq!(get(&mut tx, bob).await.profile.manager_id, None);
    }

    async fn filters_find_whom_they_name(store: Store) {
        let group = people(&store).await;
        let all = UserFilter::default();
        assert_eq!(names(&store, &all, BY_NAME).await,
            ["Ada Kaya", "ada Lovelace", "Bob 100%", "Dave", "Émile Zola"]);
        let search = |text: &str| UserFilter { search: text.into(), ..UserFilter::default() };
        assert_eq!(names(&store, &search("KAYA ada"), BY_NAME).await, ["Ada Kaya"]);
        assert_eq!(names(&store, &search("émile"), BY_NAME).await, ["Émile Zola"]);
        assert_eq!(names(&store, &search("0%"), BY_NAME).await, ["Bob 100%"]);
        assert_eq!(names(&store, &search("a_a"), BY_NAME).await, [""; 0]);
        assert_eq!(names(&store, &search("lovelace@contoso"), BY_NAME).await, ["ada Lovelace"]);
        let state = |state| UserFilter { state: Some(state), ..UserFilter::default() };
        assert_eq!(names(&store, &state(UserState::Disabled), BY_NAME).await, ["Dave"]);
        assert_eq!(names(&store, &state(UserState::Deleted), BY_NAME).await, ["Carol"]);
        assert_eq!(names(&store, &state(UserState::Enabled), BY_NAME).await.len(), 4);
        let department = UserFilter { department: Some("SALES".into()), ..UserFilter::default() };
        assert_eq!(names(&store, &department, BY_NAME).await, ["Ada Kaya", "Bob 100%", "Dave"]);
        let source = UserFilter { source: Some(Source::Csv), ..UserFilter::default() };
        assert_eq!(names(&store, &source, BY_NAME).await, [""; 0]);
        let group = UserFilter { group: Some(group), ..UserFilter::default() };
        assert_eq!(names(&store, &group, BY_NAME).await, ["Ada Kaya"]);

        let mut connection = store.read().await.unwrap();
        assert_eq!(count(&mut connection, &all).await.unwrap(), Total::Exactly(5));
        assert_eq!(count(&mut connection, &department).await.unwrap(), Total::Exactly(3));
        assert_eq!(list_departments(&mut connection).await.unwrap(), ["Research", "Sales"]);
    }

    async fn a_list_says_how_many_there_are_on_every_page(store: Store) {
        people(&store).await;
        let mut connection = store.read().await.unwrap();
        let all = UserFilter::default();
        let sales = UserFilter { search: "sales".into(), ..UserFilter::default() };
        for (filter, known) in [(&all, 5), (&sales, 3)] {
            for size in [2, 3, 5, 50] {
                let mut request = PageRequest::first(size);
                loop {
                    let (page, total) =
                        list_and_count(&mut connection, filter, BY_NAME, &request).await.unwrap();
                    assert_eq!(total, Total::Exactly(known), "{size} {request:?}");
                    let Some(next) = page.next else { break };
                    request = PageRequest::at(size, next);
                }
            }
        }
        // Behind the last one nobody is, which says nothing of those before.
        let last = list(&mut connection, &sales, BY_NAME, &PageRequest::first(2)).await.unwrap();
        let behind = PageRequest::at(2, last.next.unwrap());
        let end = list(&mut connection, &sales, BY_NAME, &behind).await.unwrap();
        assert_eq!(end.items.len(), 1);
        drop(connection);
        let mut tx = store.write().await.unwrap();
        delete(&mut tx, &[end.items[0].id], &AUTHOR, NOW).await.unwrap();
        let (page, total) = list_and_count(&mut tx, &sales, BY_NAME, &behind).await.unwrap();
        assert!(page.items.is_empty());
        assert_eq!(total, Total::Exactly(2));
    }

    async fn every_order_pages_the_same_both_ways(store: Store) {
        people(&store).await;
        let filter = UserFilter::default();
        for sort in UserSort::ALL {
            for direction in Direction::ALL {
                let whole = names(&store, &filter, (sort, direction)).await;
                let mut connection = store.read().await.unwrap();
                let mut pages = Vec::new();
                let mut request = PageRequest::first(2);
                loop {
                    let page = list(&mut connection, &filter, (sort, direction), &request).await.unwrap();
                    pages.push(to_names(&page));
                    let Some(next) = page.next else { break };
                    // Through text, as a link carries it.
                    request = PageRequest::at(2, next.to_string().parse().unwrap());
                }
                assert_eq!(pages.concat(), whole, "{sort:?} {direction:?}");
                let mut back = Vec::new();
                loop {
                    let page = list(&mut connection, &filter, (sort, direction), &request).await.unwrap();
                    back.insert(0, to_names(&page));
                    let Some(previous) = page.previous else { break };
                    request = PageRequest::at(2, previous);
                }
                assert_eq!(back.concat(), whole, "{sort:?} {direction:?} backwards");
            }
        }
        assert_eq!(
            names(&store, &filter, (UserSort::Department, Direction::Descending)).await,
            ["Dave", "Bob 100%", "Ada Kaya", "ada Lovelace", "Émile Zola"]
        );
    }

    async fn a_cursor_of_another_order_is_refused(store: Store) {
        people(&store).await;
        let mut connection = store.read().await.unwrap();
        let filter = UserFilter::default();
        let page = list(&mut connection, &filter, BY_NAME, &PageRequest::first(2)).await.unwrap();
        let request = PageRequest::at(2, page.next.unwrap());
        let order = (UserSort::Updated, Direction::Ascending);
        let refusal = list(&mut connection, &filter, order, &request).await.unwrap_err();
        assert!(matches!(refusal, Error::InvalidCursor));
    }
}
