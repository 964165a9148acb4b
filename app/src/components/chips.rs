//! Counts that are links: each shows only its kind.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, IconSize, Tone};
use super::plural::digits;

/// One count.
#[derive(Debug, Clone)]
pub struct Chip {
    /// What is counted.
    pub label: String,
    /// How many.
    pub count: u64,
    /// The page that shows only these.
    pub href: String,
    /// The icon before the words.
    pub icon: Option<(Icon, Tone)>,
    /// Whether the page shows these now.
    pub current: bool,
}

/// The row of counts, a navigation called `label`. Children stand at its end, as a download.
#[component]
pub fn Chips(
    #[prop(into)] label: String,
    chips: Vec<Chip>,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    let items = chips
        .into_iter()
        .map(|chip| {
            view! {
                <li>
                    <a class="chip" href=chip.href aria-current=chip.current.then_some("true")>
                        {chip.icon.map(|(icon, tone)| view! { <Glyph icon=icon size=IconSize::Small tone=tone /> })}
                        {chip.label}
                        " "
                        <b>{digits(chip.count)}</b>
                    </a>
                </li>
            }
        })
        .collect_view();
    view! {
        <div class="chips__bar">
            <nav aria-label=label>
                <ul class="chips" role="list">
                    {items}
                </ul>
            </nav>
            {children.map(|children| view! { <span class="push row">{children()}</span> })}
        </div>
    }
}
