//! Whose portal this is, and in which time zone it shows moments.

use jiff::tz::TimeZone;
use leptos::prelude::*;
use serde_json::json;
use signpost_model::Role;
use signpost_model::audit::Subject;
use signpost_store::{audit, settings};

use super::SettingsHeader;
use crate::components::{Button, Card, Choice, ErrorSummary, Form, Guard, Look, Select, TextField};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, respond};
use crate::pages::account::CHANGED_MEANWHILE;
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Page, Section};
use crate::urls;
use crate::visit::{Notice, Organisation, require, visit};

/// The page.
#[component]
pub fn OrganisationPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let visit = visit();
        let form = visit.form_state();
        Ok(view! {
            <Page title="Organisation" section=Section::Settings>
                <SettingsHeader current=urls::ORGANISATION />
                <ErrorSummary errors=form.problems() />
                <OrganisationCard form=form stored=visit.organisation.clone() may_change=visit.may(Role::Owner) />
            </Page>
        }
        .into_any())
    })
}

#[component]
fn OrganisationCard(form: FormState, stored: Organisation, may_change: bool) -> impl IntoView {
    let zone = match stored.time_zone.as_str() {
        "" => "UTC".to_owned(),
        zone => zone.to_owned(),
    };
    if !may_change {
        return view! {
            <Card id="organisation" title="Organisation" hint="Owners can change this.".to_owned()>
                <dl class="card__body diff">
                    <dt>"Name"</dt>
                    <dd>{stored.name.clone()}</dd>
                    <dt>"Time zone"</dt>
                    <dd>{zone}</dd>
                </dl>
            </Card>
        }
        .into_any();
    }
    let (name, name_error) = (form.value("name", &stored.name), form.error("name"));
    let (chosen, zone_error) = (form.value("time_zone", &zone), form.error("time_zone"));
    let version = seen(&stored);
    let zones = time_zones()
        .into_iter()
        .map(|name| Choice::new(name.clone(), name))
        .collect();
    view! {
        <Card id="organisation" title="Organisation">
            <Form action="/api/settings/organisation" class="card__body stack" guard=Guard::Unsaved>
                <input type="hidden" name="seen" value=version />
                <TextField
                    name="name"
                    label="Organisation name"
                    value=name
                    error=name_error
                    hint="Shown in the menu and in authenticator apps.".to_owned()
                    autocomplete="organization"
                />
                <Select
                    name="time_zone"
                    label="Time zone"
                    choices=zones
                    chosen=chosen
                    error=zone_error
                />
                <div class="row">
                    <Button look=Look::Primary>"Save organisation"</Button>
                </div>
            </Form>
        </Card>
    }
    .into_any()
}

/// Every zone that this machine knows, UTC first.
fn time_zones() -> Vec<String> {
    let places = jiff::tz::db()
        .available()
        .map(|name| name.as_str().to_owned())
        .filter(|name| name.contains('/') && !name.starts_with("Etc/"));
    let mut zones: Vec<String> = places.collect();
    zones.sort();
    zones.insert(0, "UTC".to_owned());
    zones
}

/// What the form was made from: a form made from anything else is refused.
fn seen(stored: &Organisation) -> String {
    json!([stored.name, stored.time_zone]).to_string()
}

/// Saves name and time zone.
#[server(prefix = "/api", endpoint = "settings/organisation")]
pub async fn save_organisation(
    #[server(default)] name: String,
    #[server(default)] time_zone: String,
    #[server(default)] seen: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Owner)?;
        let portal = portal()?;
        let name = name.trim().to_owned();
        let mut errors = FormErrors::new();
        if name.chars().count() > 100 || name.chars().any(char::is_control) {
            errors.add("name", "Enter a name of up to 100 characters");
        }
        if TimeZone::get(&time_zone).is_err() {
            errors.add("time_zone", "Choose a time zone from the list");
        }
        errors.check(urls::ORGANISATION)?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let stored = Organisation {
            name: settings::find(&mut tx, &settings::ORGANISATION_NAME)
                .await?
                .unwrap_or_default(),
            time_zone: settings::find(&mut tx, &settings::TIME_ZONE)
                .await?
                .unwrap_or_default(),
        };
        let wanted = Organisation { name, time_zone };
        if stored != wanted {
            if self::seen(&stored) != seen {
                return Err(FormErrors::summary(CHANGED_MEANWHILE).refuse(urls::ORGANISATION));
            }
            settings::set(&mut tx, &settings::ORGANISATION_NAME, &wanted.name, now).await?;
            settings::set(&mut tx, &settings::TIME_ZONE, &wanted.time_zone, now).await?;
            let subject = Subject::new("organisation", "", &wanted.name);
            let values = |of: &Organisation| json!({ "name": of.name, "time_zone": of.time_zone });
            let entry = visit()
                .author()
                .entry("organisation.updated", subject)
                .changed(Some(values(&stored)), Some(values(&wanted)));
            audit::append(&mut tx, &entry, now);
            tx.commit().await?;
        }
        Ok(Answer::to(urls::ORGANISATION).notice(Notice::success("The organisation was saved.")))
    })
    .await
}
