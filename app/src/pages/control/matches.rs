//! Match review: users without an account beside the accounts that could be theirs, and what
//! adoption would change, before anything is linked.

use leptos::prelude::*;
use signpost_model::plan::{Blocker, Candidate, Disposition, LinkMethod, ObjectId};
use signpost_model::policy::AdoptionRule;
use signpost_model::provisioning::Decision;
use signpost_model::run::{RunMode, RunScope, Trigger};
use signpost_model::{ApplicationId, KnownAccount, Policy, Role, UserId};
use signpost_store::following::Unlinked;
use signpost_store::runs::{self, NewRun};
use signpost_store::{accounts, applications, connections, following, policies, provisioning};

use super::explain::{Basis, Explained};
use super::user::{is_ready, not_ready};
use super::why::certainty;
use crate::components::plural::count;
use crate::components::{
    Badge, BulkBar, Button, Card, Choice, Column, DataTable, DiffList, Difference, EmptyState,
    FilterBar, Form, Icon, LinkButton, Look, Narrow, Pager, Person, RowCheck, Select, Tone,
};
use crate::error::PortalError;
use crate::forms::{Answer, Posted, respond};
use crate::listing::Query;
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::{id_of_form, id_of_page, or_stale, version_of_form};
use crate::pages::runs::differences;
use crate::portal::portal;
use crate::root::page;
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Accounts that a search for linking by hand offers.
const FOUND_SHOWN: i64 = 20;

/// Decisions in one post.
const MOST_AT_ONCE: usize = 500;

/// What stands beside a user.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// ImmutableId or user name agree.
    Exact,
    /// Only the mail address agrees.
    Probable,
    /// Several accounts fit.
    Ambiguous,
    /// The account that fits is somebody else's.
    Conflicting,
    /// The account that fits is never touched.
    Protected,
    /// An operator left the user out.
    LeftOut,
    /// No account fits.
    Nobody,
}

impl Verdict {
    fn of(explained: &Explained) -> Self {
        let plan = &explained.plan;
        if plan.disposition == Disposition::LeftOut {
            return Self::LeftOut;
        }
        let waits = explained.accepted.as_ref();
        match plan
            .link
            .or(waits.map(|(candidate, _)| candidate.matched_by))
        {
            Some(LinkMethod::Mail) => return Self::Probable,
            Some(_) => return Self::Exact,
            None => {}
        }
        let of = |blocker: &Blocker| match blocker {
            Blocker::AmbiguousMatch { .. } => Some(Self::Ambiguous),
            Blocker::ImmutableIdDiffers { .. }
            | Blocker::LinkedWithAnotherUser { .. }
            | Blocker::DeletedAccount { .. }
            | Blocker::UserNameTaken { .. } => Some(Self::Conflicting),
            Blocker::SynchronisedElsewhere { .. }
            | Blocker::Administrator { .. }
            | Blocker::Protected { .. } => Some(Self::Protected),
            _ => None,
        };
        plan.blockers.iter().find_map(of).unwrap_or(Self::Nobody)
    }

    const fn look(&self) -> (&'static str, Tone) {
        match self {
            Self::Exact => ("Exact", Tone::Ok),
            Self::Probable => ("Probable", Tone::Info),
            Self::Ambiguous => ("Ambiguous", Tone::Warn),
            Self::Conflicting => ("Conflicting", Tone::Bad),
            Self::Protected => ("Protected", Tone::Plain),
            Self::LeftOut => ("Never linked", Tone::Plain),
            Self::Nobody => ("No account", Tone::Plain),
        }
    }
}

/// The page.
#[component]
pub fn MatchesPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let query = Query::current();
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let basis = Basis::load(&mut read, id, portal.clock.now()).await?;
        let connection = connections::find(&mut read, id).await?;
        let everyone = query.get("show") == "everyone";
        let which = if everyone {
            Unlinked::Everyone
        } else {
            Unlinked::WithCandidates
        };
        let unlinked = following::list_unlinked(&mut read, id, which, &query.page()).await?;
        let pages = query.pages(&urls::application_matches(id), &unlinked);
        let explained = basis.explain(&mut read, &unlinked.items).await?;
        let search: String = query.get("q").chars().take(200).collect();
        let found = if search.trim().is_empty() {
            Vec::new()
        } else {
            accounts::search(&mut read, id, search.trim(), FOUND_SHOWN).await?
        };
        drop(read);
        let may = visit().may(Role::Administrator);
        let summary = count(
            explained.len() as u64,
            "user without an account",
            "users without an account",
        );
        let other = if everyone {
            (
                query.with(&urls::application_matches(id), &[("show", "")]),
                "Only those with a match",
            )
        } else {
            let address = query.with(&urls::application_matches(id), &[("show", "everyone")]);
            (address, "Everyone without an account")
        };
        let body = if explained.is_empty() {
            view! {
                <EmptyState
                    icon=Icon::UserRoundCheck
                    title="Nothing to review"
                    why="Users without an account appear here once an account could be theirs."
                />
            }
            .into_any()
        } else {
            view! {
                <Table explained=explained found=found may=may />
                <footer class="card__foot">
                    <Pager summary=summary pages=pages label="Pages of users" />
                </footer>
            }
            .into_any()
        };
        let back = query.text();
        let (version, rule) = (basis.application.version, basis.policy.adoption);
        Ok(view! {
            <ApplicationPage
                application=basis.application
                connection=connection
                part=Part::Provisioning
                below="Match review"
            >
                <Card
                    id="matches"
                    title="Match review"
                    hint="An account that is linked keeps what it has, and gets only what is missing.".to_owned()
                >
                    <FilterBar
                        label="Accounts to link by hand"
                        action=urls::application_matches(id)
                        search_label="Search accounts to link by hand"
                        search=search.clone()
                        clear=(!search.is_empty()).then(|| urls::application_matches(id))
                    >
                        {everyone.then(|| view! { <input type="hidden" name="show" value="everyone" /> })}
                        <LinkButton href=other.0 look=Look::Quiet>
                            {other.1}
                        </LinkButton>
                    </FilterBar>
                    <Form action="/api/control/match">
                        <input type="hidden" name="application" value=id.to_string() />
                        <input type="hidden" name="list" value=back />
                        {body}
                    </Form>
                </Card>
                <RuleCard id=id version=version rule=rule may=may />
            </ApplicationPage>
        })
    })
}

#[component]
fn Table(explained: Vec<Explained>, found: Vec<KnownAccount>, may: bool) -> impl IntoView {
    let columns = vec![
        Column::hidden("Choose"),
        Column::new("User"),
        Column::new("Match"),
        Column::new("What adoption would change"),
        Column::new("By hand"),
    ];
    let rows = explained
        .into_iter()
        .map(|explained| view! { <Row explained=explained found=found.clone() may=may /> })
        .collect_view();
    let bar = may.then(|| {
        view! {
            <BulkBar rows="users">
                <Button name="act" value="accept">"Accept matches"</Button>
                <Button name="act" value="never">"Never link"</Button>
                <Button look=Look::Primary name="act" value="save">"Save choices"</Button>
            </BulkBar>
        }
    });
    view! {
        {bar}
        <DataTable caption="Users without an account" columns=columns narrow=Narrow::Stacks>
            {rows}
        </DataTable>
    }
    .into_any()
}

#[component]
fn Row(explained: Explained, found: Vec<KnownAccount>, may: bool) -> impl IntoView {
    let verdict = Verdict::of(&explained);
    let (word, tone) = verdict.look();
    let user = &explained.input.user;
    let (id, name) = (user.id, user.profile.display_name.clone());
    let offered = offered(&explained);
    let waits = explained.accepted.as_ref();
    let waits = waits.map(|(candidate, _)| (candidate.matched_by, &candidate.object_id));
    let matched = explained
        .plan
        .link
        .zip(explained.plan.object_id.as_ref())
        .or(waits)
        .map(|(method, object_id)| {
            let account = name_of(&explained.candidates, object_id);
            let sure = certainty(method);
            view! {
                <p>{format!("{account}, {sure} by {}", method.label())}</p>
                <input type="hidden" name=format!("match-{id}") value=object_id.to_string() />
            }
        });
    let why = explained
        .plan
        .blockers
        .iter()
        .map(|blocker| view! { <p>{blocker.text()}</p> })
        .collect_view();
    let changes = if matches!(verdict, Verdict::Exact | Verdict::Probable) {
        adoption(&explained)
    } else {
        Vec::new()
    };
    let mut choices = vec![Choice::new("", "Leave as it is")];
    for candidate in &offered {
        choices.push(Choice::new(
            candidate.object_id.as_str(),
            format!(
                "Link to {} ({})",
                candidate.user_principal_name, candidate.display_name
            ),
        ));
    }
    let by_hand = found.iter().filter(|known| known.linked_with.is_none());
    choices.extend(by_hand.map(|known| {
        let seen = &known.observation;
        Choice::new(
            seen.object_id.as_str(),
            format!(
                "Link to {} ({})",
                seen.user_principal_name,
                seen.display_name()
            ),
        )
    }));
    choices.push(Choice::new("never", "Never link"));
    if explained.input.decision.is_some() {
        choices.push(Choice::new("reopen", "Match again"));
    }
    view! {
        <tr>
            <td>
                <RowCheck name="ids" value=id.to_string() label=name.clone() disabled=!may />
            </td>
            <th scope="row">
                <Person
                    name=name.clone()
                    detail=user.profile.user_name.clone()
                    href=urls::user(id)
                />
            </th>
            <td>
                <Badge tone=tone>{word}</Badge>
                {matched}
                {why}
            </td>
            <td>
                <DiffList changes=changes />
            </td>
            <td>
                <Select
                    name=format!("choice-{id}")
                    label=format!("Choice for {name}")
                    choices=choices
                    disabled=!may
                />
            </td>
        </tr>
    }
    .into_any()
}

fn name_of(candidates: &[KnownAccount], object_id: &ObjectId) -> String {
    candidates
        .iter()
        .find(|known| known.observation.object_id == *object_id)
        .map_or_else(
            || object_id.to_string(),
            |known| known.observation.user_principal_name.clone(),
        )
}

/// Accounts that a blocker names and that may be chosen.
fn offered(explained: &Explained) -> Vec<Candidate> {
    let mut offered = Vec::new();
    for blocker in &explained.plan.blockers {
        match blocker {
            Blocker::AmbiguousMatch { candidates } => offered.extend(candidates.iter().cloned()),
            Blocker::ImmutableIdDiffers { candidate, .. }
            | Blocker::DeletedAccount { candidate } => offered.push(candidate.clone()),
            _ => {}
        }
    }
    offered
}

/// What linking would write, and what it would leave as it is.
fn adoption(explained: &Explained) -> Vec<Difference> {
    let plan = match &explained.accepted {
        Some((_, plan)) => plan,
        None => &explained.plan,
    };
    let mut changes: Vec<Difference> = plan
        .actions
        .iter()
        .flat_map(|planned| differences(&planned.action))
        .collect();
    changes.extend(plan.kept.iter().map(|kept| {
        let label = format!("{} (kept)", kept.attribute.label());
        Difference::new(label, None, Some(kept.tenant.clone()))
    }));
    changes
}

/// Which matches wait for a person.
#[component]
fn RuleCard(id: ApplicationId, version: i64, rule: AdoptionRule, may: bool) -> impl IntoView {
    let choices = AdoptionRule::ALL.map(|rule| Choice::new(rule.key(), rule.label()));
    let save = may.then(|| {
        view! {
            <p class="row">
                <Button look=Look::Primary>"Save rule"</Button>
            </p>
        }
    });
    view! {
        <Form action="/api/control/adoption">
            <input type="hidden" name="application" value=id.to_string() />
            <input type="hidden" name="version" value=version.to_string() />
            <Card
                id="rule"
                title="What happens by itself"
                hint="Exact: the user name agrees. Probable: only the mail address agrees. Everything else always waits for a person.".to_owned()
            >
                <div class="card__body stack">
                    <Select
                        name="rule"
                        label="Matches"
                        choices=choices.to_vec()
                        chosen=rule.key()
                        disabled=!may
                    />
                    {save}
                </div>
            </Card>
        </Form>
    }
    .into_any()
}

/// Saves which matches wait for a person.
#[server(prefix = "/api", endpoint = "control/adoption")]
pub async fn set_adoption_rule(#[server(default)] rule: String) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let posted = Posted::current();
        let (id, version) = (id_of_form(&posted)?, version_of_form(&posted)?);
        let back = urls::application_matches(id);
        let adoption = rule.parse().map_err(|_| PortalError::BadRequest)?;
        let portal = portal()?;
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        let before = policies::find_policy(&mut tx, id).await?;
        if before.adoption != adoption {
            applications::begin_change(&mut tx, id, version, now)
                .await
                .map_err(|error| or_stale(error, &back))?;
            let policy = Policy { adoption, ..before };
            policies::set_policy(&mut tx, id, &policy, &visit().author(), now).await?;
            tx.commit().await?;
            portal.worker.notify_one();
        }
        Ok(Answer::to(back).notice(Notice::success("Rule saved.")))
    })
    .await
}

/// Keeps what was decided about users, and plans them with it.
#[server(prefix = "/api", endpoint = "control/match")]
pub async fn decide_matches(
    #[server(default)] act: String,
    #[server(default)] list: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let posted = Posted::current();
        let id = id_of_form(&posted)?;
        let back = Query::parse(&list).address(&urls::application_matches(id));
        let decisions = decisions(&act, &posted)?;
        if decisions.is_empty() {
            let text = "Tick users, or choose something for at least one of them.";
            return Ok(Answer::to(back).notice(Notice::error(text)));
        }
        let (portal, author) = (portal()?, visit().author());
        let now = portal.clock.now();
        let mut tx = portal.store.write().await?;
        for (user, decision) in &decisions {
            provisioning::decide(&mut tx, id, *user, decision.as_ref(), &author, now).await?;
        }
        if !is_ready(&mut tx, id).await? {
            tx.commit().await?;
            return Ok(not_ready(id));
        }
        let links = decisions
            .iter()
            .any(|(_, decision)| matches!(decision, Some(Decision::Link(_))));
        if links {
            start(&mut tx, &portal, id).await?;
        }
        tx.commit().await?;
        portal.worker.notify_one();
        let users = count(decisions.len() as u64, "user", "users");
        let words = format!("{users} decided. The next plan holds to it.");
        Ok(Answer::to(back).notice(Notice::success(words)))
    })
    .await
}

async fn start(
    tx: &mut signpost_store::Write,
    portal: &crate::portal::Portal,
    id: ApplicationId,
) -> Result<(), PortalError> {
    let wish = NewRun {
        application_id: id,
        trigger: Trigger::Operator,
        scope: RunScope::Changed,
        mode: RunMode::Sync,
        only_user: None,
        request: None,
    };
    let author = visit().author();
    runs::queue(
        tx,
        portal.random.as_ref(),
        &wish,
        &author,
        portal.clock.now(),
    )
    .await?;
    Ok(())
}

type Decided = (UserId, Option<Decision>);

fn decisions(act: &str, posted: &Posted) -> Result<Vec<Decided>, PortalError> {
    let link = |object: &str| {
        signpost_model::text::is_guid(object)
            .then(|| Decision::Link(ObjectId::new(object)))
            .ok_or(PortalError::BadRequest)
    };
    let mut decided = Vec::new();
    if act == "save" {
        for (field, value) in posted.0.iter() {
            let Some(user) = field.strip_prefix("choice-") else {
                continue;
            };
            let user = user.parse().map_err(|_| PortalError::BadRequest)?;
            match value.as_str() {
                "" => {}
                "never" => decided.push((user, Some(Decision::LeaveOut))),
                "reopen" => decided.push((user, None)),
                object => decided.push((user, Some(link(object)?))),
            }
        }
    } else {
        for user in posted.all("ids").take(MOST_AT_ONCE) {
            let object = posted.first(&format!("match-{user}"));
            let user = user.parse().map_err(|_| PortalError::BadRequest)?;
            match act {
                "never" => decided.push((user, Some(Decision::LeaveOut))),
                "accept" if !object.is_empty() => decided.push((user, Some(link(object)?))),
                "accept" => {}
                _ => return Err(PortalError::BadRequest),
            }
        }
    }
    decided.truncate(MOST_AT_ONCE);
    Ok(decided)
}
