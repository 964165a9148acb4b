//! Every route with every role: each has an entry, and answers exactly as the entry says.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::Request;
use leptos::prelude::provide_context;
use leptos_axum::generate_route_list;
use reqwest::header::LOCATION;
use signpost_app::App;
use signpost_app::access::{Access, access_of, routes};
use signpost_app::visit::{Inner, Visit};
use signpost_model::Role;

use crate::support::{Answer, Browser, TestApp};

/// An address of the route: ids of nothing.
fn address(route: &str) -> String {
    route
        .split('/')
        .map(|part| match part {
            "{*path}" => "nothing.css",
            part if part.starts_with('{') => "00000000-0000-7000-8000-000000000000",
            part => part,
        })
        .collect::<Vec<_>>()
        .join("/")
}

async fn ask(browser: &Browser, method: &str, route: &str) -> Answer {
    match method {
        "GET" => browser.get(&address(route)).await,
        _ => browser.post(&address(route), &[]).await,
    }
}

#[test]
fn every_page_function_and_route_of_the_router_has_an_entry() {
    let mut missing = BTreeSet::new();
    let mut check = |method: http::Method, path: &str| {
        if access_of(&method, path).is_none() {
            missing.insert(format!("{method} {path}"));
        }
    };
    for page in generate_route_list(App) {
        check(http::Method::GET, page.path());
    }
    for (path, method) in leptos::server_fn::axum::server_fn_paths() {
        check(method, path);
    }
    // The router cannot be asked for what was added by hand.
    let router = include_str!("../../src/router.rs");
    for route in router.split(".route(").skip(1) {
        let path = route.split('"').nth(1).unwrap();
        if !path.starts_with("/api/{*") {
            check(http::Method::GET, path);
            if route.contains(").post(") {
                check(http::Method::POST, path);
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_entry_leads_to_something() {
    let mut known: BTreeSet<String> = generate_route_list(App)
        .iter()
        .map(|page| format!("GET {}", page.path()))
        .collect();
    known.extend(
        leptos::server_fn::axum::server_fn_paths().map(|(path, method)| format!("{method} {path}")),
    );
    let router = include_str!("../../src/router.rs");
    for route in router.split(".route(").skip(1) {
        let path = route.split('"').nth(1).unwrap();
        known.insert(format!("GET {path}"));
        if route.contains(").post(") {
            known.insert(format!("POST {path}"));
        }
    }
    for (method, path, _) in routes() {
        assert!(
            known.contains(&format!("{method} {path}")),
            "{method} {path} is nothing"
        );
    }
}

#[tokio::test]
async fn every_route_answers_each_role_as_its_entry_says() {
    let app = TestApp::new().await;
    let mut wrong = Vec::new();
    for role in [
        None,
        Some(Role::Auditor),
        Some(Role::Administrator),
        Some(Role::Owner),
    ] {
        let mut browser = match role {
            Some(role) => app.sign_in(role).await,
            None => app.browser(),
        };
        for (method, path, access) in routes() {
            let answer = ask(&browser, method, path).await;
            let sent_to_sign_in = answer.status == 303 && answer.location().starts_with("/sign-in");
            let fits = match (access, role) {
                (Access::Public, _) => answer.status != 401 && answer.status != 403,
                // Operators are no users: nobody of them is signed in here.
                (Access::User, _) => answer.status == 303 && answer.location() == "/login",
                (Access::Role(_), None) => sent_to_sign_in,
                (Access::Role(needed), Some(role)) if role.includes(*needed) => {
                    answer.status != 401
                        && answer.status != 403
                        && !answer.status.is_server_error()
                        && (!sent_to_sign_in || *path == "/api/sign-out")
                }
                (Access::Role(_), Some(_)) => answer.status == 403,
            };
            if !fits {
                wrong.push(format!(
                    "{role:?} {method} {path}: {} {}",
                    answer.status,
                    answer.location()
                ));
            }
            if let Some(role) = role
                && method == &"POST"
                && (path.starts_with("/api/sign-") || path.starts_with("/api/account/"))
            {
                browser = app.sign_in(role).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The gate stands before all of them; this goes around it.
#[tokio::test]
async fn every_server_function_asks_for_the_role_itself() {
    let app = TestApp::new().await;
    let mut open = Vec::new();
    for (method, path, access) in routes() {
        if *method != "POST" {
            continue;
        }
        let lesser: Vec<Role> = match access {
            Access::Public => continue,
            Access::Role(needed) => Role::ALL
                .into_iter()
                .filter(|role| !role.includes(*needed))
                .collect(),
            Access::User => Role::ALL.to_vec(),
        };
        for role in std::iter::once(None).chain(lesser.into_iter().map(Some)) {
            let operator = match role {
                Some(role) => Some(app.operator(role).await),
                None => None,
            };
            let visit = Visit::new(Inner {
                operator,
                ..Inner::default()
            });
            let kind = match *path {
                "/api/import/check"
                | "/api/applications/logo"
                | "/api/applications/certificates/import-file" => "multipart/form-data; boundary=b",
                _ => "application/x-www-form-urlencoded",
            };
            let request = Request::post(*path)
                .header("content-type", kind)
                .header("accept", "text/html")
                .extension(visit)
                .body(Body::from("--b--"))
                .unwrap();
            let portal = app.portal.clone();
            let context = move || provide_context(portal.clone());
            let answer = axum::response::IntoResponse::into_response(
                leptos_axum::handle_server_fns_with_context(context, request).await,
            );
            let refused = matches!(answer.status().as_u16(), 401 | 403);
            if !refused {
                let to = answer.headers().get(LOCATION);
                open.push(format!("{role:?} {path}: {} {to:?}", answer.status()));
            }
        }
    }
    assert!(open.is_empty(), "{open:#?}");
}

#[tokio::test]
async fn an_address_without_an_entry_is_not_found() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Owner).await;
    for path in [
        "/nothing",
        "/api/nothing",
        "/settings/",
        "/account/../settings/x/y/z",
    ] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
    assert_eq!(browser.post("/account", &[]).await.status, 404);
    let head = browser
        .client
        .head(format!("{}/account", app.url))
        .send()
        .await
        .unwrap();
    assert_eq!(head.status(), 200);
}
