//! One of a list.

use leptos::prelude::*;

use super::field::{Field, FieldIds};

/// One entry: what is posted, and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is posted.
    pub value: String,
    /// What is read.
    pub label: String,
}

impl Choice {
    /// An entry from its value and its words.
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
        }
    }
}

fn options(choices: Vec<Choice>, chosen: &str) -> impl IntoView + use<> {
    let chosen = chosen.to_owned();
    choices
        .into_iter()
        .map(|choice| {
            let selected = choice.value == chosen;
            view! { <option value=choice.value selected=selected>{choice.label}</option> }
        })
        .collect_view()
}

/// A native select.
#[component]
pub fn Select(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    choices: Vec<Choice>,
    #[prop(optional, into)] chosen: String,
    #[prop(default = None, into)] hint: Option<String>,
    #[prop(default = None, into)] error: Option<String>,
    #[prop(optional)] disabled: bool,
) -> impl IntoView {
    let ids = FieldIds::of(&name);
    let described_by = ids.described_by(hint.is_some(), error.is_some());
    let invalid = error.is_some().then_some("true");
    view! {
        <Field ids=ids.clone() label=label hint=hint error=error>
            <select
                class="input"
                id=ids.control
                name=name
                disabled=disabled
                aria-invalid=invalid
                aria-describedby=described_by
            >
                {options(choices, &chosen)}
            </select>
        </Field>
    }
}

/// A select of a filter bar: its label is hidden, its first entry says what it is about.
#[component]
pub fn FilterSelect(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    choices: Vec<Choice>,
    #[prop(optional, into)] chosen: String,
) -> impl IntoView {
    let id = format!("filter-{name}");
    view! {
        <label class="hidden-words" for=id.clone()>
            {label}
        </label>
        <select class="input" id=id name=name>
            {options(choices, &chosen)}
        </select>
    }
}
