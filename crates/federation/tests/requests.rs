//! What Microsoft sends is understood; what others send is refused before it can do anything.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

mod contoso;

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use signpost_federation::saml::{AuthnRequest, SamlRejection, SamlRequest};
use signpost_federation::wsfed::{SignInRequest, WsFedRejection, WsFedRequest};
use signpost_federation::{Demands, ParameterProblem};

use crate::contoso::{OWN_ADDRESS, provider};

const ISSUER: &str = "<Issuer xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\">\
    urn:federation:MicrosoftOnline</Issuer>";
const POLICY: &str = "<samlp:NameIDPolicy \
    Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\"/>";

/// An `AuthnRequest` as Microsoft sends it, with more attributes and children.
fn authn(attributes: &str, children: &str) -> String {
    format!(
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         ID=\"_7171b0b2-19f2-4ba2-8f94-24b5e56b7f1e\" IssueInstant=\"2026-11-18T11:06:10.123Z\" \
         Version=\"2.0\" {attributes}>{ISSUER}{POLICY}{children}</samlp:AuthnRequest>"
    )
}

fn encode(value: impl AsRef<[u8]>) -> String {
    utf8_percent_encode(&STANDARD.encode(value), NON_ALPHANUMERIC).to_string()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn post(xml: &str) -> Result<SamlRequest, SamlRejection> {
    let body = format!("SAMLRequest={}&RelayState=abc", encode(xml));
    SamlRequest::from_post(body.as_bytes(), &provider(), OWN_ADDRESS)
}

fn redirect(xml: &[u8]) -> Result<SamlRequest, SamlRejection> {
    let query = format!("SAMLRequest={}", encode(deflate(xml)));
    SamlRequest::from_redirect(&query, &provider(), OWN_ADDRESS)
}

fn demands_of(attributes: &str, children: &str) -> Demands {
    match post(&authn(attributes, children)).unwrap() {
        SamlRequest::SignIn(request) => request.demands,
        SamlRequest::SignOut(_) => panic!("a sign-out"),
    }
}

#[test]
fn microsofts_authn_request_is_understood_by_either_binding() {
    let expected = AuthnRequest {
        id: "_7171b0b2-19f2-4ba2-8f94-24b5e56b7f1e".into(),
        demands: Demands::default(),
        relay_state: Some("abc".into()),
        login_hint: None,
    };
    assert_eq!(
        post(&authn("", "")),
        Ok(SamlRequest::SignIn(expected.clone()))
    );
    let without_state = AuthnRequest {
        relay_state: None,
        ..expected
    };
    assert_eq!(
        redirect(authn("", "").as_bytes()),
        Ok(SamlRequest::SignIn(without_state))
    );
    let reply = "AssertionConsumerServiceURL=\"https://login.microsoftonline.com/login.srf\"";
    for known in [
        "AssertionConsumerServiceIndex=\"0\"",
        reply,
        &format!("Destination=\"{OWN_ADDRESS}\""),
    ] {
        assert!(post(&authn(known, "")).is_ok(), "{known}");
    }
}

#[test]
fn wishes_are_read() {
    let demands = demands_of("ForceAuthn=\"true\" IsPassive=\"1\"", "");
    assert_eq!(
        demands,
        Demands {
            max_age_minutes: Some(0),
            multi_factor: false,
            passive: true
        }
    );
    let context = "<samlp:RequestedAuthnContext><a:AuthnContextClassRef \
        xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\">\
        http://schemas.microsoft.com/claims/multipleauthn</a:AuthnContextClassRef>\
        </samlp:RequestedAuthnContext>";
    assert!(demands_of("ForceAuthn=\"false\"", context).multi_factor);
}

#[test]
fn a_logout_request_is_understood_whoever_it_names() {
    let xml = format!(
        "<p:LogoutRequest xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_a\" \
         Version=\"2.0\" IssueInstant=\"2026-11-18T11:06:10Z\">{ISSUER}\
         <NameID xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\">nobody</NameID>\
         </p:LogoutRequest>"
    );
    let Ok(SamlRequest::SignOut(request)) = redirect(xml.as_bytes()) else {
        panic!("a sign-out")
    };
    assert_eq!(request.id, "_a");
}

#[test]
fn requests_that_steer_or_lie_are_refused() {
    let evil = "https://login.microsoftonline.com.evil.example/login.srf";
    let swapped = |from: &str, to: &str| authn("", "").replace(from, to);
    let cases = [
        (
            authn(&format!("AssertionConsumerServiceURL=\"{evil}\""), ""),
            SamlRejection::OtherReplyAddress,
        ),
        (
            authn("AssertionConsumerServiceIndex=\"2\"", ""),
            SamlRejection::OtherReplyAddress,
        ),
        (
            authn("Destination=\"https://other.example/\"", ""),
            SamlRejection::OtherDestination,
        ),
        (
            authn(
                "ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:PAOS\"",
                "",
            ),
            SamlRejection::Unsupported,
        ),
        (authn("ForceAuthn=\"yes\"", ""), SamlRejection::Malformed),
        (
            swapped("nameid-format:persistent", "nameid-format:emailAddress"),
            SamlRejection::Unsupported,
        ),
        (
            swapped("MicrosoftOnline", "microsoftonline"),
            SamlRejection::UnknownIssuer,
        ),
        (swapped(ISSUER, ""), SamlRejection::UnknownIssuer),
        (authn("", ISSUER), SamlRejection::Malformed),
        (
            swapped("MicrosoftOnline<", "MicrosoftOnline<!-- x -->.evil<"),
            SamlRejection::Malformed,
        ),
        (
            swapped("urn:federation:", "<b/>urn:federation:"),
            SamlRejection::Malformed,
        ),
        (
            swapped("Version=\"2.0\"", "Version=\"1.1\""),
            SamlRejection::UnknownMessage,
        ),
        (
            swapped("AuthnRequest", "ArtifactResolve"),
            SamlRejection::UnknownMessage,
        ),
        (
            swapped("SAML:2.0:protocol", "SAML:1.0:protocol"),
            SamlRejection::UnknownMessage,
        ),
        (
            swapped("ID=\"_7171", "ID=\"&quot;&gt;&lt;x"),
            SamlRejection::BadId,
        ),
        (swapped("ID=\"_7171", "ID=\"7171"), SamlRejection::BadId),
        (
            swapped("ID=\"_7171", &format!("ID=\"{}", "a".repeat(129))),
            SamlRejection::BadId,
        ),
        (
            swapped("ID=\"_7171b0b2-19f2-4ba2-8f94-24b5e56b7f1e\"", ""),
            SamlRejection::BadId,
        ),
        ("<a".into(), SamlRejection::NotXml),
        (String::new(), SamlRejection::NotXml),
    ];
    for (xml, expected) in cases {
        assert_eq!(post(&xml), Err(expected), "{xml}");
        assert_eq!(redirect(xml.as_bytes()), Err(expected), "{xml}");
    }
}

#[test]
fn document_types_and_entities_are_refused() {
    for prolog in [
        "<!DOCTYPE x>",
        "<!DOCTYPE x SYSTEM \"http://evil.example/x.dtd\">",
        "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>",
        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>",
        "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://evil.example/\"> %p;]>",
    ] {
        assert_eq!(
            post(&format!("{prolog}{}", authn("", ""))),
            Err(SamlRejection::NotXml)
        );
    }
    assert_eq!(
        post(&authn("Consent=\"&a;\"", "")),
        Err(SamlRejection::NotXml)
    );
}

#[test]
fn large_requests_are_refused_before_they_are_parsed() {
    let bomb = vec![b' '; 8 * 1024 * 1024];
    assert_eq!(redirect(&bomb), Err(SamlRejection::TooLarge));
    let attributes: String = (0..2_000).map(|n| format!("a{n}=\"\" ")).collect();
    assert_eq!(
        redirect(authn(&attributes, "").as_bytes()),
        Err(SamlRejection::TooLarge)
    );
    let nested = "<a>".repeat(100_000);
    assert_eq!(redirect(nested.as_bytes()), Err(SamlRejection::TooLarge));
    assert_eq!(post(&" ".repeat(19_000)), Err(SamlRejection::TooLarge));
    let nested = format!("{}{}", "<a>".repeat(2_300), "</a>".repeat(2_300));
    assert_eq!(
        redirect(nested.as_bytes()),
        Err(SamlRejection::UnknownMessage)
    );
}

#[test]
fn broken_transports_are_refused() {
    let provider = provider();
    let query = |query: &str| SamlRequest::from_redirect(query, &provider, OWN_ADDRESS);
    let xml = encode(deflate(authn("", "").as_bytes()));
    assert_eq!(query(""), Err(SamlRejection::NoRequest));
    assert_eq!(query("SAMLRequest=%"), Err(SamlRejection::NotBase64));
    assert_eq!(query("SAMLRequest=AAAA"), Err(SamlRejection::NotDeflated));
    assert_eq!(query("SAMLResponse=AAAA"), Err(SamlRejection::NoRequest));
    assert_eq!(
        query(&format!("SAMLRequest={xml}&SAMLResponse=A")),
        Err(SamlRejection::Ambiguous)
    );
    assert_eq!(
        query(&format!("SAMLRequest={xml}&samlrequest={xml}")),
        Err(SamlRejection::Parameters(ParameterProblem::Repeated))
    );
    assert_eq!(
        query(&format!(
            "SAMLRequest={xml}&RelayState={}",
            "a".repeat(8_193)
        )),
        Err(SamlRejection::Parameters(ParameterProblem::TooLong))
    );
}

const WSFED: &str = "client-request-id=4a0c9bb1&username=alice%40contoso.example&wa=wsignin1.0\
    &wtrealm=urn%3afederation%3aMicrosoftOnline&mkt=en-US&lc=1033";

fn wsfed(query: &str) -> Result<WsFedRequest, WsFedRejection> {
    WsFedRequest::parse(query, &provider())
}

fn sign_in(more: &str) -> SignInRequest {
    match wsfed(&format!("{WSFED}{more}")) {
        Ok(WsFedRequest::SignIn(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn microsofts_ws_federation_request_is_understood() {
    let blob = "x".repeat(1_500);
    let request = sign_in(&format!(
        "&wctx=LoginOptions%3D3%26estsredirect%3D2%26estsrequest%3D{blob}"
    ));
    let context = format!("LoginOptions=3&estsredirect=2&estsrequest={blob}");
    assert_eq!(request.context, Some(context));
    assert_eq!(request.login_hint.as_deref(), Some("alice@contoso.example"));
    assert_eq!(request.demands, Demands::default());
    assert_eq!(sign_in("").context, None, "absent is not empty");
    assert_eq!(sign_in("&wctx=").context.as_deref(), Some(""));
}

#[test]
fn a_fresh_password_or_a_second_factor_is_understood_as_a_demand() {
    let password = "&wauth=http%3A%2F%2Fschemas.microsoft.com%2Fws%2F2008%2F06%2Fidentity%2F\
        authenticationmethod%2Fpassword";
    let fresh = sign_in(&format!("&wfresh=0{password}")).demands;
    assert_eq!(
        fresh,
        Demands {
            max_age_minutes: Some(0),
            ..Demands::default()
        }
    );
    assert_eq!(sign_in("&wfresh=60").demands.max_age_minutes, Some(60));
    assert_eq!(
        sign_in("&wfresh=60&prompt=login").demands.max_age_minutes,
        Some(0)
    );
    let factor = "&wauth=http%3A%2F%2Fschemas.microsoft.com%2Fclaims%2Fmultipleauthn";
    assert!(sign_in(factor).demands.multi_factor);
}

#[test]
fn ws_federation_requests_that_steer_or_lie_are_refused() {
    let replace = |from: &str, to: &str| wsfed(&WSFED.replace(from, to));
    assert_eq!(
        replace("MicrosoftOnline", "microsoftonline"),
        Err(WsFedRejection::UnknownRealm)
    );
    assert_eq!(
        replace("wtrealm", "realm"),
        Err(WsFedRejection::UnknownRealm)
    );
    assert_eq!(
        replace("wsignin1.0", "wattr1.0"),
        Err(WsFedRejection::UnknownAction)
    );
    assert_eq!(replace("wa=", "w="), Err(WsFedRejection::UnknownAction));
    let more = |more: &str| wsfed(&format!("{WSFED}{more}"));
    assert_eq!(more("&wfresh=-1"), Err(WsFedRejection::Malformed));
    assert_eq!(
        more("&wa=wsignin1.0"),
        Err(WsFedRejection::Parameters(ParameterProblem::Repeated))
    );
    for reply in [
        "https://login.microsoftonline.com.evil/login.srf",
        "https://login.microsoftonline.com@evil/",
        "//evil/",
        "javascript:alert(1)",
        "https://LOGIN.microsoftonline.com/login.srf",
        "https://login.microsoftonline.com./login.srf",
        "https://login.microsoftonline.com:444/login.srf",
        "https:\\\\evil\\",
        "https://login.microsoftonline.com/login.srf%0d%0ax:y",
        "",
    ] {
        assert_eq!(
            more(&format!("&wreply={reply}")),
            Err(WsFedRejection::OtherReplyAddress)
        );
    }
    assert!(more("&wreply=https%3A%2F%2Flogin.microsoftonline.com%2Flogin.srf").is_ok());
    assert!(
        more("&wreqptr=http%3A%2F%2F169.254.169.254%2F&wresult=x&wreq=y").is_ok(),
        "ignored"
    );
}

#[test]
fn signing_out_needs_no_realm_and_leads_only_to_microsoft() {
    let out = |query: &str| wsfed(query).unwrap();
    let home = "https://login.microsoftonline.com/common/oauth2/logout";
    assert_eq!(
        out("wa=wsignout1.0"),
        WsFedRequest::SignOut { return_to: None }
    );
    assert_eq!(
        out(&format!("wa=wsignout1.0&wreply={home}")),
        WsFedRequest::SignOut {
            return_to: Some(home.into())
        }
    );
    let evil = "wa=wsignout1.0&wreply=https%3A%2F%2Flogin.microsoftonline.com.evil%2F";
    assert_eq!(out(evil), WsFedRequest::SignOut { return_to: None });
    assert_eq!(out("wa=wsignoutcleanup1.0"), WsFedRequest::CleanUp);
}

proptest! {
    #[test]
    fn nothing_makes_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = redirect(&bytes);
        let body = format!("SAMLRequest={}", encode(&bytes));
        let _ = SamlRequest::from_post(body.as_bytes(), &provider(), OWN_ADDRESS);
        let _ = SamlRequest::from_post(&bytes, &provider(), OWN_ADDRESS);
        let _ = wsfed(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn damaged_requests_never_get_another_realm_or_address_through(
        at in 0_usize..380,
        with in "[<>&\"'/a:!-]{0,6}",
    ) {
        let mut xml = authn("", "");
        if xml.is_char_boundary(at) && at < xml.len() {
            xml.insert_str(at, &with);
        }
        if let Ok(SamlRequest::SignIn(request)) = post(&xml) {
            prop_assert!(request.id.len() <= 128);
            prop_assert!(request.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)));
            prop_assert!(xml.contains("urn:federation:MicrosoftOnline"));
        }
    }

    #[test]
    fn a_context_comes_back_byte_for_byte(context in "[\\PC\t]{0,200}") {
        let encoded = utf8_percent_encode(&context, NON_ALPHANUMERIC);
        let request = sign_in(&format!("&wctx={encoded}"));
        prop_assert_eq!(request.context, Some(context));
    }
}
