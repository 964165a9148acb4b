//! A value to carry elsewhere: read-only, with a button that copies it.

use leptos::prelude::*;

use super::field::{Field, FieldIds};
use super::icon::{Glyph, Icon, IconSize};

/// A read-only field with a copy button; without a script it is selected and copied by hand.
#[component]
pub fn CopyField(
    /// Makes the field's id; the field is not part of a form.
    #[prop(into)]
    name: String,
    #[prop(into)] label: String,
    #[prop(into)] value: String,
    #[prop(default = None, into)] hint: Option<String>,
) -> impl IntoView {
    let ids = FieldIds::of(&name);
    let described_by = ids.described_by(hint.is_some(), false);
    let copies = ids.control.clone();
    let words = format!("Copy {label}");
    view! {
        <Field ids=ids.clone() label=label hint=hint>
            <div class="joined">
                <input
                    class="input input--mono"
                    id=ids.control
                    value=value
                    readonly
                    spellcheck="false"
                    autocomplete="off"
                    aria-describedby=described_by
                />
                <CopyButton copies=copies label=words />
            </div>
        </Field>
    }
}

/// Copies the value or the text of the element with the id `copies`. Only where a script runs.
#[component]
pub fn CopyButton(
    #[prop(into)] copies: String,
    /// The button's name when several on a page copy something.
    #[prop(default = None, into)]
    label: Option<String>,
) -> impl IntoView {
    view! {
        <button class="button" type="button" data-copy=copies data-needs-script aria-label=label>
            <Glyph icon=Icon::Copy size=IconSize::Small />
            <span data-copy-word>"Copy"</span>
        </button>
    }
}
