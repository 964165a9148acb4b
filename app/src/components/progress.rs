//! How far something is.

use leptos::prelude::*;

/// How something that takes a while stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProgressKind {
    /// Under way.
    #[default]
    Running,
    /// Over, and good.
    Done,
    /// Over, with failures.
    Failed,
}

/// A progress bar; without a total it shows only that something is under way.
#[component]
pub fn Progress(
    /// Its name, as in `Run progress`.
    #[prop(into)]
    label: String,
    #[prop(optional)] kind: ProgressKind,
    done: u64,
    total: u64,
) -> impl IntoView {
    let class = match kind {
        ProgressKind::Running => "progress",
        ProgressKind::Done => "progress progress--done",
        ProgressKind::Failed => "progress progress--failed",
    };
    let known = total > 0;
    let words = if known {
        format!("{done} of {total}")
    } else {
        String::new()
    };
    view! {
        <progress
            class=class
            aria-label=label
            max=known.then(|| total.to_string())
            value=known.then(|| done.min(total).to_string())
        >
            {words}
        </progress>
    }
}
