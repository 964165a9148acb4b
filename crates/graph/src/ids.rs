//! Identifiers of Microsoft's side, one type each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! guid {
    ($(#[$doc:meta] $name:ident),* $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a GUID that is already known to be one.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The GUID.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_guid(text).map(Self).ok_or(InvalidId { what: stringify!($name) })
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )*};
}

guid! {
    /// Id of a user, a group or any other directory object.
    ObjectId,
    /// Id of a product (SKU) that can be licensed.
    SkuId,
    /// Id of a service plan inside a product.
    PlanId,
    /// Application (client) ID of an app registration.
    ClientId,
}

/// Only the hyphenated form: Microsoft writes no other, and a braced or bare one is a paste error.
fn parse_guid(text: &str) -> Option<Uuid> {
    if text.len() == 36 {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

/// Directory (tenant) ID: a GUID, or one of the tenant's domain names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantId(String);

impl TenantId {
    /// The id as it stands in the token endpoint's path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = InvalidId;

    /// Refuses the multi-tenant aliases, which cannot work for an application on its own.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let alias = ["common", "organizations", "consumers"].contains(&text);
        if !alias && (parse_guid(text).is_some() || is_domain(text)) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(InvalidId { what: "TenantId" })
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A DNS domain of the tenant, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(String);

impl DomainName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DomainName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if is_domain(text) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(InvalidId { what: "DomainName" })
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_domain(text: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

/// The text does not have the shape of the id it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}")]
pub struct InvalidId {
    /// Name of the id's type.
    pub what: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_is_a_guid_or_a_domain_and_never_an_alias() {
        for good in [
            "5a1d8c1e-0000-4000-8000-000000000001",
            "Contoso.com",
            "a-b.co.uk",
        ] {
            assert!(good.parse::<TenantId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "common",
            "contoso",
            "a..b",
            "-a.com",
            "a/b.com",
            "a.com/../x",
            "{5a1d8c1e}",
        ] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn object_id_is_read_in_any_case_and_written_in_lower_case() {
        let id: ObjectId = "8C1E0000-AAAA-4000-8000-000000000001".parse().unwrap();
        assert_eq!(id.to_string(), "8c1e0000-aaaa-4000-8000-000000000001");
        assert!(
            "8c1e0000aaaa40008000000000000001"
                .parse::<ObjectId>()
                .is_err()
        );
    }
}
