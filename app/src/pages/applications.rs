//! Applications: who has them, their way into the tenant, what may happen there.

mod access_editor;
mod assign;
mod assignments;
pub(crate) mod frame;
mod list;
mod mapping;
mod new;
mod powershell;
mod provisioning;
mod runs;
mod settings;
mod sign_on;

pub use assign::{AssignUsers, assign_selected};
pub use assignments::{Assignments, unassign};
pub use list::{Applications, ToAssignments};
pub use mapping::{AttributeMapping, save_mapping};
pub use new::{NewApplication, NewApplicationAccess, create_application, name_application};
pub use powershell::{PowerShellScripts, script_file};
pub use provisioning::{Provisioning, reload_licenses, update_settings};
pub use runs::{ApplicationRuns, preview_changes, sync_users};
pub use settings::{ApplicationSettings, change_access, delete_application, rename_application};
pub use sign_on::{
    SignOn, create_next_certificate, discard_next_certificate, import_key_file,
    import_next_certificate, logo_file, remove_group_factor, remove_logo, retire_certificate,
    save_group_factor, save_sign_on, switch_back_certificate, switch_certificate, upload_logo,
};

use leptos_router::hooks::use_params_map;
use signpost_model::{Application, ApplicationId};
use signpost_store::{Read, applications};

use crate::access::{READ, Route, WRITE};
use crate::error::PortalError;
use crate::forms::{FormErrors, Posted, Refusal};

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    ("GET", "/applications", READ),
    ("GET", "/applications/new", WRITE),
    ("GET", "/applications/new/access", WRITE),
    ("GET", "/applications/{id}", READ),
    ("GET", "/applications/{id}/assignments", READ),
    ("GET", "/applications/{id}/assignments/new", WRITE),
    ("GET", "/applications/{id}/provisioning", READ),
    ("GET", "/applications/{id}/mapping", READ),
    ("GET", "/applications/{id}/powershell", READ),
    ("GET", "/applications/{id}/powershell/{script}", READ),
    ("GET", "/applications/{id}/runs", READ),
    ("GET", "/applications/{id}/settings", READ),
    ("GET", "/applications/{id}/sign-on", READ),
    ("POST", "/api/applications/name", WRITE),
    ("POST", "/api/applications/create", WRITE),
    ("POST", "/api/applications/assign", WRITE),
    ("POST", "/api/applications/unassign", WRITE),
    ("POST", "/api/applications/update-settings", WRITE),
    ("POST", "/api/applications/reload-licenses", WRITE),
    ("POST", "/api/applications/mapping", WRITE),
    ("POST", "/api/applications/preview", WRITE),
    ("POST", "/api/applications/sync", WRITE),
    ("POST", "/api/applications/rename", WRITE),
    ("POST", "/api/applications/access", WRITE),
    ("POST", "/api/applications/delete", WRITE),
    ("POST", "/api/applications/sign-on", WRITE),
    ("POST", "/api/applications/group-factor", WRITE),
    ("POST", "/api/applications/group-factor/remove", WRITE),
    ("POST", "/api/applications/logo", WRITE),
    ("POST", "/api/applications/logo/remove", WRITE),
    ("POST", "/api/applications/certificates/next", WRITE),
    ("POST", "/api/applications/certificates/import", WRITE),
    ("POST", "/api/applications/certificates/import-file", WRITE),
    ("POST", "/api/applications/certificates/switch", WRITE),
    ("POST", "/api/applications/certificates/switch-back", WRITE),
    ("POST", "/api/applications/certificates/retire", WRITE),
    ("POST", "/api/applications/certificates/discard", WRITE),
];

/// What two operators at once are told; the second keeps what they typed.
const STALE: &str =
    "Somebody else changed this meanwhile. Your entries are still here; compare and save again.";

/// The application's id in the address of this page.
pub(crate) fn id_of_page() -> Result<ApplicationId, PortalError> {
    use leptos::prelude::WithUntracked as _;
    use_params_map()
        .with_untracked(|params| params.get("id"))
        .and_then(|id| id.parse().ok())
        .ok_or(PortalError::NotFound)
}

/// The application's id in the posted form.
pub(crate) fn id_of_form(posted: &Posted) -> Result<ApplicationId, PortalError> {
    posted
        .first("application")
        .parse()
        .map_err(|_| PortalError::NotFound)
}

/// The version that the posted form was made from.
pub(crate) fn version_of_form(posted: &Posted) -> Result<i64, PortalError> {
    posted
        .first("version")
        .parse()
        .map_err(|_| PortalError::BadRequest)
}

/// The application, or the error page.
pub(crate) async fn found(db: &mut Read, id: ApplicationId) -> Result<Application, PortalError> {
    applications::find(db, id)
        .await?
        .ok_or(PortalError::NotFound)
}

/// Turns "somebody else was faster" into a form that keeps what was typed.
pub(crate) fn or_stale(error: signpost_store::Error, back: &str) -> Refusal {
    match error {
        signpost_store::Error::Stale(_) => FormErrors::summary(STALE).refuse(back),
        other => other.into(),
    }
}
