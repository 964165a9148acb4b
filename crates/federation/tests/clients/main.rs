//! Clients that nobody here wrote accept what we issue, and refuse every changed copy of it.
//!
//! SAML 2.0: node-saml, python3-saml and pysaml2, which also reads our metadata. WS-Federation:
//! passport-wsfed-saml2. Their versions are pinned by lock files beside this one; they are installed
//! into the build folder. A program that is missing fails the test.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

mod cases;
mod installed;
#[path = "../tamper/mod.rs"]
mod tamper;

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::cases::{Case, Expected, Person, cases, given};

#[test]
fn node_clients_accept_what_is_issued_and_refuse_what_is_changed() {
    let folder = installed::node_packages();
    let cases = cases();
    let verdicts = judged_by(Command::new("node").arg(folder.join("check.mjs")), &cases);
    check("node-saml", "saml", &cases, &verdicts);
    check("passport-wsfed-saml2", "wsfed", &cases, &verdicts);
}

#[test]
fn python_clients_accept_what_is_issued_and_refuse_what_is_changed() {
    let python = installed::python_environment();
    installed::require("xmlsec1", "--version", "xmlsec1");
    let script = installed::SOURCE.to_owned() + "/check.py";
    let cases = cases();
    let verdicts = judged_by(Command::new(python).arg(script), &cases);
    check("python3-saml", "saml", &cases, &verdicts);
    check("pysaml2", "saml", &cases, &verdicts);
}

type Verdicts = BTreeMap<(String, String), Value>;

fn judged_by(command: &mut Command, cases: &[Case]) -> Verdicts {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases.json");
    std::fs::write(&file, given(cases).to_string()).unwrap();
    let output = command.arg(&file).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the clients did not run: {complaint}"
    );
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let word = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    all.into_iter()
        .map(|one| ((word(&one, "client"), word(&one, "name")), one))
        .collect()
}

fn check(client: &str, protocol: &str, cases: &[Case], verdicts: &Verdicts) {
    let mut count = 0;
    let is_meant = |case: &&Case| case.protocol == protocol && !case.unseen_by.contains(&client);
    for case in cases.iter().filter(is_meant) {
        count += 1;
        let verdict = &verdicts[&(client.to_owned(), case.name.clone())];
        let is_accepted = verdict["accepted"] == true;
        let is_named = |person: &Person| {
            let read = (&verdict["userName"], &verdict["immutableId"]);
            read == (&json!(person.user_name), &json!(person.immutable_id))
        };
        let is_right = match &case.expected {
            Expected::Accepted(person) => is_accepted && is_named(person),
            Expected::Refused => !is_accepted,
            Expected::NobodyElse(person) => !is_accepted || is_named(person),
        };
        assert!(is_right, "{client}, {}: {verdict}", case.name);
    }
    assert!(count > 12, "{client} judged only {count} cases");
}
