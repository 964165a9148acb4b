//! Which account is this user's: by link, by an operator's decision, by ImmutableId, by user
//! principal name, by mail, in that order. Never a guess: what is not certain is a blocker.

use std::collections::BTreeSet;

use signpost_model::plan::{Blocker, Candidate, LinkMethod, ObjectId};
use signpost_model::provisioning::Decision;
use signpost_model::text::fold;
use signpost_model::{KnownAccount, PlanInput};

use crate::ledger::Ledger;

/// What to look accounts up by before a user is planned; each field is one lookup.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lookup {
    /// Compared exactly.
    pub immutable_id: Option<String>,
    /// Folded.
    pub user_principal_name: Option<String>,
    /// Folded.
    pub mail: Option<String>,
    pub object_id: Option<ObjectId>,
}

/// What matching found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match<'a> {
    /// The account that is linked already.
    Linked(&'a KnownAccount, LinkMethod),
    /// An account to link from now on.
    Found(&'a KnownAccount, LinkMethod),
    /// No account is this user's; one may be created.
    Nobody,
    /// A person has to look.
    Blocked(Blocker),
}

/// Finds the user's account among the linked one and the candidates of the user's [`Lookup`].
/// `wanted_name` is the folded user principal name the user should have.
pub fn find<'a>(
    input: &'a PlanInput,
    candidates: &'a [KnownAccount],
    wanted_name: &str,
    ledger: &Ledger,
) -> Match<'a> {
    if let Some(found) = decided(input, candidates) {
        return found;
    }
    if let (Some(link), Some(account)) = (&input.link, &input.account) {
        let ours = ledger.deleted || !account.observation.deleted;
        return if ours {
            Match::Linked(account, link.method)
        } else {
            Match::Blocked(Blocker::DeletedAccount {
                candidate: candidate(account, link.method),
            })
        };
    }
    matched(input, candidates, wanted_name)
}

/// What the operator chose, as far as the chosen account is still there.
fn decided<'a>(input: &'a PlanInput, candidates: &'a [KnownAccount]) -> Option<Match<'a>> {
    let Some(Decision::Link(chosen)) = &input.decision else {
        return None;
    };
    let mut known = candidates.iter().chain(&input.account);
    let account = known.find(|known| known.observation.object_id == *chosen)?;
    if let Some(link) = &input.link
        && link.object_id == *chosen
    {
        return Some(Match::Linked(account, link.method));
    }
    if is_of_another(account, input) {
        let candidate = candidate(account, LinkMethod::Manual);
        return Some(Match::Blocked(Blocker::LinkedWithAnotherUser { candidate }));
    }
    Some(Match::Found(account, LinkMethod::Manual))
}

fn matched<'a>(
    input: &'a PlanInput,
    candidates: &'a [KnownAccount],
    wanted_name: &str,
) -> Match<'a> {
    let anchor = input.user.source_anchor.as_str();
    let carries = |known: &&KnownAccount| known.observation.immutable_id.as_deref() == Some(anchor);
    // Nobody else ever gets this value, so one account with it is certain.
    let by_anchor = pick(candidates, carries);
    if let Some(found) = single(input, &by_anchor, LinkMethod::ImmutableId) {
        return found;
    }
    let named = |known: &&KnownAccount| fold(&known.observation.user_principal_name) == wanted_name;
    let by_name = pick(candidates, named);
    let mail = fold(&input.user.profile.mail);
    let writes_to = |known: &&KnownAccount| {
        let theirs = known.observation.mail.as_deref().map(fold);
        !mail.is_empty() && !known.observation.guest && theirs.as_deref() == Some(mail.as_str())
    };
    let by_mail = pick(candidates, writes_to);
    let free: BTreeSet<&ObjectId> = (by_name.iter().chain(&by_mail))
        .filter(|known| !known.observation.deleted && !is_of_another(known, input))
        .map(|known| &known.observation.object_id)
        .collect();
    if free.len() > 1 {
        let methods = [
            (&by_name, LinkMethod::UserPrincipalName),
            (&by_mail, LinkMethod::Mail),
        ];
        return ambiguous(&free, &methods);
    }
    single(input, &by_name, LinkMethod::UserPrincipalName)
        .or_else(|| single(input, &by_mail, LinkMethod::Mail))
        .unwrap_or(Match::Nobody)
}

fn pick<'a>(
    candidates: &'a [KnownAccount],
    fits: impl Fn(&&'a KnownAccount) -> bool,
) -> Vec<&'a KnownAccount> {
    candidates.iter().filter(fits).collect()
}

/// Judges the accounts that one key found; `None`: the next key may find somebody.
fn single<'a>(
    input: &PlanInput,
    found: &[&'a KnownAccount],
    method: LinkMethod,
) -> Option<Match<'a>> {
    let mut live = found.iter().filter(|known| !known.observation.deleted);
    let free: Vec<_> = live
        .clone()
        .filter(|known| !is_of_another(known, input))
        .collect();
    match free.as_slice() {
        [] => {}
        [only] => return Some(certain(input, only, method)),
        several => {
            let ids = several.iter().map(|known| &known.observation.object_id);
            let several: Vec<&KnownAccount> = several.iter().map(|known| **known).collect();
            return Some(ambiguous(&ids.collect(), &[(&several, method)]));
        }
    }
    // A mail address is sometimes shared, so an account of somebody else's proves nothing.
    if method == LinkMethod::Mail {
        return None;
    }
    if let Some(others) = live.next() {
        let candidate = candidate(others, method);
        return Some(Match::Blocked(Blocker::LinkedWithAnotherUser { candidate }));
    }
    let deleted = found.iter().find(|known| known.observation.deleted)?;
    let candidate = candidate(deleted, method);
    Some(Match::Blocked(Blocker::DeletedAccount { candidate }))
}

fn certain<'a>(input: &PlanInput, account: &'a KnownAccount, method: LinkMethod) -> Match<'a> {
    match account.observation.immutable_id.as_deref() {
        Some(other) if other != input.user.source_anchor.as_str() => {
            Match::Blocked(Blocker::ImmutableIdDiffers {
                candidate: candidate(account, method),
                immutable_id: other.to_owned(),
            })
        }
        _ => Match::Found(account, method),
    }
}

fn ambiguous<'a>(
    ids: &BTreeSet<&ObjectId>,
    found: &[(&Vec<&KnownAccount>, LinkMethod)],
) -> Match<'a> {
    let describe = |id: &&ObjectId| {
        found.iter().find_map(|(accounts, method)| {
            let account = accounts
                .iter()
                .find(|known| known.observation.object_id == **id)?;
            Some(candidate(account, *method))
        })
    };
    Match::Blocked(Blocker::AmbiguousMatch {
        candidates: ids.iter().filter_map(describe).collect(),
    })
}

fn is_of_another(account: &KnownAccount, input: &PlanInput) -> bool {
    account
        .linked_with
        .is_some_and(|user| user != input.user.id)
}

/// An account as a blocker shows it.
pub(crate) fn candidate(account: &KnownAccount, matched_by: LinkMethod) -> Candidate {
    let seen = &account.observation;
    Candidate {
        object_id: seen.object_id.clone(),
        user_principal_name: seen.user_principal_name.clone(),
        display_name: seen.display_name().to_owned(),
        matched_by,
    }
}
