//! A signing key from outside: as a file of Windows, or as PEM.

use leptos::prelude::*;
use leptos::server_fn::codec::{MultipartData, MultipartFormData};
use signpost_federation::key_file::{self, KeyFileProblem, MAX_KEY_FILE};
use signpost_federation::{Certificate, SigningKey as Key};
use signpost_model::{ApplicationId, Role, Secret};
use signpost_store::connections;
use signpost_store::signing_keys::SigningKey;
use tokio::sync::Semaphore;

use super::super::id_of_form;
use super::certificates::{has_next, keep_next};
use crate::components::{
    Button, Encoding, Expander, FileField, Form, TextArea, TextField, TextKind,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, Refusal, respond};
use crate::portal::portal;
use crate::uploads::Upload;
use crate::urls;
use crate::visit::{Notice, require};

/// The form fields of a key file and its password.
const KEY_FILE: &str = "key_file";
const KEY_PASSWORD: &str = "key_password";

#[component]
pub(super) fn OwnKey(id: ApplicationId, form: FormState) -> impl IntoView {
    let fields = ["private_key", "certificate", KEY_FILE, KEY_PASSWORD];
    let own = fields.iter().any(|name| form.error(name).is_some());
    view! {
        <Expander summary="Use a key of your own" open=own>
            <div class="stack">
                <AsFile id=id form=form.clone() />
                <p class="text-2">"Or paste both as text:"</p>
                <AsText id=id form=form />
            </div>
        </Expander>
    }
    .into_any()
}

#[component]
fn AsFile(id: ApplicationId, form: FormState) -> impl IntoView {
    view! {
        <Form
            action="/api/applications/certificates/import-file"
            class="stack"
            encoding=Encoding::Multipart
        >
            <input type="hidden" name="application" value=id.to_string() />
            <FileField
                name=KEY_FILE
                label="Key file"
                accept=".pfx,.p12,application/x-pkcs12"
                hint="PKCS #12 (.pfx or .p12): an RSA key of at least 2048 bits with its certificate. It is sealed at once and never shown again.".to_owned()
                error=form.error(KEY_FILE)
            />
            <TextField
                name=KEY_PASSWORD
                label="Password of the file"
                kind=TextKind::Password
                error=form.error(KEY_PASSWORD)
            />
            <div class="row"><Button>"Import file as next certificate"</Button></div>
        </Form>
    }
    .into_any()
}

#[component]
fn AsText(id: ApplicationId, form: FormState) -> impl IntoView {
    view! {
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
    }
    .into_any()
}

/// Takes a key and its certificate, as PEM, as the next one.
#[server(prefix = "/api", endpoint = "applications/certificates/import")]
pub async fn import_next_certificate(
    #[server(default)] private_key: String,
    #[server(default)] certificate: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id = id_of_form(&Posted::current())?;
        let back = urls::application_sign_on(id);
        let refused = |field, text: String| FormErrors::field(field, text).refuse(back.clone());
        let parsed = Certificate::parse(&certificate)
            .map_err(|problem| refused("certificate", problem.to_string()))?;
        let key = Key::parse(&Secret::new(private_key))
            .map_err(|problem| refused("private_key", problem.to_string()))?;
        if !key.matches(&parsed) {
            let text = "This key does not belong to the certificate.".to_owned();
            return Err(refused("private_key", text));
        }
        take(id, &key, &parsed, "certificate").await
    })
    .await
}

/// One key file is opened at a time: what checking its password costs is for the file to say.
static OPENING: Semaphore = Semaphore::const_new(1);

/// Takes a key and its certificate, in a file, as the next one.
#[server(prefix = "/api", endpoint = "applications/certificates/import-file", input = MultipartFormData)]
pub async fn import_key_file(data: MultipartData) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let upload = Upload::read(data, KEY_FILE, MAX_KEY_FILE).await?;
        let id: ApplicationId = upload
            .field("application")
            .parse()
            .map_err(|_| PortalError::NotFound)?;
        let back = urls::application_sign_on(id);
        let refused = |problem: KeyFileProblem| {
            let field = match problem {
                KeyFileProblem::WrongPassword => KEY_PASSWORD,
                _ => KEY_FILE,
            };
            FormErrors::field(field, problem.to_string()).refuse(back.clone())
        };
        if upload.too_large {
            return Err(refused(KeyFileProblem::TooLarge));
        }
        if upload.file.is_empty() {
            return Err(FormErrors::field(KEY_FILE, "Choose a file").refuse(back));
        }
        let password = Secret::new(upload.field(KEY_PASSWORD).to_owned());
        let turn = OPENING.try_acquire().map_err(|_| PortalError::Busy)?;
        let opened = tokio::task::spawn_blocking(move || {
            // Kept to the end, also when the browser has gone.
            let _turn = turn;
            key_file::open(&upload.file, &password)
        })
        .await
        .map_err(|error| crate::forms::internal(&error))?;
        let (key, certificate) = opened.map_err(refused)?;
        take(id, &key, &certificate, KEY_FILE).await
    })
    .await
}

/// Keeps a key with its own certificate as the next one; what is wrong stands at `field`.
async fn take(
    id: ApplicationId,
    key: &Key,
    certificate: &Certificate,
    field: &'static str,
) -> Result<Answer, Refusal> {
    let portal = portal()?;
    let back = urls::application_sign_on(id);
    connections::find(&mut *portal.store.read().await?, id)
        .await?
        .ok_or(PortalError::NotFound)?;
    if has_next(&portal, id).await? {
        let text = "There is a next certificate already. Discard it first.";
        return Err(FormErrors::summary(text).refuse(back));
    }
    if !certificate.is_valid_at(portal.clock.now()) {
        let text = "This certificate is not valid now.";
        return Err(FormErrors::field(field, text).refuse(back));
    }
    let private_key = key
        .to_secret()
        .map_err(|problem| FormErrors::field(field, problem.to_string()).refuse(back.clone()))?;
    let made = SigningKey {
        private_key,
        certificate: certificate.base64(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
    };
    keep_next(&portal, id, &made).await?;
    Ok(Answer::to(back).notice(Notice::success("The certificate is the next one.")))
}
