//! Rules about who asks for a second factor, and who would be asked twice.

use signpost_model::readiness::{Check, CheckKey, CheckState, HandMark, Marked};
use signpost_model::sign_on::{FactorPolicy, MfaBehavior};

use super::{count, unread};
use crate::readiness::facts::{AccountReading, ConditionalAccess, Facts, Read};

pub(super) fn security_defaults(facts: &Facts) -> Check {
    let key = CheckKey::SecurityDefaults;
    match &facts.security_defaults {
        Read::Known(false) => Check::passed(
            key,
            "They are off: Microsoft asks nobody to register its own second factor because of them.",
        ),
        Read::Known(true) => Check::new(
            key,
            CheckState::Attention,
            "They are on: Microsoft makes everybody register its own second factor, and asks people for it who have just proven one at Signpost.",
            "Decide first what asks for a second factor instead, then turn them off below.",
        )
        .note("While they are on, no Conditional Access policy can be turned on.")
        .note(match others_that_ask(facts) {
            Others::Some => "Something else in the tenant still asks for a second factor when they are off.",
            Others::None => "Nothing else in the tenant asks for a second factor: when they are off, a password is enough for accounts that do not sign in through Signpost.",
            Others::Unknown => "Whether something else asks for a second factor is not known.",
        }),
        unknown => unread(key, unknown),
    }
}

/// What beside security defaults asks for a second factor.
enum Others {
    Some,
    None,
    Unknown,
}

fn others_that_ask(facts: &Facts) -> Others {
    if signs_in_here_with_factor(facts) || !asking(facts).is_empty() {
        return Others::Some;
    }
    match (&facts.conditional_access, &facts.federation) {
        (Read::Known(_), Read::Known(_)) => Others::None,
        _ => Others::Unknown,
    }
}

/// Whether everybody of the domain proves a second factor here.
fn signs_in_here_with_factor(facts: &Facts) -> bool {
    matches!(facts.federation, Read::Known(Some(_)))
        && facts.sign_on.factor_policy == FactorPolicy::Required
}

fn asking(facts: &Facts) -> Vec<&ConditionalAccess> {
    let known = facts.conditional_access.known();
    known
        .into_iter()
        .flatten()
        .filter(|policy| policy.enabled && policy.asks_for_mfa)
        .collect()
}

fn tally(facts: &Facts) -> Option<signpost_model::readiness::MfaTally> {
    match facts.reading {
        AccountReading::Running(tally) | AccountReading::Done { tally, .. } => Some(tally),
        AccountReading::Never | AccountReading::Failed(_) => None,
    }
}

pub(super) fn mfa_remains(facts: &Facts) -> Check {
    let key = CheckKey::MfaRemains;
    let administrators = "Emergency administrators do not sign in through Signpost: protect them by a Conditional Access policy, or leave per-user MFA on for them.";
    if facts.security_defaults == Read::Known(true) {
        return Check::passed(key, "Security defaults ask everybody for a second factor.");
    }
    if let Some(policy) = asking(facts).first() {
        return Check::passed(
            key,
            format!(
                "The Conditional Access policy “{}” asks for a second factor.",
                policy.name
            ),
        )
        .note("Look in Entra whom it leaves out.");
    }
    if signs_in_here_with_factor(facts) {
        return Check::passed(
            key,
            format!(
                "Signpost asks everybody of {} for a second factor.",
                facts.domain
            ),
        )
        .note(administrators);
    }
    for unknown in [
        facts.security_defaults.clone().map(|_| ()),
        facts.conditional_access.clone().map(|_| ()),
        facts.federation.clone().map(|_| ()),
    ] {
        if unknown.known().is_none() {
            return unread(key, &unknown);
        }
    }
    if facts.sign_on.factor_policy == FactorPolicy::Required {
        return Check::new(
            key,
            CheckState::Attention,
            format!(
                "Nothing in the tenant asks for a second factor until {} is federated; from then on Signpost does.",
                facts.domain
            ),
            "Federate the domain soon, or keep security defaults on until then.",
        )
        .note(administrators);
    }
    let next = "Require a second factor on the Sign-on page, or turn on a Conditional Access policy that asks for one.";
    match tally(facts) {
        Some(tally) if tally.asked + tally.administrators_asked > 0 => Check::new(
            key,
            CheckState::Attention,
            format!(
                "Only per-user MFA asks for a second factor, of {}.",
                count(
                    tally.asked + tally.administrators_asked,
                    "account",
                    "accounts"
                )
            ),
            next,
        ),
        _ => Check::new(
            key,
            CheckState::Failed,
            "Nothing asks anybody for a second factor: a stolen password is enough.",
            next,
        ),
    }
}

pub(super) fn per_user_mfa(facts: &Facts) -> Check {
    let key = CheckKey::PerUserMfa;
    let (tally, running) = match &facts.reading {
        AccountReading::Never => {
            return Check::new(
                key,
                CheckState::Unknown,
                "The accounts have not been read yet.",
                "Select Read accounts; it takes about a minute for every thousand accounts.",
            );
        }
        AccountReading::Failed(why) => {
            return Check::new(
                key,
                CheckState::Unknown,
                format!("The accounts could not be read. {why}"),
                "Select Read accounts again.",
            );
        }
        AccountReading::Running(tally) => (*tally, true),
        AccountReading::Done { tally, .. } => (*tally, false),
    };
    let administrators = (tally.administrators_asked > 0).then(|| {
        format!(
            "{} asked too; that is left alone unless you choose otherwise.",
            count(
                tally.administrators_asked,
                "administrator is",
                "administrators are"
            )
        )
    });
    let unreadable = (tally.unreadable > 0).then(|| {
        format!(
            "{} could not be read, and may be asked as well.",
            count(tally.unreadable, "account", "accounts")
        )
    });
    let mut check = if running {
        Check::new(
            key,
            CheckState::Unknown,
            format!(
                "{} of {} read so far.",
                tally.accounts - tally.unread,
                count(tally.accounts, "account", "accounts")
            ),
            "Wait until all are read.",
        )
    } else if tally.asked > 0 {
        Check::new(
            key,
            CheckState::Attention,
            format!(
                "{} asked twice: by Signpost, and by Microsoft because per-user MFA is on for {}.",
                count(tally.asked, "person would be", "people would be"),
                if tally.asked == 1 {
                    "them"
                } else {
                    "each of them"
                }
            ),
            "Turn per-user MFA off for them below, once Signpost asks for the second factor.",
        )
    } else if tally.unreadable > 0 {
        Check::new(
            key,
            CheckState::Unknown,
            "Not every account could be read, so nobody can say that nobody is asked twice.",
            "Read the accounts again, or look them up in Entra.",
        )
    } else {
        Check::passed(
            key,
            format!(
                "Per-user MFA is off for {} of {} who {} no administrator.",
                count(tally.disabled, "account", "accounts"),
                facts.domain,
                if tally.disabled == 1 { "is" } else { "are" }
            ),
        )
    };
    for note in [administrators, unreadable].into_iter().flatten() {
        check = check.note(note);
    }
    check
}

fn marked(facts: &Facts, mark: HandMark) -> Option<&Marked> {
    let found = facts.marks.iter().find(|(known, _)| *known == mark);
    found.map(|(_, marked)| marked)
}

/// Words about a mark that somebody set by hand.
fn by_hand(key: CheckKey, marked: &Marked, facts: &Facts, what: &str) -> Check {
    let check = Check::passed(key, format!("{} looked and says: {what}.", marked.by));
    if marked.settles_at() > facts.now {
        check.note("Microsoft may take up to an hour until it holds everywhere.")
    } else {
        check
    }
}

const BY_HAND: &str = "Microsoft shows this setting to nobody but a person. Follow the clicks below, then tick that it is done.";

pub(super) fn password_reset(facts: &Facts) -> Check {
    let key = CheckKey::PasswordReset;
    let observed = facts.registrations.known().filter(|tally| tally.users > 0);
    if let Some(tally) = observed
        && tally.password_reset > 0
    {
        return Check::new(
            key,
            CheckState::Attention,
            format!(
                "{} may reset a password at Microsoft that is no longer theirs after the hand-over.",
                count(tally.password_reset, "person", "people")
            ),
            "Follow the clicks below. Microsoft takes up to an hour.",
        );
    }
    if let Some(marked) = marked(facts, HandMark::PasswordResetOff) {
        return by_hand(
            key,
            marked,
            facts,
            "Self service password reset enabled is None",
        );
    }
    if let Some(tally) = observed {
        return Check::passed(
            key,
            format!(
                "Nobody of {} may reset a password at Microsoft.",
                count(tally.users, "person", "people")
            ),
        )
        .note("Administrators always may; Microsoft does not let that be turned off here.");
    }
    match &facts.registrations {
        Read::Missing(_) => Check {
            next: BY_HAND.to_owned(),
            ..unread(key, &facts.registrations)
        },
        _ => Check::new(
            key,
            CheckState::Unknown,
            "Whether people may reset their password at Microsoft has not been read yet.",
            BY_HAND,
        ),
    }
}

pub(super) fn registration(facts: &Facts) -> Check {
    let key = CheckKey::Registration;
    let mut check = match marked(facts, HandMark::RegistrationOff) {
        Some(marked) => by_hand(
            key,
            marked,
            facts,
            "Require users to register when signing in is No",
        ),
        None => Check::new(
            key,
            CheckState::Unknown,
            "Whether Microsoft makes people register ways to reset their password cannot be read.",
            BY_HAND,
        ),
    };
    if let Read::Known(state) = &facts.campaign {
        check = check.note(match state.as_str() {
            "disabled" => "The registration campaign for Microsoft’s app is off.".to_owned(),
            "enabled" => "The registration campaign for Microsoft’s app is on: it nudges people whom Microsoft asks for a second factor.".to_owned(),
            _ => "Microsoft decides about its registration campaign; it nudges only people whom Microsoft asks for a second factor.".to_owned(),
        });
    }
    check
}

pub(super) fn handover(facts: &Facts) -> Check {
    let key = CheckKey::MfaHandover;
    let Read::Known(federation) = &facts.federation else {
        return unread(key, &facts.federation);
    };
    let wanted = facts.sign_on.mfa_behavior;
    let held = federation.as_ref().map(|federation| {
        // Never set, Microsoft does as if it were told to accept.
        federation.mfa.unwrap_or(MfaBehavior::Accept)
    });
    let behavior = held.unwrap_or(wanted);
    if held.is_some_and(|held| held != wanted) {
        return Check::new(
            key,
            CheckState::Attention,
            format!(
                "Microsoft was told {}, and the Sign-on page says {}.",
                behavior.graph(),
                wanted.graph()
            ),
            "Run the script Update, so that both agree.",
        );
    }
    let policy = facts.sign_on.factor_policy;
    let asks = facts.security_defaults == Read::Known(true)
        || !asking(facts).is_empty()
        || tally(facts).is_some_and(|tally| tally.asked > 0);
    let without = count(
        facts.without_factor,
        "person has no second factor here",
        "people have no second factor here",
    );
    let check = match (behavior, policy) {
        (MfaBehavior::Reject, FactorPolicy::Off) => Check::passed(
            key,
            "Only Microsoft asks for a second factor; Signpost asks for none.",
        ),
        (MfaBehavior::Reject, _) => Check::new(
            key,
            CheckState::Attention,
            "Microsoft does not count a second factor proven here: whoever it asks is asked twice.",
            "Choose on the Sign-on page that Signpost’s second factor counts, and run the script Update.",
        ),
        (MfaBehavior::Enforce, FactorPolicy::Required) => Check::passed(
            key,
            "Microsoft sends people back to Signpost for the second factor, and everybody has one.",
        ),
        (MfaBehavior::Enforce, _) => Check::passed(
            key,
            "Microsoft sends people back to Signpost for the second factor whenever it wants one.",
        )
        .note(format!(
            "{without}: they set one up on the way, and nobody is sent in circles."
        )),
        (MfaBehavior::Accept, FactorPolicy::Required) => Check::passed(
            key,
            "Everybody proves a second factor at Signpost, and Microsoft counts it.",
        ),
        (MfaBehavior::Accept, _) if asks && facts.without_factor > 0 => Check::new(
            key,
            CheckState::Attention,
            format!("{without}: Microsoft asks them for its own."),
            "Require a second factor on the Sign-on page, or choose there that Microsoft sends people back to Signpost for it.",
        ),
        (MfaBehavior::Accept, _) => Check::passed(
            key,
            "A second factor proven at Signpost counts at Microsoft.",
        ),
    };
    demands(facts).into_iter().fold(check, Check::note)
}

/// What asks for a second factor, one line each, for the one screen on which they stand together.
fn demands(facts: &Facts) -> Vec<String> {
    let mut lines = vec![
        match &facts.federation {
            Read::Known(Some(_)) => format!("{} is federated.", facts.domain),
            _ => format!(
                "{} is managed by Microsoft until it is federated.",
                facts.domain
            ),
        },
        format!(
            "federatedIdpMfaBehavior: {}.",
            facts
                .federation
                .known()
                .and_then(Option::as_ref)
                .map_or(facts.sign_on.mfa_behavior, |federation| {
                    federation.mfa.unwrap_or(MfaBehavior::Accept)
                })
                .graph()
        ),
        format!(
            "Signpost’s own second factor: {}.",
            facts.sign_on.factor_policy.label()
        ),
    ];
    lines.push(match &facts.security_defaults {
        Read::Known(true) => "Security defaults: on.".to_owned(),
        Read::Known(false) => "Security defaults: off.".to_owned(),
        _ => "Security defaults: not known.".to_owned(),
    });
    lines.push(match &facts.conditional_access {
        Read::Known(_) => match asking(facts).as_slice() {
            [] => "Conditional Access: no policy asks for a second factor.".to_owned(),
            policies => {
                let names: Vec<&str> = policies.iter().map(|one| one.name.as_str()).collect();
                format!("Conditional Access asks by: {}.", names.join(", "))
            }
        },
        _ => "Conditional Access: not known.".to_owned(),
    });
    lines.push(match tally(facts) {
        Some(tally) => format!(
            "Per-user MFA: on for {}.",
            count(tally.asked, "person", "people")
        ),
        None => "Per-user MFA: not read.".to_owned(),
    });
    lines
}
