use signpost_model::connection::CredentialKind;
use signpost_model::readiness::{
    Check, CheckKey, CheckState, Feature, HandMark, Marked, MfaTally, RegistrationTally,
};
use signpost_model::sign_on::{FactorPolicy, MfaBehavior};
use signpost_model::{SignOnSettings, Timestamp};

use super::assess;
use crate::readiness::facts::*;
use crate::readiness::needs_of;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn administrator(name: &str) -> Administrator {
    Administrator {
        name: name.to_owned(),
        enabled: true,
        synchronised: false,
        linked: false,
    }
}

fn domain(name: &str) -> DomainFact {
    DomainFact {
        name: name.to_owned(),
        verified: true,
        default: false,
        initial: false,
        root: true,
        federated: true,
    }
}

/// A tenant in which everything is in order: federated, with our own second factor.
fn ready() -> Facts {
    let granted = needs_of(Feature::USUAL).map(|need| need.name.to_owned());
    let mark = |mark| {
        let by = "Alice".to_owned();
        (
            mark,
            Marked {
                by,
                at: NOW.plus_days(-1),
            },
        )
    };
    Facts {
        now: NOW,
        domain: "contoso.com".to_owned(),
        practice: false,
        features: Feature::USUAL.to_vec(),
        granted: Read::Known(granted.collect()),
        probes: vec![("Policy.Read.All", Read::Known(()))],
        credential: CredentialKind::Secret,
        credential_ends: Read::Known(Some(NOW.plus_days(200))),
        domains: Read::Known(vec![
            domain("contoso.com"),
            DomainFact {
                default: true,
                initial: true,
                federated: false,
                ..domain("contoso.onmicrosoft.com")
            },
        ]),
        names: NamesOutside {
            users: 3,
            ..NamesOutside::default()
        },
        administrators: Read::Known(vec![
            administrator("glass1@contoso.onmicrosoft.com"),
            administrator("glass2@contoso.onmicrosoft.com"),
        ]),
        security_defaults: Read::Known(false),
        conditional_access: Read::Known(Vec::new()),
        federation: Read::Known(Some(FederationFact {
            issuer: "https://id.contoso.com/federation/1".to_owned(),
            mfa: Some(MfaBehavior::Accept),
        })),
        campaign: Read::Known("default".to_owned()),
        reading: AccountReading::Done {
            tally: MfaTally {
                accounts: 3,
                disabled: 3,
                ..MfaTally::default()
            },
            at: NOW,
        },
        registrations: Read::Known(RegistrationTally {
            users: 3,
            ..RegistrationTally::default()
        }),
        marks: vec![mark(HandMark::RegistrationOff)],
        sign_on: SignOnSettings {
            factor_policy: FactorPolicy::Required,
            ..SignOnSettings::default()
        },
        without_factor: 0,
        own: OwnSide {
            public_url: "https://id.contoso.com".to_owned(),
            metadata: Read::Known(MetadataFact {
                names_issuer: true,
                has_certificate: true,
            }),
            tls: Read::Known(Some(shown(NOW.plus_days(60), None))),
            clock_offset_ms: Read::Known(Some(400)),
        },
    }
}

fn shown(ends_at: Timestamp, problem: Option<TlsProblem>) -> TlsFact {
    TlsFact {
        host: "id.contoso.com".to_owned(),
        issuer: "Contoso CA".to_owned(),
        chain: 2,
        ends_at,
        problem,
    }
}

fn refused(facts: &mut Facts, problem: TlsProblem) {
    facts.own.tls = Read::Known(Some(shown(NOW.plus_days(60), Some(problem))));
}

fn found(key: CheckKey, change: impl FnOnce(&mut Facts)) -> Check {
    let mut facts = ready();
    change(&mut facts);
    let mut all = assess(&facts);
    all.retain(|check| check.key == key);
    all.remove(0)
}

#[test]
fn a_tenant_in_order_passes_every_check() {
    let open: Vec<Check> = assess(&ready())
        .into_iter()
        .filter(|check| check.state != CheckState::Passed)
        .collect();
    assert!(open.is_empty(), "{open:#?}");
    assert_eq!(assess(&ready()).len(), CheckKey::ALL.len());
}

/// What a change of the tenant makes of one check.
type Row = (CheckKey, CheckState, fn(&mut Facts));

fn first_domain(facts: &mut Facts) -> &mut DomainFact {
    let Read::Known(domains) = &mut facts.domains else {
        panic!("known")
    };
    &mut domains[0]
}

fn administrators(facts: &mut Facts) -> &mut Vec<Administrator> {
    let Read::Known(all) = &mut facts.administrators else {
        panic!("known")
    };
    all
}

fn tally(facts: &mut Facts, tally: MfaTally) {
    facts.reading = AccountReading::Done { tally, at: NOW };
}

fn policy(enabled: bool, asks_for_mfa: bool) -> ConditionalAccess {
    ConditionalAccess {
        name: "Ask everybody".to_owned(),
        enabled,
        asks_for_mfa,
    }
}

#[rustfmt::skip]
const TABLE: &[Row] = {
    use CheckKey as K;
    use CheckState::{Attention, Failed, Passed, Unknown};
    &[
    (K::SignIn, Failed, |f| f.granted = Read::Known(Vec::new())),
    (K::SignIn, Failed, |f| f.granted = Read::Failed("The secret has ended.".to_owned())),
    (K::Permissions, Failed, |f| f.granted = f.granted.clone().map(|all| all.into_iter().filter(|p| p != "Domain.Read.All").collect())),
    (K::Permissions, Attention, |f| f.granted = f.granted.clone().map(|all| all.into_iter().filter(|p| p != "AuditLog.Read.All").collect())),
    (K::Permissions, Passed, |f| {
        f.features = vec![Feature::Sync, Feature::Expiry, Feature::Groups];
        f.granted = f.granted.clone().map(|all| all.into_iter().filter(|p| p != "AuditLog.Read.All" && p != "Policy.Read.All").collect());
    }),
    (K::Permissions, Attention, |f| f.granted = f.granted.clone().map(|mut all| { all.push("Mail.Send".to_owned()); all })),
    (K::Permissions, Attention, |f| f.probes = vec![("Policy.Read.All", Read::Missing("Policy.Read.All".to_owned()))]),
    (K::CredentialEnd, Passed, |f| f.credential_ends = Read::Known(Some(NOW.plus_days(61)))),
    (K::CredentialEnd, Attention, |f| f.credential_ends = Read::Known(Some(NOW.plus_days(60)))),
    (K::CredentialEnd, Failed, |f| f.credential_ends = Read::Known(Some(NOW.plus_days(7)))),
    (K::CredentialEnd, Failed, |f| f.credential_ends = Read::Known(Some(NOW.plus_days(-1)))),
    (K::CredentialEnd, Unknown, |f| f.credential_ends = Read::Known(None)),
    (K::CredentialEnd, Unknown, |f| f.credential_ends = Read::Missing("Application.Read.All".to_owned())),
    (K::DomainVerified, Failed, |f| first_domain(f).verified = false),
    (K::DomainVerified, Failed, |f| f.domain = "fabrikam.com".to_owned()),
    (K::DomainVerified, Failed, |f| f.domain = "contoso.onmicrosoft.com".to_owned()),
    (K::DomainVerified, Passed, |f| f.domain = "Contoso.COM".to_owned()),
    (K::DomainNotDefault, Failed, |f| first_domain(f).default = true),
    (K::DomainRoot, Attention, |f| first_domain(f).root = false),
    (K::DomainRoot, Attention, |f| { let child = DomainFact { root: false, ..domain("eu.contoso.com") }; f.domains = f.domains.clone().map(|mut all| { all.push(child); all }); }),
    (K::DomainRoot, Passed, |f| { let other = DomainFact { root: true, ..domain("eu.contoso.com") }; f.domains = f.domains.clone().map(|mut all| { all.push(other); all }); }),
    (K::DomainRoot, Passed, |f| { let other = DomainFact { root: false, ..domain("notcontoso.com") }; f.domains = f.domains.clone().map(|mut all| { all.push(other); all }); }),
    (K::UserNames, Attention, |f| f.names.outside = 1),
    (K::UserNames, Unknown, |f| f.domains = Read::Failed("Microsoft did not answer.".to_owned())),
    (K::BreakGlass, Attention, |f| { administrators(f).pop(); }),
    (K::BreakGlass, Failed, |f| administrators(f).clear()),
    (K::BreakGlass, Attention, |f| administrators(f)[0].enabled = false),
    (K::BreakGlass, Attention, |f| administrators(f)[0].synchronised = true),
    (K::BreakGlass, Attention, |f| administrators(f)[0].linked = true),
    (K::BreakGlass, Attention, |f| administrators(f)[0].name = "ada@contoso.com".to_owned()),
    (K::BreakGlass, Unknown, |f| f.administrators = Read::Missing("RoleManagement.Read.Directory".to_owned())),
    (K::SecurityDefaults, Attention, |f| f.security_defaults = Read::Known(true)),
    (K::SecurityDefaults, Unknown, |f| f.security_defaults = Read::Missing("Policy.Read.All".to_owned())),
    (K::MfaRemains, Passed, |f| { f.sign_on.factor_policy = FactorPolicy::Off; f.security_defaults = Read::Known(true); }),
    (K::MfaRemains, Passed, |f| { f.sign_on.factor_policy = FactorPolicy::Off; f.conditional_access = Read::Known(vec![policy(true, true)]); }),
    (K::MfaRemains, Failed, |f| { f.sign_on.factor_policy = FactorPolicy::Off; f.conditional_access = Read::Known(vec![policy(false, true), policy(true, false)]); }),
    (K::MfaRemains, Failed, |f| f.sign_on.factor_policy = FactorPolicy::Optional),
    (K::MfaRemains, Attention, |f| f.federation = Read::Known(None)),
    (K::MfaRemains, Attention, |f| { f.sign_on.factor_policy = FactorPolicy::Off; tally(f, MfaTally { asked: 1, ..MfaTally::default() }); }),
    (K::MfaRemains, Unknown, |f| { f.sign_on.factor_policy = FactorPolicy::Off; f.conditional_access = Read::Failed("No answer.".to_owned()); }),
    (K::PerUserMfa, Unknown, |f| f.reading = AccountReading::Never),
    (K::PerUserMfa, Unknown, |f| f.reading = AccountReading::Failed("No answer.".to_owned())),
    (K::PerUserMfa, Unknown, |f| f.reading = AccountReading::Running(MfaTally { accounts: 3, unread: 1, disabled: 2, ..MfaTally::default() })),
    (K::PerUserMfa, Attention, |f| tally(f, MfaTally { accounts: 3, asked: 1, disabled: 2, ..MfaTally::default() })),
    (K::PerUserMfa, Passed, |f| tally(f, MfaTally { accounts: 3, administrators_asked: 1, disabled: 2, ..MfaTally::default() })),
    (K::PerUserMfa, Unknown, |f| tally(f, MfaTally { accounts: 3, unreadable: 1, disabled: 2, ..MfaTally::default() })),
    (K::PasswordReset, Attention, |f| f.registrations = Read::Known(RegistrationTally { users: 3, password_reset: 2, second_factor: 0 })),
    (K::PasswordReset, Unknown, |f| f.registrations = Read::Missing("AuditLog.Read.All".to_owned())),
    (K::PasswordReset, Passed, |f| { f.registrations = Read::Missing("AuditLog.Read.All".to_owned()); f.marks.push((HandMark::PasswordResetOff, Marked { by: "Alice".to_owned(), at: NOW })); }),
    (K::PasswordReset, Attention, |f| { f.registrations = Read::Known(RegistrationTally { users: 3, password_reset: 2, second_factor: 0 }); f.marks.push((HandMark::PasswordResetOff, Marked { by: "Alice".to_owned(), at: NOW })); }),
    (K::Registration, Unknown, |f| f.marks.clear()),
    (K::MfaHandover, Unknown, |f| f.federation = Read::Failed("No answer.".to_owned())),
    (K::MfaHandover, Attention, |f| f.sign_on.mfa_behavior = MfaBehavior::Enforce),
    (K::MfaHandover, Passed, |f| { f.sign_on.mfa_behavior = MfaBehavior::Enforce; f.federation = Read::Known(None); }),
    (K::MfaHandover, Attention, |f| { f.sign_on.mfa_behavior = MfaBehavior::Reject; f.federation = Read::Known(None); }),
    (K::MfaHandover, Passed, |f| { f.sign_on.mfa_behavior = MfaBehavior::Reject; f.sign_on.factor_policy = FactorPolicy::Off; f.federation = Read::Known(None); }),
    (K::MfaHandover, Attention, |f| { f.sign_on.factor_policy = FactorPolicy::Optional; f.without_factor = 2; f.security_defaults = Read::Known(true); }),
    (K::MfaHandover, Passed, |f| { f.sign_on.factor_policy = FactorPolicy::Optional; f.without_factor = 2; }),
    (K::PublicAddress, Failed, |f| f.own.public_url = "http://id.contoso.com".to_owned()),
    (K::PublicAddress, Passed, |f| { f.own.public_url = "http://127.0.0.1:3000".to_owned(); f.practice = true; }),
    (K::PublicAddress, Unknown, |f| f.own.public_url = String::new()),
    (K::Tls, Failed, |f| f.own.tls = Read::Known(None)),
    (K::Tls, Passed, |f| { f.own.tls = Read::Known(None); f.practice = true; }),
    (K::Tls, Attention, |f| f.own.tls = Read::Known(Some(shown(NOW.plus_days(5), None)))),
    (K::Tls, Passed, |f| f.own.tls = Read::Known(Some(shown(NOW.plus_days(30), None)))),
    (K::Tls, Failed, |f| f.own.tls = Read::Known(Some(shown(NOW, None)))),
    (K::Tls, Failed, |f| refused(f, TlsProblem::Ended)),
    (K::Tls, Failed, |f| refused(f, TlsProblem::NotYet(NOW.plus_days(1)))),
    (K::Tls, Failed, |f| refused(f, TlsProblem::OtherHosts(vec!["other.example".to_owned()]))),
    (K::Tls, Failed, |f| refused(f, TlsProblem::OtherHosts(Vec::new()))),
    (K::Tls, Failed, |f| refused(f, TlsProblem::SelfSigned)),
    (K::Tls, Failed, |f| refused(f, TlsProblem::UnknownIssuer)),
    (K::Tls, Failed, |f| refused(f, TlsProblem::Other("BadEncoding".to_owned()))),
    (K::Tls, Attention, |f| f.own.tls = Read::Failed("It could not be reached.".to_owned())),
    (K::Metadata, Failed, |f| f.own.metadata = Read::Known(MetadataFact { names_issuer: false, has_certificate: true })),
    (K::Metadata, Failed, |f| f.own.metadata = Read::Known(MetadataFact { names_issuer: true, has_certificate: false })),
    (K::Metadata, Attention, |f| f.own.metadata = Read::Failed("No answer.".to_owned())),
    (K::Clock, Passed, |f| f.own.clock_offset_ms = Read::Known(Some(-30_000))),
    (K::Clock, Attention, |f| f.own.clock_offset_ms = Read::Known(Some(-30_001))),
    (K::Clock, Failed, |f| f.own.clock_offset_ms = Read::Known(Some(150_001))),
    (K::Clock, Unknown, |f| f.own.clock_offset_ms = Read::Known(None)),
    ]
};

#[test]
fn each_change_of_a_tenant_in_order_changes_its_check() {
    for (at, (key, state, change)) in TABLE.iter().enumerate() {
        let check = found(*key, change);
        assert_eq!(check.state, *state, "row {at}: {check:#?}");
    }
}

#[test]
fn whatever_is_not_in_order_says_what_to_do_next() {
    for (key, state, change) in TABLE {
        let check = found(*key, change);
        assert!(!check.sentence.is_empty());
        if *state != CheckState::Passed {
            assert!(!check.next.is_empty(), "{check:#?}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_never_passed_and_names_the_permission() {
    let check = found(CheckKey::SecurityDefaults, |facts| {
        facts.security_defaults = Read::Missing("Policy.Read.All".to_owned());
    });
    assert_eq!(check.missing.as_deref(), Some("Policy.Read.All"));
    assert!(check.next.contains("Policy.Read.All"));
}

#[test]
fn the_person_who_answered_by_hand_is_named_and_microsofts_hour_told() {
    let check = |ago: i64| {
        found(CheckKey::Registration, move |facts| {
            facts.marks[0].1.at = NOW.plus_millis(-ago);
        })
    };
    assert!(check(0).sentence.contains("Alice"));
    let waits = |check: &Check| {
        check
            .notes
            .iter()
            .any(|note| note.contains("up to an hour"))
    };
    assert!(waits(&check(0)) && !waits(&check(3_600_000)));
}

#[test]
fn everything_that_asks_for_a_second_factor_stands_together() {
    let check = found(CheckKey::MfaHandover, |facts| {
        facts.security_defaults = Read::Known(true);
        facts.conditional_access = Read::Known(vec![policy(true, true)]);
        tally(
            facts,
            MfaTally {
                asked: 4,
                ..MfaTally::default()
            },
        );
    });
    let text = check.notes.join("\n");
    for part in [
        "acceptIfMfaDoneByFederatedIdp",
        "second factor: Required",
        "Security defaults: on",
        "Ask everybody",
        "on for 4 people",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn turning_security_defaults_off_warns_when_nothing_else_asks() {
    let note = |policies| {
        let check = found(CheckKey::SecurityDefaults, move |facts| {
            facts.security_defaults = Read::Known(true);
            facts.sign_on.factor_policy = FactorPolicy::Optional;
            facts.conditional_access = policies;
        });
        check.notes.join(" ")
    };
    assert!(note(Read::Known(Vec::new())).contains("a password is enough"));
    assert!(note(Read::Known(vec![policy(true, true)])).contains("still asks"));
    assert!(note(Read::Failed("No answer.".to_owned())).contains("not known"));
}
