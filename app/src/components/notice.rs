//! What a post did, or what to know here. Notices stay on the page.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, Tone};

/// Who is told of a notice, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Urgency {
    /// Part of the page; nobody is interrupted.
    #[default]
    Calm,
    /// The result of a post that worked.
    Status,
    /// The result of a post that failed.
    Alert,
}

/// A notice in the page. `title` is its first, strong sentence; children go on.
#[component]
pub fn Notice(
    #[prop(optional)] tone: Tone,
    #[prop(optional)] urgency: Urgency,
    #[prop(optional, into)] title: Option<String>,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    let icon = match tone {
        Tone::Plain | Tone::Info => Icon::Info,
        Tone::Ok => Icon::CircleCheck,
        Tone::Warn => Icon::TriangleAlert,
        Tone::Bad => Icon::CircleX,
    };
    let role = match urgency {
        Urgency::Calm => None,
        Urgency::Status => Some("status"),
        Urgency::Alert => Some("alert"),
    };
    let class = format!("notice notice--{}", tone.suffix());
    view! {
        <div class=class role=role>
            <Glyph icon=icon tone=tone />
            <div class="notice__body">
                {title.map(|title| view! { <b>{title}</b> " " })}
                {children.map(|children| children())}
            </div>
        </div>
    }
}
