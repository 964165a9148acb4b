//! Directory roles and who holds them (`graph.md` 8.1).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::{Outcome, Refusal};
use crate::request::Call;
use crate::tenant::{Tenant, UserNo};

/// An activated directory role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DirectoryRole {
    pub(crate) id: Uuid,
    pub(crate) template_id: Uuid,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) members: Vec<UserNo>,
}

impl DirectoryRole {
    fn json(&self) -> Value {
        json!({"id": self.id, "deletedDateTime": null, "description": self.description, "displayName": self.name, "roleTemplateId": self.template_id})
    }

    /// With `@odata.type`, as lists of mixed objects show it.
    pub(crate) fn json_typed(&self) -> Value {
        let mut value = self.json();
        value["@odata.type"] = json!("#microsoft.graph.directoryRole");
        value
    }
}

/// `GET /directoryRoles`.
pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let all = tenant
        .roles
        .iter()
        .map(|role| crate::objects::select(role.json(), call))
        .collect();
    Ok(crate::objects::list(call, "directoryRoles", all))
}

/// `GET /directoryRoles/{id}/members`.
pub(crate) fn members(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = call.object_id(0)?;
    let role = tenant
        .roles
        .iter()
        .find(|role| role.id == id)
        .ok_or_else(|| Refusal::not_found(call.param(0)))?;
    let user = |no: &UserNo| {
        let user = tenant.user(*no);
        json!({
            "@odata.type": "#microsoft.graph.user", "id": user.id, "userPrincipalName": user.upn(),
            "displayName": user.text(crate::fields::Field::DisplayName),
        })
    };
    crate::objects::page(
        call,
        "directoryObjects",
        role.members.iter().map(user).collect(),
    )
}
