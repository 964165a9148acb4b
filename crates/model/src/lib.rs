//! The words of Signpost as types: what every crate agrees on.
//!
//! Nothing here does I/O, reads a clock or draws a random number: time and randomness come in
//! as arguments ([`Timestamp`], [`Random`]).

pub mod application;
pub mod audit;
pub mod connection;
pub mod directory;
pub mod federation;
pub mod group_push;
pub mod id;
pub mod license;
pub mod mail;
pub mod observation;
pub mod operator;
pub mod plan;
pub mod policy;
pub mod provisioning;
pub mod random;
pub mod readiness;
pub mod rule;
pub mod run;
pub mod secret;
pub mod sign_on;
pub mod tenant;
pub mod text;
pub mod time;

pub use application::{AccessType, Application, Assignment, Principal};
pub use audit::{Actor, AuditEntry, Author};
pub use connection::{Cloud, ConnectionState};
pub use directory::{Attribute, Group, Profile, Source, SourceAnchor, User};
pub use id::{
    ActionId, ApplicationId, AssignmentId, AuditEventId, GrantId, GroupId, ImportId, MailId,
    OperatorId, PasskeyId, PasswordRequestId, RunId, SessionKey, SigningKeyId, SnapshotId, UserId,
};
pub use observation::{KnownAccount, Observation, ObservedLicense};
pub use operator::{Operator, Role};
pub use policy::Policy;
pub use provisioning::{PlanInput, Provisioning, ProvisioningState};
pub use random::Random;
pub use secret::Secret;
pub use sign_on::SignOnSettings;
pub use tenant::{KeptValue, PlannedTenantAction, TenantAction, TenantRequest};
pub use time::{Clock, Timestamp};
