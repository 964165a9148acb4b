//! A SAML 2.0 response (`federation.md` 1.3).

use uppsala::Document;

use super::claims::{Claims, Delivery, instant};
use super::refusal::{Code, Refused};
use super::xml::At;

pub(super) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(super) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(super) const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// What names the account: the one of Microsoft's documents, and the one that others were seen with.
const USER_NAME: [&str; 2] = ["IDPEmail", "http://schemas.xmlsoap.org/claims/UPN"];

/// The one assertion in a response that says success, where the schema has it.
pub(super) fn find_assertion<'t, 'x>(tree: &'t Document<'x>) -> Result<At<'t, 'x>, Refused> {
    let wrong = |because: &str| Refused::new(Code::SamlToken, because);
    let root = At::root(tree)
        .filter(|root| root.is(PROTOCOL, "Response"))
        .ok_or_else(|| wrong("SAMLResponse holds no SAML 2.0 Response."))?;
    if root.attribute("Version") != Some("2.0") {
        return Err(wrong("The Response is not of version 2.0."));
    }
    check_status(root)?;
    if !root.everywhere(ASSERTION, "EncryptedAssertion").is_empty() {
        return Err(wrong(
            "The assertion is encrypted, which Microsoft does not take.",
        ));
    }
    let all = root.everywhere(ASSERTION, "Assertion");
    let assertion = root.only(ASSERTION, "Assertion")?;
    if all.len() != 1 {
        return Err(wrong("There is more than one assertion in the Response."));
    }
    if assertion.attribute("Version") != Some("2.0") {
        return Err(wrong("The assertion is not of version 2.0."));
    }
    Ok(assertion)
}

pub(super) fn check_status(root: At<'_, '_>) -> Result<(), Refused> {
    let code = root
        .only(PROTOCOL, "Status")?
        .only(PROTOCOL, "StatusCode")?;
    let value = code.attribute("Value").unwrap_or_default();
    if value == SUCCESS {
        return Ok(());
    }
    let inner = code
        .children(PROTOCOL, "StatusCode")
        .first()
        .and_then(|inner| inner.attribute("Value"))
        .map(|inner| format!(" ({inner})"))
        .unwrap_or_default();
    Err(Refused::new(
        Code::SamlToken,
        format!("The provider answered with {value}{inner} instead of success."),
    ))
}

/// The issuer, which only says whose certificate to look for.
pub(super) fn issuer(signed: At<'_, '_>) -> Result<String, Refused> {
    Ok(signed.only(ASSERTION, "Issuer")?.text()?.to_owned())
}

/// Reads the assertion whose signature has been verified.
pub(super) fn read(tree: &Document<'_>, assertion: At<'_, '_>) -> Result<Claims, Refused> {
    let response = At::root(tree).unwrap_or(assertion);
    let issuer = issuer(assertion)?;
    if let Some(outer) = response.children(ASSERTION, "Issuer").first()
        && outer.text()? != issuer
    {
        return Err(Refused::new(
            Code::SamlToken,
            "Response and assertion name different issuers.",
        ));
    }
    let names = assertion.child_names();
    if names.get(..3) != Some(&["Issuer", "Signature", "Subject"]) {
        return Err(Refused::new(
            Code::SamlToken,
            "The assertion does not begin with Issuer, Signature and Subject in this order.",
        ));
    }
    let subject = assertion.only(ASSERTION, "Subject")?;
    let name = subject.only(ASSERTION, "NameID")?;
    let confirmation = subject.only(ASSERTION, "SubjectConfirmation")?;
    if confirmation.attribute("Method") != Some(BEARER) {
        return Err(Refused::new(
            Code::SamlToken,
            "The subject is not confirmed as bearer.",
        ));
    }
    let confirmed = confirmation.only(ASSERTION, "SubjectConfirmationData")?;
    let conditions = assertion.only(ASSERTION, "Conditions")?;
    let audience = conditions
        .only(ASSERTION, "AudienceRestriction")?
        .only(ASSERTION, "Audience")?;
    let statement = assertion.only(ASSERTION, "AuthnStatement")?;
    let class = statement
        .only(ASSERTION, "AuthnContext")?
        .only(ASSERTION, "AuthnContextClassRef")?;
    let owned = |value: Option<&str>| value.map(str::to_owned);
    Ok(Claims {
        assertion_id: owned(assertion.attribute("ID")).unwrap_or_default(),
        issuer,
        audiences: vec![audience.text()?.to_owned()],
        names: vec![name.text()?.to_owned()],
        name_format: owned(name.attribute("Format")),
        user_names: user_names(assertion)?,
        immutable_ids: Vec::new(),
        methods: vec![class.text()?.to_owned()],
        session_index: owned(statement.attribute("SessionIndex")),
        authenticated_at: instant("AuthnInstant", statement.attribute("AuthnInstant"))?,
        issued_at: instant("IssueInstant", assertion.attribute("IssueInstant"))?,
        not_before: instant("NotBefore", conditions.attribute("NotBefore"))?,
        not_on_or_after: instant("NotOnOrAfter", conditions.attribute("NotOnOrAfter"))?,
        delivery: Some(Delivery {
            destination: owned(response.attribute("Destination")),
            recipient: owned(confirmed.attribute("Recipient")),
            until: instant("NotOnOrAfter", confirmed.attribute("NotOnOrAfter"))?,
            in_response_to: [
                owned(response.attribute("InResponseTo")),
                owned(confirmed.attribute("InResponseTo")),
            ],
        }),
    })
}

fn user_names(assertion: At<'_, '_>) -> Result<Vec<String>, Refused> {
    let mut found = Vec::new();
    for statement in assertion.children(ASSERTION, "AttributeStatement") {
        for attribute in statement.children(ASSERTION, "Attribute") {
            if !attribute
                .attribute("Name")
                .is_some_and(|name| USER_NAME.contains(&name))
            {
                continue;
            }
            for value in attribute.children(ASSERTION, "AttributeValue") {
                found.push(value.text()?.to_owned());
            }
        }
    }
    Ok(found)
}
