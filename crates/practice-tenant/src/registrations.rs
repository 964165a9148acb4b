//! The app registrations of the tenant: credentials, granted permissions, and what a token carries.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Millis;

/// One app registration together with its service principal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Registration {
    /// Names the registration in the control API: `good`, `expired-secret`, …
    pub(crate) key: String,
    pub(crate) name: String,
    /// Object id of the application.
    pub(crate) object_id: Uuid,
    pub(crate) app_id: Uuid,
    /// Object id of the service principal.
    pub(crate) principal_id: Uuid,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) permissions: Vec<String>,
    pub(crate) enabled: bool,
    /// Whether the service principal holds a role that reaches administrators (`graph.md` 4.4).
    pub(crate) privileged: bool,
    pub(crate) created: Millis,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Secret {
    pub(crate) key_id: Uuid,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) start: Millis,
    pub(crate) end: Millis,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) key_id: Uuid,
    pub(crate) name: String,
    /// The certificate's DER.
    pub(crate) der: Vec<u8>,
    pub(crate) start: Millis,
    pub(crate) end: Millis,
}

/// What a bearer token allows.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) app_id: Uuid,
    pub(crate) roles: Arc<[String]>,
    pub(crate) privileged: bool,
    pub(crate) expires: Millis,
}

impl Access {
    pub(crate) fn has(&self, permission: &str) -> bool {
        self.roles.iter().any(|role| role == permission)
    }

    pub(crate) fn has_any(&self, permissions: &[&str]) -> bool {
        permissions.iter().any(|permission| self.has(permission))
    }
}
