//! The metadata document: what anybody may know of an identity provider.

use crate::Certificate;
use crate::provider::IdentityProvider;
use crate::saml::{PERSISTENT, POST_BINDING, REDIRECT_BINDING, SAMLP};
use crate::signature::key_info;
use crate::xml::{Element, Namespace, UnwritableText};

const MD: Namespace = Namespace {
    prefix: "md",
    uri: "urn:oasis:names:tc:SAML:2.0:metadata",
};
const FED: Namespace = Namespace {
    prefix: "fed",
    uri: "http://docs.oasis-open.org/wsfed/federation/200706",
};
const ADDRESSING: Namespace = Namespace {
    prefix: "wsa",
    uri: "http://www.w3.org/2005/08/addressing",
};

/// Where the provider is reached; from the configured public address, never from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    pub sign_in: String,
    pub sign_out: String,
}

impl IdentityProvider {
    /// The document for both protocols. `next` is published before it signs anything, so that
    /// whoever reads the document trusts it in time.
    pub fn metadata(
        &self,
        endpoints: &Endpoints,
        next: Option<&Certificate>,
    ) -> Result<String, UnwritableText> {
        let keys: Vec<Element> = std::iter::once(self.signer.certificate())
            .chain(next)
            .map(|certificate| {
                Element::new(MD, "KeyDescriptor")
                    .attribute("use", "signing")
                    .child(key_info(certificate))
            })
            .collect();
        let passive = |name| {
            let address = Element::new(ADDRESSING, "Address").text(endpoints.sign_in.as_str());
            Element::new(FED, name)
                .child(Element::new(ADDRESSING, "EndpointReference").child(address))
        };
        let service = |name, binding: &str, location: &str| {
            Element::new(MD, name)
                .attribute("Binding", binding)
                .attribute("Location", location)
        };
        let token_service = Element::new(MD, "RoleDescriptor")
            .schema_type(FED, "SecurityTokenServiceType")
            .attribute("protocolSupportEnumeration", FED.uri)
            .children(keys.clone())
            .child(passive("SecurityTokenServiceEndpoint"))
            .child(passive("PassiveRequestorEndpoint"));
        let saml = Element::new(MD, "IDPSSODescriptor")
            .attribute("protocolSupportEnumeration", SAMLP.uri)
            .children(keys)
            .child(service(
                "SingleLogoutService",
                REDIRECT_BINDING,
                &endpoints.sign_out,
            ))
            .child(service(
                "SingleLogoutService",
                POST_BINDING,
                &endpoints.sign_out,
            ))
            .child(Element::new(MD, "NameIDFormat").text(PERSISTENT))
            .child(service(
                "SingleSignOnService",
                POST_BINDING,
                &endpoints.sign_in,
            ))
            .child(service(
                "SingleSignOnService",
                REDIRECT_BINDING,
                &endpoints.sign_in,
            ));
        let document = Element::new(MD, "EntityDescriptor")
            .attribute("entityID", self.issuer_uri.as_str())
            .child(token_service)
            .child(saml)
            .to_canonical()?;
        Ok(format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{document}"
        ))
    }
}
