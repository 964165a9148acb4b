//! Federation of a domain through Graph, and where people of a domain sign in.

use serde_json::{Value, json};

use crate::harness::{World, new_user};

fn federation(issuer: &str) -> Value {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new())
        .unwrap()
        .self_signed(&key)
        .unwrap();
    use base64::Engine;
    let der = base64::engine::general_purpose::STANDARD.encode(certificate.der());
    json!({
        "@odata.type": "#microsoft.graph.internalDomainFederation", "displayName": "Signpost", "issuerUri": issuer,
        "passiveSignInUri": "https://idp.example/sso", "activeSignInUri": "https://idp.example/ecp", "signOutUri": "https://idp.example/slo",
        "preferredAuthenticationProtocol": "saml", "signingCertificate": der, "federatedIdpMfaBehavior": "acceptIfMfaDoneByFederatedIdp",
    })
}

#[tokio::test]
async fn a_domain_is_federated_and_managed_again() {
    let world = World::start().await;
    let url = "/domains/contoso.example/federationConfiguration";
    let none = world.get(url).await.expect(404);
    assert!(none.message().contains("federationConfiguration"));
    let created = world
        .post(url, federation("urn:idp:contoso"))
        .await
        .expect(201);
    let id = created.body["id"].as_str().unwrap().to_owned();
    assert_eq!(
        world.get("/domains/contoso.example").await.body["authenticationType"],
        "Federated"
    );
    let patched = world
        .patch(&format!("{url}/{id}"), json!({"displayName": "New name"}))
        .await
        .expect(200);
    assert_eq!(patched.body["displayName"], "New name");
    // Users of a federated domain need an immutable id, and keep it.
    let mut bob = new_user("bob");
    let refused = world.post("/users", bob.clone()).await.expect(400);
    assert!(refused.message().contains("SourceAnchor"));
    bob["onPremisesImmutableId"] = json!("anchor1");
    world.post("/users", bob).await.expect(201);
    world
        .patch(
            "/users/bob@contoso.example",
            json!({"onPremisesImmutableId": "anchor2"}),
        )
        .await
        .expect(400);
    world
        .patch(
            "/domains/contoso.example",
            json!({"authenticationType": "Managed"}),
        )
        .await
        .expect(204);
    world.get(url).await.expect(404);
    world
        .patch(
            "/users/bob@contoso.example",
            json!({"onPremisesImmutableId": "anchor2"}),
        )
        .await
        .expect(204);
}

#[tokio::test]
async fn the_traps_of_federation_are_there() {
    let world = World::start().await;
    let initial = "/domains/contoso-practice.onmicrosoft.com/federationConfiguration";
    world.post(initial, federation("urn:a")).await.expect(400);
    world
        .patch(
            "/domains/contoso.example",
            json!({"authenticationType": "Federated"}),
        )
        .await
        .expect(400);
    world.tell("domains", json!({"id": "second.example"})).await;
    world
        .post(
            "/domains/second.example/federationConfiguration",
            federation("urn:a"),
        )
        .await
        .expect(201);
    let url = "/domains/contoso.example/federationConfiguration";
    assert_eq!(
        world
            .post(url, federation("urn:a"))
            .await
            .expect(409)
            .code(),
        "Request_MultipleObjectsWithSameKeyValue"
    );
    let mut without = federation("urn:b");
    without
        .as_object_mut()
        .unwrap()
        .remove("signingCertificate");
    world.post(url, without).await.expect(500);
    assert_eq!(
        world.get("/domains/contoso.example").await.body["authenticationType"],
        "Federated"
    );
    world.get(url).await.expect(404);
}

#[tokio::test]
async fn a_certificate_that_is_none_is_the_same_trap() {
    let world = World::start().await;
    let url = "/domains/contoso.example/federationConfiguration";
    let mut body = federation("urn:a");
    body["signingCertificate"] = json!("-----BEGIN CERTIFICATE-----");
    world.post(url, body).await.expect(500);
    world.get(url).await.expect(404);
    let realm = world
        .get(&format!(
            "{}/common/userrealm/dave@contoso.example",
            world.base
        ))
        .await;
    assert_eq!(realm.body["NameSpaceType"], "Federated");
    world
        .patch(
            "/domains/contoso.example",
            json!({"authenticationType": "Managed"}),
        )
        .await
        .expect(204);
    world.post(url, federation("urn:a")).await.expect(201);
    let again = world.post(url, federation("urn:a")).await.expect(400);
    assert!(
        again
            .message()
            .contains("already has Federation Configuration set")
    );
}

#[tokio::test]
async fn what_a_sign_in_needs_cannot_be_cleared() {
    let world = World::start().await;
    let url = "/domains/contoso.example/federationConfiguration";
    let id = world.post(url, federation("urn:a")).await.expect(201).body["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let url = format!("{url}/{id}");
    for name in [
        "issuerUri",
        "passiveSignInUri",
        "signingCertificate",
        "federatedIdpMfaBehavior",
        "preferredAuthenticationProtocol",
    ] {
        world.patch(&url, json!({name: null})).await.expect(400);
    }
    for address in [
        "http://idp.example/sso",
        "ftp://idp.example/",
        "https://",
        "sso",
    ] {
        world
            .patch(&url, json!({"passiveSignInUri": address}))
            .await
            .expect(400);
    }
    world
        .patch(
            &url,
            json!({"passiveSignInUri": "http://127.0.0.1:3000/sso"}),
        )
        .await
        .expect(200);
    world
        .patch(
            &url,
            json!({"federatedIdpMfaBehavior": "enforceMfaByFederatedIdp"}),
        )
        .await
        .expect(200);
    let cleared = world
        .patch(&url, json!({"signOutUri": null}))
        .await
        .expect(200);
    assert_eq!(cleared.body["signOutUri"], Value::Null);
}

#[tokio::test]
async fn subdomains_follow_their_root_until_they_are_promoted() {
    let world = World::start().await;
    world
        .tell("domains", json!({"id": "sub.contoso.example"}))
        .await;
    let sub = "/domains/sub.contoso.example";
    assert_eq!(world.get(sub).await.body["isRoot"], false);
    world
        .post(
            &format!("{sub}/federationConfiguration"),
            federation("urn:a"),
        )
        .await
        .expect(400);
    let url = "/domains/contoso.example/federationConfiguration";
    world.post(url, federation("urn:a")).await.expect(201);
    assert_eq!(world.get(sub).await.body["authenticationType"], "Federated");
    world
        .patch(sub, json!({"authenticationType": "Managed"}))
        .await
        .expect(400);
    world
        .post(&format!("{sub}/promote"), json!({}))
        .await
        .expect(200);
    world
        .patch(sub, json!({"authenticationType": "Managed"}))
        .await
        .expect(204);
    let read = world.get(sub).await;
    assert_eq!(
        (&read.body["isRoot"], &read.body["authenticationType"]),
        (&json!(true), &json!("Managed"))
    );
}

#[tokio::test]
async fn an_immutable_id_is_added_only_by_a_step_over_the_first_domain() {
    let world = World::start().await;
    world.user("bob").await;
    let url = "/domains/contoso.example/federationConfiguration";
    world.post(url, federation("urn:a")).await.expect(201);
    let bob = "/users/bob@contoso.example";
    let refused = world
        .patch(bob, json!({"onPremisesImmutableId": "anchor1"}))
        .await
        .expect(400);
    assert!(refused.message().contains("FederatedUser.SourceAnchor"));
    let away = "bob@contoso-practice.onmicrosoft.com";
    world
        .patch(bob, json!({"userPrincipalName": away}))
        .await
        .expect(204);
    let there = format!("/users/{away}");
    world
        .patch(&there, json!({"userPrincipalName": "bob@contoso.example"}))
        .await
        .expect(400);
    world
        .patch(&there, json!({"onPremisesImmutableId": "anchor1"}))
        .await
        .expect(204);
    world
        .patch(&there, json!({"userPrincipalName": "bob@contoso.example"}))
        .await
        .expect(204);
}

#[tokio::test]
async fn only_people_of_a_federated_domain_are_sent_away() {
    let world = World::start().await;
    let start = async |name: &str| {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let url = format!("{}/_practice/sign-in", world.base);
        let answer = http
            .post(url)
            .form(&[("username", name)])
            .send()
            .await
            .unwrap();
        let policy = answer.headers().get("content-security-policy").cloned();
        (
            answer.status().as_u16(),
            policy,
            answer.text().await.unwrap(),
        )
    };
    let (status, _, page) = start("dave@contoso.example").await;
    assert!(status == 200 && page.contains("contoso.example is managed"));
    assert!(start("dave").await.2.contains("not a user principal name"));
    assert!(
        start("a@fabrikam.example")
            .await
            .2
            .contains("does not have the domain")
    );
    let url = "/domains/contoso.example/federationConfiguration";
    let created = world.post(url, federation("urn:a")).await.expect(201);
    let (_, policy, page) = start("dave@contoso.example").await;
    assert!(page.contains("action=\"https://idp.example/sso\""));
    assert!(page.contains("name=\"SAMLRequest\"") && page.contains("name=\"RelayState\""));
    let policy = policy.unwrap().to_str().unwrap().to_owned();
    assert!(
        policy.ends_with("form-action 'self' https://idp.example"),
        "{policy}"
    );
    let id = created.body["id"].as_str().unwrap();
    world
        .patch(
            &format!("{url}/{id}"),
            json!({"isSignedAuthenticationRequestRequired": true}),
        )
        .await
        .expect(200);
    assert!(
        start("dave@contoso.example")
            .await
            .2
            .contains("cannot sign requests")
    );
}
