//! Answers: one signed assertion, and what goes with a sign-out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use signpost_model::{Random, Timestamp};

use super::{AuthnRequest, LogoutRequest, MULTI_FACTOR, PERSISTENT, SAML, SAMLP};
use crate::provider::{ANSWER_MS, EARLY_MS, LIFE_MS, instant, mint_id};
use crate::xml::Element;
use crate::{IdentityProvider, IssueProblem, PostForm, SignIn, Strength};

const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const RESPONDER: &str = "urn:oasis:names:tc:SAML:2.0:status:Responder";
const NO_PASSIVE: &str = "urn:oasis:names:tc:SAML:2.0:status:NoPassive";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

impl IdentityProvider {
    /// Tells Microsoft who has signed in.
    pub fn answer_saml(
        &self,
        request: &AuthnRequest,
        sign_in: &SignIn,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<PostForm, IssueProblem> {
        self.check(sign_in, &request.demands, now)?;
        let assertion = self.assertion(&request.id, sign_in, now, &mint_id(random));
        // The schema wants the signature right after the issuer.
        let assertion = self.signer.sign(assertion, "ID", 1)?;
        let response = self
            .message("Response", &request.id, now, random)
            .child(status(SUCCESS))
            .child(assertion);
        Ok(self.form(&response.to_canonical()?, request.relay_state.as_ref()))
    }

    /// Tells Microsoft that nobody is signed in and nobody may be asked.
    pub fn answer_no_passive(
        &self,
        request: &AuthnRequest,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<PostForm, IssueProblem> {
        let code = status_code(RESPONDER).child(status_code(NO_PASSIVE));
        let response = self
            .message("Response", &request.id, now, random)
            .child(Element::new(SAMLP, "Status").child(code));
        Ok(self.form(&response.to_canonical()?, request.relay_state.as_ref()))
    }

    /// Tells Microsoft that the session has ended.
    pub fn answer_logout(
        &self,
        request: &LogoutRequest,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<PostForm, IssueProblem> {
        let response = self
            .message("LogoutResponse", &request.id, now, random)
            .child(status(SUCCESS));
        let response = self.signer.sign(response, "ID", 1)?;
        Ok(self.form(&response.to_canonical()?, request.relay_state.as_ref()))
    }

    fn message(
        &self,
        name: &'static str,
        in_response_to: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> Element {
        Element::new(SAMLP, name)
            .attribute("ID", mint_id(random))
            .attribute("Version", "2.0")
            .attribute("IssueInstant", instant(now))
            .attribute("Destination", self.relying_party.reply_address())
            .attribute("InResponseTo", in_response_to)
            .child(self.issuer())
    }

    fn issuer(&self) -> Element {
        Element::new(SAML, "Issuer").text(self.issuer_uri.as_str())
    }

    fn assertion(&self, request: &str, sign_in: &SignIn, now: Timestamp, id: &str) -> Element {
        let confirmation_data = Element::new(SAML, "SubjectConfirmationData")
            .attribute("InResponseTo", request)
            .attribute("NotOnOrAfter", instant(now.plus_millis(ANSWER_MS)))
            .attribute("Recipient", self.relying_party.reply_address());
        let subject = Element::new(SAML, "Subject")
            .child(
                Element::new(SAML, "NameID")
                    .attribute("Format", PERSISTENT)
                    .text(sign_in.immutable_id.as_str()),
            )
            .child(
                Element::new(SAML, "SubjectConfirmation")
                    .attribute("Method", BEARER)
                    .child(confirmation_data),
            );
        let audience = Element::new(SAML, "Audience").text(self.relying_party.realm());
        let conditions = Element::new(SAML, "Conditions")
            .attribute("NotBefore", instant(now.plus_millis(-EARLY_MS)))
            .attribute("NotOnOrAfter", instant(now.plus_millis(LIFE_MS)))
            .child(Element::new(SAML, "AudienceRestriction").child(audience));
        let class = match sign_in.strength {
            Strength::Password => PASSWORD,
            Strength::MultiFactor => MULTI_FACTOR,
        };
        let context = Element::new(SAML, "AuthnContext")
            .child(Element::new(SAML, "AuthnContextClassRef").text(class));
        let statement = Element::new(SAML, "AuthnStatement")
            .attribute("AuthnInstant", instant(sign_in.authenticated_at))
            .attribute("SessionIndex", id)
            .child(context);
        let mail = Element::new(SAML, "Attribute")
            .attribute("Name", "IDPEmail")
            .child(Element::new(SAML, "AttributeValue").text(sign_in.user_name.as_str()));
        Element::new(SAML, "Assertion")
            .attribute("ID", id)
            .attribute("IssueInstant", instant(now))
            .attribute("Version", "2.0")
            .child(self.issuer())
            .child(subject)
            .child(conditions)
            .child(statement)
            .child(Element::new(SAML, "AttributeStatement").child(mail))
    }

    fn form(&self, response: &str, relay_state: Option<&String>) -> PostForm {
        let mut fields = vec![("SAMLResponse", STANDARD.encode(response))];
        fields.extend(relay_state.map(|state| ("RelayState", state.clone())));
        PostForm {
            action: self.relying_party.reply_address().to_owned(),
            fields,
        }
    }
}

fn status(code: &'static str) -> Element {
    Element::new(SAMLP, "Status").child(status_code(code))
}

fn status_code(code: &'static str) -> Element {
    Element::new(SAMLP, "StatusCode").attribute("Value", code)
}
