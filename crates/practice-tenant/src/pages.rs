//! The page for people: what the tenant holds now, as somebody at Microsoft would see it.

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::clock::{Millis, instant};
use crate::fields::{Field, Kind};
use crate::groups::Group;
use crate::html::Column::{Number, Text};
use crate::html::{Html, badge, text};
use crate::licenses::assigned_licenses;
use crate::practice::PracticeTenant;
use crate::tenant::{Tenant, UserNo};
use crate::user::User;

type Practice = State<Arc<PracticeTenant>>;

const STYLE: &str = include_str!("../data/style.css");
const PER_PAGE: usize = 50;
const CALLS_SHOWN: usize = 50;
const GROUPS_SHOWN: usize = 200;

pub(crate) fn router() -> Router<Arc<PracticeTenant>> {
    Router::new()
        .route("/", get(overview))
        .route("/account/{id}", get(account))
        .route("/style.css", get(style))
}

async fn style() -> Response {
    (
        [
            (header::CONTENT_TYPE, "text/css; charset=utf-8"),
            (header::CACHE_CONTROL, "max-age=3600"),
        ],
        STYLE,
    )
        .into_response()
}

/// What the accounts table shows.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Shown {
    /// Text in name, user principal name or mail.
    #[serde(default)]
    q: String,
    /// Deleted accounts instead of live ones.
    #[serde(default)]
    state: String,
    /// Accounts made before this one; the newest come first.
    before: Option<UserNo>,
}

/// `GET /_practice/`.
pub(crate) async fn overview(
    State(practice): Practice,
    Query(shown): Query<Shown>,
    headers: HeaderMap,
) -> Response {
    let mut page = Html::page("Practice tenant");
    {
        let mut tenant = practice.tenant();
        crate::group_licenses::settle(&mut tenant, practice.clock.now_ms());
        let _ = write!(
            page.body,
            "<header><a class=\"skip\" href=\"#main\">Skip to content</a><h1>Practice tenant</h1>\
             <p>{}: a simulated Microsoft 365 tenant to rehearse on. Nothing here reaches Microsoft.</p>\
             <nav aria-label=\"On this page\"><ul><li><a href=\"#accounts\">Accounts</a></li><li><a href=\"#licenses\">Licenses</a></li>\
             <li><a href=\"#groups\">Groups</a></li><li><a href=\"#domains\">Domains</a></li><li><a href=\"#calls\">Last calls</a></li>\
             <li><a href=\"#values\">Connection values</a></li><li><a href=\"/_practice/admin\">Admin center</a></li></ul></nav></header><main id=\"main\">",
            text(&tenant.name)
        );
        accounts(&mut page, &tenant, &shown);
        licenses(&mut page, &tenant);
        groups(&mut page, &tenant);
        domains(&mut page, &tenant);
    }
    calls(&mut page, &practice);
    values(&mut page, &practice, &headers);
    page.body.push_str("</main><footer><p>Times are UTC. The same content as JSON: <a href=\"/_practice/accounts\">accounts</a>, <a href=\"/_practice/groups\">groups</a>, <a href=\"/_practice/skus\">licenses</a>, <a href=\"/_practice/calls\">calls</a>.</p></footer>");
    page.answer(StatusCode::OK)
}

fn accounts(page: &mut Html, tenant: &Tenant, shown: &Shown) {
    let wants_deleted = shown.state == "deleted";
    let query = shown.q.trim().to_lowercase();
    let contains =
        |value: Option<&str>| value.is_some_and(|value| value.to_lowercase().contains(&query));
    let is_match = |no: &UserNo| {
        let user = tenant.user(*no);
        let hit = || {
            [Field::DisplayName, Field::UserPrincipalName, Field::Mail]
                .into_iter()
                .any(|field| contains(user.text(field)))
        };
        user.is_live() != wants_deleted && !user.purged && (query.is_empty() || hit())
    };
    let end = UserNo::try_from(tenant.users.len()).unwrap_or(UserNo::MAX);
    let end = shown.before.map_or(end, |before| before.min(end));
    let mut found: Vec<UserNo> = (0..end).rev().filter(is_match).take(PER_PAGE + 1).collect();
    let has_more = found.len() > PER_PAGE;
    found.truncate(PER_PAGE);

    let options = [("", "Live"), ("deleted", "Deleted")].map(|(value, label)| {
        let selected = if value == shown.state {
            " selected"
        } else {
            ""
        };
        format!("<option value=\"{value}\"{selected}>{label}</option>")
    });
    let _ = write!(
        page.body,
        "<section aria-labelledby=\"accounts\"><h2 id=\"accounts\">Accounts</h2>\
         <form role=\"search\" aria-label=\"Accounts\" action=\"/_practice/\" method=\"get\">\
         <div><label for=\"q\">Name, user principal name or mail</label><input id=\"q\" name=\"q\" type=\"search\" maxlength=\"200\" value=\"{}\"></div>\
         <div><label for=\"state\">State</label><select id=\"state\" name=\"state\">{}</select></div><button type=\"submit\">Search</button></form>",
        text(&shown.q),
        options.concat()
    );
    let count = if wants_deleted {
        tenant.index.deleted.len()
    } else {
        tenant.index.live
    };
    let caption = format!(
        "{} of {count} {}, newest first",
        found.len(),
        if wants_deleted {
            "deleted accounts"
        } else {
            "accounts"
        }
    );
    page.open_table(
        "accounts",
        &caption,
        &[
            Text("Name"),
            Text("User principal name"),
            Text("Sign-in"),
            Text("Licenses"),
            Number("Groups"),
            Text("Created"),
        ],
    );
    for no in &found {
        account_row(page, tenant, tenant.user(*no));
    }
    page.close_table();
    if shown.before.is_some() || has_more {
        pager(page, shown, found.last().filter(|_| has_more));
    }
    page.body.push_str("</section>");
}

fn pager(page: &mut Html, shown: &Shown, last: Option<&UserNo>) {
    let link = |before: Option<&UserNo>| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("q", &shown.q)
            .append_pair("state", &shown.state);
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        format!("/_practice/?{}#accounts", query.finish())
    };
    page.body
        .push_str("<nav aria-label=\"Pages of accounts\"><ul>");
    if shown.before.is_some() {
        let _ = write!(
            page.body,
            "<li><a href=\"{}\">First page</a></li>",
            text(&link(None))
        );
    }
    if let Some(last) = last {
        let _ = write!(
            page.body,
            "<li><a href=\"{}\">Next page</a></li>",
            text(&link(Some(last)))
        );
    }
    page.body.push_str("</ul></nav>");
}

fn account_row(page: &mut Html, tenant: &Tenant, user: &User) {
    let name = user.text(Field::DisplayName).unwrap_or("(no name)");
    let (tone, word) = match user {
        user if !user.is_live() => ("", "Deleted"),
        user if user.enabled => ("badge--ok", "Allowed"),
        _ => ("badge--bad", "Blocked"),
    };
    let licenses: Vec<&str> = products(tenant, user).collect();
    let _ = write!(
        page.body,
        "<tr><th scope=\"row\"><a href=\"/_practice/account/{}\">{}</a></th><td>{}</td><td>{}</td><td>{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
        user.id,
        text(name),
        text(user.upn()),
        badge(tone, word),
        text(&if licenses.is_empty() {
            "None".to_owned()
        } else {
            licenses.join(", ")
        }),
        user.groups.len(),
        time(user.created)
    );
}

fn products<'a>(tenant: &'a Tenant, user: &User) -> impl Iterator<Item = &'a str> {
    let assigned = assigned_licenses(tenant, user);
    let is_held = move |id: Uuid| assigned.iter().any(|license| license.sku_id == id);
    tenant
        .skus
        .iter()
        .filter(move |sku| is_held(sku.id))
        .map(|sku| sku.product_name.as_str())
}

fn time(at: Millis) -> String {
    let at = instant(at);
    let shown = at.replace('T', " ").replace('Z', "");
    format!("<time datetime=\"{at}\">{shown}</time>")
}

fn licenses(page: &mut Html, tenant: &Tenant) {
    page.body
        .push_str("<section aria-labelledby=\"licenses\"><h2 id=\"licenses\">Licenses</h2>");
    page.open_table(
        "licenses",
        "Products the tenant has subscribed to",
        &[
            Text("Product"),
            Text("Part number"),
            Number("Seats"),
            Number("Used"),
            Number("Free"),
            Text("Status"),
        ],
    );
    for sku in &tenant.skus {
        let tone = if sku.status == "Enabled" {
            "badge--ok"
        } else {
            "badge--bad"
        };
        let _ = write!(
            page.body,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            text(&sku.product_name),
            text(&sku.part_number),
            sku.enabled + sku.warning,
            sku.consumed,
            sku.free(),
            badge(tone, &sku.status)
        );
    }
    page.close_table();
    page.body.push_str("</section>");
}

fn groups(page: &mut Html, tenant: &Tenant) {
    page.body
        .push_str("<section aria-labelledby=\"groups\"><h2 id=\"groups\">Groups</h2>");
    let live = || tenant.groups.iter().filter(|group| group.is_live());
    let count = live().count();
    let caption = format!(
        "{} of {count} groups, newest first",
        count.min(GROUPS_SHOWN)
    );
    page.open_table(
        "groups",
        &caption,
        &[
            Text("Group"),
            Text("Kind"),
            Number("Members"),
            Text("Licenses"),
        ],
    );
    for group in live().rev().take(GROUPS_SHOWN) {
        let licenses: Vec<&str> = group
            .licenses
            .iter()
            .map(|(sku, _)| tenant.skus[*sku as usize].product_name.as_str())
            .collect();
        let _ = write!(
            page.body,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            text(&group.display_name),
            kind(group),
            group.members.len(),
            text(&if licenses.is_empty() {
                "None".to_owned()
            } else {
                licenses.join(", ")
            })
        );
    }
    page.close_table();
    page.body.push_str("</section>");
}

fn kind(group: &Group) -> &'static str {
    match group {
        group if group.is_dynamic() => "Dynamic",
        group if group.mail_enabled => "Microsoft 365",
        _ => "Security",
    }
}

fn domains(page: &mut Html, tenant: &Tenant) {
    page.body
        .push_str("<section aria-labelledby=\"domains\"><h2 id=\"domains\">Domains</h2>");
    page.open_table(
        "domains",
        "Domains of the tenant",
        &[
            Text("Domain"),
            Text("Sign-in"),
            Text("Verified"),
            Text("Default"),
        ],
    );
    for domain in &tenant.domains {
        let yes = |flag: bool| if flag { "Yes" } else { "No" };
        let _ = write!(
            page.body,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            text(&domain.name),
            tenant.authentication_type(domain),
            yes(domain.verified),
            yes(domain.default)
        );
    }
    page.close_table();
    page.body.push_str(
        "<p><a href=\"/_practice/sign-in\">Sign in as a person of this tenant</a></p></section>",
    );
    crate::sign_in::domains(page, tenant);
}

fn calls(page: &mut Html, practice: &PracticeTenant) {
    let calls = practice.calls();
    let counts = &calls.counts;
    let _ = write!(
        page.body,
        "<section aria-labelledby=\"calls\"><h2 id=\"calls\">Last calls</h2>\
         <p>{} requests, {} reads, {} writes of which {} changed nothing, {} batches, {} throttled, {} refused.</p>",
        counts.total,
        counts.reads,
        counts.writes,
        counts.unchanged_writes,
        counts.batches,
        counts.throttled,
        counts.refused
    );
    let caption = format!(
        "The last {} calls, newest first; parts of a batch stand for themselves",
        calls.last.len().min(CALLS_SHOWN)
    );
    page.open_table(
        "calls",
        &caption,
        &[
            Text("Time"),
            Text("Call"),
            Text("Status"),
            Text("Request id"),
        ],
    );
    for noted in calls.last.iter().rev().take(CALLS_SHOWN) {
        let tone = if noted.status < 400 {
            "badge--ok"
        } else {
            "badge--bad"
        };
        let place = if noted.in_batch {
            " <span class=\"badge\">in batch</span>"
        } else {
            ""
        };
        let _ = write!(
            page.body,
            "<tr><td>{}</td><th scope=\"row\">{}{place}</th><td>{}</td><td>{}</td></tr>",
            time(noted.at),
            text(&noted.route),
            badge(tone, &noted.status.to_string()),
            noted.request_id
        );
    }
    page.close_table();
    page.body.push_str("</section>");
}

/// What a newcomer types into the portal; secrets of a practice tenant open nothing.
fn values(page: &mut Html, practice: &PracticeTenant, headers: &HeaderMap) {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost");
    let base = practice
        .base_url()
        .unwrap_or_else(|| format!("http://{host}"));
    let tenant = practice.tenant();
    let good = tenant.registrations.first();
    let secret = good
        .and_then(|good| good.secrets.first())
        .map_or("", |secret| secret.value.as_str());
    let rows = [
        ("Domain name", crate::seed::DOMAIN.to_owned()),
        ("Directory (tenant) ID", tenant.id.to_string()),
        (
            "Application (client) ID",
            good.map(|good| good.app_id.to_string()).unwrap_or_default(),
        ),
        ("Secret Value", secret.to_owned()),
        ("Address of Graph and sign-in", base),
    ];
    page.body
        .push_str("<section aria-labelledby=\"values\"><h2 id=\"values\">Connection values</h2>");
    page.definitions(rows.iter().map(|(name, value)| (*name, value.clone())));
    page.body.push_str("</section>");
}

async fn account(State(practice): Practice, Path(id): Path<String>) -> Response {
    let mut tenant = practice.tenant();
    crate::group_licenses::settle(&mut tenant, practice.clock.now_ms());
    let found = Uuid::parse_str(&id)
        .ok()
        .and_then(|id| tenant.index.users.get(&id).copied())
        .filter(|no| !tenant.user(*no).purged);
    let Some(no) = found else {
        let mut page = Html::page("Account not found · Practice tenant");
        page.body.push_str("<main id=\"main\"><h1>Account not found</h1><p>The tenant holds no account with this id. <a href=\"/_practice/\">Back to the practice tenant</a></p></main>");
        return page.answer(StatusCode::NOT_FOUND);
    };
    let user = tenant.user(no);
    let name = user.text(Field::DisplayName).unwrap_or("(no name)");
    let mut page = Html::page(&format!("{name} · Practice tenant"));
    let _ = write!(
        page.body,
        "<header><a class=\"skip\" href=\"#main\">Skip to content</a><nav aria-label=\"Breadcrumb\"><ul><li><a href=\"/_practice/\">Practice tenant</a></li></ul></nav><h1>{}</h1></header><main id=\"main\">",
        text(name)
    );
    page.body
        .push_str("<section aria-labelledby=\"properties\"><h2 id=\"properties\">Properties</h2>");
    page.definitions(properties(&tenant, user));
    page.body.push_str(
        "</section><section aria-labelledby=\"licenses\"><h2 id=\"licenses\">Licenses</h2>",
    );
    page.open_table(
        "licenses",
        "Assigned directly and through groups",
        &[
            Text("Product"),
            Text("Through"),
            Text("State"),
            Text("Plans switched off"),
        ],
    );
    for license in &user.licenses {
        let sku = &tenant.skus[license.sku as usize];
        let through = license
            .by_group
            .map_or("Direct", |group| tenant.group(group).display_name.as_str());
        let state = if license.error.is_some() {
            badge("badge--bad", "Error")
        } else {
            badge("badge--ok", "Active")
        };
        let off: Vec<&str> = sku
            .plans
            .iter()
            .filter(|plan| license.disabled.contains(&plan.id))
            .map(|plan| plan.name.as_str())
            .collect();
        let _ = write!(
            page.body,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{state}</td><td>{}</td></tr>",
            text(&sku.product_name),
            text(through),
            text(&off.join(", "))
        );
    }
    page.close_table();
    page.body
        .push_str("</section><section aria-labelledby=\"groups\"><h2 id=\"groups\">Groups</h2>");
    page.body.push_str(if user.groups.is_empty() {
        "<p>None</p>"
    } else {
        "<ul>"
    });
    for group in &user.groups {
        let _ = write!(
            page.body,
            "<li>{}</li>",
            text(&tenant.group(*group).display_name)
        );
    }
    page.body.push_str(if user.groups.is_empty() {
        "</section></main>"
    } else {
        "</ul></section></main>"
    });
    page.answer(StatusCode::OK)
}

/// Every property that is set, in Graph's names.
fn properties<'a>(
    tenant: &'a Tenant,
    user: &'a User,
) -> impl Iterator<Item = (&'static str, String)> + use<'a> {
    let set = Field::ALL.iter().filter_map(move |field| {
        let value = match field.spec().kind {
            Kind::Text(_) | Kind::Instant => user.text(*field)?.to_owned(),
            Kind::Texts(_) => Some(user.list(*field))
                .filter(|all| !all.is_empty())?
                .join(", "),
            Kind::Object => user.object(*field).map(Value::to_string)?,
            _ => return None,
        };
        Some((field.name(), value))
    });
    let made = [
        ("id", Some(user.id.to_string())),
        ("accountEnabled", Some(user.enabled.to_string())),
        ("createdDateTime", Some(instant(user.created))),
        ("deletedDateTime", user.deleted.map(instant)),
        (
            "signInSessionsValidFromDateTime",
            Some(instant(user.sessions_valid_from)),
        ),
        (
            "onPremisesSyncEnabled",
            user.synced.map(|_| "true".to_owned()),
        ),
        ("perUserMfaState", Some(user.mfa.name().to_owned())),
        (
            "manager",
            user.manager.map(|no| tenant.user(no).upn().to_owned()),
        ),
    ];
    made.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .chain(set)
}
