//! The server that takes our mail, and what became of each mail.

use leptos::prelude::*;
use signpost_model::mail::{MailSecurity, MailServer, MailState};
use signpost_model::{Role, Secret};
use signpost_store::mail_settings::{self, MailSettings, MailUpdate};
use signpost_store::mails::{self, Mail};

use super::SettingsHeader;
use crate::components::{
    Badge, Button, Card, CheckBox, Choice, Column, DataTable, EmptyState, ErrorSummary, Form,
    Guard, Icon, Look, Narrow, Precision, SecretField, SecretState, Select, TextField, TextKind,
    Time, Tone, moment,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, Refusal, respond};
use crate::mailing;
use crate::pages::account::CHANGED_MEANWHILE;
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Mails on the page.
const SHOWN: i64 = 25;
/// The longest host name and user name.
const LONGEST: usize = 255;

/// The page.
#[component]
pub fn MailPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let stored = mail_settings::find(&mut read).await?;
        let newest = mails::list_newest(&mut read, SHOWN).await?;
        drop(read);
        let visit = visit();
        let (form, may) = (visit.form_state(), visit.may(Role::Owner));
        let works = stored.is_some();
        let own_address = visit
            .operator
            .as_ref()
            .map(|operator| operator.email.clone())
            .unwrap_or_default();
        let test = (may && works).then(|| {
            view! { <TestCard form=form.clone() address=own_address /> }
        });
        let server = match may {
            true => view! { <ServerCard form=form.clone() stored=stored /> }.into_any(),
            false => view! { <ReadOnly stored=stored /> }.into_any(),
        };
        Ok(view! {
            <Page title="Mail" section=Section::Settings>
                <SettingsHeader current=urls::MAIL />
                <ErrorSummary errors=form.problems() />
                {server}
                {test}
                <MailsCard newest=newest />
            </Page>
        }
        .into_any())
    })
}

#[component]
fn ServerCard(form: FormState, stored: Option<MailSettings>) -> impl IntoView {
    let has_one = stored.is_some();
    let version = stored.as_ref().map_or(0, |stored| stored.version);
    let saved_at = stored.as_ref().and_then(|stored| stored.password_saved_at);
    let mails_resets = stored.as_ref().is_none_or(|stored| stored.mails_resets);
    let server = stored.map_or_else(unnamed, |stored| stored.server);
    let secret = match saved_at.and_then(signpost_model::Timestamp::to_jiff) {
        None => SecretState::NotSet,
        Some(at) => SecretState::Saved {
            saved: format!("saved {}", moment(at, Precision::Day)),
            expires: None,
        },
    };
    let choices = MailSecurity::ALL
        .into_iter()
        .map(|security| Choice::new(security.key(), security.label()))
        .collect();
    let remove = has_one.then(|| {
        view! {
            <Form action="/api/settings/mail/remove" class="card__foot">
                <Button look=Look::Danger>"Stop sending mail"</Button>
            </Form>
        }
    });
    view! {
        <Card
            id="server"
            title="Mail server"
            hint="Sends links for first and forgotten passwords. Without one, links are shown to the operator once.".to_owned()
        >
            <Form action="/api/settings/mail" class="card__body stack" guard=Guard::Unsaved>
                <input type="hidden" name="version" value=version.to_string() />
                <div class="fields">
                    <TextField
                        name="host"
                        label="Server"
                        kind=TextKind::Code
                        value=form.value("host", &server.host)
                        hint="For example smtp.contoso.com.".to_owned()
                        error=form.error("host")
                        required=true
                    />
                    <TextField
                        name="port"
                        label="Port"
                        kind=TextKind::Number
                        value=form.value("port", &server.port.to_string())
                        error=form.error("port")
                        required=true
                    />
                    <Select
                        name="security"
                        label="Encryption"
                        choices=choices
                        chosen=form.value("security", server.security.key())
                        error=form.error("security")
                    />
                </div>
                <div class="fields">
                    <TextField
                        name="user_name"
                        label="User name"
                        kind=TextKind::Code
                        value=form.value("user_name", &server.user_name)
                        hint="Empty: the server asks for none.".to_owned()
                        error=form.error("user_name")
                    />
                    <SecretField
                        name="password"
                        label="Password"
                        state=secret
                        hint="Goes to this server and no other: type it again when you change the server.".to_owned()
                        error=form.error("password")
                    />
                </div>
                <TextField
                    name="sender"
                    label="Sender"
                    value=form.value("sender", &server.sender)
                    hint="For example Contoso <signpost@contoso.com>.".to_owned()
                    error=form.error("sender")
                    required=true
                />
                <CheckBox
                    name="mails_resets"
                    label="Mail a link to users who forgot their password"
                    checked=form.checked("mails_resets", mails_resets)
                    hint="To the mail address of the user, which should be one they can read without signing in here. A second factor is still asked for.".to_owned()
                />
                <div class="row">
                    <Button look=Look::Primary>"Save mail settings"</Button>
                </div>
            </Form>
            {remove}
        </Card>
    }
    .into_any()
}

/// What an empty form begins with.
const fn unnamed() -> MailServer {
    MailServer {
        host: String::new(),
        port: 587,
        security: MailSecurity::StartTls,
        user_name: String::new(),
        sender: String::new(),
    }
}

#[component]
fn ReadOnly(stored: Option<MailSettings>) -> impl IntoView {
    let body = match stored {
        None => view! { <p class="card__body text-2">"None. Links are shown to the operator once."</p> }
            .into_any(),
        Some(stored) => view! {
            <dl class="card__body facts">
                <div><dt>"Server"</dt><dd>{format!("{}:{}", stored.server.host, stored.server.port)}</dd></div>
                <div><dt>"Encryption"</dt><dd>{stored.server.security.label()}</dd></div>
                <div><dt>"Sender"</dt><dd>{stored.server.sender}</dd></div>
                <div>
                    <dt>"Forgotten passwords"</dt>
                    <dd>{if stored.mails_resets { "Links are mailed" } else { "Links are not mailed" }}</dd>
                </div>
            </dl>
        }
        .into_any(),
    };
    view! { <Card id="server" title="Mail server" hint="Owners can change this.".to_owned()>{body}</Card> }
        .into_any()
}

#[component]
fn TestCard(form: FormState, address: String) -> impl IntoView {
    view! {
        <Card id="test" title="Test mail">
            <Form action="/api/settings/mail/test" class="card__body stack">
                <TextField
                    name="recipient"
                    label="Send to"
                    kind=TextKind::Email
                    value=form.value("recipient", &address)
                    error=form.error("recipient")
                    required=true
                />
                <div class="row"><Button>"Send test mail"</Button></div>
            </Form>
        </Card>
    }
    .into_any()
}

#[component]
fn MailsCard(newest: Vec<Mail>) -> impl IntoView {
    if newest.is_empty() {
        return view! {
            <Card id="mails" title="Sent lately">
                <EmptyState icon=Icon::ScrollText title="No mail yet" why="What becomes of each mail is listed here for 30 days." />
            </Card>
        }
        .into_any();
    }
    let rows = newest.into_iter().map(row).collect_view();
    let columns = ["To", "About", "State", "When"].map(Column::new);
    view! {
        <Card id="mails" title="Sent lately">
            <DataTable caption="Mails" columns=columns.to_vec() narrow=Narrow::Stacks>
                {rows}
            </DataTable>
        </Card>
    }
    .into_any()
}

fn row(mail: Mail) -> AnyView {
    let at = mail.ended_at.unwrap_or(mail.created_at);
    view! {
        <tr>
            <th scope="row">{mail.recipient.clone()}</th>
            <td data-label="About">{mail.kind.label()}</td>
            <td data-label="State"><Outcome mail=mail /></td>
            <td data-label="When">{at.to_jiff().map(|at| view! { <Time at=at /> })}</td>
        </tr>
    }
    .into_any()
}

/// What became of a mail, with the reason when it was not sent.
#[component]
pub(crate) fn Outcome(mail: Mail) -> impl IntoView {
    let tone = match mail.state {
        MailState::Waiting => Tone::Info,
        MailState::Sent => Tone::Ok,
        MailState::Failed => Tone::Bad,
    };
    let why = (!mail.problem.is_empty()).then(|| {
        let again = match mail.state {
            MailState::Waiting => format!(" Tried {} times; tried again later.", mail.tries),
            _ => String::new(),
        };
        view! { <span class="hint">{mail.problem}{again}</span> }
    });
    view! {
        <Badge tone=tone>{mail.state.label()}</Badge>
        " "
        {why}
    }
    .into_any()
}

/// Saves the server.
#[server(prefix = "/api", endpoint = "settings/mail")]
pub async fn save_mail(#[server(default)] password: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Owner)?;
        let (portal, posted) = (portal()?, Posted::current());
        let server = typed(&posted)?;
        let version = posted
            .first("version")
            .parse()
            .map_err(|_| PortalError::BadRequest)?;
        let password = Secret::new(password);
        let mut tx = portal.store.write().await?;
        let stored = mail_settings::find(&mut tx).await?;
        let mails_resets = posted.has("mails_resets");
        let same = stored
            .is_some_and(|stored| stored.server == server && stored.mails_resets == mails_resets);
        // A second click saves what is there already.
        if !same || !password.is_empty() {
            let update = MailUpdate {
                server: &server,
                mails_resets,
                password: (!password.is_empty()).then_some(&password),
                version,
            };
            let (sealer, random) = (portal.store.sealer(), portal.random.as_ref());
            let (author, now) = (visit().author(), portal.clock.now());
            match mail_settings::save(&mut tx, sealer, random, &update, &author, now).await {
                Err(signpost_store::Error::Stale(_)) => {
                    return Err(FormErrors::summary(CHANGED_MEANWHILE).refuse(urls::MAIL));
                }
                other => other?,
            }
            mails::hurry(&mut tx, now).await?;
            tx.commit().await?;
            portal.mailer.notify_one();
        }
        Ok(Answer::to(urls::MAIL).notice(Notice::success(
            "The mail settings are saved. Send a test mail to see that they work.",
        )))
    })
    .await
}

fn typed(posted: &Posted) -> Result<MailServer, Refusal> {
    let text = |name: &str| posted.first(name).trim().to_owned();
    let mut errors = FormErrors::new();
    let is_plain = |text: &str| text.len() <= LONGEST && !text.chars().any(|c| c.is_control());
    let host = text("host");
    let of_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if host.is_empty() || host.len() > LONGEST || !host.chars().all(of_host) {
        errors.add(
            "host",
            "Enter the name of a mail server, such as smtp.contoso.com",
        );
    }
    let port = text("port").parse::<u16>().ok().filter(|port| *port > 0);
    if port.is_none() {
        errors.add("port", "Enter a port from 1 to 65535");
    }
    let security = text("security").parse::<MailSecurity>();
    if security.is_err() {
        errors.add("security", "Choose how the way to the server is encrypted");
    }
    let user_name = text("user_name");
    if !is_plain(&user_name) {
        errors.add("user_name", format!("Use at most {LONGEST} characters"));
    }
    let sender = text("sender");
    if !is_plain(&sender) || !signpost_mail::is_address(&sender) {
        errors.add(
            "sender",
            "Enter a mail address, with a name before it or not",
        );
    }
    let server = MailServer {
        host,
        port: port.unwrap_or_default(),
        security: security.unwrap_or(MailSecurity::Tls),
        user_name,
        sender,
    };
    if server.security == MailSecurity::None && !server.is_here() {
        let text = "Without encryption everybody on the way reads the links: only to a server on this machine";
        errors.add("security", text);
    }
    errors.check(urls::MAIL)?;
    Ok(server)
}

/// Sends a mail to see whether it arrives.
#[server(prefix = "/api", endpoint = "settings/mail/test")]
pub async fn send_test_mail(#[server(default)] recipient: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Owner)?;
        let portal = portal()?;
        let recipient = recipient.trim();
        if recipient.len() > LONGEST || !signpost_mail::is_address(recipient) {
            let text = "Enter a mail address, such as ada@contoso.com";
            return Err(FormErrors::field("recipient", text).refuse(urls::MAIL));
        }
        let mut tx = portal.store.write().await?;
        let queued = mailing::queue_test(&mut tx, &portal, recipient, portal.clock.now()).await?;
        tx.commit().await?;
        if !queued {
            let text = "Too many mails wait already. Look at the list below for the reason.";
            return Err(FormErrors::summary(text).refuse(urls::MAIL));
        }
        portal.mailer.notify_one();
        Ok(Answer::to(urls::MAIL).notice(Notice::info(
            "The test mail is on its way. The list below says what became of it; load the page again in a moment.",
        )))
    })
    .await
}

/// Forgets the server and its password.
#[server(prefix = "/api", endpoint = "settings/mail/remove")]
pub async fn remove_mail() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Owner)?;
        let portal = portal()?;
        let mut tx = portal.store.write().await?;
        mail_settings::remove(&mut tx, &visit().author(), portal.clock.now()).await?;
        tx.commit().await?;
        Ok(Answer::to(urls::MAIL).notice(Notice::success("No mail is sent any more.")))
    })
    .await
}
