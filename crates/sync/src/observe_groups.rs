//! Reads the tenant's groups: everything once, afterwards only what changed.
//!
//! The first round of a delta tells every group with its members and ends in the link for the
//! next, so one reading does both.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use futures::StreamExt;
use signpost_graph::{Client, DeltaLink, DeltaStart, ErrorKind, GroupChange};
use signpost_model::group_push::TenantGroup;
use signpost_model::plan::ObjectId;

use crate::observe::ObserveError;
use crate::translate::{merge_group, object_id};

/// What a reading says about a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenGroup {
    pub object_id: ObjectId,
    /// `None`: it is gone.
    pub group: Option<TenantGroup>,
    pub entered: Vec<ObjectId>,
    pub left: Vec<ObjectId>,
}

/// Where observed groups are kept.
pub trait GroupSink: Send + Sync {
    /// What the records' store can fail with.
    type Error: std::error::Error + Send + Sync + 'static;

    /// How many groups are known.
    fn count(&self) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// The groups with these ids, of those that are known.
    fn known(
        &self,
        ids: &[ObjectId],
    ) -> impl Future<Output = Result<Vec<TenantGroup>, Self::Error>> + Send;

    /// Begins a full read: what is stored from now on belongs to it.
    fn begin_full_read(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Stores what was seen.
    fn store(&self, seen: &[SeenGroup]) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Ends a full read: what it did not show is gone.
    fn finish_full_read(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Keeps where the next delta begins. It carries Microsoft's token: a secret.
    fn save_delta_link(&self, link: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Below this many known groups a tenant may shrink as it likes.
const SMALL: u64 = 20;

/// Reads what changed since the link, or everything when there is none or it has expired.
pub async fn observe_groups<S: GroupSink>(
    client: &Client,
    sink: &S,
    delta_link: Option<&str>,
) -> Result<(), ObserveError<S::Error>> {
    if let Some(link) = delta_link {
        let start = DeltaStart::Link(DeltaLink::from_stored(link));
        match read(client, sink, start).await {
            // It has expired, or leads to where a practice tenant was before.
            Err(ObserveError::Graph(error))
                if matches!(
                    error.kind(),
                    ErrorKind::DeltaExpired | ErrorKind::ForeignLink { .. }
                ) =>
            {
                tracing::info!("the delta link of groups is of no use: reading them in full");
            }
            Err(error) => return Err(error),
            Ok((link, _)) => return keep(sink, link).await,
        }
    }
    let known = sink.count().await.map_err(ObserveError::Sink)?;
    sink.begin_full_read().await.map_err(ObserveError::Sink)?;
    let (link, seen) = read(client, sink, DeltaStart::Beginning).await?;
    if known > SMALL && seen < known / 2 {
        return Err(ObserveError::Implausible { seen, known });
    }
    sink.finish_full_read().await.map_err(ObserveError::Sink)?;
    keep(sink, link).await
}

async fn keep<S: GroupSink>(
    sink: &S,
    link: Option<DeltaLink>,
) -> Result<(), ObserveError<S::Error>> {
    match link {
        Some(link) => sink
            .save_delta_link(link.as_str())
            .await
            .map_err(ObserveError::Sink),
        None => Ok(()),
    }
}

/// Reads a delta to its end; returns its link, and how many groups it told.
async fn read<S: GroupSink>(
    client: &Client,
    sink: &S,
    start: DeltaStart,
) -> Result<(Option<DeltaLink>, u64), ObserveError<S::Error>> {
    let mut pages = client.groups_delta(start);
    let (mut link, mut told) = (None, BTreeSet::new());
    while let Some(page) = pages.next().await {
        let page = page.map_err(ObserveError::Graph)?;
        told.extend(
            page.changes
                .iter()
                .filter(|change| change.removed.is_none())
                .map(|change| change.id),
        );
        store(sink, page.changes)
            .await
            .map_err(ObserveError::Sink)?;
        link = page.link.or(link);
    }
    Ok((link, told.len() as u64))
}

/// Entries may repeat; of one group the last one holds, and of one member the last word.
async fn store<S: GroupSink>(sink: &S, changes: Vec<GroupChange>) -> Result<(), S::Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: BTreeSet<ObjectId> = changes.iter().map(|change| object_id(change.id)).collect();
    let ids: Vec<ObjectId> = ids.into_iter().collect();
    let before: BTreeMap<ObjectId, TenantGroup> = sink
        .known(&ids)
        .await?
        .into_iter()
        .map(|group| (group.object_id.clone(), group))
        .collect();
    let mut seen: BTreeMap<ObjectId, (Option<TenantGroup>, BTreeMap<ObjectId, bool>)> =
        BTreeMap::new();
    for change in changes {
        let id = object_id(change.id);
        let (group, members) = seen
            .entry(id.clone())
            .or_insert_with(|| (before.get(&id).cloned(), BTreeMap::new()));
        for member in &change.members {
            members.insert(object_id(member.id), member.removed.is_none());
        }
        *group = merge_group(change, group.as_ref());
        if group.is_none() {
            members.clear();
        }
    }
    let seen: Vec<SeenGroup> = seen
        .into_iter()
        .map(|(object_id, (group, members))| {
            let (entered, left): (Vec<_>, Vec<_>) =
                members.into_iter().partition(|(_, is_in)| *is_in);
            let ids = |list: Vec<(ObjectId, bool)>| list.into_iter().map(|(id, _)| id).collect();
            SeenGroup {
                object_id,
                group,
                entered: ids(entered),
                left: ids(left),
            }
        })
        .collect();
    sink.store(&seen).await
}
