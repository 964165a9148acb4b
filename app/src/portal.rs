//! What pages and server functions work with: the store, the clock, the ways to the outside.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use leptos::prelude::use_context;
use signpost_graph as graph;
use signpost_model::{Clock, Random};
use signpost_store::Store;
use tokio::sync::Notify;

use crate::error::PortalError;
use crate::identity::Providers;
use crate::passwords::Passwords;

/// Everything the portal needs to answer; the server builds it once.
#[derive(Debug, Clone)]
pub struct Portal {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    /// The same time, as Graph's client reads it and waits by it.
    pub graph_clock: Arc<dyn graph::Clock>,
    pub random: Arc<dyn Random>,
    pub passwords: Passwords,
    pub settings: Arc<PortalSettings>,
    /// Set once an owner exists; it never goes back.
    pub set_up: Arc<AtomicBool>,
    /// Identity providers whose keys were opened.
    pub providers: Providers,
    /// Wakes the worker of this process: a run was queued.
    pub worker: Arc<Notify>,
    /// Wakes whoever sends mail in this process: something was put in line.
    pub mailer: Arc<Notify>,
}

impl Portal {
    /// Whether browsers reach us over TLS.
    pub fn is_secure(&self) -> bool {
        self.settings.public_url.starts_with("https://")
    }
}

/// What the installation's configuration says about itself.
#[derive(Debug, Clone)]
pub struct PortalSettings {
    /// The address people use, without a trailing slash; links and scripts are made from it.
    pub public_url: String,
    /// The practice tenant that this server runs or was pointed to, if there is one.
    pub practice: Option<Practice>,
}

/// Where the practice tenant of this installation answers.
#[derive(Debug, Clone)]
pub struct Practice {
    /// Base of its token endpoint, as Microsoft's authority.
    pub authority: String,
    /// Base of its Graph, without the version.
    pub graph: String,
    /// Its page for people.
    pub page: String,
    pub tenant_id: String,
    pub client_id: String,
    pub secret: String,
    pub domain: String,
    /// Whether it enforces Microsoft's quotas.
    pub throttled: bool,
}

/// The portal of the request being answered.
pub fn portal() -> Result<Portal, PortalError> {
    use_context::<Portal>().ok_or(PortalError::BadRequest)
}
