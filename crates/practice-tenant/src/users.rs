//! Users: create, read one, update, delete, restore, sessions, manager, photo.

use serde_json::json;

use crate::answer::{Answer, Effect, Outcome, Refusal};
use crate::fields::{Field, Write};
use crate::groups::Member;
use crate::request::{Call, Payload};
use crate::select::{Selection, expanded_manager};
use crate::tenant::{Tenant, UserNo};
use crate::user::{MfaState, User, UserView};
use crate::user_changes::{Author, Changes};
use crate::{group_licenses, licenses};

/// `POST /users`.
pub(crate) fn create(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = create_account(tenant, call.object()?, Author::Application, call.now)?;
    let view = user_view(tenant, no, crate::fields::DEFAULT, call);
    let context = call.context("users/$entity");
    Ok(Answer::json(
        201,
        &UserView {
            context: Some(&context),
            ..view
        },
    )
    .effect(Effect::Changed)
    .header("Location", format!("{}/{}", call.url(), tenant.user(no).id)))
}

/// Creates an account after every check of `graph.md` 4.5.
pub(crate) fn create_account(
    tenant: &mut Tenant,
    body: &serde_json::Map<String, serde_json::Value>,
    author: Author,
    now: i64,
) -> Result<UserNo, Refusal> {
    let changes = Changes::parse(body, author)?;
    for required in [
        Field::AccountEnabled,
        Field::DisplayName,
        Field::MailNickname,
        Field::UserPrincipalName,
    ] {
        if !changes.writes(required) {
            return Err(Refusal::missing_value(required.name(), "User"));
        }
    }
    if changes.password().is_none() && author == Author::Application {
        return Err(Refusal::bad_request(
            "A password must be specified to create a new user.",
        ));
    }
    changes.check(tenant, None)?;
    if tenant.users.len() - purged_share(tenant) >= OBJECT_QUOTA && author == Author::Application {
        return Err(Refusal::new(
            403,
            "Directory_QuotaExceeded",
            "The directory object quota limit for the Tenant has been exceeded. Please ask your administrator to increase the quota limit or delete objects to reduce the used quota.",
        ));
    }
    let mut user = User::new(tenant.mint(), now);
    changes.apply(&mut user, now);
    if user.text(Field::UserType).is_none() {
        user.set_text(Field::UserType, Some("Member"));
    }
    if author == Author::Application {
        user.visible_from = now + tenant.replication_delay;
    }
    Ok(tenant.insert_user(user, now))
}

/// Microsoft gives 300,000 objects and more on request.
const OBJECT_QUOTA: usize = 1_000_000;

/// Purged objects no longer count towards the quota.
fn purged_share(tenant: &Tenant) -> usize {
    tenant.users.len() - tenant.index.live - tenant.index.deleted.len()
}

fn user_view<'a>(
    tenant: &'a Tenant,
    no: UserNo,
    fields: &'a [Field],
    call: &Call<'_>,
) -> UserView<'a> {
    UserView {
        tenant,
        user: tenant.seen(no, call.now),
        fields,
        context: None,
        typed: false,
        manager: None,
        now: call.now,
    }
}

/// `GET /users/{id}`.
pub(crate) fn read(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let selection = Selection::of_user(call)?;
    let manager = expanded_manager(call)?;
    let context = selection.context(call, "users", "/$entity");
    let view = UserView {
        context: Some(&context),
        manager: manager.as_deref(),
        ..user_view(tenant, no, &selection.fields, call)
    };
    Ok(Answer::ok(&view))
}

/// `PATCH /users/{id}`.
pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let changes = Changes::parse(call.object()?, Author::Application)?;
    check_may_update(tenant, no, &changes, call)?;
    changes.check(tenant, Some(no))?;
    let changed = change_account(tenant, no, changes, call.now);
    Ok(Answer::no_content(changed.into()))
}

/// Writes checked changes and says whether anything differed.
pub(crate) fn change_account(tenant: &mut Tenant, no: UserNo, changes: Changes, now: i64) -> bool {
    tenant.keep_stale(no, now);
    tenant.unindex_user(no);
    let changed = changes.apply(&mut tenant.users[no as usize], now);
    tenant.index_user(no);
    if changed.is_empty() {
        return false;
    }
    if changed.contains(&Field::UsageLocation) {
        group_licenses::queue_user(tenant, no, now);
    }
    tenant.touch(no, &changed, now);
    true
}

/// `graph.md` 4.4: what this caller may write on this target.
fn check_may_update(
    tenant: &Tenant,
    no: UserNo,
    changes: &Changes,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    if changes.is_empty() {
        return Ok(());
    }
    let access = call.access;
    if !access.has_any(&["User.ReadWrite.All", "Directory.ReadWrite.All"]) {
        let allowed = changes.fields().all(|field| match field {
            Field::AccountEnabled => access.has("User.EnableDisableAccount.All"),
            Field::BusinessPhones | Field::MobilePhone => access.has("User-Phone.ReadWrite.All"),
            Field::OtherMails => access.has("User-Mail.ReadWrite.All"),
            Field::PasswordProfile => access.has("User-PasswordProfile.ReadWrite.All"),
            _ => false,
        });
        if !allowed {
            return Err(Refusal::denied());
        }
    }
    if changes
        .fields()
        .any(|field| field == Field::EmployeeLeaveDateTime)
        && !access.has("User-LifeCycleInfo.ReadWrite.All")
    {
        return Err(Refusal::denied());
    }
    if changes.password().is_some()
        && !(access.privileged && access.has("User-PasswordProfile.ReadWrite.All"))
    {
        return Err(Refusal::denied());
    }
    let is_sensitive = changes
        .fields()
        .any(|field| field.spec().write == Write::Sensitive);
    if is_sensitive && !access.privileged && tenant.is_admin(no) {
        return Err(Refusal::denied());
    }
    let is_local =
        |field: Field| matches!(field, Field::UsageLocation | Field::PreferredDataLocation);
    if tenant.user(no).synced.is_some() && !changes.fields().all(is_local) {
        return Err(Refusal::bad_request(
            "Unable to update the specified properties for objects that have originated within an external service.",
        ));
    }
    Ok(())
}

/// `DELETE /users/{id}`.
pub(crate) fn delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    if tenant.is_admin(no) && !call.access.privileged {
        return Err(Refusal::denied());
    }
    if tenant.user(no).synced.is_some() {
        return Err(Refusal::bad_request(
            "Unable to delete objects that have originated within an external service.",
        ));
    }
    delete_account(tenant, no, call.now);
    Ok(Answer::no_content(Effect::Changed))
}

/// Moves an account to the deleted items: names freed, licenses freed, memberships remembered.
pub(crate) fn delete_account(tenant: &mut Tenant, no: UserNo, now: i64) {
    tenant.unindex_user(no);
    for group in tenant.user(no).groups.clone() {
        crate::members::leave(tenant, group, Member::User(no), now);
    }
    licenses::release_all(tenant, no);
    for role in &mut tenant.roles {
        role.members.retain(|member| *member != no);
    }
    let user = &mut tenant.users[no as usize];
    user.deleted = Some(now);
    let renamed = format!("{}{}", user.id.simple(), user.upn());
    user.set_text(Field::UserPrincipalName, Some(&renamed));
    tenant.index.live -= 1;
    tenant.index.deleted.insert(no);
    tenant.touch(no, &[Field::DeletedDateTime], now);
}

/// `POST /directory/deletedItems/{id}/restore` of a user.
pub(crate) fn restore(tenant: &mut Tenant, no: UserNo, call: &Call<'_>) -> Outcome {
    let body = match call.payload {
        Payload::Empty => None,
        _ => Some(call.object()?),
    };
    let text = |name: &str| {
        body.and_then(|body| body.get(name))
            .and_then(serde_json::Value::as_str)
    };
    let reconcile = body
        .and_then(|body| body.get("autoReconcileProxyConflict"))
        .and_then(serde_json::Value::as_bool)
        .unwrap_or(false);
    let user = tenant.user(no);
    let prefix = user.id.simple().to_string();
    let old = user
        .upn()
        .strip_prefix(prefix.as_str())
        .unwrap_or(user.upn())
        .to_owned();
    let upn = text("newUserPrincipalName").unwrap_or(&old).to_owned();
    crate::user_changes::check_upn(&upn)?;
    if tenant.domain_of(&upn).is_none_or(|domain| !domain.verified) {
        return Err(Refusal::bad_request(
            "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.",
        ));
    }
    if tenant.index.upns.contains_key(upn.to_lowercase().as_str()) {
        return Err(Refusal::taken("userPrincipalName"));
    }
    if user
        .text(Field::ImmutableId)
        .is_some_and(|anchor| tenant.index.anchors.contains_key(anchor))
    {
        return Err(Refusal::taken("onPremisesImmutableId"));
    }
    let is_taken = |proxy: &str| {
        tenant
            .index
            .proxies
            .contains_key(proxy.to_lowercase().as_str())
    };
    let free: Vec<Box<str>> = user
        .list(Field::ProxyAddresses)
        .iter()
        .filter(|proxy| !is_taken(proxy))
        .cloned()
        .collect();
    if free.len() < user.list(Field::ProxyAddresses).len() && !reconcile {
        return Err(Refusal::taken("proxyAddresses"));
    }
    let user = &mut tenant.users[no as usize];
    user.set_list(Field::ProxyAddresses, free);
    user.set_text(Field::UserPrincipalName, Some(&upn));
    user.deleted = None;
    user.visible_from = call.now + tenant.replication_delay;
    tenant.index.live += 1;
    tenant.index.deleted.remove(&no);
    tenant.index_user(no);
    for group in tenant.user(no).groups.clone() {
        crate::members::enter(tenant, group, Member::User(no), call.now);
    }
    group_licenses::queue_user(tenant, no, call.now);
    tenant.touch(no, &[], call.now);
    tenant.users[no as usize].born = tenant.seq;
    let context = call.context("directoryObjects/$entity");
    let view = UserView {
        context: Some(&context),
        typed: true,
        ..user_view(tenant, no, crate::fields::DEFAULT, call)
    };
    Ok(Answer::ok(&view).effect(Effect::Changed))
}

/// `DELETE /directory/deletedItems/{id}` of a user: nothing but its id is left.
pub(crate) fn purge(tenant: &mut Tenant, no: UserNo, now: i64) {
    let old = &tenant.users[no as usize];
    let mut tombstone = User::new(old.id, old.created);
    tombstone.deleted = old.deleted.or(Some(now));
    tombstone.purged = true;
    tombstone.changed = old.changed;
    tenant.users[no as usize] = tombstone;
    tenant.index.deleted.remove(&no);
    tenant.index.reports.remove(&no);
    tenant.touch(no, &[], now);
}

/// `POST /users/{id}/revokeSignInSessions`.
pub(crate) fn revoke_sessions(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    if tenant.is_admin(no) && !call.access.privileged {
        return Err(Refusal::denied());
    }
    tenant.keep_stale(no, call.now);
    tenant.users[no as usize].sessions_valid_from = call.now;
    tenant.touch(no, &[Field::SignInSessionsValidFromDateTime], call.now);
    Ok(
        Answer::ok(&json!({"@odata.context": call.context("Edm.Boolean"), "value": true}))
            .effect(Effect::Changed),
    )
}

fn manager_of(tenant: &Tenant, call: &Call<'_>) -> Result<UserNo, Refusal> {
    let no = tenant.find_user(call.param(0), call.now)?;
    let manager = tenant
        .seen(no, call.now)
        .manager
        .filter(|manager| tenant.is_visible(*manager, call.now));
    manager.ok_or_else(|| Refusal::not_found("manager"))
}

/// `GET /users/{id}/manager`.
pub(crate) fn read_manager(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let manager = manager_of(tenant, call)?;
    let selection = Selection::of_user(call)?;
    let context = call.context("directoryObjects/$entity");
    Ok(Answer::ok(&UserView {
        context: Some(&context),
        typed: true,
        ..user_view(tenant, manager, &selection.fields, call)
    }))
}

/// `GET /users/{id}/manager/$ref`.
pub(crate) fn read_manager_ref(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = tenant.user(manager_of(tenant, call)?).id;
    let link = format!(
        "{}/{}/directoryObjects/{id}",
        call.base,
        call.version.name()
    );
    Ok(Answer::ok(
        &json!({"@odata.context": call.context("$ref"), "@odata.id": link}),
    ))
}

/// `PUT /users/{id}/manager/$ref`.
pub(crate) fn set_manager(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let id = crate::members::reference(call.object()?)?;
    let manager = tenant.find_user(&id, call.now)?;
    if tenant.user(no).synced.is_some() {
        return Err(Refusal::bad_request(
            "Unable to update the specified properties for objects that have originated within an external service.",
        ));
    }
    Ok(Answer::no_content(change_manager(
        tenant,
        no,
        Some(manager),
        call.now,
    )))
}

/// `DELETE /users/{id}/manager/$ref`.
pub(crate) fn remove_manager(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    if tenant.user(no).manager.is_none() {
        return Err(Refusal::not_found("manager"));
    }
    Ok(Answer::no_content(change_manager(
        tenant, no, None, call.now,
    )))
}

pub(crate) fn change_manager(
    tenant: &mut Tenant,
    no: UserNo,
    manager: Option<UserNo>,
    now: i64,
) -> Effect {
    let before = tenant.user(no).manager;
    if before == manager {
        return Effect::Unchanged;
    }
    tenant.keep_stale(no, now);
    if let Some(reports) = before.and_then(|before| tenant.index.reports.get_mut(&before)) {
        reports.remove(&no);
    }
    if let Some(manager) = manager {
        tenant.index.reports.entry(manager).or_default().insert(no);
    }
    tenant.users[no as usize].manager = manager;
    tenant.touch(no, &[Field::Manager], now);
    Effect::Changed
}

const MAX_PHOTO: usize = 4 * 1024 * 1024;

fn photo_missing() -> Refusal {
    Refusal::new(
        404,
        "ImageNotFound",
        "Exception of type 'Microsoft.Fast.Profile.Core.Exception.ImageNotFoundException' was thrown.",
    )
}

/// `GET /users/{id}/photo`.
pub(crate) fn read_photo(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    tenant.user(no).photo.as_ref().ok_or_else(photo_missing)?;
    let context = call.context(&format!("users('{}')/photo/$entity", tenant.user(no).id));
    Ok(Answer::ok(
        &json!({"@odata.context": context, "@odata.mediaContentType": "image/jpeg", "id": "default", "height": 96, "width": 96}),
    ))
}

/// `GET /users/{id}/photo/$value`.
pub(crate) fn read_photo_bytes(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let photo = tenant.user(no).photo.as_ref().ok_or_else(photo_missing)?;
    Ok(Answer::raw("image/jpeg", photo.to_vec()))
}

/// `PUT /users/{id}/photo/$value`.
pub(crate) fn write_photo(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let Payload::Bytes(bytes) = call.payload else {
        return Err(Refusal::bad_request(
            "The photo must be sent as image/jpeg.",
        ));
    };
    if bytes.len() > MAX_PHOTO || !bytes.starts_with(&[0xff, 0xd8]) {
        return Err(Refusal::bad_request(
            "The image is not a JPEG of less than 4 MB.",
        ));
    }
    let changed = tenant.user(no).photo.as_deref() != Some(bytes);
    tenant.users[no as usize].photo = Some(bytes.to_vec().into());
    Ok(Answer {
        status: 200,
        ..Answer::no_content(changed.into())
    })
}

/// `DELETE /users/{id}/photo/$value`.
pub(crate) fn delete_photo(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    tenant.users[no as usize]
        .photo
        .take()
        .ok_or_else(photo_missing)?;
    Ok(Answer::no_content(Effect::Changed))
}

/// `GET /beta/users/{id}/authentication/requirements`.
pub(crate) fn read_mfa(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let context = call.context(&format!(
        "users('{}')/authentication/requirements",
        tenant.user(no).id
    ));
    Ok(Answer::ok(
        &json!({"@odata.context": context, "perUserMfaState": tenant.user(no).mfa.name()}),
    ))
}

/// `PATCH /beta/users/{id}/authentication/requirements`.
pub(crate) fn update_mfa(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let wanted = match call
        .object()?
        .get("perUserMfaState")
        .and_then(serde_json::Value::as_str)
    {
        Some("disabled") => MfaState::Disabled,
        Some("enabled") => MfaState::Enabled,
        Some("enforced") => MfaState::Enforced,
        _ => return Err(Refusal::invalid_value("perUserMfaState")),
    };
    let before = std::mem::replace(&mut tenant.users[no as usize].mfa, wanted);
    Ok(Answer::no_content((before != wanted).into()))
}

/// `GET /users/{id}/authentication/methods`: everybody has a password here, nothing more.
pub(crate) fn authentication_methods(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let user = tenant.user(no);
    let context = call.context(&format!("users('{}')/authentication/methods", user.id));
    let changed = crate::clock::instant(user.password_changed);
    Ok(Answer::ok(&json!({"@odata.context": context, "value": [{
        "@odata.type": "#microsoft.graph.passwordAuthenticationMethod", "id": "28c10230-6103-485e-b985-444c60001490", "createdDateTime": changed, "password": null,
    }]})))
}
