//! What a check was before.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use signpost_model::Role;
use signpost_model::readiness::CheckKey;
use signpost_store::{connections, readiness};

use super::{status_of, time};
use crate::components::{Card, Column, DataTable, EmptyState, Icon, Narrow, StatusBadge};
use crate::error::PortalError;
use crate::pages::applications::frame::{ApplicationPage, Part};
use crate::pages::applications::{found, id_of_page};
use crate::portal::portal;
use crate::root::page;
use crate::visit::require;

/// The page.
#[component]
pub fn HistoryPage() -> impl IntoView {
    page(async {
        require(Role::Auditor)?;
        let id = id_of_page()?;
        let key: CheckKey = use_params_map()
            .with_untracked(|params| params.get("check"))
            .and_then(|key| key.parse().ok())
            .ok_or(PortalError::NotFound)?;
        let portal = portal()?;
        let mut read = portal.store.read().await?;
        let application = found(&mut read, id).await?;
        let connection = connections::find(&mut read, id).await?;
        let past = readiness::history(&mut read, id, key).await?;
        drop(read);
        let body = if past.is_empty() {
            view! {
                <EmptyState
                    icon=Icon::Clock
                    title="Never checked"
                    why="What a check was before stands here from its first time on."
                />
            }
            .into_any()
        } else {
            let rows = past
                .into_iter()
                .map(|past| {
                    view! {
                        <tr>
                            <th scope="row">{time(past.since)}</th>
                            <td data-label="State"><StatusBadge status=status_of(past.state) /></td>
                            <td data-label="What was found">{past.sentence}</td>
                        </tr>
                    }
                })
                .collect_view();
            let columns = ["Since", "State", "What was found"].map(Column::new);
            view! {
                <DataTable caption="History" columns=columns.to_vec() narrow=Narrow::Stacks>
                    {rows}
                </DataTable>
            }
            .into_any()
        };
        Ok(view! {
            <ApplicationPage application=application connection=connection part=Part::Readiness below="History">
                <Card id="history" title=key.label() hint="Each row is a change of its state or of its words.".to_owned()>
                    {body}
                </Card>
            </ApplicationPage>
        }
        .into_any())
    })
}
