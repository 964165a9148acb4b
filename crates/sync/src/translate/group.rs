//! Groups as Graph sends them, in our words.

use signpost_graph::{AssignedLicense, Change, Group, GroupChange};
use signpost_model::group_push::{GroupLicense, TenantGroup};

use super::object_id;

/// A whole group.
pub fn tenant_group(group: &Group) -> TenantGroup {
    TenantGroup {
        object_id: object_id(group.id),
        name: group.display_name.clone().unwrap_or_default(),
        description: group.description.clone().unwrap_or_default(),
        mail_nickname: group.mail_nickname.clone().unwrap_or_default(),
        mail_enabled: group.mail_enabled.unwrap_or(false),
        security_enabled: group.security_enabled.unwrap_or(false),
        dynamic: group.is_dynamic(),
        synchronised: group.on_premises_sync_enabled.unwrap_or(false),
        role_assignable: group.is_assignable_to_role.unwrap_or(false),
        licenses: licenses(&group.assigned_licenses),
    }
}

/// What a delta entry makes of a group, whose members it also tells; `None`: it is gone.
pub fn merge_group(change: GroupChange, before: Option<&TenantGroup>) -> Option<TenantGroup> {
    if change.removed.is_some() {
        return None;
    }
    let mut group = before.cloned().unwrap_or_else(|| TenantGroup {
        object_id: object_id(change.id),
        name: String::new(),
        description: String::new(),
        mail_nickname: String::new(),
        mail_enabled: false,
        // A group that says nothing of itself is treated as one for security, and looked at again
        // before anything is linked with it.
        security_enabled: true,
        dynamic: false,
        synchronised: false,
        role_assignable: false,
        licenses: Vec::new(),
    });
    text(change.display_name, &mut group.name);
    text(change.description, &mut group.description);
    text(change.mail_nickname, &mut group.mail_nickname);
    flag(change.mail_enabled, &mut group.mail_enabled);
    flag(change.security_enabled, &mut group.security_enabled);
    flag(change.on_premises_sync_enabled, &mut group.synchronised);
    flag(change.is_assignable_to_role, &mut group.role_assignable);
    match change.group_types {
        Change::Keep => {}
        Change::Set(types) => {
            group.dynamic = types.iter().any(|kind| kind == "DynamicMembership");
        }
        Change::Clear => group.dynamic = false,
    }
    match change.assigned_licenses {
        Change::Keep => {}
        Change::Set(assigned) => group.licenses = licenses(&assigned),
        Change::Clear => group.licenses.clear(),
    }
    Some(group)
}

fn text(change: Change<String>, slot: &mut String) {
    match change {
        Change::Keep => {}
        Change::Set(value) => *slot = value,
        Change::Clear => slot.clear(),
    }
}

fn flag(change: Change<bool>, slot: &mut bool) {
    match change {
        Change::Keep => {}
        Change::Set(value) => *slot = value,
        Change::Clear => *slot = false,
    }
}

fn licenses(assigned: &[AssignedLicense]) -> Vec<GroupLicense> {
    let license = |one: &AssignedLicense| {
        let mut disabled: Vec<String> =
            one.disabled_plans.iter().map(ToString::to_string).collect();
        disabled.sort();
        GroupLicense {
            sku_id: one.sku_id.to_string(),
            disabled_plans: disabled,
        }
    };
    let mut licenses: Vec<GroupLicense> = assigned.iter().map(license).collect();
    licenses.sort();
    licenses
}
