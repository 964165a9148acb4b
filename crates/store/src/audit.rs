//! The append-only audit trail: who did what to what, each event chained to the one before.
//!
//! Nothing in this crate updates or deletes an event. A trigger that refuses it cannot be written
//! in SQL that both engines accept (PostgreSQL's calls a function, SQLite's has a body), so the
//! chain of hashes is what shows that someone did it from outside: see [`verify`].

use sha2::{Digest, Sha256};
use signpost_model::audit::{AuditEvent, Subject};
use signpost_model::text::fold;
use signpost_model::{Actor, AuditEntry, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::paging::{SortValue, page};
use crate::rows::TableRow;
use crate::statement::{Statement, containing};
use crate::token::hex;
use crate::{Page, PageRequest, Result, Store, Write};

/// Which events are wanted; an empty filter wants all.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Part of the actor's name, the action or the subject's name.
    pub text: Option<String>,
    /// An action (`user.created`), or the part before its dot (`user`).
    pub action: Option<String>,
    pub actor_id: Option<String>,
    pub subject_kind: Option<String>,
    pub subject_id: Option<String>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
}

/// The events, newest first.
pub async fn list(
    connection: &mut AnyConnection,
    filter: &AuditFilter,
    request: &PageRequest,
) -> Result<Page<AuditEvent>> {
    let mut sql = Statement::new(SELECT);
    apply(&mut sql, filter)?;
    if let Some(cursor) = &request.cursor {
        let side = if request.is_backward() {
            "sequence > "
        } else {
            "sequence < "
        };
        sql.and(side).bind(cursor.number()?)?;
    }
    sql.push(if request.is_backward() {
        " order by sequence limit "
    } else {
        " order by sequence desc limit "
    })
    .bind(request.fetch())?;
    let rows = sql.fetch_all(connection).await?;
    let events = rows
        .iter()
        .map(|row| Ok(read_event(row)?.0))
        .collect::<Result<Vec<_>>>()?;
    Ok(page(request, events, |event| {
        (
            SortValue::Number(event.sequence),
            event.sequence.to_string(),
        )
    }))
}

fn apply(sql: &mut Statement, filter: &AuditFilter) -> Result<()> {
    if let Some(text) = filter.text.as_deref().map(fold).filter(|t| !t.is_empty()) {
        sql.and("search like ").bind(containing(&text))?;
        sql.push(" escape '\\'");
    }
    if let Some(action) = &filter.action {
        sql.and("(action = ").bind(action.as_str())?;
        sql.push(" or subject_kind = ").bind(action.as_str())?;
        sql.push(")");
    }
    for (column, value) in [
        ("actor_id = ", &filter.actor_id),
        ("subject_kind = ", &filter.subject_kind),
        ("subject_id = ", &filter.subject_id),
    ] {
        if let Some(value) = value {
            sql.and(column).bind(value.as_str())?;
        }
    }
    if let Some(from) = filter.from {
        sql.and("at >= ").bind(from.as_millis())?;
    }
    if let Some(to) = filter.to {
        sql.and("at < ").bind(to.as_millis())?;
    }
    Ok(())
}

/// What a check of the chain found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every event is there and as it was written.
    Whole { events: i64 },
    /// The first event that is missing, altered or out of place.
    Broken { sequence: i64 },
}

/// Checks every event against its hash and the one before it.
pub async fn verify(store: &Store) -> Result<Verdict> {
    let mut tx = store.snapshot().await?;
    let (mut sequence, mut hash) = (0, String::new());
    loop {
        let mut sql = Statement::new(SELECT);
        sql.and("sequence > ").bind(sequence)?;
        sql.push(" order by sequence limit 1000");
        let rows = sql.fetch_all(&mut tx).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let (event, stored) = read_event(row)?;
            sequence += 1;
            hash = chain(&hash, &event);
            if event.sequence != sequence || stored != hash {
                return Ok(Verdict::Broken { sequence });
            }
        }
    }
    let head = sqlx::query("select id, sequence, hash from audit_heads where id = 1")
        .fetch_one(&mut *tx)
        .await?;
    let head = TableRow::new("audit_heads", &head);
    // Events cut off at the end leave a chain that is whole in itself, but shorter than the head.
    if head.number("sequence")? != sequence || head.text("hash")? != hash {
        return Ok(Verdict::Broken {
            sequence: sequence + 1,
        });
    }
    Ok(Verdict::Whole { events: sequence })
}

const SELECT: &str = "select sequence, at, actor_kind, actor_id, actor_name, action, subject_kind,
  subject_id, subject_name, before_json, after_json, address, hash from audit_events";

fn read_event(row: &AnyRow) -> Result<(AuditEvent, String)> {
    let row = TableRow::new("audit_events", row);
    let event = AuditEvent {
        sequence: row.number("sequence")?,
        at: row.time("at")?,
        actor_kind: row.text("actor_kind")?,
        actor_id: row.optional_text("actor_id")?,
        actor_name: row.text("actor_name")?,
        action: row.text("action")?,
        subject: Subject {
            kind: row.text("subject_kind")?,
            id: row.text("subject_id")?,
            name: row.text("subject_name")?,
        },
        before: row.optional_text("before_json")?,
        after: row.optional_text("after_json")?,
        address: row.optional_text("address")?,
    };
    Ok((event, row.text("hash")?))
}

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
        Actor::User { id, name } => ("user", Some(id.to_string()), name.as_str()),
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
    hex(&digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::testing::{AUTHOR, NOW};
    use serde_json::json;
    use signpost_model::{Author, OperatorId};

    fn by_ada() -> Author {
        Author {
            actor: Actor::Operator {
                id: OperatorId::from_number(1),
                name: "Ada Kaya".to_owned(),
            },
            address: Some("192.0.2.1".to_owned()),
        }
    }

    /// Ten events, one per millisecond: odd ones by Ada about users, even ones about groups.
    async fn ten_events(store: &Store) {
        for number in 1..=10 {
            let mut tx = store.write().await.unwrap();
            let at = NOW.plus_millis(number);
            if number % 2 == 1 {
                let subject = Subject::new("user", number, format!("User {number}"));
                let after = Some(json!({ "city": "Lisboa" }));
                let entry = by_ada().entry("user.updated", subject).changed(None, after);
                append(&mut tx, &entry, at);
            } else {
                let subject = Subject::new("group", number, format!("100%_{number}"));
                append(&mut tx, &AUTHOR.entry("group.created", subject), at);
            }
            tx.commit().await.unwrap();
        }
    }

    async fn sequences(store: &Store, filter: AuditFilter) -> Vec<i64> {
        let mut connection = store.read().await.unwrap();
        let page = list(&mut connection, &filter, &PageRequest::first(50)).await;
        page.unwrap()
            .items
            .iter()
            .map(|event| event.sequence)
            .collect()
    }

    both_engines! {
        async fn an_abandoned_transaction_leaves_no_event(store: Store) {
            let mut tx = store.write().await.unwrap();
            append(&mut tx, &AUTHOR.entry("user.created", Subject::default()), NOW);
            drop(tx);
            assert_eq!(verify(&store).await.unwrap(), Verdict::Whole { events: 0 });
        }

        async fn the_chain_holds_under_concurrent_writers(store: Store) {
            let writers: Vec<_> = (0..8).map(|writer| {
                let store = store.clone();
                tokio::spawn(async move {
                    for number in 0..5 {
                        let mut tx = store.write().await.unwrap();
                        for part in ["a", "b"] {
                            let subject = Subject::new("user", format!("{writer}-{number}"), part);
                            append(&mut tx, &AUTHOR.entry("user.created", subject), NOW);
                        }
                        tx.commit().await.unwrap();
                    }
                })
            }).collect();
            for writer in writers {
                writer.await.unwrap();
            }
            assert_eq!(verify(&store).await.unwrap(), Verdict::Whole { events: 80 });
        }

        async fn an_altered_missing_or_cut_event_is_found(store: Store) {
            ten_events(&store).await;
            for (damage, first) in [
                ("update audit_events set after_json = '{}' where sequence = 3", 3),
                ("update audit_events set address = '' where sequence = 4", 4),
                ("delete from audit_events where sequence = 5", 5),
                ("update audit_events set sequence = 11 where sequence = 6", 6),
                ("delete from audit_events where sequence = 10", 10),
            ] {
                let mut tx = store.write().await.unwrap();
                sqlx::query(damage).execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
                let undo_first = verify(&store).await.unwrap();
                assert!(matches!(undo_first, Verdict::Broken { sequence } if sequence <= first), "{damage}");
            }
        }

        async fn the_end_of_the_trail_cannot_be_cut_off_unseen(store: Store) {
            ten_events(&store).await;
            assert_eq!(verify(&store).await.unwrap(), Verdict::Whole { events: 10 });
            let mut tx = store.write().await.unwrap();
            sqlx::query("delete from audit_events where sequence = 10").execute(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(verify(&store).await.unwrap(), Verdict::Broken { sequence: 10 });
        }

        async fn filters_narrow_the_trail(store: Store) {
            ten_events(&store).await;
            let text = |text: &str| AuditFilter { text: Some(text.into()), ..AuditFilter::default() };
            assert_eq!(sequences(&store, AuditFilter::default()).await, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
            assert_eq!(sequences(&store, text("ADA")).await, [9, 7, 5, 3, 1]);
            assert_eq!(sequences(&store, text("100%_4")).await, [4]);
            assert_eq!(sequences(&store, text("0__4")).await, [0; 0]);
            let action = AuditFilter { action: Some("group.created".into()), ..AuditFilter::default() };
            assert_eq!(sequences(&store, action).await, [10, 8, 6, 4, 2]);
            let subject = AuditFilter {
                subject_kind: Some("user".into()),
                subject_id: Some("7".into()),
                ..AuditFilter::default()
            };
            assert_eq!(sequences(&store, subject).await, [7]);
            let time = AuditFilter {
                from: Some(NOW.plus_millis(3)),
                to: Some(NOW.plus_millis(5)),
                actor_id: None,
                ..AuditFilter::default()
            };
            assert_eq!(sequences(&store, time).await, [4, 3]);
        }

        async fn pages_meet_without_gap_or_overlap(store: Store) {
            ten_events(&store).await;
            let mut connection = store.read().await.unwrap();
            let filter = AuditFilter::default();
            let first = list(&mut connection, &filter, &PageRequest::first(4)).await.unwrap();
            let second = PageRequest::at(4, first.next.unwrap());
            let second = list(&mut connection, &filter, &second).await.unwrap();
            let numbers: Vec<_> = second.items.iter().map(|e| e.sequence).collect();
            assert_eq!(numbers, [6, 5, 4, 3]);
            let back = PageRequest::at(4, second.previous.unwrap());
            let back = list(&mut connection, &filter, &back).await.unwrap();
            let numbers: Vec<_> = back.items.iter().map(|e| e.sequence).collect();
            assert_eq!(numbers, [10, 9, 8, 7]);
            assert!(back.previous.is_none());
        }
    }
}
