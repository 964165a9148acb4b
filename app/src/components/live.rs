//! What is under way, followed without reloading: `behaviours/live-run.js` replaces elements by HTML that the server
//! renders and sends as events. Without a script the page reloads itself.

use leptos::prelude::*;

/// Seconds between two reloads of a page without a script.
const RELOAD: u32 = 5;

/// To the page as it was asked for: an address that ends in a fragment would only scroll.
fn reload() -> String {
    use_context::<http::request::Parts>().map_or_else(
        || RELOAD.to_string(),
        // Never the host: behind a proxy it need not be the one in the browser.
        |parts| {
            let path = parts.uri.path_and_query();
            format!("{RELOAD};url={}", path.map_or("/", |path| path.as_str()))
        },
    )
}

/// Follows `events` while something is under way. Children hold the parts that change, each with an id, and one
/// [`LiveStatus`].
///
/// The server sends three kinds of events: `fragment` (HTML; each element in it replaces the one with its id),
/// `status` (words for the [`LiveStatus`]: few, since each is read out) and `done`, which ends it (with
/// the data `reload`: and loads the page anew).
#[component]
pub fn Live(
    /// Where the events come from; nothing once it is over.
    #[prop(default = None, into)]
    events: Option<String>,
    children: Children,
) -> impl IntoView {
    let reload = events.is_some().then(|| {
        view! {
            <noscript>
                <meta http-equiv="refresh" content=reload() />
            </noscript>
        }
    });
    view! {
        {reload}
        <div class="stack" data-live-run=events>
            {children()}
        </div>
    }
}

/// The state in words, told politely when it changes. Eyes have the badge beside it.
#[component]
pub fn LiveStatus(children: Children) -> impl IntoView {
    view! {
        <p class="hidden-words" role="status" data-live-status>
            {children()}
        </p>
    }
}
