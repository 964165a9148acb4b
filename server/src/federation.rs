//! The identity provider's addresses: requests from Microsoft come in, and wait for somebody to
//! sign in on a page of our own.

use app::identity::Issuer;
use app::login::Ask;
use app::login::ask::{self, NotKept};
use app::login::flow;
use app::portal::Portal;
use app::urls;
use app::visit::Visit;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, Request};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};
use signpost_app as app;
use signpost_app::error::PortalError;
use signpost_federation::saml::{SamlRejection, SamlRequest};
use signpost_federation::wsfed::{WsFedRejection, WsFedRequest};

/// The largest form of Microsoft's that is read: the request and its state, encoded.
const MOST_FORM_BYTES: usize = 64 * 1024;

/// Why a request from Microsoft's side is refused. People see a page with a reference; the log
/// gets the reason under it.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("there is no such identity provider")]
    NotFound,
    #[error(transparent)]
    WsFed(#[from] WsFedRejection),
    #[error(transparent)]
    Saml(#[from] SamlRejection),
    #[error("the request belongs to the other address")]
    OtherAddress,
    #[error("the form cannot be read")]
    Form,
    #[error("the request was answered before")]
    Replayed,
    #[error(transparent)]
    Portal(#[from] PortalError),
}

impl From<NotKept> for Refusal {
    fn from(not_kept: NotKept) -> Self {
        match not_kept {
            NotKept::Replayed => Self::Replayed,
            NotKept::Error(error) => Self::Portal(error),
        }
    }
}

impl Refusal {
    fn answer(&self, visit: &Visit) -> Response {
        let status = match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Portal(error) => error.status(),
            _ => StatusCode::BAD_REQUEST,
        };
        tracing::info!(
            reference = visit.reference,
            address = visit.address,
            reason = %self,
            "refused a federation request"
        );
        status.into_response()
    }
}

fn answered(result: Result<Response, Refusal>, visit: &Visit) -> Response {
    result.unwrap_or_else(|refusal| refusal.answer(visit))
}

async fn find(portal: &Portal, id: &str) -> Result<Issuer, Refusal> {
    let id = id.parse().map_err(|_| Refusal::NotFound)?;
    Issuer::find(portal, id).await?.ok_or(Refusal::NotFound)
}

/// A WS-Federation request, or a SAML one by redirect.
pub(crate) async fn sign_in(
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Extension(portal): Extension<Portal>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let work = async {
        let issuer = find(&portal, &id).await?;
        if asks_by_saml(&query) {
            let own = &issuer.addresses.sign_in;
            let request = SamlRequest::from_redirect(&query, &issuer.provider, own)?;
            return keep_saml(&portal, &issuer, request).await;
        }
        match WsFedRequest::parse(&query, &issuer.provider)? {
            WsFedRequest::SignIn(request) => keep(&portal, &issuer, request.into()).await,
            // Microsoft sends people who sign out to either address.
            other => end(&portal, &headers, other).await,
        }
    };
    answered(work.await, &visit)
}

/// A SAML request by post.
pub(crate) async fn sign_in_by_post(
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Extension(portal): Extension<Portal>,
    Extension(visit): Extension<Visit>,
    request: Request,
) -> Response {
    let work = async {
        let issuer = find(&portal, &id).await?;
        let body = form_of(request, query).await?;
        let own = &issuer.addresses.sign_in;
        let request = SamlRequest::from_post(&body, &issuer.provider, own)?;
        keep_saml(&portal, &issuer, request).await
    };
    answered(work.await, &visit)
}

/// Ends the session, by either protocol.
pub(crate) async fn sign_out(
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Extension(portal): Extension<Portal>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let work = async {
        let issuer = find(&portal, &id).await?;
        if asks_by_saml(&query) {
            let own = &issuer.addresses.sign_out;
            let request = SamlRequest::from_redirect(&query, &issuer.provider, own)?;
            return keep_saml_logout(&portal, &issuer, request).await;
        }
        // Whatever else it says, somebody wants to sign out: that is never refused.
        let request = match WsFedRequest::parse(&query, &issuer.provider) {
            Ok(WsFedRequest::SignIn(_)) => return Err(Refusal::OtherAddress),
            Ok(request) => request,
            Err(WsFedRejection::UnknownAction) => WsFedRequest::SignOut { return_to: None },
            Err(rejection) => return Err(rejection.into()),
        };
        end(&portal, &headers, request).await
    };
    answered(work.await, &visit)
}

/// A SAML sign-out by post.
pub(crate) async fn sign_out_by_post(
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Extension(portal): Extension<Portal>,
    Extension(visit): Extension<Visit>,
    request: Request,
) -> Response {
    let work = async {
        let issuer = find(&portal, &id).await?;
        let body = form_of(request, query).await?;
        let own = &issuer.addresses.sign_out;
        let request = SamlRequest::from_post(&body, &issuer.provider, own)?;
        keep_saml_logout(&portal, &issuer, request).await
    };
    answered(work.await, &visit)
}

/// What anybody may know: both protocols, current and next certificate.
pub(crate) async fn metadata(
    Path(id): Path<String>,
    Extension(portal): Extension<Portal>,
    Extension(visit): Extension<Visit>,
) -> Response {
    let work = async {
        let issuer = find(&portal, &id).await?;
        let document = issuer.metadata(&portal).await?;
        let kind = HeaderValue::from_static("application/samlmetadata+xml; charset=utf-8");
        let cache = HeaderValue::from_static("public, max-age=300");
        Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, cache)], document).into_response())
    };
    answered(work.await, &visit)
}

fn asks_by_saml(query: &str) -> bool {
    let names = query.split('&').filter_map(|pair| pair.split('=').next());
    names.into_iter().any(|name| {
        name.eq_ignore_ascii_case("SAMLRequest") || name.eq_ignore_ascii_case("SAMLResponse")
    })
}

/// The body of a posted form; parameters in the address as well could be read by somebody else.
async fn form_of(request: Request, query: Option<String>) -> Result<Bytes, Refusal> {
    let is_form = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !is_form || query.is_some_and(|query| !query.is_empty()) {
        return Err(Refusal::Form);
    }
    let body = Limited::new(request.into_body(), MOST_FORM_BYTES)
        .collect()
        .await
        .map_err(|_| Refusal::Portal(PortalError::TooLarge))?;
    Ok(body.to_bytes())
}

async fn keep_saml(
    portal: &Portal,
    issuer: &Issuer,
    request: SamlRequest,
) -> Result<Response, Refusal> {
    match request {
        SamlRequest::SignIn(request) => keep(portal, issuer, request.into()).await,
        SamlRequest::SignOut(_) => Err(Refusal::OtherAddress),
    }
}

async fn keep_saml_logout(
    portal: &Portal,
    issuer: &Issuer,
    request: SamlRequest,
) -> Result<Response, Refusal> {
    match request {
        SamlRequest::SignOut(request) => keep(portal, issuer, request.into()).await,
        SamlRequest::SignIn(_) => Err(Refusal::OtherAddress),
    }
}

/// The request waits; the browser goes on to a page of our own, by GET, so that its cookies come
/// along.
async fn keep(portal: &Portal, issuer: &Issuer, ask: Ask) -> Result<Response, Refusal> {
    let to = ask::keep(portal, Some(issuer.application.id), &ask).await?;
    Ok(Redirect::to(&to).into_response())
}

/// Ends the session of this browser, then goes where the fixed list allows.
async fn end(
    portal: &Portal,
    headers: &HeaderMap,
    request: WsFedRequest,
) -> Result<Response, Refusal> {
    let cookie = flow::end_session(portal, headers).await?;
    let mut response = match request {
        WsFedRequest::CleanUp => StatusCode::OK.into_response(),
        WsFedRequest::SignOut {
            return_to: Some(address),
        } => Redirect::to(&address).into_response(),
        _ => Redirect::to(urls::SIGNED_OUT).into_response(),
    };
    let cookie = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok());
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}
