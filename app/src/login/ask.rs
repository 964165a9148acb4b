//! What is asked of a sign-in, as it waits in the database until somebody has signed in.

use serde::{Deserialize, Serialize};
use signpost_federation::Demands;
use signpost_federation::saml::{AuthnRequest, LogoutRequest};
use signpost_federation::wsfed::SignInRequest;
use signpost_model::random::random_token;
use signpost_model::time::MINUTE_MS;
use signpost_model::{ApplicationId, Timestamp};
use signpost_store::sign_ins::{self, NewSignIn};
use signpost_store::{TokenHash, Write};

use crate::error::PortalError;
use crate::forms::internal;
use crate::portal::Portal;
use crate::urls;

/// How long a request waits.
pub const WAITS_MS: i64 = 15 * MINUTE_MS;

/// A request that waits for somebody to sign in or out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Ask {
    WsFed {
        context: Option<String>,
        login_hint: Option<String>,
        #[serde(default)]
        demands: StoredDemands,
    },
    Saml {
        id: String,
        relay_state: Option<String>,
        login_hint: Option<String>,
        #[serde(default)]
        demands: StoredDemands,
    },
    /// Ends the session, then tells Microsoft so.
    SamlLogout {
        id: String,
        relay_state: Option<String>,
    },
    /// The user's own page.
    OwnPage,
}

/// [`Demands`] as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoredDemands {
    max_age_minutes: Option<u32>,
    multi_factor: bool,
    passive: bool,
}

impl From<Demands> for StoredDemands {
    fn from(demands: Demands) -> Self {
        Self {
            max_age_minutes: demands.max_age_minutes,
            multi_factor: demands.multi_factor,
            passive: demands.passive,
        }
    }
}

impl From<StoredDemands> for Demands {
    fn from(stored: StoredDemands) -> Self {
        Self {
            max_age_minutes: stored.max_age_minutes,
            multi_factor: stored.multi_factor,
            passive: stored.passive,
        }
    }
}

impl From<SignInRequest> for Ask {
    fn from(request: SignInRequest) -> Self {
        Self::WsFed {
            context: request.context,
            login_hint: request.login_hint,
            demands: request.demands.into(),
        }
    }
}

impl From<AuthnRequest> for Ask {
    fn from(request: AuthnRequest) -> Self {
        Self::Saml {
            id: request.id,
            relay_state: request.relay_state,
            login_hint: request.login_hint,
            demands: request.demands.into(),
        }
    }
}

impl From<LogoutRequest> for Ask {
    fn from(request: LogoutRequest) -> Self {
        Self::SamlLogout {
            id: request.id,
            relay_state: request.relay_state,
        }
    }
}

impl Ask {
    /// What the sign-in must be like.
    pub fn demands(&self) -> Demands {
        match self {
            Self::WsFed { demands, .. } | Self::Saml { demands, .. } => (*demands).into(),
            Self::SamlLogout { .. } | Self::OwnPage => Demands::default(),
        }
    }

    /// A user name to fill in beforehand; nothing is decided by it.
    pub fn login_hint(&self) -> &str {
        match self {
            Self::WsFed { login_hint, .. } | Self::Saml { login_hint, .. } => {
                login_hint.as_deref().unwrap_or_default()
            }
            Self::SamlLogout { .. } | Self::OwnPage => "",
        }
    }

    /// The id that the asker gave its message, if an answer to it must not be given twice.
    fn message_id(&self) -> Option<String> {
        match self {
            Self::Saml { id, .. } => Some(id.clone()),
            _ => None,
        }
    }
}

/// Why a request does not wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotKept {
    /// Its message was answered before.
    Replayed,
    Error(PortalError),
}

impl From<PortalError> for NotKept {
    fn from(error: PortalError) -> Self {
        Self::Error(error)
    }
}

impl From<signpost_store::Error> for NotKept {
    fn from(error: signpost_store::Error) -> Self {
        Self::Error(error.into())
    }
}

/// Keeps a request until somebody has signed in; returns where the browser goes on.
pub async fn keep(
    portal: &Portal,
    application: Option<ApplicationId>,
    ask: &Ask,
) -> Result<String, NotKept> {
    let mut tx = portal.store.write().await?;
    let token = keep_in(&mut tx, portal, application, ask).await?;
    tx.commit().await?;
    Ok(urls::login(&token))
}

async fn keep_in(
    tx: &mut Write,
    portal: &Portal,
    application: Option<ApplicationId>,
    ask: &Ask,
) -> Result<String, NotKept> {
    let now = portal.clock.now();
    let message_id = ask.message_id();
    if let (Some(application), Some(message_id)) = (application, &message_id)
        && sign_ins::was_answered(tx, application, message_id).await?
    {
        return Err(NotKept::Replayed);
    }
    let token = random_token(portal.random.as_ref());
    let new = NewSignIn {
        application_id: application,
        request: serde_json::to_string(ask).map_err(|error| internal(&error))?,
        message_id,
        created_at: now,
        expires_at: expiry(now),
    };
    sign_ins::create(tx, &request_hash(&token), &new).await?;
    Ok(token)
}

fn expiry(now: Timestamp) -> Timestamp {
    now.plus_millis(WAITS_MS)
}

/// What the database knows a waiting request by.
pub fn request_hash(token: &str) -> TokenHash {
    TokenHash::of("sign-in request", token)
}
