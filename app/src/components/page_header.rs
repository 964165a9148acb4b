//! The head of a page: its title, a line about it, its actions.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, IconSize};

/// Title, facts below it, actions at the end. `facts` are `<span>`s and badges.
#[component]
pub fn PageHeader(
    #[prop(into)] title: String,
    #[prop(optional)] icon: Option<Icon>,
    #[prop(optional, into)] facts: Option<ViewFnOnce>,
    #[prop(optional, into)] actions: Option<ViewFnOnce>,
) -> impl IntoView {
    view! {
        <div class="title">
            {icon.map(|icon| view! { <span class="title__icon"><Glyph icon=icon size=IconSize::Large /></span> })}
            <div class="title__text">
                <h1>{title}</h1>
                {facts.map(|facts| view! { <p class="title__sub">{facts.run()}</p> })}
            </div>
            {actions.map(|actions| view! { <div class="row push">{actions.run()}</div> })}
        </div>
    }
}
