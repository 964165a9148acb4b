//! Federation of a domain with Microsoft 365: the certificate that signs, and the PowerShell that
//! makes Microsoft trust it. No I/O, no clock.

pub mod certificate;
mod powershell;
mod settings;

pub use certificate::{Certificate, CertificateProblem, SigningKey};
pub use powershell::Script;
pub use settings::{
    FederationSettings, FederationValues, MfaBehavior, PromptLogin, Protocol, SettingField,
    SettingProblem, SettingProblemKind,
};
