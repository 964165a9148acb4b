//! The client of one connection: sends, waits for the quota, retries what is safe to retry.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use serde::de::{DeserializeOwned, IgnoredAny};
use url::Url;

use crate::clock::Clock;
use crate::cloud::Cloud;
use crate::credential::{CertificateCredential, Credential};
use crate::error::{Call, Complaint, Error, ErrorKind, Phase};
use crate::gate::Gate;
use crate::ids::{ClientId, TenantId};
use crate::observe::{Observer, Unobserved};
use crate::request::{Request, Target};
use crate::route::{self, Method};
use crate::sender::Sender;
use crate::throttle::{Priority, Quota, TenantSize, Throttle, Usage};
use crate::token::{Claims, Token, Tokens};
use crate::token_error::{TokenError, TokenErrorKind};
use crate::transport::{Answer, Limits, Lost, Outgoing, Transport, put};

/// Everything a client needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which of Microsoft's clouds.
    pub cloud: Cloud,
    /// Directory (tenant) ID.
    pub tenant_id: TenantId,
    /// Application (client) ID.
    pub client_id: ClientId,
    /// Secret or certificate.
    pub credential: Credential,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Seed of jitter and request ids; different in every process.
    pub seed: u64,
    /// Time and size limits.
    pub limits: Limits,
    /// Told about every call.
    pub observer: Arc<dyn Observer>,
    /// The tenant's quota, when other clients use it too.
    pub throttle: Option<Throttle>,
    /// DER certificates of authorities to trust beside the system's.
    pub roots: Vec<Vec<u8>>,
}

impl Config {
    /// A configuration with the default limits, no observer and its own quota.
    pub fn new(
        cloud: Cloud,
        tenant_id: TenantId,
        client_id: ClientId,
        credential: Credential,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        Self {
            cloud,
            tenant_id,
            client_id,
            credential,
            clock,
            seed,
            limits: Limits::default(),
            observer: Arc::new(Unobserved),
            throttle: None,
            roots: Vec::new(),
        }
    }
}

/// The client could not be built: the machine's TLS set-up, or a certificate in `roots`.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up")]
pub struct SetupError(#[source] reqwest::Error);

/// Says whether changes may be sent at this moment. Whoever works under a lease says no once the
/// lease may be over: somebody else may be at work by then.
pub trait WriteGuard: std::fmt::Debug + Send + Sync {
    /// Asked immediately before each change is sent, and before it is sent again.
    fn may_write(&self) -> bool;
}

/// A Microsoft Graph client for one connection. Clones are cheap and share token, pool and quota.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
    priority: Priority,
    guard: Option<Arc<dyn WriteGuard>>,
}

#[derive(Debug)]
struct Inner {
    sender: Sender,
    tokens: Tokens,
    throttle: Throttle,
    gate: Gate,
    cloud: Cloud,
    /// Base of every path, with version.
    base: String,
}

impl Client {
    /// A client that works in the background; see [`Client::interactive`].
    pub fn new(config: Config) -> Result<Self, SetupError> {
        let Config {
            cloud,
            tenant_id,
            client_id,
            credential,
            clock,
            seed,
            limits,
            ..
        } = config;
        let transport = Transport::new(&cloud, &limits, &config.roots).map_err(SetupError)?;
        let throttle = config.throttle.unwrap_or_else(|| {
            Throttle::new(Quota::documented(TenantSize::default()), clock.now_ms())
        });
        let inner = Inner {
            tokens: Tokens::new(&cloud, &tenant_id, client_id, credential),
            sender: Sender::new(clock, config.observer, transport, limits, seed),
            throttle,
            gate: Gate::new(limits.in_flight_start, limits.in_flight_most),
            base: format!("{}/v1.0", cloud.graph()),
            cloud,
        };
        Ok(Self {
            inner: Arc::new(inner),
            priority: Priority::Background,
            guard: None,
        })
    }

    /// The same client for calls that a person waits for: they pass the queue, use the reserve
    /// of the quota, and give up sooner.
    pub fn interactive(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            priority: Priority::Interactive,
            guard: self.guard.clone(),
        }
    }

    /// The same client, which sends changes only while `guard` allows it.
    pub fn guarded(&self, guard: Arc<dyn WriteGuard>) -> Self {
        Self {
            guard: Some(guard),
            ..self.clone()
        }
    }

    /// The certificate that the application signs in with, when it does.
    pub(crate) fn certificate(&self) -> Option<&CertificateCredential> {
        self.inner.tokens.certificate()
    }

    /// The cloud this client talks to.
    pub fn cloud(&self) -> &Cloud {
        &self.inner.cloud
    }

    /// The tenant's quota as this client knows it; tell it the tenant's size by `set_quota`.
    pub fn throttle(&self) -> &Throttle {
        &self.inner.throttle
    }

    /// What the token says: permissions granted, tenant, the application's name.
    pub async fn claims(&self) -> Result<Claims, Error> {
        let token = self
            .inner
            .tokens
            .get(&self.inner.sender, self.priority)
            .await?;
        Ok(token.claims.clone())
    }

    /// The application permissions granted in the tenant, from the token's `roles`.
    pub async fn granted_roles(&self) -> Result<Vec<String>, Error> {
        Ok(self.claims().await?.roles)
    }

    /// Fetches a new token; permissions granted since the last one count from then on.
    pub async fn renew_token(&self) -> Result<Claims, Error> {
        let token = self
            .inner
            .tokens
            .renew(&self.inner.sender, self.priority)
            .await?;
        Ok(token.claims.clone())
    }

    pub(crate) fn sender(&self) -> &Sender {
        &self.inner.sender
    }

    pub(crate) fn priority(&self) -> Priority {
        self.priority
    }

    /// Base of every path and every `@odata.id`, with version.
    pub(crate) fn base(&self) -> &str {
        &self.inner.base
    }

    /// Sends a request and reads the JSON of its answer. A garbled answer to a read is read again.
    pub(crate) async fn read<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Error> {
        self.read_call(request).await.map(|(value, _)| value)
    }

    /// Like [`Client::read`], and tells which call it was.
    pub(crate) async fn read_call<T: DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<(T, Call), Error> {
        let mut tried = 0;
        loop {
            let (answer, call) = self.send(request).await?;
            let error = match decode(&answer, call) {
                Ok(value) => return Ok((value, call)),
                Err(error) => error,
            };
            tried += 1;
            let is_garbled = serde_json::from_slice::<IgnoredAny>(&answer.body).is_err();
            let wait = if is_garbled && !request.writes {
                self.sender().may_retry(tried, None, self.priority)
            } else {
                None
            };
            match wait {
                Some(wait) => self.sender().clock.sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// Sends a request until it is answered, refused, or no longer safe or sensible to repeat.
    pub(crate) async fn send(&self, request: &Request) -> Result<(Answer, Call), Error> {
        let (mut tried, mut renewed) = (0, false);
        loop {
            let call = Call {
                route: request.route,
                client_request_id: self.sender().mint_id(),
            };
            let error = match self.try_once(request, call, tried).await? {
                Tried::Answered(answer) => return Ok((answer, call)),
                Tried::TokenRefused(token, error) => {
                    if renewed {
                        return Err(error);
                    }
                    renewed = true;
                    self.replace(&token).await?;
                    continue;
                }
                Tried::Failed(error) => error,
            };
            tried += 1;
            let wait = if is_safe_to_repeat(request, &error) {
                self.sender()
                    .may_retry(tried, error.retry_after(), self.priority)
            } else {
                None
            };
            match wait {
                Some(wait) => self.sender().clock.sleep(wait).await,
                None => return Err(error.after(tried)),
            }
        }
    }

    /// Gets another token after Graph refused this one.
    pub(crate) async fn replace(&self, refused: &Arc<Token>) -> Result<Arc<Token>, Error> {
        self.inner
            .tokens
            .replace(self.sender(), self.priority, refused)
            .await
    }

    /// The token calls are made with at this moment.
    pub(crate) async fn token(&self) -> Result<Arc<Token>, Error> {
        self.inner.tokens.get(self.sender(), self.priority).await
    }

    /// Lets the quota learn from an answer.
    pub(crate) fn learn(&self, request: &Request, usage: &Usage) {
        let mut usage = *usage;
        if *request.route == route::BATCH {
            // The parts tell their own cost.
            usage.units = None;
        }
        self.inner
            .throttle
            .learn(request.cost, &usage, self.sender().clock.now_ms());
    }

    /// Halves how many background calls may be under way.
    pub(crate) fn slow_down(&self) {
        self.inner.gate.halve();
    }

    async fn try_once(&self, request: &Request, call: Call, tried: u32) -> Result<Tried, Error> {
        let url = self.url(request, call)?;
        // Whoever waits for the first token waits for it together, and outside the queue.
        self.token().await?;
        let _pass = match self.priority {
            Priority::Background => Some(self.inner.gate.enter().await),
            Priority::Interactive => None,
        };
        let clock = &*self.sender().clock;
        self.inner
            .throttle
            .take(request.cost, self.priority, clock)
            .await;
        let token = self.token().await?;
        let outgoing = self.outgoing(request, url, call, &token);
        // Last of all: everything above may have waited.
        let is_withheld = |guard: &Arc<dyn WriteGuard>| request.writes && !guard.may_write();
        if self.guard.as_ref().is_some_and(is_withheld) {
            return Ok(Tried::Failed(Error::new(ErrorKind::Withheld, call, None)));
        }
        let answer = match self.sender().send(outgoing, call, tried).await {
            Ok(answer) => answer,
            Err(Lost { phase, problem }) => {
                let kind = ErrorKind::Transport { phase, problem };
                return Ok(Tried::Failed(Error::new(kind, call, None)));
            }
        };
        self.learn(request, &answer.headers.usage);
        if answer.status == 429 {
            self.slow_down();
        }
        if (200..300).contains(&answer.status) {
            self.inner.gate.succeed();
            return Ok(Tried::Answered(answer));
        }
        let complaint = Complaint::read(answer.status, &answer.body);
        let request_id = answer
            .headers
            .request_id
            .or_else(|| complaint.request_id.clone());
        if answer.status == 401 {
            let error = token_refused(&complaint, call, request_id);
            return Ok(Tried::TokenRefused(token, error));
        }
        let granted = &token.claims.roles;
        let kind = complaint.into_kind(call.route, answer.headers.retry_after, granted);
        Ok(Tried::Failed(Error::new(kind, call, request_id)))
    }

    fn outgoing(&self, request: &Request, url: String, call: Call, token: &Token) -> Outgoing {
        let mut headers = HeaderMap::new();
        put(&mut headers, "accept", "application/json");
        put(
            &mut headers,
            "client-request-id",
            &call.client_request_id.to_string(),
        );
        put(
            &mut headers,
            "x-ms-throttle-priority",
            self.priority.header(),
        );
        for (name, value) in &request.headers {
            put(&mut headers, name, value);
        }
        if let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {}", token.value.expose())) {
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        if request.body.is_some() {
            put(&mut headers, "content-type", "application/json");
        } else if call.route.method == Method::Post {
            // An action without arguments still needs a length, or a front end may refuse it.
            put(&mut headers, "content-length", "0");
        }
        let body = request
            .body
            .as_ref()
            .map(|body| body.to_string().into_bytes());
        Outgoing {
            method: call.route.method.as_http(),
            url,
            headers,
            body,
        }
    }

    /// The absolute URL. A link is followed only to where we are already: it carries our token.
    fn url(&self, request: &Request, call: Call) -> Result<String, Error> {
        let link = match &request.target {
            Target::Path(path) if request.beta => {
                return Ok(format!("{}/beta{path}", self.cloud().graph()));
            }
            Target::Path(path) => return Ok(format!("{}{path}", self.base())),
            Target::Link(link) => link,
        };
        let foreign = |host: String| Error::new(ErrorKind::ForeignLink { host }, call, None);
        let url = Url::parse(link).map_err(|_| foreign("an address that is none".to_owned()))?;
        let base = Url::parse(self.base()).map_err(|_| foreign(String::new()))?;
        let same_place = url.origin() == base.origin()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path().starts_with(&format!("{}/", base.path()));
        if same_place {
            return Ok(link.clone());
        }
        Err(foreign(url.host_str().unwrap_or_default().to_owned()))
    }
}

/// How one try ended.
enum Tried {
    Answered(Answer),
    TokenRefused(Arc<Token>, Error),
    Failed(Error),
}

/// Reads are; a change only after an answer, or a failure to connect, that proves nothing was done.
pub(crate) fn is_safe_to_repeat(request: &Request, error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Throttled { .. } | ErrorKind::ConcurrentWrite { .. } => true,
        ErrorKind::Transport {
            phase: Phase::Connecting,
            ..
        } => true,
        ErrorKind::Transport { .. } | ErrorKind::Unavailable { .. } | ErrorKind::NoAnswer => {
            !request.writes
        }
        _ => false,
    }
}

pub(crate) fn token_refused(
    complaint: &Complaint,
    call: Call,
    request_id: Option<String>,
) -> Error {
    let description = format!("Graph refuses the token: {}", complaint.code);
    let error = TokenError::plain(TokenErrorKind::RefusedByGraph, description);
    Error::new(ErrorKind::Unauthorized(error), call, request_id)
}

/// Reads JSON, and says where it is not what was promised.
pub(crate) fn decode<T: DeserializeOwned>(answer: &Answer, call: Call) -> Result<T, Error> {
    // Keeping track of the path costs time on every page; only a broken one is read again for it.
    serde_json::from_slice(&answer.body).map_err(|plain| {
        let mut json = serde_json::Deserializer::from_slice(&answer.body);
        let (path, problem) = match serde_path_to_error::deserialize::<_, T>(&mut json) {
            Err(error) => (error.path().to_string(), error.inner().to_string()),
            // Well-formed, but something follows it.
            Ok(_) => (".".to_owned(), plain.to_string()),
        };
        let kind = ErrorKind::Decode { path, problem };
        Error::new(kind, call, answer.headers.request_id.clone())
    })
}
