//! Throttling by the documented quotas (`graph.md` 3).

use std::collections::HashMap;

use uuid::Uuid;

use crate::answer::Refusal;
use crate::clock::Millis;
use crate::request::{Incoming, Priority};
use crate::routes::Route;

/// A token bucket on the tenant's clock.
#[derive(Debug, Clone)]
struct Bucket {
    capacity: f64,
    per_ms: f64,
    tokens: f64,
    at: Millis,
}

impl Bucket {
    fn new(capacity: f64, window_ms: f64, now: Millis) -> Self {
        Self {
            capacity,
            per_ms: capacity / window_ms,
            tokens: capacity,
            at: now,
        }
    }

    fn refill(&mut self, now: Millis) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a bucket is full long before milliseconds lose precision"
        )]
        let elapsed = (now - self.at).max(0) as f64;
        self.tokens = (self.tokens + elapsed * self.per_ms).min(self.capacity);
        self.at = now;
    }

    /// Milliseconds until `cost` fits above `reserve`; zero when it fits now.
    fn wait(&self, cost: f64, reserve: f64) -> f64 {
        ((cost + reserve - self.tokens) / self.per_ms).max(0.0)
    }

    /// Takes the cost; a refused request still counts, down to ten seconds' worth below empty.
    fn take(&mut self, cost: f64) {
        self.tokens = (self.tokens - cost).max(-10_000.0 * self.per_ms);
    }

    fn usage(&self) -> f64 {
        1.0 - self.tokens / self.capacity
    }
}

#[derive(Debug)]
struct AppBuckets {
    units: Bucket,
    writes: Bucket,
    reports: Bucket,
}

/// The quotas of one tenant.
#[derive(Debug)]
pub(crate) struct Quotas {
    apps: HashMap<Uuid, AppBuckets>,
    tenant_writes: Bucket,
    conditional_access: Bucket,
}

/// What a request cost, and how full the nearest quota is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charge {
    pub(crate) units: u32,
    /// Above 0.8 it is told.
    pub(crate) usage: f64,
}

impl Quotas {
    pub(crate) fn new(now: Millis) -> Self {
        Self {
            apps: HashMap::new(),
            tenant_writes: Bucket::new(18_000.0, 300_000.0, now),
            conditional_access: Bucket::new(1.0, 1_000.0, now),
        }
    }

    /// Charges a request, or refuses it with 429.
    pub(crate) fn charge(
        &mut self,
        route: &Route,
        incoming: &Incoming,
        app: Uuid,
        tenant: Uuid,
        users: usize,
        now: Millis,
    ) -> Result<Charge, Box<Refusal>> {
        let units = cost(route, incoming);
        let buckets = self.apps.entry(app).or_insert_with(|| AppBuckets {
            units: Bucket::new(units_per_10_s(users), 10_000.0, now),
            writes: Bucket::new(3_000.0, 150_000.0, now),
            reports: Bucket::new(5.0, 10_000.0, now),
        });
        let priority = incoming.wishes.priority;
        let first = incoming.segments.first().map_or("", String::as_str);
        let mut asked: Vec<(&mut Bucket, f64, &str, &str)> = vec![(
            &mut buckets.units,
            f64::from(units),
            "Tenant_Application/ReadWrite",
            "ResourceUnitLimitExceeded",
        )];
        if route.is_write() {
            asked.push((
                &mut buckets.writes,
                1.0,
                "Tenant_Application/Write",
                "WriteLimitExceeded",
            ));
            asked.push((
                &mut self.tenant_writes,
                1.0,
                "Tenant/Write",
                "WriteLimitExceeded",
            ));
        }
        let is_conditional_access = first == "identity";
        if is_conditional_access {
            asked.push((
                &mut self.conditional_access,
                1.0,
                "Tenant/ReadWrite",
                "ResourceUnitLimitExceeded",
            ));
        }
        if first == "auditLogs" || first == "reports" {
            asked.push((
                &mut buckets.reports,
                1.0,
                "Tenant_Application/Read",
                "ResourceUnitLimitExceeded",
            ));
        }
        let mut refused: Option<(f64, &str, &str)> = None;
        let mut usage: f64 = 0.0;
        for (bucket, cost, scope, limit) in asked {
            bucket.refill(now);
            let wait = bucket.wait(cost, reserve(priority, bucket.capacity));
            if wait > 0.0 && refused.is_none_or(|(longest, ..)| wait > longest) {
                refused = Some((wait, scope, limit));
            }
            bucket.take(cost);
            usage = usage.max(bucket.usage());
        }
        match refused {
            None => Ok(Charge { units, usage }),
            Some((wait, scope, limit)) => {
                let retry_after = (!is_conditional_access).then_some(wait / 1000.0);
                Err(Box::new(too_many(
                    retry_after,
                    usage,
                    &format!("{scope}/{app}/{tenant}"),
                    limit,
                )))
            }
        }
    }
}

/// Low priority is refused first, high last.
fn reserve(priority: Priority, capacity: f64) -> f64 {
    match priority {
        Priority::Low if capacity >= 100.0 => capacity * 0.01,
        Priority::High if capacity >= 100.0 => -capacity * 0.01,
        _ => 0.0,
    }
}

fn units_per_10_s(users: usize) -> f64 {
    match users {
        0..50 => 3_500.0,
        50..=500 => 5_000.0,
        _ => 8_000.0,
    }
}

/// Resource units of a request (`graph.md` 3.2).
pub(crate) fn cost(route: &Route, incoming: &Incoming) -> u32 {
    let query = &incoming.query;
    let less = u32::from(query.get("$select").is_some())
        + u32::from(
            query
                .get("$top")
                .and_then(|top| top.parse::<u32>().ok())
                .is_some_and(|top| top < 20),
        );
    let more = u32::from(query.get("$expand").is_some());
    (route.units + more).saturating_sub(less).max(1)
}

fn too_many(retry_after_s: Option<f64>, usage: f64, scope: &str, limit: &str) -> Refusal {
    let mut refusal = Refusal::new(429, "TooManyRequests", "Please retry again later.")
        .header(
            "x-ms-throttle-limit-percentage",
            format!("{:.2}", usage.clamp(1.0, 1.8)),
        )
        .header("x-ms-throttle-scope", scope)
        .header("x-ms-throttle-information", limit);
    if let Some(seconds) = retry_after_s {
        refusal = refusal.header("Retry-After", format!("{:.3}", seconds.max(0.001)));
    }
    refusal.inner = vec![
        ("code", "429".to_owned()),
        ("status", "429".to_owned()),
        ("message", "Please retry after".to_owned()),
    ];
    refusal
}
