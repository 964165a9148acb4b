//! The stored secret while it is renewed: a new one is tried before it takes the old one's place.

use std::time::Duration;

use app::connector::{Connector, Credential};
use app::portal::Portal;
use futures::future::BoxFuture;
use signpost_app as app;
use signpost_graph::{Client, ClientId, SecretText};
use signpost_model::connection::{ConnectionSettings, CredentialKind};
use signpost_model::{ApplicationId, Author, Secret};
use signpost_store::Result;
use signpost_store::connections::{self, Renewed};
use signpost_store::runs::RunLease;
use signpost_sync::tenant::Secrets;

use super::Worker;

/// A new secret is not known everywhere at once: it is tried for a minute and a half.
const TRIES: u32 = 16;
const PAUSE: Duration = Duration::from_secs(6);

/// As many characters of a secret as Microsoft shows.
const HINT: usize = 3;

/// The secret of one application.
#[derive(Debug)]
pub(super) struct StoredSecret {
    portal: Portal,
    application: ApplicationId,
    /// The client id; of nobody when there is no connection.
    pub(super) own: ClientId,
    settings: Option<ConnectionSettings>,
}

impl StoredSecret {
    /// Of the application of this run, when it signs in with a secret.
    pub(super) async fn of(worker: &Worker, lease: &RunLease) -> Result<Option<Self>> {
        let known = Self::about(worker, lease).await?;
        Ok(known.settings.is_some().then_some(known))
    }

    /// Of the application of this run, whatever it signs in with.
    pub(super) async fn about(worker: &Worker, lease: &RunLease) -> Result<Self> {
        let portal = worker.portal.clone();
        let application = lease.application_id;
        let connection = connections::find(&mut *portal.store.read().await?, application).await?;
        let own = connection
            .as_ref()
            .and_then(|connection| connection.settings.client_id.parse().ok());
        let settings = connection
            .filter(|connection| connection.credential == CredentialKind::Secret)
            .map(|connection| connection.settings);
        Ok(Self {
            portal,
            application,
            own: own.unwrap_or_else(|| ClientId::new(uuid::Uuid::nil())),
            settings,
        })
    }

    async fn open(&self) -> Option<Secret> {
        self.settings.as_ref()?;
        let store = &self.portal.store;
        let mut db = store.read().await.ok()?;
        let opened = connections::open_secret(&mut db, store.sealer(), self.application).await;
        opened.ok().flatten()
    }

    async fn try_and_keep(&self, new: SecretText) -> std::result::Result<(), String> {
        let broken =
            || "Signpost could not keep the new secret; the old one stays in use.".to_owned();
        let (Some(settings), Some(used)) = (&self.settings, self.open().await) else {
            return Err(broken());
        };
        let new = Secret::new(new.expose());
        let credential = Credential::Secret(new.clone());
        let config = Connector::of(&self.portal).config(settings, &credential);
        let client = Client::new(config.map_err(|_| broken())?).map_err(|_| broken())?;
        let mut tried = 0;
        while let Err(error) = client.renew_token().await {
            tried += 1;
            if tried == TRIES {
                tracing::warn!(error = %error, "the new secret does not work");
                return Err(
                    "Microsoft does not accept the new secret; the old one stays in use."
                        .to_owned(),
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
        let portal = &self.portal;
        let kept = async {
            let mut tx = portal.store.write().await?;
            let renewed = Renewed {
                used: &used,
                new: &new,
            };
            let (sealer, random) = (portal.store.sealer(), portal.random.as_ref());
            let (id, now) = (self.application, portal.clock.now());
            connections::replace_secret(
                &mut tx,
                sealer,
                random,
                id,
                renewed,
                &Author::SIGNPOST,
                now,
            )
            .await?;
            tx.commit().await
        };
        kept.await.map_err(|error: signpost_store::Error| {
            tracing::error!(error = %error, "the new secret was not kept");
            broken()
        })
    }
}

impl Secrets for StoredSecret {
    fn hint(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async {
            let secret = self.open().await?;
            Some(secret.expose().chars().take(HINT).collect())
        })
    }

    fn take(&self, secret: SecretText) -> BoxFuture<'_, std::result::Result<(), String>> {
        Box::pin(self.try_and_keep(secret))
    }
}
