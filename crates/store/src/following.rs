//! Lists of users by where they stand with an application: who leaves, who waits for a seat, who
//! has no account yet.

use std::collections::BTreeMap;

use signpost_model::plan::Blocker;
use signpost_model::provisioning::LastOutcome;
use signpost_model::{ApplicationId, ProvisioningState, Timestamp, UserId};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::rows::{TableRow, to_json};
use crate::{Error, Page, PageRequest, Result, Write, applications, audit, paging};

/// Somebody who no longer has the application and whose account is still known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaver {
    pub user_id: UserId,
    pub display_name: String,
    pub user_name: String,
    pub state: ProvisioningState,
    pub removed_at: Timestamp,
    pub held_until: Option<Timestamp>,
    /// The linked account as last observed; `None` when the tenant no longer shows it.
    pub account: Option<signpost_model::Observation>,
    /// Products that Signpost gave and has not taken back yet.
    pub licenses: i64,
    pub last_outcome: Option<LastOutcome>,
}

/// Who is leaving or has left with an account that is still there, in the order of their ids.
pub async fn list_leavers(
    db: &mut AnyConnection,
    application: ApplicationId,
    request: &PageRequest,
) -> Result<Page<Leaver>> {
    let (beyond, order) = direction(request);
    let sql = format!(
        "select p.user_id, u.display_name, u.user_name, p.state, p.removed_at, p.held_until,
           p.last_outcome, a.properties,
           (select count(*) from ownership o where o.application_id = p.application_id
              and o.object_id = l.object_id and o.kind = 'license') as licenses
         from provisioning p join users u on u.id = p.user_id
         join links l on l.application_id = p.application_id and l.user_id = p.user_id
         left join accounts a on a.application_id = p.application_id
           and a.object_id = l.object_id
         where p.application_id = $1 and p.removed_at is not null
           and p.state in ('leaving', 'left', 'failed', 'blocked', 'pending')
           and ($2 = '' or p.user_id {beyond} $2)
         order by p.user_id {order} limit $3"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(request.cursor.as_ref().map_or("", |cursor| cursor.id()))
        .bind(request.fetch())
        .fetch_all(db)
        .await?;
    let found = rows
        .iter()
        .map(|row| {
            let columns = TableRow::new("provisioning", row);
            Ok(Leaver {
                user_id: columns.parsed("user_id")?,
                display_name: columns.text("display_name")?,
                user_name: columns.text("user_name")?,
                state: columns.parsed("state")?,
                removed_at: columns.time("removed_at")?,
                held_until: columns.optional_time("held_until")?,
                account: columns.optional_json("properties")?,
                licenses: columns.number("licenses")?,
                last_outcome: columns.optional_json("last_outcome")?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(by_user(request, found, |leaver| leaver.user_id))
}

fn direction(request: &PageRequest) -> (&'static str, &'static str) {
    if request.is_backward() {
        ("<", "desc")
    } else {
        (">", "asc")
    }
}

fn by_user<T>(request: &PageRequest, found: Vec<T>, id: impl Fn(&T) -> UserId) -> Page<T> {
    paging::page(request, found, |one| (0.into(), id(one).to_string()))
}

/// Somebody who waits for a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub user_id: UserId,
    pub display_name: String,
    pub user_name: String,
    /// Products that have no seat left for them.
    pub products: Vec<String>,
    pub since: Timestamp,
}

/// Who waits for a seat, longest first, at most `limit`.
pub async fn list_waiting(
    db: &mut AnyConnection,
    application: ApplicationId,
    limit: i64,
) -> Result<Vec<Waiting>> {
    let rows = sqlx::query(
        "select p.user_id, u.display_name, u.user_name, p.last_outcome, p.waits_since
         from provisioning p join users u on u.id = p.user_id
         where p.application_id = $1 and p.waits_since is not null
         order by p.waits_since, p.user_id limit $2",
    )
    .bind(application.to_string())
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("provisioning", row);
            let outcome: Option<LastOutcome> = columns.optional_json("last_outcome")?;
            Ok(Waiting {
                user_id: columns.parsed("user_id")?,
                display_name: columns.text("display_name")?,
                user_name: columns.text("user_name")?,
                products: missing(outcome).into_iter().map(|(_, name)| name).collect(),
                since: columns.time("waits_since")?,
            })
        })
        .collect()
}

/// How many users wait for a seat of each product: the planner keeps seats for them.
pub async fn count_waiting(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<BTreeMap<String, i64>> {
    let rows = sqlx::query(
        "select p.user_id, p.last_outcome from provisioning p
         where p.application_id = $1 and p.waits_since is not null",
    )
    .bind(application.to_string())
    .fetch_all(db)
    .await?;
    let mut waiting = BTreeMap::new();
    for row in &rows {
        let columns = TableRow::new("provisioning", row);
        for (sku_id, _) in missing(columns.optional_json("last_outcome")?) {
            *waiting.entry(sku_id).or_insert(0) += 1;
        }
    }
    Ok(waiting)
}

fn missing(outcome: Option<LastOutcome>) -> Vec<(String, String)> {
    let Some(LastOutcome::Blocked(blockers)) = outcome else {
        return Vec::new();
    };
    (blockers.into_iter())
        .filter_map(|blocker| match blocker {
            Blocker::NoSeats { product, sku_id } => Some((sku_id, product)),
            _ => None,
        })
        .collect()
}

/// Which users without an account are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlinked {
    /// All of them.
    Everyone,
    /// Those whom some account could fit, and those about whom somebody has decided.
    WithCandidates,
}

/// Whether an account of the tenant could be user `u`'s, or somebody has decided about them.
const HAS_CANDIDATE: &str = "(exists (select 1 from accounts c where c.application_id = $1
        and c.immutable_id = u.source_anchor)
      or exists (select 1 from accounts c where c.application_id = $1
        and c.upn_folded = coalesce(p.desired_name, u.user_name_folded))
      or (u.mail <> '' and exists (select 1 from accounts c where c.application_id = $1
        and c.mail_folded = lower(u.mail)))
      or exists (select 1 from decisions d where d.application_id = $1 and d.user_id = u.id))";

/// Users without an account after a place, in the order of their ids: those who have or could have
/// the application. Whether they do is for the planner's inputs to say.
pub async fn list_unlinked(
    db: &mut AnyConnection,
    application: ApplicationId,
    which: Unlinked,
    request: &PageRequest,
) -> Result<Page<UserId>> {
    let (beyond, order) = direction(request);
    let which = match which {
        Unlinked::Everyone => "1 = 1",
        Unlinked::WithCandidates => HAS_CANDIDATE,
    };
    let sql = format!(
        "select p.user_id from provisioning p join users u on u.id = p.user_id
         where p.application_id = $1 and u.deleted_at is null and p.state <> 'left'
           and not exists (select 1 from links l where l.application_id = p.application_id
             and l.user_id = p.user_id)
           and {which} and ($2 = '' or p.user_id {beyond} $2)
         order by p.user_id {order} limit $3"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(request.cursor.as_ref().map_or("", |cursor| cursor.id()))
        .bind(request.fetch())
        .fetch_all(db)
        .await?;
    let found = rows
        .iter()
        .map(|row| TableRow::new("provisioning", row).parsed("user_id"))
        .collect::<Result<Vec<UserId>>>()?;
    Ok(by_user(request, found, |id| *id))
}

/// What is given instead of products that have no seats left, by product.
pub async fn find_fallbacks(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<BTreeMap<String, Vec<String>>> {
    let row = sqlx::query("select id, fallbacks from applications where id = $1")
        .bind(application.to_string())
        .fetch_optional(db)
        .await?
        .ok_or(Error::NotFound("application"))?;
    TableRow::new("applications", &row).json("fallbacks")
}

/// Sets what is given instead of a product that has no seats left, in order.
pub async fn set_fallbacks(
    tx: &mut Write,
    application: ApplicationId,
    fallbacks: &BTreeMap<String, Vec<String>>,
    by: &signpost_model::Author,
    now: Timestamp,
) -> Result<()> {
    let before = find_fallbacks(tx, application).await?;
    if before == *fallbacks {
        return Ok(());
    }
    sqlx::query("update applications set fallbacks = $1 where id = $2")
        .bind(to_json(fallbacks)?)
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    crate::provisioning::touch_application(tx, application).await?;
    let subject = applications::subject_of(tx, application).await?;
    let entry = by.entry("fallbacks.changed", subject).changed(
        Some(serde_json::json!(before)),
        Some(serde_json::json!(fallbacks)),
    );
    audit::append(tx, &entry, now);
    Ok(())
}
