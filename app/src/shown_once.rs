//! Secrets that a person sees once: sealed in their session until the next page takes them out.

use signpost_model::Secret;
use signpost_store::RowIdentity;
use tower_sessions::Session;

use crate::error::PortalError;
use crate::forms::internal;
use crate::portal::Portal;

/// What may wait to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One per line.
    RecoveryCodes,
    /// With which an operator or a user sets a password.
    OneTimeLink,
}

impl Kind {
    const fn key(self) -> &'static str {
        match self {
            Self::RecoveryCodes => "recovery_codes",
            Self::OneTimeLink => "one_time_link",
        }
    }
}

/// Keeps a secret for the page about `whom`.
pub async fn keep(
    portal: &Portal,
    session: &Session,
    kind: Kind,
    whom: &str,
    secret: &Secret,
) -> Result<(), PortalError> {
    let random = portal.random.as_ref();
    let sealed = portal
        .store
        .sealer()
        .seal(identity(kind, whom), secret, random)?;
    session
        .insert(kind.key(), sealed)
        .await
        .map_err(|error| internal(&error))
}

/// Takes the secret out, for the page about `whom` only.
pub async fn take(
    portal: &Portal,
    session: &Session,
    kind: Kind,
    whom: &str,
) -> Result<Option<Secret>, PortalError> {
    let waiting: Option<String> = session
        .get(kind.key())
        .await
        .map_err(|error| internal(&error))?;
    let Some(sealed) = waiting else {
        return Ok(None);
    };
    // Sealed for somebody else: that page has not been seen yet.
    let Ok(secret) = portal.store.sealer().open(identity(kind, whom), &sealed) else {
        return Ok(None);
    };
    session
        .remove::<String>(kind.key())
        .await
        .map_err(|error| internal(&error))?;
    Ok(Some(secret))
}

fn identity(kind: Kind, whom: &str) -> RowIdentity<'_> {
    RowIdentity {
        table: "sessions",
        column: kind.key(),
        id: whom,
    }
}
