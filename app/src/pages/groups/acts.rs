//! Deleting groups and bringing them back.

use leptos::prelude::*;
use signpost_model::{GroupId, Role};
use signpost_store::{Constraint, Error, groups};

use crate::components::plural::count;
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Posted, respond};
use crate::listing::Query;
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Deletes or restores the ticked groups.
#[server(prefix = "/api", endpoint = "groups/change")]
pub async fn change_groups(
    #[server(default)] act: String,
    #[server(default)] list: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let back = Query::parse(&list).address(urls::GROUPS);
        let posted = Posted::current();
        let mut ids: Vec<GroupId> = posted
            .all("ids")
            .take(signpost_store::users::MAX_AT_ONCE)
            .filter_map(|id| id.parse().ok())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let Some(first) = ids.first().copied() else {
            return Err(FormErrors::summary("Tick the groups first.").refuse(back));
        };
        let (portal, author) = (portal()?, visit().author());
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let delete = match act.as_str() {
            "delete" => true,
            "restore" => false,
            _ => return Err(PortalError::BadRequest.into()),
        };
        let changed = if delete {
            groups::delete(&mut tx, &ids, &author, now).await?
        } else {
            match groups::restore(&mut tx, &ids, &author, now).await {
                Err(Error::Conflict(Constraint::GroupName)) => {
                    let text = "No group was restored: a name was given to another group \
                                meanwhile. Rename that one, then restore again.";
                    return Err(FormErrors::summary(text).refuse(back));
                }
                restored => restored?,
            }
        };
        let named = changed.first().copied().unwrap_or(first);
        let group = groups::find(&mut tx, named).await?;
        let group = group.ok_or(PortalError::NotFound)?;
        tx.commit().await?;
        portal.worker.notify_one();
        // Nothing to change: a second click on the same button. It gets the same answer.
        let done = if changed.is_empty() { ids } else { changed };
        let who = match done.len() {
            1 => format!("{} is", group.name),
            n => format!("{} are", count(n as u64, "group", "groups")),
        };
        let (words, undo) = if delete {
            let text = format!(
                "{who} deleted, and gives nothing to its members any more. You can restore it \
                 for 30 days."
            );
            (text, "restore")
        } else {
            (format!("{who} back, with its members."), "delete")
        };
        let fields = done
            .iter()
            .map(|id| ("ids", id.to_string()))
            .chain([("act", undo.to_owned()), ("list", list.clone())]);
        let notice = Notice::success(words).undo("/api/groups/change", fields);
        Ok(Answer::to(back).notice(notice))
    })
    .await
}
