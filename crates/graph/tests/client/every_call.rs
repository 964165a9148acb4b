//! One story that makes every call the client can make.

use std::collections::BTreeSet;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;
use signpost_graph::{
    AccountPatch, AuthenticationType, Change, Client, DeltaStart, DomainName, FederatedMfa,
    FederationConfiguration, FederationProtocol, GroupPatch, LicenseGrant, MemberKind, NewGroup,
    NewUser, ObjectId, Observation, Observer, PARTS_PER_BATCH, PerUserMfa, Profile, ROUTES,
    SecretText, Selection, SkuId, Write, Written,
};

/// Which routes were used.
#[derive(Debug, Default)]
pub(crate) struct Routes(Mutex<BTreeSet<String>>);

impl Observer for Routes {
    fn observe(&self, observation: &Observation<'_>) {
        let route = observation.route.to_string();
        self.0.lock().unwrap().insert(route);
    }
}

impl Routes {
    /// Routes no call has used.
    pub(crate) fn unused(&self) -> Vec<String> {
        let used = self.0.lock().unwrap();
        ROUTES
            .iter()
            .map(|route| route.to_string())
            .filter(|route| !used.contains(route))
            .collect()
    }
}

pub(crate) fn new_user(domain: &str, name: &str) -> NewUser {
    NewUser {
        user_principal_name: format!("{name}@{domain}"),
        display_name: name.to_owned(),
        mail_nickname: name.to_owned(),
        account_enabled: true,
        password: SecretText::new("9!fKqwertz-Zuiop"),
        change_password: false,
        immutable_id: Some(format!("b2f0c5d19a7e4c3d8e6f{name}")),
        usage_location: Some("TR".to_owned()),
        profile: Profile {
            given_name: Change::Set("Ada".to_owned()),
            surname: Change::Set("Kaya".to_owned()),
            business_phones: Some(vec!["+90 232 000 00 00".to_owned()]),
            ..Profile::default()
        },
    }
}

async fn make(client: &Client, write: Write) -> Written {
    let shown = format!("{write:?}");
    client
        .write(write)
        .await
        .unwrap_or_else(|error| panic!("{shown}: {error}"))
}

async fn create(client: &Client, domain: &str, name: &str) -> ObjectId {
    let write = Write::CreateUser(Box::new(new_user(domain, name)));
    make(client, write).await.created.unwrap()
}

/// Makes every call but the one about the application itself, against a tenant that has a custom
/// domain, verified and managed, and free seats.
pub(crate) async fn walk(client: &Client) {
    let domain = walk_tenant(client).await;
    let marker = client
        .users_delta(DeltaStart::Latest)
        .try_next()
        .await
        .unwrap()
        .unwrap();
    let (ada, boss) = walk_users(client, domain.as_str()).await;
    let sku = walk_licenses(client, ada).await;
    walk_groups(client, ada, boss, sku).await;
    walk_batch(client, domain.as_str()).await;

    let link = marker.link.unwrap();
    let pages: Vec<_> = client
        .users_delta(DeltaStart::Link(link))
        .try_collect()
        .await
        .unwrap();
    assert!(
        pages
            .iter()
            .flat_map(|page| &page.changes)
            .any(|change| change.id == ada)
    );
    assert!(pages.last().unwrap().link.is_some());
    let beginning = client.groups_delta(DeltaStart::Beginning);
    beginning.try_for_each(|_| async { Ok(()) }).await.unwrap();

    walk_deletion(client, ada).await;
    walk_federation(client, &domain).await;
}

/// Reads the tenant, and gives its custom domain.
async fn walk_tenant(client: &Client) -> DomainName {
    assert!(
        client
            .granted_roles()
            .await
            .unwrap()
            .contains(&"User.ReadWrite.All".to_owned())
    );
    assert!(client.organization().await.unwrap().display_name.is_some());
    client.count_users().await.unwrap();
    walk_policies(client).await;
    client.directory_role_members().await.unwrap();
    client
        .deleted_users()
        .try_collect::<Vec<_>>()
        .await
        .unwrap();
    let domains = client.domains().await.unwrap();
    assert!(domains.iter().any(|domain| domain.is_initial));
    let is_custom = |domain: &&signpost_graph::Domain| {
        !domain.is_initial
            && !domain.is_default
            && domain.is_verified
            && domain.authentication_type == AuthenticationType::Managed
    };
    domains
        .iter()
        .find(is_custom)
        .unwrap()
        .name
        .parse()
        .unwrap()
}

async fn walk_policies(client: &Client) {
    let enabled = client.security_defaults().await.unwrap().is_enabled;
    make(client, Write::SetSecurityDefaults { enabled }).await;
    client.authorization_policy().await.unwrap();
    client.authentication_methods_policy().await.unwrap();
    client.conditional_access_policies().await.unwrap();
    client.try_groups().await.unwrap();
    client.try_registration_details().await.unwrap();
    let details = client.registration_details().try_concat().await.unwrap();
    assert!(details.iter().any(|user| user.is_admin == Some(true)));
    assert!(client.clock_offset_ms().await.unwrap().is_some());
}

/// Makes a user prove a second factor at Microsoft, and no longer.
async fn walk_second_factor(client: &Client, ada: ObjectId) {
    let set = |state| Write::SetPerUserMfa { id: ada, state };
    make(client, set(PerUserMfa::Enforced)).await;
    let nobody: ObjectId = "00000000-0000-4000-8000-00000000dead".parse().unwrap();
    let read = client.per_user_mfa_of(vec![ada, nobody]).await;
    assert_eq!(*read[0].1.as_ref().unwrap(), PerUserMfa::Enforced);
    assert!(read[1].1.as_ref().unwrap_err().is_not_found());
    let many = vec![(ada, set(PerUserMfa::Disabled))];
    assert!(client.batch(many).await.iter().all(|(_, r)| r.is_ok()));
    let now = client.per_user_mfa(ada).await.unwrap();
    assert_eq!(now, Some(PerUserMfa::Disabled));
}

async fn walk_users(client: &Client, domain: &str) -> (ObjectId, ObjectId) {
    let (ada, boss) = (
        create(client, domain, "ada").await,
        create(client, domain, "boss").await,
    );
    make(
        client,
        Write::SetManager {
            id: ada,
            manager: boss,
        },
    )
    .await;
    let patch = AccountPatch {
        account_enabled: Some(true),
        profile: Profile {
            job_title: Change::Set("Clerk".to_owned()),
            surname: Change::Clear,
            ..Profile::default()
        },
        ..AccountPatch::default()
    };
    make(
        client,
        Write::PatchUser {
            id: ada,
            patch: Box::new(patch),
        },
    )
    .await;
    let account = client.user(ada).await.unwrap().unwrap();
    assert_eq!(account.job_title.as_deref(), Some("Clerk"));
    assert_eq!(
        (account.surname.as_deref(), account.manager_id()),
        (None, Some(boss))
    );
    assert_eq!(account.usage_location.as_deref(), Some("TR"));
    make(client, Write::ClearManager { id: ada }).await;
    walk_second_factor(client, ada).await;
    make(client, Write::RevokeSessions { id: ada }).await;

    let immutable_id = account.immutable_id.unwrap();
    let upn = account.user_principal_name.unwrap();
    assert_eq!(
        client.find_by_immutable_id(&immutable_id).await.unwrap()[0].id,
        ada
    );
    assert_eq!(
        client.find_by_upn(&upn).await.unwrap()[0].manager_id(),
        None
    );
    assert_eq!(
        client
            .find_by_mail("nobody's@nowhere.example")
            .await
            .unwrap(),
        []
    );
    let found = client
        .find_many_by_immutable_id(vec![immutable_id.clone(), "none".to_owned()])
        .await;
    assert_eq!(found[&immutable_id].as_ref().unwrap()[0].id, ada);
    assert_eq!(found["none"].as_ref().unwrap().len(), 0);
    let pages = client
        .list_users(Selection::WithManager)
        .try_concat()
        .await
        .unwrap();
    assert!(pages.iter().any(|account| account.id == ada));
    (ada, boss)
}

/// Gives and takes a license, and says which.
async fn walk_licenses(client: &Client, ada: ObjectId) -> SkuId {
    let skus = client.subscribed_skus().await.unwrap();
    let has_room =
        |sku: &&signpost_graph::SubscribedSku| sku.is_assignable() && sku.free_seats() > 2;
    let sku = skus.iter().find(has_room).unwrap();
    let grant = LicenseGrant {
        sku_id: sku.sku_id,
        disabled_plans: sku
            .service_plans
            .iter()
            .map(|p| p.service_plan_id)
            .take(1)
            .collect(),
    };
    make(
        client,
        Write::AssignLicense {
            id: ada,
            add: vec![grant],
            remove: vec![],
        },
    )
    .await;
    let details = client.license_details(ada).await.unwrap();
    assert_eq!(details[0].sku_id, sku.sku_id);
    let account = client.user(ada).await.unwrap().unwrap();
    assert_eq!(account.assigned_licenses[0].disabled_plans.len(), 1);
    assert_eq!(account.license_states[0].assigned_by_group, None);
    make(
        client,
        Write::AssignLicense {
            id: ada,
            add: vec![],
            remove: vec![sku.sku_id],
        },
    )
    .await;
    make(client, Write::ReprocessLicenses { id: ada }).await;
    sku.sku_id
}

async fn walk_groups(client: &Client, ada: ObjectId, boss: ObjectId, sku_id: SkuId) {
    let new = NewGroup {
        display_name: "Everyone".to_owned(),
        mail_nickname: "everyone".to_owned(),
        description: Some("All of us".to_owned()),
    };
    let group = make(client, Write::CreateGroup(new)).await.created.unwrap();
    let patch = GroupPatch {
        description: Change::Clear,
        ..GroupPatch::default()
    };
    make(client, Write::PatchGroup { id: group, patch }).await;
    make(
        client,
        Write::AddGroupMembers {
            group,
            members: vec![ada],
        },
    )
    .await;
    make(client, Write::RemoveGroupMember { group, member: ada }).await;
    make(
        client,
        Write::AddGroupMembers {
            group,
            members: vec![ada, boss],
        },
    )
    .await;
    let members = client.group_members(group).try_concat().await.unwrap();
    assert_eq!(members.len(), 2);
    assert!(members.iter().all(|member| member.kind == MemberKind::User));
    let grant = LicenseGrant {
        sku_id,
        disabled_plans: vec![],
    };
    make(
        client,
        Write::AssignGroupLicense {
            id: group,
            add: vec![grant],
            remove: vec![],
        },
    )
    .await;
    make(
        client,
        Write::AssignGroupLicense {
            id: group,
            add: vec![],
            remove: vec![sku_id],
        },
    )
    .await;
    let groups = client.groups().try_concat().await.unwrap();
    assert!(groups.iter().any(|g| g.id == group && !g.is_dynamic()));
    let one = client.group(group).await.unwrap().unwrap();
    let nickname = one.mail_nickname.clone().unwrap();
    let found = client.find_groups_by_nickname(&nickname).await.unwrap();
    assert_eq!(found, [one]);
    make(client, Write::DeleteGroup { id: group }).await;
}

async fn walk_batch(client: &Client, domain: &str) {
    let user = |n: usize| Write::CreateUser(Box::new(new_user(domain, &format!("many{n}"))));
    let results = client
        .batch((0..PARTS_PER_BATCH).map(|n| (n, user(n))).collect())
        .await;
    let ids: Vec<ObjectId> = results
        .into_iter()
        .map(|(_, made)| made.unwrap().created.unwrap())
        .collect();
    let read = client.users_by_id(ids.clone()).await;
    assert!(
        read.iter()
            .all(|(id, account)| account.as_ref().unwrap().as_ref().unwrap().id == *id)
    );
    let delete = ids
        .into_iter()
        .map(|id| (id, Write::DeleteUser { id }))
        .collect();
    assert!(
        client
            .batch(delete)
            .await
            .iter()
            .all(|(_, result)| result.is_ok())
    );
}

async fn walk_deletion(client: &Client, ada: ObjectId) {
    make(client, Write::DeleteUser { id: ada }).await;
    assert_eq!(client.user(ada).await.unwrap(), None);
    let deleted = client.deleted_users().try_concat().await.unwrap();
    assert!(
        deleted
            .iter()
            .find(|account| account.id == ada)
            .unwrap()
            .deleted_at
            .is_some()
    );
    let restore = Write::Restore {
        id: ada,
        new_user_principal_name: None,
    };
    assert_eq!(make(client, restore).await.created, Some(ada));
    assert!(client.user(ada).await.unwrap().is_some());
}

/// A certificate as Graph wants it: DER in base64, without the lines of PEM.
fn certificate() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["portal.example".to_owned()]).unwrap();
    STANDARD.encode(params.self_signed(&key).unwrap().der())
}

async fn walk_federation(client: &Client, domain: &DomainName) {
    assert_eq!(client.federation_configuration(domain).await.unwrap(), None);
    let configuration = FederationConfiguration {
        display_name: Some("Contoso".to_owned()),
        issuer_uri: Some(format!("https://portal.example/{domain}")),
        passive_sign_in_uri: Some("https://portal.example/saml".to_owned()),
        active_sign_in_uri: Some("https://portal.example/saml".to_owned()),
        sign_out_uri: Some("https://portal.example/out".to_owned()),
        preferred_authentication_protocol: Some(FederationProtocol::Saml),
        federated_idp_mfa_behavior: Some(FederatedMfa::RejectMfaByFederatedIdp),
        ..FederationConfiguration::default()
    };
    make(
        client,
        Write::CreateFederation {
            domain: domain.clone(),
            signing_certificate: certificate(),
            configuration: Box::new(configuration.clone()),
        },
    )
    .await;
    let found = client
        .federation_configuration(domain)
        .await
        .unwrap()
        .unwrap();
    let id = found.id.unwrap();
    let next = Box::new(FederationConfiguration {
        next_signing_certificate: Some(certificate()),
        ..FederationConfiguration::default()
    });
    make(
        client,
        Write::PatchFederation {
            domain: domain.clone(),
            id,
            configuration: next,
        },
    )
    .await;
    make(
        client,
        Write::SetDomainManaged {
            domain: domain.clone(),
        },
    )
    .await;
    assert_eq!(client.federation_configuration(domain).await.unwrap(), None);
    make(
        client,
        Write::CreateFederation {
            domain: domain.clone(),
            signing_certificate: certificate(),
            configuration: Box::new(configuration),
        },
    )
    .await;
    let found = client.federation_configuration(domain).await.unwrap();
    let id = found.unwrap().id.unwrap();
    make(
        client,
        Write::DeleteFederation {
            domain: domain.clone(),
            id,
        },
    )
    .await;
    assert_eq!(client.federation_configuration(domain).await.unwrap(), None);
}
