//! What Microsoft would refuse, each with its own code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use signpost_federation::{PostForm, RelyingParty, SignIn, Strength};
use signpost_model::{Cloud, Random, Timestamp};

use crate::tamper::{self, Change, between};
use crate::world::{ALICE, ALICES_ID, NOW, Request, World, alice, other_signer};

const PROTOCOLS: [&str; 2] = ["saml", "wsFed"];
const MINUTE: i64 = 60_000;

/// An answer with its XML changed, which must change something.
fn tampered(form: &PostForm, change: &dyn Fn(&str) -> String) -> PostForm {
    let changed = with_xml(form, change);
    assert!(changed != *form, "the change must change something");
    changed
}

fn with_xml(form: &PostForm, change: &dyn Fn(&str) -> String) -> PostForm {
    let fields = form.fields.iter().map(|(name, value)| {
        let changed = match *name {
            "SAMLResponse" => {
                let xml = String::from_utf8(STANDARD.decode(value).unwrap()).unwrap();
                STANDARD.encode(change(&xml))
            }
            "wresult" => change(value),
            _ => value.clone(),
        };
        (*name, changed)
    });
    PostForm {
        action: form.action.clone(),
        fields: fields.collect(),
    }
}

#[tokio::test]
async fn changed_content_is_refused() {
    let changes: [(&str, Change); 12] = [
        ("AADSTS50006", |xml| xml.replace("alice@", "bob@")),
        ("AADSTS50006", |xml| xml.replace("k3v9", "k3v8")),
        ("AADSTS50006", |xml| {
            xml.replace("2026-11-18T12:06", "2026-11-18T12:05")
        }),
        ("AADSTS50006", tamper::without_signature),
        ("AADSTS50006", tamper::with_other_digest),
        ("AADSTS50006", tamper::with_other_signature_value),
        ("AADSTS50006", |xml| {
            xml.replace("xmldsig-more#rsa-sha256", "xmldsig-more#rsa-sha512")
        }),
        ("AADSTS50006", |xml| {
            xml.replace(
                "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            )
        }),
        ("AADSTS50006", |xml| xml.replace("URI=\"#", "URI=\"#x")),
        ("AADSTS50006", |xml| xml.replace("URI=\"#", "URI=\"\" x=\"")),
        ("AADSTS50006", |xml| {
            xml.replace("xml-exc-c14n#", "xml-exc-c14n#WithComments")
        }),
        ("AADSTS50012", |xml| {
            let certificate = between(xml, "<ds:X509Certificate>", "</ds:X509Certificate>");
            let other = other_signer().certificate().base64();
            let other = format!("<ds:X509Certificate>{other}</ds:X509Certificate>");
            xml.replace(certificate, &other)
        }),
    ];
    for protocol in PROTOCOLS {
        let world = World::start(protocol).await;
        for (at, (code, change)) in changes.iter().enumerate() {
            let request = world.begin(&[]).await;
            let form = tampered(&world.right_answer(&request), change);
            let judged = world.hand_in(&form).await;
            assert_eq!(
                judged.codes(),
                [*code],
                "{protocol} {at} {}",
                judged.reasons()
            );
            assert!(judged.page.contains("Microsoft would have refused"));
        }
    }
}

/// The ways of putting a forged assertion where the signed one is expected.
#[tokio::test]
async fn wrapped_assertions_are_refused() {
    for protocol in PROTOCOLS {
        let world = World::start(protocol).await;
        for (name, wrap) in tamper::WRAPPINGS {
            let request = world.begin(&[]).await;
            let form = tampered(&world.right_answer(&request), &wrap);
            let judged = world.hand_in(&form).await;
            assert_eq!(judged.outcome(), "refused", "{protocol}: {name}");
        }
    }
}

/// A comment is no part of what is signed, and readers differ on the text around it.
#[tokio::test]
async fn a_comment_in_a_name_is_refused_although_the_signature_holds() {
    for protocol in PROTOCOLS {
        let world = World::start(protocol).await;
        for (from, to) in [
            ("alice@contoso.example", "alice@contoso.example<!-- -->"),
            ("k3v9x0m2", "k3v9<!-- x -->x0m2"),
        ] {
            let request = world.begin(&[]).await;
            let right = world.right_answer(&request);
            let judged = world
                .hand_in(&tampered(&right, &|xml| xml.replace(from, to)))
                .await;
            assert_eq!(judged.codes(), ["AADSTS50008"]);
            assert!(judged.reasons().contains("comment"), "{}", judged.reasons());
        }
        let request = world.begin(&[]).await;
        let right = world.right_answer(&request);
        let dtd = tampered(&right, &|xml| {
            format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{xml}")
        });
        assert_eq!(world.hand_in(&dtd).await.codes(), ["AADSTS50008"]);
    }
}

#[tokio::test]
async fn a_provider_that_lies_is_refused() {
    for protocol in PROTOCOLS {
        let world = World::start(protocol).await;
        let mut issuer = world.provider();
        issuer.issuer_uri.push('/');
        let mut key = world.provider();
        key.signer = other_signer();
        for (code, provider) in [("AADSTS50107", issuer), ("AADSTS50012", key)] {
            let request = world.begin(&[]).await;
            let form = world.answer(&provider, &request, &alice(), NOW);
            assert_eq!(world.hand_in(&form).await.codes(), [code]);
        }
        let mut audience = world.provider();
        audience.relying_party = RelyingParty::of(Cloud::China).unwrap();
        let request = world.begin(&[]).await;
        let form = world.answer(&audience, &request, &alice(), NOW);
        let judged = world.hand_in_fields(&form.fields).await;
        assert!(judged.codes().contains(&"AADSTS50008"));
        assert!(judged.reasons().contains("The audience is"));
        let mut domain = world.provider();
        domain.domain = "fabrikam.example".into();
        let stranger = SignIn {
            user_name: "alice@fabrikam.example".into(),
            ..alice()
        };
        let request = world.begin(&[]).await;
        let form = world.answer(&domain, &request, &stranger, NOW);
        assert_eq!(world.hand_in(&form).await.codes(), ["AADSTS5000819"]);
    }
}

#[tokio::test]
async fn nobody_but_the_account_of_both_names_is_signed_in() {
    for protocol in PROTOCOLS {
        let world = World::start(protocol).await;
        let bob = json!({"userPrincipalName": "bob@contoso.example", "displayName": "Bob", "onPremisesImmutableId": "bobsid"});
        world.practice("accounts", Some(bob)).await;
        let cases = [
            (ALICE, "unknown"),
            (ALICE, "bobsid"),
            (ALICE, &ALICES_ID.to_uppercase()),
            ("nobody@contoso.example", ALICES_ID),
        ];
        for (user_name, immutable_id) in cases {
            let sign_in = SignIn {
                user_name: user_name.into(),
                immutable_id: immutable_id.into(),
                ..alice()
            };
            let request = world.begin(&[]).await;
            let form = world.answer(&world.provider(), &request, &sign_in, NOW);
            assert_eq!(
                world.hand_in(&form).await.codes(),
                ["AADSTS51004"],
                "{sign_in:?}"
            );
        }
        let blocked = json!({"userPrincipalName": ALICE, "accountEnabled": false});
        world.practice("accounts", Some(blocked)).await;
        let request = world.begin(&[]).await;
        let judged = world.hand_in(&world.right_answer(&request)).await;
        assert_eq!(judged.codes(), ["AADSTS50057"]);
    }
}

#[tokio::test]
async fn tokens_of_another_time_are_refused() {
    for protocol in PROTOCOLS {
        let world = World::start(protocol).await;
        let at = |minutes: i64| NOW.plus_millis(minutes * MINUTE);
        let made = async |now: Timestamp| {
            let request = world.begin(&[]).await;
            let sign_in = SignIn {
                authenticated_at: now,
                ..alice()
            };
            let form = world.answer(&world.provider(), &request, &sign_in, now);
            world.hand_in(&form).await
        };
        for wrong in [-66, 11, 60 * 24 * 400] {
            let judged = made(at(wrong)).await;
            assert!(
                judged.codes().contains(&"AADSTS500133"),
                "{protocol} {wrong}"
            );
        }
        for right in [-4, 0, 4] {
            assert_eq!(
                made(at(right)).await.outcome(),
                "signed_in",
                "{protocol} {right}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_counts_once_and_only_for_its_own_request() {
    for protocol in PROTOCOLS {
        let world = World::start(protocol).await;
        let request = world.begin(&[]).await;
        let form = world.right_answer(&request);
        assert_eq!(world.hand_in(&form).await.outcome(), "signed_in");
        let again = world.hand_in(&form).await;
        assert!(
            again.codes().contains(&"AADSTS50013"),
            "{}",
            again.reasons()
        );
        let second = world.hand_in(&world.right_answer(&request)).await;
        assert!(second.reasons().contains("answered before"));
        let mut unasked = request.clone();
        match &mut unasked {
            Request::Saml(request) => {
                request.id = "_unasked".into();
                request.relay_state = Some("x".into());
            }
            Request::WsFed(request) => request.context = Some("x".into()),
        }
        let unasked = world.hand_in(&world.right_answer(&unasked)).await;
        assert!(unasked.reasons().contains("Nothing was asked"));
        let late = world.begin(&[]).await;
        world.clock.advance(16 * MINUTE);
        let now = NOW.plus_millis(16 * MINUTE);
        let late = world.answer(&world.provider(), &late, &alice(), now);
        assert!(
            world
                .hand_in(&late)
                .await
                .reasons()
                .contains("older than 15 minutes")
        );
    }
}

#[tokio::test]
async fn a_context_that_is_not_the_same_byte_for_byte_is_refused() {
    let world = World::start("saml").await;
    let request = world.begin(&[]).await;
    let form = world.right_answer(&request);
    let fields: Vec<_> = form
        .fields
        .iter()
        .map(|(name, value)| match *name {
            "RelayState" => (*name, format!("{value} ")),
            _ => (*name, value.clone()),
        })
        .collect();
    let judged = world.hand_in_fields(&fields).await;
    assert_eq!(judged.codes(), ["AADSTS50008"]);
    assert!(judged.reasons().contains("byte for byte"));
}

#[tokio::test]
async fn forms_that_mean_two_things_or_none_are_refused() {
    let world = World::start("saml").await;
    let request = world.begin(&[]).await;
    let form = world.right_answer(&request);
    let mut twice = form.fields.clone();
    twice.push(form.fields[0].clone());
    let mut both = form.fields.clone();
    both.push(("wresult", "<a/>".into()));
    let cases: [Vec<(&'static str, String)>; 6] = [
        twice,
        both,
        Vec::new(),
        vec![("wresult", "<a/>".into())],
        vec![("wa", "wsignin1.0".into()), ("wresult", "<a/>".into())],
        vec![("SAMLResponse", "%%%".into())],
    ];
    for fields in cases {
        assert_eq!(world.hand_in_fields(&fields).await.outcome(), "refused");
    }
    let good = world.hand_in(&form).await;
    assert_eq!(good.outcome(), "signed_in", "the request is still open");
}

#[tokio::test]
async fn a_domain_whose_protocol_changed_meanwhile_refuses_the_old_one() {
    let world = World::start("saml").await;
    world.begin(&[]).await;
    world
        .configure(json!({"preferredAuthenticationProtocol": "wsFed"}))
        .await;
    let request = world.begin(&[]).await;
    assert!(matches!(request, Request::WsFed(_)));
    let weak = SignIn {
        strength: Strength::Password,
        ..alice()
    };
    let form = world.answer(&world.provider(), &request, &weak, NOW);
    assert_eq!(world.hand_in(&form).await.outcome(), "signed_in");
}

/// Whatever is cut, doubled or put in: nobody is signed in but the person that was signed for.
#[tokio::test]
async fn damaged_answers_sign_nobody_else_in() {
    const WORDS: [&str; 8] = [
        "",
        "<!-- -->",
        " ID=\"_x\"",
        "bob@contoso.example",
        "</saml:Assertion>",
        "&#97;",
        "<saml:AttributeValue>bob@contoso.example</saml:AttributeValue>",
        " xmlns:saml=\"urn:x\"",
    ];
    for protocol in PROTOCOLS {
        let world = World::start(protocol).await;
        let bob = json!({"userPrincipalName": "bob@contoso.example", "displayName": "Bob", "onPremisesImmutableId": "bobsid"});
        world.practice("accounts", Some(bob)).await;
        for _ in 0..150 {
            let [from, length, word] = draws(&world.random);
            let damage = |xml: &str| {
                let from = from % xml.len();
                let to = (from + length % 40).min(xml.len());
                let word = WORDS[word % WORDS.len()];
                let kept = if length % 3 == 0 { &xml[from..to] } else { "" };
                format!("{}{kept}{word}{}{kept}", &xml[..from], &xml[to..])
            };
            let request = world.begin(&[]).await;
            let right = world.right_answer(&request);
            let judged = world.hand_in(&with_xml(&right, &damage)).await;
            let name = &judged.result["account"]["userPrincipalName"];
            assert!(name.is_null() || name == ALICE, "{judged:?}");
        }
    }
}

/// Three numbers of the world's own chance.
fn draws(random: &dyn Random) -> [usize; 3] {
    let mut bytes = [0; 24];
    random.fill(&mut bytes);
    std::array::from_fn(|at| {
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[at * 8..][..8]);
        usize::try_from(u64::from_le_bytes(number) >> 16).unwrap()
    })
}
