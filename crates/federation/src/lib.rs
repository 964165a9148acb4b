//! Federation of a domain with Microsoft 365: the identity provider's side of SAML 2.0 and
//! WS-Federation, the certificate that signs, and the PowerShell that makes Microsoft trust it.
//!
//! No I/O, no clock: instants and random numbers are arguments.

pub mod certificate;
pub mod checks;
pub mod key_file;
mod metadata;
mod parameters;
mod powershell;
mod provider;
mod provider_metadata;
pub mod saml;
mod server_certificate;
mod settings;
mod signature;
mod tenant_scripts;
pub mod wsfed;
mod xml;

pub use certificate::{Certificate, CertificateProblem, SigningKey};
pub use metadata::Endpoints;
pub use parameters::ParameterProblem;
pub use powershell::Script;
pub use provider::{
    Demands, IdentityProvider, IssueProblem, PostForm, RelyingParty, SignIn, Strength,
};
pub use provider_metadata::{MAX_METADATA, MetadataProblem, ProviderMetadata};
pub use server_certificate::ServerCertificate;
pub use settings::{
    FederationSettings, FederationValues, PromptLogin, SettingField, SettingProblem,
    SettingProblemKind,
};
pub use signature::{SignatureProblem, Signer};
pub use signpost_model::sign_on::{MfaBehavior, Protocol};
pub use tenant_scripts::{RegistrationValues, per_user_mfa_script};
pub use xml::UnwritableText;
