//! A secret that was just made: shown this once.

use leptos::prelude::*;

use super::copy_field::CopyButton;

/// The secret with a copy button and the sentence that says it will not come back.
#[component]
pub fn SecretOnce(
    /// Unique on its page.
    #[prop(into)]
    id: String,
    #[prop(into)] secret: String,
    /// What it is, as in `token`.
    #[prop(into)]
    noun: String,
) -> impl IntoView {
    let copies = id.clone();
    view! {
        <div class="stack stack--tight">
            <div class="secret">
                <code id=id>{secret}</code>
                <CopyButton copies=copies />
            </div>
            <p class="hint">
                "Copy it now. It is not shown again. If you lose it, create a new "{noun}"."
            </p>
        </div>
    }
}
