//! The people behind the counts of second factors: who would be asked twice, who could not be
//! read, and who has no second factor here.

use std::str::FromStr;

use signpost_model::readiness::PerUserMfa;
use signpost_model::text::fold;
use signpost_model::{ApplicationId, UserId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::assignments::like_pattern;
use crate::paging::{self, Page, PageRequest};
use crate::rows::TableRow;
use crate::{Result, readiness};

/// Which people are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// Microsoft asks for a second factor at every sign-in, beside Signpost.
    #[default]
    Twice,
    /// The same, of administrators.
    Administrators,
    /// Whether Microsoft asks is not known.
    Unreadable,
    /// Nobody but Microsoft can ask them: they have no second factor here.
    WithoutFactor,
}

impl Asked {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 4] = [
        Self::Twice,
        Self::Administrators,
        Self::Unreadable,
        Self::WithoutFactor,
    ];

    /// The word in addresses.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Twice => "twice",
            Self::Administrators => "administrators",
            Self::Unreadable => "unreadable",
            Self::WithoutFactor => "without-factor",
        }
    }

    /// Which accounts that were read are meant; `None`: it is about users.
    const fn accounts(self) -> Option<&'static str> {
        match self {
            Self::Twice => Some("m.state in ('enabled', 'enforced') and m.administrator = 0"),
            Self::Administrators => {
                Some("m.state in ('enabled', 'enforced') and m.administrator = 1")
            }
            Self::Unreadable => Some("m.state = 'unreadable'"),
            Self::WithoutFactor => None,
        }
    }
}

impl FromStr for Asked {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|asked| asked.key() == text)
            .ok_or(())
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedPerson {
    /// Of the account; of the user where no account is meant.
    id: String,
    /// The user name, as the tenant has it where an account is meant.
    pub user_name: String,
    /// Of the linked user.
    pub display_name: Option<String>,
    pub user_id: Option<UserId>,
    /// `None` when it is not known, or about no account.
    pub state: Option<PerUserMfa>,
    /// Why the account could not be read.
    pub failure: Option<String>,
}

/// A page of them by user name; `search` finds a part of their names.
pub async fn list(
    db: &mut AnyConnection,
    application: ApplicationId,
    asked: Asked,
    search: &str,
    request: &PageRequest,
) -> Result<Page<AskedPerson>> {
    let (beyond, order) = if request.is_backward() {
        ("<", "desc")
    } else {
        (">", "asc")
    };
    let (select, (name, id), found) = match asked.accounts() {
        Some(which) => (
            format!(
                "select m.object_id as id, m.name as user_name, u.display_name, u.id as user_id,
                   m.state, m.failure
                 from mfa_states m
                 left join links l
                   on l.application_id = m.application_id and l.object_id = m.object_id
                 left join users u on u.id = l.user_id and u.deleted_at is null
                 where m.application_id = $1 and {which}"
            ),
            ("m.name_folded", "m.object_id"),
            "(m.name_folded like $2 escape '\\' or u.search like $2 escape '\\')",
        ),
        None => (
            format!(
                "select u.id, u.user_name, u.display_name, u.id as user_id, '' as state,
                   null as failure
                 {}",
                readiness::WITHOUT_FACTOR
            ),
            ("u.user_name_folded", "u.id"),
            "u.search like $2 escape '\\'",
        ),
    };
    let sql = format!(
        "{select} and ($2 = '' or {found})
           and ($3 = '' or {name} {beyond} $3 or ({name} = $3 and {id} {beyond} $4))
         order by {name} {order}, {id} {order} limit $5"
    );
    let cursor = request.cursor.as_ref();
    let from = cursor.map_or(Ok(""), paging::Cursor::text)?;
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(like_pattern(search))
        .bind(from.to_owned())
        .bind(cursor.map_or(String::new(), |cursor| cursor.id().to_owned()))
        .bind(request.fetch())
        .fetch_all(db)
        .await?;
    let people = rows.iter().map(person).collect::<Result<Vec<_>>>()?;
    Ok(paging::page(request, people, |person| {
        (fold(&person.user_name).into(), person.id.clone())
    }))
}

fn person(row: &AnyRow) -> Result<AskedPerson> {
    let row = TableRow::new("mfa_states", row);
    Ok(AskedPerson {
        id: row.text("id")?,
        user_name: row.text("user_name")?,
        display_name: row.optional_text("display_name")?,
        user_id: row.optional_parsed("user_id")?,
        state: row.text("state")?.parse().ok(),
        failure: row.optional_text("failure")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account_readings::{
        AccountState, ListedAccount, ask, claim, list_accounts, save_states,
    };
    use crate::both_engines;
    use crate::fixtures::{NOW, add_connected, add_users, alice};

    async fn read(
        store: &crate::Store,
        states: &[(&str, bool, Result<PerUserMfa, &str>)],
    ) -> ApplicationId {
        add_users(store, 1, &["Ada", "Bob"]).await;
        let application = add_connected(store).await.id;
        let mut tx = store.write().await.unwrap();
        crate::provisioning::touch_application(&mut tx, application)
            .await
            .unwrap();
        ask(&mut tx, application, &alice(), NOW).await.unwrap();
        let lease = claim(&mut tx, "one", 30_000, NOW).await.unwrap().unwrap();
        let accounts: Vec<ListedAccount> = states
            .iter()
            .map(|(name, administrator, _)| ListedAccount {
                object_id: format!("id of {name}"),
                name: format!("{name}@contoso.example"),
                administrator: *administrator,
            })
            .collect();
        list_accounts(&mut tx, &lease, &accounts, NOW)
            .await
            .unwrap();
        let states: Vec<AccountState> = states
            .iter()
            .map(|(name, _, state)| AccountState {
                object_id: format!("id of {name}"),
                state: (*state).map_err(str::to_owned),
            })
            .collect();
        save_states(&mut tx, &lease, &states, NOW).await.unwrap();
        tx.commit().await.unwrap();
        application
    }

    async fn names(
        store: &crate::Store,
        id: ApplicationId,
        asked: Asked,
        search: &str,
    ) -> Vec<String> {
        let mut db = store.read().await.unwrap();
        let page = list(&mut db, id, asked, search, &PageRequest::first(50)).await;
        let name = |person: AskedPerson| {
            let (name, _) = person.user_name.split_once('@').unwrap();
            name.to_owned()
        };
        page.unwrap().items.into_iter().map(name).collect()
    }

    both_engines! {
        async fn each_account_stands_where_it_belongs_and_nowhere_else(store: Store) {
            let id = read(&store, &[
                ("Zoe", false, Ok(PerUserMfa::Enforced)),
                ("alex", false, Ok(PerUserMfa::Enabled)),
                ("root", true, Ok(PerUserMfa::Enforced)),
                ("mute", false, Err("Microsoft did not answer.")),
                ("quiet", false, Ok(PerUserMfa::Disabled)),
            ]).await;
            assert_eq!(names(&store, id, Asked::Twice, "").await, ["alex", "Zoe"]);
            assert_eq!(names(&store, id, Asked::Administrators, "").await, ["root"]);
            assert_eq!(names(&store, id, Asked::Unreadable, "").await, ["mute"]);
            assert_eq!(names(&store, id, Asked::WithoutFactor, "").await.len(), 2);
            assert_eq!(names(&store, id, Asked::Twice, "ZOE@").await, ["Zoe"]);
            assert_eq!(names(&store, id, Asked::Twice, "%").await, Vec::<String>::new());
            assert_eq!(names(&store, id, Asked::WithoutFactor, "ada").await.len(), 1);
        }

        async fn pages_go_forth_and_back_by_name(store: Store) {
            let people: Vec<String> = (0..7).map(|number| format!("p{number}")).collect();
            let states: Vec<_> = people
                .iter()
                .map(|name| (name.as_str(), false, Ok(PerUserMfa::Enforced)))
                .collect();
            let id = read(&store, &states).await;
            let mut db = store.read().await.unwrap();
            let mut request = PageRequest::first(3);
            let mut seen = Vec::new();
            let back = loop {
                let page = list(&mut db, id, Asked::Twice, "", &request).await.unwrap();
                seen.extend(page.items.into_iter().map(|person| person.user_name));
                let Some(next) = page.next else { break page.previous };
                request = PageRequest::at(3, next);
            };
            let wanted: Vec<String> = people.iter().map(|p| format!("{p}@contoso.example")).collect();
            assert_eq!(seen, wanted);
            let request = PageRequest::at(3, back.unwrap());
            let page = list(&mut db, id, Asked::Twice, "", &request).await.unwrap();
            let names: Vec<&str> = page.items.iter().map(|person| person.user_name.as_str()).collect();
            assert_eq!(names, wanted[3..6]);
        }
    }
}
