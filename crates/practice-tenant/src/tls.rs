//! A test authority and a certificate for `localhost` under it.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate for `localhost` and `127.0.0.1`, and the authority to trust for it.
pub struct TestIdentity {
    authority_pem: String,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for TestIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestIdentity").finish_non_exhaustive()
    }
}

impl TestIdentity {
    /// A new authority and certificate, for this process only.
    pub fn generate() -> io::Result<Self> {
        Self::make().map_err(io::Error::other)
    }

    fn make() -> Result<Self, rcgen::Error> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Practice tenant test authority");
        let authority_pem = authority.self_signed(&authority_key)?.pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        let certificate = params.signed_by(&key, &issuer)?.der().to_vec();
        Ok(Self {
            authority_pem,
            certificate,
            key: key.serialize_der(),
        })
    }

    /// The authority's certificate, for a client to trust.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    pub(crate) fn server_config(&self) -> io::Result<Arc<ServerConfig>> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone().into()], key)
            .map_err(io::Error::other)?;
        Ok(Arc::new(config))
    }
}
