//! Organization, domains and federation (`graph.md` 7).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::answer::{Answer, Effect, Outcome, Refusal};
use crate::clock::instant;
use crate::request::Call;
use crate::tenant::Tenant;

/// A DNS domain of the tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Domain {
    pub(crate) name: String,
    pub(crate) verified: bool,
    pub(crate) default: bool,
    pub(crate) initial: bool,
    /// A subdomain that was made a root of its own.
    #[serde(default)]
    pub(crate) promoted: bool,
    /// Set while the domain is federated. `Unreadable` is the trap of a post without certificate.
    pub(crate) federation: Option<Federation>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Federation {
    Configured(Box<Map<String, Value>>),
    Unreadable,
}

impl Domain {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            verified: true,
            default: false,
            initial: false,
            promoted: false,
            federation: None,
        }
    }

    fn is_below(&self, other: &Self) -> bool {
        self.name
            .strip_suffix(&other.name)
            .is_some_and(|rest| rest.ends_with('.'))
    }
}

impl Tenant {
    /// The domain whose way of signing in holds for this one: subdomains follow their root.
    pub(crate) fn root_of<'a>(&'a self, domain: &'a Domain) -> &'a Domain {
        if domain.promoted {
            return domain;
        }
        self.domains
            .iter()
            .filter(|other| other.verified && domain.is_below(other))
            .max_by_key(|other| other.name.len())
            .map_or(domain, |parent| self.root_of(parent))
    }

    fn is_root(&self, domain: &Domain) -> bool {
        self.root_of(domain).name == domain.name
    }

    pub(crate) fn authentication_type(&self, domain: &Domain) -> &'static str {
        if self.root_of(domain).federation.is_some() {
            "Federated"
        } else {
            "Managed"
        }
    }

    /// The domain as Graph shows it.
    pub(crate) fn domain_json(&self, domain: &Domain) -> Value {
        let services: &[&str] = if domain.verified {
            &["Email", "OfficeCommunicationsOnline"]
        } else {
            &[]
        };
        json!({
            "id": domain.name, "authenticationType": self.authentication_type(domain), "availabilityStatus": null, "isAdminManaged": true,
            "isDefault": domain.default, "isInitial": domain.initial, "isRoot": self.is_root(domain), "isVerified": domain.verified, "supportedServices": services,
            "passwordValidityPeriodInDays": 2_147_483_647, "passwordNotificationWindowInDays": 14, "manufacturer": null, "model": null, "state": null,
        })
    }
}

/// `GET /organization`.
pub(crate) fn list_organization(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let one = crate::objects::select(organization(tenant), call);
    Ok(crate::objects::list(call, "organization", vec![one]))
}

/// `GET /organization/{id}`.
pub(crate) fn read_organization(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if call.object_id(0)? != tenant.id {
        return Err(Refusal::not_found(call.param(0)));
    }
    Ok(crate::objects::one(
        call,
        "organization/$entity",
        organization(tenant),
    ))
}

fn organization(tenant: &Tenant) -> Value {
    let verified = tenant.domains.iter().filter(|domain| domain.verified).map(|domain| {
        json!({
            "name": domain.name, "capabilities": "Email, OfficeCommunicationsOnline", "isDefault": domain.default,
            "isInitial": domain.initial, "type": tenant.authentication_type(domain),
        })
    });
    json!({
        "id": tenant.id, "deletedDateTime": null, "businessPhones": [], "city": null, "country": null, "countryLetterCode": "TR",
        "createdDateTime": instant(tenant.created), "defaultUsageLocation": null, "displayName": tenant.name, "marketingNotificationEmails": [],
        "onPremisesLastSyncDateTime": null, "onPremisesSyncEnabled": null, "partnerTenantType": null, "postalCode": null, "preferredLanguage": "en",
        "securityComplianceNotificationMails": [], "securityComplianceNotificationPhones": [], "state": null, "street": null,
        "technicalNotificationMails": ["admin@contoso.example"], "tenantType": "AAD", "assignedPlans": [], "provisionedPlans": [],
        "verifiedDomains": verified.collect::<Vec<_>>(),
    })
}

fn find(tenant: &Tenant, call: &Call<'_>) -> Result<usize, Refusal> {
    let name = call.param(0);
    tenant
        .domains
        .iter()
        .position(|domain| domain.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| Refusal::not_found(name))
}

/// `GET /domains`.
pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    crate::objects::page(
        call,
        "domains",
        tenant
            .domains
            .iter()
            .map(|domain| tenant.domain_json(domain))
            .collect(),
    )
}

/// `GET /domains/{id}`.
pub(crate) fn read(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find(tenant, call)?;
    Ok(crate::objects::one(
        call,
        "domains/$entity",
        tenant.domain_json(&tenant.domains[at]),
    ))
}

/// `POST /domains`.
pub(crate) fn create(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let name = call
        .object()?
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let well_formed = name.contains('.')
        && name.len() <= 48
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
    if !well_formed || name.ends_with(".onmicrosoft.com") {
        return Err(Refusal::bad_request("The domain name is invalid."));
    }
    if tenant.domains.iter().any(|domain| domain.name == name) {
        return Err(Refusal::taken("id"));
    }
    tenant.domains.push(Domain {
        verified: false,
        ..Domain::new(&name)
    });
    let created = tenant
        .domains
        .last()
        .map(|domain| tenant.domain_json(domain))
        .unwrap_or_default();
    let answer = crate::objects::one(call, "domains/$entity", created);
    Ok(Answer {
        status: 201,
        ..answer
    }
    .effect(Effect::Changed))
}

/// `PATCH /domains/{id}`.
pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find(tenant, call)?;
    let body = call.object()?;
    if !tenant.domains[at].verified {
        return Err(Refusal::bad_request(
            "Only verified domains can be updated.",
        ));
    }
    let mut effect = Effect::Unchanged;
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with('@')) {
        match (name.as_str(), value) {
            ("authenticationType", Value::String(kind)) if kind.eq_ignore_ascii_case("Managed") => {
                if !call.access.has_any(&[
                    "Domain-InternalFederation.ReadWrite.All",
                    "Domain.ReadWrite.All",
                ]) {
                    return Err(Refusal::denied());
                }
                if !tenant.is_root(&tenant.domains[at]) {
                    return Err(follows_its_root());
                }
                if tenant.domains[at].federation.take().is_some() {
                    effect = Effect::Changed;
                }
            }
            ("authenticationType", _) => {
                return Err(Refusal::bad_request(
                    "Changing authenticationType from Managed to Federated is currently not supported.",
                ));
            }
            ("isDefault", Value::Bool(true)) => {
                if tenant.authentication_type(&tenant.domains[at]) == "Federated" {
                    return Err(Refusal::bad_request(
                        "A federated domain cannot be the default domain.",
                    ));
                }
                effect = Effect::from(!tenant.domains[at].default);
                for (other, domain) in tenant.domains.iter_mut().enumerate() {
                    domain.default = other == at;
                }
            }
            (
                "supportedServices"
                | "passwordValidityPeriodInDays"
                | "passwordNotificationWindowInDays",
                _,
            ) => {}
            _ => {
                return Err(Refusal::bad_request(format!(
                    "Property '{name}' cannot be updated."
                )));
            }
        }
    }
    Ok(Answer::no_content(effect))
}

fn follows_its_root() -> Refusal {
    Refusal::bad_request(
        "The authentication type of a subdomain is that of its root domain. Promote the subdomain to change it by itself.",
    )
}

/// `DELETE /domains/{id}`.
pub(crate) fn delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find(tenant, call)?;
    let domain = &tenant.domains[at];
    if domain.default || domain.initial {
        return Err(Refusal::bad_request(
            "You cannot remove this domain as the default domain without replacing it with another default domain.",
        ));
    }
    let suffix = format!("@{}", domain.name.to_lowercase());
    if tenant.index.upns.keys().any(|upn| upn.ends_with(&suffix)) {
        return Err(Refusal::bad_request(
            "Domain is referenced by users and cannot be deleted.",
        ));
    }
    tenant.domains.remove(at);
    Ok(Answer::no_content(Effect::Changed))
}

/// `POST /domains/{id}/verify`.
pub(crate) fn verify(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find(tenant, call)?;
    let changed = !std::mem::replace(&mut tenant.domains[at].verified, true);
    Ok(crate::objects::one(
        call,
        "domains/$entity",
        tenant.domain_json(&tenant.domains[at]),
    )
    .effect(changed.into()))
}

/// `POST /domains/{id}/promote`.
pub(crate) fn promote(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find(tenant, call)?;
    if !tenant.domains[at].verified {
        return Err(Refusal::bad_request(
            "Unverified domains can't be promoted. Verify the domain first.",
        ));
    }
    let suffix = format!("@{}", tenant.domains[at].name.to_lowercase());
    let is_root = tenant.is_root(&tenant.domains[at]);
    if !is_root && tenant.index.upns.keys().any(|upn| upn.ends_with(&suffix)) {
        return Err(Refusal::bad_request(
            "Promoting a subdomain with user references isn't allowed. Please migrate the users to the current root domain before promoting the subdomain.",
        ));
    }
    // It keeps the way of signing in that it had through its root.
    let federation = tenant.root_of(&tenant.domains[at]).federation.clone();
    let domain = &mut tenant.domains[at];
    if !is_root {
        domain.promoted = true;
        domain.federation = federation;
    }
    let answer = Answer::ok(&json!({"@odata.context": call.context("Edm.Boolean"), "value": true}));
    Ok(answer.effect((!is_root).into()))
}

/// `POST /domains/{id}/forceDelete`.
pub(crate) fn force_delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find(tenant, call)?;
    if tenant.domains[at].default || tenant.domains[at].initial {
        return Err(Refusal::bad_request(
            "The default domain cannot be deleted.",
        ));
    }
    tenant.domains.remove(at);
    Ok(Answer::no_content(Effect::Changed))
}

/// `GET /domains/{id}/verificationDnsRecords` and `serviceConfigurationRecords`.
pub(crate) fn dns_records(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find(tenant, call)?;
    let name = &tenant.domains[at].name;
    let record = json!({
        "@odata.type": "#microsoft.graph.domainDnsTxtRecord", "id": tenant.id, "isOptional": false, "label": name, "recordType": "Txt",
        "supportedService": "Email", "ttl": 3600, "text": format!("MS=ms{}", &tenant.id.simple().to_string()[..8]),
    });
    let segment = call.path.last().map_or("", String::as_str);
    Ok(crate::objects::list(
        call,
        &format!("domains('{name}')/{segment}"),
        vec![record],
    ))
}

/// `GET /domains/{id}/rootDomain`.
pub(crate) fn root(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    read(tenant, call)
}

/// `GET /domains/{id}/domainNameReferences`.
pub(crate) fn references(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find(tenant, call)?;
    if tenant.authentication_type(&tenant.domains[at]) == "Federated" {
        return Err(Refusal::unsupported_query(
            "This operation is not supported for federated domains.",
        ));
    }
    let suffix = format!("@{}", tenant.domains[at].name.to_lowercase());
    let users = tenant.index.upns.iter().filter(|(upn, _)| upn.ends_with(&suffix)).map(|(_, no)| {
        let user = tenant.user(*no);
        json!({"@odata.type": "#microsoft.graph.user", "id": user.id, "userPrincipalName": user.upn()})
    });
    crate::objects::page(call, "directoryObjects", users.collect())
}

fn no_configuration() -> Refusal {
    Refusal::not_found("federationConfiguration")
}

fn configuration(tenant: &Tenant, at: usize) -> Result<&Map<String, Value>, Refusal> {
    match &tenant.domains[at].federation {
        Some(Federation::Configured(map)) => Ok(map),
        Some(Federation::Unreadable) | None => Err(no_configuration()),
    }
}

/// `GET /domains/{id}/federationConfiguration`.
pub(crate) fn list_federation(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find(tenant, call)?;
    let one = Value::Object(configuration(tenant, at)?.clone());
    let set = format!(
        "domains('{}')/federationConfiguration",
        tenant.domains[at].name
    );
    Ok(crate::objects::list(
        call,
        &set,
        vec![crate::objects::select(one, call)],
    ))
}

/// `GET /domains/{id}/federationConfiguration/{id}`.
pub(crate) fn read_federation(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find_federation(tenant, call)?;
    let one = Value::Object(configuration(tenant, at)?.clone());
    let context = format!(
        "domains('{}')/federationConfiguration/$entity",
        tenant.domains[at].name
    );
    Ok(crate::objects::one(call, &context, one))
}

fn find_federation(tenant: &Tenant, call: &Call<'_>) -> Result<usize, Refusal> {
    let at = find(tenant, call)?;
    let id = configuration(tenant, at)?.get("id").and_then(Value::as_str);
    if id == Some(call.param(1).to_ascii_lowercase().as_str()) {
        Ok(at)
    } else {
        Err(Refusal::not_found(call.param(1)))
    }
}

const TEXTS: &[&str] = &[
    "displayName",
    "issuerUri",
    "passiveSignInUri",
    "activeSignInUri",
    "signOutUri",
    "metadataExchangeUri",
    "passwordResetUri",
    "signingCertificate",
    "nextSigningCertificate",
];
/// What cannot be cleared once it is set.
const NEEDED: &[&str] = &[
    "issuerUri",
    "passiveSignInUri",
    "signingCertificate",
    "preferredAuthenticationProtocol",
    "federatedIdpMfaBehavior",
];
const CHOICES: &[(&str, &[&str])] = &[
    ("preferredAuthenticationProtocol", &["wsFed", "saml"]),
    (
        "promptLoginBehavior",
        &[
            "translateToFreshPasswordAuthentication",
            "nativeSupport",
            "disabled",
        ],
    ),
    (
        "federatedIdpMfaBehavior",
        &[
            "acceptIfMfaDoneByFederatedIdp",
            "enforceMfaByFederatedIdp",
            "rejectMfaByFederatedIdp",
        ],
    ),
];

/// Checks a federation body and lays it over what is there.
fn merge(into: &mut Map<String, Value>, body: &Map<String, Value>) -> Result<(), Refusal> {
    let invalid = |name: &str| {
        Refusal::bad_request(format!(
            "Invalid value specified for property '{name}' of resource 'InternalDomainFederation'."
        ))
    };
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with('@')) {
        let choices = CHOICES
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, choices)| *choices);
        let fits = match (name.as_str(), value) {
            // Whatever a sign-in cannot do without stays; the second factor's rule is never unset.
            (known, Value::Null) => {
                !NEEDED.contains(&known) && (TEXTS.contains(&known) || choices.is_some())
            }
            ("signingCertificate" | "nextSigningCertificate", Value::String(text)) => {
                is_certificate(text)
            }
            ("displayName" | "issuerUri", Value::String(text)) => !text.is_empty(),
            (known, Value::String(text)) if TEXTS.contains(&known) => is_address(text),
            (_, Value::String(text)) => {
                choices.is_some_and(|choices| choices.contains(&text.as_str()))
            }
            ("isSignedAuthenticationRequestRequired", Value::Bool(_)) => true,
            _ => false,
        };
        if !fits {
            return Err(invalid(name));
        }
        into.insert(name.clone(), value.clone());
    }
    Ok(())
}

/// Microsoft takes `https` only. A provider on this machine is rehearsed with, so it may do without.
fn is_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else {
        return false;
    };
    match uri.scheme_str() {
        Some("https") => uri.host().is_some_and(|host| !host.is_empty()),
        Some("http") => matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]")),
        _ => false,
    }
}

/// Base64 of a DER certificate, without PEM lines.
fn is_certificate(text: &str) -> bool {
    use base64::Engine;
    let der = base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap_or_default();
    x509_parser::parse_x509_certificate(&der).is_ok()
}

fn check_issuer(tenant: &Tenant, at: usize, body: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(issuer) = body.get("issuerUri").and_then(Value::as_str) else {
        return Ok(());
    };
    let uses = |domain: &Domain| matches!(&domain.federation, Some(Federation::Configured(map)) if map.get("issuerUri").and_then(Value::as_str) == Some(issuer));
    let is_taken = tenant
        .domains
        .iter()
        .enumerate()
        .any(|(other, domain)| other != at && uses(domain));
    if is_taken {
        return Err(Refusal::new(
            409,
            "Request_MultipleObjectsWithSameKeyValue",
            "Another object with the same value for property issuerUri already exists.",
        ));
    }
    Ok(())
}

/// `POST /domains/{id}/federationConfiguration`: the domain becomes federated by it.
pub(crate) fn create_federation(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find(tenant, call)?;
    let body = call.object()?;
    let domain = &tenant.domains[at];
    if domain.initial || !domain.verified {
        return Err(Refusal::bad_request(
            "Only verified custom domains can be federated.",
        ));
    }
    if domain.default {
        return Err(Refusal::bad_request(
            "Federating to the 'Default' domain is not allowed.",
        ));
    }
    if !tenant.is_root(domain) {
        return Err(follows_its_root());
    }
    if domain.federation.is_some() {
        return Err(Refusal::bad_request(
            "Domain already has Federation Configuration set.",
        ));
    }
    check_issuer(tenant, at, body)?;
    for required in [
        "issuerUri",
        "passiveSignInUri",
        "preferredAuthenticationProtocol",
    ] {
        if body.get(required).and_then(Value::as_str).is_none() {
            return Err(Refusal::missing_value(required, "InternalDomainFederation"));
        }
    }
    let certificate = body.get("signingCertificate").and_then(Value::as_str);
    if !certificate.is_some_and(is_certificate) {
        // Graph's own trap (graph.md 7.5): an error, and yet the domain is federated, with nothing to read.
        tenant.domains[at].federation = Some(Federation::Unreadable);
        return Err(Refusal::new(
            500,
            "Service_InternalServerError",
            "Encountered an internal server error.",
        ));
    }
    let mut map = Map::new();
    for name in TEXTS {
        map.insert((*name).to_owned(), Value::Null);
    }
    map.insert("promptLoginBehavior".to_owned(), Value::Null);
    map.insert(
        "federatedIdpMfaBehavior".to_owned(),
        json!("acceptIfMfaDoneByFederatedIdp"),
    );
    map.insert(
        "isSignedAuthenticationRequestRequired".to_owned(),
        json!(false),
    );
    map.insert("signingCertificateUpdateStatus".to_owned(), Value::Null);
    merge(&mut map, body)?;
    let id: Uuid = tenant.mint();
    map.insert("id".to_owned(), json!(id));
    tenant.domains[at].federation = Some(Federation::Configured(Box::new(map.clone())));
    let context = format!(
        "domains('{}')/federationConfiguration/$entity",
        tenant.domains[at].name
    );
    let answer = crate::objects::one(call, &context, Value::Object(map));
    Ok(Answer {
        status: 201,
        ..answer
    }
    .effect(Effect::Changed))
}

/// `PATCH /domains/{id}/federationConfiguration/{id}`.
pub(crate) fn update_federation(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find_federation(tenant, call)?;
    let body = call.object()?;
    check_issuer(tenant, at, body)?;
    let before = configuration(tenant, at)?.clone();
    let mut map = before.clone();
    merge(&mut map, body)?;
    let changed = map != before;
    tenant.domains[at].federation = Some(Federation::Configured(Box::new(map.clone())));
    let context = format!(
        "domains('{}')/federationConfiguration/$entity",
        tenant.domains[at].name
    );
    Ok(crate::objects::one(call, &context, Value::Object(map)).effect(changed.into()))
}

/// `DELETE /domains/{id}/federationConfiguration/{id}`: the domain is managed again.
pub(crate) fn delete_federation(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let at = find_federation(tenant, call)?;
    tenant.domains[at].federation = None;
    Ok(Answer::no_content(Effect::Changed))
}
