//! A secret: written, replaced, never read back. The field is always empty.

use leptos::prelude::*;

use super::badge::Badge;
use super::field::{Field, FieldIds};
use super::icon::{Icon, Tone};

/// What is known of the stored secret. Never a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SecretState {
    /// Nothing is stored.
    #[default]
    NotSet,
    /// Stored; `saved` and `expires` are words made by the page, as in `saved 3 Nov 2026`.
    Saved {
        /// When it was saved.
        saved: String,
        /// When it ends, if that is known.
        expires: Option<String>,
    },
    /// Ends within the reminder's time.
    EndsSoon {
        /// When it was saved.
        saved: String,
        /// As in `expires in 21 days`.
        expires: String,
    },
    /// Past its end.
    Ended {
        /// As in `ended 14 Dec 2026`.
        ended: String,
    },
}

impl SecretState {
    fn badge(&self) -> Option<(Tone, Icon, String)> {
        match self {
            Self::NotSet => None,
            Self::Saved {
                saved,
                expires: None,
            } => Some((Tone::Ok, Icon::Check, saved.clone())),
            Self::Saved {
                saved,
                expires: Some(expires),
            } => Some((Tone::Ok, Icon::Check, format!("{saved}, {expires}"))),
            Self::EndsSoon { saved, expires } => {
                Some((Tone::Warn, Icon::Clock, format!("{saved}, {expires}")))
            }
            Self::Ended { ended } => Some((Tone::Bad, Icon::CircleX, ended.clone())),
        }
    }

    const fn placeholder(&self) -> Option<&'static str> {
        match self {
            Self::NotSet => None,
            _ => Some("Saved. Leave empty to keep it"),
        }
    }
}

/// The field for a secret, with a badge that says when it was saved and when it ends.
#[component]
pub fn SecretField(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    #[prop(optional)] state: SecretState,
    #[prop(default = None, into)] hint: Option<String>,
    #[prop(default = None, into)] error: Option<String>,
    #[prop(default = 1024)] max_length: u32,
) -> impl IntoView {
    let ids = FieldIds::of(&name);
    let described_by = ids.described_by(hint.is_some(), error.is_some());
    let invalid = error.is_some().then_some("true");
    let badge = state.badge();
    let aside = move || {
        badge.map(|(tone, icon, words)| {
            view! { <span class="push"><Badge tone=tone icon=icon>{words}</Badge></span> }
        })
    };
    let reveals = ids.control.clone();
    view! {
        <Field ids=ids.clone() label=label hint=hint error=error aside=aside>
            <div class="joined">
                <input
                    class="input input--mono"
                    id=ids.control
                    name=name
                    type="password"
                    placeholder=state.placeholder()
                    autocomplete="new-password"
                    spellcheck="false"
                    maxlength=max_length
                    aria-invalid=invalid
                    aria-describedby=described_by
                />
                <button class="button" type="button" data-reveal=reveals data-needs-script aria-pressed="false">
                    "Show"
                </button>
            </div>
        </Field>
    }
}
