//! The applications of one user.

use signpost_model::provisioning::LastOutcome;
use signpost_model::{ApplicationId, ProvisioningState, Timestamp, UserId};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::Result;
use crate::applications::MAX_APPLICATIONS;
use crate::rows::TableRow;
use crate::scope::IN_SCOPE_OF_ASSIGNMENT;

/// An application that a user has, or is leaving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserApplication {
    pub application_id: ApplicationId,
    pub name: String,
    /// `None`: nobody has looked at the user yet.
    pub state: Option<ProvisioningState>,
    pub last_outcome: Option<LastOutcome>,
    /// When a failed user is tried again by itself.
    pub next_try_at: Option<Timestamp>,
}

/// How an assignment gives somebody an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssignedBy {
    /// Themselves.
    User,
    /// A group of this name.
    Group(String),
}

/// Which assignments give the user the application: their own first, then groups by name.
pub async fn assigned_by(
    db: &mut AnyConnection,
    application: ApplicationId,
    user: UserId,
) -> Result<Vec<AssignedBy>> {
    let rows = sqlx::query(
        "select s.principal_kind, coalesce(g.name, '') as name from assignments s
         left join groups g on g.id = s.principal_id and s.principal_kind = 'group'
         where s.application_id = $1
           and ((s.principal_kind = 'user' and s.principal_id = $2)
             or (s.principal_kind = 'group' and g.deleted_at is null
               and exists (select 1 from memberships m
                 where m.group_id = s.principal_id and m.user_id = $2)))
         order by s.principal_kind desc, g.name limit 20",
    )
    .bind(application.to_string())
    .bind(user.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("assignments", row);
            Ok(match row.text("principal_kind")?.as_str() {
                "user" => AssignedBy::User,
                _ => AssignedBy::Group(row.text("name")?),
            })
        })
        .collect()
}

/// The applications of a user, by name. Whom a rule chooses is known once a run has looked.
pub async fn list(db: &mut AnyConnection, user: UserId) -> Result<Vec<UserApplication>> {
    let sql = format!(
        "select a.id, a.name, p.state, p.last_outcome, p.due_at from applications a
         join users u on u.id = $1
         left join provisioning p on p.application_id = a.id and p.user_id = u.id
         where a.deleted_at is null and (a.access_type = 'all_users'
           or (a.access_type = 'assigned' and {IN_SCOPE_OF_ASSIGNMENT})
           or (p.state <> 'left' and (a.access_type = 'rule' or p.state = 'leaving')))
         order by a.name_folded, a.id limit {MAX_APPLICATIONS}"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(user.to_string())
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| {
            let row = TableRow::new("applications", row);
            let state = row.optional_parsed("state")?;
            Ok(UserApplication {
                application_id: row.parsed("id")?,
                name: row.text("name")?,
                state,
                last_outcome: row.optional_json("last_outcome")?,
                next_try_at: row
                    .optional_time("due_at")?
                    .filter(|_| state == Some(ProvisioningState::Failed)),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{add_application, add_group, add_users, assign, group, user};
    use crate::{Store, both_engines};
    use signpost_model::{AccessType, Principal};

    async fn names(store: &Store, number: u128) -> Vec<String> {
        let mut db = store.read().await.unwrap();
        let found = list(&mut db, user(number)).await.unwrap();
        found.into_iter().map(|found| found.name).collect()
    }

    both_engines! {
        async fn a_user_has_what_is_assigned_to_them_their_groups_or_everyone(store: Store) {
            add_users(&store, 1, &["Ada", "Bob", "Carla"]).await;
            add_group(&store, 1, "Sales", &[2]).await;
            add_application(&store, "Everyone's", AccessType::AllUsers).await;
            let assigned = add_application(&store, "Chosen", AccessType::Assigned).await;
            let both = [Principal::User(user(1)), Principal::Group(group(1))];
            assign(&store, assigned.id, &both).await;
            assert_eq!(names(&store, 1).await, ["Chosen", "Everyone's"]);
            assert_eq!(names(&store, 2).await, ["Chosen", "Everyone's"]);
            assert_eq!(names(&store, 3).await, ["Everyone's"]);
            let mut db = store.read().await.unwrap();
            let ways = assigned_by(&mut db, assigned.id, user(2)).await.unwrap();
            assert_eq!(ways, [AssignedBy::Group("Sales".to_owned())]);
        }
    }
}
