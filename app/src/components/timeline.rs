//! What happened, in order.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, IconSize, Tone};

/// The list around [`Event`]s.
#[component]
pub fn Timeline(#[prop(into)] label: String, children: Children) -> impl IntoView {
    view! {
        <ol class="timeline" role="list" aria-label=label>
            {children()}
        </ol>
    }
}

/// One event: children say what, `when` is a [`super::Time`].
#[component]
pub fn Event(
    icon: Icon,
    #[prop(optional)] tone: Tone,
    #[prop(into)] when: ViewFnOnce,
    children: Children,
) -> impl IntoView {
    view! {
        <li class="timeline__item">
            <Glyph icon=icon size=IconSize::Small tone=tone />
            <div class="timeline__text">{children()}</div>
            <span class="timeline__when">{when.run()}</span>
        </li>
    }
}
