//! What happened to a user, from the audit trail.

use std::collections::HashMap;

use leptos::prelude::*;
use serde_json::{Map, Value};
use signpost_model::audit::AuditEvent;
use signpost_model::{Attribute, UserId};
use signpost_store::audit::{self, AuditFilter};
use signpost_store::{PageRequest, Read, users};

use crate::components::{Card, DiffList, Difference, Event, Icon, Time, Timeline};
use crate::error::PortalError;

/// Events on the page; the audit log has the rest.
const SHOWN: u32 = 20;

/// One event in words.
#[derive(Debug)]
pub(super) struct Happened {
    at: Option<jiff::Timestamp>,
    words: String,
    icon: Icon,
    changes: Vec<Difference>,
}

/// The newest events of a user.
pub(super) async fn load(read: &mut Read, user: UserId) -> Result<Vec<Happened>, PortalError> {
    let filter = AuditFilter {
        subject_kind: Some("user".to_owned()),
        subject_id: Some(user.to_string()),
        ..AuditFilter::default()
    };
    let events = audit::list(read, &filter, &PageRequest::first(SHOWN))
        .await?
        .items;
    let managers = managers(read, &events).await?;
    Ok(events
        .into_iter()
        .map(|event| happened(event, &managers))
        .collect())
}

fn fields(json: Option<&String>) -> Map<String, Value> {
    json.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The names of the managers that events speak of.
async fn managers(
    read: &mut Read,
    events: &[AuditEvent],
) -> Result<HashMap<String, String>, PortalError> {
    let ids: Vec<UserId> = events
        .iter()
        .flat_map(|event| [fields(event.before.as_ref()), fields(event.after.as_ref())])
        .filter_map(|fields| fields.get("manager_id")?.as_str()?.parse().ok())
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = users::find_many(read, &ids).await?;
    Ok(found
        .into_iter()
        .map(|user| (user.id.to_string(), user.profile.display_name))
        .collect())
}

fn happened(event: AuditEvent, managers: &HashMap<String, String>) -> Happened {
    let (verb, icon) = match event.action.as_str() {
        "user.created" => ("Added", Icon::UserRoundPlus),
        "user.updated" => ("Changed", Icon::Pencil),
        "user.enabled" => ("Enabled", Icon::UserRoundCheck),
        "user.disabled" => ("Disabled", Icon::Ban),
        "user.deleted" => ("Deleted", Icon::Trash2),
        "user.restored" => ("Restored", Icon::Undo2),
        "user.invited" => ("Invited", Icon::KeyRound),
        "user.password_reset_issued" => ("Link for a new password made", Icon::KeyRound),
        "user.password_changed" => ("Password set", Icon::KeyRound),
        "user.signed_in" => ("Signed in", Icon::KeyRound),
        "user.sign_in_refused" => ("Sign-in refused", Icon::Ban),
        "user.sessions_ended" => ("Sessions ended", Icon::LogOut),
        "user.second_factor_added" | "user.passkey_added" => {
            ("Second factor added", Icon::KeyRound)
        }
        "user.second_factor_removed" | "user.passkey_removed" | "user.second_factors_removed" => {
            ("Second factor removed", Icon::Ban)
        }
        "user.recovery_code_used" => ("Recovery code used", Icon::KeyRound),
        "user.recovery_codes_replaced" => ("Recovery codes replaced", Icon::KeyRound),
        "account.restore_requested" => ("Account restored", Icon::Undo2),
        "leaving.postponed" => ("Leaving postponed", Icon::Hourglass),
        "leaving.resumed" => ("Leaving resumed", Icon::Play),
        "match.linked" => ("Linked with an account", Icon::UserRoundCheck),
        "match.left_out" => ("Left out of matching", Icon::Ban),
        "match.reopened" => ("Matched again", Icon::UserRoundCheck),
        "drift.accepted" => ("Change in the tenant accepted", Icon::Check),
        "drift.reverted" => ("Change in the tenant reverted", Icon::Undo2),
        "drift.ignored" => ("Change in the tenant ignored", Icon::Ban),
        "drift.reopened" => ("Change in the tenant looked at again", Icon::RefreshCw),
        _ => ("Changed", Icon::Pencil),
    };
    let (before, after) = (fields(event.before.as_ref()), fields(event.after.as_ref()));
    Happened {
        at: event.at.to_jiff(),
        words: format!("{verb} by {}", event.actor_name),
        icon,
        changes: changes(&before, &after, managers),
    }
}

fn changes(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    managers: &HashMap<String, String>,
) -> Vec<Difference> {
    let value = |fields: &Map<String, Value>, key: &str| {
        let text = fields.get(key)?.as_str()?;
        let named = managers.get(text).map_or(text, String::as_str);
        (!named.is_empty()).then(|| named.to_owned())
    };
    let labels = Attribute::ALL
        .into_iter()
        .map(|attribute| (attribute.key(), attribute.label()))
        .chain([("manager_id", "Manager")]);
    labels
        .filter(|(key, _)| before.contains_key(*key) || after.contains_key(*key))
        .map(|(key, label)| Difference::new(label, value(before, key), value(after, key)))
        .collect()
}

/// The card.
#[component]
pub(super) fn History(events: Vec<Happened>) -> impl IntoView {
    if events.is_empty() {
        return view! {
            <Card id="history" title="History">
                <p class="card__body hint">
                    "Nothing was changed here yet. An import is one event of its own in the audit log."
                </p>
            </Card>
        }
        .into_any();
    }
    let items = events
        .into_iter()
        .map(|event| {
            let at = event.at;
            let changes =
                (!event.changes.is_empty()).then(|| view! { <DiffList changes=event.changes /> });
            view! {
                <Event icon=event.icon when=move || at.map(|at| view! { <Time at=at /> })>
                    {event.words}
                    {changes}
                </Event>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <Card id="history" title="History">
            <div class="card__body">
                <Timeline label="History">{items}</Timeline>
            </div>
        </Card>
    }
    .into_any()
}
