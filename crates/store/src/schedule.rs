//! When an application's tenant is looked at by itself, and what keeps it from being looked at.

use serde_json::json;
use signpost_model::time::{HOUR_MS, MINUTE_MS};
use signpost_model::{ApplicationId, Author, Timestamp};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::rows::TableRow;
use crate::{Error, Result, Write, applications, audit};

/// The least and the most minutes between two looks.
pub const LOOK_MINUTES: std::ops::RangeInclusive<i64> = 5..=1_440;
/// The least and the most hours between two full reads.
pub const FULL_HOURS: std::ops::RangeInclusive<i64> = 1..=720;

/// When an application is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Minutes between two looks at what changed.
    pub look_minutes: i64,
    /// Hours between two full reads.
    pub full_hours: i64,
    /// Who paused it, and when.
    pub paused: Option<(Timestamp, String)>,
    /// `None`: the first sync is still to come, and nothing starts by itself.
    pub first_synced_at: Option<Timestamp>,
    pub looked_at: Option<Timestamp>,
    pub read_in_full_at: Option<Timestamp>,
    /// Failed runs in a row, and when the next may start.
    pub failures: i64,
    pub retry_at: Option<Timestamp>,
}

impl Schedule {
    /// When the next look is due, while nothing keeps it from starting by itself.
    pub fn next_look(&self) -> Option<Timestamp> {
        self.due(self.looked_at, self.look_minutes * MINUTE_MS)
    }

    /// When the next full read is due.
    pub fn next_full(&self) -> Option<Timestamp> {
        self.due(self.read_in_full_at, self.full_hours * HOUR_MS)
    }

    fn due(&self, last: Option<Timestamp>, every: i64) -> Option<Timestamp> {
        if self.paused.is_some() {
            return None;
        }
        let due = last.or(self.first_synced_at)?.plus_millis(every);
        self.first_synced_at?;
        Some(self.retry_at.map_or(due, |retry| retry.max(due)))
    }
}

/// The schedule of an application.
pub async fn find(db: &mut AnyConnection, application: ApplicationId) -> Result<Schedule> {
    let row = sqlx::query(
        "select a.id, a.look_minutes, a.full_hours, a.paused_at, a.paused_by, a.first_synced_at,
           coalesce(c.failures, 0) as failures, c.retry_at,
           (select r.created_at from runs r where r.application_id = a.id
              and r.mode = 'sync' and r.only_user = '' and r.scope <> 'tenant'
              and r.state <> 'failed' order by r.id desc limit 1) as looked_at,
           (select r.created_at from runs r where r.application_id = a.id
              and r.mode = 'sync' and r.only_user = '' and r.state <> 'failed'
              and r.scope = 'everyone' and r.run_trigger in ('schedule', 'command_line')
              order by r.id desc limit 1) as full_at
         from applications a left join connections c on c.application_id = a.id
         where a.id = $1 and a.deleted_at is null",
    )
    .bind(application.to_string())
    .fetch_optional(db)
    .await?
    .ok_or(Error::NotFound("application"))?;
    let columns = TableRow::new("applications", &row);
    let by = columns.optional_text("paused_by")?.unwrap_or_default();
    Ok(Schedule {
        look_minutes: columns.number("look_minutes")?,
        full_hours: columns.number("full_hours")?,
        paused: columns.optional_time("paused_at")?.map(|at| (at, by)),
        first_synced_at: columns.optional_time("first_synced_at")?,
        looked_at: columns.optional_time("looked_at")?,
        read_in_full_at: columns.optional_time("full_at")?,
        failures: columns.number("failures")?,
        retry_at: columns.optional_time("retry_at")?,
    })
}

/// Sets how often the tenant is looked at, and read in full.
pub async fn set(
    tx: &mut Write,
    application: ApplicationId,
    (look_minutes, full_hours): (i64, i64),
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let before = find(tx, application).await?;
    if (before.look_minutes, before.full_hours) == (look_minutes, full_hours) {
        return Ok(());
    }
    sqlx::query("update applications set look_minutes = $1, full_hours = $2 where id = $3")
        .bind(look_minutes)
        .bind(full_hours)
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    let subject = applications::subject_of(tx, application).await?;
    let values = |look: i64, full: i64| json!({ "look_minutes": look, "full_hours": full });
    let entry = by.entry("schedule.changed", subject).changed(
        Some(values(before.look_minutes, before.full_hours)),
        Some(values(look_minutes, full_hours)),
    );
    audit::append(tx, &entry, now);
    Ok(())
}

/// Lets nothing start by itself any more. A second click changes nothing.
pub async fn pause(
    tx: &mut Write,
    application: ApplicationId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let changed = sqlx::query(
        "update applications set paused_at = $1, paused_by = $2
         where id = $3 and paused_at is null",
    )
    .bind(now.as_millis())
    .bind(by.name())
    .bind(application.to_string())
    .execute(&mut **tx)
    .await?;
    if changed.rows_affected() > 0 {
        audit::append(tx, &by.entry("schedule.paused", subject), now);
    }
    Ok(())
}

/// Lets runs start by themselves again.
pub async fn resume(
    tx: &mut Write,
    application: ApplicationId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let changed = sqlx::query(
        "update applications set paused_at = null, paused_by = null
         where id = $1 and paused_at is not null",
    )
    .bind(application.to_string())
    .execute(&mut **tx)
    .await?;
    if changed.rows_affected() > 0 {
        audit::append(tx, &by.entry("schedule.resumed", subject), now);
    }
    Ok(())
}

/// Forgets that the connection failed: an operator has looked at it and wants another try now.
pub async fn try_again(
    tx: &mut Write,
    application: ApplicationId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let changed = sqlx::query(
        "update connections set failures = 0, retry_at = null
         where application_id = $1 and (failures > 0 or retry_at is not null)",
    )
    .bind(application.to_string())
    .execute(&mut **tx)
    .await?;
    if changed.rows_affected() > 0 {
        audit::append(tx, &by.entry("connection.tried_again", subject), now);
    }
    Ok(())
}

/// Something about an application that every page has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub application_id: ApplicationId,
    pub name: String,
    pub kind: AlertKind,
}

/// What every page has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertKind {
    /// Nothing starts by itself.
    Paused { by: String },
    /// The connection keeps failing and is tried ever more rarely.
    Quarantined {
        failures: i64,
        retry_at: Option<Timestamp>,
        /// What the last failed run said.
        why: String,
    },
}

/// Failed runs in a row from which on every page says so: one alone passes by itself.
pub const FAILURES_TO_TELL: i64 = 2;

/// Banners, at most.
const MOST_ALERTS: i64 = 5;

/// The applications that every page has something to say about; `$1` is [`FAILURES_TO_TELL`].
pub(crate) const ALERTING: &str = "from applications a
     left join connections c on c.application_id = a.id
     where a.deleted_at is null and (a.paused_at is not null or c.failures >= $1)";

/// What every page has to say about applications.
pub async fn list_alerts(db: &mut AnyConnection) -> Result<Vec<Alert>> {
    let sql = format!(
        "select a.id, a.name, a.paused_at, a.paused_by, coalesce(c.failures, 0) as failures,
           c.retry_at,
           case when c.failures >= $1 then (select r.failure from runs r
             where r.application_id = a.id and r.failure is not null
             order by r.id desc limit 1) end as failure
         {ALERTING} order by a.name_folded limit $2"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(FAILURES_TO_TELL)
        .bind(MOST_ALERTS)
        .fetch_all(db)
        .await?;
    let mut alerts = Vec::new();
    for row in &rows {
        let columns = TableRow::new("applications", row);
        let alert = |kind| -> Result<Alert> {
            Ok(Alert {
                application_id: columns.parsed("id")?,
                name: columns.text("name")?,
                kind,
            })
        };
        let failures = columns.number("failures")?;
        if failures >= FAILURES_TO_TELL {
            let failure: Option<signpost_model::run::RunFailure> =
                columns.optional_json("failure")?;
            alerts.push(alert(AlertKind::Quarantined {
                failures,
                retry_at: columns.optional_time("retry_at")?,
                why: failure.map(|failure| failure.text).unwrap_or_default(),
            })?);
        }
        if columns.optional_time("paused_at")?.is_some() {
            let by = columns.optional_text("paused_by")?.unwrap_or_default();
            alerts.push(alert(AlertKind::Paused { by })?);
        }
    }
    Ok(alerts)
}
