//! Reads a tenant for its checks: every read side by side, and each judged alone.

use signpost_graph::{self as graph, ErrorKind};
use signpost_model::Timestamp;
use signpost_model::sign_on::MfaBehavior;
use uuid::Uuid;

use super::facts::{Administrator, ConditionalAccess, DomainFact, FederationFact, Read};

/// The role template of Global Administrators, the same in every tenant.
const GLOBAL_ADMINISTRATOR: Uuid = Uuid::from_u128(0x62e9_0394_69f5_4237_9190_0121_7714_5e10);

/// What was read of a tenant.
#[derive(Debug, Clone)]
pub struct Gathered {
    pub tenant_name: Read<String>,
    pub granted: Read<Vec<String>>,
    pub probes: Vec<(&'static str, Read<()>)>,
    /// The registration with its secrets; `None` when it lives in another tenant.
    pub registration: Read<Option<graph::Registration>>,
    pub domains: Read<Vec<DomainFact>>,
    /// Global Administrators with their object ids; whether they are linked is not known here.
    pub administrators: Read<Vec<(String, Administrator)>>,
    pub security_defaults: Read<bool>,
    pub conditional_access: Read<Vec<ConditionalAccess>>,
    pub federation: Read<Option<FederationFact>>,
    pub campaign: Read<String>,
    pub clock_offset_ms: Read<Option<i64>>,
}

/// Reads everything, about a dozen calls.
pub async fn gather(
    client: &graph::Client,
    client_id: graph::ClientId,
    domain: &graph::DomainName,
) -> Gathered {
    // One token for all of them, and one refusal instead of a dozen.
    let granted = match client.renew_token().await {
        Ok(claims) => claims.roles,
        Err(error) => return Gathered::nothing(&why(&error)),
    };
    let (
        (organization, domains, skus, users),
        (registration, administrators, groups, details),
        (defaults, access, federation, methods),
        offset,
    ) = futures::join!(
        async {
            futures::join!(
                client.organization(),
                client.domains(),
                client.subscribed_skus(),
                client.count_users(),
            )
        },
        async {
            futures::join!(
                client.application_credentials(client_id),
                administrators(client),
                client.try_groups(),
                client.try_registration_details(),
            )
        },
        async {
            futures::join!(
                client.security_defaults(),
                client.conditional_access_policies(),
                client.federation_configuration(domain),
                client.authentication_methods_policy(),
            )
        },
        client.clock_offset_ms(),
    );
    let probes = vec![
        ("User.ReadWrite.All", probe(&users)),
        ("LicenseAssignment.ReadWrite.All", probe(&skus)),
        ("Organization.Read.All", probe(&organization)),
        ("Domain.Read.All", probe(&domains)),
        ("RoleManagement.Read.Directory", probe(&administrators)),
        ("Application.Read.All", probe(&registration)),
        ("Application.ReadWrite.OwnedBy", probe(&registration)),
        ("Group.Read.All", probe(&groups)),
        ("GroupMember.ReadWrite.All", probe(&groups)),
        ("Policy.Read.All", probe(&defaults)),
        ("AuditLog.Read.All", probe(&details)),
        ("Policy.ReadWrite.AuthenticationMethod", probe(&methods)),
        (
            "Domain-InternalFederation.ReadWrite.All",
            probe(&federation),
        ),
    ];
    Gathered {
        tenant_name: read_of(organization).map(|found| found.display_name.unwrap_or_default()),
        granted: Read::Known(granted),
        probes,
        registration: read_of(registration),
        domains: read_of(domains).map(|all| all.iter().map(domain_fact).collect()),
        administrators: read_of(administrators),
        security_defaults: read_of(defaults).map(|found| found.is_enabled),
        conditional_access: read_of(access).map(|all| all.iter().map(access_fact).collect()),
        federation: read_of(federation).map(|found| found.as_ref().map(federation_fact)),
        campaign: read_of(methods).map(|found| {
            let campaign = found.registration_enforcement.campaign;
            campaign.state.unwrap_or_else(|| "default".to_owned())
        }),
        clock_offset_ms: read_of(offset),
    }
}

impl Gathered {
    /// Nothing could be read, for this reason.
    pub fn nothing(why: &str) -> Self {
        fn failed<T>(why: &str) -> Read<T> {
            Read::Failed(why.to_owned())
        }
        Self {
            tenant_name: failed(why),
            granted: failed(why),
            probes: Vec::new(),
            registration: failed(why),
            domains: failed(why),
            administrators: failed(why),
            security_defaults: failed(why),
            conditional_access: failed(why),
            federation: failed(why),
            campaign: failed(why),
            clock_offset_ms: failed(why),
        }
    }
}

/// What a call of Graph tells, or why it does not.
pub fn read_of<T>(result: Result<T, graph::Error>) -> Read<T> {
    match result {
        Ok(value) => Read::Known(value),
        Err(error) => unread(&error),
    }
}

fn probe<T>(result: &Result<T, graph::Error>) -> Read<()> {
    match result {
        Ok(_) => Read::Known(()),
        Err(error) => unread(error),
    }
}

fn unread<T>(error: &graph::Error) -> Read<T> {
    match error.kind() {
        ErrorKind::Forbidden {
            missing: Some(missing),
            ..
        } => Read::Missing((*missing).to_owned()),
        _ => Read::Failed(why(error)),
    }
}

/// Why a call failed, for people. The log and the run pages carry Graph's own words.
fn why(error: &graph::Error) -> String {
    let text = match error.kind() {
        ErrorKind::Unauthorized(token) if token.is_retryable() => {
            "Microsoft’s sign-in did not answer."
        }
        ErrorKind::Unauthorized(_) => "Microsoft refuses the sign-in of the application.",
        ErrorKind::Forbidden { .. } => "Microsoft does not allow it.",
        ErrorKind::NotFound { .. } => "Microsoft does not know it.",
        ErrorKind::Throttled { .. } => "Microsoft asked to slow down.",
        ErrorKind::Decode { .. } => "Microsoft’s answer could not be read.",
        ErrorKind::Unavailable { .. } | ErrorKind::Transport { .. } | ErrorKind::NoAnswer => {
            "Microsoft did not answer."
        }
        _ => "Microsoft refused the call.",
    };
    match error.request_id() {
        Some(id) => format!("{text} (request {id})"),
        None => text.to_owned(),
    }
}

/// Accounts that hold the role Global Administrator.
async fn administrators(
    client: &graph::Client,
) -> Result<Vec<(String, Administrator)>, graph::Error> {
    let holders = client.directory_role_members().await?;
    let ids = holders
        .into_iter()
        .filter(|held| held.role.role_template_id == Some(GLOBAL_ADMINISTRATOR))
        .filter(|held| held.holder.kind == graph::MemberKind::User)
        .map(|held| held.holder.id)
        .collect();
    let mut found = Vec::new();
    for (id, account) in client.users_by_id(ids).await {
        let Some(account) = account? else { continue };
        let administrator = Administrator {
            name: account.user_principal_name.unwrap_or_default(),
            // What is not told counts against it: somebody's way in must be certain.
            enabled: account.account_enabled == Some(true),
            synchronised: account.synchronised == Some(true),
            linked: false,
        };
        found.push((id.to_string(), administrator));
    }
    Ok(found)
}

fn domain_fact(domain: &graph::Domain) -> DomainFact {
    DomainFact {
        name: domain.name.clone(),
        verified: domain.is_verified,
        default: domain.is_default,
        initial: domain.is_initial,
        root: domain.is_root,
        federated: domain.authentication_type == graph::AuthenticationType::Federated,
    }
}

fn access_fact(policy: &graph::ConditionalAccessPolicy) -> ConditionalAccess {
    ConditionalAccess {
        name: policy.display_name.clone().unwrap_or_default(),
        enabled: policy.state == graph::ConditionalAccessState::Enabled,
        asks_for_mfa: policy.asks_for_mfa(),
    }
}

fn federation_fact(found: &graph::FederationConfiguration) -> FederationFact {
    use graph::FederatedMfa as Mfa;
    FederationFact {
        issuer: found.issuer_uri.clone().unwrap_or_default(),
        mfa: match found.federated_idp_mfa_behavior {
            Some(Mfa::AcceptIfMfaDoneByFederatedIdp) => Some(MfaBehavior::Accept),
            Some(Mfa::EnforceMfaByFederatedIdp) => Some(MfaBehavior::Enforce),
            Some(Mfa::RejectMfaByFederatedIdp) => Some(MfaBehavior::Reject),
            _ => None,
        },
    }
}

/// When the secret in use ends, as the registration tells.
pub fn secret_end(
    registration: &Read<Option<graph::Registration>>,
    secret: &graph::SecretText,
) -> Read<Option<Timestamp>> {
    registration.clone().map(|found| {
        let end = found?.secret_ends_at(secret)?;
        Some(Timestamp::from_millis(end.as_millisecond()))
    })
}
