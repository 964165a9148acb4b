//! What is asked of a tenant, made into changes. Nothing here asks or changes the tenant.

use serde_json::Value;
use sha2::{Digest, Sha256};
use signpost_model::plan::Reason;
use signpost_model::readiness::PerUserMfa;
use signpost_model::run::RunFailure;
use signpost_model::tenant::Subject;
use signpost_model::{KeptValue, PlannedTenantAction, TenantAction, Timestamp};

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

/// An account whose per-user MFA was just read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedAccount {
    /// ObjectId.
    pub account: String,
    pub name: String,
    /// `None`: it could not be read, and is left alone.
    pub state: Option<PerUserMfa>,
}

/// Per-user MFA off for these accounts. What is off already, or not known, is not touched.
pub fn turn_off_per_user_mfa(accounts: &[AskedAccount]) -> TenantPlan {
    let change = |one: &AskedAccount| {
        let before = one.state.filter(|state| *state != PerUserMfa::Disabled)?;
        Some(PlannedTenantAction {
            action: TenantAction::SetPerUserMfa {
                account: one.account.clone(),
                name: one.name.clone(),
                before,
                after: PerUserMfa::Disabled,
            },
            reason: Reason::AskedByOperator,
        })
    };
    TenantPlan::Changes(accounts.iter().filter_map(change).collect())
}

/// What secrets that Signpost makes are called; the instant follows.
const SECRET_NAME: &str = "Signpost renewal ";

/// A secret as the registration lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSecret {
    pub key_id: String,
    pub name: String,
    /// The first characters of its value.
    pub hint: String,
}

/// A new secret, in use, and the old one gone; so are secrets of renewals that broke off, whose
/// value nobody knows. `in_use` is the start of the secret that Signpost signs in with.
pub fn renew_secret(
    registration: &str,
    secrets: &[ListedSecret],
    in_use: &str,
    now: Timestamp,
    ends_at: Timestamp,
) -> TenantPlan {
    let own: Vec<&ListedSecret> = secrets.iter().filter(|one| one.hint == in_use).collect();
    let [own] = own.as_slice() else {
        return TenantPlan::Refused(RunFailure {
            text: "The registration does not show for certain which secret is in use. Renew it by hand: the Readiness page says how.".to_owned(),
            code: None,
            request_id: None,
        });
    };
    let remove = |one: &ListedSecret| TenantAction::RemoveSecret {
        registration: registration.to_owned(),
        key_id: one.key_id.clone(),
        name: one.name.clone(),
    };
    let broken_off = secrets
        .iter()
        .filter(|one| one.key_id != own.key_id && one.name.starts_with(SECRET_NAME));
    let mut actions: Vec<TenantAction> = broken_off.map(remove).collect();
    actions.push(TenantAction::AddSecret {
        registration: registration.to_owned(),
        name: format!("{SECRET_NAME}{now}"),
        ends_at,
    });
    actions.push(remove(own));
    let reason = Reason::AskedByOperator;
    TenantPlan::Changes(
        actions
            .into_iter()
            .map(|action| PlannedTenantAction { action, reason })
            .collect(),
    )
}

/// A certificate as the registration lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCertificate {
    pub key_id: String,
    /// SHA-1 in hexadecimal.
    pub thumbprint: String,
}

/// A certificate that is made and whose key is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingCertificate {
    /// SHA-1 in hexadecimal.
    pub thumbprint: String,
    /// DER as base64.
    pub certificate: String,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
}

/// What the application signs in with, as the registration lists it; `None` where that is not
/// certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedCredential {
    Secret(Option<ListedSecret>),
    Certificate(Option<ListedCertificate>),
}

/// The certificate that waits is uploaded, tried and used; what was in use before goes last, when
/// it is certain which it is.
pub fn use_certificate(
    registration: &str,
    waits: &WaitingCertificate,
    in_use: ListedCredential,
) -> TenantPlan {
    let mut actions = vec![TenantAction::AddCertificate {
        registration: registration.to_owned(),
        thumbprint: waits.thumbprint.clone(),
        certificate: waits.certificate.clone(),
        starts_at: waits.starts_at,
        ends_at: waits.ends_at,
    }];
    let registration = registration.to_owned();
    actions.extend(match in_use {
        ListedCredential::Secret(secret) => secret.map(|secret| TenantAction::RemoveSecret {
            registration,
            key_id: secret.key_id,
            name: secret.name,
        }),
        ListedCredential::Certificate(old) => old
            .filter(|old| !old.thumbprint.eq_ignore_ascii_case(&waits.thumbprint))
            .map(|old| TenantAction::RemoveCertificate {
                registration,
                key_id: old.key_id,
                thumbprint: old.thumbprint,
            }),
    });
    let reason = Reason::AskedByOperator;
    TenantPlan::Changes(
        actions
            .into_iter()
            .map(|action| PlannedTenantAction { action, reason })
            .collect(),
    )
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
        "per_user_mfa" => Some(TenantAction::SetPerUserMfa {
            account: kept.subject.id.clone(),
            name: kept.subject.name.clone(),
            before: serde_json::from_value(kept.after.clone()).ok()?,
            after: serde_json::from_value(kept.before.clone()).ok()?,
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

    fn secret(key_id: &str, name: &str, hint: &str) -> ListedSecret {
        ListedSecret {
            key_id: key_id.to_owned(),
            name: name.to_owned(),
            hint: hint.to_owned(),
        }
    }

    fn renewal(secrets: &[ListedSecret]) -> TenantPlan {
        let now = Timestamp::from_millis(0);
        renew_secret("app", secrets, "Ab1", now, now.plus_days(365))
    }

    #[test]
    fn the_old_secret_goes_last_and_what_broke_off_goes_first() {
        let plan = renewal(&[
            secret("1", "Signpost", "Ab1"),
            secret("2", "Somebody else's", "Zz9"),
            secret("3", "Signpost renewal 2026-01-01T00:00:00Z", "Qq2"),
        ]);
        let TenantPlan::Changes(changes) = plan else {
            panic!("a plan")
        };
        let keys: Vec<String> = changes
            .iter()
            .map(|change| match &change.action {
                TenantAction::RemoveSecret { key_id, .. } => format!("remove {key_id}"),
                other => other.key().to_owned(),
            })
            .collect();
        assert_eq!(keys, ["remove 3", "add_secret", "remove 1"]);
    }

    #[test]
    fn without_certainty_about_the_secret_in_use_nothing_is_renewed() {
        for secrets in [
            vec![secret("2", "Other", "Zz9")],
            vec![secret("1", "One", "Ab1"), secret("2", "Two", "Ab1")],
        ] {
            assert!(matches!(renewal(&secrets), TenantPlan::Refused(_)));
        }
    }

    #[test]
    fn what_was_in_use_goes_after_the_certificate_and_only_when_it_is_certain() {
        let waits = WaitingCertificate {
            thumbprint: "AA".to_owned(),
            certificate: "MII".to_owned(),
            starts_at: Timestamp::from_millis(0),
            ends_at: Timestamp::from_millis(0),
        };
        let old = |thumbprint: &str| ListedCertificate {
            key_id: "7".to_owned(),
            thumbprint: thumbprint.to_owned(),
        };
        for (in_use, expected) in [
            (
                ListedCredential::Secret(Some(secret("1", "Signpost", "Ab1"))),
                vec!["add_certificate", "remove_secret"],
            ),
            (ListedCredential::Secret(None), vec!["add_certificate"]),
            (
                ListedCredential::Certificate(Some(old("BB"))),
                vec!["add_certificate", "remove_certificate"],
            ),
            (
                ListedCredential::Certificate(Some(old("aa"))),
                vec!["add_certificate"],
            ),
            (ListedCredential::Certificate(None), vec!["add_certificate"]),
        ] {
            let TenantPlan::Changes(changes) = use_certificate("app", &waits, in_use) else {
                panic!("a plan")
            };
            let keys: Vec<&str> = changes.iter().map(|change| change.action.key()).collect();
            assert_eq!(keys, expected);
            let subjects: Vec<String> = changes
                .iter()
                .map(|change| change.action.subject().id)
                .collect();
            assert!(subjects.iter().all(|id| id == "app"), "one after the other");
        }
    }

    #[test]
    fn accounts_that_are_off_or_could_not_be_read_are_left_alone() {
        let account = |name: &str, state| AskedAccount {
            account: name.to_owned(),
            name: name.to_owned(),
            state,
        };
        let plan = turn_off_per_user_mfa(&[
            account("ada", Some(PerUserMfa::Enforced)),
            account("bob", Some(PerUserMfa::Disabled)),
            account("carol", None),
        ]);
        let TenantPlan::Changes(changes) = plan else {
            panic!("a plan")
        };
        let names: Vec<String> = changes
            .iter()
            .map(|change| change.action.subject().name)
            .collect();
        assert_eq!(names, ["ada"]);
    }

    #[test]
    fn an_account_gets_the_very_state_back_that_it_had() {
        let action = TenantAction::SetPerUserMfa {
            account: "1".to_owned(),
            name: "ada".to_owned(),
            before: PerUserMfa::Enforced,
            after: PerUserMfa::Disabled,
        };
        let (before, after) = action.keeps().unwrap();
        let kept = KeptValue {
            subject: action.subject(),
            before,
            after,
            ..kept(true, false)
        };
        let plan = put_back(&[(kept, Some(json!("disabled")))]);
        let back = TenantAction::SetPerUserMfa {
            account: "1".to_owned(),
            name: "ada".to_owned(),
            before: PerUserMfa::Disabled,
            after: PerUserMfa::Enforced,
        };
        assert_eq!(plan.changes[0].action, back);
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
