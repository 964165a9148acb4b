//! What stands above every page until it is settled: a federation that waits to be confirmed, a
//! certificate that ends.

use signpost_federation::Certificate;
use signpost_model::Timestamp;
use signpost_model::time::{DAY_MS, MINUTE_MS};
use signpost_store::{federations, identity_providers, signing_keys};

use crate::components::plural::count;
use crate::components::{Crumb, Precision, Tone, moment};
use crate::error::PortalError;
use crate::portal::Portal;
use crate::shell::Banner;
use crate::urls;

/// From when on a certificate's end is told, and when it becomes urgent.
pub const REMIND_DAYS: i64 = 60;
const URGENT_DAYS: i64 = 7;

/// The banners.
pub async fn banners(portal: &Portal) -> Result<Vec<Banner>, PortalError> {
    let now = portal.clock.now();
    let mut read = portal.store.read().await?;
    let unsettled = federations::list_unsettled(&mut read).await?;
    let before = now.plus_days(REMIND_DAYS);
    let ending = signing_keys::list_ending(&mut read, before).await?;
    let foreign = identity_providers::list_certificates(&mut read).await?;
    drop(read);
    let mut banners = Vec::new();
    for (id, _, federation) in unsettled {
        let domain = &federation.domain;
        let (tone, text) = match (&federation.trouble, federation.is_overdue(now)) {
            (Some(trouble), true) => (
                Tone::Bad,
                format!(
                    "{domain} was not confirmed and could not be taken back yet; Signpost keeps trying. {trouble}"
                ),
            ),
            (None, true) => (
                Tone::Bad,
                format!("Nobody confirmed that {domain} signs in well: it is taken back now."),
            ),
            (_, false) => (
                Tone::Warn,
                format!(
                    "{domain} is federated, and is taken back by itself in {} unless somebody confirms it.",
                    left(federation.confirm_until, now)
                ),
            ),
        };
        banners.push(Banner {
            tone,
            text,
            link: Some(Crumb::link("Look at it", urls::application_federation(id))),
        });
    }
    banners.extend(ending.into_iter().map(|ending| Banner {
        tone: tone(days_left(ending.not_after, now)),
        text: certificate_ends(&ending.name, ending.not_after, now),
        link: Some(Crumb::link(
            "Make the next one",
            format!(
                "{}#certificates",
                urls::application_sign_on(ending.application_id)
            ),
        )),
    }));
    banners.extend(foreign.into_iter().filter_map(|foreign| {
        let ends = Certificate::parse(&foreign.certificate).ok()?.not_after();
        let days = days_left(ends, now);
        (days <= REMIND_DAYS).then(|| Banner {
            tone: tone(days),
            text: certificate_ends(&foreign.name, ends, now),
            link: Some(Crumb::link(
                "Fill in the next one",
                urls::application_identity_provider(foreign.application_id),
            )),
        })
    }));
    Ok(banners)
}

const fn tone(days: i64) -> Tone {
    if days <= URGENT_DAYS {
        Tone::Bad
    } else {
        Tone::Warn
    }
}

/// The days until then, rounded down.
pub(crate) fn days_left(until: Timestamp, now: Timestamp) -> i64 {
    until.millis_since(now).div_euclid(DAY_MS)
}

/// That a certificate ends, in one sentence.
pub(crate) fn certificate_ends(name: &str, ends: Timestamp, now: Timestamp) -> String {
    let day = ends.to_jiff().map(|at| moment(at, Precision::Day));
    let day = day.unwrap_or_default();
    match days_left(ends, now) {
        days if days < 0 => {
            format!("The signing certificate of {name} ended on {day}: nobody can sign in.")
        }
        0 => format!("The signing certificate of {name} ends today: then nobody can sign in."),
        days => format!(
            "The signing certificate of {name} ends in {}, on {day}: then nobody can sign in.",
            count(days.unsigned_abs(), "day", "days")
        ),
    }
}

/// How much time is left, in words: minutes rounded up, and seconds at the end.
pub(crate) fn left(until: Timestamp, now: Timestamp) -> String {
    let left = until.millis_since(now).max(0);
    let seconds = (left + 999) / 1_000;
    if left < MINUTE_MS {
        count(seconds.unsigned_abs(), "second", "seconds")
    } else {
        let minutes = (left + MINUTE_MS - 1) / MINUTE_MS;
        count(minutes.unsigned_abs(), "minute", "minutes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_never_told_too_short() {
        let now = Timestamp::from_millis(1_000_000);
        let words = |millis| left(now.plus_millis(millis), now);
        assert_eq!(words(30 * MINUTE_MS), "30 minutes");
        assert_eq!(words(29 * MINUTE_MS + 1), "30 minutes");
        assert_eq!(words(59_001), "60 seconds");
        assert_eq!(words(1_000), "1 second");
        assert_eq!(words(-5), "0 seconds");
    }

    #[test]
    fn an_ending_certificate_says_when_and_what_it_means() {
        let now = Timestamp::from_millis(1_795_000_000_000);
        let said = |days| certificate_ends("Contoso", now.plus_days(days), now);
        assert!(said(60).contains("ends in 60 days"), "{}", said(60));
        assert!(said(1).contains("ends in 1 day,"), "{}", said(1));
        assert!(said(0).contains("ends today"));
        assert!(said(-3).contains("ended on"));
    }
}
