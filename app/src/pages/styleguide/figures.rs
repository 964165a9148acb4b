//! Tiles, charts, checklists, timelines.

use jiff::Timestamp;
use leptos::prelude::*;

use crate::components::plural::count;
use crate::components::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_default()
}

/// The tiles at the top.
#[component]
pub(super) fn Figures() -> impl IntoView {
    view! {
        <StatTiles>
            <StatTile label="Users in sync" icon=Icon::UserRoundCheck figure="376" unit="of 412">
                "33 waiting, "
                <a href="#plan">{count(3, "problem", "problems")}</a>
            </StatTile>
            <StatTile label="Last sync" icon=Icon::FolderSync figure="13:00" unit="today">
                "4 changes in 11 seconds, next at 15:00"
            </StatTile>
            <StatTile label="Client secret" icon=Icon::KeyRound figure="21" unit="days left">
                <a href="#provisioning">"Replace it before 14 December"</a>
            </StatTile>
            <StatTile label="Microsoft 365 E3" icon=Icon::IdCard figure="35" unit="of 420 seats free">
                "11 free after the waiting sync"
            </StatTile>
        </StatTiles>
    }
}

/// A checklist behind a ring.
#[component]
pub(super) fn Readiness() -> impl IntoView {
    view! {
        <Card
            id="readiness"
            title="Readiness for Microsoft 365"
            hint="3 of 5 steps done.".to_owned()
            lead=|| view! { <Ring done=3 total=5 /> }
        >
            <Checklist label="Readiness">
                <Check
                    status=Status::ATTENTION
                    title="Turn off security defaults"
                    detail="Still on in Entra, so users would be asked for MFA twice. Turn on Signpost MFA first.".to_owned()
                >
                    <LinkButton href="#readiness" size=ButtonSize::Small>"Show steps"</LinkButton>
                </Check>
                <Check status=Status::UNKNOWN title="Per-user MFA" detail="The permission Policy.Read.All is missing.".to_owned() />
                <Check status=Status::PASSED title="App registration and secret">
                    <span class="hint">
                        "Secret ends "
                        <Time at=at("2026-12-14T00:00:00Z") precision=Precision::Day />
                    </span>
                </Check>
                <Check status=Status::PASSED title="Domain contoso.example verified" />
            </Checklist>
        </Card>
    }
}

/// Meters with names.
#[component]
pub(super) fn Licenses() -> impl IntoView {
    view! {
        <Card id="usage" title="License usage" actions=|| view! { <a class="hint" href="#usage">"All licenses"</a> }>
            <div class="card__body stack">
                <NamedMeter name="Exchange Plan 1" usage=Usage { used: 50, planned: 0, total: 50 } />
                <NamedMeter name="Microsoft 365 E3" usage=Usage { used: 385, planned: 24, total: 420 } />
                <NamedMeter name="Power BI Pro" usage=Usage { used: 31, planned: 0, total: 120 } />
            </div>
        </Card>
    }
}

/// A timeline.
#[component]
pub(super) fn Activity() -> impl IntoView {
    view! {
        <Card id="activity" title="Recent activity">
            <Timeline label="Recent activity">
                <Event icon=Icon::SearchCheck when=|| view! { <Time at=at("2026-11-23T14:05:00Z") precision=Precision::Clock /> }>
                    <b>"Alice"</b>
                    " made a preview for "
                    <a href="#activity">"Microsoft 365"</a>
                </Event>
                <Event
                    icon=Icon::CircleX
                    tone=Tone::Bad
                    when=|| view! { <Time at=at("2026-11-23T13:06:03Z") precision=Precision::Second /> }
                >
                    <b>"License not given."</b>
                    " Usage location is empty."
                </Event>
                <Event icon=Icon::KeyRound when=|| view! { <Time at=at("2026-11-12T09:12:00Z") precision=Precision::Day /> }>
                    <b>"Alice"</b>
                    " replaced the client secret"
                </Event>
            </Timeline>
        </Card>
    }
}

/// The chart of runs.
#[component]
pub(super) fn Runs() -> impl IntoView {
    let changed = [
        6, 2, 0, 5, 9, 1, 0, 3, 7, 4, 12, 3, 2, 0, 6, 8, 16, 5, 0, 2, 11, 14, 4, 0, 7, 21, 3, 5, 0,
        9,
    ];
    let bars = changed
        .iter()
        .enumerate()
        .map(|(at, changed)| RunBar {
            changed: *changed,
            failed: if at % 11 == 8 { 3 } else { 0 },
        })
        .collect();
    let axis = ["20 Nov", "21 Nov", "22 Nov", "23 Nov", "Now"]
        .map(str::to_owned)
        .to_vec();
    view! {
        <Card id="runs" title="Runs" hint="Changes in each of the last runs".to_owned() actions=|| view! { <RunChartLegend /> }>
            <div class="card__body">
                <RunChart bars=bars axis=axis />
            </div>
        </Card>
    }
}
