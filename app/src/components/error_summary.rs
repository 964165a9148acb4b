//! All that is wrong with a form, at its top, each line a link to its field.

use leptos::prelude::*;

use super::field::field_id;
use super::plural::count;

/// One thing to fix: the field's name and the words that stand at the field too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The name of the field in its form; empty when no single field is the cause.
    pub field: String,
    /// What to do about it.
    pub message: String,
}

impl FieldError {
    /// An error of the field `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// The summary; nothing when there is nothing to fix.
#[component]
pub fn ErrorSummary(errors: Vec<FieldError>) -> impl IntoView {
    if errors.is_empty() {
        return None;
    }
    let title = count(errors.len() as u64, "thing to fix", "things to fix");
    let lines = errors
        .into_iter()
        .map(|error| {
            if error.field.is_empty() {
                view! { <li>{error.message}</li> }.into_any()
            } else {
                let href = format!("#{}", field_id(&error.field));
                view! { <li><a href=href>{error.message}</a></li> }.into_any()
            }
        })
        .collect_view();
    Some(view! {
        <div class="summary" role="alert" tabindex="-1" data-error-summary>
            <h2>{title}</h2>
            <ul>{lines}</ul>
        </div>
    })
}
