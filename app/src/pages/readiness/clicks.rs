//! The clicks that put a check right where Signpost cannot, as Microsoft's pages name them.

use leptos::prelude::*;
use signpost_model::readiness::CheckKey;

use crate::components::Expander;

/// Where to click, behind a disclosure. In the practice tenant its own admin center stands in.
#[component]
pub(super) fn Clicks(check: CheckKey, practice: Option<String>) -> impl IntoView {
    let Some(steps) = steps_of(check) else {
        return ().into_any();
    };
    let rows = steps
        .iter()
        .map(|step| view! { <li>{*step}</li> })
        .collect_view();
    let practice = practice.map(|href| {
        view! {
            <p>
                "This is the practice tenant: do it on "
                <a href=href>"its own admin center"</a> "."
            </p>
        }
    });
    view! {
        <Expander summary=format!("{}: where to click", check.label())>
            {practice}
            <ol class="stack stack--tight">{rows}</ol>
        </Expander>
    }
    .into_any()
}

const fn steps_of(check: CheckKey) -> Option<&'static [&'static str]> {
    Some(match check {
        CheckKey::SignIn | CheckKey::Permissions => &[
            "Open the Entra admin center, App registrations, All applications, and select Signpost’s registration.",
            "API permissions: Add a permission, Microsoft Graph, Application permissions. Tick what is missing, remove what is too much.",
            "Select Grant admin consent, and confirm. A Privileged Role Administrator or Global Administrator may.",
            "Wait a few minutes, then check again here.",
        ],
        CheckKey::CredentialEnd => &[
            "Open the Entra admin center, App registrations, All applications, and select Signpost’s registration.",
            "Certificates & secrets, New client secret. Copy the Value, not the Secret ID.",
            "Save it in Signpost under Provisioning, Secret Value, then delete the old secret in Entra.",
        ],
        CheckKey::DomainVerified => &[
            "Open the Microsoft 365 admin center, Settings, Domains.",
            "Select the domain, copy the TXT record into your DNS zone, and select Verify.",
        ],
        CheckKey::DomainNotDefault => &[
            "Open the Entra admin center, Settings, Domain names.",
            "Select the onmicrosoft.com domain and select Make primary.",
        ],
        CheckKey::BreakGlass => &[
            "Open the Entra admin center, Users, New user. Choose the onmicrosoft.com domain and a long password.",
            "Assigned roles, Add assignments, Global Administrator.",
            "Do it twice, leave both out of every Conditional Access policy that could fail, and keep the passwords in a safe.",
        ],
        CheckKey::SecurityDefaults => &[
            "Open the Entra admin center, Overview, Properties, and select Manage security defaults.",
            "Choose Disabled, give the reason, and save.",
        ],
        CheckKey::MfaRemains => &[
            "Open the Entra admin center, Conditional Access, New policy from template.",
            "Choose Require multifactor authentication for all users, and leave the emergency accounts out.",
            "Set Enable policy to On. Security defaults must be off for it.",
        ],
        CheckKey::PerUserMfa => &[
            "Open the Entra admin center, Users, All users, Per-user MFA.",
            "Select the people who are Enabled or Enforced, and select Disable. Leave administrators as they are.",
        ],
        CheckKey::PasswordReset => &[
            "Open the Entra admin center, Password reset, Properties.",
            "Set Self service password reset enabled to None, and save.",
            "Microsoft takes up to an hour. Administrators keep theirs.",
        ],
        CheckKey::Registration => &[
            "Open the Entra admin center, Password reset, Registration. When it is greyed out, password reset is None already: then nobody is asked.",
            "Set Require users to register when signing in to No, and save.",
            "Microsoft takes up to an hour.",
        ],
        _ => return None,
    })
}
