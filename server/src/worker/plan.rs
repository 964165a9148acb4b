//! Makes a plan: reads what the decisions need, hands users to the planner in chunks, stores what
//! it says. Memory does not grow with the number of users.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use signpost_app::product_names::{plan_name, product_name};
use signpost_model::license::Product;
use signpost_model::plan::{ActionKind, ObjectId, TargetAttribute};
use signpost_model::run::{Run, RunFailure, RunMode, RunScope, Trigger, WaitsFor};
use signpost_model::text::fold;
use signpost_model::{Application, KnownAccount, PlanInput};
use signpost_store::group_push::inputs;
use signpost_store::plan_inputs::{self, InputScope};
use signpost_store::runs::actions::{self, ActionState};
use signpost_store::runs::lease::heartbeat;
use signpost_store::runs::plan::PlannedUser;
use signpost_store::runs::{self, RunLease};
use signpost_store::{accounts, connections, following, licenses, policies};
use signpost_sync::facts::TenantFacts;
use signpost_sync::mapping::Mapping;
use signpost_sync::matching::Lookup;
use signpost_sync::observe::{read_products, read_products_and_domains, read_role_holders};
use signpost_sync::planner::{Context, Planner};
use signpost_sync::translate::{LicenseNames, run_failure};

use super::{Interrupted, Worker, groups, reads_everything, unanswered};

/// Users planned between two writes.
const CHUNK: u32 = 500;

/// Stands for the hash of a plan without users: nobody can be asked to approve it.
const NOTHING_PLANNED: &str = "nothing";

/// Plans the run and closes its plan; afterwards it is applied at once, or waits for a person.
pub(super) async fn make(
    worker: &Worker,
    lease: &RunLease,
    run: &Run,
    application: &Application,
    client: &signpost_graph::Client,
) -> Result<Run, Interrupted> {
    let store = &worker.portal.store;
    let scope = InputScope {
        scope: run.scope,
        only_user: run.only_user,
        settings_too: run.trigger != Trigger::Change,
    };
    let mut first = {
        let mut db = store.read().await?;
        let now = worker.now();
        plan_inputs::list_next(&mut db, application, scope, None, CHUNK, now).await?
    };
    let waiting = {
        let mut db = store.read().await?;
        following::count_waiting(&mut db, application.id).await?
    };
    if first.inputs.is_empty() && !waiting.is_empty() {
        // Somebody waits for a seat: whether one appeared is known only to the tenant.
        notice_seats(worker, lease, client).await?;
        let mut db = store.read().await?;
        let now = worker.now();
        first = plan_inputs::list_next(&mut db, application, scope, None, CHUNK, now).await?;
    }
    let nobody = first.inputs.is_empty();
    if nobody && !groups::is_due(worker, lease, run).await? {
        // Nothing to decide: not even the products have to be read.
        let hash = NOTHING_PLANNED;
        return Ok(runs::plan::finish(store, lease, hash, None, worker.now()).await?);
    }
    let mut facts = if nobody {
        TenantFacts::default()
    } else {
        facts(worker, lease, run, client).await?
    };
    let (policy, grants, mapping, linked, fallbacks) = {
        let mut db = store.read().await?;
        let overrides = policies::list_mappings(&mut db, application.id).await?;
        (
            policies::find_policy(&mut db, application.id).await?,
            inputs::list_grants(&mut db, application.id).await?,
            compile(overrides)?,
            accounts::count_linked(&mut db, application.id).await?,
            following::find_fallbacks(&mut db, application.id).await?,
        )
    };
    facts.withdrawn = {
        let mut db = store.read().await?;
        let withdrawn = inputs::list_withdrawn(&mut db, application.id, &grants).await?;
        withdrawn.into_iter().collect()
    };
    let now = worker.now();
    let mut planner = Planner::new(Context {
        facts: &facts,
        policy: &policy,
        mapping: &mapping,
        grants: &grants,
        now,
        linked,
    })
    .with_waiting(waiting)
    .with_fallbacks(fallbacks);
    let (mut page, mut to_apply) = (first, false);
    while !page.inputs.is_empty() {
        let planned = plan_chunk(worker, lease, &mut planner, page.inputs).await?;
        to_apply |= planned.iter().any(|user| {
            !user.plan.actions.is_empty() || user.plan.link.is_some() || !user.plan.owned.is_empty()
        });
        runs::plan::write(store, lease, &planned, worker.now()).await?;
        if heartbeat(store, lease, worker.now())
            .await?
            .cancel_requested
        {
            return Err(Interrupted::Cancelled);
        }
        let Some(after) = page.next else { break };
        let mut db = store.read().await?;
        page = plan_inputs::list_next(&mut db, application, scope, Some(after), CHUNK, now).await?;
    }
    let pushed = groups::plan(worker, lease, run, client, (&grants, &policy)).await?;
    to_apply |= pushed.hash.is_some();
    let earlier = match planner.removals() + pushed.losers {
        0 => 0,
        _ => {
            let mut db = store.read().await?;
            runs::removals::count_unasked(&mut db, run, now).await?
        }
    };
    let mut summary = planner.finish_with(earlier, pushed.losers);
    if let Some(hash) = pushed.hash {
        summary.hash = groups::joined(&summary.hash, &hash);
    }
    let preview = (run.mode == RunMode::Preview && to_apply).then_some(WaitsFor::Preview);
    let waits_for = summary.waits_for.or(preview);
    Ok(runs::plan::finish(
        store,
        lease,
        &summary.hash,
        waits_for.as_ref(),
        worker.now(),
    )
    .await?)
}

fn compile(overrides: BTreeMap<TargetAttribute, String>) -> Result<Mapping, Interrupted> {
    Mapping::compile(&overrides).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Interrupted::Failed(RunFailure {
            text: format!(
                "The attribute mapping does not work. {}",
                problems.join(". ")
            ),
            code: None,
            request_id: None,
        })
    })
}

/// The tenant as a whole: seats as they are now, domains, and who must not be touched.
async fn facts(
    worker: &Worker,
    lease: &RunLease,
    run: &Run,
    client: &signpost_graph::Client,
) -> Result<TenantFacts, Interrupted> {
    let store = &worker.portal.store;
    let connection = {
        let mut db = store.read().await?;
        connections::find(&mut db, lease.application_id).await?
    };
    let Some(connection) = connection else {
        return Err(Interrupted::Cancelled);
    };
    let everything = reads_everything(run);
    if everything || worker.roles_due(lease.application_id) {
        protect_role_holders(worker, lease, client).await?;
    }
    let known = &connection.findings.domains;
    // A domain that was not verified yet may be by now, and somebody waits for it.
    let may_have_changed =
        run.scope == RunScope::Everyone && known.iter().any(|domain| !domain.verified);
    let (products, domains) = if everything || known.is_empty() || may_have_changed {
        let read = read_products_and_domains(client, &Names).await;
        let (products, domains) = read.map_err(|error| failed(&error))?;
        keep_seats(worker, lease, &products).await?;
        (products, domains)
    } else {
        (notice_seats(worker, lease, client).await?, known.clone())
    };
    Ok(TenantFacts {
        withdrawn: BTreeSet::new(),
        domain: connection.settings.domain,
        domains,
        products,
    })
}

/// Reads the products with their seats; who waits for one is looked at when it is there.
async fn notice_seats(
    worker: &Worker,
    lease: &RunLease,
    client: &signpost_graph::Client,
) -> Result<Vec<Product>, Interrupted> {
    let read = read_products(client, &Names).await;
    let products = read.map_err(|error| failed(&error))?;
    keep_seats(worker, lease, &products).await?;
    Ok(products)
}

async fn keep_seats(
    worker: &Worker,
    lease: &RunLease,
    products: &[Product],
) -> Result<(), Interrupted> {
    let mut tx = worker.portal.store.write().await?;
    licenses::set_products(&mut tx, lease.application_id, products).await?;
    Ok(tx.commit().await?)
}

fn failed(error: &signpost_graph::Error) -> Interrupted {
    Interrupted::Failed(run_failure(error))
}

/// Reads the seats again after a run that gave or took licenses, so that pages show what is left.
/// It is not what the run was for: without an answer the pages keep what they had.
pub(super) async fn notice_seats_taken(
    worker: &Worker,
    lease: &RunLease,
    client: &signpost_graph::Client,
) -> signpost_store::Result<()> {
    let counts = {
        let mut db = worker.portal.store.read().await?;
        actions::count(&mut db, lease.run_id).await?
    };
    let takes_seats = |kind| {
        use ActionKind::{AssignLicenses, Delete, RemoveLicenses, Restore};
        matches!(kind, AssignLicenses | RemoveLicenses | Delete | Restore)
    };
    let taken = |(kind, state, _): &_| takes_seats(*kind) && *state == ActionState::Applied;
    if !counts.iter().any(taken) {
        return Ok(());
    }
    match notice_seats(worker, lease, client).await {
        Err(Interrupted::Store(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Notes who holds a directory role. Without the permission to read them the holders are unknown:
/// Microsoft itself refuses changes to them, and the refusal is shown.
async fn protect_role_holders(
    worker: &Worker,
    lease: &RunLease,
    client: &signpost_graph::Client,
) -> Result<(), Interrupted> {
    match read_role_holders(client).await {
        Ok(holders) => {
            accounts::set_role_holders(&worker.portal.store, lease, &holders, worker.now()).await?;
            worker.roles_read(lease.application_id);
            Ok(())
        }
        Err(error) if matches!(error.kind(), signpost_graph::ErrorKind::Forbidden { .. }) => {
            tracing::info!("directory roles cannot be read: the permission is missing");
            Ok(())
        }
        Err(error) => Err(Interrupted::Failed(run_failure(&error))),
    }
}

/// Microsoft's published names.
#[derive(Debug)]
struct Names;

impl LicenseNames for Names {
    fn product(&self, sku_id: &str) -> Option<String> {
        product_name(sku_id).map(str::to_owned)
    }

    fn plan(&self, plan_id: &str) -> Option<String> {
        plan_name(plan_id).map(str::to_owned)
    }
}

async fn plan_chunk(
    worker: &Worker,
    lease: &RunLease,
    planner: &mut Planner<'_>,
    mut inputs: Vec<PlanInput>,
) -> Result<Vec<PlannedUser>, Interrupted> {
    unanswered::settle(worker, lease, &mut inputs).await?;
    let lookups: Vec<Option<Lookup>> = inputs.iter().map(|input| planner.lookup(input)).collect();
    let candidates = Candidates::read(worker, lease, &lookups).await?;
    Ok(inputs
        .into_iter()
        .zip(lookups)
        .map(|(input, lookup)| {
            let found = lookup
                .map(|lookup| candidates.of(&lookup))
                .unwrap_or_default();
            PlannedUser {
                plan: planner.user(&input, &found),
                before: input.provisioning,
            }
        })
        .collect())
}

/// Accounts that users of a chunk could be, found by four queries for all of them.
#[derive(Debug, Default)]
struct Candidates {
    accounts: HashMap<ObjectId, KnownAccount>,
    by_immutable_id: HashMap<String, Vec<ObjectId>>,
    by_name: HashMap<String, Vec<ObjectId>>,
    by_mail: HashMap<String, Vec<ObjectId>>,
}

impl Candidates {
    async fn read(
        worker: &Worker,
        lease: &RunLease,
        lookups: &[Option<Lookup>],
    ) -> Result<Self, Interrupted> {
        let wanted = || lookups.iter().flatten();
        let immutable_ids: Vec<&str> = wanted()
            .filter_map(|one| one.immutable_id.as_deref())
            .collect();
        let names: Vec<&str> = wanted()
            .filter_map(|one| one.user_principal_name.as_deref())
            .collect();
        let mails: Vec<&str> = wanted().filter_map(|one| one.mail.as_deref()).collect();
        let ids: Vec<ObjectId> = wanted().filter_map(|one| one.object_id.clone()).collect();
        let application = lease.application_id;
        let mut db = worker.portal.store.read().await?;
        let mut found = Vec::new();
        if !immutable_ids.is_empty() {
            found.extend(
                accounts::find_by_immutable_ids(&mut db, application, &immutable_ids).await?,
            );
        }
        if !names.is_empty() {
            found.extend(accounts::find_by_upns(&mut db, application, &names).await?);
        }
        if !mails.is_empty() {
            found.extend(accounts::find_by_mails(&mut db, application, &mails).await?);
        }
        if !ids.is_empty() {
            found.extend(accounts::find_many(&mut db, application, &ids).await?);
        }
        let mut candidates = Self::default();
        for account in found {
            candidates.add(account);
        }
        Ok(candidates)
    }

    fn add(&mut self, account: KnownAccount) {
        let seen = &account.observation;
        let id = seen.object_id.clone();
        if self.accounts.contains_key(&id) {
            return;
        }
        if let Some(immutable_id) = &seen.immutable_id {
            self.by_immutable_id
                .entry(immutable_id.clone())
                .or_default()
                .push(id.clone());
        }
        self.by_name
            .entry(fold(&seen.user_principal_name))
            .or_default()
            .push(id.clone());
        if let Some(mail) = &seen.mail {
            self.by_mail.entry(fold(mail)).or_default().push(id.clone());
        }
        self.accounts.insert(id, account);
    }

    /// By object id, so that the plan does not depend on the order of the database.
    fn of(&self, lookup: &Lookup) -> Vec<KnownAccount> {
        let mut ids: Vec<&ObjectId> = Vec::new();
        let by_key = [
            (&self.by_immutable_id, &lookup.immutable_id),
            (&self.by_name, &lookup.user_principal_name),
            (&self.by_mail, &lookup.mail),
        ];
        for (index, key) in by_key {
            ids.extend(
                key.as_ref()
                    .and_then(|key| index.get(key))
                    .into_iter()
                    .flatten(),
            );
        }
        ids.extend(lookup.object_id.as_ref());
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter()
            .filter_map(|id| self.accounts.get(id))
            .cloned()
            .collect()
    }
}
