//! A state as a word with an icon, never as a colour alone.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, Tone};

/// A word in a pill.
#[component]
pub fn Badge(
    #[prop(optional)] tone: Tone,
    #[prop(optional)] icon: Option<Icon>,
    children: Children,
) -> impl IntoView {
    let class = format!("badge badge--{}", tone.suffix());
    view! {
        <span class=class>
            {icon.map(|icon| view! { <Glyph icon=icon /> })}
            {children()}
        </span>
    }
}

/// The looks of one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The colour's meaning.
    pub tone: Tone,
    /// The icon before the word.
    pub icon: Icon,
    /// The word on the page.
    pub word: &'static str,
}

impl Status {
    const fn new(tone: Tone, icon: Icon, word: &'static str) -> Self {
        Self { tone, icon, word }
    }

    /// A run waits for a worker.
    pub const QUEUED: Self = Self::new(Tone::Plain, Icon::Hourglass, "Waiting");
    /// A run is being planned.
    pub const PLANNING: Self = Self::new(Tone::Info, Icon::LoaderCircle, "Making the plan");
    /// A run waits for an operator.
    pub const AWAITING_APPROVAL: Self =
        Self::new(Tone::Warn, Icon::OctagonPause, "Needs your answer");
    /// A run is being applied.
    pub const APPLYING: Self = Self::new(Tone::Info, Icon::LoaderCircle, "Running");
    /// A run did all it planned.
    pub const SUCCEEDED: Self = Self::new(Tone::Ok, Icon::Check, "Succeeded");
    /// A run left some accounts behind.
    pub const COMPLETED_WITH_FAILURES: Self =
        Self::new(Tone::Warn, Icon::TriangleAlert, "Finished with problems");
    /// A run could not go on.
    pub const FAILED: Self = Self::new(Tone::Bad, Icon::CircleX, "Failed");
    /// A run was stopped by an operator.
    pub const CANCELLED: Self = Self::new(Tone::Plain, Icon::Ban, "Cancelled");

    /// A readiness check is met.
    pub const PASSED: Self = Self::new(Tone::Ok, Icon::CircleCheck, "Passed");
    /// A readiness check wants something done.
    pub const ATTENTION: Self = Self::new(Tone::Warn, Icon::TriangleAlert, "Attention");
    /// A readiness check could not be made.
    pub const UNKNOWN: Self = Self::new(Tone::Plain, Icon::CircleQuestionMark, "Unknown");
    /// A readiness check was set aside by an operator.
    pub const WAIVED: Self = Self::new(Tone::Plain, Icon::Ban, "Waived");

    /// A connection has no values yet.
    pub const NOT_SET_UP: Self = Self::new(Tone::Plain, Icon::CircleDashed, "Not set up");
    /// A connection's last check was good.
    pub const CONNECTED: Self = Self::new(Tone::Ok, Icon::Check, "Connected");
    /// A connection works, with findings.
    pub const WITH_PROBLEMS: Self = Self::new(Tone::Warn, Icon::TriangleAlert, "With problems");
    /// A connection is not used until someone acts.
    pub const STOPPED: Self = Self::new(Tone::Bad, Icon::OctagonPause, "Stopped");

    /// A user or account may sign in.
    pub const ACTIVE: Self = Self::new(Tone::Ok, Icon::Check, "Active");
    /// A user or account may not sign in.
    pub const BLOCKED: Self = Self::new(Tone::Warn, Icon::Lock, "Blocked");
    /// A user was deleted and can be brought back.
    pub const DELETED: Self = Self::new(Tone::Bad, Icon::Trash2, "Deleted");
}

/// A state's badge.
#[component]
pub fn StatusBadge(status: Status) -> impl IntoView {
    view! {
        <Badge tone=status.tone icon=status.icon>
            {status.word}
        </Badge>
    }
}
