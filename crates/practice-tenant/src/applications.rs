//! App registrations as Graph shows them: applications, service principals, grants, own secrets.

use aws_lc_rs::digest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::{Answer, Effect, Outcome, Refusal};
use crate::clock::{instant, parse_instant};
use crate::permissions::{PERMISSIONS, app_role_id};
use crate::registrations::{Certificate, Registration, Secret};
use crate::request::Call;
use crate::tenant::Tenant;

/// Microsoft Graph's own application id, the same in every tenant.
pub(crate) const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";
/// Object id of Microsoft Graph's service principal in this tenant.
const GRAPH_PRINCIPAL: Uuid = Uuid::from_u128(0x5e1f_0000_0000_4000_8000_0000_0000_0003);
const DAY_MS: i64 = 24 * 3600 * 1000;

fn secret_json(secret: &Secret) -> Value {
    let hint: String = secret.value.chars().take(3).collect();
    json!({
        "customKeyIdentifier": null, "displayName": secret.name, "endDateTime": instant(secret.end), "hint": hint,
        "keyId": secret.key_id, "secretText": null, "startDateTime": instant(secret.start),
    })
}

pub(crate) fn certificate_json(certificate: &Certificate) -> Value {
    json!({
        "customKeyIdentifier": thumbprint(&certificate.der), "displayName": certificate.name, "endDateTime": instant(certificate.end), "key": null,
        "keyId": certificate.key_id, "startDateTime": instant(certificate.start), "type": "AsymmetricX509Cert", "usage": "Verify",
    })
}

/// The SHA-1 thumbprint in upper-case hexadecimal.
fn thumbprint(der: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

fn application(registration: &Registration) -> Value {
    let access: Vec<Value> = registration
        .permissions
        .iter()
        .filter_map(|name| app_role_id(name))
        .map(|id| json!({"id": id, "type": "Role"}))
        .collect();
    json!({
        "id": registration.object_id, "deletedDateTime": null, "appId": registration.app_id, "displayName": registration.name,
        "createdDateTime": instant(registration.created), "signInAudience": "AzureADMyOrg", "identifierUris": [], "tags": [],
        "requiredResourceAccess": [{"resourceAppId": GRAPH_APP_ID, "resourceAccess": access}],
        "passwordCredentials": registration.secrets.iter().map(secret_json).collect::<Vec<_>>(),
        "keyCredentials": registration.certificates.iter().map(certificate_json).collect::<Vec<_>>(),
    })
}

fn principal(registration: &Registration) -> Value {
    json!({
        "id": registration.principal_id, "deletedDateTime": null, "accountEnabled": registration.enabled, "appId": registration.app_id,
        "appDisplayName": registration.name, "displayName": registration.name, "servicePrincipalType": "Application", "appRoles": [],
        "signInAudience": "AzureADMyOrg", "servicePrincipalNames": [registration.app_id], "tags": [],
    })
}

fn graph_principal() -> Value {
    let roles = PERMISSIONS.iter().map(|(name, id)| {
        json!({"allowedMemberTypes": ["Application"], "description": name, "displayName": name, "id": id, "isEnabled": true, "origin": "Application", "value": name})
    });
    json!({
        "id": GRAPH_PRINCIPAL, "deletedDateTime": null, "accountEnabled": true, "appId": GRAPH_APP_ID, "appDisplayName": "Microsoft Graph",
        "displayName": "Microsoft Graph", "servicePrincipalType": "Application", "appRoles": roles.collect::<Vec<_>>(),
        "signInAudience": "AzureADMultipleOrgs", "servicePrincipalNames": [GRAPH_APP_ID], "tags": [],
    })
}

fn may_read(registration: &Registration, call: &Call<'_>) -> Result<(), Refusal> {
    let owns = registration.app_id == call.access.app_id
        && call.access.has("Application.ReadWrite.OwnedBy");
    let reads = call.access.has_any(&[
        "Application.Read.All",
        "Application.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ]);
    if owns || reads {
        Ok(())
    } else {
        Err(Refusal::denied())
    }
}

pub(crate) fn find<'a>(
    tenant: &'a Tenant,
    key: &str,
    id_of: fn(&Registration) -> Uuid,
) -> Result<&'a Registration, Refusal> {
    let id = Uuid::parse_str(key).map_err(|_| Refusal::not_found(key))?;
    tenant
        .registrations
        .iter()
        .find(|known| id_of(known) == id)
        .ok_or_else(|| Refusal::not_found(key))
}

/// `GET /applications`.
pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    crate::objects::page(
        call,
        "applications",
        tenant.registrations.iter().map(application).collect(),
    )
}

/// `GET /applications/{id}`.
pub(crate) fn read(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let found = find(tenant, call.param(0), |known| known.object_id)?;
    may_read(found, call)?;
    Ok(crate::objects::one(
        call,
        "applications/$entity",
        application(found),
    ))
}

/// `GET /applications(appId='{appId}')`.
pub(crate) fn read_by_app_id(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let found = find(tenant, call.param(0), |known| known.app_id)?;
    may_read(found, call)?;
    Ok(crate::objects::one(
        call,
        "applications/$entity",
        application(found),
    ))
}

/// Applications may write themselves with `Application.ReadWrite.OwnedBy`, all with `Application.ReadWrite.All`.
pub(crate) fn writable<'a>(
    tenant: &'a mut Tenant,
    call: &Call<'_>,
) -> Result<&'a mut Registration, Refusal> {
    let found = find(tenant, call.param(0), |known| known.object_id)?;
    let owns =
        found.app_id == call.access.app_id && call.access.has("Application.ReadWrite.OwnedBy");
    if !owns && !call.access.has("Application.ReadWrite.All") {
        return Err(Refusal::denied());
    }
    let id = found.object_id;
    tenant
        .registrations
        .iter_mut()
        .find(|known| known.object_id == id)
        .ok_or_else(|| Refusal::not_found(call.param(0)))
}

/// `POST /applications/{id}/addPassword`: the one time the value is shown.
pub(crate) fn add_password(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let (key_id, random) = (tenant.mint(), tenant.mint());
    let registration = writable(tenant, call)?;
    let wish = call
        .object()?
        .get("passwordCredential")
        .cloned()
        .unwrap_or_default();
    let end = match wish["endDateTime"].as_str() {
        Some(text) => parse_instant(text)
            .filter(|end| *end > call.now)
            .ok_or_else(|| Refusal::bad_request("The credential's endDateTime is not valid."))?,
        None => call.now + 730 * DAY_MS,
    };
    let secret = Secret {
        key_id,
        name: wish["displayName"]
            .as_str()
            .unwrap_or("Password uploaded through Graph")
            .to_owned(),
        value: format!("{}~{}", &key_id.simple().to_string()[..3], random.simple()),
        start: call.now,
        end,
    };
    let mut shown = secret_json(&secret);
    shown["secretText"] = json!(secret.value);
    registration.secrets.push(secret);
    Ok(
        crate::objects::one(call, "microsoft.graph.passwordCredential", shown)
            .effect(Effect::Changed),
    )
}

/// `POST /applications/{id}/removePassword`.
pub(crate) fn remove_password(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let registration = writable(tenant, call)?;
    let key = call
        .object()?
        .get("keyId")
        .and_then(Value::as_str)
        .and_then(|text| Uuid::parse_str(text).ok());
    let at = registration
        .secrets
        .iter()
        .position(|secret| Some(secret.key_id) == key);
    registration.secrets.remove(
        at.ok_or_else(|| Refusal::bad_request("No password credential found with keyId."))?,
    );
    Ok(Answer::no_content(Effect::Changed))
}

/// `GET /servicePrincipals`.
pub(crate) fn list_principals(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let all = tenant
        .registrations
        .iter()
        .map(principal)
        .chain([graph_principal()])
        .collect();
    crate::objects::page(call, "servicePrincipals", all)
}

/// `GET /servicePrincipals/{id}`.
pub(crate) fn read_principal(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if call.object_id(0)? == GRAPH_PRINCIPAL {
        return Ok(crate::objects::one(
            call,
            "servicePrincipals/$entity",
            graph_principal(),
        ));
    }
    let found = find(tenant, call.param(0), |known| known.principal_id)?;
    may_read(found, call)?;
    Ok(crate::objects::one(
        call,
        "servicePrincipals/$entity",
        principal(found),
    ))
}

/// `GET /servicePrincipals(appId='{appId}')`.
pub(crate) fn read_principal_by_app_id(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if call.param(0) == GRAPH_APP_ID {
        return Ok(crate::objects::one(
            call,
            "servicePrincipals/$entity",
            graph_principal(),
        ));
    }
    let found = find(tenant, call.param(0), |known| known.app_id)?;
    may_read(found, call)?;
    Ok(crate::objects::one(
        call,
        "servicePrincipals/$entity",
        principal(found),
    ))
}

/// `GET /servicePrincipals/{id}/appRoleAssignments`.
pub(crate) fn role_assignments(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let found = find(tenant, call.param(0), |known| known.principal_id)?;
    may_read(found, call)?;
    let assignment = |(at, name): (usize, &String)| {
        let role = app_role_id(name)?;
        Some(json!({
            "id": format!("{}-{at}", found.principal_id.simple()), "deletedDateTime": null, "appRoleId": role, "createdDateTime": instant(found.created),
            "principalDisplayName": found.name, "principalId": found.principal_id, "principalType": "ServicePrincipal",
            "resourceDisplayName": "Microsoft Graph", "resourceId": GRAPH_PRINCIPAL,
        }))
    };
    let all = found
        .permissions
        .iter()
        .enumerate()
        .filter_map(assignment)
        .collect();
    crate::objects::page(
        call,
        &format!(
            "servicePrincipals('{}')/appRoleAssignments",
            found.principal_id
        ),
        all,
    )
}

/// `GET /servicePrincipals/{id}/oauth2PermissionGrants`: nothing delegated was ever granted here.
pub(crate) fn delegated_grants(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    find(tenant, call.param(0), |known| known.principal_id)?;
    crate::objects::page(call, "oauth2PermissionGrants", Vec::new())
}

/// `GET /users/{id}/appRoleAssignments`: users are not assigned to applications here.
pub(crate) fn user_role_assignments(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    crate::objects::page(
        call,
        &format!("users('{}')/appRoleAssignments", tenant.user(no).id),
        Vec::new(),
    )
}
