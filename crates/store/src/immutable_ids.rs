//! Whether each account of a domain can sign in once it is federated: what the ImmutableId doctor
//! finds, and whom an operator waived.
//!
//! Judged anew by each question, from the observed accounts, so that what keeps the switch locked
//! is never older than the last observation.

#[cfg(test)]
mod tests;

use serde_json::json;
use signpost_model::audit::Subject;
use signpost_model::federation::{ImmutableIdState, ProviderKind};
use signpost_model::plan::ObjectId;
use signpost_model::text::fold;
use signpost_model::{ApplicationId, Author, Timestamp, UserId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::paging::{self, Page, PageRequest};
use crate::rows::TableRow;
use crate::{Error, Result, Write, applications, audit};

/// The domain and those below it that are looked at.
const MAX_DOMAINS: usize = 50;

/// Which accounts are meant, and by what they are judged.
#[derive(Debug, Clone)]
pub struct Ward {
    pub application: ApplicationId,
    /// The domain and those below it that sign in as it does.
    pub domains: Vec<String>,
    pub provider: ProviderKind,
}

/// An account of the domain as it was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedAccount {
    pub object_id: ObjectId,
    pub user_name: String,
    pub display_name: String,
    pub enabled: bool,
    pub state: ImmutableIdState,
    /// What it carries.
    pub has: Option<String>,
    /// What it is to carry.
    pub wanted: Option<String>,
    pub user_id: Option<UserId>,
    pub waiver: Option<Waiver>,
}

/// That an account may stay as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    pub by: String,
    pub at: Timestamp,
}

/// How many accounts are how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Of each state, waived ones apart.
    pub states: Vec<(ImmutableIdState, i64)>,
    /// Not ready, and waived by name.
    pub waived: i64,
}

impl Counts {
    /// Accounts of this state that are not waived.
    pub fn of(&self, state: ImmutableIdState) -> i64 {
        let found = self.states.iter().find(|(known, _)| *known == state);
        found.map_or(0, |(_, number)| *number)
    }

    /// All accounts of the domain.
    pub fn total(&self) -> i64 {
        self.states.iter().map(|(_, number)| number).sum::<i64>() + self.waived
    }

    /// Neither ready nor waived: these keep the switch locked.
    pub fn open(&self) -> i64 {
        self.states
            .iter()
            .filter(|(state, _)| *state != ImmutableIdState::Ready)
            .map(|(_, number)| number)
            .sum()
    }
}

/// Which accounts a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shown {
    /// Neither ready nor waived.
    #[default]
    Open,
    All,
    Of(ImmutableIdState),
    Waived,
}

/// The accounts with their judgement, as a table to select from. Waived is 1 only for accounts that
/// need it. `$1` is the application, `$2` 1 for a provider whose ids we do not know, the domains
/// follow.
fn judged(ward: &Ward) -> (String, Vec<String>) {
    let endings: Vec<String> = ward
        .domains
        .iter()
        .take(MAX_DOMAINS)
        .map(|domain| format!("%@{}", fold(domain)))
        .collect();
    let of_domain = (3..3 + endings.len())
        .map(|number| format!("a.upn_folded like ${number}"))
        .collect::<Vec<_>>()
        .join(" or ");
    let of_domain = if of_domain.is_empty() {
        "1 = 0".to_owned()
    } else {
        of_domain
    };
    // An account that carries somebody's ImmutableId is theirs also before a sync linked it.
    let sql = format!(
        "(select j.*,
            case when j.state <> 'ready' and j.waived_at is not null then 1 else 0 end as waived
          from (select i.*,
            case
              when i.wanted is not null and i.has = i.wanted and i.shared = 0 then 'ready'
              when i.shared = 1 then 'duplicate'
              when i.synced = 1 then 'synchronised'
              when i.administrator = 1 then 'administrator'
              when i.wanted is null then 'no_user'
              when i.has is null then 'missing'
              else 'different'
            end as state
          from (select o.*,
            case when exists (select 1 from accounts b
              where b.application_id = $1 and b.immutable_id = coalesce(o.wanted, o.has)
                and b.object_id <> o.object_id and b.deleted = 0) then 1 else 0 end as shared
          from (select a.object_id, a.upn_folded, a.properties, a.immutable_id as has, a.synced,
            case when r.object_id is null then 0 else 1 end as administrator,
            coalesce(u.id, v.id) as user_id, w.waived_by, w.waived_at,
            case when $2 = 1 then coalesce(a.immutable_id, u.source_anchor)
              else coalesce(u.source_anchor, v.source_anchor) end as wanted
          from accounts a
          left join links l
            on l.application_id = a.application_id and l.object_id = a.object_id
          left join users u on u.id = l.user_id and u.deleted_at is null
          left join users v on v.source_anchor = a.immutable_id and v.deleted_at is null
          left join role_holders r
            on r.application_id = a.application_id and r.object_id = a.object_id
          left join immutable_id_waivers w
            on w.application_id = a.application_id and w.object_id = a.object_id
          where a.application_id = $1 and a.deleted = 0 and ({of_domain})) o) i) j)"
    );
    (sql, endings)
}

macro_rules! bound {
    ($sql:expr, $ward:expr, $endings:expr) => {{
        let external = i64::from($ward.provider == ProviderKind::External);
        let mut query = sqlx::query(AssertSqlSafe($sql))
            .bind($ward.application.to_string())
            .bind(external);
        for ending in $endings {
            query = query.bind(ending);
        }
        query
    }};
}

/// Counts the accounts by state.
pub async fn count(db: &mut AnyConnection, ward: &Ward) -> Result<Counts> {
    let (table, endings) = judged(ward);
    let sql =
        format!("select state, waived, count(*) as number from {table} t group by state, waived");
    let rows = bound!(sql, ward, endings).fetch_all(db).await?;
    let mut counts = Counts::default();
    for row in &rows {
        let row = TableRow::new("accounts", row);
        let number = row.number("number")?;
        if row.flag("waived")? {
            counts.waived += number;
        } else {
            counts.states.push((row.parsed("state")?, number));
        }
    }
    counts.states.sort_unstable();
    Ok(counts)
}

/// One page of the accounts, by user name.
pub async fn list(
    db: &mut AnyConnection,
    ward: &Ward,
    shown: Shown,
    request: &PageRequest,
) -> Result<Page<JudgedAccount>> {
    let (table, endings) = judged(ward);
    let filter = match shown {
        Shown::Open => "state <> 'ready' and waived = 0".to_owned(),
        Shown::All => "1 = 1".to_owned(),
        Shown::Of(state) => format!("state = '{}' and waived = 0", state.key()),
        Shown::Waived => "waived = 1".to_owned(),
    };
    let (beyond, order) = if request.is_backward() {
        ("<", "desc")
    } else {
        (">", "asc")
    };
    let (from, id, limit) = (endings.len() + 3, endings.len() + 4, endings.len() + 5);
    let sql = format!(
        "select * from {table} t where {filter}
           and (${from} = '' or upn_folded {beyond} ${from}
             or (upn_folded = ${from} and object_id {beyond} ${id}))
         order by upn_folded {order}, object_id {order} limit ${limit}"
    );
    let cursor = request.cursor.as_ref();
    let from = cursor.map_or(Ok(""), |cursor| cursor.text())?;
    let rows = bound!(sql, ward, endings)
        .bind(from.to_owned())
        .bind(cursor.map_or(String::new(), |cursor| cursor.id().to_owned()))
        .bind(request.fetch())
        .fetch_all(db)
        .await?;
    let found = rows.iter().map(account).collect::<Result<Vec<_>>>()?;
    Ok(paging::page(request, found, |account| {
        let name = fold(&account.user_name).replace('\0', "");
        (name.into(), account.object_id.to_string())
    }))
}

/// These accounts, as they are judged now; others than of the domain are left out.
pub async fn find(
    db: &mut AnyConnection,
    ward: &Ward,
    ids: &[ObjectId],
) -> Result<Vec<JudgedAccount>> {
    let (table, endings) = judged(ward);
    let keys = endings.len() + 3;
    let sql = format!(
        "select * from {table} t
         where object_id in (select key from json_each(json(${keys})))
         order by upn_folded, object_id"
    );
    let rows = bound!(sql, ward, endings)
        .bind(crate::rows::json_keys(ids))
        .fetch_all(db)
        .await?;
    rows.iter().map(account).collect()
}

/// Accounts that Signpost can put right, in the order of their ids, after one of them.
pub async fn list_repairable(
    db: &mut AnyConnection,
    ward: &Ward,
    after: Option<&ObjectId>,
    limit: i64,
) -> Result<Vec<JudgedAccount>> {
    let (table, endings) = judged(ward);
    let (from, most) = (endings.len() + 3, endings.len() + 4);
    let sql = format!(
        "select * from {table} t
         where state in ('missing', 'different') and waived = 0 and object_id > ${from}
         order by object_id limit ${most}"
    );
    let rows = bound!(sql, ward, endings)
        .bind(after.map_or(String::new(), ToString::to_string))
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(account).collect()
}

/// Accounts whose user is known, in the order of their ids, after one of them: what the script that
/// sets ImmutableIds is given.
pub async fn list_wanted(
    db: &mut AnyConnection,
    ward: &Ward,
    after: Option<&ObjectId>,
    limit: i64,
) -> Result<Vec<JudgedAccount>> {
    let (table, endings) = judged(ward);
    let (from, most) = (endings.len() + 3, endings.len() + 4);
    let sql = format!(
        "select * from {table} t where wanted is not null and object_id > ${from}
         order by object_id limit ${most}"
    );
    let rows = bound!(sql, ward, endings)
        .bind(after.map_or(String::new(), ToString::to_string))
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(account).collect()
}

fn account(row: &AnyRow) -> Result<JudgedAccount> {
    let row = TableRow::new("accounts", row);
    let seen: signpost_model::Observation = row.json("properties")?;
    let at = row.optional_time("waived_at")?;
    let by = row.optional_text("waived_by")?;
    let state = row.parsed("state")?;
    let waived = row.flag("waived")?;
    Ok(JudgedAccount {
        display_name: seen.display_name().to_owned(),
        user_name: seen.user_principal_name,
        enabled: seen.enabled,
        object_id: seen.object_id,
        state,
        has: row.optional_text("has")?,
        wanted: row.optional_text("wanted")?,
        user_id: row.optional_parsed("user_id")?,
        waiver: at
            .zip(by)
            .filter(|_| waived)
            .map(|(at, by)| Waiver { by, at }),
    })
}

/// Lets these accounts stay as they are, each by its name in the audit trail; returns how many. Those
/// that are ready, or waived already, are passed over.
pub async fn waive(
    tx: &mut Write,
    ward: &Ward,
    ids: &[ObjectId],
    by: &Author,
    now: Timestamp,
) -> Result<usize> {
    let open = find(tx, ward, ids).await?;
    let mut waived = 0;
    for account in open {
        if account.state == ImmutableIdState::Ready || account.waiver.is_some() {
            continue;
        }
        sqlx::query(
            "insert into immutable_id_waivers
               (application_id, object_id, user_name, waived_by, waived_at)
             values ($1, $2, $3, $4, $5)
             on conflict (application_id, object_id) do update set
               user_name = excluded.user_name, waived_by = excluded.waived_by,
               waived_at = excluded.waived_at",
        )
        .bind(ward.application.to_string())
        .bind(account.object_id.as_str())
        .bind(account.user_name.replace('\0', ""))
        .bind(by.name())
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
        note(
            tx,
            ward.application,
            "account.immutable_id_waived",
            &account,
            by,
            now,
        )
        .await?;
        waived += 1;
    }
    Ok(waived)
}

/// Takes waivers back; returns how many.
pub async fn take_back(
    tx: &mut Write,
    ward: &Ward,
    ids: &[ObjectId],
    by: &Author,
    now: Timestamp,
) -> Result<usize> {
    let found = find(tx, ward, ids).await?;
    let mut taken = 0;
    for account in found {
        let gone = sqlx::query(
            "delete from immutable_id_waivers where application_id = $1 and object_id = $2",
        )
        .bind(ward.application.to_string())
        .bind(account.object_id.as_str())
        .execute(&mut **tx)
        .await?;
        if gone.rows_affected() == 0 {
            continue;
        }
        let action = "account.immutable_id_waiver_taken_back";
        note(tx, ward.application, action, &account, by, now).await?;
        taken += 1;
    }
    Ok(taken)
}

async fn note(
    tx: &mut Write,
    application: ApplicationId,
    action: &'static str,
    account: &JudgedAccount,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    // An application that is gone has no accounts to waive.
    applications::find(tx, application)
        .await?
        .ok_or(Error::NotFound("application"))?;
    let subject = Subject::new("account", &account.object_id, &account.user_name);
    let entry = by.entry(action, subject).changed(
        None,
        Some(json!({ "application": application, "state": account.state.key() })),
    );
    audit::append(tx, &entry, now);
    Ok(())
}
