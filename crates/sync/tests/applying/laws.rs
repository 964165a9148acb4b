//! The laws of an apply, over tenants that answer anything at all: it ends, every action has one
//! outcome, nothing is sent before it is noted, and nothing is sent for ever.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::BoxFuture;
use proptest::prelude::*;
use signpost_graph::Clock;
use signpost_model::plan::{Action, ObjectId, PlannedLicense};
use signpost_model::random::SeededRandom;
use signpost_model::run::{ActionFailure, FailureKind, Outcome, RunFailure};
use signpost_model::{Observation, UserId};
use signpost_sync::apply::{
    Answer, Chain, Ended, Journal, ReadFailure, Recorded, Signal, Step, Surroundings, Tenant, Why,
    Work, apply,
};

use crate::matrix::Dice;

/// Most times that one write is sent in vain.
const MOST_TRIES: u32 = 4;

/// A tenant without any rules.
struct Whims {
    dice: Mutex<Dice>,
    /// How likely an answer says that it is done, of ten.
    kindness: u64,
    world: Mutex<World>,
}

#[derive(Default)]
struct World {
    outcomes: HashMap<i64, Outcome>,
    noted: Vec<i64>,
    /// How often each write met no answer, or was asked to wait.
    vain: HashMap<(UserId, String), u32>,
    stopped_at: Option<u32>,
    calls: u32,
    wrong: Vec<String>,
}

impl Whims {
    fn roll(&self, sides: u64) -> u64 {
        self.dice.lock().unwrap().roll(sides)
    }

    fn failure(&self) -> ActionFailure {
        let kind = match self.roll(3) {
            0 => FailureKind::Unreachable,
            1 => FailureKind::Throttled,
            _ => FailureKind::Rejected,
        };
        ActionFailure {
            kind,
            code: None,
            message: String::new(),
            request_id: None,
        }
    }

    fn answer(&self, work: &Work) -> Answer {
        if self.roll(10) < self.kindness {
            let creates = matches!(work.actions.first(), Some(Action::CreateAccount { .. }));
            let object_id = creates.then(|| ObjectId::new("made"));
            return Answer::Done {
                request_id: None,
                object_id,
            };
        }
        let failure = self.failure();
        let why = match self.roll(7) {
            0 => return Answer::Unknown(failure),
            1 => Why::Final,
            2 => Why::Missing,
            3 => Why::Taken,
            4 => Why::NothingLeft,
            5 => Why::Busy {
                retry_after: Some(Duration::from_secs(self.roll(600))),
                tries: 1,
            },
            _ => Why::Busy {
                retry_after: None,
                tries: 1,
            },
        };
        Answer::Refused { why, failure }
    }

    fn look(&self, object_id: &str) -> Result<Option<Observation>, ReadFailure> {
        match self.roll(4) {
            0 => Err(ReadFailure {
                failure: self.failure(),
                fatal: None,
            }),
            1 => Ok(None),
            _ => Ok(Some(Observation {
                object_id: ObjectId::new(object_id),
                enabled: self.roll(2) == 0,
                ..Observation::default()
            })),
        }
    }

    fn signal(&self, world: &mut World) -> Signal {
        world.calls += 1;
        match world.stopped_at {
            Some(at) if world.calls >= at => Signal::Stop,
            _ => Signal::GoOn,
        }
    }
}

impl Tenant for Whims {
    async fn write(&self, work: Vec<(usize, Work)>) -> Vec<(usize, Answer)> {
        let mut answers = Vec::new();
        for (key, one) in work {
            let answer = self.answer(&one);
            if is_no_answer(&answer) {
                let mut world = self.world.lock().unwrap();
                for action in &one.actions {
                    *world.vain.entry(of(action)).or_default() += 1;
                }
            }
            answers.push((key, answer));
        }
        answers
    }

    async fn accounts(
        &self,
        ids: Vec<(usize, ObjectId)>,
    ) -> Vec<(usize, Result<Option<Observation>, ReadFailure>)> {
        let look = |(key, id): (usize, ObjectId)| (key, self.look(id.as_str()));
        ids.into_iter().map(look).collect()
    }

    async fn accounts_by_immutable_id(
        &self,
        ids: Vec<(usize, String)>,
    ) -> Vec<(usize, Result<Option<Observation>, ReadFailure>)> {
        let look = |(key, _): (usize, String)| (key, self.look("found"));
        ids.into_iter().map(look).collect()
    }
}

/// Whether the write may as well be sent again.
fn is_no_answer(answer: &Answer) -> bool {
    match answer {
        Answer::Unknown(_) => true,
        Answer::Refused { why, .. } => matches!(why, Why::Busy { .. }),
        Answer::Done { .. } => false,
    }
}

/// Whose action it is, by what it says.
fn of(action: &Action) -> (UserId, String) {
    let (number, kind) = match action {
        Action::CreateAccount { immutable_id, .. } => (immutable_id.parse().unwrap(), "create"),
        Action::SetImmutableId { after, .. } => (after.parse().unwrap(), "anchor"),
        Action::AssignLicenses { add, .. } => (add[0].sku_id.parse().unwrap(), "give"),
        Action::RemoveLicenses { licenses } => (licenses[0].sku_id.parse().unwrap(), "take"),
        other => panic!("{other:?} is not in the plan"),
    };
    (UserId::from_number(number), kind.to_owned())
}

fn plan(people: u128, dice: &mut Dice) -> Vec<(UserId, Vec<Action>)> {
    let license = |number: u128| PlannedLicense {
        sku_id: number.to_string(),
        name: String::new(),
        disabled_plans: Vec::new(),
    };
    let actions = |number: u128, dice: &mut Dice| match dice.roll(3) {
        0 => vec![
            Action::CreateAccount {
                immutable_id: number.to_string(),
                enabled: true,
                values: Vec::new().into_iter().collect(),
            },
            Action::AssignLicenses {
                add: vec![license(number)],
                remove: Vec::new(),
            },
        ],
        1 => vec![Action::RemoveLicenses {
            licenses: vec![license(number)],
        }],
        _ => vec![
            Action::SetImmutableId {
                before: None,
                after: number.to_string(),
            },
            Action::AssignLicenses {
                add: vec![license(number)],
                remove: Vec::new(),
            },
        ],
    };
    (1..=people)
        .map(|number| (UserId::from_number(number), actions(number, dice)))
        .collect()
}

/// The tenant together with the records of a run on it.
struct Run {
    whims: Whims,
    chains: Vec<(UserId, Vec<(i64, Action)>)>,
}

impl Journal for Run {
    type Error = Infallible;

    async fn next_chains(
        &self,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Chain>, Infallible> {
        let world = self.whims.world.lock().unwrap();
        let after = after.unwrap_or(-1);
        let chains = self.chains.iter().filter_map(|(user_id, steps)| {
            let open = steps.iter().filter(|(sequence, _)| {
                *sequence > after && !world.outcomes.contains_key(sequence)
            });
            let steps: Vec<Step> = open
                .map(|(sequence, action)| Step {
                    sequence: *sequence,
                    action: action.clone(),
                    sent: world.noted.contains(sequence),
                })
                .collect();
            let creates = |step: &Step| matches!(step.action, Action::CreateAccount { .. });
            let object_id = (!steps.iter().any(creates)).then(|| ObjectId::new("known"));
            (!steps.is_empty()).then_some(Chain {
                user_id: *user_id,
                object_id,
                observation: None,
                owned: Vec::new(),
                steps,
            })
        });
        Ok(chains.take(limit).collect())
    }

    async fn accounts_of(
        &self,
        _users: &[UserId],
    ) -> Result<HashMap<UserId, ObjectId>, Infallible> {
        Ok(HashMap::new())
    }

    async fn mark_sent(&self, sequences: &[i64]) -> Result<Signal, Infallible> {
        let mut world = self.whims.world.lock().unwrap();
        world.noted.extend(sequences);
        Ok(self.whims.signal(&mut world))
    }

    async fn record(&self, recorded: &[Recorded]) -> Result<Signal, Infallible> {
        let mut world = self.whims.world.lock().unwrap();
        for one in recorded {
            let before = world.outcomes.insert(one.sequence, one.outcome.clone());
            if before.is_some() {
                world
                    .wrong
                    .push(format!("{} has two outcomes", one.sequence));
            }
        }
        Ok(self.whims.signal(&mut world))
    }
}

/// Waits for nothing.
#[derive(Debug)]
struct Instantly;

impl Clock for Instantly {
    fn now_ms(&self) -> i64 {
        1_790_000_000_000
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_tenant_says_an_apply_ends_and_every_action_has_one_outcome(
        seed: u64, people in 1u128..120, kindness in 0u64..11,
        stopped_at in proptest::option::weighted(0.2, 1u32..20),
    ) {
        let mut dice = Dice::new(seed);
        let mut sequence = 0;
        let chains = plan(people, &mut dice).into_iter().map(|(user, actions)| {
            let numbered = actions.into_iter().map(|action| {
                sequence += 1;
                (sequence, action)
            });
            (user, numbered.collect())
        });
        let chains: Vec<(UserId, Vec<(i64, Action)>)> = chains.collect();
        let world = World { stopped_at, ..World::default() };
        let whims = Whims { dice: Mutex::new(dice), kindness, world: Mutex::new(world) };
        let run = Run { whims, chains };
        let random = SeededRandom::new(seed);
        let surroundings = Surroundings { clock: &Instantly, random: &random };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ended = runtime.block_on(apply(&run.whims, &run, surroundings)).unwrap();
        let world = run.whims.world.lock().unwrap();
        prop_assert_eq!(&world.wrong, &Vec::<String>::new());
        let silent = matches!(&ended, Ended::Failed(RunFailure { .. }));
        let total: usize = run.chains.iter().map(|(_, steps)| steps.len()).sum();
        if ended == Ended::Done {
            prop_assert_eq!(world.outcomes.len(), total);
        } else {
            prop_assert!(silent || stopped_at.is_some());
            // Nothing that was noted as sent is left without an outcome.
            for sequence in &world.noted {
                prop_assert!(world.outcomes.contains_key(sequence), "{sequence} is unknown");
            }
        }
        for (what, times) in &world.vain {
            prop_assert!(*times <= MOST_TRIES, "{what:?} was sent {times} times in vain");
        }
    }
}
