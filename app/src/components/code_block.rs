//! Text for machines, to read, copy and download.

use leptos::prelude::*;

use super::button::{ButtonSize, LinkButton};
use super::copy_field::CopyButton;
use super::icon::Icon;

/// A script or a message. It scrolls by keyboard; `download` is where the same text is as a file.
#[component]
pub fn CodeBlock(
    /// Unique on its page.
    #[prop(into)]
    id: String,
    /// Its name. A group, not a region: pages name their own regions.
    #[prop(into)]
    label: String,
    #[prop(into)] code: String,
    #[prop(optional, into)] download: Option<String>,
) -> impl IntoView {
    let copies = id.clone();
    view! {
        <div class="code">
            <div class="code__tools">
                <CopyButton copies=copies />
                {download
                    .map(|href| {
                        view! {
                            <LinkButton href=href download="" icon=Icon::Download size=ButtonSize::Medium>
                                "Download"
                            </LinkButton>
                        }
                    })}
            </div>
            <pre id=id tabindex="0" role="group" aria-label=label>
                {code}
            </pre>
        </div>
    }
}
