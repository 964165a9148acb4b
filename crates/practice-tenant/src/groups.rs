//! Groups: create, read, update, delete, list.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::answer::{Answer, Effect, Outcome, Refusal};
use crate::clock::{Millis, instant};
use crate::filter::{self, Seen};
use crate::members;
use crate::request::Call;
use crate::select::{Page, cursor, next_link, page_size, selected_names};
use crate::skus::SkuNo;
use crate::tenant::{GroupNo, Seq, Tenant, UserNo};

/// A member of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Member {
    User(UserNo),
    Group(GroupNo),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: Uuid,
    pub(crate) display_name: String,
    pub(crate) description: Option<String>,
    pub(crate) mail: Option<String>,
    pub(crate) mail_nickname: String,
    pub(crate) mail_enabled: bool,
    pub(crate) security_enabled: bool,
    pub(crate) types: Vec<String>,
    pub(crate) membership_rule: Option<String>,
    pub(crate) visibility: Option<String>,
    pub(crate) role_assignable: bool,
    pub(crate) synced: bool,
    pub(crate) created: Millis,
    pub(crate) deleted: Option<Millis>,
    pub(crate) purged: bool,
    pub(crate) members: BTreeSet<Member>,
    /// Groups this group is a member of.
    pub(crate) groups: Vec<GroupNo>,
    pub(crate) licenses: Vec<(SkuNo, Vec<Uuid>)>,
    pub(crate) processing: Option<String>,
    pub(crate) changed: Seq,
    pub(crate) visible_from: Millis,
    /// The last change of each member's membership, for delta.
    pub(crate) member_log: BTreeMap<Seq, (Member, Presence)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Presence {
    Entered,
    Left,
}

impl Group {
    pub(crate) fn new(id: Uuid, display_name: &str, now: Millis) -> Self {
        Self {
            id,
            display_name: display_name.to_owned(),
            description: None,
            mail: None,
            mail_nickname: display_name
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect(),
            mail_enabled: false,
            security_enabled: true,
            types: Vec::new(),
            membership_rule: None,
            visibility: None,
            role_assignable: false,
            synced: false,
            created: now,
            deleted: None,
            purged: false,
            members: BTreeSet::new(),
            groups: Vec::new(),
            licenses: Vec::new(),
            processing: None,
            changed: 0,
            visible_from: 0,
            member_log: BTreeMap::new(),
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.deleted.is_none()
    }

    pub(crate) fn is_dynamic(&self) -> bool {
        self.types.iter().any(|kind| kind == "DynamicMembership")
    }

    fn is_unified(&self) -> bool {
        self.types.iter().any(|kind| kind == "Unified")
    }

    pub(crate) fn user_members(&self) -> impl Iterator<Item = UserNo> {
        self.members.iter().filter_map(|member| match member {
            Member::User(no) => Some(*no),
            Member::Group(_) => None,
        })
    }

    fn value(&self, tenant: &Tenant, name: &str) -> Option<Value> {
        let licenses = || {
            self.licenses.iter().map(|(sku, disabled)| json!({"skuId": tenant.skus[*sku as usize].id, "disabledPlans": disabled}))
        };
        Some(match name {
            "id" => json!(self.id),
            "deletedDateTime" => json!(self.deleted.map(instant)),
            "classification"
            | "expirationDateTime"
            | "membershipRuleProcessingState"
            | "onPremisesDomainName"
            | "onPremisesLastSyncDateTime"
            | "onPremisesNetBiosName"
            | "onPremisesSamAccountName"
            | "onPremisesSecurityIdentifier"
            | "preferredDataLocation"
            | "preferredLanguage"
            | "theme"
            | "uniqueName"
            | "isManagementRestricted" => Value::Null,
            "createdDateTime" | "renewedDateTime" => json!(instant(self.created)),
            "description" => json!(self.description),
            "displayName" => json!(self.display_name),
            "groupTypes" => json!(self.types),
            "isAssignableToRole" => json!(self.role_assignable.then_some(true)),
            "mail" => json!(self.mail),
            "mailEnabled" => json!(self.mail_enabled),
            "mailNickname" => json!(self.mail_nickname),
            "membershipRule" => json!(self.membership_rule),
            "onPremisesSyncEnabled" => json!(self.synced.then_some(true)),
            "proxyAddresses" => json!(
                self.mail
                    .iter()
                    .map(|mail| format!("SMTP:{mail}"))
                    .collect::<Vec<_>>()
            ),
            "creationOptions"
            | "resourceBehaviorOptions"
            | "resourceProvisioningOptions"
            | "onPremisesProvisioningErrors"
            | "serviceProvisioningErrors"
            | "assignedLabels"
            | "infoCatalogs" => json!([]),
            "securityEnabled" => json!(self.security_enabled),
            "visibility" => json!(self.visibility),
            "assignedLicenses" => licenses().collect(),
            "licenseProcessingState" => self
                .processing
                .as_ref()
                .map_or(Value::Null, |state| json!({ "state": state })),
            _ => return None,
        })
    }
}

const DEFAULT: &[&str] = &[
    "id",
    "deletedDateTime",
    "classification",
    "createdDateTime",
    "description",
    "displayName",
    "expirationDateTime",
    "groupTypes",
    "isAssignableToRole",
    "mail",
    "mailEnabled",
    "mailNickname",
    "membershipRule",
    "membershipRuleProcessingState",
    "onPremisesLastSyncDateTime",
    "onPremisesSecurityIdentifier",
    "onPremisesSyncEnabled",
    "preferredDataLocation",
    "preferredLanguage",
    "proxyAddresses",
    "renewedDateTime",
    "securityEnabled",
    "theme",
    "visibility",
    "onPremisesProvisioningErrors",
    "serviceProvisioningErrors",
];

/// A group as an answer shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupView<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) group: &'a Group,
    /// Selected properties; the default set without.
    pub(crate) names: Option<&'a [&'a str]>,
    pub(crate) context: Option<&'a str>,
    pub(crate) typed: bool,
}

impl Serialize for GroupView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(context) = self.context {
            map.serialize_entry("@odata.context", context)?;
        }
        if self.typed {
            map.serialize_entry("@odata.type", "#microsoft.graph.group")?;
        }
        serialize_names(
            &mut map,
            self.tenant,
            self.group,
            self.names.unwrap_or(DEFAULT),
        )?;
        map.end()
    }
}

/// Writes the named properties, and the id in any case.
pub(crate) fn serialize_names<M: SerializeMap>(
    map: &mut M,
    tenant: &Tenant,
    group: &Group,
    names: &[&str],
) -> Result<(), M::Error> {
    if !names.contains(&"id") {
        map.serialize_entry("id", &group.id)?;
    }
    for name in names {
        if let Some(value) = group.value(tenant, name) {
            map.serialize_entry(name, &value)?;
        }
    }
    Ok(())
}

/// `$select` of groups, refusing names groups do not have; `members` is left to delta and `$expand`.
pub(crate) fn selection<'a>(
    tenant: &Tenant,
    call: &'a Call<'_>,
) -> Result<Option<Vec<&'a str>>, Refusal> {
    let Some(names) = selected_names(call) else {
        return Ok(None);
    };
    let sample = Group::new(Uuid::nil(), "", 0);
    let unknown = names.iter().find(|name| {
        sample.value(tenant, name).is_none()
            && !["members", "hasMembersWithLicenseErrors"].contains(name)
    });
    match unknown {
        Some(name) => Err(Refusal::bad_request(format!(
            "Could not find a property named '{name}' on type 'microsoft.graph.group'."
        ))),
        None => Ok(Some(names)),
    }
}

/// `GET /groups`.
pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    list_where(tenant, call, |group| {
        group.is_live() && group.visible_from <= call.now
    })
}

/// `GET /directory/deletedItems/graph.group`.
pub(crate) fn list_deleted(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    list_where(tenant, call, |group| !group.is_live() && !group.purged)
}

fn list_where(tenant: &Tenant, call: &Call<'_>, is_listed: impl Fn(&Group) -> bool) -> Outcome {
    let names = selection(tenant, call)?;
    let filter = call
        .query
        .get("$filter")
        .map(|text| filter::parse(text, |name| Some((name.to_owned(), false))))
        .transpose()?;
    let search = call.query.get("$search").map(|text| {
        text.trim_matches('"')
            .trim_start_matches("displayName:")
            .to_lowercase()
    });
    let ordered = call.query.get("$orderby").is_some();
    let needs_advanced = filter
        .as_ref()
        .is_some_and(|parsed| parsed.advanced || ordered);
    if (needs_advanced && !call.is_advanced()) || (search.is_some() && !call.wishes.eventual) {
        return Err(Refusal::unsupported_query(
            "Unsupported or invalid query filter clause specified for property of resource 'Group'. Advanced queries need the header ConsistencyLevel: eventual and $count=true.",
        ));
    }
    let is_match = |no: &GroupNo| {
        let group = tenant.group(*no);
        let see = |name: &String, sub: Option<&str>| see(tenant, group, *no, name, sub);
        is_listed(group)
            && filter
                .as_ref()
                .is_none_or(|parsed| parsed.filter.matches(&see))
            && search
                .as_ref()
                .is_none_or(|word| group.display_name.to_lowercase().contains(word.as_str()))
    };
    let end = GroupNo::try_from(tenant.groups.len()).unwrap_or(GroupNo::MAX);
    let mut all: Vec<GroupNo> = (0..end).filter(is_match).collect();
    if let Some(order) = call.query.get("$orderby") {
        all.sort_by_key(|no| tenant.group(*no).display_name.to_lowercase());
        if order.to_ascii_lowercase().ends_with(" desc") {
            all.reverse();
        }
    }
    let from: usize = cursor(call)?
        .map_or(Ok(0), |at| at.parse())
        .map_err(|_| Refusal::bad_request("The specified value for $skiptoken is not valid."))?;
    let size = page_size(call)?;
    let link = (all.len() > from + size).then(|| {
        (
            "@odata.nextLink",
            next_link(call, &(from + size).to_string()),
        )
    });
    let count = (call.is_advanced() && from == 0).then_some(all.len());
    let view = |no: &GroupNo| GroupView {
        tenant,
        group: tenant.group(*no),
        names: names.as_deref(),
        context: None,
        typed: false,
    };
    let views: Vec<GroupView<'_>> = all.iter().skip(from).take(size).map(view).collect();
    Ok(Answer::ok(&Page {
        context: call.context("groups"),
        count,
        link,
        value: &views,
    }))
}

fn see<'a>(tenant: &Tenant, group: &Group, no: GroupNo, name: &str, sub: Option<&str>) -> Seen<'a> {
    if name == "hasMembersWithLicenseErrors" {
        return Seen::Flag(members::with_license_errors(tenant, no).next().is_some());
    }
    match group.value(tenant, name) {
        Some(Value::Bool(flag)) => Seen::Flag(flag),
        Some(Value::String(text)) => Seen::Text(text.into()),
        Some(Value::Array(all)) => {
            let text = |one: &Value| {
                sub.map_or(Some(one), |sub| one.get(sub))
                    .and_then(Value::as_str)
                    .map(|text| text.to_owned().into())
            };
            Seen::Texts(all.iter().filter_map(text).collect())
        }
        _ => Seen::Null,
    }
}

/// `GET /groups/{id}`.
pub(crate) fn read(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_group(call.param(0), call.now)?;
    let names = selection(tenant, call)?;
    let context = call.context("groups/$entity");
    Ok(Answer::ok(&GroupView {
        tenant,
        group: tenant.group(no),
        names: names.as_deref(),
        context: Some(&context),
        typed: false,
    }))
}

fn texts(body: &Map<String, Value>, name: &str) -> Vec<String> {
    let all = body
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    all.iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// `POST /groups`.
pub(crate) fn create(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let required_text = |name: &str| {
        let found = body
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty());
        found.ok_or_else(|| Refusal::missing_value(name, "Group"))
    };
    let required_flag = |name: &str| {
        body.get(name)
            .and_then(Value::as_bool)
            .ok_or_else(|| Refusal::missing_value(name, "Group"))
    };
    let mut group = Group::new(Uuid::nil(), required_text("displayName")?, call.now);
    group.mail_nickname = required_text("mailNickname")?.to_owned();
    group.mail_enabled = required_flag("mailEnabled")?;
    group.security_enabled = required_flag("securityEnabled")?;
    group.types = texts(body, "groupTypes");
    group.description = body
        .get("description")
        .and_then(Value::as_str)
        .map(str::to_owned);
    group.visibility = body
        .get("visibility")
        .and_then(Value::as_str)
        .map(str::to_owned);
    group.membership_rule = body
        .get("membershipRule")
        .and_then(Value::as_str)
        .map(str::to_owned);
    group.role_assignable = body
        .get("isAssignableToRole")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    check_new(tenant, &group, call)?;
    let bound = bound_members(tenant, body, "members@odata.bind", call.now)?;
    bound_members(tenant, body, "owners@odata.bind", call.now)?;
    if group.is_unified() {
        let initial = tenant
            .domains
            .iter()
            .find(|domain| domain.initial)
            .map_or("", |domain| domain.name.as_str());
        group.mail = Some(format!("{}@{initial}", group.mail_nickname));
    }
    group.id = tenant.mint();
    group.visible_from = call.now + tenant.replication_delay;
    let no = tenant.insert_group(group, call.now);
    for member in bound {
        members::enter(tenant, no, member, call.now);
    }
    let context = call.context("groups/$entity");
    let view = GroupView {
        tenant,
        group: tenant.group(no),
        names: None,
        context: Some(&context),
        typed: false,
    };
    Ok(Answer::json(201, &view).effect(Effect::Changed).header(
        "Location",
        format!("{}/{}", call.url(), tenant.group(no).id),
    ))
}

fn check_new(tenant: &Tenant, group: &Group, call: &Call<'_>) -> Result<(), Refusal> {
    if group.display_name.chars().count() > 256
        || group
            .description
            .as_ref()
            .is_some_and(|text| text.chars().count() > 1024)
    {
        return Err(Refusal::bad_request(
            "Invalid value specified for property 'displayName' of resource 'Group'.",
        ));
    }
    let nickname = &group.mail_nickname;
    if nickname.len() > 64
        || !nickname
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"@()/[]';:<>,\\\"".contains(&b))
    {
        return Err(Refusal::bad_request(
            "Invalid value specified for property 'mailNickname' of resource 'Group'.",
        ));
    }
    if group.mail_enabled != group.is_unified() || (!group.mail_enabled && !group.security_enabled)
    {
        return Err(Refusal::bad_request(
            "The service does not currently support writes of mail-enabled groups. Please ensure that the mail-enablement property is unset and the security-enablement property is set.",
        ));
    }
    if group.is_dynamic() && group.membership_rule.is_none() {
        return Err(Refusal::missing_value("membershipRule", "Group"));
    }
    if group.role_assignable && !call.access.has("RoleManagement.ReadWrite.Directory") {
        return Err(Refusal::denied());
    }
    let is_taken = |other: &Group| {
        other.is_live() && other.mail_enabled && other.mail_nickname.eq_ignore_ascii_case(nickname)
    };
    if group.mail_enabled && tenant.groups.iter().any(is_taken) {
        return Err(Refusal::taken("mailNickname"));
    }
    Ok(())
}

/// The objects of an `@odata.bind`: at most 20, each known, none twice.
fn bound_members(
    tenant: &Tenant,
    body: &Map<String, Value>,
    name: &str,
    now: Millis,
) -> Result<Vec<Member>, Refusal> {
    let links = texts(body, name);
    if links.len() > 20 {
        return Err(Refusal::bad_request(format!(
            "The number of references in '{name}' exceeds the maximum of 20."
        )));
    }
    let mut all = Vec::new();
    for link in links {
        let member = tenant.find_member(members::id_of_link(&link)?, now)?;
        if all.contains(&member) {
            return Err(members::already());
        }
        all.push(member);
    }
    Ok(all)
}

/// `PATCH /groups/{id}`: properties, and up to 20 members, all or nothing.
pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_group(call.param(0), call.now)?;
    let body = call.object()?;
    let mut group = tenant.group(no).clone_without_members();
    for (name, value) in body.iter().filter(|(name, _)| !name.contains('@')) {
        write_property(&mut group, name, value)?;
    }
    let writes_more_than_members = body.keys().any(|name| name != "members@odata.bind");
    if writes_more_than_members
        && !call
            .access
            .has_any(&["Group.ReadWrite.All", "Directory.ReadWrite.All"])
    {
        return Err(Refusal::denied());
    }
    let new = bound_members(tenant, body, "members@odata.bind", call.now)?;
    if !new.is_empty() {
        members::check_writable(tenant, no, call)?;
    }
    if new
        .iter()
        .any(|member| tenant.group(no).members.contains(member))
    {
        return Err(members::already());
    }
    let old = &mut tenant.groups[no as usize];
    let changed = old.take_properties(group);
    if changed {
        tenant.touch_group(no, call.now);
    }
    let changed = changed || !new.is_empty();
    for member in new {
        members::enter(tenant, no, member, call.now);
    }
    Ok(Answer::no_content(changed.into()))
}

fn write_property(group: &mut Group, name: &str, value: &Value) -> Result<(), Refusal> {
    let invalid = || {
        Refusal::bad_request(format!(
            "Invalid value specified for property '{name}' of resource 'Group'."
        ))
    };
    let text = |max: usize| match value {
        Value::String(text) if !text.is_empty() && text.chars().count() <= max => {
            Ok(Some(text.clone()))
        }
        Value::Null => Ok(None),
        _ => Err(invalid()),
    };
    match name {
        "displayName" => group.display_name = text(256)?.ok_or_else(invalid)?,
        "mailNickname" => group.mail_nickname = text(64)?.ok_or_else(invalid)?,
        "description" => group.description = text(1024)?,
        "visibility" => group.visibility = text(64)?,
        "membershipRule" => group.membership_rule = text(3072)?,
        "securityEnabled" => group.security_enabled = value.as_bool().ok_or_else(invalid)?,
        _ => {
            return Err(Refusal::bad_request(format!(
                "Property '{name}' cannot be written."
            )));
        }
    }
    Ok(())
}

impl Group {
    /// A draft to write properties to; members can be many and stay where they are.
    fn clone_without_members(&self) -> Self {
        let mut draft = Self::new(self.id, &self.display_name, self.created);
        draft.mail_nickname.clone_from(&self.mail_nickname);
        draft.description.clone_from(&self.description);
        draft.visibility.clone_from(&self.visibility);
        draft.membership_rule.clone_from(&self.membership_rule);
        draft.security_enabled = self.security_enabled;
        draft
    }

    fn take_properties(&mut self, draft: Self) -> bool {
        let key = |group: &Self| {
            json!([
                group.display_name,
                group.mail_nickname,
                group.description,
                group.visibility,
                group.membership_rule,
                group.security_enabled
            ])
        };
        let changed = key(self) != key(&draft);
        self.display_name = draft.display_name;
        self.mail_nickname = draft.mail_nickname;
        self.description = draft.description;
        self.visibility = draft.visibility;
        self.membership_rule = draft.membership_rule;
        self.security_enabled = draft.security_enabled;
        changed
    }
}

/// `DELETE /groups/{id}`.
pub(crate) fn delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_group(call.param(0), call.now)?;
    if !tenant.group(no).licenses.is_empty() {
        return Err(Refusal::bad_request(
            "Group with licenses assigned cannot be deleted. Remove the licenses from the group first.",
        ));
    }
    let is_unified = tenant.group(no).is_unified();
    let group = &mut tenant.groups[no as usize];
    group.deleted = Some(call.now);
    if !is_unified {
        members::purge_group(tenant, no);
    }
    tenant.touch_group(no, call.now);
    Ok(Answer::no_content(Effect::Changed))
}
