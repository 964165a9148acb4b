//! Who is in a group, and the group delta.

use std::collections::BTreeSet;
use std::ops::Bound;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Effect, Outcome, Refusal};
use crate::clock::Millis;
use crate::fields::Field;
use crate::group_licenses;
use crate::groups::{GroupView, Member, Presence};
use crate::request::Call;
use crate::select::{Page, Selection, cursor, next_link, page_size, selected_names};
use crate::tenant::{GroupNo, Tenant, UserNo};
use crate::user::UserView;

/// The id in `{"@odata.id": "https://…/directoryObjects/{id}"}`.
pub(crate) fn reference(body: &Map<String, Value>) -> Result<String, Refusal> {
    let link = body.get("@odata.id").and_then(Value::as_str);
    let link = link.ok_or_else(|| Refusal::bad_request("The payload must hold '@odata.id'."))?;
    id_of_link(link).map(str::to_owned)
}

pub(crate) fn id_of_link(link: &str) -> Result<&str, Refusal> {
    let (rest, id) = link.rsplit_once('/').unwrap_or(("", link));
    let collection = rest.rsplit('/').next().unwrap_or_default();
    if ["directoryObjects", "users", "groups"].contains(&collection) && !id.is_empty() {
        return Ok(id
            .split_once('(')
            .map_or(id, |(_, key)| key.trim_matches(['\'', ')'])));
    }
    Err(Refusal::bad_request(format!(
        "Invalid URL format specified in payload: '{link}'."
    )))
}

pub(crate) fn already() -> Refusal {
    Refusal::bad_request(
        "One or more added object references already exist for the following modified properties: 'members'.",
    )
}

/// Dynamic and synchronised groups refuse membership writes; role-assignable ones need more.
pub(crate) fn check_writable(tenant: &Tenant, no: GroupNo, call: &Call<'_>) -> Result<(), Refusal> {
    let group = tenant.group(no);
    if group.is_dynamic() || group.synced {
        return Err(Refusal::new(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation. The group's membership cannot be written.",
        ));
    }
    if group.role_assignable && !call.access.has("RoleManagement.ReadWrite.Directory") {
        return Err(Refusal::denied());
    }
    Ok(())
}

/// Makes an object a member; harmless when it already is.
pub(crate) fn enter(tenant: &mut Tenant, no: GroupNo, member: Member, now: Millis) {
    if !tenant.groups[no as usize].members.insert(member) {
        return;
    }
    log(tenant, no, member, Presence::Entered, now);
    match member {
        Member::User(user) => {
            let groups = &mut tenant.users[user as usize].groups;
            if !groups.contains(&no) {
                groups.push(no);
            }
            group_licenses::queue_user(tenant, user, now);
        }
        Member::Group(group) => tenant.groups[group as usize].groups.push(no),
    }
}

/// Takes an object out of a group's members but leaves the object's own memory of it.
pub(crate) fn leave(tenant: &mut Tenant, no: GroupNo, member: Member, now: Millis) {
    if tenant.groups[no as usize].members.remove(&member) {
        log(tenant, no, member, Presence::Left, now);
    }
}

fn log(tenant: &mut Tenant, no: GroupNo, member: Member, presence: Presence, now: Millis) {
    let seq = tenant.touch_group(no, now);
    tenant.groups[no as usize]
        .member_log
        .insert(seq, (member, presence));
}

pub(crate) fn forget(tenant: &mut Tenant, no: GroupNo, member: Member, now: Millis) {
    leave(tenant, no, member, now);
    match member {
        Member::User(user) => {
            tenant.users[user as usize]
                .groups
                .retain(|group| *group != no);
            group_licenses::queue_user(tenant, user, now);
        }
        Member::Group(group) => tenant.groups[group as usize]
            .groups
            .retain(|outer| *outer != no),
    }
}

/// A group that is gone for ever: nobody is in it any more.
pub(crate) fn purge_group(tenant: &mut Tenant, no: GroupNo) {
    tenant.groups[no as usize].purged = true;
    tenant.groups[no as usize].member_log.clear();
    for member in std::mem::take(&mut tenant.groups[no as usize].members) {
        match member {
            Member::User(user) => tenant.users[user as usize]
                .groups
                .retain(|group| *group != no),
            Member::Group(group) => tenant.groups[group as usize]
                .groups
                .retain(|outer| *outer != no),
        }
    }
}

/// `POST /groups/{id}/members/$ref`.
pub(crate) fn add(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_group(call.param(0), call.now)?;
    let member = tenant.find_member(&reference(call.object()?)?, call.now)?;
    check_writable(tenant, no, call)?;
    if member == Member::Group(no) {
        return Err(Refusal::bad_request(
            "A group cannot be a member of itself.",
        ));
    }
    if tenant.group(no).members.contains(&member) {
        return Err(already());
    }
    enter(tenant, no, member, call.now);
    Ok(Answer::no_content(Effect::Changed))
}

/// `DELETE /groups/{id}/members/{memberId}/$ref`.
pub(crate) fn remove(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_group(call.param(0), call.now)?;
    let member = tenant.find_member(call.param(1), call.now)?;
    check_writable(tenant, no, call)?;
    if !tenant.group(no).members.contains(&member) {
        return Err(Refusal::not_found(call.param(1)));
    }
    forget(tenant, no, member, call.now);
    Ok(Answer::no_content(Effect::Changed))
}

/// A directory object in a list of members or memberships.
#[derive(Debug)]
enum Shown<'a> {
    User(UserView<'a>),
    Group(GroupView<'a>),
    Other(Value),
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::User(view) => view.serialize(serializer),
            Self::Group(view) => view.serialize(serializer),
            Self::Other(value) => value.serialize(serializer),
        }
    }
}

/// Which kinds of members an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cast {
    Any,
    Groups,
}

/// `$select` as each kind of object reads it.
struct Chosen<'a> {
    user: Vec<Field>,
    group: Option<Vec<&'a str>>,
}

impl<'a> Chosen<'a> {
    fn parse(call: &'a Call<'_>) -> Result<Self, Refusal> {
        let user = match Selection::of_user(call) {
            Ok(selection) => selection.fields,
            // Properties of groups may be named here too; users then show what they have of them.
            Err(_) => selected_names(call)
                .unwrap_or_default()
                .into_iter()
                .filter_map(Field::parse)
                .chain([Field::Id])
                .collect(),
        };
        Ok(Self {
            user,
            group: selected_names(call),
        })
    }

    fn show<'t>(&'t self, tenant: &'t Tenant, member: Member, now: Millis) -> Shown<'t> {
        match member {
            Member::User(no) => Shown::User(UserView {
                tenant,
                user: tenant.seen(no, now),
                fields: &self.user,
                context: None,
                typed: true,
                manager: None,
                now,
            }),
            Member::Group(no) => Shown::Group(GroupView {
                tenant,
                group: tenant.group(no),
                names: self.group.as_deref(),
                context: None,
                typed: true,
            }),
        }
    }
}

fn is_visible(tenant: &Tenant, member: Member, now: Millis) -> bool {
    match member {
        Member::User(no) => tenant.is_visible(no, now),
        Member::Group(no) => tenant.group(no).is_live(),
    }
}

fn encode(member: Member) -> String {
    match member {
        Member::User(no) => format!("u{no}"),
        Member::Group(no) => format!("g{no}"),
    }
}

fn decode(text: &str) -> Option<Member> {
    let number = text.get(1..)?.parse().ok()?;
    match text.as_bytes().first()? {
        b'u' => Some(Member::User(number)),
        b'g' => Some(Member::Group(number)),
        _ => None,
    }
}

/// The name and address of a link to the next page.
type Link = (&'static str, String);

fn page_of(
    tenant: &Tenant,
    call: &Call<'_>,
    all: &BTreeSet<Member>,
) -> Result<(Vec<Member>, Option<Link>), Refusal> {
    let from = match cursor(call)? {
        Some(at) => Bound::Included(decode(&at).ok_or_else(|| {
            Refusal::bad_request("The specified value for $skiptoken is not valid.")
        })?),
        None => Bound::Unbounded,
    };
    let size = page_size(call)?;
    let mut found: Vec<Member> = all
        .range((from, Bound::Unbounded))
        .copied()
        .filter(|member| is_visible(tenant, *member, call.now))
        .take(size + 1)
        .collect();
    let link =
        (found.len() > size).then(|| ("@odata.nextLink", next_link(call, &encode(found[size]))));
    found.truncate(size);
    Ok((found, link))
}

fn answer(tenant: &Tenant, call: &Call<'_>, all: &BTreeSet<Member>, others: Vec<Value>) -> Outcome {
    if call.query.get("$filter").is_some() && !call.is_advanced() {
        return Err(Refusal::unsupported_query(
            "Filtering members needs the header ConsistencyLevel: eventual and $count=true.",
        ));
    }
    let chosen = Chosen::parse(call)?;
    let (members, link) = page_of(tenant, call, all)?;
    let mut shown: Vec<Shown<'_>> = members
        .into_iter()
        .map(|member| chosen.show(tenant, member, call.now))
        .collect();
    shown.extend(
        others
            .into_iter()
            .map(|value| Shown::Other(crate::objects::select(value, call))),
    );
    let count = (call.is_advanced() && cursor(call)?.is_none()).then_some(all.len());
    Ok(Answer::ok(&Page {
        context: call.context("directoryObjects"),
        count,
        link,
        value: &shown,
    }))
}

/// `GET /groups/{id}/members`.
pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_group(call.param(0), call.now)?;
    answer(tenant, call, &tenant.group(no).members, Vec::new())
}

/// `GET /groups/{id}/members/$ref`.
pub(crate) fn list_refs(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_group(call.param(0), call.now)?;
    let (members, link) = page_of(tenant, call, &tenant.group(no).members)?;
    let id = |member: &Member| match member {
        Member::User(no) => tenant.user(*no).id,
        Member::Group(no) => tenant.group(*no).id,
    };
    let refs: Vec<Value> = members.iter().map(|member| json!({"@odata.id": format!("{}/{}/directoryObjects/{}", call.base, call.version.name(), id(member))})).collect();
    Ok(Answer::ok(&Page {
        context: call.context("Collection($ref)"),
        count: None,
        link,
        value: &refs,
    }))
}

/// `GET /groups/{id}/transitiveMembers`.
pub(crate) fn list_transitive(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_group(call.param(0), call.now)?;
    let mut all = BTreeSet::new();
    let mut open = vec![no];
    while let Some(group) = open.pop() {
        for member in &tenant.group(group).members {
            if all.insert(*member)
                && let Member::Group(inner) = member
            {
                open.push(*inner);
            }
        }
    }
    answer(tenant, call, &all, Vec::new())
}

/// Users whose license through this group is not in force.
pub(crate) fn with_license_errors(tenant: &Tenant, no: GroupNo) -> impl Iterator<Item = UserNo> {
    tenant.group(no).user_members().filter(move |user| {
        tenant
            .user(*user)
            .licenses
            .iter()
            .any(|license| license.by_group == Some(no) && license.error.is_some())
    })
}

/// `GET /groups/{id}/membersWithLicenseErrors`.
pub(crate) fn list_license_errors(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_group(call.param(0), call.now)?;
    let all: BTreeSet<Member> = with_license_errors(tenant, no).map(Member::User).collect();
    answer(tenant, call, &all, Vec::new())
}

/// `GET /users/{id}/memberOf`.
pub(crate) fn member_of(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    memberships(tenant, call, Cast::Any, |groups, _| groups)
}

/// `GET /users/{id}/transitiveMemberOf`.
pub(crate) fn transitive_member_of(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    memberships(tenant, call, Cast::Any, outward)
}

/// `GET /users/{id}/transitiveMemberOf/graph.group`.
pub(crate) fn transitive_groups(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    memberships(tenant, call, Cast::Groups, outward)
}

fn memberships(
    tenant: &Tenant,
    call: &Call<'_>,
    cast: Cast,
    widen: fn(BTreeSet<Member>, &Tenant) -> BTreeSet<Member>,
) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let direct = tenant
        .user(no)
        .groups
        .iter()
        .map(|group| Member::Group(*group))
        .collect();
    let roles = tenant
        .roles
        .iter()
        .filter(|role| cast == Cast::Any && role.members.contains(&no))
        .map(|role| role.json_typed());
    answer(tenant, call, &widen(direct, tenant), roles.collect())
}

/// A set of groups with every group they are in.
fn outward(direct: BTreeSet<Member>, tenant: &Tenant) -> BTreeSet<Member> {
    let mut all = direct.clone();
    let mut open: Vec<Member> = direct.into_iter().collect();
    while let Some(Member::Group(no)) = open.pop() {
        for outer in &tenant.group(no).groups {
            if all.insert(Member::Group(*outer)) {
                open.push(Member::Group(*outer));
            }
        }
    }
    all
}

/// `GET /users/{id}/directReports`.
pub(crate) fn direct_reports(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let no = tenant.find_user(call.param(0), call.now)?;
    let all: BTreeSet<Member> = tenant
        .index
        .reports
        .get(&no)
        .map(|all| all.iter().copied().map(Member::User).collect())
        .unwrap_or_default();
    answer(tenant, call, &all, Vec::new())
}
