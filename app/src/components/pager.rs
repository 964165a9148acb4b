//! Pages of a long list. They are found by key, so there is a first, a previous and a next one, and no page 7.

use leptos::prelude::*;

use super::button::{ButtonSize, LinkButton};

/// Where the other pages are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages {
    /// The first page, unless this is it.
    pub first: Option<String>,
    /// The page before.
    pub previous: Option<String>,
    /// The page after.
    pub next: Option<String>,
}

/// The pager; `summary` says what is shown, as in `25 of 436 users`.
#[component]
pub fn Pager(
    #[prop(into)] summary: String,
    pages: Pages,
    /// Of the landmark, when a page has several.
    #[prop(default = "Pages".into(), into)]
    label: String,
) -> impl IntoView {
    view! {
        <nav class="pager" aria-label=label>
            <span class="grow num">{summary}</span>
            <Turn href=pages.first words="First" />
            <Turn href=pages.previous words="Previous" />
            <Turn href=pages.next words="Next" />
        </nav>
    }
}

#[component]
fn Turn(href: Option<String>, words: &'static str) -> impl IntoView {
    let link = href
        .map(|href| view! { <LinkButton href=href size=ButtonSize::Small>{words}</LinkButton> });
    let nowhere = link.is_none() && words != "First";
    view! {
        {link}
        {nowhere.then(|| view! { <span class="button button--small" aria-disabled="true">{words}</span> })}
    }
}
