//! Every address of the portal, in one place: plural nouns, ids that survive renames, state changes as nouns.

use std::fmt::Display;

/// Where the first owner is made.
pub const SETUP: &str = "/setup";
/// Where operators sign in.
pub const SIGN_IN: &str = "/sign-in";
/// Takes the post that ends a session.
pub const SIGN_OUT: &str = "/api/sign-out";
/// The page after signing in.
pub const OVERVIEW: &str = "/";
/// All applications.
pub const APPLICATIONS: &str = "/applications";
/// The first step to a new application.
pub const NEW_APPLICATION: &str = "/applications/new";
/// The second step to a new application.
pub const NEW_APPLICATION_ACCESS: &str = "/applications/new/access";
/// All runs.
pub const RUNS: &str = "/runs";
/// All users.
pub const USERS: &str = "/users";
/// A new user.
pub const NEW_USER: &str = "/users/new";
/// All groups.
pub const GROUPS: &str = "/groups";
/// A new group.
pub const NEW_GROUP: &str = "/groups/new";
/// CSV import.
pub const IMPORT: &str = "/import";
/// A file to try the import with.
pub const IMPORT_SAMPLE: &str = "/import/sample.csv";
/// Who did what.
pub const AUDIT_LOG: &str = "/audit-log";
/// The same as a file.
pub const AUDIT_LOG_FILE: &str = "/audit-log/events.csv";
/// Operators, security, limits, looks.
pub const SETTINGS: &str = "/settings";
/// The signed-in operator's own page.
pub const ACCOUNT: &str = "/account";
/// A new password of one's own.
pub const ACCOUNT_PASSWORD: &str = "/account/password";
/// One's own second factor.
pub const ACCOUNT_SECOND_FACTOR: &str = "/account/second-factor";
/// Asks before one's own second factor goes.
pub const ACCOUNT_REMOVE_SECOND_FACTOR: &str = "/account/second-factor/remove";
/// One's own recovery codes.
pub const ACCOUNT_RECOVERY_CODES: &str = "/account/recovery-codes";
/// What holds for every sign-in.
pub const SECURITY: &str = "/settings/security";
/// Name and time zone.
pub const ORGANISATION: &str = "/settings/organisation";
/// The server that takes our mail.
pub const MAIL: &str = "/settings/mail";
/// What is installed.
pub const ABOUT: &str = "/settings/about";
/// A new operator.
pub const NEW_OPERATOR: &str = "/settings/operators/new";
/// Every component with sample data.
pub const STYLEGUIDE: &str = "/styleguide";

/// An application's own page.
pub fn application(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}")
}

/// Who has the application.
pub fn application_assignments(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/assignments")
}

/// Where users and groups are picked.
pub fn application_new_assignments(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/assignments/new")
}

/// Connection, licenses, actions.
pub fn application_provisioning(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/provisioning")
}

/// Which attribute comes from what.
pub fn application_mapping(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/mapping")
}

/// The application's runs.
pub fn application_runs(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/runs")
}

/// Federated sign-in.
pub fn application_sign_on(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/sign-on")
}

/// What must hold in the tenant.
pub fn application_readiness(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/readiness")
}

/// The registration in Entra, step by step, and what it may do.
pub fn application_registration(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/readiness/registration")
}

/// The people whom somebody would ask for a second factor twice.
pub fn application_asked_people(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/readiness/people")
}

/// What a check was before.
pub fn application_check(id: impl Display, check: &str) -> String {
    format!("{APPLICATIONS}/{id}/readiness/{check}/history")
}

/// A file for the tenant's administrator: a script or the certificate.
pub fn application_readiness_file(id: impl Display, file: &str) -> String {
    format!("{APPLICATIONS}/{id}/readiness/files/{file}")
}

/// The progress of reading accounts as server-sent events.
pub fn application_readiness_events(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/readiness/events")
}

/// Name, access type, deletion.
pub fn application_settings(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/settings")
}

/// The scripts that federate and revert.
pub fn application_powershell(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/powershell")
}

/// One of the scripts, as a file.
pub fn application_script(id: impl Display, script: &str) -> String {
    format!("{APPLICATIONS}/{id}/powershell/{script}.ps1")
}

/// Whether the domain can be federated, and the way there and back.
pub fn application_federation(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/federation")
}

/// Whether each account of the domain can sign in once it is federated.
pub fn application_immutable_ids(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/immutable-ids")
}

/// Who signs the people of the domain in.
pub fn application_identity_provider(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/identity-provider")
}

/// Names the identity provider of an application's domain: the issuer of its tokens.
pub fn federation(id: impl Display) -> String {
    format!("/federation/{id}")
}

/// Where Microsoft sends people to sign in.
pub fn federation_sign_in(id: impl Display) -> String {
    format!("/federation/{id}/sign-in")
}

/// Where Microsoft sends people who sign out.
pub fn federation_sign_out(id: impl Display) -> String {
    format!("/federation/{id}/sign-out")
}

/// What anybody may know of the identity provider.
pub fn federation_metadata(id: impl Display) -> String {
    format!("/federation/{id}/metadata.xml")
}

/// The picture on the application's login page.
pub fn federation_logo(id: impl Display, digest: &str) -> String {
    format!("/federation/{id}/logo/{digest}.png")
}

/// Where users sign in; with the request that waits for it.
pub const LOGIN: &str = "/login";
/// Where users say that they forgot their password.
pub const FORGOTTEN: &str = "/login/forgotten";
/// What users see after signing out.
pub const SIGNED_OUT: &str = "/signed-out";
/// A user's own page: sessions, factors, password.
pub const OWN_PAGE: &str = "/me";
/// A user's own new password.
pub const OWN_PASSWORD: &str = "/me/password";
/// A user's own second factors.
pub const OWN_FACTORS: &str = "/me/second-factor";

/// The sign-in that a request waits for.
pub fn login(request: &str) -> String {
    with_query(LOGIN, &[("request", request)])
}

/// Where users say that they forgot their password, on the way of a sign-in.
pub fn forgotten(request: &str) -> String {
    with_query(FORGOTTEN, &[("request", request)])
}

/// Where a user sets a password once.
pub fn one_time_link(token: &str) -> String {
    format!("/welcome/{token}")
}

/// Who leaves the application, step by step.
pub fn application_leavers(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/leavers")
}

/// Which account is whose.
pub fn application_matches(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/matches")
}

/// What others changed in the tenant.
pub fn application_drift(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/drift")
}

/// The groups that the application pushes.
pub fn application_groups(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/groups")
}

/// Where groups to be pushed are picked.
pub fn application_new_groups(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/groups/new")
}

/// Who waits for a seat.
pub fn application_seats(id: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/seats")
}

/// Why a user stands where they stand with the application.
pub fn application_user_why(id: impl Display, user: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/users/{user}/why")
}

/// What can be brought back of a user's account.
pub fn application_user_restore(id: impl Display, user: impl Display) -> String {
    format!("{APPLICATIONS}/{id}/users/{user}/restore")
}

/// One run with its plan.
pub fn run(id: impl Display) -> String {
    format!("{RUNS}/{id}")
}

/// A run's progress as server-sent events.
pub fn run_events(id: impl Display) -> String {
    format!("{RUNS}/{id}/events")
}

/// A run's actions as a file.
pub fn run_csv(id: impl Display) -> String {
    format!("{RUNS}/{id}/actions.csv")
}

/// A run and its actions as JSON.
pub fn run_json(id: impl Display) -> String {
    format!("{RUNS}/{id}/actions.json")
}

/// One user.
pub fn user(id: impl Display) -> String {
    format!("{USERS}/{id}")
}

/// One group.
pub fn group(id: impl Display) -> String {
    format!("{GROUPS}/{id}")
}

/// Where members of a group are picked.
pub fn group_new_members(id: impl Display) -> String {
    format!("{GROUPS}/{id}/members/new")
}

/// One import: its check, its preview, its progress.
pub fn import(id: impl Display) -> String {
    format!("{IMPORT}/{id}")
}

/// One operator.
pub fn operator(id: impl Display) -> String {
    format!("{SETTINGS}/operators/{id}")
}

/// Where an operator chooses a password once.
pub fn operator_link(token: &str) -> String {
    format!("/join/{token}")
}

/// Asks before an operator goes.
pub fn operator_removal(id: impl Display) -> String {
    format!("{SETTINGS}/operators/{id}/remove")
}

/// The progress of an import as server-sent events.
pub fn import_events(id: impl Display) -> String {
    format!("{IMPORT}/{id}/events")
}

/// The refused rows of an import as a file.
pub fn import_problems(id: impl Display) -> String {
    format!("{IMPORT}/{id}/problems.csv")
}

/// `address` with its query: pairs whose value is empty are left out, the rest is escaped.
pub fn with_query(address: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() {
        address.to_owned()
    } else {
        format!("{address}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped_and_hold_no_empty_values() {
        assert_eq!(
            with_query(USERS, &[("q", "a&b c"), ("after", "")]),
            "/users?q=a%26b+c"
        );
        assert_eq!(with_query(USERS, &[("q", "")]), "/users");
    }
}
