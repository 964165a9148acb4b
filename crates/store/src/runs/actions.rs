//! The stored actions of a run: for the worker in order, for people by page and filter.

use std::str::FromStr;

use signpost_model::plan::{Action, ActionKind, Blocker, ObjectId, Reason};
use signpost_model::run::{Outcome, UnknownWord};
use signpost_model::{ApplicationId, ProvisioningState, RunId, Timestamp, UserId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::Result;
use crate::assignments::like_pattern;
use crate::paging::{Page, PageRequest, page};
use crate::rows::TableRow;

/// Where an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionState {
    Planned,
    /// Sent, and no answer recorded: unknown when its worker died.
    Sent,
    Applied,
    Failed,
    Skipped,
}

impl ActionState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Failed,
        Self::Skipped,
        Self::Planned,
        Self::Sent,
        Self::Applied,
    ];

    /// The word in the database and in filters.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sent => "sent",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// The words on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Planned => "Planned",
            Self::Sent => "Running",
            Self::Applied => "Done",
            Self::Failed => "Failed",
            Self::Skipped => "Skipped",
        }
    }
}

impl FromStr for ActionState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|state| state.key() == text)
            .ok_or(UnknownWord)
    }
}

/// One action of a stored plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAction {
    pub sequence: i64,
    pub user_id: UserId,
    /// The user's name when the plan was made.
    pub display_name: String,
    /// The user's name now; empty when the user is gone.
    pub user_name: String,
    /// The account; `None` until it is created.
    pub object_id: Option<ObjectId>,
    pub action: Action,
    pub reason: Reason,
    pub state: ActionState,
    pub outcome: Option<Outcome>,
    pub request_id: Option<String>,
    pub changed_at: Timestamp,
}

pub(super) const SELECT: &str = "select t.sequence, t.user_id, t.rank, p.display_name,
       coalesce(u.user_name, '') as user_name,
       coalesce(t.object_id, p.object_id, l.object_id) as object_id, t.body, t.reason, t.state,
       t.outcome, t.request_id, t.changed_at
     from actions t join plan_users p on p.run_id = t.run_id and p.user_id = t.user_id
     join runs r on r.id = t.run_id
     left join users u on u.id = t.user_id
     left join links l on l.application_id = r.application_id and l.user_id = t.user_id";

/// Numbers that are looked through at once for actions in one state.
const WINDOW: i64 = 1_000;

/// The next actions in this state after a place, in the order in which they are to run; those of
/// one user stand together.
pub async fn list_next(
    db: &mut AnyConnection,
    run: RunId,
    state: ActionState,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredAction>> {
    let last: i64 = sqlx::query_scalar("select actions from runs where id = $1")
        .bind(run.to_string())
        .fetch_one(&mut *db)
        .await?;
    // The numbers have no gaps. A bounded range is cheap whatever the database believes about
    // the states, which change all the time.
    let sql = format!(
        "{SELECT} where t.run_id = $1 and t.state = $2 and t.sequence > $3 and t.sequence <= $4
         order by t.sequence limit $5"
    );
    let (mut found, mut from) = (Vec::new(), after);
    while from < last && i64::try_from(found.len()).unwrap_or(i64::MAX) < limit {
        let missing = limit - i64::try_from(found.len()).unwrap_or(limit);
        let to = from.saturating_add(WINDOW.max(missing));
        let rows = sqlx::query(AssertSqlSafe(sql.clone()))
            .bind(run.to_string())
            .bind(state.key())
            .bind(from)
            .bind(to)
            .bind(missing)
            .fetch_all(&mut *db)
            .await?;
        for row in &rows {
            found.push(stored(row)?);
        }
        from = to;
    }
    Ok(found)
}

/// The next actions after a place whatever their state: for exports.
pub async fn list_all(
    db: &mut AnyConnection,
    run: RunId,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredAction>> {
    let sql =
        format!("{SELECT} where t.run_id = $1 and t.sequence > $2 order by t.sequence limit $3");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(run.to_string())
        .bind(after)
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(stored).collect()
}

/// The newest actions on one user's account that were tried, at most `limit`.
pub async fn list_of_user(
    db: &mut AnyConnection,
    application: ApplicationId,
    user: UserId,
    limit: i64,
) -> Result<Vec<StoredAction>> {
    let sql = format!(
        "{SELECT} where r.application_id = $1 and p.user_id = $2 and t.user_id = $2
           and t.state in ('applied', 'failed', 'skipped')
         order by t.run_id desc, t.sequence desc limit $3"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(application.to_string())
        .bind(user.to_string())
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(stored).collect()
}

/// Narrows the actions on a run's page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActionFilter {
    pub kind: Option<ActionKind>,
    pub state: Option<ActionState>,
    /// Part of a user's name or user name.
    pub search: String,
}

/// A page of a run's actions, problems first.
pub async fn list(
    db: &mut AnyConnection,
    run: RunId,
    filter: &ActionFilter,
    request: &PageRequest,
) -> Result<Page<StoredAction>> {
    let (beyond, order) = if request.is_backward() {
        ("<", "desc")
    } else {
        (">", "asc")
    };
    let (rank, sequence) = match &request.cursor {
        Some(cursor) => {
            let sequence = cursor
                .id()
                .parse()
                .map_err(|_| crate::Error::InvalidCursor)?;
            (cursor.number()?, sequence)
        }
        None => (-1, -1),
    };
    let sql = format!(
        "{SELECT} where t.run_id = $1 and ($2 = '' or t.kind = $2) and ($3 = '' or t.state = $3)
           and ($4 = '' or u.search like $4 escape '\\')
           and ($5 < 0 or (t.rank, t.sequence) {beyond} ($5, $6))
         order by t.rank {order}, t.sequence {order} limit $7"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(run.to_string())
        .bind(filter.kind.map_or("", ActionKind::key))
        .bind(filter.state.map_or("", ActionState::key))
        .bind(like_pattern(&filter.search))
        .bind(rank)
        .bind::<i64>(sequence)
        .bind(request.fetch())
        .fetch_all(db)
        .await?;
    let actions = rows
        .iter()
        .map(|row| Ok((TableRow::new("actions", row).number("rank")?, stored(row)?)))
        .collect::<Result<Vec<_>>>()?;
    let key = |(rank, action): &(i64, StoredAction)| ((*rank).into(), action.sequence.to_string());
    Ok(page(request, actions, key).map(|(_, action)| action))
}

/// How many actions of a run there are of each kind and state.
pub async fn count(
    db: &mut AnyConnection,
    run: RunId,
) -> Result<Vec<(ActionKind, ActionState, i64)>> {
    let rows = sqlx::query(
        "select kind, state, count(*) as number from actions where run_id = $1
         group by kind, state order by kind, state",
    )
    .bind(run.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("actions", row);
            let kind = columns.parsed("kind")?;
            Ok((kind, columns.parsed("state")?, columns.number("number")?))
        })
        .collect()
}

/// A user on whom the planner did not act, or not in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedUser {
    pub user_id: UserId,
    pub display_name: String,
    pub user_name: String,
    pub state_after: ProvisioningState,
    pub blockers: Vec<Blocker>,
}

/// Blocked users of a run, those that need a choice first, after a place (the last user of the
/// page before).
pub async fn list_blocked(
    db: &mut AnyConnection,
    run: RunId,
    request: &PageRequest,
) -> Result<Page<BlockedUser>> {
    let (beyond, order, reverse) = if request.is_backward() {
        (">", "asc", "desc")
    } else {
        ("<", "desc", "asc")
    };
    let id_beyond = if request.is_backward() { "<" } else { ">" };
    let sql = format!(
        "select p.user_id, p.display_name, coalesce(u.user_name, '') as user_name, p.state_after,
           p.blockers, p.needs_choice
         from plan_users p left join users u on u.id = p.user_id
         where p.run_id = $1 and p.blockers is not null
           and ($2 < 0 or p.needs_choice {beyond} $2
             or (p.needs_choice = $2 and p.user_id {id_beyond} $3))
         order by p.needs_choice {order}, p.user_id {reverse} limit $4"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(run.to_string())
        .bind(
            request
                .cursor
                .as_ref()
                .map_or(Ok(-1), |cursor| cursor.number())?,
        )
        .bind(request.cursor.as_ref().map_or("", |cursor| cursor.id()))
        .bind(request.fetch())
        .fetch_all(db)
        .await?;
    let users = rows
        .iter()
        .map(|row| {
            let columns = TableRow::new("plan_users", row);
            let user = BlockedUser {
                user_id: columns.parsed("user_id")?,
                display_name: columns.text("display_name")?,
                user_name: columns.text("user_name")?,
                state_after: columns.parsed("state_after")?,
                blockers: columns.json("blockers")?,
            };
            Ok((columns.number("needs_choice")?, user))
        })
        .collect::<Result<Vec<_>>>()?;
    let key = |(choice, user): &(i64, BlockedUser)| ((*choice).into(), user.user_id.to_string());
    Ok(page(request, users, key).map(|(_, user)| user))
}

pub(super) fn stored(row: &AnyRow) -> Result<StoredAction> {
    let columns = TableRow::new("actions", row);
    let reason = columns.text("reason")?;
    Ok(StoredAction {
        sequence: columns.number("sequence")?,
        user_id: columns.parsed("user_id")?,
        display_name: columns.text("display_name")?,
        user_name: columns.text("user_name")?,
        object_id: columns
            .optional_text("object_id")?
            .map(|id| ObjectId::new(&id)),
        action: columns.json("body")?,
        reason: serde_json::from_value(reason.into())
            .map_err(|_| columns.inconsistent("reason"))?,
        state: columns.parsed("state")?,
        outcome: columns.optional_json("outcome")?,
        request_id: columns.optional_text("request_id")?,
        changed_at: columns.time("changed_at")?,
    })
}
