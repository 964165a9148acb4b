//! Plans another secret or certificate for the application's own registration.

use signpost_graph::{Client, Registration};
use signpost_model::run::RunFailure;
use signpost_store::connections;
use signpost_store::runs::RunLease;
use signpost_sync::tenant::{
    self, InUse, ListedCertificate, ListedCredential, ListedSecret, OwnCredential as _, TenantPlan,
    WaitingCertificate,
};

use super::own_credential::StoredCredential;
use super::tenant::unread;
use super::{Interrupted, Worker};

/// How long a secret that Signpost makes lasts.
const SECRET_DAYS: i64 = 365;

/// The changes that give the registration another secret.
pub(super) async fn secret(
    worker: &Worker,
    lease: &RunLease,
    client: &Client,
) -> Result<TenantPlan, Interrupted> {
    let kept = StoredCredential::of(worker, lease).await?;
    let Some(InUse::Secret(in_use)) = kept.in_use().await else {
        return Ok(refused(
            "The application signs in with a certificate, or not at all: there is no secret to renew.",
        ));
    };
    if shares_registration(worker, lease).await? {
        return Ok(refused(
            "Another application here uses the same registration and may sign in with the same secret. Renew it by hand: the Readiness page says how.",
        ));
    }
    let found = client.application_credentials(kept.own).await;
    let Some(registration) = found.map_err(unread)? else {
        return Ok(refused(ELSEWHERE));
    };
    let id = id_of(&registration);
    let now = worker.now();
    let (listed, ends_at) = (listed_secrets(registration), now.plus_days(SECRET_DAYS));
    Ok(tenant::renew_secret(&id, &listed, &in_use, now, ends_at))
}

const ELSEWHERE: &str = "The registration lives in another tenant and cannot be changed from here.";

/// Permissions of which one lets an application with a secret change its own registration.
const WRITE_ITSELF: [&str; 2] = ["Application.ReadWrite.OwnedBy", "Application.ReadWrite.All"];

/// The changes that put the certificate which waits in the place of what is in use.
pub(super) async fn certificate(
    worker: &Worker,
    lease: &RunLease,
    client: &Client,
) -> Result<TenantPlan, Interrupted> {
    let kept = StoredCredential::of(worker, lease).await?;
    let Some(waits) = kept.waiting().await? else {
        return Ok(refused(
            "There is no certificate to upload. Make one first.",
        ));
    };
    let in_use = kept.in_use().await;
    if !matches!(in_use, Some(InUse::Certificate(_))) {
        // Whoever signs in with a certificate proves by it that the registration is theirs.
        // A permission that was just granted is in a new token only.
        let granted = client.renew_token().await.map_err(unread)?.roles;
        if !WRITE_ITSELF
            .iter()
            .any(|name| granted.contains(&(*name).to_owned()))
        {
            return Ok(refused(
                "The permission Application.ReadWrite.OwnedBy is missing. Grant it, or download the certificate and upload it in Entra: the Registration page says where.",
            ));
        }
    }
    let found = client.application_credentials(kept.own).await;
    let Some(registration) = found.map_err(unread)? else {
        return Ok(refused(ELSEWHERE));
    };
    let id = id_of(&registration);
    // What another application here may sign in with stays.
    let is_shared = shares_registration(worker, lease).await?;
    let in_use = match in_use {
        Some(InUse::Certificate(used)) => {
            let mut listed = registration.certificates;
            listed.retain(|one| one.has_thumbprint(&used) && !is_shared);
            let found = listed.pop().filter(|_| listed.is_empty());
            ListedCredential::Certificate(found.and_then(|found| {
                Some(ListedCertificate {
                    key_id: found.key_id?.to_string(),
                    thumbprint: used.clone(),
                })
            }))
        }
        Some(InUse::Secret(hint)) => {
            let mut listed = listed_secrets(registration);
            listed.retain(|secret| secret.hint == hint && !is_shared);
            // Of two that begin alike nobody can say which one is ours.
            ListedCredential::Secret(listed.pop().filter(|_| listed.is_empty()))
        }
        None => ListedCredential::Secret(None),
    };
    let waits = WaitingCertificate {
        thumbprint: waits.sha1_fingerprint(),
        certificate: waits.base64(),
        starts_at: waits.not_before(),
        ends_at: waits.not_after(),
    };
    Ok(tenant::use_certificate(&id, &waits, in_use))
}

async fn shares_registration(worker: &Worker, lease: &RunLease) -> Result<bool, Interrupted> {
    let mut db = worker.portal.store.read().await?;
    Ok(connections::shares_registration(&mut db, lease.application_id).await?)
}

fn id_of(registration: &Registration) -> String {
    registration.id.map(|id| id.to_string()).unwrap_or_default()
}

fn listed_secrets(registration: Registration) -> Vec<ListedSecret> {
    registration
        .secrets
        .into_iter()
        .filter_map(|secret| {
            Some(ListedSecret {
                key_id: secret.key_id?.to_string(),
                name: secret.display_name.unwrap_or_default(),
                hint: secret.hint.unwrap_or_default(),
            })
        })
        .collect()
}

fn refused(text: &str) -> TenantPlan {
    TenantPlan::Refused(RunFailure {
        text: text.to_owned(),
        code: None,
        request_id: None,
    })
}
