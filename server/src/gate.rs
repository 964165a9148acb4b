//! The gate every request passes: route known, visitor known, role enough, post our own.
//!
//! It puts a [`Visit`] among the request's extensions before a page or server function runs,
//! and prints an error page for every refusal, its own and theirs.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use app::access::{Access, access_of};
use app::error::PortalError;
use app::forms::{FLASH_KEY, Flash, Posted};
use app::login::session::SignedInUser;
use app::pages::federation::REMIND_DAYS;
use app::portal::Portal;
use app::shell::{Shortcuts, Theme};
use app::visit::{Inner, Organisation, Visit};
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{BodyExt, Limited};
use signpost_app as app;
use signpost_model::random::random_token;
use signpost_model::{Operator, Role};
use signpost_store::settings::{self, OfEveryPage};
use subtle::ConstantTimeEq;
use tower_sessions::Session;

use crate::address::{Network, client_address};
use crate::{error_page, sessions};

/// The largest form that is read: our largest has a few hundred check boxes.
const MOST_FORM_BYTES: usize = 512 * 1024;

/// Where Microsoft's pages post to: cross-site by nature. Such a post changes nothing for whoever is
/// signed in: without their cookies (`SameSite=Lax`) it can only leave a request that waits for
/// somebody to sign in, in a page of our own.
const FROM_MICROSOFT: [&str; 2] = ["/federation/{id}/sign-in", "/federation/{id}/sign-out"];

/// The only server functions that take a file.
const TAKES_FILES: [&str; 3] = [
    "/api/import/check",
    "/api/applications/logo",
    "/api/applications/certificates/import-file",
];

/// What the gate needs to know.
#[derive(Debug, Clone)]
pub struct Gate {
    pub portal: Portal,
    pub trusted_proxies: Arc<Vec<Network>>,
}

/// Lets a request through, or answers it itself.
pub async fn pass(
    State(gate): State<Gate>,
    Extension(session): Extension<Session>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    // Apart, since a body may not be shared between threads while headers are read.
    let (mut parts, mut body) = request.into_parts();
    let mut inner = Inner {
        path: parts.uri.path().to_owned(),
        theme: Theme::parse(cookie(&parts.headers, Theme::COOKIE)),
        shortcuts: Shortcuts::parse(cookie(&parts.headers, Shortcuts::COOKIE)),
        reference: reference(&gate.portal),
        ..Inner::default()
    };
    let wants_html = wants_html(&parts.headers);
    let result = admit(&gate, &session, peer, &mut parts, &mut body, &mut inner).await;
    let visit = Visit::new(inner);
    let mut response = match result {
        Ok(()) => {
            parts.extensions.insert(visit.clone());
            next.run(Request::from_parts(parts, body)).await
        }
        Err(Refused::Redirect(to)) => return Redirect::to(&to).into_response(),
        Err(Refused::Error(error)) => error.status().into_response(),
    };
    if let Ok(reference) = HeaderValue::from_str(&visit.reference) {
        response.headers_mut().insert("x-request-id", reference);
    }
    let status = response.status();
    if wants_html && (status.is_client_error() || status.is_server_error()) {
        response.headers_mut().remove(LOCATION);
        if !is_page(&response) {
            return error_page::render(&gate.portal, visit, status).await;
        }
    }
    response
}

enum Refused {
    Redirect(String),
    Error(PortalError),
}

impl From<PortalError> for Refused {
    fn from(error: PortalError) -> Self {
        Self::Error(error)
    }
}

async fn admit(
    gate: &Gate,
    session: &Session,
    peer: SocketAddr,
    request: &mut Parts,
    body: &mut Body,
    inner: &mut Inner,
) -> Result<(), Refused> {
    inner.address = client_address(peer, &request.headers, &gate.trusted_proxies)
        .map_err(|_| PortalError::BadRequest)?
        .to_string();
    let route = route_of(request).ok_or(PortalError::NotFound)?;
    let access = access_of(&request.method, &route).ok_or(PortalError::NotFound)?;
    if route.starts_with("/assets/") {
        return Ok(());
    }

    let (operator, page) = operator(gate, session).await?;
    if let Some(operator) = operator {
        inner.csrf = app::session::csrf_token(session).await.unwrap_or_default();
        inner.operator = Some(operator);
    }
    let needs_setup = inner.operator.is_none()
        && !is_probe(&route)
        && !app::session::is_set_up(&gate.portal).await?;
    if needs_setup && !matches!(route.as_str(), "/setup" | "/api/setup") {
        return Err(Refused::Redirect("/setup".to_owned()));
    }
    if access == Access::User {
        inner.user = app::login::session::find(&gate.portal, &request.headers).await?;
    }
    if request.method == Method::POST && !FROM_MICROSOFT.contains(&route.as_str()) {
        own_post(gate, session, inner, request, body).await?;
    }
    let is_page = request.method == Method::GET;
    let settings = match page {
        Some(page) => page,
        None if is_page || matches!(access, Access::Role(_)) => of_every_page(&gate.portal).await?,
        None => OfEveryPage::default(),
    };
    match access {
        Access::Public => {}
        Access::User => match &inner.user {
            None => return Err(Refused::Redirect(app::urls::LOGIN.to_owned())),
            Some(user) if request.method == Method::POST => own_user_post(user, request)?,
            Some(_) => {}
        },
        Access::Role(needed) => match &inner.operator {
            None if route == app::urls::ACCOUNT && is_user(gate, request).await? => {
                return Err(Refused::Redirect(app::urls::OWN_PAGE.to_owned()));
            }
            None => return Err(sign_in_first(session, request).await),
            Some(operator) if !operator.role.includes(needed) => {
                return Err(PortalError::Forbidden { needed }.into());
            }
            Some(operator) => {
                let settles_it = ["/account", "/api/account/", "/api/sign-out"];
                if !settles_it.iter().any(|path| route.starts_with(path))
                    && owes_second_factor(operator, &settings)
                {
                    return Err(Refused::Redirect(
                        app::urls::ACCOUNT_SECOND_FACTOR.to_owned(),
                    ));
                }
            }
        },
    }
    if TAKES_FILES.contains(&route.as_str()) && !is_multipart(&request.headers) {
        // The framework's reader of files stops the whole request at what it cannot read.
        return Err(PortalError::BadRequest.into());
    }
    if is_page {
        let soon = gate.portal.clock.now().plus_days(REMIND_DAYS);
        let ends = settings.certificate_ends_at.is_some_and(|at| at < soon);
        if inner.operator.is_some() && (settings.has_alerts || ends) {
            inner.banners = app::pages::control::banners(&gate.portal).await?;
            inner
                .banners
                .extend(app::pages::federation::banners(&gate.portal).await?);
        }
        inner.organisation = Organisation {
            name: settings.organisation_name,
            time_zone: settings.time_zone,
        };
        take_flash(session, inner).await;
    }
    Ok(())
}

/// Whether a user is signed in, whose own page is another than an operator's.
async fn is_user(gate: &Gate, request: &Parts) -> Result<bool, PortalError> {
    let found = app::login::session::find(&gate.portal, &request.headers).await?;
    Ok(found.is_some())
}

/// The route as the access table knows it: server functions share one wildcard in the router.
fn route_of(request: &Parts) -> Option<String> {
    let matched = request.extensions.get::<MatchedPath>()?.as_str();
    if matched.starts_with("/api/{*") {
        return Some(request.uri.path().to_owned());
    }
    Some(matched.to_owned())
}

fn is_probe(route: &str) -> bool {
    matches!(route, "/healthz" | "/readyz" | "/metrics" | "/favicon.ico")
}

/// Who is signed in, and the settings of every page where they were found with the session.
async fn operator(
    gate: &Gate,
    session: &Session,
) -> Result<(Option<Operator>, Option<OfEveryPage>), PortalError> {
    let (id, beside) = sessions::look(session).await;
    let (known, page) = beside.map_or((None, None), |beside| (beside.operator, Some(beside.page)));
    let operator = match id {
        Some(id) => app::session::signed_in(&gate.portal, session, id, known).await?,
        None => None,
    };
    Ok((operator, page))
}

/// A post must come from our own page: by the browser's own word, by its origin, and, once
/// someone is signed in, by the token in the form. What is absent counts as wrong.
async fn own_post(
    gate: &Gate,
    session: &Session,
    inner: &Inner,
    request: &mut Parts,
    body: &mut Body,
) -> Result<(), Refused> {
    if !is_same_origin(&request.headers, &gate.portal.settings.public_url) {
        return Err(PortalError::Forbidden {
            needed: Role::Auditor,
        }
        .into());
    }
    let content_type = request
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    if content_type.starts_with("multipart/form-data") && TAKES_FILES.contains(&request.uri.path())
    {
        // Files are streamed: the server function that takes them checks the token itself,
        // as the first part of the body.
        if multer::parse_boundary(content_type).is_err() {
            return Err(PortalError::BadRequest.into());
        }
        return Ok(());
    }
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return Err(PortalError::BadRequest.into());
    }
    let unread = std::mem::take(body);
    let bytes = Limited::new(unread, MOST_FORM_BYTES)
        .collect()
        .await
        .map_err(|_| PortalError::TooLarge)?
        .to_bytes();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(&bytes).into_owned().collect();
    if inner.operator.is_some() {
        let mut tokens = pairs.iter().filter(|(key, _)| key == "csrf");
        let token = match (tokens.next(), tokens.next()) {
            (Some((_, token)), None) => token.as_str(),
            _ => "",
        };
        if inner.csrf.is_empty() || !bool::from(token.as_bytes().ct_eq(inner.csrf.as_bytes())) {
            let posted = Posted(Arc::new(pairs));
            return Err(refilled(session, &request.headers, &posted).await);
        }
    }
    *body = Body::from(arguments(&pairs));
    request.extensions.insert(Posted(Arc::new(pairs)));
    Ok(())
}

/// A user's post carries the token of their own session, once.
fn own_user_post(user: &SignedInUser, request: &Parts) -> Result<(), Refused> {
    let posted = request
        .extensions
        .get::<Posted>()
        .cloned()
        .unwrap_or_default();
    let mut proofs = posted.all("proof");
    let proof = match (proofs.next(), proofs.next()) {
        (Some(proof), None) => proof,
        _ => "",
    };
    if bool::from(proof.as_bytes().ct_eq(user.proof.as_bytes())) {
        Ok(())
    } else {
        Err(PortalError::Stale.into())
    }
}

/// The form for the arguments of a server function: they are read by a parser that refuses a
/// field that is sent twice, as ticked boxes are. [`Posted`] keeps them all.
fn arguments(pairs: &[(String, String)]) -> String {
    let mut seen = HashSet::new();
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(pairs.iter().filter(|(key, _)| seen.insert(key)));
    body.finish()
}

/// A body in parts, with a mark between them as browsers make it.
fn is_multipart(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|kind| kind.strip_prefix("multipart/form-data; boundary="))
        .is_some_and(|mark| {
            (1..=70).contains(&mark.len())
                && mark
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

fn is_same_origin(headers: &HeaderMap, public_url: &str) -> bool {
    // Which of two would count? A browser sends each once.
    let doubled = ["sec-fetch-site", ORIGIN.as_str(), "host"]
        .iter()
        .any(|name| headers.get_all(*name).iter().count() > 1);
    if doubled {
        return false;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) if site != "same-origin" => false,
        (_, Some(origin)) => {
            origin == public_url
                || text("host").is_some_and(|host| {
                    // Loopback has many names; elsewhere only the configured address counts.
                    is_loopback(host) && origin == format!("http://{host}")
                })
        }
        (Some(_), None) => true,
        (None, None) => false,
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

/// The form again, with what was typed: its token is of another session.
async fn refilled(session: &Session, headers: &HeaderMap, posted: &Posted) -> Refused {
    let summary = "This page was open too long. Your entries are still here; send them again.";
    match app::session::keep_posted(session, headers, Some(posted), summary).await {
        Some(back) => Refused::Redirect(back),
        None => Refused::Error(PortalError::Stale),
    }
}

/// Keeps what was posted and where the person was going, and sends them to sign in.
async fn sign_in_first(session: &Session, request: &Parts) -> Refused {
    let back = if request.method == Method::GET {
        request
            .uri
            .path_and_query()
            .map(|path| path.as_str().to_owned())
    } else {
        let posted = request.extensions.get::<Posted>();
        let summary =
            "You were signed out meanwhile. Your entries are still here; send them again.";
        app::session::keep_posted(session, &request.headers, posted, summary).await
    };
    Refused::Redirect(match back.as_deref() {
        None | Some("/") => app::urls::SIGN_IN.to_owned(),
        Some(back) => app::urls::with_query(app::urls::SIGN_IN, &[("return", back)]),
    })
}

async fn of_every_page(portal: &Portal) -> Result<OfEveryPage, PortalError> {
    let mut read = portal.store.read().await?;
    Ok(settings::of_every_page(&mut read).await?)
}

/// Whether this operator must set up a second factor before anything else.
fn owes_second_factor(operator: &Operator, settings: &OfEveryPage) -> bool {
    let is_owed = |from| operator.role.includes(from);
    !operator.has_second_factor && settings.second_factor_from.is_some_and(is_owed)
}

async fn take_flash(session: &Session, inner: &mut Inner) {
    let Ok(Some(mut flashes)) = session.get::<Vec<Flash>>(FLASH_KEY).await else {
        return;
    };
    let Some(index) = flashes.iter().position(|flash| flash.path == inner.path) else {
        return;
    };
    let flash = flashes.remove(index);
    inner.notice = flash.notice;
    inner.form = flash.form;
    let kept = if flashes.is_empty() {
        session.remove::<Vec<Flash>>(FLASH_KEY).await.map(drop)
    } else {
        session.insert(FLASH_KEY, flashes).await
    };
    if let Err(error) = kept {
        tracing::warn!(error = %error, "a shown notice stays in the session");
    }
}

/// The value of a cookie that anybody may set; empty when it is not there.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let cookies = headers
        .get(COOKIE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    cookies
        .split(';')
        .filter_map(|part| part.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map_or("", |(_, value)| value)
}

fn reference(portal: &Portal) -> String {
    let token = random_token(portal.random.as_ref()).to_uppercase();
    format!("{}-{}", &token[..4], &token[4..8])
}

fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

fn is_page(response: &Response) -> bool {
    response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/html"))
}
