//! Groups whose members owe another second factor than everybody else.

use leptos::prelude::*;
use signpost_model::sign_on::FactorPolicy;
use signpost_model::{ApplicationId, GroupId, Role};
use signpost_store::group_policies::{self, GroupPolicy, MOST};

use super::super::id_of_form;
use crate::components::{
    Badge, Button, ButtonSize, Card, Choice, Column, DataTable, Form, Narrow, Select, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, respond};
use crate::portal::portal;
use crate::urls;
use crate::visit::{Notice, require, visit};

#[component]
pub(super) fn GroupsCard(
    id: ApplicationId,
    known: Vec<GroupPolicy>,
    /// Id and name of every group.
    groups: Vec<(GroupId, String)>,
    form: FormState,
    may: bool,
) -> impl IntoView {
    let has_some = !known.is_empty();
    let rows = known
        .into_iter()
        .map(|known| row(id, known, may))
        .collect_view();
    let columns = [
        Column::new("Group"),
        Column::new("Second factor"),
        Column::hidden("Acts"),
    ];
    let table = has_some.then(|| {
        view! {
            <DataTable caption="Groups with a rule of their own" columns=columns.to_vec() narrow=Narrow::Stacks>
                {rows}
            </DataTable>
        }
    });
    let add = may.then(|| view! { <Add id=id groups=groups form=form /> });
    view! {
        <Card
            id="group-factors"
            title="Second factor by group"
            hint="For members of these groups it holds in place of the choice above; of several, the strictest.".to_owned()
        >
            {table}
            {add}
        </Card>
    }
    .into_any()
}

fn row(id: ApplicationId, known: GroupPolicy, may: bool) -> AnyView {
    let tone = match known.factor_policy {
        FactorPolicy::Off => Tone::Warn,
        FactorPolicy::Optional => Tone::Plain,
        FactorPolicy::Required => Tone::Ok,
    };
    let remove = may.then(|| {
        let label = format!("Remove the rule of {}", known.group_name);
        view! {
            <Form action="/api/applications/group-factor/remove">
                <input type="hidden" name="application" value=id.to_string() />
                <input type="hidden" name="group" value=known.group_id.to_string() />
                <Button size=ButtonSize::Small label=label>"Remove"</Button>
            </Form>
        }
    });
    view! {
        <tr>
            <th scope="row"><a href=urls::group(known.group_id)>{known.group_name}</a></th>
            <td data-label="Second factor"><Badge tone=tone>{known.factor_policy.label()}</Badge></td>
            <td class="end">{remove}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Add(id: ApplicationId, groups: Vec<(GroupId, String)>, form: FormState) -> impl IntoView {
    if groups.is_empty() {
        return view! { <p class="card__body text-2">"There are no groups yet."</p> }.into_any();
    }
    let groups = groups
        .into_iter()
        .map(|(id, name)| Choice::new(id.to_string(), name));
    let groups = std::iter::once(Choice::new("", "Choose a group"))
        .chain(groups)
        .collect();
    let policies = FactorPolicy::ALL
        .into_iter()
        .rev()
        .map(|policy| Choice::new(policy.key(), policy.label()))
        .collect();
    view! {
        <Form action="/api/applications/group-factor" class="card__body stack">
            <input type="hidden" name="application" value=id.to_string() />
            <div class="fields">
                <Select
                    name="group"
                    label="Group"
                    choices=groups
                    chosen=form.value("group", "")
                    error=form.error("group")
                />
                <Select
                    name="group_policy"
                    label="Second factor of its members"
                    choices=policies
                    chosen=form.value("group_policy", FactorPolicy::Required.key())
                    error=form.error("group_policy")
                />
            </div>
            <div class="row"><Button>"Save rule"</Button></div>
        </Form>
    }
    .into_any()
}

/// Gives a group a rule of its own.
#[server(prefix = "/api", endpoint = "applications/group-factor")]
pub async fn save_group_factor() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let back = urls::application_sign_on(id);
        let mut errors = FormErrors::new();
        let group = posted.first("group").parse::<GroupId>();
        let policy = posted.first("group_policy").parse::<FactorPolicy>();
        if group.is_err() {
            errors.add("group", "Choose a group");
        }
        if policy.is_err() {
            errors.add("group_policy", "Choose who needs a second factor");
        }
        errors.check(back.as_str())?;
        let (Ok(group), Ok(policy)) = (group, policy) else {
            return Err(PortalError::BadRequest.into());
        };
        let mut tx = portal.store.write().await?;
        let known = group_policies::list(&mut tx, id).await?;
        let is_new = !known.iter().any(|known| known.group_id == group);
        if is_new && known.len() >= MOST {
            let text = format!("At most {MOST} groups can have a rule of their own");
            return Err(FormErrors::field("group", text).refuse(back));
        }
        let (author, now) = (visit().author(), portal.clock.now());
        match group_policies::set(&mut tx, id, group, policy, &author, now).await {
            Err(signpost_store::Error::NotFound("group")) => {
                let text = "This group was deleted meanwhile";
                return Err(FormErrors::field("group", text).refuse(back));
            }
            other => other?,
        }
        tx.commit().await?;
        Ok(Answer::to(back).notice(Notice::success("The rule of the group is saved.")))
    })
    .await
}

/// Takes the rule of a group away.
#[server(prefix = "/api", endpoint = "applications/group-factor/remove")]
pub async fn remove_group_factor() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let group = posted
            .first("group")
            .parse()
            .map_err(|_| PortalError::NotFound)?;
        let mut tx = portal.store.write().await?;
        let (author, now) = (visit().author(), portal.clock.now());
        group_policies::remove(&mut tx, id, group, &author, now).await?;
        tx.commit().await?;
        Ok(Answer::to(urls::application_sign_on(id))
            .notice(Notice::success("The rule of the group is removed.")))
    })
    .await
}
