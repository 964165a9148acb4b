//! Metadata documents of other identity providers, as people paste them.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

mod contoso;

use std::time::Instant;

use signpost_federation::{
    Certificate, Endpoints, MAX_METADATA, MetadataProblem, Protocol, ProviderMetadata,
};

const SIGNING: &str = include_str!("fixtures/signing-certificate.pem");
const NEXT: &str = include_str!("fixtures/next-certificate.pem");
const WEAK: &str = include_str!("fixtures/weak-certificate.pem");

/// The base64 of a certificate, broken into lines as some providers write it.
fn base64(pem: &str) -> String {
    pem.lines()
        .filter(|line| !line.starts_with("---"))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn key(purpose: &str, pem: &str) -> String {
    format!(
        "<KeyDescriptor{purpose}><KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data>\
         <X509Certificate>{}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>",
        base64(pem)
    )
}

fn saml_role(keys: &str) -> String {
    format!(
        "<IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{keys}\
         <SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"https://idp.example/saml/logout\"/>\
         <SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"https://idp.example/saml/redirect\"/>\
         <SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" \
         Location=\"https://idp.example/saml/post\"/></IDPSSODescriptor>"
    )
}

fn wsfed_role(keys: &str) -> String {
    format!(
        "<RoleDescriptor xsi:type=\"fed:SecurityTokenServiceType\" \
         protocolSupportEnumeration=\"http://docs.oasis-open.org/wsfed/federation/200706\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:fed=\"http://docs.oasis-open.org/wsfed/federation/200706\">{keys}\
         <fed:PassiveRequestorEndpoint><a:EndpointReference \
         xmlns:a=\"http://www.w3.org/2005/08/addressing\"><a:Address>https://idp.example/ls/\
         </a:Address></a:EndpointReference></fed:PassiveRequestorEndpoint></RoleDescriptor>"
    )
}

fn entity(roles: &str) -> String {
    format!(
        "<EntityDescriptor entityID=\"http://idp.example/trust\" \
         xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">{roles}</EntityDescriptor>"
    )
}

fn refused(text: &str) -> MetadataProblem {
    ProviderMetadata::parse(text).unwrap_err()
}

#[test]
fn both_protocols_are_read_with_each_certificate_once() {
    let keys = key(" use=\"signing\"", SIGNING) + &key("", NEXT);
    let roles = wsfed_role(&keys) + &saml_role(&keys);
    let text = format!(
        "\u{feff}<?xml version=\"1.0\"?>\n<!-- it's ours -->\n{}",
        entity(&roles)
    );
    let read = ProviderMetadata::parse(&text).unwrap();
    assert_eq!(read.issuer, "http://idp.example/trust");
    assert_eq!(
        read.sign_in(Protocol::WsFed),
        Some("https://idp.example/ls/")
    );
    assert_eq!(
        read.sign_out(Protocol::WsFed),
        Some("https://idp.example/ls/")
    );
    assert_eq!(
        read.sign_in(Protocol::Saml),
        Some("https://idp.example/saml/post")
    );
    assert_eq!(
        read.sign_out(Protocol::Saml),
        Some("https://idp.example/saml/logout")
    );
    assert_eq!(
        read.protocols().collect::<Vec<_>>(),
        [Protocol::WsFed, Protocol::Saml]
    );
    let expected = [SIGNING, NEXT].map(|pem| Certificate::parse(pem).unwrap());
    assert_eq!(read.certificates, expected);
}

#[test]
fn one_protocol_is_enough() {
    let read = ProviderMetadata::parse(&entity(&saml_role(&key("", SIGNING)))).unwrap();
    assert_eq!(read.protocols().collect::<Vec<_>>(), [Protocol::Saml]);
    let list = format!(
        "<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">\
         <EntityDescriptor entityID=\"urn:a:service\"><SPSSODescriptor/></EntityDescriptor>{}\
         </EntitiesDescriptor>",
        entity(&wsfed_role(&key("", SIGNING)))
    );
    let read = ProviderMetadata::parse(&list).unwrap();
    assert_eq!(read.protocols().collect::<Vec<_>>(), [Protocol::WsFed]);
}

#[test]
fn our_own_document_is_one() {
    let addresses = Endpoints {
        sign_in: contoso::OWN_ADDRESS.into(),
        sign_out: contoso::OWN_ADDRESS.into(),
    };
    let next = Certificate::parse(NEXT).unwrap();
    let text = contoso::provider()
        .metadata(&addresses, Some(&next))
        .unwrap();
    let read = ProviderMetadata::parse(&text).unwrap();
    assert_eq!(read.issuer, contoso::provider().issuer_uri);
    for protocol in Protocol::ALL {
        assert_eq!(read.sign_in(protocol), Some(contoso::OWN_ADDRESS));
        assert_eq!(read.sign_out(protocol), Some(contoso::OWN_ADDRESS));
    }
    let expected = [Certificate::parse(contoso::CERTIFICATE).unwrap(), next];
    assert_eq!(read.certificates, expected);
}

#[test]
fn certificates_for_encryption_and_weak_ones_are_passed_over() {
    let keys = key(" use=\"encryption\"", NEXT) + &key("", WEAK) + &key("", SIGNING);
    let read = ProviderMetadata::parse(&entity(&saml_role(&keys))).unwrap();
    assert_eq!(read.certificates, [Certificate::parse(SIGNING).unwrap()]);
    let none = entity(&saml_role(&key(" use=\"encryption\"", NEXT)));
    assert_eq!(refused(&none), MetadataProblem::NoCertificate);
}

#[test]
fn a_text_that_a_comment_splits_is_no_address() {
    let role = wsfed_role(&key("", SIGNING));
    let split = role.replace(
        "https://idp.example/ls/",
        "https://idp.example<!-- -->.evil/",
    );
    assert_eq!(refused(&entity(&split)), MetadataProblem::NoAddress);
}

#[test]
fn what_describes_no_provider_is_refused_with_its_reason() {
    let provider = entity(&saml_role(&key("", SIGNING)));
    let two = format!(
        "<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">{provider}{provider}\
         </EntitiesDescriptor>"
    );
    for (text, expected) in [
        ("", MetadataProblem::NotXml),
        ("{\"issuer\":\"x\"}", MetadataProblem::NotXml),
        ("<html/>", MetadataProblem::NotMetadata),
        (
            entity("<SPSSODescriptor/>").as_str(),
            MetadataProblem::NoProvider,
        ),
        (two.as_str(), MetadataProblem::SeveralProviders),
        (
            provider.replace("http://idp.example/trust", "").as_str(),
            MetadataProblem::NotMetadata,
        ),
        (" ".repeat(MAX_METADATA).as_str(), MetadataProblem::NotXml),
        (
            "x".repeat(MAX_METADATA + 1).as_str(),
            MetadataProblem::TooLarge,
        ),
    ] {
        assert_eq!(refused(text), expected, "{}", &text[..text.len().min(60)]);
    }
}

#[test]
fn hostile_documents_are_refused_at_once() {
    let doctype = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>";
    let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><l>&b;</l>";
    let attributes: String = (0..20_000).map(|n| format!(" a{n}=''")).collect();
    let namespaces: String = (0..9_000).map(|n| format!("<a xmlns:b{n}='c'>")).collect();
    let deep = "<a>".repeat(60_000);
    // A quote in a comment must not hide what follows from the scan.
    let hidden = format!("<!-- ' --><x{attributes}/>");
    let in_data = format!("<x><![CDATA[ \" ]]><y{attributes}/></x>");
    for text in [
        format!("{doctype}{}", entity("&a;")),
        laughs.to_owned(),
        format!("<x{attributes}/>"),
        namespaces,
        deep,
        hidden,
        in_data,
        "<x a='".to_owned(),
        "<!-- ".to_owned(),
        "</a>".to_owned(),
        "<a/><b/>".to_owned(),
    ] {
        let started = Instant::now();
        assert_eq!(
            refused(&text),
            MetadataProblem::NotXml,
            "{}",
            &text[..text.len().min(60)]
        );
        assert!(
            started.elapsed().as_millis() < 500,
            "{}",
            &text[..text.len().min(60)]
        );
    }
}

#[test]
fn the_worst_that_passes_the_scan_is_still_quick() {
    let own: String = (0..22).map(|n| format!(" xmlns:p{n}='u{n}'")).collect();
    let outer = format!("<a{own}>");
    let inner = "<a xmlns:q='r'/>".repeat((MAX_METADATA - 2 * outer.len()) / 17);
    let text = format!("{outer}{inner}</a>");
    let started = Instant::now();
    assert_eq!(refused(&text), MetadataProblem::NotMetadata);
    assert!(
        started.elapsed().as_secs() < 5,
        "in a build without optimisation"
    );
    let more = text.replacen("<a", "<a xmlns:x='y' xmlns:z='y'", 1);
    assert_eq!(refused(&more), MetadataProblem::NotXml);
}
