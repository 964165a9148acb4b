//! WS-Federation, passive profile, with the SAML 1.1 tokens that Microsoft expects in it.

mod request;
mod response;

pub use request::{SignInRequest, WsFedRejection, WsFedRequest};
