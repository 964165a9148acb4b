//! Who signs the people of the domain in: Signpost, or another identity provider.

use leptos::prelude::*;
use signpost_federation::{
    Certificate, FederationSettings, MAX_METADATA, ProviderMetadata, SettingField, SettingProblem,
};
use signpost_model::federation::ExternalProvider;
use signpost_model::sign_on::Protocol;
use signpost_model::{ApplicationId, Role};
use signpost_store::identity_providers;

use crate::components::{
    Button, Card, CopyField, ErrorSummary, Expander, Form, Guard, LinkButton, Look, Precision,
    TextArea, TextField, TextKind, moment,
};
use crate::error::PortalError;
use crate::federation::{SetUp, of_external};
use crate::forms::{Answer, FormErrors, FormState, Posted, Refusal, respond};
use crate::identity::Addresses;
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::{id_of_form, id_of_page, or_stale, version_of_form};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The page.
#[component]
pub fn ProviderPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let portal = portal()?;
        let set_up = SetUp::load(&portal, id).await?;
        let form = visit().form_state();
        let may = visit().may(Role::Administrator);
        let own = set_up
            .connection
            .as_ref()
            .map(|connection| Addresses::of(&portal, connection.settings.cloud, id));
        let now = match &set_up.external {
            None => view! { <OwnCard id=id addresses=own /> }.into_any(),
            Some(external) => {
                view! { <ExternalCard id=id external=external.clone() may=may /> }.into_any()
            }
        };
        let (application, connection) = (set_up.application.clone(), set_up.connection.clone());
        let edit = (may && connection.is_some()).then(|| {
            let protocol = set_up.sign_on.protocol;
            view! {
                <MetadataCard id=id protocol=protocol form=form.clone() />
                <ValuesCard id=id external=set_up.external form=form.clone() />
            }
        });
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::SignOn
                below="Identity provider"
            >
                <ErrorSummary errors=form.problems() />
                {now}
                {edit}
            </ApplicationPage>
        })
    })
}

#[component]
fn OwnCard(id: ApplicationId, addresses: Option<Addresses>) -> impl IntoView {
    let addresses = addresses.map(|addresses| {
        view! {
            <CopyField name="issuer-now" label="Issuer" value=addresses.issuer />
            <CopyField name="metadata-now" label="Metadata address" value=addresses.metadata />
        }
    });
    view! {
        <Card
            id="provider"
            title="Signpost signs people in"
            hint="On its own login page, with the passwords and factors that users have here.".to_owned()
        >
            <div class="card__body stack">
                {addresses}
                <div class="row">
                    <LinkButton href=urls::application_federation(id)>"Open Federation"</LinkButton>
                </div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn ExternalCard(id: ApplicationId, external: ExternalProvider, may: bool) -> impl IntoView {
    let certificate = Certificate::parse(&external.certificate).ok();
    let (print, ends) = certificate.map_or_else(Default::default, |certificate| {
        let ends = certificate.not_after().to_jiff();
        (
            certificate.sha1_fingerprint(),
            ends.map(|at| moment(at, Precision::Day))
                .unwrap_or_default(),
        )
    });
    let own = may.then(|| {
        view! {
            <Form action="/api/federation/provider/own">
                <input type="hidden" name="application" value=id.to_string() />
                <Button look=Look::Danger>"Use Signpost instead"</Button>
            </Form>
        }
    });
    view! {
        <Card
            id="provider"
            title="Another identity provider signs people in"
            hint="The script and the plan carry its values. Signpost's login page, second factor and certificates are not used for this domain.".to_owned()
        >
            <div class="card__body stack">
                <dl class="facts">
                    <div>
                        <dt>"Issuer"</dt>
                        <dd><code>{external.issuer}</code></dd>
                    </div>
                    <div>
                        <dt>"Signing certificate, SHA-1"</dt>
                        <dd><code>{print}</code></dd>
                    </div>
                    <div>
                        <dt>"It ends"</dt>
                        <dd>{ends}</dd>
                    </div>
                </dl>
                <div class="row">
                    <LinkButton href=urls::application_federation(id)>"Open Federation"</LinkButton>
                    {own}
                </div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn MetadataCard(id: ApplicationId, protocol: Protocol, form: FormState) -> impl IntoView {
    let hint = format!(
        "Its issuer, addresses and certificates are read from the document, for {}: the protocol under Sign-on.",
        protocol.label()
    );
    view! {
        <Card id="metadata" title="Another identity provider, by its metadata" hint=hint>
            <Form action="/api/federation/provider/metadata" class="card__body stack">
                <input type="hidden" name="application" value=id.to_string() />
                <TextArea
                    name="metadata"
                    label="Metadata document"
                    value=form.value("metadata", "")
                    hint="SAML or WS-Federation metadata in XML, as the other provider publishes it. Signpost does not fetch it.".to_owned()
                    error=form.error("metadata")
                    max_length=u32::try_from(MAX_METADATA).unwrap_or(u32::MAX)
                    required=true
                    code=true
                />
                <div class="row"><Button>"Use this metadata"</Button></div>
            </Form>
        </Card>
    }
    .into_any()
}

#[component]
fn ValuesCard(
    id: ApplicationId,
    external: Option<ExternalProvider>,
    form: FormState,
) -> impl IntoView {
    let known = external.is_some();
    let stored = external.unwrap_or_else(nothing);
    let refused = [
        "issuer",
        "sign_in",
        "sign_out",
        "active_sign_in",
        "metadata_exchange",
        "certificate",
        "next_certificate",
    ]
    .iter()
    .any(|name| form.error(name).is_some());
    let one = |name, label, stored: &str, hint, required| ValueField {
        name,
        label,
        value: form.value(name, stored),
        hint,
        error: form.error(name),
        required,
    };
    let exact = "As its tokens name it, character by character.";
    let passwords = "WS-Trust, for programs that send passwords. Empty: none.";
    let addresses = [
        one("issuer", "Issuer", &stored.issuer, exact, true),
        one("sign_in", "Sign-in address", &stored.sign_in, "", true),
        one("sign_out", "Sign-out address", &stored.sign_out, "", true),
        one(
            "active_sign_in",
            "Active sign-in address",
            &stored.active_sign_in,
            passwords,
            false,
        ),
        one(
            "metadata_exchange",
            "Metadata exchange address",
            &stored.metadata_exchange,
            "WS-Trust. Empty: none.",
            false,
        ),
    ]
    .map(ValueField::address)
    .collect_view();
    let kind = "PEM or base64, with an RSA key of at least 2048 bits.";
    let certificates = [
        one(
            "certificate",
            "Signing certificate",
            &stored.certificate,
            kind,
            true,
        ),
        one(
            "next_certificate",
            "Next signing certificate",
            &stored.next_certificate,
            kind,
            false,
        ),
    ]
    .map(ValueField::certificate)
    .collect_view();
    let version = stored.version.to_string();
    let fields = view! {
        <Form action="/api/federation/provider" class="stack" guard=Guard::Unsaved>
            <input type="hidden" name="application" value=id.to_string() />
            <input type="hidden" name="version" value=version />
            {addresses}
            {certificates}
            <div class="row"><Button look=Look::Primary>"Save identity provider"</Button></div>
        </Form>
    };
    view! {
        <Card
            id="values"
            title="Another identity provider, by hand"
            hint="For one whose metadata is not at hand, or to correct what was read.".to_owned()
        >
            <div class="card__body">
                <Expander summary="Issuer, addresses and certificates" open=known || refused>
                    {fields}
                </Expander>
            </div>
        </Card>
    }
    .into_any()
}

/// One value of another provider in its form.
struct ValueField {
    name: &'static str,
    label: &'static str,
    value: String,
    hint: &'static str,
    error: Option<String>,
    required: bool,
}

impl ValueField {
    fn address(self) -> AnyView {
        view! {
            <TextField
                name=self.name
                label=self.label
                kind=TextKind::Code
                value=self.value
                hint=Some(self.hint.to_owned()).filter(|hint| !hint.is_empty())
                error=self.error
                max_length=1_024
                required=self.required
            />
        }
        .into_any()
    }

    fn certificate(self) -> AnyView {
        view! {
            <TextArea
                name=self.name
                label=self.label
                value=self.value
                hint=self.hint.to_owned()
                error=self.error
                max_length=16_384
                required=self.required
                code=true
            />
        }
        .into_any()
    }
}

fn nothing() -> ExternalProvider {
    ExternalProvider {
        issuer: String::new(),
        sign_in: String::new(),
        sign_out: String::new(),
        active_sign_in: String::new(),
        metadata_exchange: String::new(),
        certificate: String::new(),
        next_certificate: String::new(),
        version: 0,
    }
}

/// Saves another identity provider.
#[server(prefix = "/api", endpoint = "federation/provider")]
pub async fn save_provider() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let posted = Posted::current();
        let id = id_of_form(&posted)?;
        let back = urls::application_identity_provider(id);
        let text = |name: &str| posted.first(name).trim().to_owned();
        let mut errors = FormErrors::new();
        let mut certificate = |name: &str, required: bool| {
            let typed = text(name);
            if typed.is_empty() && !required {
                return String::new();
            }
            match Certificate::parse(&typed) {
                Ok(certificate) => certificate.base64(),
                Err(problem) => {
                    errors.add(name, problem.to_string());
                    String::new()
                }
            }
        };
        let typed = ExternalProvider {
            certificate: certificate("certificate", true),
            next_certificate: certificate("next_certificate", false),
            issuer: text("issuer"),
            sign_in: text("sign_in"),
            sign_out: text("sign_out"),
            active_sign_in: text("active_sign_in"),
            metadata_exchange: text("metadata_exchange"),
            version: version_of_form(&posted)?,
        };
        keep(id, &typed, errors, &back).await?;
        let text = "The identity provider is saved. Check again, then federate or update.";
        Ok(Answer::to(back).notice(Notice::success(text)))
    })
    .await
}

/// Reads another provider's metadata, and saves what it says.
#[server(prefix = "/api", endpoint = "federation/provider/metadata")]
pub async fn read_metadata(#[server(default)] metadata: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let back = urls::application_identity_provider(id);
        let set_up = SetUp::load(&portal, id).await?;
        let refused = |text: String| FormErrors::field("metadata", text).refuse(back.clone());
        let read =
            ProviderMetadata::parse(&metadata).map_err(|problem| refused(problem.to_string()))?;
        let protocol = set_up.sign_on.protocol;
        let Some(sign_in) = read.sign_in(protocol) else {
            let other: Vec<_> = read.protocols().map(Protocol::label).collect();
            return Err(refused(format!(
                "This provider speaks {}. Choose that protocol under Sign-on first.",
                other.join(" and ")
            )));
        };
        let now = portal.clock.now();
        let mut certificates = read.certificates.iter();
        let current = certificates
            .clone()
            .find(|certificate| certificate.is_valid_at(now))
            .ok_or_else(|| refused("None of its certificates is valid now.".to_owned()))?;
        let next = certificates.find(|certificate| {
            *certificate != current && certificate.not_after() > current.not_after()
        });
        let stored = set_up.external.clone();
        let typed = ExternalProvider {
            issuer: read.issuer.clone(),
            sign_in: sign_in.to_owned(),
            sign_out: read.sign_out(protocol).unwrap_or(sign_in).to_owned(),
            certificate: current.base64(),
            next_certificate: next.map(Certificate::base64).unwrap_or_default(),
            ..stored.unwrap_or_else(nothing)
        };
        keep(id, &typed, FormErrors::new(), &back)
            .await
            .map_err(|refusal| match refusal {
                Refusal::Form { errors, .. } => {
                    let why: Vec<_> = errors.fields.into_iter().map(|(_, text)| text).collect();
                    refused(why.join(" "))
                }
                other => other,
            })?;
        let text = "The metadata is read. Compare the issuer and the certificate below with the other provider.";
        Ok(Answer::to(back).notice(Notice::success(text)))
    })
    .await
}

/// Checks the values as a script and a plan would, and saves them.
async fn keep(
    id: ApplicationId,
    typed: &ExternalProvider,
    mut errors: FormErrors,
    back: &str,
) -> Result<(), Refusal> {
    let portal = portal()?;
    let set_up = SetUp::load(&portal, id).await?;
    let connection = set_up.connection.as_ref().ok_or(PortalError::NotFound)?;
    if errors.is_empty() {
        let values = of_external(&set_up.application, connection, &set_up.sign_on, typed)?;
        if let Err(problems) = FederationSettings::new(values) {
            for problem in problems {
                match field_of(problem) {
                    Some(name) => errors.add(name, problem.to_string()),
                    None => errors.summary = Some(problem.to_string()),
                }
            }
        }
    }
    errors.check(back)?;
    let now = portal.clock.now();
    let mut tx = portal.store.write().await?;
    identity_providers::save(&mut tx, id, typed, &visit().author(), now)
        .await
        .map_err(|error| or_stale(error, back))?;
    tx.commit().await?;
    Ok(())
}

const fn field_of(problem: SettingProblem) -> Option<&'static str> {
    Some(match problem.field {
        SettingField::IssuerUri => "issuer",
        SettingField::PassiveSignInUri => "sign_in",
        SettingField::SignOutUri => "sign_out",
        SettingField::ActiveSignInUri => "active_sign_in",
        SettingField::MetadataExchangeUri => "metadata_exchange",
        SettingField::NextSigningCertificate => "next_certificate",
        _ => return None,
    })
}

/// Makes Signpost the identity provider again.
#[server(prefix = "/api", endpoint = "federation/provider/own")]
pub async fn use_own_provider() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let id = id_of_form(&Posted::current())?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        identity_providers::remove(&mut tx, id, &visit().author(), now).await?;
        tx.commit().await?;
        let text = "Signpost is the identity provider of this domain again.";
        Ok(Answer::to(urls::application_identity_provider(id)).notice(Notice::success(text)))
    })
    .await
}
