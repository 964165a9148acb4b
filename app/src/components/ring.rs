//! A ring that closes as steps are done.

use leptos::prelude::*;

/// `done` of `total` steps; its label says so.
#[component]
pub fn Ring(done: u32, total: u32) -> impl IntoView {
    let done = done.min(total);
    let label = format!("{done} of {total} steps done");
    let steps = total.max(1).to_string();
    let dashes = format!("{done} {steps}");
    view! {
        <svg class="ring" viewBox="0 0 40 40" role="img" aria-label=label>
            <circle class="ring__track" cx="20" cy="20" r="16"></circle>
            {(done > 0)
                .then(|| {
                    view! {
                        <circle
                            class="ring__value"
                            cx="20"
                            cy="20"
                            r="16"
                            pathLength=steps
                            stroke-dasharray=dashes
                            transform="rotate(-90 20 20)"
                        ></circle>
                    }
                })}
        </svg>
    }
}
