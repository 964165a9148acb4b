//! What must be true before the domain is federated, each with its state and what to do.

use leptos::prelude::*;
use signpost_federation::checks::{Check as Found, CheckKind, CheckState};
use signpost_model::{ApplicationId, Role};

use crate::components::{
    Button, Card, Check, Checklist, EmptyState, Form, Icon, LinkButton, Look, Precision, Status,
    moment,
};
use crate::error::PortalError;
use crate::federation::SetUp;
use crate::federation::checks::{Checked, look};
use crate::forms::{Answer, Posted, respond};
use crate::pages::applications::id_of_form;
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require};

/// The card.
#[component]
pub(super) fn ChecksCard(id: ApplicationId, checked: Option<Checked>, may: bool) -> impl IntoView {
    let at = checked.as_ref().and_then(|checked| checked.at.to_jiff());
    let hint = match at {
        Some(at) => format!("Looked at {}.", moment(at, Precision::Minute)),
        None => "Microsoft checks little of this itself.".to_owned(),
    };
    let words = if checked.is_some() {
        "Check again"
    } else {
        "Check now"
    };
    let again = may.then(|| {
        view! {
            <Form action="/api/federation/check">
                <input type="hidden" name="application" value=id.to_string() />
                <Button icon=Icon::RefreshCw>{words}</Button>
            </Form>
        }
    });
    let body = match checked {
        None => view! {
            <EmptyState
                icon=Icon::SearchCheck
                title="Nothing was checked yet"
                why="The tenant, the accounts and the identity provider are looked at; nothing is changed."
            />
        }
        .into_any(),
        Some(checked) => {
            let rows = checked
                .checks
                .into_iter()
                .map(|check| view! { <Row id=id check=check /> })
                .collect_view();
            view! { <Checklist label="Checks before federating">{rows}</Checklist> }.into_any()
        }
    };
    view! {
        <Card id="checks" title="Checks" hint=hint actions=move || again>
            {body}
        </Card>
    }
    .into_any()
}

#[component]
fn Row(id: ApplicationId, check: Found) -> impl IntoView {
    let detail = if check.todo.is_empty() {
        check.found.clone()
    } else {
        format!("{} {}", check.found, check.todo)
    };
    let action = match check.kind {
        CheckKind::ImmutableIds => Some((urls::application_immutable_ids(id), "Open doctor")),
        CheckKind::Certificate if check.state == CheckState::Failed => {
            Some((urls::application_sign_on(id), "Open Sign-on"))
        }
        _ => None,
    };
    let title = check.kind.label();
    match action {
        None => {
            view! { <Check status=status_of(check.state) title=title detail=detail /> }.into_any()
        }
        Some((href, words)) => view! {
            <Check status=status_of(check.state) title=title detail=detail>
                <LinkButton href=href look=Look::Quiet>{words}</LinkButton>
            </Check>
        }
        .into_any(),
    }
}

/// The looks of a check's state.
pub(super) const fn status_of(state: CheckState) -> Status {
    match state {
        CheckState::Passed => Status::PASSED,
        CheckState::Attention => Status::ATTENTION,
        CheckState::Unknown => Status::UNKNOWN,
        CheckState::Failed => Status::FAILED,
    }
}

/// Looks now.
#[server(prefix = "/api", endpoint = "federation/check")]
pub async fn check_federation() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let id = id_of_form(&Posted::current())?;
        let set_up = SetUp::load(&portal, id).await?;
        let back = urls::application_federation(id);
        let notice = match look(&portal, &set_up).await? {
            None => Notice::warning(
                "Fill in the connection on Provisioning and select Update Settings first.",
            ),
            Some(checked) => {
                let open = checked
                    .checks
                    .iter()
                    .filter(|check| check.is_in_the_way())
                    .count();
                match open {
                    0 => Notice::success("Checked. Nothing stands in the way."),
                    1 => Notice::warning("Checked. One point must be put right first."),
                    many => {
                        Notice::warning(format!("Checked. {many} points must be put right first."))
                    }
                }
            }
        };
        Ok(Answer::to(back).notice(notice))
    })
    .await
}
