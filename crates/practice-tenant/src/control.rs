//! The control API for tests and benchmarks; its JSON is documented at the top of the crate.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, header};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::clock::instant;
use crate::fields::{Field, Kind};
use crate::groups::Member;
use crate::practice::{PracticeTenant, Throttle};
use crate::server::json_response;
use crate::tenant::{Tenant, UserNo};
use crate::user::serialize_field;
use crate::{control_writes, pages};

type Practice = State<Arc<PracticeTenant>>;

/// Everything under `/_practice`.
pub(crate) fn router() -> Router<Arc<PracticeTenant>> {
    pages::router()
        .merge(crate::sign_in::router())
        .route(
            "/admin",
            get(crate::admin_center::show).post(crate::admin_center::act),
        )
        .route("/credentials", get(credentials))
        .route("/calls", get(calls))
        .route("/reset", post(reset))
        .route(
            "/faults",
            get(list_faults).post(add_faults).delete(clear_faults),
        )
        .route("/faults/{id}", axum::routing::delete(remove_fault))
        .route("/faults/{id}/happened", get(await_fault))
        .route("/faults/{id}/release", post(release_fault))
        .route(
            "/accounts",
            get(accounts).post(control_writes::write_accounts),
        )
        .route(
            "/accounts/{id}",
            axum::routing::delete(control_writes::delete_account),
        )
        .route("/groups", get(groups).post(control_writes::write_group))
        .route("/skus", get(skus).post(control_writes::write_sku))
        .route("/domains", post(control_writes::write_domain))
        .route("/applications", post(control_writes::write_application))
        .route("/delta", post(control_writes::write_delta))
        .route("/clock", get(read_clock).post(advance_clock))
        .route("/settings", post(settings))
        .route("/tokens/expire", post(expire_tokens))
        .route("/health", get(|| async { "ok" }))
}

/// Answers a JSON body the API cannot use.
pub(crate) fn bad(message: impl std::fmt::Display) -> Response {
    json_response(
        StatusCode::BAD_REQUEST,
        &json!({"error": message.to_string()}),
    )
}

pub(crate) fn ok(body: &Value) -> Response {
    json_response(StatusCode::OK, body)
}

/// A JSON body whatever its content type says; none at all means the default.
pub(crate) struct Lenient<T>(pub(crate) T);

impl<T: serde::de::DeserializeOwned + Default> FromRequest<Arc<PracticeTenant>> for Lenient<T> {
    type Rejection = Response;

    async fn from_request(
        request: Request,
        practice: &Arc<PracticeTenant>,
    ) -> Result<Self, Response> {
        let site = request.headers().get("sec-fetch-site");
        if site.is_some_and(|site| site == "cross-site") {
            return Err(bad(
                "another site's page may not change the practice tenant",
            ));
        }
        let bytes = Bytes::from_request(request, practice).await.map_err(bad)?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(bad)
    }
}

async fn credentials(State(practice): Practice, headers: HeaderMap) -> Response {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost");
    let base = practice
        .base_url()
        .unwrap_or_else(|| format!("http://{host}"));
    let tenant = practice.tenant();
    let application = |registration: &crate::registrations::Registration| {
        let secret = registration.secrets.first();
        json!({
            "key": registration.key, "name": registration.name, "client_id": registration.app_id, "object_id": registration.object_id,
            "secret": secret.map(|secret| &secret.value), "secret_id": secret.map(|secret| secret.key_id),
            "secret_expires": secret.map(|secret| instant(secret.end)), "permissions": registration.permissions,
        })
    };
    let good = tenant.registrations.first();
    ok(&json!({
        "tenant_id": tenant.id, "client_id": good.map(|good| good.app_id),
        "secret": good.and_then(|good| good.secrets.first()).map(|secret| &secret.value),
        "domains": tenant.domains.iter().map(|domain| tenant.domain_json(domain)).collect::<Vec<_>>(), "graph": base, "authority": base,
        "throttle": practice.throttle().key(),
        "applications": tenant.registrations.iter().map(application).collect::<Vec<_>>(),
    }))
}

async fn calls(State(practice): Practice) -> Response {
    let calls = practice.calls();
    let mut body = serde_json::to_value(&calls.counts).unwrap_or_default();
    let last = calls.last.iter().rev().map(|noted| {
        json!({"at": instant(noted.at), "route": noted.route, "url": noted.url, "status": noted.status, "request_id": noted.request_id, "in_batch": noted.in_batch})
    });
    body["last"] = last.collect();
    ok(&body)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    what: Option<String>,
}

async fn reset(State(practice): Practice, Lenient(reset): Lenient<Reset>) -> Response {
    match reset.what.as_deref() {
        Some("calls") => practice.calls().reset(),
        Some("all") | None => practice.reset(),
        Some(other) => return bad(format!("what is \"calls\" or \"all\", not {other:?}")),
    }
    ok(&json!({}))
}

async fn list_faults(State(practice): Practice) -> Response {
    ok(&json!({"faults": practice.faults().list()}))
}

async fn add_faults(State(practice): Practice, Lenient(body): Lenient<Value>) -> Response {
    let many = body
        .get("faults")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_else(|| vec![body]);
    let mut ids = Vec::new();
    for one in many {
        let fault = match serde_json::from_value(one) {
            Ok(fault) => fault,
            Err(error) => return bad(error),
        };
        match practice.faults().add(fault) {
            Ok(id) => ids.push(id),
            Err(error) => return bad(error),
        }
    }
    ok(&json!({"id": ids.first(), "ids": ids}))
}

async fn clear_faults(State(practice): Practice) -> Response {
    practice.faults().clear();
    ok(&json!({}))
}

async fn remove_fault(State(practice): Practice, Path(id): Path<u64>) -> Response {
    if practice.faults().remove(id) {
        ok(&json!({}))
    } else {
        json_response(StatusCode::NOT_FOUND, &json!({"error": "no such fault"}))
    }
}

#[derive(Debug, Default, Deserialize)]
struct Often {
    times: Option<u64>,
}

/// Answers when a fault has happened so often; without `times`, once.
async fn await_fault(
    State(practice): Practice,
    Path(id): Path<u64>,
    Query(often): Query<Often>,
) -> Response {
    let watched = practice.faults().watch(id);
    let times = often.times.unwrap_or(1);
    let Some(mut watched) = watched else {
        return json_response(StatusCode::NOT_FOUND, &json!({"error": "no such fault"}));
    };
    match watched.wait_for(|happened| *happened >= times).await {
        Ok(happened) => ok(&json!({"happened": *happened})),
        Err(_) => json_response(StatusCode::GONE, &json!({"error": "the fault was removed"})),
    }
}

async fn release_fault(State(practice): Practice, Path(id): Path<u64>) -> Response {
    if practice.faults().release(id) {
        ok(&json!({}))
    } else {
        json_response(StatusCode::NOT_FOUND, &json!({"error": "no such fault"}))
    }
}

#[derive(Debug, Default, Deserialize)]
struct AccountQuery {
    /// `live`, `deleted` or, without, both.
    state: Option<String>,
    /// Only the account with this id or user principal name.
    key: Option<String>,
    skip: Option<usize>,
    top: Option<usize>,
}

async fn accounts(State(practice): Practice, Query(query): Query<AccountQuery>) -> Response {
    let mut tenant = practice.tenant();
    crate::group_licenses::settle(&mut tenant, practice.clock.now_ms());
    let is_wanted = |no: &UserNo| {
        let user = tenant.user(*no);
        let in_state = match query.state.as_deref() {
            Some("live") => user.is_live(),
            Some("deleted") => !user.is_live(),
            _ => true,
        };
        let has_key = |key: &str| {
            user.upn().eq_ignore_ascii_case(key) || user.id.to_string().eq_ignore_ascii_case(key)
        };
        !user.purged && in_state && query.key.as_deref().is_none_or(has_key)
    };
    let end = UserNo::try_from(tenant.users.len()).unwrap_or(UserNo::MAX);
    let found = (0..end)
        .filter(is_wanted)
        .skip(query.skip.unwrap_or(0))
        .take(query.top.unwrap_or(usize::MAX));
    let mut body = b"{\"accounts\":[".to_vec();
    for (at, no) in found.enumerate() {
        if at > 0 {
            body.push(b',');
        }
        let written = serde_json::to_writer(
            &mut body,
            &Account {
                tenant: &tenant,
                no,
            },
        );
        if let Err(error) = written {
            return bad(error);
        }
    }
    body.extend_from_slice(b"]}");
    (
        [(header::CONTENT_TYPE, "application/json")],
        Body::from(body),
    )
        .into_response()
}

/// An account with everything the tenant holds of it, in Graph's property names.
struct Account<'a> {
    tenant: &'a Tenant,
    no: UserNo,
}

const ALWAYS: &[Field] = &[
    Field::Id,
    Field::UserPrincipalName,
    Field::DisplayName,
    Field::GivenName,
    Field::Surname,
    Field::Mail,
    Field::MailNickname,
    Field::AccountEnabled,
    Field::UsageLocation,
    Field::ImmutableId,
    Field::AssignedLicenses,
    Field::LicenseAssignmentStates,
    Field::BusinessPhones,
    Field::OnPremisesSyncEnabled,
    Field::CreatedDateTime,
    Field::DeletedDateTime,
    Field::SignInSessionsValidFromDateTime,
    Field::PerUserMfaState,
];

impl Serialize for Account<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (tenant, user) = (self.tenant, self.tenant.user(self.no));
        let mut map = serializer.serialize_map(None)?;
        for field in ALWAYS {
            serialize_field(&mut map, tenant, user, *field)?;
        }
        for field in Field::ALL
            .iter()
            .copied()
            .filter(|field| !ALWAYS.contains(field))
        {
            let is_set = match field.spec().kind {
                Kind::Text(_) | Kind::Instant => user.text(field).is_some(),
                Kind::Texts(_) => !user.list(field).is_empty(),
                Kind::Object => user.object(field).is_some(),
                Kind::Flag => user.listed.is_some(),
                _ => false,
            };
            if is_set {
                serialize_field(&mut map, tenant, user, field)?;
            }
        }
        let groups: Vec<_> = user
            .groups
            .iter()
            .map(|group| tenant.group(*group).id)
            .collect();
        map.serialize_entry("memberOf", &groups)?;
        map.serialize_entry(
            "manager",
            &user.manager.map(|manager| tenant.user(manager).id),
        )?;
        let roles: Vec<&str> = tenant
            .roles
            .iter()
            .filter(|role| role.members.contains(&self.no))
            .map(|role| role.name.as_str())
            .collect();
        map.serialize_entry("roles", &roles)?;
        map.serialize_entry("hasPhoto", &user.photo.is_some())?;
        map.end()
    }
}

async fn groups(State(practice): Practice) -> Response {
    let mut tenant = practice.tenant();
    crate::group_licenses::settle(&mut tenant, practice.clock.now_ms());
    let group = |group: &crate::groups::Group| {
        let members: Vec<_> = group
            .members
            .iter()
            .map(|member| match member {
                Member::User(no) => tenant.user(*no).id,
                Member::Group(no) => tenant.group(*no).id,
            })
            .collect();
        let licenses = group.licenses.iter().map(|(sku, disabled)| json!({"skuId": tenant.skus[*sku as usize].id, "disabledPlans": disabled}));
        json!({
            "id": group.id, "displayName": group.display_name, "description": group.description, "mailNickname": group.mail_nickname,
            "groupTypes": group.types, "securityEnabled": group.security_enabled, "mailEnabled": group.mail_enabled,
            "deletedDateTime": group.deleted.map(instant), "members": members, "assignedLicenses": licenses.collect::<Vec<_>>(),
        })
    };
    let all: Vec<Value> = tenant
        .groups
        .iter()
        .filter(|group| !group.purged)
        .map(group)
        .collect();
    ok(&json!({"groups": all}))
}

async fn skus(State(practice): Practice) -> Response {
    let tenant = practice.tenant();
    let sku = |sku: &crate::skus::Sku| {
        json!({
            "skuId": sku.id, "skuPartNumber": sku.part_number, "productName": sku.product_name, "capabilityStatus": sku.status, "consumedUnits": sku.consumed,
            "enabled": sku.enabled, "warning": sku.warning, "suspended": sku.suspended, "lockedOut": sku.locked_out, "free": sku.free(),
        })
    };
    ok(&json!({"skus": tenant.skus.iter().map(sku).collect::<Vec<_>>()}))
}

async fn read_clock(State(practice): Practice) -> Response {
    let now = practice.clock.now_ms();
    ok(&json!({"now_ms": now, "now": instant(now)}))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: i64,
}

async fn advance_clock(State(practice): Practice, Lenient(advance): Lenient<Advance>) -> Response {
    if !(0..=315_360_000_000).contains(&advance.advance_ms) {
        return bad("advance_ms is from 0 to ten years");
    }
    practice.clock.advance(advance.advance_ms);
    read_clock(State(practice)).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    throttle: Option<String>,
    replication_delay_ms: Option<u32>,
}

async fn settings(State(practice): Practice, Lenient(settings): Lenient<Settings>) -> Response {
    match settings.throttle.as_deref() {
        Some("documented") => practice.set_throttle(Throttle::Documented),
        Some("off") => practice.set_throttle(Throttle::Off),
        Some(_) => return bad("throttle is \"documented\" or \"off\""),
        None => {}
    }
    if let Some(delay) = settings.replication_delay_ms {
        practice.tenant().replication_delay = i64::from(delay);
    }
    ok(&json!({}))
}

async fn expire_tokens(State(practice): Practice) -> Response {
    practice.tokens().forget_all();
    ok(&json!({}))
}
