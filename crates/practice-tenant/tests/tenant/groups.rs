//! Groups, domains, policies and the rest (`graph.md` 6 to 9).

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::World;

fn link(world: &World, id: &str) -> String {
    format!("{}/v1.0/directoryObjects/{id}", world.base)
}

#[tokio::test]
async fn members_are_added_one_by_one_and_refused_twice() {
    let world = World::start().await;
    let (group, bob) = (world.group("team").await, world.user("bob").await);
    let url = format!("/groups/{group}/members/$ref");
    world
        .post(&url, json!({"@odata.id": link(&world, &bob)}))
        .await
        .expect(204);
    let twice = world
        .post(&url, json!({"@odata.id": link(&world, &bob)}))
        .await
        .expect(400);
    assert!(twice.message().contains("already exist"));
    let unknown = link(&world, "11111111-2222-3333-4444-555555555555");
    world
        .post(&url, json!({ "@odata.id": unknown }))
        .await
        .expect(404);
    let members = world
        .get(&format!("/groups/{group}/members?$select=id,displayName"))
        .await
        .expect(200);
    assert_eq!(members.value()[0]["@odata.type"], "#microsoft.graph.user");
    assert_eq!(
        world.get(&format!("/users/{bob}/memberOf")).await.value()[0]["id"],
        group
    );
    world
        .delete(&format!("/groups/{group}/members/{bob}/$ref"))
        .await
        .expect(204);
    world
        .delete(&format!("/groups/{group}/members/{bob}/$ref"))
        .await
        .expect(404);
}

#[tokio::test]
async fn twenty_members_come_in_one_patch_or_none_of_them() {
    let world = World::start().await;
    let group = world.group("team").await;
    let mut links = Vec::new();
    for number in 0..21 {
        links.push(link(&world, &world.user(&format!("person{number}")).await));
    }
    let url = format!("/groups/{group}");
    world
        .patch(&url, json!({"members@odata.bind": links}))
        .await
        .expect(400);
    world
        .patch(&url, json!({"members@odata.bind": links[..20]}))
        .await
        .expect(204);
    world
        .patch(&url, json!({"members@odata.bind": [links[20], links[0]]}))
        .await
        .expect(400);
    assert_eq!(
        world
            .get(&format!("/groups/{group}/members"))
            .await
            .value()
            .len(),
        20
    );
}

#[tokio::test]
async fn a_group_delta_tells_members_that_came_and_went() {
    let world = World::start().await;
    let (group, bob) = (world.group("team").await, world.user("bob").await);
    let latest = world
        .get("/groups/delta?$deltatoken=latest&$select=displayName,members")
        .await
        .expect(200);
    let add = format!("/groups/{group}/members/$ref");
    world
        .post(&add, json!({"@odata.id": link(&world, &bob)}))
        .await
        .expect(204);
    let changed = world
        .get(latest.body["@odata.deltaLink"].as_str().unwrap())
        .await
        .expect(200);
    assert_eq!(
        changed.value()[0]["members@delta"],
        json!([{"@odata.type": "#microsoft.graph.user", "id": bob}])
    );
    world
        .delete(&format!("/groups/{group}/members/{bob}/$ref"))
        .await
        .expect(204);
    let changed = world
        .get(changed.body["@odata.deltaLink"].as_str().unwrap())
        .await
        .expect(200);
    assert_eq!(
        changed.value()[0]["members@delta"][0]["@removed"]["reason"],
        "deleted"
    );
    world.delete(&format!("/groups/{group}")).await.expect(204);
    let changed = world
        .get(changed.body["@odata.deltaLink"].as_str().unwrap())
        .await
        .expect(200);
    assert_eq!(changed.value()[0]["@removed"]["reason"], "deleted");
    let all = world
        .get("/groups/delta?$select=displayName,members")
        .await
        .expect(200);
    assert!(
        all.value()
            .iter()
            .any(|entry| entry["members@delta"].is_array())
    );
}

#[tokio::test]
async fn dynamic_groups_refuse_members() {
    let world = World::start().await;
    let groups = world
        .get("/groups?$filter=displayName eq 'Everyone in Germany'&$select=id")
        .await
        .expect(200);
    let group = groups.value()[0]["id"].as_str().unwrap().to_owned();
    let bob = world.user("bob").await;
    world
        .post(
            &format!("/groups/{group}/members/$ref"),
            json!({"@odata.id": link(&world, &bob)}),
        )
        .await
        .expect(403);
}

#[tokio::test]
async fn policies_are_read_and_switched() {
    let world = World::start().await;
    let url = "/policies/identitySecurityDefaultsEnforcementPolicy";
    assert_eq!(world.get(url).await.expect(200).body["isEnabled"], true);
    let policy = json!({"displayName": "MFA", "state": "enabled", "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"]}});
    world
        .post("/identity/conditionalAccess/policies", policy.clone())
        .await
        .expect(400);
    world
        .patch(url, json!({"isEnabled": false}))
        .await
        .expect(204);
    world
        .post("/identity/conditionalAccess/policies", policy)
        .await
        .expect(201);
    world
        .patch(url, json!({"isEnabled": true}))
        .await
        .expect(400);
    world.get("/policies/authorizationPolicy").await.expect(200);
    world
        .get("/policies/authenticationMethodsPolicy")
        .await
        .expect(200);
    let mfa = format!(
        "{}/beta/users/alice.martins@contoso.example/authentication/requirements",
        world.base
    );
    assert_eq!(
        world.get(&mfa).await.expect(200).body["perUserMfaState"],
        "disabled"
    );
    world
        .patch(&mfa, json!({"perUserMfaState": "enforced"}))
        .await
        .expect(204);
    assert_eq!(
        world.account("alice.martins@contoso.example").await["perUserMfaState"],
        "enforced"
    );
    world
        .get("/users/alice.martins@contoso.example/authentication/requirements")
        .await
        .expect(405);
    let details = world
        .get("/reports/authenticationMethods/userRegistrationDetails")
        .await
        .expect(200);
    assert!(details.value().iter().any(|one| one["isAdmin"] == true));
}

#[tokio::test]
async fn an_application_sees_its_own_grants_and_secret_expiry() {
    let world = World::start().await;
    let credentials = world.credentials().await;
    let full = credentials["applications"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == "full")
        .unwrap()
        .clone();
    let id = full["client_id"].as_str().unwrap();
    let principal = world
        .get(&format!(
            "/servicePrincipals(appId='{id}')?$select=id,displayName"
        ))
        .await
        .expect(200);
    let principal = principal.body["id"].as_str().unwrap().to_owned();
    let grants = world
        .get(&format!(
            "/servicePrincipals/{principal}/appRoleAssignments"
        ))
        .await
        .expect(200);
    assert_eq!(
        grants.value().len(),
        full["permissions"].as_array().unwrap().len()
    );
    let own = world
        .get(&format!(
            "/applications(appId='{id}')?$select=id,passwordCredentials"
        ))
        .await
        .expect(200);
    assert_eq!(
        own.body["passwordCredentials"][0]["hint"],
        full["secret"].as_str().unwrap()[..3]
    );
    assert_eq!(
        own.body["passwordCredentials"][0]["secretText"],
        Value::Null
    );
    let object = own.body["id"].as_str().unwrap();
    let added = world
        .post(
            &format!("/applications/{object}/addPassword"),
            json!({"passwordCredential": {"displayName": "next"}}),
        )
        .await
        .expect(200);
    let secret = added.body["secretText"].as_str().unwrap().to_owned();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", &secret),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    world.post_token("contoso.example", &form).await.expect(200);
    let removal = json!({"keyId": added.body["keyId"]});
    world
        .post(&format!("/applications/{object}/removePassword"), removal)
        .await
        .expect(204);
    world.post_token("contoso.example", &form).await.expect(401);
}

#[tokio::test]
async fn a_photo_is_kept() {
    let world = World::start().await;
    let id = world.user("bob").await;
    let url = format!("/users/{id}/photo/$value");
    world.get(&url).await.expect(404);
    let put = world
        .request(Method::PUT, &url)
        .header("content-type", "image/jpeg")
        .body(vec![0xff, 0xd8, 0xff, 0xe0]);
    assert_eq!(put.send().await.unwrap().status(), 200);
    world.get(&url).await.expect(200);
    world.delete(&url).await.expect(204);
}
