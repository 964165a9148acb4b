//! The application permissions that the Provisioning page judges: what the sync cannot do without,
//! what the rest of Signpost can use, and what is too much.

use signpost_model::readiness::Feature;
use signpost_sync::readiness::Judgement as Judged;
pub use signpost_sync::readiness::{NEEDS, Need};

/// What the granted permissions mean, whatever features are chosen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    pub granted: Vec<&'static Need>,
    /// Without them accounts are not kept.
    pub missing: Vec<&'static Need>,
    /// Without them a check, a switch or a comfort is missing.
    pub absent: Vec<&'static Need>,
    /// Granted, and used for nothing here.
    pub excess: Vec<String>,
}

impl Judgement {
    /// Of the permissions in a token.
    pub fn of(granted: &[String]) -> Self {
        let judged = Judged::of(granted, Feature::ALL);
        let (missing, absent) = judged
            .missing
            .into_iter()
            .partition(|need| is_required(need));
        Self {
            granted: judged.granted,
            missing,
            absent,
            excess: judged.excess,
        }
    }

    /// As in `6 of 6 permissions granted`.
    pub fn sentence(&self) -> String {
        let required = self.granted.iter().filter(|need| is_required(need)).count();
        format!(
            "{required} of {} permissions granted",
            required + self.missing.len()
        )
    }
}

fn is_required(need: &Need) -> bool {
    need.feature == Feature::Sync
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_wider_permission_covers_a_need_and_is_not_excess_then() {
        let judged = Judgement::of(&names(&["User.ReadWrite.All", "Directory.ReadWrite.All"]));
        let missing: Vec<_> = judged.missing.iter().map(|need| need.name).collect();
        assert_eq!(missing, ["Domain.Read.All"]);
        assert!(judged.excess.is_empty());
    }

    #[test]
    fn what_nothing_here_uses_is_excess() {
        let all: Vec<String> = NEEDS.iter().map(|need| need.name.to_owned()).collect();
        let more = [&all[..], &names(&["Directory.ReadWrite.All", "Mail.Send"])].concat();
        let judged = Judgement::of(&more);
        assert_eq!(judged.missing, Vec::<&Need>::new());
        assert_eq!(judged.excess, ["Directory.ReadWrite.All", "Mail.Send"]);
        assert_eq!(judged.sentence(), "6 of 6 permissions granted");
    }
}
