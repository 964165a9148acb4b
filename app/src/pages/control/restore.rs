//! Bringing back what an account held before Signpost took something from it.

use leptos::prelude::*;
use signpost_model::license::Product;
use signpost_model::{ApplicationId, KnownAccount, Role, RunId, Timestamp, UserId};
use signpost_store::group_push::{self, KnownMembership};
use signpost_store::snapshots::{self, Snapshot};
use signpost_store::wishes::{self, DAYS_IN_DELETED_ITEMS};
use signpost_store::{Read, accounts, connections, licenses, runs, users};

use super::user::{is_ready, not_ready, one_user};
use super::{ids_of_form, ids_of_page};
use crate::components::{
    Button, Card, Column, DataTable, DiffList, Difference, EmptyState, ErrorSummary, Form, Icon,
    Look, Narrow, Notice as Note, TextField, TextKind, Time, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Posted, respond};
use crate::pages::applications::found;
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{require, visit};

/// Snapshots on the page.
const SHOWN: i64 = 10;

/// The days for which what came back stays, unless the user has the application again.
const DAYS: u16 = 30;

/// The word for bringing back the account alone.
const ACCOUNT_ONLY: &str = "account";

#[derive(Debug)]
struct Shown {
    application: ApplicationId,
    user: UserId,
    name: String,
    snapshots: Vec<Snapshot>,
    account: Option<KnownAccount>,
    products: Vec<Product>,
    /// The tenant’s groups, and whether the account is in them.
    memberships: Vec<KnownMembership>,
    /// Until when nothing is taken from the account.
    held: Option<Timestamp>,
}

/// The page.
#[component]
pub fn RestorePage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let (id, user) = ids_of_page()?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let shown = load(&mut read, id, user, portal.clock.now()).await?;
        drop(read);
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::Assignments
                below="Restore"
            >
                <Body shown=shown />
            </ApplicationPage>
        })
    })
}

async fn load(
    db: &mut Read,
    id: ApplicationId,
    user: UserId,
    now: Timestamp,
) -> Result<Shown, PortalError> {
    let person = users::find(db, user).await?.ok_or(PortalError::NotFound)?;
    let account = accounts::find_linked(db, id, user).await?;
    let snapshots = snapshots::list(db, id, user, SHOWN).await?;
    // Microsoft's deleted items keep the account under its own id.
    let object_id = (account.as_ref().map(|known| &known.observation.object_id))
        .or(snapshots.first().map(|newest| &newest.object_id));
    let memberships = match object_id {
        Some(object_id) => group_push::list_memberships(db, id, object_id).await?,
        None => Vec::new(),
    };
    Ok(Shown {
        memberships,
        application: id,
        user,
        name: person.profile.display_name,
        snapshots,
        account,
        products: licenses::list_products(db, id).await?,
        held: wishes::find_hold(db, id, user, now).await?,
    })
}

#[component]
fn Body(shown: Shown) -> impl IntoView {
    let form = visit().form_state();
    let held = shown.held.and_then(Timestamp::to_jiff).map(|at| {
        let go_on = visit().may(Role::Administrator).then(|| {
            view! {
                <Form action="/api/control/postpone">
                    <input type="hidden" name="application" value=shown.application.to_string() />
                    <input type="hidden" name="user" value=shown.user.to_string() />
                    <input type="hidden" name="back" value="restore" />
                    <Button name="act" value="go_on">"Go on"</Button>
                </Form>
            }
        });
        view! {
            <Note tone=Tone::Info title="Nothing is taken from this account for now.">
                "Until " <Time at=at /> ". " {go_on}
            </Note>
        }
        .into_any()
    });
    let gone = shown.account.is_none();
    let deleted = shown
        .account
        .as_ref()
        .is_some_and(|known| known.observation.deleted);
    let nothing = gone || (shown.snapshots.is_empty() && !deleted);
    let title = format!("Restore {}", shown.name);
    if nothing {
        let why = if gone {
            "The user has no account here, or Microsoft has removed it for good. A sync creates a new one when the user has the application."
        } else {
            "Signpost has taken nothing from this account, so there is nothing to bring back."
        };
        return view! {
            {held}
            <Card id="restore" title=title>
                <EmptyState icon=Icon::Undo2 title="Nothing to restore" why=why />
            </Card>
        }
        .into_any();
    }
    let may = visit().may(Role::Administrator);
    let disabled = (!may).then(|| "Only an Administrator can restore accounts.".to_owned());
    let account_only = deleted.then(|| {
        view! {
            <tr>
                <td>
                    <Radio value=ACCOUNT_ONLY.to_owned() label="The account alone" first=shown.snapshots.is_empty() />
                </td>
                <th scope="row">"Now"</th>
                <td>"The account out of Microsoft’s deleted items, as Microsoft kept it."</td>
            </tr>
        }
    });
    let current = shown.account.map(|known| known.observation);
    let rows = shown
        .snapshots
        .into_iter()
        .enumerate()
        .map(|(at, snapshot)| {
            let changes = changes(
                &snapshot,
                current.as_ref(),
                &shown.products,
                &shown.memberships,
            );
            view! { <SnapshotRow snapshot=snapshot changes=changes first=at == 0 /> }
        })
        .collect_view();
    let columns = vec![
        Column::hidden("Choose"),
        Column::new("Before"),
        Column::new("What comes back"),
    ];
    let footer = move || {
        view! {
            <Button look=Look::Primary icon=Icon::Undo2 disabled_because=disabled>
                "Restore"
            </Button>
        }
    };
    let days = form.value("days", &DAYS.to_string());
    view! {
        <ErrorSummary errors=form.problems() />
        {held}
        {deleted
            .then(|| {
                view! {
                    <Note tone=Tone::Warn title="The account is in Microsoft’s deleted items.">
                        {format!("Microsoft removes it for good {DAYS_IN_DELETED_ITEMS} days after it was deleted.")}
                    </Note>
                }
            })}
        <Form action="/api/control/restore">
            <input type="hidden" name="application" value=shown.application.to_string() />
            <input type="hidden" name="user" value=shown.user.to_string() />
            <Card
                id="restore"
                title=title
                hint="Each line is the account as it was before a run took something from it. The restore is a plan like any other: it is stored, then carried out.".to_owned()
                footer=footer
            >
                <DataTable caption="What can come back" columns=columns narrow=Narrow::Stacks>
                    {account_only}
                    {rows}
                </DataTable>
                <div class="card__body">
                    <TextField
                        name="days"
                        label="Days to keep it"
                        kind=TextKind::Number
                        value=days
                        error=form.error("days")
                        hint="For so long nothing is taken from this account again, even if the user has no application.".to_owned()
                    />
                </div>
            </Card>
        </Form>
    }
    .into_any()
}

#[component]
fn Radio(value: String, #[prop(into)] label: String, first: bool) -> impl IntoView {
    view! { <input class="radio" type="radio" name="snapshot" value=value checked=first aria-label=label /> }
}

#[component]
fn SnapshotRow(snapshot: Snapshot, changes: Vec<Difference>, first: bool) -> impl IntoView {
    let at = snapshot.taken_at.to_jiff();
    let label = at.map_or_else(String::new, |at| {
        crate::components::moment(at, crate::components::Precision::Minute)
    });
    view! {
        <tr>
            <td>
                <Radio value=snapshot.run_id.to_string() label=format!("As it was {label}") first=first />
            </td>
            <th scope="row">
                {at.map(|at| view! { <Time at=at /> })}
                <small>
                    <a href=urls::run(snapshot.run_id)>"Run"</a>
                </small>
            </th>
            <td>
                {changes.is_empty().then_some("Nothing: the account has all of it.")}
                <DiffList changes=changes />
            </td>
        </tr>
    }
    .into_any()
}

/// What of the snapshot the account no longer has.
fn changes(
    snapshot: &Snapshot,
    now: Option<&signpost_model::Observation>,
    products: &[Product],
    memberships: &[KnownMembership],
) -> Vec<Difference> {
    let before = &snapshot.observation;
    let mut changes = Vec::new();
    let mut gain = |label: &str, value: String| {
        changes.push(Difference::new(label, None, Some(value)));
    };
    if now.is_some_and(|now| now.deleted) {
        gain("Account", "Restored from deleted items".to_owned());
    }
    if before.enabled && now.is_some_and(|now| !now.enabled) {
        gain("Sign-in", "Allowed".to_owned());
    }
    for held in before
        .licenses
        .iter()
        .filter(|held| held.from_group.is_none())
    {
        let has = now.is_some_and(|now| {
            !now.deleted && now.licenses.iter().any(|one| one.sku_id == held.sku_id)
        });
        if !has {
            let name = products
                .iter()
                .find(|product| product.sku_id == held.sku_id)
                .map_or(held.sku_id.as_str(), |product| product.name.as_str());
            let off = held.disabled_plans.len();
            let words = match off {
                0 => name.to_owned(),
                1 => format!("{name}, 1 service off"),
                _ => format!("{name}, {off} services off"),
            };
            gain("License", words);
        }
    }
    if before.manager.is_some() && now.is_some_and(|now| now.manager != before.manager) {
        gain("Manager", "As before".to_owned());
    }
    let groups = snapshot
        .owned
        .iter()
        .filter(|line| line.kind == signpost_model::provisioning::OwnedKind::Membership);
    for group in groups {
        match memberships
            .iter()
            .find(|known| known.group.as_str() == group.key)
        {
            Some(known) if known.is_member => {}
            Some(known) => gain("Group", known.name.clone()),
            // Nobody can be put into it again.
            None => gain("Group", format!("{} (no longer pushed)", group.key)),
        }
    }
    changes
}

/// Asks a plan to bring back what was chosen, and starts it.
#[server(prefix = "/api", endpoint = "control/restore")]
pub async fn restore_account(
    #[server(default)] snapshot: String,
    #[server(default)] days: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (application, user) = ids_of_form(&Posted::current())?;
        let (portal, author) = (portal()?, visit().author());
        let now = portal.clock.now();
        let back = urls::application_user_restore(application, user);
        let Some(days) = days
            .trim()
            .parse()
            .ok()
            .filter(|days| (1..=3_650).contains(days))
        else {
            let text = "Enter the days as a number from 1 to 3650";
            return Err(FormErrors::field("days", text).refuse(back));
        };
        let mut tx = portal.store.write().await?;
        if !is_ready(&mut tx, application).await? {
            return Ok(not_ready(application));
        }
        let run: Option<RunId> = match snapshot.as_str() {
            ACCOUNT_ONLY => None,
            id => Some(id.parse().map_err(|_| {
                FormErrors::summary("Choose what is to come back.").refuse(back.clone())
            })?),
        };
        let held_until = now.plus_days(days);
        wishes::ask_restore(&mut tx, application, user, run, held_until, &author, now).await?;
        let (random, wish) = (portal.random.as_ref(), one_user(application, user));
        let queued = runs::queue(&mut tx, random, &wish, &author, now).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(Answer::to(urls::run(queued.run().id)))
    })
    .await
}
