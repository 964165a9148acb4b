//! Who may try a password or a code now.
//!
//! Failures are counted before the work, so that many tries at once count as many. A person is
//! never locked out for good: what others get wrong elsewhere holds up only those who got
//! something wrong too, and no delay is longer than a quarter of an hour.

use std::net::IpAddr;

use signpost_model::text::fold;
use signpost_model::time::MINUTE_MS;
use signpost_model::{OperatorId, Timestamp, UserId};
use signpost_store::throttles::{self, ThrottleRule};
use signpost_store::{Result, Write};

/// One person in one network: four mistakes are free.
fn here() -> ThrottleRule {
    ThrottleRule::default()
}

/// A whole network: an office behind one address makes more mistakes.
fn network() -> ThrottleRule {
    ThrottleRule {
        free_failures: 20,
        ..ThrottleRule::default()
    }
}

/// One account, from everywhere: against a password tried from many networks.
fn everywhere() -> ThrottleRule {
    ThrottleRule {
        free_failures: 50,
        longest_delay_ms: MINUTE_MS,
        ..ThrottleRule::default()
    }
}

/// The keys of a try to sign in with a password.
#[derive(Debug)]
pub struct PasswordTry {
    here: String,
    network: String,
    everywhere: String,
}

impl PasswordTry {
    /// A try for the account of this mail address, existing or not, from this address.
    pub fn new(email: &str, address: &str) -> Self {
        let (email, network) = (fold(email.trim()), network_of(address));
        Self {
            here: format!("sign-in:{network}:{email}"),
            network: format!("network:{network}"),
            everywhere: format!("account:{email}"),
        }
    }

    /// A try of a user of this name, existing or not, from this address. Users and operators are
    /// counted apart, or one could clear what was counted against the other; a network is one.
    pub fn of_user(user_name: &str, address: &str) -> Self {
        let (name, network) = (fold(user_name.trim()), network_of(address));
        Self {
            here: format!("user sign-in:{network}:{name}"),
            network: format!("network:{network}"),
            everywhere: format!("user account:{name}"),
        }
    }

    /// Counts the try; `false` when it must wait.
    pub async fn begin(&self, tx: &mut Write, now: Timestamp) -> Result<bool> {
        let failed_here = throttles::has_failed(tx, &self.here, &here(), now).await?;
        let blocked = is_blocked(tx, &self.here, now).await?
            || is_blocked(tx, &self.network, now).await?
            || (failed_here && is_blocked(tx, &self.everywhere, now).await?);
        if blocked {
            return Ok(false);
        }
        throttles::record_failure(tx, &self.here, &here(), now).await?;
        throttles::record_failure(tx, &self.everywhere, &everywhere(), now).await?;
        Ok(true)
    }

    /// The password was wrong.
    pub async fn failed(&self, tx: &mut Write, now: Timestamp) -> Result<()> {
        throttles::record_failure(tx, &self.network, &network(), now).await?;
        Ok(())
    }

    /// The password was right.
    pub async fn succeeded(&self, tx: &mut Write) -> Result<()> {
        throttles::clear(tx, &self.here).await?;
        throttles::clear(tx, &self.everywhere).await
    }
}

/// The keys of a wish for a link to choose a new password.
#[derive(Debug)]
pub struct LinkTry {
    network: String,
    name: String,
}

impl LinkTry {
    /// A wish for the user of this name, existing or not, from this address.
    pub fn new(user_name: &str, address: &str) -> Self {
        Self {
            network: format!("links to network:{}", network_of(address)),
            name: format!("links to user:{}", fold(user_name.trim())),
        }
    }

    /// Counts the wish; `false` when it must wait. Nothing clears the count but time: each wish is
    /// a mail in somebody's box.
    pub async fn begin(&self, tx: &mut Write, now: Timestamp) -> Result<bool> {
        if is_blocked(tx, &self.network, now).await? || is_blocked(tx, &self.name, now).await? {
            return Ok(false);
        }
        throttles::record_failure(tx, &self.network, &network(), now).await?;
        throttles::record_failure(tx, &self.name, &mailbox(), now).await?;
        Ok(true)
    }
}

/// One mailbox: two links at once are enough for anybody.
fn mailbox() -> ThrottleRule {
    ThrottleRule {
        free_failures: 1,
        first_delay_ms: MINUTE_MS,
        ..ThrottleRule::default()
    }
}

/// Whose proofs are counted together.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    Operator(OperatorId),
    User(UserId),
}

impl From<OperatorId> for Whose {
    fn from(id: OperatorId) -> Self {
        Self::Operator(id)
    }
}

impl From<UserId> for Whose {
    fn from(id: UserId) -> Self {
        Self::User(id)
    }
}

/// Counts a try of a code, or of the own password again; `false` when it must wait.
pub async fn begin_proof(tx: &mut Write, whose: impl Into<Whose>, now: Timestamp) -> Result<bool> {
    let key = proof_key(whose.into());
    if is_blocked(tx, &key, now).await? {
        return Ok(false);
    }
    throttles::record_failure(tx, &key, &here(), now).await?;
    Ok(true)
}

/// The proof was right.
pub async fn end_proof(tx: &mut Write, whose: impl Into<Whose>) -> Result<()> {
    throttles::clear(tx, &proof_key(whose.into())).await
}

fn proof_key(whose: Whose) -> String {
    match whose {
        Whose::Operator(id) => format!("proof:{id}"),
        Whose::User(id) => format!("user proof:{id}"),
    }
}

async fn is_blocked(tx: &mut Write, key: &str, now: Timestamp) -> Result<bool> {
    Ok(throttles::find_block(tx, key, now).await?.is_some())
}

/// Whoever has an IPv6 address has at least the 64 bits below it too.
fn network_of(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => ip.to_string(),
            None => {
                let [a, b, c, d, ..] = ip.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        },
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::network_of;

    #[test]
    fn addresses_of_one_network_are_one() {
        assert_eq!(network_of("192.0.2.1"), "192.0.2.1");
        assert_eq!(network_of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(
            network_of("2001:db8:1:2::3"),
            network_of("2001:db8:1:2:9::")
        );
        assert_ne!(network_of("2001:db8:1:2::3"), network_of("2001:db8:1:3::3"));
    }
}
