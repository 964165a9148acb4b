//! Where observations go: our copy of the tenant's accounts, under the run's lease.

use std::sync::{Mutex, PoisonError};

use app::portal::Portal;
use signpost_app as app;
use signpost_model::plan::ObjectId;
use signpost_model::{Observation, Secret, Timestamp};
use signpost_store::accounts::{self, Round};
use signpost_store::runs::RunLease;
use signpost_store::{Error, Result};
use signpost_sync::observe::ObservationSink;

/// The store, as a reading of the tenant writes to it.
#[derive(Debug)]
pub(super) struct Sink {
    portal: Portal,
    lease: RunLease,
    /// The full read under way.
    round: Mutex<Option<Round>>,
}

impl Sink {
    pub(super) fn new(portal: Portal, lease: RunLease) -> Self {
        Self {
            portal,
            lease,
            round: Mutex::new(None),
        }
    }

    /// Where the next delta begins; `None`: the tenant has to be read in full.
    pub(super) async fn delta_link(&self) -> Result<Option<Secret>> {
        let store = &self.portal.store;
        let mut db = store.read().await?;
        accounts::open_delta_link(&mut db, store.sealer(), self.lease.application_id).await
    }

    fn now(&self) -> Timestamp {
        self.portal.clock.now()
    }

    fn round(&self) -> Option<Round> {
        *self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_round(&self, round: Option<Round>) {
        *self.round.lock().unwrap_or_else(PoisonError::into_inner) = round;
    }
}

impl ObservationSink for Sink {
    type Error = Error;

    async fn count(&self) -> Result<u64> {
        let mut db = self.portal.store.read().await?;
        let count = accounts::count(&mut db, self.lease.application_id).await?;
        Ok(count.unsigned_abs())
    }

    async fn known(&self, ids: &[ObjectId]) -> Result<Vec<Observation>> {
        let mut db = self.portal.store.read().await?;
        let known = accounts::find_many(&mut db, self.lease.application_id, ids).await?;
        Ok(known
            .into_iter()
            .map(|account| account.observation)
            .collect())
    }

    async fn begin_full_read(&self) -> Result<()> {
        let round = accounts::begin_full_read(&self.portal.store, &self.lease, self.now()).await?;
        self.set_round(Some(round));
        Ok(())
    }

    async fn store(&self, observations: &[Observation]) -> Result<()> {
        let (store, round) = (&self.portal.store, self.round());
        accounts::store_observations(store, &self.lease, round, observations, self.now()).await?;
        Ok(())
    }

    async fn remove(&self, gone: &[ObjectId]) -> Result<()> {
        accounts::remove(&self.portal.store, &self.lease, gone, self.now()).await
    }

    async fn finish_full_read(&self) -> Result<()> {
        let Some(round) = self.round() else {
            return Ok(());
        };
        accounts::finish_full_read(&self.portal.store, &self.lease, round, self.now()).await?;
        self.set_round(None);
        Ok(())
    }

    async fn save_delta_link(&self, link: &str) -> Result<()> {
        accounts::save_delta_link(
            &self.portal.store,
            self.portal.random.as_ref(),
            &self.lease,
            Some(&Secret::new(link)),
            self.now(),
        )
        .await
    }
}
