//! What the address of a list asks for, and the addresses of its other pages.

use leptos::prelude::use_context;
use signpost_store::{Page, PageRequest, Total};
use url::form_urlencoded;

use crate::components::Pages;
use crate::components::plural::{count, digits};
use crate::urls;

/// Where the cursor of a page stands in its address.
const AT: &str = "at";

/// Rows on one page of a list.
pub const PAGE_SIZE: u32 = 50;

/// The query of an address, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Of the page being answered.
    pub fn current() -> Self {
        let query = use_context::<http::request::Parts>()
            .and_then(|parts| parts.uri.query().map(str::to_owned));
        Self::parse(&query.unwrap_or_default())
    }

    /// From its text. Longer values than any of ours are cut.
    pub fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes())
            .take(20)
            .map(|(name, value)| (name.into_owned(), value.chars().take(4_096).collect()));
        Self(pairs.collect())
    }

    /// The value of a name; empty when it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// The address of the same list with other values (empty ones go), from its first page.
    pub fn with(&self, address: &str, changes: &[(&str, &str)]) -> String {
        let kept = self
            .0
            .iter()
            .filter(|(name, _)| name != AT && !changes.iter().any(|(changed, _)| changed == name));
        let pairs: Vec<(&str, &str)> = kept
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(changes.iter().copied())
            .collect();
        urls::with_query(address, &pairs)
    }

    /// The address of exactly this page, as it is.
    pub fn address(&self, address: &str) -> String {
        self.with(address, &[(AT, self.get(AT))])
    }

    /// The query alone, for a hidden field that leads back here.
    pub fn text(&self) -> String {
        self.address("").trim_start_matches('?').to_owned()
    }

    /// Which page of the list is asked for; a cursor that is not one leads to the first.
    pub fn page(&self) -> PageRequest {
        match self.get(AT).parse() {
            Ok(cursor) => PageRequest::at(PAGE_SIZE, cursor),
            Err(_) => PageRequest::first(PAGE_SIZE),
        }
    }

    /// The addresses of the neighbours of a page.
    pub fn pages<T>(&self, address: &str, page: &Page<T>) -> Pages {
        let at = |cursor: &signpost_store::Cursor| self.with(address, &[(AT, &cursor.to_string())]);
        Pages {
            first: page.previous.as_ref().map(|_| self.with(address, &[])),
            previous: page.previous.as_ref().map(at),
            next: page.next.as_ref().map(at),
        }
    }
}

/// `50 of 1,204 users`.
pub fn summary(shown: usize, total: Total, one: &str, many: &str) -> String {
    let number = |n: i64| u64::try_from(n).unwrap_or(0);
    match total {
        Total::Exactly(all) if usize::try_from(all) == Ok(shown) => count(number(all), one, many),
        Total::Exactly(all) => format!("{shown} of {}", count(number(all), one, many)),
        Total::MoreThan(all) => format!("{shown} of more than {} {many}", digits(number(all))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_filter_starts_at_the_first_page_and_keeps_the_rest() {
        let query = Query::parse("q=a%26b&state=enabled&at=xyz");
        assert_eq!(query.get("q"), "a&b");
        assert_eq!(query.with("/users", &[("state", "")]), "/users?q=a%26b");
        assert_eq!(
            query.address("/users"),
            "/users?q=a%26b&state=enabled&at=xyz"
        );
        assert_eq!(query.text(), "q=a%26b&state=enabled&at=xyz");
        assert!(query.page().cursor.is_none());
    }

    #[test]
    fn a_list_says_how_much_of_it_is_shown() {
        let words = |shown, total| summary(shown, total, "user", "users");
        assert_eq!(words(1, Total::Exactly(1)), "1 user");
        assert_eq!(words(50, Total::Exactly(1204)), "50 of 1,204 users");
        assert_eq!(
            words(50, Total::MoreThan(10_000)),
            "50 of more than 10,000 users"
        );
    }
}
