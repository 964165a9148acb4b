//! For the tests of pages: renders one as a browser gets it, and checks what holds for every page.

use std::collections::BTreeSet;

use any_spawner::Executor;
use futures::{StreamExt as _, stream};
use leptos::prelude::*;
use leptos_meta::ServerMetaContext;

use crate::components::{CSRF_FIELD, CsrfToken};
use crate::shell::{Frame, SignedIn, document};

/// An operator of the tests' organisation is signed in.
pub(crate) fn frame() -> Frame {
    Frame {
        organisation: "Contoso".into(),
        operator: Some(SignedIn {
            name: "Alice Silva".into(),
            role: "Owner".into(),
        }),
        ..Frame::default()
    }
}

/// The whole document with `body` in it, all of it resolved.
pub(crate) fn render<V: IntoView + 'static>(frame: Frame, body: impl FnOnce() -> V) -> String {
    let _already_set = Executor::init_tokio();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (context, head) = ServerMetaContext::new();
        let owner = Owner::new();
        let page = owner.with(|| {
            provide_context(context);
            provide_context(CsrfToken("a-token".into()));
            provide_context(frame);
            document(body()).to_html_stream_in_order()
        });
        let page: String = page.collect().await;
        head.inject_meta_context(stream::iter([page]))
            .await
            .collect::<String>()
            .await
    })
}

/// What holds for every page: names for people, ids that are found, nothing the policy refuses, posts with a token.
pub(crate) fn assert_sound(html: &str) {
    let tags = tags(html);
    refuses_inline_style_and_script(html, &tags);
    finds_every_id(&tags);
    names_every_control(&tags);
    carries_the_token(html);
    fills_in_no_secret(&tags);
    assert!(
        html.contains("<title>") && html.matches("<h1").count() == 1,
        "a page has a title and one heading"
    );
}

/// The start tags of the document, each without its brackets.
pub(crate) fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .filter(|tag| !tag.starts_with(['/', '!']))
        .map(|tag| tag.split('>').next().unwrap())
        .collect()
}

/// The value of a tag's attribute.
pub(crate) fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

fn refuses_inline_style_and_script(html: &str, tags: &[&str]) {
    assert!(!html.contains("<style") && !html.contains("<script>"));
    for tag in tags {
        // Every other part of a tag is outside of quotes.
        for names in tag.split('"').step_by(2) {
            assert!(
                !names.contains(" style=") && !names.contains(" on"),
                "{tag}"
            );
        }
    }
}

fn finds_every_id(tags: &[&str]) {
    let mut ids = BTreeSet::new();
    for id in tags.iter().filter_map(|tag| attribute(tag, "id")) {
        assert!(
            !id.is_empty() && !id.contains(' ') && ids.insert(id),
            "the id {id:?} is there twice"
        );
    }
    for tag in tags {
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

fn names_every_control(tags: &[&str]) {
    let labelled: BTreeSet<_> = tags
        .iter()
        .filter_map(|tag| attribute(tag, "for"))
        .collect();
    for tag in tags {
        assert_ne!(attribute(tag, "aria-label"), Some(""), "{tag}");
        let control = ["input ", "select ", "textarea "]
            .iter()
            .any(|start| tag.starts_with(start));
        // The box of the bulk bar stands inside its label.
        if control && attribute(tag, "type") != Some("hidden") && !tag.contains("data-select-all") {
            let named = attribute(tag, "id").is_some_and(|id| labelled.contains(id))
                || tag.contains(" aria-label=");
            assert!(named, "{tag} has no label");
        }
    }
}

fn carries_the_token(html: &str) {
    let token = format!("name=\"{CSRF_FIELD}\" value=\"a-token\"");
    for form in html.split("<form").skip(1) {
        if form.split('>').next().unwrap().contains("method=\"post\"") {
            assert!(
                form.split("</form>").next().unwrap().contains(&token),
                "a post without a token: {form}"
            );
        }
    }
}

fn fills_in_no_secret(tags: &[&str]) {
    for tag in tags
        .iter()
        .filter(|tag| attribute(tag, "type") == Some("password"))
    {
        assert_eq!(attribute(tag, "value"), None, "{tag}");
    }
}
