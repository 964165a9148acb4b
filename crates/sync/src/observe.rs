//! Reads what the tenant holds: everything once, afterwards only what changed.
//!
//! The delta's link is taken **before** a full read, so that nothing that happens meanwhile is
//! missed: it comes again with the next delta, and reading an account twice changes nothing. The
//! link of a round is kept only when every page of it is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use futures::StreamExt;
use signpost_graph::{
    AccountChange, Client, DeltaLink, DeltaStart, Error, ErrorKind, MemberKind, Selection,
};
use signpost_model::Observation;
use signpost_model::connection::FoundDomain;
use signpost_model::license::Product;
use signpost_model::plan::ObjectId;
use signpost_model::run::RunFailure;

use crate::translate::{self, LicenseNames, merge, object_id, observation, run_failure};

/// Where observations are kept.
pub trait ObservationSink: Send + Sync {
    /// What the records' store can fail with.
    type Error: std::error::Error + Send + Sync + 'static;

    /// How many accounts are known, deleted ones too.
    fn count(&self) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// The accounts with these ids, of those that are known.
    fn known(
        &self,
        ids: &[ObjectId],
    ) -> impl Future<Output = Result<Vec<Observation>, Self::Error>> + Send;

    /// Begins a full read: what is stored from now on belongs to it.
    fn begin_full_read(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Stores accounts as the tenant shows them.
    fn store(
        &self,
        accounts: &[Observation],
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Forgets accounts that are gone for good.
    fn remove(&self, gone: &[ObjectId]) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Ends a full read: what it did not show is gone. What was written since it began counts as
    /// shown, because replicas may not know it yet.
    fn finish_full_read(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Keeps where the next delta begins. It carries Microsoft's token: a secret.
    fn save_delta_link(&self, link: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What a reading found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Everything was read, not only what changed.
    pub full: bool,
    /// Accounts that came in, some of them perhaps unchanged.
    pub accounts: u64,
}

/// Why a reading failed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError<E: std::error::Error + 'static> {
    /// Microsoft did not let us, or did not answer.
    #[error("the tenant cannot be read")]
    Graph(#[source] Error),
    /// Our records failed.
    #[error("what the tenant shows cannot be stored")]
    Sink(#[source] E),
    /// The tenant suddenly shows a fraction of what is known: no reason to forget the rest.
    #[error("the tenant shows {seen} accounts, and {known} are known")]
    Implausible {
        /// Accounts in the full read.
        seen: u64,
        /// Accounts that were known before.
        known: u64,
    },
}

impl<E: std::error::Error + 'static> ObserveError<E> {
    /// The words for the run that ended by it; `None` when our own records failed.
    pub fn run_failure(&self) -> Option<RunFailure> {
        match self {
            Self::Graph(error) => Some(run_failure(error)),
            Self::Implausible { seen, known } => Some(RunFailure {
                text: format!(
                    "Microsoft listed only {seen} of {known} known accounts. Nothing was changed. Sync again; if it stays so, look at the tenant in the Entra admin center."
                ),
                code: None,
                request_id: None,
            }),
            Self::Sink(_) => None,
        }
    }
}

/// Below this many known accounts a tenant may shrink as it likes.
const SMALL: u64 = 20;

/// Reads what changed since the link, or everything when there is none, it has expired, or it leads
/// to where the tenant was before: a practice tenant that moved.
pub async fn observe<S: ObservationSink>(
    client: &Client,
    sink: &S,
    delta_link: Option<&str>,
) -> Result<Observed, ObserveError<S::Error>> {
    let Some(link) = delta_link else {
        return read_everything(client, sink).await;
    };
    match read_changes(client, sink, link).await {
        Err(ObserveError::Graph(error))
            if matches!(
                error.kind(),
                ErrorKind::DeltaExpired | ErrorKind::ForeignLink { .. }
            ) =>
        {
            tracing::info!("the delta link is of no use: reading the tenant in full");
            read_everything(client, sink).await
        }
        result => result,
    }
}

/// Reads every account of the tenant, the deleted ones too.
pub async fn read_everything<S: ObservationSink>(
    client: &Client,
    sink: &S,
) -> Result<Observed, ObserveError<S::Error>> {
    let link = latest_link(client).await.map_err(ObserveError::Graph)?;
    let known = sink.count().await.map_err(ObserveError::Sink)?;
    sink.begin_full_read().await.map_err(ObserveError::Sink)?;
    let mut seen = 0;
    let live = client.list_users(Selection::WithManager);
    // Deleted accounts are read second: whoever is deleted meanwhile is seen at least once.
    let mut pages = live.chain(client.deleted_users());
    while let Some(page) = pages.next().await {
        let page = page.map_err(ObserveError::Graph)?;
        let accounts: Vec<_> = page.iter().map(observation).collect();
        seen += accounts.len() as u64;
        sink.store(&accounts).await.map_err(ObserveError::Sink)?;
    }
    if known > SMALL && seen < known / 2 {
        return Err(ObserveError::Implausible { seen, known });
    }
    sink.finish_full_read().await.map_err(ObserveError::Sink)?;
    sink.save_delta_link(link.as_str())
        .await
        .map_err(ObserveError::Sink)?;
    Ok(Observed {
        full: true,
        accounts: seen,
    })
}

async fn latest_link(client: &Client) -> Result<DeltaLink, Error> {
    let mut pages = client.users_delta(DeltaStart::Latest);
    loop {
        match pages.next().await {
            Some(Ok(page)) => {
                if let Some(link) = page.link {
                    return Ok(link);
                }
            }
            Some(Err(error)) => return Err(error),
            // The client turns a delta without a link into an error: read from the beginning.
            None => pages = client.users_delta(DeltaStart::Beginning),
        }
    }
}

async fn read_changes<S: ObservationSink>(
    client: &Client,
    sink: &S,
    link: &str,
) -> Result<Observed, ObserveError<S::Error>> {
    let mut pages = client.users_delta(DeltaStart::Link(DeltaLink::from_stored(link)));
    let (mut accounts, mut next) = (0, None);
    while let Some(page) = pages.next().await {
        let page = page.map_err(ObserveError::Graph)?;
        accounts += page.changes.len() as u64;
        store_changes(sink, page.changes)
            .await
            .map_err(ObserveError::Sink)?;
        next = page.link.or(next);
    }
    if let Some(next) = next {
        sink.save_delta_link(next.as_str())
            .await
            .map_err(ObserveError::Sink)?;
    }
    Ok(Observed {
        full: false,
        accounts,
    })
}

/// Brings the known accounts to what the entries say. Entries may repeat and come in any order
/// between accounts; of one account the last one holds.
async fn store_changes<S: ObservationSink>(
    sink: &S,
    changes: Vec<AccountChange>,
) -> Result<(), S::Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: BTreeSet<ObjectId> = changes.iter().map(|change| object_id(change.id)).collect();
    let ids: Vec<ObjectId> = ids.into_iter().collect();
    let before = sink.known(&ids).await?;
    let mut accounts: BTreeMap<ObjectId, Option<Observation>> = (before.into_iter())
        .map(|seen| (seen.object_id.clone(), Some(seen)))
        .collect();
    for change in changes {
        let slot = accounts.entry(object_id(change.id)).or_default();
        *slot = merge(change, slot.as_ref());
    }
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for (id, account) in accounts {
        match account {
            Some(account) => kept.push(account),
            None => gone.push(id),
        }
    }
    if !kept.is_empty() {
        sink.store(&kept).await?;
    }
    if !gone.is_empty() {
        sink.remove(&gone).await?;
    }
    Ok(())
}

/// The tenant's domains.
pub async fn read_domains(client: &Client) -> Result<Vec<FoundDomain>, Error> {
    let domains = client.domains().await?;
    Ok(domains.into_iter().map(translate::domain).collect())
}

/// The tenant's products with their seats as they are now.
pub async fn read_products(
    client: &Client,
    names: &dyn LicenseNames,
) -> Result<Vec<Product>, Error> {
    let skus = client.subscribed_skus().await?;
    Ok((skus.iter())
        .map(|sku| translate::product(sku, names))
        .collect())
}

/// The tenant's products with their seats as they are now, and its domains.
pub async fn read_products_and_domains(
    client: &Client,
    names: &dyn LicenseNames,
) -> Result<(Vec<Product>, Vec<FoundDomain>), Error> {
    let (skus, domains) = client.skus_and_domains().await?;
    let products = skus.iter().map(|sku| translate::product(sku, names));
    let domains = domains.into_iter().map(translate::domain);
    Ok((products.collect(), domains.collect()))
}

/// Everybody who holds a directory role, themselves or through a group.
pub async fn read_role_holders(client: &Client) -> Result<Vec<ObjectId>, Error> {
    let mut holders = BTreeSet::new();
    let mut groups = BTreeSet::new();
    for held in client.directory_role_members().await? {
        match held.holder.kind {
            MemberKind::User => {
                holders.insert(object_id(held.holder.id));
            }
            MemberKind::Group => {
                groups.insert(held.holder.id);
            }
            MemberKind::Other => {}
        }
    }
    for group in groups {
        let mut pages = client.group_members(group);
        while let Some(page) = pages.next().await {
            let users = page?
                .into_iter()
                .filter(|member| member.kind == MemberKind::User);
            holders.extend(users.map(|member| object_id(member.id)));
        }
    }
    Ok(holders.into_iter().collect())
}
