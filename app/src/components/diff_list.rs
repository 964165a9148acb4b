//! Attributes before and after. The words for screen readers say which is which.

use leptos::prelude::*;

use super::expander::Expander;
use super::icon::{Glyph, Icon, IconSize};

/// One attribute's change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// The attribute, in words.
    pub label: String,
    /// What was there, if anything was.
    pub before: Option<String>,
    /// What will be there; nothing when it is cleared.
    pub after: Option<String>,
}

impl Difference {
    /// A change from one value to another.
    pub fn new(label: impl Into<String>, before: Option<String>, after: Option<String>) -> Self {
        Self {
            label: label.into(),
            before,
            after,
        }
    }
}

/// Lines that are read at a glance; more than one above it open on demand.
const AT_A_GLANCE: usize = 5;

/// The list of changes.
#[component]
pub fn DiffList(mut changes: Vec<Difference>) -> impl IntoView {
    if changes.len() <= AT_A_GLANCE + 1 {
        return view! { <Lines changes=changes /> }.into_any();
    }
    let rest = changes.split_off(AT_A_GLANCE);
    let summary = format!("{} more values", rest.len());
    view! {
        <Lines changes=changes />
        <Expander summary=summary>
            <Lines changes=rest />
        </Expander>
    }
    .into_any()
}

#[component]
fn Lines(changes: Vec<Difference>) -> impl IntoView {
    let lines = changes
        .into_iter()
        .map(|change| {
            let arrow = change.before.is_some() && change.after.is_some();
            view! {
                <dt>{change.label}</dt>
                <dd>
                    {change.before.map(|old| view! { <del><span class="hidden-words">"old value "</span>{old}</del> })}
                    {arrow.then(|| view! { <Glyph icon=Icon::ArrowRight size=IconSize::Small /> })}
                    {change.after.map(|new| view! { <ins><span class="hidden-words">"new value "</span>{new}</ins> })}
                </dd>
            }
        })
        .collect_view();
    view! { <dl class="diff">{lines}</dl> }
}
