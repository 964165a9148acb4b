//! Free seats of every product, taken one by one as the plan goes on.

use std::collections::BTreeMap;

use signpost_model::license::Product;

/// Seats that the plan may still give away.
#[derive(Debug, Clone)]
pub(super) struct Seats {
    free: BTreeMap<String, i64>,
    planned: BTreeMap<String, i64>,
    /// Users who wait for a seat and whose turn in this plan is still to come.
    pub(super) waiting: BTreeMap<String, i64>,
    /// What is given instead of a product that has no seats left, in this order.
    pub(super) fallbacks: BTreeMap<String, Vec<String>>,
}

impl Seats {
    pub(super) fn of(products: &[Product]) -> Self {
        let free = (products.iter())
            .map(|product| {
                let seats = if product.assignable {
                    product.seats.free()
                } else {
                    0
                };
                (product.sku_id.clone(), seats)
            })
            .collect();
        Self {
            free,
            planned: BTreeMap::new(),
            waiting: BTreeMap::new(),
            fallbacks: BTreeMap::new(),
        }
    }

    /// Notes that the turn of somebody who waits has come.
    pub(super) fn come(&mut self, sku_id: &str) {
        if let Some(waiting) = self.waiting.get_mut(sku_id) {
            *waiting = (*waiting - 1).max(0);
        }
    }

    /// Whether a seat is left for somebody: for a newcomer only beyond those that others wait
    /// for. Seats that this plan frees do not count: they are free only when the removal has
    /// happened, which the next plan sees.
    pub(super) fn has(&self, sku_id: &str, has_waited: bool) -> bool {
        let reserved = match self.waiting.get(sku_id) {
            Some(waiting) if !has_waited => *waiting,
            _ => 0,
        };
        self.free.get(sku_id).is_some_and(|free| *free > reserved)
    }

    pub(super) fn take(&mut self, sku_id: &str) {
        if let Some(free) = self.free.get_mut(sku_id) {
            *free -= 1;
        }
        *self.planned.entry(sku_id.to_owned()).or_default() += 1;
    }

    /// Seats that the plan gives away, by product.
    pub(super) fn into_planned(self) -> BTreeMap<String, i64> {
        self.planned
    }
}
