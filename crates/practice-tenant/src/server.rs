//! The tenant over HTTP: Graph, the token endpoint and sign-in metadata.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{ConnectInfo, FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::answer::{Body, Refusal};
use crate::faults::Within;
use crate::graph::{Fate, JSON, Processed, Received, payload};
use crate::listener::Connection;
use crate::practice::PracticeTenant;
use crate::registrations::Access;
use crate::request::{Incoming, Payload, Query, Verb, Version, Wishes, segments};
use crate::tokens::Directory;

/// Marks answers that a fault made, so that no schema check is run on them.
pub(crate) const FAULT_HEADER: &str = "x-practice-fault";

const MAX_BODY: usize = 5 * 1024 * 1024;

impl PracticeTenant {
    /// Everything the tenant serves: Microsoft's side at the root, the practice side under `/_practice/`.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/_practice/", axum::routing::get(crate::pages::overview))
            .nest("/_practice", crate::control::router())
            .fallback(microsoft)
            .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
            .with_state(Arc::clone(self))
    }

    /// The base of every link in an answer.
    pub(crate) fn base(&self, headers: &HeaderMap) -> String {
        self.base_url().unwrap_or_else(|| {
            let host = headers
                .get(header::HOST)
                .and_then(|host| host.to_str().ok())
                .unwrap_or("localhost");
            format!("http://{host}")
        })
    }
}

async fn microsoft(State(practice): State<Arc<PracticeTenant>>, request: Request) -> Response {
    let connection = request
        .extensions()
        .get::<ConnectInfo<Connection>>()
        .map(|info| info.0.clone());
    let (parts, body) = request.into_parts();
    let base = practice.base(&parts.headers);
    let path = parts.uri.path().to_owned();
    let version = if path.starts_with("/v1.0/") {
        Some(Version::V1)
    } else {
        path.starts_with("/beta/").then_some(Version::Beta)
    };
    let Ok(bytes) = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await else {
        return refusal(
            &practice,
            &Refusal::new(
                413,
                "RequestEntityTooLarge",
                "The request body is too large.",
            ),
        );
    };
    match version {
        Some(version) => {
            let exchange = Exchange {
                practice: &practice,
                headers: &parts.headers,
                uri: &parts.uri,
                base: &base,
                connection,
            };
            exchange.graph(&parts.method, version, bytes).await
        }
        None => sign_in(&practice, &parts, &path, &bytes, &base, connection).await,
    }
}

struct Exchange<'a> {
    practice: &'a Arc<PracticeTenant>,
    headers: &'a HeaderMap,
    uri: &'a http::Uri,
    base: &'a str,
    connection: Option<Connection>,
}

impl Exchange<'_> {
    async fn graph(&self, method: &http::Method, version: Version, bytes: Bytes) -> Response {
        self.practice.calls().counts.total += 1;
        let Some(verb) = Verb::parse(method.as_str()) else {
            return refusal(
                self.practice,
                &Refusal::new(
                    405,
                    "Request_BadRequest",
                    "Specified HTTP method is not allowed for the request target.",
                ),
            );
        };
        let access = match self.access() {
            Ok(access) => access,
            Err(refused) => return refusal(self.practice, &refused),
        };
        let below = self
            .uri
            .path()
            .get(version.name().len() + 1..)
            .unwrap_or_default();
        let content_type = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let payload = match payload(content_type, bytes) {
            Ok(payload) => payload,
            Err(refused) => return refusal(self.practice, &refused),
        };
        let mut wishes = Wishes::default();
        for (name, value) in self.headers {
            wishes.note(name.as_str(), value.to_str().unwrap_or_default());
        }
        let query = Query::parse(self.uri.query().unwrap_or_default());
        let incoming = Incoming {
            verb,
            version,
            segments: segments(below),
            query,
            wishes,
            payload,
        };
        let url = self.uri.path_and_query().map_or("", |all| all.as_str());
        let received = Received {
            incoming: &incoming,
            url,
            within: Within::Single,
        };
        if verb == Verb::Post && incoming.segments == ["$batch"] {
            return self.batch(&received, &access).await;
        }
        let mut effect = self.practice.strike_by_route(&received);
        if !goes_on(effect.as_mut()).await {
            return cut(self.connection.as_ref());
        }
        let processed = self
            .practice
            .process_struck(&received, &access, self.base, effect);
        self.finish(processed).await
    }

    async fn batch(&self, received: &Received<'_>, access: &Access) -> Response {
        let practice = self.practice;
        practice.calls().counts.batches += 1;
        let mut effect = practice.strike("POST /$batch", received);
        if !goes_on(effect.as_mut()).await {
            return cut(self.connection.as_ref());
        }
        let request_id = practice.calls().request_id();
        let carries_out = effect
            .as_ref()
            .is_none_or(crate::faults::Effect::carries_out);
        if let Some(late_ms) = effect.as_ref().and_then(|effect| effect.late_ms) {
            let (practice, access) = (Arc::clone(practice), access.clone());
            let (incoming, base) = (received.incoming.clone(), self.base.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(late_ms)).await;
                // Nobody is left to read the answer.
                drop(practice.batch(incoming.version, incoming.payload, &access, &base));
                practice.calls().counts.late += 1;
            });
        }
        let outcome = carries_out.then(|| {
            practice.batch(
                received.incoming.version,
                received.incoming.payload.clone(),
                access,
                self.base,
            )
        });
        let mut processed = Processed {
            status: 200,
            headers: Vec::new(),
            body: Body::Empty,
            delay_ms: 0,
            fate: Fate::Sent,
            faulted: false,
            held: None,
        };
        match outcome {
            None => processed.status = 503,
            Some(Ok(answer)) => {
                processed.body = Body::Json(answer.body);
                (processed.delay_ms, processed.fate, processed.faulted) =
                    (answer.delay_ms, answer.fate, answer.faulted);
                processed.held = answer.held;
            }
            Some(Err(refused)) => {
                processed.status = refused.status;
                let id = request_id.to_string();
                processed.body = Body::Json(
                    refused
                        .body(practice.clock.now_ms(), &id, &id)
                        .to_string()
                        .into_bytes(),
                );
            }
        }
        if let Some(effect) = effect {
            let delay_ms = processed.delay_ms;
            practice.distort(&mut processed, &effect, request_id, &request_id.to_string());
            processed.delay_ms = processed.delay_ms.max(delay_ms);
        }
        processed
            .headers
            .push(("request-id".to_owned(), request_id.to_string()));
        let client = received
            .incoming
            .wishes
            .client_request_id
            .clone()
            .unwrap_or_else(|| request_id.to_string());
        processed
            .headers
            .push(("client-request-id".to_owned(), client));
        let url: String = received.url.chars().take(300).collect();
        let route = "POST /$batch".to_owned();
        practice.calls().note(crate::calls::Noted {
            at: practice.clock.now_ms(),
            route,
            url,
            status: processed.status,
            request_id,
            in_batch: false,
        });
        self.finish(processed).await
    }

    async fn finish(&self, mut processed: Processed) -> Response {
        if let Some(held) = processed.held.take()
            && !held.wait().await
        {
            return cut(self.connection.as_ref());
        }
        if processed.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(processed.delay_ms)).await;
        }
        match processed.fate {
            Fate::Cut => cut(self.connection.as_ref()),
            Fate::Sent | Fate::Missing | Fate::Doubled => respond(processed),
        }
    }

    /// Who calls, by the bearer token.
    fn access(&self) -> Result<Arc<Access>, Refusal> {
        let text = self
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let Some(token) = text
            .get(..7)
            .filter(|scheme| scheme.eq_ignore_ascii_case("bearer "))
            .and(text.get(7..))
        else {
            return Err(unauthorized(self.base, "Access token is empty."));
        };
        let tokens = self.practice.tokens();
        let access = tokens.find(token.trim()).ok_or_else(|| {
            unauthorized(
                self.base,
                "Access token validation failure. Invalid audience or signature.",
            )
        })?;
        if access.expires <= self.practice.clock.now_ms() {
            return Err(unauthorized(
                self.base,
                "Lifetime validation failed, the token is expired.",
            ));
        }
        Ok(Arc::clone(access))
    }
}

/// Waits where a fault holds the request before it is carried out; `false`: cut the connection.
async fn goes_on(effect: Option<&mut crate::faults::Effect>) -> bool {
    match effect.and_then(crate::faults::Effect::take_hold_before) {
        Some(held) => held.wait().await,
        None => true,
    }
}

fn unauthorized(base: &str, message: &str) -> Refusal {
    let graph = crate::applications::GRAPH_APP_ID;
    let challenge = format!(
        "Bearer realm=\"\", authorization_uri=\"{base}/common/oauth2/authorize\", client_id=\"{graph}\""
    );
    Refusal::new(401, "InvalidAuthenticationToken", message).header("WWW-Authenticate", challenge)
}

fn refusal(practice: &PracticeTenant, refusal: &Refusal) -> Response {
    let id = practice.calls().request_id();
    let now = practice.clock.now_ms();
    let body = refusal
        .body(now, &id.to_string(), &id.to_string())
        .to_string()
        .into_bytes();
    let headers = refusal
        .headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .chain([
            ("request-id".to_owned(), id.to_string()),
            ("client-request-id".to_owned(), id.to_string()),
        ]);
    let noted = crate::calls::Noted {
        at: now,
        route: format!("(refused: {})", refusal.code),
        url: String::new(),
        status: refusal.status,
        request_id: id,
        in_batch: false,
    };
    practice.calls().note(noted);
    respond(Processed {
        status: refusal.status,
        headers: headers.collect(),
        body: Body::Json(body),
        delay_ms: 0,
        fate: Fate::Sent,
        faulted: false,
        held: None,
    })
}

fn respond(processed: Processed) -> Response {
    let (content_type, bytes) = match processed.body {
        Body::Empty => (None, Vec::new()),
        Body::Json(bytes) => (Some(JSON.to_owned()), bytes),
        Body::Raw {
            content_type,
            bytes,
        } => (Some(content_type), bytes),
    };
    let status =
        StatusCode::from_u16(processed.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, HttpBody::from(bytes)).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    let mut put = |name: &str, value: &str| {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    };
    put("cache-control", "no-cache");
    put("odata-version", "4.0");
    put(
        "x-ms-ags-diagnostic",
        r#"{"ServerInfo":{"DataCenter":"Practice","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"practice"}}"#,
    );
    if let Some(content_type) = content_type {
        put("content-type", &content_type);
    }
    if processed.faulted {
        put(FAULT_HEADER, "1");
    }
    for (name, value) in &processed.headers {
        put(name, value);
    }
    response
}

/// Cuts the connection; without one at hand, the answer breaks off in the middle.
fn cut(connection: Option<&Connection>) -> Response {
    if let Some(connection) = connection {
        connection.cut();
    }
    let broken = futures::stream::once(async {
        Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    let mut response = HttpBody::from_stream(broken).into_response();
    response
        .headers_mut()
        .insert(FAULT_HEADER, HeaderValue::from_static("1"));
    response
}

/// Everything that is not Graph: tokens, the metadata MSAL asks for, and people signing in.
async fn sign_in(
    practice: &PracticeTenant,
    parts: &http::request::Parts,
    path: &str,
    bytes: &[u8],
    base: &str,
    connection: Option<Connection>,
) -> Response {
    let trimmed: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (parts.method.as_str(), trimmed.as_slice()) {
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => {
            token(practice, &parts.headers, tenant, bytes, base, connection).await
        }
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
            openid_configuration(practice, tenant, base)
        }
        ("GET", ["common", "discovery", "instance"]) => discovery(practice, base),
        ("GET", ["common", "userrealm", name]) => {
            let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
            crate::sign_in::user_realm(practice, &name)
        }
        ("GET", ["login.srf"]) => crate::sign_in::describe(),
        ("POST", ["login.srf"]) => crate::sign_in::finish(practice, &parts.headers, bytes, base),
        _ => (
            StatusCode::NOT_FOUND,
            "The practice tenant has nothing here.",
        )
            .into_response(),
    }
}

async fn token(
    practice: &PracticeTenant,
    headers: &HeaderMap,
    tenant_name: &str,
    bytes: &[u8],
    base: &str,
    connection: Option<Connection>,
) -> Response {
    const NAME: &str = "POST /{tenant}/oauth2/v2.0/token";
    practice.calls().counts.tokens += 1;
    let form: Vec<(String, String)> = form_urlencoded::parse(bytes)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let now = practice.clock.now_ms();
    let trace = practice.calls().request_id();
    let url = format!("/{tenant_name}/oauth2/v2.0/token");
    let incoming = Incoming {
        verb: Verb::Post,
        version: Version::V1,
        segments: Vec::new(),
        query: Query::default(),
        wishes: Wishes::default(),
        payload: Payload::Bytes(Bytes::copy_from_slice(bytes)),
    };
    let effect = practice.strike(
        NAME,
        &Received {
            incoming: &incoming,
            url: &url,
            within: Within::Single,
        },
    );
    let outcome = {
        let tenant = practice.tenant();
        let domains = tenant
            .domains
            .iter()
            .map(|domain| domain.name.as_str())
            .collect();
        let directory = Directory {
            tenant_id: tenant.id,
            domains,
            registrations: &tenant.registrations,
        };
        practice
            .tokens()
            .answer(tenant_name, &form, basic, &directory, now)
    };
    let (status, body) = match outcome {
        Ok(body) => (200, body),
        Err(refused) => (
            refused.status,
            refused.body(now, trace, &trace.to_string(), base),
        ),
    };
    let headers = [
        ("Cache-Control", "no-store, no-cache"),
        ("Pragma", "no-cache"),
        ("x-ms-ests-server", "2.1.0 - practice"),
    ];
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .chain([("x-ms-request-id".to_owned(), trace.to_string())]);
    let mut processed = Processed {
        status,
        headers: headers.collect(),
        body: Body::Json(body.to_string().into_bytes()),
        delay_ms: 0,
        fate: Fate::Sent,
        faulted: false,
        held: None,
    };
    if let Some(effect) = effect {
        practice.distort(&mut processed, &effect, trace, &trace.to_string());
    }
    practice.calls().note(crate::calls::Noted {
        at: now,
        route: NAME.to_owned(),
        url: url.clone(),
        status: processed.status,
        request_id: trace,
        in_batch: false,
    });
    if processed.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(processed.delay_ms)).await;
    }
    let goes_on = match processed.held.take() {
        Some(held) => held.wait().await,
        None => true,
    };
    if processed.fate == Fate::Cut || !goes_on {
        cut(connection.as_ref())
    } else {
        respond(processed)
    }
}

fn openid_configuration(practice: &PracticeTenant, tenant_name: &str, base: &str) -> Response {
    let tenant = practice.tenant();
    let is_known = ["common", "organizations"].contains(&tenant_name)
        || uuid::Uuid::parse_str(tenant_name).is_ok_and(|id| id == tenant.id)
        || tenant
            .domains
            .iter()
            .any(|domain| domain.name.eq_ignore_ascii_case(tenant_name));
    if !is_known {
        let text = format!(
            "AADSTS90002: Tenant '{tenant_name}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
        );
        return json_response(
            StatusCode::BAD_REQUEST,
            &json!({"error": "invalid_tenant", "error_description": text, "error_codes": [90002]}),
        );
    }
    let id = tenant.id;
    let body = json!({
        "token_endpoint": format!("{base}/{id}/oauth2/v2.0/token"), "issuer": format!("{base}/{id}/v2.0"),
        "authorization_endpoint": format!("{base}/{id}/oauth2/v2.0/authorize"), "jwks_uri": format!("{base}/{id}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_types_supported": ["code", "id_token"], "subject_types_supported": ["pairwise"], "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"], "tenant_region_scope": "EU", "cloud_instance_name": "practice", "msgraph_host": base.split("//").nth(1),
    });
    json_response(StatusCode::OK, &body)
}

/// The instance discovery MSAL asks for before it trusts an authority.
fn discovery(practice: &PracticeTenant, base: &str) -> Response {
    let host = base.split("//").nth(1).unwrap_or_default();
    let id = practice.tenant().id;
    let body = json!({
        "tenant_discovery_endpoint": format!("{base}/{id}/v2.0/.well-known/openid-configuration"), "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    });
    json_response(StatusCode::OK, &body)
}

pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
        body.to_string(),
    )
        .into_response()
}
