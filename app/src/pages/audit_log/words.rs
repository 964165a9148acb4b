//! Events in words: what was done, to what, and which values changed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use signpost_model::audit::Subject;

use crate::components::Difference;
use crate::urls;

/// Kinds that the list can be narrowed to: the subject's word, and ours.
pub(super) const KINDS: [(&str, &str); 12] = [
    ("operator", "Operators"),
    ("user", "Users"),
    ("group", "Groups"),
    ("import", "Imports"),
    ("application", "Applications"),
    ("assignment", "Assignments"),
    ("account", "Accounts"),
    ("connection", "Connections"),
    ("run", "Runs"),
    ("organisation", "Organisation"),
    ("security", "Security"),
    ("mail", "Mail"),
];

/// `operator.second_factor_added` as "Operator: second factor added".
pub(super) fn action(key: &str) -> String {
    let words = key.replace('_', " ");
    let (kind, verb) = words.split_once('.').unwrap_or(("", words.as_str()));
    let mut letters = kind.chars();
    match letters.next() {
        Some(first) => format!("{}{}: {verb}", first.to_uppercase(), letters.as_str()),
        None => words,
    }
}

/// `user.second_factor_added` after its actor's name: "user second factor added:", and its subject follows.
pub(crate) fn happened(key: &str) -> String {
    format!("{}:", key.replace(['.', '_'], " "))
}

/// What an event is about, in words. Runs are named by their id and their scope: the id says nothing to people.
pub(crate) fn subject_name(subject: &Subject) -> String {
    match subject.name.strip_prefix(subject.id.as_str()) {
        Some(scope) if subject.kind == "run" && !subject.id.is_empty() => format!("Run{scope}"),
        _ => subject.name.clone(),
    }
}

/// The page of what an event is about, where there is one.
pub(crate) fn address_of(subject: &Subject) -> Option<String> {
    if subject.id.is_empty() {
        return None;
    }
    match subject.kind.as_str() {
        "user" => Some(urls::user(&subject.id)),
        "group" => Some(urls::group(&subject.id)),
        "application" => Some(urls::application(&subject.id)),
        "run" => Some(urls::run(&subject.id)),
        _ => None,
    }
}

/// Each value that differs, or that came or went with its object.
pub(super) fn changes(before: Option<&str>, after: Option<&str>) -> Vec<Difference> {
    let (before, after) = (object(before), object(after));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| {
            let text = |of: &Map<String, Value>| of.get(key).and_then(text);
            Difference::new(key.replace('_', " "), text(&before), text(&after))
        })
        .filter(|change| change.before.is_some() || change.after.is_some())
        .collect()
}

fn object(json: Option<&str>) -> Map<String, Value> {
    match json.and_then(|json| serde_json::from_str(json).ok()) {
        Some(Value::Object(map)) => map,
        Some(other) => Map::from_iter([("value".to_owned(), other)]),
        None => Map::new(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Bool(false) => Some("no".to_owned()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_read_as_sentences() {
        assert_eq!(
            action("operator.second_factor_added"),
            "Operator: second factor added"
        );
    }

    #[test]
    fn only_what_differs_is_shown() {
        let changes = changes(
            Some(r#"{"name":"Ada","role":"owner","email":null}"#),
            Some(r#"{"name":"Ada","role":"auditor","email":"a@b.example"}"#),
        );
        assert_eq!(
            changes,
            [
                Difference::new("email", None, Some("a@b.example".into())),
                Difference::new("role", Some("owner".into()), Some("auditor".into())),
            ]
        );
    }
}
