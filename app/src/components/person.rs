//! A user or account in a row: initials, name, address.

use leptos::prelude::*;

/// Initials, name, and a line below. The name is the link.
#[component]
pub fn Person(
    #[prop(into)] name: String,
    #[prop(into)] detail: String,
    #[prop(optional, into)] href: Option<String>,
) -> impl IntoView {
    let letters = initials(&name);
    person(letters, name, detail, href)
}

/// The same of words that are made already.
pub fn person(
    letters: String,
    name: String,
    detail: String,
    href: Option<String>,
) -> impl IntoView {
    let name = match href {
        Some(href) => view! { <a class="person__name" href=href>{name}</a> }.into_any(),
        None => view! { <span class="person__name">{name}</span> }.into_any(),
    };
    view! {
        <div class="person">
            <span class="avatar" aria-hidden="true">{letters}</span>
            <span class="person__text">
                {name}
                <span class="person__detail">{detail}</span>
            </span>
        </div>
    }
}

/// The first letters of the first and the last word.
pub fn initials(name: &str) -> String {
    let mut words = name
        .split_whitespace()
        .filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = words.next();
    let last = words.next_back();
    first
        .into_iter()
        .chain(last)
        .flat_map(char::to_uppercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_the_outer_words() {
        assert_eq!(initials("Jonas Weber-Klein"), "JW");
        assert_eq!(initials("ana maria da silva"), "AS");
        assert_eq!(initials("Cher"), "C");
        assert_eq!(initials("  (!) "), "");
    }
}
