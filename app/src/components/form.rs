//! A form that posts, with the token that proves it is ours.

use leptos::prelude::*;

/// The token against cross-site posts; the server puts it into the context of each page and checks it.
#[derive(Clone)]
pub struct CsrfToken(pub String);

impl std::fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CsrfToken")
    }
}

/// The name of the hidden field that holds the [`CsrfToken`].
pub const CSRF_FIELD: &str = "csrf";

/// How a form's fields travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Fields only.
    #[default]
    Fields,
    /// Fields and files.
    Multipart,
}

/// What a script does for a form, beyond stopping a second post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// Nothing.
    #[default]
    None,
    /// Asks before unsaved changes are left behind.
    Unsaved,
    /// Lets the same post be sent again: its answer is a file.
    Repeatable,
}

/// A form with the method POST. The server alone judges what was typed: a browser's own bubbles stop a post before
/// anything could stand at its field, and vanish.
#[component]
pub fn Form(
    #[prop(into)] action: String,
    #[prop(optional, into)] id: Option<String>,
    #[prop(optional, into)] class: Option<&'static str>,
    #[prop(optional)] encoding: Encoding,
    #[prop(optional)] guard: Guard,
    /// The name of the landmark, for a form that is a page's own.
    #[prop(optional, into)]
    label: Option<String>,
    children: Children,
) -> impl IntoView {
    let enctype = (encoding == Encoding::Multipart).then_some("multipart/form-data");
    let guard = match guard {
        Guard::None => None,
        Guard::Unsaved => Some("unsaved"),
        Guard::Repeatable => Some("repeatable"),
    };
    view! {
        <form method="post" action=action id=id class=class enctype=enctype aria-label=label data-guard=guard novalidate>
            <CsrfInput />
            {children()}
        </form>
    }
}

/// The hidden field alone, for a form that is written by hand.
#[component]
pub fn CsrfInput() -> impl IntoView {
    use_context::<CsrfToken>()
        .map(|token| view! { <input type="hidden" name=CSRF_FIELD value=token.0 /> })
}
