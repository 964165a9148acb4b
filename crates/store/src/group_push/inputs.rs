//! Everything our records hold about pushed groups, and about their members a stretch at a time.

use std::collections::BTreeMap;

use signpost_model::group_push::{
    GroupLicense, GroupLink, GroupMember, KnownGroup, MemberInput, PushInput, Standing, TenantGroup,
};
use signpost_model::license::{Grant, Product};
use signpost_model::plan::{ObjectId, PlannedLicense};
use signpost_model::text::fold;
use signpost_model::{ApplicationId, GroupId, Policy, RunId, Timestamp, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::Result;
use crate::rows::TableRow;

/// The most members of one call.
pub const MAX_MEMBERS: u32 = 1_000;

/// Which pushed groups to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupScope {
    /// All of them, changed or not.
    pub everyone: bool,
    /// Also those whom only an operator's choice concerns: they wait until a person or the
    /// schedule asks.
    pub choices_too: bool,
}

/// Pushed groups that changed or are due, or all of them, with their revisions.
pub async fn list_next(
    db: &mut AnyConnection,
    application: ApplicationId,
    scope: GroupScope,
    now: Timestamp,
) -> Result<Vec<(GroupId, i64)>> {
    let rows = sqlx::query(
        "select group_id, revision from pushed_groups
         where application_id = $1 and ($2 = 1
           or (revision <> settled_revision and ($4 = 1 or revision > quiet_revision))
           or (due_at is not null and due_at <= $3))
         order by group_id",
    )
    .bind(application.to_string())
    .bind(i64::from(scope.everyone))
    .bind(now.as_millis())
    .bind(i64::from(scope.choices_too))
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("pushed_groups", row);
            Ok((columns.parsed("group_id")?, columns.number("revision")?))
        })
        .collect()
}

/// What an application grants, with the groups by which it really is given: a group that is not
/// pushed gives nothing to anybody, so its members get the license themselves.
pub async fn list_grants(db: &mut AnyConnection, application: ApplicationId) -> Result<Vec<Grant>> {
    let mut grants = crate::licenses::list_grants(db, application).await?;
    if grants.iter().any(|grant| grant.by_group) {
        let pushed = list_giving(db, application).await?;
        let gives = |id: GroupId| pushed.iter().any(|(group, _)| *group == id);
        for grant in &mut grants {
            grant.by_group &= grant.group_id.is_some_and(gives);
        }
    }
    Ok(grants)
}

/// Groups whose licenses the tenant's groups give: pushed, and not left out.
pub async fn list_giving(
    db: &mut AnyConnection,
    application: ApplicationId,
) -> Result<Vec<(GroupId, Option<ObjectId>)>> {
    let rows = sqlx::query(
        "select p.group_id, p.object_id from pushed_groups p
         join groups g on g.id = p.group_id and g.deleted_at is null
         where p.application_id = $1 and p.wanted = 1 and p.decision <> 'leave_out'
         order by p.group_id",
    )
    .bind(application.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("pushed_groups", row);
            let object_id = columns.optional_text("object_id")?;
            Ok((
                columns.parsed("group_id")?,
                object_id.map(|id| ObjectId::new(&id)),
            ))
        })
        .collect()
}

/// Licenses (group of the tenant, product) that Signpost gave to groups, and that the groups are
/// not to keep because nobody pushes them any more or `giving` does not name them.
pub async fn list_withdrawn(
    db: &mut AnyConnection,
    application: ApplicationId,
    giving: &[Grant],
) -> Result<Vec<(ObjectId, String)>> {
    let rows = sqlx::query(
        "select p.group_id, p.object_id, o.key, p.wanted, p.on_removal
         from pushed_groups p
         join ownership o on o.application_id = p.application_id and o.object_id = p.object_id
           and o.kind = 'license'
         where p.application_id = $1 order by p.object_id, o.key",
    )
    .bind(application.to_string())
    .fetch_all(db)
    .await?;
    let mut withdrawn = Vec::new();
    for row in &rows {
        let columns = TableRow::new("pushed_groups", row);
        let group: GroupId = columns.parsed("group_id")?;
        let sku = columns.text("key")?;
        let gives = giving
            .iter()
            .any(|grant| grant.by_group && grant.group_id == Some(group) && grant.sku_id == sku);
        let stays = !columns.flag("wanted")? && columns.text("on_removal")? == "keep";
        if !gives && !stays {
            withdrawn.push((ObjectId::new(&columns.text("object_id")?), sku));
        }
    }
    Ok(withdrawn)
}

/// What a planner needs to know of one pushed group; `None` when it is not pushed any more.
pub async fn find(
    db: &mut AnyConnection,
    application: ApplicationId,
    group: GroupId,
    grants: &[Grant],
    products: &[Product],
) -> Result<Option<PushInput>> {
    let row = sqlx::query(
        "select p.group_id, coalesce(g.name, '') as name,
           coalesce(g.description, '') as description,
           case when p.wanted = 1 and g.id is not null and g.deleted_at is null
             then 1 else 0 end as wanted,
           p.on_removal, p.decision, p.object_id, p.created, p.written_name,
           p.written_description, t.properties,
           (select count(*) from ownership o where o.application_id = p.application_id
              and o.kind = 'membership' and o.key = p.object_id) as owned
         from pushed_groups p left join groups g on g.id = p.group_id
         left join tenant_groups t on t.application_id = p.application_id
           and t.object_id = p.object_id
         where p.application_id = $1 and p.group_id = $2",
    )
    .bind(application.to_string())
    .bind(group.to_string())
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let columns = TableRow::new("pushed_groups", &row);
    let object_id = columns
        .optional_text("object_id")?
        .map(|id| ObjectId::new(&id));
    let name = columns.text("name")?;
    let licenses = BTreeMap::from_iter(
        grants
            .iter()
            .filter(|grant| grant.by_group && grant.group_id == Some(group))
            .map(|grant| (grant.sku_id.clone(), grant.disabled_plans.clone())),
    );
    let created = columns.flag("created")?;
    Ok(Some(PushInput {
        group_id: group,
        description: columns.text("description")?,
        wanted: columns.flag("wanted")?,
        on_removal: columns.parsed("on_removal")?,
        decision: columns.text("decision")?.parse().ok(),
        written_name: columns.text("written_name")?,
        written_description: columns.text("written_description")?,
        group: columns.optional_json("properties")?,
        same_name: match &object_id {
            Some(_) => Vec::new(),
            None => same_name(db, application, &name).await?,
        },
        licenses: licenses
            .into_iter()
            .map(|(sku, off)| planned(sku, off, products))
            .collect(),
        owned_licenses: match &object_id {
            Some(id) => owned_licenses(db, application, id, products).await?,
            None => Vec::new(),
        },
        owned_members: columns.number("owned")?,
        link: object_id.map(|object_id| GroupLink { object_id, created }),
        name,
    }))
}

fn planned(
    sku_id: String,
    mut disabled_plans: Vec<String>,
    products: &[Product],
) -> PlannedLicense {
    let product = products.iter().find(|product| product.sku_id == sku_id);
    if let Some(product) = product {
        // Microsoft refuses the whole call for a plan that the product does not have.
        disabled_plans.retain(|id| product.service_plans.iter().any(|plan| plan.id == *id));
    }
    disabled_plans.sort();
    disabled_plans.dedup();
    PlannedLicense {
        name: product.map_or_else(|| sku_id.clone(), |product| product.name.clone()),
        disabled_plans,
        sku_id,
    }
}

async fn same_name(
    db: &mut AnyConnection,
    application: ApplicationId,
    name: &str,
) -> Result<Vec<KnownGroup>> {
    let rows = sqlx::query(
        "select t.object_id, t.properties,
           case when exists (select 1 from pushed_groups p
             where p.application_id = t.application_id and p.object_id = t.object_id)
             then 1 else 0 end as taken
         from tenant_groups t where t.application_id = $1 and t.name_folded = $2
         order by t.object_id limit 50",
    )
    .bind(application.to_string())
    .bind(fold(name).replace('\0', ""))
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("tenant_groups", row);
            let group: TenantGroup = columns.json("properties")?;
            Ok(KnownGroup {
                group,
                taken: columns.flag("taken")?,
            })
        })
        .collect()
}

async fn owned_licenses(
    db: &mut AnyConnection,
    application: ApplicationId,
    group: &ObjectId,
    products: &[Product],
) -> Result<Vec<PlannedLicense>> {
    let rows = sqlx::query(
        "select object_id, key, value from ownership
         where application_id = $1 and object_id = $2 and kind = 'license' order by key",
    )
    .bind(application.to_string())
    .bind(group.as_str())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let columns = TableRow::new("ownership", row);
            let off: Vec<String> = columns.json("value")?;
            let license = GroupLicense {
                sku_id: columns.text("key")?,
                disabled_plans: off,
            };
            Ok(planned(license.sku_id, license.disabled_plans, products))
        })
        .collect()
}

/// Which members to look at.
#[derive(Debug, Clone, Copy)]
pub struct MemberScope<'a> {
    pub run: RunId,
    pub group: GroupId,
    /// The tenant's group, once there is one.
    pub object_id: Option<&'a ObjectId>,
    /// The group is pushed no longer: everybody whom Signpost added is looked at.
    pub ends: bool,
    /// Only this user.
    pub only_user: Option<UserId>,
    pub policy: &'a Policy,
}

/// The next users after a place about whom something may have to be decided; whoever is in the
/// group on both sides costs nothing.
pub async fn list_members(
    db: &mut AnyConnection,
    application: ApplicationId,
    scope: MemberScope<'_>,
    after: Option<UserId>,
    now: Timestamp,
) -> Result<(Vec<MemberInput>, Option<UserId>)> {
    let object_id = scope.object_id.map_or("", ObjectId::as_str);
    let rows = sqlx::query(
        "select c.user_id, u.display_name, u.deleted_at, c.in_group, l.object_id,
           q.object_id as plan_object, q.disposition, v.state, v.held_until,
           coalesce(q.removed_at, v.removed_at) as removed_at,
           coalesce(a.deleted, 0) as deleted,
           case when t.member_object_id is null then 0 else 1 end as observed,
           case when o.key is null then 0 else 1 end as owned, d.state as drift
         from (
           select m.user_id, max(m.in_group) as in_group from (
             select m.user_id, 1 as in_group from memberships m
             where m.group_id = $2 and m.user_id > $3
             union all
             select l.user_id, 0 as in_group from ownership o
             join links l on l.application_id = o.application_id and l.object_id = o.object_id
             where o.application_id = $1 and o.kind = 'membership' and o.key = $4
               and l.user_id > $3) m
           where $5 = '' or m.user_id = $5
           group by m.user_id) c
         join users u on u.id = c.user_id
         left join links l on l.application_id = $1 and l.user_id = c.user_id
         left join plan_users q on q.run_id = $6 and q.user_id = c.user_id
         left join provisioning v on v.application_id = $1 and v.user_id = c.user_id
         left join accounts a on a.application_id = $1 and a.object_id = l.object_id
         left join tenant_members t on t.application_id = $1 and t.group_object_id = $4
           and t.member_object_id = coalesce(q.object_id, l.object_id)
         left join ownership o on o.application_id = $1 and o.kind = 'membership' and o.key = $4
           and o.object_id = coalesce(q.object_id, l.object_id)
         left join membership_drifts d on d.application_id = $1 and d.group_id = $2
           and d.user_id = c.user_id and d.state <> 'open'
         where (l.user_id is not null or q.user_id is not null)
           and ($7 = 1 or c.in_group = 0 or t.member_object_id is null or q.user_id is not null
             or (o.key is not null and (v.removed_at is not null or u.deleted_at is not null)))
         order by c.user_id limit $8",
    )
    .bind(application.to_string())
    .bind(scope.group.to_string())
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(object_id)
    .bind(scope.only_user.map(|id| id.to_string()).unwrap_or_default())
    .bind(scope.run.to_string())
    .bind(i64::from(scope.ends))
    .bind(i64::from(MAX_MEMBERS))
    .fetch_all(db)
    .await?;
    let mut members = Vec::with_capacity(rows.len());
    let mut last = None;
    for row in &rows {
        last = Some(TableRow::new("users", row).parsed("user_id")?);
        members.extend(member(row, scope.policy, now)?);
    }
    let next = last.filter(|_| rows.len() == MAX_MEMBERS as usize);
    Ok((members, next))
}

fn member(row: &AnyRow, policy: &Policy, now: Timestamp) -> Result<Option<MemberInput>> {
    let columns = TableRow::new("users", row);
    let owned = columns.flag("owned")?;
    let linked = columns.optional_text("object_id")?;
    let planned = columns.optional_text("plan_object")?;
    let disposition = columns.optional_text("disposition")?;
    let removed_at = columns.optional_time("removed_at")?;
    let access = access(
        disposition.as_deref(),
        columns.optional_text("state")?.as_deref(),
        removed_at.is_some(),
    );
    // Somebody without an account, and without one to come, cannot be a member.
    let comes = disposition.as_deref() == Some("create");
    if linked.is_none() && planned.is_none() && !comes {
        return Ok(None);
    }
    let is_held = columns
        .optional_time("held_until")?
        .is_some_and(|until| until > now);
    let leaves = columns.optional_time("deleted_at")?.is_some();
    let standing = match access {
        Access::Untouched => Standing::Untouched,
        _ if columns.flag("deleted")? && access != Access::Returning => Standing::Untouched,
        Access::Has | Access::Returning if !leaves => match (columns.flag("in_group")?, access) {
            (true, Access::Returning) => Standing::Returning,
            (true, _) => Standing::Wanted,
            (false, _) if is_held => Standing::Untouched,
            (false, _) => Standing::Unwanted,
        },
        _ if is_held || !licenses_are_due(policy, removed_at, now) => Standing::Untouched,
        _ => Standing::Unwanted,
    };
    let object_id = planned.or(linked).map(|id| ObjectId::new(&id));
    Ok(Some(MemberInput {
        member: GroupMember {
            user_id: columns.parsed("user_id")?,
            display_name: columns.text("display_name")?,
            object_id,
        },
        standing,
        observed: columns.flag("observed")?,
        owned,
        drift: columns
            .optional_text("drift")?
            .and_then(|word| word.parse().ok()),
    }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Has,
    Returning,
    Leaving,
    Untouched,
}

/// Where the user stands with the application, by the plan of this run, else by the last one.
fn access(disposition: Option<&str>, state: Option<&str>, removed: bool) -> Access {
    match (disposition, state) {
        (Some("create" | "adopt" | "update" | "in_sync"), _) => Access::Has,
        (Some("return"), _) => Access::Returning,
        (Some("leaving" | "left"), _) => Access::Leaving,
        (Some(_), _) => Access::Untouched,
        (None, Some("in_sync" | "pending" | "failed")) if !removed => Access::Has,
        (None, Some("blocked" | "left_out")) => Access::Untouched,
        (None, _) => Access::Leaving,
    }
}

/// Memberships go with the licenses: both are what a leaver no longer needs.
fn licenses_are_due(policy: &Policy, removed_at: Option<Timestamp>, now: Timestamp) -> bool {
    let days = i64::from(policy.days_before_license_removal);
    policy.remove_licenses && removed_at.is_none_or(|at| at.plus_days(days) <= now)
}
