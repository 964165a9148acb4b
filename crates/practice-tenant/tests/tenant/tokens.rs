//! The token endpoint (`graph.md` 1).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, encoding::AsDer};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::{START_MS, World};

fn form<'a>(id: &'a str, secret: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret),
        ("scope", "https://graph.microsoft.com/.default"),
    ]
}

/// Tenant, form, and what is answered: status, error, number.
type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, u16, &'a str, u64);

fn code(body: &Value) -> u64 {
    body["error_codes"][0].as_u64().unwrap()
}

#[tokio::test]
async fn a_good_secret_earns_a_token_with_the_granted_roles() {
    let world = World::start().await;
    let credentials = world.credentials().await;
    let (tenant, id, secret) = (
        credentials["tenant_id"].as_str().unwrap(),
        credentials["client_id"].as_str().unwrap(),
        credentials["secret"].as_str().unwrap(),
    );
    let answer = world
        .post_token(tenant, &form(id, secret))
        .await
        .expect(200);
    assert_eq!(answer.body["expires_in"], 3599);
    let token = answer.body["access_token"].as_str().unwrap();
    let claims: Value = serde_json::from_slice(
        &URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).unwrap())
            .unwrap(),
    )
    .unwrap();
    assert!(
        claims["roles"]
            .as_array()
            .unwrap()
            .contains(&json!("User.ReadWrite.All"))
    );
    assert_eq!(
        (
            claims["tid"].as_str(),
            claims["appid"].as_str(),
            claims["appidacr"].as_str()
        ),
        (Some(tenant), Some(id), Some("1"))
    );
    // A domain names the tenant as well as its id.
    world
        .post_token("contoso.example", &form(id, secret))
        .await
        .expect(200);
}

#[tokio::test]
async fn each_mistake_gets_its_own_code() {
    let world = World::start().await;
    let credentials = world.credentials().await;
    let (tenant, id, secret) = (
        credentials["tenant_id"].as_str().unwrap(),
        credentials["client_id"].as_str().unwrap(),
        credentials["secret"].as_str().unwrap(),
    );
    let unknown = "11111111-2222-3333-4444-555555555555";
    let expired = credentials["applications"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == "expired-secret")
        .unwrap();
    let secret_id = credentials["applications"][0]["secret_id"]
        .as_str()
        .unwrap();
    let mut no_secret = form(id, secret);
    no_secret.remove(2);
    let mut narrow = form(id, secret);
    narrow[3].1 = "User.Read.All";
    let cases: Vec<Case<'_>> = vec![
        (tenant, form(id, "wrong"), 401, "invalid_client", 7_000_215),
        (
            tenant,
            form(id, secret_id),
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            tenant,
            form(
                expired["client_id"].as_str().unwrap(),
                expired["secret"].as_str().unwrap(),
            ),
            401,
            "invalid_client",
            7_000_222,
        ),
        (
            tenant,
            form(unknown, secret),
            400,
            "unauthorized_client",
            700_016,
        ),
        (unknown, form(id, secret), 400, "invalid_request", 90_002),
        (
            "not a tenant",
            form(id, secret),
            400,
            "invalid_request",
            900_023,
        ),
        (tenant, no_secret, 401, "invalid_client", 7_000_218),
        (tenant, narrow, 400, "invalid_scope", 70_011),
        (
            tenant,
            form(id, secret)[1..].to_vec(),
            400,
            "invalid_request",
            900_144,
        ),
    ];
    for (tenant, form, status, error, expected) in cases {
        let answer = world.post_token(tenant, &form).await.expect(status);
        assert_eq!(
            (answer.body["error"].as_str().unwrap(), code(&answer.body)),
            (error, expected)
        );
        assert!(
            answer.body["error_description"]
                .as_str()
                .unwrap()
                .starts_with(&format!("AADSTS{expected}: "))
        );
    }
}

#[tokio::test]
async fn a_disabled_application_gets_no_token() {
    let world = World::start().await;
    world.tell("applications", json!({"enabled": false})).await;
    let credentials = world.credentials().await;
    let form = form(
        credentials["client_id"].as_str().unwrap(),
        credentials["secret"].as_str().unwrap(),
    );
    let answer = world.post_token("contoso.example", &form).await.expect(401);
    assert_eq!(code(&answer.body), 7_000_112);
}

#[tokio::test]
async fn without_consent_there_are_no_roles_and_graph_refuses() {
    let mut world = World::start().await;
    world.sign_in("no-consent").await;
    let claims = world.token.split('.').nth(1).unwrap().to_owned();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert!(claims.get("roles").is_none());
    let answer = world.get("/users").await.expect(403);
    assert_eq!(answer.code(), "Authorization_RequestDenied");
}

#[tokio::test]
async fn a_certificate_proves_the_application_until_the_assertion_ends() {
    let world = World::start().await;
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8 = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&key).unwrap();
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
        &pkcs8.as_ref().to_vec().into(),
        &rcgen::PKCS_RSA_SHA256,
    )
    .unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new())
        .unwrap()
        .self_signed(&pair)
        .unwrap();
    world
        .tell(
            "applications",
            json!({"certificate_pem": certificate.pem()}),
        )
        .await;
    assert!(!key.public_key().as_ref().is_empty());
    let credentials = world.credentials().await;
    let (tenant, id) = (
        credentials["tenant_id"].as_str().unwrap(),
        credentials["client_id"].as_str().unwrap(),
    );
    let now = START_MS / 1000;
    let assertion = |exp: i64| {
        let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, certificate.der()));
        let head = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint});
        let aud = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
        let claims = json!({"aud": aud, "iss": id, "sub": id, "jti": "1", "nbf": now, "iat": now, "exp": exp});
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(head.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(
            &RSA_PSS_SHA256,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )
        .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let post = async |assertion: &str| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_assertion_type", kind),
            ("client_assertion", assertion),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        world.post_token(tenant, &form).await
    };
    post(&assertion(now + 600)).await.expect(200);
    assert_eq!(
        code(&post(&assertion(now - 600)).await.expect(401).body),
        700_024
    );
    let mut broken = assertion(now + 600);
    broken.truncate(broken.len() - 8);
    assert_eq!(
        code(&post(&format!("{broken}AAAAAAAA")).await.expect(401).body),
        700_027
    );
}

#[tokio::test]
async fn a_token_ends_with_the_clock_and_a_made_up_one_never_works() {
    let mut world = World::start().await;
    world.get("/organization").await.expect(200);
    world.tell("clock", json!({"advance_ms": 3_600_000})).await;
    let answer = world.get("/organization").await.expect(401);
    assert_eq!(answer.code(), "InvalidAuthenticationToken");
    assert!(
        answer
            .header("www-authenticate")
            .contains("authorization_uri")
    );
    world.token = "made.up.token".to_owned();
    world.get("/organization").await.expect(401);
}

#[tokio::test]
async fn the_metadata_that_msal_asks_for_names_the_token_endpoint() {
    let world = World::start().await;
    let tenant = world.credentials().await["tenant_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = world
        .get(&format!(
            "{}/{tenant}/v2.0/.well-known/openid-configuration",
            world.base
        ))
        .await
        .expect(200);
    assert_eq!(
        answer.body["token_endpoint"],
        format!("{}/{tenant}/oauth2/v2.0/token", world.base)
    );
    let unknown = world
        .get(&format!(
            "{}/nowhere.example/v2.0/.well-known/openid-configuration",
            world.base
        ))
        .await
        .expect(400);
    assert_eq!(unknown.body["error"], "invalid_tenant");
}
