//! How the application proves itself to the token endpoint.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
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
    /// The older thumbprint, by which proofs of possession name the certificate.
    sha1: [u8; 20],
    key: Arc<KeyPair>,
}

/// Whom a proof of possession is for: the directory itself, under its old name.
const DIRECTORY: &str = "00000002-0000-0000-c000-000000000000";

/// As long as Microsoft takes a proof of possession for valid.
const PROOF_SECONDS: i64 = 600;

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
        let mut sha1 = [0; 20];
        sha1.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der).as_ref());
        Ok(Self {
            thumbprint,
            sha1,
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
        self.sign(&RSA_PSS_SHA256, &header, &claims)
    }

    /// Proves to the directory that whoever asks holds a key of the registration with this
    /// ObjectId already.
    pub(crate) fn prove(
        &self,
        registration: Uuid,
        now_ms: i64,
    ) -> Result<String, InvalidCertificate> {
        let now = now_ms / 1_000;
        let kid: String = self.sha1.iter().map(|byte| format!("{byte:02X}")).collect();
        let header = json!({
            "alg": "RS256", "typ": "JWT", "kid": kid, "x5t": URL_SAFE_NO_PAD.encode(self.sha1),
        });
        let claims = json!({
            "aud": DIRECTORY, "iss": registration, "nbf": now, "exp": now + PROOF_SECONDS,
        });
        self.sign(&RSA_PKCS1_SHA256, &header, &claims)
    }

    fn sign(
        &self,
        padding: &'static dyn RsaEncoding,
        header: &serde_json::Value,
        claims: &serde_json::Value,
    ) -> Result<String, InvalidCertificate> {
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut jwt = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                padding,
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

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    /// A self-signed certificate, its private key, and its public key as PKCS#1.
    fn certificate() -> (String, SecretText, Vec<u8>) {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let params = rcgen::CertificateParams::new(vec!["signpost.example".to_owned()]).unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let public = KeyPair::from_pkcs8(key.serialized_der())
            .unwrap()
            .public_key()
            .as_ref()
            .to_vec();
        (pem, SecretText::new(key.serialize_pem()), public)
    }

    fn decode(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn assertion_is_signed_with_ps256_and_names_certificate_client_and_audience() {
        let (pem, key, public) = certificate();
        let credential = CertificateCredential::from_pem(&pem, &key).unwrap();
        let audience = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token";
        let jwt = credential
            .assert(&Assertion {
                audience,
                client: ClientId::new(Uuid::from_u128(7)),
                now_ms: 1_788_250_530_999,
                id: Uuid::from_u128(9),
            })
            .unwrap();
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let der = pem_section(&pem, "CERTIFICATE").unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &der));
        assert_eq!(
            decode(header),
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint})
        );
        let client = "00000000-0000-0000-0000-000000000007";
        assert_eq!(
            decode(claims),
            json!({"aud": audience, "iss": client, "sub": client,
                "jti": "00000000-0000-0000-0000-000000000009",
                "nbf": 1_788_250_530, "iat": 1_788_250_530, "exp": 1_788_250_830})
        );
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public)
            .verify(
                signed.as_bytes(),
                &URL_SAFE_NO_PAD.decode(signature).unwrap(),
            )
            .unwrap();
    }

    #[test]
    fn a_proof_of_possession_names_the_directory_and_the_registration_for_ten_minutes() {
        let (pem, key, _) = certificate();
        let credential = CertificateCredential::from_pem(&pem, &key).unwrap();
        let registration = Uuid::from_u128(5);
        let proof = credential.prove(registration, 1_788_250_530_999).unwrap();
        let parts: Vec<&str> = proof.split('.').collect();
        assert_eq!(
            decode(parts[1]),
            json!({"aud": "00000002-0000-0000-c000-000000000000", "iss": registration,
                "nbf": 1_788_250_530, "exp": 1_788_251_130})
        );
        let der = pem_section(&pem, "CERTIFICATE").unwrap();
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
        let header = decode(parts[0]);
        assert_eq!(header["alg"], "RS256");
        assert_eq!(header["x5t"], URL_SAFE_NO_PAD.encode(sha1));
        assert!(!proof.contains('='), "padding is refused");
    }

    #[test]
    fn key_of_another_certificate_is_refused_and_never_shown() {
        let (pem, key, _) = certificate();
        let (_, other, _) = certificate();
        let refused = |pem: &str, key| CertificateCredential::from_pem(pem, key).unwrap_err();
        assert_eq!(refused(&pem, &other), InvalidCertificate::KeyOfAnother);
        assert_eq!(refused("nothing", &key), InvalidCertificate::NoCertificate);
        assert_eq!(
            refused(&pem, &SecretText::new("nothing")),
            InvalidCertificate::NoKey
        );
        let credential = CertificateCredential::from_pem(&pem, &key).unwrap();
        let shown = format!("{:?}", Credential::Certificate(credential.clone()));
        assert!(
            shown.contains(credential.thumbprint()) && shown.len() < 120,
            "{shown}"
        );
    }
}
