//! Property names: what JSON Schema lets pass because Graph's types are open.

use serde_json::Value;

use crate::document::{DOCUMENT, OPEN};

/// Collects properties a schema does not have, and checks objects by their `@odata.type`.
pub(crate) fn problems(schema: &Value, value: &Value, place: &str, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            let Some(item) = items_of(schema) else { return };
            for (at, one) in items.iter().enumerate() {
                problems(&item, one, &format!("{place}/{at}"), out);
            }
        }
        Value::Object(map) => {
            let typed = map
                .get("@odata.type")
                .and_then(Value::as_str)
                .and_then(|name| DOCUMENT.type_named(name));
            if let Some(typed) = &typed {
                for error in DOCUMENT.validator(typed).iter_errors(value) {
                    out.push(format!("{place}{}: {error}", error.instance_path));
                }
            }
            let is_base = schema
                .get("$ref")
                .and_then(Value::as_str)
                .is_some_and(|name| BASES.iter().any(|base| name.ends_with(base)));
            if is_base && typed.is_none() {
                return;
            }
            let schema = typed.as_ref().unwrap_or(schema);
            if !is_described(schema) {
                return;
            }
            for (name, part) in map.iter().filter(|(name, _)| !name.contains('@')) {
                match property(schema, name) {
                    Some(inner) => problems(&inner, part, &format!("{place}/{name}"), out),
                    None if is_open(schema) => {}
                    None => out.push(format!("{place}: there is no property '{name}'")),
                }
            }
        }
        _ => {}
    }
}

/// Types that stand for any of their descendants.
const BASES: &[&str] = &["microsoft.graph.directoryObject", "microsoft.graph.entity"];

/// The schema of a property, looked up through references and combinations.
pub(crate) fn property(schema: &Value, name: &str) -> Option<Value> {
    let schema = DOCUMENT.resolve(schema);
    if let Some(found) = schema.get("properties").and_then(|all| all.get(name)) {
        return Some(found.clone());
    }
    combined(schema).find_map(|part| property(part, name))
}

/// The schema of a collection's items.
pub(crate) fn items_of(schema: &Value) -> Option<Value> {
    let schema = DOCUMENT.resolve(schema);
    if let Some(items) = schema.get("items") {
        return Some(items.clone());
    }
    combined(schema).find_map(items_of)
}

fn combined(schema: &Value) -> impl Iterator<Item = &Value> {
    let parts = |name: &str| {
        schema
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    parts("allOf").chain(parts("anyOf"))
}

/// Whether the schema names properties at all, and not only annotations.
fn is_described(schema: &Value) -> bool {
    let schema = DOCUMENT.resolve(schema);
    let own = schema.get("properties").and_then(Value::as_object);
    own.is_some_and(|all| all.keys().any(|name| !name.contains('@')))
        || combined(schema).any(is_described)
}

fn is_open(schema: &Value) -> bool {
    let schema = DOCUMENT.resolve(schema);
    schema.get(OPEN).is_some() || combined(schema).any(is_open)
}
