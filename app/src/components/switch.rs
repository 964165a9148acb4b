//! Switches: on or off, saved by their form's button like every other field.

use leptos::prelude::*;

use super::field::FieldIds;

/// Switches under one heading.
#[component]
pub fn SwitchGroup(#[prop(into)] label: String, children: Children) -> impl IntoView {
    view! {
        <fieldset class="options">
            <legend>{label}</legend>
            {children()}
        </fieldset>
    }
}

/// One switch. Children are fields that belong to it, as the days before a deletion.
#[component]
pub fn Switch(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    #[prop(optional)] on: bool,
    #[prop(default = None, into)] hint: Option<String>,
    #[prop(default = None, into)] error: Option<String>,
    #[prop(optional)] disabled: bool,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    let ids = FieldIds::of(&name);
    let described_by = ids.described_by(hint.is_some(), error.is_some());
    view! {
        <div class="option">
            <label for=ids.control.clone()>{label}</label>
            {ids.error(error)}
            {ids.hint(hint)}
            <input
                class="switch"
                type="checkbox"
                role="switch"
                id=ids.control.clone()
                name=name
                checked=on
                disabled=disabled
                aria-describedby=described_by
            />
            {children.map(|children| view! { <div class="option__more">{children()}</div> })}
        </div>
    }
}
