//! Lists as files for spreadsheets.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

/// One line of a file.
pub fn line<T: AsRef<str>>(fields: &[T]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| quoted(field.as_ref())).collect();
    format!("{}\r\n", fields.join(","))
}

/// A field that no spreadsheet takes for a formula.
fn quoted(field: &str) -> String {
    let risky = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if risky { "'" } else { "" };
    format!("\"{guard}{}\"", field.replace('"', "\"\""))
}

/// The answer that a browser saves under this name, line by line as it is made.
pub fn file(
    name: &str,
    lines: impl Stream<Item = signpost_store::Result<String>> + Send + 'static,
) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, Body::from_stream(lines)).into_response()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_name_cannot_become_a_formula() {
        assert_eq!(
            line(&["=1+1", "Ada \"A\""]),
            "\"'=1+1\",\"Ada \"\"A\"\"\"\r\n"
        );
    }
}
