//! One group's actions on their way: what to do next, and what an answer means. No I/O.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use signpost_model::group_push::{GroupAction, GroupMember, TenantGroup};
use signpost_model::plan::ObjectId;
use signpost_model::run::{ActionFailure, Outcome, RunFailure, SkipReason};
use signpost_model::{GroupId, Random, UserId};

use super::{GroupChain, GroupEffect, GroupRecorded, GroupStep, GroupWrite};
use crate::apply::delays::{self, LOOKS, REPLICATION_WAITS, TRIES};
use crate::apply::{Answer, ReadFailure, Why};

/// How to find out what became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    Group(ObjectId),
    Created(String),
    Members(ObjectId),
}

/// What a look found.
#[derive(Debug)]
pub(super) enum Found {
    Group(Option<TenantGroup>),
    Members(BTreeSet<ObjectId>),
}

/// What is to be done after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Wait(Duration),
    /// The run is to end.
    End(RunFailure),
}

/// Where the step at the head of the queue stands.
#[derive(Debug, Default)]
struct Progress {
    /// Parts of its members that are still to be added; the first is sent next.
    parts: VecDeque<Vec<ObjectId>>,
    prepared: bool,
    /// May have happened: read back before it is sent again.
    unknown: bool,
    /// A write of this step went out and its answer was lost.
    was_lost: bool,
    /// Members that Signpost put into the group.
    added: Vec<ObjectId>,
    /// Members who were there already.
    found: Vec<ObjectId>,
    refused: Vec<(ObjectId, ActionFailure)>,
    request_id: Option<String>,
    tries: u32,
    looks: u32,
    waits: u32,
}

/// A group that is being worked on.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) group_id: GroupId,
    group: Option<TenantGroup>,
    pub(super) steps: VecDeque<GroupStep>,
    /// The place of the last step that was loaded.
    pub(super) loaded_to: i64,
    pub(super) is_loaded: bool,
    /// A call, a look or a rest is under way.
    pub(super) is_busy: bool,
    progress: Progress,
    /// Created in this run: replicas may not know it yet.
    fresh: bool,
    /// The create failed: nothing else can be done.
    is_lost: bool,
    /// Steps with members whose accounts came into being in this run.
    young: BTreeSet<i64>,
}

/// What a group wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send the writes of so many steps at most; see [`Active::writes`].
    Write,
    Look(Look),
    Record(GroupRecorded),
    /// Nothing more is loaded.
    Empty,
}

impl Active {
    pub(super) fn new(chain: GroupChain) -> Self {
        Self {
            group_id: chain.group_id,
            group: chain.group,
            steps: VecDeque::new(),
            loaded_to: -1,
            is_loaded: false,
            is_busy: false,
            progress: Progress::default(),
            fresh: false,
            is_lost: false,
            young: BTreeSet::new(),
        }
    }

    /// Users whose accounts the loaded steps have to know.
    pub(super) fn unknown_users<'a>(steps: &'a [GroupStep]) -> impl Iterator<Item = UserId> + 'a {
        steps
            .iter()
            .flat_map(|step| members_of(&step.action))
            .filter(|member| member.object_id.is_none())
            .map(|member| member.user_id)
    }

    /// Adds steps, with the accounts that came into being meanwhile.
    pub(super) fn load(&mut self, steps: Vec<GroupStep>, accounts: &HashMap<UserId, ObjectId>) {
        for mut step in steps {
            self.loaded_to = self.loaded_to.max(step.sequence);
            if members_of(&step.action)
                .iter()
                .any(|member| member.object_id.is_none())
            {
                self.young.insert(step.sequence);
            }
            for member in members_mut(&mut step.action) {
                if member.object_id.is_none() {
                    member.object_id = accounts.get(&member.user_id).cloned();
                }
            }
            self.steps.push_back(step);
        }
    }

    fn object_id(&self) -> Option<ObjectId> {
        self.group.as_ref().map(|group| group.object_id.clone())
    }

    /// Whether what may have happened has to be read back even when the run stops.
    pub(super) fn is_unknown(&self) -> bool {
        self.progress.unknown || self.steps.front().is_some_and(|step| step.sent)
    }

    /// What the group wants next.
    pub(super) fn next(&mut self) -> Next {
        let Some(step) = self.steps.front() else {
            return Next::Empty;
        };
        let is_create = matches!(step.action, GroupAction::CreateGroup { .. });
        if self.is_lost || (!is_create && self.group.is_none()) {
            return Next::Record(self.close(Outcome::Skipped {
                because: SkipReason::EarlierActionFailed,
            }));
        }
        self.prepare();
        if self.progress.unknown {
            return Next::Look(self.look());
        }
        match &self.steps[0].action {
            GroupAction::AddMembers { members } if self.progress.parts.is_empty() => {
                let nobody = members.iter().all(|member| member.object_id.is_none());
                let outcome = self.outcome_of_members(nobody);
                Next::Record(self.close(outcome))
            }
            GroupAction::RemoveMember { member } if member.object_id.is_none() => {
                let because = SkipReason::AlreadyDone;
                Next::Record(self.close(Outcome::Skipped { because }))
            }
            _ => Next::Write,
        }
    }

    fn prepare(&mut self) {
        if self.progress.prepared {
            return;
        }
        let Some(step) = self.steps.front() else {
            return;
        };
        self.progress = Progress {
            prepared: true,
            unknown: step.sent,
            was_lost: step.sent,
            parts: parts_of(&step.action),
            ..Progress::default()
        };
    }

    fn outcome_of_members(&mut self, nobody: bool) -> Outcome {
        if let Some((_, failure)) = self.progress.refused.first() {
            let mut failure = failure.clone();
            let all =
                self.progress.refused.len() + self.progress.added.len() + self.progress.found.len();
            if all > 1 {
                let refused = self.progress.refused.len();
                failure.message = format!("{refused} of {all} members: {}", failure.message);
            }
            return Outcome::Failed(failure);
        }
        if nobody {
            return Outcome::Skipped {
                because: SkipReason::MemberHasNoAccount,
            };
        }
        if self.progress.added.is_empty() {
            return Outcome::Skipped {
                because: SkipReason::AlreadyDone,
            };
        }
        Outcome::Applied {
            request_id: self.progress.request_id.take(),
        }
    }

    /// The writes that may go out together, at most `room`: of the step at the head one part, then
    /// whole steps behind it that depend on nothing but their order.
    pub(super) fn writes(&mut self, room: usize) -> Vec<(i64, GroupWrite)> {
        let mut writes = Vec::new();
        let Some(step) = self.steps.front() else {
            return writes;
        };
        let Some(group) = self.object_id() else {
            writes.extend(create(step));
            return writes;
        };
        writes.extend(self.write(step, &group, self.progress.parts.front()));
        if self.progress.parts.len() > 1 {
            // A step in parts is brought to its end first.
            return writes;
        }
        for step in self.steps.iter().skip(1) {
            let parts = parts_of(&step.action);
            let alone = matches!(
                step.action,
                GroupAction::CreateGroup { .. } | GroupAction::DeleteGroup { .. }
            );
            if writes.len() >= room || step.sent || alone {
                break;
            }
            match self.write(step, &group, parts.front()) {
                Some(write) => writes.push(write),
                None => break,
            }
        }
        writes
    }

    fn write(
        &self,
        step: &GroupStep,
        group: &ObjectId,
        part: Option<&Vec<ObjectId>>,
    ) -> Option<(i64, GroupWrite)> {
        let group = group.clone();
        let write = match &step.action {
            GroupAction::CreateGroup { .. } => return create(step),
            GroupAction::UpdateGroup { name, description } => GroupWrite::Update {
                group,
                name: name.as_ref().map(|(_, after)| after.clone()),
                description: description.as_ref().map(|(_, after)| after.clone()),
            },
            GroupAction::AddMembers { .. } => GroupWrite::Add {
                group,
                accounts: part?.clone(),
            },
            GroupAction::RemoveMember { member } => GroupWrite::Remove {
                group,
                account: member.object_id.clone()?,
            },
            GroupAction::AssignLicenses { add, remove, .. } => GroupWrite::License {
                group,
                add: add.clone(),
                remove: remove.clone(),
            },
            GroupAction::DeleteGroup { .. } => GroupWrite::Delete { group },
        };
        Some((step.sequence, write))
    }

    /// What the tenant's answers to the writes mean, in the order in which they were sent.
    pub(super) fn answered(
        &mut self,
        answers: Vec<(i64, Answer)>,
        random: &dyn Random,
    ) -> (Vec<GroupRecorded>, Then) {
        let mut recorded = Vec::new();
        let mut then = Then::GoOn;
        for (sequence, answer) in answers {
            if self.steps.front().map(|step| step.sequence) != Some(sequence) {
                // The step before it is not at its end: this one waits behind it. What is known
                // of it is kept by the step itself.
                self.note_behind(sequence, answer, &mut recorded);
                continue;
            }
            self.prepare();
            let (more, after) = self.judge(answer, random);
            recorded.extend(more);
            if then == Then::GoOn {
                then = after;
            }
        }
        (recorded, then)
    }

    /// An answer about a step that is not at the head, because one before it has to be repeated.
    fn note_behind(&mut self, sequence: i64, answer: Answer, recorded: &mut Vec<GroupRecorded>) {
        let Some(at) = self.steps.iter().position(|s| s.sequence == sequence) else {
            return;
        };
        match answer {
            Answer::Done { request_id, .. } => {
                let Some(step) = self.steps.remove(at) else {
                    return;
                };
                let ids = parts_of(&step.action).pop_front().unwrap_or_default();
                let effects = self.effects(&step.action, &ids, &[]);
                recorded.push(GroupRecorded {
                    sequence,
                    group_id: self.group_id,
                    outcome: Outcome::Applied { request_id },
                    effects,
                });
            }
            // It is asked about when its turn comes.
            Answer::Unknown(_) => self.steps[at].sent = true,
            Answer::Refused { .. } => {}
        }
    }

    fn judge(&mut self, answer: Answer, random: &dyn Random) -> (Option<GroupRecorded>, Then) {
        match answer {
            Answer::Done {
                request_id,
                object_id,
            } => (self.done(request_id, object_id), Then::GoOn),
            Answer::Unknown(failure) => {
                self.progress.tries += 1;
                self.progress.unknown = true;
                self.progress.was_lost = true;
                if self.progress.tries >= TRIES {
                    return (Some(self.close(Outcome::Failed(failure))), Then::GoOn);
                }
                (None, Then::GoOn)
            }
            Answer::Refused { why, failure } => self.refused(why, failure, random),
        }
    }

    fn done(
        &mut self,
        request_id: Option<String>,
        object_id: Option<ObjectId>,
    ) -> Option<GroupRecorded> {
        self.progress.request_id = request_id.clone().or(self.progress.request_id.take());
        match &self.steps[0].action {
            GroupAction::CreateGroup {
                name,
                description,
                mail_nickname,
            } => {
                let Some(object_id) = object_id else {
                    self.progress.unknown = true;
                    return None;
                };
                let made = TenantGroup {
                    object_id,
                    name: name.clone(),
                    description: description.clone(),
                    mail_nickname: mail_nickname.clone(),
                    mail_enabled: false,
                    security_enabled: true,
                    dynamic: false,
                    synchronised: false,
                    role_assignable: false,
                    licenses: Vec::new(),
                };
                Some(self.created(made, request_id))
            }
            GroupAction::AddMembers { .. } => {
                let part = self.progress.parts.pop_front().unwrap_or_default();
                self.progress.added.extend(part);
                if !self.progress.parts.is_empty() {
                    return None;
                }
                let outcome = self.outcome_of_members(false);
                Some(self.close(outcome))
            }
            _ => Some(self.close(Outcome::Applied { request_id })),
        }
    }

    fn created(&mut self, made: TenantGroup, request_id: Option<String>) -> GroupRecorded {
        self.group = Some(made);
        self.fresh = true;
        self.close(Outcome::Applied { request_id })
    }

    fn refused(
        &mut self,
        why: Why,
        failure: ActionFailure,
        random: &dyn Random,
    ) -> (Option<GroupRecorded>, Then) {
        let is_add = matches!(self.steps[0].action, GroupAction::AddMembers { .. });
        match why {
            Why::Fatal(end) => (None, Then::End(end)),
            Why::Busy { retry_after, tries } => {
                self.progress.tries += tries;
                if self.progress.tries >= TRIES {
                    return (Some(self.close(Outcome::Failed(failure))), Then::GoOn);
                }
                let wait = delays::retry(self.progress.tries, retry_after, random);
                (None, Then::Wait(wait))
            }
            // Somebody of the twenty is in the group already: see who.
            Why::NothingLeft if is_add => {
                self.progress.looks += 1;
                if self.progress.looks > LOOKS {
                    return (Some(self.close(Outcome::Failed(failure))), Then::GoOn);
                }
                self.progress.unknown = true;
                (None, Then::GoOn)
            }
            Why::Missing if self.may_come() => {
                self.progress.waits += 1;
                let wait = delays::replication(self.progress.waits, random);
                (None, Then::Wait(wait))
            }
            Why::Missing | Why::NothingLeft if !is_add && self.is_over_without() => {
                let because = SkipReason::AlreadyDone;
                (Some(self.close(Outcome::Skipped { because })), Then::GoOn)
            }
            // One of many must not hold up the others.
            _ if is_add
                && self
                    .progress
                    .parts
                    .front()
                    .is_some_and(|part| part.len() > 1) =>
            {
                let part = self.progress.parts.pop_front().unwrap_or_default();
                for account in part.into_iter().rev() {
                    self.progress.parts.push_front(vec![account]);
                }
                self.progress.waits = REPLICATION_WAITS;
                (None, Then::GoOn)
            }
            _ if is_add => {
                let part = self.progress.parts.pop_front().unwrap_or_default();
                let refused = part.into_iter().map(|account| (account, failure.clone()));
                self.progress.refused.extend(refused);
                if !self.progress.parts.is_empty() {
                    return (None, Then::GoOn);
                }
                // Where nobody can be found, it is the group that is gone.
                let nobody = self.progress.added.is_empty() && self.progress.found.is_empty();
                self.is_lost = why == Why::Missing && nobody && self.progress.refused.len() > 1;
                let outcome = self.outcome_of_members(false);
                (Some(self.close(outcome)), Then::GoOn)
            }
            _ => {
                self.is_lost = matches!(self.steps[0].action, GroupAction::CreateGroup { .. });
                (Some(self.close(Outcome::Failed(failure))), Then::GoOn)
            }
        }
    }

    /// Whether what was not found may only not have reached every replica yet.
    fn may_come(&self) -> bool {
        let is_young = self.young.contains(&self.steps[0].sequence);
        (self.fresh || is_young) && self.progress.waits < REPLICATION_WAITS
    }

    /// Whether nothing being there is what the step wanted.
    fn is_over_without(&self) -> bool {
        match &self.steps[0].action {
            GroupAction::RemoveMember { .. } | GroupAction::DeleteGroup { .. } => true,
            GroupAction::AssignLicenses { add, .. } => add.is_empty(),
            _ => false,
        }
    }

    fn look(&self) -> Look {
        let group = self.object_id();
        match (&self.steps[0].action, group) {
            (GroupAction::CreateGroup { mail_nickname, .. }, _) => {
                Look::Created(mail_nickname.clone())
            }
            (GroupAction::AddMembers { .. } | GroupAction::RemoveMember { .. }, Some(group)) => {
                Look::Members(group)
            }
            (_, Some(group)) => Look::Group(group),
            // Steps behind a create wait for it.
            (_, None) => Look::Created(String::new()),
        }
    }

    /// What a look at the tenant means for the step at the head.
    pub(super) fn looked(
        &mut self,
        found: Result<Found, ReadFailure>,
        random: &dyn Random,
    ) -> (Option<GroupRecorded>, Then) {
        self.progress.looks += 1;
        let found = match found {
            Ok(found) => found,
            Err(ReadFailure {
                fatal: Some(end), ..
            }) => return (None, Then::End(*end)),
            Err(ReadFailure { failure, .. }) => {
                if self.progress.looks >= LOOKS {
                    return (Some(self.close(Outcome::Failed(failure))), Then::GoOn);
                }
                let wait = delays::retry(self.progress.looks, None, random);
                return (None, Then::Wait(wait));
            }
        };
        self.progress.unknown = false;
        if let Some(step) = self.steps.front_mut() {
            step.sent = false;
        }
        let recorded = match found {
            Found::Group(group) => self.found_group(group),
            Found::Members(members) => self.found_members(members),
        };
        (recorded, Then::GoOn)
    }

    fn found_group(&mut self, found: Option<TenantGroup>) -> Option<GroupRecorded> {
        let applied = Outcome::Applied { request_id: None };
        match &self.steps[0].action {
            GroupAction::CreateGroup { .. } => {
                let made = found?;
                Some(self.created(made, None))
            }
            GroupAction::DeleteGroup { .. } => match found {
                None => Some(self.close(applied)),
                Some(_) => None,
            },
            GroupAction::UpdateGroup { name, description } => {
                let found = found?;
                let is_name = name.as_ref().is_none_or(|(_, after)| *after == found.name);
                let is_text = description
                    .as_ref()
                    .is_none_or(|(_, after)| *after == found.description);
                (is_name && is_text).then(|| self.close(applied))
            }
            GroupAction::AssignLicenses { add, remove, .. } => {
                let found = found?;
                let has = |sku: &str, off: &[String]| {
                    found
                        .license(sku)
                        .is_some_and(|held| held.disabled_plans == off)
                };
                let given = add
                    .iter()
                    .all(|license| has(&license.sku_id, &license.disabled_plans));
                let taken = remove
                    .iter()
                    .all(|license| found.license(&license.sku_id).is_none());
                (given && taken).then(|| self.close(applied))
            }
            GroupAction::AddMembers { .. } | GroupAction::RemoveMember { .. } => None,
        }
    }

    fn found_members(&mut self, members: BTreeSet<ObjectId>) -> Option<GroupRecorded> {
        match &self.steps[0].action {
            GroupAction::RemoveMember { member } => {
                let is_there = member
                    .object_id
                    .as_ref()
                    .is_some_and(|account| members.contains(account));
                (!is_there).then(|| self.close(Outcome::Applied { request_id: None }))
            }
            _ => {
                // All of a write or none of it: whoever is there after a lost answer came by it.
                let ours = self.progress.was_lost;
                let parts = std::mem::take(&mut self.progress.parts);
                for part in parts {
                    let (there, missing): (Vec<_>, Vec<_>) = part
                        .into_iter()
                        .partition(|account| members.contains(account));
                    if ours && missing.is_empty() {
                        self.progress.added.extend(there);
                    } else {
                        self.progress.found.extend(there);
                    }
                    if !missing.is_empty() {
                        self.progress.parts.push_back(missing);
                    }
                }
                None
            }
        }
    }

    /// Ends the step at the head.
    fn close(&mut self, outcome: Outcome) -> GroupRecorded {
        let step = self.steps.pop_front();
        let progress = std::mem::take(&mut self.progress);
        let (sequence, effects) = match step {
            Some(step) => {
                let effects = match &outcome {
                    // Some may have got in before the failure.
                    Outcome::Failed(_)
                        if !matches!(step.action, GroupAction::AddMembers { .. }) =>
                    {
                        Vec::new()
                    }
                    Outcome::Skipped {
                        because:
                            SkipReason::EarlierActionFailed
                            | SkipReason::Cancelled
                            | SkipReason::RunEnded,
                    } => Vec::new(),
                    _ => self.effects(&step.action, &progress.added, &progress.found),
                };
                (step.sequence, effects)
            }
            None => (-1, Vec::new()),
        };
        GroupRecorded {
            sequence,
            group_id: self.group_id,
            outcome,
            effects,
        }
    }

    fn effects(
        &mut self,
        action: &GroupAction,
        added: &[ObjectId],
        found: &[ObjectId],
    ) -> Vec<GroupEffect> {
        let Some(group) = &mut self.group else {
            return Vec::new();
        };
        let id = group.object_id.clone();
        match action {
            GroupAction::CreateGroup { .. } => vec![GroupEffect::Created(group.clone())],
            GroupAction::UpdateGroup { name, description } => {
                if let Some((_, after)) = name {
                    group.name.clone_from(after);
                }
                if let Some((_, after)) = description {
                    group.description.clone_from(after);
                }
                vec![GroupEffect::Changed(group.clone())]
            }
            GroupAction::AddMembers { .. } => {
                let entered = |accounts: &[ObjectId], ours| GroupEffect::Entered {
                    group: id.clone(),
                    accounts: accounts.to_vec(),
                    ours,
                };
                let mut effects = Vec::new();
                if !added.is_empty() {
                    effects.push(entered(added, true));
                }
                if !found.is_empty() {
                    effects.push(entered(found, false));
                }
                effects
            }
            GroupAction::RemoveMember { member } => vec![GroupEffect::Left {
                group: id,
                accounts: member.object_id.iter().cloned().collect(),
            }],
            GroupAction::AssignLicenses { add, remove, .. } => {
                for license in add.iter().chain(remove) {
                    group.licenses.retain(|held| held.sku_id != license.sku_id);
                }
                let gained = add
                    .iter()
                    .map(|license| signpost_model::group_push::GroupLicense {
                        sku_id: license.sku_id.clone(),
                        disabled_plans: license.disabled_plans.clone(),
                    });
                group.licenses.extend(gained);
                group.licenses.sort();
                vec![
                    GroupEffect::Changed(group.clone()),
                    GroupEffect::Licensed {
                        group: id,
                        gained: add.clone(),
                        lost: remove
                            .iter()
                            .map(|license| license.sku_id.clone())
                            .collect(),
                    },
                ]
            }
            GroupAction::DeleteGroup { .. } => {
                self.group = None;
                vec![GroupEffect::Deleted(id)]
            }
        }
    }

    /// The run stops: what was marked as sent and did not happen is noted as skipped.
    pub(super) fn stop(
        &mut self,
        marked: &BTreeSet<i64>,
        because: SkipReason,
    ) -> Vec<GroupRecorded> {
        let mut recorded = Vec::new();
        while self
            .steps
            .front()
            .is_some_and(|step| marked.contains(&step.sequence))
        {
            recorded.push(self.close(Outcome::Skipped { because }));
        }
        recorded
    }
}

fn create(step: &GroupStep) -> Option<(i64, GroupWrite)> {
    let GroupAction::CreateGroup {
        name,
        description,
        mail_nickname,
    } = &step.action
    else {
        return None;
    };
    let write = GroupWrite::Create {
        name: name.clone(),
        description: description.clone(),
        mail_nickname: mail_nickname.clone(),
    };
    Some((step.sequence, write))
}

fn members_of(action: &GroupAction) -> &[GroupMember] {
    match action {
        GroupAction::AddMembers { members } => members,
        GroupAction::RemoveMember { member } => std::slice::from_ref(member),
        _ => &[],
    }
}

fn members_mut(action: &mut GroupAction) -> &mut [GroupMember] {
    match action {
        GroupAction::AddMembers { members } => members,
        GroupAction::RemoveMember { member } => std::slice::from_mut(member),
        _ => &mut [],
    }
}

/// The accounts that an action adds, as one part; whoever has no account yet is left out.
fn parts_of(action: &GroupAction) -> VecDeque<Vec<ObjectId>> {
    let GroupAction::AddMembers { members } = action else {
        return VecDeque::new();
    };
    let accounts: Vec<ObjectId> = members
        .iter()
        .filter_map(|member| member.object_id.clone())
        .collect();
    if accounts.is_empty() {
        VecDeque::new()
    } else {
        VecDeque::from([accounts])
    }
}
