//! Group licensing: accepted at once, carried out in the background (`graph.md` 5.4).

use crate::answer::{Answer, Outcome, Refusal};
use crate::clock::Millis;
use crate::licenses::{
    Fault, LICENSE_FIELDS, License, Wish, active, each, objection, set_licenses,
};
use crate::request::Call;
use crate::tenant::{LicenseWork, Tenant, UserNo};

/// Has the background process look at a user's group licenses again.
pub(crate) fn queue_user(tenant: &mut Tenant, user: UserNo, now: Millis) {
    let holds = tenant
        .user(user)
        .licenses
        .iter()
        .any(|license| license.by_group.is_some());
    let may = tenant
        .user(user)
        .groups
        .iter()
        .any(|group| !tenant.group(*group).licenses.is_empty());
    if holds || may {
        let due = now + tenant.replication_delay;
        tenant.index.license_work.push_back(LicenseWork {
            due,
            user,
            completes: None,
        });
    }
}

/// `POST /groups/{id}/assignLicense`: accepted now, carried out in the background.
pub(crate) fn assign_group(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_group(call.param(0), call.now)?;
    let wish = Wish::parse(tenant, call.object()?)?;
    let mut licenses = tenant.group(no).licenses.clone();
    for sku in &wish.remove {
        let at = licenses.iter().position(|(held, _)| held == sku);
        licenses.remove(
            at.ok_or_else(|| Refusal::bad_request("Group does not have a corresponding license."))?,
        );
    }
    for (sku, disabled) in wish.add {
        licenses.retain(|(held, _)| *held != sku);
        licenses.push((sku, disabled));
    }
    let changed = licenses != tenant.group(no).licenses;
    tenant.groups[no as usize].licenses = licenses;
    if changed {
        tenant.touch_group(no, call.now);
        tenant.groups[no as usize].processing = Some("QueuedForProcessing".to_owned());
        let due = call.now + tenant.replication_delay;
        let members: Vec<UserNo> = tenant.group(no).user_members().collect();
        let last = members.len().wrapping_sub(1);
        for (at, user) in members.iter().enumerate() {
            let completes = (at == last).then_some(no);
            tenant.index.license_work.push_back(LicenseWork {
                due,
                user: *user,
                completes,
            });
        }
        if members.is_empty() {
            tenant.groups[no as usize].processing = Some("ProcessingComplete".to_owned());
        }
    }
    let context = call.context("groups/$entity");
    let view = crate::groups::GroupView {
        tenant,
        group: tenant.group(no),
        names: None,
        context: Some(&context),
        typed: false,
    };
    Ok(Answer::json(202, &view).effect(changed.into()))
}

/// The background process: carries out group licensing that is due.
pub(crate) fn settle(tenant: &mut Tenant, now: Millis) {
    while let Some(work) = tenant
        .index
        .license_work
        .front()
        .copied()
        .filter(|work| work.due <= now)
    {
        tenant.index.license_work.pop_front();
        if tenant.user(work.user).is_live() {
            inherit(tenant, work.user, now);
        }
        if let Some(group) = work.completes {
            tenant.groups[group as usize].processing = Some("ProcessingComplete".to_owned());
        }
    }
}

/// Brings a user's inherited licenses in line with its groups.
pub(crate) fn inherit(tenant: &mut Tenant, no: UserNo, now: Millis) -> bool {
    let user = tenant.user(no);
    let mut licenses: Vec<License> = user
        .licenses
        .iter()
        .filter(|license| license.by_group.is_none())
        .cloned()
        .collect();
    let held = active(&user.licenses);
    for group_no in user
        .groups
        .iter()
        .copied()
        .filter(|group| tenant.group(*group).is_live())
    {
        let wanted = tenant
            .group(group_no)
            .licenses
            .iter()
            .map(|(sku, disabled)| {
                let same = |license: &&License| {
                    license.by_group == Some(group_no)
                        && license.sku == *sku
                        && license.error.is_none()
                        && license.disabled == *disabled
                };
                let updated = user
                    .licenses
                    .iter()
                    .find(same)
                    .map_or(now, |license| license.updated);
                License {
                    sku: *sku,
                    disabled: disabled.clone(),
                    by_group: Some(group_no),
                    error: None,
                    updated,
                }
            });
        let mut inherited: Vec<License> = wanted.collect();
        let mut together = licenses.clone();
        together.extend(inherited.iter().cloned());
        let lacking = each(active(&together) & !held & !active(&licenses))
            .find(|sku| tenant.skus[*sku as usize].free() <= 0);
        let fault = lacking
            .map(|_| Fault::CountViolation)
            .or_else(|| objection(tenant, &together).map(|found| found.fault()));
        if let Some(fault) = fault {
            for license in &mut inherited {
                let is_cause = lacking.is_none_or(|sku| sku == license.sku);
                license.error = Some(if is_cause { fault } else { Fault::Other });
            }
        }
        licenses.extend(inherited);
    }
    let same = |a: &License, b: &License| {
        (a.sku, &a.disabled, a.by_group, a.error) == (b.sku, &b.disabled, b.by_group, b.error)
    };
    let before = &user.licenses;
    if before.len() == licenses.len() && before.iter().zip(&licenses).all(|(a, b)| same(a, b)) {
        return false;
    }
    set_licenses(tenant, no, licenses);
    tenant.touch(no, LICENSE_FIELDS, now);
    true
}
