//! Domains whose federation nobody confirmed: each gets a run that takes it back.

use signpost_model::federation::RevertCause;
use signpost_model::run::{RunMode, Trigger};
use signpost_model::{Author, Random, TenantRequest, Timestamp};

use super::{NewRun, queue};
use crate::{Result, Write, federations};

/// Queues what is due, and stops what would keep it waiting: a sync goes on where it stopped, a
/// domain that nobody can sign in to does not wait. Returns how many domains that are.
pub async fn queue_overdue(tx: &mut Write, random: &dyn Random, now: Timestamp) -> Result<usize> {
    let overdue = federations::list_overdue(tx, now).await?;
    for (application, issuer) in &overdue {
        federations::count_attempt(tx, *application, now).await?;
        sqlx::query(
            "update runs set cancel_requested = 1
             where application_id = $1 and state in ('planning', 'applying')
               and scope <> 'tenant'",
        )
        .bind(application.to_string())
        .execute(&mut **tx)
        .await?;
        let request = TenantRequest::RevertFederation {
            because: RevertCause::NotConfirmed,
            issuer: issuer.clone(),
        };
        let new = NewRun::of_tenant(*application, request, Trigger::Schedule, RunMode::Sync);
        queue(tx, random, &new, &Author::SIGNPOST, now).await?;
    }
    Ok(overdue.len())
}

#[cfg(test)]
mod tests {
    use signpost_model::RunId;
    use signpost_model::run::RunScope;
    use signpost_model::time::MINUTE_MS;

    use super::*;
    use crate::federations::NewFederation;
    use crate::fixtures::{NOW, add_connected, alice, claim, queue as ask, random, start};
    use crate::runs::lease::heartbeat;
    use crate::{both_engines, runs};

    both_engines! {
        async fn an_overdue_domain_stops_a_sync_and_goes_first(store: Store) {
            let application = add_connected(&store).await.id;
            let new = NewFederation {
                domain: "contoso.example".to_owned(),
                issuer: "urn:a:b".to_owned(),
                run_id: RunId::from_number(1),
                tester: String::new(),
                confirm_minutes: 5,
            };
            let mut tx = store.write().await.unwrap();
            federations::begin(&mut tx, application, &new, &alice(), NOW).await.unwrap();
            assert_eq!(queue_overdue(&mut tx, &random(), NOW).await.unwrap(), 0);
            tx.commit().await.unwrap();
            let sync = start(&store, application, RunScope::Everyone).await;

            let late = NOW.plus_millis(5 * MINUTE_MS);
            ask(&store, application, RunScope::Changed).await;
            heartbeat(&store, &sync.lease, late).await.unwrap();
            let mut tx = store.write().await.unwrap();
            assert_eq!(queue_overdue(&mut tx, &random(), late).await.unwrap(), 1);
            assert_eq!(queue_overdue(&mut tx, &random(), late).await.unwrap(), 0, "once a minute");
            tx.commit().await.unwrap();
            let held = heartbeat(&store, &sync.lease, late).await.unwrap();
            assert!(held.cancel_requested);
            assert!(claim(&store, "other", late).await.is_none(), "one run at a time");
            runs::finish(&store, &sync.lease, &runs::RunEnd::Cancelled, late).await.unwrap();
            let next = claim(&store, "other", late).await.unwrap();
            let expected = TenantRequest::RevertFederation {
                because: RevertCause::NotConfirmed,
                issuer: "urn:a:b".to_owned(),
            };
            assert_eq!(next.run.request, Some(expected));
        }
    }
}
