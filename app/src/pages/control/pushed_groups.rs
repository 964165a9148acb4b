//! Which groups of the directory the application keeps in the tenant, and where each stands.

use leptos::prelude::*;
use signpost_model::group_push::{GroupBlocker, OnRemoval, PushDecision, PushState, TenantGroup};
use signpost_model::plan::ObjectId;
use signpost_model::provisioning::LastOutcome;
use signpost_model::{ApplicationId, GroupId, Role};
use signpost_store::group_push::{self, Choice as Chosen, PushedGroup, tenant};
use signpost_store::groups::{self, GroupFilter};
use signpost_store::{PageRequest, connections};

use super::user::outcome_words;
use crate::components::plural::count;
use crate::components::{
    Badge, BulkBar, Button, ButtonSize, Card, Choice, Column, DataTable, EmptyState, Expander,
    FilterBar, Form, Icon, LinkButton, Look, Narrow, RowCheck, Select, Time, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, Posted, respond};
use crate::listing::Query;
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::{found, id_of_form, id_of_page};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Groups of the tenant that a search for linking by hand offers.
const FOUND_SHOWN: i64 = 20;

/// Groups of the directory on the page where they are chosen.
const CHOICES_SHOWN: u32 = 200;

/// Groups in one post.
const MOST_AT_ONCE: usize = 500;

/// The page.
#[component]
pub fn PushedGroupsPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let query = Query::current();
        let search: String = query.get("q").chars().take(200).collect();
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let pushed = group_push::list(&mut read, id).await?;
        let offered = if search.trim().is_empty() {
            Vec::new()
        } else {
            tenant::search(&mut read, id, search.trim(), FOUND_SHOWN).await?
        };
        drop(read);
        let may = visit().may(Role::Administrator);
        let push = move || {
            may.then(|| {
                view! {
                    <LinkButton
                        href=urls::application_new_groups(id)
                        look=Look::Primary
                        icon=Icon::Plus
                    >
                        "Push groups"
                    </LinkButton>
                }
            })
        };
        let body = if pushed.is_empty() {
            view! {
                <EmptyState
                    icon=Icon::UsersRound
                    title="No groups are pushed"
                    why="A pushed group becomes a security group in Microsoft 365, with those of its members who have this application."
                />
            }
            .into_any()
        } else {
            let address = urls::application_groups(id);
            view! {
                <FilterBar
                    label="Groups of the tenant to link by hand"
                    action=address.clone()
                    search_label="Search groups of the tenant to link by hand"
                    search=search.clone()
                    clear=(!search.is_empty()).then_some(address)
                />
                <Table application=id rows=pushed offered=offered may=may />
            }
            .into_any()
        };
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::Provisioning
                below="Groups"
                actions=push
            >
                <Card
                    id="groups"
                    title="Groups"
                    hint="Members come and go with the directory. Whoever others put into a group stays in it.".to_owned()
                >
                    {body}
                </Card>
            </ApplicationPage>
        })
    })
}

#[component]
fn Table(
    application: ApplicationId,
    rows: Vec<PushedGroup>,
    offered: Vec<TenantGroup>,
    may: bool,
) -> impl IntoView {
    let columns = [
        "Group",
        "State",
        "In the tenant",
        "Members",
        "Last outcome",
        "Choose",
    ];
    let columns = columns.map(Column::new).to_vec();
    let rows = rows
        .into_iter()
        .map(|row| {
            view! { <Row application=application row=row offered=offered.clone() may=may /> }
        })
        .collect_view();
    view! {
        <DataTable caption="Pushed groups" columns=columns narrow=Narrow::Stacks>
            {rows}
        </DataTable>
    }
    .into_any()
}

fn tone_of(state: PushState) -> Tone {
    match state {
        PushState::InSync => Tone::Ok,
        PushState::NotPushed | PushState::Waiting | PushState::LeftOut => Tone::Plain,
        PushState::NeedsReview => Tone::Warn,
        PushState::Blocked | PushState::Failed => Tone::Bad,
    }
}

#[component]
fn Row(
    application: ApplicationId,
    row: PushedGroup,
    offered: Vec<TenantGroup>,
    may: bool,
) -> impl IntoView {
    let name = row.name.clone();
    let tone = tone_of(row.state);
    let why = row
        .blockers
        .iter()
        .map(|blocker| view! { <p>{blocker.text()}</p> })
        .collect_view();
    let is_over = (!row.wanted || row.deleted).then(|| {
        view! { <p class="hint">{format!("No longer pushed. {}.", row.on_removal.label())}</p> }
    });
    let there = match (&row.tenant_name, &row.object_id, row.created) {
        (Some(tenant), _, true) => format!("Created by Signpost as {tenant}"),
        (Some(tenant), _, false) => format!("Linked to {tenant}"),
        (None, Some(_), _) => "Gone from the tenant".to_owned(),
        (None, None, _) => "Not there yet".to_owned(),
    };
    let members = format!("{} there, {} waiting", row.there, row.waiting);
    let others = (row.there > row.ours).then(|| {
        let others = (row.there - row.ours).unsigned_abs();
        view! { <p class="hint">{count(others, "was there before", "were there before")}</p> }
    });
    let last = row.last_outcome.clone().map(|outcome| {
        let run = row.last_run.map(|run| {
            view! {
                <a href=urls::run(run) aria-label=format!("Show run of {}", row.name)>
                    "Show run"
                </a>
            }
        });
        view! {
            <p>{outcome_words(LastOutcome::Done(outcome))}</p>
            {run}
        }
    });
    let next = row
        .due_at
        .and_then(|at| at.to_jiff())
        .map(|at| view! { <p class="hint">"Next try " <Time at=at /></p> });
    let acts = (may && row.wanted).then(|| {
        view! { <Acts application=application row=row.clone() offered=offered /> }
    });
    view! {
        <tr>
            <th scope="row">
                <a href=urls::group(row.group_id)>{name}</a>
                {is_over}
            </th>
            <td>
                <Badge tone=tone>{row.state.label()}</Badge>
                {why}
            </td>
            <td>{there}</td>
            <td>
                <p class="num">{members}</p>
                {others}
            </td>
            <td>
                {last}
                {next}
            </td>
            <td>{acts}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Acts(application: ApplicationId, row: PushedGroup, offered: Vec<TenantGroup>) -> impl IntoView {
    let mut choices = vec![Choice::new("", "Leave as it is")];
    for blocker in &row.blockers {
        if let GroupBlocker::SameName { candidates } = blocker {
            let linkable = candidates.iter().filter(|one| one.is_linkable());
            choices.extend(linkable.map(|one| link(&one.object_id, &one.name, &one.description)));
        }
    }
    let mut by_hand: Vec<Choice> = offered
        .iter()
        .filter(|group| group.untouchable().is_none())
        .map(|group| link(&group.object_id, &group.name, &group.description))
        .collect();
    by_hand.retain(|choice| !choices.contains(choice));
    choices.extend(by_hand);
    if row.object_id.is_none() || row.tenant_name.is_none() {
        choices.push(Choice::new("create", "Create a new group"));
    }
    choices.push(Choice::new("leave_out", "Leave out"));
    if row.decision.is_some() {
        choices.push(Choice::new("reconsider", "Look at it again"));
    }
    if row.state == PushState::Failed {
        choices.push(Choice::new("retry", "Try again now"));
    }
    let refused: Vec<String> = row
        .blockers
        .iter()
        .flat_map(|blocker| match blocker {
            GroupBlocker::SameName { candidates } => candidates.as_slice(),
            _ => &[],
        })
        .filter_map(|one| {
            let why = one.untouchable?;
            Some(format!("{} cannot be linked. {}", one.name, why.text()))
        })
        .collect();
    let refused = refused
        .into_iter()
        .map(|words| view! { <p class="hint">{words}</p> })
        .collect_view();
    let id = row.group_id;
    let chosen = match row.decision {
        Some(PushDecision::Create) => "create",
        Some(PushDecision::LeaveOut) => "leave_out",
        None => "",
    };
    let ends = OnRemoval::ALL.map(|choice| Choice::new(choice.key(), choice.label()));
    let choice_of = format!("Choice for {}", row.name);
    let save = format!("Save choice for {}", row.name);
    let stop = format!("Stop pushing {}", row.name);
    let what = format!("What becomes of {} in the tenant", row.name);
    view! {
        <Form action="/api/control/group-choice">
            <input type="hidden" name="application" value=application.to_string() />
            <input type="hidden" name="group" value=id.to_string() />
            <div class="stack stack--tight">
                <Select
                    name=format!("choice-{id}")
                    label=choice_of
                    choices=choices
                    chosen=chosen
                />
                {refused}
                <p class="row">
                    <Button size=ButtonSize::Small label=save>
                        "Save choice"
                    </Button>
                </p>
            </div>
        </Form>
        <Expander summary=stop.clone()>
            <Form action="/api/control/end-push">
                <input type="hidden" name="application" value=application.to_string() />
                <input type="hidden" name="group" value=id.to_string() />
                <div class="stack stack--tight">
                    <Select
                        name=format!("on_removal-{id}")
                        label=what
                        choices=ends.to_vec()
                        chosen=row.on_removal.key()
                    />
                    <p class="row">
                        <Button
                            size=ButtonSize::Small
                            label=stop
                        >
                            "Stop pushing"
                        </Button>
                    </p>
                </div>
            </Form>
        </Expander>
    }
    .into_any()
}

fn link(object_id: &ObjectId, name: &str, description: &str) -> Choice {
    let words = if description.is_empty() {
        format!("Link to {name}")
    } else {
        format!("Link to {name} ({description})")
    };
    Choice::new(format!("link:{object_id}"), words)
}

/// Where groups are chosen.
#[component]
pub fn PushGroupsPage() -> impl IntoView {
    page(async {
        require(Role::Administrator)?;
        let id = id_of_page()?;
        let query = Query::current();
        let search: String = query.get("q").chars().take(200).collect();
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let filter = GroupFilter {
            search: search.clone(),
            deleted: false,
        };
        let request = PageRequest::first(CHOICES_SHOWN);
        let candidates = groups::list(&mut read, &filter, &request).await?;
        let pushed = group_push::list(&mut read, id).await?;
        drop(read);
        let is_pushed = |id: GroupId| pushed.iter().any(|one| one.group_id == id && one.wanted);
        let more = candidates.next.is_some();
        let rows: Vec<_> = candidates
            .items
            .into_iter()
            .filter(|group| !is_pushed(group.id))
            .map(|group| {
                let members = count(group.members.unsigned_abs(), "member", "members");
                view! {
                    <tr>
                        <td>
                            <RowCheck
                                name="group"
                                value=group.id.to_string()
                                label=group.name.clone()
                            />
                        </td>
                        <th scope="row">{group.name.clone()}</th>
                        <td>{group.description.clone()}</td>
                        <td class="end num">{members}</td>
                    </tr>
                }
                .into_any()
            })
            .collect();
        let address = urls::application_new_groups(id);
        let body = if rows.is_empty() {
            view! {
                <EmptyState
                    icon=Icon::SearchX
                    title="No group to push"
                    why="Every group that matches is pushed already, or none matches the search."
                />
            }
            .into_any()
        } else {
            let columns = vec![
                Column::hidden("Choose"),
                Column::new("Group"),
                Column::new("Description"),
                Column::numeric("Members"),
            ];
            let ends = OnRemoval::ALL.map(|choice| Choice::new(choice.key(), choice.label()));
            let rest = more.then(|| {
                view! { <p class="hint">"There are more groups: search for them by name."</p> }
            });
            view! {
                <Form action="/api/control/push-groups">
                    <input type="hidden" name="application" value=id.to_string() />
                    <div class="card__body">
                        <div class="fields">
                            <Select
                                name="on_removal"
                                label="When a group is no longer pushed"
                                choices=ends.to_vec()
                                chosen=OnRemoval::default().key()
                                hint="Also when the group is deleted here.".to_owned()
                            />
                        </div>
                        {rest}
                    </div>
                    <BulkBar rows="groups">
                        <Button look=Look::Primary>"Push selected"</Button>
                        <LinkButton href=urls::application_groups(id) look=Look::Quiet>
                            "Cancel"
                        </LinkButton>
                    </BulkBar>
                    <DataTable caption="Groups that are not pushed" columns=columns>
                        {rows}
                    </DataTable>
                </Form>
            }
            .into_any()
        };
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::Provisioning
                below="Push groups"
            >
                <Card
                    id="candidates"
                    title="Push groups"
                    hint="Nothing is linked by itself: where the tenant has a group of the same name, you choose.".to_owned()
                >
                    <FilterBar
                        label="Groups"
                        action=address.clone()
                        search_label="Search groups"
                        search=search.clone()
                        clear=(!search.is_empty()).then_some(address)
                    />
                    {body}
                </Card>
            </ApplicationPage>
        })
    })
}

fn group_of_form(posted: &Posted) -> Result<GroupId, PortalError> {
    posted
        .first("group")
        .parse()
        .map_err(|_| PortalError::NotFound)
}

/// Pushes the ticked groups from now on.
#[server(prefix = "/api", endpoint = "control/push-groups")]
pub async fn push_groups(#[server(default)] on_removal: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let posted = Posted::current();
        let id = id_of_form(&posted)?;
        let chosen: Vec<GroupId> = posted
            .all("group")
            .take(MOST_AT_ONCE)
            .filter_map(|text| text.parse().ok())
            .collect();
        if chosen.is_empty() {
            return Ok(Answer::to(urls::application_new_groups(id))
                .notice(Notice::warning("Tick at least one group.")));
        }
        let on_removal = on_removal.parse().map_err(|_| PortalError::BadRequest)?;
        let portal = portal()?;
        let (now, author) = (portal.clock.now(), visit().author());
        let mut tx = portal.store.write().await?;
        let new = group_push::choose(&mut tx, id, &chosen, on_removal, &author, now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        let notice = match new {
            0 => Notice::info("They are pushed already."),
            n => Notice::success(format!(
                "{} pushed by the next sync.",
                count(n as u64, "group is", "groups are")
            )),
        };
        Ok(Answer::to(urls::application_groups(id)).notice(notice))
    })
    .await
}

/// Pushes a group no longer.
#[server(prefix = "/api", endpoint = "control/end-push")]
pub async fn end_push() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let posted = Posted::current();
        let (id, group) = (id_of_form(&posted)?, group_of_form(&posted)?);
        let on_removal = posted
            .first(&format!("on_removal-{group}"))
            .parse()
            .map_err(|_| PortalError::BadRequest)?;
        let portal = portal()?;
        let (now, author) = (portal.clock.now(), visit().author());
        let mut tx = portal.store.write().await?;
        group_push::end(&mut tx, id, group, on_removal, &author, now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        let words = "The group is no longer pushed. The next sync does what you chose.";
        Ok(Answer::to(urls::application_groups(id)).notice(Notice::success(words)))
    })
    .await
}

/// Notes what was chosen for a pushed group.
#[server(prefix = "/api", endpoint = "control/group-choice")]
pub async fn choose_for_group() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let posted = Posted::current();
        let (id, group) = (id_of_form(&posted)?, group_of_form(&posted)?);
        let back = urls::application_groups(id);
        let choice = match posted.first(&format!("choice-{group}")) {
            "" => return Ok(Answer::to(back)),
            "create" => Some(Chosen::Create),
            "leave_out" => Some(Chosen::LeaveOut),
            "reconsider" => Some(Chosen::Reconsider),
            "retry" => None,
            other => match other.strip_prefix("link:") {
                Some(object_id) => Some(Chosen::Link(ObjectId::new(object_id))),
                None => return Err(PortalError::BadRequest.into()),
            },
        };
        let portal = portal()?;
        let (now, author) = (portal.clock.now(), visit().author());
        let mut tx = portal.store.write().await?;
        let notice = match choice {
            None => {
                group_push::look_again(&mut tx, id, group).await?;
                Notice::success("Tried again by the next sync.")
            }
            Some(choice) => {
                match group_push::decide(&mut tx, id, group, &choice, &author, now).await? {
                    group_push::Chosen::Done => Notice::success("The choice is saved."),
                    group_push::Chosen::Unknown => {
                        Notice::error("The tenant does not have this group any more.")
                    }
                    group_push::Chosen::Untouchable(why) => Notice::error(format!(
                        "Signpost does not touch this group. {}",
                        why.text()
                    )),
                    group_push::Chosen::Taken => {
                        Notice::error("Another group is pushed to this group of the tenant.")
                    }
                }
            }
        };
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(Answer::to(back).notice(notice))
    })
    .await
}
