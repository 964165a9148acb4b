//! What the next plan would do for some users, made by the planner itself from what is stored:
//! nothing is read from the tenant, and nothing is kept.

use std::collections::BTreeMap;

use signpost_model::connection::FoundDomain;
use signpost_model::license::{Grant, Product};
use signpost_model::plan::{Blocker, Candidate, TargetAttribute, UserPlan};
use signpost_model::provisioning::Decision;
use signpost_model::run::RunScope;
use signpost_model::{
    AccessType, Application, ApplicationId, KnownAccount, PlanInput, Policy, Timestamp, UserId,
};
use signpost_store::plan_inputs::{self, InputScope};
use signpost_store::{Read, accounts, connections, following, group_push, licenses, policies};
use signpost_sync::facts::TenantFacts;
use signpost_sync::mapping::Mapping;
use signpost_sync::matching::Lookup;
use signpost_sync::planner::{Context, Planner};

use crate::error::PortalError;
use crate::pages::applications::found;

/// Everything a plan is made from, apart from the users.
#[derive(Debug)]
pub(super) struct Basis {
    pub(super) application: Application,
    pub(super) facts: TenantFacts,
    pub(super) policy: Policy,
    pub(super) mapping: Mapping,
    pub(super) overrides: BTreeMap<TargetAttribute, String>,
    pub(super) grants: Vec<Grant>,
    linked: i64,
    fallbacks: BTreeMap<String, Vec<String>>,
    waiting: BTreeMap<String, i64>,
    now: Timestamp,
}

/// One user's plan beside what it was made from.
#[derive(Debug)]
pub(super) struct Explained {
    pub(super) input: PlanInput,
    /// Accounts that could be the user's.
    pub(super) candidates: Vec<KnownAccount>,
    pub(super) plan: UserPlan,
    /// The plan if a match that waits for a person were accepted, and the account it is about.
    pub(super) accepted: Option<(Candidate, UserPlan)>,
}

impl Basis {
    /// Reads it as stored.
    pub(super) async fn load(
        db: &mut Read,
        id: ApplicationId,
        now: Timestamp,
    ) -> Result<Self, PortalError> {
        let application = found(db, id).await?;
        let connection = connections::find(db, id).await?;
        let (domain, domains): (String, Vec<FoundDomain>) = connection
            .map(|found| (found.settings.domain, found.findings.domains))
            .unwrap_or_default();
        let products: Vec<Product> = licenses::list_products(db, id).await?;
        let overrides = policies::list_mappings(db, id).await?;
        Ok(Self {
            application,
            facts: TenantFacts {
                withdrawn: std::collections::BTreeSet::new(),
                domain,
                domains,
                products,
            },
            policy: policies::find_policy(db, id).await?,
            // A mapping that does not work is refused when it is saved.
            mapping: Mapping::compile(&overrides).unwrap_or_default(),
            overrides,
            grants: group_push::inputs::list_grants(db, id).await?,
            linked: accounts::count_linked(db, id).await?,
            fallbacks: following::find_fallbacks(db, id).await?,
            waiting: following::count_waiting(db, id).await?,
            now,
        })
    }

    /// Plans these users, each as the next run would; who is not of the application is left out.
    pub(super) async fn explain(
        &self,
        db: &mut Read,
        users: &[UserId],
    ) -> Result<Vec<Explained>, PortalError> {
        let mut planner = Planner::new(Context {
            facts: &self.facts,
            policy: &self.policy,
            mapping: &self.mapping,
            grants: &self.grants,
            now: self.now,
            linked: self.linked,
        })
        .with_waiting(self.waiting.clone())
        .with_fallbacks(self.fallbacks.clone());
        let mut explained = Vec::with_capacity(users.len());
        for user in users {
            let scope = InputScope {
                scope: RunScope::Everyone,
                settings_too: true,
                only_user: Some(*user),
            };
            let page =
                plan_inputs::list_next(db, &self.application, scope, None, 1, self.now).await?;
            for input in page.inputs {
                let candidates = match planner.lookup(&input) {
                    Some(lookup) => candidates(db, self.application.id, &lookup).await?,
                    None => Vec::new(),
                };
                let plan = planner.user(&input, &candidates);
                let waits = plan.blockers.iter().find_map(|blocker| match blocker {
                    Blocker::NeedsReview { candidate } => Some(candidate.clone()),
                    _ => None,
                });
                let accepted = waits.map(|candidate| {
                    let decided = PlanInput {
                        decision: Some(Decision::Link(candidate.object_id.clone())),
                        ..input.clone()
                    };
                    let plan = planner.user(&decided, &candidates);
                    (candidate, plan)
                });
                explained.push(Explained {
                    input,
                    candidates,
                    plan,
                    accepted,
                });
            }
        }
        Ok(explained)
    }

    /// Why the user has the application, in words.
    pub(super) fn access_words(&self, input: &PlanInput) -> String {
        let who = match &self.application.access {
            AccessType::AllUsers => "All users have this application.".to_owned(),
            AccessType::Assigned => "Users and groups that are assigned have it.".to_owned(),
            AccessType::Rule(rule) => format!("Whoever matches has it: {}.", rule.sentence()),
        };
        if input.user.deleted_at.is_some() {
            format!("{who} The user was deleted from the directory.")
        } else if input.in_scope {
            format!("{who} This user does.")
        } else {
            format!("{who} This user does not.")
        }
    }
}

/// The accounts that a lookup finds, by object id, as the worker finds them.
async fn candidates(
    db: &mut Read,
    application: ApplicationId,
    lookup: &Lookup,
) -> Result<Vec<KnownAccount>, PortalError> {
    let mut found = Vec::new();
    if let Some(id) = &lookup.immutable_id {
        found.extend(accounts::find_by_immutable_ids(db, application, &[id]).await?);
    }
    if let Some(name) = &lookup.user_principal_name {
        found.extend(accounts::find_by_upns(db, application, &[name]).await?);
    }
    if let Some(mail) = &lookup.mail {
        found.extend(accounts::find_by_mails(db, application, &[mail]).await?);
    }
    if let Some(id) = &lookup.object_id {
        found.extend(accounts::find_many(db, application, std::slice::from_ref(id)).await?);
    }
    found.sort_by(|one, other| one.observation.object_id.cmp(&other.observation.object_id));
    found.dedup_by(|one, other| one.observation.object_id == other.observation.object_id);
    Ok(found)
}
