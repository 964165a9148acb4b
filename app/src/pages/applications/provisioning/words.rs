//! Why a connection does not work: cause and next step in plain words, and the field to blame.

use signpost_model::connection::{ConnectionProblem, ConnectionProblemKind, ConnectionSettings};

use crate::permissions::Judgement;

/// What to tell the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The form's field that is the cause, when one is.
    pub field: Option<&'static str>,
    /// Cause and next step.
    pub text: String,
}

/// A problem of these settings in words. `granted` are the permissions in the token.
pub fn told(
    problem: &ConnectionProblem,
    settings: &ConnectionSettings,
    granted: &[String],
) -> Told {
    use ConnectionProblemKind as Kind;
    let cloud = settings.cloud.label();
    let (field, text) = match problem.kind {
        Kind::WrongSecret => (
            Some("secret"),
            "Microsoft does not accept the client secret. It was not saved. Create a new secret in the app registration and paste its Value here.".to_owned(),
        ),
        Kind::SecretExpired => (
            Some("secret"),
            "The client secret has ended. Create a new one in the app registration under Certificates & secrets, and paste its Value here.".to_owned(),
        ),
        Kind::UnknownTenant => (
            Some("tenant_id"),
            format!(
                "Microsoft knows no tenant with this ID in the cloud {cloud}. Copy the Tenant ID from the Entra overview page, and check the cloud."
            ),
        ),
        Kind::UnknownApplication => (
            Some("client_id"),
            format!(
                "There is no app registration with this client ID in tenant {}. Check that both IDs come from the same tenant.",
                settings.tenant_id
            ),
        ),
        Kind::ApplicationDisabled => (
            Some("client_id"),
            "The application is switched off in this tenant. In Entra, open Enterprise applications, choose it, and set Enabled for users to sign in to Yes.".to_owned(),
        ),
        Kind::NoConsent => (
            None,
            "Signed in, but no permission is granted. Add the permissions listed below (type: Application). Then a Privileged Role Administrator must select Grant admin consent.".to_owned(),
        ),
        Kind::PermissionMissing => (None, missing(granted)),
        Kind::DomainNotVerified => (
            Some("domain"),
            format!(
                "{} is not a verified domain of this tenant. Verify it in the Microsoft 365 admin center under Settings, Domains, or enter one of the domains found.",
                settings.domain
            ),
        ),
        Kind::Throttled => (
            None,
            "Microsoft asked us to slow down. Nothing is wrong with the settings: select Update Settings again in a few minutes.".to_owned(),
        ),
        Kind::Unreachable => (
            None,
            "Microsoft did not answer within 10 seconds. Nothing was changed there. Try again, check this server's way to the internet, or look at the Microsoft service health page.".to_owned(),
        ),
        Kind::Refused => (
            None,
            "Microsoft refused the connection for a reason that Signpost does not know. Check the cloud and both IDs; the details below help Microsoft's support.".to_owned(),
        ),
    };
    Told { field, text }
}

fn missing(granted: &[String]) -> String {
    let missing = Judgement::of(granted).missing;
    let names: Vec<_> = missing.iter().map(|need| need.name).collect();
    match names.as_slice() {
        [] => "Signed in, but Microsoft refused to show a part of the tenant. Wait a few minutes after granting consent, then select Update Settings again.".to_owned(),
        [one] => format!(
            "Signed in, but permission {one} is missing. Add it under API permissions (type: Application) and select Grant admin consent."
        ),
        many => format!(
            "Signed in, but permissions {} are missing. Add them under API permissions (type: Application) and select Grant admin consent.",
            many.join(", ")
        ),
    }
}

/// What is wrong with the shape of a value, before any call.
pub fn shape_of_tenant(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("Enter the Directory (tenant) ID from the Entra overview page");
    }
    if !signpost_model::text::is_guid(text) {
        return Err("Enter the tenant ID as 32 letters and digits with dashes");
    }
    Ok(())
}

/// As [`shape_of_tenant`], of the client id.
pub fn shape_of_client(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("Enter the Application (client) ID from the app registration's overview page");
    }
    if !signpost_model::text::is_guid(text) {
        return Err("Enter the client ID as 32 letters and digits with dashes");
    }
    Ok(())
}

/// As [`shape_of_tenant`], of the domain.
pub fn shape_of_domain(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err(
            "Enter the domain whose people this application looks after, such as contoso.com",
        );
    }
    if !signpost_model::text::is_domain_name(text) {
        return Err("Enter a domain name such as contoso.com, without @ and without https://");
    }
    Ok(())
}

/// As [`shape_of_tenant`], of a new secret.
pub fn shape_of_secret(text: &str) -> Result<(), &'static str> {
    if signpost_model::text::is_guid(text) {
        return Err("This is a Secret ID. Paste the secret's Value.");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) || text.len() > 1024 {
        return Err("A secret's Value has no blanks and no line breaks. Copy it again.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use signpost_model::Cloud;

    use super::*;

    const KINDS: [ConnectionProblemKind; 11] = [
        ConnectionProblemKind::WrongSecret,
        ConnectionProblemKind::SecretExpired,
        ConnectionProblemKind::UnknownTenant,
        ConnectionProblemKind::UnknownApplication,
        ConnectionProblemKind::ApplicationDisabled,
        ConnectionProblemKind::NoConsent,
        ConnectionProblemKind::PermissionMissing,
        ConnectionProblemKind::DomainNotVerified,
        ConnectionProblemKind::Throttled,
        ConnectionProblemKind::Unreachable,
        ConnectionProblemKind::Refused,
    ];

    #[test]
    fn every_failure_says_cause_and_next_step() {
        let settings = ConnectionSettings {
            cloud: Cloud::GccHigh,
            domain: "contoso.example".into(),
            tenant_id: "t".into(),
            client_id: "c".into(),
        };
        for kind in KINDS {
            let problem = ConnectionProblem {
                kind,
                code: None,
                correlation_id: None,
            };
            let text = told(&problem, &settings, &[]).text;
            assert!(text.matches(". ").count() >= 1, "{kind:?}: {text}");
        }
    }

    #[test]
    fn values_of_the_wrong_shape_are_named_before_any_call() {
        let guid = "8c1ef6f0-0000-4000-8000-000000000000";
        assert!(shape_of_tenant(guid).is_ok() && shape_of_tenant("contoso.com").is_err());
        assert!(shape_of_client("{8c1ef6f0}").is_err());
        assert_eq!(
            shape_of_secret(guid),
            Err("This is a Secret ID. Paste the secret's Value.")
        );
        assert!(shape_of_secret("a b").is_err());
        assert!(shape_of_domain("https://contoso.com").is_err());
        assert!(shape_of_domain("contoso.com").is_ok());
    }
}
