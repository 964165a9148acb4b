//! The pages of one thing, as links.

use leptos::prelude::*;

/// One page.
#[derive(Debug, Clone)]
pub struct Tab {
    /// Its name.
    pub label: &'static str,
    /// Where it is.
    pub href: String,
    /// How it is to the page that is shown.
    pub place: TabPlace,
}

/// How a tab's page is to the page that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TabPlace {
    /// It is this page.
    Here,
    /// The page that is shown is below it.
    Above,
    Elsewhere,
}

impl TabPlace {
    /// Of a tab that is the page, or is elsewhere.
    pub const fn here(is_it: bool) -> Self {
        if is_it { Self::Here } else { Self::Elsewhere }
    }

    const fn aria_current(self) -> Option<&'static str> {
        match self {
            Self::Here => Some("page"),
            Self::Above => Some("true"),
            Self::Elsewhere => None,
        }
    }
}

/// A navigation landmark called `label`.
#[component]
pub fn Tabs(#[prop(into)] label: String, tabs: Vec<Tab>) -> impl IntoView {
    let items = tabs
        .into_iter()
        .map(|tab| {
            view! {
                <li>
                    <a class="tabs__link" href=tab.href aria-current=tab.place.aria_current()>
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
