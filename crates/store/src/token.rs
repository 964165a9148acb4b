//! Tokens that the store recognises but does not know.

use std::fmt;

use sha2::{Digest, Sha256};

/// The SHA-256 of an unguessable token (session id, recovery code, setup code) and its purpose.
///
/// Only for tokens of 80 random bits or more: whoever reads the database must not be able to
/// try them all.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash(String);

impl TokenHash {
    /// The hash of this token; `purpose` keeps one kind of token from passing for another.
    pub fn of(purpose: &str, token: &str) -> Self {
        Self(sha256_hex(&[purpose.as_bytes(), b"\0", token.as_bytes()]))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

pub(crate) fn sha256_hex(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    hex(&digest.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
