//! A certificate instead of a secret: made here, its key never leaves.

use leptos::prelude::*;
use signpost_federation::Certificate;
use signpost_graph as graph;
use signpost_model::connection::CredentialKind;
use signpost_model::{ApplicationId, Role, Timestamp};
use signpost_store::connection_certificates::{self, ConnectionCertificate, Which};
use signpost_store::connections;

use super::acts::posted_application;
use super::time;
use crate::components::{
    Badge, Button, Card, Column, DataTable, Form, LinkButton, Look, Narrow, Precision, Tone, moment,
};
use crate::connection_check::problem_of;
use crate::connector::{Connector, Credential};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Posted, Refusal, respond};
use crate::identity::{USUAL_YEARS, make_key};
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// What proves the application now, and the way to a certificate.
#[component]
pub(super) fn CredentialCard(
    id: ApplicationId,
    credential: Option<(CredentialKind, Option<Timestamp>)>,
    current: Option<ConnectionCertificate>,
    next: Option<ConnectionCertificate>,
    /// Whether the application may renew its own secret.
    renews: bool,
    may: bool,
) -> impl IntoView {
    let in_use = match credential {
        None => view! { <p class="text-2">"Signpost has no connection yet."</p> }.into_any(),
        Some((CredentialKind::Secret, saved)) => view! {
            <p>"Signpost proves itself by its secret" {saved.map(|at| view! { ", saved " {time(at)} })} "."</p>
        }
        .into_any(),
        Some((CredentialKind::Certificate, _)) => view! {
            <p>"Signpost proves itself by its certificate. Delete the old secret in Entra."</p>
        }
        .into_any(),
    };
    let has_secret = matches!(credential, Some((CredentialKind::Secret, _)));
    let renew = (may && has_secret).then(|| {
        if renews {
            view! {
                <Form action="/api/readiness/renew-secret">
                    <input type="hidden" name="application" value=id.to_string() />
                    <Button>"Plan to renew the secret"</Button>
                </Form>
                <p class="hint">"You see the plan first. The new secret is tried before it is used, and the old one goes last."</p>
            }
            .into_any()
        } else {
            view! {
                <p class="hint">
                    "Signpost can renew the secret itself once it has Application.ReadWrite.OwnedBy and owns its registration; the script above sees to both when you tick that feature."
                </p>
            }
            .into_any()
        }
    });
    let current = current.map(|certificate| row(&certificate, "In use", Tone::Ok));
    let waits = next.is_some();
    let next = next.map(|certificate| row(&certificate, "Waits for upload", Tone::Info));
    let table = (current.is_some() || next.is_some()).then(|| {
        let columns = ["Thumbprint", "State", "Ends"].map(Column::new);
        view! {
            <DataTable caption="Certificates" columns=columns.to_vec() narrow=Narrow::Stacks>
                {current}
                {next}
            </DataTable>
        }
    });
    let steps = (may && credential.is_some()).then(|| {
        if waits {
            // Who signs in with a certificate proves by it that the registration is theirs.
            let uploads = renews || !has_secret;
            view! { <Steps id=id uploads=uploads /> }.into_any()
        } else {
            view! {
                <Form action="/api/readiness/certificate">
                    <input type="hidden" name="application" value=id.to_string() />
                    <Button>"Make a certificate"</Button>
                </Form>
            }
            .into_any()
        }
    });
    view! {
        <Card
            id="credential"
            title="Secret and certificate"
            hint="A certificate cannot be copied out of a chat or a ticket: its key never leaves Signpost.".to_owned()
        >
            <div class="card__body stack">{in_use} {renew}</div>
            {table}
            <div class="card__body stack">{steps}</div>
        </Card>
    }
    .into_any()
}

fn row(known: &ConnectionCertificate, word: &'static str, tone: Tone) -> AnyView {
    let print = Certificate::parse(&known.certificate)
        .map(|certificate| certificate.sha1_fingerprint())
        .unwrap_or_default();
    let ends = known
        .not_after
        .to_jiff()
        .map(|at| moment(at, Precision::Day));
    view! {
        <tr>
            <th scope="row"><code>{print}</code></th>
            <td data-label="State"><Badge tone=tone>{word}</Badge></td>
            <td data-label="Ends">{ends}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Steps(id: ApplicationId, uploads: bool) -> impl IntoView {
    let href = urls::application_readiness_file(id, "signpost.cer");
    let itself = if uploads {
        view! {
            <Form action="/api/readiness/certificate/upload">
                <input type="hidden" name="application" value=id.to_string() />
                <Button look=Look::Primary>"Plan to upload and use the certificate"</Button>
            </Form>
            <p class="hint">"You see the plan first. Signpost uploads the certificate to its own registration and tries it; what it signed in with before goes last. If Microsoft does not allow it, the plan says so and nothing changes: then go by hand."</p>
        }
        .into_any()
    } else {
        view! {
            <p class="hint">
                "Signpost can upload it itself once it has Application.ReadWrite.OwnedBy and owns its registration. Until then go by hand."
            </p>
        }
        .into_any()
    };
    view! {
        {itself}
        <h3>"By hand"</h3>
        <ol class="stack stack--tight">
            <li>
                "Download the certificate; it holds no key. "
                <LinkButton href=href download="">"Download certificate"</LinkButton>
            </li>
            <li>"In Entra open Signpost’s registration, Certificates & secrets, Certificates, Upload certificate. The script above uploads it, too."</li>
            <li>
                "Let Signpost try to sign in with it. Only when that works is it used."
                <Form action="/api/readiness/certificate/use">
                    <input type="hidden" name="application" value=id.to_string() />
                    <Button>"Try and use certificate"</Button>
                </Form>
            </li>
        </ol>
        <Form action="/api/readiness/certificate/discard">
            <input type="hidden" name="application" value=id.to_string() />
            <Button look=Look::Danger>"Discard certificate"</Button>
        </Form>
    }
    .into_any()
}

fn back(id: ApplicationId) -> String {
    format!("{}#credential", urls::application_registration(id))
}

/// Makes a certificate that waits to be uploaded.
#[server(prefix = "/api", endpoint = "readiness/certificate")]
pub async fn make_certificate() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        let connection = connections::find(&mut *portal.store.read().await?, id).await?;
        let domain = connection.ok_or(PortalError::NotFound)?.settings.domain;
        let now = portal.clock.now();
        let made = make_key(&portal, &domain, USUAL_YEARS, now).await?;
        let (sealer, random) = (portal.store.sealer(), portal.random.as_ref());
        let author = visit().author();
        let mut tx = portal.store.write().await?;
        connection_certificates::create_next(&mut tx, sealer, random, id, &made, &author, now)
            .await?;
        tx.commit().await?;
        let text = "The certificate is made. Upload it in Entra, then let Signpost try it.";
        Ok::<_, Refusal>(Answer::to(back(id)).notice(Notice::success(text)))
    })
    .await
}

/// Signs in with the certificate that waits, and uses it when that works.
#[server(prefix = "/api", endpoint = "readiness/certificate/use")]
pub async fn use_certificate() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        let back = back(id);
        let mut read = portal.store.read().await?;
        let connection = connections::find(&mut read, id)
            .await?
            .ok_or(PortalError::NotFound)?;
        let sealer = portal.store.sealer();
        let next = connection_certificates::open(&mut read, sealer, id, Which::Next).await?;
        drop(read);
        let Some((certificate, key)) = next else {
            let text = "There is no certificate to try. Make one first.";
            return Err(FormErrors::summary(text).refuse(back));
        };
        let credential = Credential::Certificate {
            certificate: certificate.clone(),
            key,
        };
        let tried = match Connector::of(&portal).for_page(&connection.settings, &credential) {
            Ok(client) => client.granted_roles().await,
            Err(problem) => {
                let text = format!("The connection cannot be used: {problem}.");
                return Err(FormErrors::summary(text).refuse(back));
            }
        };
        if let Err(error) = tried {
            return Err(FormErrors::summary(refused(&error)).refuse(back));
        }
        let (author, now) = (visit().author(), portal.clock.now());
        let mut tx = portal.store.write().await?;
        connection_certificates::switch(&mut tx, id, &certificate, &author, now).await?;
        tx.commit().await?;
        let text = "Signpost signs in with the certificate now. Delete the old secret in Entra.";
        Ok(Answer::to(back).notice(Notice::success(text)))
    })
    .await
}

fn refused(error: &graph::Error) -> String {
    let problem = problem_of(error);
    let code = problem
        .code
        .map(|code| format!(" ({code})"))
        .unwrap_or_default();
    format!(
        "Microsoft does not accept the certificate{code}. Upload it first; a new one takes a few minutes. Signpost goes on as before."
    )
}

/// Gives the certificate that waits up.
#[server(prefix = "/api", endpoint = "readiness/certificate/discard")]
pub async fn discard_certificate() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        let (author, now) = (visit().author(), portal.clock.now());
        let mut tx = portal.store.write().await?;
        connection_certificates::discard_next(&mut tx, id, &author, now).await?;
        tx.commit().await?;
        let text = "The certificate is discarded, and its key forgotten.";
        Ok::<_, Refusal>(Answer::to(back(id)).notice(Notice::success(text)))
    })
    .await
}
