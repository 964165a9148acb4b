//! Sends mail by SMTP. It knows nothing of users or links: a server, a mail, and what came of it.

mod problem;
#[cfg(feature = "testing")]
pub mod testing;

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::Tls;
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use signpost_model::mail::{MailSecurity, MailServer};
use signpost_model::{Secret, Timestamp};

pub use problem::Problem;

/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A mail to one person.
#[derive(Clone)]
pub struct Mail {
    /// Part of the Message-ID: a mail that is sent again after a crash is the same mail.
    pub id: String,
    pub recipient: String,
    pub subject: String,
    /// Plain text.
    pub body: Secret,
    pub at: Timestamp,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({})", self.id)
    }
}

/// Whether this text is an address that mail can be sent to or from, with a name before it or not.
pub fn is_address(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// Hands one mail to the server. `host` is our own name, for its greeting.
pub async fn send(
    server: &MailServer,
    password: Option<&Secret>,
    host: &str,
    mail: &Mail,
) -> Result<(), Problem> {
    let message = message(server, host, mail)?;
    let transport = transport(server, password, host)?;
    transport.send(message).await.map_err(Problem::of)?;
    Ok(())
}

fn transport(
    server: &MailServer,
    password: Option<&Secret>,
    host: &str,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, Problem> {
    type Transport = AsyncSmtpTransport<Tokio1Executor>;
    let name = server.host.trim_matches(['[', ']']);
    let builder = match server.security {
        MailSecurity::Tls => Transport::relay(name).map_err(Problem::of)?,
        MailSecurity::StartTls => Transport::starttls_relay(name).map_err(Problem::of)?,
        MailSecurity::None if server.is_here() => Transport::builder_dangerous(name).tls(Tls::None),
        MailSecurity::None => return Err(Problem::Unguarded),
    };
    let mut builder = builder
        .port(server.port)
        .timeout(Some(PATIENCE))
        .hello_name(ClientId::Domain(host.to_owned()));
    if !server.user_name.is_empty() {
        let password = password.map(Secret::expose).unwrap_or_default();
        let credentials = Credentials::new(server.user_name.clone(), password.to_owned());
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

fn message(server: &MailServer, host: &str, mail: &Mail) -> Result<Message, Problem> {
    let address = |text: &str| {
        let parsed: Result<Mailbox, _> = text.parse();
        parsed.map_err(|_| Problem::Address(text.to_owned()))
    };
    let millis = u64::try_from(mail.at.as_millis()).unwrap_or_default();
    Message::builder()
        .message_id(Some(format!("<{}@{host}>", mail.id)))
        .date(UNIX_EPOCH + Duration::from_millis(millis))
        .from(address(&server.sender)?)
        .to(address(&mail.recipient)?)
        .subject(mail.subject.clone())
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN)
        .body(mail.body.expose().to_owned())
        .map_err(|_| Problem::Address(mail.recipient.clone()))
}

/// Asks programs that answer mail not to answer this (RFC 3834).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
