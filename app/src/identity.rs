//! Signpost as the identity provider of an application's domain: addresses, keys, and what signs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use signpost_federation::{
    Certificate, Endpoints, IdentityProvider, RelyingParty, Signer, SigningKey as Key,
};
use signpost_model::{Application, ApplicationId, Cloud, Secret, SignOnSettings, Timestamp};
use signpost_store::connections::{self, Connection};
use signpost_store::logos::{self, Logo};
use signpost_store::signing_keys::{self, SigningKey, SigningKeyState};
use signpost_store::{applications, sign_on};
use url::Url;

use crate::error::PortalError;
use crate::forms::internal;
use crate::portal::Portal;
use crate::urls;

/// How many years a signing certificate may last.
pub const CERTIFICATE_YEARS: std::ops::RangeInclusive<i64> = 1..=3;
/// How many it lasts unless somebody chooses.
pub const USUAL_YEARS: i64 = 3;
/// How far back it is valid, against clocks that are behind.
const BACK_DAYS: i64 = 1;

/// Where the identity provider of an application answers; from the configured public address,
/// never from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    pub issuer: String,
    pub sign_in: String,
    pub sign_out: String,
    pub metadata: String,
}

impl Addresses {
    /// The addresses of this application. Microsoft takes only https ones: a portal that is still
    /// on http says what they would be. The practice tenant comes to where the portal is.
    pub fn of(portal: &Portal, cloud: Cloud, id: ApplicationId) -> Self {
        let public = portal.settings.public_url.as_str();
        let base = match public.strip_prefix("http://") {
            Some(rest) if cloud != Cloud::Practice => format!("https://{rest}"),
            _ => public.to_owned(),
        };
        Self {
            issuer: format!("{base}{}", urls::federation(id)),
            sign_in: format!("{base}{}", urls::federation_sign_in(id)),
            sign_out: format!("{base}{}", urls::federation_sign_out(id)),
            metadata: format!("{base}{}", urls::federation_metadata(id)),
        }
    }
}

/// The identity provider of one application with what it goes by.
#[derive(Debug, Clone)]
pub struct Issuer {
    pub application: Application,
    pub connection: Connection,
    pub settings: SignOnSettings,
    pub addresses: Addresses,
    pub provider: Arc<IdentityProvider>,
    /// Only where a page shows it.
    pub logo: Option<Logo>,
}

impl Issuer {
    /// The provider of this application; `None` until it is connected with a tenant.
    pub async fn find(portal: &Portal, id: ApplicationId) -> Result<Option<Self>, PortalError> {
        let mut read = portal.store.read().await?;
        let Some(application) = applications::find(&mut read, id).await? else {
            return Ok(None);
        };
        let Some(connection) = connections::find(&mut read, id).await? else {
            return Ok(None);
        };
        let settings = sign_on::find(&mut read, id).await?;
        drop(read);
        let cloud = connection.settings.cloud;
        let Some(relying_party) = relying_party(portal, cloud) else {
            return Ok(None);
        };
        let addresses = Addresses::of(portal, cloud, id);
        let certificate = current_certificate(portal, id, &connection.settings.domain).await?;
        let fitting = Fitting {
            domain: connection.settings.domain.to_ascii_lowercase(),
            issuer: addresses.issuer.clone(),
            reply: relying_party.reply_address().to_owned(),
            certificate,
        };
        let provider = match portal.providers.find(id, &fitting) {
            Some(known) => known,
            None => {
                let signer = open_signer(portal, id, &fitting.certificate).await?;
                let made = Arc::new(IdentityProvider {
                    domain: fitting.domain.clone(),
                    issuer_uri: fitting.issuer.clone(),
                    relying_party,
                    signer,
                });
                portal.providers.keep(id, fitting, Arc::clone(&made));
                made
            }
        };
        Ok(Some(Self {
            application,
            connection,
            settings,
            addresses,
            provider,
            logo: None,
        }))
    }

    /// The provider with its picture, for a page.
    pub async fn find_for_page(
        portal: &Portal,
        id: ApplicationId,
    ) -> Result<Option<Self>, PortalError> {
        let Some(issuer) = Self::find(portal, id).await? else {
            return Ok(None);
        };
        let logo = logos::find(&mut *portal.store.read().await?, id).await?;
        Ok(Some(Self { logo, ..issuer }))
    }

    /// The metadata document, with the next certificate beside the current one.
    pub async fn metadata(&self, portal: &Portal) -> Result<String, PortalError> {
        let known =
            signing_keys::list(&mut *portal.store.read().await?, self.application.id).await?;
        let next = known
            .iter()
            .find(|known| known.state == SigningKeyState::Next)
            .map(|known| Certificate::parse(&known.certificate))
            .transpose()
            .map_err(|error| internal(&error))?;
        let endpoints = Endpoints {
            sign_in: self.addresses.sign_in.clone(),
            sign_out: self.addresses.sign_out.clone(),
        };
        self.provider
            .metadata(&endpoints, next.as_ref())
            .map_err(|error| internal(&error))
    }
}

/// Microsoft's side: from the fixed list of clouds, or the practice tenant of this installation.
fn relying_party(portal: &Portal, cloud: Cloud) -> Option<RelyingParty> {
    match cloud {
        Cloud::Practice => {
            let practice = portal.settings.practice.as_ref()?;
            RelyingParty::practice(&Url::parse(&practice.authority).ok()?)
        }
        other => RelyingParty::of(other),
    }
}

/// Providers whose keys were opened, one per application, so that a token costs one signature.
#[derive(Debug, Clone, Default)]
pub struct Providers(Arc<Mutex<HashMap<ApplicationId, Kept>>>);

/// A provider, and what it was made of.
type Kept = (Fitting, Arc<IdentityProvider>);

/// What a kept provider was made of: with anything else it is made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fitting {
    domain: String,
    issuer: String,
    reply: String,
    certificate: String,
}

impl Providers {
    fn find(&self, id: ApplicationId, fitting: &Fitting) -> Option<Arc<IdentityProvider>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&id)
            .filter(|(made_of, _)| made_of == fitting)
            .map(|(_, provider)| Arc::clone(provider))
    }

    fn keep(&self, id: ApplicationId, fitting: Fitting, provider: Arc<IdentityProvider>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(id, (fitting, provider));
    }
}

/// The certificate that signs, as base64; its key is made and sealed on first need.
pub async fn current_certificate(
    portal: &Portal,
    id: ApplicationId,
    domain: &str,
) -> Result<String, PortalError> {
    let known = signing_keys::list(&mut *portal.store.read().await?, id).await?;
    if let Some(current) = known
        .into_iter()
        .find(|known| known.state == SigningKeyState::Current)
    {
        return Ok(current.certificate);
    }
    let made = make_key(portal, domain, USUAL_YEARS, portal.clock.now()).await?;
    let kept = keep_key(portal, id, SigningKeyState::Current, &made).await?;
    Ok(kept.certificate)
}

/// Keeps a key that was made, unless there is one in its state already.
async fn keep_key(
    portal: &Portal,
    id: ApplicationId,
    state: SigningKeyState,
    made: &SigningKey,
) -> Result<SigningKey, PortalError> {
    let (sealer, random) = (portal.store.sealer(), portal.random.as_ref());
    let now = portal.clock.now();
    let mut tx = portal.store.write().await?;
    let kept = signing_keys::create(&mut tx, sealer, random, id, state, made, now).await?;
    tx.commit().await?;
    Ok(kept)
}

async fn open_signer(
    portal: &Portal,
    id: ApplicationId,
    certificate: &str,
) -> Result<Signer, PortalError> {
    let state = SigningKeyState::Current;
    let sealer = portal.store.sealer();
    let stored = signing_keys::find(&mut *portal.store.read().await?, sealer, id, state).await?;
    // Switched between two statements: the next request finds the new one.
    let stored = stored
        .filter(|stored| stored.certificate == certificate)
        .ok_or(PortalError::Busy)?;
    let key = Key::parse(&stored.private_key).map_err(|error| internal(&error))?;
    let certificate = Certificate::parse(certificate).map_err(|error| internal(&error))?;
    Signer::new(key, certificate).ok_or_else(|| internal(&UnfittingKey))
}

#[derive(Debug, thiserror::Error)]
#[error("the stored certificate does not belong to the stored key")]
struct UnfittingKey;

/// A new key with its certificate for the tokens of a domain, good for some years from now.
pub async fn make_key(
    portal: &Portal,
    domain: &str,
    years: i64,
    now: Timestamp,
) -> Result<SigningKey, PortalError> {
    let mut serial = [0u8; 16];
    portal.random.fill(&mut serial);
    let (not_before, not_after) = (now.plus_days(-BACK_DAYS), now.plus_days(365 * years - 2));
    let domain = domain.to_owned();
    // Making an RSA key takes a noticeable part of a second of one core.
    let made = tokio::task::spawn_blocking(move || {
        let key = Key::generate()?;
        let certificate = key.certify(&domain, serial, not_before, not_after)?;
        Ok::<(Secret, Certificate), signpost_federation::certificate::KeyProblem>((
            key.to_secret()?,
            certificate,
        ))
    })
    .await
    .map_err(|error| internal(&error))?;
    let (private_key, certificate) = made.map_err(|error| internal(&error))?;
    Ok(SigningKey {
        private_key,
        certificate: certificate.base64(),
        not_before,
        not_after,
    })
}
