//! Which users applications have to look at again.

use signpost_model::{GroupId, UserId};

use crate::{Result, Write};

/// Notes that these users changed, so that applications plan them again.
///
/// Nothing follows users until the first application exists.
pub(crate) async fn touch_users(_tx: &mut Write, _users: &[UserId]) -> Result<()> {
    Ok(())
}

/// Notes that every member of this group changed.
pub(crate) async fn touch_all_of_group(_tx: &mut Write, _group: GroupId) -> Result<()> {
    Ok(())
}
