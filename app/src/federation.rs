//! Handing the sign-in of an application's domain over: what Microsoft is told, by whom people are
//! signed in, whose accounts it concerns, and what must be true first.

pub mod checks;

use signpost_federation::{Certificate, FederationSettings, FederationValues, PromptLogin};
use signpost_model::federation::{
    ExternalProvider, FederationField, FederationSetup, ProviderKind,
};
use signpost_model::{Application, ApplicationId, SignOnSettings};
use signpost_store::connections::{self, Connection};
use signpost_store::immutable_ids::Ward;
use signpost_store::signing_keys::{self, KnownCertificate, SigningKeyState};
use signpost_store::{Read, applications, identity_providers, sign_on};

use crate::error::PortalError;
use crate::forms::internal;
use crate::identity::{Addresses, current_certificate};
use crate::portal::Portal;

/// An application's federation as it is set up here.
#[derive(Debug, Clone)]
pub struct SetUp {
    pub application: Application,
    pub connection: Option<Connection>,
    pub sign_on: SignOnSettings,
    /// Instead of Signpost's own provider.
    pub external: Option<ExternalProvider>,
    pub values: Values,
}

/// What Microsoft is told.
#[derive(Debug, Clone)]
pub enum Values {
    /// No connection yet.
    NoDomain,
    /// The values cannot be sent, each with its reason.
    Refused(Vec<String>),
    Ready(Box<FederationSettings>),
}

impl SetUp {
    /// Of this application; its own certificate is made on first need.
    pub async fn load(portal: &Portal, id: ApplicationId) -> Result<Self, PortalError> {
        let mut read = portal.store.read().await?;
        let application = applications::find(&mut read, id)
            .await?
            .ok_or(PortalError::NotFound)?;
        let connection = connections::find(&mut read, id).await?;
        let sign_on = sign_on::find(&mut read, id).await?;
        let external = identity_providers::find(&mut read, id).await?;
        drop(read);
        let values = match &connection {
            None => Values::NoDomain,
            Some(connection) => {
                let made = match &external {
                    Some(external) => of_external(&application, connection, &sign_on, external)?,
                    None => of_own(portal, &application, connection, &sign_on).await?,
                };
                match FederationSettings::new(made) {
                    Ok(settings) => Values::Ready(Box::new(settings)),
                    Err(problems) => {
                        Values::Refused(problems.iter().map(ToString::to_string).collect())
                    }
                }
            }
        };
        Ok(Self {
            application,
            connection,
            sign_on,
            external,
            values,
        })
    }

    /// Who signs people in.
    pub const fn provider(&self) -> ProviderKind {
        match self.external {
            Some(_) => ProviderKind::External,
            None => ProviderKind::Own,
        }
    }

    /// The values, when they can be sent.
    pub fn settings(&self) -> Option<&FederationSettings> {
        match &self.values {
            Values::Ready(settings) => Some(settings),
            _ => None,
        }
    }
}

/// The accounts that the federation of an application's domain concerns.
pub async fn ward(
    db: &mut Read,
    connection: &Connection,
    application: ApplicationId,
) -> Result<Ward, PortalError> {
    let external = identity_providers::find(db, application).await?;
    let domain = connection.settings.domain.to_ascii_lowercase();
    let checked = checks::stored(db, application).await?;
    let domains = checked
        .map(|checked| checked.family)
        .filter(|family| family.contains(&domain))
        .unwrap_or_else(|| vec![domain]);
    Ok(Ward {
        application,
        domains,
        provider: match external {
            Some(_) => ProviderKind::External,
            None => ProviderKind::Own,
        },
    })
}

async fn of_own(
    portal: &Portal,
    application: &Application,
    connection: &Connection,
    sign_on: &SignOnSettings,
) -> Result<FederationValues, PortalError> {
    let (id, cloud) = (application.id, connection.settings.cloud);
    current_certificate(portal, id, &connection.settings.domain).await?;
    let known = signing_keys::list(&mut *portal.store.read().await?, id).await?;
    let addresses = Addresses::of(portal, cloud, id);
    Ok(FederationValues {
        cloud,
        tenant_id: connection.settings.tenant_id.clone(),
        domain: connection.settings.domain.clone(),
        display_name: application.name.clone(),
        issuer_uri: addresses.issuer,
        passive_sign_in_uri: addresses.sign_in,
        active_sign_in_uri: None,
        sign_out_uri: addresses.sign_out,
        metadata_exchange_uri: None,
        metadata_uri: Some(addresses.metadata),
        password_reset_uri: None,
        protocol: sign_on.protocol,
        // Switched between two statements: the next request finds the new one.
        signing_certificate: certificate(&known, SigningKeyState::Current)?
            .ok_or(PortalError::Busy)?,
        next_signing_certificate: certificate(&known, SigningKeyState::Next)?,
        mfa_behavior: sign_on.mfa_behavior,
        prompt_login: PromptLogin::Native,
    })
}

fn certificate(
    known: &[KnownCertificate],
    state: SigningKeyState,
) -> Result<Option<Certificate>, PortalError> {
    known
        .iter()
        .find(|known| known.state == state)
        .map(|known| Certificate::parse(&known.certificate))
        .transpose()
        .map_err(|error| internal(&error))
}

/// The values with another provider's issuer, addresses and certificates.
pub fn of_external(
    application: &Application,
    connection: &Connection,
    sign_on: &SignOnSettings,
    external: &ExternalProvider,
) -> Result<FederationValues, PortalError> {
    let parse = |text: &str| Certificate::parse(text).map_err(|error| internal(&error));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let next = some(&external.next_certificate);
    Ok(FederationValues {
        cloud: connection.settings.cloud,
        tenant_id: connection.settings.tenant_id.clone(),
        domain: connection.settings.domain.clone(),
        display_name: application.name.clone(),
        issuer_uri: external.issuer.clone(),
        passive_sign_in_uri: external.sign_in.clone(),
        active_sign_in_uri: some(&external.active_sign_in),
        sign_out_uri: external.sign_out.clone(),
        metadata_exchange_uri: some(&external.metadata_exchange),
        metadata_uri: None,
        password_reset_uri: None,
        protocol: sign_on.protocol,
        signing_certificate: parse(&external.certificate)?,
        next_signing_certificate: next.as_deref().map(parse).transpose()?,
        mfa_behavior: sign_on.mfa_behavior,
        prompt_login: PromptLogin::Native,
    })
}

/// The values as a plan holds them and Microsoft is told them.
pub fn setup_of(settings: &FederationSettings) -> FederationSetup {
    let values = settings.values();
    let next = values.next_signing_certificate.as_ref();
    let mut setup = FederationSetup::default();
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    for (field, value) in [
        (FederationField::DisplayName, values.display_name.clone()),
        (FederationField::IssuerUri, values.issuer_uri.clone()),
        (
            FederationField::PassiveSignInUri,
            values.passive_sign_in_uri.clone(),
        ),
        (
            FederationField::ActiveSignInUri,
            some(&values.active_sign_in_uri),
        ),
        (FederationField::SignOutUri, values.sign_out_uri.clone()),
        (
            FederationField::MetadataExchangeUri,
            some(&values.metadata_exchange_uri),
        ),
        (
            FederationField::PasswordResetUri,
            some(&values.password_reset_uri),
        ),
        (
            FederationField::PreferredAuthenticationProtocol,
            values.protocol.graph().to_owned(),
        ),
        (
            FederationField::FederatedIdpMfaBehavior,
            values.mfa_behavior.graph().to_owned(),
        ),
        (
            FederationField::PromptLoginBehavior,
            values.prompt_login.graph().to_owned(),
        ),
        (
            FederationField::SigningCertificate,
            values.signing_certificate.base64(),
        ),
        (
            FederationField::NextSigningCertificate,
            next.map(Certificate::base64).unwrap_or_default(),
        ),
        (
            FederationField::IsSignedAuthenticationRequestRequired,
            "false".to_owned(),
        ),
    ] {
        setup.set(field, value);
    }
    setup
}

/// The checked values of a plan's setup for the domain of this connection; else what is wrong.
pub fn settings_of(
    connection: &Connection,
    setup: &FederationSetup,
    metadata: &str,
) -> Result<FederationSettings, Vec<String>> {
    let text = |field| setup.get(field).to_owned();
    let some = |field| Some(text(field)).filter(|text| !text.is_empty());
    let certificate = |field: FederationField| {
        Certificate::parse(setup.get(field)).map_err(|problem| vec![problem.to_string()])
    };
    let unknown = |_| vec!["A rule of the federation is not known.".to_owned()];
    let next = some(FederationField::NextSigningCertificate);
    let values = FederationValues {
        cloud: connection.settings.cloud,
        tenant_id: connection.settings.tenant_id.clone(),
        domain: connection.settings.domain.clone(),
        display_name: text(FederationField::DisplayName),
        issuer_uri: text(FederationField::IssuerUri),
        passive_sign_in_uri: text(FederationField::PassiveSignInUri),
        active_sign_in_uri: some(FederationField::ActiveSignInUri),
        sign_out_uri: text(FederationField::SignOutUri),
        metadata_exchange_uri: some(FederationField::MetadataExchangeUri),
        metadata_uri: Some(metadata.to_owned()).filter(|metadata| !metadata.is_empty()),
        password_reset_uri: some(FederationField::PasswordResetUri),
        protocol: text(FederationField::PreferredAuthenticationProtocol)
            .parse()
            .map_err(unknown)?,
        signing_certificate: certificate(FederationField::SigningCertificate)?,
        next_signing_certificate: match next {
            Some(_) => Some(certificate(FederationField::NextSigningCertificate)?),
            None => None,
        },
        mfa_behavior: text(FederationField::FederatedIdpMfaBehavior)
            .parse()
            .map_err(unknown)?,
        prompt_login: PromptLogin::Native,
    };
    FederationSettings::new(values)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}
