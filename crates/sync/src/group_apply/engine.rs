//! Which group's turn it is: full batches, several in flight, in bounded memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use signpost_model::GroupId;
use signpost_model::run::{FailureKind, RunFailure, SkipReason};

use super::chain::{Active, Found, Look, Next, Then};
use super::{GroupJournal, GroupRecorded, GroupTenant, GroupWrite, Order};
use crate::apply::{Answer, BATCH, Ended, ReadFailure, Signal, Surroundings};

/// A write of a group: the group's key, the write's place in the plan, the write.
type Packed = (usize, i64, GroupWrite);

/// Batches that may be under way at once.
const MAX_WRITES_IN_FLIGHT: usize = 8;

/// Groups that are worked on at once.
const WINDOW: usize = 2 * BATCH;

/// Actions of one group that are held at once.
const STEPS: usize = 2 * BATCH;

/// This many batches in a row without any answer end the run.
const MAX_SILENT_BATCHES: u32 = 10;

/// Something that was waited for.
enum Event {
    /// Answers, by group and in the order of sending.
    Wrote(Vec<(usize, i64, Answer)>),
    Looked(usize, Result<Found, ReadFailure>),
    Woke(usize),
}

enum Stop {
    Cancelled,
    Failed(RunFailure),
}

pub(super) struct Engine<'a, T, J: GroupJournal> {
    tenant: &'a T,
    journal: &'a J,
    surroundings: Surroundings<'a>,
    /// What is under way at Microsoft. Nothing here touches the journal: it could hold the only
    /// writer of our records while nobody drives it on, and the next note would wait for ever.
    events: FuturesUnordered<BoxFuture<'a, Event>>,
    groups: BTreeMap<usize, Active>,
    next_key: usize,
    place: Option<GroupId>,
    exhausted: bool,
    writes: usize,
    /// Groups that wait for a time to come.
    sleepers: BTreeSet<usize>,
    /// Writes and looks under way: they may make more work, sleepers do not.
    busy: usize,
    /// Actions that are marked as sent and have no outcome yet.
    marked: BTreeSet<i64>,
    notes: Vec<GroupRecorded>,
    silent: u32,
    stop: Option<Stop>,
}

impl<'a, T: GroupTenant, J: GroupJournal> Engine<'a, T, J> {
    pub(super) fn new(tenant: &'a T, journal: &'a J, surroundings: Surroundings<'a>) -> Self {
        Self {
            tenant,
            journal,
            surroundings,
            events: FuturesUnordered::new(),
            groups: BTreeMap::new(),
            next_key: 0,
            place: None,
            exhausted: false,
            writes: 0,
            sleepers: BTreeSet::new(),
            busy: 0,
            marked: BTreeSet::new(),
            notes: Vec::new(),
            silent: 0,
            stop: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<Ended, J::Error> {
        loop {
            self.load().await?;
            self.advance();
            self.note().await?;
            if self.notes.is_empty() && self.dispatch().await? {
                continue;
            }
            let is_over = match self.stop {
                Some(_) => self.busy == 0,
                None => self.events.is_empty() && self.groups.is_empty() && self.exhausted,
            };
            if is_over && self.notes.is_empty() {
                break;
            }
            if let Some(event) = self.events.next().await {
                self.handle(event);
            }
        }
        Ok(match self.stop {
            None => Ended::Done,
            Some(Stop::Cancelled) => Ended::Cancelled,
            Some(Stop::Failed(failure)) => Ended::Failed(failure),
        })
    }

    /// Fills the window with groups, and each of them with actions.
    async fn load(&mut self) -> Result<(), J::Error> {
        if self.stop.is_some() {
            return Ok(());
        }
        while !self.exhausted && self.groups.len() < WINDOW {
            let room = WINDOW - self.groups.len();
            let chains = self.journal.next_groups(self.place, room).await?;
            self.exhausted = chains.len() < room;
            for chain in chains {
                self.place = Some(chain.group_id);
                self.groups.insert(self.next_key, Active::new(chain));
                self.next_key += 1;
            }
        }
        for group in self.groups.values_mut() {
            while !group.is_loaded && group.steps.len() < BATCH {
                let room = STEPS - group.steps.len();
                let (id, after) = (group.group_id, group.loaded_to);
                let steps = self.journal.next_steps(id, after, room).await?;
                group.is_loaded = steps.len() < room;
                let users: Vec<_> = Active::unknown_users(&steps).collect();
                let accounts = if users.is_empty() {
                    HashMap::new()
                } else {
                    self.journal.accounts_of(&users).await?
                };
                group.load(steps, &accounts);
            }
        }
        Ok(())
    }

    /// Lets every idle group say what it wants, until it wants to write or has nothing left.
    fn advance(&mut self) {
        let keys: Vec<usize> = self.groups.keys().copied().collect();
        for key in keys {
            self.advance_one(key);
        }
    }

    fn advance_one(&mut self, key: usize) {
        loop {
            let is_stopping = self.stop.is_some();
            let Some(group) = self.groups.get_mut(&key) else {
                return;
            };
            if group.is_busy {
                return;
            }
            if is_stopping && !group.is_unknown() {
                return self.rest(key);
            }
            match group.next() {
                Next::Empty if group.is_loaded => {
                    self.groups.remove(&key);
                    return;
                }
                Next::Write if is_stopping => return self.rest(key),
                Next::Empty | Next::Write => return,
                Next::Record(recorded) => self.notes.push(recorded),
                Next::Look(look) => {
                    group.is_busy = true;
                    self.look(key, look);
                    return;
                }
            }
        }
    }

    /// Starts batches; returns whether any began.
    async fn dispatch(&mut self) -> Result<bool, J::Error> {
        let mut began = false;
        while self.stop.is_none() && self.writes < MAX_WRITES_IN_FLIGHT {
            let ready: Vec<usize> = self
                .groups
                .iter()
                .filter(|(_, group)| !group.is_busy && !group.steps.is_empty())
                .map(|(key, _)| *key)
                .collect();
            let Some((work, order)) = self.pack(&ready) else {
                break;
            };
            // A batch that is not full goes only when nothing under way could fill it.
            if work.len() < BATCH && self.busy > 0 {
                break;
            }
            self.send(work, order).await?;
            began = true;
        }
        Ok(began)
    }

    /// Twenty groups side by side, or fewer groups one write behind the other.
    fn pack(&mut self, ready: &[usize]) -> Option<(Vec<Packed>, Order)> {
        let side_by_side = ready.len() >= BATCH;
        let mut work = Vec::with_capacity(BATCH);
        let mut order = Order::Any;
        for key in ready {
            let room = if side_by_side { 1 } else { BATCH - work.len() };
            if room == 0 || work.len() == BATCH {
                break;
            }
            let Some(group) = self.groups.get_mut(key) else {
                continue;
            };
            let writes = group.writes(room);
            if writes.len() > 1 {
                order = Order::Kept;
            }
            work.extend(
                writes
                    .into_iter()
                    .map(|(sequence, write)| (*key, sequence, write)),
            );
        }
        (!work.is_empty()).then_some((work, order))
    }

    async fn send(&mut self, work: Vec<Packed>, order: Order) -> Result<(), J::Error> {
        let sequences: Vec<i64> = work.iter().map(|(_, sequence, _)| *sequence).collect();
        self.marked.extend(&sequences);
        if self.journal.mark_sent(&sequences).await? == Signal::Stop {
            self.halt(Stop::Cancelled);
            return Ok(());
        }
        let keys: BTreeSet<usize> = work.iter().map(|(key, ..)| *key).collect();
        for key in &keys {
            if let Some(group) = self.groups.get_mut(key) {
                group.is_busy = true;
            }
        }
        self.writes += 1;
        self.busy += 1;
        let tenant = self.tenant;
        self.events.push(Box::pin(async move {
            let places: Vec<(usize, i64)> = work.iter().map(|(key, at, _)| (*key, *at)).collect();
            let parts = work.into_iter().enumerate();
            let parts = parts.map(|(index, (_, _, write))| (index, write)).collect();
            let mut answers = tenant.write(parts, order).await;
            answers.sort_by_key(|(index, _)| *index);
            let answers = answers
                .into_iter()
                .map(|(index, answer)| (places[index].0, places[index].1, answer));
            Event::Wrote(answers.collect())
        }));
        Ok(())
    }

    fn look(&mut self, key: usize, look: Look) {
        self.busy += 1;
        let tenant = self.tenant;
        self.events.push(Box::pin(async move {
            let found = match look {
                Look::Group(id) => tenant.group(&id).await.map(Found::Group),
                Look::Created(nickname) => tenant.find(&nickname).await.map(Found::Group),
                Look::Members(id) => tenant.members(&id).await.map(Found::Members),
            };
            Event::Looked(key, found)
        }));
    }

    async fn note(&mut self) -> Result<(), J::Error> {
        if self.notes.is_empty() {
            return Ok(());
        }
        let notes = std::mem::take(&mut self.notes);
        for recorded in &notes {
            self.marked.remove(&recorded.sequence);
        }
        if self.journal.record(&notes).await? == Signal::Stop {
            self.halt(Stop::Cancelled);
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) {
        if !matches!(event, Event::Woke(_)) {
            self.busy -= 1;
        }
        match event {
            Event::Wrote(answers) => {
                self.writes -= 1;
                self.listen(&answers);
                let mut by_group: BTreeMap<usize, Vec<(i64, Answer)>> = BTreeMap::new();
                for (key, sequence, answer) in answers {
                    by_group.entry(key).or_default().push((sequence, answer));
                }
                let random = self.surroundings.random;
                for (key, answers) in by_group {
                    if let Some(group) = self.groups.get_mut(&key) {
                        group.is_busy = false;
                        let (recorded, then) = group.answered(answers, random);
                        self.notes.extend(recorded);
                        self.proceed(key, then);
                    }
                }
            }
            Event::Looked(key, found) => {
                let random = self.surroundings.random;
                if let Some(group) = self.groups.get_mut(&key) {
                    group.is_busy = false;
                    let (recorded, then) = group.looked(found, random);
                    self.notes.extend(recorded);
                    self.proceed(key, then);
                }
            }
            Event::Woke(key) => {
                if self.sleepers.remove(&key)
                    && let Some(group) = self.groups.get_mut(&key)
                {
                    group.is_busy = false;
                }
            }
        }
    }

    /// Notices when Microsoft does not answer at all.
    fn listen(&mut self, answers: &[(usize, i64, Answer)]) {
        let is_silence = |answer: &Answer| match answer {
            Answer::Unknown(failure) | Answer::Refused { failure, .. } => {
                failure.kind == FailureKind::Unreachable
            }
            Answer::Done { .. } => false,
        };
        let all_silent = answers.iter().all(|(.., answer)| is_silence(answer));
        self.silent = if all_silent { self.silent + 1 } else { 0 };
        if self.silent >= MAX_SILENT_BATCHES {
            let text = "Microsoft did not answer. The next sync goes on where this one stopped.";
            self.halt(Stop::Failed(RunFailure {
                text: text.to_owned(),
                code: None,
                request_id: None,
            }));
        }
    }

    fn proceed(&mut self, key: usize, then: Then) {
        match then {
            Then::GoOn => {}
            Then::End(failure) => self.halt(Stop::Failed(failure)),
            Then::Wait(duration) if self.stop.is_none() => self.sleep(key, duration),
            Then::Wait(_) => {}
        }
    }

    fn sleep(&mut self, key: usize, duration: Duration) {
        if let Some(group) = self.groups.get_mut(&key) {
            group.is_busy = true;
        }
        self.sleepers.insert(key);
        let sleep = self.surroundings.clock.sleep(duration);
        self.events.push(Box::pin(async move {
            sleep.await;
            Event::Woke(key)
        }));
    }

    /// The run stops: nothing new is sent, and what was sent is read back.
    fn halt(&mut self, stop: Stop) {
        if self.stop.is_some() {
            return;
        }
        self.stop = Some(stop);
        for key in std::mem::take(&mut self.sleepers) {
            if let Some(group) = self.groups.get_mut(&key) {
                group.is_busy = false;
            }
        }
    }

    /// Lets go of a group: what was marked as sent and did not happen is noted as skipped.
    fn rest(&mut self, key: usize) {
        let because = match self.stop {
            Some(Stop::Failed(_)) => SkipReason::RunEnded,
            Some(Stop::Cancelled) | None => SkipReason::Cancelled,
        };
        if let Some(mut group) = self.groups.remove(&key) {
            self.notes.extend(group.stop(&self.marked, because));
        }
    }
}
