//! `$select`, `$expand`, `$top` and the opaque links of a paged list.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq};

use crate::answer::Refusal;
use crate::fields::{DEFAULT, Field};
use crate::request::Call;

/// The properties an answer holds, and how they were asked for.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) fields: Vec<Field>,
    explicit: bool,
}

impl Selection {
    /// Reads `$select` of one user; the id always comes along.
    pub(crate) fn of_user(call: &Call<'_>) -> Result<Self, Refusal> {
        let Some(text) = call.query.get("$select") else {
            return Ok(Self {
                fields: DEFAULT.to_vec(),
                explicit: false,
            });
        };
        let fields = parse_fields(text)?;
        if fields.contains(&Field::PerUserMfaState)
            && !call
                .access
                .has_any(&["Policy.Read.All", "Policy.ReadWrite.AuthenticationMethod"])
        {
            return Err(Refusal::denied());
        }
        if fields.contains(&Field::SignInActivity) && !call.access.has("AuditLog.Read.All") {
            return Err(Refusal::denied());
        }
        Ok(Self {
            fields,
            explicit: true,
        })
    }

    /// Reads `$select` of a user list: properties kept outside the directory are refused.
    pub(crate) fn of_users(call: &Call<'_>) -> Result<Self, Refusal> {
        let selection = Self::of_user(call)?;
        if selection.explicit
            && selection
                .fields
                .iter()
                .any(|field| field.is_single_user_only())
        {
            return Err(Refusal::new(
                501,
                "NotImplemented",
                "This operation target is not yet supported.",
            ));
        }
        Ok(selection)
    }

    pub(crate) fn context(&self, call: &Call<'_>, set: &str, suffix: &str) -> String {
        if !self.explicit {
            return call.context(&format!("{set}{suffix}"));
        }
        let names: Vec<&str> = self.fields.iter().map(|field| field.name()).collect();
        call.context(&format!("{set}({}){suffix}", names.join(",")))
    }
}

pub(crate) fn parse_fields(text: &str) -> Result<Vec<Field>, Refusal> {
    let mut fields = Vec::new();
    for name in text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        let field = Field::parse(name).ok_or_else(|| {
            Refusal::bad_request(format!(
                "Could not find a property named '{name}' on type 'microsoft.graph.user'."
            ))
        })?;
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    if !fields.contains(&Field::Id) {
        fields.push(Field::Id);
    }
    Ok(fields)
}

/// `$expand=manager` or `$expand=manager($select=…)`; nothing else can be expanded on users here.
pub(crate) fn expanded_manager(call: &Call<'_>) -> Result<Option<Vec<Field>>, Refusal> {
    let Some(expand) = call.query.get("$expand") else {
        return Ok(None);
    };
    let options = match expand.strip_prefix("manager") {
        Some("") => return Ok(Some(DEFAULT.to_vec())),
        Some(rest) => rest
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')')),
        None => None,
    };
    let Some(options) = options else {
        return Err(Refusal::bad_request(format!(
            "Parsing OData Select and Expand failed: '{expand}' cannot be expanded."
        )));
    };
    let select = options
        .split(';')
        .find_map(|option| option.trim().strip_prefix("$select="));
    select
        .map_or_else(|| Ok(DEFAULT.to_vec()), parse_fields)
        .map(Some)
}

/// Names of a plain `$select`, for objects that are not users.
pub(crate) fn selected_names<'a>(call: &'a Call<'_>) -> Option<Vec<&'a str>> {
    let text = call.query.get("$select")?;
    Some(
        text.split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect(),
    )
}

/// `$top` with the service's default and bound.
pub(crate) fn page_size(call: &Call<'_>) -> Result<usize, Refusal> {
    let Some(top) = call.query.get("$top") else {
        return Ok(100);
    };
    match top.parse::<usize>() {
        Ok(size @ 1..=999) => Ok(size),
        _ => Err(Refusal::bad_request(
            "Invalid page size specified: '".to_owned()
                + top
                + "'. Must be between 1 and 999 inclusive.",
        )),
    }
}

/// The cursor inside `$skiptoken`.
pub(crate) fn cursor(call: &Call<'_>) -> Result<Option<String>, Refusal> {
    let Some(token) = call.query.get("$skiptoken") else {
        return Ok(None);
    };
    let text = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.and_then(|text| text.strip_prefix("p1:").map(str::to_owned));
    text.map(Some)
        .ok_or_else(|| Refusal::bad_request("The specified value for $skiptoken is not valid."))
}

/// This request again, from the given place on.
pub(crate) fn next_link(call: &Call<'_>, cursor: &str) -> String {
    let token = URL_SAFE_NO_PAD.encode(format!("p1:{cursor}"));
    format!("{}?{}", call.url(), call.query.with("$skiptoken", &token))
}

/// One page of a collection.
#[derive(Debug)]
pub(crate) struct Page<'a, T> {
    pub(crate) context: String,
    pub(crate) count: Option<usize>,
    pub(crate) link: Option<(&'static str, String)>,
    pub(crate) value: &'a [T],
}

impl<T: Serialize> Serialize for Page<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("@odata.context", &self.context)?;
        if let Some(count) = self.count {
            map.serialize_entry("@odata.count", &count)?;
        }
        if let Some((name, link)) = &self.link {
            map.serialize_entry(name, link)?;
        }
        map.serialize_entry("value", &Items(self.value))?;
        map.end()
    }
}

struct Items<'a, T>(&'a [T]);

impl<T: Serialize> Serialize for Items<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            seq.serialize_element(item)?;
        }
        seq.end()
    }
}
