//! Security defaults, authorization, authentication methods, conditional access, registration (`graph.md` 8).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Effect, Outcome, Refusal};
use crate::clock::instant;
use crate::fields::Field;
use crate::request::Call;
use crate::select::{cursor, next_link, page_size};
use crate::tenant::{Tenant, UserNo};

/// The tenant's policies, kept as Graph shows them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Policies {
    security_defaults: Value,
    authorization: Value,
    authentication_methods: Value,
    conditional_access: Vec<Value>,
}

impl Policies {
    pub(crate) fn new(modified: i64) -> Self {
        Self {
            security_defaults: json!({
                "id": "00000000-0000-0000-0000-000000000005", "displayName": "Security Defaults",
                "description": "Security defaults is a set of basic identity security mechanisms recommended by Microsoft.", "isEnabled": true,
            }),
            authorization: json!({
                "id": "authorizationPolicy", "displayName": "Authorization Policy", "description": "Used to manage authorization related settings across the company.",
                "allowedToSignUpEmailBasedSubscriptions": true, "allowedToUseSSPR": true, "allowEmailVerifiedUsersToJoinOrganization": false,
                "allowInvitesFrom": "everyone", "allowUserConsentForRiskyApps": null, "blockMsolPowerShell": false,
                "guestUserRoleId": "10dae51f-b6af-4016-8d66-8c2a99b929b3",
                "defaultUserRolePermissions": {
                    "allowedToCreateApps": true, "allowedToCreateSecurityGroups": true, "allowedToCreateTenants": true,
                    "allowedToReadBitlockerKeysForOwnedDevice": true, "allowedToReadOtherUsers": true, "permissionGrantPoliciesAssigned": [],
                },
            }),
            authentication_methods: json!({
                "id": "authenticationMethodsPolicy", "displayName": "Authentication Methods Policy",
                "description": "The tenant-wide policy that controls which authentication methods are allowed in the tenant.",
                "lastModifiedDateTime": instant(modified), "policyVersion": "1.5", "policyMigrationState": "migrationComplete", "reconfirmationInDays": null,
                "registrationEnforcement": {"authenticationMethodsRegistrationCampaign": {
                    "snoozeDurationInDays": 1, "state": "default", "excludeTargets": [],
                    "includeTargets": [{"id": "all_users", "targetType": "group", "targetedAuthenticationMethod": "microsoftAuthenticator"}],
                }},
                "authenticationMethodConfigurations": [],
            }),
            conditional_access: Vec::new(),
        }
    }
}

/// What the admin center shows and changes.
impl Policies {
    pub(crate) fn security_defaults(&self) -> bool {
        self.security_defaults["isEnabled"] == true
    }

    /// Security defaults and Conditional Access exclude each other.
    pub(crate) fn set_security_defaults(&mut self, on: bool) -> Result<(), String> {
        if on
            && self
                .conditional_access
                .iter()
                .any(|policy| policy["state"] == "enabled")
        {
            return Err(
                "Security defaults cannot be enabled while a conditional access policy is enabled."
                    .to_owned(),
            );
        }
        self.security_defaults["isEnabled"] = json!(on);
        Ok(())
    }

    /// Whether a conditional access policy of this name holds.
    pub(crate) fn has_enabled(&self, name: &str) -> bool {
        self.conditional_access
            .iter()
            .any(|policy| policy["displayName"] == name && policy["state"] == "enabled")
    }

    /// Puts a policy in the place of the one with this name, or removes it.
    pub(crate) fn replace(&mut self, name: &str, policy: Option<Value>) -> Result<(), String> {
        if policy.is_some() && self.security_defaults() {
            return Err("Security Defaults is enabled in the tenant. You must disable Security defaults before enabling a Conditional Access policy.".to_owned());
        }
        self.conditional_access
            .retain(|known| known["displayName"] != name);
        self.conditional_access.extend(policy);
        Ok(())
    }
}

/// `GET /policies/identitySecurityDefaultsEnforcementPolicy`.
pub(crate) fn read_security_defaults(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    Ok(crate::objects::one(
        call,
        "policies/identitySecurityDefaultsEnforcementPolicy/$entity",
        tenant.policies.security_defaults.clone(),
    ))
}

/// `PATCH /policies/identitySecurityDefaultsEnforcementPolicy`.
pub(crate) fn update_security_defaults(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if !call.access.has_any(&[
        "Policy.ReadWrite.SecurityDefaults",
        "Policy.ReadWrite.ConditionalAccess",
    ]) {
        return Err(Refusal::denied());
    }
    let body = call.object()?;
    let enables = body.get("isEnabled") == Some(&Value::Bool(true));
    if enables
        && tenant
            .policies
            .conditional_access
            .iter()
            .any(|policy| policy["state"] == "enabled")
    {
        return Err(Refusal::bad_request(
            "Security defaults cannot be enabled while a conditional access policy is enabled.",
        ));
    }
    merge(&mut tenant.policies.security_defaults, body).map(Answer::no_content)
}

/// `GET /policies/authorizationPolicy`.
pub(crate) fn read_authorization(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    Ok(crate::objects::one(
        call,
        "policies/authorizationPolicy/$entity",
        tenant.policies.authorization.clone(),
    ))
}

/// `PATCH /policies/authorizationPolicy`.
pub(crate) fn update_authorization(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    merge(&mut tenant.policies.authorization, call.object()?).map(Answer::no_content)
}

/// `GET /policies/authenticationMethodsPolicy`.
pub(crate) fn read_methods(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    Ok(crate::objects::one(
        call,
        "policies/authenticationMethodsPolicy/$entity",
        tenant.policies.authentication_methods.clone(),
    ))
}

/// `PATCH /policies/authenticationMethodsPolicy`.
pub(crate) fn update_methods(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    merge(&mut tenant.policies.authentication_methods, call.object()?).map(Answer::no_content)
}

/// Lays a PATCH body over a policy; only properties the policy has, of the kind it has.
fn merge(policy: &mut Value, body: &Map<String, Value>) -> Result<Effect, Refusal> {
    let mut effect = Effect::Unchanged;
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with('@')) {
        let held = policy
            .get(name)
            .ok_or_else(|| Refusal::bad_request(format!("Invalid property '{name}'.")))?;
        let same_kind = held.is_null()
            || value.is_null()
            || std::mem::discriminant(held) == std::mem::discriminant(value);
        if !same_kind || name == "id" {
            return Err(Refusal::bad_request(format!(
                "Invalid value specified for property '{name}'."
            )));
        }
        if held != value {
            effect = Effect::Changed;
            policy[name] = value.clone();
        }
    }
    Ok(effect)
}

/// `GET /identity/conditionalAccess/policies`.
pub(crate) fn list_conditional_access(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    crate::objects::page(
        call,
        "identity/conditionalAccess/policies",
        tenant.policies.conditional_access.clone(),
    )
}

fn find_conditional_access(tenant: &Tenant, call: &Call<'_>) -> Result<usize, Refusal> {
    let id = call.param(0);
    let found = tenant
        .policies
        .conditional_access
        .iter()
        .position(|policy| {
            policy["id"]
                .as_str()
                .is_some_and(|known| known.eq_ignore_ascii_case(id))
        });
    found.ok_or_else(|| Refusal::not_found(id))
}

/// `GET /identity/conditionalAccess/policies/{id}`.
pub(crate) fn read_conditional_access(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find_conditional_access(tenant, call)?;
    Ok(crate::objects::one(
        call,
        "identity/conditionalAccess/policies/$entity",
        tenant.policies.conditional_access[at].clone(),
    ))
}

fn check_conditional_access(tenant: &Tenant, body: &Map<String, Value>) -> Result<(), Refusal> {
    if let Some(state) = body.get("state") {
        match state.as_str() {
            Some("disabled" | "enabledForReportingButNotEnforced") => {}
            Some("enabled") if tenant.policies.security_defaults["isEnabled"] == true => {
                return Err(Refusal::bad_request(
                    "Security Defaults is enabled in the tenant. You must disable Security defaults before enabling a Conditional Access policy.",
                ));
            }
            Some("enabled") => {}
            _ => {
                return Err(Refusal::bad_request(
                    "Invalid value specified for property 'state'.",
                ));
            }
        }
    }
    Ok(())
}

/// `POST /identity/conditionalAccess/policies`.
pub(crate) fn create_conditional_access(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    for required in ["displayName", "state", "conditions"] {
        if body.get(required).is_none_or(Value::is_null) {
            return Err(Refusal::missing_value(required, "ConditionalAccessPolicy"));
        }
    }
    check_conditional_access(tenant, body)?;
    let mut policy = body.clone();
    policy.insert("id".to_owned(), json!(tenant.mint()));
    policy.insert("createdDateTime".to_owned(), json!(instant(call.now)));
    policy.insert("modifiedDateTime".to_owned(), Value::Null);
    let policy = Value::Object(policy);
    tenant.policies.conditional_access.push(policy.clone());
    let answer = crate::objects::one(call, "identity/conditionalAccess/policies/$entity", policy);
    Ok(Answer {
        status: 201,
        ..answer
    }
    .effect(Effect::Changed))
}

/// `PATCH /identity/conditionalAccess/policies/{id}`.
pub(crate) fn update_conditional_access(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find_conditional_access(tenant, call)?;
    let body = call.object()?;
    check_conditional_access(tenant, body)?;
    let policy = &mut tenant.policies.conditional_access[at];
    let before = policy.clone();
    for (name, value) in body
        .iter()
        .filter(|(name, _)| !name.starts_with('@') && *name != "id")
    {
        policy[name] = value.clone();
    }
    let changed = *policy != before;
    if changed {
        policy["modifiedDateTime"] = json!(instant(call.now));
    }
    Ok(Answer::no_content(changed.into()))
}

/// `DELETE /identity/conditionalAccess/policies/{id}`.
pub(crate) fn delete_conditional_access(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find_conditional_access(tenant, call)?;
    tenant.policies.conditional_access.remove(at);
    Ok(Answer::no_content(Effect::Changed))
}

/// `GET /reports/authenticationMethods/userRegistrationDetails`.
pub(crate) fn list_registration(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let from: UserNo = cursor(call)?
        .map_or(Ok(0), |at| at.parse())
        .map_err(|_| Refusal::bad_request("The specified value for $skiptoken is not valid."))?;
    let size = page_size(call)?;
    let end = UserNo::try_from(tenant.users.len()).unwrap_or(UserNo::MAX);
    let mut found: Vec<UserNo> = (from..end)
        .filter(|no| tenant.is_visible(*no, call.now))
        .take(size + 1)
        .collect();
    let next = (found.len() > size).then(|| found[size]);
    found.truncate(size);
    let detail = |no: &UserNo| {
        let user = tenant.user(*no);
        let is_admin = tenant.is_admin(*no);
        let value = json!({
            "id": user.id, "userPrincipalName": user.upn(), "userDisplayName": user.text(Field::DisplayName).unwrap_or_default(),
            "userType": if user.text(Field::UserType) == Some("Guest") { "guest" } else { "member" }, "isAdmin": is_admin,
            // Administrators may always reset their own password; for everybody else it is switched off here.
            "isSsprRegistered": false, "isSsprEnabled": is_admin, "isSsprCapable": false, "isMfaRegistered": is_admin, "isMfaCapable": is_admin,
            "isPasswordlessCapable": false, "methodsRegistered": if is_admin { json!(["microsoftAuthenticatorPush"]) } else { json!([]) },
            "isSystemPreferredAuthenticationMethodEnabled": true, "systemPreferredAuthenticationMethods": [],
            "userPreferredMethodForSecondaryAuthentication": if is_admin { "push" } else { "none" }, "lastUpdatedDateTime": instant(user.created),
        });
        crate::objects::select(value, call)
    };
    let mut body = json!({"@odata.context": call.context("userRegistrationDetails"), "value": found.iter().map(detail).collect::<Vec<_>>()});
    if let Some(next) = next {
        body["@odata.nextLink"] = json!(next_link(call, &next.to_string()));
    }
    Ok(Answer::ok(&body))
}

/// `GET /auditLogs/directoryAudits` and `signIns`: nobody has signed in here yet.
pub(crate) fn empty_log(_: &mut Tenant, call: &Call<'_>) -> Outcome {
    let name = call.path.join("/");
    Ok(crate::objects::list(call, &name, Vec::new()))
}
