//! Mail over the wire: what arrives, and what is said when it does not.

use signpost_mail::testing::{Behaviour, SmtpServer};
use signpost_mail::{Mail, Problem, is_address, send};
use signpost_model::mail::{MailSecurity, MailServer};
use signpost_model::{Secret, Timestamp};

fn settings(server: &SmtpServer) -> MailServer {
    MailServer {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        security: MailSecurity::None,
        user_name: String::new(),
        sender: "Signpost <signpost@contoso.example>".to_owned(),
    }
}

fn mail() -> Mail {
    Mail {
        id: "one".to_owned(),
        recipient: "ada@contoso.example".to_owned(),
        subject: "Ihr Zugang für Größe".to_owned(),
        body: Secret::new("Hello,\n\nhttps://signpost.contoso.example/welcome/abc\n"),
        at: Timestamp::from_millis(1_795_000_000_000),
    }
}

const HOST: &str = "signpost.contoso.example";

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let server = SmtpServer::start(Behaviour::default()).await;
    send(&settings(&server), None, HOST, &mail()).await.unwrap();
    let arrived = server.arrived().pop().unwrap();
    assert_eq!(arrived.from, "signpost@contoso.example");
    assert_eq!(arrived.to, "ada@contoso.example");
    for header in [
        "Message-ID: <one@signpost.contoso.example>",
        "Date: Wed, 18 Nov 2026 11:06:40 +0000",
        "Auto-Submitted: auto-generated",
        "Subject: Ihr Zugang =?utf-8?",
    ] {
        assert!(arrived.data.contains(header), "{header}: {}", arrived.data);
    }
    assert!(
        arrived
            .text()
            .contains("https://signpost.contoso.example/welcome/abc")
    );
}

#[tokio::test]
async fn a_server_that_asks_for_a_password_gets_it() {
    let login = Some(("signpost".to_owned(), "hunter2".to_owned()));
    let server = SmtpServer::start(Behaviour {
        login,
        ..Behaviour::default()
    })
    .await;
    let mut settings = settings(&server);
    settings.user_name = "signpost".to_owned();
    send(&settings, Some(&Secret::new("hunter2")), HOST, &mail())
        .await
        .unwrap();
    let wrong = send(&settings, Some(&Secret::new("wrong")), HOST, &mail()).await;
    assert_eq!(wrong, Err(Problem::Credentials));
    settings.user_name.clear();
    let nobody = send(&settings, None, HOST, &mail()).await;
    assert_eq!(nobody, Err(Problem::Credentials));
    assert_eq!(server.arrived().len(), 1);
    let open = SmtpServer::start(Behaviour::default()).await;
    settings.port = open.port;
    settings.user_name = "signpost".to_owned();
    let unasked = send(&settings, Some(&Secret::new("hunter2")), HOST, &mail()).await;
    assert_eq!(
        unasked,
        Err(Problem::NoLogin),
        "it is not told the password"
    );
}

#[tokio::test]
async fn what_a_server_refuses_is_told_from_what_it_cannot_take_now() {
    let server = SmtpServer::start(Behaviour::default()).await;
    let refused = |refusal| Behaviour {
        refusal: Some(refusal),
        ..Behaviour::default()
    };
    server.behave(refused("550 5.1.1 nobody of this name"));
    let problem = send(&settings(&server), None, HOST, &mail())
        .await
        .unwrap_err();
    assert!(
        problem.is_for_good() && problem.to_string().contains("nobody of this name"),
        "{problem}"
    );
    server.behave(refused("451 4.7.1 try later"));
    let problem = send(&settings(&server), None, HOST, &mail())
        .await
        .unwrap_err();
    assert!(
        !problem.is_for_good() && problem.to_string().contains("try later"),
        "{problem}"
    );
    server.behave(Behaviour {
        hangs_up: true,
        ..Behaviour::default()
    });
    let problem = send(&settings(&server), None, HOST, &mail())
        .await
        .unwrap_err();
    assert!(!problem.is_for_good(), "{problem}");
}

#[tokio::test]
async fn nothing_leaves_this_machine_in_the_clear() {
    let server = SmtpServer::start(Behaviour::default()).await;
    let mut elsewhere = settings(&server);
    elsewhere.host = "mail.contoso.example".to_owned();
    assert_eq!(
        send(&elsewhere, None, HOST, &mail()).await,
        Err(Problem::Unguarded)
    );
    // A server without TLS gets nothing when TLS was asked for, not even a greeting that helps.
    for security in [MailSecurity::Tls, MailSecurity::StartTls] {
        let guarded = MailServer {
            security,
            ..settings(&server)
        };
        let problem = send(&guarded, None, HOST, &mail()).await.unwrap_err();
        assert_eq!(problem, Problem::Tls, "{security:?}");
    }
    assert!(server.arrived().is_empty());
}

#[tokio::test]
async fn an_address_never_becomes_a_header() {
    let server = SmtpServer::start(Behaviour::default()).await;
    for recipient in [
        "ada",
        "",
        "ada@contoso.example\r\nBcc: eve@evil.example",
        "a@b@c",
    ] {
        let hostile = Mail {
            recipient: recipient.to_owned(),
            ..mail()
        };
        let problem = send(&settings(&server), None, HOST, &hostile)
            .await
            .unwrap_err();
        assert_eq!(problem, Problem::Address(recipient.to_owned()));
        assert!(problem.is_for_good() && !is_address(recipient));
    }
    let subject = "Hello\r\nBcc: eve@evil.example".to_owned();
    send(&settings(&server), None, HOST, &Mail { subject, ..mail() })
        .await
        .unwrap();
    let arrived = server.arrived().pop().unwrap();
    assert!(!arrived.data.contains("\nBcc:"), "{}", arrived.data);
    assert_eq!(arrived.to, "ada@contoso.example");
}
