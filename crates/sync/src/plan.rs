//! A whole plan in memory, and as text: for tests, the command line and small tenants. The
//! worker streams users through a [`Planner`] instead.

use std::fmt::Write as _;

use signpost_model::plan::{Action, Change, NewValue, ObjectId, PlannedLicense, UserPlan};
use signpost_model::text::fold;
use signpost_model::{KnownAccount, PlanInput};

use crate::matching::Lookup;
use crate::planner::{Context, PlanSummary, Planner};

/// Everything a run will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub users: Vec<UserPlan>,
    pub summary: PlanSummary,
}

/// Plans these users against these accounts. The order of neither matters.
pub fn plan(inputs: &[PlanInput], accounts: &[KnownAccount], context: Context<'_>) -> Plan {
    let mut inputs: Vec<&PlanInput> = inputs.iter().collect();
    inputs.sort_by_key(|input| input.user.id);
    let mut planner = Planner::new(context);
    let users = (inputs.into_iter())
        .map(|input| {
            let candidates = planner
                .lookup(input)
                .map_or_else(Vec::new, |lookup| find_candidates(&lookup, accounts));
            planner.user(input, &candidates)
        })
        .collect();
    Plan {
        users,
        summary: planner.finish(),
    }
}

/// The accounts that a lookup finds, by object id.
pub fn find_candidates(lookup: &Lookup, accounts: &[KnownAccount]) -> Vec<KnownAccount> {
    let fits = |known: &&KnownAccount| {
        let seen = &known.observation;
        let is_name = |name: &String| fold(&seen.user_principal_name) == *name;
        let is_mail = |mail: &String| seen.mail.as_deref().map(fold).as_ref() == Some(mail);
        let is_id = |id: &ObjectId| seen.object_id == *id;
        (lookup.immutable_id.is_some() && seen.immutable_id == lookup.immutable_id)
            || lookup.user_principal_name.as_ref().is_some_and(is_name)
            || lookup.mail.as_ref().is_some_and(is_mail)
            || lookup.object_id.as_ref().is_some_and(is_id)
    };
    let mut found: Vec<KnownAccount> = accounts.iter().filter(fits).cloned().collect();
    found.sort_by(|one, other| one.observation.object_id.cmp(&other.observation.object_id));
    found
}

impl Plan {
    /// The plan as an operator reads it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for user in &self.users {
            let _ = write_user(&mut text, user);
        }
        let tally = &self.summary.tally;
        let _ = writeln!(
            text,
            "{} users, {} in sync, {} blocked, {} actions, {} losing something",
            tally.users, tally.in_sync, tally.blocked, tally.actions, tally.removals
        );
        if let Some(waits) = &self.summary.waits_for {
            let _ = writeln!(text, "waits: {waits:?}");
        }
        text
    }
}

fn write_user(text: &mut String, user: &UserPlan) -> std::fmt::Result {
    write!(text, "{}: {:?}", user.display_name, user.disposition)?;
    if let (Some(object_id), Some(method)) = (&user.object_id, user.link) {
        write!(text, ", linked with {object_id} by {}", method.label())?;
    }
    if let Some(due_at) = user.due_at {
        write!(text, ", next step {due_at}")?;
    }
    writeln!(text)?;
    for planned in &user.actions {
        let label = planned.action.kind().label();
        writeln!(text, "  {label} ({})", planned.reason.text())?;
        write_details(text, &planned.action)?;
    }
    for kept in &user.kept {
        let label = kept.attribute.label();
        writeln!(
            text,
            "  keeps {label}: “{}”, not “{}”",
            kept.tenant, kept.directory
        )?;
    }
    for blocker in &user.blockers {
        writeln!(text, "  ! {}", blocker.text())?;
    }
    Ok(())
}

fn write_details(text: &mut String, action: &Action) -> std::fmt::Result {
    match action {
        Action::CreateAccount {
            immutable_id,
            values,
            ..
        } => {
            for (attribute, value) in values {
                writeln!(text, "    {}: {value}", attribute.label())?;
            }
            writeln!(text, "    ImmutableId: {immutable_id}")
        }
        Action::SetImmutableId { before, after } => {
            writeln!(text, "    {} → {after}", before.as_deref().unwrap_or("–"))
        }
        Action::Rename { before, after } => writeln!(text, "    {before} → {after}"),
        Action::UpdateProfile { changes } => {
            (changes.iter()).try_for_each(|change| write_change(text, change))
        }
        Action::AssignLicenses { add, remove } => {
            write_licenses(text, '+', add)?;
            write_licenses(text, '-', remove)
        }
        Action::RemoveLicenses { licenses } => write_licenses(text, '-', licenses),
        Action::SetManager { after, .. } => {
            let name = after.as_ref().map_or("–", |manager| &manager.display_name);
            writeln!(text, "    {name}")
        }
        Action::AddToGroup { name, .. } | Action::RemoveFromGroup { name, .. } => {
            writeln!(text, "    {name}")
        }
        Action::Restore
        | Action::Enable
        | Action::BlockSignIn
        | Action::RevokeSessions
        | Action::Delete => Ok(()),
    }
}

fn write_change(text: &mut String, change: &Change) -> std::fmt::Result {
    let before = change.before.as_deref().unwrap_or("–");
    let after = match &change.after {
        NewValue::Set(value) => value,
        NewValue::Clear => "–",
        NewValue::Keep => before,
    };
    writeln!(text, "    {}: {before} → {after}", change.attribute.label())
}

fn write_licenses(text: &mut String, sign: char, licenses: &[PlannedLicense]) -> std::fmt::Result {
    for license in licenses {
        write!(text, "    {sign} {}", license.name)?;
        if !license.disabled_plans.is_empty() {
            write!(text, " without {}", license.disabled_plans.join(", "))?;
        }
        writeln!(text)?;
    }
    Ok(())
}
