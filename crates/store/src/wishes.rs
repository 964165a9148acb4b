//! What operators ask for one user: bringing back what an account held, and holding back what
//! would be taken from it.

use std::collections::HashMap;

use serde_json::json;
use signpost_model::audit::Subject;
use signpost_model::plan::ObjectId;
use signpost_model::provisioning::{DriftDecision, ManagerInput, OwnedKind, RestoreWish, Wishes};
use signpost_model::{ApplicationId, Author, RunId, Timestamp, UserId};
use sqlx::AnyConnection;

use crate::rows::{TableRow, json_keys};
use crate::snapshots::Body;
use crate::{Error, Result, Write, audit};

/// How long Microsoft keeps a deleted account.
pub const DAYS_IN_DELETED_ITEMS: i64 = 30;

/// Asks a plan to bring back what the user's account held before this run took something from
/// it; without a run only the account itself, out of Microsoft's deleted items. Until `held_until`
/// nothing is taken from the account again.
pub async fn ask_restore(
    tx: &mut Write,
    application: ApplicationId,
    user: UserId,
    run: Option<RunId>,
    held_until: Timestamp,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = subject(tx, application, user).await?;
    let revision: Option<i64> = sqlx::query_scalar(
        "update provisioning set revision = revision + 1, attempts = 0, held_until = $3
         where application_id = $1 and user_id = $2 returning revision",
    )
    .bind(application.to_string())
    .bind(user.to_string())
    .bind(held_until.as_millis())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(revision) = revision else {
        return Err(Error::NotFound("user"));
    };
    sqlx::query(
        "insert into restorations (application_id, user_id, run_id, revision, asked_by, asked_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (application_id, user_id) do update set run_id = excluded.run_id,
           revision = excluded.revision, asked_by = excluded.asked_by,
           asked_at = excluded.asked_at",
    )
    .bind(application.to_string())
    .bind(user.to_string())
    .bind(run.map(|run| run.to_string()).unwrap_or_default())
    .bind(revision)
    .bind(by.name())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    let mut entry = by.entry("account.restore_requested", subject);
    entry.after = Some(json!({
        "application": application, "snapshot": run, "held_until": held_until,
    }));
    audit::append(tx, &entry, now);
    Ok(())
}

/// Holds back everything that would be taken from a user's account until then; `None` ends it.
pub async fn hold(
    tx: &mut Write,
    application: ApplicationId,
    user: UserId,
    until: Option<Timestamp>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = subject(tx, application, user).await?;
    let changed = sqlx::query(
        "update provisioning set held_until = $3, revision = revision + 1
         where application_id = $1 and user_id = $2
           and coalesce(held_until, 0) <> coalesce($3, 0)",
    )
    .bind(application.to_string())
    .bind(user.to_string())
    .bind(until.map(Timestamp::as_millis))
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if changed == 0 {
        return Ok(());
    }
    let action = match until {
        Some(_) => "leaving.postponed",
        None => "leaving.resumed",
    };
    let mut entry = by.entry(action, subject);
    entry.after = Some(json!({ "application": application, "held_until": until }));
    audit::append(tx, &entry, now);
    Ok(())
}

async fn subject(tx: &mut Write, application: ApplicationId, user: UserId) -> Result<Subject> {
    let name: Option<String> = sqlx::query_scalar(
        "select u.display_name from users u cross join applications a
         where u.id = $1 and a.id = $2 and a.deleted_at is null",
    )
    .bind(user.to_string())
    .bind(application.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    let name = name.ok_or(Error::NotFound("user"))?;
    Ok(Subject::new("user", user, name))
}

/// Until when nothing is taken from a user's account, while that is still to come.
pub async fn find_hold(
    db: &mut AnyConnection,
    application: ApplicationId,
    user: UserId,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let until: Option<Option<i64>> = sqlx::query_scalar(
        "select held_until from provisioning where application_id = $1 and user_id = $2",
    )
    .bind(application.to_string())
    .bind(user.to_string())
    .fetch_optional(db)
    .await?;
    let until = until.flatten().map(Timestamp::from_millis);
    Ok(until.filter(|until| *until > now))
}

/// Whoever is switched off or deleted is held by nobody any longer: that is newer.
pub(crate) async fn end_holds(tx: &mut Write, users: &[UserId]) -> Result<()> {
    sqlx::query(
        "update provisioning set held_until = null
         where user_id in (select key from json_each(json($1))) and held_until is not null",
    )
    .bind(json_keys(users))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets the wishes of users whose plan was thrown away; not those that are newer than it.
pub(crate) async fn forget_of_run(tx: &mut Write, run: RunId) -> Result<()> {
    sqlx::query(
        "delete from restorations where exists (
           select 1 from runs r where r.id = $1 and r.application_id = restorations.application_id
             and restorations.asked_at <= r.created_at
             and (r.only_user = restorations.user_id or exists (
               select 1 from plan_users p where p.run_id = r.id
                 and p.user_id = restorations.user_id and p.settled = 0)))",
    )
    .bind(run.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What operators asked for these users, apart from dates.
pub(crate) async fn of_users(
    db: &mut AnyConnection,
    application: ApplicationId,
    users: &str,
) -> Result<HashMap<UserId, Wishes>> {
    let mut wishes: HashMap<UserId, Wishes> = HashMap::new();
    let rows = sqlx::query(
        "select d.user_id, d.attribute, d.tenant, d.state from drifts d
         where d.application_id = $1 and d.state in ('accept', 'revert', 'ignore')
           and d.user_id in (select key from json_each(json($2)))",
    )
    .bind(application.to_string())
    .bind(users)
    .fetch_all(&mut *db)
    .await?;
    for row in &rows {
        let columns = TableRow::new("drifts", row);
        let decision = DriftDecision {
            tenant: columns.text("tenant")?,
            choice: columns.parsed("state")?,
        };
        let wish = wishes.entry(columns.parsed("user_id")?).or_default();
        wish.drift.insert(columns.parsed("attribute")?, decision);
    }
    let rows = sqlx::query(
        "select x.user_id, l.object_id, s.body from restorations x
         join links l on l.application_id = x.application_id and l.user_id = x.user_id
         left join snapshots s on s.run_id = x.run_id and s.user_id = x.user_id
           and s.application_id = x.application_id
         where x.application_id = $1 and x.user_id in (select key from json_each(json($2)))",
    )
    .bind(application.to_string())
    .bind(users)
    .fetch_all(&mut *db)
    .await?;
    for row in &rows {
        let columns = TableRow::new("restorations", row);
        let object_id = ObjectId::new(&columns.text("object_id")?);
        let body: Option<Body> = columns.optional_json("body")?;
        let wish = restore_wish(db, application, object_id, body).await?;
        wishes
            .entry(columns.parsed("user_id")?)
            .or_default()
            .restore = Some(wish);
    }
    Ok(wishes)
}

async fn restore_wish(
    db: &mut AnyConnection,
    application: ApplicationId,
    object_id: ObjectId,
    body: Option<Body>,
) -> Result<RestoreWish> {
    let mut wish = RestoreWish {
        object_id,
        enabled: false,
        licenses: Vec::new(),
        groups: Vec::new(),
        manager: None,
    };
    let Some(Body { observation, owned }) = body else {
        return Ok(wish);
    };
    wish.enabled = observation.enabled;
    wish.licenses = observation.licenses;
    wish.groups = owned
        .iter()
        .filter(|line| line.kind == OwnedKind::Membership)
        .map(|line| ObjectId::new(&line.key))
        .collect();
    if let Some(manager) = observation.manager {
        wish.manager = find_manager(db, application, &manager).await?;
    }
    Ok(wish)
}

async fn find_manager(
    db: &mut AnyConnection,
    application: ApplicationId,
    account: &ObjectId,
) -> Result<Option<ManagerInput>> {
    let row = sqlx::query(
        "select u.id, u.display_name from links l join users u on u.id = l.user_id
         where l.application_id = $1 and l.object_id = $2",
    )
    .bind(application.to_string())
    .bind(account.as_str())
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        let columns = TableRow::new("users", &row);
        Ok(ManagerInput {
            user_id: columns.parsed("id")?,
            display_name: columns.text("display_name")?,
            object_id: Some(account.clone()),
            expected: false,
        })
    })
    .transpose()
}

/// A wish of a plan that is about to be made anew.
#[derive(Debug)]
pub(crate) struct Kept {
    user: String,
    run: String,
    asked_by: String,
    asked_at: i64,
}

/// The wishes of a plan's users, before it is thrown away.
pub(crate) async fn keep_of_run(
    tx: &mut Write,
    run: &signpost_model::run::Run,
) -> Result<Vec<Kept>> {
    let rows = sqlx::query(
        "select user_id, run_id, asked_by, asked_at from restorations where application_id = $1",
    )
    .bind(run.application_id.to_string())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("restorations", row);
            Ok(Kept {
                user: columns.text("user_id")?,
                run: columns.text("run_id")?,
                asked_by: columns.text("asked_by")?,
                asked_at: columns.number("asked_at")?,
            })
        })
        .collect()
}

/// Puts wishes back that the end of their plan took along.
pub(crate) async fn put_back(
    tx: &mut Write,
    run: &signpost_model::run::Run,
    kept: &[Kept],
) -> Result<()> {
    for wish in kept {
        sqlx::query(
            "insert into restorations
               (application_id, user_id, run_id, revision, asked_by, asked_at)
             select p.application_id, p.user_id, $3, p.revision, $4, $5 from provisioning p
             where p.application_id = $1 and p.user_id = $2
             on conflict (application_id, user_id) do nothing",
        )
        .bind(run.application_id.to_string())
        .bind(&wish.user)
        .bind(&wish.run)
        .bind(&wish.asked_by)
        .bind(wish.asked_at)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
