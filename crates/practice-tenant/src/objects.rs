//! Answers made of plain JSON: collections that fit on one page, and single objects.

use serde_json::{Map, Value, json};

use crate::answer::{Answer, Outcome, Refusal};
use crate::filter::{self, Seen};
use crate::request::Call;
use crate::select::{cursor, next_link, page_size, selected_names};

/// Keeps only what `$select` names, and the id.
pub(crate) fn select(value: Value, call: &Call<'_>) -> Value {
    let Some(names) = selected_names(call) else {
        return value;
    };
    match value {
        Value::Object(all) => {
            let is_wanted = |name: &str| {
                name == "id"
                    || name.starts_with('@')
                    || names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
            };
            Value::Object(
                all.into_iter()
                    .filter(|(name, _)| is_wanted(name))
                    .collect(),
            )
        }
        other => other,
    }
}

/// A whole collection as one page.
pub(crate) fn list(call: &Call<'_>, set: &str, value: Vec<Value>) -> Answer {
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(call.context(set)));
    if call.is_advanced() {
        body.insert("@odata.count".to_owned(), json!(value.len()));
    }
    body.insert("value".to_owned(), Value::Array(value));
    Answer::ok(&Value::Object(body))
}

/// A collection with `$filter`, `$select`, `$top` and next links.
pub(crate) fn page(call: &Call<'_>, set: &str, all: Vec<Value>) -> Outcome {
    let all = match call.query.get("$filter") {
        None => all,
        Some(text) => {
            let parsed = filter::parse(text, |name| Some((name.to_owned(), false)))?;
            all.into_iter()
                .filter(|value| {
                    parsed
                        .filter
                        .matches(&|name: &String, sub| see(value, name, sub))
                })
                .collect()
        }
    };
    let from: usize = cursor(call)?
        .map_or(Ok(0), |at| at.parse())
        .map_err(|_| Refusal::bad_request("The specified value for $skiptoken is not valid."))?;
    let size = page_size(call)?;
    let count = all.len();
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(call.context(set)));
    if call.is_advanced() && from == 0 {
        body.insert("@odata.count".to_owned(), json!(count));
    }
    if count > from + size {
        body.insert(
            "@odata.nextLink".to_owned(),
            json!(next_link(call, &(from + size).to_string())),
        );
    }
    let value = all
        .into_iter()
        .skip(from)
        .take(size)
        .map(|value| select(value, call))
        .collect();
    body.insert("value".to_owned(), Value::Array(value));
    Ok(Answer::ok(&Value::Object(body)))
}

fn see<'a>(value: &'a Value, name: &str, sub: Option<&str>) -> Seen<'a> {
    let part = match sub {
        Some(sub) if value[name].is_object() => &value[name][sub],
        _ => &value[name],
    };
    match part {
        Value::Bool(flag) => Seen::Flag(*flag),
        Value::String(text) => Seen::Text(text.into()),
        Value::Number(number) => Seen::Text(number.to_string().into()),
        Value::Array(all) => {
            let text = |one: &'a Value| {
                sub.map_or(Some(one), |sub| one.get(sub))
                    .and_then(Value::as_str)
                    .map(Into::into)
            };
            Seen::Texts(all.iter().filter_map(text).collect())
        }
        _ => Seen::Null,
    }
}

/// A single object.
pub(crate) fn one(call: &Call<'_>, context: &str, value: Value) -> Answer {
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(call.context(context)));
    if let Value::Object(all) = select(value, call) {
        body.extend(all);
    }
    Answer::ok(&Value::Object(body))
}
