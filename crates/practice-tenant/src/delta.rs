//! Delta of users and groups: tokens, pages, and what changed since (`graph.md` 4.10).

use std::ops::Bound;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::{Answer, Outcome, Refusal};
use crate::clock::Millis;
use crate::fields::{DEFAULT, Field, Kind};
use crate::request::Call;
use crate::select::{Page, parse_fields};
use crate::tenant::{Seq, Tenant, UserNo};
use crate::user::{User, serialize_field};

/// Tokens of directory objects live this long.
pub(crate) const TOKEN_LIFE_MS: Millis = 7 * 24 * 3600 * 1000;

/// What a delta or skip token says. Opaque to callers: base64 of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    /// `users` or `groups`.
    #[serde(rename = "k")]
    pub(crate) kind: String,
    #[serde(rename = "s")]
    pub(crate) select: Option<String>,
    #[serde(rename = "f", default)]
    pub(crate) ids: Vec<Uuid>,
    #[serde(rename = "t")]
    pub(crate) issued: Millis,
    #[serde(rename = "e")]
    pub(crate) epoch: u32,
    #[serde(rename = "a")]
    pub(crate) at: Place,
}

/// Where the reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    /// The first reading of everything: next object, members of it already told, the change to go on from afterwards.
    #[serde(rename = "i")]
    Initial { next: u32, told: u32, then: Seq },
    /// Changes after `since`, up to `until` in this round; `told` members of the object after `since` were already told.
    #[serde(rename = "c")]
    Changes {
        since: Seq,
        until: Seq,
        told: u32,
        repeat: bool,
    },
}

impl Token {
    /// Reads the token of a request, or begins a first reading.
    pub(crate) fn of(tenant: &mut Tenant, call: &Call<'_>, kind: &str) -> Result<Self, Refusal> {
        for refused in ["$expand", "$orderby"] {
            if call.query.get(refused).is_some() {
                return Err(Refusal::unsupported_query(format!(
                    "{refused} is not supported by delta queries."
                )));
            }
        }
        let horizon = tenant.horizon(call.now);
        // An empty token is what the Location of a 410 holds: begin again.
        let Some(text) = call
            .query
            .get("$deltatoken")
            .or_else(|| call.query.get("$skiptoken"))
            .filter(|text| !text.is_empty())
        else {
            return Self::begin(
                tenant,
                call,
                kind,
                Place::Initial {
                    next: 0,
                    told: 0,
                    then: horizon,
                },
            );
        };
        if text.eq_ignore_ascii_case("latest") {
            return Self::begin(
                tenant,
                call,
                kind,
                Place::Changes {
                    since: horizon,
                    until: horizon,
                    told: 0,
                    repeat: false,
                },
            );
        }
        let token: Option<Self> = URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(mut token) = token.filter(|token| token.kind == kind) else {
            return Err(Refusal::bad_request("Badly formed token."));
        };
        let is_ahead =
            matches!(token.at, Place::Changes { since, until, .. } if since > until.min(horizon));
        if token.epoch != tenant.delta.epoch || is_ahead || token.issued + TOKEN_LIFE_MS < call.now
        {
            let restart = format!("{}?$deltatoken=", call.url());
            return Err(Refusal::new(
                410,
                "syncStateNotFound",
                "The sync state generation is not found; a full synchronization is required.",
            )
            .header("Location", restart));
        }
        if let Place::Changes { until, .. } = &mut token.at
            && call.query.get("$deltatoken").is_some()
        {
            *until = horizon;
        }
        Ok(token)
    }

    fn begin(tenant: &Tenant, call: &Call<'_>, kind: &str, at: Place) -> Result<Self, Refusal> {
        let ids = call
            .query
            .get("$filter")
            .map_or_else(|| Ok(Vec::new()), filtered_ids)?;
        let select = call.query.get("$select").map(str::to_owned);
        Ok(Self {
            kind: kind.to_owned(),
            select,
            ids,
            issued: call.now,
            epoch: tenant.delta.epoch,
            at,
        })
    }

    /// The same reading from another place on.
    pub(crate) fn link(&self, call: &Call<'_>, at: Place, last: bool) -> (&'static str, String) {
        let token = Self {
            at,
            issued: call.now,
            ..self.clone()
        };
        let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default());
        let (name, option) = if last {
            ("@odata.deltaLink", "$deltatoken")
        } else {
            ("@odata.nextLink", "$skiptoken")
        };
        (
            name,
            format!(
                "{}/{}/{}/delta?{option}={text}",
                call.base,
                call.version.name(),
                self.kind
            ),
        )
    }

    pub(crate) fn wants(&self, id: Uuid) -> bool {
        self.ids.is_empty() || self.ids.contains(&id)
    }
}

/// `id eq 'a' or id eq 'b'`: the only filter delta knows, up to 50 ids.
fn filtered_ids(text: &str) -> Result<Vec<Uuid>, Refusal> {
    let refuse = || {
        Refusal::unsupported_query(
            "The only supported $filter of delta queries is id eq '…' or id eq '…', up to 50 ids.",
        )
    };
    let ids = text.split(" or ").map(|part| {
        let id = part.trim().strip_prefix("id eq ").ok_or_else(refuse)?;
        Uuid::parse_str(id.trim().trim_matches('\'')).map_err(|_| refuse())
    });
    let ids: Vec<Uuid> = ids.collect::<Result<_, _>>()?;
    if ids.len() > 50 {
        Err(refuse())
    } else {
        Ok(ids)
    }
}

/// `GET /users/delta`.
pub(crate) fn users(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let token = Token::of(tenant, call, "users")?;
    let fields = token
        .select
        .as_deref()
        .map_or_else(|| Ok(DEFAULT.to_vec()), parse_fields)?;
    let size = tenant.delta.page_size.max(1);
    let tenant = &*tenant;
    let (mut entries, at, last) = match token.at {
        Place::Initial { next, then, .. } => initial_page(tenant, call, &token, (next, then), size),
        Place::Changes {
            since,
            until,
            repeat,
            ..
        } => changes_page(tenant, call, &token, &fields, (since, until, repeat), size),
    };
    if tenant.delta.reverse {
        entries.reverse();
    }
    let views: Vec<Entry<'_>> = entries
        .iter()
        .map(|(no, since)| Entry {
            tenant,
            no: *no,
            user: tenant.seen(*no, call.now),
            fields: &fields,
            minimal: since.filter(|_| call.wishes.minimal),
            now: call.now,
        })
        .collect();
    let context = call.context("users");
    Ok(Answer::ok(&Page {
        context,
        count: None,
        link: Some(token.link(call, at, last)),
        value: &views,
    }))
}

type Entries = Vec<(UserNo, Option<Seq>)>;

fn initial_page(
    tenant: &Tenant,
    call: &Call<'_>,
    token: &Token,
    (next, then): (u32, Seq),
    size: usize,
) -> (Entries, Place, bool) {
    let end = UserNo::try_from(tenant.users.len()).unwrap_or(UserNo::MAX);
    let is_wanted =
        |no: &UserNo| tenant.is_visible(*no, call.now) && token.wants(tenant.user(*no).id);
    let mut found: Vec<UserNo> = (next..end).filter(is_wanted).take(size + 1).collect();
    let rest = (found.len() > size).then(|| found[size]);
    found.truncate(size);
    let entries = found.into_iter().map(|no| (no, None)).collect();
    match rest {
        Some(next) => (
            entries,
            Place::Initial {
                next,
                told: 0,
                then,
            },
            false,
        ),
        None => (
            entries,
            Place::Changes {
                since: then,
                until: then,
                told: 0,
                repeat: false,
            },
            true,
        ),
    }
}

fn changes_page(
    tenant: &Tenant,
    call: &Call<'_>,
    token: &Token,
    fields: &[Field],
    (since, until, repeat): (Seq, Seq, bool),
    size: usize,
) -> (Entries, Place, bool) {
    let rules = &tenant.delta;
    let is_first = call.query.get("$deltatoken").is_some();
    if rules.empty_page && is_first && since < until {
        return (
            Vec::new(),
            Place::Changes {
                since,
                until,
                told: 0,
                repeat,
            },
            false,
        );
    }
    let mut entries = Vec::new();
    let mut at = since;
    let mut complete = true;
    for (seq, no) in tenant
        .index
        .user_log
        .range((Bound::Excluded(since), Bound::Included(until)))
    {
        if entries.len() >= size {
            complete = false;
            break;
        }
        at = *seq;
        if token.wants(tenant.user(*no).id) && concerns(tenant.user(*no), fields, since) {
            entries.push((*no, Some(since)));
        }
    }
    if rules.repeat && !repeat && !entries.is_empty() {
        // The same entries once more on the next page, as Graph sometimes does.
        return (
            entries,
            Place::Changes {
                since,
                until,
                told: 0,
                repeat: true,
            },
            false,
        );
    }
    let since = if complete { until } else { at };
    (
        entries,
        Place::Changes {
            since,
            until,
            told: 0,
            repeat: false,
        },
        complete,
    )
}

/// Whether a change after `since` touched a selected property, or the user came or went.
fn concerns(user: &User, fields: &[Field], since: Seq) -> bool {
    let touched = |field: Field| user.touched_at(field).is_some_and(|at| at > since);
    !user.is_live() || user.born > since || fields.iter().any(|field| touched(*field))
}

/// A user in a delta answer: removed, whole, or only what changed.
struct Entry<'a> {
    tenant: &'a Tenant,
    no: UserNo,
    user: &'a User,
    fields: &'a [Field],
    /// Set for `Prefer: return=minimal`: only properties changed after this.
    minimal: Option<Seq>,
    now: Millis,
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let current = self.tenant.user(self.no);
        if !current.is_live() || !self.tenant.is_visible(self.no, self.now) {
            let reason = if current.purged { "deleted" } else { "changed" };
            map.serialize_entry("id", &current.id)?;
            map.serialize_entry("@removed", &json!({ "reason": reason }))?;
            return map.end();
        }
        for field in self
            .fields
            .iter()
            .copied()
            .filter(|field| self.shows(*field))
        {
            if field == Field::Manager {
                self.serialize_manager(&mut map)?;
            } else {
                serialize_field(&mut map, self.tenant, self.user, field)?;
            }
        }
        map.end()
    }
}

impl Entry<'_> {
    fn shows(&self, field: Field) -> bool {
        if field == Field::Id {
            return true;
        }
        let touched = self.user.touched_at(field);
        if let Some(since) = self.minimal
            && self.user.born <= since
        {
            return touched.is_some_and(|at| at > since);
        }
        // Without the wish, every selected property that was ever set.
        touched.is_some() || self.is_set(field)
    }

    fn is_set(&self, field: Field) -> bool {
        match field.spec().kind {
            Kind::Text(_) | Kind::Instant => self.user.text(field).is_some(),
            Kind::Texts(_) => !self.user.list(field).is_empty(),
            Kind::Object => self.user.object(field).is_some(),
            Kind::Flag => field == Field::AccountEnabled || self.user.listed.is_some(),
            Kind::Computed => match field {
                Field::AssignedLicenses | Field::LicenseAssignmentStates | Field::AssignedPlans => {
                    !self.user.licenses.is_empty()
                }
                Field::Manager => self.user.manager.is_some(),
                Field::DeletedDateTime => false,
                Field::OnPremisesSyncEnabled | Field::OnPremisesLastSyncDateTime => {
                    self.user.synced.is_some()
                }
                _ => true,
            },
            Kind::Password | Kind::Null | Kind::EmptyList => false,
        }
    }

    fn serialize_manager<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let manager = self
            .user
            .manager
            .filter(|manager| self.tenant.is_visible(*manager, self.now));
        let links: Vec<Value> = manager
            .map(
                |no| json!({"@odata.type": "#microsoft.graph.user", "id": self.tenant.user(no).id}),
            )
            .into_iter()
            .collect();
        map.serialize_entry("manager@delta", &links)
    }
}
