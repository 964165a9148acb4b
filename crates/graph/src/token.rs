//! Access tokens: fetched once, shared, renewed early, one request at a time.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde::Deserialize;

use crate::cloud::Cloud;
use crate::credential::{Assertion, CertificateCredential, Credential};
use crate::error::{Call, Error, ErrorKind};
use crate::ids::{ClientId, TenantId};
use crate::route::TOKEN;
use crate::secret::SecretText;
use crate::sender::Sender;
use crate::throttle::Priority;
use crate::token_error::{TokenError, TokenErrorKind};
use crate::transport::{Outgoing, put};

/// What an access token says about the application that holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// The application permissions an administrator has granted. Empty before consent.
    pub roles: Vec<String>,
    /// The tenant's id.
    #[serde(rename = "tid")]
    pub tenant_id: Option<String>,
    /// The registration's display name.
    #[serde(rename = "app_displayname")]
    pub application_name: Option<String>,
    /// Object id of the application's service principal.
    #[serde(rename = "oid")]
    pub service_principal: Option<String>,
}

/// One access token.
pub(crate) struct Token {
    pub(crate) value: SecretText,
    pub(crate) claims: Claims,
    expires_ms: i64,
    renew_ms: AtomicI64,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires_ms", &self.expires_ms)
            .finish_non_exhaustive()
    }
}

/// How long before its end a token is replaced.
const RENEW_BEFORE_MS: i64 = 5 * 60 * 1_000;

/// While the endpoint is away and the old token still holds, it is asked this often.
const RENEW_AGAIN_MS: i64 = 30_000;

#[derive(Debug)]
pub(crate) struct Tokens {
    endpoint: String,
    scope: String,
    client: ClientId,
    credential: Credential,
    current: Mutex<Option<Arc<Token>>>,
    /// Held while a request is under way.
    last_failure: tokio::sync::Mutex<Option<Failure>>,
    /// Requests made so far, to tell who waited for one from who comes after it.
    fetches: AtomicU64,
}

/// How the last request failed, and when the next one may be made.
#[derive(Clone, Debug)]
struct Failure {
    error: Error,
    in_a_row: u32,
    retry_at_ms: i64,
    is_delay_asked: bool,
}

impl Tokens {
    pub(crate) fn new(
        cloud: &Cloud,
        tenant: &TenantId,
        client: ClientId,
        credential: Credential,
    ) -> Self {
        Self {
            endpoint: cloud.token_endpoint(tenant),
            scope: cloud.scope(),
            client,
            credential,
            current: Mutex::default(),
            last_failure: tokio::sync::Mutex::default(),
            fetches: AtomicU64::default(),
        }
    }

    /// The current token, or a new one when it is about to end. While the endpoint is away, an
    /// old token serves to its last second.
    pub(crate) async fn get(
        &self,
        sender: &Sender,
        priority: Priority,
    ) -> Result<Arc<Token>, Error> {
        if let Some(token) = self.fresh(sender) {
            return Ok(token);
        }
        let fresh = |tokens: &Self| tokens.fresh(sender);
        let now = sender.clock.now_ms();
        let Some(old) = self.held().filter(|token| now < token.expires_ms) else {
            return self.exchange(sender, priority, fresh).await;
        };
        match self.exchange_once(sender, 0, fresh).await {
            Ok(token) => Ok(token),
            Err(failure) if failure.error.is_retryable() => {
                old.renew_ms.store(now + RENEW_AGAIN_MS, Ordering::Relaxed);
                Ok(old)
            }
            Err(failure) => Err(failure.error),
        }
    }

    /// A token other than `refused`.
    pub(crate) async fn replace(
        &self,
        sender: &Sender,
        priority: Priority,
        refused: &Arc<Token>,
    ) -> Result<Arc<Token>, Error> {
        self.exchange(sender, priority, |tokens| {
            tokens
                .fresh(sender)
                .filter(|token| !Arc::ptr_eq(token, refused))
        })
        .await
    }

    /// A new token, whatever the current one is.
    pub(crate) async fn renew(
        &self,
        sender: &Sender,
        priority: Priority,
    ) -> Result<Arc<Token>, Error> {
        match self.held() {
            Some(token) => self.replace(sender, priority, &token).await,
            None => self.get(sender, priority).await,
        }
    }

    async fn exchange(
        &self,
        sender: &Sender,
        priority: Priority,
        usable: impl Fn(&Self) -> Option<Arc<Token>>,
    ) -> Result<Arc<Token>, Error> {
        let mut tried = 0;
        loop {
            let failure = match self.exchange_once(sender, tried, &usable).await {
                Ok(token) => return Ok(token),
                Err(failure) => failure,
            };
            tried += 1;
            let left = failure
                .retry_at_ms
                .saturating_sub(sender.clock.now_ms())
                .max(0);
            let wait = Duration::from_millis(left.unsigned_abs());
            let goes_on = failure.error.is_retryable()
                && sender.permits(tried, wait, failure.is_delay_asked, priority);
            if !goes_on {
                return Err(failure.error);
            }
            sender.clock.sleep(wait).await;
        }
    }

    /// One request at a time: whoever waited for it takes over what it got, good or bad, and
    /// nobody asks again before the delay after a failure is over.
    async fn exchange_once(
        &self,
        sender: &Sender,
        attempt: u32,
        usable: impl Fn(&Self) -> Option<Arc<Token>>,
    ) -> Result<Arc<Token>, Failure> {
        let before = self.fetches.load(Ordering::Acquire);
        let mut last = self.last_failure.lock().await;
        if let Some(token) = usable(self) {
            return Ok(token);
        }
        let is_shared = self.fetches.load(Ordering::Acquire) != before;
        let now_ms = sender.clock.now_ms();
        let longest_ms = sender.limits.wait.as_millis() as i64;
        if let Some(failure) = last.as_ref()
            && (is_shared || (1..=longest_ms).contains(&(failure.retry_at_ms - now_ms)))
        {
            return Err(failure.clone());
        }
        let fetched = self.fetch(sender, attempt).await;
        self.fetches.fetch_add(1, Ordering::Release);
        match fetched {
            Ok(token) => {
                let token = Arc::new(token);
                self.hold(Arc::clone(&token));
                *last = None;
                Ok(token)
            }
            Err((error, retry_after)) => {
                let in_a_row = last.as_ref().map_or(0, |failure| failure.in_a_row) + 1;
                let delay = if error.is_retryable() {
                    sender.delay(in_a_row, retry_after)
                } else {
                    Duration::ZERO
                };
                let failure = Failure {
                    error,
                    in_a_row,
                    retry_at_ms: sender.clock.now_ms() + delay.as_millis() as i64,
                    is_delay_asked: retry_after.is_some(),
                };
                *last = Some(failure.clone());
                Err(failure)
            }
        }
    }

    async fn fetch(
        &self,
        sender: &Sender,
        attempt: u32,
    ) -> Result<Token, (Error, Option<Duration>)> {
        let call = Call {
            route: &TOKEN,
            client_request_id: sender.mint_id(),
        };
        let fail = |error: TokenError| Error::new(ErrorKind::Unauthorized(error), call, None);
        let outgoing = self
            .outgoing(sender, call)
            .map_err(|error| (fail(error), None))?;
        let asked_ms = sender.clock.now_ms();
        let sent = sender.send(outgoing, call, attempt).await;
        let answer = sent.map_err(|lost| {
            (
                fail(TokenError::plain(TokenErrorKind::Network, lost.problem)),
                None,
            )
        })?;
        let secret_is_id = self.credential.looks_like_an_id();
        if answer.status == 200
            && let Ok(grant) = serde_json::from_slice::<Grant>(&answer.body)
        {
            return Ok(grant.into_token(asked_ms));
        }
        let error = TokenError::read(answer.status, &answer.body, secret_is_id);
        Err((fail(error), answer.headers.retry_after))
    }

    /// The certificate that the application signs in with, when it does.
    pub(crate) const fn certificate(&self) -> Option<&CertificateCredential> {
        match &self.credential {
            Credential::Certificate(certificate) => Some(certificate),
            Credential::Secret(_) => None,
        }
    }

    fn outgoing(&self, sender: &Sender, call: Call) -> Result<Outgoing, TokenError> {
        let assertion = Assertion {
            audience: &self.endpoint,
            client: self.client,
            now_ms: sender.clock.now_ms(),
            id: sender.mint_id(),
        };
        let proof = self.credential.form(&assertion).map_err(|error| {
            TokenError::plain(TokenErrorKind::WrongCertificate, error.to_string())
        })?;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client.to_string())
            .append_pair("scope", &self.scope);
        for (name, value) in &proof {
            form.append_pair(name, value);
        }
        let mut headers = HeaderMap::new();
        put(
            &mut headers,
            "content-type",
            "application/x-www-form-urlencoded",
        );
        put(&mut headers, "accept", "application/json");
        put(
            &mut headers,
            "client-request-id",
            &call.client_request_id.to_string(),
        );
        Ok(Outgoing {
            method: call.route.method.as_http(),
            url: self.endpoint.clone(),
            headers,
            body: Some(form.finish().into_bytes()),
        })
    }

    fn fresh(&self, sender: &Sender) -> Option<Arc<Token>> {
        let now = sender.clock.now_ms();
        self.held()
            .filter(|token| now < token.renew_ms.load(Ordering::Relaxed))
    }

    fn held(&self) -> Option<Arc<Token>> {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hold(&self, token: Arc<Token>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }
}

/// The token endpoint's success.
#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: u32,
}

impl Grant {
    fn into_token(self, asked_ms: i64) -> Token {
        let lifetime_ms = i64::from(self.expires_in) * 1_000;
        // A token that lives shorter than the margin is still used for half of its life.
        let margin_ms = RENEW_BEFORE_MS.min(lifetime_ms / 2);
        Token {
            claims: read_claims(&self.access_token).unwrap_or_default(),
            value: SecretText::new(self.access_token),
            expires_ms: asked_ms + lifetime_ms,
            renew_ms: AtomicI64::new(asked_ms + lifetime_ms - margin_ms),
        }
    }
}

/// For diagnostics only: nothing is decided by an unverified token, Graph decides.
fn read_claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_from_the_token_and_an_opaque_token_has_none() {
        let payload = URL_SAFE_NO_PAD.encode(
            r#"{"roles":["User.ReadWrite.All"],"tid":"5a1d","app_displayname":"Signpost","ver":"1.0"}"#,
        );
        let claims = read_claims(&format!("e30.{payload}.c2ln")).unwrap();
        assert_eq!(claims.roles, ["User.ReadWrite.All"]);
        assert_eq!(claims.application_name.as_deref(), Some("Signpost"));
        assert_eq!(read_claims("opaque"), None);
    }

    #[test]
    fn token_is_renewed_five_minutes_early_or_at_half_of_a_short_life() {
        let grant = |expires_in| Grant {
            access_token: "t".to_owned(),
            expires_in,
        };
        let renew_ms = |expires_in| grant(expires_in).into_token(0).renew_ms.into_inner();
        assert_eq!(renew_ms(3_600), 3_300_000);
        assert_eq!(renew_ms(60), 30_000);
    }
}
