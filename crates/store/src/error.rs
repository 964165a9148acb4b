//! What can go wrong in the store, as values that callers can act on.

use sqlx::error::ErrorKind;

/// The result of every call of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call of the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database refused or could not be reached.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// Another writer holds what is needed: trying again later is right.
    #[error("the database is busy")]
    Busy(#[source] sqlx::Error),
    /// A stored value breaks a rule that the program relies on.
    #[error("{table}.{column} of row {row} cannot be read")]
    Inconsistent {
        table: &'static str,
        column: &'static str,
        row: String,
    },
    /// A statement changed another number of rows than it must.
    #[error("{table}: {actual} rows changed, not {expected}")]
    RowsAffected {
        table: &'static str,
        expected: u64,
        actual: u64,
    },
    /// The change breaks a rule of the database.
    #[error("the change breaks {0:?}")]
    Conflict(Constraint),
    /// What was to be changed does not exist (any more).
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It was changed by someone else since it was read.
    #[error("the {0} was changed in the meantime")]
    Stale(&'static str),
    /// Another worker holds the run now: whatever this one still wanted to write is refused.
    #[error("the run is held by another worker")]
    LeaseLost,
    /// The cursor of a page was not made by the list it is used on.
    #[error("not a place in this list")]
    InvalidCursor,
    /// A sealed value cannot be opened: wrong key, or moved from another row.
    #[error("the sealed value of {0} cannot be opened with this master key")]
    Unsealable(String),
    /// The master key is not the one this database was set up with.
    #[error(
        "the master key does not belong to this database: it was sealed with key {expected}, \
         and this is key {actual}"
    )]
    WrongMasterKey { expected: String, actual: String },
    /// The database was written by a newer version of the program.
    #[error(
        "the database was set up by a newer version of Signpost (its schema is version {found}, \
         this program knows up to {known}): start the newer version"
    )]
    NewerDatabase { found: i64, known: i64 },
    /// The schema could not be brought up to date.
    #[error("the database could not be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The address of the database cannot be used.
    #[error("{0}")]
    InvalidSettings(String),
    /// The file of a database is damaged.
    #[error("{path} is damaged: {said}")]
    Damaged { path: String, said: String },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        path: String,
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the change broke exactly this rule.
    pub fn is_conflict(&self, constraint: Constraint) -> bool {
        matches!(self, Self::Conflict(broken) if *broken == constraint)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::PoolTimedOut = error {
            return Self::Busy(error);
        }
        let Some(refusal) = error.as_database_error() else {
            return Self::Database(error);
        };
        match refusal.kind() {
            ErrorKind::UniqueViolation => {
                match Constraint::find(refusal.constraint(), refusal.message()) {
                    Some(constraint) => Self::Conflict(constraint),
                    None => Self::Database(error),
                }
            }
            // SQLite does not say which reference is broken, so nobody may depend on it.
            ErrorKind::ForeignKeyViolation => Self::Conflict(Constraint::Reference),
            _ if refusal.code().is_some_and(|code| is_busy(&code)) => Self::Busy(error),
            _ => Self::Database(error),
        }
    }
}

/// SQLite: busy and locked, with their extended codes. PostgreSQL: serialization failure,
/// deadlock, lock not available.
fn is_busy(code: &str) -> bool {
    matches!(
        code,
        "5" | "261" | "517" | "773" | "6" | "262" | "40001" | "40P01" | "55P03"
    )
}

macro_rules! constraints {
    ($($(#[$doc:meta])* $name:ident = $postgres:literal, $sqlite:literal;)+) => {
        /// A rule of the database that a change can break.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Constraint {
            /// A row that is referred to does not exist, or is still referred to.
            Reference,
            /// The last enabled Owner would be gone.
            LastOwner,
            /// Someone would report to themselves, directly or by way of others.
            ManagerCycle,
            $($(#[$doc])* $name,)+
        }

        impl Constraint {
            /// PostgreSQL names the constraint; SQLite says the columns in its message.
            fn find(name: Option<&str>, message: &str) -> Option<Self> {
                const RULES: &[(Constraint, &str, &str)] =
                    &[$((Constraint::$name, $postgres, $sqlite)),+];
                let columns = message.rsplit_once("failed: ").map(|(_, columns)| columns);
                RULES
                    .iter()
                    .find(|(_, postgres, sqlite)| name == Some(postgres) || columns == Some(sqlite))
                    .map(|(constraint, _, _)| *constraint)
            }
        }
    };
}

// Each unique index: its name, and the columns as SQLite lists them.
constraints! {
    /// Two operators with one mail address.
    OperatorEmail = "operators_email_key", "operators.email_folded";
    /// Two sessions with one id.
    SessionId = "sessions_pkey", "sessions.id_hash";
    /// Two users with one user name.
    UserName = "users_user_name_key", "users.user_name_folded";
    /// Two users with one source anchor.
    SourceAnchor = "users_source_anchor_key", "users.source_anchor";
    /// Two groups with one name.
    GroupName = "groups_name_key", "groups.name_folded";
    /// A user is in a group already.
    Membership = "memberships_pkey", "memberships.group_id, memberships.user_id";
    /// Two applications with one name.
    ApplicationName = "applications_name_key", "applications.name_folded";
    /// A user or group has the application already.
    Assignment = "assignments_application_principal_key", "assignments.application_id, assignments.principal_kind, assignments.principal_id";
    /// An account is linked with another user.
    LinkedAccount = "links_application_object_key", "links.application_id, links.object_id";
    /// The same run waits already.
    QueuedRun = "runs_queued_key", "runs.application_id, runs.scope, runs.mode, runs.only_user";
    /// A passkey that is known already.
    Passkey = "passkeys_credential_key", "passkeys.credential_id";
    /// Another run works on the tenant.
    ActiveRun = "runs_active_key", "runs.application_id";
    /// Two events of the audit trail with one number.
    AuditSequence = "audit_events_pkey", "audit_events.sequence";
}
