//! Search and filters over a list: a GET form, so that the URL is the filter.

use leptos::prelude::*;

use super::button::{Button, LinkButton, Look};
use super::icon::{Glyph, Icon};

/// The form. Children are more filters (`FilterSelect`, hidden inputs that keep the sort).
#[component]
pub fn FilterBar(
    /// Of the landmark, as in `Users`.
    #[prop(into)]
    label: String,
    #[prop(into)] action: String,
    /// Of the search field, as in `Search users`.
    #[prop(into)]
    search_label: String,
    /// What is searched for now.
    #[prop(optional, into)]
    search: String,
    /// Where the list without filters is; shown when something is filtered.
    #[prop(default = None, into)]
    clear: Option<String>,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    let placeholder = search_label.clone();
    view! {
        <form class="filters" method="get" action=action role="search" aria-label=label data-filter>
            <div class="find">
                <label class="hidden-words" for="filter-q">
                    {search_label}
                </label>
                <Glyph icon=Icon::Search />
                <input
                    class="input"
                    id="filter-q"
                    name="q"
                    type="search"
                    value=search
                    placeholder=placeholder
                    maxlength="200"
                    autocomplete="off"
                    data-search
                />
            </div>
            {children.map(|children| children())}
            <Button>"Filter"</Button>
            {clear.map(|href| view! { <LinkButton href=href look=Look::Quiet>"Clear"</LinkButton> })}
        </form>
    }
}
