//! The stored secret and certificate while they are replaced: a new one is tried before it takes
//! the old one's place.

use std::time::Duration;

use app::connector::{Connector, Credential, stored};
use app::portal::Portal;
use futures::future::BoxFuture;
use signpost_app as app;
use signpost_federation::Certificate;
use signpost_graph::{Client, ClientId, SecretText};
use signpost_model::connection::ConnectionSettings;
use signpost_model::{ApplicationId, Author, Secret};
use signpost_store::Result;
use signpost_store::connection_certificates::{self, Which};
use signpost_store::connections::{self, Renewed};
use signpost_store::runs::RunLease;
use signpost_sync::tenant::{InUse, OwnCredential};

use super::Worker;

/// A new credential is not known everywhere at once: it is tried for a minute and a half.
const TRIES: u32 = 16;
const PAUSE: Duration = Duration::from_secs(6);

/// Tokens in a row that prove a new credential: the first place that knows it is not every place.
const PROOFS: u32 = 3;
const BETWEEN_PROOFS: Duration = Duration::from_secs(3);

/// As many characters of a secret as Microsoft shows.
const HINT: usize = 3;

/// What one application signs in with.
#[derive(Debug)]
pub(super) struct StoredCredential {
    portal: Portal,
    application: ApplicationId,
    /// The client id; of nobody when there is no connection.
    pub(super) own: ClientId,
    settings: Option<ConnectionSettings>,
}

impl StoredCredential {
    /// Of the application of this run.
    pub(super) async fn of(worker: &Worker, lease: &RunLease) -> Result<Self> {
        let portal = worker.portal.clone();
        let application = lease.application_id;
        let connection = connections::find(&mut *portal.store.read().await?, application).await?;
        let settings = connection.map(|connection| connection.settings);
        let own = settings
            .as_ref()
            .and_then(|settings| settings.client_id.parse().ok());
        Ok(Self {
            portal,
            application,
            own: own.unwrap_or_else(|| ClientId::new(uuid::Uuid::nil())),
            settings,
        })
    }

    /// The certificate that waits to be used.
    pub(super) async fn waiting(&self) -> Result<Option<Certificate>> {
        let store = &self.portal.store;
        let mut db = store.read().await?;
        let next = connection_certificates::find(&mut db, self.application, Which::Next).await?;
        Ok(next.and_then(|next| Certificate::parse(&next.certificate).ok()))
    }

    async fn read_in_use(&self) -> Result<Option<InUse>> {
        let store = &self.portal.store;
        let mut db = store.read().await?;
        let known = stored(store, &mut db, self.application).await?;
        Ok(known.and_then(|(_, credential)| match credential {
            Credential::Secret(secret) => {
                Some(InUse::Secret(secret.expose().chars().take(HINT).collect()))
            }
            Credential::Certificate { certificate, .. } => Certificate::parse(&certificate)
                .ok()
                .map(|certificate| InUse::Certificate(certificate.sha1_fingerprint())),
        }))
    }

    async fn open_secret(&self) -> Option<Secret> {
        let store = &self.portal.store;
        let mut db = store.read().await.ok()?;
        let opened = connections::open_secret(&mut db, store.sealer(), self.application).await;
        opened.ok().flatten()
    }

    async fn try_and_keep(&self, new: SecretText) -> Result<(), String> {
        let broken =
            || "Signpost could not keep the new secret; the old one stays in use.".to_owned();
        let used = self.open_secret().await.ok_or_else(broken)?;
        let new = Secret::new(new.expose());
        let works = self.works(&Credential::Secret(new.clone())).await;
        if !works.ok_or_else(broken)? {
            return Err(
                "Microsoft does not accept the new secret; the old one stays in use.".to_owned(),
            );
        }
        let portal = &self.portal;
        let kept = async {
            let mut tx = portal.store.write().await?;
            let renewed = Renewed {
                used: &used,
                new: &new,
            };
            let (sealer, random) = (portal.store.sealer(), portal.random.as_ref());
            let (id, now, by) = (self.application, portal.clock.now(), &Author::SIGNPOST);
            connections::replace_secret(&mut tx, sealer, random, id, renewed, by, now).await?;
            tx.commit().await
        };
        kept.await.map_err(|error: signpost_store::Error| {
            tracing::error!(error = %error, "the new secret was not kept");
            broken()
        })
    }

    async fn try_and_switch(&self, certificate: &str) -> Result<(), String> {
        let broken = || "Signpost could not use the certificate; it goes on as before.".to_owned();
        let gone = || "The certificate does not wait here any more: make another one.".to_owned();
        let portal = &self.portal;
        let opened = async {
            let mut db = portal.store.read().await?;
            let (sealer, id) = (portal.store.sealer(), self.application);
            connection_certificates::open(&mut db, sealer, id, Which::Next).await
        };
        let opened = opened.await.map_err(|error| {
            tracing::error!(error = %error, "the certificate was not opened");
            broken()
        })?;
        let (waits, key) = opened.ok_or_else(gone)?;
        if waits != certificate {
            return Err(gone());
        }
        let credential = Credential::Certificate {
            certificate: waits,
            key,
        };
        if !self.works(&credential).await.ok_or_else(broken)? {
            return Err("Microsoft does not accept the certificate yet; Signpost goes on as before. Plan it again in a few minutes.".to_owned());
        }
        let kept = async {
            let mut tx = portal.store.write().await?;
            let (id, now, by) = (self.application, portal.clock.now(), &Author::SIGNPOST);
            connection_certificates::switch(&mut tx, id, certificate, by, now).await?;
            tx.commit().await
        };
        kept.await.map_err(|error: signpost_store::Error| {
            tracing::error!(error = %error, "the certificate was not kept");
            broken()
        })
    }

    /// Whether Microsoft gives a token for this credential; `None` when it cannot even be asked.
    async fn works(&self, credential: &Credential) -> Option<bool> {
        let settings = self.settings.as_ref()?;
        let config = Connector::of(&self.portal).config(settings, credential);
        let client = Client::new(config.ok()?).ok()?;
        let (mut tried, mut proofs) = (0, 0);
        loop {
            match client.renew_token().await {
                Ok(_) => proofs += 1,
                Err(error) => {
                    (tried, proofs) = (tried + 1, 0);
                    if tried == TRIES {
                        tracing::warn!(error = %error, "the new credential does not work");
                        return Some(false);
                    }
                }
            }
            match proofs {
                PROOFS => return Some(true),
                0 => tokio::time::sleep(PAUSE).await,
                _ => tokio::time::sleep(BETWEEN_PROOFS).await,
            }
        }
    }
}

impl OwnCredential for StoredCredential {
    fn in_use(&self) -> BoxFuture<'_, Option<InUse>> {
        Box::pin(async {
            self.read_in_use().await.unwrap_or_else(|error| {
                tracing::error!(error = %error, "what is in use could not be read");
                None
            })
        })
    }

    fn take_secret(&self, secret: SecretText) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.try_and_keep(secret))
    }

    fn has_certificate<'a>(&'a self, certificate: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let waiting = self.waiting().await.ok().flatten();
            waiting.is_some_and(|waits| waits.base64() == certificate)
        })
    }

    fn take_certificate<'a>(&'a self, certificate: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(self.try_and_switch(certificate))
    }
}
