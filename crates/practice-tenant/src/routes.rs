//! Every call the tenant answers: its template, its cost, who may make it, and who answers it.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::answer::Outcome;
use crate::request::{Call, Verb, Version};
use crate::tenant::Tenant;
use crate::{
    applications, deleted_items, delta, domains, group_delta, group_licenses, groups, licenses,
    members, own_keys, policies, roles, skus, user_list, users,
};

pub(crate) type Handler = fn(&mut Tenant, &Call<'_>) -> Outcome;

/// One call.
#[derive(Debug)]
pub(crate) struct Route {
    /// `POST /users/{id}/assignLicense`: what faults name and calls are counted by.
    pub(crate) name: String,
    pub(crate) verb: Verb,
    segments: Vec<&'static str>,
    pub(crate) versions: Versions,
    /// Resource units before `$select` and the like (`graph.md` 3.2).
    pub(crate) units: u32,
    /// Any of these application permissions will do (`graph.md` 9.2).
    pub(crate) accepts: &'static [&'static str],
    pub(crate) handler: Handler,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    Both,
    BetaOnly,
}

/// What a path and verb came to.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Route(&'static Route, Vec<&'a str>),
    WrongVerb,
    Nothing,
}

const READ_USERS: &[&str] = &[
    "User.Read.All",
    "User.ReadBasic.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const READ_FULL_USERS: &[&str] = &[
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITE_USERS: &[&str] = &["User.ReadWrite.All", "Directory.ReadWrite.All"];
const PATCH_USERS: &[&str] = &[
    "User.ReadWrite.All",
    "Directory.ReadWrite.All",
    "User.EnableDisableAccount.All",
    "User-Phone.ReadWrite.All",
    "User-Mail.ReadWrite.All",
    "User-PasswordProfile.ReadWrite.All",
];
const DELETE_USERS: &[&str] = &["User.DeleteRestore.All", "User.ReadWrite.All"];
const RESTORE: &[&str] = &[
    "User.DeleteRestore.All",
    "User.ReadWrite.All",
    "Group.ReadWrite.All",
];
const REVOKE: &[&str] = &[
    "User.RevokeSessions.All",
    "User.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const PHOTOS: &[&str] = &["ProfilePhoto.ReadWrite.All", "User.ReadWrite.All"];
const MEMBER_OF: &[&str] = &[
    "User.Read.All",
    "User.ReadWrite.All",
    "GroupMember.Read.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const READ_LICENSES: &[&str] = &[
    "LicenseAssignment.Read.All",
    "LicenseAssignment.ReadWrite.All",
    "Organization.Read.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const READ_DETAILS: &[&str] = &[
    "LicenseAssignment.Read.All",
    "LicenseAssignment.ReadWrite.All",
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const ASSIGN: &[&str] = &[
    "LicenseAssignment.ReadWrite.All",
    "User.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const ASSIGN_GROUP: &[&str] = &[
    "LicenseAssignment.ReadWrite.All",
    "Group.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const READ_GROUPS: &[&str] = &[
    "GroupMember.Read.All",
    "Group.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const CREATE_GROUPS: &[&str] = &[
    "Group.Create",
    "Group.ReadWrite.All",
    "Directory.ReadWrite.All",
];
/// Members can be bound by PATCH with the member permission alone; the handler checks the rest.
const PATCH_GROUPS: &[&str] = &[
    "Group.ReadWrite.All",
    "Directory.ReadWrite.All",
    "GroupMember.ReadWrite.All",
];
const DELETE_GROUPS: &[&str] = &["Group.ReadWrite.All"];
const READ_MEMBERS: &[&str] = &[
    "GroupMember.Read.All",
    "Group.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
];
const WRITE_MEMBERS: &[&str] = &[
    "GroupMember.ReadWrite.All",
    "Group.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const READ_ORGANIZATION: &[&str] = &[
    "Organization.Read.All",
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const READ_DOMAINS: &[&str] = &[
    "Domain.Read.All",
    "Domain.ReadWrite.All",
    "Directory.Read.All",
];
const WRITE_DOMAINS: &[&str] = &["Domain.ReadWrite.All"];
const PATCH_DOMAINS: &[&str] = &[
    "Domain.ReadWrite.All",
    "Domain-InternalFederation.ReadWrite.All",
];
const READ_FEDERATION: &[&str] = &[
    "Domain-InternalFederation.Read.All",
    "Domain-InternalFederation.ReadWrite.All",
    "Domain.Read.All",
    "Domain.ReadWrite.All",
];
const WRITE_FEDERATION: &[&str] = &[
    "Domain-InternalFederation.ReadWrite.All",
    "Domain.ReadWrite.All",
];
const READ_POLICIES: &[&str] = &["Policy.Read.All"];
const READ_METHODS: &[&str] = &[
    "Policy.Read.AuthenticationMethod",
    "Policy.ReadWrite.AuthenticationMethod",
    "Policy.Read.All",
];
const WRITE_METHODS: &[&str] = &["Policy.ReadWrite.AuthenticationMethod"];
const WRITE_AUTHORIZATION: &[&str] = &["Policy.ReadWrite.Authorization"];
const READ_CA: &[&str] = &[
    "Policy.Read.All",
    "Policy.Read.ConditionalAccess",
    "Policy.ReadWrite.ConditionalAccess",
];
const WRITE_CA: &[&str] = &["Policy.ReadWrite.ConditionalAccess"];
const AUDIT: &[&str] = &["AuditLog.Read.All"];
const ROLES: &[&str] = &[
    "RoleManagement.Read.Directory",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
/// Lists of applications; single objects are checked by their handler, which knows whose they are.
const LIST_APPLICATIONS: &[&str] = &["Application.Read.All", "Directory.Read.All"];
const APPLICATIONS: &[&str] = &[
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const OWN_SECRETS: &[&str] = &["Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"];
/// The handler itself asks for proof.
const NONE_NEEDED: &[&str] = &[];
const MEMBERSHIP_METHODS: &[&str] = &[
    "UserAuthenticationMethod.Read.All",
    "UserAuthenticationMethod.ReadWrite.All",
];

type Row = (Verb, &'static str, u32, &'static [&'static str], Handler);

/// Literal segments stand before parameters where both would match.
#[rustfmt::skip]
const ROWS: &[Row] = {
    use Verb::{Delete, Get, Patch, Post, Put};
    &[
    (Get, "users", 2, READ_USERS, user_list::list),
    (Post, "users", 1, WRITE_USERS, users::create),
    (Get, "users/delta", 1, READ_FULL_USERS, delta::users),
    (Get, "users/$count", 2, READ_USERS, user_list::count),
    (Get, "users/{id}", 1, READ_USERS, users::read),
    (Patch, "users/{id}", 1, PATCH_USERS, users::update),
    (Delete, "users/{id}", 1, DELETE_USERS, users::delete),
    (Post, "users/{id}/assignLicense", 1, ASSIGN, licenses::assign),
    (Post, "users/{id}/reprocessLicenseAssignment", 1, WRITE_USERS, licenses::reprocess),
    (Post, "users/{id}/revokeSignInSessions", 1, REVOKE, users::revoke_sessions),
    (Get, "users/{id}/licenseDetails", 2, READ_DETAILS, skus::details),
    (Get, "users/{id}/manager", 1, READ_FULL_USERS, users::read_manager),
    (Get, "users/{id}/manager/$ref", 1, READ_FULL_USERS, users::read_manager_ref),
    (Put, "users/{id}/manager/$ref", 1, WRITE_USERS, users::set_manager),
    (Delete, "users/{id}/manager/$ref", 1, WRITE_USERS, users::remove_manager),
    (Get, "users/{id}/directReports", 1, READ_FULL_USERS, members::direct_reports),
    (Get, "users/{id}/memberOf", 2, MEMBER_OF, members::member_of),
    (Get, "users/{id}/transitiveMemberOf", 2, MEMBER_OF, members::transitive_member_of),
    (Get, "users/{id}/transitiveMemberOf/graph.group", 2, MEMBER_OF, members::transitive_groups),
    (Get, "users/{id}/photo", 1, READ_FULL_USERS, users::read_photo),
    (Get, "users/{id}/photo/$value", 1, READ_FULL_USERS, users::read_photo_bytes),
    (Put, "users/{id}/photo/$value", 1, PHOTOS, users::write_photo),
    (Patch, "users/{id}/photo/$value", 1, PHOTOS, users::write_photo),
    (Delete, "users/{id}/photo/$value", 1, PHOTOS, users::delete_photo),
    (Get, "users/{id}/appRoleAssignments", 2, READ_FULL_USERS, applications::user_role_assignments),
    (Get, "users/{id}/authentication/methods", 1, MEMBERSHIP_METHODS, users::authentication_methods),
    (Get, "users/{id}/authentication/requirements", 1, READ_POLICIES, users::read_mfa),
    (Patch, "users/{id}/authentication/requirements", 1, WRITE_METHODS, users::update_mfa),
    (Get, "directory/deletedItems/graph.user", 1, READ_FULL_USERS, user_list::list_deleted),
    (Get, "directory/deletedItems/graph.group", 1, READ_GROUPS, groups::list_deleted),
    (Get, "directory/deletedItems/{id}", 1, READ_FULL_USERS, deleted_items::read),
    (Delete, "directory/deletedItems/{id}", 1, RESTORE, deleted_items::purge),
    (Post, "directory/deletedItems/{id}/restore", 1, RESTORE, deleted_items::restore),
    (Get, "directory/subscriptions", 1, READ_ORGANIZATION, skus::list_subscriptions),
    (Get, "subscribedSkus", 3, READ_LICENSES, skus::list),
    (Get, "subscribedSkus/{id}", 1, READ_LICENSES, skus::read),
    (Get, "groups", 1, READ_GROUPS, groups::list),
    (Post, "groups", 1, CREATE_GROUPS, groups::create),
    (Get, "groups/delta", 1, READ_GROUPS, group_delta::groups),
    (Get, "groups/{id}", 1, READ_GROUPS, groups::read),
    (Patch, "groups/{id}", 1, PATCH_GROUPS, groups::update),
    (Delete, "groups/{id}", 1, DELETE_GROUPS, groups::delete),
    (Post, "groups/{id}/assignLicense", 1, ASSIGN_GROUP, group_licenses::assign_group),
    (Get, "groups/{id}/members", 3, READ_MEMBERS, members::list),
    (Get, "groups/{id}/members/$ref", 3, READ_MEMBERS, members::list_refs),
    (Post, "groups/{id}/members/$ref", 1, WRITE_MEMBERS, members::add),
    (Delete, "groups/{id}/members/{id}/$ref", 1, WRITE_MEMBERS, members::remove),
    (Get, "groups/{id}/transitiveMembers", 5, READ_MEMBERS, members::list_transitive),
    (Get, "groups/{id}/membersWithLicenseErrors", 1, READ_MEMBERS, members::list_license_errors),
    (Get, "organization", 1, READ_ORGANIZATION, domains::list_organization),
    (Get, "organization/{id}", 1, READ_ORGANIZATION, domains::read_organization),
    (Get, "domains", 1, READ_DOMAINS, domains::list),
    (Post, "domains", 1, WRITE_DOMAINS, domains::create),
    (Get, "domains/{id}", 1, READ_DOMAINS, domains::read),
    (Patch, "domains/{id}", 1, PATCH_DOMAINS, domains::update),
    (Delete, "domains/{id}", 1, WRITE_DOMAINS, domains::delete),
    (Get, "domains/{id}/domainNameReferences", 4, READ_DOMAINS, domains::references),
    (Get, "domains/{id}/verificationDnsRecords", 1, READ_DOMAINS, domains::dns_records),
    (Get, "domains/{id}/serviceConfigurationRecords", 1, READ_DOMAINS, domains::dns_records),
    (Get, "domains/{id}/rootDomain", 1, READ_DOMAINS, domains::root),
    (Post, "domains/{id}/verify", 1, WRITE_DOMAINS, domains::verify),
    (Post, "domains/{id}/promote", 1, WRITE_DOMAINS, domains::promote),
    (Post, "domains/{id}/forceDelete", 1, WRITE_DOMAINS, domains::force_delete),
    (Get, "domains/{id}/federationConfiguration", 1, READ_FEDERATION, domains::list_federation),
    (Post, "domains/{id}/federationConfiguration", 1, WRITE_FEDERATION, domains::create_federation),
    (Get, "domains/{id}/federationConfiguration/{id}", 1, READ_FEDERATION, domains::read_federation),
    (Patch, "domains/{id}/federationConfiguration/{id}", 1, WRITE_FEDERATION, domains::update_federation),
    (Delete, "domains/{id}/federationConfiguration/{id}", 1, WRITE_FEDERATION, domains::delete_federation),
    (Get, "directoryRoles", 1, ROLES, roles::list),
    (Get, "directoryRoles/{id}/members", 1, ROLES, roles::members),
    (Get, "applications", 2, LIST_APPLICATIONS, applications::list),
    (Get, "applications/{id}", 1, APPLICATIONS, applications::read),
    (Post, "applications/{id}/addPassword", 1, OWN_SECRETS, applications::add_password),
    (Post, "applications/{id}/removePassword", 1, OWN_SECRETS, applications::remove_password),
    (Patch, "applications/{id}", 1, OWN_SECRETS, own_keys::update),
    (Post, "applications/{id}/addKey", 1, NONE_NEEDED, own_keys::add_key),
    (Post, "applications/{id}/removeKey", 1, NONE_NEEDED, own_keys::remove_key),
    (Get, "applications(appId)/{id}", 1, APPLICATIONS, applications::read_by_app_id),
    (Get, "servicePrincipals", 1, LIST_APPLICATIONS, applications::list_principals),
    (Get, "servicePrincipals/{id}", 1, APPLICATIONS, applications::read_principal),
    (Get, "servicePrincipals/{id}/appRoleAssignments", 2, APPLICATIONS, applications::role_assignments),
    (Get, "servicePrincipals/{id}/oauth2PermissionGrants", 1, LIST_APPLICATIONS, applications::delegated_grants),
    (Get, "servicePrincipals(appId)/{id}", 1, APPLICATIONS, applications::read_principal_by_app_id),
    (Get, "policies/identitySecurityDefaultsEnforcementPolicy", 1, READ_POLICIES, policies::read_security_defaults),
    (Patch, "policies/identitySecurityDefaultsEnforcementPolicy", 1, READ_POLICIES, policies::update_security_defaults),
    (Get, "policies/authorizationPolicy", 1, READ_POLICIES, policies::read_authorization),
    (Patch, "policies/authorizationPolicy", 1, WRITE_AUTHORIZATION, policies::update_authorization),
    (Get, "policies/authenticationMethodsPolicy", 1, READ_METHODS, policies::read_methods),
    (Patch, "policies/authenticationMethodsPolicy", 1, WRITE_METHODS, policies::update_methods),
    (Get, "identity/conditionalAccess/policies", 1, READ_CA, policies::list_conditional_access),
    (Post, "identity/conditionalAccess/policies", 1, WRITE_CA, policies::create_conditional_access),
    (Get, "identity/conditionalAccess/policies/{id}", 1, READ_CA, policies::read_conditional_access),
    (Patch, "identity/conditionalAccess/policies/{id}", 1, WRITE_CA, policies::update_conditional_access),
    (Delete, "identity/conditionalAccess/policies/{id}", 1, WRITE_CA, policies::delete_conditional_access),
    (Get, "reports/authenticationMethods/userRegistrationDetails", 1, AUDIT, policies::list_registration),
    (Get, "auditLogs/directoryAudits", 1, AUDIT, policies::empty_log),
    (Get, "auditLogs/signIns", 1, AUDIT, policies::empty_log),
    ]
};

static ROUTES: LazyLock<HashMap<&'static str, Vec<Route>>> = LazyLock::new(|| {
    let mut routes: HashMap<&'static str, Vec<Route>> = HashMap::new();
    for (verb, template, units, accepts, handler) in ROWS {
        let segments: Vec<&'static str> = template.split('/').collect();
        let versions = if template.ends_with("authentication/requirements") {
            Versions::BetaOnly
        } else {
            Versions::Both
        };
        let name = format!(
            "{} /{}",
            verb.name(),
            template.replace("(appId)/{id}", "(appId='{id}')")
        );
        let route = Route {
            name,
            verb: *verb,
            segments,
            versions,
            units: *units,
            accepts,
            handler: *handler,
        };
        routes
            .entry(template.split('/').next().unwrap_or_default())
            .or_default()
            .push(route);
    }
    routes
});

/// Finds the route of a path.
pub(crate) fn find(verb: Verb, version: Version, path: &[String]) -> Found<'_> {
    let Some(candidates) = path.first().and_then(|first| ROUTES.get(first.as_str())) else {
        return Found::Nothing;
    };
    let mut wrong_verb = false;
    for route in candidates {
        let Some(params) = route.matches(path) else {
            continue;
        };
        if route.verb == verb && (route.versions == Versions::Both || version == Version::Beta) {
            return Found::Route(route, params);
        }
        wrong_verb = true;
    }
    if wrong_verb {
        Found::WrongVerb
    } else {
        Found::Nothing
    }
}

impl Route {
    fn matches<'a>(&self, path: &'a [String]) -> Option<Vec<&'a str>> {
        if path.len() != self.segments.len() {
            return None;
        }
        let mut params = Vec::new();
        for (wanted, given) in self.segments.iter().zip(path) {
            if *wanted == "{id}" {
                params.push(given.as_str());
            } else if !wanted.eq_ignore_ascii_case(given) {
                return None;
            }
        }
        Some(params)
    }

    pub(crate) fn is_write(&self) -> bool {
        self.verb != Verb::Get
    }
}
