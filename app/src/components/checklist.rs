//! Steps with their state, open ones first.

use leptos::prelude::*;

use super::badge::Status;
use super::icon::{Glyph, IconSize, Tone};

/// The list around [`Check`]s.
#[component]
pub fn Checklist(#[prop(into)] label: String, children: Children) -> impl IntoView {
    view! {
        <ol class="checklist" role="list" aria-label=label>
            {children()}
        </ol>
    }
}

/// One step. The state's word is before the title for screen readers; children are its action.
#[component]
pub fn Check(
    status: Status,
    #[prop(into)] title: String,
    #[prop(default = None, into)] detail: Option<String>,
    /// More below the detail: steps behind a disclosure.
    #[prop(optional, into)]
    more: ViewFnOnce,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    let class = match status.tone {
        Tone::Ok => "checklist__item checklist__item--done",
        Tone::Warn | Tone::Bad => "checklist__item checklist__item--open",
        Tone::Plain | Tone::Info => "checklist__item",
    };
    let word = format!("{}: ", status.word);
    view! {
        <li class=class>
            <Glyph icon=status.icon size=IconSize::Large tone=status.tone />
            <div class="checklist__text">
                <h3>
                    <span class="hidden-words">{word}</span>
                    {title}
                </h3>
                {detail.map(|detail| view! { <p>{detail}</p> })}
                {more.run()}
            </div>
            {children.map(|children| view! { <div class="checklist__action">{children()}</div> })}
        </li>
    }
}
