//! Carrying out a checked import: all of it or nothing.

use serde_json::json;
use signpost_model::audit::Subject;
use signpost_model::{Author, ImportId, Timestamp, UserId};
use sqlx::Executor as _;

use super::progress::Reporter;
use super::{Import, ImportCounts, ImportState, end, find};
use crate::counts::Counted;
use crate::database::Lock;
use crate::rows::TableRow;
use crate::{Engine, Error, Result, Store, Write, audit, counts, provisioning};

/// Lines per statement: progress is seen after each, and memory stays bounded.
const CHUNK: i64 = 2_000;

/// Applies a checked import in one transaction. [`Error::Stale`] when it was applied or discarded
/// already, or when the directory changed since the check, so that it must be checked again.
pub async fn apply(
    store: &Store,
    id: ImportId,
    author: &Author,
    now: Timestamp,
) -> Result<ImportCounts> {
    let mut tx = store.write().await?;
    end(&mut tx, id, ImportState::Applied, now).await?;
    let import = find(&mut tx, id).await?.ok_or(Error::NotFound("import"))?;
    tx.lock(Lock::Managers).await?;
    refuse_stale(&mut tx, id).await?;
    let last = last_line(&mut tx, id).await?;
    let mut reporter = Reporter::begin(store, id, last);
    create_groups(&mut tx, id, now).await?;
    let mut line = 0;
    while line < last {
        let lines = Lines {
            after: line,
            to: line + CHUNK,
        };
        create_users(&mut tx, id, lines, now).await?;
        update_users(&mut tx, id, lines, now).await?;
        create_memberships(&mut tx, id, lines, now).await?;
        touch(&mut tx, id, lines).await?;
        line = lines.to;
        reporter.advance(CHUNK.min(last - lines.after)).await?;
    }
    note(&mut tx, &import, author, now);
    tx.commit().await?;
    reporter.end().await?;
    if store.engine() == Engine::Postgres {
        // Its planner knows nothing of 100,000 new rows until it looks at them.
        let mut connection = store.read().await?;
        for analyze in ["analyze users", "analyze memberships", "analyze groups"] {
            connection.execute(analyze).await?;
        }
    }
    Ok(import.counts)
}

#[derive(Debug, Clone, Copy)]
struct Lines {
    after: i64,
    to: i64,
}

/// Refuses to overwrite what changed since the check, and to create who was created meanwhile.
async fn refuse_stale(tx: &mut Write, import: ImportId) -> Result<()> {
    let stale: i64 = sqlx::query_scalar(
        "select count(*) from import_users iu where iu.import_id = $1 and (
           (iu.version > 0 and not exists (
             select 1 from users u where u.id = iu.user_id and u.version = iu.version))
           or (iu.version = 0 and exists (
             select 1 from users u
             where u.user_name_folded = iu.user_name_folded and u.deleted_at is null)))",
    )
    .bind(import.to_string())
    .fetch_one(&mut **tx)
    .await?;
    if stale > 0 {
        return Err(Error::Stale("import"));
    }
    Ok(())
}

async fn last_line(tx: &mut Write, import: ImportId) -> Result<i64> {
    let last: i64 =
        sqlx::query_scalar("select coalesce(max(line), 0) from import_rows where import_id = $1")
            .bind(import.to_string())
            .fetch_one(&mut **tx)
            .await?;
    Ok(last)
}

async fn create_groups(tx: &mut Write, import: ImportId, now: Timestamp) -> Result<()> {
    let created = sqlx::query(
        "insert into groups (id, name, name_folded, description, search, created_at, updated_at,
           version)
         select ig.group_id, ig.name, ig.name_folded, '', ig.name_folded, $2, $2, 1
         from import_groups ig
         where ig.import_id = $1
           and exists (select 1 from import_memberships im
                       where im.import_id = ig.import_id and im.name_folded = ig.name_folded)
           and not exists (select 1 from groups g
                           where g.name_folded = ig.name_folded and g.deleted_at is null)",
    )
    .bind(import.to_string())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    let created = i64::try_from(created.rows_affected()).unwrap_or(i64::MAX);
    counts::add(tx, Counted::Groups, created).await
}

async fn create_users(
    tx: &mut Write,
    import: ImportId,
    lines: Lines,
    now: Timestamp,
) -> Result<()> {
    let created = sqlx::query(
        "insert into users (id, source_anchor, source, enabled, created_at, updated_at, version,
           manager_id, user_name, display_name, given_name, surname, mail, job_title, department,
           company_name, office_location, mobile_phone, business_phone, street_address, city,
           state, postal_code, country, usage_location, preferred_language, employee_id,
           user_name_folded, display_name_folded, department_folded, search)
         select user_id, source_anchor, 'csv', enabled, $4, $4, 1,
           manager_id, user_name, display_name, given_name, surname, mail, job_title, department,
           company_name, office_location, mobile_phone, business_phone, street_address, city,
           state, postal_code, country, usage_location, preferred_language, employee_id,
           user_name_folded, display_name_folded, department_folded, search
         from import_users where import_id = $1 and line > $2 and line <= $3 and version = 0",
    )
    .bind(import.to_string())
    .bind(lines.after)
    .bind(lines.to)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    let created = i64::try_from(created.rows_affected()).unwrap_or(i64::MAX);
    counts::add(tx, Counted::Users, created).await
}

async fn update_users(
    tx: &mut Write,
    import: ImportId,
    lines: Lines,
    now: Timestamp,
) -> Result<()> {
    let restored: i64 = sqlx::query_scalar(
        "select count(*) from import_users iu join users u on u.id = iu.user_id
         where iu.import_id = $1 and iu.line > $2 and iu.line <= $3 and iu.version > 0
           and u.deleted_at is not null",
    )
    .bind(import.to_string())
    .bind(lines.after)
    .bind(lines.to)
    .fetch_one(&mut **tx)
    .await?;
    sqlx::query(
        "update users set version = users.version + 1, updated_at = $4, deleted_at = null,
           enabled = r.enabled, manager_id = r.manager_id,
           user_name = r.user_name, display_name = r.display_name, given_name = r.given_name,
           surname = r.surname, mail = r.mail, job_title = r.job_title,
           department = r.department, company_name = r.company_name,
           office_location = r.office_location, mobile_phone = r.mobile_phone,
           business_phone = r.business_phone, street_address = r.street_address, city = r.city,
           state = r.state, postal_code = r.postal_code, country = r.country,
           usage_location = r.usage_location, preferred_language = r.preferred_language,
           employee_id = r.employee_id, user_name_folded = r.user_name_folded,
           display_name_folded = r.display_name_folded, department_folded = r.department_folded,
           search = r.search
         from import_users r
         where r.import_id = $1 and r.line > $2 and r.line <= $3 and r.version > 0
           and users.id = r.user_id",
    )
    .bind(import.to_string())
    .bind(lines.after)
    .bind(lines.to)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    // Whoever the file switches off is held by nobody any longer.
    sqlx::query(
        "update provisioning set held_until = null where held_until is not null
           and user_id in (select r.user_id from import_users r
             where r.import_id = $1 and r.line > $2 and r.line <= $3 and r.enabled = 0)",
    )
    .bind(import.to_string())
    .bind(lines.after)
    .bind(lines.to)
    .execute(&mut **tx)
    .await?;
    counts::add(tx, Counted::Users, restored).await
}

async fn create_memberships(
    tx: &mut Write,
    import: ImportId,
    lines: Lines,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "insert into memberships (group_id, user_id, created_at)
         select g.id, im.user_id, $4 from import_memberships im
         join groups g on g.name_folded = im.name_folded and g.deleted_at is null
         where im.import_id = $1 and im.line > $2 and im.line <= $3
         on conflict (group_id, user_id) do nothing",
    )
    .bind(import.to_string())
    .bind(lines.after)
    .bind(lines.to)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "update pushed_groups set revision = revision + 1
         where group_id in (select g.id from import_memberships im
           join groups g on g.name_folded = im.name_folded and g.deleted_at is null
           where im.import_id = $1 and im.line > $2 and im.line <= $3)",
    )
    .bind(import.to_string())
    .bind(lines.after)
    .bind(lines.to)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Tells applications of everyone these lines change.
async fn touch(tx: &mut Write, import: ImportId, lines: Lines) -> Result<()> {
    let rows = sqlx::query(
        "select user_id from import_rows
         where import_id = $1 and line > $2 and line <= $3 and outcome in ('create', 'update')",
    )
    .bind(import.to_string())
    .bind(lines.after)
    .bind(lines.to)
    .fetch_all(&mut **tx)
    .await?;
    let ids = rows
        .iter()
        .map(|row| TableRow::new("import_rows", row).parsed("user_id"))
        .collect::<Result<Vec<UserId>>>()?;
    provisioning::touch_users(tx, &ids).await
}

/// One event for the import: its rows say what it did to whom.
fn note(tx: &mut Write, import: &Import, author: &Author, now: Timestamp) {
    let entry = author
        .entry(
            "import.applied",
            Subject::new("import", import.id, &import.file_name),
        )
        .changed(
            None,
            Some(json!({
                "created": import.counts.create,
                "updated": import.counts.update,
                "unchanged": import.counts.unchanged,
                "refused": import.counts.refused,
            })),
        );
    audit::append(tx, &entry, now);
}
