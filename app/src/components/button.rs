//! Buttons and links that look like them. A button posts; a link only goes somewhere.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, IconSize};

/// What a button does to the page's balance: one primary in each card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Look {
    /// Everything else.
    #[default]
    Plain,
    /// The one thing to do here.
    Primary,
    /// Cancel, back, clear.
    Quiet,
    /// Leads to something that takes away.
    Danger,
    /// Takes away, now.
    Destroy,
}

/// How high a button is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ButtonSize {
    /// As high as a field.
    #[default]
    Medium,
    /// In rows and headers.
    Small,
}

fn class(look: Look, size: ButtonSize) -> String {
    let look = match look {
        Look::Plain => "",
        Look::Primary => " button--primary",
        Look::Quiet => " button--quiet",
        Look::Danger => " button--danger",
        Look::Destroy => " button--destroy",
    };
    let size = match size {
        ButtonSize::Medium => "",
        ButtonSize::Small => " button--small",
    };
    format!("button{look}{size}")
}

fn glyph(icon: Option<Icon>, size: ButtonSize) -> impl IntoView {
    let size = match size {
        ButtonSize::Medium => IconSize::Medium,
        ButtonSize::Small => IconSize::Small,
    };
    icon.map(|icon| view! { <Glyph icon=icon size=size /> })
}

/// A submit button. `name` and `value` tell the form's endpoint which one was pressed; `opens` names a dialog
/// instead of posting; `disabled_because` disables it and says why beside it.
#[component]
pub fn Button(
    #[prop(optional)] look: Look,
    #[prop(optional)] size: ButtonSize,
    #[prop(optional)] icon: Option<Icon>,
    #[prop(optional, into)] name: Option<String>,
    #[prop(optional, into)] value: Option<String>,
    /// Posts to another address than the form's.
    #[prop(optional, into)]
    formaction: Option<String>,
    /// Belongs to the form with this id, when it stands outside of it.
    #[prop(optional, into)]
    form: Option<String>,
    #[prop(optional, into)] opens: Option<String>,
    /// A longer name for screen readers, when several buttons on a page share their words.
    #[prop(default = None, into)]
    label: Option<String>,
    /// The id of what the button acts on, when each row of a table has a button of this name.
    #[prop(optional, into)]
    described_by: Option<String>,
    #[prop(default = None, into)] disabled_because: Option<String>,
    children: Children,
) -> impl IntoView {
    let kind = if opens.is_some() { "button" } else { "submit" };
    let command = opens.is_some().then_some("show-modal");
    let disabled = disabled_because.is_some();
    view! {
        <button
            class=class(look, size)
            type=kind
            name=name
            value=value
            formaction=formaction
            form=form
            commandfor=opens
            command=command
            aria-label=label
            aria-describedby=described_by
            disabled=disabled
            aria-description=disabled_because.clone()
        >
            {glyph(icon, size)}
            {children()}
        </button>
        {disabled_because.map(|why| view! { <span class="hint">{why}</span> })}
    }
}

/// A link with the weight of a button.
#[component]
pub fn LinkButton(
    #[prop(into)] href: String,
    #[prop(optional)] look: Look,
    #[prop(optional)] size: ButtonSize,
    #[prop(optional)] icon: Option<Icon>,
    #[prop(default = None, into)] label: Option<String>,
    /// The file name under which the browser saves what is behind the link.
    #[prop(optional, into)]
    download: Option<String>,
    children: Children,
) -> impl IntoView {
    view! {
        <a class=class(look, size) href=href aria-label=label download=download>
            {glyph(icon, size)}
            {children()}
        </a>
    }
}

/// A submit button that is only an icon; its label is its name.
#[component]
pub fn IconButton(
    icon: Icon,
    #[prop(into)] label: String,
    #[prop(optional)] look: Look,
    #[prop(optional)] size: ButtonSize,
    #[prop(optional, into)] name: Option<String>,
    #[prop(optional, into)] value: Option<String>,
) -> impl IntoView {
    let class = format!("{} button--icon", class(look, size));
    view! {
        <button class=class type="submit" name=name value=value aria-label=label.clone() title=label>
            {glyph(Some(icon), size)}
        </button>
    }
}
