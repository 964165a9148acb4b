//! Rules about the registration, the domain, and who can still sign in when all else fails.

use signpost_model::Timestamp;
use signpost_model::connection::CredentialKind;
use signpost_model::readiness::{Check, CheckKey, CheckState, Feature, reminder_due};
use signpost_model::time::DAY_MS;

use super::{count, listed, unread};
use crate::readiness::facts::{Administrator, DomainFact, Facts, Read};
use crate::readiness::permissions::Judgement;

/// Emergency administrators that there must be: one may have lost the key.
const EMERGENCY: usize = 2;

pub(super) fn sign_in(facts: &Facts) -> Check {
    let key = CheckKey::SignIn;
    match &facts.granted {
        Read::Known(granted) if granted.is_empty() => Check::new(
            key,
            CheckState::Failed,
            "Signpost signs in, and may do nothing: no permission has admin consent.",
            "Select Grant admin consent on the registration’s API permissions page, then check again.",
        ),
        Read::Known(_) => Check::passed(key, "Signpost signs in to the tenant."),
        Read::Missing(_) => unread(key, &facts.granted),
        Read::Failed(why) => Check::new(
            key,
            CheckState::Failed,
            format!("Signpost cannot sign in to the tenant. {why}"),
            "Correct the connection on the Provisioning page, then check again.",
        ),
    }
}

pub(super) fn permissions(facts: &Facts) -> Check {
    let key = CheckKey::Permissions;
    let Read::Known(granted) = &facts.granted else {
        return unread(key, &facts.granted);
    };
    let judged = Judgement::of(granted, &facts.features);
    let names = |needs: &[&'static crate::readiness::permissions::Need]| {
        let names: Vec<String> = needs.iter().map(|need| need.name.to_owned()).collect();
        listed(&names)
    };
    let refused: Vec<&str> = facts
        .probes
        .iter()
        .filter(|(name, probe)| {
            matches!(probe, Read::Missing(_)) && judged.granted.iter().any(|n| n.name == *name)
        })
        .map(|(name, _)| *name)
        .collect();
    let needed = judged.granted.len() + judged.missing.len();
    let required_missing = judged.missing.iter().any(|n| n.feature == Feature::Sync);
    if !judged.missing.is_empty() {
        let state = if required_missing {
            CheckState::Failed
        } else {
            CheckState::Attention
        };
        return Check::new(
            key,
            state,
            format!(
                "{} of {needed} permissions that the chosen features need are missing.",
                judged.missing.len()
            ),
            format!(
                "Grant {}, or choose fewer features.",
                names(&judged.missing)
            ),
        );
    }
    if !refused.is_empty() {
        return Check::new(
            key,
            CheckState::Attention,
            format!(
                "Granted, but Microsoft still refuses the call that needs it: {}.",
                refused.join(", ")
            ),
            "A new consent takes a few minutes. Check again; if it stays, look at the consent in Entra.",
        );
    }
    if !judged.excess.is_empty() {
        return Check::new(
            key,
            CheckState::Attention,
            format!(
                "{} granted that no chosen feature uses.",
                count(
                    i64::try_from(judged.excess.len()).unwrap_or(i64::MAX),
                    "permission is",
                    "permissions are"
                )
            ),
            format!(
                "Choose the features that use them, or remove {} in Entra.",
                listed(&judged.excess)
            ),
        );
    }
    Check::passed(
        key,
        format!(
            "All {needed} permissions that the chosen features need are granted, and no others."
        ),
    )
}

pub(super) fn credential_end(facts: &Facts) -> Check {
    let key = CheckKey::CredentialEnd;
    let noun = match facts.credential {
        CredentialKind::Secret => "secret",
        CredentialKind::Certificate => "certificate",
    };
    let ends = match &facts.credential_ends {
        Read::Known(Some(ends)) => *ends,
        Read::Known(None) => {
            return Check::new(
                key,
                CheckState::Unknown,
                format!("The tenant does not tell when the {noun} ends."),
                "Look it up in Entra under Certificates & secrets, and note the day.",
            );
        }
        unknown => return unread(key, unknown),
    };
    let next = match facts.credential {
        CredentialKind::Secret => {
            "Use a certificate instead or let Signpost renew the secret, under Open secret and certificate; or make a new secret in Entra and save it under Provisioning."
        }
        CredentialKind::Certificate => {
            "Make the next certificate under Open secret and certificate: Signpost uploads it itself, by a plan, or you do."
        }
    };
    match reminder_due(ends, facts.now) {
        Some(0) => Check::new(
            key,
            CheckState::Failed,
            format!("The {noun} has ended."),
            next,
        ),
        Some(reminder) => {
            let state = if reminder <= 7 {
                CheckState::Failed
            } else {
                CheckState::Attention
            };
            Check::new(
                key,
                state,
                format!("The {noun} ends in {}.", days(ends, facts.now)),
                next,
            )
        }
        None => Check::passed(
            key,
            format!("The {noun} lasts for {} more.", days(ends, facts.now)),
        ),
    }
}

fn days(ends: Timestamp, now: Timestamp) -> String {
    match ends.millis_since(now) / DAY_MS {
        0 => "less than a day".to_owned(),
        days => count(days, "day", "days"),
    }
}

fn found(facts: &Facts, key: CheckKey) -> Result<&DomainFact, Box<Check>> {
    let Read::Known(domains) = &facts.domains else {
        return Err(Box::new(unread(key, &facts.domains)));
    };
    domains
        .iter()
        .find(|domain| domain.name.eq_ignore_ascii_case(&facts.domain))
        .ok_or_else(|| {
            Box::new(Check::new(
                key,
                CheckState::Failed,
                format!("The tenant has no domain {}.", facts.domain),
                "Add it in the Microsoft 365 admin center under Settings, Domains, or correct the domain on the Provisioning page.",
            ))
        })
}

pub(super) fn domain_verified(facts: &Facts) -> Check {
    let key = CheckKey::DomainVerified;
    match found(facts, key) {
        Err(check) => *check,
        Ok(domain) if domain.initial || is_initial(&domain.name) => Check::new(
            key,
            CheckState::Failed,
            format!(
                "{} is the domain the tenant was born with; Microsoft does not hand it over.",
                domain.name
            ),
            "Choose a domain of your own on the Provisioning page.",
        ),
        Ok(domain) if !domain.verified => Check::new(
            key,
            CheckState::Failed,
            format!("{} is not verified.", domain.name),
            "Set the DNS record that the Microsoft 365 admin center shows under Settings, Domains, and verify there.",
        ),
        Ok(domain) => Check::passed(
            key,
            format!("{} is verified and the tenant’s own.", domain.name),
        ),
    }
}

pub(super) fn domain_not_default(facts: &Facts) -> Check {
    let key = CheckKey::DomainNotDefault;
    match found(facts, key) {
        Err(check) => *check,
        Ok(domain) if domain.default => Check::new(
            key,
            CheckState::Failed,
            format!(
                "{} is the tenant’s default domain, and Microsoft refuses to hand that over.",
                domain.name
            ),
            "In the Entra admin center open Custom domain names, select the onmicrosoft.com domain, and select Make primary.",
        ),
        Ok(domain) => Check::passed(key, format!("{} is not the default domain.", domain.name)),
    }
}

pub(super) fn domain_root(facts: &Facts) -> Check {
    let key = CheckKey::DomainRoot;
    let domain = match found(facts, key) {
        Err(check) => return *check,
        Ok(domain) => domain,
    };
    let suffix = format!(".{}", domain.name.to_lowercase());
    let children: Vec<String> = facts
        .domains
        .known()
        .into_iter()
        .flatten()
        .filter(|other| !other.root && other.name.to_lowercase().ends_with(&suffix))
        .map(|other| other.name.clone())
        .collect();
    if !domain.root {
        return Check::new(
            key,
            CheckState::Attention,
            format!(
                "{} is a subdomain: who checks its passwords is decided for the domain above it.",
                domain.name
            ),
            "Connect the domain above it, or ask Microsoft Graph to promote the subdomain while nobody uses it.",
        );
    }
    if !children.is_empty() {
        return Check::new(
            key,
            CheckState::Attention,
            format!(
                "{} below it would be handed over with it: {}.",
                count(
                    i64::try_from(children.len()).unwrap_or(i64::MAX),
                    "domain",
                    "domains"
                ),
                listed(&children)
            ),
            "Make sure that the people in them have the application too, or promote those domains first.",
        );
    }
    Check::passed(
        key,
        format!("{} is no subdomain and has none.", domain.name),
    )
}

pub(super) fn user_names(facts: &Facts) -> Check {
    let key = CheckKey::UserNames;
    if facts.domains.known().is_none() {
        return unread(key, &facts.domains);
    }
    let names = &facts.names;
    if names.outside == 0 {
        return Check::passed(
            key,
            match names.users {
                0 => "Nobody has the application yet.".to_owned(),
                users => format!(
                    "{} a user name in a verified domain.",
                    count(users, "user has", "users have")
                ),
            },
        );
    }
    Check::new(
        key,
        CheckState::Attention,
        format!(
            "{} in no verified domain, and get no account.",
            count(names.outside, "user name is", "user names are")
        ),
        "Correct the names, or change how user names are made under Attribute mapping.",
    )
    .note(format!("For example {}.", listed(&names.examples)))
}

fn is_initial(domain: &str) -> bool {
    let domain = domain.to_lowercase();
    domain.ends_with(".onmicrosoft.com")
        || domain.ends_with(".onmicrosoft.us")
        || domain.ends_with(".partner.onmschina.cn")
}

pub(super) fn break_glass(facts: &Facts) -> Check {
    let key = CheckKey::BreakGlass;
    let Read::Known(all) = &facts.administrators else {
        return unread(key, &facts.administrators);
    };
    let domain_of = |one: &Administrator| {
        let (_, domain) = one.name.rsplit_once('@').unwrap_or_default();
        is_initial(domain)
    };
    let usable: Vec<&Administrator> = all
        .iter()
        .filter(|one| one.enabled && !one.synchronised && !one.linked && domain_of(one))
        .collect();
    let mut check = if usable.len() >= EMERGENCY {
        Check::passed(
            key,
            format!(
                "{} Global Administrators sign in without Signpost: {}.",
                usable.len(),
                listed(
                    &usable
                        .iter()
                        .map(|one| one.name.clone())
                        .collect::<Vec<_>>()
                )
            ),
        )
    } else {
        let state = if usable.is_empty() {
            CheckState::Failed
        } else {
            CheckState::Attention
        };
        let sentence = match usable.first() {
            None => {
                "No Global Administrator could sign in if Signpost could not be reached.".to_owned()
            }
            Some(only) => format!(
                "Only {} could sign in if Signpost could not be reached.",
                only.name
            ),
        };
        Check::new(
            key,
            state,
            sentence,
            "Make two cloud-only accounts on the onmicrosoft.com domain, give them the role Global Administrator, and keep their passwords in a safe.",
        )
    };
    for one in all {
        let why = match one {
            one if !one.enabled => "is blocked",
            one if one.synchronised => "is managed by another directory",
            one if one.linked => "is linked with a user here",
            one if !domain_of(one) => "is not on onmicrosoft.com",
            _ => continue,
        };
        check = check.note(format!("{} does not count: it {why}.", one.name));
    }
    check
}
