//! A dialog that opens without a script: a button with `opens` and this id. Each has a plain page as its twin.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// The dialog; children bring their own padding (`card__body`).
#[component]
pub fn Dialog(
    #[prop(into)] id: String,
    #[prop(into)] title: String,
    children: Children,
) -> impl IntoView {
    let title_id = format!("{id}-title");
    view! {
        <dialog class="dialog" id=id aria-labelledby=title_id closedby="any">
            <div class="card">
                <header class="card__head">
                    <h2 class="grow" id=title_id.clone()>
                        {title}
                    </h2>
                    <button
                        class="button button--quiet button--small button--icon"
                        type="button"
                        commandfor=id.clone()
                        command="close"
                        aria-label="Close"
                    >
                        <Glyph icon=Icon::X />
                    </button>
                </header>
                <div>{children()}</div>
            </div>
        </dialog>
    }
}
