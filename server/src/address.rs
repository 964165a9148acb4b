//! The client's network address: the peer's own, unless a listed proxy speaks for it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// A network of trusted proxies, `10.0.0.0/8` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("“{text}” is not an address or a network such as 10.0.0.0/8");
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| invalid())?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| invalid())?,
            None => longest,
        };
        if prefix > longest {
            Err(invalid())
        } else {
            Ok(Self { base, prefix })
        }
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(self.prefix))
                    .unwrap_or(0);
                u32::from(base) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix))
                    .unwrap_or(0);
                u128::from(base) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

/// The address to count and to log.
///
/// Behind listed proxies it is the right-most address of `X-Forwarded-For` that is not one of
/// them. A header that does not parse is an error, never a reason to trust less or more.
pub fn client_address(
    peer: SocketAddr,
    headers: &HeaderMap,
    trusted: &[Network],
) -> Result<IpAddr, InvalidForwarding> {
    let peer = peer.ip().to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return Ok(peer);
    }
    let mut client = peer;
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        let value = value.to_str().map_err(|_| InvalidForwarding)?;
        for part in value.rsplit(',') {
            client = part
                .trim()
                .parse::<IpAddr>()
                .map_err(|_| InvalidForwarding)?
                .to_canonical();
            if !is_trusted(client) {
                return Ok(client);
            }
        }
    }
    Ok(client)
}

/// A listed proxy sent a header that is no list of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("X-Forwarded-For is not a list of addresses")]
pub struct InvalidForwarding;

#[cfg(test)]
mod tests {
    use super::*;

    fn address_of(
        peer: &str,
        forwarded: &str,
        trusted: &[&str],
    ) -> Result<String, InvalidForwarding> {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn a_stranger_cannot_choose_their_address() {
        assert_eq!(
            address_of("203.0.113.9:5", "10.1.1.1", &["10.0.0.0/8"]),
            Ok("203.0.113.9".into())
        );
    }

    #[test]
    fn a_listed_proxy_speaks_for_its_client_only() {
        let trusted = &["10.0.0.0/8"];
        assert_eq!(
            address_of("10.0.0.2:5", "198.51.100.1, 203.0.113.9, 10.0.0.3", trusted),
            Ok("203.0.113.9".into())
        );
    }

    #[test]
    fn a_header_that_does_not_parse_is_refused() {
        assert_eq!(
            address_of("10.0.0.2:5", "nonsense", &["10.0.0.2"]),
            Err(InvalidForwarding)
        );
    }
}
