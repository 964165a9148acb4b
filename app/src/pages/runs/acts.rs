//! What people do about a run: apply, discard, cancel, retry, choose.

use leptos::prelude::*;
use signpost_model::plan::ObjectId;
use signpost_model::provisioning::Decision;
use signpost_model::run::RunState;
use signpost_model::{Role, RunId};
use signpost_store::provisioning;
use signpost_store::runs;
use signpost_store::runs::approval::{self, Approval};

use crate::error::PortalError;
use crate::forms::{Answer, Posted, Refusal, respond};
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Applies the plan that the page showed, and no other.
#[server(prefix = "/api", endpoint = "runs/apply")]
pub async fn apply_plan(
    #[server(default)] run: String,
    #[server(default)] hash: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, author) = (portal()?, visit().author());
        let id = run_id(&run)?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let result = approval::approve(&mut tx, id, &hash, &author, now).await?;
        let answer = match result {
            Approval::Approved => Answer::to(urls::run(id)),
            Approval::NotWaiting(state) => {
                Answer::to(urls::run(id)).notice(Notice::info(not_waiting(state)))
            }
            Approval::OtherPlan | Approval::Stale => {
                let random = portal.random.as_ref();
                let again = approval::plan_again(&mut tx, random, id, &author, now).await?;
                Answer::to(urls::run(again.run().id)).notice(Notice::warning(
                    "The directory or the tenant changed after this plan was made. A new plan is being made: look at it and apply it again.",
                ))
            }
        };
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(answer)
    })
    .await
}

/// Throws the waiting plan away.
#[server(prefix = "/api", endpoint = "runs/discard")]
pub async fn discard_plan(#[server(default)] run: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let id = run_id(&run)?;
        let mut tx = portal.store.write().await?;
        let state = approval::discard(&mut tx, id, &visit().author(), portal.clock.now()).await?;
        tx.commit().await?;
        let notice = match state {
            RunState::Cancelled => Notice::success("The plan was discarded. Nothing was changed."),
            other => Notice::info(not_waiting(other)),
        };
        Ok(Answer::to(urls::run(id)).notice(notice))
    })
    .await
}

/// Stops a run after the action under way.
#[server(prefix = "/api", endpoint = "runs/cancel")]
pub async fn cancel_run(#[server(default)] run: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let id = run_id(&run)?;
        let mut tx = portal.store.write().await?;
        let state = approval::cancel(&mut tx, id, &visit().author(), portal.clock.now()).await?;
        tx.commit().await?;
        let notice = if state == RunState::Cancelled {
            Notice::success("The run was cancelled.")
        } else if state.is_over() {
            Notice::info("The run was over already.")
        } else {
            Notice::info("The run stops after the changes under way. What was done stays done.")
        };
        Ok(Answer::to(urls::run(id)).notice(notice))
    })
    .await
}

/// Tries the failed users of a run again, now.
#[server(prefix = "/api", endpoint = "runs/retry")]
pub async fn retry_failed(#[server(default)] run: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let id = run_id(&run)?;
        let mut tx = portal.store.write().await?;
        let random = portal.random.as_ref();
        let queued =
            approval::retry(&mut tx, random, id, &visit().author(), portal.clock.now()).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(match queued {
            Some(queued) => Answer::to(urls::run(queued.run().id)),
            None => Answer::to(urls::run(id))
                .notice(Notice::info("Nobody of this run is left to try again.")),
        })
    })
    .await
}

/// Keeps the choices made on a plan's page and makes the plan anew.
///
/// A choice comes as `choice-USER`, with the account's object id or `leave_out`.
#[server(prefix = "/api", endpoint = "runs/choose")]
pub async fn choose(#[server(default)] run: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, author) = (portal()?, visit().author());
        let id = run_id(&run)?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let application = runs::find(&mut tx, id)
            .await?
            .ok_or(PortalError::NotFound)?
            .application_id;
        let mut chosen = 0;
        for (field, value) in Posted::current().0.iter() {
            let Some(user) = field.strip_prefix("choice-") else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            let user = user.parse().map_err(|_| PortalError::BadRequest)?;
            let decision = match value.as_str() {
                "leave_out" => Decision::LeaveOut,
                object if signpost_model::text::is_guid(object) => {
                    Decision::Link(ObjectId::new(object))
                }
                _ => return Err(PortalError::BadRequest.into()),
            };
            provisioning::decide(&mut tx, application, user, Some(&decision), &author, now).await?;
            chosen += 1;
        }
        if chosen == 0 {
            return Ok(Answer::to(urls::run(id)).notice(Notice::error(
                "Choose an account or Leave out for at least one user.",
            )));
        }
        let random = portal.random.as_ref();
        let again = approval::plan_again(&mut tx, random, id, &author, now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(
            Answer::to(urls::run(again.run().id)).notice(Notice::success(
                "Your choices are saved. The plan is made anew with them.",
            )),
        )
    })
    .await
}

fn run_id(text: &str) -> Result<RunId, Refusal> {
    text.parse()
        .map_err(|_| Refusal::Error(PortalError::NotFound))
}

fn not_waiting(state: RunState) -> &'static str {
    match state {
        RunState::Cancelled => "This plan was discarded already.",
        RunState::Applying | RunState::Queued | RunState::Planning => {
            "This plan is being carried out already."
        }
        _ => "This plan was carried out already.",
    }
}
