//! From a waiting request to its answer: what the user owes next, decided here alone, from what
//! the server knows.

use http::HeaderMap;
use signpost_federation::saml::{AuthnRequest, LogoutRequest};
use signpost_federation::wsfed::SignInRequest;
use signpost_federation::{Demands, IssueProblem, PostForm, SignIn, Strength};
use signpost_model::random::random_token;
use signpost_model::sign_on::FactorPolicy;
use signpost_model::{ApplicationId, Secret, Timestamp, User};
use signpost_store::claims;
use signpost_store::credentials::{self, Credentials};
use signpost_store::sign_ins::{self, Proved};
use signpost_store::user_sessions::{self, UserSession};
use signpost_store::{
    TokenHash, Write, federations, group_policies, remembered_devices, signing_keys, users,
};

use super::ask::{Ask, request_hash};
use super::cookies::Cookie;
use super::session::{self, form_token};
use crate::error::PortalError;
use crate::forms::internal;
use crate::identity::Issuer;
use crate::portal::Portal;
use crate::urls;

/// A request that waits in this browser.
#[derive(Debug)]
pub struct Waiting {
    /// Names the request in addresses and forms.
    pub token: String,
    /// The browser's own token.
    browser: String,
    pub ask: Ask,
    /// Nobody on the way to the user's own page.
    pub issuer: Option<Issuer>,
    /// Who gave the right password in it.
    pub proved: Option<Proved>,
    /// The challenge that waits for a passkey.
    pub challenge: Option<String>,
    pub created_at: Timestamp,
}

/// What there is under a request's token.
#[derive(Debug)]
pub enum Found {
    /// Expired, never there, or another browser's.
    Nothing,
    /// Answered before.
    Finished,
    Waiting(Box<Waiting>),
}

impl Waiting {
    /// What the database knows the request and the browser by.
    pub fn hashes(&self) -> (TokenHash, TokenHash) {
        (
            request_hash(&self.token),
            Cookie::Browser.hash(&self.browser),
        )
    }

    /// What the forms of this request carry in this browser.
    pub fn proof(&self) -> String {
        form_token(&self.browser, &self.token)
    }

    /// Whether devices may be remembered, and for how many days.
    pub fn device_days(&self) -> i64 {
        self.issuer
            .as_ref()
            .map_or(0, |issuer| issuer.settings.device_days)
    }

    /// Whose sign-in it is; `None` on the way to the user's own page.
    pub fn application(&self) -> Option<ApplicationId> {
        self.issuer.as_ref().map(|issuer| issuer.application.id)
    }

    /// Whether a second factor must be used before an answer is given.
    pub fn owes_factor(&self, policy: FactorPolicy, has_factor: bool, remembered: bool) -> bool {
        if self.ask.demands().multi_factor {
            return true;
        }
        match policy {
            FactorPolicy::Off => false,
            FactorPolicy::Optional => has_factor && !remembered,
            FactorPolicy::Required => !has_factor || !remembered,
        }
    }
}

/// Finds what waits under a token in this browser, and takes it up when nobody has.
pub async fn find(portal: &Portal, headers: &HeaderMap, token: &str) -> Result<Found, PortalError> {
    let (secure, now) = (portal.is_secure(), portal.clock.now());
    let id = request_hash(token);
    let known = Cookie::Browser.read(headers, secure);
    let browser = known
        .clone()
        .unwrap_or_else(|| random_token(portal.random.as_ref()));
    let hash = Cookie::Browser.hash(&browser);
    if sign_ins::is_unclaimed(&mut *portal.store.read().await?, &id, now).await? {
        let mut tx = portal.store.write().await?;
        sign_ins::claim(&mut tx, &id, &hash, now).await?;
        tx.commit().await?;
        if known.is_none() {
            session::send_cookie(&Cookie::Browser.set(&browser, secure, None))?;
        }
    }
    let mut read = portal.store.read().await?;
    let Some(found) = sign_ins::find(&mut read, &id, &hash, now).await? else {
        return Ok(Found::Nothing);
    };
    drop(read);
    if found.finished {
        return Ok(Found::Finished);
    }
    let ask = serde_json::from_str(&found.request).map_err(|error| internal(&error))?;
    let issuer = match found.application_id {
        None => None,
        // The application was deleted meanwhile.
        Some(id) => match Issuer::find_for_page(portal, id).await? {
            None => return Ok(Found::Nothing),
            known => known,
        },
    };
    Ok(Found::Waiting(Box::new(Waiting {
        token: token.to_owned(),
        browser,
        ask,
        issuer,
        proved: found.proved,
        challenge: found.challenge,
        created_at: found.created_at,
    })))
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// Name and password, or a passkey.
    Password { user_name: String },
    /// A second factor of this user, who proved the first at that time.
    Factor(Box<Owing>),
    /// The user must have a second factor and has none yet.
    Enrol(Box<Owing>),
    /// All is proved.
    Ready {
        user: Box<User>,
        session: UserSession,
    },
    /// Nobody is signed in, and nobody may be asked.
    MayNotAsk,
}

/// A user whose first factor is proved.
#[derive(Debug)]
pub struct Owing {
    pub user: User,
    pub credentials: Credentials,
    pub authenticated_at: Timestamp,
    /// What is being enrolled.
    pub pending: Option<Secret>,
}

/// Decides what the user owes next. Everything is read anew; nothing that a browser says counts
/// but its cookies.
pub async fn next(
    portal: &Portal,
    headers: &HeaderMap,
    waiting: &Waiting,
) -> Result<Step, PortalError> {
    if let Some(owing) = find_proved(portal, waiting).await? {
        return Ok(if owing.credentials.has_factor() {
            Step::Factor(Box::new(owing))
        } else {
            Step::Enrol(Box::new(owing))
        });
    }
    let demands = waiting.ask.demands();
    let signed_in = session::find(portal, headers).await?;
    let Some(signed_in) = signed_in else {
        return Ok(if demands.passive {
            Step::MayNotAsk
        } else {
            let user_name = waiting.ask.login_hint().to_owned();
            Step::Password { user_name }
        });
    };
    let session::SignedInUser { user, session, .. } = signed_in;
    let fresh = Demands {
        multi_factor: false,
        ..demands
    };
    let meets = |wanted: &Demands| wanted.are_met_by(&as_sign_in(&session), waiting.created_at);
    if !meets(&fresh) {
        let user_name = user.profile.user_name;
        return Ok(if demands.passive {
            Step::MayNotAsk
        } else {
            Step::Password { user_name }
        });
    }
    let owing = load_owing(portal, user, session.authenticated_at).await?;
    let has_factor = owing.credentials.has_factor();
    let remembered = is_remembered(portal, headers, waiting, &owing.user).await?;
    let mut read = portal.store.read().await?;
    let policy = group_policies::of_user(&mut read, waiting.application(), owing.user.id).await?;
    drop(read);
    let owes = waiting.owes_factor(policy, has_factor, remembered) && session.factor_at.is_none();
    Ok(match (owes, has_factor) {
        (false, _) => Step::Ready {
            user: Box::new(owing.user),
            session,
        },
        (true, _) if demands.passive => Step::MayNotAsk,
        (true, true) => Step::Factor(Box::new(owing)),
        (true, false) => Step::Enrol(Box::new(owing)),
    })
}

/// Who gave the right password in this request, if their credentials are still the same.
async fn find_proved(portal: &Portal, waiting: &Waiting) -> Result<Option<Owing>, PortalError> {
    let Some(proved) = waiting.proved else {
        return Ok(None);
    };
    let user = users::find(&mut *portal.store.read().await?, proved.user_id).await?;
    let Some(user) = user.filter(|user| user.enabled && user.deleted_at.is_none()) else {
        return Ok(None);
    };
    let owing = load_owing(portal, user, proved.at).await?;
    Ok((owing.credentials.version == proved.credentials_version).then_some(owing))
}

async fn load_owing(
    portal: &Portal,
    user: User,
    authenticated_at: Timestamp,
) -> Result<Owing, PortalError> {
    let mut read = portal.store.read().await?;
    let credentials = credentials::find(&mut read, user.id).await?;
    let pending = if credentials.has_factor() {
        None
    } else {
        credentials::find_seeds(&mut read, portal.store.sealer(), user.id)
            .await?
            .pending
    };
    Ok(Owing {
        user,
        credentials,
        authenticated_at,
        pending,
    })
}

/// Whether this device may go without this user's second factor now.
pub async fn is_remembered(
    portal: &Portal,
    headers: &HeaderMap,
    waiting: &Waiting,
    user: &User,
) -> Result<bool, PortalError> {
    let days = waiting.device_days();
    let Some(token) = Cookie::Device.read(headers, portal.is_secure()) else {
        return Ok(false);
    };
    if days == 0 {
        return Ok(false);
    }
    let hash = Cookie::Device.hash(&token);
    let now = portal.clock.now();
    let mut read = portal.store.read().await?;
    Ok(remembered_devices::is_remembered(&mut read, &hash, user.id, days, now).await?)
}

/// The first half of a sign-in: a new name for the browser, and what was proved under it.
pub async fn prove(
    portal: &Portal,
    tx: &mut Write,
    waiting: &mut Waiting,
    proved: &Proved,
) -> Result<(), PortalError> {
    let (id, before) = waiting.hashes();
    waiting.browser = random_token(portal.random.as_ref());
    let after = Cookie::Browser.hash(&waiting.browser);
    sign_ins::prove(tx, &id, (&before, &after), proved).await?;
    session::send_cookie(&Cookie::Browser.set(&waiting.browser, portal.is_secure(), None))
}

/// Forgets what was proved in a request: the session tells it now, or somebody else signs in.
pub async fn forget_proved(tx: &mut Write, waiting: &Waiting) -> Result<(), PortalError> {
    let (id, browser) = waiting.hashes();
    Ok(sign_ins::start_over(tx, &id, &browser).await?)
}

/// How a request ends.
#[derive(Debug)]
pub enum Ending {
    /// The browser posts this to Microsoft.
    Post(PostForm),
    /// The browser goes on here.
    Go(&'static str),
    /// The user is signed in, and this application is not theirs.
    NotTheirs,
    /// It was answered meanwhile.
    Finished,
}

/// Answers a request for whoever is signed in; once.
pub async fn answer(
    portal: &Portal,
    waiting: &Waiting,
    user: &User,
    session: &UserSession,
) -> Result<Ending, PortalError> {
    let now = portal.clock.now();
    let Some(issuer) = &waiting.issuer else {
        return finish(portal, waiting, Ending::Go(urls::OWN_PAGE)).await;
    };
    let mut read = portal.store.read().await?;
    let claims = claims::find(&mut read, &issuer.application, user).await?;
    drop(read);
    let Some(claims) = claims else {
        return Ok(Ending::NotTheirs);
    };
    let sign_in = SignIn {
        user_name: claims.user_name,
        immutable_id: claims.immutable_id,
        ..as_sign_in(session)
    };
    let demands = waiting.ask.demands();
    let (provider, random) = (&issuer.provider, portal.random.as_ref());
    let form = match waiting.ask.clone() {
        Ask::WsFed {
            context,
            login_hint,
            ..
        } => {
            let request = SignInRequest {
                demands,
                context,
                login_hint,
            };
            provider.answer_wsfed(&request, &sign_in, now, random)
        }
        Ask::Saml {
            id,
            relay_state,
            login_hint,
            ..
        } => {
            let request = AuthnRequest {
                id,
                demands,
                relay_state,
                login_hint,
            };
            provider.answer_saml(&request, &sign_in, now, random)
        }
        Ask::SamlLogout { .. } | Ask::OwnPage => return Err(PortalError::BadRequest),
    };
    match form {
        Ok(form) => {
            let issued = Some((issuer.application.id, sign_in.user_name.as_str()));
            finish_with(portal, waiting, Ending::Post(form), issued).await
        }
        Err(IssueProblem::OtherDomain) => Ok(Ending::NotTheirs),
        Err(error) => Err(internal(&error)),
    }
}

/// Tells Microsoft that nobody is signed in and nobody may be asked.
pub async fn answer_no_passive(portal: &Portal, waiting: &Waiting) -> Result<Ending, PortalError> {
    let (
        Some(issuer),
        Ask::Saml {
            id, relay_state, ..
        },
    ) = (&waiting.issuer, waiting.ask.clone())
    else {
        return Err(PortalError::BadRequest);
    };
    let request = AuthnRequest {
        id,
        demands: waiting.ask.demands(),
        relay_state,
        login_hint: None,
    };
    let form = issuer
        .provider
        .answer_no_passive(&request, portal.clock.now(), portal.random.as_ref())
        .map_err(|error| internal(&error))?;
    finish(portal, waiting, Ending::Post(form)).await
}

/// Ends the session of this browser, whoever is named in the request, and tells Microsoft so.
pub async fn answer_logout(
    portal: &Portal,
    headers: &HeaderMap,
    waiting: &Waiting,
) -> Result<Ending, PortalError> {
    let (Some(issuer), Ask::SamlLogout { id, relay_state }) =
        (&waiting.issuer, waiting.ask.clone())
    else {
        return Err(PortalError::BadRequest);
    };
    if let Some(cookie) = end_session(portal, headers).await? {
        session::send_cookie(&cookie)?;
    }
    let request = LogoutRequest { id, relay_state };
    let form = issuer
        .provider
        .answer_logout(&request, portal.clock.now(), portal.random.as_ref())
        .map_err(|error| internal(&error))?;
    finish(portal, waiting, Ending::Post(form)).await
}

/// Ends the session of this browser; returns the header that takes its cookie away.
pub async fn end_session(
    portal: &Portal,
    headers: &HeaderMap,
) -> Result<Option<String>, PortalError> {
    let secure = portal.is_secure();
    let Some(token) = Cookie::Session.read(headers, secure) else {
        return Ok(None);
    };
    let mut tx = portal.store.write().await?;
    user_sessions::delete(&mut tx, &Cookie::Session.hash(&token)).await?;
    tx.commit().await?;
    Ok(Some(Cookie::Session.clear(secure)))
}

/// One request, one answer: of two at once, one gets it.
async fn finish(portal: &Portal, waiting: &Waiting, ending: Ending) -> Result<Ending, PortalError> {
    finish_with(portal, waiting, ending, None).await
}

/// The same, with the user whom a token was issued for: who tries out a new federation or a new
/// certificate waits for one.
async fn finish_with(
    portal: &Portal,
    waiting: &Waiting,
    ending: Ending,
    issued: Option<(ApplicationId, &str)>,
) -> Result<Ending, PortalError> {
    let (id, browser) = waiting.hashes();
    let now = portal.clock.now();
    let mut tx = portal.store.write().await?;
    let first = sign_ins::finish(&mut tx, &id, &browser, now).await?;
    if let Some((application, user_name)) = issued.filter(|_| first) {
        federations::note_sign_in(&mut tx, application, user_name, now).await?;
        signing_keys::note_used(&mut tx, application, now).await?;
    }
    tx.commit().await?;
    Ok(if first { ending } else { Ending::Finished })
}

/// What tokens say of a session: facts of it, never of a request.
fn as_sign_in(session: &UserSession) -> SignIn {
    SignIn {
        user_name: String::new(),
        immutable_id: String::new(),
        authenticated_at: session.authenticated_at,
        strength: match session.factor_at {
            Some(_) => Strength::MultiFactor,
            None => Strength::Password,
        },
    }
}
