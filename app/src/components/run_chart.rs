//! The last runs as bars: how much each changed, how much it left out. A table beside it holds the same numbers.

use leptos::prelude::*;

use super::plural::{count, digits};

/// One run's bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunBar {
    /// Actions applied.
    pub changed: u64,
    /// Users left out, actions failed.
    pub failed: u64,
}

const WIDTH: f64 = 1200.0;
const FLOOR: f64 = 75.0;
const TALLEST: f64 = 66.0;
const MOST_BARS: usize = 60;
/// Fewer runs than this do not get wider bars: they stand at the end, where now is.
const LEAST_SLOTS: usize = 30;

/// The chart of the newest 60 runs, the newest last; `axis` are the words below it, from left to right.
#[component]
pub fn RunChart(bars: Vec<RunBar>, axis: Vec<String>) -> impl IntoView {
    let skipped = bars.len().saturating_sub(MOST_BARS);
    let bars = bars.get(skipped..).unwrap_or_default();
    let label = message(bars);
    view! { <Bars bars=bars.to_vec() axis=axis label=label name="run-chart" /> }
}

/// How long each of the newest 60 runs took, the newest last; a run that did not end has no bar.
#[component]
pub fn DurationChart(seconds: Vec<u64>, axis: Vec<String>) -> impl IntoView {
    let skipped = seconds.len().saturating_sub(MOST_BARS);
    let seconds = seconds.get(skipped..).unwrap_or_default();
    let longest = seconds.iter().copied().max().unwrap_or(0);
    let label = format!(
        "Time taken by each of the last {}. The longest took {}.",
        count(seconds.len() as u64, "run", "runs"),
        count(longest, "second", "seconds")
    );
    let bars = seconds
        .iter()
        .map(|&changed| RunBar { changed, failed: 0 })
        .collect();
    view! { <Bars bars=bars axis=axis label=label name="duration-chart" /> }
}

#[component]
fn Bars(bars: Vec<RunBar>, axis: Vec<String>, label: String, name: &'static str) -> impl IntoView {
    let most = bars
        .iter()
        .map(|bar| bar.changed + bar.failed)
        .max()
        .unwrap_or(0);
    let slots = bars.len().max(LEAST_SLOTS);
    let first = slots - bars.len();
    let slot = WIDTH / slots as f64;
    let shapes = bars
        .iter()
        .enumerate()
        .map(|(at, bar)| shape(*bar, (first + at) as f64 * slot, slot, most))
        .collect_view();
    view! {
        <svg
            class="runs"
            viewBox="0 0 1200 76"
            preserveAspectRatio="none"
            role="img"
            aria-label=label
            data-testid=name
        >
            {shapes}
            <line class="runs__floor" x1="0" x2="1200" y1="75.5" y2="75.5" vector-effect="non-scaling-stroke"></line>
        </svg>
        <p class="runs__axis" aria-hidden="true">
            {axis.into_iter().map(|words| view! { <span>{words}</span> }).collect_view()}
        </p>
    }
}

/// What the picture says, in words.
fn message(bars: &[RunBar]) -> String {
    let most = bars.iter().map(|bar| bar.changed).max().unwrap_or(0);
    let failed = bars.iter().filter(|bar| bar.failed > 0).count() as u64;
    let runs = count(bars.len() as u64, "run", "runs");
    let problems = match failed {
        0 => "None left users out.".to_owned(),
        n => format!("{} left users out.", count(n, "run", "runs")),
    };
    format!(
        "Changes in each of the last {runs}. Most changes in one run: {}. {problems}",
        digits(most)
    )
}

fn shape(bar: RunBar, from: f64, slot: f64, most: u64) -> AnyView {
    let x = format!("{:.1}", slot.mul_add(0.225, from));
    let width = format!("{:.1}", slot * 0.55);
    if bar.changed + bar.failed == 0 {
        return view! { <rect class="runs__none" x=x y="73" width=width height="2"></rect> }
            .into_any();
    }
    let height = |n: u64| {
        if n == 0 {
            0.0
        } else {
            (n as f64 / most.max(1) as f64 * TALLEST).max(2.5)
        }
    };
    let (changed, failed) = (height(bar.changed), height(bar.failed));
    let gap = if changed > 0.0 { 1.5 } else { 0.0 };
    let part = |class: &'static str, top: f64, height: f64| {
        (height > 0.0).then(|| {
            view! {
                <rect
                    class=class
                    x=x.clone()
                    y=format!("{top:.1}")
                    width=width.clone()
                    height=format!("{height:.1}")
                    rx="1.5"
                ></rect>
            }
        })
    };
    view! {
        {part("runs__changed", FLOOR - changed, changed)}
        {part("runs__failed", FLOOR - changed - gap - failed, failed)}
    }
    .into_any()
}

/// What the colours of the chart mean.
#[component]
pub fn RunChartLegend() -> impl IntoView {
    view! {
        <p class="legend">
            <span class="legend__entry">"Changed"</span>
            <span class="legend__entry legend__entry--bad">"Left out or failed"</span>
        </p>
    }
}
