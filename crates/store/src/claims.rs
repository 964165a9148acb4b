//! What an application's tokens may say about a user: whether they have it, and under which name.

use signpost_model::plan::ObjectId;
use signpost_model::text::fold;
use signpost_model::{AccessType, Application, User, UserId};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::Result;
use crate::accounts;
use crate::rows::TableRow;
use crate::scope::IN_SCOPE_OF_ASSIGNMENT;

/// Who a user is to the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The account's user principal name.
    pub user_name: String,
    /// The account's ImmutableId.
    pub immutable_id: String,
}

/// What may be said about a user; `None` when they may not have the application: disabled, deleted,
/// not assigned, or their account is gone or another's.
pub async fn find(
    db: &mut AnyConnection,
    application: &Application,
    user: &User,
) -> Result<Option<Claims>> {
    let may = user.enabled && user.deleted_at.is_none();
    if !may || !has(db, application, user).await? {
        return Ok(None);
    }
    let linked: Option<String> = sqlx::query_scalar(
        "select object_id from links where application_id = $1 and user_id = $2",
    )
    .bind(application.id.to_string())
    .bind(user.id.to_string())
    .fetch_optional(&mut *db)
    .await?;
    let own = || user.source_anchor.as_str().to_owned();
    let Some(object_id) = linked else {
        // Nobody speaks for an account that is linked with somebody else.
        let name = user.profile.user_name.as_str();
        let named = accounts::find_by_upns(db, application.id, &[name]).await?;
        let taken = named
            .iter()
            .any(|known| known.linked_with.is_some_and(|whose| whose != user.id));
        return Ok((!taken).then(|| Claims {
            user_name: name.to_owned(),
            immutable_id: own(),
        }));
    };
    let accounts = accounts::find_many(db, application.id, &[ObjectId::new(&object_id)]).await?;
    Ok(match accounts.into_iter().next() {
        // Created or linked by hand, and not seen since.
        None => Some(Claims {
            user_name: user.profile.user_name.clone(),
            immutable_id: own(),
        }),
        Some(account) if account.observation.deleted => None,
        Some(account) => Some(Claims {
            immutable_id: account
                .observation
                .immutable_id
                .filter(|id| !id.is_empty())
                .unwrap_or_else(own),
            user_name: account.observation.user_principal_name,
        }),
    })
}

/// Whether the user has the application now.
async fn has(db: &mut AnyConnection, application: &Application, user: &User) -> Result<bool> {
    match &application.access {
        AccessType::AllUsers => Ok(true),
        AccessType::Rule(rule) => Ok(rule.matches_profile(&user.profile)),
        AccessType::Assigned => {
            let sql = format!(
                "select count(*) from users u join applications a on a.id = $1
                 where u.id = $2 and {IN_SCOPE_OF_ASSIGNMENT}"
            );
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(application.id.to_string())
                .bind(user.id.to_string())
                .fetch_one(db)
                .await?;
            Ok(count > 0)
        }
    }
}

/// The user whose account in the tenant has this name, where it differs from their user name.
pub async fn find_user_by_account(
    db: &mut AnyConnection,
    application: &Application,
    name: &str,
) -> Result<Option<UserId>> {
    let named = accounts::find_by_upns(db, application.id, &[name]).await?;
    Ok(named
        .into_iter()
        .filter(|known| !known.observation.deleted)
        .find_map(|known| known.linked_with))
}

/// The user whose account in any application's tenant has this name.
pub async fn find_user_by_any_account(
    db: &mut AnyConnection,
    name: &str,
) -> Result<Option<UserId>> {
    let row = sqlx::query(
        "select l.user_id from accounts c
         join links l on l.application_id = c.application_id and l.object_id = c.object_id
         where c.application_id in (select a.id from applications a where a.deleted_at is null)
           and c.upn_folded = $1 and c.deleted = 0
         order by c.application_id limit 1",
    )
    .bind(fold(name))
    .fetch_optional(db)
    .await?;
    row.map(|row| TableRow::new("links", &row).parsed("user_id"))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{add_application, add_group, add_users, assign, group, user};
    use crate::{Store, both_engines, users};
    use signpost_model::Principal;

    async fn claims_of(store: &Store, application: &Application, number: u128) -> Option<Claims> {
        let mut db = store.read().await.unwrap();
        let found = users::find(&mut db, user(number)).await.unwrap().unwrap();
        find(&mut db, application, &found).await.unwrap()
    }

    both_engines! {
        async fn only_who_has_the_application_is_spoken_for(store: Store) {
            add_users(&store, 1, &["Ada", "Bob", "Carla"]).await;
            add_group(&store, 1, "Sales", &[2]).await;
            let application = add_application(&store, "M365", AccessType::Assigned).await;
            let both = [Principal::User(user(1)), Principal::Group(group(1))];
            assign(&store, application.id, &both).await;
            let ada = claims_of(&store, &application, 1).await.unwrap();
            assert_eq!(ada.user_name, "ada@contoso.example");
            assert_eq!(ada.immutable_id.len(), 32);
            assert!(claims_of(&store, &application, 2).await.is_some());
            assert!(claims_of(&store, &application, 3).await.is_none());
            let mut tx = store.write().await.unwrap();
            users::disable(&mut tx, &[user(1)], &crate::fixtures::alice(), crate::fixtures::NOW)
                .await.unwrap();
            tx.commit().await.unwrap();
            assert!(claims_of(&store, &application, 1).await.is_none());
        }
    }
}
