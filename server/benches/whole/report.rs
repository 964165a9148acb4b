//! What was measured, beside what it should be.

use std::fmt::Write as _;

use crate::machine;

/// The unit of a measured value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Count,
    Percent,
    Millis,
    Seconds,
    MiB,
    Kilobytes,
    /// Bytes of a file, in millions.
    Megabytes,
    PerSecond,
    Times,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Count => group(value),
            Self::Percent => format!("{value:.1} %"),
            Self::Millis if value < 10.0 => format!("{value:.1} ms"),
            Self::Millis => format!("{value:.0} ms"),
            Self::Seconds => format!("{value:.2} s"),
            Self::MiB => format!("{value:.0} MiB"),
            Self::Kilobytes => format!("{value:.1} kB"),
            Self::Megabytes => format!("{value:.1} MB"),
            Self::PerSecond => format!("{} /s", group(value)),
            Self::Times => format!("{value:.2} ×"),
        }
    }
}

/// A whole number with its thousands apart.
fn group(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Line {
    what: String,
    must: String,
    aim: String,
    measured: String,
    verdict: &'static str,
}

impl Line {
    /// A value that should be small.
    pub(crate) fn at_most(what: &str, unit: Unit, value: f64, must: f64, aim: f64) -> Self {
        let show = |bar: f64| format!("≤ {}", unit.show(bar));
        let verdict = verdict(value <= must, value <= aim);
        Self::judged(what, unit.show(value), (show(must), show(aim)), verdict)
    }

    /// A value that should be large.
    pub(crate) fn at_least(what: &str, unit: Unit, value: f64, must: f64, aim: f64) -> Self {
        let show = |bar: f64| format!("≥ {}", unit.show(bar));
        let verdict = verdict(value >= must, value >= aim);
        Self::judged(what, unit.show(value), (show(must), show(aim)), verdict)
    }

    /// A count that has to be exactly this.
    pub(crate) fn exactly(what: &str, value: f64, must: f64) -> Self {
        let bar = Unit::Count.show(must);
        let is_met = (value - must).abs() < 0.5;
        let verdict = verdict(is_met, is_met);
        Self::judged(what, Unit::Count.show(value), (bar.clone(), bar), verdict)
    }

    /// A value without a bar.
    pub(crate) fn told(what: &str, measured: impl Into<String>) -> Self {
        let none = || "–".to_owned();
        Self::judged(what, measured.into(), (none(), none()), "–")
    }

    /// A value without a bar, in a unit.
    pub(crate) fn plain(what: &str, unit: Unit, value: f64) -> Self {
        Self::told(what, unit.show(value))
    }

    fn judged(
        what: &str,
        measured: String,
        (must, aim): (String, String),
        verdict: &'static str,
    ) -> Self {
        let line = Self {
            what: what.to_owned(),
            must,
            aim,
            measured,
            verdict,
        };
        eprintln!("  {what}: {} ({})", line.measured, line.verdict);
        line
    }
}

/// The middle one of these values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

const MET_AND_AIM: &str = "met, aim too";
const MET: &str = "met";
const MISSED: &str = "**missed**";

fn verdict(must: bool, aim: bool) -> &'static str {
    match (must, aim) {
        (_, true) => MET_AND_AIM,
        (true, false) => MET,
        (false, false) => MISSED,
    }
}

/// Rows about one thing.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// How it was measured.
    pub(crate) note: String,
    pub(crate) lines: Vec<Line>,
}

/// The page.
#[derive(Debug)]
pub(crate) struct Report {
    started: std::time::Instant,
    load: String,
    sections: Vec<Section>,
}

impl Report {
    pub(crate) fn begin() -> Self {
        Self {
            started: std::time::Instant::now(),
            load: machine::load(),
            sections: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    pub(crate) fn extend(&mut self, sections: Vec<Section>) {
        self.sections.extend(sections);
    }

    /// Says which bars were missed, at the end of everything.
    pub(crate) fn tell_missed(&self) {
        for section in &self.sections {
            for line in section.lines.iter().filter(|line| line.verdict == MISSED) {
                eprintln!(
                    "missed: {}: {}: {} ({})",
                    section.title, line.what, line.measured, line.must
                );
            }
        }
    }

    /// The page in Markdown: of these sections, of those that another program wrote, and, when only
    /// parts were measured, of those that stood in the page before and were not measured now.
    pub(crate) fn finish(&self, before: &str, in_parts: bool) -> String {
        let new: Vec<(&str, String)> = (self.sections.iter())
            .map(|section| (section.title.as_str(), section.in_markdown()))
            .collect();
        let mut sections: Vec<(String, String)> = (before.split("\n## ").skip(1))
            .filter_map(|text| {
                let (title, _) = text.split_once('\n')?;
                Some((title.to_owned(), format!("## {}\n", text.trim_end())))
            })
            .filter(|(_, text)| in_parts || is_of_another(text))
            .collect();
        for (title, text) in new {
            match sections.iter_mut().find(|(known, _)| known == title) {
                Some((_, old)) => *old = text,
                None => sections.push((title.to_owned(), text)),
            }
        }
        sections.sort_by_key(|(_, text)| is_of_another(text));
        let count = |verdict: &str| -> usize {
            let ends = format!("| {verdict} |");
            let lines = sections.iter().flat_map(|(_, text)| text.lines());
            lines.filter(|line| line.ends_with(&ends)).count()
        };
        let missed = count(MISSED);
        let met = count(MET) + count(MET_AND_AIM);
        let mut page = "# Benchmarks\n\n".to_owned();
        let _ = writeln!(
            page,
            "Written by `make bench`: the release binary on SQLite in temporary folders, over real \
             HTTP, with a practice tenant in a process of its own that does not throttle unless a \
             section says so. Every process is measured from outside, by the operating system's own \
             counters. `make bench PARTS=\"sync portal\"` measures some parts again; the parts are \
             {}.\n",
            crate::PARTS.map(|part| format!("`{part}`")).join(", ")
        );
        let _ = writeln!(
            page,
            "- Machine: {}, shared with the load generator and the practice tenant; load average \
             {} before and {} after.",
            machine::shape(),
            self.load,
            machine::load()
        );
        let _ = writeln!(
            page,
            "- Took {:.0} minutes. {met} bars met, {missed} missed; `must` is the bar, `aim` the \
             wish.",
            self.started.elapsed().as_secs_f64() / 60.0,
        );
        let _ = writeln!(
            page,
            "- Shares and counts carry over to other machines; seconds and requests per second do \
             not."
        );
        for (_, text) in &sections {
            let _ = write!(page, "\n{text}");
        }
        page
    }
}

/// Whether a section says that another program than this one wrote it.
fn is_of_another(section: &str) -> bool {
    section.contains("\n\nWritten by `make ")
}

impl Section {
    fn in_markdown(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n", self.title, self.note);
        text.push_str("| what | measured | must | aim | |\n| --- | --- | --- | --- | --- |\n");
        for line in &self.lines {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                line.what, line.measured, line.must, line.aim, line.verdict
            );
        }
        text
    }
}
