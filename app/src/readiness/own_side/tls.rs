//! Watches a TLS handshake with our own address: what was shown, and why it was refused.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;
use signpost_federation::ServerCertificate;
use signpost_model::Timestamp;
use signpost_sync::readiness::{TlsFact, TlsProblem};

/// A configuration that trusts whom the machine trusts, and these authorities (DER); with what it
/// will have seen. An error is in words for people.
pub(super) fn watched(authorities: &[Vec<u8>]) -> Result<(ClientConfig, Seen), String> {
    let unusable = |error: Error| format!("This machine’s authorities cannot be used ({error}).");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = authorities.iter().cloned().map(CertificateDer::from);
    let verifier =
        Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(unusable)?;
    let seen = Seen::default();
    let watch = Watch {
        verifier,
        seen: seen.clone(),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .dangerous()
        // It judges by the same rules as without us, and notes what it judged.
        .with_custom_certificate_verifier(Arc::new(watch))
        .with_no_client_auth();
    Ok((config, seen))
}

/// The certificates that were shown last, and what was made of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Option<Handshake>>>);

#[derive(Debug, Clone)]
struct Handshake {
    leaf: Vec<u8>,
    chain: usize,
    refused: Option<Error>,
}

impl Seen {
    /// What was seen of `host`; `None` when no certificate was shown.
    pub(super) fn fact(&self, host: &str, now: Timestamp) -> Option<TlsFact> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let handshake = seen.clone()?;
        drop(seen);
        let shown = ServerCertificate::read(&handshake.leaf);
        let problem = handshake
            .refused
            .map(|error| problem_of(error, shown.as_ref()));
        Some(TlsFact {
            host: host.to_owned(),
            issuer: shown
                .as_ref()
                .map_or_else(String::new, |shown| shown.issuer.clone()),
            chain: handshake.chain,
            ends_at: shown.map_or(now, |shown| shown.ends_at),
            problem,
        })
    }
}

fn problem_of(error: Error, shown: Option<&ServerCertificate>) -> TlsProblem {
    let Error::InvalidCertificate(error) = error else {
        return TlsProblem::Other(error.to_string());
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsProblem::Ended,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => shown
            .map_or_else(
                || TlsProblem::Other("it is not valid yet".to_owned()),
                |shown| TlsProblem::NotYet(shown.starts_at),
            ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsProblem::OtherHosts(shown.map_or_else(Vec::new, |shown| shown.names.clone()))
        }
        CertificateError::UnknownIssuer => match shown {
            Some(shown) if shown.self_signed => TlsProblem::SelfSigned,
            _ => TlsProblem::UnknownIssuer,
        },
        other => TlsProblem::Other(other.to_string()),
    }
}

#[derive(Debug)]
struct Watch {
    verifier: Verifier,
    seen: Seen,
}

impl ServerCertVerifier for Watch {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let handshake = Handshake {
            leaf: end_entity.to_vec(),
            chain: intermediates.len() + 1,
            refused: verdict.as_ref().err().cloned(),
        };
        *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(handshake);
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
