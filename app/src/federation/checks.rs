//! Looks whether a domain can be federated: reads the tenant, our own accounts and the identity
//! provider, and lets [`signpost_federation::checks`] judge.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use signpost_federation::checks::{
    AccountFacts, AdministratorFacts, Check, CheckFacts, CheckKind, CheckState, Read as Found,
    TenantDomain, family, judge, judge_accounts,
};
use signpost_federation::{FederationSettings, MAX_METADATA, ProviderMetadata};
use signpost_graph as graph;
use signpost_model::{ApplicationId, Timestamp};
use signpost_store::{Read, federations, immutable_ids};
use uuid::Uuid;

use super::SetUp;
use crate::connection_check::problem_of;
use crate::connector::{self, Connector};
use crate::error::PortalError;
use crate::forms::internal;
use crate::portal::Portal;

/// The role of a Global Administrator, the same in every tenant.
const GLOBAL_ADMINISTRATOR: Uuid = Uuid::from_u128(0x62e9_0394_69f5_4237_9190_0121_7714_5e10);
/// Federated domains whose issuer is compared.
const MOST_FEDERATED: usize = 50;
/// Administrators that are looked at one by one.
const MOST_ADMINISTRATORS: usize = 60;
/// A person waits for the answer of their own portal.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found when it was last looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The domain and those below it that sign in as it does.
    pub family: Vec<String>,
    pub checks: Vec<Check>,
    /// The issuer that Microsoft has for the domain; empty while it is managed.
    pub issuer: String,
    pub at: Timestamp,
}

impl Checked {
    /// Whether the domain signs in through this provider now.
    pub fn is_federated_with(&self, issuer: &str) -> bool {
        self.issuer == issuer
    }

    /// One of the checks.
    pub fn of(&self, kind: CheckKind) -> Option<&Check> {
        self.checks.iter().find(|check| check.kind == kind)
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    family: Vec<String>,
    #[serde(default)]
    issuer: String,
    checks: Vec<StoredCheck>,
}

#[derive(Serialize, Deserialize)]
struct StoredCheck {
    kind: String,
    state: String,
    found: String,
    todo: String,
}

/// What was found last; the accounts are judged anew, since only they change here.
pub async fn stored(
    db: &mut Read,
    application: ApplicationId,
) -> Result<Option<Checked>, PortalError> {
    let Some((results, at)) = federations::find_checks(db, application).await? else {
        return Ok(None);
    };
    let stored: Stored = serde_json::from_value(results).map_err(|error| internal(&error))?;
    let checks = stored
        .checks
        .into_iter()
        .filter_map(|check| {
            Some(Check {
                kind: CheckKind::from_key(&check.kind)?,
                state: CheckState::from_key(&check.state)?,
                found: check.found,
                todo: check.todo,
            })
        })
        .collect();
    Ok(Some(Checked {
        family: stored.family,
        checks,
        issuer: stored.issuer,
        at,
    }))
}

/// What was found, with the accounts judged anew: only they change by what is done here.
pub async fn recount(
    db: &mut Read,
    set_up: &SetUp,
    mut checked: Checked,
) -> Result<Checked, PortalError> {
    let ward = immutable_ids::Ward {
        application: set_up.application.id,
        domains: checked.family.clone(),
        provider: set_up.provider(),
    };
    let counts = immutable_ids::count(db, &ward).await?;
    let anew = judge_accounts(&AccountFacts {
        total: counts.total(),
        open: counts.open(),
        waived: counts.waived,
    });
    for check in &mut checked.checks {
        if check.kind == CheckKind::ImmutableIds {
            *check = anew.clone();
        }
    }
    Ok(checked)
}

/// Looks now, and keeps what was found. `None`: there is nothing to federate yet, or no secret.
pub async fn look(portal: &Portal, set_up: &SetUp) -> Result<Option<Checked>, PortalError> {
    let Some(settings) = set_up.settings() else {
        return Ok(None);
    };
    let id = set_up.application.id;
    let mut read = portal.store.read().await?;
    let stored = connector::stored(&portal.store, &mut read, id).await?;
    drop(read);
    let Some((connection, secret)) = stored else {
        return Ok(None);
    };
    let client = Connector::of(portal)
        .for_page(&connection.settings, &secret)
        .map_err(|error| internal(&error))?;
    let checked = look_through(portal, set_up, settings, &client).await?;
    let results = serde_json::to_value(Stored {
        family: checked.family.clone(),
        issuer: checked.issuer.clone(),
        checks: checked
            .checks
            .iter()
            .map(|check| StoredCheck {
                kind: check.kind.key().to_owned(),
                state: check.state.key().to_owned(),
                found: check.found.clone(),
                todo: check.todo.clone(),
            })
            .collect(),
    })
    .map_err(|error| internal(&error))?;
    let mut tx = portal.store.write().await?;
    federations::save_checks(&mut tx, id, &results, checked.at).await?;
    tx.commit().await?;
    Ok(Some(checked))
}

/// Looks through this client; keeps nothing.
pub async fn look_through(
    portal: &Portal,
    set_up: &SetUp,
    settings: &FederationSettings,
    client: &graph::Client,
) -> Result<Checked, PortalError> {
    let domain = settings.values().domain.clone();
    let (domains, administrators, metadata) = futures::join!(
        read_domains(client),
        read_administrators(client),
        read_metadata(settings),
    );
    let issuers = read_issuers(client, &domain, &domains).await;
    let names: Vec<String> = match &domains {
        Ok(domains) => family(&domain, domains).map(str::to_lowercase).collect(),
        Err(_) => vec![domain.clone()],
    };
    let issuer = issuers.as_ref().ok().and_then(|issuers| {
        let own = issuers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&domain));
        own.map(|(_, issuer)| issuer.clone())
    });
    let facts = CheckFacts {
        accounts: Ok(count_accounts(portal, set_up, &names).await?),
        administrators: administrators.map(|found| sort_administrators(found, &names)),
        domains,
        issuers,
        metadata,
    };
    let now = portal.clock.now();
    Ok(Checked {
        checks: judge(settings, &facts, now),
        family: names,
        issuer: issuer.unwrap_or_default(),
        at: now,
    })
}

/// The accounts of these domains by whether they are ready.
pub async fn count_accounts(
    portal: &Portal,
    set_up: &SetUp,
    domains: &[String],
) -> Result<AccountFacts, PortalError> {
    let ward = immutable_ids::Ward {
        application: set_up.application.id,
        domains: domains.to_vec(),
        provider: set_up.provider(),
    };
    let counts = immutable_ids::count(&mut *portal.store.read().await?, &ward).await?;
    Ok(AccountFacts {
        total: counts.total(),
        open: counts.open(),
        waived: counts.waived,
    })
}

async fn read_domains(client: &graph::Client) -> Found<Vec<TenantDomain>> {
    let domains = client.domains().await.map_err(|error| words(&error))?;
    Ok(domains
        .into_iter()
        .map(|domain| TenantDomain {
            federated: domain.authentication_type == graph::AuthenticationType::Federated,
            name: domain.name,
            verified: domain.is_verified,
            initial: domain.is_initial,
            default: domain.is_default,
            root: domain.is_root,
        })
        .collect())
}

/// The issuers of federated domains, and what a managed one still holds.
async fn read_issuers(
    client: &graph::Client,
    own: &str,
    domains: &Found<Vec<TenantDomain>>,
) -> Found<Vec<(String, String)>> {
    let Ok(domains) = domains else {
        return Err("The domains could not be read.".to_owned());
    };
    let asked = domains.iter().filter(|domain| {
        domain.root && (domain.federated || domain.name.eq_ignore_ascii_case(own))
    });
    let mut issuers = Vec::new();
    for domain in asked.take(MOST_FEDERATED) {
        let Ok(name) = domain.name.parse() else {
            continue;
        };
        let found = client.federation_configuration(&name).await;
        let found = found.map_err(|error| words(&error))?;
        if let Some(configuration) = found {
            let issuer = configuration.issuer_uri.unwrap_or_default();
            issuers.push((domain.name.clone(), issuer));
        }
    }
    Ok(issuers)
}

/// The enabled Global Administrators, and whether each is of this tenant alone.
async fn read_administrators(client: &graph::Client) -> Found<Vec<(String, bool)>> {
    let holders = client.directory_role_members().await;
    let holders = holders.map_err(|error| words(&error))?;
    let ids: Vec<graph::ObjectId> = holders
        .into_iter()
        .filter(|held| {
            // A group or an application that holds the role is no user.
            held.role.role_template_id == Some(GLOBAL_ADMINISTRATOR)
                && held.holder.kind == graph::MemberKind::User
        })
        .map(|held| held.holder.id)
        .take(MOST_ADMINISTRATORS)
        .collect();
    let mut found = Vec::new();
    for (_, account) in client.users_by_id(ids).await {
        let Some(account) = account.map_err(|error| words(&error))? else {
            continue;
        };
        if account.account_enabled == Some(false) {
            continue;
        }
        let cloud_only = account.synchronised != Some(true);
        found.push((account.user_principal_name.unwrap_or_default(), cloud_only));
    }
    Ok(found)
}

fn sort_administrators(found: Vec<(String, bool)>, family: &[String]) -> AdministratorFacts {
    let mut facts = AdministratorFacts::default();
    for (name, cloud_only) in found {
        let domain = name
            .rsplit_once('@')
            .map(|(_, domain)| domain.to_lowercase());
        if domain.is_some_and(|domain| family.contains(&domain)) {
            facts.inside.push(name);
        } else if cloud_only {
            facts.outside += 1;
        }
    }
    facts.inside.sort();
    facts
}

/// The metadata as it answers under its public address; another provider's is not fetched: its
/// address comes from a form.
async fn read_metadata(
    settings: &FederationSettings,
) -> Option<Found<Result<ProviderMetadata, signpost_federation::MetadataProblem>>> {
    let address = settings.values().metadata_uri.as_deref()?;
    Some(match fetch(address).await {
        Ok(text) => Ok(ProviderMetadata::parse(&text)),
        Err(error) => Err(error),
    })
}

async fn fetch(address: &str) -> Found<String> {
    let told = |error: reqwest::Error| {
        if error.is_timeout() {
            "no answer in time.".to_owned()
        } else if error.is_connect() {
            "no connection.".to_owned()
        } else {
            "the answer could not be read.".to_owned()
        }
    };
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(told)?;
    let mut answer = client.get(address).send().await.map_err(told)?;
    if !answer.status().is_success() {
        return Err(format!("status {}.", answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(told)? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_METADATA {
            return Err("the answer is too large.".to_owned());
        }
    }
    String::from_utf8(body).map_err(|_| "the answer is no text.".to_owned())
}

/// Why Microsoft could not be asked, with its code.
fn words(error: &graph::Error) -> String {
    let problem = problem_of(error);
    match problem.code {
        Some(code) => format!("Microsoft Graph did not say ({code})."),
        None => "Microsoft Graph did not answer.".to_owned(),
    }
}
