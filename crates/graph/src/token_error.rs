//! Why there is no token, read from the token endpoint's answer.

use std::fmt;

use serde::Deserialize;

use crate::error::truncate;

/// The token endpoint's refusal, with the references that Microsoft's support asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError {
    /// The cause, as far as it is a known one.
    pub kind: TokenErrorKind,
    /// The number after `AADSTS`, when there is one.
    pub code: Option<u32>,
    /// OAuth's own error word.
    pub error: String,
    /// Microsoft's text, for people.
    pub description: String,
    /// Trace id.
    pub trace_id: Option<String>,
    /// Correlation id.
    pub correlation_id: Option<String>,
}

/// Causes an operator can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenErrorKind {
    /// The secret is not one of the application's.
    WrongSecret,
    /// The secret's id was pasted instead of its value.
    SecretIsAnId,
    /// The secret has expired.
    SecretExpired,
    /// The certificate is not registered with the application, or the key is another one's.
    WrongCertificate,
    /// The assertion is outside its time: this machine's clock is wrong.
    ClockWrong,
    /// No such tenant in this cloud.
    UnknownTenant,
    /// The tenant value is neither a GUID nor a domain.
    BadTenantValue,
    /// The application is not in this tenant.
    UnknownApplication,
    /// An administrator has not consented.
    NoConsent,
    /// The application is disabled in the tenant.
    ApplicationDisabled,
    /// The token endpoint is throttling or not well.
    Unavailable,
    /// The token endpoint could not be reached.
    Network,
    /// A token was issued, but Graph does not accept it.
    RefusedByGraph,
    /// The answer is not a token endpoint's: a proxy, or a wrong address.
    Unreadable,
    /// Anything else; the description is for people.
    Other,
}

impl TokenErrorKind {
    /// Codes are for hints to people only; Microsoft warns that they change.
    fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            7000215 | 7000216 | 7000218 => Self::WrongSecret,
            7000222 => Self::SecretExpired,
            700027 => Self::WrongCertificate,
            700024 => Self::ClockWrong,
            700016 => Self::UnknownApplication,
            90002 => Self::UnknownTenant,
            900023 => Self::BadTenantValue,
            65001 | 65004 => Self::NoConsent,
            7000112 | 70001 => Self::ApplicationDisabled,
            90055 | 90033 | 90090 | 90006 | 90024 => Self::Unavailable,
            _ => return None,
        })
    }
}

impl TokenError {
    /// Whether waiting may help.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            TokenErrorKind::Unavailable | TokenErrorKind::Network
        )
    }

    pub(crate) fn plain(kind: TokenErrorKind, description: impl Into<String>) -> Self {
        let (error, mut description) = (String::new(), description.into());
        truncate(&mut description, 2_000);
        Self {
            kind,
            code: None,
            error,
            description,
            trace_id: None,
            correlation_id: None,
        }
    }

    /// Reads an answer that is not a token. `secret_is_guid`: the configured secret looks like
    /// the id that Entra shows beside the value.
    pub(crate) fn read(status: u16, body: &[u8], secret_is_guid: bool) -> Self {
        let unwell = status == 429 || status >= 500;
        let Ok(body) = serde_json::from_slice::<Body>(body) else {
            let kind = if unwell {
                TokenErrorKind::Unavailable
            } else {
                TokenErrorKind::Unreadable
            };
            return Self::plain(kind, format!("status {status} without an OAuth error"));
        };
        let code = body
            .error_codes
            .first()
            .copied()
            .or_else(|| code_in(&body.error_description));
        let kind = match code.and_then(TokenErrorKind::from_code) {
            Some(TokenErrorKind::WrongSecret) if secret_is_guid => TokenErrorKind::SecretIsAnId,
            Some(kind) => kind,
            None if unwell || body.error == "temporarily_unavailable" => {
                TokenErrorKind::Unavailable
            }
            None if body.error == "invalid_tenant" => TokenErrorKind::UnknownTenant,
            None => TokenErrorKind::Other,
        };
        let mut description = body.error_description;
        truncate(&mut description, 2_000);
        Self {
            kind,
            code,
            error: body.error,
            description,
            trace_id: body.trace_id,
            correlation_id: body.correlation_id,
        }
    }
}

#[derive(Deserialize)]
struct Body {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u32>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
}

fn code_in(description: &str) -> Option<u32> {
    let (_, rest) = description.split_once("AADSTS")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

impl std::error::Error for TokenError {}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no token ({:?}", self.kind)?;
        if let Some(code) = self.code {
            write!(f, ", AADSTS{code}")?;
        }
        write!(f, "): {}", self.description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u32, error: &str) -> String {
        serde_json::json!({
            "error": error,
            "error_description": format!("AADSTS{code}: Something. Trace ID: 0b6e Correlation ID: 5f2a"),
            "error_codes": [code], "trace_id": "0b6e", "correlation_id": "5f2a",
        })
        .to_string()
    }

    #[test]
    fn each_documented_code_names_its_cause() {
        let cases = [
            (7000215, 401, TokenErrorKind::WrongSecret),
            (7000222, 401, TokenErrorKind::SecretExpired),
            (700016, 400, TokenErrorKind::UnknownApplication),
            (90002, 400, TokenErrorKind::UnknownTenant),
            (900023, 400, TokenErrorKind::BadTenantValue),
            (700027, 401, TokenErrorKind::WrongCertificate),
            (7000112, 401, TokenErrorKind::ApplicationDisabled),
            (90055, 429, TokenErrorKind::Unavailable),
            (123456, 400, TokenErrorKind::Other),
        ];
        for (code, status, kind) in cases {
            let error = TokenError::read(status, refusal(code, "invalid_client").as_bytes(), false);
            assert_eq!((error.kind, error.code), (kind, Some(code)));
            assert_eq!(error.trace_id.as_deref(), Some("0b6e"));
        }
    }

    #[test]
    fn wrong_secret_that_looks_like_a_guid_is_the_secret_id() {
        let error = TokenError::read(401, refusal(7000215, "invalid_client").as_bytes(), true);
        assert_eq!(error.kind, TokenErrorKind::SecretIsAnId);
    }

    #[test]
    fn code_is_taken_from_the_text_when_the_list_is_missing() {
        let body =
            br#"{"error":"invalid_request","error_description":"AADSTS90002: Tenant not found."}"#;
        assert_eq!(TokenError::read(400, body, false).code, Some(90002));
    }

    #[test]
    fn html_of_a_proxy_is_unreadable_and_a_gateway_error_is_unavailable() {
        assert_eq!(
            TokenError::read(200, b"<html>", false).kind,
            TokenErrorKind::Unreadable
        );
        assert_eq!(
            TokenError::read(502, b"<html>", false).kind,
            TokenErrorKind::Unavailable
        );
    }
}
