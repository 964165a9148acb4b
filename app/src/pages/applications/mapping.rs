//! Attribute mapping: each attribute of an account as a template, with its result for a chosen
//! user before anything is saved.

use std::collections::BTreeMap;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use signpost_model::plan::TargetAttribute;
use signpost_model::{Application, Attribute, Role, User};
use signpost_store::connections::Connection;
use signpost_store::users::{Direction, UserFilter, UserSort};
use signpost_store::{PageRequest, Read, applications, connections, policies, users};
use signpost_sync::Mapping;
use signpost_sync::mapping::{MAX_TEMPLATE, default_template};

use super::frame::{ApplicationPage, Part};
use super::new::EnterPresses;
use super::{found, id_of_form, id_of_page, or_stale, version_of_form};
use crate::components::field::FieldIds;
use crate::components::{
    Badge, Button, ButtonSize, Card, Column, DataTable, ErrorSummary, Expander, Form, Guard, Look,
    Narrow, TextField, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, respond};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Where the templates stand that differ from the defaults.
type Overrides = BTreeMap<TargetAttribute, String>;

/// The page.
#[component]
pub fn AttributeMapping() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let asked = use_query_map().with_untracked(|query| query.get("user").unwrap_or_default());
        let form = visit().form_state();
        let typed = !form.values.is_empty();
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let stored = policies::list_mappings(&mut read, id).await?;
        let wanted = if typed {
            form.typed("user").unwrap_or_default().to_owned()
        } else {
            asked
        };
        let chosen = choose_user(&mut read, &wanted).await?;
        drop(read);
        let templates = if typed {
            typed_templates(&form)
        } else {
            with_defaults(&stored)
        };
        let shown = Shown {
            results: results(&templates, chosen.as_ref(), connection.as_ref()),
            templates,
            stored,
            user: chosen,
            wanted,
            typed,
            form,
            may: visit().may(Role::Administrator),
        };
        Ok(view! {
            <ApplicationPage
                application=application.clone()
                connection=connection
                part=Part::Provisioning
                below="Attribute mapping"
            >
                <Body application=application shown=shown />
            </ApplicationPage>
        })
    })
}

#[derive(Debug, Clone)]
struct Shown {
    templates: Overrides,
    stored: Overrides,
    /// What each template gives for the chosen user.
    results: BTreeMap<TargetAttribute, Result<String, String>>,
    user: Option<User>,
    wanted: String,
    typed: bool,
    form: FormState,
    may: bool,
}

/// The user whose name was typed; without one, the first of the directory.
async fn choose_user(db: &mut Read, wanted: &str) -> Result<Option<User>, PortalError> {
    let wanted = wanted.trim();
    if !wanted.is_empty()
        && let Some(user) = users::find_by_user_name(db, wanted).await?
    {
        return Ok(Some(user));
    }
    let filter = UserFilter {
        search: wanted.chars().take(200).collect(),
        ..UserFilter::default()
    };
    let first = users::list(
        db,
        &filter,
        (UserSort::default(), Direction::default()),
        &PageRequest::first(1),
    )
    .await?;
    match first.items.first() {
        Some(item) => Ok(users::find(db, item.id).await?),
        None => Ok(None),
    }
}

fn with_defaults(stored: &Overrides) -> Overrides {
    TargetAttribute::ALL
        .into_iter()
        .map(|attribute| {
            let own = stored.get(&attribute).map(String::as_str);
            let template = own.unwrap_or(default_template(attribute));
            (attribute, template.to_owned())
        })
        .collect()
}

fn typed_templates(form: &FormState) -> Overrides {
    TargetAttribute::ALL
        .into_iter()
        .map(|attribute| {
            let typed = form.typed(attribute.key()).unwrap_or_default();
            (attribute, or_default(attribute, typed).to_owned())
        })
        .collect()
}

/// An empty field goes back to the default.
fn or_default(attribute: TargetAttribute, typed: &str) -> &str {
    match typed.trim() {
        "" => default_template(attribute),
        typed => typed,
    }
}

fn results(
    templates: &Overrides,
    user: Option<&User>,
    connection: Option<&Connection>,
) -> BTreeMap<TargetAttribute, Result<String, String>> {
    let Some(user) = user else {
        return BTreeMap::new();
    };
    let domain = connection.map_or("contoso.com", |found| found.settings.domain.as_str());
    // One wrong template must not hide what the others give.
    templates
        .iter()
        .filter_map(|(attribute, template)| {
            let one = BTreeMap::from([(*attribute, template.clone())]);
            let mapping = Mapping::compile(&one).ok()?;
            mapping
                .preview(user, domain)
                .into_iter()
                .find(|(of, _)| of == attribute)
        })
        .collect()
}

#[component]
fn Body(application: Application, shown: Shown) -> impl IntoView {
    let columns = vec![
        Column::new("Attribute in Microsoft 365"),
        Column::new("Template"),
        Column::new("Result"),
    ];
    let rows = TargetAttribute::ALL
        .into_iter()
        .map(|attribute| view! { <Row attribute=attribute shown=shown.clone() /> })
        .collect_view();
    let who = match &shown.user {
        Some(user) => format!("Results for {}.", user.profile.display_name),
        None => "The directory is empty: there is nobody to show results for.".to_owned(),
    };
    let wanted = match (&shown.user, shown.wanted.is_empty()) {
        (Some(user), true) => user.profile.user_name.clone(),
        _ => shown.wanted.clone(),
    };
    let unsaved = (shown.typed && !shown.form.is_refused())
        .then(|| view! { <Badge tone=Tone::Warn>"Not saved yet"</Badge> });
    let disabled = (!shown.may).then(|| "Only an Administrator can change the mapping.".to_owned());
    view! {
        <ErrorSummary errors=shown.form.problems() />
        <Form action="/api/applications/mapping" guard=Guard::Unsaved>
            <EnterPresses />
            <input type="hidden" name="application" value=application.id.to_string() />
            <input type="hidden" name="version" value=application.version.to_string() />
            <Card
                id="mapping"
                title="Attribute mapping"
                hint="Each attribute of an account is made from the user by a template. Empty goes back to the default.".to_owned()
            >
                <div class="card__body stack">
                    <div class="fields">
                        <TextField
                            name="user"
                            label="Show results for"
                            value=wanted
                            hint="A user name or a part of a name.".to_owned()
                        />
                    </div>
                    <p class="row">
                        <Button name="do" value="show" size=ButtonSize::Small>
                            "Show results"
                        </Button>
                        <span class="hint" role="status">{who}</span>
                        {unsaved}
                    </p>
                    <Words />
                </div>
                <DataTable caption="Attributes and their templates" columns=columns narrow=Narrow::Stacks>
                    {rows}
                </DataTable>
                <footer class="card__foot card__foot--sticky">
                    <span class="grow">"A changed template looks at every account at the next sync."</span>
                    <Button look=Look::Primary name="do" value="save" disabled_because=disabled>
                        "Save mapping"
                    </Button>
                </footer>
            </Card>
        </Form>
    }
    .into_any()
}

#[component]
fn Row(attribute: TargetAttribute, shown: Shown) -> impl IntoView {
    let key = attribute.key();
    let ids = FieldIds::of(key);
    let error = shown.form.error(key);
    let described = ids.described_by(true, error.is_some());
    let template = match shown.form.typed(key) {
        Some(typed) if shown.typed => or_default(attribute, typed).to_owned(),
        _ => shown.templates.get(&attribute).cloned().unwrap_or_default(),
    };
    let is_default = template == default_template(attribute);
    let changed = shown.stored.contains_key(&attribute);
    let hint = if is_default {
        "Default".to_owned()
    } else {
        format!("Default: {}", default_template(attribute))
    };
    let result = match shown.results.get(&attribute) {
        None => view! { <span class="text-3">"–"</span> }.into_any(),
        Some(Ok(value)) if value.is_empty() => {
            view! { <span class="text-3">"Not set"</span> }.into_any()
        }
        Some(Ok(value)) => {
            view! { <span class="mapping__result">{value.clone()}</span> }.into_any()
        }
        Some(Err(why)) => view! { <span class="text-bad">{why.clone()}</span> }.into_any(),
    };
    let reset = (shown.may && (changed || !is_default)).then(|| {
        view! {
            <Button
                name="do"
                value=format!("reset:{key}")
                size=ButtonSize::Small
                look=Look::Quiet
                label=format!("Reset {}", attribute.label())
            >
                "Reset"
            </Button>
        }
    });
    view! {
        <tr>
            <th scope="row">
                <label for=ids.control.clone()>{attribute.label()}</label>
            </th>
            <td>
                <div class="field">
                    <input
                        class="input input--mono"
                        id=ids.control.clone()
                        name=key
                        value=template
                        maxlength=MAX_TEMPLATE.to_string()
                        spellcheck="false"
                        autocomplete="off"
                        readonly=!shown.may
                        aria-invalid=error.is_some().then_some("true")
                        aria-describedby=described
                    />
                    {ids.error(error)}
                    <div class="row">{ids.hint(Some(hint))} {reset}</div>
                </div>
            </td>
            <td data-label="Result">{result}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Words() -> impl IntoView {
    let names = Attribute::ALL
        .into_iter()
        .map(|attribute| {
            view! {
                <div>
                    <dt>
                        <code>{format!("user.{}", attribute.key())}</code>
                    </dt>
                    <dd>{attribute.label()}</dd>
                </div>
            }
        })
        .collect_view();
    view! {
        <Expander summary="What a template can say">
            <p class="hint">
                "Text stands as it is. "
                <code>"{{ user.given_name }}.{{ user.surname }}@{{ domain }}"</code>
                " puts values in. "
                <code>"{{ user.department|upper }}"</code>
                " changes one, and "
                <code>"{% if user.city %}…{% else %}…{% endif %}"</code>
                " chooses. "
                <code>"domain"</code>
                " is the domain of this application."
            </p>
            <dl class="facts">{names}</dl>
        </Expander>
    }
    .into_any()
}

/// Saves the templates, puts one back, or only shows what they give.
#[server(prefix = "/api", endpoint = "applications/mapping")]
pub async fn save_mapping() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let (id, version) = (id_of_form(&posted)?, version_of_form(&posted)?);
        let back = urls::application_mapping(id);
        let pressed = posted.first("do").to_owned();
        if pressed == "show" {
            return Err(FormErrors::new().refuse(back));
        }
        let reset = pressed
            .strip_prefix("reset:")
            .and_then(|key| key.parse::<TargetAttribute>().ok());
        let stored = policies::list_mappings(&mut *portal.store.read().await?, id).await?;
        let wanted = match reset {
            // Only this one: what else was typed is not saved by a reset.
            Some(attribute) => {
                let mut wanted = stored.clone();
                wanted.remove(&attribute);
                wanted
            }
            None => wanted_overrides(&posted),
        };
        check(&wanted).map_err(|errors| errors.refuse(back.clone()))?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let before = policies::list_mappings(&mut tx, id).await?;
        if before == wanted {
            // The second of two clicks, or nothing was changed.
            return Ok(Answer::to(back).notice(Notice::success("The mapping is saved.")));
        }
        applications::begin_change(&mut tx, id, version, now)
            .await
            .map_err(|error| or_stale(error, &back))?;
        let author = visit().author();
        for attribute in TargetAttribute::ALL {
            let template = wanted.get(&attribute).map(String::as_str);
            policies::set_mapping(&mut tx, id, attribute, template, &author, now).await?;
        }
        tx.commit().await?;
        portal.worker.notify_one();
        let words = match reset {
            Some(attribute) => format!("{} is filled by its default again.", attribute.label()),
            None => "The mapping is saved.".to_owned(),
        };
        Ok(Answer::to(back).notice(Notice::success(words)))
    })
    .await
}

fn wanted_overrides(posted: &Posted) -> Overrides {
    TargetAttribute::ALL
        .into_iter()
        .filter_map(|attribute| {
            let typed = or_default(attribute, posted.first(attribute.key()));
            (typed != default_template(attribute)).then(|| (attribute, typed.to_owned()))
        })
        .collect()
}

/// Every template that cannot be saved, tied to its field.
fn check(wanted: &Overrides) -> Result<(), FormErrors> {
    match Mapping::compile(wanted) {
        Ok(_) => Ok(()),
        Err(problems) => {
            let mut errors = FormErrors::new();
            for problem in problems {
                errors.add(problem.attribute.key(), problem.to_string());
            }
            Err(errors)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_or_the_default_is_no_override() {
        let fields = [
            ("display_name", " "),
            ("department", "{{ user.department }}"),
            ("city", "{{ user.city|upper }}"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let wanted = wanted_overrides(&Posted(std::sync::Arc::new(fields.to_vec())));
        assert_eq!(wanted.len(), 1);
        assert!(wanted.contains_key(&TargetAttribute::City));
    }

    #[test]
    fn every_wrong_template_is_tied_to_its_field() {
        let wanted = BTreeMap::from([
            (TargetAttribute::City, "{{ user.shoe_size }}".to_owned()),
            (TargetAttribute::Country, "{{ user.country".to_owned()),
        ]);
        let errors = check(&wanted).unwrap_err();
        let fields: Vec<_> = errors
            .fields
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(fields, ["city", "country"]);
    }
}
