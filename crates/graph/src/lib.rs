//! A typed Microsoft Graph client: tokens, retries, throttling, paging, delta, batch.
//!
//! It knows Graph and nothing of the portal. One [`Client`] serves one connection:
//!
//! ```no_run
//! use std::sync::Arc;
//! use signpost_graph::{Client, Cloud, Config, Credential, SecretText, SystemClock};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Config::new(
//!     Cloud::Global,
//!     "contoso.com".parse()?,
//!     "7f0c0000-0000-4000-8000-000000000001".parse()?,
//!     Credential::Secret(SecretText::new("the secret's value")),
//!     Arc::new(SystemClock),
//!     42,
//! ))?;
//! println!("{:?}", client.interactive().organization().await?.display_name);
//! # Ok(())
//! # }
//! ```
//!
//! What it promises about repeating: a read is repeated when that is sensible; a change only
//! after an answer that proves it was not made. Every other failed change says whether its
//! outcome is unknown ([`Error::outcome_unknown`]).

mod account;
mod batch;
mod change;
mod client;
mod clock;
mod cloud;
mod credential;
mod error;
mod federation;
mod gate;
mod ids;
mod observe;
mod own_certificates;
mod page;
mod patch;
mod permission;
mod policies;
mod read;
mod refusal;
mod request;
mod retry;
mod route;
mod secret;
mod sender;
mod tenant;
mod throttle;
mod token;
mod token_error;
mod transport;
mod write;

pub use account::{
    Account, AccountChange, AssignedLicense, AssignmentState, LicenseFault, LicenseState,
    Reference, ReferenceChange, Removed, RemovedReason,
};
pub use batch::PARTS_PER_BATCH;
pub use change::Change;
pub use client::{Client, Config, SetupError, WriteGuard};
pub use clock::{Clock, SystemClock};
pub use cloud::Cloud;
pub use credential::{CertificateCredential, Credential, InvalidCertificate};
pub use error::{Call, Error, ErrorKind, Phase, Rejection};
pub use federation::{FederatedMfa, FederationConfiguration, FederationProtocol, PromptLogin};
pub use ids::{ClientId, DomainName, InvalidId, ObjectId, PlanId, SkuId, TenantId};
pub use observe::{Observation, Observer, Unobserved};
pub use own_certificates::NewCertificate;
pub use page::{DeltaLink, DeltaPage, DeltaPages, DeltaStart, Pages};
pub use patch::{AccountPatch, GroupPatch, LicenseGrant, NewGroup, NewUser, Profile};
pub use permission::app_role_id;
pub use policies::{
    AuthenticationMethodsPolicy, AuthorizationPolicy, ConditionalAccessPolicy,
    ConditionalAccessState, GrantControls, NewSecret, PerUserMfa, RegistrationCampaign,
    RegistrationDetails, RegistrationEnforcement,
};
pub use read::Selection;
pub use refusal::{Detail, Refusal};
pub use request::Request;
pub use retry::{backoff, parse_retry_after};
pub use route::{Cost, Method, ROUTES, Route};
pub use secret::SecretText;
pub use tenant::{
    AppliesTo, AuthenticationType, CapabilityStatus, DirectoryRole, Domain, Group, GroupChange,
    LicenseDetail, Member, MemberKind, Organization, PrepaidUnits, RegisteredCertificate,
    RegisteredSecret, Registration, RoleHolder, SecurityDefaults, ServicePlan, SubscribedSku,
};
pub use throttle::{Bucket, Priority, Quota, TenantSize, Throttle, Usage};
pub use token::Claims;
pub use token_error::{TokenError, TokenErrorKind};
pub use transport::Limits;
pub use write::{MEMBERS_PER_WRITE, Write, Written};
