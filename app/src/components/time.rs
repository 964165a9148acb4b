//! A moment in the organisation's time zone, with the exact value in its title.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use leptos::prelude::*;

/// The organisation's time zone; the server puts it into the context of each page.
#[derive(Debug, Clone)]
pub struct Zone(pub TimeZone);

/// The zone of this page; UTC when nobody said.
pub fn zone() -> TimeZone {
    use_context::<Zone>().map_or(TimeZone::UTC, |zone| zone.0)
}

/// How much of a moment is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// `23 Nov 2026, 14:05`
    #[default]
    Minute,
    /// `23 Nov 2026, 14:05:09`
    Second,
    /// `23 Nov 2026`
    Day,
    /// `14:05`, where the day is clear
    Clock,
}

/// A moment in words, for sentences that are put together elsewhere.
pub fn moment(at: Timestamp, precision: Precision) -> String {
    words(at, precision, zone())
}

fn words(at: Timestamp, precision: Precision, zone: TimeZone) -> String {
    let format = match precision {
        Precision::Minute => "%-d %b %Y, %H:%M",
        Precision::Second => "%-d %b %Y, %H:%M:%S",
        Precision::Day => "%-d %b %Y",
        Precision::Clock => "%H:%M",
    };
    at.to_zoned(zone).strftime(format).to_string()
}

/// A moment on the page.
#[component]
pub fn Time(at: Timestamp, #[prop(optional)] precision: Precision) -> impl IntoView {
    let zone = zone();
    let exact = at
        .to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S %:z")
        .to_string();
    view! {
        <time datetime=at.to_string() title=exact>
            {words(at, precision, zone)}
        </time>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_the_organisations_zone() {
        let at: Timestamp = "2026-11-23T23:05:09Z".parse().unwrap();
        let lisbon = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(
            words(at, Precision::Minute, lisbon.clone()),
            "24 Nov 2026, 00:05"
        );
        assert_eq!(words(at, Precision::Day, lisbon), "24 Nov 2026");
        assert_eq!(
            words(at, Precision::Second, TimeZone::UTC),
            "23 Nov 2026, 23:05:09"
        );
    }
}
