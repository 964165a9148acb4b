//! The document around every page: head, skip link, menu, banners, breadcrumb, notices.
//!
//! The server puts a [`Frame`] into the context of each page; a page renders itself inside [`Page`] or, before anyone
//! is signed in, inside [`NarrowPage`].

use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_meta::{MetaTags, Title};

use crate::components::{
    Breadcrumb, Button, ButtonSize, Crumb, CsrfInput, Dialog, Form, Glyph, Icon, IconSize, Notice,
    Tone, Urgency, initials,
};
use crate::visit::Undo;
use crate::{assets, urls};

/// Light or dark, as the operator chose. It travels in a cookie, so that no page flashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the reader's system.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// The cookie that holds it.
    pub const COOKIE: &str = "theme";

    /// From the cookie's value; anything else is the system's.
    pub fn parse(cookie: &str) -> Self {
        match cookie {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// The cookie's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn attribute(self) -> Option<&'static str> {
        (self != Self::System).then_some(self.name())
    }
}

/// Whether single keys act: `/` searches, `?` lists the keys. An operator's setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shortcuts {
    /// They act.
    #[default]
    On,
    /// They do not.
    Off,
}

impl Shortcuts {
    /// The cookie that holds it.
    pub const COOKIE: &str = "shortcuts";

    /// From the cookie's value; anything else leaves them on.
    pub fn parse(cookie: &str) -> Self {
        match cookie {
            "off" => Self::Off,
            _ => Self::On,
        }
    }

    /// The cookie's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// Who is signed in, in words.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The operator's name.
    pub name: String,
    /// As in `Owner`.
    pub role: String,
}

/// The result of the post before, shown once.
#[derive(Debug, Clone)]
pub struct Flash {
    /// `Ok` is told as a status; `Bad` and `Warn` as an alert.
    pub tone: Tone,
    /// What happened, and to what.
    pub title: String,
    /// What follows from it; may be empty.
    pub detail: String,
    /// The post that takes it back.
    pub undo: Option<Undo>,
}

/// Something that stands above every page until it is settled: a quarantine, an outage.
#[derive(Debug, Clone)]
pub struct Banner {
    /// `Warn` or `Bad`.
    pub tone: Tone,
    /// One sentence.
    pub text: String,
    /// The page that settles it.
    pub link: Option<Crumb>,
}

/// What the document needs to know beside the page itself.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The organisation's name.
    pub organisation: String,
    /// Nobody on the pages before sign-in.
    pub operator: Option<SignedIn>,
    /// From the cookie.
    pub theme: Theme,
    /// The operator's setting.
    pub shortcuts: Shortcuts,
    /// Set when the practice tenant is in use; each page says so.
    pub practice: bool,
    /// Above every page.
    pub banners: Vec<Banner>,
    /// Results of the post before this page.
    pub notices: Vec<Flash>,
}

fn frame() -> Frame {
    use_context::<Frame>().unwrap_or_default()
}

/// The HTML document. `body` is the router with its pages.
pub fn document(body: impl IntoView) -> impl IntoView {
    let frame = frame();
    view! {
        <!DOCTYPE html>
        <html
            lang="en"
            data-theme=frame.theme.attribute()
            data-shortcuts=(frame.shortcuts == Shortcuts::Off).then_some("off")
        >
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <meta name="robots" content="noindex" />
                <link rel="icon" type="image/svg+xml" href=assets::favicon_url() />
                <link rel="preload" r#as="font" type="font/woff2" href=assets::font_url() crossorigin="anonymous" />
                <link rel="stylesheet" href=assets::stylesheet_url() />
                <script type="module" src=assets::script_url() nonce=use_nonce()></script>
                <MetaTags />
            </head>
            <body>{body}</body>
        </html>
    }
}

/// The parts of the portal that the menu leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What works, what does not, what is next.
    Overview,
    /// Microsoft 365 and its like.
    Applications,
    /// What was done to tenants.
    Runs,
    /// People.
    Users,
    /// Sets of people.
    Groups,
    /// People from a table.
    Import,
    /// Who did what.
    AuditLog,
    /// Everything about the portal itself.
    Settings,
}

impl Section {
    const fn link(self) -> (&'static str, &'static str, Icon) {
        match self {
            Self::Overview => ("Overview", urls::OVERVIEW, Icon::LayoutDashboard),
            Self::Applications => ("Applications", urls::APPLICATIONS, Icon::Layers),
            Self::Runs => ("Runs", urls::RUNS, Icon::FolderSync),
            Self::Users => ("Users", urls::USERS, Icon::UsersRound),
            Self::Groups => ("Groups", urls::GROUPS, Icon::Blocks),
            Self::Import => ("Import", urls::IMPORT, Icon::FileUp),
            Self::AuditLog => ("Audit log", urls::AUDIT_LOG, Icon::ScrollText),
            Self::Settings => ("Settings", urls::SETTINGS, Icon::Settings),
        }
    }
}

const WORK: &[Section] = &[Section::Overview, Section::Applications, Section::Runs];
const DIRECTORY: &[Section] = &[Section::Users, Section::Groups, Section::Import];
const ADMINISTRATION: &[Section] = &[Section::AuditLog, Section::Settings];

/// A page for operators. Children start with a `PageHeader`, tabs where there are some, then [`Notices`].
#[component]
pub fn Page(
    /// Of the document and at the end of the breadcrumb.
    #[prop(into)]
    title: String,
    section: Section,
    /// The pages above this one.
    #[prop(optional)]
    above: Vec<Crumb>,
    children: Children,
) -> impl IntoView {
    let frame = frame();
    view! {
        <Title text=format!("{title} · Signpost") />
        <Start />
        <div class="shell">
            <Menu section=section organisation=frame.organisation operator=frame.operator />
            <div class="page">
                <Banners practice=frame.practice banners=frame.banners />
                <Top above=above title=title shortcuts=frame.shortcuts />
                <main class="page__main" id="main" tabindex="-1">
                    {children()}
                </main>
            </div>
        </div>
    }
    .into_any()
}

/// The button of the phone's menu, the way up, and the keys.
#[component]
fn Top(above: Vec<Crumb>, title: String, shortcuts: Shortcuts) -> impl IntoView {
    view! {
        <header class="page__top">
            <button
                class="button button--quiet button--icon page__menu"
                type="button"
                popovertarget="menu"
                aria-label="Open the menu"
            >
                <Glyph icon=Icon::Menu size=IconSize::Large />
            </button>
            <Breadcrumb above=above here=title />
            <Keys shortcuts=shortcuts />
        </header>
    }
    .into_any()
}

/// A page with one card in the middle: sign-in, setup, and what cannot be shown.
#[component]
pub fn NarrowPage(
    /// Of the document, and its heading.
    #[prop(into)]
    title: String,
    /// In place of Signpost's own mark and name.
    #[prop(optional, into)]
    brand: Option<ViewFnOnce>,
    children: Children,
) -> impl IntoView {
    let frame = frame();
    let brand = match brand {
        Some(brand) => brand.run(),
        None => view! { <Brand /> }.into_any(),
    };
    view! {
        <Title text=format!("{title} · Signpost") />
        <Start />
        <div class="narrow">
            <div>
                <Banners practice=frame.practice banners=frame.banners />
            </div>
            <main class="narrow__main" id="main" tabindex="-1">
                {brand}
                <div class="narrow__card">
                    <h1>{title}</h1>
                    <NoticeList notices=frame.notices />
                    {children()}
                </div>
            </main>
        </div>
    }
    .into_any()
}

/// The results of the post before. A page places it right below its header and tabs.
#[component]
pub fn Notices() -> impl IntoView {
    view! { <NoticeList notices=frame().notices /> }
}

/// The same on a page with a status of its own, which says what came of the post: there is one status to ask.
#[component]
pub fn NoticesBesideStatus() -> impl IntoView {
    view! { <NoticeList notices=frame().notices success=Urgency::Calm /> }
}

#[component]
fn NoticeList(
    notices: Vec<Flash>,
    #[prop(default = Urgency::Status)] success: Urgency,
) -> impl IntoView {
    notices
        .into_iter()
        .map(|flash| {
            let urgency = match flash.tone {
                Tone::Bad | Tone::Warn => Urgency::Alert,
                _ => success,
            };
            view! {
                <Notice tone=flash.tone urgency=urgency title=flash.title>
                    {flash.detail}
                    {flash.undo.map(|undo| view! { <UndoForm undo=undo /> })}
                </Notice>
            }
        })
        .collect_view()
}

/// Takes back what the notice tells of.
#[component]
fn UndoForm(undo: Undo) -> impl IntoView {
    let fields = undo
        .fields
        .into_iter()
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
        .collect_view();
    view! {
        <Form action=undo.action class="notice__action">
            {fields}
            <Button size=ButtonSize::Small icon=Icon::Undo2>"Undo"</Button>
        </Form>
    }
    .into_any()
}

/// What comes before everything: the way past the menu, and the pattern that meters are hatched with.
#[component]
fn Start() -> impl IntoView {
    view! {
        <a class="skip" href="#main">
            "Skip to main content"
        </a>
        <svg class="sprite" aria-hidden="true">
            <defs>
                <pattern
                    id="hatch"
                    width="4"
                    height="4"
                    patternUnits="userSpaceOnUse"
                    patternTransform="rotate(45)"
                >
                    <rect class="sprite__hatch" width="4" height="4" opacity=".22"></rect>
                    <rect class="sprite__hatch" width="1.8" height="4"></rect>
                </pattern>
            </defs>
        </svg>
    }
    .into_any()
}

#[component]
fn Brand() -> impl IntoView {
    view! {
        <p class="brand">
            <svg class="brand__mark" viewBox="0 0 24 24" aria-hidden="true">
                <path
                    class="brand__front"
                    d="M3 4.5h11.6a2 2 0 0 1 1.5.7l3.2 3.6-3.2 3.6a2 2 0 0 1-1.5.7H3z"
                ></path>
                <path
                    class="brand__back"
                    d="M21 15h-7.4a2 2 0 0 0-1.5.7L10.4 18l1.7 2.3a2 2 0 0 0 1.5.7H21z"
                ></path>
            </svg>
            "Signpost"
        </p>
    }
}

/// On a phone a popover, opened by a button without a script; beside the page otherwise.
#[component]
fn Menu(section: Section, organisation: String, operator: Option<SignedIn>) -> impl IntoView {
    let organisation = (!organisation.is_empty()).then(|| {
        let letters = initials(&organisation);
        view! {
            <div class="organisation">
                <span class="avatar avatar--square" aria-hidden="true">{letters}</span>
                <span class="grow">{organisation}</span>
            </div>
        }
    });
    view! {
        <nav class="side" id="menu" popover="auto" aria-label="Main">
            <Brand />
            {organisation}
            <MenuGroup sections=WORK current=section />
            <MenuGroup heading="Directory" sections=DIRECTORY current=section />
            <MenuGroup heading="Administration" sections=ADMINISTRATION current=section />
            {operator.map(|operator| view! { <Operator operator=operator /> })}
        </nav>
    }
    .into_any()
}

#[component]
fn MenuGroup(
    #[prop(optional)] heading: Option<&'static str>,
    sections: &'static [Section],
    current: Section,
) -> impl IntoView {
    let items = sections
        .iter()
        .map(|section| {
            let (label, href, icon) = section.link();
            view! {
                <li>
                    <a class="menu__link" href=href aria-current=(*section == current).then_some("page")>
                        <Glyph icon=icon />
                        <span>{label}</span>
                    </a>
                </li>
            }
        })
        .collect_view();
    view! {
        <div>
            {heading.map(|heading| view! { <p class="menu__heading">{heading}</p> })}
            <ul class="menu" role="list">
                {items}
            </ul>
        </div>
    }
    .into_any()
}

#[component]
fn Operator(operator: SignedIn) -> impl IntoView {
    let letters = initials(&operator.name);
    view! {
        <div class="operator">
            <span class="avatar" aria-hidden="true">{letters}</span>
            <span class="grow">
                <a class="operator__name" href=urls::ACCOUNT>{operator.name}</a>
                <span class="operator__role">{operator.role}</span>
            </span>
            <form method="post" action=urls::SIGN_OUT>
                <CsrfInput />
                <button
                    class="button button--quiet button--small button--icon"
                    type="submit"
                    aria-label="Sign out"
                    title="Sign out"
                >
                    <Glyph icon=Icon::LogOut />
                </button>
            </form>
        </div>
    }
    .into_any()
}

/// What holds for every page until it is settled.
#[component]
fn Banners(practice: bool, banners: Vec<Banner>) -> impl IntoView {
    let practice = practice.then(|| {
        view! {
            <aside class="banner" aria-label="Practice mode">
                <Glyph icon=Icon::FlaskConical />
                <p>
                    <b>"Practice tenant."</b>
                    " Everything here is a rehearsal: nothing reaches Microsoft 365."
                </p>
            </aside>
        }
    });
    let banners = banners
        .into_iter()
        .enumerate()
        .map(|(at, banner)| {
            let class = if banner.tone == Tone::Bad {
                "banner banner--bad"
            } else {
                "banner"
            };
            let label = format!("Needs attention {}", at + 1);
            let link = banner
                .link
                .map(|link| view! { " " <a href=link.href>{link.label}</a> });
            view! {
                <aside class=class aria-label=label>
                    <Glyph icon=Icon::OctagonPause />
                    <p>{banner.text} {link}</p>
                </aside>
            }
        })
        .collect_view();
    view! {
        {practice}
        {banners}
    }
    .into_any()
}

/// The list of keys, for those who have a script to serve them.
#[component]
fn Keys(shortcuts: Shortcuts) -> impl IntoView {
    (shortcuts == Shortcuts::On).then(|| {
        view! {
            <span class="push" data-needs-script>
                <button
                    class="button button--quiet button--icon"
                    type="button"
                    commandfor="keys"
                    command="show-modal"
                    aria-label="Keyboard shortcuts"
                    title="Keyboard shortcuts"
                >
                    <Glyph icon=Icon::Keyboard size=IconSize::Large />
                </button>
            </span>
            <Dialog id="keys" title="Keyboard shortcuts">
                <dl class="card__body keys">
                    <dt>
                        <kbd>"/"</kbd>
                    </dt>
                    <dd>"Search this list"</dd>
                    <dt>
                        <kbd>"?"</kbd>
                    </dt>
                    <dd>"Show these shortcuts"</dd>
                    <dt>
                        <kbd>"Esc"</kbd>
                    </dt>
                    <dd>"Close"</dd>
                </dl>
            </Dialog>
        }
        .into_any()
    })
}
