//! What each staged row would do to the directory as it is now.

use std::collections::{HashMap, HashSet};

use signpost_model::text::fold;
use signpost_model::{Attribute, GroupId, ImportId, Profile, Random, Timestamp, User, UserId};
use sqlx::AnyConnection;

use super::chains::{refuse_broken_chains, unknown_manager};
use super::progress::Reporter;
use super::staging::RowInput;
use super::{ImportCounts, ImportState, RowChange, RowOutcome};
use crate::rows::{TableRow, flag, json_keys, to_json};
use crate::users::{find_many, profile_values};
use crate::{Error, Result, Store, Write, bulk};

/// Rows per transaction: short enough for others to write in between.
const CHUNK: i64 = 500;

/// Checks every staged row, or checks them again when the directory changed, and counts.
pub async fn check(
    store: &Store,
    import: ImportId,
    random: &dyn Random,
    now: Timestamp,
) -> Result<ImportCounts> {
    let total = reset(store, import).await?;
    let mut reporter = Reporter::begin(store, import, total);
    let mut line = i64::MIN;
    loop {
        let mut tx = store.write().await?;
        let rows = list_staged(&mut tx, import, line).await?;
        let Some(last) = rows.last() else { break };
        line = last.line;
        let done = i64::try_from(rows.len()).unwrap_or(CHUNK);
        check_chunk(&mut tx, import, rows, random, now).await?;
        tx.commit().await?;
        reporter.advance(done).await?;
    }
    let mut tx = store.write().await?;
    refuse_broken_chains(&mut tx, import).await?;
    let counts = finish(&mut tx, import).await?;
    tx.commit().await?;
    reporter.end().await?;
    Ok(counts)
}

/// Forgets an earlier check, and says for each row who it is: whoever has the user name now, else
/// whoever had it last and is in the recycle bin, else someone new. Returns the number of rows.
async fn reset(store: &Store, import: ImportId) -> Result<i64> {
    let mut tx = store.write().await?;
    let open = sqlx::query(
        "update imports set state = 'reading' where id = $1 and state in ('reading', 'checked')",
    )
    .bind(import.to_string())
    .execute(&mut *tx)
    .await?;
    if open.rows_affected() == 0 {
        return Err(Error::Stale("import"));
    }
    for table in [
        "delete from import_users where import_id = $1",
        "delete from import_memberships where import_id = $1",
    ] {
        sqlx::query(table)
            .bind(import.to_string())
            .execute(&mut *tx)
            .await?;
    }
    let rows = sqlx::query(
        "update import_rows set outcome = 'unchanged', reasons = '[]', changes = '[]',
           user_id = coalesce(
             (select u.id from users u
              where u.user_name_folded = import_rows.user_name_folded and u.deleted_at is null),
             (select u.id from users u
              where u.user_name_folded = import_rows.user_name_folded
                and u.deleted_at is not null
              order by u.deleted_at desc, u.id desc limit 1),
             new_user_id)
         where import_id = $1 and input is not null",
    )
    .bind(import.to_string())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(i64::try_from(rows.rows_affected()).unwrap_or(i64::MAX))
}

/// A staged row that can be read as a user.
struct Staged {
    line: i64,
    user_id: UserId,
    source_anchor: String,
    input: RowInput,
}

async fn list_staged(
    connection: &mut AnyConnection,
    import: ImportId,
    after: i64,
) -> Result<Vec<Staged>> {
    let rows = sqlx::query(
        "select line, user_id, source_anchor, input from import_rows
         where import_id = $1 and line > $2 and input is not null order by line limit $3",
    )
    .bind(import.to_string())
    .bind(after)
    .bind(CHUNK)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("import_rows", row);
            Ok(Staged {
                line: row.number("line")?,
                user_id: row.parsed("user_id")?,
                source_anchor: row.text("source_anchor")?,
                input: row.json("input")?,
            })
        })
        .collect()
}

/// What a chunk needs to know of the directory.
struct Surroundings {
    users: HashMap<UserId, User>,
    /// Ids by folded user name, of those named as managers.
    managers: HashMap<String, UserId>,
    /// Folded names of the groups that users are in.
    groups: HashMap<UserId, HashSet<String>>,
}

impl Surroundings {
    async fn load(tx: &mut Write, import: ImportId, rows: &[Staged]) -> Result<Self> {
        let ids: Vec<_> = rows.iter().map(|row| row.user_id).collect();
        let users = find_many(tx, &ids).await?;
        let wants_groups = rows.iter().any(|row| row.input.groups.is_some());
        Ok(Self {
            users: users.into_iter().map(|user| (user.id, user)).collect(),
            managers: find_managers(tx, import, rows).await?,
            groups: if wants_groups {
                find_groups(tx, &ids).await?
            } else {
                HashMap::new()
            },
        })
    }
}

async fn find_managers(
    tx: &mut Write,
    import: ImportId,
    rows: &[Staged],
) -> Result<HashMap<String, UserId>> {
    let names: HashSet<_> = rows
        .iter()
        .filter_map(|row| row.input.manager.as_deref().map(fold))
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    // Managers may stand in the file only, or in the directory only.
    let rows = sqlx::query(
        "select user_name_folded, user_id from import_rows
         where import_id = $1 and input is not null
           and user_name_folded in (select key from json_each(json($2)))
         union
         select user_name_folded, id from users
         where deleted_at is null and user_name_folded in (select key from json_each(json($2)))",
    )
    .bind(import.to_string())
    .bind(json_keys(names))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("import_rows", row);
            Ok((row.text("user_name_folded")?, row.parsed("user_id")?))
        })
        .collect()
}

async fn find_groups(tx: &mut Write, ids: &[UserId]) -> Result<HashMap<UserId, HashSet<String>>> {
    let rows = sqlx::query(
        "select m.user_id, g.name_folded from memberships m join groups g on g.id = m.group_id
         where g.deleted_at is null and m.user_id in (select key from json_each(json($1)))",
    )
    .bind(json_keys(ids))
    .fetch_all(&mut **tx)
    .await?;
    let mut groups: HashMap<UserId, HashSet<String>> = HashMap::new();
    for row in &rows {
        let row = TableRow::new("memberships", row);
        groups
            .entry(row.parsed("user_id")?)
            .or_default()
            .insert(row.text("name_folded")?);
    }
    Ok(groups)
}

/// What a row comes to.
struct Checked {
    outcome: RowOutcome,
    reasons: Vec<String>,
    changes: Vec<RowChange>,
    /// The user as they will be, when anything of them differs.
    user: Option<(Profile, bool)>,
    /// Names of groups to join.
    joins: Vec<String>,
}

fn check_row(row: &Staged, around: &Surroundings) -> Checked {
    let existing = around.users.get(&row.user_id);
    let before = existing.map(|user| &user.profile);
    let mut profile = before.cloned().unwrap_or_default();
    row.input.apply_to(&mut profile);
    let mut checked = Checked {
        outcome: RowOutcome::Unchanged,
        reasons: Vec::new(),
        changes: Vec::new(),
        user: None,
        joins: Vec::new(),
    };
    match row.input.manager.as_deref() {
        None => {}
        Some("") => profile.manager_id = None,
        Some(name) => match around.managers.get(&fold(name)) {
            Some(manager) => profile.manager_id = Some(*manager),
            None => checked.reasons.push(unknown_manager(row.line, name)),
        },
    }
    if !checked.reasons.is_empty() {
        checked.outcome = RowOutcome::Refused;
        return checked;
    }
    let enabled = row.input.enabled.or(existing.map(|user| user.enabled));
    let enabled = enabled.unwrap_or(true);
    let member_of = around.groups.get(&row.user_id);
    checked.joins = missing_groups(row.input.groups.as_deref(), member_of);
    match existing {
        None => {
            checked.outcome = RowOutcome::Create;
            checked.user = Some((profile, enabled));
        }
        Some(user) => {
            checked.changes = list_changes(user, &profile, enabled, row.input.manager.as_deref());
            if !checked.changes.is_empty() {
                checked.user = Some((profile, enabled));
            }
            if !checked.joins.is_empty() {
                checked
                    .changes
                    .push(change("Groups", "", &checked.joins.join(", ")));
            }
            if !checked.changes.is_empty() {
                checked.outcome = RowOutcome::Update;
            }
        }
    }
    checked
}

impl RowInput {
    fn apply_to(&self, profile: &mut Profile) {
        for (attribute, value) in &self.values {
            profile.set(*attribute, value.as_str());
        }
        for (attribute, value) in &self.fallbacks {
            if profile.value(*attribute).is_empty() {
                profile.set(*attribute, value.as_str());
            }
        }
        profile.normalize();
    }
}

fn missing_groups(named: Option<&[String]>, member_of: Option<&HashSet<String>>) -> Vec<String> {
    let mut seen = HashSet::new();
    named
        .unwrap_or_default()
        .iter()
        .filter(|name| {
            let folded = fold(name);
            !folded.is_empty()
                && !member_of.is_some_and(|groups| groups.contains(&folded))
                && seen.insert(folded)
        })
        .cloned()
        .collect()
}

fn list_changes(
    user: &User,
    profile: &Profile,
    enabled: bool,
    manager: Option<&str>,
) -> Vec<RowChange> {
    let mut changes: Vec<_> = Attribute::ALL
        .into_iter()
        .filter_map(|attribute| {
            let (before, after) = (user.profile.value(attribute), profile.value(attribute));
            (before != after).then(|| change(attribute.label(), before, after))
        })
        .collect();
    if user.profile.manager_id != profile.manager_id {
        changes.push(change("Manager", "", manager.unwrap_or_default()));
    }
    if user.enabled != enabled {
        let word = |enabled| if enabled { "Enabled" } else { "Disabled" };
        changes.push(change("State", word(user.enabled), word(enabled)));
    }
    if user.deleted_at.is_some() {
        changes.push(change("Recycle bin", "Deleted", "Restored"));
    }
    changes
}

fn change(what: &str, before: &str, after: &str) -> RowChange {
    RowChange {
        what: what.to_owned(),
        before: before.to_owned(),
        after: after.to_owned(),
    }
}

async fn check_chunk(
    tx: &mut Write,
    import: ImportId,
    rows: Vec<Staged>,
    random: &dyn Random,
    now: Timestamp,
) -> Result<()> {
    let around = Surroundings::load(tx, import, &rows).await?;
    let (mut users, mut memberships, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    let mut outcomes = Vec::new();
    for row in &rows {
        let checked = check_row(row, &around);
        if checked.outcome != RowOutcome::Unchanged {
            outcomes.push(outcome_values(import, row.line, &checked)?);
        }
        if let Some((profile, enabled)) = &checked.user {
            let version = around
                .users
                .get(&row.user_id)
                .map_or(0, |user| user.version);
            users.push(user_values(import, row, version, profile, *enabled));
        }
        for name in checked.joins {
            memberships.push(vec![
                import.to_string().into(),
                row.line.into(),
                fold(&name).into(),
                row.user_id.to_string().into(),
            ]);
            groups.push((fold(&name), name));
        }
    }
    write_outcomes(tx, outcomes).await?;
    insert_users(tx, users).await?;
    let insert = "insert into import_memberships (import_id, line, name_folded, user_id) values ";
    bulk::insert(tx, insert, memberships, "").await?;
    insert_groups(tx, import, groups, random, now).await
}

/// Writes what rows came to. The rows exist, so this never inserts; a bulk update by a join would
/// be read by SQLite in whichever order it guesses.
async fn write_outcomes(tx: &mut Write, outcomes: Vec<Vec<bulk::Value>>) -> Result<()> {
    bulk::insert(
        tx,
        "insert into import_rows (import_id, line, outcome, reasons, changes, user_name,
           user_name_folded, display_name, new_user_id, source_anchor, user_id)
         values ",
        outcomes,
        " on conflict (import_id, line) do update set outcome = excluded.outcome,
           reasons = excluded.reasons, changes = excluded.changes",
    )
    .await
}

fn outcome_values(import: ImportId, line: i64, checked: &Checked) -> Result<Vec<bulk::Value>> {
    let mut values: Vec<bulk::Value> = vec![
        import.to_string().into(),
        line.into(),
        checked.outcome.key().to_owned().into(),
        to_json(&checked.reasons)?.into(),
        to_json(&checked.changes)?.into(),
    ];
    values.extend((0..6).map(|_| String::new().into()));
    Ok(values)
}

fn user_values(
    import: ImportId,
    row: &Staged,
    version: i64,
    profile: &Profile,
    enabled: bool,
) -> Vec<bulk::Value> {
    let mut values: Vec<bulk::Value> = vec![
        import.to_string().into(),
        row.line.into(),
        row.user_id.to_string().into(),
        version.into(),
        row.source_anchor.clone().into(),
        flag(enabled).into(),
        profile.manager_id.map(|id| id.to_string()).into(),
    ];
    values.extend(profile_values(profile).into_iter().map(bulk::Value::from));
    values
}

async fn insert_users(tx: &mut Write, users: Vec<Vec<bulk::Value>>) -> Result<()> {
    bulk::insert(
        tx,
        "insert into import_users (import_id, line, user_id, version, source_anchor, enabled,
           manager_id, user_name, display_name, given_name, surname, mail, job_title, department,
           company_name, office_location, mobile_phone, business_phone, street_address, city,
           state, postal_code, country, usage_location, preferred_language, employee_id,
           user_name_folded, display_name_folded, department_folded, search)
         values ",
        users,
        "",
    )
    .await
}

async fn insert_groups(
    tx: &mut Write,
    import: ImportId,
    groups: Vec<(String, String)>,
    random: &dyn Random,
    now: Timestamp,
) -> Result<()> {
    let distinct: HashMap<_, _> = groups.into_iter().collect();
    let rows = distinct
        .into_iter()
        .map(|(folded, name)| {
            vec![
                import.to_string().into(),
                folded.into(),
                name.into(),
                GroupId::mint(now, random).to_string().into(),
            ]
        })
        .collect();
    bulk::insert(
        tx,
        "insert into import_groups (import_id, name_folded, name, group_id) values ",
        rows,
        " on conflict (import_id, name_folded) do nothing",
    )
    .await
}

async fn finish(tx: &mut Write, import: ImportId) -> Result<ImportCounts> {
    let rows = sqlx::query(
        "select outcome, count(*) as found from import_rows where import_id = $1 group by outcome",
    )
    .bind(import.to_string())
    .fetch_all(&mut **tx)
    .await?;
    let mut counts = ImportCounts::default();
    for row in &rows {
        let row = TableRow::new("import_rows", row);
        let found = row.number("found")?;
        match row.parsed::<RowOutcome>("outcome")? {
            RowOutcome::Create => counts.create = found,
            RowOutcome::Update => counts.update = found,
            RowOutcome::Unchanged => counts.unchanged = found,
            RowOutcome::Refused => counts.refused = found,
        }
    }
    sqlx::query(
        "update imports set state = $2, creates = $3, updates = $4, unchanged = $5, refused = $6
         where id = $1",
    )
    .bind(import.to_string())
    .bind(ImportState::Checked.key())
    .bind(counts.create)
    .bind(counts.update)
    .bind(counts.unchanged)
    .bind(counts.refused)
    .execute(&mut **tx)
    .await?;
    Ok(counts)
}
