//! The runs of one application, and starting one.

use leptos::prelude::*;
use signpost_model::run::{RunMode, RunScope, Trigger};
use signpost_model::{ConnectionState, Role};
use signpost_store::connections;
use signpost_store::runs::{self, NewRun};

use super::frame::{ApplicationPage, Part};
use super::{found, id_of_form, id_of_page};
use crate::error::PortalError;
use crate::forms::{Answer, Posted, respond};
use crate::pages::runs::{RunsTable, runs_of};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The page.
#[component]
pub fn ApplicationRuns() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let runs = runs_of(Some(id)).await?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        drop(read);
        Ok(view! {
            <ApplicationPage application=application connection=connection part=Part::Runs>
                <RunsTable runs=runs address=urls::application_runs(id) />
            </ApplicationPage>
        })
    })
}

/// Makes a plan and shows it; nothing changes in the tenant.
#[server(prefix = "/api", endpoint = "applications/preview")]
pub async fn preview_changes() -> Result<(), PortalError> {
    start(RunMode::Preview).await
}

/// Makes a plan and carries it out, unless it needs an answer first.
#[server(prefix = "/api", endpoint = "applications/sync")]
pub async fn sync_users() -> Result<(), PortalError> {
    start(RunMode::Sync).await
}

async fn start(mode: RunMode) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let id = id_of_form(&Posted::current())?;
        let mut tx = portal.store.write().await?;
        let ready = connections::find(&mut tx, id).await?.is_some_and(|found| {
            found.secret_saved_at.is_some() && found.state != ConnectionState::NotSetUp
        });
        if !ready {
            return Ok(
                Answer::to(urls::application_provisioning(id)).notice(Notice::warning(
                    "Fill in the connection and select Update Settings first.",
                )),
            );
        }
        let wish = NewRun {
            application_id: id,
            trigger: Trigger::Operator,
            scope: RunScope::Everyone,
            mode,
            only_user: None,
            request: None,
        };
        let (random, author) = (portal.random.as_ref(), visit().author());
        let queued = runs::queue(&mut tx, random, &wish, &author, portal.clock.now()).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(Answer::to(urls::run(queued.run().id)))
    })
    .await
}
