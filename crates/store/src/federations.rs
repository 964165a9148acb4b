//! Domains that Signpost federated by itself, until they are confirmed or taken back.
//!
//! The row is written before Microsoft is asked: whatever happens afterwards to this process, to
//! the answer or to the run, somebody finds it and takes the domain back in time.

use serde_json::{Value, json};
use signpost_model::federation::{Federation, FederationState};
use signpost_model::time::MINUTE_MS;
use signpost_model::{ApplicationId, Author, RunId, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::rows::TableRow;
use crate::{Error, Result, Write, applications, audit};

/// What a domain is federated with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFederation {
    pub domain: String,
    pub issuer: String,
    pub run_id: RunId,
    /// Who is to sign in for a test.
    pub tester: String,
    pub confirm_minutes: i64,
}

const COLUMNS: &str =
    "application_id, domain, issuer, state, run_id, tester, federated_at, confirm_until,
  confirmed_at, confirmed_by, reverted_at, signed_in_as, signed_in_at, trouble";

/// The federation of an application, as far as Signpost made it.
pub async fn find(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Option<Federation>> {
    let sql = format!("select {COLUMNS} from federations where application_id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(application.to_string())
        .fetch_optional(db)
        .await?;
    row.map(|row| federation(&row)).transpose()
}

fn federation(row: &AnyRow) -> Result<Federation> {
    let row = TableRow::new("federations", row);
    Ok(Federation {
        domain: row.text("domain")?,
        issuer: row.text("issuer")?,
        state: row.parsed("state")?,
        run_id: row.parsed("run_id")?,
        tester: row.text("tester")?,
        federated_at: row.time("federated_at")?,
        confirm_until: row.time("confirm_until")?,
        confirmed_at: row.optional_time("confirmed_at")?,
        confirmed_by: row.optional_text("confirmed_by")?,
        reverted_at: row.optional_time("reverted_at")?,
        signed_in: row
            .optional_text("signed_in_as")?
            .zip(row.optional_time("signed_in_at")?),
        trouble: row.optional_text("trouble")?,
    })
}

/// Those that somebody has to look at: not confirmed yet, or not taken back as they should be.
pub async fn list_unsettled(
    db: &mut AnyConnection,
) -> Result<Vec<(ApplicationId, String, Federation)>> {
    let sql =
        "select f.application_id, f.domain, f.issuer, f.state, f.run_id, f.tester, f.federated_at,
           f.confirm_until, f.confirmed_at, f.confirmed_by, f.reverted_at, f.signed_in_as,
           f.signed_in_at, f.trouble, a.name
         from federations f join applications a on a.id = f.application_id
         where f.state = 'confirming' order by f.confirm_until, f.application_id limit 20";
    let rows = sqlx::query(sql).fetch_all(db).await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("federations", row);
            let id = columns.parsed("application_id")?;
            Ok((id, columns.text("name")?, federation(row)?))
        })
        .collect()
}

/// Notes that a domain is about to be federated. A run that was taken over keeps the time that it
/// gave people at first.
pub async fn begin(
    tx: &mut Write,
    application: ApplicationId,
    new: &NewFederation,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let known = find(tx, application).await?;
    if known.is_some_and(|known| {
        known.run_id == new.run_id && known.state == FederationState::Confirming
    }) {
        return Ok(());
    }
    let until = now.plus_millis(new.confirm_minutes * MINUTE_MS);
    sqlx::query(
        "insert into federations (application_id, domain, issuer, state, run_id, tester,
           federated_at, confirm_until, retry_at, attempts)
         values ($1, $2, $7, 'confirming', $3, $4, $5, $6, 0, 0)
         on conflict (application_id) do update set domain = excluded.domain,
           issuer = excluded.issuer,
           state = excluded.state, run_id = excluded.run_id, tester = excluded.tester,
           federated_at = excluded.federated_at, confirm_until = excluded.confirm_until,
           confirmed_at = null, confirmed_by = null, reverted_at = null, signed_in_as = null,
           signed_in_at = null, trouble = null, retry_at = 0, attempts = 0",
    )
    .bind(application.to_string())
    .bind(&new.domain)
    .bind(new.run_id.to_string())
    .bind(&new.tester)
    .bind(now.as_millis())
    .bind(until.as_millis())
    .bind(&new.issuer)
    .execute(&mut **tx)
    .await?;
    let after = json!({ "domain": new.domain, "confirm_until": until.to_string() });
    note(
        tx,
        application,
        "federation.begun",
        None,
        Some(after),
        by,
        now,
    )
    .await
}

/// Notes that somebody gets a token from Signpost: the proof that whoever tries the federation is
/// waiting for. Others than the tester do not hide that the tester came.
pub async fn note_sign_in(
    tx: &mut Write,
    application: ApplicationId,
    user_name: &str,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update federations set signed_in_as = $2, signed_in_at = $3
         where application_id = $1 and state = 'confirming'
           and (signed_in_as is null or lower(signed_in_as) <> lower(tester))",
    )
    .bind(application.to_string())
    .bind(user_name)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps the domain federated. `false`: it was too late, or somebody else was faster.
pub async fn confirm(
    tx: &mut Write,
    application: ApplicationId,
    run_id: RunId,
    by: &Author,
    now: Timestamp,
) -> Result<bool> {
    let confirmed = sqlx::query(
        "update federations set state = 'confirmed', confirmed_at = $3, confirmed_by = $4,
           trouble = null
         where application_id = $1 and run_id = $2 and state = 'confirming'
           and confirm_until > $3",
    )
    .bind(application.to_string())
    .bind(run_id.to_string())
    .bind(now.as_millis())
    .bind(by.name())
    .execute(&mut **tx)
    .await?;
    if confirmed.rows_affected() == 0 {
        return Ok(false);
    }
    note(tx, application, "federation.confirmed", None, None, by, now).await?;
    Ok(true)
}

/// Notes that the domain is managed again.
pub async fn set_reverted(
    tx: &mut Write,
    application: ApplicationId,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    // What was seen of the domain before does not hold any more.
    sqlx::query("delete from federation_checks where application_id = $1")
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    let Some(before) = find(tx, application).await? else {
        return Ok(());
    };
    if before.state == FederationState::Reverted {
        return Ok(());
    }
    sqlx::query(
        "update federations set state = 'reverted', reverted_at = $2, trouble = null
         where application_id = $1",
    )
    .bind(application.to_string())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    let was = json!({ "state": before.state.key() });
    note(
        tx,
        application,
        "federation.reverted",
        Some(was),
        None,
        by,
        now,
    )
    .await
}

/// Ends the time to confirm at once: the federation did not come out as it was meant.
pub async fn end_time(
    tx: &mut Write,
    application: ApplicationId,
    run_id: RunId,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update federations set confirm_until = $3
         where application_id = $1 and run_id = $2 and state = 'confirming'
           and confirm_until > $3",
    )
    .bind(application.to_string())
    .bind(run_id.to_string())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Applications whose domain nobody confirmed in time, and that it is time to take back, with the
/// issuer that it is taken back from.
pub async fn list_overdue(
    db: &mut AnyConnection,
    now: Timestamp,
) -> Result<Vec<(ApplicationId, String)>> {
    let rows = sqlx::query(
        "select application_id, issuer from federations
         where state = 'confirming' and confirm_until <= $1 and retry_at <= $1
         order by confirm_until limit 20",
    )
    .bind(now.as_millis())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("federations", row);
            Ok((row.parsed("application_id")?, row.text("issuer")?))
        })
        .collect()
}

/// Notes that an attempt to take the domain back by itself begins: another one follows when it is
/// not reverted by then, ever more rarely, and never gives up.
pub async fn count_attempt(
    tx: &mut Write,
    application: ApplicationId,
    now: Timestamp,
) -> Result<()> {
    let attempts: Option<i64> = sqlx::query_scalar(
        "update federations set attempts = attempts + 1
         where application_id = $1 and state = 'confirming' returning attempts",
    )
    .bind(application.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(attempts) = attempts else {
        return Ok(());
    };
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(4);
    let wait = (MINUTE_MS << doublings).min(15 * MINUTE_MS);
    sqlx::query("update federations set retry_at = $2 where application_id = $1")
        .bind(application.to_string())
        .bind(now.plus_millis(wait).as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Says why the domain could not be taken back.
pub async fn set_trouble(tx: &mut Write, application: ApplicationId, trouble: &str) -> Result<()> {
    sqlx::query(
        "update federations set trouble = $2 where application_id = $1 and state <> 'reverted'",
    )
    .bind(application.to_string())
    .bind(trouble)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps what was found when it was looked whether the domain can be federated.
pub async fn save_checks(
    tx: &mut Write,
    application: ApplicationId,
    results: &Value,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "insert into federation_checks (application_id, results, checked_at) values ($1, $2, $3)
         on conflict (application_id) do update set results = excluded.results,
           checked_at = excluded.checked_at",
    )
    .bind(application.to_string())
    .bind(results.to_string())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What was found last, and when.
pub async fn find_checks(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Option<(Value, Timestamp)>> {
    let row = sqlx::query(
        "select application_id, results, checked_at from federation_checks
         where application_id = $1",
    )
    .bind(application.to_string())
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        let row = TableRow::new("federation_checks", &row);
        Ok((row.json("results")?, row.time("checked_at")?))
    })
    .transpose()
}

async fn note(
    tx: &mut Write,
    application: ApplicationId,
    action: &'static str,
    before: Option<Value>,
    after: Option<Value>,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = match applications::subject_of(tx, application).await {
        // It was deleted meanwhile; its domain is taken back all the same.
        Err(Error::NotFound(_)) => return Ok(()),
        other => other?,
    };
    audit::append(tx, &by.entry(action, subject).changed(before, after), now);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, add_connected, alice};

    fn new(run: u128) -> NewFederation {
        NewFederation {
            domain: "contoso.example".to_owned(),
            issuer: "urn:a:b".to_owned(),
            run_id: RunId::from_number(run),
            tester: "ada@contoso.example".to_owned(),
            confirm_minutes: 30,
        }
    }

    async fn overdue(tx: &mut Write, now: Timestamp) -> Vec<ApplicationId> {
        let found = list_overdue(tx, now).await.unwrap();
        found.into_iter().map(|(id, _)| id).collect()
    }

    both_engines! {
        async fn nobody_confirms_and_it_is_overdue_until_it_is_taken_back(store: Store) {
            let id = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            begin(&mut tx, id, &new(1), &alice(), NOW).await.unwrap();
            let later = NOW.plus_millis(10 * MINUTE_MS);
            begin(&mut tx, id, &new(1), &alice(), later).await.unwrap();
            let begun = find(&mut tx, id).await.unwrap().unwrap();
            assert_eq!(begun.federated_at, NOW, "the run that took over gives no more time");
            let until = NOW.plus_millis(30 * MINUTE_MS);
            assert_eq!(begun.confirm_until, until);
            let just = until.plus_millis(-1);
            assert_eq!(list_overdue(&mut tx, just).await.unwrap(), []);
            assert!(!begun.is_overdue(just) && begun.is_overdue(until));
            assert_eq!(overdue(&mut tx, until).await, [id]);
            let run = begun.run_id;
            assert!(!confirm(&mut tx, id, run, &alice(), until).await.unwrap(), "too late");
            count_attempt(&mut tx, id, until).await.unwrap();
            set_trouble(&mut tx, id, "Microsoft does not answer.").await.unwrap();
            assert_eq!(list_overdue(&mut tx, until).await.unwrap(), []);
            let again = until.plus_millis(MINUTE_MS);
            assert_eq!(overdue(&mut tx, again).await, [id]);
            let unsettled = list_unsettled(&mut tx).await.unwrap();
            assert_eq!(unsettled[0].1, "Microsoft 365");
            assert!(unsettled[0].2.trouble.is_some());
            for _ in 0..20 {
                count_attempt(&mut tx, id, again).await.unwrap();
            }
            let much_later = again.plus_millis(15 * MINUTE_MS);
            assert_eq!(overdue(&mut tx, much_later).await, [id], "it never gives up");
            set_reverted(&mut tx, id, &Author::SIGNPOST, again).await.unwrap();
            let reverted = find(&mut tx, id).await.unwrap().unwrap();
            assert_eq!(reverted.state, FederationState::Reverted);
            assert_eq!((reverted.reverted_at, reverted.trouble), (Some(again), None));
            assert_eq!(list_overdue(&mut tx, much_later).await.unwrap(), []);
            assert_eq!(list_unsettled(&mut tx).await.unwrap(), []);
        }

        async fn who_confirms_in_time_keeps_the_federation_they_saw(store: Store) {
            let id = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            begin(&mut tx, id, &new(1), &alice(), NOW).await.unwrap();
            let later = NOW.plus_millis(MINUTE_MS);
            let other = RunId::from_number(2);
            assert!(!confirm(&mut tx, id, other, &alice(), later).await.unwrap());
            let run = RunId::from_number(1);
            assert!(confirm(&mut tx, id, run, &alice(), later).await.unwrap());
            assert!(!confirm(&mut tx, id, run, &alice(), later).await.unwrap(), "a second click");
            let found = find(&mut tx, id).await.unwrap().unwrap();
            assert_eq!(found.state, FederationState::Confirmed);
            assert_eq!(found.confirmed_by.as_deref(), Some("Alice"));
            let never = NOW.plus_days(1_000);
            assert_eq!(list_overdue(&mut tx, never).await.unwrap(), []);
            begin(&mut tx, id, &new(2), &alice(), never).await.unwrap();
            let anew = find(&mut tx, id).await.unwrap().unwrap();
            assert_eq!((anew.state, anew.confirmed_at), (FederationState::Confirming, None));
        }

        async fn the_testers_sign_in_is_seen_whoever_else_comes(store: Store) {
            let id = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            note_sign_in(&mut tx, id, "ada@contoso.example", NOW).await.unwrap();
            begin(&mut tx, id, &new(1), &alice(), NOW).await.unwrap();
            let steps = [
                ("bob@contoso.example", 1, None),
                ("Ada@contoso.example", 2, Some(2)),
                ("bob@contoso.example", 3, Some(2)),
            ];
            for (name, minute, expected) in steps {
                let at = |minute: i64| NOW.plus_millis(minute * MINUTE_MS);
                note_sign_in(&mut tx, id, name, at(minute)).await.unwrap();
                let found = find(&mut tx, id).await.unwrap().unwrap();
                assert_eq!(found.tested_at(), expected.map(at), "{name}");
            }
        }

        async fn the_last_checks_are_kept(store: Store) {
            let id = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            assert_eq!(find_checks(&mut tx, id).await.unwrap(), None);
            for (found, at) in [(json!([1]), NOW), (json!([2]), NOW.plus_days(1))] {
                save_checks(&mut tx, id, &found, at).await.unwrap();
                assert_eq!(find_checks(&mut tx, id).await.unwrap(), Some((found, at)));
            }
            set_reverted(&mut tx, id, &Author::SIGNPOST, NOW).await.unwrap();
            assert_eq!(find_checks(&mut tx, id).await.unwrap(), None, "they are of before");
        }
    }
}
