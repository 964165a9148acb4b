//! Subscriptions and licenses (`graph.md` 5).

use serde_json::{Value, json};

use crate::harness::{E3, SPB, VISIO, World, new_user};

fn add(sku: &str) -> Value {
    json!({"addLicenses": [{"skuId": sku, "disabledPlans": []}], "removeLicenses": []})
}

async fn consumed(world: &World, part_number: &str) -> i64 {
    let skus = world.get("/subscribedSkus").await.expect(200);
    let sku = skus
        .value()
        .iter()
        .find(|sku| sku["skuPartNumber"] == part_number)
        .unwrap();
    sku["consumedUnits"].as_i64().unwrap()
}

#[tokio::test]
async fn a_license_takes_a_seat_and_gives_it_back() {
    let world = World::start().await;
    let id = world.user("bob").await;
    let url = format!("/users/{id}/assignLicense");
    let before = consumed(&world, "SPE_E3").await;
    world.post(&url, add(E3)).await.expect(200);
    world.post(&url, add(E3)).await.expect(200);
    assert_eq!(consumed(&world, "SPE_E3").await, before + 1);
    let teams = "57ff2da0-773e-42df-b2af-ffb7a2317929";
    let less =
        json!({"addLicenses": [{"skuId": E3, "disabledPlans": [teams]}], "removeLicenses": []});
    world.post(&url, less).await.expect(200);
    let read = world
        .get(&format!(
            "/users/{id}?$select=assignedLicenses,licenseAssignmentStates"
        ))
        .await
        .expect(200);
    assert_eq!(
        read.body["assignedLicenses"],
        json!([{"disabledPlans": [teams], "skuId": E3}])
    );
    assert_eq!(read.body["licenseAssignmentStates"][0]["state"], "Active");
    let details = world
        .get(&format!("/users/{id}/licenseDetails"))
        .await
        .expect(200);
    let plan = details.value()[0]["servicePlans"]
        .as_array()
        .unwrap()
        .iter()
        .find(|plan| plan["servicePlanId"] == teams)
        .unwrap();
    assert_eq!(plan["provisioningStatus"], "Disabled");
    world
        .post(&url, json!({"addLicenses": [], "removeLicenses": [E3]}))
        .await
        .expect(200);
    assert_eq!(consumed(&world, "SPE_E3").await, before);
    assert_eq!(world.calls().await["unchanged_writes"], 1);
}

#[tokio::test]
async fn what_cannot_be_licensed_is_refused_in_graphs_words() {
    let world = World::start().await;
    let mut nowhere = new_user("nowhere");
    nowhere.as_object_mut().unwrap().remove("usageLocation");
    let nowhere = world.post("/users", nowhere).await.expect(201).body["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let bob = world.user("bob").await;
    world
        .post(&format!("/users/{bob}/assignLicense"), add(E3))
        .await
        .expect(200);
    let teams = "57ff2da0-773e-42df-b2af-ffb7a2317929";
    let cases: Vec<(&str, Value, &str)> = vec![
        (&nowhere, add(E3), "invalid usage location"),
        (&bob, add(SPB), "are mutually exclusive"),
        (
            &bob,
            add("99049c9c-6011-4908-bf17-15f496e6519d"),
            "cannot be assigned to a user",
        ),
        (
            &bob,
            add("6fd2c87f-b296-42f0-b197-1e91e994b900"),
            "does not have any available licenses",
        ),
        (
            &bob,
            add("11111111-2222-3333-4444-555555555555"),
            "does not correspond to a valid company License",
        ),
        (
            &bob,
            json!({"addLicenses": [{"skuId": VISIO, "disabledPlans": [teams]}], "removeLicenses": []}),
            "does not belong",
        ),
        (
            &bob,
            json!({"addLicenses": [], "removeLicenses": [SPB]}),
            "does not have a corresponding license",
        ),
        (&bob, json!({"addLicenses": []}), "removeLicenses"),
    ];
    for (id, body, expected) in cases {
        let answer = world
            .post(&format!("/users/{id}/assignLicense"), body)
            .await
            .expect(400);
        assert!(answer.message().contains(expected), "{}", answer.message());
    }
    let carol = world.user("carol").await;
    let archive = add("ee02fd1b-340e-4a4b-b355-4a514e4c8943");
    let answer = world
        .post(&format!("/users/{carol}/assignLicense"), archive)
        .await
        .expect(400);
    assert!(
        answer.message().contains("depends on the service plan(s)"),
        "{}",
        answer.message()
    );
}

#[tokio::test]
async fn the_last_seat_is_the_last() {
    let world = World::start().await;
    world
        .tell(
            "skus",
            json!({"skuPartNumber": "VISIOCLIENT", "enabled": 1}),
        )
        .await;
    let (bob, carol) = (world.user("bob").await, world.user("carol").await);
    world
        .post(&format!("/users/{bob}/assignLicense"), add(VISIO))
        .await
        .expect(200);
    let refused = world
        .post(&format!("/users/{carol}/assignLicense"), add(VISIO))
        .await
        .expect(400);
    assert_eq!(
        refused.message(),
        format!("Subscription with SKU {VISIO} does not have any available licenses.")
    );
    world.delete(&format!("/users/{bob}")).await.expect(204);
    world
        .post(&format!("/users/{carol}/assignLicense"), add(VISIO))
        .await
        .expect(200);
}

#[tokio::test]
async fn products_swap_in_one_call() {
    let world = World::start().await;
    let bob = world.user("bob").await;
    let url = format!("/users/{bob}/assignLicense");
    world.post(&url, add(E3)).await.expect(200);
    world
        .post(
            &url,
            json!({"addLicenses": [{"skuId": SPB}], "removeLicenses": [E3]}),
        )
        .await
        .expect(200);
    assert_eq!(
        world.account(&bob).await["assignedLicenses"][0]["skuId"],
        SPB
    );
}

#[tokio::test]
async fn a_group_licenses_its_members_in_the_background() {
    let world = World::start().await;
    world
        .tell(
            "skus",
            json!({"skuPartNumber": "VISIOCLIENT", "enabled": 1}),
        )
        .await;
    let (bob, carol, group) = (
        world.user("bob").await,
        world.user("carol").await,
        world.group("visio").await,
    );
    let accepted = world
        .post(&format!("/groups/{group}/assignLicense"), add(VISIO))
        .await
        .expect(202);
    assert_eq!(accepted.body["id"], group);
    for id in [&bob, &carol] {
        let link = json!({"@odata.id": format!("{}/v1.0/directoryObjects/{id}", world.base)});
        world
            .post(&format!("/groups/{group}/members/$ref"), link)
            .await
            .expect(204);
    }
    let read = world
        .get(&format!("/users/{bob}?$select=licenseAssignmentStates"))
        .await
        .expect(200);
    assert_eq!(
        read.body["licenseAssignmentStates"][0]["assignedByGroup"],
        group
    );
    assert_eq!(read.body["licenseAssignmentStates"][0]["state"], "Active");
    let errors = world
        .get(&format!("/groups/{group}/membersWithLicenseErrors"))
        .await
        .expect(200);
    assert_eq!(errors.value()[0]["id"], carol);
    let refused = world
        .post(
            &format!("/users/{bob}/assignLicense"),
            json!({"addLicenses": [], "removeLicenses": [VISIO]}),
        )
        .await
        .expect(400);
    assert!(refused.message().contains("inherited from a group"));
    world.delete(&format!("/groups/{group}")).await.expect(400);
    world
        .delete(&format!("/groups/{group}/members/{bob}/$ref"))
        .await
        .expect(204);
    world
        .post(
            &format!("/users/{carol}/reprocessLicenseAssignment"),
            json!({}),
        )
        .await
        .expect(200);
    assert_eq!(
        world.account(&carol).await["licenseAssignmentStates"][0]["state"],
        "Active"
    );
    assert_eq!(world.account(&bob).await["assignedLicenses"], json!([]));
}
