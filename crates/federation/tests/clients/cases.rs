//! What the clients are given: good answers, and the changed copies of one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use signpost_federation::saml::AuthnRequest;
use signpost_federation::wsfed::SignInRequest;
use signpost_federation::{
    Certificate, Demands, Endpoints, IdentityProvider, PostForm, RelyingParty, SignIn, Signer,
    SigningKey, Strength,
};
use signpost_model::random::SeededRandom;
use signpost_model::{Cloud, Secret, Timestamp};

use crate::tamper;

const ISSUER: &str = "https://login.signpost.example/federation/contoso.example";
const SIGN_IN: &str = "https://login.signpost.example/federation/contoso.example/sign-in";
const CERTIFICATE: &str = include_str!("../fixtures/signing-certificate.pem");
const REQUEST: &str = "_7171b0b2-19f2-4ba2-8f94-24b5e56b7f1e";
const ELSEWHERE: &str = "meant for another address";
const HOUR: i64 = 3_600_000;

/// Whom a client must have read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Person {
    pub(crate) user_name: &'static str,
    pub(crate) immutable_id: &'static str,
}

const ALICE: Person = Person {
    user_name: "alice@contoso.example",
    immutable_id: "k3v9x0m2q7w5t1r8y6u4p0s2d9f7g5h3",
};

#[derive(Debug)]
pub(crate) enum Expected {
    Accepted(Person),
    Refused,
    /// The signature holds, so a client may accept, but only as the person that was meant.
    NobodyElse(Person),
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) protocol: &'static str,
    pub(crate) expected: Expected,
    /// Clients that do not look at what is wrong here.
    pub(crate) unseen_by: &'static [&'static str],
    xml: String,
}

/// The clients read the machine's clock, so the answers are of now.
#[expect(
    clippy::disallowed_methods,
    reason = "the clients cannot be given a clock"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_millis(i64::try_from(since.unwrap().as_millis()).unwrap())
}

fn provider() -> IdentityProvider {
    let key = SigningKey::parse(&Secret::new(include_str!("../fixtures/signing-key.pem")));
    IdentityProvider {
        domain: "contoso.example".into(),
        issuer_uri: ISSUER.into(),
        relying_party: RelyingParty::of(Cloud::Microsoft365).unwrap(),
        signer: Signer::new(key.unwrap(), Certificate::parse(CERTIFICATE).unwrap()).unwrap(),
    }
}

fn sign_in(person: Person, strength: Strength, at: Timestamp) -> SignIn {
    SignIn {
        user_name: person.user_name.into(),
        immutable_id: person.immutable_id.into(),
        authenticated_at: at,
        strength,
    }
}

fn issued(
    protocol: &str,
    provider: &IdentityProvider,
    request: &str,
    sign_in: &SignIn,
    at: Timestamp,
) -> String {
    let random = SeededRandom::new(at.as_millis().unsigned_abs());
    let field = |form: PostForm, name| {
        let mut fields = form.fields.into_iter();
        fields.find(|(known, _)| *known == name).unwrap().1
    };
    if protocol == "saml" {
        let request = AuthnRequest {
            id: request.into(),
            demands: Demands::default(),
            relay_state: None,
            login_hint: None,
        };
        let form = provider
            .answer_saml(&request, sign_in, at, &random)
            .unwrap();
        String::from_utf8(STANDARD.decode(field(form, "SAMLResponse")).unwrap()).unwrap()
    } else {
        let request = SignInRequest {
            demands: Demands::default(),
            context: Some("abc".into()),
            login_hint: None,
        };
        let form = provider
            .answer_wsfed(&request, sign_in, at, &random)
            .unwrap();
        field(form, "wresult")
    }
}

/// Every case of both protocols.
pub(crate) fn cases() -> Vec<Case> {
    ["saml", "wsfed"].into_iter().flat_map(cases_of).collect()
}

fn cases_of(protocol: &'static str) -> Vec<Case> {
    let mut cases = good(protocol);
    cases.extend(untrue(protocol));
    cases.extend(changed(protocol));
    cases
}

fn good(protocol: &'static str) -> Vec<Case> {
    let hostile = Person {
        user_name: "o'brien.x_y!#^~-1@contoso.example",
        immutable_id: "q1wK0m4pT0GkHn3sVYbB1Q==",
    };
    let short = Person {
        user_name: "a@contoso.example",
        immutable_id: "+/+/",
    };
    let people = [
        (ALICE, Strength::Password),
        (ALICE, Strength::MultiFactor),
        (hostile, Strength::Password),
        (short, Strength::MultiFactor),
    ];
    let case = |(person, strength): (Person, Strength)| {
        let sign_in = sign_in(person, strength, now());
        Case {
            name: format!("good, {}, {strength:?}", person.user_name),
            protocol,
            expected: Expected::Accepted(person),
            unseen_by: &[],
            xml: issued(protocol, &provider(), REQUEST, &sign_in, now()),
        }
    };
    people.into_iter().map(case).collect()
}

/// Well signed, and not to be believed.
fn untrue(protocol: &'static str) -> Vec<Case> {
    let usual = |provider: &IdentityProvider, at: i64| {
        let at = now().plus_millis(at);
        let alice = sign_in(ALICE, Strength::Password, at);
        issued(protocol, provider, REQUEST, &alice, at)
    };
    let mut issuer = provider();
    issuer.issuer_uri.push_str("/other");
    let mut audience = provider();
    audience.relying_party = RelyingParty::of(Cloud::China).unwrap();
    let mut key = provider();
    key.signer = other_signer();
    let mut cases = vec![
        ("other issuer", usual(&issuer, 0)),
        ("other audience", usual(&audience, 0)),
        ("other key", usual(&key, 0)),
        ("expired", usual(&provider(), -3 * HOUR)),
        ("not valid yet", usual(&provider(), 3 * HOUR)),
    ];
    if protocol == "saml" {
        let mut elsewhere = provider();
        elsewhere.relying_party = RelyingParty::of(Cloud::GccHigh).unwrap();
        let alice = sign_in(ALICE, Strength::Password, now());
        let other_request = issued(protocol, &provider(), "_other", &alice, now());
        cases.push(("answer to another request", other_request));
        cases.push(("nobody is signed in", no_passive()));
        cases.push((ELSEWHERE, usual(&elsewhere, 0)));
    }
    refused(protocol, cases)
}

fn other_signer() -> Signer {
    let key = SigningKey::generate().unwrap();
    let certificate = key
        .certify(
            "contoso.example",
            [9; 16],
            now().plus_days(-1),
            now().plus_days(365),
        )
        .unwrap();
    Signer::new(key, certificate).unwrap()
}

fn no_passive() -> String {
    let request = AuthnRequest {
        id: REQUEST.into(),
        demands: Demands::default(),
        relay_state: None,
        login_hint: None,
    };
    let form = provider()
        .answer_no_passive(&request, now(), &SeededRandom::new(5))
        .unwrap();
    String::from_utf8(STANDARD.decode(&form.fields[0].1).unwrap()).unwrap()
}

fn refused(protocol: &'static str, cases: Vec<(&str, String)>) -> Vec<Case> {
    let case = |(name, xml): (&str, String)| Case {
        name: name.to_owned(),
        protocol,
        expected: Expected::Refused,
        unseen_by: if name == ELSEWHERE {
            &["node-saml"]
        } else {
            &[]
        },
        xml,
    };
    cases.into_iter().map(case).collect()
}

/// Changed by somebody without the key.
fn changed(protocol: &'static str) -> Vec<Case> {
    let alice = sign_in(ALICE, Strength::Password, now());
    let xml = issued(protocol, &provider(), REQUEST, &alice, now());
    let swap = |from: &str, to: &str| {
        let changed = xml.replace(from, to);
        assert_ne!(changed, xml, "{from}");
        changed
    };
    let cases = vec![
        ("another name", swap("alice@", "bob@")),
        ("another ImmutableId", swap("k3v9x0m2", "k3v9x0m3")),
        (
            "a second factor added",
            swap(PASSWORD[usize::from(protocol == "wsfed")], MULTI_FACTOR),
        ),
        ("signature removed", tamper::without_signature(&xml)),
        ("another digest", tamper::with_other_digest(&xml)),
        (
            "another signature value",
            tamper::with_other_signature_value(&xml),
        ),
        (
            "another algorithm",
            swap("xmldsig-more#rsa-sha256", "xmldsig-more#rsa-sha512"),
        ),
        ("another reference", swap("URI=\"#_", "URI=\"#_x")),
    ];
    let mut cases = refused(protocol, cases);
    let mut nobody_else = |name: &str, xml: String| {
        cases.push(Case {
            name: name.to_owned(),
            protocol,
            expected: Expected::NobodyElse(ALICE),
            unseen_by: &[],
            xml,
        });
    };
    nobody_else(
        "a comment in the name",
        swap("alice@contoso", "alice@<!-- -->contoso"),
    );
    nobody_else(
        "a comment in the ImmutableId",
        swap("k3v9x0m2", "k3v9<!-- -->x0m2"),
    );
    for (name, wrap) in tamper::WRAPPINGS {
        nobody_else(name, wrap(&xml));
    }
    cases
}

const PASSWORD: [&str; 2] = [
    "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
    "urn:oasis:names:tc:SAML:1.0:am:password",
];
const MULTI_FACTOR: &str = "http://schemas.microsoft.com/claims/multipleauthn";

/// The file that the clients read.
pub(crate) fn given(cases: &[Case]) -> Value {
    let endpoints = Endpoints {
        sign_in: SIGN_IN.into(),
        sign_out: SIGN_IN.replace("sign-in", "sign-out"),
    };
    let cases: Vec<Value> = cases
        .iter()
        .map(|case| {
            let message = match case.protocol {
                "saml" => STANDARD.encode(&case.xml),
                _ => case.xml.clone(),
            };
            json!({"name": case.name, "protocol": case.protocol, "message": message})
        })
        .collect();
    json!({
        "issuer": ISSUER, "realm": provider().relying_party.realm(), "reply": provider().relying_party.reply_address(),
        "sign_in": SIGN_IN, "certificate": CERTIFICATE, "request": REQUEST,
        "metadata": provider().metadata(&endpoints, None).unwrap(), "cases": cases,
    })
}
