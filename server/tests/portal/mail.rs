//! Mail: the server that takes it, invitations, forgotten passwords, and what became of each.

use reqwest::header::{HOST, ORIGIN};
use signpost_mail::testing::{Behaviour, SmtpServer};
use signpost_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use signpost_model::{Role, Secret};
use signpost_server::mailer;
use signpost_store::testing::{AUTHOR, Database, NOW};
use signpost_store::{Engine, both_engines, users};

use crate::signing_in::actions;
use crate::support::login::{ADA, ADA_NAME, Domain, has_token};
use crate::support::{Answer, Browser, Setting, TestApp, hidden_value, send};

const PASSWORD: &str = "planted smtp password";
const ON_ITS_WAY: &str = "If this user has a mail address here";

/// Saves this server as the owner does; returns the page that follows.
pub(crate) async fn set_up(owner: &Browser, server: &SmtpServer, more: &[(&str, &str)]) -> Answer {
    let page = owner.get("/settings/mail").await;
    let version = hidden_value(&page.body, "version").unwrap();
    let port = server.port.to_string();
    let mut fields = vec![
        ("version", version.as_str()),
        ("host", "127.0.0.1"),
        ("port", &port),
        ("security", "none"),
        ("user_name", "signpost"),
        ("password", PASSWORD),
        ("sender", "Contoso <signpost@contoso.example>"),
        ("mails_resets", "on"),
    ];
    fields.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    fields.extend_from_slice(more);
    owner.submit("/api/settings/mail", &fields).await
}

/// Asks for the password that [`set_up`] saves.
fn asks_who() -> Behaviour {
    Behaviour {
        login: Some(("signpost".to_owned(), PASSWORD.to_owned())),
        ..Behaviour::default()
    }
}

pub(crate) async fn with_login() -> SmtpServer {
    SmtpServer::start(asks_who()).await
}

/// Whether a badge of the page says this word.
fn shows(page: &Answer, word: &str) -> bool {
    let body = page.body.replace("<!>", "");
    body.contains(&format!("{word}</span>"))
}

/// A domain whose portal sends mail.
async fn mailing(app: TestApp) -> (Domain, SmtpServer) {
    let domain = Domain::of(app).await;
    let server = with_login().await;
    let owner = domain.app.sign_in(Role::Owner).await;
    set_up(&owner, &server, &[]).await;
    (domain, server)
}

async fn ask(browser: &Browser, name: &str) -> Answer {
    browser
        .submit("/api/login/forgotten", &[("user_name", name)])
        .await
}

/// The path of the link in a mail.
fn link(text: &str, url: &str) -> String {
    let at = text.split(&format!("{url}/welcome/")).nth(1);
    format!("/welcome/{}", &at.unwrap()[..32])
}

/// Chooses a password by a link; returns the page that follows.
async fn choose(browser: &Browser, path: &str, password: &str) -> Answer {
    let token = path.rsplit('/').next().unwrap();
    let fields = [
        ("link", token),
        ("new_password", password),
        ("repeat_password", password),
    ];
    browser.submit("/api/welcome", &fields).await
}

/// The page without what differs from one answer to the next for everybody.
fn words(page: &Answer, typed: &str) -> String {
    let policy = page.header("content-security-policy");
    let nonce = policy.split("'nonce-").nth(1).unwrap();
    let nonce = nonce.split('\'').next().unwrap();
    page.body.replace(nonce, "").replace(typed, "")
}

both_engines! {
    async fn an_owner_sets_mail_up_and_sees_what_becomes_of_it(store: Store) {
        let app = TestApp::start(store.clone()).await;
        let server = with_login().await;
        let owner = app.sign_in(Role::Owner).await;
        let page = set_up(&owner, &server, &[]).await;
        assert!(page.body.contains("The mail settings are saved"), "{}", page.body);
        assert!(page.body.contains("saved 18 Nov 2026") && !page.body.contains(PASSWORD));
        owner.submit("/api/settings/mail/test", &[("recipient", "ada@contoso.example")]).await;
        mailer::work_off(&app.portal).await.unwrap();
        let arrived = server.arrived();
        assert_eq!((arrived[0].to.as_str(), arrived.len()), ("ada@contoso.example", 1));
        let page = owner.get("/settings/mail").await;
        assert!(shows(&page, "Sent"), "{}", page.body);

        let page = set_up(&owner, &server, &[("password", "wrong")]).await;
        assert!(page.body.contains("saved"), "{}", page.body);
        owner.submit("/api/settings/mail/test", &[("recipient", "bob@contoso.example")]).await;
        mailer::work_off(&app.portal).await.unwrap();
        let page = owner.get("/settings/mail").await;
        assert!(page.body.contains("refused the user name or the password"), "{}", page.body);
        // Set right, it is tried at once.
        set_up(&owner, &server, &[]).await;
        mailer::work_off(&app.portal).await.unwrap();
        assert_eq!(server.arrived()[1].to, "bob@contoso.example");

        owner.submit("/api/settings/mail/remove", &[]).await;
        let page = owner.get("/settings/mail").await;
        assert!(!page.body.contains("Send test mail"));
        let done = actions(&store).await;
        assert_eq!(done[..4], ["mail.settings_removed", "mail.settings_changed", "mail.settings_changed", "mail.settings_changed"]);
    }

    async fn who_forgot_their_password_gets_one_link_that_works_once(store: Store) {
        let (domain, server) = mailing(TestApp::start(store.clone()).await).await;
        domain.add_totp(ADA).await;
        let browser = domain.app.browser();
        let (at, page) = domain.begin(&browser, &domain.wsfed("c", &[("username", ADA_NAME)])).await;
        let request = at.split('=').nth(1).unwrap();
        assert!(page.body.contains(&format!("/login/forgotten?request={request}")), "{}", page.body);
        let page = browser.get(&format!("/login/forgotten?request={request}")).await;
        assert!(page.body.contains(&format!("value=\"{ADA_NAME}\"")), "{}", page.body);
        let page = ask(&browser, ADA_NAME).await;
        assert!(page.body.contains(ON_ITS_WAY), "{}", page.body);
        assert!(server.arrived().is_empty(), "the answer waits for nothing");
        mailer::work_off(&domain.app.portal).await.unwrap();
        let mail = server.arrived().pop().unwrap();
        assert_eq!((mail.from.as_str(), mail.to.as_str()), ("signpost@contoso.example", ADA_NAME));
        let path = link(&mail.text(), &domain.app.url);
        let page = choose(&browser, &path, "kestrel lantern river").await;
        assert!(page.body.contains("Your password is saved"), "{}", page.body);
        let page = choose(&browser, &path, "another few words here").await;
        assert!(page.body.contains("does not work any more"), "{}", page.body);

        // The link replaces the password, never the second factor.
        let (_, page) = domain.begin(&browser, &domain.wsfed("d", &[])).await;
        let fields = [("user_name", ADA_NAME), ("password", "kestrel lantern river")];
        let page = domain.give(&browser, &page, "/api/login/password", &fields).await;
        assert!(!has_token(&page) && page.body.contains("Verification code"), "{}", page.body);
        let done = actions(&store).await;
        for action in ["user.password_forgotten", "user.password_reset_issued", "user.password_changed"] {
            assert!(done.iter().any(|known| known == action), "{action}: {done:?}");
        }
    }

    async fn an_invitation_is_mailed_and_the_operator_sees_what_became_of_it(store: Store) {
        let (domain, server) = mailing(TestApp::start(store.clone()).await).await;
        let bob = domain.add_user(1002, "bob@contoso.example").await;
        let admin = domain.app.sign_in(Role::Administrator).await;
        let id = bob.id.to_string();
        let page = admin.get(&format!("/users/{id}")).await;
        assert!(page.body.contains("Mail the invitation"), "{}", page.body);
        let page = admin.submit("/api/users/invite", &[("id", &id), ("by", "mail")]).await;
        assert!(page.body.contains("gets a link by mail") && shows(&page, "Waiting"), "{}", page.body);
        assert!(!page.body.contains("/welcome/"), "a mailed link is nobody else's");
        mailer::work_off(&domain.app.portal).await.unwrap();
        let page = admin.get(&format!("/users/{id}")).await;
        assert!(shows(&page, "Sent"), "{}", page.body);
        let mail = server.arrived().pop().unwrap();
        let page = domain.app.browser().get(&link(&mail.text(), &domain.app.url)).await;
        assert!(page.body.contains("Choose your password"), "{}", page.body);
    }
}

#[tokio::test]
async fn the_answer_is_the_same_for_everybody_and_only_who_may_gets_a_mail() {
    let (domain, server) = mailing(TestApp::new().await).await;
    domain.add_user(1002, "bob@contoso.example").await;
    let carol = domain.add_user(1003, "carol@contoso.example").await;
    domain.set_password(carol.id).await;
    let mut tx = domain.app.portal.store.write().await.unwrap();
    users::disable(&mut tx, &[carol.id], &AUTHOR, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut seen = Vec::new();
    let hashed = domain.app.portal.passwords.hashed();
    for name in [
        ADA_NAME,
        "nobody@contoso.example",
        "bob@contoso.example",
        "carol@contoso.example",
        "hunter2 in the wrong field",
    ] {
        let page = ask(&domain.app.browser(), name).await;
        assert!(page.body.contains(ON_ITS_WAY), "{}", page.body);
        seen.push((page.status, words(&page, name)));
    }
    assert!(seen.windows(2).all(|two| two[0] == two[1]));
    assert_eq!(
        domain.app.portal.passwords.hashed(),
        hashed,
        "no work that would tell"
    );
    mailer::work_off(&domain.app.portal).await.unwrap();
    let to: Vec<String> = server.arrived().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, [ADA_NAME]);
}

#[tokio::test]
async fn wishes_for_links_are_slowed_per_mailbox_and_per_network() {
    let (domain, server) = mailing(TestApp::new().await).await;
    for known in [ADA_NAME, "nobody@contoso.example"] {
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(
                ask(&domain.app.browser(), known)
                    .await
                    .body
                    .contains("Too many tries"),
            );
        }
        assert_eq!(answers, [false, false, true, true], "{known}");
    }
    mailer::work_off(&domain.app.portal).await.unwrap();
    assert_eq!(server.arrived().len(), 2);
    let mut slowed = 0;
    for number in 0..30 {
        let page = ask(&domain.app.browser(), &format!("{number}@contoso.example")).await;
        slowed += usize::from(page.body.contains("Too many tries"));
    }
    assert!(slowed >= 10, "{slowed}");
    domain.app.clock.advance_millis(DAY_MS + MINUTE_MS);
    let page = ask(&domain.app.browser(), ADA_NAME).await;
    assert!(
        page.body.contains(ON_ITS_WAY),
        "nobody is locked out for good"
    );
}

#[tokio::test]
async fn a_server_that_is_away_delays_mail_and_loses_none() {
    let (domain, server) = mailing(TestApp::new().await).await;
    server.behave(Behaviour {
        hangs_up: true,
        ..Behaviour::default()
    });
    ask(&domain.app.browser(), ADA_NAME).await;
    mailer::work_off(&domain.app.portal).await.unwrap();
    assert!(server.arrived().is_empty());
    let owner = domain.app.sign_in(Role::Owner).await;
    let page = owner.get("/settings/mail").await;
    assert!(
        shows(&page, "Waiting") && page.body.contains("tried again later"),
        "{}",
        page.body
    );
    server.behave(asks_who());
    mailer::work_off(&domain.app.portal).await.unwrap();
    assert!(server.arrived().is_empty(), "not at once");
    domain.app.clock.advance_millis(2 * MINUTE_MS);
    mailer::work_off(&domain.app.portal).await.unwrap();
    assert_eq!(server.arrived().len(), 1);
    domain.app.clock.advance_millis(2 * HOUR_MS);
    mailer::work_off(&domain.app.portal).await.unwrap();
    assert_eq!(server.arrived().len(), 1, "once");
}

#[tokio::test]
async fn links_lead_to_the_configured_address_whatever_a_request_says() {
    let database = Database::create(Engine::Sqlite).await;
    let setting = Setting {
        public_url: Some("https://signpost.contoso.example".to_owned()),
        ..Setting::default()
    };
    let app = TestApp::start_with(database.store.clone(), setting).await;
    let domain = Domain::of(app).await;
    let server = SmtpServer::start(Behaviour::default()).await;
    let mail = signpost_model::mail::MailServer {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        security: signpost_model::mail::MailSecurity::None,
        user_name: String::new(),
        sender: "signpost@contoso.example".to_owned(),
    };
    let update = signpost_store::mail_settings::MailUpdate {
        server: &mail,
        mails_resets: true,
        password: None::<&Secret>,
        version: 0,
    };
    let portal = &domain.app.portal;
    let mut tx = portal.store.write().await.unwrap();
    let (sealer, random) = (portal.store.sealer(), portal.random.as_ref());
    signpost_store::mail_settings::save(&mut tx, sealer, random, &update, &AUTHOR, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for (name, value) in [
        (HOST.as_str(), "evil.example"),
        ("x-forwarded-host", "evil.example"),
    ] {
        let request = domain
            .app
            .browser()
            .client
            .post(format!("{}/api/login/forgotten", domain.app.url))
            .header(ORIGIN, "https://signpost.contoso.example")
            .header("sec-fetch-site", "same-origin")
            .header(name, value)
            .form(&[("user_name", ADA_NAME)]);
        send(request).await;
    }
    mailer::work_off(portal).await.unwrap();
    let arrived = server.arrived();
    assert_eq!(arrived.len(), 2);
    for mail in arrived {
        assert!(
            mail.text()
                .contains("https://signpost.contoso.example/welcome/"),
            "{}",
            mail.data
        );
        assert!(!mail.data.contains("evil.example"), "{}", mail.data);
    }
}

#[tokio::test]
async fn without_a_server_the_page_says_whom_to_ask_and_nothing_waits() {
    let domain = Domain::new().await;
    let browser = domain.app.browser();
    let (_, page) = domain.begin(&browser, &domain.wsfed("c", &[])).await;
    assert!(
        page.body.contains("Ask your administrator for a link"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("/login/forgotten"));
    let page = browser.get("/login/forgotten").await;
    assert!(page.body.contains("Ask your administrator") && !page.body.contains("Send link"));
    ask(&browser, ADA_NAME).await;
    mailer::work_off(&domain.app.portal).await.unwrap();
    let mut read = domain.app.portal.store.read().await.unwrap();
    assert_eq!(
        signpost_store::mails::count(&mut read).await.unwrap(),
        (0, 0)
    );
}

#[tokio::test]
async fn a_mail_server_far_away_is_never_spoken_to_in_the_clear() {
    let app = TestApp::new().await;
    let server = SmtpServer::start(Behaviour::default()).await;
    let owner = app.sign_in(Role::Owner).await;
    let page = set_up(&owner, &server, &[("host", "mail.contoso.example")]).await;
    assert!(
        page.body.contains("only to a server on this machine"),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("value=\"mail.contoso.example\""),
        "what was typed is kept"
    );
    for (field, value, said) in [
        (
            "host",
            "mail.contoso.example/x",
            "Enter the name of a mail server",
        ),
        ("port", "0", "Enter a port"),
        ("security", "", "Choose how"),
        ("sender", "nobody", "Enter a mail address"),
        (
            "sender",
            "a@contoso.example\r\nBcc: eve@evil.example",
            "Enter a mail address",
        ),
    ] {
        let page = set_up(&owner, &server, &[(field, value)]).await;
        assert!(page.body.contains(said), "{field}: {}", page.body);
    }
}
