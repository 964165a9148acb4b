//! What went wrong, in our words: the kind says what an operator can do.

use signpost_graph::{Error, ErrorKind, Refusal, Rejection, TokenErrorKind};
use signpost_model::run::{ActionFailure, FailureKind, RunFailure};

/// The most of Microsoft's text that is kept.
const MAX_MESSAGE: usize = 500;

/// Why an action failed, with Microsoft's code and reference.
pub fn failure_of(error: &Error) -> ActionFailure {
    let (kind, code, message) = match error.kind() {
        ErrorKind::Unauthorized(token) => (
            FailureKind::PermissionMissing,
            token.code.map(|code| format!("AADSTS{code}")),
            token.description.clone(),
        ),
        ErrorKind::Forbidden {
            missing,
            code,
            message,
        } => {
            let kind = if missing.is_some() {
                FailureKind::PermissionMissing
            } else {
                FailureKind::TargetIsAdministrator
            };
            (kind, Some(code.clone()), message.clone())
        }
        ErrorKind::NotFound { code, message } => {
            let code = Some(code.clone());
            (FailureKind::AccountGone, code, message.clone())
        }
        ErrorKind::Conflict(rejection) | ErrorKind::Rejected(rejection) => (
            kind_of(rejection),
            Some(rejection.code.clone()),
            rejection.message.clone(),
        ),
        ErrorKind::Throttled { .. } | ErrorKind::ConcurrentWrite { .. } => {
            (FailureKind::Throttled, None, error.to_string())
        }
        ErrorKind::Unavailable { code, .. } => {
            let code = (!code.is_empty()).then(|| code.clone());
            (FailureKind::Unreachable, code, error.to_string())
        }
        ErrorKind::ForeignLink { .. } | ErrorKind::DeltaExpired => {
            (FailureKind::Rejected, None, error.to_string())
        }
        ErrorKind::Decode { .. }
        | ErrorKind::Transport { .. }
        | ErrorKind::NotTried
        | ErrorKind::Withheld
        | ErrorKind::NoAnswer => (FailureKind::Unreachable, None, error.to_string()),
    };
    ActionFailure {
        kind,
        code,
        message: shorten(message),
        request_id: error.request_id().map(str::to_owned),
    }
}

fn kind_of(rejection: &Rejection) -> FailureKind {
    let is_prohibited =
        |detail: &signpost_graph::Detail| detail.code.starts_with("ProhibitedInUsageLocation");
    if rejection.details.iter().any(is_prohibited) {
        return FailureKind::ProhibitedInUsageLocation;
    }
    match &rejection.refusal {
        Refusal::ValueTaken { property } => match property.as_deref() {
            Some("proxyAddresses" | "mail" | "otherMails") => FailureKind::AddressTaken,
            Some("onPremisesImmutableId") => FailureKind::Rejected,
            _ => FailureKind::UserNameTaken,
        },
        Refusal::UnverifiedDomain => FailureKind::DomainNotVerified,
        Refusal::SynchronisedAccount => FailureKind::SynchronisedElsewhere,
        Refusal::UsageLocation => FailureKind::NoUsageLocation,
        Refusal::NoSeats => FailureKind::NoSeats,
        Refusal::ConflictingPlans => FailureKind::ExclusivePlans,
        Refusal::MissingPlan => FailureKind::PlanDependency,
        _ => FailureKind::Rejected,
    }
}

/// Whether the error makes the rest of a run pointless.
pub fn is_fatal(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Unauthorized(token) => !token.is_retryable(),
        ErrorKind::Forbidden { missing, .. } => missing.is_some(),
        _ => false,
    }
}

/// Why a run as a whole ended: what happened, and what to do next.
pub fn run_failure(error: &Error) -> RunFailure {
    let text = match error.kind() {
        ErrorKind::Unauthorized(token) => token_words(token.kind).to_owned(),
        ErrorKind::Forbidden {
            missing: Some(missing),
            ..
        } => format!(
            "Permission {missing} is missing in the tenant. Add it under API permissions (type: Application) and select Grant admin consent, then sync again."
        ),
        ErrorKind::ForeignLink { host } => format!(
            "Microsoft's answer led to {host}, which is not Microsoft Graph. Signpost did not follow it."
        ),
        ErrorKind::Decode { .. } => {
            "Something between Signpost and Microsoft changed the answer. Check for a proxy, then sync again.".to_owned()
        }
        ErrorKind::Throttled { .. } => {
            "Microsoft asked us to slow down. The next sync goes on where this one stopped.".to_owned()
        }
        _ => "Microsoft did not answer. The next sync goes on where this one stopped.".to_owned(),
    };
    let failure = failure_of(error);
    RunFailure {
        text,
        code: failure.code,
        request_id: failure.request_id,
    }
}

const fn token_words(kind: TokenErrorKind) -> &'static str {
    match kind {
        TokenErrorKind::WrongSecret => {
            "Microsoft does not accept the client secret. Create a new secret in the app registration and save its Value on the Provisioning page."
        }
        TokenErrorKind::SecretIsAnId => {
            "The saved secret is a Secret ID. Save the secret's Value on the Provisioning page."
        }
        TokenErrorKind::SecretExpired => {
            "The client secret has ended. Create a new one in the app registration and save its Value on the Provisioning page."
        }
        TokenErrorKind::WrongCertificate => {
            "Microsoft does not know the certificate. Upload it to the app registration."
        }
        TokenErrorKind::ClockWrong => {
            "This server's clock is wrong, so Microsoft refuses its sign-in. Set the clock."
        }
        TokenErrorKind::UnknownTenant | TokenErrorKind::BadTenantValue => {
            "Microsoft knows no tenant with this ID. Check the Directory (tenant) ID on the Provisioning page."
        }
        TokenErrorKind::UnknownApplication => {
            "The tenant does not know this application. Check the Application (client) ID on the Provisioning page."
        }
        TokenErrorKind::NoConsent => {
            "An administrator of the tenant has not consented. Use the consent link on the Provisioning page."
        }
        TokenErrorKind::ApplicationDisabled => {
            "The application is switched off in the tenant. Switch it on in the Entra admin center."
        }
        TokenErrorKind::Unavailable | TokenErrorKind::Network | TokenErrorKind::Unreadable => {
            "Microsoft's sign-in did not answer. The next sync goes on where this one stopped."
        }
        TokenErrorKind::RefusedByGraph | TokenErrorKind::Other => {
            "Microsoft refuses Signpost's sign-in. Select Update Settings on the Provisioning page to see why."
        }
    }
}

fn shorten(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let mut end = MAX_MESSAGE;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
    message
}
