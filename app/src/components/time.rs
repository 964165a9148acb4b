//! A moment in the organisation's time zone, with the exact value in its title.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
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
    words(&at.to_zoned(zone()), precision)
}

fn words(at: &Zoned, precision: Precision) -> String {
    let format = match precision {
        Precision::Minute => "%-d %b %Y, %H:%M",
        Precision::Second => "%-d %b %Y, %H:%M:%S",
        Precision::Day => "%-d %b %Y",
        Precision::Clock => "%H:%M",
    };
    at.strftime(format).to_string()
}

/// The texts of a moment on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// For machines.
    pub datetime: String,
    /// To the second, with the offset.
    pub exact: String,
    pub words: String,
}

impl Moment {
    /// A moment as it is told in this zone.
    pub fn of(at: Timestamp, precision: Precision, zone: TimeZone) -> Self {
        let here = at.to_zoned(zone);
        Self {
            datetime: at.to_string(),
            exact: here.strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
            words: words(&here, precision),
        }
    }

    /// Its element.
    pub fn into_view(self) -> impl IntoView {
        view! {
            <time datetime=self.datetime title=self.exact>
                {self.words}
            </time>
        }
    }
}

/// A moment on the page.
#[component]
pub fn Time(at: Timestamp, #[prop(optional)] precision: Precision) -> impl IntoView {
    Moment::of(at, precision, zone()).into_view()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_the_organisations_zone() {
        let at: Timestamp = "2026-11-23T23:05:09Z".parse().unwrap();
        let lisbon = TimeZone::fixed(jiff::tz::offset(1));
        let told = Moment::of(at, Precision::Minute, lisbon.clone());
        assert_eq!(told.words, "24 Nov 2026, 00:05");
        assert_eq!(told.exact, "2026-11-24 00:05:09 +01:00");
        assert_eq!(told.datetime, "2026-11-23T23:05:09Z");
        let day = Moment::of(at, Precision::Day, lisbon);
        assert_eq!(day.words, "24 Nov 2026");
        let second = Moment::of(at, Precision::Second, TimeZone::UTC);
        assert_eq!(second.words, "23 Nov 2026, 23:05:09");
    }
}
