//! The certificates in the application's own registration: another one is added, the old one goes.
//!
//! An application that signs in with a certificate may do both by proving that it holds the key;
//! one that signs in with a secret needs a permission, and replaces the whole list.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::Client;
use crate::error::{Call, Error, ErrorKind};
use crate::ids::ClientId;
use crate::request::{Request, with_query};
use crate::route::{self, Route};
use crate::token_error::{TokenError, TokenErrorKind};

/// A certificate that the registration is to accept; its key stays where it is.
#[derive(Clone, Debug)]
pub struct NewCertificate<'a> {
    /// What the registration lists it as.
    pub name: &'a str,
    /// DER as base64.
    pub base64: &'a str,
    /// From when on it holds.
    pub starts_at: Timestamp,
    /// Until when it holds.
    pub ends_at: Timestamp,
}

impl NewCertificate<'_> {
    fn to_json(&self) -> Value {
        json!({
            "type": "AsymmetricX509Cert", "usage": "Verify", "displayName": self.name,
            "startDateTime": self.starts_at, "endDateTime": self.ends_at,
            "key": self.base64,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    id: Uuid,
    /// Never empty for want of an answer: the list is sent back in the place of what is there.
    key_credentials: Vec<Value>,
}

impl Client {
    /// Adds a certificate to the registration with this ObjectId, whose client id is `own`. What
    /// the registration holds already stays.
    pub async fn add_certificate(
        &self,
        own: ClientId,
        registration: Uuid,
        certificate: &NewCertificate<'_>,
    ) -> Result<(), Error> {
        let request = match self.proof(&route::ADD_KEY, registration)? {
            Some(proof) => {
                let path = format!("/applications/{registration}/addKey");
                Request::new(&route::ADD_KEY, path).body(json!({
                    "keyCredential": certificate.to_json(), "passwordCredential": null,
                    "proof": proof,
                }))
            }
            None => {
                let mut held = self.keys(own, registration).await?;
                held.push(certificate.to_json());
                replace(registration, &held)
            }
        };
        self.send(&request).await.map(|_| ())
    }

    /// Removes a certificate of the registration with this ObjectId, whose client id is `own`.
    pub async fn remove_certificate(
        &self,
        own: ClientId,
        registration: Uuid,
        key_id: Uuid,
    ) -> Result<(), Error> {
        let request = match self.proof(&route::REMOVE_KEY, registration)? {
            Some(proof) => {
                let path = format!("/applications/{registration}/removeKey");
                let body = json!({ "keyId": key_id, "proof": proof });
                Request::new(&route::REMOVE_KEY, path).body(body)
            }
            None => {
                let mut held = self.keys(own, registration).await?;
                let is_meant = |key: &Value| {
                    let id = key["keyId"].as_str().and_then(|id| id.parse().ok());
                    id == Some(key_id)
                };
                held.retain(|key| !is_meant(key));
                replace(registration, &held)
            }
        };
        self.send(&request).await.map(|_| ())
    }

    /// Proof that this client holds a key that Microsoft knows; `None` for one with a secret.
    fn proof(&self, route: &'static Route, registration: Uuid) -> Result<Option<String>, Error> {
        let Some(certificate) = self.certificate() else {
            return Ok(None);
        };
        let proof = certificate.prove(registration, self.sender().clock.now_ms());
        proof.map(Some).map_err(|problem| {
            let call = Call {
                route,
                client_request_id: self.sender().mint_id(),
            };
            let problem = TokenError::plain(TokenErrorKind::WrongCertificate, problem.to_string());
            Error::new(ErrorKind::Unauthorized(problem), call, None)
        })
    }

    /// The registration's certificates as Microsoft writes them: replacing the list sends them back.
    async fn keys(&self, own: ClientId, registration: Uuid) -> Result<Vec<Value>, Error> {
        let path = with_query(
            &format!("/applications(appId='{own}')"),
            &[("$select", "id,keyCredentials")],
        );
        let held: Keys = self.read(&Request::new(&route::APPLICATION, path)).await?;
        if held.id != registration {
            let call = Call {
                route: &route::APPLICATION,
                client_request_id: self.sender().mint_id(),
            };
            let kind = ErrorKind::Decode {
                path: "id".to_owned(),
                problem: "it is another registration than the one that was planned for".to_owned(),
            };
            return Err(Error::new(kind, call, None));
        }
        Ok(held.key_credentials)
    }
}

fn replace(registration: Uuid, keys: &[Value]) -> Request {
    let path = format!("/applications/{registration}");
    Request::new(&route::PATCH_APPLICATION, path).body(json!({ "keyCredentials": keys }))
}
