//! Users: create, change, delete, list, delta (`graph.md` 4).

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{World, new_user, options};
use signpost_practice_tenant::Options;

#[tokio::test]
async fn a_created_user_is_read_back_by_id_and_by_name() {
    let world = World::start().await;
    let mut body = new_user("bob");
    body["onPremisesImmutableId"] = json!("b2f0c5d19a7e4c3d8e6fb2f0c5d19a7e");
    let created = world.post("/users", body).await.expect(201);
    assert!(
        created.body.get("usageLocation").is_none(),
        "only the default properties are told"
    );
    let id = created.body["id"].as_str().unwrap();
    let read = world.get("/users/bob@contoso.example?$select=id,usageLocation,onPremisesImmutableId,accountEnabled,passwordProfile").await.expect(200);
    assert_eq!(read.body["id"], id);
    assert_eq!(read.body["usageLocation"], "TR");
    assert_eq!(read.body["passwordProfile"], Value::Null);
    let found = world
        .get(
            "/users?$filter=onPremisesImmutableId eq 'b2f0c5d19a7e4c3d8e6fb2f0c5d19a7e'&$select=id",
        )
        .await
        .expect(200);
    assert_eq!(found.value(), [json!({"id": id})]);
}

#[tokio::test]
async fn what_no_user_could_have_is_refused() {
    let world = World::start().await;
    let cases: Vec<(&str, Value, &str)> = vec![
        ("mailNickname", Value::Null, "mailNickname"),
        ("displayName", json!("x".repeat(257)), "displayName"),
        ("employeeId", json!("12345678901234567"), "employeeId"),
        ("usageLocation", json!("Turkey"), "usageLocation"),
        (
            "userPrincipalName",
            json!("bob@elsewhere.example"),
            "domain portion",
        ),
        (
            "userPrincipalName",
            json!("bob@unverified.example"),
            "domain portion",
        ),
        (
            "userPrincipalName",
            json!("b ob@contoso.example"),
            "userPrincipalName",
        ),
        (
            "userPrincipalName",
            json!("bob.@contoso.example"),
            "userPrincipalName",
        ),
        (
            "userPrincipalName",
            json!("zoë@contoso.example"),
            "userPrincipalName",
        ),
        (
            "userPrincipalName",
            json!("Alice.Martins@contoso.example"),
            "already exists",
        ),
        (
            "onPremisesImmutableId",
            json!("with_underscore"),
            "onPremisesImmutableId",
        ),
        ("businessPhones", json!(["1", "2"]), "businessPhones"),
        (
            "passwordProfile",
            json!({"password": "password"}),
            "complexity",
        ),
        ("favouriteColour", json!("blue"), "favouriteColour"),
        (
            "id",
            json!("00000000-0000-0000-0000-000000000001"),
            "read-only",
        ),
    ];
    for (name, value, expected) in cases {
        let mut body = new_user("bob");
        body[name] = value;
        let answer = world.post("/users", body).await.expect(400);
        assert_eq!(answer.code(), "Request_BadRequest");
        assert!(
            answer.message().contains(expected),
            "{}: {}",
            name,
            answer.message()
        );
    }
    for missing in [
        "accountEnabled",
        "displayName",
        "mailNickname",
        "userPrincipalName",
        "passwordProfile",
    ] {
        let mut body = new_user("bob");
        body.as_object_mut().unwrap().remove(missing);
        world.post("/users", body).await.expect(400);
    }
    assert_eq!(world.account("bob@contoso.example").await, Value::Null);
}

#[tokio::test]
async fn names_and_immutable_ids_are_unique() {
    let world = World::start().await;
    let mut first = new_user("first");
    first["onPremisesImmutableId"] = json!("anchor1");
    world.post("/users", first.clone()).await.expect(201);
    let answer = world.post("/users", first).await.expect(400);
    assert_eq!(answer.body["error"]["details"][0]["code"], "ObjectConflict");
    assert_eq!(
        answer.body["error"]["details"][0]["target"],
        "userPrincipalName"
    );
    let mut second = new_user("second");
    second["onPremisesImmutableId"] = json!("anchor1");
    let answer = world.post("/users", second).await.expect(400);
    assert_eq!(
        answer.body["error"]["details"][0]["target"],
        "onPremisesImmutableId"
    );
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_clears() {
    let world = World::start().await;
    let id = world.user("bob").await;
    let url = format!("/users/{id}");
    world
        .patch(
            &url,
            json!({"jobTitle": "Clerk", "city": "Berlin", "businessPhones": ["+49 30 1"]}),
        )
        .await
        .expect(204);
    world
        .patch(
            &url,
            json!({"city": null, "userPrincipalName": "robert@contoso.example"}),
        )
        .await
        .expect(204);
    let read = world
        .get("/users/robert@contoso.example?$select=jobTitle,city,businessPhones")
        .await
        .expect(200);
    assert_eq!(read.body["jobTitle"], "Clerk");
    assert_eq!(read.body["city"], Value::Null);
    world.get("/users/bob@contoso.example").await.expect(404);
    let before = world.calls().await["unchanged_writes"].as_u64().unwrap();
    world
        .patch(&url, json!({"jobTitle": "Clerk"}))
        .await
        .expect(204);
    assert_eq!(
        world.calls().await["unchanged_writes"].as_u64().unwrap(),
        before + 1
    );
}

#[tokio::test]
async fn administrators_and_synchronised_accounts_are_out_of_reach() {
    let world = World::start().await;
    for (upn, body, status) in [
        (
            "breakglass1@contoso-practice.onmicrosoft.com",
            json!({"accountEnabled": false}),
            403,
        ),
        (
            "breakglass1@contoso-practice.onmicrosoft.com",
            json!({"jobTitle": "Guard"}),
            204,
        ),
        (
            "warehouse.kiosk@contoso.example",
            json!({"jobTitle": "Kiosk"}),
            400,
        ),
        (
            "warehouse.kiosk@contoso.example",
            json!({"usageLocation": "TR"}),
            204,
        ),
    ] {
        world
            .patch(&format!("/users/{upn}"), body)
            .await
            .expect(status);
    }
    let answer = world
        .delete("/users/breakglass1@contoso-practice.onmicrosoft.com")
        .await
        .expect(403);
    assert_eq!(answer.code(), "Authorization_RequestDenied");
    let roles = world
        .get("/directoryRoles?$select=id,displayName,roleTemplateId")
        .await
        .expect(200);
    let id = roles.value()[0]["id"].as_str().unwrap();
    assert_eq!(
        world
            .get(&format!("/directoryRoles/{id}/members"))
            .await
            .expect(200)
            .value()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_deleted_user_can_come_back_with_its_groups() {
    let world = World::start().await;
    let (id, group) = (world.user("bob").await, world.group("team").await);
    let link = json!({"@odata.id": format!("{}/v1.0/directoryObjects/{id}", world.base)});
    world
        .post(&format!("/groups/{group}/members/$ref"), link)
        .await
        .expect(204);
    world
        .post(
            &format!("/users/{id}/assignLicense"),
            json!({"addLicenses": [{"skuId": crate::harness::E3}], "removeLicenses": []}),
        )
        .await
        .expect(200);
    world.delete(&format!("/users/{id}")).await.expect(204);
    world.get(&format!("/users/{id}")).await.expect(404);
    assert!(
        world
            .get(&format!("/groups/{group}/members"))
            .await
            .value()
            .is_empty()
    );
    let deleted = world.get("/directory/deletedItems/microsoft.graph.user?$select=id,userPrincipalName,deletedDateTime").await.expect(200);
    assert_eq!(deleted.value()[0]["id"], id);
    assert!(deleted.value()[0]["deletedDateTime"].is_string());
    // The name is free again; whoever takes it stops the restore.
    let other = world.user("bob").await;
    let restore = format!("/directory/deletedItems/{id}/restore");
    world.post(&restore, json!({})).await.expect(400);
    world.delete(&format!("/users/{other}")).await.expect(204);
    let restored = world.post(&restore, json!({})).await.expect(200);
    assert_eq!(restored.body["userPrincipalName"], "bob@contoso.example");
    assert_eq!(
        world
            .get(&format!("/groups/{group}/members"))
            .await
            .value()
            .len(),
        1
    );
    assert_eq!(
        world.account(&id).await["assignedLicenses"],
        json!([]),
        "licenses were freed"
    );
    world
        .delete(&format!("/directory/deletedItems/{other}"))
        .await
        .expect(204);
    world
        .post(
            &format!("/directory/deletedItems/{other}/restore"),
            json!({}),
        )
        .await
        .expect(404);
}

#[tokio::test]
async fn pages_follow_opaque_links_to_the_end() {
    let world = World::with(Options {
        users: 250,
        ..options()
    })
    .await;
    let mut url = "/users?$select=id&$top=100".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = world.get(&url).await.expect(200);
        seen.extend(
            page.value()
                .iter()
                .map(|user| user["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.body["@odata.nextLink"].as_str() else {
            break;
        };
        assert!(next.starts_with(&world.base));
        url = next.to_owned();
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
    let counted = world
        .get_advanced("/users?$count=true&$top=1")
        .await
        .expect(200);
    assert_eq!(counted.body["@odata.count"], count);
    world.get("/users?$top=1000").await.expect(400);
    world.get("/users?$skip=1").await.expect(400);
    world.get("/users?$select=noSuchProperty").await.expect(400);
    world.get("/users?$select=skills").await.expect(501);
}

#[tokio::test]
async fn filters_find_by_index_and_by_reading() {
    let world = World::with(Options {
        users: 50,
        ..options()
    })
    .await;
    let names = async |query: &str| -> Vec<String> {
        let answer = world
            .get_advanced(&format!(
                "/users?$count=true&$select=userPrincipalName&$filter={query}"
            ))
            .await
            .expect(200);
        answer
            .value()
            .iter()
            .map(|user| user["userPrincipalName"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names("userPrincipalName eq 'ALICE.martins@contoso.example'").await,
        ["alice.martins@contoso.example"]
    );
    assert_eq!(
        names("mail eq 'dave.o''brien@contoso.example'").await.len(),
        2
    );
    assert_eq!(names("userPrincipalName in ('dave@contoso.example','dobrien@contoso.example','nobody@contoso.example')").await.len(), 2);
    assert_eq!(
        names("startswith(userPrincipalName,'breakglass')")
            .await
            .len(),
        2
    );
    assert_eq!(
        names("endswith(userPrincipalName,'onmicrosoft.com')")
            .await
            .len(),
        2
    );
    assert_eq!(
        names("onPremisesSyncEnabled eq true").await,
        ["warehouse.kiosk@contoso.example"]
    );
    let everyone = names("accountEnabled eq true").await.len();
    assert_eq!(
        names("accountEnabled eq true and not startswith(userPrincipalName,'breakglass')")
            .await
            .len(),
        everyone - 2
    );
    let refused = world
        .get("/users?$filter=displayName ne 'x'")
        .await
        .expect(400);
    assert_eq!(refused.code(), "Request_UnsupportedQuery");
    let found = world
        .get_advanced("/users?$search=\"displayName:whit\"&$select=id")
        .await
        .expect(200);
    assert_eq!(found.value().len(), 1);
    let ordered = world
        .get("/users?$orderby=displayName desc&$top=5&$select=displayName")
        .await
        .expect(200);
    let names: Vec<&str> = ordered
        .value()
        .iter()
        .map(|user| user["displayName"].as_str().unwrap())
        .collect();
    assert!(names.is_sorted_by(|a, b| a >= b), "{names:?}");
}

/// Reads a delta to its end and returns entries by id and the delta link.
async fn delta(world: &World, from: &str) -> (BTreeMap<String, Value>, String) {
    let mut url = from.to_owned();
    let mut entries = BTreeMap::new();
    loop {
        let page = world.get(&url).await.expect(200);
        for entry in page.value() {
            entries.insert(entry["id"].as_str().unwrap().to_owned(), entry.clone());
        }
        if let Some(link) = page.body["@odata.deltaLink"].as_str() {
            return (entries, link.to_owned());
        }
        url = page.body["@odata.nextLink"].as_str().unwrap().to_owned();
    }
}

#[tokio::test]
async fn delta_tells_what_changed_since_its_token() {
    let world = World::with(Options {
        users: 450,
        ..options()
    })
    .await;
    let (all, link) = delta(&world, "/users/delta?$select=id,displayName,jobTitle").await;
    assert!(all.len() > 450);
    let (none, link) = delta(&world, &link).await;
    assert!(none.is_empty());
    let (bob, carol) = (world.user("bob").await, world.user("carol").await);
    let (changed, link) = delta(&world, &link).await;
    assert_eq!(changed.len(), 2);
    world
        .patch(&format!("/users/{bob}"), json!({"jobTitle": "Clerk"}))
        .await
        .expect(204);
    world
        .patch(&format!("/users/{carol}"), json!({"city": "Berlin"}))
        .await
        .expect(204);
    let (changed, link) = delta(&world, &link).await;
    assert_eq!(
        changed.keys().collect::<Vec<_>>(),
        [&bob],
        "an unselected property is no change"
    );
    assert_eq!(changed[&bob]["jobTitle"], "Clerk");
    world.delete(&format!("/users/{carol}")).await.expect(204);
    let (changed, link) = delta(&world, &link).await;
    assert_eq!(changed[&carol]["@removed"]["reason"], "changed");
    world
        .delete(&format!("/directory/deletedItems/{carol}"))
        .await
        .expect(204);
    let (changed, _) = delta(&world, &link).await;
    assert_eq!(changed[&carol]["@removed"]["reason"], "deleted");
}

#[tokio::test]
async fn the_latest_token_starts_from_now_and_an_old_one_is_gone() {
    let mut world = World::start().await;
    let (none, link) = delta(
        &world,
        "/users/delta?$deltatoken=latest&$select=id,displayName",
    )
    .await;
    assert!(none.is_empty());
    world.user("bob").await;
    assert_eq!(delta(&world, &link).await.0.len(), 1);
    world
        .tell("clock", json!({"advance_ms": 8 * 24 * 3_600_000_i64}))
        .await;
    world.sign_in("good").await;
    let gone = world.get(&link).await.expect(410);
    assert!(gone.header("location").contains("/users/delta"));
    let (all, fresh) = delta(&world, gone.header("location")).await;
    assert!(all.len() > 5, "the Location begins again");
    world.tell("delta", json!({"expire": true})).await;
    world.get(&fresh).await.expect(410);
    let (_, last) = delta(&world, "/users/delta").await;
    world.tell("reset", json!({})).await;
    world.sign_in("good").await;
    world.get(&last).await.expect(410);
}

#[tokio::test]
async fn delta_can_be_made_to_repeat_reverse_and_send_empty_pages() {
    let world = World::start().await;
    let (_, link) = delta(&world, "/users/delta?$select=id,displayName").await;
    for name in ["a", "b", "c"] {
        world.user(name).await;
    }
    world
        .tell(
            "delta",
            json!({"repeat": true, "reverse": true, "empty_page": true, "page_size": 2}),
        )
        .await;
    let first = world.get(&link).await.expect(200);
    assert!(first.value().is_empty() && first.body["@odata.nextLink"].is_string());
    let (changed, _) = delta(&world, &link).await;
    assert_eq!(changed.len(), 3);
}

#[tokio::test]
async fn a_manager_is_set_read_and_removed() {
    let world = World::start().await;
    let (bob, alice) = (world.user("bob").await, "alice.martins@contoso.example");
    let url = format!("/users/{bob}/manager");
    world.get(&url).await.expect(404);
    let id = world.account(alice).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let link = json!({"@odata.id": format!("{}/v1.0/users/{id}", world.base)});
    world
        .send(Method::PUT, &format!("{url}/$ref"), link)
        .await
        .expect(204);
    assert_eq!(
        world.get(&url).await.expect(200).body["userPrincipalName"],
        alice
    );
    let read = world
        .get(&format!(
            "/users/{bob}?$select=id&$expand=manager($select=id)"
        ))
        .await
        .expect(200);
    assert_eq!(read.body["manager"]["id"], id);
    let (changed, _) = delta(&world, "/users/delta?$select=manager").await;
    assert_eq!(changed[&bob]["manager@delta"][0]["id"], id);
    world.delete(&format!("{url}/$ref")).await.expect(204);
    world.get(&url).await.expect(404);
}

#[tokio::test]
async fn a_new_user_and_a_change_take_their_time_to_be_seen() {
    let world = World::with(Options {
        replication_delay_ms: 5_000,
        ..options()
    })
    .await;
    let (_, link) = delta(&world, "/users/delta?$select=id,displayName,jobTitle").await;
    let id = world.user("bob").await;
    let url = format!("/users/{id}");
    world.get(&url).await.expect(404);
    world
        .patch(&url, json!({"jobTitle": "Clerk"}))
        .await
        .expect(404);
    assert!(delta(&world, &link).await.0.is_empty());
    world.tell("clock", json!({"advance_ms": 5_000})).await;
    world
        .patch(&format!("{url}?"), json!({"jobTitle": "Clerk"}))
        .await
        .expect(204);
    assert_eq!(
        world.get(&url).await.expect(200).body["jobTitle"],
        Value::Null,
        "readers still see the old value"
    );
    world.tell("clock", json!({"advance_ms": 5_000})).await;
    assert_eq!(world.get(&url).await.expect(200).body["jobTitle"], "Clerk");
    assert_eq!(delta(&world, &link).await.0[&id]["jobTitle"], "Clerk");
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let world = World::start().await;
    let answer = world.get("/users/nobody@contoso.example").await.expect(404);
    assert_eq!(answer.code(), "Request_ResourceNotFound");
    assert_eq!(
        answer.body["error"]["innerError"]["request-id"],
        answer.header("request-id")
    );
    let request = world
        .request(Method::GET, "/organization")
        .header("client-request-id", "my-own");
    let echoed = request.send().await.unwrap();
    assert_eq!(echoed.headers()["client-request-id"], "my-own");
    world
        .send(Method::PUT, "/users", json!({}))
        .await
        .expect(405);
    world.get("/unknownThings").await.expect(400);
}
