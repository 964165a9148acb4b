//! Provisioning: the connection, what it found, licenses, actions, and starting a sync.

mod actions;
mod connection;
mod findings;
mod licenses;
mod update;
mod words;

pub use licenses::reload_licenses;
pub use update::update_settings;

use leptos::prelude::*;
use signpost_model::connection::ConnectionProblem;
use signpost_model::license::{Grant, Product};
use signpost_model::run::RunScope;
use signpost_model::{Application, ApplicationId, ConnectionState, Policy, Role, Timestamp};
use signpost_store::assignments::AssignedGroup;
use signpost_store::connections::Connection;
use signpost_store::{
    Read, assignments, connections, licenses as grants, policies, provisioning, runs,
};

use self::actions::Actions;
use self::connection::ConnectionFields;
use self::findings::Found;
use self::licenses::Licenses;
use super::frame::{ApplicationPage, Part, status_of};
use super::new::EnterPresses;
use super::{found, id_of_page};
use crate::components::plural::count;
use crate::components::{
    Button, Card, ErrorSummary, ExpanderCard, Form, Guard, Icon, LinkButton, Look, Notice as Note,
    StatusBadge, Time, Tone,
};
use crate::error::PortalError;
use crate::forms::{FormState, session};
use crate::pages::control::{Attention, ReviewCard};
use crate::permissions::Judgement;
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::urls;
use crate::visit::{require, visit};

/// The session key of the last refusal, whose details the page shows for support.
const REFUSAL_KEY: &str = "connection_refusal";

/// The last field of the form: without it the browser's fields were cut off.
const END_FIELD: &str = "form_end";

/// Groups that are offered as receivers of a license.
const MOST_GROUPS: i64 = 200;

/// Everything the page shows, as stored.
#[derive(Debug, Clone)]
struct Stored {
    application: Application,
    connection: Option<Connection>,
    policy: Policy,
    products: Vec<Product>,
    grants: Vec<Grant>,
}

impl Stored {
    async fn load(db: &mut Read, id: ApplicationId) -> Result<Self, PortalError> {
        Ok(Self {
            application: found(db, id).await?,
            connection: connections::find(db, id).await?,
            policy: policies::find_policy(db, id).await?,
            products: grants::list_products(db, id).await?,
            grants: grants::list_grants(db, id).await?,
        })
    }

    fn state(&self) -> ConnectionState {
        self.connection
            .as_ref()
            .map_or(ConnectionState::NotSetUp, |connection| connection.state)
    }

    /// Whether a sync could begin.
    fn is_ready(&self) -> bool {
        self.state() != ConnectionState::NotSetUp
            && self
                .connection
                .as_ref()
                .is_some_and(|connection| connection.secret_saved_at.is_some())
    }
}

/// The page.
#[component]
pub fn Provisioning() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let stored = Stored::load(&mut read, id).await?;
        let groups = assignments::list_groups(&mut read, id, "", MOST_GROUPS).await?;
        let names = licenses::group_names(&mut read, &stored.grants, &groups).await?;
        let last = runs::find_last_finished(&mut read, id, RunScope::Everyone).await?;
        let planned = licenses::planned_seats(&mut read, id).await?;
        let waiting = provisioning::count_quiet(&mut read, id).await?;
        let attention = Attention::load(&mut read, id).await?;
        drop(read);
        let form = visit().form_state();
        let refusal = refusal_of(id, &form).await;
        let last = last.and_then(|run| run.finished_at);
        let script = urls::application_powershell(id);
        let actions = move || {
            view! {
                <LinkButton href=script icon=Icon::Terminal>
                    "Show PowerShell Script"
                </LinkButton>
            }
        };
        let shown = Shown {
            stored,
            groups,
            names,
            planned,
            form,
            refusal,
        };
        let (application, connection) = (
            shown.stored.application.clone(),
            shown.stored.connection.clone(),
        );
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::Provisioning
                actions=actions
            >
                <Body portal=portal shown=shown last=last waiting=waiting />
                <ReviewCard id=id attention=attention />
            </ApplicationPage>
        })
    })
}

/// The stored values beside what a refused post left.
#[derive(Debug, Clone)]
struct Shown {
    stored: Stored,
    groups: Vec<AssignedGroup>,
    names: licenses::GroupNames,
    planned: licenses::PlannedSeats,
    form: FormState,
    refusal: Option<ConnectionProblem>,
}

impl Shown {
    /// What was typed into Licenses and Actions; only if the browser sent all of it.
    fn rest(&self) -> FormState {
        if self.form.typed(END_FIELD).is_some() {
            self.form.clone()
        } else {
            FormState::default()
        }
    }
}

async fn refusal_of(id: ApplicationId, form: &FormState) -> Option<ConnectionProblem> {
    if !form.is_refused() {
        return None;
    }
    let kept = session().ok()?.get(REFUSAL_KEY).await.ok().flatten();
    let (of, problem): (ApplicationId, ConnectionProblem) = kept?;
    (of == id).then_some(problem)
}

#[component]
fn Body(portal: Portal, shown: Shown, last: Option<Timestamp>, waiting: i64) -> impl IntoView {
    let stored = &shown.stored;
    let may = visit().may(Role::Administrator);
    let id = stored.application.id;
    let first_time = stored.connection.is_none();
    let tenant = stored
        .connection
        .as_ref()
        .map(|connection| connection.findings.tenant_name.clone())
        .filter(|name| !name.is_empty());
    let status = status_of(stored.state());
    let aside = move || {
        view! {
            <StatusBadge status=status />
            {tenant
                .map(|name| {
                    view! { <span class="push hint">"Tenant " <span class="text-2">{name}</span></span> }
                })}
        }
    };
    // What was refused leaves the connection alone, but not the rest of the form.
    let kept = shown.form.is_refused() && shown.form.errors.summary.is_none();
    let version = stored.application.version;
    let ready = stored.is_ready();
    let fields = Fields {
        shown: shown.clone(),
        practice: portal.settings.practice.clone(),
        now: portal.clock.now(),
        may,
    };
    view! {
        <ErrorSummary errors=shown.form.problems() />
        {kept
            .then(|| {
                view! {
                    <Note tone=Tone::Info title="The connection is as it was before.">
                        "Licenses and Actions were saved. The secret has to be entered again."
                    </Note>
                }
            })}
        <Form action="/api/applications/update-settings" guard=Guard::Unsaved>
            <EnterPresses />
            <input type="hidden" name="application" value=id.to_string() />
            <input type="hidden" name="version" value=version.to_string() />
            <ExpanderCard id="microsoft-365" title="Microsoft (Office) 365" open=true aside=aside>
                <Inside fields=fields />
            </ExpanderCard>
            <input type="hidden" name=END_FIELD value="1" />
        </Form>
        <licenses::ReloadForm id=id />
        <SyncCard id=id ready=ready may=may first_time=first_time last=last waiting=waiting />
    }
    .into_any()
}

/// What the parts of the form share.
#[derive(Debug, Clone)]
struct Fields {
    shown: Shown,
    practice: Option<crate::portal::Practice>,
    now: Timestamp,
    may: bool,
}

#[component]
fn Inside(fields: Fields) -> impl IntoView {
    let stored = &fields.shown.stored;
    let connection = stored.connection.clone();
    let checked = connection.as_ref().and_then(|connection| {
        let at = connection.checked_at?.to_jiff()?;
        let words = if connection.findings.granted.is_empty() {
            String::new()
        } else {
            let judged = Judgement::of(&connection.findings.granted).sentence();
            let loaded = signpost_model::text::count(
                i64::try_from(stored.products.len()).unwrap_or(0),
                "license",
                "licenses",
            );
            format!(" {judged}, {loaded} loaded.")
        };
        Some(view! { <span class="grow">"Connection checked " <Time at=at /> "." {words}</span> })
    });
    let unchecked = checked.is_none();
    let disabled = (!fields.may).then(|| "Only an Administrator can change settings.".to_owned());
    view! {
        <div>
            <ConnectionFields fields=fields.clone() />
            {connection.map(|connection| view! { <Found connection=connection fields=fields.clone() /> })}
            <div class="card__split">
                <Licenses fields=fields.clone() />
                <Actions fields=fields />
            </div>
            <footer class="card__foot card__foot--sticky">
                {checked}
                {unchecked.then(|| view! { <span class="grow">"The connection was not checked yet."</span> })}
                <Button look=Look::Primary name="do" value="save" disabled_because=disabled>
                    "Update Settings"
                </Button>
            </footer>
        </div>
    }
    .into_any()
}

#[component]
fn SyncCard(
    id: ApplicationId,
    ready: bool,
    may: bool,
    first_time: bool,
    last: Option<Timestamp>,
    /// Users whom a change of settings concerns that was not synced yet.
    waiting: i64,
) -> impl IntoView {
    let settings_changed = (last.is_some() && waiting > 0).then(|| {
        let users = count(waiting.unsigned_abs(), "user waits", "users wait");
        view! {
            <div class="card__body">
                <Note tone=Tone::Info title="Settings changed since the last sync.">
                    {users} " for them: select Preview changes, or Sync Users."
                </Note>
            </div>
        }
    });
    let hint = match last.and_then(|at| at.to_jiff()) {
        Some(at) => {
            let at = crate::components::moment(at, crate::components::Precision::Minute);
            format!("Everyone was last synced {at}. Changes to users follow by themselves.")
        }
        None => {
            "Signpost matches assigned users with accounts that exist already, and shows the plan before anything needs an answer.".to_owned()
        }
    };
    let why = if !may {
        Some("Only an Administrator can start a sync.".to_owned())
    } else if first_time || !ready {
        Some("Fill in the connection and select Update Settings first.".to_owned())
    } else {
        None
    };
    let disabled = why.is_some();
    view! {
        <Card id="sync" title="Sync" hint=hint>
            {settings_changed}
            <div class="card__body row">
                <Form action="/api/applications/preview">
                    <input type="hidden" name="application" value=id.to_string() />
                    <button class="button" type="submit" disabled=disabled aria-describedby="sync-why">
                        "Preview changes"
                    </button>
                </Form>
                <Form action="/api/applications/sync">
                    <input type="hidden" name="application" value=id.to_string() />
                    <button
                        class="button button--primary"
                        type="submit"
                        disabled=disabled
                        aria-describedby="sync-why"
                    >
                        "Sync Users"
                    </button>
                </Form>
                <span class="hint" id="sync-why">
                    {why.unwrap_or_else(|| "Preview changes shows the plan and changes nothing.".to_owned())}
                </span>
                <span class="push row">
                    <LinkButton href=urls::application_mapping(id) look=Look::Quiet>
                        "Attribute mapping"
                    </LinkButton>
                    <LinkButton href=urls::application_runs(id) look=Look::Quiet>
                        "Runs"
                    </LinkButton>
                </span>
            </div>
        </Card>
    }
    .into_any()
}
