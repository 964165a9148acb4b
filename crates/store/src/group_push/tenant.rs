//! The local copy of a tenant's groups, and of the members of those that are pushed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use signpost_model::group_push::TenantGroup;
use signpost_model::plan::ObjectId;
use signpost_model::text::fold;
use signpost_model::{ApplicationId, GroupId, Random, Secret, Timestamp};
use sqlx::AnyConnection;

use crate::rows::{TableRow, json_keys, to_json};
use crate::runs::lease::{self, RunLease};
use crate::{Result, RowIdentity, Sealer, Store};

/// The most rows that one statement carries.
const CHUNK: usize = 1_000;

/// One full read of the tenant's groups. What it does not show is gone when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupRound(i64);

/// What one entry of a reading says about a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenGroup {
    pub object_id: ObjectId,
    /// `None`: it is gone.
    pub group: Option<TenantGroup>,
    pub entered: Vec<ObjectId>,
    pub left: Vec<ObjectId>,
}

/// Begins a full read of the tenant's groups.
pub async fn begin_read(store: &Store, lease: &RunLease, now: Timestamp) -> Result<GroupRound> {
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let round = sqlx::query_scalar(
        "insert into group_readings (application_id, round) values ($1, 1)
         on conflict (application_id) do update set round = group_readings.round + 1
         returning round",
    )
    .bind(lease.application_id.to_string())
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(GroupRound(round))
}

/// How many groups of the tenant are known.
pub async fn count(db: &mut AnyConnection, application: ApplicationId) -> Result<i64> {
    Ok(
        sqlx::query_scalar("select count(*) from tenant_groups where application_id = $1")
            .bind(application.to_string())
            .fetch_one(db)
            .await?,
    )
}

/// The groups with these ids, of those that are known.
pub async fn known(
    db: &mut AnyConnection,
    application: ApplicationId,
    ids: &[ObjectId],
) -> Result<Vec<TenantGroup>> {
    let rows = sqlx::query(
        "select object_id, properties from tenant_groups
         where application_id = $1 and object_id in (select key from json_each(json($2)))",
    )
    .bind(application.to_string())
    .bind(json_keys(ids))
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| TableRow::new("tenant_groups", row).json("properties"))
        .collect()
}

/// One group of the tenant.
pub async fn find(
    db: &mut AnyConnection,
    application: ApplicationId,
    id: &ObjectId,
) -> Result<Option<TenantGroup>> {
    Ok(known(db, application, std::slice::from_ref(id))
        .await?
        .pop())
}

/// Groups of the tenant whose name begins with the text, at most `limit`: for linking by hand.
pub async fn search(
    db: &mut AnyConnection,
    application: ApplicationId,
    text: &str,
    limit: i64,
) -> Result<Vec<TenantGroup>> {
    let from = fold(text).replace('\0', "");
    let to = format!("{from}\u{10ffff}");
    let rows = sqlx::query(
        "select object_id, properties from tenant_groups
         where application_id = $1 and name_folded >= $2 and name_folded < $3
         order by name_folded, object_id limit $4",
    )
    .bind(application.to_string())
    .bind(from)
    .bind(to)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| TableRow::new("tenant_groups", row).json("properties"))
        .collect()
}

/// Stores what a reading shows. Members are kept only of groups that are pushed; pushed groups
/// that look other than before are looked at again.
pub async fn store_groups(
    store: &Store,
    lease: &RunLease,
    round: Option<GroupRound>,
    seen: &[SeenGroup],
    now: Timestamp,
) -> Result<()> {
    for page in seen.chunks(CHUNK) {
        let mut tx = store.write().await?;
        lease::hold(&mut tx, lease, now).await?;
        write_groups(&mut tx, lease.application_id, round, page).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn write_groups(
    db: &mut AnyConnection,
    application: ApplicationId,
    round: Option<GroupRound>,
    page: &[SeenGroup],
) -> Result<()> {
    // Of a group that stands twice in a page the later entry holds.
    let groups: BTreeMap<&ObjectId, &TenantGroup> = page
        .iter()
        .filter_map(|seen| Some((&seen.object_id, seen.group.as_ref()?)))
        .collect();
    let before: BTreeMap<ObjectId, TenantGroup> = {
        let ids: Vec<_> = groups.keys().map(|id| (*id).clone()).collect();
        let known = known(db, application, &ids).await?;
        known
            .into_iter()
            .map(|group| (group.object_id.clone(), group))
            .collect()
    };
    let changed: Vec<&TenantGroup> = groups
        .values()
        .filter(|group| before.get(&group.object_id) != Some(**group))
        .copied()
        .collect();
    upsert(db, application, &changed).await?;
    if let Some(round) = round {
        sqlx::query(
            "update tenant_groups set observed_round = $1
             where application_id = $2 and object_id in (select key from json_each(json($3)))",
        )
        .bind(round.0)
        .bind(application.to_string())
        .bind(json_keys(groups.keys()))
        .execute(&mut *db)
        .await?;
    }
    touch(db, application, &changed).await?;
    let gone: Vec<ObjectId> = page
        .iter()
        .filter(|seen| seen.group.is_none() && !groups.contains_key(&seen.object_id))
        .map(|seen| seen.object_id.clone())
        .collect();
    forget(db, application, &gone).await?;
    for seen in page.iter().filter(|seen| seen.group.is_some()) {
        write_members(db, application, round, seen).await?;
    }
    Ok(())
}

/// Writes groups as they are; used by readings and by what we ourselves change.
pub(crate) async fn upsert(
    db: &mut AnyConnection,
    application: ApplicationId,
    groups: &[&TenantGroup],
) -> Result<()> {
    if groups.is_empty() {
        return Ok(());
    }
    let mut rows = Map::with_capacity(groups.len());
    for group in groups {
        let name = fold(&group.name).replace('\0', "");
        let nickname = group.mail_nickname.replace('\0', "");
        let row = json!([name, nickname, to_json(group)?]);
        rows.insert(group.object_id.to_string(), row);
    }
    sqlx::query(
        "insert into tenant_groups (application_id, object_id, name_folded, mail_nickname,
           properties, observed_round)
         select $1, e.key, e.value ->> 0, e.value ->> 1, e.value ->> 2,
           coalesce((select r.round from group_readings r where r.application_id = $1), 0)
         from json_each(json($2)) e where true
         on conflict (application_id, object_id) do update set
           name_folded = excluded.name_folded, mail_nickname = excluded.mail_nickname,
           properties = excluded.properties",
    )
    .bind(application.to_string())
    .bind(Value::Object(rows).to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Pushed groups that these groups are, or could be, are looked at again.
async fn touch(
    db: &mut AnyConnection,
    application: ApplicationId,
    groups: &[&TenantGroup],
) -> Result<()> {
    if groups.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update pushed_groups set revision = revision + 1
         where application_id = $1
           and (object_id in (select key from json_each(json($2)))
             or (object_id is null and state = 'needs_review' and group_id in (
               select g.id from groups g
               where g.name_folded in (select key from json_each(json($3))))))",
    )
    .bind(application.to_string())
    .bind(json_keys(groups.iter().map(|group| &group.object_id)))
    .bind(json_keys(
        groups
            .iter()
            .map(|group| fold(&group.name).replace('\0', "")),
    ))
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets groups that are gone from the tenant, with everything about them.
pub(crate) async fn forget(
    db: &mut AnyConnection,
    application: ApplicationId,
    gone: &[ObjectId],
) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    for sql in [
        "update pushed_groups set revision = revision + 1, members_read_at = null
         where application_id = $1 and object_id in (select key from json_each(json($2)))",
        "delete from tenant_members where application_id = $1
           and group_object_id in (select key from json_each(json($2)))",
        "delete from tenant_groups where application_id = $1
           and object_id in (select key from json_each(json($2)))",
        "delete from ownership where application_id = $1 and kind = 'membership'
           and key in (select key from json_each(json($2)))",
        "delete from ownership where application_id = $1
           and object_id in (select key from json_each(json($2)))",
    ] {
        sqlx::query(sql)
            .bind(application.to_string())
            .bind(json_keys(gone))
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

async fn write_members(
    db: &mut AnyConnection,
    application: ApplicationId,
    round: Option<GroupRound>,
    seen: &SeenGroup,
) -> Result<()> {
    if seen.entered.is_empty() && seen.left.is_empty() {
        return Ok(());
    }
    let mut changed = 0;
    for part in seen.entered.chunks(CHUNK) {
        changed += enter(db, application, &seen.object_id, part).await?;
        if let Some(round) = round {
            sqlx::query(
                "update tenant_members set observed_round = $1
                 where application_id = $2 and group_object_id = $3
                   and member_object_id in (select key from json_each(json($4)))",
            )
            .bind(round.0)
            .bind(application.to_string())
            .bind(seen.object_id.as_str())
            .bind(json_keys(part))
            .execute(&mut *db)
            .await?;
        }
    }
    for part in seen.left.chunks(CHUNK) {
        changed += leave(db, application, &seen.object_id, part).await?;
    }
    if changed > 0 {
        sqlx::query(
            "update pushed_groups set revision = revision + 1
             where application_id = $1 and object_id = $2",
        )
        .bind(application.to_string())
        .bind(seen.object_id.as_str())
        .execute(db)
        .await?;
    }
    Ok(())
}

/// Notes who is in a group of the tenant; only of groups that are pushed. Returns how many are new.
pub(crate) async fn enter(
    db: &mut AnyConnection,
    application: ApplicationId,
    group: &ObjectId,
    members: &[ObjectId],
) -> Result<u64> {
    let entered = sqlx::query(
        "insert into tenant_members (application_id, group_object_id, member_object_id,
           observed_round)
         select $1, $2, e.key,
           coalesce((select r.round from group_readings r where r.application_id = $1), 0)
         from json_each(json($3)) e
         where exists (select 1 from pushed_groups p
           where p.application_id = $1 and p.object_id = $2)
         on conflict (application_id, group_object_id, member_object_id) do nothing",
    )
    .bind(application.to_string())
    .bind(group.as_str())
    .bind(json_keys(members))
    .execute(db)
    .await?;
    Ok(entered.rows_affected())
}

/// Notes who is no longer in a group of the tenant; returns how many were.
pub(crate) async fn leave(
    db: &mut AnyConnection,
    application: ApplicationId,
    group: &ObjectId,
    members: &[ObjectId],
) -> Result<u64> {
    let left = sqlx::query(
        "delete from tenant_members where application_id = $1 and group_object_id = $2
           and member_object_id in (select key from json_each(json($3)))",
    )
    .bind(application.to_string())
    .bind(group.as_str())
    .bind(json_keys(members))
    .execute(db)
    .await?;
    Ok(left.rows_affected())
}

/// Replaces what is known of a group's members by a whole reading of them.
pub async fn store_all_members(
    store: &Store,
    lease: &RunLease,
    group: &ObjectId,
    members: &[ObjectId],
    now: Timestamp,
) -> Result<()> {
    let application = lease.application_id.to_string();
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    sqlx::query("delete from tenant_members where application_id = $1 and group_object_id = $2")
        .bind(&application)
        .bind(group.as_str())
        .execute(&mut *tx)
        .await?;
    for part in members.chunks(CHUNK) {
        enter(&mut tx, lease.application_id, group, part).await?;
    }
    sqlx::query(
        "update pushed_groups set members_read_at = $3, revision = revision + 1
         where application_id = $1 and object_id = $2",
    )
    .bind(&application)
    .bind(group.as_str())
    .bind(now.as_millis())
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Linked groups whose members are not known yet.
pub async fn list_unread(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Vec<(GroupId, ObjectId)>> {
    let rows = sqlx::query(
        "select p.group_id, p.object_id from pushed_groups p
         join tenant_groups t on t.application_id = p.application_id and t.object_id = p.object_id
         where p.application_id = $1 and p.members_read_at is null order by p.group_id",
    )
    .bind(application.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("pushed_groups", row);
            Ok((
                columns.parsed("group_id")?,
                ObjectId::new(&columns.text("object_id")?),
            ))
        })
        .collect()
}

/// Links pushed groups with groups of the tenant that carry their own alias: creates of ours whose
/// answer was lost.
pub async fn adopt_own(store: &Store, lease: &RunLease, now: Timestamp) -> Result<u64> {
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    let adopted = sqlx::query(
        "update pushed_groups set object_id = (select t.object_id from tenant_groups t
             where t.application_id = pushed_groups.application_id
               and t.mail_nickname = 'signpost-' || replace(pushed_groups.group_id, '-', '')
             order by t.object_id limit 1),
           created = 1, members_read_at = null, revision = revision + 1
         where application_id = $1 and object_id is null and wanted = 1
           and exists (select 1 from tenant_groups t
             where t.application_id = pushed_groups.application_id
               and t.mail_nickname = 'signpost-' || replace(pushed_groups.group_id, '-', ''))",
    )
    .bind(lease.application_id.to_string())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(adopted.rows_affected())
}

/// Ends a full read: forgets groups and members that it did not show.
pub async fn finish_read(
    store: &Store,
    lease: &RunLease,
    round: GroupRound,
    now: Timestamp,
) -> Result<()> {
    let application = lease.application_id.to_string();
    let mut tx = store.write().await?;
    lease::hold(&mut tx, lease, now).await?;
    sqlx::query(
        "update pushed_groups set revision = revision + 1
         where application_id = $1 and exists (select 1 from tenant_members t
           where t.application_id = $1 and t.group_object_id = pushed_groups.object_id
             and t.observed_round < $2)",
    )
    .bind(&application)
    .bind(round.0)
    .execute(&mut *tx)
    .await?;
    sqlx::query("delete from tenant_members where application_id = $1 and observed_round < $2")
        .bind(&application)
        .bind(round.0)
        .execute(&mut *tx)
        .await?;
    let rows = sqlx::query(
        "select object_id from tenant_groups where application_id = $1 and observed_round < $2",
    )
    .bind(&application)
    .bind(round.0)
    .fetch_all(&mut *tx)
    .await?;
    let gone = rows
        .iter()
        .map(|row| {
            Ok(ObjectId::new(
                &TableRow::new("tenant_groups", row).text("object_id")?,
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    forget(&mut tx, lease.application_id, &gone).await?;
    // The reading showed the members of every group too.
    sqlx::query(
        "update pushed_groups set members_read_at = $2
         where application_id = $1 and object_id in (
           select t.object_id from tenant_groups t where t.application_id = $1)",
    )
    .bind(&application)
    .bind(now.as_millis())
    .execute(&mut *tx)
    .await?;
    sqlx::query("update group_readings set read_at = $2 where application_id = $1")
        .bind(&application)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Keeps where the next delta begins; `None` makes the next sync read the groups in full.
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
    sqlx::query("update group_readings set delta_link_sealed = $1 where application_id = $2")
        .bind(sealed)
        .bind(&application)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Where the next delta of the tenant's groups begins.
pub async fn open_delta_link(
    db: &mut AnyConnection,
    sealer: &Sealer,
    application: ApplicationId,
) -> Result<Option<Secret>> {
    let application = application.to_string();
    let sealed: Option<Option<String>> = sqlx::query_scalar(
        "select delta_link_sealed from group_readings where application_id = $1",
    )
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
        table: "group_readings",
        column: "delta_link_sealed",
        id,
    }
}
