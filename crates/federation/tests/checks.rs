//! What must be true before a domain is federated: each fact decides the check it is for.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

mod contoso;

use signpost_federation::checks::{
    AccountFacts, AdministratorFacts, Check, CheckFacts, CheckKind, CheckState, TenantDomain,
    family, judge, may_federate,
};
use signpost_federation::{
    Certificate, Endpoints, FederationSettings, FederationValues, MetadataProblem, MfaBehavior,
    PromptLogin, Protocol, ProviderMetadata,
};
use signpost_model::{Cloud, Timestamp};

/// In the middle of the certificate's life.
const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const DOMAIN: &str = "contoso.example";

fn values() -> FederationValues {
    FederationValues {
        cloud: Cloud::Microsoft365,
        tenant_id: "8c1ef6f0-0000-4000-8000-000000000001".into(),
        domain: DOMAIN.into(),
        display_name: "Contoso".into(),
        issuer_uri: contoso::provider().issuer_uri,
        passive_sign_in_uri: contoso::OWN_ADDRESS.into(),
        active_sign_in_uri: None,
        sign_out_uri: contoso::OWN_ADDRESS.into(),
        metadata_exchange_uri: None,
        metadata_uri: None,
        password_reset_uri: None,
        protocol: Protocol::WsFed,
        signing_certificate: Certificate::parse(contoso::CERTIFICATE).unwrap(),
        next_signing_certificate: None,
        mfa_behavior: MfaBehavior::Accept,
        prompt_login: PromptLogin::Native,
    }
}

fn domain(name: &str) -> TenantDomain {
    TenantDomain {
        name: name.to_owned(),
        verified: true,
        initial: false,
        default: false,
        root: true,
        federated: false,
    }
}

fn facts() -> CheckFacts {
    let addresses = Endpoints {
        sign_in: contoso::OWN_ADDRESS.into(),
        sign_out: contoso::OWN_ADDRESS.into(),
    };
    let metadata = contoso::provider().metadata(&addresses, None).unwrap();
    let initial = TenantDomain {
        initial: true,
        default: true,
        ..domain("contoso.onmicrosoft.com")
    };
    CheckFacts {
        domains: Ok(vec![initial, domain(DOMAIN)]),
        issuers: Ok(Vec::new()),
        metadata: Some(Ok(ProviderMetadata::parse(&metadata))),
        accounts: Ok(AccountFacts {
            total: 200,
            open: 0,
            waived: 0,
        }),
        administrators: Ok(AdministratorFacts {
            outside: 2,
            inside: Vec::new(),
        }),
    }
}

fn checks(facts: &CheckFacts) -> Vec<Check> {
    judge(&FederationSettings::new(values()).unwrap(), facts, NOW)
}

/// The checks that did not pass.
fn others(facts: &CheckFacts) -> Vec<(CheckKind, CheckState)> {
    let checks = checks(facts);
    for check in &checks {
        let said = check.todo.is_empty();
        assert_eq!(
            said,
            check.state == CheckState::Passed,
            "{check:?} says what to do"
        );
        assert!(!check.found.is_empty(), "{check:?} says what was found");
    }
    checks
        .iter()
        .filter(|check| check.state != CheckState::Passed)
        .map(|check| (check.kind, check.state))
        .collect()
}

fn with_domain(change: impl FnOnce(&mut TenantDomain)) -> CheckFacts {
    let mut changed = domain(DOMAIN);
    change(&mut changed);
    CheckFacts {
        domains: Ok(vec![changed]),
        ..facts()
    }
}

#[test]
fn a_domain_that_is_ready_passes_everything() {
    assert_eq!(others(&facts()), []);
    assert!(may_federate(&checks(&facts())));
    assert!(!may_federate(&[]), "nothing checked is nothing passed");
}

#[test]
fn each_property_of_the_domain_decides_its_check() {
    use CheckKind::{Custom, Managed, NotDefault, Root, Verified};
    let cases: [(CheckFacts, CheckKind); 5] = [
        (with_domain(|domain| domain.verified = false), Verified),
        (with_domain(|domain| domain.initial = true), Custom),
        (with_domain(|domain| domain.default = true), NotDefault),
        (with_domain(|domain| domain.root = false), Root),
        (with_domain(|domain| domain.federated = true), Managed),
    ];
    for (facts, kind) in cases {
        assert_eq!(others(&facts), [(kind, CheckState::Failed)]);
        assert!(!may_federate(&checks(&facts)));
    }
    let gone = CheckFacts {
        domains: Ok(vec![domain("fabrikam.example")]),
        ..facts()
    };
    assert_eq!(others(&gone).len(), 6);
}

#[test]
fn a_federation_left_behind_and_an_issuer_in_use_stand_in_the_way() {
    let issuer = contoso::provider().issuer_uri;
    let left = CheckFacts {
        issuers: Ok(vec![(DOMAIN.to_uppercase(), issuer.clone())]),
        ..facts()
    };
    assert_eq!(others(&left), [(CheckKind::Managed, CheckState::Failed)]);
    let taken = CheckFacts {
        issuers: Ok(vec![("fabrikam.example".into(), issuer)]),
        ..facts()
    };
    assert_eq!(others(&taken), [(CheckKind::Issuer, CheckState::Failed)]);
}

#[test]
fn domains_below_follow_and_are_named() {
    let child = TenantDomain {
        root: false,
        ..domain("Sales.Contoso.example")
    };
    let promoted = domain("own.contoso.example");
    let stranger = TenantDomain {
        root: false,
        ..domain("notcontoso.example")
    };
    let domains = vec![domain(DOMAIN), child, promoted, stranger];
    let names: Vec<_> = family(DOMAIN, &domains).collect();
    assert_eq!(names, [DOMAIN, "Sales.Contoso.example"]);
    let facts = CheckFacts {
        domains: Ok(domains),
        ..facts()
    };
    assert_eq!(
        others(&facts),
        [(CheckKind::Subdomains, CheckState::Attention)]
    );
    assert!(may_federate(&checks(&facts)));
}

#[test]
fn accounts_that_are_neither_ready_nor_waived_keep_the_switch_locked() {
    let with = |total, open, waived| CheckFacts {
        accounts: Ok(AccountFacts {
            total,
            open,
            waived,
        }),
        ..facts()
    };
    let kind = CheckKind::ImmutableIds;
    assert_eq!(others(&with(200, 1, 5)), [(kind, CheckState::Failed)]);
    assert_eq!(others(&with(200, 0, 5)), [(kind, CheckState::Attention)]);
    assert_eq!(others(&with(0, 0, 0)), [(kind, CheckState::Failed)]);
}

#[test]
fn somebody_must_be_able_to_sign_in_without_the_domain() {
    let with = |outside| CheckFacts {
        administrators: Ok(AdministratorFacts {
            outside,
            inside: vec!["ada@contoso.example".into()],
        }),
        ..facts()
    };
    let kind = CheckKind::Administrators;
    assert_eq!(others(&with(0)), [(kind, CheckState::Failed)]);
    assert_eq!(others(&with(1)), [(kind, CheckState::Attention)]);
    assert_eq!(others(&with(2)), []);
}

#[test]
fn a_provider_that_answers_otherwise_fails() {
    let with = |metadata| CheckFacts {
        metadata,
        ..facts()
    };
    let kind = CheckKind::Metadata;
    let failed = [(kind, CheckState::Failed)];
    assert_eq!(others(&with(Some(Err("timed out".into())))), failed);
    assert_eq!(
        others(&with(Some(Ok(Err(MetadataProblem::NotXml))))),
        failed
    );
    assert_eq!(others(&with(None)), [(kind, CheckState::Attention)]);
    let Some(Ok(Ok(good))) = facts().metadata else {
        panic!("the document is good");
    };
    let other_issuer = ProviderMetadata {
        issuer: "https://other.example".into(),
        ..good.clone()
    };
    let other_certificate = ProviderMetadata {
        certificates: Vec::new(),
        ..good
    };
    for wrong in [other_issuer, other_certificate] {
        assert_eq!(others(&with(Some(Ok(Ok(wrong))))), failed);
    }
}

#[test]
fn a_certificate_that_ends_soon_or_begins_later_fails() {
    let settings = FederationSettings::new(values()).unwrap();
    let ends = settings.values().signing_certificate.not_after();
    let begins = settings.values().signing_certificate.not_before();
    for (now, expected) in [
        (ends.plus_days(-31), CheckState::Passed),
        (ends.plus_days(-29), CheckState::Failed),
        (ends.plus_days(5), CheckState::Failed),
        (begins.plus_days(-1), CheckState::Failed),
    ] {
        let checks = judge(&settings, &facts(), now);
        let check = checks
            .iter()
            .find(|check| check.kind == CheckKind::Certificate)
            .unwrap();
        assert_eq!(check.state, expected, "{}", check.found);
    }
}

#[test]
fn addresses_without_tls_are_good_for_practice_only() {
    let with = |cloud| {
        let plain = FederationValues {
            cloud,
            passive_sign_in_uri: "http://127.0.0.1:3000/federation/1/sign-in".into(),
            ..values()
        };
        FederationSettings::new(plain)
    };
    assert!(
        with(Cloud::Microsoft365).is_err(),
        "no script and no plan is made of it"
    );
    let checks = judge(&with(Cloud::Practice).unwrap(), &facts(), NOW);
    let check = checks
        .iter()
        .find(|check| check.kind == CheckKind::Addresses)
        .unwrap();
    assert_eq!(check.state, CheckState::Attention);
}

#[test]
fn what_could_not_be_read_is_unknown_and_keeps_the_switch_locked() {
    let why = || "Microsoft did not answer.".to_owned();
    let facts = CheckFacts {
        domains: Err(why()),
        issuers: Err(why()),
        accounts: Err(why()),
        administrators: Err(why()),
        ..facts()
    };
    let unknown: Vec<_> = others(&facts);
    assert_eq!(unknown.len(), 9);
    assert!(
        unknown
            .iter()
            .all(|(_, state)| *state == CheckState::Unknown)
    );
    assert!(!may_federate(&checks(&facts)));
    let roles_not_granted = CheckFacts {
        administrators: Err(why()),
        ..self::facts()
    };
    assert!(may_federate(&checks(&roles_not_granted)));
}

#[test]
fn words_of_the_database_are_read_back() {
    for kind in CheckKind::ALL {
        assert_eq!(CheckKind::from_key(kind.key()), Some(kind));
    }
    for state in [
        CheckState::Passed,
        CheckState::Attention,
        CheckState::Unknown,
        CheckState::Failed,
    ] {
        assert_eq!(CheckState::from_key(state.key()), Some(state));
    }
}
