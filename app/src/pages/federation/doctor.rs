//! The ImmutableId doctor: whether each account of the domain can sign in once it is federated.

use axum::Extension;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use leptos::prelude::*;
use signpost_model::federation::ImmutableIdState;
use signpost_model::plan::ObjectId;
use signpost_model::{ApplicationId, Role};
use signpost_store::connections;
use signpost_store::immutable_ids::{self, Counts, JudgedAccount, Shown, Ward};

use crate::components::plural::count;
use crate::components::{
    Badge, BulkBar, Button, Card, Chip, Chips, Column, DataTable, EmptyState, ErrorSummary, Form,
    Icon, LinkButton, Look, Narrow, Notice as Note, Pager, Person, Precision, RowCheck, Tone,
    moment,
};
use crate::error::PortalError;
use crate::federation::ward;
use crate::forms::{Answer, FormErrors, Posted, respond};
use crate::listing::Query;
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::{found, id_of_form, id_of_page};
use crate::portal::{Portal, portal};
use crate::root::page;
use crate::urls;
use crate::visit::{Notice, Visit, require, visit};

/// Accounts in one post: a page of them.
const MOST_AT_ONCE: usize = 200;

/// What the address says is shown.
const SHOW: &str = "show";

/// The page.
#[component]
pub fn DoctorPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let query = Query::current();
        let shown = shown_by(query.get(SHOW));
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let body = match &connection {
            None => view! { <NoDomain id=id /> }.into_any(),
            Some(connection) => {
                let ward = ward(&mut read, connection, id).await?;
                let counts = immutable_ids::count(&mut read, &ward).await?;
                let accounts = immutable_ids::list(&mut read, &ward, shown, &query.page()).await?;
                let pages = query.pages(&urls::application_immutable_ids(id), &accounts);
                let summary = count(accounts.items.len() as u64, "account", "accounts");
                let may = visit().may(Role::Administrator);
                view! {
                    <Summary id=id counts=counts.clone() ward=ward />
                    <Form action="/api/federation/immutable-ids">
                        <input type="hidden" name="application" value=id.to_string() />
                        <input type="hidden" name=SHOW value=word(shown) />
                        <Card
                            id="accounts"
                            title="Accounts"
                            hint="As the tenant last showed them.".to_owned()
                        >
                            <States query=query counts=counts.clone() shown=shown id=id />
                            <Accounts accounts=accounts.items shown=shown counts=counts may=may />
                            <footer class="card__foot">
                                <Pager summary=summary pages=pages label="Pages of accounts" />
                            </footer>
                        </Card>
                    </Form>
                }
                .into_any()
            }
        };
        drop(read);
        let form = visit().form_state();
        Ok(view! {
            <ApplicationPage
                application=application
                connection=connection
                part=Part::SignOn
                below="ImmutableIds"
            >
                <ErrorSummary errors=form.problems() />
                {body}
            </ApplicationPage>
        })
    })
}

#[component]
fn NoDomain(id: ApplicationId) -> impl IntoView {
    view! {
        <Card id="accounts" title="Accounts">
            <EmptyState
                icon=Icon::IdCard
                title="No domain yet"
                why="The accounts of one domain of a tenant are looked at. Fill in the connection first."
            >
                <LinkButton href=urls::application_provisioning(id)>"Open Provisioning"</LinkButton>
            </EmptyState>
        </Card>
    }
    .into_any()
}

/// Whether the switch is locked, in one sentence.
#[component]
fn Summary(id: ApplicationId, counts: Counts, ward: Ward) -> impl IntoView {
    let domains = ward.domains.join(", ");
    let (total, open, waived) = (counts.total(), counts.open(), counts.waived);
    let (tone, title, more) = if total == 0 {
        (
            Tone::Info,
            format!("No account of {domains} is known."),
            "Sync first, so that the tenant's accounts are read.".to_owned(),
        )
    } else if open > 0 {
        let accounts = count(open.unsigned_abs(), "account", "accounts");
        (
            Tone::Warn,
            format!("{accounts} of {domains} could not sign in once it is federated."),
            "Repair them, or waive each by name: until then the domain is not federated."
                .to_owned(),
        )
    } else {
        let waived = match waived {
            0 => String::new(),
            number => format!(" {number} are waived, and cannot sign in afterwards."),
        };
        (
            Tone::Ok,
            format!("Every account of {domains} is ready or waived."),
            format!("Nothing here keeps the domain from being federated.{waived}"),
        )
    };
    view! {
        <Note tone=tone title=title>
            {more} " "
            <a href=urls::application_federation(id)>"Back to Federation"</a>
            ". "
            <a href=format!("{}.csv", urls::application_immutable_ids(id)) download>
                "Download the file for the script"
            </a>
            "."
        </Note>
    }
    .into_any()
}

#[component]
fn States(query: Query, counts: Counts, shown: Shown, id: ApplicationId) -> impl IntoView {
    let address = urls::application_immutable_ids(id);
    let chip = |one: Shown, label: &str, number: i64| Chip {
        label: label.to_owned(),
        count: number.unsigned_abs(),
        href: query.with(&address, &[(SHOW, &word(one))]),
        icon: None,
        current: one == shown,
    };
    let mut chips = vec![
        chip(Shown::Open, "Open", counts.open()),
        chip(Shown::All, "All", counts.total()),
    ];
    chips.extend(
        ImmutableIdState::ALL
            .into_iter()
            .map(|state| chip(Shown::Of(state), state.label(), counts.of(state))),
    );
    chips.push(chip(Shown::Waived, "Waived", counts.waived));
    view! { <Chips label="States of accounts" chips=chips /> }.into_any()
}

#[component]
fn Accounts(
    accounts: Vec<JudgedAccount>,
    shown: Shown,
    counts: Counts,
    may: bool,
) -> impl IntoView {
    if accounts.is_empty() {
        return view! {
            <EmptyState
                icon=Icon::CircleCheck
                title="No account is like this"
                why="Choose another state above to see the others."
            />
        }
        .into_any();
    }
    let columns = vec![
        Column::hidden("Choose"),
        Column::new("Account"),
        Column::new("State"),
        Column::new("ImmutableId"),
    ];
    let rows = accounts
        .into_iter()
        .map(|account| view! { <Row account=account may=may /> })
        .collect_view();
    let bar = may.then(|| view! { <Acts shown=shown counts=counts /> });
    view! {
        {bar}
        <DataTable caption="Accounts of the domain" columns=columns narrow=Narrow::Stacks>
            {rows}
        </DataTable>
    }
    .into_any()
}

#[component]
fn Acts(shown: Shown, counts: Counts) -> impl IntoView {
    if shown == Shown::Waived {
        return view! {
            <BulkBar rows="accounts">
                <Button name="act" value="take-back">"Take waiver back"</Button>
            </BulkBar>
        }
        .into_any();
    }
    let repairable: i64 = ImmutableIdState::ALL
        .into_iter()
        .filter(|state| state.is_repairable())
        .map(|state| counts.of(state))
        .sum();
    let all = (repairable > 0).then(|| {
        let words = format!("Repair all {repairable}");
        view! { <Button name="act" value="repair-all" look=Look::Primary>{words}</Button> }
    });
    view! {
        <BulkBar rows="accounts">
            <Button name="act" value="repair">"Repair selected"</Button>
            <Button name="act" value="waive">"Waive selected"</Button>
            {all}
        </BulkBar>
    }
    .into_any()
}

#[component]
fn Row(account: JudgedAccount, may: bool) -> impl IntoView {
    let name = account.user_name.clone();
    let has = match (&account.has, &account.wanted) {
        (None, None) => view! { <span class="text-2">"None"</span> }.into_any(),
        (Some(has), None) => view! { <code>{has.clone()}</code> }.into_any(),
        (has, Some(wanted)) if has.as_ref() == Some(wanted) => {
            view! { <code>{wanted.clone()}</code> }.into_any()
        }
        (has, Some(wanted)) => {
            let has = match has {
                Some(has) => view! { <code>{has.clone()}</code> }.into_any(),
                None => view! { "None" }.into_any(),
            };
            view! {
                <span>{has}</span>
                <p class="hint">"Wanted: " <code>{wanted.clone()}</code></p>
            }
            .into_any()
        }
    };
    let waived = account.waiver.as_ref().map(|waiver| {
        let day = waiver.at.to_jiff().map(|at| moment(at, Precision::Minute));
        let words = format!("By {}, {}", waiver.by, day.unwrap_or_default());
        view! {
            <Badge icon=Icon::Ban>"Waived"</Badge>
            <p class="hint">{words}</p>
        }
    });
    let blocked = (!account.enabled).then(|| view! { <Badge icon=Icon::Lock>"Blocked"</Badge> });
    let todo = match account.waiver {
        Some(_) => "Cannot sign in once the domain is federated.",
        None => account.state.todo(),
    };
    let todo = (!todo.is_empty()).then(|| view! { <p class="hint">{todo}</p> });
    let display = match account.display_name.as_str() {
        "" => name.clone(),
        other => other.to_owned(),
    };
    let person = match account.user_id {
        Some(user) => {
            view! { <Person name=display detail=name.clone() href=urls::user(user) /> }.into_any()
        }
        None => view! { <Person name=display detail=name.clone() /> }.into_any(),
    };
    view! {
        <tr>
            <td>
                <RowCheck
                    name="which"
                    value=account.object_id.to_string()
                    label=name
                    disabled=!may
                />
            </td>
            <th scope="row">{person}</th>
            <td data-label="State">
                <Badge tone=tone(account.state)>{account.state.label()}</Badge>
                {blocked}
                {waived}
                {todo}
            </td>
            <td data-label="ImmutableId">{has}</td>
        </tr>
    }
    .into_any()
}

const fn tone(state: ImmutableIdState) -> Tone {
    match state {
        ImmutableIdState::Ready => Tone::Ok,
        ImmutableIdState::Missing | ImmutableIdState::Different => Tone::Warn,
        _ => Tone::Bad,
    }
}

fn shown_by(word: &str) -> Shown {
    match word {
        "all" => Shown::All,
        "waived" => Shown::Waived,
        other => other.parse().map_or(Shown::Open, Shown::Of),
    }
}

fn word(shown: Shown) -> String {
    match shown {
        Shown::Open => String::new(),
        Shown::All => "all".to_owned(),
        Shown::Waived => "waived".to_owned(),
        Shown::Of(state) => state.key().to_owned(),
    }
}

/// Repairs, waives, or takes waivers back, of the ticked accounts or of all.
#[server(prefix = "/api", endpoint = "federation/immutable-ids")]
pub async fn change_immutable_ids(#[server(default)] act: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let shown = word(shown_by(posted.first(SHOW)));
        let back = urls::with_query(&urls::application_immutable_ids(id), &[(SHOW, &shown)]);
        let ticked: Vec<ObjectId> = posted
            .all("which")
            .take(MOST_AT_ONCE)
            .map(ObjectId::new)
            .collect();
        if ticked.is_empty() && act != "repair-all" {
            return Err(FormErrors::summary("Tick the accounts first.").refuse(back));
        }
        let mut read = portal.store.read().await?;
        let connection = connections::find(&mut read, id).await?;
        let connection = connection.ok_or(PortalError::NotFound)?;
        let ward = ward(&mut read, &connection, id).await?;
        drop(read);
        let (author, now) = (visit().author(), portal.clock.now());
        match act.as_str() {
            "waive" => {
                let mut tx = portal.store.write().await?;
                let waived = immutable_ids::waive(&mut tx, &ward, &ticked, &author, now).await?;
                tx.commit().await?;
                let accounts = count(waived as u64, "account", "accounts");
                let words =
                    format!("{accounts} waived. Your name stands with it in the audit log.");
                Ok(Answer::to(back).notice(Notice::success(words)))
            }
            "take-back" => {
                let mut tx = portal.store.write().await?;
                let taken = immutable_ids::take_back(&mut tx, &ward, &ticked, &author, now).await?;
                tx.commit().await?;
                let accounts = count(taken as u64, "waiver", "waivers");
                Ok(Answer::to(back).notice(Notice::success(format!("{accounts} taken back."))))
            }
            "repair" | "repair-all" => {
                let only = (act == "repair").then_some(ticked.as_slice());
                super::repair::queue(&portal, &ward, only, &author, &back).await
            }
            _ => Err(PortalError::BadRequest.into()),
        }
    })
    .await
}

/// Accounts read at a time.
const CHUNK: i64 = 2_000;

/// The file that the script which sets ImmutableIds reads.
pub async fn immutable_ids_file(
    Path(id): Path<String>,
    Extension(portal): Extension<Portal>,
    Extension(_visit): Extension<Visit>,
) -> Response {
    match file(&portal, &id).await {
        Ok((name, text)) => (
            [
                (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
                (
                    CONTENT_DISPOSITION,
                    format!("attachment; filename=\"{name}\""),
                ),
            ],
            text,
        )
            .into_response(),
        Err(error) => error.status().into_response(),
    }
}

async fn file(portal: &Portal, id: &str) -> Result<(String, String), PortalError> {
    let id = id.parse().map_err(|_| PortalError::NotFound)?;
    let mut read = portal.store.read().await?;
    let connection = connections::find(&mut read, id).await?;
    let connection = connection.ok_or(PortalError::NotFound)?;
    let ward = ward(&mut read, &connection, id).await?;
    drop(read);
    let mut text = "UserPrincipalName,ImmutableId\r\n".to_owned();
    let mut after: Option<ObjectId> = None;
    loop {
        let mut read = portal.store.read().await?;
        let page = immutable_ids::list_wanted(&mut read, &ward, after.as_ref(), CHUNK).await?;
        drop(read);
        let Some(last) = page.last() else { break };
        after = Some(last.object_id.clone());
        for account in page {
            // Neither may hold what a table would take for its own: the script reads it as typed.
            let wanted = account.wanted.unwrap_or_default();
            let name = account.user_name.replace('"', "\"\"");
            text.extend(["\"", name.as_str(), "\",", wanted.as_str(), "\r\n"]);
        }
    }
    let domain = connection.settings.domain;
    Ok((format!("immutable-ids-{domain}.csv"), text))
}
