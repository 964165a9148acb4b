//! The whole circle with Microsoft's side played by the practice tenant, which shares nothing with
//! the issuer: not its parser, not its signatures, not its types.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

mod refused;
#[path = "../tamper/mod.rs"]
mod tamper;
mod world;

use serde_json::json;
use signpost_federation::saml::SamlRequest;
use signpost_federation::wsfed::WsFedRequest;
use signpost_federation::{SignIn, Strength};

use crate::world::{ALICE, ALICES_ID, ISSUER, NOW, Request, World, alice, other_signer};

#[tokio::test]
async fn a_person_signs_in_by_either_protocol_and_binding() {
    for (protocol, binding) in [("saml", "post"), ("saml", "redirect"), ("wsFed", "post")] {
        let world = World::start(protocol).await;
        let request = world.begin(&[("binding", binding)]).await;
        let judged = world.hand_in(&world.right_answer(&request)).await;
        assert_eq!(judged.outcome(), "signed_in", "{judged:?}");
        assert!(judged.page.contains(&format!("Signed in as {ALICE}")));
        let claims = &judged.result["claims"];
        assert_eq!(claims["issuer"], ISSUER);
        assert_eq!(claims["name_id"], ALICES_ID);
        assert_eq!(claims["user_name"], ALICE);
        assert_eq!(claims["multi_factor"], true);
        assert_eq!(judged.result["account"]["userPrincipalName"], ALICE);
    }
}

#[tokio::test]
async fn what_microsoft_asks_for_is_understood_by_the_provider() {
    for protocol in ["saml", "wsFed"] {
        let world = World::start(protocol).await;
        let demands = |request| match request {
            Request::Saml(request) => request.demands,
            Request::WsFed(request) => request.demands,
        };
        let plain = demands(world.begin(&[]).await);
        assert_eq!((plain.multi_factor, plain.max_age_minutes), (false, None));
        let strong = demands(world.begin(&[("multi_factor", "on")]).await);
        assert_eq!((strong.multi_factor, strong.max_age_minutes), (true, None));
        for prompt in [
            "nativeSupport",
            "translateToFreshPasswordAuthentication",
            "disabled",
        ] {
            world
                .configure(json!({"promptLoginBehavior": prompt}))
                .await;
            let both = world
                .begin(&[("multi_factor", "on"), ("fresh", "on")])
                .await;
            let both = demands(both);
            assert_eq!((both.multi_factor, both.max_age_minutes), (true, Some(0)));
        }
        let reject = json!({"federatedIdpMfaBehavior": "rejectMfaByFederatedIdp"});
        world.configure(reject).await;
        let own = demands(world.begin(&[("multi_factor", "on")]).await);
        assert!(!own.multi_factor, "Microsoft asks for its own");
    }
}

#[tokio::test]
async fn demands_are_met_or_the_answer_is_refused() {
    for protocol in ["saml", "wsFed"] {
        let world = World::start(protocol).await;
        let careless = |mut request: Request| {
            match &mut request {
                Request::Saml(request) => request.demands = Default::default(),
                Request::WsFed(request) => request.demands = Default::default(),
            }
            request
        };
        let with = |strength, ago: i64| SignIn {
            strength,
            authenticated_at: NOW.plus_millis(-ago),
            ..alice()
        };
        let provider = world.provider();
        let request = careless(world.begin(&[("multi_factor", "on")]).await);
        let weak = world.answer(&provider, &request, &with(Strength::Password, 0), NOW);
        assert_eq!(world.hand_in(&weak).await.codes(), ["AADSTS50074"]);
        let request = careless(world.begin(&[("fresh", "on")]).await);
        let stale = world.answer(
            &provider,
            &request,
            &with(Strength::MultiFactor, 1_000),
            NOW,
        );
        assert_eq!(world.hand_in(&stale).await.codes(), ["AADSTS70044"]);
        let request = world
            .begin(&[("fresh", "on"), ("multi_factor", "on")])
            .await;
        let good = world.hand_in(&world.right_answer(&request)).await;
        assert_eq!(good.outcome(), "signed_in");
    }
}

#[tokio::test]
async fn the_next_certificate_is_trusted_beside_the_current_one() {
    for protocol in ["saml", "wsFed"] {
        let world = World::start(protocol).await;
        let mut provider = world.provider();
        provider.signer = other_signer();
        let request = world.begin(&[]).await;
        let early = world.answer(&provider, &request, &alice(), NOW);
        assert_eq!(world.hand_in(&early).await.codes(), ["AADSTS50012"]);
        let next = provider.signer.certificate().base64();
        world
            .configure(json!({"nextSigningCertificate": next}))
            .await;
        for provider in [provider, world.provider()] {
            let request = world.begin(&[]).await;
            let form = world.answer(&provider, &request, &alice(), NOW);
            assert_eq!(world.hand_in(&form).await.outcome(), "signed_in");
        }
    }
}

#[tokio::test]
async fn a_sign_out_ends_where_it_began() {
    let world = World::start("saml").await;
    let request = world.begin(&[]).await;
    world.hand_in(&world.right_answer(&request)).await;
    let query = world.begin_sign_out().await;
    let own = "https://login.signpost.example/federation/contoso.example/sign-out";
    let parsed = SamlRequest::from_redirect(&query, &world.provider(), own).unwrap();
    let SamlRequest::SignOut(request) = parsed else {
        panic!("a sign-in")
    };
    let form = world
        .provider()
        .answer_logout(&request, NOW, &world.random)
        .unwrap();
    assert_eq!(world.hand_in(&form).await.outcome(), "signed_out");
    let again = world.hand_in(&form).await;
    assert_eq!(again.codes(), ["AADSTS50068"]);

    let world = World::start("wsFed").await;
    let query = world.begin_sign_out().await;
    let parsed = WsFedRequest::parse(&query, &world.provider()).unwrap();
    let home = format!("{}/_practice/signed-out", world.base);
    let expected = WsFedRequest::SignOut {
        return_to: Some(home),
    };
    assert_eq!(parsed, expected);
}
