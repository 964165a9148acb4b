//! Operators: who may sign in to the portal.

use serde_json::{Value, json};
use signpost_model::audit::Subject;
use signpost_model::text::fold;
use signpost_model::{Author, Operator, OperatorId, Role, SessionKey, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::database::Lock;
use crate::rows::TableRow;
use crate::{Constraint, Error, Result, Write, audit, operator_links, sessions, setup};

/// More operators than anyone has; a bound for lists.
const MAX_LISTED: i64 = 1_000;

/// An operator to create.
#[derive(Clone)]
pub struct NewOperator {
    pub id: OperatorId,
    pub email: String,
    pub name: String,
    pub role: Role,
    /// In PHC form (`$argon2id$…`).
    pub password_hash: String,
}

impl std::fmt::Debug for NewOperator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewOperator({})", self.id)
    }
}

/// What an operator's page can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorForm {
    pub email: String,
    pub name: String,
    pub role: Role,
}

/// An operator with what is needed to check a sign-in.
#[derive(Clone)]
pub struct OperatorWithPassword {
    pub operator: Operator,
    pub password_hash: String,
}

impl std::fmt::Debug for OperatorWithPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OperatorWithPassword({})", self.operator.id)
    }
}

/// Creates an operator. The first Owner ends the setup.
pub async fn create(
    tx: &mut Write,
    new: &NewOperator,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    sqlx::query(
        "insert into operators (id, email, email_folded, name, role, password_hash, created_at,
           version)
         values ($1, $2, $3, $4, $5, $6, $7, 1)",
    )
    .bind(new.id.to_string())
    .bind(&new.email)
    .bind(fold(&new.email))
    .bind(&new.name)
    .bind(new.role.key())
    .bind(&new.password_hash)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    if new.role == Role::Owner {
        setup::close(tx, now).await?;
    }
    let form = OperatorForm {
        email: new.email.clone(),
        name: new.name.clone(),
        role: new.role,
    };
    let subject = Subject::new("operator", new.id, &new.name);
    let entry = author
        .entry("operator.created", subject)
        .changed(None, Some(to_value(&form)));
    audit::append(tx, &entry, now);
    Ok(())
}

/// The operator with this id.
pub async fn find(connection: &mut AnyConnection, id: OperatorId) -> Result<Option<Operator>> {
    let row = sqlx::query(
        "select id, email, name, role, totp_confirmed_at, disabled_at, created_at, signed_in_at,
           version
         from operators where id = $1",
    )
    .bind(id.to_string())
    .fetch_optional(connection)
    .await?;
    row.map(|row| read_operator(&row)).transpose()
}

/// The operator with this mail address, with the hash of their password.
pub async fn find_by_email(
    connection: &mut AnyConnection,
    email: &str,
) -> Result<Option<OperatorWithPassword>> {
    let row = sqlx::query(
        "select id, email, name, role, totp_confirmed_at, disabled_at, created_at, signed_in_at,
           version, password_hash
         from operators where email_folded = $1",
    )
    .bind(fold(email))
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(OperatorWithPassword {
            operator: read_operator(&row)?,
            password_hash: TableRow::new("operators", &row).text("password_hash")?,
        })
    })
    .transpose()
}

/// The hash of an operator's password, to confirm a change with it.
pub async fn find_password_hash(
    connection: &mut AnyConnection,
    id: OperatorId,
) -> Result<Option<String>> {
    let row = sqlx::query("select id, password_hash from operators where id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.map(|row| TableRow::new("operators", &row).text("password_hash"))
        .transpose()
}

/// Every operator, by mail address.
pub async fn list(connection: &mut AnyConnection) -> Result<Vec<Operator>> {
    let rows = sqlx::query(
        "select id, email, name, role, totp_confirmed_at, disabled_at, created_at, signed_in_at,
           version
         from operators order by email_folded limit $1",
    )
    .bind(MAX_LISTED)
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_operator).collect()
}

/// Changes an operator that is still at `version`. A new role ends their sessions.
pub async fn update(
    tx: &mut Write,
    id: OperatorId,
    version: i64,
    form: &OperatorForm,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    tx.lock(Lock::Owners).await?;
    let before = find_expected(tx, id, version).await?;
    let changed = sqlx::query(
        "update operators set email = $3, email_folded = $4, name = $5, role = $6,
           version = version + 1
         where id = $1 and version = $2
           and ($6 = 'owner' or role <> 'owner' or disabled_at is not null or exists (
             select 1 from operators other
             where other.role = 'owner' and other.disabled_at is null and other.id <> $1))",
    )
    .bind(id.to_string())
    .bind(version)
    .bind(&form.email)
    .bind(fold(&form.email))
    .bind(&form.name)
    .bind(form.role.key())
    .execute(&mut **tx)
    .await?;
    require_owner_left(changed.rows_affected())?;
    if form.role != before.role {
        sessions::end_all(tx, id, None).await?;
    }
    let subject = Subject::new("operator", id, &form.name);
    let before = to_value(&OperatorForm {
        email: before.email,
        name: before.name,
        role: before.role,
    });
    let entry = author
        .entry("operator.updated", subject)
        .changed(Some(before), Some(to_value(form)));
    audit::append(tx, &entry, now);
    Ok(())
}

/// Shuts an operator out at once: their sessions end with it.
pub async fn disable(
    tx: &mut Write,
    id: OperatorId,
    version: i64,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    tx.lock(Lock::Owners).await?;
    let before = find_expected(tx, id, version).await?;
    let changed = sqlx::query(
        "update operators set disabled_at = coalesce(disabled_at, $3), version = version + 1
         where id = $1 and version = $2
           and (role <> 'owner' or disabled_at is not null or exists (
             select 1 from operators other
             where other.role = 'owner' and other.disabled_at is null and other.id <> $1))",
    )
    .bind(id.to_string())
    .bind(version)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    require_owner_left(changed.rows_affected())?;
    sessions::end_all(tx, id, None).await?;
    operator_links::revoke(tx, id).await?;
    let subject = Subject::new("operator", id, before.name);
    let entry = author.entry("operator.disabled", subject);
    audit::append(tx, &entry, now);
    Ok(())
}

/// Lets a disabled operator sign in again.
pub async fn enable(
    tx: &mut Write,
    id: OperatorId,
    version: i64,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    let before = find_expected(tx, id, version).await?;
    sqlx::query(
        "update operators set disabled_at = null, version = version + 1
         where id = $1 and version = $2",
    )
    .bind(id.to_string())
    .bind(version)
    .execute(&mut **tx)
    .await?;
    let subject = Subject::new("operator", id, before.name);
    let entry = author.entry("operator.enabled", subject);
    audit::append(tx, &entry, now);
    Ok(())
}

/// Removes an operator for good; the audit trail keeps their name.
pub async fn remove(
    tx: &mut Write,
    id: OperatorId,
    version: i64,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    tx.lock(Lock::Owners).await?;
    let before = find_expected(tx, id, version).await?;
    let changed = sqlx::query(
        "delete from operators
         where id = $1 and version = $2
           and (role <> 'owner' or disabled_at is not null or exists (
             select 1 from operators other
             where other.role = 'owner' and other.disabled_at is null and other.id <> $1))",
    )
    .bind(id.to_string())
    .bind(version)
    .execute(&mut **tx)
    .await?;
    require_owner_left(changed.rows_affected())?;
    let subject = Subject::new("operator", id, &before.name);
    let before = to_value(&OperatorForm {
        email: before.email,
        name: before.name,
        role: before.role,
    });
    let entry = author
        .entry("operator.removed", subject)
        .changed(Some(before), None);
    audit::append(tx, &entry, now);
    Ok(())
}

/// Sets a new password, ends every session but `keep`, and the link that could have set another.
pub async fn set_password(
    tx: &mut Write,
    id: OperatorId,
    password_hash: &str,
    keep: Option<SessionKey>,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    let operator = find(tx, id).await?.ok_or(Error::NotFound("operator"))?;
    sqlx::query("update operators set password_hash = $2, version = version + 1 where id = $1")
        .bind(id.to_string())
        .bind(password_hash)
        .execute(&mut **tx)
        .await?;
    sessions::end_all(tx, id, keep).await?;
    operator_links::revoke(tx, id).await?;
    let subject = Subject::new("operator", id, operator.name);
    let entry = author.entry("operator.password_changed", subject);
    audit::append(tx, &entry, now);
    Ok(())
}

/// Notes that an operator signed in.
pub async fn record_sign_in(
    tx: &mut Write,
    operator: &Operator,
    author: &Author,
    now: Timestamp,
) -> Result<()> {
    sqlx::query("update operators set signed_in_at = $2 where id = $1")
        .bind(operator.id.to_string())
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    let subject = Subject::new("operator", operator.id, &operator.name);
    let entry = author.entry("operator.signed_in", subject);
    audit::append(tx, &entry, now);
    Ok(())
}

async fn find_expected(tx: &mut Write, id: OperatorId, version: i64) -> Result<Operator> {
    let operator = find(tx, id).await?.ok_or(Error::NotFound("operator"))?;
    if operator.version != version {
        return Err(Error::Stale("operator"));
    }
    Ok(operator)
}

/// The version was checked under the lock, so only the rule on Owners can hold a change back.
fn require_owner_left(changed: u64) -> Result<()> {
    if changed == 0 {
        return Err(Error::Conflict(Constraint::LastOwner));
    }
    Ok(())
}

fn to_value(form: &OperatorForm) -> Value {
    json!({ "email": form.email, "name": form.name, "role": form.role.key() })
}

pub(crate) fn read_operator(row: &AnyRow) -> Result<Operator> {
    let row = TableRow::new("operators", row);
    Ok(Operator {
        id: row.parsed("id")?,
        email: row.text("email")?,
        name: row.text("name")?,
        role: row.parsed("role")?,
        has_second_factor: row.optional_number("totp_confirmed_at")?.is_some(),
        disabled_at: row.optional_time("disabled_at")?,
        created_at: row.time("created_at")?,
        signed_in_at: row.optional_time("signed_in_at")?,
        version: row.number("version")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{AUTHOR, NOW};
    use crate::{Store, both_engines};

    fn person(number: u128, role: Role) -> NewOperator {
        NewOperator {
            id: OperatorId::from_number(number),
            email: format!("Person{number}@contoso.example"),
            name: format!("Person {number}"),
            role,
            password_hash: "$argon2id$1".to_owned(),
        }
    }

    async fn add(store: &Store, number: u128, role: Role) -> OperatorId {
        let new = person(number, role);
        let mut tx = store.write().await.unwrap();
        create(&mut tx, &new, &AUTHOR, NOW).await.unwrap();
        tx.commit().await.unwrap();
        new.id
    }

    fn form(operator: &Operator, role: Role) -> OperatorForm {
        OperatorForm {
            email: operator.email.clone(),
            name: operator.name.clone(),
            role,
        }
    }

    async fn get(store: &Store, id: OperatorId) -> Operator {
        let mut connection = store.read().await.unwrap();
        find(&mut connection, id).await.unwrap().unwrap()
    }

    both_engines! {
        async fn an_operator_is_found_by_mail_address_however_it_is_typed(store: Store) {
            let id = add(&store, 1, Role::Owner).await;
            let mut connection = store.read().await.unwrap();
            let found = find_by_email(&mut connection, " PERSON1@Contoso.Example").await.unwrap();
            let found = found.unwrap();
            assert_eq!(found.operator.id, id);
            assert_eq!(found.password_hash, "$argon2id$1");
            assert!(find_by_email(&mut connection, "nobody@contoso.example").await.unwrap().is_none());
        }

        async fn two_operators_never_share_a_mail_address(store: Store) {
            add(&store, 1, Role::Owner).await;
            let mut tx = store.write().await.unwrap();
            let twin = NewOperator { id: OperatorId::from_number(2), ..person(1, Role::Auditor) };
            let refusal = create(&mut tx, &twin, &AUTHOR, NOW).await.unwrap_err();
            assert!(refusal.is_conflict(Constraint::OperatorEmail));
        }

        async fn the_last_enabled_owner_cannot_leave_in_any_way(store: Store) {
            let owner = add(&store, 1, Role::Owner).await;
            let other = add(&store, 2, Role::Owner).await;
            add(&store, 3, Role::Administrator).await;
            let mut tx = store.write().await.unwrap();
            disable(&mut tx, other, 1, &AUTHOR, NOW).await.unwrap();
            tx.commit().await.unwrap();

            let last = get(&store, owner).await;
            let mut tx = store.write().await.unwrap();
            let demoted = form(&last, Role::Administrator);
            for refusal in [
                update(&mut tx, owner, 1, &demoted, &AUTHOR, NOW).await,
                disable(&mut tx, owner, 1, &AUTHOR, NOW).await,
                remove(&mut tx, owner, 1, &AUTHOR, NOW).await,
            ] {
                assert!(refusal.unwrap_err().is_conflict(Constraint::LastOwner));
            }
            enable(&mut tx, other, 2, &AUTHOR, NOW).await.unwrap();
            update(&mut tx, owner, 1, &demoted, &AUTHOR, NOW).await.unwrap();
            remove(&mut tx, owner, 2, &AUTHOR, NOW).await.unwrap();
        }

        async fn two_owners_who_demote_each_other_at_once_leave_one(store: Store) {
            let ids = [add(&store, 1, Role::Owner).await, add(&store, 2, Role::Owner).await];
            let tasks = ids.map(|id| {
                let store = store.clone();
                tokio::spawn(async move {
                    let demoted = form(&get(&store, id).await, Role::Auditor);
                    let mut tx = store.write().await.unwrap();
                    match update(&mut tx, id, 1, &demoted, &AUTHOR, NOW).await {
                        Ok(()) => tx.commit().await,
                        Err(refusal) => Err(refusal),
                    }
                })
            });
            let mut done = 0;
            for task in tasks {
                match task.await.unwrap() {
                    Ok(()) => done += 1,
                    Err(refusal) => assert!(refusal.is_conflict(Constraint::LastOwner), "{refusal:?}"),
                }
            }
            assert_eq!(done, 1);
        }

        async fn a_form_made_from_an_older_version_is_refused(store: Store) {
            let id = add(&store, 1, Role::Owner).await;
            let before = get(&store, id).await;
            let mut tx = store.write().await.unwrap();
            let renamed = OperatorForm { name: "Ada".into(), ..form(&before, Role::Owner) };
            update(&mut tx, id, 1, &renamed, &AUTHOR, NOW).await.unwrap();
            let late = update(&mut tx, id, 1, &form(&before, Role::Owner), &AUTHOR, NOW).await;
            assert!(matches!(late, Err(Error::Stale("operator"))));
            let gone = update(&mut tx, OperatorId::from_number(9), 1, &renamed, &AUTHOR, NOW).await;
            assert!(matches!(gone, Err(Error::NotFound("operator"))));
        }
    }
}
