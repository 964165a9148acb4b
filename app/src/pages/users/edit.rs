//! One user: profile, groups, applications, history, and what can be done.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use signpost_model::{Group, Role, User, UserId};
use signpost_store::user_applications::{self, UserApplication};
use signpost_store::{Constraint, Error, Read, groups, users};

use super::history::{self, History};
use super::join::GroupsCard;
use super::manager::{self, Meant};
use super::new::taken;
use super::profile::{MANAGER, ProfileFields, Stored, typed_profile};
use super::rows::status;
use super::signing_in::{self, SigningIn, SigningInCard};
use crate::components::{
    Button, Card, Crumb, ErrorSummary, Form, Guard, Icon, Look, PageHeader, Time,
};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, FormState, Posted, Refusal, respond};
use crate::pages::control::UserAccounts;
use crate::portal::portal;
use crate::root::page;
use crate::shell::{Notices, Page, Section};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// Everything the page shows.
struct Shown {
    user: User,
    stored: Stored,
    proposals: Vec<(String, String)>,
    groups: Vec<Group>,
    names: Vec<String>,
    applications: Vec<UserApplication>,
    history: Vec<history::Happened>,
    signing_in: SigningIn,
}

/// The page.
#[component]
pub fn UserPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    page(async move {
        require(Role::Auditor)?;
        let id: UserId = id.parse().map_err(|_| PortalError::NotFound)?;
        let form = visit().form_state();
        let shown = load(id, &form).await?;
        let title = shown.user.profile.display_name.clone();
        Ok(view! {
            <Page title=title section=Section::Users above=vec![Crumb::link("Users", urls::USERS)]>
                <Head user=shown.user.clone() />
                <Notices />
                <ErrorSummary errors=form.problems() />
                <ProfileCard user=shown.user.clone() stored=shown.stored form=form.clone() proposals=shown.proposals />
                <div class="cols">
                    <div class="stack">
                        <UserAccounts user=shown.user.id applications=shown.applications />
                        <SigningInCard user=shown.user.clone() signing_in=shown.signing_in />
                        <GroupsCard user=shown.user groups=shown.groups names=shown.names form=form />
                    </div>
                    <History events=shown.history />
                </div>
            </Page>
        })
    })
}

async fn load(id: UserId, form: &FormState) -> Result<Shown, PortalError> {
    let portal = portal()?;
    let mut read = portal.store.read().await?;
    let user = users::find(&mut read, id).await?;
    let user = user.ok_or(PortalError::NotFound)?;
    let manager = manager_of(&mut read, &user).await?;
    let typed = form.typed(MANAGER).unwrap_or_default();
    Ok(Shown {
        proposals: manager::propose(&mut read, typed).await?,
        groups: groups::list_of_user(&mut read, id).await?,
        names: groups::list_names(&mut read, 200)
            .await?
            .into_iter()
            .map(|(_, name)| name)
            .collect(),
        applications: user_applications::list(&mut read, id).await?,
        history: history::load(&mut read, id).await?,
        signing_in: signing_in::load(&mut read, &portal, id).await?,
        stored: Stored {
            profile: user.profile.clone(),
            manager,
            version: user.version,
        },
        user,
    })
}

async fn manager_of(read: &mut Read, user: &User) -> Result<String, PortalError> {
    let Some(id) = user.profile.manager_id else {
        return Ok(String::new());
    };
    let manager = users::find(read, id).await?;
    Ok(manager.map(|m| m.profile.user_name).unwrap_or_default())
}

#[component]
fn Head(user: User) -> impl IntoView {
    let title = user.profile.display_name.clone();
    let may_write = visit().may(Role::Administrator);
    let (id, enabled, deleted) = (user.id, user.enabled, user.deleted_at.is_some());
    let facts = move || {
        view! {
            {status(user.enabled, user.deleted_at.is_some())}
            <span>{user.profile.user_name}</span>
            <span>"From " {user.source.label()}</span>
            {user.created_at.to_jiff().map(|at| view! { <span>"Added " <Time at=at /></span> })}
        }
        .into_any()
    };
    let actions =
        move || may_write.then(|| view! { <Acts id=id enabled=enabled deleted=deleted /> });
    view! { <PageHeader title=title facts=facts actions=actions /> }.into_any()
}

#[component]
fn Acts(id: UserId, enabled: bool, deleted: bool) -> impl IntoView {
    let buttons = if deleted {
        view! { <Button look=Look::Primary icon=Icon::Undo2 name="act" value="restore">"Restore user"</Button> }
            .into_any()
    } else {
        let (act, words, icon) = if enabled {
            ("disable", "Disable user", Icon::Ban)
        } else {
            ("enable", "Enable user", Icon::UserRoundCheck)
        };
        view! {
            <Button icon=icon name="act" value=act>{words}</Button>
            <Button look=Look::Danger icon=Icon::Trash2 name="act" value="delete">"Delete user"</Button>
        }
        .into_any()
    };
    view! {
        <Form action="/api/users/change" class="row">
            <input type="hidden" name="ids" value=id.to_string() />
            <input type="hidden" name="user" value=id.to_string() />
            {buttons}
        </Form>
    }
    .into_any()
}

#[component]
fn ProfileCard(
    user: User,
    stored: Stored,
    form: FormState,
    proposals: Vec<(String, String)>,
) -> impl IntoView {
    let may_write = visit().may(Role::Administrator) && user.deleted_at.is_none();
    let version = stored.version.to_string();
    let body = view! {
        <fieldset class="plain" disabled=!may_write>
            <legend class="hidden-words">"Profile"</legend>
            <ProfileFields stored=stored form=form proposals=proposals />
        </fieldset>
    }
    .into_any();
    if !may_write {
        return view! {
            <Card id="profile" title="Profile">
                <div class="card__body">{body}</div>
            </Card>
        }
        .into_any();
    }
    let save = || view! { <Button look=Look::Primary>"Save changes"</Button> };
    view! {
        <Form action="/api/users/update" guard=Guard::Unsaved>
            <input type="hidden" name="id" value=user.id.to_string() />
            <input type="hidden" name="version" value=version />
            <Card id="profile" title="Profile" footer=save>
                <div class="card__body">{body}</div>
            </Card>
        </Form>
    }
    .into_any()
}

/// Saves the profile.
#[server(prefix = "/api", endpoint = "users/update")]
pub async fn update_user(
    #[server(default)] id: String,
    #[server(default)] version: String,
) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let id: UserId = id.parse().map_err(|_| PortalError::NotFound)?;
        let version: i64 = version.parse().map_err(|_| PortalError::BadRequest)?;
        save(id, version).await
    })
    .await
}

async fn save(id: UserId, version: i64) -> Result<Answer, Refusal> {
    let (portal, author) = (portal()?, visit().author());
    let to = urls::user(id);
    let (mut profile, mut errors) = typed_profile();
    match manager::find(
        &mut portal.store.read().await?,
        Posted::current().first(MANAGER),
    )
    .await?
    {
        Meant::Nobody => {}
        Meant::Somebody(manager) => profile.manager_id = Some(manager),
        Meant::Unclear(text) => errors.add(MANAGER, text),
    }
    errors.check(to.clone())?;
    let mut tx = portal.store.write().await?;
    let now = portal.clock.now();
    let saved = users::update(&mut tx, id, version, &profile, &author, now).await;
    let notice = Notice::success("Changes saved.");
    match saved {
        Ok(()) => {
            tx.commit().await?;
            portal.worker.notify_one();
            Ok(Answer::to(to).notice(notice))
        }
        Err(Error::Stale(_)) => {
            let stored = users::find(&mut tx, id).await?;
            // Somebody (a second click) saved exactly this.
            if stored.is_some_and(|stored| stored.profile == profile) {
                return Ok(Answer::to(to).notice(notice));
            }
            Err(FormErrors::summary(CHANGED_MEANWHILE).refuse(to))
        }
        Err(Error::Conflict(Constraint::UserName)) => {
            drop(tx);
            Err(taken(to))
        }
        Err(Error::Conflict(Constraint::ManagerCycle)) => {
            let text = "This person reports to the user already, directly or by way of others. \
                        Choose another manager.";
            Err(FormErrors::field(MANAGER, text).refuse(to))
        }
        Err(other) => Err(other.into()),
    }
}

/// For every form that was made from an older version.
pub(crate) const CHANGED_MEANWHILE: &str =
    "Somebody else changed this meanwhile. Your entries are still here; compare and save again.";
