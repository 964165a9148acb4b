//! Requests: input from anybody, of which only the id and a few wishes are used.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;
use roxmltree::{Document, Node};

use super::{MULTI_FACTOR, PERSISTENT, POST_BINDING, SAML, SAMLP};
use crate::parameters::{ParameterProblem, Parameters};
use crate::{Demands, IdentityProvider};

/// The most bytes of XML that are parsed: real requests have up to 2 KB, and a parser needs
/// seconds for some documents of 80 KB.
const MAX_XML: usize = 16 * 1024;
/// The most bytes of the encoded request.
const MAX_ENCODED: usize = 24 * 1024;
/// The most characters of a request's id, which goes into the answer.
const MAX_ID: usize = 128;

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SamlRequest {
    SignIn(AuthnRequest),
    SignOut(LogoutRequest),
}

/// A wish to have somebody signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthnRequest {
    /// Checked: safe to write into an answer.
    pub id: String,
    pub demands: Demands,
    /// Goes back byte for byte.
    pub relay_state: Option<String>,
    /// A user name to fill in beforehand.
    pub login_hint: Option<String>,
}

/// A wish to end the session of this browser, whoever is named in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutRequest {
    /// Checked: safe to write into an answer.
    pub id: String,
    pub relay_state: Option<String>,
}

/// Why a request is refused. The person sees an id; the log gets this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SamlRejection {
    #[error(transparent)]
    Parameters(#[from] ParameterProblem),
    #[error("there is no SAMLRequest")]
    NoRequest,
    #[error("there are a request and a response")]
    Ambiguous,
    #[error("the request is too large")]
    TooLarge,
    #[error("the request is not base64")]
    NotBase64,
    #[error("the request does not inflate")]
    NotDeflated,
    #[error("the request is not XML without a document type")]
    NotXml,
    #[error("the request is neither an AuthnRequest nor a LogoutRequest of SAML 2.0")]
    UnknownMessage,
    #[error("the request's id is not an XML name of at most {MAX_ID} characters")]
    BadId,
    #[error("the request is not from Microsoft")]
    UnknownIssuer,
    #[error("the request is meant for another address")]
    OtherDestination,
    #[error("the request wants the answer elsewhere")]
    OtherReplyAddress,
    #[error("the request wants a name or binding that is not offered")]
    Unsupported,
    #[error("the request contradicts its schema")]
    Malformed,
}

impl SamlRequest {
    /// Reads the query of a redirect (`SAMLRequest` is deflated). `own_address` is where it came.
    pub fn from_redirect(
        query: &str,
        provider: &IdentityProvider,
        own_address: &str,
    ) -> Result<Self, SamlRejection> {
        let parameters = Parameters::parse(query.as_bytes())?;
        let compressed = decode_base64(request_parameter(&parameters)?)?;
        let mut xml = Vec::new();
        DeflateDecoder::new(compressed.as_slice())
            .take(MAX_XML as u64 + 1)
            .read_to_end(&mut xml)
            .map_err(|_| SamlRejection::NotDeflated)?;
        read(&xml, &parameters, provider, own_address)
    }

    /// Reads the body of a posted form.
    pub fn from_post(
        body: &[u8],
        provider: &IdentityProvider,
        own_address: &str,
    ) -> Result<Self, SamlRejection> {
        let parameters = Parameters::parse(body)?;
        let xml = decode_base64(request_parameter(&parameters)?)?;
        read(&xml, &parameters, provider, own_address)
    }
}

fn request_parameter(parameters: &Parameters) -> Result<&str, SamlRejection> {
    if parameters.find("SAMLResponse").is_some() {
        let both = parameters.find("SAMLRequest").is_some();
        return Err(if both {
            SamlRejection::Ambiguous
        } else {
            SamlRejection::NoRequest
        });
    }
    let encoded = parameters
        .find("SAMLRequest")
        .ok_or(SamlRejection::NoRequest)?;
    if encoded.len() > MAX_ENCODED {
        Err(SamlRejection::TooLarge)
    } else {
        Ok(encoded)
    }
}

/// Base64 with the line breaks that some senders put in.
fn decode_base64(encoded: &str) -> Result<Vec<u8>, SamlRejection> {
    let compact: String = encoded
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n'))
        .collect();
    STANDARD
        .decode(compact)
        .map_err(|_| SamlRejection::NotBase64)
}

fn read(
    xml: &[u8],
    parameters: &Parameters,
    provider: &IdentityProvider,
    own_address: &str,
) -> Result<SamlRequest, SamlRejection> {
    if xml.len() > MAX_XML {
        return Err(SamlRejection::TooLarge);
    }
    let text = std::str::from_utf8(xml).map_err(|_| SamlRejection::NotXml)?;
    let document = Document::parse(text).map_err(|_| SamlRejection::NotXml)?;
    let root = document.root_element();
    let relay_state = parameters.find_context("RelayState")?;
    let is = |name| root.has_tag_name((SAMLP.uri, name));
    if is("AuthnRequest") {
        let id = check_envelope(root, provider, own_address)?;
        check_reply(root, provider)?;
        Ok(SamlRequest::SignIn(AuthnRequest {
            id,
            demands: read_demands(root)?,
            relay_state,
            login_hint: parameters.find_login_hint(),
        }))
    } else if is("LogoutRequest") {
        let id = check_envelope(root, provider, own_address)?;
        Ok(SamlRequest::SignOut(LogoutRequest { id, relay_state }))
    } else {
        Err(SamlRejection::UnknownMessage)
    }
}

/// What every message has: version, id, issuer, and perhaps a destination.
fn check_envelope(
    root: Node<'_, '_>,
    provider: &IdentityProvider,
    own_address: &str,
) -> Result<String, SamlRejection> {
    if attribute(root, "Version") != Some("2.0") {
        return Err(SamlRejection::UnknownMessage);
    }
    let issuer = only_child(root, SAML.uri, "Issuer")?.ok_or(SamlRejection::UnknownIssuer)?;
    if only_text(issuer)? != provider.relying_party.realm() {
        return Err(SamlRejection::UnknownIssuer);
    }
    if attribute(root, "Destination").is_some_and(|destination| destination != own_address) {
        return Err(SamlRejection::OtherDestination);
    }
    let id = attribute(root, "ID").unwrap_or_default();
    if is_id(id) {
        Ok(id.to_owned())
    } else {
        Err(SamlRejection::BadId)
    }
}

/// An answer goes to the one address we know: a request may repeat it, never choose.
fn check_reply(root: Node<'_, '_>, provider: &IdentityProvider) -> Result<(), SamlRejection> {
    let own = provider.relying_party.reply_address();
    if attribute(root, "AssertionConsumerServiceURL").is_some_and(|address| address != own) {
        return Err(SamlRejection::OtherReplyAddress);
    }
    if attribute(root, "AssertionConsumerServiceIndex").is_some_and(|index| index != "0") {
        return Err(SamlRejection::OtherReplyAddress);
    }
    if attribute(root, "ProtocolBinding").is_some_and(|binding| binding != POST_BINDING) {
        return Err(SamlRejection::Unsupported);
    }
    let policy = only_child(root, SAMLP.uri, "NameIDPolicy")?;
    let format = policy.and_then(|policy| attribute(policy, "Format"));
    let unspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
    match format {
        None => Ok(()),
        Some(format) if format == PERSISTENT || format == unspecified => Ok(()),
        Some(_) => Err(SamlRejection::Unsupported),
    }
}

fn read_demands(root: Node<'_, '_>) -> Result<Demands, SamlRejection> {
    let context = only_child(root, SAMLP.uri, "RequestedAuthnContext")?;
    let mut multi_factor = false;
    for class in context.iter().flat_map(|context| context.children()) {
        if class.has_tag_name((SAML.uri, "AuthnContextClassRef")) {
            multi_factor |= only_text(class)? == MULTI_FACTOR;
        }
    }
    Ok(Demands {
        max_age_minutes: read_boolean(root, "ForceAuthn")?.then_some(0),
        multi_factor,
        passive: read_boolean(root, "IsPassive")?,
    })
}

fn read_boolean(node: Node<'_, '_>, name: &str) -> Result<bool, SamlRejection> {
    match attribute(node, name) {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(SamlRejection::Malformed),
    }
}

/// An attribute without a prefix: `x:ID` is another one than `ID`, which the parser's own look-up
/// does not tell apart.
fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes()
        .find(|attribute| attribute.namespace().is_none() && attribute.name() == name)
        .map(|attribute| attribute.value())
}

/// The child of that name; two of them would be read differently by different readers.
fn only_child<'a, 'input>(
    parent: Node<'a, 'input>,
    namespace: &str,
    name: &str,
) -> Result<Option<Node<'a, 'input>>, SamlRejection> {
    let mut found = parent
        .children()
        .filter(|node| node.has_tag_name((namespace, name)));
    let first = found.next();
    if found.next().is_some() {
        Err(SamlRejection::Malformed)
    } else {
        Ok(first)
    }
}

/// The text of an element that holds nothing else: a comment would split it, and what stands
/// before the comment is not what was meant.
fn only_text<'a>(node: Node<'a, '_>) -> Result<&'a str, SamlRejection> {
    let mut children = node.children();
    match (children.next(), children.next()) {
        (None, _) => Ok(""),
        (Some(only), None) if only.is_text() => Ok(only.text().unwrap_or_default().trim()),
        _ => Err(SamlRejection::Malformed),
    }
}

/// An XML name without a colon, in ASCII.
fn is_id(id: &str) -> bool {
    id.len() <= MAX_ID
        && id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}
