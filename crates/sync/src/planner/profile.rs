//! The attributes of an account: who decides about each, and what changes.

use std::collections::BTreeMap;

use signpost_model::Observation;
use signpost_model::plan::{Change, Drift, KeptValue, NewValue, TargetAttribute};
use signpost_model::policy::{DriftPolicy, DriftRule};
use signpost_model::provisioning::{DriftChoice, DriftDecision};

use crate::ledger::{Hold, Ledger};
use crate::mapping::Values;

/// What becomes of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing changes, and nothing is to be noted.
    Leave,
    /// The account has what the directory says; from now on it is ours to keep so.
    Agree,
    /// The tenant's value stays, and this is what the directory said when it did.
    Keep(String),
    /// The account gets the directory's value.
    Set,
    /// The account loses a value that Signpost wrote.
    Clear,
}

/// The differences between an account and what it should be.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// Everything but the user principal name, in the order of the mapping page.
    pub(super) changes: Vec<Change>,
    pub(super) kept: Vec<KeptValue>,
    pub(super) drifts: Vec<Drift>,
    /// Whether the account should get its desired user principal name.
    pub(super) rename: bool,
    /// The ledger once what needs no action is noted.
    pub(super) ledger: Ledger,
}

/// What becomes of values that others set in the tenant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) policy: &'a DriftPolicy,
    pub(super) decided: &'a BTreeMap<TargetAttribute, DriftDecision>,
}

/// Compares attribute by attribute. At first contact an account keeps what it has.
pub(super) fn compare(
    desired: &Values,
    seen: &Observation,
    ledger: &Ledger,
    first_contact: bool,
    rules: Rules<'_>,
) -> Differences {
    let mut found = Differences {
        ledger: ledger.clone(),
        ..Differences::default()
    };
    for attribute in TargetAttribute::ALL {
        let before = value_of(seen, attribute);
        let after = desired.get(&attribute).map(String::as_str);
        let hold = ledger.attribute(attribute);
        let mut verdict = judge(attribute, before, after, hold.as_ref(), first_contact);
        if let Some(drift) = drift(attribute, before, after, hold.as_ref()) {
            verdict = rules.judge(drift, verdict, after, &mut found.drifts);
        }
        let change = |new| Change {
            attribute,
            before: before.map(str::to_owned),
            after: new,
        };
        let directory = after.unwrap_or_default().to_owned();
        match verdict {
            Verdict::Leave => {}
            Verdict::Agree => found.ledger.own(attribute, before),
            Verdict::Keep(said) => {
                found
                    .ledger
                    .attributes
                    .values
                    .insert(attribute, Hold::Kept(said));
            }
            Verdict::Set if attribute == TargetAttribute::UserPrincipalName => found.rename = true,
            Verdict::Set => found.changes.push(change(NewValue::Set(directory.clone()))),
            Verdict::Clear => found.changes.push(change(NewValue::Clear)),
        }
        if let Some(tenant) = before.filter(|_| first_contact)
            && found.ledger.attributes.values.get(&attribute)
                == Some(&Hold::Kept(directory.clone()))
        {
            found.kept.push(KeptValue {
                attribute,
                tenant: tenant.to_owned(),
                directory,
            });
        }
    }
    found
}

/// What somebody else did to an attribute that is ours while the directory stayed as it was. A
/// directory that says something new is newer than any change in the tenant.
fn drift(
    attribute: TargetAttribute,
    before: Option<&str>,
    after: Option<&str>,
    hold: Option<&Hold>,
) -> Option<Drift> {
    let Some(Hold::Ours(ours)) = hold else {
        return None;
    };
    let tenant = before.unwrap_or_default();
    let stayed = same(attribute, ours, after.unwrap_or_default());
    (stayed && !ours.is_empty() && !same(attribute, ours, tenant)).then(|| Drift {
        attribute,
        ours: ours.clone(),
        tenant: tenant.to_owned(),
        rule: DriftRule::Ask,
    })
}

impl Rules<'_> {
    /// What becomes of a drifted attribute, and notes it unless it is to be ignored.
    fn judge(
        self,
        mut drift: Drift,
        verdict: Verdict,
        after: Option<&str>,
        drifts: &mut Vec<Drift>,
    ) -> Verdict {
        let decided = self.decided.get(&drift.attribute);
        drift.rule = match decided.map(|decision| (decision.choice, &decision.tenant)) {
            Some((DriftChoice::Ignore, _)) => return Verdict::Leave,
            Some((DriftChoice::Accept, tenant)) if *tenant == drift.tenant => DriftRule::Accept,
            Some((DriftChoice::Revert, tenant)) if *tenant == drift.tenant => DriftRule::Revert,
            _ => self.policy.of(drift.attribute),
        };
        let verdict = match drift.rule {
            DriftRule::Revert => verdict,
            DriftRule::Ask => Verdict::Leave,
            DriftRule::Accept => Verdict::Keep(after.unwrap_or_default().to_owned()),
        };
        drifts.push(drift);
        verdict
    }
}

/// An attribute as the account has it; `None` when it is not set.
pub(crate) fn value_of(seen: &Observation, attribute: TargetAttribute) -> Option<&str> {
    let value = match attribute {
        TargetAttribute::UserPrincipalName => seen.user_principal_name.as_str(),
        other => seen.values.get(&other)?,
    };
    (!value.is_empty()).then_some(value)
}

/// Whether two values are one to Microsoft.
pub(crate) fn same(attribute: TargetAttribute, one: &str, other: &str) -> bool {
    match attribute {
        TargetAttribute::UserPrincipalName
        | TargetAttribute::MailNickname
        | TargetAttribute::UsageLocation
        | TargetAttribute::PreferredLanguage => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
}

fn judge(
    attribute: TargetAttribute,
    before: Option<&str>,
    after: Option<&str>,
    hold: Option<&Hold>,
    first_contact: bool,
) -> Verdict {
    let is_ours = matches!(hold, Some(Hold::Ours(_)));
    match (before, after) {
        (None, None) => Verdict::Leave,
        // Somebody else emptied it, and it was left so.
        (None, Some(after)) if hold == Some(&Hold::Kept(after.to_owned())) && !first_contact => {
            Verdict::Leave
        }
        (None, Some(_)) => Verdict::Set,
        (Some(before), Some(after)) if same(attribute, before, after) => {
            if is_ours {
                Verdict::Leave
            } else {
                Verdict::Agree
            }
        }
        (Some(_), Some(after)) => match hold {
            Some(Hold::Ours(_)) => Verdict::Set,
            Some(Hold::Kept(said)) if said == after => Verdict::Leave,
            Some(Hold::Kept(_)) => Verdict::Set,
            None => Verdict::Keep(after.to_owned()),
        },
        (Some(_), None) if is_ours && is_clearable(attribute) => Verdict::Clear,
        (Some(_), None) if first_contact && hold.is_none() => Verdict::Keep(String::new()),
        (Some(_), None) => Verdict::Leave,
    }
}

/// Microsoft never takes these back.
const fn is_clearable(attribute: TargetAttribute) -> bool {
    !matches!(
        attribute,
        TargetAttribute::UserPrincipalName
            | TargetAttribute::MailNickname
            | TargetAttribute::DisplayName
            | TargetAttribute::UsageLocation
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(before: &str, after: &str, hold: Option<Hold>, first_contact: bool) -> Verdict {
        let set = |text: &'static str| (!text.is_empty()).then_some(text);
        let before: &'static str = before.to_owned().leak();
        let after: &'static str = after.to_owned().leak();
        judge(
            TargetAttribute::City,
            set(before),
            set(after),
            hold.as_ref(),
            first_contact,
        )
    }

    #[test]
    fn first_contact_adds_what_is_missing_and_keeps_what_is_there() {
        assert_eq!(verdict("", "Porto", None, true), Verdict::Set);
        assert_eq!(verdict("Porto", "Porto", None, true), Verdict::Agree);
        assert_eq!(
            verdict("Lisbon", "Porto", None, true),
            Verdict::Keep("Porto".to_owned())
        );
        assert_eq!(
            verdict("Lisbon", "", None, true),
            Verdict::Keep(String::new())
        );
    }

    #[test]
    fn what_signpost_wrote_follows_the_directory() {
        let ours = || Some(Hold::Ours("Lisbon".to_owned()));
        assert_eq!(verdict("Lisbon", "Porto", ours(), false), Verdict::Set);
        assert_eq!(verdict("drifted", "Porto", ours(), false), Verdict::Set);
        assert_eq!(verdict("Lisbon", "", ours(), false), Verdict::Clear);
        assert_eq!(verdict("Porto", "Porto", ours(), false), Verdict::Leave);
    }

    #[test]
    fn what_was_kept_stays_until_the_directory_says_something_new() {
        let kept = || Some(Hold::Kept("Porto".to_owned()));
        assert_eq!(verdict("Lisbon", "Porto", kept(), false), Verdict::Leave);
        assert_eq!(verdict("Lisbon", "Faro", kept(), false), Verdict::Set);
        assert_eq!(verdict("Lisbon", "", kept(), false), Verdict::Leave);
    }
}
