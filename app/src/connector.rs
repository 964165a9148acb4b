//! The way into a tenant: a Graph client made from an application's connection.
//!
//! Pages use it to read; the worker uses it to carry plans out. Addresses come from the cloud,
//! never from a form.

use std::sync::Arc;
use std::time::Duration;

use signpost_graph as graph;
use signpost_model::connection::{ConnectionSettings, CredentialKind};
use signpost_model::{ApplicationId, Cloud, Random, Secret};
use signpost_store::connection_certificates::{self, Which};
use signpost_store::connections::{self, Connection};
use signpost_store::{Read, Store};

use crate::portal::{Portal, Practice};

/// Makes Graph clients for connections.
#[derive(Debug, Clone)]
pub struct Connector {
    clock: Arc<dyn graph::Clock>,
    random: Arc<dyn Random>,
    practice: Option<Practice>,
}

/// By what the application proves itself.
#[derive(Debug, Clone)]
pub enum Credential {
    Secret(Secret),
    /// DER and PKCS #8, both in base64 as they are stored.
    Certificate {
        certificate: String,
        key: Secret,
    },
}

impl Credential {
    fn for_graph(&self) -> Result<graph::Credential, ConnectorProblem> {
        match self {
            Self::Secret(secret) => Ok(graph::Credential::Secret(graph::SecretText::new(
                secret.expose(),
            ))),
            Self::Certificate { certificate, key } => {
                let certificate = pem("CERTIFICATE", certificate);
                let key = graph::SecretText::new(pem("PRIVATE KEY", key.expose()));
                graph::CertificateCredential::from_pem(&certificate, &key)
                    .map(graph::Credential::Certificate)
                    .map_err(|_| ConnectorProblem::Certificate)
            }
        }
    }
}

/// Base64 of DER with the armour that other programs want around it.
pub fn pem(label: &str, base64: &str) -> String {
    let letters: Vec<char> = base64.chars().collect();
    let lines: Vec<String> = letters
        .chunks(64)
        .map(|line| line.iter().collect())
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// Why there is no client for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorProblem {
    /// The practice tenant is chosen, and this server runs none.
    #[error("this server runs no practice tenant")]
    NoPracticeTenant,
    /// The tenant id is not one.
    #[error("the tenant id is not one")]
    TenantId,
    /// The client id is not one.
    #[error("the client id is not one")]
    ClientId,
    /// The stored certificate and its key do not fit.
    #[error("the stored certificate cannot be used")]
    Certificate,
    /// The machine's TLS or the practice tenant's address is not usable.
    #[error("the HTTP client cannot be set up")]
    SetUp,
}

/// A person waits for these calls: shorter limits than the worker's.
const WHILE_WAITED_FOR: graph::Limits = graph::Limits {
    connect: Duration::from_secs(5),
    read: Duration::from_secs(10),
    call: Duration::from_secs(10),
    body_bytes: 32 * 1024 * 1024,
    tries: 2,
    wait: Duration::from_secs(2),
    in_flight_start: 4,
    in_flight_most: 8,
};

impl Connector {
    /// Of this portal.
    pub fn of(portal: &Portal) -> Self {
        Self {
            clock: Arc::clone(&portal.graph_clock),
            random: Arc::clone(&portal.random),
            practice: portal.settings.practice.clone(),
        }
    }

    /// A client for a page: a person waits, so it gives up soon.
    pub fn for_page(
        &self,
        settings: &ConnectionSettings,
        credential: &Credential,
    ) -> Result<graph::Client, ConnectorProblem> {
        let mut config = self.config(settings, credential)?;
        config.limits = WHILE_WAITED_FOR;
        let client = graph::Client::new(config).map_err(|_| ConnectorProblem::SetUp)?;
        Ok(client.interactive())
    }

    /// What a client of this connection is made of: for the worker, which adds its own quota and
    /// observer.
    pub fn config(
        &self,
        settings: &ConnectionSettings,
        credential: &Credential,
    ) -> Result<graph::Config, ConnectorProblem> {
        let tenant = settings.tenant_id.parse();
        let client = settings.client_id.parse();
        let mut seed = [0u8; 8];
        self.random.fill(&mut seed);
        let mut config = graph::Config::new(
            self.cloud(settings.cloud)?,
            tenant.map_err(|_| ConnectorProblem::TenantId)?,
            client.map_err(|_| ConnectorProblem::ClientId)?,
            credential.for_graph()?,
            Arc::clone(&self.clock),
            u64::from_le_bytes(seed),
        );
        config.throttle = self.no_quota(settings.cloud);
        Ok(config)
    }

    /// A practice tenant without quotas needs no restraint, and measures how fast we are.
    fn no_quota(&self, cloud: Cloud) -> Option<graph::Throttle> {
        let practice = self.practice.as_ref()?;
        if cloud != Cloud::Practice || practice.throttled {
            return None;
        }
        let now = self.clock.now_ms();
        Some(graph::Throttle::new(graph::Quota::unlimited(), now))
    }

    /// Where this cloud is.
    pub fn cloud(&self, cloud: Cloud) -> Result<graph::Cloud, ConnectorProblem> {
        Ok(match cloud {
            Cloud::Microsoft365 => graph::Cloud::Global,
            Cloud::GccHigh => graph::Cloud::GccHigh,
            Cloud::Dod => graph::Cloud::Dod,
            Cloud::China => graph::Cloud::China,
            Cloud::Practice => {
                let practice = self.practice.as_ref();
                let practice = practice.ok_or(ConnectorProblem::NoPracticeTenant)?;
                let url = |text: &str| url::Url::parse(text).map_err(|_| ConnectorProblem::SetUp);
                graph::Cloud::Custom {
                    authority: url(&practice.authority)?,
                    graph: url(&practice.graph)?,
                }
            }
        })
    }
}

/// The connection of an application with what it proves itself by; `None` until both were saved.
pub async fn stored(
    store: &Store,
    db: &mut Read,
    application: ApplicationId,
) -> signpost_store::Result<Option<(Connection, Credential)>> {
    let Some(connection) = connections::find(db, application).await? else {
        return Ok(None);
    };
    let credential = stored_credential(store, db, application, connection.credential).await?;
    Ok(credential.map(|credential| (connection, credential)))
}

/// What the application of this connection proves itself by; `None` until it was saved.
pub async fn stored_credential(
    store: &Store,
    db: &mut Read,
    application: ApplicationId,
    kind: CredentialKind,
) -> signpost_store::Result<Option<Credential>> {
    let sealer = store.sealer();
    Ok(match kind {
        CredentialKind::Secret => connections::open_secret(db, sealer, application)
            .await?
            .map(Credential::Secret),
        CredentialKind::Certificate => {
            connection_certificates::open(db, sealer, application, Which::Current)
                .await?
                .map(|(certificate, key)| Credential::Certificate { certificate, key })
        }
    })
}
