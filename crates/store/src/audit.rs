//! The append-only audit trail: who did what to what, each event chained to the one before.
//!
//! Nothing in this crate updates or deletes an event. A trigger that refuses it cannot be written
//! in SQL that both engines accept (PostgreSQL's calls a function, SQLite's has a body), so the
//! chain of hashes is what shows that someone did it from outside: see [`verify`].

use sha2::{Digest, Sha256};
use signpost_model::audit::AuditEvent;
use signpost_model::text::fold;
use signpost_model::{Actor, AuditEntry, Timestamp};
use sqlx::AnyConnection;

use crate::rows::TableRow;
use crate::{Result, Write};

/// Adds an event to what the transaction leaves. It is written when the transaction commits.
pub fn append(tx: &mut Write, entry: &AuditEntry, now: Timestamp) {
    tx.add_audit(entry.clone(), now);
}

/// Writes the events of a transaction at the end of the chain.
pub(crate) async fn write(
    connection: &mut AnyConnection,
    entries: &[(AuditEntry, Timestamp)],
) -> Result<()> {
    let Ok(count) = i64::try_from(entries.len()) else {
        return Ok(());
    };
    if count == 0 {
        return Ok(());
    }
    // The update locks the end of the chain until the commit, so numbers and hashes follow each
    // other in the order in which transactions become visible.
    let head = sqlx::query(
        "update audit_heads set sequence = sequence + $1 where id = 1 returning id, sequence, hash",
    )
    .bind(count)
    .fetch_one(&mut *connection)
    .await?;
    let head = TableRow::new("audit_heads", &head);
    let first = head.number("sequence")? - count + 1;
    let mut hash = head.text("hash")?;
    for (sequence, (entry, at)) in (first..).zip(entries) {
        let event = to_event(sequence, entry, *at);
        hash = chain(&hash, &event);
        insert(connection, &event, &hash).await?;
    }
    sqlx::query("update audit_heads set hash = $1 where id = 1")
        .bind(hash)
        .execute(connection)
        .await?;
    Ok(())
}

fn to_event(sequence: i64, entry: &AuditEntry, at: Timestamp) -> AuditEvent {
    let (actor_kind, actor_id, actor_name) = match &entry.actor {
        Actor::Operator { id, name } => ("operator", Some(id.to_string()), name.as_str()),
        Actor::CommandLine => ("command_line", None, "Command line"),
        Actor::Signpost => ("signpost", None, "Signpost"),
        Actor::Anonymous => ("anonymous", None, "Nobody known"),
    };
    AuditEvent {
        sequence,
        at,
        actor_kind: actor_kind.to_owned(),
        actor_id,
        actor_name: actor_name.to_owned(),
        action: entry.action.to_owned(),
        subject: entry.subject.clone(),
        before: entry.before.as_ref().map(ToString::to_string),
        after: entry.after.as_ref().map(ToString::to_string),
        address: entry.address.clone(),
    }
}

async fn insert(connection: &mut AnyConnection, event: &AuditEvent, hash: &str) -> Result<()> {
    let search = fold(&format!(
        "{} {} {}",
        event.actor_name, event.action, event.subject.name
    ));
    sqlx::query(
        "insert into audit_events (sequence, at, actor_kind, actor_id, actor_name, action,
           subject_kind, subject_id, subject_name, before_json, after_json, address, search, hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(event.sequence)
    .bind(event.at.as_millis())
    .bind(&event.actor_kind)
    .bind(&event.actor_id)
    .bind(&event.actor_name)
    .bind(&event.action)
    .bind(&event.subject.kind)
    .bind(&event.subject.id)
    .bind(&event.subject.name)
    .bind(&event.before)
    .bind(&event.after)
    .bind(&event.address)
    .bind(search)
    .bind(hash)
    .execute(connection)
    .await?;
    Ok(())
}

/// The hash of an event over the hash before it. Lengths keep fields from running together.
fn chain(previous: &str, event: &AuditEvent) -> String {
    let mut digest = Sha256::new();
    let mut field = |text: Option<&str>| {
        let length = text.map_or(-1, |text| i64::try_from(text.len()).unwrap_or(i64::MAX));
        digest.update(length.to_be_bytes());
        digest.update(text.unwrap_or_default());
    };
    field(Some(previous));
    field(Some(&event.sequence.to_string()));
    field(Some(&event.at.as_millis().to_string()));
    field(Some(&event.actor_kind));
    field(event.actor_id.as_deref());
    field(Some(&event.actor_name));
    field(Some(&event.action));
    field(Some(&event.subject.kind));
    field(Some(&event.subject.id));
    field(Some(&event.subject.name));
    field(event.before.as_deref());
    field(event.after.as_deref());
    field(event.address.as_deref());
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
