//! The settings of a tenant behind Microsoft Graph.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use signpost_graph::{
    self as graph, Client, ClientId, Clock, ObjectId, RegisteredSecret, SecretText, Write,
};
use signpost_model::readiness::PerUserMfa;
use signpost_model::{TenantAction, Timestamp};

use super::{Answer, ReadFailure, Standing, TenantSettings, graph_federation};
use crate::apply::graph_tenant::{judge, not_graphs, read_failure};

/// The secret that the application signs in with: kept by the caller, sealed.
pub trait Secrets: fmt::Debug + Send + Sync {
    /// The first characters of the secret in use, as registrations list them.
    fn hint(&self) -> BoxFuture<'_, Option<String>>;

    /// Tries a new secret and keeps it in the place of the one in use. An error, in words, leaves
    /// the old one in use.
    fn take(&self, secret: SecretText) -> BoxFuture<'_, Result<(), String>>;
}

/// A tenant reached through a Graph client.
pub struct GraphSettings {
    client: Client,
    /// The client id of the application itself.
    own: ClientId,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for GraphSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphSettings").finish_non_exhaustive()
    }
}

impl GraphSettings {
    /// The tenant of this client; the clock is for changes of several steps.
    pub fn new(
        client: Client,
        own: ClientId,
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client,
            own,
            secrets,
            clock,
        }
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
            TenantAction::AddSecret { name, .. } => {
                let listed = self.listed(|secret| secret.display_name.as_ref() == Some(name));
                Ok(match listed.await? {
                    None => Standing::Before,
                    Some(secret) if self.is_in_use(&secret).await => Standing::After,
                    // Its value is not known to us: nothing may be built on it.
                    Some(_) => Standing::Other,
                })
            }
            TenantAction::RemoveSecret { key_id, .. } => {
                let wanted: Option<uuid::Uuid> = key_id.parse().ok();
                let listed =
                    self.listed(|secret| secret.key_id.is_some() && secret.key_id == wanted);
                Ok(match listed.await? {
                    None => Standing::After,
                    // Whoever removed it would lock Signpost out.
                    Some(secret) if self.is_in_use(&secret).await => Standing::Other,
                    Some(_) => Standing::Before,
                })
            }
            TenantAction::SetPerUserMfa {
                account,
                before,
                after,
                ..
            } => {
                // Several are read together, by `standings`; this is for one that is no id.
                let Ok(id) = account.parse() else {
                    return Ok(Standing::Other);
                };
                let found = self.client.per_user_mfa(id).await;
                let found = found.map_err(|error| read_failure(&error))?;
                Ok(found
                    .and_then(per_user_mfa)
                    .map_or(Standing::Other, |now| between_mfa(now, *before, *after)))
            }
            TenantAction::Federate { domain, after, .. } => {
                graph_federation::standing_of_federate(&self.client, domain, after).await
            }
            TenantAction::UpdateFederation {
                domain,
                before,
                after,
                ..
            } => graph_federation::standing_of_update(&self.client, domain, (before, after)).await,
            TenantAction::RevertFederation { domain, before } => {
                let before = before.as_ref();
                graph_federation::standing_of_revert(&self.client, domain, before).await
            }
            TenantAction::SetAccountImmutableId {
                object_id,
                user_name,
                before,
                after,
                by_way_of,
            } => {
                let ids = (before.as_deref(), after.as_str());
                let way = by_way_of.as_deref();
                graph_federation::standing_of_account(&self.client, object_id, ids, user_name, way)
                    .await
            }
        }
    }

    async fn make(&self, action: TenantAction) -> Answer {
        let client = &self.client;
        match action {
            TenantAction::AddSecret {
                registration,
                name,
                ends_at,
            } => self.add_secret(&registration, &name, ends_at).await,
            TenantAction::RemoveSecret {
                registration,
                key_id,
                ..
            } => self.remove_secret(&registration, &key_id).await,
            TenantAction::Federate { domain, after, .. } => {
                graph_federation::federate(client, &domain, &after).await
            }
            TenantAction::UpdateFederation {
                domain,
                federation,
                after,
                ..
            } => graph_federation::update(client, &domain, &federation, &after).await,
            TenantAction::RevertFederation { domain, .. } => {
                graph_federation::revert(client, &domain).await
            }
            TenantAction::SetAccountImmutableId {
                object_id,
                user_name,
                after,
                by_way_of,
                ..
            } => {
                let clock = self.clock.as_ref();
                let way = by_way_of.as_deref();
                graph_federation::set_immutable_id(
                    client, clock, &object_id, &after, &user_name, way,
                )
                .await
            }
            // Groups are carried out by their own apply.
            other => match write_of(&other) {
                Some(write) => judge(client.write(write).await),
                None => not_graphs("This change is not made here."),
            },
        }
    }
}

impl GraphSettings {
    async fn listed(
        &self,
        is_meant: impl Fn(&RegisteredSecret) -> bool,
    ) -> Result<Option<RegisteredSecret>, ReadFailure> {
        let found = self.client.application_credentials(self.own).await;
        let found = found.map_err(|error| read_failure(&error))?;
        let mut secrets = found.map(|found| found.secrets).unwrap_or_default();
        secrets.retain(is_meant);
        Ok(secrets.pop())
    }

    async fn is_in_use(&self, secret: &RegisteredSecret) -> bool {
        let hint = self.secrets.hint().await;
        // Where either does not say, it counts as in use.
        hint.is_none() || secret.hint.is_none() || hint == secret.hint
    }

    /// Makes a secret, and uses it when it works; one that does not is removed again.
    async fn add_secret(&self, registration: &str, name: &str, ends_at: Timestamp) -> Answer {
        let (Ok(registration), Some(ends_at)) = (registration.parse(), ends_at.to_jiff()) else {
            return not_graphs("The registration's id is none.");
        };
        let made = match self.client.add_password(registration, name, ends_at).await {
            Ok(made) => made,
            Err(error) => return judge(Err(error)),
        };
        match self.secrets.take(made.value).await {
            Ok(()) => Answer::Done {
                request_id: None,
                object_id: None,
            },
            Err(why) => {
                let undone = self.client.remove_password(registration, made.key_id).await;
                let left = if undone.is_err() {
                    " The new secret stays in the registration; the next renewal removes it."
                } else {
                    ""
                };
                not_graphs(&format!("{why}{left}"))
            }
        }
    }

    async fn remove_secret(&self, registration: &str, key_id: &str) -> Answer {
        let (Ok(registration), Ok(key_id)) = (registration.parse(), key_id.parse()) else {
            return not_graphs("The secret's id is none.");
        };
        let removed = self.client.remove_password(registration, key_id).await;
        judge(removed.map(|()| graph::Written {
            status: 204,
            request_id: None,
            created: None,
        }))
    }

    /// Accounts are read together, twenty to a call.
    async fn standings_of_accounts(
        &self,
        actions: Vec<(usize, TenantAction)>,
    ) -> Vec<(usize, Result<Standing, ReadFailure>)> {
        let ids = actions.iter().filter_map(|(_, action)| id_of(action));
        let found = self.client.per_user_mfa_of(ids.collect()).await;
        let judge = |((key, action), (_, found)): ((usize, TenantAction), (_, Result<_, _>))| {
            let standing = match (found, action) {
                (Ok(now), TenantAction::SetPerUserMfa { before, after, .. }) => {
                    Ok(per_user_mfa(now)
                        .map_or(Standing::Other, |now| between_mfa(now, before, after)))
                }
                (Ok(_), _) => Ok(Standing::Other),
                (Err(error), _) => Err(read_failure(&error)),
            };
            (key, standing)
        };
        actions.into_iter().zip(found).map(judge).collect()
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
        let (accounts, others): (Vec<_>, Vec<_>) = actions
            .into_iter()
            .partition(|(_, action)| id_of(action).is_some());
        let mut standings = self.standings_of_accounts(accounts).await;
        for (key, action) in others {
            standings.push((key, self.standing(&action).await));
        }
        standings
    }

    async fn write(&self, actions: Vec<(usize, TenantAction)>) -> Vec<(usize, Answer)> {
        let (accounts, others): (Vec<_>, Vec<_>) = actions
            .into_iter()
            .partition(|(_, action)| id_of(action).is_some());
        let writes = accounts
            .into_iter()
            .filter_map(|(key, action)| Some((key, write_of(&action)?)))
            .collect();
        let answers = self.client.batch(writes).await;
        let mut answers: Vec<_> = answers
            .into_iter()
            .map(|(key, written)| (key, judge(written)))
            .collect();
        for (key, action) in others {
            answers.push((key, self.make(action).await));
        }
        answers
    }
}

/// The account that an action is about, when it is about one.
fn id_of(action: &TenantAction) -> Option<ObjectId> {
    match action {
        TenantAction::SetPerUserMfa { account, .. } => account.parse().ok(),
        TenantAction::SetSecurityDefaults { .. }
        | TenantAction::Group { .. }
        | TenantAction::AddSecret { .. }
        | TenantAction::RemoveSecret { .. }
        | TenantAction::Federate { .. }
        | TenantAction::UpdateFederation { .. }
        | TenantAction::RevertFederation { .. }
        | TenantAction::SetAccountImmutableId { .. } => None,
    }
}

fn write_of(action: &TenantAction) -> Option<Write> {
    Some(match action {
        TenantAction::SetSecurityDefaults { after, .. } => {
            Write::SetSecurityDefaults { enabled: *after }
        }
        TenantAction::SetPerUserMfa { after, .. } => Write::SetPerUserMfa {
            id: id_of(action)?,
            state: match after {
                PerUserMfa::Disabled => graph::PerUserMfa::Disabled,
                PerUserMfa::Enabled => graph::PerUserMfa::Enabled,
                PerUserMfa::Enforced => graph::PerUserMfa::Enforced,
            },
        },
        TenantAction::Group { .. }
        | TenantAction::AddSecret { .. }
        | TenantAction::RemoveSecret { .. }
        | TenantAction::Federate { .. }
        | TenantAction::UpdateFederation { .. }
        | TenantAction::RevertFederation { .. }
        | TenantAction::SetAccountImmutableId { .. } => return None,
    })
}

/// What Graph calls the state; `None` for one that this version does not know.
pub fn per_user_mfa(found: graph::PerUserMfa) -> Option<PerUserMfa> {
    match found {
        graph::PerUserMfa::Disabled => Some(PerUserMfa::Disabled),
        graph::PerUserMfa::Enabled => Some(PerUserMfa::Enabled),
        graph::PerUserMfa::Enforced => Some(PerUserMfa::Enforced),
        graph::PerUserMfa::Unknown => None,
    }
}

/// Microsoft itself makes "enforced" of "enabled" for whoever has registered a method.
fn between_mfa(now: PerUserMfa, before: PerUserMfa, after: PerUserMfa) -> Standing {
    if now == PerUserMfa::Enforced && after == PerUserMfa::Enabled {
        return Standing::After;
    }
    between(&now, &before, &after)
}
