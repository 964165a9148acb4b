//! One's own sessions: where one is signed in, and ending it.

use leptos::prelude::*;
use signpost_model::{Role, SessionKey};
use signpost_store::sessions::{self, SessionRecord};

use crate::components::{
    Badge, Button, ButtonSize, Card, Column, DataTable, Form, Narrow, Time, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, respond, session};
use crate::portal::portal;
use crate::session::public_key;
use crate::urls;
use crate::visit::{Notice, require, visit};

#[component]
pub(super) fn SessionsCard(live: Vec<SessionRecord>, own: Option<SessionKey>) -> impl IntoView {
    let several = live.len() > 1;
    let rows = live
        .into_iter()
        .map(|session| {
            let is_own = own == Some(session.key);
            view! { <SessionRow session=session is_own=is_own /> }
        })
        .collect_view();
    let columns = vec![
        Column::new("Browser"),
        Column::new("Address"),
        Column::new("Signed in"),
        Column::new("Last used"),
        Column::hidden("End"),
    ];
    let all = several.then(|| {
        view! {
            <footer class="card__foot">
                <Form action="/api/account/sessions/end-others">
                    <Button>"End other sessions"</Button>
                </Form>
            </footer>
        }
    });
    view! {
        <Card
            id="sessions"
            title="Your sessions"
            hint="A session ends after 30 minutes without use, and after 12 hours in any case.".to_owned()
        >
            <DataTable caption="Your sessions" columns=columns narrow=Narrow::Stacks>
                {rows}
            </DataTable>
            {all}
        </Card>
    }
    .into_any()
}

#[component]
fn SessionRow(session: SessionRecord, is_own: bool) -> impl IntoView {
    let browser = browser_name(&session.user_agent);
    let act = if is_own {
        view! { <Badge tone=Tone::Info>"This session"</Badge> }.into_any()
    } else {
        let label = format!("End session of {browser}");
        view! {
            <Form action="/api/account/sessions/end">
                <input type="hidden" name="key" value=session.key.to_string() />
                <Button size=ButtonSize::Small label=label>"End"</Button>
            </Form>
        }
        .into_any()
    };
    view! {
        <tr>
            <th scope="row">{browser}</th>
            <td data-label="Address">{session.address}</td>
            <td data-label="Signed in">{session.created_at.to_jiff().map(|at| view! { <Time at=at /> })}</td>
            <td data-label="Last used">{session.seen_at.to_jiff().map(|at| view! { <Time at=at /> })}</td>
            <td>{act}</td>
        </tr>
    }
    .into_any()
}

/// "Firefox on Linux", as far as the browser says so.
pub(crate) fn browser_name(agent: &str) -> String {
    let find = |known: &[(&str, &'static str)]| {
        known
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, name)| *name)
    };
    let browser = find(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = find(&[
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => "Unknown browser".to_owned(),
    }
}

/// Ends one of one's own sessions.
#[server(prefix = "/api", endpoint = "account/sessions/end")]
pub async fn end_session(#[server(default)] key: String) -> Result<(), PortalError> {
    respond(async move {
        let operator = require(Role::Auditor)?;
        let portal = portal()?;
        let key: SessionKey = key.parse().map_err(|_| PortalError::NotFound)?;
        let mut tx = portal.store.write().await?;
        let now = portal.clock.now();
        match sessions::end(&mut tx, &operator, key, &visit().author(), now).await {
            // It ended meanwhile, or by a double click: that is what was wanted.
            Ok(()) | Err(signpost_store::Error::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
        tx.commit().await?;
        Ok(Answer::to(urls::ACCOUNT).notice(Notice::success("The session ended.")))
    })
    .await
}

/// Ends all of one's own sessions but this one.
#[server(prefix = "/api", endpoint = "account/sessions/end-others")]
pub async fn end_other_sessions() -> Result<(), PortalError> {
    respond(async move {
        let operator = require(Role::Auditor)?;
        let portal = portal()?;
        let keep = public_key(&session()?).await;
        let mut tx = portal.store.write().await?;
        let now = portal.clock.now();
        sessions::end_others(&mut tx, &operator, keep, &visit().author(), now).await?;
        tx.commit().await?;
        Ok(Answer::to(urls::ACCOUNT).notice(Notice::success("Your other sessions ended.")))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::browser_name;

    #[test]
    fn browsers_are_named_by_what_they_say() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0";
        assert_eq!(browser_name(edge), "Edge on Windows");
        assert_eq!(browser_name("curl/8.9"), "Unknown browser");
    }
}
