//! `GET /groups/delta`: groups that changed, and who entered or left them.

use std::ops::Bound;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::answer::{Answer, Outcome};
use crate::delta::{Place, Token};
use crate::groups::{Group, Member, Presence, serialize_names};
use crate::request::Call;
use crate::select::Page;
use crate::tenant::{GroupNo, Seq, Tenant};

/// Members told in one entry of a group delta; more follow in another entry of the same group.
const TOLD_AT_ONCE: usize = 1_000;

/// `GET /groups/delta`.
pub(crate) fn groups(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let token = Token::of(tenant, call, "groups")?;
    let names: Option<Vec<&str>> = token
        .select
        .as_deref()
        .map(|text| text.split(',').map(str::trim).collect());
    let wants_members = names
        .as_ref()
        .is_none_or(|names| names.contains(&"members"));
    let size = tenant.delta.page_size.max(1);
    let tenant = &*tenant;
    let walk = Walk {
        tenant,
        call,
        token: &token,
        wants_members,
        size,
    };
    let (entries, at, last) = match token.at {
        Place::Initial { next, told, then } => walk.initial(next, told, then),
        Place::Changes { since, until, .. } => walk.changes(since, until),
    };
    let views: Vec<Entry<'_>> = entries
        .into_iter()
        .map(|(no, members)| Entry {
            tenant,
            group: tenant.group(no),
            names: names.as_deref(),
            members,
        })
        .collect();
    Ok(Answer::ok(&Page {
        context: call.context("groups"),
        count: None,
        link: Some(token.link(call, at, last)),
        value: &views,
    }))
}

type Told = Vec<(Member, Presence)>;

struct Walk<'a> {
    tenant: &'a Tenant,
    call: &'a Call<'a>,
    token: &'a Token,
    wants_members: bool,
    size: usize,
}

impl Walk<'_> {
    fn initial(
        &self,
        mut next: GroupNo,
        mut told: u32,
        then: Seq,
    ) -> (Vec<(GroupNo, Told)>, Place, bool) {
        let end = GroupNo::try_from(self.tenant.groups.len()).unwrap_or(GroupNo::MAX);
        let mut entries = Vec::new();
        while next < end && entries.len() < self.size {
            let group = self.tenant.group(next);
            if !group.is_live() || group.visible_from > self.call.now || !self.token.wants(group.id)
            {
                next += 1;
                continue;
            }
            let members: Told = match self.wants_members {
                true => group
                    .members
                    .iter()
                    .skip(told as usize)
                    .take(TOLD_AT_ONCE)
                    .map(|member| (*member, Presence::Entered))
                    .collect(),
                false => Vec::new(),
            };
            told += u32::try_from(members.len()).unwrap_or(u32::MAX);
            let more = self.wants_members && (told as usize) < group.members.len();
            entries.push((next, members));
            if more {
                return (entries, Place::Initial { next, told, then }, false);
            }
            next += 1;
            told = 0;
        }
        if next < end {
            return (
                entries,
                Place::Initial {
                    next,
                    told: 0,
                    then,
                },
                false,
            );
        }
        (
            entries,
            Place::Changes {
                since: then,
                until: then,
                told: 0,
                repeat: false,
            },
            true,
        )
    }

    fn changes(&self, since: Seq, until: Seq) -> (Vec<(GroupNo, Told)>, Place, bool) {
        let mut entries = Vec::new();
        let mut at = since;
        for (seq, no) in self
            .tenant
            .index
            .group_log
            .range((Bound::Excluded(since), Bound::Included(until)))
        {
            if entries.len() >= self.size {
                return (
                    entries,
                    Place::Changes {
                        since: at,
                        until,
                        told: 0,
                        repeat: false,
                    },
                    false,
                );
            }
            at = *seq;
            if self.token.wants(self.tenant.group(*no).id) {
                entries.push((*no, self.told_since(*no, since, until)));
            }
        }
        (
            entries,
            Place::Changes {
                since: until,
                until,
                told: 0,
                repeat: false,
            },
            true,
        )
    }

    /// Memberships that changed, each with how it ended.
    fn told_since(&self, no: GroupNo, since: Seq, until: Seq) -> Told {
        if !self.wants_members {
            return Vec::new();
        }
        let log = self
            .tenant
            .group(no)
            .member_log
            .range((Bound::Excluded(since), Bound::Included(until)));
        let mut last: std::collections::BTreeMap<Member, Presence> =
            std::collections::BTreeMap::new();
        for (_, (member, presence)) in log {
            last.insert(*member, *presence);
        }
        last.into_iter().collect()
    }
}

/// A group in a delta answer.
struct Entry<'a> {
    tenant: &'a Tenant,
    group: &'a Group,
    names: Option<&'a [&'a str]>,
    members: Told,
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.group.is_live() {
            let reason = if self.group.purged {
                "deleted"
            } else {
                "changed"
            };
            map.serialize_entry("id", &self.group.id)?;
            map.serialize_entry("@removed", &json!({ "reason": reason }))?;
            return map.end();
        }
        let names = self.names.unwrap_or(&[
            "displayName",
            "description",
            "mail",
            "mailEnabled",
            "mailNickname",
            "securityEnabled",
            "groupTypes",
        ]);
        serialize_names(&mut map, self.tenant, self.group, names)?;
        if !self.members.is_empty() {
            let told: Vec<Value> = self
                .members
                .iter()
                .map(|(member, presence)| self.told(*member, *presence))
                .collect();
            map.serialize_entry("members@delta", &told)?;
        }
        map.end()
    }
}

impl Entry<'_> {
    fn told(&self, member: Member, presence: Presence) -> Value {
        let (kind, id) = match member {
            Member::User(no) => ("#microsoft.graph.user", self.tenant.user(no).id),
            Member::Group(no) => ("#microsoft.graph.group", self.tenant.group(no).id),
        };
        match presence {
            Presence::Entered => json!({"@odata.type": kind, "id": id}),
            Presence::Left => {
                json!({"@odata.type": kind, "id": id, "@removed": {"reason": "deleted"}})
            }
        }
    }
}
