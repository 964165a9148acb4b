//! Users and groups, as a person in a browser works with them.

use signpost_model::{Role, UserId};
use signpost_store::Total;
use signpost_store::both_engines;
use signpost_store::users::{self, UserFilter};

use crate::support::{Answer, Browser, TestApp, hidden_value};

/// Adds a user by the form; returns the address of their page.
async fn add(browser: &Browser, user_name: &str, more: &[(&str, &str)]) -> String {
    let form = browser.get("/users/new").await;
    let id = hidden_value(&form.body, "id").unwrap();
    let mut fields = vec![("id", id.as_str()), ("user_name", user_name)];
    fields.extend_from_slice(more);
    let answer = browser.post("/api/users/create", &fields).await;
    assert_eq!(answer.location(), format!("/users/{id}"), "{}", answer.body);
    format!("/users/{id}")
}

async fn add_group(browser: &Browser, name: &str) -> String {
    let form = browser.get("/groups/new").await;
    let id = hidden_value(&form.body, "id").unwrap();
    let fields = [("id", id.as_str()), ("name", name)];
    let answer = browser.post("/api/groups/create", &fields).await;
    assert_eq!(answer.location(), format!("/groups/{id}"));
    id
}

fn id_of(page: &str) -> &str {
    page.rsplit('/').next().unwrap()
}

/// The words of the page, without its tags.
fn text(answer: &Answer) -> String {
    let mut words = String::new();
    let mut inside = false;
    for letter in answer.body.chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => words.push(letter),
            _ => {}
        }
    }
    words
}

/// Posts the form of the notice's Undo button.
async fn undo(browser: &Browser, page: &Answer) -> Answer {
    let (_, form) = page.body.split_once("notice__action").unwrap();
    let (form, _) = form.split_once("</form>").unwrap();
    let (before, _) = page.body.split_once("notice__action").unwrap();
    let (_, action) = before.rsplit_once("action=\"").unwrap();
    let action = action.split('"').next().unwrap().to_owned();
    let fields: Vec<(String, String)> = form
        .split("<input ")
        .skip(1)
        .map(|tag| {
            let part = |name: &str| {
                let (_, rest) = tag.split_once(&format!("{name}=\"")).unwrap_or(("", "\""));
                rest.split('"').next().unwrap().replace("&amp;", "&")
            };
            (part("name"), part("value"))
        })
        .filter(|(name, _)| name != "csrf")
        .collect();
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    browser.submit(&action, &fields).await
}

both_engines! {
    async fn a_user_is_added_changed_disabled_deleted_and_restored(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Administrator).await;
        let empty = browser.get("/users").await;
        assert!(text(&empty).contains("No users yet"));
        let page = add(&browser, "ada@contoso.example", &[("given_name", "Ada"), ("surname", "Kaya")]).await;
        let shown = browser.get(&page).await;
        assert!(text(&shown).contains("Ada Kaya was added."), "{}", shown.body);

        let version = hidden_value(&shown.body, "version").unwrap();
        let saved = browser.submit("/api/users/update", &[
            ("id", id_of(&page)), ("version", &version), ("user_name", "ada@contoso.example"),
            ("display_name", "Ada Kaya"), ("usage_location", "pt"),
        ]).await;
        assert!(text(&saved).contains("Changes saved."));
        assert!(saved.body.contains("value=\"PT\""));
        assert!(text(&saved).contains("Changed by Administrator of Contoso"));

        let (ids, user) = (("ids", id_of(&page)), ("user", id_of(&page)));
        let disabled = browser.submit("/api/users/change", &[ids, user, ("act", "disable")]).await;
        assert!(text(&disabled).contains("Ada Kaya is disabled"));
        let found = browser.get("/users?state=disabled&q=kaya+ada").await;
        assert!(text(&found).contains("1 user") && text(&found).contains("Ada Kaya"));
        let deleted = browser.submit("/api/users/change", &[ids, ("act", "delete")]).await;
        assert!(text(&deleted).contains("Ada Kaya is deleted"));
        assert!(text(&browser.get("/users?state=deleted").await).contains("Ada Kaya"));
        let back = undo(&browser, &deleted).await;
        assert!(text(&back).contains("Ada Kaya is back"), "{}", text(&back));
        assert!(text(&browser.get("/users").await).contains("1 user"));
    }

    async fn a_second_click_does_nothing_twice(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Administrator).await;
        let form = browser.get("/users/new").await;
        let id = hidden_value(&form.body, "id").unwrap();
        let fields = [("id", id.as_str()), ("user_name", "ada@contoso.example")];
        let (first, second) = tokio::join!(
            browser.post("/api/users/create", &fields),
            browser.post("/api/users/create", &fields),
        );
        assert_eq!(first.location(), second.location());
        let update = [("id", id.as_str()), ("version", "1"), ("user_name", "ada@contoso.example"), ("city", "Porto")];
        for _ in 0..2 {
            assert!(text(&browser.submit("/api/users/update", &update).await).contains("Changes saved."));
        }
        let delete = [("ids", id.as_str()), ("act", "delete")];
        for _ in 0..2 {
            let page = browser.submit("/api/users/change", &delete).await;
            assert!(text(&page).contains("is deleted"));
        }
        let mut read = app.portal.store.read().await.unwrap();
        assert_eq!(users::count(&mut read, &UserFilter::default()).await.unwrap(), Total::Exactly(0));
    }

    async fn two_people_who_edit_at_once_lose_nothing(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Administrator).await;
        let page = add(&browser, "ada@contoso.example", &[]).await;
        let save = |city: &'static str| {
            let (browser, page) = (&browser, &page);
            async move {
                browser.submit("/api/users/update", &[
                    ("id", id_of(page)), ("version", "1"), ("user_name", "ada@contoso.example"), ("city", city),
                ]).await
            }
        };
        assert!(text(&save("Porto").await).contains("Changes saved."));
        let refused = save("Braga").await;
        assert!(text(&refused).contains("Somebody else changed this meanwhile."));
        assert!(text(&refused).contains("Stored now: Porto"), "the stored value is shown");
        assert!(refused.body.contains("value=\"Braga\""), "the typed value is kept");
        let version = hidden_value(&refused.body, "version").unwrap();
        let saved = browser.submit("/api/users/update", &[
            ("id", id_of(&page)), ("version", &version), ("user_name", "ada@contoso.example"), ("city", "Braga"),
        ]).await;
        assert!(text(&saved).contains("Changes saved."), "compared and saved again");
    }

    async fn what_is_ticked_is_changed_together(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Administrator).await;
        let ada = add(&browser, "ada@contoso.example", &[]).await;
        let bob = add(&browser, "bob@contoso.example", &[]).await;
        let nobody = browser.submit("/api/users/change", &[("act", "disable"), ("list", "q=ada")]).await;
        assert!(text(&nobody).contains("Tick the users first."));
        let both = [("ids", id_of(&ada)), ("ids", id_of(&bob)), ("list", "q=contoso")];
        let answer = browser.post("/api/users/change", &[&both[..], &[("act", "delete")]].concat()).await;
        assert_eq!(answer.location(), "/users?q=contoso", "the list keeps its filter");
        let deleted = browser.get(answer.location()).await;
        assert!(text(&deleted).contains("2 users are deleted."));
        assert!(text(&undo(&browser, &deleted).await).contains("2 users are back"));
        let asked = browser.submit("/api/users/change", &[&both[..], &[("act", "add_to_group")]].concat()).await;
        assert!(text(&asked).contains("2 users"));
        add_group(&browser, "Sales").await;
        let join = [("ids", id_of(&ada)), ("ids", id_of(&bob)), ("group", "sales")];
        let joined = browser.submit("/api/users/add-to-group", &join).await;
        assert!(text(&joined).contains("2 users were added to Sales."));
        let again = browser.submit("/api/users/add-to-group", &join).await;
        assert!(text(&again).contains("All 2 users are in Sales."));
    }

    async fn a_group_has_members_that_come_and_go(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Administrator).await;
        let ada = add(&browser, "ada@contoso.example", &[]).await;
        let group = add_group(&browser, "Sales").await;
        let taken = browser.submit("/api/groups/create", &[("id", &UserId::from_number(9).to_string()), ("name", "SALES")]).await;
        assert!(text(&taken).contains("Another group has this name."));
        assert!(taken.body.contains("value=\"SALES\""));
        let candidates = browser.get(&format!("/groups/{group}/members/new?q=ada")).await;
        assert!(candidates.body.contains(id_of(&ada)));
        let member = [("group", group.as_str()), ("ids", id_of(&ada))];
        let added = browser.submit("/api/groups/add-members", &member).await;
        assert!(text(&added).contains("1 user was added to Sales.") && text(&added).contains("1 member"));
        let removed = browser.submit("/api/groups/remove-members", &member).await;
        assert!(text(&removed).contains("No members yet"));
        let back = undo(&browser, &removed).await;
        assert!(text(&back).contains("1 member"));
        let renamed = browser.submit("/api/groups/update", &[("id", &group), ("version", "1"), ("name", "Sellers")]).await;
        assert!(text(&renamed).contains("Changes saved."));
        let late = browser.submit("/api/groups/update", &[("id", &group), ("version", "1"), ("name", "Sold")]).await;
        assert!(text(&late).contains("Somebody else changed this") && text(&late).contains("Stored now: Sellers"));
        let deleted = browser.submit("/api/groups/change", &[("ids", &group), ("act", "delete")]).await;
        assert!(text(&deleted).contains("Sellers is deleted"));
        assert!(text(&undo(&browser, &deleted).await).contains("Sellers is back"));
    }

    async fn a_long_list_is_paged_both_ways(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Administrator).await;
        for number in 10..70 {
            add(&browser, &format!("u{number}@contoso.example"), &[]).await;
        }
        let first = browser.get("/users").await;
        assert!(text(&first).contains("50 of 60 users"));
        let next = link(&first, "Next");
        let second = browser.get(&next).await;
        assert!(text(&second).contains("u69@contoso.example"));
        let back = browser.get(&link(&second, "Previous")).await;
        assert!(text(&back).contains("u10@contoso.example") && !text(&back).contains("u69@"));
        let sorted = browser.get("/users?order=descending").await;
        assert!(text(&sorted).contains("u69@") && !text(&sorted).contains("u10@"));
        let spoiled = browser.get("/users?at=nonsense&state=none&group=x&sort=y").await;
        assert_eq!(spoiled.status, 200);
        let other = browser.get(&format!("{next}&sort=updated")).await;
        assert_eq!(other.status, 400, "a place of another order is no place");
    }
}

/// Where the link with these words leads.
fn link(page: &Answer, words: &str) -> String {
    let (before, _) = page.body.split_once(&format!("{words}</a>")).unwrap();
    let (_, rest) = before.rsplit_once("href=\"").unwrap();
    rest.split('"').next().unwrap().replace("&amp;", "&")
}

#[tokio::test]
async fn each_field_says_what_is_wrong_and_keeps_the_rest() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Administrator).await;
    let long = "x".repeat(300);
    let wrong = [
        (
            "user_name",
            "ada",
            "Enter a user name such as ada@contoso.com",
        ),
        (
            "user_name",
            "ä@contoso.example",
            "Use only letters without accents",
        ),
        (
            "display_name",
            long.as_str(),
            "Display name is longer than 256 characters",
        ),
        (
            "mail",
            "nobody",
            "Enter a mail address such as ada@contoso.com",
        ),
        (
            "usage_location",
            "XX",
            "Enter a country as two letters, for example PT",
        ),
        (
            "preferred_language",
            "portuguese!",
            "Enter a language such as pt-PT",
        ),
        (
            "city",
            "a\u{7}b",
            "City has a character that cannot be printed",
        ),
        ("manager", "nobody", "Nobody is called “nobody”."),
    ];
    let form = browser.get("/users/new").await;
    let id = hidden_value(&form.body, "id").unwrap();
    for (field, value, message) in wrong {
        let mut fields = vec![("id", id.as_str()), ("job_title", "Typed before")];
        if field != "user_name" {
            fields.push(("user_name", "ada@contoso.example"));
        }
        fields.push((field, value));
        let page = browser.submit("/api/users/create", &fields).await;
        assert!(text(&page).contains(message), "{field}: {}", text(&page));
        assert!(
            page.body.contains(&format!("href=\"#field-{field}\"")),
            "{field}"
        );
        assert!(
            page.body.contains(&format!("id=\"{field}-error\"")),
            "{field}"
        );
        assert!(page.body.contains("value=\"Typed before\""), "{field}");
    }
    add(&browser, "ada@contoso.example", &[]).await;
    let fields = [("id", id.as_str()), ("user_name", "ADA@contoso.example")];
    let page = browser.submit("/api/users/create", &fields).await;
    assert!(text(&page).contains("Another user has this user name."));
}

#[tokio::test]
async fn a_manager_is_found_by_name_and_never_in_a_circle() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Administrator).await;
    let ada = add(
        &browser,
        "ada@contoso.example",
        &[("display_name", "Ada Kaya")],
    )
    .await;
    add(
        &browser,
        "ana@contoso.example",
        &[("display_name", "Ana Kaya")],
    )
    .await;
    let bob = add(&browser, "bob@contoso.example", &[("manager", "ada kaya")]).await;
    assert!(
        browser
            .get(&bob)
            .await
            .body
            .contains("value=\"ada@contoso.example\"")
    );
    let save = |page: &str, name: &str, manager: &str| {
        let fields = [
            ("id".to_owned(), id_of(page).to_owned()),
            ("version".to_owned(), "1".to_owned()),
            ("user_name".to_owned(), name.to_owned()),
            ("manager".to_owned(), manager.to_owned()),
        ];
        let browser = browser.clone();
        async move {
            let fields: Vec<_> = fields
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect();
            browser.submit("/api/users/update", &fields).await
        }
    };
    let several = save(&bob, "bob@contoso.example", "kaya").await;
    assert!(text(&several).contains("Several users match “kaya”."));
    assert!(
        several
            .body
            .contains("<option value=\"ana@contoso.example\">")
    );
    let circle = save(&ada, "ada@contoso.example", "bob@contoso.example").await;
    assert!(text(&circle).contains("This person reports to the user already"));
}

#[tokio::test]
async fn nothing_is_found_under_an_unknown_id() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Administrator).await;
    let unknown = UserId::from_number(77).to_string();
    for part in ["users", "groups", "import"] {
        for id in [unknown.as_str(), "nonsense", "%00"] {
            assert_eq!(
                browser.get(&format!("/{part}/{id}")).await.status,
                404,
                "{part}/{id}"
            );
        }
    }
    for (path, name) in [
        ("/api/users/update", "id"),
        ("/api/users/change", "ids"),
        ("/api/groups/update", "id"),
        ("/api/groups/change", "ids"),
        ("/api/groups/add-members", "group"),
        ("/api/import/apply", "id"),
        ("/api/import/discard", "id"),
        ("/api/import/check-again", "id"),
    ] {
        let fields = [
            (name, unknown.as_str()),
            ("ids", unknown.as_str()),
            ("act", "delete"),
            ("version", "1"),
            ("name", "x"),
            ("user_name", "a@b.example"),
        ];
        assert_eq!(browser.post(path, &fields).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn auditors_look_and_change_nothing() {
    let app = TestApp::new().await;
    let admin = app.sign_in(Role::Administrator).await;
    let ada = add(&admin, "ada@contoso.example", &[]).await;
    let auditor = app.sign_in(Role::Auditor).await;
    for page in ["/users", "/groups", "/import", ada.as_str()] {
        let shown = auditor.get(page).await;
        assert_eq!(shown.status, 200, "{page}");
        assert!(!shown.body.contains("action=\"/api/users"), "{page}");
        assert!(!shown.body.contains("action=\"/api/import"), "{page}");
    }
    let fields = [("ids", id_of(&ada)), ("act", "delete")];
    let refused = auditor.post("/api/users/change", &fields).await;
    assert_eq!(refused.status, 403);
    assert_eq!(auditor.get("/users/new").await.status, 403);
}
