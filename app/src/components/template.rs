//! Markup with places for values, for the rows of long tables.
//!
//! A row is some twenty elements, and fifty rows are most of what a list costs. Their markup is the
//! same but for a few values, so that it is rendered once, by the same components as everywhere,
//! and filled for each row.

use leptos::prelude::*;
use leptos::tachys::html::InertElement;

/// The first of the characters that mark places: no markup of ours has one.
const FIRST: u32 = 0xf0000;

/// Rendered markup with `N` places, each of which may be there several times.
#[derive(Debug)]
pub struct Template<const N: usize> {
    /// Markup, and the place that follows.
    parts: Vec<(String, usize)>,
    rest: String,
}

impl<const N: usize> Template<N> {
    /// Renders what `make` makes of a mark for each place.
    pub fn new(make: impl FnOnce([String; N]) -> AnyView) -> Self {
        let marks = std::array::from_fn(|place| {
            let mark = u32::try_from(place)
                .ok()
                .and_then(|at| char::from_u32(FIRST + at));
            mark.map(String::from).unwrap_or_default()
        });
        let html = make(marks).to_html();
        let (mut parts, mut begin) = (Vec::new(), 0);
        for (at, letter) in html.char_indices() {
            let Some(place) = place_of(letter).filter(|place| *place < N) else {
                continue;
            };
            parts.push((html[begin..at].to_owned(), place));
            begin = at + letter.len_utf8();
        }
        Self {
            parts,
            rest: html[begin..].to_owned(),
        }
    }

    /// Appends the markup with these values, which may hold anything.
    pub fn fill(&self, values: [&str; N], rows: &mut Rows) {
        for (markup, place) in &self.parts {
            rows.0.push_str(markup);
            escape(values[*place], &mut rows.0);
        }
        rows.0.push_str(&self.rest);
    }
}

fn place_of(letter: char) -> Option<usize> {
    usize::try_from(u32::from(letter).checked_sub(FIRST)?).ok()
}

/// The filled rows of a table.
#[derive(Debug, Default)]
pub struct Rows(String);

impl Rows {
    /// What stands inside of `<tbody>`.
    pub fn into_view(self) -> AnyView {
        InertElement::new(self.0).into_any()
    }
}

/// Text as it stands in an element, and in an attribute between quotes.
fn escape(text: &str, html: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        html.push_str(&rest[..at]);
        html.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        });
        rest = &rest[at + 1..];
    }
    html.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template<2> {
        Template::new(|[name, title]| {
            view! { <tr><td title=title.clone()>{name}</td><td>{title}</td></tr> }.into_any()
        })
    }

    fn filled(values: [&str; 2]) -> String {
        let mut rows = Rows::default();
        template().fill(values, &mut rows);
        rows.0
    }

    #[test]
    fn a_row_is_what_its_elements_would_be() {
        let (name, title) = ("Ada", "Engineer");
        let rendered = view! { <tr><td title=title>{name}</td><td>{title}</td></tr> }.to_html();
        assert_eq!(filled([name, title]), rendered);
    }

    #[test]
    fn no_value_is_ever_markup() {
        let hostile = "</td><script>alert('1')</script>\" onclick=\"x\" &amp; \u{f0000}\u{f0001}";
        let html = filled([hostile, hostile]);
        assert_eq!(html.matches('<').count(), 6);
        assert_eq!(html.matches('"').count(), 2);
        assert!(html.contains("&amp;amp; \u{f0000}\u{f0001}</td>"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(&#39;1&#39;)"), "{html}");
    }
}
