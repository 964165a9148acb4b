//! Disabling, enabling, deleting and restoring: one user, or those that are ticked.

use leptos::prelude::*;
use signpost_model::{Role, UserId};
use signpost_store::users::{self, MAX_AT_ONCE};
use signpost_store::{Constraint, Error};

use crate::components::plural::count;
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Posted, Refusal, respond};
use crate::listing::Query;
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// What is done to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Enable,
    Disable,
    Delete,
    Restore,
}

impl Act {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "enable" => Some(Self::Enable),
            "disable" => Some(Self::Disable),
            "delete" => Some(Self::Delete),
            "restore" => Some(Self::Restore),
            _ => None,
        }
    }

    /// The word that takes it back.
    const fn undo(self) -> &'static str {
        match self {
            Self::Enable => "disable",
            Self::Disable => "enable",
            Self::Delete => "restore",
            Self::Restore => "delete",
        }
    }

    fn words(self, who: &str, several: bool) -> String {
        let are = if several { "are" } else { "is" };
        match self {
            Self::Enable => format!("{who} {are} enabled."),
            Self::Disable => format!("{who} {are} disabled and may not sign in."),
            Self::Delete => format!("{who} {are} deleted. You can restore them for 30 days."),
            Self::Restore => format!("{who} {are} back, with groups and manager."),
        }
    }
}

/// Carries out the act of the button that was pressed.
#[server(prefix = "/api", endpoint = "users/change")]
pub async fn change_users(
    #[server(default)] act: String,
    #[server(default)] list: String,
    #[server(default)] user: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let back = back(&list, &user);
        let ids = ticked();
        if ids.is_empty() {
            return Err(FormErrors::summary("Tick the users first.").refuse(back));
        }
        if act == "add_to_group" {
            return Ok(Answer::to(super::join::address(&ids)));
        }
        let act = Act::parse(&act).ok_or(PortalError::BadRequest)?;
        change(act, &ids, &list, &user, back).await
    })
    .await
}

async fn change(
    act: Act,
    ids: &[UserId],
    list: &str,
    user: &str,
    back: String,
) -> Result<Answer, Refusal> {
    let (portal, author) = (portal()?, visit().author());
    let now = portal.clock.now();
    let mut tx = portal.store.write().await?;
    let changed = match act {
        Act::Enable => users::enable(&mut tx, ids, &author, now).await,
        Act::Disable => users::disable(&mut tx, ids, &author, now).await,
        Act::Delete => users::delete(&mut tx, ids, &author, now).await,
        Act::Restore => users::restore(&mut tx, ids, &author, now).await,
    };
    let changed = match changed {
        Err(Error::Conflict(Constraint::UserName)) => {
            let text = "Nobody was restored: a user name was given to someone else meanwhile. \
                        Change that user's name, then restore again.";
            return Err(FormErrors::summary(text).refuse(back));
        }
        other => other?,
    };
    let known = users::find_many(&mut tx, ids).await?;
    tx.commit().await?;
    portal.worker.notify_one();
    // Nothing to change: a second click on the same button. It gets the same answer.
    let done = if changed.is_empty() { ids } else { &changed };
    let several = done.len() > 1;
    let who = match known.iter().find(|user| done.contains(&user.id)) {
        None => return Err(PortalError::NotFound.into()),
        Some(user) if !several => user.profile.display_name.clone(),
        Some(_) => count(done.len() as u64, "user", "users"),
    };
    let fields = done.iter().map(|id| ("ids", id.to_string())).chain([
        ("act", act.undo().to_owned()),
        ("list", list.to_owned()),
        ("user", user.to_owned()),
    ]);
    let notice = Notice::success(act.words(&who, several)).undo("/api/users/change", fields);
    Ok(Answer::to(back).notice(notice))
}

/// The ticked users, without repetition.
pub(crate) fn ticked() -> Vec<UserId> {
    let posted = Posted::current();
    let mut ids: Vec<UserId> = posted
        .all("ids")
        .take(MAX_AT_ONCE)
        .filter_map(|id| id.parse().ok())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The page the button was on: a user's own, or the list with its filters.
fn back(list: &str, user: &str) -> String {
    match user.parse::<UserId>() {
        Ok(id) => urls::user(id),
        Err(_) => Query::parse(list).address(urls::USERS),
    }
}
