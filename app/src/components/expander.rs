//! What opens on demand, without a script.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, IconSize};

/// A line that opens, as *Details for support*.
#[component]
pub fn Expander(
    #[prop(into)] summary: String,
    #[prop(optional)] open: bool,
    children: Children,
) -> impl IntoView {
    view! {
        <details class="expander" open=open>
            <summary>
                <span class="chevron">
                    <Glyph icon=Icon::ChevronRight size=IconSize::Small />
                </span>
                {summary}
            </summary>
            <div class="expander__body">{children()}</div>
        </details>
    }
}

/// A card whose header opens it, as *Microsoft (Office) 365*.
#[component]
pub fn ExpanderCard(
    #[prop(into)] id: String,
    #[prop(into)] title: String,
    #[prop(optional)] open: bool,
    /// What stands in the header beside the title: a badge, a hint.
    #[prop(optional, into)]
    aside: ViewFnOnce,
    children: Children,
) -> impl IntoView {
    view! {
        <details class="card" id=id open=open>
            <summary class="card__head">
                <span class="chevron">
                    <Glyph icon=Icon::ChevronRight />
                </span>
                <h2>{title}</h2>
                {aside.run()}
            </summary>
            <div>{children()}</div>
        </details>
    }
}
