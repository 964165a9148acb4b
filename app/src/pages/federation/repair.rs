//! Asks for the plan that puts ImmutableIds right.

use signpost_model::plan::ObjectId;
use signpost_model::run::RunMode;
use signpost_model::{Author, TenantRequest};
use signpost_store::immutable_ids::{self, Ward};

use crate::forms::{Answer, FormErrors, Refusal};
use crate::portal::Portal;

/// Of these accounts, or of all that can be repaired.
pub(super) async fn queue(
    portal: &Portal,
    ward: &Ward,
    only: Option<&[ObjectId]>,
    author: &Author,
    back: &str,
) -> Result<Answer, Refusal> {
    let mut read = portal.store.read().await?;
    let can_be = match only {
        Some(ids) => immutable_ids::find(&mut read, ward, ids)
            .await?
            .iter()
            .any(|account| account.state.is_repairable()),
        None => !immutable_ids::list_repairable(&mut read, ward, None, 1)
            .await?
            .is_empty(),
    };
    drop(read);
    if !can_be {
        let text = "None of these can be repaired here: see what to do about each.";
        return Err(FormErrors::summary(text).refuse(back));
    }
    let request = TenantRequest::RepairImmutableIds {
        only: only.map(<[ObjectId]>::to_vec),
    };
    super::queue(portal, ward.application, request, RunMode::Preview, author).await
}
