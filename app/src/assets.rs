//! What the browser loads beside a page: one stylesheet, one icon sprite, one script, two fonts.
//! Each URL holds a hash of its content, so a browser may keep it for ever.

mod sources;

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::{LazyLock, OnceLock};

use sha2::{Digest as _, Sha256};

/// The folder whose URLs [`asset`] answers.
pub const PREFIX: &str = "/assets/";

/// The `Cache-Control` of every asset: another content has another URL.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// One file as the server sends it.
pub struct Asset {
    url: String,
    /// For the header of that name.
    pub content_type: &'static str,
    /// The bytes, not compressed.
    pub body: Vec<u8>,
    brotli: OnceLock<Vec<u8>>,
}

impl Asset {
    fn new(stem: &str, extension: &str, content_type: &'static str, body: Vec<u8>) -> Self {
        let digest = Sha256::digest(&body);
        let mut url = format!("{PREFIX}{stem}.");
        for byte in digest.iter().take(6) {
            let _infallible = write!(url, "{byte:02x}");
        }
        url.push('.');
        url.push_str(extension);
        Self {
            url,
            content_type,
            body,
            brotli: OnceLock::new(),
        }
    }

    /// The strong `ETag`: the name already holds the hash.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.file_name())
    }

    /// The body compressed, made at the first call; nothing for what is compressed already.
    pub fn brotli(&self) -> Option<&[u8]> {
        (self.content_type != WOFF2)
            .then(|| self.brotli.get_or_init(|| compress(&self.body)).as_slice())
    }

    /// The last part of its URL.
    pub fn file_name(&self) -> &str {
        self.url.strip_prefix(PREFIX).unwrap_or_default()
    }
}

impl fmt::Debug for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asset")
            .field("url", &self.url)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The asset at `/assets/{path}`, if there is one.
pub fn asset(path: &str) -> Option<&'static Asset> {
    all().find(|asset| asset.file_name() == path)
}

/// Every asset, to be written out.
pub fn all() -> impl Iterator<Item = &'static Asset> {
    ASSETS.all()
}

/// Where the one stylesheet is.
pub fn stylesheet_url() -> &'static str {
    &ASSETS.stylesheet.url
}

/// Where the icon sprite is; a drawing in it is `#name`.
pub fn icon_sprite_url() -> &'static str {
    &ASSETS.icons.url
}

/// Where the one script of all behaviours is.
pub fn script_url() -> &'static str {
    &ASSETS.script.url
}

/// Where the text font is, so that the page can ask for it early.
pub fn font_url() -> &'static str {
    ASSETS.fonts.first().map_or("", |font| &font.url)
}

/// Where the site's icon is.
pub fn favicon_url() -> &'static str {
    &ASSETS.favicon.url
}

const WOFF2: &str = "font/woff2";
const SVG: &str = "image/svg+xml";

static ASSETS: LazyLock<Assets> = LazyLock::new(Assets::build);

struct Assets {
    stylesheet: Asset,
    icons: Asset,
    script: Asset,
    favicon: Asset,
    fonts: Vec<Asset>,
}

impl Assets {
    fn build() -> Self {
        let fonts: Vec<Asset> = sources::FONTS
            .iter()
            .map(|(path, bytes)| {
                let stem = path.trim_start_matches("fonts/").trim_end_matches(".woff2");
                Asset::new(stem, "woff2", WOFF2, bytes.to_vec())
            })
            .collect();
        let mut css = join_styles();
        for ((path, _), font) in sources::FONTS.iter().zip(&fonts) {
            css = css.replace(path, &font.url);
        }
        Self {
            stylesheet: Asset::new(
                "portal",
                "css",
                "text/css; charset=utf-8",
                squeeze_css(&css).into_bytes(),
            ),
            icons: Asset::new("icons", "svg", SVG, sprite().into_bytes()),
            script: Asset::new(
                "behaviours",
                "js",
                "text/javascript; charset=utf-8",
                join_behaviours().into_bytes(),
            ),
            favicon: Asset::new("favicon", "svg", SVG, sources::FAVICON.as_bytes().to_vec()),
            fonts,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Asset> {
        [&self.stylesheet, &self.icons, &self.script, &self.favicon]
            .into_iter()
            .chain(&self.fonts)
    }
}

/// Follows the lines of `main.css`: the order of the layers, then each file inside its layer.
fn join_styles() -> String {
    let mut css = String::new();
    for line in sources::MAIN_STYLE.lines() {
        match parse_import(line) {
            Some((path, layer)) => {
                let _infallible = writeln!(css, "@layer {layer} {{\n{}}}", style(path));
            }
            None => css.push_str(line),
        }
    }
    css
}

/// `@import url("base.css") layer(base);` → `("base.css", "base")`.
fn parse_import(line: &str) -> Option<(&str, &str)> {
    let (path, layer) = line
        .strip_prefix("@import url(\"")?
        .split_once("\") layer(")?;
    Some((path, layer.strip_suffix(");")?))
}

fn style(path: &str) -> &'static str {
    sources::STYLES
        .iter()
        .find(|(name, _)| *name == path)
        .map_or("", |(_, text)| text)
}

/// Drops comments and the blanks that only people need; strings stay as they are.
fn squeeze_css(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(first) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else if first == '"' {
            let end = rest[1..].find('"').map_or(rest.len(), |at| at + 2);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if first.is_whitespace() {
            rest = rest.trim_start();
            let glued = out.is_empty()
                || out.ends_with(['{', '}', ';', ','])
                || rest.starts_with(['{', '}', ';']);
            if !glued {
                out.push(' ');
            }
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// Every drawing as a symbol of one file. The stroke comes from `.icon`, so only shapes are kept.
fn sprite() -> String {
    let mut svg =
        String::from("<svg xmlns=\"http://www.w3.org/2000/svg\"><!-- Lucide, ISC licence -->");
    for (file, text) in sources::ICONS {
        let shapes = text
            .split_once("<svg")
            .and_then(|(_, after)| after.split_once('>'))
            .map_or("", |(_, after)| after);
        let shapes = shapes.trim_end().trim_end_matches("</svg>");
        let name = file.trim_end_matches(".svg");
        let _infallible = write!(svg, "<symbol id=\"{name}\" viewBox=\"0 0 24 24\">");
        shapes.lines().for_each(|line| svg.push_str(line.trim()));
        svg.push_str("</symbol>");
    }
    svg.push_str("</svg>");
    svg
}

/// Each behaviour in a block of its own: none of them imports or exports anything.
fn join_behaviours() -> String {
    let mut script = String::new();
    for (_, text) in sources::BEHAVIOURS {
        script.push_str("{\n");
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("//"))
        {
            script.push_str(line);
            script.push('\n');
        }
        script.push_str("}\n");
    }
    script
}

fn compress(body: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    {
        let mut writer = brotli::CompressorWriter::new(&mut compressed, 1 << 16, 9, 20);
        // Writing into memory does not fail; were it to, the empty answer is refused by a test.
        let _infallible = writer.write_all(body);
    }
    compressed
}

#[cfg(test)]
mod tests;
