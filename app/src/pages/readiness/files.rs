//! Files for the tenant's administrator: two scripts and the certificate, never its key.

use axum::Extension;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use signpost_federation::per_user_mfa_script;
use signpost_model::ApplicationId;
use signpost_store::connection_certificates::{self, Which};
use signpost_store::{connections, readiness};

use super::registration::script_of;
use crate::connector::pem;
use crate::error::PortalError;
use crate::pages::applications::found;
use crate::portal::Portal;
use crate::visit::Visit;

/// One of the files.
pub async fn file(
    Path((id, name)): Path<(String, String)>,
    Extension(portal): Extension<Portal>,
    Extension(_visit): Extension<Visit>,
) -> Response {
    match text_of(&portal, &id, &name).await {
        Ok((kind, text)) => (
            [
                (CONTENT_TYPE, kind.to_owned()),
                (
                    CONTENT_DISPOSITION,
                    format!("attachment; filename=\"{name}\""),
                ),
            ],
            text,
        )
            .into_response(),
        Err(error) => error.status().into_response(),
    }
}

const SCRIPT: &str = "text/plain; charset=utf-8";

async fn text_of(
    portal: &Portal,
    id: &str,
    name: &str,
) -> Result<(&'static str, String), PortalError> {
    let id: ApplicationId = id.parse().map_err(|_| PortalError::NotFound)?;
    let mut read = portal.store.read().await?;
    found(&mut read, id).await?;
    let settings = connections::find(&mut read, id)
        .await?
        .map(|connection| connection.settings);
    let next = connection_certificates::find(&mut read, id, Which::Next).await?;
    match name {
        "register.ps1" => {
            let chosen = readiness::features(&mut read, id).await?;
            let script = script_of(settings.as_ref(), &chosen, next.as_ref());
            Ok((SCRIPT, script))
        }
        "per-user-mfa.ps1" => {
            let settings = settings.ok_or(PortalError::NotFound)?;
            let (tenant, domain) = (&settings.tenant_id, &settings.domain);
            Ok((SCRIPT, per_user_mfa_script(settings.cloud, tenant, domain)))
        }
        "signpost.cer" => {
            let current = connection_certificates::find(&mut read, id, Which::Current).await?;
            let certificate = next.or(current).ok_or(PortalError::NotFound)?;
            let text = pem("CERTIFICATE", &certificate.certificate);
            Ok(("application/pkix-cert", text))
        }
        _ => Err(PortalError::NotFound),
    }
}
