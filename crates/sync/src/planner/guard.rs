//! Accounts that are never touched, whatever the records say.

use signpost_model::plan::{Blocker, LinkMethod};
use signpost_model::text::fold;
use signpost_model::{KnownAccount, Policy};

use crate::facts::TenantFacts;
use crate::ledger::Ledger;
use crate::matching::candidate;

/// Why this account is off limits, if it is.
pub(super) fn guard(
    account: &KnownAccount,
    method: LinkMethod,
    ledger: &Ledger,
    policy: &Policy,
    facts: &TenantFacts,
) -> Option<Blocker> {
    let seen = &account.observation;
    let candidate = || candidate(account, method);
    if seen.synchronised {
        return Some(Blocker::SynchronisedElsewhere {
            candidate: candidate(),
        });
    }
    if account.administrator {
        return Some(Blocker::Administrator {
            candidate: candidate(),
        });
    }
    let name = fold(&seen.user_principal_name);
    let is_listed = policy.protected.iter().any(|listed| fold(listed) == name);
    let is_ours = method == LinkMethod::Created || ledger.created;
    if is_listed || (facts.is_initial(&name) && !is_ours) {
        return Some(Blocker::Protected {
            candidate: candidate(),
        });
    }
    None
}
