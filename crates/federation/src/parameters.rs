//! Parameters of a query or a posted form, strictly.

use percent_encoding::percent_decode;

/// The most bytes of a query or form that are looked at.
const MAX_LENGTH: usize = 64 * 1024;
const MAX_PARAMETERS: usize = 64;
/// The most bytes of `wctx` or `RelayState`; real ones have up to 1,500.
const MAX_CONTEXT: usize = 8 * 1024;

/// Decoded parameters, none of them twice.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

/// Why a query or form is refused as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParameterProblem {
    #[error("the request is too long")]
    TooLong,
    #[error("a parameter is not UTF-8")]
    NotText,
    #[error("a parameter is there twice")]
    Repeated,
    #[error("the context holds characters that a form cannot return unchanged")]
    Context,
}

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`, as queries and posted forms are.
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, ParameterProblem> {
        if encoded.len() > MAX_LENGTH {
            return Err(ParameterProblem::TooLong);
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in encoded
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(parts.next().unwrap_or_default())?;
            let value = decode(parts.next().unwrap_or_default())?;
            if parameters.len() == MAX_PARAMETERS {
                return Err(ParameterProblem::TooLong);
            }
            // Two readers would take different ones: proxies the first, programs the last.
            if parameters
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(&name))
            {
                return Err(ParameterProblem::Repeated);
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A value that must go back byte for byte. `None` when the parameter is absent, which is not
    /// the same as empty.
    pub(crate) fn find_context(&self, name: &str) -> Result<Option<String>, ParameterProblem> {
        let Some(value) = self.find(name) else {
            return Ok(None);
        };
        if value.len() > MAX_CONTEXT {
            return Err(ParameterProblem::TooLong);
        }
        // Browsers turn a lone CR or LF into CRLF when they post, and drop NUL.
        let returnable = value
            .replace("\r\n", "")
            .chars()
            .all(|c| c == '\t' || !c.is_control());
        if returnable {
            Ok(Some(value.to_owned()))
        } else {
            Err(ParameterProblem::Context)
        }
    }

    /// A user name to fill in beforehand, if it can be one. Nothing is decided by it.
    pub(crate) fn find_login_hint(&self) -> Option<String> {
        ["username", "login_hint"]
            .into_iter()
            .filter_map(|name| self.find(name))
            .find(|hint| signpost_model::text::check_user_name(hint).is_ok())
            .map(str::to_owned)
    }
}

fn decode(encoded: &[u8]) -> Result<String, ParameterProblem> {
    let spaced: Vec<u8> = encoded
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    let bytes: Vec<u8> = percent_decode(&spaced).collect();
    String::from_utf8(bytes).map_err(|_| ParameterProblem::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once() {
        let parameters = Parameters::parse(b"wa=wsignin1.0&wctx=a%252Bb+c%26&&empty=&x").unwrap();
        assert_eq!(parameters.find("wctx"), Some("a%2Bb c&"));
        assert_eq!(parameters.find("empty"), Some(""));
        assert_eq!(parameters.find("x"), Some(""));
        assert_eq!(parameters.find("WA"), None);
    }

    #[test]
    fn repeated_overlong_and_broken_parameters_are_refused() {
        let problem = |text: &str| Parameters::parse(text.as_bytes()).err();
        assert_eq!(
            problem("wa=1&wctx=2&WA=3"),
            Some(ParameterProblem::Repeated)
        );
        assert_eq!(problem("wa=%FF"), Some(ParameterProblem::NotText));
        assert_eq!(
            problem(&"a".repeat(MAX_LENGTH + 1)),
            Some(ParameterProblem::TooLong)
        );
        let many: String = (0..=MAX_PARAMETERS).map(|n| format!("a{n}=&")).collect();
        assert_eq!(problem(&many), Some(ParameterProblem::TooLong));
    }

    #[test]
    fn a_context_goes_back_whole_or_not_at_all() {
        let context = |value: &str| {
            Parameters::parse(format!("c={value}").as_bytes())
                .unwrap()
                .find_context("c")
        };
        assert_eq!(
            context("%22%3E%3Cscript%3E"),
            Ok(Some("\"><script>".into()))
        );
        assert_eq!(context("a%0D%0Ab%09"), Ok(Some("a\r\nb\t".into())));
        for broken in ["%00", "a%0Ab", "a%0Db", "%1F"] {
            assert_eq!(context(broken), Err(ParameterProblem::Context), "{broken}");
        }
        assert_eq!(
            context(&"a".repeat(MAX_CONTEXT + 1)),
            Err(ParameterProblem::TooLong)
        );
        assert_eq!(Parameters::parse(b"").unwrap().find_context("c"), Ok(None));
    }

    #[test]
    fn a_login_hint_that_cannot_be_a_user_name_is_forgotten() {
        let hint = |query: &str| {
            Parameters::parse(query.as_bytes())
                .unwrap()
                .find_login_hint()
        };
        assert_eq!(
            hint("username=ada%40contoso.example"),
            Some("ada@contoso.example".into())
        );
        assert_eq!(
            hint("login_hint=ada%40contoso.example"),
            Some("ada@contoso.example".into())
        );
        assert_eq!(hint("username=%22%3E%3Cscript%3E"), None);
    }
}
