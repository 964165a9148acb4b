//! The control API, the counts, and the tenant's file.

use reqwest::Method;
use serde_json::json;
use signpost_practice_tenant::{Options, PracticeTenant};

use crate::harness::{World, options};

#[tokio::test]
async fn somebody_else_can_change_anything() {
    let world = World::start().await;
    let group = world
        .tell(
            "groups",
            json!({"displayName": "Other", "members": ["dave@contoso.example"]}),
        )
        .await["id"]
        .clone();
    let made = world
        .tell(
            "accounts",
            json!({
                "userPrincipalName": "temp@contoso.example", "usageLocation": "TR", "manager": "alice.martins@contoso.example",
                "memberOf": [group], "assignedLicenses": [{"skuPartNumber": "SPE_E3"}], "roles": ["User Administrator"],
            }),
        )
        .await;
    let account = world.account("temp@contoso.example").await;
    assert_eq!(account["id"], made["id"]);
    assert_eq!(account["memberOf"], json!([group]));
    assert_eq!(account["roles"], json!(["User Administrator"]));
    assert_eq!(account["assignedLicenses"].as_array().unwrap().len(), 1);
    world.tell("accounts", json!({"id": made["id"], "accountEnabled": false, "memberOf": [], "roles": [], "assignedLicenses": []})).await;
    let account = world.account("temp@contoso.example").await;
    assert_eq!(
        (
            account["accountEnabled"].as_bool(),
            account["memberOf"].as_array().unwrap().len()
        ),
        (Some(false), 0)
    );
    world
        .practice_call(
            Method::DELETE,
            "accounts/temp@contoso.example?purge=true",
            None,
        )
        .await
        .expect(200);
    assert!(world.account(made["id"].as_str().unwrap()).await.is_null());
    world
        .practice_call(
            Method::POST,
            "accounts",
            Some(json!({"id": "nobody", "city": "X"})),
        )
        .await
        .expect(400);
}

#[tokio::test]
async fn a_reset_brings_back_the_first_day() {
    let world = World::start().await;
    let before = world.credentials().await;
    world.user("bob").await;
    world.tell("reset", json!({"what": "calls"})).await;
    let calls = world.calls().await;
    assert_eq!(
        (
            calls["total"].as_u64(),
            calls["writes"].as_u64(),
            calls["connections"].as_u64()
        ),
        (Some(0), Some(0), Some(0))
    );
    assert!(world.account("bob@contoso.example").await.is_object());
    world.tell("reset", json!({"what": "all"})).await;
    assert!(world.account("bob@contoso.example").await.is_null());
    assert_eq!(
        world.credentials().await,
        before,
        "the same seed makes the same tenant"
    );
    world.get("/organization").await.expect(401);
}

#[tokio::test]
async fn revoked_permissions_count_from_the_next_token() {
    let mut world = World::start().await;
    world.sign_in("good").await;
    world
        .tell("applications", json!({"revoke": ["User.ReadWrite.All"]}))
        .await;
    world.user("bob").await;
    world.sign_in("good").await;
    let refused = world
        .post("/users", crate::harness::new_user("carol"))
        .await
        .expect(403);
    assert_eq!(
        refused.message(),
        "Insufficient privileges to complete the operation."
    );
}

#[tokio::test]
async fn the_tenant_survives_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tenant.json");
    let with_file = || Options {
        state_file: Some(file.clone()),
        ..options()
    };
    let world = World::with(with_file()).await;
    let (bob, group) = (world.user("bob").await, world.group("team").await);
    let link = json!({"@odata.id": format!("{}/v1.0/directoryObjects/{bob}", world.base)});
    world
        .post(&format!("/groups/{group}/members/$ref"), link)
        .await
        .expect(204);
    let delta = world
        .get("/users/delta?$deltatoken=latest")
        .await
        .expect(200)
        .body["@odata.deltaLink"]
        .as_str()
        .unwrap()
        .to_owned();
    world
        .patch(&format!("/users/{bob}"), json!({"jobTitle": "Clerk"}))
        .await
        .expect(204);
    let before = world.account(&bob).await;
    world.practice.save().unwrap();
    let again = World::with(with_file()).await;
    assert_eq!(again.account(&bob).await, before);
    assert_eq!(
        again
            .get(&format!("/groups/{group}/members"))
            .await
            .value()
            .len(),
        1
    );
    let token = delta.split("$deltatoken=").nth(1).unwrap();
    let changed = again
        .get(&format!("/users/delta?$deltatoken={token}"))
        .await
        .expect(200);
    assert_eq!(changed.value()[0]["jobTitle"], "Clerk");
    std::fs::write(&file, b"{ broken").unwrap();
    let fresh = PracticeTenant::new(with_file());
    assert!(fresh.base_url().is_none());
}

#[tokio::test]
async fn tls_serves_under_the_test_authority() {
    let practice = PracticeTenant::new(options());
    let identity = signpost_practice_tenant::TestIdentity::generate().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let authority = reqwest::Certificate::from_pem(identity.authority_pem().as_bytes()).unwrap();
    tokio::spawn(async move {
        practice
            .serve_tls(listener, &identity, std::future::pending())
            .await
    });
    let http = reqwest::Client::builder()
        .tls_certs_only([authority])
        .build()
        .unwrap();
    let answer = http
        .get(format!("https://localhost:{port}/_practice/credentials"))
        .send()
        .await
        .unwrap();
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["graph"], format!("https://localhost:{port}"));
}

#[tokio::test]
async fn people_see_what_the_tenant_holds() {
    let world = World::with(Options {
        users: 120,
        ..options()
    })
    .await;
    world.user("bob").await;
    let page = async |path: &str| {
        let response = world
            .http
            .get(format!("{}{path}", world.base))
            .send()
            .await
            .unwrap();
        assert!(
            response.headers()["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("default-src 'none'")
        );
        response.text().await.unwrap()
    };
    let first = page("/_practice/").await;
    for words in [
        "<title>Practice tenant</title>",
        "<h1>Practice tenant</h1>",
        "bob@contoso.example",
        "Microsoft 365 E3",
        "All Company",
        "contoso.example",
        "POST /users",
        "Next page",
    ] {
        assert!(first.contains(words), "{words}");
    }
    let found = page("/_practice/?q=o%27brien").await;
    assert!(found.contains("dobrien@contoso.example") && !found.contains("bob@contoso.example"));
    assert!(found.contains("value=\"o&#39;brien\""));
    let none = page("/_practice/?q=%3Cscript%3E").await;
    assert!(none.contains("Nothing to show.") && !none.contains("<script>"));
    let id = world.account("alice.martins@contoso.example").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let account = page(&format!("/_practice/account/{id}")).await;
    assert!(
        account.contains("<h1>Alice Martins</h1>")
            && account.contains("Microsoft 365 E3")
            && account.contains("All Company")
    );
    assert_eq!(
        world
            .http
            .get(format!("{}/_practice", world.base))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let style = world
        .http
        .get(format!("{}/_practice/style.css", world.base))
        .send()
        .await
        .unwrap();
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
}
