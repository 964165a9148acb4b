//! Free seats of every product, taken one by one as the plan goes on.

use std::collections::BTreeMap;

use signpost_model::license::Product;

/// Seats that the plan may still give away.
#[derive(Debug, Clone)]
pub(super) struct Seats {
    free: BTreeMap<String, i64>,
    planned: BTreeMap<String, i64>,
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
        }
    }

    /// Whether a seat is left. Seats that this plan frees do not count: they are free only when
    /// the removal has happened, which the next plan sees.
    pub(super) fn has(&self, sku_id: &str) -> bool {
        self.free.get(sku_id).is_some_and(|free| *free > 0)
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
