//! Writing users: which values Graph accepts (`graph.md` 4.3 to 4.7), and what they change.

use serde_json::{Map, Value};

use crate::answer::Refusal;
use crate::clock::{Millis, parse_instant};
use crate::fields::{Field, Kind, Write};
use crate::tenant::{Tenant, UserNo};
use crate::user::User;

/// Checked new values of one write.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    values: Vec<(Field, NewValue)>,
    password: Option<String>,
}

#[derive(Debug)]
enum NewValue {
    Text(Option<Box<str>>),
    Texts(Vec<Box<str>>),
    Flag(bool),
    Object(Option<Map<String, Value>>),
}

/// Who writes: an application through Graph, or somebody else through the control API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    Application,
    SomebodyElse,
}

impl Changes {
    /// Reads a request body, refusing what no user could have.
    pub(crate) fn parse(body: &Map<String, Value>, author: Author) -> Result<Self, Refusal> {
        let mut changes = Self::default();
        for (name, value) in body {
            if name.starts_with('@') {
                continue;
            }
            let field = Field::ALL
                .iter()
                .copied()
                .find(|field| field.name() == name);
            let Some(field) = field else {
                return Err(Refusal::bad_request(format!("Invalid property '{name}'.")));
            };
            match field.spec().write {
                Write::ReadOnly
                    if author == Author::SomebodyElse && field == Field::ProxyAddresses => {}
                Write::ReadOnly => {
                    return Err(Refusal::bad_request(format!(
                        "Property '{name}' is read-only and cannot be set."
                    )));
                }
                Write::DelegatedOnly => return Err(Refusal::denied()),
                Write::Free | Write::Sensitive => {}
            }
            if field == Field::PasswordProfile {
                changes.password = parse_password(value)?;
                continue;
            }
            let value = parse_value(field, value)?;
            changes.values.push((field, value));
        }
        Ok(changes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.password.is_none()
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = Field> {
        self.values
            .iter()
            .map(|(field, _)| *field)
            .chain(self.password.as_ref().map(|_| Field::PasswordProfile))
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The new text of a property: `None` when it is not written, `Some(None)` when it is cleared.
    pub(crate) fn text(&self, wanted: Field) -> Option<Option<&str>> {
        self.values.iter().find_map(|(field, value)| match value {
            NewValue::Text(text) if *field == wanted => Some(text.as_deref()),
            _ => None,
        })
    }

    pub(crate) fn writes(&self, wanted: Field) -> bool {
        self.values.iter().any(|(field, _)| *field == wanted)
    }

    /// Checks what depends on the rest of the directory. `no` is the user being changed, if it exists.
    pub(crate) fn check(&self, tenant: &Tenant, no: Option<UserNo>) -> Result<(), Refusal> {
        let before = no.map(|no| tenant.user(no));
        let is_other = |found: Option<&UserNo>| found.is_some_and(|found| Some(*found) != no);
        if let Some(Some(upn)) = self.text(Field::UserPrincipalName) {
            check_upn(upn)?;
            if tenant.domain_of(upn).is_none_or(|domain| !domain.verified) {
                return Err(Refusal::bad_request(
                    "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.",
                ));
            }
            if is_other(tenant.index.upns.get(upn.to_lowercase().as_str())) {
                return Err(Refusal::taken("userPrincipalName"));
            }
        }
        if let Some(Some(anchor)) = self.text(Field::ImmutableId)
            && is_other(tenant.index.anchors.get(anchor))
        {
            return Err(Refusal::taken("onPremisesImmutableId"));
        }
        if let Some(Some(mail)) = self.text(Field::Mail)
            && is_other(
                tenant
                    .index
                    .proxies
                    .get(format!("smtp:{}", mail.to_lowercase()).as_str()),
            )
        {
            return Err(Refusal::taken("proxyAddresses"));
        }
        self.check_federation(tenant, before)
    }

    fn check_federation(&self, tenant: &Tenant, before: Option<&User>) -> Result<(), Refusal> {
        let is_federated = |upn: &str| {
            tenant
                .domain_of(upn)
                .is_some_and(|domain| tenant.root_of(domain).federation.is_some())
        };
        let was_federated = before.is_some_and(|user| is_federated(user.upn()));
        let new_upn = self.text(Field::UserPrincipalName).flatten();
        let will_be = new_upn.map_or(was_federated, is_federated);
        let old_anchor = before.and_then(|user| user.text(Field::ImmutableId));
        let new_anchor = self.text(Field::ImmutableId);
        let changes_anchor = new_anchor.is_some_and(|anchor| anchor != old_anchor);
        if was_federated && changes_anchor {
            return Err(Refusal::bad_request(
                "Unable to update the specified properties: FederatedUser.SourceAnchor (onPremisesImmutableId) cannot be added or changed while the user's domain is federated.",
            ));
        }
        if will_be
            && new_anchor.unwrap_or(old_anchor).is_none()
            && (before.is_none() || new_upn.is_some())
        {
            return Err(Refusal::bad_request(
                "SourceAnchor is a required property for creation of a federated user.",
            ));
        }
        if was_federated && self.password.is_some() {
            return Err(Refusal::bad_request(
                "Unable to update the password: the user's domain is federated.",
            ));
        }
        Ok(())
    }

    /// Writes the values and returns the properties that changed.
    pub(crate) fn apply(self, user: &mut User, now: Millis) -> Vec<Field> {
        let mut changed = Vec::new();
        for (field, value) in self.values {
            let differs = match value {
                NewValue::Text(text) if field == Field::Mail => {
                    let differs = user.set_text(field, text.as_deref());
                    if differs && let Some(mail) = text.as_deref() {
                        set_primary_address(user, mail);
                        changed.push(Field::ProxyAddresses);
                    }
                    differs
                }
                NewValue::Text(text) => user.set_text(field, text.as_deref()),
                NewValue::Texts(texts) => user.set_list(field, texts),
                NewValue::Flag(flag) if field == Field::AccountEnabled => {
                    std::mem::replace(&mut user.enabled, flag) != flag
                }
                NewValue::Flag(flag) => user.listed.replace(flag) != Some(flag),
                NewValue::Object(value) => user.merge_object(field, value.as_ref()),
            };
            if differs {
                changed.push(field);
            }
        }
        if self.password.is_some() {
            user.password_changed = now;
            changed.push(Field::LastPasswordChangeDateTime);
        }
        changed
    }
}

/// The first address becomes primary, the old primary an alias.
fn set_primary_address(user: &mut User, mail: &str) {
    let mut all: Vec<Box<str>> = vec![format!("SMTP:{mail}").into()];
    for old in user.list(Field::ProxyAddresses) {
        let demoted = old
            .strip_prefix("SMTP:")
            .map_or_else(|| old.to_string(), |address| format!("smtp:{address}"));
        if !demoted.eq_ignore_ascii_case(&all[0]) {
            all.push(demoted.into());
        }
    }
    user.set_list(Field::ProxyAddresses, all);
}

fn parse_value(field: Field, value: &Value) -> Result<NewValue, Refusal> {
    let invalid = || Refusal::invalid_value(field.name());
    Ok(match (field.spec().kind, value) {
        (Kind::Text(max), Value::String(text)) => {
            check_text(field, text, max)?;
            NewValue::Text(Some(text.as_str().into()))
        }
        (Kind::Text(_), Value::Null) => {
            if matches!(
                field,
                Field::DisplayName
                    | Field::UserPrincipalName
                    | Field::MailNickname
                    | Field::UsageLocation
            ) {
                return Err(invalid());
            }
            NewValue::Text(None)
        }
        (Kind::Texts(max), Value::Array(items)) => NewValue::Texts(parse_texts(field, items, max)?),
        (Kind::Flag, Value::Bool(flag)) => NewValue::Flag(*flag),
        (Kind::Instant, Value::Null) => NewValue::Text(None),
        (Kind::Instant, Value::String(text)) => {
            parse_instant(text).ok_or_else(invalid)?;
            NewValue::Text(Some(text.as_str().into()))
        }
        (Kind::Object, Value::Null) => NewValue::Object(None),
        (Kind::Object, Value::Object(map)) => {
            let fits = |part: &Value| {
                part.is_null()
                    || part
                        .as_str()
                        .is_some_and(|text| text.chars().count() <= 1024)
            };
            if !map
                .iter()
                .all(|(name, part)| name.starts_with('@') || fits(part))
            {
                return Err(invalid());
            }
            NewValue::Object(Some(map.clone()))
        }
        _ => return Err(invalid()),
    })
}

fn parse_texts(field: Field, items: &[Value], max: usize) -> Result<Vec<Box<str>>, Refusal> {
    let limit = if field == Field::OtherMails { 250 } else { 256 };
    if items.len() > max {
        return Err(Refusal::invalid_value(field.name()));
    }
    let checked = items.iter().map(|item| {
        let text = item
            .as_str()
            .filter(|text| !text.is_empty() && text.chars().count() <= limit);
        let text = text.filter(|text| field != Field::OtherMails || is_address(text));
        text.map(Box::from)
            .ok_or_else(|| Refusal::invalid_value(field.name()))
    });
    checked.collect()
}

fn check_text(field: Field, text: &str, max: usize) -> Result<(), Refusal> {
    let fits =
        !text.is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control);
    let well_formed = match field {
        Field::UsageLocation => is_country(text),
        Field::Mail => is_address(text),
        Field::MailNickname => text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"@()/[]';:<>,\\\"".contains(&b)),
        Field::ImmutableId => !text.contains(['$', '_', ' ']),
        Field::UserType => text == "Member" || text == "Guest",
        Field::AgeGroup => ["Minor", "NotAdult", "Adult"].contains(&text),
        Field::ConsentProvidedForMinor => ["Granted", "Denied", "NotRequired"].contains(&text),
        Field::PreferredLanguage => is_language(text),
        Field::PasswordPolicies => text.split(',').all(|policy| {
            ["None", "DisablePasswordExpiration", "DisableStrongPassword"].contains(&policy.trim())
        }),
        _ => true,
    };
    if fits && well_formed {
        Ok(())
    } else {
        Err(Refusal::invalid_value(field.name()))
    }
}

/// Two capital letters that are not one of the codes no country has.
fn is_country(text: &str) -> bool {
    text.len() == 2
        && text.bytes().all(|b| b.is_ascii_uppercase())
        && !["XX", "ZZ", "QQ", "AA", "UK"].contains(&text)
}

fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    parts.next().is_some_and(|first| {
        (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic())
    }) && parts.all(is_part)
}

/// An address as directory objects take it: ASCII, one `@`, something on both sides.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_clean = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"@,;:<>()[]\\\"".contains(&b))
    };
    is_clean(local)
        && is_clean(domain)
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
}

/// The rules of `graph.md` 4.6.
pub(crate) fn check_upn(upn: &str) -> Result<(), Refusal> {
    let valid = upn.split_once('@').is_some_and(|(local, domain)| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"'.-_!#^~".contains(&b);
        (1..=64).contains(&local.len())
            && (1..=48).contains(&domain.len())
            && local.bytes().all(allowed)
            && !local.ends_with('.')
            && domain
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
    });
    if valid {
        Ok(())
    } else {
        Err(Refusal::invalid_value("userPrincipalName"))
    }
}

fn parse_password(value: &Value) -> Result<Option<String>, Refusal> {
    let profile = match value {
        Value::Null => return Ok(None),
        Value::Object(profile) => profile,
        _ => return Err(Refusal::invalid_value("passwordProfile")),
    };
    let known = [
        "password",
        "forceChangePasswordNextSignIn",
        "forceChangePasswordNextSignInWithMfa",
    ];
    if profile
        .keys()
        .any(|name| !name.starts_with('@') && !known.contains(&name.as_str()))
    {
        return Err(Refusal::invalid_value("passwordProfile"));
    }
    let Some(password) = profile.get("password").and_then(Value::as_str) else {
        return Ok(None);
    };
    let classes: [fn(char) -> bool; 4] = [
        |c| c.is_ascii_lowercase(),
        |c| c.is_ascii_uppercase(),
        |c| c.is_ascii_digit(),
        |c| c.is_ascii_punctuation() || c == ' ',
    ];
    let used = classes
        .iter()
        .filter(|class| password.chars().any(**class))
        .count();
    if !(8..=256).contains(&password.len()) || !password.is_ascii() || used < 3 {
        return Err(Refusal::bad_request(
            "The specified password does not comply with password complexity requirements. Please provide a different password.",
        ));
    }
    Ok(Some(password.to_owned()))
}
