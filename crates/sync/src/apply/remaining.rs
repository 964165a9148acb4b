//! What an action still has to do, now that the account was read back.

use signpost_model::Observation;
use signpost_model::plan::{Action, NewValue, ObjectId, PlannedLicense};

use crate::planner::{same, value_of};

/// The part of the action that the account does not show; `None`: it is done. What cannot be
/// seen on an account (ended sessions, memberships) is never done: repeating it is harmless.
pub(super) fn remaining(
    action: &Action,
    seen: &Observation,
    manager: Option<&ObjectId>,
) -> Option<Action> {
    let unless = |is_done: bool| (!is_done).then(|| action.clone());
    match action {
        // Found by its ImmutableId, which only this create ever sent.
        Action::CreateAccount { .. } => None,
        Action::Restore => unless(!seen.deleted),
        Action::SetImmutableId { after, .. } => unless(seen.immutable_id.as_ref() == Some(after)),
        Action::Rename { after, .. } => {
            unless(seen.user_principal_name.eq_ignore_ascii_case(after))
        }
        Action::UpdateProfile { changes } => {
            let differs = |change: &&signpost_model::plan::Change| {
                let now = value_of(seen, change.attribute);
                match &change.after {
                    NewValue::Set(value) => {
                        !now.is_some_and(|now| same(change.attribute, now, value))
                    }
                    NewValue::Clear => now.is_some(),
                    NewValue::Keep => false,
                }
            };
            let changes: Vec<_> = changes.iter().filter(differs).cloned().collect();
            (!changes.is_empty()).then_some(Action::UpdateProfile { changes })
        }
        Action::Enable => unless(seen.enabled),
        Action::BlockSignIn => unless(!seen.enabled),
        Action::AssignLicenses { add, remove } => {
            let add: Vec<_> = add
                .iter()
                .filter(|l| !is_held_so(seen, l))
                .cloned()
                .collect();
            let remove: Vec<_> = remove
                .iter()
                .filter(|l| is_held(seen, l))
                .cloned()
                .collect();
            let is_done = add.is_empty() && remove.is_empty();
            (!is_done).then_some(Action::AssignLicenses { add, remove })
        }
        Action::RemoveLicenses { licenses } => {
            let licenses: Vec<_> = licenses
                .iter()
                .filter(|l| is_held(seen, l))
                .cloned()
                .collect();
            (!licenses.is_empty()).then_some(Action::RemoveLicenses { licenses })
        }
        Action::SetManager { after: None, .. } => unless(seen.manager.is_none()),
        Action::SetManager { .. } => unless(manager.is_some() && seen.manager.as_ref() == manager),
        Action::Delete => unless(seen.deleted),
        Action::AddToGroup { .. } | Action::RemoveFromGroup { .. } | Action::RevokeSessions => {
            Some(action.clone())
        }
    }
}

fn direct<'a>(seen: &'a Observation, sku_id: &str) -> Option<&'a [String]> {
    let mut held = seen.licenses.iter();
    held.find(|held| held.sku_id == sku_id && held.from_group.is_none())
        .map(|held| held.disabled_plans.as_slice())
}

fn is_held(seen: &Observation, license: &PlannedLicense) -> bool {
    direct(seen, &license.sku_id).is_some()
}

fn is_held_so(seen: &Observation, license: &PlannedLicense) -> bool {
    let mut wanted = license.disabled_plans.clone();
    wanted.sort();
    direct(seen, &license.sku_id).is_some_and(|disabled| disabled == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use signpost_model::ObservedLicense;
    use signpost_model::plan::{Change, TargetAttribute};

    #[test]
    fn only_what_the_account_does_not_show_is_left() {
        let mut seen = Observation::default();
        seen.values
            .insert(TargetAttribute::City, "Porto".to_owned());
        let set = |attribute, value: &str| Change {
            attribute,
            before: None,
            after: NewValue::Set(value.to_owned()),
        };
        let action = Action::UpdateProfile {
            changes: vec![
                set(TargetAttribute::City, "Porto"),
                set(TargetAttribute::State, "Norte"),
            ],
        };
        let left = remaining(&action, &seen, None).unwrap();
        assert_eq!(
            left,
            Action::UpdateProfile {
                changes: vec![set(TargetAttribute::State, "Norte")]
            }
        );
        seen.values
            .insert(TargetAttribute::State, "Norte".to_owned());
        assert_eq!(remaining(&left, &seen, None), None);
    }

    #[test]
    fn a_swap_is_done_when_one_is_held_and_the_other_is_not() {
        let license = |sku_id: &str| PlannedLicense {
            sku_id: sku_id.to_owned(),
            name: sku_id.to_owned(),
            disabled_plans: vec!["b".to_owned(), "a".to_owned()],
        };
        let swap = Action::AssignLicenses {
            add: vec![license("e5")],
            remove: vec![license("e3")],
        };
        let held = |sku_id: &str| ObservedLicense {
            sku_id: sku_id.to_owned(),
            disabled_plans: vec!["a".to_owned(), "b".to_owned()],
            from_group: None,
        };
        let mut seen = Observation {
            licenses: vec![held("e3")],
            ..Observation::default()
        };
        assert_eq!(remaining(&swap, &seen, None), Some(swap.clone()));
        seen.licenses = vec![held("e5")];
        assert_eq!(remaining(&swap, &seen, None), None);
    }
}
