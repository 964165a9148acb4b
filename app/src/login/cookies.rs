//! The cookies of users' browsers. Each holds one unguessable token and nothing else.

use http::HeaderMap;
use http::header::COOKIE;
use signpost_model::time::DAY_MS;
use signpost_store::TokenHash;

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// Names the browser for the requests it took up, signed in or not.
    Browser,
    /// The user's session.
    Session,
    /// A device that needs no second factor for some days.
    Device,
}

impl Cookie {
    const fn word(self) -> &'static str {
        match self {
            Self::Browser => "signpost-login",
            Self::Session => "signpost-user",
            Self::Device => "signpost-device",
        }
    }

    fn name(self, secure: bool) -> String {
        let word = self.word();
        if secure {
            format!("__Host-{word}")
        } else {
            word.to_owned()
        }
    }

    /// What the database knows this token by; one kind never passes for another.
    pub fn hash(self, token: &str) -> TokenHash {
        TokenHash::of(self.word(), token)
    }

    /// The token that the browser sent. One that is not ours, or two of them, count as none.
    pub fn read(self, headers: &HeaderMap, secure: bool) -> Option<String> {
        let name = self.name(secure);
        let mut found = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value);
        match (found.next(), found.next()) {
            (Some(token), None) if is_token(token) => Some(token.to_owned()),
            _ => None,
        }
    }

    /// The header that sets it; for `days` days, or until the browser closes.
    pub fn set(self, token: &str, secure: bool, days: Option<i64>) -> String {
        let name = self.name(secure);
        let age = days.map_or(String::new(), |days| {
            format!("; Max-Age={}", days * (DAY_MS / 1_000))
        });
        let secure = if secure { "; Secure" } else { "" };
        format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax{age}{secure}")
    }

    /// The header that takes it away.
    pub fn clear(self, secure: bool) -> String {
        let name = self.name(secure);
        let secure = if secure { "; Secure" } else { "" };
        format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{secure}")
    }
}

/// As `random_token` writes them.
fn is_token(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdefghijklmnopqrstuv";

    fn read(cookies: &[&str], secure: bool) -> Option<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, cookie.parse().unwrap());
        }
        Cookie::Session.read(&headers, secure)
    }

    #[test]
    fn only_one_well_formed_token_counts() {
        let good = format!("theme=dark; signpost-user={TOKEN}");
        assert_eq!(read(&[&good], false).as_deref(), Some(TOKEN));
        assert_eq!(read(&[&good], true), None, "over TLS the name is another");
        let doubled = format!("signpost-user={TOKEN}; signpost-user={TOKEN}");
        for bad in ["", "signpost-user=", "signpost-user=x", doubled.as_str()] {
            assert_eq!(read(&[bad], false), None, "{bad}");
        }
        assert_eq!(read(&[&good, &good], false), None);
    }

    #[test]
    fn cookies_stay_on_this_host_and_away_from_scripts() {
        assert_eq!(
            Cookie::Device.set(TOKEN, true, Some(30)),
            format!(
                "__Host-signpost-device={TOKEN}; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000; Secure"
            )
        );
        assert!(Cookie::Session.clear(false).contains("Max-Age=0"));
    }
}
