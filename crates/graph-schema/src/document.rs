//! The description itself: routes, operations, and compiled schemas.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// The one description everything is checked against.
pub(crate) static DOCUMENT: LazyLock<Document> = LazyLock::new(Document::load);

pub(crate) struct Document {
    components: Value,
    routes: Vec<Route>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// One path of the description.
pub(crate) struct Route {
    pub(crate) path: String,
    segments: Vec<String>,
    is_beta: bool,
    operations: BTreeMap<String, Value>,
}

/// The route and operation of a request.
pub(crate) enum Found<'a> {
    Operation(&'a Value),
    NoMethod(&'a str),
    Nothing,
}

impl Document {
    fn load() -> Self {
        let text = include_str!("../data/graph-openapi.json");
        #[expect(clippy::expect_used, reason = "the description is part of this crate")]
        let mut root: Value = serde_json::from_str(text).expect("the description is JSON");
        modernise(&mut root);
        let components = root["components"].take();
        let mut routes = Vec::new();
        if let Value::Object(paths) = root["paths"].take() {
            routes.extend(paths.into_iter().map(|(path, item)| Route::new(path, item)));
        }
        // Literal segments win over parameters where both would match.
        routes.sort_by_key(|route| {
            route
                .segments
                .iter()
                .filter(|segment| segment.starts_with('{'))
                .count()
        });
        Self {
            components,
            routes,
            validators: Mutex::default(),
        }
    }

    /// Finds the operation of a path below its version.
    pub(crate) fn find(&self, method: &str, path: &str, is_beta: bool) -> Found<'_> {
        let segments = segments(path);
        let mut found = Found::Nothing;
        for route in &self.routes {
            if !route.matches(&segments) || (is_beta != route.is_beta && route.path != "/$batch") {
                continue;
            }
            match route.operations.get(&method.to_ascii_lowercase()) {
                Some(operation) => return Found::Operation(operation),
                None => found = Found::NoMethod(&route.path),
            }
        }
        found
    }

    /// Follows a `$ref`.
    pub(crate) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let Some(name) = schema.get("$ref").and_then(Value::as_str) else {
            return schema;
        };
        let pointer = name.strip_prefix("#/components").unwrap_or(name);
        self.components.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The schema of a type by its OData name, `#microsoft.graph.user`.
    pub(crate) fn type_named(&self, name: &str) -> Option<Value> {
        let name = name.strip_prefix('#').unwrap_or(name);
        self.components["schemas"].get(name)?;
        Some(json!({"$ref": format!("#/components/schemas/{name}")}))
    }

    /// The compiled form of a schema; kept, since compiling follows every reference.
    pub(crate) fn validator(&self, schema: &Value) -> Arc<Validator> {
        let key = schema.to_string();
        let mut known = self
            .validators
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let compiled = known
            .entry(key)
            .or_insert_with(|| Arc::new(self.compile(schema)));
        Arc::clone(compiled)
    }

    fn compile(&self, schema: &Value) -> Validator {
        let mut root = match schema {
            Value::Object(map) => map.clone(),
            _ => Map::new(),
        };
        root.insert("components".to_owned(), self.components.clone());
        let root = Value::Object(root);
        #[expect(clippy::expect_used, reason = "the description is part of this crate")]
        jsonschema::options()
            .should_validate_formats(true)
            .build(&root)
            .expect("the description's schemas compile")
    }
}

impl Route {
    fn new(path: String, item: Value) -> Self {
        let is_beta = item["servers"][0]["url"]
            .as_str()
            .is_some_and(|url| url.ends_with("/beta"));
        let operations = match item {
            Value::Object(item) => item
                .into_iter()
                .filter(|(method, _)| {
                    ["get", "post", "put", "patch", "delete"].contains(&method.as_str())
                })
                .collect(),
            _ => BTreeMap::new(),
        };
        Self {
            segments: segments(&path),
            path,
            is_beta,
            operations,
        }
    }

    fn matches(&self, given: &[String]) -> bool {
        self.segments.len() == given.len()
            && self
                .segments
                .iter()
                .zip(given)
                .all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
    }
}

/// One spelling for every way to write a path: `delta()` and `microsoft.graph.delta` are `delta`,
/// `microsoft.graph.user` is `graph.user`, keys in parentheses are segments of their own.
fn segments(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    for raw in path.split('/').filter(|raw| !raw.is_empty()) {
        let part = percent_decode_str(raw).decode_utf8_lossy().into_owned();
        let part = match part.strip_prefix("microsoft.graph.") {
            Some(cast @ ("user" | "group")) => format!("graph.{cast}"),
            Some(function) => function.to_owned(),
            None => part,
        };
        match part
            .split_once('(')
            .map(|(name, rest)| (name.to_owned(), rest.trim_end_matches(')').to_owned()))
        {
            None => out.push(part),
            Some((name, key)) if key.is_empty() => out.push(name),
            Some((name, key)) => match key.split_once('=') {
                Some((alternate, value)) if !key.starts_with('\'') => {
                    out.push(format!("{name}({alternate})"));
                    out.push(value.trim_matches('\'').to_owned());
                }
                _ => {
                    out.push(name);
                    out.push(key.trim_matches('\'').to_owned());
                }
            },
        }
    }
    out
}

/// Marks schemas that take properties they do not name, as errors do.
pub(crate) const OPEN: &str = "x-open";

/// Turns OpenAPI 3.0 into JSON Schema: `nullable` becomes a type, and Microsoft's
/// `additionalProperties: {type: object}`, which stands for anything, becomes that.
fn modernise(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(modernise),
        Value::Object(map) => {
            map.values_mut().for_each(modernise);
            if map.get("additionalProperties") == Some(&json!({"type": "object"})) {
                map.insert("additionalProperties".to_owned(), Value::Bool(true));
                map.insert(OPEN.to_owned(), Value::Bool(true));
            }
            // Errors carry dates without a zone.
            if map.contains_key("request-id")
                && let Some(date) = map.get_mut("date").and_then(Value::as_object_mut)
            {
                date.remove("format");
            }
            if map.get("nullable") == Some(&Value::Bool(true)) {
                map.remove("nullable");
                allow_null(map);
            }
        }
        _ => {}
    }
}

fn allow_null(map: &mut Map<String, Value>) {
    match map.get_mut("type") {
        Some(kind) => {
            *kind = json!([kind.take(), "null"]);
            if let Some(Value::Array(choices)) = map.get_mut("enum") {
                choices.push(Value::Null);
            }
        }
        None => {
            let plain = Value::Object(std::mem::take(map));
            map.insert("anyOf".to_owned(), json!([plain, {"type": "null"}]));
        }
    }
}
