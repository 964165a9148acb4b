//! The tenant behind Microsoft Graph.

use std::fmt;
use std::sync::Arc;

use signpost_graph::{Client, Error, ErrorKind, Refusal, Written};
use signpost_model::plan::ObjectId;
use signpost_model::run::{ActionFailure, FailureKind};
use signpost_model::{Observation, Random};

use super::{Answer, ReadFailure, Tenant, Why, Work};
use crate::translate::{change, failure_of, is_fatal, object_id, observation, run_failure};

/// A tenant reached through a Graph client.
pub struct GraphTenant {
    client: Client,
    random: Arc<dyn Random>,
}

impl fmt::Debug for GraphTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphTenant").finish_non_exhaustive()
    }
}

impl GraphTenant {
    /// The tenant of this client; passwords of new accounts come from `random`.
    pub fn new(client: Client, random: Arc<dyn Random>) -> Self {
        Self { client, random }
    }
}

impl Tenant for GraphTenant {
    async fn write(&self, work: Vec<(usize, Work)>) -> Vec<(usize, Answer)> {
        let mut answers = Vec::with_capacity(work.len());
        let mut writes = Vec::with_capacity(work.len());
        for (key, work) in work {
            let account = work.object_id.as_ref();
            match change(&work.actions, account, work.manager.as_ref(), &*self.random) {
                Ok(write) => writes.push((key, write)),
                Err(problem) => answers.push((key, not_graphs(&problem.to_string()))),
            }
        }
        let written = self.client.batch(writes).await;
        answers.extend(
            written
                .into_iter()
                .map(|(key, result)| (key, judge(result))),
        );
        answers
    }

    async fn accounts(
        &self,
        ids: Vec<(usize, ObjectId)>,
    ) -> Vec<(usize, Result<Option<Observation>, ReadFailure>)> {
        let (mut found, mut asked) = (Vec::with_capacity(ids.len()), Vec::new());
        for (key, id) in ids {
            match id.as_str().parse() {
                Ok(id) => asked.push((key, id)),
                Err(_) => found.push((key, Ok(None))),
            }
        }
        let keys: Vec<usize> = asked.iter().map(|(key, _)| *key).collect();
        let ids = asked.into_iter().map(|(_, id)| id).collect();
        let read = self.client.users_by_id(ids).await;
        found.extend((keys.into_iter().zip(read)).map(|(key, (_, result))| {
            let account = result.map(|account| account.as_ref().map(observation));
            (key, account.map_err(|error| read_failure(&error)))
        }));
        found
    }

    async fn accounts_by_immutable_id(
        &self,
        ids: Vec<(usize, String)>,
    ) -> Vec<(usize, Result<Option<Observation>, ReadFailure>)> {
        let wanted = ids.iter().map(|(_, id)| id.clone()).collect();
        let mut read = self.client.find_many_by_immutable_id(wanted).await;
        let mut take = |id: &str| match read.remove(id) {
            Some(Ok(found)) => Ok(found.first().map(observation)),
            Some(Err(error)) => Err(read_failure(&error)),
            None => Ok(None),
        };
        ids.iter().map(|(key, id)| (*key, take(id))).collect()
    }
}

pub(crate) fn judge(result: Result<Written, Error>) -> Answer {
    let error = match result {
        Ok(written) => {
            return Answer::Done {
                request_id: written.request_id,
                object_id: written.created.map(object_id),
            };
        }
        Err(error) => error,
    };
    let failure = failure_of(&error);
    if error.outcome_unknown() {
        return Answer::Unknown(failure);
    }
    let why = match error.kind() {
        _ if is_fatal(&error) => Why::Fatal(run_failure(&error)),
        ErrorKind::NotFound { .. } => Why::Missing,
        ErrorKind::Conflict(_) => Why::Taken,
        ErrorKind::Rejected(rejection) => match rejection.refusal {
            Refusal::ValueTaken { .. } => Why::Taken,
            Refusal::LicenseNotHeld | Refusal::AlreadyMember | Refusal::NotMember => {
                Why::NothingLeft
            }
            _ => Why::Final,
        },
        _ if error.is_retryable() => Why::Busy {
            retry_after: error.retry_after(),
            tries: error.tries(),
        },
        _ => Why::Final,
    };
    Answer::Refused { why, failure }
}

pub(crate) fn read_failure(error: &Error) -> ReadFailure {
    ReadFailure {
        failure: failure_of(error),
        fatal: is_fatal(error).then(|| Box::new(run_failure(error))),
    }
}

pub(crate) fn not_graphs(problem: &str) -> Answer {
    Answer::Refused {
        why: Why::Final,
        failure: ActionFailure {
            kind: FailureKind::Rejected,
            code: None,
            message: problem.to_owned(),
            request_id: None,
        },
    }
}
