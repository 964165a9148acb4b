//! What an action that was applied leaves behind: on the account, and in the ledger.
//!
//! The account's side is a prediction: it is stored as the new observation, so that our own write
//! comes back in the next delta as nothing new.

use signpost_model::plan::{Action, NewValue, ObjectId, PlannedLicense, TargetAttribute};
use signpost_model::{Observation, ObservedLicense};

use crate::ledger::{Block, Hold, Ledger};

/// One account as our records know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    pub observation: Observation,
    pub ledger: Ledger,
}

/// The other objects that an action was about, as they turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resolved<'a> {
    /// The manager's account, for an action that sets one.
    pub manager: Option<&'a ObjectId>,
}

impl AccountRecord {
    /// The record of an account that was just created; `None` for any other action.
    pub fn created(object_id: &ObjectId, action: &Action) -> Option<Self> {
        let Action::CreateAccount {
            immutable_id,
            enabled,
            values,
        } = action
        else {
            return None;
        };
        let mut record = Self {
            observation: Observation {
                object_id: object_id.clone(),
                immutable_id: Some(immutable_id.clone()),
                enabled: *enabled,
                ..Observation::default()
            },
            ledger: Ledger {
                created: true,
                ..Ledger::default()
            },
        };
        for (attribute, value) in values {
            record.set(*attribute, Some(value));
        }
        Some(record)
    }

    /// Brings the record to the state after the action. Doing it twice changes nothing more.
    pub fn apply(&mut self, action: &Action, resolved: Resolved<'_>) {
        let seen = &mut self.observation;
        let ledger = &mut self.ledger;
        match action {
            // A new account has a new record: see `created`.
            Action::CreateAccount { .. } => {}
            Action::Restore => {
                seen.deleted = false;
                ledger.deleted = false;
            }
            Action::SetImmutableId { after, .. } => seen.immutable_id = Some(after.clone()),
            Action::Rename { after, .. } => {
                self.set(TargetAttribute::UserPrincipalName, Some(after));
            }
            Action::UpdateProfile { changes } => {
                for change in changes {
                    match &change.after {
                        NewValue::Set(value) => self.set(change.attribute, Some(value)),
                        NewValue::Clear => self.set(change.attribute, None),
                        NewValue::Keep => {}
                    }
                }
            }
            Action::Enable => {
                seen.enabled = true;
                ledger.block = None;
            }
            Action::AssignLicenses { add, remove } => {
                self.take(remove);
                self.give(add);
            }
            Action::AddToGroup {
                group_object_id, ..
            } => {
                ledger.groups.insert(group_object_id.clone());
            }
            Action::SetManager { after, .. } => {
                seen.manager = resolved.manager.cloned();
                ledger.attributes.manager =
                    (after.as_ref()).map(|manager| Hold::Ours(manager.user_id.to_string()));
            }
            Action::RemoveFromGroup {
                group_object_id, ..
            } => {
                ledger.groups.remove(group_object_id);
            }
            Action::BlockSignIn => {
                seen.enabled = false;
                ledger.block = Some(Block::SignIn);
            }
            Action::RevokeSessions => {
                if ledger.block.is_some() {
                    ledger.block = Some(Block::SignInAndSessions);
                }
            }
            Action::RemoveLicenses { licenses } => self.take(licenses),
            Action::Delete => {
                seen.deleted = true;
                ledger.deleted = true;
            }
        }
    }

    fn set(&mut self, attribute: TargetAttribute, value: Option<&str>) {
        let seen = &mut self.observation;
        match (attribute, value) {
            (TargetAttribute::UserPrincipalName, value) => {
                seen.user_principal_name = value.unwrap_or_default().to_owned();
            }
            (_, Some(value)) => {
                seen.values.insert(attribute, value.to_owned());
            }
            (_, None) => {
                seen.values.remove(&attribute);
            }
        }
        self.ledger.own(attribute, value);
    }

    fn give(&mut self, licenses: &[PlannedLicense]) {
        for license in licenses {
            let mut disabled = license.disabled_plans.clone();
            disabled.sort();
            let held = &mut self.observation.licenses;
            held.retain(|held| !is_direct(held, &license.sku_id));
            held.push(ObservedLicense {
                sku_id: license.sku_id.clone(),
                disabled_plans: disabled.clone(),
                from_group: None,
            });
            let owned = &mut self.ledger.licenses;
            owned.insert(license.sku_id.clone(), disabled);
        }
        sort_licenses(&mut self.observation.licenses);
    }

    fn take(&mut self, licenses: &[PlannedLicense]) {
        for license in licenses {
            let held = &mut self.observation.licenses;
            held.retain(|held| !is_direct(held, &license.sku_id));
            self.ledger.licenses.remove(&license.sku_id);
        }
    }
}

fn is_direct(held: &ObservedLicense, sku_id: &str) -> bool {
    held.sku_id == sku_id && held.from_group.is_none()
}

/// The one order in which an account's licenses are kept, so that equal accounts read equal.
pub fn sort_licenses(licenses: &mut [ObservedLicense]) {
    licenses.sort_by(|one, other| {
        (&one.sku_id, &one.from_group).cmp(&(&other.sku_id, &other.from_group))
    });
}
