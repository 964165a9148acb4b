//! The records of a run as the apply reads and writes them, under the run's lease.

use std::collections::HashMap;
use std::sync::Arc;

use app::portal::Portal;
use signpost_app as app;
use signpost_model::plan::ObjectId;
use signpost_model::{Timestamp, UserId};
use signpost_store::runs::RunLease;
use signpost_store::runs::actions::{ActionState, StoredAction};
use signpost_store::runs::chains::{self, OpenActions};
use signpost_store::runs::lease::Held;
use signpost_store::runs::outcomes::{self, Effect};
use signpost_store::{Error, Result};
use signpost_sync::apply::{Chain, Effects, Journal, Recorded, Signal, Step};

use super::lifeline::Lifeline;

/// The stored plan of one run.
#[derive(Debug)]
pub(super) struct RunJournal {
    portal: Portal,
    lease: RunLease,
    lifeline: Arc<Lifeline>,
}

impl RunJournal {
    pub(super) fn new(portal: Portal, lease: RunLease, lifeline: Arc<Lifeline>) -> Self {
        Self {
            portal,
            lease,
            lifeline,
        }
    }

    fn now(&self) -> Timestamp {
        self.portal.clock.now()
    }
}

pub(super) fn signal(held: Held) -> Signal {
    if held.cancel_requested {
        Signal::Stop
    } else {
        Signal::GoOn
    }
}

impl Journal for RunJournal {
    type Error = Error;

    async fn next_chains(&self, after: Option<i64>, limit: usize) -> Result<Vec<Chain>> {
        let mut db = self.portal.store.read().await?;
        let (application, run) = (self.lease.application_id, self.lease.run_id);
        let open = chains::list_open(&mut db, application, run, after, limit).await?;
        Ok(open.into_iter().map(chain).collect())
    }

    async fn accounts_of(&self, users: &[UserId]) -> Result<HashMap<UserId, ObjectId>> {
        let mut db = self.portal.store.read().await?;
        chains::find_linked(&mut db, self.lease.application_id, users).await
    }

    async fn mark_sent(&self, sequences: &[i64]) -> Result<Signal> {
        let (store, moment) = (&self.portal.store, self.lifeline.now());
        let held = outcomes::mark_sent(store, &self.lease, sequences, self.now()).await?;
        self.lifeline.renew(moment);
        Ok(signal(held))
    }

    async fn record(&self, recorded: &[Recorded]) -> Result<Signal> {
        let recorded: Vec<_> = recorded.iter().map(stored).collect();
        let (store, moment) = (&self.portal.store, self.lifeline.now());
        let held = outcomes::record(store, &self.lease, &recorded, self.now()).await?;
        self.lifeline.renew(moment);
        Ok(signal(held))
    }
}

fn chain(open: OpenActions) -> Chain {
    Chain {
        user_id: open.user_id,
        object_id: open.object_id,
        observation: open.observation,
        owned: open.owned,
        steps: open.actions.into_iter().map(step).collect(),
    }
}

fn step(action: StoredAction) -> Step {
    Step {
        sequence: action.sequence,
        sent: action.state == ActionState::Sent,
        action: action.action,
    }
}

fn stored(recorded: &Recorded) -> outcomes::Recorded {
    outcomes::Recorded {
        sequence: recorded.sequence,
        outcome: recorded.outcome.clone(),
        effects: effects_of(recorded),
    }
}

fn effects_of(recorded: &Recorded) -> Vec<Effect> {
    let mut all = recorded.effects.as_ref().map(effects).unwrap_or_default();
    all.extend(recorded.unanswered.then_some(Effect::Unanswered));
    all
}

/// What an outcome changes, as the store takes it.
pub(super) fn effects(effects: &Effects) -> Vec<Effect> {
    let object_id = &effects.object_id;
    let link = effects.link.map(|method| Effect::Linked {
        user_id: effects.user_id,
        object_id: object_id.clone(),
        method,
    });
    let lost = effects
        .ledger
        .lost
        .iter()
        .map(|(kind, key)| Effect::Disowned {
            object_id: object_id.clone(),
            kind: *kind,
            key: key.clone(),
        });
    let gained = effects.ledger.gained.iter().map(|owned| Effect::Owned {
        object_id: object_id.clone(),
        owned: owned.clone(),
    });
    let observed = effects
        .observation
        .iter()
        .map(|account| Effect::Observed(Box::new(account.clone())));
    link.into_iter()
        .chain(lost)
        .chain(gained)
        .chain(observed)
        .collect()
}
