//! Decides about pushed groups: what becomes of each group of the tenant, who enters it and who
//! leaves it. Pure and total, as the planner of users.
//!
//! A group is planned by its head first, then member by member, so that a group of any size needs
//! little memory: what is decided is taken out with [`GroupPlanner::drain`].

use signpost_model::GroupId;
use signpost_model::UserId;
use signpost_model::group_push::{
    GroupAction, GroupBlocker, GroupCandidate, GroupMember, KnownGroup, MEMBERS_PER_ACTION,
    MemberInput, OnRemoval, PlannedGroupAction, PushDecision, PushInput, PushState, Standing,
    TenantGroup, mail_nickname,
};
use signpost_model::plan::{ObjectId, PlannedLicense, Reason};
use signpost_model::policy::DriftRule;
use signpost_model::provisioning::DriftChoice;

/// What is decided about one pushed group, apart from its actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupHead {
    pub group_id: GroupId,
    pub name: String,
    /// The tenant's group; `None` until it is created.
    pub object_id: Option<ObjectId>,
    pub state_after: PushState,
    pub blockers: Vec<GroupBlocker>,
    /// Nothing is left to follow once the actions are done.
    pub ends: bool,
}

/// Plans one pushed group.
#[derive(Debug)]
pub struct GroupPlanner {
    head: GroupHead,
    rule: DriftRule,
    /// Whether members enter; otherwise those whom Signpost added leave.
    enters: bool,
    leaves: bool,
    adding: Vec<GroupMember>,
    /// The reason of those in `adding`.
    adding_because: Reason,
    decided: Vec<PlannedGroupAction>,
    tail: Vec<PlannedGroupAction>,
    forgotten: Vec<ObjectId>,
    drifted: Vec<UserId>,
}

/// What members brought, since it was last asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided {
    pub actions: Vec<PlannedGroupAction>,
    /// Accounts whose ledger line is about a membership that is over.
    pub forgotten: Vec<ObjectId>,
    /// Members whom somebody else removed, and about whom a person decides.
    pub drifted: Vec<UserId>,
}

impl GroupPlanner {
    /// Decides about the group itself.
    pub fn new(input: &PushInput, rule: DriftRule) -> Self {
        let mut planner = Self {
            head: GroupHead {
                group_id: input.group_id,
                name: input.name.clone(),
                object_id: input.link.as_ref().map(|link| link.object_id.clone()),
                state_after: PushState::InSync,
                blockers: Vec::new(),
                ends: false,
            },
            rule,
            enters: false,
            leaves: false,
            adding: Vec::new(),
            adding_because: Reason::InGroup,
            decided: Vec::new(),
            tail: Vec::new(),
            forgotten: Vec::new(),
            drifted: Vec::new(),
        };
        if input.wanted {
            planner.stay(input);
        } else {
            planner.end(input);
        }
        planner
    }

    /// Whether members have to be looked at.
    pub const fn wants_members(&self) -> bool {
        self.enters || self.leaves
    }

    /// The tenant's group that members enter or leave; `None` until it is created.
    pub fn target(&self) -> Option<ObjectId> {
        self.head.object_id.clone()
    }

    /// Decides about one user. Hand them in by ascending id, each once.
    pub fn member(&mut self, input: &MemberInput) {
        match (input.standing, input.observed) {
            (Standing::Wanted | Standing::Returning, false) if self.enters => self.enter(input),
            (Standing::Unwanted, true) if input.owned && self.leaves => {
                let reason = if self.enters {
                    Reason::LeftGroup
                } else {
                    Reason::GroupNoLongerPushed
                };
                self.leave(input, reason);
            }
            // The group is no longer pushed.
            (Standing::Wanted | Standing::Returning, true)
                if input.owned && self.leaves && !self.enters =>
            {
                self.leave(input, Reason::GroupNoLongerPushed);
            }
            (Standing::Unwanted, false) if input.owned => {
                self.forgotten.extend(input.member.object_id.clone());
            }
            _ => {}
        }
    }

    fn enter(&mut self, input: &MemberInput) {
        let mut because = Reason::InGroup;
        // Nobody was taken out of a group that is only now made.
        let is_ours = input.owned && self.head.object_id.is_some();
        if is_ours && input.standing == Standing::Wanted {
            because = Reason::RemovedByOthers;
            match (input.drift, self.rule) {
                (Some(DriftChoice::Revert), _) | (None, DriftRule::Revert) => {}
                (None, DriftRule::Ask) => {
                    self.drifted.push(input.member.user_id);
                    return;
                }
                (Some(DriftChoice::Accept | DriftChoice::Ignore), _)
                | (None, DriftRule::Accept) => return,
            }
        }
        if self.adding_because != because {
            self.flush();
            self.adding_because = because;
        }
        self.adding.push(input.member.clone());
        if self.adding.len() == MEMBERS_PER_ACTION {
            self.flush();
        }
    }

    fn leave(&mut self, input: &MemberInput, reason: Reason) {
        let member = input.member.clone();
        let action = GroupAction::RemoveMember { member };
        self.decided.push(PlannedGroupAction { action, reason });
    }

    fn flush(&mut self) {
        if self.adding.is_empty() {
            return;
        }
        let action = GroupAction::AddMembers {
            members: std::mem::take(&mut self.adding),
        };
        self.decided.push(PlannedGroupAction {
            action,
            reason: self.adding_because,
        });
    }

    /// What was decided since the last time; members that do not fill an action yet wait.
    pub fn drain(&mut self) -> Decided {
        Decided {
            actions: std::mem::take(&mut self.decided),
            forgotten: std::mem::take(&mut self.forgotten),
            drifted: std::mem::take(&mut self.drifted),
        }
    }

    /// The end: the head, and what was not taken out yet.
    pub fn finish(mut self) -> (GroupHead, Decided) {
        self.flush();
        let mut decided = self.drain();
        decided.actions.append(&mut self.tail);
        (self.head, decided)
    }

    fn stay(&mut self, input: &PushInput) {
        if input.decision == Some(PushDecision::LeaveOut) {
            self.head.state_after = PushState::LeftOut;
            return;
        }
        match (&input.link, &input.group) {
            (Some(_), Some(group)) => self.follow(input, group),
            // Somebody deleted what Signpost had made.
            (Some(link), None) if link.created => self.create(input),
            (Some(_), None) => match input.decision {
                Some(_) => self.create(input),
                None => self.review(GroupBlocker::LinkedGroupGone),
            },
            (None, _) if input.same_name.is_empty() || input.decision.is_some() => {
                self.create(input);
            }
            (None, _) => {
                let candidates = input.same_name.iter().map(candidate).collect();
                self.review(GroupBlocker::SameName { candidates });
            }
        }
    }

    fn review(&mut self, blocker: GroupBlocker) {
        self.head.state_after = PushState::NeedsReview;
        self.head.blockers.push(blocker);
    }

    fn create(&mut self, input: &PushInput) {
        self.head.object_id = None;
        self.push(
            GroupAction::CreateGroup {
                name: input.name.clone(),
                description: input.description.clone(),
                mail_nickname: mail_nickname(input.group_id),
            },
            Reason::GroupPushed,
        );
        if !input.licenses.is_empty() {
            let action = GroupAction::AssignLicenses {
                add: input.licenses.clone(),
                remove: Vec::new(),
                members: 0,
            };
            self.push(action, Reason::LicenseGranted);
        }
        self.enters = true;
    }

    fn push(&mut self, action: GroupAction, reason: Reason) {
        self.decided.push(PlannedGroupAction { action, reason });
    }

    /// Brings a linked group to what the directory says.
    fn follow(&mut self, input: &PushInput, group: &TenantGroup) {
        if let Some(why) = group.untouchable() {
            self.head.state_after = PushState::Blocked;
            self.head.blockers.push(GroupBlocker::Untouchable {
                name: group.name.clone(),
                why,
            });
            return;
        }
        let created = input.link.as_ref().is_some_and(|link| link.created);
        // A group of others keeps its own words until the directory says something new.
        let name = change(&group.name, &input.name, &input.written_name, created);
        let description = change(
            &group.description,
            &input.description,
            &input.written_description,
            created,
        );
        if name.is_some() || description.is_some() {
            let action = GroupAction::UpdateGroup { name, description };
            self.push(action, Reason::ProfileDiffers);
        }
        let add = missing(input, group);
        if !add.is_empty() {
            let action = GroupAction::AssignLicenses {
                add,
                remove: Vec::new(),
                members: 0,
            };
            self.push(action, Reason::LicenseGranted);
        }
        let wanted = |sku: &str| input.licenses.iter().any(|license| license.sku_id == sku);
        self.take_licenses(input, group, Reason::LicenseNoLongerGranted, |sku| {
            !wanted(sku)
        });
        (self.enters, self.leaves) = (true, true);
    }

    /// Takes from the group what Signpost gave it, last of all.
    fn take_licenses(
        &mut self,
        input: &PushInput,
        group: &TenantGroup,
        reason: Reason,
        is_over: impl Fn(&str) -> bool,
    ) {
        let remove: Vec<PlannedLicense> = input
            .owned_licenses
            .iter()
            .filter(|owned| is_over(&owned.sku_id) && group.license(&owned.sku_id).is_some())
            .cloned()
            .collect();
        if !remove.is_empty() {
            let action = GroupAction::AssignLicenses {
                add: Vec::new(),
                remove,
                members: input.owned_members,
            };
            self.tail.push(PlannedGroupAction { action, reason });
        }
    }

    /// The group is no longer pushed.
    fn end(&mut self, input: &PushInput) {
        self.head.ends = true;
        let (Some(link), Some(group)) = (&input.link, &input.group) else {
            return;
        };
        if group.untouchable().is_some() || input.on_removal == OnRemoval::Keep {
            return;
        }
        let reason = Reason::GroupNoLongerPushed;
        self.take_licenses(input, group, reason, |_| true);
        if input.on_removal == OnRemoval::DeleteGroup && link.created {
            let action = GroupAction::DeleteGroup {
                members: input.owned_members,
            };
            self.tail.push(PlannedGroupAction { action, reason });
        } else {
            self.leaves = true;
        }
    }
}

fn candidate(known: &KnownGroup) -> GroupCandidate {
    GroupCandidate {
        object_id: known.group.object_id.clone(),
        name: known.group.name.clone(),
        description: known.group.description.clone(),
        untouchable: known.group.untouchable(),
        taken: known.taken,
    }
}

/// Before and after of one of a group's words; `None`: it stays.
fn change(tenant: &str, desired: &str, written: &str, created: bool) -> Option<(String, String)> {
    let is_new = created || desired != written;
    (is_new && tenant != desired).then(|| (tenant.to_owned(), desired.to_owned()))
}

/// Licenses that the group is to give and does not; what others gave it stays as they gave it.
fn missing(input: &PushInput, group: &TenantGroup) -> Vec<PlannedLicense> {
    let owned = |sku: &str| {
        input
            .owned_licenses
            .iter()
            .any(|license| license.sku_id == sku)
    };
    let is_missing = |wanted: &&PlannedLicense| match group.license(&wanted.sku_id) {
        None => true,
        Some(held) => held.disabled_plans != wanted.disabled_plans && owned(&wanted.sku_id),
    };
    input.licenses.iter().filter(is_missing).cloned().collect()
}
