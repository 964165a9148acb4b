//! Changes to pushed groups in words, on a run's page and in its files.

use signpost_model::group_push::GroupAction;
use signpost_model::plan::PlannedLicense;

use crate::components::{Difference, Icon, Tone};

/// Names in a row; the files have them all.
const NAMES: usize = 20;

/// The badge of a change.
pub(super) const fn look_of(action: &GroupAction) -> (Icon, Tone) {
    match action {
        GroupAction::CreateGroup { .. } => (Icon::Plus, Tone::Ok),
        GroupAction::UpdateGroup { .. } => (Icon::Pencil, Tone::Info),
        GroupAction::AddMembers { .. } => (Icon::UserRoundPlus, Tone::Ok),
        GroupAction::RemoveMember { .. } => (Icon::Unlink, Tone::Warn),
        GroupAction::AssignLicenses { .. } => (Icon::KeyRound, Tone::Info),
        GroupAction::DeleteGroup { .. } => (Icon::Trash2, Tone::Bad),
    }
}

/// Before and after of a change.
pub(super) fn differences(action: &GroupAction) -> Vec<Difference> {
    match action {
        GroupAction::CreateGroup {
            name, description, ..
        } => {
            let mut changes = vec![Difference::new("Name", None, Some(name.clone()))];
            if !description.is_empty() {
                let text = Some(description.clone());
                changes.push(Difference::new("Description", None, text));
            }
            changes
        }
        GroupAction::UpdateGroup { name, description } => {
            let word = |label, change: &Option<(String, String)>| {
                let (before, after) = change.clone()?;
                let some = |text: String| (!text.is_empty()).then_some(text);
                Some(Difference::new(label, some(before), some(after)))
            };
            [word("Name", name), word("Description", description)]
                .into_iter()
                .flatten()
                .collect()
        }
        GroupAction::AddMembers { members } => members
            .iter()
            .take(NAMES)
            .map(|member| Difference::new("Member", None, Some(member.display_name.clone())))
            .collect(),
        GroupAction::RemoveMember { member } => {
            vec![Difference::new(
                "Member",
                Some(member.display_name.clone()),
                None,
            )]
        }
        GroupAction::AssignLicenses { add, remove, .. } => {
            let name = |license: &PlannedLicense| Some(license.name.clone());
            let given = add
                .iter()
                .map(|license| Difference::new("License", None, name(license)));
            let taken = remove
                .iter()
                .map(|license| Difference::new("License", name(license), None));
            given.chain(taken).collect()
        }
        GroupAction::DeleteGroup { members } => {
            vec![Difference::new("Members", Some(members.to_string()), None)]
        }
    }
}
