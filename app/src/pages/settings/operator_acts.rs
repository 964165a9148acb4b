//! What an owner does about another operator: each act ends that operator's sessions.

use leptos::prelude::*;
use signpost_model::{Operator, OperatorId, Role, Timestamp};
use signpost_store::{Write, factors, operators};

use super::operator::refused;
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Refusal, respond, session};
use crate::pages::account::CHANGED_MEANWHILE;
use crate::pages::join::{issue_link, unknown_password};
use crate::portal::portal;
use crate::shown_once::{self, Kind};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The operator that an act is about, in the transaction that will carry it out.
struct Act {
    tx: Write,
    operator: Operator,
    now: Timestamp,
    here: String,
}

impl Act {
    async fn begin(id: &str) -> Result<Self, Refusal> {
        let me = require(Role::Owner)?;
        let portal = portal()?;
        let id: OperatorId = id.parse().map_err(|_| PortalError::NotFound)?;
        let here = urls::operator(id);
        if me.id == id {
            let text = "Another owner has to do this to your own account.";
            return Err(FormErrors::summary(text).refuse(here));
        }
        let mut tx = portal.store.write().await?;
        let operator = operators::find(&mut tx, id).await?;
        Ok(Self {
            now: portal.clock.now(),
            operator: operator.ok_or(PortalError::NotFound)?,
            tx,
            here,
        })
    }

    fn expect(&self, version: i64) -> Result<(), Refusal> {
        if self.operator.version == version {
            return Ok(());
        }
        Err(FormErrors::summary(CHANGED_MEANWHILE).refuse(self.here.as_str()))
    }

    async fn finish(self, what: &str) -> Result<Answer, Refusal> {
        self.tx.commit().await?;
        let text = format!("{} {what}.", self.operator.name);
        Ok(Answer::to(self.here).notice(Notice::success(text)))
    }
}

/// Shuts an operator out.
#[server(prefix = "/api", endpoint = "operators/disable")]
pub async fn disable_operator(
    #[server(default)] id: String,
    #[server(default)] version: i64,
) -> Result<(), PortalError> {
    respond(async move {
        let mut act = Act::begin(&id).await?;
        // A second click finds done what it wanted.
        if act.operator.disabled_at.is_none() {
            operators::disable(
                &mut act.tx,
                act.operator.id,
                version,
                &visit().author(),
                act.now,
            )
            .await
            .map_err(|error| refused(error, &act.here))?;
        }
        act.finish("was disabled").await
    })
    .await
}

/// Lets an operator in again.
#[server(prefix = "/api", endpoint = "operators/enable")]
pub async fn enable_operator(
    #[server(default)] id: String,
    #[server(default)] version: i64,
) -> Result<(), PortalError> {
    respond(async move {
        let mut act = Act::begin(&id).await?;
        if act.operator.disabled_at.is_some() {
            operators::enable(
                &mut act.tx,
                act.operator.id,
                version,
                &visit().author(),
                act.now,
            )
            .await
            .map_err(|error| refused(error, &act.here))?;
        }
        act.finish("was enabled").await
    })
    .await
}

/// Removes an operator for good.
#[server(prefix = "/api", endpoint = "operators/remove")]
pub async fn remove_operator(
    #[server(default)] id: String,
    #[server(default)] version: i64,
) -> Result<(), PortalError> {
    respond(async move {
        let mut act = Act::begin(&id).await?;
        let author = visit().author();
        operators::remove(&mut act.tx, act.operator.id, version, &author, act.now)
            .await
            .map_err(|error| refused(error, &act.here))?;
        act.here = urls::SETTINGS.to_owned();
        act.finish("was removed").await
    })
    .await
}

/// Takes a lost second factor away.
#[server(prefix = "/api", endpoint = "operators/reset-second-factor")]
pub async fn reset_operator_factor(
    #[server(default)] id: String,
    #[server(default)] version: i64,
) -> Result<(), PortalError> {
    respond(async move {
        let mut act = Act::begin(&id).await?;
        if act.operator.has_second_factor {
            act.expect(version)?;
            let author = visit().author();
            factors::remove(&mut act.tx, act.operator.id, None, &author, act.now).await?;
        }
        act.finish("has no second factor now").await
    })
    .await
}

/// Ends the password and makes a link, shown once, with which they choose another.
#[server(prefix = "/api", endpoint = "operators/reset-password")]
pub async fn reset_operator_password(
    #[server(default)] id: String,
    #[server(default)] version: i64,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Owner)?;
        let (portal, session) = (portal()?, session()?);
        let random = portal.random.as_ref();
        // Before the transaction: other writers must not wait for it.
        let hash = portal
            .passwords
            .hash(&unknown_password(random), random)
            .await?;
        let mut act = Act::begin(&id).await?;
        act.expect(version)?;
        let (author, whom) = (visit().author(), act.operator.id);
        operators::set_password(&mut act.tx, whom, &hash, None, &author, act.now).await?;
        let link = issue_link(&portal, &mut act.tx, &act.operator, &author, act.now).await?;
        let answer = act
            .finish("chooses a new password with the link below")
            .await?;
        shown_once::keep(
            &portal,
            &session,
            Kind::OneTimeLink,
            &whom.to_string(),
            &link,
        )
        .await?;
        Ok(answer)
    })
    .await
}
