//! The settings of a tenant behind Microsoft Graph.

use std::fmt;
use std::sync::Arc;

use signpost_graph::{self as graph, Client, ClientId, Clock, ObjectId, Write};
use signpost_model::TenantAction;
use signpost_model::readiness::PerUserMfa;

use super::own_credential::{OwnCredential, OwnRegistration};
use super::{Answer, ReadFailure, Standing, TenantSettings, graph_federation};
use crate::apply::graph_tenant::{judge, not_graphs, read_failure};

/// A tenant reached through a Graph client.
pub struct GraphSettings {
    client: Client,
    /// The client id of the application itself.
    own: ClientId,
    credential: Arc<dyn OwnCredential>,
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
        credential: Arc<dyn OwnCredential>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client,
            own,
            credential,
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
                self.registration().standing_of_add_secret(name).await
            }
            TenantAction::RemoveSecret { key_id, .. } => {
                self.registration().standing_of_remove_secret(key_id).await
            }
            TenantAction::AddCertificate { thumbprint, .. } => {
                let registration = self.registration();
                Ok(registration.standing_of_add_certificate(thumbprint).await)
            }
            TenantAction::RemoveCertificate {
                key_id, thumbprint, ..
            } => {
                let registration = self.registration();
                registration
                    .standing_of_remove_certificate(key_id, thumbprint)
                    .await
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
            } => {
                let own = self.registration();
                own.add_secret(&registration, &name, ends_at).await
            }
            TenantAction::RemoveSecret {
                registration,
                key_id,
                ..
            } => {
                let own = self.registration();
                own.remove_secret(&registration, &key_id).await
            }
            TenantAction::AddCertificate {
                registration,
                thumbprint,
                certificate,
                starts_at,
                ends_at,
            } => {
                let (own, days) = (self.registration(), (starts_at, ends_at));
                own.add_certificate(&registration, &thumbprint, &certificate, days)
                    .await
            }
            TenantAction::RemoveCertificate {
                registration,
                key_id,
                ..
            } => {
                let own = self.registration();
                own.remove_certificate(&registration, &key_id).await
            }
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
    fn registration(&self) -> OwnRegistration<'_> {
        OwnRegistration {
            client: &self.client,
            own: self.own,
            kept: self.credential.as_ref(),
        }
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
        | TenantAction::AddCertificate { .. }
        | TenantAction::RemoveCertificate { .. }
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
        | TenantAction::AddCertificate { .. }
        | TenantAction::RemoveCertificate { .. }
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
