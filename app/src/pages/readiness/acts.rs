//! What operators do about checks: make them again, answer for them, tick what they looked up.

use leptos::prelude::*;
use signpost_model::readiness::{CheckKey, CheckState, HandMark};
use signpost_model::{ApplicationId, Role};
use signpost_store::readiness;

use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Posted, Refusal, respond};
use crate::pages::applications::{found, id_of_form};
use crate::portal::{Portal, portal};
use crate::readiness::look;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The longest reason for a waiver.
const LONGEST_REASON: usize = 200;

/// The application of the posted form, if it exists.
pub(super) async fn posted_application(
    portal: &Portal,
    posted: &Posted,
) -> Result<ApplicationId, PortalError> {
    let id = id_of_form(posted)?;
    found(&mut portal.store.read().await?, id).await?;
    Ok(id)
}

/// Back to the page, at the check.
pub(super) fn back_to(id: ApplicationId, check: Option<CheckKey>) -> String {
    let page = urls::application_readiness(id);
    match check {
        Some(check) => format!("{page}#{}", check.area().key()),
        None => page,
    }
}

fn posted_check(posted: &Posted) -> Result<CheckKey, PortalError> {
    posted
        .first("check")
        .parse()
        .map_err(|_| PortalError::BadRequest)
}

/// Makes the checks again; `check` names the one that was asked for.
#[server(prefix = "/api", endpoint = "readiness/check")]
pub async fn check_readiness() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        let asked = posted.first("check").parse::<CheckKey>().ok();
        let Some(checks) = look(&portal, id).await? else {
            let text = "Fill in the connection on the Provisioning page first.";
            return Ok(Answer::to(back_to(id, None)).notice(Notice::warning(text)));
        };
        let notice = match asked.and_then(|key| checks.iter().find(|check| check.key == key)) {
            Some(check) => {
                let text = format!(
                    "{}: {}. {}",
                    check.key.label(),
                    check.state.label(),
                    check.sentence
                );
                if check.state == CheckState::Passed {
                    Notice::success(text)
                } else {
                    Notice::info(text)
                }
            }
            None => {
                let passed = checks
                    .iter()
                    .filter(|check| check.state == CheckState::Passed)
                    .count();
                Notice::success(format!("{passed} of {} checks passed.", checks.len()))
            }
        };
        Ok(Answer::to(back_to(id, asked)).notice(notice))
    })
    .await
}

/// An operator answers for a check.
#[server(prefix = "/api", endpoint = "readiness/waive")]
pub async fn waive_check() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        let key = posted_check(&posted)?;
        let shown: CheckState = posted
            .first("state")
            .parse()
            .map_err(|_| PortalError::BadRequest)?;
        let back = back_to(id, Some(key));
        let field = format!("reason-{}", key.key());
        let reason = posted.first(&field).trim().to_owned();
        if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
            let text = "Enter why it may stay as it is, in up to 200 characters";
            return Err(FormErrors::field(field, text).refuse(back));
        }
        let mut tx = portal.store.write().await?;
        let known = readiness::list(&mut tx, id).await?;
        let known = known.into_iter().find(|known| known.check.key == key);
        let check = known.ok_or(PortalError::NotFound)?.check;
        // It was answered for what stood on the page, not for what it became meanwhile.
        if check.state != shown || !check.may_be_waived() {
            let text =
                "The check came out differently meanwhile, or it cannot be waived. Look again.";
            return Err(FormErrors::summary(text).refuse(back));
        }
        let (author, now) = (visit().author(), portal.clock.now());
        readiness::waive(&mut tx, id, key, check.state, &reason, &author, now).await?;
        tx.commit().await?;
        let text = format!("{} is waived.", key.label());
        Ok(Answer::to(back).notice(Notice::success(text)))
    })
    .await
}

/// The check counts again.
#[server(prefix = "/api", endpoint = "readiness/withdraw")]
pub async fn withdraw_waiver() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        let key = posted_check(&posted)?;
        let mut tx = portal.store.write().await?;
        let (author, now) = (visit().author(), portal.clock.now());
        readiness::withdraw_waiver(&mut tx, id, key, &author, now).await?;
        tx.commit().await?;
        let text = format!("{} counts again.", key.label());
        Ok(Answer::to(back_to(id, Some(key))).notice(Notice::success(text)))
    })
    .await
}

/// An operator looked at a setting, and ticks it or takes that back.
#[server(prefix = "/api", endpoint = "readiness/mark")]
pub async fn mark_setting() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        let mark: HandMark = posted
            .first("mark")
            .parse()
            .map_err(|_| PortalError::BadRequest)?;
        let ticked = posted.first("ticked") == "yes";
        let mut tx = portal.store.write().await?;
        let (author, now) = (visit().author(), portal.clock.now());
        readiness::set_mark(&mut tx, id, mark, ticked, &author, now).await?;
        tx.commit().await?;
        look(&portal, id).await?;
        let key = CheckKey::ALL
            .iter()
            .copied()
            .find(|key| key.hand_mark() == Some(mark));
        let text = if ticked {
            "Noted, with your name. Microsoft may take up to an hour until it holds everywhere."
        } else {
            "Taken back."
        };
        Ok::<_, Refusal>(Answer::to(back_to(id, key)).notice(Notice::success(text)))
    })
    .await
}
