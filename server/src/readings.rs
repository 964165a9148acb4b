//! What readiness does in the background: reads per-user MFA of every account in batches, and
//! makes checks again that are a day old.
//!
//! One runs in every process that works. A reading is taken by a lease and goes on where it
//! stands when its holder dies: each step is written before the next begins.

use std::collections::HashSet;
use std::time::Duration;

use app::connector::{Connector, stored};
use app::portal::Portal;
use futures::{StreamExt, TryStreamExt, stream};
use signpost_app as app;
use signpost_graph::{self as graph, Client, ObjectId, PARTS_PER_BATCH, Selection};
use signpost_model::readiness::{PerUserMfa, RegistrationTally};
use signpost_model::time::DAY_MS;
use signpost_model::{ApplicationId, Timestamp};
use signpost_store::account_readings::{
    self as readings, AccountState, ListedAccount, Phase, ReadingLease, Registrations,
};
use signpost_store::readiness;
use signpost_sync::readiness::{Read, read_of};

/// How often the database is asked for readings that wait.
const PACE: Duration = Duration::from_secs(1);

/// A reader that gives no sign of life for this long has lost its reading. Each step is shorter.
const LEASE_MS: i64 = 120_000;

/// Batches under way at the same time; the client's own quota restrains them further.
const BATCHES: usize = 4;

/// Accounts that one step asks: what a crash loses at most.
const STEP: i64 = (PARTS_PER_BATCH * BATCHES) as i64;

/// Checks are made again when they are older: a secret that ends must not wait for a visitor.
const STALE_MS: i64 = DAY_MS;

/// How often it is looked whether checks are stale, in rounds of [`PACE`].
const STALE_ROUNDS: u32 = 600;

/// Works until it is dropped.
pub async fn run(portal: Portal) {
    let holder = signpost_model::random::random_token(portal.random.as_ref());
    let mut round: u32 = 0;
    loop {
        match work_once(&portal, &holder).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(error = %error, "accounts are not read for now"),
        }
        if round.is_multiple_of(STALE_ROUNDS) {
            recheck(&portal).await;
        }
        round = round.wrapping_add(1);
        tokio::time::sleep(PACE).await;
    }
}

/// Makes checks again that are a day old.
async fn recheck(portal: &Portal) {
    let before = portal.clock.now().plus_millis(-STALE_MS);
    let stale = async { readiness::list_stale(&mut *portal.store.read().await?, before, 20).await };
    let stale = match stale.await {
        Ok(stale) => stale,
        Err(error) => {
            tracing::warn!(error = %error, "cannot tell which checks are old");
            return;
        }
    };
    for application in stale {
        if let Err(error) = app::readiness::look(portal, application).await {
            tracing::warn!(%application, error = %error, "checks were not made again");
        }
    }
}

/// Takes a reading that waits and carries it out; `false` when there is none.
pub async fn work_once(portal: &Portal, holder: &str) -> signpost_store::Result<bool> {
    let mut tx = portal.store.write().await?;
    let lease = readings::claim(&mut tx, holder, LEASE_MS, now(portal)).await?;
    tx.commit().await?;
    let Some(lease) = lease else { return Ok(false) };
    let application = lease.application_id;
    tracing::info!(%application, phase = ?lease.phase, "accounts are being read");
    match carry_out(portal, &lease).await {
        Ok(()) => {}
        Err(Stopped::Store(error)) => return Err(error),
        Err(Stopped::Failed(why)) => {
            tracing::warn!(%application, why, "accounts could not be read");
            let mut tx = portal.store.write().await?;
            readings::fail(&mut tx, &lease, &why, now(portal)).await?;
            tx.commit().await?;
        }
    }
    if let Err(error) = app::readiness::look(portal, application).await {
        tracing::warn!(%application, error = %error, "checks were not made after the reading");
    }
    Ok(true)
}

/// Why a reading does not go on.
#[derive(Debug)]
enum Stopped {
    /// Our own records failed, or the lease is lost: whoever takes it over goes on.
    Store(signpost_store::Error),
    /// With words for people.
    Failed(String),
}

impl From<signpost_store::Error> for Stopped {
    fn from(error: signpost_store::Error) -> Self {
        Self::Store(error)
    }
}

fn now(portal: &Portal) -> Timestamp {
    portal.clock.now()
}

async fn carry_out(portal: &Portal, lease: &ReadingLease) -> Result<(), Stopped> {
    let (client, domain) = client_of(portal, lease.application_id).await?;
    if matches!(lease.phase, Phase::Waiting | Phase::Listing) {
        list(portal, lease, &client, &domain).await?;
    }
    if lease.phase != Phase::Registrations {
        ask_each(portal, lease, &client).await?;
    }
    let registrations = count_registrations(&client, &domain).await;
    let mut tx = portal.store.write().await?;
    readings::finish(&mut tx, lease, &registrations, now(portal)).await?;
    tx.commit().await?;
    Ok(())
}

async fn client_of(portal: &Portal, id: ApplicationId) -> Result<(Client, String), Stopped> {
    let mut read = portal.store.read().await?;
    let found = stored(&portal.store, &mut read, id).await?;
    drop(read);
    let unusable = |why: &str| Stopped::Failed(format!("The connection cannot be used: {why}."));
    let (connection, credential) = found.ok_or_else(|| unusable("it has no values"))?;
    let config = Connector::of(portal)
        .config(&connection.settings, &credential)
        .map_err(|problem| unusable(&problem.to_string()))?;
    let client = Client::new(config).map_err(|problem| unusable(&problem.to_string()))?;
    Ok((client, connection.settings.domain))
}

/// Lists the accounts of the domain, page by page.
async fn list(
    portal: &Portal,
    lease: &ReadingLease,
    client: &Client,
    domain: &str,
) -> Result<(), Stopped> {
    let administrators: HashSet<ObjectId> = known(client.directory_role_members().await)?
        .into_iter()
        .map(|held| held.holder.id)
        .collect();
    let ending = format!("@{}", domain.to_lowercase());
    let mut pages = client.list_users(Selection::Properties);
    while let Some(page) = pages.next().await {
        let accounts: Vec<ListedAccount> = known(page)?
            .into_iter()
            .filter_map(|account| {
                let name = account.user_principal_name?;
                name.to_lowercase()
                    .ends_with(&ending)
                    .then(|| ListedAccount {
                        object_id: account.id.to_string(),
                        administrator: administrators.contains(&account.id),
                        name,
                    })
            })
            .collect();
        let mut tx = portal.store.write().await?;
        readings::list_accounts(&mut tx, lease, &accounts, now(portal)).await?;
        tx.commit().await?;
    }
    let mut tx = portal.store.write().await?;
    readings::finish_listing(&mut tx, lease, now(portal)).await?;
    tx.commit().await?;
    Ok(())
}

/// Asks each account that nobody has asked, in batches side by side.
async fn ask_each(portal: &Portal, lease: &ReadingLease, client: &Client) -> Result<(), Stopped> {
    loop {
        let next = {
            let mut db = portal.store.read().await?;
            readings::next_unread(&mut db, lease, STEP).await?
        };
        if next.is_empty() {
            break;
        }
        let states = ask(client, &next).await;
        // One account may fail for itself; when all do for want of a permission, asking on is idle.
        let mut tx = portal.store.write().await?;
        readings::save_states(&mut tx, lease, &states.states, now(portal)).await?;
        tx.commit().await?;
        if let Some(why) = states.pointless {
            return Err(Stopped::Failed(why));
        }
    }
    let mut tx = portal.store.write().await?;
    readings::finish_reading(&mut tx, lease, now(portal)).await?;
    tx.commit().await?;
    Ok(())
}

/// What a step of accounts said.
struct Asked {
    states: Vec<AccountState>,
    /// Set when no account will ever answer.
    pointless: Option<String>,
}

async fn ask(client: &Client, accounts: &[String]) -> Asked {
    let ids: Vec<(String, Option<ObjectId>)> = accounts
        .iter()
        .map(|id| (id.clone(), id.parse().ok()))
        .collect();
    let batches: Vec<Vec<ObjectId>> = ids
        .iter()
        .filter_map(|(_, id)| *id)
        .collect::<Vec<_>>()
        .chunks(PARTS_PER_BATCH)
        .map(<[_]>::to_vec)
        .collect();
    let answers: Vec<_> = stream::iter(batches)
        .map(|batch| client.per_user_mfa_of(batch))
        .buffer_unordered(BATCHES)
        .concat()
        .await;
    let mut pointless = None;
    let mut states = Vec::new();
    for (id, answer) in answers {
        let state = match read_of(answer) {
            Read::Known(graph::PerUserMfa::Disabled) => Ok(PerUserMfa::Disabled),
            Read::Known(graph::PerUserMfa::Enabled) => Ok(PerUserMfa::Enabled),
            Read::Known(graph::PerUserMfa::Enforced) => Ok(PerUserMfa::Enforced),
            Read::Known(graph::PerUserMfa::Unknown) => {
                Err("Microsoft names a state that Signpost does not know.".to_owned())
            }
            Read::Missing(permission) => {
                pointless = Some(format!("The permission {permission} is missing."));
                Err(format!("The permission {permission} is missing."))
            }
            Read::Failed(why) => Err(why),
        };
        states.push(AccountState {
            object_id: id.to_string(),
            state,
        });
    }
    // An id that is none is never asked again in this round.
    for (object_id, id) in ids {
        if id.is_none() {
            let state = Err("Its id cannot be read.".to_owned());
            states.push(AccountState { object_id, state });
        }
    }
    Asked { states, pointless }
}

/// Counts what people of the domain have registered; it needs a permission of its own.
async fn count_registrations(client: &Client, domain: &str) -> Registrations {
    let ending = format!("@{}", domain.to_lowercase());
    let counted = client
        .registration_details()
        .try_fold(RegistrationTally::default(), |mut tally, page| {
            for one in page {
                let name = one.user_principal_name.unwrap_or_default();
                if one.is_admin == Some(true) || !name.to_lowercase().ends_with(&ending) {
                    continue;
                }
                tally.users += 1;
                tally.password_reset += i64::from(one.is_sspr_enabled == Some(true));
                tally.second_factor += i64::from(one.is_mfa_registered == Some(true));
            }
            futures::future::ready(Ok(tally))
        })
        .await;
    match read_of(counted) {
        Read::Known(tally) => Registrations::Known(tally),
        Read::Missing(permission) => Registrations::Missing(permission),
        Read::Failed(why) => Registrations::Failed(why),
    }
}

/// What was read, or why the reading fails as a whole.
fn known<T>(result: Result<T, graph::Error>) -> Result<T, Stopped> {
    match read_of(result) {
        Read::Known(value) => Ok(value),
        Read::Missing(permission) => Err(Stopped::Failed(format!(
            "The permission {permission} is missing."
        ))),
        Read::Failed(why) => Err(Stopped::Failed(why)),
    }
}
