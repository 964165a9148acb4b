//! What runs took away unasked: many small runs together must not pass the limit of one.

use signpost_model::Timestamp;
use signpost_model::run::{Run, RunScope};
use signpost_model::time::DAY_MS;
use sqlx::AnyConnection;

use crate::Result;

/// From how many accounts something was taken in the last 24 hours without a person's word, or
/// would be by plans that still wait for one. An approval clears the count: whoever gave it has
/// looked. What was asked for user by user does not count, nor do plans that this run replaces.
pub async fn count_unasked(db: &mut AnyConnection, run: &Run, now: Timestamp) -> Result<i64> {
    if run.only_user.is_some() {
        return Ok(0);
    }
    let replaces = run.scope == RunScope::Everyone;
    // A membership that is taken is one account, whoever else loses something.
    Ok(sqlx::query_scalar(
        "select (select count(distinct t.user_id) from runs r join actions t on t.run_id = r.id
         where r.application_id = $1 and r.id <> $2 and r.mode = 'sync' and r.only_user = ''
           and r.approved_at is null and t.removal = 1
           and ((r.state = 'awaiting_approval' and $3 = 0)
             or (t.state = 'applied' and t.changed_at > $4
               and t.changed_at > coalesce((select max(o.approved_at) from runs o
                 where o.application_id = $1), 0))))
         + (select count(*) from runs r join tenant_actions t on t.run_id = r.id
         where r.application_id = $1 and r.id <> $2 and r.mode = 'sync' and r.only_user = ''
           and r.approved_at is null and t.kind = 'remove_member'
           and ((r.state = 'awaiting_approval' and $3 = 0)
             or (t.state = 'applied' and t.changed_at > $4
               and t.changed_at > coalesce((select max(o.approved_at) from runs o
                 where o.application_id = $1), 0))))",
    )
    .bind(run.application_id.to_string())
    .bind(run.id.to_string())
    .bind(i64::from(replaces))
    .bind(now.plus_millis(-DAY_MS).as_millis())
    .fetch_one(db)
    .await?)
}
