//! Which account's turn it is: full batches, several in flight, in bounded memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use signpost_model::plan::ObjectId;
use signpost_model::run::{FailureKind, RunFailure, SkipReason};
use signpost_model::{Observation, UserId};

use super::chain::{Active, Managers, Next, Reaction, Then};
use super::{
    Answer, BATCH, Chain, Ended, Journal, ReadFailure, Signal, Surroundings, Tenant, Work,
};

/// Batches of writes that may be under way at once; the client's own gate decides how many of
/// them really are on the wire.
const MAX_WRITES_IN_FLIGHT: usize = 8;

/// Accounts that are worked on at once. Enough to keep every batch full, few enough that memory
/// does not grow with the plan.
const WINDOW: usize = 2 * BATCH * MAX_WRITES_IN_FLIGHT;

/// How many accounts one read of the journal brings.
const PAGE: usize = WINDOW / 4;

/// This many batches in a row without any answer end the run: Microsoft is down, and trying
/// account after account would only mark them all as failed.
const MAX_SILENT_BATCHES: u32 = 10;

type Looked = (usize, Result<Option<Observation>, ReadFailure>);

/// Something that was waited for.
enum Event {
    Loaded {
        chains: Vec<Chain>,
        managers: Managers,
    },
    Wrote(Vec<(usize, Answer)>),
    /// The run was stopped between marking and sending.
    Withheld(Vec<usize>),
    Looked(Vec<Looked>),
    /// Noted; these chains may go on.
    Noted {
        then: Vec<(usize, Then)>,
        signal: Signal,
    },
    Woke(usize),
}

/// Why the engine stops early.
enum Stop {
    Cancelled,
    Failed(RunFailure),
}

pub(super) struct Engine<'a, T, J: Journal> {
    tenant: &'a T,
    journal: &'a J,
    surroundings: Surroundings<'a>,
    events: FuturesUnordered<BoxFuture<'a, Result<Event, J::Error>>>,
    chains: HashMap<usize, Active>,
    sleepers: HashSet<usize>,
    managers: Managers,
    ready: VecDeque<(usize, Work, Vec<i64>)>,
    reads: Vec<(usize, ObjectId)>,
    finds: Vec<(usize, String)>,
    /// Outcomes to note, and what their chains do afterwards.
    notes: Vec<(usize, Reaction)>,
    next_key: usize,
    /// Events under way that may make more work, sleepers apart.
    busy: usize,
    writes: usize,
    loading: bool,
    exhausted: bool,
    place: Option<i64>,
    last_pass: bool,
    left_behind: bool,
    silent: u32,
    stop: Option<Stop>,
}

impl<'a, T: Tenant, J: Journal> Engine<'a, T, J> {
    pub(super) fn new(tenant: &'a T, journal: &'a J, surroundings: Surroundings<'a>) -> Self {
        Self {
            tenant,
            journal,
            surroundings,
            events: FuturesUnordered::new(),
            chains: HashMap::new(),
            sleepers: HashSet::new(),
            managers: Managers::new(),
            ready: VecDeque::new(),
            reads: Vec::new(),
            finds: Vec::new(),
            notes: Vec::new(),
            next_key: 0,
            busy: 0,
            writes: 0,
            loading: false,
            exhausted: false,
            place: None,
            last_pass: false,
            left_behind: false,
            silent: 0,
            stop: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<Ended, J::Error> {
        loop {
            self.dispatch();
            let is_over = match self.stop {
                // Whoever sleeps was put to rest when the stop came.
                Some(_) => self.busy == 0,
                None => self.events.is_empty(),
            };
            if is_over && !self.begin_last_pass() {
                break;
            }
            if let Some(event) = self.events.next().await {
                self.handle(event?);
            }
        }
        Ok(match self.stop {
            None => Ended::Done,
            Some(Stop::Cancelled) => Ended::Cancelled,
            Some(Stop::Failed(failure)) => Ended::Failed(failure),
        })
    }

    /// Those who waited for a manager's account get their turn when nobody else has one.
    fn begin_last_pass(&mut self) -> bool {
        if self.stop.is_some() || !self.left_behind {
            return false;
        }
        self.left_behind = false;
        self.last_pass = true;
        self.place = None;
        self.exhausted = false;
        self.dispatch();
        true
    }

    /// Starts everything that can be started.
    fn dispatch(&mut self) {
        self.load();
        self.look();
        self.note();
        while self.stop.is_none() && self.writes < MAX_WRITES_IN_FLIGHT {
            let is_full = self.ready.len() >= BATCH;
            // A batch that is not full goes only when nothing under way could fill it.
            let is_last = !self.ready.is_empty() && self.busy == 0;
            if !is_full && !is_last {
                break;
            }
            self.send();
        }
    }

    fn begin(&mut self, event: impl Future<Output = Result<Event, J::Error>> + Send + 'a) {
        self.busy += 1;
        self.events.push(Box::pin(event));
    }

    fn load(&mut self) {
        let has_room = self.chains.len() + PAGE <= WINDOW;
        if self.loading || self.exhausted || !has_room || self.stop.is_some() {
            return;
        }
        self.loading = true;
        let (journal, place) = (self.journal, self.place);
        self.begin(async move {
            let chains = journal.next_chains(place, PAGE).await?;
            let wanted: Vec<UserId> = chains.iter().flat_map(Chain::managers).collect();
            let managers = if wanted.is_empty() {
                Managers::new()
            } else {
                journal.accounts_of(&wanted).await?
            };
            Ok(Event::Loaded { chains, managers })
        });
    }

    fn send(&mut self) {
        let count = self.ready.len().min(BATCH);
        let batch: Vec<_> = self.ready.drain(..count).collect();
        let mut sequences = Vec::new();
        let mut work = Vec::with_capacity(count);
        for (key, one, marks) in batch {
            if let Some(chain) = self.chains.get_mut(&key) {
                chain.mark();
            }
            sequences.extend(marks);
            work.push((key, one));
        }
        self.writes += 1;
        let (tenant, journal) = (self.tenant, self.journal);
        self.begin(async move {
            if journal.mark_sent(&sequences).await? == Signal::Stop {
                let keys = work.into_iter().map(|(key, _)| key);
                return Ok(Event::Withheld(keys.collect()));
            }
            Ok(Event::Wrote(tenant.write(work).await))
        });
    }

    fn look(&mut self) {
        let tenant = self.tenant;
        while !self.reads.is_empty() {
            let ids: Vec<_> = self.reads.drain(..self.reads.len().min(BATCH)).collect();
            self.begin(async move { Ok(Event::Looked(tenant.accounts(ids).await)) });
        }
        while !self.finds.is_empty() {
            let ids: Vec<_> = self.finds.drain(..self.finds.len().min(BATCH)).collect();
            self.begin(
                async move { Ok(Event::Looked(tenant.accounts_by_immutable_id(ids).await)) },
            );
        }
    }

    fn note(&mut self) {
        if self.notes.is_empty() {
            return;
        }
        let (mut recorded, mut then) = (Vec::new(), Vec::new());
        for (key, reaction) in self.notes.drain(..) {
            recorded.extend(reaction.recorded);
            then.push((key, reaction.then));
        }
        let journal = self.journal;
        self.begin(async move {
            let signal = journal.record(&recorded).await?;
            Ok(Event::Noted { then, signal })
        });
    }

    fn handle(&mut self, event: Event) {
        if !matches!(event, Event::Woke(_)) {
            self.busy -= 1;
        }
        match event {
            Event::Loaded { chains, managers } => self.loaded(chains, managers),
            Event::Wrote(answers) => {
                self.writes -= 1;
                self.listen(&answers);
                for (key, answer) in answers {
                    let (managers, random) = (&self.managers, self.surroundings.random);
                    if let Some(chain) = self.chains.get_mut(&key) {
                        let reaction = chain.answered(answer, managers, random);
                        self.react(key, reaction);
                    }
                }
            }
            Event::Withheld(keys) => {
                self.writes -= 1;
                self.halt(Stop::Cancelled);
                keys.into_iter().for_each(|key| self.rest(key));
            }
            Event::Looked(looked) => {
                for (key, found) in looked {
                    let (managers, random) = (&self.managers, self.surroundings.random);
                    if let Some(chain) = self.chains.get_mut(&key) {
                        let reaction = chain.looked(found, managers, random);
                        self.react(key, reaction);
                    }
                }
            }
            Event::Noted { then, signal } => {
                if signal == Signal::Stop {
                    self.halt(Stop::Cancelled);
                }
                for (key, then) in then {
                    self.proceed(key, then);
                }
            }
            Event::Woke(key) => {
                if self.sleepers.remove(&key) {
                    self.advance(key);
                }
            }
        }
    }

    fn loaded(&mut self, chains: Vec<Chain>, managers: Managers) {
        self.loading = false;
        self.exhausted = chains.len() < PAGE;
        // Only those of accounts at work are needed.
        let at_work = self.chains.values().flat_map(Active::managers);
        let needed: HashSet<UserId> = at_work.collect();
        self.managers.retain(|user, _| needed.contains(user));
        self.managers.extend(managers);
        for chain in chains {
            self.place = chain.steps.last().map(|step| step.sequence).or(self.place);
            let key = self.next_key;
            self.next_key += 1;
            self.chains.insert(key, Active::new(chain));
            self.advance(key);
        }
    }

    /// Notices when Microsoft does not answer at all.
    fn listen(&mut self, answers: &[(usize, Answer)]) {
        let is_silence = |answer: &Answer| match answer {
            Answer::Unknown(failure) | Answer::Refused { failure, .. } => {
                failure.kind == FailureKind::Unreachable
            }
            Answer::Done { .. } => false,
        };
        let all_silent = answers.iter().all(|(_, answer)| is_silence(answer));
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

    fn react(&mut self, key: usize, reaction: Reaction) {
        if let Then::End(failure) = &reaction.then {
            self.halt(Stop::Failed(failure.clone()));
        }
        if reaction.recorded.is_empty() {
            self.proceed(key, reaction.then);
        } else {
            self.notes.push((key, reaction));
        }
    }

    fn proceed(&mut self, key: usize, then: Then) {
        match then {
            Then::Wait(duration) if self.stop.is_none() => self.sleep(key, duration),
            Then::GoOn | Then::Wait(_) | Then::End(_) => self.advance(key),
        }
    }

    fn sleep(&mut self, key: usize, duration: Duration) {
        self.sleepers.insert(key);
        let sleep = self.surroundings.clock.sleep(duration);
        self.events.push(Box::pin(async move {
            sleep.await;
            Ok(Event::Woke(key))
        }));
    }

    /// Asks a chain what it wants.
    fn advance(&mut self, key: usize) {
        let is_stopping = self.stop.is_some();
        let Some(chain) = self.chains.get_mut(&key) else {
            return;
        };
        if is_stopping && !chain.is_unknown() {
            return self.rest(key);
        }
        match chain.next(&self.managers, self.last_pass) {
            Next::Write(_, _) if is_stopping => self.rest(key),
            Next::Write(work, sequences) => self.ready.push_back((key, work, sequences)),
            Next::Read(object_id) => self.reads.push((key, object_id)),
            Next::Find(immutable_id) => self.finds.push((key, immutable_id)),
            Next::Record(recorded) => self.notes.push((
                key,
                Reaction {
                    recorded,
                    then: Then::GoOn,
                },
            )),
            Next::Finished { left } => {
                self.left_behind |= left;
                self.chains.remove(&key);
            }
        }
    }

    /// The run stops: nothing new is sent, and what was sent is read back.
    fn halt(&mut self, stop: Stop) {
        if self.stop.is_some() {
            return;
        }
        self.stop = Some(stop);
        let ready: Vec<usize> = self.ready.drain(..).map(|(key, ..)| key).collect();
        ready.into_iter().for_each(|key| self.rest(key));
        let sleepers = std::mem::take(&mut self.sleepers);
        sleepers.into_iter().for_each(|key| self.advance(key));
    }

    /// Lets go of a chain: what was marked as sent and did not happen is noted as skipped.
    fn rest(&mut self, key: usize) {
        let because = match self.stop {
            Some(Stop::Cancelled) | None => SkipReason::Cancelled,
            Some(Stop::Failed(_)) => SkipReason::RunEnded,
        };
        let Some(mut chain) = self.chains.remove(&key) else {
            return;
        };
        let recorded = chain.stop(because);
        if !recorded.is_empty() {
            let then = Then::GoOn;
            self.notes.push((key, Reaction { recorded, then }));
        }
    }
}
