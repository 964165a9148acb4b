//! The pages of one thing, as links.

use leptos::prelude::*;

/// One page.
#[derive(Debug, Clone)]
pub struct Tab {
    /// Its name.
    pub label: &'static str,
    /// Where it is.
    pub href: String,
    /// Whether it is this one.
    pub current: bool,
}

/// A navigation landmark called `label`.
#[component]
pub fn Tabs(#[prop(into)] label: String, tabs: Vec<Tab>) -> impl IntoView {
    let items = tabs
        .into_iter()
        .map(|tab| {
            view! {
                <li>
                    <a class="tabs__link" href=tab.href aria-current=tab.current.then_some("page")>
                        {tab.label}
                    </a>
                </li>
            }
        })
        .collect_view();
    view! {
        <nav class="tabs" aria-label=label>
            <ul class="tabs__list" role="list">
                {items}
            </ul>
        </nav>
    }
}
