//! Which products the application gives, with which services, to whom.

use std::collections::{BTreeSet, HashMap};

use leptos::prelude::*;
use signpost_model::license::{Grant, Product, Seats};
use signpost_model::plan::Action;
use signpost_model::run::RunState;
use signpost_model::{ApplicationId, GroupId, Role};
use signpost_store::assignments::AssignedGroup;
use signpost_store::licenses::NewGrant;
use signpost_store::runs::actions;
use signpost_store::{Read, connections, group_push, groups, licenses, runs};

use super::Fields;
use crate::components::field::FieldIds;
use crate::components::{
    Badge, Button, ButtonSize, CardSection, CheckBox, Column, DataTable, EmptyState, Expander,
    Form, Icon, Meter, MeterLegend, Tone, Usage,
};
use crate::connection_check::check;
use crate::connector::{Connector, stored};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, respond};
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require};

/// Names of the groups that a grant or a field can name.
pub type GroupNames = HashMap<GroupId, String>;

/// Seats that the waiting plan would take, by product.
pub type PlannedSeats = HashMap<String, i64>;

/// Actions of a waiting plan that are looked through for its seats.
const MOST_ACTIONS: i64 = 5_000;

/// Receivers of one product.
const MOST_RECEIVERS: usize = 20;

/// Names of the groups of the grants, and of those that are assigned.
pub async fn group_names(
    db: &mut Read,
    grants: &[Grant],
    assigned: &[AssignedGroup],
) -> Result<GroupNames, PortalError> {
    let mut names: GroupNames = assigned
        .iter()
        .map(|group| (group.group_id, group.name.clone()))
        .collect();
    for id in grants.iter().filter_map(|grant| grant.group_id) {
        if !names.contains_key(&id)
            && let Some(group) = groups::find(db, id).await?
        {
            names.insert(id, group.name);
        }
    }
    Ok(names)
}

/// What the newest plan that waits would take.
pub async fn planned_seats(
    db: &mut Read,
    application: ApplicationId,
) -> Result<PlannedSeats, PortalError> {
    let open = runs::list_open(db, application).await?;
    let waiting = open
        .iter()
        .find(|run| run.state == RunState::AwaitingApproval);
    let mut planned = PlannedSeats::new();
    let Some(run) = waiting else {
        return Ok(planned);
    };
    for stored in actions::list_all(db, run.id, -1, MOST_ACTIONS).await? {
        if let Action::AssignLicenses { add, .. } = stored.action {
            for license in add {
                *planned.entry(license.sku_id).or_default() += 1;
            }
        }
    }
    Ok(planned)
}

fn who_field(sku: &str) -> String {
    format!("who:{sku}")
}

fn by_field(sku: &str) -> String {
    format!("by:{sku}")
}

fn plan_field(sku: &str) -> String {
    format!("plan:{sku}")
}

fn shown_field(sku: &str) -> String {
    format!("plans:{sku}")
}

/// The region.
#[component]
pub fn Licenses(fields: Fields) -> impl IntoView {
    let stored = &fields.shown.stored;
    if stored.products.is_empty() {
        return view! {
            <CardSection id="licenses" title="Licenses">
                <EmptyState
                    icon=Icon::KeyRound
                    title="No licenses yet"
                    why="Licenses load from Microsoft 365 after you fill in the connection and select Update Settings."
                />
            </CardSection>
        }
        .into_any();
    }
    let reload = move || {
        fields.may.then(|| {
            view! {
                <Button form="reload-licenses" size=ButtonSize::Small icon=Icon::RefreshCw>
                    "Reload"
                </Button>
            }
        })
    };
    let columns = vec![
        Column::hidden("Give"),
        Column::new("License"),
        Column::new("Seats"),
        Column::numeric("Free after sync"),
    ];
    let form = fields.shown.rest();
    let options = fields
        .shown
        .groups
        .iter()
        .map(|group| view! { <option value=group.name.clone()></option> })
        .collect_view();
    let rows = stored
        .products
        .iter()
        .filter(|product| product.assignable || is_granted(&stored.grants, &product.sku_id))
        .map(|product| {
            let row = ProductRow::of(product, &stored.grants, &fields.shown.names, &form);
            let planned = fields.shown.planned.get(&product.sku_id).copied();
            view! { <ProductRows product=product.clone() row=row planned=planned.unwrap_or(0) /> }
        })
        .collect_view();
    let others = stored
        .products
        .iter()
        .filter(|product| !product.assignable)
        .map(|product| product.name.clone())
        .collect::<Vec<_>>()
        .join(", ");
    view! {
        <CardSection
            id="licenses"
            title="Licenses"
            hint="Ticked licenses are given to everyone who has the application, or to the groups you name.".to_owned()
            actions=reload
        >
            <input type="hidden" name="licenses" value="shown" />
            <datalist id="groups">{options}</datalist>
            <DataTable caption="Licenses in the tenant" columns=columns>
                {rows}
            </DataTable>
            <div class="card__body stack stack--tight">
                <MeterLegend />
                {(!others.is_empty())
                    .then(|| view! { <p class="hint">"Not for users, or suspended: " {others} "."</p> })}
            </div>
        </CardSection>
    }
    .into_any()
}

fn is_granted(grants: &[Grant], sku: &str) -> bool {
    grants.iter().any(|grant| grant.sku_id == sku)
}

/// One product's fields, as typed or as stored.
#[derive(Debug, Clone)]
struct ProductRow {
    ticked: bool,
    granted: bool,
    /// Names in the fields; empty for everyone.
    who: Vec<String>,
    /// The pushed groups give it to their members.
    by_group: bool,
    disabled: BTreeSet<String>,
    error: Option<String>,
}

impl ProductRow {
    fn of(product: &Product, grants: &[Grant], names: &GroupNames, form: &FormState) -> Self {
        let sku = &product.sku_id;
        let own: Vec<&Grant> = grants.iter().filter(|grant| grant.sku_id == *sku).collect();
        let granted = !own.is_empty();
        let field = who_field(sku);
        let typed = form.is_refused() && form.typed(&shown_field(sku)).is_some();
        let who = if typed {
            let all = form.values.iter().filter(|(name, _)| *name == field);
            all.map(|(_, value)| value.clone())
                .filter(|name| !name.trim().is_empty())
                .collect()
        } else {
            own.iter()
                .filter_map(|grant| names.get(&grant.group_id?).cloned())
                .collect()
        };
        let disabled = if typed {
            let plan = plan_field(sku);
            let on = |id: &str| {
                form.values
                    .iter()
                    .any(|(name, value)| *name == plan && value == id)
            };
            switchable(product)
                .filter(|id| !on(id))
                .map(str::to_owned)
                .collect()
        } else {
            own.first()
                .map(|grant| grant.disabled_plans.iter().cloned().collect())
                .unwrap_or_default()
        };
        Self {
            ticked: form.includes("grant", sku, granted),
            granted,
            who,
            by_group: if typed {
                form.typed(&by_field(sku)).is_some()
            } else {
                own.iter().any(|grant| grant.by_group)
            },
            disabled,
            error: form.error(&field),
        }
    }

    fn summary(&self, product: &Product) -> String {
        let who = match self.who.as_slice() {
            [] => "Everyone".to_owned(),
            [one] => one.clone(),
            many => format!("{} groups", many.len()),
        };
        let all = switchable(product).count();
        let on = switchable(product)
            .filter(|id| !self.disabled.contains(*id))
            .count();
        let how = if self.by_group { ", by the group" } else { "" };
        format!("Who gets it: {who}{how}. {on} of {all} services on")
    }
}

/// The plans that can be switched off for a user.
fn switchable(product: &Product) -> impl Iterator<Item = &str> {
    product
        .service_plans
        .iter()
        .filter(|plan| plan.for_users)
        .map(|plan| plan.id.as_str())
}

#[component]
fn ProductRows(product: Product, row: ProductRow, planned: i64) -> impl IntoView {
    let Seats { total, used } = product.seats;
    let free = product.seats.free() - planned;
    let none_left = product.seats.free() <= 0;
    // A full product can be taken out, but not newly chosen.
    let disabled = none_left && !row.granted;
    let box_id = format!("grant-{}", product.sku_id);
    let usage = Usage {
        used: used.max(0).unsigned_abs(),
        planned: planned.max(0).unsigned_abs(),
        total: total.max(0).unsigned_abs(),
    };
    let after = if none_left {
        view! { <Badge tone=Tone::Bad>"None left"</Badge> }.into_any()
    } else if free < 0 {
        view! { <span class="text-bad strong">{free}</span> }.into_any()
    } else {
        view! { {signpost_model::text::grouped(free)} }.into_any()
    };
    let summary = row.summary(&product);
    let open = row.error.is_some();
    view! {
        <tr>
            <td>
                <input
                    class="check"
                    type="checkbox"
                    id=box_id.clone()
                    name="grant"
                    value=product.sku_id.clone()
                    checked=row.ticked
                    disabled=disabled
                />
            </td>
            <th scope="row">
                <label for=box_id>{product.name.clone()}</label>
                <small class="mono">{product.part_number.clone()}</small>
            </th>
            <td>
                <Meter usage=usage />
            </td>
            <td class="end num">{after}</td>
        </tr>
        <tr class="table__more">
            <td></td>
            <td colspan="3">
                <Expander summary=summary open=open>
                    <Details product=product row=row />
                </Expander>
            </td>
        </tr>
    }
    .into_any()
}

#[component]
fn Details(product: Product, row: ProductRow) -> impl IntoView {
    let sku = product.sku_id.clone();
    let field = who_field(&sku);
    let ids = FieldIds::of(&field);
    let described = ids.described_by(true, row.error.is_some());
    let invalid = row.error.is_some().then_some("true");
    let mut who = row.who;
    who.truncate(MOST_RECEIVERS);
    who.push(String::new());
    let receivers = who
        .into_iter()
        .enumerate()
        .map(|(at, name)| {
            let label = format!("Who gets {}, group {}", product.name, at + 1);
            let id = (at == 0).then(|| ids.control.clone());
            view! {
                <input
                    class="input"
                    id=id
                    name=field.clone()
                    list="groups"
                    maxlength="256"
                    autocomplete="off"
                    placeholder="Everyone"
                    value=name
                    aria-label=label
                    aria-invalid=invalid
                    aria-describedby=described.clone()
                />
            }
        })
        .collect_view();
    let plan = plan_field(&sku);
    let plans = product
        .service_plans
        .iter()
        .filter(|plan| plan.for_users)
        .map(|one| {
            let on = !row.disabled.contains(&one.id);
            view! {
                <CheckBox
                    name=plan.clone()
                    value=one.id.clone()
                    label=one.friendly_name.clone()
                    checked=on
                />
            }
        })
        .collect_view();
    view! {
        <div class="stack">
            <input type="hidden" name=shown_field(&sku) value="shown" />
            <div class="field">
                <span class="strong">"Who gets it"</span>
                {receivers}
                {ids.error(row.error)}
                {ids
                    .hint(
                        Some("Name groups of this directory; leave it empty for everyone who has the application.".to_owned()),
                    )}
            </div>
            <CheckBox
                name=by_field(&sku)
                label=format!("Give {} by group", product.name)
                checked=row.by_group
                hint="The pushed group gives it to its members: one change for all of them. Push the groups first.".to_owned()
            />
            <fieldset class="stack stack--tight">
                <legend class="strong">"Services"</legend>
                <div class="plan-boxes">{plans}</div>
            </fieldset>
        </div>
    }
    .into_any()
}

/// A form of its own, so that reloading saves nothing.
#[component]
pub fn ReloadForm(id: ApplicationId) -> impl IntoView {
    view! {
        <Form id="reload-licenses" action="/api/applications/reload-licenses">
            <input type="hidden" name="application" value=id.to_string() />
        </Form>
    }
}

/// What the form says is to be granted, in the order of the products; `None` when the page had
/// no licenses to show.
pub async fn read_grants(
    db: &mut Read,
    posted: &Posted,
    products: &[Product],
    stored: &[Grant],
    errors: &mut FormErrors,
) -> Result<Option<Vec<NewGrant>>, PortalError> {
    if !posted.has("licenses") {
        return Ok(None);
    }
    let ticked: BTreeSet<&str> = posted.all("grant").collect();
    let mut grants = Vec::new();
    for product in products {
        if !ticked.contains(product.sku_id.as_str()) {
            continue;
        }
        let own: Vec<&Grant> = stored
            .iter()
            .filter(|grant| grant.sku_id == product.sku_id)
            .collect();
        if !posted.has(&shown_field(&product.sku_id)) {
            // Its services were not on the page: as they are.
            grants.extend(own.iter().map(|grant| NewGrant {
                sku_id: grant.sku_id.clone(),
                group_id: grant.group_id,
                by_group: grant.by_group,
                disabled_plans: grant.disabled_plans.clone(),
            }));
            continue;
        }
        let field = plan_field(&product.sku_id);
        let on: BTreeSet<&str> = posted.all(&field).collect();
        let disabled: Vec<String> = switchable(product)
            .filter(|id| !on.contains(id))
            .map(str::to_owned)
            .collect();
        let who = who_field(&product.sku_id);
        if !disabled.is_empty() && disabled.len() == switchable(product).count() {
            errors.add(
                &who,
                format!(
                    "{}: leave at least one service on, or clear its box",
                    product.name
                ),
            );
            continue;
        }
        let mut receivers = BTreeSet::new();
        for name in posted
            .all(&who)
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .take(MOST_RECEIVERS)
        {
            match groups::find_by_name(db, name).await? {
                Some(group) => {
                    receivers.insert(Some(group.id));
                }
                None => errors.add(
                    &who,
                    format!("{}: there is no group called “{name}”", product.name),
                ),
            }
        }
        let by_group = posted.has(&by_field(&product.sku_id));
        if by_group {
            check_pushed(db, posted, (&who, product), &receivers, errors).await?;
        }
        if receivers.is_empty() {
            receivers.insert(None);
        }
        grants.extend(receivers.into_iter().map(|group_id| NewGrant {
            sku_id: product.sku_id.clone(),
            group_id,
            by_group: by_group && group_id.is_some(),
            disabled_plans: disabled.clone(),
        }));
    }
    Ok(Some(grants))
}

/// A license is given by groups only where every group of it is pushed.
async fn check_pushed(
    db: &mut Read,
    posted: &Posted,
    (field, product): (&str, &Product),
    receivers: &BTreeSet<Option<GroupId>>,
    errors: &mut FormErrors,
) -> Result<(), PortalError> {
    let id = super::super::id_of_form(posted)?;
    let pushed = group_push::inputs::list_giving(db, id).await?;
    let is_pushed = |id: &GroupId| pushed.iter().any(|(group, _)| group == id);
    if receivers.is_empty() {
        errors.add(
            field,
            format!("{}: name the groups that give it", product.name),
        );
    }
    for group in receivers.iter().flatten().filter(|id| !is_pushed(id)) {
        let name = groups::find(db, *group).await?.map(|group| group.name);
        errors.add(
            field,
            format!(
                "{}: {} is not pushed. Push it on the Groups page first",
                product.name,
                name.unwrap_or_default()
            ),
        );
    }
    Ok(())
}

/// Reads the tenant anew, with the stored connection.
#[server(prefix = "/api", endpoint = "applications/reload-licenses")]
pub async fn reload_licenses() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let id = super::super::id_of_form(&Posted::current())?;
        let back = urls::application_provisioning(id);
        let known = stored(&portal.store, &mut portal.store.read().await?, id).await?;
        let Some((connection, secret)) = known else {
            return Ok(Answer::to(back).notice(Notice::warning(
                "Fill in the connection and select Update Settings first.",
            )));
        };
        let connector = Connector::of(&portal);
        let Ok(checked) = check(&connector, &connection.settings, &secret).await else {
            return Ok(Answer::to(back).notice(Notice::error(super::update::NO_PRACTICE)));
        };
        let findings = super::update::merged(&checked, Some(&connection));
        let mut tx = portal.store.write().await?;
        let now = portal.clock.now();
        // Somebody may have saved another connection while Microsoft was asked.
        let current = connections::find(&mut tx, id).await?;
        if current.is_none_or(|current| current.settings != connection.settings) {
            return Ok(Answer::to(back).notice(Notice::warning(
                "The connection was changed meanwhile. Select Reload again.",
            )));
        }
        connections::save_findings(&mut tx, id, checked.state, &findings, now).await?;
        if let Some(products) = &checked.products {
            licenses::set_products(&mut tx, id, products).await?;
        }
        tx.commit().await?;
        portal.worker.notify_one();
        let notice = match (&checked.products, &checked.findings.problem) {
            (Some(products), _) => {
                let number = i64::try_from(products.len()).unwrap_or(0);
                let loaded = signpost_model::text::count(number, "license", "licenses");
                Notice::success(format!("{loaded} loaded."))
            }
            (None, Some(problem)) => Notice::error(
                super::words::told(problem, &connection.settings, &findings.granted).text,
            ),
            (None, None) => Notice::warning("Microsoft did not show the tenant's licenses."),
        };
        Ok(Answer::to(back).notice(notice))
    })
    .await
}
