//! What holds for the files themselves: complete, small, and legible in both schemes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::*;
use crate::components::Icon;

fn names_in(folder: &str, extension: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(extension))
        .collect()
}

fn names_of(sources: &[(&str, &str)]) -> BTreeSet<String> {
    sources.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[test]
fn every_file_in_the_folders_is_compiled_in() {
    assert_eq!(names_in("../style/icons", ".svg"), names_of(sources::ICONS));
    assert_eq!(names_in("behaviours", ".js"), names_of(sources::BEHAVIOURS));
    let components = names_in("../style/components", ".css")
        .into_iter()
        .map(|name| format!("components/{name}"));
    let top = names_in("../style", ".css")
        .into_iter()
        .filter(|name| name != "main.css");
    assert_eq!(
        components.chain(top).collect::<BTreeSet<_>>(),
        names_of(sources::STYLES)
    );
}

#[test]
fn main_css_places_every_style_in_a_declared_layer_once() {
    let imports: Vec<_> = sources::MAIN_STYLE
        .lines()
        .filter_map(parse_import)
        .collect();
    let placed: BTreeSet<String> = imports.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(placed, names_of(sources::STYLES));
    assert_eq!(placed.len(), imports.len());
    let order = sources::MAIN_STYLE
        .lines()
        .find(|line| line.starts_with("@layer"))
        .unwrap();
    for (path, layer) in imports {
        assert!(
            order.contains(layer),
            "{path} is in the layer {layer}, which has no place"
        );
    }
}

#[test]
fn every_icon_has_a_drawing_and_every_drawing_an_icon() {
    let names: BTreeSet<String> = Icon::ALL
        .iter()
        .map(|icon| format!("{}.svg", icon.name()))
        .collect();
    assert_eq!(names, names_of(sources::ICONS));
    for icon in Icon::ALL {
        let symbol = format!("<symbol id=\"{}\" viewBox=\"0 0 24 24\"><", icon.name());
        assert!(sprite().contains(&symbol), "{icon:?} has no shape");
    }
}

#[test]
fn every_custom_property_that_is_used_is_defined() {
    let css = join_styles();
    let defined: BTreeSet<&str> = css
        .lines()
        .filter_map(|line| line.trim().strip_prefix("--")?.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    for used in css.split("var(--").skip(1) {
        let name = used.split([')', ',']).next().unwrap();
        assert!(
            defined.contains(name),
            "var(--{name}) is used and nowhere defined"
        );
    }
}

#[test]
fn urls_hold_a_hash_and_lead_to_the_content() {
    for url in [
        stylesheet_url(),
        icon_sprite_url(),
        script_url(),
        font_url(),
        favicon_url(),
    ] {
        let found = asset(url.strip_prefix(PREFIX).unwrap()).unwrap();
        assert!(!found.body.is_empty());
        let hash = url.rsplit('.').nth(1).unwrap();
        assert!(
            hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{url}"
        );
    }
    assert!(asset("portal.css").is_none());
    assert!(asset("../Cargo.toml").is_none());
}

#[test]
fn the_stylesheet_asks_for_fonts_by_the_urls_that_exist() {
    let css = String::from_utf8(ASSETS.stylesheet.body.clone()).unwrap();
    for font in &ASSETS.fonts {
        assert!(css.contains(&format!("url(\"{}\")", font.url)));
    }
    assert!(!css.contains("url(\"fonts/"));
    assert!(!css.contains("http://") && !css.contains("https://"));
}

#[test]
fn squeezing_keeps_strings_and_selectors() {
    let css = "/* a { b } */\n.a :hover {\n  content: \" ( \";\n  margin: 0 auto;\n}\n";
    assert_eq!(
        squeeze_css(css),
        ".a :hover{content: \" ( \";margin: 0 auto;}"
    );
}

#[test]
fn a_first_visit_stays_within_its_bytes() {
    let kilobytes = |asset: &Asset| asset.brotli().map_or(asset.body.len(), <[u8]>::len);
    assert!(
        (1..10_000).contains(&kilobytes(&ASSETS.stylesheet)),
        "stylesheet: {}",
        kilobytes(&ASSETS.stylesheet)
    );
    assert!(
        (1..10_000).contains(&kilobytes(&ASSETS.script)),
        "script: {}",
        kilobytes(&ASSETS.script)
    );
    assert!(
        (1..6_000).contains(&kilobytes(&ASSETS.icons)),
        "icons: {}",
        kilobytes(&ASSETS.icons)
    );
    assert!(ASSETS.fonts.iter().map(kilobytes).sum::<usize>() < 75_000);
}

/// Text, then what it stands on, then the least contrast: 4.5 for text, 3 for shapes that carry meaning.
const PAIRS: &[(&str, &str, f64)] = &[
    ("text", "surface", 7.0),
    ("text", "bg", 7.0),
    ("text", "code-bg", 7.0),
    ("text", "accent-soft", 7.0),
    ("text", "next", 7.0),
    ("text-2", "surface", 4.5),
    ("text-2", "surface-2", 4.5),
    ("text-2", "bg", 4.5),
    ("text-2", "sidebar", 4.5),
    ("text-2", "accent-soft", 4.5),
    ("text-3", "surface", 4.5),
    ("text-3", "surface-2", 4.5),
    ("text-3", "bg", 4.5),
    ("text-3", "sidebar", 4.5),
    ("text-3", "hover", 4.5),
    ("text-3", "next", 4.5),
    ("text-3", "field", 4.5),
    ("link", "surface", 4.5),
    ("link", "surface-2", 4.5),
    ("link", "bg", 4.5),
    ("link", "hover", 4.5),
    ("link", "accent-soft", 4.5),
    ("link", "ok-soft", 4.5),
    ("link", "warn-soft", 4.5),
    ("link", "bad-soft", 4.5),
    ("on-accent", "accent", 4.5),
    ("on-accent", "accent-hover", 4.5),
    ("on-accent", "bad-solid", 4.5),
    ("accent-text", "accent-soft", 4.5),
    ("ok-text", "ok-soft", 4.5),
    ("warn-text", "warn-soft", 4.5),
    ("bad-text", "bad-soft", 4.5),
    ("mute-text", "mute-soft", 4.5),
    ("text", "ok-soft", 4.5),
    ("text", "warn-soft", 4.5),
    ("text", "bad-soft", 4.5),
    ("text-2", "bad-soft", 4.5),
    ("ok-text", "surface", 4.5),
    ("warn-text", "surface", 4.5),
    ("bad-text", "surface", 4.5),
    ("bad-text", "surface-2", 4.5),
    ("bad-text", "hover", 4.5),
    ("chip-current-text", "chip-current", 4.5),
    ("field-line", "surface", 3.0),
    ("field-line", "bg", 3.0),
    ("switch-off", "surface", 3.0),
    ("knob", "switch-off", 3.0),
    ("accent", "surface", 3.0),
    ("ok", "surface", 3.0),
    ("warn", "surface", 3.0),
    ("warn", "warn-soft", 3.0),
    ("warn", "next", 3.0),
    ("bad", "surface", 3.0),
    ("bad", "bad-soft", 3.0),
    ("ok", "ok-soft", 3.0),
    ("ok", "track", 3.0),
    ("bad", "track", 3.0),
    ("text-3", "track", 3.0),
    ("meter", "track", 3.0),
    ("meter", "surface", 3.0),
    ("focus", "surface", 3.0),
    ("focus", "bg", 3.0),
    ("focus", "sidebar", 3.0),
];

#[test]
fn colours_keep_their_contrast_in_both_schemes() {
    let tokens = tokens();
    for (above, below, least) in PAIRS {
        for scheme in [0, 1] {
            let contrast = contrast(
                colour(&tokens, above, scheme),
                colour(&tokens, below, scheme),
            );
            assert!(
                contrast >= *least,
                "{above} on {below}, scheme {scheme}: {contrast:.2} is under {least}"
            );
        }
    }
}

/// `name → value`, of the first definition: later ones are for other media.
fn tokens() -> BTreeMap<&'static str, &'static str> {
    let mut tokens = BTreeMap::new();
    for line in style("tokens.css").lines() {
        if let Some((name, value)) = line
            .trim()
            .strip_prefix("--")
            .and_then(|line| line.split_once(": "))
        {
            tokens.entry(name).or_insert(value.trim_end_matches(';'));
        }
    }
    tokens
}

fn colour(tokens: &BTreeMap<&str, &str>, name: &str, scheme: usize) -> [f64; 3] {
    let value = tokens[name];
    let picked = match value.strip_prefix("light-dark(") {
        Some(pair) => pair
            .trim_end_matches("))")
            .split("), ")
            .nth(scheme)
            .unwrap(),
        None => value,
    };
    match picked.strip_prefix("var(--") {
        Some(raw) => colour(tokens, raw.trim_end_matches(')'), scheme),
        None => [1, 3, 5]
            .map(|at| f64::from(u8::from_str_radix(&picked[at..at + 2], 16).unwrap()) / 255.0),
    }
}

/// The ratio of WCAG 2.2, "relative luminance" and "contrast ratio".
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let luminance = |rgb: [f64; 3]| {
        let [r, g, b] = rgb.map(|c| {
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126f64.mul_add(r, 0.7152f64.mul_add(g, 0.0722 * b))
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}
