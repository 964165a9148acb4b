//! Before users are planned: what was sent for them and never answered is looked up in what the
//! tenant shows now, so that what is ours is known to be.

use signpost_model::plan::Action;
use signpost_model::provisioning::Link;
use signpost_model::{KnownAccount, PlanInput, UserId};
use signpost_store::runs::RunLease;
use signpost_store::runs::chains::find_linked;
use signpost_store::{accounts, unanswered};
use signpost_sync::apply::{Effects, settle_unanswered};

use super::journal::effects;
use super::{Interrupted, Worker};

/// Settles what the tenant shows, in the records and in the inputs of the plan.
pub(super) async fn settle(
    worker: &Worker,
    lease: &RunLease,
    inputs: &mut [PlanInput],
) -> Result<(), Interrupted> {
    let store = &worker.portal.store;
    let users: Vec<UserId> = inputs.iter().map(|input| input.user.id).collect();
    let (open, created, managers) = {
        let mut db = store.read().await?;
        let open = unanswered::of_users(&mut db, lease.application_id, &users).await?;
        if open.is_empty() {
            return Ok(());
        }
        let is_unlinked = |input: &&PlanInput| input.link.is_none();
        let anchors: Vec<&str> = inputs
            .iter()
            .filter(is_unlinked)
            .map(|input| input.user.source_anchor.as_str())
            .collect();
        let created = accounts::find_by_immutable_ids(&mut db, lease.application_id, &anchors);
        let created = created.await?;
        let managers: Vec<UserId> = open.values().flatten().filter_map(manager).collect();
        let managers = find_linked(&mut db, lease.application_id, &managers).await?;
        (open, created, managers)
    };
    let (mut settled, mut all) = (Vec::new(), Vec::new());
    for input in inputs {
        let Some(actions) = open.get(&input.user.id) else {
            continue;
        };
        let Some(account) = account_of(input, &created) else {
            // An account that is gone answers for good; one that was never seen may still appear.
            settled.extend(input.link.is_some().then_some(input.user.id));
            continue;
        };
        let seen = &account.observation;
        let (id, is_linked) = (input.user.id, input.link.is_some());
        let found = settle_unanswered(id, actions, seen, is_linked, &input.owned, &managers);
        all.extend(effects(&found));
        settled.push(input.user.id);
        take(input, account, &found, worker);
    }
    if !settled.is_empty() {
        unanswered::settle(store, lease, &settled, &all, worker.now()).await?;
    }
    Ok(())
}

fn manager(action: &Action) -> Option<UserId> {
    match action {
        Action::SetManager { after, .. } => after.as_ref().map(|manager| manager.user_id),
        _ => None,
    }
}

/// The linked account, or the one that a lost create made.
fn account_of(input: &PlanInput, created: &[KnownAccount]) -> Option<KnownAccount> {
    if input.link.is_some() {
        return input.account.clone();
    }
    let anchor = input.user.source_anchor.as_str();
    let mut carries = created.iter().filter(|known| {
        known.linked_with.is_none() && known.observation.immutable_id.as_deref() == Some(anchor)
    });
    carries.next().cloned()
}

fn take(input: &mut PlanInput, mut account: KnownAccount, found: &Effects, worker: &Worker) {
    if let Some(method) = found.link {
        account.linked_with = Some(input.user.id);
        input.link = Some(Link {
            object_id: found.object_id.clone(),
            method,
            linked_at: worker.now(),
        });
        input.account = Some(account);
    }
    let lost = |kind, key: &str| {
        found
            .ledger
            .lost
            .iter()
            .any(|(k, l)| *k == kind && l == key)
    };
    input.owned.retain(|line| !lost(line.kind, &line.key));
    for gained in &found.ledger.gained {
        input
            .owned
            .retain(|line| line.kind != gained.kind || line.key != gained.key);
        input.owned.push(gained.clone());
    }
}
