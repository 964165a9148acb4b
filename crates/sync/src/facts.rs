//! What a plan has to know about the tenant as a whole.

use std::collections::BTreeSet;

use signpost_model::connection::FoundDomain;
use signpost_model::license::Product;
use signpost_model::plan::ObjectId;
use signpost_model::text::fold;

/// The tenant and the application, as last read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantFacts {
    /// The domain whose people the application looks after.
    pub domain: String,
    pub domains: Vec<FoundDomain>,
    pub products: Vec<Product>,
    /// Licenses (group, product) that a group of the tenant gives now, and that this run takes from
    /// it: who needs them otherwise gets them first.
    pub withdrawn: BTreeSet<(ObjectId, String)>,
}

impl TenantFacts {
    /// Whether user names may end in this domain.
    pub fn is_verified(&self, domain: &str) -> bool {
        let domain = fold(domain);
        (self.domains.iter()).any(|known| known.verified && fold(&known.name) == domain)
    }

    /// Whether a user name lies in the domain the tenant was born with, where the accounts are
    /// that must work when everything else fails.
    pub fn is_initial(&self, user_principal_name: &str) -> bool {
        let Some((_, domain)) = user_principal_name.split_once('@') else {
            return false;
        };
        let domain = fold(domain);
        let born = (self.domains.iter()).any(|known| known.initial && fold(&known.name) == domain);
        born || domain
            .split('.')
            .rev()
            .nth(1)
            .is_some_and(|label| label == "onmicrosoft" || label == "onmschina")
    }

    /// The product, if the tenant has it.
    pub fn product(&self, sku_id: &str) -> Option<&Product> {
        self.products
            .iter()
            .find(|product| product.sku_id == sku_id)
    }
}
