//! Values of a tenant that Signpost replaced, remembered so that they can be put back.

use signpost_model::plan::Reason;
use signpost_model::run::{Outcome, SkipReason};
use signpost_model::tenant::Subject;
use signpost_model::{ApplicationId, KeptValue, TenantAction, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::rows::{TableRow, to_json};
use crate::runs::RunLease;
use crate::runs::tenant_actions::StoredTenantAction;
use crate::{Result, Write};

const SELECT: &str = "select subject_id, subject_kind, subject_name, value_before, value_after,
       run_id, taken_at, put_back_at from kept_values";

/// The values of an application's tenant that are not as they were before Signpost, at most
/// `limit`, after a place (kind and id of the last one).
pub async fn list_open(
    db: &mut AnyConnection,
    application: ApplicationId,
    after: Option<&Subject>,
    limit: i64,
) -> Result<Vec<KeptValue>> {
    let sql = format!(
        "{SELECT} where application_id = $1 and put_back_at is null
           and (subject_kind, subject_id) > ($2, $3)
         order by subject_kind, subject_id limit $4"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(after.map_or("", |subject| subject.kind.as_str()))
        .bind(after.map_or("", |subject| subject.id.as_str()))
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(kept).collect()
}

/// What is remembered of one subject, put back or not.
pub async fn find(
    db: &mut AnyConnection,
    application: ApplicationId,
    subject: &Subject,
) -> Result<Option<KeptValue>> {
    let sql =
        format!("{SELECT} where application_id = $1 and subject_kind = $2 and subject_id = $3");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(&subject.kind)
        .bind(&subject.id)
        .fetch_optional(db)
        .await?;
    row.map(|row| kept(&row)).transpose()
}

/// Remembers what an action replaces, before it is sent. The oldest value stays until it is put
/// back: a second change of the same thing does not overwrite what was there before the first.
pub(crate) async fn keep(
    db: &mut AnyConnection,
    lease: &RunLease,
    action: &TenantAction,
    now: Timestamp,
) -> Result<()> {
    let Some((before, after)) = action.keeps() else {
        return Ok(());
    };
    let subject = action.subject();
    sqlx::query(
        "insert into kept_values (application_id, subject_kind, subject_id, subject_name,
           value_before, value_after, run_id, taken_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (application_id, subject_kind, subject_id) do update set
           value_before = case when kept_values.put_back_at is null
             then kept_values.value_before else excluded.value_before end,
           taken_at = case when kept_values.put_back_at is null
             then kept_values.taken_at else excluded.taken_at end,
           subject_name = excluded.subject_name, value_after = excluded.value_after,
           run_id = excluded.run_id, put_back_at = null",
    )
    .bind(lease.application_id.to_string())
    .bind(subject.kind)
    .bind(subject.id)
    .bind(subject.name)
    .bind(to_json(&before)?)
    .bind(to_json(&after)?)
    .bind(lease.run_id.to_string())
    .bind(now.as_millis())
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that these are what they were, as the tenant was read: nothing is left to put back.
pub async fn mark_put_back(
    tx: &mut Write,
    application: ApplicationId,
    subjects: &[Subject],
    now: Timestamp,
) -> Result<()> {
    for subject in subjects {
        sqlx::query(
            "update kept_values set put_back_at = $1
             where application_id = $2 and subject_kind = $3 and subject_id = $4
               and put_back_at is null",
        )
        .bind(now.as_millis())
        .bind(application.to_string())
        .bind(&subject.kind)
        .bind(&subject.id)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Notes that a value is what it was: because it was put back, or because somebody set it so.
pub(crate) async fn settle(
    db: &mut AnyConnection,
    lease: &RunLease,
    action: &StoredTenantAction,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<()> {
    let Some((_, after)) = action.action.keeps() else {
        return Ok(());
    };
    let applied = matches!(outcome, Outcome::Applied { .. });
    let already = matches!(
        outcome,
        Outcome::Skipped {
            because: SkipReason::AlreadyDone
        }
    );
    let put_back = action.reason == Reason::PutBack && (applied || already);
    if !put_back && !applied {
        return Ok(());
    }
    sqlx::query(
        "update kept_values set put_back_at = $1
         where application_id = $2 and subject_kind = $3 and subject_id = $4
           and put_back_at is null and ($5 = 1 or value_before = $6)",
    )
    .bind(now.as_millis())
    .bind(lease.application_id.to_string())
    .bind(&action.subject.kind)
    .bind(&action.subject.id)
    .bind(i64::from(put_back))
    .bind(to_json(&after)?)
    .execute(db)
    .await?;
    Ok(())
}

fn kept(row: &AnyRow) -> Result<KeptValue> {
    let columns = TableRow::new("kept_values", row);
    Ok(KeptValue {
        subject: Subject {
            kind: columns.text("subject_kind")?,
            id: columns.text("subject_id")?,
            name: columns.text("subject_name")?,
        },
        before: columns.json("value_before")?,
        after: columns.json("value_after")?,
        run_id: columns.parsed("run_id")?,
        taken_at: columns.time("taken_at")?,
        put_back_at: columns.optional_time("put_back_at")?,
    })
}
