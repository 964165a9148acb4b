//! What Microsoft checks, held against every token: whoever signs in, however and whenever.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

mod contoso;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use roxmltree::{Document, Node};
use signpost_federation::saml::AuthnRequest;
use signpost_federation::wsfed::SignInRequest;
use signpost_federation::{Certificate, Demands, Endpoints, PostForm, SignIn, Strength};
use signpost_model::Timestamp;
use signpost_model::random::SeededRandom;

use crate::contoso::{CERTIFICATE, OWN_ADDRESS, provider};

const REALM: &str = "urn:federation:MicrosoftOnline";
const REPLY: &str = "https://login.microsoftonline.com/login.srf";
const MULTI_FACTOR: &str = "http://schemas.microsoft.com/claims/multipleauthn";
const HOUR: i64 = 3_600_000;

/// Anybody of the domain, with any state that Microsoft may send along.
fn anybody() -> impl Strategy<Value = (SignIn, String, Timestamp)> {
    let sign_in = (
        "[A-Za-z0-9][A-Za-z0-9'_!#^~-]{0,40}",
        "[A-Za-z0-9+/]{1,62}={0,2}",
        any::<bool>(),
        0..HOUR * 24 * 90,
        1_795_000_000_000..1_800_000_000_000_i64,
    );
    (sign_in, "[\\PC\t]{0,300}").prop_map(|((local, immutable_id, strong, ago, now), context)| {
        let now = Timestamp::from_millis(now);
        let sign_in = SignIn {
            user_name: format!("{local}@contoso.example"),
            immutable_id,
            authenticated_at: now.plus_millis(-ago),
            strength: if strong {
                Strength::MultiFactor
            } else {
                Strength::Password
            },
        };
        (sign_in, context, now)
    })
}

fn field(form: &PostForm, name: &str) -> String {
    let mut found = form.fields.iter().filter(|(known, _)| *known == name);
    let value = found.next().unwrap().1.clone();
    assert!(found.next().is_none());
    value
}

fn every<'a, 'input>(document: &'a Document<'input>, name: &str) -> Vec<Node<'a, 'input>> {
    let found = document.descendants();
    found
        .filter(|node| node.tag_name().name() == name)
        .collect()
}

fn only<'a, 'input>(document: &'a Document<'input>, name: &str) -> Node<'a, 'input> {
    let found = every(document, name);
    assert_eq!(found.len(), 1, "{name}");
    found[0]
}

fn instant(node: Node<'_, '_>, name: &str) -> Timestamp {
    let text = node.attribute(name).unwrap();
    assert!(text.len() == 24 && text.ends_with('Z'), "{text}");
    let at: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(at.as_millisecond())
}

/// Times, audience and signature, which are the same in both versions of SAML.
fn check_common(document: &Document<'_>, id: &str, now: Timestamp) {
    assert_eq!(only(document, "Audience").text(), Some(REALM));
    let conditions = only(document, "Conditions");
    let (from, until) = (
        instant(conditions, "NotBefore"),
        instant(conditions, "NotOnOrAfter"),
    );
    assert!(from <= now && now < until);
    assert!(until <= now.plus_millis(HOUR) && from >= now.plus_millis(-HOUR));
    let algorithm = |name| only(document, name).attribute("Algorithm").unwrap();
    assert_eq!(
        algorithm("SignatureMethod"),
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    );
    assert_eq!(
        algorithm("DigestMethod"),
        "http://www.w3.org/2001/04/xmlenc#sha256"
    );
    assert_eq!(
        algorithm("CanonicalizationMethod"),
        "http://www.w3.org/2001/10/xml-exc-c14n#"
    );
    let transforms: Vec<_> = every(document, "Transform")
        .iter()
        .map(|node| node.attribute("Algorithm").unwrap())
        .collect();
    let enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
    assert_eq!(
        transforms,
        [enveloped, "http://www.w3.org/2001/10/xml-exc-c14n#"]
    );
    let reference = only(document, "Reference").attribute("URI").unwrap();
    assert_eq!(reference, format!("#{id}"));
    let signed = only(document, "Signature").parent().unwrap();
    assert_eq!(signed.tag_name().name(), "Assertion");
    let uploaded = Certificate::parse(CERTIFICATE).unwrap().base64();
    assert_eq!(
        only(document, "X509Certificate").text(),
        Some(uploaded.as_str())
    );
}

fn check_saml(form: &PostForm, sign_in: &SignIn, context: &str, now: Timestamp) {
    assert_eq!(form.action, REPLY);
    assert_eq!(field(form, "RelayState"), context);
    let text = String::from_utf8(STANDARD.decode(field(form, "SAMLResponse")).unwrap()).unwrap();
    let document = Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("Destination"), Some(REPLY));
    for issuer in every(&document, "Issuer") {
        assert_eq!(issuer.text(), Some(provider().issuer_uri.as_str()));
    }
    let assertion = only(&document, "Assertion");
    check_common(&document, assertion.attribute("ID").unwrap(), now);
    let name = only(&document, "NameID");
    assert_eq!(name.text(), Some(sign_in.immutable_id.as_str()));
    let persistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
    assert_eq!(name.attribute("Format"), Some(persistent));
    let attribute = only(&document, "Attribute");
    assert_eq!(attribute.attribute("Name"), Some("IDPEmail"));
    let value = only(&document, "AttributeValue").text();
    assert_eq!(value, Some(sign_in.user_name.as_str()));
    let class = only(&document, "AuthnContextClassRef").text().unwrap();
    let is_strong = sign_in.strength == Strength::MultiFactor;
    assert_eq!(class == MULTI_FACTOR, is_strong);
    let data = only(&document, "SubjectConfirmationData");
    for node in [root, data] {
        assert_eq!(node.attribute("InResponseTo"), Some("_request"));
    }
    assert_eq!(data.attribute("Recipient"), Some(REPLY));
    assert!(instant(data, "NotOnOrAfter") <= now.plus_millis(HOUR / 12));
    let statement = only(&document, "AuthnStatement");
    assert_eq!(instant(statement, "AuthnInstant"), sign_in.authenticated_at);
}

fn check_wsfed(form: &PostForm, sign_in: &SignIn, context: &str, now: Timestamp) {
    assert_eq!(form.action, REPLY);
    assert_eq!(field(form, "wctx"), context);
    assert_eq!(field(form, "wa"), "wsignin1.0");
    let text = field(form, "wresult");
    let document = Document::parse(&text).unwrap();
    let trust = "http://schemas.xmlsoap.org/ws/2005/02/trust";
    let response = (trust, "RequestSecurityTokenResponse");
    assert!(document.root_element().has_tag_name(response));
    let assertion = only(&document, "Assertion");
    let saml = "urn:oasis:names:tc:SAML:1.0:assertion";
    assert!(assertion.has_tag_name((saml, "Assertion")));
    assert_eq!(only(&document, "TokenType").text(), Some(saml));
    assert_eq!(only(&document, "Address").text(), Some(REALM));
    let version = ["MajorVersion", "MinorVersion"].map(|name| assertion.attribute(name));
    assert_eq!(version, [Some("1"), Some("1")]);
    assert_eq!(
        assertion.attribute("Issuer"),
        Some(provider().issuer_uri.as_str())
    );
    check_common(&document, assertion.attribute("AssertionID").unwrap(), now);
    let names = every(&document, "NameIdentifier");
    assert_eq!(names.len(), 2);
    for name in names {
        assert_eq!(name.text(), Some(sign_in.immutable_id.as_str()));
    }
    let claims: Vec<_> = every(&document, "Attribute")
        .into_iter()
        .map(|node| {
            let values: Vec<_> = node.children().map(|value| value.text().unwrap()).collect();
            let namespace = node.attribute("AttributeNamespace").unwrap();
            (namespace, node.attribute("AttributeName").unwrap(), values)
        })
        .collect();
    let is_strong = sign_in.strength == Strength::MultiFactor;
    let statement = only(&document, "AuthenticationStatement");
    let method = statement.attribute("AuthenticationMethod").unwrap();
    assert_eq!(method == MULTI_FACTOR, is_strong);
    let expected = [
        (
            "http://schemas.xmlsoap.org/claims",
            "UPN",
            vec![sign_in.user_name.as_str()],
        ),
        (
            "http://schemas.microsoft.com/LiveID/Federation/2008/05",
            "ImmutableID",
            vec![sign_in.immutable_id.as_str()],
        ),
        (
            "http://schemas.microsoft.com/ws/2008/06/identity/claims",
            "authenticationmethod",
            vec![method],
        ),
    ];
    assert_eq!(claims, expected);
    assert_eq!(
        instant(statement, "AuthenticationInstant"),
        sign_in.authenticated_at
    );
}

/// The script compares the metadata with what it uploads.
#[test]
fn metadata_and_tokens_name_one_issuer_and_one_certificate() {
    let endpoints = Endpoints {
        sign_in: OWN_ADDRESS.into(),
        sign_out: OWN_ADDRESS.into(),
    };
    let text = provider().metadata(&endpoints, None).unwrap();
    let document = Document::parse(&text).unwrap();
    let entity = document.root_element().attribute("entityID");
    assert_eq!(entity, Some(provider().issuer_uri.as_str()));
    let uploaded = Certificate::parse(CERTIFICATE).unwrap().base64();
    let named = every(&document, "X509Certificate");
    assert!(!named.is_empty());
    assert!(
        named
            .iter()
            .all(|node| node.text() == Some(uploaded.as_str()))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_saml_token_is_what_microsoft_takes((sign_in, context, now) in anybody(), seed: u64) {
        let request = AuthnRequest {
            id: "_request".into(),
            demands: Demands::default(),
            relay_state: Some(context.clone()),
            login_hint: None,
        };
        let random = SeededRandom::new(seed);
        let form = provider().answer_saml(&request, &sign_in, now, &random).unwrap();
        check_saml(&form, &sign_in, &context, now);
    }

    #[test]
    fn every_wsfed_token_is_what_microsoft_takes((sign_in, context, now) in anybody(), seed: u64) {
        let request = SignInRequest {
            demands: Demands::default(),
            context: Some(context.clone()),
            login_hint: None,
        };
        let random = SeededRandom::new(seed);
        let form = provider().answer_wsfed(&request, &sign_in, now, &random).unwrap();
        check_wsfed(&form, &sign_in, &context, now);
    }
}
