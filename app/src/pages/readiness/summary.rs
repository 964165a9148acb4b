//! How many checks came out how: on top of the page, and for the Overview.

use leptos::prelude::*;
use signpost_model::ApplicationId;
use signpost_model::readiness::CheckState;
use signpost_store::readiness::KnownCheck;

use super::{Shown, time};
use crate::components::plural::count;
use crate::components::{
    Badge, Button, Card, Check, Checklist, EmptyState, Form, Icon, LinkButton, Look, Ring,
};
use crate::urls;

/// Open checks that the Overview names.
const NAMED: usize = 3;

/// How many checks are in which state.
fn tally(checks: &[KnownCheck]) -> Vec<(CheckState, usize)> {
    CheckState::ALL
        .iter()
        .map(|state| {
            let number = checks.iter().filter(|known| known.state() == *state);
            (*state, number.count())
        })
        .filter(|(_, number)| *number > 0)
        .collect()
}

fn settled(checks: &[KnownCheck]) -> usize {
    checks
        .iter()
        .filter(|known| known.state().is_settled())
        .count()
}

/// As in `14 of 18 checks passed`.
fn sentence(checks: &[KnownCheck]) -> String {
    let all = checks.len();
    let settled = settled(checks);
    if settled == all {
        return format!("All {all} checks passed.");
    }
    format!("{settled} of {all} checks passed.")
}

#[component]
fn RecheckAll(id: ApplicationId, first: bool) -> impl IntoView {
    let words = if first {
        "Check readiness"
    } else {
        "Check all again"
    };
    view! {
        <Form action="/api/readiness/check">
            <input type="hidden" name="application" value=id.to_string() />
            <Button look=Look::Primary icon=Icon::RefreshCw>{words}</Button>
        </Form>
    }
    .into_any()
}

/// The card on top of the page.
#[component]
pub(super) fn PageSummary(shown: Shown) -> impl IntoView {
    let (id, may) = (shown.id, shown.may);
    if shown.checks.is_empty() {
        return view! {
            <Card id="summary" title="Readiness">
                <EmptyState
                    icon=Icon::ShieldCheck
                    title="Not checked yet"
                    why="Signpost looks at the tenant, at its own address and at its own settings, and says for each what to do next. Looking changes nothing."
                >
                    {may.then(|| view! { <RecheckAll id=id first=true /> })}
                </EmptyState>
            </Card>
        }
        .into_any();
    }
    let badges = tally(&shown.checks)
        .into_iter()
        .map(|(state, number)| {
            let status = super::status_of(state);
            view! {
                <li>
                    <Badge tone=status.tone icon=status.icon>{number} " " {status.word}</Badge>
                </li>
            }
        })
        .collect_view();
    let (done, total) = (
        u32::try_from(settled(&shown.checks)).unwrap_or(0),
        u32::try_from(shown.checks.len()).unwrap_or(0),
    );
    let oldest = shown.checks.iter().map(|known| known.checked_at).min();
    let blocked = shown
        .checks
        .iter()
        .filter(|known| known.state() == CheckState::Failed && known.check.key.locks_out())
        .count();
    let blocked = (blocked > 0).then(|| {
        let number = count(blocked as u64, "failed check", "failed checks");
        view! {
            <p class="text-bad">
                {number} " would lock people out if the domain were handed over now."
            </p>
        }
    });
    view! {
        <Card
            id="summary"
            title="Readiness"
            hint=sentence(&shown.checks)
            lead=move || view! { <Ring done=done total=total /> }
            actions=move || may.then(|| view! { <RecheckAll id=id first=false /> })
        >
            <div class="card__body stack stack--tight">
                <ul class="row" role="list" aria-label="Checks by state">{badges}</ul>
                {blocked}
                <p class="hint">"Checked " {oldest.and_then(time)}</p>
            </div>
        </Card>
    }
    .into_any()
}

/// The card on the Overview: what is open, the worst first.
#[component]
pub fn SummaryCard(
    id: ApplicationId,
    application: String,
    checks: Vec<KnownCheck>,
) -> impl IntoView {
    let (done, total) = (
        u32::try_from(settled(&checks)).unwrap_or(0),
        u32::try_from(checks.len()).unwrap_or(0),
    );
    let mut open: Vec<KnownCheck> = checks
        .iter()
        .filter(|known| !known.state().is_settled())
        .cloned()
        .collect();
    open.sort_by_key(|known| std::cmp::Reverse(known.state()));
    let more = open.len().saturating_sub(NAMED);
    let rows = open
        .into_iter()
        .take(NAMED)
        .map(|known| {
            let status = super::status_of(known.state());
            let label = known.check.key.label();
            view! { <Check status=status title=label detail=known.check.sentence /> }
        })
        .collect_view();
    let title = format!("Readiness of {application}");
    let href = urls::application_readiness(id);
    let list = (done < total).then(|| view! { <Checklist label=title.clone()>{rows}</Checklist> });
    let more = (more > 0).then(|| {
        view! { <p class="card__body hint">{count(more as u64, "more check is", "more checks are")} " open."</p> }
    });
    let hint = if checks.is_empty() {
        "Not checked yet.".to_owned()
    } else {
        sentence(&checks)
    };
    view! {
        <Card
            id=format!("readiness-{id}")
            title=title
            hint=hint
            lead=move || view! { <Ring done=done total=total.max(1) /> }
            actions=move || view! { <LinkButton href=href>"Open Readiness"</LinkButton> }
        >
            {list}
            {more}
        </Card>
    }
    .into_any()
}
