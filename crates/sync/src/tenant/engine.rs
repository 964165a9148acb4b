//! Carries the changes of a plan out: look, note as sent, change, look again, note the outcome.

use std::collections::BTreeSet;
use std::time::Duration;

use signpost_model::run::{ActionFailure, FailureKind, Outcome, RunFailure, SkipReason};

use super::{
    Answer, Ended, ReadFailure, SIDE_BY_SIDE, Signal, Standing, Step, Surroundings, TenantJournal,
    TenantSettings, Why,
};
use crate::apply::delays::{self, LOOKS, REPLICATION_WAITS, TRIES};

/// Carries out what the journal's plan still has to do to the tenant itself.
pub async fn apply<T: TenantSettings, J: TenantJournal>(
    tenant: &T,
    journal: &J,
    surroundings: Surroundings<'_>,
) -> Result<Ended, J::Error> {
    let mut broken = BTreeSet::new();
    let mut after = -1;
    loop {
        let mut steps = journal.next(after, SIDE_BY_SIDE).await?;
        // Only the first change of a subject: the next one needs its outcome.
        let mut subjects = BTreeSet::new();
        let distinct = steps
            .iter()
            .take_while(|step| subjects.insert(key_of(step)))
            .count();
        steps.truncate(distinct);
        let Some(last) = steps.last() else {
            return Ok(Ended::Done);
        };
        after = last.sequence;
        let mut round = Round {
            tenant,
            journal,
            surroundings,
            items: steps.into_iter().map(Item::new).collect(),
            broken: &mut broken,
            ended: None,
        };
        round.run().await?;
        if let Some(ended) = round.ended {
            return Ok(ended);
        }
    }
}

type Key = (String, String);

fn key_of(step: &Step) -> Key {
    let subject = step.action.subject();
    (subject.kind, subject.id)
}

/// What happens to one change next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// See where it stands, before it is sent.
    Look,
    /// Send it.
    Send,
    /// It was sent: see whether it arrived.
    LookBack { said_yes: bool },
    /// It has its outcome.
    Rest,
}

#[derive(Debug)]
struct Item {
    step: Step,
    next: Next,
    looks: u32,
    tries: u32,
    waits: u32,
    request_id: Option<String>,
    /// What was said last, for the outcome.
    failure: Option<ActionFailure>,
}

impl Item {
    fn new(step: Step) -> Self {
        let next = if step.sent {
            Next::LookBack { said_yes: false }
        } else {
            Next::Look
        };
        Self {
            step,
            next,
            looks: 0,
            tries: 0,
            waits: 0,
            request_id: None,
            failure: None,
        }
    }
}

/// Changes on different subjects, side by side.
struct Round<'a, T, J> {
    tenant: &'a T,
    journal: &'a J,
    surroundings: Surroundings<'a>,
    items: Vec<Item>,
    /// Subjects of which a change failed: what follows on them is not tried.
    broken: &'a mut BTreeSet<Key>,
    ended: Option<Ended>,
}

impl<T: TenantSettings, J: TenantJournal> Round<'_, T, J> {
    async fn run(&mut self) -> Result<(), J::Error> {
        let because = SkipReason::EarlierActionFailed;
        for index in 0..self.items.len() {
            if self.broken.contains(&key_of(&self.items[index].step)) {
                self.settle(index, Outcome::Skipped { because }).await?;
            }
        }
        while self.ended.is_none() && self.items.iter().any(|item| item.next != Next::Rest) {
            let mut delay = Duration::ZERO;
            self.look(&mut delay).await?;
            if self.ended.is_none() {
                self.send(&mut delay).await?;
            }
            if self.ended.is_none() && delay > Duration::ZERO {
                self.surroundings.clock.sleep(delay).await;
            }
        }
        Ok(())
    }

    fn indices(&self, wanted: impl Fn(&Next) -> bool) -> Vec<usize> {
        (0..self.items.len())
            .filter(|index| wanted(&self.items[*index].next))
            .collect()
    }

    async fn look(&mut self, delay: &mut Duration) -> Result<(), J::Error> {
        let looking = self.indices(|next| matches!(next, Next::Look | Next::LookBack { .. }));
        if looking.is_empty() {
            return Ok(());
        }
        let asked = looking
            .into_iter()
            .map(|index| (index, self.items[index].step.action.clone()))
            .collect();
        for (index, standing) in self.tenant.standings(asked).await {
            match standing {
                Ok(standing) => self.saw(index, standing, delay).await?,
                Err(failure) => self.saw_nothing(index, failure, delay).await?,
            }
        }
        Ok(())
    }

    async fn saw(
        &mut self,
        index: usize,
        standing: Standing,
        delay: &mut Duration,
    ) -> Result<(), J::Error> {
        let item = &mut self.items[index];
        match (&item.next, standing) {
            (Next::LookBack { .. }, Standing::After) => {
                let request_id = item.request_id.clone();
                self.settle(index, Outcome::Applied { request_id }).await
            }
            (_, Standing::After) => {
                let because = SkipReason::AlreadyDone;
                self.settle(index, Outcome::Skipped { because }).await
            }
            (_, Standing::Other) => {
                let failure = failure(
                    FailureKind::ChangedMeanwhile,
                    "The tenant holds another value than the plan was made from.",
                    item.request_id.clone(),
                );
                self.settle(index, Outcome::Failed(failure)).await
            }
            (Next::LookBack { said_yes: true }, Standing::Before) => {
                if item.waits < REPLICATION_WAITS {
                    // The replica that answers may not know it yet.
                    item.waits += 1;
                    wait(
                        delay,
                        delays::replication(item.waits - 1, self.surroundings.random),
                    );
                    return Ok(());
                }
                let failure = failure(
                    FailureKind::NotKept,
                    "Microsoft accepted the change and still shows the old value.",
                    item.request_id.clone(),
                );
                self.settle(index, Outcome::Failed(failure)).await
            }
            (Next::LookBack { said_yes: false }, Standing::Before) => {
                // Nobody knows whether it arrived: it may still do so.
                if item.waits < 2 {
                    item.waits += 1;
                    wait(
                        delay,
                        delays::replication(item.waits - 1, self.surroundings.random),
                    );
                } else if item.tries < TRIES {
                    item.next = Next::Send;
                } else {
                    let failure = item.failure.take().unwrap_or_else(|| {
                        failure(FailureKind::Unreachable, "Microsoft did not answer.", None)
                    });
                    self.settle(index, Outcome::Failed(failure)).await?;
                }
                Ok(())
            }
            (_, Standing::Before) => {
                item.next = Next::Send;
                Ok(())
            }
        }
    }

    async fn saw_nothing(
        &mut self,
        index: usize,
        unread: ReadFailure,
        delay: &mut Duration,
    ) -> Result<(), J::Error> {
        if let Some(fatal) = unread.fatal {
            return self.end(index, unread.failure, *fatal).await;
        }
        let item = &mut self.items[index];
        item.looks += 1;
        let passing = matches!(
            unread.failure.kind,
            FailureKind::Throttled | FailureKind::Unreachable
        );
        if passing && item.looks < LOOKS {
            wait(
                delay,
                delays::retry(item.looks, None, self.surroundings.random),
            );
            return Ok(());
        }
        self.settle(index, Outcome::Failed(unread.failure)).await
    }

    async fn send(&mut self, delay: &mut Duration) -> Result<(), J::Error> {
        let sending = self.indices(|next| *next == Next::Send);
        if sending.is_empty() {
            return Ok(());
        }
        let sequences: Vec<i64> = sending
            .iter()
            .map(|index| self.items[*index].step.sequence)
            .collect();
        if self.journal.mark_sent(&sequences).await? == Signal::Stop {
            self.ended = Some(Ended::Cancelled);
            return self.leave_unsent(&sending).await;
        }
        let work = sending
            .into_iter()
            .map(|index| (index, self.items[index].step.action.clone()))
            .collect();
        for (index, answer) in self.tenant.write(work).await {
            self.hear(index, answer, delay).await?;
        }
        Ok(())
    }

    /// Marked as sent in the moment in which somebody asked to stop: they were not.
    async fn leave_unsent(&mut self, sending: &[usize]) -> Result<(), J::Error> {
        let because = SkipReason::Cancelled;
        let first_try: Vec<usize> = sending
            .iter()
            .copied()
            .filter(|index| self.items[*index].tries == 0 && !self.items[*index].step.sent)
            .collect();
        for index in first_try {
            self.settle(index, Outcome::Skipped { because }).await?;
        }
        Ok(())
    }

    async fn hear(
        &mut self,
        index: usize,
        answer: Answer,
        delay: &mut Duration,
    ) -> Result<(), J::Error> {
        let item = &mut self.items[index];
        item.tries += 1;
        item.waits = 0;
        match answer {
            Answer::Done { request_id, .. } => {
                item.request_id = request_id;
                item.next = Next::LookBack { said_yes: true };
                Ok(())
            }
            Answer::Unknown(failure) => {
                item.failure = Some(failure);
                item.next = Next::LookBack { said_yes: false };
                Ok(())
            }
            Answer::Refused { why, failure } => match why {
                Why::Busy { retry_after, tries } if item.tries + tries <= TRIES => {
                    item.tries += tries - 1;
                    wait(
                        delay,
                        delays::retry(item.tries, retry_after, self.surroundings.random),
                    );
                    Ok(())
                }
                Why::NothingLeft => {
                    item.next = Next::LookBack { said_yes: true };
                    Ok(())
                }
                Why::Fatal(fatal) => self.end(index, failure, fatal).await,
                Why::Final | Why::Missing | Why::Taken | Why::Busy { .. } => {
                    self.settle(index, Outcome::Failed(failure)).await
                }
            },
        }
    }

    async fn end(
        &mut self,
        index: usize,
        failure: ActionFailure,
        fatal: RunFailure,
    ) -> Result<(), J::Error> {
        self.settle(index, Outcome::Failed(failure)).await?;
        self.ended = Some(Ended::Failed(fatal));
        Ok(())
    }

    async fn settle(&mut self, index: usize, outcome: Outcome) -> Result<(), J::Error> {
        let item = &mut self.items[index];
        item.next = Next::Rest;
        if matches!(outcome, Outcome::Failed(_)) {
            self.broken.insert(key_of(&item.step));
        }
        let recorded = [(item.step.sequence, outcome)];
        if self.journal.record(&recorded).await? == Signal::Stop && self.ended.is_none() {
            self.ended = Some(Ended::Cancelled);
        }
        Ok(())
    }
}

fn wait(delay: &mut Duration, at_least: Duration) {
    *delay = (*delay).max(at_least);
}

fn failure(kind: FailureKind, message: &str, request_id: Option<String>) -> ActionFailure {
    ActionFailure {
        kind,
        code: None,
        message: message.to_owned(),
        request_id,
    }
}
