//! XML signatures: RSA with SHA-256 over one element, as Microsoft wants them.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::xml::{Element, Namespace, UnwritableText};
use crate::{Certificate, SigningKey};

const DS: Namespace = Namespace {
    prefix: "ds",
    uri: "http://www.w3.org/2000/09/xmldsig#",
};
const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256_URI: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// A key with the certificate that Microsoft knows it by.
#[derive(Debug)]
pub struct Signer {
    key: SigningKey,
    certificate: Certificate,
}

impl Signer {
    /// Pairs a key with its certificate; nothing when they do not belong together.
    pub fn new(key: SigningKey, certificate: Certificate) -> Option<Self> {
        key.matches(&certificate)
            .then_some(Self { key, certificate })
    }

    /// The certificate.
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Signs an element by its id and puts the signature among its children.
    ///
    /// The two SAML versions name the id differently and want the signature at different places.
    pub(crate) fn sign(
        &self,
        mut element: Element,
        id_attribute: &str,
        position: usize,
    ) -> Result<Element, SignatureProblem> {
        let id = element
            .attribute_value(id_attribute)
            .ok_or(SignatureProblem::NoId)?;
        // The enveloped-signature transform takes the signature away again: this is what it leaves.
        let content = element.to_canonical()?;
        let digest_value = STANDARD.encode(digest(&SHA256, content.as_bytes()));
        let signed_info = signed_info(id, &digest_value);
        let value = self
            .key
            .sign(signed_info.to_canonical()?.as_bytes())
            .ok_or(SignatureProblem::Refused)?;
        let signature = Element::new(DS, "Signature")
            .child(signed_info)
            .child(Element::new(DS, "SignatureValue").text(STANDARD.encode(value)))
            .child(key_info(&self.certificate));
        element.insert_child(position, signature);
        Ok(element)
    }
}

/// The certificate, so that readers need not guess which of several keys was used.
pub(crate) fn key_info(certificate: &Certificate) -> Element {
    let certificate = Element::new(DS, "X509Certificate").text(certificate.base64());
    Element::new(DS, "KeyInfo").child(Element::new(DS, "X509Data").child(certificate))
}

fn signed_info(id: &str, digest_value: &str) -> Element {
    let algorithm = |name, uri| Element::new(DS, name).attribute("Algorithm", uri);
    let transforms = Element::new(DS, "Transforms")
        .child(algorithm("Transform", ENVELOPED))
        .child(algorithm("Transform", EXCLUSIVE_C14N));
    let reference = Element::new(DS, "Reference")
        .attribute("URI", format!("#{id}"))
        .child(transforms)
        .child(algorithm("DigestMethod", SHA256_URI))
        .child(Element::new(DS, "DigestValue").text(digest_value));
    Element::new(DS, "SignedInfo")
        .child(algorithm("CanonicalizationMethod", EXCLUSIVE_C14N))
        .child(algorithm("SignatureMethod", RSA_SHA256))
        .child(reference)
}

/// Why nothing was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    #[error("the element has no id")]
    NoId,
    #[error("the key did not sign")]
    Refused,
    #[error(transparent)]
    Text(#[from] UnwritableText),
}
