//! Domains and ImmutableIds behind Microsoft Graph.

use std::time::Duration;

use signpost_graph::{
    Account, AccountPatch, AuthenticationType, Change, Client, Clock, DomainName, Error,
    FederatedMfa, FederationConfiguration, FederationProtocol, PromptLogin, Write,
};
use signpost_model::federation::{FederationField, FederationSetup};
use signpost_model::plan::ObjectId;
use signpost_model::run::{ActionFailure, FailureKind};

use super::federation::DomainNow;
use super::{Answer, ReadFailure, Standing, Why};
use crate::apply::graph_tenant::{judge, read_failure};

/// How often an account is looked at until it shows its new name: half a minute together.
const RENAME_LOOKS: u32 = 6;

/// A domain as the tenant shows it now; `None`: the tenant has no such domain.
pub async fn read_domain(client: &Client, name: &str) -> Result<Option<DomainNow>, Error> {
    let domains = client.domains().await?;
    let found = domains
        .into_iter()
        .find(|domain| domain.name.eq_ignore_ascii_case(name));
    let (Some(domain), Ok(id)) = (found, name.parse::<DomainName>()) else {
        return Ok(None);
    };
    let configuration = client.federation_configuration(&id).await?;
    Ok(Some(DomainNow {
        name: domain.name,
        federated: domain.authentication_type == AuthenticationType::Federated,
        federation: configuration
            .as_ref()
            .and_then(|found| found.id)
            .map(|id| id.to_string())
            .unwrap_or_default(),
        setup: configuration.as_ref().map(setup_of),
    }))
}

pub(super) async fn standing_of_federate(
    client: &Client,
    domain: &str,
    wanted: &FederationSetup,
) -> Result<Standing, ReadFailure> {
    let now = read(client, domain).await?;
    Ok(match &now.setup {
        // Federated without a configuration is what comes before it is shown.
        None => Standing::Before,
        Some(_) if !now.federated => Standing::Before,
        Some(found) if wanted.differing(found).is_empty() => Standing::After,
        Some(_) => Standing::Other,
    })
}

pub(super) async fn standing_of_update(
    client: &Client,
    domain: &str,
    (before, after): (&FederationSetup, &FederationSetup),
) -> Result<Standing, ReadFailure> {
    let now = read(client, domain).await?;
    Ok(match &now.setup {
        None => Standing::Other,
        Some(found) if after.differing(found).is_empty() => Standing::After,
        Some(found) => {
            // What was not told before is not there now either.
            let fields: Vec<_> = after.fields().map(|(field, _)| field).collect();
            let now = found.only(&fields);
            if before.differing(&now).is_empty() && now.differing(before).is_empty() {
                Standing::Before
            } else {
                Standing::Other
            }
        }
    })
}

pub(super) async fn standing_of_revert(
    client: &Client,
    domain: &str,
    before: Option<&FederationSetup>,
) -> Result<Standing, ReadFailure> {
    let now = read(client, domain).await?;
    if !now.federated && now.setup.is_none() {
        return Ok(Standing::After);
    }
    let issuer = |setup: &FederationSetup| setup.get(FederationField::IssuerUri).to_owned();
    let theirs = now.setup.as_ref().map(issuer);
    let ours = before.map(issuer);
    Ok(match (theirs, ours) {
        (Some(theirs), Some(ours)) if theirs != ours => Standing::Other,
        _ => Standing::Before,
    })
}

async fn read(client: &Client, domain: &str) -> Result<DomainNow, ReadFailure> {
    let found = read_domain(client, domain).await;
    let found = found.map_err(|error| read_failure(&error))?;
    found.ok_or_else(|| ReadFailure {
        failure: rejected("The tenant has no such domain any more."),
        fatal: None,
    })
}

pub(super) async fn federate(client: &Client, domain: &str, setup: &FederationSetup) -> Answer {
    let Ok(domain) = domain.parse() else {
        return final_refusal("The domain's name is not one.");
    };
    let certificate = setup.get(FederationField::SigningCertificate).to_owned();
    if certificate.is_empty() {
        return final_refusal("There is no signing certificate.");
    }
    let mut configuration = configuration_of(setup);
    // Sent apart from the rest: it cannot be forgotten.
    configuration.signing_certificate = None;
    let write = Write::CreateFederation {
        domain,
        signing_certificate: certificate,
        configuration: Box::new(configuration),
    };
    of_domain(judge(client.write(write).await))
}

/// A refusal without a missing permission is not about somebody's role here: in some tenants only
/// administrators may change a domain.
fn of_domain(answer: Answer) -> Answer {
    match answer {
        Answer::Refused { why, mut failure } => {
            if failure.kind == FailureKind::TargetIsAdministrator {
                failure.kind = FailureKind::NotForApplications;
            }
            Answer::Refused { why, failure }
        }
        other => other,
    }
}

pub(super) async fn update(
    client: &Client,
    domain: &str,
    federation: &str,
    after: &FederationSetup,
) -> Answer {
    let (Ok(domain), Ok(id)) = (domain.parse(), federation.parse()) else {
        return final_refusal("Microsoft's id of the federation is not one.");
    };
    let write = Write::PatchFederation {
        domain,
        id,
        configuration: Box::new(configuration_of(after)),
    };
    of_domain(judge(client.write(write).await))
}

/// By the domain, and if that is refused, by the configuration: applications are refused one or the
/// other in some tenants.
pub(super) async fn revert(client: &Client, domain: &str) -> Answer {
    let Ok(name) = domain.parse::<DomainName>() else {
        return final_refusal("The domain's name is not one.");
    };
    let write = Write::SetDomainManaged {
        domain: name.clone(),
    };
    let first = of_domain(judge(client.write(write).await));
    let is_final = matches!(
        first,
        Answer::Refused {
            why: Why::Final | Why::Fatal(_) | Why::Missing | Why::Taken,
            ..
        }
    );
    if !is_final {
        return first;
    }
    let found = client.federation_configuration(&name).await;
    let Some(id) = found.ok().flatten().and_then(|found| found.id) else {
        return first;
    };
    match judge(
        client
            .write(Write::DeleteFederation { domain: name, id })
            .await,
    ) {
        Answer::Refused { .. } => first,
        other => other,
    }
}

/// Where an account stands; with a name on the way, the change is not done.
pub(super) async fn standing_of_account(
    client: &Client,
    id: &ObjectId,
    (before, after): (Option<&str>, &str),
    user_name: &str,
    by_way_of: Option<&str>,
) -> Result<Standing, ReadFailure> {
    let account = find(client, id).await?;
    let has = account
        .immutable_id
        .as_deref()
        .filter(|has| !has.is_empty());
    let is_named = |name: &str| is_named(&account, name);
    Ok(if by_way_of.is_some_and(is_named) {
        Standing::Before
    } else if !is_named(user_name) {
        Standing::Other
    } else if has == Some(after) {
        Standing::After
    } else if has == before {
        Standing::Before
    } else {
        Standing::Other
    })
}

/// Sets the ImmutableId; by way of another name in three steps, each only where the account stands
/// before it, so that it can be gone on with after an interruption. It always ends with its own
/// name, whatever came of the ImmutableId.
pub(super) async fn set_immutable_id(
    client: &Client,
    clock: &dyn Clock,
    id: &ObjectId,
    after: &str,
    user_name: &str,
    by_way_of: Option<&str>,
) -> Answer {
    let Ok(object_id) = id.as_str().parse() else {
        return final_refusal("The account's id is not one.");
    };
    let patch = |patch: AccountPatch| Write::PatchUser {
        id: object_id,
        patch: Box::new(patch),
    };
    let set = || {
        patch(AccountPatch {
            immutable_id: Change::Set(after.to_owned()),
            ..AccountPatch::default()
        })
    };
    let Some(way) = by_way_of else {
        return judge(client.write(set()).await);
    };
    let rename = |name: &str| {
        patch(AccountPatch {
            user_principal_name: Some(name.to_owned()),
            ..AccountPatch::default()
        })
    };
    let now = match find(client, id).await {
        Ok(account) => account,
        Err(unread) => return Answer::Unknown(unread.failure),
    };
    if !is_named(&now, way) {
        let away = judge(client.write(rename(way)).await);
        if !matches!(away, Answer::Done { .. }) {
            return away;
        }
        wait_for_name(client, clock, id, way).await;
    }
    let answer = if now.immutable_id.as_deref() == Some(after) {
        None
    } else {
        Some(judge(client.write(set()).await))
    };
    match judge(client.write(rename(user_name)).await) {
        back @ Answer::Done { .. } => match answer {
            Some(failed @ Answer::Refused { .. }) => failed,
            Some(other) => other,
            None => back,
        },
        Answer::Unknown(failure) => Answer::Unknown(failure),
        Answer::Refused { why, mut failure } => {
            failure.message = format!(
                "The account is called {way} now, and could not get its name {user_name} back: {}",
                failure.message
            );
            Answer::Refused { why, failure }
        }
    }
}

/// A replica that still has the old name would refuse the next step.
async fn wait_for_name(client: &Client, clock: &dyn Clock, id: &ObjectId, name: &str) {
    for look in 0..RENAME_LOOKS {
        if let Ok(account) = find(client, id).await
            && is_named(&account, name)
        {
            return;
        }
        clock.sleep(Duration::from_millis(500 << look)).await;
    }
}

async fn find(client: &Client, id: &ObjectId) -> Result<Account, ReadFailure> {
    let gone = || ReadFailure {
        failure: ActionFailure {
            kind: FailureKind::AccountGone,
            ..rejected("The account does not exist any more.")
        },
        fatal: None,
    };
    let object_id = id.as_str().parse().map_err(|_| gone())?;
    let found = client.user(object_id).await;
    found
        .map_err(|error| read_failure(&error))?
        .ok_or_else(gone)
}

fn is_named(account: &Account, name: &str) -> bool {
    let has = account.user_principal_name.as_deref();
    has.is_some_and(|has| has.eq_ignore_ascii_case(name))
}

fn rejected(message: &str) -> ActionFailure {
    ActionFailure {
        kind: FailureKind::Rejected,
        code: None,
        message: message.to_owned(),
        request_id: None,
    }
}

fn final_refusal(message: &str) -> Answer {
    Answer::Refused {
        why: Why::Final,
        failure: rejected(message),
    }
}

/// As Graph is told.
fn configuration_of(setup: &FederationSetup) -> FederationConfiguration {
    let text = |field| {
        let value = setup.get(field);
        (!value.is_empty()).then(|| value.to_owned())
    };
    let signed = setup.get(FederationField::IsSignedAuthenticationRequestRequired);
    FederationConfiguration {
        id: None,
        display_name: text(FederationField::DisplayName),
        issuer_uri: text(FederationField::IssuerUri),
        passive_sign_in_uri: text(FederationField::PassiveSignInUri),
        active_sign_in_uri: text(FederationField::ActiveSignInUri),
        sign_out_uri: text(FederationField::SignOutUri),
        metadata_exchange_uri: text(FederationField::MetadataExchangeUri),
        password_reset_uri: text(FederationField::PasswordResetUri),
        preferred_authentication_protocol: by_word(
            setup.get(FederationField::PreferredAuthenticationProtocol),
            &PROTOCOLS,
        ),
        signing_certificate: text(FederationField::SigningCertificate),
        next_signing_certificate: text(FederationField::NextSigningCertificate),
        federated_idp_mfa_behavior: by_word(
            setup.get(FederationField::FederatedIdpMfaBehavior),
            &BEHAVIORS,
        ),
        prompt_login_behavior: by_word(setup.get(FederationField::PromptLoginBehavior), &PROMPTS),
        is_signed_authentication_request_required: match signed {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
    }
}

/// As Graph shows it.
pub(super) fn setup_of(found: &FederationConfiguration) -> FederationSetup {
    let mut setup = FederationSetup::default();
    let texts = [
        (FederationField::DisplayName, &found.display_name),
        (FederationField::IssuerUri, &found.issuer_uri),
        (
            FederationField::PassiveSignInUri,
            &found.passive_sign_in_uri,
        ),
        (FederationField::ActiveSignInUri, &found.active_sign_in_uri),
        (FederationField::SignOutUri, &found.sign_out_uri),
        (
            FederationField::MetadataExchangeUri,
            &found.metadata_exchange_uri,
        ),
        (FederationField::PasswordResetUri, &found.password_reset_uri),
        (
            FederationField::SigningCertificate,
            &found.signing_certificate,
        ),
        (
            FederationField::NextSigningCertificate,
            &found.next_signing_certificate,
        ),
    ];
    for (field, value) in texts {
        setup.set(field, value.as_deref().unwrap_or_default());
    }
    let words = [
        (
            FederationField::PreferredAuthenticationProtocol,
            word_of(found.preferred_authentication_protocol, &PROTOCOLS),
        ),
        (
            FederationField::FederatedIdpMfaBehavior,
            word_of(found.federated_idp_mfa_behavior, &BEHAVIORS),
        ),
        (
            FederationField::PromptLoginBehavior,
            word_of(found.prompt_login_behavior, &PROMPTS),
        ),
        (
            FederationField::IsSignedAuthenticationRequestRequired,
            match found.is_signed_authentication_request_required {
                Some(true) => "true",
                // The default, which Graph may leave out.
                Some(false) | None => "false",
            },
        ),
    ];
    for (field, word) in words {
        setup.set(field, word);
    }
    setup
}

const PROTOCOLS: [(FederationProtocol, &str); 2] = [
    (FederationProtocol::WsFed, "wsFed"),
    (FederationProtocol::Saml, "saml"),
];
const BEHAVIORS: [(FederatedMfa, &str); 3] = [
    (
        FederatedMfa::AcceptIfMfaDoneByFederatedIdp,
        "acceptIfMfaDoneByFederatedIdp",
    ),
    (
        FederatedMfa::EnforceMfaByFederatedIdp,
        "enforceMfaByFederatedIdp",
    ),
    (
        FederatedMfa::RejectMfaByFederatedIdp,
        "rejectMfaByFederatedIdp",
    ),
];
const PROMPTS: [(PromptLogin, &str); 3] = [
    (
        PromptLogin::TranslateToFreshPasswordAuthentication,
        "translateToFreshPasswordAuthentication",
    ),
    (PromptLogin::NativeSupport, "nativeSupport"),
    (PromptLogin::Disabled, "disabled"),
];

fn by_word<T: Copy>(word: &str, known: &[(T, &str)]) -> Option<T> {
    known
        .iter()
        .find(|(_, name)| *name == word)
        .map(|(value, _)| *value)
}

fn word_of<T: PartialEq>(value: Option<T>, known: &[(T, &'static str)]) -> &'static str {
    let found = value.and_then(|value| known.iter().find(|(one, _)| *one == value));
    found.map_or("", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_survives_the_way_to_graph_and_back() {
        let mut setup = FederationSetup::default();
        for (field, value) in [
            (FederationField::DisplayName, "Contoso"),
            (FederationField::IssuerUri, "urn:a:b"),
            (FederationField::PassiveSignInUri, "https://idp.example/in"),
            (
                FederationField::ActiveSignInUri,
                "https://idp.example/active",
            ),
            (FederationField::SignOutUri, "https://idp.example/out"),
            (
                FederationField::MetadataExchangeUri,
                "https://idp.example/mex",
            ),
            (
                FederationField::PasswordResetUri,
                "https://idp.example/reset",
            ),
            (FederationField::PreferredAuthenticationProtocol, "saml"),
            (
                FederationField::FederatedIdpMfaBehavior,
                "enforceMfaByFederatedIdp",
            ),
            (FederationField::PromptLoginBehavior, "nativeSupport"),
            (FederationField::SigningCertificate, "MIIC"),
            (FederationField::NextSigningCertificate, "MIID"),
            (
                FederationField::IsSignedAuthenticationRequestRequired,
                "false",
            ),
        ] {
            setup.set(field, value);
        }
        assert_eq!(setup.fields().count(), 13, "every field is tried");
        assert_eq!(setup_of(&configuration_of(&setup)), setup);
        let sparse = setup.only(&[FederationField::SigningCertificate]);
        let back = setup_of(&configuration_of(&sparse));
        assert_eq!(sparse.differing(&back), []);
        assert_eq!(back.fields().count(), 2, "and that requests are not signed");
    }
}
