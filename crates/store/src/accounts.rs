//! The local copy of a tenant's accounts: what was last observed, found again by its keys.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use signpost_model::plan::ObjectId;
use signpost_model::text::fold;
use signpost_model::time::MINUTE_MS;
use signpost_model::{ApplicationId, KnownAccount, Observation, Random, Secret, Timestamp, UserId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::provisioning::bump;
use crate::rows::{TableRow, json_keys, to_json};
use crate::runs::lease::{self, RunLease};
use crate::{Result, RowIdentity, Sealer, Store, statistics};

/// The most accounts that one statement carries.
const CHUNK: usize = 1_000;

/// One full read of a tenant. Accounts it does not show are gone when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round(i64);

/// What storing observations changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Accounts that are new or other than before.
    pub changed: Vec<ObjectId>,
    /// How many users are looked at again because of it.
    pub touched: u64,
}

/// Begins a full read of the tenant.
pub async fn begin_full_read(store: &Store, lease: &RunLease, now: Timestamp) -> Result<Round> {
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let round = sqlx::query_scalar(
        "update connections set round = round + 1 where application_id = $1 returning round",
    )
    .bind(lease.application_id.to_string())
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Round(round))
}

/// Stores what the tenant showed. An account that is as before costs no write beside the stamp of
/// the round; users linked with the others, or that they could be, are looked at again.
pub async fn store_observations(
    store: &Store,
    lease: &RunLease,
    round: Option<Round>,
    observations: &[Observation],
    now: Timestamp,
) -> Result<Observed> {
    let mut observed = Observed::default();
    for page in observations.chunks(CHUNK) {
        let mut tx = store.write().await?;
        lease::hold(&mut tx, lease, now).await?;
        let rows = changed_rows(&mut tx, lease.application_id, page).await?;
        upsert(&mut tx, lease.application_id, &rows, now).await?;
        if let Some(round) = round {
            stamp(&mut tx, lease.application_id, round, page).await?;
        }
        let users = users_concerned(&mut tx, lease.application_id, &rows).await?;
        observed.touched += bump(&mut tx, lease.application_id, &users).await?;
        tx.commit().await?;
        observed
            .changed
            .extend(rows.into_iter().map(|row| row.account.object_id.clone()));
    }
    Ok(observed)
}

/// Forgets accounts that the tenant says are gone for good.
pub async fn remove(
    store: &Store,
    lease: &RunLease,
    gone: &[ObjectId],
    now: Timestamp,
) -> Result<()> {
    for page in gone.chunks(CHUNK) {
        let mut tx = store.write().await?;
        lease::hold(&mut tx, lease, now).await?;
        let users = linked_users(&mut tx, lease.application_id, page).await?;
        bump(&mut tx, lease.application_id, &users).await?;
        forget(&mut tx, lease.application_id, page).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Replicas that lists are read from know an account by then.
const REPLICATED_MS: i64 = 15 * MINUTE_MS;

/// Accounts that a full read did not show, and that are not so new of ours that the replica it
/// was read from may not know them yet.
const NOT_SHOWN: &str = "a.application_id = $1 and a.observed_round < $2
     and not exists (select 1 from ownership n where n.application_id = $1
       and n.object_id = a.object_id and n.kind = 'account' and n.since > $3)";

/// Ends a full read: forgets what it did not show; returns how many accounts that was.
pub async fn finish_full_read(
    store: &Store,
    lease: &RunLease,
    round: Round,
    now: Timestamp,
) -> Result<u64> {
    let application = lease.application_id.to_string();
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let mut gone = 0;
    for sql in [
        format!(
            "update provisioning set revision = revision + 1
             where application_id = $1 and user_id in (
               select l.user_id from links l join accounts a
                 on a.application_id = l.application_id and a.object_id = l.object_id
               where l.application_id = $1 and {NOT_SHOWN})"
        ),
        format!(
            "delete from ownership where application_id = $1 and object_id in (
               select a.object_id from accounts a where {NOT_SHOWN})"
        ),
        format!(
            "delete from accounts where application_id = $1 and object_id in (
               select a.object_id from accounts a where {NOT_SHOWN})"
        ),
    ] {
        gone = sqlx::query(AssertSqlSafe(sql))
            .bind(&application)
            .bind(round.0)
            .bind(now.plus_millis(-REPLICATED_MS).as_millis())
            .execute(&mut *tx)
            .await?
            .rows_affected();
    }
    statistics::refresh(&mut tx, &["accounts", "links", "users"]).await?;
    sqlx::query("update connections set full_read_at = $1 where application_id = $2")
        .bind(now.as_millis())
        .bind(&application)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(gone)
}

/// Keeps where the next delta begins; `None` makes the next sync read the tenant in full.
pub async fn save_delta_link(
    store: &Store,
    random: &dyn Random,
    lease: &RunLease,
    delta_link: Option<&Secret>,
    now: Timestamp,
) -> Result<()> {
    let application = lease.application_id.to_string();
    let sealed = delta_link
        .map(|link| {
            store
                .sealer()
                .seal(delta_link_row(&application), link, random)
        })
        .transpose()?;
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    sqlx::query("update connections set delta_link_sealed = $1 where application_id = $2")
        .bind(sealed)
        .bind(&application)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Where the next delta begins.
pub async fn open_delta_link(
    db: &mut AnyConnection,
    sealer: &Sealer,
    application: ApplicationId,
) -> Result<Option<Secret>> {
    let application = application.to_string();
    let sealed: Option<Option<String>> =
        sqlx::query_scalar("select delta_link_sealed from connections where application_id = $1")
            .bind(&application)
            .fetch_optional(db)
            .await?;
    sealed
        .flatten()
        .map(|sealed| sealer.open(delta_link_row(&application), &sealed))
        .transpose()
}

const fn delta_link_row(id: &str) -> RowIdentity<'_> {
    RowIdentity {
        table: "connections",
        column: "delta_link_sealed",
        id,
    }
}

/// Sets who holds a directory role in the tenant; users linked with an account that gained or
/// lost one are looked at again.
pub async fn set_role_holders(
    store: &Store,
    lease: &RunLease,
    holders: &[ObjectId],
    now: Timestamp,
) -> Result<()> {
    let application = lease.application_id.to_string();
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let known: Vec<String> =
        sqlx::query_scalar("select object_id from role_holders where application_id = $1")
            .bind(&application)
            .fetch_all(&mut *tx)
            .await?;
    let known: BTreeSet<_> = known.iter().map(|id| ObjectId::new(id)).collect();
    let wanted: BTreeSet<_> = holders.iter().cloned().collect();
    let changed: Vec<_> = known.symmetric_difference(&wanted).cloned().collect();
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "delete from role_holders where application_id = $1
           and object_id in (select key from json_each(json($2)))",
    )
    .bind(&application)
    .bind(json_keys(known.difference(&wanted)))
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "insert into role_holders (application_id, object_id)
         select $1, e.key from json_each(json($2)) e",
    )
    .bind(&application)
    .bind(json_keys(wanted.difference(&known)))
    .execute(&mut *tx)
    .await?;
    let users = linked_users(&mut tx, lease.application_id, &changed).await?;
    bump(&mut tx, lease.application_id, &users).await?;
    tx.commit().await
}

/// The accounts with these ids, as far as the tenant showed them.
pub async fn find_many(
    db: &mut AnyConnection,
    application: ApplicationId,
    ids: &[ObjectId],
) -> Result<Vec<KnownAccount>> {
    find_by(db, application, "object_id", json_keys(ids)).await
}

/// The account that a user is linked with, as far as the tenant shows it.
pub async fn find_linked(
    db: &mut AnyConnection,
    application: ApplicationId,
    user: UserId,
) -> Result<Option<KnownAccount>> {
    let row = sqlx::query(
        "select a.object_id, a.properties, l.user_id as linked_with, r.object_id as role_holder
         from links l
         join accounts a on a.application_id = l.application_id and a.object_id = l.object_id
         left join role_holders r on r.application_id = a.application_id
           and r.object_id = a.object_id
         where l.application_id = $1 and l.user_id = $2",
    )
    .bind(application.to_string())
    .bind(user.to_string())
    .fetch_optional(db)
    .await?;
    row.map(|row| known_account(&row)).transpose()
}

/// The accounts that carry one of these values as `onPremisesImmutableId`.
pub async fn find_by_immutable_ids(
    db: &mut AnyConnection,
    application: ApplicationId,
    immutable_ids: &[&str],
) -> Result<Vec<KnownAccount>> {
    find_by(
        db,
        application,
        "immutable_id",
        json_keys(immutable_ids.iter().map(|id| without_zero(id))),
    )
    .await
}

/// The accounts with one of these user principal names, deleted ones too.
pub async fn find_by_upns(
    db: &mut AnyConnection,
    application: ApplicationId,
    names: &[&str],
) -> Result<Vec<KnownAccount>> {
    let names = json_keys(names.iter().map(|name| key(name)));
    find_by(db, application, "upn_folded", names).await
}

/// The accounts with one of these primary mail addresses, deleted ones too.
pub async fn find_by_mails(
    db: &mut AnyConnection,
    application: ApplicationId,
    mails: &[&str],
) -> Result<Vec<KnownAccount>> {
    let mails = json_keys(mails.iter().map(|mail| key(mail)));
    find_by(db, application, "mail_folded", mails).await
}

async fn find_by(
    db: &mut AnyConnection,
    application: ApplicationId,
    column: &str,
    keys: String,
) -> Result<Vec<KnownAccount>> {
    // Driven by the keys, so that both engines look each one up in the index.
    let sql = format!(
        "select a.object_id, a.properties, l.user_id as linked_with, r.object_id as role_holder
         from accounts a
         left join links l on l.application_id = a.application_id and l.object_id = a.object_id
         left join role_holders r on r.application_id = a.application_id
           and r.object_id = a.object_id
         where a.application_id = $1 and a.{column} in (select key from json_each(json($2)))
         order by a.object_id"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(keys)
        .fetch_all(db)
        .await?;
    rows.iter().map(known_account).collect()
}

/// Accounts whose name or user name begins with the text, at most `limit`: for linking by hand.
pub async fn search(
    db: &mut AnyConnection,
    application: ApplicationId,
    text: &str,
    limit: i64,
) -> Result<Vec<KnownAccount>> {
    let from = key(text);
    let to = format!("{from}\u{10ffff}");
    let rows = sqlx::query(
        "select a.object_id, a.properties, l.user_id as linked_with, r.object_id as role_holder
         from accounts a
         left join links l on l.application_id = a.application_id and l.object_id = a.object_id
         left join role_holders r on r.application_id = a.application_id
           and r.object_id = a.object_id
         where a.application_id = $1 and a.deleted = 0
           and ((a.upn_folded >= $2 and a.upn_folded < $3)
             or (a.display_folded >= $2 and a.display_folded < $3))
         order by a.upn_folded, a.object_id limit $4",
    )
    .bind(application.to_string())
    .bind(from)
    .bind(to)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(known_account).collect()
}

/// How many accounts of the tenant are known, deleted ones too.
pub async fn count(db: &mut AnyConnection, application: ApplicationId) -> Result<i64> {
    Ok(
        sqlx::query_scalar("select count(*) from accounts where application_id = $1")
            .bind(application.to_string())
            .fetch_one(db)
            .await?,
    )
}

/// How many users of the application are linked with an account.
pub async fn count_linked(db: &mut AnyConnection, application: ApplicationId) -> Result<i64> {
    Ok(
        sqlx::query_scalar("select count(*) from links where application_id = $1")
            .bind(application.to_string())
            .fetch_one(db)
            .await?,
    )
}

pub(crate) fn known_account(row: &AnyRow) -> Result<KnownAccount> {
    let columns = TableRow::new("accounts", row);
    Ok(KnownAccount {
        observation: columns.json("properties")?,
        linked_with: columns.optional_parsed("linked_with")?,
        administrator: columns.optional_text("role_holder")?.is_some(),
    })
}

/// A text as the key by which it is found again.
fn key(text: &str) -> String {
    without_zero(&fold(text))
}

/// PostgreSQL has no text with the character zero, and nobody can mean it in a key.
fn without_zero(text: &str) -> String {
    text.replace('\0', "")
}

/// An observation in the shape of its row.
struct AccountRow<'a> {
    account: &'a Observation,
    properties: String,
    digest: String,
}

impl<'a> AccountRow<'a> {
    fn new(account: &'a Observation) -> Result<Self> {
        let properties = to_json(account)?;
        // 128 bits are plenty to tell two states of one account apart.
        let digest = Sha256::digest(&properties);
        let digest = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        Ok(Self {
            account,
            digest: digest.collect(),
            properties,
        })
    }
}

/// The observations that are new or other than what is stored. When an account stands twice in a
/// page, the later one holds.
async fn changed_rows<'a>(
    db: &mut AnyConnection,
    application: ApplicationId,
    page: &'a [Observation],
) -> Result<Vec<AccountRow<'a>>> {
    let stored: Vec<(String, String)> = sqlx::query_as(
        "select object_id, digest from accounts
         where application_id = $1 and object_id in (select key from json_each(json($2)))",
    )
    .bind(application.to_string())
    .bind(json_keys(page.iter().map(|account| &account.object_id)))
    .fetch_all(db)
    .await?;
    let stored: HashMap<_, _> = stored.into_iter().collect();
    let latest: BTreeMap<_, _> = page
        .iter()
        .map(|account| (&account.object_id, account))
        .collect();
    let mut changed = Vec::new();
    for account in latest.into_values() {
        let row = AccountRow::new(account)?;
        if stored.get(account.object_id.as_str()) != Some(&row.digest) {
            changed.push(row);
        }
    }
    Ok(changed)
}

async fn upsert(
    db: &mut AnyConnection,
    application: ApplicationId,
    rows: &[AccountRow<'_>],
    now: Timestamp,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut values = Map::with_capacity(rows.len());
    for row in rows {
        let account = row.account;
        let value = json!([
            key(&account.user_principal_name),
            account
                .immutable_id
                .as_deref()
                .map(|id| id.replace('\0', "")),
            account.mail.as_deref().map(key),
            key(account.display_name()),
            i64::from(account.enabled),
            i64::from(account.synchronised),
            i64::from(account.deleted),
            row.properties,
            row.digest,
        ]);
        values.insert(account.object_id.to_string(), value);
    }
    // A new account counts as seen by the last full read; the stamp of a running one follows.
    sqlx::query(
        "insert into accounts (application_id, object_id, upn_folded, immutable_id, mail_folded,
           display_folded, enabled, synced, deleted, properties, digest, observed_round,
           observed_at)
         select $1, e.key, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3,
           cast(e.value ->> 4 as bigint), cast(e.value ->> 5 as bigint),
           cast(e.value ->> 6 as bigint), e.value ->> 7, e.value ->> 8,
           coalesce((select c.round from connections c where c.application_id = $1), 0), $3
         from json_each(json($2)) e where true
         on conflict (application_id, object_id) do update set
           upn_folded = excluded.upn_folded, immutable_id = excluded.immutable_id,
           mail_folded = excluded.mail_folded, display_folded = excluded.display_folded,
           enabled = excluded.enabled, synced = excluded.synced, deleted = excluded.deleted,
           properties = excluded.properties, digest = excluded.digest,
           observed_at = excluded.observed_at",
    )
    .bind(application.to_string())
    .bind(Value::Object(values).to_string())
    .bind(now.as_millis())
    .execute(db)
    .await?;
    Ok(())
}

/// Writes single observations inside a transaction of the apply: what we ourselves changed is
/// known, so that it costs nothing when the tenant shows it again.
pub(crate) async fn upsert_observations(
    db: &mut AnyConnection,
    application: ApplicationId,
    observations: &[&Observation],
    now: Timestamp,
) -> Result<()> {
    let rows = observations
        .iter()
        .map(|account| AccountRow::new(account))
        .collect::<Result<Vec<_>>>()?;
    upsert(db, application, &rows, now).await
}

async fn stamp(
    db: &mut AnyConnection,
    application: ApplicationId,
    round: Round,
    page: &[Observation],
) -> Result<()> {
    sqlx::query(
        "update accounts set observed_round = $1
         where application_id = $2 and observed_round < $1
           and object_id in (select key from json_each(json($3)))",
    )
    .bind(round.0)
    .bind(application.to_string())
    .bind(json_keys(page.iter().map(|account| &account.object_id)))
    .execute(db)
    .await?;
    Ok(())
}

/// Users that are linked with one of the accounts, or that could be matched with one.
async fn users_concerned(
    db: &mut AnyConnection,
    application: ApplicationId,
    rows: &[AccountRow<'_>],
) -> Result<Vec<UserId>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let accounts = || rows.iter().map(|row| row.account);
    let found = sqlx::query(
        "select user_id from links where application_id = $1
           and object_id in (select key from json_each(json($2)))
         union select id from users where source_anchor in (select key from json_each(json($3)))
         union select id from users
           where deleted_at is null and user_name_folded in (select key from json_each(json($4)))
         union select user_id from provisioning where application_id = $1
           and desired_name in (select key from json_each(json($4)))
         union select u.id from users u
           where u.deleted_at is null and lower(u.mail) in (select key from json_each(json($5)))
             and not exists (select 1 from links l
               where l.application_id = $1 and l.user_id = u.id)",
    )
    .bind(application.to_string())
    .bind(json_keys(accounts().map(|account| &account.object_id)))
    .bind(json_keys(accounts().filter_map(|account| {
        account.immutable_id.as_deref().map(without_zero)
    })))
    .bind(json_keys(
        accounts().map(|account| key(&account.user_principal_name)),
    ))
    .bind(json_keys(
        accounts().filter_map(|account| account.mail.as_deref().map(key)),
    ))
    .fetch_all(db)
    .await?;
    found
        .iter()
        .map(|row| TableRow::new("users", row).parsed("user_id"))
        .collect()
}

async fn linked_users(
    db: &mut AnyConnection,
    application: ApplicationId,
    accounts: &[ObjectId],
) -> Result<Vec<UserId>> {
    let rows = sqlx::query(
        "select user_id from links where application_id = $1
           and object_id in (select key from json_each(json($2)))",
    )
    .bind(application.to_string())
    .bind(json_keys(accounts))
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| TableRow::new("links", row).parsed("user_id"))
        .collect()
}

pub(crate) async fn forget(
    db: &mut AnyConnection,
    application: ApplicationId,
    accounts: &[ObjectId],
) -> Result<()> {
    if accounts.is_empty() {
        return Ok(());
    }
    for sql in [
        "delete from ownership where application_id = $1
           and object_id in (select key from json_each(json($2)))",
        "delete from accounts where application_id = $1
           and object_id in (select key from json_each(json($2)))",
    ] {
        sqlx::query(sql)
            .bind(application.to_string())
            .bind(json_keys(accounts))
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
