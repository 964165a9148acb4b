//! One check on the page: its state, what is, what to do next, and who answers for it.

use leptos::prelude::*;
use signpost_model::readiness::{CheckState, HandMark};
use signpost_store::account_readings::Phase;
use signpost_store::readiness::KnownCheck;

use super::clicks::Clicks;
use super::ways::Ways;
use super::{Shown, status_of, time};
use crate::components::{Button, ButtonSize, Check, Expander, Form, StatusBadge, TextField};
use crate::urls;

#[component]
pub(super) fn OneCheck(known: KnownCheck, shown: Shown) -> impl IntoView {
    let state = known.state();
    let check = known.check.clone();
    let (key, id, may) = (check.key, shown.id, shown.may);
    let title = key.label();
    let next = (!state.is_settled() && !check.next.is_empty())
        .then(|| view! { <p class="strong">{check.next.clone()}</p> });
    let notes = (!check.notes.is_empty()).then(|| {
        let notes = check.notes.clone();
        let rows = notes
            .into_iter()
            .map(|note| view! { <li>{note}</li> })
            .collect_view();
        view! { <ul class="checklist__findings">{rows}</ul> }
    });
    let waiver = known.waiver.clone().filter(|_| state == CheckState::Waived);
    let waived = waiver.map(|waiver| {
        let reason = (!waiver.reason.is_empty()).then(|| format!(": {}", waiver.reason));
        view! {
            <p>
                "Waived by " {waiver.by} " " {time(waiver.at)} {reason} ". "
            </p>
            {may.then(|| view! {
                <Form action="/api/readiness/withdraw">
                    <input type="hidden" name="application" value=id.to_string() />
                    <input type="hidden" name="check" value=key.key() />
                    <Button size=ButtonSize::Small label=format!("Withdraw waiver: {title}")>
                        "Withdraw waiver"
                    </Button>
                </Form>
            })}
        }
    });
    let clicks = (!state.is_settled())
        .then(|| view! { <Clicks check=key practice=shown.practice.clone() /> });
    let tally = shown
        .reading
        .as_ref()
        .filter(|reading| reading.phase == Phase::Done)
        .map(|reading| reading.tally);
    let settled = state.is_settled();
    let ways = view! { <Ways id=id check=key settled=settled tally=tally /> };
    let mark = key
        .hand_mark()
        .map(|mark| view! { <Mark mark=mark shown=shown.clone() /> });
    let waive = (may && check.may_be_waived() && state != CheckState::Waived).then(|| {
        let field = format!("reason-{}", key.key());
        let error = shown.form.error(&field);
        let open = error.is_some();
        let value = shown.form.value(&field, "");
        view! {
            <Expander summary="Waive this check" open=open>
                <Form action="/api/readiness/waive" class="stack stack--tight">
                    <input type="hidden" name="application" value=id.to_string() />
                    <input type="hidden" name="check" value=key.key() />
                    <input type="hidden" name="state" value=check.state.key() />
                    <TextField
                        name=field
                        label=format!("Why {title} may stay as it is")
                        value=value
                        hint="Your name and this reason stand on the page and in the audit log. Something worse brings the check back.".to_owned()
                        error=error
                        max_length=200
                        required=true
                    />
                    <div class="row">
                        <Button label=format!("Waive: {title}")>"Waive"</Button>
                    </div>
                </Form>
            </Expander>
        }
    });
    let history = urls::application_check(id, key.key());
    let checked = known.checked_at;
    let more = move || {
        view! {
            {next}
            {notes}
            {ways}
            {waived}
            {clicks}
            {mark}
            {waive}
            <p class="hint">
                "Checked " {time(checked)} " · "
                <a href=history aria-label=format!("History of {title}")>"History"</a>
            </p>
        }
    };
    let recheck = may.then(|| {
        view! {
            <Form action="/api/readiness/check">
                <input type="hidden" name="application" value=id.to_string() />
                <input type="hidden" name="check" value=key.key() />
                <Button size=ButtonSize::Small label=format!("Check again: {title}")>"Check again"</Button>
            </Form>
        }
    });
    view! {
        <Check status=status_of(state) title=title detail=check.sentence.clone() more=more>
            <div class="row">
                <StatusBadge status=status_of(state) />
                {recheck}
            </div>
        </Check>
    }
    .into_any()
}

/// What an operator ticks that Microsoft shows to nobody else.
#[component]
fn Mark(mark: HandMark, shown: Shown) -> impl IntoView {
    let marked = shown
        .marks
        .iter()
        .find(|(known, _)| *known == mark)
        .map(|(_, marked)| marked.clone());
    let ticked = marked.is_some();
    let said = marked.map(|marked| {
        view! { <p>"Ticked by " {marked.by} " " {time(marked.at)} "."</p> }
    });
    let (id, label) = (shown.id, mark.label());
    let words = if ticked {
        "Take back"
    } else {
        "I have seen it"
    };
    let form = shown.may.then(|| {
        view! {
            <Form action="/api/readiness/mark">
                <input type="hidden" name="application" value=id.to_string() />
                <input type="hidden" name="mark" value=mark.key() />
                <input type="hidden" name="ticked" value=if ticked { "no" } else { "yes" } />
                <Button size=ButtonSize::Small label=format!("{words}: {label}")>{words}</Button>
            </Form>
        }
    });
    view! {
        <p>"Look for: " <b>{label}</b></p>
        {said}
        {form}
    }
    .into_any()
}
