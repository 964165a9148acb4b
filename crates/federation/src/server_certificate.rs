//! What a TLS certificate says of itself, whoever made it.

use signpost_model::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// Names that are told; certificates for many hosts have hundreds.
const MOST_NAMES: usize = 20;

/// A server's certificate, read and not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCertificate {
    /// The hosts that it is for.
    pub names: Vec<String>,
    /// Who signed it, in words.
    pub issuer: String,
    /// Whether it signed itself.
    pub self_signed: bool,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
}

impl ServerCertificate {
    /// Reads DER; `None` for what is no certificate.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let at = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|names| &names.value.general_names);
        let issuer = parsed.issuer();
        let name = |kind: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            kind.as_str().map(str::to_owned).ok()
        };
        Some(Self {
            names: names.filter_map(name_of).take(MOST_NAMES).collect(),
            issuer: issuer
                .iter_common_name()
                .chain(issuer.iter_organization())
                .find_map(name)
                .unwrap_or_else(|| issuer.to_string()),
            self_signed: issuer == parsed.subject(),
            starts_at: at(parsed.validity().not_before.timestamp()),
            ends_at: at(parsed.validity().not_after.timestamp()),
        })
    }
}

fn name_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            ref bytes => <[u8; 16]>::try_from(bytes)
                .ok()
                .map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_issuer_and_days_are_read_and_nothing_else_passes() {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["portal.contoso.example".to_owned(), "127.0.0.1".to_owned()];
        let mut params = rcgen::CertificateParams::new(names.clone()).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Contoso");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 4, 1);
        let certificate = params.self_signed(&key).unwrap();
        let read = ServerCertificate::read(certificate.der()).unwrap();
        assert_eq!(read.names, names);
        assert_eq!((read.issuer.as_str(), read.self_signed), ("Contoso", true));
        assert_eq!(read.ends_at.to_string(), "2026-04-01T00:00:00Z");
        assert_eq!(ServerCertificate::read(b"<html>"), None);
    }
}
