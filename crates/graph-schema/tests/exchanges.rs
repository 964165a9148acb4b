//! What conforms and what does not.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use serde_json::{Value, json};
use signpost_graph_schema::{Conformance, Exchange, Side, check};
use tower::ServiceExt;

fn exchange(method: &str, url: &str, request: Value, status: u16, response: Value) -> Exchange {
    let bytes = |value: Value| {
        if value.is_null() {
            Vec::new()
        } else {
            value.to_string().into_bytes()
        }
    };
    let json = Some("application/json;charset=utf-8".to_owned());
    Exchange {
        method: method.to_owned(),
        url: url.to_owned(),
        request_type: json.clone(),
        request_body: bytes(request),
        status,
        response_type: json,
        response_body: bytes(response),
        faulted: false,
    }
}

#[track_caller]
fn is_clean(exchange: &Exchange) {
    assert_eq!(check(exchange), []);
}

#[track_caller]
fn breaks(side: Side, words: &str, exchange: &Exchange) {
    let found = check(exchange);
    assert!(
        found
            .iter()
            .any(|one| one.side == side && one.problem.contains(words)),
        "{found:?}"
    );
}

#[test]
fn every_spelling_of_a_path_is_known() {
    let users = json!({"value": [{"id": "1", "displayName": "Ada"}]});
    for path in [
        "/users/delta",
        "/users/delta()",
        "/users/microsoft.graph.delta",
        "/users/delta?$deltatoken=abc",
        "/directory/deletedItems/microsoft.graph.user",
    ] {
        is_clean(&exchange(
            "GET",
            &format!("/v1.0{path}"),
            Value::Null,
            200,
            users.clone(),
        ));
    }
    is_clean(&exchange(
        "GET",
        "/v1.0/users('ada@contoso.example')",
        Value::Null,
        200,
        json!({"id": "1"}),
    ));
    is_clean(&exchange(
        "GET",
        "/v1.0/applications(appId='1')?$select=id,passwordCredentials",
        Value::Null,
        200,
        json!({"id": "1"}),
    ));
    let mfa = json!({"perUserMfaState": "enforced"});
    is_clean(&exchange(
        "GET",
        "/beta/users/1/authentication/requirements",
        Value::Null,
        200,
        mfa.clone(),
    ));
    breaks(
        Side::Request,
        "no such path",
        &exchange(
            "GET",
            "/v1.0/users/1/authentication/requirements",
            Value::Null,
            200,
            mfa,
        ),
    );
    breaks(
        Side::Request,
        "no such path",
        &exchange("GET", "/v1.0/people", Value::Null, 200, json!({})),
    );
    breaks(
        Side::Request,
        "no method",
        &exchange(
            "DELETE",
            "/v1.0/organization",
            Value::Null,
            204,
            Value::Null,
        ),
    );
}

#[test]
fn requests_with_wrong_names_or_kinds_are_found() {
    let patch = |body: Value| exchange("PATCH", "/v1.0/users/1", body, 204, Value::Null);
    is_clean(&patch(
        json!({"jobTitle": null, "businessPhones": ["1"], "accountEnabled": false}),
    ));
    breaks(
        Side::Request,
        "jobtitle",
        &patch(json!({"jobtitle": "Clerk"})),
    );
    breaks(
        Side::Request,
        "accountEnabled",
        &patch(json!({"accountEnabled": "false"})),
    );
    breaks(
        Side::Request,
        "inner",
        &patch(json!({"passwordProfile": {"inner": 1}})),
    );
    let assign = |body: Value| {
        exchange(
            "POST",
            "/v1.0/users/1/assignLicense",
            body,
            200,
            json!({"id": "1"}),
        )
    };
    is_clean(&assign(
        json!({"addLicenses": [], "removeLicenses": ["05e9a617-0261-4cee-bb44-138d3ef5d965"]}),
    ));
    breaks(
        Side::Request,
        "removeLicenses",
        &assign(json!({"addLicenses": []})),
    );
    breaks(
        Side::Request,
        "removeLicenses/0",
        &assign(json!({"addLicenses": [], "removeLicenses": ["E3"]})),
    );
    is_clean(&exchange(
        "PATCH",
        "/v1.0/groups/1",
        json!({"members@odata.bind": ["https://x/1"]}),
        204,
        Value::Null,
    ));
    let get = |query: &str| {
        exchange(
            "GET",
            &format!("/v1.0/users?{query}"),
            Value::Null,
            200,
            json!({"value": []}),
        )
    };
    is_clean(&get(
        "$select=id,userPrincipalName&$top=999&$count=true&$filter=x",
    ));
    breaks(Side::Request, "jobtitle", &get("$select=id,jobtitle"));
    breaks(
        Side::Request,
        "unknown query option '$skip'",
        &get("$skip=1"),
    );
    breaks(Side::Request, "$top", &get("$top=many"));
}

#[test]
fn answers_with_wrong_names_kinds_or_statuses_are_found() {
    let user =
        |status: u16, body: Value| exchange("GET", "/v1.0/users/1", Value::Null, status, body);
    is_clean(&user(
        200,
        json!({"@odata.context": "x", "id": "1", "mail": null}),
    ));
    breaks(
        Side::Response,
        "upn",
        &user(200, json!({"id": "1", "upn": "ada"})),
    );
    breaks(
        Side::Response,
        "createdDateTime",
        &user(200, json!({"id": "1", "createdDateTime": "yesterday"})),
    );
    breaks(Side::Response, "status 202", &user(202, json!({})));
    is_clean(&user(
        404,
        json!({"error": {"code": "Request_ResourceNotFound", "message": "x", "innerError": {"date": "2026-09-01T08:15:30", "code": "404"}}}),
    ));
    breaks(
        Side::Response,
        "code",
        &user(404, json!({"error": {"message": "x"}})),
    );
    let members = |member: Value| {
        exchange(
            "GET",
            "/v1.0/groups/1/members",
            Value::Null,
            200,
            json!({"value": [member]}),
        )
    };
    is_clean(&members(
        json!({"@odata.type": "#microsoft.graph.user", "id": "1", "displayName": "Ada"}),
    ));
    breaks(
        Side::Response,
        "nickname",
        &members(json!({"@odata.type": "#microsoft.graph.user", "id": "1", "nickname": "Ada"})),
    );
    let broken = Exchange {
        faulted: true,
        ..user(200, json!({"upn": 1}))
    };
    is_clean(&broken);
}

#[test]
fn the_token_endpoint_is_a_form() {
    let mut token = exchange(
        "POST",
        "/contoso.example/oauth2/v2.0/token",
        Value::Null,
        200,
        json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "x"}),
    );
    token.request_type = Some("application/x-www-form-urlencoded".to_owned());
    token.request_body = b"grant_type=client_credentials&client_id=7f0c0000-0000-0000-0000-000000000000&client_secret=x&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default".to_vec();
    is_clean(&token);
    token.request_body = b"grant_type=client_credentials&client_secret=x".to_vec();
    breaks(Side::Request, "client_id", &token);
}

#[test]
fn each_part_of_a_batch_is_judged_by_itself() {
    let headers = json!({"Content-Type": "application/json"});
    let batch = |body: Value, answer: Value| {
        let request = json!({"requests": [{"id": "1", "method": "PATCH", "url": "/users/1", "headers": headers, "body": body}]});
        exchange(
            "POST",
            "/v1.0/$batch",
            request,
            200,
            json!({"responses": [answer]}),
        )
    };
    let done = json!({"id": "1", "status": 204, "headers": {}});
    is_clean(&batch(json!({"city": "Berlin"}), done.clone()));
    breaks(
        Side::Request,
        "town",
        &batch(json!({"town": "Berlin"}), done),
    );
    breaks(
        Side::Response,
        "status 200",
        &batch(
            json!({"city": "Berlin"}),
            json!({"id": "1", "status": 200, "body": {}}),
        ),
    );
    is_clean(&batch(
        json!({"city": "Berlin"}),
        json!({"id": "2", "status": 200}),
    ));
}

#[tokio::test]
async fn a_recorded_router_keeps_what_was_wrong() {
    let conformance = Conformance::new();
    let answer = || async { axum::Json(json!({"value": [{"id": "1", "color": "blue"}]})) };
    let router = conformance.record(Router::new().route("/v1.0/users", get(answer)));
    let response = router
        .oneshot(Request::get("/v1.0/users").body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(conformance.exchanges(), 1);
    assert!(conformance.violations()[0].to_string().contains("color"));
}
