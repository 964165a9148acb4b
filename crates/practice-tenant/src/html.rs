//! A page as text: escaping, tables, definitions, and the headers it is sent with.

use std::fmt::{self, Write};

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// A page being written.
#[derive(Debug)]
pub(crate) struct Html {
    title: String,
    pub(crate) body: String,
    /// Other origins that a form of this page leads to, also by a redirect.
    pub(crate) form_targets: Vec<String>,
    /// The script that the page runs.
    pub(crate) script: Option<&'static str>,
    /// Of the table being written.
    columns: usize,
}

/// A column's heading, and on which side its values stand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column<'a> {
    Text(&'a str),
    Number(&'a str),
}

use Column::{Number, Text};

/// Text for an element or an attribute.
pub(crate) fn text(value: &str) -> Escaped<'_> {
    Escaped(value)
}

#[derive(Debug)]
pub(crate) struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A short state in colour and words.
pub(crate) fn badge(tone: &str, word: &str) -> String {
    format!("<span class=\"badge {tone}\">{}</span>", text(word))
}

// Writing to a string cannot fail, so the results below are dropped.
impl Html {
    pub(crate) fn page(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            body: String::new(),
            form_targets: Vec::new(),
            script: None,
            columns: 0,
        }
    }

    /// A table that scrolls by itself when it is wider than the page.
    pub(crate) fn open_table(&mut self, id: &str, caption: &str, columns: &[Column<'_>]) {
        let _ = write!(
            self.body,
            "<div class=\"scroll\" role=\"region\" aria-labelledby=\"{id}-caption\" tabindex=\"0\"><table><caption id=\"{id}-caption\">{}</caption><thead><tr>",
            text(caption)
        );
        self.columns = columns.len();
        for column in columns {
            let _ = match column {
                Text(name) => write!(self.body, "<th scope=\"col\">{}</th>", text(name)),
                Number(name) => {
                    write!(
                        self.body,
                        "<th scope=\"col\" class=\"number\">{}</th>",
                        text(name)
                    )
                }
            };
        }
        self.body.push_str("</tr></thead><tbody>");
    }

    pub(crate) fn close_table(&mut self) {
        if self.body.ends_with("<tbody>") {
            let _ = write!(
                self.body,
                "<tr><td colspan=\"{}\">Nothing to show.</td></tr>",
                self.columns
            );
        }
        self.body.push_str("</tbody></table></div>");
    }

    pub(crate) fn definitions(&mut self, rows: impl Iterator<Item = (&'static str, String)>) {
        self.body.push_str("<dl>");
        for (name, value) in rows {
            let _ = write!(
                self.body,
                "<dt>{}</dt><dd>{}</dd>",
                text(name),
                text(&value)
            );
        }
        self.body.push_str("</dl>");
    }

    pub(crate) fn answer(self, status: StatusCode) -> Response {
        let title = text(&self.title);
        let script = self.script.map_or_else(String::new, |script| {
            format!("<script src=\"{script}\" defer></script>")
        });
        let mut policy =
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
                .to_owned();
        for target in &self.form_targets {
            policy.push(' ');
            policy.push_str(target);
        }
        let page = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"/_practice/style.css\">{script}</head>\
             <body>{}</body></html>",
            self.body
        );
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (header::REFERRER_POLICY, "same-origin".to_owned()),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ];
        (status, headers, page).into_response()
    }
}
