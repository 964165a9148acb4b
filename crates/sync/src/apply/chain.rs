//! One account's actions on their way: what to do next, and what an answer means. No I/O.

use std::collections::HashMap;
use std::time::Duration;

use signpost_model::plan::{Action, ActionKind, LinkMethod, ManagerRef, ObjectId, TargetAttribute};
use signpost_model::run::{ActionFailure, FailureKind, Outcome, RunFailure, SkipReason};
use signpost_model::{Observation, Random, UserId};

use super::delays::{self, LOOKS, REPLICATION_WAITS, TRIES};
use super::remaining::remaining;
use super::{Answer, Chain, Effects, ReadFailure, Recorded, Step, Why, Work};
use crate::effects::{AccountRecord, Resolved};
use crate::ledger::Ledger;
use crate::translate::is_patch;

/// The accounts of managers, as far as they are known.
pub(super) type Managers = HashMap<UserId, ObjectId>;

/// What a chain wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send this; the sequences are those of its actions.
    Write(Work, Vec<i64>),
    /// Read the account back by object id.
    Read(ObjectId),
    /// Find the account by its ImmutableId.
    Find(String),
    /// Note these outcomes, then ask again.
    Record(Vec<Recorded>),
    /// Nothing; `left` says whether something waits for the last pass.
    Finished { left: bool },
}

/// What is to be done after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Wait(Duration),
    /// The run is to end.
    End(RunFailure),
}

/// Outcomes of an answer, and what is to be done after they are noted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reaction {
    pub(super) recorded: Vec<Recorded>,
    pub(super) then: Then,
}

impl Reaction {
    fn then(then: Then) -> Self {
        Self {
            recorded: Vec::new(),
            then,
        }
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// May have happened: read back before it is sent again.
    Unknown,
    /// Waits for the last pass.
    Left,
    Done,
}

/// A chain that is being worked on.
#[derive(Debug)]
pub(super) struct Active {
    chain: Chain,
    states: Vec<State>,
    /// What is still to be sent of a step, where a read-back found part of it done.
    reduced: HashMap<usize, Action>,
    ledger: Ledger,
    observation: Option<Observation>,
    /// Created or restored in this run: replicas may not know it yet.
    fresh: bool,
    /// A joined write was refused: one action at a time from now on.
    split: bool,
    /// The current write was sent before, and the answer was lost.
    was_lost: bool,
    /// The current create was refused because of a value that another account has.
    was_taken: bool,
    /// The steps of the write that is under way.
    unit: Vec<usize>,
    /// Steps that are marked as sent in the journal.
    marked: Vec<usize>,
    tries: u32,
    looks: u32,
    waits: u32,
    failure: Option<ActionFailure>,
}

impl Active {
    pub(super) fn new(mut chain: Chain) -> Self {
        let creates = |step: &Step| step.action.kind() == ActionKind::CreateAccount;
        if chain.steps.iter().any(creates) {
            // What the records still hold is about an account that is gone: this is its successor.
            (chain.object_id, chain.observation) = (None, None);
            chain.owned.clear();
        }
        let state = |sent| if sent { State::Unknown } else { State::Open };
        let marked = (0..chain.steps.len()).filter(|&i| chain.steps[i].sent);
        Self {
            states: chain.steps.iter().map(|step| state(step.sent)).collect(),
            marked: marked.collect(),
            reduced: HashMap::new(),
            ledger: Ledger::read(&chain.owned),
            observation: chain.observation.take(),
            fresh: false,
            split: false,
            was_lost: chain.steps.iter().any(|step| step.sent),
            was_taken: false,
            unit: Vec::new(),
            tries: 0,
            looks: 0,
            waits: 0,
            failure: None,
            chain,
        }
    }

    /// Users whose accounts this chain has to know.
    pub(super) fn managers(&self) -> impl Iterator<Item = UserId> {
        self.chain.managers()
    }

    /// What to do next. In the last pass nobody waits any longer for a manager's account.
    pub(super) fn next(&mut self, managers: &Managers, last_pass: bool) -> Next {
        if let Some(look) = self.look() {
            return look;
        }
        while let Some(first) = self.states.iter().position(|state| *state == State::Open) {
            let is_waiting = manager_of(self.action(first))
                .is_some_and(|manager| !managers.contains_key(&manager.user_id));
            if !is_waiting {
                return self.write(first, managers);
            }
            if last_pass {
                let because = SkipReason::ManagerHasNoAccount;
                return Next::Record(self.close(&[first], &Outcome::Skipped { because }));
            }
            self.states[first] = State::Left;
        }
        Next::Finished {
            left: self.states.contains(&State::Left),
        }
    }

    fn write(&mut self, first: usize, managers: &Managers) -> Next {
        let joins =
            |i: usize| self.states[i] == State::Open && is_patch(self.chain.steps[i].action.kind());
        let mut end = first + 1;
        if !self.split && joins(first) {
            while end < self.states.len() && joins(end) {
                end += 1;
            }
        }
        self.unit = (first..end).collect();
        let actions = self.unit.iter().map(|&i| self.rest_of(i).clone());
        let work = Work {
            object_id: self.chain.object_id.clone(),
            manager: manager_of(self.action(first))
                .and_then(|manager| managers.get(&manager.user_id).cloned()),
            actions: actions.collect(),
        };
        Next::Write(work, self.sequences(&self.unit))
    }

    /// How to read back what may have happened; `None`: nothing may have.
    fn look(&mut self) -> Option<Next> {
        let first = self.states.iter().position(|s| *s == State::Unknown)?;
        if let Action::CreateAccount { immutable_id, .. } = self.action(first) {
            return Some(Next::Find(immutable_id.clone()));
        }
        let Some(object_id) = &self.chain.object_id else {
            // Without an account nothing can have happened to it: let the tenant say so.
            self.states[first] = State::Open;
            return None;
        };
        Some(Next::Read(object_id.clone()))
    }

    /// Notes that the journal has the current write as sent.
    pub(super) fn mark(&mut self) {
        let again = &self.marked;
        let first: Vec<usize> = (self.unit.iter().copied())
            .filter(|step| !again.contains(step))
            .collect();
        self.marked.extend(first);
    }

    /// What the tenant's answer to the current write means.
    pub(super) fn answered(
        &mut self,
        answer: Answer,
        managers: &Managers,
        random: &dyn Random,
    ) -> Reaction {
        let unit = std::mem::take(&mut self.unit);
        match answer {
            Answer::Done {
                request_id,
                object_id,
            } => {
                if let Some(object_id) = object_id {
                    self.chain.object_id.get_or_insert(object_id);
                }
                if self.chain.object_id.is_none() {
                    return self.lost(&unit, None);
                }
                let outcome = Outcome::Applied { request_id };
                self.finish(&unit, &outcome, managers)
            }
            Answer::Unknown(failure) => self.lost(&unit, Some(failure)),
            Answer::Refused { why, failure } => self.refused(&unit, why, failure, managers, random),
        }
    }

    fn lost(&mut self, unit: &[usize], failure: Option<ActionFailure>) -> Reaction {
        self.tries += 1;
        self.was_lost = true;
        self.failure = failure.or(self.failure.take());
        for &i in unit {
            self.states[i] = State::Unknown;
        }
        Reaction::then(Then::GoOn)
    }

    fn refused(
        &mut self,
        unit: &[usize],
        why: Why,
        failure: ActionFailure,
        managers: &Managers,
        random: &dyn Random,
    ) -> Reaction {
        let kind = self.action(unit[0]).kind();
        match why {
            Why::Fatal(run_failure) => {
                let mut reaction = self.fail(unit, failure);
                reaction.then = Then::End(run_failure);
                reaction
            }
            Why::Busy { retry_after, tries } if self.tries + tries < TRIES => {
                self.tries += tries;
                Reaction::then(Then::Wait(delays::retry(self.tries, retry_after, random)))
            }
            Why::Missing if kind == ActionKind::Delete => self.is_so_already(unit, managers),
            Why::Missing if self.fresh && self.waits < REPLICATION_WAITS => self.wait(random),
            // Is the account gone, or another object that the action names?
            Why::Missing if self.chain.object_id.is_some() && self.looks < LOOKS => {
                self.failure = Some(failure);
                self.look_again(unit)
            }
            Why::Taken if kind == ActionKind::CreateAccount && self.looks < LOOKS => {
                self.failure = Some(failure);
                self.was_taken = true;
                self.look_again(unit)
            }
            Why::NothingLeft => match kind {
                // No doubt which: whatever a replica still shows, it is not held.
                ActionKind::RemoveLicenses if takes_one(self.rest_of(unit[0])) => {
                    self.is_so_already(unit, managers)
                }
                ActionKind::AssignLicenses | ActionKind::RemoveLicenses if self.looks < LOOKS => {
                    self.failure = Some(failure);
                    self.look_again(unit)
                }
                ActionKind::AddToGroup | ActionKind::RemoveFromGroup => {
                    self.is_so_already(unit, managers)
                }
                _ => self.fail(unit, failure),
            },
            Why::Final | Why::Taken if unit.len() > 1 => {
                // One of several changes is refused: find out which, and make the others.
                self.split = true;
                Reaction::then(Then::GoOn)
            }
            Why::Final | Why::Taken | Why::Busy { .. } | Why::Missing => self.fail(unit, failure),
        }
    }

    fn wait(&mut self, random: &dyn Random) -> Reaction {
        self.waits += 1;
        Reaction::then(Then::Wait(delays::replication(self.waits - 1, random)))
    }

    fn look_again(&mut self, unit: &[usize]) -> Reaction {
        for &i in unit {
            self.states[i] = State::Unknown;
        }
        Reaction::then(Then::GoOn)
    }

    fn is_so_already(&mut self, unit: &[usize], managers: &Managers) -> Reaction {
        let because = SkipReason::AlreadyDone;
        self.finish(unit, &Outcome::Skipped { because }, managers)
    }

    /// What the account that was read back means. `None`: there is no such account.
    pub(super) fn looked(
        &mut self,
        found: Result<Option<Observation>, ReadFailure>,
        managers: &Managers,
        random: &dyn Random,
    ) -> Reaction {
        let unknown: Vec<usize> = (0..self.states.len())
            .filter(|&i| self.states[i] == State::Unknown)
            .collect();
        self.looks += 1;
        match found {
            Err(ReadFailure { failure, fatal }) => {
                if let Some(run_failure) = fatal {
                    let mut reaction = self.fail(&unknown, failure);
                    reaction.then = Then::End(*run_failure);
                    return reaction;
                }
                if self.looks >= LOOKS {
                    return self.fail(&unknown, failure);
                }
                Reaction::then(Then::Wait(delays::retry(self.looks, None, random)))
            }
            Ok(Some(seen)) => self.found(&unknown, seen, managers, random),
            Ok(None) => self.not_found(&unknown, managers, random),
        }
    }

    fn found(
        &mut self,
        unknown: &[usize],
        seen: Observation,
        managers: &Managers,
        random: &dyn Random,
    ) -> Reaction {
        self.chain
            .object_id
            .get_or_insert_with(|| seen.object_id.clone());
        let mut done = Vec::new();
        for &i in unknown {
            let manager = manager_of(self.action(i)).and_then(|m| managers.get(&m.user_id));
            match remaining(self.rest_of(i), &seen, manager) {
                None => done.push(i),
                Some(rest) => {
                    self.states[i] = State::Open;
                    self.reduced.insert(i, rest);
                }
            }
        }
        // The tenant itself is better than any prediction.
        self.observation = Some(seen);
        let outcome = if self.was_lost {
            Outcome::Applied { request_id: None }
        } else {
            let because = SkipReason::AlreadyDone;
            Outcome::Skipped { because }
        };
        let left: Vec<usize> = (unknown.iter())
            .filter(|i| !done.contains(i))
            .copied()
            .collect();
        let mut reaction = Reaction::then(Then::GoOn);
        if !done.is_empty() {
            reaction = self.finish(&done, &outcome, managers);
        }
        if left.is_empty() {
            return reaction;
        }
        if self.tries >= TRIES || self.waits >= REPLICATION_WAITS {
            let failure = self.failure.take().unwrap_or_else(unreachable_failure);
            // A replica may be behind: it stays open whether the last try arrived.
            for &i in &left {
                self.states[i] = State::Unknown;
            }
            let mut failed = self.fail(&left, failure);
            reaction.recorded.append(&mut failed.recorded);
        } else if self.failure.is_some() {
            self.waits += 1;
            reaction.then = Then::Wait(delays::retry(self.tries.max(self.waits), None, random));
        }
        reaction
    }

    fn not_found(
        &mut self,
        unknown: &[usize],
        managers: &Managers,
        random: &dyn Random,
    ) -> Reaction {
        let Some(&first) = unknown.first() else {
            return Reaction::then(Then::GoOn);
        };
        match self.action(first).kind() {
            ActionKind::CreateAccount => {
                if self.was_taken && self.was_lost && self.looks < LOOKS {
                    // Most likely our own create, on a replica that we have not asked yet.
                    return self.wait(random);
                }
                if self.was_taken || self.tries >= TRIES {
                    let failure = self.failure.take().unwrap_or_else(unreachable_failure);
                    return self.fail(unknown, failure);
                }
                self.reopen(unknown, random)
            }
            ActionKind::Delete => {
                let outcome = Outcome::Applied { request_id: None };
                self.finish(unknown, &outcome, managers)
            }
            ActionKind::Restore if self.tries < TRIES => self.reopen(unknown, random),
            _ if self.fresh && self.waits < REPLICATION_WAITS => {
                self.looks = 0;
                self.wait(random)
            }
            _ => {
                let gone = ActionFailure {
                    kind: FailureKind::AccountGone,
                    code: None,
                    message: "The account is not there any more.".to_owned(),
                    request_id: None,
                };
                self.fail(unknown, gone)
            }
        }
    }

    /// Not done: it may be sent again, after a while if a call was lost in this run.
    fn reopen(&mut self, steps: &[usize], random: &dyn Random) -> Reaction {
        for &i in steps {
            self.states[i] = State::Open;
        }
        if self.tries == 0 {
            return Reaction::then(Then::GoOn);
        }
        Reaction::then(Then::Wait(delays::retry(self.tries, None, random)))
    }

    /// The steps are done, by us or by somebody else: note it with all that follows.
    fn finish(&mut self, steps: &[usize], outcome: &Outcome, managers: &Managers) -> Reaction {
        let before = self.ledger.clone();
        let mut link = None;
        for &i in steps {
            let action = &self.chain.steps[i].action;
            self.fresh |= *action == Action::Restore;
            let manager = manager_of(action).and_then(|m| managers.get(&m.user_id));
            let Some(object_id) = &self.chain.object_id else {
                continue;
            };
            if let Some(record) = AccountRecord::created(object_id, action) {
                self.fresh = true;
                link = Some(LinkMethod::Created);
                self.ledger = record.ledger;
                self.observation.get_or_insert(record.observation);
            } else {
                let mut record = AccountRecord {
                    observation: self.observation.clone().unwrap_or_default(),
                    ledger: std::mem::take(&mut self.ledger),
                };
                record.apply(action, Resolved { manager });
                self.ledger = record.ledger;
                if self.observation.is_some() {
                    self.observation = Some(record.observation);
                }
            }
        }
        let mut recorded = self.close(steps, outcome);
        if let (Some(last), Some(object_id)) = (recorded.last_mut(), &self.chain.object_id) {
            last.effects = Some(Effects {
                user_id: self.chain.user_id,
                object_id: object_id.clone(),
                link,
                ledger: before.change_to(&self.ledger),
                observation: self.observation.clone(),
            });
        }
        let then = Then::GoOn;
        Reaction { recorded, then }
    }

    /// The steps failed, and with them what makes no sense without them.
    fn fail(&mut self, steps: &[usize], failure: ActionFailure) -> Reaction {
        let senseless: Vec<usize> = (0..self.states.len())
            .filter(|i| self.states[*i] != State::Done && !steps.contains(i))
            .filter(|&later| {
                let depends =
                    |&failed: &usize| depends(self.action(later), self.action(failed), &failure);
                steps.iter().any(depends)
            })
            .collect();
        let is_unanswered = |&i: &usize| self.was_lost && self.states[i] == State::Unknown;
        let unanswered: Vec<i64> = {
            let steps: Vec<usize> = steps.iter().copied().filter(is_unanswered).collect();
            self.sequences(&steps)
        };
        let mut recorded = self.close(steps, &Outcome::Failed(failure));
        for one in &mut recorded {
            one.unanswered = unanswered.contains(&one.sequence);
        }
        let because = SkipReason::EarlierActionFailed;
        recorded.extend(self.close(&senseless, &Outcome::Skipped { because }));
        let then = Then::GoOn;
        Reaction { recorded, then }
    }

    /// The run ends here: what was marked as sent and is known not to have happened is skipped.
    pub(super) fn stop(&mut self, because: SkipReason) -> Vec<Recorded> {
        let unsent = |i: &usize| matches!(self.states[*i], State::Open | State::Left);
        let marked: Vec<usize> = self.marked.iter().copied().filter(unsent).collect();
        self.close(&marked, &Outcome::Skipped { because })
    }

    /// Whether something that was sent has not been read back yet.
    pub(super) fn is_unknown(&self) -> bool {
        self.states.contains(&State::Unknown)
    }

    fn close(&mut self, steps: &[usize], outcome: &Outcome) -> Vec<Recorded> {
        for &i in steps {
            self.states[i] = State::Done;
            self.reduced.remove(&i);
        }
        (self.tries, self.looks, self.waits) = (0, 0, 0);
        (self.was_lost, self.was_taken) = (false, false);
        self.failure = None;
        let sequences = self.sequences(steps);
        (sequences.into_iter())
            .map(|sequence| Recorded {
                sequence,
                outcome: outcome.clone(),
                effects: None,
                unanswered: false,
            })
            .collect()
    }

    fn sequences(&self, steps: &[usize]) -> Vec<i64> {
        let sequence = |&i: &usize| self.chain.steps[i].sequence;
        steps.iter().map(sequence).collect()
    }

    fn action(&self, step: usize) -> &Action {
        &self.chain.steps[step].action
    }

    fn rest_of(&self, step: usize) -> &Action {
        self.reduced.get(&step).unwrap_or_else(|| self.action(step))
    }
}

impl Chain {
    /// Users whose accounts the chain has to know.
    pub(super) fn managers(&self) -> impl Iterator<Item = UserId> {
        let actions = self.steps.iter().map(|step| &step.action);
        actions.filter_map(|action| manager_of(action).map(|manager| manager.user_id))
    }
}

pub(super) fn manager_of(action: &Action) -> Option<&ManagerRef> {
    match action {
        Action::SetManager { after, .. } => after.as_ref(),
        _ => None,
    }
}

fn takes_one(action: &Action) -> bool {
    matches!(action, Action::RemoveLicenses { licenses } if licenses.len() == 1)
}

/// Whether `later` makes no sense after `failed` did not happen.
fn depends(later: &Action, failed: &Action, failure: &ActionFailure) -> bool {
    let is_hopeless = matches!(
        failure.kind,
        FailureKind::AccountGone
            | FailureKind::TargetIsAdministrator
            | FailureKind::SynchronisedElsewhere
            | FailureKind::PermissionMissing
    );
    if is_hopeless {
        return true;
    }
    match failed {
        Action::CreateAccount { .. } | Action::Restore => true,
        Action::BlockSignIn => *later == Action::RevokeSessions,
        Action::UpdateProfile { changes } => {
            let location = |change: &signpost_model::plan::Change| {
                change.attribute == TargetAttribute::UsageLocation
            };
            matches!(later, Action::AssignLicenses { .. }) && changes.iter().any(location)
        }
        _ => false,
    }
}

fn unreachable_failure() -> ActionFailure {
    ActionFailure {
        kind: FailureKind::Unreachable,
        code: None,
        message: "Microsoft's answer was lost, and the account does not show the change."
            .to_owned(),
        request_id: None,
    }
}
