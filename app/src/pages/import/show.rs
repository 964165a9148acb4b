//! One import: under way, to be looked at, applied, or given up.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use signpost_model::{ImportId, Role};
use signpost_store::Error;
use signpost_store::imports::{self, Import, ImportState, Progress as Work};

use super::columns::{Columns, ended};
use super::details::Details;
use super::preview::{Preview, Rows};
use super::progress::Working;
use super::work::start_apply;
use super::{import_id, number, state_badge};
use crate::components::plural::count;
use crate::components::{
    Button, Card, Crumb, ErrorSummary, Form, Icon, LinkButton, Look, Notice as Note, PageHeader,
    Time, Tone, Urgency,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormState, respond};
use crate::listing::Query;
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Everything the page shows.
struct Shown {
    import: Import,
    details: Details,
    work: Option<Work>,
    file_is_kept: bool,
    rows: Rows,
}

/// The page.
#[component]
pub fn ImportPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    page(async move {
        require(Role::Auditor)?;
        let shown = load(import_id(&id)?).await?;
        let form = visit().form_state();
        let above = vec![Crumb::link("Import", urls::IMPORT)];
        let import = shown.import.clone();
        let title = import.file_name.clone();
        let facts = move || {
            view! {
                {state_badge(import.state)}
                <span>"By " {import.created_by}</span>
                {import.created_at.to_jiff().map(|at| view! { <span><Time at=at /></span> })}
            }
        };
        Ok(view! {
            <Page title=title.clone() section=Section::Import above=above>
                <PageHeader title=title facts=facts />
                <Notices />
                <ErrorSummary errors=form.problems() />
                {body(shown, form)}
            </Page>
        })
    })
}

async fn load(id: ImportId) -> Result<Shown, PortalError> {
    let portal = portal()?;
    // Before the import: whatever ends in between is seen as it is then.
    let work = imports::find_progress(&portal.store, id).await?;
    let mut read = portal.store.read().await?;
    let import = imports::find(&mut read, id).await?;
    let import = import.ok_or(PortalError::NotFound)?;
    let query = Query::current();
    let outcome = query.get("show").parse().ok();
    let found = imports::list_rows(&mut read, id, outcome, query.get("q"), &query.page()).await?;
    Ok(Shown {
        details: Details::parse(&import.mapping),
        import,
        work,
        file_is_kept: imports::find_piece(&mut read, id, 0).await?.is_some(),
        rows: Rows {
            query,
            outcome,
            found,
        },
    })
}

fn body(shown: Shown, form: FormState) -> AnyView {
    let id = shown.import.id;
    let state = shown.import.state;
    if let Some(work) = shown.work {
        return view! { <Working id=id state=state work=work /> }.into_any();
    }
    let may_write = visit().may(Role::Administrator);
    match state {
        ImportState::Reading => view! {
            <Unfinished id=id details=shown.details form=form may_write=may_write />
        }
        .into_any(),
        ImportState::Checked => view! {
            <Checked import=shown.import.clone() details=shown.details form=form may_write=may_write />
            <Preview import=shown.import rows=shown.rows file_is_kept=shown.file_is_kept />
        }
        .into_any(),
        ImportState::Applied => view! {
            <Applied import=shown.import.clone() />
            <Preview import=shown.import rows=shown.rows file_is_kept=shown.file_is_kept />
        }
        .into_any(),
        ImportState::Discarded => view! {
            <Note tone=Tone::Info title="Discarded.">
                "Nothing of this file was imported. "
                <a href=urls::IMPORT>"Choose a file"</a>
            </Note>
        }
        .into_any(),
    }
}

/// A check that did not come to its end: by the file, or because the server stopped.
#[component]
fn Unfinished(id: ImportId, details: Details, form: FormState, may_write: bool) -> impl IntoView {
    let problem = details.problem.clone().unwrap_or_else(|| {
        "The check was interrupted, perhaps because the server was restarted.".to_owned()
    });
    let columns =
        may_write.then(|| view! { <Columns id=id details=details form=form open=true /> });
    let discard = move || may_write.then(|| view! { <Discard id=id /> });
    view! {
        <Card id="unfinished" title="Not checked yet" footer=discard>
            <div class="card__body stack">
                <Note tone=Tone::Warn urgency=Urgency::Alert title=problem>
                    "Nothing was imported. Correct the columns or the file, or check again."
                </Note>
                {columns}
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn Discard(id: ImportId) -> impl IntoView {
    view! {
        <Form action="/api/import/discard">
            <input type="hidden" name="id" value=id.to_string() />
            <Button look=Look::Quiet icon=Icon::Trash2>"Discard"</Button>
        </Form>
    }
    .into_any()
}

/// What would happen, and the button that makes it happen.
#[component]
fn Checked(import: Import, details: Details, form: FormState, may_write: bool) -> impl IntoView {
    let id = import.id;
    let counts = import.counts;
    let changes = counts.create + counts.update;
    let problem = details.problem.clone().map(|problem| {
        view! { <Note tone=Tone::Warn urgency=Urgency::Alert title=problem>""</Note> }
    });
    let sentence = if changes == 0 && counts.refused == 0 {
        "This file changes nothing: the directory is as it says.".to_owned()
    } else {
        format!(
            "{} will be added, {} changed, {} left as they are, {} refused.",
            number(counts.create),
            number(counts.update),
            number(counts.unchanged),
            number(counts.refused)
        )
    };
    let footer = move || may_write.then(|| view! { <Decide id=id changes=changes /> });
    view! {
        <Card
            id="check"
            title="Result of the check"
            hint="Nothing changes until you select Import users.".to_owned()
            footer=footer
        >
            <div class="card__body stack">
                {problem}
                <p role="status">{sentence}</p>
                {may_write.then(|| view! { <Columns id=id details=details form=form open=false /> })}
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn Decide(id: ImportId, changes: i64) -> impl IntoView {
    let nothing = (changes == 0).then(|| "There is nothing to import.".to_owned());
    view! {
        <Form action="/api/import/apply" class="row">
            <input type="hidden" name="id" value=id.to_string() />
            <Button look=Look::Primary disabled_because=nothing>"Import users"</Button>
        </Form>
        <Discard id=id />
    }
    .into_any()
}

#[component]
fn Applied(import: Import) -> impl IntoView {
    let counts = import.counts;
    let users = |n: i64| count(u64::try_from(n).unwrap_or(0), "user", "users");
    let title = format!(
        "Imported: {} added, {} changed.",
        users(counts.create),
        number(counts.update)
    );
    view! {
        <Note tone=Tone::Ok urgency=Urgency::Status title=title>
            <div class="notice__action">
                <LinkButton href=urls::USERS>"Show users"</LinkButton>
                <LinkButton href=urls::IMPORT look=Look::Quiet>"Import another file"</LinkButton>
            </div>
        </Note>
    }
    .into_any()
}

/// Applies what was checked.
#[server(prefix = "/api", endpoint = "import/apply")]
pub async fn apply_import(#[server(default)] id: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id = import_id(&id)?;
        let portal = portal()?;
        let to = urls::import(id);
        if imports::find_progress(&portal.store, id).await?.is_some() {
            // A second click: it is being imported.
            return Ok(Answer::to(to));
        }
        let import = imports::find(&mut *portal.store.read().await?, id).await?;
        let import = import.ok_or(PortalError::NotFound)?;
        match import.state {
            ImportState::Checked => {
                let details = Details {
                    problem: None,
                    ..Details::parse(&import.mapping)
                };
                start_apply(&portal, id, details, visit().author());
                Ok(Answer::to(to))
            }
            // A second click, after the work was done.
            ImportState::Applied => Ok(Answer::to(to)),
            ImportState::Reading => {
                let text = "This file is not checked yet. Check it again first.";
                Err(crate::forms::FormErrors::summary(text).refuse(to))
            }
            ImportState::Discarded => Err(ended(to)),
        }
    })
    .await
}

/// Gives an import up.
#[server(prefix = "/api", endpoint = "import/discard")]
pub async fn discard_import(#[server(default)] id: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id = import_id(&id)?;
        let portal = portal()?;
        let mut tx = portal.store.write().await?;
        let import = imports::find(&mut tx, id).await?;
        let import = import.ok_or(PortalError::NotFound)?;
        let now = portal.clock.now();
        match imports::discard(&mut tx, id, &visit().author(), now).await {
            Ok(()) => tx.commit().await?,
            Err(Error::Stale(_)) if import.state == ImportState::Discarded => {}
            Err(Error::Stale(_)) => return Err(ended(urls::import(id))),
            Err(other) => return Err(other.into()),
        }
        let text = format!("The check of {} is discarded.", import.file_name);
        Ok(Answer::to(urls::IMPORT).notice(Notice::success(text)))
    })
    .await
}
