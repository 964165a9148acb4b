//! The PowerShell scripts, for an administrator to run.
//!
//! Microsoft lets only a signed-in administrator federate a domain dependably, so Signpost writes
//! the script and the administrator runs it. The files in `powershell/` are whole scripts but for
//! the values, which go into two tables at their top and nowhere else.

use std::fmt::Write as _;

use signpost_model::Cloud;

use crate::{FederationSettings, FederationValues};

/// What an administrator can do to a domain by a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Script {
    /// Looks whether everything is ready; changes nothing.
    Check,
    /// Gives accounts their ImmutableId while the domain is still managed.
    SetImmutableIds,
    /// Hands the sign-in of the domain to the identity provider.
    Federate,
    /// Brings certificates and addresses up to date.
    Update,
    /// Hands the sign-in back to Microsoft.
    Revert,
}

impl Script {
    /// Every script, in the order they are needed.
    pub const ALL: [Self; 5] = [
        Self::Check,
        Self::SetImmutableIds,
        Self::Federate,
        Self::Update,
        Self::Revert,
    ];

    /// The name in addresses and file names.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::SetImmutableIds => "set-immutable-ids",
            Self::Federate => "federate",
            Self::Update => "update",
            Self::Revert => "revert",
        }
    }

    /// The script with this name.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|script| script.key() == key)
    }

    /// The name of the file to save it as.
    pub fn file_name(self, settings: &FederationSettings) -> String {
        format!("{}-{}.ps1", self.key(), settings.values().domain)
    }

    /// The text: ASCII with CRLF line ends, as old Windows editors and PowerShell 5.1 want it.
    pub fn render(self, settings: &FederationSettings) -> String {
        let values = settings.values();
        let mut text = String::new();
        for line in self.template().lines() {
            match line.strip_prefix("# signpost: ") {
                Some("settings") => text.push_str(&settings_table(settings)),
                Some("configuration") => text.push_str(&configuration_table(values)),
                Some("base") => text.push_str(BASE),
                Some("checks") => text.push_str(CHECKS),
                _ => {
                    text.push_str(line);
                    text.push('\n');
                    continue;
                }
            }
            text.push('\n');
        }
        text.replace('\n', "\r\n")
    }

    const fn template(self) -> &'static str {
        match self {
            Self::Check => include_str!("powershell/check.ps1"),
            Self::SetImmutableIds => include_str!("powershell/set-immutable-ids.ps1"),
            Self::Federate => include_str!("powershell/federate.ps1"),
            Self::Update => include_str!("powershell/update.ps1"),
            Self::Revert => include_str!("powershell/revert.ps1"),
        }
    }
}

pub(crate) const BASE: &str = include_str!("powershell/base.ps1");
const CHECKS: &str = include_str!("powershell/checks.ps1");

fn settings_table(settings: &FederationSettings) -> String {
    let values = settings.values();
    let hosts = hosts(values.cloud);
    let next = values.next_signing_certificate.as_ref();
    let rows = [
        ("Domain", values.domain.clone()),
        ("TenantId", values.tenant_id.clone()),
        ("Environment", hosts.environment.to_owned()),
        ("GraphRoot", hosts.graph.to_owned()),
        ("SignInRoot", hosts.sign_in.to_owned()),
        (
            "MetadataUri",
            values.metadata_uri.clone().unwrap_or_default(),
        ),
        ("Thumbprint", values.signing_certificate.sha1_fingerprint()),
        (
            "NextThumbprint",
            next.map(|c| c.sha1_fingerprint()).unwrap_or_default(),
        ),
        ("RevertScript", Script::Revert.file_name(settings)),
    ];
    let mut text = String::new();
    if values.cloud == Cloud::Practice {
        text.push_str(
            "# Written for the practice tenant, which Microsoft does not know:\n\
             # the sign-in will refuse it. Connect a real tenant and download the script again.\n",
        );
    }
    text.push_str("$Settings = @{\n");
    for (name, value) in rows {
        push_row(&mut text, name, &quote(&value));
    }
    text + "}\n"
}

/// The body of the request, property by property in Microsoft Graph's own names.
fn configuration_table(values: &FederationValues) -> String {
    let certificate = values.signing_certificate.base64();
    let next = values
        .next_signing_certificate
        .as_ref()
        .map(|next| next.base64());
    let rows = [
        (
            "'@odata.type'",
            Some("#microsoft.graph.internalDomainFederation"),
        ),
        ("displayName", Some(values.display_name.as_str())),
        ("issuerUri", Some(values.issuer_uri.as_str())),
        (
            "passiveSignInUri",
            Some(values.passive_sign_in_uri.as_str()),
        ),
        ("activeSignInUri", values.active_sign_in_uri.as_deref()),
        ("signOutUri", Some(values.sign_out_uri.as_str())),
        (
            "metadataExchangeUri",
            values.metadata_exchange_uri.as_deref(),
        ),
        ("passwordResetUri", values.password_reset_uri.as_deref()),
        (
            "preferredAuthenticationProtocol",
            Some(values.protocol.graph()),
        ),
        ("federatedIdpMfaBehavior", Some(values.mfa_behavior.graph())),
        ("promptLoginBehavior", Some(values.prompt_login.graph())),
        ("signingCertificate", Some(certificate.as_str())),
        ("nextSigningCertificate", next.as_deref()),
    ];
    let mut text = "$Configuration = [ordered] @{\n".to_owned();
    for (name, value) in rows {
        if let Some(value) = value {
            push_row(&mut text, name, &quote(value));
        }
    }
    push_row(&mut text, "isSignedAuthenticationRequestRequired", "$false");
    text + "}\n"
}

pub(crate) fn push_row(text: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _infallible = writeln!(text, "    {name} = {value}");
}

pub(crate) struct Hosts {
    /// What `Connect-MgGraph` calls the cloud.
    pub(crate) environment: &'static str,
    pub(crate) graph: &'static str,
    sign_in: &'static str,
}

pub(crate) const fn hosts(cloud: Cloud) -> Hosts {
    let (environment, graph, sign_in) = match cloud {
        Cloud::Microsoft365 | Cloud::Practice => (
            "Global",
            "https://graph.microsoft.com",
            "https://login.microsoftonline.com",
        ),
        Cloud::GccHigh => (
            "USGov",
            "https://graph.microsoft.us",
            "https://login.microsoftonline.us",
        ),
        Cloud::Dod => (
            "USGovDoD",
            "https://dod-graph.microsoft.us",
            "https://login.microsoftonline.us",
        ),
        Cloud::China => (
            "China",
            "https://microsoftgraph.chinacloudapi.cn",
            "https://login.partner.microsoftonline.cn",
        ),
    };
    Hosts {
        environment,
        graph,
        sign_in,
    }
}

/// A PowerShell expression for exactly this text, in ASCII only.
///
/// Single quotes keep `$`, backticks and parentheses from meaning anything. PowerShell also takes
/// ‘ ’ ‚ ‛ for single quotes, and version 5.1 reads files without a mark in an 8-bit code page:
/// so everything outside printable ASCII is written as its code.
pub(crate) fn quote(text: &str) -> String {
    let mut parts = Vec::new();
    let mut literal = String::new();
    for c in text.chars() {
        match c {
            '\'' => literal.push_str("''"),
            ' '..='~' => literal.push(c),
            _ => {
                if !literal.is_empty() || parts.is_empty() {
                    parts.push(format!("'{}'", std::mem::take(&mut literal)));
                }
                let mut units = [0; 2];
                let codes = c.encode_utf16(&mut units).iter();
                parts.extend(codes.map(|unit| format!("[char] 0x{unit:04X}")));
            }
        }
    }
    if !literal.is_empty() || parts.is_empty() {
        parts.push(format!("'{literal}'"));
    }
    if parts.len() == 1 {
        parts.remove(0)
    } else {
        format!("({})", parts.join(" + "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads back what `quote` writes, by PowerShell's rules for literals and nothing else.
    fn unquote(expression: &str) -> Option<String> {
        assert!(expression.is_ascii());
        let mut rest = expression
            .strip_prefix('(')
            .map_or(Some(expression), |inner| inner.strip_suffix(')'))?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            if let Some(code) = rest.strip_prefix("[char] 0x") {
                units.push(u16::from_str_radix(code.get(..4)?, 16).ok()?);
                rest = code.get(4..)?;
            } else {
                rest = rest.strip_prefix('\'')?;
                loop {
                    let (text, after) = rest.split_once('\'')?;
                    units.extend(text.encode_utf16());
                    rest = after;
                    let Some(more) = rest.strip_prefix('\'') else {
                        break;
                    };
                    units.push(u16::from(b'\''));
                    rest = more;
                }
            }
            if rest.is_empty() {
                return String::from_utf16(&units).ok();
            }
            rest = rest.strip_prefix(" + ")?;
        }
    }

    #[test]
    fn hostile_names_are_only_text() {
        for (name, expected) in [
            ("Contoso", "'Contoso'"),
            ("", "''"),
            ("O'Brien", "'O''Brien'"),
            ("$(Remove-Item C:)`n\"x\"", "'$(Remove-Item C:)`n\"x\"'"),
            (
                "a’; exit; ‘b",
                "('a' + [char] 0x2019 + '; exit; ' + [char] 0x2018 + 'b')",
            ),
            ("é", "('' + [char] 0x00E9)"),
            ("\r\n", "('' + [char] 0x000D + [char] 0x000A)"),
            ("😀", "('' + [char] 0xD83D + [char] 0xDE00)"),
        ] {
            assert_eq!(quote(name), expected);
            assert_eq!(unquote(expected).as_deref(), Some(name));
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_quoting(text: String) {
            prop_assert_eq!(unquote(&quote(&text)), Some(text));
        }

        #[test]
        fn any_mix_of_quotes_survives_quoting(text in "['‘’‚‛\"`$(){}a\n-]{0,30}") {
            prop_assert_eq!(unquote(&quote(&text)), Some(text));
        }
    }
}
