//! Mail that Signpost sends: the server that takes it, and what becomes of a mail.

use std::str::FromStr;

use crate::sign_on::UnknownChoice;

/// How the way to the mail server is guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailSecurity {
    /// TLS from the first byte.
    Tls,
    /// TLS after the greeting, or nothing is sent.
    StartTls,
    /// In the clear: to a server on this machine only.
    None,
}

impl MailSecurity {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Tls, Self::StartTls, Self::None];

    /// The word of forms and of the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::StartTls => "starttls",
            Self::None => "none",
        }
    }

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Tls => "TLS (port 465)",
            Self::StartTls => "STARTTLS (port 587)",
            Self::None => "None (a server on this machine)",
        }
    }
}

/// The server that takes our mail, without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// A host name, or an address in digits.
    pub host: String,
    pub port: u16,
    pub security: MailSecurity,
    /// Empty: it asks for no name and password.
    pub user_name: String,
    /// Whose mail it is, as in `Signpost <signpost@contoso.example>`.
    pub sender: String,
}

impl MailServer {
    /// Whether the server is this machine itself: nothing is seen on the way to it.
    pub fn is_here(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        host.eq_ignore_ascii_case("localhost")
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// Somebody looks whether mail works.
    Test,
    /// A link for the first password.
    Invitation,
    /// A link for a forgotten password.
    Reset,
    /// Something that an operator has to look at.
    Alert,
}

impl MailKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Test, Self::Invitation, Self::Reset, Self::Alert];

    /// The word of the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Invitation => "invitation",
            Self::Reset => "reset",
            Self::Alert => "alert",
        }
    }

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Test => "Test",
            Self::Invitation => "Invitation",
            Self::Reset => "Forgotten password",
            Self::Alert => "Problem",
        }
    }
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailState {
    /// On its way, or tried again later.
    Waiting,
    /// The server took it.
    Sent,
    /// Given up.
    Failed,
}

impl MailState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Sent, Self::Failed];

    /// The word of the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }

    /// The word on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Sent => "Sent",
            Self::Failed => "Failed",
        }
    }
}

macro_rules! from_key {
    ($($name:ident),+) => {$(
        impl FromStr for $name {
            type Err = UnknownChoice;

            fn from_str(text: &str) -> Result<Self, UnknownChoice> {
                Self::ALL
                    .into_iter()
                    .find(|choice| choice.key() == text)
                    .ok_or(UnknownChoice)
            }
        }
    )+};
}
from_key!(MailSecurity, MailKind, MailState);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_here() {
        let server = |host: &str| MailServer {
            host: host.to_owned(),
            port: 25,
            security: MailSecurity::None,
            user_name: String::new(),
            sender: "a@contoso.example".to_owned(),
        };
        for host in [
            "localhost",
            "LOCALHOST",
            "127.0.0.1",
            "127.8.9.1",
            "::1",
            "[::1]",
        ] {
            assert!(server(host).is_here(), "{host}");
        }
        for host in [
            "mail.contoso.example",
            "10.0.0.1",
            "localhost.evil.example",
            "0.0.0.0",
            "",
        ] {
            assert!(!server(host).is_here(), "{host}");
        }
    }
}
