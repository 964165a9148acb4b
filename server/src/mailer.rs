//! Answers people who forgot their password, and sends mail: each in turn, beside the requests.

use std::time::Duration;

use app::error::PortalError;
use app::mailing;
use app::portal::Portal;
use signpost_app as app;

/// How often it is looked whether a mail is due again; a new one wakes us at once.
const EVERY: Duration = Duration::from_secs(15);

/// Works off what waits, for as long as the process runs.
pub async fn run(portal: Portal) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = portal.mailer.notified() => {}
        }
        if let Err(error) = work_off(&portal).await {
            tracing::warn!(error = %error, "mail waits for now");
        }
    }
}

/// Answers every request that waits, and sends every mail that is due.
pub async fn work_off(portal: &Portal) -> Result<(), PortalError> {
    loop {
        // In turn: a server that does not answer holds nobody up who still has to be looked for.
        let answered = mailing::answer_next_request(portal).await?;
        let sent = mailing::send_next(portal).await?;
        if !answered && !sent {
            return Ok(());
        }
    }
}
