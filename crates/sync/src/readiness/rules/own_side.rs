//! Rules about our own side, as Microsoft and people's browsers see it.

use signpost_model::readiness::{Check, CheckKey, CheckState, reminder_due};
use signpost_model::time::DAY_MS;

use super::{count, listed, unread};
use crate::readiness::facts::{Facts, Read, TlsFact, TlsProblem};

/// Tokens are refused when clocks differ by more; half of the five minutes that Microsoft allows.
const MOST_OFFSET_MS: i64 = 150_000;
/// From here on somebody should look.
const NOTABLE_OFFSET_MS: i64 = 30_000;

pub(super) fn public_address(facts: &Facts) -> Check {
    let key = CheckKey::PublicAddress;
    let url = facts.own.public_url.as_str();
    if url.is_empty() {
        return Check::new(
            key,
            CheckState::Unknown,
            "This process serves no pages and does not know the portal’s address.",
            "Check again from the portal.",
        );
    }
    if facts.practice {
        return Check::passed(key, format!("The practice tenant sends people to {url}."));
    }
    if !url.starts_with("https://") {
        return Check::new(
            key,
            CheckState::Failed,
            format!(
                "The portal’s address is {url}; Microsoft sends people to https addresses only."
            ),
            "Put Signpost behind TLS and set SIGNPOST_PUBLIC_URL to its https address.",
        );
    }
    Check::passed(key, format!("Microsoft sends people to {url}."))
}

pub(super) fn tls(facts: &Facts) -> Check {
    let key = CheckKey::Tls;
    match &facts.own.tls {
        Read::Known(None) if facts.practice => Check::passed(
            key,
            "No certificate is needed between this machine and the practice tenant.",
        ),
        Read::Known(None) => Check::new(
            key,
            CheckState::Failed,
            "The portal’s address has no TLS certificate.",
            "Put Signpost behind TLS and set SIGNPOST_PUBLIC_URL to its https address.",
        ),
        Read::Known(Some(shown)) => match &shown.problem {
            Some(problem) => refused(shown, problem),
            None => trusted(shown, facts),
        },
        Read::Failed(why) => Check::new(
            key,
            CheckState::Attention,
            format!("Signpost could not open its own address. {why}"),
            "Open the address in a browser outside of your network. When it works there, waive this check.",
        ),
        unknown @ Read::Missing(_) => unread(key, unknown),
    }
}

fn trusted(shown: &TlsFact, facts: &Facts) -> Check {
    let key = CheckKey::Tls;
    let left = count(
        shown.ends_at.millis_since(facts.now) / DAY_MS,
        "day",
        "days",
    );
    let check = match reminder_due(shown.ends_at, facts.now) {
        Some(0) => return refused(shown, &TlsProblem::Ended),
        // Certificates of 90 days are renewed with 30 days left.
        Some(due) if due <= 7 => Check::new(
            key,
            CheckState::Attention,
            format!("The certificate of {} ends in {left}.", shown.host),
            "Renew it, or look why it does not renew by itself.",
        ),
        _ => Check::passed(
            key,
            format!(
                "The certificate of {} is trusted and lasts for {left} more.",
                shown.host
            ),
        ),
    };
    check.note(format!(
        "Signed by {}; {} sent.",
        shown.issuer,
        match shown.chain {
            1 => "the certificate alone is".to_owned(),
            more => format!("a chain of {more} certificates is"),
        }
    ))
}

fn refused(shown: &TlsFact, problem: &TlsProblem) -> Check {
    let (host, issuer) = (shown.host.as_str(), shown.issuer.as_str());
    let (sentence, next) = match problem {
        TlsProblem::Ended => (
            format!("The certificate of {host} has ended: browsers refuse it."),
            "Renew it, and look why it did not renew by itself.".to_owned(),
        ),
        TlsProblem::NotYet(starts_at) => (
            format!("The certificate of {host} holds only from {starts_at} on: browsers refuse it until then."),
            "Look at the clock of this machine and of whoever made the certificate.".to_owned(),
        ),
        TlsProblem::OtherHosts(names) => (
            match names.as_slice() {
                [] => format!("The certificate does not name {host}: browsers refuse it."),
                names => format!(
                    "The certificate is for {} and not for {host}: browsers refuse it.",
                    listed(names)
                ),
            },
            format!("Get a certificate for {host}, or correct SIGNPOST_PUBLIC_URL."),
        ),
        TlsProblem::SelfSigned => (
            format!("The certificate of {host} is signed by nobody but itself: browsers refuse it."),
            "Get a certificate from an authority that browsers know.".to_owned(),
        ),
        TlsProblem::UnknownIssuer if shown.chain == 1 => (
            format!("The certificate of {host} is signed by {issuer}, whose certificate is not sent: browsers refuse it."),
            "Give the whole chain, the certificate followed by those above it; or, when it is your own authority’s and your people’s browsers know that, waive this check.".to_owned(),
        ),
        TlsProblem::UnknownIssuer => (
            format!("The certificate of {host} is signed by {issuer}, whom this machine does not trust."),
            "Get one from an authority that browsers know; or, when it is your own authority’s and your people’s browsers know that, waive this check.".to_owned(),
        ),
        TlsProblem::Other(words) => (
            format!("The certificate of {host} is not accepted ({words})."),
            "Get another certificate from an authority that browsers know.".to_owned(),
        ),
    };
    Check::new(CheckKey::Tls, CheckState::Failed, sentence, next)
}

pub(super) fn metadata(facts: &Facts) -> Check {
    let key = CheckKey::Metadata;
    match &facts.own.metadata {
        Read::Known(found) if !found.names_issuer => Check::new(
            key,
            CheckState::Failed,
            "Another service answers at the portal’s address, or an older Signpost.",
            "Point the address at this portal, or correct SIGNPOST_PUBLIC_URL.",
        ),
        Read::Known(found) if !found.has_certificate => Check::new(
            key,
            CheckState::Failed,
            "The metadata at the portal’s address holds another signing certificate.",
            "Make sure that every Signpost behind the address uses the same database.",
        ),
        Read::Known(_) => Check::passed(
            key,
            "The metadata is served, with this application’s issuer and certificate.",
        ),
        Read::Failed(why) => Check::new(
            key,
            CheckState::Attention,
            format!("Signpost could not read its own metadata. {why}"),
            "Open the metadata address (Sign-on page) in a browser outside of your network. When it works there, waive this check.",
        ),
        unknown @ Read::Missing(_) => unread(key, unknown),
    }
}

pub(super) fn clock(facts: &Facts) -> Check {
    let key = CheckKey::Clock;
    let offset = match &facts.own.clock_offset_ms {
        Read::Known(Some(offset)) => *offset,
        Read::Known(None) => {
            return Check::new(
                key,
                CheckState::Unknown,
                "Microsoft’s answer said nothing about the time.",
                "Check again in a few minutes.",
            );
        }
        unknown => return unread(key, unknown),
    };
    let seconds = offset.abs() / 1_000;
    let side = if offset > 0 { "behind" } else { "ahead of" };
    if offset.abs() > MOST_OFFSET_MS {
        return Check::new(
            key,
            CheckState::Failed,
            format!(
                "This machine’s clock is {seconds} seconds {side} Microsoft’s: tokens are refused."
            ),
            "Turn on time synchronisation (NTP) on this machine.",
        );
    }
    if offset.abs() > NOTABLE_OFFSET_MS {
        return Check::new(
            key,
            CheckState::Attention,
            format!("This machine’s clock is {seconds} seconds {side} Microsoft’s."),
            "Turn on time synchronisation (NTP) on this machine.",
        );
    }
    Check::passed(key, "This machine’s clock and Microsoft’s agree.")
}
