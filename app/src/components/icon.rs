//! One icon of the sprite. The word beside it, or the button's label, says what it means.

use leptos::prelude::*;

use crate::assets;

/// Each drawing in `style/icons`; a test holds both lists together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    ArrowRight,
    ArrowUp,
    Ban,
    Blocks,
    Check,
    ChevronRight,
    ChevronsUpDown,
    CircleCheck,
    CircleDashed,
    CircleQuestionMark,
    CircleX,
    Clock,
    CloudCog,
    Copy,
    Download,
    Ellipsis,
    Eye,
    FileUp,
    FlaskConical,
    FolderSync,
    Hourglass,
    IdCard,
    Info,
    KeyRound,
    Keyboard,
    Layers,
    LayoutDashboard,
    Link,
    LoaderCircle,
    Lock,
    LogOut,
    Menu,
    OctagonPause,
    Pencil,
    Play,
    Plus,
    RefreshCw,
    ScrollText,
    Search,
    SearchCheck,
    SearchX,
    Settings,
    ShieldCheck,
    Terminal,
    Trash2,
    TriangleAlert,
    Undo2,
    Unlink,
    UserRoundCheck,
    UserRoundPlus,
    UsersRound,
    Waypoints,
    X,
}

impl Icon {
    /// The name of the drawing in the sprite.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ArrowRight => "arrow-right",
            Self::ArrowUp => "arrow-up",
            Self::Ban => "ban",
            Self::Blocks => "blocks",
            Self::Check => "check",
            Self::ChevronRight => "chevron-right",
            Self::ChevronsUpDown => "chevrons-up-down",
            Self::CircleCheck => "circle-check",
            Self::CircleDashed => "circle-dashed",
            Self::CircleQuestionMark => "circle-question-mark",
            Self::CircleX => "circle-x",
            Self::Clock => "clock",
            Self::CloudCog => "cloud-cog",
            Self::Copy => "copy",
            Self::Download => "download",
            Self::Ellipsis => "ellipsis",
            Self::Eye => "eye",
            Self::FileUp => "file-up",
            Self::FlaskConical => "flask-conical",
            Self::FolderSync => "folder-sync",
            Self::Hourglass => "hourglass",
            Self::IdCard => "id-card",
            Self::Info => "info",
            Self::KeyRound => "key-round",
            Self::Keyboard => "keyboard",
            Self::Layers => "layers",
            Self::LayoutDashboard => "layout-dashboard",
            Self::Link => "link",
            Self::LoaderCircle => "loader-circle",
            Self::Lock => "lock",
            Self::LogOut => "log-out",
            Self::Menu => "menu",
            Self::OctagonPause => "octagon-pause",
            Self::Pencil => "pencil",
            Self::Play => "play",
            Self::Plus => "plus",
            Self::RefreshCw => "refresh-cw",
            Self::ScrollText => "scroll-text",
            Self::Search => "search",
            Self::SearchCheck => "search-check",
            Self::SearchX => "search-x",
            Self::Settings => "settings",
            Self::ShieldCheck => "shield-check",
            Self::Terminal => "terminal",
            Self::Trash2 => "trash-2",
            Self::TriangleAlert => "triangle-alert",
            Self::Undo2 => "undo-2",
            Self::Unlink => "unlink",
            Self::UserRoundCheck => "user-round-check",
            Self::UserRoundPlus => "user-round-plus",
            Self::UsersRound => "users-round",
            Self::Waypoints => "waypoints",
            Self::X => "x",
        }
    }

    #[cfg(test)]
    pub(crate) const ALL: &[Self] = &[
        Self::ArrowRight,
        Self::ArrowUp,
        Self::Ban,
        Self::Blocks,
        Self::Check,
        Self::ChevronRight,
        Self::ChevronsUpDown,
        Self::CircleCheck,
        Self::CircleDashed,
        Self::CircleQuestionMark,
        Self::CircleX,
        Self::Clock,
        Self::CloudCog,
        Self::Copy,
        Self::Download,
        Self::Ellipsis,
        Self::Eye,
        Self::FileUp,
        Self::FlaskConical,
        Self::FolderSync,
        Self::Hourglass,
        Self::IdCard,
        Self::Info,
        Self::KeyRound,
        Self::Keyboard,
        Self::Layers,
        Self::LayoutDashboard,
        Self::Link,
        Self::LoaderCircle,
        Self::Lock,
        Self::LogOut,
        Self::Menu,
        Self::OctagonPause,
        Self::Pencil,
        Self::Play,
        Self::Plus,
        Self::RefreshCw,
        Self::ScrollText,
        Self::Search,
        Self::SearchCheck,
        Self::SearchX,
        Self::Settings,
        Self::ShieldCheck,
        Self::Terminal,
        Self::Trash2,
        Self::TriangleAlert,
        Self::Undo2,
        Self::Unlink,
        Self::UserRoundCheck,
        Self::UserRoundPlus,
        Self::UsersRound,
        Self::Waypoints,
        Self::X,
    ];
}

/// The colour of an icon, when it is not that of the text beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Neutral.
    #[default]
    Plain,
    /// Worked, connected, active.
    Ok,
    /// Needs attention.
    Warn,
    /// Failed, refused.
    Bad,
    /// Under way, worth knowing.
    Info,
}

impl Tone {
    /// The last part of a class: `badge--ok`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Info => "info",
        }
    }
}

/// How large an icon is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IconSize {
    /// 14 px, in small buttons and lines of text.
    Small,
    /// 16 px.
    #[default]
    Medium,
    /// 18 px, in lists.
    Large,
}

/// Draws an icon from the sprite; hidden from screen readers.
#[component]
pub fn Glyph(
    icon: Icon,
    #[prop(optional)] size: IconSize,
    #[prop(optional)] tone: Option<Tone>,
) -> impl IntoView {
    let mut class = String::from(match size {
        IconSize::Small => "icon icon--small",
        IconSize::Medium => "icon",
        IconSize::Large => "icon icon--large",
    });
    if let Some(tone) = tone {
        class.push_str(" icon--");
        class.push_str(tone.suffix());
    }
    let href = format!("{}#{}", assets::icon_sprite_url(), icon.name());
    view! {
        <svg class=class aria-hidden="true">
            <use href=href></use>
        </svg>
    }
}
