//! Requests as Entra sends them (`federation.md` 1.2, 2.1).

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Asked, MULTI_FACTOR, REALM, saml};
use crate::clock::Millis;

const PASSWORD: &str =
    "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password";
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// An `AuthnRequest`: no destination, no reply address, no signature.
pub(super) fn authn(asked: &Asked) -> String {
    let force = if asked.wishes.fresh {
        " ForceAuthn=\"true\""
    } else {
        ""
    };
    let context = if asked.wishes.multi_factor {
        format!(
            "<samlp:RequestedAuthnContext Comparison=\"exact\"><AuthnContextClassRef xmlns=\"{}\">{MULTI_FACTOR}</AuthnContextClassRef></samlp:RequestedAuthnContext>",
            saml::ASSERTION
        )
    } else {
        String::new()
    };
    format!(
        "<samlp:AuthnRequest ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\"{force} xmlns:samlp=\"{}\">\
         <Issuer xmlns=\"{}\">{REALM}</Issuer><samlp:NameIDPolicy Format=\"{}\"/>{context}</samlp:AuthnRequest>",
        asked.id,
        instant(asked.at),
        saml::PROTOCOL,
        saml::ASSERTION,
        saml::PERSISTENT
    )
}

/// A `LogoutRequest` about the person that signed in last.
pub(super) fn logout(asked: &Asked, name: &str, session_index: Option<&str>) -> String {
    let session = session_index.map_or_else(String::new, |index| {
        format!(
            "<samlp:SessionIndex>{}</samlp:SessionIndex>",
            crate::html::text(index)
        )
    });
    format!(
        "<samlp:LogoutRequest ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" xmlns:samlp=\"{}\">\
         <Issuer xmlns=\"{}\">{REALM}</Issuer><NameID Format=\"{}\" xmlns=\"{}\">{}</NameID>{session}</samlp:LogoutRequest>",
        asked.id,
        instant(asked.at),
        saml::PROTOCOL,
        saml::ASSERTION,
        saml::PERSISTENT,
        saml::ASSERTION,
        crate::html::text(name)
    )
}

/// Milliseconds and `Z`.
fn instant(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at)
        .unwrap_or_default()
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

/// A message as the POST binding carries it.
pub(super) fn encoded(message: &str) -> String {
    STANDARD.encode(message)
}

/// A message as the redirect binding carries it, at the end of the provider's address.
pub(super) fn redirect(address: &str, message: &str, relay_state: &str) -> std::io::Result<String> {
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
    deflated.write_all(message.as_bytes())?;
    let message = STANDARD.encode(deflated.finish()?);
    Ok(with_query(
        address,
        &[("SAMLRequest", &message), ("RelayState", relay_state)],
    ))
}

/// The address of a WS-Federation sign-in, parameters in the order they were seen in.
pub(super) fn wsfed(
    address: &str,
    asked: &Asked,
    request_id: &str,
    prompt_behavior: Option<&str>,
) -> String {
    let mut query = vec![
        ("client-request-id", request_id),
        ("username", asked.user_name.as_str()),
        ("wa", "wsignin1.0"),
        ("wtrealm", REALM),
        ("wctx", asked.context.as_str()),
    ];
    let mut method = asked.wishes.multi_factor.then_some(MULTI_FACTOR);
    if asked.wishes.fresh {
        match prompt_behavior {
            Some("nativeSupport") => query.push(("prompt", "login")),
            Some("disabled") => query.push(("wfresh", "0")),
            _ => {
                query.push(("wfresh", "0"));
                method = method.or(Some(PASSWORD));
            }
        }
    }
    query.extend(method.map(|method| ("wauth", method)));
    query.extend([("cbcxt", ""), ("mkt", "en-US"), ("lc", "1033")]);
    with_query(address, &query)
}

/// Adds parameters to an address that may have some already.
pub(super) fn with_query(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut out = address.to_owned();
    for (at, (name, value)) in parameters.iter().enumerate() {
        let separator = if at > 0 || address.contains('?') {
            '&'
        } else {
            '?'
        };
        out.push(separator);
        out.push_str(name);
        out.push('=');
        out.extend(utf8_percent_encode(value, UNRESERVED));
    }
    out
}
