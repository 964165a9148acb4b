//! Answers: a SAML 1.1 assertion in a WS-Trust envelope.

use signpost_model::{Random, Timestamp};

use super::SignInRequest;
use crate::provider::{EARLY_MS, LIFE_MS, instant, mint_id};
use crate::saml::MULTI_FACTOR;
use crate::xml::{Element, Namespace};
use crate::{IdentityProvider, IssueProblem, PostForm, SignIn, Strength};

const TRUST: Namespace = Namespace {
    prefix: "t",
    uri: "http://schemas.xmlsoap.org/ws/2005/02/trust",
};
const UTILITY: Namespace = Namespace {
    prefix: "wsu",
    uri: "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
};
const POLICY: Namespace = Namespace {
    prefix: "wsp",
    uri: "http://schemas.xmlsoap.org/ws/2004/09/policy",
};
const ADDRESSING: Namespace = Namespace {
    prefix: "wsa",
    uri: "http://www.w3.org/2005/08/addressing",
};
const SAML: Namespace = Namespace {
    prefix: "saml",
    uri: "urn:oasis:names:tc:SAML:1.0:assertion",
};

const BEARER: &str = "urn:oasis:names:tc:SAML:1.0:cm:bearer";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
const PASSWORD: &str = "urn:oasis:names:tc:SAML:1.0:am:password";
const ISSUE: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust/Issue";
const NO_PROOF_KEY: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey";
/// The children of an assertion before its signature, which SAML 1.1 wants last.
const STATEMENTS: usize = 3;

impl IdentityProvider {
    /// Tells Microsoft who has signed in.
    pub fn answer_wsfed(
        &self,
        request: &SignInRequest,
        sign_in: &SignIn,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<PostForm, IssueProblem> {
        self.check(sign_in, &request.demands, now)?;
        let assertion = self.legacy_assertion(sign_in, now, &mint_id(random));
        let assertion = self.signer.sign(assertion, "AssertionID", STATEMENTS)?;
        let token = self.token_response(assertion, now).to_canonical()?;
        let mut fields = vec![("wa", "wsignin1.0".to_owned()), ("wresult", token)];
        fields.extend(
            request
                .context
                .as_ref()
                .map(|context| ("wctx", context.clone())),
        );
        Ok(PostForm {
            action: self.relying_party.reply_address().to_owned(),
            fields,
        })
    }

    fn token_response(&self, assertion: Element, now: Timestamp) -> Element {
        let text = |namespace, name, text: &str| Element::new(namespace, name).text(text);
        let lifetime = Element::new(TRUST, "Lifetime")
            .child(text(UTILITY, "Created", &instant(now)))
            .child(text(UTILITY, "Expires", &instant(now.plus_millis(LIFE_MS))));
        let reference = Element::new(ADDRESSING, "EndpointReference").child(text(
            ADDRESSING,
            "Address",
            self.relying_party.realm(),
        ));
        Element::new(TRUST, "RequestSecurityTokenResponse")
            .child(lifetime)
            .child(Element::new(POLICY, "AppliesTo").child(reference))
            .child(Element::new(TRUST, "RequestedSecurityToken").child(assertion))
            .child(text(TRUST, "TokenType", SAML.uri))
            .child(text(TRUST, "RequestType", ISSUE))
            .child(text(TRUST, "KeyType", NO_PROOF_KEY))
    }

    fn legacy_assertion(&self, sign_in: &SignIn, now: Timestamp, id: &str) -> Element {
        let audience = Element::new(SAML, "Audience").text(self.relying_party.realm());
        let conditions = Element::new(SAML, "Conditions")
            .attribute("NotBefore", instant(now.plus_millis(-EARLY_MS)))
            .attribute("NotOnOrAfter", instant(now.plus_millis(LIFE_MS)))
            .child(Element::new(SAML, "AudienceRestrictionCondition").child(audience));
        let method = match sign_in.strength {
            Strength::Password => PASSWORD,
            Strength::MultiFactor => MULTI_FACTOR,
        };
        let attributes = Element::new(SAML, "AttributeStatement")
            .child(subject(sign_in))
            .child(claim(
                "http://schemas.xmlsoap.org/claims",
                "UPN",
                &sign_in.user_name,
            ))
            .child(claim(
                "http://schemas.microsoft.com/LiveID/Federation/2008/05",
                "ImmutableID",
                &sign_in.immutable_id,
            ))
            // Microsoft reads the method here or in the statement below; both say the same.
            .child(claim(
                "http://schemas.microsoft.com/ws/2008/06/identity/claims",
                "authenticationmethod",
                method,
            ));
        let authentication = Element::new(SAML, "AuthenticationStatement")
            .attribute("AuthenticationMethod", method)
            .attribute("AuthenticationInstant", instant(sign_in.authenticated_at))
            .child(subject(sign_in));
        Element::new(SAML, "Assertion")
            .attribute("MajorVersion", "1")
            .attribute("MinorVersion", "1")
            .attribute("AssertionID", id)
            .attribute("Issuer", self.issuer_uri.as_str())
            .attribute("IssueInstant", instant(now))
            .child(conditions)
            .child(attributes)
            .child(authentication)
    }
}

fn subject(sign_in: &SignIn) -> Element {
    let name = Element::new(SAML, "NameIdentifier")
        .attribute("Format", UNSPECIFIED)
        .text(sign_in.immutable_id.as_str());
    let confirmation = Element::new(SAML, "SubjectConfirmation")
        .child(Element::new(SAML, "ConfirmationMethod").text(BEARER));
    Element::new(SAML, "Subject")
        .child(name)
        .child(confirmation)
}

/// A claim type is split at its last slash.
fn claim(namespace: &str, name: &str, value: &str) -> Element {
    Element::new(SAML, "Attribute")
        .attribute("AttributeName", name)
        .attribute("AttributeNamespace", namespace)
        .child(Element::new(SAML, "AttributeValue").text(value))
}
