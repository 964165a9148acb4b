//! What is asked of a tenant, made into changes. Nothing here asks or changes the tenant.

use serde_json::Value;
use sha2::{Digest, Sha256};
use signpost_model::plan::Reason;
use signpost_model::run::RunFailure;
use signpost_model::tenant::Subject;
use signpost_model::{KeptValue, PlannedTenantAction, TenantAction};

/// What planning a request comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantPlan {
    /// These changes, in order; none: it already is as asked.
    Changes(Vec<PlannedTenantAction>),
    /// It cannot be done as the tenant is: why, and what to do first.
    Refused(RunFailure),
}

/// Security defaults on or off.
pub fn set_security_defaults(enabled_now: bool, enabled: bool) -> TenantPlan {
    let action = TenantAction::SetSecurityDefaults {
        before: enabled_now,
        after: enabled,
    };
    TenantPlan::Changes(if enabled_now == enabled {
        Vec::new()
    } else {
        vec![PlannedTenantAction {
            action,
            reason: Reason::AskedByOperator,
        }]
    })
}

/// What becomes of remembered values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PutBack {
    pub changes: Vec<PlannedTenantAction>,
    /// These are what they were already: nothing is left to put back.
    pub settled: Vec<Subject>,
    /// Somebody else changed these since: they stay as they are.
    pub left_alone: Vec<Subject>,
}

/// Puts remembered values back, each beside its value in the tenant now (`None`: the thing is
/// gone). What somebody else changed since is left alone.
pub fn put_back(kept: &[(KeptValue, Option<Value>)]) -> PutBack {
    let mut plan = PutBack::default();
    for (kept, now) in kept {
        match now {
            Some(now) if *now == kept.before => plan.settled.push(kept.subject.clone()),
            Some(now) if *now == kept.after => match action_back(kept) {
                Some(action) => plan.changes.push(PlannedTenantAction {
                    action,
                    reason: Reason::PutBack,
                }),
                None => plan.left_alone.push(kept.subject.clone()),
            },
            _ => plan.left_alone.push(kept.subject.clone()),
        }
    }
    plan
}

/// The change that brings a remembered value back; `None` for a value that cannot be read.
fn action_back(kept: &KeptValue) -> Option<TenantAction> {
    match kept.subject.kind.as_str() {
        "security_defaults" => Some(TenantAction::SetSecurityDefaults {
            before: kept.after.as_bool()?,
            after: kept.before.as_bool()?,
        }),
        _ => None,
    }
}

/// Binds an approval to the changes that were shown.
pub fn hash(changes: &[PlannedTenantAction]) -> String {
    let text = serde_json::to_vec(changes).unwrap_or_default();
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use signpost_model::{RunId, Timestamp};

    fn kept(before: bool, after: bool) -> KeptValue {
        let action = TenantAction::SetSecurityDefaults { before, after };
        KeptValue {
            subject: action.subject(),
            before: json!(before),
            after: json!(after),
            run_id: RunId::from_number(1),
            taken_at: Timestamp::from_millis(0),
            put_back_at: None,
        }
    }

    #[test]
    fn what_already_is_as_asked_is_not_changed() {
        assert_eq!(
            set_security_defaults(true, true),
            TenantPlan::Changes(Vec::new())
        );
    }

    #[test]
    fn only_what_signpost_left_there_is_put_back() {
        let plan = put_back(&[(kept(true, false), Some(json!(false)))]);
        assert_eq!(plan.changes.len(), 1);
        let plan = put_back(&[(kept(true, false), Some(json!(true)))]);
        assert_eq!((plan.changes.len(), plan.settled.len()), (0, 1));
        let plan = put_back(&[(kept(true, false), None)]);
        assert_eq!((plan.changes.len(), plan.left_alone.len()), (0, 1));
    }
}
