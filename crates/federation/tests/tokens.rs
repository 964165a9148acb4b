//! What Microsoft gets: the right shape, a signature that others accept, and no more than is true.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

mod contoso;

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra_dsig::{DsigContext, verify};
use bergshamra_keys::{KeysManager, loader};
use roxmltree::{Document, Node};
use signpost_federation::saml::{AuthnRequest, LogoutRequest};
use signpost_federation::wsfed::SignInRequest;
use signpost_federation::{
    Certificate, Demands, Endpoints, IssueProblem, PostForm, SignIn, Strength,
};
use signpost_model::Timestamp;
use signpost_model::random::SeededRandom;

use crate::contoso::{CERTIFICATE, OWN_ADDRESS, provider};

/// 18 November 2026, 11:06:40 UTC.
const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const REPLY: &str = "https://login.microsoftonline.com/login.srf";

fn alice(strength: Strength) -> SignIn {
    SignIn {
        user_name: "alice@contoso.example".into(),
        immutable_id: "k3v9x0m2q7w5t1r8y6u4p0s2d9f7g5h3".into(),
        authenticated_at: NOW.plus_millis(-90_000),
        strength,
    }
}

fn authn_request() -> AuthnRequest {
    AuthnRequest {
        id: "_request".into(),
        demands: Demands::default(),
        relay_state: Some("state \"><".into()),
        login_hint: None,
    }
}

fn wsfed_request() -> SignInRequest {
    SignInRequest {
        demands: Demands::default(),
        context: Some("estsredirect=2&estsrequest=abc".into()),
        login_hint: None,
    }
}

fn field(form: &PostForm, name: &str) -> String {
    form.fields
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap()
        .1
        .clone()
}

fn saml_with(sign_in: &SignIn, demands: Demands) -> Result<PostForm, IssueProblem> {
    let request = AuthnRequest {
        demands,
        ..authn_request()
    };
    provider().answer_saml(&request, sign_in, NOW, &SeededRandom::new(1))
}

fn wsfed_with(sign_in: &SignIn, demands: Demands) -> Result<PostForm, IssueProblem> {
    let request = SignInRequest {
        demands,
        ..wsfed_request()
    };
    provider().answer_wsfed(&request, sign_in, NOW, &SeededRandom::new(1))
}

fn decoded(form: &PostForm) -> String {
    String::from_utf8(STANDARD.decode(field(form, "SAMLResponse")).unwrap()).unwrap()
}

fn saml(strength: Strength) -> String {
    decoded(&saml_with(&alice(strength), Demands::default()).unwrap())
}

fn wsfed(strength: Strength) -> String {
    field(
        &wsfed_with(&alice(strength), Demands::default()).unwrap(),
        "wresult",
    )
}

fn logout() -> String {
    let request = LogoutRequest {
        id: "_request".into(),
        relay_state: None,
    };
    decoded(
        &provider()
            .answer_logout(&request, NOW, &SeededRandom::new(1))
            .unwrap(),
    )
}

/// A line per tag, for people to read in a snapshot.
fn broken_into_lines(xml: &str) -> String {
    xml.replace("><", ">\n<")
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Node<'a, 'input> {
    node.descendants()
        .find(|inner| inner.tag_name().name() == name)
        .unwrap()
}

fn names(node: Node<'_, '_>) -> Vec<String> {
    node.children()
        .map(|inner| inner.tag_name().name().to_owned())
        .collect()
}

#[test]
fn tokens_look_like_this() {
    insta::assert_snapshot!(
        "saml_response",
        broken_into_lines(&saml(Strength::Password))
    );
    insta::assert_snapshot!(
        "wsfed_response",
        broken_into_lines(&wsfed(Strength::MultiFactor))
    );
    insta::assert_snapshot!("logout_response", broken_into_lines(&logout()));
    let passive = provider().answer_no_passive(&authn_request(), NOW, &SeededRandom::new(1));
    insta::assert_snapshot!("no_passive", broken_into_lines(&decoded(&passive.unwrap())));
}

#[test]
fn metadata_looks_like_this_and_names_both_certificates() {
    let endpoints = Endpoints {
        sign_in: OWN_ADDRESS.into(),
        sign_out: OWN_ADDRESS.replace("sign-in", "sign-out"),
    };
    let next = Certificate::parse(include_str!("fixtures/next-certificate.pem")).unwrap();
    let text = provider().metadata(&endpoints, Some(&next)).unwrap();
    let document = Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(
        root.attribute("entityID"),
        Some(provider().issuer_uri.as_str())
    );
    let certificates: Vec<_> = root
        .descendants()
        .filter(|node| node.tag_name().name() == "X509Certificate")
        .map(|node| node.text().unwrap().to_owned())
        .collect();
    let both = [
        Certificate::parse(CERTIFICATE).unwrap().base64(),
        next.base64(),
    ];
    assert_eq!(certificates, [both.clone(), both].concat());
    insta::assert_snapshot!(broken_into_lines(&text));
}

#[test]
fn the_answer_goes_to_microsoft_with_its_context_untouched() {
    let saml = saml_with(&alice(Strength::Password), Demands::default()).unwrap();
    assert_eq!(
        (saml.action.as_str(), field(&saml, "RelayState").as_str()),
        (REPLY, "state \"><")
    );
    let wsfed = wsfed_with(&alice(Strength::Password), Demands::default()).unwrap();
    assert_eq!(wsfed.action, REPLY);
    assert_eq!(field(&wsfed, "wa"), "wsignin1.0");
    assert_eq!(field(&wsfed, "wctx"), "estsredirect=2&estsrequest=abc");
    let absent = SignInRequest {
        context: None,
        ..wsfed_request()
    };
    let random = SeededRandom::new(1);
    let form = provider()
        .answer_wsfed(&absent, &alice(Strength::Password), NOW, &random)
        .unwrap();
    assert!(form.fields.iter().all(|(name, _)| *name != "wctx"));
}

#[test]
fn signatures_stand_where_each_version_wants_them() {
    let text = saml(Strength::Password);
    let document = Document::parse(&text).unwrap();
    let assertion = child(document.root(), "Assertion");
    assert_eq!(
        names(assertion),
        [
            "Issuer",
            "Signature",
            "Subject",
            "Conditions",
            "AuthnStatement",
            "AttributeStatement"
        ]
    );
    assert_eq!(
        names(document.root_element()),
        ["Issuer", "Status", "Assertion"]
    );
    let text = wsfed(Strength::Password);
    let document = Document::parse(&text).unwrap();
    assert_eq!(
        names(child(document.root(), "Assertion")),
        [
            "Conditions",
            "AttributeStatement",
            "AuthenticationStatement",
            "Signature"
        ]
    );
}

#[test]
fn a_second_factor_is_claimed_only_when_it_was_used() {
    let claim = "http://schemas.microsoft.com/claims/multipleauthn";
    for text in [saml(Strength::Password), wsfed(Strength::Password)] {
        assert!(!text.contains("multipleauthn"));
    }
    let text = saml(Strength::MultiFactor);
    let document = Document::parse(&text).unwrap();
    let classes: Vec<_> = document
        .descendants()
        .filter(|node| node.tag_name().name() == "AuthnContextClassRef")
        .map(|node| node.text())
        .collect();
    assert_eq!(classes, [Some(claim)]);
    let text = wsfed(Strength::MultiFactor);
    let document = Document::parse(&text).unwrap();
    let statement = child(document.root(), "AuthenticationStatement");
    assert_eq!(statement.attribute("AuthenticationMethod"), Some(claim));
    assert_eq!(
        text.matches(claim).count(),
        2,
        "also as the attribute authenticationmethod"
    );
}

#[test]
fn the_time_of_the_sign_in_is_told_not_that_of_the_token() {
    for (text, name, attribute) in [
        (saml(Strength::Password), "AuthnStatement", "AuthnInstant"),
        (
            wsfed(Strength::Password),
            "AuthenticationStatement",
            "AuthenticationInstant",
        ),
    ] {
        let document = Document::parse(&text).unwrap();
        let statement = child(document.root(), name);
        assert_eq!(
            statement.attribute(attribute),
            Some("2026-11-18T11:05:10.000Z")
        );
        let conditions = child(document.root(), "Conditions");
        assert_eq!(
            conditions.attribute("NotBefore"),
            Some("2026-11-18T11:01:40.000Z")
        );
        assert_eq!(
            conditions.attribute("NotOnOrAfter"),
            Some("2026-11-18T12:06:40.000Z")
        );
    }
}

#[test]
fn an_issuer_speaks_only_for_its_own_domain_and_only_the_truth() {
    type Spoil = fn(&mut SignIn);
    let cases: [(IssueProblem, Spoil); 9] = [
        (IssueProblem::OtherDomain, |s| {
            s.user_name = "alice@fabrikam.example".into()
        }),
        (IssueProblem::OtherDomain, |s| {
            s.user_name = "alice@sub.contoso.example".into()
        }),
        (IssueProblem::OtherDomain, |s| {
            s.user_name = "alice@evil@contoso.example".into()
        }),
        (IssueProblem::OtherDomain, |s| {
            s.user_name = "<!-- -->alice@contoso.example".into()
        }),
        (IssueProblem::OtherDomain, |s| s.user_name = "alice".into()),
        (IssueProblem::ImmutableId, |s| {
            s.immutable_id = String::new()
        }),
        (IssueProblem::ImmutableId, |s| s.immutable_id = "a b".into()),
        (IssueProblem::ImmutableId, |s| {
            s.immutable_id = "a".repeat(65)
        }),
        (IssueProblem::NotYetSignedIn, |s| {
            s.authenticated_at = NOW.plus_millis(1)
        }),
    ];
    for (problem, spoil) in cases {
        let mut sign_in = alice(Strength::MultiFactor);
        spoil(&mut sign_in);
        assert_eq!(
            saml_with(&sign_in, Demands::default()).err(),
            Some(problem),
            "{sign_in:?}"
        );
        assert_eq!(
            wsfed_with(&sign_in, Demands::default()).err(),
            Some(problem)
        );
    }
    let wanted = Demands {
        multi_factor: true,
        ..Demands::default()
    };
    let missing = Some(IssueProblem::StrengthMissing);
    assert_eq!(saml_with(&alice(Strength::Password), wanted).err(), missing);
    assert_eq!(
        wsfed_with(&alice(Strength::Password), wanted).err(),
        missing
    );
    let upper = SignIn {
        user_name: "Alice@CONTOSO.example".into(),
        ..alice(Strength::Password)
    };
    assert!(
        saml_with(&upper, Demands::default()).is_ok(),
        "domains have no case"
    );
}

#[test]
fn ids_are_fresh_for_every_message() {
    let random = SeededRandom::new(9);
    let id = |random| {
        let form = provider()
            .answer_saml(&authn_request(), &alice(Strength::Password), NOW, random)
            .unwrap();
        let text = decoded(&form);
        let document = Document::parse(&text).unwrap();
        let response = document.root_element().attribute("ID").unwrap().to_owned();
        let assertion = child(document.root(), "Assertion")
            .attribute("ID")
            .unwrap()
            .to_owned();
        assert_ne!(response, assertion);
        assert_eq!(assertion.len(), 41);
        (response, assertion)
    };
    assert_ne!(id(&random), id(&random));
}

/// Verifies with a library that is not ours, trusting our certificate and nothing in the message.
fn is_accepted(xml: &str) -> bool {
    let mut keys = KeysManager::new();
    keys.add_key(loader::load_x509_cert_pem(CERTIFICATE.as_bytes()).unwrap());
    let context = DsigContext::new(keys).with_trusted_keys_only(true);
    verify::verify(&context, xml).is_ok_and(|result| result.is_valid())
}

fn signed_messages() -> Vec<String> {
    let strengths = [Strength::Password, Strength::MultiFactor];
    let mut messages = vec![logout()];
    messages.extend(strengths.map(saml));
    messages.extend(strengths.map(wsfed));
    messages
}

#[test]
fn another_library_accepts_what_is_signed_and_refuses_what_is_changed() {
    for message in signed_messages() {
        assert!(is_accepted(&message), "{message}");
    }
    let tampered = [
        (saml(Strength::Password), "alice@contoso", "bob@contoso"),
        (
            saml(Strength::Password),
            "PasswordProtectedTransport",
            "Password",
        ),
        (
            saml(Strength::Password),
            "urn:federation:MicrosoftOnline",
            "urn:federation:Other",
        ),
        (saml(Strength::Password), "12:06:40", "23:06:40"),
        (wsfed(Strength::Password), "alice@contoso", "bob@contoso"),
        (wsfed(Strength::Password), "k3v9x0m2", "k3v9x0m3"),
        (
            wsfed(Strength::Password),
            "SAML:1.0:am:password",
            "SAML:1.0:am:x",
        ),
    ];
    for (message, from, to) in tampered {
        let changed = message.replace(from, to);
        assert_ne!(changed, message);
        assert!(!is_accepted(&changed), "{from}");
    }
}

/// The same by hand, from the specification: digest of the assertion without its signature, RSA
/// over `SignedInfo` standing alone.
#[test]
fn digest_and_signature_hold_by_the_letter_of_the_specification() {
    use aws_lc_rs::digest::{SHA256, digest};
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    let certificate = Certificate::parse(CERTIFICATE).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
    let key = UnparsedPublicKey::new(
        &RSA_PKCS1_2048_8192_SHA256,
        parsed.public_key().subject_public_key.data.to_vec(),
    );
    let between = |text: &str, from: &str, to: &str| {
        let start = text.find(from).unwrap();
        let end = text.rfind(to).unwrap() + to.len();
        text[start..end].to_owned()
    };
    for message in [saml(Strength::Password), wsfed(Strength::Password)] {
        let assertion = between(&message, "<saml:Assertion", "</saml:Assertion>");
        let signature = between(&assertion, "<ds:Signature ", "</ds:Signature>");
        let content = assertion.replace(&signature, "");
        let expected = STANDARD.encode(digest(&SHA256, content.as_bytes()));
        assert!(signature.contains(&format!("<ds:DigestValue>{expected}</ds:DigestValue>")));
        let info = between(&signature, "<ds:SignedInfo", "</ds:SignedInfo>").replacen(
            "<ds:SignedInfo>",
            "<ds:SignedInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">",
            1,
        );
        let value = between(&signature, "<ds:SignatureValue>", "</ds:SignatureValue>");
        let value = value
            .replace("<ds:SignatureValue>", "")
            .replace("</ds:SignatureValue>", "");
        let value = STANDARD.decode(value).unwrap();
        key.verify(info.as_bytes(), &value).unwrap();
    }
}

#[test]
fn xmlsec_accepts_what_is_signed_and_refuses_what_is_changed() {
    let version = Command::new("xmlsec1").arg("--version").output();
    assert!(
        version.is_ok_and(|output| output.status.success()),
        "xmlsec1 is not installed, and this test is nothing without it: run `.ci/install test`."
    );
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("certificate.pem");
    std::fs::write(&certificate, CERTIFICATE).unwrap();
    let accepts = |message: &str| {
        let file = folder.path().join("message.xml");
        std::fs::write(&file, message).unwrap();
        let output = Command::new("xmlsec1")
            .args(["--verify", "--id-attr:AssertionID"])
            .arg("urn:oasis:names:tc:SAML:1.0:assertion:Assertion")
            .args([
                "--id-attr:ID",
                "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
            ])
            .args([
                "--id-attr:ID",
                "urn:oasis:names:tc:SAML:2.0:protocol:LogoutResponse",
            ])
            // The certificate inside the message must not be what is trusted.
            .args(["--enabled-key-data", "rsa", "--pubkey-cert-pem"])
            .args([&certificate, &file])
            .output()
            .unwrap();
        output.status.success()
    };
    for message in signed_messages() {
        assert!(accepts(&message), "{message}");
        assert!(!accepts(&message.replacen("2026-11-18", "2026-11-19", 3)));
    }
}

#[test]
fn instants_before_the_calendar_do_not_panic() {
    let ancient = SignIn {
        authenticated_at: Timestamp::from_millis(i64::MIN),
        ..alice(Strength::Password)
    };
    assert!(saml_with(&ancient, Demands::default()).is_ok());
}
