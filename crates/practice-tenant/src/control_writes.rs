//! What tests do to the tenant behind Signpost's back.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use x509_parser::pem::parse_x509_pem;

use crate::clock::Millis;
use crate::control::{Lenient, bad, ok};
use crate::domains::Domain;
use crate::groups::{Group, Member};
use crate::permissions::app_role_id;
use crate::practice::PracticeTenant;
use crate::registrations::Certificate;
use crate::server::json_response;
use crate::tenant::{Tenant, UserNo};
use crate::user_changes::{Author, Changes};
use crate::{licenses, members, users};

type Practice = State<Arc<PracticeTenant>>;

/// `POST /_practice/accounts`: create or change one account, or each of `accounts`.
pub(crate) async fn write_accounts(
    State(practice): Practice,
    Lenient(body): Lenient<Value>,
) -> Response {
    let many = body
        .get("accounts")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_else(|| vec![body]);
    let mut tenant = practice.tenant();
    let now = practice.clock.now_ms();
    let mut ids = Vec::new();
    for one in many {
        let Value::Object(one) = one else {
            return bad("an account is an object");
        };
        match write_account(&mut tenant, one, now) {
            Ok(id) => ids.push(id),
            Err(error) => return bad(error),
        }
    }
    practice.mark_changed();
    ok(&json!({"id": ids.first(), "ids": ids}))
}

fn find(tenant: &Tenant, key: &str) -> Option<UserNo> {
    match Uuid::parse_str(key) {
        Ok(id) => tenant.index.users.get(&id).copied(),
        Err(_) => tenant.index.upns.get(key.to_lowercase().as_str()).copied(),
    }
}

fn write_account(
    tenant: &mut Tenant,
    mut body: Map<String, Value>,
    now: Millis,
) -> Result<Uuid, String> {
    let mut take = |name: &str| body.remove(name);
    let (id, manager, groups) = (take("id"), take("manager"), take("memberOf"));
    let (given, synced, roles) = (
        take("assignedLicenses"),
        take("onPremisesSyncEnabled"),
        take("roles"),
    );
    let key = id
        .as_ref()
        .or_else(|| body.get("userPrincipalName"))
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let no = match find(tenant, &key) {
        Some(no) => {
            let changes =
                Changes::parse(&body, Author::SomebodyElse).map_err(|refusal| refusal.message)?;
            changes
                .check(tenant, Some(no))
                .map_err(|refusal| refusal.message)?;
            users::change_account(tenant, no, changes, now);
            no
        }
        None if id.is_some() => return Err(format!("there is no account {key}")),
        None => {
            let nickname: String = key
                .split('@')
                .next()
                .unwrap_or_default()
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect();
            for (name, usual) in [
                ("mailNickname", json!(nickname)),
                ("displayName", json!(key)),
                ("accountEnabled", json!(true)),
            ] {
                body.entry(name).or_insert(usual);
            }
            users::create_account(tenant, &body, Author::SomebodyElse, now)
                .map_err(|refusal| refusal.message)?
        }
    };
    if let Some(manager) = manager {
        let manager = manager
            .as_str()
            .map(|key| find(tenant, key).ok_or_else(|| format!("there is no account {key}")))
            .transpose()?;
        users::change_manager(tenant, no, manager, now);
    }
    if let Some(groups) = groups {
        write_memberships(tenant, no, &groups, now)?;
    }
    if let Some(given) = given {
        licenses::replace_direct(tenant, no, &given, now)?;
    }
    if let Some(synced) = synced.as_ref().and_then(Value::as_bool) {
        tenant.users[no as usize].synced = synced.then_some(now);
        tenant.touch(no, &[crate::fields::Field::OnPremisesSyncEnabled], now);
    }
    if let Some(Value::Array(names)) = roles {
        for role in &mut tenant.roles {
            role.members.retain(|member| *member != no);
            if names
                .iter()
                .any(|name| name.as_str() == Some(role.name.as_str()))
            {
                role.members.push(no);
            }
        }
    }
    Ok(tenant.user(no).id)
}

fn write_memberships(
    tenant: &mut Tenant,
    no: UserNo,
    groups: &Value,
    now: Millis,
) -> Result<(), String> {
    let mut wanted = Vec::new();
    for id in groups
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        let found = Uuid::parse_str(id)
            .ok()
            .and_then(|id| tenant.index.groups.get(&id))
            .copied();
        wanted.push(found.ok_or_else(|| format!("there is no group {id}"))?);
    }
    for group in tenant.user(no).groups.clone() {
        if !wanted.contains(&group) {
            members::forget(tenant, group, Member::User(no), now);
        }
    }
    for group in wanted {
        members::enter(tenant, group, Member::User(no), now);
    }
    Ok(())
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Purge {
    #[serde(default)]
    purge: bool,
}

/// `DELETE /_practice/accounts/{id}`: as somebody else would; `?purge=true` for ever.
pub(crate) async fn delete_account(
    State(practice): Practice,
    Path(key): Path<String>,
    Query(query): Query<Purge>,
) -> Response {
    let mut tenant = practice.tenant();
    let now = practice.clock.now_ms();
    let Some(no) = find(&tenant, &key) else {
        return json_response(StatusCode::NOT_FOUND, &json!({"error": "no such account"}));
    };
    if tenant.user(no).is_live() {
        users::delete_account(&mut tenant, no, now);
    }
    if query.purge {
        users::purge(&mut tenant, no, now);
    }
    practice.mark_changed();
    ok(&json!({}))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupWish {
    id: Option<Uuid>,
    #[serde(rename = "displayName")]
    display_name: Option<String>,
    description: Option<String>,
    #[serde(rename = "groupTypes")]
    types: Option<Vec<String>>,
    /// Ids or user principal names; replaces the members.
    members: Option<Vec<String>>,
    #[serde(rename = "isAssignableToRole")]
    role_assignable: Option<bool>,
    #[serde(rename = "onPremisesSyncEnabled")]
    synced: Option<bool>,
    #[serde(default)]
    delete: bool,
}

/// `POST /_practice/groups`.
pub(crate) async fn write_group(
    State(practice): Practice,
    Lenient(wish): Lenient<GroupWish>,
) -> Response {
    let mut tenant = practice.tenant();
    let now = practice.clock.now_ms();
    practice.mark_changed();
    match apply_group(&mut tenant, wish, now) {
        Ok(id) => ok(&json!({"id": id})),
        Err(error) => bad(error),
    }
}

fn apply_group(tenant: &mut Tenant, wish: GroupWish, now: Millis) -> Result<Uuid, String> {
    let no = match wish.id {
        Some(id) => *tenant
            .index
            .groups
            .get(&id)
            .ok_or_else(|| format!("there is no group {id}"))?,
        None => {
            let name = wish
                .display_name
                .clone()
                .ok_or("a new group needs displayName")?;
            let group = Group::new(tenant.mint(), &name, now);
            tenant.insert_group(group, now)
        }
    };
    let mut wanted = Vec::new();
    for key in wish.members.iter().flatten() {
        wanted.push(
            find(tenant, key)
                .map(Member::User)
                .ok_or_else(|| format!("there is no account {key}"))?,
        );
    }
    let group = &mut tenant.groups[no as usize];
    if let Some(name) = wish.display_name {
        group.display_name = name;
    }
    if wish.description.is_some() {
        group.description = wish.description;
    }
    if let Some(types) = wish.types {
        group.types = types;
    }
    group.role_assignable = wish.role_assignable.unwrap_or(group.role_assignable);
    group.synced = wish.synced.unwrap_or(group.synced);
    if wish.members.is_some() {
        for member in group.members.clone() {
            if !wanted.contains(&member) {
                members::forget(tenant, no, member, now);
            }
        }
        for member in wanted {
            members::enter(tenant, no, member, now);
        }
    }
    if wish.delete {
        tenant.groups[no as usize].deleted = Some(now);
        members::purge_group(tenant, no);
    }
    tenant.touch_group(no, now);
    Ok(tenant.group(no).id)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkuWish {
    #[serde(rename = "skuId")]
    id: Option<Uuid>,
    #[serde(rename = "skuPartNumber")]
    part_number: Option<String>,
    enabled: Option<u32>,
    warning: Option<u32>,
    suspended: Option<u32>,
    #[serde(rename = "capabilityStatus")]
    status: Option<String>,
    next_lifecycle_in_days: Option<i32>,
}

/// `POST /_practice/skus`: seats and status of one subscription.
pub(crate) async fn write_sku(
    State(practice): Practice,
    Lenient(wish): Lenient<SkuWish>,
) -> Response {
    let mut tenant = practice.tenant();
    let is_meant = |sku: &&mut crate::skus::Sku| {
        Some(sku.id) == wish.id || Some(&sku.part_number) == wish.part_number.as_ref()
    };
    let Some(sku) = tenant.skus.iter_mut().find(is_meant) else {
        return bad("name a subscription by skuId or skuPartNumber");
    };
    sku.enabled = wish.enabled.map_or(sku.enabled, i64::from);
    sku.warning = wish.warning.map_or(sku.warning, i64::from);
    sku.suspended = wish.suspended.map_or(sku.suspended, i64::from);
    if let Some(status) = wish.status {
        sku.status = status;
    }
    if let Some(days) = wish.next_lifecycle_in_days {
        sku.next_lifecycle = practice.clock.now_ms() + i64::from(days) * 24 * 3600 * 1000;
    }
    let answer = json!({"skuId": sku.id, "enabled": sku.enabled, "free": sku.free()});
    practice.mark_changed();
    ok(&answer)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DomainWish {
    id: String,
    verified: Option<bool>,
    default: Option<bool>,
    #[serde(default)]
    delete: bool,
}

/// `POST /_practice/domains`.
pub(crate) async fn write_domain(
    State(practice): Practice,
    Lenient(wish): Lenient<DomainWish>,
) -> Response {
    let mut tenant = practice.tenant();
    if wish.id.is_empty() {
        return bad("name the domain by id");
    }
    if wish.delete {
        tenant.domains.retain(|domain| domain.name != wish.id);
    } else if !tenant.domains.iter().any(|domain| domain.name == wish.id) {
        tenant.domains.push(Domain::new(&wish.id));
    }
    for domain in &mut tenant.domains {
        let is_meant = domain.name == wish.id;
        if is_meant {
            domain.verified = wish.verified.unwrap_or(domain.verified);
        }
        if wish.default == Some(true) {
            domain.default = is_meant;
        }
    }
    practice.mark_changed();
    ok(&json!({}))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplicationWish {
    /// `good` when nothing is said.
    key: Option<String>,
    client_id: Option<Uuid>,
    permissions: Option<Vec<String>>,
    grant: Option<Vec<String>>,
    revoke: Option<Vec<String>>,
    enabled: Option<bool>,
    privileged: Option<bool>,
    secret_expires_in_days: Option<i32>,
    certificate_pem: Option<String>,
}

/// `POST /_practice/applications`: what an administrator does in Entra.
pub(crate) async fn write_application(
    State(practice): Practice,
    Lenient(wish): Lenient<ApplicationWish>,
) -> Response {
    let mut tenant = practice.tenant();
    match apply_application(&mut tenant, wish, practice.clock.now_ms()) {
        Ok(permissions) => {
            practice.mark_changed();
            ok(&json!({"permissions": permissions}))
        }
        Err(error) => bad(error),
    }
}

fn apply_application(
    tenant: &mut Tenant,
    wish: ApplicationWish,
    now: Millis,
) -> Result<Vec<String>, String> {
    let named = wish.permissions.iter().chain(&wish.grant).flatten();
    if let Some(unknown) = named.clone().find(|name| app_role_id(name).is_none()) {
        return Err(format!("there is no application permission {unknown}"));
    }
    let certificate = wish
        .certificate_pem
        .as_deref()
        .map(read_certificate)
        .transpose()?;
    let key_id = tenant.mint();
    let key = wish.key.as_deref().unwrap_or("good");
    let is_meant = |known: &&mut crate::registrations::Registration| {
        wish.client_id
            .map_or(known.key == key, |id| known.app_id == id)
    };
    let registration = tenant
        .registrations
        .iter_mut()
        .find(is_meant)
        .ok_or("there is no such application")?;
    if let Some(permissions) = wish.permissions {
        registration.permissions = permissions;
    }
    for name in wish.grant.into_iter().flatten() {
        if !registration.permissions.contains(&name) {
            registration.permissions.push(name);
        }
    }
    for name in wish.revoke.into_iter().flatten() {
        registration.permissions.retain(|known| *known != name);
    }
    registration.enabled = wish.enabled.unwrap_or(registration.enabled);
    registration.privileged = wish.privileged.unwrap_or(registration.privileged);
    if let (Some(days), Some(secret)) = (
        wish.secret_expires_in_days,
        registration.secrets.first_mut(),
    ) {
        secret.end = now + i64::from(days) * 24 * 3600 * 1000;
    }
    if let Some((der, start, end)) = certificate {
        registration.certificates.push(Certificate {
            key_id,
            name: "Uploaded".to_owned(),
            der,
            start,
            end,
        });
    }
    Ok(registration.permissions.clone())
}

pub(crate) fn read_certificate(pem: &str) -> Result<(Vec<u8>, Millis, Millis), String> {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
    let certificate = pem.parse_x509().map_err(|error| error.to_string())?;
    let validity = certificate.validity();
    Ok((
        pem.contents.clone(),
        validity.not_before.timestamp() * 1000,
        validity.not_after.timestamp() * 1000,
    ))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeltaWish {
    #[serde(default)]
    expire: bool,
    page_size: Option<usize>,
    repeat: Option<bool>,
    reverse: Option<bool>,
    empty_page: Option<bool>,
}

/// `POST /_practice/delta`: expire every token, or change how delta answers.
pub(crate) async fn write_delta(
    State(practice): Practice,
    Lenient(wish): Lenient<DeltaWish>,
) -> Response {
    let mut tenant = practice.tenant();
    let rules = &mut tenant.delta;
    rules.epoch = rules.epoch.wrapping_add(u32::from(wish.expire));
    rules.page_size = wish.page_size.unwrap_or(rules.page_size).clamp(1, 10_000);
    rules.repeat = wish.repeat.unwrap_or(rules.repeat);
    rules.reverse = wish.reverse.unwrap_or(rules.reverse);
    rules.empty_page = wish.empty_page.unwrap_or(rules.empty_page);
    practice.mark_changed();
    ok(&json!({}))
}
