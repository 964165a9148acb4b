//! How each readiness check came out, what it was before, and what operators answer for.

use std::collections::BTreeMap;

use serde_json::json;
use signpost_model::readiness::{Check, CheckKey, CheckState, Feature, HandMark, Marked, Waiver};
use signpost_model::{ApplicationId, Author, Timestamp};
use sqlx::AnyConnection;

use crate::rows::{TableRow, json_keys, to_json};
use crate::{Result, Write, applications, audit};

/// Changes of a check that are kept; older ones make room.
const MOST_CHANGES: i64 = 50;

/// A check with when it was made and what operators say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCheck {
    pub check: Check,
    pub checked_at: Timestamp,
    pub waiver: Option<Waiver>,
}

impl KnownCheck {
    /// The state that counts.
    pub fn state(&self) -> CheckState {
        self.check.state_under(self.waiver.as_ref())
    }
}

/// From when on a check was in a state, with the words it had then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCheck {
    pub since: Timestamp,
    pub state: CheckState,
    pub sentence: String,
}

/// Keeps how these checks came out at `now`; a change goes into their history.
pub async fn save(
    tx: &mut Write,
    application: ApplicationId,
    checks: &[Check],
    now: Timestamp,
) -> Result<()> {
    let before: BTreeMap<CheckKey, Check> = list(tx, application)
        .await?
        .into_iter()
        .map(|known| (known.check.key, known.check))
        .collect();
    for check in checks {
        write(tx, application, check, now).await?;
        let same = |old: &Check| old.state == check.state && old.sentence == check.sentence;
        if !before.get(&check.key).is_some_and(same) {
            append(tx, application, check, now).await?;
        }
    }
    Ok(())
}

async fn write(
    tx: &mut Write,
    application: ApplicationId,
    check: &Check,
    now: Timestamp,
) -> Result<()> {
    // Two readers at once: the later look counts, whoever writes last.
    sqlx::query(
        "insert into readiness_checks (application_id, check_key, state, body, checked_at)
         values ($1, $2, $3, $4, $5)
         on conflict (application_id, check_key) do update set state = excluded.state,
           body = excluded.body, checked_at = excluded.checked_at
         where readiness_checks.checked_at <= excluded.checked_at",
    )
    .bind(application.to_string())
    .bind(check.key.key())
    .bind(check.state.key())
    .bind(to_json(check)?)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn append(
    tx: &mut Write,
    application: ApplicationId,
    check: &Check,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "insert into readiness_history (application_id, check_key, since, state, sentence)
         values ($1, $2, $3, $4, $5)
         on conflict (application_id, check_key, since) do update set state = excluded.state,
           sentence = excluded.sentence",
    )
    .bind(application.to_string())
    .bind(check.key.key())
    .bind(now.as_millis())
    .bind(check.state.key())
    .bind(&check.sentence)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "delete from readiness_history where application_id = $1 and check_key = $2
           and since <= coalesce((
             select since from readiness_history where application_id = $1 and check_key = $2
             order by since desc limit 1 offset $3), -1)",
    )
    .bind(application.to_string())
    .bind(check.key.key())
    .bind(MOST_CHANGES)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Every check that was ever made, in the order of the page.
pub async fn list(db: &mut AnyConnection, application: ApplicationId) -> Result<Vec<KnownCheck>> {
    let rows = sqlx::query(
        "select c.application_id, c.check_key, c.body, c.checked_at, w.state as waived_state,
           w.reason, w.waived_by, w.waived_at
         from readiness_checks c
         left join readiness_waivers w
           on w.application_id = c.application_id and w.check_key = c.check_key
         where c.application_id = $1",
    )
    .bind(application.to_string())
    .fetch_all(db)
    .await?;
    let mut known = Vec::new();
    for row in &rows {
        let row = TableRow::new("readiness_checks", row);
        let key = row.text("check_key")?;
        // A check that this version does not make any more.
        if key.parse::<CheckKey>().is_err() {
            continue;
        }
        let waived: Option<CheckState> = row.optional_parsed("waived_state")?;
        let waiver = match waived {
            Some(state) => Some(Waiver {
                state,
                reason: row.text("reason")?,
                by: row.text("waived_by")?,
                at: row.time("waived_at")?,
            }),
            None => None,
        };
        known.push(KnownCheck {
            check: row.json("body")?,
            checked_at: row.time("checked_at")?,
            waiver,
        });
    }
    known.sort_by_key(|known| known.check.key);
    Ok(known)
}

/// What a check was, the latest first.
pub async fn history(
    db: &mut AnyConnection,
    application: ApplicationId,
    key: CheckKey,
) -> Result<Vec<PastCheck>> {
    let rows = sqlx::query(
        "select check_key, since, state, sentence from readiness_history
         where application_id = $1 and check_key = $2 order by since desc",
    )
    .bind(application.to_string())
    .bind(key.key())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("readiness_history", row);
            Ok(PastCheck {
                since: row.time("since")?,
                state: row.parsed("state")?,
                sentence: row.text("sentence")?,
            })
        })
        .collect()
}

/// An operator answers for a check.
pub async fn waive(
    tx: &mut Write,
    application: ApplicationId,
    key: CheckKey,
    state: CheckState,
    reason: &str,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    sqlx::query(
        "insert into readiness_waivers (application_id, check_key, state, reason, waived_by, waived_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (application_id, check_key) do update set state = excluded.state,
           reason = excluded.reason, waived_by = excluded.waived_by, waived_at = excluded.waived_at",
    )
    .bind(application.to_string())
    .bind(key.key())
    .bind(state.key())
    .bind(reason)
    .bind(by.name())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    let after = json!({ "check": key.label(), "state": state.label(), "reason": reason });
    let entry = by.entry("application.check_waived", subject);
    audit::append(tx, &entry.changed(None, Some(after)), now);
    Ok(())
}

/// The check counts again as it comes out.
pub async fn withdraw_waiver(
    tx: &mut Write,
    application: ApplicationId,
    key: CheckKey,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let gone =
        sqlx::query("delete from readiness_waivers where application_id = $1 and check_key = $2")
            .bind(application.to_string())
            .bind(key.key())
            .execute(&mut **tx)
            .await?;
    if gone.rows_affected() > 0 {
        let before = json!({ "check": key.label() });
        let entry = by.entry("application.check_waiver_withdrawn", subject);
        audit::append(tx, &entry.changed(Some(before), None), now);
    }
    Ok(())
}

/// What operators looked up by hand.
pub async fn marks(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Vec<(HandMark, Marked)>> {
    let rows = sqlx::query(
        "select mark, marked_by, marked_at from readiness_marks where application_id = $1
         order by mark",
    )
    .bind(application.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("readiness_marks", row);
            let marked = Marked {
                by: row.text("marked_by")?,
                at: row.time("marked_at")?,
            };
            Ok((row.parsed("mark")?, marked))
        })
        .collect()
}

/// An operator looked, and ticks what they saw; or takes it back.
pub async fn set_mark(
    tx: &mut Write,
    application: ApplicationId,
    mark: HandMark,
    ticked: bool,
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let changed = if ticked {
        sqlx::query(
            "insert into readiness_marks (application_id, mark, marked_by, marked_at)
             values ($1, $2, $3, $4) on conflict (application_id, mark) do nothing",
        )
        .bind(application.to_string())
        .bind(mark.key())
        .bind(by.name())
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?
    } else {
        sqlx::query("delete from readiness_marks where application_id = $1 and mark = $2")
            .bind(application.to_string())
            .bind(mark.key())
            .execute(&mut **tx)
            .await?
    };
    if changed.rows_affected() > 0 {
        let value = Some(json!({ "setting": mark.label() }));
        let (action, before, after) = if ticked {
            ("application.setting_confirmed", None, value)
        } else {
            ("application.setting_unconfirmed", value, None)
        };
        audit::append(tx, &by.entry(action, subject).changed(before, after), now);
    }
    Ok(())
}

/// What Signpost is to do with the tenant.
pub async fn features(db: &mut AnyConnection, application: ApplicationId) -> Result<Vec<Feature>> {
    let row = sqlx::query("select id, features from applications where id = $1")
        .bind(application.to_string())
        .fetch_optional(db)
        .await?;
    let Some(row) = row else {
        return Ok(Feature::USUAL.to_vec());
    };
    let row = TableRow::new("applications", &row);
    let chosen: Option<Vec<Feature>> = row.optional_json("features")?;
    Ok(chosen.unwrap_or_else(|| Feature::USUAL.to_vec()))
}

/// Chooses what Signpost is to do with the tenant.
pub async fn set_features(
    tx: &mut Write,
    application: ApplicationId,
    chosen: &[Feature],
    by: &Author,
    now: Timestamp,
) -> Result<()> {
    let subject = applications::subject_of(tx, application).await?;
    let before = features(tx, application).await?;
    if before == chosen {
        return Ok(());
    }
    sqlx::query("update applications set features = $1 where id = $2")
        .bind(to_json(&chosen)?)
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
    let words = |of: &[Feature]| {
        let words: Vec<&str> = of.iter().map(|feature| feature.label()).collect();
        Some(json!({ "features": words.join(", ") }))
    };
    let entry = by.entry("application.features_chosen", subject);
    audit::append(tx, &entry.changed(words(&before), words(chosen)), now);
    Ok(())
}

/// Users of the application whose user name is in none of these domains: how many users there
/// are, how many are outside, and the first `show` of those.
pub async fn names_outside(
    db: &mut AnyConnection,
    application: ApplicationId,
    domains: &[String],
    show: i64,
) -> Result<(i64, i64, Vec<String>)> {
    const OUTSIDE: &str = "not exists (select 1 from (select key as domain
           from json_each(json($2))) d
         where coalesce(p.desired_name, u.user_name_folded) like '%@' || d.domain)";
    const USERS: &str = "from provisioning p
         join users u on u.id = p.user_id and u.deleted_at is null
         where p.application_id = $1 and p.removed_at is null
           and p.state not in ('left', 'left_out')";
    let folded = json_keys(domains.iter().map(|domain| domain.to_lowercase()));
    let users: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) {USERS}")))
        .bind(application.to_string())
        .fetch_one(&mut *db)
        .await?;
    let outside: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "select count(*) {USERS} and {OUTSIDE}"
    )))
    .bind(application.to_string())
    .bind(&folded)
    .fetch_one(&mut *db)
    .await?;
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "select u.id, coalesce(p.desired_name, u.user_name_folded) as name
         {USERS} and {OUTSIDE} order by u.id limit $3"
    )))
    .bind(application.to_string())
    .bind(&folded)
    .bind(show)
    .fetch_all(db)
    .await?;
    let names: Result<Vec<String>> = rows
        .iter()
        .map(|row| TableRow::new("users", row).text("name"))
        .collect();
    Ok((users, outside, names?))
}

/// Users `u` of the application `$1` who have no second factor here.
pub(crate) const WITHOUT_FACTOR: &str = "from provisioning p
    join users u on u.id = p.user_id and u.deleted_at is null
    left join user_credentials c on c.user_id = p.user_id
    where p.application_id = $1 and p.removed_at is null
      and p.state not in ('left', 'left_out') and c.totp_confirmed_at is null
      and not exists (select 1 from passkeys k where k.user_id = p.user_id)";

/// Users of the application who have no second factor here.
pub async fn count_without_factor(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<i64> {
    let sql = format!("select count(*) {WITHOUT_FACTOR}");
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(application.to_string())
        .fetch_one(db)
        .await?)
}

/// Which of these accounts are linked with a user.
pub async fn linked_among(
    db: &mut AnyConnection,
    application: ApplicationId,
    accounts: &[String],
) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "select object_id from links where application_id = $1
           and object_id in (select key from json_each(json($2)))",
    )
    .bind(application.to_string())
    .bind(json_keys(accounts))
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| TableRow::new("links", row).text("object_id"))
        .collect()
}

/// Applications whose checks were last made before `before`, and were made at all.
pub async fn list_stale(
    db: &mut AnyConnection,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<ApplicationId>> {
    let rows = sqlx::query(
        "select c.application_id, max(c.checked_at) as last from readiness_checks c
         join applications a on a.id = c.application_id and a.deleted_at is null
         group by c.application_id having max(c.checked_at) < $1
         order by last limit $2",
    )
    .bind(before.as_millis())
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| TableRow::new("readiness_checks", row).parsed("application_id"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, add_connected, add_users, alice};

    fn check(state: CheckState, sentence: &str) -> Check {
        Check::new(
            CheckKey::SecurityDefaults,
            state,
            sentence,
            "Turn them off.",
        )
    }

    async fn look(store: &crate::Store, application: ApplicationId, check: &Check, minutes: i64) {
        let mut tx = store.write().await.unwrap();
        let now = NOW.plus_millis(minutes * 60_000);
        save(&mut tx, application, std::slice::from_ref(check), now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn known(store: &crate::Store, application: ApplicationId) -> KnownCheck {
        let mut db = store.read().await.unwrap();
        list(&mut db, application).await.unwrap().remove(0)
    }

    both_engines! {
        async fn only_changes_enter_the_history_and_the_last_look_is_kept(store: Store) {
            let application = add_connected(&store).await.id;
            let on = check(CheckState::Attention, "They are on.");
            let off = check(CheckState::Passed, "They are off.");
            look(&store, application, &on, 0).await;
            look(&store, application, &on, 1).await;
            look(&store, application, &off, 2).await;
            let known = known(&store, application).await;
            assert_eq!(known.check, off);
            assert_eq!(known.checked_at, NOW.plus_millis(120_000));
            let mut db = store.read().await.unwrap();
            let past = history(&mut db, application, CheckKey::SecurityDefaults).await.unwrap();
            let words: Vec<(i64, CheckState)> = past
                .iter()
                .map(|past| (past.since.millis_since(NOW) / 60_000, past.state))
                .collect();
            assert_eq!(words, [(2, CheckState::Passed), (0, CheckState::Attention)]);
        }

        async fn a_look_that_took_longer_does_not_replace_a_newer_one(store: Store) {
            let application = add_connected(&store).await.id;
            look(&store, application, &check(CheckState::Passed, "They are off."), 2).await;
            look(&store, application, &check(CheckState::Attention, "They are on."), 1).await;
            assert_eq!(known(&store, application).await.check.state, CheckState::Passed);
        }

        async fn history_is_bounded(store: Store) {
            let application = add_connected(&store).await.id;
            for minute in 0..MOST_CHANGES + 5 {
                let sentence = format!("Look {minute}.");
                look(&store, application, &check(CheckState::Attention, &sentence), minute).await;
            }
            let mut db = store.read().await.unwrap();
            let past = history(&mut db, application, CheckKey::SecurityDefaults).await.unwrap();
            assert_eq!(i64::try_from(past.len()).unwrap(), MOST_CHANGES);
            assert_eq!(past[0].sentence, format!("Look {}.", MOST_CHANGES + 4));
        }

        async fn a_waiver_is_kept_with_its_author_until_it_is_withdrawn(store: Store) {
            let application = add_connected(&store).await.id;
            let key = CheckKey::SecurityDefaults;
            look(&store, application, &check(CheckState::Attention, "They are on."), 0).await;
            let mut tx = store.write().await.unwrap();
            waive(&mut tx, application, key, CheckState::Attention, "Next week", &alice(), NOW)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            let waived = known(&store, application).await;
            assert_eq!(waived.state(), CheckState::Waived);
            assert_eq!(waived.waiver.unwrap().by, "Alice");
            look(&store, application, &check(CheckState::Failed, "Worse."), 1).await;
            assert_eq!(known(&store, application).await.state(), CheckState::Failed);
            let mut tx = store.write().await.unwrap();
            withdraw_waiver(&mut tx, application, key, &alice(), NOW).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(known(&store, application).await.waiver, None);
            let mut db = store.read().await.unwrap();
            let actions: Vec<String> = sqlx::query_scalar(
                "select action from audit_events where action like 'application.check%'
                 order by sequence",
            )
            .fetch_all(&mut *db)
            .await
            .unwrap();
            let expected = ["application.check_waived", "application.check_waiver_withdrawn"];
            assert_eq!(actions, expected);
        }

        async fn a_mark_says_who_ticked_it_first_and_can_be_taken_back(store: Store) {
            let application = add_connected(&store).await.id;
            let mark = HandMark::RegistrationOff;
            let mut tx = store.write().await.unwrap();
            for minutes in [0, 5] {
                let now = NOW.plus_millis(minutes * 60_000);
                set_mark(&mut tx, application, mark, true, &alice(), now).await.unwrap();
            }
            let marked = Marked { by: "Alice".to_owned(), at: NOW };
            assert_eq!(marks(&mut tx, application).await.unwrap(), [(mark, marked)]);
            set_mark(&mut tx, application, mark, false, &alice(), NOW).await.unwrap();
            assert_eq!(marks(&mut tx, application).await.unwrap(), []);
            tx.commit().await.unwrap();
        }

        async fn features_are_the_usual_ones_until_chosen(store: Store) {
            let application = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            assert_eq!(features(&mut tx, application).await.unwrap(), Feature::USUAL);
            let chosen = [Feature::Sync, Feature::Rotate];
            set_features(&mut tx, application, &chosen, &alice(), NOW).await.unwrap();
            assert_eq!(features(&mut tx, application).await.unwrap(), chosen);
            tx.commit().await.unwrap();
        }

        async fn names_outside_of_every_verified_domain_are_counted(store: Store) {
            add_users(&store, 1, &["Ada", "Bob"]).await;
            let application = add_connected(&store).await.id;
            let mut tx = store.write().await.unwrap();
            crate::provisioning::touch_application(&mut tx, application).await.unwrap();
            tx.commit().await.unwrap();
            let mut db = store.read().await.unwrap();
            let inside = ["Contoso.example".to_owned()];
            let found = names_outside(&mut db, application, &inside, 5).await.unwrap();
            assert_eq!(found, (2, 0, vec![]));
            let other = ["toso.example".to_owned(), "fabrikam.example".to_owned()];
            let (users, outside, names) =
                names_outside(&mut db, application, &other, 1).await.unwrap();
            assert_eq!((users, outside, names.len()), (2, 2, 1));
            assert_eq!(count_without_factor(&mut db, application).await.unwrap(), 2);
        }

        async fn only_checks_that_were_made_once_are_made_again(store: Store) {
            let application = add_connected(&store).await.id;
            let stale = async |at| {
                let mut db = store.read().await.unwrap();
                list_stale(&mut db, at, 10).await.unwrap()
            };
            assert_eq!(stale(NOW.plus_days(9)).await, []);
            look(&store, application, &check(CheckState::Passed, "They are off."), 0).await;
            assert_eq!(stale(NOW).await, []);
            assert_eq!(stale(NOW.plus_days(1)).await, [application]);
        }
    }
}
