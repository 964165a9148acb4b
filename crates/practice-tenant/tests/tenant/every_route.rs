//! Every read the tenant knows, once: it answers, and the answer conforms (the harness checks that).

use reqwest::Method;
use serde_json::json;

use crate::harness::World;

async fn first_id(world: &World, list: &str) -> String {
    let answer = world.get(list).await.expect(200);
    answer.value()[0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_read_answers() {
    let mut world = World::start().await;
    world.tell("applications", json!({"key": "full", "grant": ["UserAuthenticationMethod.Read.All", "Application.Read.All", "Directory.Read.All"]})).await;
    world.sign_in("full").await;
    let alice = "/users/alice.martins@contoso.example";
    let group = first_id(&world, "/groups?$top=1").await;
    let sku = first_id(&world, "/subscribedSkus").await;
    let tenant = first_id(&world, "/organization").await;
    let application = first_id(&world, "/applications").await;
    let principal = first_id(&world, "/servicePrincipals").await;
    let gone = world.group("gone").await;
    world.tell("groups", json!({"displayName": "Kept"})).await;
    world.delete(&format!("/groups/{gone}")).await.expect(204);
    let paths = [
        format!("{alice}/transitiveMemberOf"),
        format!("{alice}/transitiveMemberOf/microsoft.graph.group"),
        format!("{alice}/memberOf?$select=id,displayName"),
        format!("{alice}/directReports"),
        format!("{alice}/appRoleAssignments"),
        format!("{alice}/authentication/methods"),
        format!("{alice}/licenseDetails"),
        format!("/users('alice.martins@contoso.example')?$select={}", ALL_USER_PROPERTIES),
        "/users/microsoft.graph.delta()?$select=id,manager,assignedLicenses,licenseAssignmentStates".to_owned(),
        format!("/groups/{group}"),
        format!("/groups/{group}/members/$ref"),
        format!("/groups/{group}/transitiveMembers"),
        format!("/groups/{group}/membersWithLicenseErrors"),
        "/groups/delta()".to_owned(),
        "/groups?$filter=groupTypes/any(c:c eq 'Unified')".to_owned(),
        "/directory/deletedItems/microsoft.graph.group".to_owned(),
        "/directory/subscriptions".to_owned(),
        format!("/subscribedSkus/{sku}"),
        format!("/organization/{tenant}"),
        "/domains/contoso.example/domainNameReferences".to_owned(),
        "/domains/contoso.example/verificationDnsRecords".to_owned(),
        "/domains/contoso.example/serviceConfigurationRecords".to_owned(),
        "/domains/contoso.example/rootDomain".to_owned(),
        format!("/applications/{application}"),
        format!("/servicePrincipals/{principal}"),
        format!("/servicePrincipals/{principal}/oauth2PermissionGrants"),
        "/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')".to_owned(),
        "/identity/conditionalAccess/policies".to_owned(),
        "/auditLogs/directoryAudits".to_owned(),
        "/auditLogs/signIns".to_owned(),
    ];
    for path in paths {
        let answer = world.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    let count = world.get_advanced("/users/$count").await.expect(200);
    assert!(count.body.as_u64().unwrap() > 5);
    world.get("/users/$count").await.expect(400);
}

/// Everything Signpost may ever select of a user.
const ALL_USER_PROPERTIES: &str = "id,userPrincipalName,displayName,givenName,surname,mail,mailNickname,usageLocation,\
onPremisesImmutableId,jobTitle,department,companyName,officeLocation,mobilePhone,businessPhones,streetAddress,city,state,\
country,postalCode,preferredLanguage,employeeId,employeeType,userType,accountEnabled,onPremisesSyncEnabled,\
createdDateTime,deletedDateTime,lastPasswordChangeDateTime,signInSessionsValidFromDateTime,assignedLicenses,\
licenseAssignmentStates,assignedPlans,provisionedPlans,identities,proxyAddresses,otherMails,securityIdentifier,\
onPremisesExtensionAttributes,employeeOrgData,employeeHireDate,passwordPolicies,passwordProfile,skills,aboutMe";

#[tokio::test]
async fn domains_and_policies_take_their_writes() {
    let world = World::start().await;
    world
        .post("/domains", json!({"id": "third.example"}))
        .await
        .expect(201);
    world
        .patch("/domains/third.example", json!({"isDefault": true}))
        .await
        .expect(400);
    world
        .post("/domains/third.example/promote", json!({}))
        .await
        .expect(400);
    assert_eq!(
        world
            .post("/domains/third.example/verify", json!({}))
            .await
            .expect(200)
            .body["isVerified"],
        true
    );
    world
        .post("/domains/third.example/promote", json!({}))
        .await
        .expect(200);
    world
        .patch("/domains/third.example", json!({"isDefault": true}))
        .await
        .expect(204);
    world.delete("/domains/third.example").await.expect(400);
    world
        .patch("/domains/contoso.example", json!({"isDefault": true}))
        .await
        .expect(204);
    world.delete("/domains/third.example").await.expect(204);
    world.delete("/domains/contoso.example").await.expect(400);
    world
        .patch(
            "/policies/authorizationPolicy",
            json!({"allowedToUseSSPR": false}),
        )
        .await
        .expect(204);
    world
        .patch(
            "/policies/authorizationPolicy",
            json!({"allowedToUseSSPR": "no"}),
        )
        .await
        .expect(400);
    world
        .patch(
            "/policies/authenticationMethodsPolicy",
            json!({"reconfirmationInDays": 30}),
        )
        .await
        .expect(204);
    let policy = json!({"displayName": "Report", "state": "enabledForReportingButNotEnforced", "conditions": {"clientAppTypes": ["all"]}});
    let made = world
        .post("/identity/conditionalAccess/policies", policy)
        .await
        .expect(201);
    let url = format!(
        "/identity/conditionalAccess/policies/{}",
        made.body["id"].as_str().unwrap()
    );
    world
        .patch(&url, json!({"state": "disabled"}))
        .await
        .expect(204);
    assert_eq!(world.get(&url).await.expect(200).body["state"], "disabled");
    world.delete(&url).await.expect(204);
    world.get(&url).await.expect(404);
}

#[tokio::test]
async fn a_microsoft_365_group_can_be_restored_and_a_security_group_cannot() {
    let world = World::start().await;
    let unified = json!({"displayName": "Club", "mailEnabled": true, "mailNickname": "club", "securityEnabled": false, "groupTypes": ["Unified"]});
    let club = world.post("/groups", unified).await.expect(201).body["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let team = world.group("team").await;
    for id in [&club, &team] {
        world
            .patch(&format!("/groups/{id}"), json!({"description": "Changed"}))
            .await
            .expect(204);
        world.delete(&format!("/groups/{id}")).await.expect(204);
    }
    world
        .get(&format!("/directory/deletedItems/{club}"))
        .await
        .expect(200);
    world
        .post(
            &format!("/directory/deletedItems/{club}/restore"),
            json!({}),
        )
        .await
        .expect(200);
    world
        .post(
            &format!("/directory/deletedItems/{team}/restore"),
            json!({}),
        )
        .await
        .expect(404);
    let mail_enabled = json!({"displayName": "List", "mailEnabled": true, "mailNickname": "list", "securityEnabled": true, "groupTypes": []});
    world.post("/groups", mail_enabled).await.expect(400);
    world
        .send(Method::POST, "/groups", json!({"displayName": "x"}))
        .await
        .expect(400);
}
