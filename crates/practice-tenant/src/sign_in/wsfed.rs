//! A WS-Federation answer: a SAML 1.1 assertion in a WS-Trust envelope (`federation.md` 2.3, 2.4).

use uppsala::Document;

use super::claims::{Claims, instant};
use super::refusal::{Code, Refused};
use super::xml::At;

const TRUST: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust";
const POLICY: &str = "http://schemas.xmlsoap.org/ws/2004/09/policy";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
pub(super) const ASSERTION: &str = "urn:oasis:names:tc:SAML:1.0:assertion";
const BEARER: &str = "urn:oasis:names:tc:SAML:1.0:cm:bearer";
/// Claims, each a namespace and a name.
const UPN: (&str, &str) = ("http://schemas.xmlsoap.org/claims", "UPN");
const IMMUTABLE_ID: (&str, &str) = (
    "http://schemas.microsoft.com/LiveID/Federation/2008/05",
    "ImmutableID",
);
const METHODS: [(&str, &str); 2] = [
    (
        "http://schemas.microsoft.com/ws/2008/06/identity/claims",
        "authenticationmethod",
    ),
    (
        "http://schemas.microsoft.com/claims",
        "authnmethodsreferences",
    ),
];

/// The one assertion in the envelope.
pub(super) fn find_assertion<'t, 'x>(tree: &'t Document<'x>) -> Result<At<'t, 'x>, Refused> {
    let wrong = |because: &str| Refused::new(Code::WsFedMessage, because);
    let root = At::root(tree)
        .filter(|root| root.is(TRUST, "RequestSecurityTokenResponse"))
        .ok_or_else(|| {
            wrong("wresult holds no RequestSecurityTokenResponse of WS-Trust (February 2005).")
        })?;
    let assertion = root
        .only(TRUST, "RequestedSecurityToken")?
        .only(ASSERTION, "Assertion")
        .map_err(|_| {
            wrong("RequestedSecurityToken does not hold exactly one SAML 1.1 assertion.")
        })?;
    if root.everywhere(ASSERTION, "Assertion").len() != 1 {
        return Err(wrong("There is more than one assertion in the answer."));
    }
    if let Some(kind) = root.children(TRUST, "TokenType").first()
        && kind.text()? != ASSERTION
    {
        return Err(wrong("TokenType is not the SAML 1.1 assertion."));
    }
    if (
        assertion.attribute("MajorVersion"),
        assertion.attribute("MinorVersion"),
    ) != (Some("1"), Some("1"))
    {
        return Err(wrong("The assertion is not of SAML 1.1."));
    }
    Ok(assertion)
}

/// The issuer, which only says whose certificate to look for.
pub(super) fn issuer(assertion: At<'_, '_>) -> String {
    assertion.attribute("Issuer").unwrap_or_default().to_owned()
}

/// Reads the assertion whose signature has been verified.
pub(super) fn read(tree: &Document<'_>, assertion: At<'_, '_>) -> Result<Claims, Refused> {
    if assertion.child_names().last() != Some(&"Signature") {
        return Err(Refused::new(
            Code::WsFedMessage,
            "The signature is not the last child of the assertion.",
        ));
    }
    let conditions = assertion.only(ASSERTION, "Conditions")?;
    let audience = conditions
        .only(ASSERTION, "AudienceRestrictionCondition")?
        .only(ASSERTION, "Audience")?
        .text()?;
    check_applies_to(tree, audience)?;
    let attributes = assertion.only(ASSERTION, "AttributeStatement")?;
    let statement = assertion.only(ASSERTION, "AuthenticationStatement")?;
    let mut names = Vec::new();
    for one in [attributes, statement] {
        names.push(subject(one)?);
    }
    let mut methods = claim(attributes, METHODS[0])?;
    methods.extend(claim(attributes, METHODS[1])?);
    methods.extend(
        statement
            .attribute("AuthenticationMethod")
            .map(str::to_owned),
    );
    Ok(Claims {
        assertion_id: assertion
            .attribute("AssertionID")
            .unwrap_or_default()
            .to_owned(),
        issuer: issuer(assertion),
        audiences: vec![audience.to_owned()],
        names,
        name_format: None,
        user_names: claim(attributes, UPN)?,
        immutable_ids: claim(attributes, IMMUTABLE_ID)?,
        methods,
        session_index: None,
        authenticated_at: instant(
            "AuthenticationInstant",
            statement.attribute("AuthenticationInstant"),
        )?,
        issued_at: instant("IssueInstant", assertion.attribute("IssueInstant"))?,
        not_before: instant("NotBefore", conditions.attribute("NotBefore"))?,
        not_on_or_after: instant("NotOnOrAfter", conditions.attribute("NotOnOrAfter"))?,
        delivery: None,
    })
}

/// Where the envelope says the token is for, it must say the same as the token.
fn check_applies_to(tree: &Document<'_>, audience: &str) -> Result<(), Refused> {
    let Some(applies) = At::root(tree).and_then(|root| {
        let all = root.children(POLICY, "AppliesTo");
        all.first().copied()
    }) else {
        return Ok(());
    };
    let address = applies
        .only(ADDRESSING, "EndpointReference")?
        .only(ADDRESSING, "Address")?
        .text()?;
    if address == audience {
        Ok(())
    } else {
        Err(Refused::new(
            Code::WsFedResponse,
            format!("AppliesTo is \"{address}\", the audience \"{audience}\"."),
        ))
    }
}

fn subject(statement: At<'_, '_>) -> Result<String, Refused> {
    let subject = statement.only(ASSERTION, "Subject")?;
    let method = subject
        .only(ASSERTION, "SubjectConfirmation")?
        .only(ASSERTION, "ConfirmationMethod")?
        .text()?;
    if method != BEARER {
        return Err(Refused::new(
            Code::SamlToken,
            "The subject is not confirmed as bearer.",
        ));
    }
    let name = subject.only(ASSERTION, "NameIdentifier")?;
    Ok(name.text()?.to_owned())
}

fn claim(statement: At<'_, '_>, (namespace, name): (&str, &str)) -> Result<Vec<String>, Refused> {
    let mut found = Vec::new();
    for attribute in statement.children(ASSERTION, "Attribute") {
        if attribute.attribute("AttributeNamespace") != Some(namespace)
            || attribute.attribute("AttributeName") != Some(name)
        {
            continue;
        }
        for value in attribute.children(ASSERTION, "AttributeValue") {
            found.push(value.text()?.to_owned());
        }
    }
    Ok(found)
}
