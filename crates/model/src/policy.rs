//! The Actions of an application: what may happen to accounts, within which limits, and when.

use serde::{Deserialize, Serialize};

/// What Signpost may do to accounts of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    pub create_accounts: bool,
    pub update_profiles: bool,
    pub assign_licenses: bool,
    pub block_sign_in: bool,
    pub end_sessions: bool,
    pub remove_licenses: bool,
    pub delete_accounts: bool,
    /// Days between the removal from assignment and the deletion.
    pub days_before_deletion: u16,
    pub limits: Limits,
    /// Accounts (user principal names, folded) that are never touched.
    pub protected: Vec<String>,
}

/// More removals than this in one run wait for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Never ask below this many accounts.
    pub floor: u32,
    /// Always ask above this many accounts.
    pub ceiling: u32,
    /// Between the two: this share of the linked accounts, in percent.
    pub percent: u8,
}

impl Default for Policy {
    /// Creates, updates and licenses; blocks leavers; deletes nobody.
    fn default() -> Self {
        Self {
            create_accounts: true,
            update_profiles: true,
            assign_licenses: true,
            block_sign_in: true,
            end_sessions: true,
            remove_licenses: false,
            delete_accounts: false,
            days_before_deletion: 30,
            limits: Limits::default(),
            protected: Vec::new(),
        }
    }
}

impl Default for Limits {
    /// Entra Connect stops at 500 deletes; 5 % catches a half-read source in a small tenant,
    /// and below 5 people the daily leavers would ask every time.
    fn default() -> Self {
        Self {
            floor: 5,
            ceiling: 500,
            percent: 5,
        }
    }
}

impl Limits {
    /// The most accounts a run may take sign-in, licenses or existence from unasked.
    pub fn allowed(&self, linked: i64) -> i64 {
        let share = linked.saturating_mul(i64::from(self.percent)) / 100;
        i64::from(self.floor).max(i64::from(self.ceiling).min(share))
    }
}

#[cfg(test)]
mod tests {
    use super::Limits;

    #[test]
    fn the_default_limit_is_five_percent_between_five_and_five_hundred() {
        let limits = Limits::default();
        assert_eq!(limits.allowed(0), 5);
        assert_eq!(limits.allowed(1_000), 50);
        assert_eq!(limits.allowed(100_000), 500);
    }
}
