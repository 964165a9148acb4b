//! A line, or several lines, of text.

use leptos::prelude::*;

use super::field::{Field, FieldIds};

/// What kind of text a field takes; the browser picks its keyboard and its help by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextKind {
    /// Anything.
    #[default]
    Text,
    /// An address.
    Email,
    /// Hidden while it is typed; never filled by the server.
    Password,
    /// A whole number.
    Number,
    /// A search.
    Search,
    /// An id or a template: in the typewriter's font, not spell-checked.
    Code,
    /// A code of digits from another device.
    OneTimeCode,
    /// A day.
    Date,
    /// An address on the web.
    Url,
}

impl TextKind {
    const fn html(self) -> &'static str {
        match self {
            Self::Text | Self::Code | Self::OneTimeCode => "text",
            Self::Email => "email",
            Self::Password => "password",
            Self::Number => "number",
            Self::Search => "search",
            Self::Date => "date",
            Self::Url => "url",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Code | Self::OneTimeCode => "input input--mono",
            _ => "input",
        }
    }

    const fn input_mode(self) -> Option<&'static str> {
        match self {
            Self::Number | Self::OneTimeCode => Some("numeric"),
            _ => None,
        }
    }
}

/// A text field. `value` is what was typed or stored; `error` ties its words to the field.
#[component]
pub fn TextField(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    #[prop(optional)] kind: TextKind,
    #[prop(optional, into)] value: String,
    #[prop(default = None, into)] hint: Option<String>,
    #[prop(default = None, into)] error: Option<String>,
    #[prop(optional, into)] placeholder: Option<String>,
    /// What a browser may fill in: `username`, `current-password`, … `off` if nothing is said.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// The most characters it takes.
    #[prop(default = 256)]
    max_length: u32,
    #[prop(optional)] required: bool,
    #[prop(optional)] read_only: bool,
    #[prop(optional)] autofocus: bool,
    /// The id of a `datalist` with proposals.
    #[prop(optional, into)]
    proposals: Option<String>,
    /// With a script: the form's button waits until this is typed.
    #[prop(optional, into)]
    confirms: Option<String>,
    #[prop(optional, into)] aside: ViewFnOnce,
) -> impl IntoView {
    let ids = FieldIds::of(&name);
    let described_by = ids.described_by(hint.is_some(), error.is_some());
    let invalid = error.is_some().then_some("true");
    let value = (kind != TextKind::Password && !value.is_empty()).then_some(value);
    let spelled = matches!(kind, TextKind::Text)
        .then_some("true")
        .unwrap_or("false");
    view! {
        <Field ids=ids.clone() label=label hint=hint error=error aside=move || aside.run()>
            <input
                class=kind.class()
                id=ids.control
                name=name
                type=kind.html()
                value=value
                placeholder=placeholder
                autocomplete=autocomplete
                inputmode=kind.input_mode()
                maxlength=(kind != TextKind::Number).then_some(max_length)
                required=required
                readonly=read_only
                autofocus=autofocus
                list=proposals
                spellcheck=spelled
                aria-invalid=invalid
                aria-describedby=described_by
                data-confirms=confirms
            />
        </Field>
    }
}

/// Several lines of text.
#[component]
pub fn TextArea(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    #[prop(optional, into)] value: String,
    #[prop(default = None, into)] hint: Option<String>,
    #[prop(default = None, into)] error: Option<String>,
    #[prop(default = 4)] rows: u32,
    #[prop(default = 4096)] max_length: u32,
    #[prop(optional)] required: bool,
    /// Text for machines: in the typewriter's font.
    #[prop(optional)]
    code: bool,
) -> impl IntoView {
    let ids = FieldIds::of(&name);
    let described_by = ids.described_by(hint.is_some(), error.is_some());
    let invalid = error.is_some().then_some("true");
    let class = if code { "input input--mono" } else { "input" };
    view! {
        <Field ids=ids.clone() label=label hint=hint error=error>
            <textarea
                class=class
                id=ids.control
                name=name
                rows=rows
                maxlength=max_length
                required=required
                spellcheck=if code { "false" } else { "true" }
                aria-invalid=invalid
                aria-describedby=described_by
            >
                {value}
            </textarea>
        </Field>
    }
}

/// A file from the reader's disk. Its form is a multipart one.
#[component]
pub fn FileField(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    /// File types the browser offers first, as in `.csv,text/csv`.
    accept: &'static str,
    #[prop(default = None, into)] hint: Option<String>,
    #[prop(default = None, into)] error: Option<String>,
) -> impl IntoView {
    let ids = FieldIds::of(&name);
    let described_by = ids.described_by(hint.is_some(), error.is_some());
    let invalid = error.is_some().then_some("true");
    view! {
        <Field ids=ids.clone() label=label hint=hint error=error>
            <input
                class="input"
                id=ids.control
                name=name
                type="file"
                accept=accept
                required
                aria-invalid=invalid
                aria-describedby=described_by
            />
        </Field>
    }
}
