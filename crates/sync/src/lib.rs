//! Keeps a tenant as the records say: desired → plan (pure) → apply (through narrow traits).

pub mod mapping;

pub use mapping::Mapping;
