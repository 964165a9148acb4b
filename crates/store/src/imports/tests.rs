use signpost_model::random::SeededRandom;
use signpost_model::{Attribute, Profile, User};

use super::*;
use crate::groups::{self, GroupFilter};
use crate::testing::{AUTHOR, NOW};
use crate::users::{self, UserFilter};
use crate::{Store, Total, both_engines};

const LATER: Timestamp = NOW.plus_days(1);

fn name(person: &str) -> String {
    format!("{}@contoso.example", person.to_lowercase())
}

/// A row that says a name, a city, and no more.
fn row(line: i64, person: &str, city: &str) -> StagedRow {
    let mut profile = Profile {
        user_name: name(person),
        display_name: person.to_owned(),
        city: city.to_owned(),
        ..Profile::default()
    };
    profile.normalize();
    let values = [Attribute::UserName, Attribute::DisplayName, Attribute::City]
        .map(|attribute| (attribute, profile.value(attribute).to_owned()));
    StagedRow {
        line,
        user_name: profile.user_name,
        display_name: profile.display_name,
        input: Ok(RowInput {
            values: values.to_vec(),
            ..RowInput::default()
        }),
    }
}

fn with(mut row: StagedRow, change: impl FnOnce(&mut RowInput)) -> StagedRow {
    row.input.as_mut().map(change).unwrap();
    row
}

async fn staged(store: &Store, number: u128, rows: &[StagedRow]) -> ImportId {
    let random = SeededRandom::new(u64::try_from(number).unwrap());
    let new = NewImport {
        id: ImportId::from_number(number),
        file_name: "people.csv".to_owned(),
        mapping: "{}".to_owned(),
    };
    let mut tx = store.write().await.unwrap();
    create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
    for chunk in rows.chunks(2) {
        stage(&mut tx, new.id, chunk, &random, NOW).await.unwrap();
    }
    tx.commit().await.unwrap();
    new.id
}

async fn checked(store: &Store, number: u128, rows: &[StagedRow]) -> (ImportId, ImportCounts) {
    let id = staged(store, number, rows).await;
    let random = SeededRandom::new(77 + u64::try_from(number).unwrap());
    (id, check(store, id, &random, NOW).await.unwrap())
}

async fn imported(store: &Store, number: u128, rows: &[StagedRow]) -> ImportCounts {
    let (id, _) = checked(store, number, rows).await;
    let at = LATER.plus_millis(i64::try_from(number).unwrap());
    apply(store, id, &AUTHOR, at).await.unwrap()
}

async fn find_user(store: &Store, person: &str) -> Option<User> {
    let mut connection = store.read().await.unwrap();
    users::find_by_user_name(&mut connection, &name(person))
        .await
        .unwrap()
}

async fn user(store: &Store, person: &str) -> User {
    find_user(store, person).await.unwrap()
}

async fn rows_of(store: &Store, id: ImportId, outcome: RowOutcome) -> Vec<ImportRow> {
    let mut connection = store.read().await.unwrap();
    list_rows(
        &mut connection,
        id,
        Some(outcome),
        "",
        &PageRequest::first(50),
    )
    .await
    .unwrap()
    .items
}

fn counts(create: i64, update: i64, unchanged: i64, refused: i64) -> ImportCounts {
    ImportCounts {
        create,
        update,
        unchanged,
        refused,
    }
}

/// Everything an import could have touched: users with versions, groups with versions.
async fn directory(store: &Store) -> (Vec<User>, Vec<signpost_model::Group>) {
    let mut connection = store.read().await.unwrap();
    let users = users::list_after(&mut connection, None, 1_000)
        .await
        .unwrap();
    let filter = GroupFilter::default();
    let groups = groups::list(&mut connection, &filter, &PageRequest::first(200))
        .await
        .unwrap();
    (users, groups.items)
}

fn contoso() -> Vec<StagedRow> {
    vec![
        // Alice reports to Bob, who comes later in the file.
        with(row(2, "Alice", "Lisboa"), |input| {
            input.manager = Some(name("Bob"));
            input.groups = Some(vec!["Sales".into(), "All staff".into(), "sales".into()]);
        }),
        with(row(3, "Bob", "Porto"), |input| input.enabled = Some(false)),
        row(7, "Carol", ""),
        with(row(8, "Dave", "Faro"), |input| {
            input.groups = Some(vec!["ALL STAFF".into()]);
            input.fallbacks = vec![(Attribute::UsageLocation, "PT".into())];
        }),
    ]
}

both_engines! {
    async fn new_people_come_with_managers_and_groups(store: Store) {
        assert_eq!(imported(&store, 1, &contoso()).await, counts(4, 0, 0, 0));
        let (alice, bob) = (user(&store, "Alice").await, user(&store, "Bob").await);
        assert_eq!(alice.profile.manager_id, Some(bob.id));
        assert_eq!(alice.profile.city, "Lisboa");
        assert_eq!(alice.source, signpost_model::Source::Csv);
        assert!(!bob.enabled && alice.enabled);
        assert_eq!(user(&store, "Dave").await.profile.usage_location, "PT");
        let (_, groups) = directory(&store).await;
        let members: Vec<_> = groups.iter().map(|g| (g.name.to_lowercase(), g.members)).collect();
        assert_eq!(members, [("all staff".to_owned(), 2), ("sales".to_owned(), 1)]);
        let mut connection = store.read().await.unwrap();
        let total = users::count(&mut connection, &UserFilter::default()).await.unwrap();
        assert_eq!(total, Total::Exactly(4));
        let total = groups::count(&mut connection, &GroupFilter::default()).await.unwrap();
        assert_eq!(total, Total::Exactly(2));
    }

    async fn a_second_import_of_the_same_file_changes_nothing(store: Store) {
        imported(&store, 1, &contoso()).await;
        let before = directory(&store).await;
        assert_eq!(imported(&store, 2, &contoso()).await, counts(0, 0, 4, 0));
        assert_eq!(directory(&store).await, before);
    }

    async fn what_a_file_does_not_say_is_kept(store: Store) {
        imported(&store, 1, &contoso()).await;
        let rows = [row(2, "Alice", "Braga"), row(3, "Bob", "Porto"), row(4, "Dave", "Faro")];
        let (id, found) = checked(&store, 2, &rows).await;
        assert_eq!(found, counts(0, 1, 2, 0));
        let updates = rows_of(&store, id, RowOutcome::Update).await;
        let change = RowChange { what: "City".into(), before: "Lisboa".into(), after: "Braga".into() };
        assert_eq!(updates[0].changes, [change]);
        let before = user(&store, "Alice").await;
        apply(&store, id, &AUTHOR, LATER).await.unwrap();
        let after = user(&store, "Alice").await;
        assert_eq!((after.version, after.updated_at), (before.version + 1, LATER));
        assert_eq!(after.source_anchor, before.source_anchor);
        assert_eq!(after.profile, Profile { city: "Braga".into(), ..before.profile });
        assert!(!user(&store, "Bob").await.enabled);
        assert_eq!(user(&store, "Dave").await.version, 1);
    }

    async fn joining_a_group_leaves_the_user_as_they_were(store: Store) {
        imported(&store, 1, &contoso()).await;
        let before = user(&store, "Carol").await;
        let rows = [with(row(2, "Carol", ""), |input| input.groups = Some(vec!["Sales".into()]))];
        assert_eq!(imported(&store, 2, &rows).await, counts(0, 1, 0, 0));
        assert_eq!(user(&store, "Carol").await, before);
        let mut connection = store.read().await.unwrap();
        assert_eq!(groups::list_of_user(&mut connection, before.id).await.unwrap().len(), 1);
    }

    async fn refused_rows_say_why_and_stay_out(store: Store) {
        let unreadable = StagedRow {
            input: Err(RefusedRow {
                reasons: vec!["Line 9: no.".to_owned()],
                original: vec!["x".to_owned(), "y".to_owned()],
            }),
            ..row(9, "Erin", "")
        };
        let rows = [
            with(row(2, "Alice", ""), |input| input.manager = Some(name("Nobody"))),
            // Reports to someone who stays out.
            with(row(3, "Bob", ""), |input| input.manager = Some(name("Alice"))),
            // Report to each other.
            with(row(4, "Carol", ""), |input| input.manager = Some(name("Dave"))),
            with(row(5, "Dave", ""), |input| input.manager = Some(name("Carol"))),
            // Reports to themselves.
            with(row(6, "Frank", ""), |input| input.manager = Some(name("Frank"))),
            row(7, "Grace", ""),
            unreadable,
        ];
        let (id, found) = checked(&store, 1, &rows).await;
        assert_eq!(found, counts(1, 0, 0, 6));
        let refused = rows_of(&store, id, RowOutcome::Refused).await;
        let lines: Vec<_> = refused.iter().map(|row| row.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 9]);
        assert!(refused.iter().all(|row| row.reasons.len() == 1));
        assert!(refused[0].reasons[0].contains("nobody@contoso.example"));
        assert_eq!(refused[5].original, Some(vec!["x".to_owned(), "y".to_owned()]));
        apply(&store, id, &AUTHOR, LATER).await.unwrap();
        assert!(find_user(&store, "Grace").await.is_some());
        assert!(find_user(&store, "Bob").await.is_none());
    }

    async fn an_import_is_applied_once(store: Store) {
        let (id, _) = checked(&store, 1, &contoso()).await;
        apply(&store, id, &AUTHOR, LATER).await.unwrap();
        let again = apply(&store, id, &AUTHOR, LATER).await;
        assert!(matches!(again, Err(Error::Stale("import"))));
        let mut tx = store.write().await.unwrap();
        let late = discard(&mut tx, id, &AUTHOR, LATER).await;
        assert!(matches!(late, Err(Error::Stale("import"))));
        assert_eq!(find(&mut tx, id).await.unwrap().unwrap().state, ImportState::Applied);
    }

    async fn an_unchecked_or_discarded_import_is_not_applied(store: Store) {
        let id = staged(&store, 1, &contoso()).await;
        assert!(matches!(apply(&store, id, &AUTHOR, LATER).await, Err(Error::Stale(_))));
        let mut tx = store.write().await.unwrap();
        discard(&mut tx, id, &AUTHOR, LATER).await.unwrap();
        tx.commit().await.unwrap();
        assert!(matches!(apply(&store, id, &AUTHOR, LATER).await, Err(Error::Stale(_))));
        assert!(directory(&store).await.0.is_empty());
    }

    async fn a_directory_that_moved_on_asks_for_a_new_check(store: Store) {
        imported(&store, 1, &contoso()).await;
        let rows = [row(2, "Alice", "Braga"), row(3, "Erin", "")];
        let (id, _) = checked(&store, 2, &rows).await;
        let alice = user(&store, "Alice").await;
        let mut form = alice.profile.clone();
        form.job_title = "Director".to_owned();
        let mut tx = store.write().await.unwrap();
        users::update(&mut tx, alice.id, alice.version, &form, &AUTHOR, NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert!(matches!(apply(&store, id, &AUTHOR, LATER).await, Err(Error::Stale("import"))));
        assert!(find_user(&store, "Erin").await.is_none());
        let random = SeededRandom::new(5);
        assert_eq!(check(&store, id, &random, NOW).await.unwrap(), counts(1, 1, 0, 0));
        apply(&store, id, &AUTHOR, LATER).await.unwrap();
        let alice = user(&store, "Alice").await;
        assert_eq!((alice.profile.job_title.as_str(), alice.profile.city.as_str()), ("Director", "Braga"));
    }

    async fn someone_in_the_bin_comes_back_as_the_same_user(store: Store) {
        imported(&store, 1, &contoso()).await;
        let carol = user(&store, "Carol").await;
        let mut tx = store.write().await.unwrap();
        users::delete(&mut tx, &[carol.id], &AUTHOR, NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(imported(&store, 2, &contoso()).await, counts(0, 1, 3, 0));
        let back = user(&store, "Carol").await;
        assert_eq!((back.id, back.source_anchor), (carol.id, carol.source_anchor));
        let mut connection = store.read().await.unwrap();
        let total = users::count(&mut connection, &UserFilter::default()).await.unwrap();
        assert_eq!(total, Total::Exactly(4));
    }

    async fn rows_are_paged_searched_and_removed_in_time(store: Store) {
        let (id, _) = checked(&store, 1, &contoso()).await;
        let mut connection = store.read().await.unwrap();
        let first = list_rows(&mut connection, id, None, "", &PageRequest::first(3)).await.unwrap();
        let request = PageRequest::at(3, first.next.unwrap());
        let second = list_rows(&mut connection, id, None, "", &request).await.unwrap();
        assert_eq!(second.items.iter().map(|row| row.line).collect::<Vec<_>>(), [8]);
        let found = list_rows(&mut connection, id, None, "CAR", &PageRequest::first(3)).await.unwrap();
        assert_eq!(found.items.len(), 1);
        drop(connection);
        assert_eq!(find_progress(&store, id).await.unwrap(), None);
        let mut tx = store.write().await.unwrap();
        assert_eq!(purge(&mut tx, NOW).await.unwrap(), 0);
        assert_eq!(purge(&mut tx, NOW.plus_days(1)).await.unwrap(), 4 + 3);
        assert_eq!(purge(&mut tx, NOW.plus_days(DAYS_KEPT)).await.unwrap(), 4 + 1);
        assert_eq!(find(&mut tx, id).await.unwrap(), None);
    }
}

both_engines! {
    async fn a_file_is_kept_in_pieces_and_staged_anew(store: Store) {
        let (id, counted) = checked(&store, 40, &contoso()).await;
        assert!(counted.create > 0);
        let mut tx = store.write().await.unwrap();
        keep_piece(&mut tx, id, 0, b"User name\n").await.unwrap();
        keep_piece(&mut tx, id, 1, &[0xFF, 0x00]).await.unwrap();
        restart(&mut tx, id, "other").await.unwrap();
        tx.commit().await.unwrap();
        let mut connection = store.read().await.unwrap();
        assert_eq!(find_piece(&mut connection, id, 1).await.unwrap().unwrap(), [0xFF, 0x00]);
        assert_eq!(find_piece(&mut connection, id, 2).await.unwrap(), None);
        let import = find(&mut connection, id).await.unwrap().unwrap();
        assert_eq!((import.state, import.mapping.as_str()), (ImportState::Reading, "other"));
        drop(connection);
        assert_eq!(rows_of(&store, id, RowOutcome::Create).await, []);
        let random = SeededRandom::new(5);
        let mut tx = store.write().await.unwrap();
        stage(&mut tx, id, &contoso(), &random, NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(check(&store, id, &random, NOW).await.unwrap(), counted);
        apply(&store, id, &AUTHOR, LATER).await.unwrap();
        let mut tx = store.write().await.unwrap();
        assert!(matches!(restart(&mut tx, id, "").await, Err(crate::Error::Stale("import"))));
        purge(&mut tx, LATER.plus_days(2)).await.unwrap();
        assert_eq!(find_piece(&mut tx, id, 0).await.unwrap(), None);
    }
}
