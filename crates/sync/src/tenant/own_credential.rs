//! What the application itself signs in with: its secret and its certificate, replaced in its own
//! registration.

use std::fmt;

use futures::future::BoxFuture;
use signpost_graph::{
    self as graph, Client, ClientId, RegisteredCertificate, RegisteredSecret, SecretText,
};
use signpost_model::Timestamp;
use uuid::Uuid;

use super::{Answer, ReadFailure, Standing};
use crate::apply::graph_tenant::{judge, not_graphs, read_failure};

/// What the application signs in with: kept by the caller, sealed.
pub trait OwnCredential: fmt::Debug + Send + Sync {
    /// What is in use now; `None` when that cannot be told.
    fn in_use(&self) -> BoxFuture<'_, Option<InUse>>;

    /// Tries a new secret and keeps it in the place of the one in use. An error, in words, leaves
    /// the old one in use.
    fn take_secret(&self, secret: SecretText) -> BoxFuture<'_, Result<(), String>>;

    /// Whether the key of the certificate with this DER in base64 still waits here.
    fn has_certificate<'a>(&'a self, certificate: &'a str) -> BoxFuture<'a, bool>;

    /// Tries the certificate with this DER in base64, whose key waits here, and uses it from then
    /// on. An error, in words, leaves everything as it was.
    fn take_certificate<'a>(&'a self, certificate: &'a str) -> BoxFuture<'a, Result<(), String>>;
}

/// What an application signs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InUse {
    /// A secret that starts so, as registrations list it.
    Secret(String),
    /// The certificate with this SHA-1 thumbprint, in hexadecimal.
    Certificate(String),
}

/// The application's own registration.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnRegistration<'a> {
    pub(super) client: &'a Client,
    /// The client id of the application itself.
    pub(super) own: ClientId,
    pub(super) kept: &'a dyn OwnCredential,
}

impl OwnRegistration<'_> {
    pub(super) async fn standing_of_add_secret(self, name: &str) -> Result<Standing, ReadFailure> {
        let named = |secret: &RegisteredSecret| secret.display_name.as_deref() == Some(name);
        Ok(match self.secret(named).await? {
            None => Standing::Before,
            Some(secret) if self.uses_secret(&secret).await => Standing::After,
            // Its value is not known to us: nothing may be built on it.
            Some(_) => Standing::Other,
        })
    }

    pub(super) async fn standing_of_remove_secret(
        self,
        key_id: &str,
    ) -> Result<Standing, ReadFailure> {
        let wanted: Option<Uuid> = key_id.parse().ok();
        let meant = |secret: &RegisteredSecret| secret.key_id.is_some() && secret.key_id == wanted;
        Ok(match self.secret(meant).await? {
            None => Standing::After,
            // Whoever removed it would lock Signpost out.
            Some(secret) if self.uses_secret(&secret).await => Standing::Other,
            Some(_) => Standing::Before,
        })
    }

    /// In use is more than listed: it was tried. One that is only listed is tried again.
    pub(super) async fn standing_of_add_certificate(self, thumbprint: &str) -> Standing {
        match self.kept.in_use().await {
            Some(InUse::Certificate(used)) if used.eq_ignore_ascii_case(thumbprint) => {
                Standing::After
            }
            _ => Standing::Before,
        }
    }

    pub(super) async fn standing_of_remove_certificate(
        self,
        key_id: &str,
        thumbprint: &str,
    ) -> Result<Standing, ReadFailure> {
        let wanted: Option<Uuid> = key_id.parse().ok();
        let meant = |one: &RegisteredCertificate| one.key_id.is_some() && one.key_id == wanted;
        if self.certificate(meant).await?.is_none() {
            return Ok(Standing::After);
        }
        let removable = match self.kept.in_use().await {
            Some(InUse::Certificate(used)) => !used.eq_ignore_ascii_case(thumbprint),
            Some(InUse::Secret(_)) => true,
            None => false,
        };
        Ok(if removable {
            Standing::Before
        } else {
            Standing::Other
        })
    }

    /// Makes a secret, and uses it when it works; one that does not is removed again.
    pub(super) async fn add_secret(
        self,
        registration: &str,
        name: &str,
        ends_at: Timestamp,
    ) -> Answer {
        let (Ok(registration), Some(ends_at)) = (registration.parse(), ends_at.to_jiff()) else {
            return not_graphs("The registration's id is none.");
        };
        let made = match self.client.add_password(registration, name, ends_at).await {
            Ok(made) => made,
            Err(error) => return judge(Err(error)),
        };
        match self.kept.take_secret(made.value).await {
            Ok(()) => DONE,
            Err(why) => {
                let undone = self.client.remove_password(registration, made.key_id).await;
                let left = if undone.is_err() {
                    " The new secret stays in the registration; the next renewal removes it."
                } else {
                    ""
                };
                not_graphs(&format!("{why}{left}"))
            }
        }
    }

    pub(super) async fn remove_secret(self, registration: &str, key_id: &str) -> Answer {
        let (Ok(registration), Ok(key_id)) = (registration.parse(), key_id.parse()) else {
            return not_graphs("The secret's id is none.");
        };
        let removed = self.client.remove_password(registration, key_id).await;
        judge(removed.map(written))
    }

    /// Uploads a certificate unless it is there already, and uses it when it works. One that does
    /// not work yet stays uploaded: it opens nothing without the key that is here.
    pub(super) async fn add_certificate(
        self,
        registration: &str,
        thumbprint: &str,
        certificate: &str,
        (starts_at, ends_at): (Timestamp, Timestamp),
    ) -> Answer {
        let days = (starts_at.to_jiff(), ends_at.to_jiff());
        let (Ok(registration), (Some(starts_at), Some(ends_at))) = (registration.parse(), days)
        else {
            return not_graphs("The registration or the certificate's days cannot be read.");
        };
        let listed = |one: &RegisteredCertificate| one.has_thumbprint(thumbprint);
        let listed = match self.client.application_credentials(self.own).await {
            Ok(found) => found.is_some_and(|found| found.certificates.iter().any(listed)),
            Err(error) => return judge(Err(error)),
        };
        if !listed {
            if !self.kept.has_certificate(certificate).await {
                return not_graphs(
                    "The certificate does not wait here any more: make another one.",
                );
            }
            let new = graph::NewCertificate {
                name: &format!("Signpost {thumbprint}"),
                base64: certificate,
                starts_at,
                ends_at,
            };
            let uploaded = self
                .client
                .add_certificate(self.own, registration, &new)
                .await;
            match uploaded {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), graph::ErrorKind::Forbidden { .. }) => {
                    let mut answer = judge(Err(error));
                    if let Answer::Refused { failure, .. } = &mut answer {
                        NOT_ALLOWED.clone_into(&mut failure.message);
                    }
                    return answer;
                }
                Err(error) => return judge(Err(error)),
            }
        }
        match self.kept.take_certificate(certificate).await {
            Ok(()) => DONE,
            Err(why) => not_graphs(&why),
        }
    }

    pub(super) async fn remove_certificate(self, registration: &str, key_id: &str) -> Answer {
        let (Ok(registration), Ok(key_id)) = (registration.parse(), key_id.parse()) else {
            return not_graphs("The certificate's id is none.");
        };
        let client = self.client;
        let removed = client
            .remove_certificate(self.own, registration, key_id)
            .await;
        judge(removed.map(written))
    }

    async fn secret(
        self,
        is_meant: impl Fn(&RegisteredSecret) -> bool,
    ) -> Result<Option<RegisteredSecret>, ReadFailure> {
        let found = self.client.application_credentials(self.own).await;
        let found = found.map_err(|error| read_failure(&error))?;
        let mut secrets = found.map(|found| found.secrets).unwrap_or_default();
        secrets.retain(is_meant);
        Ok(secrets.pop())
    }

    async fn certificate(
        self,
        is_meant: impl Fn(&RegisteredCertificate) -> bool,
    ) -> Result<Option<RegisteredCertificate>, ReadFailure> {
        let found = self.client.application_credentials(self.own).await;
        let found = found.map_err(|error| read_failure(&error))?;
        let mut listed = found.map(|found| found.certificates).unwrap_or_default();
        listed.retain(is_meant);
        Ok(listed.pop())
    }

    /// Where either does not say, it counts as in use.
    async fn uses_secret(self, secret: &RegisteredSecret) -> bool {
        match self.kept.in_use().await {
            Some(InUse::Certificate(_)) => false,
            Some(InUse::Secret(hint)) => secret.hint.as_ref().is_none_or(|listed| *listed == hint),
            None => true,
        }
    }
}

const NOT_ALLOWED: &str = "Microsoft does not let Signpost change its own registration: it needs Application.ReadWrite.OwnedBy and must own the registration. Download the certificate and upload it in Entra instead: the Registration page says where.";

const DONE: Answer = Answer::Done {
    request_id: None,
    object_id: None,
};

fn written((): ()) -> graph::Written {
    graph::Written {
        status: 204,
        request_id: None,
        created: None,
    }
}
