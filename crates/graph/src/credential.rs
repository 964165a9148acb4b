//! How the application proves itself to the token endpoint.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::ids::ClientId;
use crate::secret::SecretText;

/// What the application registration accepts as proof.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A client secret's value.
    Secret(SecretText),
    /// A certificate's private key, proven by a signed assertion.
    Certificate(CertificateCredential),
}

impl Credential {
    /// The form fields that carry the proof.
    pub(crate) fn form(&self, request: &Assertion<'_>) -> Result<ProofForm, InvalidCertificate> {
        match self {
            Self::Secret(secret) => Ok(vec![(
                "client_secret",
                Zeroizing::new(secret.expose().to_owned()),
            )]),
            Self::Certificate(certificate) => Ok(vec![
                (
                    "client_assertion_type",
                    Zeroizing::new(ASSERTION_TYPE.to_owned()),
                ),
                (
                    "client_assertion",
                    Zeroizing::new(certificate.assert(request)?),
                ),
            ]),
        }
    }

    /// Whether the secret has the shape of the id that Entra shows beside the value.
    pub(crate) fn looks_like_an_id(&self) -> bool {
        match self {
            Self::Secret(secret) => Uuid::try_parse(secret.expose().trim()).is_ok(),
            Self::Certificate(_) => false,
        }
    }
}

/// Form fields of a token request, wiped after use.
pub(crate) type ProofForm = Vec<(&'static str, Zeroizing<String>)>;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longer than clocks drift, shorter than anything worth stealing.
const ASSERTION_SECONDS: i64 = 300;

/// What a client assertion is about.
#[derive(Debug)]
pub(crate) struct Assertion<'a> {
    pub(crate) audience: &'a str,
    pub(crate) client: ClientId,
    pub(crate) now_ms: i64,
    pub(crate) id: Uuid,
}

/// A certificate and its RSA private key.
#[derive(Clone)]
pub struct CertificateCredential {
    thumbprint: String,
    key: Arc<KeyPair>,
}

impl CertificateCredential {
    /// Reads a PEM certificate and its PEM private key (PKCS#8 or PKCS#1, not encrypted).
    pub fn from_pem(certificate: &str, key: &SecretText) -> Result<Self, InvalidCertificate> {
        let der =
            pem_section(certificate, "CERTIFICATE").ok_or(InvalidCertificate::NoCertificate)?;
        let key = match pem_section(key.expose(), "PRIVATE KEY") {
            Some(pkcs8) => KeyPair::from_pkcs8(&pkcs8),
            None => {
                let pkcs1 = pem_section(key.expose(), "RSA PRIVATE KEY")
                    .ok_or(InvalidCertificate::NoKey)?;
                KeyPair::from_der(&pkcs1)
            }
        }
        .map_err(|_| InvalidCertificate::NoKey)?;
        // The public key stands in the certificate as it is: a cheap check that they fit.
        if !contains(&der, key.public_key().as_ref()) {
            return Err(InvalidCertificate::KeyOfAnother);
        }
        let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &der));
        Ok(Self {
            thumbprint,
            key: Arc::new(key),
        })
    }

    /// The certificate's SHA-256 thumbprint as it stands in the assertion's header.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    fn assert(&self, request: &Assertion<'_>) -> Result<String, InvalidCertificate> {
        let now = request.now_ms / 1_000;
        let client = request.client.to_string();
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = json!({
            "aud": request.audience, "iss": client, "sub": client, "jti": request.id,
            "nbf": now, "iat": now, "exp": now + ASSERTION_SECONDS,
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut jwt = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PSS_SHA256,
                &SystemRandom::new(),
                jwt.as_bytes(),
                &mut signature,
            )
            .map_err(|_| InvalidCertificate::CannotSign)?;
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
        Ok(jwt)
    }
}

impl fmt::Debug for CertificateCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateCredential")
            .field("thumbprint", &self.thumbprint)
            .finish()
    }
}

/// Why a certificate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertificate {
    /// The first text holds no PEM certificate.
    #[error("no PEM certificate found")]
    NoCertificate,
    /// The second text holds no RSA private key that can be read.
    #[error("no unencrypted RSA private key of 2048 bits or more found")]
    NoKey,
    /// Certificate and key do not belong together.
    #[error("the private key is not the certificate's")]
    KeyOfAnother,
    /// The key refused to sign.
    #[error("the private key cannot sign")]
    CannotSign,
}

fn pem_section(text: &str, label: &str) -> Option<Zeroizing<Vec<u8>>> {
    let begin = format!("-----BEGIN {label}-----");
    let (_, rest) = text.split_once(&begin)?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: Zeroizing<String> =
        Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    STANDARD.decode(body.as_bytes()).ok().map(Zeroizing::new)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty()
        && haystack
            .windows(needle.len())
            .any(|window| window == needle)
}
