//! Federating a domain, changing it, taking it back, and the ImmutableIds of its accounts: made
//! into changes. Nothing here asks or changes the tenant.

use signpost_model::federation::{FederationField, FederationSetup, RevertCause};
use signpost_model::plan::{ObjectId, Reason};
use signpost_model::run::RunFailure;
use signpost_model::{PlannedTenantAction, TenantAction};

use super::TenantPlan;

/// A domain as the tenant shows it now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DomainNow {
    pub name: String,
    pub federated: bool,
    /// Microsoft's own id of the federation; empty when it shows none.
    pub federation: String,
    /// What it is federated with, as far as Microsoft shows it.
    pub setup: Option<FederationSetup>,
}

/// How a domain is to be federated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub setup: FederationSetup,
    /// Who is to sign in for a test.
    pub tester: String,
    pub confirm_minutes: i64,
}

/// A managed domain becomes federated, never without a certificate: Microsoft would federate it
/// all the same, and could then neither show nor undo it.
pub fn federate(now: &DomainNow, wanted: &Wanted) -> TenantPlan {
    if wanted
        .setup
        .get(FederationField::SigningCertificate)
        .is_empty()
    {
        return refused(
            "There is no signing certificate, and without one Microsoft breaks the domain.",
        );
    }
    if now.federated || now.setup.is_some() {
        return refused("The domain is federated already. Revert first.");
    }
    changes(TenantAction::Federate {
        domain: now.name.clone(),
        after: wanted.setup.clone(),
        tester: wanted.tester.clone(),
        confirm_minutes: wanted.confirm_minutes,
    })
}

/// Only what differs is changed, and only while the domain is federated with this provider.
pub fn update_federation(now: &DomainNow, wanted: &FederationSetup) -> TenantPlan {
    let Some(found) = &now.setup else {
        return refused("The domain is not federated. There is nothing to update.");
    };
    let issuer = wanted.get(FederationField::IssuerUri);
    if found.get(FederationField::IssuerUri) != issuer {
        return refused(
            "The domain is federated with another identity provider. Nothing was changed.",
        );
    }
    let differing = wanted.differing(found);
    if differing.is_empty() {
        return TenantPlan::Changes(Vec::new());
    }
    changes(TenantAction::UpdateFederation {
        domain: now.name.clone(),
        federation: now.federation.clone(),
        before: found.only(&differing),
        after: wanted.only(&differing),
    })
}

/// A domain that is federated with this provider, or with one that Microsoft does not show,
/// becomes managed. One that somebody federated with another provider since is not touched.
pub fn revert_federation(now: &DomainNow, issuer: &str, because: RevertCause) -> TenantPlan {
    if !now.federated && now.setup.is_none() {
        return TenantPlan::Changes(Vec::new());
    }
    let found = now.setup.as_ref();
    let found = found.map(|setup| setup.get(FederationField::IssuerUri));
    if found.is_some_and(|found| found != issuer) {
        return match because {
            RevertCause::Asked => refused(
                "The domain is federated with another identity provider. Nothing was changed.",
            ),
            // Somebody has the domain in hand.
            RevertCause::NotConfirmed => TenantPlan::Changes(Vec::new()),
        };
    }
    let action = TenantAction::RevertFederation {
        domain: now.name.clone(),
        before: now.setup.clone(),
    };
    TenantPlan::Changes(vec![PlannedTenantAction {
        action,
        reason: match because {
            RevertCause::Asked => Reason::AskedByOperator,
            RevertCause::NotConfirmed => Reason::NotConfirmed,
        },
    }])
}

/// An account whose ImmutableId is put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    pub object_id: ObjectId,
    pub user_name: String,
    pub before: Option<String>,
    pub after: String,
}

/// The change of an account's ImmutableId; while its domain is federated, by way of a name on the
/// tenant's first domain.
pub fn repair(repair: Repair, federated: bool, initial_domain: &str) -> PlannedTenantAction {
    let by_way_of =
        federated.then(|| format!("signpost-{}@{initial_domain}", repair.object_id.as_str()));
    PlannedTenantAction {
        action: TenantAction::SetAccountImmutableId {
            object_id: repair.object_id,
            user_name: repair.user_name,
            before: repair.before,
            after: repair.after,
            by_way_of,
        },
        reason: Reason::AskedByOperator,
    }
}

fn changes(action: TenantAction) -> TenantPlan {
    TenantPlan::Changes(vec![PlannedTenantAction {
        action,
        reason: Reason::AskedByOperator,
    }])
}

fn refused(text: &str) -> TenantPlan {
    TenantPlan::Refused(RunFailure {
        text: text.to_owned(),
        code: None,
        request_id: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(issuer: &str, certificate: &str) -> FederationSetup {
        let mut setup = FederationSetup::default();
        setup.set(FederationField::IssuerUri, issuer);
        setup.set(FederationField::SigningCertificate, certificate);
        setup
    }

    fn managed() -> DomainNow {
        DomainNow {
            name: "contoso.example".to_owned(),
            ..DomainNow::default()
        }
    }

    fn federated(setup: Option<FederationSetup>) -> DomainNow {
        DomainNow {
            federated: true,
            federation: "1".to_owned(),
            setup,
            ..managed()
        }
    }

    fn wanted(setup: FederationSetup) -> Wanted {
        Wanted {
            setup,
            tester: "ada@contoso.example".to_owned(),
            confirm_minutes: 30,
        }
    }

    fn only(plan: &TenantPlan) -> &TenantAction {
        match plan {
            TenantPlan::Changes(changes) if changes.len() == 1 => &changes[0].action,
            other => panic!("not one change: {other:?}"),
        }
    }

    fn is_refused(plan: &TenantPlan) -> bool {
        matches!(plan, TenantPlan::Refused(_))
    }

    #[test]
    fn nothing_is_federated_without_a_certificate_or_over_another_federation() {
        let good = setup("urn:a:b", "MIIC");
        assert!(is_refused(&federate(
            &managed(),
            &wanted(setup("urn:a:b", ""))
        )));
        assert!(is_refused(&federate(
            &federated(None),
            &wanted(good.clone())
        )));
        let left = DomainNow {
            setup: Some(good.clone()),
            ..managed()
        };
        assert!(is_refused(&federate(&left, &wanted(good.clone()))));
        let plan = federate(&managed(), &wanted(good));
        assert!(matches!(only(&plan), TenantAction::Federate { .. }));
    }

    #[test]
    fn an_update_sends_what_differs_and_nothing_to_strangers() {
        let now = federated(Some(setup("urn:a:b", "MIIC")));
        let same = update_federation(&now, &setup("urn:a:b", "MIIC"));
        assert_eq!(same, TenantPlan::Changes(Vec::new()));
        let plan = update_federation(&now, &setup("urn:a:b", "MIID"));
        let TenantAction::UpdateFederation { before, after, .. } = only(&plan) else {
            panic!("{plan:?}");
        };
        assert_eq!(before, &setup("", "MIIC"));
        assert_eq!(after, &setup("", "MIID"));
        assert!(is_refused(&update_federation(
            &now,
            &setup("urn:a:c", "MIIC")
        )));
        assert!(is_refused(&update_federation(
            &managed(),
            &setup("urn:a:b", "MIIC")
        )));
    }

    #[test]
    fn a_revert_takes_back_what_is_ours_or_broken_and_leaves_others_alone() {
        let (asked, late) = (RevertCause::Asked, RevertCause::NotConfirmed);
        let ours = federated(Some(setup("urn:a:b", "MIIC")));
        assert!(matches!(
            only(&revert_federation(&ours, "urn:a:b", asked)),
            TenantAction::RevertFederation {
                before: Some(_),
                ..
            }
        ));
        let broken = federated(None);
        assert!(matches!(
            only(&revert_federation(&broken, "urn:a:b", late)),
            TenantAction::RevertFederation { before: None, .. }
        ));
        let nothing = TenantPlan::Changes(Vec::new());
        assert_eq!(revert_federation(&managed(), "urn:a:b", late), nothing);
        let theirs = federated(Some(setup("urn:a:c", "MIIC")));
        assert!(is_refused(&revert_federation(&theirs, "urn:a:b", asked)));
        assert_eq!(revert_federation(&theirs, "urn:a:b", late), nothing);
    }

    #[test]
    fn a_federated_account_is_renamed_on_the_way() {
        let one = Repair {
            object_id: ObjectId::new("8c1e"),
            user_name: "ada@contoso.example".to_owned(),
            before: None,
            after: "anchor".to_owned(),
        };
        let way = |federated| match repair(one.clone(), federated, "contoso.onmicrosoft.com").action
        {
            TenantAction::SetAccountImmutableId { by_way_of, .. } => by_way_of,
            other => panic!("{other:?}"),
        };
        assert_eq!(way(false), None);
        assert_eq!(
            way(true).as_deref(),
            Some("signpost-8c1e@contoso.onmicrosoft.com")
        );
    }
}
