//! Where one is in a short sequence of pages.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, IconSize};

/// The steps; `current` counts from 0.
#[component]
pub fn Stepper(steps: Vec<&'static str>, current: usize) -> impl IntoView {
    let items = steps
        .into_iter()
        .enumerate()
        .map(|(at, words)| {
            let done = at < current;
            let class = if done {
                "stepper__step stepper__step--done"
            } else {
                "stepper__step"
            };
            let number = if done {
                view! { <Glyph icon=Icon::Check size=IconSize::Small /> }.into_any()
            } else {
                (at + 1).to_string().into_any()
            };
            view! {
                <li class=class aria-current=(at == current).then_some("step")>
                    <span class="stepper__number">{number}</span>
                    {done.then(|| view! { <span class="hidden-words">"Done: "</span> })}
                    {words}
                </li>
            }
        })
        .collect_view();
    view! {
        <ol class="stepper" role="list" aria-label="Steps">
            {items}
        </ol>
    }
}
