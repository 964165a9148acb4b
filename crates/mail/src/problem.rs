//! Why a mail was not sent, in words for whoever set the server up. Never what was sent.

use lettre::transport::smtp::Error;

/// The longest text of a server that is shown.
const LONGEST_SAID: usize = 200;

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("“{0}” is not a mail address.")]
    Address(String),
    #[error("Without TLS mail goes to a server on this machine only.")]
    Unguarded,
    #[error("The server refused the user name or the password.")]
    Credentials,
    #[error(
        "The server takes no user name and password here. Leave them empty, or use another port."
    )]
    NoLogin,
    #[error("The server cannot be reached. Look at its name and port, and at the firewall.")]
    Unreachable,
    #[error("The server did not answer in time.")]
    TimedOut,
    #[error(
        "The server speaks no TLS here, or its certificate is not trusted. Look at its name, port and certificate."
    )]
    Tls,
    /// It will not take this mail.
    #[error("The server refused the mail: {0}")]
    Refused(String),
    /// It will not take it now.
    #[error("The server cannot take the mail now: {0}")]
    NotNow(String),
}

/// Answers about who we are, not about the mail: somebody can set it right.
const ABOUT_CREDENTIALS: [u16; 5] = [454, 530, 534, 535, 538];

impl Problem {
    /// Whether trying the same mail again cannot help.
    pub const fn is_for_good(&self) -> bool {
        matches!(self, Self::Address(_) | Self::Refused(_))
    }

    pub(crate) fn of(error: Error) -> Self {
        if let Some(code) = error.status() {
            if ABOUT_CREDENTIALS.contains(&u16::from(code)) {
                return Self::Credentials;
            }
            let said = said(&error);
            return if error.is_permanent() {
                Self::Refused(said)
            } else {
                Self::NotNow(said)
            };
        }
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_client() && said(&error).contains("authentication") {
            Self::NoLogin
        } else if error.is_tls() || error.is_client() || is_handshake(&error) {
            Self::Tls
        } else {
            Self::Unreachable
        }
    }
}

/// A handshake that failed comes as data that cannot be read.
fn is_handshake(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let io = cause.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData) {
            return true;
        }
        source = cause.source();
    }
    false
}

/// The server's own words, on one line.
fn said(error: &Error) -> String {
    error
        .to_string()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_SAID)
        .collect()
}
