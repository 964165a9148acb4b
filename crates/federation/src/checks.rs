//! What must be true before a domain is federated, judged by what was read of the tenant.
//!
//! Microsoft checks little of it: a domain federated too early is one that nobody can sign in to.

use std::fmt::Write as _;

use signpost_model::time::DAY_MS;
use signpost_model::{Cloud, Timestamp};

use crate::{Certificate, FederationSettings, MetadataProblem, ProviderMetadata};

/// A certificate that ends sooner is not begun with.
const LEAST_DAYS: i64 = 30;
/// Administrators outside of the domain: with one alone, one lost password locks the tenant.
const LEAST_ADMINISTRATORS: usize = 2;

/// One thing that must be true, in the order of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckKind {
    Verified,
    Custom,
    NotDefault,
    Root,
    Managed,
    Subdomains,
    Issuer,
    Certificate,
    Addresses,
    Metadata,
    ImmutableIds,
    Administrators,
}

impl CheckKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Verified,
        Self::Custom,
        Self::NotDefault,
        Self::Root,
        Self::Managed,
        Self::Subdomains,
        Self::Issuer,
        Self::Certificate,
        Self::Addresses,
        Self::Metadata,
        Self::ImmutableIds,
        Self::Administrators,
    ];

    /// The word of the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Custom => "custom",
            Self::NotDefault => "not_default",
            Self::Root => "root",
            Self::Managed => "managed",
            Self::Subdomains => "subdomains",
            Self::Issuer => "issuer",
            Self::Certificate => "certificate",
            Self::Addresses => "addresses",
            Self::Metadata => "metadata",
            Self::ImmutableIds => "immutable_ids",
            Self::Administrators => "administrators",
        }
    }

    /// The check of this word.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }

    /// What it asks, as a statement.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Verified => "The domain is verified",
            Self::Custom => "It is a custom domain",
            Self::NotDefault => "It is not the default domain",
            Self::Root => "It is not below another domain",
            Self::Managed => "Microsoft signs its people in now",
            Self::Subdomains => "Domains below it",
            Self::Issuer => "No other domain has this issuer",
            Self::Certificate => "The signing certificate is good",
            Self::Addresses => "The addresses are https",
            Self::Metadata => "The identity provider answers",
            Self::ImmutableIds => "Every account has its ImmutableId",
            Self::Administrators => "Administrators can sign in without it",
        }
    }
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckState {
    Passed,
    /// May be gone on with, knowingly.
    Attention,
    /// Could not be found out.
    Unknown,
    /// Must be put right first.
    Failed,
}

impl CheckState {
    /// The word of the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Attention => "attention",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }

    /// The state of this word.
    pub fn from_key(key: &str) -> Option<Self> {
        [Self::Passed, Self::Attention, Self::Unknown, Self::Failed]
            .into_iter()
            .find(|state| state.key() == key)
    }

    /// The word on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::Attention => "Attention",
            Self::Unknown => "Unknown",
            Self::Failed => "Failed",
        }
    }
}

/// A check with what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub kind: CheckKind,
    pub state: CheckState,
    /// What was found.
    pub found: String,
    /// What to do about it; empty when nothing is to be done.
    pub todo: String,
}

/// A domain as the tenant shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantDomain {
    pub name: String,
    pub verified: bool,
    pub initial: bool,
    pub default: bool,
    pub root: bool,
    pub federated: bool,
}

/// What another reader has to find out, which may fail: then with the words why.
pub type Read<T> = Result<T, String>;

/// What the checks go by.
#[derive(Debug, Clone)]
pub struct CheckFacts {
    /// Every domain of the tenant.
    pub domains: Read<Vec<TenantDomain>>,
    /// Federated domains of the tenant with their issuers, this one too.
    pub issuers: Read<Vec<(String, String)>>,
    /// What the identity provider's metadata says; `None` when its address is not known.
    pub metadata: Option<Read<Result<ProviderMetadata, MetadataProblem>>>,
    /// Accounts that are in the way, and those that were waived by name.
    pub accounts: Read<AccountFacts>,
    pub administrators: Read<AdministratorFacts>,
}

/// The accounts of the domain, by what their ImmutableIds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountFacts {
    pub total: i64,
    /// Neither clean nor waived.
    pub open: i64,
    pub waived: i64,
}

/// The Global Administrators.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdministratorFacts {
    /// Enabled, cloud-only ones on another domain than this one and those below it.
    pub outside: usize,
    /// Those whose sign-in moves with the domain.
    pub inside: Vec<String>,
}

/// Judges everything; the order is that of [`CheckKind::ALL`].
pub fn judge(settings: &FederationSettings, facts: &CheckFacts, now: Timestamp) -> Vec<Check> {
    CheckKind::ALL
        .into_iter()
        .map(|kind| {
            let (state, found, todo) = one(kind, settings, facts, now);
            Check {
                kind,
                state,
                found,
                todo,
            }
        })
        .collect()
}

impl Check {
    /// Whether it keeps the switch locked. Who the administrators are is asked of Microsoft by a
    /// permission that may not be granted: not knowing it is said, and may be gone on with.
    pub fn is_in_the_way(&self) -> bool {
        match self.state {
            CheckState::Passed | CheckState::Attention => false,
            CheckState::Unknown => self.kind != CheckKind::Administrators,
            CheckState::Failed => true,
        }
    }
}

/// Judges the accounts alone.
pub fn judge_accounts(accounts: &AccountFacts) -> Check {
    let (state, found, todo) = accounts_judged(*accounts);
    Check {
        kind: CheckKind::ImmutableIds,
        state,
        found,
        todo,
    }
}

/// Whether nothing stands in the way.
pub fn may_federate(checks: &[Check]) -> bool {
    !checks.is_empty() && !checks.iter().any(Check::is_in_the_way)
}

/// The domain and those below it that sign in as it does.
pub fn family<'a>(
    domain: &'a str,
    domains: &'a [TenantDomain],
) -> impl Iterator<Item = &'a str> + 'a {
    let below = domains.iter().filter(move |other| {
        let ending = other.name.len().checked_sub(domain.len() + 1);
        let cut = ending.and_then(|at| other.name.split_at_checked(at));
        !other.root
            && cut.is_some_and(|(_, rest)| {
                rest.strip_prefix('.')
                    .is_some_and(|rest| rest.eq_ignore_ascii_case(domain))
            })
    });
    std::iter::once(domain).chain(below.map(|other| other.name.as_str()))
}

type Judged = (CheckState, String, String);

fn passed(found: impl Into<String>) -> Judged {
    (CheckState::Passed, found.into(), String::new())
}

fn failed(found: impl Into<String>, todo: impl Into<String>) -> Judged {
    (CheckState::Failed, found.into(), todo.into())
}

fn attention(found: impl Into<String>, todo: impl Into<String>) -> Judged {
    (CheckState::Attention, found.into(), todo.into())
}

fn unknown(why: &str) -> Judged {
    (
        CheckState::Unknown,
        why.to_owned(),
        "Check again; the script looks at this as well.".to_owned(),
    )
}

fn one(
    kind: CheckKind,
    settings: &FederationSettings,
    facts: &CheckFacts,
    now: Timestamp,
) -> Judged {
    match kind {
        CheckKind::Issuer => issuer(settings, facts),
        CheckKind::Certificate => certificate(&settings.values().signing_certificate, now),
        CheckKind::Addresses => addresses(settings),
        CheckKind::Metadata => metadata(settings, facts),
        CheckKind::ImmutableIds => immutable_ids(facts),
        CheckKind::Administrators => administrators(facts),
        _ => match &facts.domains {
            Ok(domains) => domain(kind, settings, domains, facts),
            Err(why) => unknown(why),
        },
    }
}

fn domain(
    kind: CheckKind,
    settings: &FederationSettings,
    domains: &[TenantDomain],
    facts: &CheckFacts,
) -> Judged {
    let name = settings.values().domain.as_str();
    let Some(domain) = domains
        .iter()
        .find(|domain| domain.name.eq_ignore_ascii_case(name))
    else {
        return failed(
            format!("The tenant has no domain {name}."),
            "Add and verify it in the Microsoft 365 admin center, or correct it under Provisioning.",
        );
    };
    match kind {
        CheckKind::Verified if domain.verified => passed(format!("{name} is verified.")),
        CheckKind::Verified => failed(
            format!("{name} is not verified."),
            "Verify it in the Microsoft 365 admin center.",
        ),
        CheckKind::Custom if !domain.initial => passed(format!("{name} is your own.")),
        CheckKind::Custom => failed(
            format!("{name} is the domain the tenant began with."),
            "Microsoft federates custom domains only. Add one.",
        ),
        CheckKind::NotDefault if !domain.default => passed("Another domain is the default."),
        CheckKind::NotDefault => failed(
            format!("{name} is the default domain, which Microsoft does not federate."),
            "Make the onmicrosoft.com domain the default in the Microsoft 365 admin center.",
        ),
        CheckKind::Root if domain.root => passed("It stands by itself."),
        CheckKind::Root => failed(
            format!("{name} signs in as the domain above it does."),
            "Federate the domain above, or promote this one first.",
        ),
        CheckKind::Managed => managed(name, domain, settings, facts),
        _ => below(name, domains),
    }
}

fn managed(
    name: &str,
    domain: &TenantDomain,
    settings: &FederationSettings,
    facts: &CheckFacts,
) -> Judged {
    let own = facts.issuers.as_ref().ok().and_then(|issuers| {
        let same = issuers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        same.map(|(_, issuer)| issuer.as_str())
    });
    match (domain.federated, own) {
        (false, None) => passed("It is managed."),
        (false, Some(_)) => failed(
            "It is managed, and yet holds a federation.",
            "Revert first: an earlier federation was not taken back whole.",
        ),
        (true, Some(issuer)) if issuer == settings.values().issuer_uri => failed(
            "It is federated with this identity provider already.",
            "There is nothing to federate. Use Update, or Revert.",
        ),
        (true, Some(issuer)) => failed(
            format!("It is federated with {issuer}."),
            "Revert first: people sign in there now.",
        ),
        (true, None) => failed(
            "It is federated, with what cannot be read.",
            "Revert, and check again.",
        ),
    }
}

fn below(name: &str, domains: &[TenantDomain]) -> Judged {
    let names: Vec<&str> = family(name, domains).skip(1).collect();
    if names.is_empty() {
        return passed("There is none.");
    }
    attention(
        format!(
            "People of {} sign in the same way from then on.",
            names.join(", ")
        ),
        "Tell them as well. To leave one out, promote it first.",
    )
}

fn issuer(settings: &FederationSettings, facts: &CheckFacts) -> Judged {
    let values = settings.values();
    let issuers = match &facts.issuers {
        Ok(issuers) => issuers,
        Err(why) => return unknown(why),
    };
    let other = issuers.iter().find(|(domain, issuer)| {
        *issuer == values.issuer_uri && !domain.eq_ignore_ascii_case(&values.domain)
    });
    match other {
        None => passed(values.issuer_uri.clone()),
        Some((domain, _)) => failed(
            format!("{domain} has it already."),
            "Each federated domain needs an issuer of its own: one application per domain.",
        ),
    }
}

/// Without a good certificate Microsoft federates the domain and can then neither read nor undo it.
fn certificate(certificate: &Certificate, now: Timestamp) -> Judged {
    let days = certificate.not_after().millis_since(now).div_euclid(DAY_MS);
    if certificate.not_before() > now {
        failed(
            format!("It is valid from {} only.", certificate.not_before()),
            "Use one that is valid now.",
        )
    } else if days < LEAST_DAYS {
        failed(
            format!("It ends in {} days.", days.max(0)),
            "Make the next one under Sign-on, and switch to it first.",
        )
    } else {
        passed(format!(
            "RSA with {} bits, {days} days left, SHA-1 {}.",
            certificate.key_bits(),
            certificate.sha1_fingerprint()
        ))
    }
}

fn addresses(settings: &FederationSettings) -> Judged {
    let values = settings.values();
    let plain = [&values.passive_sign_in_uri, &values.sign_out_uri]
        .into_iter()
        .find(|address| !address.starts_with("https://"));
    match plain {
        None => passed(values.passive_sign_in_uri.clone()),
        Some(address) if values.cloud == Cloud::Practice => attention(
            format!("{address} is good for the practice tenant only."),
            "Microsoft sends people to https addresses.",
        ),
        Some(address) => failed(
            format!("{address} is not https."),
            "Set SIGNPOST_PUBLIC_URL to the portal's https address.",
        ),
    }
}

fn metadata(settings: &FederationSettings, facts: &CheckFacts) -> Judged {
    let values = settings.values();
    let found = match &facts.metadata {
        None => {
            return attention(
                "Its metadata address is not known, so nothing was compared.",
                "Compare issuer and certificate with the other identity provider yourself.",
            );
        }
        Some(Err(why)) => {
            return failed(
                format!("It did not answer: {why}"),
                "Microsoft sends people there: it must answer under its public address.",
            );
        }
        Some(Ok(Err(problem))) => {
            return failed(
                format!("What it answers is not its metadata. {problem}"),
                "Look what stands between: a proxy that asks for a password, another server.",
            );
        }
        Some(Ok(Ok(found))) => found,
    };
    let mut wrong = String::new();
    if found.issuer != values.issuer_uri {
        let _infallible = write!(wrong, "Its issuer is {}. ", found.issuer);
    }
    if !found.certificates.contains(&values.signing_certificate) {
        wrong.push_str("It signs with another certificate. ");
    }
    if wrong.is_empty() {
        passed("Its metadata names this issuer and this certificate.")
    } else {
        failed(
            wrong.trim_end(),
            "Tokens would be refused. Look whether another installation answers there.",
        )
    }
}

fn immutable_ids(facts: &CheckFacts) -> Judged {
    match &facts.accounts {
        Ok(accounts) => accounts_judged(*accounts),
        Err(why) => unknown(why),
    }
}

fn accounts_judged(accounts: AccountFacts) -> Judged {
    let AccountFacts {
        total,
        open,
        waived,
    } = accounts;
    if total == 0 {
        failed(
            "No account of this domain is known.",
            "Sync first, so that the tenant's accounts are read.",
        )
    } else if open > 0 {
        failed(
            format!("{open} of {total} accounts could not sign in afterwards."),
            "Repair them, or waive each by name.",
        )
    } else if waived > 0 {
        attention(
            format!(
                "{} of {total} accounts are ready, {waived} are waived.",
                total - waived
            ),
            "Those who are waived cannot sign in afterwards.",
        )
    } else {
        passed(format!("All {total} accounts are ready."))
    }
}

fn administrators(facts: &CheckFacts) -> Judged {
    let AdministratorFacts { outside, inside } = match &facts.administrators {
        Ok(administrators) => administrators,
        Err(why) => return unknown(why),
    };
    let mut found = match outside {
        0 => "Every Global Administrator signs in through this domain.".to_owned(),
        1 => "One Global Administrator signs in without this domain.".to_owned(),
        many => format!("{many} Global Administrators sign in without this domain."),
    };
    if !inside.is_empty() {
        let _infallible = write!(found, " With it: {}.", inside.join(", "));
    }
    let todo = "Keep two cloud-only Global Administrators on the onmicrosoft.com domain.";
    if *outside == 0 {
        failed(found, todo)
    } else if *outside < LEAST_ADMINISTRATORS {
        attention(found, todo)
    } else {
        passed(found)
    }
}
