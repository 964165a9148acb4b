//! The certificates that sign, and the way from one to the next.

use leptos::prelude::*;
use signpost_federation::Certificate;
use signpost_model::federation::{FederationField, FederationState};
use signpost_model::{ApplicationId, Role, SigningKeyId, TenantAction, Timestamp};
use signpost_store::signing_keys::{self, KnownCertificate, SigningKey, SigningKeyState};
use signpost_store::{Error, connections, federations};

use super::super::id_of_form;
use super::own_key::OwnKey;
use crate::components::plural::count;
use crate::components::{
    Badge, Button, Card, Check, CheckBox, Checklist, Choice, Column, DataTable, Form, Icon,
    LinkButton, Look, Narrow, Precision, Select, Status, Tone, moment,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, Refusal, respond};
use crate::identity::{CERTIFICATE_YEARS, USUAL_YEARS, make_key};
use crate::portal::{Portal, portal};
use crate::urls;
use crate::visit::{Notice, require, visit};

#[component]
pub(super) fn CertificatesCard(
    id: ApplicationId,
    known: Vec<KnownCertificate>,
    told: Told,
    form: FormState,
    may: bool,
) -> impl IntoView {
    let of = |state| known.iter().find(|known| known.state == state).cloned();
    let current = of(SigningKeyState::Current);
    let next = of(SigningKeyState::Next);
    let previous = of(SigningKeyState::Previous);
    let rows = known.into_iter().map(row).collect_view();
    let columns = ["Certificate", "State", "Made", "Ends"].map(Column::new);
    let steps = may.then(|| match (current, next, previous) {
        (_, Some(next), _) => view! { <Rollover id=id next=next told=told form=form /> }.into_any(),
        (Some(current), None, Some(previous)) => {
            view! { <Switched id=id current=current previous=previous told=told /> }.into_any()
        }
        _ => view! { <NoNext id=id form=form /> }.into_any(),
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
        SigningKeyState::Previous | SigningKeyState::Retired => Tone::Plain,
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

/// The certificates that Microsoft was last told of; empty ones are not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    signing: String,
    next: String,
}

impl Told {
    /// Learns from a change that was made before those that are known; `true` when nothing earlier
    /// counts.
    pub(super) fn learn(&mut self, action: &TenantAction) -> bool {
        let (setup, is_first) = match action {
            TenantAction::Federate { after, .. } => (after, true),
            TenantAction::UpdateFederation { after, .. } => (after, false),
            TenantAction::RevertFederation { .. } => return true,
            _ => return false,
        };
        for (known, field) in [
            (&mut self.signing, FederationField::SigningCertificate),
            (&mut self.next, FederationField::NextSigningCertificate),
        ] {
            if known.is_empty() {
                setup.get(field).clone_into(known);
            }
        }
        is_first
    }

    fn knows_next(&self, certificate: &str) -> bool {
        self.next == certificate
    }

    fn knows_current(&self, certificate: &str) -> bool {
        self.signing == certificate
    }
}

#[component]
fn NoNext(id: ApplicationId, form: FormState) -> impl IntoView {
    let (chosen, years_error) = (
        form.value("years", &USUAL_YEARS.to_string()),
        form.error("years"),
    );
    let years = CERTIFICATE_YEARS
        .map(|years| {
            Choice::new(
                years.to_string(),
                count(years.unsigned_abs(), "year", "years"),
            )
        })
        .collect();
    view! {
        <p class="text-2">
            "Certificates end. Create the next one in time: it is published first and signs later, so that nobody is locked out."
        </p>
        <Form action="/api/applications/certificates/next" class="stack">
            <input type="hidden" name="application" value=id.to_string() />
            <div class="fields">
                <Select
                    name="years"
                    label="Good for"
                    choices=years
                    chosen=chosen
                    error=years_error
                />
            </div>
            <div class="row"><Button look=Look::Primary>"Create next certificate"</Button></div>
        </Form>
        <OwnKey id=id form=form />
    }
    .into_any()
}

/// From a next certificate to the switch.
#[component]
fn Rollover(
    id: ApplicationId,
    next: KnownCertificate,
    told: Told,
    form: FormState,
) -> impl IntoView {
    let knows = told.knows_next(&next.certificate);
    let (status, said) = if knows {
        (
            Status::PASSED,
            "Microsoft was told of it, and showed it afterwards.".to_owned(),
        )
    } else {
        (
            Status::ATTENTION,
            "Microsoft has to know both certificates before the next one signs. Signpost has not told it of this one; look there if you run the script Update.".to_owned(),
        )
    };
    let anyway = (!knows).then(|| {
        view! {
            <CheckBox
                name="anyway"
                label="Microsoft knows the next certificate"
                hint="Tick it after the script Update has said so.".to_owned()
                checked=form.checked("anyway", false)
                error=form.error("anyway")
            />
        }
    });
    view! {
        <Checklist label="Certificate rollover">
            <Check
                status=Status::PASSED
                title="Publish the next certificate"
                detail="It is made, and stands in the metadata beside the current one.".to_owned()
            />
            <Check status=status title="Tell Microsoft" detail=said>
                <Tell id=id />
            </Check>
            <Check
                status=Status::NOT_SET_UP
                title="Let the next certificate sign"
                detail="The current one is kept, so that the way back is open.".to_owned()
            />
            <Check
                status=Status::NOT_SET_UP
                title="See that somebody signs in"
                detail="By a token that the new certificate signed.".to_owned()
            />
            <Check
                status=Status::NOT_SET_UP
                title="Retire the old certificate"
                detail="Its key is forgotten.".to_owned()
            />
        </Checklist>
        <Form action="/api/applications/certificates/switch" class="stack">
            <input type="hidden" name="application" value=id.to_string() />
            <input type="hidden" name="next" value=next.id.to_string() />
            {anyway}
            <div class="row">
                <Button look=Look::Primary>"Switch to next certificate"</Button>
                <Button
                    look=Look::Danger
                    formaction="/api/applications/certificates/discard"
                >
                    "Discard next certificate"
                </Button>
            </div>
        </Form>
    }
    .into_any()
}

#[component]
fn Tell(id: ApplicationId) -> impl IntoView {
    view! {
        <Form action="/api/federation/update">
            <input type="hidden" name="application" value=id.to_string() />
            <Button icon=Icon::RefreshCw>"Plan update"</Button>
        </Form>
        <LinkButton href=urls::application_powershell(id) look=Look::Quiet>
            "Show PowerShell Script"
        </LinkButton>
    }
    .into_any()
}

/// After the switch: see that it works, tell Microsoft, retire the old one, or go back.
#[component]
fn Switched(
    id: ApplicationId,
    current: KnownCertificate,
    previous: KnownCertificate,
    told: Told,
) -> impl IntoView {
    let used = current.used_at.and_then(Timestamp::to_jiff);
    let (seen, seen_words) = match used {
        Some(at) => (
            Status::PASSED,
            format!(
                "Somebody got a token of it on {}. Look that Microsoft let them in.",
                moment(at, Precision::Minute)
            ),
        ),
        None => (
            Status::ATTENTION,
            "Nobody has signed in since the switch. Sign in once in a private window.".to_owned(),
        ),
    };
    let (knows, knows_words) = if told.knows_current(&current.certificate) {
        (
            Status::PASSED,
            "Microsoft was told that it is the signing certificate.",
        )
    } else {
        (
            Status::ATTENTION,
            "Tell Microsoft that it is the signing certificate now, so that the old one is not trusted any more.",
        )
    };
    let previous = previous.id.to_string();
    view! {
        <Checklist label="Certificate rollover">
            <Check
                status=Status::PASSED
                title="Let the next certificate sign"
                detail="It signs. The one before is kept until it is retired.".to_owned()
            />
            <Check status=seen title="See that somebody signs in" detail=seen_words />
            <Check status=knows title="Tell Microsoft" detail=knows_words.to_owned()>
                <Tell id=id />
            </Check>
            <Check
                status=Status::NOT_SET_UP
                title="Retire the old certificate"
                detail="Its key is forgotten, and there is no way back to it.".to_owned()
            />
        </Checklist>
        <Form action="/api/applications/certificates/retire" class="stack">
            <input type="hidden" name="application" value=id.to_string() />
            <input type="hidden" name="previous" value=previous />
            <div class="row">
                <Button look=Look::Primary>"Retire old certificate"</Button>
                <Button formaction="/api/applications/certificates/switch-back" icon=Icon::Undo2>
                    "Switch back"
                </Button>
            </div>
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
pub async fn create_next_certificate(#[server(default)] years: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let (id, domain) = posted_domain(&portal, &posted).await?;
        let back = urls::application_sign_on(id);
        let years = match years.as_str() {
            "" => Some(USUAL_YEARS),
            text => text
                .parse()
                .ok()
                .filter(|years| CERTIFICATE_YEARS.contains(years)),
        };
        let years = years.ok_or_else(|| {
            FormErrors::field("years", "Choose from one to three years").refuse(back.clone())
        })?;
        if has_next(&portal, id).await? {
            // The second of two clicks.
            return Ok(Answer::to(back));
        }
        let made = make_key(&portal, &domain, years, portal.clock.now()).await?;
        keep_next(&portal, id, &made).await?;
        Ok(Answer::to(back).notice(Notice::success(
            "The next certificate is made and stands in the metadata.",
        )))
    })
    .await
}

pub(super) async fn has_next(portal: &Portal, id: ApplicationId) -> Result<bool, PortalError> {
    let known = signing_keys::list(&mut *portal.store.read().await?, id).await?;
    Ok(known
        .iter()
        .any(|known| known.state == SigningKeyState::Next))
}

pub(super) async fn keep_next(
    portal: &Portal,
    id: ApplicationId,
    made: &SigningKey,
) -> Result<(), Refusal> {
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

/// Lets the next certificate sign.
#[server(prefix = "/api", endpoint = "applications/certificates/switch")]
pub async fn switch_certificate(#[server(default)] next: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let back = urls::application_sign_on(id);
        let next = next.parse().map_err(|_| PortalError::NotFound)?;
        if !posted.has("anyway") && !is_told(&portal, id, next).await? {
            let text = "Tell Microsoft first, or tick this when it knows the certificate.";
            return Err(FormErrors::field("anyway", text).refuse(back));
        }
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

/// Whether Microsoft was told of this certificate, or is not asked: a domain that Signpost has not
/// federated trusts none of them.
async fn is_told(
    portal: &Portal,
    id: ApplicationId,
    next: SigningKeyId,
) -> Result<bool, PortalError> {
    let mut read = portal.store.read().await?;
    let known = signing_keys::list(&mut read, id).await?;
    let federation = federations::find(&mut read, id).await?;
    drop(read);
    if federation.is_none_or(|known| known.state == FederationState::Reverted) {
        return Ok(true);
    }
    let next = known.into_iter().find(|known| known.id == next);
    let told = super::told(portal, id).await?;
    Ok(next.is_none_or(|next| told.knows_next(&next.certificate)))
}

/// Lets the certificate before sign again.
#[server(prefix = "/api", endpoint = "applications/certificates/switch-back")]
pub async fn switch_back_certificate(
    #[server(default)] previous: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let back = urls::application_sign_on(id);
        let previous = previous.parse().map_err(|_| PortalError::NotFound)?;
        let mut tx = portal.store.write().await?;
        let (author, now) = (visit().author(), portal.clock.now());
        match signing_keys::switch_back(&mut tx, id, previous, &author, now).await {
            // The second of two clicks: what was wanted is done.
            Err(Error::NotFound(_)) => return Ok(Answer::to(back)),
            other => other?,
        }
        tx.commit().await?;
        Ok(Answer::to(back).notice(Notice::success(
            "The certificate before signs again. The other one is the next.",
        )))
    })
    .await
}

/// Forgets the key of the certificate before.
#[server(prefix = "/api", endpoint = "applications/certificates/retire")]
pub async fn retire_certificate(#[server(default)] previous: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let back = urls::application_sign_on(id);
        let previous = previous.parse().map_err(|_| PortalError::NotFound)?;
        let mut tx = portal.store.write().await?;
        let (author, now) = (visit().author(), portal.clock.now());
        match signing_keys::retire(&mut tx, id, previous, &author, now).await {
            // The second of two clicks: what was wanted is done.
            Err(Error::NotFound(_)) => return Ok(Answer::to(back)),
            other => other?,
        }
        tx.commit().await?;
        Ok(Answer::to(back).notice(Notice::success("The old certificate is retired.")))
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
