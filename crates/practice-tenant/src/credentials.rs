//! What an operator types to connect with the practice tenant.

use crate::practice::PracticeTenant;

/// The values of the registration with everything in order.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Directory (tenant) ID.
    pub tenant_id: String,
    /// Application (client) ID.
    pub client_id: String,
    /// The secret's value.
    pub secret: String,
    /// The verified domain people sign in with.
    pub domain: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

impl PracticeTenant {
    /// The same values as `GET /_practice/credentials` shows first.
    pub fn credentials(&self) -> Option<Credentials> {
        let tenant = self.tenant();
        let good = tenant.registrations.first()?;
        Some(Credentials {
            tenant_id: tenant.id.to_string(),
            client_id: good.app_id.to_string(),
            secret: good.secrets.first()?.value.clone(),
            domain: crate::seed::DOMAIN.to_owned(),
        })
    }
}
