//! What the columns mean: shown as guessed, corrected by selects, checked again.

use leptos::prelude::*;
use signpost_import::{Column as Meaning, MappingProblem, check_mapping};
use signpost_model::{ImportId, Role};
use signpost_store::Error;
use signpost_store::imports::{self, ImportState};

use super::details::{Details, FileColumn};
use super::import_id;
use super::work::start_check;
use crate::components::{
    Button, Choice, Column, DataTable, Expander, Form, Icon, Narrow, field_id,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, Refusal, respond};
use crate::portal::portal;
use crate::urls;
use crate::visit::require;

fn field(index: usize) -> String {
    format!("column-{index}")
}

/// The columns of the file; open when something is to be corrected.
#[component]
pub(super) fn Columns(
    id: ImportId,
    details: Details,
    form: FormState,
    open: bool,
) -> impl IntoView {
    let used = details
        .columns
        .iter()
        .filter(|c| c.meaning.is_some())
        .count();
    let words = format!("Columns: {used} of {} are imported", details.columns.len());
    let file = format!(
        "The file is written in {}, its fields are separated by {}.",
        details.encoding, details.delimiter
    );
    let rows = details
        .columns
        .into_iter()
        .enumerate()
        .map(|(index, column)| row(index, column, &form))
        .collect_view();
    let heads = ["In the file", "First value", "Imported as"].map(Column::new);
    view! {
        <Expander summary=words open=open>
            <Form action="/api/import/check-again" class="stack">
                <input type="hidden" name="id" value=id.to_string() />
                <p class="hint">{file}</p>
                <DataTable caption="Columns of the file" columns=heads.to_vec() narrow=Narrow::Stacks>
                    {rows}
                </DataTable>
                <div>
                    <Button icon=Icon::RefreshCw>"Check again"</Button>
                </div>
            </Form>
        </Expander>
    }
    .into_any()
}

fn row(index: usize, column: FileColumn, form: &FormState) -> AnyView {
    let name = field(index);
    let stored = column.meaning.unwrap_or_default();
    let chosen = form.value(&name, &stored);
    let error = form.error(&name);
    let error_id = error.as_ref().map(|_| format!("{name}-error"));
    let mut choices = vec![Choice::new("", "Not imported")];
    choices.extend(Meaning::all().map(|meaning| Choice::new(meaning.key(), meaning.label())));
    let options = choices
        .into_iter()
        .map(|choice| {
            let selected = choice.value == chosen;
            view! { <option value=choice.value selected=selected>{choice.label}</option> }
        })
        .collect_view();
    view! {
        <tr>
            <th scope="row">{column.header.clone()}</th>
            <td data-label="First value">{column.example}</td>
            <td data-label="Imported as">
                <select
                    class="input"
                    id=field_id(&name)
                    name=name.clone()
                    aria-label=format!("{} is imported as", column.header)
                    aria-invalid=error.is_some().then_some("true")
                    aria-describedby=error_id.clone()
                >
                    {options}
                </select>
                {error.map(|text| view! { <p class="field__error" id=error_id>{text}</p> })}
            </td>
        </tr>
    }
    .into_any()
}

/// Checks the file anew, with other columns or with the directory as it is now.
#[server(prefix = "/api", endpoint = "import/check-again")]
pub async fn check_again(#[server(default)] id: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id = import_id(&id)?;
        let portal = portal()?;
        let to = urls::import(id);
        if imports::find_progress(&portal.store, id).await?.is_some() {
            // A second click: it is being checked.
            return Ok(Answer::to(to));
        }
        let mut read = portal.store.read().await?;
        let import = imports::find(&mut read, id).await?;
        let import = import.ok_or(PortalError::NotFound)?;
        if matches!(import.state, ImportState::Applied | ImportState::Discarded) {
            return Err(ended(to));
        }
        let details = chosen(Details::parse(&import.mapping));
        refuse_unclear(&details, &to)?;
        if imports::find_piece(&mut read, id, 0).await?.is_none() {
            let text = "The file is kept for one day only. Discard this check and choose it again.";
            return Err(FormErrors::summary(text).refuse(to));
        }
        drop(read);
        let mut tx = portal.store.write().await?;
        match imports::restart(&mut tx, id, &details.to_json()).await {
            Err(Error::Stale(_)) => return Err(ended(to)),
            restarted => restarted?,
        }
        tx.commit().await?;
        start_check(&portal, id, details);
        Ok(Answer::to(to))
    })
    .await
}

pub(super) fn ended(to: String) -> Refusal {
    FormErrors::summary("This file was imported or discarded already. Choose it again to check it.")
        .refuse(to)
}

/// With the columns of the form, where it has some.
fn chosen(mut details: Details) -> Details {
    let posted = Posted::current();
    for (index, column) in details.columns.iter_mut().enumerate() {
        let name = field(index);
        if posted.has(&name) {
            let key = posted.first(&name);
            column.meaning = Meaning::from_key(key).map(|meaning| meaning.key().to_owned());
        }
    }
    details.problem = None;
    details
}

/// Ties the problem to the last column that has it.
fn refuse_unclear(details: &Details, to: &str) -> Result<(), Refusal> {
    let Err(problem) = check_mapping(&details.mapping()) else {
        return Ok(());
    };
    let at = |meaning: Meaning| {
        let is = |column: &FileColumn| column.meaning.as_deref() == Some(meaning.key());
        details.columns.iter().rposition(is)
    };
    let index = match problem {
        MappingProblem::NoUserName => None,
        MappingProblem::ChosenTwice(meaning) => at(meaning),
        MappingProblem::EnabledAndBlocked => at(Meaning::SignInBlocked),
    };
    let errors = match index {
        Some(index) => FormErrors::field(field(index), problem.to_string()),
        None => FormErrors::summary(problem.to_string()),
    };
    Err(errors.refuse(to))
}
