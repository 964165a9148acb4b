//! Seats: what is used, what a plan would add, out of how many. The numbers stand beside it as text.

use leptos::prelude::*;

use super::plural::digits;

/// How much of something is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Taken now.
    pub used: u64,
    /// Taken after the plan, on top.
    pub planned: u64,
    /// All there are.
    pub total: u64,
}

impl Usage {
    /// Shares in tenths of a percent, never more than the whole together.
    fn shares(self) -> (u64, u64) {
        let share = |part: u64| {
            (part.saturating_mul(1000))
                .checked_div(self.total)
                .unwrap_or(0)
                .min(1000)
        };
        let used = share(self.used);
        (
            used,
            share(self.used.saturating_add(self.planned)).saturating_sub(used),
        )
    }

    /// Nothing is left, now or after the plan.
    pub const fn is_full(self) -> bool {
        self.used.saturating_add(self.planned) >= self.total
    }
}

fn percent(tenths: u64) -> String {
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// The bar with its numbers below.
#[component]
pub fn Meter(usage: Usage) -> impl IntoView {
    let free = digits(usage.total.saturating_sub(usage.used));
    let words = format!(
        "{} of {} used, {free} free",
        digits(usage.used),
        digits(usage.total)
    );
    let planned = (usage.planned > 0).then(|| format!("+{} planned", digits(usage.planned)));
    view! {
        <div class="meter">
            <Bar usage=usage />
            <span class="meter__numbers">
                <span>{words}</span>
                {planned.map(|words| view! { <span class="push">{words}</span> })}
            </span>
        </div>
    }
}

/// The bar with a name before it, for a list of them.
#[component]
pub fn NamedMeter(#[prop(into)] name: String, usage: Usage) -> impl IntoView {
    let taken = format!("{} of {}", digits(usage.used), digits(usage.total));
    let rest = match usage {
        Usage { planned: 0, .. } if usage.is_full() => view! { <span class="text-bad strong">{taken}", none left"</span> }.into_any(),
        Usage { planned: 0, .. } => view! { <span>{taken}</span> }.into_any(),
        Usage { planned, .. } => {
            view! { <span>{taken}", "<span class="text-2">{digits(planned)}" planned"</span></span> }.into_any()
        }
    };
    view! {
        <div class="meter">
            <div class="meter__label">
                <span class="strong grow">{name}</span>
                <span class="hint num">{rest}</span>
            </div>
            <Bar usage=usage />
        </div>
    }
}

#[component]
fn Bar(usage: Usage) -> impl IntoView {
    let (used, planned) = usage.shares();
    let class = if usage.total == 0 {
        "bar bar--quiet"
    } else if usage.is_full() {
        "bar bar--full"
    } else {
        "bar"
    };
    view! {
        <svg class=class width="100%" height="8" aria-hidden="true">
            <rect class="bar__used" width=percent(used) height="8"></rect>
            {(planned > 0)
                .then(|| view! { <rect class="bar__planned" x=percent(used) width=percent(planned) height="8"></rect> })}
        </svg>
    }
}

/// What the colours of meters mean.
#[component]
pub fn MeterLegend() -> impl IntoView {
    view! {
        <p class="legend">
            <span class="legend__entry">"Used now"</span>
            <span class="legend__entry legend__entry--planned">"Added by the plan"</span>
        </p>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_pass_the_whole() {
        assert_eq!(
            Usage {
                used: 385,
                planned: 24,
                total: 420
            }
            .shares(),
            (916, 57)
        );
        assert_eq!(
            Usage {
                used: 50,
                planned: 24,
                total: 50
            }
            .shares(),
            (1000, 0)
        );
        assert_eq!(
            Usage {
                used: 3,
                planned: 1,
                total: 0
            }
            .shares(),
            (0, 0)
        );
        assert_eq!(percent(57), "5.7%");
    }
}
