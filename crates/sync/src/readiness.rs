//! Readiness: what must hold in a tenant before its domain is handed over.
//!
//! [`gather`] reads the tenant, each read judged alone; [`assess`] is a pure function of what was
//! read. A read that fails makes its check unknown, never passed.

mod facts;
mod gather;
mod permissions;
mod rules;

pub use facts::{
    AccountReading, Administrator, ConditionalAccess, DomainFact, Facts, FederationFact,
    MetadataFact, NamesOutside, OwnSide, Read, TlsFact, TlsProblem,
};
pub use gather::{Gathered, gather, read_of, secret_end};
pub use permissions::{Judgement, NEEDS, Need, needs_of};
pub use rules::assess;
