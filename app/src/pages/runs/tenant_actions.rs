//! The changes of a plan to the tenant itself, each with before and after.

use leptos::prelude::*;
use signpost_federation::Certificate;
use signpost_model::federation::{FederationField, FederationSetup};
use signpost_model::{RunId, TenantAction};
use signpost_store::runs::tenant_actions::StoredTenantAction;

use super::actions::Answered;
use super::group_actions;
use crate::components::plural::{count, digits};
use crate::components::{
    Badge, Card, Column, DataTable, DiffList, Difference, Icon, Narrow, Pager, Pages, Tone,
};
use crate::urls;

/// Changes on one page.
pub(super) const ROWS: i64 = 50;

/// A page of the changes of a run to the tenant itself.
#[derive(Debug, Clone)]
pub(super) struct TenantPage {
    pub(super) actions: Vec<StoredTenantAction>,
    /// The place that the page begins after; zero for the first one.
    pub(super) after: i64,
    pub(super) total: i64,
}

/// The changes, when there are some.
#[component]
pub(super) fn TenantActions(run: RunId, page: TenantPage) -> impl IntoView {
    if page.total == 0 {
        return ().into_any();
    }
    let columns = vec![
        Column::new("What"),
        Column::new("Change"),
        Column::new("What will happen"),
        Column::new("Reason"),
        Column::new("Outcome"),
    ];
    let last = page.actions.last().map_or(page.after, |one| one.sequence);
    let at = |after: i64| urls::with_query(&urls::run(run), &[("after", &after.to_string())]);
    let pages = Pages {
        first: (page.after > 0).then(|| urls::run(run)),
        previous: (page.after > 0).then(|| at((page.after - ROWS).max(0))),
        next: (last < page.total).then(|| at(last)),
    };
    let summary = format!(
        "{} of {}",
        digits(page.actions.len() as u64),
        count(page.total.unsigned_abs(), "change", "changes")
    );
    let rows = page
        .actions
        .into_iter()
        .map(|action| view! { <Row action=action /> })
        .collect_view();
    view! {
        <Card
            id="tenant-changes"
            title="Changes to the tenant"
            hint="Its policies, domains and groups.".to_owned()
        >
            <DataTable caption="Changes to the tenant" columns=columns narrow=Narrow::Stacks>
                {rows}
            </DataTable>
            <footer class="card__foot">
                <Pager summary=summary pages=pages label="Pages of changes to the tenant" />
            </footer>
        </Card>
    }
    .into_any()
}

#[component]
fn Row(action: StoredTenantAction) -> impl IntoView {
    let (icon, tone) = look_of(&action.action);
    let (label, changes) = (action.action.label(), differences(&action.action));
    view! {
        <tr>
            <th scope="row">{action.subject.name.clone()}</th>
            <td>
                <Badge tone=tone icon=icon>
                    {label}
                </Badge>
            </td>
            <td>
                <DiffList changes=changes />
            </td>
            <td>{action.reason.text()}</td>
            <td>
                <Answered outcome=action.outcome state=action.state request_id=action.request_id />
            </td>
        </tr>
    }
    .into_any()
}

const fn look_of(action: &TenantAction) -> (Icon, Tone) {
    match action {
        TenantAction::SetSecurityDefaults { .. } | TenantAction::SetPerUserMfa { .. } => {
            (Icon::Lock, Tone::Warn)
        }
        TenantAction::AddSecret { .. } | TenantAction::AddCertificate { .. } => {
            (Icon::KeyRound, Tone::Info)
        }
        TenantAction::RemoveSecret { .. } | TenantAction::RemoveCertificate { .. } => {
            (Icon::Trash2, Tone::Warn)
        }
        TenantAction::Group { change, .. } => group_actions::look_of(change),
        TenantAction::Federate { .. } | TenantAction::UpdateFederation { .. } => {
            (Icon::Waypoints, Tone::Warn)
        }
        TenantAction::RevertFederation { .. } => (Icon::Undo2, Tone::Warn),
        TenantAction::SetAccountImmutableId { .. } => (Icon::IdCard, Tone::Info),
    }
}

/// Before and after of a change, in words.
pub(super) fn differences(action: &TenantAction) -> Vec<Difference> {
    match action {
        TenantAction::SetSecurityDefaults { before, after } => {
            let words = |on: bool| Some(if on { "On" } else { "Off" }.to_owned());
            vec![Difference::new(
                "Security defaults",
                words(*before),
                words(*after),
            )]
        }
        TenantAction::Group { change, .. } => group_actions::differences(change),
        TenantAction::SetPerUserMfa { before, after, .. } => vec![Difference::new(
            "Per-user MFA",
            Some(before.label().to_owned()),
            Some(after.label().to_owned()),
        )],
        TenantAction::AddSecret { name, ends_at, .. } => vec![
            Difference::new("Secret", None, Some(name.clone())),
            Difference::new("Ends", None, Some(ends_at.to_string())),
        ],
        TenantAction::RemoveSecret { name, .. } => {
            vec![Difference::new("Secret", Some(name.clone()), None)]
        }
        TenantAction::AddCertificate {
            thumbprint,
            ends_at,
            ..
        } => vec![
            Difference::new("Certificate", None, Some(thumbprint.clone())),
            Difference::new("Ends", None, Some(ends_at.to_string())),
        ],
        TenantAction::RemoveCertificate { thumbprint, .. } => {
            vec![Difference::new(
                "Certificate",
                Some(thumbprint.clone()),
                None,
            )]
        }
        TenantAction::Federate {
            after,
            tester,
            confirm_minutes,
            ..
        } => {
            let mut changes = setups(&FederationSetup::default(), after);
            let minutes = format!("{confirm_minutes} minutes");
            changes.push(Difference::new("Test sign-in", None, Some(tester.clone())));
            changes.push(Difference::new(
                "To be confirmed within",
                None,
                Some(minutes),
            ));
            changes
        }
        TenantAction::UpdateFederation { before, after, .. } => setups(before, after),
        TenantAction::RevertFederation { before, .. } => {
            let before = before.clone().unwrap_or_default();
            let words = |text: &str| Some(text.to_owned());
            let signs_in = Difference::new(
                "Who signs people in",
                words("The identity provider"),
                words("Microsoft"),
            );
            let mut changes = vec![signs_in];
            changes.extend(setups(&before, &FederationSetup::default()));
            changes
        }
        TenantAction::SetAccountImmutableId {
            before,
            after,
            by_way_of,
            ..
        } => {
            let mut changes = vec![Difference::new(
                "ImmutableId",
                before.clone(),
                Some(after.clone()),
            )];
            if let Some(way) = by_way_of {
                changes.push(Difference::new(
                    "Called for a moment",
                    None,
                    Some(way.clone()),
                ));
            }
            changes
        }
    }
}

/// Field by field; a certificate by its thumbprint.
fn setups(before: &FederationSetup, after: &FederationSetup) -> Vec<Difference> {
    let mut fields: Vec<FederationField> = before
        .fields()
        .chain(after.fields())
        .map(|(field, _)| field)
        .collect();
    fields.sort_unstable();
    fields.dedup();
    let words = |setup: &FederationSetup, field: FederationField| {
        let value = setup.get(field);
        let shown = if field.is_certificate() {
            Certificate::parse(value).map_or_else(
                |_| "A certificate that cannot be read".to_owned(),
                |certificate| format!("SHA-1 {}", certificate.sha1_fingerprint()),
            )
        } else {
            value.to_owned()
        };
        (!value.is_empty()).then_some(shown)
    };
    fields
        .into_iter()
        .map(|field| Difference::new(field.label(), words(before, field), words(after, field)))
        .collect()
}
