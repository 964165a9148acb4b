//! What can be read.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::account::{Account, AccountChange, SELECT};
use crate::client::Client;
use crate::error::{Error, absent_as_none};
use crate::federation::FederationConfiguration;
use crate::ids::{ClientId, DomainName, ObjectId};
use crate::page::{DeltaPages, DeltaStart, Pages, RawPage};
use crate::request::{Request, literal, with_query};
use crate::route::{self, Route};
use crate::tenant::{
    DirectoryRole, Domain, GROUP_SELECT, Group, GroupChange, LicenseDetail, Member, Organization,
    Registration, RoleHolder, SecurityDefaults, SubscribedSku,
};

/// How much of each account a list reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// The properties of [`Account`] without the manager.
    #[default]
    Properties,
    /// With the manager's id, for one resource unit more per page.
    WithManager,
}

/// Largest page Graph gives for users and groups.
const PAGE: &str = "999";

const MANAGER: &str = "manager($select=id)";

#[derive(Deserialize)]
struct Collection<T> {
    value: Vec<T>,
}

/// The tenant.
impl Client {
    /// The tenant's own record.
    pub async fn organization(&self) -> Result<Organization, Error> {
        let select = "id,displayName,countryLetterCode,tenantType,onPremisesSyncEnabled";
        let path = with_query("/organization", &[("$select", select)]);
        let ExactlyOne(organization) = self.read(&Request::new(&route::ORGANIZATION, path)).await?;
        Ok(organization)
    }

    /// Every domain of the tenant.
    pub async fn domains(&self) -> Result<Vec<Domain>, Error> {
        self.list(domains()).await
    }

    /// Every product the tenant has bought.
    pub async fn subscribed_skus(&self) -> Result<Vec<SubscribedSku>, Error> {
        self.list(subscribed_skus()).await
    }

    /// The products and the domains, in one call.
    pub async fn skus_and_domains(&self) -> Result<(Vec<SubscribedSku>, Vec<Domain>), Error> {
        let parts = vec![((), subscribed_skus()), ((), domains())];
        let mut pages = self.batch_read::<_, RawPage<Value>>(parts).await;
        let domains = whole_list(pages.pop());
        let skus = whole_list(pages.pop());
        // What did not come so is asked for alone, which says what is wrong.
        Ok((
            match skus {
                Some(skus) => skus,
                None => self.subscribed_skus().await?,
            },
            match domains {
                Some(domains) => domains,
                None => self.domains().await?,
            },
        ))
    }

    /// The registration's secrets and certificates with their ends. `None` when the registration
    /// lives in another tenant.
    pub async fn application_credentials(
        &self,
        client: ClientId,
    ) -> Result<Option<Registration>, Error> {
        let select = "id,displayName,passwordCredentials,keyCredentials";
        let path = with_query(
            &format!("/applications(appId='{client}')"),
            &[("$select", select)],
        );
        absent_as_none(self.read(&Request::new(&route::APPLICATION, path)).await)
    }

    /// Everybody who holds a directory role: one call for the roles, one per twenty of them.
    pub async fn directory_role_members(&self) -> Result<Vec<RoleHolder>, Error> {
        let path = with_query(
            "/directoryRoles",
            &[("$select", "id,displayName,roleTemplateId")],
        );
        let roles: Vec<DirectoryRole> = self.list(Request::new(&route::ROLES, path)).await?;
        let members = |role: &DirectoryRole| {
            let path = format!("/directoryRoles/{}/members", role.id);
            Request::new(
                &route::ROLE_MEMBERS,
                with_query(&path, &[("$select", "id")]),
            )
        };
        let parts = roles
            .into_iter()
            .map(|role| (role.clone(), members(&role)))
            .collect();
        let mut holders = Vec::new();
        for (role, page) in self.batch_read::<_, RawPage<Member>>(parts).await {
            let page = page?;
            let mut all = page.value;
            if let Some(link) = page.next {
                all.extend(self.list::<Member>(members(&role).follow(link)).await?);
            }
            let hold = |holder| RoleHolder {
                role: role.clone(),
                holder,
            };
            holders.extend(all.into_iter().map(hold));
        }
        Ok(holders)
    }

    /// The federation of a domain; `None` while the domain is managed.
    pub async fn federation_configuration(
        &self,
        domain: &DomainName,
    ) -> Result<Option<FederationConfiguration>, Error> {
        let path = format!("/domains/{domain}/federationConfiguration");
        let found = self.read(&Request::new(&route::FEDERATION, path)).await;
        let found: Option<Collection<FederationConfiguration>> = absent_as_none(found)?;
        Ok(found.and_then(|collection| collection.value.into_iter().next()))
    }

    /// Whether security defaults are in force.
    pub async fn security_defaults(&self) -> Result<SecurityDefaults, Error> {
        let path = "/policies/identitySecurityDefaultsEnforcementPolicy";
        self.read(&Request::new(&route::SECURITY_DEFAULTS, path))
            .await
    }
}

fn domains() -> Request {
    Request::new(&route::DOMAINS, "/domains")
}

fn subscribed_skus() -> Request {
    let select =
        "skuId,skuPartNumber,capabilityStatus,appliesTo,consumedUnits,prepaidUnits,servicePlans";
    Request::new(
        &route::SKUS,
        with_query("/subscribedSkus", &[("$select", select)]),
    )
}

/// The list of a batch's part, when it came in one piece and can be read.
fn whole_list<T: DeserializeOwned>(
    part: Option<((), Result<RawPage<Value>, Error>)>,
) -> Option<Vec<T>> {
    let (_, page) = part?;
    let page = page.ok().filter(|page| page.next.is_none())?;
    let read = |one| serde_json::from_value(one).ok();
    page.value.into_iter().map(read).collect()
}

/// Users.
impl Client {
    /// One account with its manager; `None` when it does not exist or is deleted.
    pub async fn user(&self, id: ObjectId) -> Result<Option<Account>, Error> {
        absent_as_none(self.read(&user_request(id)).await)
    }

    /// Several accounts by id, twenty to a call, each judged alone.
    pub async fn users_by_id(
        &self,
        ids: Vec<ObjectId>,
    ) -> Vec<(ObjectId, Result<Option<Account>, Error>)> {
        let parts = ids.into_iter().map(|id| (id, user_request(id))).collect();
        let answers: Vec<(_, Result<Account, _>)> = self.batch_read(parts).await;
        answers
            .into_iter()
            .map(|(id, answer)| (id, absent_as_none(answer)))
            .collect()
    }

    /// The accounts with this ImmutableId, compared exactly; Graph keeps it unique.
    pub async fn find_by_immutable_id(&self, immutable_id: &str) -> Result<Vec<Account>, Error> {
        self.list(find_request(Key::ImmutableId, immutable_id))
            .await
    }

    /// The account with this UserPrincipalName.
    pub async fn find_by_upn(&self, upn: &str) -> Result<Vec<Account>, Error> {
        self.list(find_request(Key::UserPrincipalName, upn)).await
    }

    /// The accounts with this primary mail address.
    pub async fn find_by_mail(&self, mail: &str) -> Result<Vec<Account>, Error> {
        self.list(find_request(Key::Mail, mail)).await
    }

    /// Looks up each ImmutableId, twenty to a call: how lost creates are found again.
    pub async fn find_many_by_immutable_id(
        &self,
        immutable_ids: Vec<String>,
    ) -> HashMap<String, Result<Vec<Account>, Error>> {
        let parts = immutable_ids
            .into_iter()
            .map(|id| (id.clone(), find_request(Key::ImmutableId, &id)))
            .collect();
        let answers: Vec<(String, Result<Collection<Account>, Error>)> =
            self.batch_read(parts).await;
        answers
            .into_iter()
            .map(|(id, found)| (id, found.map(|found| found.value)))
            .collect()
    }

    /// Every account, a page of up to 999 at a time.
    pub fn list_users(&self, selection: Selection) -> Pages<Account> {
        let mut options = vec![("$select", SELECT), ("$top", PAGE)];
        if selection == Selection::WithManager {
            options.push(("$expand", MANAGER));
        }
        let request = Request::new(&route::USERS, with_query("/users", &options));
        self.pages(match selection {
            Selection::Properties => request,
            Selection::WithManager => request.expanded(),
        })
    }

    /// How many users the tenant has; the index behind it lags a little.
    pub async fn count_users(&self) -> Result<u64, Error> {
        let request = Request::new(&route::USER_COUNT, "/users/$count")
            .header("consistencylevel", "eventual")
            .header("accept", "text/plain");
        let (answer, call) = self.send(&request).await?;
        // A byte order mark stands before the number.
        let text = String::from_utf8_lossy(&answer.body);
        let text = text.trim_start_matches('\u{feff}').trim();
        text.parse().map_err(|_| {
            let kind = crate::ErrorKind::Decode {
                path: ".".to_owned(),
                problem: "not a number".to_owned(),
            };
            Error::new(kind, call, answer.headers.request_id.clone())
        })
    }

    /// What changed among users since `start`.
    pub fn users_delta(&self, start: DeltaStart) -> DeltaPages<AccountChange> {
        self.delta(&route::USERS_DELTA, &format!("{SELECT},manager"), start)
    }

    /// Deleted users that can still be restored.
    pub fn deleted_users(&self) -> Pages<Account> {
        let path = with_query(
            "/directory/deletedItems/microsoft.graph.user",
            &[("$select", SELECT), ("$top", PAGE)],
        );
        self.pages(Request::new(&route::DELETED_USERS, path))
    }

    /// The user's licenses with the state of each plan.
    pub async fn license_details(&self, id: ObjectId) -> Result<Vec<LicenseDetail>, Error> {
        let path = with_query(
            &format!("/users/{id}/licenseDetails"),
            &[("$select", "skuId,skuPartNumber,servicePlans")],
        );
        self.list(Request::new(&route::LICENSE_DETAILS, path)).await
    }
}

/// Groups.
impl Client {
    /// Every group, a page of up to 999 at a time.
    pub fn groups(&self) -> Pages<Group> {
        let path = with_query("/groups", &[("$select", GROUP_SELECT), ("$top", PAGE)]);
        self.pages(Request::new(&route::GROUPS, path))
    }

    /// One group; `None` when it does not exist.
    pub async fn group(&self, id: ObjectId) -> Result<Option<Group>, Error> {
        let path = with_query(&format!("/groups/{id}"), &[("$select", GROUP_SELECT)]);
        absent_as_none(self.read(&Request::new(&route::GROUP, path)).await)
    }

    /// The groups with this mail alias: how a create whose answer was lost is found again.
    pub async fn find_groups_by_nickname(&self, nickname: &str) -> Result<Vec<Group>, Error> {
        let filter = format!("mailNickname eq {}", literal(nickname));
        let options = [("$select", GROUP_SELECT), ("$filter", &filter)];
        self.list(Request::new(
            &route::GROUPS,
            with_query("/groups", &options),
        ))
        .await
    }

    /// Direct members of a group, a page of up to 999 at a time.
    pub fn group_members(&self, group: ObjectId) -> Pages<Member> {
        let path = format!("/groups/{group}/members");
        let path = with_query(&path, &[("$select", "id"), ("$top", PAGE)]);
        self.pages(Request::new(&route::GROUP_MEMBERS, path))
    }

    /// What changed among groups and their members since `start`.
    pub fn groups_delta(&self, start: DeltaStart) -> DeltaPages<GroupChange> {
        let select = format!("{GROUP_SELECT},members");
        self.delta(&route::GROUPS_DELTA, &select, start)
    }

    fn delta<T>(&self, route: &'static Route, select: &str, start: DeltaStart) -> DeltaPages<T>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        let mut options = vec![("$select", select)];
        if start == DeltaStart::Latest {
            options.push(("$deltatoken", "latest"));
        }
        let mut request = Request::new(route, with_query(route.template, &options));
        if let DeltaStart::Link(link) = start {
            request = request.follow(link.as_str().to_owned());
        }
        self.delta_pages(request)
    }
}

#[derive(Clone, Copy)]
enum Key {
    ImmutableId,
    UserPrincipalName,
    Mail,
}

impl Key {
    fn property(self) -> &'static str {
        match self {
            Self::ImmutableId => "onPremisesImmutableId",
            Self::UserPrincipalName => "userPrincipalName",
            Self::Mail => "mail",
        }
    }
}

fn find_request(key: Key, value: &str) -> Request {
    let filter = format!("{} eq {}", key.property(), literal(value));
    let options = [
        ("$select", SELECT),
        ("$expand", MANAGER),
        ("$filter", &filter),
    ];
    Request::new(&route::USERS, with_query("/users", &options)).expanded()
}

fn user_request(id: ObjectId) -> Request {
    let options = [("$select", SELECT), ("$expand", MANAGER)];
    Request::new(&route::USER, with_query(&format!("/users/{id}"), &options)).expanded()
}

/// A collection that must have one element.
#[derive(Deserialize)]
#[serde(try_from = "Collection<T>")]
struct ExactlyOne<T>(T);

impl<T> TryFrom<Collection<T>> for ExactlyOne<T> {
    type Error = &'static str;

    fn try_from(collection: Collection<T>) -> Result<Self, &'static str> {
        let mut items = collection.value.into_iter();
        match (items.next(), items.next()) {
            (Some(only), None) => Ok(Self(only)),
            _ => Err("not exactly one element"),
        }
    }
}
