//! Reading what each account's own settings ask for: one reading at a time per application, in
//! steps, so that whoever takes it over goes on where it stands.

use signpost_model::readiness::{MfaTally, PerUserMfa, RegistrationTally};
use signpost_model::text::fold;
use signpost_model::{ApplicationId, Author, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::bulk::{self, Value};
use crate::rows::{TableRow, flag, json_keys, to_json};
use crate::{Error, Result, Write, applications, audit};

/// How far a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody works on it yet.
    Waiting,
    /// The accounts of the domain are listed.
    Listing,
    /// Each account is asked.
    Reading,
    /// What people have registered is counted.
    Registrations,
    Done,
    Failed,
}

impl Phase {
    const fn key(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Listing => "listing",
            Self::Reading => "reading",
            Self::Registrations => "registrations",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Whether it will not go on.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

impl std::str::FromStr for Phase {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [
            Self::Waiting,
            Self::Listing,
            Self::Reading,
            Self::Registrations,
            Self::Done,
            Self::Failed,
        ]
        .into_iter()
        .find(|phase| phase.key() == text)
        .ok_or(())
    }
}

/// What people have registered, or why that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registrations {
    Known(RegistrationTally),
    /// This permission is missing.
    Missing(String),
    Failed(String),
}

/// The last reading of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountReading {
    pub phase: Phase,
    pub failure: Option<String>,
    /// `None` until they were read once.
    pub registrations: Option<Registrations>,
    pub asked_by: String,
    pub asked_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub tally: MfaTally,
}

/// The right to work on a reading, until others take it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingLease {
    pub application_id: ApplicationId,
    pub round: i64,
    pub phase: Phase,
    holder: String,
    fence: i64,
    length_ms: i64,
}

/// An account of the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAccount {
    pub object_id: String,
    pub name: String,
    pub administrator: bool,
}

/// What one account said, or why it did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    pub object_id: String,
    pub state: Result<PerUserMfa, String>,
}

/// An account with what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAccountState {
    pub object_id: String,
    pub name: String,
    pub administrator: bool,
    /// `None`: not read, or not readable.
    pub state: Option<PerUserMfa>,
}

/// The state of an account that could not be read: never taken for "disabled".
const UNREADABLE: &str = "unreadable";

/// Asks for a reading; one that is under way goes on.
pub async fn ask(
    tx: &mut Write,
    application: ApplicationId,
    by: &Author,
    now: Timestamp,
) -> Result<bool> {
    let subject = applications::subject_of(tx, application).await?;
    let asked = sqlx::query(
        "insert into account_readings (application_id, round, phase, asked_by, asked_at, holder,
           lease_until, fence)
         values ($1, 1, 'waiting', $2, $3, '', 0, 0)
         on conflict (application_id) do update set round = account_readings.round + 1,
           phase = 'waiting', failure = null, asked_by = excluded.asked_by,
           asked_at = excluded.asked_at, finished_at = null, holder = '', lease_until = 0
         where account_readings.phase in ('done', 'failed')",
    )
    .bind(application.to_string())
    .bind(by.name())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    let new = asked.rows_affected() > 0;
    if new {
        audit::append(tx, &by.entry("application.accounts_read", subject), now);
    }
    Ok(new)
}

/// Takes a reading that waits, or whose holder gives no sign of life.
pub async fn claim(
    tx: &mut Write,
    holder: &str,
    length_ms: i64,
    now: Timestamp,
) -> Result<Option<ReadingLease>> {
    let row = sqlx::query(
        "update account_readings set holder = $1, lease_until = $2, fence = fence + 1,
           phase = case phase when 'waiting' then 'listing' else phase end
         where application_id = (
             select application_id from account_readings
             where phase not in ('done', 'failed') and lease_until <= $3
             order by asked_at limit 1)
           and phase not in ('done', 'failed') and lease_until <= $3
         returning application_id, round, phase, holder, fence",
    )
    .bind(holder)
    .bind(now.plus_millis(length_ms).as_millis())
    .bind(now.as_millis())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let row = TableRow::new("account_readings", &row);
    Ok(Some(ReadingLease {
        application_id: row.parsed("application_id")?,
        round: row.number("round")?,
        phase: row.parsed("phase")?,
        holder: row.text("holder")?,
        fence: row.number("fence")?,
        length_ms,
    }))
}

/// A sign of life; every write of a reading begins with it. [`Error::LeaseLost`] when somebody
/// else has it.
async fn hold(tx: &mut Write, lease: &ReadingLease, now: Timestamp) -> Result<()> {
    let held = sqlx::query(
        "update account_readings set lease_until = $1
         where application_id = $2 and holder = $3 and fence = $4
           and phase not in ('done', 'failed')",
    )
    .bind(now.plus_millis(lease.length_ms).as_millis())
    .bind(lease.application_id.to_string())
    .bind(&lease.holder)
    .bind(lease.fence)
    .execute(&mut **tx)
    .await?;
    if held.rows_affected() == 0 {
        return Err(Error::LeaseLost);
    }
    Ok(())
}

/// Notes accounts that the tenant listed. Listing them again changes nothing.
pub async fn list_accounts(
    tx: &mut Write,
    lease: &ReadingLease,
    accounts: &[ListedAccount],
    now: Timestamp,
) -> Result<()> {
    hold(tx, lease, now).await?;
    let rows = accounts
        .iter()
        .map(|account| {
            vec![
                Value::Text(lease.application_id.to_string()),
                Value::Text(account.object_id.clone()),
                Value::Text(account.name.clone()),
                Value::Text(fold(&account.name)),
                Value::Number(flag(account.administrator)),
                Value::Text(String::new()),
                Value::Number(lease.round),
            ]
        })
        .collect();
    bulk::insert(
        tx,
        "insert into mfa_states (application_id, object_id, name, name_folded, administrator,
           state, round) values ",
        rows,
        " on conflict (application_id, object_id) do update set name = excluded.name,
           name_folded = excluded.name_folded, administrator = excluded.administrator, state = '', failure = null,
           round = excluded.round
         where mfa_states.round < excluded.round",
    )
    .await
}

/// Every account is listed: what is of an older round is gone from the tenant.
pub async fn finish_listing(tx: &mut Write, lease: &ReadingLease, now: Timestamp) -> Result<()> {
    hold(tx, lease, now).await?;
    sqlx::query("delete from mfa_states where application_id = $1 and round < $2")
        .bind(lease.application_id.to_string())
        .bind(lease.round)
        .execute(&mut **tx)
        .await?;
    set_phase(tx, lease, Phase::Reading).await
}

async fn set_phase(tx: &mut Write, lease: &ReadingLease, phase: Phase) -> Result<()> {
    sqlx::query("update account_readings set phase = $1 where application_id = $2")
        .bind(phase.key())
        .bind(lease.application_id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The next accounts that nobody has asked in this round.
pub async fn next_unread(
    db: &mut AnyConnection,
    lease: &ReadingLease,
    limit: i64,
) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "select object_id from mfa_states where application_id = $1 and state = ''
         order by object_id limit $2",
    )
    .bind(lease.application_id.to_string())
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| TableRow::new("mfa_states", row).text("object_id"))
        .collect()
}

/// Keeps what accounts said.
pub async fn save_states(
    tx: &mut Write,
    lease: &ReadingLease,
    states: &[AccountState],
    now: Timestamp,
) -> Result<()> {
    hold(tx, lease, now).await?;
    for one in states {
        let (state, failure) = match &one.state {
            Ok(state) => (state.key(), None),
            Err(why) => (UNREADABLE, Some(why.as_str())),
        };
        sqlx::query(
            "update mfa_states set state = $1, failure = $2, read_at = $3
             where application_id = $4 and object_id = $5",
        )
        .bind(state)
        .bind(failure)
        .bind(now.as_millis())
        .bind(lease.application_id.to_string())
        .bind(&one.object_id)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Every account was asked; next is what people have registered.
pub async fn finish_reading(tx: &mut Write, lease: &ReadingLease, now: Timestamp) -> Result<()> {
    hold(tx, lease, now).await?;
    set_phase(tx, lease, Phase::Registrations).await
}

/// The reading is done.
pub async fn finish(
    tx: &mut Write,
    lease: &ReadingLease,
    registrations: &Registrations,
    now: Timestamp,
) -> Result<()> {
    hold(tx, lease, now).await?;
    let (known, failed, missing) = match registrations {
        Registrations::Known(tally) => (Some(to_json(tally)?), None, None),
        Registrations::Missing(permission) => (None, None, Some(permission.as_str())),
        Registrations::Failed(why) => (None, Some(why.as_str()), None),
    };
    sqlx::query(
        "update account_readings set phase = 'done', registrations = $1,
           registrations_failure = $2, registrations_missing = $3, finished_at = $4, holder = '',
           lease_until = 0
         where application_id = $5",
    )
    .bind(known)
    .bind(failed)
    .bind(missing)
    .bind(now.as_millis())
    .bind(lease.application_id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The reading cannot go on; why, for people.
pub async fn fail(tx: &mut Write, lease: &ReadingLease, why: &str, now: Timestamp) -> Result<()> {
    hold(tx, lease, now).await?;
    sqlx::query(
        "update account_readings set phase = 'failed', failure = $1, finished_at = $2,
           holder = '', lease_until = 0
         where application_id = $3",
    )
    .bind(why)
    .bind(now.as_millis())
    .bind(lease.application_id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The last reading, with how far it came; `None` when nobody ever asked for one.
pub async fn find(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Option<AccountReading>> {
    let row = sqlx::query(
        "select application_id, phase, failure, registrations, registrations_failure,
           registrations_missing, asked_by, asked_at, finished_at
         from account_readings where application_id = $1",
    )
    .bind(application.to_string())
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let row = TableRow::new("account_readings", &row);
    let known: Option<RegistrationTally> = row.optional_json("registrations")?;
    let failed = row.optional_text("registrations_failure")?;
    let missing = row.optional_text("registrations_missing")?;
    Ok(Some(AccountReading {
        phase: row.parsed("phase")?,
        failure: row.optional_text("failure")?,
        registrations: match (known, missing, failed) {
            (Some(tally), _, _) => Some(Registrations::Known(tally)),
            (_, Some(permission), _) => Some(Registrations::Missing(permission)),
            (_, _, Some(why)) => Some(Registrations::Failed(why)),
            (None, None, None) => None,
        },
        asked_by: row.text("asked_by")?,
        asked_at: row.time("asked_at")?,
        finished_at: row.optional_time("finished_at")?,
        tally: tally(db, application).await?,
    }))
}

async fn tally(db: &mut AnyConnection, application: ApplicationId) -> Result<MfaTally> {
    let rows = sqlx::query(
        "select state, administrator, count(*) as number from mfa_states
         where application_id = $1 group by state, administrator",
    )
    .bind(application.to_string())
    .fetch_all(db)
    .await?;
    let mut tally = MfaTally::default();
    for row in &rows {
        let row = TableRow::new("mfa_states", row);
        let (state, number) = (row.text("state")?, row.number("number")?);
        let administrator = row.flag("administrator")?;
        tally.accounts += number;
        let counted = match (state.as_str(), administrator) {
            ("", _) => &mut tally.unread,
            (UNREADABLE, _) => &mut tally.unreadable,
            ("disabled", _) => &mut tally.disabled,
            (_, true) => &mut tally.administrators_asked,
            (_, false) => &mut tally.asked,
        };
        *counted += number;
    }
    Ok(tally)
}

/// Accounts that Microsoft asks for a second factor by their own setting, by name; administrators
/// only when asked for.
pub async fn list_asked(
    db: &mut AnyConnection,
    application: ApplicationId,
    administrators: bool,
    limit: i64,
) -> Result<Vec<KnownAccountState>> {
    let rows = sqlx::query(
        "select object_id, name, administrator, state from mfa_states
         where application_id = $1 and state in ('enabled', 'enforced') and administrator <= $2
         order by name, object_id limit $3",
    )
    .bind(application.to_string())
    .bind(flag(administrators))
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(known).collect()
}

/// What these accounts said when they were last read.
pub async fn find_many(
    db: &mut AnyConnection,
    application: ApplicationId,
    accounts: &[String],
) -> Result<Vec<KnownAccountState>> {
    let rows = sqlx::query(
        "select object_id, name, administrator, state from mfa_states
         where application_id = $1 and object_id in (select key from json_each(json($2)))
         order by name, object_id",
    )
    .bind(application.to_string())
    .bind(json_keys(accounts))
    .fetch_all(db)
    .await?;
    rows.iter().map(known).collect()
}

fn known(row: &AnyRow) -> Result<KnownAccountState> {
    let row = TableRow::new("mfa_states", row);
    Ok(KnownAccountState {
        object_id: row.text("object_id")?,
        name: row.text("name")?,
        administrator: row.flag("administrator")?,
        state: row.text("state")?.parse().ok(),
    })
}

/// Notes that Signpost itself changed an account, so that pages do not show the old state.
pub async fn note_changed(
    tx: &mut Write,
    application: ApplicationId,
    account: &str,
    state: PerUserMfa,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "update mfa_states set state = $1, failure = null, read_at = $2
         where application_id = $3 and object_id = $4",
    )
    .bind(state.key())
    .bind(now.as_millis())
    .bind(application.to_string())
    .bind(account)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{NOW, add_connected, alice};

    const LEASE_MS: i64 = 30_000;

    fn listed(object_id: &str, administrator: bool) -> ListedAccount {
        ListedAccount {
            object_id: object_id.to_owned(),
            name: format!("{object_id}@contoso.example"),
            administrator,
        }
    }

    fn said(object_id: &str, state: Result<PerUserMfa, &str>) -> AccountState {
        AccountState {
            object_id: object_id.to_owned(),
            state: state.map_err(str::to_owned),
        }
    }

    async fn begin(store: &crate::Store) -> (ApplicationId, ReadingLease) {
        let application = add_connected(store).await.id;
        let mut tx = store.write().await.unwrap();
        assert!(ask(&mut tx, application, &alice(), NOW).await.unwrap());
        let lease = claim(&mut tx, "one", LEASE_MS, NOW).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        (application, lease)
    }

    both_engines! {
        async fn a_reading_goes_from_list_to_states_to_registrations(store: Store) {
            let (application, lease) = begin(&store).await;
            assert_eq!(lease.phase, Phase::Listing);
            let mut tx = store.write().await.unwrap();
            let all = [listed("a", false), listed("b", true), listed("c", false), listed("d", false)];
            list_accounts(&mut tx, &lease, &all, NOW).await.unwrap();
            finish_listing(&mut tx, &lease, NOW).await.unwrap();
            assert_eq!(next_unread(&mut tx, &lease, 2).await.unwrap(), ["a", "b"]);
            let states = [
                said("a", Ok(PerUserMfa::Enforced)),
                said("b", Ok(PerUserMfa::Enabled)),
                said("c", Err("Microsoft did not answer.")),
            ];
            save_states(&mut tx, &lease, &states, NOW).await.unwrap();
            let found = find(&mut tx, application).await.unwrap().unwrap();
            assert_eq!(found.phase, Phase::Reading);
            let expected = MfaTally {
                accounts: 4, asked: 1, administrators_asked: 1, disabled: 0, unreadable: 1, unread: 1,
            };
            assert_eq!(found.tally, expected);
            save_states(&mut tx, &lease, &[said("d", Ok(PerUserMfa::Disabled))], NOW).await.unwrap();
            finish_reading(&mut tx, &lease, NOW).await.unwrap();
            let tally = RegistrationTally { users: 3, password_reset: 1, second_factor: 2 };
            finish(&mut tx, &lease, &Registrations::Known(tally), NOW).await.unwrap();
            let found = find(&mut tx, application).await.unwrap().unwrap();
            assert_eq!(found.phase, Phase::Done);
            assert_eq!(found.registrations, Some(Registrations::Known(tally)));
            let asked = list_asked(&mut tx, application, false, 10).await.unwrap();
            assert_eq!(asked.len(), 1);
            assert_eq!(asked[0].state, Some(PerUserMfa::Enforced));
            assert_eq!(list_asked(&mut tx, application, true, 10).await.unwrap().len(), 2);
            tx.commit().await.unwrap();
        }

        async fn whoever_takes_a_reading_over_goes_on_where_it_stands(store: Store) {
            let (_, lease) = begin(&store).await;
            let mut tx = store.write().await.unwrap();
            let all = [listed("a", false), listed("b", false)];
            list_accounts(&mut tx, &lease, &all, NOW).await.unwrap();
            finish_listing(&mut tx, &lease, NOW).await.unwrap();
            save_states(&mut tx, &lease, &[said("a", Ok(PerUserMfa::Disabled))], NOW).await.unwrap();
            let soon = NOW.plus_millis(LEASE_MS - 1);
            assert_eq!(claim(&mut tx, "two", LEASE_MS, soon).await.unwrap(), None);
            let later = NOW.plus_millis(LEASE_MS);
            let taken = claim(&mut tx, "two", LEASE_MS, later).await.unwrap().unwrap();
            assert_eq!(taken.phase, Phase::Reading);
            assert_eq!(next_unread(&mut tx, &taken, 9).await.unwrap(), ["b"]);
            let late = save_states(&mut tx, &lease, &[said("b", Ok(PerUserMfa::Disabled))], later).await;
            assert!(matches!(late, Err(Error::LeaseLost)));
            tx.commit().await.unwrap();
        }

        async fn a_second_reading_forgets_accounts_that_are_gone(store: Store) {
            let (application, lease) = begin(&store).await;
            let mut tx = store.write().await.unwrap();
            assert!(!ask(&mut tx, application, &alice(), NOW).await.unwrap(), "one is under way");
            let all = [listed("a", false), listed("b", false)];
            list_accounts(&mut tx, &lease, &all, NOW).await.unwrap();
            let missing = Registrations::Missing("AuditLog.Read.All".to_owned());
            finish(&mut tx, &lease, &missing, NOW).await.unwrap();
            assert!(ask(&mut tx, application, &alice(), NOW).await.unwrap());
            let lease = claim(&mut tx, "one", LEASE_MS, NOW).await.unwrap().unwrap();
            list_accounts(&mut tx, &lease, &all[..1], NOW).await.unwrap();
            finish_listing(&mut tx, &lease, NOW).await.unwrap();
            let found = find(&mut tx, application).await.unwrap().unwrap();
            assert_eq!((found.tally.accounts, found.tally.unread), (1, 1));
            assert_eq!(found.registrations, Some(missing));
            fail(&mut tx, &lease, "No answer.", NOW).await.unwrap();
            let found = find(&mut tx, application).await.unwrap().unwrap();
            assert_eq!((found.phase, found.failure.as_deref()), (Phase::Failed, Some("No answer.")));
            tx.commit().await.unwrap();
        }
    }
}
