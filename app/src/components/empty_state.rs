//! Nothing to show: why, and the one thing to do about it.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// Icon, title, one sentence; children are the action.
#[component]
pub fn EmptyState(
    icon: Icon,
    #[prop(into)] title: String,
    #[prop(into)] why: String,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="empty">
            <Glyph icon=icon />
            <h3>{title}</h3>
            <p>{why}</p>
            {children.map(|children| view! { <div class="empty__action">{children()}</div> })}
        </div>
    }
}
