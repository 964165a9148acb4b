//! What a reader gets in place of a page: why, and what to do.

use leptos::prelude::*;

use crate::components::{LinkButton, Look};
use crate::shell::NarrowPage;
use crate::urls;

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Nothing is at this address, or nothing this operator may see.
    NotFound,
    /// The operator's role does not allow it.
    Forbidden {
        /// As in `Auditor`.
        role: String,
    },
    /// The request is not one that our pages send.
    Refused,
    /// The form was sent with a token that is no longer good.
    Expired,
    /// More was sent than is taken.
    TooLarge,
    /// Too many tries.
    TooMany,
    /// A part is down that will be back: the database, Microsoft.
    Unavailable,
    /// Our own fault.
    Internal {
        /// Under which the log holds the cause.
        reference: String,
    },
}

impl Problem {
    /// The heading and the sentence below it.
    pub fn words(&self) -> (&'static str, String) {
        match self {
            Self::NotFound => (
                "Not found",
                "This page does not exist, or you have no access to it.".into(),
            ),
            Self::Forbidden { role } => (
                "Not allowed",
                format!("Your role is {role}. Ask an administrator to do this."),
            ),
            Self::Refused => (
                "Not accepted",
                "Nothing was changed. Go back, reload the page and try again.".into(),
            ),
            Self::Expired => (
                "This page was open too long",
                "Nothing was changed. Go back, reload the page and send it again.".into(),
            ),
            Self::TooLarge => (
                "Too large",
                "Nothing was changed. What was sent is larger than this page takes.".into(),
            ),
            Self::TooMany => (
                "Too many tries",
                "Wait a few minutes, then try again.".into(),
            ),
            Self::Unavailable => (
                "Not available now",
                "Nothing was changed. Try again in a minute.".into(),
            ),
            Self::Internal { reference } => (
                "Something failed on our side",
                format!(
                    "Nothing more was changed. The log has the cause under the reference {reference}."
                ),
            ),
        }
    }
}

/// The problem as a page.
#[component]
pub fn ProblemPage(problem: Problem) -> impl IntoView {
    let (title, sentence) = problem.words();
    view! {
        <NarrowPage title=title>
            <p class="text-2">{sentence}</p>
            <div class="row">
                <LinkButton href=urls::OVERVIEW look=Look::Primary>"Go to the overview"</LinkButton>
            </div>
        </NarrowPage>
    }
}
