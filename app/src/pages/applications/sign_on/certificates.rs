//! The certificates that sign, and the way from one to the next.

use leptos::prelude::*;
use signpost_federation::{Certificate, Signer, SigningKey as Key};
use signpost_model::{ApplicationId, Role, Secret};
use signpost_store::signing_keys::{self, KnownCertificate, SigningKey, SigningKeyState};
use signpost_store::{Error, connections};

use super::super::id_of_form;
use crate::components::{
    Badge, Button, Card, Column, DataTable, Expander, Form, LinkButton, Look, Narrow, Precision,
    TextArea, Tone, moment,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, Refusal, respond};
use crate::identity::make_key;
use crate::portal::{Portal, portal};
use crate::urls;
use crate::visit::{Notice, require, visit};

#[component]
pub(super) fn CertificatesCard(
    id: ApplicationId,
    known: Vec<KnownCertificate>,
    form: FormState,
    may: bool,
) -> impl IntoView {
    let next = known
        .iter()
        .find(|known| known.state == SigningKeyState::Next)
        .map(|next| next.id);
    let rows = known.into_iter().map(row).collect_view();
    let columns = ["Certificate", "State", "Made", "Ends"].map(Column::new);
    let steps = may.then(|| match next {
        None => view! { <NoNext id=id form=form /> }.into_any(),
        Some(next) => view! { <Rollover id=id next=next.to_string() /> }.into_any(),
    });
    view! {
        <Card
            id="certificates"
            title="Signing certificates"
            hint="Microsoft trusts tokens that the current one signed, and the next one once it is told of it.".to_owned()
        >
            <DataTable caption="Signing certificates" columns=columns.to_vec() narrow=Narrow::Stacks>
                {rows}
            </DataTable>
            <div class="card__body stack">{steps}</div>
        </Card>
    }
    .into_any()
}

fn row(known: KnownCertificate) -> AnyView {
    let print = Certificate::parse(&known.certificate)
        .map(|certificate| certificate.sha1_fingerprint())
        .unwrap_or_default();
    let tone = match known.state {
        SigningKeyState::Current => Tone::Ok,
        SigningKeyState::Next => Tone::Info,
        SigningKeyState::Retired => Tone::Plain,
    };
    let day = |at: signpost_model::Timestamp| at.to_jiff().map(|at| moment(at, Precision::Day));
    view! {
        <tr>
            <th scope="row">
                <code>{print}</code>
            </th>
            <td data-label="State"><Badge tone=tone>{known.state.label()}</Badge></td>
            <td data-label="Made">{day(known.created_at)}</td>
            <td data-label="Ends">{day(known.not_after)}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn NoNext(id: ApplicationId, form: FormState) -> impl IntoView {
    let own_error = form.error("private_key").or(form.error("certificate"));
    view! {
        <p class="text-2">
            "Certificates end. Create the next one in time: it is published first and signs later, so that nobody is locked out."
        </p>
        <Form action="/api/applications/certificates/next">
            <input type="hidden" name="application" value=id.to_string() />
            <Button look=Look::Primary>"Create next certificate"</Button>
        </Form>
        <Expander summary="Use a key of your own" open=own_error.is_some()>
            <Form action="/api/applications/certificates/import" class="stack">
                <input type="hidden" name="application" value=id.to_string() />
                <TextArea
                    name="certificate"
                    label="Certificate"
                    value=form.value("certificate", "")
                    hint="PEM, with an RSA key of at least 2048 bits.".to_owned()
                    error=form.error("certificate")
                    max_length=16_384
                    required=true
                    code=true
                />
                <TextArea
                    name="private_key"
                    label="Private key"
                    hint="PKCS #8 in PEM. It is sealed at once and never shown again.".to_owned()
                    error=form.error("private_key")
                    max_length=16_384
                    required=true
                    code=true
                />
                <div class="row"><Button>"Import as next certificate"</Button></div>
            </Form>
        </Expander>
    }
    .into_any()
}

#[component]
fn Rollover(id: ApplicationId, next: String) -> impl IntoView {
    view! {
        <ol class="stack stack--tight">
            <li>"The next certificate is made and stands in the metadata."</li>
            <li>
                "Run the script " <b>"Update"</b>
                " so that Microsoft knows both certificates, and look that it says so. "
                <LinkButton href=urls::application_powershell(id)>"Show PowerShell Script"</LinkButton>
            </li>
            <li>
                "Let the next certificate sign. The old one is retired, and its key is forgotten."
                <Form action="/api/applications/certificates/switch">
                    <input type="hidden" name="application" value=id.to_string() />
                    <input type="hidden" name="next" value=next />
                    <Button look=Look::Primary>"Switch to next certificate"</Button>
                </Form>
            </li>
            <li>"Sign in once to see that it works, then run " <b>"Update"</b> " again."</li>
        </ol>
        <Form action="/api/applications/certificates/discard">
            <input type="hidden" name="application" value=id.to_string() />
            <Button look=Look::Danger>"Discard next certificate"</Button>
        </Form>
    }
    .into_any()
}

/// The application of the posted form, with its domain.
async fn posted_domain(
    portal: &Portal,
    posted: &Posted,
) -> Result<(ApplicationId, String), Refusal> {
    let id = id_of_form(posted)?;
    let connection = connections::find(&mut *portal.store.read().await?, id).await?;
    let connection = connection.ok_or(PortalError::NotFound)?;
    Ok((id, connection.settings.domain))
}

/// Makes the next certificate.
#[server(prefix = "/api", endpoint = "applications/certificates/next")]
pub async fn create_next_certificate() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let (id, domain) = posted_domain(&portal, &posted).await?;
        let back = urls::application_sign_on(id);
        if has_next(&portal, id).await? {
            // The second of two clicks.
            return Ok(Answer::to(back));
        }
        let made = make_key(&portal, &domain, portal.clock.now()).await?;
        keep_next(&portal, id, &made).await?;
        Ok(Answer::to(back).notice(Notice::success(
            "The next certificate is made and stands in the metadata.",
        )))
    })
    .await
}

async fn has_next(portal: &Portal, id: ApplicationId) -> Result<bool, PortalError> {
    let known = signing_keys::list(&mut *portal.store.read().await?, id).await?;
    Ok(known
        .iter()
        .any(|known| known.state == SigningKeyState::Next))
}

async fn keep_next(portal: &Portal, id: ApplicationId, made: &SigningKey) -> Result<(), Refusal> {
    let (sealer, random) = (portal.store.sealer(), portal.random.as_ref());
    let (state, now) = (SigningKeyState::Next, portal.clock.now());
    let mut tx = portal.store.write().await?;
    let kept = signing_keys::create(&mut tx, sealer, random, id, state, made, now).await?;
    if kept.certificate == made.certificate {
        signing_keys::note_created(&mut tx, id, made, &visit().author(), now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Takes a key and its certificate from outside as the next one.
#[server(prefix = "/api", endpoint = "applications/certificates/import")]
pub async fn import_next_certificate(
    #[server(default)] private_key: String,
    #[server(default)] certificate: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let (id, _) = posted_domain(&portal, &posted).await?;
        let back = urls::application_sign_on(id);
        let refused = |field, text: String| FormErrors::field(field, text).refuse(back.clone());
        if has_next(&portal, id).await? {
            let text = "There is a next certificate already. Discard it first.";
            return Err(FormErrors::summary(text).refuse(back));
        }
        let parsed = Certificate::parse(&certificate)
            .map_err(|problem| refused("certificate", problem.to_string()))?;
        let now = portal.clock.now();
        if !parsed.is_valid_at(now) {
            let text = "This certificate is not valid now.".to_owned();
            return Err(refused("certificate", text));
        }
        let key = Key::parse(&Secret::new(private_key))
            .map_err(|problem| refused("private_key", problem.to_string()))?;
        let made = SigningKey {
            private_key: key
                .to_secret()
                .map_err(|problem| refused("private_key", problem.to_string()))?,
            certificate: parsed.base64(),
            not_before: parsed.not_before(),
            not_after: parsed.not_after(),
        };
        if Signer::new(key, parsed).is_none() {
            let text = "This key does not belong to the certificate.".to_owned();
            return Err(refused("private_key", text));
        }
        keep_next(&portal, id, &made).await?;
        Ok(Answer::to(back).notice(Notice::success("The certificate is the next one.")))
    })
    .await
}

/// Lets the next certificate sign.
#[server(prefix = "/api", endpoint = "applications/certificates/switch")]
pub async fn switch_certificate(#[server(default)] next: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let back = urls::application_sign_on(id);
        let next = next.parse().map_err(|_| PortalError::NotFound)?;
        let mut tx = portal.store.write().await?;
        let (author, now) = (visit().author(), portal.clock.now());
        match signing_keys::switch(&mut tx, id, next, &author, now).await {
            // The second of two clicks: what was wanted is done.
            Err(Error::NotFound(_)) => return Ok(Answer::to(back)),
            other => other?,
        }
        tx.commit().await?;
        Ok(Answer::to(back).notice(Notice::success(
            "The next certificate signs now. Sign in once to see that it works.",
        )))
    })
    .await
}

/// Gives the next certificate up.
#[server(prefix = "/api", endpoint = "applications/certificates/discard")]
pub async fn discard_next_certificate() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let mut tx = portal.store.write().await?;
        let (author, now) = (visit().author(), portal.clock.now());
        signing_keys::discard_next(&mut tx, id, &author, now).await?;
        tx.commit().await?;
        Ok(Answer::to(urls::application_sign_on(id))
            .notice(Notice::success("The next certificate is discarded.")))
    })
    .await
}
