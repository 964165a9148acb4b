//! The identity provider of Contoso.

use signpost_federation::{Certificate, IdentityProvider, RelyingParty, Signer, SigningKey};
use signpost_model::{Cloud, Secret};

pub(crate) const CERTIFICATE: &str = include_str!("../fixtures/signing-certificate.pem");
pub(crate) const OWN_ADDRESS: &str =
    "https://login.signpost.example/federation/contoso.example/sign-in";

pub(crate) fn provider() -> IdentityProvider {
    let key = SigningKey::parse(&Secret::new(include_str!("../fixtures/signing-key.pem")));
    IdentityProvider {
        domain: "contoso.example".into(),
        issuer_uri: "https://login.signpost.example/federation/contoso.example".into(),
        relying_party: RelyingParty::of(Cloud::Microsoft365).unwrap(),
        signer: Signer::new(key.unwrap(), Certificate::parse(CERTIFICATE).unwrap()).unwrap(),
    }
}
