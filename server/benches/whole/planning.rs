//! The planner alone: users that are in sync, decided one by one.

use std::time::{Duration, Instant};

use signpost_model::connection::FoundDomain;
use signpost_model::license::{Grant, Product, Seats};
use signpost_model::plan::{LinkMethod, ObjectId, TargetAttribute};
use signpost_model::provisioning::{Link, Wishes};
use signpost_model::{
    ApplicationId, GrantId, KnownAccount, Observation, ObservedLicense, PlanInput, Policy,
    Provisioning, Source, SourceAnchor, User, UserId,
};
use signpost_store::testing::NOW;
use signpost_sync::{Context, Mapping, Planner, TenantFacts};

use crate::Scale;
use crate::directory::{E3, person};
use crate::report::{Line, Section, Unit};

const DOMAIN: &str = "contoso.example";

/// Time per user at two sizes: it must not grow.
pub(crate) fn measure(scale: Scale) -> Section {
    eprintln!("planning");
    let few = decide(scale.middle);
    let many = decide(scale.large);
    let micros = |time: Duration, people: i64| time.as_secs_f64() * 1e6 / people as f64;
    let growth = micros(many, scale.large) / micros(few, scale.middle);
    let line = |people: i64, time: Duration| {
        let what = format!("plan of {people} users in sync");
        let each = micros(time, people);
        Line::told(
            &what,
            format!("{:.2} s, {each:.0} µs each", time.as_secs_f64()),
        )
    };
    Section {
        title: "Planning".to_owned(),
        note: "Pure decisions on one core: no database, no network. In the syncs below their \
               records are read and written too."
            .to_owned(),
        lines: vec![
            line(scale.middle, few),
            line(scale.large, many),
            Line::at_most(
                "time per user, large against small",
                Unit::Times,
                growth,
                1.5,
                1.2,
            ),
        ],
    }
}

fn decide(people: i64) -> Duration {
    let facts = TenantFacts {
        withdrawn: std::collections::BTreeSet::new(),
        domain: DOMAIN.to_owned(),
        domains: vec![FoundDomain {
            name: DOMAIN.to_owned(),
            verified: true,
            federated: false,
            default: true,
            initial: false,
        }],
        products: vec![Product {
            sku_id: E3.to_owned(),
            part_number: "SPE_E3".to_owned(),
            name: "Microsoft 365 E3".to_owned(),
            assignable: true,
            seats: Seats {
                total: people,
                used: people,
            },
            service_plans: vec![],
        }],
    };
    let grants = [Grant {
        id: GrantId::from_number(1),
        application_id: ApplicationId::from_number(1),
        sku_id: E3.to_owned(),
        group_id: None,
        by_group: false,
        disabled_plans: vec![],
    }];
    let (mapping, policy) = (Mapping::default(), Policy::default());
    let mut planner = Planner::new(Context {
        facts: &facts,
        policy: &policy,
        mapping: &mapping,
        grants: &grants,
        now: NOW,
        linked: people,
    });
    let mut spent = Duration::ZERO;
    for number in 1..=people {
        let (input, account) = in_sync(number, &mapping);
        let watch = Instant::now();
        std::hint::black_box(planner.lookup(&input));
        std::hint::black_box(planner.user(&input, &[account]));
        spent += watch.elapsed();
    }
    let summary = planner.finish();
    assert_eq!(summary.tally.in_sync, people, "{summary:#?}");
    spent
}

/// A user whose account is as it should be.
fn in_sync(number: i64, mapping: &Mapping) -> (PlanInput, KnownAccount) {
    let id = UserId::from_number(number.unsigned_abs().into());
    let user = User {
        id,
        source_anchor: SourceAnchor::try_from(format!("anchor{number:026}")).unwrap(),
        source: Source::Csv,
        profile: person(number),
        enabled: true,
        created_at: NOW,
        updated_at: NOW,
        deleted_at: None,
        version: 1,
    };
    let mut values = mapping.render(&user, DOMAIN).unwrap();
    let name = values.remove(&TargetAttribute::UserPrincipalName).unwrap();
    let object_id = ObjectId::new(&format!("account-{number}"));
    let account = KnownAccount {
        observation: Observation {
            object_id: object_id.clone(),
            user_principal_name: name,
            immutable_id: Some(user.source_anchor.as_str().to_owned()),
            mail: Some(user.profile.mail.clone()),
            values,
            licenses: vec![ObservedLicense {
                sku_id: E3.to_owned(),
                disabled_plans: vec![],
                from_group: None,
            }],
            ..Observation::default()
        },
        linked_with: Some(id),
        administrator: false,
    };
    let input = PlanInput {
        user,
        in_scope: true,
        groups: vec![],
        provisioning: Provisioning::NEW,
        link: Some(Link {
            object_id,
            method: LinkMethod::ImmutableId,
            linked_at: NOW,
        }),
        account: Some(account.clone()),
        owned: vec![],
        decision: None,
        manager: None,
        wishes: Wishes::default(),
    };
    (input, account)
}
