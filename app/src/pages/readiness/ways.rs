//! Where to go from a check that asks for something.

use leptos::prelude::*;
use signpost_model::ApplicationId;
use signpost_model::readiness::{CheckKey, MfaTally};
use signpost_store::asked_people::Asked;

use super::people::people_of;
use crate::components::LinkButton;
use crate::urls;

/// The pages of Signpost that the check's next step names.
#[component]
pub(super) fn Ways(
    id: ApplicationId,
    check: CheckKey,
    /// Whether nothing is left to do.
    settled: bool,
    tally: Option<MfaTally>,
) -> impl IntoView {
    let provisioning = ("Open Provisioning", urls::application_provisioning(id));
    let sign_on = ("Open Sign-on", urls::application_sign_on(id));
    let federation = ("Open Federation", urls::application_federation(id));
    let pages = match check {
        _ if settled => Vec::new(),
        CheckKey::SignIn | CheckKey::UserNames | CheckKey::DomainVerified => vec![provisioning],
        CheckKey::Permissions => vec![("Choose features", urls::application_registration(id))],
        CheckKey::CredentialEnd => vec![(
            "Open secret and certificate",
            format!("{}#credential", urls::application_registration(id)),
        )],
        CheckKey::MfaRemains => vec![sign_on, federation],
        CheckKey::MfaHandover | CheckKey::Metadata => vec![sign_on],
        _ => Vec::new(),
    };
    let people = match (check, tally) {
        (CheckKey::PerUserMfa, Some(tally)) if tally.asked > 0 => {
            Some((Asked::Twice, "Show these people"))
        }
        (CheckKey::PerUserMfa, Some(tally)) if tally.unreadable > 0 => {
            Some((Asked::Unreadable, "Show these accounts"))
        }
        // Worth knowing also where nothing is left to do.
        (CheckKey::MfaHandover, _) => Some((Asked::WithoutFactor, "Show people without factor")),
        _ => None,
    };
    if pages.is_empty() && people.is_none() {
        return ().into_any();
    }
    let pages = pages
        .into_iter()
        .map(|(words, href)| view! { <LinkButton href=href>{words}</LinkButton> })
        .collect_view();
    let people = people
        .map(|(asked, words)| view! { <LinkButton href=people_of(id, asked)>{words}</LinkButton> });
    view! { <div class="row">{pages} {people}</div> }.into_any()
}
