//! One Graph client per connection, kept between runs: its token and what it learned of the
//! tenant's limits serve the next one too.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use app::connector::{Connector, Credential, stored};
use app::portal::Portal;
use signpost_app as app;
use signpost_graph::{Client, Observation, Observer};
use signpost_model::connection::ConnectionSettings;
use signpost_model::run::RunFailure;
use signpost_model::{ApplicationId, Timestamp};

use super::Interrupted;
use crate::metrics::{GraphLabels, count_graph_call};

/// The clients of this process.
pub(super) struct Clients {
    connector: Connector,
    known: Mutex<HashMap<ApplicationId, Known>>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients")
    }
}

/// A client with what it was made from: other settings make another.
struct Known {
    settings: ConnectionSettings,
    secret_saved_at: Option<Timestamp>,
    /// The certificate it signs in with; a secret's own time says when it is another one.
    certificate: Option<String>,
    /// A check may have followed on a new permission, which counts from the next token on.
    checked_at: Option<Timestamp>,
    client: Client,
}

impl Clients {
    pub(super) fn new(portal: &Portal) -> Self {
        Self {
            connector: Connector::of(portal),
            known: Mutex::default(),
        }
    }

    /// The client of an application's connection.
    pub(super) async fn of(
        &self,
        portal: &Portal,
        application: ApplicationId,
    ) -> Result<Client, Interrupted> {
        let mut db = portal.store.read().await?;
        let Some((connection, credential)) = stored(&portal.store, &mut db, application).await?
        else {
            return Err(failed(
                "The application has no connection yet. Fill in the settings on its Provisioning page and select Update Settings.",
            ));
        };
        drop(db);
        let certificate = match &credential {
            Credential::Certificate { certificate, .. } => Some(certificate.clone()),
            Credential::Secret(_) => None,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&application)
            && found.settings == connection.settings
            && found.secret_saved_at == connection.secret_saved_at
            && found.certificate == certificate
            && found.checked_at == connection.checked_at
        {
            return Ok(found.client.clone());
        }
        let made = self.connector.config(&connection.settings, &credential);
        let mut config = made.map_err(|problem| {
            failed(&format!(
                "The connection cannot be used: {problem}. Check its settings."
            ))
        })?;
        config.observer = Arc::new(Counter);
        let client = Client::new(config)
            .map_err(|_| failed("The connection cannot be used. Check its settings."))?;
        known.insert(
            application,
            Known {
                settings: connection.settings,
                secret_saved_at: connection.secret_saved_at,
                certificate,
                checked_at: connection.checked_at,
                client: client.clone(),
            },
        );
        Ok(client)
    }
}

fn failed(text: &str) -> Interrupted {
    Interrupted::Failed(RunFailure {
        text: text.to_owned(),
        code: None,
        request_id: None,
    })
}

/// Counts each call for `/metrics`.
#[derive(Debug)]
struct Counter;

impl Observer for Counter {
    fn observe(&self, observation: &Observation<'_>) {
        count_graph_call(&GraphLabels {
            method: observation.route.method.to_string(),
            route: observation.route.template.to_owned(),
            status: observation.status.unwrap_or(0),
        });
    }
}
