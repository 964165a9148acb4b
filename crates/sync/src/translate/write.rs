//! Actions as Graph's writes. Neighbouring changes of one account become one PATCH.

use signpost_graph as graph;
use signpost_graph::{AccountPatch, LicenseGrant, NewUser, Profile, SecretText, Write};
use signpost_model::Random;
use signpost_model::plan::{
    Action, ActionKind, NewValue, ObjectId, PlannedLicense, TargetAttribute,
};
use signpost_model::random::random_password;

/// The stored plan holds something that Graph has no form for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the plan's {0} is not one of Microsoft's ids")]
pub struct Untranslatable(pub &'static str);

/// Whether an action is a change of the account's own properties: neighbours can be one write.
pub(crate) const fn is_patch(kind: ActionKind) -> bool {
    matches!(
        kind,
        ActionKind::SetImmutableId
            | ActionKind::Rename
            | ActionKind::UpdateProfile
            | ActionKind::Enable
            | ActionKind::BlockSignIn
    )
}

/// The one write that carries out these actions of one account: either a single action, or
/// several that change the account's own properties.
pub fn change(
    actions: &[Action],
    account: Option<&ObjectId>,
    manager: Option<&ObjectId>,
    random: &dyn Random,
) -> Result<Write, Untranslatable> {
    let target = || account.ok_or(Untranslatable("account")).and_then(graph_id);
    let [action] = actions else {
        return patch(target()?, actions);
    };
    Ok(match action {
        Action::CreateAccount {
            immutable_id,
            enabled,
            values,
        } => create(immutable_id, *enabled, values, random)?,
        Action::Restore => Write::Restore {
            id: target()?,
            new_user_principal_name: None,
        },
        Action::AssignLicenses { add, remove } => Write::AssignLicense {
            id: target()?,
            add: add.iter().map(license).collect::<Result<_, _>>()?,
            remove: remove.iter().map(sku).collect::<Result<_, _>>()?,
        },
        Action::RemoveLicenses { licenses } => Write::AssignLicense {
            id: target()?,
            add: Vec::new(),
            remove: licenses.iter().map(sku).collect::<Result<_, _>>()?,
        },
        Action::AddToGroup {
            group_object_id, ..
        } => Write::AddGroupMembers {
            group: graph_id(group_object_id)?,
            members: vec![target()?],
        },
        Action::RemoveFromGroup {
            group_object_id, ..
        } => Write::RemoveGroupMember {
            group: graph_id(group_object_id)?,
            member: target()?,
        },
        Action::SetManager { after: None, .. } => Write::ClearManager { id: target()? },
        Action::SetManager { .. } => Write::SetManager {
            id: target()?,
            manager: manager
                .ok_or(Untranslatable("manager"))
                .and_then(graph_id)?,
        },
        Action::RevokeSessions => Write::RevokeSessions { id: target()? },
        Action::Delete => Write::DeleteUser { id: target()? },
        Action::SetImmutableId { .. }
        | Action::Rename { .. }
        | Action::UpdateProfile { .. }
        | Action::Enable
        | Action::BlockSignIn => patch(target()?, actions)?,
    })
}

fn create(
    immutable_id: &str,
    enabled: bool,
    values: &[(TargetAttribute, String)],
    random: &dyn Random,
) -> Result<Write, Untranslatable> {
    let value = |wanted| {
        let found = values.iter().find(|(attribute, _)| *attribute == wanted);
        found.map(|(_, value)| value.clone())
    };
    let required = |wanted: TargetAttribute| value(wanted).ok_or(Untranslatable("user name"));
    let mut profile = Profile::default();
    for (attribute, value) in values {
        set(&mut profile, *attribute, graph::Change::Set(value.clone()));
    }
    Ok(Write::CreateUser(Box::new(NewUser {
        user_principal_name: required(TargetAttribute::UserPrincipalName)?,
        display_name: required(TargetAttribute::DisplayName)?,
        mail_nickname: required(TargetAttribute::MailNickname)?,
        account_enabled: enabled,
        // Nobody ever learns it: people sign in through their own identity provider, or an
        // administrator gives them a password of their own.
        password: SecretText::new(random_password(random).expose()),
        change_password: false,
        immutable_id: Some(immutable_id.to_owned()),
        usage_location: value(TargetAttribute::UsageLocation),
        profile,
    })))
}

fn patch(id: graph::ObjectId, actions: &[Action]) -> Result<Write, Untranslatable> {
    let mut patch = AccountPatch::default();
    for action in actions {
        match action {
            Action::SetImmutableId { after, .. } => {
                patch.immutable_id = graph::Change::Set(after.clone());
            }
            Action::Rename { after, .. } => patch.user_principal_name = Some(after.clone()),
            Action::Enable => patch.account_enabled = Some(true),
            Action::BlockSignIn => patch.account_enabled = Some(false),
            Action::UpdateProfile { changes } => {
                for change in changes {
                    set_or_clear(&mut patch, change.attribute, &change.after);
                }
            }
            _ => return Err(Untranslatable("combination of actions")),
        }
    }
    Ok(Write::PatchUser {
        id,
        patch: Box::new(patch),
    })
}

fn set_or_clear(patch: &mut AccountPatch, attribute: TargetAttribute, after: &NewValue) {
    let change = match after {
        NewValue::Set(value) => graph::Change::Set(value.clone()),
        NewValue::Clear => graph::Change::Clear,
        NewValue::Keep => return,
    };
    match (attribute, &change) {
        (TargetAttribute::UserPrincipalName, graph::Change::Set(value)) => {
            patch.user_principal_name = Some(value.clone());
        }
        (TargetAttribute::DisplayName, graph::Change::Set(value)) => {
            patch.display_name = Some(value.clone());
        }
        (TargetAttribute::MailNickname, graph::Change::Set(value)) => {
            patch.mail_nickname = Some(value.clone());
        }
        (TargetAttribute::UsageLocation, graph::Change::Set(value)) => {
            patch.usage_location = Some(value.clone());
        }
        _ => set(&mut patch.profile, attribute, change),
    }
}

/// Sets what describes a person; the four attributes that can never be empty are not part of it.
fn set(profile: &mut Profile, attribute: TargetAttribute, change: graph::Change<String>) {
    let slot = match attribute {
        TargetAttribute::UserPrincipalName
        | TargetAttribute::DisplayName
        | TargetAttribute::MailNickname
        | TargetAttribute::UsageLocation => return,
        TargetAttribute::BusinessPhones => {
            profile.business_phones = match change {
                graph::Change::Set(value) => Some(vec![value]),
                graph::Change::Clear => Some(Vec::new()),
                graph::Change::Keep => None,
            };
            return;
        }
        TargetAttribute::GivenName => &mut profile.given_name,
        TargetAttribute::Surname => &mut profile.surname,
        TargetAttribute::JobTitle => &mut profile.job_title,
        TargetAttribute::Department => &mut profile.department,
        TargetAttribute::CompanyName => &mut profile.company_name,
        TargetAttribute::OfficeLocation => &mut profile.office_location,
        TargetAttribute::MobilePhone => &mut profile.mobile_phone,
        TargetAttribute::StreetAddress => &mut profile.street_address,
        TargetAttribute::City => &mut profile.city,
        TargetAttribute::State => &mut profile.state,
        TargetAttribute::PostalCode => &mut profile.postal_code,
        TargetAttribute::Country => &mut profile.country,
        TargetAttribute::PreferredLanguage => &mut profile.preferred_language,
        TargetAttribute::EmployeeId => &mut profile.employee_id,
    };
    *slot = change;
}

pub(crate) fn graph_id(id: &ObjectId) -> Result<graph::ObjectId, Untranslatable> {
    id.as_str().parse().map_err(|_| Untranslatable("object id"))
}

fn sku(license: &PlannedLicense) -> Result<graph::SkuId, Untranslatable> {
    license
        .sku_id
        .parse()
        .map_err(|_| Untranslatable("product id"))
}

pub(crate) fn license(license: &PlannedLicense) -> Result<LicenseGrant, Untranslatable> {
    let plan = |id: &String| id.parse().map_err(|_| Untranslatable("service plan id"));
    Ok(LicenseGrant {
        sku_id: sku(license)?,
        disabled_plans: license
            .disabled_plans
            .iter()
            .map(plan)
            .collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use signpost_model::plan::Change;
    use signpost_model::random::SeededRandom;

    fn ada() -> ObjectId {
        ObjectId::new("8c1e0000-0000-4000-8000-000000000001")
    }

    #[test]
    fn neighbouring_changes_become_one_patch() {
        let actions = [
            Action::Rename {
                before: "a@contoso.com".to_owned(),
                after: "b@contoso.com".to_owned(),
            },
            Action::UpdateProfile {
                changes: vec![
                    Change {
                        attribute: TargetAttribute::City,
                        before: Some("Porto".to_owned()),
                        after: NewValue::Clear,
                    },
                    Change {
                        attribute: TargetAttribute::DisplayName,
                        before: None,
                        after: NewValue::Set("B".to_owned()),
                    },
                ],
            },
            Action::Enable,
        ];
        let write = change(&actions, Some(&ada()), None, &SeededRandom::new(1)).unwrap();
        let Write::PatchUser { patch, .. } = write else {
            panic!("not a patch");
        };
        let json = serde_json::to_value(&*patch).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"userPrincipalName": "b@contoso.com", "displayName": "B",
                "accountEnabled": true, "city": null})
        );
    }

    #[test]
    fn ids_that_are_none_are_refused_before_anything_is_sent() {
        let write = change(
            &[Action::Delete],
            Some(&ObjectId::new("../me")),
            None,
            &SeededRandom::new(1),
        );
        assert_eq!(write.err(), Some(Untranslatable("object id")));
    }
}
