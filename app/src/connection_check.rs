//! Looks through a connection: signs in, reads what the tenant is, and names what is wrong.

use std::time::Duration;

use signpost_federation::Certificate;
use signpost_graph::{self as graph, ErrorKind, TokenErrorKind};
use signpost_model::connection::{
    ConnectionProblem, ConnectionProblemKind, ConnectionSettings, Findings, FoundDomain,
};
use signpost_model::license::Product;
use signpost_model::{ConnectionState, Timestamp};

use crate::connector::{Connector, ConnectorProblem, Credential};
use crate::permissions::Judgement;
use crate::product_names::product_of;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub findings: Findings,
    pub state: ConnectionState,
    /// The tenant's products; `None` when they could not be read.
    pub products: Option<Vec<Product>>,
}

/// The longest a check takes, whatever each call does.
const LONGEST: Duration = Duration::from_secs(25);

/// Signs in with these settings and reads the tenant, the calls side by side.
pub async fn check(
    connector: &Connector,
    settings: &ConnectionSettings,
    credential: &Credential,
) -> Result<Checked, ConnectorProblem> {
    let client = connector.for_page(settings, credential)?;
    let work = look(&client, settings, credential);
    Ok(tokio::time::timeout(LONGEST, work)
        .await
        .unwrap_or_else(|_| Checked::failed(problem(ConnectionProblemKind::Unreachable))))
}

async fn look(
    client: &graph::Client,
    settings: &ConnectionSettings,
    credential: &Credential,
) -> Checked {
    let granted = match client.granted_roles().await {
        Ok(granted) => granted,
        Err(error) => return Checked::failed(problem_of(&error)),
    };
    if granted.is_empty() {
        return Checked::failed(problem(ConnectionProblemKind::NoConsent));
    }
    let (organization, domains, skus, ends) = futures::join!(
        client.organization(),
        client.domains(),
        client.subscribed_skus(),
        credential_end(client, settings, credential),
    );
    let failures = [
        organization.as_ref().err(),
        domains.as_ref().err(),
        skus.as_ref().err(),
    ];
    let failure = failures.into_iter().flatten().map(problem_of).next();
    let domains_read = domains.is_ok();
    let domains: Vec<_> = domains.unwrap_or_default().iter().map(domain_of).collect();
    let known = domains
        .iter()
        .any(|domain| domain.verified && domain.name.eq_ignore_ascii_case(&settings.domain));
    let lacks = !Judgement::of(&granted).missing.is_empty();
    let problem = if lacks {
        // The code and id of the call that was refused for it, when one was.
        let refused = failure.filter(|p| p.kind == ConnectionProblemKind::PermissionMissing);
        refused.or_else(|| Some(problem(ConnectionProblemKind::PermissionMissing)))
    } else if failure.is_some() {
        failure
    } else if domains_read && !known {
        Some(problem(ConnectionProblemKind::DomainNotVerified))
    } else {
        None
    };
    Checked {
        state: match problem {
            None => ConnectionState::Connected,
            Some(_) => ConnectionState::WithProblems,
        },
        products: skus.ok().map(|skus| skus.iter().map(product_of).collect()),
        findings: Findings {
            tenant_name: organization
                .ok()
                .and_then(|organization| organization.display_name)
                .unwrap_or_default(),
            domains,
            granted,
            secret_expires_at: ends,
            problem,
        },
    }
}

/// When the secret or certificate in use ends. Not knowing it is no failure: the permission is
/// optional.
async fn credential_end(
    client: &graph::Client,
    settings: &ConnectionSettings,
    credential: &Credential,
) -> Option<Timestamp> {
    let secret = match credential {
        Credential::Secret(secret) => secret,
        Credential::Certificate { certificate, .. } => {
            return Certificate::parse(certificate)
                .ok()
                .map(|certificate| certificate.not_after());
        }
    };
    let id = settings.client_id.parse().ok()?;
    let registration = client.application_credentials(id).await.ok()??;
    let end = registration.secret_ends_at(&graph::SecretText::new(secret.expose()))?;
    Some(Timestamp::from_millis(end.as_millisecond()))
}

fn domain_of(domain: &graph::Domain) -> FoundDomain {
    FoundDomain {
        name: domain.name.clone(),
        verified: domain.is_verified,
        federated: domain.authentication_type == graph::AuthenticationType::Federated,
        default: domain.is_default,
        initial: domain.is_initial,
    }
}

impl Checked {
    fn failed(problem: ConnectionProblem) -> Self {
        // What waiting or a second try may mend is not a reason to stop everything.
        let passing = matches!(
            problem.kind,
            ConnectionProblemKind::Unreachable | ConnectionProblemKind::Throttled
        );
        Self {
            state: if passing {
                ConnectionState::WithProblems
            } else {
                ConnectionState::Stopped
            },
            products: None,
            findings: Findings {
                problem: Some(problem),
                ..Findings::default()
            },
        }
    }

    /// Whether Microsoft refused these settings, so that they must not replace the stored ones.
    pub fn is_refused(&self) -> bool {
        let problem = self.findings.problem.as_ref();
        problem.is_some_and(|problem| problem.kind.is_refused_credential())
    }
}

const fn problem(kind: ConnectionProblemKind) -> ConnectionProblem {
    ConnectionProblem {
        kind,
        code: None,
        correlation_id: None,
    }
}

/// Why a call failed, as far as an operator can act on it.
pub fn problem_of(error: &graph::Error) -> ConnectionProblem {
    use ConnectionProblemKind as Kind;
    let (kind, code) = match error.kind() {
        ErrorKind::Unauthorized(token) => {
            let code = token.code.map(|code| format!("AADSTS{code}"));
            return ConnectionProblem {
                kind: kind_of_token(token.kind),
                code: code.or_else(|| (!token.error.is_empty()).then(|| token.error.clone())),
                correlation_id: token
                    .correlation_id
                    .clone()
                    .or_else(|| token.trace_id.clone())
                    .or_else(|| error.request_id().map(str::to_owned)),
            };
        }
        ErrorKind::Forbidden { code, .. } => (Kind::PermissionMissing, code.clone()),
        ErrorKind::Throttled { .. } => (Kind::Throttled, "429".to_owned()),
        ErrorKind::NotFound { code, .. } => (Kind::Refused, code.clone()),
        ErrorKind::Conflict(refusal) | ErrorKind::Rejected(refusal) => {
            (Kind::Refused, refusal.code.clone())
        }
        ErrorKind::Unavailable { status, code } if code.is_empty() => {
            (Kind::Unreachable, status.to_string())
        }
        ErrorKind::Unavailable { code, .. } => (Kind::Unreachable, code.clone()),
        _ => (Kind::Unreachable, String::new()),
    };
    ConnectionProblem {
        kind,
        code: (!code.is_empty()).then_some(code),
        correlation_id: error.request_id().map(str::to_owned),
    }
}

const fn kind_of_token(kind: TokenErrorKind) -> ConnectionProblemKind {
    use ConnectionProblemKind as Kind;
    match kind {
        TokenErrorKind::WrongSecret
        | TokenErrorKind::SecretIsAnId
        | TokenErrorKind::WrongCertificate => Kind::WrongSecret,
        TokenErrorKind::SecretExpired => Kind::SecretExpired,
        TokenErrorKind::UnknownTenant | TokenErrorKind::BadTenantValue => Kind::UnknownTenant,
        TokenErrorKind::UnknownApplication => Kind::UnknownApplication,
        TokenErrorKind::ApplicationDisabled => Kind::ApplicationDisabled,
        TokenErrorKind::NoConsent => Kind::NoConsent,
        TokenErrorKind::Unavailable | TokenErrorKind::Network | TokenErrorKind::Unreadable => {
            Kind::Unreachable
        }
        TokenErrorKind::ClockWrong | TokenErrorKind::RefusedByGraph | TokenErrorKind::Other => {
            Kind::Refused
        }
    }
}
