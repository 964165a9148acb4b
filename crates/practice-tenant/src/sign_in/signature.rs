//! The signature of a message, as strictly as Microsoft's documents ask for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra_dsig::DsigContext;
use bergshamra_dsig::verify::{VerifyResult, verify_all_document_with_source};
use bergshamra_keys::{KeysManager, loader};
use serde_json::{Map, Value};
use uppsala::Document;
use x509_parser::public_key::PublicKey;

use super::refusal::{Code, Refused};
use super::text;
use super::xml::At;

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// Checks that `element` is signed by a certificate of the domain, and every other signature too.
///
/// What is claimed must be read from `element` of this same tree: what is signed and what is read
/// are then one thing.
pub(super) fn check(
    tree: &Document<'_>,
    source: &str,
    element: At<'_, '_>,
    id_attribute: &str,
    configuration: &Map<String, Value>,
) -> Result<(), Refused> {
    let root = At::root(tree).unwrap_or(element);
    let own = element.only(DS, "Signature").map_err(|_| {
        Refused::new(
            Code::Signature,
            "The assertion itself does not carry exactly one signature.",
        )
    })?;
    for signature in root.everywhere(DS, "Signature") {
        let Some(signed) = signature.parent() else {
            continue;
        };
        let is_expected = signature.is_at(own.node()) || signed.is_at(root.node());
        if !is_expected {
            return Err(Refused::new(
                Code::Signature,
                "There is a signature where none belongs.",
            ));
        }
        let id = if signature.is_at(own.node()) {
            id_attribute
        } else {
            "ID"
        };
        check_form(signature, signed.attribute(id).unwrap_or_default())?;
        check_certificate(signature, configuration)?;
    }
    verify(tree, source, element, own, configuration)
}

/// Algorithms, transforms and the one reference, to the element around the signature.
fn check_form(signature: At<'_, '_>, id: &str) -> Result<(), Refused> {
    let wrong = |because: String| Refused::new(Code::Signature, because);
    let info = signature.only(DS, "SignedInfo")?;
    let algorithm = |at: At<'_, '_>| at.attribute("Algorithm").unwrap_or_default().to_owned();
    let method = algorithm(info.only(DS, "SignatureMethod")?);
    if method != RSA_SHA256 {
        return Err(wrong(format!(
            "It is signed with {method}, not RSA-SHA256."
        )));
    }
    let canonical = algorithm(info.only(DS, "CanonicalizationMethod")?);
    if canonical != EXCLUSIVE_C14N {
        return Err(wrong(format!(
            "SignedInfo is put in the form {canonical}, not exclusive canonical form."
        )));
    }
    let reference = info.only(DS, "Reference")?;
    let uri = reference.attribute("URI").unwrap_or_default();
    if id.is_empty() || uri.strip_prefix('#') != Some(id) {
        return Err(wrong(format!(
            "The signature covers \"{uri}\", not the element that carries it."
        )));
    }
    let digest = algorithm(reference.only(DS, "DigestMethod")?);
    if digest != SHA256 {
        return Err(wrong(format!(
            "The digest is made with {digest}, not SHA-256."
        )));
    }
    let transforms = reference.only(DS, "Transforms")?.children(DS, "Transform");
    let transforms: Vec<String> = transforms.into_iter().map(algorithm).collect();
    if transforms != [ENVELOPED, EXCLUSIVE_C14N] {
        return Err(wrong(format!(
            "The transforms are {}, not enveloped signature and exclusive canonical form.",
            transforms.join(", ")
        )));
    }
    Ok(())
}

/// The certificates that the domain trusts, as DER.
fn trusted(configuration: &Map<String, Value>) -> Vec<Vec<u8>> {
    ["signingCertificate", "nextSigningCertificate"]
        .into_iter()
        .filter_map(|name| STANDARD.decode(text(configuration, name)?).ok())
        .collect()
}

/// The certificate in the message is a hint: it must be one that is trusted, and is not used.
fn check_certificate(
    signature: At<'_, '_>,
    configuration: &Map<String, Value>,
) -> Result<(), Refused> {
    let trusted = trusted(configuration);
    for named in signature.everywhere(DS, "X509Certificate") {
        let compact: String = named.text()?.split_ascii_whitespace().collect();
        let der = STANDARD.decode(compact).unwrap_or_default();
        if !trusted.contains(&der) {
            return Err(Refused::new(
                Code::Certificate,
                "The certificate in the signature is neither the domain's signingCertificate nor its nextSigningCertificate. Was a key replaced and the tenant not told?",
            ));
        }
    }
    Ok(())
}

fn is_weak(der: &[u8]) -> bool {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(der) else {
        return true;
    };
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() < 2048,
        _ => true,
    }
}

fn verify(
    tree: &Document<'_>,
    source: &str,
    element: At<'_, '_>,
    own: At<'_, '_>,
    configuration: &Map<String, Value>,
) -> Result<(), Refused> {
    let mut keys = KeysManager::new();
    for der in trusted(configuration) {
        if is_weak(&der) {
            return Err(Refused::new(
                Code::WeakKey,
                "The signing certificate has no RSA key of at least 2048 bits.",
            ));
        }
        if let Ok(key) = loader::load_x509_cert_der(&der) {
            keys.add_key(key);
        }
    }
    let context = DsigContext::new(keys)
        .with_trusted_keys_only(true)
        .with_strict_verification(true);
    let invalid = |because: String| Refused::new(Code::Signature, because);
    let results = verify_all_document_with_source(&context, tree, Some(source))
        .map_err(|error| invalid(format!("The signature cannot be checked: {error}.")))?;
    let mut is_covered = false;
    for result in results {
        match result {
            VerifyResult::Invalid { reason } => {
                return Err(invalid(format!(
                    "The signature does not fit the content: {reason}."
                )));
            }
            VerifyResult::Valid {
                signature_node,
                references,
                ..
            } => {
                let covers = |node| references.iter().any(|one| one.resolved_node == Some(node));
                is_covered |= own.is_at(signature_node) && covers(element.node());
            }
        }
    }
    if is_covered {
        Ok(())
    } else {
        Err(invalid(
            "The signature covers another element than the assertion.".to_owned(),
        ))
    }
}
