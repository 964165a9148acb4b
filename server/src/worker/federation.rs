//! What runs about a domain are planned from: the domain as it is, our settings, the checks.

use app::federation::SetUp;
use app::federation::checks::{Checked, look_through};
use signpost_app as app;
use signpost_federation::FederationSettings;
use signpost_federation::checks::may_federate;
use signpost_graph::Client;
use signpost_model::PlannedTenantAction;
use signpost_model::federation::{FederationSetup, RevertCause};
use signpost_model::plan::ObjectId;
use signpost_model::run::{Run, RunFailure};
use signpost_store::immutable_ids::{self, JudgedAccount, Ward};
use signpost_store::runs::RunLease;
use signpost_sync::tenant::federation::{
    DomainNow, Repair, Wanted, federate, repair, revert_federation, update_federation,
};
use signpost_sync::tenant::{TenantPlan, read_domain};
use signpost_sync::translate::run_failure;

use super::{Interrupted, Worker};

/// Accounts read at a time.
const CHUNK: i64 = 500;

/// What a federation is asked with.
pub(super) struct Asked<'a> {
    pub(super) setup: &'a FederationSetup,
    pub(super) metadata: &'a str,
    pub(super) tester: &'a str,
    pub(super) confirm_minutes: i64,
}

/// Reads what changed in the tenant, checks everything once more, and only then plans it: what a
/// page showed may be an hour old.
pub(super) async fn plan_federate(
    worker: &Worker,
    lease: &RunLease,
    run: &Run,
    client: &Client,
    asked: Asked<'_>,
) -> Result<TenantPlan, Interrupted> {
    worker.observe(lease, run, client).await?;
    let set_up = set_up(worker, lease).await?;
    let settings = settings_of(&set_up, &asked)?;
    let checked = look_through(&worker.portal, &set_up, &settings, client).await;
    let checked = checked.map_err(own)?;
    if !may_federate(&checked.checks) {
        return Err(failed(&in_the_way(&checked)));
    }
    let now = read_now(client, &set_up).await?;
    let wanted = Wanted {
        setup: asked.setup.clone(),
        tester: asked.tester.to_owned(),
        confirm_minutes: asked.confirm_minutes,
    };
    Ok(federate(&now, &wanted))
}

fn in_the_way(checked: &Checked) -> String {
    let reasons: Vec<String> = checked
        .checks
        .iter()
        .filter(|check| check.is_in_the_way())
        .map(|check| format!("{}: {}", check.kind.label(), check.found))
        .collect();
    format!("The domain is not ready. {}", reasons.join(" "))
}

/// Brings the federation up to date.
pub(super) async fn plan_update(
    worker: &Worker,
    lease: &RunLease,
    client: &Client,
    setup: &FederationSetup,
) -> Result<TenantPlan, Interrupted> {
    let set_up = set_up(worker, lease).await?;
    let now = read_now(client, &set_up).await?;
    Ok(update_federation(&now, setup))
}

/// Takes the domain back.
pub(super) async fn plan_revert(
    worker: &Worker,
    lease: &RunLease,
    client: &Client,
    issuer: &str,
    because: RevertCause,
) -> Result<TenantPlan, Interrupted> {
    let set_up = set_up(worker, lease).await?;
    let now = read_now(client, &set_up).await?;
    Ok(revert_federation(&now, issuer, because))
}

/// Puts ImmutableIds right: of these accounts, or of all that can be.
pub(super) async fn plan_repair(
    worker: &Worker,
    lease: &RunLease,
    run: &Run,
    client: &Client,
    only: Option<&[ObjectId]>,
) -> Result<TenantPlan, Interrupted> {
    worker.observe(lease, run, client).await?;
    let set_up = set_up(worker, lease).await?;
    let now = read_now(client, &set_up).await?;
    let domains = client.domains().await.map_err(|error| unread(&error))?;
    let initial = domains.into_iter().find(|domain| domain.is_initial);
    let initial = initial.map(|domain| domain.name).unwrap_or_default();
    if now.federated && initial.is_empty() {
        return Err(failed(
            "The tenant shows no onmicrosoft.com domain, and a federated account can only be changed by way of it.",
        ));
    }
    let ward = ward(worker, &set_up).await?;
    let mut changes = Vec::new();
    let mut after: Option<ObjectId> = None;
    loop {
        let mut db = worker.portal.store.read().await?;
        let accounts = match only {
            Some(ids) => immutable_ids::find(&mut db, &ward, ids).await?,
            None => immutable_ids::list_repairable(&mut db, &ward, after.as_ref(), CHUNK).await?,
        };
        drop(db);
        let Some(last) = accounts.last() else { break };
        after = Some(last.object_id.clone());
        let federated = now.federated;
        let planned = accounts
            .into_iter()
            .filter_map(|account| change(account, federated, &initial));
        changes.extend(planned);
        if only.is_some() {
            break;
        }
    }
    Ok(TenantPlan::Changes(changes))
}

fn change(account: JudgedAccount, federated: bool, initial: &str) -> Option<PlannedTenantAction> {
    if !account.state.is_repairable() {
        return None;
    }
    let one = Repair {
        object_id: account.object_id,
        user_name: account.user_name,
        before: account.has,
        after: account.wanted?,
    };
    Some(repair(one, federated, initial))
}

async fn ward(worker: &Worker, set_up: &SetUp) -> Result<Ward, Interrupted> {
    let Some(connection) = &set_up.connection else {
        return Err(Interrupted::Cancelled);
    };
    let mut db = worker.portal.store.read().await?;
    let id = set_up.application.id;
    app::federation::ward(&mut db, connection, id)
        .await
        .map_err(own)
}

async fn set_up(worker: &Worker, lease: &RunLease) -> Result<SetUp, Interrupted> {
    SetUp::load(&worker.portal, lease.application_id)
        .await
        .map_err(own)
}

/// The settings as they were asked for: this process may not know the portal's public address.
fn settings_of(set_up: &SetUp, asked: &Asked<'_>) -> Result<FederationSettings, Interrupted> {
    let Some(connection) = &set_up.connection else {
        return Err(Interrupted::Cancelled);
    };
    app::federation::settings_of(connection, asked.setup, asked.metadata)
        .map_err(|problems| failed(&problems.join(" ")))
}

async fn read_now(client: &Client, set_up: &SetUp) -> Result<DomainNow, Interrupted> {
    let Some(connection) = &set_up.connection else {
        return Err(Interrupted::Cancelled);
    };
    let domain = &connection.settings.domain;
    let found = read_domain(client, domain).await;
    let found = found.map_err(|error| unread(&error))?;
    found.ok_or_else(|| failed(&format!("The tenant has no domain {domain}.")))
}

fn unread(error: &signpost_graph::Error) -> Interrupted {
    Interrupted::Failed(run_failure(error))
}

fn failed(text: &str) -> Interrupted {
    Interrupted::Failed(RunFailure {
        text: text.to_owned(),
        code: None,
        request_id: None,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn own(error: app::error::PortalError) -> Interrupted {
    tracing::error!(error = %error, "a run about a domain cannot be planned");
    Interrupted::Failed(super::own_error())
}
