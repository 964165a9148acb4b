//! The ids of Microsoft Graph's application permissions, as a registration asks for them.

/// Name and app role id, the same in every tenant and cloud.
const APP_ROLES: &[(&str, &str)] = &[
    ("User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
    ("User.ReadBasic.All", "97235f07-e226-4f63-ace3-39588e11d3a1"),
    ("User.ReadWrite.All", "741f803b-c850-494e-b5df-cde7c675a1ca"),
    (
        "User.EnableDisableAccount.All",
        "3011c876-62b7-4ada-afa2-506cbbecc68c",
    ),
    (
        "User.RevokeSessions.All",
        "77f3a031-c388-4f99-b373-dc68676a979e",
    ),
    (
        "User.DeleteRestore.All",
        "eccc023d-eccf-4e7b-9683-8813ab36cecc",
    ),
    (
        "User-PasswordProfile.ReadWrite.All",
        "cc117bb9-00cf-4eb8-b580-ea2a878fe8f7",
    ),
    (
        "User-Phone.ReadWrite.All",
        "86ceff06-c822-49ff-989a-d912845ffe69",
    ),
    (
        "User-Mail.ReadWrite.All",
        "280d0935-0796-47d1-8d26-273470a3f17a",
    ),
    (
        "User.ManageIdentities.All",
        "c529cfca-c91b-489c-af2b-d92990b66ce6",
    ),
    (
        "User-LifeCycleInfo.ReadWrite.All",
        "925f1248-0f97-47b9-8ec8-538c54e01325",
    ),
    (
        "User-OnPremisesSyncBehavior.ReadWrite.All",
        "a94a502d-0281-4d15-8cd2-682ac9362c4c",
    ),
    (
        "ProfilePhoto.ReadWrite.All",
        "27baa7f6-5dfb-4ba8-b1d3-1e812c143013",
    ),
    ("Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61"),
    (
        "Directory.ReadWrite.All",
        "19dbc75e-c2e2-444c-a770-ec69d8559fc7",
    ),
    (
        "Organization.Read.All",
        "498476ce-e0fe-48b0-b801-37ba7e2685c6",
    ),
    ("Domain.Read.All", "dbb9058a-0e50-45d7-ae91-66909b5d4664"),
    (
        "Domain.ReadWrite.All",
        "7e05723c-0bb0-42da-be95-ae9f08a6e53c",
    ),
    (
        "Domain-InternalFederation.Read.All",
        "c0e5a7b0-e8b7-40a7-b8e0-8249e6ea81d5",
    ),
    (
        "Domain-InternalFederation.ReadWrite.All",
        "64d40371-8d58-4270-bc8a-b4a66de36b9a",
    ),
    (
        "LicenseAssignment.Read.All",
        "e2f98668-2877-4f38-a2f4-8202e0717aa1",
    ),
    (
        "LicenseAssignment.ReadWrite.All",
        "5facf0c1-8979-4e95-abcf-ff3d079771c0",
    ),
    ("Group.Create", "bf7b1a76-6e77-406b-b258-bf5c7720e98f"),
    ("Group.Read.All", "5b567255-7703-4780-807c-7be8301ae99b"),
    (
        "Group.ReadWrite.All",
        "62a82d76-70ea-41e2-9197-370581804d09",
    ),
    (
        "GroupMember.Read.All",
        "98830695-27a2-44f7-8c18-0c3ebc9698f6",
    ),
    (
        "GroupMember.ReadWrite.All",
        "dbaae8cf-10b5-4b86-a4a1-f871c94c6695",
    ),
    ("Policy.Read.All", "246dd0d5-5bd0-4def-940b-0421030a5b68"),
    (
        "Policy.Read.ConditionalAccess",
        "37730810-e9ba-4e46-b07e-8ca78d182097",
    ),
    (
        "Policy.ReadWrite.ConditionalAccess",
        "01c0a623-fc9b-48e9-b794-0756f8e8f067",
    ),
    (
        "Policy.ReadWrite.SecurityDefaults",
        "1c6e93a6-28e2-4cbb-9f64-1a46a821124d",
    ),
    (
        "Policy.Read.AuthenticationMethod",
        "8e3bc81b-d2f3-4b7b-838c-32c88218d2f0",
    ),
    (
        "Policy.ReadWrite.AuthenticationMethod",
        "29c18626-4985-4dcd-85c0-193eef327366",
    ),
    (
        "Policy.ReadWrite.Authorization",
        "fb221be6-99f2-473f-bd32-01c6a0e9ca3b",
    ),
    (
        "UserAuthenticationMethod.Read.All",
        "38d9df27-64da-44fd-b7c5-a6fbac20248f",
    ),
    (
        "UserAuthenticationMethod.ReadWrite.All",
        "50483e42-d915-4231-9639-7fdb7fd190e5",
    ),
    ("AuditLog.Read.All", "b0afded3-3588-46d8-8b3d-9842eff778da"),
    (
        "Application.Read.All",
        "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    ),
    (
        "Application.ReadWrite.OwnedBy",
        "18a4783c-866b-4cc7-a460-3d5e5662c884",
    ),
    (
        "AppRoleAssignment.ReadWrite.All",
        "06b708a9-e830-4db3-a914-8e69da51d44f",
    ),
    (
        "RoleManagement.Read.Directory",
        "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
    ),
    (
        "OnPremDirectorySynchronization.Read.All",
        "bb70e231-92dc-4729-aff5-697b3f04be95",
    ),
    ("Reports.Read.All", "230c1aed-a721-4c5d-9cb4-a90514e508ef"),
];

/// The id of an application permission; `None` for a name that Microsoft Graph does not have.
pub fn app_role_id(name: &str) -> Option<&'static str> {
    APP_ROLES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, id)| *id)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_id_is_one_and_stands_once() {
        let mut seen = HashSet::new();
        for (name, id) in APP_ROLES {
            assert!(uuid::Uuid::try_parse(id).is_ok(), "{name}");
            assert!(seen.insert(name) && seen.insert(id), "{name}");
        }
    }

    /// Whoever makes a registration with what our calls name gets no error.
    #[test]
    fn the_least_permission_of_every_call_has_an_id() {
        for route in crate::route::ROUTES {
            if let Some(least) = route.permissions.first() {
                assert!(app_role_id(least).is_some(), "{least}");
            }
        }
    }
}
