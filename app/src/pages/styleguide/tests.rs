//! Renders every component and checks what each page must hold.

use crate::components::Tone;
use crate::pages::problem::{Problem, ProblemPage};
use crate::rendering::{assert_sound, frame, render, tags};
use crate::shell::{Banner, Flash, Frame, Theme};

use super::*;

fn styleguide() -> String {
    render(frame(), || view! { <Styleguide /> })
}

#[test]
fn every_component_is_sound() {
    assert_sound(&styleguide());
}

#[test]
fn a_page_that_cannot_be_shown_says_why() {
    let problems = [
        Problem::NotFound,
        Problem::Expired,
        Problem::Internal {
            reference: "7F3A-11C2".into(),
        },
    ];
    for problem in problems {
        let (title, sentence) = problem.words();
        let html = render(
            Frame::default(),
            || view! { <ProblemPage problem=problem /> },
        );
        assert_sound(&html);
        assert!(html.contains(title) && html.contains(&sentence), "{html}");
    }
}

#[test]
fn the_document_has_the_pages_title() {
    assert!(styleguide().contains("<title>Styleguide · Signpost</title>"));
}

#[test]
fn the_menu_holds_its_links_and_the_way_out() {
    let html = styleguide();
    let menu = html
        .split("aria-label=\"Main\"")
        .nth(1)
        .unwrap()
        .split("</nav>")
        .next()
        .unwrap();
    let links: Vec<_> = menu
        .split("<a ")
        .filter(|link| link.contains("menu__link"))
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
    assert!(menu.contains("action=\"/api/sign-out\"") && menu.contains("aria-label=\"Sign out\""));
}

#[test]
fn the_theme_is_printed_by_the_server() {
    let dark = render(
        Frame {
            theme: Theme::Dark,
            ..frame()
        },
        || view! { <Styleguide /> },
    );
    assert!(dark.contains("data-theme=\"dark\""));
    assert!(
        tags(&styleguide())
            .iter()
            .all(|tag| !tag.contains("data-theme"))
    );
}

#[test]
fn the_practice_tenant_and_what_is_stopped_are_named_above_every_page() {
    let stopped = Banner {
        tone: Tone::Bad,
        text: "Microsoft 365 is stopped.".into(),
        link: None,
    };
    let html = render(
        Frame {
            practice: true,
            banners: vec![stopped],
            ..frame()
        },
        || view! { <Styleguide /> },
    );
    let top = html.split("<main").next().unwrap();
    assert!(top.contains("Practice tenant.") && top.contains("Microsoft 365 is stopped."));
    assert!(!styleguide().contains("Practice tenant."));
}

#[test]
fn a_good_result_is_told_as_status_and_a_bad_one_as_alert() {
    for (tone, role) in [(Tone::Ok, "status"), (Tone::Bad, "alert")] {
        let flash = Flash {
            tone,
            title: "It is so.".into(),
            detail: "Thus.".into(),
            undo: None,
        };
        let html = render(
            Frame {
                notices: vec![flash],
                ..frame()
            },
            || view! { <Styleguide /> },
        );
        let before = html.split("It is so.").next().unwrap();
        assert!(
            before
                .rsplit("<div")
                .nth(1)
                .unwrap()
                .contains(&format!("role=\"{role}\""))
        );
    }
}
