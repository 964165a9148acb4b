//! Renders every component and checks what each page must hold.

use std::collections::BTreeSet;

use leptos_meta::provide_meta_context;

use super::*;
use crate::components::{CsrfToken, Tone};
use crate::shell::{Flash, Frame, SignedIn, document};

/// The whole document, as a browser gets it.
fn render() -> String {
    let owner = Owner::new();
    owner.with(|| {
        provide_meta_context();
        provide_context(CsrfToken("a-token".into()));
        provide_context(Frame {
            organisation: "Contoso".into(),
            operator: Some(SignedIn {
                name: "Alice Silva".into(),
                role: "Owner".into(),
            }),
            practice: true,
            notices: vec![Flash {
                tone: Tone::Ok,
                title: "User created.".into(),
                detail: String::new(),
            }],
            ..Frame::default()
        });
        document(view! { <Styleguide /> }).to_html()
    })
}

/// The start tags of the document, each without its brackets.
fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .filter(|tag| !tag.starts_with(['/', '!']))
        .map(|tag| tag.split('>').next().unwrap())
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

#[test]
fn no_tag_carries_a_style_or_a_handler() {
    let html = render();
    for tag in tags(&html) {
        // Every other part of a tag is outside of quotes.
        for names in tag.split('"').step_by(2) {
            assert!(
                !names.contains(" style=") && !names.contains(" on"),
                "{tag}"
            );
        }
    }
    assert!(!html.contains("<style"));
    assert!(!html.contains("<script>"));
}

#[test]
fn ids_are_unique_and_every_reference_finds_one() {
    let html = render();
    let tags = tags(&html);
    let mut ids = BTreeSet::new();
    for id in tags.iter().filter_map(|tag| attribute(tag, "id")) {
        assert!(
            !id.is_empty() && !id.contains(' ') && ids.insert(id),
            "the id {id:?} is there twice"
        );
    }
    for tag in &tags {
        let references = [
            "for",
            "aria-labelledby",
            "aria-describedby",
            "commandfor",
            "popovertarget",
            "data-copy",
        ];
        for name in references
            .iter()
            .filter_map(|name| attribute(tag, name))
            .flat_map(str::split_whitespace)
        {
            assert!(ids.contains(name), "{tag} refers to {name}");
        }
    }
    for href in tags
        .iter()
        .filter_map(|tag| attribute(tag, "href")?.strip_prefix('#'))
    {
        assert!(ids.contains(href), "a link leads to #{href}");
    }
}

#[test]
fn every_control_has_a_name_for_people() {
    let html = render();
    let tags = tags(&html);
    let labelled: BTreeSet<_> = tags
        .iter()
        .filter_map(|tag| attribute(tag, "for"))
        .collect();
    for tag in &tags {
        assert_ne!(attribute(tag, "aria-label"), Some(""), "{tag}");
        let control = ["input ", "select ", "textarea "]
            .iter()
            .any(|start| tag.starts_with(start));
        if control && attribute(tag, "type") != Some("hidden") && !tag.contains("data-select-all") {
            let named = attribute(tag, "id").is_some_and(|id| labelled.contains(id))
                || tag.contains(" aria-label=");
            assert!(named, "{tag} has no label");
        }
    }
}

#[test]
fn every_post_carries_the_token() {
    let html = render();
    for form in html
        .split("<form")
        .skip(1)
        .filter(|form| form.split('>').next().unwrap().contains("method=\"post\""))
    {
        assert!(
            form.split("</form>")
                .next()
                .unwrap()
                .contains("name=\"csrf\" value=\"a-token\""),
            "{form}"
        );
    }
}

#[test]
fn secrets_and_passwords_are_never_filled_in() {
    let html = render();
    for tag in tags(&html)
        .into_iter()
        .filter(|tag| attribute(tag, "type") == Some("password"))
    {
        assert_eq!(attribute(tag, "value"), None, "{tag}");
    }
}

#[test]
fn the_menu_holds_its_links_and_the_way_out() {
    let html = render();
    let menu = html
        .split("aria-label=\"Main\"")
        .nth(1)
        .unwrap()
        .split("</nav>")
        .next()
        .unwrap();
    let links: Vec<_> = menu
        .split("<a ")
        .skip(1)
        .map(|link| {
            link.split("<span>")
                .nth(1)
                .unwrap()
                .split('<')
                .next()
                .unwrap()
        })
        .collect();
    let wanted = [
        "Overview",
        "Applications",
        "Runs",
        "Users",
        "Groups",
        "Import",
        "Audit log",
        "Settings",
    ];
    assert_eq!(links, wanted);
    assert!(menu.contains("action=\"/sign-out\"") && menu.contains("aria-label=\"Sign out\""));
}

#[test]
fn the_practice_tenant_is_named_on_the_page() {
    assert!(render().contains("Practice tenant."));
}

#[test]
fn results_of_a_post_are_told_as_status() {
    let html = render();
    let before = html.split("User created.").next().unwrap();
    assert!(
        before
            .rsplit("<div")
            .nth(1)
            .unwrap()
            .contains("role=\"status\"")
    );
}
