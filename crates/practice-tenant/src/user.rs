//! One user and how answers show it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::{Millis, instant};
use crate::fields::{Field, Kind};
use crate::filter::Seen;
use crate::licenses::{License, assigned_licenses, assigned_plans, license_states};
use crate::tenant::{GroupNo, Seq, Tenant, UserNo};

/// An account, kept compact: only the properties that are set take room.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    texts: Vec<(Field, Box<str>)>,
    lists: Vec<(Field, Vec<Box<str>>)>,
    objects: BTreeMap<Field, Value>,
    pub(crate) enabled: bool,
    pub(crate) listed: Option<bool>,
    pub(crate) licenses: Vec<License>,
    pub(crate) groups: Vec<GroupNo>,
    pub(crate) manager: Option<UserNo>,
    pub(crate) created: Millis,
    pub(crate) password_changed: Millis,
    pub(crate) sessions_valid_from: Millis,
    pub(crate) deleted: Option<Millis>,
    pub(crate) purged: bool,
    /// Last synchronisation, for an account that comes from another directory.
    pub(crate) synced: Option<Millis>,
    pub(crate) mfa: MfaState,
    pub(crate) photo: Option<Box<[u8]>>,
    /// The change that made it appear: its creation, or its last restore.
    pub(crate) born: Seq,
    pub(crate) changed: Seq,
    pub(crate) touched: Vec<(Field, Seq)>,
    pub(crate) visible_from: Millis,
}

/// Per-user MFA, the beta `authentication/requirements`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum MfaState {
    Disabled,
    Enabled,
    Enforced,
}

impl MfaState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Enforced => "enforced",
        }
    }
}

impl User {
    pub(crate) fn new(id: Uuid, now: Millis) -> Self {
        Self {
            id,
            texts: Vec::new(),
            lists: Vec::new(),
            objects: BTreeMap::new(),
            enabled: true,
            listed: None,
            licenses: Vec::new(),
            groups: Vec::new(),
            manager: None,
            created: now,
            password_changed: now,
            sessions_valid_from: now,
            deleted: None,
            purged: false,
            synced: None,
            mfa: MfaState::Disabled,
            photo: None,
            born: 0,
            changed: 0,
            touched: Vec::new(),
            visible_from: 0,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.deleted.is_none()
    }

    pub(crate) fn upn(&self) -> &str {
        self.text(Field::UserPrincipalName).unwrap_or_default()
    }

    pub(crate) fn text(&self, field: Field) -> Option<&str> {
        let at = self
            .texts
            .binary_search_by_key(&field, |(known, _)| *known)
            .ok()?;
        Some(&self.texts[at].1)
    }

    /// Sets or clears a text and says whether that changed anything.
    pub(crate) fn set_text(&mut self, field: Field, value: Option<&str>) -> bool {
        let at = self.texts.binary_search_by_key(&field, |(known, _)| *known);
        match (at, value) {
            (Ok(at), Some(value)) if *self.texts[at].1 == *value => false,
            (Ok(at), Some(value)) => {
                self.texts[at].1 = value.into();
                true
            }
            (Ok(at), None) => {
                self.texts.remove(at);
                true
            }
            (Err(at), Some(value)) => {
                self.texts.insert(at, (field, value.into()));
                true
            }
            (Err(_), None) => false,
        }
    }

    pub(crate) fn list(&self, field: Field) -> &[Box<str>] {
        self.lists
            .iter()
            .find(|(known, _)| *known == field)
            .map_or(&[], |(_, values)| values)
    }

    pub(crate) fn set_list(&mut self, field: Field, values: Vec<Box<str>>) -> bool {
        if self.list(field) == values.as_slice() {
            return false;
        }
        self.lists.retain(|(known, _)| *known != field);
        if !values.is_empty() {
            self.lists.push((field, values));
        }
        true
    }

    pub(crate) fn object(&self, field: Field) -> Option<&Value> {
        self.objects.get(&field)
    }

    /// Merges a complex value property by property, as Graph does; null clears it.
    pub(crate) fn merge_object(
        &mut self,
        field: Field,
        value: Option<&serde_json::Map<String, Value>>,
    ) -> bool {
        let Some(value) = value else {
            return self.objects.remove(&field).is_some();
        };
        let held = self.objects.entry(field).or_insert_with(|| json!({}));
        let before = held.clone();
        for (name, part) in value {
            held[name] = part.clone();
        }
        *held != before
    }

    /// When a property last changed, for delta.
    pub(crate) fn touched_at(&self, field: Field) -> Option<Seq> {
        self.touched
            .iter()
            .find(|(known, _)| *known == field)
            .map(|(_, seq)| *seq)
    }

    /// The property as a filter or an order sees it.
    pub(crate) fn see<'a>(
        &'a self,
        tenant: &'a Tenant,
        field: Field,
        sub: Option<&str>,
    ) -> Seen<'a> {
        let texts = |all: &'a [Box<str>]| {
            Seen::Texts(all.iter().map(|one| Cow::Borrowed(&**one)).collect())
        };
        match field.spec().kind {
            Kind::Text(_) | Kind::Instant => self
                .text(field)
                .map_or(Seen::Null, |text| Seen::Text(text.into())),
            Kind::Texts(_) => texts(self.list(field)),
            Kind::Flag if field == Field::AccountEnabled => Seen::Flag(self.enabled),
            Kind::Flag => self.listed.map_or(Seen::Null, Seen::Flag),
            Kind::Object => {
                let part = sub.and_then(|sub| self.object(field)?.get(sub)?.as_str());
                part.map_or(Seen::Null, |text| Seen::Text(text.into()))
            }
            Kind::Computed => match field {
                Field::Id => Seen::Text(self.id.to_string().into()),
                Field::CreatedDateTime => Seen::Text(instant(self.created).into()),
                Field::DeletedDateTime => self
                    .deleted
                    .map_or(Seen::Null, |at| Seen::Text(instant(at).into())),
                Field::OnPremisesSyncEnabled => {
                    self.synced.map_or(Seen::Null, |_| Seen::Flag(true))
                }
                Field::AssignedLicenses => {
                    let ids = assigned_licenses(tenant, self)
                        .into_iter()
                        .map(|one| Cow::Owned(one.sku_id.to_string()));
                    Seen::Texts(ids.collect())
                }
                _ => Seen::Null,
            },
            Kind::Password | Kind::Null | Kind::EmptyList => Seen::Null,
        }
    }
}

/// A user as an answer shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserView<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) user: &'a User,
    pub(crate) fields: &'a [Field],
    pub(crate) context: Option<&'a str>,
    /// Members and managers carry `@odata.type`.
    pub(crate) typed: bool,
    /// `$expand=manager` with the manager's own properties.
    pub(crate) manager: Option<&'a [Field]>,
    pub(crate) now: Millis,
}

impl Serialize for UserView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(context) = self.context {
            map.serialize_entry("@odata.context", context)?;
        }
        if self.typed {
            map.serialize_entry("@odata.type", "#microsoft.graph.user")?;
        }
        for field in self.fields {
            serialize_field(&mut map, self.tenant, self.user, *field)?;
        }
        if let (Some(fields), Some(manager)) = (self.manager, self.user.manager)
            && self.tenant.is_visible(manager, self.now)
        {
            let user = self.tenant.seen(manager, self.now);
            map.serialize_entry(
                "manager",
                &UserView {
                    user,
                    fields,
                    context: None,
                    typed: true,
                    manager: None,
                    ..*self
                },
            )?;
        }
        map.end()
    }
}

pub(crate) fn serialize_field<M: SerializeMap>(
    map: &mut M,
    tenant: &Tenant,
    user: &User,
    field: Field,
) -> Result<(), M::Error> {
    let name = field.name();
    match field.spec().kind {
        Kind::Text(_) | Kind::Instant => map.serialize_entry(name, &user.text(field)),
        Kind::Texts(_) => map.serialize_entry(name, user.list(field)),
        Kind::Flag if field == Field::AccountEnabled => map.serialize_entry(name, &user.enabled),
        Kind::Flag => map.serialize_entry(name, &user.listed),
        Kind::Object => map.serialize_entry(name, &user.object(field)),
        Kind::Password | Kind::Null => map.serialize_entry(name, &()),
        Kind::EmptyList => map.serialize_entry::<_, [&str]>(name, &[]),
        Kind::Computed => match field {
            Field::Id => map.serialize_entry(name, &user.id),
            Field::CreatedDateTime => map.serialize_entry(name, &instant(user.created)),
            Field::DeletedDateTime => map.serialize_entry(name, &user.deleted.map(instant)),
            Field::LastPasswordChangeDateTime => {
                map.serialize_entry(name, &instant(user.password_changed))
            }
            Field::SignInSessionsValidFromDateTime => {
                map.serialize_entry(name, &instant(user.sessions_valid_from))
            }
            Field::OnPremisesSyncEnabled => map.serialize_entry(name, &user.synced.map(|_| true)),
            Field::OnPremisesLastSyncDateTime => {
                map.serialize_entry(name, &user.synced.map(instant))
            }
            Field::AssignedLicenses => map.serialize_entry(name, &assigned_licenses(tenant, user)),
            Field::LicenseAssignmentStates => {
                map.serialize_entry(name, &license_states(tenant, user))
            }
            Field::AssignedPlans => map.serialize_entry(name, &assigned_plans(tenant, user)),
            Field::ProvisionedPlans => map.serialize_entry::<_, [&str]>(name, &[]),
            Field::PerUserMfaState => map.serialize_entry(name, user.mfa.name()),
            Field::Identities => {
                let issuer = tenant
                    .domains
                    .iter()
                    .find(|domain| domain.initial)
                    .map(|domain| domain.name.as_str());
                let identity = json!([{"signInType": "userPrincipalName", "issuer": issuer, "issuerAssignedId": user.upn()}]);
                map.serialize_entry(name, &identity)
            }
            Field::SecurityIdentifier => {
                let bytes = user.id.as_u128();
                let part =
                    |shift: u32| u32::try_from((bytes >> shift) & 0xffff_ffff).unwrap_or_default();
                map.serialize_entry(
                    name,
                    &format!(
                        "S-1-12-1-{}-{}-{}-{}",
                        part(96),
                        part(64),
                        part(32),
                        part(0)
                    ),
                )
            }
            // Navigation is expanded, never selected.
            _ => Ok(()),
        },
    }
}
