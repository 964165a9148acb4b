//! Taking assignments back: one row's, the ticked ones, or all that a search finds.

use leptos::prelude::*;
use signpost_model::{ApplicationId, AssignmentId, Policy, Role};
use signpost_store::assignments::{self, AssignmentFilter};
use signpost_store::policies;

use super::super::assign::AT_ONCE;
use super::super::id_of_form;
use super::effect;
use crate::components::plural::count;
use crate::error::PortalError;
use crate::forms::{Answer, Posted, respond};
use crate::portal::{Portal, portal};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Takes assignments back: one row's, or the ticked ones. Again changes nothing.
#[server(prefix = "/api", endpoint = "applications/unassign")]
pub async fn unassign() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let back = urls::application_assignments(id);
        let chosen: Vec<AssignmentId> = match posted.first("do").strip_prefix("one:") {
            Some(one) => one.parse().into_iter().collect(),
            None => posted
                .all("assignment")
                .filter_map(|id| id.parse().ok())
                .collect(),
        };
        if posted.has("all_matching") && posted.first("do") == "selected" {
            let filter = AssignmentFilter {
                search: posted.first("q").chars().take(200).collect(),
                state: posted.first("state").parse().ok(),
            };
            let (removed, policy) = unassign_matching(&portal, id, &filter).await?;
            return Ok(Answer::to(back).notice(told(removed, &policy)));
        }
        if chosen.is_empty() {
            return Ok(Answer::to(back).notice(Notice::warning("Tick at least one user or group.")));
        }
        let mut tx = portal.store.write().await?;
        let author = visit().author();
        let now = portal.clock.now();
        let removed = assignments::unassign(&mut tx, id, &chosen, &author, now).await?;
        let policy = policies::find_policy(&mut tx, id).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(Answer::to(back).notice(told(removed, &policy)))
    })
    .await
}

/// Everyone the filter finds, on every page. Other writers get their turn in between, and a post
/// that was cut off is finished by posting it again.
async fn unassign_matching(
    portal: &Portal,
    id: ApplicationId,
    filter: &AssignmentFilter,
) -> Result<(usize, Policy), PortalError> {
    let author = visit().author();
    let mut removed = 0;
    loop {
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let some = assignments::list_matching(&mut tx, id, filter, AT_ONCE).await?;
        let gone = assignments::unassign(&mut tx, id, &some, &author, now).await?;
        let policy = policies::find_policy(&mut tx, id).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        removed += gone;
        if gone == 0 || (some.len() as i64) < AT_ONCE {
            return Ok((removed, policy));
        }
    }
}

fn told(removed: usize, policy: &Policy) -> Notice {
    Notice::success(match removed {
        0 => "Nothing was assigned there any more.".to_owned(),
        n => format!(
            "{} removed. {}",
            count(n as u64, "assignment was", "assignments were"),
            effect(policy)
        ),
    })
}
