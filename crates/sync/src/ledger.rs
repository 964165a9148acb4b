//! The ownership ledger of one account, read from its lines and written back to them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use signpost_model::plan::{ObjectId, TargetAttribute};
use signpost_model::provisioning::{Owned, OwnedKind};

/// What Signpost itself put on an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Signpost created the account.
    pub created: bool,
    pub attributes: Attributes,
    /// Products given, with the service plans that were switched off.
    pub licenses: BTreeMap<String, Vec<String>>,
    pub groups: BTreeSet<ObjectId>,
    /// Signpost blocked the sign-in.
    pub block: Option<Block>,
    /// Signpost deleted the account.
    pub deleted: bool,
}

/// The attributes that Signpost has an opinion about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<TargetAttribute, Hold>,
    /// The manager, by the id of our user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<Hold>,
}

impl Attributes {
    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.manager.is_none()
    }
}

/// Whose an attribute is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Signpost wrote this value, or found it equal when it adopted the account.
    Ours(String),
    /// Adoption left the tenant's value alone although the directory said this (empty: nothing).
    /// When the directory says something else later, that is newer and wins.
    Kept(String),
}

/// How far a block went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    SignIn,
    SignInAndSessions,
}

/// What the ledger of an account gains and loses with an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerChange {
    /// Lines that are new or have another value.
    pub gained: Vec<Owned>,
    /// Lines that are gone: kind and key.
    pub lost: Vec<(OwnedKind, String)>,
}

impl LedgerChange {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.gained.is_empty() && self.lost.is_empty()
    }
}

const SESSIONS_ENDED: &str = "sessions_ended";

impl Ledger {
    /// Reads the lines of one account. A line that cannot be read owns nothing: the safe side.
    pub fn read(lines: &[Owned]) -> Self {
        let mut ledger = Self::default();
        for line in lines {
            match line.kind {
                OwnedKind::Account => ledger.created = true,
                OwnedKind::Attribute => {
                    ledger.attributes = serde_json::from_str(&line.value).unwrap_or_default();
                }
                OwnedKind::License => {
                    let disabled = serde_json::from_str(&line.value).unwrap_or_default();
                    ledger.licenses.insert(line.key.clone(), disabled);
                }
                OwnedKind::Membership => {
                    ledger.groups.insert(ObjectId::new(&line.key));
                }
                OwnedKind::Block if line.value == SESSIONS_ENDED => {
                    ledger.block = Some(Block::SignInAndSessions);
                }
                OwnedKind::Block => ledger.block = Some(Block::SignIn),
                OwnedKind::Deletion => ledger.deleted = true,
            }
        }
        ledger
    }

    /// The lines as they are stored, in one order.
    pub fn lines(&self) -> Vec<Owned> {
        let mut lines = Vec::new();
        let mut push = |kind, key: &str, value: String| {
            lines.push(Owned {
                kind,
                key: key.to_owned(),
                value,
            });
        };
        if self.created {
            push(OwnedKind::Account, "", String::new());
        }
        for (sku, disabled) in &self.licenses {
            push(OwnedKind::License, sku, json(disabled));
        }
        for group in &self.groups {
            push(OwnedKind::Membership, group.as_str(), String::new());
        }
        if !self.attributes.is_empty() {
            push(OwnedKind::Attribute, "", json(&self.attributes));
        }
        match self.block {
            Some(Block::SignInAndSessions) => {
                push(OwnedKind::Block, "", SESSIONS_ENDED.to_owned());
            }
            Some(Block::SignIn) => push(OwnedKind::Block, "", String::new()),
            None => {}
        }
        if self.deleted {
            push(OwnedKind::Deletion, "", String::new());
        }
        lines
    }

    /// The lines to store and to remove to get from this ledger to `after`.
    pub fn change_to(&self, after: &Self) -> LedgerChange {
        let (old, new) = (self.lines(), after.lines());
        let has = |lines: &[Owned], line: &Owned| {
            lines
                .iter()
                .any(|known| known.kind == line.kind && known.key == line.key)
        };
        let lost = old.iter().filter(|line| !has(&new, line));
        LedgerChange {
            lost: lost.map(|line| (line.kind, line.key.clone())).collect(),
            gained: new
                .iter()
                .filter(|line| !old.contains(line))
                .cloned()
                .collect(),
        }
    }

    /// Whose an attribute is. On an account that Signpost created, nothing is of others from the
    /// start: what is not noted there was empty on both sides.
    pub fn attribute(&self, attribute: TargetAttribute) -> Option<Hold> {
        let held = self.attributes.values.get(&attribute).cloned();
        held.or_else(|| self.created.then(|| Hold::Kept(String::new())))
    }

    /// Whose the manager is.
    pub fn manager(&self) -> Option<Hold> {
        let held = self.attributes.manager.clone();
        held.or_else(|| self.created.then(|| Hold::Kept(String::new())))
    }

    /// Notes that Signpost wrote this value; `None`: that it cleared it.
    pub fn own(&mut self, attribute: TargetAttribute, value: Option<&str>) {
        match value {
            Some(value) => self
                .attributes
                .values
                .insert(attribute, Hold::Ours(value.to_owned())),
            None => self.attributes.values.remove(&attribute),
        };
    }
}

fn json<T: Serialize>(value: &T) -> String {
    // Plain maps of text always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Ledger {
        let mut ledger = Ledger {
            created: true,
            licenses: BTreeMap::from([("sku".to_owned(), vec!["plan".to_owned()])]),
            groups: BTreeSet::from([ObjectId::new("G1")]),
            block: Some(Block::SignInAndSessions),
            deleted: true,
            ..Ledger::default()
        };
        ledger.own(TargetAttribute::City, Some("Porto"));
        ledger.attributes.manager = Some(Hold::Kept(String::new()));
        ledger
    }

    #[test]
    fn a_ledger_reads_back_as_it_was_written() {
        let ledger = full();
        assert_eq!(Ledger::read(&ledger.lines()), ledger);
        assert_eq!(ledger.lines().len(), 6);
    }

    #[test]
    fn a_change_names_only_the_lines_that_differ() {
        let before = full();
        let mut after = before.clone();
        after.block = None;
        after.licenses.insert("sku".to_owned(), Vec::new());
        let change = before.change_to(&after);
        assert_eq!(change.lost, vec![(OwnedKind::Block, String::new())]);
        assert_eq!(change.gained.len(), 1);
        assert_eq!(change.gained[0].value, "[]");
        assert!(before.change_to(&before).is_empty());
    }

    #[test]
    fn a_line_that_cannot_be_read_owns_nothing() {
        let line = Owned {
            kind: OwnedKind::Attribute,
            key: String::new(),
            value: "{broken".to_owned(),
        };
        assert_eq!(Ledger::read(&[line]), Ledger::default());
    }
}
