//! One newtype per kind of id, so that a user's id never lands where a group's belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Random, Timestamp};

/// The text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id (UUIDv7): sorts by `now`, is unguessable by `random`.
            pub fn mint(now: Timestamp, random: &dyn Random) -> Self {
                Self(mint(now, random))
            }

            /// The id with this number: for fixtures, where ids should be readable.
            pub const fn from_number(number: u128) -> Self {
                Self(Uuid::from_u128(number))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // Only the hyphenated form: one object has one URL.
                if text.len() != 36 {
                    return Err(InvalidId);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }
    )+};
}

ids! {
    /// Someone signed in to the portal.
    OperatorId,
    /// A person in the directory.
    UserId,
    /// A group of the directory.
    GroupId,
    /// Something users get access to.
    ApplicationId,
    /// A user or group has an application.
    AssignmentId,
    /// A license an application gives.
    GrantId,
    /// One execution of a sync.
    RunId,
    /// One action of a plan.
    ActionId,
    /// What an account held before a removal.
    SnapshotId,
    /// A key that signs an application's sign-in.
    SigningKeyId,
    /// A passkey of a user.
    PasskeyId,
    /// One uploaded CSV file.
    ImportId,
    /// One event of the audit trail.
    AuditEventId,
    /// The public name of a session, by which its owner may end it.
    SessionKey,
    /// One mail on its way.
    MailId,
    /// Somebody who forgot their password asked for a link.
    PasswordRequestId,
}

fn mint(now: Timestamp, random: &dyn Random) -> Uuid {
    let mut bytes = [0u8; 10];
    random.fill(&mut bytes);
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn ids_sort_by_the_time_they_were_minted() {
        let random = SeededRandom::new(1);
        let older = UserId::mint(Timestamp::from_millis(1_000), &random);
        let newer = UserId::mint(Timestamp::from_millis(1_001), &random);
        assert!(older < newer);
        assert!(older.to_string() < newer.to_string());
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = UserId::from_number(7);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(
            "00000000000000000000000000000007".parse::<UserId>(),
            Err(InvalidId)
        );
        assert_eq!("../../etc/passwd".parse::<UserId>(), Err(InvalidId));
    }
}
