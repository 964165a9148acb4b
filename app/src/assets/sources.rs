//! The sources that the build compiles in. `assets.rs` joins them into what the browser loads.

/// Reads each named file of a folder at compile time.
macro_rules! sources {
    ($folder:literal: $($path:literal)*) => {
        &[$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), $folder, $path)))),*]
    };
}

/// `(path below style/, text)`; `style/main.css` says their order and layers.
pub(super) const STYLES: &[(&str, &str)] = sources!("/../style/":
    "reset.css"
    "tokens.css"
    "base.css"
    "layout.css"
    "utilities.css"
    "components/badge.css"
    "components/breadcrumb.css"
    "components/bulk_bar.css"
    "components/button.css"
    "components/card.css"
    "components/check_box.css"
    "components/checklist.css"
    "components/chips.css"
    "components/code_block.css"
    "components/data_table.css"
    "components/dialog.css"
    "components/diff_list.css"
    "components/empty_state.css"
    "components/error_summary.css"
    "components/expander.css"
    "components/facts.css"
    "components/field.css"
    "components/filter_bar.css"
    "components/icon.css"
    "components/legend.css"
    "components/mapping.css"
    "components/meter.css"
    "components/notice.css"
    "components/page_header.css"
    "components/pager.css"
    "components/person.css"
    "components/progress.css"
    "components/radio_card.css"
    "components/ring.css"
    "components/rule.css"
    "components/run_chart.css"
    "components/secret_once.css"
    "components/shell.css"
    "components/stat_tile.css"
    "components/stepper.css"
    "components/switch.css"
    "components/tabs.css"
    "components/timeline.css"
);

/// Which style file stands in which layer, in order.
pub(super) const MAIN_STYLE: &str = include_str!("../../../style/main.css");

/// `(file name, text)` of the icons, Lucide's drawings.
pub(super) const ICONS: &[(&str, &str)] = sources!("/../style/icons/":
    "arrow-right.svg"
    "arrow-up.svg"
    "ban.svg"
    "blocks.svg"
    "check.svg"
    "chevron-right.svg"
    "chevrons-up-down.svg"
    "circle-check.svg"
    "circle-dashed.svg"
    "circle-question-mark.svg"
    "circle-x.svg"
    "clock.svg"
    "cloud-cog.svg"
    "copy.svg"
    "download.svg"
    "ellipsis.svg"
    "eye.svg"
    "file-up.svg"
    "flask-conical.svg"
    "folder-sync.svg"
    "hourglass.svg"
    "id-card.svg"
    "info.svg"
    "key-round.svg"
    "keyboard.svg"
    "layers.svg"
    "layout-dashboard.svg"
    "link.svg"
    "loader-circle.svg"
    "lock.svg"
    "log-out.svg"
    "menu.svg"
    "octagon-pause.svg"
    "pencil.svg"
    "play.svg"
    "plus.svg"
    "refresh-cw.svg"
    "scroll-text.svg"
    "search.svg"
    "search-check.svg"
    "search-x.svg"
    "settings.svg"
    "shield-check.svg"
    "terminal.svg"
    "trash-2.svg"
    "triangle-alert.svg"
    "undo-2.svg"
    "unlink.svg"
    "user-round-check.svg"
    "user-round-plus.svg"
    "users-round.svg"
    "waypoints.svg"
    "x.svg"
);

/// `(file name, text)` of the behaviours: plain scripts over HTML that works without them.
pub(super) const BEHAVIOURS: &[(&str, &str)] = sources!("/behaviours/":
    "copy.js"
    "error-summary.js"
    "filter.js"
    "form-guard.js"
    "keys.js"
    "live-run.js"
    "passkey.js"
    "reveal.js"
    "select-all.js"
);

/// `(path below style/, bytes)` of the fonts, named so in `base.css`.
pub(super) const FONTS: &[(&str, &[u8])] = &[
    (
        "fonts/inter-latin-wght-normal.woff2",
        include_bytes!("../../../style/fonts/inter-latin-wght-normal.woff2"),
    ),
    (
        "fonts/geist-mono-latin-wght-normal.woff2",
        include_bytes!("../../../style/fonts/geist-mono-latin-wght-normal.woff2"),
    ),
];

/// The site's own icon.
pub(super) const FAVICON: &str = include_str!("../../../style/favicon.svg");
