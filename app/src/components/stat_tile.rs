//! Figures at the top of a page.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, IconSize, Tone};

/// The row around [`StatTile`]s.
#[component]
pub fn StatTiles(children: Children) -> impl IntoView {
    view! {
        <ul class="tiles" role="list">
            {children()}
        </ul>
    }
}

/// One figure: what it is, the figure, its unit, and a line below (children).
#[component]
pub fn StatTile(
    #[prop(into)] label: String,
    icon: Icon,
    #[prop(into)] figure: String,
    #[prop(optional, into)] unit: Option<String>,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <li class="tile">
            <h2>
                <Glyph icon=icon size=IconSize::Small tone=Tone::Plain />
                {label}
            </h2>
            <p class="tile__figure">
                {figure}
                {unit.map(|unit| view! { " " <span class="tile__unit">{unit}</span> })}
            </p>
            {children.map(|children| view! { <p class="tile__note">{children()}</p> })}
        </li>
    }
}
