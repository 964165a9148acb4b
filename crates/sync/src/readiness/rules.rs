//! The rules: from facts to checks. Pure; every sentence that people read about a check is here.

mod own_side;
mod registration;
mod second_factor;

use signpost_model::readiness::{Check, CheckKey, CheckState};

use super::facts::{Facts, Read};

/// Names in a sentence before the rest is counted.
const NAMED: usize = 5;

/// Makes every check, in the order of the page.
pub fn assess(facts: &Facts) -> Vec<Check> {
    CheckKey::ALL.iter().map(|key| one(*key, facts)).collect()
}

fn one(key: CheckKey, facts: &Facts) -> Check {
    match key {
        CheckKey::SignIn => registration::sign_in(facts),
        CheckKey::Permissions => registration::permissions(facts),
        CheckKey::CredentialEnd => registration::credential_end(facts),
        CheckKey::DomainVerified => registration::domain_verified(facts),
        CheckKey::DomainNotDefault => registration::domain_not_default(facts),
        CheckKey::DomainRoot => registration::domain_root(facts),
        CheckKey::UserNames => registration::user_names(facts),
        CheckKey::BreakGlass => registration::break_glass(facts),
        CheckKey::SecurityDefaults => second_factor::security_defaults(facts),
        CheckKey::MfaRemains => second_factor::mfa_remains(facts),
        CheckKey::PerUserMfa => second_factor::per_user_mfa(facts),
        CheckKey::PasswordReset => second_factor::password_reset(facts),
        CheckKey::Registration => second_factor::registration(facts),
        CheckKey::MfaHandover => second_factor::handover(facts),
        CheckKey::PublicAddress => own_side::public_address(facts),
        CheckKey::Tls => own_side::tls(facts),
        CheckKey::Metadata => own_side::metadata(facts),
        CheckKey::Clock => own_side::clock(facts),
    }
}

/// The check of something that could not be read. What is not known is never passed.
fn unread<T>(key: CheckKey, read: &Read<T>) -> Check {
    match read {
        Read::Missing(permission) => Check {
            missing: Some(permission.clone()),
            ..Check::new(
                key,
                CheckState::Unknown,
                format!("It could not be read: the permission {permission} is missing."),
                format!(
                    "Grant {permission} to the application and check again, or look it up by hand."
                ),
            )
        },
        Read::Failed(why) => Check::new(
            key,
            CheckState::Unknown,
            format!("It could not be found out. {why}"),
            "Check again in a few minutes.",
        ),
        Read::Known(_) => Check::new(key, CheckState::Unknown, "It is not known yet.", ""),
    }
}

/// As in `1 account` and `3 accounts`.
fn count(number: i64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The first few, and how many more.
fn listed(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    let first = first.join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
