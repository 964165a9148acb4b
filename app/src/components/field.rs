//! The frame of every field: label, control, hint, error, tied together by ids made from the field's name.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, IconSize};

/// The ids that tie a control to its hint and its error.
#[derive(Debug, Clone)]
pub struct FieldIds {
    /// Of the control itself; the error summary links to it.
    pub control: String,
    hint: String,
    error: String,
}

impl FieldIds {
    /// From the name the control has in its form.
    pub fn of(name: &str) -> Self {
        Self {
            control: field_id(name),
            hint: format!("{name}-hint"),
            error: format!("{name}-error"),
        }
    }

    /// The value of `aria-describedby`: the error first, since it is what to act on.
    pub fn described_by(&self, has_hint: bool, has_error: bool) -> Option<String> {
        match (has_error, has_hint) {
            (true, true) => Some(format!("{} {}", self.error, self.hint)),
            (true, false) => Some(self.error.clone()),
            (false, true) => Some(self.hint.clone()),
            (false, false) => None,
        }
    }

    /// The hint's line, if there is one.
    pub fn hint(&self, hint: Option<String>) -> impl IntoView + use<> {
        let id = self.hint.clone();
        hint.map(|hint| view! { <p class="hint" id=id>{hint}</p> })
    }

    /// The error's line, if there is one.
    pub fn error(&self, error: Option<String>) -> impl IntoView + use<> {
        let id = self.error.clone();
        error.map(|error| {
            view! {
                <p class="field__error" id=id>
                    <Glyph icon=Icon::CircleX size=IconSize::Small />
                    <span>{error}</span>
                </p>
            }
        })
    }
}

/// The id of the control called `name`; one field of a name on a page.
pub fn field_id(name: &str) -> String {
    format!("field-{name}")
}

/// Label, control, hint and error. `aside` stands at the end of the label's line.
#[component]
pub fn Field(
    ids: FieldIds,
    #[prop(into)] label: String,
    #[prop(default = None)] hint: Option<String>,
    #[prop(default = None)] error: Option<String>,
    #[prop(optional, into)] aside: ViewFnOnce,
    children: Children,
) -> impl IntoView {
    view! {
        <div class="field">
            <div class="field__label">
                <label for=ids.control.clone()>{label}</label>
                {aside.run()}
            </div>
            {children()}
            {ids.error(error)}
            {ids.hint(hint)}
        </div>
    }
}
