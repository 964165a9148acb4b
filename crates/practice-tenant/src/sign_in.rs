//! Microsoft's side of the sign-in for a federated domain (`federation.md` 1 and 2): a start page
//! that finds out where a person signs in and sends them there, and `/login.srf`, which judges what
//! comes back as Microsoft would.
//!
//! Parsing and the signature are those of a library that the provider's side does not sign with.

mod claims;
mod finish;
mod judge;
mod pages;
mod refusal;
mod request;
mod saml;
mod shown;
mod sign_out;
mod signature;
mod start;
mod wsfed;
mod xml;

pub(crate) use finish::{describe, finish};
pub(crate) use pages::domains;
pub(crate) use start::user_realm;

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value};

use self::claims::Claims;
use self::refusal::Refused;
use crate::clock::Millis;
use crate::domains::{Domain, Federation};
use crate::practice::PracticeTenant;

/// Entity id, realm and audience of Microsoft.
pub(crate) const REALM: &str = "urn:federation:MicrosoftOnline";
/// What a provider claims when a second factor was used.
const MULTI_FACTOR: &str = "http://schemas.microsoft.com/claims/multipleauthn";

/// Requests that wait for their answer; the oldest are forgotten.
const MAX_ASKED: usize = 500;
/// Results that are kept.
const MAX_RESULTS: usize = 200;
/// Tokens that are remembered, so that none is taken twice.
const MAX_SEEN: usize = 10_000;
/// How long a request waits for its answer.
const PATIENCE_MS: Millis = 15 * 60_000;
/// Accepted difference between the provider's clock and ours.
const SKEW_MS: Millis = 5 * 60_000;

/// The pages and calls under `/_practice`.
pub(crate) fn router() -> Router<Arc<PracticeTenant>> {
    Router::new()
        .route("/sign-in", get(pages::start).post(start::start))
        .route("/sign-out", axum::routing::post(sign_out::start))
        .route("/signed-out", get(pages::signed_out))
        .route("/sign-ins", get(shown::list))
        .route("/sign-ins/{id}", get(pages::result))
        .route("/submit.js", get(pages::script))
}

/// What goes on at the sign-in; forgotten when the process ends, like a browser's session.
#[derive(Debug)]
pub(crate) struct SignIns {
    random: StdRng,
    asked: VecDeque<Asked>,
    results: VecDeque<SignInResult>,
    seen: VecDeque<String>,
    count: u64,
}

/// A request that was sent to a provider.
#[derive(Debug, Clone)]
struct Asked {
    /// Of the SAML message.
    id: String,
    /// `wctx` or `RelayState`, which must come back as it is.
    context: String,
    protocol: Protocol,
    purpose: Purpose,
    user_name: String,
    domain: String,
    at: Millis,
    wishes: Wishes,
    is_answered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    SignIn,
    SignOut,
}

/// What the provider is asked for beside a sign-in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wishes {
    /// A second factor.
    multi_factor: bool,
    /// A sign-in of now, whatever session there is.
    fresh: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Saml,
    WsFed,
}

impl Protocol {
    fn of(configuration: &Map<String, Value>) -> Self {
        match configuration.get("preferredAuthenticationProtocol") {
            Some(Value::String(word)) if word == "saml" => Self::Saml,
            _ => Self::WsFed,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Saml => "SAML 2.0",
            Self::WsFed => "WS-Federation",
        }
    }

    /// The word of Microsoft Graph.
    fn key(self) -> &'static str {
        match self {
            Self::Saml => "saml",
            Self::WsFed => "wsFed",
        }
    }
}

/// How one answer of a provider was judged.
#[derive(Debug, Clone)]
struct SignInResult {
    id: u64,
    at: Millis,
    asked: Option<Asked>,
    claims: Option<Claims>,
    /// The account that is signed in now.
    account: Option<(uuid::Uuid, String)>,
    purpose: Purpose,
    /// Everything that Microsoft would not have taken; the first is what it would have said.
    refusals: Vec<Refused>,
}

impl SignIns {
    pub(crate) fn new(seed: u64, now: Millis) -> Self {
        // A restart must not repeat the ids of requests that a provider has already answered.
        let seed = seed ^ now.unsigned_abs().rotate_left(17);
        Self {
            random: StdRng::seed_from_u64(seed),
            asked: VecDeque::new(),
            results: VecDeque::new(),
            seen: VecDeque::new(),
            count: 0,
        }
    }

    /// Random numbers go on, so that no id comes twice.
    pub(crate) fn forget_all(&mut self) {
        self.asked.clear();
        self.results.clear();
        self.seen.clear();
    }

    fn guid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.random.random())
            .into_uuid()
            .to_string()
    }

    /// An opaque state as Entra's is: long, and of the letters of base64url.
    fn state(&mut self) -> String {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let rest = (0..700).map(|_| char::from(LETTERS[self.random.random_range(0..64)]));
        "rQQIARAA".chars().chain(rest).collect()
    }

    fn ask(&mut self, asked: Asked) {
        if self.asked.len() == MAX_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back(asked);
    }

    /// The request that an answer belongs to, which is taken by it: no second answer finds it open.
    fn take_asked(&mut self, is_meant: impl Fn(&Asked) -> bool) -> Option<Asked> {
        let asked = self.asked.iter_mut().rev().find(|asked| is_meant(asked))?;
        let found = asked.clone();
        asked.is_answered = true;
        Some(found)
    }

    /// Whether this is the first time that a token is seen.
    fn note_token(&mut self, id: &str) -> bool {
        if self.seen.iter().any(|seen| seen == id) {
            return false;
        }
        if self.seen.len() == MAX_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(id.to_owned());
        true
    }

    fn record(&mut self, mut result: SignInResult) -> u64 {
        self.count += 1;
        result.id = self.count;
        if self.results.len() == MAX_RESULTS {
            self.results.pop_front();
        }
        self.results.push_back(result);
        self.count
    }

    fn find_result(&self, id: u64) -> Option<&SignInResult> {
        self.results.iter().find(|result| result.id == id)
    }

    /// The last time this person came in, for the sign-out to name it.
    fn last_claims_of(&self, user_name: &str) -> Option<&Claims> {
        let is_theirs = |result: &&SignInResult| {
            result
                .account
                .as_ref()
                .is_some_and(|(_, name)| name.eq_ignore_ascii_case(user_name))
        };
        self.results
            .iter()
            .rev()
            .find(is_theirs)
            .and_then(|result| result.claims.as_ref())
    }
}

/// The readable configuration of a federated domain.
fn configuration(domain: &Domain) -> Option<&Map<String, Value>> {
    match &domain.federation {
        Some(Federation::Configured(map)) => Some(map),
        Some(Federation::Unreadable) | None => None,
    }
}

fn text<'a>(configuration: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    configuration.get(name).and_then(Value::as_str)
}
