//! The picture on an application's login page.

use axum::Extension;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use leptos::prelude::*;
use leptos::server_fn::codec::{MultipartData, MultipartFormData};
use signpost_model::{ApplicationId, Role};
use signpost_store::applications;
use signpost_store::logos::{self, Logo};

use super::super::id_of_form;
use crate::components::{Button, Card, Encoding, FileField, Form, Look};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, respond};
use crate::logo::{MOST_BYTES, remake};
use crate::portal::{Portal, portal};
use crate::uploads::Upload;
use crate::urls;
use crate::visit::{Notice, require, visit};

#[component]
pub(super) fn LogoCard(
    id: ApplicationId,
    logo: Option<Logo>,
    form: FormState,
    may: bool,
) -> impl IntoView {
    let has_one = logo.is_some();
    let shown = match logo {
        None => view! { <p class="text-2">"No logo. The login page shows the first letters of its heading."</p> }
            .into_any(),
        Some(logo) => view! {
            <p class="logo">
                <img
                    src=urls::federation_logo(id, &logo.digest)
                    width=logo.width
                    height=logo.height
                    alt="Logo on the login page"
                />
            </p>
        }
        .into_any(),
    };
    let acts = may.then(|| {
        let remove = has_one.then(|| {
            view! {
                <Form action="/api/applications/logo/remove">
                    <input type="hidden" name="application" value=id.to_string() />
                    <Button look=Look::Danger>"Remove logo"</Button>
                </Form>
            }
        });
        view! {
            <Form action="/api/applications/logo" class="stack" encoding=Encoding::Multipart>
                <input type="hidden" name="application" value=id.to_string() />
                <FileField
                    name="file"
                    label="Logo file"
                    accept="image/png,image/jpeg,image/webp"
                    hint="PNG, JPEG or WebP, at most 512 KB. It is made to fit 320 by 80.".to_owned()
                    error=form.error("file")
                />
                <div class="row"><Button>"Upload logo"</Button></div>
            </Form>
            {remove}
        }
    });
    view! {
        <Card id="logo" title="Logo" hint="On the page where the users of this application sign in.".to_owned()>
            <div class="card__body stack">
                {shown}
                {acts}
            </div>
        </Card>
    }
    .into_any()
}

/// Takes a picture and makes the logo of it.
#[server(prefix = "/api", endpoint = "applications/logo", input = MultipartFormData)]
pub async fn upload_logo(data: MultipartData) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let upload = Upload::read(data, "file", MOST_BYTES).await?;
        let id: ApplicationId = upload
            .field("application")
            .parse()
            .map_err(|_| PortalError::NotFound)?;
        let back = urls::application_sign_on(id);
        let refused = |text: String| FormErrors::field("file", text).refuse(back.clone());
        if upload.too_large {
            return Err(refused("Choose a file of at most 512 KB".to_owned()));
        }
        // A large picture takes a noticeable part of a second of one core.
        let made = tokio::task::spawn_blocking(move || remake(&upload.file))
            .await
            .map_err(|error| crate::forms::internal(&error))?
            .map_err(|problem| refused(problem.to_string()))?;
        let (author, now) = (visit().author(), portal.clock.now());
        let mut tx = portal.store.write().await?;
        applications::find(&mut tx, id)
            .await?
            .ok_or(PortalError::NotFound)?;
        logos::set(&mut tx, id, &made.png, made.size, &author, now).await?;
        tx.commit().await?;
        Ok(Answer::to(back).notice(Notice::success("The logo is saved.")))
    })
    .await
}

/// Takes the logo away.
#[server(prefix = "/api", endpoint = "applications/logo/remove")]
pub async fn remove_logo() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let id = id_of_form(&Posted::current())?;
        let mut tx = portal.store.write().await?;
        let (author, now) = (visit().author(), portal.clock.now());
        logos::remove(&mut tx, id, &author, now).await?;
        tx.commit().await?;
        Ok(Answer::to(urls::application_sign_on(id))
            .notice(Notice::success("The logo is removed.")))
    })
    .await
}

/// The picture itself: public, as the page that shows it. Its address changes with its bytes.
pub async fn logo_file(
    Path((id, name)): Path<(String, String)>,
    Extension(portal): Extension<Portal>,
) -> Response {
    match find_file(&portal, &id, &name).await {
        Ok(Some(png)) => (
            [
                (CONTENT_TYPE, HeaderValue::from_static("image/png")),
                (
                    CACHE_CONTROL,
                    HeaderValue::from_static("public, max-age=31536000, immutable"),
                ),
                (
                    CONTENT_SECURITY_POLICY,
                    HeaderValue::from_static("default-src 'none'; sandbox"),
                ),
            ],
            png,
        )
            .into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => error.status().into_response(),
    }
}

async fn find_file(portal: &Portal, id: &str, name: &str) -> Result<Option<Vec<u8>>, PortalError> {
    let (Ok(id), Some(digest)) = (id.parse(), name.strip_suffix(".png")) else {
        return Ok(None);
    };
    let mut read = portal.store.read().await?;
    Ok(logos::find_picture(&mut read, id, digest).await?)
}
