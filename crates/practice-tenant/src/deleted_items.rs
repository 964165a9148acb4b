//! `/directory/deletedItems`: look, restore, delete for ever.

use uuid::Uuid;

use crate::answer::{Answer, Effect, Outcome, Refusal};
use crate::fields::DEFAULT;
use crate::groups::{GroupView, Member};
use crate::request::Call;
use crate::tenant::Tenant;
use crate::user::UserView;
use crate::{members, users};

fn find(tenant: &Tenant, call: &Call<'_>) -> Result<Member, Refusal> {
    let id: Uuid = call.object_id(0)?;
    let user = tenant
        .index
        .users
        .get(&id)
        .filter(|no| tenant.index.deleted.contains(no))
        .map(|no| Member::User(*no));
    let group = || {
        tenant
            .index
            .groups
            .get(&id)
            .filter(|no| !tenant.group(**no).is_live() && !tenant.group(**no).purged)
            .map(|no| Member::Group(*no))
    };
    user.or_else(group)
        .ok_or_else(|| Refusal::not_found(call.param(0)))
}

/// Users need the user permissions, groups those of groups.
fn check_may_write(member: Member, call: &Call<'_>) -> Result<(), Refusal> {
    let needed: &[&str] = match member {
        Member::User(_) => &["User.DeleteRestore.All", "User.ReadWrite.All"],
        Member::Group(_) => &["Group.ReadWrite.All"],
    };
    if call.access.has_any(needed) {
        Ok(())
    } else {
        Err(Refusal::denied())
    }
}

/// `GET /directory/deletedItems/{id}`.
pub(crate) fn read(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let context = call.context("directoryObjects/$entity");
    Ok(match find(tenant, call)? {
        Member::User(no) => {
            let mut fields = DEFAULT.to_vec();
            fields.push(crate::fields::Field::DeletedDateTime);
            let user = tenant.user(no);
            Answer::ok(&UserView {
                tenant,
                user,
                fields: &fields,
                context: Some(&context),
                typed: true,
                manager: None,
                now: call.now,
            })
        }
        Member::Group(no) => Answer::ok(&GroupView {
            tenant,
            group: tenant.group(no),
            names: None,
            context: Some(&context),
            typed: true,
        }),
    })
}

/// `POST /directory/deletedItems/{id}/restore`.
pub(crate) fn restore(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let found = find(tenant, call)?;
    check_may_write(found, call)?;
    match found {
        Member::User(no) => users::restore(tenant, no, call),
        Member::Group(no) => {
            tenant.groups[no as usize].deleted = None;
            tenant.touch_group(no, call.now);
            let context = call.context("directoryObjects/$entity");
            let view = GroupView {
                tenant,
                group: tenant.group(no),
                names: None,
                context: Some(&context),
                typed: true,
            };
            Ok(Answer::ok(&view).effect(Effect::Changed))
        }
    }
}

/// `DELETE /directory/deletedItems/{id}`.
pub(crate) fn purge(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let found = find(tenant, call)?;
    check_may_write(found, call)?;
    match found {
        Member::User(no) => users::purge(tenant, no, call.now),
        Member::Group(no) => {
            members::purge_group(tenant, no);
            tenant.touch_group(no, call.now);
        }
    }
    Ok(Answer::no_content(Effect::Changed))
}
