//! What became of actions that were sent and never answered, as the tenant shows it later.

use std::collections::HashMap;

use signpost_model::plan::{Action, LinkMethod, ObjectId};
use signpost_model::provisioning::Owned;
use signpost_model::{Observation, UserId};

use super::Effects;
use super::chain::manager_of;
use super::remaining::remaining;
use crate::effects::{AccountRecord, Resolved};
use crate::ledger::Ledger;

/// What follows from the actions that the account shows to be done: the account that we created is
/// ours, and so is what we put on it. What it does not show did not happen, and is planned again.
/// An account that `is_linked` already was there before, or its create was answered: it is never
/// taken for one that a lost create made.
pub fn settle_unanswered(
    user_id: UserId,
    actions: &[Action],
    account: &Observation,
    is_linked: bool,
    owned: &[Owned],
    managers: &HashMap<UserId, ObjectId>,
) -> Effects {
    let before = Ledger::read(owned);
    let mut record = AccountRecord {
        observation: account.clone(),
        ledger: before.clone(),
    };
    let mut link = None;
    for action in actions {
        let manager = manager_of(action).and_then(|manager| managers.get(&manager.user_id));
        if remaining(action, account, manager).is_some() {
            continue;
        }
        match AccountRecord::created(&account.object_id, action) {
            // Another create was answered meanwhile, or somebody else's account was adopted.
            Some(_) if is_linked || before.created => {}
            Some(created) => {
                link = Some(LinkMethod::Created);
                record.ledger.created = true;
                let held = &mut record.ledger.attributes.values;
                for (attribute, hold) in created.ledger.attributes.values {
                    held.entry(attribute).or_insert(hold);
                }
            }
            None => record.apply(action, Resolved { manager }),
        }
    }
    Effects {
        user_id,
        object_id: account.object_id.clone(),
        link,
        ledger: before.change_to(&record.ledger),
        // The tenant has just shown it.
        observation: None,
    }
}

#[cfg(test)]
mod tests {
    use signpost_model::ObservedLicense;
    use signpost_model::plan::PlannedLicense;
    use signpost_model::provisioning::OwnedKind;

    use super::*;

    fn settle(actions: &[Action], account: &Observation) -> Effects {
        let nobody = HashMap::new();
        settle_unanswered(
            UserId::from_number(1),
            actions,
            account,
            false,
            &[],
            &nobody,
        )
    }

    fn give(sku_id: &str) -> Action {
        let license = PlannedLicense {
            sku_id: sku_id.to_owned(),
            name: sku_id.to_owned(),
            disabled_plans: Vec::new(),
        };
        Action::AssignLicenses {
            add: vec![license],
            remove: Vec::new(),
        }
    }

    #[test]
    fn an_account_that_our_lost_create_made_is_ours() {
        let account = Observation {
            object_id: ObjectId::new("o1"),
            immutable_id: Some("anchor".to_owned()),
            ..Observation::default()
        };
        let create = Action::CreateAccount {
            immutable_id: "anchor".to_owned(),
            enabled: true,
            values: Vec::new().into_iter().collect(),
        };
        let effects = settle(&[create], &account);
        assert_eq!(effects.link, Some(LinkMethod::Created));
        let kinds: Vec<_> = effects.ledger.gained.iter().map(|line| line.kind).collect();
        assert_eq!(kinds, [OwnedKind::Account]);
    }

    #[test]
    fn a_create_that_was_answered_at_last_takes_nothing_from_the_ledger() {
        let account = Observation {
            immutable_id: Some("anchor".to_owned()),
            ..Observation::default()
        };
        let create = Action::CreateAccount {
            immutable_id: "anchor".to_owned(),
            enabled: true,
            values: Vec::new().into_iter().collect(),
        };
        let line = |kind, key: &str, value: &str| Owned {
            kind,
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let owned = [
            line(OwnedKind::Account, "", ""),
            line(OwnedKind::License, "e3", "[]"),
        ];
        let nobody = HashMap::new();
        let id = UserId::from_number(1);
        let effects = settle_unanswered(id, &[create], &account, true, &owned, &nobody);
        assert_eq!((effects.link, effects.ledger.is_empty()), (None, true));
    }

    #[test]
    fn an_account_that_was_adopted_meanwhile_is_not_taken_for_a_created_one() {
        let account = Observation {
            immutable_id: Some("anchor".to_owned()),
            ..Observation::default()
        };
        let create = Action::CreateAccount {
            immutable_id: "anchor".to_owned(),
            enabled: true,
            values: Vec::new().into_iter().collect(),
        };
        let nobody = HashMap::new();
        let id = UserId::from_number(1);
        let effects = settle_unanswered(id, &[create], &account, true, &[], &nobody);
        assert_eq!((effects.link, effects.ledger.is_empty()), (None, true));
    }

    #[test]
    fn only_what_the_account_shows_is_ours() {
        let account = Observation {
            licenses: vec![ObservedLicense {
                sku_id: "e3".to_owned(),
                disabled_plans: Vec::new(),
                from_group: None,
            }],
            ..Observation::default()
        };
        let effects = settle(&[give("e3"), give("e5"), Action::BlockSignIn], &account);
        assert_eq!(effects.link, None);
        let keys: Vec<_> = effects
            .ledger
            .gained
            .iter()
            .map(|line| line.key.as_str())
            .collect();
        assert_eq!(keys, ["e3"]);
    }
}
