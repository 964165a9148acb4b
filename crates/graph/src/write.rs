//! Every change the client can make, as values: made, kept, batched, and only then sent.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Client, decode};
use crate::error::{Call, Error};
use crate::federation::FederationConfiguration;
use crate::ids::{DomainName, ObjectId, SkuId};
use crate::patch::{AccountPatch, GroupPatch, LicenseGrant, NewGroup, NewUser, to_json};
use crate::policies::PerUserMfa;
use crate::request::Request;
use crate::route::{self, Route};
use crate::transport::Answer;

/// One change to the tenant.
#[derive(Clone, Debug)]
pub enum Write {
    /// Creates a user. Not idempotent: after an unknown outcome look for its ImmutableId first.
    CreateUser(Box<NewUser>),
    /// Changes the properties of a user that the patch mentions.
    PatchUser {
        /// The account.
        id: ObjectId,
        /// What changes.
        patch: Box<AccountPatch>,
    },
    /// Moves a user to the deleted items.
    DeleteUser {
        /// The account.
        id: ObjectId,
    },
    /// Brings a user or group back from the deleted items.
    Restore {
        /// The deleted object.
        id: ObjectId,
        /// Another name, when the old one has been taken meanwhile.
        new_user_principal_name: Option<String>,
    },
    /// Gives and takes licenses of a user in one step. Adding one that is held replaces its
    /// disabled plans.
    AssignLicense {
        /// The account.
        id: ObjectId,
        /// Licenses to give.
        add: Vec<LicenseGrant>,
        /// Products to take.
        remove: Vec<SkuId>,
    },
    /// Lets Microsoft try again to give what groups grant to a user.
    ReprocessLicenses {
        /// The account.
        id: ObjectId,
    },
    /// Ends every session of a user; takes a few minutes.
    RevokeSessions {
        /// The account.
        id: ObjectId,
    },
    /// Sets a user's manager.
    SetManager {
        /// The account.
        id: ObjectId,
        /// The manager.
        manager: ObjectId,
    },
    /// Leaves a user without a manager.
    ClearManager {
        /// The account.
        id: ObjectId,
    },
    /// Creates a security group.
    CreateGroup(NewGroup),
    /// Changes the properties of a group that the patch mentions.
    PatchGroup {
        /// The group.
        id: ObjectId,
        /// What changes.
        patch: GroupPatch,
    },
    /// Deletes a group, as a rule for ever.
    DeleteGroup {
        /// The group.
        id: ObjectId,
    },
    /// Adds up to 20 members, all or none: one that is already in the group refuses them all.
    AddGroupMembers {
        /// The group.
        group: ObjectId,
        /// The members.
        members: Vec<ObjectId>,
    },
    /// Removes a member from a group.
    RemoveGroupMember {
        /// The group.
        group: ObjectId,
        /// The member.
        member: ObjectId,
    },
    /// Gives and takes licenses of a group; Microsoft works on its members afterwards.
    AssignGroupLicense {
        /// The group.
        id: ObjectId,
        /// Licenses to give.
        add: Vec<LicenseGrant>,
        /// Products to take.
        remove: Vec<SkuId>,
    },
    /// Whether Microsoft asks one user for a second factor at every sign-in.
    SetPerUserMfa {
        /// The account.
        id: ObjectId,
        /// The new state.
        state: PerUserMfa,
    },
    /// Federates a domain, for all of its users at once.
    CreateFederation {
        /// The domain.
        domain: DomainName,
        /// Base64 DER of the certificate that signs. Graph breaks the domain without it.
        signing_certificate: String,
        /// The rest.
        configuration: Box<FederationConfiguration>,
    },
    /// Changes the federation of a domain.
    PatchFederation {
        /// The domain.
        domain: DomainName,
        /// The configuration's id.
        id: Uuid,
        /// What changes.
        configuration: Box<FederationConfiguration>,
    },
    /// Turns security defaults on or off.
    SetSecurityDefaults {
        /// Whether they are to be in force.
        enabled: bool,
    },
    /// Makes a federated domain managed again, also one whose configuration cannot be read.
    SetDomainManaged {
        /// The domain.
        domain: DomainName,
    },
    /// Makes a federated domain managed again, by taking its configuration away.
    DeleteFederation {
        /// The domain.
        domain: DomainName,
        /// The configuration's id.
        id: Uuid,
    },
}

/// Most members one [`Write::AddGroupMembers`] may carry.
pub const MEMBERS_PER_WRITE: usize = 20;

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// HTTP status.
    pub status: u16,
    /// Graph's id of the request.
    pub request_id: Option<String>,
    /// The object that was created or restored.
    pub created: Option<ObjectId>,
}

impl Client {
    /// Makes one change. After an error ask [`Error::outcome_unknown`] before repeating it.
    pub async fn write(&self, write: Write) -> Result<Written, Error> {
        let (answer, call) = self.send(&write.to_request(self.base())).await?;
        written(answer, call)
    }
}

impl Write {
    /// The request that makes this change; `base` is Graph's address with version.
    pub fn to_request(&self, base: &str) -> Request {
        let (route, path, body) = match self {
            Self::CreateUser(user) => (
                &route::CREATE_USER,
                "/users".to_owned(),
                Some(user.to_json()),
            ),
            Self::PatchUser { id, patch } => (
                &route::PATCH_USER,
                format!("/users/{id}"),
                Some(patch.to_json()),
            ),
            Self::DeleteUser { id } => (&route::DELETE_USER, format!("/users/{id}"), None),
            Self::Restore {
                id,
                new_user_principal_name: name,
            } => (
                &route::RESTORE,
                format!("/directory/deletedItems/{id}/restore"),
                Some(restore_body(name)),
            ),
            Self::AssignLicense { id, add, remove } => (
                &route::ASSIGN_LICENSE,
                format!("/users/{id}/assignLicense"),
                Some(license_body(add, remove)),
            ),
            Self::ReprocessLicenses { id } => {
                let path = format!("/users/{id}/reprocessLicenseAssignment");
                (&route::REPROCESS_LICENSES, path, None)
            }
            Self::RevokeSessions { id } => (
                &route::REVOKE_SESSIONS,
                format!("/users/{id}/revokeSignInSessions"),
                None,
            ),
            Self::SetManager { id, manager } => {
                let body = json!({ "@odata.id": format!("{base}/users/{manager}") });
                (
                    &route::SET_MANAGER,
                    format!("/users/{id}/manager/$ref"),
                    Some(body),
                )
            }
            Self::ClearManager { id } => (
                &route::CLEAR_MANAGER,
                format!("/users/{id}/manager/$ref"),
                None,
            ),
            Self::CreateGroup(group) => (
                &route::CREATE_GROUP,
                "/groups".to_owned(),
                Some(group.to_json()),
            ),
            Self::PatchGroup { id, patch } => (
                &route::PATCH_GROUP,
                format!("/groups/{id}"),
                Some(to_json(patch)),
            ),
            Self::DeleteGroup { id } => (&route::DELETE_GROUP, format!("/groups/{id}"), None),
            Self::AddGroupMembers { group, members } => member_parts(base, *group, members),
            Self::RemoveGroupMember { group, member } => {
                // Without `$ref` this would delete the member itself.
                (
                    &route::REMOVE_MEMBER,
                    format!("/groups/{group}/members/{member}/$ref"),
                    None,
                )
            }
            Self::AssignGroupLicense { id, add, remove } => {
                let path = format!("/groups/{id}/assignLicense");
                (
                    &route::ASSIGN_GROUP_LICENSE,
                    path,
                    Some(license_body(add, remove)),
                )
            }
            Self::SetPerUserMfa { id, state } => (
                &route::SET_MFA_REQUIREMENTS,
                format!("/users/{id}/authentication/requirements"),
                Some(json!({ "perUserMfaState": state })),
            ),
            Self::CreateFederation {
                domain,
                signing_certificate,
                configuration,
            } => {
                let mut body = federation_body(configuration);
                body["signingCertificate"] = json!(signing_certificate);
                (
                    &route::CREATE_FEDERATION,
                    format!("/domains/{domain}/federationConfiguration"),
                    Some(body),
                )
            }
            Self::PatchFederation {
                domain,
                id,
                configuration,
            } => {
                let path = format!("/domains/{domain}/federationConfiguration/{id}");
                (
                    &route::PATCH_FEDERATION,
                    path,
                    Some(federation_body(configuration)),
                )
            }
            Self::SetSecurityDefaults { enabled } => (
                &route::SET_SECURITY_DEFAULTS,
                "/policies/identitySecurityDefaultsEnforcementPolicy".to_owned(),
                Some(json!({ "isEnabled": enabled })),
            ),
            Self::SetDomainManaged { domain } => (
                &route::PATCH_DOMAIN,
                format!("/domains/{domain}"),
                Some(json!({ "authenticationType": "Managed" })),
            ),
            Self::DeleteFederation { domain, id } => {
                let path = format!("/domains/{domain}/federationConfiguration/{id}");
                (&route::DELETE_FEDERATION, path, None)
            }
        };
        let mut request = Request::new(route, path);
        request.beta = matches!(self, Self::SetPerUserMfa { .. });
        match body {
            Some(body) => request.body(body),
            None => request,
        }
    }
}

type Parts = (&'static Route, String, Option<Value>);

/// One member by its own route, whose refusal is about that member alone; more in one write.
fn member_parts(base: &str, group: ObjectId, members: &[ObjectId]) -> Parts {
    let object = |id: &ObjectId| format!("{base}/directoryObjects/{id}");
    match members {
        [only] => {
            let body = json!({ "@odata.id": object(only) });
            (
                &route::ADD_MEMBER,
                format!("/groups/{group}/members/$ref"),
                Some(body),
            )
        }
        many => {
            let links: Vec<String> = many.iter().map(object).collect();
            let body = json!({ "members@odata.bind": links });
            (&route::ADD_MEMBERS, format!("/groups/{group}"), Some(body))
        }
    }
}

fn license_body(add: &[LicenseGrant], remove: &[SkuId]) -> Value {
    // Both lists are required, even when empty.
    json!({ "addLicenses": add, "removeLicenses": remove })
}

fn restore_body(new_name: &Option<String>) -> Value {
    match new_name {
        Some(name) => json!({ "newUserPrincipalName": name, "autoReconcileProxyConflict": true }),
        None => json!({}),
    }
}

fn federation_body(configuration: &FederationConfiguration) -> Value {
    let mut body = to_json(configuration);
    body["@odata.type"] = json!("#microsoft.graph.internalDomainFederation");
    body
}

#[derive(serde::Deserialize)]
struct Created {
    id: ObjectId,
}

/// Reads the answer to a write. A create whose answer has no id is an error: it happened, and
/// whoever goes on without the id would create again.
pub(crate) fn written(answer: Answer, call: Call) -> Result<Written, Error> {
    let creates = [&route::CREATE_USER, &route::CREATE_GROUP].contains(&call.route);
    let created = if creates {
        Some(decode::<Created>(&answer, call)?.id)
    } else if *call.route == route::RESTORE {
        decode::<Created>(&answer, call)
            .ok()
            .map(|object| object.id)
    } else {
        None
    };
    Ok(Written {
        status: answer.status,
        request_id: answer.headers.request_id,
        created,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://graph.microsoft.com/v1.0";
    const ADA: &str = "8c1e0000-0000-4000-8000-000000000001";

    fn ada() -> ObjectId {
        ADA.parse().unwrap()
    }

    fn body(write: &Write) -> Value {
        write.to_request(BASE).body.unwrap()
    }

    #[test]
    fn removing_a_member_always_ends_in_ref() {
        let write = Write::RemoveGroupMember {
            group: ada(),
            member: ada(),
        };
        let request = write.to_request(BASE);
        assert!(request.path().ends_with("/$ref"));
        assert!(request.body.is_none());
    }

    #[test]
    fn one_member_goes_by_reference_and_several_in_one_write() {
        let add = |members| Write::AddGroupMembers {
            group: ada(),
            members,
        };
        let link = format!("{BASE}/directoryObjects/{ADA}");
        assert_eq!(body(&add(vec![ada()])), json!({"@odata.id": link}));
        assert_eq!(
            body(&add(vec![ada(); 2])),
            json!({"members@odata.bind": [link, link]})
        );
    }

    #[test]
    fn federation_always_carries_its_certificate() {
        let write = Write::CreateFederation {
            domain: "contoso.com".parse().unwrap(),
            signing_certificate: "MIIC".to_owned(),
            configuration: Box::default(),
        };
        assert_eq!(body(&write)["signingCertificate"], "MIIC");
    }
}
