//! Pushed groups in a run: reads the tenant's groups, plans them after the users, and carries the
//! plan out after the users' actions.

use std::collections::{BTreeSet, HashMap};

use app::portal::Portal;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use signpost_app as app;
use signpost_graph::{Client, ErrorKind};
use signpost_model::group_push::{
    GroupAction, GroupBlocker, PlannedGroupAction, PushInput, PushState, TenantGroup,
};
use signpost_model::license::Grant;
use signpost_model::plan::ObjectId;
use signpost_model::run::{Run, RunScope, Trigger};
use signpost_model::{GroupId, Policy, Secret, Timestamp, UserId};
use signpost_store::group_push::inputs::{self, GroupScope, MemberScope};
use signpost_store::group_push::outcomes;
use signpost_store::group_push::plan::{self, PlannedGroup};
use signpost_store::group_push::tenant::{self, GroupRound};
use signpost_store::group_push::{self, drifts};
use signpost_store::runs::RunLease;
use signpost_store::runs::chains;
use signpost_store::runs::lease::heartbeat;
use signpost_store::{Error, Result, licenses};
use signpost_sync::apply::{Ended, Signal, Surroundings};
use signpost_sync::group_apply::{
    GraphGroups, GroupChain, GroupEffect, GroupJournal, GroupRecorded, GroupStep, apply_groups,
};
use signpost_sync::group_planner::{Decided, GroupPlanner};
use signpost_sync::observe::ObserveError;
use signpost_sync::observe_groups::{GroupSink, SeenGroup, observe_groups};
use signpost_sync::translate::{object_id, run_failure, tenant_group};
use tokio::sync::Mutex;

use super::journal::signal;
use super::{Interrupted, Worker, reads_everything};

/// Reads what changed among the tenant's groups; nothing while no group is pushed. Without the
/// permission to read them the groups are blocked, and the users are synced all the same.
pub(super) async fn observe(
    worker: &Worker,
    lease: &RunLease,
    run: &Run,
    client: &Client,
) -> std::result::Result<(), Interrupted> {
    let store = &worker.portal.store;
    let link = {
        let mut db = store.read().await?;
        if group_push::count(&mut db, lease.application_id).await? == 0 {
            return Ok(());
        }
        tenant::open_delta_link(&mut db, store.sealer(), lease.application_id).await?
    };
    let link = link.filter(|_| !reads_everything(run));
    let sink = Sink {
        portal: worker.portal.clone(),
        lease: lease.clone(),
        round: Mutex::new(None),
    };
    let read = observe_groups(client, &sink, link.as_ref().map(Secret::expose)).await;
    match read {
        Err(ObserveError::Graph(error)) if missing_permission(&error).is_some() => {
            tracing::info!("the tenant's groups cannot be read: the permission is missing");
        }
        other => other?,
    }
    tenant::adopt_own(store, lease, worker.now()).await?;
    Ok(())
}

fn missing_permission(error: &signpost_graph::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::Forbidden { missing, .. } => {
            Some((*missing).unwrap_or("Group.ReadWrite.All").to_owned())
        }
        _ => None,
    }
}

/// Either suffices to create groups, to change them, and to write who is in them.
const WRITES_GROUPS: [&str; 2] = ["Group.ReadWrite.All", "Directory.ReadWrite.All"];

/// Whether a run has to look at pushed groups.
pub(super) async fn is_due(worker: &Worker, lease: &RunLease, run: &Run) -> Result<bool> {
    Ok(!due(worker, lease, run).await?.is_empty())
}

async fn due(worker: &Worker, lease: &RunLease, run: &Run) -> Result<Vec<(GroupId, i64)>> {
    if run.only_user.is_some() {
        // One user's memberships come with the run that follows by itself.
        return Ok(Vec::new());
    }
    let mut db = worker.portal.store.read().await?;
    let scope = GroupScope {
        everyone: run.scope == RunScope::Everyone,
        choices_too: run.trigger != Trigger::Change,
    };
    inputs::list_next(&mut db, lease.application_id, scope, worker.now()).await
}

/// What planning the pushed groups comes to.
#[derive(Debug, Default)]
pub(super) struct Pushed {
    /// From how many accounts memberships or inherited licenses are taken, apart from those from
    /// whom the run takes something else.
    pub(super) losers: i64,
    /// Over every action in order; `None`: there is none.
    pub(super) hash: Option<String>,
}

/// One hash for users and groups.
pub(super) fn joined(users: &str, groups: &str) -> String {
    hex(Sha256::digest(format!("{users} {groups}")).as_slice())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Plans the pushed groups that changed, or all of them; the users are planned already.
pub(super) async fn plan(
    worker: &Worker,
    lease: &RunLease,
    run: &Run,
    client: &Client,
    (grants, policy): (&[Grant], &Policy),
) -> std::result::Result<Pushed, Interrupted> {
    if due(worker, lease, run).await?.is_empty() {
        return Ok(Pushed::default());
    }
    let mut planning = Planning {
        worker,
        lease,
        run,
        client,
        grants,
        policy,
        hash: Sha256::new(),
        actions: 0,
        losers: BTreeSet::new(),
        others: 0,
    };
    let problem = planning.read_members().await?;
    // Reading them may have changed what is due.
    for (group, revision) in due(worker, lease, run).await? {
        planning.group(group, revision, problem.as_deref()).await?;
        let held = heartbeat(&worker.portal.store, lease, worker.now()).await?;
        if held.cancel_requested {
            return Err(Interrupted::Cancelled);
        }
    }
    planning.finish().await
}

struct Planning<'a> {
    worker: &'a Worker,
    lease: &'a RunLease,
    run: &'a Run,
    client: &'a Client,
    grants: &'a [Grant],
    policy: &'a Policy,
    hash: Sha256,
    actions: usize,
    losers: BTreeSet<UserId>,
    /// Losers that are only counted: members of groups that go or lose a license.
    others: i64,
}

impl Planning<'_> {
    /// Reads the members of groups that were linked since the last reading; returns the permission
    /// that is missing for it.
    async fn read_members(&mut self) -> std::result::Result<Option<String>, Interrupted> {
        let granted = self.client.granted_roles().await;
        let granted = granted.map_err(|error| Interrupted::Failed(run_failure(&error)))?;
        if !granted
            .iter()
            .any(|role| WRITES_GROUPS.contains(&role.as_str()))
        {
            return Ok(Some(WRITES_GROUPS[0].to_owned()));
        }
        let store = &self.worker.portal.store;
        let unread = {
            let mut db = store.read().await?;
            tenant::list_unread(&mut db, self.lease.application_id).await?
        };
        for (_, group) in unread {
            let Ok(id) = group.as_str().parse() else {
                continue;
            };
            let mut pages = self.client.group_members(id);
            let mut members = Vec::new();
            while let Some(page) = pages.next().await {
                match page {
                    Ok(page) => members.extend(page.into_iter().map(|one| object_id(one.id))),
                    Err(error) => match missing_permission(&error) {
                        Some(permission) => return Ok(Some(permission)),
                        None => return Err(Interrupted::Failed(run_failure(&error))),
                    },
                }
            }
            let now = self.worker.now();
            tenant::store_all_members(store, self.lease, &group, &members, now).await?;
        }
        let has_read = {
            let mut db = store.read().await?;
            let sealer = store.sealer();
            tenant::open_delta_link(&mut db, sealer, self.lease.application_id).await?
        };
        let missing = has_read.is_none().then(|| "Group.ReadWrite.All".to_owned());
        Ok(missing)
    }

    async fn input(&self, group: GroupId) -> Result<Option<PushInput>> {
        let mut db = self.worker.portal.store.read().await?;
        let application = self.lease.application_id;
        let products = licenses::list_products(&mut db, application).await?;
        inputs::find(&mut db, application, group, self.grants, &products).await
    }

    async fn group(
        &mut self,
        group: GroupId,
        revision: i64,
        problem: Option<&str>,
    ) -> std::result::Result<(), Interrupted> {
        let Some(mut input) = self.input(group).await? else {
            return Ok(());
        };
        let store = &self.worker.portal.store;
        if let Some(permission) = problem {
            let planned = PlannedGroup {
                group_id: group,
                name: input.name,
                object_id: None,
                revision,
                state_after: PushState::Blocked,
                blockers: vec![GroupBlocker::MissingPermission {
                    permission: permission.to_owned(),
                }],
                ends: false,
            };
            return Ok(plan::finish_group(store, self.lease, &planned, self.worker.now()).await?);
        }
        if let (Some(link), None) = (&input.link, &input.group) {
            // A replica may not know a new group yet: only the group itself says that it is gone.
            if let Some(found) = self.look_for(&link.object_id).await? {
                input.group = Some(found);
            }
        }
        let mut planner = GroupPlanner::new(&input, self.policy.drift.of_memberships());
        let target = planner.target();
        self.write(&input, target.as_ref(), planner.drain()).await?;
        let mut drifted = Vec::new();
        let mut after = None;
        while planner.wants_members() {
            let scope = MemberScope {
                run: self.run.id,
                group,
                object_id: target.as_ref(),
                ends: !input.wanted,
                only_user: None,
                policy: self.policy,
            };
            let now = self.worker.now();
            let (members, next) = {
                let mut db = store.read().await?;
                inputs::list_members(&mut db, self.lease.application_id, scope, after, now).await?
            };
            members.iter().for_each(|member| planner.member(member));
            let mut decided = planner.drain();
            drifted.append(&mut decided.drifted);
            self.write(&input, target.as_ref(), decided).await?;
            match next {
                Some(_) => after = next,
                None => break,
            }
        }
        let (head, mut decided) = planner.finish();
        drifted.append(&mut decided.drifted);
        self.write(&input, target.as_ref(), decided).await?;
        let now = self.worker.now();
        drifts::note(store, self.lease, group, &drifted, now).await?;
        let planned = PlannedGroup {
            group_id: group,
            name: head.name,
            object_id: head.object_id,
            revision,
            state_after: head.state_after,
            blockers: head.blockers,
            ends: head.ends,
        };
        Ok(plan::finish_group(store, self.lease, &planned, now).await?)
    }

    async fn look_for(
        &self,
        id: &ObjectId,
    ) -> std::result::Result<Option<TenantGroup>, Interrupted> {
        let Ok(graph_id) = id.as_str().parse() else {
            return Ok(None);
        };
        let found = self.client.group(graph_id).await;
        let found = found.map_err(|error| Interrupted::Failed(run_failure(&error)))?;
        let Some(group) = found.as_ref().map(tenant_group) else {
            return Ok(None);
        };
        let seen = tenant::SeenGroup {
            object_id: id.clone(),
            group: Some(group.clone()),
            entered: Vec::new(),
            left: Vec::new(),
        };
        let (store, now) = (&self.worker.portal.store, self.worker.now());
        tenant::store_groups(store, self.lease, None, &[seen], now).await?;
        Ok(Some(group))
    }

    async fn write(
        &mut self,
        input: &PushInput,
        target: Option<&ObjectId>,
        decided: Decided,
    ) -> Result<()> {
        for planned in &decided.actions {
            self.count(planned);
        }
        let (store, now) = (&self.worker.portal.store, self.worker.now());
        let about = (input.group_id, input.name.as_str(), target);
        plan::write_actions(store, self.lease, about, &decided.actions, now).await?;
        if let Some(target) = target {
            plan::forget_memberships(store, self.lease, target, &decided.forgotten, now).await?;
        }
        Ok(())
    }

    fn count(&mut self, planned: &PlannedGroupAction) {
        self.actions += 1;
        // Plain data always has a JSON form.
        self.hash
            .update(serde_json::to_vec(planned).unwrap_or_default());
        self.hash.update(b"\n");
        match &planned.action {
            GroupAction::RemoveMember { member } => {
                self.losers.insert(member.user_id);
            }
            other => self.others = self.others.saturating_add(other.losers()),
        }
    }

    async fn finish(self) -> std::result::Result<Pushed, Interrupted> {
        let store = &self.worker.portal.store;
        let members: Vec<UserId> = self.losers.into_iter().collect();
        let losers = {
            let mut db = store.read().await?;
            plan::count_losers(&mut db, self.run.id, &members).await? + self.others
        };
        plan::add_losers(store, self.lease, losers, self.worker.now()).await?;
        Ok(Pushed {
            losers,
            hash: (self.actions > 0).then(|| hex(self.hash.finalize().as_slice())),
        })
    }
}

/// Carries out what the plan still has to do to groups.
pub(super) async fn apply(worker: &Worker, lease: &RunLease, client: Client) -> Result<Ended> {
    let portal = &worker.portal;
    let journal = Journal {
        portal: portal.clone(),
        lease: lease.clone(),
    };
    let surroundings = Surroundings {
        clock: portal.graph_clock.as_ref(),
        random: portal.random.as_ref(),
    };
    apply_groups(&GraphGroups::new(client), &journal, surroundings).await
}

/// The stored actions on groups of one run, under its lease.
#[derive(Debug)]
struct Journal {
    portal: Portal,
    lease: RunLease,
}

impl Journal {
    fn now(&self) -> Timestamp {
        self.portal.clock.now()
    }
}

impl GroupJournal for Journal {
    type Error = Error;

    async fn next_groups(&self, after: Option<GroupId>, limit: usize) -> Result<Vec<GroupChain>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (application, run) = (self.lease.application_id, self.lease.run_id);
        let mut db = self.portal.store.read().await?;
        let open = outcomes::list_open(&mut db, application, run, after, limit).await?;
        let chain = |open: outcomes::OpenGroup| GroupChain {
            group_id: open.group_id,
            group: open.group,
        };
        Ok(open.into_iter().map(chain).collect())
    }

    async fn next_steps(&self, group: GroupId, after: i64, limit: usize) -> Result<Vec<GroupStep>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut db = self.portal.store.read().await?;
        let run = self.lease.run_id;
        let open = outcomes::list_actions(&mut db, run, group, after, limit).await?;
        let step = |open: outcomes::OpenGroupAction| GroupStep {
            sequence: open.sequence,
            action: open.action,
            sent: open.sent,
        };
        Ok(open.into_iter().map(step).collect())
    }

    async fn accounts_of(&self, users: &[UserId]) -> Result<HashMap<UserId, ObjectId>> {
        let mut db = self.portal.store.read().await?;
        chains::find_linked(&mut db, self.lease.application_id, users).await
    }

    async fn mark_sent(&self, sequences: &[i64]) -> Result<Signal> {
        let store = &self.portal.store;
        outcomes::mark_sent(store, &self.lease, sequences, self.now())
            .await
            .map(signal)
    }

    async fn record(&self, recorded: &[GroupRecorded]) -> Result<Signal> {
        let recorded: Vec<_> = recorded.iter().map(stored).collect();
        let store = &self.portal.store;
        outcomes::record(store, &self.lease, &recorded, self.now())
            .await
            .map(signal)
    }
}

fn stored(recorded: &GroupRecorded) -> outcomes::Recorded {
    outcomes::Recorded {
        sequence: recorded.sequence,
        group_id: recorded.group_id,
        outcome: recorded.outcome.clone(),
        effects: recorded.effects.iter().map(effect).collect(),
    }
}

fn effect(effect: &GroupEffect) -> outcomes::GroupEffect {
    use outcomes::GroupEffect as Stored;
    match effect.clone() {
        GroupEffect::Created(group) => Stored::Created(group),
        GroupEffect::Changed(group) => Stored::Changed(group),
        GroupEffect::Entered {
            group,
            accounts,
            ours,
        } => Stored::Entered {
            group,
            accounts,
            ours,
        },
        GroupEffect::Left { group, accounts } => Stored::Left { group, accounts },
        GroupEffect::Licensed {
            group,
            gained,
            lost,
        } => Stored::Licensed {
            group,
            gained,
            lost,
        },
        GroupEffect::Deleted(group) => Stored::Deleted(group),
    }
}

/// The store, as a reading of the tenant's groups writes to it.
#[derive(Debug)]
struct Sink {
    portal: Portal,
    lease: RunLease,
    /// The full read under way.
    round: Mutex<Option<GroupRound>>,
}

impl Sink {
    fn now(&self) -> Timestamp {
        self.portal.clock.now()
    }
}

impl GroupSink for Sink {
    type Error = Error;

    async fn count(&self) -> Result<u64> {
        let mut db = self.portal.store.read().await?;
        let count = tenant::count(&mut db, self.lease.application_id).await?;
        Ok(count.unsigned_abs())
    }

    async fn known(&self, ids: &[ObjectId]) -> Result<Vec<TenantGroup>> {
        let mut db = self.portal.store.read().await?;
        tenant::known(&mut db, self.lease.application_id, ids).await
    }

    async fn begin_full_read(&self) -> Result<()> {
        let store = &self.portal.store;
        let round = tenant::begin_read(store, &self.lease, self.now()).await?;
        *self.round.lock().await = Some(round);
        Ok(())
    }

    async fn store(&self, seen: &[SeenGroup]) -> Result<()> {
        let round = *self.round.lock().await;
        let rows: Vec<_> = seen.iter().map(seen_group).collect();
        let store = &self.portal.store;
        tenant::store_groups(store, &self.lease, round, &rows, self.now()).await
    }

    async fn finish_full_read(&self) -> Result<()> {
        let Some(round) = self.round.lock().await.take() else {
            return Ok(());
        };
        tenant::finish_read(&self.portal.store, &self.lease, round, self.now()).await
    }

    async fn save_delta_link(&self, link: &str) -> Result<()> {
        let (portal, link) = (&self.portal, Secret::new(link));
        let random = portal.random.as_ref();
        let now = self.now();
        tenant::save_delta_link(&portal.store, random, &self.lease, Some(&link), now).await
    }
}

fn seen_group(seen: &SeenGroup) -> tenant::SeenGroup {
    tenant::SeenGroup {
        object_id: seen.object_id.clone(),
        group: seen.group.clone(),
        entered: seen.entered.clone(),
        left: seen.left.clone(),
    }
}
