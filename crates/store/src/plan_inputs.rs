//! Everything our records hold about users and one application, a stretch of users at a time.
//!
//! A call costs the same few statements whatever the number of users in it.

use std::collections::{BTreeSet, HashMap};

use signpost_model::plan::ObjectId;
use signpost_model::provisioning::{Link, ManagerInput, Owned, PlanInput, Wishes};
use signpost_model::rule::Rule;
use signpost_model::run::RunScope;
use signpost_model::{
    AccessType, Application, ApplicationId, GroupId, KnownAccount, Provisioning, Timestamp, UserId,
};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::accounts::known_account;
use crate::provisioning::decision;
use crate::rows::{TableRow, json_keys};
use crate::scope::IN_SCOPE_OF_ASSIGNMENT;
use crate::{Result, users, wishes};

/// The most users of one call.
pub const MAX_INPUTS: u32 = 500;

/// Which users to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputScope {
    pub scope: RunScope,
    /// Only this user, changed or not.
    pub only_user: Option<UserId>,
    /// Also users whom only a change of settings concerns: those wait until a person or the
    /// schedule asks.
    pub settings_too: bool,
}

/// A stretch of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPage {
    /// In the order of their ids.
    pub inputs: Vec<PlanInput>,
    /// Where the next stretch begins; `None` after the last one.
    pub next: Option<UserId>,
}

/// The next users of application `$1` after `$2` that changed, or are due at `$4`, each found by its
/// own index; at most `$3` of each, or every stretch of a large plan would list them all again.
const TO_LOOK_AT: &str = "select * from (
       select x.user_id from provisioning x join users xu on xu.id = x.user_id
       where x.application_id = $1 and x.revision <> x.settled_revision and x.user_id > $2
       order by x.user_id limit $3) changed
     union select * from (
       select y.user_id from provisioning y join users yu on yu.id = y.user_id
       where y.application_id = $1 and y.due_at is not null and y.due_at <= $4
         and y.user_id > $2
       order by y.user_id limit $3) due";

/// The next users after a place: those that changed or are due, or everyone in scope or followed.
pub async fn list_next(
    db: &mut AnyConnection,
    application: &Application,
    scope: InputScope,
    after: Option<UserId>,
    limit: u32,
    now: Timestamp,
) -> Result<InputPage> {
    let limit = limit.clamp(1, MAX_INPUTS);
    let rows = chosen(db, application, scope, after, limit, now).await?;
    let mut heads = Vec::with_capacity(rows.len());
    for row in &rows {
        heads.push(Head::read(row)?);
    }
    let last = heads.last().map(|head| head.user_id);
    let next = last.filter(|_| heads.len() == limit as usize && scope.only_user.is_none());
    let inputs = complete(db, application, heads).await?;
    Ok(InputPage { inputs, next })
}

async fn chosen(
    db: &mut AnyConnection,
    application: &Application,
    scope: InputScope,
    after: Option<UserId>,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<AnyRow>> {
    // A rule is judged in the program: here everybody counts who could match.
    let in_scope = match application.access {
        AccessType::AllUsers | AccessType::Rule(_) => "u.deleted_at is null".to_owned(),
        AccessType::Assigned => {
            format!("u.deleted_at is null and {IN_SCOPE_OF_ASSIGNMENT}")
        }
    };
    // The place stands in each join too: PostgreSQL would walk the tables from their beginning.
    let everyone = "users u left join provisioning p on p.application_id = $1
                      and p.user_id = u.id and p.user_id >= $2";
    let (from, which) = match (scope.only_user, scope.scope) {
        (Some(_), _) => (everyone, "u.id = $2 and $4 >= 0 and $5 >= 0".to_owned()),
        // Changed users are few: start from their rows, not from the directory.
        (None, RunScope::Changed) => (
            "provisioning p join users u on u.id = p.user_id",
            format!("p.application_id = $1 and p.user_id > $2 and p.user_id in ({TO_LOOK_AT})"),
        ),
        // A run about the tenant itself is about nobody.
        (None, RunScope::Tenant) => (
            everyone,
            "1 = 0 and u.id > $2 and $4 >= 0 and $5 >= 0".to_owned(),
        ),
        (None, RunScope::Everyone) => (
            everyone,
            format!(
                "u.id > $2 and $4 >= 0 and $5 >= 0 and (({in_scope}) or l.user_id is not null
                   or (p.user_id is not null and p.state <> 'left'))"
            ),
        ),
    };
    let sql = format!(
        "select u.id, case when {in_scope} then 1 else 0 end as in_scope,
           p.user_id as followed, p.revision, p.settled_revision, p.state, p.removed_at,
           p.last_outcome, p.last_run, p.attempts, p.due_at, p.desired_name, p.held_until,
           l.object_id, l.method, l.linked_at, d.object_id as decision
         from {from} join applications a on a.id = $1
         left join links l on l.application_id = $1 and l.user_id = u.id and l.user_id >= $2
         left join decisions d on d.application_id = $1 and d.user_id = u.id
           and d.user_id >= $2
         where {which} order by u.id limit $3"
    );
    let place = scope
        .only_user
        .or(after)
        .map(|id| id.to_string())
        .unwrap_or_default();
    Ok(sqlx::query(AssertSqlSafe(sql))
        .bind(application.id.to_string())
        .bind(place)
        .bind(i64::from(limit))
        .bind(now.as_millis())
        .bind(i64::from(scope.settings_too))
        .fetch_all(db)
        .await?)
}

/// What the first statement says about a user.
struct Head {
    user_id: UserId,
    in_scope: bool,
    followed: bool,
    provisioning: Provisioning,
    held_until: Option<Timestamp>,
    link: Option<Link>,
    decision: Option<signpost_model::provisioning::Decision>,
}

impl Head {
    fn read(row: &AnyRow) -> Result<Self> {
        let columns = TableRow::new("provisioning", row);
        let followed = columns.optional_text("followed")?.is_some();
        let link = match columns.optional_text("object_id")? {
            Some(object_id) => Some(Link {
                object_id: ObjectId::new(&object_id),
                method: columns.parsed("method")?,
                linked_at: columns.time("linked_at")?,
            }),
            None => None,
        };
        Ok(Self {
            user_id: columns.parsed("id")?,
            in_scope: columns.flag("in_scope")?,
            followed,
            provisioning: if followed {
                provisioning(columns)?
            } else {
                Provisioning::NEW
            },
            held_until: columns.optional_time("held_until")?,
            link,
            decision: columns.optional_text("decision")?.map(|id| decision(&id)),
        })
    }
}

fn provisioning(columns: TableRow<'_>) -> Result<Provisioning> {
    Ok(Provisioning {
        revision: columns.number("revision")?,
        settled_revision: columns.number("settled_revision")?,
        state: columns.parsed("state")?,
        removed_at: columns.optional_time("removed_at")?,
        last_outcome: columns.optional_json("last_outcome")?,
        last_run: columns.optional_parsed("last_run")?,
        attempts: columns.number("attempts")?,
        due_at: columns.optional_time("due_at")?,
        desired_name: columns.optional_text("desired_name")?,
    })
}

async fn complete(
    db: &mut AnyConnection,
    application: &Application,
    heads: Vec<Head>,
) -> Result<Vec<PlanInput>> {
    let ids: Vec<_> = heads.iter().map(|head| head.user_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let keys = json_keys(&ids);
    let links = json_keys(heads.iter().filter_map(|head| {
        let link = head.link.as_ref()?;
        Some(&link.object_id)
    }));
    let people = users::find_many(db, &ids).await?;
    let mut groups = groups_of_users(db, application.id, &keys).await?;
    let mut managers = managers_of_users(db, application, &keys).await?;
    let mut accounts = accounts_by_id(db, application.id, &links).await?;
    let mut owned = owned_by_account(db, application.id, &links).await?;
    let mut wishes = wishes::of_users(db, application.id, &keys).await?;
    let mut people: HashMap<_, _> = people.into_iter().map(|user| (user.id, user)).collect();
    let mut inputs = Vec::with_capacity(heads.len());
    for head in heads {
        let Some(user) = people.remove(&head.user_id) else {
            continue;
        };
        let in_scope = head.in_scope
            && match &application.access {
                AccessType::Rule(rule) => rule.matches(&user),
                AccessType::AllUsers | AccessType::Assigned => true,
            };
        // Everybody could have matched a rule; who does not, and never did, is not ours.
        if !in_scope && !head.followed && head.link.is_none() {
            continue;
        }
        let object_id = head.link.as_ref().map(|link| &link.object_id);
        inputs.push(PlanInput {
            in_scope,
            groups: groups.remove(&user.id).unwrap_or_default(),
            provisioning: head.provisioning,
            account: object_id.and_then(|id| accounts.remove(id)),
            owned: object_id
                .and_then(|id| owned.remove(id))
                .unwrap_or_default(),
            link: head.link,
            decision: head.decision,
            manager: managers.remove(&user.id),
            wishes: Wishes {
                held_until: head.held_until,
                ..wishes.remove(&user.id).unwrap_or_default()
            },
            user,
        });
    }
    Ok(inputs)
}

async fn groups_of_users(
    db: &mut AnyConnection,
    application: ApplicationId,
    users: &str,
) -> Result<HashMap<UserId, Vec<GroupId>>> {
    let rows = sqlx::query(
        "select m.user_id, m.group_id from memberships m
         join groups g on g.id = m.group_id and g.deleted_at is null
         where m.user_id in (select key from json_each(json($2)))
           and m.group_id in (select r.group_id from grants r where r.application_id = $1)
         order by m.user_id, m.group_id",
    )
    .bind(application.to_string())
    .bind(users)
    .fetch_all(db)
    .await?;
    let mut groups: HashMap<UserId, Vec<GroupId>> = HashMap::new();
    for row in &rows {
        let columns = TableRow::new("memberships", row);
        let group = columns.parsed("group_id")?;
        groups
            .entry(columns.parsed("user_id")?)
            .or_default()
            .push(group);
    }
    Ok(groups)
}

async fn managers_of_users(
    db: &mut AnyConnection,
    application: &Application,
    users: &str,
) -> Result<HashMap<UserId, ManagerInput>> {
    let in_scope = match application.access {
        AccessType::AllUsers | AccessType::Rule(_) => "1 = 1",
        AccessType::Assigned => IN_SCOPE_OF_ASSIGNMENT,
    };
    // The manager has the alias that the scope's condition knows. Whoever was linked by a choice
    // gets their account in this plan, though the one before left them out.
    let sql = format!(
        "select r.id as report_id, u.id, u.display_name, l.object_id,
           case when l.user_id is null and u.enabled = 1 and {in_scope} and (
               (d.user_id is null and coalesce(p.state, 'pending') = 'pending')
               or (d.object_id <> '' and coalesce(p.state, 'pending') in ('pending', 'blocked')))
             then 1 else 0 end as expected
         from users r join users u on u.id = r.manager_id and u.deleted_at is null
         join applications a on a.id = $1
         left join links l on l.application_id = a.id and l.user_id = u.id
         left join provisioning p on p.application_id = a.id and p.user_id = u.id
         left join decisions d on d.application_id = a.id and d.user_id = u.id
         where r.id in (select key from json_each(json($2)))"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.id.to_string())
        .bind(users)
        .fetch_all(&mut *db)
        .await?;
    let mut managers = HashMap::with_capacity(rows.len());
    for row in &rows {
        let columns = TableRow::new("users", row);
        let manager = ManagerInput {
            user_id: columns.parsed("id")?,
            display_name: columns.text("display_name")?,
            object_id: columns
                .optional_text("object_id")?
                .map(|id| ObjectId::new(&id)),
            expected: columns.flag("expected")?,
        };
        managers.insert(columns.parsed("report_id")?, manager);
    }
    if let AccessType::Rule(rule) = &application.access {
        expect_by_rule(db, rule, &mut managers).await?;
    }
    Ok(managers)
}

/// Of the managers that could get an account, only those get one whom the rule chooses.
async fn expect_by_rule(
    db: &mut AnyConnection,
    rule: &Rule,
    managers: &mut HashMap<UserId, ManagerInput>,
) -> Result<()> {
    let expected: BTreeSet<_> = managers
        .values()
        .filter(|manager| manager.expected)
        .map(|manager| manager.user_id)
        .collect();
    let expected: Vec<_> = expected.into_iter().collect();
    let people = users::find_many(db, &expected).await?;
    let chosen: BTreeSet<_> = people
        .iter()
        .filter(|user| rule.matches(user))
        .map(|user| user.id)
        .collect();
    for manager in managers.values_mut() {
        manager.expected &= chosen.contains(&manager.user_id);
    }
    Ok(())
}

async fn accounts_by_id(
    db: &mut AnyConnection,
    application: ApplicationId,
    accounts: &str,
) -> Result<HashMap<ObjectId, KnownAccount>> {
    let rows = sqlx::query(
        "select a.object_id, a.properties, l.user_id as linked_with, r.object_id as role_holder
         from accounts a
         join links l on l.application_id = a.application_id and l.object_id = a.object_id
         left join role_holders r on r.application_id = a.application_id
           and r.object_id = a.object_id
         where a.application_id = $1 and a.object_id in (select key from json_each(json($2)))",
    )
    .bind(application.to_string())
    .bind(accounts)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let account = known_account(row)?;
            Ok((account.observation.object_id.clone(), account))
        })
        .collect()
}

/// What Signpost put on these accounts.
pub(crate) async fn owned_by_account(
    db: &mut AnyConnection,
    application: ApplicationId,
    accounts: &str,
) -> Result<HashMap<ObjectId, Vec<Owned>>> {
    let rows = sqlx::query(
        "select object_id, kind, key, value from ownership
         where application_id = $1 and object_id in (select key from json_each(json($2)))
         order by object_id, kind, key",
    )
    .bind(application.to_string())
    .bind(accounts)
    .fetch_all(db)
    .await?;
    let mut owned: HashMap<ObjectId, Vec<Owned>> = HashMap::new();
    for row in &rows {
        let columns = TableRow::new("ownership", row);
        let line = Owned {
            kind: columns.parsed("kind")?,
            key: columns.text("key")?,
            value: columns.text("value")?,
        };
        owned
            .entry(ObjectId::new(&columns.text("object_id")?))
            .or_default()
            .push(line);
    }
    Ok(owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{
        NOW, add_application, add_connected, add_group, add_users, alice, assign, dirty, group,
        inputs, list_inputs, random, settle_all, user,
    };
    use crate::licenses::{NewGrant, set_grants};
    use crate::{both_engines, provisioning};
    use signpost_model::provisioning::Decision;
    use signpost_model::rule::{Combine, Comparison, Condition};
    use signpost_model::{Attribute, Principal};

    fn ids(inputs: &[PlanInput]) -> Vec<UserId> {
        inputs.iter().map(|input| input.user.id).collect()
    }

    both_engines! {
        async fn everyone_comes_once_in_stretches(store: Store) {
            add_users(&store, 1, &["Ada", "Bob", "Carol", "Dave", "Eve"]).await;
            let application = add_connected(&store).await;
            let scope = InputScope { scope: RunScope::Everyone, only_user: None, settings_too: true };
            let mut db = store.read().await.unwrap();
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = list_next(&mut db, &application, scope, after, 2, NOW).await.unwrap();
                seen.extend(ids(&page.inputs));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, (1..=5).map(user).collect::<Vec<_>>());
        }

        async fn only_changed_and_due_users_come_in_a_run_over_changes(store: Store) {
            add_users(&store, 1, &["Ada", "Bob", "Carol"]).await;
            let application = add_connected(&store).await;
            settle_all(&store, &application).await;
            assert_eq!(dirty(&store, application.id).await, []);
            let mut tx = store.write().await.unwrap();
            provisioning::touch_users(&mut tx, &[user(2)]).await.unwrap();
            sqlx::query("update provisioning set due_at = $1 where user_id = $2")
                .bind(NOW.as_millis())
                .bind(user(3).to_string())
                .execute(&mut *tx)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            let changed = list_inputs(&store, &application, RunScope::Changed).await;
            assert_eq!(ids(&changed), [user(2), user(3)]);
        }

        async fn one_user_comes_alone_changed_or_not(store: Store) {
            add_users(&store, 1, &["Ada", "Bob"]).await;
            let application = add_connected(&store).await;
            settle_all(&store, &application).await;
            let scope = InputScope { scope: RunScope::Changed, only_user: Some(user(2)), settings_too: true };
            let mut db = store.read().await.unwrap();
            let page = list_next(&mut db, &application, scope, None, 500, NOW).await.unwrap();
            assert_eq!(ids(&page.inputs), [user(2)]);
            assert_eq!(page.next, None);
        }

        async fn who_was_unassigned_comes_out_of_scope(store: Store) {
            add_users(&store, 1, &["Ada", "Bob", "Carol"]).await;
            add_group(&store, 1, "Sales", &[2]).await;
            let application = add_application(&store, "M365", AccessType::Assigned).await;
            let both = [Principal::User(user(1)), Principal::Group(group(1))];
            assign(&store, application.id, &both).await;
            let before = inputs(&store, &application).await;
            assert_eq!(ids(&before), [user(1), user(2)]);
            assert!(before.iter().all(|input| input.in_scope));
            let mut tx = store.write().await.unwrap();
            crate::memberships::remove(&mut tx, group(1), &[user(2)], &alice(), NOW)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            let after = inputs(&store, &application).await;
            assert_eq!(ids(&after), [user(1), user(2)]);
            assert_eq!(after.iter().map(|i| i.in_scope).collect::<Vec<_>>(), [true, false]);
        }

        async fn a_rule_decides_who_is_in_scope(store: Store) {
            add_users(&store, 1, &["Ada", "Bob"]).await;
            let rule = Rule {
                combine: Combine::All,
                conditions: vec![Condition {
                    attribute: Attribute::DisplayName,
                    comparison: Comparison::Is,
                    value: "bob".to_owned(),
                }],
            };
            let application = add_application(&store, "M365", AccessType::Rule(rule)).await;
            let inputs = inputs(&store, &application).await;
            assert_eq!(inputs.iter().map(|i| i.in_scope).collect::<Vec<_>>(), [false, true]);
        }

        async fn inputs_carry_granted_groups_decisions_and_managers(store: Store) {
            add_users(&store, 1, &["Ada", "Bob"]).await;
            add_group(&store, 1, "Sales", &[1]).await;
            add_group(&store, 2, "No license", &[1]).await;
            let application = add_connected(&store).await;
            let mut tx = store.write().await.unwrap();
            let grant = NewGrant {
                sku_id: "sku".to_owned(),
                group_id: Some(group(1)),
                by_group: false,
                disabled_plans: Vec::new(),
            };
            let id = application.id;
            set_grants(&mut tx, &random(), id, &[grant], &alice(), NOW).await.unwrap();
            let out = Some(&Decision::LeaveOut);
            provisioning::decide(&mut tx, id, user(2), out, &alice(), NOW).await.unwrap();
            sqlx::query("update users set manager_id = $1 where id = $2")
                .bind(user(2).to_string())
                .bind(user(1).to_string())
                .execute(&mut *tx)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            let both = inputs(&store, &application).await;
            assert_eq!(both[0].groups, [group(1)]);
            assert_eq!(both[1].decision, Some(Decision::LeaveOut));
            let manager = both[0].manager.as_ref().unwrap();
            assert_eq!((manager.user_id, manager.object_id.clone()), (user(2), None));
            assert!(!manager.expected, "a manager who is left out gets no account");
            let account = Decision::Link(ObjectId::new("8c1ef6f0-0000-4000-8000-000000000000"));
            for decision in [None, Some(&account)] {
                let mut tx = store.write().await.unwrap();
                provisioning::decide(&mut tx, id, user(2), decision, &alice(), NOW).await.unwrap();
                tx.commit().await.unwrap();
                let both = inputs(&store, &application).await;
                assert!(both[0].manager.as_ref().unwrap().expected, "{decision:?}");
            }
        }
    }
}
