//! A check box with its label.

use leptos::prelude::*;

use super::field::FieldIds;

/// A check box with a label beside it. Boxes that share a name need different values.
#[component]
pub fn CheckBox(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    /// What is posted when it is ticked.
    #[prop(default = "on".into(), into)]
    value: String,
    #[prop(optional)] checked: bool,
    #[prop(default = None, into)] hint: Option<String>,
    #[prop(default = None, into)] error: Option<String>,
    #[prop(optional)] disabled: bool,
) -> impl IntoView {
    let ids = FieldIds::of(&if value == "on" {
        name.clone()
    } else {
        format!("{name}-{value}")
    });
    let described_by = ids.described_by(hint.is_some(), error.is_some());
    view! {
        <div class="check-row">
            <input
                class="check"
                type="checkbox"
                id=ids.control.clone()
                name=name
                value=value
                checked=checked
                disabled=disabled
                aria-invalid=error.is_some().then_some("true")
                aria-describedby=described_by
            />
            <label for=ids.control.clone()>{label}</label>
            {ids.error(error)}
            {ids.hint(hint)}
        </div>
    }
}

/// The check box of a table's row, named by what the row is about.
#[component]
pub fn RowCheck(
    #[prop(into)] name: String,
    #[prop(into)] value: String,
    /// As in `Mei Tanaka`.
    #[prop(into)]
    label: String,
    #[prop(optional)] checked: bool,
    #[prop(optional)] disabled: bool,
) -> impl IntoView {
    view! {
        <input
            class="check"
            type="checkbox"
            name=name
            value=value
            checked=checked
            disabled=disabled
            aria-label=label
            data-row-check
        />
    }
}
