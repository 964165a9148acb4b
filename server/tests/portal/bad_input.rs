//! Each field refuses what it should: the reason stands at the field and is tied to it, everything
//! else stays as it was typed, and nothing is stored.

use signpost_model::Role;

use crate::support::{Answer, Browser, TestApp, hidden_value, operator_id};

/// One post that has to be refused.
struct Case {
    /// Where the form stands.
    page: String,
    post: &'static str,
    fields: Vec<(&'static str, String)>,
    /// The fields that are wrong, and a part of what each has to say.
    wrong: Vec<(&'static str, &'static str)>,
}

fn case(
    page: &str,
    post: &'static str,
    fields: &[(&'static str, &str)],
    wrong: &[(&'static str, &'static str)],
) -> Case {
    Case {
        page: page.to_owned(),
        post,
        fields: fields
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        wrong: wrong.to_vec(),
    }
}

/// Stands for what the form itself carries.
const FROM_THE_FORM: &str = "from the form";

/// The tag that has this id.
fn tag<'a>(html: &'a str, id: &str) -> Option<&'a str> {
    let (before, after) = html.split_once(&format!("id=\"{id}\""))?;
    let start = before.rfind('<')?;
    let end = before.len() + after.find('>')? + id.len() + 5;
    html.get(start..=end)
}

/// The text of the element that has this id, with its marks left out.
fn words(html: &str, id: &str) -> String {
    let after = html
        .split_once(&format!("id=\"{id}\""))
        .map_or("", |(_, rest)| rest);
    let inner = after.split_once('>').map_or("", |(_, rest)| rest);
    let mut text = String::new();
    let mut inside = false;
    for character in inner.split("</p>").next().unwrap_or("").chars() {
        match character {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => text.push(character),
            _ => {}
        }
    }
    text
}

const SECRETS: [&str; 5] = [
    "secret",
    "password",
    "new_password",
    "repeat_password",
    "current_password",
];

fn check(case: &Case, page: &Answer) -> Result<(), String> {
    let html = &page.body;
    for (name, said) in &case.wrong {
        let control = tag(html, &format!("field-{name}"))
            .ok_or_else(|| format!("there is no field {name}"))?;
        let error = format!("{name}-error");
        if !control.contains(&error) {
            return Err(format!("the error is not tied to {name}: {control}"));
        }
        // Groups of choices carry no such mark: each of their boxes could be right.
        if !control.starts_with("<fieldset") && !control.contains("aria-invalid=\"true\"") {
            return Err(format!("{name} is not marked: {control}"));
        }
        let text = words(html, &error);
        if text.is_empty() || !text.contains(said) {
            return Err(format!("{name} says “{text}” and not “{said}”"));
        }
        if !html.contains(&format!("href=\"#field-{name}\"")) {
            return Err(format!("the summary does not lead to {name}"));
        }
    }
    for (name, value) in &case.fields {
        if SECRETS.contains(name) {
            if !value.is_empty() && html.contains(value.as_str()) {
                return Err(format!("{name} came back"));
            }
            continue;
        }
        // A choice that does not exist cannot be shown as chosen.
        let Some(control) = tag(html, &format!("field-{name}")) else {
            continue;
        };
        let shown = format!("value=\"{}\"", value.replace('"', "&quot;"));
        if control.starts_with("<input") && !value.is_empty() && !control.contains(&shown) {
            return Err(format!("{name} was “{value}” and is {control}"));
        }
    }
    Ok(())
}

async fn refuse(browser: &Browser, cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for mut case in cases {
        let form = browser.get(&case.page).await;
        for (name, value) in &mut case.fields {
            if value == FROM_THE_FORM {
                *value = hidden_value(&form.body, name).unwrap_or_default();
            }
        }
        let fields: Vec<(&str, &str)> = case
            .fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let answer = browser.post_from(&case.page, case.post, &fields).await;
        if answer.location() != case.page {
            let (status, to) = (answer.status, answer.location());
            wrong.push(format!("{} {fields:?}: {status} to “{to}”", case.post));
            continue;
        }
        let page = browser.get(&case.page).await;
        if let Err(problem) = check(&case, &page) {
            wrong.push(format!("{} {fields:?}: {problem}", case.post));
        }
        // Shown once: the next visit finds the page as it is stored.
        let again = browser.get(&case.page).await;
        if again.body.contains("aria-invalid=\"true\"") {
            wrong.push(format!("{}: refused for ever", case.post));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn long(length: usize) -> String {
    "x".repeat(length)
}

#[tokio::test]
async fn every_field_of_the_directory_refuses_what_it_should() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Administrator).await;
    let user = [
        ("id", FROM_THE_FORM),
        ("user_name", "erin@contoso.example"),
        ("given_name", "Erin \"E\" Vale"),
        ("surname", "Vale"),
    ];
    let mut cases = Vec::new();
    for (name, value, said) in [
        ("user_name", "not an address".to_owned(), ""),
        ("user_name", String::new(), ""),
        ("usage_location", "Atlantis".to_owned(), ""),
        ("preferred_language", "portuguese".to_owned(), ""),
        ("mail", "not an address".to_owned(), ""),
        ("job_title", long(200), ""),
        ("display_name", long(300), ""),
        ("manager", "nobody@contoso.example".to_owned(), ""),
    ] {
        let mut fields: Vec<(&'static str, &str)> = user
            .iter()
            .copied()
            .filter(|(known, _)| *known != name)
            .collect();
        fields.push((name, &value));
        cases.push(case(
            "/users/new",
            "/api/users/create",
            &fields,
            &[(name, said)],
        ));
    }
    let description = long(1_100);
    cases.push(case(
        "/groups/new",
        "/api/groups/create",
        &[
            ("id", FROM_THE_FORM),
            ("name", " "),
            ("description", "For sales"),
        ],
        &[("name", "Enter a name")],
    ));
    cases.push(case(
        "/groups/new",
        "/api/groups/create",
        &[
            ("id", FROM_THE_FORM),
            ("name", "Sales"),
            ("description", &description),
        ],
        &[("description", "up to 1,024")],
    ));
    refuse(&browser, cases).await;
    let users = browser.get("/users").await;
    assert!(
        !users.body.contains("erin@contoso.example"),
        "nothing was stored"
    );
    let groups = browser.get("/groups").await;
    assert!(!groups.body.contains("For sales"), "nothing was stored");
}

#[tokio::test]
async fn every_field_of_the_settings_refuses_what_it_should() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Owner).await;
    let them = operator_id(Role::Auditor).to_string();
    let theirs = format!("/settings/operators/{them}");
    let long_name = long(300);
    refuse(
        &browser,
        vec![
            case(
                "/settings/operators/new",
                "/api/operators/create",
                &[
                    ("name", "  "),
                    ("email", "ruth"),
                    ("role", "king"),
                    ("password", "tiny~pw"),
                ],
                &[
                    ("name", "Enter a name"),
                    ("email", "Enter an email address"),
                    ("role", "Choose a role"),
                    ("password", "characters"),
                ],
            ),
            case(
                "/settings/operators/new",
                "/api/operators/create",
                &[
                    ("name", "Ruth"),
                    ("email", "AUDITOR@contoso.example"),
                    ("role", "auditor"),
                ],
                &[("email", "Another operator has this email")],
            ),
            case(
                &theirs,
                "/api/operators/update",
                &[
                    ("id", &them),
                    ("version", FROM_THE_FORM),
                    ("name", &long_name),
                    ("email", "x@y"),
                    ("role", "auditor"),
                ],
                &[("name", "up to 256 characters")],
            ),
            case(
                "/settings/organisation",
                "/api/settings/organisation",
                &[("name", &long_name), ("time_zone", "Mars/Olympus")],
                &[
                    ("name", "up to 100 characters"),
                    ("time_zone", "Choose a time zone"),
                ],
            ),
            case(
                "/account",
                "/api/account/name",
                &[("name", " "), ("version", FROM_THE_FORM)],
                &[("name", "Enter a name")],
            ),
            case(
                "/account/password",
                "/api/account/password",
                &[
                    ("current_password", "not the right words"),
                    ("new_password", "a lantern over the harbour"),
                    ("repeat_password", "a lantern over the harbour"),
                ],
                &[("current_password", "not your current password")],
            ),
            case(
                "/account/password",
                "/api/account/password",
                &[
                    ("current_password", crate::support::PASSWORD),
                    ("new_password", "a lantern over the harbour"),
                    ("repeat_password", "a lantern over the water"),
                ],
                &[("repeat_password", "differ")],
            ),
        ],
    )
    .await;
    assert_eq!(app.operator(Role::Auditor).await.version, 1);
}

#[tokio::test]
async fn every_field_of_an_application_refuses_what_it_should() {
    let app = TestApp::new().await;
    let browser = app.sign_in(Role::Administrator).await;
    browser
        .post("/api/applications/name", &[("name", "Microsoft 365")])
        .await;
    let fields = [("access", "all_users"), ("do", "finish")];
    let made = browser.post("/api/applications/create", &fields).await;
    let of = made.location().trim_end_matches("/assignments").to_owned();
    let id = of.rsplit('/').next().unwrap_or_default().to_owned();
    let at = |page: &str| format!("{of}/{page}");
    let known = [("application", id.as_str()), ("version", FROM_THE_FORM)];
    let with = |more: &[(&'static str, &str)]| {
        let mut fields: Vec<(&'static str, String)> = known
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        fields.extend(
            more.iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        fields
    };
    let connection = [
        ("do", "save"),
        ("form_end", "1"),
        ("cloud", "microsoft_365"),
        ("domain", "contoso.example"),
        ("tenant_id", "8c1ef6f0-0000-4000-8000-000000000000"),
        ("client_id", "8c1ef6f0-0000-4000-8000-000000000001"),
        ("days_before_deletion", "30"),
        ("days_before_license_removal", "0"),
        ("limit_percent", "10"),
        ("limit_floor", "5"),
        ("limit_ceiling", "500"),
        ("protected", ""),
    ];
    let but = |name: &'static str, value: &'static str| {
        let mut fields: Vec<(&'static str, &str)> = connection
            .iter()
            .copied()
            .filter(|(known, _)| *known != name)
            .collect();
        fields.push((name, value));
        with(&fields)
    };
    let provisioning = |name: &'static str, value: &'static str, said: &'static str| Case {
        page: at("provisioning"),
        post: "/api/applications/update-settings",
        fields: but(name, value),
        wrong: vec![(name, said)],
    };
    let settings = |post, fields, wrong: &[(&'static str, &'static str)]| Case {
        page: at("settings"),
        post,
        fields,
        wrong: wrong.to_vec(),
    };
    refuse(
        &browser,
        vec![
            case(
                "/applications/new",
                "/api/applications/name",
                &[("name", " ")],
                &[("name", "Enter a name")],
            ),
            case(
                "/applications/new",
                "/api/applications/name",
                &[("name", "MICROSOFT 365")],
                &[("name", "already called")],
            ),
            settings(
                "/api/applications/rename",
                with(&[("name", "")]),
                &[("name", "Enter a name")],
            ),
            settings(
                "/api/applications/access",
                with(&[("access", "everybody")]),
                &[("access", "Choose who gets the application")],
            ),
            settings(
                "/api/applications/delete",
                with(&[("confirm", "Microsoft 366")]),
                &[("confirm", "This does not match")],
            ),
            provisioning("domain", "https://contoso.example", "Enter a domain name"),
            provisioning("tenant_id", "contoso", "32 letters and digits"),
            provisioning("client_id", "", "Enter the Application (client) ID"),
            provisioning(
                "secret",
                "8c1ef6f0-0000-4000-8000-000000000002",
                "This is a Secret ID",
            ),
            provisioning("days_before_deletion", "0.5", "number from 0 to 3650"),
            provisioning("days_before_license_removal", "-1", "number from 0 to 3650"),
            provisioning("limit_percent", "101", "number from 0 to 100"),
            provisioning("limit_floor", "many", "number from 0 to"),
            provisioning("limit_ceiling", "4", "at least as many"),
            provisioning(
                "protected",
                "not an address",
                "is not a user principal name",
            ),
        ],
    )
    .await;
    let page = browser.get(&at("provisioning")).await;
    assert!(
        page.body.contains("The connection was not checked yet"),
        "nothing was stored"
    );
}
