//! What is installed.

use leptos::prelude::*;
use signpost_model::Role;
use signpost_store::Engine;

use super::SettingsHeader;
use crate::components::Card;
use crate::portal::portal;
use crate::root::page;
use crate::session::{ABSOLUTE_MS, IDLE_MS};
use crate::shell::{Page, Section};
use crate::urls;
use crate::visit::require;
use signpost_model::time::{HOUR_MS, MINUTE_MS};

/// The page.
#[component]
pub fn About() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let portal = portal()?;
        let engine = match portal.store.engine() {
            Engine::Sqlite => "SQLite, in one file",
            Engine::Postgres => "PostgreSQL",
        };
        let sessions = format!(
            "End after {} minutes without use, and after {} hours in any case",
            IDLE_MS / MINUTE_MS,
            ABSOLUTE_MS / HOUR_MS
        );
        let facts = [
            ("Version", env!("CARGO_PKG_VERSION").to_owned()),
            ("Database", engine.to_owned()),
            ("Address", portal.settings.public_url.clone()),
            ("Sessions", sessions),
        ];
        let facts = facts
            .into_iter()
            .map(|(label, value)| view! { <dt>{label}</dt><dd>{value}</dd> })
            .collect_view();
        Ok(view! {
            <Page title="About" section=Section::Settings>
                <SettingsHeader current=urls::ABOUT />
                <Card id="about" title="This installation">
                    <dl class="card__body diff">{facts}</dl>
                </Card>
            </Page>
        }
        .into_any())
    })
}
