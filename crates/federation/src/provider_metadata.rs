//! What another identity provider says of itself: its metadata document, SAML or WS-Federation.
//!
//! People paste it, so it is hostile until it is read. One parser reads it, without document types
//! and so without entities; before that, a scan in one pass refuses what would make the parser
//! slow: it compares each attribute of an element with all others, and copies every namespace in
//! scope.

use roxmltree::{Document, Node};
use signpost_model::sign_on::Protocol;

use crate::Certificate;
use crate::saml::{POST_BINDING, REDIRECT_BINDING};

/// The largest document that is read; those of AD FS have up to 100 KB.
pub const MAX_METADATA: usize = 256 * 1024;
/// More attributes than any element of a real document has.
const MAX_ATTRIBUTES: usize = 32;
/// Deeper than any real document.
const MAX_DEPTH: usize = 32;
/// Namespaces that hold at one place; the parser compares each with all others for every element
/// that declares one.
const MAX_NAMESPACES: usize = 24;
/// More certificates than anybody rolls over between.
const MAX_CERTIFICATES: usize = 8;

const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const FED: &str = "http://docs.oasis-open.org/wsfed/federation/200706";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// An identity provider as its metadata describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderMetadata {
    /// Who signs.
    pub issuer: String,
    /// Where WS-Federation requests go.
    pub wsfed_sign_in: Option<String>,
    /// Where SAML requests go.
    pub saml_sign_in: Option<String>,
    /// Where SAML sign-outs go.
    pub saml_sign_out: Option<String>,
    /// The certificates that may sign, in the order of the document.
    pub certificates: Vec<Certificate>,
}

/// Why a metadata document says nothing usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetadataProblem {
    #[error("This is larger than a metadata document.")]
    TooLarge,
    #[error("This is not a metadata document in XML. Document types are not read.")]
    NotXml,
    #[error("This is not a metadata document.")]
    NotMetadata,
    #[error("This describes no identity provider.")]
    NoProvider,
    #[error("This describes more than one identity provider. Keep the one that is meant.")]
    SeveralProviders,
    #[error("This names no address where people sign in.")]
    NoAddress,
    #[error("This holds no certificate that Microsoft accepts: RSA, at least 2048 bits.")]
    NoCertificate,
}

impl ProviderMetadata {
    /// Reads a document.
    pub fn parse(text: &str) -> Result<Self, MetadataProblem> {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.len() > MAX_METADATA {
            return Err(MetadataProblem::TooLarge);
        }
        scan(text)?;
        let document = Document::parse(text).map_err(|_| MetadataProblem::NotXml)?;
        Self::of(only_provider(document.root_element())?)
    }

    /// Where people sign in by this protocol.
    pub fn sign_in(&self, protocol: Protocol) -> Option<&str> {
        match protocol {
            Protocol::WsFed => self.wsfed_sign_in.as_deref(),
            Protocol::Saml => self.saml_sign_in.as_deref(),
        }
    }

    /// Where people sign out by this protocol: WS-Federation has one address for both.
    pub fn sign_out(&self, protocol: Protocol) -> Option<&str> {
        match protocol {
            Protocol::WsFed => self.wsfed_sign_in.as_deref(),
            Protocol::Saml => self.saml_sign_out.as_deref(),
        }
    }

    /// The protocols it speaks, the better one first.
    pub fn protocols(&self) -> impl Iterator<Item = Protocol> {
        Protocol::ALL
            .into_iter()
            .filter(|protocol| self.sign_in(*protocol).is_some())
    }

    fn of(entity: Node<'_, '_>) -> Result<Self, MetadataProblem> {
        let issuer = attribute(entity, "entityID").unwrap_or_default().trim();
        if issuer.is_empty() {
            return Err(MetadataProblem::NotMetadata);
        }
        let mut found = Self {
            issuer: issuer.to_owned(),
            wsfed_sign_in: None,
            saml_sign_in: None,
            saml_sign_out: None,
            certificates: Vec::new(),
        };
        for role in entity.children().filter(|role| is_provider_role(*role)) {
            if role.has_tag_name((MD, "IDPSSODescriptor")) {
                let wanted = [POST_BINDING, REDIRECT_BINDING];
                found.saml_sign_in = location(role, "SingleSignOnService", wanted);
                let wanted = [REDIRECT_BINDING, POST_BINDING];
                found.saml_sign_out = location(role, "SingleLogoutService", wanted);
            } else {
                found.wsfed_sign_in = passive_address(role);
            }
            found.take_certificates(role);
        }
        if found.protocols().next().is_none() {
            Err(MetadataProblem::NoAddress)
        } else if found.certificates.is_empty() {
            Err(MetadataProblem::NoCertificate)
        } else {
            Ok(found)
        }
    }

    /// Those that sign and that Microsoft accepts; a document may hold others beside them.
    fn take_certificates(&mut self, role: Node<'_, '_>) {
        let keys = role.children().filter(|node| {
            let signs = attribute(*node, "use").is_none_or(|purpose| purpose == "signing");
            node.has_tag_name((MD, "KeyDescriptor")) && signs
        });
        for node in keys.flat_map(|key| key.descendants()) {
            if !node.has_tag_name((DS, "X509Certificate")) {
                continue;
            }
            let read = only_text(node).and_then(|text| Certificate::parse(text).ok());
            let room = self.certificates.len() < MAX_CERTIFICATES;
            if let Some(read) = read.filter(|read| room && !self.certificates.contains(read)) {
                self.certificates.push(read);
            }
        }
    }
}

/// The one entity that signs people in, in a document of one or of many.
fn only_provider<'a, 'input>(root: Node<'a, 'input>) -> Result<Node<'a, 'input>, MetadataProblem> {
    let entities: Vec<Node<'_, '_>> = if root.has_tag_name((MD, "EntityDescriptor")) {
        vec![root]
    } else if root.has_tag_name((MD, "EntitiesDescriptor")) {
        let is_entity = |node: &Node<'_, '_>| node.has_tag_name((MD, "EntityDescriptor"));
        root.children().filter(is_entity).collect()
    } else {
        return Err(MetadataProblem::NotMetadata);
    };
    let mut providers = entities
        .into_iter()
        .filter(|entity| entity.children().any(is_provider_role));
    match (providers.next(), providers.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(MetadataProblem::NoProvider),
        _ => Err(MetadataProblem::SeveralProviders),
    }
}

/// A SAML identity provider, or a security token service of WS-Federation.
fn is_provider_role(node: Node<'_, '_>) -> bool {
    if node.has_tag_name((MD, "IDPSSODescriptor")) {
        return true;
    }
    if !node.has_tag_name((MD, "RoleDescriptor")) {
        return false;
    }
    let kind = node.attribute((XSI, "type")).unwrap_or_default().trim();
    let (prefix, name) = kind.split_once(':').unwrap_or(("", kind));
    let namespace = if prefix.is_empty() {
        node.lookup_namespace_uri(None)
    } else {
        node.lookup_namespace_uri(Some(prefix))
    };
    name == "SecurityTokenServiceType" && namespace == Some(FED)
}

/// The address of a SAML service by the first of these bindings that it has.
fn location(role: Node<'_, '_>, name: &str, bindings: [&str; 2]) -> Option<String> {
    bindings.into_iter().find_map(|binding| {
        role.children()
            .filter(|node| node.has_tag_name((MD, name)))
            .find(|node| attribute(*node, "Binding") == Some(binding))
            .and_then(|node| attribute(node, "Location"))
            .map(|location| location.trim().to_owned())
            .filter(|location| !location.is_empty())
    })
}

fn passive_address(role: Node<'_, '_>) -> Option<String> {
    role.children()
        .filter(|node| node.has_tag_name((FED, "PassiveRequestorEndpoint")))
        .flat_map(|endpoint| endpoint.children())
        .filter(|node| node.has_tag_name((ADDRESSING, "EndpointReference")))
        .flat_map(|reference| reference.children())
        .find(|node| node.has_tag_name((ADDRESSING, "Address")))
        .and_then(only_text)
        .map(str::to_owned)
        .filter(|address| !address.is_empty())
}

/// An attribute without a prefix; the parser's own look-up does not tell `x:use` apart.
fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes()
        .find(|attribute| attribute.namespace().is_none() && attribute.name() == name)
        .map(|attribute| attribute.value())
}

/// The text of an element that holds nothing else: a comment would split it.
fn only_text<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    let mut children = node.children();
    match (children.next(), children.next()) {
        (Some(only), None) if only.is_text() => only.text().map(str::trim),
        _ => None,
    }
}

/// Refuses document types, and elements with too much around or inside them, in one pass.
fn scan(text: &str) -> Result<(), MetadataProblem> {
    let mut rest = text;
    // How many namespaces each open element declares.
    let mut open: Vec<usize> = Vec::new();
    let mut in_scope = 0;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at..).unwrap_or_default();
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")]
            .into_iter()
            .find_map(|(from, to)| Some((rest.strip_prefix(from)?, to)));
        if let Some((after, to)) = skipped {
            let (_, after) = after.split_once(to).ok_or(MetadataProblem::NotXml)?;
            rest = after;
            continue;
        }
        if rest.starts_with("<!") {
            return Err(MetadataProblem::NotXml);
        }
        let (length, declared) = measure_tag(rest)?;
        let (tag, after) = rest.split_at(length);
        rest = after;
        if tag.starts_with("</") {
            in_scope -= open.pop().ok_or(MetadataProblem::NotXml)?;
            continue;
        }
        if in_scope + declared > MAX_NAMESPACES || open.len() >= MAX_DEPTH {
            return Err(MetadataProblem::NotXml);
        }
        if !tag.ends_with("/>") {
            in_scope += declared;
            open.push(declared);
        }
    }
    Ok(())
}

/// Up to and with the `>` that ends the tag (one in quotes does not), and how many namespaces it
/// declares.
fn measure_tag(rest: &str) -> Result<(usize, usize), MetadataProblem> {
    let mut quote = None;
    let (mut attributes, mut declared) = (0, 0);
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => {
                attributes += 1;
                if attributes > MAX_ATTRIBUTES {
                    return Err(MetadataProblem::NotXml);
                }
                quote = Some(byte);
            }
            (None, b'x') => {
                let is_one = rest
                    .as_bytes()
                    .get(at..)
                    .is_some_and(|rest| rest.starts_with(b"xmlns"));
                declared += usize::from(is_one);
            }
            (None, b'>') => return Ok((at + 1, declared)),
            (None, _) => {}
        }
    }
    Err(MetadataProblem::NotXml)
}
