//! The tenant's groups behind Microsoft Graph.

use std::collections::BTreeSet;

use futures::StreamExt;
use signpost_graph::{Change, Client, GroupPatch, LicenseGrant, NewGroup, Write};
use signpost_model::group_push::TenantGroup;
use signpost_model::plan::{ObjectId, PlannedLicense};

use super::{GroupTenant, GroupWrite, Order};
use crate::apply::{Answer, ReadFailure, judge, not_graphs, read_failure};
use crate::translate::{Untranslatable, graph_id, object_id, tenant_group};

/// Groups reached through a Graph client.
#[derive(Debug)]
pub struct GraphGroups {
    client: Client,
}

impl GraphGroups {
    /// The groups of this client's tenant.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl GroupTenant for GraphGroups {
    async fn write(&self, work: Vec<(usize, GroupWrite)>, order: Order) -> Vec<(usize, Answer)> {
        let mut answers = Vec::with_capacity(work.len());
        let mut writes = Vec::with_capacity(work.len());
        for (key, work) in work {
            match change(&work) {
                Ok(write) => writes.push((key, write)),
                Err(problem) => answers.push((key, not_graphs(&problem.to_string()))),
            }
        }
        let written = match order {
            Order::Any => self.client.batch(writes).await,
            Order::Kept => self.client.batch_in_order(writes).await,
        };
        answers.extend(
            written
                .into_iter()
                .map(|(key, result)| (key, judge(result))),
        );
        answers
    }

    async fn group(&self, id: &ObjectId) -> Result<Option<TenantGroup>, ReadFailure> {
        let Ok(id) = graph_id(id) else {
            return Ok(None);
        };
        let found = self.client.group(id).await;
        Ok(found
            .map_err(|error| read_failure(&error))?
            .as_ref()
            .map(tenant_group))
    }

    async fn find(&self, mail_nickname: &str) -> Result<Option<TenantGroup>, ReadFailure> {
        let found = self.client.find_groups_by_nickname(mail_nickname).await;
        let found = found.map_err(|error| read_failure(&error))?;
        Ok(found.first().map(tenant_group))
    }

    async fn members(&self, id: &ObjectId) -> Result<BTreeSet<ObjectId>, ReadFailure> {
        let mut members = BTreeSet::new();
        let Ok(id) = graph_id(id) else {
            return Ok(members);
        };
        let mut pages = self.client.group_members(id);
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| read_failure(&error))?;
            members.extend(page.into_iter().map(|member| object_id(member.id)));
        }
        Ok(members)
    }
}

fn change(write: &GroupWrite) -> Result<Write, Untranslatable> {
    Ok(match write {
        GroupWrite::Create {
            name,
            description,
            mail_nickname,
        } => Write::CreateGroup(NewGroup {
            display_name: name.clone(),
            mail_nickname: mail_nickname.clone(),
            description: (!description.is_empty()).then(|| description.clone()),
        }),
        GroupWrite::Update {
            group,
            name,
            description,
        } => Write::PatchGroup {
            id: graph_id(group)?,
            patch: GroupPatch {
                display_name: name.clone(),
                description: match description.as_deref() {
                    None => Change::Keep,
                    Some("") => Change::Clear,
                    Some(text) => Change::Set(text.to_owned()),
                },
            },
        },
        GroupWrite::Add { group, accounts } => Write::AddGroupMembers {
            group: graph_id(group)?,
            members: accounts.iter().map(graph_id).collect::<Result<_, _>>()?,
        },
        GroupWrite::Remove { group, account } => Write::RemoveGroupMember {
            group: graph_id(group)?,
            member: graph_id(account)?,
        },
        GroupWrite::License { group, add, remove } => Write::AssignGroupLicense {
            id: graph_id(group)?,
            add: add.iter().map(license).collect::<Result<_, _>>()?,
            remove: remove
                .iter()
                .map(|license| {
                    let sku = license.sku_id.parse();
                    sku.map_err(|_| Untranslatable("product id"))
                })
                .collect::<Result<_, _>>()?,
        },
        GroupWrite::Delete { group } => Write::DeleteGroup {
            id: graph_id(group)?,
        },
    })
}

fn license(license: &PlannedLicense) -> Result<LicenseGrant, Untranslatable> {
    crate::translate::license(license)
}
