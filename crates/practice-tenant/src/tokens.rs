//! The token endpoint: client credentials with a secret or a certificate, and its refusals.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::{digest, hmac, signature};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::{Millis, instant};
use crate::registrations::{Access, Certificate, Registration};

const LIFETIME_S: i64 = 3599;
/// More tokens than this are only issued by a runaway loop; the oldest are then forgotten.
const KEPT: usize = 10_000;

/// Tokens issued so far. They end with the process, as a caller must be ready for anyway.
pub(crate) struct Tokens {
    key: hmac::Key,
    issued: HashMap<String, Arc<Access>>,
    serial: u64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("issued", &self.issued.len())
            .finish_non_exhaustive()
    }
}

/// What the token endpoint needs to know about the tenant.
#[derive(Debug)]
pub(crate) struct Directory<'a> {
    pub(crate) tenant_id: Uuid,
    pub(crate) domains: Vec<&'a str>,
    pub(crate) registrations: &'a [Registration],
}

/// A refused token request.
#[derive(Debug)]
pub(crate) struct TokenRefusal {
    pub(crate) status: u16,
    error: &'static str,
    code: u32,
    text: String,
}

fn refuse<T>(
    status: u16,
    error: &'static str,
    code: u32,
    text: impl Into<String>,
) -> Result<T, TokenRefusal> {
    Err(TokenRefusal {
        status,
        error,
        code,
        text: text.into(),
    })
}

impl TokenRefusal {
    pub(crate) fn body(
        &self,
        now: Millis,
        trace: Uuid,
        correlation: &str,
        authority: &str,
    ) -> Value {
        let stamp = instant(now).replace('T', " ");
        let text = format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
            self.code, self.text
        );
        json!({
            "error": self.error, "error_description": text, "error_codes": [self.code], "timestamp": stamp,
            "trace_id": trace, "correlation_id": correlation, "error_uri": format!("{authority}/error?code={}", self.code),
        })
    }
}

impl Tokens {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            issued: HashMap::new(),
            serial: 0,
        }
    }

    pub(crate) fn find(&self, token: &str) -> Option<&Arc<Access>> {
        self.issued.get(token)
    }

    pub(crate) fn forget_all(&mut self) {
        self.issued.clear();
    }

    /// Answers one token request: the body of a 200, or the refusal.
    pub(crate) fn answer(
        &mut self,
        tenant: &str,
        form: &[(String, String)],
        basic: Option<&str>,
        directory: &Directory<'_>,
        now: Millis,
    ) -> Result<Value, TokenRefusal> {
        check_tenant(tenant, directory)?;
        let field = |name: &str| {
            form.iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        let (basic_id, basic_secret) = basic.and_then(decode_basic).unzip();
        let Some(client_id) = field("client_id").or(basic_id.as_deref()) else {
            return refuse(
                400,
                "invalid_request",
                900_144,
                "The request body must contain the following parameter: 'client_id'.",
            );
        };
        let Some(grant_type) = field("grant_type") else {
            return refuse(
                400,
                "invalid_request",
                900_144,
                "The request body must contain the following parameter: 'grant_type'.",
            );
        };
        if grant_type != "client_credentials" {
            return refuse(
                400,
                "unsupported_grant_type",
                70_003,
                format!("The app requested an unsupported grant type '{grant_type}'."),
            );
        }
        check_scope(field("scope"))?;
        let registration = find_registration(client_id, directory)?;
        let proof = match (
            field("client_secret").or(basic_secret.as_deref()),
            field("client_assertion"),
        ) {
            (Some(secret), _) => Proof::Secret(secret),
            (None, Some(assertion)) => Proof::Assertion {
                jwt: assertion,
                kind: field("client_assertion_type").unwrap_or_default(),
            },
            (None, None) => {
                return refuse(
                    401,
                    "invalid_client",
                    7_000_218,
                    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
                );
            }
        };
        let appidacr = proof.check(registration, now)?;
        Ok(self.issue(registration, directory.tenant_id, appidacr, now))
    }

    fn issue(
        &mut self,
        registration: &Registration,
        tenant_id: Uuid,
        appidacr: &str,
        now: Millis,
    ) -> Value {
        let seconds = now.div_euclid(1000);
        self.serial += 1;
        let mut claims = json!({
            "aud": "https://graph.microsoft.com", "iss": format!("https://sts.windows.net/{tenant_id}/"), "iat": seconds, "nbf": seconds,
            "exp": seconds + LIFETIME_S, "app_displayname": registration.name, "appid": registration.app_id, "appidacr": appidacr,
            "idtyp": "app", "oid": registration.principal_id, "sub": registration.principal_id, "tid": tenant_id,
            "uti": format!("{:016x}", self.serial), "ver": "1.0",
        });
        if !registration.permissions.is_empty() {
            claims["roles"] = json!(registration.permissions);
        }
        let signed = format!(
            "{}.{}",
            encode(&json!({"typ": "JWT", "alg": "HS256"})),
            encode(&claims)
        );
        let mac = hmac::sign(&self.key, signed.as_bytes());
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref()));
        if self.issued.len() >= KEPT {
            self.issued.retain(|_, access| access.expires > now);
        }
        if self.issued.len() >= KEPT {
            self.issued.clear();
        }
        let access = Access {
            app_id: registration.app_id,
            roles: registration.permissions.clone().into(),
            privileged: registration.privileged,
            expires: (seconds + LIFETIME_S) * 1000,
        };
        self.issued.insert(token.clone(), Arc::new(access));
        json!({"token_type": "Bearer", "expires_in": LIFETIME_S, "ext_expires_in": LIFETIME_S, "access_token": token})
    }
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn check_tenant(tenant: &str, directory: &Directory<'_>) -> Result<(), TokenRefusal> {
    if ["common", "organizations", "consumers"].contains(&tenant) {
        return refuse(
            400,
            "invalid_request",
            9_001_023,
            "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.",
        );
    }
    let known = Uuid::parse_str(tenant).is_ok_and(|id| id == directory.tenant_id)
        || directory
            .domains
            .iter()
            .any(|domain| domain.eq_ignore_ascii_case(tenant));
    if known {
        return Ok(());
    }
    let is_domain = tenant.contains('.')
        && tenant
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
    if Uuid::parse_str(tenant).is_err() && !is_domain {
        return refuse(
            400,
            "invalid_request",
            900_023,
            format!(
                "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain."
            ),
        );
    }
    refuse(
        400,
        "invalid_request",
        90_002,
        format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
        ),
    )
}

fn check_scope(scope: Option<&str>) -> Result<(), TokenRefusal> {
    let Some(scope) = scope else {
        return refuse(
            400,
            "invalid_request",
            900_144,
            "The request body must contain the following parameter: 'scope'.",
        );
    };
    let scopes: Vec<&str> = scope.split_whitespace().collect();
    match scopes.as_slice() {
        [one] if one.ends_with("/.default") => Ok(()),
        [_, _, ..] if scopes.iter().all(|one| one.ends_with("/.default")) => refuse(
            400,
            "invalid_request",
            700_022,
            "The provided request must only include resources from a single resource.",
        ),
        _ => refuse(
            400,
            "invalid_scope",
            70_011,
            format!(
                "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."
            ),
        ),
    }
}

fn find_registration<'a>(
    client_id: &str,
    directory: &Directory<'a>,
) -> Result<&'a Registration, TokenRefusal> {
    let found = Uuid::parse_str(client_id).ok().and_then(|id| {
        directory
            .registrations
            .iter()
            .find(|known| known.app_id == id)
    });
    match found {
        Some(registration) if registration.enabled => Ok(registration),
        Some(registration) => refuse(
            401,
            "unauthorized_client",
            7_000_112,
            format!(
                "Application '{client_id}'({}) is disabled.",
                registration.name
            ),
        ),
        None => refuse(
            400,
            "unauthorized_client",
            700_016,
            format!(
                "Application with identifier '{client_id}' was not found in the directory 'Contoso Practice'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
            ),
        ),
    }
}

fn decode_basic(header: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    Some((plain(id), plain(secret)))
}

enum Proof<'a> {
    Secret(&'a str),
    Assertion { jwt: &'a str, kind: &'a str },
}

impl Proof<'_> {
    /// Checks the proof and returns the `appidacr` claim it earns.
    fn check(
        &self,
        registration: &Registration,
        now: Millis,
    ) -> Result<&'static str, TokenRefusal> {
        match self {
            Self::Secret(secret) => check_secret(secret, registration, now).map(|()| "1"),
            Self::Assertion { jwt, kind } => {
                check_assertion(jwt, kind, registration, now).map(|()| "2")
            }
        }
    }
}

fn check_secret(
    secret: &str,
    registration: &Registration,
    now: Millis,
) -> Result<(), TokenRefusal> {
    let id = registration.app_id;
    let Some(found) = registration
        .secrets
        .iter()
        .find(|known| known.value == secret)
    else {
        return refuse(
            401,
            "invalid_client",
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{id}'."
            ),
        );
    };
    if found.end <= now {
        return refuse(
            401,
            "invalid_client",
            7_000_222,
            format!(
                "The provided client secret keys for app '{id}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds."
            ),
        );
    }
    Ok(())
}

fn check_assertion(
    jwt: &str,
    kind: &str,
    registration: &Registration,
    now: Millis,
) -> Result<(), TokenRefusal> {
    let malformed = |why: &str| TokenRefusal {
        status: 401,
        error: "invalid_client",
        code: 700_027,
        text: format!(
            "The certificate with identifier used to sign the client assertion is not registered on application. {why}"
        ),
    };
    if kind != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
        return refuse(
            400,
            "invalid_request",
            7_000_216,
            "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        );
    }
    let (claims, certificate) = signed_by(jwt, registration).map_err(malformed)?;
    let id = registration.app_id.to_string();
    let names_client = |claim: &str| {
        claims[claim]
            .as_str()
            .is_some_and(|value| value.eq_ignore_ascii_case(&id))
    };
    if !names_client("iss")
        || !names_client("sub")
        || !claims["aud"]
            .as_str()
            .is_some_and(|aud| aud.ends_with("/oauth2/v2.0/token"))
    {
        return refuse(
            401,
            "invalid_client",
            700_023,
            "Client assertion audience claim does not match Realm issuer.",
        );
    }
    let seconds = now.div_euclid(1000);
    let within = claims["exp"]
        .as_i64()
        .is_some_and(|exp| exp > seconds - 300)
        && claims["nbf"].as_i64().is_none_or(|nbf| nbf < seconds + 300);
    if !within || certificate.end <= now {
        return refuse(
            401,
            "invalid_client",
            700_024,
            "Client assertion is not within its valid time range.",
        );
    }
    Ok(())
}

/// The claims of a JWT and the registration's certificate whose key signed it; else why not.
pub(crate) fn signed_by<'a>(
    jwt: &str,
    registration: &'a Registration,
) -> Result<(Value, &'a Certificate), &'static str> {
    let (signed, mac) = jwt.rsplit_once('.').ok_or("Not a JWT.")?;
    let (head, claims) = signed.split_once('.').ok_or("Not a JWT.")?;
    let parse = |text: &str| {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
    };
    let (Some(head), Some(claims), Ok(mac)) =
        (parse(head), parse(claims), URL_SAFE_NO_PAD.decode(mac))
    else {
        return Err("Not a JWT.");
    };
    let certificate = registration
        .certificates
        .iter()
        .find(|known| is_thumbprint(&head, &known.der))
        .ok_or("Thumbprint of key used by client is not known.")?;
    let algorithm: &dyn signature::VerificationAlgorithm = match head["alg"].as_str() {
        Some("PS256") => &signature::RSA_PSS_2048_8192_SHA256,
        Some("RS256") => &signature::RSA_PKCS1_2048_8192_SHA256,
        _ => return Err("Algorithm is not supported."),
    };
    let (_, parsed) = x509_parser::parse_x509_certificate(&certificate.der)
        .map_err(|_| "Certificate is not readable.")?;
    let key = parsed.public_key().subject_public_key.data.as_ref();
    algorithm
        .verify_sig(key, signed.as_bytes(), &mac)
        .map_err(|_| "Signature is not valid.")?;
    Ok((claims, certificate))
}

fn is_thumbprint(head: &Value, der: &[u8]) -> bool {
    let matches = |name: &str, algorithm: &'static digest::Algorithm| {
        head[name]
            .as_str()
            .is_some_and(|value| value == URL_SAFE_NO_PAD.encode(digest::digest(algorithm, der)))
    };
    matches("x5t#S256", &digest::SHA256) || matches("x5t", &digest::SHA1_FOR_LEGACY_USE_ONLY)
}
