//! People and applications for tests.

use signpost_model::audit::Actor;
use signpost_model::connection::{ConnectionSettings, Findings};
use signpost_model::plan::{Action, Disposition, ObjectId, PlannedAction, Reason, UserPlan};
use signpost_model::random::{SeededRandom, random_text};
use signpost_model::run::{RunMode, RunScope, Trigger};
use signpost_model::text::fold;
use signpost_model::{
    AccessType, Application, ApplicationId, Author, Cloud, ConnectionState, GroupId, Observation,
    PlanInput, Principal, Secret, Timestamp, UserId,
};

use crate::connections::ConnectionUpdate;
use crate::plan_inputs::InputScope;
use crate::runs::plan::PlannedUser;
use crate::runs::{Claim, NewRun, Queued};
use crate::{Store, applications, assignments, connections, plan_inputs, provisioning, runs};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// The operator that does everything.
pub(crate) fn alice() -> Author {
    Author {
        actor: Actor::Operator {
            id: signpost_model::OperatorId::from_number(1),
            name: "Alice".to_owned(),
        },
        address: None,
    }
}

/// A source of randomness that draws other ids in each call.
pub(crate) fn random() -> SeededRandom {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SEED: AtomicU64 = AtomicU64::new(1);
    SeededRandom::new(SEED.fetch_add(1, Ordering::Relaxed))
}

pub(crate) const fn user(number: u128) -> UserId {
    UserId::from_number(number)
}

pub(crate) const fn group(number: u128) -> GroupId {
    GroupId::from_number(number)
}

/// Puts users with these names into the directory; their ids are counted from `first`.
pub(crate) async fn add_users(store: &Store, first: u128, names: &[&str]) {
    let mut tx = store.write().await.unwrap();
    for (number, name) in (first..).zip(names) {
        let user_name = format!("{}@contoso.example", fold(name));
        sqlx::query(
            "insert into users (id, source_anchor, source, user_name, user_name_folded,
               display_name, display_name_folded, given_name, surname, mail, job_title,
               department, department_folded, company_name, office_location, mobile_phone,
               business_phone, street_address, city, state, postal_code, country, usage_location,
               preferred_language, employee_id, search, enabled, created_at, updated_at, version)
             values ($1, $2, 'local', $3, $3, $4, $5, '', '', $3, '', '', '', '', '', '', '', '',
               '', '', '', '', 'PT', '', '', $5, 1, 0, 0, 1)",
        )
        .bind(user(number).to_string())
        .bind(random_text(&random(), b"abcdefghijklmnopqrstuvwxyz", 32))
        .bind(user_name)
        .bind(*name)
        .bind(fold(name))
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
}

/// Puts a group with these members into the directory.
pub(crate) async fn add_group(store: &Store, number: u128, name: &str, members: &[u128]) {
    let mut tx = store.write().await.unwrap();
    sqlx::query(
        "insert into groups (id, name, name_folded, description, search, created_at, updated_at,
           version) values ($1, $2, $3, '', $3, 0, 0, 1)",
    )
    .bind(group(number).to_string())
    .bind(name)
    .bind(fold(name))
    .execute(&mut *tx)
    .await
    .unwrap();
    for member in members {
        sqlx::query("insert into memberships (group_id, user_id, created_at) values ($1, $2, 0)")
            .bind(group(number).to_string())
            .bind(user(*member).to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

/// An application of this name.
pub(crate) async fn add_application(store: &Store, name: &str, access: AccessType) -> Application {
    let mut tx = store.write().await.unwrap();
    let application = applications::create(&mut tx, &random(), name, &access, &alice(), NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    application
}

/// Assigns the application; returns how many were new.
pub(crate) async fn assign(
    store: &Store,
    application: ApplicationId,
    principals: &[Principal],
) -> usize {
    let mut tx = store.write().await.unwrap();
    let count = assignments::assign(&mut tx, &random(), application, principals, &alice(), NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    count
}

/// Who has to be looked at.
pub(crate) async fn dirty(store: &Store, application: ApplicationId) -> Vec<UserId> {
    let mut db = store.read().await.unwrap();
    provisioning::next_dirty(&mut db, application, NOW, 1_000)
        .await
        .unwrap()
}

/// An application whose connection works, and that everyone has.
pub(crate) async fn add_connected(store: &Store) -> Application {
    let application = add_application(store, "Microsoft 365", AccessType::AllUsers).await;
    connect(store, &application, "11111111-1111-1111-1111-111111111111").await;
    application
}

/// Saves a connection to this tenant.
pub(crate) async fn connect(store: &Store, application: &Application, tenant_id: &str) {
    let settings = ConnectionSettings {
        cloud: Cloud::Practice,
        domain: "contoso.example".to_owned(),
        tenant_id: tenant_id.to_owned(),
        client_id: "22222222-2222-2222-2222-222222222222".to_owned(),
    };
    let update = ConnectionUpdate {
        settings: &settings,
        secret: Some(&Secret::new("hunter2")),
        state: ConnectionState::Connected,
        findings: &Findings::default(),
    };
    let (random, id) = (random(), application.id);
    let mut tx = store.write().await.unwrap();
    connections::save(&mut tx, store.sealer(), &random, id, update, &alice(), NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Queues a run of this scope.
pub(crate) async fn queue(store: &Store, application: ApplicationId, scope: RunScope) -> Queued {
    let new = NewRun {
        application_id: application,
        trigger: Trigger::Operator,
        scope,
        mode: RunMode::Sync,
        only_user: None,
        request: None,
    };
    let mut tx = store.write().await.unwrap();
    let queued = runs::queue(&mut tx, &random(), &new, &alice(), NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    queued
}

/// Queues a run and claims it.
pub(crate) async fn start(store: &Store, application: ApplicationId, scope: RunScope) -> Claim {
    queue(store, application, scope).await;
    claim(store, "worker", NOW).await.unwrap()
}

pub(crate) async fn claim(store: &Store, holder: &str, now: Timestamp) -> Option<Claim> {
    runs::claim(store, holder, 30_000, now).await.unwrap()
}

/// An account of the tenant; the number makes its object id.
pub(crate) fn account(number: u32, name: &str) -> Observation {
    Observation {
        object_id: ObjectId::new(&format!("00000000-0000-0000-0000-{number:012}")),
        user_principal_name: format!("{name}@contoso.example"),
        mail: Some(format!("{name}@contoso.example")),
        ..Observation::default()
    }
}

/// What a plan is made from, for everyone.
pub(crate) async fn inputs(store: &Store, application: &Application) -> Vec<PlanInput> {
    list_inputs(store, application, RunScope::Everyone).await
}

pub(crate) async fn list_inputs(
    store: &Store,
    application: &Application,
    scope: RunScope,
) -> Vec<PlanInput> {
    let scope = InputScope {
        scope,
        only_user: None,
        settings_too: true,
    };
    let mut db = store.read().await.unwrap();
    plan_inputs::list_next(&mut db, application, scope, None, 500, NOW)
        .await
        .unwrap()
        .inputs
}

/// A plan for a user with these actions.
pub(crate) fn planned(input: &PlanInput, actions: Vec<Action>) -> PlannedUser {
    let is_quiet = actions.is_empty();
    PlannedUser {
        before: input.provisioning.clone(),
        plan: UserPlan {
            user_id: input.user.id,
            display_name: input.user.profile.display_name.clone(),
            disposition: if is_quiet {
                Disposition::InSync
            } else {
                Disposition::Update
            },
            object_id: input.link.as_ref().map(|link| link.object_id.clone()),
            link: None,
            owned: Vec::new(),
            actions: actions
                .into_iter()
                .map(|action| PlannedAction {
                    action,
                    reason: Reason::Assigned,
                })
                .collect(),
            blockers: Vec::new(),
            kept: Vec::new(),
            drifts: Vec::new(),
            removed_at: None,
            due_at: None,
            desired_name: None,
        },
    }
}

/// Settles everyone as in sync.
pub(crate) async fn settle_all(store: &Store, application: &Application) {
    let settled: Vec<_> = inputs(store, application)
        .await
        .iter()
        .map(|input| provisioning::Settled {
            user_id: input.user.id,
            revision: input.provisioning.revision,
            state: signpost_model::ProvisioningState::InSync,
            removed_at: None,
            last_outcome: None,
            attempts: 0,
            due_at: None,
            desired_name: None,
        })
        .collect();
    let mut tx = store.write().await.unwrap();
    provisioning::settle(&mut tx, application.id, None, &settled, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
