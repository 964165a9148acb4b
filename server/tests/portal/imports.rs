//! The import, from the file to the directory.

use std::time::Duration;

use signpost_model::{ImportId, Role};
use signpost_store::imports::{self, NewImport, find_progress};
use signpost_store::testing::{AUTHOR, NOW};
use signpost_store::{both_engines, groups, users};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Answer, Browser, TestApp, send};

const BOUNDARY: &str = "a-boundary-of-parts";

/// A multipart body of these parts, in order; a part with a file name is a file.
fn body(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let file = file.map_or(String::new(), |file| format!("; filename=\"{file}\""));
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

async fn post_parts(browser: &Browser, parts: &[(&str, Option<&str>, &[u8])]) -> Answer {
    let request = browser
        .client
        .post(format!("{}/api/import/check", browser.url))
        .header("accept", "text/html")
        .header("origin", &browser.url)
        .header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(body(parts));
    send(request).await
}

async fn upload(browser: &Browser, content: &[u8]) -> Answer {
    let parts = [
        ("csrf", None, browser.csrf.as_bytes()),
        ("file", Some("people.csv"), content),
    ];
    let answer = post_parts(browser, &parts).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    answer
}

/// The page of the import once nothing is under way.
async fn settled(app: &TestApp, browser: &Browser, page: &str) -> Answer {
    let id: ImportId = page.rsplit('/').next().unwrap().parse().unwrap();
    let wait = async {
        while find_progress(&app.portal.store, id)
            .await
            .unwrap()
            .is_some()
        {
            browser.get(page).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .unwrap();
    browser.get(page).await
}

async fn checked(app: &TestApp, browser: &Browser, content: &[u8]) -> (String, Answer) {
    let page = upload(browser, content).await.location().to_owned();
    let shown = settled(app, browser, &page).await;
    (page, shown)
}

fn id_of(page: &str) -> &str {
    page.rsplit('/').next().unwrap()
}

async fn apply(app: &TestApp, browser: &Browser, page: &str) -> Answer {
    let fields = [("id", id_of(page))];
    let answer = browser.post("/api/import/apply", &fields).await;
    assert_eq!(answer.location(), page);
    settled(app, browser, page).await
}

fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

both_engines! {
    async fn people_sign_in_while_an_import_is_applied(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Administrator).await;
        let rows: Vec<String> = (0..4_000)
            .map(|number| format!("user{number}@contoso.example,User,Number {number},Sales"))
            .collect();
        let file = format!("User name,First name,Last name,Department\r\n{}", rows.join("\r\n"));
        let (page, _) = checked(&app, &browser, file.as_bytes()).await;
        let fields = [("id", id_of(&page))];
        assert_eq!(browser.post("/api/import/apply", &fields).await.location(), page);
        // One writer holds SQLite until all of it is in: whoever signs in meanwhile waits for it, and gets in.
        let (one, other) = tokio::join!(app.sign_in(Role::Auditor), app.sign_in(Role::Owner));
        for browser in [one, other] {
            assert_eq!(browser.get("/users").await.status, 200);
        }
        let done = settled(&app, &browser, &page).await;
        assert!(done.body.contains("Imported: 4,000 users added"), "{}", done.body);
    }

    async fn a_spreadsheet_in_utf16_is_imported_and_changes_nothing_the_second_time(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Administrator).await;
        let file = utf16("User name;First name;Last name;City;Groups\r\n\
            jürgen@contoso.example;Jürgen;Groß;Köln;\r\n\
            ada@contoso.example;Ada;Kaya;\"Vila Nova\r\nde Gaia\";Sales\r\n\
            bob@contoso.example;Bob;Çelik;Porto;Sales\r\n");
        let (page, shown) = checked(&app, &browser, &file).await;
        assert!(shown.body.contains("1 will be added"), "{}", shown.body);
        let refused = browser.get(&format!("{page}?show=refused")).await;
        assert!(refused.body.contains("Use only letters without accents") || refused.body.contains("cannot be a user name"));
        assert!(refused.body.contains("cannot be printed"), "a line break is no part of a city");

        let file = utf16("User name;First name;Last name;City;Groups\r\n\
            ada@contoso.example;Ada;Kaya;Braga;Sales\r\n\
            bob@contoso.example;Bob;Çelik;Porto;Sales\r\n");
        let (page, shown) = checked(&app, &browser, &file).await;
        assert!(shown.body.contains("2 will be added, 0 changed"));
        let done = apply(&app, &browser, &page).await;
        assert!(done.body.contains("Imported: 2 users added, 0 changed."));
        let again = browser.post("/api/import/apply", &[("id", id_of(&page))]).await;
        assert_eq!(again.location(), page, "a second click changes nothing");
        let mut read = app.portal.store.read().await.unwrap();
        let bob = users::find_by_user_name(&mut read, "bob@contoso.example").await.unwrap().unwrap();
        assert_eq!(bob.profile.surname, "Çelik");
        assert_eq!(groups::find_by_name(&mut read, "Sales").await.unwrap().unwrap().members, 2);
        drop(read);

        let (page, shown) = checked(&app, &browser, &file).await;
        assert!(shown.body.contains("This file changes nothing"));
        assert!(shown.body.contains("There is nothing to import."));
        let unchanged = browser.get(&format!("{page}?show=unchanged")).await;
        assert!(unchanged.body.contains("Bob"));
        let list = browser.get("/import").await;
        assert!(list.body.contains("Imported") && list.body.contains("Ready to import"));
    }

    async fn a_wrong_column_is_corrected_on_the_page(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Administrator).await;
        let file = "Konto,Ort\nada@contoso.example,Porto\nbob@contoso.example,Braga\n";
        let (page, shown) = checked(&app, &browser, file.as_bytes()).await;
        assert!(shown.body.contains("Choose which column holds the user name."));
        let id = ("id", id_of(&page));
        let both = [id, ("column-0", "city"), ("column-1", "city")];
        let twice = browser.submit("/api/import/check-again", &both).await;
        assert!(twice.body.contains("Two columns are set to City. Choose one."));
        assert!(twice.body.contains("id=\"column-1-error\""));
        let right = [id, ("column-0", "user_name"), ("column-1", "city")];
        browser.submit("/api/import/check-again", &right).await;
        let shown = settled(&app, &browser, &page).await;
        assert!(shown.body.contains("2 will be added"), "{}", shown.body);
        // Understood otherwise once more, after it was checked.
        let other = [id, ("column-0", "user_name"), ("column-1", "office_location")];
        browser.submit("/api/import/check-again", &other).await;
        settled(&app, &browser, &page).await;
        apply(&app, &browser, &page).await;
        let mut read = app.portal.store.read().await.unwrap();
        let ada = users::find_by_user_name(&mut read, "ada@contoso.example").await.unwrap().unwrap();
        assert_eq!((ada.profile.city.as_str(), ada.profile.office_location.as_str()), ("", "Porto"));
    }

    async fn a_directory_that_moved_on_is_checked_again(store: Store) {
        let app = TestApp::start(store).await;
        let browser = app.sign_in(Role::Administrator).await;
        let file = b"User name,City\nada@contoso.example,Porto\n";
        let (first, _) = checked(&app, &browser, file).await;
        let (second, _) = checked(&app, &browser, file).await;
        apply(&app, &browser, &first).await;
        let stale = apply(&app, &browser, &second).await;
        assert!(stale.body.contains("The directory changed since the check."), "{}", stale.body);
        browser.submit("/api/import/check-again", &[("id", id_of(&second))]).await;
        let shown = settled(&app, &browser, &second).await;
        assert!(shown.body.contains("This file changes nothing"));
    }
}

#[tokio::test]
async fn the_sample_is_one_click_away() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Administrator).await;
    let sample = browser.get("/import/sample.csv").await;
    assert_eq!(sample.body.lines().count(), 201);
    let answer = browser.post("/api/import/sample", &[]).await;
    let page = answer.location().to_owned();
    let shown = settled(&app, &browser, &page).await;
    assert!(shown.body.contains("200 will be added"), "{}", shown.body);
    let done = apply(&app, &browser, &page).await;
    assert!(done.body.contains("Imported: 200 users added"));
    let list = browser.get("/users").await;
    assert!(list.body.contains("50 of 200 users"));
}

#[tokio::test]
async fn a_file_that_is_no_table_is_refused_at_its_field() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Administrator).await;
    for (content, message) in [
        (&b""[..], "The file is empty."),
        (
            &b"PK\x03\x04rest"[..],
            "This is a workbook, not a CSV file.",
        ),
    ] {
        let answer = upload(&browser, content).await;
        assert_eq!(answer.location(), "/import");
        let page = browser.get("/import").await;
        assert!(page.body.contains(message), "{message}");
        assert!(page.body.contains("id=\"file-error\""));
    }
    let open = b"User name,City\nada@contoso.example,Porto\nbob@contoso.example,\"Bra\n";
    let (page, shown) = checked(&app, &browser, open).await;
    assert!(
        shown
            .body
            .contains("Line 3: a quotation mark is opened here and never closed.")
    );
    let discarded = browser
        .submit("/api/import/discard", &[("id", id_of(&page))])
        .await;
    assert!(
        discarded
            .body
            .contains("The check of people.csv is discarded.")
    );
    let late = browser
        .submit("/api/import/apply", &[("id", id_of(&page))])
        .await;
    assert!(late.body.contains("imported or discarded already"));
}

#[tokio::test]
async fn refused_rows_are_given_back_with_the_reason() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Administrator).await;
    let file = b"User name,City\nada@contoso.example,Porto\nnobody,\"Bra\"\"ga\"\nADA@contoso.example,Faro\n";
    let (page, shown) = checked(&app, &browser, file).await;
    assert!(
        shown
            .body
            .contains("1 will be added, 0 changed, 0 left as they are, 2 refused.")
    );
    let rows = browser.get(&format!("{page}/problems.csv")).await;
    let lines: Vec<_> = rows.body.trim_start_matches('\u{FEFF}').lines().collect();
    assert_eq!(lines.len(), 3, "{}", rows.body);
    assert_eq!(lines[0], "\"User name\",\"City\",\"Problem\"");
    assert!(lines[1].starts_with("\"nobody\",\"Bra\"\"ga\",\""));
    assert!(lines[2].contains("is already on line 2"));
}

#[tokio::test]
async fn a_file_comes_with_the_token_first_or_not_at_all() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Administrator).await;
    let file = (
        "file",
        Some("people.csv"),
        &b"User name\nada@contoso.example\n"[..],
    );
    let token = ("csrf", None, browser.csrf.as_bytes());
    assert_eq!(post_parts(&browser, &[file]).await.status, 409);
    assert_eq!(post_parts(&browser, &[file, token]).await.status, 409);
    let forged = ("csrf", None, &b"guess"[..]);
    assert_eq!(post_parts(&browser, &[forged, file]).await.status, 409);
    let nothing = post_parts(&browser, &[token]).await;
    assert_eq!(nothing.location(), "/import");
    assert!(browser.get("/import").await.body.contains("Choose a file."));
    let request = browser
        .client
        .post(format!("{}/api/import/check", browser.url))
        .header("origin", &browser.url)
        .header("content-type", "multipart/form-data")
        .body("no parts");
    assert_eq!(send(request).await.status, 400);
    let auditor = app.sign_in(Role::Auditor).await;
    let token = ("csrf", None, auditor.csrf.as_bytes());
    assert_eq!(post_parts(&auditor, &[token, file]).await.status, 403);
    let mut read = app.portal.store.read().await.unwrap();
    assert_eq!(imports::list(&mut read).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_larger_than_64_mb_is_refused_before_it_arrives() {
    let app = TestApp::new().await;
    let mut wire = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let head = format!(
        "POST /api/import/check HTTP/1.1\r\nhost: {}\r\ncontent-type: multipart/form-data; \
         boundary=x\r\ncontent-length: 70000000\r\nconnection: close\r\n\r\n",
        app.address
    );
    wire.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64];
    let read = wire.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 413"));
}

#[tokio::test]
async fn a_check_that_the_server_left_behind_is_taken_up_again() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Administrator).await;
    // What a server leaves that stops while it reads: the file, and no progress.
    let id = ImportId::from_number(5);
    let mapping = r#"{"columns":[{"header":"User name","meaning":"user_name","example":""}],
        "encoding":"UTF-8","delimiter":"comma","bytes":30}"#;
    let new = NewImport {
        id,
        file_name: "left.csv".to_owned(),
        mapping: mapping.to_owned(),
    };
    let mut tx = app.portal.store.write().await.unwrap();
    imports::create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
    imports::keep_piece(&mut tx, id, 0, b"User name\nada@contoso.example\n")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let page = format!("/import/{id}");
    let shown = browser.get(&page).await;
    assert!(shown.body.contains("The check was interrupted"));
    let id = id.to_string();
    let early = browser.submit("/api/import/apply", &[("id", &id)]).await;
    assert!(early.body.contains("This file is not checked yet."));
    browser
        .submit("/api/import/check-again", &[("id", &id)])
        .await;
    let shown = settled(&app, &browser, &page).await;
    assert!(shown.body.contains("1 will be added"));
}
