//! What must hold of every request that the parsers take, whatever was sent: for generated and
//! saved input, and for the fuzz targets.
//!
//! Accepted documents are read once more by another parser. Two that understand a request
//! differently are how requests are smuggled.

use std::io::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use signpost_federation::saml::{SamlRejection, SamlRequest};
use signpost_federation::wsfed::{SignInRequest, WsFedRejection, WsFedRequest};
use signpost_federation::{
    Certificate, IdentityProvider, PostForm, RelyingParty, Signer, SigningKey,
};
use signpost_model::random::SeededRandom;
use signpost_model::text::check_user_name;
use signpost_model::{Cloud, Secret, Timestamp};
use url::{Url, form_urlencoded};

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const OWN: &str = "https://login.signpost.example/federation/contoso.example/sign-in";
const REALM: &str = "urn:federation:MicrosoftOnline";
const REPLY: &str = "https://login.microsoftonline.com/login.srf";
const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";

static PROVIDER: LazyLock<IdentityProvider> = LazyLock::new(|| {
    let key = include_str!("../fixtures/signing-key.pem");
    let certificate = include_str!("../fixtures/signing-certificate.pem");
    let key = SigningKey::parse(&Secret::new(key)).unwrap();
    IdentityProvider {
        domain: "contoso.example".into(),
        issuer_uri: "https://login.signpost.example/federation/contoso.example".into(),
        relying_party: RelyingParty::of(Cloud::Microsoft365).unwrap(),
        signer: Signer::new(key, Certificate::parse(certificate).unwrap()).unwrap(),
    }
});

/// Sends a document by both bindings, which must understand it alike.
pub(crate) fn saml_document(xml: &[u8]) -> Result<SamlRequest, SamlRejection> {
    let encode = |bytes: &[u8]| {
        let encoded = STANDARD.encode(bytes);
        utf8_percent_encode(&encoded, NON_ALPHANUMERIC).to_string()
    };
    let mut deflater = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflater.write_all(xml).unwrap();
    let deflated = deflater.finish().unwrap();
    let post = format!("SAMLRequest={}", encode(xml));
    let post = SamlRequest::from_post(post.as_bytes(), &PROVIDER, OWN);
    let redirect = format!("SAMLRequest={}", encode(&deflated));
    let redirect = SamlRequest::from_redirect(&redirect, &PROVIDER, OWN);
    assert_eq!(post, redirect, "the bindings differ");
    if let Ok(request) = &post {
        check_reading(xml, request);
        check_answer(request);
    }
    post
}

/// Sends a form or a query as it is.
pub(crate) fn saml_form(form: &[u8], is_redirect: bool) -> Result<SamlRequest, SamlRejection> {
    let outcome = if is_redirect {
        SamlRequest::from_redirect(&String::from_utf8_lossy(form), &PROVIDER, OWN)
    } else {
        SamlRequest::from_post(form, &PROVIDER, OWN)
    };
    if let Ok(request) = &outcome {
        let relay_state = match request {
            SamlRequest::SignIn(request) => {
                check_hint(request.login_hint.as_deref());
                &request.relay_state
            }
            SamlRequest::SignOut(request) => &request.relay_state,
        };
        assert_eq!(*relay_state, parameter(form, "RelayState"));
        check_answer(request);
    }
    outcome
}

/// Sends a WS-Federation query.
pub(crate) fn wsfed(query: &str) -> Result<WsFedRequest, WsFedRejection> {
    let outcome = WsFedRequest::parse(query, &PROVIDER);
    match &outcome {
        Ok(WsFedRequest::SignIn(request)) => check_wsfed_sign_in(query, request),
        Ok(WsFedRequest::SignOut {
            return_to: Some(address),
        }) => {
            assert!(address.bytes().all(|b| b.is_ascii_graphic()), "{address:?}");
            let address = Url::parse(address).unwrap();
            let host = (address.scheme(), address.host_str(), address.port());
            assert_eq!(host, ("https", Some("login.microsoftonline.com"), None));
            assert_eq!((address.username(), address.password()), ("", None));
        }
        Ok(WsFedRequest::SignOut { return_to: None } | WsFedRequest::CleanUp) | Err(_) => {}
    }
    outcome
}

fn check_wsfed_sign_in(query: &str, request: &SignInRequest) {
    let sent = |name| parameter(query.as_bytes(), name);
    assert_eq!(sent("wa").as_deref(), Some("wsignin1.0"));
    assert_eq!(sent("wtrealm").as_deref(), Some(REALM));
    assert_eq!(request.context, sent("wctx"));
    assert!(sent("wreply").is_none_or(|reply| reply == REPLY));
    check_hint(request.login_hint.as_deref());
}

/// The same parameter as another decoder reads it.
fn parameter(form: &[u8], name: &str) -> Option<String> {
    let mut found = form_urlencoded::parse(form).filter(|(known, _)| known == name);
    let first = found.next().map(|(_, value)| value.into_owned());
    assert!(found.next().is_none(), "{name} is there twice");
    first
}

fn check_hint(hint: Option<&str>) {
    assert!(hint.is_none_or(|hint| check_user_name(hint).is_ok()));
}

/// Another parser must see the same kind of request, id and issuer.
fn check_reading(xml: &[u8], request: &SamlRequest) {
    let text = std::str::from_utf8(xml).unwrap();
    // What another parser refuses altogether it cannot misunderstand.
    let Ok(tree) = uppsala::parser::Parser::new()
        .with_forbid_dtd(true)
        .parse(text)
    else {
        return;
    };
    let root = tree.document_element().unwrap();
    let (name, id) = match request {
        SamlRequest::SignIn(request) => ("AuthnRequest", &request.id),
        SamlRequest::SignOut(request) => ("LogoutRequest", &request.id),
    };
    let element = tree.element(root).unwrap();
    assert!(element.matches_name_ns(PROTOCOL, name));
    let own = element
        .attributes
        .iter()
        .find(|one| one.name.namespace_uri.is_none() && one.name.local_name == "ID");
    assert_eq!(own.map(|one| &*one.value), Some(id.as_str()));
    let issuers = tree.child_elements_by_name_ns(root, ASSERTION, "Issuer");
    let [issuer] = issuers.as_slice() else {
        panic!("{} issuers", issuers.len())
    };
    assert_eq!(tree.text_content_deep(*issuer).trim(), REALM);
}

/// Nothing in a request steers its answer, breaks its XML or changes its state.
fn check_answer(request: &SamlRequest) {
    let random = SeededRandom::new(1);
    let (form, id, relay_state): (PostForm, _, _) = match request {
        SamlRequest::SignIn(request) => (
            PROVIDER.answer_no_passive(request, NOW, &random).unwrap(),
            &request.id,
            &request.relay_state,
        ),
        SamlRequest::SignOut(request) => (
            PROVIDER.answer_logout(request, NOW, &random).unwrap(),
            &request.id,
            &request.relay_state,
        ),
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    assert!(id.len() <= 128 && id.bytes().all(is_name), "{id}");
    assert!(id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
    assert_eq!(form.action, REPLY);
    let field = |name| {
        let found = form.fields.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(field("RelayState"), *relay_state);
    let answer = STANDARD.decode(field("SAMLResponse").unwrap()).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let tree = uppsala::parse(&answer).unwrap();
    let root = tree.document_element().unwrap();
    assert_eq!(tree.get_attribute(root, "InResponseTo"), Some(id.as_str()));
    assert_eq!(tree.get_attribute(root, "Destination"), Some(REPLY));
}
