//! Who waits for a seat, and which product is given instead while seats are short.

use std::collections::BTreeMap;

use leptos::prelude::*;
use signpost_model::license::{Grant, Product};
use signpost_model::{ApplicationId, Role};
use signpost_store::following::{self, Waiting};
use signpost_store::{applications, connections, licenses};

use crate::components::plural::count;
use crate::components::{
    Button, Card, Choice, Column, DataTable, EmptyState, Form, Icon, Look, Person, Select, Time,
};
use crate::error::PortalError;
use crate::forms::{Answer, Posted, respond};
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::{found, id_of_form, id_of_page, or_stale, version_of_form};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Waiting users on the page, longest first.
const SHOWN: i64 = 200;

/// Products that can be given instead of one, in order.
const MOST_FALLBACKS: usize = 2;

type Fallbacks = BTreeMap<String, Vec<String>>;

/// The page.
#[component]
pub fn SeatsPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let waiting = following::list_waiting(&mut read, id, SHOWN).await?;
        let products = licenses::list_products(&mut read, id).await?;
        let grants = licenses::list_grants(&mut read, id).await?;
        let fallbacks = following::find_fallbacks(&mut read, id).await?;
        drop(read);
        let version = application.version;
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::Provisioning
                below="Seats"
            >
                <WaitingCard waiting=waiting />
                <FallbackCard
                    id=id
                    version=version
                    products=products
                    grants=grants
                    fallbacks=fallbacks
                />
            </ApplicationPage>
        })
    })
}

#[component]
fn WaitingCard(waiting: Vec<Waiting>) -> impl IntoView {
    if waiting.is_empty() {
        return view! {
            <Card id="waiting" title="Waiting for a seat">
                <EmptyState
                    icon=Icon::IdCard
                    title="Nobody waits"
                    why="Everyone who is to have a license has it, or waits for something else."
                />
            </Card>
        }
        .into_any();
    }
    let hint = format!(
        "{}. When a seat appears, they are served before anybody new.",
        count(waiting.len() as u64, "user waits", "users wait")
    );
    let rows = waiting
        .into_iter()
        .map(|one| {
            let since = one.since.to_jiff();
            view! {
                <tr>
                    <th scope="row">
                        <Person
                            name=one.display_name
                            detail=one.user_name
                            href=urls::user(one.user_id)
                        />
                    </th>
                    <td>{one.products.join(", ")}</td>
                    <td>{since.map(|at| view! { <Time at=at /> })}</td>
                </tr>
            }
            .into_any()
        })
        .collect_view();
    let columns = ["User", "License", "Since"].map(Column::new).to_vec();
    view! {
        <Card id="waiting" title="Waiting for a seat" hint=hint>
            <DataTable caption="Users who wait for a seat" columns=columns>
                {rows}
            </DataTable>
        </Card>
    }
    .into_any()
}

#[component]
fn FallbackCard(
    id: ApplicationId,
    version: i64,
    products: Vec<Product>,
    grants: Vec<Grant>,
    fallbacks: Fallbacks,
) -> impl IntoView {
    let granted: Vec<Product> = products
        .iter()
        .filter(|product| grants.iter().any(|grant| grant.sku_id == product.sku_id))
        .cloned()
        .collect();
    if granted.is_empty() {
        return ().into_any();
    }
    let may = visit().may(Role::Administrator);
    let fields = granted
        .into_iter()
        .map(|product| {
            let chosen = fallbacks.get(&product.sku_id).cloned().unwrap_or_default();
            view! { <FallbackFields product=product products=products.clone() chosen=chosen may=may /> }
        })
        .collect_view();
    view! {
        <Form action="/api/control/fallbacks">
            <input type="hidden" name="application" value=id.to_string() />
            <input type="hidden" name="version" value=version.to_string() />
            <Card
                id="fallbacks"
                title="When no seat is left"
                hint="The next product that has a seat is given instead. When a seat of the first appears, the two are swapped in one call.".to_owned()
            >
                <div class="card__body stack">
                    {fields}
                    {may
                        .then(|| {
                            view! {
                                <p class="row">
                                    <Button look=Look::Primary>"Save fallbacks"</Button>
                                </p>
                            }
                        })}
                </div>
            </Card>
        </Form>
    }
    .into_any()
}

#[component]
fn FallbackFields(
    product: Product,
    products: Vec<Product>,
    chosen: Vec<String>,
    may: bool,
) -> impl IntoView {
    let fields = (0..MOST_FALLBACKS)
        .map(|at| {
            let mut choices = vec![Choice::new("", "Wait for a seat")];
            choices.extend(
                products
                    .iter()
                    .filter(|other| other.sku_id != product.sku_id && other.assignable)
                    .map(|other| Choice::new(other.sku_id.clone(), other.name.clone())),
            );
            let order = if at == 0 { "First" } else { "Then" };
            view! {
                <Select
                    name=format!("fallback-{}-{at}", product.sku_id)
                    label=format!("{order}, instead of {}", product.name)
                    choices=choices
                    chosen=chosen.get(at).cloned().unwrap_or_default()
                    disabled=!may
                />
            }
            .into_any()
        })
        .collect_view();
    view! { <div class="fields">{fields}</div> }.into_any()
}

/// Saves which products are given instead of others.
#[server(prefix = "/api", endpoint = "control/fallbacks")]
pub async fn save_fallbacks() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let posted = Posted::current();
        let (id, version) = (id_of_form(&posted)?, version_of_form(&posted)?);
        let back = urls::application_seats(id);
        let portal = portal()?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let products = licenses::list_products(&mut tx, id).await?;
        let fallbacks = read_fallbacks(&posted, &products);
        if following::find_fallbacks(&mut tx, id).await? != fallbacks {
            applications::begin_change(&mut tx, id, version, now)
                .await
                .map_err(|error| or_stale(error, &back))?;
            following::set_fallbacks(&mut tx, id, &fallbacks, &visit().author(), now).await?;
            tx.commit().await?;
            portal.worker.notify_one();
        }
        Ok(Answer::to(back).notice(Notice::success("Fallbacks saved.")))
    })
    .await
}

/// Only products that the tenant has, each once, none instead of itself.
fn read_fallbacks(posted: &Posted, products: &[Product]) -> Fallbacks {
    let known = |sku: &str| products.iter().any(|product| product.sku_id == sku);
    let mut fallbacks = Fallbacks::new();
    for product in products {
        let mut list: Vec<String> = Vec::new();
        for at in 0..MOST_FALLBACKS {
            let chosen = posted.first(&format!("fallback-{}-{at}", product.sku_id));
            if known(chosen) && chosen != product.sku_id && !list.iter().any(|sku| sku == chosen) {
                list.push(chosen.to_owned());
            }
        }
        if !list.is_empty() {
            fallbacks.insert(product.sku_id.clone(), list);
        }
    }
    fallbacks
}
