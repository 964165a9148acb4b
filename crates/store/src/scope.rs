//! Who has an application.

use signpost_model::rule::Rule;
use signpost_model::{AccessType, Application, Attribute, Profile, UserId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::Result;
use crate::rows::TableRow;

/// Whether user `u` is assigned to application `a`, directly or through a group.
pub(crate) const IN_SCOPE_OF_ASSIGNMENT: &str = "(exists (select 1 from assignments s
         where s.application_id = a.id and s.principal_kind = 'user' and s.principal_id = u.id)
      or exists (select 1 from memberships m
         join groups g on g.id = m.group_id and g.deleted_at is null
         join assignments s on s.application_id = a.id and s.principal_kind = 'group'
           and s.principal_id = m.group_id
         where m.user_id = u.id))";

/// Users that are read at once while a rule is judged.
const STRETCH: i64 = 5_000;

/// Whom a rule chooses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuleMatches {
    pub count: i64,
    /// How many users there are in all.
    pub of: i64,
    /// The first of them, in the order of their ids.
    pub first: Vec<MatchedUser>,
}

/// A user that a rule chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedUser {
    pub id: UserId,
    pub display_name: String,
    pub user_name: String,
}

/// Whom a rule chooses now: how many, and the first `show` of them.
pub async fn match_rule(db: &mut AnyConnection, rule: &Rule, show: usize) -> Result<RuleMatches> {
    let mut matches = RuleMatches::default();
    let sql = format!(
        "select u.id, u.display_name, u.user_name{} from users u
         where u.deleted_at is null and u.id > $1 order by u.id limit $2",
        rule_columns(rule)
    );
    let mut after = String::new();
    loop {
        let rows = sqlx::query(AssertSqlSafe(sql.clone()))
            .bind(&after)
            .bind(STRETCH)
            .fetch_all(&mut *db)
            .await?;
        for row in &rows {
            matches.of += 1;
            if !chooses(rule, row)? {
                continue;
            }
            matches.count += 1;
            if matches.first.len() < show {
                let columns = TableRow::new("users", row);
                matches.first.push(MatchedUser {
                    id: columns.parsed("id")?,
                    display_name: columns.text("display_name")?,
                    user_name: columns.text("user_name")?,
                });
            }
        }
        match rows.last() {
            Some(last) if i64::try_from(rows.len()) == Ok(STRETCH) => {
                after = TableRow::new("users", last).text("id")?;
            }
            _ => return Ok(matches),
        }
    }
}

/// How many users have the application now.
pub async fn count(db: &mut AnyConnection, application: &Application) -> Result<i64> {
    let which = match &application.access {
        AccessType::Rule(rule) => return Ok(match_rule(db, rule, 0).await?.count),
        AccessType::AllUsers => "1 = 1",
        AccessType::Assigned => IN_SCOPE_OF_ASSIGNMENT,
    };
    let sql = format!(
        "select count(*) from users u join applications a on a.id = $1
         where u.deleted_at is null and {which}"
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(application.id.to_string())
        .fetch_one(db)
        .await?)
}

/// The columns that [`chooses`] reads, each after a comma, of a table with the alias `u`.
pub(crate) fn rule_columns(rule: &Rule) -> String {
    // The attributes have the names of their columns; the prefix keeps them apart from others.
    let column = |attribute: Attribute| {
        let name = attribute.key();
        format!(", u.{name} as rule_{name}")
    };
    rule.attributes().into_iter().map(column).collect()
}

/// Whether the rule chooses the user of this row.
pub(crate) fn chooses(rule: &Rule, row: &AnyRow) -> Result<bool> {
    use sqlx::Row as _;
    let mut profile = Profile::default();
    for attribute in rule.attributes() {
        let value: String = row.try_get(format!("rule_{}", attribute.key()).as_str())?;
        profile.set(attribute, value);
    }
    Ok(rule.matches_profile(&profile))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::fixtures::{add_application, add_group, add_users, assign, group, user};
    use signpost_model::Principal;
    use signpost_model::rule::{Combine, Comparison, Condition};

    fn names_with(part: &str) -> Rule {
        Rule {
            combine: Combine::All,
            conditions: vec![Condition {
                attribute: Attribute::DisplayName,
                comparison: Comparison::Contains,
                value: part.to_owned(),
            }],
        }
    }

    both_engines! {
        async fn a_rule_shows_whom_it_chooses(store: Store) {
            add_users(&store, 1, &["Ada", "Bob", "Carla"]).await;
            let mut db = store.read().await.unwrap();
            let found = match_rule(&mut db, &names_with("A"), 1).await.unwrap();
            assert_eq!((found.count, found.of), (2, 3));
            assert_eq!(found.first.len(), 1);
            assert_eq!(found.first[0].display_name, "Ada");
        }

        async fn who_is_assigned_twice_counts_once(store: Store) {
            add_users(&store, 1, &["Ada", "Bob", "Carla"]).await;
            add_group(&store, 1, "Sales", &[1, 2]).await;
            let application = add_application(&store, "M365", AccessType::Assigned).await;
            let both = [Principal::User(user(1)), Principal::Group(group(1))];
            assign(&store, application.id, &both).await;
            let mut db = store.read().await.unwrap();
            assert_eq!(count(&mut db, &application).await.unwrap(), 2);
        }
    }
}
