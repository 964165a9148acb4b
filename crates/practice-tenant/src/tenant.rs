//! What the tenant holds, its indexes, and the log of changes that delta reads.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::answer::Refusal;
use crate::clock::Millis;
use crate::domains::Domain;
use crate::fields::Field;
use crate::groups::{Group, Member};
use crate::policies::Policies;
use crate::registrations::Registration;
use crate::roles::DirectoryRole;
use crate::skus::Sku;
use crate::user::User;

/// A user's place in `Tenant::users`; never reused.
pub(crate) type UserNo = u32;
/// A group's place in `Tenant::groups`; never reused.
pub(crate) type GroupNo = u32;
/// The tenant's count of changes.
pub(crate) type Seq = u32;

/// Everything the tenant keeps between starts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) created: Millis,
    pub(crate) seed: u64,
    pub(crate) minted: u64,
    pub(crate) seq: Seq,
    pub(crate) domains: Vec<Domain>,
    pub(crate) skus: Vec<Sku>,
    pub(crate) users: Vec<User>,
    pub(crate) groups: Vec<Group>,
    pub(crate) roles: Vec<DirectoryRole>,
    pub(crate) registrations: Vec<Registration>,
    pub(crate) policies: Policies,
    pub(crate) delta: DeltaRules,
    #[serde(skip)]
    pub(crate) replication_delay: Millis,
    #[serde(skip)]
    pub(crate) index: Index,
}

/// How delta behaves; the control API turns these.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeltaRules {
    /// Tokens of an older epoch have expired.
    pub(crate) epoch: u32,
    pub(crate) page_size: usize,
    /// Every entry comes twice, the second time on the next page.
    pub(crate) repeat: bool,
    /// Entries of a page come in reverse.
    pub(crate) reverse: bool,
    /// An empty page comes before the first.
    pub(crate) empty_page: bool,
}

impl Default for DeltaRules {
    fn default() -> Self {
        Self {
            epoch: 0,
            page_size: 200,
            repeat: false,
            reverse: false,
            empty_page: false,
        }
    }
}

/// Found by what: rebuilt on start, kept on each change.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) users: HashMap<Uuid, UserNo>,
    pub(crate) groups: HashMap<Uuid, GroupNo>,
    pub(crate) upns: BTreeMap<Box<str>, UserNo>,
    pub(crate) anchors: HashMap<Box<str>, UserNo>,
    pub(crate) mails: BTreeMap<Box<str>, Vec<UserNo>>,
    pub(crate) proxies: HashMap<Box<str>, UserNo>,
    pub(crate) reports: HashMap<UserNo, BTreeSet<UserNo>>,
    pub(crate) deleted: BTreeSet<UserNo>,
    pub(crate) live: usize,
    /// Users by their last change.
    pub(crate) user_log: BTreeMap<Seq, UserNo>,
    pub(crate) group_log: BTreeMap<Seq, GroupNo>,
    /// Changes not yet replicated, with the time they will be.
    unreplicated: VecDeque<(Seq, Millis)>,
    /// What readers still see of users that were just written.
    stale: HashMap<UserNo, (Millis, Box<User>)>,
    /// Group license work waiting for the background process.
    pub(crate) license_work: VecDeque<LicenseWork>,
}

/// A user whose group licenses have to be looked at again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LicenseWork {
    pub(crate) due: Millis,
    pub(crate) user: UserNo,
    /// Set when this is the last user of a group's change.
    pub(crate) completes: Option<GroupNo>,
}

impl Tenant {
    /// A fresh object id, the same for the same seed and history.
    pub(crate) fn mint(&mut self) -> Uuid {
        self.minted += 1;
        let mut random = StdRng::seed_from_u64(
            self.seed
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(self.minted),
        );
        uuid::Builder::from_random_bytes(random.random()).into_uuid()
    }

    pub(crate) fn user(&self, no: UserNo) -> &User {
        &self.users[no as usize]
    }

    pub(crate) fn group(&self, no: GroupNo) -> &Group {
        &self.groups[no as usize]
    }

    /// The user as a reader sees it now: for a while after a write, still the old one.
    pub(crate) fn seen(&self, no: UserNo, now: Millis) -> &User {
        match self.index.stale.get(&no) {
            Some((until, old)) if *until > now => old,
            _ => self.user(no),
        }
    }

    /// Finds a live, replicated user by object id or user principal name.
    pub(crate) fn find_user(&self, key: &str, now: Millis) -> Result<UserNo, Refusal> {
        let found = match Uuid::parse_str(key) {
            Ok(id) => self.index.users.get(&id),
            Err(_) => self.index.upns.get(key.to_lowercase().as_str()),
        };
        found
            .copied()
            .filter(|no| self.is_visible(*no, now))
            .ok_or_else(|| Refusal::not_found(key))
    }

    /// Live and replicated.
    pub(crate) fn is_visible(&self, no: UserNo, now: Millis) -> bool {
        let user = self.user(no);
        user.is_live() && user.visible_from <= now
    }

    pub(crate) fn find_group(&self, key: &str, now: Millis) -> Result<GroupNo, Refusal> {
        let found = Uuid::parse_str(key)
            .ok()
            .and_then(|id| self.index.groups.get(&id));
        found
            .copied()
            .filter(|no| self.group(*no).is_live() && self.group(*no).visible_from <= now)
            .ok_or_else(|| Refusal::not_found(key))
    }

    /// Finds a live user or group, as members and managers name them.
    pub(crate) fn find_member(&self, id: &str, now: Millis) -> Result<Member, Refusal> {
        if let Ok(no) = self.find_user(id, now) {
            return Ok(Member::User(no));
        }
        self.find_group(id, now).map(Member::Group)
    }

    /// Call before a write to an existing user: keeps what readers go on seeing.
    pub(crate) fn keep_stale(&mut self, no: UserNo, now: Millis) {
        if self.replication_delay == 0 {
            return;
        }
        if self.index.stale.len() > 1_000 {
            self.index.stale.retain(|_, (until, _)| *until > now);
        }
        if self
            .index
            .stale
            .get(&no)
            .is_some_and(|(until, _)| *until > now)
        {
            return;
        }
        let old = Box::new(self.user(no).clone());
        self.index
            .stale
            .insert(no, (now + self.replication_delay, old));
    }

    /// Records that these properties of a user changed.
    pub(crate) fn touch(&mut self, no: UserNo, fields: &[Field], now: Millis) {
        let seq = self.next_seq(now);
        let user = &mut self.users[no as usize];
        self.index.user_log.remove(&user.changed);
        user.changed = seq;
        for field in fields {
            match user.touched.iter_mut().find(|(known, _)| known == field) {
                Some(entry) => entry.1 = seq,
                None => user.touched.push((*field, seq)),
            }
        }
        self.index.user_log.insert(seq, no);
    }

    /// Records a change of a group itself or of its members.
    pub(crate) fn touch_group(&mut self, no: GroupNo, now: Millis) -> Seq {
        let seq = self.next_seq(now);
        let group = &mut self.groups[no as usize];
        self.index.group_log.remove(&group.changed);
        group.changed = seq;
        self.index.group_log.insert(seq, no);
        seq
    }

    fn next_seq(&mut self, now: Millis) -> Seq {
        self.seq += 1;
        if self.replication_delay > 0 {
            self.index
                .unreplicated
                .push_back((self.seq, now + self.replication_delay));
        }
        self.seq
    }

    /// The last change that every reader sees by now.
    pub(crate) fn horizon(&mut self, now: Millis) -> Seq {
        while self
            .index
            .unreplicated
            .front()
            .is_some_and(|(_, at)| *at <= now)
        {
            self.index.unreplicated.pop_front();
        }
        self.index
            .unreplicated
            .front()
            .map_or(self.seq, |(seq, _)| seq - 1)
    }

    /// Adds a user that has passed every check.
    pub(crate) fn insert_user(&mut self, mut user: User, now: Millis) -> UserNo {
        let no = UserNo::try_from(self.users.len()).unwrap_or(UserNo::MAX);
        user.changed = self.next_seq(now);
        user.born = user.changed;
        self.index.user_log.insert(user.changed, no);
        self.users.push(user);
        self.index.live += 1;
        self.index_user(no);
        no
    }

    pub(crate) fn insert_group(&mut self, mut group: Group, now: Millis) -> GroupNo {
        let no = GroupNo::try_from(self.groups.len()).unwrap_or(GroupNo::MAX);
        group.changed = self.next_seq(now);
        self.index.group_log.insert(group.changed, no);
        self.index.groups.insert(group.id, no);
        self.groups.push(group);
        no
    }

    /// Enters a live user's names into the indexes.
    pub(crate) fn index_user(&mut self, no: UserNo) {
        let user = &self.users[no as usize];
        let index = &mut self.index;
        index.users.insert(user.id, no);
        if !user.is_live() {
            return;
        }
        index.upns.insert(user.upn().to_lowercase().into(), no);
        if let Some(anchor) = user.text(Field::ImmutableId) {
            index.anchors.insert(anchor.into(), no);
        }
        if let Some(mail) = user.text(Field::Mail) {
            index
                .mails
                .entry(mail.to_lowercase().into())
                .or_default()
                .push(no);
        }
        for proxy in user.list(Field::ProxyAddresses) {
            index
                .proxies
                .entry(proxy.to_lowercase().into())
                .or_insert(no);
        }
        if let Some(manager) = user.manager {
            index.reports.entry(manager).or_default().insert(no);
        }
    }

    /// Takes a user's names out of the indexes; its object id stays.
    pub(crate) fn unindex_user(&mut self, no: UserNo) {
        let user = &self.users[no as usize];
        let index = &mut self.index;
        let is_own = |found: Option<&UserNo>| found == Some(&no);
        let upn = user.upn().to_lowercase();
        if is_own(index.upns.get(upn.as_str())) {
            index.upns.remove(upn.as_str());
        }
        if let Some(anchor) = user.text(Field::ImmutableId)
            && is_own(index.anchors.get(anchor))
        {
            index.anchors.remove(anchor);
        }
        if let Some(mail) = user.text(Field::Mail) {
            let mail = mail.to_lowercase();
            if let Some(holders) = index.mails.get_mut(mail.as_str()) {
                holders.retain(|holder| *holder != no);
                if holders.is_empty() {
                    index.mails.remove(mail.as_str());
                }
            }
        }
        for proxy in user.list(Field::ProxyAddresses) {
            let proxy = proxy.to_lowercase();
            if is_own(index.proxies.get(proxy.as_str())) {
                index.proxies.remove(proxy.as_str());
            }
        }
        if let Some(manager) = user.manager
            && let Some(reports) = index.reports.get_mut(&manager)
        {
            reports.remove(&no);
        }
    }

    /// Builds every index anew, after the tenant was read from its file.
    pub(crate) fn rebuild(&mut self) {
        self.index = Index::default();
        for no in 0..UserNo::try_from(self.users.len()).unwrap_or(UserNo::MAX) {
            let user = &self.users[no as usize];
            self.index.user_log.insert(user.changed, no);
            if user.is_live() {
                self.index.live += 1;
            } else if !user.purged {
                self.index.deleted.insert(no);
            }
            self.index_user(no);
        }
        for no in 0..GroupNo::try_from(self.groups.len()).unwrap_or(GroupNo::MAX) {
            let group = &self.groups[no as usize];
            self.index.group_log.insert(group.changed, no);
            self.index.groups.insert(group.id, no);
        }
    }

    /// The domain of a user principal name, if the tenant has it.
    pub(crate) fn domain_of(&self, upn: &str) -> Option<&Domain> {
        let (_, name) = upn.rsplit_once('@')?;
        self.domains
            .iter()
            .find(|domain| domain.name.eq_ignore_ascii_case(name))
    }

    /// Whether the user is reached only by a privileged caller (`graph.md` 4.4).
    pub(crate) fn is_admin(&self, no: UserNo) -> bool {
        self.roles.iter().any(|role| role.members.contains(&no))
            || self
                .user(no)
                .groups
                .iter()
                .any(|group| self.group(*group).role_assignable)
    }
}
