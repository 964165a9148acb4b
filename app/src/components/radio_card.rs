//! One choice of a few, each with a sentence.

use leptos::prelude::*;

use super::field::{FieldIds, field_id};

/// The group around radio cards. Its name is its legend.
#[component]
pub fn RadioGroup(
    /// The name its radio cards share.
    #[prop(into)]
    name: String,
    #[prop(into)] label: String,
    #[prop(default = None, into)] hint: Option<String>,
    #[prop(default = None, into)] error: Option<String>,
    children: Children,
) -> impl IntoView {
    let ids = FieldIds::of(&name);
    let described_by = ids.described_by(hint.is_some(), error.is_some());
    let legend = format!("{name}-legend");
    view! {
        <fieldset
            class="choices"
            role="radiogroup"
            id=field_id(&name)
            aria-labelledby=legend.clone()
            aria-describedby=described_by
        >
            <legend id=legend.clone()>{label}</legend>
            {ids.error(error)}
            {ids.hint(hint)}
            {children()}
        </fieldset>
    }
}

/// One choice: its label is its name, its hint describes it. Children are fields that belong to the choice.
#[component]
pub fn RadioCard(
    #[prop(into)] name: String,
    #[prop(into)] value: String,
    #[prop(into)] label: String,
    #[prop(default = None, into)] hint: Option<String>,
    #[prop(optional)] checked: bool,
    #[prop(optional)] disabled: bool,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    let ids = FieldIds::of(&format!("{name}-{value}"));
    let described_by = ids.described_by(hint.is_some(), false);
    view! {
        <div class="choice">
            <input
                class="radio"
                type="radio"
                id=ids.control.clone()
                name=name
                value=value
                checked=checked
                disabled=disabled
                aria-describedby=described_by
            />
            <div class="choice__text">
                <label for=ids.control.clone()>{label}</label>
                {ids.hint(hint)}
            </div>
            {children.map(|children| view! { <div class="choice__more">{children()}</div> })}
        </div>
    }
}
