//! The audit log: newest first, filtered and paged in the database.

use signpost_model::Role;
use signpost_model::audit::Subject;
use signpost_store::testing::{AUTHOR, NOW};
use signpost_store::{audit, both_engines};

use crate::support::{Answer, TestApp};

/// The names of what the events on the page are about.
fn names(page: &Answer) -> Vec<String> {
    page.body
        .split("data-label=\"On what\">")
        .skip(1)
        .map(|cell| cell.split("</td>").next().unwrap())
        .map(|cell| cell.rsplit_once("\">").map_or(cell, |(_, name)| name))
        .map(|name| name.split('<').next().unwrap().to_owned())
        .collect()
}

/// The first address on the page that starts like this.
fn link_of(page: &Answer, start: &str) -> String {
    let (_, rest) = page.body.split_once(&format!("href=\"{start}")).unwrap();
    format!(
        "{start}{}",
        rest.split('"').next().unwrap().replace("&amp;", "&")
    )
}

fn link(page: &Answer, words: &str) -> String {
    let before = page.body.split(&format!(">{words}</a>")).next().unwrap();
    let (_, href) = before.rsplit_once("href=\"").unwrap();
    href.split('"').next().unwrap().replace("&amp;", "&")
}

both_engines! {
    async fn the_filtered_events_are_a_file_without_formulas(store: Store) {
        let app = TestApp::start(store.clone()).await;
        let mut tx = store.write().await.unwrap();
        for number in 0..450 {
            let subject = Subject::new("group", "", format!("=Group {number}"));
            audit::append(&mut tx, &AUTHOR.entry("group.created", subject), NOW);
        }
        tx.commit().await.unwrap();
        let browser = app.sign_in(Role::Auditor).await;
        let page = browser.get("/audit-log?action=group").await;
        let file = browser.get(&link_of(&page, "/audit-log/events.csv")).await;
        assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
        assert!(file.header("content-disposition").contains("audit-log.csv"));
        let lines: Vec<&str> = file.body.split("\r\n").filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 451, "a head and every event of the filter, beyond a page");
        assert!(lines[0].starts_with("\"Number\",\"Time (UTC)\",\"Action\""));
        assert!(lines[1].contains("\"'=Group 449\""), "newest first: {}", lines[1]);
        assert_eq!(app.browser().get("/audit-log/events.csv").await.status, 303, "signed in only");
    }

    async fn events_are_paged_by_key_newest_first(store: Store) {
        let app = TestApp::start(store.clone()).await;
        let mut tx = store.write().await.unwrap();
        for number in 0..120 {
            let subject = Subject::new("group", "", format!("Group {number}"));
            let at = NOW.plus_millis(number * 1_000);
            audit::append(&mut tx, &AUTHOR.entry("group.created", subject), at);
        }
        tx.commit().await.unwrap();
        let browser = app.sign_in(Role::Auditor).await;
        let first = browser.get("/audit-log?action=group").await;
        assert_eq!(names(&first)[0], "Group 119");
        assert_eq!(names(&first).len(), 50);
        let second = browser.get(&link(&first, "Next")).await;
        assert_eq!(names(&second)[0], "Group 69");
        let third = browser.get(&link(&second, "Next")).await;
        assert_eq!(names(&third).len(), 20);
        let back = browser.get(&link(&third, "Previous")).await;
        assert_eq!(names(&back), names(&second));
        let found = browser.get("/audit-log?q=group+7").await;
        assert_eq!(names(&found).len(), 11);
        assert!(browser.get("/audit-log?from=2030-01-01").await.body.contains("No events"));
        assert_eq!(browser.get("/audit-log?at=nonsense&from=never&actor=%27").await.status, 200);
    }
}

#[tokio::test]
async fn a_change_shows_what_was_before_and_after_and_no_markup_of_names() {
    let app = TestApp::new().await;
    let owner = app.sign_in(Role::Owner).await;
    let fields = [("name", "<b>Ada</b>"), ("version", "1")];
    owner.submit("/api/account/name", &fields).await;
    let page = owner.get("/audit-log").await;
    assert!(page.body.contains("Operator: updated"));
    assert!(page.body.contains("Owner of Contoso") && page.body.contains("&lt;b&gt;Ada"));
    assert!(!page.body.contains("<b>Ada"));
    let page = owner.submit("/api/audit-log/verify", &[]).await;
    assert!(page.body.contains("The chain is whole"), "{}", page.body);
}
