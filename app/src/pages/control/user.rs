//! One user's accounts on their page: where they stand, and what can be done at once.

use leptos::prelude::*;
use signpost_model::provisioning::LastOutcome;
use signpost_model::run::{Outcome, RunMode, RunScope, Trigger};
use signpost_model::{ApplicationId, Role, UserId};
use signpost_store::provisioning;
use signpost_store::runs::{self, NewRun};
use signpost_store::user_applications::UserApplication;

use super::ids_of_form;
use crate::components::{
    Button, ButtonSize, Card, Column, DataTable, EmptyState, Form, Icon, LinkButton, Look, Time,
};
use crate::error::PortalError;
use crate::forms::{Answer, Posted, respond};
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The applications of a user, with the state of each account.
#[component]
pub(crate) fn UserAccounts(user: UserId, applications: Vec<UserApplication>) -> impl IntoView {
    if applications.is_empty() {
        return view! {
            <Card id="applications" title="Applications">
                <EmptyState
                    icon=Icon::Layers
                    title="No applications"
                    why="This user has none. Assign one on the application's page."
                />
            </Card>
        }
        .into_any();
    }
    let rows = applications
        .into_iter()
        .map(|application| view! { <Row user=user application=application /> })
        .collect_view();
    let columns = ["Application", "Account", "Last outcome"].map(Column::new);
    let mut columns = columns.to_vec();
    columns.push(Column::hidden("What can be done"));
    view! {
        <Card id="applications" title="Applications">
            <DataTable caption="Applications" columns=columns>
                {rows}
            </DataTable>
        </Card>
    }
    .into_any()
}

#[component]
fn Row(user: UserId, application: UserApplication) -> impl IntoView {
    let id = application.application_id;
    let state = application.state.map_or("Waiting", |state| state.label());
    let next = application
        .next_try_at
        .and_then(|at| at.to_jiff())
        .map(|at| view! { <p class="hint">"Next try " <Time at=at /></p> });
    let failed = application.state == Some(signpost_model::ProvisioningState::Failed);
    view! {
        <tr>
            <th scope="row">
                <a href=urls::application_assignments(id)>{application.name.clone()}</a>
            </th>
            <td>{state}</td>
            <td>
                {application.last_outcome.map(outcome_words)}
                {next}
            </td>
            <td>
                <AccountActs application=id user=user name=application.name failed=failed />
            </td>
        </tr>
    }
    .into_any()
}

/// The buttons of one account: **Sync now** (**Retry** after a failure), **Why?**, **Restore**.
#[component]
pub(crate) fn AccountActs(
    application: ApplicationId,
    user: UserId,
    /// The application's name, so that buttons can be told apart.
    #[prop(into)]
    name: String,
    failed: bool,
) -> impl IntoView {
    let may = visit().may(Role::Administrator);
    let words = if failed { "Retry" } else { "Sync now" };
    let label = format!("{words}: {name}");
    let sync = may.then(|| {
        view! {
            <Form action="/api/control/sync-user">
                <input type="hidden" name="application" value=application.to_string() />
                <input type="hidden" name="user" value=user.to_string() />
                <Button size=ButtonSize::Small icon=Icon::RefreshCw label=label>
                    {words}
                </Button>
            </Form>
        }
    });
    view! {
        <div class="row">
            {sync}
            <LinkButton
                href=urls::application_user_why(application, user)
                size=ButtonSize::Small
                look=Look::Quiet
                label=format!("Why? {name}")
            >
                "Why?"
            </LinkButton>
            <LinkButton
                href=urls::application_user_restore(application, user)
                size=ButtonSize::Small
                look=Look::Quiet
                label=format!("Restore: {name}")
            >
                "Restore"
            </LinkButton>
        </div>
    }
    .into_any()
}

/// What became of a user in one sentence.
pub(super) fn outcome_words(outcome: LastOutcome) -> String {
    match outcome {
        LastOutcome::Blocked(blockers) => blockers
            .first()
            .map(|blocker| blocker.text())
            .unwrap_or_default(),
        LastOutcome::Done(Outcome::Applied { .. }) => "Done".to_owned(),
        LastOutcome::Done(Outcome::Failed(failure)) => failure.kind.text().to_owned(),
        LastOutcome::Done(Outcome::Skipped { because }) => because.text().to_owned(),
    }
}

/// Plans and syncs one user now; failures before are forgotten.
#[server(prefix = "/api", endpoint = "control/sync-user")]
pub async fn sync_user() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (application, user) = ids_of_form(&Posted::current())?;
        let portal = portal()?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        if !is_ready(&mut tx, application).await? {
            return Ok(not_ready(application));
        }
        provisioning::look_again(&mut tx, application, &[user], now).await?;
        let random = portal.random.as_ref();
        let wish = one_user(application, user);
        let queued = runs::queue(&mut tx, random, &wish, &visit().author(), now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(Answer::to(urls::run(queued.run().id)))
    })
    .await
}

/// A run for one user, asked for by a person.
pub(super) fn one_user(application: ApplicationId, user: UserId) -> NewRun {
    NewRun {
        application_id: application,
        trigger: Trigger::Operator,
        scope: RunScope::Changed,
        mode: RunMode::Sync,
        only_user: Some(user),
        request: None,
    }
}

/// Whether a run could sign in to the tenant.
pub(super) async fn is_ready(
    tx: &mut signpost_store::Write,
    application: ApplicationId,
) -> Result<bool, PortalError> {
    let found = signpost_store::connections::find(tx, application).await?;
    Ok(found.is_some_and(|found| {
        found.secret_saved_at.is_some() && found.state != signpost_model::ConnectionState::NotSetUp
    }))
}

/// Where to go when it could not.
pub(super) fn not_ready(application: ApplicationId) -> Answer {
    Answer::to(urls::application_provisioning(application)).notice(Notice::warning(
        "Fill in the connection and select Update Settings first.",
    ))
}
