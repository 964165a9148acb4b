//! SAML 2.0 as Microsoft speaks it: requests by redirect or post, answers by post.
//! <https://learn.microsoft.com/entra/identity/hybrid/connect/how-to-connect-fed-saml-idp>

mod request;
mod response;

pub use request::{AuthnRequest, LogoutRequest, SamlRejection, SamlRequest};

use crate::xml::Namespace;

pub(crate) const SAMLP: Namespace = Namespace {
    prefix: "samlp",
    uri: "urn:oasis:names:tc:SAML:2.0:protocol",
};
pub(crate) const SAML: Namespace = Namespace {
    prefix: "saml",
    uri: "urn:oasis:names:tc:SAML:2.0:assertion",
};
pub(crate) const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
pub(crate) const POST_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
pub(crate) const REDIRECT_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
pub(crate) const MULTI_FACTOR: &str = "http://schemas.microsoft.com/claims/multipleauthn";
