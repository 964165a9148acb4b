//! Rows that cannot be applied because of whom they would report to.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt as _;
use signpost_model::{ImportId, UserId};

use crate::rows::{TableRow, to_json};
use crate::{Result, Write};

/// Refuses who would report to themselves by way of others, or to someone who does not come.
pub(super) async fn refuse_broken_chains(tx: &mut Write, import: ImportId) -> Result<()> {
    let links = list_links(tx, import).await?;
    if links.is_empty() {
        return Ok(());
    }
    let mut managers = list_managers(tx).await?;
    managers.extend(links.iter().map(|link| (link.user, link.manager)));
    let on_cycles = find_cycles(&managers);
    let mut gone = list_refused(tx, import).await?;
    for link in links.iter().filter(|link| on_cycles.contains(&link.user)) {
        let reason = format!(
            "Line {}: this person would report to themselves, by way of others.",
            link.line
        );
        refuse(tx, import, link.line, reason).await?;
        if link.is_new {
            gone.push((link.user, link.name.clone()));
        }
    }
    // Whoever reports to someone who does not come cannot come either, and so on down.
    let mut reports: HashMap<UserId, Vec<&Link>> = HashMap::new();
    for link in links.iter().filter(|link| !on_cycles.contains(&link.user)) {
        reports.entry(link.manager).or_default().push(link);
    }
    while let Some((manager, name)) = gone.pop() {
        for link in reports.remove(&manager).unwrap_or_default() {
            refuse(tx, import, link.line, unknown_manager(link.line, &name)).await?;
            if link.is_new {
                gone.push((link.user, link.name.clone()));
            }
        }
    }
    Ok(())
}

/// A row whose user will report to someone.
struct Link {
    user: UserId,
    manager: UserId,
    line: i64,
    name: String,
    /// Not in the directory now: refused, they stay out of it.
    is_new: bool,
}

async fn list_links(tx: &mut Write, import: ImportId) -> Result<Vec<Link>> {
    let mut rows = sqlx::query(
        "select line, user_id, manager_id, user_name, version from import_users
         where import_id = $1 and manager_id is not null",
    )
    .bind(import.to_string())
    .fetch(&mut **tx);
    let mut links = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let row = TableRow::new("import_users", &row);
        links.push(Link {
            user: row.parsed("user_id")?,
            manager: row.parsed("manager_id")?,
            line: row.number("line")?,
            name: row.text("user_name")?,
            is_new: row.number("version")? == 0,
        });
    }
    Ok(links)
}

/// Who reports to whom now.
async fn list_managers(tx: &mut Write) -> Result<HashMap<UserId, UserId>> {
    let mut rows = sqlx::query("select id, manager_id from users where manager_id is not null")
        .fetch(&mut **tx);
    let mut managers = HashMap::new();
    while let Some(row) = rows.try_next().await? {
        let row = TableRow::new("users", &row);
        managers.insert(row.parsed("id")?, row.parsed("manager_id")?);
    }
    Ok(managers)
}

/// Those who are refused and not in the directory.
async fn list_refused(tx: &mut Write, import: ImportId) -> Result<Vec<(UserId, String)>> {
    let rows = sqlx::query(
        "select user_id, user_name from import_rows
         where import_id = $1 and outcome = 'refused' and input is not null
           and not exists (select 1 from users u where u.id = import_rows.user_id)",
    )
    .bind(import.to_string())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("import_rows", row);
            Ok((row.parsed("user_id")?, row.text("user_name")?))
        })
        .collect()
}

/// Everyone from whom the way up leads back to themselves.
fn find_cycles(managers: &HashMap<UserId, UserId>) -> HashSet<UserId> {
    let (mut cleared, mut on_cycles) = (HashSet::new(), HashSet::new());
    for start in managers.keys() {
        let mut path = Vec::new();
        let mut on_path = HashSet::new();
        let mut next = Some(*start);
        while let Some(user) = next.filter(|user| !cleared.contains(user)) {
            if !on_path.insert(user) {
                on_cycles.extend(path.iter().copied().skip_while(|met| *met != user));
                break;
            }
            path.push(user);
            next = managers.get(&user).copied();
        }
        cleared.extend(path);
    }
    on_cycles
}

async fn refuse(tx: &mut Write, import: ImportId, line: i64, reason: String) -> Result<()> {
    for table in [
        "delete from import_users where import_id = $1 and line = $2",
        "delete from import_memberships where import_id = $1 and line = $2",
    ] {
        sqlx::query(table)
            .bind(import.to_string())
            .bind(line)
            .execute(&mut **tx)
            .await?;
    }
    sqlx::query(
        "update import_rows set outcome = 'refused', changes = '[]', reasons = $3
         where import_id = $1 and line = $2",
    )
    .bind(import.to_string())
    .bind(line)
    .bind(to_json(&[reason])?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) fn unknown_manager(line: i64, name: &str) -> String {
    format!(
        "Line {line}: there is no user “{name}” to report to. Add that person to the file, or \
         clear the manager."
    )
}
