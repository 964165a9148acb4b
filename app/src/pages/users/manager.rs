//! Who is meant by what was typed as manager.

use signpost_model::UserId;
use signpost_store::users::{self, Direction, UserFilter, UserSort};
use signpost_store::{PageRequest, Read};

use crate::error::PortalError;

/// People proposed for a text that several match.
const MOST_PROPOSALS: u32 = 10;

/// What a text says about the manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meant {
    Nobody,
    Somebody(UserId),
    /// The error for the field.
    Unclear(String),
}

/// A user name, or words that only one user matches.
pub(super) async fn find(read: &mut Read, typed: &str) -> Result<Meant, PortalError> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(Meant::Nobody);
    }
    if let Some(user) = users::find_by_user_name(read, typed).await? {
        return Ok(Meant::Somebody(user.id));
    }
    let found = search(read, typed).await?;
    Ok(match found.as_slice() {
        [] => Meant::Unclear(format!(
            "Nobody is called “{typed}”. Enter a user name such as ada@contoso.com."
        )),
        [(id, _, _)] => Meant::Somebody(*id),
        several => {
            let names: Vec<_> = several
                .iter()
                .take(3)
                .map(|(_, user_name, _)| user_name.as_str())
                .collect();
            Meant::Unclear(format!(
                "Several users match “{typed}”. Enter one user name, for example {}.",
                names.join(" or ")
            ))
        }
    })
}

/// User names and names of those who could be meant.
pub(super) async fn propose(
    read: &mut Read,
    typed: &str,
) -> Result<Vec<(String, String)>, PortalError> {
    if typed.trim().is_empty() {
        return Ok(Vec::new());
    }
    let found = search(read, typed).await?;
    Ok(found
        .into_iter()
        .map(|(_, user_name, name)| (user_name, name))
        .collect())
}

async fn search(
    read: &mut Read,
    typed: &str,
) -> Result<Vec<(UserId, String, String)>, PortalError> {
    let filter = UserFilter {
        search: typed.chars().take(200).collect(),
        ..UserFilter::default()
    };
    let order = (UserSort::DisplayName, Direction::Ascending);
    let found = users::list(read, &filter, order, &PageRequest::first(MOST_PROPOSALS)).await?;
    Ok(found
        .items
        .into_iter()
        .map(|item| (item.id, item.user_name, item.display_name))
        .collect())
}
