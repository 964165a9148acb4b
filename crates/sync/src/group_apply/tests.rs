//! The engine over records that only one may write at a time, as SQLite's are.

use std::convert::Infallible;
use std::time::Duration;

use futures::future::BoxFuture;
use signpost_graph::Clock;
use signpost_model::group_push::GroupAction;
use signpost_model::random::SeededRandom;
use tokio::sync::Mutex;

use super::*;

const GROUPS: u128 = 45;

/// Deletes whatever it is told to, at once.
struct Obedient;

impl GroupTenant for Obedient {
    async fn write(&self, work: Vec<(usize, GroupWrite)>, _: Order) -> Vec<(usize, Answer)> {
        let done = |key| {
            let answer = Answer::Done {
                request_id: None,
                object_id: None,
            };
            (key, answer)
        };
        work.into_iter().map(|(key, _)| done(key)).collect()
    }

    async fn group(&self, _: &ObjectId) -> Result<Option<TenantGroup>, ReadFailure> {
        Ok(None)
    }

    async fn find(&self, _: &str) -> Result<Option<TenantGroup>, ReadFailure> {
        Ok(None)
    }

    async fn members(&self, _: &ObjectId) -> Result<BTreeSet<ObjectId>, ReadFailure> {
        Ok(BTreeSet::new())
    }
}

/// Groups that are all to be deleted, and those that are.
#[derive(Default)]
struct OneWriter {
    deleted: Mutex<Vec<GroupId>>,
}

impl GroupJournal for OneWriter {
    type Error = Infallible;

    async fn next_groups(
        &self,
        after: Option<GroupId>,
        limit: usize,
    ) -> Result<Vec<GroupChain>, Infallible> {
        let all = (1..=GROUPS).map(GroupId::from_number);
        let next = all.filter(|id| after.is_none_or(|after| *id > after));
        let chain = |group_id| GroupChain {
            group_id,
            group: Some(TenantGroup {
                object_id: ObjectId::new("group"),
                name: String::new(),
                description: String::new(),
                mail_nickname: String::new(),
                mail_enabled: false,
                security_enabled: true,
                dynamic: false,
                synchronised: false,
                role_assignable: false,
                licenses: Vec::new(),
            }),
        };
        Ok(next.take(limit).map(chain).collect())
    }

    async fn next_steps(
        &self,
        group: GroupId,
        after: i64,
        _: usize,
    ) -> Result<Vec<GroupStep>, Infallible> {
        let sequence = (1..).zip((1..=GROUPS).map(GroupId::from_number));
        let of_group = sequence.filter(|(at, id)| *id == group && *at > after);
        let step = |(sequence, _)| GroupStep {
            sequence,
            action: GroupAction::DeleteGroup { members: 0 },
            sent: false,
        };
        Ok(of_group.map(step).collect())
    }

    async fn accounts_of(&self, _: &[UserId]) -> Result<HashMap<UserId, ObjectId>, Infallible> {
        Ok(HashMap::new())
    }

    async fn mark_sent(&self, _: &[i64]) -> Result<Signal, Infallible> {
        let _writer = self.deleted.lock().await;
        // Others get their turn while a statement is under way.
        tokio::task::yield_now().await;
        Ok(Signal::GoOn)
    }

    async fn record(&self, recorded: &[GroupRecorded]) -> Result<Signal, Infallible> {
        let mut deleted = self.deleted.lock().await;
        tokio::task::yield_now().await;
        deleted.extend(recorded.iter().map(|one| one.group_id));
        Ok(Signal::GoOn)
    }
}

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> i64 {
        0
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn several_batches_never_wait_for_each_others_records() {
    let journal = OneWriter::default();
    let random = SeededRandom::new(1);
    let surroundings = Surroundings {
        clock: &Stopped,
        random: &random,
    };
    let applying = apply_groups(&Obedient, &journal, surroundings);
    let ended = tokio::time::timeout(Duration::from_secs(10), applying).await;
    assert_eq!(ended.unwrap().unwrap(), Ended::Done);
    assert_eq!(
        journal.deleted.lock().await.len(),
        usize::try_from(GROUPS).unwrap()
    );
}
