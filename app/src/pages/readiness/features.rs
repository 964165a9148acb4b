//! What Signpost is to do with the tenant, the permissions that takes, and what is granted.

use leptos::prelude::*;
use signpost_model::readiness::Feature;
use signpost_model::{ApplicationId, Role};
use signpost_store::readiness;
use signpost_sync::readiness::{Judgement, NEEDS};

use super::acts::posted_application;
use crate::components::{
    Badge, Button, Card, CheckBox, Column, DataTable, Form, Icon, Narrow, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, Posted, Refusal, respond};
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Feature by feature: what it needs, and whether that is granted. `granted` is `None` while
/// Signpost has never signed in.
#[component]
pub(super) fn FeaturesCard(
    id: ApplicationId,
    chosen: Vec<Feature>,
    granted: Option<Vec<String>>,
    may: bool,
) -> impl IntoView {
    let judged = granted
        .as_ref()
        .map(|granted| Judgement::of(granted, &chosen));
    let boxes = Feature::ALL
        .iter()
        .map(|feature| {
            let always = *feature == Feature::Sync;
            let needs: Vec<&str> = NEEDS
                .iter()
                .filter(|need| need.feature == *feature)
                .map(|need| need.name)
                .collect();
            view! {
                <CheckBox
                    name="feature"
                    value=feature.key()
                    label=feature.label()
                    checked=always || chosen.contains(feature)
                    hint=needs.join(", ")
                    disabled=always || !may
                />
            }
        })
        .collect_view();
    let rows = NEEDS
        .iter()
        .filter(|need| need.feature == Feature::Sync || chosen.contains(&need.feature))
        .map(|need| {
            let held = judged.as_ref().map(|judged| judged.granted.contains(&need));
            row(need.name, need.purpose, need.feature.label(), held)
        })
        .collect_view();
    let excess = judged.map(|judged| judged.excess).unwrap_or_default();
    let excess = excess
        .into_iter()
        .map(|name| {
            view! {
                <tr>
                    <th scope="row"><code>{name}</code></th>
                    <td data-label="State"><Badge tone=Tone::Warn icon=Icon::TriangleAlert>"Excess"</Badge></td>
                    <td data-label="For">"No chosen feature uses it. Remove it in Entra."</td>
                </tr>
            }
        })
        .collect_view();
    let columns = ["Permission", "State", "For"].map(Column::new);
    let save = may.then(|| view! { <div class="row"><Button>"Save features"</Button></div> });
    view! {
        <Card
            id="features"
            title="Features and permissions"
            hint="Signpost asks for no more than what you tick.".to_owned()
        >
            <div class="card__body stack">
                <Form action="/api/readiness/features" class="stack">
                    <input type="hidden" name="application" value=id.to_string() />
                    <fieldset class="stack stack--tight">
                        <legend class="strong">"What Signpost does here"</legend>
                        {boxes}
                    </fieldset>
                    {save}
                </Form>
            </div>
            <DataTable caption="Application permissions" columns=columns.to_vec() narrow=Narrow::Stacks>
                {rows}
                {excess}
            </DataTable>
            <div class="card__body stack stack--tight">
                <p class="hint">
                    "All of them are application permissions. Delegated permissions, such as Directory.AccessAsUser.All, have no effect here: Signpost signs in as itself, not as a person, and they are never in its token."
                </p>
            </div>
        </Card>
    }
    .into_any()
}

fn row(
    name: &'static str,
    purpose: &'static str,
    feature: &'static str,
    held: Option<bool>,
) -> AnyView {
    let (tone, icon, word) = match held {
        Some(true) => (Tone::Ok, Icon::Check, "Granted"),
        Some(false) => (Tone::Bad, Icon::CircleX, "Missing"),
        None => (Tone::Plain, Icon::CircleDashed, "Not known yet"),
    };
    view! {
        <tr>
            <th scope="row"><code>{name}</code></th>
            <td data-label="State"><Badge tone=tone icon=icon>{word}</Badge></td>
            <td data-label="For">{feature} ": " {purpose}</td>
        </tr>
    }
    .into_any()
}

/// Chooses what Signpost is to do with the tenant.
#[server(prefix = "/api", endpoint = "readiness/features")]
pub async fn choose_features() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = posted_application(&portal, &posted).await?;
        let mut chosen = vec![Feature::Sync];
        for word in posted.all("feature") {
            let feature: Feature = word.parse().map_err(|_| PortalError::BadRequest)?;
            if !chosen.contains(&feature) {
                chosen.push(feature);
            }
        }
        chosen.sort_unstable();
        let mut tx = portal.store.write().await?;
        let (author, now) = (visit().author(), portal.clock.now());
        readiness::set_features(&mut tx, id, &chosen, &author, now).await?;
        tx.commit().await?;
        let text = "Saved. Grant what is missing in Entra, then check again.";
        Ok::<_, Refusal>(
            Answer::to(urls::application_registration(id)).notice(Notice::success(text)),
        )
    })
    .await
}
