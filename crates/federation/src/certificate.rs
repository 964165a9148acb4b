//! Signing certificates and their keys.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyUsagePurpose, SerialNumber};
use signpost_model::text::is_domain_name;
use signpost_model::time::DAY_MS;
use signpost_model::{Secret, Timestamp};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;
use zeroize::Zeroizing;

/// The most bytes of DER that are looked at.
const MAX_DER: usize = 16 * 1024;
/// Microsoft refuses smaller keys (AADSTS50032).
const MIN_KEY_BITS: usize = 2048;
/// The longest life of a certificate made here.
const MAX_DAYS: i64 = 3 * 366;

/// An RSA certificate that Microsoft can be given. Parsed once, so it is what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
    not_before: Timestamp,
    not_after: Timestamp,
    key_bits: usize,
    public_key: Vec<u8>,
}

impl Certificate {
    /// Reads DER.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateProblem> {
        if der.len() > MAX_DER {
            return Err(CertificateProblem::TooLarge);
        }
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|_| CertificateProblem::NotACertificate)?;
        if !rest.is_empty() {
            return Err(CertificateProblem::NotACertificate);
        }
        let Ok(PublicKey::RSA(key)) = parsed.public_key().parsed() else {
            return Err(CertificateProblem::NotRsa);
        };
        let key_bits = key.key_size();
        if key_bits < MIN_KEY_BITS {
            return Err(CertificateProblem::WeakKey { bits: key_bits });
        }
        let instant = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_millis(time.timestamp().saturating_mul(1000))
        };
        Ok(Self {
            subject: parsed.subject().to_string(),
            not_before: instant(parsed.validity().not_before),
            not_after: instant(parsed.validity().not_after),
            key_bits,
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
            der: der.to_vec(),
        })
    }

    /// Reads what people paste: PEM, or the base64 of the DER with or without line breaks.
    pub fn parse(text: &str) -> Result<Self, CertificateProblem> {
        if text.len() > 4 * MAX_DER {
            return Err(CertificateProblem::TooLarge);
        }
        if text.contains("PRIVATE KEY-----") {
            return Err(CertificateProblem::PrivateKey);
        }
        let body = match text.split_once("-----BEGIN CERTIFICATE-----") {
            Some((_, rest)) => rest
                .split_once("-----END CERTIFICATE-----")
                .map_or(rest, |(body, _)| body),
            None => text,
        };
        let compact: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let der = STANDARD
            .decode(compact)
            .map_err(|_| CertificateProblem::NotBase64)?;
        Self::from_der(&der)
    }

    /// The DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The base64 of the DER on one line, as Microsoft Graph and XML signatures carry it.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// Whom it names.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// From when it is valid.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Until when it is valid.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The size of its RSA key.
    pub const fn key_bits(&self) -> usize {
        self.key_bits
    }

    /// Whether it is valid at that instant.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// The SHA-1 of the DER in upper-case hexadecimal: what Microsoft's tools call thumbprint.
    pub fn sha1_fingerprint(&self) -> String {
        hexadecimal(digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der).as_ref())
    }

    /// The SHA-256 of the DER in upper-case hexadecimal.
    pub fn sha256_fingerprint(&self) -> String {
        hexadecimal(digest(&SHA256, &self.der).as_ref())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("sha1", &self.sha1_fingerprint())
            .finish_non_exhaustive()
    }
}

/// Why something cannot be the signing certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    #[error("Paste the certificate as PEM or base64.")]
    NotBase64,
    #[error("This is not a certificate.")]
    NotACertificate,
    #[error("This is too large to be a certificate.")]
    TooLarge,
    #[error("This holds a private key. Paste the certificate only, and treat that key as leaked.")]
    PrivateKey,
    #[error("Only certificates with an RSA key can be used.")]
    NotRsa,
    #[error("The key has {bits} bits; Microsoft wants at least {MIN_KEY_BITS}.")]
    WeakKey { bits: usize },
}

/// The private key that signs tokens. It prints as nothing.
pub struct SigningKey {
    pair: KeyPair,
}

impl SigningKey {
    /// Makes a new RSA key of 2048 bits.
    ///
    /// The one function of this crate that is not pure: the library draws its random numbers
    /// itself, since a key from a seed somebody holds would be no secret.
    pub fn generate() -> Result<Self, KeyProblem> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyProblem::NotMade)?;
        Ok(Self { pair })
    }

    /// Reads a key as [`SigningKey::to_secret`] writes it, or as PEM (PKCS #8).
    pub fn parse(secret: &Secret) -> Result<Self, KeyProblem> {
        let text = secret.expose();
        let body = text
            .trim()
            .trim_start_matches("-----BEGIN PRIVATE KEY-----")
            .trim_end_matches("-----END PRIVATE KEY-----");
        let compact = Secret::new(body.split_whitespace().collect::<String>());
        let der = STANDARD
            .decode(compact.expose())
            .map_err(|_| KeyProblem::NotAKey)?;
        Self::from_pkcs8(&Zeroizing::new(der))
    }

    /// Reads the DER of PKCS #8.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyProblem> {
        let pair = KeyPair::from_pkcs8(der).map_err(|_| KeyProblem::NotAKey)?;
        if pair.public_modulus_len() * 8 < MIN_KEY_BITS {
            return Err(KeyProblem::Weak);
        }
        Ok(Self { pair })
    }

    /// The key as text, to be sealed and stored.
    pub fn to_secret(&self) -> Result<Secret, KeyProblem> {
        let der: Pkcs8V1Der<'_> = self.pair.as_der().map_err(|_| KeyProblem::NotAKey)?;
        Ok(Secret::new(STANDARD.encode(der.as_ref())))
    }

    /// Whether the certificate belongs to this key.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        self.pair.public_key().as_ref() == certificate.public_key
    }

    /// The RSA PKCS #1 signature with SHA-256. It needs no random numbers: the generator that the
    /// library asks for serves other paddings.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .ok()
            .map(|()| signature)
    }

    /// Makes the certificate of this key, signed by itself, for the tokens of a domain.
    ///
    /// The serial number must be drawn at random: two certificates with one name and one number
    /// could not be told apart.
    pub fn certify(
        &self,
        domain: &str,
        serial: [u8; 16],
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Certificate, KeyProblem> {
        let life = not_after.millis_since(not_before);
        if !is_domain_name(domain) || life <= 0 || life > MAX_DAYS * DAY_MS {
            return Err(KeyProblem::Refused);
        }
        let mut params = CertificateParams::default();
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + since_epoch(not_before)?;
        params.not_after = epoch + since_epoch(not_after)?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, format!("Signpost signing, {domain}"));
        params.distinguished_name = name;
        let der: Pkcs8V1Der<'_> = self.pair.as_der().map_err(|_| KeyProblem::NotAKey)?;
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
            &der.as_ref().into(),
            &rcgen::PKCS_RSA_SHA256,
        )
        .map_err(|_| KeyProblem::NotAKey)?;
        let made = params.self_signed(&pair).map_err(|_| KeyProblem::NotMade)?;
        Certificate::from_der(made.der()).map_err(|_| KeyProblem::NotMade)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// Why a key or its certificate cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    #[error("This is not an RSA private key in PKCS #8.")]
    NotAKey,
    #[error("The key has fewer than {MIN_KEY_BITS} bits.")]
    Weak,
    #[error("A certificate is for one domain and at most three years.")]
    Refused,
    #[error("The key or certificate could not be made.")]
    NotMade,
}

fn since_epoch(instant: Timestamp) -> Result<Duration, KeyProblem> {
    let millis = u64::try_from(instant.as_millis()).map_err(|_| KeyProblem::Refused)?;
    Ok(Duration::from_millis(millis))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = include_str!("../tests/fixtures/signing-certificate.pem");
    const KEY: &str = include_str!("../tests/fixtures/signing-key.pem");
    const DAY: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    #[test]
    fn a_certificate_is_described_as_openssl_describes_it() {
        let certificate = Certificate::parse(PEM).unwrap();
        assert_eq!(
            certificate.subject(),
            "CN=Signpost signing, contoso.example"
        );
        assert_eq!(certificate.key_bits(), 2048);
        assert_eq!(
            certificate.sha1_fingerprint(),
            "41DAD3CC68843AD2D57F166AFD2AABE17E8DF62B"
        );
        assert_eq!(
            certificate.sha256_fingerprint(),
            "70D4346E0EEB7110E750E3EB7A7EA452592270BB427FB7DCA2F67DB1E0C5584E"
        );
        assert_eq!(certificate.not_before().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(certificate.not_after().to_string(), "2029-01-01T00:00:00Z");
        assert!(certificate.is_valid_at(certificate.not_after()));
        assert!(!certificate.is_valid_at(certificate.not_after().plus_millis(1)));
    }

    #[test]
    fn a_certificate_is_read_however_it_is_pasted() {
        let certificate = Certificate::parse(PEM).unwrap();
        let base64 = certificate.base64();
        for text in [
            base64.clone(),
            format!("  {base64}\r\n"),
            PEM.replace('\n', "\r\n"),
        ] {
            assert_eq!(Certificate::parse(&text).as_ref(), Ok(&certificate));
        }
    }

    #[test]
    fn what_cannot_sign_is_refused_with_its_reason() {
        let weak = include_str!("../tests/fixtures/weak-certificate.pem");
        let elliptic = include_str!("../tests/fixtures/elliptic-certificate.pem");
        let mut trailing = Certificate::parse(PEM).unwrap().der().to_vec();
        trailing.push(0);
        let trailing = STANDARD.encode(trailing);
        let long = "A".repeat(4 * MAX_DER + 1);
        for (text, expected) in [
            (weak, CertificateProblem::WeakKey { bits: 1024 }),
            (elliptic, CertificateProblem::NotRsa),
            (KEY, CertificateProblem::PrivateKey),
            ("", CertificateProblem::NotACertificate),
            ("AAAA", CertificateProblem::NotACertificate),
            ("!", CertificateProblem::NotBase64),
            (trailing.as_str(), CertificateProblem::NotACertificate),
            (long.as_str(), CertificateProblem::TooLarge),
        ] {
            assert_eq!(Certificate::parse(text), Err(expected));
        }
    }

    #[test]
    fn a_key_certifies_itself_and_survives_storing() {
        let key = SigningKey::generate().unwrap();
        let certificate = key
            .certify("contoso.example", [7; 16], DAY, DAY.plus_days(365))
            .unwrap();
        assert_eq!(
            certificate.subject(),
            "CN=Signpost signing, contoso.example"
        );
        assert_eq!(certificate.not_after(), DAY.plus_days(365));
        let restored = SigningKey::parse(&key.to_secret().unwrap()).unwrap();
        let again = restored
            .certify("contoso.example", [7; 16], DAY, DAY.plus_days(365))
            .unwrap();
        assert_eq!(again, certificate, "nothing but the arguments decides");
        assert!(restored.matches(&certificate));
        assert!(!restored.matches(&Certificate::parse(PEM).unwrap()));
    }

    #[test]
    fn keys_made_elsewhere_are_accepted_as_pem() {
        let key = SigningKey::parse(&Secret::new(KEY)).unwrap();
        assert!(key.matches(&Certificate::parse(PEM).unwrap()));
        let refused = |text: &str| SigningKey::parse(&Secret::new(text)).err();
        assert_eq!(refused("AAAA"), Some(KeyProblem::NotAKey));
        assert_eq!(refused(PEM), Some(KeyProblem::NotAKey));
    }

    #[test]
    fn a_certificate_for_ever_or_for_no_domain_is_not_made() {
        let key = SigningKey::parse(&Secret::new(KEY)).unwrap();
        for (domain, days) in [
            ("contoso.example", 0),
            ("contoso.example", 3 * 366 + 1),
            ("no domain", 365),
            ("", 365),
        ] {
            let made = key.certify(domain, [1; 16], DAY, DAY.plus_days(days));
            assert_eq!(made, Err(KeyProblem::Refused), "{domain} {days}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_key() {
        assert_eq!(
            format!("{:?}", SigningKey::parse(&Secret::new(KEY)).unwrap()),
            "SigningKey"
        );
    }
}
