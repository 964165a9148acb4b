//! The first start: a one-time code makes the first Owner, and the door then stays shut.

use signpost_model::{Author, Timestamp};
use sqlx::AnyConnection;

use crate::operators::{self, NewOperator};
use crate::settings::{self, Setting};
use crate::{Error, Result, TokenHash, Write};

const CODE_HASH: Setting<String> = Setting::new("setup_code_hash");
/// A latch: it stays when every Owner is gone, so that nobody can set the portal up again.
const DONE_AT: Setting<Timestamp> = Setting::new("setup_done_at");

/// Whether the portal was set up.
pub async fn is_done(connection: &mut AnyConnection) -> Result<bool> {
    Ok(settings::find(connection, &DONE_AT).await?.is_some())
}

/// Replaces the setup code; `false` when the portal is set up and needs none.
pub async fn set_code(tx: &mut Write, code: &TokenHash, now: Timestamp) -> Result<bool> {
    if is_done(tx).await? {
        return Ok(false);
    }
    settings::set(tx, &CODE_HASH, &code.as_str().to_owned(), now).await?;
    Ok(true)
}

/// Makes the first Owner; `false` when the code is wrong, used or no longer needed.
pub async fn complete(
    tx: &mut Write,
    code: &TokenHash,
    owner: &NewOperator,
    author: &Author,
    now: Timestamp,
) -> Result<bool> {
    if is_done(tx).await? || !settings::take(tx, &CODE_HASH, &code.as_str().to_owned()).await? {
        return Ok(false);
    }
    operators::create(tx, owner, author, now).await?;
    Ok(true)
}

/// Shuts the door: from the first Owner on, however they were made.
pub(crate) async fn close(tx: &mut Write, now: Timestamp) -> Result<()> {
    if is_done(tx).await? {
        return Ok(());
    }
    settings::set(tx, &DONE_AT, &now, now).await?;
    match settings::find(tx, &CODE_HASH).await? {
        Some(code) if !settings::take(tx, &CODE_HASH, &code).await? => {
            Err(Error::Stale("setup code"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::both_engines;
    use crate::testing::{AUTHOR, NOW};
    use signpost_model::{OperatorId, Role};

    fn owner(number: u128) -> NewOperator {
        NewOperator {
            id: OperatorId::from_number(number),
            email: format!("owner{number}@contoso.example"),
            name: "Owner".to_owned(),
            role: Role::Owner,
            password_hash: String::new(),
        }
    }

    both_engines! {
        async fn a_setup_code_makes_one_owner_and_no_second(store: Store) {
            let code = TokenHash::of("setup", "code");
            let mut tx = store.write().await.unwrap();
            assert!(set_code(&mut tx, &code, NOW).await.unwrap());
            let wrong = TokenHash::of("setup", "guess");
            assert!(!complete(&mut tx, &wrong, &owner(1), &AUTHOR, NOW).await.unwrap());
            assert!(!is_done(&mut tx).await.unwrap());
            assert!(complete(&mut tx, &code, &owner(1), &AUTHOR, NOW).await.unwrap());
            assert!(is_done(&mut tx).await.unwrap());
            assert!(!complete(&mut tx, &code, &owner(2), &AUTHOR, NOW).await.unwrap());
            assert!(!set_code(&mut tx, &code, NOW).await.unwrap());
        }

        async fn an_owner_from_the_command_line_ends_the_setup_for_good(store: Store) {
            let code = TokenHash::of("setup", "code");
            let mut tx = store.write().await.unwrap();
            set_code(&mut tx, &code, NOW).await.unwrap();
            operators::create(&mut tx, &owner(1), &AUTHOR, NOW).await.unwrap();
            assert!(!complete(&mut tx, &code, &owner(2), &AUTHOR, NOW).await.unwrap());
            sqlx::query("delete from operators").execute(&mut *tx).await.unwrap();
            assert!(!complete(&mut tx, &code, &owner(2), &AUTHOR, NOW).await.unwrap());
        }
    }
}
