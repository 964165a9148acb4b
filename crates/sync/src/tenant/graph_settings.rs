//! The settings of a tenant behind Microsoft Graph.

use std::fmt;

use signpost_graph::{Client, Write};
use signpost_model::TenantAction;

use super::{Answer, ReadFailure, Standing, TenantSettings};
use crate::apply::graph_tenant::{judge, not_graphs, read_failure};

/// A tenant reached through a Graph client.
pub struct GraphSettings {
    client: Client,
}

impl fmt::Debug for GraphSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphSettings").finish_non_exhaustive()
    }
}

impl GraphSettings {
    /// The tenant of this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn standing(&self, action: &TenantAction) -> Result<Standing, ReadFailure> {
        match action {
            TenantAction::SetSecurityDefaults { before, after } => {
                let found = self.client.security_defaults().await;
                let found = found.map_err(|error| read_failure(&error))?;
                Ok(between(&found.is_enabled, before, after))
            }
            // Carried out by the apply of groups.
            TenantAction::Group { .. } => Ok(Standing::Other),
        }
    }
}

fn between<T: PartialEq>(now: &T, before: &T, after: &T) -> Standing {
    if now == after {
        Standing::After
    } else if now == before {
        Standing::Before
    } else {
        Standing::Other
    }
}

impl TenantSettings for GraphSettings {
    async fn standings(
        &self,
        actions: Vec<(usize, TenantAction)>,
    ) -> Vec<(usize, Result<Standing, ReadFailure>)> {
        let mut standings = Vec::with_capacity(actions.len());
        for (key, action) in actions {
            standings.push((key, self.standing(&action).await));
        }
        standings
    }

    async fn write(&self, actions: Vec<(usize, TenantAction)>) -> Vec<(usize, Answer)> {
        let mut answers = Vec::with_capacity(actions.len());
        for (key, action) in actions {
            let answer = match write_of(&action) {
                Some(write) => judge(self.client.write(write).await),
                None => not_graphs("this change is made elsewhere"),
            };
            answers.push((key, answer));
        }
        answers
    }
}

fn write_of(action: &TenantAction) -> Option<Write> {
    match action {
        TenantAction::SetSecurityDefaults { after, .. } => {
            Some(Write::SetSecurityDefaults { enabled: *after })
        }
        TenantAction::Group { .. } => None,
    }
}
