//! Every call the client can make: method, template, cost, and who may make it.

use std::fmt;

/// HTTP method of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, or runs an action.
    Post,
    /// Changes some properties.
    Patch,
    /// Replaces.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// The method as HTTP spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    pub(crate) fn as_http(self) -> http::Method {
        match self {
            Self::Get => http::Method::GET,
            Self::Post => http::Method::POST,
            Self::Patch => http::Method::PATCH,
            Self::Put => http::Method::PUT,
            Self::Delete => http::Method::DELETE,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a call takes from the quotas of application and tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Resource units.
    pub units: u32,
    /// Writes.
    pub writes: u32,
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            units: self.units + other.units,
            writes: self.writes + other.writes,
        }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |a, b| a + b)
    }
}

/// One kind of call. Templates keep metrics and logs free of ids.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// HTTP method.
    pub method: Method,
    /// Path with placeholders for ids.
    pub template: &'static str,
    /// Application permissions of which one suffices, the least first; empty when none is needed.
    pub permissions: &'static [&'static str],
    /// Resource units as the client sends it: with `$select`, so one less than the list price.
    pub(crate) units: u32,
}

impl Route {
    const fn new(
        method: Method,
        template: &'static str,
        units: u32,
        permissions: &'static [&'static str],
    ) -> Self {
        Self {
            method,
            template,
            permissions,
            units,
        }
    }

    /// Whether the call changes the tenant.
    pub fn is_write(&self) -> bool {
        self.method != Method::Get && self.template != TOKEN.template
    }

    /// Whether one of the `granted` permissions suffices for this call.
    pub fn is_allowed_by(&self, granted: &[String]) -> bool {
        self.permissions.is_empty()
            || granted
                .iter()
                .any(|name| self.permissions.contains(&name.as_str()))
    }

    pub(crate) fn cost(&self) -> Cost {
        Cost {
            units: self.units,
            writes: u32::from(self.is_write()),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.template)
    }
}

const READ_USERS: &[&str] = &[
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITE_USERS: &[&str] = &["User.ReadWrite.All", "Directory.ReadWrite.All"];
const DELETE_USERS: &[&str] = &["User.DeleteRestore.All", "User.ReadWrite.All"];
const READ_GROUPS: &[&str] = &[
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITE_GROUPS: &[&str] = &["Group.ReadWrite.All", "Directory.ReadWrite.All"];
const WRITE_MEMBERS: &[&str] = &[
    "GroupMember.ReadWrite.All",
    "Group.ReadWrite.All",
    "Directory.ReadWrite.All",
];
const READ_ROLES: &[&str] = &[
    "RoleManagement.Read.Directory",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITE_FEDERATION: &[&str] = &[
    "Domain-InternalFederation.ReadWrite.All",
    "Domain.ReadWrite.All",
];

use Method::{Delete, Get, Patch, Post, Put};

macro_rules! routes {
    ($($name:ident = $method:ident $template:literal, $units:literal, $permissions:expr;)*) => {
        $(pub(crate) static $name: Route = Route::new($method, $template, $units, $permissions);)*

        /// Every route, for tests that walk them and for tables of metrics.
        pub static ROUTES: &[&Route] = &[$(&$name),*];
    };
}

routes! {
    TOKEN = Post "/{tenant}/oauth2/v2.0/token", 0, &[];
    BATCH = Post "/$batch", 0, &[];
    ORGANIZATION = Get "/organization", 1,
        &["Organization.Read.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];
    DOMAINS = Get "/domains", 1,
        &["Domain.Read.All", "Domain.ReadWrite.All", "Directory.Read.All"];
    SKUS = Get "/subscribedSkus", 2,
        &["LicenseAssignment.Read.All", "LicenseAssignment.ReadWrite.All", "Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"];
    APPLICATION = Get "/applications(appId='{id}')", 1,
        &["Application.Read.All", "Application.ReadWrite.OwnedBy", "Directory.Read.All", "Directory.ReadWrite.All"];
    ROLES = Get "/directoryRoles", 1, READ_ROLES;
    ROLE_MEMBERS = Get "/directoryRoles/{id}/members", 1, READ_ROLES;
    USERS = Get "/users", 1, READ_USERS;
    USER_COUNT = Get "/users/$count", 1, READ_USERS;
    USERS_DELTA = Get "/users/delta", 1, READ_USERS;
    USER = Get "/users/{id}", 1, READ_USERS;
    LICENSE_DETAILS = Get "/users/{id}/licenseDetails", 1,
        &["LicenseAssignment.Read.All", "LicenseAssignment.ReadWrite.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];
    DELETED_USERS = Get "/directory/deletedItems/microsoft.graph.user", 1, READ_USERS;
    GROUPS = Get "/groups", 1, READ_GROUPS;
    GROUP = Get "/groups/{id}", 1, READ_GROUPS;
    GROUPS_DELTA = Get "/groups/delta", 1, READ_GROUPS;
    GROUP_MEMBERS = Get "/groups/{id}/members", 2, READ_GROUPS;
    FEDERATION = Get "/domains/{id}/federationConfiguration", 1,
        &["Domain-InternalFederation.Read.All", "Domain-InternalFederation.ReadWrite.All", "Domain.Read.All", "Domain.ReadWrite.All"];
    SECURITY_DEFAULTS = Get "/policies/identitySecurityDefaultsEnforcementPolicy", 1,
        &["Policy.Read.All"];
    SET_SECURITY_DEFAULTS = Patch "/policies/identitySecurityDefaultsEnforcementPolicy", 1,
        &["Policy.ReadWrite.SecurityDefaults", "Policy.ReadWrite.ConditionalAccess"];
    AUTHORIZATION_POLICY = Get "/policies/authorizationPolicy", 1,
        &["Policy.Read.All"];
    METHODS_POLICY = Get "/policies/authenticationMethodsPolicy", 1,
        &["Policy.Read.AuthenticationMethod", "Policy.ReadWrite.AuthenticationMethod", "Policy.Read.All"];
    CONDITIONAL_ACCESS = Get "/identity/conditionalAccess/policies", 1,
        &["Policy.Read.All", "Policy.Read.ConditionalAccess", "Policy.ReadWrite.ConditionalAccess"];
    REGISTRATION_DETAILS = Get "/reports/authenticationMethods/userRegistrationDetails", 1,
        &["AuditLog.Read.All"];
    MFA_REQUIREMENTS = Get "/users/{id}/authentication/requirements", 1,
        &["Policy.Read.All"];
    SET_MFA_REQUIREMENTS = Patch "/users/{id}/authentication/requirements", 1,
        &["Policy.ReadWrite.AuthenticationMethod"];
    ADD_PASSWORD = Post "/applications/{id}/addPassword", 1,
        &["Application.ReadWrite.OwnedBy", "Application.ReadWrite.All"];
    REMOVE_PASSWORD = Post "/applications/{id}/removePassword", 1,
        &["Application.ReadWrite.OwnedBy", "Application.ReadWrite.All"];
    ADD_KEY = Post "/applications/{id}/addKey", 1, &[];
    REMOVE_KEY = Post "/applications/{id}/removeKey", 1, &[];
    PATCH_APPLICATION = Patch "/applications/{id}", 1,
        &["Application.ReadWrite.OwnedBy", "Application.ReadWrite.All"];
    CREATE_USER = Post "/users", 1, WRITE_USERS;
    PATCH_USER = Patch "/users/{id}", 1, WRITE_USERS;
    DELETE_USER = Delete "/users/{id}", 1, DELETE_USERS;
    RESTORE = Post "/directory/deletedItems/{id}/restore", 1, DELETE_USERS;
    ASSIGN_LICENSE = Post "/users/{id}/assignLicense", 1,
        &["LicenseAssignment.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"];
    REPROCESS_LICENSES = Post "/users/{id}/reprocessLicenseAssignment", 1, WRITE_USERS;
    REVOKE_SESSIONS = Post "/users/{id}/revokeSignInSessions", 1,
        &["User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All"];
    SET_MANAGER = Put "/users/{id}/manager/$ref", 1, WRITE_USERS;
    CLEAR_MANAGER = Delete "/users/{id}/manager/$ref", 1, WRITE_USERS;
    CREATE_GROUP = Post "/groups", 1,
        &["Group.Create", "Group.ReadWrite.All", "Directory.ReadWrite.All"];
    PATCH_GROUP = Patch "/groups/{id}", 1, WRITE_GROUPS;
    DELETE_GROUP = Delete "/groups/{id}", 1, &["Group.ReadWrite.All"];
    ADD_MEMBERS = Patch "/groups/{id}", 1, WRITE_MEMBERS;
    ADD_MEMBER = Post "/groups/{id}/members/$ref", 1, WRITE_MEMBERS;
    REMOVE_MEMBER = Delete "/groups/{id}/members/{member}/$ref", 1, WRITE_MEMBERS;
    ASSIGN_GROUP_LICENSE = Post "/groups/{id}/assignLicense", 1,
        &["LicenseAssignment.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"];
    PATCH_DOMAIN = Patch "/domains/{id}", 1, WRITE_FEDERATION;
    CREATE_FEDERATION = Post "/domains/{id}/federationConfiguration", 1, WRITE_FEDERATION;
    PATCH_FEDERATION = Patch "/domains/{id}/federationConfiguration/{configuration}", 1, WRITE_FEDERATION;
    DELETE_FEDERATION = Delete "/domains/{id}/federationConfiguration/{configuration}", 1, WRITE_FEDERATION;
}
